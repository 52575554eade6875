//! Tests of errors: each names the failed request and what to do. Also tests which errors are retried.

use super::server::{Reply, Server};
use super::world::{CONFIG, GUIDE, SAFE, SCIM, all, config_api, guide, safe, scim};
use super::{FIRST, Tenant, at_once};
use crate::rig::{private, stderr, stdout};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

const TOKEN: &str = r#"{"access_token":"t0ken","token_type":"Bearer","expires_in":3600}"#;

/// Executes a run and a check, which must both exit with 1, and returns their messages.
#[track_caller]
fn both_fail(tenant: &Tenant) -> String {
    let run = tenant.first(1);
    format!("{}{}", stderr(&run), tenant.check(1))
}

#[test]
fn error_names_the_token_request_that_was_not_found() {
    for (tenant, path) in [(guide(), "/oauth2/token"), (safe(), "/BeyondTrust/api/public/v3/Auth/Connect/Token")] {
        tenant.server.on(&format!("POST {path}"), Reply::of(404, "<html>nothing here</html>"));
        let output = both_fail(&tenant);
        assert!(output.contains(&format!("POST {path} answered 404")), "{output}");
        assert!(!output.contains("GET "), "no list was requested: {output}");
        assert_eq!(tenant.server.count(&format!("POST {path}")), 2, "once per command");
    }
}

#[test]
fn error_names_the_token_request_that_failed_with_500() {
    let tenant = guide();
    tenant.server.on("POST /oauth2/token", Reply::of(500, "boom"));
    let run = tenant.first(1);
    assert!(stderr(&run).contains("POST /oauth2/token answered 500"), "{}", stderr(&run));
    assert_eq!(tenant.server.count(&format!("GET {GUIDE}/*")), 0);
}

