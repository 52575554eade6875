//! The oracle on the guide's API. The expected findings are worked out by hand, account by account.

use super::*;
use crate::{Expect, Expected};

/// Returns a world of one person, ordinary but for `changes`; groups 1 (Administrators) and 2 (Operators).
fn of_one(changes: &Value) -> World {
    let mut world = small_world(0);
    let mut user = record(&json!({"username": "anna", "display_name": "Anna", "enabled": true, "account_type": "SAML",
        "group_memberships": [2], "last_login": "2026-11-20T00:00:00Z", "created_at": "2025-01-01T00:00:00Z"}));
    for (key, value) in record(changes) {
        if value == json!("ABSENT") {
            user.remove(&key)
        } else {
            user.insert(key, value)
        };
    }
    world.put_user(5, user);
    // An unrelated user whose last login is reported.
    let other = json!({"username": "other", "enabled": true, "group_memberships": [2],
        "last_login": "2026-11-22T00:00:00Z", "created_at": "2026-01-01T00:00:00Z"});
    world.put_user(6, record(&other));
    world
}

fn expected(changes: &Value) -> Expected {
    of_one(changes).expected(&Expect::usual("eu", as_of()))
}

/// Returns `rule severity age/threshold [groups]` for each finding about this person.
fn found(changes: &Value) -> Vec<String> {
    let about_them = |f: &crate::ExpectedFinding| (f.subject_kind.as_str(), f.subject_id.as_str()) == ("user", "5");
    let line = |f: crate::ExpectedFinding| {
        assert_eq!(f.status, "new");
        let age = f.age_days.zip(f.threshold_days).map(|(age, days)| format!(" {age}/{days}")).unwrap_or_default();
        let groups = if f.group_ids.is_empty() { String::new() } else { format!(" {}", f.group_ids.join("+")) };
        format!("{} {}{age}{groups}", f.rule, f.severity)
    };
    expected(changes).findings.into_iter().filter(about_them).map(line).collect()
}

fn nothing() -> [&'static str; 0] {
    []
}

// as_of is 2026-11-23T02:00:00Z; 90 days before is 2026-08-25T02:00:00Z, 45 days before 2026-10-09T02:00:00Z.

#[test]
fn stale_login_starts_exactly_at_the_threshold() {
    assert_eq!(found(&json!({"last_login": "2026-08-25T02:00:00Z"})), ["stale-login medium 90/90"]);
    assert_eq!(found(&json!({"last_login": "2026-08-25T02:00:01Z"})), nothing());
    assert_eq!(found(&json!({"last_login": "2026-08-25T02:00:00.000001Z"})), nothing());
    assert_eq!(found(&json!({"last_login": "2026-08-25T01:59:59Z"})), ["stale-login medium 90/90"]);
    assert_eq!(found(&json!({"last_login": "2026-08-24T02:00:00Z"})), ["stale-login medium 91/90"]);
    assert_eq!(found(&json!({"last_login": "2026-08-25T04:00:00+02:00"})), ["stale-login medium 90/90"]);
    assert_eq!(found(&json!({"last_login": "2026-08-25 02:00:00"})), ["stale-login medium 90/90"]);
}

#[test]
fn privileged_accounts_have_a_shorter_threshold_and_a_higher_severity() {
    let privileged = |at: &str| found(&json!({"group_memberships": [1, 2], "last_login": at}));
    assert_eq!(privileged("2026-10-09T02:00:00Z"), ["stale-login high 45/45"]);
    assert_eq!(privileged("2026-10-09T02:00:01Z"), nothing());
    assert_eq!(found(&json!({"last_login": "2026-10-09T02:00:00Z"})), nothing());
    let local = json!({"account_type": "LOCAL", "last_login": "2026-08-25T02:00:00Z"});
    assert_eq!(found(&local), ["stale-login high 90/90"]);
}

#[test]
fn service_and_disabled_accounts_are_not_stale() {
    let old = |changes: Value| {
        let mut user = json!({"last_login": "2020-01-01T00:00:00Z", "created_at": "2019-01-01T00:00:00Z"});
        user.as_object_mut().unwrap().extend(record(&changes));
        found(&user)
    };
    assert_eq!(old(json!({"username": "SVC-x"})), ["service-without-owner medium"]);
    assert_eq!(old(json!({"enabled": false, "group_memberships": []})), nothing());
    assert_eq!(old(json!({"enabled": null})), nothing());
    // 2,518 days: 2020-01-01T00 to 2026-11-23T02 (2020 and 2024 are leap years).
    assert_eq!(old(json!({"username": "emergency-1"})), ["stale-login medium 2518/90"]);
}

