//! How the run was made, as the manifest says it: parameters, proofs, origin, files. What an auditor asks of a list
//! that a system made: from which system, how, by whom, with which parameters, unchanged since?

use super::index::Index;
use super::status::Grade;
use super::text::{readable_text, thousands};
use super::{Bounded, Shown};
use crate::model::ListReport;
use crate::rules::policy::Threshold;
use crate::snapshot::manifest::{ConfirmedShrink, FileEntry, PolicyEntry, SourceEntry};
use serde_json::Value;
use std::collections::BTreeMap;

/// Rows of each table here.
const ROWS: usize = 60;

/// One setting in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Configuration key.
    pub key: Shown,
    /// Its value.
    pub value: Shown,
    /// Who set it.
    pub from: Shown,
}

/// A list that looked too small, and who said that it is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmedRow {
    /// Source.
    pub source: Shown,
    /// Which list.
    pub list: Shown,
    /// Rows in the base, if the list was there.
    pub before: Option<u64>,
    /// Rows now.
    pub now: u64,
    /// Rows of before that are gone.
    pub gone: u64,
    /// `max_shrink_percent` in force.
    pub limit_percent: u8,
    /// Who.
    pub by: Shown,
    /// When.
    pub at: Shown,
}

/// How one list was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListReading {
    /// Source.
    pub source: Shown,
    /// Which list.
    pub list: Shown,
    /// Path and query of the first page.
    pub query: Shown,
    /// The source's total.
    pub expected: Option<u64>,
    /// Rows that came.
    pub received: u64,
    /// Different ids among them.
    pub distinct: u64,
    /// Pages.
    pub pages: u64,
    /// Readings.
    pub passes: u64,
    /// HTTP requests.
    pub requests: u64,
    /// How far it can be relied on.
    pub grade: Grade,
    /// `complete`, `drifted`, …
    pub coverage: Shown,
    /// The proof, or what could not be proven.
    pub proof: Shown,
}

/// How a source was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRow {
    /// Name.
    pub name: Shown,
    /// Kind.
    pub kind: Shown,
    /// Base address.
    pub url: Shown,
    /// API account.
    pub client_id: Shown,
    /// Server's clock minus ours, in words.
    pub skew: String,
    /// SHA-256 of the server's certificate.
    pub certificate: Option<Shown>,
}

/// One file of the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRow {
    /// Path.
    pub path: Shown,
    /// Rows, where it has rows.
    pub rows: Option<u64>,
    /// Size.
    pub bytes: u64,
    /// Hash.
    pub sha256: Shown,
}

/// The section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    /// Settings.
    pub parameters: Bounded<Parameter>,
    /// What a guard objected to and somebody confirmed.
    pub confirmed: Bounded<ConfirmedRow>,
    /// Proofs.
    pub lists: Bounded<ListReading>,
    /// Sources.
    pub sources: Bounded<SourceRow>,
    /// Run, tool, host, … as label and value.
    pub origin: Vec<(&'static str, Shown)>,
    /// Cells that the formula guard changed; `None` where it is switched off.
    pub guarded_cells: Option<u64>,
    /// What was odd.
    pub warnings: Bounded<Shown>,
    /// Files.
    pub files: Bounded<FileRow>,
}

impl Method {
    pub(super) fn of(index: &Index<'_>) -> Self {
        let manifest = index.input.manifest;
        let lists = manifest.sources.iter().flat_map(|s| s.lists.iter().map(move |l| list_row(s, l)));
        Self {
            parameters: Bounded::cut(parameters(index), ROWS),
            confirmed: Bounded::cut(manifest.confirmed_shrinks.iter().map(confirmed_row), ROWS),
            lists: Bounded::cut(lists, ROWS),
            sources: Bounded::cut(manifest.sources.iter().map(source_row), ROWS),
            origin: origin(index),
            guarded_cells: manifest.formula_guard.then_some(manifest.guarded_cells),
            warnings: Bounded::cut(manifest.warnings.iter().map(|w| Shown::sentence(w)), ROWS / 2),
            files: Bounded::cut(manifest.files.iter().map(file_row), ROWS),
        }
    }
}

/// The manifest's policy, completed from the policy itself, so that a threshold is never missing here.
fn parameters(index: &Index<'_>) -> Vec<Parameter> {
    let policy = index.input.policy;
    let mut rows: BTreeMap<&str, Parameter> = BTreeMap::new();
    for (key, threshold) in [
        ("never_logged_in_grace_days", &policy.never_grace),
        ("privileged_stale_after_days", &policy.privileged_stale_after),
        ("stale_after_days", &policy.stale_after),
    ] {
        rows.insert(key, of_threshold(key, threshold));
    }
    for (key, entry) in &index.input.manifest.policy {
        rows.insert(key, of_entry(key, entry));
    }
    rows.into_values().collect()
}

