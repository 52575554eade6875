//! The Configuration API, path by path: pages, headers, limits, and what Remote Support does not have.

use super::*;
use crate::{ExternalMember, Provider, UserDetails, Vendor};

const BASE: &str = "/api/config/v1";

/// Users 10, 20, … of [`small_world`] in group 2; a local provider that only user 10 names; one vendor, one API account.
fn tenant(users: u64) -> World {
    let mut world = small_world(users);
    let known = UserDetails {
        provider: Some(1),
        admin: Some(true),
        two_factor: Some(false),
        passkeys: Some(2),
        ..UserDetails::default()
    };
    world.set_facts(10, known);
    let technician = json!({"username": "tech", "public_display_name": "Tech", "enabled": true, "is_expired": false});
    let facets = world.facets_mut();
    facets.providers =
        vec![Provider { id: 1, kind: "local".to_owned(), name: "Local".to_owned(), default_policy: None }];
    facets.externals = vec![ExternalMember {
        id: 900,
        group: 2,
        provider: None,
        distinguished_name: Some("OU=x".to_owned()),
        group_name: None,
    }];
    facets.vendors =
        vec![Vendor { id: 3, record: record(&json!({"name": "Acme"})), users: vec![(7, record(&technician))] }];
    facets.api_accounts = vec![(4, record(&json!({"name": "Sync", "enabled": true})))];
    facets.strangers = vec![(1, 77)];
    world
}

async fn ask(guest: &Guest<'_>, path: &str) -> Response {
    guest.request(Method::GET, &format!("{BASE}{path}")).send().await.unwrap()
}

async fn rows(guest: &Guest<'_>, path: &str) -> Value {
    let response = ask(guest, path).await;
    assert_eq!(response.status(), 200, "{path}");
    json_of(response).await
}

async fn ids(guest: &Guest<'_>, path: &str) -> Vec<u64> {
    let rows = rows(guest, path).await;
    rows.as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect()
}

/// Current page, rows a page, last page, total.
fn place(response: &Response) -> Vec<Option<&str>> {
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap());
    ["current-page", "per-page", "last-page", "total"].map(|name| header(&format!("x-bt-pagination-{name}"))).to_vec()
}

#[test]
fn a_list_is_a_bare_array_and_its_headers_report_where_it_stands() {
    let sandbox = sandbox(tenant(250), Faults::default());
    block_on(async {
        let guest = Guest::of(&sandbox).await;
        let second = ask(&guest, "/user?per_page=120&current_page=2").await;
        assert_eq!(place(&second), [Some("2"), Some("100"), Some("3"), Some("250")]);
        let link = |page: u8, rel: &str| format!("<{BASE}/user?per_page=100&current_page={page}>; rel=\"{rel}\"");
        let links = [link(1, "first"), link(1, "previous"), link(3, "next"), link(3, "last")].join(", ");
        assert_eq!(second.headers()["link"].to_str().unwrap(), links);
        assert_eq!(json_of(second).await[0]["id"], 1010);
        let beyond = ask(&guest, "/user?current_page=4").await;
        assert_eq!(place(&beyond), [Some("4"), Some("100"), Some("3"), Some("250")]);
        assert!(!beyond.headers()["link"].to_str().unwrap().contains("next"));
        assert_eq!(json_of(beyond).await, json!([]));
        let nobody = ask(&guest, "/user?username=nobody").await;
        assert_eq!(place(&nobody), [Some("1"), Some("100"), Some("1"), Some("0")]);
        assert_eq!(ids(&guest, "/user?username=USER7").await, [70]);
        assert_eq!(ids(&guest, "/user?security_provider_id=1").await, [10]);
        assert_eq!(ids(&guest, "/group-policy?name=administrators").await, [1]);
    });
    assert_eq!(sandbox.counters().config_pages, 6);
    assert_eq!(sandbox.counters().users_pages, 5);
}

