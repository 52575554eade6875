//! Finds the folder of a snapshot for a path that somebody typed, and says what else the path is. Changes nothing.

use super::error::SnapshotError;
use super::ledger::Ledger;
use super::survey::{is_absent, may_be_snapshot};
use super::{LATEST, MANIFEST, Store, is_run_id, is_store};
use crate::escape::{printable, shell_word};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Returns the real path of a snapshot: its name is the run id, and its parent contains the baseline.
///
/// Errors: [`SnapshotError::NotASnapshot`] with the cure.
pub fn snapshot_folder(dir: &Path) -> Result<PathBuf, SnapshotError> {
    let refused = |why: String| SnapshotError::NotASnapshot { path: dir.to_owned(), why };
    let path = fs::canonicalize(dir).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => absent(dir).unwrap_or_else(|| refused(format!("it does not exist; {EXAMPLE}"))),
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
    if let Some(gone) = removed(&path) {
        return Err(gone);
    }
    if path.file_name().and_then(|name| name.to_str()).is_some_and(is_run_id) && may_be_snapshot(&path) {
        return Err(refused(format!("its {MANIFEST} is missing; restore it from a copy of the folder")));
    }
    let published = Store::new(&path).snapshots()?;
    Err(refused(match published.last() {
        None if is_store(&path) => {
            "it is a folder of snapshots that contains none yet; run `bt-rollcall run`".to_owned()
        }
        None => format!("it is not a snapshot: it has no {MANIFEST}; {EXAMPLE}"),
        Some(newest) => {
            let name = if is_absent(&path.join(LATEST).join(MANIFEST)) { newest } else { LATEST };
            let (count, noun) = (published.len(), if published.len() == 1 { "snapshot" } else { "snapshots" });
            let place = dir.display();
            format!(
                "it holds {count} {noun}; name one, such as {place}/{name}, or use `bt-rollcall verify --chain {}`",
                shell_word(dir)
            )
        }
    }))
}

/// Returns the error for a path that does not exist: what is known of it; `None` for nothing.
fn absent(dir: &Path) -> Option<SnapshotError> {
    match fs::read_link(dir) {
        Ok(target) => {
            let target = printable(&target.to_string_lossy(), 80);
            let why = format!(
                "it points to {target}, which does not exist; restore that snapshot from a copy, or name another one"
            );
            Some(SnapshotError::NotASnapshot { path: dir.to_owned(), why })
        }
        Err(_) => removed(dir).filter(|error| matches!(error, SnapshotError::Removed { removed_at: Some(_), .. })),
    }
}

/// Returns the error for a snapshot whose folder does not exist any more; `None` if it exists. `folder` is its real path.
pub fn removed(folder: &Path) -> Option<SnapshotError> {
    if !is_absent(folder) {
        return None;
    }
    let run_id = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // Retention writes the entry before it removes the folder. Without a readable ledger, the reason is unknown.
    let ledger = folder.parent().and_then(|store| Ledger::read(store).ok());
    let removed_at = ledger.and_then(|ledger| ledger.entry(run_id).map(|entry| entry.removed_at.clone()));
    Some(SnapshotError::Removed { path: folder.to_owned(), removed_at })
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
