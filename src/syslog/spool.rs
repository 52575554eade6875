//! The at-least-once queue of events on disk: `<state_dir>/spool`.
//!
//! A *batch* is one file: frames of one run for one destination. Frames are rendered once, so every delivery sends the
//! same bytes. A run with many events writes several batches, so that a slow receiver makes progress from session to
//! session. [`Batch`] is such a file, and `spool/batch.rs` describes its lines.
//!
//! A batch is *staged* under a hidden name and synced before the snapshot is published. It is *committed* by a rename
//! after the publication. A killed run therefore leaves one of three states, and [`Spool::recover`] settles each:
//! - staged, not published: no reader saw the run; the batch is removed
//! - staged and published: the batch is committed
//! - committed: the batch is queued
//!
//! A batch is removed only when its delivery is proven. After a kill between the two it is sent again with the same
//! bytes. Where a receiver acknowledges single frames, a [`Cursor`] records how many, and only the rest is sent. Oldest
//! batches are sent first, because run ids sort by time. A damaged file is *set aside*: renamed to `*.damaged` and
//! reported by every run. Nothing of it is sent, and the batches after it are. When the spool has reached its size limit,
//! a run publishes nothing and names the reason, so no event is lost silently. Only an operator removes undelivered
//! events. `spool/dead.rs` keeps those that their receiver can never accept.

mod batch;
mod cursor;
mod dead;
mod listing;
mod moved;

pub use batch::Batch;
pub use cursor::Cursor;
pub use listing::{QueuedFile, list};

use batch::Head;
use cursor::CURSOR;
use dead::DEAD;
use moved::MOVED;
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Name of the folder in the state folder.
const FOLDER: &str = "spool";
/// Prefix of staged files. The leading dot hides them from [`Spool::pending`].
const STAGED: &str = ".staged-";
/// Ending of queued files.
const QUEUED: &str = ".jsonl";
/// Ending of damaged files, after their own name.
const DAMAGED: &str = ".damaged";
/// Largest number of frames in a batch. Receivers take at least 1,000 frames a second, so a session takes 20 seconds. Each
/// session also waits for signs of refusal, so small batches would make delivery slow.
const BATCH: usize = 20_000;

/// Why the spool could not be used. The text follows "failed to".
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The operating system refused an operation.
    #[error("{operation} {}: {source}{}", path.display(), cure(source))]
    Io {
        /// Operation that was tried, a verb.
        operation: &'static str,
        /// File or folder of the operation.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The spool has reached its size limit.
    #[error(
        "add events to the spool {}: {octets} octets are queued, and the limit is {limit}; repair the receiver and run \
         `bt-rollcall emit`, or throw away events that are not needed with \
         `bt-rollcall spool purge`, or raise spool.max_mb", path.display()
    )]
    Full {
        /// Folder of the spool.
        path: PathBuf,
        /// Size of the queued files in octets.
        octets: u64,
        /// Size limit in octets.
        limit: u64,
    },
    /// A batch is damaged.
    #[error(
        "read the queued events in {}: {why}; its events are not sent. Restore the file from a copy under its name without \
         {DAMAGED}, or take its events from the snapshot {}, and move the damaged file out of the spool", path.display(),
        path.file_name().and_then(|name| name.to_str()).map_or("of its run", run_id_of)
    )]
    Damaged {
        /// File of the batch.
        path: PathBuf,
        /// Description of the damage.
        why: String,
    },
}

/// Returns what to do about an error of the operating system, as the rest of a sentence; empty where nothing is known.
fn cure(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "; make the user that runs bt-rollcall the owner of it",
        _ => "",
    }
}

impl SpoolError {
    /// Returns the error of a file that was set aside and is not damaged any more.
    fn whole(path: PathBuf) -> Self {
        Self::Damaged { path, why: format!("the file is whole again; rename it, so that it ends with {QUEUED}") }
    }
}

fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SpoolError + use<> {
    let path = path.to_owned();
    move |source| SpoolError::Io { operation, path, source }
}

/// The queue. Only the process that holds the lock of the state folder may change it.
#[derive(Clone, Debug)]
pub struct Spool {
    dir: PathBuf,
    store: PathBuf,
    max_octets: u64,
}

impl Spool {
    /// Opens the spool of runs that publish in `store`, without a limit. Creates the folder with mode 0700 if it is missing.
    pub fn open(state_dir: &Path, store: &Path) -> Result<Self, SpoolError> {
        let dir = state_dir.join(FOLDER);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.map_err(io_error("create the folder", &dir))?;
        Ok(Self { dir, store: store.to_owned(), max_octets: u64::MAX })
    }

    /// Returns this spool with the size in octets at which [`Spool::check_room`] refuses further events.
    #[must_use]
    pub fn with_limit(self, max_octets: u64) -> Self {
        Self { max_octets, ..self }
    }

