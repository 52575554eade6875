//! The JSON body of events, with the field names of the Elastic Common Schema (ECS) 9.4. Pure.
//!
//! Fields that ECS does not define are below `btrollcall`. Control characters in texts are replaced, so that no text
//! can forge or hide a record, and the JSON is ASCII. `message` builds the bodies here; `format` makes them fit into
//! frames.

mod change;
mod finding;
mod run;
mod subject;

use super::codes::severity_number;
use super::json::{JsonBody, JsonShape, Path};
use super::message::{About, Message};
use super::summary;
use crate::model::Instant;
use chrono::SecondsFormat;
use serde_json::{Map, Value, json};

/// ECS version of the field names.
const ECS_VERSION: &str = "9.4.0";

/// What a body that is too long loses. Ids, code, severity, subject and the standing of an account are never removed.
static SHAPE: JsonShape = JsonShape {
    optional: &OPTIONAL_FIELDS,
    sources: &["btrollcall", "run", "sources"],
    values: &[&["btrollcall", "change", "before"], &["btrollcall", "change", "after"]],
    texts: &[
        &["message"],
        &["user", "name"],
        &["user", "full_name"],
        &["group", "name"],
        &["observer"],
        &["host"],
        &["event", "reason"],
    ],
    last: &[&["user", "email"]],
    ids: &[
        &["user", "id"],
        &["group", "id"],
        &["btrollcall", "finding", "subject", "id"],
        &["btrollcall", "change", "subject", "id"],
    ],
    truncated: &["btrollcall", "truncated"],
};

/// Fields that a body loses first, in this order.
pub(super) const OPTIONAL_FIELDS: [Path; 43] = [
    // These repeat other fields, or are the same in every event.
    &["related"],
    &["agent"],
    &["event", "provider"],
    &["event", "module"],
    &["rule", "ruleset"],
    &["btrollcall", "source"],
    // The snapshot has these in full.
    &["btrollcall", "finding", "action"],
    &["btrollcall", "finding", "controls"],
    &["btrollcall", "finding", "exception"],
    &["btrollcall", "finding", "evidence"],
    &["btrollcall", "change", "before"],
    &["btrollcall", "change", "after"],
    &["btrollcall", "run", "sources", "confirmed_at"],
    &["btrollcall", "run", "sources", "unconfirmed_rows"],
    &["btrollcall", "run", "sources", "unconfirmed_since"],
    &["btrollcall", "run", "sources", "kind"],
    &["btrollcall", "run", "sources", "accounts"],
    &["btrollcall", "run", "sources", "groups"],
    &["btrollcall", "run", "sources", "memberships"],
    // The message repeats the reasons.
    &["btrollcall", "run", "sources", "reason"],
    &["event", "reason"],
    &["host"],
    &["btrollcall", "finding", "first_seen"],
    &["btrollcall", "finding", "last_seen"],
    &["observer", "hostname"],
    &["observer", "ip"],
    &["user", "full_name"],
    &["rule", "name"],
    &["btrollcall", "run", "config_hash"],
    &["btrollcall", "run", "version"],
    &["btrollcall", "run", "changes"],
    &["btrollcall", "run", "findings_open"],
    &["btrollcall", "run", "prev_snapshot"],
    &["btrollcall", "run", "started_at"],
    &["btrollcall", "run", "duration_ms"],
    &["btrollcall", "run", "dropped"],
    &["btrollcall", "run", "purged_damaged_batches"],
    &["btrollcall", "run", "next_run_expected"],
    &["observer", "type"],
    &["observer", "product"],
    &["observer", "vendor"],
    &["btrollcall", "finding", "subject", "kind"],
    &["ecs"],
];

/// Returns the body of an event.
pub(super) fn body(message: &Message<'_>) -> JsonBody {
    let fields = fields(message);
    let names_its_subject = fields.contains_key("user") || fields.contains_key("group");
    JsonBody::new(fields, &SHAPE, names_its_subject.then_some(&["message"]))
}

/// Returns the fields of an event.
pub(super) fn fields(message: &Message<'_>) -> Map<String, Value> {
    match message.about {
        About::Change(it) => change::change(message, it),
        About::Finding(sent) => finding::finding(message, sent),
        About::Completed(completed, emitted) => run::completed(message, completed, emitted),
        About::Failed(_) => run::of_run(message),
        About::Suspect(suspect) => run::suspect(message, suspect),
        About::Test => run::test(message),
    }
}

/// Returns an instant as RFC 3339 in UTC with three fraction digits, which every receiver can parse.
pub(super) fn timestamp(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Returns the fields that every event has.
fn common(message: &Message<'_>) -> Map<String, Value> {
    common_with(message, message.row().ecs_types)
}

/// Returns the fields that every event has, with these types instead of those of the code.
fn common_with(message: &Message<'_>, types: &[&str]) -> Map<String, Value> {
    let sort = message.row().sort;
    let (facts, version) = (message.facts, env!("CARGO_PKG_VERSION"));
    let mut event = object(json!({
        "id": message.id,
        "code": message.code,
        "kind": sort.ecs_kind(),
        "category": ["iam"],
        "type": types,
        "action": summary::action(message),
        "severity": severity_number(message.severity),
        "dataset": format!("btrollcall.{}", sort.as_str()),
        "module": "btrollcall",
        "provider": "bt-rollcall",
    }));
    let texts = [("outcome", summary::outcome(message).map(Into::into)), ("reason", summary::reason(message))];
    event.extend(texts.into_iter().filter_map(|(key, text)| Some((key.to_owned(), json!(text?)))));
    if let Some(sequence) = message.sequence {
        event.insert("sequence".to_owned(), json!(sequence));
    }
    object(json!({
        "@timestamp": timestamp(facts.now),
        "ecs": { "version": ECS_VERSION },
        "message": summary::line(message),
        "event": event,
        "agent": { "name": "bt-rollcall", "type": "bt-rollcall", "version": version },
        "host": host(&facts.host),
        "btrollcall": { "run": { "id": facts.run_id, "as_of": timestamp(facts.as_of) } },
    }))
}

/// Returns `host`: the host that runs the program, by its full name and by its first label.
fn host(name: &str) -> Value {
    // ECS recommends the qualified name in lower case.
    let name = name.to_ascii_lowercase();
    let hostname = name.split('.').next().unwrap_or_default();
    json!({ "name": name, "hostname": hostname })
}

/// Adds a field of our own, below `btrollcall`.
fn insert_own(body: &mut Map<String, Value>, key: &str, value: Value) {
    if let Some(own_fields) = body.get_mut("btrollcall").and_then(Value::as_object_mut) {
        own_fields.insert(key.to_owned(), value);
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
