//! Verifies a whole folder of snapshots: each one as [`super::verify()`] does, then the links between them. Offline; changes
//! nothing; reports every problem. One manifest is in memory at a time; of each snapshot only a line is kept.

use super::chain::{self, Broken, Chain, Known, Link};
use super::error::SnapshotError;
use super::file::sha256_of;
use super::hold::{Hold, visible};
use super::ledger::{LEDGER, Ledger};
use super::verify::{Checked, Problem, check};
use super::{LATEST, MANIFEST, Store, is_run_id};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder of snapshots as it was found.
#[derive(Clone, Debug)]
pub struct Walk {
    /// The folder.
    pub dir: PathBuf,
    /// From the newest to the oldest.
    pub steps: Vec<Step>,
    /// Run id and SHA-256 of the manifest of the newest complete one by the links.
    pub head: Option<(String, String)>,
    /// What is not as it should be.
    pub problems: Vec<ChainProblem>,
    /// What a person should know beside, in words.
    pub notes: Vec<String>,
}

/// One snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is known of it.
    pub link: Link,
    /// How it was found.
    pub state: State,
    /// Whether somebody wants it to stay.
    pub hold: Option<Hold>,
}

/// How a snapshot was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As its manifest says.
    Intact,
    /// Not as its manifest says.
    Damaged,
    /// Removed by retention.
    Pruned,
}

impl State {
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
        problem: Problem,
    },
    /// Between snapshots.
    #[error(transparent)]
    Link(#[from] Broken),
    /// In the ledger.
    #[error("{LEDGER}, line {number}: not an entry of a removed snapshot: {why}; restore it from a copy")]
    Ledger {
        /// Its number, from 1.
        number: u64,
        /// In words.
        why: String,
    },
    /// `latest` names what is gone.
    #[error("{LATEST} names {0}, which is not here: retention never removes that one")]
    Latest(String),
    /// The folder holds none.
    #[error("there is no snapshot in it: name the folder that output.dir names, or a snapshot in it")]
    Nothing,
}

/// Verifies the folder of snapshots that `dir` is, or that the snapshot `dir` (or the link to it) is in.
pub fn walk(dir: &Path) -> Result<Walk, SnapshotError> {
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
    problems.extend(dangling(&store).map(ChainProblem::Latest));
    if here.is_empty() {
        problems.push(ChainProblem::Nothing);
    }
    let Chain { links, head, broken } = chain::chain(here, ledger.entries);
    problems.extend(broken.into_iter().map(ChainProblem::Link));
    let step = |link: Link| {
        let (state, hold) = match found.remove(&link.run_id) {
            Some((true, hold)) => (State::Intact, hold),
            Some((false, hold)) => (State::Damaged, hold),
            None => (State::Pruned, None),
        };
        Step { link, state, hold }
    };
    let notes = head.as_ref().and_then(|(head, _)| astray(&store, head)).into_iter().collect();
    Ok(Walk { dir, steps: links.into_iter().map(step).collect(), head, problems, notes })
}

/// A snapshot's folder has a manifest or bears a run's name.
fn folder_of(dir: PathBuf) -> PathBuf {
    let is_run = dir.file_name().and_then(|name| name.to_str()).is_some_and(is_run_id);
    match dir.parent() {
        Some(parent) if is_run || dir.join(MANIFEST).is_file() => parent.to_owned(),
        _ => dir,
    }
}

fn look_at(folder: &Path, run_id: &str) -> (Link, Option<Hold>, Vec<Problem>) {
    match check(folder) {
        Ok(Checked { manifest, manifest_sha256, hold, problems }) => {
            let link = Link {
                run_id: run_id.to_owned(),
                manifest_sha256,
                completeness: Some(manifest.completeness),
                as_of: manifest.as_of,
                base: manifest.base,
                known: Known::Manifest,
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
                known: Known::Unreadable,
            };
            (link, None, vec![problem])
        }
    }
}

/// Where `latest` does not lead to the newest complete one: so a kill may have left it, or somebody.
fn astray(store: &Store, head: &str) -> Option<String> {
    let latest = store.dir().join(LATEST);
    if fs::symlink_metadata(&latest).is_ok_and(|there| !there.is_symlink()) {
        return Some(format!("{LATEST} is no link: move it away, no run can publish before"));
    }
    let what = match fs::read_link(latest).ok() {
        Some(named) if named == Path::new(head) => return None,
        Some(named) => format!("{LATEST} names {}", visible(&named.to_string_lossy(), 80)),
        None => format!("there is no link {LATEST}"),
    };
    Some(format!("{what}, and the newest complete one is {head}; the next run puts it right"))
}

/// What `latest` names, where that is not there.
fn dangling(store: &Store) -> Option<String> {
    let named = fs::read_link(store.dir().join(LATEST)).ok()?;
    let is_there = store.dir().join(&named).join(MANIFEST).is_file();
    (!is_there).then(|| visible(&named.to_string_lossy(), 80))
}
