//! The cursor of a batch: how many of its frames a receiver has acknowledged, in `<batch>.jsonl.cursor`.
//!
//! The file is one record of fixed width, overwritten in place and synced. The record contains a hash over the batch and
//! the number. A record that is torn, or that belongs to another batch, therefore counts as 0: all frames are sent
//! again, which is safe. Only receivers that acknowledge single frames need a cursor.

use super::{SpoolError, io_error, sync};
use crate::digest::hex;
use crate::regular_file;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Ending of cursors, after the name of their batch.
pub(super) const CURSOR: &str = ".cursor";
/// Octets of a record: 20 digits, a space, the hash in hexadecimal and a line feed.
const RECORD: u64 = 86;

/// Returns the path of the cursor of a batch.
pub(super) fn path_of(batch: &Path) -> PathBuf {
    let mut path = batch.as_os_str().to_owned();
    path.push(CURSOR);
    PathBuf::from(path)
}

/// Removes the cursor of a batch if there is one.
pub(super) fn remove(batch: &Path) -> Result<(), SpoolError> {
    let path = path_of(batch);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io_error("remove", &path)(error)),
        _ => Ok(()),
    }
}

/// The cursor of one batch. Only the process that holds the lock of the state folder may move it.
#[derive(Debug)]
pub struct Cursor {
    path: PathBuf,
    /// Name and SHA-256 of the batch.
    batch: String,
    /// Opened by the first move.
    file: Option<File>,
}

impl Cursor {
    /// Returns the cursor of the batch at `path`, whose last line has this SHA-256. Opens nothing.
    pub(super) fn new(path: &Path, sha256: &str) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self { path: path_of(path), batch: format!("{name} {sha256}"), file: None }
    }

    /// Returns how many of the `frames` of the batch are acknowledged; 0 if the record is missing, torn or of another
    /// batch. Errors: the file exists and cannot be read.
    pub(super) fn read(&self, frames: u64) -> Result<u64, SpoolError> {
        let record = match regular_file::read(&self.path, RECORD) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::FileTooLarge) => return Ok(0),
            other => other.map_err(io_error("read", &self.path))?,
        };
        let number = record.get(..20).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        Ok(number.filter(|number| *number <= frames && self.record(*number) == record).unwrap_or(0))
    }

    /// Records that the first `delivered` frames of the batch are acknowledged, and syncs the record to the disk.
    pub fn advance(&mut self, delivered: u64) -> Result<(), SpoolError> {
        let record = self.record(delivered);
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(create(&self.path)?),
        };
        file.write_all_at(&record, 0).and_then(|()| file.sync_data()).map_err(io_error("write", &self.path))
    }

    fn record(&self, delivered: u64) -> Vec<u8> {
        let hash = hex(&Sha256::digest(format!("{} {delivered}", self.batch)));
        format!("{delivered:020} {hash}\n").into_bytes()
    }
}

/// Opens or creates a cursor with mode 0600. Removes what stands after the record.
fn create(path: &Path) -> Result<File, SpoolError> {
    let file = regular_file::open_or_create(path).map_err(io_error("open", path))?;
    file.set_len(RECORD).map_err(io_error("write", path))?;
    path.parent().map_or(Ok(()), sync)?;
    Ok(file)
}
