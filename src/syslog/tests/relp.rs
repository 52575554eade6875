//! Tests of RELP sessions with receivers of many kinds, on loopback: what counts as delivered, and which error is returned.

use super::sessions::timing;
use super::{destination, sessions_tls};
use crate::syslog::session::{DeliveryError, RelpError, Session, Timing};
use crate::syslog::{Protocol, SyslogDestination, Transport};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const OFFERS: &str = "200 OK\nrelp_version=0\nrelp_software=test\ncommands=syslog";

/// The receiver's side of a session. It reads frames by their definition, apart from the code under test.
pub(super) struct Peer<S> {
    stream: BufReader<S>,
}

impl<S: Read + Write> Peer<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// Reads a frame: its number, command and data. `None` at the end.
    fn frame(&mut self) -> Option<(u32, String, String)> {
        let number = self.word(b' ')?;
        let command = self.word(b' ')?;
        let mut length = Vec::new();
        loop {
            let mut octet = [0];
            self.stream.read_exact(&mut octet).ok()?;
            match octet[0] {
                b'\n' if length == b"0" => return Some((number.parse().unwrap(), command, String::new())),
                b' ' => break,
                digit => length.push(digit),
            }
        }
        let length: usize = String::from_utf8(length).unwrap().parse().unwrap();
        let mut data = vec![0; length + 1];
        self.stream.read_exact(&mut data).ok()?;
        assert_eq!(data.pop(), Some(b'\n'), "the end of a frame");
        Some((number.parse().unwrap(), command, String::from_utf8(data).unwrap()))
    }

    fn word(&mut self, end: u8) -> Option<String> {
        let mut word = Vec::new();
        self.stream.read_until(end, &mut word).ok().filter(|read| *read > 0)?;
        (word.pop() == Some(end)).then(|| String::from_utf8(word).unwrap())
    }

    fn send(&mut self, text: &str) {
        // A client that has ended the session is no failure of its receiver.
        let _ = self.stream.get_mut().write_all(text.as_bytes());
        let _ = self.stream.get_mut().flush();
    }

    fn answer(&mut self, number: u32, data: &str) {
        self.send(&format!("{number} rsp {} {data}\n", data.len()));
    }

    fn open(&mut self) {
        let (number, command, offers) = self.frame().unwrap();
        assert_eq!((number, command.as_str()), (1, "open"));
        let lines: Vec<&str> = offers.lines().collect();
        assert_eq!((lines[0], lines[2]), ("relp_version=0", "commands=syslog"));
        assert!(lines[1].starts_with("relp_software=bt-rollcall"), "{offers}");
        self.answer(1, OFFERS);
    }

    /// Acknowledges every event until `close`. Returns the events.
    pub(super) fn acknowledge_all(mut self) -> Vec<String> {
        self.open();
        let mut events = Vec::new();
        while let Some((number, command, data)) = self.frame() {
            self.answer(number, "200 OK");
            match command.as_str() {
                "syslog" => events.push(data),
                "close" => break,
                other => panic!("unknown command {other}"),
            }
        }
        events
    }
}

/// Starts a receiver of one session.
fn receiver<T: Send + 'static>(
    serve: impl FnOnce(Peer<TcpStream>) -> T + Send + 'static,
) -> (SyslogDestination, JoinHandle<T>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = thread::spawn(move || serve(Peer::new(listener.accept().unwrap().0)));
    (destination(Transport::Relp("127.0.0.1".to_owned(), port), Protocol::Rfc5424), served)
}

fn frames(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("<110>1 - host - - - - \u{fc}\n{{\"n\":{n}}}")).collect()
}

/// Runs a session. Returns its result and the last number of acknowledged frames.
fn deliver_within(
    destination: &SyslogDestination,
    frames: &[String],
    timing: &Timing,
    is_stopped: &dyn Fn() -> bool,
) -> (Result<(), DeliveryError>, u64) {
    let mut acknowledged = 0;
    let mut record = |number| {
        assert!(number >= acknowledged, "the cursor moves forward only");
        acknowledged = number;
        Ok(())
    };
    let frames = frames.iter().cloned().map(Ok);
    let result = Session { destination, frames, timing, is_stopped }.run(&mut record);
    (result, acknowledged)
}

