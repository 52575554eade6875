//! The Configuration API, path by path: pages, headers, limits, and the paths that Remote Support lacks.

use super::*;
use crate::details::UserDetails;
use crate::{ExternalMember, Provider, Vendor};

const BASE: &str = "/api/config/v1";

/// Returns users 10, 20, … of [`small_world`] in group 2, with a local provider that only user 10 names, one vendor and
/// one API account.
fn tenant(users: u64) -> World {
    let mut world = small_world(users);
    let known = UserDetails {
        provider: Some(1),
        admin: Some(true),
        two_factor: Some(false),
        passkeys: Some(2),
        ..UserDetails::default()
    };
    world.set_user_details(10, known);
    let technician = json!({"username": "tech", "public_display_name": "Tech", "enabled": true, "is_expired": false});
    let product = world.product_details_mut();
    product.providers =
        vec![Provider { id: 1, kind: "local".to_owned(), name: "Local".to_owned(), default_policy: None }];
    product.externals = vec![ExternalMember {
        id: 900,
        group: 2,
        provider: None,
        distinguished_name: Some("OU=x".to_owned()),
        group_name: None,
    }];
    product.vendors =
        vec![Vendor { id: 3, record: record(&json!({"name": "Acme"})), users: vec![(7, record(&technician))] }];
    product.api_accounts = vec![(4, record(&json!({"name": "Sync", "enabled": true})))];
    product.unlisted_members = vec![(1, 77)];
    world
}

async fn ask(client: &ApiClient<'_>, path: &str) -> Response {
    client.request(Method::GET, &format!("{BASE}{path}")).send().await.unwrap()
}

async fn rows(client: &ApiClient<'_>, path: &str) -> Value {
    let response = ask(client, path).await;
    assert_eq!(response.status(), 200, "{path}");
    json_of(response).await
}

async fn ids(client: &ApiClient<'_>, path: &str) -> Vec<u64> {
    let rows = rows(client, path).await;
    rows.as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect()
}

/// Returns the paging headers: current page, rows per page, last page, total.
fn paging_headers(response: &Response) -> Vec<Option<&str>> {
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap());
    ["current-page", "per-page", "last-page", "total"].map(|name| header(&format!("x-bt-pagination-{name}"))).to_vec()
}

#[test]
fn a_list_is_a_bare_array_with_paging_headers() {
    let sandbox = sandbox(tenant(250), Faults::default());
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let second = ask(&client, "/user?per_page=120&current_page=2").await;
        assert_eq!(paging_headers(&second), [Some("2"), Some("100"), Some("3"), Some("250")]);
        let link = |page: u8, rel: &str| format!("<{BASE}/user?per_page=100&current_page={page}>; rel=\"{rel}\"");
        let links = [link(1, "first"), link(1, "previous"), link(3, "next"), link(3, "last")].join(", ");
        assert_eq!(second.headers()["link"].to_str().unwrap(), links);
        assert_eq!(json_of(second).await[0]["id"], 1010);
        let beyond = ask(&client, "/user?current_page=4").await;
        assert_eq!(paging_headers(&beyond), [Some("4"), Some("100"), Some("3"), Some("250")]);
        assert!(!beyond.headers()["link"].to_str().unwrap().contains("next"));
        assert_eq!(json_of(beyond).await, json!([]));
        let nobody = ask(&client, "/user?username=nobody").await;
        assert_eq!(paging_headers(&nobody), [Some("1"), Some("100"), Some("1"), Some("0")]);
        assert_eq!(ids(&client, "/user?username=USER7").await, [70]);
        assert_eq!(ids(&client, "/user?security_provider_id=1").await, [10]);
        assert_eq!(ids(&client, "/group-policy?name=administrators").await, [1]);
    });
    assert_eq!(sandbox.counters().config_pages, 6);
    assert_eq!(sandbox.counters().users_pages, 5);
}

