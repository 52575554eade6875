//! Performs a published snapshot again, from its own files, and compares: what `verify` does after the file check.
//!
//! The file check ([`crate::snapshot::verify()`]) finds every change of a file. Somebody who changes a table can also
//! write its new hash into the manifest. The checks here find such a change because other content contradicts it: the
//! other format, the rules, the counts, the report, the baseline. A manifest whose every file was forged alike is only
//! found through the SHA-256 that the SIEM has.
//!
//! It changes nothing and needs no configuration. A file that cannot be read is a problem, never a panic.

mod differences;
mod evaluated;
mod formats;
mod requests;

use crate::build_info;
use crate::report_page;
use crate::rules::policy::Policy;
use crate::run_manifest;
use crate::snapshot::load::Archive;
use crate::snapshot::manifest::{Counts, Manifest, RuleEntry};
use crate::snapshot::readme::{self, README};
use crate::snapshot::{BaseLink, SnapshotError, Verified, inputs};
use crate::table::{REVIEW, Table, TableError, Tables};
use differences::{CsvText, RowRule, bounded, differences};
use evaluated::{Baseline, Evaluation, Settings};
use std::cell::Cell;
use std::io::Write;
use std::path::Path;

/// Result of the checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reperformed {
    /// Number of checks that were performed.
    pub checks: usize,
    /// What contradicts the snapshot, one text each.
    pub problems: Vec<String>,
    /// What was not performed, each with its reason.
    pub not_performed: Vec<String>,
}

impl Reperformed {
    /// Records a check and what it found.
    fn check(&mut self, problems: Vec<String>) {
        self.checks += 1;
        self.problems.extend(problems);
    }

    /// Records a check that may fail because a file cannot be read, which is a problem too.
    fn check_readable(&mut self, found: Result<Vec<String>, String>) {
        self.check(found.unwrap_or_else(|error| vec![error]));
    }

    fn skip(&mut self, what: impl Into<String>) {
        self.not_performed.push(what.into());
    }
}

/// Performs the snapshot in a folder again. `verified` is the result of its file check.
pub fn reperform(dir: &Path, verified: &Verified) -> Reperformed {
    let mut result = Reperformed::default();
    match Archive::of_verified(dir, verified) {
        Ok(archive) => {
            result.check(of_manifest(&archive.manifest));
            formats::compare(&archive, &mut result);
            result.check_readable(counts(&archive));
            evaluate(&archive, &verified.base, &mut result);
            render(&archive, &mut result);
            describe(&archive, &mut result);
            result.check_readable(requests::compare(&archive));
        }
        Err(error) => result.problems.push(unreadable(&error)),
    }
    result
}

fn unreadable(error: &SnapshotError) -> String {
    format!("failed to {error}")
}

/// Checks entries of the manifest that state the same fact twice.
fn of_manifest(manifest: &Manifest) -> Vec<String> {
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
    problems
}

/// Compares the counts in the manifest with the tables.
fn counts(archive: &Archive) -> Result<Vec<String>, String> {
    let rows = |table: Table| {
        let of_table = |path: &str| {
            path.split_once('.')
                .is_some_and(|(name, format)| name == table.as_str() && matches!(format, "csv" | "parquet"))
        };
        archive.manifest.files.iter().find(|file| of_table(&file.path)).and_then(|file| file.rows)
    };
    let policy = policy(archive)?;
    let findings = report_page::findings(archive, &policy).map_err(|error| unreadable(&error))?;
    let changes = archive.changes(|_, _| None).map_err(|error| unreadable(&error))?;
    let (users, groups, memberships) = (rows(Table::Users), rows(Table::Groups), rows(Table::Memberships));
    let counted = Counts {
        users: users.unwrap_or_default(),
        groups: groups.unwrap_or_default(),
        memberships: memberships.unwrap_or_default(),
        ..run_manifest::counts(&crate::model::Inventory::default(), &findings, &changes)
    };
    Ok(json_differences("counts", &archive.manifest.counts, &counted))
}

fn policy(archive: &Archive) -> Result<Policy, String> {
    let policy = run_manifest::policy_entries::read(&archive.manifest.policy);
    policy.map_err(|why| unreadable(&archive.unsupported("manifest.json")(why)))
}

/// Names the entries of the manifest below `key` that differ.
fn json_differences(key: &str, found: &impl serde::Serialize, expected: &impl serde::Serialize) -> Vec<String> {
    let (found, expected) = (serde_json::json!(found), serde_json::json!(expected));
    let mut problems = Vec::new();
    compare_json(key, &found, &expected, &mut problems);
    bounded(problems, "manifest.json")
}

