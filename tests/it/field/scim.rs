//! Members of SCIM's groups however they are written, lists that leave them out, and providers without groups.

use super::Field;
use super::server::Reply;
use super::world::{SCIM, scim, scim_groups, scim_list, scim_page, scim_user};
use crate::rig::{assert_exit, stderr, stdout};
use serde_json::{Value, json};

// A4
#[test]
fn members_that_the_list_leaves_out_are_read_from_the_groups_own_records() {
    for left_out in [json!([]), Value::Null, json!([{"value":"1"}])] {
        let field = scim();
        let groups = json!([
            {"id":"g1","displayName":"One","members":left_out},
            {"id":"g2","displayName":"Two","members":[{"value":"3"}]},
            {"id":"g3","displayName":"Three","members":left_out},
            {"id":"g4","displayName":"Four","members":[{"value":"1"}]},
        ]);
        scim_groups(&field.server, &groups);
        for id in ["g1", "g3"] {
            let own = json!({"id":id,"displayName":id,"members":[{"value":"1"},{"value":"2"}]});
            field.server.on(&format!("GET {SCIM}/Groups/{id}"), Reply::ok(own.to_string()));
        }
        field.first(0);
        assert_eq!(field.memberships(), ["g1:1", "g1:2", "g2:3", "g3:1", "g3:2", "g4:1"], "{left_out}");
        assert_eq!(field.found("empty-group"), [""; 0]);
        let checked = field.check(0);
        assert!(checked.contains("the list of groups leaves out members"), "{checked}");
    }
}

#[test]
fn a_privileged_group_is_compared_with_its_record_wherever_it_is_in_the_list() {
    let field = scim();
    let groups: Vec<Value> = (1..=9)
        .map(|n| {
            let name = if n == 5 { "Administrators".to_owned() } else { format!("Group {n}") };
            json!({"id": format!("g{n}"), "displayName": name, "members": [{"value":"1"}]})
        })
        .collect();
    scim_groups(&field.server, &json!(groups));
    let own = json!({"id":"g5","displayName":"Administrators","members":[{"value":"1"},{"value":"2"}]});
    field.server.on(&format!("GET {SCIM}/Groups/g5"), Reply::ok(own.to_string()));
    field.first(0);
    assert!(field.memberships().contains(&"g5:2".to_owned()), "{:?}", field.memberships());
    assert_eq!(field.server.count(&format!("GET {SCIM}/Groups/*")), 9, "one differs: all are read");
}

#[test]
fn a_group_s_own_record_that_cannot_be_read_leaves_its_members_unknown() {
    for reply in [Reply::of(404, ""), Reply::of(403, ""), Reply::ok(r#"{"status":"500"}"#)] {
        let field = scim();
        field.first(0);
        let groups = json!([
            {"id":"g1","displayName":"Administrators","members":[]},
            {"id":"g2","displayName":"Operators","members":[{"value":"2"},{"value":"3"}]},
        ]);
        scim_groups(&field.server, &groups);
        field.server.on(&format!("GET {SCIM}/Groups/g1"), reply);
        field.second(3);
        field.concludes_nothing_from_absence();
        assert_eq!(field.column("changes", "kind"), [""; 0]);
        assert_eq!(field.column("groups", "member_count"), ["", "2"]);
        assert!(field.check(1).contains("BAD   source s: members"));
    }
}

#[test]
fn a_group_that_the_list_read_again_no_longer_names_was_removed() {
    let field = scim();
    field.first(0);
    let [one, two] = ["g1", "g2"].map(|id| json!({"id":id,"displayName":id,"members":[{"value":"1"}]}));
    scim_list(&field.server, "/Groups", &json!([two]));
    field.server.at_first(
        2,
        &format!("GET {SCIM}/Groups"),
        Reply::ok(json!({"totalResults":2,"Resources":[one,two]}).to_string()),
    );
    field.server.on(&format!("GET {SCIM}/Groups/g1"), Reply::of(404, ""));
    field.server.on(&format!("GET {SCIM}/Groups/g2"), Reply::ok(two.to_string()));
    field.second(0);
    assert_eq!(field.column("groups", "id"), ["g2"]);
    assert!(field.column("changes", "kind").contains(&"group.removed".to_owned()));
}

/// The memberships of three users where the only groups are these; each group's record is as the list has it.
#[track_caller]
fn members_of(groups: &Value) -> Field {
    let field = scim();
    scim_groups(&field.server, groups);
    field.first(0);
    field
}

// V6
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
        let field = members_of(&json!([{"id":"g1","displayName":"G","members":members}]));
        assert_eq!(field.memberships(), ["g1:1", "g1:2"], "{members}");
        assert_eq!(field.found("no-group"), ["3"], "{members}");
        assert_eq!(field.quality(), Value::Null, "{members}");
    }
    for members in [json!({"value":"2"}), json!("2"), json!(2), json!({"$ref":"Users/2"})] {
        let field = members_of(&json!([{"id":"g1","displayName":"G","members":members}]));
        assert_eq!(field.memberships(), ["g1:2"], "{members}");
    }
}

