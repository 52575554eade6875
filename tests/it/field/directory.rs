//! Tests of directory groups of Password Safe. Reading the members of one makes the appliance synchronise it with its directory.

use super::Tenant;
use super::server::Reply;
use super::world::{SAFE, safe, safe_list, safe_user};
use crate::rig::{stderr, stdout};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Returns a tenant with two groups, the second of a directory. Users 1 and 2 are local, 3 and 4 belong to the directory.
fn directory(group_type: Option<&str>) -> Tenant {
    let tenant = safe();
    let of_directory = |id: u64, name: &str| {
        let mut user = safe_user(id, name);
        user["UserType"] = json!("ActiveDirectory");
        user["DomainName"] = json!("corp");
        user
    };
    let users = json!([safe_user(1, "ann"), safe_user(2, "ben"), of_directory(3, "cid"), of_directory(4, "dan")]);
    safe_list(&tenant.server, "/Users", &users);
    let mut group = json!({"GroupID":2,"Name":"AD operators"});
    if let Some(group_type) = group_type {
        group["GroupType"] = json!(group_type);
    }
    let plain = json!({"GroupID":1,"Name":"Administrators","GroupType":"BeyondInsight"});
    safe_list(&tenant.server, "/UserGroups", &json!([plain, group]));
    safe_list(&tenant.server, "/UserGroups/1/Users", &json!([{"UserID":1},{"UserID":2}]));
    safe_list(&tenant.server, "/Users/3/UserGroups", &json!([group]));
    safe_list(&tenant.server, "/Users/4/UserGroups", &json!([group]));
    for id in [1, 2] {
        safe_list(&tenant.server, &format!("/Users/{id}/UserGroups"), &json!([plain]));
    }
    tenant
}

fn synchronisations(tenant: &Tenant) -> usize {
    tenant.server.count(&format!("GET {SAFE}/UserGroups/2/Users"))
}

#[test]
fn members_of_directory_groups_are_read_by_user_without_a_synchronisation() {
    for group_type in
        [Some("ActiveDirectory"), Some("EntraID"), Some("LdapDirectory"), Some("SomethingNew"), Some(""), None]
    {
        let tenant = directory(group_type);
        assert!(tenant.check(0).contains("directory"), "{group_type:?}");
        tenant.first(0);
        assert_eq!(synchronisations(&tenant), 0, "{group_type:?}");
        assert_eq!(tenant.memberships(), ["1:1", "1:2", "2:3", "2:4"], "{group_type:?}");
        assert_eq!(tenant.column("groups", "member_count"), ["2", "2"], "{group_type:?}");
        let of_local = tenant.server.count(&format!("GET {SAFE}/Users/1/UserGroups"));
        let is_typed = group_type.is_some_and(|kind| !kind.is_empty());
        assert_eq!(of_local == 0, is_typed, "local users are in no group of a directory: {group_type:?}");
    }
}

