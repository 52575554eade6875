//! What the rules find in what was read, held against what stood before and against the register of exceptions. Then the state is
//! settled: what was not read stands beside what was.

use super::advanced::{Advanced, Baseline};
use super::{Run, RunError};
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

/// The state after the run, and all that came of it.
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
    /// Evaluates what was read, then settles the state.
    pub(super) fn evaluate(self, run: &Run<'_>, base: Option<&Baseline>) -> Result<Evaluated, RunError> {
        let Self { mut state, suspects, confirmed_shrinks } = self;
        let config = run.order.config;
        let before = RuleHistory { base_run: state.base_run.as_deref(), changes: &state.changes, since: &state.since };
        let EvaluationOutput { mut findings, evaluations, gaps } =
            rules::evaluate_after(before, &state.inventory, &config.policy, run.as_of);
        let mut past = run.past(base)?;
        for (source, left) in &state.left {
            if left.is_another {
                let gone = past.forget(source);
                run.note(format!(
                    "{gone} findings of source {source} are not carried on: it is another product or host now"
                ));
            }
        }
        let is_complete = |name: &SourceName| {
            let mut readings = state.inventory.sources.iter().map(|source_inventory| &source_inventory.reading);
            readings.any(|reading| reading.source.name == *name && reading.status() == SourceStatus::Complete)
        };
        lifecycle::keep_severities(&mut findings, &past, is_complete);
        let now = CurrentRun { inventory: &state.inventory, evaluations: &evaluations, gaps: &gaps };
        let entries = config.exceptions.as_ref().map_or(&[][..], |file| &file.entries);
        let (findings, uses) = run.update(findings, &past, &now, entries);
        let keep_days = TimeDelta::days(config.output.keep_days.into());
        let resolved = past.resolved(&findings, run.as_of, run.as_of - keep_days, |source| state.inventory.has(source));
        let evaluations = with_exceptions(evaluations, entries);
        state.settle();
        let state_inventory = std::mem::take(&mut state.inventory);
        let changes = std::mem::take(&mut state.changes);
        Ok(Evaluated {
            inventory: state_inventory,
            changes,
            findings,
            past,
            resolved,
            evaluations,
            uses,
            suspects,
            confirmed_shrinks,
        })
    }
}

impl Run<'_> {
    /// What the snapshot before says of findings.
    fn past(&self, base: Option<&Baseline>) -> Result<KnownFindings, RunError> {
        let Some(base) = base else { return Ok(KnownFindings::default()) };
        let mut past = KnownFindings { as_of: Some(base.archive.as_of()?), ..KnownFindings::default() };
        let mut foreign: BTreeMap<String, u64> = BTreeMap::new();
        for finding in base.archive.findings()? {
            match known(&finding, &self.order.config.policy) {
                Some(known) if known.status.stands() => {
                    past.standing.insert(known.fingerprint, known);
                }
                Some(_) => {}
                None => *foreign.entry(finding.rule.to_string()).or_insert(0) += 1,
            }
        }
        past.over = base.archive.resolved()?.into_iter().map(|over| (over.fingerprint, over)).collect();
        for (rule, count) in foreign {
            self.note(format!(
                "{count} findings are not carried on: their rule {rule} is not in the configuration any more, and none of this version"
            ));
        }
        Ok(past)
    }

    /// What exceptions cover is known only when it is known what stands, and only then which of them are over.
    fn update(
        &self,
        found: Vec<Finding>,
        past: &KnownFindings,
        now: &CurrentRun<'_>,
        entries: &[Exception],
    ) -> (Vec<Finding>, Vec<ExceptionUse>) {
        let policy = &self.order.config.policy;
        let of_rules = |rule| rule != Rule::ExceptionExpired;
        let mut update = lifecycle::live(found, past, of_rules, |earlier| now.sight(earlier));
        let applied = exceptions::apply(&mut update.findings, entries, policy, self.as_of);
        let over = lifecycle::live(applied.expired, past, |rule| !of_rules(rule), |earlier| now.sight(earlier));
        let mut uses = applied.uses;
        let came = |name: &SourceName| {
            let mut readings = now.inventory.sources.iter().map(|source_inventory| &source_inventory.reading);
            readings.any(|reading| reading.source.name == *name && reading.status() != SourceStatus::Failed)
        };
        for it in &mut uses {
            let sources = self.order.config.sources.iter().map(|source| &source.identity.name);
            it.was_read = sources.filter(|name| it.exception.is_of(name)).all(came);
        }
        let LifecycleUpdate { mut findings, mut set_aside } = update;
        findings.extend(over.findings);
        lifecycle::sort(&mut findings);
        for (why, count) in over.set_aside {
            *set_aside.entry(why).or_insert(0) += count;
        }
        for (why, count) in set_aside {
            self.note(format!("{count} findings are not carried on: {why}"));
        }
        for text in uses.iter().flat_map(|it| it.warnings(self.as_of)) {
            self.note(text);
        }
        (findings, uses)
    }
}

/// As this version words findings: what to do and the controls are the catalogue's, for the frameworks that are selected now.
fn known(past: &KnownFinding, policy: &Policy) -> Option<Finding> {
    let rule = policy.rule(&past.rule)?;
    past.clone().of_rule(rule, rules::action_of(rule, policy), rules::controls_of(rule, &policy.frameworks))
}

/// The rule about exceptions runs over those of the source.
fn with_exceptions(mut evaluations: Vec<Evaluation>, entries: &[Exception]) -> Vec<Evaluation> {
    for evaluation in evaluations.iter_mut().filter(|evaluation| evaluation.rule == Rule::ExceptionExpired) {
        if let RuleOutcome::Evaluated { subjects, .. } = &mut evaluation.outcome {
            *subjects = entries.iter().filter(|entry| entry.is_of(&evaluation.source)).count() as u64;
        }
    }
    evaluations
}
