//! Memberships of one source in 16 bytes each, since an inventory holds millions of them.
//!
//! A [`Membership`] consists of positions. Only the [`SourceInventory`](super::SourceInventory) that it belongs to can
//! resolve them: to ids, accounts and the interval in which it was seen.

use super::{GroupId, Outside, OutsideMember, SeenInterval, SourceReading, UserId};
use ahash::AHashMap;

/// Member of a membership in a [`SourceInventory`](super::SourceInventory).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// A listed user, by position in `users`.
    User(u32),
    /// A listed user who is a member through a nested group: positions in `users` and in `outside`.
    Nested(u32, u32),
    /// A member without a listed account, by position in `outside`.
    Outside(u32),
}

/// A (group, member) pair, reported by the member's record or by the group.
#[derive(Clone, Copy, Debug)]
pub struct Membership {
    /// Position in `groups`, or in [`Memberships::strays`] if the group is not listed.
    group: u32,
    /// Position in the list that `kind` names.
    member: u32,
    /// Position in [`Intervals`].
    seen: u32,
    kind: MemberKind,
    is_group_listed: bool,
}

/// List that contains a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MemberKind {
    User,
    /// [`Memberships::nested`].
    Nested,
    Outside,
}

impl Membership {
    /// Returns the position of the group in `groups`; `None` if no such group is listed.
    pub fn group(&self) -> Option<usize> {
        self.is_group_listed.then_some(self.group as usize)
    }
}

/// All memberships of a source with the tables that resolve them.
#[derive(Clone, Debug, Default)]
pub(super) struct Memberships {
    /// Sorted by (group, member).
    pub(super) rows: Vec<Membership>,
    pub(super) tables: MembershipTables,
}

/// Tables that resolve the positions of memberships.
#[derive(Clone, Debug, Default)]
pub(super) struct MembershipTables {
    /// Ids of groups that are not listed, ascending.
    strays: Vec<GroupId>,
    /// Positions in `users` and in `outside` of users who are members through a nested group.
    nested: Vec<(u32, u32)>,
    intervals: Intervals,
}

impl MembershipTables {
    /// Returns the id of the group of a membership, if no such group is listed.
    pub(super) fn stray(&self, membership: &Membership) -> Option<&GroupId> {
        if membership.is_group_listed { None } else { self.strays.get(membership.group as usize) }
    }

    pub(super) fn member(&self, membership: &Membership) -> Member {
        match membership.kind {
            MemberKind::User => Member::User(membership.member),
            MemberKind::Outside => Member::Outside(membership.member),
            MemberKind::Nested => {
                let (user, outside) = self.nested[membership.member as usize];
                Member::Nested(user, outside)
            }
        }
    }

    pub(super) fn seen(&self, membership: &Membership) -> Option<SeenInterval> {
        self.intervals.list.get(membership.seen as usize).copied()
    }

    pub(super) fn set_seen(&mut self, memberships: &mut [Membership], seen: Option<SeenInterval>) {
        let place = seen.map_or(UNSEEN, |seen| self.intervals.place(seen));
        for membership in memberships {
            membership.seen = place;
        }
    }
}

/// Position of no interval.
const UNSEEN: u32 = u32::MAX;

/// Distinct intervals of a source. There are few, because a run confirms most rows together.
#[derive(Clone, Debug, Default)]
struct Intervals {
    list: Vec<SeenInterval>,
    places: AHashMap<SeenInterval, u32>,
}

impl Intervals {
    /// Returns the position of an interval, and adds it if it is new.
    fn place(&mut self, interval: SeenInterval) -> u32 {
        *self.places.entry(interval).or_insert_with(|| {
            self.list.push(interval);
            u32::try_from(self.list.len() - 1).unwrap_or(UNSEEN)
        })
    }
}

impl Memberships {
    /// Resolves every membership, sorted by group id, then by user id, then by the names of directory members.
    ///
    /// `places` has the positions of groups by id. The users, the groups and `outside` must be sorted.
    pub(super) fn of(reading: &SourceReading, places: &AHashMap<GroupId, u32>) -> Self {
        let mut repeated = Vec::new();
        let mut rows = unsorted(reading, places, &mut repeated);
        let strays = number_strays(&mut rows, &repeated);
        let order = Order::of(reading, &strays);
        // Members outside of the list of users may have equal keys; their positions are ascending, too.
        rows.sort_unstable_by_key(|row| (order.key(row), row.member));
        let nested = mark_nested(&mut rows, reading, &order, |id| match places.get(id) {
            Some(at) => Some((true, *at)),
            None => Some((false, position(strays.binary_search(id).ok()?))),
        });
        Self { rows, tables: MembershipTables { strays, nested, intervals: Intervals::default() } }
    }
}

