//! The events of a run before they have a header: changes, findings and the result of the run. Pure.
//!
//! `run::notify` collects the facts, `ecs` renders the bodies, and `format` adds the header.

use super::ecs;
use crate::model::{Change, Completeness, Finding, Fingerprint, Instant, Severity, SourceStatus};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// An event with its JSON body, before it has a header.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Event code, such as `finding.stale-login`. It is the MSGID and `event.code`.
    pub code: String,
    /// Severity of the event.
    pub severity: Severity,
    /// Wall clock when the event was created, for the header.
    pub at: Instant,
    /// Whole body. The frame may contain less of it.
    pub body: Map<String, Value>,
}

/// The facts of a source for events.
#[derive(Clone, Debug)]
pub struct SourceFacts {
    /// Name of the source.
    pub name: String,
    /// Kind of the source, such as `rest-v3`.
    pub kind: String,
    /// Base address of the source.
    pub url: String,
    /// Result of reading the source.
    pub status: SourceStatus,
    /// Instant at which the source was last proven complete, RFC 3339.
    pub confirmed_at: Option<String>,
    /// Number of rows that are kept from earlier runs and that this run did not confirm.
    pub unconfirmed_rows: u64,
}

/// A list that a guard objects to.
#[derive(Clone, Debug)]
pub struct SuspectFacts {
    /// Name of the source.
    pub source: String,
    /// Kind of the list.
    pub list: &'static str,
    /// Number of known rows; `None` if the list was never proven complete.
    pub before: Option<u64>,
    /// Number of rows in this run.
    pub now: u64,
    /// Number of known rows that are missing now.
    pub gone: u64,
    /// Limit that the list exceeds, in percent of the known rows.
    pub limit_percent: u8,
    /// The objection in words.
    pub reason: String,
}

/// Facts of a run that every event can contain.
#[derive(Clone, Debug)]
pub struct RunFacts {
    /// Id of the run.
    pub run_id: String,
    /// Instant that every age is computed from.
    pub as_of: Instant,
    /// Wall clock at the start of the run.
    pub started_at: Instant,
    /// Wall clock when the events are created: their time.
    pub now: Instant,
    /// Name of the host that runs the program.
    pub host: String,
    /// Facts of every configured source.
    pub sources: Vec<SourceFacts>,
    /// SHA-256 of the configuration file, hexadecimal.
    pub config_sha256: String,
    /// Id of the baseline's run; `None` for a first snapshot and for a run that published nothing.
    pub previous: Option<String>,
    /// Start of the baseline's run.
    pub previous_started_at: Option<Instant>,
}

/// The result of a run that published a snapshot.
#[derive(Clone, Debug)]
pub struct Completed {
    /// Whether every list was proven complete.
    pub completeness: Completeness,
    /// SHA-256 of the manifest, hexadecimal. In the SIEM it proves later that the snapshot is unchanged.
    pub manifest_sha256: String,
    /// Number of users in the snapshot.
    pub accounts: u64,
    /// Number of groups in the snapshot.
    pub groups: u64,
    /// Number of changes by kind.
    pub changes: BTreeMap<String, u64>,
    /// Number of findings by rule.
    pub findings: BTreeMap<String, u64>,
    /// Number of events of earlier runs that are queued and sent before this one.
    pub redelivered: u64,
}

/// Returns the events of a run that published: changes, findings, suspicious lists, and `run.completed` as the last
/// one.
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
    let of_findings =
        findings.iter().zip(before_findings + 1..).map(|(finding, sequence)| of_finding(facts, finding, sequence));
    let of_suspects = suspects.iter().map(|suspect| of_suspect(facts, suspect));
    of_changes
        .chain(of_findings)
        .chain(of_suspects)
        .chain(std::iter::once_with(move || of_completed(facts, completed, emitted)))
}

/// Returns a deterministic event id. The same event always has the same id, and two transitions never share one.
fn event_id(of: &str, state: &str, facts: &RunFacts) -> String {
    // The baseline is part of the id: compared with another baseline it is another transition.
    let previous = facts.previous.as_deref().unwrap_or("-");
    // `e1` is the version of this scheme. Another scheme cannot produce the same ids.
    Fingerprint::of(&["e1", of, state, previous, &facts.run_id]).to_string()
}

/// Returns the event of a change. Its id is the `event_id` of the changes table.
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
    // A partial run is high, so that an alert on severity finds it.
    let severity = match completed.completeness {
        Completeness::Complete => Severity::Info,
        Completeness::Partial => Severity::High,
    };
    let body = ecs::completed(facts, completed, &id, emitted, severity);
    Message { code: "run.completed".to_owned(), severity, at: facts.now, body }
}

/// Returns `run.failed`, the event of a run that published nothing.
pub fn of_failed(facts: &RunFacts, reason: &str) -> Message {
    let id = event_id("run.failed", "-", facts);
    failure(facts, "run.failed", ecs::failed(facts, "run.failed", reason, &id))
}

/// Returns `run.suspect`, the event of a list that a guard objects to. Its source counts as not read.
pub fn of_suspect(facts: &RunFacts, suspect: &SuspectFacts) -> Message {
    let id = event_id("run.suspect", &format!("{}/{}", suspect.source, suspect.list), facts);
    failure(facts, "run.suspect", ecs::suspect(facts, suspect, &id))
}

fn failure(facts: &RunFacts, code: &str, body: Map<String, Value>) -> Message {
    Message { code: code.to_owned(), severity: Severity::High, at: facts.now, body }
}

/// Returns `run.test`. Its text contains characters that careless receivers break: quotes, control characters,
/// four-byte UTF-8.
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
