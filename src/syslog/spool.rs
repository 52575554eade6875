//! The at-least-once queue on disk: `<state_dir>/spool`.
//!
//! A *batch* is one file: the frames of one run for one destination, rendered once, so that every delivery of them is
//! byte-identical. Its lines are JSON: a head (`format`, `run_id`, `destination`, `store`), each frame as a text, and a foot
//! with the number of frames. The foot proves that the file is whole. A run with many events makes several batches, so that
//! a slow receiver gets on from session to session; `run.completed` is the last frame of the last one.
//!
//! A batch is *staged* under a hidden name and brought to the disk before the snapshot of its run is published, and
//! *committed* by one rename after it. So a kill leaves one of three states, and [`Spool::recover`] knows what to do:
//! staged and not published (nobody saw that run: removed), staged and published (committed now), committed (waits).
//! A batch is removed only when its delivery is proven: a kill between the two sends it again, byte by byte the same.
//! Batches go out oldest first; `run_id` sorts by time. What is damaged stays where it is and is told, never dropped. When the
//! spool has reached its limit, nothing more is staged: that run fails and says why, and no event is lost in silence.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const FORMAT: u32 = 1;
const STAGED: &str = ".staged-";
/// Frames of a batch. At a thousand a second, which every receiver does, a session takes seconds.
const BATCH: usize = 5_000;
/// Octets that may wait: months of findings of a large tenant.
const MOST_OCTETS: u64 = 1 << 30;

/// Why the spool could not be used. The text fits after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The operating system said no.
    #[error("{operation} {}: {source}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Too much waits already.
    #[error(
        "add events to the spool {}: {octets} octets wait there, and {most} are the limit; repair the receiver and run \
         `bt-rollcall emit`, or remove the files if you can do without them", path.display()
    )]
    Full {
        /// The folder.
        path: PathBuf,
        /// What waits.
        octets: u64,
        /// The limit.
        most: u64,
    },
    /// A batch that is not whole.
    #[error("read the spooled events in {}: {why}; move the file away if you can do without them", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SpoolError {
    let path = path.to_owned();
    move |source| SpoolError::Io { operation, path, source }
}

#[derive(Serialize, Deserialize)]
struct Head {
    format: u32,
    run_id: String,
    destination: String,
    /// Folder of the snapshots that the run publishes in: only there it can be seen whether it did.
    store: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Foot {
    frames: u64,
}

/// The queue. One writer: whoever holds the lock of the state folder.
#[derive(Clone, Debug)]
pub struct Spool {
    dir: PathBuf,
    store: PathBuf,
    most_octets: u64,
}

impl Spool {
    /// Opens the one of runs that publish in `store`, making the folder with mode 0700 where it is missing.
    pub fn open(state_dir: &Path, store: &Path) -> Result<Self, SpoolError> {
        let dir = state_dir.join("spool");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.map_err(io_error("create the folder", &dir))?;
        Ok(Self { dir, store: store.to_owned(), most_octets: MOST_OCTETS })
    }

    /// With another limit on what may wait.
    #[must_use]
    pub fn limited_to(self, most_octets: u64) -> Self {
        Self { most_octets, ..self }
    }

    /// Settles what killed runs left behind. Those of another store are not touched.
    pub fn recover(&self, is_published: impl Fn(&str) -> bool) -> Result<(), SpoolError> {
        for name in self.names(|name| name.starts_with(STAGED))? {
            let path = self.dir.join(&name);
            let live = name.trim_start_matches(STAGED);
            // Without a head it was never whole, and so its run published nothing.
            if head(&path).is_ok_and(|head| head.store != self.store) {
                continue;
            }
            if is_published(run_id_of(live)) {
                rename(&path, &self.dir.join(live))?;
            } else {
                fs::remove_file(&path).map_err(io_error("remove", &path))?;
            }
        }
        sync(&self.dir)
    }

    /// Begins the batches of a run. Nothing is visible before [`Staged::commit`].
    pub fn stage(&self, run_id: &str) -> Staged {
        Staged { spool: self.clone(), run_id: run_id.to_owned(), names: Vec::new(), done: false }
    }

    /// Whether there is room for the events of a run. Errors: [`SpoolError::Full`].
    pub fn has_room(&self) -> Result<(), SpoolError> {
        let mut octets = 0;
        for name in self.names(|_| true)? {
            let path = self.dir.join(name);
            octets += fs::metadata(&path).map_err(io_error("look at", &path))?.len();
        }
        let most = self.most_octets;
        if octets < most { Ok(()) } else { Err(SpoolError::Full { path: self.dir.clone(), octets, most }) }
    }

