//! Finds the folder of a snapshot for a path that somebody typed, and says what else the path is. Changes nothing.

use super::error::SnapshotError;
use super::{LATEST, MANIFEST, Store, is_store};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Returns the real path of a snapshot: its name is the run id, and its parent contains the baseline.
///
/// Errors: [`SnapshotError::NotASnapshot`] with the cure.
pub fn snapshot_folder(dir: &Path) -> Result<PathBuf, SnapshotError> {
    let refused = |why: String| SnapshotError::NotASnapshot { path: dir.to_owned(), why };
    let path = fs::canonicalize(dir).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => refused(format!("it does not exist; {EXAMPLE}")),
        _ => unreadable(dir, error),
    })?;
    if !path.is_dir() {
        return Err(refused(format!("it is a file; {EXAMPLE}")));
    }
    match fs::symlink_metadata(path.join(MANIFEST)) {
        Ok(_) => return Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(unreadable(dir, error)),
    }
    let published = Store::new(&path).snapshots()?;
    Err(refused(match published.last() {
        None if is_store(&path) => {
            "it is a folder of snapshots that contains none yet; run `bt-rollcall run`".to_owned()
        }
        None => format!("it is not a snapshot: it has no {MANIFEST}; {EXAMPLE}"),
        Some(newest) => {
            let name = if path.join(LATEST).join(MANIFEST).is_file() { LATEST } else { newest };
            let (count, noun) = (published.len(), if published.len() == 1 { "snapshot" } else { "snapshots" });
            let place = dir.display();
            format!(
                "it holds {count} {noun}; name one, such as {place}/{name}, or use `bt-rollcall verify --chain {place}`"
            )
        }
    }))
}

/// Returns the error for a path that exists and cannot be read. Only its owner can read a snapshot.
pub(super) fn unreadable(dir: &Path, error: io::Error) -> SnapshotError {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return SnapshotError::io("open", dir)(error);
    }
    let why = "permission denied; run the command as the user that owns the folder, or as root".to_owned();
    SnapshotError::NotASnapshot { path: dir.to_owned(), why }
}

const EXAMPLE: &str = "name a folder such as /var/lib/bt-rollcall/snapshots/latest";

#[cfg(test)]
mod tests {
    use super::*;

    fn why(dir: &Path) -> String {
        snapshot_folder(dir).unwrap_err().to_string()
    }

    #[test]
    fn a_folder_of_another_user_is_named_with_the_reason_and_a_cure() {
        let denied = unreadable(Path::new("/x"), io::ErrorKind::PermissionDenied.into());
        let words = "permission denied; run the command as the user that owns the folder, or as root";
        assert_eq!(denied.to_string(), format!("read /x: {words}"));
        // The root user may read every folder, so a link to itself stands for one that cannot be read.
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("20261123T020000Z-0001");
        fs::create_dir(&dir).unwrap();
        std::os::unix::fs::symlink(dir.join("latest"), dir.join("latest")).unwrap();
        assert!(!why(&dir.join("latest")).contains("has no manifest.json"));
    }

    #[test]
    fn every_other_path_is_named_with_what_it_is_and_with_a_cure() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert!(
            why(&at("missing"))
                .ends_with("it does not exist; name a folder such as /var/lib/bt-rollcall/snapshots/latest")
        );
        fs::write(at("file"), "").unwrap();
        assert!(why(&at("file")).contains("it is a file; name a folder"));
        assert!(why(folder.path()).contains("it is not a snapshot: it has no manifest.json; name a folder"));
        fs::write(at(".lock"), "").unwrap();
        assert!(why(folder.path()).contains("contains none yet"));
        for run in ["20261123T020000Z-0001", "20261123T020000Z-0002"] {
            fs::create_dir(at(run)).unwrap();
            fs::write(at(run).join(MANIFEST), "{}").unwrap();
        }
        assert_eq!(
            snapshot_folder(&at("20261123T020000Z-0001")).unwrap(),
            fs::canonicalize(at("20261123T020000Z-0001")).unwrap()
        );
        let place = folder.path().display();
        assert_eq!(
            why(folder.path()),
            format!(
                "read {place}: it holds 2 snapshots; name one, such as {place}/20261123T020000Z-0002, or use \
                 `bt-rollcall verify --chain {place}`"
            )
        );
    }
}
