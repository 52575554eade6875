//! The state after a run: the reading, and the known rows and values that the reading lacks.
//!
//! Rules evaluate the reading between [`super::Advance::finish`] and [`UnsettledState::settle`]; after that the state
//! is complete and is written to the snapshot.

use super::source::{SourceHistory, SourceState, UnreadRows};
use super::{DroppedRows, KnownMembership, RunInstant};
use crate::model::{
    AccountStanding, Change, GroupId, Inferred, Instant, Inventory, MemberIdentity, Outside, OutsideMember, Pair,
    SeenInterval, SourceInventory, SourceName, SubjectKind, Text, User, UserId, UserKind,
};
use ahash::AHashMap;
use std::collections::BTreeMap;

/// A state that was advanced with a reading. Rules evaluate the reading first, then [`Self::settle`] adds the kept
/// rows.
pub struct UnsettledState {
    /// The reading, with the first and last run of its rows, and the knowledge about each source.
    pub inventory: Inventory,
    /// Changes in the order in which a run emits them: by kind, then source, then id.
    pub changes: Vec<Change>,
    /// Id of the previous run.
    pub base_run: Option<String>,
    /// What is known about each source since the previous run, in the order of `inventory.sources`.
    pub since: Vec<SourceHistory>,
    /// Sources whose rows left the state without being emitted as removed.
    pub dropped: BTreeMap<SourceName, DroppedRows>,
    /// Values that the reading lacks and the state keeps, in the order of `inventory.sources`.
    pub kept: Vec<KeptValues>,
    unread: Vec<UnreadRows>,
}

/// Values of one source that come from an earlier run, because this reading lacks them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeptValues {
    /// Accounts that keep values.
    pub users: Vec<KeptUser>,
    /// Groups that keep their name, each with whether the reading alone marked it as privileged.
    pub groups: Vec<(GroupId, bool)>,
    /// Kept rows that were confirmed at the instant of the run or later. Their dates are equal to those of the rows that it read.
    pub rows: Vec<KeptRow>,
}

/// Row that an earlier run read and this one did not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeptRow {
    /// Account.
    User(UserId),
    /// Group.
    Group(GroupId),
    /// Membership of an account.
    Membership(GroupId, UserId),
    /// Membership of somebody who exists only in a directory, by the name there.
    DirectoryMember(GroupId, Text),
}

impl KeptRow {
    /// Returns the row of a membership.
    pub fn of_membership(pair: &Pair<'_>) -> Self {
        match pair.member {
            MemberIdentity::User(id) => Self::Membership(pair.group.clone(), id.clone()),
            MemberIdentity::Directory(name) => Self::DirectoryMember(pair.group.clone(), name.into()),
        }
    }
}

/// Account that keeps values of an earlier run.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptUser {
    /// Id of the account.
    pub id: UserId,
    /// Columns with a kept value.
    pub columns: Vec<&'static str>,
    /// Kind of the account by the reading alone.
    pub kind: UserKind,
    /// Inferred place of the password check by the reading alone.
    pub inferred: Option<Inferred>,
}

impl UnsettledState {
    pub(super) fn of(
        states: Vec<SourceState>,
        changes: Vec<Change>,
        now: RunInstant<'_>,
        dropped: BTreeMap<SourceName, DroppedRows>,
    ) -> Self {
        let base_run = now.before.map(|(run_id, _)| run_id.to_owned());
        let (mut sources, mut since, mut unread) = (Vec::new(), Vec::new(), Vec::new());
        let mut kept = Vec::new();
        for SourceState { mut source_inventory, unread: mut of_source, .. } in states {
            kept.push(kept_values(&source_inventory, &of_source, now.at));
            apply_classes(&mut source_inventory, &of_source);
            sources.push(source_inventory);
            since.push(std::mem::take(&mut of_source.since));
            unread.push(of_source);
        }
        Self { inventory: Inventory { sources }, changes, base_run, since, dropped, kept, unread }
    }

    /// Adds the known rows and values that the reading lacks. Changes get the standing of their accounts.
    pub fn settle(&mut self) {
        let sources = std::mem::take(&mut self.inventory.sources);
        let mut unread = std::mem::take(&mut self.unread);
        let names = sources.iter().map(|source_inventory| source_inventory.reading.source.name.clone());
        let removed = names.zip(unread.iter_mut().map(|unread| std::mem::take(&mut unread.removed))).collect();
        self.inventory.sources = sources
            .into_iter()
            .zip(unread)
            .map(|(source_inventory, unread)| settle(source_inventory, unread))
            .collect();
        self.set_accounts(&removed);
    }

    /// Sets the standing of the accounts of changes. A removed account is in `removed`, by source and id.
    fn set_accounts(&mut self, removed: &AHashMap<SourceName, AHashMap<UserId, AccountStanding>>) {
        for change in self.changes.iter_mut().filter(|change| change.subject.kind == SubjectKind::User) {
            let listed = self.inventory.standing_of(&change.source, &change.subject);
            let last_known = || removed.get(&change.source)?.get(&UserId::from(change.subject.id.clone())).cloned();
            change.account = listed.or_else(last_known).map(Box::new);
        }
    }
}

