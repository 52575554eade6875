//! The bodies of events about a run: `run.completed`, `run.failed`, `run.suspect` and `run.test`. Pure.

use super::super::facts::{Completed, RunFacts, SourceFacts, SourceRows, SuspectFacts};
use super::subject::insert_source;
use super::{common, object, severity_number, timestamp};
use crate::model::{Completeness, Severity, instant_text, is_evaluated_apart};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// Returns the body of `run.completed`.
pub(in crate::syslog) fn completed(
    facts: &RunFacts,
    completed: &Completed,
    id: &str,
    emitted: u64,
    severity: Severity,
) -> Map<String, Value> {
    let found: u64 = completed.findings.values().sum();
    let changed: u64 = completed.changes.values().sum();
    let mut message = format!(
        "run.completed: {}: {}, {}, {}, {}, {}",
        completed.completeness.as_str(),
        counted(completed.accounts, "account"),
        counted(completed.groups, "group"),
        counted(changed, "change"),
        counted(found, "finding"),
        counted(emitted, "event")
    );
    let is_apart = is_evaluated_apart(facts.as_of, facts.started_at);
    if is_apart {
        let (as_of, read_at) = (instant_text(facts.as_of), instant_text(facts.started_at));
        // Writing into a String cannot fail.
        let _ = write!(message, "; evaluated as of {as_of}, data read at {read_at}");
    }
    let reason = incomplete(facts);
    if let Some(reason) = &reason {
        let _ = write!(message, "; not complete: {reason}");
    }
    // ECS: the outcome of a run is unknown if some of its data is.
    let outcome = if completed.completeness == Completeness::Complete { "success" } else { "unknown" };
    let mut body = common(facts, &message);
    body.insert("event".to_owned(), of_run("run.completed", id, severity, outcome, reason.as_deref()));
    let duration = (facts.now - facts.started_at).num_milliseconds();
    merge(
        &mut body,
        &json!({
            "completeness": completed.completeness,
            "snapshot": facts.run_id,
            "prev_snapshot": facts.previous,
            "baseline": facts.previous.is_none(),
            "started_at": timestamp(facts.started_at),
            "evaluated_apart": is_apart,
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

/// Returns a count with its noun, in the plural unless the count is 1.
fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Returns the sources that are not proven complete, each with the reason; `None` if there is none.
fn incomplete(facts: &RunFacts) -> Option<String> {
    let reason = |source: &SourceFacts| Some(format!("{}: {}", source.name, source.reason.as_ref()?));
    let reasons: Vec<String> = facts.sources.iter().filter_map(reason).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

/// Returns the body of a failed run. `code` is `run.failed` or `run.suspect`.
pub(in crate::syslog) fn failed(facts: &RunFacts, code: &str, reason: &str, id: &str) -> Map<String, Value> {
    let mut body = common(facts, &format!("{code}: {reason}"));
    body.insert("event".to_owned(), of_run(code, id, Severity::High, "failure", Some(reason)));
    merge(
        &mut body,
        &json!({ "config_hash": facts.config_sha256, "version": env!("CARGO_PKG_VERSION"), "sources": sources(facts) }),
    );
    body
}

/// Returns the body of `run.suspect`: a list that a guard objects to.
pub(in crate::syslog) fn suspect(facts: &RunFacts, suspect: &SuspectFacts, id: &str) -> Map<String, Value> {
    let mut body = failed(facts, "run.suspect", &suspect.reason, id);
    let SuspectFacts { source, list, before, now, gone, limit_percent, .. } = suspect;
    insert_source(&mut body, facts, source);
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
pub(in crate::syslog) fn test(facts: &RunFacts, message: &str, id: &str) -> Map<String, Value> {
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
    facts.sources.iter().map(of_source).collect()
}

fn of_source(source: &SourceFacts) -> Value {
    let mut fields = json!({
        "name": source.name,
        "kind": source.kind,
        "status": source.status,
        "confirmed_at": source.confirmed_at,
        "unconfirmed_rows": source.unconfirmed_rows,
    });
    if let Some(reason) = &source.reason {
        fields["reason"] = json!(reason);
    }
    if let Some(SourceRows { accounts, groups, memberships }) = source.rows {
        for (key, rows) in [("accounts", accounts), ("groups", groups), ("memberships", memberships)] {
            fields[key] = json!(rows);
        }
    }
    fields
}

/// Adds fields to `btrollcall.run`.
fn merge(body: &mut Map<String, Value>, more: &Value) {
    let run =
        body.get_mut("btrollcall").and_then(|own_fields| own_fields.get_mut("run")).and_then(Value::as_object_mut);
    if let (Some(run), Some(more)) = (run, more.as_object()) {
        run.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
}