#[test]
fn never_logged_in_counts_from_creation_and_respects_the_grace_period() {
    let never = |created: &str| found(&json!({"last_login": null, "created_at": created}));
    assert_eq!(never("2026-10-24T02:00:00Z"), ["never-logged-in low 30/30"]);
    assert_eq!(never("2026-10-24T02:00:01Z"), nothing());
    assert_eq!(never("2026-08-25T02:00:00Z"), ["never-logged-in medium 90/30"]);
    assert_eq!(never("2026-08-25T02:00:01Z"), ["never-logged-in low 89/30"]);
    let sentinel = json!({"last_login": "0001-01-01T00:00:00", "created_at": "2026-10-24T02:00:00Z"});
    assert_eq!(found(&sentinel), ["data-quality info", "never-logged-in low 30/30"]);
}

#[test]
fn accounts_without_a_usable_date_are_data_quality_findings() {
    assert_eq!(found(&json!({"last_login": null, "created_at": null})), ["data-quality info"]);
    assert_eq!(found(&json!({"last_login": "yesterday"})), ["data-quality info"]);
    assert_eq!(found(&json!({"last_login": 5})), ["data-quality info"]);
    assert_eq!(found(&json!({"last_login": "ABSENT"})), ["data-quality info"]);
    assert_eq!(found(&json!({"last_login": "ABSENT", "username": "svc-1"})), ["service-without-owner medium"]);
    assert_eq!(found(&json!({"last_login": "ABSENT", "enabled": false, "group_memberships": []})), nothing());
    assert_eq!(found(&json!({"created_at": "1970-01-01T00:00:00Z"})), ["data-quality info"]);
    assert_eq!(found(&json!({"created_at": null})), nothing());
    // A tolerance of five minutes applies.
    assert_eq!(found(&json!({"last_login": "2026-11-23T02:05:00Z"})), nothing());
    assert_eq!(found(&json!({"last_login": "2026-11-23T02:05:01Z"})), ["data-quality info"]);
}

#[test]
fn missing_groups_dangle_and_do_not_count_as_memberships() {
    assert_eq!(found(&json!({"group_memberships": []})), ["no-group medium"]);
    assert_eq!(found(&json!({"group_memberships": null})), nothing());
    assert_eq!(found(&json!({"group_memberships": "ABSENT"})), nothing());
    assert_eq!(found(&json!({"group_memberships": [9, 2, 8, 9]})), ["dangling-group low 8+9"]);
    assert_eq!(found(&json!({"group_memberships": [10, 9]})), ["dangling-group low 9+10", "no-group medium"]);
    let leaver = |groups: Value| found(&json!({"enabled": false, "group_memberships": groups}));
    assert_eq!(leaver(json!([2])), ["disabled-in-group low 2"]);
    assert_eq!(leaver(json!([2, 1])), ["disabled-in-group medium 1+2"]);
    assert_eq!(leaver(json!([9])), ["dangling-group low 9"]);
}

#[test]
fn without_the_list_of_groups_no_group_is_reported_as_missing() {
    let world = of_one(&json!({"enabled": false, "group_memberships": [9, 1]}));
    let expect = Expect { groups_listed: false, ..Expect::usual("eu", as_of()) };
    let expected = world.expected(&expect);
    let lines: Vec<_> =
        expected.findings.iter().map(|f| format!("{} {} {}", f.rule, f.severity, f.group_ids.join("+"))).collect();
    assert_eq!(lines, ["collection-incomplete medium ", "disabled-in-group low 1+9"]);
    assert!(expected.groups.is_empty());
    assert_eq!(expected.memberships.len(), 3);
}

