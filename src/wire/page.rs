//! Reads paged lists and proves that they are complete, although they may change while they are read.
//!
//! This module reads lists by offset and limit; [`numbered`] reads lists by page number. Connectors pass a function
//! that fetches one window. Nothing here knows HTTP, JSON or a product, only windows, rows and keys.
//!
//! The guarantee: *a row that exists during the whole walk is in the result, or the result is not proven complete.*
//!
//! # How it works
//!
//! Consecutive windows overlap by one row. Where the server returns two rows more than a page on request, the overlap
//! costs no additional request. There are two proofs (`offset::proof`):
//!
//! - **By key**, if every page is strictly ascending by key. Keys never change, so the relative order of remaining rows
//!   never changes either. A page then shows every remaining row between its first and its last key. The list is
//!   covered when these intervals overlap from the first row to the end. A deletion between two fetches moves rows
//!   towards the start and leaves a gap; one more window is then read across the gap.
//! - **By position**, for any other order. All windows of one pass must show the same row at every position that two of
//!   them share. No key may be at two positions, and every total must be the same. Otherwise the whole list is read
//!   again.
//!
//! The end is proven by a page that reaches a total which an earlier page reported with more rows to come, or by an empty
//! page after the last row. Without such a promise the total may count the rows of its own page, so one more request
//! looks behind the last row. It does so behind a full page as well, because some servers report the page size as the
//! total. A source may refuse the position after the total instead of returning an empty page.
//!
//! A list that names one id more than once is fully read, each id is kept once (`kept`), and it is never proven.
//!
//! # What is detected
//!
//! - a deletion, insertion or move that shifts a boundary between two fetches;
//! - a server that returns fewer rows than requested (a clamp, a short page) or ignores the offset;
//! - a total that contradicts the rows, or that counts the rows of a page;
//! - a key that appears twice.
//!
//! # What is not detected
//!
//! - A row that was added or removed after its page was read, without moving a boundary. It did not exist during the
//!   whole walk.
//! - A change of another field of a row after its page was read.
//! - In a list that is *not* ordered by key: a move whose shift an equal and opposite change undoes before the next
//!   fetch, if the total stays the same or is not reported.
//! - In a list without totals: a page that is cut short before the end, if rows also disappear before the next request.
//!   The same holds for a clamp that no other page has shown yet.
//! - A server that reports the same wrong total on every page and returns nothing behind it.

mod kept;
pub mod numbered;
mod offset;

use kept::KeptRows;
use offset::OffsetWalk;
pub use offset::{End, Window};

use super::pace::WAITING_RESPONSES;
use futures_util::stream::{self, StreamExt};
use std::fmt::Display;
use std::future::Future;
use std::hash::Hash;

/// Checks whether a list of this size may have been cut by a limit that the server does not report. It matters for
/// lists without a total (docs/products.md#traps).
pub fn is_round_size(rows: u64) -> bool {
    matches!(rows, 100 | 200 | 250 | 500 | 1_000 | 2_000 | 5_000 | 10_000)
}

/// Row of a list with a stable key. Rows are compared to find different rows with the same key.
pub trait ListRow: PartialEq {
    /// Key that never changes during the life of the listed object.
    type Key: Ord + Eq + Hash + Clone;
    /// Returns the key of the row.
    fn key(&self) -> &Self::Key;
    /// Checks whether the source reported a usable id. A row without one still counts for the walk.
    fn is_identified(&self) -> bool {
        true
    }
    /// Returns a key as text, for messages.
    fn id_text(key: &Self::Key) -> String;
    /// Returns the content of the row as a text that does not depend on the order of its fields. Of different rows with
    /// the same key, the one whose text sorts first is kept.
    fn content(&self) -> String;
}

/// Error of a request for one page. The text is part of the reason why a list is not proven.
pub trait PageError: Display {
    /// Returns whether the source answered that the list has no such page.
    fn is_no_page(&self) -> bool;
}

/// Returns why a list with these rows is not proven: it names an id more than once. `None` if each id is named once.
pub fn repetition<R: ListRow>(rows: &[R]) -> Option<String> {
    let mut kept = KeptRows::<R>::new();
    let keys: Vec<R::Key> = rows.iter().map(|row| row.key().clone()).collect();
    kept.mark_repeated(kept::doubled(keys.iter()));
    kept.repetition()
}

