//! The events of a run before they have a header: changes, findings and the result of the run. Pure.
//!
//! `run::notify` collects the facts, `ecs` renders the bodies, and `format` adds the header.

use super::ecs;
use super::facts::{Completed, FindingFacts, RunFacts, SuspectFacts};
use crate::model::{Change, Completeness, Fingerprint, Instant, Severity};
use serde_json::{Map, Value};

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

/// Returns the events of a run that published: changes, findings, suspicious lists, and `run.completed` as the last
/// one.
pub fn of_published<'a>(
    facts: &'a RunFacts,
    changes: &'a [Change],
    findings: &'a [FindingFacts<'a>],
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

fn of_finding(facts: &RunFacts, sent: &FindingFacts<'_>, sequence: u64) -> Message {
    let finding = sent.finding;
    let fingerprint = finding.fingerprint.to_string();
    let id = event_id(&fingerprint, finding.status.as_str(), facts);
    Message {
        code: format!("finding.{}", finding.rule.as_str()),
        severity: finding.severity,
        at: facts.now,
        body: ecs::finding(facts, sent, &id, sequence),
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
