//! Events of every code about accounts and groups whose names attack receivers.
//!
//! One test fills the spool of a configuration with them, for the checks with real receivers.

use super::super::facts::{SourceFacts, SuspectFacts};
use super::standing::{source, suspect};
use super::*;
use crate::model::ChangeKind;
use std::collections::BTreeSet;

/// Names that break, forge or hide records in receivers that do not expect them.
const NAMES: [&str; 24] = [
    "bob\n<110>1 2026-11-23T02:00:00.000Z host btrollcall 1 user.removed - forged",
    "bob\r\n<110>1 - - - - - - forged",
    "nul\u{0}hidden",
    "tab\there",
    "\u{1b}[2Jescape",
    "next\u{85}line\u{2028}and\u{2029}paragraph",
    "delete\u{7f}",
    "]quote\"back\\slash]",
    "\\n is two characters, and so is \\\"",
    "a=b|c^d e=f",
    "CEF:0|x|y|z|1|n|1|duser=other",
    "LEEF:2.0|x|y|z|1|^|usrName=other",
    "{\"event\":{\"code\":\"user.removed\"}}",
    "%msg% $! ${jndi:ldap://x} `id`",
    "12345 67890",
    "133 <110>1 - - - - - - counted",
    "ends with a backslash\\",
    "ends with a space ",
    "  ",
    "-",
    "😀 Zoë 李 Ωmega",
    "\u{202e}right to left",
    "\u{feff}byte order mark",
    "formula =cmd|' /C calc'!A0",
];

/// Returns as many frames for a destination as wanted. Codes and names change from frame to frame.
pub(super) fn frames_for(to: &SyslogDestination, count: usize) -> Vec<String> {
    rendered_for(&Destination::Syslog(to.clone()), count)
}

/// Returns as many frames or items for a destination as wanted, as the spool holds them.
fn rendered_for(to: &Destination, count: usize) -> Vec<String> {
    let mut frames = Vec::new();
    for round in 0.. {
        with_events_of(round, |message| frames.push(to.render(&sender(), message, frames.len() as u64 + 1)));
        if frames.len() >= count {
            break;
        }
    }
    frames.truncate(count);
    frames
}

