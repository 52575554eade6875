//! Evaluates an advanced state: rules, the lifecycle of findings, exceptions; then settles the state. Pure.
//!
//! `run` calls it with the state after reading the sources, `reperform` with the same state rebuilt from a snapshot.
//! Both therefore decide alike. The findings of the baseline are read by [`past_findings`].

use crate::exceptions::{self, Exception, ExceptionUse, Expiry};
use crate::lifecycle::{self, CurrentRun, KnownFindings, LifecycleUpdate};
use crate::model::{
    Change, Evaluation, Finding, Instant, Inventory, Resolved, Rule, RuleOutcome, SourceName, SourceStatus,
};
use crate::rules::policy::Policy;
use crate::rules::{self, EvaluationOutput, RuleHistory};
use crate::snapshot::SnapshotError;
use crate::snapshot::inputs::{self, InputRecord};
use crate::snapshot::load::Archive;
use crate::state::UnsettledState;
use std::collections::BTreeMap;

/// Settings that decide over findings.
#[derive(Clone, Copy)]
pub struct EvaluationSettings<'a> {
    /// Thresholds and rules.
    pub policy: &'a Policy,
    /// Entries of the exceptions file.
    pub exceptions: &'a [Exception],
    /// Instant that every age is computed from.
    pub as_of: Instant,
    /// Instant by which exceptions end.
    pub exceptions_as_of: Instant,
    /// Instant after which records of resolved findings are kept.
    pub records_since: Instant,
}

impl EvaluationSettings<'_> {
    /// Returns the instants that decide over exceptions.
    pub fn expiry(&self) -> Expiry {
        Expiry { as_of: self.as_of, ends_by: self.exceptions_as_of }
    }
}

/// The settled state with its changes, findings and evaluations.
pub struct Evaluated {
    /// The known state after the run.
    pub inventory: Inventory,
    /// Changes since the baseline.
    pub changes: Vec<Change>,
    /// Findings in table order.
    pub findings: Vec<Finding>,
    /// Findings of the baseline.
    pub past: KnownFindings,
    /// Records of resolved findings.
    pub resolved: Vec<Resolved>,
    /// Outcome of every rule over every source.
    pub evaluations: Vec<Evaluation>,
    /// Accepted exceptions and what each of them covers.
    pub uses: Vec<ExceptionUse>,
    /// What the rules used and no table contains.
    pub inputs: Vec<InputRecord>,
    /// Notes for the operator.
    pub notes: Vec<String>,
}

/// Reads the findings of the baseline, with notes about findings of unknown rules, which are dropped.
pub fn past_findings(baseline: &Archive, policy: &Policy) -> Result<(KnownFindings, Vec<String>), SnapshotError> {
    let mut past = KnownFindings { as_of: Some(baseline.as_of()?), ..KnownFindings::default() };
    let mut dropped: BTreeMap<String, u64> = BTreeMap::new();
    let advice = rules::advice(policy);
    baseline.each_finding(|finding| {
        let name = finding.rule.clone();
        // Action and control ids come from the catalogue, for the frameworks that are selected now.
        let rule = policy.rule(&name);
        let known = rule.and_then(|rule| finding.of_rule(rule, advice.get(&rule).cloned().unwrap_or_default()));
        match known {
            Some(known) if known.status.is_unresolved() => {
                past.unresolved.insert(known.fingerprint, known);
            }
            Some(_) => {}
            None => *dropped.entry(name.to_string()).or_insert(0) += 1,
        }
        Ok(())
    })?;
    past.resolved = baseline.resolved()?.into_iter().map(|over| (over.fingerprint, over)).collect();
    let note = |(rule, count)| {
        format!("{count} findings were dropped: their rule {rule} is neither configured nor built into this version")
    };
    Ok((past, dropped.into_iter().map(note).collect()))
}

