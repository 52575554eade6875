//! Groups of Password Safe that a directory fills: reading their members has the appliance synchronise them.

use super::Field;
use super::server::Reply;
use super::world::{SAFE, safe, safe_list, safe_user};
use crate::rig::{stderr, stdout};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Two groups, the second of a directory; users 1 and 2 are local, 3 and 4 of the directory.
fn directory(group_type: Option<&str>) -> Field {
    let field = safe();
    let of_directory = |id: u64, name: &str| {
        let mut user = safe_user(id, name);
        user["UserType"] = json!("ActiveDirectory");
        user["DomainName"] = json!("corp");
        user
    };
    let users = json!([safe_user(1, "ann"), safe_user(2, "ben"), of_directory(3, "cid"), of_directory(4, "dan")]);
    safe_list(&field.server, "/Users", &users);
    let mut group = json!({"GroupID":2,"Name":"AD operators"});
    if let Some(group_type) = group_type {
        group["GroupType"] = json!(group_type);
    }
    let plain = json!({"GroupID":1,"Name":"Administrators","GroupType":"BeyondInsight"});
    safe_list(&field.server, "/UserGroups", &json!([plain, group]));
    safe_list(&field.server, "/UserGroups/1/Users", &json!([{"UserID":1},{"UserID":2}]));
    safe_list(&field.server, "/Users/3/UserGroups", &json!([group]));
    safe_list(&field.server, "/Users/4/UserGroups", &json!([group]));
    for id in [1, 2] {
        safe_list(&field.server, &format!("/Users/{id}/UserGroups"), &json!([plain]));
    }
    field
}

fn synchronisations(field: &Field) -> usize {
    field.server.count(&format!("GET {SAFE}/UserGroups/2/Users"))
}

// P2
#[test]
fn members_of_a_directory_group_are_read_by_user_without_a_synchronisation() {
    for group_type in
        [Some("ActiveDirectory"), Some("EntraID"), Some("LdapDirectory"), Some("SomethingNew"), Some(""), None]
    {
        let field = directory(group_type);
        assert!(field.check(0).contains("directory"), "{group_type:?}");
        field.first(0);
        assert_eq!(synchronisations(&field), 0, "{group_type:?}");
        assert_eq!(field.memberships(), ["1:1", "1:2", "2:3", "2:4"], "{group_type:?}");
        assert_eq!(field.column("groups", "member_count"), ["2", "2"], "{group_type:?}");
        let of_local = field.server.count(&format!("GET {SAFE}/Users/1/UserGroups"));
        let is_typed = group_type.is_some_and(|kind| !kind.is_empty());
        assert_eq!(of_local == 0, is_typed, "local users are in no group of a directory: {group_type:?}");
    }
}

