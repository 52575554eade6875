//! A sample tenant of some 400 accounts, the same at every call. `reports/sample.html` shows it.

use super::tenant::{list, reading, same_people};
use crate::digest::sha256_hex;
use crate::exceptions::{self, Exception, ExceptionEffects, ExceptionUse};
use crate::model::{
    Change, Classes, Completeness, Coverage, Evaluation, Finding, Instant, Inventory, ListKind, Pattern, Rule,
    SourceInventory, SourceReading, SourceStatus, User,
};
use crate::report::{Input, RuleInfo, View, html};
use crate::rules::policy::{GroupOwner, Policy};
use crate::rules::{self, EvaluationOutput, RuleHistory, frameworks};
use crate::snapshot::manifest::{
    BaseReference, Build, Counts, CsvFormat, FORMAT_VERSION, FileEntry, Manifest, PatternEntry, PolicyEntry,
    SourceEntry, StartedBy, Tool,
};
use crate::state::{self, test_support::SettledRun};
use crate::table::CsvDialect;
use chrono::{TimeDelta, TimeZone, Utc};
use serde_json::json;
use std::collections::BTreeMap;

/// The owned parts of a report's input.
pub(super) struct World {
    pub(super) manifest: Manifest,
    pub(super) inventory: Inventory,
    pub(super) findings: Vec<Finding>,
    pub(super) evaluations: Vec<Evaluation>,
    pub(super) changes: Vec<Change>,
    pub(super) policy: Policy,
    pub(super) catalogue: Vec<RuleInfo>,
    pub(super) uses: Option<Vec<ExceptionUse>>,
}

impl World {
    pub(super) fn view(&self) -> View {
        View::of(&Input {
            manifest: &self.manifest,
            inventory: &self.inventory,
            findings: &self.findings,
            evaluations: &self.evaluations,
            changes: &self.changes,
            policy: &self.policy,
            as_of: as_of(),
            expiry: as_of().into(),
            catalogue: &self.catalogue,
            exceptions: self.uses.as_deref(),
        })
    }

    pub(super) fn page(&self) -> String {
        html::render(&self.view()).expect("writing to a string does not fail")
    }

    /// Joins these readings and derives everything else from them.
    pub(super) fn of(readings: Vec<SourceReading>) -> Self {
        let inventory = Inventory::join(readings, &classes());
        let inventory = SettledRun::first(inventory, RUN, as_of()).state;
        let policy = policy();
        let EvaluationOutput { findings, evaluations, .. } = rules::evaluate(&inventory, &policy, as_of());
        let manifest = manifest(&inventory, &findings, &[]);
        let (catalogue, changes, uses) = (RuleInfo::all(&policy), Vec::new(), None);
        Self { manifest, inventory, findings, evaluations, changes, policy, catalogue, uses }
    }

    /// Returns two appliances that are proven complete. Some people have accounts on both.
    pub(super) fn complete() -> Self {
        let (eu, mut us) = (reading("appliance-eu", 312, 7), reading("appliance-us", 96, 11));
        same_people(&eu, &mut us);
        Self::of(vec![eu, us]).with_baseline().with_exceptions()
    }

    /// Adds exceptions for three findings of inactivity. One expires soon, and one has expired.
    fn with_exceptions(mut self) -> Self {
        let stale = self.findings.iter().filter(|finding| finding.rule == Rule::StaleLogin);
        let days = ["2027-05-31", "2026-12-04", "2026-11-15"].map(|day| day.parse().expect("a day"));
        let accepted = stale.zip(days).zip(1..).map(|((finding, until), number): (_, usize)| Exception {
            line: 7 * number,
            rule: finding.rule,
            subject: Pattern::Name(finding.subject.name.as_deref().expect("a name").to_owned()),
            source: Some(finding.source.to_string()),
            reason: "signs in once a year, for the closing of the books".to_owned(),
            owner: "finance systems".to_owned(),
            ticket: Some(format!("CHG-10{number}2")),
            until,
        });
        let entries: Vec<Exception> = accepted.collect();
        let ExceptionEffects { uses, expired } = exceptions::apply(&mut self.findings, &entries, &self.policy, as_of());
        self.findings.extend(expired);
        self.uses = Some(uses);
        self
    }

    /// Returns the run that read `now`, a day after a run that read `before`.
    pub(super) fn after(before: Vec<SourceReading>, now: Vec<SourceReading>) -> Self {
        Self::of(now).compared_with(before)
    }

    /// Adds a baseline of the day before that is proven complete and differs a little.
    pub(super) fn with_baseline(self) -> Self {
        let sources = self.inventory.sources.iter();
        let before = sources.map(|source_inventory| earlier(source_inventory.reading.clone())).collect();
        self.compared_with(before)
    }

