//! What can go wrong on the disk, in words that name the path, the operation and the cure. Knows no exit code.

use crate::table::TableError;
use std::io;
use std::path::{Path, PathBuf};

/// Why a snapshot could not be written, published, read or removed. The text fits after "failed to".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The operating system said no.
    #[error("{operation} {}: {}", path.display(), cause(source))]
    Io {
        /// What was tried: a verb.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Another run holds the lock.
    #[error("take the lock {}: another run holds it{}", lock.display(), process(*pid))]
    Busy {
        /// The lock file.
        lock: PathBuf,
        /// The process that wrote itself into it.
        pid: Option<u32>,
    },
    /// The rows do not fit the columns: a defect of this program.
    #[error("write {}: {reason}", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// In words.
        reason: String,
    },
    /// What was about to be sealed would not verify: a defect of this program.
    #[error("seal {}: {why}", path.display())]
    Unsealable {
        /// The staging folder.
        path: PathBuf,
        /// In words.
        why: String,
    },
    /// A file or folder stands where `latest` or `latest-complete` belongs.
    #[error("point {} to a snapshot: it is not a link", path.display())]
    LinkInTheWay {
        /// Where the link belongs.
        path: PathBuf,
    },
    /// A name that is not a run id was given for a snapshot.
    #[error("use {name:?} as a snapshot: that is not a run id")]
    NotARunId {
        /// The name.
        name: String,
    },
    /// The targets of `latest` and `latest-complete` must never be removed.
    #[error("remove {}: `{link}` points to it", path.display())]
    IsLinked {
        /// Folder of the snapshot.
        path: PathBuf,
        /// Name of the link.
        link: &'static str,
    },
    /// A snapshot that is to be read is not what its manifest says.
    #[error("trust the snapshot {}: {why}", path.display())]
    NotIntact {
        /// Its folder.
        path: PathBuf,
        /// The first problem, and how many more there are.
        why: String,
    },
    /// A table that is to be read is in no format there.
    #[error("read {}: the snapshot holds no table of {table}", path.display())]
    NoTable {
        /// The snapshot's folder.
        path: PathBuf,
        /// Which.
        table: &'static str,
    },
    /// A table that is to be read holds what this program does not write.
    #[error("read {}: {reason}", path.display())]
    Strange {
        /// The file.
        path: PathBuf,
        /// In words, with the row.
        reason: String,
    },
    /// A manifest that cannot be understood.
    #[error("read {}: {reason}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// In words.
        reason: String,
    },
}

impl SnapshotError {
    /// Wraps what the operating system said of `path`.
    pub fn io(operation: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { operation, path: path.as_ref().to_owned(), source }
    }

    /// Wraps what writing a table said.
    pub(super) fn table(path: PathBuf) -> impl FnOnce(TableError) -> Self {
        move |error| match error {
            TableError::Io(source) => Self::Io { operation: "write", path, source },
            TableError::Encode(why) => Self::Table { path, reason: why.to_string() },
        }
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Io { source, .. } => hint_for(source.kind()),
            Self::Busy { .. } => {
                Some("wait until it ends; the lock frees itself when that process ends, even if killed")
            }
            Self::LinkInTheWay { .. } => Some("move it away: the program makes and replaces this link itself"),
            Self::NotIntact { .. } => Some(
                "name the folder of a published snapshot, below output.dir; `bt-rollcall verify` on it names every problem. \
                 If it was one, restore it from a copy",
            ),
            Self::NoTable { .. } => Some(
                "name at least one format in output.tables: the next snapshot can be compared, and its page rendered again",
            ),
            Self::Strange { .. } => {
                Some("read it with the version of bt-rollcall that wrote it (tool in its manifest)")
            }
            Self::Manifest { .. } => Some("run `bt-rollcall verify` on that folder"),
            Self::Table { .. } | Self::Unsealable { .. } => Some("this is a defect of bt-rollcall: please report it"),
            Self::NotARunId { .. } | Self::IsLinked { .. } => None,
        }
    }
}

fn hint_for(kind: io::ErrorKind) -> Option<&'static str> {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(
            "free some space there, or keep fewer snapshots (output.keep_days, output.keep_runs, `bt-rollcall prune`)",
        ),
        io::ErrorKind::PermissionDenied => Some("give that folder to the user that runs bt-rollcall, with mode 0700"),
        io::ErrorKind::ReadOnlyFilesystem => {
            Some("name a writable folder in output.dir and state_dir, and in ReadWritePaths= of the systemd unit")
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => Some("move away what stands there"),
        _ => None,
    }
}

/// The operating system's words, plainer where the case is a common one.
fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        io::ErrorKind::QuotaExceeded => "the disk quota is used up".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_with_its_path_and_a_cure() {
        // 28 is ENOSPC on Linux.
        let error = SnapshotError::io("write", "/x/users.csv")(io::Error::from_raw_os_error(28));
        assert_eq!(error.to_string(), "write /x/users.csv: the disk is full");
        assert!(error.hint().unwrap().starts_with("free some space"));
    }

    #[test]
    fn a_full_disk_below_a_table_is_named_too() {
        let error = SnapshotError::table("/x/users.parquet".into())(io::Error::from_raw_os_error(28).into());
        assert_eq!(error.to_string(), "write /x/users.parquet: the disk is full");
    }
}
