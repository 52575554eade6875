//! Tests of sessions with receivers of many kinds, on loopback: what counts as delivered, and which error is returned.

use super::{datagram, destination};
use crate::syslog::session::{DeliveryError, Session, Timing};
use crate::syslog::{Framing, Proof, Protocol, SyslogDestination, Transport};
use socket2::SockRef;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Returns short time limits, so that tests with receivers that never answer end soon.
pub(in crate::syslog) fn timing() -> Timing {
    Timing {
        connect: Duration::from_secs(5),
        write: Duration::from_millis(500),
        grace: Duration::from_millis(60),
        early_end: Duration::from_millis(60),
        end: Duration::from_millis(500),
        answer: Duration::from_millis(500),
        receipt: Duration::from_millis(200),
        backoff: Duration::from_millis(2),
        longest_wait: Duration::from_millis(20),
        session: Duration::from_secs(5),
        delivery: Duration::from_secs(60),
        stopping: Duration::from_millis(300),
    }
}

fn frames(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("<110>1 - host.example.com bt-rollcall 1 finding.new - {{\"n\":{n}}}")).collect()
}

pub(super) fn deliver(destination: &SyslogDestination, frames: &[String]) -> Result<(), DeliveryError> {
    let frames = frames.iter().cloned().map(Ok);
    Session { destination, frames, timing: &timing(), is_stopped: &|| false }.run(&mut |_| Ok(()))
}

/// Starts a receiver of one session. The thread returns the result of `serve`.
fn receiver<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SyslogDestination, JoinHandle<T>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = thread::spawn(move || serve(listener.accept().unwrap().0));
    (destination(Transport::Tcp("127.0.0.1".to_owned(), port), Protocol::Rfc5424), served)
}

