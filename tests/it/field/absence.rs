//! Tests of lists that belong to a listed object, such as the members of a group, and cannot be read.
//!
//! Their rows are kept as unconfirmed, and nothing is concluded from their absence.

use super::FIRST;
use super::server::Reply;
use super::world::{CONFIG, SAFE, all, config_api, config_list, config_page, safe, safe_list};
use super::{SECOND, Tenant, at_once};
use crate::rig::{stderr, stdout};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn unchanged_test_tenants_are_read_completely_and_without_changes() {
    for tenant in all() {
        tenant.check(0);
        tenant.first(0);
        tenant.second(0);
        assert_eq!(tenant.column("changes", "kind"), [""; 0], "{}", tenant.manifest()["sources"][0]);
        tenant.concludes_nothing_from_absence();
    }
}

#[test]
fn members_are_unknown_when_every_listed_policy_answers_404() {
    let tenant = config_api("rs");
    tenant.server.on(&format!("GET {CONFIG}/group-policy/*"), Reply::of(404, r#"{"message":"Not Found"}"#));
    let run = tenant.first(3);
    assert_eq!(tenant.column("groups", "id"), ["1", "2", "3"]);
    assert_eq!(tenant.column("groups", "member_count"), ["", "", ""]);
    assert_eq!(tenant.coverage("members"), "failed");
    assert_eq!(
        tenant.column("users", "groups_known"),
        ["false", "false", "false", "true"],
        "no group can hold the API account"
    );
    tenant.concludes_nothing_from_absence();
    let output = format!("{}{}", stdout(&run), stderr(&run));
    assert!(
        output.contains("the members of 3 policies answered 404, but the list of policies contains them"),
        "{output}"
    );
    let checked = tenant.check(1);
    assert!(checked.contains("BAD   source s: members"), "{checked}");
}

/// Asserts that this response for the members of one policy removes nothing in a second run. Returns the output of that run.
#[track_caller]
fn unread_policy_keeps_its_members(reply: Reply) -> String {
    let tenant = config_api("pra");
    tenant.first(0);
    tenant.server.on(&format!("GET {CONFIG}/group-policy/1/member"), reply);
    let run = tenant.second(3);
    assert_eq!(tenant.column("changes", "kind"), [""; 0]);
    tenant.concludes_nothing_from_absence();
    assert_eq!(tenant.column("groups", "member_count"), ["", "2", "2", "1"]);
    let (of, at) = (tenant.column("memberships", "group_id"), tenant.column("memberships", "confirmed_at"));
    assert!(of.contains(&"1".to_owned()), "the members are kept");
    for (group, at) in of.iter().zip(&at) {
        assert_eq!(at, if group == "1" { FIRST } else { SECOND }, "members of {group}");
    }
    assert_eq!(tenant.coverage("members"), "failed");
    assert_eq!(tenant.list("members").unwrap()["expected"], Value::Null, "the number of members is unknown");
    assert_eq!(tenant.group("1")["privileged"], "true");
    let checked = tenant.check(1);
    assert!(checked.contains("BAD   source s: members"), "{checked}");
    // The unread members did not become part of the baseline of the next run.
    config_list(&tenant.server, "/group-policy/1/member", &json!([{"id":1,"user_id":1}]));
    tenant.third(0);
    assert_eq!(tenant.column("changes", "kind"), [""; 0]);
    format!("{}{}", stdout(&run), stderr(&run))
}

#[test]
fn nothing_is_removed_when_the_list_that_is_read_again_has_a_row_without_a_usable_id() {
    let tenant = config_api("pra");
    tenant.first(0);
    let has_failed = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&has_failed);
    tenant.server.answer(&format!("GET {CONFIG}/vendor/7/user"), move |_| {
        seen.store(true, Ordering::Relaxed);
        Reply::of(500, "boom")
    });
    tenant.server.answer(&format!("GET {CONFIG}/vendor"), move |request| {
        let id = if has_failed.load(Ordering::Relaxed) { "ID" } else { "id" };
        config_page(request, &[json!({id: 7, "name": "Acme", "default_policy": 3})])
    });
    tenant.second(3);
    assert_eq!(tenant.column("changes", "kind"), [""; 0]);
    assert_eq!(tenant.coverage("vendor-users"), "failed");
    assert!(tenant.column("groups", "id").contains(&"vendor:7".to_owned()));
}

#[test]
fn members_are_kept_and_not_counted_when_a_listed_policy_answers_404_with_html() {
    let output =
        unread_policy_keeps_its_members(Reply::of(404, "<!DOCTYPE html><html><title>Not Found</title></html>"));
    assert!(
        output.contains("the members of 1 policy answered 404, but the list of policies contains them"),
        "{output}"
    );
}

#[test]
fn members_are_kept_and_not_counted_when_a_listed_policy_answers_410_or_403() {
    let output = unread_policy_keeps_its_members(Reply::of(410, "Gone"));
    assert!(output.contains("answered 410, but the list"), "{output}");
    let output = unread_policy_keeps_its_members(Reply::of(403, r#"{"message":"Forbidden"}"#));
    assert!(output.contains("forbidden (403)") && output.contains("right to view members"), "{output}");
}

#[test]
fn members_are_kept_and_not_counted_when_a_listed_policy_answers_500_or_another_shape() {
    let replies = [
        (Reply::of(500, "boom"), "GET /api/config/v1/group-policy/1/member"),
        (Reply::ok(r#"{"error":"not now"}"#), r#"found an object with "error""#),
    ];
    at_once(replies, |(reply, wanted)| {
        let output = unread_policy_keeps_its_members(reply);
        assert!(output.contains(wanted), "{output}");
    });
}

#[test]
fn members_are_kept_and_not_counted_when_the_response_has_no_rows_despite_its_total() {
    unread_policy_keeps_its_members(Reply::ok("[]").with("X-BT-Pagination-Total: 3"));
    unread_policy_keeps_its_members(Reply::ok("null"));
}

#[test]
fn policy_is_removed_when_it_answers_404_and_a_second_list_does_not_contain_it() {
    let tenant = config_api("pra");
    tenant.first(0);
    let removed = json!([{"id":1,"name":"Administrators"},{"id":3,"name":"Support"}]);
    let before = json!([{"id":1,"name":"Administrators"},{"id":2,"name":"Operators"},{"id":3,"name":"Support"}]);
    config_list(&tenant.server, "/group-policy", &removed);
    let page = Reply::ok(before.to_string()).with("X-BT-Pagination-Total: 3").with("X-BT-Pagination-Last-Page: 1");
    tenant.server.at_first(1, &format!("GET {CONFIG}/group-policy"), page);
    tenant.server.on(&format!("GET {CONFIG}/group-policy/2/member"), Reply::of(404, ""));
    tenant.second(0);
    assert_eq!(tenant.column("groups", "id"), ["1", "3", "vendor:7"]);
    assert_eq!(tenant.column("changes", "kind"), ["membership.removed", "membership.removed", "group.removed"]);
    assert_eq!(tenant.found("no-group"), ["2"], "its only policy was removed");
}

#[test]
fn policy_is_not_removed_when_the_list_cannot_be_read_a_second_time() {
    let tenant = config_api("pra");
    tenant.first(0);
    tenant.server.on(&format!("GET {CONFIG}/group-policy/2/member"), Reply::of(404, ""));
    let rows = r#"[{"id":1,"name":"Administrators"},{"id":2,"name":"Operators"},{"id":3,"name":"Support"}]"#;
    tenant.server.on(&format!("GET {CONFIG}/group-policy"), Reply::of(403, ""));
    let page = Reply::ok(rows).with("X-BT-Pagination-Total: 3").with("X-BT-Pagination-Last-Page: 1");
    tenant.server.at_first(1, &format!("GET {CONFIG}/group-policy"), page);
    tenant.second(3);
    tenant.concludes_nothing_from_absence();
    assert_eq!(tenant.column("groups", "id"), ["1", "2", "3", "vendor:7"]);
    assert_eq!(tenant.column("groups", "member_count"), ["1", "", "2", "1"]);
}

#[test]
fn users_of_a_listed_group_are_kept_and_not_counted_when_it_answers_404_or_500() {
    let replies =
        [Reply::of(404, "User Group not found"), Reply::of(500, ""), Reply::of(410, ""), Reply::ok(r#"{"Data":[]}"#)];
    at_once(replies, |reply| {
        let tenant = safe();
        tenant.first(0);
        tenant.server.on(&format!("GET {SAFE}/UserGroups/1/Users"), reply);
        let run = tenant.second(3);
        assert_eq!(tenant.column("changes", "kind"), [""; 0], "{}", stderr(&run));
        tenant.concludes_nothing_from_absence();
        assert_eq!(tenant.memberships(), ["1:1", "2:2", "2:3"]);
        assert_eq!(
            tenant.column("memberships", "confirmed_at"),
            [FIRST, SECOND, SECOND],
            "members of group 1 keep their last confirmation"
        );
        assert_eq!(tenant.column("groups", "confirmed_at"), [SECOND; 2]);
        assert_eq!(tenant.column("groups", "member_count"), ["", "2"]);
        assert_eq!(tenant.column("users", "groups_known"), ["false"; 3]);
        let checked = tenant.check(1);
        assert!(checked.contains("BAD   source s: members"), "{checked}");
        safe_list(&tenant.server, "/UserGroups/1/Users", &json!([{"UserID":1}]));
        tenant.third(0);
        assert_eq!(tenant.column("changes", "kind"), [""; 0]);
    });
}

#[test]
fn empty_group_finding_stays_open_while_the_members_cannot_be_read() {
    let tenant = safe();
    safe_list(&tenant.server, "/UserGroups/2/Users", &json!([]));
    tenant.first(0);
    assert_eq!(tenant.found("empty-group"), ["2"]);
    assert_eq!(tenant.found("no-group"), ["2", "3"]);
    tenant.server.on(&format!("GET {SAFE}/UserGroups/2/Users"), Reply::of(404, ""));
    tenant.second(3);
    let findings = tenant.table("findings");
    let resolved = findings.iter().filter(|row| row["status"] == "resolved");
    assert_eq!(resolved.count(), 0, "nothing is resolved by what was not read: {findings:?}");
    let new = findings.iter().filter(|row| row["status"] == "new" && row["subject_kind"] != "source");
    assert_eq!(new.count(), 0, "{findings:?}");
}

#[test]
fn users_of_a_vendor_are_kept_when_their_list_cannot_be_read() {
    at_once([Reply::of(404, ""), Reply::of(500, ""), Reply::of(403, "no")], |reply| {
        let tenant = config_api("pra");
        tenant.first(0);
        tenant.server.on(&format!("GET {CONFIG}/vendor/7/user"), reply);
        tenant.second(3);
        tenant.concludes_nothing_from_absence();
        assert_eq!(tenant.column("changes", "kind"), [""; 0]);
        assert!(tenant.column("users", "confirmed_at").contains(&FIRST.to_owned()), "the users of the vendor are kept");
        assert_eq!(tenant.group("vendor:7")["member_count"], "");
        let checked = tenant.check(1);
        assert!(checked.contains("BAD   source s: vendor-users"), "{checked}");
    });
}

/// Returns a tenant whose list was read by a first run and answers 404 from then on.
fn list_that_answers_404(kind: &str, path: &str) -> Tenant {
    let tenant = config_api(kind);
    tenant.first(0);
    tenant.server.on(&format!("GET {CONFIG}{path}"), Reply::of(404, ""));
    tenant
}

#[test]
fn list_that_answers_404_after_it_was_read_removes_no_rows() {
    for (kind, path) in
        [("rs", "/group-policy"), ("pra", "/vendor"), ("pra", "/api-account"), ("rs", "/security-provider")]
    {
        let tenant = list_that_answers_404(kind, path);
        let run = tenant.run_at(SECOND);
        let output = format!("{path}: {}{}", stdout(&run), stderr(&run));
        assert_ne!(run.status.code(), Some(0), "{output}");
        if run.status.code() == Some(3) {
            tenant.concludes_nothing_from_absence();
            assert_eq!(tenant.column("changes", "kind"), [""; 0], "{output}");
        }
    }
}

#[test]
fn no_user_is_reported_as_being_in_no_group_while_security_providers_are_unread() {
    for reply in [Reply::of(403, ""), Reply::of(404, ""), Reply::ok("[]").with("X-BT-Pagination-Total: 2")] {
        let tenant = config_api("pra");
        // A default policy of the provider may be the only policy of Ben.
        config_list(&tenant.server, "/group-policy/2/member", &json!([{"id":3,"user_id":3}]));
        tenant.server.on(&format!("GET {CONFIG}/security-provider"), reply);
        tenant.first(3);
        tenant.concludes_nothing_from_absence();
        assert_eq!(tenant.user("2")["groups_known"], "false");
        assert_eq!(tenant.column("groups", "member_count"), ["", "", "", "1"]);
        let checked = tenant.check(1);
        assert!(checked.contains("BAD   source s: security-providers"), "{checked}");
    }
}

#[test]
fn groups_are_unknown_for_users_of_a_security_provider_whose_record_is_not_found() {
    let tenant = config_api("pra");
    config_list(&tenant.server, "/group-policy/2/member", &json!([{"id":3,"user_id":3}]));
    tenant.server.on(&format!("GET {CONFIG}/security-provider/1"), Reply::of(404, ""));
    tenant.first(3);
    tenant.concludes_nothing_from_absence();
    assert_eq!(tenant.user("2")["groups_known"], "false");
    assert!(
        tenant.proof("security-providers").contains("the default policies of 1 of 1 security providers are unknown")
    );
    assert!(tenant.check(1).contains("BAD   source s: security-providers"));
}

#[test]
fn list_of_groups_that_fails_in_the_second_run_removes_nothing() {
    let routes = [
        "/api/public/v3/groups",
        "/api/config/v1/group-policy",
        "/BeyondTrust/api/public/v3/UserGroups",
        "/scim/v2/Groups",
    ];
    for tenant in all() {
        tenant.first(0);
        for route in routes {
            tenant.server.on(&format!("GET {route}"), Reply::of(403, "{}"));
        }
        tenant.second(3);
        tenant.concludes_nothing_from_absence();
        assert_eq!(tenant.column("changes", "kind"), [""; 0]);
        assert!(tenant.check(1).contains("BAD   source s: groups"));
    }
}
