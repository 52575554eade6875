//! The border of a source: a source that panics, or that is too large, fails alone.

use super::*;
use crate::event::NoObserver;
use crate::model::{Group, GroupId, Outside, OutsideMember, UserId};
use crate::run::observers::LogSettings;
use crate::source::{Probe, ProbeFuture, ReadingFuture, SignOutFuture, SourceKind};
use crate::wire::{ClientSettings, Credentials};
use secrecy::SecretString;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

fn settings(name: &str) -> SourceSettings {
    let account = Credentials::Bearer(SecretString::from("t".to_owned()));
    let client = ClientSettings::new(name.into(), "https://localhost", account);
    let url = "https://localhost".to_owned();
    let identity = SourceIdentity { name: name.into(), kind: "scim".to_owned(), url, client_id: String::new() };
    SourceSettings::new(identity, SourceKind::Scim, client)
}

/// A source of which some part panics.
#[derive(Default)]
struct Fake {
    panics_while_reading: bool,
    panics_while_signing_out: bool,
    signed_out: Arc<AtomicU32>,
}

impl Source for Fake {
    fn read_all(&self) -> ReadingFuture<'_> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            assert!(!self.panics_while_reading, "a row that nobody expected");
            let users = ListReport::unasked(ListKind::Users, Coverage::Complete { proof: String::new() });
            SourceReading { lists: vec![users], ..SourceReading::of(settings("fine").identity) }
        })
    }

    fn probe(&self) -> ProbeFuture<'_> {
        Box::pin(std::future::pending::<Probe>())
    }

    fn sign_out(&self) -> SignOutFuture<'_> {
        Box::pin(async move {
            self.signed_out.fetch_add(1, Ordering::SeqCst);
            assert!(!self.panics_while_signing_out, "no session");
        })
    }
}

fn read(fakes: Vec<Fake>, observer: &dyn Observer) -> Vec<SourceReading> {
    let all: Vec<SourceSettings> = (0..fakes.len()).map(|number| settings(&format!("s{number}"))).collect();
    let connect = |(settings, fake)| SourceConnection { settings, source: Ok(Box::new(fake) as Box<dyn Source>) };
    let connections: Vec<SourceConnection<'_>> = all.iter().zip(fakes).map(connect).collect();
    block_on(read_all(&connections, observer, &Stop::new())).unwrap().unwrap()
}

#[test]
fn a_source_that_panics_fails_alone_and_its_session_is_closed() {
    let fake = Fake { panics_while_reading: true, ..Fake::default() };
    let signed_out = Arc::clone(&fake.signed_out);
    let readings = read(vec![fake, Fake::default()], &NoObserver);
    let reason = readings[0].reason().unwrap();
    assert!(reason.contains("internal error: a row that nobody expected"), "{reason}");
    assert!(reason.contains("please report this"), "{reason}");
    assert_eq!(readings[0].source.name.as_str(), "s0");
    assert_eq!((readings[0].status(), readings[1].status()), (SourceStatus::Failed, SourceStatus::Complete));
    assert!(signed_out.load(Ordering::SeqCst) > 0);
}

#[test]
fn a_panic_while_signing_out_does_not_end_the_run() {
    let fake = Fake { panics_while_signing_out: true, ..Fake::default() };
    let readings = read(vec![fake, Fake::default()], &NoObserver);
    assert_eq!(readings[1].status(), SourceStatus::Complete);
}

/// An observer that panics at the start of one source, and records the events of the others.
#[derive(Default)]
struct Picky(Mutex<Vec<String>>);

impl Observer for Picky {
    fn notify(&self, event: &RunEvent<'_>) {
        if let RunEvent::SourceEnded { source, .. } | RunEvent::SourceStarted { source, .. } = event {
            assert!(source.as_str() != "s1", "an observer that fails");
            self.0.lock().unwrap().push(source.to_string());
        }
    }
}

#[test]
fn an_observer_that_panics_fails_the_source_of_the_event() {
    let readings = read(vec![Fake::default(), Fake::default()], &Picky::default());
    assert_eq!(readings[0].status(), SourceStatus::Complete);
    assert!(readings[1].reason().unwrap().contains("an observer that fails"));
}

#[test]
fn a_panic_while_rows_are_joined_fails_that_source() {
    let reading = SourceReading::of(settings("s0").identity);
    let observer = Picky::default();
    let inventory = joined(reading, &observer, |reading| {
        assert!(!reading.lists.is_empty(), "rows that do not fit");
        SourceInventory::join(reading, &crate::model::Classes::default())
    });
    assert!(inventory.reading.reason().unwrap().contains("rows that do not fit"));
    assert_eq!(*observer.0.lock().unwrap(), ["s0"], "the failure is an event");
}

#[test]
fn a_source_with_more_rows_and_memberships_than_max_rows_fails_and_names_the_key() {
    let group = |id: u32| Group::new(id.to_string().as_str());
    let member = |id: u32| Outside {
        group_id: GroupId::from("1"),
        member: OutsideMember::Missing(UserId::from(id.to_string().as_str())),
    };
    let mut reading = SourceReading::of(settings("s0").identity);
    reading.groups = (0..60).map(group).collect();
    reading.outside = (0..40).map(member).collect();
    assert_eq!(limited(reading.clone(), 100).groups.len(), 60);
    let failed = limited(reading, 99);
    assert_eq!((failed.status(), failed.groups.len()), (SourceStatus::Failed, 0));
    assert!(failed.reason().unwrap().contains("more than 99, the value of max_rows"), "{:?}", failed.reason());
}

/// Panics within the border of a source, in a process with the hook and the log of the program. Only the test below starts it.
#[test]
#[ignore = "a part of the test below, which starts it in a process of its own"]
fn panics_on_purpose() {
    let bar = crate::run::observers::ProgressDisplay::new(false);
    let settings = LogSettings { level: tracing::Level::INFO, json: false, color: false, journal: false };
    crate::run::observers::start_logging(settings, &bar);
    crate::internal_error::hook();
    let readings = read(vec![Fake { panics_while_reading: true, ..Fake::default() }], &NoObserver);
    eprintln!("reason: {}", readings[0].reason().unwrap());
}

#[test]
fn a_panic_is_one_line_of_the_log_and_names_its_place() {
    let this = std::env::current_exe().unwrap();
    let name = "run::collected::tests::panics_on_purpose";
    let output = std::process::Command::new(this).args(["--ignored", "--exact", "--nocapture", name]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("a row that nobody expected")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines[0].contains("ERROR internal error: a row that nobody expected at src/run/collected/tests.rs:"),
        "{text}"
    );
    assert!(lines[1].starts_with("reason: users: internal error"), "{text}");
    assert!(!text.contains("panicked") && !text.contains("backtrace"), "{text}");
}
