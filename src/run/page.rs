//! The report of a run: of one that is about to be published, and of a published snapshot again, from that snapshot alone.
//! The second is the first, byte for byte, where the same version renders it.

use super::describe::{self, Facts};
use super::{Run, RunError, parameters};
use crate::diff::Since;
use crate::exceptions::{Entry, Use};
use crate::model::{Finding, Instant, Inventory, Verdict};
use crate::report::{self, Context, RuleInfo};
use crate::rules;
use crate::rules::policy::Policy;
use crate::snapshot::SnapshotError;
use crate::snapshot::load::{Archive, PastFinding};
use crate::snapshot::manifest::Manifest;
use crate::table::CsvDialect;

/// Its file.
pub const FILE: &str = "report.html";
/// The accepted exceptions and what each covers; only where a register of them is configured.
pub(super) const EXCEPTIONS: &str = "exceptions.json";

/// What the snapshot keeps so that its page can be rendered again.
pub(super) fn context<'f>(run: &Run<'_>, facts: &'f Facts<'_>) -> Context<'f> {
    let formula_guard = run.order.config.output.dialect != CsvDialect::Raw;
    Context::of(facts.inventory, facts.since, &facts.omitted, formula_guard)
}

/// Of a run; its manifest lists every file but the page.
pub(super) fn of_run(
    run: &Run<'_>,
    facts: &Facts<'_>,
    manifest: &Manifest,
    context: &Context<'_>,
) -> Result<String, RunError> {
    let policy = &run.order.config.policy;
    let view = report::View::of(&report::Input {
        manifest,
        inventory: facts.inventory,
        findings: facts.findings,
        verdicts: facts.verdicts,
        since: facts.since,
        policy,
        as_of: facts.as_of,
        catalogue: &RuleInfo::all(policy),
        exceptions: run.order.config.exceptions.is_some().then_some(facts.uses),
        omitted: &context.omitted_sources,
        formula_guard: context.formula_guard,
    });
    report::html::render(&view).map_err(|error| RunError::Report(error.to_string()))
}

/// Of a published snapshot. Opens nothing but its files.
pub fn of_snapshot(archive: &Archive) -> Result<String, SnapshotError> {
    let reread = Reread::read(archive)?;
    let view = report::View::of(&report::Input {
        manifest: &reread.manifest,
        inventory: &reread.inventory,
        findings: &reread.findings,
        verdicts: &reread.verdicts,
        since: &reread.since,
        policy: &reread.policy,
        as_of: reread.as_of,
        catalogue: &RuleInfo::all(&reread.policy),
        exceptions: reread.exceptions.as_deref(),
        omitted: &reread.context.omitted_sources,
        formula_guard: reread.context.formula_guard,
    });
    report::html::render(&view).map_err(|error| strange(archive, FILE)(error.to_string()))
}

/// What a snapshot tells, as the run knew it.
struct Reread {
    context: Context<'static>,
    /// Without the page.
    manifest: Manifest,
    policy: Policy,
    as_of: Instant,
    inventory: Inventory,
    findings: Vec<Finding>,
    verdicts: Vec<Verdict>,
    since: Since,
    exceptions: Option<Vec<Use>>,
}

impl Reread {
    fn read(archive: &Archive) -> Result<Self, SnapshotError> {
        let of_manifest = |reason| strange(archive, "manifest.json")(reason);
        let of_context = |reason| strange(archive, Context::FILE)(reason);
        let mut manifest = archive.manifest.clone();
        manifest.files.retain(|file| file.path != FILE);
        let policy = parameters::read(&manifest.policy).map_err(of_manifest)?;
        let as_of: Instant = manifest.as_of.parse().map_err(|error| of_manifest(format!("as_of: {error}")))?;
        let verdicts = describe::verdicts(&manifest, &policy).map_err(of_manifest)?;

        let text =
            archive.text(Context::FILE)?.ok_or_else(|| of_context("the snapshot has no such file".to_owned()))?;
        let context = Context::read(&text).map_err(of_context)?;
        let mut inventory = archive.inventory()?;
        context.mark(&mut inventory).map_err(of_context)?;
        let changes = archive.changes(|change, group| context.changed_group(change, group))?;
        let since = context.since(changes).map_err(of_context)?;

        let findings = findings(archive, &policy)?;
        let exceptions = exceptions(archive, &policy, as_of)?;
        Ok(Self { context, manifest, policy, as_of, inventory, findings, verdicts, since, exceptions })
    }
}

fn findings(archive: &Archive, policy: &Policy) -> Result<Vec<Finding>, SnapshotError> {
    let known = |past: PastFinding| {
        let told = format!("rule {:?} or status {:?} is nothing that this version knows", past.rule, past.status);
        let rule = policy.rule(&past.rule);
        let finding = rule.and_then(|rule| {
            let action = past.action.to_string().into();
            past.of_rule(rule, action, rules::controls_of(rule, &policy.frameworks))
        });
        finding.ok_or(told)
    };
    archive.findings_as(known)
}

/// `None` where no register was configured.
fn exceptions(archive: &Archive, policy: &Policy, as_of: Instant) -> Result<Option<Vec<Use>>, SnapshotError> {
    let Some(text) = archive.text(EXCEPTIONS)? else { return Ok(None) };
    let entries: Result<Vec<Entry>, String> = serde_json::from_str(&text).map_err(|error| error.to_string());
    let of_entry = |entry| Use::of_entry(entry, |id| policy.rule(id), as_of);
    let uses = entries.and_then(|entries| entries.into_iter().map(of_entry).collect());
    uses.map(Some).map_err(strange(archive, EXCEPTIONS))
}

/// What this version does not understand, in a file of the snapshot.
fn strange(archive: &Archive, file: &str) -> impl FnOnce(String) -> SnapshotError {
    let path = archive.path.join(file);
    |reason| SnapshotError::Strange { path, reason }
}
