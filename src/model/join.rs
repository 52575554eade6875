//! The join: classifies accounts, marks privileged groups, resolves memberships both ways, sorts. Pure.

use super::{
    Classes, Coverage, Group, GroupId, KnownSource, ListKind, MemberIdentity, Outside, OutsideMember, Pair,
    SeenInterval, SourceName, SourceReading, User, UserId, UserKind,
};
use ahash::AHashMap;
use std::cmp::Ordering;

/// Who is in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    /// A user of the same roll, by its place in `users`.
    User(u32),
    /// The same, by way of a group inside: also its place in the harvest's `outside`.
    Nested(u32, u32),
    /// Nobody of the list of users, by its place in the harvest's `outside`.
    Outside(u32),
}

/// One (group, member) pair, as told by the member's record or by the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The group's id as told, also when no such group came.
    pub group_id: GroupId,
    /// The group's place in `groups`; `None` where it is dangling.
    pub group: Option<u32>,
    /// Who.
    pub member: Member,
    /// The runs that saw it first and read it last; `None` before it was held against what is known.
    pub seen: Option<SeenInterval>,
}

/// One source's harvest, joined: users and groups sorted by id, memberships by (group, user).
#[derive(Clone, Debug, PartialEq)]
pub struct SourceInventory {
    /// What the source gave, classified and sorted.
    pub reading: SourceReading,
    /// Every membership, dangling ones too.
    pub memberships: Vec<Membership>,
    /// What is known of the source beside its rows.
    pub known: KnownSource,
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
    pub sources: Vec<SourceInventory>,
}

impl Inventory {
    /// Joins every harvest.
    pub fn join(readings: Vec<SourceReading>, classes: &Classes) -> Self {
        Self::of(readings.into_iter().map(|h| SourceInventory::join(h, classes)).collect())
    }

    /// Whether a source is among them.
    pub fn has(&self, source: &SourceName) -> bool {
        self.sources.iter().any(|source_inventory| source_inventory.reading.source.name == *source)
    }

    /// Of rolls that are joined already, in any order.
    pub fn of(mut sources: Vec<SourceInventory>) -> Self {
        sources.sort_by(|a, b| a.reading.source.name.as_str().cmp(b.reading.source.name.as_str()));
        Self { sources }
    }
}

impl SourceInventory {
    /// Joins one harvest. An account that is both break-glass and service by pattern is break-glass.
    pub fn join(mut reading: SourceReading, classes: &Classes) -> Self {
        for user in &mut reading.users {
            user.kind = classify(user, classes);
        }
        for group in &mut reading.groups {
            let named = |p: &super::Pattern| p.matches(group.id.as_str(), group.name.as_deref());
            group.privileged = classes.privileged_groups.iter().any(named);
        }
        reading.leave_out_failed();
        decide_members(&mut reading);
        let mut source_inventory = Self::restore(reading, !classes.privileged_groups.is_empty());
        source_inventory.count_members();
        source_inventory
    }

    /// Joins one harvest whose accounts and groups bear their marks and counts already, as those of a snapshot do. `by_group`: the
    /// configuration then named privileged groups.
    pub fn restore(mut reading: SourceReading, by_group: bool) -> Self {
        reading.users.sort_by(|a, b| a.id.cmp(&b.id));
        reading.groups.sort_by(|a, b| a.id.cmp(&b.id));
        sort_outside(&mut reading.outside);
        let places = reading.groups.iter().map(|group| group.id.clone()).zip(0u32..).collect();
        let memberships = resolve(&reading, &places);
        let groups_whole = reading.coverage(ListKind::Groups).is_complete();
        Self { reading, memberships, known: KnownSource::default(), places, by_group, groups_whole }
    }

    /// Adds rows that this reading does not have; memberships lose their marks.
    #[must_use]
    pub fn with(self, users: Vec<User>, groups: Vec<Group>, outside: Vec<Outside>) -> Self {
        let Self { mut reading, known, by_group, .. } = self;
        reading.users.extend(users);
        reading.groups.extend(groups);
        reading.outside.extend(outside);
        Self { known, ..Self::restore(reading, by_group) }
    }

    /// The user with this id, if it is listed.
    pub fn user(&self, id: &UserId) -> Option<&User> {
        let users = &self.reading.users;
        users.binary_search_by(|user| user.id.cmp(id)).ok().map(|at| &users[at])
    }

