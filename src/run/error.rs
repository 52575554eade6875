//! Why a run published nothing: the text, the cure and the exit code of each reason.

use super::Exit;
use super::answer::{answer_to_denial, answer_to_lock};
use crate::guard::Suspect;
use crate::internal_error::InternalError;
use crate::snapshot::SnapshotError;
use crate::syslog::spool::SpoolError;
use std::io;
use std::path::{Path, PathBuf};

/// Why nothing was published. [`RunError::message`] returns the whole sentence.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A disk operation failed, or another run holds the lock.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The event spool could not be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The sources could not be read.
    #[error(transparent)]
    Collect(#[from] CollectError),
    /// `--as-of` is earlier than the newest snapshot.
    #[error(
        "evaluate as of {as_of}: the newest snapshot {newest} is as of {newest_as_of}, and --as-of cannot be earlier"
    )]
    Backwards {
        /// Requested instant, RFC 3339.
        as_of: String,
        /// Run id of the newest snapshot.
        newest: String,
        /// Instant of the newest snapshot, RFC 3339.
        newest_as_of: String,
    },
    /// There are snapshots, but none of them can be read.
    #[error(
        "read the known state: the folder {} holds {} and none can be read; move them away or restore them. The \
         last reason: failed to {error}",
        dir.display(),
        counted(*count)
    )]
    NoBaseline {
        /// Folder of the snapshots.
        dir: PathBuf,
        /// Number of snapshots in it.
        count: usize,
        /// Why one of them cannot be read.
        error: SnapshotError,
    },
    /// The clock of this host may be wrong, so no snapshot is removed by it.
    #[error("prune: {}; no snapshot was removed", .0.join("; "))]
    ClockDoubt(Vec<String>),
    /// Every source failed.
    #[error("read any source: {0}")]
    AllFailed(String),
    /// A guard objects to every source that was read.
    #[error("publication blocked: too many records are missing: {}", in_words(.0))]
    Suspect(Vec<Suspect>),
    /// A bug of this program ended the run.
    #[error(transparent)]
    Internal(#[from] InternalError),
    /// The memory of purged events cannot be read.
    #[error("read {}: it is not the list of purged events that `bt-rollcall spool purge` writes; move it away", .0.display())]
    PurgeMemory(PathBuf),
    /// The report could not be rendered.
    #[error("render the report: {0}")]
    Report(String),
}

fn counted(snapshots: usize) -> String {
    if snapshots == 1 { "1 snapshot".to_owned() } else { format!("{snapshots} snapshots") }
}

fn in_words(suspects: &[Suspect]) -> String {
    suspects.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl RunError {
    /// Returns the whole message: what failed and why.
    pub fn message(&self) -> String {
        match self {
            // These are sentences of their own. The guard did its work, so nothing failed.
            Self::Suspect(_) | Self::Internal(_) => self.to_string(),
            _ => format!("failed to {self}"),
        }
    }

    /// Returns the exit code of a run that ends with this error.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Snapshot(SnapshotError::Busy { .. }) => Exit::Locked,
            Self::Suspect(_) => Exit::Guarded,
            // What the run found was not lost: the next run that finds room emits it.
            Self::Spool(SpoolError::Full { .. }) => Exit::Waiting,
            Self::Backwards { .. } => Exit::Usage,
            _ => Exit::NothingPublished,
        }
    }

    /// Returns what the operator can do; `None` if the message contains it. The answer to a guard needs the run, which adds it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Snapshot(SnapshotError::Busy { pid, .. }) => Some(answer_to_lock(*pid)),
            Self::Snapshot(SnapshotError::Io { operation, path, source })
            | Self::Spool(SpoolError::Io { operation, path, source })
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Some(answer_to_denial(denied_folder(operation, path)))
            }
            Self::Snapshot(error) => error.hint().map(str::to_owned),
            Self::Backwards { .. } => {
                Some("to evaluate an earlier instant again, write to another folder with --output DIR".to_owned())
            }
            Self::NoBaseline { error, .. } => Some(format!(
                "{}restore the newest snapshot from a copy; or move the snapshots away, and the next run creates a new \
                 baseline",
                error.hint().map_or_else(String::new, |hint| format!("{hint}; or "))
            )),
            Self::ClockDoubt(_) => Some(
                "correct the wrong clock, of this host or of a source (NTP); then execute `bt-rollcall run`. The first run \
                 in which all clocks agree prunes again"
                    .to_owned(),
            ),
            Self::Collect(CollectError::Stopped(_)) => Some("no data was lost; run the command again".to_owned()),
            _ => None,
        }
    }
}

/// Returns the folder whose rights an operation on `path` needs: that of a file is the one that contains it.
fn denied_folder<'p>(operation: &str, path: &'p Path) -> &'p Path {
    let is_folder = operation == "create the folder" || path.is_dir();
    path.parent().filter(|_| !is_folder).unwrap_or(path)
}

/// Why the sources could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// A signal asked the run to stop.
    #[error("finish collecting: stopped by {0}")]
    Stopped(&'static str),
    /// The operating system refused the event loop.
    #[error("start the event loop: {0}")]
    Runtime(#[from] io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_created_is_answered_for_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let lock = folder.path().join("lock");
        assert_eq!(denied_folder("open the lock", &lock), folder.path());
        assert_eq!(denied_folder("write in", folder.path()), folder.path());
        assert_eq!(denied_folder("create the folder", &lock), lock);
    }
}
