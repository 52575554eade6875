//! Rows of a list by id, and the ids that the list names more than once. Both kinds of walks use it.

use super::ListRow;
use crate::escape::printable;
use ahash::{AHashMap, RandomState};
use hashbrown::HashTable;
use std::collections::BTreeSet;

/// Maximum number of characters of an id in a message.
const MAX_ID: usize = 80;

/// Rows received so far, each id once.
///
/// A row that is read again replaces its older version. Of different rows that the list gives for one id, the one whose
/// content sorts first is kept. So the result depends neither on the order of pages nor on that of rows.
pub(super) struct KeptRows<R: ListRow> {
    rows: Vec<R>,
    /// Positions in `rows`, by the hash of the id. The table needs no copy of the ids, of which there may be millions.
    places: HashTable<u32>,
    hasher: RandomState,
    /// Of the replaced versions of a row with another content, the one that sorts first.
    replaced: AHashMap<R::Key, R>,
    repeated: BTreeSet<R::Key>,
}

impl<R: ListRow> KeptRows<R> {
    /// Starts without rows.
    pub(super) fn new() -> Self {
        Self {
            rows: Vec::new(),
            places: HashTable::new(),
            hasher: RandomState::new(),
            replaced: AHashMap::new(),
            repeated: BTreeSet::new(),
        }
    }

    /// Returns the number of distinct ids.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Adds the rows of one page, and records the ids that it contains more than once. Returns the ids as received.
    pub(super) fn add_page(&mut self, rows: Vec<R>) -> Vec<R::Key> {
        let keys: Vec<R::Key> = rows.iter().map(|row| row.key().clone()).collect();
        if !keys.windows(2).all(|pair| pair[0] < pair[1]) {
            self.repeated.extend(doubled(keys.iter()));
        }
        for row in rows {
            self.keep(row);
        }
        keys
    }

    fn keep(&mut self, row: R) {
        let hash = self.hasher.hash_one(row.key());
        let Some(place) = self.place_of(hash, row.key()) else { return self.add(hash, row) };
        let old = std::mem::replace(&mut self.rows[place], row);
        if old != self.rows[place] {
            let key = old.key().clone();
            let first = self.replaced.remove(&key).filter(|other| other.content() <= old.content());
            self.replaced.insert(key, first.unwrap_or(old));
        }
    }

    /// Returns the position of the row with this key. `hash` is the hash of the key.
    fn place_of(&self, hash: u64, key: &R::Key) -> Option<usize> {
        let is_at = |place: &u32| self.rows[*place as usize].key() == key;
        self.places.find(hash, is_at).map(|place| *place as usize)
    }

    fn add(&mut self, hash: u64, row: R) {
        let Self { rows, places, hasher, .. } = self;
        // No list has so many rows: their text alone would need 100 GB.
        let place = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        rows.push(row);
        places.insert_unique(hash, place, |place| hasher.hash_one(rows[*place as usize].key()));
    }

    /// Records ids that the list names more than once, although no single page does.
    pub(super) fn mark_repeated(&mut self, keys: impl IntoIterator<Item = R::Key>) {
        self.repeated.extend(keys);
    }

    /// Returns whether the list names this id more than once.
    pub(super) fn is_repeated(&self, key: &R::Key) -> bool {
        self.repeated.contains(key)
    }

    /// Returns why a list that names an id more than once is not proven; `None` if each id is named once.
    pub(super) fn repetition(&self) -> Option<String> {
        let first = printable(&R::id_text(self.repeated.first()?), MAX_ID);
        Some(match self.repeated.len() {
            1 => format!("id {first} is listed more than once"),
            ids => format!("{ids} ids are listed more than once, the first: {first}"),
        })
    }

    /// Returns the rows in the order of their first appearance.
    pub(super) fn into_rows(mut self) -> Vec<R> {
        for key in &self.repeated {
            let place = self.place_of(self.hasher.hash_one(key), key);
            if let (Some(place), Some(other)) = (place, self.replaced.remove(key))
                && other.content() < self.rows[place].content()
            {
                self.rows[place] = other;
            }
        }
        self.rows
    }
}

/// Returns the keys that occur more than once.
pub(super) fn doubled<'a, K: Ord + Clone + 'a>(keys: impl Iterator<Item = &'a K>) -> BTreeSet<K> {
    let mut seen = BTreeSet::new();
    keys.filter(|key| !seen.insert(*key)).cloned().collect()
}
