//! Which lists of a known source are suspicious when it is read again.

use super::*;
use crate::model::{Classes, Group, Inventory, SourceIdentity, User};
use crate::state::Advance;
use crate::state::test_support::SettledRun;

fn proven() -> Coverage {
    Coverage::Complete { proof: "p".to_owned() }
}

fn list(kind: ListKind, coverage: Coverage) -> ListReport {
    ListReport::of_rows(kind, 0, coverage)
}

/// A reading with this many users and groups. Every user is a member of the named group.
fn reading(users: usize, groups: usize, member_of: Option<&str>) -> SourceReading {
    let user = |n: usize| User {
        group_memberships: member_of.iter().map(|id| (*id).into()).collect(),
        groups_known: true,
        ..User::new(n.to_string())
    };
    let (name, kind) = ("eu".into(), "rest-v3".to_owned());
    SourceReading {
        users: (0..users).map(user).collect(),
        groups: (0..groups).map(|n| Group::new(n.to_string())).collect(),
        lists: vec![list(ListKind::Users, proven()), list(ListKind::Groups, proven())],
        ..SourceReading::of(SourceIdentity { name, kind, url: String::new(), client_id: String::new() })
    }
}

/// A reading with an additional list of accounts.
fn with(kind: ListKind, prefix: &str, rows: usize, coverage: Coverage) -> SourceReading {
    let mut reading = reading(100, 3, None);
    reading.users.extend((0..rows).map(|n| User::new(format!("{prefix}{n}"))));
    reading.lists.push(list(ListKind::Vendors, proven()));
    reading.lists.retain(|list| list.kind != kind);
    reading.lists.push(list(kind, coverage));
    reading
}

fn joined(reading: SourceReading) -> Inventory {
    Inventory::join(vec![reading], &Classes::default())
}

/// Returns the messages about a source that was read as `before`, if at all, and is read as `now`.
fn messages(before: Option<SourceReading>, now: SourceReading, percent: u8) -> Vec<String> {
    let at = |text: &str| text.parse::<Instant>().unwrap();
    let (first, second) = (at("2026-11-22T02:00:00Z"), at("2026-11-23T02:00:00Z"));
    let advanced = match before {
        Some(before) => SettledRun::first(joined(before), "1", first).read(joined(now), "2", second),
        None => Advance::by_reading(joined(now), "2", second, None).finish(),
    };
    suspects(&advanced, percent).iter().map(ToString::to_string).collect()
}

fn users(before: Option<usize>, now: usize, percent: u8) -> bool {
    !messages(before.map(|users| reading(users, 0, None)), reading(now, 0, None), percent).is_empty()
}

#[test]
fn an_empty_source_is_suspicious_unless_it_was_empty_before() {
    assert!(users(None, 0, 20) && users(Some(3), 0, 20));
    assert!(!users(Some(0), 0, 20));
}

#[test]
fn a_source_that_lost_more_than_25_users_and_the_percentage_is_suspicious() {
    assert!(!users(Some(1000), 800, 20), "exactly the limit");
    assert!(users(Some(1000), 799, 20));
    assert!(!users(Some(50), 25, 20), "only 25 gone");
    assert!(users(Some(50), 24, 20));
    assert!(!users(Some(1000), 1, 100));
    assert!(!users(Some(10), 2000, 0));
}

#[test]
fn users_who_were_replaced_by_as_many_new_ones_are_missing() {
    let mut others = reading(100, 0, None);
    others.users = (1000..1100).map(|n: u32| User::new(n.to_string())).collect();
    let message = "source eu: 100 of 100 known users are missing (100 %, limit 20 %); 100 read";
    assert_eq!(messages(Some(reading(100, 0, None)), others, 20), [message]);
}

#[test]
fn an_empty_group_list_is_suspicious_if_there_were_groups_or_users_are_members() {
    let groups =
        |before: Option<usize>, now: SourceReading| messages(before.map(|groups| reading(9, groups, None)), now, 20);
    assert!(groups(Some(2), reading(9, 0, None))[0].contains("2 of 2 known groups are missing"));
    assert!(
        groups(None, reading(9, 0, Some("7")))[0]
            .contains("the list of groups is empty, but users are members of groups")
    );
    assert!(groups(None, reading(9, 0, None)).is_empty(), "a tenant without groups");
    assert!(groups(Some(0), reading(9, 0, Some("7"))).is_empty(), "confirmed before");
    assert!(
        groups(Some(1000), reading(9, 700, None))[0]
            .contains("300 of 1,000 known groups are missing (30 %, limit 20 %); 700 read")
    );
}

