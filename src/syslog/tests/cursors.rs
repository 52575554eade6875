//! Tests of cursors: which frames of a batch still wait, and what a damaged cursor does.

use super::RUN;
use crate::syslog::spool::{Batch, Spool, waiting_runs};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A spool with two batches of the frames `0` to `4`.
struct Queue {
    folder: TempDir,
    spool: Spool,
}

impl Queue {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), Path::new("/snapshots")).unwrap();
        let mut staged = spool.stage(RUN);
        staged.write("relp://a", (0..5).map(|n| n.to_string())).unwrap();
        staged.write("relp://a", (0..5).map(|n| n.to_string())).unwrap();
        staged.commit().unwrap();
        Self { folder, spool }
    }

    /// Returns a batch as the next run reads it.
    fn batch(&self, number: usize) -> Batch {
        self.spool.pending().unwrap().batches.swap_remove(number)
    }

    fn cursor(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("spool/{RUN}.000{number}.jsonl.cursor"))
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.spool.dir()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn waiting(batch: &Batch) -> Vec<String> {
    batch.each().unwrap().map(Result::unwrap).collect()
}

#[test]
fn the_frames_after_the_cursor_wait_and_the_last_move_wins() {
    let queue = Queue::new();
    assert_eq!((queue.batch(0).delivered, queue.cursor(0).exists()), (0, false));
    let mut cursor = queue.batch(0).cursor();
    for delivered in [1, 4, 3] {
        cursor.advance(delivered).unwrap();
        let batch = queue.batch(0);
        assert_eq!((batch.frames, batch.delivered, batch.waiting()), (5, delivered, 5 - delivered));
        assert_eq!(waiting(&batch), ["0", "1", "2", "3", "4"][usize::try_from(delivered).unwrap()..]);
    }
    assert_eq!(fs::metadata(queue.cursor(0)).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(queue.batch(1).delivered, 0, "each batch has its own cursor");
    queue.batch(0).cursor().advance(5).unwrap();
    assert!(waiting(&queue.batch(0)).is_empty());
}

#[test]
fn a_cursor_with_a_changed_octet_or_a_missing_end_counts_as_nothing_delivered() {
    let queue = Queue::new();
    queue.batch(0).cursor().advance(3).unwrap();
    let whole = fs::read(queue.cursor(0)).unwrap();
    for at in 0..whole.len() {
        let mut torn = whole.clone();
        torn[at] ^= 1;
        fs::write(queue.cursor(0), torn).unwrap();
        assert_eq!(queue.batch(0).delivered, 0, "octet {at}");
        fs::write(queue.cursor(0), &whole[..at]).unwrap();
        assert_eq!(queue.batch(0).delivered, 0, "cut at octet {at}");
    }
    let longer = [&whole[..], b"\n"].concat();
    fs::write(queue.cursor(0), longer).unwrap();
    assert_eq!(queue.batch(0).delivered, 0, "longer than a record");
    // The next acknowledgement repairs it.
    queue.batch(0).cursor().advance(2).unwrap();
    assert_eq!(queue.batch(0).delivered, 2);
}

#[test]
fn a_cursor_of_another_batch_or_beyond_the_end_counts_as_nothing_delivered() {
    let queue = Queue::new();
    queue.batch(0).cursor().advance(3).unwrap();
    fs::copy(queue.cursor(0), queue.cursor(1)).unwrap();
    assert_eq!((queue.batch(0).delivered, queue.batch(1).delivered), (3, 0));
    queue.batch(0).cursor().advance(6).unwrap();
    assert_eq!(queue.batch(0).delivered, 0);
}

#[test]
fn a_cursor_that_cannot_be_read_is_reported_and_its_batch_is_not_sent() {
    let queue = Queue::new();
    fs::create_dir(queue.cursor(0)).unwrap();
    let pending = queue.spool.pending().unwrap();
    assert_eq!((pending.batches.len(), pending.damaged.len()), (1, 1));
    let text = pending.damaged[0].to_string();
    assert!(text.contains(".jsonl.cursor: is a folder"), "{text}");
}

#[test]
fn a_cursor_is_removed_with_its_batch_and_does_not_hold_the_snapshot_alone() {
    let queue = Queue::new();
    queue.batch(0).cursor().advance(3).unwrap();
    queue.batch(1).cursor().advance(3).unwrap();
    queue.spool.acknowledge(&queue.batch(0)).unwrap();
    let batch = format!("{RUN}.0001.jsonl");
    assert_eq!(queue.names(), [batch.clone(), format!("{batch}.cursor")]);
    // As after a kill between the two removals, or when somebody moved the batch away.
    fs::remove_file(queue.spool.dir().join(batch)).unwrap();
    assert!(waiting_runs(queue.folder.path()).unwrap().is_empty());
    queue.spool.recover(|_| true).unwrap();
    assert_eq!(queue.names(), [""; 0]);
}

#[test]
fn a_batch_that_is_set_aside_and_restored_goes_on_at_its_cursor() {
    let queue = Queue::new();
    queue.batch(0).cursor().advance(3).unwrap();
    let path = queue.cursor(0).with_extension("");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, "torn").unwrap();
    assert_eq!(queue.spool.pending().unwrap().damaged.len(), 1);
    queue.spool.recover(|_| true).unwrap();
    fs::write(&path, whole).unwrap();
    assert_eq!(waiting(&queue.batch(0)), ["3", "4"]);
}

#[test]
fn moved_batch_has_the_rest_of_its_frames_a_new_destination_and_no_cursor() {
    let queue = Queue::new();
    queue.batch(0).cursor().advance(2).unwrap();
    queue.spool.move_to(&queue.batch(0), "relp://b").unwrap();
    let moved = queue.batch(0);
    assert_eq!((moved.destination.as_str(), moved.frames, moved.delivered), ("relp://b", 3, 0));
    let frames: Vec<String> = moved.each().unwrap().map(Result::unwrap).collect();
    assert_eq!(frames, ["2", "3", "4"]);
    assert_eq!(queue.batch(1).destination, "relp://a");
    assert_eq!(queue.names(), [format!("{RUN}.0000.jsonl"), format!("{RUN}.0001.jsonl")]);
}

#[test]
fn kill_while_a_batch_moves_leaves_the_old_one_whole() {
    let queue = Queue::new();
    // The new file is complete and not yet in its place, or the old cursor is not yet removed.
    fs::write(queue.spool.dir().join(format!(".moved-{RUN}.0000.jsonl")), "torn").unwrap();
    queue.spool.recover(|_| true).unwrap();
    assert_eq!((queue.batch(0).destination.as_str(), queue.names().len()), ("relp://a", 2));
    queue.batch(0).cursor().advance(2).unwrap();
    let cursor = fs::read(queue.cursor(0)).unwrap();
    queue.spool.move_to(&queue.batch(0), "relp://b").unwrap();
    fs::write(queue.cursor(0), cursor).unwrap();
    assert_eq!((queue.batch(0).frames, queue.batch(0).delivered), (3, 0), "the cursor belongs to the old file");
}
