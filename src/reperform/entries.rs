//! The manifest against itself: facts that it states twice or that follow from other entries, and the files that its
//! configuration asks for. Pure.

use super::differences::bounded;
use super::evaluated::Evaluation;
use super::requests;
use crate::guard::{PUBLISHED, Suspect};
use crate::model::{Classes, Completeness, FindingStatus, Instant, Pattern, SourceReading, SourceStatus, instant_text};
use crate::report_page;
use crate::rules::policy::Policy;
use crate::run_manifest::policy_entries;
use crate::snapshot::inputs;
use crate::snapshot::manifest::{BaseReference, CsvFormat, Manifest, SourceEntry};
use crate::snapshot::readme::README;
use crate::snapshot::started_at;
use crate::table::{CsvDialect, REVIEW, Separator, Table};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Checks entries that state the same fact twice.
pub(super) fn twice(manifest: &Manifest) -> Vec<String> {
    let mut problems = Vec::new();
    let started_by = manifest.started_by.in_words();
    if manifest.operator != started_by {
        problems
            .push(format!("manifest.json: operator is {:?}, but started_by gives {started_by:?}", manifest.operator));
    }
    if manifest.tool.version != manifest.build.version {
        let (tool, build) = (&manifest.tool.version, &manifest.build.version);
        problems.push(format!("manifest.json: tool.version is {tool:?}, but build.version is {build:?}"));
    }
    problems.extend(manifest.sources.iter().filter_map(status));
    let is_complete = manifest.sources.iter().all(|source| source.status == SourceStatus::Complete);
    let completeness = Completeness::of(is_complete);
    if manifest.completeness != completeness {
        let (found, expected) = (manifest.completeness.as_str(), completeness.as_str());
        problems.push(format!("manifest.json: completeness is {found}, but the sources give {expected}"));
    }
    problems
}

/// Compares status and reason of a source with its lists.
fn status(source: &SourceEntry) -> Option<String> {
    let reading = SourceReading { lists: source.lists.clone(), ..SourceReading::of(source.identity()) };
    let (found, expected) = ((source.status, &source.reason), (reading.status(), &reading.reason()));
    (found != expected).then(|| {
        let shown = |(status, reason): (SourceStatus, &Option<String>)| json!([status, reason]);
        let (name, found, expected) = (&source.name, shown(found), shown(expected));
        format!("manifest.json: source {name}: status and reason are {found}, but its lists give {expected}")
    })
}

/// Compares `configuration` with `policy`, which has the same settings as the evaluation uses them.
pub(super) fn settings(manifest: &Manifest, policy: &Policy, classes: &Classes) -> Vec<String> {
    let mut problems = Vec::new();
    for (key, entry) in policy_entries::write(policy, classes) {
        let configured = manifest.configuration.pointer(&format!("/policy/{key}"));
        // An absent table has no entries; every other setting is written with its default.
        let found = configured.map_or_else(|| Value::Null, plain);
        let is_absent_table = found.is_null() && TABLES.contains(&key.as_str()) && is_empty(&entry.value);
        let (found, expected) = (as_used(&key, &found), as_used(&key, &entry.value));
        if !is_absent_table && !covers(&found, &expected) {
            let place = format!("configuration.policy.{key} is {found}, but policy.{key} is {expected}");
            problems.push(format!("manifest.json: {place}"));
        }
    }
    bounded(problems, "manifest.json")
}

/// Compares the sources of the configuration with those of the manifest.
pub(super) fn sources(manifest: &Manifest) -> Vec<String> {
    let configured = manifest.configuration.get("source").map_or_else(|| json!([]), plain);
    let configured = configured.as_array().map_or(&[][..], Vec::as_slice);
    let mut problems = Vec::new();
    for source in configured {
        let text = |key: &str| source.get(key).and_then(Value::as_str).unwrap_or_default();
        let Some(entry) = manifest.sources.iter().find(|entry| entry.name == text("name")) else {
            problems.push(format!("manifest.json: configuration.source {:?} is not in sources", text("name")));
            continue;
        };
        let facts = [("kind", &entry.kind), ("url", &entry.url), ("client_id", &entry.client_id)];
        problems.extend(facts.into_iter().filter(|(key, value)| text(key).trim() != value.as_str()).map(
            |(key, value)| {
                let (name, found) = (&entry.name, text(key));
                format!("manifest.json: configuration.source.{key} of {name} is {found:?}, but sources has {value:?}")
            },
        ));
    }
    bounded(problems, "manifest.json")
}

