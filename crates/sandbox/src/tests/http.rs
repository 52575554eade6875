//! The guide's API, path by path.

use super::*;
use crate::Surface;

const USERS: &str = "/api/public/v3/users";

#[test]
fn a_token_is_given_for_form_and_for_basic_and_for_nobody_else() {
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
        // Both parts form-encoded, as RFC 6749 §2.3.1 has it.
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
fn nothing_is_read_without_a_good_token() {
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
        let guest = Guest::of(&sandbox).await;
        let (status, first) = guest.get(USERS).await;
        assert_eq!((status, &first["total"]), (StatusCode::OK, &json!(250)));
        assert_eq!(first["users"].as_array().unwrap().len(), 100);
        assert_eq!(guest.ids(&format!("{USERS}?offset=248&limit=5")).await, [2490, 2500]);
        assert_eq!(guest.ids(&format!("{USERS}?offset=250")).await, [0u64; 0]);
        assert_eq!(guest.ids(&format!("{USERS}?username=USER7")).await, [70]);
        let (_, filtered) = guest.get(&format!("{USERS}?username=user7")).await;
        assert_eq!(filtered["total"], 1);
        assert_eq!(guest.get(&format!("{USERS}?offset=-1")).await.0, 400);
        let (_, groups) = guest.get("/api/public/v3/groups").await;
        assert_eq!(groups["groups"][0], json!({"id": 1, "name": "Administrators", "description": "all"}));
        assert!(groups.get("total").is_none());
        assert_eq!(guest.ids("/api/public/v3/groups?offset=1&limit=1").await, [2]);
    });
    assert_eq!(sandbox.counters().users_pages, 5);
    assert_eq!(sandbox.counters().groups_pages, 2);
}

#[test]
fn a_user_is_got_by_id_and_a_stranger_is_not_found() {
    let sandbox = sandbox(small_world(2), Faults::default());
    block_on(async {
        let guest = Guest::of(&sandbox).await;
        let (_, user) = guest.get(&format!("{USERS}/20")).await;
        assert_eq!((&user["id"], &user["group_memberships"]), (&json!(20), &json!([2])));
        assert_eq!(guest.get(&format!("{USERS}/21")).await.0, 404);
        assert_eq!(guest.get(&format!("{USERS}/x")).await.0, 404);
        assert_eq!(guest.get("/api/public/v3/nothing").await.0, 404);
    });
    assert_eq!(sandbox.counters().details, 3);
}

#[test]
fn a_local_user_needs_a_password_and_it_never_comes_back() {
    let sandbox = sandbox(small_world(1), Faults::default());
    block_on(async {
        let guest = Guest::of(&sandbox).await;
        let mut user = json!({"username": "jdoe", "display_name": "Jane Doe", "account_type": "local"});
        assert_eq!(guest.send(Method::POST, USERS, &user).await.0, 400);
        user["password"] = json!("S3cur3!");
        let (status, made) = guest.send(Method::POST, USERS, &user).await;
        assert_eq!((status, &made["id"]), (StatusCode::CREATED, &json!(11)));
        assert_eq!((&made["enabled"], &made["last_login"]), (&json!(true), &Value::Null));
        assert!(!guest.get(&format!("{USERS}/11")).await.1.to_string().contains("S3cur3"));
        assert_eq!(guest.send(Method::POST, USERS, &user).await.0, 409);
        let directory = json!({"username": "x", "display_name": "X", "account_type": "LDAP"});
        assert_eq!(guest.send(Method::POST, USERS, &directory).await.0, 201);
    });
    assert_eq!(sandbox.counters().writes, 2);
}

#[test]
fn a_put_resets_what_it_leaves_out() {
    let sandbox = sandbox(small_world(1), Faults::default());
    block_on(async {
        let guest = Guest::of(&sandbox).await;
        let body = json!({"display_name": "Jane A. Doe", "enabled": false, "id": 77, "password": "p"});
        let (status, user) = guest.send(Method::PUT, &format!("{USERS}/10"), &body).await;
        assert_eq!(status, 200);
        let expected = json!({"id": 10, "username": "user1", "display_name": "Jane A. Doe", "email_address": null,
            "enabled": false, "account_type": "local", "group_memberships": [], "public_key": null,
            "last_login": "2026-11-20T00:00:00Z", "created_at": "2025-01-01T00:00:00Z", "locale": null});
        assert_eq!(user, expected);
        assert_eq!(guest.get(&format!("{USERS}/10")).await.1, expected);
        assert_eq!(guest.send(Method::PUT, &format!("{USERS}/11"), &body).await.0, 404);
    });
}

#[test]
fn a_deleted_user_is_gone_and_has_not_stayed() {
    let sandbox = sandbox(small_world(3), Faults::default());
    sandbox.mark();
    block_on(async {
        let guest = Guest::of(&sandbox).await;
        assert_eq!(guest.send(Method::DELETE, &format!("{USERS}/20"), &Value::Null).await.0, 204);
        assert_eq!(guest.send(Method::DELETE, &format!("{USERS}/20"), &Value::Null).await.0, 404);
        assert_eq!(guest.ids(USERS).await, [10, 30]);
    });
    sandbox.with_world(|world| world.add_user(super::super::Record::new()));
    assert_eq!(sandbox.stayed().into_iter().collect::<Vec<_>>(), [10, 30]);
}

