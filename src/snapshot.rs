//! Store, staging, publication, verification. The only module that renames.
//!
//! A store is a folder of snapshots. A snapshot is a folder that is named by its run id and holds `manifest.json`;
//! everything else is invisible to readers. What could lose data is offered by [`LockedStore`] only.
//!
//! ```text
//! Store::lock -> LockedStore::stage -> Staging: write, add, pages_log -> seal -> Sealed -> publish
//! Store::kept -> retention::plan -> LockedStore::prune: entry in the ledger -> hidden by one rename -> gone
//! ```

use crate::model::Instant;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::ops::Deref;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub mod chain;
mod error;
mod file;
mod hold;
mod index;
pub mod ledger;
pub mod load;
pub mod manifest;
mod pages;
mod place;
mod read;
pub mod retention;
mod run_id;
mod staging;
#[cfg(test)]
mod tests;
mod verify;
mod walk;

pub use error::SnapshotError;
pub use file::{HashingFile, sha256_of};
pub use hold::{Hold, visible};
pub use pages::PagesLog;
pub use place::{Readers, is_store, put_back, replace_file, test_write_access};
pub use read::Published;
pub use run_id::{is_run_id, run_id, started_at};
pub use staging::{Sealed, Staging, TableChoice, TablesWritten};
pub use verify::{BaseLink, Verified, VerifyProblem, verify};
pub use walk::{ChainProblem, ChainStep, FolderWalk, SnapshotState, walk};

const MANIFEST: &str = "manifest.json";
/// Links to the newest published snapshot, and to the newest in which every configured source was proven complete.
const LATEST: &str = "latest";
const LATEST_COMPLETE: &str = "latest-complete";
/// Prefixes of what a killed run may leave behind.
const STAGING: &str = ".staging-";
const REMOVING: &str = ".removing-";
/// Of both links.
const LINK_STAGED: &str = ".latest-";
const LOCK: &str = ".lock";

/// A folder of snapshots; this handle only reads.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
}

impl Store {
    /// A store in this folder, which need not exist yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Takes the locks `<state_dir>/lock` and `<dir>/.lock`, making both folders with mode 0700 where they are missing: two
    /// configurations may share either. The operating system frees them when this process ends, however it ends.
    pub fn lock(&self, state_dir: &Path) -> Result<LockedStore, SnapshotError> {
        create_folder(state_dir, true)?;
        create_folder(&self.dir, true)?;
        let locks = [take_lock(&state_dir.join("lock"))?, take_lock(&self.dir.join(LOCK))?];
        Ok(LockedStore { store: self.clone(), _locks: locks })
    }
}

/// A store that no other run changes meanwhile. Reads like a [`Store`].
#[derive(Debug)]
pub struct LockedStore {
    store: Store,
    _locks: [File; 2],
}

impl Deref for LockedStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl LockedStore {
    /// Removes what killed runs left behind, none of which any reader ever saw; gives the names.
    pub fn clean_leftovers(&self) -> Result<Vec<String>, SnapshotError> {
        let is_left_over = |name: &String| [STAGING, REMOVING, LINK_STAGED].iter().any(|p| name.starts_with(p));
        let names: Vec<String> = names_in(&self.dir)?.into_iter().filter(is_left_over).collect();
        let mut removed = Vec::new();
        for name in names {
            let path = self.dir.join(&name);
            match name.strip_prefix(REMOVING) {
                Some(run_id) if hold::of_folder(&path)?.is_some() => self.take_back(&path, run_id)?,
                _ => {
                    remove(&path)?;
                    removed.push(name);
                }
            }
        }
        self.repair_links()?;
        Ok(removed)
    }

    /// Shows a snapshot again that was about to go: somebody put a hold on it at the last moment.
    fn take_back(&self, hidden: &Path, run_id: &str) -> Result<(), SnapshotError> {
        let path = self.dir.join(run_id);
        fs::rename(hidden, &path).map_err(SnapshotError::io("show again", &path))?;
        sync_folder(&self.dir)
    }