#[test]
fn a_member_that_names_nobody_leaves_the_members_of_that_group_unknown_and_stays_in_extra() {
    for odd in [
        json!({"display":"ann"}),
        json!(true),
        json!({"$ref":"Devices/1"}),
        json!([1]),
        json!(""),
        json!(7.5),
        Value::Null,
    ] {
        let field = scim();
        let groups = json!([
            {"id":"g1","displayName":"One","members":[{"value":"1"}, odd]},
            {"id":"g2","displayName":"Two","members":[{"value":"2"}]},
        ]);
        scim_groups(&field.server, &groups);
        field.first(3);
        field.concludes_nothing_from_absence();
        assert_eq!(field.column("groups", "member_count"), ["", "1"], "{odd}");
        assert!(
            field.group("g1")["extra"].contains(&format!("\"members\":[{odd}]")),
            "{odd}: {}",
            field.group("g1")["extra"]
        );
        assert_eq!(field.quality()["unreadable_values"]["groups.members"]["count"], 1, "{odd}");
    }
}

#[test]
fn guids_are_compared_without_case() {
    let (lower, upper) = ("2819c223-7f76-453a-919d-413861904646", "2819C223-7F76-453A-919D-413861904646");
    let field = scim();
    scim_list(&field.server, "/Users", &json!([scim_user(lower, "ann")]));
    let group = "E9E30DBA-F08F-4109-8486-D5C6A331660A";
    let groups = json!([{"id":group,"displayName":"G","members":[{"value":upper}]}]);
    scim_groups(&field.server, &groups);
    field.first(0);
    assert_eq!(field.memberships(), [format!("{group}:{lower}")]);
    assert_eq!(field.server.count(&format!("GET {SCIM}/Users/{upper}")), 0, "nobody is missing");
}

#[test]
fn a_value_that_is_the_id_of_a_user_and_of_a_group_is_decided_by_link_then_type_then_the_user() {
    let decided = |member: Value, own: Option<Value>| {
        let field = scim();
        let mut user = scim_user("2", "ben");
        if let Some(own) = own {
            user["groups"] = own;
        }
        scim_list(&field.server, "/Users", &json!([scim_user("1", "ann"), user]));
        let groups = json!([
            {"id":"1","displayName":"One","members":[{"value":"1","type":"User"}, member]},
            {"id":"2","displayName":"Two","members":[]},
        ]);
        scim_groups(&field.server, &groups);
        field.first(0);
        (field.memberships().contains(&"1:2".to_owned()), stderr(&field.run_at(super::SECOND)))
    };
    assert!(decided(json!({"value":"2","$ref":"Users/2","type":"Group"}), None).0);
    assert!(!decided(json!({"value":"2","$ref":"Groups/2","type":"User"}), None).0);
    assert!(decided(json!({"value":"2","type":"User"}), None).0);
    assert!(!decided(json!({"value":"2","type":"group"}), None).0);
    assert!(decided(json!("2"), Some(json!([{"value":"1"}]))).0);
    assert!(!decided(json!("2"), Some(json!([]))).0);
    let (is_user, said) = decided(json!({"value":"2"}), None);
    assert!(is_user && said.contains("1 members of groups are the id of a user and of a group alike"), "{said}");
}

#[test]
fn a_group_within_a_group_is_followed_however_it_is_written() {
    for nested in [json!({"value":"g2","type":"Group"}), json!({"$ref":"../Groups/g2"}), json!("g2")] {
        let field = members_of(&json!([
            {"id":"g1","displayName":"One","members":[{"value":"1"}, nested]},
            {"id":"g2","displayName":"Two","members":[{"value":"2"}]},
        ]));
        assert_eq!(field.memberships(), ["g1:1", "g1:2", "g2:2"], "{nested}");
    }
}

