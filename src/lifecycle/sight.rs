//! What a run knows of the subject of an earlier finding that it did not find again. Absence of evidence is not evidence of
//! absence: a subject that was not judged is neither fine nor gone.

use crate::model::{
    API_ACCOUNT, Coverage, Finding, GroupId, Harvest, Inventory, ListKind, Outcome, Roll, Rule, SourceName,
    SourceStatus, SubjectKind, UserId, VENDOR_USER, Verdict, list_of_group, lists_of_user,
};
use crate::rules::Gaps;
use crate::snapshot::manifest::SourceEntry;

/// What is known of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// The rule was judged for it, and there is no finding.
    Fine,
    /// It is in no list any more; the lists that bring its like are complete, and were so in the base.
    Gone,
    /// Neither.
    Unknown,
    /// Nobody wants to know any more, in words.
    SetAside(&'static str),
}

/// What this run knows.
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// Accounts and groups, with the coverage of every list.
    pub inventory: &'a Inventory,
    /// Which rule ran over which source.
    pub verdicts: &'a [Verdict],
    /// For whom it could not be judged; one entry a roll of the inventory.
    pub gaps: &'a [Gaps],
    /// The sources of the newest complete snapshot.
    pub base: &'a [SourceEntry],
    /// Configured sources, those too that this run left out.
    pub configured: &'a [&'a SourceName],
    /// Some configured source was left out.
    pub omitted: bool,
    /// The run judges by an instant before that of the newest snapshot: what it does not find may only not be so yet.
    pub is_backwards: bool,
}

impl Now<'_> {
    /// What is known of the subject of this earlier finding. A run that is not complete as a whole is never the reason for a
    /// finding to be over.
    pub fn sight(&self, earlier: &Finding) -> Sight {
        if !self.configured.contains(&&earlier.source) {
            return Sight::SetAside("their source is not in the configuration any more");
        }
        let Some(at) = self.inventory.rolls.iter().position(|roll| roll.harvest.source.name == earlier.source) else {
            return Sight::Unknown;
        };
        match self.outcome(&earlier.source, earlier.rule) {
            Some(Outcome::Off) => return Sight::SetAside("their rule is switched off"),
            Some(Outcome::Judged { .. }) if self.is_complete() && !self.is_backwards => {}
            _ => return Sight::Unknown,
        }
        if earlier.rule == Rule::ExceptionExpired {
            // The register is whole, and so is what it covers: every exception that is over was looked at.
            return Sight::Fine;
        }
        let (roll, gaps) = (&self.inventory.rolls[at], &self.gaps[at]);
        let before = self.base.iter().find(|entry| entry.name == earlier.source.as_str());
        if before.is_some_and(|before| !is_read_like(&roll.harvest, before)) {
            return Sight::Unknown;
        }
        let place = match earlier.subject.kind {
            SubjectKind::Source => return Sight::Fine,
            SubjectKind::User => user(roll, &earlier.subject.id).map(|at| gaps.user_was_judged(at, earlier.rule)),
            SubjectKind::Group => group(roll, &earlier.subject.id).map(|at| gaps.group_was_judged(at, earlier.rule)),
        };
        match place {
            Some(true) => Sight::Fine,
            None if before.is_some_and(|before| is_gone(&roll.harvest, before, earlier)) => Sight::Gone,
            Some(false) | None => Sight::Unknown,
        }
    }

    /// Every configured source was read, and every list of each is proven.
    pub fn is_complete(&self) -> bool {
        !self.omitted && self.inventory.rolls.iter().all(|roll| roll.harvest.status() == SourceStatus::Complete)
    }

    fn outcome(&self, source: &SourceName, rule: Rule) -> Option<&Outcome> {
        let verdict = self.verdicts.iter().find(|verdict| verdict.source == *source && verdict.rule == rule);
        verdict.map(|verdict| &verdict.outcome)
    }
}

/// The source was of the same kind and complete in the base, and each list that was complete there is complete now: a list
/// that is not offered any more takes with it what was found in it, and that need not be over.
fn is_read_like(harvest: &Harvest, before: &SourceEntry) -> bool {
    let is_complete_now = |kind: ListKind| match harvest.coverage(kind) {
        // Asked for only where the list of users leaves something out.
        Coverage::NotOffered => kind == ListKind::UserDetails,
        coverage => coverage.is_complete(),
    };
    let was_complete = before.lists.iter().filter(|list| list.coverage.is_complete());
    before.kind == harvest.source.kind
        && before.status == SourceStatus::Complete
        && was_complete.map(|list| list.kind).all(is_complete_now)
}

/// A subject that is in no list: whether the lists that bring its like are complete, and were so in the base.
fn is_gone(harvest: &Harvest, before: &SourceEntry, earlier: &Finding) -> bool {
    let offers = |kind: ListKind| {
        [before.coverage(kind), harvest.coverage(kind)].iter().any(|coverage| **coverage != Coverage::NotOffered)
    };
    let id = &*earlier.subject.id;
    // Of a list that neither side has: nobody looked.
    let is_unread = |prefix: &str, list: ListKind| id.starts_with(prefix) && !offers(list);
    if is_unread(VENDOR_USER, ListKind::Vendors) || is_unread(API_ACCOUNT, ListKind::ApiAccounts) {
        return false;
    }
    let lists = match earlier.subject.kind {
        SubjectKind::User => lists_of_user(id, offers).to_vec(),
        SubjectKind::Group => vec![list_of_group(id, offers)],
        SubjectKind::Source => Vec::new(),
    };
    lists.iter().all(|list| harvest.coverage(*list).is_complete() && before.coverage(*list).is_complete())
}

/// Users and groups of a roll are sorted by id.
fn user(roll: &Roll, id: &str) -> Option<usize> {
    let id = UserId::from(Box::<str>::from(id));
    roll.harvest.users.binary_search_by(|user| user.id.cmp(&id)).ok()
}

fn group(roll: &Roll, id: &str) -> Option<usize> {
    let id = GroupId::from(id);
    roll.harvest.groups.binary_search_by(|group| group.id.cmp(&id)).ok()
}
