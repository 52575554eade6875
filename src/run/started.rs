//! The first stage: takes the lock, settles the run id and cleans up after runs that were killed.

use super::RunError;
use super::context::Run;
use crate::event::RunEvent;
use crate::snapshot::{LockedStore, Store};
use crate::syslog::spool::Spool;

impl Run<'_> {
    /// Takes the lock and opens the spool. Errors: another run holds the lock, or the disk refuses.
    pub(super) fn start(&mut self) -> Result<(LockedStore, Spool), RunError> {
        let config = self.request.config;
        let store = Store::new(&config.output.dir).lock(&config.state_dir)?;
        // Only under the lock is it certain that no other run takes the same id.
        self.run_id = store.settle_run_id(std::mem::take(&mut self.run_id))?;
        self.observer.notify(&RunEvent::RunStarted { run_id: &self.run_id });
        for left_over in store.clean_leftovers()? {
            self.warn(format!("{left_over}: left behind by a run that was killed; removed"));
        }
        let spool = Spool::open(&config.state_dir, &config.output.dir)?;
        // Before anything is queued: a killed run may have published without releasing its events.
        spool.recover(|run_id| store.is_published(run_id))?;
        Ok((store, spool))
    }
}
