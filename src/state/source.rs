//! One source of the state, held against what was read of it: a merge of two sorted sides for each kind of row.

mod groups;
mod memberships;
mod users;

use super::event::{ChangeDraft, ChangeInterval};
use super::fields::{Carried, Trust};
use super::{Against, KnownMembership, RunInstant, SourceUpdate};
use crate::model::{
    Change, ChangedGroup, Coverage, Evidence, Group, GroupId, Instant, KnownSource, LastLogin, ListKind, SeenInterval,
    SourceInventory, SourceStatus, User, UserId, list_of_group, lists_of_user,
};
use ahash::{AHashMap, AHashSet};
use std::collections::BTreeMap;

/// One source on its way.
pub(super) struct SourceState {
    pub(super) source_inventory: SourceInventory,
    /// What was known of it before; `None`: it begins here.
    before: Option<KnownSource>,
    /// How far the absence of a field's value can be relied on.
    trust: Trust,
    /// How much of each side has been walked.
    walked: ReadRows,
    pub(super) beside: UnreadRows,
    /// Names of known users and groups that were not read.
    absent_users: AHashMap<UserId, Option<Box<str>>>,
    absent_groups: AHashMap<GroupId, ChangedGroup>,
    /// Groups that are emitted as new.
    new_groups: AHashSet<GroupId>,
    /// Known groups of which every member was known, once.
    counted_groups: AHashSet<GroupId>,
    /// Places of users whose groups were never all known.
    doubtful: AHashSet<u32>,
    /// Places of users who need not have been missing where they were not read: neither were their memberships.
    hidden: AHashSet<u32>,
    /// A list that brings memberships is read for the first time.
    comes_anew: bool,
    /// The same without the list of groups, where the accounts' own records bring memberships.
    records_come_anew: bool,
    /// The last known membership.
    last: Option<KnownMembership>,
}

#[derive(Clone, Copy, Default)]
struct ReadRows {
    users: usize,
    groups: usize,
    memberships: usize,
}

/// What stands beside a reading: known rows that it does not have, and last known values.
#[derive(Default)]
pub(super) struct UnreadRows {
    pub(super) users: Vec<User>,
    pub(super) groups: Vec<Group>,
    pub(super) memberships: Vec<KnownMembership>,
    pub(super) values: Vec<(u32, Carried)>,
    pub(super) names: AHashMap<GroupId, (Box<str>, bool)>,
    pub(super) since: Since,
}

/// What is known of one source since the run before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Since {
    /// Its users were proven complete before this run: changes of them are emitted.
    pub is_compared: bool,
    /// When its users were read last, where the run before did not read them.
    pub read_at: Option<Instant>,
    /// Everything of it was, once: what was not known was not there.
    pub has_baseline: bool,
    /// The last logins that were known of its break-glass accounts. An account is not among them where nothing was known of it.
    /// Logins are no changes: they come every day.
    pub logins: Vec<EarlierLogin>,
    /// Known rows by the list that brings them.
    pub rows: BTreeMap<ListKind, KnownRows>,
    /// Lists that were proven complete before.
    pub lists: Vec<ListKind>,
}

/// The last login that was known of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierLogin {
    /// Whose.
    pub user: UserId,
    /// `None`: the account was not there, which was proven.
    pub last_login: Option<LastLogin>,
}

/// Known rows of one list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KnownRows {
    /// All.
    pub known: u64,
    /// Those that are proven to be gone.
    pub gone: u64,
}

