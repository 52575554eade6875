//! The JSON body of events, with the field names of the Elastic Common Schema (ECS) 9.4. Pure.
//!
//! Fields that ECS does not define are below `btrollcall`. Control characters in texts are replaced, so that no text
//! can forge or hide a record, and the JSON is ASCII. `message` builds the bodies here; `format` makes them fit into
//! frames.

mod change;

pub(super) use change::change;

use super::facts::{Completed, RunFacts, SourceFacts, SuspectFacts};
use crate::escape;
use crate::model::{Finding, Instant, Severity, SubjectKind};
use chrono::SecondsFormat;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// ECS version of the field names.
const ECS_VERSION: &str = "9.4.0";

/// Fields that a frame loses when it is too long, in this order. Ids, code, severity and subject are never removed.
pub(super) const OPTIONAL_FIELDS: [&[&str]; 24] = [
    &["related"],
    &["btrollcall", "run", "sources"],
    &["btrollcall", "finding", "action"],
    &["btrollcall", "finding", "controls"],
    &["btrollcall", "finding", "exception"],
    &["btrollcall", "finding", "evidence"],
    &["btrollcall", "change", "before"],
    &["btrollcall", "change", "after"],
    &["event", "reason"],
    &["agent"],
    &["host"],
    &["btrollcall", "finding", "first_seen"],
    &["btrollcall", "finding", "last_seen"],
    &["observer", "hostname"],
    &["rule", "description"],
    &["btrollcall", "run", "config_hash"],
    &["btrollcall", "run", "version"],
    &["btrollcall", "run", "changes"],
    &["btrollcall", "run", "findings_open"],
    &["btrollcall", "run", "prev_snapshot"],
    // These are the same in every event, or follow from `event.code`.
    &["event", "provider"],
    &["event", "module"],
    &["rule", "ruleset"],
    &["observer", "product"],
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
        "host": { "name": facts.host },
        "btrollcall": { "run": { "id": facts.run_id, "as_of": timestamp(facts.as_of) } },
    }))
}

/// Returns the body of a finding. `event.kind` is `state`, because a finding holds until somebody acts.
pub(super) fn finding(facts: &RunFacts, finding: &Finding, id: &str, sequence: u64) -> Map<String, Value> {
    let name = finding.subject.name.as_deref().unwrap_or(&finding.subject.id);
    let code = format!("finding.{}", finding.rule.as_str());
    let evidence: Value = serde_json::from_str(&finding.evidence).unwrap_or(Value::Null);
    let privileged = evidence["privileged"] == true;
    let of_user = finding.subject.kind == SubjectKind::User;
    let kinds: &[&str] = match (finding.subject.kind, privileged) {
        (SubjectKind::User, true) => &["info", "user", "admin"],
        (SubjectKind::User, false) => &["info", "user"],
        (SubjectKind::Group, _) => &["info", "group"],
        (SubjectKind::Source, _) => &["info"],
    };
    let mut body = common(facts, &format!("{}: {name}: {}", finding.rule.as_str(), finding.title));
    body.insert(
        "event".to_owned(),
        json!({
            "id": id,
            "code": code,
            "kind": "state",
            "category": ["iam"],
            "type": kinds,
            "action": format!("finding-{}", finding.status.as_str()),
            "severity": severity_number(finding.severity),
            "sequence": sequence,
            "dataset": "btrollcall.finding",
            "module": "btrollcall",
            "provider": "bt-rollcall",
            "reason": finding.title,
        }),
    );
    body.insert("rule".to_owned(), json!({ "id": finding.rule.as_str(), "ruleset": "btrollcall" }));
    if of_user {
        body.insert("user".to_owned(), json!({ "id": finding.subject.id, "name": name }));
        body.insert("related".to_owned(), json!({ "user": [name] }));
    }
    if finding.subject.kind == SubjectKind::Group {
        body.insert("group".to_owned(), json!({ "id": finding.subject.id, "name": name }));
    }
    body.insert("observer".to_owned(), observer(facts, finding.source.as_str()));
    if let Some(own_fields) = body.get_mut("btrollcall").and_then(Value::as_object_mut) {
        own_fields.insert("finding".to_owned(), details(finding, &evidence));
        if of_user && !evidence["privileged"].is_null() {
            // Enumerations as text: some rule engines refuse booleans.
            let sensitivity = if privileged { "privileged" } else { "ordinary" };
            own_fields.insert("account".to_owned(), json!({ "sensitivity": sensitivity }));
        }
    }
    body
}

fn details(finding: &Finding, evidence: &Value) -> Value {
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
    if let Some(exception) = &finding.exception {
        details["exception"] = json!(exception);
    }
    details
}