// V7
#[test]
fn names_of_attributes_are_compared_without_case_at_every_level() {
    let field = scim();
    let lower = r#"{"totalresults":1,"resources":[{"id":"1","username":"ann","active":true,"displayname":"Ann",
        "emails":[{"value":"a@example.com","primary":"TRUE"}],"meta":{"created":"2025-01-01T00:00:00Z"}}]}"#;
    field.server.on(&format!("GET {SCIM}/Users"), Reply::ok(lower));
    let groups = r#"{"TOTALRESULTS":"1","RESOURCES":[{"ID":"g1","DisplayName":"G","Members":[{"Value":"1"}]}]}"#;
    field.server.on(&format!("GET {SCIM}/Groups"), Reply::ok(groups));
    field.server.on(&format!("GET {SCIM}/Groups/g1"), Reply::ok(r#"{"Id":"g1","Members":[{"Value":"1"}]}"#));
    field.first(0);
    let user = field.user("1");
    let cells = ["username", "display_name", "email_address", "enabled", "created_at"].map(|key| user[key].as_str());
    assert_eq!(cells, ["ann", "Ann", "a@example.com", "true", "2025-01-01T00:00:00Z"]);
    assert_eq!((field.memberships(), field.group("g1")["name"].as_str()), (vec!["g1:1".to_owned()], "G"));
    let field = scim();
    let pascal = r#"{"TotalResults":1,"Resources":[{"Id":"1","UserName":"ann","Active":"False","Emails":{"Value":"a@x"},
        "Name":{"GivenName":"Ann","FamilyName":"Ott"},"Groups":[{"Value":"g1"}]}]}"#;
    field.server.on(&format!("GET {SCIM}/Users"), Reply::ok(pascal));
    scim_groups(&field.server, &json!([{"id":"g1","displayName":"G","members":[{"value":"1"}]}]));
    field.first(0);
    let user = field.user("1");
    assert_eq!(
        ["username", "display_name", "email_address", "enabled"].map(|key| user[key].as_str()),
        ["ann", "Ann Ott", "a@x", "false"]
    );
}

#[test]
fn a_provider_without_groups_does_not_offer_them_and_keeps_roles() {
    for status in [501, 404] {
        let field = scim();
        let mut user = scim_user("1", "ann");
        user["roles"] = json!([{"value":"auditor"}]);
        scim_list(&field.server, "/Users", &json!([user]));
        field.server.on(&format!("GET {SCIM}/Groups*"), Reply::of(status, ""));
        let ran = field.first(0);
        assert_eq!(field.coverage("groups"), "not-offered", "{status}");
        assert_eq!(field.column("users", "groups_known"), ["false"]);
        assert!(field.user("1")["extra"].contains(r#""roles":[{"value":"auditor"}]"#));
        field.concludes_nothing_from_absence();
        assert!(stderr(&ran).contains("offers no list of groups"), "{}", stderr(&ran));
        assert!(field.check(0).contains("offers no list of groups"));
        field.second(0);
        assert_eq!(field.column("changes", "kind"), [""; 0]);
    }
}

#[test]
fn a_list_of_groups_that_is_not_found_is_a_failure_where_users_report_groups() {
    for status in [501, 404] {
        let field = scim();
        let mut user = scim_user("1", "ann");
        user["groups"] = json!([{"value":"g1"}]);
        scim_list(&field.server, "/Users", &json!([user, scim_user("2", "ben")]));
        field.server.on(&format!("GET {SCIM}/Groups*"), Reply::of(status, ""));
        field.first(3);
        field.concludes_nothing_from_absence();
        assert_eq!(field.memberships(), ["g1:1"]);
        assert!(field.check(1).contains("BAD   source s: groups"));
    }
}

#[test]
fn groups_that_were_listed_and_are_not_found_later_are_not_removed() {
    let field = scim();
    field.first(0);
    field.server.on(&format!("GET {SCIM}/Groups*"), Reply::of(404, ""));
    let known = field.column("groups", "id");
    let ran = field.second(3);
    assert!(stdout(&ran).contains("--allow-shrink s confirms that they are gone"), "{}", stdout(&ran));
    assert_eq!((field.column("groups", "id"), field.column("changes", "kind")), (known.clone(), Vec::new()));
    assert!(field.column("groups", "confirmed_at").iter().all(|at| at == super::FIRST));
    assert_exit(&field.call(&["run", "--as-of", super::THIRD, "--allow-shrink", "s"]), 0);
    assert_eq!(field.column("groups", "id"), [""; 0]);
    let removed = field.column("changes", "kind").iter().filter(|kind| *kind == "group.removed").count();
    assert_eq!(removed, known.len());
}

#[test]
fn rows_are_asked_for_in_an_order_where_the_provider_can_sort() {
    for (config, sorts) in [
        (r#"{"sort":{"supported":true}}"#, true),
        (r#"{"Sort":{"Supported":"true"}}"#, true),
        (r#"{"sort":{"supported":false}}"#, false),
        ("{}", false),
    ] {
        let field = scim();
        field.server.on(&format!("GET {SCIM}/ServiceProviderConfig"), Reply::ok(config));
        field.first(0);
        let asked = field.server.asked(&format!("GET {SCIM}/Users"));
        assert!(asked.iter().all(|request| request.line.contains("sortBy=id") == sorts), "{config}: {asked:?}");
    }
    let field = scim();
    field.server.on(&format!("GET {SCIM}/ServiceProviderConfig"), Reply::ok(r#"{"sort":{"supported":true}}"#));
    let users = [scim_user("1", "ann"), scim_user("2", "ben"), scim_user("3", "cid")];
    field.server.answer(&format!("GET {SCIM}/Users"), move |request| {
        if request.line.contains("sortBy") { Reply::of(400, "sortBy") } else { scim_page(request, &users) }
    });
    field.first(0);
    assert_eq!(field.column("users", "id"), ["1", "2", "3"]);
}
