//! Reads paths that the program writes to.
//!
//! Such a path is absolute: what a scheduler, a service and an administrator write must not depend on where the file is. Paths that are
//! read only (secrets, certificates, exceptions) may be relative to the folder of the configuration file (`reference`).

use super::conflicts;
use super::section::Section;
use std::path::{Path, PathBuf};

/// Folder of the lock and the spool unless the configuration names another one.
pub const STATE_DIR: &str = "/var/lib/bt-rollcall";

/// Reads a path that the program writes to. A relative one is a problem.
pub(super) fn written(section: &Section<'_>, key: &'static str) -> Option<PathBuf> {
    let text = section.text(key)?;
    let path = PathBuf::from(text);
    let why = if path.is_absolute() { why_not_of_users(&conflicts::real(&path)) } else { Some(relative(text)) };
    let Some(why) = why else { return Some(path) };
    section.problem(key, why);
    None
}

/// Folders of the kernel, in which nobody can keep files.
const KERNEL_FOLDERS: [&str; 3] = ["/proc", "/sys", "/dev"];
/// A folder below one of them that keeps files until the machine is restarted.
const MEMORY: &str = "/dev/shm";

/// Returns why a path cannot be that of files of a user.
fn why_not_of_users(path: &Path) -> Option<String> {
    if path.parent().is_none() {
        return Some(format!("/ is the root of the file system; write a folder of its own, such as {STATE_DIR:?}"));
    }
    let folder = KERNEL_FOLDERS.iter().find(|folder| path.starts_with(folder) && !path.starts_with(MEMORY))?;
    Some(format!(
        "{} is in {folder}, which keeps no files; write another path, such as one below {STATE_DIR:?}",
        path.display()
    ))
}

fn relative(text: &str) -> String {
    let example = format!("{STATE_DIR}/{}", text.trim_start_matches(['~', '$', '.', '/']));
    not_expanded(text).unwrap_or_else(|| format!("the path is relative; write an absolute path, such as {example:?}"))
}

/// Returns that a path begins as in a shell, with the cure.
pub(super) fn not_expanded(text: &str) -> Option<String> {
    let example = format!("{STATE_DIR}/{}", text.trim_start_matches(['~', '$', '.', '/']));
    text.starts_with(['~', '$'])
        .then(|| format!("~ and variables are not expanded; write an absolute path, such as {example:?}"))
}
