//! The proofs of a list by page number: by one page, by the order of its keys, and by two readings. The documentation of
//! [`numbered`](super) explains them.

use super::super::kept::doubled;
use super::super::offset::contradicts;
use super::super::unseen_end;
use super::{
    FullReading, ListRow, MAX_ADDED_PAGES, MAX_PAGES, MIN_PAGE_SIZE, NumberedPage, NumberedWalk, PageError,
    PageRequest, PassFault, SeenPage, WalkProgress,
};
use std::collections::HashSet;

impl<R, E, F, A, T> NumberedWalk<R, F, T>
where
    R: ListRow,
    E: PageError,
    F: Fn(PageRequest) -> A,
    A: Future<Output = Result<NumberedPage<R>, E>>,
    T: FnMut(WalkProgress),
{
    /// Proves a list of one page.
    pub(super) async fn prove_single_page(&mut self, first: &SeenPage<R::Key>) -> Result<String, PassFault<E>> {
        let behind = if self.looks_behind {
            self.look_behind_first(first).await?;
            "; a second reading in smaller pages shows nothing behind it"
        } else {
            ""
        };
        self.check_total(first.metadata.total)?;
        if let Some(total) = first.metadata.total {
            return Ok(format!("total {total} reached in one page{behind}"));
        }
        let rows = self.seen_in_pass.len();
        Ok(format!("{rows} rows in one page, which the source reports as the last{behind}{}", self.contradiction()))
    }

    /// Reads the second page of a size at which the first page is between one and two pages long. It must show the last
    /// rows of the first page, and nothing behind them. Short lists are read behind their last row.
    pub(super) async fn look_behind_first(&mut self, first: &SeenPage<R::Key>) -> Result<(), PassFault<E>> {
        let rows = first.keys.len() as u64;
        let size = (rows / 2 + 1).max(MIN_PAGE_SIZE).min(first.request.size);
        let Some(second) = self.page_behind(2, size).await? else { return Ok(()) };
        if second.keys.is_empty() {
            return Ok(());
        }
        if second.keys.first() == first.keys.first() {
            // A page number above the last one may give the last page again. No server cuts pages below the smallest size.
            let is_last_again = rows < MIN_PAGE_SIZE || (rows <= size && second.metadata.current == Some(1));
            return if is_last_again { Ok(()) } else { Err(Self::ignores_page_number(2)) };
        }
        let expected = rows.saturating_sub(size);
        let is_known = |key: &R::Key| first.keys.contains(key);
        if second.keys.len() as u64 == expected && second.keys.iter().all(is_known) {
            return Ok(());
        }
        if second.keys.len() as u64 > expected {
            // The total counted only the rows of its page, or those so far.
            self.contradicting_total = self.contradicting_total.or(first.metadata.total);
            self.real_size = Some(rows);
            return Err(PassFault::Moved(format!("more rows follow the {rows} that the source reports as all")));
        }
        Err(PassFault::Moved("a second reading of the first page differs".to_owned()))
    }

    /// Requests a page that may be behind the end. Returns none if the source answers that there is no such page.
    async fn page_behind(&mut self, number: u64, size: u64) -> Result<Option<SeenPage<R::Key>>, PassFault<E>> {
        match self.received_page(number, size).await {
            Ok(page) => Ok(Some(page)),
            Err(error) if error.is_no_page() => Ok(None),
            // All rows that the source reports were read. Only the look behind them failed.
            Err(error) => Err(PassFault::Hopeless(unseen_end(&error))),
        }
    }

    /// Requests the page behind the last one, which must not exist.
    async fn look_behind(&mut self, last: u64, size: u64) -> Result<(), PassFault<E>> {
        let Some(behind) = self.page_behind(last + 1, size).await? else { return Ok(()) };
        // Some servers return the last page for every greater number.
        if behind.keys.is_empty() || behind.metadata.current == Some(last) {
            return Ok(());
        }
        self.real_size = Some(size);
        Err(PassFault::Moved(format!("page {} has rows, although page {last} was reported as the last", last + 1)))
    }

    /// Reads the pages from the last to the second and proves the list by the order of its keys. If the keys are not in
    /// order, proves it by two full readings.
    pub(super) async fn prove_backwards(
        &mut self,
        first: SeenPage<R::Key>,
        cap: u64,
        last: u64,
    ) -> Result<String, PassFault<E>> {
        let smaller = cap - 1;
        // Pages that are one row smaller overlap the first page. They are used only if they need no additional page.
        let promised = first.metadata.total.filter(|total| *total > first.keys.len() as u64);
        let overlaps = smaller >= MIN_PAGE_SIZE && promised.is_some_and(|total| total.div_ceil(smaller) <= last);
        let size = if overlaps { smaller } else { cap };
        let last = if overlaps { promised.unwrap_or(0).div_ceil(smaller) } else { last };
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
                // A list with the same row in two pages looks like one that lacks a row.
                if !doubled(seen[1..].iter().flat_map(|page| &page.keys)).is_empty() {
                    return self.prove_by_two_readings(cap, last, false).await;
                }
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
        self.prove_by_two_readings(cap, last, false).await
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
            if let Some(total) = page.metadata.total.filter(|total| page.keys.is_empty() && *total > page.stop()) {
                let why = format!("the source reports a total of {total}, but page {number} has no rows");
                return Err(PassFault::Moved(why));
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
    pub(super) async fn find_end(&mut self, size: u64) -> Result<u64, PassFault<E>> {
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
    /// `end_seen`: whether an empty page behind the last one was seen.
    pub(super) async fn prove_by_two_readings(
        &mut self,
        size: u64,
        last: u64,
        end_seen: bool,
    ) -> Result<String, PassFault<E>> {
        self.seen_in_pass.clear();
        let (first, totals) = self.read_forwards(size, last, end_seen).await?;
        let second = self.read_forwards(size, last, end_seen).await?;
        if (&first, &totals) != (&second.0, &second.1) || totals.len() > 1 {
            return Err(PassFault::Moved("two readings of the whole list differ".to_owned()));
        }
        // Both readings agree, so that the row did not move.
        self.kept.mark_repeated(doubled(first.iter()));
        let total = totals.iter().next().copied().flatten();
        self.check_total(total)?;
        if !end_seen && total.is_none() {
            self.look_behind(last, size).await?;
        }
        Ok(format!("{}; {last} pages read twice with the same result", self.reached(total)))
    }

    /// Reads all pages from the first to the last. Each page before the last must be full.
    async fn read_forwards(
        &mut self,
        size: u64,
        last: u64,
        end_seen: bool,
    ) -> Result<FullReading<R::Key>, PassFault<E>> {
        let (mut keys, mut totals) = (Vec::new(), HashSet::new());
        for number in 1..=last {
            let page = self.page(number, size).await?;
            if number == last && !end_seen && page.is_last() == Some(false) {
                return Err(PassFault::Moved("the end of the list moved while it was read".to_owned()));
            }
            let rows = page.keys.len() as u64;
            if number < last && rows < size {
                return Err(self.shorter(number, rows));
            }
            totals.insert(page.metadata.total);
            keys.extend(page.keys);
        }
        Ok((keys, totals))
    }

    /// Records that a page before the last one has fewer rows than requested. The next pass requests as many as it has.
    pub(super) fn shorter(&mut self, number: u64, rows: u64) -> PassFault<E> {
        if rows > 0 {
            self.real_size = Some(self.real_size.unwrap_or(rows).min(rows));
        }
        PassFault::Moved(format!("page {number} is not full, although more pages follow"))
    }

    fn reached(&self, total: Option<u64>) -> String {
        let rows = self.seen_in_pass.len();
        match total {
            Some(total) if total < rows as u64 => {
                let highest = self.highest_total.filter(|highest| *highest >= rows as u64);
                let why = highest.map_or_else(
                    || contradicts(total),
                    |highest| format!("the total fell from {highest} to {total}, because rows were removed meanwhile"),
                );
                format!("{rows} rows; {why}")
            }
            Some(total) => format!("total {total} reached"),
            None => format!("{rows} rows{}", self.contradiction()),
        }
    }

    /// Returns the text for a total that contradicts the rows, with a separator; empty if there is none.
    fn contradiction(&self) -> String {
        self.contradicting_total.map(|total| format!("; {}", contradicts(total))).unwrap_or_default()
    }

    /// Checks that at least as many distinct rows as the total were received. A list that names an id twice is not proven
    /// in any case.
    fn check_total(&self, total: Option<u64>) -> Result<(), PassFault<E>> {
        let rows = self.seen_in_pass.len() as u64;
        if self.kept.repetition().is_some() {
            return Ok(());
        }
        match total.filter(|total| rows < *total) {
            Some(total) => Err(PassFault::Moved(format!(
                "the source reports a total of {total}, but {rows} distinct rows were received"
            ))),
            None => Ok(()),
        }
    }
}

/// Checks whether keys ascend. A key may follow itself: such a list is never proven, but read like any other.
fn ascends<K: Ord>(keys: &[K]) -> bool {
    keys.windows(2).all(|pair| pair[0] <= pair[1])
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
