//! The one formula for ages: `age_days = floor((as_of − basis) / 86,400 s)`.
//!
//! Built-in rules and the variables of custom rules use it.

use crate::model::Instant;

/// Returns the whole days of 86,400 s from the basis to `as_of`; 0 if the basis is in the future.
pub(super) fn age_days(as_of: Instant, basis: Instant) -> u32 {
    let seconds = (as_of - basis).num_seconds().max(0);
    u32::try_from(seconds / 86_400).unwrap_or(u32::MAX)
}
