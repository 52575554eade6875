//! Lists that are read by page numbers, where no row can be asked for by its position alone. Knows pages, rows and keys; nothing
//! of HTTP, JSON or any product.
//!
//! The promise is that of the parent module. What makes it true without reading anything twice:
//!
//! The first page is read first, to learn how many there are; then *the last one, and on towards the beginning*. Where
//! rows stand in the order of their keys and new rows get greater keys than all others, a deletion moves rows
//! towards the beginning only: a row that stays is either still ahead of the reading or was already seen. What remains is the first
//! page, which was read before the others: rows may have moved into it meanwhile. Either the other pages are made
//! one row smaller, so that the second one begins with the last row of the first page and shows whether anything moved (that
//! costs nothing as long as it takes no page more), or the first page is read once more at the end.
//!
//! Whether rows are in the order of their keys is looked at, never assumed: every page must ascend, pages must follow
//! one another, and no page may show a row within the span of one that was read before and did not have it. Any other list,
//! and any list without a total, is read twice in full, and proven when both readings are the same, row by row, with
//! totals that never change.
//!
//! The end is proven by the number of the last page or the total that stand in the same answer; where there is only a link to
//! the next page, or nothing, by an empty page behind the last full one.
//!
//! Visible: deletions anywhere, newcomers at the end, a clamp, short and empty pages before the last, a server that ignores
//! the number, totals that contradict the rows, a key that appears twice, another order. Not visible: a row that comes *between*
//! others of a list that is in the order of its keys (the vendor's lists are in order of creation, and keys grow) into a page that
//! was not read yet, while a row that was read already goes, so that the total stays as it was.

use super::{End, ListRow, WalkProgress, WalkResult, WalkSettings};
use ahash::AHashMap;
use std::collections::HashSet;
use std::collections::hash_map::Entry;

/// Which page: its number from 1, and rows a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PageAt {
    /// From 1.
    pub number: u64,
    /// Rows asked for.
    pub size: u64,
}

/// What an answer tells of the list and of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageMetadata {
    /// Rows of the whole list.
    pub total: Option<u64>,
    /// Number of the last page.
    pub last: Option<u64>,
    /// Number of this page.
    pub current: Option<u64>,
    /// Rows a page.
    pub size: Option<u64>,
    /// Whether there is a link to a next page; `None` where the answer has no links at all.
    pub next: Option<bool>,
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Numbered<R> {
    /// Rows in the server's order.
    pub rows: Vec<R>,
    /// The rest.
    pub reported: PageMetadata,
}

/// Fewer rows a page are refused by the Configuration API.
const LEAST_SIZE: u64 = 5;
/// Pages beyond the last one that are followed while rows are added, and looked for where nothing tells an end.
const MOST_PAGES: u64 = 100_000;

/// One page as it was seen.
struct SeenPage<K> {
    at: PageAt,
    keys: Vec<K>,
    reported: PageMetadata,
}

impl<K> SeenPage<K> {
    /// Position behind its last row.
    fn stop(&self) -> u64 {
        (self.at.number - 1) * self.at.size + self.keys.len() as u64
    }

    /// Whether the answer itself says that it is the last. `None`: it does not tell.
    fn is_last(&self) -> Option<bool> {
        let PageMetadata { total, last, next, .. } = self.reported;
        let by_number = last.map(|last| self.at.number >= last);
        let by_total = total.map(|total| self.stop() >= total);
        by_number.or(by_total).or(next.map(|next| !next))
    }

    /// The answer contradicts itself: more follows, but it does not hold what a page holds.
    fn comes_short(&self) -> bool {
        let promised = self.reported.last.is_some_and(|last| self.at.number < last)
            || self.reported.total.is_some_and(|total| self.stop() < total && !self.keys.is_empty());
        let hole =
            self.keys.is_empty() && self.at.number > 1 && self.reported.last.is_some_and(|last| self.at.number <= last);
        hole || (promised && (self.keys.len() as u64) < self.at.size)
    }
}

/// The keys of one reading in full, and every total that was told meanwhile.
type FullReading<K> = (Vec<K>, HashSet<Option<u64>>);

/// Why a reading proves nothing.
enum ReadingFault<E> {
    /// The list moved: read it again.
    Moved(String),
    /// It will not get better.
    Hopeless(String),
    /// The fetch failed.
    Failed(E),
}

impl<E> From<E> for ReadingFault<E> {
    fn from(error: E) -> Self {
        Self::Failed(error)
    }
}

