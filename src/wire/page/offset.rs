//! State of a walk by offset: the pages received so far, the windows to read next, and the end.
//!
//! It is pure: [`super::walk`] passes pages in and fetches the windows that come out. The parent module explains the
//! proofs, and `proof` contains them.

mod proof;
mod unpaged;

use super::{KeptRows, ListRow, Page, WalkResult, WalkSettings};
use std::collections::{BTreeSet, HashSet};
use unpaged::Probe;

/// Window of a list: a request by offset and limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    /// Number of rows before the window.
    pub offset: u64,
    /// Number of requested rows.
    pub limit: u64,
}

/// End of a walk without an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The list is proven complete. The text is the proof.
    Proven(String),
    /// The list is not proven complete. The text is the reason.
    Unproven(String),
}

/// Next step of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WalkStep {
    /// Read these windows towards the end of the list.
    Read(Vec<Window>),
    /// Read these windows because the list changed or pages were short.
    Repair { windows: Vec<Window>, why: String },
    /// Stop reading.
    End(End),
}

/// One received page.
struct PageSpan<K> {
    window: Window,
    /// Keys of the rows as received: a key that the page names twice is in here twice.
    keys: Vec<K>,
    total: Option<u64>,
    /// Order of arrival.
    seq: usize,
}

impl<K> PageSpan<K> {
    /// Returns the position after the last row.
    fn stop(&self) -> u64 {
        self.window.offset.saturating_add(self.keys.len() as u64)
    }

    /// Checks whether a key is strictly between the first and the last key of the page.
    fn spans(&self, key: &K) -> bool
    where
        K: Ord,
    {
        self.keys.first().is_some_and(|first| first < key) && self.keys.last().is_some_and(|last| key < last)
    }

    /// Checks whether the page ends exactly at its own total. A page that goes beyond its total contradicts itself.
    fn reaches_total(&self) -> bool {
        !self.keys.is_empty() && self.total == Some(self.stop())
    }
}

/// Checks whether keys ascend. A key may follow itself: such a list is never proven, but read like any other.
fn ascends<K: Ord>(keys: &[K]) -> bool {
    keys.windows(2).all(|pair| pair[0] <= pair[1])
}

/// State of a walk by offset.
pub(super) struct OffsetWalk<R: ListRow> {
    settings: WalkSettings,
    /// Pages of the current pass over the list.
    spans: Vec<PageSpan<R::Key>>,
    kept: KeptRows<R>,
    /// Keys that the previous pass found at two positions. If the next pass does, too, the list names them twice.
    suspects: BTreeSet<R::Key>,
    /// What a window inside the list showed; `None` before it was read.
    probe: Option<Probe>,
    /// Maximum number of rows that the server returns, as the pages so far show it.
    cap: u64,
    /// Whether the server returns [`EXTRA_ROWS`] more than a page on request; `None` before it was tried.
    gives_extra_rows: Option<bool>,
    received: u64,
    pages: u64,
    passes: u64,
    next_seq: usize,
    last_total: Option<u64>,
    /// Why the last page made no progress: it contradicted itself, or it contained only known rows.
    stalled: Option<String>,
}

/// Number of rows that every window except the first requests beyond a page. One row overlaps the previous page. The
/// other keeps a list of full pages from ending with a full page, which would need one more request to prove the end.
/// So the proof costs no request.
const EXTRA_ROWS: u64 = 2;
/// Maximum number of windows in one step. A total is only a claim and may be absurdly large.
const MAX_WINDOWS: usize = 256;

impl<R: ListRow> OffsetWalk<R> {
    /// Creates the state of a walk that has read nothing.
    pub(super) fn new(settings: WalkSettings) -> Self {
        Self {
            cap: settings.page_size.max(1),
            gives_extra_rows: None,
            settings,
            spans: Vec::new(),
            kept: KeptRows::new(),
            suspects: BTreeSet::new(),
            probe: None,
            received: 0,
            pages: 0,
            passes: 1,
            next_seq: 0,
            last_total: None,
            stalled: None,
        }
    }

    /// Returns the number of distinct rows so far.
    pub(super) fn distinct(&self) -> u64 {
        self.kept.len() as u64
    }

