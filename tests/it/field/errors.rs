//! Errors that name the request that failed, and what to do; what is worth another attempt, and what is not.

use super::server::{Reply, Server};
use super::world::{CONFIG, GUIDE, SAFE, SCIM, all, config_api, guide, safe, scim};
use super::{FIRST, Field, at_once};
use crate::rig::{private, stderr, stdout};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

const TOKEN: &str = r#"{"access_token":"t0ken","token_type":"Bearer","expires_in":3600}"#;

/// What a run, which must end with 1, and a check, which must too, say.
#[track_caller]
fn both_fail(field: &Field) -> String {
    let ran = field.first(1);
    format!("{}{}", stderr(&ran), field.check(1))
}

// E1
#[test]
fn a_token_request_that_is_not_found_is_named_and_not_a_list() {
    for (field, path) in [(guide(), "/oauth2/token"), (safe(), "/BeyondTrust/api/public/v3/Auth/Connect/Token")] {
        field.server.on(&format!("POST {path}"), Reply::of(404, "<html>nothing here</html>"));
        let said = both_fail(&field);
        assert!(said.contains(&format!("POST {path} answered 404")), "{said}");
        assert!(!said.contains("GET "), "no list was asked for: {said}");
        assert_eq!(field.server.count(&format!("POST {path}")), 2, "once a command");
    }
}

#[test]
fn a_token_request_that_fails_with_500_is_named() {
    let field = guide();
    field.server.on("POST /oauth2/token", Reply::of(500, "boom"));
    let ran = field.first(1);
    assert!(stderr(&ran).contains("POST /oauth2/token answered 500"), "{}", stderr(&ran));
    assert_eq!(field.server.count(&format!("GET {GUIDE}/*")), 0);
}

