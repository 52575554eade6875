//! The join of one reading: classifies accounts, marks privileged groups, resolves memberships in both directions and
//! sorts.
//!
//! Callers are `run` for a new reading and `snapshot::load` for a stored one. Rules and tables read the resulting
//! [`Inventory`]. Memberships refer to users and groups by position, because large sources have millions of them. Pure.

use super::membership::{MembershipTables, Memberships};
use super::{
    Classes, Coverage, Group, GroupId, KnownSource, ListKind, Member, MemberIdentity, Membership, Outside,
    OutsideMember, Pair, SeenInterval, SourceName, SourceReading, User, UserId, UserKind, compare_ids,
};
use ahash::AHashMap;
use std::ops::Range;

/// The joined reading of one source: users and groups sorted by id, memberships sorted by (group, member).
#[derive(Clone, Debug)]
pub struct SourceInventory {
    /// The reading, classified and sorted.
    pub reading: SourceReading,
    /// All memberships, including those whose group or user is missing.
    pub memberships: Vec<Membership>,
    /// Knowledge about the source besides its rows.
    pub known: KnownSource,
    /// What the positions in `memberships` refer to, besides the reading.
    tables: MembershipTables,
    /// Positions in `groups` by id. Rules look up the group of every membership, so that a binary search would be too
    /// slow.
    places: AHashMap<GroupId, u32>,
    /// Whether the configuration names privileged groups, so that memberships decide who is privileged.
    names_privileged_groups: bool,
    /// Whether the group list is proven complete: a group that is missing from it does not exist.
    groups_complete: bool,
}

/// All sources of one run, sorted by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    /// Inventories of the sources, one each.
    pub sources: Vec<SourceInventory>,
}

impl Inventory {
    /// Joins the readings of all sources.
    pub fn join(readings: Vec<SourceReading>, classes: &Classes) -> Self {
        Self::of(readings.into_iter().map(|reading| SourceInventory::join(reading, classes)).collect())
    }

    /// Returns whether a source is in the inventory.
    pub fn has(&self, source: &SourceName) -> bool {
        self.sources.iter().any(|source_inventory| source_inventory.reading.source.name == *source)
    }

    /// Collects inventories of sources, in any order.
    pub fn of(mut sources: Vec<SourceInventory>) -> Self {
        sources.sort_by(|a, b| a.reading.source.name.as_str().cmp(b.reading.source.name.as_str()));
        Self { sources }
    }
}

impl SourceInventory {
    /// Joins one reading. An account that matches the patterns of both break-glass and service accounts is break-glass.
    pub fn join(mut reading: SourceReading, classes: &Classes) -> Self {
        for user in &mut reading.users {
            user.kind = classify(user, classes);
        }
        for group in &mut reading.groups {
            let named = |p: &super::Pattern| p.matches(group.id.as_str(), group.name.as_deref());
            group.privileged = classes.privileged_groups.iter().any(named);
        }
        // Before members are counted, since the rows of failed lists are kept from earlier runs instead.
        reading.leave_out_failed();
        decide_members(&mut reading);
        let mut source_inventory = Self::restore(reading, !classes.privileged_groups.is_empty());
        source_inventory.count_members();
        source_inventory
    }

    /// Joins a reading whose rows are already classified and counted, as those of a snapshot are.
    ///
    /// `names_privileged_groups`: whether the configuration at that time named privileged groups.
    pub fn restore(mut reading: SourceReading, names_privileged_groups: bool) -> Self {
        // Lists grow by doubling, and an account is the largest row.
        reading.users.shrink_to_fit();
        reading.users.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        reading.groups.sort_by(|a, b| a.id.cmp(&b.id));
        sort_outside(&mut reading.outside);
        // After sorting, because memberships refer to positions.
        let places = reading.groups.iter().map(|group| group.id.clone()).zip(0u32..).collect();
        let Memberships { rows: memberships, tables } = Memberships::of(&reading, &places);
        let (known, groups_complete) = (KnownSource::default(), reading.coverage(ListKind::Groups).is_complete());
        Self { reading, memberships, known, tables, places, names_privileged_groups, groups_complete }
    }

    /// Adds rows that the reading lacks. Memberships lose their `seen` interval, since their positions change.
    #[must_use]
    pub fn with_rows(self, users: Vec<User>, groups: Vec<Group>, outside: Vec<Outside>) -> Self {
        let Self { mut reading, known, names_privileged_groups, .. } = self;
        reading.users.extend(users);
        reading.groups.extend(groups);
        reading.outside.extend(outside);
        Self { known, ..Self::restore(reading, names_privileged_groups) }
    }

    /// Returns the user with this id, if listed.
    pub fn user(&self, id: &UserId) -> Option<&User> {
        self.position_of_user(id).map(|at| &self.reading.users[at])
    }

    /// Returns the position in `users` of the user with this id, if listed.
    pub fn position_of_user(&self, id: &UserId) -> Option<usize> {
        self.reading.users.binary_search_by(|user| user.id.cmp(id)).ok()
    }

    /// Returns the position in `users` of the user with this id; if there is none, the position of the next user.
    ///
    /// The search starts at a position and doubles its steps, so that a near user is found with few comparisons.
    pub fn seek_user(&self, near: usize, id: &str) -> Result<usize, usize> {
        let users = &self.reading.users;
        let is_reached = |at: usize| users.get(at).is_some_and(|user| compare_ids(user.id.as_str(), id).is_le());
        let mut first = if is_reached(near) { near } else { 0 };
        let mut step = 1;
        while is_reached(first + step) {
            first += step;
            step *= 2;
        }
        let end = users.len().min(first + step + 1);
        let found = users[first..end].binary_search_by(|user| compare_ids(user.id.as_str(), id));
        found.map(|at| first + at).map_err(|at| first + at)
    }

