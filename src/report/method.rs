//! The section "Method and parameters": how the run was performed, as the manifest records it.
//!
//! It answers what an auditor asks about a list that a system produced: which system, how, which operator, which
//! parameters, and whether the list is unchanged.

use super::index::Index;
use super::status::CompletenessGrade;
use super::text::{readable_text, thousands};
use super::{Bounded, Shown, settings};
use crate::model::ListReport;
use crate::rules::policy::Threshold;
use crate::snapshot::manifest::{ConfirmedShrink, FileEntry, PolicyEntry, SourceEntry};
use serde_json::Value;
use std::collections::BTreeMap;

/// Number of rows in each table of the section.
const ROWS: usize = 60;

/// A setting in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Key of the setting in the configuration.
    pub key: Shown,
    /// Value for people, with its unit.
    pub value: Shown,
    /// Where the value came from: the configuration, a framework or the default.
    pub from: Shown,
}

/// A list that a guard objected to and a person confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmedRow {
    /// Name of the source.
    pub source: Shown,
    /// Kind of the list in words.
    pub list: Shown,
    /// Number of rows in the baseline; `None` if the baseline has no such list.
    pub before: Option<u64>,
    /// Number of rows in this run.
    pub now: u64,
    /// Number of rows of the baseline that are missing now.
    pub gone: u64,
    /// Limit in force (`max_shrink_percent`).
    pub limit_percent: u8,
    /// Account and person that confirmed it.
    pub by: Shown,
    /// Instant of the confirmation.
    pub at: Shown,
}

/// The proof of one list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListReading {
    /// Name of the source.
    pub source: Shown,
    /// Kind of the list in words.
    pub list: Shown,
    /// Path and query of the first page.
    pub query: Shown,
    /// Total that the API reports.
    pub expected: Option<u64>,
    /// Number of rows received, with repeated ones.
    pub received: u64,
    /// Number of different ids.
    pub distinct: u64,
    /// Number of pages.
    pub pages: u64,
    /// How often the list was read.
    pub passes: u64,
    /// Number of HTTP requests.
    pub requests: u64,
    /// Grade of the coverage.
    pub grade: CompletenessGrade,
    /// Coverage: `complete`, `drifted`, …
    pub coverage: Shown,
    /// The proof, or why there is none.
    pub proof: Shown,
}

/// How a source was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRow {
    /// Name of the source.
    pub name: Shown,
    /// Kind of the source.
    pub kind: Shown,
    /// Base address of the source.
    pub url: Shown,
    /// API account that read it.
    pub client_id: Shown,
    /// Difference of the server's clock, in words.
    pub skew: String,
    /// SHA-256 of the server's certificate, hexadecimal.
    pub certificate: Option<Shown>,
}

/// A file of the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRow {
    /// Path in the folder of the snapshot.
    pub path: Shown,
    /// Number of rows; `None` if the file is not a table.
    pub rows: Option<u64>,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: Shown,
}

/// The whole section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    /// Settings in force.
    pub parameters: Bounded<Parameter>,
    /// Settings that the configuration file or a flag set.
    pub settings: Bounded<Parameter>,
    /// Lists that a guard objected to and a person confirmed.
    pub confirmed: Bounded<ConfirmedRow>,
    /// Proof of each list.
    pub lists: Bounded<ListReading>,
    /// Connection of each source.
    pub sources: Bounded<SourceRow>,
    /// Run, tool, host and others, as label and value.
    pub origin: Vec<(&'static str, Shown)>,
    /// Number of CSV cells that the formula guard changed; `None` if it is switched off.
    pub guarded_cells: Option<u64>,
    /// Warnings of the run, then its notes.
    pub warnings: Bounded<Shown>,
    /// Files of the snapshot.
    pub files: Bounded<FileRow>,
}

impl Method {
    pub(super) fn of(index: &Index<'_>) -> Self {
        let manifest = index.input.manifest;
        let lists = manifest.sources.iter().flat_map(|s| s.lists.iter().map(move |l| list_row(s, l)));
        Self {
            parameters: Bounded::cut(parameters(index), ROWS),
            settings: settings::rows(&manifest.configuration),
            confirmed: Bounded::cut(manifest.confirmed_shrinks.iter().map(confirmed_row), ROWS),
            lists: Bounded::cut(lists, ROWS),
            sources: Bounded::cut(manifest.sources.iter().map(source_row), ROWS),
            origin: origin(index),
            guarded_cells: manifest.formula_guard.then_some(manifest.guarded_cells),
            warnings: Bounded::cut(
                manifest.warnings.iter().chain(&manifest.notes).map(|w| Shown::sentence(w)),
                ROWS / 2,
            ),
            files: Bounded::cut(manifest.files.iter().map(file_row), ROWS),
        }
    }
}

/// Returns the settings of the manifest. Thresholds that it lacks come from the policy, so that none is missing.
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
        // The manifest wins: it contains what was in force during the run.
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

pub(super) fn in_words(value: &Value) -> String {
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
        grade: CompletenessGrade::of_coverage(&list.coverage),
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
        Some(0) => "in sync".to_owned(),
        Some(s) if s > 0 => format!("{} s ahead of the clock of this host", thousands(s.unsigned_abs())),
        Some(s) => format!("{} s behind the clock of this host", thousands(s.unsigned_abs())),
    }
}

fn origin(index: &Index<'_>) -> Vec<(&'static str, Shown)> {
    let m = index.input.manifest;
    let mut rows = vec![
        ("Run", Shown::name(&m.run_id)),
        ("Tool", Shown::sentence(&format!("{} {}", m.tool.name, m.tool.version))),
        ("Build", Shown::sentence(&format!("commit {}, {}", m.build.commit, m.build.compiler))),
        ("Host", Shown::name(&m.host)),
        ("Operator", Shown::name(&m.operator)),
        ("As of", readable_text(&m.as_of)),
        ("Started", readable_text(&m.started_at)),
        ("Finished", readable_text(&m.finished_at)),
        ("Snapshot format", Shown::name(&m.format_version.to_string())),
        ("Configuration (SHA-256)", Shown::name(&m.config_sha256)),
    ];
    let version = env!("CARGO_PKG_VERSION");
    // The page of an older snapshot has texts of this version, and an auditor must be able to see that.
    if m.tool.version != version {
        let note = format!("rendered again by version {version}, with the texts and control ids of that version");
        rows.insert(2, ("This page", Shown::sentence(&note)));
    }
    if let Some(hash) = &m.exceptions_sha256 {
        rows.push(("Exceptions (SHA-256)", Shown::name(hash)));
    }
    if let Some(base) = &m.base {
        rows.push(("Baseline run", Shown::name(&base.run_id)));
        rows.push(("Baseline manifest (SHA-256)", Shown::name(&base.manifest_sha256)));
    }
    rows
}

fn file_row(file: &FileEntry) -> FileRow {
    FileRow { path: Shown::name(&file.path), rows: file.rows, bytes: file.bytes, sha256: Shown::name(&file.sha256) }
}