fn of_threshold(key: &str, threshold: &Threshold) -> Parameter {
    let value = Shown::name(&format!("{} days", threshold.days));
    Parameter { key: Shown::name(key), value, from: Shown::name(&threshold.from) }
}

fn of_entry(key: &str, entry: &PolicyEntry) -> Parameter {
    let unit = match key.rsplit('_').next() {
        Some("days") => " days",
        Some("percent") => " %",
        _ => "",
    };
    let value = Shown::sentence(&format!("{}{unit}", in_words(&entry.value)));
    Parameter { key: Shown::name(key), value, from: Shown::name(&entry.from) }
}

fn in_words(value: &Value) -> String {
    match value {
        Value::Null => "not set".to_owned(),
        Value::String(text) if text.is_empty() => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(all) if all.is_empty() => "none".to_owned(),
        Value::Array(all) => all.iter().map(in_words).collect::<Vec<_>>().join(", "),
        Value::Object(all) if all.is_empty() => "none".to_owned(),
        Value::Object(all) => all.iter().map(|(k, v)| format!("{k} = {}", in_words(v))).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn confirmed_row(shrink: &ConfirmedShrink) -> ConfirmedRow {
    ConfirmedRow {
        source: Shown::name(&shrink.source),
        list: Shown::name(&shrink.list.in_words()),
        before: shrink.before,
        now: shrink.now,
        gone: shrink.gone,
        limit_percent: shrink.limit_percent,
        by: Shown::name(&shrink.by),
        at: readable_text(&shrink.at),
    }
}

fn list_row(source: &SourceEntry, list: &ListReport) -> ListReading {
    ListReading {
        source: Shown::name(&source.name),
        list: Shown::name(&list.kind.in_words()),
        query: Shown::sentence(&list.query),
        expected: list.expected,
        received: list.received,
        distinct: list.distinct,
        pages: list.pages,
        passes: list.passes,
        requests: list.requests,
        grade: Grade::of_coverage(&list.coverage),
        coverage: Shown::name(list.coverage.as_str()),
        proof: Shown::sentence(list.coverage.words()),
    }
}

fn source_row(source: &SourceEntry) -> SourceRow {
    SourceRow {
        name: Shown::name(&source.name),
        kind: Shown::name(&source.kind),
        url: Shown::sentence(&source.url),
        client_id: Shown::name(&source.client_id),
        skew: skew(source.clock_skew_seconds),
        certificate: source.tls_certificate_sha256.as_deref().map(Shown::name),
    }
}

fn skew(seconds: Option<i64>) -> String {
    match seconds {
        None => "not reported".to_owned(),
        Some(0) => "agrees with ours".to_owned(),
        Some(s) if s > 0 => format!("{} s ahead of ours", thousands(s.unsigned_abs())),
        Some(s) => format!("{} s behind ours", thousands(s.unsigned_abs())),
    }
}

fn origin(index: &Index<'_>) -> Vec<(&'static str, Shown)> {
    let m = index.input.manifest;
    let mut rows = vec![
        ("Run", Shown::name(&m.run_id)),
        ("Tool", Shown::sentence(&format!("{} {}", m.tool.name, m.tool.version))),
        ("Host", Shown::name(&m.host)),
        ("Operator", Shown::name(&m.operator)),
        ("As of", readable_text(&m.as_of)),
        ("Started", readable_text(&m.started_at)),
        ("Finished", readable_text(&m.finished_at)),
        ("Snapshot format", Shown::name(&m.format_version.to_string())),
        ("Configuration (SHA-256)", Shown::name(&m.config_sha256)),
    ];
    let version = env!("CARGO_PKG_VERSION");
    if m.tool.version != version {
        let reported = format!("rendered by version {version}, whose words and control ids it has");
        rows.insert(2, ("This page", Shown::sentence(&reported)));
    }
    if let Some(hash) = &m.exceptions_sha256 {
        rows.push(("Exceptions (SHA-256)", Shown::name(hash)));
    }
    if let Some(base) = &m.base {
        rows.push(("Base run", Shown::name(&base.run_id)));
        rows.push(("Base manifest (SHA-256)", Shown::name(&base.manifest_sha256)));
    }
    rows
}

fn file_row(file: &FileEntry) -> FileRow {
    FileRow { path: Shown::name(&file.path), rows: file.rows, bytes: file.bytes, sha256: Shown::name(&file.sha256) }
}
