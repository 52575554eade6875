//! The evaluation of a snapshot, performed again: the reading is restored, merged with the baseline and evaluated.
//!
//! With the baseline at hand (or without any, in a first run) the result is exactly what the run computed. If retention
//! removed the baseline, or the snapshot is a copy, the rules are evaluated alone; what a run takes from the baseline is
//! then taken from the snapshot, and [`Evaluation::not_performed`] says so.

use crate::evaluation::{self, EvaluationSettings};
use crate::exceptions::{self, Exception, ExceptionUse};
use crate::guard::{self, Suspect};
use crate::lifecycle::{self, CurrentRun, KnownFindings, Visibility};
use crate::model::{
    Change, Classes, Finding, FindingStatus, Fingerprint, Instant, Inventory, Resolved, Rule, SourceReading,
    instant_text,
};
use crate::report_page;
use crate::rules::policy::Policy;
use crate::rules::{self, RuleHistory};
use crate::run_manifest::{clock, patterns, policy_entries, warnings};
use crate::snapshot::SnapshotError;
use crate::snapshot::inputs::{self, InputRecord};
use crate::snapshot::load::{Archive, Restored, RestoredReadings};
use crate::snapshot::manifest::{ClockDoubt, PatternEntry, RuleEntry};
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
    started_at: Instant,
    clock_doubt: Option<ClockDoubt>,
    keep_days: Option<u32>,
}

impl Settings {
    pub(super) fn of(archive: &Archive) -> Result<Self, SnapshotError> {
        let of_manifest = |reason| archive.unsupported("manifest.json")(reason);
        let policy = policy_entries::read(&archive.manifest.policy).map_err(of_manifest)?;
        let classes = policy_entries::read_classes(&archive.manifest.policy).map_err(of_manifest)?;
        let as_of = archive.as_of()?;
        let uses = report_page::exceptions(archive, &policy)?.unwrap_or_default();
        let exceptions = uses.into_iter().map(|exception_use| exception_use.exception).collect();
        let keep_days = keep_days(&archive.manifest.configuration);
        let started_at = &archive.manifest.started_at;
        let started_at = started_at.parse().map_err(|error| of_manifest(format!("started_at: {error}")))?;
        let clock_doubt = archive.manifest.clock_doubt.clone();
        Ok(Self { policy, classes, exceptions, as_of, started_at, clock_doubt, keep_days })
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
            exceptions_as_of: clock::ends_by(self.as_of, self.clock_doubt.as_ref()),
            records_since: clock::records_since(
                self.as_of,
                self.started_at,
                self.clock_doubt.as_ref(),
                self.keep_days.unwrap_or(KEEP_ALL_DAYS),
            ),
        }
    }

    /// Returns contradictions between the clocks that the manifest names and those that its facts give.
    ///
    /// Without the baseline only the clocks of the sources are known.
    fn compare_clocks(&self, inventory: &Inventory, baseline: &Baseline) -> Vec<String> {
        let before = match baseline {
            Baseline::AtHand(base) => Some((&base.manifest).into()),
            Baseline::First | Baseline::Missing(_) => None,
        };
        let expected = clock::doubt(self.started_at, self.as_of, inventory, before);
        let stated = self.clock_doubt.as_ref();
        let agrees = match baseline {
            Baseline::Missing(_) => {
                let reasons = stated.map_or(&[][..], |stated| &stated.reasons);
                expected.iter().flat_map(|expected| &expected.reasons).all(|reason| reasons.contains(reason))
                    && clock::ends_by(self.as_of, stated) <= self.as_of
            }
            Baseline::First | Baseline::AtHand(_) => expected.as_ref() == stated,
        };
        let problem = "manifest.json: clock_doubt contradicts the clocks of the sources and the baseline";
        (!agrees).then(|| problem.to_owned()).into_iter().collect()
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
    let mut evaluation = match baseline {
        Baseline::First => advanced(archive, None, settings)?,
        Baseline::AtHand(base) => advanced(archive, Some((base, &base.before()?)), settings)?,
        Baseline::Missing(why) => alone(archive, why, settings)?,
    };
    evaluation.problems.extend(settings.compare_clocks(&evaluation.inventory, baseline));
    Ok(evaluation)
}