    /// Returns the identity of a membership.
    pub fn pair(&self, membership: &Membership) -> Pair<'_> {
        let member = match (self.outside_member(membership), self.member(membership)) {
            (_, Some(user)) => MemberIdentity::User(&user.id),
            (Some(OutsideMember::Missing(id) | OutsideMember::Nested { user: id, .. }), None) => {
                MemberIdentity::User(id)
            }
            (Some(OutsideMember::Directory(name)), None) => MemberIdentity::Directory(name),
            // Unreachable: every position in a membership is valid.
            (None, None) => MemberIdentity::Directory(""),
        };
        Pair { group: self.group_id(membership), member }
    }

    /// Counts the members of groups whose members are all known.
    ///
    /// If the user list may be incomplete, a member without a record makes the count of users unknown: it may be a user
    /// or not.
    fn count_members(&mut self) {
        let Self { reading, memberships, tables, .. } = self;
        let users_whole = reading.coverage(ListKind::Users).is_complete();
        for group in &mut reading.groups {
            let zero_or_unknown = group.knows_members().then_some(0);
            (group.member_count, group.external_member_count) = (zero_or_unknown, zero_or_unknown);
        }
        for membership in memberships {
            let Some(group) = membership.group().and_then(|at| reading.groups.get_mut(at)) else { continue };
            let count = match tables.member(membership) {
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

    /// Returns the reported id of a membership's group, even if no such group is listed.
    pub fn group_id(&self, membership: &Membership) -> &GroupId {
        let stray = self.tables.stray(membership);
        stray.unwrap_or_else(|| &self.reading.groups[membership.group().unwrap_or_default()].id)
    }

    /// Returns the first and last run that read a membership; `None` before the merge with the known state.
    pub fn seen(&self, membership: &Membership) -> Option<SeenInterval> {
        self.tables.seen(membership)
    }

    /// Records the first and last run that read some memberships.
    pub fn set_seen(&mut self, memberships: Range<usize>, seen: Option<SeenInterval>) {
        self.tables.set_seen(&mut self.memberships[memberships], seen);
    }

    /// Returns the positions of a membership's member.
    pub fn place_of_member(&self, membership: &Membership) -> Member {
        self.tables.member(membership)
    }

    /// Returns the listed user of a membership, if there is one.
    pub fn member(&self, membership: &Membership) -> Option<&User> {
        match self.tables.member(membership) {
            Member::User(at) | Member::Nested(at, _) => self.reading.users.get(at as usize),
            Member::Outside(_) => None,
        }
    }

    /// Returns the entry of `outside` that a membership refers to, if there is one.
    pub fn outside_member(&self, membership: &Membership) -> Option<&OutsideMember> {
        match self.tables.member(membership) {
            Member::User(_) => None,
            Member::Nested(_, at) | Member::Outside(at) => {
                self.reading.outside.get(at as usize).map(|outside| &outside.member)
            }
        }
    }

    fn resolved(&self) -> impl Iterator<Item = (&GroupId, Member, Option<SeenInterval>)> {
        self.memberships.iter().map(|it| (self.group_id(it), self.tables.member(it), self.seen(it)))
    }

    /// Returns the group with this id, if listed.
    pub fn group(&self, id: &GroupId) -> Option<&Group> {
        self.position_of_group(id).map(|at| &self.reading.groups[at])
    }

    /// Returns the position in `groups` of the group with this id, if listed.
    pub fn position_of_group(&self, id: &GroupId) -> Option<usize> {
        self.places.get(id).map(|at| *at as usize)
    }

    /// Returns whether a user is privileged: an administrator by its own record, or a member of a privileged group.
    ///
    /// `None` if that is unknown, because memberships are unknown or name a group that an incomplete list may lack.
    pub fn privilege(&self, user: &User) -> Option<bool> {
        let groups = || user.group_memberships.iter().map(|id| self.group(id));
        if user.is_admin == Some(true) || groups().flatten().any(|group| group.privileged) {
            return Some(true);
        }
        let may_be_privileged = !user.groups_known || (!self.groups_complete && groups().any(|group| group.is_none()));
        if self.names_privileged_groups && may_be_privileged { None } else { Some(false) }
    }

    /// Returns whether a user is known to be privileged.
    pub fn is_privileged(&self, user: &User) -> bool {
        self.privilege(user) == Some(true)
    }
}

impl PartialEq for SourceInventory {
    /// Compares what memberships refer to, since positions in tables depend on the order of writing.
    fn eq(&self, other: &Self) -> bool {
        self.reading == other.reading
            && self.known == other.known
            && self.names_privileged_groups == other.names_privileged_groups
            && self.resolved().eq(other.resolved())
    }
}

/// Returns the kind of an account by the configured patterns. Emergency accounts take precedence, and a connector's
/// own classification (vendor, service) is kept.
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

/// Sorts by group, then missing users, directory members and nested users, whatever the order in which a source reports
/// them.
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

/// Decides by the coverage of lists whether the members of a group are known, if the connector did not.
///
/// The member lists decide if the source offers them, otherwise the users' own records. A user whose groups are unknown
/// may be in any group, so that the members of no group are known.
fn decide_members(reading: &mut SourceReading) {
    let details = reading.coverage(ListKind::UserDetails);
    let by_lists = match reading.coverage(ListKind::Members) {
        Coverage::NotOffered => {
            reading.coverage(ListKind::Users).is_complete()
                && (details.is_complete() || *details == Coverage::NotOffered)
                && reading.users.iter().all(|user| user.groups_known)
        }
        members => members.is_complete(),
    };
    for group in &mut reading.groups {
        group.members_known = group.members_known.or(Some(by_lists));
    }
}

#[cfg(test)]
mod tests;
