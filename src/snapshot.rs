//! The folder of snapshots: publication, reading, verification and retention.
//!
//! A store is a folder of snapshots. A snapshot is a folder that has a run id as its name and contains `manifest.json`;
//! readers see no other folder. `run` publishes through [`LockedStore`], which alone can change or remove anything. The
//! offline commands read through [`Store`], [`load::Archive`], [`verify()`] and [`walk()`].
//!
//! Nothing here knows a rule, a source or an exit code. Only this module and the spool rename files.
//!
//! ```text
//! Store::lock -> LockedStore::stage -> Staging: write, add, pages_log -> seal -> Sealed -> publish
//! Store::kept -> retention::plan -> LockedStore::prune: entry in the ledger -> hidden by one rename -> removed
//! ```

use crate::model::Instant;
use crate::regular_file;
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::ops::Deref;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

pub mod chain;
mod error;
mod file;
mod hold;
mod index;
pub mod inputs;
pub mod ledger;
pub mod load;
mod locate;
pub mod manifest;
mod pages;
mod place;
mod read;
pub mod readme;
pub mod retention;
mod run_id;
mod staging;
mod survey;
#[cfg(test)]
mod tests;
mod verify;
mod walk;

pub use error::SnapshotError;
pub use file::HashingFile;
pub use hold::Hold;
pub use locate::{removed, snapshot_folder};
pub use pages::PagesLog;
pub use place::{Readers, clean_temporary_files, is_store, replace_file, restore_file, test_write_access};
pub use read::Published;
pub use run_id::{is_run_id, run_id, started_at};
pub use staging::{Sealed, Staging, TableChoice};
pub use survey::Survey;
pub use verify::{BaseLink, Verified, VerifyProblem, verify};
pub use walk::{ChainProblem, ChainStep, FolderWalk, SnapshotState, walk};

const MANIFEST: &str = "manifest.json";
/// Name of the link to the newest published snapshot.
const LATEST: &str = "latest";
/// Name of the link to the newest snapshot in which every configured source was proven complete.
const LATEST_COMPLETE: &str = "latest-complete";
/// Prefix of a snapshot that is being written. A killed run may leave one.
const STAGING: &str = ".staging-";
/// Prefix of a snapshot that is being removed.
const REMOVING: &str = ".removing-";
/// Prefix of both links before they are renamed to their final names.
const LINK_STAGED: &str = ".latest-";
const LOCK: &str = ".lock";

/// Folder of snapshots, for reading.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
}

impl Store {
    /// Creates a handle for a folder, which need not exist.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Returns the folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Takes the locks `<state_dir>/lock` and `<dir>/.lock`. Missing folders are created with mode 0700.
    ///
    /// Two locks are needed, because two configurations may share either folder. The operating system releases them
    /// when the process ends, even after a kill. Errors: [`SnapshotError::Busy`] while another run holds one of them.
    pub fn lock(&self, state_dir: &Path) -> Result<LockedStore, SnapshotError> {
        let locks = [lock_in(state_dir, "lock")?, lock_in(&self.dir, LOCK)?];
        Ok(LockedStore { store: self.clone(), _locks: locks })
    }
}

