//! A hold: a file named `HOLD` in a snapshot's folder, put there by a person (a litigation hold, an open audit). While it is
//! there, retention leaves the snapshot alone. What stands in it is for people; the program shows its first line.

use super::error::SnapshotError;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// The file's name.
pub(super) const HOLD: &str = "HOLD";
/// Octets of it that are looked at.
const OCTETS: u64 = 1_024;
/// Characters of its first line that are shown.
const SHOWN: usize = 200;

/// That a snapshot is held, and the first line of what was written about it: short, and without a character that would act on
/// the text around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold(String);

impl Hold {
    /// Of what stands in the file.
    pub fn of(content: &[u8]) -> Self {
        let text = String::from_utf8_lossy(content);
        Self(visible(text.lines().next().unwrap_or_default().trim(), SHOWN))
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

/// Whether the snapshot in this folder is held. What cannot be read holds all the same: somebody put it there.
pub(super) fn of_folder(folder: &Path) -> Result<Option<Hold>, SnapshotError> {
    let path = folder.join(HOLD);
    let found = match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(SnapshotError::io("look at", &path))?,
    };
    if !found.is_file() {
        return Ok(Some(Hold("not a regular file".to_owned())));
    }
    let mut content = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(OCTETS).read_to_end(&mut content));
    Ok(Some(read.map_or_else(|error| Hold(format!("cannot be read: {error}")), |_| Hold::of(&content))))
}

/// Text from outside for a terminal: so many characters of it, and what is not printable as Rust escapes it; quotes and
/// backslashes stand as they are.
pub fn visible(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for (at, c) in text.chars().enumerate() {
        match c {
            _ if at == most => return shown + "…",
            '"' | '\'' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_shown_short_and_with_its_control_characters_visible() {
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
    fn whatever_bears_the_name_holds() {
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
