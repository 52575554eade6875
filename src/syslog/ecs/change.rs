//! The body of a change event. Pure.
//!
//! The account is the object of the event. A snapshot does not show who changed it, so no event names an actor.

use super::super::message::Message;
use super::subject::{self, insert_account, insert_source};
use super::{common, insert_own, timestamp};
use crate::model::{Change, SubjectKind};
use serde_json::{Map, Value, json};

/// Returns the body of a change. It happened between the two snapshots: `event.start` and `event.end`.
pub(super) fn change(message: &Message<'_>, change: &Change) -> Map<String, Value> {
    let (facts, source) = (message.facts, change.source.as_str());
    let mut body = common(message);
    let window = [("start", facts.previous_started_at), ("end", Some(facts.started_at))];
    if let Some(event) = body.get_mut("event").and_then(Value::as_object_mut) {
        event.extend(window.into_iter().filter_map(|(key, at)| Some((key.to_owned(), json!(timestamp(at?))))));
    }
    if change.subject.kind == SubjectKind::User {
        let account = change.account.as_deref();
        insert_account(&mut body, source, &change.subject, account.map(|account| &account.contact), account);
    }
    let of_subject =
        (change.subject.kind == SubjectKind::Group).then_some((&*change.subject.id, change.subject.name.as_deref()));
    let of_membership = change.group.as_ref().map(|group| (group.id.as_str(), group.name.as_deref()));
    if let Some((id, name)) = of_membership.or(of_subject) {
        body.insert("group".to_owned(), subject::group(id, name));
    }
    insert_source(&mut body, facts, source);
    insert_own(&mut body, "change", details(change));
    if let Some(group) = &change.group {
        insert_own(&mut body, "group", subject::class(group.privilege()));
    }
    body
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
