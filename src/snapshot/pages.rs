//! `pages.jsonl`: one line an HTTP request, written while the harvest runs. Knows no HTTP; nothing secret reaches it,
//! because nothing secret may be in an event.

use super::error::SnapshotError;
use super::file::HashingFile;
use crate::event::{Observer, RequestRecord, RunEvent};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The file's name.
pub(super) const PAGES: &str = "pages.jsonl";

/// The buffer is written out when it is this full.
const FLUSH_AT: usize = 64 * 1024;

/// The log of requests. Whoever tells it something is never held up by an error: the first one is kept for
/// [`PagesLog::finish`].
#[derive(Debug)]
pub struct PagesLog(Mutex<LogState>);

#[derive(Debug)]
struct LogState {
    /// `None` once it is finished.
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

    /// Adds a line.
    pub fn record(&self, request: &RequestRecord) {
        self.state().record(request);
    }

    /// Writes what is left and ends the file; gives the number of lines, or the first thing that went wrong.
    /// What is told afterwards is lost.
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

    /// A thread that panicked half-way leaves half a line at worst, and no snapshot comes of that run.
    fn state(&self) -> MutexGuard<'_, LogState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
