//! Files of a staging folder: made with mode 0600, counted and hashed while they are written, so that none is read
//! again. Knows no format.

use super::error::SnapshotError;
use super::manifest::FileEntry;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A file that is being written.
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

    /// Where it is, for error messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ends the file. Without this the folder cannot be sealed. `rows` are those of a table, lines of a log.
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

/// A new file with mode 0600; it must not be there yet.
pub(super) fn create_new(path: &Path) -> Result<File, SnapshotError> {
    let options = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    options.map_err(SnapshotError::io("create", path))
}

/// A finished file, still open so that it can be brought to the disk when the folder is sealed.
#[derive(Debug)]
pub(super) struct WrittenFile {
    pub(super) entry: FileEntry,
    pub(super) file: File,
}

/// Every file of a staging folder, by name; `None` while it is being written.
#[derive(Debug, Default)]
pub(super) struct Register(Mutex<BTreeMap<String, Option<WrittenFile>>>);

impl Register {
    /// A thread that panicked half-way leaves an unfinished file at worst, which cannot be sealed.
    pub(super) fn files(&self) -> MutexGuard<'_, BTreeMap<String, Option<WrittenFile>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The SHA-256 of these bytes as manifests write it: lower-case hexadecimal.
pub fn sha256_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(*b)]).collect()
}
