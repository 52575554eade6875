//! Tests of SCIM: members of groups in every notation, lists that omit members, and providers without groups.

use super::Tenant;
use super::server::Reply;
use super::world::{SCIM, scim, scim_groups, scim_list, scim_page, scim_user};
use crate::rig::{assert_exit, stdout};
use serde_json::{Value, json};

#[test]
fn members_that_the_list_of_groups_omits_are_read_from_group_records() {
    for left_out in [json!([]), Value::Null, json!([{"value":"1"}])] {
        let tenant = scim();
        let groups = json!([
            {"id":"g1","displayName":"One","members":left_out},
            {"id":"g2","displayName":"Two","members":[{"value":"3"}]},
            {"id":"g3","displayName":"Three","members":left_out},
            {"id":"g4","displayName":"Four","members":[{"value":"1"}]},
        ]);
        scim_groups(&tenant.server, &groups);
        for id in ["g1", "g3"] {
            let own = json!({"id":id,"displayName":id,"members":[{"value":"1"},{"value":"2"}]});
            tenant.server.on(&format!("GET {SCIM}/Groups/{id}"), Reply::ok(own.to_string()));
        }
        tenant.first(0);
        assert_eq!(tenant.memberships(), ["g1:1", "g1:2", "g2:3", "g3:1", "g3:2", "g4:1"], "{left_out}");
        assert_eq!(tenant.found("empty-group"), [""; 0]);
        let checked = tenant.check(0);
        assert!(checked.contains("the list of groups and the records of groups have different members"), "{checked}");
    }
}

#[test]
fn privileged_group_is_compared_with_its_record_wherever_it_is_listed() {
    let tenant = scim();
    let groups: Vec<Value> = (1..=9)
        .map(|n| {
            let name = if n == 5 { "Administrators".to_owned() } else { format!("Group {n}") };
            json!({"id": format!("g{n}"), "displayName": name, "members": [{"value":"1"}]})
        })
        .collect();
    scim_groups(&tenant.server, &json!(groups));
    let own = json!({"id":"g5","displayName":"Administrators","members":[{"value":"1"},{"value":"2"}]});
    tenant.server.on(&format!("GET {SCIM}/Groups/g5"), Reply::ok(own.to_string()));
    tenant.first(0);
    assert!(tenant.memberships().contains(&"g5:2".to_owned()), "{:?}", tenant.memberships());
    assert_eq!(tenant.server.count(&format!("GET {SCIM}/Groups/*")), 9, "one differs: all are read");
}

