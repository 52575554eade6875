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
use super::survey::is_absent;
use super::verify::{Checked, VerifyProblem, check, hash_file};
use super::{LATEST, LATEST_COMPLETE, MANIFEST, Store, is_run_id};
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
    /// The user of this process may not read it, or a part of it.
    Denied,
    /// Retention removed the snapshot.
    Pruned,
}

impl SnapshotState {
    /// Returns the word for messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intact => "intact",
            Self::Damaged => "damaged",
            Self::Denied => "denied",
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

impl ChainProblem {
    /// Returns whether the user of this process may not read something, which says nothing about the snapshots.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Snapshot { problem, .. } if problem.is_denied())
    }
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
    for run_id in store.snapshots().map_err(|error| of_denied(&dir, error))? {
        let (link, hold, own_problems) = examine(&dir.join(&run_id), &run_id);
        let state = state_of(&own_problems);
        if state == SnapshotState::Damaged && !store.is_published(&run_id) {
            // A run removed the snapshot meanwhile. The ledger is read afterwards, so it contains the entry.
            continue;
        }
        found.insert(run_id.clone(), (state, hold));
        let of_snapshot = |problem| ChainProblem::Snapshot { run_id: run_id.clone(), problem };
        problems.extend(own_problems.into_iter().map(of_snapshot));
        existing.push(link);
    }
    let ledger = Ledger::read(&dir)?;
    problems.extend(ledger.bad.into_iter().map(|bad| ChainProblem::Ledger { number: bad.number, why: bad.why }));
    for link in [LATEST, LATEST_COMPLETE] {
        let target = store.linked(link)?.filter(|target| is_absent(&dir.join(target)));
        problems.extend(target.map(|target| ChainProblem::DeadLink { link, target: printable(&target, 80) }));
    }
    let is_denied = |run_id: &str| found.get(run_id).is_some_and(|(state, _)| *state == SnapshotState::Denied);
    let is_any_denied = existing.iter().any(|link: &Link| is_denied(&link.run_id));
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
            Some(found) => found,
            None => (SnapshotState::Pruned, None),
        };
        ChainStep { link, state, hold }
    };
    let newest = head.as_ref().map(|(run_id, _)| run_id.as_str());
    // The newest snapshot may be one that cannot be read.
    let notes = if is_any_denied { Vec::new() } else { notes(&store, newest, complete.as_deref())? };
    Ok(FolderWalk { dir, steps: links.into_iter().map(step).collect(), head, problems, notes })
}

fn of_denied(dir: &Path, error: SnapshotError) -> SnapshotError {
    match error {
        SnapshotError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => unreadable(dir, source),
        other => other,
    }
}

fn state_of(problems: &[VerifyProblem]) -> SnapshotState {
    match problems {
        [] => SnapshotState::Intact,
        _ if problems.iter().all(VerifyProblem::is_denied) => SnapshotState::Denied,
        _ => SnapshotState::Damaged,
    }
}

/// Returns the folder of snapshots for a path: the parent of a snapshot, which has a manifest or the name of a run.
fn folder_of(dir: PathBuf) -> PathBuf {
    let is_run = dir.file_name().and_then(|name| name.to_str()).is_some_and(is_run_id);
    match dir.parent() {
        Some(parent) if is_run || fs::symlink_metadata(dir.join(MANIFEST)).is_ok() => parent.to_owned(),
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
            let link = Link {
                run_id: run_id.to_owned(),
                manifest_sha256: hash_file(&folder.join(MANIFEST)).unwrap_or_default(),
                completeness: None,
                as_of: String::new(),
                base: None,
                known: if problem.is_denied() { LinkState::Denied } else { LinkState::Unreadable },
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
    let index = store.index()?;
    let mut notes = Vec::new();
    for (link, kind, newest, next) in links {
        if must_be_link(&store.dir().join(link)).is_err() {
            notes.push(format!("{link} is not a link; move it away, or no run can publish"));
            continue;
        }
        let target = store.linked(link)?;
        // A run does not correct a link whose target is missing or cannot be read: somebody has to look at it.
        let is_behind = target.as_deref().is_none_or(|target| index.is_readable(target));
        let is_corrected = is_behind && next.is_some_and(|next: Published| Some(next.run_id.as_str()) == newest);
        let cure = if is_corrected { "; the next run corrects it" } else { "" };
        notes.extend(wrong_target(target, link, kind, newest).map(|note| note + cure));
    }
    Ok(notes)
}

fn wrong_target(target: Option<String>, link: &str, kind: &str, newest: Option<&str>) -> Option<String> {
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
