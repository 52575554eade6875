//! Verification of a whole folder of snapshots: each one like [`super::verify()`], then the chain between them.
//!
//! It works offline, changes nothing, and reports every problem. Only one manifest is in memory at a time, because a
//! folder may contain thousands of snapshots.

use super::chain::{self, BrokenLink, Chain, Link, LinkState};
use super::error::SnapshotError;
use super::hold::Hold;
use super::ledger::{LEDGER, Ledger};
use super::locate::unreadable;
use super::read::Published;
use super::staging::must_be_link;
use super::verify::{Checked, VerifyProblem, check};
use super::{LATEST, LATEST_COMPLETE, MANIFEST, Store, is_run_id};
use crate::digest::sha256_hex;
use crate::escape::printable;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Result of the verification of a folder.
#[derive(Clone, Debug)]
pub struct FolderWalk {
    /// Folder that was verified.
    pub dir: PathBuf,
    /// Snapshots from the newest to the oldest.
    pub steps: Vec<ChainStep>,
    /// Run id and manifest SHA-256 of the newest snapshot by the baselines.
    pub head: Option<(String, String)>,
    /// Every problem that was found.
    pub problems: Vec<ChainProblem>,
    /// Notes for people about things that are not problems.
    pub notes: Vec<String>,
}

/// One snapshot of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainStep {
    /// Run id, manifest hash and baseline.
    pub link: Link,
    /// State of its files.
    pub state: SnapshotState,
    /// Hold on the snapshot.
    pub hold: Option<Hold>,
}

/// State of the files of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotState {
    /// Every file is as the manifest lists it.
    Intact,
    /// Some file differs from the manifest.
    Damaged,
    /// Retention removed the snapshot.
    Pruned,
}

impl SnapshotState {
    /// Returns the word for messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intact => "intact",
            Self::Damaged => "damaged",
            Self::Pruned => "pruned",
        }
    }
}

/// Problem of a folder of snapshots.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainProblem {
    /// A snapshot differs from its manifest.
    #[error("{run_id}: {problem}")]
    Snapshot {
        /// Run id of the snapshot.
        run_id: String,
        /// Difference from the manifest.
        problem: VerifyProblem,
    },
    /// The link between two snapshots is broken.
    #[error(transparent)]
    Link(#[from] BrokenLink),
    /// The ledger contains an invalid line.
    #[error("{LEDGER}, line {number}: not an entry of a removed snapshot: {why}; restore it from a copy")]
    Ledger {
        /// Number of the line, starting with 1.
        number: u64,
        /// Reason as a text.
        why: String,
    },
    /// The target of `latest` or `latest-complete` does not exist.
    #[error("{link} points to {target}, which does not exist; retention never removes the target of this link")]
    DeadLink {
        /// Name of the link.
        link: &'static str,
        /// Target of the link.
        target: String,
    },
    /// The folder contains no snapshot.
    #[error("the folder contains no snapshot; name the folder of output.dir, or a snapshot in it")]
    Nothing,
}

/// Verifies a folder of snapshots. `dir` is the folder, a snapshot in it, or a link to one.
pub fn walk(dir: &Path) -> Result<FolderWalk, SnapshotError> {
    let refused = |why: &str| SnapshotError::NotASnapshot {
        path: dir.to_owned(),
        why: format!("{why}; name output.dir, such as /var/lib/bt-rollcall/snapshots, or a snapshot in it"),
    };
    let dir = folder_of(fs::canonicalize(dir).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => refused("it does not exist"),
        _ => unreadable(dir, error),
    })?);
    // Without the right to search the folder, each snapshot and the target of each link would look missing.
    if let Err(error) = fs::symlink_metadata(dir.join(LATEST))
        && error.kind() == io::ErrorKind::PermissionDenied
    {
        return Err(unreadable(&dir, error));
    }
    let store = Store::new(&dir);
    let (mut existing, mut found, mut problems) = (Vec::new(), BTreeMap::new(), Vec::new());
    for run_id in store.snapshots()? {
        let (link, hold, own_problems) = examine(&dir.join(&run_id), &run_id);
        if !own_problems.is_empty() && !store.is_published(&run_id) {
            // A run removed the snapshot meanwhile. The ledger is read afterwards, so it contains the entry.
            continue;
        }
        found.insert(run_id.clone(), (own_problems.is_empty(), hold));
        let of_snapshot = |problem| ChainProblem::Snapshot { run_id: run_id.clone(), problem };
        problems.extend(own_problems.into_iter().map(of_snapshot));
        existing.push(link);
    }
    let ledger = Ledger::read(&dir)?;
    problems.extend(ledger.bad.into_iter().map(|bad| ChainProblem::Ledger { number: bad.number, why: bad.why }));
    problems.extend([LATEST, LATEST_COMPLETE].into_iter().filter_map(|link| dead_link(&store, link)));
    if existing.is_empty() && ledger.entries.is_empty() && problems.is_empty() {
        return Err(refused("it holds no snapshot"));
    }
    if existing.is_empty() {
        problems.push(ChainProblem::Nothing);
    }
    let Chain { links, head, complete, broken } = chain::chain(existing, ledger.entries);
    problems.extend(broken.into_iter().map(ChainProblem::Link));
    let step = |link: Link| {
        let (state, hold) = match found.remove(&link.run_id) {
            Some((true, hold)) => (SnapshotState::Intact, hold),
            Some((false, hold)) => (SnapshotState::Damaged, hold),
            None => (SnapshotState::Pruned, None),
        };
        ChainStep { link, state, hold }
    };
    let newest = head.as_ref().map(|(run_id, _)| run_id.as_str());
    let notes = notes(&store, newest, complete.as_deref())?;
    Ok(FolderWalk { dir, steps: links.into_iter().map(step).collect(), head, problems, notes })
}