#[test]
fn what_is_not_documented_is_refused() {
    let sandbox = sandbox(tenant(1), Faults::default());
    block_on(async {
        let guest = Guest::of(&sandbox).await;
        let unknown = ask(&guest, "/user?limit=5").await;
        assert_eq!(unknown.status(), 401);
        assert!(!unknown.headers().contains_key("www-authenticate"));
        assert!(json_of(unknown).await["message"].is_string());
        assert_eq!(ask(&guest, "/security-provider?name=Local").await.status(), 401);
        assert_eq!(ask(&guest, "/user?current_page=0").await.status(), 422);
        for path in ["/user/11", "/group-policy/9", "/group-policy/9/member", "/vendor/9/user", "/nothing"] {
            assert_eq!(ask(&guest, path).await.status(), 404, "{path}");
        }
        let without = plain_client().get(format!("{}{BASE}/user", sandbox.url())).send().await.unwrap();
        assert_eq!(without.status(), 401);
        assert!(without.headers().contains_key("www-authenticate"));
    });
}

#[test]
fn every_list_words_its_rows_as_the_product_does() {
    let sandbox = sandbox(tenant(2), Faults::default());
    block_on(async {
        let guest = Guest::of(&sandbox).await;
        let first = json!({"id": 10, "username": "user1", "public_display_name": "X", "email_address": "x@example.com",
            "enabled": true, "created_at": "2025-01-01T00:00:00Z", "last_authentication": "2026-11-20T00:00:00Z",
            "preferred_email_language": "en-US", "security_provider_id": 1, "two_factor_required": false,
            "two_factor_enabled": false, "perm_admin": true, "fido2_credential_count": 2, "failed_logins": 0,
            "password_expiration": "2027-01-01T00:00:00Z", "password_reset_next_login": false, "perm_set_passwords": true});
        let users = rows(&guest, "/user").await;
        assert_eq!(users[0], first);
        assert_eq!(users[1].get("security_provider_id"), None);
        assert_eq!(users[1].get("failed_logins"), None);
        assert_eq!(json_of(ask(&guest, "/user/10").await).await, first);
        let policies = rows(&guest, "/group-policy").await;
        assert_eq!(policies, json!([{"id": 1, "name": "Administrators"}, {"id": 2, "name": "Operators"}]));
        assert_eq!(json_of(ask(&guest, "/group-policy/2").await).await, policies[1]);
        assert_eq!(rows(&guest, "/group-policy/1/member").await, json!([{"id": 1, "user_id": 77}]));
        let members = json!([{"id": 2, "user_id": 10, "security_provider_id": 1}, {"id": 3, "user_id": 20},
            {"id": 900, "distinguished_name": "OU=x"}]);
        assert_eq!(rows(&guest, "/group-policy/2/member").await, members);
        let provider = json!({"id": 1, "type": "local", "name": "Local", "enabled": true, "user_authentication": true,
            "group_lookup": false});
        assert_eq!(rows(&guest, "/security-provider").await, json!([provider]));
        assert_eq!(rows(&guest, "/vendor").await, json!([{"id": 3, "name": "Acme"}]));
        assert_eq!(ids(&guest, "/vendor/3/user").await, [7]);
        assert_eq!(rows(&guest, "/api-account").await, json!([{"id": 4, "name": "Sync", "enabled": true}]));
    });
}

#[test]
fn a_member_keeps_its_id_while_others_come_and_go() {
    let sandbox = sandbox(tenant(3), Faults::default());
    block_on(async {
        let guest = Guest::of(&sandbox).await;
        assert_eq!(ids(&guest, "/group-policy/2/member").await, [2, 3, 4, 900]);
        sandbox.with_world(|world| {
            world.remove_user(10);
            world.put_user(5, record(&json!({"group_memberships": ["2", 2]})));
        });
        assert_eq!(ids(&guest, "/group-policy/2/member").await, [3, 4, 5, 900]);
    });
}

#[test]
fn remote_support_has_no_vendors_and_no_single_policy_but_private_names() {
    let sandbox = sandbox(tenant(1), Faults { rs: true, ..Faults::default() });
    block_on(async {
        let guest = Guest::of(&sandbox).await;
        for path in ["/vendor", "/vendor/3/user", "/group-policy/1"] {
            assert_eq!(ask(&guest, path).await.status(), 404, "{path}");
        }
        assert_eq!(rows(&guest, "/user").await[0]["private_display_name"], "X");
        assert_eq!(ids(&guest, "/group-policy").await, [1, 2]);
    });
}

