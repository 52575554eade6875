//! Delivery of 100,000 events over TCP, next to a plain loop that sends the same bytes.
//!
//! `cargo bench --bench delivery` prints events a second and the ratio: medians of rounds that ran in turns on the same
//! machine. The receiver reads everything and closes. `EVENTS=100000` and `ROUNDS=5` set the numbers.

use bt_rollcall::event::NoObserver;
use bt_rollcall::model::{Change, ChangeKind, ChangedGroup, Completeness, Fingerprint, Instant, Subject, SubjectKind};
use bt_rollcall::syslog::deliver::deliver;
use bt_rollcall::syslog::facts::{Completed, Purged, RunFacts};
use bt_rollcall::syslog::format::Sender;
use bt_rollcall::syslog::message::of_published;
use bt_rollcall::syslog::session::Timing;
use bt_rollcall::syslog::spool::Spool;
use bt_rollcall::syslog::{Destination, Framing, Payload, Proof, Protocol, Send, SyslogDestination, Transport};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufWriter, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

type Outcome<T> = Result<T, Box<dyn Error>>;

const RUN: &str = "20261123T020000Z-7f3a";

fn main() -> Outcome<()> {
    // `cargo test --benches` builds and starts this program: there is nothing to test.
    if std::env::args().nth(1).as_deref() == Some("--test") {
        return Ok(());
    }
    let number = |name: &str, default: usize| std::env::var(name).map_or(Ok(default), |text| text.parse());
    let (events, rounds) = (number("EVENTS", 100_000)?, number("ROUNDS", 5)?);
    let receiver = receiver()?;
    let destination = destination(receiver);
    let frames = frames(&destination, events)?;
    let octets: usize = frames.iter().map(String::len).sum();
    let (mut plain, mut queued, mut delivered) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        plain.push(timed(|| send_plainly(receiver, &frames))?);
        let folder = tempfile::tempdir()?;
        queued.push(timed(|| queue(folder.path(), &destination, &frames))?);
        delivered.push(timed(|| deliver_all(folder.path(), &destination, frames.len()))?);
    }
    println!("{events} events, {} kB, medians of {rounds} rounds", octets / 1_000);
    let bare = median(plain);
    for (name, time) in [("plain loop", bare), ("queue", median(queued)), ("deliver", median(delivered))] {
        let (seconds, share) = (time.as_secs_f64(), bare.as_secs_f64() / time.as_secs_f64());
        println!(
            "{name:>10} {seconds:>6.2} s {:>9.0} events/s {:>5.1} %",
            f64::from(u32::try_from(events)?) / seconds,
            share * 100.0
        );
    }
    Ok(())
}

fn timed(work: impl FnOnce() -> Outcome<()>) -> Outcome<Duration> {
    let start = std::time::Instant::now();
    work()?;
    Ok(start.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Starts a receiver that reads every connection to its end, and returns its port.
fn receiver() -> Outcome<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        for mut stream in listener.incoming().flatten() {
            while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
        }
    });
    Ok(port)
}

fn destination(port: u16) -> Destination {
    Destination::Syslog(SyslogDestination {
        url: format!("tcp://127.0.0.1:{port}"),
        transport: Transport::Tcp("127.0.0.1".to_owned(), port),
        protocol: Protocol::Rfc5424,
        payload: Payload::Ecs,
        framing: Framing::OctetCounting,
        facility: 13,
        ca_file: None,
        client_identity: None,
        proof: Proof::Close,
        events_per_second: 500,
        enterprise_number: None,
        udp_max: None,
        send: Send::All,
    })
}

/// Renders changes of memberships, the last one `run.completed`.
fn frames(to: &Destination, events: usize) -> Outcome<Vec<String>> {
    let now: Instant = "2026-11-23T02:00:00Z".parse()?;
    let facts = RunFacts { run_id: RUN.to_owned(), ..RunFacts::of_test("host.example.com", now) };
    let changes: Vec<Change> = (1..events).map(|number| change(&number.to_string())).collect();
    let completed = Completed {
        completeness: Completeness::Complete,
        manifest_sha256: "a".repeat(64),
        accounts: 100_000,
        groups: 28,
        changes: BTreeMap::new(),
        findings: BTreeMap::new(),
        redelivered: 0,
        spool_percent: 0,
        damaged_batches: 0,
        dead_letters: Some(0),
        purged: Purged::default(),
    };
    let sender = Sender { host: "host.example.com".to_owned(), pid: std::process::id() };
    let messages = of_published(&facts, &changes, &[], &[], &completed);
    Ok(messages.zip(1..).map(|(message, sequence)| to.render(&sender, &message, sequence)).collect())
}

fn change(id: &str) -> Change {
    Change {
        source: "appliance-eu".into(),
        event_id: Fingerprint::of(&[id]),
        kind: ChangeKind::MembershipAdded,
        subject: Subject { kind: SubjectKind::User, id: id.into(), name: Some(format!("user-{id}").as_str().into()) },
        field: Some("group_memberships".into()),
        before: None,
        after: Some("3".into()),
        base_run: "20261122T020000Z-1c4e".into(),
        group: Some(ChangedGroup { id: "3".into(), name: Some("Vault Admins".into()), privileged: true }),
        account: None,
    }
}

fn send_plainly(port: u16, frames: &[String]) -> Outcome<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    let mut out = BufWriter::new(&stream);
    for frame in frames {
        write!(out, "{} {frame}", frame.len())?;
    }
    out.flush()?;
    drop(out);
    stream.shutdown(Shutdown::Write)?;
    stream.read_to_end(&mut Vec::new())?;
    Ok(())
}

fn queue(folder: &Path, destination: &Destination, frames: &[String]) -> Outcome<()> {
    let mut staged = Spool::open(folder, Path::new("/snapshots"))?.stage(RUN);
    staged.write(destination.url(), frames.iter().cloned())?;
    Ok(staged.commit()?)
}

fn deliver_all(folder: &Path, destination: &Destination, events: usize) -> Outcome<()> {
    let spool = Spool::open(folder, Path::new("/snapshots"))?;
    let all = std::slice::from_ref(destination);
    let delivery = deliver(&spool, all, &Timing::default(), &NoObserver, &|| false)?;
    assert_eq!(delivery.destinations[0].delivered, events as u64, "{:?}", delivery.destinations[0].error);
    Ok(())
}