fn read_all(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

fn reset(stream: &TcpStream) {
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn a_receiver_that_reads_to_the_end_gets_every_octet_of_the_batch() {
    let (destination, served) = receiver(read_all);
    let frames = frames(1_000);
    deliver(&destination, &frames).unwrap();
    let expected: String = frames.iter().fold(String::new(), |all, frame| format!("{all}{} {frame}", frame.len()));
    assert_eq!(String::from_utf8(served.join().unwrap()).unwrap(), expected);
}

#[test]
fn newline_framing_ends_every_message_with_one_line_feed() {
    let (mut destination, served) = receiver(read_all);
    destination.framing = Framing::Newline;
    let frames = frames(3);
    deliver(&destination, &frames).unwrap();
    assert_eq!(String::from_utf8(served.join().unwrap()).unwrap(), format!("{}\n", frames.join("\n")));
}

#[test]
fn a_receiver_that_closes_at_once_is_reported_as_refusing() {
    let (destination, served) = receiver(drop);
    let error = deliver(&destination, &frames(3)).unwrap_err();
    served.join().unwrap();
    assert!(matches!(error, DeliveryError::Refused), "{error}");
}

#[test]
fn a_batch_is_not_delivered_when_the_receiver_closes_after_the_first_message() {
    let (destination, served) = receiver(|mut stream| {
        // Like a receiver that does not understand the framing: it reads once and closes without an answer.
        let read = stream.read(&mut [0; 8192]).unwrap();
        assert!(read > 0);
    });
    let error = deliver(&destination, &frames(3)).unwrap_err();
    served.join().unwrap();
    assert!(matches!(error, DeliveryError::ClosedEarly), "{error}");
    assert!(error.to_string().contains("framing"));
}

#[test]
fn a_batch_is_not_delivered_when_the_receiver_resets_the_connection_in_the_middle() {
    let (destination, served) = receiver(|mut stream| {
        stream.read_exact(&mut [0; 10_000]).unwrap();
        reset(&stream);
    });
    let error = deliver(&destination, &frames(100_000)).unwrap_err();
    served.join().unwrap();
    assert!(matches!(error, DeliveryError::ClosedEarly), "{error}");
}

#[test]
fn a_batch_is_not_delivered_when_the_receiver_closes_with_unread_octets() {
    let (destination, served) = receiver(|mut stream| {
        // It closes with unread octets, so its kernel sends a reset (RFC 2525 §2.17).
        stream.read_exact(&mut [0; 1]).unwrap();
        while stream.peek(&mut [0; 4096]).unwrap() < 100 {}
    });
    let error = deliver(&destination, &frames(3)).unwrap_err();
    served.join().unwrap();
    let expected = matches!(error, DeliveryError::Reset | DeliveryError::ClosedEarly);
    assert!(expected, "{error}");
}

/// Starts a receiver that reads everything and keeps the connection open, as load balancers do.
fn balancer() -> (SyslogDestination, JoinHandle<TcpStream>) {
    receiver(|mut stream| {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        stream
    })
}

#[test]
fn a_receiver_that_never_closes_gives_an_error_that_names_the_setting() {
    let (destination, served) = balancer();
    let error = deliver(&destination, &frames(3)).unwrap_err();
    drop(served.join().unwrap());
    assert!(matches!(error, DeliveryError::NotConfirmed(_)), "{error}");
    let text = error.to_string();
    assert!(text.contains("did not close its side within") && text.contains("load balancers"), "{text}");
    assert!(text.contains("set delivery_proof = \"sent\""), "{text}");
}

#[test]
fn a_receiver_that_never_closes_is_accepted_with_the_proof_sent() {
    let (mut destination, served) = balancer();
    destination.proof = Proof::Sent;
    deliver(&destination, &frames(3)).unwrap();
    drop(served.join().unwrap());
}

#[test]
fn the_proof_sent_fails_when_the_receiver_closes_early_or_discards_octets() {
    let refusing: fn(TcpStream) = drop;
    let throwing: fn(TcpStream) = |mut stream| {
        stream.read_exact(&mut [0; 1]).unwrap();
        while stream.peek(&mut [0; 4096]).unwrap() < 100 {}
    };
    for behave in [refusing, throwing] {
        let (mut destination, served) = receiver(behave);
        destination.proof = Proof::Sent;
        deliver(&destination, &frames(3)).unwrap_err();
        served.join().unwrap();
    }
}

#[test]
fn a_receiver_that_never_reads_does_not_block_the_session_for_ever() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (destination, served) = receiver(move |stream| {
        let _ = held.recv();
        drop(stream);
    });
    let error = deliver(&destination, &frames(200_000)).unwrap_err();
    release.send(()).unwrap();
    served.join().unwrap();
    assert!(matches!(error, DeliveryError::Send(_) | DeliveryError::ClosedEarly), "{error}");
}

#[test]
fn data_from_the_receiver_is_not_mistaken_for_its_close() {
    let (destination, served) = receiver(|mut stream| {
        stream.write_all(b"220 welcome\r\n").unwrap();
        read_all(stream)
    });
    deliver(&destination, &frames(3)).unwrap();
    assert!(!served.join().unwrap().is_empty());
}

#[test]
fn a_port_without_a_receiver_is_an_error_with_a_cure() {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let nobody = destination(Transport::Tcp("127.0.0.1".to_owned(), port), Protocol::Rfc5424);
    let error = deliver(&nobody, &frames(1)).unwrap_err();
    assert!(error.to_string().contains("check that the receiver listens on the host and port in url"), "{error}");
}

#[test]
fn a_host_that_cannot_be_resolved_is_named() {
    let nowhere = destination(Transport::Tcp("host.invalid".to_owned(), 601), Protocol::Rfc5424);
    let error = deliver(&nowhere, &frames(1)).unwrap_err();
    assert!(error.to_string().contains("cannot find host.invalid"), "{error}");
}

#[test]
fn a_request_to_stop_leaves_the_batch_undelivered() {
    let (destination, served) = receiver(read_all);
    let list = frames(10);
    let sent = std::cell::Cell::new(0);
    let frames = list.iter().cloned().map(|frame| {
        sent.set(sent.get() + 1);
        Ok(frame)
    });
    let after_three = || sent.get() >= 3;
    let result =
        Session { destination: &destination, frames, timing: &timing(), is_stopped: &after_three }.run(&mut |_| Ok(()));
    served.join().unwrap();
    assert!(matches!(result, Err(DeliveryError::Stopped)));
}

/// Delivers many frames to a destination while a signal has asked the run to stop after the first one.
fn stopped_session(destination: &SyslogDestination) -> (DeliveryError, Duration) {
    let (list, sent, started) = (frames(200_000), std::cell::Cell::new(0_u32), Instant::now());
    let stopped_at = std::cell::Cell::new(None);
    let frames = list.iter().cloned().map(|frame| {
        sent.set(sent.get() + 1);
        Ok(frame)
    });
    let timing = Timing { write: Duration::from_secs(3600), session: Duration::from_secs(7200), ..timing() };
    // A signal arrives while the session has waited for the receiver for a while.
    let is_stopped = || {
        let is_waiting = sent.get() > 0 && started.elapsed() > Duration::from_millis(400);
        stopped_at.set(stopped_at.get().or_else(|| is_waiting.then(Instant::now)));
        stopped_at.get().is_some()
    };
    let error =
        Session { destination, frames, timing: &timing, is_stopped: &is_stopped }.run(&mut |_| Ok(())).unwrap_err();
    (error, stopped_at.get().unwrap().elapsed())
}

#[test]
fn a_signal_ends_a_session_whose_receiver_accepts_and_never_reads() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let tcp = destination(Transport::Tcp("127.0.0.1".to_owned(), port), Protocol::Rfc5424);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let _unread = UnixDatagram::bind(&path).unwrap();
    let mut unix = datagram();
    unix.transport = Transport::Unix(path);
    unix.events_per_second = 1_000_000;
    for destination in [tcp, unix] {
        let (error, took) = stopped_session(&destination);
        assert!(matches!(error, DeliveryError::Stopped), "{}: {error}", destination.url);
        assert!(took < Duration::from_secs(5), "{}: {took:?}", destination.url);
    }
}

