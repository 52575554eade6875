//! Files that the program wrote and reads back: manifests, CSV tables and batches of the spool.

use crate::configuration::folder;
use bt_rollcall::digest::sha256_hex;
use bt_rollcall::reperform;
use bt_rollcall::run_manifest::{self, policy_entries};
use bt_rollcall::snapshot::manifest::{FileEntry, Manifest, PatternEntry};
use bt_rollcall::snapshot::verify;
use bt_rollcall::syslog::spool::Spool;
use std::fs;
use std::path::Path;

/// Run id of the folder.
const RUN: &str = "20261120T080000Z-0000";
/// Manifest of a snapshot, with the word `FILES` in place of its files.
const TEMPLATE: &str = include_str!("manifest.json");

/// Reads a manifest, verifies a snapshot that consists of it alone, and reads its policy.
pub(crate) fn manifest(data: &[u8]) -> String {
    let folder = snapshot("manifest");
    fs::write(folder.join("manifest.json"), data).expect("the manifest can be written");
    let verified = verification(&folder);
    let Ok(manifest) = serde_json::from_slice::<Manifest>(data) else { return verified };
    let policy = policy_entries::read(&manifest.policy);
    let classes = policy_entries::read_classes(&manifest.policy);
    let evaluations = policy.as_ref().ok().map(|policy| run_manifest::evaluations(&manifest, policy));
    let words: Vec<Option<String>> = manifest.patterns.iter().map(PatternEntry::warning).collect();
    format!("{verified} {:?} {:?} {:?} {}", policy.err(), classes.err(), evaluations.map(|it| it.err()), words.len())
}

/// Verifies a table of a snapshot, and compares it with another one. Two lines `===` separate the tables.
pub(crate) fn csv(data: &[u8]) -> String {
    let separator = if data.first() == Some(&b';') { b';' } else { b',' };
    let split = data.windows(5).position(|window| window == b"\n===\n");
    let (found, expected) = split.map_or((data, &data[..0]), |at| (&data[..at], &data[at + 5..]));
    let differences = reperform::fuzzing::csv(found, expected, separator);
    let outcome = differences.map_or_else(|why| why, |differences| differences.join("; "));
    let folder = snapshot("csv");
    let entry =
        FileEntry { path: "users.csv".to_owned(), sha256: sha256_hex(found), bytes: found.len() as u64, rows: Some(2) };
    let manifest = TEMPLATE.replace("FILES", &serde_json::to_string(&[entry]).expect("an entry can be written"));
    fs::write(folder.join("users.csv"), found).expect("the table can be written");
    fs::write(folder.join("manifest.json"), manifest).expect("the manifest can be written");
    format!("{outcome} {}", verification(&folder))
}

/// Recovers and reads the batches of a spool, and all their events: the input as it is, and with a last line that fits.
pub(crate) fn spool(data: &[u8]) -> String {
    let state = folder("spool");
    // What was set aside for earlier inputs would be listed again.
    fs::remove_dir_all(&state).expect("the folder can be removed");
    let spool = Spool::open(&state, Path::new("/store")).expect("the spool opens");
    let lines = data.iter().filter(|byte| **byte == b'\n').count();
    let foot = format!(r#"{{"frames":{},"sha256":"{}"}}"#, lines.saturating_sub(1), sha256_hex(data));
    let whole = [data, foot.as_bytes(), b"\n"].concat();
    let folder = state.join("spool");
    for (name, text) in [("0000", data), ("0001", &whole)] {
        fs::write(folder.join(format!(".staged-{RUN}.{name}.jsonl")), text).expect("the batch can be written");
    }
    spool.recover(|run_id| run_id == RUN).expect("the spool can be recovered");
    let pending = spool.pending().expect("the spool can be listed");
    let mut outcome: Vec<String> = pending.damaged.iter().map(ToString::to_string).collect();
    for batch in &pending.batches {
        for frame in batch.each().expect("the batch opens") {
            outcome.push(frame.map_or_else(|error| error.to_string(), |_| "frame".to_owned()));
        }
    }
    outcome.dedup();
    outcome.join("; ").replace(&state.display().to_string(), "")
}

fn snapshot(target: &str) -> std::path::PathBuf {
    let snapshot = folder(target).join(RUN);
    fs::create_dir_all(&snapshot).expect("the folder can be created");
    snapshot
}

/// Verifies and re-performs a snapshot. Returns the problems.
fn verification(folder: &Path) -> String {
    match verify(folder) {
        Ok(verified) => {
            let performed = reperform::reperform(folder, &verified);
            format!("{} checks: {}", performed.checks, performed.problems.join("; "))
        }
        Err(problems) => problems.iter().map(|problem| format!("{problem}; ")).collect(),
    }
}
