//! The events of a run: changes, findings and the result of the run, before they have a form. Pure.
//!
//! `run::notify` collects the facts. A payload (`ecs`, …) gives an event its body, and `format` its header.

use super::codes::{self, EventCode};
use super::facts::{Completed, FindingFacts, RunFacts, SuspectFacts};
use super::{body, summary};
use crate::model::{Change, Completeness, Fingerprint, Severity};
use std::borrow::Cow;

/// An event. Every payload is written from this.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// Event code, such as `finding.stale-login`.
    pub code: Cow<'a, str>,
    /// Severity of the event.
    pub severity: Severity,
    /// Id of the event. The same event always has the same id, and two transitions never share one.
    pub id: String,
    /// Number of the change or finding in its run, from 1; `None` for the other events.
    pub sequence: Option<u64>,
    /// Facts of the run that every event can contain.
    pub facts: &'a RunFacts,
    /// What the event is about.
    pub about: About<'a>,
}

impl Message<'_> {
    /// Returns the row of the table of codes.
    pub fn row(&self) -> &'static EventCode {
        match self.about {
            About::Change(change) => codes::of_change(change.kind),
            About::Finding(_) => &codes::FINDING,
            About::Completed(..) => &codes::COMPLETED,
            About::Failed(_) => &codes::FAILED,
            About::Suspect(_) => &codes::SUSPECT,
            About::Test => &codes::TEST,
        }
    }
}

/// What an event is about.
#[derive(Clone, Copy, Debug)]
pub enum About<'a> {
    /// A difference between two snapshots.
    Change(&'a Change),
    /// A finding.
    Finding(&'a FindingFacts<'a>),
    /// A run that published, with the number of its events.
    Completed(&'a Completed, u64),
    /// A run that published nothing, with the reason.
    Failed(&'a str),
    /// A list that a guard objects to.
    Suspect(&'a SuspectFacts),
    /// A test of a destination.
    Test,
}

/// Returns the events of a run that published: changes, findings, suspicious lists, and `run.completed` as the last
/// one.
pub fn of_published<'a>(
    facts: &'a RunFacts,
    changes: &'a [Change],
    findings: &'a [FindingFacts<'a>],
    suspects: &'a [SuspectFacts],
    completed: &'a Completed,
) -> impl Iterator<Item = Message<'a>> {
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

/// Returns a deterministic event id.
fn event_id(of: &str, state: &str, facts: &RunFacts) -> String {
    // The baseline is part of the id: compared with another baseline it is another transition.
    let previous = facts.previous.as_deref().unwrap_or("-");
    // `e1` is the version of this scheme. Another scheme cannot produce the same ids.
    Fingerprint::of(&["e1", of, state, previous, &facts.run_id]).to_string()
}

/// Returns the event of a change. Its id is the `event_id` of the changes table.
fn of_change<'a>(facts: &'a RunFacts, change: &'a Change, sequence: u64) -> Message<'a> {
    Message {
        code: codes::of_change(change.kind).code.into(),
        severity: change.severity(),
        id: change.event_id.to_string(),
        sequence: Some(sequence),
        facts,
        about: About::Change(change),
    }
}

fn of_finding<'a>(facts: &'a RunFacts, sent: &'a FindingFacts<'a>, sequence: u64) -> Message<'a> {
    let finding = sent.finding;
    Message {
        code: format!("{}{}", codes::FINDING.code, finding.rule.as_str()).into(),
        severity: finding.severity,
        id: event_id(&finding.fingerprint.to_string(), finding.status.as_str(), facts),
        sequence: Some(sequence),
        facts,
        about: About::Finding(sent),
    }
}

fn of_completed<'a>(facts: &'a RunFacts, completed: &'a Completed, emitted: u64) -> Message<'a> {
    let row = &codes::COMPLETED;
    let raised = row.raised.filter(|_| completed.completeness == Completeness::Partial);
    let severity = raised.map_or(row.severity, |(severity, _)| severity);
    let message = of_run(facts, row, completed.completeness.as_str(), About::Completed(completed, emitted));
    Message { severity, ..message }
}

/// Returns `run.failed`, the event of a run that published nothing.
pub fn of_failed<'a>(facts: &'a RunFacts, reason: &'a str) -> Message<'a> {
    of_run(facts, &codes::FAILED, "-", About::Failed(reason))
}

/// Returns `run.suspect`, the event of a list that a guard objects to. Its source counts as not read.
pub fn of_suspect<'a>(facts: &'a RunFacts, suspect: &'a SuspectFacts) -> Message<'a> {
    of_run(facts, &codes::SUSPECT, &format!("{}/{}", suspect.source, suspect.list), About::Suspect(suspect))
}

/// Returns `run.test`, the event of no run; see [`RunFacts::of_test`].
pub fn of_test(facts: &RunFacts) -> Message<'_> {
    of_run(facts, &codes::TEST, &facts.now.to_rfc3339(), About::Test)
}

/// Returns the text of `run.test` as a receiver must show it.
pub fn shown_test_text() -> String {
    body::replace_control_characters(summary::TEST_TEXT)
}

/// Returns an event about a run. `state` distinguishes it from other events of this code and run.
fn of_run<'a>(facts: &'a RunFacts, row: &'static EventCode, state: &str, about: About<'a>) -> Message<'a> {
    let id = event_id(row.code, state, facts);
    Message { code: row.code.into(), severity: row.severity, id, sequence: None, facts, about }
}
