//! The first stage: takes the lock, settles the run id and cleans up after runs that were killed.

use super::RunError;
use super::context::Run;
use super::metrics::attempt_file;
use super::purge::FILE as PURGED;
use crate::event::RunEvent;
use crate::snapshot::{self, LockedStore, Store};
use crate::syslog::spool::{self, Spool};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

impl Run<'_> {
    /// Takes the lock and opens the spool. Errors: another run holds the lock, or the disk refuses.
    pub(super) fn start(&mut self) -> Result<(LockedStore, Spool), RunError> {
        let config = self.request.config;
        let store = Store::new(&config.output.dir).lock(&config.state_dir)?;
        // Only under the lock is it certain that no other run takes the same id.
        // A run that published nothing may have left events, and has no snapshot.
        let waiting = spool::waiting_runs(&config.state_dir)?;
        self.run_id = store.settle_run_id(std::mem::take(&mut self.run_id), &waiting)?;
        self.observer.notify(&RunEvent::RunStarted { run_id: &self.run_id });
        for left_over in store.clean_leftovers()? {
            self.warn(format!("{left_over}: left behind by a run that was killed; removed"));
        }
        for left_over in self.clean_temporary_files() {
            self.add_note(format!("{}: left behind by a process that was killed; removed", left_over.display()));
        }
        let spool = Spool::open(&config.state_dir, &config.output.dir)?.with_limit(config.spool.max_octets);
        // Before anything is queued: a killed run may have published without releasing its events.
        spool.recover(|run_id| store.is_published(run_id))?;
        Ok((store, spool))
    }

    /// Removes the temporary files that killed processes left in the folders of a run.
    fn clean_temporary_files(&self) -> Vec<PathBuf> {
        let config = self.request.config;
        let metrics: Vec<PathBuf> =
            config.metrics_file.iter().flat_map(|path| [path.clone(), attempt_file(path)]).collect();
        let names: Vec<&OsStr> = metrics.iter().filter_map(|path| path.file_name()).collect();
        let names: Vec<&OsStr> = names.into_iter().chain([OsStr::new(PURGED)]).collect();
        let folder = config.metrics_file.as_deref().and_then(Path::parent);
        let folders =
            [Some(config.state_dir.as_path()), Some(config.output.dir.as_path()), folder].into_iter().flatten();
        folders.flat_map(|folder| snapshot::clean_temporary_files(folder, &names)).collect()
    }
}