    /// What waits, oldest first, and what is damaged.
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

    /// Forgets a batch whose delivery is proven.
    pub fn acknowledge(&self, batch: &Batch) -> Result<(), SpoolError> {
        fs::remove_file(&batch.path).map_err(io_error("remove", &batch.path))?;
        sync(&self.dir)
    }

    /// Names are sorted: by run, then by destination.
    fn names(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>, SpoolError> {
        let entries = fs::read_dir(&self.dir).map_err(io_error("list", &self.dir))?;
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(io_error("list", &self.dir))?.file_name();
            names.extend(name.into_string().ok().filter(|name| wanted(name)));
        }
        names.sort();
        Ok(names)
    }
}

/// Runs of which something waits in the spool of this state folder, staged or committed, whole or damaged: by the names of the
/// files. Changes nothing; where there is no spool, nothing waits.
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

/// `<run_id>.<n>.jsonl`.
fn run_id_of(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn sync(dir: &Path) -> Result<(), SpoolError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io_error("bring to the disk", dir))
}

fn rename(from: &Path, to: &Path) -> Result<(), SpoolError> {
    fs::rename(from, to).map_err(io_error("release", to))
}

/// Batches on their way; removed when this is dropped without a commit.
#[derive(Debug)]
pub struct Staged {
    spool: Spool,
    run_id: String,
    names: Vec<String>,
    done: bool,
}

impl Staged {
    /// Writes the frames for a destination, in as many batches as it takes, and brings them to the disk.
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
        let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = created.map_err(io_error("create", &path))?;
        self.names.push(name);
        let (run_id, store) = (self.run_id.clone(), self.spool.store.clone());
        let head = Head { format: FORMAT, run_id, destination: destination.to_owned(), store };
        write_batch(file, &head, frames).map_err(io_error("write", &path))
    }

    /// Releases the batches for delivery.
    pub fn commit(mut self) -> Result<(), SpoolError> {
        // Whatever fails below, they must stay: the snapshot is published, and the next run recovers them.
        self.done = true;
        for name in &self.names {
            rename(&self.spool.dir.join(format!("{STAGED}{name}")), &self.spool.dir.join(name))?;
        }
        sync(&self.spool.dir)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        for name in self.names.iter().filter(|_| !self.done) {
            // What cannot be removed now is removed by the next run.
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

/// What waits.
#[derive(Debug, Default)]
pub struct Pending {
    /// Whole batches, oldest first.
    pub batches: Vec<Batch>,
    /// Files that are not whole.
    pub damaged: Vec<SpoolError>,
}

/// One file of frames.
#[derive(Clone, Debug)]
pub struct Batch {
    path: PathBuf,
    /// The run that made it.
    pub run_id: String,
    /// Its destination's address.
    pub destination: String,
    /// How many frames.
    pub frames: u64,
}

impl Batch {
    fn read(path: PathBuf) -> Result<Self, SpoolError> {
        let damaged = |why: String| SpoolError::Damaged { path: path.clone(), why };
        let head = head(&path)?;
        let lines = lines(&path)?.skip(1);
        let (mut count, mut last) = (0u64, String::new());
        for line in lines {
            last = line.map_err(|e| damaged(e.to_string()))?;
            count += 1;
        }
        let foot: Foot = serde_json::from_str(&last).map_err(|_| damaged("it has no end".to_owned()))?;
        if foot.frames + 1 != count {
            return Err(damaged(format!("it tells of {} events and holds {}", foot.frames, count.saturating_sub(1))));
        }
        Ok(Self { path, run_id: head.run_id, destination: head.destination, frames: foot.frames })
    }

    /// The frames, one by one, as they were rendered.
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
    let first = lines(path)?.next().ok_or_else(|| damaged("it is empty".to_owned()))?;
    let head: Head = first.and_then(|line| Ok(serde_json::from_str(&line)?)).map_err(|e| damaged(e.to_string()))?;
    if head.format != FORMAT {
        return Err(damaged(format!("it has format {}, and this program knows {FORMAT}", head.format)));
    }
    Ok(head)
}

fn lines(path: &Path) -> Result<impl Iterator<Item = io::Result<String>> + use<>, SpoolError> {
    let file = File::open(path).map_err(io_error("read", path))?;
    Ok(BufReader::new(file).lines())
}
