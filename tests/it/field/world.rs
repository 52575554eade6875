//! Small tenants of each kind. Unchanged, they are read completely and have no finding about groups.

use super::Tenant;
use super::server::{Reply, Request, Server};
use serde_json::{Value, json};

/// Path of the API of `rest-v3`. The others are those of `pra` and `rs`, `password-safe` and `scim`.
pub const GUIDE: &str = "/api/public/v3";
pub const CONFIG: &str = "/api/config/v1";
pub const SAFE: &str = "/BeyondTrust/api/public/v3";
pub const SCIM: &str = "/scim/v2";

fn token(server: &Server, path: &str) {
    server
        .on(&format!("POST {path}"), Reply::ok(r#"{"access_token":"t0ken","token_type":"Bearer","expires_in":3600}"#));
}

/// Returns the requested page of a list of the Configuration API.
pub fn config_page(request: &Request, rows: &[Value]) -> Reply {
    let size = request.number("per_page").unwrap_or(100);
    let page = request.number("current_page").unwrap_or(1);
    let shown: Vec<&Value> = rows.iter().skip((page - 1) * size).take(size).collect();
    let last = rows.len().div_ceil(size).max(1);
    Reply::ok(json!(shown).to_string())
        .with(format!("X-BT-Pagination-Total: {}", rows.len()))
        .with(format!("X-BT-Pagination-Last-Page: {last}"))
        .with(format!("X-BT-Pagination-Per-Page: {size}"))
        .with(format!("X-BT-Pagination-Current-Page: {page}"))
}

/// Serves a list of the Configuration API at a path below its base path.
pub fn config_list(server: &Server, path: &str, rows: &Value) {
    let rows = rows.as_array().unwrap().clone();
    server.answer(&format!("GET {CONFIG}{path}"), move |request| config_page(request, &rows));
}

/// Returns a local account of the Configuration API that signed in recently.
pub fn config_user(id: u64, name: &str) -> Value {
    json!({
        "id": id, "username": name, "public_display_name": name, "email_address": format!("{name}@example.com"),
        "enabled": true, "security_provider_id": 1, "created_at": "2025-01-01T00:00:00+00:00",
        "last_authentication": "2026-11-20T08:00:00+00:00", "two_factor_enabled": true, "perm_admin": false,
    })
}

/// Starts a PRA or RS tenant: three local users in three policies, the first of which is privileged; PRA also has a vendor with one user.
pub fn config_api(kind: &str) -> Tenant {
    let server = Server::start();
    token(&server, "/oauth2/token");
    config_list(&server, "/user", &json!([config_user(1, "ann"), config_user(2, "ben"), config_user(3, "cid")]));
    let policies = json!([{"id":1,"name":"Administrators"},{"id":2,"name":"Operators"},{"id":3,"name":"Support"}]);
    config_list(&server, "/group-policy", &policies);
    let member = |id: u64, user: u64| json!({"id": id, "user_id": user});
    config_list(&server, "/group-policy/1/member", &json!([member(1, 1)]));
    config_list(&server, "/group-policy/2/member", &json!([member(2, 2), member(3, 3)]));
    config_list(&server, "/group-policy/3/member", &json!([member(4, 3)]));
    config_list(&server, "/security-provider", &json!([{"id":1,"type":"local","name":"Local"}]));
    server.on(&format!("GET {CONFIG}/security-provider/1"), Reply::ok(r#"{"id":1,"type":"local","name":"Local"}"#));
    config_list(&server, "/api-account", &json!([{"id":1,"name":"rollcall","enabled":true}]));
    if kind == "pra" {
        config_list(&server, "/vendor", &json!([{"id":7,"name":"Acme","default_policy":3}]));
        let person = json!({
            "id": 70, "username": "zoe", "public_display_name": "Zoe", "email_address": "zoe@example.com", "enabled": true,
            "last_authenticated_date": "2026-11-20T08:00:00+00:00", "is_approved": true, "is_expired": false,
        });
        config_list(&server, "/vendor/7/user", &json!([person]));
    }
    Tenant::new(kind, server)
}

/// Returns an active local user of Password Safe.
pub fn safe_user(id: u64, name: &str) -> Value {
    json!({
        "UserID": id, "UserName": name, "FirstName": name, "EmailAddress": format!("{name}@example.com"), "IsActive": true,
        "UserType": "BeyondInsight", "LastLoginDate": "2026-11-20T08:00:00Z",
    })
}

pub fn safe_list(server: &Server, path: &str, rows: &Value) {
    server.on(&format!("GET {SAFE}{path}"), Reply::ok(rows.to_string()));
}

/// Starts a Password Safe tenant: three local users in two groups of the product itself.
pub fn safe() -> Tenant {
    let server = Server::start();
    token(&server, &format!("{SAFE}/Auth/Connect/Token"));
    let session = Reply::ok("{}").with("Set-Cookie: ASP.NET_SessionId=abc; path=/");
    server.on(&format!("POST {SAFE}/Auth/SignAppIn"), session);
    server.on(&format!("POST {SAFE}/Auth/Signout"), Reply::ok(""));
    let users = [safe_user(1, "ann"), safe_user(2, "ben"), safe_user(3, "cid")];
    safe_list(&server, "/Users", &json!(users));
    let groups = json!([
        {"GroupID":1,"Name":"Administrators","GroupType":"BeyondInsight"},
        {"GroupID":2,"Name":"Operators","GroupType":"BeyondInsight"},
    ]);
    safe_list(&server, "/UserGroups", &groups);
    safe_list(&server, "/UserGroups/1/Users", &json!([users[0]]));
    safe_list(&server, "/UserGroups/2/Users", &json!([users[1], users[2]]));
    Tenant::new("password-safe", server)
}

/// Returns the requested page of a SCIM list (RFC 7644 §3.4.2.4).
pub fn scim_page(request: &Request, rows: &[Value]) -> Reply {
    let start = request.number("startIndex").unwrap_or(1).max(1) - 1;
    let count = request.number("count").unwrap_or(rows.len());
    let shown: Vec<&Value> = rows.iter().skip(start).take(count).collect();
    let page = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": rows.len(),
        "startIndex": start + 1, "itemsPerPage": shown.len(), "Resources": shown,
    });
    Reply::ok(page.to_string())
}

pub fn scim_list(server: &Server, path: &str, rows: &Value) {
    let rows = rows.as_array().unwrap().clone();
    server.answer(&format!("GET {SCIM}{path}"), move |request| scim_page(request, &rows));
}

pub fn scim_user(id: &str, name: &str) -> Value {
    json!({
        "id": id, "userName": name, "displayName": name, "active": true,
        "emails": [{"value": format!("{name}@example.com"), "primary": true}],
        "meta": {"resourceType": "User", "created": "2025-01-01T00:00:00Z"},
    })
}

/// Serves a SCIM list of groups and the record of each group.
pub fn scim_groups(server: &Server, groups: &Value) {
    for group in groups.as_array().unwrap() {
        let id = group["id"].as_str().map_or_else(|| group["id"].to_string(), str::to_owned);
        server.on(&format!("GET {SCIM}/Groups/{id}"), Reply::ok(group.to_string()));
    }
    scim_list(server, "/Groups", groups);
}

/// Starts a SCIM tenant: three users in two groups. Only groups report members.
pub fn scim() -> Tenant {
    let server = Server::start();
    token(&server, "/oauth2/token");
    server.on(
        &format!("GET {SCIM}/ServiceProviderConfig"),
        Reply::ok(r#"{"filter":{"supported":true,"maxResults":200}}"#),
    );
    scim_list(&server, "/Users", &json!([scim_user("1", "ann"), scim_user("2", "ben"), scim_user("3", "cid")]));
    let groups = json!([
        {"id":"g1","displayName":"Administrators","members":[{"value":"1"}]},
        {"id":"g2","displayName":"Operators","members":[{"value":"2"},{"value":"3"}]},
    ]);
    scim_groups(&server, &groups);
    Tenant::new("scim", server)
}

/// Returns the requested page of a list of `rest-v3`.
pub fn guide_page(request: &Request, key: &str, rows: &[Value]) -> Reply {
    let offset = request.number("offset").unwrap_or(0);
    let limit = request.number("limit").unwrap_or(rows.len());
    let shown: Vec<&Value> = rows.iter().skip(offset).take(limit).collect();
    Reply::ok(json!({ key: shown, "total": rows.len() }).to_string())
}

pub fn guide_list(server: &Server, key: &'static str, rows: &Value) {
    let rows = rows.as_array().unwrap().clone();
    server.answer(&format!("GET {GUIDE}/{key}"), move |request| guide_page(request, key, &rows));
}

pub fn guide_user(id: u64, name: &str, groups: &[u64]) -> Value {
    json!({
        "id": id, "username": name, "display_name": name, "email_address": format!("{name}@example.com"), "enabled": true,
        "account_type": "local", "group_memberships": groups, "last_login": "2026-11-20T08:00:00Z",
        "created_at": "2025-01-01T00:00:00Z", "locale": "en",
    })
}

/// Starts a `rest-v3` tenant: three users in two groups.
pub fn guide() -> Tenant {
    let server = Server::start();
    token(&server, "/oauth2/token");
    let users = json!([guide_user(1, "ann", &[1]), guide_user(2, "ben", &[2]), guide_user(3, "cid", &[1, 2])]);
    guide_list(&server, "users", &users);
    guide_list(&server, "groups", &json!([{"id":1,"name":"Administrators"},{"id":2,"name":"Operators"}]));
    Tenant::new("rest-v3", server)
}

/// Starts a tenant of every kind.
pub fn all() -> Vec<Tenant> {
    vec![guide(), config_api("pra"), config_api("rs"), safe(), scim()]
}