/// Store that no other run can change meanwhile. It dereferences to [`Store`].
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
    /// Removes what killed runs left, which no reader ever saw, and repairs both links. Returns the removed names.
    pub fn clean_leftovers(&self) -> Result<Vec<String>, SnapshotError> {
        let is_left_over = |name: &String| [STAGING, REMOVING, LINK_STAGED].iter().any(|p| name.starts_with(p));
        let names: Vec<String> = names_in(&self.dir)?.into_iter().filter(is_left_over).collect();
        let mut removed = Vec::new();
        for name in names {
            let path = self.dir.join(&name);
            match name.strip_prefix(REMOVING) {
                Some(run_id) if hold::of_folder(&path)?.is_some() => self.unhide(&path, run_id)?,
                _ => {
                    remove(&path)?;
                    removed.push(name);
                }
            }
        }
        self.repair_links()?;
        Ok(removed)
    }

    /// Makes a snapshot visible again that was about to be removed, because somebody put a hold on it meanwhile.
    fn unhide(&self, hidden: &Path, run_id: &str) -> Result<(), SnapshotError> {
        let path = self.dir.join(run_id);
        fs::rename(hidden, &path).map_err(SnapshotError::io("restore", &path))?;
        sync_folder(&self.dir)
    }

    /// Points `latest` and `latest-complete` to the newest snapshots, in case a run was killed before it could.
    ///
    /// Such a run leaves links to older snapshots. A link whose target is missing or cannot be read has another cause.
    /// It stays unchanged, so that [`Store::survey`] and `verify --chain` report it.
    fn repair_links(&self) -> Result<(), SnapshotError> {
        let index = self.index()?;
        let (latest, latest_complete) = self.newest()?;
        for (link, newest) in [(LATEST, latest), (LATEST_COMPLETE, latest_complete)] {
            let target = self.linked(link)?;
            let is_behind = target.as_deref().is_none_or(|target| index.is_readable(target));
            match newest {
                Some(newest) if is_behind && target.as_ref() != Some(&newest.run_id) => {
                    staging::place_link(&self.dir, link, &newest.run_id)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Adapts a run id so that it sorts after those of all snapshots and of these runs, even if two runs start in the
    /// same second.
    pub fn settle_run_id(&self, run_id: String, others: &BTreeSet<String>) -> Result<String, SnapshotError> {
        let snapshots = self.snapshots()?;
        Ok(run_id::after(run_id, snapshots.iter().chain(others).map(String::as_str)))
    }

    /// Starts a snapshot in a hidden folder.
    pub fn stage(&self, run_id: &str) -> Result<Staging, SnapshotError> {
        must_be_run_id(run_id)?;
        Staging::create(&self.dir, run_id)
    }

    /// Removes the snapshots of a plan. Returns the plan as it was carried out: a snapshot with a new hold is kept.
    ///
    /// Each removal is first written to the ledger. Then one rename hides the snapshot, so no reader sees a part of it.
    /// After a kill, [`LockedStore::clean_leftovers`] completes the removal.
    pub fn prune(
        &self,
        mut plan: retention::RetentionPlan,
        by: &str,
        now: Instant,
    ) -> Result<retention::RetentionPlan, SnapshotError> {
        if plan.remove.is_empty() {
            return Ok(plan);
        }
        // The plan keeps the snapshots that the links should point to. After a kill they may still point to older ones,
        // whose removal would fail.
        self.repair_links()?;
        let mut ledger = ledger::LedgerWriter::open(&self.dir)?;
        let removals = std::mem::take(&mut plan.remove);
        let mut done = plan;
        for (run_id, why) in removals {
            let entry = |header, sha256| ledger::PrunedEntry::of(&run_id, header, sha256, &why, by, now);
            match self.remove_snapshot(&run_id, &mut ledger, entry)? {
                Some(hold) => done.keep.push((run_id, retention::KeepReason::Held(hold))),
                None => done.remove.push((run_id, why)),
            }
        }
        Ok(done)
    }

    /// Removes one snapshot. If it has a hold, the snapshot is kept and the hold is returned.
    fn remove_snapshot(
        &self,
        run_id: &str,
        ledger: &mut ledger::LedgerWriter,
        entry: impl FnOnce(manifest::ManifestHeader, String) -> ledger::PrunedEntry,
    ) -> Result<Option<Hold>, SnapshotError> {
        must_be_run_id(run_id)?;
        let path = self.dir.join(run_id);
        for link in [LATEST, LATEST_COMPLETE] {
            if self.linked(link)?.as_deref() == Some(run_id) {
                return Err(SnapshotError::IsLinked { path, link });
            }
        }
        if let Some(hold) = hold::of_folder(&path)? {
            return Ok(Some(hold));
        }
        // Without a ledger entry the chain would look tampered with, so an unreadable manifest stops the removal.
        let (header, sha256) = read::read_header(&path)?;
        ledger.append(&entry(header, sha256))?;
        let hidden = self.dir.join(format!("{REMOVING}{run_id}"));
        fs::rename(&path, &hidden).map_err(SnapshotError::io("remove", &path))?;
        sync_folder(&self.dir)?;
        // A hold may have been added between the first check and the rename. Nobody can add one to the hidden folder.
        if let Some(hold) = hold::of_folder(&hidden)? {
            self.unhide(&hidden, run_id)?;
            return Ok(Some(hold));
        }
        remove(&hidden)?;
        Ok(None)
    }
}

fn must_be_run_id(name: &str) -> Result<(), SnapshotError> {
    if is_run_id(name) { Ok(()) } else { Err(SnapshotError::NotARunId { name: name.to_owned() }) }
}

/// Creates a folder with mode 0700. If `may_exist`, also creates its parents and accepts an existing folder.
fn create_folder(path: &Path, may_exist: bool) -> Result<(), SnapshotError> {
    let created = DirBuilder::new().recursive(may_exist).mode(0o700).create(path);
    created.map_err(SnapshotError::io("create the folder", path))
}

/// Flushes a folder to the disk. Without this, new names in it may be lost in a crash of the machine (fsync(2),
/// "Notes").
fn sync_folder(path: &Path) -> Result<(), SnapshotError> {
    let synced = File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(SnapshotError::io("flush to the disk", path))
}

/// Removes a folder with its contents, or a link.
fn remove(path: &Path) -> Result<(), SnapshotError> {
    // A link is removed itself; following it would remove the snapshot that it points to.
    let is_folder = fs::symlink_metadata(path).is_ok_and(|there| there.is_dir());
    let removed = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.map_err(SnapshotError::io("remove", path))
}

/// Returns the sorted names in a folder; none if the folder does not exist. Names that are not UTF-8 are skipped,
/// because this program writes none. Errors: also a link to a folder that does not exist, such as a disk that is not
/// mounted.
fn names_in(dir: &Path) -> Result<Vec<String>, SnapshotError> {
    let entries = match fs::read_dir(dir) {
        Err(_) if survey::is_absent(dir) => return Ok(Vec::new()),
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

/// Creates a folder and takes the lock in it.
///
/// `check` removes the empty folders that it made, perhaps between these two steps. So an absent folder is made again.
fn lock_in(folder: &Path, name: &str) -> Result<File, SnapshotError> {
    const ATTEMPTS: usize = 10;
    let attempt = || create_folder(folder, true).and_then(|()| take_lock(&folder.join(name)));
    let is_absent = |result: &Result<File, SnapshotError>| matches!(result, Err(SnapshotError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound);
    (1..ATTEMPTS).map(|_| attempt()).find(|result| !is_absent(result)).unwrap_or_else(attempt)
}

fn take_lock(path: &Path) -> Result<File, SnapshotError> {
    // Not truncated: until the lock is taken, the file contains the process id of the run that holds it.
    let mut file = regular_file::open_or_create(path).map_err(SnapshotError::io("open the lock", path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            // The file was written when the lock was taken.
            let since = file.metadata().and_then(|found| found.modified()).ok().map(Instant::from);
            return Err(SnapshotError::Busy { lock: path.to_owned(), pid: read_pid(&mut file), since });
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
