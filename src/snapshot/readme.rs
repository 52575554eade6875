//! `README.txt` of a snapshot: for a reader who has only the folder. What the files are, how to check them without this
//! program, and what each column means.
//!
//! The text follows from the manifest alone, so that anyone can make it again. Its own entry in the manifest is ignored,
//! because the text is written before it is listed. Nothing here reads a file.

use super::manifest::{FileEntry, Manifest, SourceEntry};
use super::pages::PAGES;
use super::{MANIFEST, inputs};
use crate::escape::printable;
use crate::table::dictionary::{self, ColumnText};
use crate::table::{ColumnType, REVIEW, Table, review_schema};

/// Name of the file.
pub const README: &str = "README.txt";

/// Description of the population of a review, with those that it lacks.
const REVIEW_ABOUT: &str = "Population of an access review: one row for each group and member, with empty columns for \
    decisions.\n    Accounts without any known membership have no row: review the enabled ones by the findings of no-group.\n    \
    Administrators by their own record are not in group_privileged: they have is_admin in users.";

/// Files that are no table, with a description.
const OTHERS: [(&str, &str); 6] = [
    (REVIEW, REVIEW_ABOUT),
    ("exceptions.json", "Accepted findings, and what each entry covered."),
    (inputs::FILE, "What rules used and no table contains: one JSON object for each account, group or source."),
    (PAGES, "One line for each HTTP request that the run sent."),
    ("report.html", "The report for people. A browser shows it; it needs no network."),
    (README, "This text."),
];

/// Characters of a reason that the text shows.
const REASON: usize = 400;

/// Characters of a line.
const WIDTH: usize = 120;

/// Returns the text for the snapshot with this manifest.
pub fn text(manifest: &Manifest) -> String {
    let parts = [summary(manifest), files(manifest), checks(), queries(manifest), columns(manifest)];
    parts.concat()
}

fn summary(manifest: &Manifest) -> String {
    let Manifest { run_id, tool, host, as_of, started_at, finished_at, completeness, .. } = manifest;
    let (name, version, host) = (&tool.name, &tool.version, printable(host, REASON));
    let completeness = completeness.as_str();
    let meaning = if manifest.is_complete() {
        "every list of every source was proven complete"
    } else {
        "at least one list was not proven complete; a missing row of its source proves nothing"
    };
    let sources: String = manifest.sources.iter().map(source_line).collect();
    format!(
        "Snapshot {run_id} of {name} {version}

Accounts, groups and memberships of BeyondTrust products, with findings and changes.

Run id        {run_id}
Host          {host}
Evaluated     as of {as_of}; every age is computed from this instant
Data read     from {started_at} to {finished_at}
Completeness  {completeness}: {meaning}
{sources}"
    )
}

fn source_line(source: &SourceEntry) -> String {
    let SourceEntry { name, kind, status, reason, .. } = source;
    let reason = reason.as_deref().map(|reason| format!(": {}", printable(reason, REASON))).unwrap_or_default();
    format!("Source        {} ({kind}): {}{reason}\n", printable(name, REASON), status.as_str())
}

fn files(manifest: &Manifest) -> String {
    let tables = Table::ALL.into_iter().filter_map(|table| table_lines(manifest, table));
    let others = OTHERS.into_iter().filter_map(|(name, about)| other_lines(manifest, name, about));
    let last = "Run, sources, policy, evaluations, counts, and the SHA-256 of every other file. Written last.";
    [heading("Files"), tables.chain(others).collect(), format!("{MANIFEST}\n    {last}\n"), csv_form(manifest)].concat()
}

/// Describes the files of a table; `None` if there are none.
fn table_lines(manifest: &Manifest, table: Table) -> Option<String> {
    let names = ["csv", "parquet"].map(|format| format!("{}.{format}", table.as_str()));
    let listed: Vec<&FileEntry> = names.iter().filter_map(|name| listed(manifest, name)).collect();
    let rows = listed.first()?.rows.unwrap_or_default();
    let names: Vec<&str> = listed.iter().map(|entry| entry.path.as_str()).collect();
    Some(format!("{}\n    {} Rows: {rows}.\n", names.join(", "), about(table)))
}

/// Describes a file that is no table; `None` if it is absent. The text itself is not listed yet when it is written.
fn other_lines(manifest: &Manifest, name: &str, about: &str) -> Option<String> {
    let rows = if name == README { None } else { listed(manifest, name)?.rows };
    let rows = rows.map(|rows| format!(" Rows: {rows}.")).unwrap_or_default();
    Some(format!("{name}\n    {about}{rows}\n"))
}

fn listed<'m>(manifest: &'m Manifest, name: &str) -> Option<&'m FileEntry> {
    manifest.files.iter().find(|entry| entry.path == name)
}

fn about(table: Table) -> &'static str {
    match table {
        Table::Users => "One row for each account of each source.",
        Table::Groups => "One row for each group.",
        Table::Memberships => "One row for each pair of a group and a member.",
        Table::Findings => "One row for each finding that is open, and for each that this run resolved.",
        Table::Changes => "One row for each difference to the snapshot before.",
        Table::Resolved => "One row for each finding that was resolved; the next run needs them.",
    }
}

fn csv_form(manifest: &Manifest) -> String {
    let guard = if manifest.formula_guard {
        "A cell that a spreadsheet would run as a formula begins with an apostrophe."
    } else {
        "Cells that a spreadsheet would run as formulas are not marked."
    };
    format!(
        "\nCSV files have a {} between cells and a header row, in UTF-8. An empty cell is null, \"\" is an empty text, a\n\
         list is a JSON array, an instant is in UTC. {guard}\n",
        manifest.csv.separator
    )
}

