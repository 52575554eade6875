//! The state after a run: what was read, and what is kept beside it.

use super::source::{Since, SourceState, UnreadRows};
use super::{DroppedRows, KnownMembership};
use crate::model::{
    Change, GroupId, Inventory, Outside, OutsideMember, SeenInterval, SourceInventory, SourceName, User, UserId,
};
use std::collections::BTreeMap;

/// A state that a reading has taken on. Rules look at the reading; then it is settled.
pub struct UnsettledState {
    /// What was read, with the marks of its rows, and what is known of each source.
    pub inventory: Inventory,
    /// What changed, in the order in which a run emits it: by kind, then source, then id.
    pub changes: Vec<Change>,
    /// The run before.
    pub base_run: Option<String>,
    /// What is known of each source since the run before; one entry a roll.
    pub since: Vec<Since>,
    /// Sources whose rows are in the state no longer, without a removal.
    pub left: BTreeMap<SourceName, DroppedRows>,
    beside: Vec<UnreadRows>,
}

impl UnsettledState {
    pub(super) fn of(
        states: Vec<SourceState>,
        changes: Vec<Change>,
        base_run: Option<String>,
        left: BTreeMap<SourceName, DroppedRows>,
    ) -> Self {
        let (mut sources, mut since, mut beside) = (Vec::new(), Vec::new(), Vec::new());
        for SourceState { mut source_inventory, beside: mut of_source, .. } in states {
            put_classes_on(&mut source_inventory, &of_source);
            sources.push(source_inventory);
            since.push(std::mem::take(&mut of_source.since));
            beside.push(of_source);
        }
        Self { inventory: Inventory { sources }, changes, base_run, since, left, beside }
    }

    /// Adds to what was read what is kept.
    pub fn settle(&mut self) {
        let sources = std::mem::take(&mut self.inventory.sources);
        let beside = std::mem::take(&mut self.beside);
        self.inventory.sources = sources
            .into_iter()
            .zip(beside)
            .map(|(source_inventory, beside)| settle(source_inventory, beside))
            .collect();
    }
}

/// Rules class accounts and groups by what is known of them: an administrator whose flag or name was not read is one all the same.
fn put_classes_on(source_inventory: &mut SourceInventory, beside: &UnreadRows) {
    for (at, carried) in &beside.values {
        carried.put_classes_on(&mut source_inventory.reading.users[*at as usize]);
    }
    for group in &mut source_inventory.reading.groups {
        if let Some((name, privileged)) = beside.names.get(&group.id) {
            group.name = Some(name.clone());
            group.privileged |= privileged;
        }
    }
}

fn settle(mut source_inventory: SourceInventory, beside: UnreadRows) -> SourceInventory {
    let UnreadRows { users, groups, memberships, values, .. } = beside;
    for (at, carried) in values {
        carried.put_on(&mut source_inventory.reading.users[at as usize]);
    }
    if users.is_empty() && groups.is_empty() && memberships.is_empty() {
        return source_inventory;
    }
    let read: Vec<Option<SeenInterval>> =
        source_inventory.memberships.iter().map(|membership| membership.seen).collect();
    let mut users = users;
    // A group names an account that the list of users left out: kept, the account is listed again.
    source_inventory.reading.outside.retain(|outside| {
        let OutsideMember::Missing(id) = &outside.member else { return true };
        !join(id, &outside.group_id, &mut [], &mut users)
    });
    let outside = belong(&memberships, &mut source_inventory.reading.users, &mut users);
    mark(source_inventory.with(users, groups, outside), read, &memberships)
}

/// Gives the users the groups that they are kept in; the rest stands beside the users.
fn belong(memberships: &[KnownMembership], read: &mut [User], kept: &mut [User]) -> Vec<Outside> {
    let mut outside = Vec::new();
    for KnownMembership { group, member, .. } in memberships {
        let beyond = match member {
            OutsideMember::Missing(id) => (!join(id, group, read, kept)).then(|| member.clone()),
            OutsideMember::Nested { user, .. } if join(user, group, read, kept) => Some(member.clone()),
            OutsideMember::Nested { user, .. } => Some(OutsideMember::Missing(user.clone())),
            OutsideMember::Directory(_) => Some(member.clone()),
        };
        outside.extend(beyond.map(|member| Outside { group_id: group.clone(), member }));
    }
    outside
}

/// Whether the user is listed, and is in the group now.
fn join(id: &UserId, group: &GroupId, read: &mut [User], kept: &mut [User]) -> bool {
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

/// Gives memberships their marks: both sides are sorted as the whole is, and none is on both.
fn mark(
    mut source_inventory: SourceInventory,
    read: Vec<Option<SeenInterval>>,
    kept: &[KnownMembership],
) -> SourceInventory {
    let (mut read, mut kept) = (read.into_iter(), kept.iter().peekable());
    let marks: Vec<Option<SeenInterval>> = source_inventory
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
    for (membership, seen) in source_inventory.memberships.iter_mut().zip(marks) {
        membership.seen = seen;
    }
    source_inventory
}
