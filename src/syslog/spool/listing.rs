//! What the spool contains, for commands that show it or throw it away. Reading it changes nothing.

use super::batch::Head;
use super::{Batch, DAMAGED, FOLDER, QUEUED, STAGED, Spool, SpoolError, io_error, run_id_of};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A file of the spool.
#[derive(Debug)]
pub struct QueuedFile {
    /// Path of the file.
    pub path: PathBuf,
    /// Id of the run whose events it contains.
    pub run_id: String,
    /// Address of the destination; `None` if the head of a damaged file cannot be read.
    pub destination: Option<String>,
    /// Size in octets.
    pub octets: u64,
    /// The batch, or why its events cannot be sent.
    pub batch: Result<Batch, SpoolError>,
}

impl QueuedFile {
    fn read(path: PathBuf) -> Result<Self, SpoolError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let octets = fs::symlink_metadata(&path).map_err(io_error("look at", &path))?.len();
        let batch = match Batch::read(path.clone()) {
            Ok(_) if name.ends_with(DAMAGED) => Err(SpoolError::whole(path.clone())),
            batch => batch,
        };
        let destination = Head::read(&path).ok().map(Head::into_destination);
        Ok(Self { run_id: run_id_of(&name).to_owned(), destination, octets, batch, path })
    }
}

/// Returns the queued and the damaged files of this state folder, oldest run first. A missing spool is empty.
pub fn list(state_dir: &Path) -> Result<Vec<QueuedFile>, SpoolError> {
    let dir = state_dir.join(FOLDER);
    let entries = match fs::read_dir(&dir) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(io_error("list", &dir))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(io_error("list", &dir))?.file_name();
        let is_listed = |name: &String| {
            (name.ends_with(QUEUED) || name.ends_with(DAMAGED)) && !name.starts_with(STAGED) && !name.starts_with('.')
        };
        names.extend(name.into_string().ok().filter(is_listed));
    }
    names.sort();
    names.into_iter().map(|name| QueuedFile::read(dir.join(name))).collect()
}

impl Spool {
    /// Removes a file whose events nobody needs. The caller remembers that they were thrown away.
    pub fn throw_away(&self, file: &QueuedFile) -> Result<(), SpoolError> {
        self.remove(&file.path)
    }
}