#[test]
fn rows_have_the_cells_of_the_tables() {
    let user = json!({"email_address": null, "last_login": "2026-11-20T07:30:00.120+0530", "enabled": true,
        "group_memberships": [2, "1", 2, 10], "public_key": "ssh-ed25519 A", "is_admin": true,
        "z": {"b": 1, "a": [{"Password": "x"}], "accessToken": "x"}, "my_secret": 1});
    let expected = expected(&user);
    let row = &expected.users[0];
    let cell = |name: &str| row[name].as_str();
    assert_eq!(row.len(), 22);
    assert_eq!((cell("source"), cell("id"), cell("kind"), cell("enabled")), ("eu", "5", "person", "true"));
    assert_eq!((cell("last_login"), cell("last_login_status")), ("2026-11-20T02:00:00.12Z", "at"));
    assert_eq!((cell("group_memberships"), cell("groups_known")), (r#"["1","2","10"]"#, "true"));
    assert_eq!((cell("is_privileged"), cell("person")), ("true", ""));
    assert_eq!(cell("group_names"), r#"["Administrators","Operators","10"]"#);
    assert_eq!(cell("extra"), r#"{"is_admin":true,"my_secret":1,"z":{"a":[{}],"b":1}}"#);
    assert_eq!((cell("email_address"), cell("is_admin"), cell("expires_at")), ("", "", ""));
    let members: Vec<_> =
        expected.groups.iter().map(|g| (g["privileged"].as_str(), g["member_count"].as_str())).collect();
    assert_eq!(members, [("true", "1"), ("false", "2")]);
    let pairs: Vec<_> = expected.memberships.iter().map(|m| (m["group_id"].as_str(), m["user_id"].as_str())).collect();
    assert_eq!(pairs, [("1", "5"), ("2", "5"), ("2", "6"), ("10", "5")]);
    assert_eq!(expected.memberships[3]["group_name"], "");
}

#[test]
fn impossible_logins_are_unreadable_and_have_no_age() {
    for login in ["1980-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "2024-12-30T23:59:59Z", "2026-11-20", "/Date(1)"] {
        assert_eq!(found(&json!({"last_login": login})), ["data-quality info"], "{login}");
    }
    // Created on 2025-01-01: a login a day before is accepted. 692 days to 2026-11-23.
    assert_eq!(found(&json!({"last_login": "2024-12-31T00:00:00Z"})), ["stale-login medium 692/90"]);
    assert_eq!(found(&json!({"last_login": 1_795_000_000_i64})), nothing());
    assert_eq!(found(&json!({"last_login": "1969-12-31T19:00:00", "created_at": "2026-11-20"})), ["data-quality info"]);
}

#[test]
fn a_date_of_an_unexpected_type_is_unreadable_and_quoted() {
    let expected = expected(&json!({"last_login": {"at": "2026-11-20", "token": "x"}}));
    let cell = |name: &str| expected.users[0][name].as_str();
    assert_eq!((cell("last_login_status"), cell("extra")), ("unreadable", r#"{"last_login":{"at":"2026-11-20"}}"#));
    let quality: Vec<&str> =
        expected.findings.iter().filter(|f| f.rule == "data-quality").map(|f| f.subject_kind.as_str()).collect();
    assert_eq!(quality, ["source", "user"]);
}

#[test]
fn extra_keeps_flags_numbers_and_dates_with_suspicious_names() {
    let user = json!({"perm_set_passwords": true, "password_expiration": "2027-01-01T00:00:00Z", "password_age": 30,
        "password_reset_next_login": null, "password_hint": "", "password": "x", "tokens": ["x"], "secret": {"a": 1}});
    let kept = r#"{"password_age":30,"password_expiration":"2027-01-01T00:00:00Z","password_hint":"","password_reset_next_login":null,"perm_set_passwords":true}"#;
    assert_eq!(expected(&user).users[0]["extra"], kept);
}

#[test]
fn extra_is_empty_if_all_undocumented_fields_are_secrets() {
    assert_eq!(expected(&json!({"api_token": "x", "PRIVATE_KEY": {"a": 1}})).users[0]["extra"], "");
}

#[test]
fn a_seeded_world_has_findings_of_each_rule_and_leaks_no_secret() {
    let world = World::seeded(1, 1000, as_of());
    let expected = world.expected(&Expect::usual("eu", as_of()));
    for rule in ["stale-login", "never-logged-in", "no-group", "disabled-in-group", "dangling-group", "data-quality"] {
        assert!(expected.findings.iter().any(|f| f.rule == rule), "{rule}");
    }
    let stale = expected.findings.iter().filter(|f| f.rule == "stale-login").count();
    assert!((50..150).contains(&stale), "{stale}");
    assert!(!format!("{expected:?}").contains(crate::CANARY));
}