fn deliver(destination: &SyslogDestination, frames: &[String]) -> (Result<(), DeliveryError>, u64) {
    deliver_within(destination, frames, &timing(), &|| false)
}

/// Runs a session that must fail. Returns the error and the number of acknowledged frames.
#[track_caller]
fn failed<T: Send + 'static>(
    count: usize,
    serve: impl FnOnce(Peer<TcpStream>) -> T + Send + 'static,
) -> (RelpError, u64) {
    let (destination, served) = receiver(serve);
    let (result, acknowledged) = deliver(&destination, &frames(count));
    served.join().unwrap();
    match result {
        Err(DeliveryError::Relp(error)) => (error, acknowledged),
        other => panic!("not a failure of RELP: {other:?}"),
    }
}

#[test]
fn every_event_arrives_in_order_and_is_acknowledged() {
    let (destination, served) = receiver(Peer::acknowledge_all);
    let frames = frames(1_000);
    let (result, acknowledged) = deliver(&destination, &frames);
    result.unwrap();
    assert_eq!(acknowledged, 1_000);
    assert_eq!(served.join().unwrap(), frames);
}

#[test]
fn at_most_128_events_wait_for_their_acknowledgement() {
    let (destination, served) = receiver(|mut peer| {
        peer.open();
        for _ in 0..128 {
            peer.frame().unwrap();
        }
        // Nothing more arrives before an acknowledgement.
        peer.stream.get_ref().set_read_timeout(Some(Duration::from_millis(150))).unwrap();
        assert!(peer.stream.buffer().is_empty() && peer.stream.get_mut().read(&mut [0]).is_err());
        peer.stream.get_ref().set_read_timeout(None).unwrap();
        for number in 2..130 {
            peer.answer(number, "200 OK");
        }
        for _ in 0..72 {
            let (number, _, _) = peer.frame().unwrap();
            peer.answer(number, "200 OK");
        }
    });
    let (result, acknowledged) = deliver(&destination, &frames(200));
    served.join().unwrap();
    result.unwrap();
    assert_eq!(acknowledged, 200);
}

#[test]
fn a_refused_event_ends_the_session_and_the_events_before_it_count() {
    let (error, acknowledged) = failed(10, |mut peer| {
        peer.open();
        for number in 2..5 {
            peer.answer(number, "200 OK");
        }
        peer.answer(5, "500 \u{1b}[1mqueue full\nignored");
        peer.frame();
    });
    assert_eq!(acknowledged, 3);
    let text = error.to_string();
    assert!(text.contains("refused event 4 of the session: 500 \\u{1b}[1mqueue full; it and the later"), "{text}");
}

#[test]
fn a_receiver_that_ends_the_session_keeps_the_rest_queued() {
    let (error, acknowledged) = failed(10, |mut peer| {
        peer.open();
        peer.answer(2, "200 OK");
        peer.send("0 serverclose 0\n");
        peer.frame();
    });
    assert!(matches!(error, RelpError::ServerClose), "{error}");
    assert_eq!(acknowledged, 1);
}

#[test]
fn a_receiver_that_closes_in_the_middle_keeps_the_rest_queued() {
    let (error, acknowledged) = failed(500, |mut peer| {
        peer.open();
        for _ in 0..200 {
            let (number, _, _) = peer.frame().unwrap();
            peer.answer(number, "200 OK");
        }
    });
    assert!(matches!(error, RelpError::Closed), "{error}");
    // The reset that follows may throw away acknowledgements that were on their way.
    assert!((64..=200).contains(&acknowledged), "{acknowledged}");
}

#[test]
fn a_receiver_that_acknowledges_nothing_meets_the_time_limit() {
    let (error, acknowledged) = failed(3, |mut peer| {
        peer.open();
        while peer.frame().is_some() {}
    });
    assert!(matches!(error, RelpError::NotAcknowledged(_)) && acknowledged == 0, "{error}");
}

