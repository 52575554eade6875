//! Verifies a whole folder of snapshots: each one as [`super::verify()`] does, then the links between them. Offline; changes
//! nothing; reports every problem. One manifest is in memory at a time; of each snapshot only a line is kept.

use super::chain::{self, BrokenLink, Chain, Link, LinkState};
use super::error::SnapshotError;
use super::file::sha256_of;
use super::hold::{Hold, visible};
use super::ledger::{LEDGER, Ledger};
use super::read::Published;
use super::staging::must_be_link;
use super::verify::{Checked, VerifyProblem, check};
use super::{LATEST, LATEST_COMPLETE, MANIFEST, Store, is_run_id};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder of snapshots as it was found.
#[derive(Clone, Debug)]
pub struct FolderWalk {
    /// The folder.
    pub dir: PathBuf,
    /// From the newest to the oldest.
    pub steps: Vec<ChainStep>,
    /// Run id and SHA-256 of the manifest of the newest one by the bases.
    pub head: Option<(String, String)>,
    /// What is not as it should be.
    pub problems: Vec<ChainProblem>,
    /// What else a person should know, in words.
    pub notes: Vec<String>,
}

/// One snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainStep {
    /// What is known of it.
    pub link: Link,
    /// How it was found.
    pub state: SnapshotState,
    /// Whether somebody wants it to stay.
    pub hold: Option<Hold>,
}

/// How a snapshot was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotState {
    /// As its manifest says.
    Intact,
    /// Not as its manifest says.
    Damaged,
    /// Removed by retention.
    Pruned,
}

impl SnapshotState {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intact => "intact",
            Self::Damaged => "damaged",
            Self::Pruned => "pruned",
        }
    }
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainProblem {
    /// In a snapshot.
    #[error("{run_id}: {problem}")]
    Snapshot {
        /// Which.
        run_id: String,
        /// What.
        problem: VerifyProblem,
    },
    /// Between snapshots.
    #[error(transparent)]
    Link(#[from] BrokenLink),
    /// In the ledger.
    #[error("{LEDGER}, line {number}: not an entry of a removed snapshot: {why}; restore it from a copy")]
    Ledger {
        /// Its number, from 1.
        number: u64,
        /// In words.
        why: String,
    },
    /// `latest` or `latest-complete` leads nowhere.
    #[error("{link} points to {target}, which is not here: retention never removes its target")]
    DeadLink {
        /// Name of the link.
        link: &'static str,
        /// What it names.
        target: String,
    },
    /// The folder holds none.
    #[error("there is no snapshot in it: name the folder that output.dir names, or a snapshot in it")]
    Nothing,
}

/// Verifies the folder of snapshots that `dir` is, or that the snapshot `dir` (or the link to it) is in.
pub fn walk(dir: &Path) -> Result<FolderWalk, SnapshotError> {
    let dir = folder_of(fs::canonicalize(dir).map_err(SnapshotError::io("open", dir))?);
    let store = Store::new(&dir);
    let (mut here, mut found, mut problems) = (Vec::new(), BTreeMap::new(), Vec::new());
    for run_id in store.snapshots()? {
        let (link, hold, of_it) = look_at(&dir.join(&run_id), &run_id);
        if !of_it.is_empty() && !store.is_published(&run_id) {
            // Removed while it was looked at; the ledger, read after it, says by whom.
            continue;
        }
        found.insert(run_id.clone(), (of_it.is_empty(), hold));
        problems.extend(of_it.into_iter().map(|problem| ChainProblem::Snapshot { run_id: run_id.clone(), problem }));
        here.push(link);
    }
    let ledger = Ledger::read(&dir)?;
    problems.extend(ledger.bad.into_iter().map(|bad| ChainProblem::Ledger { number: bad.number, why: bad.why }));
    problems.extend([LATEST, LATEST_COMPLETE].into_iter().filter_map(|link| dead(&store, link)));
    if here.is_empty() {
        problems.push(ChainProblem::Nothing);
    }
    let Chain { links, head, complete, broken } = chain::chain(here, ledger.entries);
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

/// A snapshot's folder has a manifest or bears a run's name.
fn folder_of(dir: PathBuf) -> PathBuf {
    let is_run = dir.file_name().and_then(|name| name.to_str()).is_some_and(is_run_id);
    match dir.parent() {
        Some(parent) if is_run || dir.join(MANIFEST).is_file() => parent.to_owned(),
        _ => dir,
    }
}

fn look_at(folder: &Path, run_id: &str) -> (Link, Option<Hold>, Vec<VerifyProblem>) {
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
                manifest_sha256: sha256_of(&bytes),
                completeness: None,
                as_of: String::new(),
                base: None,
                known: LinkState::Unreadable,
            };
            (link, None, vec![problem])
        }
    }
}

/// Reports links that do not lead to the newest snapshots: a kill may have left them so, or somebody changed them.
fn notes(store: &Store, newest: Option<&str>, complete: Option<&str>) -> Result<Vec<String>, SnapshotError> {
    let (latest, latest_complete) = store.newest()?;
    let links =
        [(LATEST, "snapshot", newest, latest), (LATEST_COMPLETE, "complete snapshot", complete, latest_complete)];
    let note = |(link, kind, newest, next): (_, _, _, Option<Published>)| {
        if must_be_link(&store.dir().join(link)).is_err() {
            return Some(format!("{link} is not a link: move it away, no run can publish before"));
        }
        let note = astray(store, link, kind, newest)?;
        let is_corrected = next.is_some_and(|next| Some(next.run_id.as_str()) == newest);
        Some(if is_corrected { format!("{note}; the next run corrects it") } else { note })
    };
    Ok(links.into_iter().filter_map(note).collect())
}

fn astray(store: &Store, link: &str, kind: &str, newest: Option<&str>) -> Option<String> {
    let target = store.linked(link);
    if target.as_deref() == newest {
        return None;
    }
    let target = match target {
        Some(target) => format!("{link} points to {}", visible(&target, 80)),
        None => format!("there is no link {link}"),
    };
    Some(match newest {
        Some(newest) => format!("{target}, and the newest {kind} is {newest}"),
        None => format!("{target}, and there is no readable {kind}"),
    })
}

/// Reports a link whose target is not there.
fn dead(store: &Store, link: &'static str) -> Option<ChainProblem> {
    let target = fs::read_link(store.dir().join(link)).ok()?;
    let is_there = store.dir().join(&target).join(MANIFEST).is_file();
    (!is_there).then(|| ChainProblem::DeadLink { link, target: visible(&target.to_string_lossy(), 80) })
}
