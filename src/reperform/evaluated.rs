//! The evaluation of a snapshot, performed again: the reading is restored, merged with the baseline and evaluated.
//!
//! With the baseline at hand (or without any, in a first run) the result is exactly what the run computed. If retention
//! removed the baseline, or the snapshot is a copy, the rules are evaluated alone; what a run takes from the baseline is
//! then taken from the snapshot, and [`Evaluation::not_performed`] says so.

use crate::evaluation::{self, EvaluationSettings};
use crate::exceptions::{self, Exception, ExceptionUse};
use crate::lifecycle::{self, KnownFindings};
use crate::model::{
    Change, Classes, Finding, FindingStatus, Fingerprint, Instant, Inventory, Resolved, Rule, SourceReading,
    SourceStatus,
};
use crate::report_page;
use crate::rules::policy::Policy;
use crate::rules::{self, RuleHistory};
use crate::run_manifest::{patterns, policy_entries, warnings};
use crate::snapshot::SnapshotError;
use crate::snapshot::inputs::{self, InputRecord};
use crate::snapshot::load::{Archive, ReadRows, Restored};
use crate::snapshot::manifest::{PatternEntry, RuleEntry, SourceEntry};
use crate::state::{Advance, PreviousState};
use ahash::AHashMap;

/// Rules that compare with the baseline.
const SINCE_BASELINE: [Rule; 2] = [Rule::PrivilegedGrowth, Rule::BreakGlassUsed];

/// Days for which records of resolved findings are kept, if the manifest does not say it. All of them are then kept.
/// It is also the highest value that the configuration accepts.
const KEEP_ALL_DAYS: u32 = 36_500;

/// What the tables and the manifest should contain.
pub(super) struct Evaluation {
    pub(super) inventory: Inventory,
    pub(super) findings: Vec<Finding>,
    pub(super) changes: Vec<Change>,
    /// `None` if the records cannot be computed again.
    pub(super) resolved: Option<Vec<Resolved>>,
    pub(super) rules: Vec<RuleEntry>,
    pub(super) uses: Vec<ExceptionUse>,
    /// `None` if the facts cannot be computed again.
    pub(super) inputs: Option<Vec<InputRecord>>,
    /// Sources whose rows and findings cannot be computed again.
    pub(super) ignored_sources: Vec<String>,
    /// Rules whose results cannot be computed again.
    pub(super) ignored_rules: &'static [Rule],
    /// What was not performed, each with its reason.
    pub(super) not_performed: Vec<String>,
    /// Warnings that follow from the evaluation.
    pub(super) warnings: Vec<String>,
    /// What the manifest claims about the rows and they contradict.
    pub(super) problems: Vec<String>,
}

/// The baseline of a snapshot.
pub(super) enum Baseline {
    /// The snapshot is the first one.
    First,
    /// The verified baseline.
    AtHand(Box<Archive>),
    /// It is missing or damaged, for this reason.
    Missing(String),
}

/// What the manifest says about the evaluation.
pub(super) struct Settings {
    pub(super) policy: Policy,
    pub(super) classes: Classes,
    exceptions: Vec<Exception>,
    pub(super) as_of: Instant,
    keep_days: Option<u32>,
}

impl Settings {
    pub(super) fn of(archive: &Archive) -> Result<Self, SnapshotError> {
        let of_manifest = |reason| archive.unsupported("manifest.json")(reason);
        let policy = policy_entries::read(&archive.manifest.policy).map_err(of_manifest)?;
        let classes = policy_entries::read_classes(&archive.manifest.policy).map_err(of_manifest)?;
        let as_of = archive.as_of()?;
        let uses = report_page::exceptions(archive, &policy, as_of)?.unwrap_or_default();
        let exceptions = uses.into_iter().map(|exception_use| exception_use.exception).collect();
        let keep_days = keep_days(&archive.manifest.configuration);
        Ok(Self { policy, classes, exceptions, as_of, keep_days })
    }

    /// Counts the matches of the patterns over the known state.
    pub(super) fn patterns(&self, inventory: &Inventory) -> Vec<PatternEntry> {
        patterns::of_state(&self.classes, &self.policy, &self.exceptions, inventory)
    }

    fn evaluation(&self) -> EvaluationSettings<'_> {
        EvaluationSettings {
            policy: &self.policy,
            exceptions: &self.exceptions,
            as_of: self.as_of,
            keep_days: self.keep_days.unwrap_or(KEEP_ALL_DAYS),
        }
    }
}

fn keep_days(configuration: &serde_json::Value) -> Option<u32> {
    let days = configuration.pointer("/output/keep_days/value")?.as_u64()?;
    u32::try_from(days).ok().filter(|days| (1..=KEEP_ALL_DAYS).contains(days))
}