#[test]
fn acknowledgements_in_another_order_count_when_the_gap_before_them_is_filled() {
    let (error, acknowledged) = failed(6, |mut peer| {
        peer.open();
        for number in [3, 2, 5, 6] {
            peer.answer(number, "200 OK");
        }
        peer.answer(99, "200 OK");
        peer.frame();
    });
    assert!(matches!(error, RelpError::UnknownNumber(99)), "{error}");
    assert_eq!(acknowledged, 2);
}

#[test]
fn a_receiver_that_answers_octet_by_octet_is_understood() {
    let (destination, served) = receiver(|mut peer| {
        peer.stream.get_ref().set_nodelay(true).unwrap();
        while let Some((number, command, _)) = peer.frame() {
            let data = if command == "open" { OFFERS } else { "200 OK" };
            let answer = format!("{number} rsp {} {data}\n", data.len());
            for octet in answer.chars() {
                peer.send(octet.encode_utf8(&mut [0; 4]));
            }
        }
    });
    let (result, acknowledged) = deliver(&destination, &frames(5));
    result.unwrap();
    served.join().unwrap();
    assert_eq!(acknowledged, 5);
}

#[test]
fn a_port_without_relp_is_named_with_what_to_check() {
    let answers = |text: &'static str| {
        move |mut peer: Peer<TcpStream>| {
            peer.frame();
            peer.send(text);
            peer.frame();
        }
    };
    let (error, _) = failed(1, answers("220 mail.example.com ESMTP ready\r\n"));
    assert!(matches!(error, RelpError::NoRelp), "{error}");
    // Data that never ends must not fill the memory.
    let (error, _) = failed(1, answers("1 rsp 999999999 200 OK"));
    assert!(matches!(error, RelpError::NoRelp), "{error}");
    let (error, _) = failed(1, answers("\u{15}\u{3}\u{3}\0\u{2}\u{2}F"));
    assert!(error.to_string().contains("write relp+tls:// in url"), "{error}");
    let (error, _) = failed(1, answers("1 rsp 16 500 no admission\n"));
    assert!(error.to_string().contains("refused the session: 500 no admission;"), "{error}");
    let (error, _) = failed(1, answers("1 rsp 25 200 OK\ncommands=something\n"));
    assert!(matches!(error, RelpError::NoSyslog), "{error}");
    let (error, _) = failed(1, drop);
    assert!(matches!(error, RelpError::ClosedAtOnce), "{error}");
}

#[test]
fn a_receiver_that_never_answers_open_meets_the_time_limit() {
    let (destination, served) = receiver(|mut peer| while peer.frame().is_some() {});
    let timing = Timing { connect: Duration::from_millis(200), ..timing() };
    let (result, _) = deliver_within(&destination, &frames(1), &timing, &|| false);
    served.join().unwrap();
    assert!(matches!(result, Err(DeliveryError::Relp(RelpError::NoAnswer(_)))), "{result:?}");
}

#[test]
fn a_receiver_that_waits_until_its_answers_are_read_does_not_stop_the_session() {
    // The answers are longer than the buffers of the sockets, and no event is read before they are written.
    let (destination, served) = receiver(|mut peer| {
        peer.open();
        let words = "x".repeat(16_000);
        for _ in 0..64 {
            let (number, _, _) = peer.frame().unwrap();
            peer.answer(number, &format!("200 {words}"));
        }
        while let Some((number, _, _)) = peer.frame() {
            peer.answer(number, "200 OK");
        }
    });
    let large: Vec<String> = (0..400).map(|n| format!("{n} {}", "y".repeat(7_900))).collect();
    let (result, acknowledged) = deliver(&destination, &large);
    result.unwrap();
    served.join().unwrap();
    assert_eq!(acknowledged, 400);
}