    /// The identity of a membership.
    pub fn pair<'a>(&'a self, membership: &'a Membership) -> Pair<'a> {
        let member = match (self.beyond(membership), self.member(membership)) {
            (_, Some(user)) => MemberIdentity::User(&user.id),
            (Some(OutsideMember::Missing(id) | OutsideMember::Nested { user: id, .. }), None) => {
                MemberIdentity::User(id)
            }
            (Some(OutsideMember::Directory(name)), None) => MemberIdentity::Directory(name),
            // A membership is always of somebody.
            (None, None) => MemberIdentity::Directory(""),
        };
        Pair { group: &membership.group_id, member }
    }

    /// Counts the members of groups whose members are all known. Where the list of users may not have all of them, a member without a
    /// record makes the count of users unknown.
    fn count_members(&mut self) {
        let Self { reading, memberships, .. } = self;
        let users_whole = reading.coverage(ListKind::Users).is_complete();
        for group in &mut reading.groups {
            let none_yet = group.knows_members().then_some(0);
            (group.member_count, group.external_member_count) = (none_yet, none_yet);
        }
        for membership in memberships {
            let Some(group) = membership.group.and_then(|at| reading.groups.get_mut(at as usize)) else { continue };
            let count = match membership.member {
                Member::User(_) | Member::Nested(..) => &mut group.member_count,
                Member::Outside(at) if matches!(reading.outside[at as usize].member, OutsideMember::Directory(_)) => {
                    &mut group.external_member_count
                }
                Member::Outside(_) if users_whole => continue,
                Member::Outside(_) => {
                    group.member_count = None;
                    continue;
                }
            };
            *count = count.map(|count| count + 1);
        }
    }

    /// The listed user that a membership is of.
    pub fn member(&self, membership: &Membership) -> Option<&User> {
        match membership.member {
            Member::User(at) | Member::Nested(at, _) => self.reading.users.get(at as usize),
            Member::Outside(_) => None,
        }
    }

    /// What a membership tells beyond that user.
    pub fn beyond(&self, membership: &Membership) -> Option<&OutsideMember> {
        match membership.member {
            Member::User(_) => None,
            Member::Nested(_, at) | Member::Outside(at) => {
                self.reading.outside.get(at as usize).map(|outside| &outside.member)
            }
        }
    }

