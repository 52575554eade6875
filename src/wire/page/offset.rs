//! The pure half of a walk: what has been read, what must be read next, and whether it is proven.
//! No clock, no network: windows in, windows out. The proofs are explained in the parent module.

mod proof;

use super::{ListRow, Page, WalkResult, WalkSettings};
use ahash::AHashMap;
use std::collections::HashSet;
use std::collections::hash_map::Entry;

/// A stretch of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    /// Rows before it.
    pub offset: u64,
    /// Rows asked for.
    pub limit: u64,
}

/// How a walk ended that was not broken off by an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Proven; the proof in words.
    Proven(String),
    /// Not proven; why.
    Unproven(String),
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WalkStep {
    /// Read on.
    Read(Vec<Window>),
    /// The list moved or came short: read these again or in between.
    Repair { windows: Vec<Window>, why: String },
    /// Nothing more to read.
    End(End),
}

/// One page as it was seen.
struct PageSpan<K> {
    window: Window,
    keys: Vec<K>,
    total: Option<u64>,
    /// Order of arrival.
    seq: usize,
}

impl<K> PageSpan<K> {
    /// Position after its last row.
    fn stop(&self) -> u64 {
        self.window.offset.saturating_add(self.keys.len() as u64)
    }

    /// Between its first and its last key.
    fn spans(&self, key: &K) -> bool
    where
        K: Ord,
    {
        self.keys.first().is_some_and(|first| first < key) && self.keys.last().is_some_and(|last| key < last)
    }

    /// The answer itself says that nothing follows. A page that shows more rows than its own total lies.
    fn reaches_total(&self) -> bool {
        !self.keys.is_empty() && self.total == Some(self.stop())
    }
}

fn ascends<K: Ord>(keys: &[K]) -> bool {
    keys.windows(2).all(|pair| pair[0] < pair[1])
}

/// Everything that a walk has read so far.
pub struct OffsetWalk<R: ListRow> {
    settings: WalkSettings,
    /// Of the current reading of the whole list.
    segments: Vec<PageSpan<R::Key>>,
    rows: Vec<R>,
    places: AHashMap<R::Key, usize>,
    /// Rows that the server gives at most, once a page showed it.
    cap: u64,
    /// Whether the server gives [`STRETCH`] rows more than a page where it is asked for them; `None` before it was asked.
    stretches: Option<bool>,
    received: u64,
    pages: u64,
    passes: u64,
    next_seq: usize,
    last_total: Option<u64>,
    /// Why the last answer brought the walk no further: it was not taken, or it showed only rows that were seen already.
    refused: Option<String>,
}

/// Rows that every window but the first asks for beyond a page: one in which it overlaps its neighbour, and one so that lists
/// of so many full pages do not end with a full one, behind which one would have to look. So the proof costs no request.
const STRETCH: u64 = 2;
/// Windows that are given out at once: a total is only a claim, and may be absurd.
const MOST_WINDOWS: usize = 256;

impl<R: ListRow> OffsetWalk<R> {
    /// Nothing read yet.
    pub fn new(settings: WalkSettings) -> Self {
        Self {
            cap: settings.page_size.max(1),
            stretches: None,
            settings,
            segments: Vec::new(),
            rows: Vec::new(),
            places: AHashMap::new(),
            received: 0,
            pages: 0,
            passes: 1,
            next_seq: 0,
            last_total: None,
            refused: None,
        }
    }

