//! Tests of rendering and of the spool: frames that every receiver reads correctly, and a queue that loses no event.

mod changes;
mod cursors;
mod damage;
mod dead;
mod draining;
mod fields;
mod flat;
mod hostile;
mod ocsf;
mod relp;
mod samples;
pub(super) mod sessions;
pub(super) mod sessions_tls;
mod standing;

use super::facts::{Completed, FindingFacts, Purged, RunFacts};
use super::format::{Sender, render};
use super::groups::GroupNames;
use super::message::{Message, of_failed, of_published, of_test};
use super::spool::{Spool, waiting_runs};
use super::*;
use crate::model::{
    AccountStanding, Advice, Change, Completeness, Contact, Finding, FindingStatus, Fingerprint, Rule, Severity,
    SourceName, Subject, SubjectKind, UserKind,
};
use chrono::{DateTime, Utc};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn now() -> DateTime<Utc> {
    "2026-11-23T02:00:00.123Z".parse().unwrap()
}

fn destination(transport: Transport, protocol: Protocol) -> SyslogDestination {
    SyslogDestination {
        url: "test".to_owned(),
        transport,
        protocol,
        framing: Framing::OctetCounting,
        payload: Payload::Ecs,
        facility: 13,
        enterprise_number: None,
        ca_file: None,
        client_identity: None,
        proof: Proof::Close,
        events_per_second: 500,
        udp_max: None,
        send: Send::Transitions { remind_days: 7 },
    }
}

fn stream() -> SyslogDestination {
    destination(Transport::Tcp("localhost".to_owned(), 601), Protocol::Rfc5424)
}

fn datagram() -> SyslogDestination {
    destination(Transport::Udp("localhost".to_owned(), 514), Protocol::Rfc5424)
}

pub(super) fn sender() -> Sender {
    Sender { host: "host.example.com".to_owned(), pid: 4242 }
}

pub(super) fn facts() -> RunFacts {
    RunFacts {
        run_id: "20261123T020000Z-7f3a".to_owned(),
        as_of: now(),
        started_at: now(),
        now: now(),
        host: "host.example.com".to_owned(),
        sources: Vec::new(),
        config_sha256: "0".repeat(64),
        previous: None,
        previous_started_at: None,
        next_run_expected: Some(now() + chrono::TimeDelta::hours(24)),
    }
}

pub(super) fn finding(name: &str, evidence: &str) -> Finding {
    let evidence = serde_json::json!({ "basis": evidence, "privileged": true });
    let source = SourceName::from("eu");
    Finding {
        fingerprint: Fingerprint::of_finding(&source, "rest-v3", Rule::StaleLogin, SubjectKind::User, "17"),
        source,
        rule: Rule::StaleLogin,
        severity: Severity::High,
        status: FindingStatus::New,
        subject: Subject { kind: SubjectKind::User, id: "17".into(), name: Some(name.into()) },
        contact: Contact::default(),
        wording: ("no login for 100 days", evidence.to_string().as_str()).into(),
        advice: Advice { action: "Ask the account's owner.".into(), controls: ["PCI DSS 8.2.6"; 20].into() }.into(),
        first_seen: now(),
        last_seen: now(),
        exception: None,
    }
}

fn completed() -> Completed {
    Completed {
        completeness: Completeness::Complete,
        manifest_sha256: "a".repeat(64),
        accounts: 1,
        groups: 1,
        changes: BTreeMap::new(),
        findings: BTreeMap::from([("stale-login".to_owned(), 1)]),
        redelivered: 0,
        spool_percent: 0,
        damaged_batches: 0,
        dead_letters: Some(0),
        purged: Purged::default(),
    }
}

/// Returns the event of a change. What it borrows lives until the end of the tests.
fn message_of_change(change: Change) -> Message<'static> {
    let (facts, change, completed) = Box::leak(Box::new((facts(), [change], completed())));
    of_published(facts, change, &[], &[], completed).next().unwrap()
}

fn message_about(name: &str, evidence: &str) -> Message<'static> {
    message_of(&finding(name, evidence))
}

