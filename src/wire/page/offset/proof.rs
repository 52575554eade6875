//! The two proofs of completeness, by key and by position, over the received pages. The documentation of
//! [`wire::page`](crate::wire::page) explains them.

use super::{End, ListRow, OffsetWalk, PageSpan, WalkStep, Window};
use std::collections::{BTreeSet, HashMap, HashSet};

impl<R: ListRow> OffsetWalk<R> {
    /// Checks whether the proof by key applies: every page ascends, and no row appeared between the rows of an earlier
    /// page.
    pub(super) fn is_ordered_by_key(&self) -> bool {
        self.is_ascending() && !self.has_inserted_row()
    }

    /// Checks whether a page shows a key that is within the span of an earlier page but not in it. Either the row was
    /// inserted in the middle, or the list has another order that only looks like the order of keys.
    fn has_inserted_row(&self) -> bool {
        let mut by_first: Vec<&PageSpan<R::Key>> = self.spans.iter().filter(|s| !s.keys.is_empty()).collect();
        by_first.sort_by(|a, b| a.keys[0].cmp(&b.keys[0]));
        by_first.iter().enumerate().any(|(at, one)| {
            let last = &one.keys[one.keys.len() - 1];
            by_first[at + 1..].iter().take_while(|other| other.keys[0] < *last).any(|other| {
                let (earlier, later) = if one.seq < other.seq { (one, *other) } else { (other, *one) };
                later.keys.iter().any(|key| earlier.spans(key) && earlier.keys.binary_search(key).is_err())
            })
        })
    }

    // ---- proof by key ----

    /// Tries the proof by key. Returns a repair if a gap or a missing end can be closed by one more window.
    pub(super) fn prove_by_key(&mut self) -> WalkStep {
        let (gaps, reach) = self.gaps();
        if !gaps.is_empty() {
            let why = self.stalled.take().unwrap_or_else(|| self.why_gaps(gaps.len()));
            return self.repair(gaps, why);
        }
        let newest_tail = self.tails().max_by_key(|s| s.seq).map(|s| (s.keys.last().cloned(), s.total));
        let Some((Some(last), tail_total)) = newest_tail else {
            return self.repair(vec![self.window(self.tail_guess())], self.missing_end());
        };
        if reach.as_ref().is_some_and(|r| *r < last) {
            return self.repair(
                vec![self.window(self.tail_guess())],
                "the last page does not overlap the one before".to_owned(),
            );
        }
        // Rows that were added after the end was read did not exist during the whole walk, so the proof does not need
        // them. They are fetched anyway, as long as half of the passes are left.
        let newest_total = self.trusted_total();
        if newest_total > tail_total && self.passes <= u64::from(self.settings.max_passes / 2) {
            return self
                .repair(vec![self.window(self.tail_guess())], "rows were added while the list was read".to_owned());
        }
        let distinct = if self.passes == 1 { self.distinct() } else { self.remaining_keys().len() as u64 };
        match tail_total.filter(|_| newest_total.is_some()) {
            Some(total) if distinct < total => WalkStep::End(End::Unproven(format!(
                "the source reports a total of {total}, but {distinct} distinct rows were received"
            ))),
            _ => WalkStep::End(End::Proven(self.proof(tail_total, distinct))),
        }
    }

    /// Returns why pages do not overlap. After a page that was shorter than requested, the next one begins behind it.
    fn why_gaps(&self, gaps: usize) -> String {
        let begins = |stop: u64| self.spans.iter().any(|s| s.window.offset == stop && !s.keys.is_empty());
        let is_short = |s: &PageSpan<R::Key>| (s.keys.len() as u64) < s.window.limit && begins(s.stop());
        if self.spans.iter().filter(|s| !s.keys.is_empty()).any(is_short) {
            "pages were shorter than requested".to_owned()
        } else {
            format!("rows moved between pages: {gaps} page boundaries do not overlap")
        }
    }

