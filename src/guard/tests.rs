//! What is suspicious, of one source that was known and is read again.

use super::*;
use crate::model::{Classes, Group, Inventory, SourceIdentity, User};
use crate::state::Advance;
use crate::state::memory::SettledRun;

fn proven() -> Coverage {
    Coverage::Complete { proof: "p".to_owned() }
}

fn list(kind: ListKind, coverage: Coverage) -> ListReport {
    ListReport::of_rows(kind, 0, coverage)
}

/// So many users and groups; every user in the group that is named.
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

/// With a list of accounts of its own.
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

/// What is said of a source that was read as `before`, if at all, and is read now.
fn said(before: Option<SourceReading>, now: SourceReading, percent: u8) -> Vec<String> {
    let at = |text: &str| text.parse::<Instant>().unwrap();
    let (first, second) = (at("2026-11-22T02:00:00Z"), at("2026-11-23T02:00:00Z"));
    let advanced = match before {
        Some(before) => SettledRun::first(joined(before), "1", first).read(joined(now), "2", second),
        None => Advance::by_reading(joined(now), "2", second, None).finish(),
    };
    suspects(&advanced, percent).iter().map(ToString::to_string).collect()
}

fn users(before: Option<usize>, now: usize, percent: u8) -> bool {
    !said(before.map(|users| reading(users, 0, None)), reading(now, 0, None), percent).is_empty()
}

#[test]
fn an_empty_source_is_suspicious_unless_it_was_empty_before() {
    assert!(users(None, 0, 20) && users(Some(3), 0, 20));
    assert!(!users(Some(0), 0, 20));
}

#[test]
fn a_shrunken_source_is_suspicious_beyond_the_percentage_and_25_users() {
    assert!(!users(Some(1000), 800, 20), "exactly the limit");
    assert!(users(Some(1000), 799, 20));
    assert!(!users(Some(50), 25, 20), "only 25 gone");
    assert!(users(Some(50), 24, 20));
    assert!(!users(Some(1000), 1, 100));
    assert!(!users(Some(10), 2000, 0));
}

#[test]
fn users_whose_places_others_took_are_gone_all_the_same() {
    let mut others = reading(100, 0, None);
    others.users = (1000..1100).map(|n: u32| User::new(n.to_string())).collect();
    let words = "source eu has 100 users, 100 are known: 100 gone (100 %, limit 20 %)";
    assert_eq!(said(Some(reading(100, 0, None)), others, 20), [words]);
}

#[test]
fn a_list_of_groups_that_came_back_empty_is_suspicious_where_there_were_groups_or_users_name_them() {
    let groups =
        |before: Option<usize>, now: SourceReading| said(before.map(|groups| reading(9, groups, None)), now, 20);
    assert!(groups(Some(2), reading(9, 0, None))[0].contains("has 0 groups, 2 are known"));
    assert!(groups(None, reading(9, 0, Some("7")))[0].contains("lists no group, but its users name groups"));
    assert!(groups(None, reading(9, 0, None)).is_empty(), "a tenant without groups");
    assert!(groups(Some(0), reading(9, 0, Some("7"))).is_empty(), "confirmed before");
    assert!(groups(Some(1000), reading(9, 700, None))[0].contains("300 gone (30 %, limit 20 %)"));
}

#[test]
fn every_list_that_makes_accounts_is_guarded_by_itself() {
    for (kind, prefix) in [(ListKind::VendorUsers, "vendor-user:"), (ListKind::ApiAccounts, "api-account:")] {
        let rows =
            |before, now| said(Some(with(kind, prefix, before, proven())), with(kind, prefix, now, proven()), 20);
        assert_eq!(rows(100, 80), Vec::<String>::new(), "the limit");
        assert!(rows(100, 70)[0].contains(&format!("has 70 {}, 100 are known", kind.as_str())));
        assert!(rows(2, 0)[0].contains("2 gone"), "the account that reads is one of them");
    }
    // The accounts of other lists do not make up for users who are gone.
    let mut gone = with(ListKind::ApiAccounts, "api-account:", 50, proven());
    gone.users.retain(|user| user.id.as_str().starts_with("api-account:"));
    assert!(said(None, gone, 20)[0].contains("came back empty"));
}

#[test]
fn a_list_that_had_rows_and_is_not_offered_any_more_is_suspicious() {
    let before = || Some(with(ListKind::ApiAccounts, "api-account:", 7, proven()));
    let now = |coverage| with(ListKind::ApiAccounts, "api-account:", 0, coverage);
    let words = "source eu has 0 api-accounts, 7 are known: 7 gone (100 %, limit 20 %)";
    assert_eq!(said(before(), now(Coverage::NotOffered), 20), [words]);
    assert_eq!(said(before(), reading(100, 3, None), 20), [words], "not even tried");
    assert!(said(before(), now(Coverage::Failed { error: "500".to_owned() }), 20).is_empty(), "reported by itself");
    let mut gone = with(ListKind::VendorUsers, "vendor-user:", 3, proven());
    gone.groups.push(Group::new("vendor:1"));
    let words = said(Some(gone), reading(100, 3, None), 20);
    assert_eq!(words.len(), 2, "vendors and their people: {words:?}");
    let mut confirmed = now(Coverage::NotOffered);
    confirm_gone(&mut confirmed, ListKind::ApiAccounts, "confirmed by o".to_owned());
    let at = |text: &str| text.parse::<Instant>().unwrap();
    let kept = SettledRun::first(joined(before().unwrap()), "1", at("2026-11-22T02:00:00Z"));
    let advanced = kept.read(joined(confirmed), "2", at("2026-11-23T02:00:00Z"));
    assert_eq!(advanced.changes.len(), 7, "what is confirmed to be gone is removed");
}

#[test]
fn groups_without_a_single_member_are_suspicious_in_a_tenant_of_some_size() {
    let members = |users: usize| {
        let mut reading = reading(users, 3, None);
        reading.lists.push(list(ListKind::Members, proven()));
        said(None, reading, 20)
    };
    assert_eq!(members(26), ["source eu lists groups, but not one member of any"]);
    assert!(members(25).is_empty());
}

#[test]
fn lists_that_failed_or_drifted_are_no_suspects_for_they_remove_nothing() {
    for coverage in [Coverage::Failed { error: "403".to_owned() }, Coverage::Drifted { why: "it moved".to_owned() }] {
        let mut now = reading(9, 0, Some("7"));
        now.lists[1].coverage = coverage.clone();
        assert!(said(Some(reading(9, 100, None)), now, 20).is_empty());
        let mut now = reading(1, 0, None);
        now.lists[0].coverage = coverage;
        assert!(said(Some(reading(100, 0, None)), now, 20).is_empty());
    }
}

#[test]
fn groups_that_are_forbidden_are_no_shrinking_of_members() {
    let members = |groups: Coverage, member_of: Option<&str>| {
        let mut reading = reading(100, 1, member_of);
        reading.lists[1].coverage = groups;
        reading.lists.push(list(ListKind::Members, proven()));
        reading
    };
    let forbidden = members(Coverage::Failed { error: "403".to_owned() }, None);
    assert!(said(Some(members(proven(), Some("0"))), forbidden, 20).is_empty());
    let emptied = said(Some(members(proven(), Some("0"))), members(proven(), None), 20);
    assert_eq!(emptied, ["source eu has 0 members, 100 are known: 100 gone (100 %, limit 20 %)"]);
}