struct Reader<R: ListRow, F, T> {
    settings: WalkSettings,
    fetch: F,
    report: T,
    /// Read already, to learn how much there is.
    first: Option<Numbered<R>>,
    rows: Vec<R>,
    places: AHashMap<R::Key, usize>,
    /// Of the reading that is going on.
    seen_now: HashSet<R::Key>,
    received: u64,
    pages: u64,
    total: Option<u64>,
    /// Some page's total was below its own rows: such totals are those of a page, or none.
    distrusts_totals: bool,
}

/// Walks a list to its proof. `first` is its first page where it was read already, at the settings' size. An error of `fetch`
/// ends the walk, rows so far are kept.
pub async fn walk_numbered<R, E, F, A, T>(
    settings: WalkSettings,
    first: Option<Numbered<R>>,
    fetch: F,
    report: T,
) -> WalkResult<R, E>
where
    R: ListRow,
    F: Fn(PageAt) -> A,
    A: Future<Output = Result<Numbered<R>, E>>,
    T: FnMut(WalkProgress),
{
    let mut reader = Reader {
        settings,
        fetch,
        report,
        first,
        rows: Vec::new(),
        places: AHashMap::new(),
        seen_now: HashSet::new(),
        received: 0,
        pages: 0,
        total: None,
        distrusts_totals: false,
    };
    let mut passes = 1;
    let end = loop {
        match reader.read_once().await {
            Ok(proof) => break Ok(End::Proven(proof)),
            Err(ReadingFault::Failed(error)) => break Err(error),
            Err(ReadingFault::Hopeless(why)) => break Ok(End::Unproven(why)),
            Err(ReadingFault::Moved(why)) if passes > u64::from(settings.max_passes) => {
                break Ok(End::Unproven(format!("{why}; still so after {passes} readings")));
            }
            Err(ReadingFault::Moved(why)) => {
                passes += 1;
                (reader.report)(WalkProgress::Drift(why));
                reader.seen_now.clear();
            }
        }
    };
    let Reader { mut rows, seen_now, received, pages, total, .. } = reader;
    if matches!(end, Ok(End::Proven(_))) {
        // What only a reading that proved nothing has seen is gone.
        rows.retain(|row| seen_now.contains(&row.key()));
    }
    WalkResult { rows, expected: total, received, pages, passes, end }
}

