//! Tests of lists whose end is not what the server reports, and of lists that name one id twice.

use super::server::Reply;
use super::world::{
    CONFIG, GUIDE, SCIM, config_api, config_list, config_user, guide, guide_list, guide_user, safe, safe_list,
    safe_user, scim, scim_list, scim_user,
};
use super::{Tenant, at_once};
use crate::rig::stdout;
use serde_json::{Value, json};

/// Number of rows that the servers of these tests return at most.
const CAP: usize = 50;
/// Number of users behind them.
const USERS: usize = 180;

/// Returns the rows of a page that is cut silently.
fn cut(rows: &[Value], offset: usize, limit: usize) -> Vec<Value> {
    rows.iter().skip(offset).take(limit.min(CAP)).cloned().collect()
}

#[test]
fn pages_cut_to_50_rows_with_50_as_the_total_are_read_to_the_end_by_every_interface() {
    let guide_users: Vec<Value> = (1..=USERS as u64).map(|id| guide_user(id, &format!("u{id}"), &[1])).collect();
    let tenant = guide();
    tenant.server.answer(&format!("GET {GUIDE}/users"), move |request| {
        let page = cut(&guide_users, request.number("offset").unwrap(), request.number("limit").unwrap());
        Reply::ok(json!({"users": page, "total": page.len().to_string()}).to_string())
    });
    let other = scim();
    let scim_users: Vec<Value> = (1..=USERS).map(|id| scim_user(&id.to_string(), &format!("u{id}"))).collect();
    other.server.answer(&format!("GET {SCIM}/Users"), move |request| {
        let page = cut(&scim_users, request.number("startIndex").unwrap() - 1, request.number("count").unwrap());
        Reply::ok(json!({"totalResults": page.len(), "Resources": page}).to_string())
    });
    let cut_page = |path: &str, rows: Vec<Value>| {
        let tenant = config_api("pra");
        let users: Vec<Value> = (1..=USERS as u64).map(|id| config_user(id, &format!("u{id}"))).collect();
        config_list(&tenant.server, "/user", &json!(users));
        tenant.server.answer(&format!("GET {CONFIG}{path}"), move |request| {
            let (size, page) = (request.number("per_page").unwrap(), request.number("current_page").unwrap());
            let shown = cut(&rows, (page - 1) * size, size);
            Reply::ok(json!(shown).to_string())
                .with(format!("X-BT-Pagination-Total: {}", shown.len()))
                .with(format!("X-BT-Pagination-Last-Page: {page}"))
                .with(format!("X-BT-Pagination-Per-Page: {size}"))
                .with(format!("X-BT-Pagination-Current-Page: {page}"))
        });
        tenant
    };
    let users = (1..=USERS as u64).map(|id| config_user(id, &format!("u{id}"))).collect();
    let members = (1..=USERS as u64).map(|id| json!({"id": id, "user_id": id})).collect();
    let tenants = [tenant, other, cut_page("/user", users), cut_page("/group-policy/1/member", members)];
    at_once(tenants, |tenant| {
        tenant.first(0);
        let named = tenant.column("users", "username").iter().filter(|name| name.starts_with('u')).count();
        assert_eq!(named, USERS, "{}", tenant.proof("users"));
        let in_the_first: Vec<_> = tenant.memberships().into_iter().filter(|pair| pair.starts_with("1:")).collect();
        assert!([0, 1, USERS].contains(&in_the_first.len()), "{}", in_the_first.len());
    });
}

#[test]
fn total_that_contradicts_the_rows_is_called_that_and_not_a_removal() {
    at_once([json!(0), json!(10), json!("10")], |total| {
        let tenant = guide();
        let users: Vec<Value> = (1..=150).map(|id| guide_user(id, &format!("u{id}"), &[1])).collect();
        let shown = total.clone();
        tenant.server.answer(&format!("GET {GUIDE}/users"), move |request| {
            let (offset, limit) = (request.number("offset").unwrap(), request.number("limit").unwrap());
            let page: Vec<&Value> = users.iter().skip(offset).take(limit).collect();
            Reply::ok(json!({"users": page, "total": shown}).to_string())
        });
        tenant.first(0);
        let proof = tenant.proof("users");
        assert!(proof.contains("the total contradicts the rows") && !proof.contains("removed"), "{total}: {proof}");
        assert!(tenant.check(0).contains("contradicts the rows"));
    });
}