/// Returns the facts of a finding about a privileged account.
fn opened(finding: &Finding) -> FindingFacts<'_> {
    FindingFacts {
        finding,
        occasion: Occasion::Opened,
        previous_severity: None,
        rule_title: "Inactive accounts".into(),
        account: Some(account("", "")),
        groups: GroupNames::of(finding, |_| None),
    }
}

fn account(email: &str, full_name: &str) -> AccountStanding {
    AccountStanding {
        kind: UserKind::BreakGlass,
        enabled: Some(false),
        privileged: Some(true),
        contact: Contact { email: Some(email.into()), display_name: Some(full_name.into()) },
    }
}

pub(super) fn message_of(finding: &Finding) -> Message<'static> {
    message_with(&opened(finding))
}

/// Returns the event of a finding. What it borrows is copied and lives until the end of the tests.
fn message_with(sent: &FindingFacts<'_>) -> Message<'static> {
    let finding: &'static Finding = Box::leak(Box::new(sent.finding.clone()));
    let rule_title = sent.rule_title.clone().into_owned().into();
    let FindingFacts { occasion, previous_severity, account, groups, .. } = sent.clone();
    let sent = FindingFacts { finding, occasion, previous_severity, rule_title, account, groups };
    let (facts, sent, completed) = Box::leak(Box::new((facts(), [sent], completed())));
    of_published(facts, &[], sent, &[], completed).next().unwrap()
}

fn body(frame: &str) -> Value {
    serde_json::from_str(&frame[frame.find('{').unwrap()..]).unwrap()
}

#[test]
fn a_strict_parser_reads_every_field_of_a_frame() {
    let frame = render(&stream(), &sender(), &message_about("bob \"]\\ \n<110>1 x", "e"), 7);
    let parsed = syslog_rfc5424::parse_message(&frame).unwrap();
    assert_eq!(parsed.appname.as_deref(), Some("btrollcall"));
    assert_eq!(parsed.msgid.as_deref(), Some("finding.stale-login"));
    assert_eq!(parsed.hostname.as_deref(), Some("host.example.com"));
    assert!(frame.starts_with("<107>1 2026-11-23T02:00:00.123Z "), "audit (13) * 8 + error (3): {frame}");
    let loose = syslog_loose::parse_message(&frame, syslog_loose::Variant::RFC5424);
    let meta = loose.structured_data.iter().find(|element| element.id == "meta").unwrap();
    assert_eq!(meta.params().next(), Some((&"sequenceId", "7".to_owned())));
    assert_eq!(body(loose.msg)["user"]["name"], "bob \"]\\ \u{240a}<110>1 x");
}

#[test]
fn a_local_socket_receives_rfc_3164_without_a_host() {
    let local = destination(Transport::Unix("/dev/log".into()), Protocol::Rfc3164);
    let frame = render(&local, &sender(), &message_about("bob", "e"), 1);
    assert!(frame.starts_with("<107>Nov 23 02:00:00 btrollcall[4242]: {"), "{frame}");
}

#[test]
fn run_completed_is_the_last_event_and_is_included_in_its_own_count() {
    let findings = [finding("a", "e"), finding("b", "e")];
    let (facts, sent, completed) = (facts(), findings.each_ref().map(opened), completed());
    let messages: Vec<Message<'_>> = of_published(&facts, &[], &sent, &[], &completed).collect();
    assert_eq!(messages.last().unwrap().code, "run.completed");
    assert_eq!(ecs::fields(messages.last().unwrap())["btrollcall"]["run"]["emitted"], 3);
}

#[test]
fn a_finding_about_a_group_contains_the_group_and_no_user() {
    let mut about_group = finding("Operators", "e");
    about_group.subject.kind = SubjectKind::Group;
    let body = ecs::fields(&message_of(&about_group));
    assert_eq!(body["group"], serde_json::json!({"id": "17", "name": "Operators"}));
    assert_eq!(body["event"]["type"], serde_json::json!(["info", "group"]));
    assert!(!body.contains_key("user") && !body.contains_key("related"));
}

#[test]
fn the_same_event_has_the_same_id_and_the_same_bytes() {
    let render = || render(&stream(), &sender(), &message_about("bob", "e"), 1);
    assert_eq!(render(), render());
    let id = |facts: &RunFacts| ecs::fields(&of_failed(facts, "x"))["event"]["id"].clone();
    let other = RunFacts { run_id: "20261124T020000Z-0000".to_owned(), ..facts() };
    assert_ne!(id(&facts()), id(&other), "two runs never share an id");
}

#[test]
fn the_test_event_replaces_its_control_characters() {
    let frame = render(&datagram(), &sender(), &of_test(&RunFacts::of_test("host", now())), 1);
    assert!(body(&frame)["message"].as_str().unwrap().contains("\u{240a}<110>1 newline"));
}

/// A destination with RFC 3164 over UDP, which has the smallest frames.
fn packet() -> SyslogDestination {
    destination(Transport::Udp("localhost".to_owned(), 514), Protocol::Rfc3164)
}

fn to() -> impl Strategy<Value = SyslogDestination> {
    prop_oneof![Just(stream()), Just(datagram()), Just(packet())]
}

proptest! {
    #[test]
    fn any_name_gives_one_ascii_frame_within_the_size_limit(
        name in ".{0,3000}", evidence in "\\PC{0,9000}", to in to(), of_group in any::<bool>(),
    ) {
        let mut finding = finding(&name, &evidence);
        finding.subject.kind = if of_group { SubjectKind::Group } else { SubjectKind::User };
        let sent = FindingFacts { account: Some(account(&name, &name)), ..opened(&finding) };
        let frame = render(&to, &sender(), &message_with(&sent), u64::MAX);
        prop_assert!(frame.len() <= to.max_frame_octets(), "{} octets", frame.len());
        prop_assert!(frame.bytes().all(|b| (0x20..0x7f).contains(&b)));
        let body = body(&frame);
        prop_assert_eq!(&body["event"]["code"], "finding.stale-login");
        prop_assert_eq!(&body[if of_group { "group" } else { "user" }]["id"], "17");
        prop_assert_eq!(body["event"]["id"].as_str().unwrap().len(), 26);
        prop_assert_eq!(body["btrollcall"]["finding"]["fingerprint"].as_str().unwrap().len(), 26);
        prop_assert_eq!(&body["btrollcall"]["finding"]["severity"], "high");
        prop_assert_eq!(&body["btrollcall"]["account"]["privileged"], &if of_group { Value::Null } else { true.into() });
    }

    #[test]
    fn a_long_reason_is_shortened_and_marked_as_truncated(reason in ".{3000,6000}", is_packet in any::<bool>()) {
        let to = if is_packet { packet() } else { datagram() };
        let frame = render(&to, &sender(), &of_failed(&facts(), &reason), 1);
        let limit = if is_packet { 1_024 } else { 1_180 };
        prop_assert!(frame.len() <= limit);
        prop_assert_eq!(&body(&frame)["btrollcall"]["truncated"], true);
    }
}

const RUN: &str = "20261123T020000Z-7f3a";

fn frames() -> impl Iterator<Item = String> {
    ["one".to_owned(), "two \"quoted\"".to_owned()].into_iter()
}

#[test]
fn a_batch_stays_queued_unchanged_until_it_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path(), Path::new("/snapshots")).unwrap();
    let mut staged = spool.stage(RUN);
    staged.write("tls://a", frames()).unwrap();
    assert!(spool.pending().unwrap().batches.is_empty(), "a staged batch is not queued");
    staged.commit().unwrap();
    let pending = spool.pending().unwrap();
    let [batch] = pending.batches.as_slice() else { panic!("one batch") };
    assert_eq!((batch.destination.as_str(), batch.frames), ("tls://a", 2));
    let read: Vec<String> = batch.each().unwrap().map(Result::unwrap).collect();
    assert_eq!(read, frames().collect::<Vec<_>>());
    spool.acknowledge(batch).unwrap();
    assert!(spool.pending().unwrap().batches.is_empty());
}