/// Returns each row of a single answer once, and why the list is not proven: it names an id more than once.
pub fn distinct<R: ListRow>(rows: Vec<R>) -> (Vec<R>, Option<String>) {
    let mut kept = KeptRows::new();
    kept.add_page(rows);
    let repetition = kept.repetition();
    (kept.into_rows(), repetition)
}

/// One response of a list.
#[derive(Clone, Debug)]
pub struct Page<R> {
    /// Rows in the order of the server.
    pub rows: Vec<R>,
    /// Total that the server reports.
    pub total: Option<u64>,
}

/// Settings of a walk.
#[derive(Clone, Copy, Debug)]
pub struct WalkSettings {
    /// Number of rows per request; at least 1.
    pub page_size: u64,
    /// Maximum number of requests in flight; at least 1.
    pub concurrency: usize,
    /// Maximum number of repairs or repeated passes before the walk ends without a proof.
    pub max_passes: u32,
}

/// Progress of a walk.
#[derive(Clone, Debug)]
pub enum WalkProgress {
    /// A page was received.
    Page {
        /// Number of distinct rows so far.
        distinct: u64,
        /// Total that the server reports.
        total: Option<u64>,
    },
    /// The list changed and a part of it is read again. The text is the reason.
    Drift(String),
}

/// Result of a walk.
#[derive(Debug)]
pub struct WalkResult<R, E> {
    /// Distinct rows in the order of their first appearance.
    pub rows: Vec<R>,
    /// Total with which the end was proven, otherwise the last reported total.
    pub expected: Option<u64>,
    /// Number of received rows, including overlaps and repeated reads.
    pub received: u64,
    /// Number of received pages.
    pub pages: u64,
    /// Number of passes: 1, plus one for each repair or repeated reading of the list.
    pub passes: u64,
    /// The proof, the reason why there is none, or the error that ended the walk.
    pub end: Result<End, E>,
}

/// Reads a list until it is proven complete or the proof has failed too often.
///
/// `fetch` reads one window. Its first error ends the walk; the rows received so far are kept.
pub async fn walk<R, E, F, A>(
    settings: WalkSettings,
    fetch: F,
    mut progress: impl FnMut(WalkProgress),
) -> WalkResult<R, E>
where
    R: ListRow,
    E: PageError,
    F: Fn(Window) -> A,
    A: Future<Output = Result<Page<R>, E>>,
{
    let mut state = OffsetWalk::new(settings);
    let end = loop {
        let windows = match state.next_step() {
            offset::WalkStep::Read(windows) => windows,
            offset::WalkStep::Repair { windows, why } => {
                progress(WalkProgress::Drift(why));
                windows
            }
            offset::WalkStep::End(end) => break Ok(end),
        };
        // A few pages more than requests, because the client sends the next request before it decodes a page.
        let mut pages = stream::iter(windows)
            .map(|window| {
                let page = fetch(window);
                async move { (window, page.await) }
            })
            .buffer_unordered(settings.concurrency.saturating_add(WAITING_RESPONSES));
        let mut failure = None;
        while let Some((window, page)) = pages.next().await {
            match page {
                Ok(page) => {
                    let total = page.total;
                    state.add(window, page);
                    progress(WalkProgress::Page { distinct: state.distinct(), total });
                    // A server that ignores the offset would answer every remaining window with the same page.
                    if state.repeats_first_page() {
                        break;
                    }
                }
                Err(error) if error.is_no_page() && state.ends_before(window) => state.add_refused(window),
                Err(error) => {
                    failure = Some((window, error));
                    break;
                }
            }
        }
        if let Some((window, error)) = failure {
            // All rows that the source reports were read. Only the look behind them failed.
            if state.ends_before(window) {
                break Ok(End::Unproven(unseen_end(&error)));
            }
            break Err(error);
        }
    };
    state.into_result(end)
}

/// Returns the text for a list whose reported end could not be confirmed.
fn unseen_end(error: &impl Display) -> String {
    format!("the request that looks behind the reported end failed: {error}")
}

#[cfg(test)]
mod tests;
