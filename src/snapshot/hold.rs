//! Holds: a file named `HOLD` that a person puts into the folder of a snapshot, for a litigation hold or an open audit.
//!
//! Retention never removes a snapshot with this file. Its text is for people; the program shows the first line.

use super::error::SnapshotError;
use crate::escape::printable;
use crate::regular_file;
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

/// Name of the file.
pub(super) const HOLD: &str = "HOLD";
/// Number of bytes that are read.
const MAX_BYTES: u64 = 1_024;
/// Maximum length of the first line, in characters.
const MAX_LINE: usize = 200;

/// Hold on a snapshot, with the first line of its file. The line is shortened, and control characters are escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold(String);

impl Hold {
    /// Creates a hold from the content of its file.
    pub fn of(content: &[u8]) -> Self {
        let text = String::from_utf8_lossy(content);
        Self(printable(text.lines().next().unwrap_or_default().trim(), MAX_LINE))
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_str() {
            "" => f.write_str("held"),
            line => write!(f, "held: {line}"),
        }
    }
}

/// Reads the hold of the snapshot in a folder; `None` if there is none.
///
/// A file that cannot be read, and a folder or link of this name, is a hold, too: somebody put it there.
pub(super) fn of_folder(folder: &Path) -> Result<Option<Hold>, SnapshotError> {
    let path = folder.join(HOLD);
    let found = match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(SnapshotError::io("read", &path))?,
    };
    if !found.is_file() {
        return Ok(Some(Hold("not a regular file".to_owned())));
    }
    let mut content = Vec::new();
    let read = regular_file::open(&path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut content));
    Ok(Some(read.map_or_else(|error| Hold(format!("cannot be read: {error}")), |_| Hold::of(&content))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_shortened_and_its_control_characters_are_escaped() {
        let shown = |content: &[u8]| Hold::of(content).to_string();
        assert_eq!(shown(b""), "held");
        assert_eq!(shown(b"\nsecond"), "held");
        assert_eq!(shown("Müller v. Example, \"2026\"\r\nask legal\n".as_bytes()), "held: Müller v. Example, \"2026\"");
        assert_eq!(shown("a\x1b[2Jb\u{202e}c".as_bytes()), "held: a\\u{1b}[2Jb\\u{202e}c");
        assert_eq!(shown(&[0xff, b'x']), "held: \u{fffd}x");
        assert_eq!(shown("ü".repeat(201).as_bytes()), format!("held: {}…", "ü".repeat(200)));
        assert!(shown(&[b'\x07'; 5_000]).len() < 2_000);
    }

    #[test]
    fn any_file_or_folder_of_the_name_is_a_hold() {
        let folder = tempfile::tempdir().unwrap();
        let held = || of_folder(folder.path()).unwrap().map(|hold| hold.to_string());
        assert_eq!(held(), None);
        fs::create_dir(folder.path().join(HOLD)).unwrap();
        assert_eq!(held().as_deref(), Some("held: not a regular file"));
        fs::remove_dir(folder.path().join(HOLD)).unwrap();
        fs::write(folder.path().join(HOLD), "case 12").unwrap();
        assert_eq!(held().as_deref(), Some("held: case 12"));
    }
}
