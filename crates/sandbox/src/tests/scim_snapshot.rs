//! The expected snapshot of SCIM, worked out by hand.

use super::*;
use crate::{Expect, Surface};

fn expect() -> Expect {
    Expect { surface: Surface::Scim, ..Expect::usual("idp", as_of()) }
}

/// Returns groups 1 (Administrators) around 2 (Operators) around 3 and 4 (nameless). Users in 3 or 4 are in 2 and 1 by
/// nesting.
///
/// The users: 1 `anna` in 3 and 4, 2 `ben` in 2, 3 `carl` without memberships, 4 `dora` in 7, which does not exist.
fn tenant() -> World {
    let mut world = small_world(0);
    world.put_group(3, record(&json!({"name": "Team", "level": 3})));
    world.put_group(4, record(&json!({})));
    world.product_details_mut().nested = vec![(1, 2), (2, 3), (2, 4)];
    let groups = [("anna", json!([4, "3"])), ("ben", json!([2])), ("carl", Value::Null), ("dora", json!([7]))];
    for (id, (name, groups)) in (1..).zip(groups) {
        let user = json!({"username": name, "display_name": name, "enabled": true, "account_type": "SAML", "locale": "en",
            "group_memberships": groups, "public_key": "ssh-ed25519 A", "email_address": format!("{name}@example.com"),
            "last_login": "2026-01-01T00:00:00Z", "created_at": "2025-01-01T00:00:00Z", "my_token": "x"});
        world.put_user(id, record(&user));
    }
    world
}

