//! The body of a change event. Pure.
//!
//! The account is the object of the event. A snapshot does not show who changed it, so no event names an actor.

use super::super::facts::RunFacts;
use super::{common, observer, severity_number, timestamp};
use crate::model::{Change, ChangeKind, SubjectKind};
use serde_json::{Map, Value, json};

/// Returns the body of a change. It happened between the two snapshots: `event.start` and `event.end`.
pub(in crate::syslog) fn change(facts: &RunFacts, change: &Change, sequence: u64) -> Map<String, Value> {
    let code = change.kind.as_str();
    let name = change.subject.name.as_deref().unwrap_or(&change.subject.id);
    let mut body = common(facts, &format!("{code}: {name}: {}", change.in_words()));
    let mut event = json!({
        "id": change.event_id.to_string(),
        "code": code,
        "kind": "event",
        "category": ["iam"],
        "type": types(change.kind),
        "action": code.replace('.', "-"),
        "severity": severity_number(change.severity()),
        "sequence": sequence,
        "dataset": "btrollcall.change",
        "module": "btrollcall",
        "provider": "bt-rollcall",
        "end": timestamp(facts.started_at),
    });
    if let Some(start) = facts.previous_started_at {
        event["start"] = json!(timestamp(start));
    }
    body.insert("event".to_owned(), event);
    if change.subject.kind == SubjectKind::User {
        body.insert("user".to_owned(), json!({ "id": change.subject.id, "name": name }));
        body.insert("related".to_owned(), json!({ "user": [name] }));
    }
    let of_subject = (change.subject.kind == SubjectKind::Group).then_some((&*change.subject.id, Some(name)));
    let of_membership = change.group.as_ref().map(|group| (group.id.as_str(), group.name.as_deref()));
    if let Some((id, name)) = of_membership.or(of_subject) {
        body.insert("group".to_owned(), json!({ "id": id, "name": name.unwrap_or(id) }));
    }
    body.insert("observer".to_owned(), observer(facts, change.source.as_str()));
    if let Some(own_fields) = body.get_mut("btrollcall").and_then(Value::as_object_mut) {
        own_fields.insert("change".to_owned(), details(change));
        if let Some(group) = &change.group {
            // Enumerations as text: some rule engines refuse booleans.
            let sensitivity = if group.privileged { "privileged" } else { "ordinary" };
            own_fields.insert("group".to_owned(), json!({ "sensitivity": sensitivity }));
        }
    }
    body
}

/// Returns `event.type`. In ECS a change of a membership is a change of its group.
fn types(kind: ChangeKind) -> [&'static str; 2] {
    match kind {
        ChangeKind::UserAdded => ["creation", "user"],
        ChangeKind::UserRemoved => ["deletion", "user"],
        ChangeKind::UserEnabled | ChangeKind::UserDisabled | ChangeKind::UserRenamed | ChangeKind::UserChanged => {
            ["change", "user"]
        }
        ChangeKind::UserUnconfirmed => ["info", "user"],
        ChangeKind::GroupAdded => ["creation", "group"],
        ChangeKind::GroupRemoved => ["deletion", "group"],
        ChangeKind::GroupRenamed | ChangeKind::MembershipAdded | ChangeKind::MembershipRemoved => ["change", "group"],
    }
}

fn details(change: &Change) -> Value {
    let mut details = json!({
        "severity": change.severity().as_str(),
        "subject": { "kind": change.subject.kind.as_str(), "id": change.subject.id },
        "base_run": change.base_run,
    });
    let fields = [("field", &change.field), ("before", &change.before), ("after", &change.after)];
    for (key, text) in fields.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?))) {
        details[key] = json!(text);
    }
    details
}