    /// Adds a page.
    pub(super) fn add(&mut self, window: Window, page: Page<R>) {
        self.pages += 1;
        self.received += page.rows.len() as u64;
        self.last_total = page.total.or(self.last_total);
        let before = self.kept.len();
        let keys = self.kept.add_page(page.rows);
        if self.is_probe(window) {
            self.probe = Some(self.probed(window, &keys));
            self.clear_repeats_behind_end();
            return;
        }
        if self.restarts_with_extra_rows(window, &keys) {
            // The same offset is read again without extra rows.
            self.gives_extra_rows = Some(false);
            return;
        }
        // A window after all known rows shows new rows or none. Known rows mean that the server ignores the offset, or
        // that rows moved.
        let has_no_new_row = self.kept.len() == before || self.starts_like_first_page(&keys);
        if window.offset > 0 && !keys.is_empty() && has_no_new_row && self.is_beyond(window.offset) {
            self.stalled = Some(format!("the page at offset {} repeats rows of earlier pages", window.offset));
        }
        self.spans.push(PageSpan { window, keys, total: page.total, seq: self.next_seq });
        self.next_seq += 1;
        self.clear_repeats_behind_end();
        self.update_cap();
    }

    fn starts_like_first_page(&self, keys: &[R::Key]) -> bool {
        let first = self.spans.iter().find(|s| s.window.offset == 0 && !s.keys.is_empty());
        first.is_some_and(|first| first.keys.first() == keys.first())
    }

    /// Checks whether an offset is at the last known row or after it.
    fn is_beyond(&self, offset: u64) -> bool {
        self.spans.iter().map(PageSpan::stop).max().is_some_and(|furthest| offset.saturating_add(1) >= furthest)
    }

    /// Updates what is known about the server's maximum. A page that is followed by more rows shows it.
    fn update_cap(&mut self) {
        let furthest = self.spans.iter().map(PageSpan::stop).max().unwrap_or(0);
        let longest = self.spans.iter().map(|s| s.keys.len() as u64).max().unwrap_or(0);
        let more_follows =
            |s: &PageSpan<R::Key>| !s.keys.is_empty() && (furthest > s.stop() || s.total.is_some_and(|t| t > s.stop()));
        let page = self.settings.page_size.max(1);
        self.cap = if self.spans.iter().any(more_follows) { longest.max(1) } else { page };
        let was_asked = |s: &&PageSpan<R::Key>| s.window.limit > page;
        if self.spans.iter().any(|s| more_follows(s) && (s.keys.len() as u64) < s.window.limit) {
            self.gives_extra_rows = Some(false);
        } else if self.spans.iter().filter(was_asked).any(|s| s.keys.len() as u64 > page) {
            self.gives_extra_rows = Some(true);
        }
    }

    /// Checks whether the newest total says that the list ends before this window, or whether the window is a [`Probe`],
    /// which shows no new row.
    pub(super) fn ends_before(&self, window: Window) -> bool {
        let stop = self.spans.iter().map(PageSpan::stop).max();
        (stop == Some(window.offset) && self.trusted_total() == stop) || self.is_probe(window)
    }

    /// Adds a window that the source refused because the list ends before it. It proves what an empty page does, but is no page that
    /// came.
    pub(super) fn add_refused(&mut self, window: Window) {
        self.add(window, Page { rows: Vec::new(), total: self.trusted_total() });
        self.pages -= 1;
    }

    /// Returns the windows to read next, or the end. A list that names an id twice is not proven.
    pub(super) fn next_step(&mut self) -> WalkStep {
        let step = self.step();
        match (step, self.kept.repetition()) {
            (WalkStep::End(End::Proven(_)), Some(why)) => WalkStep::End(End::Unproven(why)),
            (WalkStep::End(End::Unproven(other)), Some(why)) => WalkStep::End(End::Unproven(format!("{why}; {other}"))),
            (step, _) => step,
        }
    }

    fn step(&mut self) -> WalkStep {
        if let Some(step) = self.unpaged_step() {
            return step;
        }
        let Some(first) = self.spans.iter().find(|s| s.window.offset == 0) else {
            return WalkStep::Read(vec![self.window(0)]);
        };
        if first.keys.is_empty() {
            return WalkStep::End(Self::empty_end(first.total));
        }
        if let Some(windows) = self.next_windows() {
            return match self.stalled.take() {
                None => WalkStep::Read(windows),
                Some(why) => self.repair(windows, why),
            };
        }
        if self.is_ordered_by_key() { self.prove_by_key() } else { self.prove_by_position() }
    }

    fn empty_end(total: Option<u64>) -> End {
        match total {
            None | Some(0) => End::Proven("the list is empty: its first page has no rows".to_owned()),
            Some(total) => End::Unproven(format!("the source reports a total of {total} but returned no rows")),
        }
    }