    fn compared_with(mut self, before: Vec<SourceReading>) -> Self {
        let old = SettledRun::first(Inventory::join(before, &classes()), BASELINE, as_of() - TimeDelta::days(1));
        let today = self.inventory.sources.iter().map(|source_inventory| source_inventory.reading.clone()).collect();
        let mut advanced = old.read(Inventory::join(today, &classes()), RUN, as_of());
        let before = RuleHistory { base_run: Some(BASELINE), changes: &advanced.changes, since: &advanced.since };
        let output = rules::evaluate_after(before, &advanced.inventory, &self.policy, as_of());
        (self.findings, self.evaluations) = (output.findings, output.evaluations);
        advanced.settle();
        (self.inventory, self.changes) = (advanced.inventory, advanced.changes);
        self.manifest = manifest(&self.inventory, &self.findings, &self.changes);
        self.manifest.base = Some(BaseReference { run_id: BASELINE.to_owned(), manifest_sha256: hash("baseline") });
        let changes = state::counts(&self.changes).into_iter();
        self.manifest.counts.changes = changes.map(|(kind, count)| (kind.as_str().to_owned(), count)).collect();
        self
    }

    /// Returns three appliances: one complete, one whose list of groups failed, one whose list of users drifted.
    pub(super) fn partial() -> Self {
        let mut us = reading("appliance-us", 96, 11);
        us.groups.truncate(5);
        us.lists[1] = list(ListKind::Groups, Some(14), 5, FAILED);
        let mut apac = reading("appliance-apac", 140, 13);
        apac.users.truncate(131);
        apac.lists[0] = list(ListKind::Users, Some(140), 131, DRIFTED);
        Self::of(vec![reading("appliance-eu", 312, 7), us, apac]).with_baseline()
    }
}

const RUN: &str = "20261123T020000Z-7f3a";
const BASELINE: &str = "20261122T020000Z-1c4e";

/// Returns an earlier state of a source: some accounts are missing, others exist only there, some differ.
fn earlier(mut reading: SourceReading) -> SourceReading {
    for list in &mut reading.lists {
        list.coverage = Coverage::Complete { proof: String::new() };
    }
    let unchanged = reading.users.split_off(reading.users.len() / 2);
    let mut leaver = User::new("99001");
    (leaver.username, leaver.groups_known) = (Some("former.colleague".into()), true);
    for (place, user) in reading.users.iter_mut().enumerate() {
        match place % 23 {
            3 => user.enabled = user.enabled.map(|enabled| !enabled),
            7 => user.group_memberships = Box::default(),
            11 => user.username = user.username.as_ref().map(|name| format!("{name}.old").into()),
            _ => {}
        }
    }
    reading.users.retain(|user| !user.id.as_str().ends_with("17"));
    reading.users.extend(unchanged);
    reading.users.push(leaver);
    reading
}

const FAILED: (&str, &str) = ("failed", "list of groups, offset 5: status 502 after 6 attempts");
const DRIFTED: (&str, &str) =
    ("drifted", "page 2 ended with id 187, page 3 starts with id 191; 4 passes did not prove the list complete");

pub(super) fn as_of() -> Instant {
    Utc.with_ymd_and_hms(2026, 11, 23, 2, 0, 0).single().expect("a valid instant")
}

fn policy() -> Policy {
    let selected = ["pci-dss-4.0.1", "cis-8.1"].map(|id| frameworks::find(id).expect("a preset"));
    let (stale_after, privileged_stale_after) = frameworks::thresholds(&selected, None, Some(30)).expect("numbers");
    let frameworks = selected.iter().map(|framework| framework.id.to_owned()).collect();
    let group_owners = owners().into_iter().map(|(group, owner, email)| GroupOwner {
        group: Pattern::parse(group).expect("a pattern"),
        owner: owner.to_owned(),
        email: Some(email.to_owned()),
    });
    let group_owners = group_owners.collect();
    Policy { stale_after, privileged_stale_after, frameworks, group_owners, ..Policy::default() }
}