#[test]
fn error_names_the_failed_sign_in_and_what_it_requires() {
    for (reply, wanted) in [
        (Reply::of(401, r#""2FA""#).with("WWW-Authenticate-2FA: prompt"), "demands a second factor"),
        (Reply::of(403, "4031 - User or application not authorized"), "POST /BeyondTrust/api/public/v3/Auth/SignAppIn"),
        (Reply::of(404, ""), "POST /BeyondTrust/api/public/v3/Auth/SignAppIn"),
    ] {
        let tenant = safe();
        tenant.server.on(&format!("POST {SAFE}/Auth/SignAppIn"), reply);
        let output = both_fail(&tenant);
        assert!(output.contains(wanted), "{wanted}: {output}");
    }
}

#[test]
fn oauth_error_with_status_200_is_reported_and_not_retried() {
    for (body, wanted) in [
        (r#"{"error":"invalid_client"}"#, "invalid_client"),
        (r#"{"error":"unauthorized_client","error_description":"disabled"}"#, "unauthorized_client"),
        ("\u{feff}{\"error\":\"invalid_client\"}", "invalid_client"),
    ] {
        let tenant = guide();
        tenant.set("token_auth = \"form\"");
        tenant.server.on("POST /oauth2/token", Reply::ok(body));
        let run = tenant.first(1);
        let output = stderr(&run);
        assert!(output.contains("POST /oauth2/token") && output.contains(wanted), "{output}");
        assert!(!output.contains("retrying request"), "{output}");
        assert_eq!(tenant.server.count("POST /oauth2/token"), 1);
    }
}

#[test]
fn known_path_of_a_pasted_address_is_removed_and_an_unknown_one_is_refused() {
    for path in ["/BeyondTrust/api/public/v3", "/BeyondTrust/api/public/v3/", "/login", "/beyondtrust/API/public/v3"] {
        let tenant = safe();
        let address = format!("http://127.0.0.1:{}", tenant.server.port());
        tenant.set(&format!("url = \"{address}{path}\""));
        let output = format!("{}{}", tenant.check(0), stderr(&tenant.first(0)));
        assert_eq!(output.matches("was removed").count(), 2, "{path}: {output}");
        assert_eq!(tenant.manifest()["sources"][0]["url"], address);
    }
    let tenant = guide();
    tenant.set(&format!("url = \"http://127.0.0.1:{}/some/portal?x=1\"", tenant.server.port()));
    let refused = tenant.call(&["check"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("[[source]] \"s\" url"), "{}", stderr(&refused));
}

#[test]
fn secret_files_of_every_editor_are_accepted_and_other_content_is_refused() {
    for text in ["s3cret", "\u{feff}s3cret", "s3cret\r\n", "s3cret \n", "\u{feff}  s3cret \r\n\r\n", "\ts3cret\t"] {
        let tenant = guide();
        tenant.server.answer("POST /oauth2/token", |request| {
            let right = format!("Basic {}", BASE64_STANDARD.encode("id:s3cret"));
            if request.authorization == right { Reply::ok(TOKEN) } else { Reply::of(401, "") }
        });
        private(&tenant.path("secret"), text);
        tenant.set("token_auth = \"basic\"");
        tenant.first(0);
    }
    for text in ["client_secret=s3cret", "\"s3cret\"", "'s3cret'", "", " \r\n", "s3\0c\0r\0e\0t\0"] {
        let tenant = guide();
        private(&tenant.path("secret"), text);
        let run = tenant.first(2);
        assert!(stderr(&run).contains("secret") && !stderr(&run).contains("s3cret"), "{text:?}: {}", stderr(&run));
        assert_eq!(tenant.server.count("POST *"), 0);
    }
}

/// Lets the token endpoint accept only these credentials.
fn accept_only(tenant: &Tenant, credentials: &str) {
    let right = format!("Basic {}", BASE64_STANDARD.encode(credentials));
    tenant.server.answer("POST /oauth2/token", move |request| {
        if request.authorization == right { Reply::ok(TOKEN) } else { Reply::of(401, r#"{"error":"invalid_client"}"#) }
    });
}

#[test]
fn basic_sends_the_raw_secret_first_and_then_the_form_encoded_one() {
    for method in ["auto", "basic"] {
        let tenant = guide();
        private(&tenant.path("secret"), "s3+c/r=et");
        tenant.set(&format!("token_auth = \"{method}\""));
        accept_only(&tenant, "id:s3+c/r=et");
        tenant.first(0);
        assert_eq!(tenant.check(0).matches("BAD").count(), 0);
    }
    let tenant = guide();
    private(&tenant.path("secret"), "s3+c/r=et");
    accept_only(&tenant, "id:s3%2Bc%2Fr%3Det");
    tenant.first(0);
    let tenant = guide();
    accept_only(&tenant, "another:one");
    let output = both_fail(&tenant);
    assert!(output.contains("POST /oauth2/token") && output.contains("client_secret"), "{output}");
    assert!(!output.contains("s3cret"), "{output}");
}

// Eight waits would take too long here. They are tested with the client; three show that the run does not give up.
#[test]
fn busy_responses_without_retry_after_are_retried() {
    at_once([429, 503], |status| {
        let tenant = guide();
        tenant.server.at_first(3, &format!("GET {GUIDE}/users"), Reply::of(status, "busy"));
        tenant.first(0);
        // Three busy responses, the page, and the look behind it.
        assert_eq!(tenant.server.count(&format!("GET {GUIDE}/users")), 5);
    });
    let tenant = scim();
    tenant.server.at_first(2, "POST /oauth2/token", Reply::of(503, "<html>maintenance</html>"));
    tenant.first(0);
}

#[test]
fn busy_responses_do_not_count_as_attempts() {
    let tenant = config_api("pra");
    tenant.server.at_first(
        7,
        &format!("GET {CONFIG}/group-policy/1/member"),
        Reply::of(429, "").with("Retry-After: 1"),
    );
    tenant.server.at_first(1, &format!("GET {CONFIG}/user"), Reply::of(503, "").with("Retry-After: 1"));
    tenant.first(0);
}

#[test]
fn error_403_with_html_names_a_firewall_and_with_json_the_missing_right() {
    let html = "<html><head><title>Request blocked</title></head></html>";
    for tenant in all() {
        tenant.server.on("GET /*", Reply::of(403, html).with("Content-Type: text/html"));
        let output = both_fail(&tenant);
        assert!(output.contains("firewall or proxy") && output.contains("Request blocked"), "{output}");
    }
    let tenant = guide();
    tenant.server.on("GET /*", Reply::of(403, r#"{"message":"Forbidden"}"#));
    let output = both_fail(&tenant);
    assert!(output.contains("forbidden (403)") && output.contains("right to view users"), "{output}");
    let tenant = safe();
    tenant.server.on(&format!("GET {SAFE}/Users"), Reply::of(403, "\"4031 - Access denied: source address\""));
    assert!(both_fail(&tenant).contains("address of this host"));
}

#[test]
fn missing_list_is_reported_with_its_path_and_the_keys_to_check() {
    let tenant = guide();
    tenant.server.on(&format!("GET {GUIDE}/users"), Reply::of(404, ""));
    let output = both_fail(&tenant);
    for kind in ["pra", "rs", "password-safe", "scim"] {
        assert!(output.contains(&format!("kind = \"{kind}\"")), "{output}");
    }
    for tenant in [safe(), scim()] {
        tenant.server.on(&format!("GET {SAFE}/Users"), Reply::of(404, ""));
        tenant.server.on(&format!("GET {SCIM}/Users"), Reply::of(404, ""));
        let output = both_fail(&tenant);
        assert!(output.contains("base_path") && output.contains("/Users"), "{output}");
    }
}

#[test]
fn check_suggests_the_paths_of_a_scim_provider_and_a_run_uses_only_configured_ones() {
    let server = Server::start();
    server.on("POST /oauth/connect/token", Reply::ok(TOKEN));
    server.on("GET /api/scim/v2/Users", Reply::ok(r#"{"totalResults":1,"Resources":[{"id":"1","userName":"ann"}]}"#));
    let tenant = Tenant::new("scim", server);
    tenant.first(1);
    assert_eq!(tenant.server.count("GET /api/scim/v2/*"), 0);
    let checked = tenant.check(1);
    for line in ["base_path = \"/api/scim/v2\"\n", "token_path = \"/oauth/connect/token\"\n"] {
        assert!(checked.contains(line), "{line}: {checked}");
    }
    tenant.set("base_path = \"/api/scim/v2\"").set("token_path = \"/oauth/connect/token\"");
    tenant.first(0);
}

#[test]
fn response_that_is_not_json_is_quoted_without_tokens() {
    let tenant = guide();
    let body =
        "Proxy\tnotice \u{1b}[31m: session eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl of today";
    tenant.server.on(&format!("GET {GUIDE}/users"), Reply::ok(body));
    let output = both_fail(&tenant);
    assert!(output.contains("GET /api/public/v3/users?offset=0&limit=100") && output.contains("Proxy"), "{output}");
    assert!(!output.contains("eyJhbGci") && !output.contains('\u{1b}'), "{output}");
}

#[test]
fn summary_shows_how_many_accounts_could_not_be_evaluated() {
    let tenant = scim();
    let run = tenant.run_at(FIRST);
    let output = stdout(&run);
    assert!(output.lines().any(|line| line.trim_start().starts_with("unknown") && line.contains("s: ")), "{output}");
}

#[test]
fn lifetime_of_a_token_is_read_leniently() {
    for life in ["\"3600\"", "3600.0", "null", "\"soon\"", "-1", "99999999999999999999"] {
        let tenant = guide();
        tenant.server.on("POST /oauth2/token", Reply::ok(format!(r#"{{"access_token":"t","expires_in":{life}}}"#)));
        tenant.first(0);
    }
}

#[test]
fn redirect_to_a_login_page_is_reported_with_its_target() {
    let tenant = guide();
    tenant.server.on(
        &format!("GET {GUIDE}/users"),
        Reply::of(302, "").with("Location: https://sso.example.com/login?next=secret"),
    );
    let output = both_fail(&tenant);
    assert!(
        output.contains("redirect (302) to https://sso.example.com/login") && !output.contains("next="),
        "{output}"
    );
}