/// Returns what [`settle`] and [`apply_classes`] will take from earlier runs. Called before both.
fn kept_values(source_inventory: &SourceInventory, unread: &UnreadRows, at: Instant) -> KeptValues {
    let users = unread.values.iter().map(|(at, carried)| {
        let user = &source_inventory.reading.users[*at as usize];
        KeptUser { id: user.id.clone(), columns: carried.columns(user), kind: user.kind, inferred: user.inferred }
    });
    let groups = source_inventory.reading.groups.iter().filter(|group| unread.names.contains_key(&group.id));
    KeptValues {
        users: users.filter(|user| !user.columns.is_empty()).collect(),
        groups: groups.map(|group| (group.id.clone(), group.privileged)).collect(),
        rows: rows_that_look_read(unread, at),
    }
}

/// Returns the kept rows that were confirmed at this instant or later, by a run with the same or a later one.
fn rows_that_look_read(unread: &UnreadRows, at: Instant) -> Vec<KeptRow> {
    let looks_read = |seen: Option<SeenInterval>| seen.is_some_and(|seen| seen.confirmed >= at);
    let users = unread.users.iter().filter(|user| looks_read(user.seen)).map(|user| KeptRow::User(user.id.clone()));
    let groups =
        unread.groups.iter().filter(|group| looks_read(group.seen)).map(|group| KeptRow::Group(group.id.clone()));
    let memberships = unread.memberships.iter().filter(|known| looks_read(Some(known.seen)));
    users.chain(groups).chain(memberships.map(|known| KeptRow::of_membership(&known.pair()))).collect()
}

/// Gives accounts and groups the last known values by which rules classify them. An administrator whose flag or name
/// was not read is still an administrator.
fn apply_classes(source_inventory: &mut SourceInventory, unread: &UnreadRows) {
    for (at, carried) in &unread.values {
        carried.apply_classes(&mut source_inventory.reading.users[*at as usize]);
    }
    for group in &mut source_inventory.reading.groups {
        if let Some((name, privileged)) = unread.names.get(&group.id) {
            group.name = Some(name.clone());
            group.privileged |= privileged;
        }
    }
}

fn settle(mut source_inventory: SourceInventory, unread: UnreadRows) -> SourceInventory {
    let UnreadRows { users, groups, memberships, values, .. } = unread;
    for (at, carried) in values {
        carried.apply(&mut source_inventory.reading.users[at as usize]);
    }
    // The common case: everything was read, and the expensive join is not needed.
    if users.is_empty() && groups.is_empty() && memberships.is_empty() {
        return source_inventory;
    }
    // Taken before the join below, which drops them.
    let read: Vec<Option<SeenInterval>> =
        source_inventory.memberships.iter().map(|membership| source_inventory.seen(membership)).collect();
    let mut users = users;
    // A group may name a user that the reading lacks. If the user's record is kept, the record gets the membership.
    source_inventory.reading.outside.retain(|outside| {
        let OutsideMember::Missing(id) = &outside.member else { return true };
        !add_to_group(id, &outside.group_id, &mut [], &mut users)
    });
    let outside = add_memberships(&memberships, &mut source_inventory.reading.users, &mut users);
    restore_seen(source_inventory.with_rows(users, groups, outside), read, &memberships)
}

/// Adds the kept memberships to the users' records. Returns those that have no listed user.
fn add_memberships(memberships: &[KnownMembership], read: &mut [User], kept: &mut [User]) -> Vec<Outside> {
    let mut outside = Vec::new();
    for KnownMembership { group, member, .. } in memberships {
        let outside_member = match member {
            OutsideMember::Missing(id) => (!add_to_group(id, group, read, kept)).then(|| member.clone()),
            OutsideMember::Nested { user, .. } if add_to_group(user, group, read, kept) => Some(member.clone()),
            // Without a record of the user, the nested group cannot be attributed.
            OutsideMember::Nested { user, .. } => Some(OutsideMember::Missing(user.clone())),
            OutsideMember::Directory(_) => Some(member.clone()),
        };
        outside.extend(outside_member.map(|member| Outside { group_id: group.clone(), member }));
    }
    outside
}

/// Adds a group to a user's record. Returns false if the user is not listed.
fn add_to_group(id: &UserId, group: &GroupId, read: &mut [User], kept: &mut [User]) -> bool {
    for users in [read, kept] {
        let Ok(at) = users.binary_search_by(|user| user.id.cmp(id)) else { continue };
        let user = &mut users[at];
        if let Err(place) = user.group_memberships.binary_search(group) {
            let mut groups = std::mem::take(&mut user.group_memberships).into_vec();
            groups.insert(place, group.clone());
            user.group_memberships = groups.into();
        }
        return true;
    }
    false
}

/// Restores the `seen` intervals, which the join drops. Both inputs are sorted like the result, and no membership is in
/// both.
fn restore_seen(
    mut source_inventory: SourceInventory,
    read: Vec<Option<SeenInterval>>,
    kept: &[KnownMembership],
) -> SourceInventory {
    let (mut read, mut kept) = (read.into_iter(), kept.iter().peekable());
    let intervals: Vec<Option<SeenInterval>> = source_inventory
        .memberships
        .iter()
        .map(|membership| {
            let pair = source_inventory.pair(membership);
            match kept.next_if(|known| known.pair() == pair) {
                Some(known) => Some(known.seen),
                None => read.next().flatten(),
            }
        })
        .collect();
    for (at, seen) in intervals.into_iter().enumerate() {
        source_inventory.set_seen(at..at + 1, seen);
    }
    source_inventory
}