impl SourceState {
    pub(super) fn new(mut source_inventory: SourceInventory, before: Option<KnownSource>, now: RunInstant<'_>) -> Self {
        if now.against == Against::Reading {
            source_inventory.known = before.clone().unwrap_or_default();
            let seen = Some(SeenInterval::at(now.at));
            for user in &mut source_inventory.reading.users {
                (user.seen, user.groups_confirmed) = (seen, user.groups_known.then_some(now.at));
            }
            for group in &mut source_inventory.reading.groups {
                (group.seen, group.members_confirmed) = (seen, group.knows_members().then_some(now.at));
            }
            source_inventory.memberships.iter_mut().for_each(|membership| membership.seen = seen);
        }
        let evidence = Evidence::of(&source_inventory);
        let by_lists = before.as_ref().is_some_and(|before| knew_every_field(&source_inventory, before));
        let trust = Trust {
            before: by_lists || now.against == Against::State,
            now: now.against == Against::State || evidence.reads_every_field(),
        };
        let is_compared = before.as_ref().is_some_and(|before| before.proven_at(ListKind::Users).is_some());
        let comes = |lists: &[ListKind]| {
            before.as_ref().is_some_and(|before| {
                lists.iter().any(|list| comes_anew(*list, &source_inventory, before, now.against))
            })
        };
        let comes_anew = comes(&BRING_MEMBERS);
        let has_members = before.as_ref().is_some_and(|before| before.lists.contains_key(&ListKind::Members))
            || *source_inventory.reading.coverage(ListKind::Members) != Coverage::NotOffered;
        let records_come_anew = comes(if has_members { &BRING_MEMBERS } else { &BRING_MEMBERS[1..] });
        let has_baseline = !comes_anew && before.as_ref().is_some_and(|before| before.baseline_at.is_some());
        let users_at = before.as_ref().and_then(|before| before.proven_at(ListKind::Users));
        let read_at = users_at.filter(|at| now.before.is_some_and(|(_, before)| *at < before));
        let proven =
            |before: &KnownSource| ListKind::ALL.into_iter().filter(|list| before.proven_at(*list).is_some()).collect();
        let lists = before.as_ref().map(proven).unwrap_or_default();
        Self {
            source_inventory,
            before,
            trust,
            walked: ReadRows::default(),
            beside: UnreadRows {
                since: Since { is_compared, read_at, has_baseline, lists, ..Since::default() },
                ..UnreadRows::default()
            },
            absent_users: AHashMap::new(),
            absent_groups: AHashMap::new(),
            new_groups: AHashSet::new(),
            counted_groups: AHashSet::new(),
            doubtful: AHashSet::new(),
            hidden: AHashSet::new(),
            comes_anew,
            records_come_anew,
            last: None,
        }
    }

    /// Whether changes of the rows of these lists are emitted: each was proven complete before.
    fn emits(&self, lists: &[ListKind]) -> bool {
        let of =
            |before: &KnownSource| lists.iter().chain(&[ListKind::Users]).all(|list| before.proven_at(*list).is_some());
        self.before.as_ref().is_some_and(of)
    }

    /// How far values of one account can be compared. Logins stand in the accounts' records where those are a list of their own: where
    /// none was known and one is now, the record was not read before.
    fn trust_in(&self, known: &User, user: &User) -> Trust {
        let is_first_record = self.has(ListKind::UserDetails)
            && known.last_login == LastLogin::NotReported
            && user.last_login != LastLogin::NotReported;
        Trust { before: self.trust.before && !is_first_record, ..self.trust }
    }

    fn lists_of(&self, id: &UserId) -> &'static [ListKind] {
        lists_of_user(id.as_str(), |list| self.has(list))
    }

    fn list_of(&self, id: &GroupId) -> ListKind {
        list_of_group(id.as_str(), |list| self.has(list))
    }

    fn has(&self, list: ListKind) -> bool {
        let before = self.before.as_ref().is_some_and(|before| before.lists.contains_key(&list));
        before || *self.source_inventory.reading.coverage(list) != Coverage::NotOffered
    }

    fn rows(&mut self, list: ListKind) -> &mut KnownRows {
        self.beside.since.rows.entry(list).or_default()
    }

    /// A group as it is called after this run; as it was called where it is gone.
    fn changed_group(&self, id: &GroupId) -> ChangedGroup {
        let read = self.source_inventory.group(id).map(|group| {
            let carried = self.beside.names.get(id);
            let name = group.name.clone().or_else(|| carried.map(|(name, _)| name.clone()));
            ChangedGroup {
                id: id.clone(),
                name,
                privileged: group.privileged || carried.is_some_and(|(_, privileged)| *privileged),
            }
        });
        let absent = || self.absent_groups.get(id).cloned();
        read.or_else(absent).unwrap_or_else(|| ChangedGroup { id: id.clone(), name: None, privileged: false })
    }

    /// The same of a user's name.
    fn name_of(&self, id: &UserId) -> Option<&str> {
        let read = self.source_inventory.user(id).and_then(User::name);
        read.or_else(|| self.absent_users.get(id)?.as_deref())
    }
}

