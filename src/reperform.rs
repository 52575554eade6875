//! Performs a published snapshot again, from its own files, and compares: what `verify` does after the file check.
//!
//! The file check ([`crate::snapshot::verify()`]) finds every change of a file. Somebody who changes a table can also
//! write its new hash into the manifest. The checks here find such a change because other content contradicts it: the
//! other format, the rules, the counts, the report, the baseline. A manifest whose every file was forged alike is only
//! found through the SHA-256 that the SIEM has.
//!
//! It changes nothing and needs no configuration. A file that cannot be read is a problem, never a panic.

mod differences;
mod entries;
mod evaluated;
mod formats;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod requests;

use crate::build_info;
use crate::escape::{printable, shell_word};
use crate::model::{Finding, SourceInventory};
use crate::regular_file::{self, MAX_MANIFEST};
use crate::report_page;
use crate::rules::policy::Policy;
use crate::run_manifest;
use crate::snapshot::load::Archive;
use crate::snapshot::manifest::{Build, Counts, Manifest, RuleEntry, SourceEntry};
use crate::snapshot::readme::{self, README};
use crate::snapshot::{BaseLink, SnapshotError, Verified, inputs, removed};
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
    /// Program that wrote the snapshot.
    pub writer: Writer,
}

/// Program that wrote a snapshot, compared with this one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Writer {
    /// The same build.
    #[default]
    ThisBuild,
    /// Another build of this version, or one of unknown origin, by its commit. It must write the same texts.
    OtherBuild(String),
    /// Another version, which may word texts and evaluate otherwise.
    OtherVersion(String),
}

impl Writer {
    fn of(manifest: &Manifest) -> Self {
        let Build { version, commit, .. } = &manifest.build;
        if version != build_info::VERSION {
            return Self::OtherVersion(printable(version, MAX_CHARS));
        }
        // A debug build has no commit, so that two of them may differ.
        let is_this = commit == build_info::COMMIT && commit != build_info::UNKNOWN;
        if is_this { Self::ThisBuild } else { Self::OtherBuild(printable(commit, MAX_CHARS)) }
    }
}

/// Number of characters of a problem that are shown.
const MAX_CHARS: usize = 2_000;

impl Reperformed {
    /// Records a check and what it found.
    fn check(&mut self, problems: Vec<String>) {
        self.checks += 1;
        for problem in problems {
            self.add(&problem);
        }
    }

    /// A snapshot that somebody changed may contain any text, including control characters. Both lists are for people.
    fn add(&mut self, problem: &str) {
        self.problems.push(printable(problem, MAX_CHARS));
    }

    /// Records a check that may fail because a file cannot be read, which is a problem too.
    fn check_readable(&mut self, found: Result<Vec<String>, String>) {
        self.check(found.unwrap_or_else(|error| vec![error]));
    }

    fn skip(&mut self, what: &str) {
        self.not_performed.push(printable(what, MAX_CHARS));
    }

    /// Records that a text is not compared if another version wrote it. Returns whether that is so.
    fn is_of_other_version(&mut self, what: &str) -> bool {
        let Writer::OtherVersion(version) = &self.writer else { return false };
        let text = format!("{what}: not compared: written by version {version}, and this is {}", build_info::VERSION);
        self.skip(&text);
        true
    }
}

/// Performs the snapshot in a folder again. `verified` is the result of its file check.
pub fn reperform(dir: &Path, verified: &Verified) -> Reperformed {
    let mut result = Reperformed::default();
    match Archive::of_verified(dir, verified) {
        Ok(archive) => {
            result.writer = Writer::of(&archive.manifest);
            result.check(entries::twice(&archive.manifest));
            if !result.is_of_other_version("list of files, and configuration against policy") {
                result.check(entries::files(&archive.manifest));
                result.check(entries::sources(&archive.manifest));
                result.check(entries::settled(&archive.manifest));
            }
            formats::compare(&archive, &mut result);
            result.check_readable(formats::metadata(&archive));
            result.check_readable(counts(&archive));
            result.check_readable(keys(&archive));
            evaluate(&archive, &verified.base, &mut result);
            render(&archive, &mut result);
            describe(&archive, &mut result);
            result.check_readable(requests::compare(&archive));
        }
        Err(error) => result.add(&unreadable(&error)),
    }
    result
}

fn unreadable(error: &SnapshotError) -> String {
    format!("failed to {error}")
}