#[test]
fn a_member_is_added_once_and_only_if_both_exist() {
    let sandbox = sandbox(small_world(1), Faults::default());
    block_on(async {
        let guest = Guest::of(&sandbox).await;
        let members = "/api/public/v3/groups/1/members";
        for _ in 0..2 {
            let (status, added) = guest.send(Method::POST, members, &json!({"user_id": 10})).await;
            assert_eq!((status, added), (StatusCode::OK, json!({"group_id": 1, "user_id": 10})));
        }
        assert_eq!(guest.get(&format!("{USERS}/10")).await.1["group_memberships"], json!([2, 1]));
        assert_eq!(guest.send(Method::POST, members, &json!({"user_id": 11})).await.0, 404);
        assert_eq!(guest.send(Method::POST, "/api/public/v3/groups/9/members", &json!({"user_id": 10})).await.0, 404);
        assert_eq!(guest.send(Method::POST, members, &json!({})).await.0, 400);
    });
}

#[test]
fn answers_are_compressed_for_those_who_ask_and_always_dated() {
    let sandbox = sandbox(small_world(50), Faults::default());
    block_on(async {
        let guest = Guest::of(&sandbox).await;
        let raw = Client::builder().no_proxy().no_gzip().build().unwrap();
        let ask = || raw.get(format!("{}{USERS}", sandbox.url())).bearer_auth(&guest.token);
        let packed = ask().header("accept-encoding", "gzip").send().await.unwrap();
        assert_eq!(packed.headers()["content-encoding"], "gzip");
        let date = packed.headers()["date"].to_str().unwrap().to_owned();
        assert!(chrono::NaiveDateTime::parse_from_str(&date, "%a, %d %b %Y %H:%M:%S GMT").is_ok(), "{date}");
        assert!(ask().send().await.unwrap().headers().get("content-encoding").is_none());
        assert_eq!(guest.ids(USERS).await.len(), 50);
    });
}

#[test]
fn https_is_trusted_with_the_authority_and_not_without() {
    let options = SandboxOptions { world: small_world(1), tls: true, ..SandboxOptions::default() };
    let sandbox = Sandbox::start(options).unwrap();
    block_on(async {
        let stranger = plain_client().get(sandbox.url()).send().await;
        assert!(stranger.is_err());
        let ca = reqwest::Certificate::from_pem(sandbox.ca_pem().unwrap().as_bytes()).unwrap();
        let http = Client::builder().no_proxy().tls_certs_merge([ca]).build().unwrap();
        assert_eq!(ask_token(&sandbox, &http).await.status(), 200);
        let by_address = sandbox.url().replace("localhost", "127.0.0.1");
        assert_eq!(http.get(format!("{by_address}/nothing")).send().await.unwrap().status(), 404);
    });
    assert_eq!(sandbox.certificate_sha256().map(str::len), Some(64));
    let toml = sandbox.ready_configuration(std::path::Path::new("/x"), Some("udp://127.0.0.1:514"));
    let parsed: toml::Table = toml.parse().unwrap();
    assert_eq!(parsed["source"][0]["ca_file"].as_str(), Some("/x/sandbox-ca.pem"));
    assert_eq!(parsed["source"][0]["url"].as_str(), Some(sandbox.url()));
    assert_eq!(parsed["syslog"]["url"].as_str(), Some("udp://127.0.0.1:514"));
}

#[test]
fn a_configuration_has_a_source_a_surface() {
    let sandbox = sandbox(small_world(1), Faults::default());
    let sources = |surfaces: &[Surface]| -> Vec<(String, String)> {
        let toml = sandbox.ready_configuration_of(surfaces, std::path::Path::new("/x"), Some("udp://127.0.0.1:514"));
        let parsed: toml::Table = toml.parse().unwrap();
        assert_eq!(parsed["syslog"]["url"].as_str(), Some("udp://127.0.0.1:514"));
        let reported = |source: &toml::Value, key: &str| source[key].as_str().unwrap().to_owned();
        let sources = parsed["source"].as_array().unwrap();
        sources.iter().map(|source| (reported(source, "name"), reported(source, "kind"))).collect()
    };
    let names = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect()
    };
    assert_eq!(sources(&[Surface::Rs]), names(&[("sandbox", "rs")]));
    let both = names(&[("sandbox-pra", "pra"), ("sandbox-password-safe", "password-safe")]);
    assert_eq!(sources(&[Surface::Pra, Surface::PasswordSafe]), both);
}

#[test]
fn a_dropped_sandbox_frees_its_port_even_with_a_client_attached() {
    let sandbox = sandbox(small_world(1), Faults::default());
    let port = sandbox.url().rsplit(':').next().unwrap().parse().unwrap();
    block_on(async {
        let guest = Guest::of(&sandbox).await;
        guest.get(USERS).await;
    });
    drop(sandbox);
    let again = SandboxOptions { port, ..SandboxOptions::default() };
    assert!(Sandbox::start(again).is_ok());
}

#[test]
fn a_sandbox_starts_and_stops_within_another_runtime() {
    block_on(async {
        let sandbox = sandbox(small_world(1), Faults::default());
        assert_eq!(Guest::of(&sandbox).await.ids(USERS).await, [10]);
    });
}
