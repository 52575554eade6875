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
//! The end is proven by a page that reaches the total in the same response, or by an empty page after the last row. A
//! full page that reaches the total needs the empty page as well, because some servers report the page size as the
//! total.
//!
//! # What is detected
//!
//! - a deletion, insertion or move that shifts a boundary between two fetches;
//! - a server that returns fewer rows than requested (a clamp, a short page) or ignores the offset;
//! - a total that contradicts the rows;
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

pub mod numbered;
mod offset;

use offset::OffsetWalk;
pub use offset::{End, Window};

use futures_util::stream::{self, StreamExt};
use std::fmt::Display;
use std::future::Future;
use std::hash::Hash;

/// Checks whether a list of this size may have been cut by a limit that the server does not report. It matters for
/// lists without a total (docs/products.md#traps).
pub fn is_round_size(rows: u64) -> bool {
    matches!(rows, 100 | 200 | 250 | 500 | 1_000 | 2_000 | 5_000 | 10_000)
}

/// Row of a list with a stable key.
pub trait ListRow {
    /// Key that never changes during the life of the listed object.
    type Key: Ord + Eq + Hash + Clone;
    /// Returns the key of the row.
    fn key(&self) -> Self::Key;
    /// Checks whether the source reported a usable id. A row without one still counts for the walk.
    fn is_identified(&self) -> bool {
        true
    }
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
    E: Display,
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
        let mut pages = stream::iter(windows)
            .map(|window| {
                let page = fetch(window);
                async move { (window, page.await) }
            })
            .buffer_unordered(settings.concurrency.max(1));
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
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        if let Some(error) = failure {
            break Err(error);
        }
    };
    state.into_result(end)
}

#[cfg(test)]
mod tests;
