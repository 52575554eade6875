//! What every payload says about an event in the same words: one line for people, the outcome and the reason. Pure.

use super::facts::{Completed, FindingFacts, RunFacts, SourceFacts};
use super::message::{About, Message};
use crate::lifecycle::Occasion;
use crate::model::{ChangeKind, Completeness, Subject, SubjectKind, instant_text, is_evaluated_apart};
use std::borrow::Cow;
use std::fmt::Write as _;

/// Text of `run.test`, with characters that careless receivers break: quotes, control characters, four-byte UTF-8.
pub(super) const TEST_TEXT: &str =
    "test of bt-rollcall: \"quotes\" \\ ] = | ^ \n<110>1 newline \u{e9}\u{4e16}\u{1f600} \u{0} end";

/// Returns one line for people: the code or rule, what happened, the subject and its source.
pub(super) fn line(message: &Message<'_>) -> String {
    match message.about {
        About::Change(change) => {
            let subject = in_source(&change.subject, change.source.as_str());
            format!("{}: {subject}: {}", message.code, change.in_words())
        }
        About::Finding(sent) => of_finding(sent),
        About::Completed(completed, emitted) => of_completed(message.facts, completed, emitted),
        About::Failed(reason) => format!("{}: {reason}", message.code),
        About::Suspect(suspect) => format!("{}: {}", message.code, suspect.reason),
        About::Test => TEST_TEXT.to_owned(),
    }
}

/// Returns why a finding exists, or why a run is not complete; `None` if the event has no reason.
pub(super) fn reason<'a>(message: &Message<'a>) -> Option<Cow<'a, str>> {
    match message.about {
        About::Change(change) if change.kind == ChangeKind::UserUnconfirmed => {
            Some("missing from a list that is not proven complete".into())
        }
        About::Change(_) | About::Test => None,
        About::Finding(sent) => Some(sent.finding.title().into()),
        About::Completed(..) => incomplete(message.facts).map(Cow::Owned),
        About::Failed(reason) => Some(reason.into()),
        About::Suspect(suspect) => Some((&*suspect.reason).into()),
    }
}

/// Returns the outcome of a run; `None` for changes and findings. The outcome is unknown if some data is (ECS).
pub(super) fn outcome(message: &Message<'_>) -> Option<&'static str> {
    match message.about {
        About::Change(_) | About::Finding(_) => None,
        About::Completed(completed, _) if completed.completeness == Completeness::Complete => Some("success"),
        About::Completed(..) => Some("unknown"),
        About::Failed(_) | About::Suspect(_) => Some("failure"),
        About::Test => Some("success"),
    }
}

/// Returns what happened, in words with dashes.
pub(super) fn action(message: &Message<'_>) -> String {
    match message.about {
        About::Finding(sent) => format!("finding-{}", sent.occasion.as_str()),
        _ => message.code.replace('.', "-"),
    }
}

/// Returns a title of all events with this code.
pub(super) fn title<'a>(message: &Message<'a>) -> Cow<'a, str> {
    match message.about {
        About::Finding(sent) => (&*sent.rule_title).into(),
        _ => message.row().title.into(),
    }
}

/// Returns the name of a subject; its id if it has none.
pub(super) fn name(subject: &Subject) -> &str {
    subject.name.as_deref().unwrap_or(&subject.id)
}

/// Returns the subject and its source in words.
fn in_source(subject: &Subject, source: &str) -> String {
    match subject.kind {
        SubjectKind::User | SubjectKind::Group => format!("{} in {source}", name(subject)),
        SubjectKind::Source => source.to_owned(),
    }
}

/// Returns the rule, what happened, the subject and the fact.
fn of_finding(sent: &FindingFacts<'_>) -> String {
    let FindingFacts { finding, occasion, previous_severity, .. } = sent;
    let happened = match (occasion, previous_severity) {
        (Occasion::Changed, Some(before)) => {
            format!("changed from {} to {}", before.as_str(), finding.severity.as_str())
        }
        (occasion, _) => occasion.as_str().to_owned(),
    };
    let subject = in_source(&finding.subject, finding.source.as_str());
    format!("{} {happened}: {subject}: {}", finding.rule.as_str(), finding.title())
}

fn of_completed(facts: &RunFacts, completed: &Completed, emitted: u64) -> String {
    let found: u64 = completed.findings.values().sum();
    let changed: u64 = completed.changes.values().sum();
    let mut line = format!(
        "run.completed: {}: {}, {}, {}, {}, {}",
        completed.completeness.as_str(),
        counted(completed.accounts, "account"),
        counted(completed.groups, "group"),
        counted(changed, "change"),
        counted(found, "finding"),
        counted(emitted, "event")
    );
    if is_evaluated_apart(facts.as_of, facts.started_at) {
        let (as_of, read_at) = (instant_text(facts.as_of), instant_text(facts.started_at));
        // Writing into a String cannot fail.
        let _ = write!(line, "; evaluated as of {as_of}, data read at {read_at}");
    }
    if let Some(reason) = incomplete(facts) {
        let _ = write!(line, "; not complete: {reason}");
    }
    line
}

/// Returns a count with its noun, in the plural unless the count is 1.
fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Returns the status of a source in words, and since when it is not confirmed.
pub(super) fn source(source: &SourceFacts) -> String {
    let SourceFacts { name, status, unconfirmed_since, .. } = source;
    let since = unconfirmed_since.as_ref().map_or_else(String::new, |at| format!(", unconfirmed since {at}"));
    format!("{name}: {}{since}", status.as_str())
}

/// Returns the sources that are not proven complete, each with the reason; `None` if there is none.
fn incomplete(facts: &RunFacts) -> Option<String> {
    let reason = |source: &SourceFacts| Some(format!("{}: {}", source.name, source.reason.as_ref()?));
    let reasons: Vec<String> = facts.sources.iter().filter_map(reason).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}
