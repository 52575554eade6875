//! Tests of dead letters: what is kept, what is counted, and what is sent again.

use super::sessions::timing;
use super::*;
use crate::event::NoObserver;
use crate::syslog::deliver::{Delivered, deliver, send_test};
use crate::syslog::http::{HttpDestination, HttpTarget, SigningKey};
use crate::syslog::spool::Spool;
use secrecy::SecretString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::thread::{self, JoinHandle};

const RUN: &str = "20261123T020000Z-7f3a";

/// Starts a receiver of so many requests that refuses each with an event that contains "bad". Returns its bodies.
fn receiver(requests: usize) -> (Destination, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let served = thread::spawn(move || (0..requests).map(|_| answer(&listener)).collect());
    let signing_key = SigningKey::parse(SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
    let destination = HttpDestination {
        url,
        target: HttpTarget::Webhook { signing_key },
        send: Send::All,
        ca_file: None,
        client_identity: None,
        requests_per_second: 10_000.0,
    };
    (Destination::Http(destination), served)
}

/// Answers one request on a connection of its own.
fn answer(listener: &TcpListener) -> String {
    let mut reader = BufReader::new(listener.accept().unwrap().0);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap(),
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body = String::from_utf8(body).unwrap();
    let status = if body.contains("bad") { "422 x" } else { "200 x" };
    let response = format!("HTTP/1.1 {status}\r\ncontent-length: 6\r\nconnection: close\r\n\r\nreason");
    reader.get_mut().write_all(response.as_bytes()).unwrap();
    body
}

fn queued(destination: &Destination, frames: &[&str]) -> (tempfile::TempDir, Spool) {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path(), Path::new("/snapshots")).unwrap();
    queue(&spool, RUN, destination, frames);
    (folder, spool)
}

fn queue(spool: &Spool, run: &str, destination: &Destination, frames: &[&str]) {
    let mut staged = spool.stage(run);
    staged.write(destination.url(), frames.iter().map(|frame| (*frame).to_owned())).unwrap();
    staged.commit().unwrap();
}

fn drain(spool: &Spool, destination: &Destination) -> Delivered {
    let delivery = deliver(spool, std::slice::from_ref(destination), &timing(), &NoObserver, &|| false).unwrap();
    assert!(delivery.damaged.is_empty(), "{:?}", delivery.damaged);
    delivery.destinations.into_iter().next().unwrap()
}

