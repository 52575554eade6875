//! The retention stage: plans which snapshots are removed, and removes them. Also called by the `prune` command.

use super::context::Run;
use super::{Origin, RunError};
use crate::config::Config;
use crate::model::Instant;
use crate::snapshot::retention::{self, RetentionPlan, RetentionSettings};
use crate::snapshot::{LockedStore, Store};
use crate::syslog::spool;
use chrono::Utc;

/// Removes the snapshots that retention does not keep. Returns the plan as it was carried out.
pub fn prune(store: &LockedStore, config: &Config, origin: &Origin, now: Instant) -> Result<RetentionPlan, RunError> {
    let plan = plan_retention(store, config, now)?;
    Ok(store.prune(plan, &origin.operator, now)?)
}

/// Returns which snapshots retention keeps and removes. Changes nothing.
pub fn plan_retention(store: &Store, config: &Config, now: Instant) -> Result<RetentionPlan, RunError> {
    let (latest, latest_complete) = store.newest()?;
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

impl Run<'_> {
    /// Applies retention after a publication and returns the run ids that were removed.
    pub(super) fn prune(&self, store: &LockedStore) -> Vec<String> {
        match prune(store, self.request.config, &self.origin, Utc::now()) {
            Ok(plan) => plan.remove.into_iter().map(|(run_id, _)| run_id).collect(),
            // The snapshot is published already: a failed removal is a note, not a failed run.
            Err(error) => {
                self.warn(format!("failed to prune old snapshots: {error}"));
                Vec::new()
            }
        }
    }
}
