//! Look-ups over the input that several parts of the view need: sources by name, users by id, findings by user.
//!
//! An index borrows the input and is never part of a view.

use super::facts::{self, Account, AllFacts};
use super::{Input, RuleInfo};
use crate::model::{
    Blocked, Change, Coverage, Evaluation, Finding, Group, GroupId, GroupOwner, ListKind, Outside, OutsideMember, Rule,
    RuleOutcome, SET_ASIDE, SourceInventory, SubjectKind, User, UserKind,
};
use crate::snapshot::manifest::SourceEntry;
use ahash::AHashMap;
use std::borrow::Cow;
use std::cell::Cell;

/// The input of a report with its look-up tables.
pub(super) struct Index<'a> {
    pub(super) input: &'a Input<'a>,
    /// Sources by name, each with the position of its first account in `facts`.
    sources: AHashMap<&'a str, (usize, &'a SourceInventory)>,
    facts: AllFacts<'a>,
    /// Position in `facts` of the account that each finding is about, in the order of the findings.
    subjects: Vec<Option<u32>>,
    /// Evaluations by rule and source.
    evaluations: AHashMap<(Rule, &'a str), &'a Evaluation>,
    /// Owner of each group, by source, in the order of its groups.
    owners: AHashMap<&'a str, Vec<Option<&'a GroupOwner>>>,
    /// Position of the user that was looked up last. Findings are sorted by the ids of their subjects, so that the next
    /// one is near.
    last_user: Cell<usize>,
}

impl<'a> Index<'a> {
    pub(super) fn of(input: &'a Input<'a>) -> Self {
        let mut first = 0;
        let placed = input.inventory.sources.iter().map(|source_inventory| {
            let place = (first, source_inventory);
            first += source_inventory.reading.users.len();
            (source_inventory.reading.source.name.as_str(), place)
        });
        let sources = placed.collect();
        let facts = AllFacts::of(input.inventory);
        let evaluations = input.evaluations.iter().map(|e| ((e.rule, e.source.as_str()), e)).collect();
        let owners = input.inventory.sources.iter().map(|source_inventory| {
            let reading = &source_inventory.reading;
            (reading.source.name.as_str(), GroupOwner::of_groups(&input.policy.group_owners, &reading.groups))
        });
        let owners = owners.collect();
        let mut index =
            Self { input, sources, facts, subjects: Vec::new(), evaluations, owners, last_user: Cell::new(0) };
        index.add_findings();
        index
    }

    /// Finds the accounts that findings are about, and adds the facts that follow from findings.
    fn add_findings(&mut self) {
        let findings = self.input.findings;
        self.subjects = findings.iter().map(|finding| self.position(finding)).collect();
        for (finding, at) in findings.iter().zip(&self.subjects).filter(|(finding, _)| finding.status.is_unresolved()) {
            let Some(facts) = at.and_then(|at| self.facts.list.get_mut(at as usize)) else { continue };
            facts.is_stale |= finding.rule == Rule::StaleLogin;
            facts.is_unused |= finding.rule == Rule::NeverLoggedIn;
        }
    }

    /// Returns the position in `facts` of the account that a finding is about; `None` if it is about something else or
    /// the account is unknown.
    fn position(&self, finding: &Finding) -> Option<u32> {
        let about_user = finding.subject.kind == SubjectKind::User;
        let (first, _, at) = about_user.then(|| self.place(finding.source.as_str(), &finding.subject.id)).flatten()?;
        u32::try_from(first + at).ok()
    }

