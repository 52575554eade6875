//! The body of an event about a finding. Pure.

use super::super::facts::FindingFacts;
use super::super::message::Message;
use super::subject::{self, insert_account, insert_source};
use super::{common_with, insert_own, timestamp};
use crate::model::{Finding, SubjectKind};
use serde_json::{Map, Value, json};

/// Returns the body of a finding. `event.kind` is `state`, because a finding holds until somebody acts.
pub(super) fn finding(message: &Message<'_>, sent: &FindingFacts<'_>) -> Map<String, Value> {
    let (facts, finding) = (message.facts, sent.finding);
    let evidence: Value = serde_json::from_str(&finding.evidence()).unwrap_or(Value::Null);
    let mut body = common_with(message, &types(message, sent));
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

/// Returns the types of the code, and those of the subject.
fn types(message: &Message<'_>, sent: &FindingFacts<'_>) -> Vec<&'static str> {
    let is_privileged = sent.account.as_ref().is_some_and(|account| account.privileged == Some(true));
    let of_subject: &[&str] = match sent.finding.subject.kind {
        SubjectKind::User if is_privileged => &["user", "admin"],
        SubjectKind::User => &["user"],
        SubjectKind::Group => &["group"],
        SubjectKind::Source => &[],
    };
    [message.row().ecs_types, of_subject].concat()
}

fn details(sent: &FindingFacts<'_>, evidence: &Value) -> Value {
    let finding: &Finding = sent.finding;
    let mut details = json!({
        "fingerprint": finding.fingerprint.to_string(),
        "status": finding.status.as_str(),
        "severity": finding.severity.as_str(),
        "subject": { "kind": finding.subject.kind.as_str(), "id": finding.subject.id },
        "evidence": evidence,
        "action": finding.advice.action,
        "controls": *finding.advice.controls,
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