fn compare_json(key: &str, found: &serde_json::Value, expected: &serde_json::Value, problems: &mut Vec<String>) {
    let (Some(a), Some(b)) = (found.as_object(), expected.as_object()) else {
        if found != expected {
            problems.push(format!("manifest.json: {key} is {found}, but the other files give {expected}"));
        }
        return;
    };
    let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    for name in keys {
        let null = &serde_json::Value::Null;
        compare_json(&format!("{key}.{name}"), a.get(name).unwrap_or(null), b.get(name).unwrap_or(null), problems);
    }
}

/// Evaluates the snapshot again and compares tables, rule results, exceptions and rule inputs.
fn evaluate(archive: &Archive, link: &BaseLink, result: &mut Reperformed) {
    let evaluation = Settings::of(archive).and_then(|settings| {
        let baseline = baseline(archive, link);
        evaluated::evaluate(archive, &baseline, &settings).map(|evaluation| (settings, evaluation))
    });
    let (settings, evaluation) = match evaluation {
        Ok(evaluated) => evaluated,
        Err(error) => return result.check(vec![unreadable(&error)]),
    };
    evaluation.not_performed.iter().for_each(|what| result.skip(what));
    compare_tables(archive, &settings, &evaluation, result);
    compare_rules(archive, &evaluation, result);
    compare_texts(archive, &evaluation, result);
}

/// Opens the baseline, which must be in the same folder.
fn baseline(archive: &Archive, link: &BaseLink) -> Baseline {
    match link {
        BaseLink::First => Baseline::First,
        BaseLink::Intact(run_id) => match Archive::open_tables(&archive.path.with_file_name(run_id)) {
            Ok(base) => Baseline::AtHand(Box::new(base)),
            Err(error) => Baseline::Missing(unreadable(&error)),
        },
        BaseLink::Pruned { run_id, removed_at } => {
            Baseline::Missing(format!("retention removed the baseline {run_id} at {removed_at}"))
        }
        BaseLink::Absent(run_id) => Baseline::Missing(format!("the baseline {run_id} is absent")),
    }
}

fn compare_tables(archive: &Archive, settings: &Settings, evaluation: &Evaluation, result: &mut Reperformed) {
    let Evaluation { inventory, findings, changes, ignored_sources, .. } = evaluation;
    let resolved = evaluation.resolved.as_deref();
    let group_owners = &settings.policy.group_owners;
    let tables = Tables { inventory, group_owners, findings, changes, resolved: resolved.unwrap_or_default() };
    let dialect = formats::dialect_of(archive);
    let guarded = Cell::new(0);
    for table in Table::ALL.into_iter().filter(|table| *table != Table::Resolved || resolved.is_some()) {
        let Some(file) = formats::published_file(archive, table) else { continue };
        let write = |out: &mut dyn Write| tables.write_csv(table, dialect, out).map(|written| written.guarded_cells);
        let published = |out: &mut dyn Write| formats::write_published(archive, table, out);
        let rule = formats::row_rule(archive, formats::key_of(table), ignored_sources);
        let counted = if formats::has(archive, "csv") && !table.is_internal() { &guarded } else { &Cell::new(0) };
        result.check_readable(compare_table(&rule, &file, &published, &write, counted));
    }
    if formats::is_listed(archive, REVIEW) {
        let write = |out: &mut dyn Write| tables.write_review(dialect, out).map(|written| written.guarded_cells);
        let published = |out: &mut dyn Write| formats::copy(archive, REVIEW, out);
        let rule = formats::row_rule(archive, &["source", "group_id", "user_id", "row_key"], ignored_sources);
        result.check_readable(compare_table(&rule, REVIEW, &published, &write, &guarded));
    }
    if ignored_sources.is_empty() {
        result.check(json_differences("guarded_cells", &archive.manifest.guarded_cells, &guarded.get()));
    }
}

/// Compares a published table with the one of the new evaluation. `guarded` counts the guarded cells of the latter.
fn compare_table(
    rule: &RowRule<'_>,
    file: &str,
    published: &dyn Fn(&mut dyn Write) -> Result<(), String>,
    write: &dyn Fn(&mut dyn Write) -> Result<u64, TableError>,
    guarded: &Cell<u64>,
) -> Result<Vec<String>, String> {
    let is_counted = Cell::new(false);
    let write = |out: &mut dyn Write| {
        let cells = write(out).map_err(|error| format!("{file}: {error}"))?;
        // The table is written a second time to name its differences.
        guarded.set(guarded.get() + if is_counted.replace(true) { 0 } else { cells });
        Ok(())
    };
    let found = CsvText { name: file, write: published };
    differences(rule, &found, &CsvText { name: "the new evaluation", write: &write })
}

