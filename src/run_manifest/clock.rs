//! Whether the clock of this host can be trusted. Pure: the one place that decides it.
//!
//! `run` asks before steps that cannot be undone: retention, the end of exceptions, the removal of old records of
//! resolved findings. `reperform` asks again. Where the clocks contradict each other, these steps wait. Nobody knows
//! which clock is wrong, so a clock that is behind counts like one that is ahead.

use crate::model::{Instant, Inventory, instant_text, is_evaluated_apart, thousands};
use crate::snapshot::manifest::{ClockDoubt, Manifest};
use crate::snapshot::started_at;
use chrono::TimeDelta;

/// Difference to the clock of a source in seconds above which irreversible steps wait: one day.
const MAX_SKEW_SECONDS: u64 = 86_400;

/// Difference to an earlier run in seconds above which that run is in the future. Time servers set a clock by less.
const MAX_STEP_SECONDS: i64 = 300;

/// What a snapshot states about the clock of its run.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotDates<'a> {
    /// Run id of the snapshot.
    pub run_id: &'a str,
    /// Wall clock at the start of the run, as the manifest writes it.
    pub started_at: &'a str,
    /// Instant that ages were computed from, as the manifest writes it.
    pub as_of: &'a str,
    /// What contradicted the clock then.
    pub clock_doubt: Option<&'a ClockDoubt>,
}

impl<'a> From<&'a Manifest> for SnapshotDates<'a> {
    fn from(manifest: &'a Manifest) -> Self {
        let Manifest { run_id, started_at, as_of, clock_doubt, .. } = manifest;
        Self { run_id, started_at, as_of, clock_doubt: clock_doubt.as_ref() }
    }
}

/// Returns why a run does not trust the clock of this host; `None` if nothing contradicts it.
///
/// `now` is the wall clock at the start of the run.
pub fn doubt(
    now: Instant,
    as_of: Instant,
    inventory: &Inventory,
    baseline: Option<SnapshotDates<'_>>,
) -> Option<ClockDoubt> {
    let readings = inventory.sources.iter().map(|source_inventory| &source_inventory.reading);
    let skews: Vec<(&str, i64)> = readings
        .filter_map(|reading| Some((reading.source.name.as_str(), reading.clock_skew_seconds?)))
        .filter(|(_, skew)| skew.unsigned_abs() > MAX_SKEW_SECONDS)
        .collect();
    let is_given = is_evaluated_apart(as_of, now);
    let mut reasons: Vec<String> = skews.iter().map(|(source, skew)| of_source(source, *skew, now)).collect();
    reasons.extend(baseline.and_then(|baseline| of_newest(&baseline, now, is_given)));
    if reasons.is_empty() {
        return None;
    }
    let exceptions_as_of = match baseline {
        Some(baseline) => {
            let before = baseline.as_of.parse().unwrap_or(as_of);
            as_of.min(ends_by(before, baseline.clock_doubt))
        }
        None if is_given => as_of,
        // Without an earlier run, the earliest of the contradicting clocks ends no exception too early.
        None => skews.iter().map(|(_, skew)| as_of + TimeDelta::seconds(*skew)).fold(as_of, Instant::min),
    };
    Some(ClockDoubt { reasons, exceptions_as_of: instant_text(exceptions_as_of) })
}

/// Returns why snapshots cannot be pruned by the clock of this host; empty if nothing contradicts it.
///
/// Without contact to the sources, the newest snapshot is all that is known.
pub fn doubts_of_folder(newest: SnapshotDates<'_>, now: Instant) -> Vec<String> {
    let then = newest.clock_doubt.into_iter().flat_map(|doubt| &doubt.reasons);
    let then = then.map(|reason| format!("in the run of the newest snapshot {}, {reason}", newest.run_id));
    then.chain(of_newest(&newest, now, false)).collect()
}

/// Returns the instant after which records of resolved findings are kept.
///
/// An instant in the future that somebody asked for drops no record, and a clock in doubt drops none.
pub fn records_since(as_of: Instant, now: Instant, doubt: Option<&ClockDoubt>, keep_days: u32) -> Instant {
    match doubt {
        Some(_) => Instant::MIN_UTC,
        None => as_of.min(now) - TimeDelta::days(keep_days.into()),
    }
}

/// Returns the instant by which exceptions end in a run as of `as_of`.
pub fn ends_by(as_of: Instant, doubt: Option<&ClockDoubt>) -> Instant {
    // `verify` reports an instant that cannot be parsed, because it differs from the one that it computes.
    doubt.and_then(|doubt| doubt.exceptions_as_of.parse().ok()).unwrap_or(as_of)
}

fn of_source(source: &str, skew: i64, now: Instant) -> String {
    // Rounded: a difference of 999.99 days is one of 1,000 days.
    let days = thousands((skew.unsigned_abs() + MAX_SKEW_SECONDS / 2) / MAX_SKEW_SECONDS);
    let noun = if days == "1" { "day" } else { "days" };
    let direction = if skew > 0 { "ahead of" } else { "behind" };
    format!("the clock of source {source} was {days} {noun} {direction} the clock of this host ({})", instant_text(now))
}

/// Returns why a snapshot contradicts the clock. `is_given`: an instant that somebody asked for is no error of a clock.
fn of_newest(newest: &SnapshotDates<'_>, now: Instant, is_given: bool) -> Option<String> {
    let of_id = started_at(newest.run_id);
    let of_text = newest.started_at.parse().ok();
    let of_ages = newest.as_of.parse().ok().filter(|_| !is_given);
    let latest: Instant = [of_id, of_text, of_ages].into_iter().flatten().max()?;
    let is_future = latest - now > TimeDelta::seconds(MAX_STEP_SECONDS);
    let (run_id, latest, now) = (newest.run_id, instant_text(latest), instant_text(now));
    is_future.then(|| format!("the newest snapshot {run_id} is of {latest}, after the clock of this host ({now})"))
}

#[cfg(test)]
mod tests;