    /// The group with this id, if it came.
    pub fn group(&self, id: &GroupId) -> Option<&Group> {
        self.places.get(id).map(|at| &self.reading.groups[*at as usize])
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

/// Every membership in the order of [`GroupId`], then of the users' ids, then of what is outside by its name.
fn resolve(reading: &SourceReading, places: &AHashMap<GroupId, u32>) -> Vec<Membership> {
    let (users, groups) = (&reading.users, &reading.groups);
    let place = |id: &GroupId| places.get(id).copied();
    let mut memberships: Vec<Membership> = users
        .iter()
        .zip(0u32..)
        .flat_map(|(user, at)| user.group_memberships.iter().map(move |id| (id, at)))
        .map(|(id, at)| Membership { group_id: id.clone(), group: place(id), member: Member::User(at), seen: None })
        .collect();
    let ranks = add_outside(&mut memberships, reading, &place);
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
    let by_group = |a: &Membership, b: &Membership| rank(a).cmp(&rank(b)).then_with(|| between(a, b));
    if ranks.is_empty() {
        memberships.sort_by(by_group);
    } else {
        let member = |m: &Membership| match m.member {
            Member::User(at) | Member::Nested(at, _) => 2 * u64::from(at) + 1,
            Member::Outside(at) => ranks[at as usize],
        };
        memberships.sort_by(|a, b| by_group(a, b).then_with(|| member(a).cmp(&member(b))));
    }
    memberships
}

/// Adds what is outside, in its order, and marks what is nested. Gives the rank of each of `outside` among the users.
fn add_outside(
    memberships: &mut Vec<Membership>,
    reading: &SourceReading,
    place: &impl Fn(&GroupId) -> Option<u32>,
) -> Vec<u64> {
    let mut nested: AHashMap<(&GroupId, &UserId), u32> = AHashMap::new();
    let mut ranks = Vec::with_capacity(reading.outside.len());
    for (outside, at) in reading.outside.iter().zip(0u32..) {
        let Outside { group_id, member } = outside;
        ranks.push(match member {
            OutsideMember::Missing(id) => 2 * reading.users.partition_point(|user| user.id < *id) as u64,
            OutsideMember::Directory(_) | OutsideMember::Nested { .. } => u64::MAX,
        });
        if let OutsideMember::Nested { user, .. } = member {
            nested.insert((group_id, user), at);
        } else {
            let member = Member::Outside(at);
            memberships.push(Membership { group_id: group_id.clone(), group: place(group_id), member, seen: None });
        }
    }
    for membership in memberships.iter_mut().filter(|_| !nested.is_empty()) {
        if let Member::User(user) = membership.member
            && let Some(at) = nested.get(&(&membership.group_id, &reading.users[user as usize].id))
        {
            membership.member = Member::Nested(user, *at);
        }
    }
    ranks
}

/// By group, then what is missing, what is of a directory, what is nested: one order whoever told it.
fn sort_outside(outside: &mut [Outside]) {
    let rank = |member: &OutsideMember| match member {
        OutsideMember::Missing(_) => 0,
        OutsideMember::Directory(_) => 1,
        OutsideMember::Nested { .. } => 2,
    };
    outside.sort_by(|a, b| {
        let members = || match (&a.member, &b.member) {
            (OutsideMember::Directory(a), OutsideMember::Directory(b)) => a.cmp(b),
            (OutsideMember::Missing(a), OutsideMember::Missing(b))
            | (OutsideMember::Nested { user: a, .. }, OutsideMember::Nested { user: b, .. }) => a.cmp(b),
            (a, b) => rank(a).cmp(&rank(b)),
        };
        a.group_id.cmp(&b.group_id).then_with(members)
    });
}

/// Decides by the source's lists whether the members of a group are known, where its connector did not: by the list of members
/// where the source has one, else by the users' own records. A user whose record was read and reports no groups leaves the
/// counts of the others as they are.
fn decide_members(reading: &mut SourceReading) {
    let details = reading.coverage(ListKind::UserDetails);
    let by_lists = match reading.coverage(ListKind::Members) {
        Coverage::NotOffered => {
            reading.coverage(ListKind::Users).is_complete()
                && (details.is_complete() || *details == Coverage::NotOffered)
                && (reading.users.is_empty() || reading.users.iter().any(|user| user.groups_known))
        }
        members => members.is_complete(),
    };
    for group in &mut reading.groups {
        group.members_known = group.members_known.or(Some(by_lists));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn memberships_beyond_the_users_have_one_order_whatever_their_sorts() {
        for seed in 0..3000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut all: Vec<Outside> = (0..rng.usize(20..400))
                .map(|_| {
                    let n = rng.u32(..100_000);
                    let member = if rng.bool() {
                        OutsideMember::Missing(UserId::from(n.to_string().as_str()))
                    } else {
                        OutsideMember::Directory(n.to_string().into())
                    };
                    Outside { group_id: "1".into(), member }
                })
                .collect();
            sort_outside(&mut all);
        }
    }
    #[test]
    fn their_order_does_not_depend_on_the_order_of_arrival() {
        let m = |n: &str| Outside { group_id: "1".into(), member: OutsideMember::Missing(UserId::from(n)) };
        let d = |n: &str| Outside { group_id: "1".into(), member: OutsideMember::Directory(n.into()) };
        let mut a = vec![d("x"), m("2"), m("1")];
        let mut b = vec![m("2"), d("x"), m("1")];
        sort_outside(&mut a);
        sort_outside(&mut b);
        assert_eq!(a, b);
    }
    #[test]
    fn a_large_mixture_as_the_configuration_api_gives_it_is_sorted() {
        let mut panics = 0;
        for seed in 0..400 {
            let mut rng = fastrand::Rng::with_seed(seed);
            // directory members first, in the order of policies' arrival, then missing users in the order of a hash map
            let groups = rng.u32(1..40);
            let mut all: Vec<Outside> = (0..rng.usize(100..1500))
                .map(|n| Outside {
                    group_id: rng.u32(0..groups).to_string().as_str().into(),
                    member: OutsideMember::Directory(format!("CN={:05},{n}", rng.u32(..99999)).into()),
                })
                .collect();
            all.extend(
                (0..rng.usize(100..1500))
                    .map(|_| Outside {
                        group_id: rng.u32(0..groups).to_string().as_str().into(),
                        member: OutsideMember::Missing(UserId::from(rng.u32(..100_000).to_string().as_str())),
                    })
                    .collect::<Vec<_>>(),
            );
            panics += u32::from(std::panic::catch_unwind(move || sort_outside(&mut all)).is_err());
        }
        assert_eq!(panics, 0, "of 2000 policies' members");
    }
}
