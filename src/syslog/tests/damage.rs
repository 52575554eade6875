//! Tests of damaged spool files: set aside with their reason, and the batches after them are sent.

use super::{RUN, frames};
use crate::regular_file;
use crate::syslog::spool::{Batch, Spool, SpoolError};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A spool with a batch that will be damaged, and a batch after it.
struct Damaged {
    folder: TempDir,
    spool: Spool,
    /// The first batch.
    path: PathBuf,
    /// Its content.
    whole: Vec<u8>,
}

impl Damaged {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), Path::new("/snapshots")).unwrap();
        let mut staged = spool.stage(RUN);
        staged.write("tls://a", frames()).unwrap();
        staged.write("tls://b", frames()).unwrap();
        staged.commit().unwrap();
        let path = folder.path().join(format!("spool/{RUN}.0000.jsonl"));
        let whole = fs::read(&path).unwrap();
        Self { folder, spool, path, whole }
    }

    fn set_aside(&self) -> PathBuf {
        self.path.with_extension("jsonl.damaged")
    }

    /// Checks that the first batch is set aside with its reason, and that the second one is queued. Restores both.
    #[track_caller]
    fn assert_set_aside(&self, what: &str) -> String {
        for _ in 0..2 {
            let pending = self.spool.pending().unwrap();
            assert_eq!((pending.batches.len(), pending.damaged.len()), (1, 1), "{what}");
            assert_eq!(pending.batches[0].destination, "tls://b");
            assert!(!self.path.exists() && self.set_aside().symlink_metadata().is_ok(), "{what}");
        }
        let text = self.spool.pending().unwrap().damaged[0].to_string();
        assert!(text.contains(".jsonl.damaged: ") && text.contains(&format!("from the snapshot {RUN}")), "{text}");
        let _ = fs::remove_file(self.set_aside()).or_else(|_| fs::remove_dir(self.set_aside()));
        fs::write(&self.path, &self.whole).unwrap();
        text
    }

    #[track_caller]
    fn assert_content_is_damaged(&self, content: &[u8], why: &str) {
        fs::write(&self.path, content).unwrap();
        let text = self.assert_set_aside(why);
        assert!(text.contains(why), "{text}");
    }
}

#[test]
fn a_changed_bit_anywhere_in_a_batch_sets_the_batch_aside_and_not_the_next_one() {
    let damaged = Damaged::new();
    for at in 0..damaged.whole.len() {
        let mut content = damaged.whole.clone();
        content[at] ^= 1 << (at % 8);
        fs::write(&damaged.path, &content).unwrap();
        damaged.assert_set_aside(&format!("bit {} of octet {at}", at % 8));
    }
}

#[test]
fn each_kind_of_damage_is_reported_with_its_line() {
    let damaged = Damaged::new();
    let whole = String::from_utf8(damaged.whole.clone()).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let with_line_2 = |line: &[u8]| [lines[0].as_bytes(), line, lines[2].as_bytes(), lines[3].as_bytes()].concat();
    for (content, why) in [
        (Vec::new(), "the file is empty"),
        (b"{\"format\":1".to_vec(), "line 1 is cut off"),
        (whole.replace("\"format\":1", "\"format\":9").into_bytes(), "the file has format 9"),
        (whole.replace("{\"format\"", "[\"format\"").into_bytes(), "line 1 is no head of a batch"),
        (damaged.whole[..damaged.whole.len() - 20].to_vec(), "line 4 is cut off"),
        (lines[..3].concat().into_bytes(), "the last line is missing"),
        (with_line_2(b"\0\0\0\0\n"), "line 2 is no event"),
        (with_line_2(b"\"\xff\xfe\"\n"), "line 2 is no event"),
        (with_line_2(b"{\"one\":1}\n"), "line 2 is no event"),
        (with_line_2(b"\n"), "line 2 is no event"),
        (with_line_2(b""), "the last line names 2 events, and the file contains 1"),
        (with_line_2(&[b"\"", "x".repeat(70_000).as_bytes(), b"\"\n"].concat()), "line 2 is longer than 65536 octets"),
        (with_line_2(b"\"other\"\n"), "does not match the SHA-256"),
        ([&damaged.whole[..], b"\0\0\0"].concat(), "line 5 is cut off"),
        ([&damaged.whole[..], &damaged.whole].concat(), "line 4 is no event"),
    ] {
        damaged.assert_content_is_damaged(&content, why);
    }
    let mut pending = damaged.spool.pending().unwrap();
    assert_eq!((pending.batches.len(), pending.damaged.len()), (2, 0), "the restored file is sent");
    fs::write(damaged.set_aside(), &damaged.whole).unwrap();
    pending = damaged.spool.pending().unwrap();
    assert!(pending.damaged[0].to_string().contains("the file is whole again; rename it"));
}

#[test]
fn a_batch_that_is_no_regular_file_is_set_aside_without_waiting() {
    let damaged = Damaged::new();
    let replaced = |make: &dyn Fn(&Path)| {
        fs::remove_file(&damaged.path).unwrap();
        make(&damaged.path);
        damaged.assert_set_aside("not a regular file")
    };
    assert!(replaced(&|path| mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap()).contains("it is a pipe"));
    assert!(replaced(&|path| drop(UnixListener::bind(path).unwrap())).contains("it is a socket"));
    assert!(replaced(&|path| std::os::unix::fs::symlink("/dev/zero", path).unwrap()).contains("it is a device"));
    assert!(replaced(&|path| fs::create_dir(path).unwrap()).contains("it is a folder"));
    assert!(
        // A line without an end that is larger than the memory of any host.
        replaced(&|path| regular_file::open_or_create(path).unwrap().set_len(1 << 42).unwrap())
            .contains("line 1 is longer than 65536 octets")
    );
}

#[test]
fn a_second_damaged_file_of_the_same_name_does_not_replace_the_first() {
    let damaged = Damaged::new();
    for content in ["first", "second"] {
        fs::write(&damaged.path, content).unwrap();
        damaged.spool.pending().unwrap();
    }
    assert_eq!(fs::read_to_string(damaged.set_aside()).unwrap(), "first");
    assert_eq!(damaged.spool.pending().unwrap().damaged.len(), 2);
}

#[test]
fn damage_that_happens_while_a_batch_is_sent_is_found_by_its_line() {
    let damaged = Damaged::new();
    let batch: Batch = damaged.spool.pending().unwrap().batches.swap_remove(0);
    let cut = damaged.whole.len() - 100;
    fs::write(&damaged.path, &damaged.whole[..cut]).unwrap();
    let read: Result<Vec<String>, SpoolError> = batch.each().unwrap().collect();
    assert!(matches!(read, Err(SpoolError::Damaged { .. })), "{read:?}");
    assert!(damaged.folder.path().exists());
}

#[test]
fn the_size_of_the_spool_counts_damaged_files_and_ignores_where_links_lead() {
    let damaged = Damaged::new();
    let size = damaged.spool.size().unwrap();
    assert_eq!((size.octets > 300, size.limit, size.percent()), (true, u64::MAX, 0));
    assert_eq!(damaged.spool.clone().with_limit(size.octets * 2).size().unwrap().percent(), 50);
    std::os::unix::fs::symlink("nowhere", damaged.folder.path().join("spool/dangling")).unwrap();
    damaged.spool.check_room().unwrap();
}