    /// Returns every account.
    pub(super) fn accounts(&self) -> impl Iterator<Item = Account<'a>> {
        let users = facts::users(self.input.inventory);
        users.zip(&self.facts.list).map(|((source_inventory, user), facts)| Account {
            source_inventory,
            user,
            facts: *facts,
        })
    }

    /// Returns the facts about all accounts.
    pub(super) fn facts(&self) -> &AllFacts<'a> {
        &self.facts
    }

    /// Returns the user that a finding is about; `None` if it is about something else or the user is unknown.
    pub(super) fn subject(&self, finding: &Finding) -> Option<(&'a SourceInventory, &'a User)> {
        let about_user = finding.subject.kind == SubjectKind::User;
        about_user.then(|| self.user(finding.source.as_str(), &finding.subject.id)).flatten()
    }

    pub(super) fn info(&self, rule: Rule) -> Option<&'a RuleInfo> {
        self.input.catalogue.iter().find(|info| info.rule == rule)
    }

    /// Returns the title of the rule; its id if the catalogue does not contain it.
    pub(super) fn title(&self, rule: Rule) -> Cow<'static, str> {
        self.info(rule).map_or(Cow::Borrowed(rule.as_str()), |info| info.title.clone())
    }

    pub(super) fn evaluations(&self, rule: Rule) -> impl Iterator<Item = &'a Evaluation> {
        self.input.evaluations.iter().filter(move |evaluation| evaluation.rule == rule)
    }

    /// Returns the groups of a user, privileged ones first, because they decide the severity.
    pub(super) fn groups(source_inventory: &'a SourceInventory, user: &User) -> Vec<&'a Group> {
        let mut groups: Vec<&Group> =
            user.group_memberships.iter().filter_map(|id| source_inventory.group(id)).collect();
        groups.sort_by_key(|group| !group.privileged);
        groups
    }

    /// Returns who must act on a finding: the owner of the group, or of the first group of the account that has one.
    pub(super) fn owner(&self, finding: &Finding) -> Option<&'a GroupOwner> {
        if self.input.policy.group_owners.is_empty() {
            return None;
        }
        if finding.subject.kind == SubjectKind::Group {
            let (_, source_inventory) = self.sources.get(finding.source.as_str())?;
            return self.owner_of(source_inventory, &GroupId::from(&*finding.subject.id));
        }
        let (source_inventory, user) = self.subject(finding)?;
        let first = |privileged: bool| {
            let of_kind = |id: &&GroupId| source_inventory.group(id).is_some_and(|it| it.privileged == privileged);
            user.group_memberships.iter().filter(of_kind).find_map(|id| self.owner_of(source_inventory, id))
        };
        first(true).or_else(|| first(false))
    }

    /// Returns the owner of a group.
    pub(super) fn owner_of(&self, source_inventory: &SourceInventory, id: &GroupId) -> Option<&'a GroupOwner> {
        let owners = self.owners.get(source_inventory.reading.source.name.as_str())?;
        owners.get(source_inventory.position_of_group(id)?).copied().flatten()
    }

    /// Returns whether the group of a membership change is privileged; `None` if the source no longer lists the group.
    ///
    /// A snapshot keeps nothing else about a removed group, so a report that is rendered again knows no more.
    pub(super) fn is_of_privileged_group(&self, change: &Change) -> Option<bool> {
        let (_, source_inventory) = self.sources.get(change.source.as_str())?;
        source_inventory.group(&change.group.as_ref()?.id).map(|group| group.privileged)
    }

    /// Returns the user with this id; `None` if the source does not list it.
    pub(super) fn user(&self, source: &str, id: &str) -> Option<(&'a SourceInventory, &'a User)> {
        self.account(source, id).map(|account| (account.source_inventory, account.user))
    }

    /// Returns the account with this id; `None` if the source does not list it.
    pub(super) fn account(&self, source: &str, id: &str) -> Option<Account<'a>> {
        let (first, source_inventory, at) = self.place(source, id)?;
        let facts = self.facts.list[first + at];
        Some(Account { source_inventory, user: &source_inventory.reading.users[at], facts })
    }

    /// Returns the position of the source's first account in `facts`, the source, and the position of the user in it.
    fn place(&self, source: &str, id: &str) -> Option<(usize, &'a SourceInventory, usize)> {
        let (first, source_inventory) = *self.sources.get(source)?;
        let found = source_inventory.seek_user(self.last_user.get(), id).ok()?;
        self.last_user.set(found);
        Some((first, source_inventory, found))
    }

    /// Returns why the rule was evaluated for no subject of the source; `None` if it was evaluated, or is off.
    pub(super) fn why_unevaluated(&self, rule: Rule, source: &str) -> Option<Cow<'a, str>> {
        let evaluation = self.evaluation(rule, source)?;
        match &evaluation.outcome {
            RuleOutcome::Undetermined { why } => Some(Cow::Borrowed(why)),
            RuleOutcome::Evaluated { .. } if !is_evaluated(evaluation) => Some("every account lacks the data".into()),
            RuleOutcome::Evaluated { .. } | RuleOutcome::Off => None,
        }
    }

    /// Returns the result of a rule in a source.
    pub(super) fn evaluation(&self, rule: Rule, source: &str) -> Option<&'a Evaluation> {
        self.evaluations.get(&(rule, source)).copied()
    }

    /// Checks whether the rule was evaluated in at least one source.
    pub(super) fn is_evaluated(&self, rule: Rule) -> bool {
        self.evaluations(rule).any(is_evaluated)
    }

    /// Checks whether the rule was evaluated in this source.
    pub(super) fn is_evaluated_in(&self, rule: Rule, source: &str) -> bool {
        self.evaluation(rule, source).is_some_and(is_evaluated)
    }

    /// Returns the number of subjects that lack the data for the rule.
    pub(super) fn undetermined(&self, rule: Rule) -> u64 {
        let of = |evaluation: &Evaluation| match evaluation.outcome {
            RuleOutcome::Evaluated { undetermined, .. } => undetermined,
            RuleOutcome::Undetermined { .. } | RuleOutcome::Off => 0,
        };
        self.evaluations(rule).map(of).fold(0, u64::saturating_add)
    }

    /// Returns the number of subjects of the rule in all sources.
    pub(super) fn subjects(&self, rule: Rule) -> u64 {
        let of = |evaluation: &Evaluation| match evaluation.outcome {
            RuleOutcome::Evaluated { subjects, .. } => subjects,
            RuleOutcome::Undetermined { .. } | RuleOutcome::Off => 0,
        };
        self.evaluations(rule).map(of).fold(0, u64::saturating_add)
    }

    pub(super) fn count(&self, rule: Rule) -> u64 {
        self.unresolved().filter(|finding| finding.rule == rule).count() as u64
    }

    /// Returns the findings that are not resolved, also those that an exception covers.
    pub(super) fn unresolved(&self) -> impl Iterator<Item = &'a Finding> {
        self.input.findings.iter().filter(|finding| finding.status.is_unresolved())
    }

    /// Returns the findings that are neither resolved nor covered by an exception.
    pub(super) fn open(&self) -> impl Iterator<Item = &'a Finding> {
        self.input.findings.iter().filter(|finding| finding.status.is_open())
    }

    /// Returns the findings that are neither resolved nor covered by an exception, with their accounts.
    pub(super) fn open_with_accounts(&self) -> impl Iterator<Item = (&'a Finding, Option<Account<'a>>)> {
        let all = self.input.findings.iter().zip(&self.subjects);
        let open = all.filter(|(finding, _)| finding.status.is_open());
        open.map(|(finding, at)| (finding, at.and_then(|at| self.facts.account(at))))
    }

    /// Checks whether inactivity applies: the account was read by this run, is enabled, not blocked and not a service
    /// account.
    pub(super) fn may_be_inactive(&self, user: &User) -> bool {
        self.is_confirmed(user)
            && user.enabled == Some(true)
            && user.kind != UserKind::Service
            && self.blocked(user).is_none()
    }

    /// Returns why an account cannot sign in although it may be enabled: expired, quarantined or not approved.
    pub(super) fn blocked(&self, user: &User) -> Option<Blocked> {
        user.blocked_at(self.input.as_of)
    }

    /// Checks whether a source lists the members of its groups, as far as the snapshot shows it.
    pub(super) fn groups_list_members(&self) -> bool {
        let missing = |outside: &Outside| matches!(outside.member, OutsideMember::Missing(_));
        self.input.inventory.sources.iter().map(|source_inventory| &source_inventory.reading).any(|reading| {
            *reading.coverage(ListKind::Members) != Coverage::NotOffered || reading.outside.iter().any(missing)
        })
    }

    /// Checks whether this run read the user.
    pub(super) fn is_confirmed(&self, user: &User) -> bool {
        user.seen.is_none_or(|seen| seen.confirmed >= self.input.as_of)
    }

    /// Returns the configured sources that this run did not read (`--source`).
    pub(super) fn omitted(&self) -> impl Iterator<Item = &'a SourceEntry> {
        self.input.manifest.sources.iter().filter(|source| source.lists.is_empty())
    }

    pub(super) fn source(&self, name: &str) -> Option<&'a SourceEntry> {
        self.input.manifest.sources.iter().find(|source| source.name == name)
    }

    /// Checks whether a list is offered but not proven complete, so that rows may be missing.
    pub(super) fn is_doubtful(&self, source: &str, list: ListKind) -> bool {
        let is_doubtful = |coverage: &Coverage| !matches!(coverage, Coverage::Complete { .. } | Coverage::NotOffered);
        self.source(source).is_some_and(|source| is_doubtful(source.coverage(list)))
    }

    /// Checks whether a list is proven complete.
    pub(super) fn is_proven(&self, source: &str, list: ListKind) -> bool {
        self.source(source).is_some_and(|source| source.coverage(list).is_complete())
    }
}

/// Checks whether the rule could evaluate at least one subject, or had none.
fn is_evaluated(evaluation: &Evaluation) -> bool {
    match evaluation.outcome {
        RuleOutcome::Evaluated { subjects, undetermined } => subjects == 0 || undetermined < subjects,
        RuleOutcome::Undetermined { .. } | RuleOutcome::Off => false,
    }
}

/// Checks whether the source has no earlier state to compare with.
pub(super) fn is_baseline(source: &SourceEntry) -> bool {
    !source.known.is_compared
}

/// Returns why a guard set the source aside, although it was read; `None` if none did.
pub(super) fn set_aside(source: &SourceEntry) -> Option<&str> {
    source.lists.iter().find_map(|list| match &list.coverage {
        Coverage::Failed { error } => error.strip_prefix(SET_ASIDE).map(|why| why.trim_start_matches(": ")),
        _ => None,
    })
}