#[test]
fn members_are_unknown_when_the_record_of_their_group_cannot_be_read() {
    for reply in [Reply::of(404, ""), Reply::of(403, ""), Reply::ok(r#"{"status":"500"}"#)] {
        let tenant = scim();
        tenant.first(0);
        let groups = json!([
            {"id":"g1","displayName":"Administrators","members":[]},
            {"id":"g2","displayName":"Operators","members":[{"value":"2"},{"value":"3"}]},
        ]);
        scim_groups(&tenant.server, &groups);
        tenant.server.on(&format!("GET {SCIM}/Groups/g1"), reply);
        tenant.second(3);
        tenant.concludes_nothing_from_absence();
        assert_eq!(tenant.column("changes", "kind"), [""; 0]);
        assert_eq!(tenant.column("groups", "member_count"), ["", "2"]);
        assert!(tenant.check(1).contains("BAD   source s: members"));
    }
}

#[test]
fn group_is_removed_when_its_record_answers_404_and_a_second_list_does_not_contain_it() {
    let tenant = scim();
    tenant.first(0);
    let [one, two] = ["g1", "g2"].map(|id| json!({"id":id,"displayName":id,"members":[{"value":"1"}]}));
    scim_list(&tenant.server, "/Groups", &json!([two]));
    tenant.server.at_first(
        2,
        &format!("GET {SCIM}/Groups"),
        Reply::ok(json!({"totalResults":2,"Resources":[one,two]}).to_string()),
    );
    tenant.server.on(&format!("GET {SCIM}/Groups/g1"), Reply::of(404, ""));
    tenant.server.on(&format!("GET {SCIM}/Groups/g2"), Reply::ok(two.to_string()));
    tenant.second(0);
    assert_eq!(tenant.column("groups", "id"), ["g2"]);
    assert!(tenant.column("changes", "kind").contains(&"group.removed".to_owned()));
}

/// Returns a tenant with three users and these groups, after a first run. The record of each group equals its row in the list.
#[track_caller]
fn members_of(groups: &Value) -> Tenant {
    let tenant = scim();
    scim_groups(&tenant.server, groups);
    tenant.first(0);
    tenant
}

#[test]
fn members_are_read_from_texts_numbers_objects_and_links() {
    for members in [
        json!(["1", "2"]),
        json!([1, 2]),
        json!([1.0, "2"]),
        json!([{"value":1},{"value":"2"}]),
        json!([{"Value":"1"},{"VALUE":"2"}]),
        json!([{"value":"1","type":"User"},{"value":"2","type":"Robot"}]),
        json!([{"value":"1","type":null},{"value":"2","type":""}]),
        json!([{"$ref":"https://host.example/scim/v2/Users/1"},{"$ref":"../Users/2"}]),
        json!([{"$ref":"/scim/v2/users/1/"},{"$Ref":"Users/2?x=1"}]),
        json!([{"value":"1","display":"ann"},{"value":"2"},{"value":"2"}]),
    ] {
        let tenant = members_of(&json!([{"id":"g1","displayName":"G","members":members}]));
        assert_eq!(tenant.memberships(), ["g1:1", "g1:2"], "{members}");
        assert_eq!(tenant.found("no-group"), ["3"], "{members}");
        assert_eq!(tenant.quality(), Value::Null, "{members}");
    }
    for members in [json!({"value":"2"}), json!("2"), json!(2), json!({"$ref":"Users/2"})] {
        let tenant = members_of(&json!([{"id":"g1","displayName":"G","members":members}]));
        assert_eq!(tenant.memberships(), ["g1:2"], "{members}");
    }
}

#[test]
fn members_of_a_group_are_unknown_when_one_member_has_no_readable_id() {
    for odd in [
        json!({"display":"ann"}),
        json!(true),
        json!({"$ref":"Devices/1"}),
        json!([1]),
        json!(""),
        json!(7.5),
        Value::Null,
    ] {
        let tenant = scim();
        let groups = json!([
            {"id":"g1","displayName":"One","members":[{"value":"1"}, odd]},
            {"id":"g2","displayName":"Two","members":[{"value":"2"}]},
        ]);
        scim_groups(&tenant.server, &groups);
        tenant.first(3);
        tenant.concludes_nothing_from_absence();
        assert_eq!(tenant.column("groups", "member_count"), ["", "1"], "{odd}");
        assert!(
            tenant.group("g1")["extra"].contains(&format!("\"members\":[{odd}]")),
            "{odd}: {}",
            tenant.group("g1")["extra"]
        );
        assert_eq!(tenant.quality()["unreadable_values"]["groups.members"]["count"], 1, "{odd}");
    }
}

#[test]
fn guids_are_compared_without_case() {
    let (lower, upper) = ("2819c223-7f76-453a-919d-413861904646", "2819C223-7F76-453A-919D-413861904646");
    let tenant = scim();
    scim_list(&tenant.server, "/Users", &json!([scim_user(lower, "ann")]));
    let group = "E9E30DBA-F08F-4109-8486-D5C6A331660A";
    let groups = json!([{"id":group,"displayName":"G","members":[{"value":upper}]}]);
    scim_groups(&tenant.server, &groups);
    tenant.first(0);
    assert_eq!(tenant.memberships(), [format!("{group}:{lower}")]);
    assert_eq!(tenant.server.count(&format!("GET {SCIM}/Users/{upper}")), 0, "no user is missing");
}

#[test]
fn id_of_both_a_user_and_a_group_is_resolved_by_link_then_type_then_the_record_of_the_user() {
    let decided = |member: Value, own: Option<Value>| {
        let tenant = scim();
        let mut user = scim_user("2", "ben");
        if let Some(own) = own {
            user["groups"] = own;
        }
        scim_list(&tenant.server, "/Users", &json!([scim_user("1", "ann"), user]));
        let groups = json!([
            {"id":"1","displayName":"One","members":[{"value":"1","type":"User"}, member]},
            {"id":"2","displayName":"Two","members":[]},
        ]);
        scim_groups(&tenant.server, &groups);
        tenant.first(0);
        (tenant.memberships().contains(&"1:2".to_owned()), tenant.notes())
    };
    assert!(decided(json!({"value":"2","$ref":"Users/2","type":"Group"}), None).0);
    assert!(!decided(json!({"value":"2","$ref":"Groups/2","type":"User"}), None).0);
    assert!(decided(json!({"value":"2","type":"User"}), None).0);
    assert!(!decided(json!({"value":"2","type":"group"}), None).0);
    assert!(decided(json!("2"), Some(json!([{"value":"1"}]))).0);
    assert!(!decided(json!("2"), Some(json!([]))).0);
    let (is_user, notes) = decided(json!({"value":"2"}), None);
    assert!(is_user && notes.contains("members that match both a user and a group and have no type: 1;"), "{notes}");
}

#[test]
fn nested_groups_are_resolved_in_every_notation() {
    for nested in [json!({"value":"g2","type":"Group"}), json!({"$ref":"../Groups/g2"}), json!("g2")] {
        let tenant = members_of(&json!([
            {"id":"g1","displayName":"One","members":[{"value":"1"}, nested]},
            {"id":"g2","displayName":"Two","members":[{"value":"2"}]},
        ]));
        assert_eq!(tenant.memberships(), ["g1:1", "g1:2", "g2:2"], "{nested}");
    }
}

#[test]
fn names_of_attributes_are_compared_without_case_at_every_level() {
    let tenant = scim();
    let lower = r#"{"totalresults":1,"resources":[{"id":"1","username":"ann","active":true,"displayname":"Ann",
        "emails":[{"value":"a@example.com","primary":"TRUE"}],"meta":{"created":"2025-01-01T00:00:00Z"}}]}"#;
    tenant.server.on(&format!("GET {SCIM}/Users"), Reply::ok(lower));
    let groups = r#"{"TOTALRESULTS":"1","RESOURCES":[{"ID":"g1","DisplayName":"G","Members":[{"Value":"1"}]}]}"#;
    tenant.server.on(&format!("GET {SCIM}/Groups"), Reply::ok(groups));
    tenant.server.on(&format!("GET {SCIM}/Groups/g1"), Reply::ok(r#"{"Id":"g1","Members":[{"Value":"1"}]}"#));
    tenant.first(0);
    let user = tenant.user("1");
    let cells = ["username", "display_name", "email_address", "enabled", "created_at"].map(|key| user[key].as_str());
    assert_eq!(cells, ["ann", "Ann", "a@example.com", "true", "2025-01-01T00:00:00Z"]);
    assert_eq!((tenant.memberships(), tenant.group("g1")["name"].as_str()), (vec!["g1:1".to_owned()], "G"));
    let tenant = scim();
    let pascal = r#"{"TotalResults":1,"Resources":[{"Id":"1","UserName":"ann","Active":"False","Emails":{"Value":"a@x"},
        "Name":{"GivenName":"Ann","FamilyName":"Ott"},"Groups":[{"Value":"g1"}]}]}"#;
    tenant.server.on(&format!("GET {SCIM}/Users"), Reply::ok(pascal));
    scim_groups(&tenant.server, &json!([{"id":"g1","displayName":"G","members":[{"value":"1"}]}]));
    tenant.first(0);
    let user = tenant.user("1");
    assert_eq!(
        ["username", "display_name", "email_address", "enabled"].map(|key| user[key].as_str()),
        ["ann", "Ann Ott", "a@x", "false"]
    );
}

