//! What must hold after each run, whatever the server did.

use super::watched::Outcome;
use crate::inventory::same_rows;
use crate::receiver::Receiver;
use crate::rig::{Rig, Row, as_of, day, rows};
use crate::truth::{ReportedChange, Truth, untrue};
use bt_rollcall_sandbox::{CANARY, Expect, Expected, Surface};
use chrono::TimeDelta;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Most resident memory of a run, in KiB.
pub const MEMORY: u64 = 600 * 1024;

/// Rules whose findings depend on the newest reading alone.
const RULES: [&str; 2] = ["no-group", "disabled-in-group"];

/// Kinds of lists that contain accounts, groups, and everything.
const ACCOUNTS: [&str; 4] = ["users", "vendors", "vendor-users", "api-accounts"];
const GROUPS: [&str; 2] = ["groups", "vendors"];
const ALL: [&str; 8] =
    ["users", "user-details", "groups", "members", "directory-members", "vendors", "vendor-users", "api-accounts"];

/// Checks how a run ended: its code, its time, its memory, and what it wrote to people.
pub fn ending(outcome: &Outcome, published: Option<&Published<'_>>) -> Vec<String> {
    let mut wrong = Vec::new();
    let code = outcome.status.and_then(|status| status.code());
    let completeness = published.map(|published| published.manifest["completeness"].as_str().unwrap().to_owned());
    let expected = match (code, completeness.as_deref()) {
        (Some(0), is) => is == Some("complete"),
        (Some(3), is) => is == Some("partial"),
        (Some(1), is) => is.is_none(),
        (Some(4), _) => true,
        _ => false,
    };
    if !expected {
        wrong.push(format!("exit {:?} after {:?}, published: {completeness:?}", outcome.status, outcome.elapsed));
    }
    if outcome.peak > MEMORY {
        wrong.push(format!("{} KiB of memory", outcome.peak));
    }
    let is_hidden =
        |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    for (name, text) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)] {
        let line = text.lines().find(|line| line.contains(is_hidden) || line.starts_with("roll call 1:"));
        wrong.extend(line.map(|line| format!("{name} has a forged line or hidden characters: {line:?}")));
    }
    wrong
}

/// Checks that nothing of a secret is in any output, file or event.
pub fn secrets(rig: &Rig, receiver: &Receiver, outcome: &Outcome) -> Vec<String> {
    let mut secrets = vec![rig.sandbox.client_secret().to_owned(), CANARY.to_owned()];
    secrets.extend(rig.sandbox.tokens());
    secrets.extend(rig.sandbox.session_cookies());
    let has = |bytes: &[u8]| {
        secrets.iter().any(|secret| bytes.windows(secret.len()).any(|window| window == secret.as_bytes()))
    };
    let mut texts = vec![("stdout".to_owned(), outcome.stdout.clone().into_bytes())];
    texts.push(("stderr".to_owned(), outcome.stderr.clone().into_bytes()));
    texts.push(("an event".to_owned(), receiver.messages().join("\n").into_bytes()));
    let newest = rig.snapshots().pop().into_iter();
    for folder in newest.chain([rig.folder.path().join("state")]) {
        texts.extend(files(&folder).map(|path| (path.display().to_string(), fs::read(path).unwrap())));
    }
    texts.into_iter().filter(|(_, bytes)| has(bytes)).map(|(name, _)| format!("{name} contains a secret")).collect()
}

/// Returns the files of a folder that are texts. Parquet and XLSX are compressed.
fn files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.is_file() && !path.extension().is_some_and(|is| is == "parquet" || is == "xlsx"))
}

/// Compares every cell of the tables with the oracle.
pub fn cells(published: &Published<'_>, rig: &Rig) -> Vec<String> {
    let of = |place: usize| published.expected(rig, place);
    let differ = |place: usize| {
        let (expected, name) = (of(place), published.source(place));
        let tables = [("users", &expected.users), ("groups", &expected.groups), ("memberships", &expected.memberships)];
        let differing = tables.map(|(table, expected)| {
            let found = rows_of(&published.path, table, &name);
            let compared = std::panic::catch_unwind(|| same_rows(table, &found, expected));
            compared.err().map(|_| format!("{name}: the table {table} differs from the oracle"))
        });
        differing.into_iter().flatten()
    };
    (0..published.surfaces.len()).flat_map(differ).collect()
}

fn rows_of(snapshot: &Path, table: &str, source: &str) -> Vec<Row> {
    let all = rows(&snapshot.join(format!("{table}.csv")));
    all.into_iter().filter(|row| row["source"] == source).collect()
}

