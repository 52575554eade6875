//! Tests of dates in every notation that servers use, one user per date.
//!
//! A date is read exactly or is marked unreadable. A placeholder such as 1970-01-01 never becomes an age of decades.

use super::Tenant;
use super::world::{config_api, config_list, config_user, guide, guide_list, guide_user, safe, safe_list, safe_user};
use serde_json::{Value, json};

/// How a last login must be read.
#[derive(Clone, Copy, PartialEq)]
enum Expected {
    Read,
    Never,
    Unreadable,
    /// A placeholder for no date: `never` and `unreadable` are both documented.
    Placeholder,
}
use Expected::{Never, Placeholder, Read, Unreadable};

fn logins() -> Vec<(Value, Expected)> {
    vec![
        (json!("/Date(1763625600000)/"), Read),
        (json!(1_763_625_600), Read),
        (json!(1_763_625_600_000_u64), Read),
        (json!("2025-11-20T08:00:00.0000000"), Read),
        (json!("2025-11-20T08:00:00+0000"), Read),
        (json!("2025-11-20 08:00:00.000"), Read),
        (json!("1969-12-31T19:00:00"), Placeholder),
        (json!("1899-12-30T00:00:00"), Placeholder),
        (json!("1970-01-01T00:00:00Z"), Placeholder),
        (json!("1980-01-01T00:00:00"), Placeholder),
        (json!("11/20/2026 8:00:00 AM"), Unreadable),
        (json!("20/11/2026 08:00"), Unreadable),
        // Further notations of the same kinds.
        (json!("/Date(1763625600000+0100)/"), Read),
        (json!("1763625600"), Read),
        (json!("1763625600000"), Read),
        (json!(1_763_625_600.0), Read),
        (json!("2025-11-20T09:00:00.0000000+01:00"), Read),
        (json!("2025-11-20t08:00:00z"), Read),
        (json!(" 2025-11-20T08:00:00Z "), Read),
        (json!("Thu, 20 Nov 2025 08:00:00 GMT"), Read),
        (json!("0001-01-01T00:00:00"), Placeholder),
        (json!("/Date(-62135596800000)/"), Placeholder),
        (json!("1601-01-01T00:00:00Z"), Placeholder),
        (json!(0), Placeholder),
        (json!("0"), Placeholder),
        (json!(""), Placeholder),
        (json!("1999-12-31T23:59:59Z"), Unreadable),
        (json!("2025-11-20"), Unreadable),
        (json!("20251120"), Unreadable),
        (json!("yesterday"), Unreadable),
        (json!(true), Unreadable),
        (json!({"year": 2025}), Unreadable),
        (json!(-1), Unreadable),
        (Value::Null, Never),
    ]
}

/// Asserts that every login was read as expected, and that no age is computed from one that cannot be read.
fn check(tenant: &Tenant, first_id: usize) {
    let findings = tenant.table("findings");
    for (at, (written, expected)) in logins().into_iter().enumerate() {
        let id = (first_id + at).to_string();
        let row = tenant.user(&id);
        let (login, status) = (row["last_login"].as_str(), row["last_login_status"].as_str());
        let is_right = match expected {
            Read => (login, status) == ("2025-11-20T08:00:00Z", "at"),
            Never => (login, status) == ("", "never"),
            Unreadable => (login, status) == ("", "unreadable"),
            Placeholder => login.is_empty() && matches!(status, "never" | "unreadable"),
        };
        assert!(is_right, "{written}: {login:?} {status}");
        let of_user = findings.iter().filter(|row| row["subject_id"] == id && row["subject_kind"] == "user");
        let rules: Vec<&str> = of_user.map(|row| row["rule"].as_str()).collect();
        assert_eq!(rules.contains(&"stale-login"), expected == Read, "{written}: {rules:?}");
        assert_eq!(rules.contains(&"never-logged-in"), status == "never", "{written}: {rules:?}");
        let is_odd = matches!(expected, Unreadable | Placeholder);
        assert_eq!(rules.contains(&"data-quality"), is_odd, "{written}: {rules:?}");
    }
}