    /// Returns windows across the gaps between the intervals of keys, and the last covered key.
    fn gaps(&self) -> (Vec<Window>, Option<R::Key>) {
        let mut by_first: Vec<&PageSpan<R::Key>> = self.spans.iter().filter(|s| !s.keys.is_empty()).collect();
        by_first.sort_by(|a, b| (a.window.offset != 0, &a.keys[0]).cmp(&(b.window.offset != 0, &b.keys[0])));
        let mut gaps = Vec::new();
        // The page with the greatest key so far.
        let mut furthest: Option<&PageSpan<R::Key>> = None;
        for span in by_first {
            let Some(reached) = furthest else {
                furthest = Some(span);
                continue;
            };
            if span.keys[0] > reached.keys[reached.keys.len() - 1] {
                gaps.push(self.bridging_window(reached, span));
            }
            if span.keys.last() > reached.keys.last() {
                furthest = Some(span);
            }
        }
        // Two gaps may lead to the same window.
        gaps.dedup();
        (gaps, furthest.and_then(|s| s.keys.last().cloned()))
    }

    /// Returns a window that probably shows the last row of `before` and the first of `after`. It is placed by the
    /// newer of the two pages, because its positions are more accurate.
    fn bridging_window(&self, before: &PageSpan<R::Key>, after: &PageSpan<R::Key>) -> Window {
        if after.seq > before.seq && after.window.offset > 0 {
            // At least 1: the window at offset 0 requests no extra row, so it might not bridge the gap.
            let near = after.window.offset - 1;
            self.window(self.unless_read(near.saturating_sub(self.stride() - 1), near, after.seq).max(1))
        } else {
            self.window((before.stop() - 1).saturating_sub(self.cap / 4))
        }
    }

    /// Returns `far`, or `near` if the window at `far` was read after the page `seq`: the server then returns shorter pages
    /// than before.
    fn unless_read(&self, far: u64, near: u64, seq: usize) -> u64 {
        let was_read = self.spans.iter().any(|s| s.window.offset == far.max(1) && s.seq > seq);
        if was_read { near } else { far }
    }

    /// Returns why no page is proven to be the last.
    fn missing_end(&self) -> String {
        let newest = self.spans.iter().max_by_key(|s| s.seq);
        match newest.and_then(|s| Some((s.total?, s.stop(), s.keys.len() as u64))) {
            Some((total, stop, rows)) if rows < self.cap && stop < total => {
                format!("the source reports a total of {total}, but its rows end after {stop}")
            }
            _ => "the end of the list moved while it was read".to_owned(),
        }
    }

    /// Returns the offset at which the last page probably starts now.
    fn tail_guess(&self) -> u64 {
        let empties = self.spans.iter().filter(|s| s.keys.is_empty()).map(|s| s.window.offset);
        let end = self.trusted_total().or_else(|| empties.min()).unwrap_or(0);
        let newest = self.spans.iter().filter(|s| s.stop() == end).map(|s| s.seq).max().unwrap_or(0);
        self.unless_read(end.saturating_sub(self.stride()), end.saturating_sub(1), newest)
    }

    /// Returns the keys that the newest page over their place contains. The others were removed during the walk.
    pub(super) fn remaining_keys(&self) -> BTreeSet<R::Key> {
        let mut remaining = BTreeSet::new();
        for span in &self.spans {
            let (Some(first), Some(last)) = (span.keys.first(), span.keys.last()) else { continue };
            // A page of one key spans nothing, so it cannot show that another key was removed.
            if first < last {
                let shown: HashSet<&R::Key> = span.keys.iter().collect();
                let removed: Vec<R::Key> =
                    remaining.range(first.clone()..=last.clone()).filter(|k| !shown.contains(k)).cloned().collect();
                for key in removed {
                    remaining.remove(&key);
                }
            }
            remaining.extend(span.keys.iter().cloned());
        }
        remaining
    }

    // ---- proof by position ----