impl<R, E, F, A, T> Reader<R, F, T>
where
    R: ListRow,
    F: Fn(PageAt) -> A,
    A: Future<Output = Result<Numbered<R>, E>>,
    T: FnMut(WalkProgress),
{
    /// One reading of the whole list, and its proof in words.
    async fn read_once(&mut self) -> Result<String, ReadingFault<E>> {
        let first = self.page(1, self.settings.page_size.max(1)).await?;
        if first.keys.is_empty() {
            return Self::empty(&first);
        }
        let cap = first.reported.size.unwrap_or(first.keys.len() as u64).clamp(1, first.at.size.max(1));
        let last = match (first.is_last(), first.reported.last, first.reported.total) {
            (Some(true), ..) => 1,
            (_, Some(last), _) => last,
            (_, None, Some(total)) => total.div_ceil(cap),
            (Some(false), None, None) | (None, ..) => self.find_end(cap).await?,
        };
        if last > MOST_PAGES {
            return Err(ReadingFault::Hopeless(format!("the source tells of {last} pages")));
        }
        if last > 1 {
            self.several(first, cap, last).await
        } else if first.is_last() == Some(true) {
            self.single(&first).await
        } else {
            // Only the empty page behind it says that it is the last, and what stood there may have moved into it before that.
            self.twice(cap, 1).await
        }
    }

    fn empty(first: &SeenPage<R::Key>) -> Result<String, ReadingFault<E>> {
        match (first.reported.total, first.reported.last) {
            (None | Some(0), None | Some(0 | 1)) => Ok("the list is empty: its first page holds no row".to_owned()),
            _ => Err(ReadingFault::Moved(format!(
                "the source tells {}, but its first page holds no row",
                first.reported.total.map_or("of more pages".to_owned(), |total| format!("a total of {total}"))
            ))),
        }
    }

    /// All in one answer. A full page that does not tell the number of the last one may have more behind it.
    async fn single(&mut self, first: &SeenPage<R::Key>) -> Result<String, ReadingFault<E>> {
        if first.reported.last.is_none()
            && first.keys.len() as u64 >= first.at.size
            && !self.page(2, first.at.size).await?.keys.is_empty()
        {
            return Err(ReadingFault::Moved("behind the last page there is another one".to_owned()));
        }
        self.totals_agree(first.reported.total)?;
        Ok(match first.reported.total {
            Some(total) => format!("total {total} reached in one page"),
            None => format!("{} rows in one page, the last by its own word", first.keys.len()),
        })
    }

    async fn several(&mut self, first: SeenPage<R::Key>, cap: u64, last: u64) -> Result<String, ReadingFault<E>> {
        let smaller = cap - 1;
        let overlaps =
            smaller >= LEAST_SIZE && first.reported.total.is_some_and(|total| total.div_ceil(smaller) <= last);
        let size = if overlaps { smaller } else { cap };
        let last = if overlaps { first.reported.total.unwrap_or(0).div_ceil(smaller) } else { last };
        let mut seen = vec![first];
        self.tail(&mut seen, PageAt { number: last, size }).await?;
        for number in (2..last).rev() {
            let page = self.page(number, size).await?;
            if page.keys == seen[0].keys {
                return Err(ReadingFault::Hopeless(
                    "every page is the first one: the source ignores the number of the page".to_owned(),
                ));
            }
            seen.push(page);
        }
        let second = seen.last().and_then(|page| page.keys.first());
        let meets = second.is_some_and(|second| Some(second) <= seen[0].keys.last());
        if !overlaps || !meets {
            let again = self.page(1, cap).await?;
            seen.push(again);
        }
        let totals: Vec<u64> = seen.iter().filter_map(|page| page.reported.total).collect();
        if totals.len() == seen.len() && in_order(&seen[1..]) && ascends(&seen[0].keys) {
            // While people come and go, no total is that of all who stayed; a quiet list must hold what it tells.
            if totals.windows(2).all(|pair| pair[0] == pair[1]) {
                self.totals_agree(totals.first().copied())?;
            }
            let rows = self.seen_now.len() as u64;
            self.total = totals.iter().rev().find(|total| **total == rows).or(totals.last()).copied();
            let reported = self.total;
            let how =
                if overlaps && meets { "the second page meets the first" } else { "the first read again at the end" };
            return Ok(format!("{} from the last to the first of {last} pages; {how}", self.reached(reported)));
        }
        self.twice(cap, last).await
    }

    /// The last page, and what follows it where rows were added meanwhile.
    async fn tail(&mut self, seen: &mut Vec<SeenPage<R::Key>>, at: PageAt) -> Result<(), ReadingFault<E>> {
        let mut number = at.number;
        loop {
            let page = self.page(number, at.size).await?;
            let repeats = !page.keys.is_empty() && page.keys == seen[0].keys;
            if repeats {
                return Err(ReadingFault::Hopeless(
                    "a later page is the first one again: the source ignores the number of the page".to_owned(),
                ));
            }
            let full = page.keys.len() as u64 >= at.size;
            // Some servers tell the size of a page as the total: a full page may have more behind it, unless it tells the number
            // of the last one.
            let by_word = page.reported.last.is_some();
            let ended = page.keys.is_empty() || (page.is_last().unwrap_or(false) && (by_word || !full));
            // Towards the beginning it is read after those that follow it.
            seen.insert(1, page);
            if ended {
                return Ok(());
            }
            number += 1;
            if number > at.number + 16 {
                return Err(ReadingFault::Moved("the end of the list moved while it was read".to_owned()));
            }
        }
    }

    /// Nothing tells how many pages there are: on to the first empty one.
    async fn find_end(&mut self, size: u64) -> Result<u64, ReadingFault<E>> {
        let mut before: Option<Vec<R::Key>> = None;
        for number in 2..MOST_PAGES {
            let page = self.page(number, size).await?;
            if page.keys.is_empty() {
                return Ok(number - 1);
            }
            if before.as_ref() == Some(&page.keys) {
                return Err(ReadingFault::Hopeless(
                    "two pages are one and the same: the source ignores the number of the page".to_owned(),
                ));
            }
            before = Some(page.keys);
        }
        Err(ReadingFault::Hopeless("the list does not end".to_owned()))
    }

    /// Not in the order of keys: two readings in full that must be the same.
    async fn twice(&mut self, size: u64, last: u64) -> Result<String, ReadingFault<E>> {
        let mut readings: Vec<FullReading<R::Key>> = Vec::new();
        self.seen_now.clear();
        for _ in 0..2 {
            let (mut keys, mut totals) = (Vec::new(), HashSet::new());
            for number in 1..=last {
                let page = self.page(number, size).await?;
                if number == last && page.is_last() == Some(false) {
                    return Err(ReadingFault::Moved("the end of the list moved while it was read".to_owned()));
                }
                totals.insert(page.reported.total);
                keys.extend(page.keys);
            }
            readings.push((keys, totals));
        }
        let distinct: HashSet<&R::Key> = readings[0].0.iter().collect();
        if readings[0] != readings[1] || readings[0].1.len() > 1 || distinct.len() < readings[0].0.len() {
            return Err(ReadingFault::Moved("two readings of the whole list differ".to_owned()));
        }
        let reported = readings[0].1.iter().next().copied().flatten();
        self.totals_agree(reported)?;
        Ok(format!("{}; {last} pages read twice, the same both times", self.reached(reported)))
    }

    fn reached(&self, reported: Option<u64>) -> String {
        let rows = self.seen_now.len();
        match reported {
            Some(total) if total < rows as u64 => {
                format!("{rows} rows, the last of a list of {total}: others were removed while it was read")
            }
            Some(total) => format!("total {total} reached"),
            None => format!("{rows} rows"),
        }
    }

    fn totals_agree(&self, reported: Option<u64>) -> Result<(), ReadingFault<E>> {
        let rows = self.seen_now.len() as u64;
        match reported.filter(|total| rows < *total) {
            Some(total) => {
                Err(ReadingFault::Moved(format!("the source tells a total of {total}, but {rows} different rows came")))
            }
            None => Ok(()),
        }
    }

    /// One page; its rows are kept, the newest version of each.
    async fn page(&mut self, number: u64, size: u64) -> Result<SeenPage<R::Key>, ReadingFault<E>> {
        let at = PageAt { number, size };
        let ready = if number == 1 { self.first.take() } else { None };
        let Numbered { rows, mut reported } = match ready {
            Some(first) => first,
            None => (self.fetch)(at).await?,
        };
        if let Some(current) = reported.current.filter(|current| *current != number) {
            let why = format!("page {number} was asked for, and page {current} came");
            // A list that became shorter meanwhile shows its last page.
            let shrank = current > 1 && current < number && reported.last == Some(current);
            return Err(if shrank { ReadingFault::Moved(why) } else { ReadingFault::Hopeless(why) });
        }
        self.pages += 1;
        self.received += rows.len() as u64;
        let shown =
            reported.size.map_or(size, |reported| reported.min(size)).saturating_mul(number - 1) + rows.len() as u64;
        self.distrusts_totals |= !rows.is_empty() && reported.total.is_some_and(|total| total < shown);
        if self.distrusts_totals {
            (reported.total, self.total) = (None, None);
        }
        self.total = reported.total.or(self.total);
        let keys: Vec<R::Key> = rows.iter().map(ListRow::key).collect();
        let is_repeated = keys.iter().collect::<HashSet<_>>().len() < keys.len();
        self.seen_now.extend(keys.iter().cloned());
        for row in rows {
            match self.places.entry(row.key()) {
                Entry::Occupied(place) => self.rows[*place.get()] = row,
                Entry::Vacant(place) => {
                    place.insert(self.rows.len());
                    self.rows.push(row);
                }
            }
        }
        // Its rows exist all the same; the list is not proven by them.
        if is_repeated {
            return Err(ReadingFault::Moved(format!("page {number} held one id twice")));
        }
        (self.report)(WalkProgress::Page { distinct: self.rows.len() as u64, total: reported.total });
        // A page that is cut short by the server has another place than the one that was asked for.
        let size = reported.size.map_or(size, |reported| reported.min(size));
        let seen = SeenPage { at: PageAt { number, size }, keys, reported };
        if reported.size.is_some() && seen.comes_short() {
            return Err(ReadingFault::Moved(format!("page {number} came short, though more follows")));
        }
        Ok(seen)
    }
}

fn ascends<K: Ord>(keys: &[K]) -> bool {
    keys.windows(2).all(|pair| pair[0] < pair[1])
}

/// Pages in the order in which they were read, from the end towards the beginning: each ascends and begins before the one
/// that was read before it, and shows nothing within that one's span that it did not have: rows are in the order of their keys,
/// and none came between others.
fn in_order<K: Ord>(seen: &[SeenPage<K>]) -> bool {
    let pages: Vec<&[K]> = seen.iter().map(|page| page.keys.as_slice()).filter(|keys| !keys.is_empty()).collect();
    pages.iter().all(|keys| ascends(keys))
        && pages.windows(2).all(|pair| {
            let (later, earlier) = (pair[1], pair[0]);
            let known = |key: &K| *key <= earlier[0] || earlier.binary_search(key).is_ok();
            later[0] <= earlier[0] && later.last() <= earlier.last() && later.iter().all(known)
        })
}

#[cfg(test)]
mod tests;