/// Compares the confirmed shrinks with the notes and the operator, and the dialect of CSV with the configuration.
pub(super) fn settled(manifest: &Manifest) -> Vec<String> {
    let mut problems = Vec::new();
    let is_note = |note: &&String| note.ends_with(Suspect::CONFIRMED);
    let (confirmed, found): (Vec<String>, Vec<&String>) = (
        manifest.confirmed_shrinks.iter().map(|entry| Suspect::of_confirmed(entry).confirmed_note(PUBLISHED)).collect(),
        manifest.notes.iter().filter(is_note).collect(),
    );
    if confirmed.iter().ne(found.iter().copied()) {
        problems.push(format!(
            "manifest.json: confirmed_shrinks give the notes {}, but notes has {}",
            json!(confirmed),
            json!(found)
        ));
    }
    for entry in manifest.confirmed_shrinks.iter().filter(|entry| entry.by != manifest.operator) {
        let (found, expected) = (&entry.by, &manifest.operator);
        problems.push(format!("manifest.json: confirmed_shrinks.by is {found:?}, but operator is {expected:?}"));
    }
    let setting = |key: &str| manifest.configuration.pointer(&format!("/output/{key}/value")).and_then(Value::as_str);
    let CsvFormat { dialect, separator } = &manifest.csv;
    let comma = Separator::Comma.as_str();
    if setting("csv") != Some(dialect) || setting("csv_separator").unwrap_or(comma) != separator {
        let configured = [setting("csv"), setting("csv_separator")].map(Option::unwrap_or_default).join(" ");
        let found = format!("{dialect} {separator}");
        problems.push(format!("manifest.json: configuration.output.csv is {configured:?}, but csv is {found:?}"));
    }
    if manifest.formula_guard == (dialect == CsvDialect::Raw.as_str()) {
        problems.push(format!("manifest.json: formula_guard is {}, but csv is {dialect:?}", manifest.formula_guard));
    }
    bounded(problems, "manifest.json")
}

/// Keys of `policy` that are tables of the configuration.
const TABLES: [&str; 4] = ["rules", "custom_rules", "service_owners", "group_owners"];

/// Keys whose value is a pattern, or a list of them.
const PATTERNS: [&str; 5] = ["privileged_groups", "break_glass", "service_accounts", "account", "group"];

/// Replaces each setting of the configuration by its value.
fn plain(configured: &Value) -> Value {
    match configured {
        Value::Object(entries) => match (entries.get("value"), entries.get("from")) {
            (Some(value), Some(_)) => value.clone(),
            _ => entries.iter().map(|(key, entry)| (key.clone(), plain(entry))).collect(),
        },
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// Returns a value as the evaluation uses it: patterns in lower case, texts without spaces around them, frameworks once.
fn as_used(key: &str, value: &Value) -> Value {
    match value {
        Value::String(text) if PATTERNS.contains(&key) => {
            Pattern::parse(text).map_or_else(|_| value.clone(), |pattern| json!(pattern.to_string()))
        }
        Value::String(text) => json!(text.trim()),
        Value::Array(items) => {
            let mut used: Vec<Value> = Vec::new();
            for item in items.iter().map(|item| as_used(key, item)) {
                if key != "frameworks" || !used.contains(&item) {
                    used.push(item);
                }
            }
            used.into()
        }
        Value::Object(entries) => entries.iter().map(|(key, entry)| (key.clone(), as_used(key, entry))).collect(),
        other => other.clone(),
    }
}

/// Returns whether `found` has each value of `expected`. Keys that are not set are null in `found` and absent in
/// `expected`.
fn covers(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let is_set = |key: &&String| found.get(*key).is_some_and(|value| !value.is_null());
            let null = &Value::Null;
            found
                .keys()
                .filter(is_set)
                .chain(expected.keys())
                .all(|key| covers(found.get(key).unwrap_or(null), expected.get(key).unwrap_or(null)))
        }
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len() && found.iter().zip(expected).all(|(found, expected)| covers(found, expected))
        }
        _ => found == expected,
    }
}

/// Returns the files that the configuration asks for and the manifest does not list, and those that it does not ask for.
pub(super) fn files(manifest: &Manifest) -> Vec<String> {
    let setting = |key: &str| manifest.configuration.pointer(&format!("/output/{key}/value"));
    let (Some(tables), Some(reports)) = (setting("tables"), setting("reports")) else {
        return vec!["manifest.json: configuration.output.tables or .reports is missing".to_owned()];
    };
    let has = |list: &Value, word: &str| list.as_array().is_some_and(|list| list.contains(&json!(word)));
    let mut expected: BTreeSet<String> = [README, REVIEW, inputs::FILE, requests::FILE].map(str::to_owned).into();
    for table in Table::ALL {
        let wanted = |format: &str| if table.is_internal() { format == "parquet" } else { has(tables, format) };
        let formats = ["csv", "parquet"].into_iter().filter(|format| wanted(format));
        expected.extend(formats.map(|format| format!("{}.{format}", table.as_str())));
    }
    let optional =
        [(report_page::FILE, has(reports, "html")), (report_page::EXCEPTIONS, manifest.exceptions_sha256.is_some())];
    expected.extend(optional.into_iter().filter(|(_, is_wanted)| *is_wanted).map(|(file, _)| file.to_owned()));
    let listed: BTreeSet<String> = manifest.files.iter().map(|file| file.path.clone()).collect();
    let missing = expected.difference(&listed).map(|file| format!("{file}: missing: the configuration asks for it"));
    let extra = listed
        .difference(&expected)
        .map(|file| format!("{file}: additional: no run with this configuration writes it"));
    bounded(missing.chain(extra).collect(), "manifest.json")
}

