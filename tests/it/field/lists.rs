//! Tests of responses around and instead of lists: totals, null, a single object, no content, and keys of another interface.

use super::server::Reply;
use super::world::{
    CONFIG, GUIDE, SAFE, SCIM, config_api, config_list, config_user, guide, guide_list, guide_user, safe, safe_list,
    safe_user, scim, scim_user,
};
use super::{Tenant, at_once};
use crate::rig::{stderr, stdout};
use serde_json::{Value, json};

/// Answers the list of users with a response. Asserts that the run exits with `code` and that `check --online` agrees.
///
/// Returns the output of both.
#[track_caller]
fn read_users_from(tenant: &Tenant, route: &str, reply: Reply, code: i32) -> String {
    tenant.server.on(route, reply);
    let (run, checked) = std::thread::scope(|scope| {
        let checked = scope.spawn(|| tenant.check(i32::from(code != 0)));
        (tenant.first(code), checked.join().unwrap())
    });
    format!("{}{}{checked}", stdout(&run), stderr(&run))
}

fn guide_users(rows: &Value, total: &Value) -> Reply {
    Reply::ok(json!({"users": rows, "total": total}).to_string())
}

fn three() -> Value {
    json!([guide_user(1, "ann", &[1]), guide_user(2, "ben", &[2]), guide_user(3, "cid", &[1, 2])])
}

#[test]
fn totals_are_read_from_texts_and_numbers_with_a_fraction() {
    for total in [json!("3"), json!(3.0), json!("3.0"), json!(" 3 ")] {
        let tenant = guide();
        read_users_from(&tenant, &format!("GET {GUIDE}/users"), guide_users(&three(), &total), 0);
        assert_eq!(tenant.list("users").unwrap()["expected"], 3, "{total}");
        let tenant = scim();
        let users = json!([scim_user("1", "ann"), scim_user("2", "ben"), scim_user("3", "cid")]);
        let page = json!({"totalResults": total, "Resources": users});
        read_users_from(&tenant, &format!("GET {SCIM}/Users"), Reply::ok(page.to_string()), 0);
        assert_eq!(tenant.list("users").unwrap()["expected"], 3, "{total}");
    }
}

#[test]
fn invalid_totals_and_totals_below_the_row_count_are_ignored() {
    for total in [json!(null), json!(-1), json!("many"), json!([3]), json!(1), json!(0), json!("2")] {
        let tenant = guide();
        let rows = three().as_array().unwrap().clone();
        let shown = total.clone();
        tenant.server.answer(&format!("GET {GUIDE}/users"), move |request| {
            let rows: Vec<&Value> = rows.iter().skip(request.number("offset").unwrap()).collect();
            Reply::ok(json!({"users": rows, "total": shown}).to_string())
        });
        tenant.first(0);
        let list = tenant.list("users").unwrap();
        assert_eq!((&list["expected"], &list["distinct"]), (&Value::Null, &json!(3)), "{total}: {list}");
        let checked = tenant.check(0);
        assert!(checked.contains("source s: 3 users in one page; the API reports no total"), "{total}: {checked}");
    }
}

#[test]
fn total_in_a_header_below_the_row_count_is_ignored() {
    let tenant = config_api("pra");
    let users = json!([config_user(1, "ann"), config_user(2, "ben"), config_user(3, "cid")]);
    let reply = Reply::ok(users.to_string()).with("X-BT-Pagination-Total: 2").with("X-BT-Pagination-Last-Page: 1");
    read_users_from(&tenant, &format!("GET {CONFIG}/user"), reply, 0);
    let list = tenant.list("users").unwrap();
    assert_eq!((&list["expected"], &list["distinct"]), (&Value::Null, &json!(3)), "{list}");
}

#[test]
fn list_without_rows_fails_when_its_total_is_above_0() {
    let promised = |rows: &str| Reply::ok(rows.to_owned()).with("X-BT-Pagination-Total: 3");
    let guide_of = |rows: Value| (guide(), format!("GET {GUIDE}/users"), guide_users(&rows, &json!(3)), "");
    let scim_of = |body: &str, wanted| (scim(), format!("GET {SCIM}/Users"), Reply::ok(body), wanted);
    let config_of = |rows: &str| (config_api("pra"), format!("GET {CONFIG}/user"), promised(rows), "");
    let foreign = r#"the key "Resources" is missing; found "totalResults""#;
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
    at_once(cases, |(tenant, route, reply, wanted)| {
        let output = read_users_from(&tenant, &route, reply, 1);
        assert!(output.contains("BAD   source s: users") && output.contains(wanted), "{output}");
    });
}

