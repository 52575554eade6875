//! The JSON body of events, with the field names of the Elastic Common Schema (ECS) 9.4. Pure.
//!
//! Fields that ECS does not define are below `btrollcall`. Control characters in texts are replaced, so that no text
//! can forge or hide a record, and the JSON is ASCII. `message` builds the bodies here; `format` makes them fit into
//! frames.

mod change;
mod finding;
mod run;
mod subject;

pub(super) use change::change;
pub(super) use finding::finding;
pub(super) use run::{completed, failed, suspect, test};

use super::facts::RunFacts;
use crate::escape;
use crate::model::{Instant, Severity};
use chrono::SecondsFormat;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// ECS version of the field names.
const ECS_VERSION: &str = "9.4.0";

/// Fields that a frame loses when it is too long, in this order. Ids, code, severity, subject and the standing of an
/// account are never removed. In a list, each entry loses the field.
pub(super) const OPTIONAL_FIELDS: [&[&str]; 38] = [
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
    &["observer", "type"],
    &["observer", "product"],
    &["observer", "vendor"],
    &["btrollcall", "finding", "subject", "kind"],
    &["ecs"],
];

/// Returns `event.severity`, on the scale of 1 to 10 that CEF and LEEF use too.
fn severity_number(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 1,
        Severity::Low => 3,
        Severity::Medium => 5,
        Severity::High => 8,
        Severity::Critical => 10,
    }
}

/// Returns an instant as RFC 3339 in UTC with three fraction digits, which every receiver can parse.
pub(super) fn timestamp(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Returns the fields that every event has.
fn common(facts: &RunFacts, message: &str) -> Map<String, Value> {
    let version = env!("CARGO_PKG_VERSION");
    object(json!({
        "@timestamp": timestamp(facts.now),
        "ecs": { "version": ECS_VERSION },
        "message": message,
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

/// Replaces characters at which a receiver could cut, or that it could interpret or hide.
///
/// C0 controls and DEL become control pictures (U+2400 + n). C1 controls, line and paragraph separators become U+FFFD.
pub(super) fn replace_control_characters(text: &str) -> String {
    let replaced = |c: char| match c {
        '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => '\u{fffd}',
        other => escape::control_picture(other).unwrap_or(other),
    };
    text.chars().map(replaced).collect()
}

/// Applies a function to every text in a value, at any depth.
pub(super) fn each_text(value: &mut Value, change: &impl Fn(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, change)),
        Value::Object(map) => map.values_mut().for_each(|item| each_text(item, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Returns compact JSON in ASCII: other characters become `\u` escapes, as surrogate pairs where needed (RFC 8259 §7).
///
/// Only texts can contain other characters, so the escapes are always inside a JSON string.
pub(super) fn to_ascii(value: &Value) -> String {
    let json = value.to_string();
    let mut ascii = String::with_capacity(json.len());
    // A character has at most two UTF-16 units.
    let mut units = [0; 2];
    for c in json.chars() {
        if c.is_ascii() {
            ascii.push(c);
        } else {
            for unit in c.encode_utf16(&mut units) {
                // Writing into a String cannot fail.
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    ascii
}
