//! The volume of one source: the rows of all its lists and the memory of its answers, against `max_rows`.
//!
//! The client adds every decoded answer. A source that exceeds its limits gets no further request, so it fails alone.
//! A request that is sent again replaces its earlier answer: a list that is read twice counts once.

use super::measure::{BodyLimits, BodySize, Excess, MAX_TEXT};
use super::{ClientSettings, WireErrorKind};
use ahash::{AHashMap, RandomState};
use std::cell::{Cell, RefCell};

/// How many times the requested rows a page may hold. Some servers ignore the requested number and send their whole list.
const PAGES_IN_ONE: u64 = 1000;
/// Rows that any page may hold.
const LEAST_ROWS: u64 = 100_000;

/// Rows and memory of the answers of one source.
pub(super) struct Volume {
    max_rows: u64,
    max_memory: u64,
    max_body_memory: u64,
    hasher: RandomState,
    /// Size of the last answer to each path, by the hash of the path.
    answers: RefCell<AHashMap<u64, BodySize>>,
    sum: Cell<BodySize>,
    /// Why the source gets no further request.
    exceeded: RefCell<Option<WireErrorKind>>,
}

impl Volume {
    pub(super) fn new(settings: &ClientSettings) -> Self {
        Self {
            max_rows: settings.max_rows,
            max_memory: settings.max_memory(),
            max_body_memory: settings.max_body_memory(),
            hasher: RandomState::new(),
            answers: RefCell::default(),
            sum: Cell::default(),
            exceeded: RefCell::new(None),
        }
    }

    /// Returns why the source gets no further request; `None` if it may.
    pub(super) fn exceeded(&self) -> Option<WireErrorKind> {
        self.exceeded.borrow().clone()
    }

    /// Returns the limits of one answer. `asked` is the requested number of rows; `None` where a list has no pages.
    pub(super) fn body_limits(&self, asked: Option<u64>) -> BodyLimits {
        let page = asked.map(|asked| asked.saturating_mul(PAGES_IN_ONE).max(LEAST_ROWS));
        BodyLimits { rows: page.unwrap_or(u64::MAX).min(self.max_rows), memory: self.max_body_memory }
    }

    /// Returns the failure of an answer that exceeds its limits.
    pub(super) fn refusal(&self, excess: Excess, asked: Option<u64>) -> WireErrorKind {
        let rows = self.body_limits(asked).rows;
        match (excess, asked) {
            (Excess::Rows, Some(asked)) if rows < self.max_rows => {
                WireErrorKind::Excess(format!("the response to a request for {asked} rows has more than {rows} rows"))
            }
            (Excess::Rows, _) => self.exceed_rows(),
            (Excess::Memory, _) if self.max_body_memory >= self.max_memory => self.exceed_memory(),
            (Excess::Memory, _) => WireErrorKind::Excess(format!(
                "the values of the response would take more than {} MB of memory",
                self.max_body_memory >> 20
            )),
            (Excess::Keys, _) => WireErrorKind::Excess("an object of the response has too many keys".to_owned()),
            (Excess::Depth, _) => WireErrorKind::Excess("the values of the response are nested too deeply".to_owned()),
            (Excess::Value, _) => WireErrorKind::Excess(format!(
                "a single value of the response is too long: a text has at most {MAX_TEXT} bytes, a number 4096 digits"
            )),
        }
    }

    /// Adds the answer to a request. Errors: the source exceeds its limits.
    pub(super) fn add(&self, path: &str, answer: BodySize) -> Result<(), WireErrorKind> {
        let before = self.answers.borrow_mut().insert(self.hasher.hash_one(path), answer).unwrap_or_default();
        let sum = self.sum.get();
        let sum = BodySize {
            rows: (sum.rows + answer.rows).saturating_sub(before.rows),
            memory: (sum.memory + answer.memory).saturating_sub(before.memory),
        };
        self.sum.set(sum);
        if sum.rows > self.max_rows {
            return Err(self.exceed_rows());
        }
        if sum.memory > self.max_memory { Err(self.exceed_memory()) } else { Ok(()) }
    }

    fn exceed_rows(&self) -> WireErrorKind {
        self.exceed(format!("its lists have more than {} rows, the value of max_rows", self.max_rows))
    }

    fn exceed_memory(&self) -> WireErrorKind {
        self.exceed(format!(
            "its answers would take more than {} MB of memory, which max_rows = {} allows",
            self.max_memory >> 20,
            self.max_rows
        ))
    }

    fn exceed(&self, why: String) -> WireErrorKind {
        self.exceeded.borrow_mut().get_or_insert(WireErrorKind::Volume(why)).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(max_rows: u64) -> Volume {
        let mut settings = ClientSettings::for_tests("https://localhost", "s");
        settings.max_rows = max_rows;
        Volume::new(&settings)
    }

    fn rows(rows: u64) -> BodySize {
        BodySize { rows, memory: rows * 10 }
    }

    #[test]
    fn rows_of_all_lists_count_together_and_a_repeated_request_counts_once() {
        let volume = volume(100);
        for _ in 0..5 {
            assert_eq!(volume.add("/users?offset=0", rows(60)), Ok(()));
        }
        assert_eq!(volume.add("/groups", rows(40)), Ok(()));
        let error = volume.add("/members", rows(1)).unwrap_err();
        assert!(error.to_string().contains("more than 100 rows, the value of max_rows"), "{error}");
        assert_eq!(volume.exceeded(), Some(error), "no further request is sent");
    }

    #[test]
    fn memory_of_all_answers_is_limited_even_where_rows_are_few() {
        let volume = volume(100);
        let huge = BodySize { rows: 1, memory: 200 << 20 };
        assert_eq!(volume.add("/users/1", huge), Ok(()));
        let error = volume.add("/users/2", huge).unwrap_err();
        assert!(error.to_string().contains("256 MB of memory, which max_rows = 100 allows"), "{error}");
    }

    #[test]
    fn a_page_may_hold_more_rows_than_asked_for_but_not_far_more() {
        let volume = volume(2_000_000);
        assert_eq!(volume.body_limits(Some(1)).rows, 100_000);
        assert_eq!(volume.body_limits(Some(1000)).rows, 1_000_000);
        assert_eq!(volume.body_limits(None).rows, 2_000_000);
        let error = volume.refusal(Excess::Rows, Some(100));
        assert_eq!(
            error.to_string(),
            "unexpected response: the response to a request for 100 rows has more than 100000 rows"
        );
        assert_eq!(volume.exceeded(), None, "another list of the source may be fine");
    }
}
