//! The interface of Password Safe, path by path: sessions, and users and groups in its words.

use super::*;

const BASE: &str = "/BeyondTrust/api/public/v3";

/// A client of Password Safe, with the account and the cookie of a session, either of which may be missing.
pub(super) struct SafeClient<'a> {
    sandbox: &'a Sandbox,
    http: Client,
    authorization: String,
    cookie: String,
}

impl<'a> SafeClient<'a> {
    pub(super) fn with_key(sandbox: &'a Sandbox) -> Self {
        let authorization = format!("PS-Auth key={}; runas={};", sandbox.api_key(), sandbox.run_as());
        Self { sandbox, http: plain_client(), authorization, cookie: String::new() }
    }

    pub(super) async fn with_token(sandbox: &'a Sandbox) -> Self {
        let http = plain_client();
        let body = "grant_type=client_credentials&client_id=rollcall&client_secret=sandbox+canary-must-not-leak%2B%2F%3D%26%25";
        let request = http.post(format!("{}{BASE}/Auth/Connect/Token", sandbox.url()));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        let token = json_of(request.send().await.unwrap()).await;
        let authorization = format!("Bearer {}", token["access_token"].as_str().unwrap());
        Self { sandbox, http, authorization, cookie: String::new() }
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.sandbox.url()));
        request.header("authorization", &self.authorization).header("cookie", &self.cookie)
    }

    pub(super) async fn sign_in(&mut self) -> (StatusCode, Value) {
        let response = self.request(Method::POST, &format!("{BASE}/Auth/SignAppin")).send().await.unwrap();
        let status = response.status();
        if let Some(cookie) = response.headers().get("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.ends_with("; path=/; HttpOnly"), "{cookie}");
            self.cookie = format!("other=1; {}", cookie.split(';').next().unwrap());
        }
        (status, json_of(response).await)
    }

    async fn sign_out(&self) -> StatusCode {
        self.request(Method::POST, &format!("{BASE}/Auth/Signout")).send().await.unwrap().status()
    }

    pub(super) async fn get(&self, path: &str) -> (StatusCode, Value) {
        let response = self.request(Method::GET, &format!("{BASE}/{path}")).send().await.unwrap();
        (response.status(), json_of(response).await)
    }

    pub(super) async fn ids(&self, path: &str) -> Vec<u64> {
        let (status, rows) = self.get(path).await;
        assert_eq!(status, 200, "{rows}");
        let id = |row: &Value| row.get("UserID").or(row.get("GroupID")).and_then(Value::as_u64).unwrap();
        rows.as_array().unwrap().iter().map(id).collect()
    }
}

#[test]
fn a_call_needs_the_cookie_of_an_open_session_and_the_account() {
    let sandbox = sandbox(small_world(2), Faults::default());
    block_on(async {
        let mut safe_client = SafeClient::with_token(&sandbox).await;
        assert_eq!(safe_client.get("Users").await.0, 401);
        assert_eq!(safe_client.sign_in().await, (StatusCode::OK, json!({"UserId": 1, "UserName": "rollcall"})));
        assert_eq!(safe_client.ids("Users").await, [10, 20]);
        let first = safe_client.cookie.clone();
        // A sign-in with the cookie of an open session continues that session.
        safe_client.sign_in().await;
        assert_eq!(safe_client.cookie, first);
        assert_eq!(sandbox.counters().sessions_opened, 1);
        let other = SafeClient { authorization: String::new(), http: plain_client(), ..safe_client };
        assert_eq!(other.get("Users").await.0, 401);
        assert_eq!(sandbox.counters().sessions_open, 1);
        // Clients in the field sign out with the cookie alone.
        assert_eq!(other.sign_out().await, 200);
        assert_eq!(other.sign_out().await, 401);
    });
    let counters = sandbox.counters();
    assert_eq!((counters.sessions_opened, counters.sessions_open, counters.safe_lists), (1, 0, 1));
    assert_eq!(counters.unauthorized, 3);
    assert_eq!(sandbox.session_cookies().len(), 1);
}

#[test]
fn an_api_key_replaces_the_token_if_the_run_as_user_is_right() {
    let sandbox = sandbox(small_world(1), Faults::default());
    block_on(async {
        let mut safe_client = SafeClient::with_key(&sandbox);
        assert_eq!(safe_client.sign_in().await.1["UserName"], "DOMAIN\\rollcall");
        assert_eq!(safe_client.ids("Users").await, [10]);
        for wrong in ["PS-Auth key=x; runas=DOMAIN\\rollcall;", &format!("PS-Auth key={};", sandbox.api_key())] {
            let mut other = SafeClient { authorization: wrong.to_owned(), ..SafeClient::with_key(&sandbox) };
            assert_eq!(other.sign_in().await.0, 401);
        }
        assert_eq!(safe_client.sign_out().await, 200);
    });
    assert_eq!((sandbox.counters().tokens_issued, sandbox.counters().sessions_opened), (0, 1));
    assert_eq!(sandbox.api_key().len(), 128);
}

