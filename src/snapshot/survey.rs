//! What a folder of snapshots holds, with everything in it that cannot be read.
//!
//! A run, `check` and `prune` start with it. The one idea: unreadable is not absent. A snapshot that cannot be opened
//! is named with its cure. Its folder never counts as empty.

use super::error::SnapshotError;
use super::index::SnapshotIndex;
use super::{LATEST, LATEST_COMPLETE, MANIFEST};
use crate::escape::printable;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Content of a folder of snapshots.
#[derive(Debug)]
pub struct Survey {
    /// Run ids of the snapshots whose manifest can be read, in the order of publication, the newest last.
    pub readable: Vec<String>,
    /// Snapshots that cannot be read, each with the reason, sorted by name.
    pub unreadable: Vec<(String, SnapshotError)>,
    /// Links whose target does not exist.
    pub dangling: Vec<DanglingLink>,
}

/// Link `latest` or `latest-complete` whose target does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DanglingLink {
    /// Path of the link.
    pub path: PathBuf,
    /// Target of the link.
    pub target: String,
}

impl Survey {
    pub(super) fn of(dir: &Path, index: SnapshotIndex) -> Self {
        let links = [(LATEST, &index.latest), (LATEST_COMPLETE, &index.latest_complete)];
        let dangling = links.into_iter().filter_map(|(link, target)| {
            let target = target.as_ref().filter(|target| is_absent(&dir.join(target)))?;
            Some(DanglingLink { path: dir.join(link), target: target.clone() })
        });
        let dangling = dangling.collect();
        let mut readable = index.in_order();
        readable.retain(|run_id| index.is_readable(run_id));
        let unreadable = index.snapshots.into_iter().filter_map(|(run_id, read)| Some((run_id, read.err()?)));
        Self { readable, unreadable: unreadable.collect(), dangling }
    }

    /// Returns the number of snapshots, readable or not.
    pub fn count(&self) -> usize {
        self.readable.len() + self.unreadable.len()
    }

    /// Returns a warning with its cure for everything that cannot be read.
    pub fn warnings(&self) -> Vec<String> {
        let unreadable = self.unreadable.iter().map(|(run_id, error)| {
            let cure = error.hint().map_or_else(String::new, |hint| format!(" ({hint})"));
            format!("the snapshot {run_id} is not used: failed to {error}{cure}")
        });
        unreadable.chain(self.dangling.iter().map(DanglingLink::in_words)).collect()
    }
}

impl DanglingLink {
    fn in_words(&self) -> String {
        let (path, target) = (self.path.display(), printable(&self.target, 80));
        format!(
            "{path} points to {target}, which does not exist, and retention never removes the target of this link; \
             restore that snapshot from a copy, or remove the link"
        )
    }
}

/// Checks whether nothing exists at a path. A path that cannot be looked at is not absent.
pub(super) fn is_absent(path: &Path) -> bool {
    is_missing(&fs::symlink_metadata(path))
}

fn is_missing<T>(found: &io::Result<T>) -> bool {
    found.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Checks whether a folder with the name of a run is a published snapshot, or may be a damaged one.
///
/// An empty folder and a file are neither: nothing was lost in them.
pub(super) fn may_be_snapshot(folder: &Path) -> bool {
    match fs::metadata(folder) {
        Ok(found) if !found.is_dir() => false,
        Ok(_) if is_absent(&folder.join(MANIFEST)) => {
            fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_some())
        }
        Ok(_) => true,
        // A link to a snapshot on a disk that is not mounted is a snapshot. A removed folder is none.
        Err(_) => !is_absent(folder),
    }
}