#[test]
fn pages_can_be_clamped_deaf_or_silent() {
    let sandbox = sandbox(tenant(30), Faults { page_clamp: Some(7), no_total: true, ..Faults::default() });
    block_on(async {
        let guest = Guest::of(&sandbox).await;
        let clamped = ask(&guest, "/user?current_page=2").await;
        assert_eq!(place(&clamped), [Some("2"), Some("7"), None, None]);
        assert!(clamped.headers().contains_key("link"));
        sandbox.set_faults(Faults { ignore_offset: true, ..Faults::default() });
        let deaf = ask(&guest, "/user?current_page=2&per_page=10").await;
        assert_eq!(place(&deaf), [Some("1"), Some("10"), Some("3"), Some("30")]);
        assert_eq!(json_of(deaf).await[0]["id"], 10);
        sandbox.set_faults(Faults { no_page_headers: true, ..Faults::default() });
        let silent = ask(&guest, "/user").await;
        assert_eq!(place(&silent), [None; 4]);
        assert!(!silent.headers().contains_key("link"));
        sandbox.set_faults(Faults { empty_users: true, ..Faults::default() });
        assert_eq!(ids(&guest, "/user").await, [0u64; 0]);
    });
}

#[test]
fn rights_can_be_missing_list_by_list() {
    let all = Faults {
        forbid_users: true,
        forbid_groups: true,
        forbid_members: true,
        forbid_vendors: true,
        ..Faults::default()
    };
    let sandbox = sandbox(tenant(1), all);
    block_on(async {
        let guest = Guest::of(&sandbox).await;
        for path in ["/user", "/user/10", "/group-policy", "/group-policy/2/member", "/vendor", "/vendor/3/user"] {
            assert_eq!(ask(&guest, path).await.status(), 403, "{path}");
        }
        sandbox.set_faults(Faults { fail_member_list: Some(2), ..Faults::default() });
        assert_eq!(ask(&guest, "/group-policy/2/member").await.status(), 500);
        assert_eq!(ask(&guest, "/group-policy/1/member").await.status(), 200);
    });
}

#[test]
fn the_limits_hold_and_are_reported() {
    let limits = Faults { hard_limits: Some((1000, 6)), hourly_used: 2, ..Faults::default() };
    let sandbox = sandbox(tenant(1), limits);
    block_on(async {
        let guest = Guest::of(&sandbox).await;
        let mut statuses = Vec::new();
        for left in [3, 2, 1, 0, 0] {
            let response = ask(&guest, "/user").await;
            assert_eq!(response.headers()["x-ratelimit-limit"], "6");
            assert_eq!(response.headers()["x-ratelimit-remaining"], left.to_string().as_str());
            assert!(!response.headers().contains_key("retry-after"));
            statuses.push(response.status().as_u16());
        }
        assert_eq!(statuses, [200, 200, 200, 200, 429]);
        assert_eq!(guest.get("/api/public/v3/users").await.0, 200, "the guide's API has limits of its own");
        sandbox.set_faults(Faults { hard_limits: Some((0, 15_000)), ..Faults::default() });
        assert_eq!(ask(&guest, "/user").await.status(), 429);
    });
    let counters = sandbox.counters();
    assert_eq!((counters.over_limit, counters.too_many), (2, 2));
    assert!((1..=6).contains(&counters.max_per_second));
}

#[test]
fn churn_brings_people_with_facts_and_moves_members() {
    let sandbox = sandbox(World::ordinary(1, 100, as_of()), Faults { churn: 1.0, ..Faults::default() });
    let (before, first) = sandbox.with_world(|world| (world.user_ids(), world.groups().next().unwrap().0));
    block_on(async {
        let guest = Guest::of(&sandbox).await;
        for _ in 0..10 {
            ids(&guest, "/user").await;
            ids(&guest, &format!("/group-policy/{first}/member")).await;
        }
    });
    assert!(sandbox.counters().churned >= 20);
    sandbox.with_world(|world| {
        let newcomer = world.user_ids().difference(&before).next().copied().unwrap();
        assert!(world.facts(newcomer).two_factor.is_some());
    });
}
