//! The ledger of removed snapshots: `pruned.jsonl` in the folder of snapshots, with one JSON object per line.
//!
//! With it, a snapshot that retention removed differs from one that somebody else removed, so the chain can be
//! verified.
//!
//! An entry is flushed to the disk before its snapshot is removed. A kill between the two leaves an entry for an
//! existing snapshot; readers then ignore the entry. A crash during a write may leave an incomplete last line. Its
//! snapshot still exists, so readers skip the line, and the next entry overwrites it.

use super::error::SnapshotError;
use super::manifest::{BaseReference, ManifestHeader};
use super::retention::RemovalReason;
use super::{is_run_id, sync_folder};
use crate::model::{Completeness, Instant, instant_text};
use crate::regular_file;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

pub(super) const LEDGER: &str = "pruned.jsonl";
/// Maximum length of a line in bytes. An entry has about 500 bytes; a longer line is not read into memory.
const MAX_LINE: u64 = 64 * 1_024;

/// Entry for one removed snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrunedEntry {
    /// Run id of the snapshot.
    pub run_id: String,
    /// SHA-256 of its manifest in lower-case hexadecimal.
    pub manifest_sha256: String,
    /// Baseline that its manifest named, so that the chain continues across removed snapshots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseReference>,
    /// Whether every source was proven complete.
    pub completeness: Completeness,
    /// Instant from which the run computed ages.
    pub as_of: String,
    /// Time of the removal (RFC 3339, UTC).
    pub removed_at: String,
    /// Reason of the removal.
    pub reason: String,
    /// Operating-system user that removed it.
    pub by: String,
}

impl PrunedEntry {
    /// Creates the entry of a snapshot that is about to be removed.
    pub(super) fn of(
        run_id: &str,
        header: ManifestHeader,
        manifest_sha256: String,
        why: &RemovalReason,
        by: &str,
        now: Instant,
    ) -> Self {
        Self {
            run_id: run_id.to_owned(),
            manifest_sha256,
            base: header.base,
            completeness: header.completeness,
            as_of: header.as_of,
            removed_at: instant_text(now),
            reason: why.to_string(),
            by: by.to_owned(),
        }
    }

    fn parse(line: &[u8]) -> Result<Self, String> {
        let entry: Self = serde_json::from_slice(line).map_err(|e| e.to_string())?;
        let mut runs = std::iter::once(&entry.run_id).chain(entry.base.iter().map(|base| &base.run_id));
        match runs.find(|run_id| !is_run_id(run_id)) {
            Some(other) => Err(format!("{other:?} is not a run id")),
            // `verify` prints this text, so it must be nothing else than an instant.
            None if entry.removed_at.parse::<Instant>().is_err() => {
                Err(format!("removed_at: {:?} is not an instant", entry.removed_at))
            }
            None => Ok(entry),
        }
    }
}

/// Line that is not an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Number of the line, starting with 1.
    pub number: u64,
    /// Reason as a text.
    pub why: String,
}

/// Ledger as read from its file.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Entries in the order of the file.
    pub entries: Vec<PrunedEntry>,
    /// Lines that could not be parsed.
    pub bad: Vec<BadLine>,
    /// Bytes up to the end of the last valid line. An incomplete line may follow.
    whole: u64,
    /// Whether the last valid line lacks its line break.
    lacks_newline: bool,
}

impl Ledger {
    /// Reads the ledger of a folder of snapshots; it is empty if there is no file.
    pub(super) fn read(dir: &Path) -> Result<Self, SnapshotError> {
        let path = dir.join(LEDGER);
        match regular_file::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            opened => opened.and_then(|file| Self::of(BufReader::new(file))).map_err(SnapshotError::io("read", &path)),
        }
    }

    /// Returns the last entry of a run. A run that was killed while it removed the snapshot may have left an earlier
    /// one.
    pub(super) fn entry(&self, run_id: &str) -> Option<&PrunedEntry> {
        self.entries.iter().rev().find(|entry| entry.run_id == run_id)
    }

    fn of(mut file: impl BufRead) -> io::Result<Self> {
        let mut ledger = Self::default();
        let mut line = Vec::new();
        for number in 1.. {
            let bytes = next_line(&mut file, &mut line)?;
            if bytes == 0 {
                break;
            }
            let ended = line.ends_with(b"\n");
            let fits = bytes <= MAX_LINE;
            let parsed =
                if fits { PrunedEntry::parse(&line) } else { Err(format!("it is longer than {MAX_LINE} bytes")) };
            match parsed {
                Ok(entry) => ledger.entries.push(entry),
                // A crash cut this line off, so its snapshot was not removed.
                Err(_) if !ended => break,
                Err(why) => ledger.bad.push(BadLine { number, why }),
            }
            ledger.whole += bytes;
            ledger.lacks_newline = !ended;
        }
        Ok(ledger)
    }
}

/// Reads one line and returns its length in bytes. If the line is too long, `line` contains only its end.
fn next_line(file: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    let mut bytes = 0;
    loop {
        line.clear();
        let read = file.by_ref().take(MAX_LINE).read_until(b'\n', line)? as u64;
        bytes += read;
        if read < MAX_LINE || line.ends_with(b"\n") {
            return Ok(bytes);
        }
    }
}