#[test]
fn undocumented_parameters_and_missing_resources_are_refused() {
    let sandbox = sandbox(tenant(1), Faults::default());
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let unknown = ask(&client, "/user?limit=5").await;
        assert_eq!(unknown.status(), 401);
        assert!(!unknown.headers().contains_key("www-authenticate"));
        assert!(json_of(unknown).await["message"].is_string());
        assert_eq!(ask(&client, "/security-provider?name=Local").await.status(), 401);
        assert_eq!(ask(&client, "/user?current_page=0").await.status(), 422);
        for path in ["/user/11", "/group-policy/9", "/group-policy/9/member", "/vendor/9/user", "/nothing"] {
            assert_eq!(ask(&client, path).await.status(), 404, "{path}");
        }
        let without = plain_client().get(format!("{}{BASE}/user", sandbox.url())).send().await.unwrap();
        assert_eq!(without.status(), 401);
        assert!(without.headers().contains_key("www-authenticate"));
    });
}

#[test]
fn rows_of_every_list_have_the_fields_of_the_product() {
    let sandbox = sandbox(tenant(2), Faults::default());
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let first = json!({"id": 10, "username": "user1", "public_display_name": "X", "email_address": "x@example.com",
            "enabled": true, "created_at": "2025-01-01T00:00:00Z", "last_authentication": "2026-11-20T00:00:00Z",
            "preferred_email_language": "en-US", "security_provider_id": 1, "two_factor_required": false,
            "two_factor_enabled": false, "perm_admin": true, "fido2_credential_count": 2, "failed_logins": 0,
            "password_expiration": "2027-01-01T00:00:00Z", "password_reset_next_login": false, "perm_set_passwords": true});
        let users = rows(&client, "/user").await;
        assert_eq!(users[0], first);
        assert_eq!(users[1].get("security_provider_id"), None);
        assert_eq!(users[1].get("failed_logins"), None);
        assert_eq!(json_of(ask(&client, "/user/10").await).await, first);
        let policies = rows(&client, "/group-policy").await;
        assert_eq!(policies, json!([{"id": 1, "name": "Administrators"}, {"id": 2, "name": "Operators"}]));
        assert_eq!(json_of(ask(&client, "/group-policy/2").await).await, policies[1]);
        assert_eq!(rows(&client, "/group-policy/1/member").await, json!([{"id": 1, "user_id": 77}]));
        let members = json!([{"id": 2, "user_id": 10, "security_provider_id": 1}, {"id": 3, "user_id": 20},
            {"id": 900, "distinguished_name": "OU=x"}]);
        assert_eq!(rows(&client, "/group-policy/2/member").await, members);
        let provider = json!({"id": 1, "type": "local", "name": "Local", "enabled": true, "user_authentication": true,
            "group_lookup": false});
        assert_eq!(rows(&client, "/security-provider").await, json!([provider]));
        assert_eq!(rows(&client, "/vendor").await, json!([{"id": 3, "name": "Acme"}]));
        assert_eq!(ids(&client, "/vendor/3/user").await, [7]);
        assert_eq!(rows(&client, "/api-account").await, json!([{"id": 4, "name": "Sync", "enabled": true}]));
    });
}

#[test]
fn member_ids_stay_when_other_members_are_added_or_removed() {
    let sandbox = sandbox(tenant(3), Faults::default());
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        assert_eq!(ids(&client, "/group-policy/2/member").await, [2, 3, 4, 900]);
        sandbox.with_world(|world| {
            world.remove_user(10);
            world.put_user(5, record(&json!({"group_memberships": ["2", 2]})));
        });
        assert_eq!(ids(&client, "/group-policy/2/member").await, [3, 4, 5, 900]);
    });
}

#[test]
fn remote_support_has_private_names_and_neither_vendors_nor_single_policies() {
    let sandbox = sandbox(tenant(1), Faults { rs: true, ..Faults::default() });
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        for path in ["/vendor", "/vendor/3/user", "/group-policy/1"] {
            assert_eq!(ask(&client, path).await.status(), 404, "{path}");
        }
        assert_eq!(rows(&client, "/user").await[0]["private_display_name"], "X");
        assert_eq!(ids(&client, "/group-policy").await, [1, 2]);
    });
}