#[test]
fn recovery_commits_staged_batches_of_published_runs_and_removes_the_others() {
    for (published, waiting) in [(true, 1), (false, 0)] {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), Path::new("/snapshots")).unwrap();
        let mut staged = spool.stage(RUN);
        staged.write("tls://a", frames()).unwrap();
        // As after kill -9: the batches are not dropped.
        std::mem::forget(staged);
        spool.recover(|run_id| published && run_id == RUN).unwrap();
        assert_eq!(spool.pending().unwrap().batches.len(), waiting);
    }
}

#[test]
fn a_run_counts_as_waiting_while_it_has_a_staged_queued_or_damaged_file() {
    let folder = tempfile::tempdir().unwrap();
    let waiting = || waiting_runs(folder.path()).unwrap().into_iter().collect::<Vec<_>>();
    assert_eq!(waiting(), [""; 0], "without a spool");
    let spool = Spool::open(folder.path(), Path::new("/snapshots")).unwrap();
    let mut staged = spool.stage(RUN);
    staged.write("tls://a", frames()).unwrap();
    assert_eq!(waiting(), [RUN]);
    staged.commit().unwrap();
    assert_eq!(waiting(), [RUN]);
    spool.acknowledge(&spool.pending().unwrap().batches[0]).unwrap();
    assert_eq!(waiting(), [""; 0]);
    fs::write(folder.path().join(format!("spool/{RUN}.0000.jsonl")), "torn").unwrap();
    assert_eq!(waiting(), [RUN]);
}

