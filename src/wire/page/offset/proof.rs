//! The two proofs, by key and by position, over what was read. The parent module's own documentation explains them.

use super::{End, ListRow, OffsetWalk, PageSpan, WalkStep, Window};
use std::collections::{BTreeSet, HashMap, HashSet};

impl<R: ListRow> OffsetWalk<R> {
    /// Whether the keys can prove anything: every page ascends, and no page shows a row where another, though it spans that
    /// row's key, did not: such a row came into the middle, or the order is another one and only looks like that of the keys.
    pub(super) fn is_in_order_of_keys(&self) -> bool {
        self.is_ascending() && !self.has_intruder()
    }

    fn has_intruder(&self) -> bool {
        let mut by_first: Vec<&PageSpan<R::Key>> = self.segments.iter().filter(|s| !s.keys.is_empty()).collect();
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

    pub(super) fn prove_by_key(&mut self) -> WalkStep {
        let (gaps, reach) = self.gaps();
        if !gaps.is_empty() {
            let why = self
                .refused
                .take()
                .unwrap_or_else(|| format!("rows moved between pages: {} of the boundaries do not meet", gaps.len()));
            return self.repair(gaps, why);
        }
        let newest_tail = self.tails().max_by_key(|s| s.seq).map(|s| (s.keys.last().cloned(), s.total));
        let Some((Some(last), tail_total)) = newest_tail else {
            return self.repair(vec![self.window(self.tail_guess())], self.why_no_end());
        };
        if reach.as_ref().is_some_and(|r| *r < last) {
            return self
                .repair(vec![self.window(self.tail_guess())], "the end does not meet the rows before it".to_owned());
        }
        // Rows that were added after the end was read did not exist during the whole walk; they are fetched all the same.
        let newest_total = self.trusted_total();
        if newest_total > tail_total && self.passes <= u64::from(self.settings.max_passes / 2) {
            return self
                .repair(vec![self.window(self.tail_guess())], "rows were added while the list was read".to_owned());
        }
        let distinct = if self.passes == 1 { self.distinct() } else { self.alive().len() as u64 };
        match tail_total.filter(|_| newest_total.is_some()) {
            Some(total) if distinct < total => WalkStep::End(End::Unproven(format!(
                "the source tells a total of {total}, but {distinct} different rows came"
            ))),
            _ => WalkStep::End(End::Proven(self.proof(tail_total, distinct))),
        }
    }

    /// Windows across the gaps between the intervals of keys, and the last key that is covered without a gap.
    fn gaps(&self) -> (Vec<Window>, Option<R::Key>) {
        let mut by_first: Vec<&PageSpan<R::Key>> = self.segments.iter().filter(|s| !s.keys.is_empty()).collect();
        by_first.sort_by(|a, b| (a.window.offset != 0, &a.keys[0]).cmp(&(b.window.offset != 0, &b.keys[0])));
        let mut gaps = Vec::new();
        let mut front: Option<&PageSpan<R::Key>> = None;
        for segment in by_first {
            let Some(reached) = front else {
                front = Some(segment);
                continue;
            };
            if segment.keys[0] > reached.keys[reached.keys.len() - 1] {
                gaps.push(self.across(reached, segment));
            }
            if segment.keys.last() > reached.keys.last() {
                front = Some(segment);
            }
        }
        gaps.dedup();
        (gaps, front.and_then(|s| s.keys.last().cloned()))
    }

    /// A window that should show the last row of `before` and the first of `after`; placed by the newer of the two,
    /// since its positions are the truer ones.
    fn across(&self, before: &PageSpan<R::Key>, after: &PageSpan<R::Key>) -> Window {
        if after.seq > before.seq && after.window.offset > 0 {
            // Not the first window again: it is the only one that asks for no more than a page.
            self.window(after.window.offset.saturating_sub(self.stride()).max(1))
        } else {
            self.window((before.stop() - 1).saturating_sub(self.cap / 4))
        }
    }

    fn why_no_end(&self) -> String {
        let newest = self.segments.iter().max_by_key(|s| s.seq);
        match newest.and_then(|s| Some((s.total?, s.stop(), s.keys.len() as u64))) {
            Some((total, stop, rows)) if rows < self.cap && stop < total => {
                format!("the source tells a total of {total}, but its rows end after {stop}")
            }
            _ => "the end of the list moved while it was read".to_owned(),
        }
    }

    /// Where the last page should be now.
    fn tail_guess(&self) -> u64 {
        let empties = self.segments.iter().filter(|s| s.keys.is_empty()).map(|s| s.window.offset);
        let end = self.trusted_total().or_else(|| empties.min()).unwrap_or(0);
        end.saturating_sub(self.stride())
    }

    /// Keys that the newest look at their place still showed.
    pub(super) fn alive(&self) -> BTreeSet<R::Key> {
        let mut alive = BTreeSet::new();
        for segment in &self.segments {
            let (Some(first), Some(last)) = (segment.keys.first(), segment.keys.last()) else { continue };
            if first < last {
                let shown: HashSet<&R::Key> = segment.keys.iter().collect();
                let gone: Vec<R::Key> =
                    alive.range(first.clone()..=last.clone()).filter(|k| !shown.contains(k)).cloned().collect();
                for key in gone {
                    alive.remove(&key);
                }
            }
            alive.extend(segment.keys.iter().cloned());
        }
        alive
    }

    // ---- proof by position ----

    pub(super) fn prove_by_position(&mut self) -> WalkStep {
        let problem = match self.positions() {
            Err(why) => Some(why),
            Ok(gaps) if !gaps.is_empty() => {
                let why = self.refused.take().unwrap_or_else(|| "pages came short".to_owned());
                return self.repair(gaps, why);
            }
            Ok(_) => None,
        };
        // Totals that are below the rows of their own page are those of a page, not of the list.
        let trusted = self.trusted_total().is_some();
        let totals: HashSet<Option<u64>> = self.segments.iter().map(|s| s.total.filter(|_| trusted)).collect();
        let distinct = self.pass_keys().len() as u64;
        let reported = totals.iter().next().copied().flatten();
        let problem = problem
            .or_else(|| (totals.len() > 1).then(|| "the total changed while the list was read".to_owned()))
            .or_else(|| (!self.has_end()).then(|| self.why_no_end()))
            .or_else(|| {
                reported
                    .filter(|t| *t != distinct)
                    .map(|t| format!("the source tells a total of {t}, but {distinct} different rows came"))
            });
        let Some(why) = problem else {
            return WalkStep::End(End::Proven(self.proof(reported, distinct)));
        };
        let step = self.repair(vec![self.window(0)], why);
        if matches!(step, WalkStep::Repair { .. }) {
            self.segments.clear();
        }
        step
    }

    /// Windows where neighbours do not overlap by position; an error where two pages disagree.
    fn positions(&self) -> Result<Vec<Window>, String> {
        let mut by_offset: Vec<&PageSpan<R::Key>> = self.segments.iter().filter(|s| !s.keys.is_empty()).collect();
        by_offset.sort_by_key(|s| (s.window.offset, s.seq));
        let mut seen: HashMap<u64, &R::Key> = HashMap::new();
        let mut where_is: HashMap<&R::Key, u64> = HashMap::new();
        for segment in &by_offset {
            for (position, key) in (segment.window.offset..).zip(&segment.keys) {
                let other_key = seen.insert(position, key).is_some_and(|k| k != key);
                let other_place = where_is.insert(key, position).is_some_and(|p| p != position);
                if other_key || other_place {
                    return Err(format!("rows moved between pages: position {position} was seen with different rows"));
                }
            }
        }
        let mut gaps = Vec::new();
        let mut stop = 0;
        for segment in by_offset {
            if stop > 0 && segment.window.offset + 1 > stop {
                gaps.push(self.window(stop - 1));
            }
            stop = stop.max(segment.stop());
        }
        Ok(gaps)
    }

    pub(super) fn pass_keys(&self) -> HashSet<&R::Key> {
        self.segments.iter().flat_map(|s| &s.keys).collect()
    }
}
