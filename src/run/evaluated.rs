//! The evaluation stage: rules, the lifecycle of findings and exceptions.
//!
//! The rules evaluate the advanced state. Their findings are compared with those of the baseline, then exceptions are
//! applied. At the end the state is settled: rows that this run did not read join those that it read.

use super::RunError;
use super::advanced::{Advanced, Baseline};
use super::context::Run;
use crate::exceptions::{self, Exception, ExceptionUse};
use crate::guard::Suspect;
use crate::lifecycle::{self, CurrentRun, KnownFindings, LifecycleUpdate};
use crate::model::{Change, Evaluation, Finding, Inventory, Resolved, Rule, RuleOutcome, SourceName, SourceStatus};
use crate::rules::policy::Policy;
use crate::rules::{self, EvaluationOutput, RuleHistory};
use crate::snapshot::load::KnownFinding;
use crate::snapshot::manifest::ConfirmedShrink;
use chrono::TimeDelta;
use std::collections::BTreeMap;

/// The state after the run with its changes, findings and evaluations.
pub(super) struct Evaluated {
    pub(super) inventory: Inventory,
    pub(super) changes: Vec<Change>,
    pub(super) findings: Vec<Finding>,
    pub(super) past: KnownFindings,
    pub(super) resolved: Vec<Resolved>,
    pub(super) evaluations: Vec<Evaluation>,
    pub(super) uses: Vec<ExceptionUse>,
    pub(super) suspects: Vec<Suspect>,
    pub(super) confirmed_shrinks: Vec<ConfirmedShrink>,
}

impl Advanced {
    /// Evaluates the state, then settles it. Errors: the findings of the baseline cannot be read.
    pub(super) fn evaluate(self, run: &Run<'_>, baseline: Option<&Baseline>) -> Result<Evaluated, RunError> {
        let Self { mut state, suspects, confirmed_shrinks } = self;
        let config = run.request.config;
        let before = RuleHistory { base_run: state.base_run.as_deref(), changes: &state.changes, since: &state.since };
        let EvaluationOutput { mut findings, evaluations, gaps } =
            rules::evaluate_after(before, &state.inventory, &config.policy, run.as_of);
        let mut past = run.past_findings(baseline)?;
        for (source, left) in &state.dropped {
            if left.is_another {
                let dropped = past.forget(source);
                run.note(format!(
                    "{dropped} findings of source {source} were dropped: it is a different product or host now"
                ));
            }
        }
        let is_complete = |name: &SourceName| {
            let mut readings = state.inventory.sources.iter().map(|source_inventory| &source_inventory.reading);
            readings.any(|reading| reading.source.name == *name && reading.status() == SourceStatus::Complete)
        };
        // A severity depends on lists of its own. If one of them failed, a finding must not become less severe by that.
        lifecycle::keep_severities(&mut findings, &past, is_complete);
        let now = CurrentRun { inventory: &state.inventory, evaluations: &evaluations, gaps: &gaps };
        let entries = config.exceptions.as_ref().map_or(&[][..], |file| &file.entries);
        let (findings, uses) = run.update_findings(findings, &past, &now, entries);
        // Resolved findings are kept as long as snapshots, so that a finding that returns is recognised as reopened.
        let keep_days = TimeDelta::days(config.output.keep_days.into());
        let resolved =
            past.resolved_after(&findings, run.as_of, run.as_of - keep_days, |source| state.inventory.has(source));
        let evaluations = with_exception_counts(evaluations, entries);
        // Last: the rules must see only what this run read, not rows that are kept from earlier runs.
        state.settle();
        let inventory = std::mem::take(&mut state.inventory);
        let changes = std::mem::take(&mut state.changes);
        Ok(Evaluated { inventory, changes, findings, past, resolved, evaluations, uses, suspects, confirmed_shrinks })
    }
}

