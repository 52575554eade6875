//! Which findings and which facts of a run become messages. Pure.

use super::ecs;
use crate::model::{Change, Completeness, Finding, Fingerprint, Instant, Severity, SourceStatus};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One event, before it has a header.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// MSGID and `event.code`, such as `finding.stale-login`.
    pub code: String,
    /// How grave.
    pub severity: Severity,
    /// When it was made.
    pub at: Instant,
    /// The body with everything in it; the frame may leave out what is spare.
    pub body: Map<String, Value>,
}

/// One source, as events name it.
#[derive(Clone, Debug)]
pub struct SourceFacts {
    /// Name.
    pub name: String,
    /// `rest-v3`, …
    pub kind: String,
    /// Base address.
    pub url: String,
    /// What it came to.
    pub status: SourceStatus,
    /// When it was last proven complete, RFC 3339.
    pub confirmed_at: Option<String>,
    /// Known rows that this run did not confirm.
    pub unconfirmed_rows: u64,
}

/// A list that a guard objected to.
#[derive(Clone, Debug)]
pub struct SuspectFacts {
    /// Which source.
    pub source: String,
    /// Which list.
    pub list: &'static str,
    /// Known rows; `None` where the list was never proven complete.
    pub before: Option<u64>,
    /// Rows now.
    pub now: u64,
    /// Known rows that are not there any more.
    pub gone: u64,
    /// The limit that it broke.
    pub limit_percent: u8,
    /// All of it in words.
    pub reason: String,
}

/// What is true of the whole run.
#[derive(Clone, Debug)]
pub struct RunFacts {
    /// The run.
    pub run_id: String,
    /// The instant of all ages.
    pub as_of: Instant,
    /// Wall clock at the start.
    pub started_at: Instant,
    /// Wall clock now: the events' time.
    pub now: Instant,
    /// Host that ran it.
    pub host: String,
    /// Every source.
    pub sources: Vec<SourceFacts>,
    /// SHA-256 of the configuration.
    pub config_sha256: String,
    /// The run that the snapshot is chained to.
    pub previous: Option<String>,
    /// When that run began.
    pub previous_started_at: Option<Instant>,
}

/// How a run that published ended.
#[derive(Clone, Debug)]
pub struct Completed {
    /// Whether everything was proven complete.
    pub completeness: Completeness,
    /// SHA-256 of the manifest: an anchor on another system.
    pub manifest_sha256: String,
    /// Users.
    pub accounts: u64,
    /// Groups.
    pub groups: u64,
    /// Changes by kind.
    pub changes: BTreeMap<String, u64>,
    /// Findings by rule.
    pub findings: BTreeMap<String, u64>,
    /// Events that waited when the run began and go out before it.
    pub redelivered: u64,
}

/// The messages of a run that published: changes in their order, these findings, what a guard set aside, `run.completed` last.
pub fn of_published<'a>(
    facts: &'a RunFacts,
    changes: &'a [Change],
    findings: &'a [&'a Finding],
    suspects: &'a [SuspectFacts],
    completed: &'a Completed,
) -> impl Iterator<Item = Message> + 'a {
    let before_findings = changes.len() as u64;
    let emitted = before_findings + findings.len() as u64 + suspects.len() as u64 + 1;
    let of_changes = changes.iter().zip(1..).map(|(change, sequence)| of_change(facts, change, sequence));
    let each =
        findings.iter().zip(before_findings + 1..).map(|(finding, sequence)| of_finding(facts, finding, sequence));
    let aside = suspects.iter().map(|suspect| of_suspect(facts, suspect));
    of_changes.chain(each).chain(aside).chain(std::iter::once_with(move || of_completed(facts, completed, emitted)))
}

/// A deterministic id: the same event rendered twice has the same, two real transitions never share one.
fn event_id(of: &str, state: &str, facts: &RunFacts) -> String {
    let previous = facts.previous.as_deref().unwrap_or("-");
    Fingerprint::of(&["e1", of, state, previous, &facts.run_id]).to_string()
}

/// Its identity came with it: it names both runs.
fn of_change(facts: &RunFacts, change: &Change, sequence: u64) -> Message {
    Message {
        code: change.kind.as_str().to_owned(),
        severity: change.severity(),
        at: facts.now,
        body: ecs::change(facts, change, sequence),
    }
}

fn of_finding(facts: &RunFacts, finding: &Finding, sequence: u64) -> Message {
    let fingerprint = finding.fingerprint.to_string();
    let id = event_id(&fingerprint, finding.status.as_str(), facts);
    Message {
        code: format!("finding.{}", finding.rule.as_str()),
        severity: finding.severity,
        at: facts.now,
        body: ecs::finding(facts, finding, &id, sequence),
    }
}

fn of_completed(facts: &RunFacts, completed: &Completed, emitted: u64) -> Message {
    let id = event_id("run.completed", completed.completeness.as_str(), facts);
    let severity = match completed.completeness {
        Completeness::Complete => Severity::Info,
        Completeness::Partial => Severity::High,
    };
    let body = ecs::completed(facts, completed, &id, emitted, severity);
    Message { code: "run.completed".to_owned(), severity, at: facts.now, body }
}

/// A run that published nothing.
pub fn of_failed(facts: &RunFacts, reason: &str) -> Message {
    let id = event_id("run.failed", "-", facts);
    of_trouble(facts, "run.failed", ecs::failed(facts, "run.failed", reason, &id))
}

/// A list that a guard objected to: its source counts as not read.
pub fn of_suspect(facts: &RunFacts, suspect: &SuspectFacts) -> Message {
    let id = event_id("run.suspect", &format!("{}/{}", suspect.source, suspect.list), facts);
    of_trouble(facts, "run.suspect", ecs::suspect(facts, suspect, &id))
}

fn of_trouble(facts: &RunFacts, code: &str, body: Map<String, Value>) -> Message {
    Message { code: code.to_owned(), severity: Severity::High, at: facts.now, body }
}

/// A test, with characters that break careless receivers.
pub fn of_test(host: &str, now: Instant) -> Message {
    let facts = RunFacts {
        run_id: "test".to_owned(),
        as_of: now,
        started_at: now,
        now,
        host: host.to_owned(),
        sources: Vec::new(),
        config_sha256: String::new(),
        previous: None,
        previous_started_at: None,
    };
    let id = event_id("run.test", &now.to_rfc3339(), &facts);
    Message {
        code: "run.test".to_owned(),
        severity: Severity::Info,
        at: now,
        body: ecs::test(
            &facts,
            "test of bt-rollcall: \"quotes\" \\ ] = | ^ \n<110>1 newline \u{e9}\u{4e16}\u{1f600} \u{0} end",
            &id,
        ),
    }
}
