//! What stands around and in the place of lists: totals, null, one object, nothing at all, and foreign keys.

use super::server::Reply;
use super::world::{
    CONFIG, GUIDE, SAFE, SCIM, config_api, config_list, config_user, guide, guide_list, guide_user, safe, safe_list,
    safe_user, scim, scim_user,
};
use super::{Field, at_once};
use crate::rig::{stderr, stdout};
use serde_json::{Value, json};

/// A list of users with what stands around it: the run ends so, and `check --online` agrees. Returns what both say.
#[track_caller]
fn users_come_out(field: &Field, route: &str, reply: Reply, code: i32) -> String {
    field.server.on(route, reply);
    let (ran, checked) = std::thread::scope(|scope| {
        let checked = scope.spawn(|| field.check(i32::from(code != 0)));
        (field.first(code), checked.join().unwrap())
    });
    format!("{}{}{checked}", stdout(&ran), stderr(&ran))
}

fn guide_users(rows: &Value, total: &Value) -> Reply {
    Reply::ok(json!({"users": rows, "total": total}).to_string())
}

fn three() -> Value {
    json!([guide_user(1, "ann", &[1]), guide_user(2, "ben", &[2]), guide_user(3, "cid", &[1, 2])])
}

// V3
#[test]
fn totals_are_read_from_texts_and_numbers_with_a_fraction() {
    for total in [json!("3"), json!(3.0), json!("3.0"), json!(" 3 ")] {
        let field = guide();
        users_come_out(&field, &format!("GET {GUIDE}/users"), guide_users(&three(), &total), 0);
        assert_eq!(field.list("users").unwrap()["expected"], 3, "{total}");
        let field = scim();
        let users = json!([scim_user("1", "ann"), scim_user("2", "ben"), scim_user("3", "cid")]);
        let page = json!({"totalResults": total, "Resources": users});
        users_come_out(&field, &format!("GET {SCIM}/Users"), Reply::ok(page.to_string()), 0);
        assert_eq!(field.list("users").unwrap()["expected"], 3, "{total}");
    }
}

#[test]
fn what_is_no_total_is_none_and_a_total_below_the_rows_is_no_proof() {
    for total in [json!(null), json!(-1), json!("many"), json!([3]), json!(1), json!(0), json!("2")] {
        let field = guide();
        let rows = three().as_array().unwrap().clone();
        let shown = total.clone();
        field.server.answer(&format!("GET {GUIDE}/users"), move |request| {
            let rows: Vec<&Value> = rows.iter().skip(request.number("offset").unwrap()).collect();
            Reply::ok(json!({"users": rows, "total": shown}).to_string())
        });
        field.first(0);
        let list = field.list("users").unwrap();
        assert_eq!((&list["expected"], &list["distinct"]), (&Value::Null, &json!(3)), "{total}: {list}");
        let checked = field.check(0);
        assert!(checked.contains("source s: 3 users in one page; the API reports no total"), "{total}: {checked}");
    }
}

#[test]
fn a_total_in_a_header_below_the_rows_is_none() {
    let field = config_api("pra");
    let users = json!([config_user(1, "ann"), config_user(2, "ben"), config_user(3, "cid")]);
    let reply = Reply::ok(users.to_string()).with("X-BT-Pagination-Total: 2").with("X-BT-Pagination-Last-Page: 1");
    users_come_out(&field, &format!("GET {CONFIG}/user"), reply, 0);
    let list = field.list("users").unwrap();
    assert_eq!((&list["expected"], &list["distinct"]), (&Value::Null, &json!(3)), "{list}");
}