/// Names the keys of the manifest that this version does not write.
fn keys(archive: &Archive) -> Result<Vec<String>, String> {
    let unreadable = |error: &dyn std::fmt::Display| format!("manifest.json: cannot be read: {error}");
    let text =
        regular_file::read(&archive.path.join("manifest.json"), MAX_MANIFEST).map_err(|error| unreadable(&error))?;
    let found = serde_json::from_slice(&text).map_err(|error| unreadable(&error))?;
    Ok(entries::unknown_keys(&found, &archive.manifest))
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
        let evaluation = with_baseline(archive, baseline(archive, link), &settings)?;
        Ok((settings, evaluation))
    });
    let (settings, evaluation) = match evaluation {
        Ok(evaluated) => evaluated,
        Err(error) => return result.check(vec![unreadable(&error)]),
    };
    evaluation.not_performed.iter().for_each(|what| result.skip(what));
    result.check(evaluation.problems.clone());
    if matches!(result.writer, Writer::OtherVersion(_)) {
        compare_facts(archive, &evaluation, result);
    } else {
        result.check(entries::settings(&archive.manifest, &settings.policy, &settings.classes));
        compare_tables(archive, &settings, &evaluation, result);
        compare_rules(archive, &evaluation, result);
        result.check(compare_known(archive, &evaluation));
        let latest = archive.latest_as_of().map_err(|error| unreadable(&error));
        result.check_readable(
            latest.clone().map(|latest| entries::proven_now(&archive.manifest, (settings.as_of, latest))),
        );
        result.check_readable(
            latest
                .map(|latest| entries::history(archive.manifest.base.as_ref(), &evaluation, (settings.as_of, latest))),
        );
        compare_warnings(archive, &settings, &evaluation, result);
    }
    compare_texts(archive, &evaluation, result);
}

/// Evaluates the snapshot again. A baseline that retention removes meanwhile counts as missing from the start.
fn with_baseline(archive: &Archive, baseline: Baseline, settings: &Settings) -> Result<Evaluation, SnapshotError> {
    let evaluated = evaluated::evaluate(archive, &baseline, settings);
    match (evaluated, baseline) {
        (Err(error), Baseline::AtHand(base)) => match removed(&base.path) {
            Some(gone) => evaluated::evaluate(archive, &Baseline::Missing(unreadable(&gone)), settings),
            None => Err(error),
        },
        (evaluated, _) => evaluated,
    }
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
        BaseLink::Denied(run_id) => Baseline::Missing(format!("permission to read the baseline {run_id} is denied")),
    }
}