#[test]
fn memberships_combine_both_sides_and_nested_groups() {
    let expected = tenant().expected(&expect());
    assert_eq!(
        cells(&expected.users, &["id", "group_memberships", "groups_known"]),
        [
            ["1", r#"["1","2","3","4"]"#, "true"],
            ["2", r#"["1","2"]"#, "true"],
            // The user reports no groups, but the groups show that it is in none.
            ["3", "[]", "true"],
            ["4", "[]", "true"],
        ]
    );
    let columns = ["group_id", "group_name", "user_id", "username", "via", "external_name"];
    assert_eq!(
        cells(&expected.memberships, &columns),
        [
            ["1", "Administrators", "1", "anna", "directory-group", "Team"],
            ["1", "Administrators", "2", "ben", "directory-group", "Operators"],
            ["2", "Operators", "1", "anna", "directory-group", "Team"],
            ["2", "Operators", "2", "ben", "direct", ""],
            ["3", "Team", "1", "anna", "direct", ""],
            ["4", "", "1", "anna", "direct", ""],
        ]
    );
    let columns = ["id", "description", "privileged", "member_count", "external_member_count", "extra"];
    let more = r#"{"urn:bt-rollcall:sandbox:2.0:Group":{"description":"all"}}"#;
    assert_eq!(
        cells(&expected.groups, &columns),
        [
            ["1", "", "true", "2", "0", more],
            ["2", "", "false", "2", "0", ""],
            ["3", "", "false", "1", "0", r#"{"urn:bt-rollcall:sandbox:2.0:Group":{"level":3}}"#],
            ["4", "", "false", "1", "0", ""],
        ]
    );
    // No last login is reported, so no account can be stale.
    assert_eq!(found(&expected), ["no-group medium user 3", "no-group medium user 4"]);
}

#[test]
fn a_nested_group_without_a_name_is_named_by_its_id() {
    let mut world = tenant();
    world.edit_user(1, |record| drop(record.insert("group_memberships".to_owned(), json!([4]))));
    let expected = world.expected(&expect());
    assert_eq!(cells(&expected.memberships, &["group_id", "user_id", "external_name"])[0], ["1", "1", "4"]);
}

#[test]
fn last_login_is_known_only_if_its_path_is_configured() {
    let mut world = tenant();
    world.edit_user(2, |record| drop(record.insert("last_login".to_owned(), Value::Null)));
    world.edit_user(3, |record| drop(record.remove("last_login")));
    let columns =
        ["last_login", "last_login_status", "created_at", "locale", "email_address", "account_type", "public_key"];
    let expected = world.expected(&expect());
    assert_eq!(
        cells(&expected.users, &columns)[0],
        ["", "not-reported", "2025-01-01T00:00:00Z", "en", "anna@example.com", "", ""]
    );
    assert_eq!(
        expected.users[0]["extra"],
        r#"{"urn:bt-rollcall:sandbox:2.0:User":{"lastLogin":"2026-01-01T00:00:00Z"}}"#
    );
    let expected = world.expected(&Expect { last_login_path: true, ..expect() });
    assert_eq!(
        cells(&expected.users, &columns[..2]),
        [["2026-01-01T00:00:00Z", "at"], ["", "never"], ["", "not-reported"], ["2026-01-01T00:00:00Z", "at"]]
    );
    assert_eq!(
        found(&expected),
        [
            "data-quality info user 3",
            "never-logged-in medium user 2",
            "no-group medium user 3",
            "no-group medium user 4",
            // In a privileged group, though only by nesting.
            "stale-login high user 1",
            "stale-login medium user 4",
        ]
    );
}

#[test]
fn a_user_who_disagrees_with_a_group_is_a_data_quality_finding_and_stays_a_member() {
    let faults = Faults { scim_disagree: Some((2, 2)), ..Faults::default() };
    let mut world = tenant();
    world.product_details_mut().unlisted_members = vec![(3, 99)];
    let expected = world.expected(&Expect { scim_faults: faults, ..expect() });
    assert_eq!(
        found(&expected),
        [
            "dangling-group low group 3 99",
            "data-quality info user 2",
            "no-group medium user 3",
            "no-group medium user 4",
        ]
    );
    assert_eq!(expected.users[1]["group_memberships"], r#"["1","2"]"#);
}

#[test]
fn one_side_of_memberships_suffices() {
    let one_side = |scim_members_only, scim_groups_only| {
        let scim_faults = Faults { scim_members_only, scim_groups_only, ..Faults::default() };
        tenant().expected(&Expect { scim_faults, ..expect() })
    };
    assert_eq!(one_side(true, false).memberships, tenant().expected(&expect()).memberships);
    let expected = one_side(false, true);
    // Without members there is no nesting, and the groups of 3 are unknown.
    assert_eq!(
        cells(&expected.memberships, &["group_id", "user_id", "via"]),
        [["2", "2", "direct"], ["3", "1", "direct"], ["4", "1", "direct"]]
    );
    assert_eq!(cells(&expected.users, &["groups_known"]).concat(), ["true", "true", "false", "true"]);
    assert_eq!(found(&expected), ["no-group medium user 4"]);
    let expected = tenant().expected(&Expect { groups_listed: false, ..expect() });
    assert_eq!(
        cells(&expected.memberships, &["group_id", "group_name", "user_id"]),
        [["2", "", "2"], ["3", "", "1"], ["4", "", "1"]]
    );
}

#[test]
fn formatted_name_replaces_a_missing_display_name_and_the_primary_address_is_used() {
    let sandbox = sandbox(tenant(), Faults::default());
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let operations = json!([{"op": "remove", "path": "displayName"}, {"op": "add", "path": "name", "value": {"formatted": "Dora B"}},
            {"op": "add", "path": "externalId", "value": "e-4"},
            {"op": "replace", "path": "emails", "value": [{"value": "a@x"}, {"value": "b@x", "primary": true}]}]);
        let body = json!({"Operations": operations});
        assert_eq!(client.send(Method::PATCH, "/scim/v2/Users/4", &body).await.0, 200);
    });
    let expected = sandbox.with_world(|world| world.expected(&expect()));
    assert_eq!(cells(&expected.users, &["display_name", "email_address"])[3], ["Dora B", "b@x"]);
    assert!(expected.users[3]["extra"].starts_with(r#"{"externalId":"e-4","#));
}

#[test]
fn seeded_worlds_have_findings_on_both_interfaces_and_leak_no_secret() {
    let world = World::seeded(1, 1000, as_of());
    for surface in [Surface::PasswordSafe, Surface::Scim] {
        let expected = world.expected(&Expect { surface, last_login_path: true, ..Expect::usual("x", as_of()) });
        for rule in ["stale-login", "no-group", "disabled-in-group", "dangling-group", "data-quality", "shared-email"] {
            assert!(expected.findings.iter().any(|f| f.rule == rule), "{rule} of {surface:?}");
        }
        let nested = expected.memberships.iter().any(|row| row["via"] == "directory-group");
        assert_eq!(nested, surface == Surface::Scim);
        assert!(!format!("{expected:?}").contains(crate::CANARY));
    }
}
