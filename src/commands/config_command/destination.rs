//! Writes the file of `config init`, or says why that is impossible and how to go on.

use crate::escape::shell_word;
use rustix::fs::{Access, OFlags, access};
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Returns why a file cannot be written, with the cure. `replaces`: an existing file may be replaced.
pub(super) fn why_not_written(path: &Path, replaces: bool) -> Option<String> {
    let shown = path.display();
    if path.is_dir() {
        let example = path.join("bt-rollcall.toml");
        return Some(format!("{shown} is a folder; name a file in it, such as --output {}", shell_word(&example)));
    }
    // A link to nothing exists, too.
    if path.symlink_metadata().is_ok() {
        return match (replaces, access(path, Access::WRITE_OK)) {
            (false, _) => Some(exists(path)),
            (true, Err(rustix::io::Errno::NOENT) | Ok(())) => None,
            (true, Err(_)) => Some(format!("{shown} cannot be written by this user; {CURE}")),
        };
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let existing = folder.ancestors().find(|ancestor| fs::metadata(ancestor).is_ok()).unwrap_or(Path::new("."));
    if !existing.is_dir() {
        let (folder, existing) = (folder.display(), existing.display());
        return Some(format!(
            "{shown}: {folder} cannot be a folder, because {existing} is a file; name another path with --output"
        ));
    }
    if access(existing, Access::WRITE_OK | Access::EXEC_OK).is_ok() {
        return None;
    }
    Some(if existing == folder {
        format!("{shown}: the folder {} cannot be written by this user; {CURE}", folder.display())
    } else {
        format!(
            "{shown}: the folder {} does not exist, and this user cannot create it; create it with: sudo install -d {}, or name \
             another path with --output",
            folder.display(),
            shell_word(folder)
        )
    })
}

/// Writes the file with mode 0644: it contains no secret, and the job runs as another user than the one who writes it.
pub(super) fn write(path: &Path, text: &str, replaces: bool) -> Result<(), String> {
    try_write(path, text, replaces).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists if !replaces => exists(path),
        _ => format!("{}: failed to write: {error}; name another path with --output", path.display()),
    })
}

fn try_write(path: &Path, text: &str, replaces: bool) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    // A pipe without a reader is refused at once and not waited for.
    options.write(true).custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed());
    // Another process may have made the file since the questions were asked.
    if replaces {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let mut file = options.open(path)?;
    // Set after the creation: the umask, or the mode of a file that is replaced, would keep other users out.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o644))?;
    }
    file.write_all(text.as_bytes())
}

const CURE: &str = "start the command with sudo, or name another path with --output";

fn exists(path: &Path) -> String {
    format!("{}: the file exists; name another one with --output, or add --force to replace it", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    #[test]
    fn existing_file_is_replaced_only_with_the_flag() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        fs::write(&path, "mine").unwrap();
        assert!(why_not_written(&path, false).unwrap().contains("the file exists; name another one"));
        assert_eq!(why_not_written(&path, true), None);
        assert!(write(&path, "new", false).unwrap_err().contains("--force"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("none"), &link).unwrap();
        assert!(why_not_written(&link, false).unwrap().contains("the file exists"));
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(write(&pipe, "x", true).unwrap_err().contains("failed to write"));
    }

    #[test]
    fn folder_and_path_below_a_file_are_refused_with_the_cure() {
        let folder = tempfile::tempdir().unwrap();
        let why = why_not_written(folder.path(), true).unwrap();
        assert!(why.contains("is a folder; name a file in it") && why.ends_with("/bt-rollcall.toml"), "{why}");
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let why = why_not_written(&file.join("a/c.toml"), false).unwrap();
        assert!(why.contains("file is a file; name another path with --output"), "{why}");
        let missing = folder.path().join("a/b/c.toml");
        assert_eq!(why_not_written(&missing, false), None);
        write(&missing, "x", false).unwrap();
        assert_eq!(fs::read_to_string(&missing).unwrap(), "x");
    }
}
