//! The merge of one source: its known rows against its reading, which have the same sort order.
//!
//! The submodules merge users, groups and memberships. This module holds what they share: whether changes of a list may
//! be emitted, and how far missing values can be trusted.

mod groups;
mod memberships;
mod users;

use super::event::{ChangeDraft, ChangeInterval};
use super::fields::{Carried, Trust};
use super::{ComparedWith, KnownMembership, RunInstant, SourceUpdate};
use crate::model::{
    AccountStanding, Change, ChangedGroup, Coverage, Evidence, Group, GroupId, Instant, KnownSource, LastLogin,
    ListKind, SeenInterval, SourceInventory, SourceStatus, Text, User, UserId, list_of_group, lists_of_user,
};
use ahash::{AHashMap, AHashSet};
use std::collections::BTreeMap;

/// One source during the merge.
pub(super) struct SourceState {
    pub(super) source_inventory: SourceInventory,
    /// Earlier knowledge about the source; `None` if the source is new.
    before: Option<KnownSource>,
    /// Whether a missing value proves that there is none.
    trust: Trust,
    /// Number of merged rows of the reading.
    walked: ReadRows,
    pub(super) unread: UnreadRows,
    /// Names of known users that the reading lacks.
    absent_users: AHashMap<UserId, Option<Text>>,
    /// Known groups that the reading lacks.
    absent_groups: AHashMap<GroupId, ChangedGroup>,
    /// Groups that are emitted as added.
    new_groups: AHashSet<GroupId>,
    /// Known groups whose members were all known at least once.
    counted_groups: AHashSet<GroupId>,
    /// Positions of users whose groups were never all known. Their unknown memberships may be old.
    groups_never_known: AHashSet<u32>,
    /// Positions of new users that an earlier reading may have omitted. Their memberships may be old too.
    hidden: AHashSet<u32>,
    /// Whether a list with memberships is read for the first time, so that unknown memberships may be old.
    members_read_first: bool,
    /// The same for memberships in users' own records, which do not depend on the group list.
    records_read_first: bool,
    /// Known membership that was merged last.
    last: Option<KnownMembership>,
}

#[derive(Clone, Copy, Default)]
struct ReadRows {
    users: usize,
    groups: usize,
    memberships: usize,
}

/// Known rows and values that the reading lacks.
#[derive(Default)]
pub(super) struct UnreadRows {
    pub(super) users: Vec<User>,
    pub(super) groups: Vec<Group>,
    pub(super) memberships: Vec<KnownMembership>,
    pub(super) values: Vec<(u32, Carried)>,
    pub(super) names: AHashMap<GroupId, (Text, bool)>,
    /// Last known standing of accounts that were provably removed.
    pub(super) removed: AHashMap<UserId, AccountStanding>,
    pub(super) since: SourceHistory,
}

/// What is known about one source since the previous run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceHistory {
    /// Whether the user list was proven complete before this run, so that changes of users are emitted.
    pub is_compared: bool,
    /// Time of the last run that read the users; `None` if it is the previous run.
    pub read_at: Option<Instant>,
    /// Whether every list was proven complete at least once. A row that was unknown then did not exist.
    pub has_baseline: bool,
    /// Last known logins of break-glass accounts; accounts about which nothing was known are omitted.
    ///
    /// Rules need them because logins are not emitted as changes.
    pub logins: Vec<EarlierLogin>,
    /// Number of known rows by the list that contains them.
    pub rows: BTreeMap<ListKind, KnownRows>,
    /// Lists that were proven complete before this run.
    pub lists: Vec<ListKind>,
}

/// Last known login of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierLogin {
    /// Id of the account.
    pub user: UserId,
    /// The login; `None` if the account provably did not exist.
    pub last_login: Option<LastLogin>,
}

/// Number of known rows of one list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KnownRows {
    /// All known rows.
    pub known: u64,
    /// Known rows that were provably removed.
    pub gone: u64,
}

