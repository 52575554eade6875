//! The file of a batch: written once, checked as a whole before anything of it is sent.
//!
//! Line 1 is the head, each further line is a frame, and the last line is the foot. The foot has the number of frames and
//! the SHA-256 of every byte before it, so a changed bit is found even where the line stays valid JSON. A line has a limit,
//! so that no file can fill the memory.

use super::cursor::Cursor;
use super::{SpoolError, io_error};
use crate::digest::hex;
use crate::regular_file;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Version of the file format, in the head of each batch.
const FORMAT: u32 = 1;
/// Largest line in octets, with its line feed. A frame has at most 8,000 octets, and JSON makes at most 6 of one.
const MAX_LINE: u64 = 64 << 10;

/// First line of a batch.
#[derive(Serialize, Deserialize)]
pub(super) struct Head {
    format: u32,
    run_id: String,
    destination: String,
    /// Folder of the snapshots. Recovery needs it to find out whether the run was published.
    pub(super) store: PathBuf,
}

impl Head {
    pub(super) fn new(run_id: &str, destination: &str, store: &Path) -> Self {
        let (run_id, destination, store) = (run_id.to_owned(), destination.to_owned(), store.to_owned());
        Self { format: FORMAT, run_id, destination, store }
    }

    /// Reads only the first line of a file.
    pub(super) fn read(path: &Path) -> Result<Self, SpoolError> {
        let mut lines = Lines::open(path)?;
        let first = lines.next()?.ok_or_else(|| lines.damaged("the file is empty"))?;
        Self::parse(&first).map_err(|why| lines.damaged(why))
    }

    /// Returns the address of the destination.
    pub(super) fn into_destination(self) -> String {
        self.destination
    }

    fn parse(line: &[u8]) -> Result<Self, String> {
        let head: Self = serde_json::from_slice(line).map_err(|_| "line 1 is no head of a batch".to_owned())?;
        if head.format == FORMAT {
            Ok(head)
        } else {
            Err(format!("the file has format {}, and this version reads format {FORMAT}", head.format))
        }
    }
}

/// Last line of a batch.
#[derive(Serialize, Deserialize)]
struct Foot {
    frames: u64,
    /// SHA-256 of every byte before this line, hexadecimal.
    sha256: String,
}

/// Writes a batch and flushes it to the disk.
pub(super) fn write(file: File, head: &Head, frames: impl Iterator<Item = String>) -> io::Result<()> {
    let mut out = HashingWriter { out: BufWriter::new(file), hash: Sha256::new() };
    out.line(head)?;
    let mut count = 0;
    for frame in frames {
        out.line(&frame)?;
        count += 1;
    }
    let sha256 = hex(&out.hash.clone().finalize());
    out.line(&Foot { frames: count, sha256 })?;
    out.out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

struct HashingWriter {
    out: BufWriter<File>,
    hash: Sha256,
}

impl HashingWriter {
    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        // Whatever could not be read again must not be queued. No frame of this program is that long.
        if line.len() as u64 > MAX_LINE {
            return Err(io::Error::new(ErrorKind::InvalidData, format!("an event is longer than {MAX_LINE} octets")));
        }
        self.hash.update(&line);
        self.out.write_all(&line)
    }
}

/// A queued file of frames.
#[derive(Clone, Debug)]
pub struct Batch {
    pub(super) path: PathBuf,
    /// Address of its destination.
    pub destination: String,
    /// Number of frames.
    pub frames: u64,
    /// Number of frames, from the first one, that the receiver acknowledged in earlier sessions.
    pub delivered: u64,
    /// SHA-256 in the last line.
    sha256: String,
}

impl Batch {
    /// Checks every line of a file. Errors: [`SpoolError::Damaged`], or the file cannot be read.
    pub(super) fn read(path: PathBuf) -> Result<Self, SpoolError> {
        let mut lines = Lines::open(&path)?;
        let (mut hash, mut frames) = (Sha256::new(), 0);
        let mut last = lines.next()?.ok_or_else(|| lines.damaged("the file is empty"))?;
        let head = Head::parse(&last).map_err(|why| lines.damaged(why))?;
        while let Some(line) = lines.next()? {
            // All but the first and the last line are frames.
            if lines.number > 2 {
                frame(&last).ok_or_else(|| lines.damaged(format!("line {} is no event", lines.number - 1)))?;
                frames += 1;
            }
            hash.update(&last);
            last = line;
        }
        let foot: Foot = serde_json::from_slice(&last).map_err(|_| lines.damaged("the last line is missing"))?;
        if foot.frames != frames {
            let why = format!("the last line names {} events, and the file contains {frames}", foot.frames);
            return Err(lines.damaged(why));
        }
        if foot.sha256 != hex(&hash.finalize()) {
            return Err(lines.damaged("its content does not match the SHA-256 in its last line"));
        }
        let delivered = Cursor::new(&path, &foot.sha256).read(frames)?;
        Ok(Self { path, destination: head.destination, frames, delivered, sha256: foot.sha256 })
    }

    /// Returns the number of frames that are not yet delivered.
    pub fn waiting(&self) -> u64 {
        self.frames.saturating_sub(self.delivered)
    }

    /// Returns the cursor, to record further acknowledged frames.
    pub fn cursor(&self) -> Cursor {
        Cursor::new(&self.path, &self.sha256)
    }

    /// Returns the frames that are not yet delivered one by one, as they were rendered.
    pub fn each(&self) -> Result<impl Iterator<Item = Result<String, SpoolError>> + '_, SpoolError> {
        let mut lines = Lines::open(&self.path)?;
        for _ in 0..=self.delivered {
            lines.next()?;
        }
        let read = move |_| {
            let line = lines.next()?.ok_or_else(|| lines.damaged("the file ends too early"))?;
            frame(&line).ok_or_else(|| lines.damaged(format!("line {} is no event", lines.number)))
        };
        Ok((0..self.waiting()).map(read))
    }
}

fn frame(line: &[u8]) -> Option<String> {
    serde_json::from_slice(line).ok()
}

/// The lines of a file, each with its line feed and within [`MAX_LINE`].
struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    /// Number of the line that was returned last, from 1.
    number: u64,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, SpoolError> {
        let file = regular_file::open(path).map_err(|error| match error.get_ref() {
            Some(other) => SpoolError::Damaged { path: path.to_owned(), why: format!("it {other}") },
            None => io_error("read", path)(error),
        })?;
        Ok(Self { path: path.to_owned(), file: BufReader::new(file), number: 0 })
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, SpoolError> {
        let mut line = Vec::new();
        let read = self.file.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        read.map_err(io_error("read", &self.path))?;
        if line.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        match line.ends_with(b"\n") {
            true => Ok(Some(line)),
            false if line.len() as u64 == MAX_LINE => {
                Err(self.damaged(format!("line {} is longer than {MAX_LINE} octets", self.number)))
            }
            false => Err(self.damaged(format!("line {} is cut off", self.number))),
        }
    }

    fn damaged(&self, why: impl Into<String>) -> SpoolError {
        SpoolError::Damaged { path: self.path.clone(), why: why.into() }
    }
}