// A5 and the same kind in the other interfaces
#[test]
fn no_rows_where_a_total_promises_some_are_a_failed_list() {
    let promised = |rows: &str| Reply::ok(rows.to_owned()).with("X-BT-Pagination-Total: 3");
    let guide_of = |rows: Value| (guide(), format!("GET {GUIDE}/users"), guide_users(&rows, &json!(3)), "");
    let scim_of = |body: &str, wanted| (scim(), format!("GET {SCIM}/Users"), Reply::ok(body), wanted);
    let config_of = |rows: &str| (config_api("pra"), format!("GET {CONFIG}/user"), promised(rows), "");
    let foreign = r#"expected key "Resources", found "totalResults""#;
    let cases = [
        guide_of(json!([])),
        guide_of(Value::Null),
        config_of("[]"),
        config_of("null"),
        scim_of(r#"{"totalResults":3,"Resources":[]}"#, ""),
        scim_of(r#"{"totalResults":3,"Resources":null}"#, ""),
        scim_of(r#"{"totalResults":3,"Items":[{"id":"1"}]}"#, foreign),
        scim_of(r#"{"totalResults":3}"#, foreign),
        scim_of(r#"{"totalResults":"3"}"#, foreign),
    ];
    at_once(cases, |(field, route, reply, wanted)| {
        let said = users_come_out(&field, &route, reply, 1);
        assert!(said.contains("BAD   source s: users") && said.contains(wanted), "{said}");
    });
}

#[test]
fn allow_shrink_makes_no_complete_list_of_rows_that_did_not_come() {
    let field = guide();
    field.first(0);
    field.server.on(&format!("GET {GUIDE}/groups"), Reply::ok(r#"{"groups":[],"total":2}"#));
    let ran = field.call(&["run", "--as-of", super::SECOND, "--allow-shrink", "s"]);
    super::exits(ran, 3);
    assert_eq!(field.coverage("groups"), "failed");
    field.concludes_nothing_from_absence();
    assert!(field.check(1).contains("BAD   source s: groups"));
}

// V9
#[test]
fn an_answer_of_another_interface_names_the_keys_that_came() {
    let reply = Reply::ok(r#"{"Data":[{"id":1}],"TotalCount":5}"#);
    let said = users_come_out(&guide(), &format!("GET {GUIDE}/users"), reply, 1);
    let wanted = r#"expected key "users", found "Data", "TotalCount""#;
    assert!(said.matches(wanted).count() >= 2, "run and check: {said}");
    assert!(said.contains("GET /api/public/v3/users?offset=0&limit=100"), "{said}");
    let reply = Reply::ok(r#"{"Message":"An error has occurred."}"#);
    let said = users_come_out(&safe(), &format!("GET {SAFE}/Users"), reply, 1);
    assert!(said.contains(r#"expected a list, found an object with "Message""#), "{said}");
}

#[test]
fn null_is_an_empty_list_where_the_total_is_0_and_nowhere_else() {
    let field = guide();
    let none: [u64; 0] = [];
    guide_list(&field.server, "users", &json!([guide_user(1, "ann", &none)]));
    field.server.on(&format!("GET {GUIDE}/groups"), Reply::ok(r#"{"groups":null,"total":0}"#));
    field.first(0);
    assert_eq!(field.found("no-group"), ["1"], "the empty list of groups is proven");
    let field = config_api("pra");
    field.server.on(&format!("GET {CONFIG}/vendor"), Reply::ok("null").with("X-BT-Pagination-Total: 0"));
    field.first(0);
}

#[test]
fn null_without_a_total_of_0_is_a_failed_list() {
    at_once([r#"{"groups":null}"#, r#"{"groups":null,"total":"0.5"}"#, "null", "SAFE"], |body| {
        let field = if body == "SAFE" { safe() } else { guide() };
        field.server.on(&format!("GET {GUIDE}/groups"), Reply::ok(body));
        field.server.on(&format!("GET {SAFE}/UserGroups/1/Users"), Reply::ok("null"));
        field.first(3);
        field.concludes_nothing_from_absence();
        field.check(1);
    });
}

#[test]
fn nothing_at_all_is_an_empty_list_where_a_second_answer_says_so_too() {
    let empty = || Reply::of(204, "");
    let field = config_api("pra");
    field.server.on(&format!("GET {CONFIG}/vendor/7/user"), empty());
    field.server.on(&format!("GET {CONFIG}/group-policy/1/member"), empty());
    field.check(0);
    field.first(0);
    assert_eq!(
        (field.found("empty-group"), field.found("no-group")),
        (vec!["1".into(), "vendor:7".into()], vec!["1".into()])
    );
    assert!(field.server.count(&format!("GET {CONFIG}/group-policy/1/member")) >= 2);
    let field = safe();
    field.server.at_first(1, &format!("GET {SAFE}/UserGroups/1/Users"), empty());
    field.first(0);
    assert_eq!(field.memberships(), ["1:1", "2:2", "2:3"], "the second answer had a member");
    let field = scim();
    field.server.on(&format!("GET {SCIM}/Groups"), empty());
    field.first(0);
    assert_eq!(field.column("groups", "id"), [""; 0]);
}

#[test]
fn nothing_at_all_where_a_total_promises_rows_is_a_failed_list() {
    let field = config_api("pra");
    field
        .server
        .on(&format!("GET {CONFIG}/group-policy/1/member"), Reply::of(204, "").with("X-BT-Pagination-Total: 3"));
    field.first(3);
    assert_eq!(field.coverage("members"), "failed");
    field.concludes_nothing_from_absence();
}

#[test]
fn one_object_in_the_place_of_a_list_is_a_list_of_one() {
    let field = guide();
    field.server.on(&format!("GET {GUIDE}/users"), guide_users(&guide_user(1, "ann", &[1]), &json!(1)));
    field
        .server
        .on(&format!("GET {GUIDE}/groups"), Reply::ok(r#"{"groups":{"id":1,"name":"Administrators"},"total":1}"#));
    field.first(0);
    assert_eq!(field.memberships(), ["1:1"]);
    let field = config_api("rs");
    config_list(&field.server, "/user", &json!([config_user(1, "ann")]));
    let one =
        |body: Value| Reply::ok(body.to_string()).with("X-BT-Pagination-Total: 1").with("X-BT-Pagination-Last-Page: 1");
    field.server.on(&format!("GET {CONFIG}/group-policy"), one(json!({"id":1,"name":"Administrators"})));
    field.server.on(&format!("GET {CONFIG}/group-policy/1/member"), one(json!({"id":1,"user_id":1})));
    field.first(0);
    assert_eq!(field.memberships(), ["1:1"]);
    let field = safe();
    safe_list(&field.server, "/Users", &safe_user(1, "ann"));
    safe_list(&field.server, "/UserGroups", &json!({"GroupID":1,"Name":"Administrators","GroupType":"BeyondInsight"}));
    safe_list(&field.server, "/UserGroups/1/Users", &json!({"UserID":1}));
    field.first(0);
    assert_eq!(field.memberships(), ["1:1"]);
    let field = scim();
    let page = |one: Value| Reply::ok(json!({"totalResults": 1, "Resources": one}).to_string());
    field.server.on(&format!("GET {SCIM}/Users"), page(scim_user("1", "ann")));
    field.server.on(&format!("GET {SCIM}/Groups"), page(json!({"id":"g1","members":{"value":"1"}})));
    field.first(0);
    assert_eq!(field.memberships(), ["g1:1"]);
}