#[test]
fn groups_are_not_offered_when_the_endpoint_is_missing_and_roles_are_kept() {
    for status in [501, 404] {
        let tenant = scim();
        let mut user = scim_user("1", "ann");
        user["roles"] = json!([{"value":"auditor"}]);
        scim_list(&tenant.server, "/Users", &json!([user]));
        tenant.server.on(&format!("GET {SCIM}/Groups*"), Reply::of(status, ""));
        tenant.first(0);
        assert_eq!(tenant.coverage("groups"), "not-offered", "{status}");
        assert_eq!(tenant.column("users", "groups_known"), ["false"]);
        assert!(tenant.user("1")["extra"].contains(r#""roles":[{"value":"auditor"}]"#));
        tenant.concludes_nothing_from_absence();
        assert!(!tenant.manifest()["warnings"].to_string().contains("matches nothing"), "no group can match");
        assert!(tenant.notes().contains("offers no list of groups"), "{}", tenant.notes());
        assert!(tenant.check(0).contains("offers no list of groups"));
        tenant.second(0);
        assert_eq!(tenant.column("changes", "kind"), [""; 0]);
    }
}

#[test]
fn missing_list_of_groups_is_a_failure_when_users_report_groups() {
    for status in [501, 404] {
        let tenant = scim();
        let mut user = scim_user("1", "ann");
        user["groups"] = json!([{"value":"g1"}]);
        scim_list(&tenant.server, "/Users", &json!([user, scim_user("2", "ben")]));
        tenant.server.on(&format!("GET {SCIM}/Groups*"), Reply::of(status, ""));
        tenant.first(3);
        tenant.concludes_nothing_from_absence();
        assert_eq!(tenant.memberships(), ["g1:1"]);
        assert!(tenant.check(1).contains("BAD   source s: groups"));
    }
}

#[test]
fn groups_that_were_listed_and_are_not_found_later_are_not_removed() {
    let tenant = scim();
    tenant.first(0);
    tenant.server.on(&format!("GET {SCIM}/Groups*"), Reply::of(404, ""));
    let known = tenant.column("groups", "id");
    let run = tenant.second(3);
    assert!(stdout(&run).contains("If they were removed, confirm with --allow-shrink s"), "{}", stdout(&run));
    assert_eq!((tenant.column("groups", "id"), tenant.column("changes", "kind")), (known.clone(), Vec::new()));
    assert!(tenant.column("groups", "confirmed_at").iter().all(|at| at == super::FIRST));
    assert_exit(&tenant.call(&["run", "--as-of", super::THIRD, "--allow-shrink", "s"]), 0);
    assert_eq!(tenant.column("groups", "id"), [""; 0]);
    let removed = tenant.column("changes", "kind").iter().filter(|kind| *kind == "group.removed").count();
    assert_eq!(removed, known.len());
}

#[test]
fn sort_order_is_requested_when_the_provider_supports_it() {
    for (config, sorts) in [
        (r#"{"sort":{"supported":true}}"#, true),
        (r#"{"Sort":{"Supported":"true"}}"#, true),
        (r#"{"sort":{"supported":false}}"#, false),
        ("{}", false),
    ] {
        let tenant = scim();
        tenant.server.on(&format!("GET {SCIM}/ServiceProviderConfig"), Reply::ok(config));
        tenant.first(0);
        let asked = tenant.server.asked(&format!("GET {SCIM}/Users"));
        assert!(asked.iter().all(|request| request.line.contains("sortBy=id") == sorts), "{config}: {asked:?}");
    }
    let tenant = scim();
    tenant.server.on(&format!("GET {SCIM}/ServiceProviderConfig"), Reply::ok(r#"{"sort":{"supported":true}}"#));
    let users = [scim_user("1", "ann"), scim_user("2", "ben"), scim_user("3", "cid")];
    tenant.server.answer(&format!("GET {SCIM}/Users"), move |request| {
        if request.line.contains("sortBy") { Reply::of(400, "sortBy") } else { scim_page(request, &users) }
    });
    tenant.first(0);
    assert_eq!(tenant.column("users", "id"), ["1", "2", "3"]);
}
