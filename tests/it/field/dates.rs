//! Dates as servers write them, one user a date: read exactly, or said to be unreadable; never an age of a century.

use super::Field;
use super::world::{config_api, config_list, config_user, guide, guide_list, guide_user, safe, safe_list, safe_user};
use serde_json::{Value, json};

/// What a last login must come to.
#[derive(Clone, Copy, PartialEq)]
enum Right {
    Read,
    Never,
    Unreadable,
    /// A placeholder: either is documented.
    NoDate,
}
use Right::{Never, NoDate, Read, Unreadable};

fn logins() -> Vec<(Value, Right)> {
    vec![
        (json!("/Date(1763625600000)/"), Read),
        (json!(1_763_625_600), Read),
        (json!(1_763_625_600_000_u64), Read),
        (json!("2025-11-20T08:00:00.0000000"), Read),
        (json!("2025-11-20T08:00:00+0000"), Read),
        (json!("2025-11-20 08:00:00.000"), Read),
        (json!("1969-12-31T19:00:00"), NoDate),
        (json!("1899-12-30T00:00:00"), NoDate),
        (json!("1970-01-01T00:00:00Z"), NoDate),
        (json!("1980-01-01T00:00:00"), NoDate),
        (json!("11/20/2026 8:00:00 AM"), Unreadable),
        (json!("20/11/2026 08:00"), Unreadable),
        // Of the same kinds.
        (json!("/Date(1763625600000+0100)/"), Read),
        (json!("1763625600"), Read),
        (json!("1763625600000"), Read),
        (json!(1_763_625_600.0), Read),
        (json!("2025-11-20T09:00:00.0000000+01:00"), Read),
        (json!("2025-11-20t08:00:00z"), Read),
        (json!(" 2025-11-20T08:00:00Z "), Read),
        (json!("Thu, 20 Nov 2025 08:00:00 GMT"), Read),
        (json!("0001-01-01T00:00:00"), NoDate),
        (json!("/Date(-62135596800000)/"), NoDate),
        (json!("1601-01-01T00:00:00Z"), NoDate),
        (json!(0), NoDate),
        (json!("0"), NoDate),
        (json!(""), NoDate),
        (json!("1999-12-31T23:59:59Z"), Unreadable),
        (json!("2025-11-20"), Unreadable),
        (json!("20251120"), Unreadable),
        (json!("yesterday"), Unreadable),
        (json!(true), Unreadable),
        (json!({"year": 2025}), Unreadable),
        (json!(-1), Unreadable),
        (json!("9999-12-31T23:59:59.9999999"), Unreadable),
        (Value::Null, Never),
    ]
}

/// Every row has its login, and what cannot be read makes no age.
fn check(field: &Field, first_id: usize) {
    let findings = field.table("findings");
    for (at, (written, right)) in logins().into_iter().enumerate() {
        let id = (first_id + at).to_string();
        let row = field.user(&id);
        let (login, status) = (row["last_login"].as_str(), row["last_login_status"].as_str());
        let is_right = match right {
            Read => (login, status) == ("2025-11-20T08:00:00Z", "at"),
            Never => (login, status) == ("", "never"),
            Unreadable => (login, status) == ("", "unreadable"),
            NoDate => login.is_empty() && matches!(status, "never" | "unreadable"),
        };
        assert!(is_right, "{written}: {login:?} {status}");
        let of_user = findings.iter().filter(|row| row["subject_id"] == id && row["subject_kind"] == "user");
        let rules: Vec<&str> = of_user.map(|row| row["rule"].as_str()).collect();
        assert_eq!(rules.contains(&"stale-login"), right == Read, "{written}: {rules:?}");
        assert_eq!(rules.contains(&"never-logged-in"), status == "never", "{written}: {rules:?}");
        let is_odd = matches!(right, Unreadable | NoDate);
        assert_eq!(rules.contains(&"data-quality"), is_odd, "{written}: {rules:?}");
    }
}

#[test]
fn a_last_login_of_the_guide_is_read_in_every_notation_or_said_to_be_unreadable() {
    let field = guide();
    let user = |(id, (login, _)): (u64, (Value, Right))| {
        let mut user = guide_user(id, &format!("user{id}"), &[1]);
        user["last_login"] = login;
        user
    };
    let users: Vec<Value> = (10..).zip(logins()).map(user).collect();
    guide_list(&field.server, "users", &json!(users));
    field.first(0);
    check(&field, 10);
}

#[test]
fn a_last_authentication_of_the_configuration_api_is_read_in_every_notation() {
    let field = config_api("rs");
    let user = |(id, (login, _)): (u64, (Value, Right))| {
        let mut user = config_user(id, &format!("user{id}"));
        user["last_authentication"] = login;
        user
    };
    let users: Vec<Value> = (1..).zip(logins()).map(user).collect();
    config_list(&field.server, "/user", &json!(users));
    field.first(0);
    check(&field, 1);
}

#[test]
fn a_last_login_date_of_password_safe_is_read_in_every_notation() {
    let field = safe();
    let user = |(id, (login, _)): (u64, (Value, Right))| {
        let mut user = safe_user(id, &format!("user{id}"));
        // Without a creation date, the age of an account that never signed in counts from its first sight.
        user["LastLoginDate"] = login;
        user
    };
    let users: Vec<Value> = (1..).zip(logins()).map(user).collect();
    safe_list(&field.server, "/Users", &json!(users));
    field.first(0);
    for (id, (written, right)) in (1..).zip(logins()) {
        let row = field.user(&id.to_string());
        assert_eq!(row["last_login"] == "2025-11-20T08:00:00Z", right == Read, "{written}: {row:?}");
        assert_eq!(row["last_login"].is_empty(), right != Read, "{written}: {row:?}");
    }
}

#[test]
fn a_login_more_than_a_day_before_the_account_was_created_is_unreadable() {
    let field = guide();
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
    guide_list(&field.server, "users", &json!(users));
    field.first(0);
    let statuses = field.column("users", "last_login_status");
    assert_eq!(statuses, ["unreadable", "at", "unreadable", "unreadable", "at"]);
    assert_eq!(field.found("data-quality"), ["1", "3", "4"]);
    assert_eq!(field.found("stale-login"), ["2", "5"]);
}

#[test]
fn other_dates_are_read_alike_and_a_day_is_one_where_a_field_is_a_day() {
    let field = guide();
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
    guide_list(&field.server, "users", &json!(users));
    field.first(0);
    let day = "2025-11-20T00:00:00Z";
    assert_eq!(field.column("users", "created_at"), [day, day, day, "", "", "", ""]);
    assert_eq!(field.found("data-quality"), ["4", "5", "6", "s"]);
}
