//! Renders `report.html`: for a run that is about to be published, and again for a published snapshot.
//!
//! `run` calls the first, the command `report` the second. Both build the same [`report::Input`]. The same version of
//! the program renders the same bytes both times. An auditor can thus re-create the report from a snapshot's files.

use crate::exceptions::{ExceptionRecord, ExceptionUse, Expiry};
use crate::model::{
    Advice, Change, ChangedGroup, Evaluation, Finding, GroupId, Instant, Inventory, Rule, SourceName, Text,
};
use crate::report::{self, RuleInfo};
use crate::rules;
use crate::rules::policy::Policy;
use crate::run_manifest::{self, RunDescription, clock, policy_entries};
use crate::snapshot::SnapshotError;
use crate::snapshot::load::Archive;
use crate::snapshot::manifest::{ClockDoubt, Manifest};
use crate::snapshot::readme::README;
use ahash::AHashMap;
use std::sync::Arc;

/// File name of the report in a snapshot.
pub const FILE: &str = "report.html";
/// File name of the accepted exceptions and what each of them covers. Written only if an exceptions file is configured.
pub const EXCEPTIONS: &str = "exceptions.json";

/// Renders the report of a run. The manifest lists every file except the report itself. The error is the reason in
/// words.
pub fn render_run(facts: &RunDescription<'_>, manifest: &Manifest) -> Result<String, String> {
    let policy = &facts.config.policy;
    let view = report::View::of(&report::Input {
        manifest,
        inventory: facts.inventory,
        findings: facts.findings,
        evaluations: facts.evaluations,
        changes: facts.changes,
        policy,
        expiry: expiry(facts.as_of, facts.clock_doubt.as_ref()),
        as_of: facts.as_of,
        catalogue: &RuleInfo::all(policy),
        exceptions: facts.config.exceptions.is_some().then_some(facts.uses),
    });
    report::html::render(&view).map_err(|error| error.to_string())
}

/// Renders the report of a published snapshot. Reads nothing but the files of the snapshot.
pub fn render_snapshot(archive: &Archive) -> Result<String, SnapshotError> {
    let loaded = LoadedSnapshot::read(archive)?;
    let view = report::View::of(&report::Input {
        manifest: &loaded.manifest,
        inventory: &loaded.inventory,
        findings: &loaded.findings,
        evaluations: &loaded.evaluations,
        changes: &loaded.changes,
        policy: &loaded.policy,
        expiry: expiry(loaded.as_of, loaded.manifest.clock_doubt.as_ref()),
        as_of: loaded.as_of,
        catalogue: &RuleInfo::all(&loaded.policy),
        exceptions: loaded.exceptions.as_deref(),
    });
    report::html::render(&view).map_err(|error| archive.unsupported(FILE)(error.to_string()))
}

/// Content of a snapshot, in the types that a run uses.
struct LoadedSnapshot {
    /// The manifest without the report's own entry, as it was when the report was rendered.
    manifest: Manifest,
    policy: Policy,
    as_of: Instant,
    inventory: Inventory,
    findings: Vec<Finding>,
    evaluations: Vec<Evaluation>,
    changes: Vec<Change>,
    exceptions: Option<Vec<ExceptionUse>>,
}

impl LoadedSnapshot {
    fn read(archive: &Archive) -> Result<Self, SnapshotError> {
        let of_manifest = |reason| archive.unsupported("manifest.json")(reason);
        let mut manifest = archive.manifest.clone();
        // The report was rendered before it was itself listed, and before `README.txt`, which describes it.
        manifest.files.retain(|file| file.path != FILE && file.path != README);
        let policy = policy_entries::read(&manifest.policy).map_err(of_manifest)?;
        let as_of = archive.as_of()?;
        let evaluations = run_manifest::evaluations(&manifest, &policy).map_err(of_manifest)?;
        let inventory = archive.inventory()?;
        let changes = changes(archive, &inventory)?;
        let findings = findings(archive, &policy)?;
        let exceptions = exceptions(archive, &policy)?;
        Ok(Self { manifest, policy, as_of, inventory, findings, evaluations, changes, exceptions })
    }
}

/// Returns the instants that decide over exceptions.
fn expiry(as_of: Instant, doubt: Option<&ClockDoubt>) -> Expiry {
    Expiry { as_of, ends_by: clock::ends_by(as_of, doubt) }
}

/// Returns the content of `exceptions.json`.
pub fn exceptions_text(uses: &[ExceptionUse]) -> String {
    let entries: Vec<ExceptionRecord> = uses.iter().map(ExceptionUse::entry).collect();
    // Plain data with text keys always serialises.
    serde_json::to_string_pretty(&entries).unwrap_or_default()
}

/// Reads the changes in the order of the table, with their groups and the standing of listed accounts.
pub fn changes(archive: &Archive, inventory: &Inventory) -> Result<Vec<Change>, SnapshotError> {
    let mut changes = archive.changes(|source, id| group(inventory, source, id))?;
    for change in &mut changes {
        change.account = inventory.standing_of(&change.source, &change.subject).map(Box::new);
    }
    Ok(changes)
}

/// Returns a group for the description of a membership change; `None` if no such group is listed.
fn group(inventory: &Inventory, source: &SourceName, id: &GroupId) -> Option<ChangedGroup> {
    let source_inventory =
        inventory.sources.iter().find(|source_inventory| source_inventory.reading.source.name == *source)?;
    source_inventory.group(id).map(|group| ChangedGroup {
        id: id.clone(),
        name: group.name.clone(),
        privileged: group.privileged,
    })
}

/// Reads the findings in the order of the table. The error names a rule that the policy does not know.
pub fn findings(archive: &Archive, policy: &Policy) -> Result<Vec<Finding>, SnapshotError> {
    let mut findings = Vec::new();
    let mut shared: AHashMap<(Rule, Text), Arc<Advice>> = AHashMap::new();
    archive.each_finding(|past| {
        let (name, status) = (past.rule.clone(), past.status.clone());
        let finding = policy.rule(&name).and_then(|rule| {
            // The snapshot has the action as that version worded it.
            let worded = || Advice { action: past.action.to_string().into(), ..rules::advice_of(rule, policy) };
            let advice = shared.entry((rule, past.action.clone())).or_insert_with(|| Arc::new(worded())).clone();
            past.of_rule(rule, advice)
        });
        findings.push(finding.ok_or_else(|| format!("unknown rule {name:?} or status {status:?}"))?);
        Ok(())
    })?;
    Ok(findings)
}

/// Reads the accepted exceptions; `None` if no exceptions file was configured.
pub fn exceptions(archive: &Archive, policy: &Policy) -> Result<Option<Vec<ExceptionUse>>, SnapshotError> {
    let Some(text) = archive.text(EXCEPTIONS)? else { return Ok(None) };
    let expiry = expiry(archive.as_of()?, archive.manifest.clock_doubt.as_ref());
    let entries: Result<Vec<ExceptionRecord>, String> = serde_json::from_str(&text).map_err(|error| error.to_string());
    let of_entry = |entry| ExceptionUse::of_entry(entry, |id| policy.rule(id), expiry);
    let uses = entries.and_then(|entries| entries.into_iter().map(of_entry).collect());
    uses.map(Some).map_err(archive.unsupported(EXCEPTIONS))
}
