//! Reads lists by page number and proves that they are complete. Rows cannot be requested by their position here.
//!
//! The guarantee is that of the [parent module](super). Nothing here knows HTTP, JSON or a product.
//!
//! # How it works
//!
//! The first page is read first, because it shows how many pages there are. Then *the last page is read, and so on
//! towards the first*. If rows are ordered by key and new rows get the greatest keys, a deletion moves rows only
//! towards the start. So a remaining row was either read already or is still ahead of the walk.
//!
//! Only the first page was read before the others, so rows may have moved into it meanwhile. There are two remedies:
//!
//! - The other pages are one row smaller. The second page then begins with the last row of the first one and shows
//!   whether anything moved. This is used where it needs no additional page.
//! - Otherwise the first page is read again at the end.
//!
//! The order by key is checked, never assumed: every page must ascend, and the pages must follow one another. A page
//! must not show a row within the span of an earlier page that did not contain it. Any other list, and any list without
//! a total, is read twice in full. It is proven if both readings have the same rows in the same order, and the total
//! never changes.
//!
//! The end is proven by the number of the last page, or by the total, in the same response. A server may report only a
//! link to the next page, or nothing. Then an empty page after the last full one proves the end.
//!
//! # What is detected
//!
//! - deletions anywhere, and new rows at the end;
//! - a server that returns fewer rows than requested (a clamp), short and empty pages before the last one;
//! - a server that ignores the page number;
//! - totals that contradict the rows, a key that appears twice, another order.
//!
//! # What is not detected
//!
//! A row may appear *between* others of a list ordered by key, in a page that was not read yet. If a row that was read
//! is removed at the same time, the total stays the same, and nothing shows the change. The vendor's lists are in the
//! order of creation and their keys grow, so new rows appear at the end.

use super::{End, ListRow, WalkProgress, WalkResult, WalkSettings};
use ahash::AHashMap;
use std::collections::HashSet;
use std::collections::hash_map::Entry;

/// Request for one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PageRequest {
    /// Number of the page, starting with 1.
    pub number: u64,
    /// Number of rows per page.
    pub size: u64,
}

/// What a response reports about the list and about its page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageMetadata {
    /// Number of rows of the whole list.
    pub total: Option<u64>,
    /// Number of the last page.
    pub last: Option<u64>,
    /// Number of this page.
    pub current: Option<u64>,
    /// Number of rows per page.
    pub size: Option<u64>,
    /// Whether there is a link to a next page; `None` if the response has no links at all.
    pub next: Option<bool>,
}

/// One response of a list that is read by page number.
#[derive(Clone, Debug)]
pub struct NumberedPage<R> {
    /// Rows in the order of the server.
    pub rows: Vec<R>,
    /// What the response reports about itself.
    pub metadata: PageMetadata,
}

/// Smallest page size that the Configuration API accepts.
const MIN_PAGE_SIZE: u64 = 5;
/// Maximum number of pages of a list. It ends the search for the last page, and refuses an absurd number of pages.
const MAX_PAGES: u64 = 100_000;
/// Maximum number of pages that are added to a list while its end is read.
const MAX_ADDED_PAGES: u64 = 16;

/// One received page.
struct SeenPage<K> {
    request: PageRequest,
    keys: Vec<K>,
    metadata: PageMetadata,
}

impl<K> SeenPage<K> {
    /// Returns the position after the last row.
    fn stop(&self) -> u64 {
        (self.request.number - 1) * self.request.size + self.keys.len() as u64
    }

    /// Returns whether the response reports that this is the last page; `None` if it reports nothing about it.
    fn is_last(&self) -> Option<bool> {
        let PageMetadata { total, last, next, .. } = self.metadata;
        let by_number = last.map(|last| self.request.number >= last);
        let by_total = total.map(|total| self.stop() >= total);
        by_number.or(by_total).or(next.map(|next| !next))
    }

