//! Warnings that follow from other facts of a manifest. `run` writes them, `reperform` expects them. Pure.

use crate::model::{Instant, Inventory, instant_text, is_evaluated_apart};

/// Clock difference in seconds above which a warning is added. Ages are in whole days, and a synchronised clock is far
/// below it.
const MAX_SKEW_SECONDS: u64 = 300;

/// Returns the warning for a run that evaluates another instant than the one at which it read the data.
pub fn of_instants(as_of: Instant, started_at: Instant) -> Option<String> {
    let (first, read) = (instant_text(as_of), instant_text(started_at));
    is_evaluated_apart(as_of, started_at)
        .then(|| format!("evaluated as of {first}, data read at {read}; ages are computed from the first"))
}

/// Returns a warning for each source whose clock differs by more than 300 seconds, because ages are then wrong.
pub fn of_clocks(inventory: &Inventory) -> Vec<String> {
    let sources = inventory.sources.iter().map(|source_inventory| &source_inventory.reading);
    sources
        .filter_map(|reading| {
            let skew = reading.clock_skew_seconds.filter(|skew| skew.unsigned_abs() > MAX_SKEW_SECONDS)?;
            let direction = if skew > 0 { "ahead of" } else { "behind" };
            let (name, seconds) = (&reading.source.name, skew.unsigned_abs());
            Some(format!(
                "the clock of source {name} is {seconds} s {direction} the clock of this host; ages may be wrong by the same amount"
            ))
        })
        .collect()
}
