//! The join: classifies accounts, marks privileged groups, resolves memberships both ways, sorts. Pure.

use super::{Classes, Group, GroupId, Harvest, ListKind, User, UserKind};
use ahash::AHashMap;
use std::cmp::Ordering;

/// Who is in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    /// A user of the same roll, by its place in `users`.
    User(u32),
}

/// One (group, member) pair, as told by the member's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The group's id as told, also when no such group came.
    pub group_id: GroupId,
    /// The group's place in `groups`; `None` where it is dangling.
    pub group: Option<u32>,
    /// Who.
    pub member: Member,
}

/// One source's harvest, joined: users and groups sorted by id, memberships by (group, user).
#[derive(Clone, Debug, PartialEq)]
pub struct Roll {
    /// What the source gave, classified and sorted.
    pub harvest: Harvest,
    /// Every membership, dangling ones too.
    pub memberships: Vec<Membership>,
    /// Where each group stands in `groups`: every rule asks for it for every membership.
    places: AHashMap<GroupId, u32>,
    /// The configuration names privileged groups: memberships decide who is privileged.
    by_group: bool,
    /// The list of groups is proven complete: a group that is not in it does not exist.
    groups_whole: bool,
}

/// All sources of one run, sorted by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    /// One roll a source.
    pub rolls: Vec<Roll>,
}

impl Inventory {
    /// Joins every harvest.
    pub fn join(harvests: Vec<Harvest>, classes: &Classes) -> Self {
        let mut rolls: Vec<Roll> = harvests.into_iter().map(|h| Roll::join(h, classes)).collect();
        rolls.sort_by(|a, b| a.harvest.source.name.as_str().cmp(b.harvest.source.name.as_str()));
        Self { rolls }
    }
}

impl Roll {
    /// Joins one harvest. An account that is both break-glass and service by pattern is break-glass.
    pub fn join(mut harvest: Harvest, classes: &Classes) -> Self {
        harvest.users.sort_by(|a, b| a.id.cmp(&b.id));
        harvest.groups.sort_by(|a, b| a.id.cmp(&b.id));
        for user in &mut harvest.users {
            user.kind = classify(user, classes);
        }
        for group in &mut harvest.groups {
            let named = |p: &super::Pattern| p.matches(group.id.as_str(), group.name.as_deref());
            group.privileged = classes.privileged_groups.iter().any(named);
        }
        let places = harvest.groups.iter().map(|group| group.id.clone()).zip(0u32..).collect();
        let memberships = resolve(&harvest.users, &harvest.groups, &places);
        count_members(&mut harvest.groups, &memberships);
        let by_group = !classes.privileged_groups.is_empty();
        let groups_whole = harvest.coverage(ListKind::Groups).is_complete();
        Self { harvest, memberships, places, by_group, groups_whole }
    }

    /// The group with this id, if it came.
    pub fn group(&self, id: &GroupId) -> Option<&Group> {
        self.places.get(id).map(|at| &self.harvest.groups[*at as usize])
    }

    /// Administrator by its own record, or member of a privileged group. `None` where it cannot be told: the memberships
    /// are not known, or one of them leads into a list of groups that is not proven complete.
    pub fn privilege(&self, user: &User) -> Option<bool> {
        let groups = || user.group_memberships.iter().map(|id| self.group(id));
        if user.is_admin == Some(true) || groups().flatten().any(|group| group.privileged) {
            return Some(true);
        }
        let may_hide = !user.groups_known || (!self.groups_whole && groups().any(|group| group.is_none()));
        if self.by_group && may_hide { None } else { Some(false) }
    }

    /// Known to be privileged.
    pub fn is_privileged(&self, user: &User) -> bool {
        self.privilege(user) == Some(true)
    }
}

fn classify(user: &User, classes: &Classes) -> UserKind {
    let named = |p: &super::Pattern| p.matches(user.id.as_str(), user.username.as_deref());
    if classes.break_glass.iter().any(named) {
        UserKind::BreakGlass
    } else if user.kind == UserKind::Person && classes.service_accounts.iter().any(named) {
        UserKind::Service
    } else {
        user.kind
    }
}

/// Every membership in the order of [`GroupId`], then of the users.
fn resolve(users: &[User], groups: &[Group], places: &AHashMap<GroupId, u32>) -> Vec<Membership> {
    let mut memberships: Vec<Membership> = users
        .iter()
        .zip(0u32..)
        .flat_map(|(user, at)| user.group_memberships.iter().map(move |id| (id, at)))
        .map(|(id, at)| Membership { group_id: id.clone(), group: places.get(id).copied(), member: Member::User(at) })
        .collect();
    // Groups are in order already, so that a place says what a comparison of ids would; only a dangling id is compared.
    // Users are in order as well, and the sort is stable.
    let rank = |m: &Membership| match m.group {
        Some(at) => 2 * u64::from(at) + 1,
        None => 2 * groups.partition_point(|group| group.id < m.group_id) as u64,
    };
    let between = |a: &Membership, b: &Membership| match a.group {
        Some(_) => Ordering::Equal,
        None => a.group_id.cmp(&b.group_id),
    };
    memberships.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| between(a, b)));
    memberships
}

fn count_members(groups: &mut [Group], memberships: &[Membership]) {
    for membership in memberships {
        if let Some(at) = membership.group {
            groups[at as usize].member_count += 1;
        }
    }
}