fn checks() -> String {
    let heading = heading("Check the files without bt-rollcall");
    format!(
        r#"{heading}Run these commands in this folder. The first compares every file with {MANIFEST}. It prints nothing and ends
with exit code 0 if all of them are as published:

    python3 -c 'import json; [print(f["sha256"], "", f["path"]) for f in json.load(open("manifest.json"))["files"]]' | sha256sum --check --quiet

A file that {MANIFEST} does not list is no part of the snapshot. Only HOLD may be added: it keeps the folder.

The second prints the SHA-256 of the manifest:

    sha256sum {MANIFEST}

This folder alone cannot prove that the manifest is the one that the run wrote. The run sent the same SHA-256 to the
SIEM, in the event run.completed, as btrollcall.run.manifest_sha256. Compare the two.
"#
    )
}

/// Returns the queries, in the format that the snapshot has; nothing if it has no tables.
///
/// An account that was enabled again is inactive since then, if it did not sign in later. So the last query takes the
/// later of the two instants.
fn queries(manifest: &Manifest) -> String {
    let tables = [Table::Users, Table::Groups, Table::Memberships, Table::Findings].map(|table| from(manifest, table));
    let [Some(users), Some(groups), Some(memberships), Some(findings)] = tables else { return String::new() };
    let heading = heading("Recompute without bt-rollcall");
    format!(
        r"{heading}The queries are for DuckDB (https://duckdb.org). Start duckdb in this folder and paste them.

Counts: both numbers of a line are equal.

    WITH run AS (SELECT content AS manifest FROM read_text('{MANIFEST}')),
         counted AS (
             SELECT 'users' AS rows, count(*) AS recomputed FROM {users}
             UNION ALL
             SELECT 'groups', count(*) FROM {groups}
             UNION ALL
             SELECT 'memberships', count(*) FROM {memberships})
    SELECT rows, (manifest ->> ('$.counts.' || rows))::BIGINT AS manifest, recomputed FROM counted, run;

Unresolved findings by rule: compare with counts.findings in {MANIFEST}.

    SELECT rule, count(*) AS findings FROM {findings}
    WHERE status <> 'resolved' GROUP BY rule ORDER BY rule;

One rule: for how many days the accounts of stale-login were inactive. recomputed and age_days are equal.

    WITH run AS (SELECT (content ->> '$.as_of')::TIMESTAMPTZ AS as_of FROM read_text('{MANIFEST}')),
         basis AS (
             SELECT source, id, greatest(last_login::TIMESTAMPTZ, enabled_since::TIMESTAMPTZ) AS basis
             FROM {users})
    SELECT source, subject_id, subject_name, basis, floor(epoch(as_of - basis) / 86400)::BIGINT AS recomputed,
           (evidence ->> 'age_days')::BIGINT AS age_days, (evidence ->> 'threshold_days')::BIGINT AS threshold_days
    FROM {findings} f JOIN basis USING (source), run
    WHERE f.subject_id = basis.id AND rule = 'stale-login' AND status <> 'resolved' AND last_seen::TIMESTAMPTZ = as_of
    ORDER BY recomputed <> age_days DESC, age_days DESC LIMIT 20;
"
    )
}

/// Returns the table as a query reads it: Parquet if the snapshot has it, otherwise CSV.
fn from(manifest: &Manifest, table: Table) -> Option<String> {
    let [parquet, csv] = ["parquet", "csv"].map(|format| format!("{}.{format}", table.as_str()));
    if listed(manifest, &parquet).is_some() {
        return Some(format!("'{parquet}'"));
    }
    let delimiter = char::from(manifest.csv.dialect().unwrap_or_default().separator().byte());
    listed(manifest, &csv)
        .map(|_| format!("read_csv('{csv}', delim = '{delimiter}', header = true, all_varchar = true)"))
}

fn columns(manifest: &Manifest) -> String {
    let explained =
        "After the name: type and meaning. null is an empty cell; a column without it always has a value.\n";
    let tables = Table::ALL.into_iter().filter(|table| from(manifest, *table).is_some());
    let tables = tables.map(|table| dictionary(table.as_str(), &table.schema(), table.dictionary())).collect();
    let review = listed(manifest, REVIEW).map(|_| dictionary(REVIEW, &review_schema(), dictionary::REVIEW));
    [heading("Columns"), explained.to_owned(), tables, review.unwrap_or_default()].concat()
}

fn dictionary(name: &str, schema: &[ColumnType], texts: &[ColumnText]) -> String {
    let lines = schema.iter().zip(texts).map(|(column, text)| column_line(column, text));
    format!("\n{name}\n{}", lines.collect::<String>())
}

/// Returns the line of a column. A long meaning of null gets a line of its own.
fn column_line(column: &ColumnType, text: &ColumnText) -> String {
    let start = format!("    {:<21} {:<10} {}", column.name, column.kind, text.meaning);
    let Some(null) = text.null else { return format!("{start}\n") };
    let line = format!("{start}; null: {null}");
    if line.len() <= WIDTH { format!("{line}\n") } else { format!("{start};\n{:37}null: {null}\n", "") }
}

fn heading(title: &str) -> String {
    format!("\n{title}\n{}\n\n", "-".repeat(title.len()))
}
