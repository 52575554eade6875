//! Throws undelivered events away on request, and remembers how many until a `run.completed` has reported them.
//!
//! The memory is a file of the state folder. It is written before the first batch is removed and names each batch, so
//! that a killed purge loses no count, and the next one counts no batch twice. A run writes its id into it before it
//! publishes. Whether that run is published later decides whether the numbers are reported, also after a kill.

use super::RunError;
use crate::config::Config;
use crate::model::Instant;
use crate::regular_file::{self, MAX_TEXT};
use crate::snapshot::{self, Readers, SnapshotError, Store};
use crate::syslog::facts;
use crate::syslog::spool::{Batch, QueuedFile, Spool, list};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Name of the memory in the state folder.
pub(super) const FILE: &str = "purged.json";

/// Batches that were thrown away and are not yet reported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Purged {
    /// Number of events by name of the batch; `None` for a damaged one.
    batches: BTreeMap<String, Option<u64>>,
    /// Id of the run whose `run.completed` reports them, if that run is published.
    reported_by: Option<String>,
}

impl Purged {
    /// Returns the numbers for `run.completed`.
    pub(super) fn total(&self) -> facts::Purged {
        facts::Purged {
            events: self.batches.values().flatten().sum(),
            damaged_batches: self.batches.values().filter(|events| events.is_none()).count() as u64,
        }
    }

    /// Notes that a run is about to report the numbers.
    pub(super) fn report(mut self, state_dir: &Path, run_id: &str) -> Result<(), SnapshotError> {
        if self.batches.is_empty() {
            return Ok(());
        }
        self.reported_by = Some(run_id.to_owned());
        self.write(state_dir)
    }

    fn write(&self, state_dir: &Path) -> Result<(), SnapshotError> {
        let path = state_dir.join(FILE);
        if !self.batches.is_empty() {
            let text = serde_json::to_string(self).unwrap_or_default();
            return snapshot::replace_file(&path, text.as_bytes(), Readers::Owner);
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(SnapshotError::io("remove", &path)(error)),
            _ => Ok(()),
        }
    }
}

/// Removes the batches of runs that started before an instant, and returns them. The caller holds the lock.
pub fn purge(spool: &Spool, config: &Config, before: Instant) -> Result<Vec<QueuedFile>, RunError> {
    let files = older(&config.state_dir, before)?;
    if files.is_empty() {
        return Ok(files);
    }
    let mut purged = settled(spool, config)?;
    for file in &files {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        purged.batches.insert(name, file.batch.as_ref().ok().map(Batch::waiting));
    }
    purged.write(&config.state_dir)?;
    for file in &files {
        spool.throw_away(file)?;
    }
    Ok(files)
}

/// Returns the files of runs that started before an instant. Files that are not named after a run are left out.
pub fn older(state_dir: &Path, before: Instant) -> Result<Vec<QueuedFile>, RunError> {
    let is_older = |file: &QueuedFile| snapshot::started_at(&file.run_id).is_some_and(|at| at < before);
    Ok(list(state_dir)?.into_iter().filter(is_older).collect())
}

/// Returns the batches that no `run.completed` has reported yet.
///
/// Forgets those that a published run has reported, and those that a killed purge left in the spool, before they are
/// delivered and look as if they had been thrown away.
pub(super) fn settled(spool: &Spool, config: &Config) -> Result<Purged, RunError> {
    let before = remembered(&config.state_dir)?;
    let mut purged = before.clone();
    let store = Store::new(&config.output.dir);
    if purged.reported_by.take().is_some_and(|run_id| store.is_published(&run_id)) {
        purged.batches.clear();
    }
    purged.batches.retain(|name, _| spool.dir().join(name).symlink_metadata().is_err());
    if purged != before {
        purged.write(&config.state_dir)?;
    }
    Ok(purged)
}

fn remembered(state_dir: &Path) -> Result<Purged, RunError> {
    let path = state_dir.join(FILE);
    match regular_file::read_text(&path, MAX_TEXT) {
        Err(missing) if missing.kind() == ErrorKind::NotFound => Ok(Purged::default()),
        Err(error) => Err(SnapshotError::io("read", &path)(error).into()),
        Ok(text) => serde_json::from_str(&text).map_err(|_| RunError::PurgeMemory(path)),
    }
}