#[test]
fn wrong_secrets_and_grant_types_get_no_token() {
    let sandbox = sandbox(small_world(1), Faults::default());
    block_on(async {
        let ask = |body: &str| {
            let request = plain_client().post(format!("{}{BASE}/auth/connect/token", sandbox.url()));
            request.header("content-type", "application/x-www-form-urlencoded").body(body.to_owned()).send()
        };
        let wrong = ask("grant_type=client_credentials&client_id=rollcall&client_secret=x").await.unwrap();
        assert_eq!(wrong.status(), 401);
        let good = "client_id=rollcall&client_secret=sandbox+canary-must-not-leak%2B%2F%3D%26%25";
        assert_eq!(ask(&format!("grant_type=password&{good}")).await.unwrap().status(), 400);
    });
}

#[test]
fn inactive_users_are_listed_only_on_request_and_paths_ignore_case() {
    let mut world = small_world(3);
    world.edit_user(20, |record| drop(record.insert("enabled".to_owned(), false.into())));
    world.edit_user(30, |record| drop(record.remove("enabled")));
    let sandbox = sandbox(world, Faults::default());
    block_on(async {
        let mut safe_client = SafeClient::with_token(&sandbox).await;
        safe_client.sign_in().await;
        assert_eq!(safe_client.ids("Users").await, [10, 30]);
        assert_eq!(safe_client.ids("users?INCLUDEINACTIVE=True").await, [10, 20, 30]);
        assert_eq!(safe_client.ids("USERS/?includeInactive=false&x=y").await, [10, 30]);
        assert_eq!(safe_client.ids("Users?userName=USER1").await, [10]);
        assert_eq!(safe_client.ids("UserGroups/2/users").await, [10, 20, 30]);
        assert_eq!(safe_client.ids("UserGroups").await, [1, 2]);
        assert_eq!(safe_client.ids("UserGroups?name=operators").await, [2]);
        assert_eq!(safe_client.ids("UserGroups/1/Users").await, [0u64; 0]);
        assert_eq!(safe_client.ids("Users/20/UserGroups").await, [2]);
        for missing in ["Users/11", "UserGroups/3", "UserGroups/3/Users", "Users/11/UserGroups", "Users/x", "Nothing"] {
            assert_eq!(safe_client.get(missing).await.0, 404, "{missing}");
        }
    });
}

#[test]
fn users_and_groups_have_the_fields_of_password_safe() {
    let mut world = small_world(0);
    let user = json!({"username": "anna", "display_name": "Anna Maria Berg", "email_address": null, "enabled": true,
        "account_type": "LOCAL", "group_memberships": ["2"], "public_key": "ssh-ed25519 A", "locale": "en",
        "last_login": "2026-11-20T00:00:00.5Z", "created_at": "2025-01-01T00:00:00Z", "shoe": 43});
    world.put_user(5, record(&user));
    world.set_user_details(5, crate::details::UserDetails { quarantined: true, ..Default::default() });
    world.put_user(
        6,
        record(&json!({"username": "x", "display_name": "Mono", "account_type": "ldap",
        "last_login": "2026-11-20 00:00:00+02:00"})),
    );
    world.put_user(7, record(&json!({"display_name": null, "account_type": "SAML", "last_login": "neverZ"})));
    world.set_user_details(7, crate::details::UserDetails { application: true, ..Default::default() });
    let sandbox = sandbox(world, Faults::default());
    block_on(async {
        let mut safe_client = SafeClient::with_key(&sandbox);
        safe_client.sign_in().await;
        let expected = json!({"UserID": 5, "UserName": "anna", "FirstName": "Anna", "LastName": "Maria Berg",
            "EmailAddress": null, "IsActive": true, "LastLoginDate": "2026-11-20T00:00:00.5", "DomainName": null,
            "DistinguishedName": null, "UserType": "BeyondInsight", "IsQuarantined": true, "shoe": 43,
            "LastLoginAuthenticationType": "BeyondInsight", "LastLoginSAMLIDPURL": null});
        assert_eq!(safe_client.get("Users/5").await, (StatusCode::OK, expected.clone()));
        assert_eq!(safe_client.get("UserGroups/2/Users").await.1, json!([expected]));
        let expected = json!({"UserID": 6, "UserName": "x", "FirstName": "Mono", "LastName": null,
            "LastLoginDate": "2026-11-20 00:00:00+02:00", "DomainName": null, "DistinguishedName": null,
            "UserType": "ActiveDirectory", "IsQuarantined": false,
            "LastLoginAuthenticationType": "ActiveDirectory", "LastLoginSAMLIDPURL": null});
        assert_eq!(safe_client.get("Users/6").await.1, expected);
        let expected = json!({"UserID": 7, "FirstName": null, "LastName": null, "LastLoginDate": null,
            "DomainName": null, "DistinguishedName": null, "UserType": "Application", "IsQuarantined": false,
            "ClientID": "client-7", "AccessPolicyID": 1, "ClientSecret": "canary-must-not-leak"});
        assert_eq!(safe_client.get("Users/7").await.1, expected);
        let expected = json!({"GroupID": 1, "Name": "Administrators", "Description": "all",
            "GroupType": "BeyondInsight", "IsActive": true, "DistinguishedName": null});
        assert_eq!(safe_client.get("UserGroups/1").await.1, expected);
    });
}

