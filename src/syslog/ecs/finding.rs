//! The body of an event about a finding. Pure.

use super::super::facts::{FindingFacts, RunFacts};
use super::subject::{self, insert_account, insert_source};
use super::{common, insert_own, severity_number, timestamp};
use crate::lifecycle::Occasion;
use crate::model::{Finding, SubjectKind};
use serde_json::{Map, Value, json};

/// Returns the body of a finding. `event.kind` is `state`, because a finding holds until somebody acts.
pub(in crate::syslog) fn finding(
    facts: &RunFacts,
    sent: &FindingFacts<'_>,
    id: &str,
    sequence: u64,
) -> Map<String, Value> {
    let finding = sent.finding;
    let evidence: Value = serde_json::from_str(&finding.evidence).unwrap_or(Value::Null);
    let mut body = common(facts, &message(sent));
    body.insert(
        "event".to_owned(),
        json!({
            "id": id,
            "code": format!("finding.{}", finding.rule.as_str()),
            "kind": "state",
            "category": ["iam"],
            "type": types(sent),
            "action": format!("finding-{}", sent.occasion.as_str()),
            "severity": severity_number(finding.severity),
            "sequence": sequence,
            "dataset": "btrollcall.finding",
            "module": "btrollcall",
            "provider": "bt-rollcall",
            "reason": finding.title,
        }),
    );
    let rule = json!({ "id": finding.rule.as_str(), "name": sent.rule_title, "ruleset": "btrollcall" });
    body.insert("rule".to_owned(), rule);
    match finding.subject.kind {
        SubjectKind::User => {
            // A finding keeps the contact of an account of which no record is known any more.
            let account = sent.account.as_ref();
            let contact = account.map_or(&finding.contact, |account| &account.contact);
            insert_account(&mut body, finding.source.as_str(), &finding.subject, Some(contact), account);
        }
        SubjectKind::Group => {
            let group = subject::group(&finding.subject.id, finding.subject.name.as_deref());
            body.insert("group".to_owned(), group);
        }
        SubjectKind::Source => {}
    }
    insert_source(&mut body, facts, finding.source.as_str());
    insert_own(&mut body, "finding", details(sent, &evidence));
    body
}

/// Returns one line for people: the rule, what happened, the subject and the fact.
fn message(sent: &FindingFacts<'_>) -> String {
    let FindingFacts { finding, occasion, previous_severity, .. } = sent;
    let happened = match (occasion, previous_severity) {
        (Occasion::Changed, Some(before)) => {
            format!("changed from {} to {}", before.as_str(), finding.severity.as_str())
        }
        (occasion, _) => occasion.as_str().to_owned(),
    };
    let subject = subject::in_source(&finding.subject, finding.source.as_str());
    format!("{} {happened}: {subject}: {}", finding.rule.as_str(), finding.title)
}

fn types(sent: &FindingFacts<'_>) -> &'static [&'static str] {
    let is_privileged = sent.account.as_ref().is_some_and(|account| account.privileged == Some(true));
    match sent.finding.subject.kind {
        SubjectKind::User if is_privileged => &["info", "user", "admin"],
        SubjectKind::User => &["info", "user"],
        SubjectKind::Group => &["info", "group"],
        SubjectKind::Source => &["info"],
    }
}

fn details(sent: &FindingFacts<'_>, evidence: &Value) -> Value {
    let finding: &Finding = sent.finding;
    let mut details = json!({
        "fingerprint": finding.fingerprint.to_string(),
        "status": finding.status.as_str(),
        "severity": finding.severity.as_str(),
        "subject": { "kind": finding.subject.kind.as_str(), "id": finding.subject.id },
        "evidence": evidence,
        "action": finding.action,
        "controls": *finding.controls,
        "first_seen": timestamp(finding.first_seen),
        "last_seen": timestamp(finding.last_seen),
    });
    if let Some(before) = sent.previous_severity {
        details["previous_severity"] = json!(before.as_str());
    }
    if let Some(exception) = &finding.exception {
        details["exception"] = json!(exception);
    }
    details
}