/// Returns the owners of groups: pattern, name and address.
fn owners() -> [(&'static str, &'static str, &'static str); 2] {
    [
        ("glob:*admin*", "Identity team", "identity@example.com"),
        ("glob:remote support*", "Service desk", "service-desk@example.com"),
    ]
}

fn classes() -> Classes {
    let parse = |text: &str| Pattern::parse(text).expect("a pattern");
    Classes {
        privileged_groups: vec![parse("Administrators"), parse("glob:*admin*")],
        break_glass: vec![parse("glob:emergency-*")],
        service_accounts: vec![parse("glob:svc-*")],
    }
}

fn manifest(inventory: &Inventory, findings: &[Finding], changes: &[Change]) -> Manifest {
    let complete =
        inventory.sources.iter().all(|source_inventory| source_inventory.reading.status() == SourceStatus::Complete);
    let total = |count: fn(&SourceInventory) -> usize| {
        inventory.sources.iter().map(|source_inventory| count(source_inventory) as u64).sum::<u64>()
    };
    let counts = Counts {
        users: total(|source_inventory| source_inventory.reading.users.len()),
        groups: total(|source_inventory| source_inventory.reading.groups.len()),
        memberships: total(|source_inventory| source_inventory.memberships.len()),
        ..Counts::default()
    };
    Manifest {
        format_version: FORMAT_VERSION,
        run_id: RUN.to_owned(),
        tool: Tool { name: "bt-rollcall".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        build: Build {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: hash("commit")[..40].to_owned(),
            compiler: "rustc 1.89.0 (29483883e 2025-08-04)".to_owned(),
        },
        host: "audit-01.example.com".to_owned(),
        operator: "bt-rollcall".to_owned(),
        started_by: StartedBy { user: "bt-rollcall".to_owned(), ..StartedBy::default() },
        as_of: "2026-11-23T02:00:00Z".to_owned(),
        started_at: "2026-11-23T02:00:00Z".to_owned(),
        finished_at: "2026-11-23T02:00:04Z".to_owned(),
        completeness: Completeness::of(complete),
        sources: inventory.sources.iter().map(SourceEntry::of).collect(),
        policy: policy_entries(),
        config_sha256: hash("configuration"),
        configuration: json!({}),
        exceptions_sha256: None,
        latest_as_of: None,
        base: None,
        rules: Vec::new(),
        files: files(&counts, findings.len() as u64, changes.len() as u64),
        counts,
        patterns: patterns(),
        csv: CsvFormat::of(CsvDialect::Strict),
        guarded_cells: 1,
        formula_guard: true,
        warnings: Vec::new(),
        notes: vec!["appliance-eu: 12 dates have no time zone; UTC was assumed".to_owned()],
        confirmed_shrinks: Vec::new(),
        clock_doubt: None,
    }
}

fn patterns() -> Vec<PatternEntry> {
    let entry = |key: &str, pattern: &str, matches| PatternEntry {
        key: format!("policy.{key}"),
        pattern: pattern.to_owned(),
        matches,
        complete: true,
        nearest: None,
    };
    vec![
        entry("privileged_groups", "administrators", 2),
        entry("privileged_groups", "glob:*admin*", 3),
        entry("break_glass", "glob:emergency-*", 2),
        entry("service_accounts", "glob:svc-*", 4),
    ]
}

fn policy_entries() -> BTreeMap<String, PolicyEntry> {
    [
        ("stale_after_days", json!(45), "cis-8.1"),
        ("privileged_stale_after_days", json!(30), "configuration"),
        ("never_logged_in_grace_days", json!(30), "default"),
        ("max_shrink_percent", json!(20), "default"),
        ("frameworks", json!(["pci-dss-4.0.1", "cis-8.1"]), "configuration"),
        ("privileged_groups", json!(["Administrators", "glob:*admin*"]), "configuration"),
        ("break_glass", json!(["glob:emergency-*"]), "configuration"),
        ("service_accounts", json!(["glob:svc-*"]), "configuration"),
        (
            "group_owners",
            json!(owners().map(|(group, owner, email)| json!({"group": group, "owner": owner, "email": email}))),
            "configuration",
        ),
        ("rules", json!({}), "default"),
    ]
    .into_iter()
    .map(|(key, value, from)| (key.to_owned(), PolicyEntry { value, from: from.to_owned() }))
    .collect()
}

fn files(counts: &Counts, findings: u64, changes: u64) -> Vec<FileEntry> {
    [
        ("users", counts.users, 212),
        ("groups", counts.groups, 58),
        ("memberships", counts.memberships, 61),
        ("findings", findings, 540),
        ("changes", changes, 180),
    ]
    .into_iter()
    .flat_map(|(table, rows, width)| {
        let file = move |path: String, bytes| FileEntry { sha256: hash(&path), path, bytes, rows: Some(rows) };
        [file(format!("{table}.csv"), 128 + rows * width), file(format!("{table}.parquet"), 1_900 + rows * width / 4)]
    })
    .collect()
}

pub(super) fn hash(text: &str) -> String {
    sha256_hex(text.as_bytes())
}