#[test]
fn a_session_ends_after_its_requests_and_a_new_one_can_be_opened() {
    let sandbox = sandbox(small_world(1), Faults { session_requests: Some(2), ..Faults::default() });
    block_on(async {
        let mut safe_client = SafeClient::with_token(&sandbox).await;
        safe_client.sign_in().await;
        for status in [200, 200, 401, 401] {
            assert_eq!(safe_client.get("Users").await.0, status);
        }
        assert_eq!(sandbox.counters().sessions_open, 0);
        assert_eq!(safe_client.sign_out().await, 401);
        safe_client.sign_in().await;
        assert_eq!(safe_client.get("Users").await.0, 200);
    });
    assert_eq!((sandbox.counters().sessions_opened, sandbox.counters().sessions_open), (2, 1));
}

#[test]
fn a_session_survives_the_end_of_its_token() {
    let sandbox = sandbox(small_world(1), Faults { token_requests: Some(2), ..Faults::default() });
    block_on(async {
        let mut safe_client = SafeClient::with_token(&sandbox).await;
        safe_client.sign_in().await;
        assert_eq!(safe_client.get("Users").await.0, 200);
        assert_eq!(safe_client.get("Users").await.0, 401);
        let other = SafeClient::with_token(&sandbox).await;
        safe_client.authorization = other.authorization;
        // The session continues with another token.
        assert_eq!(safe_client.get("Users").await.0, 200);
    });
    assert_eq!((sandbox.counters().sessions_opened, sandbox.counters().sessions_open), (1, 1));
}

#[test]
fn faults_cap_empty_forbid_and_break_lists() {
    let sandbox = sandbox(small_world(5), Faults { cap_users: Some(2), ..Faults::default() });
    block_on(async {
        let mut safe_client = SafeClient::with_key(&sandbox);
        safe_client.sign_in().await;
        assert_eq!(safe_client.ids("Users").await, [10, 20]);
        sandbox.set_faults(Faults { empty_users: true, fail_group_users: Some(2), ..Faults::default() });
        assert_eq!(safe_client.ids("Users").await, [0u64; 0]);
        assert_eq!(safe_client.get("UserGroups/2/Users").await.0, 500);
        assert_eq!(safe_client.get("UserGroups/1/Users").await.0, 200);
        sandbox.set_faults(Faults { forbid_users: true, forbid_groups: true, ..Faults::default() });
        assert_eq!(safe_client.get("Users").await.0, 403);
        assert_eq!(safe_client.get("UserGroups").await.0, 403);
        assert_eq!(safe_client.get("UserGroups/1/Users").await.0, 200);
        sandbox.set_faults(Faults { forbid_user_groups: true, ..Faults::default() });
        assert_eq!(safe_client.get("UserGroups/1/Users").await.0, 403);
        assert_eq!(safe_client.get("Users").await.0, 200);
        sandbox.set_faults(Faults { churn: 1.0, ..Faults::default() });
        safe_client.get("Users").await;
        assert!(sandbox.counters().churned > 0);
    });
}

#[test]
fn chance_faults_spare_sign_in_and_sign_out() {
    let sandbox = sandbox(small_world(1), Faults { token_endpoint_too: true, ..Faults::each(1.0) });
    block_on(async {
        let mut safe_client = SafeClient::with_key(&sandbox);
        for _ in 0..10 {
            assert_eq!(safe_client.sign_in().await.0, 200);
            assert_eq!(safe_client.get("Users").await.0, 429);
            assert_eq!(safe_client.sign_out().await, 200);
        }
    });
    assert_eq!((sandbox.counters().sessions_opened, sandbox.counters().sessions_open), (10, 0));
}
