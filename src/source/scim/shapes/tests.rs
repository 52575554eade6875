//! Tests of the mapping, with users and groups in the forms that providers use.

use super::*;
use crate::model::{LastLogin, ReportedDate, SourceIdentity};
use crate::source::decode::JsonRecord;
use serde_json::json;

fn rows(records: Value) -> Vec<Listed> {
    let records: Vec<JsonRecord> = serde_json::from_value(records).unwrap();
    records.into_iter().map(|record| Listed::of(record, "id", true)).collect()
}

fn filled(users: Value, groups: Value, path: Option<&str>) -> SourceReading {
    let identity =
        SourceIdentity { name: "s".into(), kind: "scim".to_owned(), url: String::new(), client_id: String::new() };
    let mut reading = SourceReading::of(identity);
    fill(&mut reading, rows(users), rows(groups), &BTreeSet::new(), path, &Decoding::default());
    reading
}

fn ids(user: &User) -> Vec<&str> {
    user.group_memberships.iter().map(GroupId::as_str).collect()
}

#[test]
fn a_user_of_the_core_schema_is_read_and_the_rest_is_kept() {
    let reading = filled(
        json!([{"schemas": ["urn:x"], "id": "2819c223", "userName": "bjensen", "active": true, "password": "canary",
            "name": {"givenName": "Barbara", "familyName": "Jensen"}, "title": "Tour Guide", "locale": "en-US",
            "emails": [{"value": "home@example.com"}, {"value": "work@example.com", "primary": true}],
            "meta": {"created": "2010-01-23T04:56:22Z", "version": "3"}}]),
        json!([]),
        None,
    );
    let user = &reading.users[0];
    assert_eq!((user.username.as_deref(), user.display_name.as_deref()), (Some("bjensen"), Some("Barbara Jensen")));
    assert_eq!((user.email_address.as_deref(), user.enabled), (Some("work@example.com"), Some(true)));
    assert_eq!(user.created_at, ReportedDate::At("2010-01-23T04:56:22Z".parse().unwrap()));
    assert_eq!((&user.last_login, user.groups_known), (&LastLogin::NotReported, false));
    assert_eq!(user.extra.as_deref(), Some(r#"{"title":"Tour Guide"}"#));
}

#[test]
fn a_last_login_is_read_only_where_a_path_to_it_is_configured() {
    let users = json!([{"id": "a", "urn:x:User": {"lastLogin": "2026-11-01T00:00:00Z"}}, {"id": "b", "urn:x:User": {}},
        {"id": "c", "urn:x:User": {"lastLogin": null}}]);
    let path = Some("/urn:x:User/lastLogin");
    let logins =
        |path| filled(users.clone(), json!([]), path).users.into_iter().map(|u| u.last_login).collect::<Vec<_>>();
    let at = LastLogin::At("2026-11-01T00:00:00Z".parse().unwrap());
    assert_eq!(logins(path), [at, LastLogin::NotReported, LastLogin::Never { sentinel: None }]);
    assert!(logins(None).iter().all(|login| *login == LastLogin::NotReported));
}

#[test]
fn memberships_of_users_and_of_groups_are_merged_and_a_difference_is_reported() {
    let reading = filled(
        json!([{"id": "1", "groups": [{"value": "g1"}, {"value": "g2"}]}, {"id": "2", "groups": []}, {"id": "3"}]),
        json!([
            {"id": "g1", "members": [{"value": "1", "type": "User"}, {"value": "2"}, {"value": "9", "type": "User"}]},
            {"id": "g2", "members": []},
            {"id": "g3"},
        ]),
        None,
    );
    let [one, two, three] = reading.users.as_slice() else { panic!("three users") };
    assert_eq!((ids(one), ids(two), ids(three)), (vec!["g1", "g2"], vec!["g1"], vec![]));
    assert_eq!(one.rare.conflict.as_ref().unwrap().only_by_user, [GroupId::from("g2")]);
    assert_eq!(two.rare.conflict.as_ref().unwrap().only_by_group, [GroupId::from("g1")]);
    assert_eq!(three.rare.conflict, None);
    let missing = Outside { group_id: "g1".into(), member: OutsideMember::Missing("9".into()) };
    assert_eq!(reading.outside, [missing]);
}

#[test]
fn an_indirect_membership_in_the_record_of_a_user_is_a_membership() {
    let reading = filled(
        json!([{"id": "u", "groups": [{"value": "1"}, {"value": "2", "type": "indirect"}, {"value": "9", "type": "Indirect"}]}]),
        json!([
            {"id": "1", "displayName": "Team"},
            {"id": "2", "displayName": "Administrators", "members": [{"value": "1", "type": "Group"}]},
            {"id": "9", "displayName": "Everybody"},
        ]),
        None,
    );
    let user = &reading.users[0];
    assert_eq!((ids(user), &user.rare.conflict), (vec!["1", "2", "9"], &None));
    let through = |outside: &Outside| match &outside.member {
        OutsideMember::Nested { through, .. } => format!("{} through {through}", outside.group_id),
        other => panic!("{other:?}"),
    };
    let nested: Vec<String> = reading.outside.iter().map(through).collect();
    assert_eq!(nested, ["2 through Team", "9 through Everybody"]);
}

#[test]
fn a_group_within_a_group_adds_its_members_and_cycles_end() {
    let reading = filled(
        json!([{"id": "u"}]),
        json!([
            {"id": "1", "displayName": "Team", "members": [{"value": "u"}, {"value": "3", "type": "Group"}]},
            {"id": "2", "displayName": "Department", "members": [{"value": "1", "type": "Group"}]},
            {"id": "3", "displayName": "Company", "members": [{"value": "2"}]},
        ]),
        None,
    );
    assert_eq!(ids(&reading.users[0]), ["1", "2", "3"]);
    let through = |outside: &Outside| match &outside.member {
        OutsideMember::Nested { through, .. } => format!("{} through {through}", outside.group_id),
        other => panic!("{other:?}"),
    };
    let nested: Vec<String> = reading.outside.iter().map(through).collect();
    assert_eq!(nested, ["2 through Team", "3 through Team"]);
}

#[test]
fn an_indirect_membership_that_only_the_user_reports_is_kept() {
    let reading = filled(
        json!([{"id": "u", "groups": [{"value": "9", "type": "indirect"}]}]),
        json!([{"id": "9", "displayName": "Admins"}]),
        None,
    );
    assert_eq!(ids(&reading.users[0]), ["9"], "groups_known {}", reading.users[0].groups_known);
}
