//! Tests of the appliance, seen from outside by another client (reqwest), and of the oracle, with results worked out by
//! hand.

mod config;
mod dialects;
mod faults;
mod http;
mod oracle;
mod password_safe;
mod provisioning;
mod rules;
mod safe_snapshot;
mod scim;
mod scim_snapshot;
mod sra;
mod worlds;

use crate::{Faults, Sandbox, SandboxOptions, World};
use chrono::{DateTime, Utc};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

fn as_of() -> DateTime<Utc> {
    "2026-11-23T02:00:00Z".parse().unwrap()
}

fn record(value: &Value) -> crate::Record {
    value.as_object().cloned().unwrap()
}

/// Returns a line for each expected finding: rule, severity, kind, id, and the ids of groups and users.
fn found(expected: &crate::Expected) -> Vec<String> {
    let line = |f: &crate::ExpectedFinding| {
        let ids = [f.group_ids.join("+"), f.user_ids.join("+")].concat();
        format!("{} {} {} {} {ids}", f.rule, f.severity, f.subject_kind, f.subject_id).trim_end().to_owned()
    };
    expected.findings.iter().map(line).collect()
}

fn cells<'a>(rows: &'a [crate::Row], columns: &[&str]) -> Vec<Vec<&'a str>> {
    rows.iter().map(|row| columns.iter().map(|column| row[*column].as_str()).collect()).collect()
}

/// Runs the body of a test. The client runs on this thread, the sandbox on its own.
fn block_on<T>(body: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(body)
}

fn sandbox(world: World, faults: Faults) -> Sandbox {
    Sandbox::start(SandboxOptions { world, faults, ..SandboxOptions::default() }).unwrap()
}

/// An HTTP client with a token.
struct ApiClient<'a> {
    sandbox: &'a Sandbox,
    http: Client,
    token: String,
}

fn plain_client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}

async fn ask_token(sandbox: &Sandbox, http: &Client) -> Response {
    let basic = (sandbox.client_id(), Some(sandbox.client_secret()));
    http.post(format!("{}/oauth2/token", sandbox.url()))
        .basic_auth(basic.0, basic.1)
        .header("content-type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials")
        .send()
        .await
        .unwrap()
}

async fn json_of(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

impl<'a> ApiClient<'a> {
    async fn of(sandbox: &'a Sandbox) -> Self {
        let http = plain_client();
        let token = json_of(ask_token(sandbox, &http).await).await;
        Self { sandbox, http, token: token["access_token"].as_str().unwrap().to_owned() }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.sandbox.url())).bearer_auth(&self.token)
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let response = self.request(Method::GET, path).send().await.unwrap();
        (response.status(), json_of(response).await)
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
        let request = self.request(method, path).header("content-type", "application/json").body(body.to_string());
        let response = request.send().await.unwrap();
        let status = response.status();
        let body = response.bytes().await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn ids(&self, path: &str) -> Vec<u64> {
        let (_, page) = self.get(path).await;
        let rows = page.get("users").or(page.get("groups")).and_then(Value::as_array).unwrap();
        rows.iter().map(|row| row["id"].as_u64().unwrap()).collect()
    }
}

/// Returns a world of users 10, 20, … and groups 1 (Administrators) and 2 (Operators).
fn small_world(users: u64) -> World {
    let mut world = World::empty();
    world.put_group(1, record(&json!({"name": "Administrators", "description": "all"})));
    world.put_group(2, record(&json!({"name": "Operators", "description": null})));
    for place in 1..=users {
        let user = json!({"username": format!("user{place}"), "display_name": "X", "email_address": "x@example.com",
            "enabled": true, "account_type": "local", "group_memberships": [2], "public_key": null,
            "last_login": "2026-11-20T00:00:00Z", "created_at": "2025-01-01T00:00:00Z", "locale": "en-US"});
        world.put_user(place * 10, record(&user));
    }
    world
}
