//! What `check --online` reads below the lists: the members of every group up to a bound, and the users of every vendor.

use super::server::{Reply, Request};
use super::world::{CONFIG, SAFE, SCIM, config_api, config_list, config_page, safe, safe_list, scim, scim_groups};
use super::{Field, at_once};
use serde_json::{Value, json};

const MEMBERS: &str = "GET /api/config/v1/group-policy/*";

/// PRA with so many policies, each with one member.
fn policies(count: u64) -> Field {
    let field = config_api("pra");
    let rows: Vec<Value> = (1..=count).map(|id| json!({"id": id, "name": format!("Policy {id}")})).collect();
    field.server.answer(MEMBERS, |request: &Request| config_page(request, &[json!({"id":1,"user_id":1})]));
    config_list(&field.server, "/group-policy", &json!(rows));
    field
}

/// The line of a check about a list.
#[track_caller]
fn line(checked: &str, list: &str) -> String {
    let is_of = |line: &&str| line.contains(&format!(" {list}")) && !line.contains("a run takes");
    checked.lines().find(is_of).unwrap_or_else(|| panic!("{list}: {checked}")).to_owned()
}

#[test]
fn a_check_reads_the_members_of_every_group_and_the_users_of_every_vendor() {
    let field = policies(130);
    let vendors = json!([{"id":7,"name":"Acme"},{"id":8,"name":"Bolt"}]);
    config_list(&field.server, "/vendor", &vendors);
    config_list(&field.server, "/vendor/8/user", &json!([]));
    let checked = field.check(0);
    assert!(checked.contains("ok    source s: 130 members of 130 groups\n"), "{checked}");
    assert!(checked.contains("ok    source s: 1 vendor-users of 2 vendors\n"), "{checked}");
    assert_eq!(field.server.count(MEMBERS), 130, "one request a group");
    field.first(0);
    let many: Vec<Value> = (1..=130).map(|id| json!({"id":id,"user_id":1})).collect();
    config_list(&field.server, "/group-policy/2/member", &json!(many));
    let checked = field.check(0);
    assert!(checked.contains("229 of 259 members in the first page of each of 130 groups"), "{checked}");
    let checked = safe().check(0);
    assert!(checked.contains("3 members of 2 groups"), "{checked}");
    let checked = scim().check(0);
    assert!(checked.contains("3 members of 2 groups"), "{checked}");
}

#[test]
fn a_check_of_more_groups_than_its_bound_says_how_many_it_tried() {
    let field = policies(1340);
    let checked = field.check(0);
    assert_eq!(
        line(&checked, "members"),
        "ok    source s: 200 members of 200 of 1,340 groups; a run reads those of all"
    );
    assert_eq!((field.server.count(MEMBERS), field.server.count(&format!("GET {CONFIG}/group-policy"))), (200, 2));
    let reply = Reply::of(403, r#"{"message":"Forbidden"}"#);
    field.server.on(&format!("GET {CONFIG}/group-policy/150/member"), reply);
    let said = line(&field.check(1), "members");
    assert!(said.starts_with("BAD   source s: members: 1 of 200 policies not read"), "{said}");
    assert!(
        said.contains("(policy 150)")
            && said.contains("forbidden (403)")
            && said.ends_with("; 200 of 1,340 groups were tried"),
        "{said}"
    );
}

#[test]
fn a_check_names_the_vendor_whose_users_cannot_be_read() {
    at_once([Reply::of(404, ""), Reply::of(500, ""), Reply::ok("null")], |reply| {
        let field = config_api("pra");
        config_list(&field.server, "/vendor", &json!([{"id":7,"name":"Acme"},{"id":8,"name":"Bolt"}]));
        field.server.on(&format!("GET {CONFIG}/vendor/8/user"), reply);
        let said = line(&field.check(1), "vendor-users");
        assert!(said.starts_with("BAD") && said.contains("vendor 8"), "{said}");
        field.first(3);
    });
}

#[test]
fn a_group_that_was_removed_while_a_check_reads_is_no_failure_and_one_that_stays_is() {
    for (stays, code) in [(false, 0), (true, 1)] {
        let field = config_api("rs");
        let [one, two] = [1, 2].map(|id| json!({"id":id,"name":format!("Policy {id}")}));
        let now = if stays { json!([one, two]) } else { json!([one]) };
        config_list(&field.server, "/group-policy", &now);
        let page = Reply::ok(json!([one, two]).to_string());
        let page = page.with("X-BT-Pagination-Total: 2").with("X-BT-Pagination-Last-Page: 1");
        field.server.at_first(1, &format!("GET {CONFIG}/group-policy"), page);
        field.server.on(&format!("GET {CONFIG}/group-policy/2/member"), Reply::of(404, ""));
        field.check(code);
        let field = safe();
        let [one, two] = [1, 2].map(|id| json!({"GroupID":id,"Name":"G","GroupType":"BeyondInsight"}));
        let now = if stays { json!([one, two]) } else { json!([one]) };
        safe_list(&field.server, "/UserGroups", &now);
        field.server.at_first(1, &format!("GET {SAFE}/UserGroups"), Reply::ok(json!([one, two]).to_string()));
        field.server.on(&format!("GET {SAFE}/UserGroups/2/Users"), Reply::of(404, ""));
        field.check(code);
    }
}

#[test]
fn a_check_reads_the_records_of_scim_that_a_run_reads() {
    // The last group, one without members in the list, a privileged one.
    for unread in ["g5", "g3", "g4"] {
        let field = scim();
        let group = |n: u64| {
            let (name, members) = (if n == 4 { "Administrators" } else { "G" }, if n == 3 { "[]" } else { r#"["1"]"# });
            json!({"id":format!("g{n}"),"displayName":name,"members":serde_json::from_str::<Value>(members).unwrap()})
        };
        scim_groups(&field.server, &json!((1..=5).map(group).collect::<Vec<_>>()));
        field.server.on(&format!("GET {SCIM}/Groups/{unread}"), Reply::of(404, ""));
        let said = line(&field.check(1), "members");
        assert!(said.starts_with("BAD") && said.contains(&format!("(group {unread})")), "{unread}: {said}");
        field.first(3);
    }
}

#[test]
fn a_check_fails_a_list_of_groups_whose_second_page_cannot_be_read_or_is_the_first_again() {
    let rows: Vec<Value> = (1..=130).map(|id| json!({"id": id, "name": format!("Policy {id}")})).collect();
    let again = rows.clone();
    let first = move |request: &Request| {
        let line = request.line.replace("current_page=2", "current_page=1");
        config_page(&Request { line, ..request.clone() }, &again)
    };
    let field = policies(130);
    field.server.answer(&format!("GET {CONFIG}/group-policy"), first);
    assert!(line(&field.check(1), "groups:").contains("the first one again"));
    let field = policies(130);
    field.server.answer(&format!("GET {CONFIG}/group-policy"), move |request: &Request| {
        if request.line.contains("current_page=2") { Reply::of(403, "") } else { config_page(request, &rows) }
    });
    assert!(line(&field.check(1), "groups:").contains("forbidden (403)"));
}
