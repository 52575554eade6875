//! Reports events that have been queued for longer than `spool.max_days`. Pure. They are never dropped.

use crate::model::Instant;
use crate::snapshot;
use std::collections::BTreeSet;

/// How long the events of the spool have been queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overdue {
    /// Number of runs whose events have been queued for more than `max_days`.
    pub(super) runs: u64,
    /// Days since the oldest run with queued events started; `None` if none is queued.
    pub(super) oldest_days: Option<u64>,
    max_days: u32,
}

impl Overdue {
    /// Counts the runs whose events are queued.
    pub(super) fn of(waiting: &BTreeSet<String>, max_days: u32, now: Instant) -> Self {
        let days = |run_id: &String| u64::try_from((now - snapshot::started_at(run_id)?).num_days()).ok();
        let ages: Vec<u64> = waiting.iter().filter_map(days).collect();
        let runs = ages.iter().filter(|days| **days > u64::from(max_days)).count() as u64;
        Self { runs, oldest_days: ages.into_iter().max(), max_days }
    }

    /// Returns a warning; `None` if no event is overdue.
    pub(super) fn warning(self) -> Option<String> {
        let oldest = self.oldest_days.filter(|_| self.runs > 0)?;
        let of = if self.runs == 1 { "1 run".to_owned() } else { format!("{} runs", self.runs) };
        Some(format!(
            "events of {of} have been queued for more than {} days (spool.max_days), the oldest for {oldest} days; repair \
             the receiver and run `bt-rollcall emit`, or throw them away with `bt-rollcall spool purge`",
            self.max_days
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_overdue_after_max_days_and_not_on_that_day() {
        let now = "2026-11-23T02:00:00Z".parse().unwrap();
        let of = |runs: &[&str]| Overdue::of(&runs.iter().map(|run| (*run).to_owned()).collect(), 30, now);
        let none = of(&[]);
        assert_eq!((none.runs, none.oldest_days, none.warning()), (0, None, None));
        let young = of(&["20261024T020000Z-0001", "not a run"]);
        assert_eq!((young.runs, young.oldest_days, young.warning()), (0, Some(30), None));
        let old = of(&["20261023T020000Z-0001", "20261122T020000Z-0001"]);
        assert_eq!((old.runs, old.oldest_days), (1, Some(31)));
        assert!(old.warning().unwrap().starts_with("events of 1 run have been queued for more than 30 days"));
    }
}
