//! Objects below a list that cannot be read: they are not gone, and nothing is concluded from them.

use super::FIRST;
use super::server::Reply;
use super::world::{CONFIG, SAFE, all, config_api, config_list, safe, safe_list};
use super::{Field, SECOND, at_once};
use crate::rig::{stderr, stdout};
use serde_json::{Value, json};

#[test]
fn the_tenants_that_the_cases_change_are_read_completely() {
    for field in all() {
        field.check(0);
        field.first(0);
        field.second(0);
        assert_eq!(field.column("changes", "kind"), [""; 0], "{}", field.manifest()["sources"][0]);
        field.concludes_nothing_from_absence();
    }
}

// A1
#[test]
fn members_that_answer_404_for_every_listed_policy_leave_the_policies_with_unknown_members() {
    let field = config_api("rs");
    field.server.on(&format!("GET {CONFIG}/group-policy/*"), Reply::of(404, r#"{"message":"Not Found"}"#));
    let ran = field.first(3);
    assert_eq!(field.column("groups", "id"), ["1", "2", "3"]);
    assert_eq!(field.column("groups", "member_count"), ["", "", ""]);
    assert_eq!(field.coverage("members"), "failed");
    assert_eq!(
        field.column("users", "groups_known"),
        ["false", "false", "false", "true"],
        "no group can hold the API account"
    );
    field.concludes_nothing_from_absence();
    let said = format!("{}{}", stdout(&ran), stderr(&ran));
    assert!(said.contains("the members of 3 policies answered 404 though the list of policies names them"), "{said}");
    let checked = field.check(1);
    assert!(checked.contains("BAD   source s: members"), "{checked}");
}

/// What one policy's members answer in the second run, whatever it is, removes nothing; returns what the run says.
#[track_caller]
fn unread_policy_keeps_its_members(reply: Reply) -> String {
    let field = config_api("pra");
    field.first(0);
    field.server.on(&format!("GET {CONFIG}/group-policy/1/member"), reply);
    let ran = field.second(3);
    assert_eq!(field.column("changes", "kind"), [""; 0]);
    field.concludes_nothing_from_absence();
    assert_eq!(field.column("groups", "member_count"), ["", "2", "2", "1"]);
    let (of, at) = (field.column("memberships", "group_id"), field.column("memberships", "confirmed_at"));
    assert!(of.contains(&"1".to_owned()), "its members are there");
    for (group, at) in of.iter().zip(&at) {
        assert_eq!(at, if group == "1" { FIRST } else { SECOND }, "members of {group}");
    }
    assert_eq!(field.coverage("members"), "failed");
    assert_eq!(field.list("members").unwrap()["expected"], Value::Null, "nobody knows how many there are");
    assert_eq!(field.group("1")["privileged"], "true");
    let checked = field.check(1);
    assert!(checked.contains("BAD   source s: members"), "{checked}");
    // What was not read did not become the state that later runs are compared with.
    config_list(&field.server, "/group-policy/1/member", &json!([{"id":1,"user_id":1}]));
    field.third(0);
    assert_eq!(field.column("changes", "kind"), [""; 0]);
    format!("{}{}", stdout(&ran), stderr(&ran))
}

// A2, and other statuses of the same kind
#[test]
fn members_of_the_privileged_policy_that_answer_404_with_html_are_neither_removed_nor_counted() {
    let said = unread_policy_keeps_its_members(Reply::of(404, "<!DOCTYPE html><html><title>Not Found</title></html>"));
    assert!(said.contains("the members of 1 policy answered 404 though the list of policies names them"), "{said}");
}

#[test]
fn members_of_a_policy_that_answer_410_or_403_are_neither_removed_nor_counted() {
    let said = unread_policy_keeps_its_members(Reply::of(410, "Gone"));
    assert!(said.contains("answered 410 though the list"), "{said}");
    let said = unread_policy_keeps_its_members(Reply::of(403, r#"{"message":"Forbidden"}"#));
    assert!(said.contains("forbidden (403)") && said.contains("right to view members"), "{said}");
}

#[test]
fn members_of_a_policy_that_answer_500_or_another_shape_are_neither_removed_nor_counted() {
    let replies = [
        (Reply::of(500, "boom"), "GET /api/config/v1/group-policy/1/member"),
        (Reply::ok(r#"{"error":"not now"}"#), r#"found an object with "error""#),
    ];
    at_once(replies, |(reply, wanted)| {
        let said = unread_policy_keeps_its_members(reply);
        assert!(said.contains(wanted), "{said}");
    });
}

#[test]
fn members_that_a_total_promises_and_that_are_not_there_are_neither_removed_nor_counted() {
    unread_policy_keeps_its_members(Reply::ok("[]").with("X-BT-Pagination-Total: 3"));
    unread_policy_keeps_its_members(Reply::ok("null"));
}

#[test]
fn a_policy_that_the_list_read_again_no_longer_names_was_removed() {
    let field = config_api("pra");
    field.first(0);
    let removed = json!([{"id":1,"name":"Administrators"},{"id":3,"name":"Support"}]);
    let before = json!([{"id":1,"name":"Administrators"},{"id":2,"name":"Operators"},{"id":3,"name":"Support"}]);
    config_list(&field.server, "/group-policy", &removed);
    let page = Reply::ok(before.to_string()).with("X-BT-Pagination-Total: 3").with("X-BT-Pagination-Last-Page: 1");
    field.server.at_first(1, &format!("GET {CONFIG}/group-policy"), page);
    field.server.on(&format!("GET {CONFIG}/group-policy/2/member"), Reply::of(404, ""));
    field.second(0);
    assert_eq!(field.column("groups", "id"), ["1", "3", "vendor:7"]);
    assert_eq!(field.column("changes", "kind"), ["membership.removed", "membership.removed", "group.removed"]);
    assert_eq!(field.found("no-group"), ["2"], "its only policy was removed");
}

#[test]
fn a_policy_is_not_removed_where_the_list_cannot_be_read_again() {
    let field = config_api("pra");
    field.first(0);
    field.server.on(&format!("GET {CONFIG}/group-policy/2/member"), Reply::of(404, ""));
    let rows = r#"[{"id":1,"name":"Administrators"},{"id":2,"name":"Operators"},{"id":3,"name":"Support"}]"#;
    field.server.on(&format!("GET {CONFIG}/group-policy"), Reply::of(403, ""));
    let page = Reply::ok(rows).with("X-BT-Pagination-Total: 3").with("X-BT-Pagination-Last-Page: 1");
    field.server.at_first(1, &format!("GET {CONFIG}/group-policy"), page);
    field.second(3);
    field.concludes_nothing_from_absence();
    assert_eq!(field.column("groups", "id"), ["1", "2", "3", "vendor:7"]);
    assert_eq!(field.column("groups", "member_count"), ["1", "", "2", "1"]);
}

// A3, and other statuses of the same kind
#[test]
fn users_of_a_listed_group_that_answer_404_or_500_are_neither_removed_nor_counted() {
    let replies =
        [Reply::of(404, "User Group not found"), Reply::of(500, ""), Reply::of(410, ""), Reply::ok(r#"{"Data":[]}"#)];
    at_once(replies, |reply| {
        let field = safe();
        field.first(0);
        field.server.on(&format!("GET {SAFE}/UserGroups/1/Users"), reply);
        let ran = field.second(3);
        assert_eq!(field.column("changes", "kind"), [""; 0], "{}", stderr(&ran));
        field.concludes_nothing_from_absence();
        assert_eq!(field.memberships(), ["1:1", "2:2", "2:3"]);
        assert_eq!(field.column("memberships", "confirmed_at"), [FIRST, SECOND, SECOND], "as they were confirmed last");
        assert_eq!(field.column("groups", "confirmed_at"), [SECOND; 2]);
        assert_eq!(field.column("groups", "member_count"), ["", "2"]);
        assert_eq!(field.column("users", "groups_known"), ["false"; 3]);
        let checked = field.check(1);
        assert!(checked.contains("BAD   source s: members"), "{checked}");
        safe_list(&field.server, "/UserGroups/1/Users", &json!([{"UserID":1}]));
        field.third(0);
        assert_eq!(field.column("changes", "kind"), [""; 0]);
    });
}

#[test]
fn a_group_that_was_empty_stays_so_while_its_members_cannot_be_read() {
    let field = safe();
    safe_list(&field.server, "/UserGroups/2/Users", &json!([]));
    field.first(0);
    assert_eq!(field.found("empty-group"), ["2"]);
    assert_eq!(field.found("no-group"), ["2", "3"]);
    field.server.on(&format!("GET {SAFE}/UserGroups/2/Users"), Reply::of(404, ""));
    field.second(3);
    let findings = field.table("findings");
    let resolved = findings.iter().filter(|row| row["status"] == "resolved");
    assert_eq!(resolved.count(), 0, "nothing is resolved by what was not read: {findings:?}");
    let new = findings.iter().filter(|row| row["status"] == "new" && row["subject_kind"] != "source");
    assert_eq!(new.count(), 0, "{findings:?}");
}

#[test]
fn users_of_a_vendor_that_answer_404_are_not_removed() {
    at_once([Reply::of(404, ""), Reply::of(500, ""), Reply::of(403, "no")], |reply| {
        let field = config_api("pra");
        field.first(0);
        field.server.on(&format!("GET {CONFIG}/vendor/7/user"), reply);
        field.second(3);
        field.concludes_nothing_from_absence();
        assert_eq!(field.column("changes", "kind"), [""; 0]);
        assert!(field.column("users", "confirmed_at").contains(&FIRST.to_owned()), "its people are as they were");
        assert_eq!(field.group("vendor:7")["member_count"], "");
        let checked = field.check(1);
        assert!(checked.contains("BAD   source s: vendor-users"), "{checked}");
    });
}

/// A list that the first run read and that answers 404 in the second.
fn list_that_is_gone(kind: &str, path: &str) -> Field {
    let field = config_api(kind);
    field.first(0);
    field.server.on(&format!("GET {CONFIG}{path}"), Reply::of(404, ""));
    field
}

#[test]
fn whole_lists_that_answer_404_after_they_were_read_remove_nobody() {
    for (kind, path) in
        [("rs", "/group-policy"), ("pra", "/vendor"), ("pra", "/api-account"), ("rs", "/security-provider")]
    {
        let field = list_that_is_gone(kind, path);
        let ran = field.run_at(SECOND);
        let said = format!("{path}: {}{}", stdout(&ran), stderr(&ran));
        assert_ne!(ran.status.code(), Some(0), "{said}");
        if ran.status.code() == Some(3) {
            field.concludes_nothing_from_absence();
            assert_eq!(field.column("changes", "kind"), [""; 0], "{said}");
        }
    }
}

#[test]
fn nobody_is_said_to_be_in_no_group_while_the_security_providers_are_unread() {
    for reply in [Reply::of(403, ""), Reply::of(404, ""), Reply::ok("[]").with("X-BT-Pagination-Total: 2")] {
        let field = config_api("pra");
        // A provider's default policy may be all that Ben has.
        config_list(&field.server, "/group-policy/2/member", &json!([{"id":3,"user_id":3}]));
        field.server.on(&format!("GET {CONFIG}/security-provider"), reply);
        field.first(3);
        field.concludes_nothing_from_absence();
        assert_eq!(field.user("2")["groups_known"], "false");
        assert_eq!(field.column("groups", "member_count"), ["", "", "", "1"]);
        let checked = field.check(1);
        assert!(checked.contains("BAD   source s: security-providers"), "{checked}");
    }
}

#[test]
fn a_security_provider_whose_record_is_not_found_leaves_its_users_groups_unknown() {
    let field = config_api("pra");
    config_list(&field.server, "/group-policy/2/member", &json!([{"id":3,"user_id":3}]));
    field.server.on(&format!("GET {CONFIG}/security-provider/1"), Reply::of(404, ""));
    field.first(3);
    field.concludes_nothing_from_absence();
    assert_eq!(field.user("2")["groups_known"], "false");
    assert!(field.proof("security-providers").contains("the default policies of 1 of 1 are unknown"));
    assert!(field.check(1).contains("BAD   source s: security-providers"));
}

#[test]
fn lists_of_groups_that_fail_in_the_second_run_remove_nothing() {
    let routes = [
        "/api/public/v3/groups",
        "/api/config/v1/group-policy",
        "/BeyondTrust/api/public/v3/UserGroups",
        "/scim/v2/Groups",
    ];
    for field in all() {
        field.first(0);
        for route in routes {
            field.server.on(&format!("GET {route}"), Reply::of(403, "{}"));
        }
        field.second(3);
        field.concludes_nothing_from_absence();
        assert_eq!(field.column("changes", "kind"), [""; 0]);
        assert!(field.check(1).contains("BAD   source s: groups"));
    }
}
