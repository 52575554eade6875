//! Single files and folders beside the snapshots: replaced whole, or tried out. Knows no content.

use super::error::SnapshotError;
use super::{LOCK, STAGING, create_folder, sync_folder};
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Its owner: it tells of people.
    Owner,
    /// Other programs too, such as a metrics collector.
    All,
}

impl Readers {
    fn mode(self) -> Permissions {
        Permissions::from_mode(match self {
            Self::Owner => 0o600,
            Self::All => 0o644,
        })
    }
}

/// Replaces a file by one rename, so that a reader sees the old or the new one, never half.
pub fn replace_file(path: &Path, content: &[u8], readers: Readers) -> Result<(), SnapshotError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    replace(path, &folder_of(path).join(hidden(".", &name)), content, readers)
}

/// Puts a file back into a published snapshot. It is made beside the snapshot, under a name that the next run cleans away if
/// this process is killed: nobody ever sees a file in a snapshot that does not belong there.
pub fn put_back(snapshot: &Path, name: &str, content: &[u8]) -> Result<(), SnapshotError> {
    replace(&snapshot.join(name), &folder_of(snapshot).join(hidden(STAGING, name)), content, Readers::Owner)
}

/// Whether runs publish into this folder.
pub fn is_store(folder: &Path) -> bool {
    folder.join(LOCK).exists()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Nobody can lay out a file or a link of this name beforehand.
fn hidden(prefix: &str, name: &str) -> String {
    format!("{prefix}{name}.{:016x}", fastrand::u64(..))
}

fn replace(path: &Path, staged: &Path, content: &[u8], readers: Readers) -> Result<(), SnapshotError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(staged);
    let mut file = file.map_err(SnapshotError::io("write in", folder_of(staged)))?;
    // Whatever the umask is: the service's would make it private.
    let written = file.set_permissions(readers.mode()).and_then(|()| file.write_all(content));
    let placed = written.and_then(|()| file.sync_all()).and_then(|()| fs::rename(staged, path));
    if let Err(error) = placed {
        // What cannot be removed either is a hidden file.
        let _ = fs::remove_file(staged);
        return Err(SnapshotError::io("write", path)(error));
    }
    sync_folder(folder_of(path))
}

/// Makes the folder if it is missing, and tries to write a file in it.
pub fn test_write_access(folder: &Path) -> Result<(), SnapshotError> {
    create_folder(folder, true)?;
    let probe = folder.join(format!(".write-test-{}", std::process::id()));
    let written = fs::write(&probe, b"test");
    let removed = fs::remove_file(&probe);
    written.and(removed).map_err(SnapshotError::io("write in", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.prom");
        for (content, readers, mode) in [(b"one", Readers::All, 0o644), (b"two", Readers::Owner, 0o600)] {
            replace_file(&path, content, readers).unwrap();
            assert_eq!(fs::read(&path).unwrap(), content);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        }
    }

    #[test]
    fn what_a_kill_leaves_of_a_file_that_was_put_back_is_beside_the_snapshot_and_cleaned_away() {
        let folder = tempfile::tempdir().unwrap();
        let (dir, snapshot) = (folder.path().join("store"), folder.path().join("store/20261123T020000Z-0001"));
        fs::create_dir_all(&snapshot).unwrap();
        put_back(&snapshot, "report.html", b"page").unwrap();
        assert_eq!(fs::read(snapshot.join("report.html")).unwrap(), b"page");
        assert_eq!((fs::read_dir(&snapshot).unwrap().count(), fs::read_dir(&dir).unwrap().count()), (1, 1));
        assert!(!is_store(&dir));
        let store = crate::snapshot::Store::new(&dir).lock(&folder.path().join("state")).unwrap();
        assert!(is_store(&dir));
        fs::write(dir.join(hidden(STAGING, "report.html")), b"half").unwrap();
        assert_eq!(store.clean_leftovers().unwrap().len(), 1);
        assert!(put_back(&dir.join("gone/deep"), "report.html", b"").is_err());
    }

    #[test]
    fn a_folder_that_cannot_be_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"x").unwrap();
        assert!(test_write_access(&file.join("below")).unwrap_err().to_string().contains("below"));
        assert!(replace_file(&file.join("x"), b"", Readers::All).is_err());
        assert!(test_write_access(&folder.path().join("new/deep")).is_ok());
    }
}