    /// Checks whether the page contradicts itself: more pages follow, but it is not full.
    fn is_short(&self) -> bool {
        let PageMetadata { total, last, .. } = self.metadata;
        let more_follows = last.is_some_and(|last| self.request.number < last)
            || total.is_some_and(|total| self.stop() < total && !self.keys.is_empty());
        let is_hole =
            self.keys.is_empty() && self.request.number > 1 && last.is_some_and(|last| self.request.number <= last);
        is_hole || (more_follows && (self.keys.len() as u64) < self.request.size)
    }
}

/// Keys of one full reading of a list, and every total that was reported during it.
type FullReading<K> = (Vec<K>, HashSet<Option<u64>>);

/// Reason why a pass proves nothing.
enum PassFault<E> {
    /// The list changed; another pass may succeed.
    Moved(String),
    /// Another pass would fail, too.
    Hopeless(String),
    /// A request failed.
    Failed(E),
}

impl<E> From<E> for PassFault<E> {
    fn from(error: E) -> Self {
        Self::Failed(error)
    }
}

struct NumberedWalk<R: ListRow, F, T> {
    settings: WalkSettings,
    fetch: F,
    progress: T,
    /// First page, if the caller has read it already.
    first: Option<NumberedPage<R>>,
    rows: Vec<R>,
    index: AHashMap<R::Key, usize>,
    /// Keys that the current pass has received.
    seen_in_pass: HashSet<R::Key>,
    received: u64,
    pages: u64,
    total: Option<u64>,
    /// Whether some page had more rows than its own total. The totals then count a page, or nothing.
    distrusts_totals: bool,
}

/// Reads a list until it is proven complete or the proof has failed too often.
///
/// `first` is the first page in the size of the settings, if the caller has read it already. The first error of `fetch`
/// ends the walk; the rows received so far are kept.
pub async fn walk_numbered<R, E, F, A, T>(
    settings: WalkSettings,
    first: Option<NumberedPage<R>>,
    fetch: F,
    progress: T,
) -> WalkResult<R, E>
where
    R: ListRow,
    F: Fn(PageRequest) -> A,
    A: Future<Output = Result<NumberedPage<R>, E>>,
    T: FnMut(WalkProgress),
{
    let mut walk = NumberedWalk {
        settings,
        fetch,
        progress,
        first,
        rows: Vec::new(),
        index: AHashMap::new(),
        seen_in_pass: HashSet::new(),
        received: 0,
        pages: 0,
        total: None,
        distrusts_totals: false,
    };
    let mut passes = 1;
    let end = loop {
        match walk.read_once().await {
            Ok(proof) => break Ok(End::Proven(proof)),
            Err(PassFault::Failed(error)) => break Err(error),
            Err(PassFault::Hopeless(why)) => break Ok(End::Unproven(why)),
            Err(PassFault::Moved(why)) if passes > u64::from(settings.max_passes) => {
                break Ok(End::Unproven(format!("{why}; {passes} passes did not prove the list complete")));
            }
            Err(PassFault::Moved(why)) => {
                passes += 1;
                (walk.progress)(WalkProgress::Drift(why));
                walk.seen_in_pass.clear();
            }
        }
    };
    let NumberedWalk { mut rows, seen_in_pass, received, pages, total, .. } = walk;
    if matches!(end, Ok(End::Proven(_))) {
        // A row that only an earlier pass has seen was removed since then.
        rows.retain(|row| seen_in_pass.contains(&row.key()));
    }
    WalkResult { rows, expected: total, received, pages, passes, end }
}