#[test]
fn recovery_leaves_staged_batches_of_another_store_alone() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Spool::open(folder.path(), Path::new("/snapshots")).unwrap();
    let theirs = Spool::open(folder.path(), Path::new("/other")).unwrap();
    let mut staged = theirs.stage(RUN);
    staged.write("tls://a", frames()).unwrap();
    std::mem::forget(staged);
    ours.recover(|_| false).unwrap();
    theirs.recover(|_| true).unwrap();
    assert_eq!(ours.pending().unwrap().batches.len(), 1);
}

#[test]
fn recovery_keeps_a_staged_batch_that_the_system_does_not_let_it_read() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path(), Path::new("/snapshots")).unwrap();
    let mut staged = spool.stage(RUN);
    staged.write("tls://a", frames()).unwrap();
    std::mem::forget(staged);
    let names = || fs::read_dir(spool.dir()).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let path = names().into_iter().find(|path| path.to_string_lossy().contains(RUN)).unwrap();
    // A link to itself: every user, root included, gets an error that is no proof of absence.
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&path, &path).unwrap();
    assert!(matches!(spool.recover(|_| false), Err(super::spool::SpoolError::Io { .. })));
    assert!(names().contains(&path), "{:?}", names());
}

#[test]
fn many_events_are_split_into_several_batches_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path(), Path::new("/snapshots")).unwrap();
    let mut staged = spool.stage(RUN);
    staged.write("tls://a", (0..45_000).map(|n| n.to_string())).unwrap();
    staged.commit().unwrap();
    let batches = spool.pending().unwrap().batches;
    assert_eq!(batches.iter().map(|batch| batch.frames).collect::<Vec<_>>(), [20_000, 20_000, 5_000]);
    let frames: Vec<String> = batches.iter().flat_map(|batch| batch.each().unwrap().map(Result::unwrap)).collect();
    assert!(frames.iter().enumerate().all(|(n, frame)| *frame == n.to_string()));
}

#[test]
fn a_full_spool_is_an_error_that_names_the_limit_and_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path(), Path::new("/snapshots")).unwrap().with_limit(100);
    spool.check_room().unwrap();
    let mut staged = spool.stage(RUN);
    staged.write("tls://a", frames()).unwrap();
    staged.commit().unwrap();
    let error = spool.check_room().unwrap_err().to_string();
    assert!(error.contains("the limit is 100;") && error.contains("bt-rollcall emit"), "{error}");
}