#[test]
fn faults_clamp_pages_ignore_the_page_number_and_drop_headers() {
    let sandbox = sandbox(tenant(30), Faults { page_clamp: Some(7), no_total: true, ..Faults::default() });
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let clamped = ask(&client, "/user?current_page=2").await;
        assert_eq!(paging_headers(&clamped), [Some("2"), Some("7"), None, None]);
        assert!(clamped.headers().contains_key("link"));
        sandbox.set_faults(Faults { ignore_offset: true, ..Faults::default() });
        let repeated = ask(&client, "/user?current_page=2&per_page=10").await;
        assert_eq!(paging_headers(&repeated), [Some("1"), Some("10"), Some("3"), Some("30")]);
        assert_eq!(json_of(repeated).await[0]["id"], 10);
        sandbox.set_faults(Faults { no_page_headers: true, ..Faults::default() });
        let bare = ask(&client, "/user").await;
        assert_eq!(paging_headers(&bare), [None; 4]);
        assert!(!bare.headers().contains_key("link"));
        sandbox.set_faults(Faults { empty_users: true, ..Faults::default() });
        assert_eq!(ids(&client, "/user").await, [0u64; 0]);
    });
}

#[test]
fn faults_forbid_single_lists() {
    let all = Faults {
        forbid_users: true,
        forbid_groups: true,
        forbid_members: true,
        forbid_vendors: true,
        ..Faults::default()
    };
    let sandbox = sandbox(tenant(1), all);
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        for path in ["/user", "/user/10", "/group-policy", "/group-policy/2/member", "/vendor", "/vendor/3/user"] {
            assert_eq!(ask(&client, path).await.status(), 403, "{path}");
        }
        sandbox.set_faults(Faults { fail_member_list: Some(2), ..Faults::default() });
        assert_eq!(ask(&client, "/group-policy/2/member").await.status(), 500);
        assert_eq!(ask(&client, "/group-policy/1/member").await.status(), 200);
    });
}

#[test]
fn hourly_limit_and_limit_per_second_are_enforced_and_reported() {
    let limits = Faults { hard_limits: Some((1000, 6)), hourly_used: 2, ..Faults::default() };
    let sandbox = sandbox(tenant(1), limits);
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let mut statuses = Vec::new();
        for left in [3, 2, 1, 0, 0] {
            let response = ask(&client, "/user").await;
            assert_eq!(response.headers()["x-ratelimit-limit"], "6");
            assert_eq!(response.headers()["x-ratelimit-remaining"], left.to_string().as_str());
            assert!(!response.headers().contains_key("retry-after"));
            statuses.push(response.status().as_u16());
        }
        assert_eq!(statuses, [200, 200, 200, 200, 429]);
        assert_eq!(client.get("/api/public/v3/users").await.0, 200, "the guide's API has limits of its own");
        sandbox.set_faults(Faults { hard_limits: Some((0, 15_000)), ..Faults::default() });
        assert_eq!(ask(&client, "/user").await.status(), 429);
    });
    let counters = sandbox.counters();
    assert_eq!((counters.over_limit, counters.too_many), (2, 2));
    assert!((1..=6).contains(&counters.max_per_second));
}

#[test]
fn churn_adds_users_with_details_and_changes_members() {
    let sandbox = sandbox(World::ordinary(1, 100, as_of()), Faults { churn: 1.0, ..Faults::default() });
    let (before, first) = sandbox.with_world(|world| (world.user_ids(), world.groups().next().unwrap().0));
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        for _ in 0..10 {
            ids(&client, "/user").await;
            ids(&client, &format!("/group-policy/{first}/member")).await;
        }
    });
    assert!(sandbox.counters().churned >= 20);
    sandbox.with_world(|world| {
        let newcomer = world.user_ids().difference(&before).next().copied().unwrap();
        assert!(world.user_details(newcomer).two_factor.is_some());
    });
}
