//! Finds equal texts among those of many rows, in 16 bytes a row.

use ahash::RandomState;

/// Positions of rows in the order of the hashes of their texts. Rows with equal texts are next to each other.
///
/// A map by text would take four times as much memory, and more time than one sort.
#[derive(Debug, Default)]
pub struct ByHash {
    rows: Vec<(u64, u32)>,
    hasher: RandomState,
}

impl ByHash {
    /// Sorts rows by the hashes of their texts.
    pub fn of(texts: impl Iterator<Item = (u32, impl AsRef<str>)>) -> Self {
        let hasher = RandomState::default();
        let mut rows: Vec<(u64, u32)> = texts.map(|(at, text)| (hasher.hash_one(text.as_ref()), at)).collect();
        rows.sort_unstable();
        Self { rows, hasher }
    }

    /// Returns the rows by hash, in ascending order. Rows with equal texts are in one list, seldom with others.
    pub fn lists(&self) -> impl Iterator<Item = impl ExactSizeIterator<Item = u32> + Clone> {
        self.rows.chunk_by(|a, b| a.0 == b.0).map(|list| list.iter().map(|(_, at)| *at))
    }

    /// Returns the rows whose text may be this one, in ascending order.
    pub fn list_of(&self, text: &str) -> impl Iterator<Item = u32> {
        let hash = self.hasher.hash_one(text);
        let first = self.rows.partition_point(|(other, _)| *other < hash);
        self.rows[first..].iter().take_while(move |(other, _)| *other == hash).map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_with_equal_texts_are_in_one_list_in_ascending_order() {
        let texts = ["a", "b", "a", "", "a"];
        let by_hash = ByHash::of((0u32..).zip(texts));
        let mut lists: Vec<Vec<u32>> = by_hash.lists().map(Iterator::collect).collect();
        lists.sort();
        assert_eq!(lists, [vec![0, 2, 4], vec![1], vec![3]]);
        assert_eq!(by_hash.list_of("a").collect::<Vec<_>>(), [0, 2, 4]);
        assert_eq!(by_hash.list_of("c").count(), 0);
    }
}
