//! Seeded worlds: the same for the same seed, of any size, with every kind of unusual record.

use super::*;
use crate::CANARY;
use std::collections::BTreeSet;

fn all(world: &World) -> String {
    let users: Vec<_> = world.users().map(|(_, user)| user.clone()).collect();
    let groups: Vec<_> = world.groups().map(|(_, group)| group.clone()).collect();
    json!({"users": users, "groups": groups}).to_string()
}

#[test]
fn worlds_and_their_changes_depend_only_on_the_seed() {
    let world = || World::seeded(7, 500, as_of());
    assert_eq!(all(&world()), all(&world()));
    assert_ne!(all(&world()), all(&World::seeded(8, 500, as_of())));
    let (mut one, mut other) = (world(), world());
    one.simulate_day(3, as_of());
    other.simulate_day(3, as_of());
    assert_eq!(all(&one), all(&other));
    assert_ne!(all(&one), all(&world()));
}

#[test]
fn a_world_has_the_requested_number_of_users() {
    for users in [0, 1, 2, 5, 19, 20, 199, 200, 201, 1000] {
        let world = World::seeded(1, users, as_of());
        assert_eq!(world.user_count(), users);
        assert_eq!(world.group_count(), (users / 50).max(8));
        let names: BTreeSet<&str> = world.users().filter_map(|(_, u)| u.get("username")?.as_str()).collect();
        let with_a_name = world.users().filter(|(_, u)| u.get("username").is_some_and(Value::is_string)).count();
        assert_eq!(names.len(), with_a_name, "usernames are unique");
    }
}

#[test]
fn worlds_of_200_users_have_every_kind_of_unusual_record() {
    for seed in 0..5 {
        let text = all(&World::seeded(seed, 200, as_of()));
        for sort in [
            "=cmd|",
            "\\t=1",
            "\\u0000",
            "\u{202e}",
            "0001-01-01",
            "\"Never\"",
            "yesterday",
            "9999-12-31",
            "-0500",
            ".123456789Z",
            ":60Z",
            "999983",
            "legacy-admins",
            CANARY,
            "svc-odd",
            "emergency-1",
            "LOCAL",
            "1700000000",
            "\"group_memberships\":null",
            "\"enabled\":null",
            "\"account_type\":null",
            "\"last_login\":null",
        ] {
            assert!(text.contains(sort), "{sort} is missing with seed {seed}");
        }
        let lacks = |key: &str| World::seeded(seed, 200, as_of()).users().any(|(_, user)| !user.contains_key(key));
        assert!(["last_login", "created_at", "email_address", "group_memberships", "enabled"].iter().all(|k| lacks(k)));
    }
}

#[test]
fn an_ordinary_world_has_complete_records_with_the_same_fields() {
    let world = World::ordinary(1, 300, as_of());
    let shapes: BTreeSet<Vec<&String>> = world.users().map(|(_, user)| user.keys().collect()).collect();
    assert_eq!(shapes.len(), 1);
    assert_eq!(shapes.first().map(Vec::len), Some(11));
}

#[test]
fn ids_have_gaps_and_are_never_used_twice() {
    let mut world = World::seeded(1, 100, as_of());
    let last = *world.user_ids().last().unwrap();
    assert!(last > 120, "{last}");
    assert!(world.remove_user(last));
    assert_eq!(world.add_user(crate::Record::new()), last + 1);
}

#[test]
fn a_day_adds_removes_and_changes_users() {
    let mut world = World::seeded(1, 2500, as_of());
    let before = world.clone();
    world.simulate_day(1, as_of() + chrono::TimeDelta::days(1));
    let (old, new) = (before.user_ids(), world.user_ids());
    assert_eq!(new.difference(&old).count(), 10);
    assert!((1..20).contains(&old.difference(&new).count()));
    let changed = world.users().filter(|(id, user)| before.user(*id).is_some_and(|old| old != *user)).count();
    assert!(changed > 500, "{changed}");
}