    /// Commits or removes the batches that killed runs left staged. Batches of another store stay. Removes cursors
    /// whose batch is gone, and what a killed [`Spool::move_to`] left.
    pub fn recover(&self, is_published: impl Fn(&str) -> bool) -> Result<(), SpoolError> {
        for name in self.names(|name| name.starts_with(STAGED))? {
            let path = self.dir.join(&name);
            let committed = name.trim_start_matches(STAGED);
            match Head::read(&path) {
                Ok(head) if head.store != self.store => {}
                _ if is_published(run_id_of(committed)) => rename(&path, &self.dir.join(committed))?,
                // A file that cannot be read may be that of another store.
                Err(error @ SpoolError::Io { .. }) => return Err(error),
                // A file without a head was never complete, and its run cannot have published.
                Ok(_) | Err(_) => fs::remove_file(&path).map_err(io_error("remove", &path))?,
            }
        }
        for name in self.names(|name| name.starts_with(MOVED))? {
            let path = self.dir.join(name);
            fs::remove_file(&path).map_err(io_error("remove", &path))?;
        }
        self.remove_orphaned_cursors()?;
        sync(&self.dir)
    }

    /// Removes the cursors whose batch was delivered or moved away. That of a damaged batch stays, because the batch may
    /// be restored.
    fn remove_orphaned_cursors(&self) -> Result<(), SpoolError> {
        let names = self.names(|_| true)?;
        for name in names.iter().filter(|name| name.ends_with(CURSOR)) {
            let batch = name.trim_end_matches(CURSOR);
            let belongs = |other: &String| other == batch || (other.starts_with(batch) && other.ends_with(DAMAGED));
            if !names.iter().any(belongs) {
                let path = self.dir.join(name);
                fs::remove_file(&path).map_err(io_error("remove", &path))?;
            }
        }
        Ok(())
    }

    /// Starts the batches of a run. They are not queued before [`Staged::commit`].
    pub fn stage(&self, run_id: &str) -> Staged {
        Staged { spool: self.clone(), run_id: run_id.to_owned(), names: Vec::new(), is_committed: false }
    }

    /// Returns the folder of the queued files.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns [`SpoolError::Full`] if the spool has reached its size limit.
    pub fn check_room(&self) -> Result<(), SpoolError> {
        let SpoolSize { octets, limit } = self.size()?;
        if octets < limit { Ok(()) } else { Err(SpoolError::Full { path: self.dir.clone(), octets, limit }) }
    }

    /// Returns the size of all files, damaged ones included.
    pub fn size(&self) -> Result<SpoolSize, SpoolError> {
        let mut octets = 0;
        for name in self.names(|_| true)? {
            let path = self.dir.join(name);
            octets += fs::symlink_metadata(&path).map_err(io_error("look at", &path))?.len();
        }
        Ok(SpoolSize { octets, limit: self.max_octets })
    }

    /// Returns the queued batches, oldest first, and the files that cannot be sent. Damaged files are set aside.
    pub fn pending(&self) -> Result<Pending, SpoolError> {
        let mut pending = Pending::default();
        for name in self.names(|name| !name.starts_with('.') && name.ends_with(QUEUED))? {
            match Batch::read(self.dir.join(name)) {
                Ok(batch) => pending.batches.push(batch),
                Err(error) => match self.set_aside(error) {
                    // Listed below, with those of earlier runs.
                    SpoolError::Damaged { .. } => {}
                    unreadable => pending.damaged.push(unreadable),
                },
            }
        }
        // Read again, because every run reports the reason until somebody moved the file away.
        for name in self.names(|name| name.ends_with(DAMAGED))? {
            let path = self.dir.join(name);
            pending.damaged.push(Batch::read(path.clone()).map_or_else(|error| error, |_| SpoolError::whole(path)));
        }
        Ok(pending)
    }

    /// Renames the file of an error to `*.damaged`, so that no run sends a part of it. Returns the error with the new path.
    ///
    /// A file that only cannot be read, for example one of another user, stays.
    pub fn set_aside(&self, error: SpoolError) -> SpoolError {
        let SpoolError::Damaged { path, why } = error else { return error };
        let named = |ending: &str| {
            let mut name = path.clone().into_os_string();
            name.push(ending);
            PathBuf::from(name)
        };
        // An earlier damaged file of this name is evidence, too.
        let to = Some(named(DAMAGED)).filter(|to| to.symlink_metadata().is_err());
        let to = to.unwrap_or_else(|| named(&format!(".{:08x}{DAMAGED}", fastrand::u32(..))));
        match fs::rename(&path, &to).map_err(io_error("set aside", &path)).and_then(|()| sync(&self.dir)) {
            Ok(()) => SpoolError::Damaged { path: to, why },
            Err(error) => error,
        }
    }

