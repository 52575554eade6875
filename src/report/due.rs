//! The last day to act on a finding.

use crate::model::{Finding, Instant};
use chrono::{NaiveDate, TimeDelta};

/// The last day to act. It follows from the day on which the finding was first found, so that it never moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    pub(super) day: NaiveDate,
    /// Whether the day is over.
    pub(super) is_past: bool,
}

impl Due {
    /// Returns the last day to act on a finding; `None` if its severity needs no action.
    pub(super) fn of(finding: &Finding, as_of: Instant) -> Option<Self> {
        let days = finding.severity.days_to_act()?;
        let day = (finding.first_seen + TimeDelta::days(days.into())).date_naive();
        Some(Self { day, is_past: day < as_of.date_naive() })
    }
}
