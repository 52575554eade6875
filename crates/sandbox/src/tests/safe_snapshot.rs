//! The expected snapshot of Password Safe, worked out by hand.

use super::*;
use crate::details::UserDetails;
use crate::{Expect, Surface};

fn expect() -> Expect {
    Expect { surface: Surface::PasswordSafe, ..Expect::usual("safe", as_of()) }
}

/// Returns 1 Anna, local, in 2; 2 Ben, from a directory, quarantined, in 1 and 9; 3 an application in no group; 4
/// without a name, in no group.
fn tenant() -> World {
    let mut world = small_world(0);
    let users = [
        json!({"username": "anna", "display_name": "Anna Maria Berg", "email_address": "a@example.com", "enabled": true,
            "account_type": "Local", "group_memberships": [2, "2"], "public_key": "ssh-ed25519 A", "locale": "en",
            "last_login": "2026-11-20T00:00:00.5Z", "created_at": "2025-01-01T00:00:00Z", "shoe": 43, "my_secret": 1}),
        json!({"username": "ben", "display_name": "Ben", "enabled": true, "account_type": "LDAP", "group_memberships": [9, "1"],
            "last_login": "2020-01-01T00:00:00+02:00", "created_at": "2025-01-01T00:00:00Z"}),
        json!({"username": "svc-x", "display_name": null, "enabled": false, "account_type": "SAML", "group_memberships": null,
            "last_login": "2020-01-01T00:00:00Z"}),
        json!({"username": "4", "display_name": " padded", "account_type": "SAML", "group_memberships": [], "last_login": null}),
    ];
    for (id, user) in (1..).zip(users) {
        world.put_user(id, record(&user));
    }
    world.set_user_details(2, UserDetails { quarantined: true, ..UserDetails::default() });
    world.set_user_details(3, UserDetails { application: true, ..UserDetails::default() });
    world
}

#[test]
fn rows_of_users_follow_the_fields_of_password_safe() {
    let expected = tenant().expected(&expect());
    let columns =
        ["id", "username", "display_name", "account_type", "kind", "enabled", "group_memberships", "groups_known"];
    assert_eq!(
        cells(&expected.users, &columns),
        [
            ["1", "anna", "Anna Maria Berg", "BeyondInsight", "person", "true", r#"["2"]"#, "true"],
            ["2", "ben", "Ben", "ActiveDirectory", "person", "true", r#"["1"]"#, "true"],
            ["3", "svc-x", "", "Application", "service", "false", "[]", "true"],
            ["4", "4", "padded", "BeyondInsight", "person", "true", "[]", "true"],
        ]
    );
    assert_eq!(
        cells(&expected.users, &["last_login", "last_login_status", "created_at", "locale", "public_key"]),
        [
            ["2026-11-20T00:00:00.5Z", "at", "", "", ""],
            ["2019-12-31T22:00:00Z", "at", "", "", ""],
            ["", "not-reported", "", "", ""],
            ["", "never", "", "", ""],
        ]
    );
    let extra = |id: usize| expected.users[id]["extra"].as_str();
    assert_eq!(
        extra(0),
        r#"{"DistinguishedName":null,"DomainName":null,"IsQuarantined":false,"LastLoginAuthenticationType":"BeyondInsight","LastLoginSAMLIDPURL":null,"my_secret":1,"shoe":43}"#
    );
    let application = r#"{"AccessPolicyID":1,"ClientID":"client-3","DistinguishedName":null,"DomainName":null,"IsQuarantined":false}"#;
    assert_eq!(extra(2), application);
    assert_eq!(expected.users[0]["email_address"], "a@example.com");
}

#[test]
fn memberships_follow_the_member_lists_and_include_unlisted_users() {
    let mut world = tenant();
    world.product_details_mut().unlisted_members = vec![(2, 77)];
    let expected = world.expected(&expect());
    let columns = ["group_id", "group_name", "user_id", "username", "via", "external_name"];
    assert_eq!(
        cells(&expected.memberships, &columns),
        [
            ["1", "Administrators", "2", "ben", "direct", ""],
            ["2", "Operators", "1", "anna", "direct", ""],
            ["2", "Operators", "77", "", "direct", ""],
        ]
    );
    let columns = ["id", "name", "description", "privileged", "member_count", "external_member_count"];
    assert_eq!(
        cells(&expected.groups, &columns),
        [["1", "Administrators", "all", "true", "1", "0"], ["2", "Operators", "", "false", "1", "0"],]
    );
    assert_eq!(
        expected.groups[0]["extra"],
        r#"{"DistinguishedName":null,"GroupType":"BeyondInsight","IsActive":true}"#
    );
    assert!(found(&expected).contains(&"dangling-group low group 2 77".to_owned()));
}

#[test]
fn findings_respect_quarantine_and_application_users() {
    // Ben is quarantined: not stale, but still in a privileged group. The record of 4 lacks its state, and the list of
    // active users contains it.
    assert_eq!(
        found(&tenant().expected(&expect())),
        [
            "data-quality info user 4",
            "disabled-in-group medium user 2 1",
            "local-outside-sso medium user 1",
            "no-group low user 4"
        ]
    );
    let mut world = tenant();
    world.set_user_details(2, UserDetails::default());
    world.edit_user(3, |record| drop(record.insert("enabled".to_owned(), true.into())));
    world.edit_user(4, |record| drop(record.insert("enabled".to_owned(), true.into())));
    world.put_group(3, record(&json!({"name": "Lonely"})));
    assert_eq!(
        found(&world.expected(&expect())),
        [
            // Never logged in, and no date of creation to count from.
            "data-quality info user 4",
            "empty-group info group 3",
            "local-outside-sso medium user 1",
            "no-group low user 3",
            "no-group low user 4",
            "service-without-owner medium user 3",
            "stale-login high user 2",
        ]
    );
}

#[test]
fn without_the_list_of_groups_memberships_are_unknown() {
    let expected = tenant().expected(&Expect { groups_listed: false, ..expect() });
    assert!(expected.groups.is_empty() && expected.memberships.is_empty());
    assert_eq!(expected.users[0]["groups_known"], "false");
    assert_eq!(
        found(&expected),
        ["collection-incomplete medium source safe", "data-quality info user 4", "local-outside-sso medium user 1"]
    );
}
