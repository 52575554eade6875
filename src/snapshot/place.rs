//! Single files: atomic replacement, and a test of write access to a folder. Nothing here knows their contents.
//!
//! The metrics file and the rendered report are written through this module, because only `snapshot` may rename files.

use super::error::SnapshotError;
use super::survey::is_absent;
use super::{LOCK, STAGING, create_folder, names_in, sync_folder};
use crate::regular_file::{self, NotRegular};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Prefix of the files that test write access. The id of the process follows.
const PROBE: &str = ".write-test-";

/// Users that may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Only the owner (mode 0600), because the file contains data about people.
    Owner,
    /// All users (mode 0644), such as a metrics collector.
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

/// Replaces a file by one rename, so that readers see either the old or the new file.
pub fn replace_file(path: &Path, content: &[u8], readers: Readers) -> Result<(), SnapshotError> {
    // The rename would replace a device such as /dev/null for every program. A link is replaced and not followed.
    let other = fs::symlink_metadata(path).ok().and_then(|found| NotRegular::of(found.file_type()));
    if let Some(other) = other {
        return Err(SnapshotError::io("replace", path)(other.into()));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    replace(path, &folder_of(path).join(hidden(".", &name)), content, readers)
}

/// Restores a file of a published snapshot.
///
/// It is first written next to the snapshot, so that the snapshot never contains another file. After a kill, the next
/// run removes it by its prefix.
pub fn restore_file(snapshot: &Path, name: &str, content: &[u8]) -> Result<(), SnapshotError> {
    replace(&snapshot.join(name), &folder_of(snapshot).join(hidden(STAGING, name)), content, Readers::Owner)
}

/// Checks whether runs publish into this folder.
pub fn is_store(folder: &Path) -> bool {
    !is_absent(&folder.join(LOCK))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Returns a hidden name that nobody can predict, so that no other user can create a file or link of this name in
/// advance.
fn hidden(prefix: &str, name: &str) -> String {
    format!("{prefix}{name}.{:016x}", fastrand::u64(..))
}

/// Checks whether [`hidden`] returns this name for a file that [`replace_file`] replaces, or [`test_write_access`] uses it.
fn is_temporary(name: &str, files: &[&OsStr]) -> bool {
    let is_of = |file: &&OsStr| {
        let random = name.strip_prefix('.').and_then(|name| name.strip_prefix(file.to_str()?)?.strip_prefix('.'));
        random.is_some_and(|random| random.len() == 16 && random.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    let is_probe =
        name.strip_prefix(PROBE).is_some_and(|pid| !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit()));
    is_probe || files.iter().any(is_of)
}

/// Removes the temporary files that killed processes left in a folder: those of [`test_write_access`], and those of
/// [`replace_file`] for files of these names. Returns the removed paths.
///
/// Whoever writes such a file holds a lock on it, so a file of a living process stays. What cannot be removed stays, too.
pub fn clean_temporary_files(folder: &Path, files: &[&OsStr]) -> Vec<PathBuf> {
    let names = names_in(folder).unwrap_or_default().into_iter().filter(|name| is_temporary(name, files));
    let remove = |path: &PathBuf| {
        let Ok(file) = regular_file::open(path) else { return false };
        // Its owner may have removed the file meanwhile, and created another one of the same name.
        let is_still_there = || is_same_file(&file, path).unwrap_or(false);
        file.try_lock().is_ok() && is_still_there() && fs::remove_file(path).is_ok()
    };
    names.map(|name| folder.join(name)).filter(remove).collect()
}

fn is_same_file(file: &File, path: &Path) -> io::Result<bool> {
    let (open, there) = (file.metadata()?, fs::metadata(path)?);
    Ok((open.dev(), open.ino()) == (there.dev(), there.ino()))
}

fn replace(path: &Path, staged: &Path, content: &[u8], readers: Readers) -> Result<(), SnapshotError> {
    let mut file = create_locked(staged).map_err(SnapshotError::io("write in", folder_of(staged)))?;
    // Set after creation, because the umask of the service would remove the rights of other readers.
    let written = file.set_permissions(readers.mode()).and_then(|()| file.write_all(content));
    let placed = written.and_then(|()| file.sync_all()).and_then(|()| fs::rename(staged, path));
    if let Err(error) = placed {
        // If this fails, too, only a hidden file remains. The first error is the one to report.
        let _ = fs::remove_file(staged);
        return Err(SnapshotError::io("write", path)(error));
    }
    sync_folder(folder_of(path))
}

/// Creates a file that [`clean_temporary_files`] of another process leaves alone.
///
/// That process may find the file before it is locked, and remove it. Then the file is created again.
fn create_locked(path: &Path) -> io::Result<File> {
    loop {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        // The other process holds the lock for an instant. A file system without locks has no protection here, and
        // needs none in practice.
        let _ = file.lock();
        if file.metadata()?.nlink() > 0 {
            return Ok(file);
        }
    }
}

/// Creates a folder if it is missing, and writes and removes a file in it.
pub fn test_write_access(folder: &Path) -> Result<(), SnapshotError> {
    create_folder(folder, true)?;
    let probe = folder.join(format!("{PROBE}{}", std::process::id()));
    let mut file = create_locked(&probe).map_err(SnapshotError::io("write in", folder))?;
    let written = file.write_all(b"test");
    let removed = fs::remove_file(&probe);
    written.and(removed).map_err(SnapshotError::io("write in", folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_file_is_replaced_with_its_mode_and_no_other_file_is_left() {
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
    fn a_file_left_by_a_killed_restore_is_next_to_the_snapshot_and_removed_by_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let (dir, snapshot) = (folder.path().join("store"), folder.path().join("store/20261123T020000Z-0001"));
        fs::create_dir_all(&snapshot).unwrap();
        restore_file(&snapshot, "report.html", b"page").unwrap();
        assert_eq!(fs::read(snapshot.join("report.html")).unwrap(), b"page");
        assert_eq!((fs::read_dir(&snapshot).unwrap().count(), fs::read_dir(&dir).unwrap().count()), (1, 1));
        assert!(!is_store(&dir));
        let store = crate::snapshot::Store::new(&dir).lock(&folder.path().join("state")).unwrap();
        assert!(is_store(&dir));
        fs::write(dir.join(hidden(STAGING, "report.html")), b"half").unwrap();
        assert_eq!(store.clean_leftovers().unwrap().len(), 1);
        assert!(restore_file(&dir.join("gone/deep"), "report.html", b"").is_err());
    }

    #[test]
    fn a_device_or_a_pipe_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let error = replace_file(&pipe, b"x", Readers::All).unwrap_err();
        assert!(error.to_string().ends_with("is a pipe"), "{error}");
        assert!(!fs::metadata(&pipe).unwrap().is_file());
    }

    #[test]
    fn temporary_files_of_killed_processes_are_removed_and_those_of_living_ones_stay() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let living = hidden(".", "bt.prom");
        let dead = [&hidden(".", "bt.prom"), &hidden(".", "bt-attempt.prom"), ".write-test-4711"];
        let others =
            [".write-test-x", ".bt.prom.swp", ".bt.prom.00112233445566xx", "bt.prom", &hidden(".", "other.prom")];
        for name in dead.into_iter().chain(others).chain([living.as_str()]) {
            fs::write(at(name), "").unwrap();
        }
        std::os::unix::fs::symlink(at("bt.prom"), at(".write-test-1")).unwrap();
        fs::create_dir(at(".write-test-2")).unwrap();
        let held = fs::File::open(at(&living)).unwrap();
        held.lock().unwrap();
        let mut removed = clean_temporary_files(folder.path(), &["bt.prom", "bt-attempt.prom"].map(OsStr::new));
        removed.sort();
        let mut expected = dead.map(at).to_vec();
        expected.push(at(".write-test-1"));
        expected.sort();
        assert_eq!(removed, expected);
        assert!(at("bt.prom").exists() && at(&living).exists() && at(".write-test-2").exists());
    }

    #[test]
    fn a_process_that_cleans_does_not_disturb_another_one_that_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bt.prom");
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    clean_temporary_files(folder.path(), &["bt.prom"].map(OsStr::new));
                }
            });
            let write = || test_write_access(folder.path()).and_then(|()| replace_file(&path, b"x", Readers::All));
            let failed = (0..300).map(|_| write()).find_map(Result::err);
            done.store(true, Ordering::Relaxed);
            assert!(failed.is_none(), "{failed:?}");
        });
    }

    #[test]
    fn a_folder_that_cannot_be_created_is_named_in_the_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"x").unwrap();
        assert!(test_write_access(&file.join("below")).unwrap_err().to_string().contains("below"));
        assert!(replace_file(&file.join("x"), b"", Readers::All).is_err());
        assert!(test_write_access(&folder.path().join("new/deep")).is_ok());
    }
}