impl Run<'_> {
    /// Reads the findings of the baseline. Findings of unknown rules are dropped with a note.
    fn past_findings(&self, baseline: Option<&Baseline>) -> Result<KnownFindings, RunError> {
        let Some(baseline) = baseline else { return Ok(KnownFindings::default()) };
        let mut past = KnownFindings { as_of: Some(baseline.archive.as_of()?), ..KnownFindings::default() };
        let mut dropped: BTreeMap<String, u64> = BTreeMap::new();
        for finding in baseline.archive.findings()? {
            match known(&finding, &self.request.config.policy) {
                Some(known) if known.status.is_unresolved() => {
                    past.unresolved.insert(known.fingerprint, known);
                }
                Some(_) => {}
                None => *dropped.entry(finding.rule.to_string()).or_insert(0) += 1,
            }
        }
        past.resolved = baseline.archive.resolved()?.into_iter().map(|over| (over.fingerprint, over)).collect();
        for (rule, count) in dropped {
            self.note(format!(
                "{count} findings were dropped: their rule {rule} is neither configured nor built into this version"
            ));
        }
        Ok(past)
    }

    /// Updates the status of all findings and applies the exceptions. Returns the sorted findings and the use of each
    /// exception.
    fn update_findings(
        &self,
        found: Vec<Finding>,
        past: &KnownFindings,
        now: &CurrentRun<'_>,
        entries: &[Exception],
    ) -> (Vec<Finding>, Vec<ExceptionUse>) {
        let policy = &self.request.config.policy;
        // Two passes: exceptions apply to open findings, and only then it is known which of them have expired.
        let of_rules = |rule| rule != Rule::ExceptionExpired;
        let mut update = lifecycle::advance(found, past, of_rules, |earlier| now.visibility(earlier));
        let applied = exceptions::apply(&mut update.findings, entries, policy, self.as_of);
        let expired =
            lifecycle::advance(applied.expired, past, |rule| !of_rules(rule), |earlier| now.visibility(earlier));
        let mut uses = applied.uses;
        let was_read = |name: &SourceName| {
            let mut readings = now.inventory.sources.iter().map(|source_inventory| &source_inventory.reading);
            readings.any(|reading| reading.source.name == *name && reading.status() != SourceStatus::Failed)
        };
        for exception_use in &mut uses {
            let sources = self.request.config.sources.iter().map(|source| &source.identity.name);
            exception_use.was_read = sources.filter(|name| exception_use.exception.is_of(name)).all(was_read);
        }
        let LifecycleUpdate { mut findings, mut dropped } = update;
        findings.extend(expired.findings);
        lifecycle::sort(&mut findings);
        for (why, count) in expired.dropped {
            *dropped.entry(why).or_insert(0) += count;
        }
        for (why, count) in dropped {
            self.note(format!("{count} findings were dropped: {why}"));
        }
        for text in uses.iter().flat_map(|exception_use| exception_use.warnings(self.as_of)) {
            self.note(text);
        }
        (findings, uses)
    }
}

/// Returns a finding of the baseline as this version words it; `None` for an unknown rule.
///
/// Action and control ids come from the catalogue, for the frameworks that are selected now.
fn known(past: &KnownFinding, policy: &Policy) -> Option<Finding> {
    let rule = policy.rule(&past.rule)?;
    past.clone().of_rule(rule, rules::action_of(rule, policy), rules::controls_of(rule, &policy.frameworks))
}

/// Sets the number of subjects of `exception-expired`: the exceptions that concern the source.
fn with_exception_counts(mut evaluations: Vec<Evaluation>, entries: &[Exception]) -> Vec<Evaluation> {
    for evaluation in evaluations.iter_mut().filter(|evaluation| evaluation.rule == Rule::ExceptionExpired) {
        if let RuleOutcome::Evaluated { subjects, .. } = &mut evaluation.outcome {
            *subjects = entries.iter().filter(|entry| entry.is_of(&evaluation.source)).count() as u64;
        }
    }
    evaluations
}