/// Evaluates the snapshot again.
pub(super) fn evaluate(
    archive: &Archive,
    baseline: &Baseline,
    settings: &Settings,
) -> Result<Evaluation, SnapshotError> {
    match baseline {
        Baseline::First => advanced(archive, None, settings),
        Baseline::AtHand(base) => advanced(archive, Some((base, &base.before()?)), settings),
        Baseline::Missing(why) => alone(archive, why, settings),
    }
}

/// Performs the stages of the run again, with the rows of its baseline.
fn advanced(
    archive: &Archive,
    baseline: Option<(&Archive, &PreviousState)>,
    settings: &Settings,
) -> Result<Evaluation, SnapshotError> {
    let is_later = baseline.is_none_or(|(_, before)| before.as_of < settings.as_of);
    let RowsOfRun { read_rows, ignored_sources, problems } = rows_of_run(archive, |_| !is_later)?;
    let inventory = join(archive.readings(&read_rows, Restored::Reading)?, settings);
    let run_id = &archive.manifest.run_id;
    let before = baseline.map(|(_, before)| before);
    let mut advance = Advance::by_reading(inventory, run_id, settings.as_of, before);
    let mut past = KnownFindings::default();
    if let Some((base, _)) = baseline {
        base.feed(&mut advance, true)?;
        (past, _) = evaluation::past_findings(base, &settings.policy)?;
    }
    let found = evaluation::evaluate(advance.finish(), past, settings.evaluation());
    let warnings = warnings(settings, &found.inventory, &found.uses, found.notes);
    let mut not_performed: Vec<String> = ignored_sources.iter().map(|name| same_instant(name)).collect();
    if settings.keep_days.is_none() {
        let why = format!("the manifest does not name output.keep_days, from 1 to {KEEP_ALL_DAYS}");
        not_performed.push(format!("resolved.parquet: not compared: {why}"));
    }
    Ok(Evaluation {
        inventory: found.inventory,
        findings: found.findings,
        changes: found.changes,
        resolved: settings.keep_days.map(|_| found.resolved),
        rules: found.evaluations.iter().map(RuleEntry::of).collect(),
        uses: found.uses,
        inputs: Some(found.inputs),
        ignored_sources,
        ignored_rules: &[],
        not_performed,
        warnings,
        problems,
    })
}

/// Returns the warnings that follow from the evaluation; `notes` are those of findings and exceptions.
fn warnings(settings: &Settings, inventory: &Inventory, uses: &[ExceptionUse], notes: Vec<String>) -> Vec<String> {
    let of_patterns = patterns::warnings(&settings.patterns(inventory), uses).into_iter();
    of_patterns.chain(warnings::of_clocks(inventory)).chain(notes).collect()
}

fn same_instant(source: &str) -> String {
    format!(
        "source {source}: not evaluated again: it keeps rows of the baseline, whose instant (as_of) is not earlier, so \
         that they cannot be distinguished from the rows that the run read"
    )
}

/// Which rows of each source the run read.
struct RowsOfRun {
    /// By the position of the source.
    read_rows: Vec<ReadRows>,
    /// Sources whose kept rows cannot be distinguished from the rows that the run read.
    ignored_sources: Vec<String>,
    /// Numbers in the manifest that the rows contradict.
    problems: Vec<String>,
}

/// Compares the rows that the manifest calls unconfirmed with the rows that were confirmed before this run.
///
/// Kept rows have an earlier `confirmed_at`, so that both numbers are equal. `may_look_read`: whether kept rows of a source
/// may look like those that the run read, because the baseline has the same instant.
fn rows_of_run(archive: &Archive, may_look_read: impl Fn(&SourceEntry) -> bool) -> Result<RowsOfRun, SnapshotError> {
    let earlier = archive.rows_confirmed_earlier()?;
    let (mut ignored_sources, mut problems) = (Vec::new(), Vec::new());
    for (source, &counted) in archive.manifest.sources.iter().zip(&earlier) {
        let (name, claimed) = (&source.name, source.known.unconfirmed_rows);
        if claimed > counted && may_look_read(source) {
            ignored_sources.push(name.clone());
        } else if claimed != counted {
            problems.push(format!(
                "manifest.json: source {name}: unconfirmed_rows is {claimed}, but {counted} rows were confirmed before this run"
            ));
        }
    }
    let read_rows = earlier.iter().map(|rows| if *rows == 0 { ReadRows::All } else { ReadRows::ConfirmedNow });
    Ok(RowsOfRun { read_rows: read_rows.collect(), ignored_sources, problems })
}

fn join(readings: Vec<SourceReading>, settings: &Settings) -> Inventory {
    Inventory::join(readings, &settings.classes)
}

