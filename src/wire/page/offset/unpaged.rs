//! Servers that return their first page again: they ignore the offset or the limit, or start again after the last row.

use super::super::{ListRow, is_round_size};
use super::{End, OffsetWalk, PageSpan, WalkStep, Window};

/// What a server does that has returned its first page again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// It returns more rows than requested.
    IgnoresLimit,
    /// It always returns the first rows.
    IgnoresOffset,
    /// It returns the first rows only at an offset after the last row.
    RestartsBehindEnd,
}

impl<R: ListRow> OffsetWalk<R> {
    /// Checks whether a later page repeats the first page, which shows that the server ignores the offset.
    pub(in super::super) fn repeats_first_page(&self) -> bool {
        self.repeated_page().is_some()
    }

    /// Returns a page that is equal to a page at another offset and starts with the first row of the list.
    ///
    /// A page of one row must appear three times: if a row was added before it, it is at the next offset for a good
    /// reason.
    pub(super) fn repeated_page(&self) -> Option<&PageSpan<R::Key>> {
        let first = self.spans.iter().find(|s| s.window.offset == 0 && !s.keys.is_empty())?;
        let restarts = |s: &&PageSpan<R::Key>| s.window.offset > 0 && s.keys.first() == first.keys.first();
        let mut again: Vec<&PageSpan<R::Key>> = self.spans.iter().filter(restarts).collect();
        again.sort_by_key(|s| s.seq);
        let same = |a: &PageSpan<R::Key>, b: &PageSpan<R::Key>| a.window.offset != b.window.offset && a.keys == b.keys;
        match again[..] {
            [.., before, last] if same(before, last) => Some(last),
            [only] if only.keys.len() > 1 && same(first, only) => Some(only),
            _ => None,
        }
    }

    /// Returns the end of a list that the server does not page: its second response is the first one again.
    ///
    /// The total of such a response counts its rows and proves nothing. A window inside the list shows what the server
    /// ignores: the limit, so that it returns the whole list; the offset; or only an offset after the last row, which
    /// shows that no row follows (SCIMMY does this).
    pub(super) fn unpaged_step(&self) -> Option<WalkStep> {
        let repeated = self.repeated_page()?;
        let rows = repeated.keys.len() as u64;
        // Exactly as many rows as requested: the server respects the limit but not the offset.
        let is_cut = rows == self.settings.page_size || rows == repeated.window.limit;
        let is_total = repeated.total.is_none_or(|total| total == rows);
        // A round number of rows may be a limit of the server (docs/products.md#traps).
        let may_be_whole = is_total && !is_cut && !is_round_size(rows);
        let exceeds_limit = rows > repeated.window.limit;
        // No limit is smaller than one row.
        let probe = if exceeds_limit || rows == 1 { Some(Probe::IgnoresLimit) } else { self.probe };
        Some(match probe {
            None if is_total => WalkStep::Read(vec![Self::probe(repeated)]),
            Some(Probe::IgnoresLimit) if may_be_whole => WalkStep::End(End::Proven(format!(
                "the source does not page this list: two reads returned the same {rows} rows"
            ))),
            _ => WalkStep::End(End::Unproven(format!(
                "the source ignores the offset: the page at offset {} repeats the first page ({rows} rows); there may be more rows",
                repeated.window.offset
            ))),
        })
    }

    /// Returns a window that is inside the repeated page and smaller than it.
    fn probe(repeated: &PageSpan<R::Key>) -> Window {
        let half = (repeated.keys.len() as u64 / 2).max(1);
        Window { offset: half, limit: half }
    }

    pub(super) fn is_probe(&self, window: Window) -> bool {
        self.probe.is_none() && self.repeated_page().is_some_and(|repeated| Self::probe(repeated) == window)
    }

    /// Returns what the rows of a probe show.
    pub(super) fn probed(&self, window: Window, keys: &[R::Key]) -> Probe {
        let is_behind_end = |repeated: &PageSpan<R::Key>| repeated.window.offset >= repeated.keys.len() as u64;
        let is_inside = |repeated: &PageSpan<R::Key>| {
            let half = usize::try_from(window.offset).unwrap_or(usize::MAX);
            repeated.keys.iter().skip(half).take(half).eq(keys)
        };
        if keys.len() as u64 > window.limit {
            Probe::IgnoresLimit
        } else if self.repeated_page().is_some_and(|repeated| is_behind_end(repeated) && is_inside(repeated)) {
            Probe::RestartsBehindEnd
        } else {
            Probe::IgnoresOffset
        }
    }

    /// Checks whether the first request for extra rows returned the list from its start, with more rows than the first page.
    pub(super) fn restarts_with_extra_rows(&self, window: Window, keys: &[R::Key]) -> bool {
        let first = self.spans.iter().find(|span| span.window.offset == 0);
        let is_longer = first.is_some_and(|first| first.keys.len() < keys.len());
        let asked_for_more = window.offset > 0 && window.limit > self.settings.page_size.max(1);
        self.gives_extra_rows.is_none() && asked_for_more && is_longer && self.starts_like_first_page(keys)
    }

    /// Empties the pages after the end on which the server repeats the first page.
    pub(super) fn clear_repeats_behind_end(&mut self) {
        if self.probe != Some(Probe::RestartsBehindEnd) {
            return;
        }
        let Some(first) = self.spans.iter().find(|span| span.window.offset == 0) else { return };
        let (keys, stop) = (first.keys.clone(), first.stop());
        for span in self.spans.iter_mut().filter(|span| span.window.offset >= stop && span.keys == keys) {
            span.keys.clear();
        }
        self.stalled = None;
    }
}
