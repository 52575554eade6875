//! The report of a run: of one that is about to be published, and of a published snapshot again, from that snapshot alone.
//! The second is the first, byte for byte, where the same version renders it.

use crate::describe::{self, RunDescription, parameters};
use crate::exceptions::{ExceptionRecord, ExceptionUse};
use crate::model::{Change, ChangedGroup, Evaluation, Finding, GroupId, Instant, Inventory, SourceName};
use crate::report::{self, RuleInfo};
use crate::rules;
use crate::rules::policy::Policy;
use crate::snapshot::SnapshotError;
use crate::snapshot::load::{Archive, KnownFinding};
use crate::snapshot::manifest::Manifest;

/// Its file.
pub const FILE: &str = "report.html";
/// The accepted exceptions and what each covers; only where a register of them is configured.
pub const EXCEPTIONS: &str = "exceptions.json";

/// Of a run; its manifest lists every file but the page. The error says what is wrong.
pub fn of_run(facts: &RunDescription<'_>, manifest: &Manifest) -> Result<String, String> {
    let policy = &facts.config.policy;
    let view = report::View::of(&report::Input {
        manifest,
        inventory: facts.inventory,
        findings: facts.findings,
        evaluations: facts.evaluations,
        changes: facts.changes,
        policy,
        as_of: facts.as_of,
        catalogue: &RuleInfo::all(policy),
        exceptions: facts.config.exceptions.is_some().then_some(facts.uses),
    });
    report::html::render(&view).map_err(|error| error.to_string())
}

/// Of a published snapshot. Opens nothing but its files.
pub fn of_snapshot(archive: &Archive) -> Result<String, SnapshotError> {
    let reread = LoadedSnapshot::read(archive)?;
    let view = report::View::of(&report::Input {
        manifest: &reread.manifest,
        inventory: &reread.inventory,
        findings: &reread.findings,
        evaluations: &reread.evaluations,
        changes: &reread.changes,
        policy: &reread.policy,
        as_of: reread.as_of,
        catalogue: &RuleInfo::all(&reread.policy),
        exceptions: reread.exceptions.as_deref(),
    });
    report::html::render(&view).map_err(|error| archive.strange(FILE)(error.to_string()))
}

/// What a snapshot holds, as the run knew it.
struct LoadedSnapshot {
    /// Without the page.
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
        let of_manifest = |reason| archive.strange("manifest.json")(reason);
        let mut manifest = archive.manifest.clone();
        manifest.files.retain(|file| file.path != FILE);
        let policy = parameters::read(&manifest.policy).map_err(of_manifest)?;
        let as_of = archive.as_of()?;
        let evaluations = describe::evaluations(&manifest, &policy).map_err(of_manifest)?;
        let inventory = archive.inventory()?;
        let changes = archive.changes(|source, id| group(&inventory, source, id))?;
        let findings = findings(archive, &policy)?;
        let exceptions = exceptions(archive, &policy, as_of)?;
        Ok(Self { manifest, policy, as_of, inventory, findings, evaluations, changes, exceptions })
    }
}

/// A group as it is in the state.
pub fn group(inventory: &Inventory, source: &SourceName, id: &GroupId) -> Option<ChangedGroup> {
    let source_inventory =
        inventory.sources.iter().find(|source_inventory| source_inventory.reading.source.name == *source)?;
    source_inventory.group(id).map(|group| ChangedGroup {
        id: id.clone(),
        name: group.name.clone(),
        privileged: group.privileged,
    })
}

fn findings(archive: &Archive, policy: &Policy) -> Result<Vec<Finding>, SnapshotError> {
    let known = |past: KnownFinding| {
        let reported = format!("rule {:?} or status {:?} is nothing that this version knows", past.rule, past.status);
        let rule = policy.rule(&past.rule);
        let finding = rule.and_then(|rule| {
            let action = past.action.to_string().into();
            past.of_rule(rule, action, rules::controls_of(rule, &policy.frameworks))
        });
        finding.ok_or(reported)
    };
    archive.findings_as(known)
}

/// `None` where no register was configured.
fn exceptions(archive: &Archive, policy: &Policy, as_of: Instant) -> Result<Option<Vec<ExceptionUse>>, SnapshotError> {
    let Some(text) = archive.text(EXCEPTIONS)? else { return Ok(None) };
    let entries: Result<Vec<ExceptionRecord>, String> = serde_json::from_str(&text).map_err(|error| error.to_string());
    let of_entry = |entry| ExceptionUse::of_entry(entry, |id| policy.rule(id), as_of);
    let uses = entries.and_then(|entries| entries.into_iter().map(of_entry).collect());
    uses.map(Some).map_err(archive.strange(EXCEPTIONS))
}