    /// Returns the window at an offset. The first one requests only a page, because a server may refuse more; the
    /// second one tries the extra rows.
    fn window(&self, offset: u64) -> Window {
        let page = self.settings.page_size.max(1);
        let extra = if offset > 0 && self.gives_extra_rows != Some(false) { EXTRA_ROWS } else { 0 };
        Window { offset, limit: page + extra }
    }

    /// Checks whether a page has as many rows as were requested, or as the server returns at most.
    fn is_full(&self, span: &PageSpan<R::Key>) -> bool {
        span.keys.len() as u64 >= self.cap.min(span.window.limit)
    }

    /// Returns the distance between consecutive windows: one row less than they show, so that they overlap.
    fn stride(&self) -> u64 {
        // Before the extra rows were tried, only the size of the first page is certain.
        (self.cap.min(self.window(1).limit) - 1).max(1)
    }

    /// Returns the windows towards the end of the list; `None` if the end was seen or no new window is left.
    fn next_windows(&self) -> Option<Vec<Window>> {
        if self.has_end() {
            return None;
        }
        // An offset is read once per pass; reading it again is up to the proof.
        let known: HashSet<u64> = self.spans.iter().map(|s| s.window.offset).collect();
        let offsets: Vec<u64> = self.next_offsets()?.into_iter().filter(|offset| !known.contains(offset)).collect();
        (!offsets.is_empty()).then(|| offsets.into_iter().map(|offset| self.window(offset)).collect())
    }

    fn next_offsets(&self) -> Option<Vec<u64>> {
        // Of two pages that end at the same position, the newer one shows the current state.
        let furthest = self.spans.iter().filter(|s| !s.keys.is_empty()).max_by_key(|s| (s.stop(), s.seq))?;
        let (stop, stride) = (furthest.stop(), self.stride());
        if let Some(total) = self.trusted_total() {
            let distance = usize::try_from(stride).unwrap_or(usize::MAX);
            let is_empty_beyond = |s: &PageSpan<R::Key>| s.keys.is_empty() && s.window.offset >= stop;
            if stop < total && self.spans.iter().any(is_empty_beyond) {
                // An empty page contradicts the total, so more windows would be empty, too.
                return None;
            }
            // A window at `offset` shows up to `offset + cap - 1`. If the total is reached, but not by a page that
            // proves the end, the next window is the one after the last row.
            let at_once = if self.gives_extra_rows.is_none() { 1 } else { MAX_WINDOWS };
            return Some(if stop < total {
                (stop - 1..total - 1).step_by(distance).take(at_once).collect()
            } else {
                vec![stop]
            });
        }
        if !self.is_full(furthest) || furthest.keys.len() as u64 > furthest.window.limit {
            return Some(vec![stop]);
        }
        // Without a total, windows after the end cost requests for nothing; once an empty page was seen, the end is
        // near.
        let alone = self.gives_extra_rows.is_none() || self.spans.iter().any(|s| s.keys.is_empty());
        let ahead = if alone { 1 } else { self.settings.concurrency.max(1) as u64 };
        Some((0..ahead).map(|n| (stop - 1).saturating_add(n.saturating_mul(stride))).collect())
    }

    /// Returns the newest total; `None` if some page has more rows than its own total, because then no total is
    /// reliable.
    fn trusted_total(&self) -> Option<u64> {
        if self.contradicting_total().is_some() {
            return None;
        }
        self.spans.iter().max_by_key(|s| s.seq).and_then(|s| s.total)
    }

    /// Returns the pages that are proven to be the last: by a total that another page promised, or by an empty page
    /// after them.
    fn tails(&self) -> impl Iterator<Item = &PageSpan<R::Key>> {
        let trusted = self.trusted_total().is_some();
        let empties: Vec<u64> = self.spans.iter().filter(|s| s.keys.is_empty()).map(|s| s.window.offset).collect();
        self.spans.iter().filter(move |s| {
            let full = self.is_full(s);
            let followed_by_empty = empties.contains(&s.stop());
            // Without a total, a full page proves nothing even if an empty page follows: rows may have moved between
            // the two fetches.
            let ends = if trusted {
                s.reaches_total() && (followed_by_empty || (!full && self.is_promised(s.total)))
            } else {
                !full && followed_by_empty
            };
            !s.keys.is_empty() && ends
        })
    }