/// Ledger that is open for new entries.
#[derive(Debug)]
pub(super) struct LedgerWriter {
    file: File,
    path: PathBuf,
}

impl LedgerWriter {
    /// Opens the ledger of a folder and removes an incomplete last line. A new file gets mode 0600.
    pub(super) fn open(dir: &Path) -> Result<Self, SnapshotError> {
        let path = dir.join(LEDGER);
        let mut file = regular_file::open_or_create(&path).map_err(SnapshotError::io("open", &path))?;
        let ledger = Ledger::of(BufReader::new(&file)).map_err(SnapshotError::io("read", &path))?;
        let repaired = file.set_len(ledger.whole).and_then(|()| file.seek(SeekFrom::End(0))).and_then(|_| {
            let missing: &[u8] = if ledger.lacks_newline { b"\n" } else { b"" };
            file.write_all(missing)
        });
        repaired.map_err(SnapshotError::io("repair", &path))?;
        sync_folder(dir)?;
        Ok(Self { file, path })
    }

    /// Appends an entry and flushes it to the disk.
    pub(super) fn append(&mut self, entry: &PrunedEntry) -> Result<(), SnapshotError> {
        let written = serde_json::to_vec(entry).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            self.file.write_all(&line).and_then(|()| self.file.sync_all())
        });
        written.map_err(SnapshotError::io("write", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn entry(run_id: &str) -> PrunedEntry {
        PrunedEntry {
            run_id: run_id.to_owned(),
            manifest_sha256: "a".repeat(64),
            base: None,
            completeness: Completeness::Complete,
            as_of: "2026-11-23T02:00:00Z".to_owned(),
            removed_at: "2027-12-31T02:00:00Z".to_owned(),
            reason: "403 days old".to_owned(),
            by: "o".to_owned(),
        }
    }

    const FIRST: &str = "20261122T020000Z-0001";
    const SECOND: &str = "20261123T020000Z-0002";

    fn append(dir: &Path, run_id: &str) {
        LedgerWriter::open(dir).unwrap().append(&entry(run_id)).unwrap();
    }

    fn runs(dir: &Path) -> Vec<String> {
        let ledger = Ledger::read(dir).unwrap();
        assert_eq!(ledger.bad, []);
        ledger.entries.into_iter().map(|entry| entry.run_id).collect()
    }

    #[test]
    fn entries_are_read_in_their_order_from_a_private_file() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(runs(dir.path()), [""; 0]);
        append(dir.path(), FIRST);
        append(dir.path(), SECOND);
        assert_eq!(runs(dir.path()), [FIRST, SECOND]);
        assert_eq!(fs::metadata(dir.path().join(LEDGER)).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_line_that_a_crash_cut_off_is_skipped_and_overwritten_by_the_next_entry() {
        let dir = tempfile::tempdir().unwrap();
        append(dir.path(), FIRST);
        let path = dir.path().join(LEDGER);
        let whole = fs::read(&path).unwrap();
        for torn in 1..whole.len() {
            fs::write(&path, [&whole[..], &whole[..torn]].concat()).unwrap();
            // A complete entry counts even without its line break.
            let read = if torn == whole.len() - 1 { vec![FIRST, FIRST] } else { vec![FIRST] };
            assert_eq!(runs(dir.path()), read, "{torn}");
            append(dir.path(), SECOND);
            assert_eq!(runs(dir.path()), [read, vec![SECOND]].concat(), "{torn}");
        }
    }

    #[test]
    fn an_invalid_line_is_reported_by_its_number_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        append(dir.path(), FIRST);
        let path = dir.path().join(LEDGER);
        let strange = serde_json::to_string(&entry("../escape")).unwrap();
        let long = "x".repeat(200_000);
        let text = format!("{}\n{strange}\n{long}\n{{\n", fs::read_to_string(&path).unwrap());
        fs::write(&path, text).unwrap();
        append(dir.path(), SECOND);
        let ledger = Ledger::read(dir.path()).unwrap();
        assert_eq!(ledger.entries, [entry(FIRST), entry(SECOND)]);
        let lines: Vec<u64> = ledger.bad.iter().map(|bad| bad.number).collect();
        assert_eq!(lines, [2, 3, 4, 5]);
        assert!(ledger.bad[1].why.contains("is not a run id") && ledger.bad[2].why.contains("longer than"));
    }

    #[test]
    fn the_last_entry_of_a_run_counts() {
        let dir = tempfile::tempdir().unwrap();
        append(dir.path(), FIRST);
        let again = PrunedEntry { manifest_sha256: "b".repeat(64), ..entry(FIRST) };
        LedgerWriter::open(dir.path()).unwrap().append(&again).unwrap();
        let ledger = Ledger::read(dir.path()).unwrap();
        assert_eq!(ledger.entry(FIRST), Some(&again));
        assert_eq!(ledger.entry(SECOND), None);
    }
}
