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
//! The end is proven by a total above the rows of the first page, if as many rows are received. Anything else may count
//! only the rows of its own page:
//!
//! - A list of one page is read once more in pages of about half its size. The second of these begins within the list and
//!   shows its last rows, and nothing behind them.
//! - Without a total, one more request looks behind the last page. A server may report only a link to the next page, or
//!   nothing. Then an empty page after the last full one proves the end.
//!
//! A server whose pages are shorter than requested is read on in pages of the size that it gives.
//! A list that names one id more than once is fully read, each id is kept once, and it is never proven.
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

mod proof;

use super::{End, KeptRows, ListRow, PageError, WalkProgress, WalkResult, WalkSettings};
use std::collections::HashSet;

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
    /// Keys of the rows as received: a key that the page names twice is in here twice.
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
    /// Whether a list of one page is read once more, to look behind it.
    looks_behind: bool,
    /// Page size of a server that gives fewer rows than requested; `None` while it gives as many.
    real_size: Option<u64>,
    kept: KeptRows<R>,
    /// Keys that the current pass has received.
    seen_in_pass: HashSet<R::Key>,
    received: u64,
    pages: u64,
    total: Option<u64>,
    /// Highest total of the current pass.
    highest_total: Option<u64>,
    /// Total that was below the rows up to its own page. The totals then count a page, or nothing.
    contradicting_total: Option<u64>,
}

/// Where the pages of a list come from.
pub struct PageSource<R, F> {
    /// First page in the size of the settings, if the caller has read it already.
    pub first: Option<NumberedPage<R>>,
    /// Reads one page.
    pub fetch: F,
    /// Whether a list of one page may be requested in smaller pages, to look behind it.
    pub looks_behind: bool,
}

/// Reads a list until it is proven complete or the proof has failed too often.
///
/// The first error of `fetch` ends the walk; the rows received so far are kept.
pub async fn walk_numbered<R, E, F, A, T>(
    settings: WalkSettings,
    source: PageSource<R, F>,
    progress: T,
) -> WalkResult<R, E>
where
    R: ListRow,
    E: PageError,
    F: Fn(PageRequest) -> A,
    A: Future<Output = Result<NumberedPage<R>, E>>,
    T: FnMut(WalkProgress),
{
    let PageSource { first, fetch, looks_behind } = source;
    let mut walk = NumberedWalk {
        settings,
        fetch,
        progress,
        first,
        looks_behind,
        real_size: None,
        kept: KeptRows::new(),
        seen_in_pass: HashSet::new(),
        received: 0,
        pages: 0,
        total: None,
        highest_total: None,
        contradicting_total: None,
    };
    let mut passes = 1;
    let end = loop {
        match walk.read_once().await {
            Ok(proof) => break Ok(walk.kept.repetition().map_or(End::Proven(proof), End::Unproven)),
            Err(PassFault::Failed(error)) => break Err(error),
            Err(PassFault::Hopeless(why)) => break Ok(End::Unproven(why)),
            Err(PassFault::Moved(why)) if passes > u64::from(settings.max_passes) => {
                break Ok(End::Unproven(format!("{why}; {passes} passes did not prove the list complete")));
            }
            Err(PassFault::Moved(why)) => {
                passes += 1;
                (walk.progress)(WalkProgress::Drift(why));
                walk.seen_in_pass.clear();
                walk.highest_total = None;
            }
        }
    };
    let NumberedWalk { kept, seen_in_pass, received, pages, total, .. } = walk;
    let mut rows = kept.into_rows();
    if matches!(end, Ok(End::Proven(_))) {
        // A row that only an earlier pass has seen was removed since then.
        rows.retain(|row| seen_in_pass.contains(row.key()));
    }
    WalkResult { rows, expected: total, received, pages, passes, end }
}