fn compare_rules(archive: &Archive, evaluation: &Evaluation, result: &mut Reperformed) {
    let mut problems = Vec::new();
    for expected in evaluation.rules.iter().filter(|entry| !evaluation.ignored_sources.contains(&entry.source)) {
        let is_it = |entry: &&RuleEntry| entry.source == expected.source && entry.rule == expected.rule;
        let RuleEntry { source, rule, .. } = expected;
        match archive.manifest.rules.iter().find(is_it) {
            Some(found) if found == expected => {}
            Some(found) => {
                let (found, expected) = (result_of_rule(found), result_of_rule(expected));
                let text = "but the new evaluation gives";
                problems.push(format!(
                    "manifest.json: rule {rule} of source {source} has the result {found}, {text} {expected}"
                ));
            }
            None => problems.push(format!("manifest.json: no result of rule {rule} for source {source}")),
        }
    }
    result.check(bounded(problems, "manifest.json"));
}

/// Returns the result of a rule, and who is not a subject, as the manifest writes it.
fn result_of_rule(entry: &RuleEntry) -> String {
    let mut fields = serde_json::json!(entry);
    if let Some(fields) = fields.as_object_mut() {
        fields.retain(|key, _| key != "source" && key != "rule");
    }
    fields.to_string()
}

/// Compares the texts that the evaluation gives: the exceptions and the inputs of the rules.
fn compare_texts(archive: &Archive, evaluation: &Evaluation, result: &mut Reperformed) {
    if !evaluation.ignored_sources.is_empty() {
        result.skip(format!(
            "{} and {}: not compared, because a source was not evaluated again",
            report_page::EXCEPTIONS,
            inputs::FILE
        ));
        return;
    }
    let exceptions = report_page::exceptions_text(&evaluation.uses);
    let inputs = evaluation.inputs.as_deref().map(evaluated::inputs_text);
    for (file, expected) in [(report_page::EXCEPTIONS, Some(exceptions)), (inputs::FILE, inputs)] {
        match (archive.text(file), expected) {
            (Ok(Some(found)), Some(expected)) => {
                result.check(first_line_that_differs(file, &found, &expected, "the new evaluation"));
            }
            (Err(error), _) => result.check(vec![unreadable(&error)]),
            (Ok(_), _) => {}
        }
    }
}

fn first_line_that_differs(file: &str, found: &str, expected: &str, origin: &str) -> Vec<String> {
    if found == expected {
        return Vec::new();
    }
    let same = found.lines().zip(expected.lines()).take_while(|(found, expected)| found == expected).count();
    vec![format!("{file}: line {} differs from {origin}", same + 1)]
}

/// Makes `README.txt` again, which follows from the manifest alone.
fn describe(archive: &Archive, result: &mut Reperformed) {
    match archive.text(README) {
        Ok(Some(text)) => {
            let expected = readme::text(&archive.manifest);
            result.check(first_line_that_differs(README, &text, &expected, "the text that the manifest gives"));
        }
        Ok(None) => {}
        Err(error) => result.check(vec![unreadable(&error)]),
    }
}

/// Renders the report again and compares it byte for byte.
fn render(archive: &Archive, result: &mut Reperformed) {
    let Manifest { files, build, .. } = &archive.manifest;
    let Some(published) = files.iter().find(|file| file.path == report_page::FILE) else {
        return result.skip(format!("{}: not rendered again: the snapshot has none", report_page::FILE));
    };
    if build.version != build_info::VERSION || build.commit != build_info::COMMIT {
        let (then, now) = (&build.version, build_info::VERSION);
        return result.skip(format!(
            "{}: rendered by version {then} (commit {}), and this is {now} (commit {}): not compared",
            report_page::FILE,
            build.commit,
            build_info::COMMIT
        ));
    }
    match report_page::render_snapshot(archive) {
        Ok(page) if crate::digest::sha256_hex(page.as_bytes()) == published.sha256 => result.check(Vec::new()),
        Ok(_) => result.check(vec![format!(
            "{}: differs from the page that the other files give; compare it with `bt-rollcall report {}`",
            report_page::FILE,
            archive.path.display()
        )]),
        Err(error) => result.check(vec![unreadable(&error)]),
    }
}