    /// Removes a batch whose delivery is proven.
    pub fn acknowledge(&self, batch: &Batch) -> Result<(), SpoolError> {
        self.remove(&batch.path)
    }

    /// Removes a file, and its cursor if it has one.
    fn remove(&self, path: &Path) -> Result<(), SpoolError> {
        // The sync makes sure that a power failure does not bring the batch back, which would send it twice.
        fs::remove_file(path).map_err(io_error("remove", path))?;
        sync(&self.dir)?;
        // Removed after its batch: without its cursor the batch would be sent again from the first frame.
        cursor::remove(path)
    }

    /// Returns the file names that match, sorted by run, then in the order of writing.
    fn names(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>, SpoolError> {
        let entries = fs::read_dir(&self.dir).map_err(io_error("list", &self.dir))?;
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(io_error("list", &self.dir))?.file_name();
            // Our names are ASCII. Any other file is not part of the spool, and dead letters are not queued.
            names.extend(name.into_string().ok().filter(|name| name != DEAD && wanted(name)));
        }
        names.sort();
        Ok(names)
    }
}

/// Returns the ids of runs that have a file in the spool of this state folder: staged or committed, whole or damaged.
///
/// Retention keeps the snapshots of these runs. Reads only file names and changes nothing. A missing spool is empty.
/// A cursor alone does not count, because its batch is delivered.
pub fn waiting_runs(state_dir: &Path) -> Result<BTreeSet<String>, SpoolError> {
    let dir = state_dir.join(FOLDER);
    let entries = match fs::read_dir(&dir) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        other => other.map_err(io_error("list", &dir))?,
    };
    let mut runs = BTreeSet::new();
    for entry in entries {
        let name = entry.map_err(io_error("list", &dir))?.file_name();
        let name = name.to_str().filter(|name| *name != DEAD && !name.ends_with(CURSOR));
        runs.extend(name.map(|name| run_id_of(name.trim_start_matches(STAGED)).to_owned()));
    }
    Ok(runs)
}

/// Returns the run id of a file name of the form `<run_id>.<n>.jsonl`.
fn run_id_of(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn sync(dir: &Path) -> Result<(), SpoolError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io_error("sync", dir))
}

fn rename(from: &Path, to: &Path) -> Result<(), SpoolError> {
    fs::rename(from, to).map_err(io_error("release", to))
}

/// Staged batches of a run. They are removed when this value is dropped without a commit.
#[derive(Debug)]
pub struct Staged {
    spool: Spool,
    run_id: String,
    names: Vec<String>,
    is_committed: bool,
}

impl Staged {
    /// Writes the frames for a destination in one or more batches and syncs them to the disk.
    pub fn write(&mut self, destination: &str, frames: impl Iterator<Item = String>) -> Result<(), SpoolError> {
        let mut frames = frames.peekable();
        while frames.peek().is_some() {
            self.write_batch(destination, frames.by_ref().take(BATCH))?;
        }
        sync(&self.spool.dir)
    }

    fn write_batch(&mut self, destination: &str, frames: impl Iterator<Item = String>) -> Result<(), SpoolError> {
        let name = format!("{}.{:04}{QUEUED}", self.run_id, self.names.len());
        let path = self.spool.dir.join(format!("{STAGED}{name}"));
        // 0600, because events contain names of accounts. An existing file would belong to another batch of this run.
        let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = created.map_err(io_error("create", &path))?;
        self.names.push(name);
        let head = Head::new(&self.run_id, destination, &self.spool.store);
        batch::write(file, &head, frames).map_err(io_error("write", &path))
    }

    /// Releases the batches for delivery.
    pub fn commit(mut self) -> Result<(), SpoolError> {
        // Set before the first rename: the snapshot is published, so the files must stay even if a rename fails. The
        // next run recovers them.
        self.is_committed = true;
        for name in &self.names {
            rename(&self.spool.dir.join(format!("{STAGED}{name}")), &self.spool.dir.join(name))?;
        }
        sync(&self.spool.dir)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        for name in self.names.iter().filter(|_| !self.is_committed) {
            // The error is ignored: the next run removes the file.
            let _ = fs::remove_file(self.spool.dir.join(format!("{STAGED}{name}")));
        }
    }
}

/// The content of the spool.
#[derive(Debug, Default)]
pub struct Pending {
    /// Whole batches, oldest first.
    pub batches: Vec<Batch>,
    /// The error of each file that cannot be sent.
    pub damaged: Vec<SpoolError>,
}

/// Size of the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolSize {
    /// Size of all files in octets.
    pub octets: u64,
    /// Limit in octets. A run that reaches it fails.
    pub limit: u64,
}

impl SpoolSize {
    /// Returns how full the spool is, in percent, rounded down.
    pub fn percent(self) -> u64 {
        self.octets.saturating_mul(100) / self.limit.max(1)
    }
}