#[test]
fn users_whose_groups_cannot_be_read_may_be_in_the_directory_group() {
    for reply in [Reply::of(404, "User not found"), Reply::of(403, ""), Reply::of(410, ""), Reply::ok(r#"{"x":1}"#)] {
        let field = directory(Some("ActiveDirectory"));
        field.first(0);
        field.server.on(&format!("GET {SAFE}/Users/3/UserGroups"), reply);
        field.second(3);
        assert_eq!(synchronisations(&field), 0);
        field.concludes_nothing_from_absence();
        assert_eq!(field.column("changes", "kind"), [""; 0]);
        assert_eq!(field.column("users", "groups_known"), ["true", "true", "false", "true"]);
        assert_eq!(field.column("groups", "member_count"), ["2", ""]);
        let checked = field.check(1);
        assert!(checked.contains("BAD   source s: directory-members"), "{checked}");
    }
}

#[test]
fn a_user_whose_own_groups_contradict_the_lists_is_unknown() {
    for (more, why) in [
        (json!({"GroupID":1}), "the members of group 1 do not name the user"),
        (json!({"GroupID":9}), "group 9 is not in the list of groups"),
    ] {
        let field = directory(Some("ActiveDirectory"));
        safe_list(&field.server, "/Users/4/UserGroups", &json!([{"GroupID":2}, more]));
        let ran = field.first(3);
        assert!(stderr(&ran).contains(why) || stdout(&ran).contains(why), "{why}: {}", stderr(&ran));
        assert_eq!(field.column("users", "groups_known"), ["true", "true", "true", "false"]);
    }
}

#[test]
fn members_of_directory_groups_stay_unknown_where_they_are_skipped() {
    let field = directory(Some("ActiveDirectory"));
    field.set("directory_groups = \"skip\"");
    assert!(field.check(0).contains("directory_groups = \"skip\""));
    let ran = field.first(0);
    assert_eq!(synchronisations(&field), 0);
    assert_eq!(field.server.count(&format!("GET {SAFE}/Users/*")), 0);
    assert_eq!(field.column("users", "groups_known"), ["true", "true", "false", "false"]);
    assert_eq!(field.column("groups", "member_count"), ["2", ""]);
    field.concludes_nothing_from_absence();
    assert!(stderr(&ran).contains("the members of 1 directory group are unknown"), "{}", stderr(&ran));
    assert!(field.manifest()["warnings"].to_string().contains("directory group"));
}

#[test]
fn a_directory_group_is_synchronised_once_a_run_where_that_is_asked_for() {
    let field = directory(Some("EntraID"));
    field.set("directory_groups = \"sync\"");
    safe_list(&field.server, "/UserGroups/2/Users", &json!([{"UserID":3}]));
    let checked = field.check(0);
    assert!(checked.contains("synchronise"), "{checked}");
    assert_eq!(synchronisations(&field), 0, "a check asks for none");
    let ran = field.first(0);
    assert_eq!(synchronisations(&field), 1);
    assert_eq!(field.memberships(), ["1:1", "1:2", "2:3"]);
    assert_eq!(field.found("no-group"), ["4"]);
    assert!(stderr(&ran).contains("synchronise"), "{}", stderr(&ran));
    assert!(field.manifest()["warnings"].to_string().contains("synchronise"), "{}", field.manifest()["warnings"]);
}

#[test]
fn a_synchronisation_that_fails_or_hangs_is_not_asked_for_again_and_leaves_the_others_proven() {
    let replies = [
        Reply::of(500, "LDAP server is unavailable"),
        Reply::of(404, ""),
        Reply::of(204, ""),
        Reply::of(503, ""),
        Reply::ok("<html>"),
        Reply::of(401, ""),
        Reply::never(),
    ];
    for reply in replies {
        let field = directory(Some("ActiveDirectory"));
        field.set("directory_groups = \"sync\"").set("directory_sync_timeout_seconds = 1");
        field.server.on(&format!("GET {SAFE}/UserGroups/2/Users"), reply.clone());
        let started = Instant::now();
        let ran = field.run_at(super::FIRST);
        assert!(started.elapsed() < Duration::from_secs(30), "{reply:?}");
        assert_eq!(synchronisations(&field), 1, "{reply:?}: {}", stderr(&ran));
        assert_eq!(field.memberships(), ["1:1", "1:2"], "{reply:?}");
        assert_eq!(field.coverage("members"), "complete", "{reply:?}");
        // No list once is no empty list, and nobody asks twice for a synchronisation.
        assert_eq!(field.group("2")["member_count"], "", "{reply:?}");
        assert_eq!(ran.status.code(), Some(3), "{reply:?}: {}", stderr(&ran));
        field.concludes_nothing_from_absence();
    }
}

#[test]
fn a_request_for_every_user_that_does_not_fit_the_deadline_is_not_made() {
    let field = directory(Some("ActiveDirectory"));
    let users: Vec<Value> = (1..=700)
        .map(|id| {
            let mut user = safe_user(id, &format!("user{id}"));
            user["UserType"] = json!("ActiveDirectory");
            user
        })
        .collect();
    safe_list(&field.server, "/Users", &json!(users));
    field.set("requests_per_second = 10").set("deadline_minutes = 1");
    let checked = field.check(0);
    assert!(checked.contains("takes 700 requests"), "{checked}");
    let ran = field.first(0);
    assert_eq!(field.server.count(&format!("GET {SAFE}/Users/*")), 0);
    assert!(
        stderr(&ran).contains("takes 700 requests") && stderr(&ran).contains("deadline_minutes"),
        "{}",
        stderr(&ran)
    );
    field.concludes_nothing_from_absence();
    assert!(!field.column("users", "groups_known").contains(&"true".to_owned()));
}
