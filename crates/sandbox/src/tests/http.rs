//! The guide's API and the sandbox itself: tokens, paths, HTTPS, configuration, start and stop.

use super::*;
use crate::Surface;

const USERS: &str = "/api/public/v3/users";

#[test]
fn tokens_are_issued_for_the_account_by_form_or_basic_only() {
    let sandbox = sandbox(small_world(1), Faults::default());
    block_on(async {
        let http = plain_client();
        let token = json_of(ask_token(&sandbox, &http).await).await;
        assert_eq!((&token["token_type"], &token["expires_in"]), (&json!("Bearer"), &json!(3600)));
        let form = |body: &str| {
            let request = http.post(format!("{}/oauth2/token", sandbox.url()));
            request.header("content-type", "application/x-www-form-urlencoded").body(body.to_owned()).send()
        };
        let good = "client_id=rollcall&client_secret=sandbox+canary-must-not-leak%2B%2F%3D%26%25";
        assert_eq!(form(&format!("grant_type=client_credentials&{good}")).await.unwrap().status(), 200);
        assert_eq!(form(&format!("grant_type=password&{good}")).await.unwrap().status(), 400);
        let wrong = form("grant_type=client_credentials&client_id=rollcall&client_secret=x").await.unwrap();
        assert_eq!(wrong.status(), 401);
        assert_eq!(json_of(wrong).await, json!({"error": "invalid_client"}));
        // Both parts are form-encoded (RFC 6749 §2.3.1).
        let encoded = http
            .post(format!("{}/oauth2/token", sandbox.url()))
            .basic_auth("rollcall", Some("sandbox+canary-must-not-leak%2B%2F%3D%26%25"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials");
        assert_eq!(encoded.send().await.unwrap().status(), 200);
    });
    assert_eq!(sandbox.counters().tokens_issued, 3);
    assert_eq!(sandbox.tokens().len(), 3);
    assert_eq!(sandbox.counters().unauthorized, 1);
}

#[test]
fn requests_without_a_valid_token_are_refused() {
    let sandbox = sandbox(small_world(1), Faults::default());
    block_on(async {
        let url = format!("{}{USERS}", sandbox.url());
        let http = plain_client();
        assert_eq!(http.get(&url).send().await.unwrap().status(), 401);
        assert_eq!(http.get(&url).bearer_auth("eyJforged").send().await.unwrap().status(), 401);
    });
    assert_eq!(sandbox.counters().unauthorized, 2);
    assert_eq!(sandbox.counters().users_pages, 0);
}

#[test]
fn users_are_listed_by_offset_and_limit_with_a_total() {
    let sandbox = sandbox(small_world(250), Faults::default());
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let (status, first) = client.get(USERS).await;
        assert_eq!((status, &first["total"]), (StatusCode::OK, &json!(250)));
        assert_eq!(first["users"].as_array().unwrap().len(), 100);
        assert_eq!(client.ids(&format!("{USERS}?offset=248&limit=5")).await, [2490, 2500]);
        assert_eq!(client.ids(&format!("{USERS}?offset=250")).await, [0u64; 0]);
        assert_eq!(client.ids(&format!("{USERS}?username=USER7")).await, [70]);
        let (_, filtered) = client.get(&format!("{USERS}?username=user7")).await;
        assert_eq!(filtered["total"], 1);
        assert_eq!(client.get(&format!("{USERS}?offset=-1")).await.0, 400);
        let (_, groups) = client.get("/api/public/v3/groups").await;
        assert_eq!(groups["groups"][0], json!({"id": 1, "name": "Administrators", "description": "all"}));
        assert!(groups.get("total").is_none());
        assert_eq!(client.ids("/api/public/v3/groups?offset=1&limit=1").await, [2]);
    });
    assert_eq!(sandbox.counters().users_pages, 5);
    assert_eq!(sandbox.counters().groups_pages, 2);
}

#[test]
fn a_user_is_found_by_id_and_an_unknown_id_is_not() {
    let sandbox = sandbox(small_world(2), Faults::default());
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let (_, user) = client.get(&format!("{USERS}/20")).await;
        assert_eq!((&user["id"], &user["group_memberships"]), (&json!(20), &json!([2])));
        assert_eq!(client.get(&format!("{USERS}/21")).await.0, 404);
        assert_eq!(client.get(&format!("{USERS}/x")).await.0, 404);
        assert_eq!(client.get("/api/public/v3/nothing").await.0, 404);
    });
    assert_eq!(sandbox.counters().details, 3);
}

#[test]
fn the_guide_has_no_paths_to_write() {
    let sandbox = sandbox(small_world(1), Faults::default());
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        for (method, path, status) in [
            (Method::POST, USERS.to_owned(), 405),
            (Method::PUT, format!("{USERS}/10"), 405),
            (Method::DELETE, format!("{USERS}/10"), 405),
            (Method::POST, "/api/public/v3/groups/1/members".to_owned(), 404),
        ] {
            assert_eq!(client.send(method, &path, &json!({})).await.0, status, "{path}");
        }
        assert_eq!(client.ids(USERS).await, [10]);
    });
}

