//! Page walks that prove themselves: lists read by offset and limit while they may be changing.
//! Knows windows, rows and keys; nothing of HTTP, JSON or any product.
//!
//! The promise: *a row that existed during the whole walk is in the result, or the result does not say complete.*
//!
//! How it is kept. Neighbouring windows overlap by one row; where the server gives two rows more than a page when it is asked,
//! that costs no request more than a walk without any proof. Two proofs are known (`reading`):
//!
//! - **by key**, where every page is strictly ascending by key. Keys never change, so neither does the relative
//!   order of rows that stay. A page then shows every lasting row between its first and its last key, and
//!   the list is covered when those intervals overlap from the first row to the end. Where they do not (a deletion
//!   moved rows to the left between two fetches) one more window is read across the gap.
//! - **by position**, for any other order. All windows of one reading must agree about the row at every position
//!   that two of them show, no key may stand at two positions, and every total must be the same.
//!   Anything else and the whole list is read again.
//!
//! The end is proven by a page that reaches the total which stands in the same answer, or by an empty page after
//! the last row. A full page that reaches the total needs the empty page as well, since some servers
//! give the size of the page as the total.
//!
//! Visible: every deletion, insertion or move that shifts a boundary between two fetches; a clamp; short pages;
//! a server that ignores the offset; a total that contradicts the rows; a key that appears twice.
//! Not visible: rows that came or went after their page was read without moving a boundary (they did not exist during
//! the whole walk); changes of a row's other fields after its page was read; and, in a list that is *not* in the
//! order of its keys, a move across the walk whose shift is undone by an equal and opposite change before the next
//! fetch when the total also stays the same or is not told. In a list without totals, a server that both
//! cuts a page short before the end (by a clamp that no other page has shown yet, too) and loses rows before the next request.

pub mod numbered;
mod offset;

pub use offset::{End, OffsetWalk, Window};

use futures_util::stream::{self, StreamExt};
use std::fmt::Display;
use std::future::Future;
use std::hash::Hash;

/// Returns whether a list of so many rows, without a total, may have been cut by a limit that the server does not report (F22 of
/// the traps that other tools fell into).
pub fn is_round_size(rows: u64) -> bool {
    matches!(rows, 100 | 200 | 250 | 500 | 1_000 | 2_000 | 5_000 | 10_000)
}

/// A row that can be told from others.
pub trait ListRow {
    /// Stays the same for the life of what the row is about.
    type Key: Ord + Eq + Hash + Clone;
    /// The row's key.
    fn key(&self) -> Self::Key;
    /// Returns whether the source gave the row an id that can be used. One without keeps its place in the walk.
    fn is_identified(&self) -> bool {
        true
    }
}

/// One answer of a list.
#[derive(Clone, Debug)]
pub struct Page<R> {
    /// Rows in the server's order.
    pub rows: Vec<R>,
    /// The server's total, where it tells one.
    pub total: Option<u64>,
}

/// How a list is walked.
#[derive(Clone, Copy, Debug)]
pub struct WalkSettings {
    /// Rows asked for at once; at least 1.
    pub page_size: u64,
    /// Windows under way at once; at least 1.
    pub concurrency: usize,
    /// Rounds of repair, and readings of the whole list, before the walk gives up proving.
    pub max_passes: u32,
}

/// What a walk tells while it goes.
#[derive(Clone, Debug)]
pub enum WalkProgress {
    /// A page came.
    Page {
        /// Different rows so far.
        distinct: u64,
        /// The server's total.
        total: Option<u64>,
    },
    /// The list moved; something is read again.
    Drift(String),
}

/// What a walk came to.
#[derive(Debug)]
pub struct WalkResult<R, E> {
    /// Each row once.
    pub rows: Vec<R>,
    /// The total that the end was proven with, else the last that was told.
    pub expected: Option<u64>,
    /// Rows that came, overlaps and re-reads included.
    pub received: u64,
    /// Pages that came.
    pub pages: u64,
    /// 1, and one more for each round of repair or reading of the whole.
    pub passes: u64,
    /// The proof, or why there is none.
    pub end: Result<End, E>,
}

/// Walks a list to its proof. `fetch` reads one window; its error ends the walk, rows so far are kept.
pub async fn walk<R, E, F, A>(
    settings: WalkSettings,
    fetch: F,
    mut report: impl FnMut(WalkProgress),
) -> WalkResult<R, E>
where
    R: ListRow,
    E: Display,
    F: Fn(Window) -> A,
    A: Future<Output = Result<Page<R>, E>>,
{
    let mut reading = OffsetWalk::new(settings);
    let end = loop {
        let windows = match reading.next_step() {
            offset::WalkStep::Read(windows) => windows,
            offset::WalkStep::Repair { windows, why } => {
                report(WalkProgress::Drift(why));
                windows
            }
            offset::WalkStep::End(end) => break Ok(end),
        };
        let mut answers = stream::iter(windows)
            .map(|window| {
                let answer = fetch(window);
                async move { (window, answer.await) }
            })
            .buffer_unordered(settings.concurrency.max(1));
        let mut failure = None;
        while let Some((window, answer)) = answers.next().await {
            match answer {
                Ok(page) => {
                    let total = page.total;
                    reading.take(window, page);
                    report(WalkProgress::Page { distinct: reading.distinct(), total });
                    if reading.repeats_itself() {
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
    reading.into_walked(end)
}

#[cfg(test)]
mod tests;