#[test]
fn a_signal_stops_the_session_and_what_was_sent_is_still_acknowledged() {
    let (destination, served) = receiver(Peer::acknowledge_all);
    let list = frames(10);
    let sent = std::cell::Cell::new(0_u64);
    let frames = list.iter().cloned().map(|frame| {
        sent.set(sent.get() + 1);
        Ok(frame)
    });
    let (is_stopped, mut acknowledged) = (|| sent.get() >= 3, 0);
    let session = Session { destination: &destination, frames, timing: &timing(), is_stopped: &is_stopped };
    let result = session.run(&mut |number| {
        acknowledged = number;
        Ok(())
    });
    assert!(matches!(result, Err(DeliveryError::Stopped)), "{result:?}");
    assert_eq!((served.join().unwrap().as_slice(), acknowledged), (&list[..2], 2));
}

#[test]
fn a_signal_ends_a_session_whose_receiver_is_silent() {
    let (destination, served) = receiver(|mut peer| {
        peer.open();
        while peer.frame().is_some() {}
    });
    let timing = Timing { end: Duration::from_secs(3600), session: Duration::from_secs(7200), ..timing() };
    let started = Instant::now();
    let is_stopped = || started.elapsed() > Duration::from_millis(300);
    let (result, _) = deliver_within(&destination, &frames(3), &timing, &is_stopped);
    served.join().unwrap();
    assert!(matches!(result, Err(DeliveryError::Stopped)), "{result:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_cursor_that_cannot_be_written_ends_the_session() {
    let (destination, served) = receiver(Peer::acknowledge_all);
    let folder = tempfile::tempdir().unwrap();
    let spool = crate::syslog::spool::Spool::open(folder.path(), std::path::Path::new("/snapshots")).unwrap();
    let mut staged = spool.stage(super::RUN);
    staged.write("test", frames(3).into_iter()).unwrap();
    staged.commit().unwrap();
    let batch = spool.pending().unwrap().batches.swap_remove(0);
    std::fs::create_dir(spool.dir().join(format!("{}.0000.jsonl.cursor", super::RUN))).unwrap();
    let mut cursor = batch.cursor();
    let session =
        Session { destination: &destination, frames: batch.each().unwrap(), timing: &timing(), is_stopped: &|| false };
    let error = session.run(&mut |number| cursor.advance(number)).unwrap_err();
    served.join().unwrap();
    assert!(error.to_string().contains("the receiver acknowledged events, but bt-rollcall failed to open"), "{error}");
}

#[test]
fn relp_in_tls_delivers_with_a_client_certificate_and_names_what_is_wrong_without() {
    let pki = sessions_tls::Pki::new();
    for (has_certificate, requires) in [(true, true), (false, false), (false, true)] {
        let (port, served) = pki.relp_receiver(requires);
        let mut to = destination(Transport::RelpTls("localhost".to_owned(), port), Protocol::Rfc5424);
        to.ca_file = Some(pki.path("ca.pem"));
        to.client_identity = has_certificate.then(|| (pki.path("client.pem"), pki.path("client.key")));
        let (result, acknowledged) = deliver(&to, &frames(300));
        let events = served.join().unwrap();
        if requires && !has_certificate {
            let text = result.unwrap_err().to_string();
            assert!(text.contains("client_cert") && acknowledged == 0 && events.is_empty(), "{text}");
        } else {
            result.unwrap();
            assert_eq!((acknowledged, events), (300, frames(300)));
        }
    }
}

#[test]
fn relp_in_tls_to_a_plain_port_names_the_scheme() {
    let (plain, served) = receiver(|mut peer| {
        peer.stream.get_mut().read_exact(&mut [0; 5]).unwrap();
        peer.send("0 serverclose 0\n");
        let mut rest = Vec::new();
        let _ = peer.stream.read_to_end(&mut rest);
    });
    let Transport::Relp(_, port) = plain.transport else { panic!("RELP") };
    let to = destination(Transport::RelpTls("localhost".to_owned(), port), Protocol::Rfc5424);
    let text = deliver(&to, &frames(1)).0.unwrap_err().to_string();
    served.join().unwrap();
    assert!(text.contains("relp:// in url") && !text.contains("tcp://"), "{text}");
}