/// Performs the stages of the run again, with the rows of its baseline.
fn advanced(
    archive: &Archive,
    baseline: Option<(&Archive, &PreviousState)>,
    settings: &Settings,
) -> Result<Evaluation, SnapshotError> {
    let restored = archive.readings(Restored::Reading)?;
    let mut problems = wrong_rows(archive, &restored)?;
    let earlier = baseline.map(|(base, _)| base.latest_as_of()).transpose()?;
    problems.extend(wrong_latest_instant(archive, earlier.filter(|earlier| *earlier > settings.as_of)));
    let inventory = join(restored.readings, settings);
    let run_id = &archive.manifest.run_id;
    let before = baseline.map(|(_, before)| before);
    let mut advance = Advance::by_reading(inventory, run_id, settings.as_of, before);
    let mut past = KnownFindings::default();
    if let Some((base, _)) = baseline {
        base.feed(&mut advance, true)?;
        (past, _) = evaluation::past_findings(base, &settings.policy)?;
    }
    let state = advance.finish();
    problems.extend(wrong_shrinks(archive, &guard::suspects(&state, settings.policy.max_shrink_percent)));
    let found = evaluation::evaluate(state, past, settings.evaluation());
    let warnings = warnings(settings, &found.inventory, &found.uses, found.notes);
    let mut not_performed = Vec::new();
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
        ignored_rules: &[],
        not_performed,
        warnings,
        problems,
    })
}

/// Returns the warnings that follow from the evaluation; `notes` are those of findings and exceptions.
fn warnings(settings: &Settings, inventory: &Inventory, uses: &[ExceptionUse], notes: Vec<String>) -> Vec<String> {
    let of_patterns = patterns::warnings(&settings.patterns(inventory), uses).into_iter();
    let of_doubt = settings.clock_doubt.iter().map(ClockDoubt::warning);
    of_patterns.chain(warnings::of_clocks(inventory)).chain(of_doubt).chain(notes).collect()
}

/// Compares the numbers of unconfirmed rows in the manifest with the rows that the run kept, and the dates of the rows
/// with the instants that a run had.
fn wrong_rows(archive: &Archive, restored: &RestoredReadings) -> Result<Vec<String>, SnapshotError> {
    let sources = &archive.manifest.sources;
    let latest = archive.latest_as_of()?;
    let dates = sources.iter().zip(&restored.last_confirmed);
    let later = dates.filter_map(|(source, at)| Some((&source.name, at.filter(|at| *at > latest)?)));
    let later = later.map(|(name, at)| {
        let (at, latest) = (instant_text(at), instant_text(latest));
        format!("source {name}: confirmed_at of a row is {at}, but no run had a later as_of than {latest}")
    });
    let numbers = sources.iter().zip(&restored.kept_rows);
    let wrong = numbers.filter(|(source, kept)| source.known.unconfirmed_rows != **kept);
    let wrong = wrong
        .map(|(source, kept)| {
            let (name, claimed) = (&source.name, source.known.unconfirmed_rows);
            format!(
                "manifest.json: source {name}: unconfirmed_rows is {claimed}, but {kept} rows were confirmed before this run"
            )
        });
    Ok(later.chain(wrong).collect())
}

/// Compares the confirmed shrinks of the manifest with the lists that shrank since the baseline.
fn wrong_shrinks(archive: &Archive, suspects: &[Suspect]) -> Vec<String> {
    let confirmed: Vec<Suspect> = archive.manifest.confirmed_shrinks.iter().map(Suspect::of_confirmed).collect();
    let missing = suspects.iter().filter(|suspect| !confirmed.contains(suspect));
    let missing = missing.map(|suspect| format!("manifest.json: missing confirmed shrink: {suspect}"));
    // A list that is no longer offered was not asked for, and its confirmation changes what counts as missing.
    let was_asked = |entry: &&Suspect| {
        let sources = archive.manifest.sources.iter().filter(|source| source.name == entry.source.as_str());
        sources.flat_map(|source| &source.lists).any(|list| list.kind == entry.list && list.requests > 0)
    };
    let added = confirmed.iter().filter(was_asked).filter(|entry| !suspects.contains(entry));
    let added = added.map(|entry| format!("manifest.json: confirmed shrink without reason: {entry}"));
    missing.chain(added).collect()
}

