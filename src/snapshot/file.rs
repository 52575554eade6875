//! Files of a staging folder: created with mode 0600, counted and hashed while they are written.
//!
//! The manifest takes size and hash from here, so no file is read again. Nothing here knows a file format.

use super::error::SnapshotError;
use super::manifest::FileEntry;
use crate::digest::hex;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// File of a snapshot that is being written.
#[derive(Debug)]
pub struct HashingFile {
    name: String,
    path: PathBuf,
    file: File,
    hash: Sha256,
    bytes: u64,
    register: Arc<Register>,
}

impl HashingFile {
    pub(super) fn create(folder: &Path, name: &str, register: &Arc<Register>) -> Result<Self, SnapshotError> {
        let path = folder.join(name);
        let file = create_new(&path)?;
        register.files().insert(name.to_owned(), None);
        Ok(Self { name: name.to_owned(), path, file, hash: Sha256::new(), bytes: 0, register: Arc::clone(register) })
    }

    /// Returns the path, for error messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Completes the file. The folder cannot be sealed before. `rows` counts the rows of a table or the lines of a log.
    pub fn finish(self, rows: Option<u64>) {
        let entry = FileEntry { path: self.name, sha256: hex(&self.hash.finalize()), bytes: self.bytes, rows };
        self.register.files().insert(entry.path.clone(), Some(WrittenFile { entry, file: self.file }));
    }
}

impl Write for HashingFile {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.file.write(buffer)?;
        self.hash.update(&buffer[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Creates a file with mode 0600. It must not exist.
pub(super) fn create_new(path: &Path) -> Result<File, SnapshotError> {
    let options = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    options.map_err(SnapshotError::io("create", path))
}

/// Completed file. It stays open, because sealing the folder flushes it to the disk.
#[derive(Debug)]
pub(super) struct WrittenFile {
    pub(super) entry: FileEntry,
    pub(super) file: File,
}

/// Files of a staging folder by name; `None` while a file is being written.
#[derive(Debug, Default)]
pub(super) struct Register(Mutex<BTreeMap<String, Option<WrittenFile>>>);

impl Register {
    /// Locks the register. A poisoned lock is accepted: a thread that panicked leaves at worst an unfinished file, and
    /// a folder with an unfinished file cannot be sealed.
    pub(super) fn files(&self) -> MutexGuard<'_, BTreeMap<String, Option<WrittenFile>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