fn compare_tables(archive: &Archive, settings: &Settings, evaluation: &Evaluation, result: &mut Reperformed) {
    let Evaluation { inventory, findings, changes, .. } = evaluation;
    let resolved = evaluation.resolved.as_deref();
    let group_owners = &settings.policy.group_owners;
    let tables = Tables { inventory, group_owners, findings, changes, resolved: resolved.unwrap_or_default() };
    let dialect = formats::dialect_of(archive);
    let guarded = Cell::new(0);
    for table in Table::ALL.into_iter().filter(|table| *table != Table::Resolved || resolved.is_some()) {
        let Some(file) = formats::published_file(archive, table) else { continue };
        let write = |out: &mut dyn Write| tables.write_csv(table, dialect, out).map(|written| written.guarded_cells);
        let published = |out: &mut dyn Write| formats::write_published(archive, table, out);
        let rule = formats::row_rule(archive, formats::key_of(table));
        let counted = if formats::has(archive, "csv") && !table.is_internal() { &guarded } else { &Cell::new(0) };
        result.check_readable(compare_table(&rule, &file, &published, &write, counted));
    }
    if formats::is_listed(archive, REVIEW) {
        let write = |out: &mut dyn Write| tables.write_review(dialect, out).map(|written| written.guarded_cells);
        let published = |out: &mut dyn Write| formats::copy(archive, REVIEW, out);
        let rule = formats::row_rule(archive, &["source", "group_id", "user_id", "row_key"]);
        result.check_readable(compare_table(&rule, REVIEW, &published, &write, &guarded));
    }
    result.check(json_differences("guarded_cells", &archive.manifest.guarded_cells, &guarded.get()));
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

/// Compares what must hold in any version: which rows there are, and severity and status of the findings.
fn compare_facts(archive: &Archive, evaluation: &Evaluation, result: &mut Reperformed) {
    // A rule that the other version did not have found nothing then.
    let was_evaluated =
        |finding: &Finding| archive.manifest.rules.iter().any(|entry| entry.rule == finding.rule.as_str());
    let findings: Vec<Finding> = evaluation.findings.iter().filter(|finding| was_evaluated(finding)).cloned().collect();
    let tables = Tables {
        inventory: &evaluation.inventory,
        group_owners: &[],
        findings: &findings,
        changes: &[],
        resolved: &[],
    };
    let dialect = formats::dialect_of(archive);
    for (table, columns) in [
        (Table::Users, &[][..]),
        (Table::Groups, &[]),
        (Table::Memberships, &[]),
        (Table::Findings, &["severity", "status"]),
    ] {
        let Some(file) = formats::published_file(archive, table) else { continue };
        let write = |out: &mut dyn Write| tables.write_csv(table, dialect, out).map(|written| written.guarded_cells);
        let published = |out: &mut dyn Write| formats::write_published(archive, table, out);
        let rule = formats::row_rule(archive, formats::key_of(table));
        let rule = RowRule { columns: Some(columns), ..rule };
        result.check_readable(compare_table(&rule, &file, &published, &write, &Cell::new(0)));
    }
    for what in ["cells of the tables that are no key, severity or status", "changes", "resolved.parquet", REVIEW] {
        result.is_of_other_version(what);
    }
    for what in ["results of the rules", "patterns and warnings", "guarded_cells"] {
        result.is_of_other_version(what);
    }
}

fn compare_rules(archive: &Archive, evaluation: &Evaluation, result: &mut Reperformed) {
    let is_same = |a: &RuleEntry, b: &RuleEntry| a.source == b.source && a.rule == b.rule;
    let is_compared = |entry: &&RuleEntry| !evaluation.ignored_rules.iter().any(|rule| rule.as_str() == entry.rule);
    let found = &archive.manifest.rules;
    let mut problems = Vec::new();
    for expected in evaluation.rules.iter().filter(is_compared) {
        let RuleEntry { source, rule, .. } = expected;
        match found.iter().find(|entry| is_same(entry, expected)) {
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
    for (at, entry) in found.iter().enumerate() {
        let RuleEntry { source, rule, .. } = entry;
        if found[..at].iter().any(|earlier| is_same(earlier, entry)) {
            problems.push(format!("manifest.json: rule {rule} of source {source} has more than one result"));
        } else if is_compared(&entry) && !evaluation.rules.iter().any(|expected| is_same(expected, entry)) {
            problems.push(format!("manifest.json: additional result of rule {rule} for source {source}"));
        }
    }
    result.check(bounded(problems, "manifest.json"));
}

/// Compares what the manifest knows of each source with the new evaluation.
fn compare_known(archive: &Archive, evaluation: &Evaluation) -> Vec<String> {
    let pairs = archive.manifest.sources.iter().zip(&evaluation.inventory.sources);
    let of_source = |(entry, inventory): (&SourceEntry, &SourceInventory)| {
        json_differences(&format!("source {}", entry.name), &entry.known, &inventory.known)
    };
    bounded(pairs.flat_map(of_source).collect(), "manifest.json")
}

/// Compares the matches of the patterns, and looks for each warning that follows from the evaluation.
fn compare_warnings(archive: &Archive, settings: &Settings, evaluation: &Evaluation, result: &mut Reperformed) {
    let Manifest { warnings, patterns, started_at, .. } = &archive.manifest;
    result.check(json_differences("patterns", patterns, &settings.patterns(&evaluation.inventory)));
    let started_at = started_at.parse().map_err(|error| format!("manifest.json: started_at: {error}"));
    result.check_readable(started_at.map(|started_at| {
        let of_instants = run_manifest::warnings::of_instants(settings.as_of, started_at);
        let expected = evaluation.warnings.iter().cloned().chain(of_instants);
        let missing = expected.filter(|text| !warnings.contains(text));
        bounded(missing.map(|text| format!("manifest.json: missing warning: {text}")).collect(), "manifest.json")
    }));
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
    let exceptions = report_page::exceptions_text(&evaluation.uses);
    let inputs = evaluation.inputs.as_deref().map(evaluated::inputs_text);
    for (file, expected) in [(report_page::EXCEPTIONS, Some(exceptions)), (inputs::FILE, inputs)] {
        match (archive.text(file), expected) {
            (Ok(Some(_)), Some(_)) if result.is_of_other_version(file) => {}
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
        Ok(Some(_)) if result.is_of_other_version(README) => {}
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
    let Some(published) = archive.manifest.files.iter().find(|file| file.path == report_page::FILE) else {
        return result.skip(&format!("{}: not rendered again: the snapshot has none", report_page::FILE));
    };
    if result.is_of_other_version(report_page::FILE) {
        return;
    }
    match report_page::render_snapshot(archive) {
        Ok(page) if crate::digest::sha256_hex(page.as_bytes()) == published.sha256 => result.check(Vec::new()),
        Ok(_) => result.check(vec![format!(
            "{}: differs from the page that the other files give; compare it with `bt-rollcall report {}`",
            report_page::FILE,
            shell_word(&archive.path)
        )]),
        Err(error) => result.check(vec![unreadable(&error)]),
    }
}
