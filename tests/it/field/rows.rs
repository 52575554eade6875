//! Rows without an id, and ids of every form.

use super::server::Reply;
use super::world::{
    CONFIG, GUIDE, config_api, config_list, config_user, guide, guide_list, guide_user, safe, safe_list, safe_user,
    scim, scim_list, scim_user,
};
use super::{Field, at_once};
use serde_json::{Value, json};

/// Values that are no id.
const NO_IDS: [&str; 7] = ["null", "true", "7.5", r#""""#, "[1]", "{}", r#"{"id":{"id":1}}"#];

/// The tenants, each with a user more whose id is this; `None`: it has none.
fn with_a_user(id: Option<&str>) -> Vec<Field> {
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
fn a_user_without_a_usable_id_costs_the_proof_of_the_list_and_no_other_user() {
    for id in std::iter::once(None).chain(NO_IDS.map(Some)) {
        for field in with_a_user(id) {
            field.first(3);
            let names = field.column("users", "username");
            for name in ["ann", "ben", "cid"] {
                assert!(names.iter().any(|one| one == name), "{id:?}: {names:?}");
            }
            assert!(!names.iter().any(|one| one == "dan"), "{id:?}: {names:?}");
            assert_eq!(field.coverage("users"), "drifted", "{id:?}: {}", field.manifest()["sources"][0]);
            let why = field.proof("users");
            assert!(why.contains("1 row has no usable id, or one that another row has, and was left out"), "{why}");
        }
    }
}

#[test]
fn check_says_of_a_row_without_an_id_what_a_run_says() {
    for field in with_a_user(Some("null")) {
        let checked = field.check(1);
        assert!(checked.contains("BAD   source s: users: 1 row has no usable id"), "{checked}");
    }
}

#[test]
fn rows_that_are_no_objects_and_rows_that_are_the_same_are_counted() {
    let field = guide();
    let users = json!([guide_user(1, "ann", &[1]), null, null, "a text", 5, [1], true]);
    guide_list(&field.server, "users", &users);
    field.first(3);
    assert_eq!(field.column("users", "id"), ["1"]);
    assert!(field.proof("users").contains("rows have no usable id"), "{}", field.proof("users"));
    let field = safe();
    safe_list(&field.server, "/Users", &json!([safe_user(1, "ann"), safe_user(2, "ben"), safe_user(3, "cid"), {}, {}]));
    field.first(3);
    assert_eq!(field.column("users", "id"), ["1", "2", "3"]);
    assert!(field.proof("users").contains("2 rows have no usable id"), "{}", field.proof("users"));
}

#[test]
fn ids_are_exact_whatever_their_form_and_size() {
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
        for field in with_a_user(Some(written)) {
            field.first(0);
            assert_eq!(field.user(id)["username"], "dan", "{written}");
            assert_eq!(field.coverage("users"), "complete");
        }
    }
}

#[test]
fn a_group_without_an_id_leaves_nobody_in_no_group() {
    let field = guide();
    guide_list(&field.server, "groups", &json!([{"name":"Administrators"},{"id":2,"name":"Operators"}]));
    field.first(3);
    field.concludes_nothing_from_absence();
    let field = config_api("pra");
    config_list(
        &field.server,
        "/group-policy",
        &json!([{"id":1,"name":"Administrators"},{"id":null,"name":"Operators"}]),
    );
    field.first(3);
    field.concludes_nothing_from_absence();
    assert_eq!(field.coverage("groups"), "drifted");
    let field = safe();
    safe_list(
        &field.server,
        "/UserGroups",
        &json!([{"GroupID":1,"Name":"Administrators","GroupType":"BeyondInsight"},{}]),
    );
    field.first(3);
    field.concludes_nothing_from_absence();
}

#[test]
fn a_member_without_a_user_leaves_the_members_of_its_group_unknown() {
    let field = safe();
    safe_list(&field.server, "/UserGroups/2/Users", &json!([{"UserID":2},{"UserName":"who"}]));
    field.first(3);
    field.concludes_nothing_from_absence();
    assert_eq!(field.column("groups", "member_count"), ["1", ""]);
    let field = config_api("pra");
    config_list(&field.server, "/group-policy/2/member", &json!([{"id":2,"user_id":2},{"id":3,"user_id":{"x":1}}]));
    field.first(3);
    field.concludes_nothing_from_absence();
    assert_eq!(field.group("2")["member_count"], "");
    // A blank is no user; the member is one of a directory.
    let field = config_api("pra");
    let of_directory = json!({"id":3,"user_id":"","distinguished_name":"CN=x","security_provider_id":1});
    config_list(&field.server, "/group-policy/2/member", &json!([{"id":2,"user_id":2}, of_directory]));
    field.first(0);
    let group = field.group("2");
    assert_eq!((group["member_count"].as_str(), group["external_member_count"].as_str()), ("1", "1"));
}

#[test]
fn users_whose_own_record_answers_404_are_kept_while_the_list_names_them() {
    at_once([Reply::of(404, "{}"), Reply::of(410, ""), Reply::of(403, ""), Reply::of(500, "")], |reply| {
        let field = guide();
        let sparse = |id: u64, name: &str| json!({"id": id, "username": name, "display_name": name, "enabled": true});
        for (id, name) in [(1, "ann"), (2, "ben"), (3, "cid")] {
            field
                .server
                .on(&format!("GET {GUIDE}/users/{id}"), Reply::ok(guide_user(id, name, &[id.min(2)]).to_string()));
        }
        guide_list(&field.server, "users", &json!([sparse(1, "ann"), sparse(2, "ben"), sparse(3, "cid")]));
        field.first(0);
        field.server.on(&format!("GET {GUIDE}/users/1"), reply);
        field.second(3);
        assert_eq!(field.column("changes", "kind"), [""; 0]);
        field.concludes_nothing_from_absence();
        assert_eq!(field.user("1")["username"], "ann");
        assert_eq!(field.coverage("user-details"), "failed");
        assert_eq!(field.column("groups", "member_count"), ["", ""]);
        assert!(field.check(1).contains("BAD   source s: user-details"));
    });
}

#[test]
fn a_user_who_the_list_read_again_no_longer_names_was_removed() {
    let field = guide();
    let sparse = |id: u64, name: &str| json!({"id": id, "username": name, "display_name": name, "enabled": true});
    for (id, name) in [(1, "ann"), (2, "ben"), (3, "cid")] {
        field.server.on(&format!("GET {GUIDE}/users/{id}"), Reply::ok(guide_user(id, name, &[id.min(2)]).to_string()));
    }
    let all = json!([sparse(1, "ann"), sparse(2, "ben"), sparse(3, "cid")]);
    guide_list(&field.server, "users", &all.clone());
    field.first(0);
    guide_list(&field.server, "users", &json!([sparse(2, "ben"), sparse(3, "cid")]));
    let page = Reply::ok(json!({"users": all, "total": 3}).to_string());
    field.server.at_first(1, &format!("GET {GUIDE}/users"), page);
    field.server.on(&format!("GET {GUIDE}/users/1"), Reply::of(404, ""));
    field.second(0);
    assert_eq!(field.column("changes", "kind"), ["membership.removed", "user.removed"]);
    assert_eq!(field.column("users", "id"), ["2", "3"]);
}

#[test]
fn an_answer_that_changes_between_readings_of_a_policy_s_members_is_not_proven() {
    let field = config_api("pra");
    field.server.answer(&format!("GET {CONFIG}/group-policy/2/member"), |request| {
        // One page shows fewer rows than its own total, every time.
        let rows = json!([{"id":2,"user_id":2}]).to_string();
        let page = request.number("current_page").unwrap();
        if page == 1 {
            Reply::ok(rows).with("X-BT-Pagination-Total: 2")
        } else {
            Reply::ok("[]").with("X-BT-Pagination-Total: 2")
        }
    });
    field.first(3);
    field.concludes_nothing_from_absence();
    assert_eq!(field.coverage("members"), "drifted");
    assert_eq!(field.group("2")["member_count"], "");
}
