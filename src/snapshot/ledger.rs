//! What retention removed: `pruned.jsonl` in the folder of snapshots, one JSON object a line. An entry is brought to the disk
//! before its snapshot goes, so that a link of the chain that leads to a removed snapshot can be told from a broken one. A kill
//! between the two leaves an entry for a snapshot that is still there; what is there counts.
//!
//! A crash while an entry is written may tear the last line: its snapshot is still there, so readers pass over it and the next
//! entry takes its place.

use super::error::SnapshotError;
use super::manifest::{BaseReference, ManifestHeader};
use super::retention::RemovalReason;
use super::{is_run_id, sync_folder};
use crate::model::{Completeness, Instant, instant_text};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub(super) const LEDGER: &str = "pruned.jsonl";
/// Octets of a line. An entry has some five hundred; a longer line is none of ours and is not taken into memory.
const LONGEST: u64 = 64 * 1_024;

/// One removed snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrunedEntry {
    /// Its run.
    pub run_id: String,
    /// SHA-256 of its manifest, lower-case hex.
    pub manifest_sha256: String,
    /// The base that its manifest named: over removed snapshots the chain goes on here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseReference>,
    /// Whether everything was proven complete.
    pub completeness: Completeness,
    /// The instant of its ages.
    pub as_of: String,
    /// When it was removed.
    pub removed_at: String,
    /// Why.
    pub reason: String,
    /// Operating-system user that removed it.
    pub by: String,
}

impl PrunedEntry {
    /// Of a snapshot that is about to go.
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
            None if entry.removed_at.parse::<Instant>().is_err() => {
                Err(format!("removed_at: {:?} is not an instant", entry.removed_at))
            }
            None => Ok(entry),
        }
    }
}

/// A line that is no entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub number: u64,
    /// In words.
    pub why: String,
}

/// The file as read.
#[derive(Debug, Default)]
pub struct Ledger {
    /// In the order of the file.
    pub entries: Vec<PrunedEntry>,
    /// What could not be understood.
    pub bad: Vec<BadLine>,
    /// Octets up to the end of the last line that counts: what is behind them was torn.
    whole: u64,
    /// The last line that counts has no end.
    unended: bool,
}

impl Ledger {
    /// Reads the one of this folder of snapshots; empty where there is none.
    pub(super) fn read(dir: &Path) -> Result<Self, SnapshotError> {
        let path = dir.join(LEDGER);
        match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            opened => opened.and_then(|file| Self::of(BufReader::new(file))).map_err(SnapshotError::io("read", &path)),
        }
    }

    /// The last entry of a run: a kill may have left an earlier one.
    pub(super) fn entry(&self, run_id: &str) -> Option<&PrunedEntry> {
        self.entries.iter().rev().find(|entry| entry.run_id == run_id)
    }

    fn of(mut file: impl BufRead) -> io::Result<Self> {
        let mut ledger = Self::default();
        let mut line = Vec::new();
        for number in 1.. {
            let octets = next_line(&mut file, &mut line)?;
            if octets == 0 {
                break;
            }
            let ended = line.ends_with(b"\n");
            let fits = octets <= LONGEST;
            let parsed =
                if fits { PrunedEntry::parse(&line) } else { Err(format!("it is longer than {LONGEST} octets")) };
            match parsed {
                Ok(entry) => ledger.entries.push(entry),
                // Torn by a crash: what it was to tell did not happen.
                Err(_) if !ended => break,
                Err(why) => ledger.bad.push(BadLine { number, why }),
            }
            ledger.whole += octets;
            ledger.unended = !ended;
        }
        Ok(ledger)
    }
}

/// Reads one line, and gives its octets; of one that is too long only the end is left in `line`.
fn next_line(file: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    let mut octets = 0;
    loop {
        line.clear();
        let read = file.by_ref().take(LONGEST).read_until(b'\n', line)? as u64;
        octets += read;
        if read < LONGEST || line.ends_with(b"\n") {
            return Ok(octets);
        }
    }
}

/// The file, open for more entries; its last line is whole.
#[derive(Debug)]
pub(super) struct LedgerWriter {
    file: File,
    path: PathBuf,
}

impl LedgerWriter {
    /// Opens it with mode 0600, making it where there is none, and repairs what a crash tore.
    pub(super) fn open(dir: &Path) -> Result<Self, SnapshotError> {
        let path = dir.join(LEDGER);
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = options.map_err(SnapshotError::io("open", &path))?;
        let ledger = Ledger::of(BufReader::new(&file)).map_err(SnapshotError::io("read", &path))?;
        let repaired = file.set_len(ledger.whole).and_then(|()| file.seek(SeekFrom::End(0))).and_then(|_| {
            let missing: &[u8] = if ledger.unended { b"\n" } else { b"" };
            file.write_all(missing)
        });
        repaired.map_err(SnapshotError::io("repair", &path))?;
        sync_folder(dir)?;
        Ok(Self { file, path })
    }

    /// Adds an entry and brings it to the disk.
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
    fn entries_come_back_in_their_order_from_a_private_file() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(runs(dir.path()), [""; 0]);
        append(dir.path(), FIRST);
        append(dir.path(), SECOND);
        assert_eq!(runs(dir.path()), [FIRST, SECOND]);
        assert_eq!(fs::metadata(dir.path().join(LEDGER)).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_line_that_a_crash_tore_anywhere_is_passed_over_and_replaced_by_the_next() {
        let dir = tempfile::tempdir().unwrap();
        append(dir.path(), FIRST);
        let path = dir.path().join(LEDGER);
        let whole = fs::read(&path).unwrap();
        for torn in 1..whole.len() {
            fs::write(&path, [&whole[..], &whole[..torn]].concat()).unwrap();
            // The whole text of an entry counts, its end or not.
            let read = if torn == whole.len() - 1 { vec![FIRST, FIRST] } else { vec![FIRST] };
            assert_eq!(runs(dir.path()), read, "{torn}");
            append(dir.path(), SECOND);
            assert_eq!(runs(dir.path()), [read, vec![SECOND]].concat(), "{torn}");
        }
    }

    #[test]
    fn a_line_that_is_no_entry_is_named_by_its_number_and_stays() {
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