#[test]
fn memberships_are_unknown_for_users_whose_own_groups_cannot_be_read() {
    for reply in [Reply::of(404, "User not found"), Reply::of(403, ""), Reply::of(410, ""), Reply::ok(r#"{"x":1}"#)] {
        let tenant = directory(Some("ActiveDirectory"));
        tenant.first(0);
        tenant.server.on(&format!("GET {SAFE}/Users/3/UserGroups"), reply);
        tenant.second(3);
        assert_eq!(synchronisations(&tenant), 0);
        tenant.concludes_nothing_from_absence();
        assert_eq!(tenant.column("changes", "kind"), [""; 0]);
        assert_eq!(tenant.column("users", "groups_known"), ["true", "true", "false", "true"]);
        assert_eq!(tenant.column("groups", "member_count"), ["2", ""]);
        let checked = tenant.check(1);
        assert!(checked.contains("BAD   source s: directory-members"), "{checked}");
    }
}

#[test]
fn memberships_are_unknown_for_a_user_whose_own_groups_contradict_the_lists() {
    for (more, why) in [
        (json!({"GroupID":1}), "the members of group 1 do not name the user"),
        (json!({"GroupID":9}), "group 9 is not in the list of groups"),
    ] {
        let tenant = directory(Some("ActiveDirectory"));
        safe_list(&tenant.server, "/Users/4/UserGroups", &json!([{"GroupID":2}, more]));
        let run = tenant.first(3);
        assert!(stderr(&run).contains(why) || stdout(&run).contains(why), "{why}: {}", stderr(&run));
        assert_eq!(tenant.column("users", "groups_known"), ["true", "true", "true", "false"]);
    }
}

#[test]
fn members_of_directory_groups_are_unknown_with_skip() {
    let tenant = directory(Some("ActiveDirectory"));
    tenant.set("directory_groups = \"skip\"");
    assert!(tenant.check(0).contains("directory_groups = \"skip\""));
    tenant.first(0);
    assert_eq!(synchronisations(&tenant), 0);
    assert_eq!(tenant.server.count(&format!("GET {SAFE}/Users/*")), 0);
    assert_eq!(tenant.column("users", "groups_known"), ["true", "true", "false", "false"]);
    assert_eq!(tenant.column("groups", "member_count"), ["2", ""]);
    tenant.concludes_nothing_from_absence();
    assert!(tenant.notes().contains("the members of 1 directory group are unknown"), "{}", tenant.notes());
}

#[test]
fn directory_group_is_synchronised_once_per_run_with_sync() {
    let tenant = directory(Some("EntraID"));
    tenant.set("directory_groups = \"sync\"");
    safe_list(&tenant.server, "/UserGroups/2/Users", &json!([{"UserID":3}]));
    let checked = tenant.check(0);
    assert!(checked.contains("synchronise"), "{checked}");
    assert_eq!(synchronisations(&tenant), 0, "a check asks for none");
    tenant.first(0);
    assert_eq!(synchronisations(&tenant), 1);
    assert_eq!(tenant.memberships(), ["1:1", "1:2", "2:3"]);
    assert_eq!(tenant.found("no-group"), ["4"]);
    assert!(tenant.notes().contains("synchronise"), "{}", tenant.notes());
}

#[test]
fn failed_or_hanging_synchronisation_is_not_repeated_and_other_groups_are_proven() {
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
        let tenant = directory(Some("ActiveDirectory"));
        tenant.set("directory_groups = \"sync\"").set("directory_sync_timeout_seconds = 1");
        tenant.server.on(&format!("GET {SAFE}/UserGroups/2/Users"), reply.clone());
        let started = Instant::now();
        let run = tenant.run_at(super::FIRST);
        assert!(started.elapsed() < Duration::from_secs(30), "{reply:?}");
        assert_eq!(synchronisations(&tenant), 1, "{reply:?}: {}", stderr(&run));
        assert_eq!(tenant.memberships(), ["1:1", "1:2"], "{reply:?}");
        assert_eq!(tenant.coverage("members"), "complete", "{reply:?}");
        // One response without a list does not prove an empty list, and a synchronisation is not requested twice.
        assert_eq!(tenant.group("2")["member_count"], "", "{reply:?}");
        assert_eq!(run.status.code(), Some(3), "{reply:?}: {}", stderr(&run));
        tenant.concludes_nothing_from_absence();
    }
}

#[test]
fn directory_memberships_are_not_read_by_user_when_the_deadline_is_too_short() {
    let tenant = directory(Some("ActiveDirectory"));
    let users: Vec<Value> = (1..=700)
        .map(|id| {
            let mut user = safe_user(id, &format!("user{id}"));
            user["UserType"] = json!("ActiveDirectory");
            user
        })
        .collect();
    safe_list(&tenant.server, "/Users", &json!(users));
    tenant.set("requests_per_second = 10").set("deadline_minutes = 1");
    let checked = tenant.check(0);
    assert!(checked.contains("needs 700 requests"), "{checked}");
    let run = tenant.first(0);
    assert_eq!(tenant.server.count(&format!("GET {SAFE}/Users/*")), 0);
    assert!(
        stderr(&run).contains("needs 700 requests") && stderr(&run).contains("deadline_minutes"),
        "{}",
        stderr(&run)
    );
    tenant.concludes_nothing_from_absence();
    assert!(!tenant.column("users", "groups_known").contains(&"true".to_owned()));
}
