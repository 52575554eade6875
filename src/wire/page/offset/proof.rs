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
            let why = self
                .stalled
                .take()
                .unwrap_or_else(|| format!("rows moved between pages: {} page boundaries do not overlap", gaps.len()));
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
            self.window(after.window.offset.saturating_sub(self.stride()).max(1))
        } else {
            self.window((before.stop() - 1).saturating_sub(self.cap / 4))
        }
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
        end.saturating_sub(self.stride())
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
        let problem = match self.positions() {
            Err(why) => Some(why),
            Ok(gaps) if !gaps.is_empty() => {
                let why = self.stalled.take().unwrap_or_else(|| "pages were shorter than requested".to_owned());
                return self.repair(gaps, why);
            }
            Ok(_) => None,
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
                    .filter(|t| *t != distinct)
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

    /// Returns windows for the gaps between positions. The error says that two pages contradict each other.
    fn positions(&self) -> Result<Vec<Window>, String> {
        let mut by_offset: Vec<&PageSpan<R::Key>> = self.spans.iter().filter(|s| !s.keys.is_empty()).collect();
        by_offset.sort_by_key(|s| (s.window.offset, s.seq));
        let mut seen: HashMap<u64, &R::Key> = HashMap::new();
        let mut position_of: HashMap<&R::Key, u64> = HashMap::new();
        for span in &by_offset {
            for (position, key) in (span.window.offset..).zip(&span.keys) {
                let other_key = seen.insert(position, key).is_some_and(|k| k != key);
                let other_position = position_of.insert(key, position).is_some_and(|p| p != position);
                if other_key || other_position {
                    return Err(format!(
                        "rows moved between pages: different pages show other rows at position {position}"
                    ));
                }
            }
        }
        let mut gaps = Vec::new();
        let mut stop = 0;
        for span in by_offset {
            if stop > 0 && span.window.offset + 1 > stop {
                gaps.push(self.window(stop - 1));
            }
            stop = stop.max(span.stop());
        }
        Ok(gaps)
    }

    /// Returns the keys of the current pass.
    pub(super) fn pass_keys(&self) -> HashSet<&R::Key> {
        self.spans.iter().flat_map(|s| &s.keys).collect()
    }
}