impl<R, E, F, A, T> NumberedWalk<R, F, T>
where
    R: ListRow,
    E: PageError,
    F: Fn(PageRequest) -> A,
    A: Future<Output = Result<NumberedPage<R>, E>>,
    T: FnMut(WalkProgress),
{
    /// Reads the whole list once and returns the proof as a text.
    async fn read_once(&mut self) -> Result<String, PassFault<E>> {
        if let Some(size) = self.real_size {
            let last = self.find_end(size).await?;
            return self.prove_by_two_readings(size, last, true).await;
        }
        let first = self.page(1, self.settings.page_size.max(1)).await?;
        if first.keys.is_empty() {
            return Self::empty(&first);
        }
        // The server may return fewer rows per page than requested. All later pages are counted by that size.
        let rows = first.keys.len() as u64;
        let is_short = first.is_short();
        let size = first.metadata.size.filter(|_| !is_short).unwrap_or(rows);
        let cap = size.clamp(1, first.request.size.max(1));
        let known_last = match (first.is_last(), first.metadata.last, first.metadata.total) {
            (Some(true), ..) => Some(1),
            // The number of the last page does not count pages of the size that the server gives.
            (_, Some(last), _) if !is_short => Some(last),
            // A total of no more rows than those of this page contradicts the number of the last page.
            (_, _, Some(total)) if total > rows => Some(total.div_ceil(cap)),
            _ => None,
        };
        let end_seen = known_last.is_none();
        let cap = if end_seen { cap.min(rows) } else { cap };
        if end_seen {
            // More pages follow, so that this total counted only the rows of the page.
            self.contradicting_total = self.contradicting_total.or(first.metadata.total);
        }
        let last = match known_last {
            Some(last) => last,
            // Nothing is reported about the end, and the page is not full.
            None if self.looks_behind && rows < first.request.size && first.is_last().is_none() => {
                self.look_behind_first(&first).await?;
                1
            }
            None => self.find_end(cap).await?,
        };
        if last > MAX_PAGES {
            return Err(PassFault::Hopeless(format!("the source reports {last} pages")));
        }
        if last > 1 && end_seen {
            self.prove_by_two_readings(cap, last, true).await
        } else if last > 1 {
            self.prove_backwards(first, cap, last).await
        } else if first.is_last() == Some(true) {
            self.prove_single_page(&first).await
        } else {
            // Only the empty page after it shows that this is the last page. A row may have moved into the first page
            // before that, so the list is read again.
            self.prove_by_two_readings(first.request.size, 1, end_seen).await
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

    /// Reads one page, which must have the requested number.
    async fn page(&mut self, number: u64, size: u64) -> Result<SeenPage<R::Key>, PassFault<E>> {
        let seen = self.received_page(number, size).await?;
        let PageMetadata { last, current, .. } = seen.metadata;
        if let Some(current) = current.filter(|current| *current != number) {
            let why = format!("page {number} was requested, but page {current} was returned");
            // A list that has become shorter returns its last page. Any other number means that the server ignores
            // ours.
            let shrank = current > 1 && current < number && last == Some(current);
            return Err(if shrank { PassFault::Moved(why) } else { PassFault::Hopeless(why) });
        }
        if number > 1 && seen.metadata.size.is_some() && seen.is_short() {
            return Err(self.shorter(number, seen.keys.len() as u64));
        }
        Ok(seen)
    }

    /// Reads one page and keeps the newest version of each of its rows.
    async fn received_page(&mut self, number: u64, size: u64) -> Result<SeenPage<R::Key>, E> {
        let request = PageRequest { number, size };
        let ready = if number == 1 { self.first.take() } else { None };
        let NumberedPage { rows, mut metadata } = match ready {
            Some(first) => first,
            None => (self.fetch)(request).await?,
        };
        if self.real_size.is_some() {
            // These did not count pages of the real size, or only this page. An empty page shows the end.
            (metadata.last, metadata.next) = (None, None);
        }
        self.pages += 1;
        self.received += rows.len() as u64;
        // A page that the server cuts short has another position than the requested one.
        let size = metadata.size.map_or(size, |reported| reported.min(size));
        let is_other = metadata.current.is_some_and(|current| current != number);
        if !is_other {
            self.note_total(&mut metadata, size.saturating_mul(number - 1), rows.len() as u64);
        }
        let keys = self.kept.add_page(rows);
        self.seen_in_pass.extend(keys.iter().cloned());
        (self.progress)(WalkProgress::Page { distinct: self.kept.len() as u64, total: metadata.total });
        Ok(SeenPage { request: PageRequest { number, size }, keys, metadata })
    }

    /// Records the total of a page that follows `before` rows, or drops it if the totals of this list are no totals.
    fn note_total(&mut self, metadata: &mut PageMetadata, before: u64, rows: u64) {
        let is_below = |total: &u64| rows > 0 && *total < before.saturating_add(rows);
        self.contradicting_total = self.contradicting_total.or(metadata.total.filter(is_below));
        if self.contradicting_total.is_some() {
            (metadata.total, self.total) = (None, None);
        }
        self.total = metadata.total.or(self.total);
        self.highest_total = self.highest_total.max(metadata.total);
    }
}

#[cfg(test)]
mod tests;
