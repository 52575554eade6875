//! Tests of what `check --online` reads per object: the members of at most 200 groups, and the users of every vendor.

use super::server::{Reply, Request};
use super::world::{CONFIG, SAFE, SCIM, config_api, config_list, config_page, safe, safe_list, scim, scim_groups};
use super::{Tenant, at_once};
use serde_json::{Value, json};

const MEMBERS: &str = "GET /api/config/v1/group-policy/*";

/// Returns a PRA tenant with this many policies, each with one member.
fn policies(count: u64) -> Tenant {
    let tenant = config_api("pra");
    let rows: Vec<Value> = (1..=count).map(|id| json!({"id": id, "name": format!("Policy {id}")})).collect();
    tenant.server.answer(MEMBERS, |request: &Request| config_page(request, &[json!({"id":1,"user_id":1})]));
    config_list(&tenant.server, "/group-policy", &json!(rows));
    tenant
}

/// Returns the line of a check about a list.
#[track_caller]
fn line(checked: &str, list: &str) -> String {
    let is_of = |line: &&str| line.contains(&format!(" {list}")) && !line.contains("a run takes");
    checked.lines().find(is_of).unwrap_or_else(|| panic!("{list}: {checked}")).to_owned()
}

#[test]
fn check_reads_the_members_of_every_group_and_the_users_of_every_vendor() {
    let tenant = policies(130);
    let vendors = json!([{"id":7,"name":"Acme"},{"id":8,"name":"Bolt"}]);
    config_list(&tenant.server, "/vendor", &vendors);
    config_list(&tenant.server, "/vendor/8/user", &json!([]));
    let checked = tenant.check(0);
    assert!(checked.contains("ok    source s: 130 members of 130 groups\n"), "{checked}");
    assert!(checked.contains("ok    source s: 1 vendor-users of 2 vendors\n"), "{checked}");
    assert_eq!(tenant.server.count(MEMBERS), 130, "one request a group");
    tenant.first(0);
    let many: Vec<Value> = (1..=130).map(|id| json!({"id":id,"user_id":1})).collect();
    config_list(&tenant.server, "/group-policy/2/member", &json!(many));
    let checked = tenant.check(0);
    assert!(checked.contains("229 of 259 members in the first page of each of 130 groups"), "{checked}");
    let checked = safe().check(0);
    assert!(checked.contains("3 members of 2 groups"), "{checked}");
    let checked = scim().check(0);
    assert!(checked.contains("3 members of 2 groups"), "{checked}");
}

#[test]
fn check_tries_at_most_200_groups_and_shows_how_many() {
    let tenant = policies(1340);
    let checked = tenant.check(0);
    assert_eq!(
        line(&checked, "members"),
        "ok    source s: 200 members of 200 of 1,340 groups; a run reads all of them"
    );
    assert_eq!((tenant.server.count(MEMBERS), tenant.server.count(&format!("GET {CONFIG}/group-policy"))), (200, 2));
    let reply = Reply::of(403, r#"{"message":"Forbidden"}"#);
    tenant.server.on(&format!("GET {CONFIG}/group-policy/150/member"), reply);
    let output = line(&tenant.check(1), "members");
    assert!(output.starts_with("BAD   source s: members: 1 of 200 policies not read"), "{output}");
    assert!(
        output.contains("(policy 150)")
            && output.contains("forbidden (403)")
            && output.ends_with("; 200 of 1,340 groups were tried"),
        "{output}"
    );
}

#[test]
fn check_names_the_vendor_whose_users_cannot_be_read() {
    at_once([Reply::of(404, ""), Reply::of(500, ""), Reply::ok("null")], |reply| {
        let tenant = config_api("pra");
        config_list(&tenant.server, "/vendor", &json!([{"id":7,"name":"Acme"},{"id":8,"name":"Bolt"}]));
        tenant.server.on(&format!("GET {CONFIG}/vendor/8/user"), reply);
        let output = line(&tenant.check(1), "vendor-users");
        assert!(output.starts_with("BAD") && output.contains("vendor 8"), "{output}");
        tenant.first(3);
    });
}

#[test]
fn group_removed_during_a_check_is_not_a_failure_but_an_unreadable_listed_group_is() {
    for (stays, code) in [(false, 0), (true, 1)] {
        let tenant = config_api("rs");
        let [one, two] = [1, 2].map(|id| json!({"id":id,"name":format!("Policy {id}")}));
        let now = if stays { json!([one, two]) } else { json!([one]) };
        config_list(&tenant.server, "/group-policy", &now);
        let page = Reply::ok(json!([one, two]).to_string());
        let page = page.with("X-BT-Pagination-Total: 2").with("X-BT-Pagination-Last-Page: 1");
        tenant.server.at_first(1, &format!("GET {CONFIG}/group-policy"), page);
        tenant.server.on(&format!("GET {CONFIG}/group-policy/2/member"), Reply::of(404, ""));
        tenant.check(code);
        let tenant = safe();
        let [one, two] = [1, 2].map(|id| json!({"GroupID":id,"Name":"G","GroupType":"BeyondInsight"}));
        let now = if stays { json!([one, two]) } else { json!([one]) };
        safe_list(&tenant.server, "/UserGroups", &now);
        tenant.server.at_first(1, &format!("GET {SAFE}/UserGroups"), Reply::ok(json!([one, two]).to_string()));
        tenant.server.on(&format!("GET {SAFE}/UserGroups/2/Users"), Reply::of(404, ""));
        tenant.check(code);
    }
}

#[test]
fn check_reads_the_same_scim_group_records_as_a_run() {
    // The last group, one without members in the list, and a privileged one.
    for unread in ["g5", "g3", "g4"] {
        let tenant = scim();
        let group = |n: u64| {
            let (name, members) = (if n == 4 { "Administrators" } else { "G" }, if n == 3 { "[]" } else { r#"["1"]"# });
            json!({"id":format!("g{n}"),"displayName":name,"members":serde_json::from_str::<Value>(members).unwrap()})
        };
        scim_groups(&tenant.server, &json!((1..=5).map(group).collect::<Vec<_>>()));
        tenant.server.on(&format!("GET {SCIM}/Groups/{unread}"), Reply::of(404, ""));
        let output = line(&tenant.check(1), "members");
        assert!(output.starts_with("BAD") && output.contains(&format!("(group {unread})")), "{unread}: {output}");
        tenant.first(3);
    }
}

#[test]
fn check_fails_when_the_second_page_of_groups_is_forbidden_or_repeats_the_first() {
    let rows: Vec<Value> = (1..=130).map(|id| json!({"id": id, "name": format!("Policy {id}")})).collect();
    let again = rows.clone();
    let first = move |request: &Request| {
        let line = request.line.replace("current_page=2", "current_page=1");
        config_page(&Request { line, ..request.clone() }, &again)
    };
    let tenant = policies(130);
    tenant.server.answer(&format!("GET {CONFIG}/group-policy"), first);
    assert!(line(&tenant.check(1), "groups:").contains("the first one again"));
    let tenant = policies(130);
    tenant.server.answer(&format!("GET {CONFIG}/group-policy"), move |request: &Request| {
        if request.line.contains("current_page=2") { Reply::of(403, "") } else { config_page(request, &rows) }
    });
    assert!(line(&tenant.check(1), "groups:").contains("forbidden (403)"));
}
