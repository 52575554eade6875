//! Single files and folders beside the snapshots: replaced whole, or tried out. Knows no content.

use super::error::SnapshotError;
use super::{create_folder, sync_folder};
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
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let staged = folder.join(format!(".{name}.{}", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&staged)
        .and_then(|mut file| {
            // Whatever the umask is: the service's would make it private.
            file.set_permissions(readers.mode())?;
            file.write_all(content).and_then(|()| file.sync_all())
        })
        .and_then(|()| fs::rename(&staged, path));
    if let Err(error) = written {
        // What cannot be removed either is a hidden file that the next try overwrites.
        let _ = fs::remove_file(&staged);
        return Err(SnapshotError::io("write", path)(error));
    }
    sync_folder(folder)
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
    fn a_folder_that_cannot_be_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"x").unwrap();
        assert!(test_write_access(&file.join("below")).unwrap_err().to_string().contains("below"));
        assert!(replace_file(&file.join("x"), b"", Readers::All).is_err());
        assert!(test_write_access(&folder.path().join("new/deep")).is_ok());
    }
}
