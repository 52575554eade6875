//! Gives queued events to another destination, because their own has another address now.

use super::batch::{self, Head};
use super::{Batch, Spool, SpoolError, cursor, io_error, rename, sync};
use std::cell::RefCell;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;

/// Prefix of files that are being written. The leading dot hides them from every reader.
pub(super) const MOVED: &str = ".moved-";

impl Spool {
    /// Replaces a batch by one with the same undelivered events for another destination.
    ///
    /// The new file takes the place of the old one by a rename, so a kill at any moment loses and repeats nothing.
    pub fn move_to(&self, batch: &Batch, destination: &str) -> Result<(), SpoolError> {
        let name = batch.path.file_name().unwrap_or_default().to_string_lossy();
        let path = self.dir.join(format!("{MOVED}{name}"));
        let head = Head::new(super::run_id_of(&name), destination, &self.store);
        // A file that cannot be read on ends the frames early. Its error decides, and not that of the shorter file.
        let failed = RefCell::new(None);
        let frames = batch.each()?.map_while(|frame| frame.map_err(|error| failed.replace(Some(error))).ok());
        let created = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let written = created.and_then(|file| batch::write(file, &head, frames)).map_err(io_error("write", &path));
        let written = failed.into_inner().map_or(written, Err);
        if let Err(error) = written.and_then(|()| rename(&path, &batch.path)).and_then(|()| sync(&self.dir)) {
            // The error is ignored: `recover` removes the file, too.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        // It belongs to the old file, and so counts as 0 already.
        cursor::remove(&batch.path)
    }
}