    /// Points `latest` and `latest-complete` where they belong: a kill may have come before the run could. Without a complete
    /// snapshot a `latest-complete` stays as it is: `verify --chain` names it.
    fn repair_links(&self) -> Result<(), SnapshotError> {
        let (latest, latest_complete) = self.newest()?;
        for (link, newest) in [(LATEST, latest), (LATEST_COMPLETE, latest_complete)] {
            match newest {
                Some(newest) if self.linked(link).as_ref() != Some(&newest.run_id) => {
                    staging::place_link(&self.dir, link, &newest.run_id)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A run's id, moved behind all that are there: names sort by time even where two runs begin in one second.
    pub fn settle_run_id(&self, run_id: String) -> Result<String, SnapshotError> {
        Ok(run_id::after(run_id, &self.snapshots()?))
    }

    /// Begins a snapshot.
    pub fn stage(&self, run_id: &str) -> Result<Staging, SnapshotError> {
        must_be_run_id(run_id)?;
        Staging::create(&self.dir, run_id)
    }

    /// Carries a plan out; gives what became of it: what somebody put a hold on meanwhile stays. Each removal is written into
    /// the ledger first. Then the snapshot is hidden by one rename: no reader sees half of it, and
    /// [`LockedStore::clean_leftovers`] finishes what a kill interrupts.
    pub fn prune(
        &self,
        plan: retention::RetentionPlan,
        by: &str,
        now: Instant,
    ) -> Result<retention::RetentionPlan, SnapshotError> {
        if plan.remove.is_empty() {
            return Ok(plan);
        }
        // The plan keeps the targets that the links should have.
        self.repair_links()?;
        let mut ledger = ledger::LedgerWriter::open(&self.dir)?;
        let mut done = retention::RetentionPlan { keep: plan.keep, remove: Vec::new() };
        for (run_id, why) in plan.remove {
            let entry = |header, sha256| ledger::PrunedEntry::of(&run_id, header, sha256, &why, by, now);
            match self.remove_snapshot(&run_id, &mut ledger, entry)? {
                Some(hold) => done.keep.push((run_id, retention::KeepReason::Held(hold))),
                None => done.remove.push((run_id, why)),
            }
        }
        Ok(done)
    }

    /// Gives the hold that is on it, where there is one: then it stays.
    fn remove_snapshot(
        &self,
        run_id: &str,
        ledger: &mut ledger::LedgerWriter,
        entry: impl FnOnce(manifest::ManifestHeader, String) -> ledger::PrunedEntry,
    ) -> Result<Option<Hold>, SnapshotError> {
        must_be_run_id(run_id)?;
        let path = self.dir.join(run_id);
        if let Some(link) =
            [LATEST, LATEST_COMPLETE].into_iter().find(|link| self.linked(link).as_deref() == Some(run_id))
        {
            return Err(SnapshotError::IsLinked { path, link });
        }
        if let Some(hold) = hold::of_folder(&path)? {
            return Ok(Some(hold));
        }
        let (header, sha256) = read::read_header(&path)?;
        ledger.append(&entry(header, sha256))?;
        let hidden = self.dir.join(format!("{REMOVING}{run_id}"));
        fs::rename(&path, &hidden).map_err(SnapshotError::io("remove", &path))?;
        sync_folder(&self.dir)?;
        // Nobody finds the folder any more: what is not in it now will not be.
        if let Some(hold) = hold::of_folder(&hidden)? {
            self.take_back(&hidden, run_id)?;
            return Ok(Some(hold));
        }
        remove(&hidden)?;
        Ok(None)
    }
}

fn must_be_run_id(name: &str) -> Result<(), SnapshotError> {
    if is_run_id(name) { Ok(()) } else { Err(SnapshotError::NotARunId { name: name.to_owned() }) }
}

/// A folder with mode 0700; with `or_there`, its parents too, and it may be there already.
fn create_folder(path: &Path, or_there: bool) -> Result<(), SnapshotError> {
    let made = DirBuilder::new().recursive(or_there).mode(0o700).create(path);
    made.map_err(SnapshotError::io("create the folder", path))
}

/// fsync of the folder itself: only then do names made in it survive a crash of the machine (fsync(2), "Notes").
fn sync_folder(path: &Path) -> Result<(), SnapshotError> {
    let synced = File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(SnapshotError::io("bring to the disk", path))
}

/// A folder with all that is in it, or a link.
fn remove(path: &Path) -> Result<(), SnapshotError> {
    let is_folder = fs::symlink_metadata(path).is_ok_and(|there| there.is_dir());
    let removed = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.map_err(SnapshotError::io("remove", path))
}

/// Names in a folder, sorted; none where the folder is missing. Names that are not UTF-8 are not ours.
fn names_in(dir: &Path) -> Result<Vec<String>, SnapshotError> {
    let entries = match fs::read_dir(dir) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(SnapshotError::io("list", dir))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(SnapshotError::io("list", dir))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

fn take_lock(path: &Path) -> Result<File, SnapshotError> {
    let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    let mut file = options.map_err(SnapshotError::io("open the lock", path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(SnapshotError::Busy { lock: path.to_owned(), pid: read_pid(&mut file) });
        }
        Err(TryLockError::Error(error)) => return Err(SnapshotError::io("take the lock", path)(error)),
    }
    let write_pid =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    write_pid.map_err(SnapshotError::io("write", path))?;
    Ok(file)
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