    /// Checks whether some page reported this total while more rows were to come. Any other total may count the rows of
    /// its page, or those read so far.
    fn is_promised(&self, total: Option<u64>) -> bool {
        self.spans.iter().any(|s| !s.keys.is_empty() && s.total == total && total.is_some_and(|t| t > s.stop()))
    }

    fn has_end(&self) -> bool {
        self.tails().next().is_some()
    }

    fn is_ascending(&self) -> bool {
        self.spans.iter().all(|s| ascends(&s.keys))
    }

    /// Counts a repair. Ends the walk without a proof after `max_passes` of them.
    fn repair(&mut self, windows: Vec<Window>, why: String) -> WalkStep {
        if self.passes > u64::from(self.settings.max_passes) {
            let end = format!("{why}; {} passes did not prove the list complete", self.settings.max_passes);
            return WalkStep::End(End::Unproven(end));
        }
        self.passes += 1;
        WalkStep::Repair { windows, why }
    }

    /// Renders the proof. The total may be below the number of rows: it is then the one after rows were removed, or it
    /// contradicts the rows.
    fn proof(&self, total: Option<u64>, distinct: u64) -> String {
        let pages = self.spans.iter().filter(|s| !s.keys.is_empty()).count();
        let over = if pages == 1 { "over 1 page".to_owned() } else { format!("over {pages} pages") };
        let overlap = if pages > 1 { "; consecutive pages overlap as expected" } else { "" };
        let ending = match self.probe {
            Some(Probe::RestartsBehindEnd) => {
                "; the source respects the offset, and repeats the first page after the last row"
            }
            _ if self.spans.iter().any(|s| s.keys.is_empty()) => "; an empty page follows",
            _ => "",
        };
        match total.filter(|_| self.trusted_total().is_some()) {
            Some(total) if total < distinct => {
                format!("{distinct} rows {over}; {}{overlap}{ending}", self.lower_total(total, distinct))
            }
            Some(total) => format!("total {total} reached {over}{overlap}{ending}"),
            None => {
                let contradiction = self.contradicting_total().map(|total| format!("; {}", contradicts(total)));
                format!(
                    "{distinct} rows {over}; an empty page shows the end{overlap}{}",
                    contradiction.unwrap_or_default()
                )
            }
        }
    }

    /// Explains a total below the number of rows: only if it was high enough before, rows were removed.
    fn lower_total(&self, total: u64, distinct: u64) -> String {
        match self.spans.iter().filter_map(|s| s.total).max().filter(|most| *most >= distinct) {
            Some(most) => format!("the total fell from {most} to {total}, because rows were removed meanwhile"),
            None => contradicts(total),
        }
    }

    /// Returns a total that is below the rows of its own page.
    fn contradicting_total(&self) -> Option<u64> {
        self.spans.iter().find(|s| !s.keys.is_empty() && s.total.is_some_and(|t| t < s.stop()))?.total
    }

    /// Returns the result. Rows that a later page shows to be removed are left out.
    pub(super) fn into_result<E>(self, end: Result<End, E>) -> WalkResult<R, E> {
        let remaining = (self.passes > 1 && matches!(end, Ok(End::Proven(_)))).then(|| self.proven_keys());
        let proven_by = self.tails().max_by_key(|s| s.seq).and_then(|s| s.total);
        // Totals that are below the rows of their own page are no totals of the list, so none is returned.
        let trusted =
            self.spans.is_empty() || self.spans.iter().all(|s| s.keys.is_empty()) || self.trusted_total().is_some();
        // The total of a page that the source repeats counts its rows.
        let repeated =
            self.repeated_page().and_then(|page| page.total.filter(|total| *total == page.keys.len() as u64));
        let expected = repeated.or_else(|| proven_by.or(self.last_total).filter(|_| trusted));
        let mut rows = self.kept.into_rows();
        rows.retain(|row| remaining.as_ref().is_none_or(|remaining| remaining.contains(row.key())));
        WalkResult { expected, rows, received: self.received, pages: self.pages, passes: self.passes, end }
    }

    /// Returns the keys that exist at the end of the walk.
    fn proven_keys(&self) -> HashSet<R::Key> {
        if self.is_ordered_by_key() {
            self.remaining_keys().into_iter().collect()
        } else {
            self.pass_keys().into_iter().cloned().collect()
        }
    }
}

/// Returns the text for a total that is below the number of rows.
pub(super) fn contradicts(total: u64) -> String {
    format!("the total contradicts the rows: the source reports {total}")
}
