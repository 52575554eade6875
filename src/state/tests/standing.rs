//! Tests of the standing of accounts in changes.

use super::*;
use crate::model::{AccountStanding, Contact};

fn at(day: i64) -> Instant {
    "2026-11-01T02:00:00Z".parse::<Instant>().unwrap() + TimeDelta::days(day)
}

fn member(id: &str, groups: &[&str], enabled: bool) -> User {
    User {
        username: Some(format!("user-{id}").into()),
        display_name: Some("Ann Hill".into()),
        email_address: Some("ann@example.com".into()),
        enabled: Some(enabled),
        group_memberships: groups.iter().map(|id| GroupId::from(*id)).collect(),
        groups_known: true,
        ..User::new(id)
    }
}

fn groups() -> Vec<Group> {
    [("1", "Operators"), ("2", "Admins")].map(|(id, name)| Group { name: Some(name.into()), ..Group::new(id) }).into()
}

/// Returns the changes between two readings, after the state was settled.
fn settled(old: SourceReading, new: SourceReading) -> Vec<Change> {
    let mut advanced = SettledRun::first(one(old), "run-0", at(0)).read(one(new), "run-1", at(1));
    advanced.settle();
    advanced.changes
}

/// Returns the standing of the account of the first change of a kind.
fn standing(changes: &[Change], kind: ChangeKind) -> AccountStanding {
    let change = changes.iter().find(|change| change.kind == kind).unwrap();
    change.account.as_deref().unwrap().clone()
}

#[test]
fn an_account_that_is_enabled_again_has_the_standing_that_it_has_now() {
    for (groups_now, privileged, severity) in [(&["2"][..], Some(true), "high"), (&["1"], Some(false), "low")] {
        let old = source(vec![member("7", groups_now, false)], groups());
        let changes = settled(old, source(vec![member("7", groups_now, true)], groups()));
        assert_eq!(changes[0].severity().as_str(), severity);
        let expected = AccountStanding {
            kind: UserKind::Person,
            enabled: Some(true),
            privileged,
            contact: Contact { email: Some("ann@example.com".into()), display_name: Some("Ann Hill".into()) },
        };
        assert_eq!(standing(&changes, ChangeKind::UserEnabled), expected);
    }
}

#[test]
fn a_removed_account_has_its_last_known_standing_even_if_its_group_was_removed_too() {
    for (groups_before, privileged) in [(&["1", "2"][..], true), (&["1"], false)] {
        let old = source(vec![member("7", groups_before, false), member("8", &[], true)], groups());
        for groups_now in [groups(), Vec::new()] {
            let changes = settled(old.clone(), source(vec![member("8", &[], true)], groups_now));
            let removed = standing(&changes, ChangeKind::UserRemoved);
            assert_eq!((removed.privileged, removed.enabled), (Some(privileged), Some(false)));
            assert_eq!(removed.contact.email.as_deref(), Some("ann@example.com"));
            assert_eq!(standing(&changes, ChangeKind::MembershipRemoved), removed, "the same in each of its events");
        }
    }
}

#[test]
fn a_change_of_a_group_has_no_account() {
    let changes = settled(source(vec![member("8", &[], true)], groups()), source(vec![member("8", &[], true)], vec![]));
    assert!(!changes.is_empty() && changes.iter().all(|change| change.account.is_none()), "{changes:?}");
}
