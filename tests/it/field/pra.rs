//! Tests of the Configuration API: accounts that never signed in, and users who may be in a policy through a directory group.

use super::Tenant;
use super::server::Reply;
use super::world::{CONFIG, config_api, config_list, config_user};
use crate::rig::stderr;
use serde_json::{Value, json};

const PROVIDERS: &str = r#"[{"id":1,"type":"local","name":"Local"},{"id":2,"type":"ldap","name":"AD"}]"#;

/// Returns a tenant with these users: security provider and value of `last_authentication`, which is absent for `None`.
fn with_logins(users: &[(u64, Option<Value>)]) -> Tenant {
    let tenant = config_api("pra");
    config_list(&tenant.server, "/security-provider", &serde_json::from_str(PROVIDERS).unwrap());
    tenant.server.on(&format!("GET {CONFIG}/security-provider/2"), Reply::ok(r#"{"id":2,"type":"ldap","name":"AD"}"#));
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
    config_list(&tenant.server, "/user", &json!(rows));
    let members: Vec<Value> = (1..=users.len()).map(|id| json!({"id": id, "user_id": id})).collect();
    config_list(&tenant.server, "/group-policy/2/member", &json!(members));
    config_list(&tenant.server, "/group-policy/1/member", &json!([]));
    config_list(&tenant.server, "/group-policy/3/member", &json!([]));
    tenant
}

fn statuses(tenant: &Tenant, users: usize) -> Vec<String> {
    tenant.column("users", "last_login_status")[..users].to_vec()
}

#[test]
fn local_account_without_the_login_field_that_others_have_never_signed_in() {
    let at = || Some(json!("2026-11-20T08:00:00+00:00"));
    let tenant =
        with_logins(&[(1, None), (1, at()), (2, None), (2, at()), (1, Some(Value::Null)), (2, Some(Value::Null))]);
    tenant.first(0);
    assert_eq!(statuses(&tenant, 6), ["never", "at", "not-reported", "at", "never", "never"]);
    assert_eq!(tenant.found("never-logged-in"), ["1", "5", "6"]);
}

#[test]
fn login_is_not_reported_when_no_account_has_the_field() {
    let tenant = with_logins(&[(1, None), (1, None), (2, None)]);
    tenant.first(0);
    assert_eq!(statuses(&tenant, 3), ["not-reported"; 3]);
    assert_eq!(tenant.found("never-logged-in"), [""; 0]);
    // One user with the field and without a value shows that the version reports it.
    let tenant = with_logins(&[(1, None), (1, Some(Value::Null)), (2, None)]);
    tenant.first(0);
    assert_eq!(statuses(&tenant, 3), ["never", "never", "not-reported"]);
    assert_eq!(tenant.found("never-logged-in"), ["1", "2"]);
}

#[test]
fn login_field_of_a_directory_account_shows_that_the_version_reports_it() {
    let tenant = with_logins(&[(1, None), (2, Some(json!("2026-11-20T08:00:00Z")))]);
    tenant.first(0);
    assert_eq!(statuses(&tenant, 2), ["never", "at"]);
}

/// Returns a tenant whose policy 3 contains a directory group. User 2 belongs to that directory, user 1 is local.
fn with_directory(provider: Option<u64>) -> Tenant {
    let tenant = with_logins(&[(1, Some(json!("2026-11-20T08:00:00Z"))), (2, Some(json!("2026-11-20T08:00:00Z")))]);
    config_list(&tenant.server, "/group-policy/2/member", &json!([{"id":1,"user_id":1}]));
    let mut member = json!({"id":9,"distinguished_name":"CN=Operators,DC=corp"});
    if let Some(provider) = provider {
        member["security_provider_id"] = json!(provider);
    }
    config_list(&tenant.server, "/group-policy/3/member", &json!([member]));
    tenant
}

#[test]
fn directory_member_makes_groups_unknown_for_users_of_that_directory_only() {
    for provider in [Some(2), None] {
        let tenant = with_directory(provider);
        tenant.first(0);
        assert_eq!(tenant.column("users", "groups_known")[..2], ["true", "false"], "{provider:?}");
        tenant.found("no-group").iter().for_each(|id| assert_ne!(id, "2"));
        assert_eq!(tenant.server.count(&format!("GET {CONFIG}/user/*")), 0, "no user is read individually");
    }
}

#[test]
fn resolve_directory_users_reads_the_policies_of_directory_users_only() {
    let tenant = with_directory(Some(2));
    tenant.set("resolve_directory_users = true");
    config_list(&tenant.server, "/user/2/group-policies", &json!([{"id":3,"name":"Support"}]));
    config_list(&tenant.server, "/user/1/group-policies", &json!([{"id":2,"name":"Operators"}]));
    tenant.check(0);
    let before = tenant.server.count(&format!("GET {CONFIG}/user/1/*"));
    tenant.first(0);
    assert_eq!(tenant.column("users", "groups_known")[..2], ["true", "true"]);
    assert!(tenant.memberships().contains(&"3:2".to_owned()), "{:?}", tenant.memberships());
    assert_eq!(tenant.server.count(&format!("GET {CONFIG}/user/1/*")), before, "a local user is in no directory group");
}

#[test]
fn memberships_are_kept_when_the_policies_of_a_directory_user_cannot_be_read() {
    for reply in [Reply::of(404, ""), Reply::of(403, ""), Reply::ok("[]").with("X-BT-Pagination-Total: 2")] {
        let tenant = with_directory(Some(2));
        config_list(&tenant.server, "/user/2/group-policies", &json!([{"id":3,"name":"Support"}]));
        config_list(&tenant.server, "/user/1/group-policies", &json!([]));
        tenant.set("resolve_directory_users = true");
        tenant.first(0);
        tenant.server.on(&format!("GET {CONFIG}/user/2/group-policies"), reply);
        let run = tenant.second(3);
        assert_eq!(tenant.column("users", "groups_known")[..2], ["true", "false"]);
        assert_eq!(tenant.column("changes", "kind"), [""; 0], "{}", stderr(&run));
        assert!(!tenant.found("no-group").contains(&"2".to_owned()));
        assert!(stderr(&run).contains("policies of 1 user") || stderr(&run).contains("user 2"), "{}", stderr(&run));
    }
}

#[test]
fn switching_resolve_directory_users_reports_no_membership_changes() {
    let tenant = with_directory(Some(2));
    config_list(&tenant.server, "/user/2/group-policies", &json!([{"id":3,"name":"Support"}]));
    tenant.first(0);
    tenant.set("resolve_directory_users = true");
    tenant.second(0);
    assert!(tenant.memberships().contains(&"3:2".to_owned()));
    assert!(!tenant.column("changes", "kind").contains(&"membership.added".to_owned()), "it was unknown before");
    tenant.set("resolve_directory_users = false");
    tenant.third(0);
    assert!(!tenant.column("changes", "kind").contains(&"membership.removed".to_owned()), "it is unknown now");
}

#[test]
fn resolving_directory_users_stays_within_requests_per_hour() {
    let tenant = with_directory(Some(2));
    let users: Vec<Value> = (1..=90)
        .map(|id| {
            let mut user = config_user(id, &format!("user{id}"));
            user["security_provider_id"] = json!(2);
            user
        })
        .collect();
    config_list(&tenant.server, "/user", &json!(users));
    config_list(&tenant.server, "/group-policy/2/member", &json!([]));
    tenant.set("resolve_directory_users = true").set("requests_per_hour = 60").set("deadline_minutes = 2");
    let run = tenant.first(0);
    assert_eq!(tenant.server.count(&format!("GET {CONFIG}/user/*")), 0);
    assert!(stderr(&run).contains("directory users were not resolved"), "{}", stderr(&run));
    assert_eq!(tenant.found("no-group"), [""; 0]);
}

#[test]
fn default_policy_of_a_provider_contains_its_users() {
    let tenant = with_logins(&[(1, Some(Value::Null)), (2, Some(Value::Null))]);
    config_list(&tenant.server, "/group-policy/2/member", &json!([]));
    for default in [json!(3), json!("3"), json!({"id":3})] {
        let record = json!({"id":2,"type":"ldap","name":"AD","default_policy":default});
        tenant.server.on(&format!("GET {CONFIG}/security-provider/2"), Reply::ok(record.to_string()));
        tenant.run_at(super::FIRST);
        assert!(tenant.memberships().contains(&"3:2".to_owned()), "{default}: {:?}", tenant.memberships());
        assert_eq!(tenant.found("no-group"), ["1"], "{default}");
    }
}