#[test]
fn allow_shrink_does_not_make_an_incomplete_list_complete() {
    let tenant = guide();
    tenant.first(0);
    tenant.server.on(&format!("GET {GUIDE}/groups"), Reply::ok(r#"{"groups":[],"total":2}"#));
    let run = tenant.call(&["run", "--as-of", super::SECOND, "--allow-shrink", "s"]);
    super::exits(run, 3);
    assert_eq!(tenant.coverage("groups"), "failed");
    tenant.concludes_nothing_from_absence();
    assert!(tenant.check(1).contains("BAD   source s: groups"));
}

#[test]
fn response_of_another_interface_is_reported_with_the_keys_that_it_has() {
    let reply = Reply::ok(r#"{"Data":[{"id":1}],"TotalCount":5}"#);
    let output = read_users_from(&guide(), &format!("GET {GUIDE}/users"), reply, 1);
    let wanted = r#"the key "users" is missing; found "Data", "TotalCount""#;
    assert!(output.matches(wanted).count() >= 2, "run and check: {output}");
    assert!(output.contains("GET /api/public/v3/users?offset=0&limit=100"), "{output}");
    let reply = Reply::ok(r#"{"Message":"An error has occurred."}"#);
    let output = read_users_from(&safe(), &format!("GET {SAFE}/Users"), reply, 1);
    assert!(output.contains(r#"expected a list, found an object with "Message""#), "{output}");
}

#[test]
fn null_is_an_empty_list_when_the_total_is_0() {
    let tenant = guide();
    let none: [u64; 0] = [];
    guide_list(&tenant.server, "users", &json!([guide_user(1, "ann", &none)]));
    tenant.server.on(&format!("GET {GUIDE}/groups"), Reply::ok(r#"{"groups":null,"total":0}"#));
    tenant.first(0);
    assert_eq!(tenant.found("no-group"), ["1"], "the empty list of groups is proven");
    let tenant = config_api("pra");
    tenant.server.on(&format!("GET {CONFIG}/vendor"), Reply::ok("null").with("X-BT-Pagination-Total: 0"));
    tenant.first(0);
}

#[test]
fn null_is_a_failed_list_when_no_total_of_0_is_reported() {
    at_once([r#"{"groups":null}"#, r#"{"groups":null,"total":"0.5"}"#, "null", "SAFE"], |body| {
        let tenant = if body == "SAFE" { safe() } else { guide() };
        tenant.server.on(&format!("GET {GUIDE}/groups"), Reply::ok(body));
        tenant.server.on(&format!("GET {SAFE}/UserGroups/1/Users"), Reply::ok("null"));
        tenant.first(3);
        tenant.concludes_nothing_from_absence();
        tenant.check(1);
    });
}

#[test]
fn response_204_is_an_empty_list_when_a_second_response_confirms_it() {
    let empty = || Reply::of(204, "");
    let tenant = config_api("pra");
    tenant.server.on(&format!("GET {CONFIG}/vendor/7/user"), empty());
    tenant.server.on(&format!("GET {CONFIG}/group-policy/1/member"), empty());
    tenant.check(0);
    tenant.first(0);
    assert_eq!(
        (tenant.found("empty-group"), tenant.found("no-group")),
        (vec!["1".into(), "vendor:7".into()], vec!["1".into()])
    );
    assert!(tenant.server.count(&format!("GET {CONFIG}/group-policy/1/member")) >= 2);
    let tenant = safe();
    tenant.server.at_first(1, &format!("GET {SAFE}/UserGroups/1/Users"), empty());
    tenant.first(0);
    assert_eq!(tenant.memberships(), ["1:1", "2:2", "2:3"], "the second answer had a member");
    let tenant = scim();
    tenant.server.on(&format!("GET {SCIM}/Groups"), empty());
    tenant.first(0);
    assert_eq!(tenant.column("groups", "id"), [""; 0]);
}

#[test]
fn response_204_with_a_total_above_0_is_a_failed_list() {
    let tenant = config_api("pra");
    tenant
        .server
        .on(&format!("GET {CONFIG}/group-policy/1/member"), Reply::of(204, "").with("X-BT-Pagination-Total: 3"));
    tenant.first(3);
    assert_eq!(tenant.coverage("members"), "failed");
    tenant.concludes_nothing_from_absence();
}

#[test]
fn single_object_instead_of_a_list_is_a_list_of_one() {
    let tenant = guide();
    tenant.server.on(&format!("GET {GUIDE}/users"), guide_users(&guide_user(1, "ann", &[1]), &json!(1)));
    tenant
        .server
        .on(&format!("GET {GUIDE}/groups"), Reply::ok(r#"{"groups":{"id":1,"name":"Administrators"},"total":1}"#));
    tenant.first(0);
    assert_eq!(tenant.memberships(), ["1:1"]);
    let tenant = config_api("rs");
    config_list(&tenant.server, "/user", &json!([config_user(1, "ann")]));
    let one =
        |body: Value| Reply::ok(body.to_string()).with("X-BT-Pagination-Total: 1").with("X-BT-Pagination-Last-Page: 1");
    tenant.server.on(&format!("GET {CONFIG}/group-policy"), one(json!({"id":1,"name":"Administrators"})));
    tenant.server.on(&format!("GET {CONFIG}/group-policy/1/member"), one(json!({"id":1,"user_id":1})));
    tenant.first(0);
    assert_eq!(tenant.memberships(), ["1:1"]);
    let tenant = safe();
    safe_list(&tenant.server, "/Users", &safe_user(1, "ann"));
    safe_list(&tenant.server, "/UserGroups", &json!({"GroupID":1,"Name":"Administrators","GroupType":"BeyondInsight"}));
    safe_list(&tenant.server, "/UserGroups/1/Users", &json!({"UserID":1}));
    tenant.first(0);
    assert_eq!(tenant.memberships(), ["1:1"]);
    let tenant = scim();
    let page = |one: Value| Reply::ok(json!({"totalResults": 1, "Resources": one}).to_string());
    tenant.server.on(&format!("GET {SCIM}/Users"), page(scim_user("1", "ann")));
    tenant.server.on(&format!("GET {SCIM}/Groups"), page(json!({"id":"g1","members":{"value":"1"}})));
    tenant.first(0);
    assert_eq!(tenant.memberships(), ["g1:1"]);
}
