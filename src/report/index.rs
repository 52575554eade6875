//! Look-ups that every part of the view needs: rolls by name, users by id, who has which finding. Borrowed, never shown.

use super::{Input, RuleInfo};
use crate::model::{
    Blocked, Coverage, Evaluation, Finding, ListKind, Outside, OutsideMember, Rule, RuleOutcome, SourceInventory,
    SubjectKind, User, UserId, UserKind,
};
use crate::snapshot::manifest::SourceEntry;
use ahash::AHashSet;
use std::borrow::Cow;
use std::collections::HashMap;

/// The input, indexed.
pub(super) struct Index<'a> {
    pub(super) input: &'a Input<'a>,
    sources: HashMap<&'a str, &'a SourceInventory>,
    found: AHashSet<(Rule, &'a str, &'a str)>,
}

impl<'a> Index<'a> {
    pub(super) fn of(input: &'a Input<'a>) -> Self {
        let sources = input.inventory.sources.iter().map(|r| (r.reading.source.name.as_str(), r)).collect();
        let of_users = input.findings.iter().filter(|f| f.status.stands() && f.subject.kind == SubjectKind::User);
        let found = of_users.map(|f| (f.rule, f.source.as_str(), &*f.subject.id)).collect();
        Self { input, sources, found }
    }

    /// Every user with its roll.
    pub(super) fn users(&self) -> impl Iterator<Item = (&'a SourceInventory, &'a User)> {
        self.input.inventory.sources.iter().flat_map(|source_inventory| {
            source_inventory.reading.users.iter().map(move |user| (source_inventory, user))
        })
    }

    /// Whether this user has a finding of this rule.
    pub(super) fn has(&self, rule: Rule, source_inventory: &SourceInventory, user: &User) -> bool {
        self.found.contains(&(rule, source_inventory.reading.source.name.as_str(), user.id.as_str()))
    }

    /// The user that a finding is about, where it is about one that came.
    pub(super) fn subject(&self, finding: &Finding) -> Option<(&'a SourceInventory, &'a User)> {
        let about_user = finding.subject.kind == SubjectKind::User;
        let source_inventory = self.sources.get(finding.source.as_str()).filter(|_| about_user)?;
        let id = UserId::from(&*finding.subject.id);
        let at = source_inventory.reading.users.binary_search_by(|user| user.id.cmp(&id)).ok()?;
        Some((source_inventory, &source_inventory.reading.users[at]))
    }

    pub(super) fn info(&self, rule: Rule) -> Option<&'a RuleInfo> {
        self.input.catalogue.iter().find(|info| info.rule == rule)
    }

    /// The rule's name for people, else its id.
    pub(super) fn title(&self, rule: Rule) -> Cow<'static, str> {
        self.info(rule).map_or(Cow::Borrowed(rule.as_str()), |info| info.title.clone())
    }

    pub(super) fn evaluations(&self, rule: Rule) -> impl Iterator<Item = &'a Evaluation> {
        self.input.evaluations.iter().filter(move |evaluation| evaluation.rule == rule)
    }

    /// Whether the rule was judged in at least one source.
    pub(super) fn is_evaluated(&self, rule: Rule) -> bool {
        self.evaluations(rule).any(is_evaluated)
    }

    /// Whether the rule was judged in this source.
    pub(super) fn is_evaluated_in(&self, rule: Rule, source: &str) -> bool {
        self.evaluations(rule).any(|evaluation| evaluation.source.as_str() == source && is_evaluated(evaluation))
    }

    /// Subjects of a rule for which the data did not suffice.
    pub(super) fn undetermined(&self, rule: Rule) -> u64 {
        let of = |evaluation: &Evaluation| match evaluation.outcome {
            RuleOutcome::Evaluated { undetermined, .. } => undetermined,
            RuleOutcome::Undetermined { .. } | RuleOutcome::Off => 0,
        };
        self.evaluations(rule).map(of).fold(0, u64::saturating_add)
    }

    /// Subjects that a rule ran over, in all sources.
    pub(super) fn subjects(&self, rule: Rule) -> u64 {
        let of = |evaluation: &Evaluation| match evaluation.outcome {
            RuleOutcome::Evaluated { subjects, .. } => subjects,
            RuleOutcome::Undetermined { .. } | RuleOutcome::Off => 0,
        };
        self.evaluations(rule).map(of).fold(0, u64::saturating_add)
    }

    pub(super) fn count(&self, rule: Rule) -> u64 {
        self.standing().filter(|finding| finding.rule == rule).count() as u64
    }

    /// Findings that are there, accepted ones too.
    pub(super) fn standing(&self) -> impl Iterator<Item = &'a Finding> {
        self.input.findings.iter().filter(|finding| finding.status.stands())
    }

    /// Findings that are there and that nobody has accepted.
    pub(super) fn open(&self) -> impl Iterator<Item = &'a Finding> {
        self.input.findings.iter().filter(|finding| finding.status.is_open())
    }

    /// Confirmed by this run, enabled, of a person, not blocked: the accounts to which inactivity applies.
    pub(super) fn may_be_inactive(&self, user: &User) -> bool {
        self.is_confirmed(user)
            && user.enabled == Some(true)
            && user.kind != UserKind::Service
            && self.blocked(user).is_none()
    }

    /// What keeps an account from signing in, beside `enabled`.
    pub(super) fn blocked(&self, user: &User) -> Option<Blocked> {
        user.blocked_at(self.input.as_of)
    }

    /// Whether the groups of some source list their members themselves, as far as that can be seen here.
    pub(super) fn groups_list_members(&self) -> bool {
        let missing = |outside: &Outside| matches!(outside.member, OutsideMember::Missing(_));
        self.input.inventory.sources.iter().map(|source_inventory| &source_inventory.reading).any(|reading| {
            *reading.coverage(ListKind::Members) != Coverage::NotOffered || reading.outside.iter().any(missing)
        })
    }

    /// Whether this run read the user.
    pub(super) fn is_confirmed(&self, user: &User) -> bool {
        user.seen.is_none_or(|seen| seen.confirmed >= self.input.as_of)
    }

    /// Configured sources that were left out of this run.
    pub(super) fn omitted(&self) -> impl Iterator<Item = &'a SourceEntry> {
        self.input.manifest.sources.iter().filter(|source| source.lists.is_empty())
    }

    pub(super) fn source(&self, name: &str) -> Option<&'a SourceEntry> {
        self.input.manifest.sources.iter().find(|source| source.name == name)
    }

    /// Whether the manifest says that this list of this source was to be read, and may lack rows.
    pub(super) fn is_doubtful(&self, source: &str, list: ListKind) -> bool {
        let is_doubtful = |coverage: &Coverage| !matches!(coverage, Coverage::Complete { .. } | Coverage::NotOffered);
        self.source(source).is_some_and(|source| is_doubtful(source.coverage(list)))
    }

    /// Whether the manifest says that this list of this source is all there is.
    pub(super) fn is_proven(&self, source: &str, list: ListKind) -> bool {
        self.source(source).is_some_and(|source| source.coverage(list).is_complete())
    }
}

/// One in which the data sufficed for nobody does not count.
fn is_evaluated(evaluation: &Evaluation) -> bool {
    match evaluation.outcome {
        RuleOutcome::Evaluated { subjects, undetermined } => subjects == 0 || undetermined < subjects,
        RuleOutcome::Undetermined { .. } | RuleOutcome::Off => false,
    }
}

/// Whether nothing was known of all of a source before this run.
pub(super) fn is_baseline(source: &SourceEntry) -> bool {
    !source.known.is_compared
}
