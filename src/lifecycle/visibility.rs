//! What a run knows about the subject of an earlier finding that it did not find again.
//!
//! A subject that was not evaluated has neither passed nor been removed, so that its finding stays open.

use crate::model::{
    Absence, Evaluation, Evidence, Finding, GroupId, Inventory, ListKind, Rule, RuleOutcome, SourceName, SubjectKind,
    UserId,
};
use crate::rules::UnknownData;

/// Knowledge of a run about a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// The rule was evaluated for the subject and found nothing.
    Passed,
    /// The subject was provably removed.
    Removed,
    /// Neither is known.
    Unknown,
    /// The finding is no longer evaluated, for this reason.
    Dropped(&'static str),
}

/// Readings and evaluations of this run.
#[derive(Clone, Copy, Debug)]
pub struct CurrentRun<'a> {
    /// Readings of the configured sources.
    pub inventory: &'a Inventory,
    /// Outcome of every rule over every source.
    pub evaluations: &'a [Evaluation],
    /// Subjects for which a rule could not be evaluated, in the order of `inventory.sources`.
    pub gaps: &'a [UnknownData],
}

impl CurrentRun<'_> {
    /// Returns what this run knows about the subject of an earlier finding.
    pub fn visibility(&self, earlier: &Finding) -> Visibility {
        let sources = &self.inventory.sources;
        let Some(at) =
            sources.iter().position(|source_inventory| source_inventory.reading.source.name == earlier.source)
        else {
            return Visibility::Dropped("their source is no longer configured");
        };
        let outcome = self.outcome(&earlier.source, earlier.rule);
        if outcome == Some(&RuleOutcome::Off) {
            return Visibility::Dropped("their rule is switched off");
        }
        let was_evaluated = matches!(outcome, Some(RuleOutcome::Evaluated { .. }));
        let (source_inventory, gaps, evidence) = (&sources[at], &self.gaps[at], Evidence::of(&sources[at]));
        // Whether the subject was evaluated, if the reading has it; and whether it is provably gone.
        let (evaluated, is_gone) = match earlier.subject.kind {
            SubjectKind::User => {
                let id = UserId::from(earlier.subject.id.clone());
                // A record with an unreadable field may hide what the rule found.
                let evaluated = source_inventory.position_of_user(&id).map(|at| {
                    gaps.user_was_evaluated(at, earlier.rule) && !source_inventory.reading.users[at].has_odd_values
                });
                (evaluated, evidence.user(&id) == Absence::Gone)
            }
            SubjectKind::Group => {
                let id = GroupId::from(&*earlier.subject.id);
                let position = source_inventory.position_of_group(&id);
                (position.map(|at| gaps.group_was_evaluated(at, earlier.rule)), evidence.group_is_gone(&id))
            }
            SubjectKind::Source => (Some(true), false),
        };
        match evaluated {
            Some(true) if was_evaluated && reads_relevant_lists(evidence, earlier) => Visibility::Passed,
            None if is_gone => Visibility::Removed,
            Some(_) | None => Visibility::Unknown,
        }
    }

    fn outcome(&self, source: &SourceName, rule: Rule) -> Option<&RuleOutcome> {
        let evaluation =
            self.evaluations.iter().find(|evaluation| evaluation.source == *source && evaluation.rule == rule);
        evaluation.map(|evaluation| &evaluation.outcome)
    }
}

/// Returns whether everything was read that the rule needs besides the subject's own record. Only then, no finding
/// means that the subject passed.
fn reads_relevant_lists(evidence: Evidence<'_>, earlier: &Finding) -> bool {
    match (earlier.rule, earlier.subject.kind) {
        // The exceptions file is always read as a whole.
        (Rule::ExceptionExpired, _) => true,
        (_, SubjectKind::Source) => evidence.reads_everything(),
        // These rules compare the account with other accounts.
        (Rule::SharedEmail | Rule::LocalOutsideSso, _) => {
            evidence.is_proven(ListKind::Users) && evidence.reads_every_field()
        }
        (_, SubjectKind::User) => evidence.reads_every_field(),
        (_, SubjectKind::Group) => true,
    }
}
