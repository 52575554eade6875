//! Reads paths that the program writes to.
//!
//! Such a path is absolute: what a scheduler, a service and an administrator write must not depend on where the file is. Paths that are
//! read only (secrets, certificates, exceptions) may be relative to the folder of the configuration file (`reference`).

use super::section::Section;
use std::path::{Path, PathBuf};

/// Folder of the lock and the spool unless the configuration names another one.
pub const STATE_DIR: &str = "/var/lib/bt-rollcall";

/// Reads a path that the program writes to. A relative one is a problem.
pub(super) fn written(section: &Section<'_>, key: &'static str) -> Option<PathBuf> {
    let text = section.text(key)?;
    if Path::new(text).is_absolute() {
        return Some(PathBuf::from(text));
    }
    section.problem(key, relative(text));
    None
}

fn relative(text: &str) -> String {
    let what = if text.starts_with('~') || text.starts_with('$') {
        "~ and variables are not expanded"
    } else {
        "the path is relative"
    };
    format!("{what}; write an absolute path, such as \"{STATE_DIR}/{}\"", text.trim_start_matches(['~', '$', '.', '/']))
}