#[test]
fn a_deleted_user_has_not_stayed() {
    let sandbox = sandbox(small_world(3), Faults::default());
    sandbox.mark();
    sandbox.with_world(|world| {
        assert!(world.remove_user(20));
        assert!(!world.remove_user(20));
        world.add_user(crate::Record::new());
    });
    assert_eq!(sandbox.stayed().into_iter().collect::<Vec<_>>(), [10, 30]);
}

#[test]
fn responses_are_compressed_on_request_and_always_have_a_date() {
    let sandbox = sandbox(small_world(50), Faults::default());
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        let raw = Client::builder().no_proxy().no_gzip().build().unwrap();
        let ask = || raw.get(format!("{}{USERS}", sandbox.url())).bearer_auth(&client.token);
        let packed = ask().header("accept-encoding", "gzip").send().await.unwrap();
        assert_eq!(packed.headers()["content-encoding"], "gzip");
        let date = packed.headers()["date"].to_str().unwrap().to_owned();
        assert!(chrono::NaiveDateTime::parse_from_str(&date, "%a, %d %b %Y %H:%M:%S GMT").is_ok(), "{date}");
        assert!(ask().send().await.unwrap().headers().get("content-encoding").is_none());
        assert_eq!(client.ids(USERS).await.len(), 50);
    });
}

#[test]
fn https_is_trusted_only_with_the_authority() {
    let options = SandboxOptions { world: small_world(1), tls: true, ..SandboxOptions::default() };
    let sandbox = Sandbox::start(options).unwrap();
    block_on(async {
        let other = plain_client().get(sandbox.url()).send().await;
        assert!(other.is_err());
        let ca = reqwest::Certificate::from_pem(sandbox.ca_pem().unwrap().as_bytes()).unwrap();
        let http = Client::builder().no_proxy().tls_certs_merge([ca]).build().unwrap();
        assert_eq!(ask_token(&sandbox, &http).await.status(), 200);
        let by_address = sandbox.url().replace("localhost", "127.0.0.1");
        assert_eq!(http.get(format!("{by_address}/nothing")).send().await.unwrap().status(), 404);
    });
    let toml = sandbox.ready_configuration(std::path::Path::new("/x"), Some("udp://127.0.0.1:514"));
    let parsed: toml::Table = toml.parse().unwrap();
    assert_eq!(parsed["source"][0]["ca_file"].as_str(), Some("/x/sandbox-ca.pem"));
    assert_eq!(parsed["source"][0]["url"].as_str(), Some(sandbox.url()));
    assert_eq!(parsed["syslog"]["url"].as_str(), Some("udp://127.0.0.1:514"));
}

#[test]
fn a_configuration_has_one_source_for_each_interface() {
    let sandbox = sandbox(small_world(1), Faults::default());
    let sources = |surfaces: &[Surface]| -> Vec<(String, String)> {
        let toml = sandbox.ready_configuration_of(surfaces, std::path::Path::new("/x"), Some("udp://127.0.0.1:514"));
        let parsed: toml::Table = toml.parse().unwrap();
        assert_eq!(parsed["syslog"]["url"].as_str(), Some("udp://127.0.0.1:514"));
        let text_of = |source: &toml::Value, key: &str| source[key].as_str().unwrap().to_owned();
        let sources = parsed["source"].as_array().unwrap();
        sources.iter().map(|source| (text_of(source, "name"), text_of(source, "kind"))).collect()
    };
    let names = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect()
    };
    assert_eq!(sources(&[Surface::Rs]), names(&[("sandbox", "rs")]));
    let both = names(&[("sandbox-pra", "pra"), ("sandbox-password-safe", "password-safe")]);
    assert_eq!(sources(&[Surface::Pra, Surface::PasswordSafe]), both);
}

#[test]
fn a_dropped_sandbox_frees_its_port_while_a_client_is_connected() {
    let sandbox = sandbox(small_world(1), Faults::default());
    let port = sandbox.url().rsplit(':').next().unwrap().parse().unwrap();
    block_on(async {
        let client = ApiClient::of(&sandbox).await;
        client.get(USERS).await;
    });
    drop(sandbox);
    let again = SandboxOptions { port, ..SandboxOptions::default() };
    assert!(Sandbox::start(again).is_ok());
}

#[test]
fn a_sandbox_starts_and_stops_within_another_runtime() {
    block_on(async {
        let sandbox = sandbox(small_world(1), Faults::default());
        assert_eq!(ApiClient::of(&sandbox).await.ids(USERS).await, [10]);
    });
}
