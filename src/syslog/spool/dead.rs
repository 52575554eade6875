//! Dead letters: events that their receiver can never accept. They leave the queue, and a file keeps each with the reason.
//!
//! `<state_dir>/spool/dead/<run_id>.<n>.jsonl` has the name of the batch. Each line is a JSON object. Nothing reads these
//! files again: they are for people.

use super::{Batch, Spool, SpoolError, io_error, sync};
use crate::model::instant_text;
use crate::regular_file;
use crate::syslog::http::Refusal;
use chrono::{SubsecRound, Utc};
use serde_json::{Value, json};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Name of the folder in the spool.
pub(super) const DEAD: &str = "dead";
/// Octets that are read at once in the search for the last line feed.
const PART: u64 = 4 << 10;

impl Spool {
    /// Returns the folder of the dead letters. It exists only if there are any.
    pub fn dead_letters(&self) -> PathBuf {
        self.dir.join(DEAD)
    }

    /// Appends events of a batch to its dead letters and syncs them to the disk. A caller may forget the events after that.
    pub fn bury<'e>(
        &self,
        batch: &Batch,
        events: impl Iterator<Item = (&'e str, &'e Refusal)>,
    ) -> Result<u64, SpoolError> {
        let time = instant_text(Utc::now().trunc_subsecs(3));
        let (mut text, mut count) = (String::new(), 0);
        for (event, Refusal { status, reason }) in events {
            let line = json!({
                "time": time,
                "destination": batch.destination,
                "status": status,
                "reason": reason,
                "event": as_json(event),
            });
            text.extend([line.to_string().as_str(), "\n"]);
            count += 1;
        }
        if count > 0 {
            self.append_dead(batch, &text)?;
        }
        Ok(count)
    }

    /// Returns the number of dead letters that nobody has removed.
    pub fn count_dead_letters(&self) -> Result<u64, SpoolError> {
        let dir = self.dead_letters();
        let entries = match fs::read_dir(&dir) {
            Err(missing) if missing.kind() == ErrorKind::NotFound => return Ok(0),
            other => other.map_err(io_error("list", &dir))?,
        };
        let mut count = 0;
        for entry in entries {
            let path = entry.map_err(io_error("list", &dir))?.path();
            // Whatever else people keep there is not ours.
            if path.extension().is_some_and(|ending| ending == "jsonl") {
                count += whole_lines(&path).map_err(io_error("read", &path))?;
            }
        }
        Ok(count)
    }

    fn append_dead(&self, batch: &Batch, text: &str) -> Result<(), SpoolError> {
        let dir = self.dead_letters();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.map_err(io_error("create the folder", &dir))?;
        let path = dir.join(batch.path.file_name().unwrap_or_default());
        // 0600, because events contain names of accounts.
        let opened = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path);
        let written = opened.and_then(|mut file| {
            cut_torn_line(&mut file)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(io_error("write", &path))?;
        sync(&dir)?;
        sync(&self.dir)
    }
}

/// Counts the lines that end with a line feed.
fn whole_lines(path: &Path) -> io::Result<u64> {
    let (mut file, mut line, mut count) = (BufReader::new(regular_file::open(path)?), Vec::new(), 0);
    while file.read_until(b'\n', &mut line)? > 0 {
        count += u64::from(line.ends_with(b"\n"));
        line.clear();
    }
    Ok(count)
}

/// Cuts a file back to its last line feed. A kill or a full disk leaves a part of a line, whose event is still queued.
fn cut_torn_line(file: &mut File) -> io::Result<()> {
    let length = file.metadata()?.len();
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(PART);
        let mut part = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        Read::by_ref(file).take(end - start).read_to_end(&mut part)?;
        if let Some(at) = part.iter().rposition(|octet| *octet == b'\n') {
            end = start + at as u64 + 1;
            break;
        }
        end = start;
    }
    if end < length { file.set_len(end) } else { Ok(()) }
}

/// Returns a queued event as JSON.
fn as_json(queued: &str) -> Value {
    serde_json::from_str(queued).unwrap_or_else(|_| Value::from(queued))
}