/// Calls a function with an event of every code. No other round has events with the same ids.
fn with_events_of(round: usize, with: impl FnMut(&Message<'_>)) {
    let long = NAMES[round % NAMES.len()].repeat(200);
    // Shortening takes time, so only some of many events need it.
    let wide = "李".repeat(120);
    let name = match round % 7 {
        6 if round < 32 => long.as_str(),
        5 if round < 32 => wide.as_str(),
        _ => NAMES[round % NAMES.len()],
    };
    let sources = vec![SourceFacts { reason: Some(name.to_owned()), ..source("pra", "bt.example.com") }];
    let previous_started_at = Some(now() - chrono::TimeDelta::days(1));
    let run_id = format!("20261123T020000Z-{round:04x}");
    let facts = RunFacts { run_id, sources, previous_started_at, ..facts() };
    let account = || {
        let standing = account(&format!("{name}@example.com"), name);
        // OCSF has a type for service accounts that older versions lack.
        if round % 3 == 2 {
            AccountStanding { kind: UserKind::Service, privileged: None, ..standing }
        } else {
            standing
        }
    };
    let changes = ChangeKind::ALL.map(|kind| {
        let mut change = super::changes::change(kind, name);
        change.event_id = Fingerprint::of(&[kind.as_str(), &facts.run_id]);
        change.account = Some(Box::new(account()));
        change.subject.id = id_of(round).as_str().into();
        change
    });
    let findings = Rule::ALL.map(|rule| Finding { rule, ..finding_of(rule, round, name) });
    let occasions = [
        Occasion::Opened,
        Occasion::Reopened,
        Occasion::Changed,
        Occasion::Reminder,
        Occasion::Resolved,
        Occasion::Excepted,
    ];
    let mut sent = findings.each_ref().map(|finding| FindingFacts { account: Some(account()), ..opened(finding) });
    for (at, finding) in sent.iter_mut().enumerate() {
        finding.occasion = occasions[(at + round) % occasions.len()];
    }
    let suspects = [SuspectFacts { reason: name.to_owned(), ..suspect() }];
    let completed = completed();
    let published = of_published(&facts, &changes, &sent, &suspects, &completed);
    let others = [of_failed(&facts, name), of_test(&facts)];
    published.collect::<Vec<_>>().iter().chain(&others).for_each(with);
}

/// Returns the id of the subjects of a round. Only its end differs, and other texts do not contain its beginning.
fn id_of(round: usize) -> String {
    format!("c0ffee00-1111-2222-3333-{round:012}")
}

fn finding_of(rule: Rule, round: usize, name: &str) -> Finding {
    let id = id_of(round);
    let fingerprint = Fingerprint::of_finding(&SourceName::from("eu"), "rest-v3", rule, SubjectKind::User, &id);
    let subject = Subject { kind: SubjectKind::User, id: id.as_str().into(), name: Some(name.into()) };
    Finding { fingerprint, subject, ..finding(name, name) }
}

#[test]
fn hostile_events_of_every_code_are_one_record_each_for_a_strict_parser_and_have_ids_of_their_own() {
    let (mut codes, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for frame in frames_for(&stream(), 1_000) {
        assert!(frame.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{frame}");
        codes.extend(syslog_rfc5424::parse_message(&frame).unwrap().msgid);
        assert!(ids.insert(body(&frame)["event"]["id"].to_string()), "an id twice: {frame}");
    }
    let rules = Rule::ALL.map(|rule| format!("finding.{}", rule.as_str()));
    let runs = ["run.completed", "run.failed", "run.suspect", "run.test"].map(str::to_owned);
    let expected = ChangeKind::ALL.map(|kind| kind.as_str().to_owned()).into_iter().chain(rules).chain(runs);
    assert_eq!(codes, expected.collect());
}

#[test]
fn ids_stay_whole_and_no_address_is_cut_in_the_smallest_frames() {
    for payload in [Payload::Ecs, Payload::Ocsf(Ocsf::DEFAULT), Payload::Cef, Payload::Leef] {
        let to = SyslogDestination { payload, ..packet() };
        for frame in frames_for(&to, 400) {
            for (at, _) in frame.match_indices("c0ffee00") {
                let id = frame.get(at..at + id_of(0).len()).unwrap_or_default();
                assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'), "{id}: {frame}");
            }
            assert_eq!(frame.matches("\"email").count(), frame.matches("@example.com\"").count(), "{frame}");
        }
    }
}

#[test]
fn values_that_rules_compare_are_in_datagrams_too() {
    let mut change = super::changes::change(ChangeKind::UserChanged, "leila.hansen");
    change.field = Some("is_admin".into());
    (change.before, change.after) = (Some("false".into()), Some("true".into()));
    change.account = Some(Box::new(account("leila.hansen@example.com", &"Leila Hansen ".repeat(20))));
    let message = message_of_change(change);
    let frame = render(&datagram(), &sender(), &message, 1);
    assert_eq!(body(&frame)["btrollcall"]["truncated"], true);
    assert_eq!(body(&frame)["btrollcall"]["change"]["after"], "true");
    let cef = render(&SyslogDestination { payload: Payload::Cef, ..packet() }, &sender(), &message, 1);
    assert!(cef.contains("flexString2=true"), "{cef}");
}

/// Queues `EVENTS_COUNT` hostile events for each destination of the configuration `EVENTS_CONFIG`.
#[test]
#[ignore = "fills the spool of a configuration; the checks with real receivers call it"]
fn fill_the_spool_with_hostile_events() {
    let path = std::env::var("EVENTS_CONFIG").expect("EVENTS_CONFIG names a configuration");
    let count = std::env::var("EVENTS_COUNT").map_or(1_000, |text| text.parse().unwrap());
    let config = crate::config::Config::load(Path::new(&path), &|name| std::env::var(name).ok()).unwrap();
    let spool = Spool::open(&config.state_dir, &config.output.dir).unwrap();
    let mut staged = spool.stage(RUN);
    for destination in &config.destinations {
        staged.write(destination.url(), rendered_for(destination, count).into_iter()).unwrap();
    }
    staged.commit().unwrap();
}
