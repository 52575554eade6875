//! Tests of Password Safe: lists without totals, enabled states that are not reported, and inferred account types.

use super::Tenant;
use super::server::Reply;
use super::world::{SAFE, safe, safe_list, safe_user};
use crate::rig::stdout;
use serde_json::{Value, json};

/// Returns a tenant with this many users, the first `grouped` of them in the only group.
fn many(users: u64, grouped: u64) -> Tenant {
    let tenant = safe();
    let rows: Vec<Value> = (1..=users).map(|id| safe_user(id, &format!("user{id}"))).collect();
    safe_list(&tenant.server, "/Users", &json!(rows));
    let group = json!({"GroupID":1,"Name":"Administrators","GroupType":"BeyondInsight"});
    let groups = if grouped > 0 { json!([group]) } else { json!([]) };
    safe_list(&tenant.server, "/UserGroups", &groups);
    safe_list(&tenant.server, "/UserGroups/1/Users", &json!(rows[..usize::try_from(grouped).unwrap()]));
    tenant
}

// Servers cut lists at sizes such as 100, 200 and 250.
#[test]
fn round_number_of_users_is_complete_when_group_members_are_consistent_with_it() {
    for (users, grouped, complete) in [
        (300, 299, true),
        (300, 300, true),
        (200, 150, true),
        (100, 7, true),
        (400, 1, true),
        (200, 200, false),
        (250, 0, false),
    ] {
        let tenant = many(users, grouped);
        tenant.first(if complete { 0 } else { 3 });
        let coverage = tenant.coverage("users");
        assert_eq!(
            coverage,
            if complete { "complete" } else { "drifted" },
            "{users}, {grouped}: {}",
            tenant.proof("users")
        );
    }
}

#[test]
fn check_and_run_agree_on_a_round_number_of_users_without_other_evidence() {
    let tenant = many(200, 0);
    tenant.first(3);
    let output = tenant.proof("users");
    assert!(output.contains("exactly 200 rows, no total and no other evidence"), "{output}");
    let checked = stdout(&tenant.call(&["check", "--online"]));
    assert!(checked.contains("exactly 200 rows"), "{checked}");
    many(200, 9).check(0);
}

fn without_state(mut user: Value) -> Value {
    user.as_object_mut().unwrap().remove("IsActive");
    user
}

/// Returns a tenant of an older version whose rows have no `IsActive`.
fn older(all: &[u64], active: &[u64]) -> Tenant {
    let tenant = safe();
    let rows = |ids: &[u64]| -> Value {
        json!(ids.iter().map(|id| without_state(safe_user(*id, &format!("user{id}")))).collect::<Vec<_>>())
    };
    let (all, active) = (rows(all), rows(active));
    tenant.server.answer(&format!("GET {SAFE}/Users"), move |request| {
        let rows = if request.line.contains("includeInactive=true") { &all } else { &active };
        Reply::ok(rows.to_string())
    });
    tenant
}

#[test]
fn enabled_states_are_derived_from_two_readings_when_no_row_reports_them() {
    let tenant = older(&[1, 2, 3, 4, 5, 6, 7], &[1, 2, 3, 5, 7]);
    safe_list(
        &tenant.server,
        "/UserGroups/2/Users",
        &json!([{"UserID":2},{"UserID":3},{"UserID":4},{"UserID":5},{"UserID":7}]),
    );
    tenant.check(0);
    tenant.first(0);
    let states = tenant.column("users", "enabled");
    assert_eq!(states, ["true", "true", "true", "false", "true", "false", "true"]);
    assert_eq!((tenant.found("disabled-in-group"), tenant.found("no-group")), (vec!["4".to_owned()], vec![]));
}

#[test]
fn stale_login_uses_derived_enabled_states() {
    let tenant = older(&[1, 2, 3], &[1, 3]);
    let mut stale = without_state(safe_user(1, "ann"));
    stale["LastLoginDate"] = json!("2025-11-20T08:00:00");
    let mut inactive = stale.clone();
    inactive["UserID"] = json!(2);
    let (all, active) = (json!([stale, inactive]), json!([stale]));
    tenant.server.answer(&format!("GET {SAFE}/Users"), move |request| {
        Reply::ok(if request.line.contains("includeInactive=true") { all.to_string() } else { active.to_string() })
    });
    safe_list(&tenant.server, "/UserGroups/2/Users", &json!([]));
    tenant.first(0);
    assert_eq!(tenant.found("stale-login"), ["1"], "the other one is inactive");
}

#[test]
fn version_that_ignores_include_inactive_is_complete_with_a_note() {
    let tenant = older(&[1, 2], &[1, 2]);
    // An inactive user who is in a group and in neither list.
    let hidden = without_state(safe_user(3, "cid"));
    tenant.server.on(&format!("GET {SAFE}/Users/3"), Reply::ok(hidden.to_string()));
    tenant.first(0);
    assert_eq!(tenant.column("users", "enabled"), ["true", "true", "false"]);
    assert!(tenant.notes().contains("ignores includeInactive"), "{}", tenant.notes());
    let tenant = older(&[1, 2, 3], &[1, 2, 3]);
    tenant.first(0);
    assert!(tenant.notes().contains("includeInactive changes nothing"), "{}", tenant.notes());
}

#[test]
fn enabled_states_are_unknown_when_the_second_reading_fails() {
    let tenant = older(&[1, 2, 3], &[1]);
    let rows = json!([1, 2, 3].map(|id| without_state(safe_user(id, "ann"))));
    tenant.server.answer(&format!("GET {SAFE}/Users"), move |request| {
        if request.line.contains("includeInactive=true") { Reply::ok(rows.to_string()) } else { Reply::of(403, "") }
    });
    tenant.run_at(super::FIRST);
    assert_eq!(tenant.column("users", "enabled"), ["", "", ""], "no user is reported as disabled");
}

#[test]
fn origin_of_an_account_is_inferred_when_no_type_is_reported() {
    let tenant = safe();
    let untyped = |id: u64, more: Value| {
        let mut user = safe_user(id, &format!("user{id}"));
        user.as_object_mut().unwrap().remove("UserType");
        more.as_object().unwrap().iter().for_each(|(name, value)| user[name] = value.clone());
        user
    };
    let users = json!([
        untyped(1, json!({"DomainName":"corp"})),
        untyped(2, json!({})),
        untyped(3, json!({"LastLoginSAMLIDPURL":"https://idp.example.com"})),
        untyped(4, json!({"DistinguishedName":"CN=x,DC=corp"})),
        untyped(5, json!({"LastLoginAuthenticationType":"Claims Aware"})),
        untyped(6, json!({"DomainName":null,"DistinguishedName":""})),
        untyped(7, json!({"ClientID":"app","ClientSecret":"canary"})),
    ]);
    safe_list(&tenant.server, "/Users", &users);
    tenant.first(0);
    assert_eq!(tenant.column("users", "account_type"), ["", "", "", "", "", "", "application"]);
    // Some users sign in by single sign-on, so local accounts bypass it.
    assert_eq!(tenant.found("local-outside-sso"), ["2", "6"]);
    assert_eq!(tenant.user("7")["kind"], "service");
    let text = std::fs::read_to_string(tenant.snapshot().join("users.csv")).unwrap();
    assert!(!text.contains("canary"));
}