#[test]
fn a_sign_in_that_fails_is_named_with_what_it_demands() {
    for (reply, wanted) in [
        (Reply::of(401, r#""2FA""#).with("WWW-Authenticate-2FA: prompt"), "demands a second factor"),
        (Reply::of(403, "4031 - User or application not authorized"), "POST /BeyondTrust/api/public/v3/Auth/SignAppIn"),
        (Reply::of(404, ""), "POST /BeyondTrust/api/public/v3/Auth/SignAppIn"),
    ] {
        let field = safe();
        field.server.on(&format!("POST {SAFE}/Auth/SignAppIn"), reply);
        let said = both_fail(&field);
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
}

// E2
#[test]
fn an_error_of_oauth_with_status_200_is_reported_and_not_retried() {
    for (body, wanted) in [
        (r#"{"error":"invalid_client"}"#, "invalid_client"),
        (r#"{"error":"unauthorized_client","error_description":"disabled"}"#, "unauthorized_client"),
        ("\u{feff}{\"error\":\"invalid_client\"}", "invalid_client"),
    ] {
        let field = guide();
        field.set("token_auth = \"form\"");
        field.server.on("POST /oauth2/token", Reply::ok(body));
        let ran = field.first(1);
        let said = stderr(&ran);
        assert!(said.contains("POST /oauth2/token") && said.contains(wanted), "{said}");
        assert!(!said.contains("will be tried again"), "{said}");
        assert_eq!(field.server.count("POST /oauth2/token"), 1);
    }
}

// E3
#[test]
fn a_pasted_address_loses_the_known_path_with_a_note_or_is_refused_with_the_cure() {
    for path in ["/BeyondTrust/api/public/v3", "/BeyondTrust/api/public/v3/", "/login", "/beyondtrust/API/public/v3"] {
        let field = safe();
        let address = format!("http://127.0.0.1:{}", field.server.port());
        field.set(&format!("url = \"{address}{path}\""));
        let said = format!("{}{}", field.check(0), stderr(&field.first(0)));
        assert_eq!(said.matches("was taken off").count(), 2, "{path}: {said}");
        assert_eq!(field.manifest()["sources"][0]["url"], address);
    }
    let field = guide();
    field.set(&format!("url = \"http://127.0.0.1:{}/some/portal?x=1\"", field.server.port()));
    let refused = field.call(&["check"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("source[0].url"), "{}", stderr(&refused));
}

// E6
#[test]
fn a_secret_file_of_any_editor_works_and_what_is_no_secret_is_refused() {
    for text in ["s3cret", "\u{feff}s3cret", "s3cret\r\n", "s3cret \n", "\u{feff}  s3cret \r\n\r\n", "\ts3cret\t"] {
        let field = guide();
        field.server.answer("POST /oauth2/token", |request| {
            let right = format!("Basic {}", BASE64_STANDARD.encode("id:s3cret"));
            if request.authorization == right { Reply::ok(TOKEN) } else { Reply::of(401, "") }
        });
        private(&field.path("secret"), text);
        field.set("token_auth = \"basic\"");
        field.first(0);
    }
    for text in ["client_secret=s3cret", "\"s3cret\"", "'s3cret'", "", " \r\n", "s3\0c\0r\0e\0t\0"] {
        let field = guide();
        private(&field.path("secret"), text);
        let ran = field.first(2);
        assert!(stderr(&ran).contains("secret") && !stderr(&ran).contains("s3cret"), "{text:?}: {}", stderr(&ran));
        assert_eq!(field.server.count("POST *"), 0);
    }
}

/// A token endpoint that takes only this value of the header.
fn taking(field: &Field, credentials: &str) {
    let right = format!("Basic {}", BASE64_STANDARD.encode(credentials));
    field.server.answer("POST /oauth2/token", move |request| {
        if request.authorization == right { Reply::ok(TOKEN) } else { Reply::of(401, r#"{"error":"invalid_client"}"#) }
    });
}

// E7
#[test]
fn basic_sends_the_raw_secret_and_then_the_encoded_one() {
    for way in ["auto", "basic"] {
        let field = guide();
        private(&field.path("secret"), "s3+c/r=et");
        field.set(&format!("token_auth = \"{way}\""));
        taking(&field, "id:s3+c/r=et");
        field.first(0);
        assert_eq!(field.check(0).matches("BAD").count(), 0);
    }
    let field = guide();
    private(&field.path("secret"), "s3+c/r=et");
    taking(&field, "id:s3%2Bc%2Fr%3Det");
    field.first(0);
    let field = guide();
    taking(&field, "another:one");
    let said = both_fail(&field);
    assert!(said.contains("POST /oauth2/token") && said.contains("client_secret"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}

// E8: eight waits take too long here; they are tested with the client. Three show that nothing is given up.
#[test]
fn a_busy_server_without_retry_after_is_waited_for() {
    at_once([429, 503], |status| {
        let field = guide();
        field.server.at_first(3, &format!("GET {GUIDE}/users"), Reply::of(status, "busy"));
        field.first(0);
        assert_eq!(field.server.count(&format!("GET {GUIDE}/users")), 4);
    });
    let field = scim();
    field.server.at_first(2, "POST /oauth2/token", Reply::of(503, "<html>maintenance</html>"));
    field.first(0);
}

#[test]
fn more_busy_answers_than_attempts_are_waited_for() {
    let field = config_api("pra");
    field.server.at_first(7, &format!("GET {CONFIG}/group-policy/1/member"), Reply::of(429, "").with("Retry-After: 1"));
    field.server.at_first(1, &format!("GET {CONFIG}/user"), Reply::of(503, "").with("Retry-After: 1"));
    field.first(0);
}

#[test]
fn a_403_with_html_names_a_firewall_and_one_with_json_the_right() {
    let html = "<html><head><title>Request blocked</title></head></html>";
    for field in all() {
        field.server.on("GET /*", Reply::of(403, html).with("Content-Type: text/html"));
        let said = both_fail(&field);
        assert!(said.contains("firewall or proxy") && said.contains("Request blocked"), "{said}");
    }
    let field = guide();
    field.server.on("GET /*", Reply::of(403, r#"{"message":"Forbidden"}"#));
    let said = both_fail(&field);
    assert!(said.contains("forbidden (403)") && said.contains("right to view users"), "{said}");
    let field = safe();
    field.server.on(&format!("GET {SAFE}/Users"), Reply::of(403, "\"4031 - Access denied: source address\""));
    assert!(both_fail(&field).contains("address of this host"));
}

#[test]
fn a_list_that_is_not_found_names_its_path_and_what_moves_it() {
    let field = guide();
    field.server.on(&format!("GET {GUIDE}/users"), Reply::of(404, ""));
    let said = both_fail(&field);
    for kind in ["pra", "rs", "password-safe", "scim"] {
        assert!(said.contains(&format!("kind = \"{kind}\"")), "{said}");
    }
    for field in [safe(), scim()] {
        field.server.on(&format!("GET {SAFE}/Users"), Reply::of(404, ""));
        field.server.on(&format!("GET {SCIM}/Users"), Reply::of(404, ""));
        let said = both_fail(&field);
        assert!(said.contains("base_path") && said.contains("/Users"), "{said}");
    }
}

#[test]
fn check_finds_where_a_provider_serves_scim_and_a_run_uses_only_what_is_configured() {
    let server = Server::start();
    server.on("POST /oauth/connect/token", Reply::ok(TOKEN));
    server.on("GET /api/scim/v2/Users", Reply::ok(r#"{"totalResults":1,"Resources":[{"id":"1","userName":"ann"}]}"#));
    let field = Field::new("scim", server);
    field.first(1);
    assert_eq!(field.server.count("GET /api/scim/v2/*"), 0);
    let checked = field.check(1);
    for line in ["base_path = \"/api/scim/v2\"\n", "token_path = \"/oauth/connect/token\"\n"] {
        assert!(checked.contains(line), "{line}: {checked}");
    }
    field.set("base_path = \"/api/scim/v2\"").set("token_path = \"/oauth/connect/token\"");
    field.first(0);
}

#[test]
fn an_answer_that_is_no_json_shows_its_beginning_and_no_token() {
    let field = guide();
    let body =
        "Proxy\tnotice \u{1b}[31m: session eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl of today";
    field.server.on(&format!("GET {GUIDE}/users"), Reply::ok(body));
    let said = both_fail(&field);
    assert!(said.contains("GET /api/public/v3/users?offset=0&limit=100") && said.contains("Proxy"), "{said}");
    assert!(!said.contains("eyJhbGci") && !said.contains('\u{1b}'), "{said}");
}

#[test]
fn the_summary_says_how_many_accounts_could_not_be_evaluated() {
    let field = scim();
    let ran = field.run_at(FIRST);
    let said = stdout(&ran);
    assert!(said.lines().any(|line| line.trim_start().starts_with("unknown") && line.contains("s: ")), "{said}");
}

#[test]
fn a_token_s_life_is_read_as_leniently_as_other_numbers() {
    for life in ["\"3600\"", "3600.0", "null", "\"soon\"", "-1", "99999999999999999999"] {
        let field = guide();
        field.server.on("POST /oauth2/token", Reply::ok(format!(r#"{{"access_token":"t","expires_in":{life}}}"#)));
        field.first(0);
    }
}

#[test]
fn a_redirect_to_a_login_page_is_named_with_its_target() {
    let field = guide();
    field.server.on(
        &format!("GET {GUIDE}/users"),
        Reply::of(302, "").with("Location: https://sso.example.com/login?next=secret"),
    );
    let said = both_fail(&field);
    assert!(said.contains("redirect (302) to https://sso.example.com/login") && !said.contains("next="), "{said}");
}
