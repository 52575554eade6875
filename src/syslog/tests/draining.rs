//! Tests of the delivery from the spool: oldest first, each destination on its own, no event dropped.

use super::sessions::timing;
use super::{destination, stream};
use crate::event::NoObserver;
use crate::syslog::deliver::{Delivered, deliver};
use crate::syslog::session::Timing;
use crate::syslog::spool::Spool;
use crate::syslog::{Destination, Protocol, SyslogDestination, Transport};
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

fn spool(batches: &[(&str, &str, &[&str])]) -> (TempDir, Spool) {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path(), Path::new("/snapshots")).unwrap();
    for (run_id, to, frames) in batches {
        let mut staged = spool.stage(run_id);
        staged.write(to, frames.iter().map(|frame| (*frame).to_owned())).unwrap();
        staged.commit().unwrap();
    }
    (folder, spool)
}

fn drain(spool: &Spool, destinations: &[SyslogDestination]) -> Vec<Delivered> {
    let destinations: Vec<Destination> = destinations.iter().cloned().map(Destination::Syslog).collect();
    deliver(spool, &destinations, &timing(), &NoObserver, &|| false).unwrap().destinations
}

fn to(url: &str, port: u16) -> SyslogDestination {
    let transport = Transport::Tcp("127.0.0.1".to_owned(), port);
    SyslogDestination { url: url.to_owned(), ..destination(transport, Protocol::Rfc5424) }
}

/// Starts a receiver of this many sessions. The thread returns the text of each session.
fn receiver(sessions: usize) -> (u16, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let session = move |listener: &TcpListener| {
        let mut text = String::new();
        listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
        text
    };
    (port, thread::spawn(move || (0..sessions).map(|_| session(&listener)).collect()))
}

#[test]
fn the_oldest_batch_is_sent_first_and_a_failing_destination_does_not_delay_the_others() {
    let closed = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let (open, served) = receiver(2);
    let (_folder, spool) = spool(&[
        ("20261124T020000Z-0001", "up", &["new"]),
        ("20261123T020000Z-0001", "up", &["old", "old too"]),
        ("20261123T020000Z-0002", "down", &["waits"]),
    ]);
    let results = drain(&spool, &[to("down", closed), to("up", open)]);
    assert_eq!(served.join().unwrap(), ["3 old7 old too", "3 new"]);
    assert_eq!((results[0].delivered, results[0].waiting, results[0].error.is_some()), (0, 1, true));
    assert_eq!((results[1].delivered, results[1].waiting, results[1].error.is_some()), (3, 0, false));
    let waiting = spool.pending().unwrap().batches;
    assert_eq!(waiting.iter().map(|batch| batch.destination.as_str()).collect::<Vec<_>>(), ["down"]);
}

#[test]
fn events_for_an_address_that_is_no_longer_configured_are_kept_and_reported() {
    let (folder, spool) = spool(&[("20261123T020000Z-0001", "tcp://gone:601", &["one", "two"])]);
    let results = drain(&spool, &[SyslogDestination { url: "tcp://new:601".to_owned(), ..stream() }]);
    assert_eq!((results[0].delivered, results[0].waiting), (0, 0));
    assert_eq!((results[1].destination.as_str(), results[1].waiting), ("tcp://gone:601", 2));
    let error = results[1].error.as_deref().unwrap();
    let cure =
        "the destination is no longer configured; if its url has changed, run: bt-rollcall spool move tcp://gone:601";
    assert!(error.contains(cure) && error.contains(folder.path().to_str().unwrap()), "{error}");
    assert_eq!(spool.pending().unwrap().batches.len(), 1);
}

#[test]
fn a_damaged_batch_is_set_aside_and_the_next_ones_of_its_destination_are_sent() {
    let (open, served) = receiver(1);
    let (folder, spool) =
        spool(&[("20261123T020000Z-0001", "up", &["lost"]), ("20261124T020000Z-0001", "up", &["next"])]);
    let path = folder.path().join("spool/20261123T020000Z-0001.0000.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("lost", "last")).unwrap();
    let delivery = deliver(&spool, &[Destination::Syslog(to("up", open))], &timing(), &NoObserver, &|| false).unwrap();
    assert_eq!(served.join().unwrap(), ["4 next"]);
    assert_eq!((delivery.destinations[0].delivered, delivery.destinations[0].error.as_ref()), (1, None));
    assert_eq!(delivery.damaged.len(), 1);
    assert!(path.with_extension("jsonl.damaged").exists());
}

#[test]
fn only_the_frames_after_the_cursor_are_sent_and_counted() {
    let closed = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let (folder, spool) = spool(&[("20261123T020000Z-0001", "up", &["a", "b", "c"])]);
    spool.pending().unwrap().batches[0].cursor().advance(2).unwrap();
    let failed = drain(&spool, &[to("up", closed)]);
    assert_eq!((failed[0].delivered, failed[0].waiting), (0, 1));
    let (open, served) = receiver(1);
    let results = drain(&spool, &[to("up", open)]);
    assert_eq!((results[0].delivered, results[0].waiting), (1, 0));
    assert_eq!(served.join().unwrap(), ["1 c"]);
    assert_eq!(fs::read_dir(folder.path().join("spool")).unwrap().count(), 0);
}

#[test]
fn destination_whose_time_is_over_keeps_its_later_batches_and_the_next_destination_has_a_session() {
    let (slow, first) = receiver(1);
    let (other, second) = receiver(1);
    let (_folder, spool) = spool(&[
        ("20261123T020000Z-0001", "slow", &["a"]),
        ("20261124T020000Z-0001", "slow", &["b", "c"]),
        ("20261123T020000Z-0002", "other", &["d"]),
    ]);
    let destinations = [to("slow", slow), to("other", other)].map(Destination::Syslog);
    let timing = Timing { delivery: Duration::ZERO, ..timing() };
    let results = deliver(&spool, &destinations, &timing, &NoObserver, &|| false).unwrap().destinations;
    assert_eq!((first.join().unwrap(), second.join().unwrap()), (vec!["1 a".to_owned()], vec!["1 d".to_owned()]));
    assert_eq!((results[0].delivered, results[0].waiting), (1, 2));
    assert!(results[0].error.as_deref().unwrap().contains("the time of this delivery is over"), "{results:?}");
    assert_eq!((results[1].delivered, results[1].waiting, results[1].error.as_ref()), (1, 0, None));
}
