//! The retention stage: plans which snapshots are removed, and removes them. Also called by the `prune` command.
//!
//! Nothing is planned by a clock that the newest snapshot contradicts; see [`clock`].

use super::context::Run;
use super::{Origin, RunError};
use crate::config::Config;
use crate::model::Instant;
use crate::run_manifest::clock;
use crate::snapshot::retention::{self, RetentionPlan, RetentionSettings};
use crate::snapshot::{LockedStore, Store};
use crate::syslog::spool;
use chrono::Utc;

/// Removes the snapshots that retention does not keep. Returns the plan as it was carried out.
pub fn prune(store: &LockedStore, config: &Config, origin: &Origin, now: Instant) -> Result<RetentionPlan, RunError> {
    let plan = plan_retention(store, config, now)?;
    Ok(store.prune(plan, &origin.operator, now)?)
}

/// Returns a warning for everything in the folder that cannot be read. Errors: there are snapshots, and none can be read.
pub fn unreadable(store: &Store) -> Result<Vec<String>, RunError> {
    let mut survey = store.survey()?;
    let (count, warnings) = (survey.count(), survey.warnings());
    match survey.unreadable.pop() {
        Some((_, error)) if survey.readable.is_empty() => {
            Err(RunError::NoBaseline { dir: store.dir().to_owned(), count, error })
        }
        _ => Ok(warnings),
    }
}

/// Returns which snapshots retention keeps and removes. Changes nothing.
///
/// Errors: also where `now` may be wrong.
pub fn plan_retention(store: &Store, config: &Config, now: Instant) -> Result<RetentionPlan, RunError> {
    let (latest, latest_complete) = store.newest()?;
    let doubts =
        latest.as_ref().map(|newest| clock::doubts_of_folder((&newest.manifest).into(), now)).unwrap_or_default();
    if !doubts.is_empty() {
        return Err(RunError::ClockDoubt(doubts));
    }
    let terms = RetentionSettings {
        now,
        keep_days: config.output.keep_days,
        keep_runs: config.output.keep_runs,
        latest: latest.as_ref().map(|published| published.run_id.as_str()),
        latest_complete: latest_complete.as_ref().map(|published| published.run_id.as_str()),
        waiting: &spool::waiting_runs(&config.state_dir)?,
    };
    Ok(retention::plan(&store.kept()?, &terms))
}

/// Returns the warning that events nobody takes keep old snapshots on the disk; `None` if they keep none.
pub fn retention_warning(plan: &RetentionPlan, config: &Config) -> Option<String> {
    let count = plan.kept_for_events;
    let noun = if count == 1 { "snapshot" } else { "snapshots" };
    (count > 0).then(|| {
        format!(
            "{count} {noun} beyond keep_days and keep_runs cannot be pruned, because events of their runs are queued in {}; repair \
             the receiver and run `bt-rollcall emit`. Move files out of that folder if nobody needs their events: their names \
             begin with the run id",
            config.state_dir.join("spool").display()
        )
    })
}

impl Run<'_> {
    /// Applies retention after a publication and returns the run ids that were removed.
    pub(super) fn prune(&self, store: &LockedStore) -> Vec<String> {
        match prune(store, self.request.config, &self.origin, Utc::now()) {
            Ok(plan) => {
                if let Some(warning) = retention_warning(&plan, self.request.config) {
                    self.warn(warning);
                }
                plan.remove.into_iter().map(|(run_id, _)| run_id).collect()
            }
            // The manifest and the summary have the warning already.
            Err(RunError::ClockDoubt(_)) => Vec::new(),
            // The snapshot is published already: a failed removal is a note, not a failed run.
            Err(error) => {
                self.warn(format!("failed to prune old snapshots: {error}"));
                Vec::new()
            }
        }
    }
}