    /// Tries the proof by position. If it fails, the whole list is read again.
    pub(super) fn prove_by_position(&mut self) -> WalkStep {
        let (problem, listed) = match self.positions() {
            Err(why) => (Some(why), 0),
            Ok((gaps, _)) if !gaps.is_empty() => {
                let why = self.stalled.take().unwrap_or_else(|| "pages were shorter than requested".to_owned());
                return self.repair(gaps, why);
            }
            Ok((_, listed)) => (None, listed),
        };
        // Totals that are below the rows of their own page are those of a page, not of the list.
        let trusted = self.trusted_total().is_some();
        let totals: HashSet<Option<u64>> = self.spans.iter().map(|s| s.total.filter(|_| trusted)).collect();
        let distinct = self.pass_keys().len() as u64;
        let reported = totals.iter().next().copied().flatten();
        let problem = problem
            .or_else(|| (totals.len() > 1).then(|| "the total changed while the list was read".to_owned()))
            .or_else(|| (!self.has_end()).then(|| self.missing_end()))
            .or_else(|| {
                reported
                    .filter(|t| *t != listed)
                    .map(|t| format!("the source reports a total of {t}, but {distinct} distinct rows were received"))
            });
        let Some(why) = problem else {
            return WalkStep::End(End::Proven(self.proof(reported, distinct)));
        };
        let step = self.repair(vec![self.window(0)], why);
        // Positions of two passes cannot be compared, so the next pass starts without pages.
        if matches!(step, WalkStep::Repair { .. }) {
            self.spans.clear();
        }
        step
    }

    /// Returns windows for the gaps between positions, and the number of positions. The error says that two pages
    /// contradict each other.
    fn positions(&mut self) -> Result<(Vec<Window>, u64), String> {
        let by_offset = self.by_offset();
        let mut seen: HashMap<u64, &R::Key> = HashMap::new();
        let mut position_of: HashMap<&R::Key, u64> = HashMap::new();
        let moved = |position: u64| {
            Err(format!("rows moved between pages: different pages show other rows at position {position}"))
        };
        let mut doubled: Vec<(u64, R::Key)> = Vec::new();
        for span in &by_offset {
            // A server may report a total near the largest number, so that windows are there.
            let positions = (0..).map(|row: u64| span.window.offset.saturating_add(row));
            for (position, key) in positions.zip(&span.keys) {
                if seen.insert(position, key).is_some_and(|k| k != key) {
                    return moved(position);
                }
                let is_elsewhere = position_of.insert(key, position).is_some_and(|p| p != position);
                if is_elsewhere && !self.kept.is_repeated(key) {
                    doubled.push((position, key.clone()));
                }
            }
        }
        let listed = seen.len() as u64;
        let mut gaps = Vec::new();
        let mut stop = 0;
        for span in by_offset {
            if stop > 0 && span.window.offset >= stop {
                gaps.push(self.window(stop - 1));
            }
            stop = stop.max(span.stop());
        }
        if let Some((position, _)) = doubled.first() {
            let position = *position;
            let keys: BTreeSet<R::Key> = doubled.into_iter().map(|(_, key)| key).collect();
            // A row that moved is at one position in the next pass. One that the list names twice is at two again.
            if !keys.is_subset(&self.suspects) {
                self.suspects = keys;
                return moved(position);
            }
            self.kept.mark_repeated(keys);
        }
        Ok((gaps, listed))
    }

    fn by_offset(&self) -> Vec<&PageSpan<R::Key>> {
        let mut by_offset: Vec<&PageSpan<R::Key>> = self.spans.iter().filter(|s| !s.keys.is_empty()).collect();
        by_offset.sort_by_key(|s| (s.window.offset, s.seq));
        by_offset
    }

    /// Returns the keys of the current pass.
    pub(super) fn pass_keys(&self) -> HashSet<&R::Key> {
        self.spans.iter().flat_map(|s| &s.keys).collect()
    }
}