/// Compares the manifest with the latest instant of the baseline and all runs before it, if it is later than this one.
fn wrong_latest_instant(archive: &Archive, expected: Option<Instant>) -> Option<String> {
    let (found, expected) = (&archive.manifest.latest_as_of, expected.map(instant_text));
    (*found != expected).then(|| {
        let shown = |text: &Option<String>| text.as_deref().unwrap_or("nothing").to_owned();
        let (found, expected) = (shown(found), shown(&expected));
        format!("manifest.json: latest_as_of is {found}, but the runs before this one give {expected}")
    })
}

fn join(readings: Vec<SourceReading>, settings: &Settings) -> Inventory {
    Inventory::join(readings, &settings.classes)
}

/// Evaluates the rules without the baseline. Dates and statuses of findings are taken from the snapshot.
fn alone(archive: &Archive, why: &str, settings: &Settings) -> Result<Evaluation, SnapshotError> {
    let restored = archive.readings(Restored::Merged)?;
    let problems = wrong_rows(archive, &restored)?;
    let mut inventory = join(restored.readings, settings);
    for (source_inventory, entry) in inventory.sources.iter_mut().zip(&archive.manifest.sources) {
        source_inventory.known.clone_from(&entry.known);
    }
    let published = report_page::findings(archive, &settings.policy)?;
    let output = rules::evaluate_after(RuleHistory::default(), &inventory, &settings.policy, settings.as_of);
    let now = CurrentRun { inventory: &inventory, evaluations: &output.evaluations, gaps: &output.gaps };
    let (findings, mut uses) = with_history(output.findings, &published, settings, &now);
    evaluation::note_readings(&mut uses, &inventory);
    let evaluations = evaluation::with_exception_counts(output.evaluations, &settings.exceptions);
    let rules = evaluations.iter().filter(|evaluation| !SINCE_BASELINE.contains(&evaluation.rule)).map(RuleEntry::of);
    let not_performed = vec![format!(
        "not compared with the baseline: changes, kept rows, first_seen and status of findings, findings that stay open, \
         {} and {}: {why}",
        Rule::PrivilegedGrowth.as_str(),
        Rule::BreakGlassUsed.as_str()
    )];
    let settled = archive.inventory()?;
    let changes = report_page::changes(archive, &settled)?;
    let rules = rules.collect();
    let of_exceptions =
        uses.iter().flat_map(|exception_use| exception_use.warnings(settings.evaluation().expiry())).collect();
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
    now: &CurrentRun<'_>,
) -> (Vec<Finding>, Vec<ExceptionUse>) {
    let by_fingerprint: AHashMap<Fingerprint, &Finding> =
        published.iter().map(|finding| (finding.fingerprint, finding)).collect();
    found.retain(|finding| !SINCE_BASELINE.contains(&finding.rule));
    let continued = |finding: &mut Finding| {
        let Some(published) = by_fingerprint.get(&finding.fingerprint) else { return };
        // The severity of an incomplete source may be the one of an earlier run.
        if published.severity > finding.severity && !evaluation::is_complete(now.inventory, &finding.source) {
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
                || finding.last_seen < settings.as_of
                // A baseline with the same instant, or a later one, may have found what this run could not evaluate.
                || now.visibility(finding) == Visibility::Unknown)
    };
    found.extend(published.iter().filter(is_only_explained_by_baseline).cloned().map(without_exception));
    lifecycle::sort(&mut found);
    let mut applied =
        exceptions::apply(&mut found, &settings.exceptions, &settings.policy, settings.evaluation().expiry());
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
    finding.wording.set_times_seen(published.wording.times_seen());
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
