//! Every fault does what its documentation states, and is counted.

use super::*;
use std::time::Duration;

const USERS: &str = "/api/public/v3/users";

fn ask(client: &ApiClient<'_>) -> impl Future<Output = reqwest::Result<Response>> + use<> {
    client.request(Method::GET, USERS).send()
}

#[test]
fn faults_make_lists_sparse_clamp_pages_drop_totals_and_ignore_the_offset() {
    let faults = Faults { sparse_lists: true, page_clamp: Some(7), no_total: true, ..Faults::default() };
    let sandbox = sandbox(small_world(20), faults);
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let (_, page) = client.get(&format!("{USERS}?limit=100")).await;
        assert_eq!(page["users"].as_array().unwrap().len(), 7);
        assert!(page.get("total").is_none());
        let row = json!({"id": 10, "username": "user1", "display_name": "X", "enabled": true});
        assert_eq!(page["users"][0], row);
        assert_eq!(client.get(&format!("{USERS}/10")).await.1["account_type"], "local");
        sandbox.set_faults(Faults { ignore_offset: true, unpaged_groups: true, ..Faults::default() });
        assert_eq!(client.ids(&format!("{USERS}?offset=15&limit=2")).await, [10, 20]);
        assert_eq!(client.ids("/api/public/v3/groups?offset=5&limit=1").await, [1, 2]);
    });
}

#[test]
fn faults_forbid_lists_or_empty_them() {
    let faults = Faults { forbid_users: true, forbid_groups: true, ..Faults::default() };
    let sandbox = sandbox(small_world(2), faults);
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        assert_eq!(client.get(USERS).await.0, 403);
        assert_eq!(client.get("/api/public/v3/groups").await.0, 403);
        sandbox.set_faults(Faults { empty_users: true, ..Faults::default() });
        assert_eq!(client.get(USERS).await, (StatusCode::OK, json!({"users": [], "total": 0})));
    });
}

#[test]
fn tokens_expire_early_by_age_or_use_and_the_form_can_be_refused() {
    let sandbox = sandbox(small_world(2), Faults { token_requests: Some(2), ..Faults::default() });
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let statuses = [client.get(USERS).await.0, client.get(USERS).await.0, client.get(USERS).await.0];
        assert_eq!(statuses.map(|s| s.as_u16()), [200, 200, 401]);
        sandbox.set_faults(Faults { token_life: Some(Duration::ZERO), refuse_form: true, ..Faults::default() });
        let other = ApiClient::of(&sandbox).await;
        assert_eq!(other.get(USERS).await.0, 401);
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret=sandbox+canary-must-not-leak%2B%2F%3D%26%25",
            sandbox.client_id()
        );
        let request = client.http.post(format!("{}/oauth2/token", sandbox.url())).body(form);
        let refused = request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
        assert_eq!(refused.status(), 401);
    });
}

#[test]
fn every_fault_shows_in_the_response() {
    let sandbox = sandbox(small_world(100), Faults::default());
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let always = Faults::default;
        sandbox.set_faults(Faults { too_many: 1.0, ..always() });
        for _ in 0..12 {
            let response = ask(&client).await.unwrap();
            assert_eq!(response.status(), 429);
            assert!(response.headers().contains_key("retry-after"));
        }
        sandbox.set_faults(Faults { server_error: 1.0, ..always() });
        assert!(ask(&client).await.unwrap().status().is_server_error());
        sandbox.set_faults(Faults { html_200: 1.0, ..always() });
        let page = ask(&client).await.unwrap();
        assert_eq!(page.status(), 200);
        assert!(page.text().await.unwrap().starts_with("<!DOCTYPE html>"));
        sandbox.set_faults(Faults { empty_200: 1.0, ..always() });
        assert_eq!(ask(&client).await.unwrap().bytes().await.unwrap().len(), 0);
        sandbox.set_faults(Faults { reset: 1.0, ..always() });
        assert!(ask(&client).await.is_err());
    });
    assert_eq!(sandbox.counters().too_many, 12);
    assert_eq!(sandbox.counters().faults_injected, 16);
}

