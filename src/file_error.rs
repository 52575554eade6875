//! Describes in words why a file cannot be read, with the cure.
//!
//! `config`, `tls` and `commands` use it. The texts of the operating system ("No such file or directory (os error 2)") name no cure.

use std::io::{Error, ErrorKind};
use std::path::Path;

/// Returns why a file cannot be read: its path, the reason and the cure.
pub fn unreadable(path: &Path, error: &Error) -> String {
    let shown = path.display();
    match error.kind() {
        // A shell expands ~, this program does not.
        ErrorKind::NotFound if path.iter().any(|part| part == "~") => {
            format!("{shown} does not exist: ~ is not expanded; write the whole path")
        }
        ErrorKind::NotFound => format!("{shown} does not exist; create it, or correct the path"),
        ErrorKind::PermissionDenied => {
            format!("{shown} cannot be read by this user; start as the user of the service, or change the file's owner")
        }
        ErrorKind::IsADirectory => format!("{shown} is a folder; name a file"),
        ErrorKind::NotADirectory => format!("{shown} does not exist: a part of the path is a file; correct the path"),
        // Only our own errors have an inner one: a pipe, a socket, a device.
        ErrorKind::InvalidInput if error.get_ref().is_some() => format!("{shown} {error}; name a regular file"),
        ErrorKind::FileTooLarge if error.get_ref().is_some() => format!("{shown} {error}; name another file"),
        ErrorKind::InvalidData => format!("{shown} is not UTF-8 text; save it as UTF-8"),
        _ => format!("{shown} cannot be read: {error}; check the disk"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_names_the_file_and_a_cure() {
        for (kind, path, cure) in [
            (ErrorKind::NotFound, "/etc/x", "create it"),
            (ErrorKind::NotFound, "/home/~/x", "write the whole path"),
            (ErrorKind::PermissionDenied, "/etc/x", "user of the service"),
            (ErrorKind::IsADirectory, "/etc/x", "name a file"),
            (ErrorKind::NotADirectory, "/etc/x", "correct the path"),
            (ErrorKind::InvalidData, "/etc/x", "UTF-8"),
            (ErrorKind::Other, "/etc/x", "check the disk"),
        ] {
            let text = unreadable(Path::new(path), &Error::from(kind));
            assert!(text.starts_with(path) && text.contains(cure) && !text.contains("os error"), "{text}");
        }
    }
}