/// Returns `observer`: the source, as the system that was observed.
fn observer(facts: &RunFacts, source: &str) -> Value {
    let found = facts.sources.iter().find(|facts| facts.name == source);
    json!({
        "name": source,
        "vendor": "BeyondTrust",
        "product": found.map_or("", |facts| facts.kind.as_str()),
        "hostname": found.map_or("", |facts| facts.url.split("://").last().unwrap_or_default()),
    })
}

/// Returns the body of `run.completed`.
pub(super) fn completed(
    facts: &RunFacts,
    completed: &Completed,
    id: &str,
    emitted: u64,
    severity: Severity,
) -> Map<String, Value> {
    let found: u64 = completed.findings.values().sum();
    let changed: u64 = completed.changes.values().sum();
    let message = format!(
        "run.completed: {}: {} accounts, {} groups, {changed} changes, {found} findings, {emitted} events",
        completed.completeness.as_str(),
        completed.accounts,
        completed.groups
    );
    let mut body = common(facts, &message);
    body.insert("event".to_owned(), of_run("run.completed", id, severity, "success", None));
    let duration = (facts.now - facts.started_at).num_milliseconds();
    merge(
        &mut body,
        &json!({
            "completeness": completed.completeness,
            "snapshot": facts.run_id,
            "prev_snapshot": facts.previous,
            // Text, because some rule engines refuse booleans.
            "baseline": if facts.previous.is_none() { "true" } else { "false" },
            "manifest_sha256": completed.manifest_sha256,
            "config_hash": facts.config_sha256,
            "accounts": completed.accounts,
            "groups": completed.groups,
            "changes": completed.changes,
            "findings_open": completed.findings,
            "emitted": emitted,
            "redelivered": completed.redelivered,
            // Always 0: a full spool fails the run instead of dropping events.
            "dropped": 0,
            "duration_ms": duration,
            "version": env!("CARGO_PKG_VERSION"),
            "sources": sources(facts),
        }),
    );
    body
}

/// Returns the body of a failed run. `code` is `run.failed` or `run.suspect`.
pub(super) fn failed(facts: &RunFacts, code: &str, reason: &str, id: &str) -> Map<String, Value> {
    let mut body = common(facts, &format!("{code}: {reason}"));
    body.insert("event".to_owned(), of_run(code, id, Severity::High, "failure", Some(reason)));
    merge(
        &mut body,
        &json!({ "config_hash": facts.config_sha256, "version": env!("CARGO_PKG_VERSION"), "sources": sources(facts) }),
    );
    body
}

/// Returns the body of `run.suspect`: a list that a guard objects to.
pub(super) fn suspect(facts: &RunFacts, suspect: &SuspectFacts, id: &str) -> Map<String, Value> {
    let mut body = failed(facts, "run.suspect", &suspect.reason, id);
    let SuspectFacts { source, list, before, now, gone, limit_percent, .. } = suspect;
    body.insert("observer".to_owned(), observer(facts, source));
    let details = json!({
        "source": source,
        "list": list,
        "before": before,
        "after": now,
        "gone": gone,
        "limit_percent": limit_percent,
    });
    merge(&mut body, &json!({ "suspect": details }));
    body
}

/// Returns the body of `run.test`.
pub(super) fn test(facts: &RunFacts, message: &str, id: &str) -> Map<String, Value> {
    let mut body = common(facts, message);
    body.insert("event".to_owned(), of_run("run.test", id, Severity::Info, "success", None));
    body
}

fn of_run(code: &str, id: &str, severity: Severity, outcome: &str, reason: Option<&str>) -> Value {
    let mut event = object(json!({
        "id": id,
        "code": code,
        "kind": "state",
        "category": ["iam"],
        "type": ["info"],
        "action": code.replace('.', "-"),
        "outcome": outcome,
        "severity": severity_number(severity),
        "dataset": "btrollcall.run",
        "module": "btrollcall",
        "provider": "bt-rollcall",
    }));
    if let Some(reason) = reason {
        event.insert("reason".to_owned(), json!(reason));
    }
    Value::Object(event)
}

fn sources(facts: &RunFacts) -> Vec<Value> {
    let of_source = |source: &SourceFacts| {
        json!({
            "name": source.name,
            "kind": source.kind,
            "status": source.status,
            "confirmed_at": source.confirmed_at,
            "unconfirmed_rows": source.unconfirmed_rows,
        })
    };
    facts.sources.iter().map(of_source).collect()
}

/// Adds fields to `btrollcall.run`.
fn merge(body: &mut Map<String, Value>, more: &Value) {
    let run =
        body.get_mut("btrollcall").and_then(|own_fields| own_fields.get_mut("run")).and_then(Value::as_object_mut);
    if let (Some(run), Some(more)) = (run, more.as_object()) {
        run.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
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
