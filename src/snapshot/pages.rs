//! The request log `pages.jsonl`: one line per HTTP request, written while the sources are read.
//!
//! It receives the requests as events of the run, which never contain a secret. Nothing here knows HTTP.

use super::error::SnapshotError;
use super::file::HashingFile;
use crate::event::{Observer, RequestRecord, RunEvent};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

/// Name of the file.
pub(super) const PAGES: &str = "pages.jsonl";

/// Size of the buffer in bytes at which it is written to the file.
const FLUSH_AT: usize = 64 * 1024;

/// Log of HTTP requests. Recording never fails; the first error is kept for [`PagesLog::finish`].
#[derive(Debug)]
pub struct PagesLog(Mutex<LogState>);

#[derive(Debug)]
struct LogState {
    /// File of the log; `None` after it was finished.
    file: Option<HashingFile>,
    path: PathBuf,
    buffer: Vec<u8>,
    lines: u64,
    error: Option<SnapshotError>,
}

impl PagesLog {
    pub(super) fn new(file: HashingFile) -> Self {
        let path = file.path().to_owned();
        Self(Mutex::new(LogState {
            file: Some(file),
            path,
            buffer: Vec::with_capacity(FLUSH_AT),
            lines: 0,
            error: None,
        }))
    }

    /// Appends a line. Requests after [`PagesLog::finish`] are ignored.
    pub fn record(&self, request: &RequestRecord) {
        self.state().record(request);
    }

    /// Writes the rest of the buffer and completes the file. Returns the number of lines, or the first error since the
    /// start.
    pub fn finish(&self) -> Result<u64, SnapshotError> {
        let mut state = self.state();
        state.flush();
        if let Some(error) = state.error.take() {
            return Err(error);
        }
        if let Some(file) = state.file.take() {
            file.finish(Some(state.lines));
        }
        Ok(state.lines)
    }

    /// Locks the log. A poisoned lock is an error of the log: a panic within it may have left half a line, and the run goes on
    /// without the source that panicked.
    fn state(&self) -> MutexGuard<'_, LogState> {
        self.0.lock().unwrap_or_else(|poisoned| {
            let mut state = poisoned.into_inner();
            let interrupted = io::Error::other("an internal error interrupted a line");
            let error = SnapshotError::io("write", &state.path)(interrupted);
            state.error.get_or_insert(error);
            state
        })
    }
}

impl Observer for PagesLog {
    fn notify(&self, event: &RunEvent<'_>) {
        if let RunEvent::Request(request) = event {
            self.record(request);
        }
    }
}

impl LogState {
    fn record(&mut self, request: &RequestRecord) {
        // After an error the log would have a gap, so nothing more is written, and `finish` fails.
        if self.file.is_none() || self.error.is_some() {
            return;
        }
        if let Err(error) = serde_json::to_writer(&mut self.buffer, request) {
            self.error = Some(SnapshotError::io("write", &self.path)(error.into()));
            return;
        }
        self.buffer.push(b'\n');
        self.lines += 1;
        if self.buffer.len() >= FLUSH_AT {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let Some(file) = self.file.as_mut().filter(|_| self.error.is_none()) else { return };
        if let Err(error) = file.write_all(&self.buffer) {
            self.error = Some(SnapshotError::io("write", &self.path)(error));
        }
        self.buffer.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::file::Register;
    use std::sync::Arc;

    #[test]
    fn a_log_whose_line_was_interrupted_by_a_panic_cannot_be_finished() {
        let folder = tempfile::tempdir().unwrap();
        let log = PagesLog::new(HashingFile::create(folder.path(), PAGES, &Arc::new(Register::default())).unwrap());
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _state = log.state();
            panic!("within a line");
        }));
        assert!(log.finish().unwrap_err().to_string().contains("an internal error interrupted a line"));
    }
}
