//! The expected snapshot of the Configuration API, worked out by hand.

use super::*;
use crate::details::UserDetails;
use crate::{Expect, Expected, ExternalMember, Provider, Surface, Vendor};

fn on(surface: Surface) -> Expect {
    Expect { surface, ..Expect::usual("pam", as_of()) }
}

/// Returns groups 1 (Administrators) and 2 (Operators) and the providers local 1, ldap 2, saml 3.
///
/// The users: 1 `saml` in 2, 2 `ldap` in 2, 3 `local` in 1 by text, 4 `nobody`, without a provider, in no existing
/// group.
fn tenant() -> World {
    let mut world = small_world(0);
    let users = [("saml", json!([2])), ("ldap", json!([2, 2])), ("local", json!(["1"])), ("nobody", json!([9, "x"]))];
    for (id, (name, groups)) in (1..).zip(users) {
        let user = json!({"username": name, "display_name": name, "enabled": true, "account_type": "whatever",
            "group_memberships": groups, "public_key": "ssh-ed25519 A", "last_login": "2026-11-20T00:00:00Z",
            "created_at": "2025-01-01T00:00:00Z", "is_admin": true, "api_token": "x"});
        world.put_user(id, record(&user));
    }
    for (id, provider) in [(1, Some(3)), (2, Some(2)), (3, Some(1)), (4, None)] {
        let details = UserDetails { provider, admin: Some(false), two_factor: Some(true), ..UserDetails::default() };
        world.set_user_details(id, details);
    }
    world.product_details_mut().providers = [(1, "local"), (2, "ldap"), (3, "saml")]
        .map(|(id, kind)| Provider { id, kind: kind.to_owned(), name: kind.to_uppercase(), default_policy: None })
        .to_vec();
    world
}

fn external(group: u64, provider: Option<u64>) -> ExternalMember {
    let dn = provider.is_none_or(|provider| provider == 2);
    ExternalMember {
        id: 900 + group,
        group,
        provider,
        distinguished_name: dn.then(|| "OU=Sales,DC=x".to_owned()),
        group_name: (!dn).then(|| "sales".to_owned()),
    }
}

fn known(world: &World) -> Vec<bool> {
    world.expected(&on(Surface::Pra)).users.iter().map(|user| user["groups_known"] == "true").collect()
}

/// Returns `rule severity kind id groups users` for each finding of these rules.
fn found(expected: &Expected, rules: &[&str]) -> Vec<String> {
    let is_asked = |line: &String| line.split(' ').next().is_some_and(|rule| rules.contains(&rule));
    super::found(expected).into_iter().filter(is_asked).collect()
}