/// Whether every field was read before: each list that brings fields was proven complete, where the source has it.
fn knew_every_field(source_inventory: &SourceInventory, before: &KnownSource) -> bool {
    // Details are asked for only where the list of users leaves something out.
    let is_new = *source_inventory.reading.coverage(ListKind::SecurityProviders) != Coverage::NotOffered;
    let knew = |list: ListKind, unasked: bool| before.lists.get(&list).map_or(unasked, Option::is_some);
    knew(ListKind::UserDetails, true) && knew(ListKind::SecurityProviders, !is_new)
}

impl SourceUpdate<'_, '_> {
    fn emit(&self, event: ChangeDraft, changes: &mut Vec<Change>) {
        let Some((before, _)) = self.now.before else { return };
        let source = &self.source.source_inventory.reading.source.name;
        changes.push(event.change(ChangeInterval { source, before, now: self.now.run_id }));
    }

    /// The marks of a row that was known and was read.
    fn again(&self, known: Option<SeenInterval>) -> SeenInterval {
        let at = self.now.at;
        known.map_or(SeenInterval::at(at), |known| SeenInterval {
            first: known.first,
            confirmed: known.confirmed.max(at),
        })
    }

    /// What is left of the reading is new; then the source is remembered as it stands now.
    pub(super) fn finish(&mut self, changes: &mut Vec<Change>) {
        self.users_before(None, changes);
        self.groups_before(None, changes);
        self.memberships_before(None, changes);
        if self.now.against == Against::Reading {
            self.remember();
        }
    }

    fn remember(&mut self) {
        let at = self.now.at;
        let SourceState { source_inventory, beside, .. } = &mut *self.source;
        let known = &mut source_inventory.known;
        let latest = |before: Option<Instant>| before.map_or(at, |before| before.max(at));
        known.first_seen.get_or_insert(at);
        if matches!(
            source_inventory.reading.coverage(ListKind::Users),
            Coverage::Complete { .. } | Coverage::Drifted { .. }
        ) {
            known.hides_inactive = source_inventory.reading.hides_inactive;
        }
        if source_inventory.reading.coverage(ListKind::Users).is_complete() && !known.hides_inactive {
            known.compared_since.get_or_insert(at);
        }
        for list in source_inventory.reading.lists.iter().filter(|list| list.coverage != Coverage::NotOffered) {
            let proven = known.lists.entry(list.kind).or_default();
            if list.coverage.is_complete() {
                *proven = Some(latest(*proven));
            }
        }
        if source_inventory.reading.status() == SourceStatus::Complete {
            if !known.hides_inactive {
                known.baseline_at.get_or_insert(at);
            }
            known.confirmed_at = Some(latest(known.confirmed_at));
        }
        known.is_compared = beside.since.is_compared;
        known.unconfirmed_rows = (beside.users.len() + beside.groups.len() + beside.memberships.len()) as u64;
    }
}

/// Lists that bring memberships; that of groups first.
const BRING_MEMBERS: [ListKind; 5] =
    [ListKind::Groups, ListKind::Members, ListKind::SecurityProviders, ListKind::Vendors, ListKind::VendorUsers];

/// Whether a list is read for the first time: the memberships that it shows need not be new.
fn comes_anew(list: ListKind, source_inventory: &SourceInventory, before: &KnownSource, against: Against) -> bool {
    let comes = match against {
        Against::Reading => {
            matches!(source_inventory.reading.coverage(list), Coverage::Complete { .. } | Coverage::Drifted { .. })
        }
        Against::State => source_inventory.known.proven_at(list).is_some(),
    };
    let was_unproven = match before.lists.get(&list) {
        Some(proven) => proven.is_none(),
        // Some products show members in the list of groups, and by lists of their own where that one leaves something out.
        None => list != ListKind::Members,
    };
    comes && was_unproven
}
