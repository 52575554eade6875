//! The JSON body: Elastic Common Schema 9.4 names, our own below `btrollcall`. Text that could hide or forge records is made
//! visible; the whole is ASCII. Pure.

mod change;

pub(super) use change::change;

use super::message::{Completed, RunFacts, SourceFacts, SuspectFacts};
use crate::model::{Finding, Instant, Severity, SubjectKind};
use chrono::SecondsFormat;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// The version whose names are used.
const ECS_VERSION: &str = "9.4.0";

/// Fields that a frame may leave out when it is too long, in this order. Ids, code, severity and subject are never left out.
pub(super) const SPARE: [&[&str]; 24] = [
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
    // The same in every event, or contained in `event.code`.
    &["event", "provider"],
    &["event", "module"],
    &["rule", "ruleset"],
    &["observer", "product"],
];

/// `event.severity`: the ladder that CEF and LEEF use too.
fn ladder(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 1,
        Severity::Low => 3,
        Severity::Medium => 5,
        Severity::High => 8,
        Severity::Critical => 10,
    }
}

/// RFC 3339 in UTC with three fraction digits: what every receiver reads.
pub(super) fn timestamp(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// What every event has.
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

/// A finding: `event.kind` is `state`, because it stays true until somebody acts.
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
            "severity": ladder(finding.severity),
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
    if let Some(ours) = body.get_mut("btrollcall").and_then(Value::as_object_mut) {
        ours.insert("finding".to_owned(), details(finding, &evidence));
        if of_user && !evidence["privileged"].is_null() {
            // Enumerations as text: some rule engines refuse booleans.
            let sensitivity = if privileged { "privileged" } else { "ordinary" };
            ours.insert("account".to_owned(), json!({ "sensitivity": sensitivity }));
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

/// The instance that was read.
fn observer(facts: &RunFacts, source: &str) -> Value {
    let found = facts.sources.iter().find(|facts| facts.name == source);
    json!({
        "name": source,
        "vendor": "BeyondTrust",
        "product": found.map_or("", |facts| facts.kind.as_str()),
        "hostname": found.map_or("", |facts| facts.url.split("://").last().unwrap_or_default()),
    })
}

/// The run that published.
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
            "baseline": if facts.previous.is_none() { "true" } else { "false" },
            "manifest_sha256": completed.manifest_sha256,
            "config_hash": facts.config_sha256,
            "accounts": completed.accounts,
            "groups": completed.groups,
            "changes": completed.changes,
            "findings_open": completed.findings,
            "emitted": emitted,
            "redelivered": completed.redelivered,
            "dropped": 0,
            "duration_ms": duration,
            "version": env!("CARGO_PKG_VERSION"),
            "sources": sources(facts),
        }),
    );
    body
}

/// The run that published nothing.
pub(super) fn failed(facts: &RunFacts, code: &str, reason: &str, id: &str) -> Map<String, Value> {
    let mut body = common(facts, &format!("{code}: {reason}"));
    body.insert("event".to_owned(), of_run(code, id, Severity::High, "failure", Some(reason)));
    merge(
        &mut body,
        &json!({ "config_hash": facts.config_sha256, "version": env!("CARGO_PKG_VERSION"), "sources": sources(facts) }),
    );
    body
}

/// A source that a guard set aside.
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

/// A test of the way to the receiver.
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
        "severity": ladder(severity),
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

fn merge(body: &mut Map<String, Value>, more: &Value) {
    let run = body.get_mut("btrollcall").and_then(|ours| ours.get_mut("run")).and_then(Value::as_object_mut);
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

/// Makes what a receiver may cut at, run or hide visible: C0 and DEL as control pictures (U+2400 + n), C1 and the line and
/// paragraph separators as U+FFFD.
pub(super) fn visible(text: &str) -> String {
    let picture = |c: char| match c {
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => '\u{fffd}',
        other => other,
    };
    text.chars().map(picture).collect()
}

/// Applies a change to every text below a value.
pub(super) fn each_text(value: &mut Value, change: &impl Fn(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, change)),
        Value::Object(map) => map.values_mut().for_each(|item| each_text(item, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Compact JSON in ASCII: everything beyond it as a `\u` escape, in pairs where needed (RFC 8259 §7). Outside of texts JSON has
/// nothing beyond ASCII.
pub(super) fn to_ascii(value: &Value) -> String {
    let json = value.to_string();
    let mut ascii = String::with_capacity(json.len());
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