#[test]
fn refused_event_leaves_the_queue_and_is_kept_with_the_reason_in_a_private_file() {
    let (destination, served) = receiver(3);
    let (folder, spool) = queued(&destination, &["{\"n\":1}", "{\"n\":\"bad\"}"]);
    let delivered = drain(&spool, &destination);
    assert_eq!((delivered.delivered, delivered.waiting, delivered.dead, delivered.error), (1, 0, 1, None));
    assert_eq!(served.join().unwrap(), ["[{\"n\":1},{\"n\":\"bad\"}]", "[{\"n\":1}]", "[{\"n\":\"bad\"}]"]);
    let path = folder.path().join(format!("spool/dead/{RUN}.0000.jsonl"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let mut line: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert!(line.as_object_mut().unwrap().remove("time").unwrap().as_str().unwrap().ends_with('Z'));
    let expected = serde_json::json!({
        "destination": destination.url(), "status": 422, "reason": "422: reason", "event": {"n": "bad"},
    });
    assert_eq!(line, expected);
}

#[test]
fn dead_letters_are_neither_queued_nor_part_of_the_size_and_hold_no_snapshot() {
    let (destination, served) = receiver(3);
    let (folder, spool) = queued(&destination, &["{\"n\":1}", "{\"n\":\"bad\"}"]);
    assert_eq!(drain(&spool, &destination).dead, 1);
    served.join().unwrap();
    assert_eq!(spool.pending().unwrap().batches.len(), 0);
    assert_eq!(spool.size().unwrap().octets, 0);
    assert!(waiting_runs(folder.path()).unwrap().is_empty());
    spool.recover(|_| true).unwrap();
    assert_eq!(fs::read_dir(spool.dead_letters()).unwrap().count(), 1);
    fs::create_dir(spool.dead_letters().join("done")).unwrap();
    fs::write(spool.dead_letters().join("torn.jsonl"), "{\"time\":").unwrap();
    assert_eq!(spool.count_dead_letters().unwrap(), 1);
    fs::remove_dir_all(spool.dead_letters()).unwrap();
    assert_eq!(spool.count_dead_letters().unwrap(), 0);
    fs::write(spool.dead_letters(), "in the way").unwrap();
    assert!(spool.count_dead_letters().is_err(), "unknown, and not 0");
}

#[test]
fn event_stays_queued_where_the_dead_letter_cannot_be_written() {
    let (destination, served) = receiver(3);
    let (folder, spool) = queued(&destination, &["{\"n\":1}", "{\"n\":\"bad\"}"]);
    fs::write(folder.path().join("spool/dead"), "in the way").unwrap();
    let delivered = drain(&spool, &destination);
    served.join().unwrap();
    assert_eq!((delivered.delivered, delivered.waiting, delivered.dead), (0, 2, 0));
    assert!(delivered.error.unwrap().contains("create the folder"));
}

#[test]
fn events_of_an_answered_request_are_not_sent_again_by_the_next_session() {
    let frames: Vec<String> = (0..101).map(|n| format!("{{\"n\":{n}}}")).collect();
    let frames: Vec<&str> = frames.iter().map(String::as_str).collect();
    // The second request finds no receiver.
    let (destination, served) = receiver(1);
    let (_folder, spool) = queued(&destination, &frames);
    let delivered = drain(&spool, &destination);
    assert_eq!((delivered.delivered, delivered.waiting), (100, 1));
    served.join().unwrap();
    let rest = spool.pending().unwrap().batches.remove(0);
    let rest: Vec<String> = rest.each().unwrap().map(Result::unwrap).collect();
    assert_eq!(rest, ["{\"n\":100}"]);
}

#[test]
fn test_event_that_is_refused_for_ever_is_an_error() {
    let (destination, served) = receiver(1);
    let bad = Sender { host: "bad".to_owned(), pid: 1 };
    let error = send_test(&destination, &bad, now(), &timing(), &|| false).unwrap_err().to_string();
    served.join().unwrap();
    assert!(error.contains("the receiver refused the event (422: reason)"), "{error}");
}

#[test]
fn refused_event_waits_while_the_receiver_accepts_no_other() {
    let (destination, served) = receiver(1);
    let (folder, spool) = queued(&destination, &["{\"n\":\"bad\"}"]);
    let delivered = drain(&spool, &destination);
    served.join().unwrap();
    assert_eq!((delivered.delivered, delivered.waiting, delivered.dead), (0, 1, 0));
    let error = delivered.error.unwrap();
    assert!(error.contains("accepted no event after it refused 1 (422: reason); check url"), "{error}");
    assert!(!folder.path().join("spool/dead").exists());
}

#[test]
fn refused_event_of_a_night_is_dead_as_soon_as_the_receiver_accepts_one_of_a_later_night() {
    // Two nights are refused, the third is accepted, and the two are asked again.
    let (destination, served) = receiver(5);
    let (_folder, spool) = queued(&destination, &["{\"n\":\"bad\"}"]);
    queue(&spool, "20261124T020000Z-7f3a", &destination, &["{\"n\":\"bad 2\"}"]);
    queue(&spool, "20261125T020000Z-7f3a", &destination, &["{\"n\":3}"]);
    let delivered = drain(&spool, &destination);
    assert_eq!((delivered.delivered, delivered.waiting, delivered.dead, delivered.error), (1, 0, 2, None));
    let bodies = ["[{\"n\":\"bad\"}]", "[{\"n\":\"bad 2\"}]", "[{\"n\":3}]"];
    assert_eq!(served.join().unwrap(), [bodies[0], bodies[1], bodies[2], bodies[0], bodies[1]]);
    assert!(spool.pending().unwrap().batches.is_empty());
}

#[test]
fn nights_that_are_refused_after_an_accepted_one_stay_queued() {
    let (destination, served) = receiver(3);
    let (folder, spool) = queued(&destination, &["{\"n\":1}"]);
    queue(&spool, "20261124T020000Z-7f3a", &destination, &["{\"n\":\"bad\"}"]);
    queue(&spool, "20261125T020000Z-7f3a", &destination, &["{\"n\":\"bad 2\"}"]);
    let delivered = drain(&spool, &destination);
    served.join().unwrap();
    assert_eq!((delivered.delivered, delivered.waiting, delivered.dead), (1, 2, 0));
    assert!(delivered.error.unwrap().contains("refused 2 ("));
    assert!(!folder.path().join("spool/dead").exists());
}

#[test]
fn refused_end_of_a_night_is_asked_again_alone_after_a_later_night_is_accepted() {
    let mut frames: Vec<String> = (0..100).map(|n| format!("{{\"n\":{n}}}")).collect();
    frames.push("{\"n\":\"bad\"}".to_owned());
    let (destination, served) = receiver(4);
    let (_folder, spool) = queued(&destination, &frames.iter().map(String::as_str).collect::<Vec<_>>());
    queue(&spool, "20261124T020000Z-7f3a", &destination, &["{\"n\":101}"]);
    let delivered = drain(&spool, &destination);
    assert_eq!((delivered.delivered, delivered.waiting, delivered.dead, delivered.error), (101, 0, 1, None));
    assert_eq!(served.join().unwrap()[1..], ["[{\"n\":\"bad\"}]", "[{\"n\":101}]", "[{\"n\":\"bad\"}]"]);
    assert!(spool.pending().unwrap().batches.is_empty());
}

#[test]
fn nights_that_are_all_refused_end_after_twenty_requests_and_keep_every_event() {
    let (destination, served) = receiver(20);
    let (_folder, spool) = queued(&destination, &["{\"n\":\"bad\"}"]);
    (1..25).for_each(|n| queue(&spool, &format!("20261124T0200{n:02}Z-7f3a"), &destination, &["{\"n\":\"bad\"}"]));
    let delivered = drain(&spool, &destination);
    served.join().unwrap();
    assert_eq!((delivered.delivered, delivered.waiting, delivered.dead), (0, 25, 0));
    assert!(delivered.error.unwrap().contains("refused 20 ("));
}

#[test]
fn torn_line_of_a_dead_letter_is_removed_before_the_next_one() {
    for (torn, kept) in [("{\"a\":1}\n{\"b\":", 1), ("{\"b\"", 0), ("{\"a\":1}\n", 1)] {
        let (destination, served) = receiver(3);
        let (folder, spool) = queued(&destination, &["{\"n\":1}", "{\"n\":\"bad\"}"]);
        let path = folder.path().join(format!("spool/dead/{RUN}.0000.jsonl"));
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, torn.replace("\"b\"", &format!("\"{}\"", "b".repeat(9_000)))).unwrap();
        assert_eq!(drain(&spool, &destination).dead, 1);
        served.join().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), kept + 1, "{text}");
        assert_eq!(lines[kept]["event"], serde_json::json!({"n": "bad"}));
    }
}