/// Returns the folder of snapshots for a path: the parent of a snapshot, which has a manifest or the name of a run.
fn folder_of(dir: PathBuf) -> PathBuf {
    let is_run = dir.file_name().and_then(|name| name.to_str()).is_some_and(is_run_id);
    match dir.parent() {
        Some(parent) if is_run || dir.join(MANIFEST).is_file() => parent.to_owned(),
        _ => dir,
    }
}

/// Compares one snapshot with its manifest. If the manifest cannot be parsed, its hash still links the chain.
fn examine(folder: &Path, run_id: &str) -> (Link, Option<Hold>, Vec<VerifyProblem>) {
    match check(folder) {
        Ok(Checked { manifest, manifest_sha256, hold, problems }) => {
            let link = Link {
                run_id: run_id.to_owned(),
                manifest_sha256,
                completeness: Some(manifest.completeness),
                as_of: manifest.as_of,
                base: manifest.base,
                known: LinkState::Manifest,
            };
            (link, hold, problems)
        }
        Err(problem) => {
            let bytes = fs::read(folder.join(MANIFEST)).unwrap_or_default();
            let link = Link {
                run_id: run_id.to_owned(),
                manifest_sha256: sha256_hex(&bytes),
                completeness: None,
                as_of: String::new(),
                base: None,
                known: LinkState::Unreadable,
            };
            (link, None, vec![problem])
        }
    }
}

/// Returns notes about links that do not point to the newest snapshots. A run may have been killed before it set them,
/// or somebody changed them.
fn notes(store: &Store, newest: Option<&str>, complete: Option<&str>) -> Result<Vec<String>, SnapshotError> {
    let (latest, latest_complete) = store.newest()?;
    let links =
        [(LATEST, "snapshot", newest, latest), (LATEST_COMPLETE, "complete snapshot", complete, latest_complete)];
    let note = |(link, kind, newest, next): (_, _, _, Option<Published>)| {
        if must_be_link(&store.dir().join(link)).is_err() {
            return Some(format!("{link} is not a link; move it away, or no run can publish"));
        }
        let note = wrong_target(store, link, kind, newest)?;
        let is_corrected = next.is_some_and(|next| Some(next.run_id.as_str()) == newest);
        Some(if is_corrected { format!("{note}; the next run corrects it") } else { note })
    };
    Ok(links.into_iter().filter_map(note).collect())
}

fn wrong_target(store: &Store, link: &str, kind: &str, newest: Option<&str>) -> Option<String> {
    let target = store.linked(link);
    if target.as_deref() == newest {
        return None;
    }
    let target = match target {
        Some(target) => format!("{link} points to {}", printable(&target, 80)),
        None => format!("the link {link} is missing"),
    };
    Some(match newest {
        Some(newest) => format!("{target}, but the newest {kind} is {newest}"),
        None => format!("{target}, but no {kind} can be read"),
    })
}

/// Returns the problem of a link whose target does not exist.
fn dead_link(store: &Store, link: &'static str) -> Option<ChainProblem> {
    let target = fs::read_link(store.dir().join(link)).ok()?;
    let is_there = store.dir().join(&target).join(MANIFEST).is_file();
    (!is_there).then(|| ChainProblem::DeadLink { link, target: printable(&target.to_string_lossy(), 80) })
}
