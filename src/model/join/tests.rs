//! The join against an oracle that resolves and sorts the slow way, over random readings.

use super::*;
use crate::model::{ListReport, SourceIdentity};

/// Sort key of an id, written independently of [`crate::model::compare_ids`]: numbers by value, then other text.
fn id_key(id: &str) -> (bool, u64, String) {
    (id.parse::<u64>().is_err(), id.parse().unwrap_or(0), id.to_owned())
}

/// One membership: its group, whether the member exists only in a directory, and the member.
type Pairing = ((bool, u64, String), bool, (bool, u64, String), String);

fn user_in(group: &str, user: &str) -> Pairing {
    (id_key(group), false, id_key(user), String::new())
}

fn directory_member_in(group: &str, name: &str) -> Pairing {
    (id_key(group), true, (false, 0, String::new()), name.to_owned())
}

fn some_id(rng: &mut fastrand::Rng, limit: u32) -> String {
    let number = rng.u32(..limit);
    if rng.u8(..5) == 0 { format!("vendor:{number}") } else { number.to_string() }
}

fn empty_reading() -> SourceReading {
    let source = SourceIdentity { name: "eu".into(), kind: "sra".into(), url: String::new(), client_id: String::new() };
    SourceReading::of(source)
}

/// A random reading: some memberships name groups that are not listed, some members are not in the user list.
fn random_reading(rng: &mut fastrand::Rng) -> SourceReading {
    let mut reading = empty_reading();
    let users: std::collections::BTreeSet<String> = (0..rng.usize(0..40)).map(|_| some_id(rng, 60)).collect();
    let groups: std::collections::BTreeSet<String> = (0..rng.usize(0..10)).map(|_| some_id(rng, 12)).collect();
    reading.groups = groups.iter().map(|id| Group { members_known: Some(true), ..Group::new(id.as_str()) }).collect();
    for id in &users {
        let mut of_user: Vec<GroupId> = (0..rng.usize(0..4)).map(|_| some_id(rng, 12).as_str().into()).collect();
        of_user.sort();
        of_user.dedup();
        for group_id in of_user.iter().filter(|_| rng.u8(..4) == 0).cloned().collect::<Vec<_>>() {
            let member = OutsideMember::Nested { user: id.as_str().into(), through: "inner".into() };
            reading.outside.push(Outside { group_id, member });
        }
        reading.users.push(User { group_memberships: of_user.into(), ..User::new(id.as_str()) });
    }
    let mut known = std::collections::BTreeSet::new();
    for _ in 0..rng.usize(0..60) {
        let (group, member) = (some_id(rng, 12), some_id(rng, 200));
        let is_user = rng.bool();
        if (is_user && users.contains(&member)) || !known.insert((group.clone(), member.clone(), is_user)) {
            continue;
        }
        let member = if is_user {
            OutsideMember::Missing(member.as_str().into())
        } else {
            OutsideMember::Directory(member.into())
        };
        reading.outside.push(Outside { group_id: group.as_str().into(), member });
    }
    let complete = || Coverage::Complete { proof: String::new() };
    reading.lists =
        [ListKind::Users, ListKind::Groups].map(|kind| ListReport::of_rows(kind, 1, complete())).into_iter().collect();
    reading
}

/// The memberships of a reading in the documented order: by group id, users by id, then directory members by name.
fn expected_pairings(reading: &SourceReading) -> Vec<Pairing> {
    let of_records = reading.users.iter().flat_map(|user| {
        user.group_memberships.iter().map(|group| user_in(group.as_str(), user.id.as_str())).collect::<Vec<_>>()
    });
    let of_outside = reading.outside.iter().filter_map(|Outside { group_id, member }| match member {
        OutsideMember::Missing(user) => Some(user_in(group_id.as_str(), user.as_str())),
        OutsideMember::Directory(name) => Some(directory_member_in(group_id.as_str(), name)),
        // The user's own record has the membership already.
        OutsideMember::Nested { .. } => None,
    });
    let mut all: Vec<Pairing> = of_records.chain(of_outside).collect();
    all.sort();
    all
}

fn pairings(joined: &SourceInventory) -> Vec<Pairing> {
    let pairing = |membership| {
        let Pair { group, member } = joined.pair(membership);
        match member {
            MemberIdentity::User(user) => user_in(group.as_str(), user.as_str()),
            MemberIdentity::Directory(name) => directory_member_in(group.as_str(), name),
        }
    };
    joined.memberships.iter().map(pairing).collect()
}

