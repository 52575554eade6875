//! Password Safe as it is: bare arrays, states that are not reported, and groups that a directory fills.

use super::Field;
use super::server::Reply;
use super::world::{SAFE, safe, safe_list, safe_user};
use crate::rig::{stderr, stdout};
use serde_json::{Value, json};

/// So many users, the first `grouped` of them in the only group.
fn many(users: u64, grouped: u64) -> Field {
    let field = safe();
    let rows: Vec<Value> = (1..=users).map(|id| safe_user(id, &format!("user{id}"))).collect();
    safe_list(&field.server, "/Users", &json!(rows));
    let group = json!({"GroupID":1,"Name":"Administrators","GroupType":"BeyondInsight"});
    let groups = if grouped > 0 { json!([group]) } else { json!([]) };
    safe_list(&field.server, "/UserGroups", &groups);
    safe_list(&field.server, "/UserGroups/1/Users", &json!(rows[..usize::try_from(grouped).unwrap()]));
    field
}

// A6, and the sizes at which servers cut
#[test]
fn round_numbers_of_users_are_complete_where_members_of_groups_support_them() {
    for (users, grouped, complete) in [
        (300, 299, true),
        (300, 300, true),
        (200, 150, true),
        (100, 7, true),
        (400, 1, true),
        (200, 200, false),
        (250, 0, false),
    ] {
        let field = many(users, grouped);
        field.first(if complete { 0 } else { 3 });
        let coverage = field.coverage("users");
        assert_eq!(
            coverage,
            if complete { "complete" } else { "drifted" },
            "{users}, {grouped}: {}",
            field.proof("users")
        );
    }
}

#[test]
fn check_says_of_a_round_number_without_other_evidence_what_a_run_says() {
    let field = many(200, 0);
    field.first(3);
    let said = field.proof("users");
    assert!(said.contains("exactly 200 rows, no total and no other evidence"), "{said}");
    let checked = stdout(&field.call(&["check", "--online"]));
    assert!(checked.contains("exactly 200 rows"), "{checked}");
    many(200, 9).check(0);
}

fn without_state(mut user: Value) -> Value {
    user.as_object_mut().unwrap().remove("IsActive");
    user
}

/// An older version: no row has `IsActive`.
fn older(all: &[u64], active: &[u64]) -> Field {
    let field = safe();
    let rows = |ids: &[u64]| -> Value {
        json!(ids.iter().map(|id| without_state(safe_user(*id, &format!("user{id}")))).collect::<Vec<_>>())
    };
    let (all, active) = (rows(all), rows(active));
    field.server.answer(&format!("GET {SAFE}/Users"), move |request| {
        let rows = if request.line.contains("includeInactive=true") { &all } else { &active };
        Reply::ok(rows.to_string())
    });
    field
}

// P1
#[test]
fn states_are_derived_from_two_readings_where_no_row_reports_them() {
    let field = older(&[1, 2, 3, 4, 5, 6, 7], &[1, 2, 3, 5, 7]);
    safe_list(
        &field.server,
        "/UserGroups/2/Users",
        &json!([{"UserID":2},{"UserID":3},{"UserID":4},{"UserID":5},{"UserID":7}]),
    );
    field.check(0);
    field.first(0);
    let states = field.column("users", "enabled");
    assert_eq!(states, ["true", "true", "true", "false", "true", "false", "true"]);
    assert_eq!((field.found("disabled-in-group"), field.found("no-group")), (vec!["4".to_owned()], vec![]));
}

#[test]
fn staleness_is_evaluated_by_derived_states() {
    let field = older(&[1, 2, 3], &[1, 3]);
    let mut stale = without_state(safe_user(1, "ann"));
    stale["LastLoginDate"] = json!("2025-11-20T08:00:00");
    let mut inactive = stale.clone();
    inactive["UserID"] = json!(2);
    let (all, active) = (json!([stale, inactive]), json!([stale]));
    field.server.answer(&format!("GET {SAFE}/Users"), move |request| {
        Reply::ok(if request.line.contains("includeInactive=true") { all.to_string() } else { active.to_string() })
    });
    safe_list(&field.server, "/UserGroups/2/Users", &json!([]));
    field.first(0);
    assert_eq!(field.found("stale-login"), ["1"], "the other one is inactive");
}

#[test]
fn a_version_that_ignores_the_parameter_is_named_and_is_not_partial_for_ever() {
    let field = older(&[1, 2], &[1, 2]);
    // Inactive, in a group, and in neither list.
    let hidden = without_state(safe_user(3, "cid"));
    field.server.on(&format!("GET {SAFE}/Users/3"), Reply::ok(hidden.to_string()));
    let ran = field.first(0);
    assert_eq!(field.column("users", "enabled"), ["true", "true", "false"]);
    assert!(stderr(&ran).contains("ignores includeInactive"), "{}", stderr(&ran));
    let field = older(&[1, 2, 3], &[1, 2, 3]);
    let ran = field.first(0);
    assert!(stderr(&ran).contains("includeInactive changed nothing"), "{}", stderr(&ran));
}

#[test]
fn states_stay_unknown_where_the_second_reading_fails() {
    let field = older(&[1, 2, 3], &[1]);
    let rows = json!([1, 2, 3].map(|id| without_state(safe_user(id, "ann"))));
    field.server.answer(&format!("GET {SAFE}/Users"), move |request| {
        if request.line.contains("includeInactive=true") { Reply::ok(rows.to_string()) } else { Reply::of(403, "") }
    });
    field.run_at(super::FIRST);
    assert_eq!(field.column("users", "enabled"), ["", "", ""], "nobody is said to be disabled");
}

// P3
#[test]
fn where_an_account_comes_from_is_inferred_where_no_type_is_reported() {
    let field = safe();
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
    safe_list(&field.server, "/Users", &users);
    field.first(0);
    assert_eq!(field.column("users", "account_type"), ["", "", "", "", "", "", "application"]);
    // Some sign in by single sign-on here, so that local accounts bypass it.
    assert_eq!(field.found("local-outside-sso"), ["2", "6"]);
    assert_eq!(field.user("7")["kind"], "service");
    let text = std::fs::read_to_string(field.snapshot().join("users.csv")).unwrap();
    assert!(!text.contains("canary"));
}