#[test]
fn every_list_of_accounts_is_guarded_on_its_own() {
    for (kind, prefix) in [(ListKind::VendorUsers, "vendor-user:"), (ListKind::ApiAccounts, "api-account:")] {
        let rows =
            |before, now| messages(Some(with(kind, prefix, before, proven())), with(kind, prefix, now, proven()), 20);
        assert_eq!(rows(100, 80), Vec::<String>::new(), "the limit");
        assert!(rows(100, 70)[0].contains(&format!("30 of 100 known {} are missing", kind.in_words())));
        assert!(rows(2, 0)[0].contains("2 of 2 known"), "an empty list of accounts is suspicious even if it was small");
    }
    // Accounts of other lists do not make up for missing users.
    let mut gone = with(ListKind::ApiAccounts, "api-account:", 50, proven());
    gone.users.retain(|user| user.id.as_str().starts_with("api-account:"));
    assert!(messages(None, gone, 20)[0].contains("the list of users is empty"));
}

#[test]
fn a_list_that_had_rows_and_is_no_longer_offered_is_suspicious() {
    let before = || Some(with(ListKind::ApiAccounts, "api-account:", 7, proven()));
    let now = |coverage| with(ListKind::ApiAccounts, "api-account:", 0, coverage);
    let message = "source eu: 7 of 7 known api accounts are missing (100 %, limit 20 %); 0 read";
    assert_eq!(messages(before(), now(Coverage::NotOffered), 20), [message]);
    assert_eq!(messages(before(), reading(100, 3, None), 20), [message], "the list was not even requested");
    assert!(
        messages(before(), now(Coverage::Failed { error: "500".to_owned() }), 20).is_empty(),
        "a failure is no shrink"
    );
    let mut gone = with(ListKind::VendorUsers, "vendor-user:", 3, proven());
    gone.groups.push(Group::new("vendor:1"));
    let messages = messages(Some(gone), reading(100, 3, None), 20);
    assert_eq!(messages.len(), 2, "vendors and their users: {messages:?}");
    let mut confirmed = now(Coverage::NotOffered);
    confirm_gone(&mut confirmed, ListKind::ApiAccounts, "confirmed by o".to_owned());
    let at = |text: &str| text.parse::<Instant>().unwrap();
    let kept = SettledRun::first(joined(before().unwrap()), "1", at("2026-11-22T02:00:00Z"));
    let advanced = kept.read(joined(confirmed), "2", at("2026-11-23T02:00:00Z"));
    assert_eq!(advanced.changes.len(), 7, "confirmed rows are removed");
}

#[test]
fn groups_without_any_member_are_suspicious_in_a_larger_tenant() {
    let members = |users: usize| {
        let mut reading = reading(users, 3, None);
        reading.lists.push(list(ListKind::Members, proven()));
        messages(None, reading, 20)
    };
    assert_eq!(members(26), ["source eu: groups are listed, but none has a member"]);
    assert!(members(25).is_empty());
}

#[test]
fn lists_that_failed_or_drifted_are_not_suspicious_because_they_remove_nothing() {
    for coverage in [Coverage::Failed { error: "403".to_owned() }, Coverage::Drifted { why: "it moved".to_owned() }] {
        let mut now = reading(9, 0, Some("7"));
        now.lists[1].coverage = coverage.clone();
        assert!(messages(Some(reading(9, 100, None)), now, 20).is_empty());
        let mut now = reading(1, 0, None);
        now.lists[0].coverage = coverage;
        assert!(messages(Some(reading(100, 0, None)), now, 20).is_empty());
    }
}

#[test]
fn missing_members_are_not_suspicious_if_the_group_list_failed() {
    let members = |groups: Coverage, member_of: Option<&str>| {
        let mut reading = reading(100, 1, member_of);
        reading.lists[1].coverage = groups;
        reading.lists.push(list(ListKind::Members, proven()));
        reading
    };
    let forbidden = members(Coverage::Failed { error: "403".to_owned() }, None);
    assert!(messages(Some(members(proven(), Some("0"))), forbidden, 20).is_empty());
    let emptied = messages(Some(members(proven(), Some("0"))), members(proven(), None), 20);
    assert_eq!(emptied, ["source eu: 100 of 100 known members are missing (100 %, limit 20 %); 0 read"]);
}
