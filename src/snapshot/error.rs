//! Errors of the folder of snapshots. Each text names the operation and the path; the hint names the remedy.
//!
//! The texts continue the words "failed to". Nothing here knows an exit code; `run` and the commands choose it.

use crate::model::{Instant, instant_text};
use crate::table::TableError;
use chrono::SubsecRound;
use std::io;
use std::path::{Path, PathBuf};

/// Reason why a snapshot could not be written, published, read or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The operating system reported an error.
    #[error("{operation} {}: {}", path.display(), cause(source))]
    Io {
        /// Operation, as a verb: `write`.
        operation: &'static str,
        /// File or folder of the operation.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// Another run holds the lock.
    #[error("take the lock {}: another run holds it{}", lock.display(), holder(*pid, *since))]
    Busy {
        /// Path of the lock file.
        lock: PathBuf,
        /// Id of the process that holds the lock, as the lock file states it.
        pid: Option<u32>,
        /// When it took the lock.
        since: Option<Instant>,
    },
    /// The rows do not fit the columns. This is a defect of the program.
    #[error("write {}: {reason}", path.display())]
    Table {
        /// File of the table.
        path: PathBuf,
        /// Reason as a text.
        reason: String,
    },
    /// The snapshot to be sealed would not verify. This is a defect of the program.
    #[error("seal {}: {why}", path.display())]
    Unsealable {
        /// Path of the staging folder.
        path: PathBuf,
        /// Reason as a text.
        why: String,
    },
    /// A file or folder has the name of the link `latest` or `latest-complete`.
    #[error("point {} to a snapshot: it is not a link", path.display())]
    LinkInTheWay {
        /// Path of the link.
        path: PathBuf,
    },
    /// The name of a snapshot is not a run id.
    #[error("use {name:?} as a snapshot: it is not a run id")]
    NotARunId {
        /// The given name.
        name: String,
    },
    /// The snapshot is the target of `latest` or `latest-complete`, which is never removed.
    #[error("remove {}: `{link}` points to it", path.display())]
    IsLinked {
        /// Folder of the snapshot.
        path: PathBuf,
        /// Name of the link.
        link: &'static str,
    },
    /// The snapshot to be read differs from its manifest.
    #[error("read the snapshot {}: {why}", path.display())]
    NotIntact {
        /// Folder of the snapshot.
        path: PathBuf,
        /// First problem, and the number of the others.
        why: String,
    },
    /// The path that somebody typed is not the folder of a snapshot.
    #[error("read {}: {why}", path.display())]
    NotASnapshot {
        /// The path as it was typed.
        path: PathBuf,
        /// What it is, and the cure.
        why: String,
    },
    /// The snapshot contains the table in no format.
    #[error("read {}: the snapshot has no table {table}", path.display())]
    NoTable {
        /// Folder of the snapshot.
        path: PathBuf,
        /// Name of the table.
        table: &'static str,
    },
    /// A table contains values that this version does not write.
    #[error("read {}: {reason}", path.display())]
    Unsupported {
        /// File of the table.
        path: PathBuf,
        /// Reason as a text, with the number of the row.
        reason: String,
    },
    /// The manifest cannot be parsed.
    #[error("read {}: {reason}", path.display())]
    Manifest {
        /// Path of the manifest.
        path: PathBuf,
        /// Reason as a text.
        reason: String,
    },
}

impl SnapshotError {
    /// Returns a function that wraps an error of the operating system with its operation and path.
    pub fn io(operation: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { operation, path: path.as_ref().to_owned(), source }
    }

    /// Returns a function that wraps an error of writing a table.
    pub(super) fn table(path: PathBuf) -> impl FnOnce(TableError) -> Self {
        move |error| match error {
            TableError::Io(source) => Self::Io { operation: "write", path, source },
            TableError::Encode(why) => Self::Table { path, reason: why.to_string() },
        }
    }

    /// Returns the step that may solve the problem; `None` where none is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Io { source, .. } => hint_for(source.kind()),
            Self::LinkInTheWay { .. } => Some("move it away; bt-rollcall creates this link itself"),
            Self::NotIntact { .. } => Some(
                "name the folder of a published snapshot below output.dir; `bt-rollcall verify DIR` lists every problem. \
                 Restore a damaged snapshot from a copy",
            ),
            Self::NoTable { .. } => Some(
                "set at least one format in output.tables; snapshots from then on can be compared and rendered again",
            ),
            Self::Unsupported { .. } => {
                Some("read it with the version of bt-rollcall that wrote it (`tool` in its manifest)")
            }
            Self::Manifest { .. } => Some("run `bt-rollcall verify` on that folder"),
            Self::Table { .. } | Self::Unsealable { .. } => Some("this is a defect of bt-rollcall; please report it"),
            // `run` knows how to look at the process that holds the lock.
            Self::Busy { .. } | Self::NotARunId { .. } | Self::IsLinked { .. } | Self::NotASnapshot { .. } => None,
        }
    }
}

fn hint_for(kind: io::ErrorKind) -> Option<&'static str> {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(
            "free some space there, or keep fewer snapshots (output.keep_days, output.keep_runs, `bt-rollcall prune`)",
        ),
        io::ErrorKind::PermissionDenied => {
            Some("make the user that runs bt-rollcall the owner of that folder, with mode 0700")
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            Some("set a writable folder in output.dir and state_dir, and in ReadWritePaths= of the systemd unit")
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            Some("move away the file or folder that has this name")
        }
        _ => None,
    }
}

/// Returns the cause as a text: plain words for the common cases, otherwise the text of the operating system.
fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        io::ErrorKind::QuotaExceeded => "the disk quota is used up".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// Returns what is known of the run that holds a lock: ` (process 4711, since 2026-11-23T02:00:00Z)`.
fn holder(pid: Option<u32>, since: Option<Instant>) -> String {
    let Some(pid) = pid else { return String::new() };
    let since = since.map_or_else(String::new, |since| format!(", since {}", instant_text(since.trunc_subsecs(0))));
    format!(" (process {pid}{since})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_reported_with_its_path_and_a_hint() {
        // 28 is ENOSPC on Linux.
        let error = SnapshotError::io("write", "/x/users.csv")(io::Error::from_raw_os_error(28));
        assert_eq!(error.to_string(), "write /x/users.csv: the disk is full");
        assert!(error.hint().unwrap().starts_with("free some space"));
    }

    #[test]
    fn a_full_disk_while_writing_a_table_is_reported_too() {
        let error = SnapshotError::table("/x/users.parquet".into())(io::Error::from_raw_os_error(28).into());
        assert_eq!(error.to_string(), "write /x/users.parquet: the disk is full");
    }
}
