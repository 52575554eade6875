//! Opens and reads regular files only, within a size limit. Every reader of a file that somebody else may have put there uses it.
//!
//! A named pipe would let a reader wait for ever, a device may never end, and a huge file would fill the memory. Links to
//! regular files are followed: Kubernetes mounts secrets as links.

use rustix::fs::OFlags;
use std::fmt;
use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Largest configuration file and register of exceptions in bytes: 16 MiB, some 50,000 exceptions.
pub const MAX_TEXT: u64 = 16 << 20;
/// Largest file of certificates in bytes. The bundle of a system has 250 KB.
pub const MAX_PEM: u64 = 4 << 20;
/// Largest secret in bytes.
pub const MAX_SECRET: u64 = 64 << 10;
/// Largest manifest in bytes. One of a large fleet has 1 MB.
pub const MAX_MANIFEST: u64 = 64 << 20;
/// Largest other file of a snapshot that is read as a whole, such as the report, in bytes: 500 for each of 2,000,000 users.
pub const MAX_DOCUMENT: u64 = 1 << 30;

/// Opens a regular file for reading, without waiting. Errors: [`NotRegular`] for anything else.
pub fn open(path: &Path) -> io::Result<File> {
    open_with(path, OpenOptions::new().read(true))
}

/// Opens or creates a regular file for reading and writing, without waiting. A new file gets mode 0600.
pub fn open_or_create(path: &Path) -> io::Result<File> {
    open_with(path, OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600))
}

fn open_with(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // Looked at first, because opening a device can have an effect, such as rewinding a tape.
    match fs::metadata(path) {
        Ok(found) => must_be_regular(found.file_type())?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // Somebody may replace the file in between. NONBLOCK opens a pipe without a writer at once, and NOCTTY takes no terminal.
    // Neither affects a regular file.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = options.custom_flags(flags).open(path)?;
    must_be_regular(file.metadata()?.file_type())?;
    Ok(file)
}

fn must_be_regular(found: FileType) -> io::Result<()> {
    NotRegular::of(found).map_or(Ok(()), |other| Err(other.into()))
}

/// Reads a whole file of at most `max` bytes. Errors: [`TooLarge`]; no more than `max` bytes are ever read.
pub fn read(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    open(path)?.take(max.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > max { Err(io::Error::new(ErrorKind::FileTooLarge, TooLarge(max))) } else { Ok(content) }
}

/// Reads a whole UTF-8 text of at most `max` bytes.
pub fn read_text(path: &Path, max: u64) -> io::Result<String> {
    String::from_utf8(read(path, max)?).map_err(|_| ErrorKind::InvalidData.into())
}

/// What a path names instead of a regular file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRegular {
    /// Folder.
    Folder,
    /// Named or anonymous pipe.
    Pipe,
    /// Socket.
    Socket,
    /// Character or block device.
    Device,
}

impl NotRegular {
    /// Returns what a file type is; `None` for a regular file and for a link.
    pub fn of(found: FileType) -> Option<Self> {
        if found.is_file() || found.is_symlink() {
            None
        } else if found.is_dir() {
            Some(Self::Folder)
        } else if found.is_fifo() {
            Some(Self::Pipe)
        } else if found.is_socket() {
            Some(Self::Socket)
        } else {
            Some(Self::Device)
        }
    }
}

impl From<NotRegular> for io::Error {
    fn from(found: NotRegular) -> Self {
        let kind = if found == NotRegular::Folder { ErrorKind::IsADirectory } else { ErrorKind::InvalidInput };
        Self::new(kind, found)
    }
}

impl fmt::Display for NotRegular {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Folder => "is a folder",
            Self::Pipe => "is a pipe",
            Self::Socket => "is a socket",
            Self::Device => "is a device",
        })
    }
}

impl std::error::Error for NotRegular {}

/// A file has more bytes than this limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge(pub u64);

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "is larger than {} KiB", self.0 >> 10)
    }
}

impl std::error::Error for TooLarge {}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType as Kind, Mode, mknodat};
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    fn refused(path: &Path) -> String {
        assert_eq!(open_or_create(path).unwrap_err().to_string(), open(path).unwrap_err().to_string());
        read(path, 10).unwrap_err().to_string()
    }

    #[test]
    fn whatever_is_no_regular_file_is_refused_at_once_also_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        mknodat(CWD, at("pipe"), Kind::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _listener = UnixListener::bind(at("socket")).unwrap();
        symlink(at("pipe"), at("link")).unwrap();
        assert_eq!(refused(&at("pipe")), "is a pipe");
        assert_eq!(refused(&at("link")), "is a pipe");
        assert_eq!(refused(&at("socket")), "is a socket");
        assert_eq!(refused(folder.path()), "is a folder");
        for device in ["/dev/null", "/dev/zero"] {
            assert_eq!(refused(Path::new(device)), "is a device");
        }
    }

    #[test]
    fn a_link_to_a_regular_file_is_read_as_kubernetes_mounts_its_secrets() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("..2026_11_23")).unwrap();
        fs::write(folder.path().join("..2026_11_23/secret"), "s").unwrap();
        symlink("..2026_11_23", folder.path().join("..data")).unwrap();
        symlink("..data/secret", folder.path().join("secret")).unwrap();
        assert_eq!(read_text(&folder.path().join("secret"), 1).unwrap(), "s");
    }

    #[test]
    fn a_file_beyond_the_limit_is_refused_and_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        // A sparse file: 1 TB, of which the disk has nothing and the memory must get nothing.
        open_or_create(&path).unwrap().set_len(1 << 40).unwrap();
        let error = read(&path, MAX_SECRET).unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::FileTooLarge, "is larger than 64 KiB".to_owned()));
        fs::write(&path, [0xff; 4]).unwrap();
        assert_eq!(read(&path, 4).unwrap().len(), 4);
        assert_eq!(read_text(&path, 4).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