/// Returns more refused events than a request has.
fn many_bad() -> Vec<String> {
    (0..130).map(|n| format!("{{\"n\":\"bad {n}\"}}")).collect()
}

#[test]
fn many_refused_events_in_a_row_do_not_hold_back_a_good_one_behind_them() {
    for batches in [1, 2] {
        let (destination, _served) = receiver(1_000);
        let bad = many_bad();
        let frames: Vec<&str> = bad.iter().map(String::as_str).chain(["{\"n\":1}"]).collect();
        let (_folder, spool) = queued(&destination, &frames);
        (1..batches).for_each(|_| queue(&spool, "20261124T020000Z-7f3a", &destination, &frames));
        let delivered = drain(&spool, &destination);
        assert_eq!((delivered.delivered, delivered.waiting, delivered.dead), (batches, 0, 130 * batches));
        assert_eq!(delivered.error, None);
        assert!(spool.pending().unwrap().batches.is_empty());
    }
}

#[test]
fn many_refused_events_in_a_row_stay_queued_where_the_last_one_is_refused_too() {
    let (destination, _served) = receiver(1_000);
    let bad = many_bad();
    let frames: Vec<&str> = bad.iter().map(String::as_str).collect();
    let (_folder, spool) = queued(&destination, &frames);
    let delivered = drain(&spool, &destination);
    assert_eq!((delivered.delivered, delivered.waiting, delivered.dead), (0, 130, 0));
    assert!(delivered.error.unwrap().contains("accepted no event after it refused 20"));
}
