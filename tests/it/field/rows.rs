//! Tests of rows without an id, of ids of every type and size, and of records that cannot be read.

use super::server::Reply;
use super::world::{
    CONFIG, GUIDE, config_api, config_list, config_user, guide, guide_list, guide_user, safe, safe_list, safe_user,
    scim, scim_list, scim_user,
};
use super::{Tenant, at_once};
use serde_json::{Value, json};

/// JSON values that are not usable as an id.
const NO_IDS: [&str; 7] = ["null", "true", "7.5", r#""""#, "[1]", "{}", r#"{"id":{"id":1}}"#];

/// Returns the tenants, each with one more user whose id has this JSON value, or who has no id for `None`.
fn with_a_user(id: Option<&str>) -> Vec<Tenant> {
    let id: Option<Value> = id.map(|id| serde_json::from_str(id).unwrap());
    let with = |mut user: Value, key: &str| {
        user.as_object_mut().unwrap().remove(key);
        if let Some(id) = &id {
            user[key] = id.clone();
        }
        user
    };
    let users = [(1, "ann"), (2, "ben"), (3, "cid")];
    let list = |of: &dyn Fn(u64, &str) -> Value, odd: Value| {
        let mut rows: Vec<Value> = users.iter().map(|(id, name)| of(*id, name)).collect();
        rows.push(odd);
        Value::Array(rows)
    };
    let (a, b, c, d) = (guide(), config_api("pra"), safe(), scim());
    let guide_of = |id, name: &str| guide_user(id, name, &[1]);
    guide_list(&a.server, "users", &list(&guide_of, with(guide_of(9, "dan"), "id")));
    config_list(&b.server, "/user", &list(&config_user, with(config_user(9, "dan"), "id")));
    safe_list(&c.server, "/Users", &list(&safe_user, with(safe_user(9, "dan"), "UserID")));
    let scim_of = |id: u64, name: &str| scim_user(&id.to_string(), name);
    scim_list(&d.server, "/Users", &list(&scim_of, with(scim_user("9", "dan"), "id")));
    vec![a, b, c, d]
}

#[test]
fn user_without_a_usable_id_is_skipped_and_the_list_is_not_proven_complete() {
    for id in std::iter::once(None).chain(NO_IDS.map(Some)) {
        for tenant in with_a_user(id) {
            tenant.first(3);
            let names = tenant.column("users", "username");
            for name in ["ann", "ben", "cid"] {
                assert!(names.iter().any(|one| one == name), "{id:?}: {names:?}");
            }
            assert!(!names.iter().any(|one| one == "dan"), "{id:?}: {names:?}");
            assert_eq!(tenant.coverage("users"), "drifted", "{id:?}: {}", tenant.manifest()["sources"][0]);
            let why = tenant.proof("users");
            assert!(why.contains("1 row was left out: its id is missing or unreadable"), "{why}");
        }
    }
}

#[test]
fn check_reports_a_row_without_an_id_like_a_run() {
    for tenant in with_a_user(Some("null")) {
        let checked = tenant.check(1);
        assert!(
            checked.contains("BAD   source s: users: 1 row was left out: its id is missing or unreadable"),
            "{checked}"
        );
    }
}

#[test]
fn rows_that_are_not_objects_or_have_no_id_are_counted() {
    let tenant = guide();
    let users = json!([guide_user(1, "ann", &[1]), null, null, "a text", 5, [1], true]);
    guide_list(&tenant.server, "users", &users);
    tenant.first(3);
    assert_eq!(tenant.column("users", "id"), ["1"]);
    assert!(
        tenant.proof("users").contains("rows were left out: their ids are missing or unreadable"),
        "{}",
        tenant.proof("users")
    );
    let tenant = safe();
    safe_list(
        &tenant.server,
        "/Users",
        &json!([safe_user(1, "ann"), safe_user(2, "ben"), safe_user(3, "cid"), {}, {}]),
    );
    tenant.first(3);
    assert_eq!(tenant.column("users", "id"), ["1", "2", "3"]);
    assert!(
        tenant.proof("users").contains("2 rows were left out: their ids are missing or unreadable"),
        "{}",
        tenant.proof("users")
    );
}

#[test]
fn ids_of_every_type_and_size_are_exact() {
    for (written, id) in [
        ("36893488147419103232", "36893488147419103232"),
        ("18446744073709551616", "18446744073709551616"),
        ("9007199254740993", "9007199254740993"),
        ("9.0", "9"),
        (r#""9""#, "9"),
        (r#"{"id":9}"#, "9"),
        (r#"{"value":"9"}"#, "9"),
        (r#""00000009""#, "00000009"),
        (r#""g:5/ä b""#, "g:5/ä b"),
    ] {
        for tenant in with_a_user(Some(written)) {
            tenant.first(0);
            assert_eq!(tenant.user(id)["username"], "dan", "{written}");
            assert_eq!(tenant.coverage("users"), "complete");
        }
    }
}

#[test]
fn no_user_is_reported_as_being_in_no_group_when_a_group_has_no_id() {
    let tenant = guide();
    guide_list(&tenant.server, "groups", &json!([{"name":"Administrators"},{"id":2,"name":"Operators"}]));
    tenant.first(3);
    tenant.concludes_nothing_from_absence();
    let tenant = config_api("pra");
    config_list(
        &tenant.server,
        "/group-policy",
        &json!([{"id":1,"name":"Administrators"},{"id":null,"name":"Operators"}]),
    );
    tenant.first(3);
    tenant.concludes_nothing_from_absence();
    assert_eq!(tenant.coverage("groups"), "drifted");
    let tenant = safe();
    safe_list(
        &tenant.server,
        "/UserGroups",
        &json!([{"GroupID":1,"Name":"Administrators","GroupType":"BeyondInsight"},{}]),
    );
    tenant.first(3);
    tenant.concludes_nothing_from_absence();
}

#[test]
fn members_of_a_group_are_unknown_when_one_member_has_no_user_id() {
    let tenant = safe();
    safe_list(&tenant.server, "/UserGroups/2/Users", &json!([{"UserID":2},{"UserName":"who"}]));
    tenant.first(3);
    tenant.concludes_nothing_from_absence();
    assert_eq!(tenant.column("groups", "member_count"), ["1", ""]);
    let tenant = config_api("pra");
    config_list(&tenant.server, "/group-policy/2/member", &json!([{"id":2,"user_id":2},{"id":3,"user_id":{"x":1}}]));
    tenant.first(3);
    tenant.concludes_nothing_from_absence();
    assert_eq!(tenant.group("2")["member_count"], "");
    // A blank user id is no user: the member is a directory group.
    let tenant = config_api("pra");
    let of_directory = json!({"id":3,"user_id":"","distinguished_name":"CN=x","security_provider_id":1});
    config_list(&tenant.server, "/group-policy/2/member", &json!([{"id":2,"user_id":2}, of_directory]));
    tenant.first(0);
    let group = tenant.group("2");
    assert_eq!((group["member_count"].as_str(), group["external_member_count"].as_str()), ("1", "1"));
}

#[test]
fn user_whose_record_cannot_be_read_is_kept_while_the_list_contains_it() {
    at_once([Reply::of(404, "{}"), Reply::of(410, ""), Reply::of(403, ""), Reply::of(500, "")], |reply| {
        let tenant = guide();
        let sparse = |id: u64, name: &str| json!({"id": id, "username": name, "display_name": name, "enabled": true});
        for (id, name) in [(1, "ann"), (2, "ben"), (3, "cid")] {
            tenant
                .server
                .on(&format!("GET {GUIDE}/users/{id}"), Reply::ok(guide_user(id, name, &[id.min(2)]).to_string()));
        }
        guide_list(&tenant.server, "users", &json!([sparse(1, "ann"), sparse(2, "ben"), sparse(3, "cid")]));
        tenant.first(0);
        tenant.server.on(&format!("GET {GUIDE}/users/1"), reply);
        tenant.second(3);
        assert_eq!(tenant.column("changes", "kind"), [""; 0]);
        tenant.concludes_nothing_from_absence();
        assert_eq!(tenant.user("1")["username"], "ann");
        assert_eq!(tenant.coverage("user-details"), "failed");
        assert_eq!(tenant.column("groups", "member_count"), ["", ""]);
        assert!(tenant.check(1).contains("BAD   source s: user-details"));
    });
}

#[test]
fn user_is_removed_when_its_record_answers_404_and_a_second_list_does_not_contain_it() {
    let tenant = guide();
    let sparse = |id: u64, name: &str| json!({"id": id, "username": name, "display_name": name, "enabled": true});
    for (id, name) in [(1, "ann"), (2, "ben"), (3, "cid")] {
        tenant.server.on(&format!("GET {GUIDE}/users/{id}"), Reply::ok(guide_user(id, name, &[id.min(2)]).to_string()));
    }
    let all = json!([sparse(1, "ann"), sparse(2, "ben"), sparse(3, "cid")]);
    guide_list(&tenant.server, "users", &all.clone());
    tenant.first(0);
    guide_list(&tenant.server, "users", &json!([sparse(2, "ben"), sparse(3, "cid")]));
    let page = Reply::ok(json!({"users": all, "total": 3}).to_string());
    tenant.server.at_first(1, &format!("GET {GUIDE}/users"), page);
    tenant.server.on(&format!("GET {GUIDE}/users/1"), Reply::of(404, ""));
    tenant.second(0);
    assert_eq!(tenant.column("changes", "kind"), ["membership.removed", "user.removed"]);
    assert_eq!(tenant.column("users", "id"), ["2", "3"]);
}

#[test]
fn members_with_fewer_rows_than_their_total_are_not_proven_complete() {
    let tenant = config_api("pra");
    tenant.server.answer(&format!("GET {CONFIG}/group-policy/2/member"), |request| {
        // The page always has fewer rows than its total.
        let rows = json!([{"id":2,"user_id":2}]).to_string();
        let page = request.number("current_page").unwrap();
        if page == 1 {
            Reply::ok(rows).with("X-BT-Pagination-Total: 2")
        } else {
            Reply::ok("[]").with("X-BT-Pagination-Total: 2")
        }
    });
    tenant.first(3);
    tenant.concludes_nothing_from_absence();
    assert_eq!(tenant.coverage("members"), "drifted");
    assert_eq!(tenant.group("2")["member_count"], "");
}