/// Returns the memberships of the users' records, in the order of users, and then those of `outside`. The group of a
/// membership that is not listed is a position in `strays`, which may repeat an id.
fn unsorted(reading: &SourceReading, places: &AHashMap<GroupId, u32>, strays: &mut Vec<GroupId>) -> Vec<Membership> {
    let of_users: usize = reading.users.iter().map(|user| user.group_memberships.len()).sum();
    let mut rows = Vec::with_capacity(of_users + reading.outside.len());
    let mut add = |group_id: &GroupId, kind, member| {
        let listed = places.get(group_id).copied();
        let group = listed.unwrap_or_else(|| {
            strays.push(group_id.clone());
            position(strays.len() - 1)
        });
        rows.push(Membership { group, member, seen: UNSEEN, kind, is_group_listed: listed.is_some() });
    };
    for (user, at) in reading.users.iter().zip(0u32..) {
        user.group_memberships.iter().for_each(|id| add(id, MemberKind::User, at));
    }
    for (Outside { group_id, member }, at) in reading.outside.iter().zip(0u32..) {
        // A nested member is in the user's own record too, so its membership exists already and only needs the mark.
        if !matches!(member, OutsideMember::Nested { .. }) {
            add(group_id, MemberKind::Outside, at);
        }
    }
    rows
}

/// Returns the distinct ids of groups that are not listed, ascending, and corrects the positions in them.
fn number_strays(rows: &mut [Membership], repeated: &[GroupId]) -> Vec<GroupId> {
    let mut strays = repeated.to_vec();
    strays.sort();
    strays.dedup();
    for row in rows.iter_mut().filter(|row| !row.is_group_listed) {
        row.group = position(strays.partition_point(|id| *id < repeated[row.group as usize]));
    }
    strays
}

/// Sort order of memberships. Lists are sorted, so that positions compare like ids but faster.
///
/// Odd ranks are positions. Even ranks lie between them: those of groups and users that are not listed.
struct Order {
    strays: Vec<u64>,
    outside: Vec<u64>,
}

impl Order {
    fn of(reading: &SourceReading, strays: &[GroupId]) -> Self {
        let SourceReading { users, groups, outside, .. } = reading;
        let stray = |id: &GroupId| 2 * groups.partition_point(|group| group.id < *id) as u64;
        let outside = outside.iter().map(|outside| match &outside.member {
            OutsideMember::Missing(id) => 2 * users.partition_point(|user| user.id < *id) as u64,
            OutsideMember::Directory(_) | OutsideMember::Nested { .. } => u64::MAX,
        });
        Self { strays: strays.iter().map(stray).collect(), outside: outside.collect() }
    }

    /// Returns the key of a membership that is not yet marked as nested.
    fn key(&self, row: &Membership) -> (u64, u32, u64) {
        let member = match row.kind {
            MemberKind::Outside => self.outside[row.member as usize],
            MemberKind::User | MemberKind::Nested => listed(row.member),
        };
        self.key_of(row.is_group_listed, row.group, member)
    }

    /// Groups that are not listed may have the same rank; their positions are ascending, too.
    fn key_of(&self, is_group_listed: bool, group: u32, member: u64) -> (u64, u32, u64) {
        (if is_group_listed { listed(group) } else { self.strays[group as usize] }, group, member)
    }
}

/// Returns the rank of a listed row.
fn listed(at: u32) -> u64 {
    2 * u64::from(at) + 1
}

/// Marks the memberships of users who are members through a nested group. `place` returns whether a group is listed,
/// and its position. Returns the positions in `users` and in `outside`.
fn mark_nested(
    rows: &mut [Membership],
    reading: &SourceReading,
    order: &Order,
    place: impl Fn(&GroupId) -> Option<(bool, u32)>,
) -> Vec<(u32, u32)> {
    let user_at = |id: &UserId| reading.users.binary_search_by(|user| user.id.cmp(id)).ok();
    let find = |Outside { group_id, member }: &Outside| {
        let OutsideMember::Nested { user, .. } = member else { return None };
        let ((is_listed, group), user) = (place(group_id)?, position(user_at(user)?));
        let key = order.key_of(is_listed, group, listed(user));
        Some((rows.binary_search_by_key(&key, |row| order.key(row)).ok()?, user))
    };
    let found: Vec<_> = reading.outside.iter().zip(0u32..).filter_map(|(entry, at)| Some((find(entry)?, at))).collect();
    let mut nested = Vec::with_capacity(found.len());
    for ((row, user), outside) in found {
        (rows[row].kind, rows[row].member) = (MemberKind::Nested, position(nested.len()));
        nested.push((user, outside));
    }
    nested
}

/// Returns a position as a row stores it. No source has four thousand million rows.
fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Instant;

    #[test]
    fn a_membership_takes_sixteen_bytes() {
        assert_eq!(size_of::<Membership>(), 16);
    }

    #[test]
    fn equal_intervals_are_stored_once() {
        let mut intervals = Intervals::default();
        let (early, late) = (SeenInterval::at(Instant::MIN_UTC), SeenInterval::at(Instant::MAX_UTC));
        assert_eq!([early, late, early].map(|interval| intervals.place(interval)), [0, 1, 0]);
        assert_eq!(intervals.list, [early, late]);
    }
}