#[test]
fn run_completed_fits_into_a_datagram_with_the_longest_host_name_and_counts() {
    let sender = Sender { host: "h".repeat(255), pid: u32::MAX };
    let facts = RunFacts { host: "h".repeat(255), previous: Some(RUN.to_owned()), ..facts() };
    let rules = Rule::ALL.iter().map(|rule| (rule.as_str().to_owned(), u64::MAX / 16));
    let kinds = crate::model::ChangeKind::ALL.iter().map(|kind| (kind.as_str().to_owned(), u64::MAX / 16));
    let (findings, changes) = (rules.collect(), kinds.collect());
    let completed = Completed { findings, changes, accounts: u64::MAX, groups: u64::MAX, ..completed() };
    let message = of_published(&facts, &[], &[], &[], &completed).last().unwrap();
    for to in [datagram(), packet()] {
        let frame = render(&to, &sender, &message, u64::MAX);
        assert!(frame.len() <= to.max_frame_octets(), "{} octets", frame.len());
        assert_eq!(body(&frame)["btrollcall"]["run"]["manifest_sha256"], completed.manifest_sha256);
    }
}

// RFC 3164 §4.1: 1,024 octets.
#[test]
fn an_event_that_is_too_long_for_rfc_3164_over_udp_loses_whole_fields_before_texts_are_cut() {
    let over_udp = render(&packet(), &sender(), &message_about("bob", &"e".repeat(900)), 1);
    assert!(over_udp.len() <= 1_024, "{} octets", over_udp.len());
    let over_tcp = destination(Transport::Tcp("localhost".to_owned(), 601), Protocol::Rfc3164);
    let whole = body(&render(&over_tcp, &sender(), &message_about("bob", &"e".repeat(900)), 1));
    let kept = body(&over_udp);
    assert_eq!(kept["btrollcall"]["truncated"], true);
    assert!(whole["btrollcall"]["truncated"].is_null());
    assert_eq!(kept["btrollcall"]["finding"]["status"], whole["btrollcall"]["finding"]["status"]);
    assert_is_part_of(&kept, &whole);
}

#[test]
fn an_event_over_udp_is_as_long_as_udp_max_allows() {
    let message = message_about("bob", &"e".repeat(3_000));
    let whole = body(&render(&stream(), &sender(), &message, 1));
    for (udp_max, is_whole) in [(None, false), (Some(1_180), false), (Some(8_000), true)] {
        for to in [datagram(), packet()] {
            let to = SyslogDestination { udp_max, ..to };
            let frame = render(&to, &sender(), &message, 1);
            assert!(frame.len() <= udp_max.unwrap_or(1_180) as usize, "{} octets", frame.len());
            assert_eq!(body(&frame) == whole, is_whole, "{udp_max:?}");
        }
    }
}

/// Asserts that every text and number of `part` is in `whole` unchanged.
fn assert_is_part_of(part: &Value, whole: &Value) {
    match part {
        Value::Object(map) => {
            for (key, value) in map.iter().filter(|(key, _)| *key != "truncated") {
                assert_is_part_of(value, &whole[key]);
            }
        }
        other => assert_eq!(other, whole),
    }
}

// The name nearly fills the packet, so the message that repeats it is removed first.
#[test]
fn a_message_that_repeats_a_long_name_is_removed_before_the_name_is_shortened() {
    let name = "n".repeat(220);
    let kept = body(&render(&packet(), &sender(), &message_about(&name, "e"), 1));
    assert_eq!(kept["user"]["name"], name);
    assert!(kept["message"].is_null());
}

#[test]
fn staged_batches_are_removed_when_the_run_fails() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path(), Path::new("/snapshots")).unwrap();
    let mut staged = spool.stage(RUN);
    staged.write("tls://a", frames()).unwrap();
    drop(staged);
    assert_eq!(fs::read_dir(folder.path().join("spool")).unwrap().count(), 0);
}