impl SourceState {
    pub(super) fn new(mut source_inventory: SourceInventory, before: Option<KnownSource>, now: RunInstant<'_>) -> Self {
        if now.compared_with == ComparedWith::Reading {
            source_inventory.known = before.clone().unwrap_or_default();
            let seen = Some(SeenInterval::at(now.at));
            for user in &mut source_inventory.reading.users {
                (user.seen, user.groups_confirmed) = (seen, user.groups_known.then_some(now.at));
            }
            for group in &mut source_inventory.reading.groups {
                (group.seen, group.members_confirmed) = (seen, group.knows_members().then_some(now.at));
            }
            source_inventory.set_seen(0..source_inventory.memberships.len(), seen);
        }
        // Two snapshots hold settled rows: every missing value in them is a known absence.
        let evidence = Evidence::of(&source_inventory);
        let by_lists = before.as_ref().is_some_and(|before| knew_every_field(&source_inventory, before));
        let trust = Trust {
            before: by_lists || now.compared_with == ComparedWith::State,
            now: now.compared_with == ComparedWith::State || evidence.reads_every_field(),
        };
        let is_compared = before.as_ref().is_some_and(|before| before.proven_at(ListKind::Users).is_some());
        let any_is_read_first = |lists: &[ListKind]| {
            before.as_ref().is_some_and(|before| {
                lists.iter().any(|list| is_read_first(*list, &source_inventory, before, now.compared_with))
            })
        };
        let members_read_first = any_is_read_first(&MEMBERSHIP_LISTS);
        let has_members = before.as_ref().is_some_and(|before| before.lists.contains_key(&ListKind::Members))
            || *source_inventory.reading.coverage(ListKind::Members) != Coverage::NotOffered;
        let records_read_first =
            any_is_read_first(if has_members { &MEMBERSHIP_LISTS } else { &MEMBERSHIP_LISTS[1..] });
        let has_baseline = !members_read_first && before.as_ref().is_some_and(|before| before.baseline_at.is_some());
        // An outage may lie between the previous run and the last reading of the users.
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
            unread: UnreadRows {
                since: SourceHistory { is_compared, read_at, has_baseline, lists, ..SourceHistory::default() },
                ..UnreadRows::default()
            },
            absent_users: AHashMap::new(),
            absent_groups: AHashMap::new(),
            new_groups: AHashSet::new(),
            counted_groups: AHashSet::new(),
            groups_never_known: AHashSet::new(),
            hidden: AHashSet::new(),
            members_read_first,
            records_read_first,
            last: None,
        }
    }

    /// Returns whether changes of rows in these lists are emitted: each list, and the user list, was proven complete
    /// before.
    fn emits(&self, lists: &[ListKind]) -> bool {
        let of =
            |before: &KnownSource| lists.iter().chain(&[ListKind::Users]).all(|list| before.proven_at(*list).is_some());
        self.before.as_ref().is_some_and(of)
    }

    /// Returns whether missing values of one account can be trusted.
    ///
    /// Some sources report logins in a separate list of details. If a login appears for the first time, that record was
    /// never read before.
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
        self.unread.since.rows.entry(list).or_default()
    }

    /// Returns a group with its name after this run; for a removed group, its last known name.
    fn changed_group(&self, id: &GroupId) -> ChangedGroup {
        let read = self.source_inventory.group(id).map(|group| {
            let carried = self.unread.names.get(id);
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

    /// Returns a user's name after this run; for a removed user, the last known name.
    fn name_of(&self, id: &UserId) -> Option<&str> {
        let read = self.source_inventory.user(id).and_then(User::name);
        read.or_else(|| self.absent_users.get(id)?.as_deref())
    }
}

/// Returns whether every field was read before: each list with fields was proven complete, if the source offers it.
fn knew_every_field(source_inventory: &SourceInventory, before: &KnownSource) -> bool {
    // Details are requested only if the user list omits fields, so a missing list of details means that it was not
    // needed.
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

    /// Returns the `seen` interval of a known row that was read again.
    fn seen_again(&self, known: Option<SeenInterval>) -> SeenInterval {
        let at = self.now.at;
        known.map_or(SeenInterval::at(at), |known| SeenInterval {
            first: known.first,
            confirmed: known.confirmed.max(at),
        })
    }

    /// Emits the remaining rows of the reading as new and updates the knowledge about the source.
    pub(super) fn finish(&mut self, changes: &mut Vec<Change>) {
        self.users_before(None, changes);
        self.groups_before(None, changes);
        self.memberships_before(None, changes);
        if self.now.compared_with == ComparedWith::Reading {
            self.update_known();
        }
    }

    fn update_known(&mut self) {
        let at = self.now.at;
        let SourceState { source_inventory, unread, .. } = &mut *self.source;
        let known = &mut source_inventory.known;
        // A clock that was ahead in an earlier run must not move times backwards.
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
        known.is_compared = unread.since.is_compared;
        known.unconfirmed_rows = (unread.users.len() + unread.groups.len() + unread.memberships.len()) as u64;
    }
}

/// Lists that contain memberships. The group list is first, because records of users do not depend on it.
const MEMBERSHIP_LISTS: [ListKind; 5] =
    [ListKind::Groups, ListKind::Members, ListKind::SecurityProviders, ListKind::Vendors, ListKind::VendorUsers];

/// Returns whether a list is read for the first time. Memberships in it may then be old, although they were unknown.
fn is_read_first(
    list: ListKind,
    source_inventory: &SourceInventory,
    before: &KnownSource,
    compared_with: ComparedWith,
) -> bool {
    let is_read = match compared_with {
        ComparedWith::Reading => {
            matches!(source_inventory.reading.coverage(list), Coverage::Complete { .. } | Coverage::Drifted { .. })
        }
        ComparedWith::State => source_inventory.known.proven_at(list).is_some(),
    };
    let was_unproven = match before.lists.get(&list) {
        Some(proven) => proven.is_none(),
        // Some products list members in the group list, and read member lists only for groups where it omits them.
        None => list != ListKind::Members,
    };
    is_read && was_unproven
}