    /// Different rows so far.
    pub fn distinct(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Takes one answer. A page that holds one key twice is not a stretch of a list and is not taken.
    pub fn take(&mut self, window: Window, page: Page<R>) {
        self.pages += 1;
        self.received += page.rows.len() as u64;
        self.last_total = page.total.or(self.last_total);
        let keys: Vec<R::Key> = page.rows.iter().map(ListRow::key).collect();
        if !ascends(&keys) && keys.iter().collect::<HashSet<_>>().len() < keys.len() {
            self.refused = Some(format!("the page at offset {} held one id twice", window.offset));
            // Its rows exist all the same; the list is not proven by them.
            page.rows.into_iter().for_each(|row| self.keep(row));
            return;
        }
        let before = self.rows.len();
        for row in page.rows {
            self.keep(row);
        }
        // Beyond all that was seen there must be something new, or nothing at all; never the beginning again.
        let stalls = self.rows.len() == before || self.begins_again(&keys);
        if window.offset > 0 && !keys.is_empty() && stalls && self.is_beyond(window.offset) {
            self.refused = Some(format!("the page at offset {} shows rows that were seen before", window.offset));
        }
        self.segments.push(PageSpan { window, keys, total: page.total, seq: self.next_seq });
        self.next_seq += 1;
        self.learn_cap();
    }

    fn begins_again(&self, keys: &[R::Key]) -> bool {
        let first = self.segments.iter().find(|s| s.window.offset == 0 && !s.keys.is_empty());
        first.is_some_and(|first| first.keys.first() == keys.first())
    }

    /// Behind, or at the last row of, everything so far.
    fn is_beyond(&self, offset: u64) -> bool {
        self.segments.iter().map(PageSpan::stop).max().is_some_and(|furthest| offset.saturating_add(1) >= furthest)
    }

    /// A page behind which more rows follow shows what the server gives at most.
    fn learn_cap(&mut self) {
        let furthest = self.segments.iter().map(PageSpan::stop).max().unwrap_or(0);
        let longest = self.segments.iter().map(|s| s.keys.len() as u64).max().unwrap_or(0);
        let more_follows =
            |s: &PageSpan<R::Key>| !s.keys.is_empty() && (furthest > s.stop() || s.total.is_some_and(|t| t > s.stop()));
        let page = self.settings.page_size.max(1);
        self.cap = if self.segments.iter().any(more_follows) { longest.max(1) } else { page };
        let was_asked = |s: &&PageSpan<R::Key>| s.window.limit > page;
        if self.segments.iter().any(|s| more_follows(s) && (s.keys.len() as u64) < s.window.limit) {
            self.stretches = Some(false);
        } else if self.segments.iter().filter(was_asked).any(|s| s.keys.len() as u64 > page) {
            self.stretches = Some(true);
        }
    }

    /// The newest version of a row is kept.
    fn keep(&mut self, row: R) {
        match self.places.entry(row.key()) {
            Entry::Occupied(place) => self.rows[*place.get()] = row,
            Entry::Vacant(place) => {
                place.insert(self.rows.len());
                self.rows.push(row);
            }
        }
    }

    /// A later page that is the first page again: the server ignores the offset.
    pub fn repeats_itself(&self) -> bool {
        self.repeated().is_some()
    }

    /// Two answers to different offsets that are one and the same, and begin with the first row of the list. A page of
    /// one row needs a third: where a row was added before it, it stands at the next offset with good reason.
    fn repeated(&self) -> Option<&PageSpan<R::Key>> {
        let first = self.segments.iter().find(|s| s.window.offset == 0 && !s.keys.is_empty())?;
        let restarts = |s: &&PageSpan<R::Key>| s.window.offset > 0 && s.keys.first() == first.keys.first();
        let mut again: Vec<&PageSpan<R::Key>> = self.segments.iter().filter(restarts).collect();
        again.sort_by_key(|s| s.seq);
        let same = |a: &PageSpan<R::Key>, b: &PageSpan<R::Key>| a.window.offset != b.window.offset && a.keys == b.keys;
        match again[..] {
            [.., before, last] if same(before, last) => Some(last),
            [only] if only.keys.len() > 1 && same(first, only) => Some(only),
            _ => None,
        }
    }

    /// What must be read next, or the verdict.
    pub(super) fn next_step(&mut self) -> WalkStep {
        if let Some(end) = self.unpaged_end() {
            return WalkStep::End(end);
        }
        let Some(first) = self.segments.iter().find(|s| s.window.offset == 0) else {
            return self.start();
        };
        if first.keys.is_empty() {
            return WalkStep::End(Self::empty_end(first.total));
        }
        if let Some(onward) = self.onward() {
            return match self.refused.take() {
                None => WalkStep::Read(onward),
                Some(why) => self.repair(onward, why),
            };
        }
        if self.is_in_order_of_keys() { self.prove_by_key() } else { self.prove_by_position() }
    }

    /// The first window; again where the first page was not taken.
    fn start(&mut self) -> WalkStep {
        let windows = vec![self.window(0)];
        match self.refused.take() {
            None => WalkStep::Read(windows),
            Some(why) => self.repair(windows, why),
        }
    }

    fn empty_end(total: Option<u64>) -> End {
        match total {
            None | Some(0) => End::Proven("the list is empty: its first page holds no row".to_owned()),
            Some(total) => End::Unproven(format!("the source tells a total of {total} but gave no row")),
        }
    }

    /// Lists that are not paged at all: the second answer is the first again.
    fn unpaged_end(&self) -> Option<End> {
        let again = self.repeated()?;
        let rows = again.keys.len() as u64;
        // As many rows as were asked for: the offset is ignored, the limit is not, and a total may be that of the page.
        let cut = rows == self.settings.page_size || rows == again.window.limit;
        if again.total == Some(rows) && !cut {
            return Some(End::Proven(format!("total {rows} reached; the source does not page this list")));
        }
        // F22: a round number without a total may be a cap of the server's own.
        let round = super::is_round_size(rows);
        let whole = again.total.is_none() && !cut && !round;
        Some(if whole {
            End::Proven(format!("the source does not page this list: two readings gave the same {rows} rows"))
        } else {
            End::Unproven(format!(
                "the source ignores the offset: the page at offset {} is the first page again ({rows} rows); there may be more",
                again.window.offset
            ))
        })
    }

    /// The first window asks for a page, in case that the server takes no more; the second tries the stretch.
    fn window(&self, offset: u64) -> Window {
        let page = self.settings.page_size.max(1);
        let stretch = if offset > 0 && self.stretches != Some(false) { STRETCH } else { 0 };
        Window { offset, limit: page + stretch }
    }

    /// As many rows as were asked for, or as the server gives at most.
    fn is_full(&self, segment: &PageSpan<R::Key>) -> bool {
        segment.keys.len() as u64 >= self.cap.min(segment.window.limit)
    }

    /// Distance between neighbouring windows: one row less than they show, so that they overlap.
    fn stride(&self) -> u64 {
        // Before the stretch was tried, no more than the first page can be counted on.
        (self.cap.min(self.window(1).limit) - 1).max(1)
    }

    /// Windows that go on towards the end, as long as it was not seen. A window that was answered is never asked again here.
    fn onward(&self) -> Option<Vec<Window>> {
        if self.has_end() {
            return None;
        }
        let answered: HashSet<u64> = self.segments.iter().map(|s| s.window.offset).collect();
        let offsets: Vec<u64> = self.offsets_onward()?.into_iter().filter(|o| !answered.contains(o)).collect();
        (!offsets.is_empty()).then(|| offsets.into_iter().map(|o| self.window(o)).collect())
    }

    fn offsets_onward(&self) -> Option<Vec<u64>> {
        let furthest = self.segments.iter().filter(|s| !s.keys.is_empty()).max_by_key(|s| (s.stop(), s.seq))?;
        let (stop, stride) = (furthest.stop(), self.stride());
        if let Some(total) = self.trusted_total() {
            let apart = usize::try_from(stride).unwrap_or(usize::MAX);
            let is_empty_beyond = |s: &PageSpan<R::Key>| s.keys.is_empty() && s.window.offset >= stop;
            if stop < total && self.segments.iter().any(is_empty_beyond) {
                // The total promises what the list does not hold.
                return None;
            }
            // A window at `offset` shows up to `offset + cap - 1`. Once the total is reached, but not by an answer
            // that proves it, the look goes behind the last row.
            let at_once = if self.stretches.is_none() { 1 } else { MOST_WINDOWS };
            return Some(if stop < total {
                (stop - 1..total - 1).step_by(apart).take(at_once).collect()
            } else {
                vec![stop]
            });
        }
        if !self.is_full(furthest) || furthest.keys.len() as u64 > furthest.window.limit {
            return Some(vec![stop]);
        }
        let alone = self.stretches.is_none() || self.segments.iter().any(|s| s.keys.is_empty());
        let ahead = if alone { 1 } else { self.settings.concurrency.max(1) as u64 };
        Some((0..ahead).map(|n| stop - 1 + n * stride).collect())
    }

    /// The newest total, unless some answer showed more rows than its own total.
    fn trusted_total(&self) -> Option<u64> {
        let lies = |s: &PageSpan<R::Key>| !s.keys.is_empty() && s.total.is_some_and(|t| t < s.stop());
        if self.segments.iter().any(lies) {
            return None;
        }
        self.segments.iter().max_by_key(|s| s.seq).and_then(|s| s.total)
    }

    /// Segments behind which, as some answer says, nothing follows.
    fn tails(&self) -> impl Iterator<Item = &PageSpan<R::Key>> {
        let trusted = self.trusted_total().is_some();
        let empties: Vec<u64> = self.segments.iter().filter(|s| s.keys.is_empty()).map(|s| s.window.offset).collect();
        self.segments.iter().filter(move |s| {
            let full = self.is_full(s);
            let followed_by_empty = empties.contains(&s.stop());
            // A full page may have more behind it, whatever an empty page shows later: rows may have moved in between.
            let ends =
                if trusted { s.reaches_total() && (!full || followed_by_empty) } else { !full && followed_by_empty };
            !s.keys.is_empty() && ends
        })
    }

    fn has_end(&self) -> bool {
        self.tails().next().is_some()
    }

    fn is_ascending(&self) -> bool {
        self.segments.iter().all(|s| ascends(&s.keys))
    }

    /// Counts a repair; gives up after `max_passes`.
    fn repair(&mut self, windows: Vec<Window>, why: String) -> WalkStep {
        if self.passes > u64::from(self.settings.max_passes) {
            return WalkStep::End(End::Unproven(format!("{why}; still so after {} passes", self.settings.max_passes)));
        }
        self.passes += 1;
        WalkStep::Repair { windows, why }
    }

    /// Words the proof. A total below the rows that came is the one after rows were removed, or none at all.
    fn proof(&self, total: Option<u64>, distinct: u64) -> String {
        let pages = self.segments.len();
        let end = match total.filter(|_| self.trusted_total().is_some()) {
            Some(total) if total < distinct => {
                format!("{distinct} rows, the last of a list of {total}: others were removed while it was read")
            }
            Some(total) => format!("total {total} reached"),
            None => format!("{distinct} rows, then an empty page"),
        };
        let overlap = if pages > 1 { "; consecutive pages overlap as expected" } else { "" };
        format!("{end} over {pages} page{}{overlap}", if pages == 1 { "" } else { "s" })
    }

    /// The result. Rows that were removed while the list was read are left out where that was seen.
    pub(super) fn into_walked<E>(mut self, end: Result<End, E>) -> WalkResult<R, E> {
        if self.passes > 1 && matches!(end, Ok(End::Proven(_))) {
            let ascending = self.is_in_order_of_keys();
            let alive: HashSet<R::Key> = if ascending {
                self.alive().into_iter().collect()
            } else {
                self.pass_keys().into_iter().cloned().collect()
            };
            self.rows.retain(|row| alive.contains(&row.key()));
        }
        let proven_by = self.tails().max_by_key(|s| s.seq).and_then(|s| s.total);
        // A source whose totals are below its own rows reports no total.
        let trusted = self.segments.is_empty()
            || self.segments.iter().all(|s| s.keys.is_empty())
            || self.trusted_total().is_some();
        WalkResult {
            expected: proven_by.or(self.last_total).filter(|_| trusted),
            rows: self.rows,
            received: self.received,
            pages: self.pages,
            passes: self.passes,
            end,
        }
    }
}
