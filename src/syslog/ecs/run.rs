//! The bodies of events about a run: `run.completed`, `run.failed`, `run.suspect` and `run.test`. Pure.

use super::super::facts::{Completed, RunFacts, SourceFacts, SourceRows, SuspectFacts};
use super::super::message::Message;
use super::subject::insert_source;
use super::{common, timestamp};
use crate::model::is_evaluated_apart;
use serde_json::{Map, Value, json};

/// Returns the body of `run.completed`.
pub(super) fn completed(message: &Message<'_>, completed: &Completed, emitted: u64) -> Map<String, Value> {
    let facts = message.facts;
    let mut body = of_run(message);
    merge(
        &mut body,
        &json!({
            "completeness": completed.completeness,
            "snapshot": facts.run_id,
            "prev_snapshot": facts.previous,
            "baseline": facts.previous.is_none(),
            "evaluated_apart": is_evaluated_apart(facts.as_of, facts.started_at),
            "manifest_sha256": completed.manifest_sha256,
            "accounts": completed.accounts,
            "groups": completed.groups,
            "changes": completed.changes,
            "findings_open": completed.findings,
            "emitted": emitted,
            "redelivered": completed.redelivered,
            "spool_percent": completed.spool_percent,
            "damaged_batches": completed.damaged_batches,
            "dead_letters": completed.dead_letters,
            "purged": completed.purged.events,
            "purged_damaged_batches": completed.purged.damaged_batches,
            // Always 0: a full spool fails the run instead of dropping events.
            "dropped": 0,
        }),
    );
    body
}

/// Returns the body of `run.failed`, and what every event of a run has.
pub(super) fn of_run(message: &Message<'_>) -> Map<String, Value> {
    let facts = message.facts;
    let mut body = common(message);
    merge(
        &mut body,
        &json!({
            "started_at": timestamp(facts.started_at),
            "duration_ms": (facts.now - facts.started_at).num_milliseconds(),
            "config_hash": facts.config_sha256,
            "version": env!("CARGO_PKG_VERSION"),
            "sources": sources(facts),
        }),
    );
    if let Some(next) = facts.next_run_expected {
        merge(&mut body, &json!({ "next_run_expected": timestamp(next) }));
    }
    body
}

/// Returns the body of `run.suspect`: a list that a guard objects to.
pub(super) fn suspect(message: &Message<'_>, suspect: &SuspectFacts) -> Map<String, Value> {
    let mut body = of_run(message);
    let SuspectFacts { source, list, before, now, gone, limit_percent, .. } = suspect;
    insert_source(&mut body, message.facts, source);
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
pub(super) fn test(message: &Message<'_>) -> Map<String, Value> {
    common(message)
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
    let known = [("reason", &source.reason), ("unconfirmed_since", &source.unconfirmed_since)];
    for (key, text) in known.into_iter().filter_map(|(key, text)| Some((key, text.as_ref()?))) {
        fields[key] = json!(text);
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