/// Evaluates the state against the findings of the baseline, then settles it.
pub fn evaluate(mut state: UnsettledState, mut past: KnownFindings, settings: EvaluationSettings<'_>) -> Evaluated {
    let EvaluationSettings { policy, exceptions, as_of, records_since, .. } = settings;
    let mut notes = Vec::new();
    let before = RuleHistory { base_run: state.base_run.as_deref(), changes: &state.changes, since: &state.since };
    let EvaluationOutput { mut findings, evaluations, gaps } =
        rules::evaluate_after(before, &state.inventory, policy, as_of);
    for (source, _) in state.dropped.iter().filter(|(_, left)| left.is_another) {
        let dropped = past.forget(source);
        notes
            .push(format!("{dropped} findings of source {source} were dropped: it is a different product or host now"));
    }
    // A severity depends on lists of its own. If one of them failed, a finding must not become less severe by that.
    lifecycle::keep_severities(&mut findings, &past, |name| is_complete(&state.inventory, name));
    let now = CurrentRun { inventory: &state.inventory, evaluations: &evaluations, gaps: &gaps };
    let (findings, uses) = update_findings(findings, &past, &now, settings, &mut notes);
    // Resolved findings are kept as long as snapshots, so that a finding that returns is recognised as reopened.
    let resolved = past.resolved_after(&findings, as_of, records_since, |source| state.inventory.has(source));
    let evaluations = with_exception_counts(evaluations, exceptions);
    let inputs = inputs::of(&state);
    // Last: the rules must see only what this run read, not rows that are kept from earlier runs.
    state.settle();
    let inventory = std::mem::take(&mut state.inventory);
    let changes = std::mem::take(&mut state.changes);
    Evaluated { inventory, changes, findings, past, resolved, evaluations, uses, inputs, notes }
}

/// Returns whether every list of the source is proven complete.
pub fn is_complete(inventory: &Inventory, name: &SourceName) -> bool {
    status_of(inventory, name) == Some(SourceStatus::Complete)
}

fn status_of(inventory: &Inventory, name: &SourceName) -> Option<SourceStatus> {
    let mut readings = inventory.sources.iter().map(|source_inventory| &source_inventory.reading);
    readings.find(|reading| reading.source.name == *name).map(crate::model::SourceReading::status)
}

/// Updates the status of all findings and applies the exceptions. Returns the sorted findings and the use of each
/// exception.
fn update_findings(
    found: Vec<Finding>,
    past: &KnownFindings,
    now: &CurrentRun<'_>,
    settings: EvaluationSettings<'_>,
    notes: &mut Vec<String>,
) -> (Vec<Finding>, Vec<ExceptionUse>) {
    let EvaluationSettings { policy, exceptions, .. } = settings;
    let expiry = settings.expiry();
    // Two passes: exceptions apply to open findings, and only then it is known which of them have expired.
    let of_rules = |rule| rule != Rule::ExceptionExpired;
    let mut update = lifecycle::advance(found, past, of_rules, |earlier| now.visibility(earlier));
    let applied = exceptions::apply(&mut update.findings, exceptions, policy, expiry);
    let expired = lifecycle::advance(applied.expired, past, |rule| !of_rules(rule), |earlier| now.visibility(earlier));
    let mut uses = applied.uses;
    note_readings(&mut uses, now.inventory);
    let LifecycleUpdate { mut findings, mut dropped } = update;
    findings.extend(expired.findings);
    lifecycle::sort(&mut findings);
    for (why, count) in expired.dropped {
        *dropped.entry(why).or_insert(0) += count;
    }
    notes.extend(dropped.into_iter().map(|(why, count)| format!("{count} findings were dropped: {why}")));
    notes.extend(uses.iter().flat_map(|exception_use| exception_use.warnings(expiry)));
    (findings, uses)
}

/// Sets for each exception whether every source that it is about was read.
pub fn note_readings(uses: &mut [ExceptionUse], inventory: &Inventory) {
    let was_read = |name: &SourceName| status_of(inventory, name).is_some_and(|status| status != SourceStatus::Failed);
    for exception_use in uses {
        let sources = inventory.sources.iter().map(|source_inventory| &source_inventory.reading.source.name);
        exception_use.was_read = sources.filter(|name| exception_use.exception.is_of(name)).all(was_read);
    }
}

/// Sets the number of subjects of `exception-expired`: the exceptions that concern the source.
pub fn with_exception_counts(mut evaluations: Vec<Evaluation>, entries: &[Exception]) -> Vec<Evaluation> {
    for evaluation in evaluations.iter_mut().filter(|evaluation| evaluation.rule == Rule::ExceptionExpired) {
        if let RuleOutcome::Evaluated { subjects, .. } = &mut evaluation.outcome {
            *subjects = entries.iter().filter(|entry| entry.is_of(&evaluation.source)).count() as u64;
        }
    }
    evaluations
}