#[test]
fn source_that_refuses_the_position_after_its_last_row_is_complete() {
    at_once([400, 404, 416, 422], |status| {
        let tenant = guide();
        let three = json!([guide_user(1, "ann", &[1]), guide_user(2, "ben", &[2]), guide_user(3, "cid", &[1, 2])]);
        tenant.server.answer(&format!("GET {GUIDE}/users"), move |request| match request.number("offset") {
            Some(0) => Reply::ok(json!({"users": three, "total": 3}).to_string()),
            _ => Reply::of(status, r#"{"message":"out of range"}"#),
        });
        tenant.first(0);
        assert_eq!(tenant.list("users").unwrap()["expected"], 3, "{status}");
    });
}

/// Reads a tenant whose list names `id` twice. Asserts that the run is partial because of it, and that `check` agrees.
#[track_caller]
fn names_twice(tenant: &Tenant, kind: &str, id: &str) {
    let run = tenant.first(3);
    let proof = tenant.proof(kind);
    assert_eq!(tenant.coverage(kind), "drifted", "{kind}: {proof}\n{}", stdout(&run));
    assert!(proof.contains(&format!("{id} is listed more than once")), "{kind}: {proof}");
    let checked = tenant.check(1);
    assert!(checked.contains(&format!("{id} is listed more than once")), "{kind}: {checked}");
    tenant.concludes_nothing_from_absence();
}

#[test]
fn user_that_is_listed_twice_keeps_all_users_in_every_interface() {
    // The second row is equal, differs, or has the same id in another form.
    let copies = |row: &Value, id: &str, name: &str| {
        let with = |key: &str, value: Value| {
            let mut copy = row.clone();
            copy[key] = value;
            copy
        };
        let other = if row[id].is_string() { json!(1) } else { json!("1") };
        [row.clone(), with(name, json!("zed")), with(id, other)]
    };
    let mut tenants = Vec::new();
    for copy in copies(&guide_user(1, "ann", &[1]), "id", "username") {
        let tenant = guide();
        let rows = json!([copy, guide_user(1, "ann", &[1]), guide_user(2, "ben", &[2]), guide_user(3, "cid", &[1, 2])]);
        guide_list(&tenant.server, "users", &rows);
        tenants.push(tenant);
    }
    for copy in copies(&config_user(1, "ann"), "id", "username") {
        let tenant = config_api("pra");
        let rows = json!([config_user(1, "ann"), copy, config_user(2, "ben"), config_user(3, "cid")]);
        config_list(&tenant.server, "/user", &rows);
        tenants.push(tenant);
    }
    for copy in copies(&safe_user(1, "ann"), "UserID", "UserName") {
        let tenant = safe();
        let rows = json!([copy, safe_user(1, "ann"), safe_user(2, "ben"), safe_user(3, "cid")]);
        safe_list(&tenant.server, "/Users", &rows);
        tenants.push(tenant);
    }
    for copy in copies(&scim_user("1", "ann"), "id", "userName") {
        let tenant = scim();
        let rows = json!([scim_user("1", "ann"), scim_user("2", "ben"), scim_user("3", "cid"), copy]);
        scim_list(&tenant.server, "/Users", &rows);
        tenants.push(tenant);
    }
    at_once(tenants, |tenant| {
        names_twice(&tenant, "users", "id 1");
        let names = tenant.column("users", "username");
        for name in ["ann", "ben", "cid"] {
            assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{names:?}");
        }
        assert!(!names.contains(&"zed".to_owned()), "the row that sorts first is kept: {names:?}");
    });
}

#[test]
fn group_that_is_listed_twice_keeps_all_groups_in_every_interface() {
    let policies = |tenant: &Tenant, path: &str, rows: &Value| config_list(&tenant.server, path, rows);
    let tenants = [guide(), config_api("pra"), safe(), scim()];
    let group = |id: u64, name: &str| json!({"id": id, "name": name});
    guide_list(
        &tenants[0].server,
        "groups",
        &json!([group(1, "Administrators"), group(1, "X"), group(2, "Operators")]),
    );
    policies(
        &tenants[1],
        "/group-policy",
        &json!([group(1, "Administrators"), group(2, "Operators"), group(1, "X"), group(3, "Support")]),
    );
    let group = |id: u64, name: &str| json!({"GroupID": id, "Name": name, "GroupType": "BeyondInsight"});
    safe_list(
        &tenants[2].server,
        "/UserGroups",
        &json!([group(1, "Administrators"), group(1, "X"), group(2, "Operators")]),
    );
    let group = |name: &str, user: &str| json!({"id": "g1", "displayName": name, "members": [{"value": user}]});
    scim_list(
        &tenants[3].server,
        "/Groups",
        &json!([
            group("Administrators", "1"), group("X", "1"),
            {"id": "g2", "displayName": "Operators", "members": [{"value": "2"}, {"value": "3"}]},
        ]),
    );
    let expected = [2, 4, 2, 2];
    at_once(tenants.into_iter().zip(expected), |(tenant, groups)| {
        tenant.first(3);
        let is_scim = tenant.column("groups", "id").contains(&"g1".to_owned());
        let id = if is_scim { "id g1" } else { "id 1" };
        assert!(
            tenant.proof("groups").contains(&format!("{id} is listed more than once")),
            "{}",
            tenant.proof("groups")
        );
        assert_eq!(tenant.coverage("groups"), "drifted");
        assert_eq!(tenant.column("groups", "id").len(), groups, "{:?}", tenant.column("groups", "id"));
        tenant.concludes_nothing_from_absence();
    });
}

#[test]
fn member_that_is_listed_twice_leaves_only_the_members_of_its_group_unknown() {
    let pra = config_api("pra");
    let member = |id: u64, user: u64| json!({"id": id, "user_id": user});
    config_list(&pra.server, "/group-policy/2/member", &json!([member(2, 2), member(3, 3), member(2, 2)]));
    let safe = safe();
    safe_list(&safe.server, "/UserGroups/2/Users", &json!([{"UserID": 2}, {"UserID": 3}, {"UserID": "2"}]));
    at_once([pra, safe], |tenant| {
        names_twice(&tenant, "members", "id 2");
        assert_eq!(tenant.group("2")["member_count"], "");
        assert_eq!(tenant.group("1")["member_count"], "1");
        let members = tenant.memberships();
        assert!(members.contains(&"2:2".to_owned()) && members.contains(&"2:3".to_owned()), "{members:?}");
    });
}

#[test]
fn vendor_or_its_user_that_is_listed_twice_keeps_the_others() {
    let vendor = |id: u64, name: &str| json!({"id": id, "name": name, "default_policy": 3});
    let tenant = config_api("pra");
    config_list(&tenant.server, "/vendor", &json!([vendor(7, "Acme"), vendor(7, "Acme"), vendor(8, "Beta")]));
    let person = |id: u64| json!({"id": id, "username": format!("v{id}"), "enabled": true, "is_approved": true});
    config_list(&tenant.server, "/vendor/8/user", &json!([person(80)]));
    names_twice(&tenant, "vendors", "id 7");
    let groups = tenant.column("groups", "id");
    assert!(groups.contains(&"vendor:7".to_owned()) && groups.contains(&"vendor:8".to_owned()), "{groups:?}");
    let tenant = config_api("pra");
    config_list(&tenant.server, "/vendor/7/user", &json!([person(70), person(71), person(70)]));
    names_twice(&tenant, "vendor-users", "id 70");
    let users = tenant.column("users", "id");
    assert!(users.contains(&"vendor-user:70".to_owned()) && users.contains(&"vendor-user:71".to_owned()), "{users:?}");
}

#[test]
fn id_with_control_characters_is_named_visibly() {
    let tenant = scim();
    let id = "1\u{1b}[2J\nroll call X: published, complete";
    scim_list(&tenant.server, "/Users", &json!([scim_user(id, "ann"), scim_user("2", "ben"), scim_user(id, "ann")]));
    tenant.first(3);
    let proof = tenant.proof("users");
    assert!(proof.contains(r"id 1\u{1b}[2J\nroll call X") && !proof.contains('\n'), "{proof}");
}

#[test]
fn member_counts_are_unknown_where_one_user_reports_no_groups() {
    let tenant = guide();
    tenant.first(0);
    assert_eq!(tenant.column("groups", "member_count"), ["2", "2"]);
    let mut unknown = guide_user(3, "cid", &[1, 2]);
    unknown.as_object_mut().unwrap().remove("group_memberships");
    let users = json!([guide_user(1, "ann", &[1]), guide_user(2, "ben", &[2]), unknown]);
    guide_list(&tenant.server, "users", &users);
    tenant.server.on(&format!("GET {GUIDE}/users/3"), Reply::ok(users[2].to_string()));
    tenant.second(0);
    // The memberships of the first run are kept, so that no number would count them.
    assert_eq!(tenant.memberships(), ["1:1", "1:3", "2:2", "2:3"]);
    assert_eq!(tenant.column("groups", "member_count"), ["", ""]);
    tenant.concludes_nothing_from_absence();
}
