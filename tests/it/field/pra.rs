//! Accounts of the Configuration API that never signed in, and users who may be in a policy by way of a directory.

use super::Field;
use super::server::Reply;
use super::world::{CONFIG, config_api, config_list, config_user};
use crate::rig::stderr;
use serde_json::{Value, json};

const PROVIDERS: &str = r#"[{"id":1,"type":"local","name":"Local"},{"id":2,"type":"ldap","name":"AD"}]"#;

/// Users by provider and by what they have in place of `last_authentication`; `None`: the field is absent.
fn with_logins(users: &[(u64, Option<Value>)]) -> Field {
    let field = config_api("pra");
    config_list(&field.server, "/security-provider", &serde_json::from_str(PROVIDERS).unwrap());
    field.server.on(&format!("GET {CONFIG}/security-provider/2"), Reply::ok(r#"{"id":2,"type":"ldap","name":"AD"}"#));
    let user = |(id, (provider, login)): (u64, &(u64, Option<Value>))| {
        let mut user = config_user(id, &format!("user{id}"));
        user["security_provider_id"] = json!(provider);
        user.as_object_mut().unwrap().remove("last_authentication");
        if let Some(login) = login {
            user["last_authentication"] = login.clone();
        }
        user
    };
    let rows: Vec<Value> = (1..).zip(users).map(user).collect();
    config_list(&field.server, "/user", &json!(rows));
    let members: Vec<Value> = (1..=users.len()).map(|id| json!({"id": id, "user_id": id})).collect();
    config_list(&field.server, "/group-policy/2/member", &json!(members));
    config_list(&field.server, "/group-policy/1/member", &json!([]));
    config_list(&field.server, "/group-policy/3/member", &json!([]));
    field
}

fn statuses(field: &Field, users: usize) -> Vec<String> {
    field.column("users", "last_login_status")[..users].to_vec()
}

// P4
#[test]
fn a_local_account_without_the_field_that_others_carry_never_signed_in() {
    let at = || Some(json!("2026-11-20T08:00:00+00:00"));
    let field =
        with_logins(&[(1, None), (1, at()), (2, None), (2, at()), (1, Some(Value::Null)), (2, Some(Value::Null))]);
    field.first(0);
    assert_eq!(statuses(&field, 6), ["never", "at", "not-reported", "at", "never", "never"]);
    assert_eq!(field.found("never-logged-in"), ["1", "5", "6"]);
}

#[test]
fn an_absent_login_is_not_reported_where_nobody_carries_the_field() {
    let field = with_logins(&[(1, None), (1, None), (2, None)]);
    field.first(0);
    assert_eq!(statuses(&field, 3), ["not-reported"; 3]);
    assert_eq!(field.found("never-logged-in"), [""; 0]);
    // One who carries it without a value shows that the version reports it.
    let field = with_logins(&[(1, None), (1, Some(Value::Null)), (2, None)]);
    field.first(0);
    assert_eq!(statuses(&field, 3), ["never", "never", "not-reported"]);
    assert_eq!(field.found("never-logged-in"), ["1", "2"]);
}

#[test]
fn only_a_directory_account_that_carries_the_field_shows_it_for_local_ones_too() {
    let field = with_logins(&[(1, None), (2, Some(json!("2026-11-20T08:00:00Z")))]);
    field.first(0);
    assert_eq!(statuses(&field, 2), ["never", "at"]);
}

/// Policy 3 has a directory group; user 2 is of that directory, user 1 is local.
fn with_directory(provider: Option<u64>) -> Field {
    let field = with_logins(&[(1, Some(json!("2026-11-20T08:00:00Z"))), (2, Some(json!("2026-11-20T08:00:00Z")))]);
    config_list(&field.server, "/group-policy/2/member", &json!([{"id":1,"user_id":1}]));
    let mut member = json!({"id":9,"distinguished_name":"CN=Operators,DC=corp"});
    if let Some(provider) = provider {
        member["security_provider_id"] = json!(provider);
    }
    config_list(&field.server, "/group-policy/3/member", &json!([member]));
    field
}

#[test]
fn a_directory_member_leaves_its_directory_s_users_unknown_and_no_others() {
    for provider in [Some(2), None] {
        let field = with_directory(provider);
        field.first(0);
        assert_eq!(field.column("users", "groups_known")[..2], ["true", "false"], "{provider:?}");
        field.found("no-group").iter().for_each(|id| assert_ne!(id, "2"));
        assert_eq!(field.server.count(&format!("GET {CONFIG}/user/*")), 0, "nobody is asked for by itself");
    }
}

#[test]
fn directory_users_are_resolved_by_their_own_policies_where_that_is_asked_for() {
    let field = with_directory(Some(2));
    field.set("resolve_directory_users = true");
    config_list(&field.server, "/user/2/group-policies", &json!([{"id":3,"name":"Support"}]));
    config_list(&field.server, "/user/1/group-policies", &json!([{"id":2,"name":"Operators"}]));
    field.check(0);
    let before = field.server.count(&format!("GET {CONFIG}/user/1/*"));
    field.first(0);
    assert_eq!(field.column("users", "groups_known")[..2], ["true", "true"]);
    assert!(field.memberships().contains(&"3:2".to_owned()), "{:?}", field.memberships());
    assert_eq!(field.server.count(&format!("GET {CONFIG}/user/1/*")), before, "a local user is in no directory group");
}

#[test]
fn directory_users_whose_policies_cannot_be_read_stay_unknown_and_where_they_were() {
    for reply in [Reply::of(404, ""), Reply::of(403, ""), Reply::ok("[]").with("X-BT-Pagination-Total: 2")] {
        let field = with_directory(Some(2));
        config_list(&field.server, "/user/2/group-policies", &json!([{"id":3,"name":"Support"}]));
        config_list(&field.server, "/user/1/group-policies", &json!([]));
        field.set("resolve_directory_users = true");
        field.first(0);
        field.server.on(&format!("GET {CONFIG}/user/2/group-policies"), reply);
        let ran = field.second(3);
        assert_eq!(field.column("users", "groups_known")[..2], ["true", "false"]);
        assert_eq!(field.column("changes", "kind"), [""; 0], "{}", stderr(&ran));
        assert!(!field.found("no-group").contains(&"2".to_owned()));
        assert!(stderr(&ran).contains("policies of 1 user") || stderr(&ran).contains("user 2"), "{}", stderr(&ran));
    }
}

#[test]
fn asking_for_the_policies_of_directory_users_or_not_changes_no_membership() {
    let field = with_directory(Some(2));
    config_list(&field.server, "/user/2/group-policies", &json!([{"id":3,"name":"Support"}]));
    field.first(0);
    field.set("resolve_directory_users = true");
    field.second(0);
    assert!(field.memberships().contains(&"3:2".to_owned()));
    assert!(!field.column("changes", "kind").contains(&"membership.added".to_owned()), "nobody knew of it before");
    field.set("resolve_directory_users = false");
    field.third(0);
    assert!(!field.column("changes", "kind").contains(&"membership.removed".to_owned()), "nobody knows of it now");
}

#[test]
fn resolving_directory_users_stays_within_the_budget_of_an_hour() {
    let field = with_directory(Some(2));
    let users: Vec<Value> = (1..=90)
        .map(|id| {
            let mut user = config_user(id, &format!("user{id}"));
            user["security_provider_id"] = json!(2);
            user
        })
        .collect();
    config_list(&field.server, "/user", &json!(users));
    config_list(&field.server, "/group-policy/2/member", &json!([]));
    field.set("resolve_directory_users = true").set("requests_per_hour = 60").set("deadline_minutes = 2");
    let ran = field.first(0);
    assert_eq!(field.server.count(&format!("GET {CONFIG}/user/*")), 0);
    assert!(stderr(&ran).contains("directory users were not resolved"), "{}", stderr(&ran));
    assert_eq!(field.found("no-group"), [""; 0]);
}

#[test]
fn a_policy_that_is_a_provider_s_default_holds_its_users() {
    let field = with_logins(&[(1, Some(Value::Null)), (2, Some(Value::Null))]);
    config_list(&field.server, "/group-policy/2/member", &json!([]));
    for default in [json!(3), json!("3"), json!({"id":3})] {
        let record = json!({"id":2,"type":"ldap","name":"AD","default_policy":default});
        field.server.on(&format!("GET {CONFIG}/security-provider/2"), Reply::ok(record.to_string()));
        field.run_at(super::FIRST);
        assert!(field.memberships().contains(&"3:2".to_owned()), "{default}: {:?}", field.memberships());
        assert_eq!(field.found("no-group"), ["1"], "{default}");
    }
}