/// A published snapshot and what is true about it.
pub struct Published<'a> {
    pub path: PathBuf,
    /// First snapshot of the round, made by an honest run.
    pub baseline: PathBuf,
    /// The snapshot before.
    pub before: Option<PathBuf>,
    pub manifest: Value,
    /// Number of the day.
    pub number: u32,
    pub surfaces: &'a [Surface],
    /// The truth of each day, for each surface.
    pub days: &'a [Vec<Truth>],
}

/// What one source of a snapshot contains.
struct SourceTables {
    users: Vec<Row>,
    groups: Vec<Row>,
    memberships: Vec<Row>,
    findings: Vec<Row>,
    changes: Vec<Row>,
}

impl SourceTables {
    fn read(snapshot: &Path, source: &str) -> Self {
        let [users, groups, memberships, findings, changes] =
            ["users", "groups", "memberships", "findings", "changes"].map(|table| rows_of(snapshot, table, source));
        Self { users, groups, memberships, findings, changes }
    }

    fn truth(&self) -> Truth {
        Truth::of_tables(&self.users, &self.groups, &self.memberships)
    }

    /// Returns what a run confirmed.
    fn confirmed(&self, at: &str) -> Truth {
        let [users, groups, memberships] = [&self.users, &self.groups, &self.memberships]
            .map(|rows| rows.iter().filter(|row| row["confirmed_at"] == at).cloned().collect::<Vec<_>>());
        Truth::of_tables(&users, &groups, &memberships)
    }
}