/// Returns the keys of a manifest that this version does not write. `known` is the same manifest as this version reads it.
pub(super) fn unknown_keys(found: &Value, known: &Manifest) -> Vec<String> {
    let mut problems = Vec::new();
    compare_keys("", found, &json!(known), &mut problems);
    bounded(problems, "manifest.json")
}

fn compare_keys(path: &str, found: &Value, known: &Value, problems: &mut Vec<String>) {
    match (found, known) {
        (Value::Object(found), Value::Object(known)) => {
            for (key, value) in found.iter().filter(|(_, value)| !value.is_null()) {
                match known.get(key) {
                    Some(known) => compare_keys(&format!("{path}{key}."), value, known, problems),
                    // An empty entry is not written.
                    None if is_empty(value) => {}
                    None => problems.push(format!("manifest.json: unknown key {path}{key}")),
                }
            }
        }
        (Value::Array(found), Value::Array(known)) => {
            found.iter().zip(known).for_each(|(found, known)| compare_keys(path, found, known, problems));
        }
        _ => {}
    }
}

/// Checks what the history of changes and findings must satisfy, whether or not the baseline is at hand.
///
/// `latest`: the latest instant of this run and all earlier ones.
pub(super) fn history(
    base: Option<&BaseReference>,
    evaluation: &Evaluation,
    (as_of, latest): (Instant, Instant),
) -> Vec<String> {
    let base_run = base.map(|base| base.run_id.as_str());
    let strange = evaluation.changes.iter().find(|change| Some(&*change.base_run) != base_run);
    let mut problems: Vec<String> = Vec::new();
    if let Some(change) = strange {
        let (found, expected) = (&change.base_run, base_run.unwrap_or("none"));
        problems.push(format!("changes: base_run is {found:?}, but the baseline of manifest.json is {expected:?}"));
    }
    for finding in &evaluation.findings {
        let (first, last) = (finding.first_seen, finding.last_seen);
        let what = if finding.status == FindingStatus::New && first != as_of {
            format!("status is new, but first_seen is {}", instant_text(first))
        } else if first > last || last > latest {
            let (first, last, latest) = (instant_text(first), instant_text(last), instant_text(latest));
            format!("first_seen {first}, last_seen {last} and as_of {latest} are not in this order")
        } else {
            continue;
        };
        problems.push(format!("findings: {what} (source {}, fingerprint {})", finding.source, finding.fingerprint));
    }
    bounded(problems, "findings")
}

/// Checks that each complete list, and each complete source, was proven complete by this run.
pub(super) fn proven_now(manifest: &Manifest, (as_of, latest): (Instant, Instant)) -> Vec<String> {
    let is_now = |at: Option<Instant>| at.is_some_and(|at| (as_of..=latest).contains(&at));
    let of_source = |source: &SourceEntry| {
        let complete = source.lists.iter().filter(|list| list.coverage.is_complete());
        let wrong = complete.filter(|list| !is_now(source.known.proven_at(list.kind)));
        let mut wrong: Vec<String> = wrong.map(|list| format!("lists_confirmed_at.{}", list.kind.as_str())).collect();
        if source.status == SourceStatus::Complete && !is_now(source.known.confirmed_at) {
            wrong.push("confirmed_at".to_owned());
        }
        let name = source.name.clone();
        wrong.into_iter().map(move |key| {
            format!("manifest.json: source {name}: {key} is not the as_of of the run, although it was proven complete")
        })
    };
    bounded(manifest.sources.iter().flat_map(of_source).collect(), "manifest.json")
}

/// Checks the instants of the run, and those of its requests.
pub(super) fn instants(manifest: &Manifest, starts: &[Instant]) -> Result<Vec<String>, String> {
    let read = |key: &str, text: &str| {
        text.parse::<Instant>().map_err(|error| format!("manifest.json: {key} is {text:?}: {error}"))
    };
    let started = read("started_at", &manifest.started_at)?;
    let finished = read("finished_at", &manifest.finished_at)?;
    let mut problems = Vec::new();
    // The clock of the host may be set during a run.
    let (earliest, latest) = (started - CLOCK_STEP, finished + CLOCK_STEP);
    if finished < earliest {
        let (started, finished) = (&manifest.started_at, &manifest.finished_at);
        problems.push(format!("manifest.json: finished_at {finished} is earlier than started_at {started}"));
    }
    let outside = starts.iter().filter(|start| !(earliest..=latest).contains(*start)).count();
    if outside > 0 {
        let (from, to) = (&manifest.started_at, &manifest.finished_at);
        problems.push(format!("pages.jsonl: {outside} requests started outside of the run, {from} to {to}"));
    }
    let named = started_at(&manifest.run_id);
    if named.is_none_or(|named| (started - named).abs() > CLOCK_STEP) {
        let (run_id, started) = (&manifest.run_id, &manifest.started_at);
        problems.push(format!("manifest.json: run_id is {run_id}, but started_at is {started}"));
    }
    Ok(problems)
}

/// Difference that a correction of the host's clock during a run may make.
const CLOCK_STEP: TimeDelta = TimeDelta::minutes(5);