#[test]
fn users_are_in_the_groups_whose_member_lists_name_them() {
    let mut world = tenant();
    world.product_details_mut().unlisted_members = vec![(1, 77)];
    let expected = world.expected(&on(Surface::Pra));
    let users =
        cells(&expected.users, &["username", "account_type", "group_memberships", "public_key", "is_admin", "mfa"]);
    let rows = [
        ["saml", "saml", r#"["2"]"#, "", "false", "true"],
        ["ldap", "ldap", r#"["2"]"#, "", "false", "true"],
        ["local", "local", r#"["1"]"#, "", "false", "true"],
        ["nobody", "", "[]", "", "false", "true"],
    ];
    assert_eq!(users, rows);
    let extra = r#"{"is_admin":true,"perm_set_passwords":false,"security_provider_id":3,"two_factor_enabled":true,"two_factor_required":false}"#;
    assert_eq!(expected.users[0]["extra"], extra);
    let local = r#"{"failed_logins":0,"is_admin":true,"password_expiration":null,"password_reset_next_login":true,"#;
    assert!(expected.users[2]["extra"].starts_with(local), "{}", expected.users[2]["extra"]);
    let groups = cells(&expected.groups, &["id", "description", "privileged", "member_count", "external_member_count"]);
    assert_eq!(groups, [["1", "", "true", "1", "0"], ["2", "", "false", "2", "0"]]);
    let pairs = cells(&expected.memberships, &["group_id", "user_id", "username", "via"]);
    let rows = [
        ["1", "3", "local", "direct"],
        ["1", "77", "", "direct"],
        ["2", "1", "saml", "direct"],
        ["2", "2", "ldap", "direct"],
    ];
    assert_eq!(pairs, rows);
    let rules = ["dangling-group", "no-group", "empty-group"];
    assert_eq!(found(&expected, &rules), ["dangling-group low group 1 77", "no-group medium user 4"]);
}

#[test]
fn external_members_make_the_groups_of_their_users_unknown() {
    let mut world = tenant();
    assert_eq!(known(&world), [true; 4]);
    world.product_details_mut().externals = vec![external(2, Some(3))];
    assert_eq!(known(&world), [false, true, true, false]);
    world.product_details_mut().externals = vec![external(2, Some(1))];
    assert_eq!(known(&world), [true, true, false, false]);
    world.product_details_mut().externals = vec![external(2, None)];
    assert_eq!(known(&world), [false, false, true, false]);
    // A group that is not listed has no list of members.
    world.product_details_mut().externals = vec![external(9, None)];
    assert_eq!(known(&world), [true; 4]);
    world.product_details_mut().externals = vec![external(1, Some(2)), external(2, Some(3))];
    let expected = world.expected(&on(Surface::Pra));
    let outside = cells(&expected.memberships, &["group_id", "user_id", "via", "external_name"]);
    let rows = [
        ["1", "3", "direct", ""],
        ["1", "", "directory-group", "OU=Sales,DC=x"],
        ["2", "1", "direct", ""],
        ["2", "2", "direct", ""],
        ["2", "", "directory-group", "sales"],
    ];
    assert_eq!(outside, rows);
    assert_eq!(cells(&expected.groups, &["member_count", "external_member_count"]), [["1", "1"], ["2", "1"]]);
    assert_eq!(found(&expected, &["no-group"]), [""; 0], "the groups are unknown");
}

#[test]
fn a_group_is_empty_only_if_its_member_list_is() {
    let mut world = tenant();
    world.edit_user(3, |user| drop(user.insert("group_memberships".to_owned(), json!([2]))));
    world.put_group(5, record(&json!({"name": "Contractors"})));
    world.product_details_mut().externals = vec![external(5, None)];
    let empty = |world: &World| found(&world.expected(&on(Surface::Pra)), &["empty-group"]);
    assert_eq!(empty(&world), ["empty-group info group 1"]);
    world.product_details_mut().vendors =
        vec![Vendor { id: 3, record: record(&json!({"name": "Acme"})), users: Vec::new() }];
    assert_eq!(empty(&world), ["empty-group info group 1", "empty-group info group vendor:3"]);
    assert_eq!(found(&world.expected(&on(Surface::Rs)), &["empty-group"]), ["empty-group info group 1"]);
}

fn technician(changes: &Value) -> crate::Record {
    let mut user = record(
        &json!({"username": "tech", "public_display_name": "Tech", "email_address": "t@vendor.example",
        "enabled": true, "account_expiration": "2026-12-01T00:00:00+00:00", "is_expired": false, "is_approved": true,
        "last_authenticated_date": "2026-01-01T00:00:00+00:00", "vendor_administrator": true, "two_factor_enabled": false,
        "fido2_credential_count": 0, "preferred_email_language": "en-us", "password": "x"}),
    );
    user.extend(record(changes));
    user
}

#[test]
fn vendors_are_groups_and_each_vendor_user_is_listed_once() {
    let mut world = tenant();
    let (anna, ben) = (
        technician(&json!({"username": "anna"})),
        technician(&json!({"username": "svc-ben", "fido2_credential_count": 1})),
    );
    let acme = Vendor {
        id: 10,
        record: record(&json!({"name": "Acme admins", "token": "x", "default_policy": 2})),
        users: vec![(1, anna.clone()), (2, ben)],
    };
    let hoists = Vendor { id: 9, record: record(&json!({"name": "Hoists"})), users: vec![(1, anna)] };
    world.product_details_mut().vendors = vec![hoists, acme];
    let expected = world.expected(&on(Surface::Pra));
    let vendors = cells(&expected.groups[2..], &["id", "name", "privileged", "member_count", "extra"]);
    assert_eq!(
        vendors,
        [
            ["vendor:10", "Acme admins", "true", "2", r#"{"default_policy":2}"#],
            ["vendor:9", "Hoists", "false", "1", ""]
        ]
    );
    let people = cells(
        &expected.users[4..],
        &["id", "kind", "account_type", "group_memberships", "mfa", "is_admin", "created_at"],
    );
    let rows = [
        ["vendor-user:1", "vendor", "vendor", r#"["2","vendor:10","vendor:9"]"#, "false", "", ""],
        ["vendor-user:2", "vendor", "vendor", r#"["2","vendor:10"]"#, "true", "", ""],
    ];
    assert_eq!(people, rows);
    let anna = &expected.users[4];
    assert_eq!(
        (anna["expires_at"].as_str(), anna["last_login"].as_str()),
        ("2026-12-01T00:00:00Z", "2026-01-01T00:00:00Z")
    );
    let extra = r#"{"fido2_credential_count":0,"is_approved":true,"is_expired":false,"two_factor_enabled":false,"vendor_administrator":true}"#;
    assert_eq!(anna["extra"], extra);
    let rules = ["stale-login", "no-mfa", "shared-email", "dormant-with-key"];
    let findings = [
        "dormant-with-key high user vendor-user:2",
        "no-mfa high user vendor-user:1",
        "shared-email medium user vendor-user:1",
        "shared-email medium user vendor-user:2",
        "stale-login high user vendor-user:1",
        "stale-login high user vendor-user:2",
    ];
    assert_eq!(found(&expected, &rules), findings);
    assert_eq!(world.expected(&on(Surface::Rs)).users.len(), 4);
}

#[test]
fn blocked_vendor_users_are_not_stale_but_their_memberships_are_findings() {
    let of = |changes: &Value| {
        let mut world = tenant();
        let users = vec![(1, technician(changes))];
        world.product_details_mut().vendors = vec![Vendor { id: 3, record: record(&json!({"name": "Acme"})), users }];
        found(
            &world.expected(&on(Surface::Pra)),
            &["stale-login", "never-logged-in", "disabled-in-group", "data-quality", "dormant-with-key"],
        )
    };
    let blocked = ["disabled-in-group low user vendor-user:1 vendor:3"];
    assert_eq!(of(&json!({})), ["stale-login medium user vendor-user:1"]);
    assert_eq!(of(&json!({"is_expired": true})), blocked);
    assert_eq!(of(&json!({"is_approved": false})), blocked);
    assert_eq!(of(&json!({"account_expiration": "2026-11-23T02:00:00Z"})), blocked);
    assert_eq!(of(&json!({"account_expiration": "2026-11-23T02:00:01Z"})), ["stale-login medium user vendor-user:1"]);
    assert_eq!(of(&json!({"enabled": false})), blocked);
    // Never logged in, and no date of creation to count from.
    assert_eq!(of(&json!({"last_authenticated_date": null})), ["data-quality info user vendor-user:1"]);
    assert_eq!(of(&json!({"last_authenticated_date": null, "is_expired": true})), blocked);
    let with_key = of(&json!({"is_expired": true, "fido2_credential_count": 2}));
    assert_eq!(with_key, [blocked[0], "dormant-with-key high user vendor-user:1"]);
}

#[test]
fn api_accounts_are_service_accounts_that_need_an_owner() {
    let mut world = tenant();
    let accounts = [
        json!({"name": "narrow", "enabled": true, "ip_addresses": "192.0.2.1", "perm_command": "read_only"}),
        json!({"name": "wide", "enabled": true, "ip_addresses": "192.0.2.1", "perm_command": "full_access"}),
        json!({"name": "scim", "enabled": true, "ip_addresses": "192.0.2.1", "perm_scim": true}),
        json!({"name": "anywhere", "enabled": true, "ip_addresses": "", "client_secret": "x", "client_id": "c"}),
        json!({"name": "off", "enabled": false, "ip_addresses": "", "perm_command": "full_access"}),
        json!({"name": "owned", "enabled": true}),
        json!({"name": "overdue", "enabled": true, "ip_addresses": "192.0.2.1", "perm_configuration": true}),
    ];
    world.product_details_mut().api_accounts = (8..).zip(accounts.iter().map(record)).collect();
    let owners = [("id:api-account:13", "2026-11-23"), ("glob:over*", "2026-11-22")];
    let service_owners = owners.map(|(pattern, day)| (pattern.to_owned(), day.to_owned())).to_vec();
    let expected = world.expected(&Expect { service_owners, ..on(Surface::Rs) });
    let ids: Vec<&str> = expected.users.iter().map(|user| user["id"].as_str()).skip(4).take(3).collect();
    assert_eq!(ids, ["api-account:10", "api-account:11", "api-account:12"]);
    let row = &expected.users[5];
    assert_eq!(
        (row["username"].as_str(), row["kind"].as_str(), row["account_type"].as_str()),
        ("anywhere", "service", "api-account")
    );
    assert_eq!((row["last_login_status"].as_str(), row["groups_known"].as_str()), ("not-reported", "true"));
    assert_eq!(row["extra"], r#"{"client_id":"c","ip_addresses":""}"#);
    let findings = [
        "service-without-owner high user api-account:10",
        "service-without-owner high user api-account:11",
        "service-without-owner medium user api-account:14",
        "service-without-owner medium user api-account:8",
        "service-without-owner high user api-account:9",
    ];
    assert_eq!(found(&expected, &["service-without-owner"]), findings);
    assert_eq!(found(&expected, &["no-group"]), ["no-group medium user 4"]);
}

#[test]
fn local_accounts_are_findings_if_there_is_an_identity_provider() {
    let mut world = tenant();
    let local = |world: &World| found(&world.expected(&on(Surface::Pra)), &["local-outside-sso"]);
    assert_eq!(local(&world), ["local-outside-sso high user 3"]);
    world.edit_user(3, |user| drop(user.insert("group_memberships".to_owned(), json!([2]))));
    assert_eq!(local(&world), ["local-outside-sso medium user 3"]);
    world.set_user_details(3, UserDetails { provider: Some(1), admin: Some(true), ..UserDetails::default() });
    assert_eq!(local(&world), ["local-outside-sso high user 3"]);
    world.edit_user(3, |user| drop(user.insert("username".to_owned(), json!("emergency-1"))));
    assert_eq!(local(&world), [""; 0]);
    world.edit_user(3, |user| drop(user.insert("username".to_owned(), json!("local"))));
    world.remove_user(1);
    assert_eq!(local(&world), [""; 0], "no account uses an identity provider");
}

#[test]
fn a_missing_second_factor_is_a_finding_only_if_the_product_reports_it() {
    let found_with = |provider: u64, two_factor: Option<bool>, passkeys: Option<u64>| {
        let mut world = tenant();
        world.set_user_details(
            2,
            UserDetails { provider: Some(provider), two_factor, passkeys, ..UserDetails::default() },
        );
        found(&world.expected(&on(Surface::Pra)), &["no-mfa"])
    };
    assert_eq!(found_with(2, Some(false), None), ["no-mfa medium user 2"]);
    assert_eq!(found_with(2, Some(false), Some(0)), ["no-mfa medium user 2"]);
    assert_eq!(found_with(2, Some(false), Some(1)), [""; 0]);
    assert_eq!(found_with(2, None, Some(0)), [""; 0]);
    assert_eq!(found_with(3, Some(false), None), [""; 0], "the identity provider asks for it");
}

#[test]
fn remote_support_reports_a_private_name_and_no_vendors() {
    let mut world = tenant();
    let vendor = Vendor { id: 3, record: record(&json!({"name": "Acme"})), users: vec![(1, technician(&json!({})))] };
    world.product_details_mut().vendors = vec![vendor];
    let expected = world.expected(&on(Surface::Rs));
    assert_eq!((expected.users.len(), expected.groups.len()), (4, 2));
    assert!(expected.users[0]["extra"].contains(r#""private_display_name":"saml""#));
}

#[test]
fn without_the_list_of_group_policies_memberships_are_unknown() {
    let mut world = tenant();
    world.product_details_mut().externals = vec![external(2, Some(3))];
    let expected = world.expected(&Expect { groups_listed: false, ..on(Surface::Pra) });
    assert!(expected.groups.is_empty() && expected.memberships.is_empty());
    assert!(expected.users.iter().all(|user| user["groups_known"] == "false"));
}

#[test]
fn a_seeded_world_has_findings_of_each_rule_and_leaks_no_secret() {
    let world = World::seeded(1, 1000, as_of());
    for surface in [Surface::Pra, Surface::Rs] {
        let expected = world.expected(&on(surface));
        let rules = [
            "stale-login",
            "never-logged-in",
            "disabled-in-group",
            "dangling-group",
            "data-quality",
            "shared-email",
            "local-outside-sso",
            "no-mfa",
            "dormant-with-key",
            "service-without-owner",
        ];
        for rule in rules {
            assert!(expected.findings.iter().any(|f| f.rule == rule), "{rule} on {surface:?}");
        }
        let some = |column: &str, cell: &str| expected.users.iter().any(|user| user[column] == cell);
        assert!(some("is_admin", "true") && some("is_admin", "") && some("mfa", "") && some("groups_known", "false"));
        assert!(!format!("{expected:?}").contains(crate::CANARY));
    }
    let ordinary = World::ordinary(1, 1000, as_of()).expected(&on(Surface::Pra));
    assert!(ordinary.users.iter().all(|user| user["groups_known"] == "true"));
    assert_eq!(found(&ordinary, &["empty-group"]), ["empty-group info group vendor:9"]);
}