impl Published<'_> {
    fn source(&self, place: usize) -> String {
        match self.surfaces {
            [_] => "sandbox".to_owned(),
            several => format!("sandbox-{}", several[place].as_str()),
        }
    }

    fn expected(&self, rig: &Rig, place: usize) -> Expected {
        let instant = as_of() + TimeDelta::days(self.number.into());
        let usual = Expect::usual(&self.source(place), instant);
        rig.sandbox.with_world(|world| world.expected(&Expect { surface: self.surfaces[place], ..usual }))
    }

    /// Returns everything in the snapshot that is not true.
    pub fn wrong(&self, rig: &Rig) -> Vec<String> {
        let mut wrong = Vec::new();
        let verify = rig.call(&["verify", self.path.to_str().unwrap()]);
        if !verify.status.success() {
            wrong.push(format!("verify: {}", String::from_utf8_lossy(&verify.stderr)));
        }
        for place in 0..self.surfaces.len() {
            let name = self.source(place);
            let tables = SourceTables::read(&self.path, &name);
            let found = [
                self.untrue_rows(place, &tables),
                self.unproven_rows(place, &tables),
                self.untrue_changes(place, &tables),
                self.untrue_findings(place, &tables, &self.expected(rig, place)),
            ];
            wrong.extend(found.into_iter().flatten().map(|why| format!("{name}: {why}")));
        }
        wrong
    }

    /// Checks whether all of these lists are proven that the first run has proven.
    fn is_proven(&self, place: usize, kinds: &[&str]) -> bool {
        let coverage = |manifest: &Value, kind: &str| {
            let sources = manifest["sources"].as_array().unwrap();
            let source = sources.iter().find(|source| source["name"] == self.source(place).as_str())?;
            let list = source["lists"].as_array()?.iter().find(|list| list["kind"] == kind)?;
            Some(list["coverage"] == "complete")
        };
        let first = crate::rig::read_json(&self.baseline.join("manifest.json"));
        let is_set_aside = self.manifest["set_aside"].as_array().is_some_and(|all| !all.is_empty());
        let offered = kinds.iter().filter(|kind| coverage(&first, kind) == Some(true));
        let source = self.manifest["sources"].as_array().unwrap().iter();
        let is_confirmed = source
            .clone()
            .any(|source| source["name"] == self.source(place).as_str() && source["confirmed_at"] == day(self.number));
        let all = offered.into_iter().all(|kind| coverage(&self.manifest, kind) == Some(true));
        all && !is_set_aside && (is_confirmed || kinds.len() < ALL.len())
    }

    fn now(&self, place: usize) -> &Truth {
        &self.days[self.number as usize][place]
    }

    /// Returns rows that this run confirmed although they do not exist, and rows that never existed.
    fn untrue_rows(&self, place: usize, tables: &SourceTables) -> Vec<String> {
        let mut ever = Truth::default();
        for truth in self.days.iter().map(|day| &day[place]) {
            ever.users.extend(truth.users.iter().cloned());
            ever.groups.extend(truth.groups.iter().cloned());
            ever.pairs.extend(truth.pairs.iter().cloned());
        }
        let confirmed = more(&tables.confirmed(&day(self.number)), self.now(place));
        let known = more(&tables.truth(), &ever);
        let confirmed = confirmed.into_iter().map(|row| format!("confirmed, but does not exist: {row}"));
        confirmed.chain(known.into_iter().map(|row| format!("never existed: {row}"))).collect()
    }

    /// Returns rows that are missing from lists, or too many in them, although the lists are said to be complete.
    fn unproven_rows(&self, place: usize, tables: &SourceTables) -> Vec<String> {
        let (mut found, mut truth) = (tables.truth(), self.now(place).clone());
        if !self.is_proven(place, &ACCOUNTS) {
            (found.users, truth.users) = (BTreeSet::new(), BTreeSet::new());
        }
        if !self.is_proven(place, &GROUPS) {
            (found.groups, truth.groups) = (BTreeSet::new(), BTreeSet::new());
        }
        if !self.is_proven(place, &ALL) {
            (found.pairs, truth.pairs) = (BTreeSet::new(), BTreeSet::new());
        }
        let missing = more(&truth, &found).into_iter().map(|row| format!("LIE, missing in a complete list: {row}"));
        missing
            .chain(more(&found, &truth).into_iter().map(|row| format!("LIE, left in a complete list: {row}")))
            .collect()
    }

    /// Returns changes that did not happen, and removals by lists that are not proven.
    fn untrue_changes(&self, place: usize, tables: &SourceTables) -> Vec<String> {
        let Some(before) = &self.before else { return Vec::new() };
        let before = SourceTables::read(before, &self.source(place)).truth();
        let reported = |row: &Row| {
            let [kind, subject, field, was, is] =
                ["kind", "subject_id", "field", "before", "after"].map(|column| row[column].clone());
            let reported = ReportedChange { kind: &kind, subject: &subject, field: &field, before: &was, after: &is };
            let unproven = match kind.as_str() {
                "user.removed" => !self.is_proven(place, of_own_list(&subject, &ACCOUNTS)),
                "group.removed" => !self.is_proven(place, of_own_list(&subject, &GROUPS)),
                _ => false,
            };
            let unproven = unproven.then(|| format!("LIE, removed by a list that is not proven: {reported:?}"));
            unproven.or_else(|| untrue(reported, &before, self.now(place)).map(|why| format!("LIE, untrue: {why}")))
        };
        tables.changes.iter().filter_map(reported).collect()
    }

    /// Returns findings that do not hold, and resolved ones that do.
    fn untrue_findings(&self, place: usize, tables: &SourceTables, expected: &Expected) -> Vec<String> {
        let true_ones: BTreeSet<(&str, &str)> = expected
            .findings
            .iter()
            .map(|finding| (finding.rule.as_str(), finding.subject_id.as_str()))
            .filter(|(rule, _)| RULES.contains(rule))
            .collect();
        let mut wrong = Vec::new();
        let mut open = BTreeSet::new();
        for row in tables.findings.iter().filter(|row| RULES.contains(&row["rule"].as_str())) {
            let key = (row["rule"].as_str(), row["subject_id"].as_str());
            let (is_true, is_resolved) = (true_ones.contains(&key), row["status"] == "resolved");
            // A user's own record can name a group that does not exist. Only a proven list of groups shows that.
            let is_new = row["last_seen"] == day(self.number) && (is_true || self.is_proven(place, &GROUPS));
            if is_resolved == is_true && (is_resolved || is_new) {
                wrong.push(format!("LIE, finding {key:?} is {}, in truth: {is_true}", row["status"]));
            }
            if !is_resolved {
                open.insert(key);
            }
        }
        if self.is_proven(place, &ALL) && open != true_ones {
            wrong.push(format!("LIE, open findings {open:?}, in truth {true_ones:?}"));
        }
        wrong
    }
}

/// Returns the lists that an id can come from: one for a plain id, and all of these for an id with a prefix.
fn of_own_list<'a>(id: &str, lists: &'a [&'a str]) -> &'a [&'a str] {
    if id.contains(':') || id.contains('-') { lists } else { &lists[..1] }
}

/// Returns what is in `some` and not in `others`.
fn more(some: &Truth, others: &Truth) -> Vec<String> {
    let users = some.users.difference(&others.users).map(|id| format!("user {id}"));
    let groups = some.groups.difference(&others.groups).map(|id| format!("group {id}"));
    let pairs = some.pairs.difference(&others.pairs).map(|pair| format!("membership {pair:?}"));
    users.chain(groups).chain(pairs).collect()
}