#[test]
fn every_membership_is_resolved_and_sorted_as_the_oracle_does_it() {
    for seed in 0..400 {
        let reading = random_reading(&mut fastrand::Rng::with_seed(seed));
        let joined = SourceInventory::join(reading.clone(), &Classes::default());
        assert_eq!(pairings(&joined), expected_pairings(&reading), "seed {seed}");
        for membership in &joined.memberships {
            let group_id = joined.group_id(membership);
            let listed = reading.groups.iter().any(|group| group.id == *group_id);
            let resolved = membership.group().map(|at| &joined.reading.groups[at].id);
            assert_eq!(resolved, listed.then_some(group_id), "seed {seed}");
            let is_nested = matches!(joined.outside_member(membership), Some(OutsideMember::Nested { .. }));
            let expected = reading.outside.iter().any(|outside| {
                let OutsideMember::Nested { user, .. } = &outside.member else { return false };
                outside.group_id == *group_id && joined.member(membership).is_some_and(|it| it.id == *user)
            });
            assert_eq!(is_nested, expected, "seed {seed}");
        }
    }
}

#[test]
fn members_are_counted_by_group_as_the_oracle_counts_them() {
    for seed in 0..400 {
        let reading = random_reading(&mut fastrand::Rng::with_seed(seed));
        let joined = SourceInventory::join(reading.clone(), &Classes::default());
        for group in &joined.reading.groups {
            let users = reading.users.iter().filter(|user| user.group_memberships.contains(&group.id)).count();
            let is_directory = |outside: &&Outside| matches!(outside.member, OutsideMember::Directory(_));
            let external = reading.outside.iter().filter(|it| it.group_id == group.id).filter(is_directory).count();
            assert_eq!(group.member_count, Some(users as u64), "seed {seed}, group {}", group.id);
            assert_eq!(group.external_member_count, Some(external as u64), "seed {seed}, group {}", group.id);
        }
    }
}

#[test]
fn an_incomplete_user_list_makes_the_count_unknown_where_a_member_has_no_record() {
    let mut reading = random_reading(&mut fastrand::Rng::with_seed(7));
    reading.lists[0].coverage = Coverage::Drifted { why: String::new() };
    reading.groups = vec![
        Group { members_known: Some(true), ..Group::new("1") },
        Group { members_known: Some(true), ..Group::new("2") },
    ];
    reading.users.clear();
    reading.outside = vec![Outside { group_id: "1".into(), member: OutsideMember::Missing("900".into()) }];
    let joined = SourceInventory::join(reading, &Classes::default());
    let counts: Vec<Option<u64>> = joined.reading.groups.iter().map(|group| group.member_count).collect();
    assert_eq!(counts, [None, Some(0)]);
}

#[test]
fn the_order_of_rows_in_the_source_does_not_matter() {
    for seed in 0..100 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let reading = random_reading(&mut rng);
        let mut shuffled = reading.clone();
        rng.shuffle(&mut shuffled.users);
        rng.shuffle(&mut shuffled.groups);
        rng.shuffle(&mut shuffled.outside);
        let classes = Classes::default();
        assert_eq!(SourceInventory::join(shuffled, &classes), SourceInventory::join(reading, &classes), "seed {seed}");
    }
}

#[test]
fn outside_members_are_sorted_by_group_then_kind_then_id_or_name() {
    let sort_key = |outside: &Outside| {
        let (rank, id, name) = match &outside.member {
            OutsideMember::Missing(user) => (0, id_key(user.as_str()), String::new()),
            OutsideMember::Directory(name) => (1, id_key("0"), name.to_string()),
            OutsideMember::Nested { user, .. } => (2, id_key(user.as_str()), String::new()),
        };
        (id_key(outside.group_id.as_str()), rank, id, name)
    };
    for seed in 0..400 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut outside: Vec<Outside> = (0..rng.usize(20..400))
            .map(|number| {
                let member = match rng.u8(..3) {
                    0 => OutsideMember::Missing(some_id(&mut rng, 100_000).as_str().into()),
                    1 => OutsideMember::Directory(format!("CN={:05},{number}", rng.u32(..99_999)).into()),
                    _ => OutsideMember::Nested { user: some_id(&mut rng, 50).as_str().into(), through: "inner".into() },
                };
                Outside { group_id: some_id(&mut rng, 40).as_str().into(), member }
            })
            .collect();
        let mut expected = outside.clone();
        expected.sort_by_key(sort_key);
        sort_outside(&mut outside);
        assert_eq!(outside, expected, "seed {seed}");
    }
}

#[test]
fn a_user_is_found_from_every_position() {
    for count in [0, 1, 2, 3, 7, 8, 100] {
        let users: Vec<User> = (0..count).map(|id: usize| User::new((2 * id).to_string())).collect();
        let joined = SourceInventory::join(SourceReading { users, ..empty_reading() }, &Classes::default());
        for near in [0, 1, 5, 50, 99, 1_000] {
            for id in 0..=2 * count {
                let at = id.div_ceil(2).min(count);
                let expected = if id % 2 == 0 && at < count { Ok(at) } else { Err(at) };
                assert_eq!(joined.seek_user(near, &id.to_string()), expected, "{id} from {near} of {count}");
            }
        }
    }
}
