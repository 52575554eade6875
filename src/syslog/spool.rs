//! The at-least-once queue of events on disk: `<state_dir>/spool`.
//!
//! A *batch* is one file: frames of one run for one destination. Frames are rendered once, so every delivery sends the
//! same bytes. Each line of the file is JSON. The first line is the head (`format`, `run_id`, `destination`, `store`).
//! Each further line is a frame as a text. The last line is the foot with the number of frames; it proves that the file
//! is whole. A run with many events writes several batches, so that a slow receiver makes progress from session to
//! session.
//!
//! A batch is *staged* under a hidden name and synced before the snapshot is published. It is *committed* by a rename
//! after the publication. A killed run therefore leaves one of three states, and [`Spool::recover`] settles each:
//! - staged, not published: no reader saw the run; the batch is removed
//! - staged and published: the batch is committed
//! - committed: the batch is queued
//!
//! A batch is removed only when its delivery is proven. After a kill between the two it is sent again with the same
//! bytes. Oldest batches are sent first, because run ids sort by time. A damaged file is reported and never removed.
//! When the spool has reached its size limit, a run fails with the reason, so no event is lost silently.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Version of the file format, in the head of each batch.
const FORMAT: u32 = 1;
/// Prefix of staged files. The leading dot hides them from [`Spool::pending`].
const STAGED: &str = ".staged-";
/// Largest number of frames in a batch. Receivers take at least 1,000 frames a second, so a session takes seconds.
const BATCH: usize = 5_000;
/// Size limit of the spool in octets (1 GiB): months of findings of a large tenant.
const MAX_OCTETS: u64 = 1 << 30;

/// Why the spool could not be used. The text follows "failed to".
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The operating system refused an operation.
    #[error("{operation} {}: {source}", path.display())]
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
         `bt-rollcall emit`, or remove the files if their events are not needed", path.display()
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
    #[error("read the queued events in {}: {why}; move the file away if its events are not needed", path.display())]
    Damaged {
        /// File of the batch.
        path: PathBuf,
        /// Description of the damage.
        why: String,
    },
}

fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SpoolError {
    let path = path.to_owned();
    move |source| SpoolError::Io { operation, path, source }
}

/// First line of a batch.
#[derive(Serialize, Deserialize)]
struct Head {
    format: u32,
    run_id: String,
    destination: String,
    /// Folder of the snapshots. Recovery needs it to find out whether the run was published.
    store: PathBuf,
}

/// Last line of a batch.
#[derive(Serialize, Deserialize)]
struct Foot {
    frames: u64,
}

/// The queue. Only the process that holds the lock of the state folder may change it.
#[derive(Clone, Debug)]
pub struct Spool {
    dir: PathBuf,
    store: PathBuf,
    max_octets: u64,
}

impl Spool {
    /// Opens the spool of runs that publish in `store`. Creates the folder with mode 0700 if it is missing.
    pub fn open(state_dir: &Path, store: &Path) -> Result<Self, SpoolError> {
        let dir = state_dir.join("spool");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.map_err(io_error("create the folder", &dir))?;
        Ok(Self { dir, store: store.to_owned(), max_octets: MAX_OCTETS })
    }

    /// Returns this spool with a different size limit in octets.
    #[cfg(test)]
    pub(super) fn with_limit(self, max_octets: u64) -> Self {
        Self { max_octets, ..self }
    }

    /// Commits or removes the batches that killed runs left staged. Batches of another store stay.
    pub fn recover(&self, is_published: impl Fn(&str) -> bool) -> Result<(), SpoolError> {
        for name in self.names(|name| name.starts_with(STAGED))? {
            let path = self.dir.join(&name);
            let committed = name.trim_start_matches(STAGED);
            // A file without a head was never complete. Its run cannot have published, and the file is removed below.
            if head(&path).is_ok_and(|head| head.store != self.store) {
                continue;
            }
            if is_published(run_id_of(committed)) {
                rename(&path, &self.dir.join(committed))?;
            } else {
                fs::remove_file(&path).map_err(io_error("remove", &path))?;
            }
        }
        sync(&self.dir)
    }

    /// Starts the batches of a run. They are not queued before [`Staged::commit`].
    pub fn stage(&self, run_id: &str) -> Staged {
        Staged { spool: self.clone(), run_id: run_id.to_owned(), names: Vec::new(), is_committed: false }
    }

    /// Returns [`SpoolError::Full`] if the spool has reached its size limit.
    pub fn check_room(&self) -> Result<(), SpoolError> {
        let mut octets = 0;
        for name in self.names(|_| true)? {
            let path = self.dir.join(name);
            octets += fs::metadata(&path).map_err(io_error("look at", &path))?.len();
        }
        let limit = self.max_octets;
        if octets < limit { Ok(()) } else { Err(SpoolError::Full { path: self.dir.clone(), octets, limit }) }
    }

    /// Returns the queued batches, oldest first, and the damaged files.
    pub fn pending(&self) -> Result<Pending, SpoolError> {
        let mut pending = Pending::default();
        for name in self.names(|name| {
            !name.starts_with('.') && Path::new(name).extension().is_some_and(|ending| ending == "jsonl")
        })? {
            match Batch::read(self.dir.join(name)) {
                Ok(batch) => pending.batches.push(batch),
                Err(error) => pending.damaged.push(error),
            }
        }
        Ok(pending)
    }

