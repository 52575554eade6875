//! The rules about accounts and groups other than inactivity, on the guide's API. The expected findings are worked out
//! by hand.

use super::*;
use crate::Expect;

/// Returns a world of these people, ordinary but for the given fields. Ids are 1, 2, …; groups are 1 (Administrators)
/// and 2 (Operators).
fn of(people: &[Value]) -> World {
    let mut world = small_world(0);
    for (id, changes) in (1..).zip(people) {
        let mut user = record(&json!({"username": format!("u{id}"), "enabled": true, "account_type": "LDAP",
            "group_memberships": [2], "last_login": "2026-11-20T00:00:00Z", "created_at": "2025-01-01T00:00:00Z"}));
        user.extend(record(changes));
        world.put_user(id, user);
    }
    world
}

/// Returns `severity id` for each finding of one rule.
fn found(rule: &str, people: &[Value]) -> Vec<String> {
    lines(rule, &of(people), &Expect::usual("eu", as_of()))
}

fn lines(rule: &str, world: &World, expect: &Expect) -> Vec<String> {
    let findings = world.expected(expect).findings.into_iter().filter(|f| f.rule == rule);
    findings.map(|f| format!("{} {}", f.severity, f.subject_id)).collect()
}

#[test]
fn an_address_of_several_enabled_accounts_is_a_finding() {
    let address = |text: &str, enabled: bool| json!({"email_address": text, "enabled": enabled});
    let people = [address("a@x", true), address(" A@X\t", true), address("a@x", false), address("b@x", true)];
    assert_eq!(found("shared-email", &people), ["medium 1", "medium 2"]);
    assert_eq!(
        found("shared-email", &[address(" ", true), address("", true), json!({"email_address": null})]),
        [""; 0]
    );
    assert_eq!(found("shared-email", &[address("a@x", true), address("a@x", false)]), [""; 0]);
}

#[test]
fn local_accounts_are_findings_if_other_accounts_use_an_identity_provider() {
    let local = json!({"account_type": "Local"});
    let privileged = json!({"account_type": "local", "group_memberships": ["1"]});
    let disabled = json!({"account_type": "local", "enabled": false});
    let emergency = json!({"account_type": "local", "username": "emergency-1"});
    let machine = json!({"account_type": "local", "username": "svc-1"});
    let elsewhere = json!({"account_type": "Entra ID", "enabled": false});
    let people = [local.clone(), privileged, disabled, emergency, machine, elsewhere];
    assert_eq!(found("local-outside-sso", &people), ["medium 1", "high 2", "medium 5"]);
    assert_eq!(found("local-outside-sso", &[local, json!({})]), [""; 0]);
}

#[test]
fn keys_of_disabled_or_dormant_accounts_are_findings() {
    let with_key = |changes: Value| {
        let mut person = json!({"public_key": "ssh-ed25519 A"});
        person.as_object_mut().unwrap().extend(record(&changes));
        found("dormant-with-key", &[person])
    };
    assert_eq!(with_key(json!({})), [""; 0]);
    assert_eq!(with_key(json!({"enabled": false})), ["high 1"]);
    assert_eq!(with_key(json!({"enabled": null})), [""; 0]);
    assert_eq!(with_key(json!({"last_login": "2026-01-01T00:00:00Z"})), ["high 1"]);
    assert_eq!(with_key(json!({"last_login": "2026-01-01T00:00:00Z", "username": "svc-1"})), [""; 0]);
    assert_eq!(with_key(json!({"last_login": null})), ["high 1"]);
    assert_eq!(with_key(json!({"last_login": null, "created_at": "2026-11-20T00:00:00Z"})), [""; 0]);
    assert_eq!(found("dormant-with-key", &[json!({"enabled": false, "public_key": ""})]), [""; 0]);
}

#[test]
fn service_accounts_need_an_owner_with_a_review_date_in_the_future() {
    let named = |name: &str| json!({"username": name});
    let world = of(&[
        named("svc-a"),
        named("svc-b"),
        named("SVC-C"),
        named("d"),
        json!({"username": "svc-e", "enabled": false}),
    ]);
    let expect = |owners: &[(&str, &str)]| Expect {
        service_owners: owners.iter().map(|(pattern, day)| ((*pattern).to_owned(), (*day).to_owned())).collect(),
        ..Expect::usual("eu", as_of())
    };
    let unowned = |owners: &[(&str, &str)]| lines("service-without-owner", &world, &expect(owners));
    assert_eq!(unowned(&[]), ["medium 1", "medium 2", "medium 3"]);
    assert_eq!(unowned(&[("svc-c", "2026-11-23"), ("id:2", "2027-01-01"), ("svc-a", "2026-11-22")]), ["medium 1"]);
    assert_eq!(unowned(&[("glob:svc-*", "2026-12-31")]), [""; 0]);
}

#[test]
fn empty_groups_are_findings_only_if_all_users_report_memberships() {
    assert_eq!(found("empty-group", &[json!({})]), ["info 1"]);
    assert_eq!(found("empty-group", &[json!({}), json!({"group_memberships": null})]), [""; 0]);
    assert_eq!(found("empty-group", &[json!({"group_memberships": [1, 2]})]), [""; 0]);
    let expect = Expect { groups_listed: false, ..Expect::usual("eu", as_of()) };
    assert_eq!(lines("empty-group", &of(&[json!({})]), &expect), [""; 0]);
}
