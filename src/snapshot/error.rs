//! Errors of the folder of snapshots. Each text names the operation and the path; the hint names the remedy.
//!
//! The texts continue the words "failed to". Nothing here knows an exit code; `run` and the commands choose it.

use super::locate::removed;
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
    /// The folder of the snapshot does not exist any more.
    #[error("read {}: {}", path.display(), removal(removed_at.as_deref()))]
    Removed {
        /// Real path of the snapshot.
        path: PathBuf,
        /// Time of the removal, as the ledger states it; `None` if no entry of the ledger can be read.
        removed_at: Option<String>,
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

    /// Returns whether the user of this process may not read the file or folder.
    pub(super) fn is_denied(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }

    /// Returns a function that wraps an error of writing a table.
    pub(super) fn table(path: PathBuf) -> impl FnOnce(TableError) -> Self {
        move |error| match error {
            TableError::Io(source) => Self::Io { operation: "write", path, source },
            TableError::Encode(why) => Self::Table { path, reason: why.to_string() },
        }
    }

    /// Returns this error, or that the snapshot was removed meanwhile. `folder` is its real path.
    ///
    /// Readers take no lock, so retention may remove a snapshot between two of their steps. What they then miss is no
    /// damage.
    #[must_use]
    pub fn or_removed(self, folder: &Path) -> Self {
        removed(folder).unwrap_or(self)
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
            Self::Removed { removed_at: Some(_), .. } => Some(
                "nothing is damaged: name a snapshot that still exists, or put a file named HOLD into a snapshot that must \
                 stay",
            ),
            Self::Removed { removed_at: None, .. } => {
                Some("somebody moved or removed it: name the folder where it is now, or restore it from a copy")
            }
            Self::NoTable { .. } => Some(
                "set at least one format in output.tables; snapshots from then on can be compared and rendered again",
            ),
            Self::Unsupported { .. } => {
                Some("read it with the version of bt-rollcall that wrote it (`tool` in its manifest)")
            }
            Self::Manifest { .. } => Some("run `bt-rollcall verify` on that folder, and restore it from a copy"),
            Self::Table { .. } | Self::Unsealable { .. } => Some("this is a defect of bt-rollcall; please report it"),
            // `run` knows how to look at the process that holds the lock.
            Self::Busy { .. } | Self::NotARunId { .. } | Self::IsLinked { .. } | Self::NotASnapshot { .. } => None,
        }
    }
}

/// Returns what happened to a snapshot whose folder does not exist any more.
fn removal(removed_at: Option<&str>) -> String {
    match removed_at {
        Some(at) => format!("retention removed this snapshot at {at}"),
        None => "this snapshot was moved or removed while it was read".to_owned(),
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
        // Pipes, sockets and devices are an invalid input (`regular_file`).
        io::ErrorKind::NotADirectory
        | io::ErrorKind::AlreadyExists
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::InvalidInput => Some("move away the file or folder that has this name"),
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
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
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
    fn a_pipe_in_place_of_a_file_is_reported_with_a_hint() {
        let error = SnapshotError::io("read", "/x/manifest.json")(crate::regular_file::NotRegular::Pipe.into());
        assert_eq!(error.to_string(), "read /x/manifest.json: is a pipe");
        assert!(error.hint().unwrap().starts_with("move away"));
    }

    #[test]
    fn a_full_disk_while_writing_a_table_is_reported_too() {
        let error = SnapshotError::table("/x/users.parquet".into())(io::Error::from_raw_os_error(28).into());
        assert_eq!(error.to_string(), "write /x/users.parquet: the disk is full");
    }
}