    /// Removes a batch whose delivery is proven.
    pub fn acknowledge(&self, batch: &Batch) -> Result<(), SpoolError> {
        // The sync makes sure that a power failure does not bring the batch back, which would send it twice.
        fs::remove_file(&batch.path).map_err(io_error("remove", &batch.path))?;
        sync(&self.dir)
    }

    /// Returns the file names that match, sorted by run, then in the order of writing.
    fn names(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>, SpoolError> {
        let entries = fs::read_dir(&self.dir).map_err(io_error("list", &self.dir))?;
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(io_error("list", &self.dir))?.file_name();
            // Our names are ASCII. Any other file is not part of the spool.
            names.extend(name.into_string().ok().filter(|name| wanted(name)));
        }
        names.sort();
        Ok(names)
    }
}

/// Returns the ids of runs that have a file in the spool of this state folder: staged or committed, whole or damaged.
///
/// Retention keeps the snapshots of these runs. Reads only file names and changes nothing. A missing spool is empty.
pub fn waiting_runs(state_dir: &Path) -> Result<BTreeSet<String>, SpoolError> {
    let dir = state_dir.join("spool");
    let entries = match fs::read_dir(&dir) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        other => other.map_err(io_error("list", &dir))?,
    };
    let mut runs = BTreeSet::new();
    for entry in entries {
        let name = entry.map_err(io_error("list", &dir))?.file_name();
        runs.extend(name.to_str().map(|name| run_id_of(name.trim_start_matches(STAGED)).to_owned()));
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
        let name = format!("{}.{:04}.jsonl", self.run_id, self.names.len());
        let path = self.spool.dir.join(format!("{STAGED}{name}"));
        // 0600, because events contain names of accounts. An existing file would belong to another batch of this run.
        let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = created.map_err(io_error("create", &path))?;
        self.names.push(name);
        let (run_id, store) = (self.run_id.clone(), self.spool.store.clone());
        let head = Head { format: FORMAT, run_id, destination: destination.to_owned(), store };
        write_batch(file, &head, frames).map_err(io_error("write", &path))
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

fn write_batch(file: File, head: &Head, frames: impl Iterator<Item = String>) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    let mut line = |value: &[u8]| out.write_all(value).and_then(|()| out.write_all(b"\n"));
    line(&serde_json::to_vec(head)?)?;
    let mut count = 0;
    for frame in frames {
        line(&serde_json::to_vec(&frame)?)?;
        count += 1;
    }
    line(&serde_json::to_vec(&Foot { frames: count })?)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// The content of the spool.
#[derive(Debug, Default)]
pub struct Pending {
    /// Whole batches, oldest first.
    pub batches: Vec<Batch>,
    /// The error of each damaged file.
    pub damaged: Vec<SpoolError>,
}

/// A queued file of frames.
#[derive(Clone, Debug)]
pub struct Batch {
    path: PathBuf,
    /// Address of its destination.
    pub destination: String,
    /// Number of frames.
    pub frames: u64,
}

impl Batch {
    /// Reads head and foot of a file and counts its frames. Errors: the file is damaged.
    fn read(path: PathBuf) -> Result<Self, SpoolError> {
        let damaged = |why: String| SpoolError::Damaged { path: path.clone(), why };
        let head = head(&path)?;
        // Counted line by line: a batch of a large tenant need not fit into memory.
        let lines = lines(&path)?.skip(1);
        let (mut count, mut last) = (0u64, String::new());
        for line in lines {
            last = line.map_err(|e| damaged(e.to_string()))?;
            count += 1;
        }
        let foot: Foot = serde_json::from_str(&last).map_err(|_| damaged("the last line is missing".to_owned()))?;
        if foot.frames + 1 != count {
            return Err(damaged(format!(
                "the last line names {} events, and the file contains {}",
                foot.frames,
                count.saturating_sub(1)
            )));
        }
        Ok(Self { path, destination: head.destination, frames: foot.frames })
    }

    /// Returns the frames one by one, as they were rendered.
    pub fn each(&self) -> Result<impl Iterator<Item = Result<String, SpoolError>> + '_, SpoolError> {
        let frames = usize::try_from(self.frames).unwrap_or(usize::MAX);
        let read = |line: io::Result<String>| {
            let frame = line.and_then(|line| Ok(serde_json::from_str(&line)?));
            frame.map_err(|e| SpoolError::Damaged { path: self.path.clone(), why: e.to_string() })
        };
        Ok(lines(&self.path)?.skip(1).take(frames).map(read))
    }
}

fn head(path: &Path) -> Result<Head, SpoolError> {
    let damaged = |why: String| SpoolError::Damaged { path: path.to_owned(), why };
    let first = lines(path)?.next().ok_or_else(|| damaged("the file is empty".to_owned()))?;
    let head: Head = first.and_then(|line| Ok(serde_json::from_str(&line)?)).map_err(|e| damaged(e.to_string()))?;
    if head.format != FORMAT {
        return Err(damaged(format!("the file has format {}, and this version reads format {FORMAT}", head.format)));
    }
    Ok(head)
}

fn lines(path: &Path) -> Result<impl Iterator<Item = io::Result<String>> + use<>, SpoolError> {
    let file = File::open(path).map_err(io_error("read", path))?;
    Ok(BufReader::new(file).lines())
}
