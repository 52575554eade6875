//! Dialects that lose single cells: values of unexpected types, broken text, a last login that is absent instead of
//! null.

use super::*;

const USERS: &str = "/api/public/v3/users";

#[test]
fn values_of_unexpected_types_are_null_and_quoted_in_extra() {
    let users = served(tenant(), Dialect::OddValues, USERS);
    let row = |id: u64| users["users"].as_array().unwrap().iter().find(|row| row["id"] == id).unwrap();
    assert_eq!(row(10)["enabled"], "maybe");
    assert_eq!(row(30)["email_address"], json!({"code": "carl@example.com"}));
    assert_eq!(row(40)["group_memberships"], "by agreement");
    assert_eq!(row(50)["display_name"], json!(["emil Berg"]));
    assert_eq!(row(60)["created_at"], json!(["2026-11-01T00:00:00Z"]));
    assert_eq!(row(70)["locale"], json!({"code": "en"}));

    let expected = expected(&tenant(), Surface::Guide, &[Dialect::OddValues]);
    let columns = ["id", "enabled", "email_address", "groups_known", "display_name", "created_at", "locale", "extra"];
    let day = "2026-11-01T00:00:00Z";
    assert_eq!(
        cells(&expected.users, &columns),
        [
            ["10", "", "anna@example.com", "true", "anna Berg", day, "en", r#"{"enabled":"maybe"}"#],
            ["20", "true", "ben@example.com", "true", "ben Berg", day, "en", ""],
            ["30", "true", "", "true", "carl Berg", day, "en", r#"{"email_address":{"code":"carl@example.com"}}"#],
            [
                "40",
                "false",
                "dora@example.com",
                "false",
                "dora Berg",
                day,
                "en",
                r#"{"group_memberships":"by agreement"}"#
            ],
            ["50", "false", "emil@example.com", "true", "", day, "en", r#"{"display_name":["emil Berg"]}"#],
            [
                "60",
                "true",
                "finn@example.com",
                "true",
                "finn Berg",
                "",
                "en",
                r#"{"created_at":["2026-11-01T00:00:00Z"]}"#
            ],
            ["70", "true", "gwen@example.com", "true", "gwen Berg", day, "", r#"{"locale":{"code":"en"}}"#],
        ]
    );
    let quality: Vec<String> = found(&expected).into_iter().filter(|line| line.starts_with("data-quality")).collect();
    assert_eq!(quality, ["data-quality info source eu", "data-quality info user 60"]);
    assert!(expected.complete);
}

#[test]
fn every_interface_has_odd_values_in_its_own_fields() {
    let odd = |surface: Surface| expected(&tenant(), surface, &[Dialect::OddValues]);
    let pra = odd(Surface::Pra);
    let row = |id: &str| pra.users.iter().find(|row| row["id"] == id).unwrap();
    assert_eq!((row("40")["mfa"].as_str(), row("40")["enabled"].as_str()), ("", "false"));
    assert!(row("40")["extra"].contains(r#""two_factor_enabled":"maybe""#));
    assert_eq!(row("70")["locale"], "");
    let safe = odd(Surface::PasswordSafe);
    assert_eq!(cells(&safe.users[..1], &["id", "enabled", "account_type"]), [["10", "true", ""]]);
    assert!(safe.users[0]["extra"].contains(r#""UserType":{"code":"BeyondInsight"}"#));
    // First name and last name share a cell.
    assert_eq!(safe.users[4]["display_name"], "Berg");
    let scim = odd(Surface::Scim);
    let row = |id: &str| scim.users.iter().find(|row| row["id"] == id).unwrap();
    assert_eq!((row("60")["username"].as_str(), row("30")["email_address"].as_str()), ("", ""));
    // The groups report the memberships that the user's record lost; another name replaces the odd one.
    assert_eq!(
        (row("40")["group_memberships"].as_str(), row("50")["display_name"].as_str()),
        (r#"["1","2"]"#, "emil Berg")
    );
    for expected in [&pra, &safe, &scim] {
        assert!(found(expected).contains(&"data-quality info source eu".to_owned()));
    }
}

#[test]
fn names_that_are_not_unicode_are_repaired() {
    let sandbox = sandbox_with(tenant(), &[Dialect::BrokenText]);
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let (_, _, body) = raw(client.request(Method::GET, &format!("{USERS}/30"))).await;
        let text = String::from_utf8(body).unwrap();
        assert!(text.contains(r#""display_name":"carl Berg\ud83d""#), "{text}");
        let (_, _, body) = raw(client.request(Method::GET, &format!("{USERS}/10"))).await;
        assert!(body.windows(11).any(|bytes| bytes == b"anna Berg\xfc\""));
    });
    for surface in Surface::ALL {
        let expected = expected(&tenant(), surface, &[Dialect::BrokenText]);
        let names: Vec<&str> = expected.users.iter().map(|row| row["display_name"].as_str()).take(3).collect();
        assert_eq!(names, ["anna Berg\u{fffd}", "ben Berg", "carl Berg\u{fffd}"], "{surface:?}");
        let group = expected.groups.iter().find(|row| row["id"] == "4").unwrap();
        assert_eq!(group["name"], "Nobody's\u{fffd}", "{surface:?}");
    }
}

#[test]
fn an_absent_last_login_means_never_for_local_accounts_if_others_have_one() {
    let users = served(tenant(), Dialect::SilentNever, "/api/config/v1/user");
    assert!(users[5].get("last_authentication").is_none() && users[0].get("last_authentication").is_some());
    let mut world = tenant();
    let status = |world: &World| {
        let expected = expected(world, Surface::Pra, &[Dialect::SilentNever]);
        let of = |id: &str| expected.users.iter().find(|row| row["id"] == id).unwrap()["last_login_status"].clone();
        ["10", "50", "60"].map(of)
    };
    assert_eq!(status(&world), ["at", "at", "never"]);
    world.edit_user(50, |user| drop(user.insert("last_login".to_owned(), Value::Null)));
    assert_eq!(status(&world), ["at", "not-reported", "never"]);
    for id in [10, 20, 30, 40, 70] {
        world.edit_user(id, |user| drop(user.insert("last_login".to_owned(), Value::Null)));
    }
    world.product_details_mut().vendors.clear();
    assert_eq!(status(&world), ["not-reported", "not-reported", "not-reported"]);
}