impl<R, E, F, A, T> NumberedWalk<R, F, T>
where
    R: ListRow,
    F: Fn(PageRequest) -> A,
    A: Future<Output = Result<NumberedPage<R>, E>>,
    T: FnMut(WalkProgress),
{
    /// Reads the whole list once and returns the proof as a text.
    async fn read_once(&mut self) -> Result<String, PassFault<E>> {
        let first = self.page(1, self.settings.page_size.max(1)).await?;
        if first.keys.is_empty() {
            return Self::empty(&first);
        }
        // The server may return fewer rows per page than requested. All later pages are counted by that size.
        let cap = first.metadata.size.unwrap_or(first.keys.len() as u64).clamp(1, first.request.size.max(1));
        let last = match (first.is_last(), first.metadata.last, first.metadata.total) {
            (Some(true), ..) => 1,
            (_, Some(last), _) => last,
            (_, None, Some(total)) => total.div_ceil(cap),
            (Some(false), None, None) | (None, ..) => self.find_end(cap).await?,
        };
        if last > MAX_PAGES {
            return Err(PassFault::Hopeless(format!("the source reports {last} pages")));
        }
        if last > 1 {
            self.prove_backwards(first, cap, last).await
        } else if first.is_last() == Some(true) {
            self.prove_single_page(&first).await
        } else {
            // Only the empty page after it shows that this is the last page. A row may have moved into the first page
            // before that, so the list is read again.
            self.prove_by_two_readings(cap, 1).await
        }
    }

    fn empty(first: &SeenPage<R::Key>) -> Result<String, PassFault<E>> {
        match (first.metadata.total, first.metadata.last) {
            (None | Some(0), None | Some(0 | 1)) => Ok("the list is empty: its first page has no rows".to_owned()),
            _ => Err(PassFault::Moved(format!(
                "the source reports {}, but its first page has no rows",
                first.metadata.total.map_or("more pages".to_owned(), |total| format!("a total of {total}"))
            ))),
        }
    }

    /// Proves a list of one page. If the page is full and does not report the number of the last one, more may follow.
    async fn prove_single_page(&mut self, first: &SeenPage<R::Key>) -> Result<String, PassFault<E>> {
        if first.metadata.last.is_none()
            && first.keys.len() as u64 >= first.request.size
            && !self.page(2, first.request.size).await?.keys.is_empty()
        {
            return Err(PassFault::Moved("another page follows the one that was reported as the last".to_owned()));
        }
        self.check_total(first.metadata.total)?;
        Ok(match first.metadata.total {
            Some(total) => format!("total {total} reached in one page"),
            None => format!("{} rows in one page, which the source reports as the last", first.keys.len()),
        })
    }

    /// Reads the pages from the last to the second and proves the list by the order of its keys. If the keys are not in
    /// order, proves it by two full readings.
    async fn prove_backwards(&mut self, first: SeenPage<R::Key>, cap: u64, last: u64) -> Result<String, PassFault<E>> {
        let smaller = cap - 1;
        // Pages that are one row smaller overlap the first page. They are used only if they need no additional page.
        let overlaps =
            smaller >= MIN_PAGE_SIZE && first.metadata.total.is_some_and(|total| total.div_ceil(smaller) <= last);
        let size = if overlaps { smaller } else { cap };
        let last = if overlaps { first.metadata.total.unwrap_or(0).div_ceil(smaller) } else { last };
        let mut seen = vec![first];
        self.read_tail(&mut seen, PageRequest { number: last, size }).await?;
        for number in (2..last).rev() {
            let page = self.page(number, size).await?;
            if page.keys == seen[0].keys {
                return Err(Self::ignores_page_number(number));
            }
            seen.push(page);
        }
        let second = seen.last().and_then(|page| page.keys.first());
        let meets = second.is_some_and(|second| Some(second) <= seen[0].keys.last());
        if !overlaps || !meets {
            let again = self.page(1, cap).await?;
            seen.push(again);
        }
        let totals: Vec<u64> = seen.iter().filter_map(|page| page.metadata.total).collect();
        if totals.len() == seen.len() && is_ordered_by_key(&seen[1..]) && ascends(&seen[0].keys) {
            // While rows are added and removed, no total equals the number of remaining rows. Only a constant total
            // must match the rows.
            if totals.windows(2).all(|pair| pair[0] == pair[1]) {
                self.check_total(totals.first().copied())?;
            }
            let rows = self.seen_in_pass.len() as u64;
            self.total = totals.iter().rev().find(|total| **total == rows).or(totals.last()).copied();
            let how = if overlaps && meets {
                "the second page overlaps the first"
            } else {
                "the first page was read again at the end"
            };
            return Ok(format!("{}, {last} pages read backwards; {how}", self.reached(self.total)));
        }
        self.prove_by_two_readings(cap, last).await
    }

    fn ignores_page_number(number: u64) -> PassFault<E> {
        PassFault::Hopeless(format!("the source ignores the page number: page {number} repeats an earlier page"))
    }

    /// Reads the last page, and the pages that follow it because rows were added meanwhile.
    async fn read_tail(&mut self, seen: &mut Vec<SeenPage<R::Key>>, at: PageRequest) -> Result<(), PassFault<E>> {
        let mut number = at.number;
        loop {
            let page = self.page(number, at.size).await?;
            let repeats = !page.keys.is_empty() && page.keys == seen[0].keys;
            if repeats {
                return Err(Self::ignores_page_number(number));
            }
            let is_full = page.keys.len() as u64 >= at.size;
            // Some servers report the page size as the total. A full page that reaches such a total is not the end; the
            // number of the last page is reliable.
            let by_number = page.metadata.last.is_some();
            let ended = page.keys.is_empty() || (page.is_last().unwrap_or(false) && (by_number || !is_full));
            // `seen` is in the order of a walk towards the first page, so a later page comes before this one.
            seen.insert(1, page);
            if ended {
                return Ok(());
            }
            number += 1;
            if number > at.number + MAX_ADDED_PAGES {
                return Err(PassFault::Moved("the end of the list moved while it was read".to_owned()));
            }
        }
    }

    /// Reads forwards to the first empty page and returns the number of the page before it. The server reports no end.
    async fn find_end(&mut self, size: u64) -> Result<u64, PassFault<E>> {
        let mut before: Option<Vec<R::Key>> = None;
        for number in 2..MAX_PAGES {
            let page = self.page(number, size).await?;
            if page.keys.is_empty() {
                return Ok(number - 1);
            }
            if before.as_ref() == Some(&page.keys) {
                return Err(Self::ignores_page_number(number));
            }
            before = Some(page.keys);
        }
        Err(PassFault::Hopeless(format!("the list has no end within {MAX_PAGES} pages")))
    }

    /// Reads the list twice in full and compares both readings. This proves a list that is not ordered by key.
    async fn prove_by_two_readings(&mut self, size: u64, last: u64) -> Result<String, PassFault<E>> {
        let mut readings: Vec<FullReading<R::Key>> = Vec::new();
        self.seen_in_pass.clear();
        for _ in 0..2 {
            let (mut keys, mut totals) = (Vec::new(), HashSet::new());
            for number in 1..=last {
                let page = self.page(number, size).await?;
                if number == last && page.is_last() == Some(false) {
                    return Err(PassFault::Moved("the end of the list moved while it was read".to_owned()));
                }
                totals.insert(page.metadata.total);
                keys.extend(page.keys);
            }
            readings.push((keys, totals));
        }
        let distinct: HashSet<&R::Key> = readings[0].0.iter().collect();
        if readings[0] != readings[1] || readings[0].1.len() > 1 || distinct.len() < readings[0].0.len() {
            return Err(PassFault::Moved("two readings of the whole list differ".to_owned()));
        }
        let total = readings[0].1.iter().next().copied().flatten();
        self.check_total(total)?;
        Ok(format!("{}; {last} pages read twice with the same result", self.reached(total)))
    }

    fn reached(&self, total: Option<u64>) -> String {
        let rows = self.seen_in_pass.len();
        match total {
            Some(total) if total < rows as u64 => {
                format!("{rows} rows; the total fell to {total}, because rows were removed meanwhile")
            }
            Some(total) => format!("total {total} reached"),
            None => format!("{rows} rows"),
        }
    }

    /// Checks that at least as many distinct rows as the total were received.
    fn check_total(&self, total: Option<u64>) -> Result<(), PassFault<E>> {
        let rows = self.seen_in_pass.len() as u64;
        match total.filter(|total| rows < *total) {
            Some(total) => Err(PassFault::Moved(format!(
                "the source reports a total of {total}, but {rows} distinct rows were received"
            ))),
            None => Ok(()),
        }
    }

    /// Reads one page and keeps the newest version of each of its rows.
    async fn page(&mut self, number: u64, size: u64) -> Result<SeenPage<R::Key>, PassFault<E>> {
        let request = PageRequest { number, size };
        let ready = if number == 1 { self.first.take() } else { None };
        let NumberedPage { rows, mut metadata } = match ready {
            Some(first) => first,
            None => (self.fetch)(request).await?,
        };
        if let Some(current) = metadata.current.filter(|current| *current != number) {
            let why = format!("page {number} was requested, but page {current} was returned");
            // A list that has become shorter returns its last page. Any other number means that the server ignores
            // ours.
            let shrank = current > 1 && current < number && metadata.last == Some(current);
            return Err(if shrank { PassFault::Moved(why) } else { PassFault::Hopeless(why) });
        }
        self.pages += 1;
        self.received += rows.len() as u64;
        // A page that the server cuts short has another position than the requested one.
        let size = metadata.size.map_or(size, |reported| reported.min(size));
        let stop = size.saturating_mul(number - 1) + rows.len() as u64;
        self.distrusts_totals |= !rows.is_empty() && metadata.total.is_some_and(|total| total < stop);
        if self.distrusts_totals {
            (metadata.total, self.total) = (None, None);
        }
        self.total = metadata.total.or(self.total);
        let keys: Vec<R::Key> = rows.iter().map(ListRow::key).collect();
        let is_repeated = keys.iter().collect::<HashSet<_>>().len() < keys.len();
        self.seen_in_pass.extend(keys.iter().cloned());
        for row in rows {
            match self.index.entry(row.key()) {
                Entry::Occupied(place) => self.rows[*place.get()] = row,
                Entry::Vacant(place) => {
                    place.insert(self.rows.len());
                    self.rows.push(row);
                }
            }
        }
        // The rows exist, so they are kept; but such a page cannot be part of a proof.
        if is_repeated {
            return Err(PassFault::Moved(format!("page {number} contains one id twice")));
        }
        (self.progress)(WalkProgress::Page { distinct: self.rows.len() as u64, total: metadata.total });
        let seen = SeenPage { request: PageRequest { number, size }, keys, metadata };
        if metadata.size.is_some() && seen.is_short() {
            return Err(PassFault::Moved(format!("page {number} is not full, although more pages follow")));
        }
        Ok(seen)
    }
}

fn ascends<K: Ord>(keys: &[K]) -> bool {
    keys.windows(2).all(|pair| pair[0] < pair[1])
}

/// Checks that pages which were read from the last to the first are ordered by key.
///
/// Every page must ascend and must begin before the page that was read before it. It must not show a key within the
/// span of that page that the page did not contain: such a row was inserted meanwhile, or the order is another one.
fn is_ordered_by_key<K: Ord>(seen: &[SeenPage<K>]) -> bool {
    let pages: Vec<&[K]> = seen.iter().map(|page| page.keys.as_slice()).filter(|keys| !keys.is_empty()).collect();
    pages.iter().all(|keys| ascends(keys))
        && pages.windows(2).all(|pair| {
            let (earlier, later) = (pair[0], pair[1]);
            let is_known = |key: &K| *key <= earlier[0] || earlier.binary_search(key).is_ok();
            later[0] <= earlier[0] && later.last() <= earlier.last() && later.iter().all(is_known)
        })
}

#[cfg(test)]
mod tests;