#[test]
fn a_receiver_that_reads_byte_by_byte_meets_the_limit_of_the_session() {
    let (destination, _served) = receiver(|mut stream| {
        // Every byte is progress, so no single write is too slow.
        while stream.read(&mut [0; 1]).is_ok_and(|read| read > 0) {
            thread::park_timeout(Duration::from_millis(5));
        }
    });
    let frames = frames(200_000).into_iter().map(Ok);
    let timing = Timing { session: Duration::from_millis(700), ..timing() };
    let started = Instant::now();
    let error = Session { destination: &destination, frames, timing: &timing, is_stopped: &|| false }
        .run(&mut |_| Ok(()))
        .unwrap_err();
    assert!(matches!(error, DeliveryError::TooSlow(_) | DeliveryError::Send(_)), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn no_session_starts_after_a_signal() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let destination = destination(Transport::Tcp("127.0.0.1".to_owned(), port), Protocol::Rfc5424);
    let frames = frames(1).into_iter().map(Ok);
    let result =
        Session { destination: &destination, frames, timing: &timing(), is_stopped: &|| true }.run(&mut |_| Ok(()));
    assert!(matches!(result, Err(DeliveryError::Stopped)));
    assert!(listener.accept().is_err(), "nobody connected");
}

#[test]
fn each_datagram_contains_one_message() {
    let receiver = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let port = receiver.local_addr().unwrap().port();
    let mut over_udp = datagram();
    over_udp.transport = Transport::Udp("127.0.0.1".to_owned(), port);
    let list = frames(20);
    deliver(&over_udp, &list).unwrap();
    for frame in &list {
        let mut octets = [0; 2048];
        let read = receiver.recv(&mut octets).unwrap();
        assert_eq!(std::str::from_utf8(&octets[..read]).unwrap(), frame);
    }
}

#[test]
fn each_datagram_to_a_local_socket_contains_one_message() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let receiver = UnixDatagram::bind(&path).unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let local = destination(Transport::Unix(path), Protocol::Rfc3164);
    // More messages than the socket buffers, so the receiver reads while the sender writes.
    let list = frames(200);
    let sent = list.clone();
    let sender = thread::spawn(move || deliver(&local, &sent));
    for frame in &list {
        let mut octets = [0; 2048];
        let read = receiver.recv(&mut octets).unwrap();
        assert_eq!(std::str::from_utf8(&octets[..read]).unwrap(), frame);
    }
    sender.join().unwrap().unwrap();
}

#[test]
fn a_missing_local_socket_is_an_error() {
    let local = destination(Transport::Unix("/nonexistent/log".into()), Protocol::Rfc3164);
    let error = deliver(&local, &frames(1)).unwrap_err();
    assert!(matches!(error, DeliveryError::Socket { .. }), "{error}");
}