/// Evaluates the rules without the baseline. Dates and statuses of findings are taken from the snapshot.
fn alone(archive: &Archive, why: &str, settings: &Settings) -> Result<Evaluation, SnapshotError> {
    // The instant of the baseline is unknown. A complete source keeps rows only in rare cases, so no number excuses it.
    let RowsOfRun { read_rows, ignored_sources, problems } =
        rows_of_run(archive, |source| source.status != SourceStatus::Complete)?;
    let mut inventory = join(archive.readings(&read_rows, Restored::Merged)?, settings);
    for (source_inventory, entry) in inventory.sources.iter_mut().zip(&archive.manifest.sources) {
        source_inventory.known.clone_from(&entry.known);
    }
    let published = report_page::findings(archive, &settings.policy)?;
    let output = rules::evaluate_after(RuleHistory::default(), &inventory, &settings.policy, settings.as_of);
    let (findings, mut uses) = with_history(output.findings, &published, settings, &inventory);
    evaluation::note_readings(&mut uses, &inventory);
    let evaluations = evaluation::with_exception_counts(output.evaluations, &settings.exceptions);
    let rules = evaluations.iter().filter(|evaluation| !SINCE_BASELINE.contains(&evaluation.rule)).map(RuleEntry::of);
    let mut not_performed = vec![format!(
        "not compared with the baseline: changes, kept rows, first_seen and status of findings, findings that stay open, \
         {} and {}: {why}",
        Rule::PrivilegedGrowth.as_str(),
        Rule::BreakGlassUsed.as_str()
    )];
    not_performed.extend(ignored_sources.iter().map(|name| {
        format!(
            "source {name}: not evaluated again: it keeps rows that an earlier run read, and the baseline is missing"
        )
    }));
    let settled = archive.inventory()?;
    let changes = report_page::changes(archive, &settled)?;
    let rules = rules.collect();
    let of_exceptions = uses.iter().flat_map(|exception_use| exception_use.warnings(settings.as_of)).collect();
    let warnings = warnings(settings, &settled, &uses, of_exceptions);
    let (resolved, inputs) = (None, None);
    Ok(Evaluation {
        inventory: settled,
        findings,
        changes,
        resolved,
        rules,
        uses,
        inputs,
        ignored_sources,
        ignored_rules: &SINCE_BASELINE,
        not_performed,
        warnings,
        problems,
    })
}

/// Gives the findings of the rules what they have from earlier runs, and adds those that only the baseline explains.
fn with_history(
    mut found: Vec<Finding>,
    published: &[Finding],
    settings: &Settings,
    inventory: &Inventory,
) -> (Vec<Finding>, Vec<ExceptionUse>) {
    let by_fingerprint: AHashMap<Fingerprint, &Finding> =
        published.iter().map(|finding| (finding.fingerprint, finding)).collect();
    found.retain(|finding| !SINCE_BASELINE.contains(&finding.rule));
    let continued = |finding: &mut Finding| {
        let Some(published) = by_fingerprint.get(&finding.fingerprint) else { return };
        // The severity of an incomplete source may be the one of an earlier run.
        if published.severity > finding.severity && !evaluation::is_complete(inventory, &finding.source) {
            finding.keep_severity(published.severity);
        }
        continue_as(finding, published);
    };
    found.iter_mut().for_each(continued);
    let is_found: ahash::AHashSet<Fingerprint> = found.iter().map(|finding| finding.fingerprint).collect();
    let is_only_explained_by_baseline = |finding: &&Finding| {
        !is_found.contains(&finding.fingerprint)
            && finding.rule != Rule::ExceptionExpired
            && (SINCE_BASELINE.contains(&finding.rule)
                || finding.status == FindingStatus::Resolved
                || finding.last_seen < settings.as_of)
    };
    found.extend(published.iter().filter(is_only_explained_by_baseline).cloned().map(without_exception));
    lifecycle::sort(&mut found);
    let mut applied = exceptions::apply(&mut found, &settings.exceptions, &settings.policy, settings.as_of);
    for finding in &mut applied.expired {
        if let Some(published) = by_fingerprint.get(&finding.fingerprint) {
            continue_as(finding, published);
        }
    }
    found.append(&mut applied.expired);
    let kept = published.iter().filter(|finding| finding.rule == Rule::ExceptionExpired);
    let resolved = kept.filter(|finding| finding.status == FindingStatus::Resolved);
    found.extend(resolved.cloned());
    lifecycle::sort(&mut found);
    (found, applied.uses)
}

fn continue_as(finding: &mut Finding, published: &Finding) {
    (finding.first_seen, finding.last_seen) = (published.first_seen, published.last_seen);
    finding.set_times_seen(published.times_seen());
    finding.status = open_status(published.status);
}

/// Exceptions are applied again, so that an excepted finding counts as open until then.
fn open_status(status: FindingStatus) -> FindingStatus {
    if status == FindingStatus::Excepted { FindingStatus::Open } else { status }
}

fn without_exception(finding: Finding) -> Finding {
    Finding { status: open_status(finding.status), exception: None, ..finding }
}

/// Returns the text that `rule-inputs.jsonl` should have.
pub(super) fn inputs_text(records: &[InputRecord]) -> String {
    inputs::write(records)
}