#[test]
fn last_login_of_rest_v3_is_read_in_every_notation_or_marked_unreadable() {
    let tenant = guide();
    let user = |(id, (login, _)): (u64, (Value, Expected))| {
        let mut user = guide_user(id, &format!("user{id}"), &[1]);
        user["last_login"] = login;
        user
    };
    let users: Vec<Value> = (10..).zip(logins()).map(user).collect();
    guide_list(&tenant.server, "users", &json!(users));
    tenant.first(0);
    check(&tenant, 10);
}

#[test]
fn last_authentication_of_the_configuration_api_is_read_in_every_notation() {
    let tenant = config_api("rs");
    let user = |(id, (login, _)): (u64, (Value, Expected))| {
        let mut user = config_user(id, &format!("user{id}"));
        user["last_authentication"] = login;
        user
    };
    let users: Vec<Value> = (1..).zip(logins()).map(user).collect();
    config_list(&tenant.server, "/user", &json!(users));
    tenant.first(0);
    check(&tenant, 1);
}

#[test]
fn last_login_date_of_password_safe_is_read_in_every_notation() {
    let tenant = safe();
    let user = |(id, (login, _)): (u64, (Value, Expected))| {
        let mut user = safe_user(id, &format!("user{id}"));
        // Password Safe reports no creation date. The age of an account that never signed in counts from when it was first seen.
        user["LastLoginDate"] = login;
        user
    };
    let users: Vec<Value> = (1..).zip(logins()).map(user).collect();
    safe_list(&tenant.server, "/Users", &json!(users));
    tenant.first(0);
    for (id, (written, expected)) in (1..).zip(logins()) {
        let row = tenant.user(&id.to_string());
        assert_eq!(row["last_login"] == "2025-11-20T08:00:00Z", expected == Read, "{written}: {row:?}");
        assert_eq!(row["last_login"].is_empty(), expected != Read, "{written}: {row:?}");
    }
}

#[test]
fn login_more_than_a_day_before_the_creation_of_the_account_is_unreadable() {
    let tenant = guide();
    let user = |id: u64, login: &str| {
        let mut user = guide_user(id, &format!("user{id}"), &[1]);
        user["created_at"] = json!("2025-11-22T08:00:00Z");
        user["last_login"] = json!(login);
        user
    };
    let users = [
        user(1, "2025-11-20T08:00:00Z"),
        user(2, "2025-11-21T08:00:00Z"),
        user(3, "2025-11-21T07:59:59Z"),
        user(4, "/Date(1763625600000)/"),
        user(5, "2025-11-22T08:00:00Z"),
    ];
    guide_list(&tenant.server, "users", &json!(users));
    tenant.first(0);
    let statuses = tenant.column("users", "last_login_status");
    assert_eq!(statuses, ["unreadable", "at", "unreadable", "unreadable", "at"]);
    assert_eq!(tenant.found("data-quality"), ["1", "3", "4"]);
    assert_eq!(tenant.found("stale-login"), ["2", "5"]);
}

#[test]
fn creation_date_is_read_in_every_notation_including_a_day_without_a_time() {
    let tenant = guide();
    let user = |(id, created): (u64, &Value)| {
        let mut user = guide_user(id, &format!("user{id}"), &[1]);
        user["created_at"] = created.clone();
        user["last_login"] = json!("2026-11-20T08:00:00Z");
        user
    };
    let created = [
        json!("/Date(1763596800000)/"),
        json!("2025-11-20"),
        json!(1_763_596_800),
        json!("0001-01-01T00:00:00"),
        json!("20/11/2025"),
        json!([2025]),
        Value::Null,
    ];
    let users: Vec<Value> = (1..).zip(&created).map(user).collect();
    guide_list(&tenant.server, "users", &json!(users));
    tenant.first(0);
    let day = "2025-11-20T00:00:00Z";
    assert_eq!(tenant.column("users", "created_at"), [day, day, day, "", "", "", ""]);
    assert_eq!(tenant.found("data-quality"), ["4", "5", "6", "s"]);
}