#[test]
fn a_truncated_response_has_a_valid_head_and_an_incomplete_body() {
    for no_gzip in [true, false] {
        let sandbox = sandbox(small_world(100), Faults { truncate: 1.0, no_gzip, ..Faults::default() });
        block_on(async {
            let client = ApiClient::of(&sandbox).await;
            let response = ask(&client).await.expect("the head arrives");
            assert_eq!(response.status(), 200);
            assert!(response.bytes().await.is_err(), "the body does not");
        });
    }
}

#[test]
fn faults_occur_at_their_rates_and_spare_the_token_endpoint() {
    let sandbox = sandbox(small_world(1), Faults::each(0.03));
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        for _ in 0..400 {
            drop(ask(&client).await);
        }
        sandbox.set_faults(Faults { server_error: 1.0, ..Faults::default() });
        assert_eq!(ask_token(&sandbox, &client.http).await.status(), 200);
        sandbox.set_faults(Faults { server_error: 1.0, token_endpoint_too: true, ..Faults::default() });
        assert!(ask_token(&sandbox, &client.http).await.status().is_server_error());
    });
    // About 67 of 400 are expected.
    let injected = sandbox.counters().faults_injected;
    assert!((40..100).contains(&injected), "{injected}");
}

#[test]
fn rate_limit_is_reported_and_enforced() {
    let sandbox = sandbox(small_world(1), Faults::default());
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        sandbox.set_faults(Faults { rate_limit: Some(2), ..Faults::default() });
        let mut refused = 0;
        for _ in 0..30 {
            let response = ask(&client).await.unwrap();
            assert_eq!(response.headers()["x-ratelimit-limit"], "2");
            refused += u64::from(response.status() == 429);
        }
        assert!(refused > 0);
        assert_eq!(sandbox.counters().too_many, refused);
    });
}

#[test]
fn clock_skew_shows_in_the_date_header() {
    let sandbox = sandbox(small_world(1), Faults { clock_skew_seconds: 86_400, ..Faults::default() });
    block_on(async {
        let response = ask_token(&sandbox, &plain_client()).await;
        let date = response.headers()["date"].to_str().unwrap();
        let date = chrono::NaiveDateTime::parse_from_str(date, "%a, %d %b %Y %H:%M:%S GMT").unwrap().and_utc();
        assert!((86_390..86_410).contains(&(date - Utc::now()).num_seconds()));
    });
}

#[test]
fn churn_stops_at_its_cap_and_the_sandbox_knows_who_stayed() {
    let sandbox = sandbox(small_world(100), Faults { churn: 1.0, churn_max_changes: Some(25), ..Faults::default() });
    sandbox.mark();
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        for _ in 0..30 {
            client.get(USERS).await;
        }
        assert_eq!(sandbox.counters().churned, 25);
        let now = client.ids(&format!("{USERS}?limit=1000")).await;
        let stayed = sandbox.stayed();
        assert!(stayed.len() < 100);
        assert!(now.iter().filter(|id| **id <= 1000).eq(stayed.iter()));
        assert!(now.len() > stayed.len(), "some joined");
    });
}

#[test]
fn counters_can_be_awaited_and_record_concurrent_requests() {
    let sandbox = sandbox(small_world(1), Faults { latency: Some(Duration::from_millis(30)), ..Faults::default() });
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let (a, b, c) = tokio::join!(ask(&client), ask(&client), ask(&client));
        assert!(a.is_ok() && b.is_ok() && c.is_ok());
    });
    assert!(sandbox.wait_for(Duration::from_secs(5), |c| c.requests == 4 && c.in_flight == 0));
    assert_eq!(sandbox.counters().max_in_flight, 3);
    assert!(!sandbox.wait_for(Duration::ZERO, |c| c.requests > 4));
}
