//! What a run knows of the subject of an earlier finding that it did not find again. A subject that was not evaluated is neither fine
//! nor gone.

use crate::model::{
    Absence, Evaluation, Evidence, Finding, GroupId, Inventory, ListKind, Rule, RuleOutcome, SourceInventory,
    SourceName, SubjectKind, UserId,
};
use crate::rules::UnknownData;

/// What is known of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// The rule was evaluated for it, and there is no finding.
    Fine,
    /// It is gone, which is proven.
    Gone,
    /// Neither.
    Unknown,
    /// Nobody wants to know any more, in words.
    SetAside(&'static str),
}

/// What this run knows.
#[derive(Clone, Copy, Debug)]
pub struct CurrentRun<'a> {
    /// What was read of each configured source.
    pub inventory: &'a Inventory,
    /// Which rule ran over which source.
    pub evaluations: &'a [Evaluation],
    /// Subjects for which a rule could not be evaluated; one entry a roll of the inventory.
    pub gaps: &'a [UnknownData],
}

impl CurrentRun<'_> {
    /// What is known of the subject of this earlier finding.
    pub fn sight(&self, earlier: &Finding) -> Visibility {
        let sources = &self.inventory.sources;
        let Some(at) =
            sources.iter().position(|source_inventory| source_inventory.reading.source.name == earlier.source)
        else {
            return Visibility::SetAside("their source is not in the configuration any more");
        };
        let outcome = self.outcome(&earlier.source, earlier.rule);
        if outcome == Some(&RuleOutcome::Off) {
            return Visibility::SetAside("their rule is switched off");
        }
        let was_evaluated = matches!(outcome, Some(RuleOutcome::Evaluated { .. }));
        let (source_inventory, gaps, evidence) = (&sources[at], &self.gaps[at], Evidence::of(&sources[at]));
        let id = &*earlier.subject.id;
        let (place, is_gone) = match earlier.subject.kind {
            SubjectKind::User => {
                let place = user(source_inventory, id).map(|at| {
                    gaps.user_was_evaluated(at, earlier.rule) && !source_inventory.reading.users[at].has_odd_values
                });
                (place, evidence.user(&UserId::from(id)) == Absence::Gone)
            }
            SubjectKind::Group => (
                group(source_inventory, id).map(|at| gaps.group_was_evaluated(at, earlier.rule)),
                evidence.group_is_gone(&GroupId::from(id)),
            ),
            SubjectKind::Source => (Some(true), false),
        };
        match place {
            Some(true) if was_evaluated && reads_what_matters(evidence, earlier) => Visibility::Fine,
            None if is_gone => Visibility::Gone,
            Some(_) | None => Visibility::Unknown,
        }
    }

    fn outcome(&self, source: &SourceName, rule: Rule) -> Option<&RuleOutcome> {
        let evaluation =
            self.evaluations.iter().find(|evaluation| evaluation.source == *source && evaluation.rule == rule);
        evaluation.map(|evaluation| &evaluation.outcome)
    }
}

/// Whether everything was read that the rule looks at beside the subject's own record: that there is no finding then says something.
fn reads_what_matters(evidence: Evidence<'_>, earlier: &Finding) -> bool {
    match (earlier.rule, earlier.subject.kind) {
        // The register is whole, and so is what it covers.
        (Rule::ExceptionExpired, _) => true,
        (_, SubjectKind::Source) => evidence.reads_everything(),
        // Other accounts matter, too.
        (Rule::SharedEmail | Rule::LocalOutsideSso, _) => {
            evidence.is_proven(ListKind::Users) && evidence.reads_every_field()
        }
        (_, SubjectKind::User) => evidence.reads_every_field(),
        (_, SubjectKind::Group) => true,
    }
}

/// Users and groups of a roll are sorted by id.
fn user(source_inventory: &SourceInventory, id: &str) -> Option<usize> {
    let id = UserId::from(Box::<str>::from(id));
    source_inventory.reading.users.binary_search_by(|user| user.id.cmp(&id)).ok()
}

fn group(source_inventory: &SourceInventory, id: &str) -> Option<usize> {
    let id = GroupId::from(id);
    source_inventory.reading.groups.binary_search_by(|group| group.id.cmp(&id)).ok()
}
