//! Token endpoints: forms of client authentication, variants of their responses, and the errors of a failed token
//! request.

use super::*;
use base64::Engine;

/// Returns id and secret of a Basic header as they were sent.
fn basic(seen: &Seen) -> Option<String> {
    // `headers` are in lower case, which destroys base64.
    let pair = seen.raw.lines().find_map(|line| line.strip_prefix("authorization: Basic "))?;
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(pair.trim()).ok()?).ok()
}

fn client_of(url: &str, id: &str, secret: &str, form: TokenAuth) -> Client {
    let mut settings = client(url).settings;
    settings.account = Credentials::Oauth {
        token_path: "/oauth2/token".to_owned(),
        client_id: id.to_owned(),
        client_secret: SecretString::from(secret.to_owned()),
        token_auth: form,
    };
    Client::new(&settings, Arc::new(NoObserver)).unwrap()
}

/// Returns the form of client authentication of every token request: `form`, or the pair of the Basic header.
fn shown(log: &Log) -> Vec<String> {
    let tokens = log.lock().unwrap().iter().filter(|seen| seen.is_token()).cloned().collect::<Vec<_>>();
    tokens.iter().map(|seen| basic(seen).unwrap_or_else(|| "form".to_owned())).collect()
}

const REFUSED: &str = "{\"error\":\"invalid_client\"}";

/// Starts a server that grants a token only for this pair in a Basic header.
fn only(pair: &'static str) -> (String, Log) {
    server(move |seen, _| match seen.is_token() {
        true if basic(seen).as_deref() == Some(pair) => token(3600),
        true => json("401 Unauthorized", "", REFUSED),
        false => fine(),
    })
}

#[test]
fn basic_sends_raw_id_and_secret() {
    let (url, log) = only("id:s3+c/r=et");
    for form in [TokenAuth::Auto, TokenAuth::Basic] {
        assert!(get(&client_of(&url, "id", "s3+c/r=et", form)).is_ok(), "{form:?}");
    }
    assert_eq!(shown(&log), ["form", "id:s3+c/r=et", "id:s3+c/r=et"]);
}

#[test]
fn the_encoded_pair_is_tried_after_the_raw_one_and_remembered() {
    let lives = std::sync::atomic::AtomicUsize::new(0);
    let (url, log) = server(move |seen, _| match seen.is_token() {
        true if basic(seen).as_deref() == Some("i+d:s3%2Bcr%C3%A9t") => token(3600),
        true => json("400 x", "", REFUSED),
        // The first token is rejected early.
        false if lives.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 1 => json("401 x", "", "{}"),
        false => fine(),
    });
    let client = client_of(&url, "i d", "s3+cr\u{e9}t", TokenAuth::Auto);
    get(&client).unwrap();
    get(&client).unwrap();
    let (raw, encoded) = ("i d:s3+cr\u{e9}t", "i+d:s3%2Bcr%C3%A9t");
    assert_eq!(shown(&log), ["form", raw, encoded, encoded]);
}

#[test]
fn each_allowed_form_is_tried_once_and_no_other() {
    for (form, secret, expected) in [
        (TokenAuth::Auto, "plain", vec!["form", "id:plain"]),
        (TokenAuth::Auto, "a+b", vec!["form", "id:a+b", "id:a%2Bb"]),
        (TokenAuth::Basic, "plain", vec!["id:plain"]),
        (TokenAuth::Basic, "a+b", vec!["id:a+b", "id:a%2Bb"]),
        (TokenAuth::Form, "a+b", vec!["form"]),
    ] {
        let (url, log) = only("nobody");
        let error = get(&client_of(&url, "id", secret, form)).unwrap_err();
        assert_eq!(error.kind, WireErrorKind::Refused("401 invalid_client".to_owned()));
        assert_eq!(shown(&log), expected, "{form:?}");
    }
}

#[test]
fn a_failed_token_request_is_reported_with_its_own_path() {
    for (status, expected) in [
        ("404 Not Found", "POST /oauth2/token answered 404"),
        ("500 x", "POST /oauth2/token answered 500"),
        ("405 x", "POST /oauth2/token answered 405"),
        ("302 x", "POST /oauth2/token: unexpected response: a redirect (302) instead of a token"),
        ("401 x", "POST /oauth2/token: the appliance refused the credentials (401)"),
    ] {
        let (url, log) = server(move |seen, _| if seen.is_token() { json(status, "", "<html>") } else { fine() });
        let client = client(&url);
        let error = get(&client).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.context.as_str()), (expected, "POST /oauth2/token"));
        assert!(error.hint().is_some() || status == "405 x", "{status}");
        assert_eq!(count(&log, false), 0);
        // `NotFound` is for lists only: connectors conclude from it that a list or record does not exist.
        assert_ne!(error.kind, WireErrorKind::NotFound);
    }
}

#[test]
fn the_hint_for_a_missing_token_path_names_the_keys_of_the_kind() {
    let (url, log) = server(|seen, _| if seen.is_token() { json("404 x", "", "") } else { fine() });
    let mut scim = client(&url);
    scim.settings.path_keys = PathKeys { base_path: Some("/scim/v2".to_owned()), token_path: true };
    let hint = get(&scim).unwrap_err().hint().unwrap().into_owned();
    assert!(hint.contains("set token_path (now \"/oauth2/token\")"), "{hint}");
    assert!(get(&scim).is_err());
    assert_eq!(count(&log, true), 1, "a lasting failure is not requested again");
    let hint = get(&client(&url)).unwrap_err().hint().unwrap().into_owned();
    assert!(hint.contains("url and kind") && !hint.contains("token_path"), "{hint}");
}

#[test]
fn an_oauth_error_with_a_good_status_is_reported_with_its_code_and_not_retried() {
    for (body, expected, requests) in [
        (REFUSED, "the appliance refused the credentials (200 invalid_client)", 2),
        (
            "\u{feff}{\"error\":\"invalid_client\",\"access_token\":null}",
            "the appliance refused the credentials (200 invalid_client)",
            2,
        ),
        ("{\"error\":\"invalid_scope\"}", "the appliance refused the token request (200 invalid_scope)", 1),
        ("{\"error\":\"unauthorized_client\"}", "the appliance refused the credentials (200 unauthorized_client)", 1),
        (
            "{\"error\":\"E1: s3cret \\u001b[0m deadbeefdeadbeef00\"}",
            "the appliance refused the token request (200 \"E1: *** \\u{1b}[0m ***\")",
            1,
        ),
    ] {
        let (url, log) = server(move |seen, _| if seen.is_token() { json("200 OK", "", body) } else { fine() });
        let error = get(&client(&url)).unwrap_err();
        assert_eq!(error.to_string(), format!("POST /oauth2/token: {expected}"));
        assert_eq!(count(&log, true), requests, "{body}");
    }
}

#[test]
fn an_invalid_client_with_a_good_status_leads_to_the_next_form() {
    let (url, log) = server(|seen, _| match seen.is_token() {
        true if basic(seen).is_some() => token(3600),
        true => json("200 OK", "", REFUSED),
        false => fine(),
    });
    assert!(get(&client(&url)).is_ok());
    assert_eq!(shown(&log), ["form", "id:s3cret"]);
}

#[test]
fn token_responses_are_read_leniently() {
    for body in [
        "\u{feff}{\"access_token\":\"t\",\"expires_in\":3600}",
        "{\"access_token\":\"t\",\"expires_in\":null,\"token_type\":null}",
        "{\"access_token\":\"t\",\"expires_in\":3599.5,\"token_type\":7}",
        "{\"access_token\":\" t\\n\",\"expires_in\":\"1e3\",\"error\":null}",
        "{\"access_token\":\"t\",\"expires_in\":{\"s\":1},\"scope\":[]}",
        "{\"access_token\":\"t\",\"expires_in\":-1}",
    ] {
        let (url, log) = server(move |seen, _| if seen.is_token() { json("200 OK", "", body) } else { fine() });
        assert!(get(&client(&url)).is_ok(), "{body}");
        assert!(log.lock().unwrap()[1].headers.contains("authorization: bearer t\r"), "{body}");
    }
}

#[test]
fn a_response_without_a_token_is_described_without_its_values() {
    for (body, expected) in [
        (
            "{\"access_token\":\"\",\"expires_in\":5}",
            "the key \"access_token\" is missing; found \"access_token\", \"expires_in\"",
        ),
        ("{\"access_token\":7}", "the key \"access_token\" is missing"),
        ("{\"AccessToken\":\"hunter2\"}", "the key \"access_token\" is missing; found \"AccessToken\""),
        ("{\"error\":{\"code\":500}}", "the key \"access_token\" is missing; found \"error\""),
        ("hunter2", "7 bytes that are not a JSON object instead of a token"),
        ("", "an empty body instead of a token"),
        ("<html><title>Log in</title>hunter2", "HTML instead of a token, titled \"Log in\""),
        ("{\"access_token\":\"hunter2\\u0007\"}", "characters that an HTTP header cannot hold"),
    ] {
        let (url, _) = server(move |seen, _| if seen.is_token() { json("200 OK", "", body) } else { fine() });
        let error = get(&client(&url)).unwrap_err().to_string();
        assert!(error.starts_with("POST /oauth2/token: ") && error.contains(expected), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_secret_that_is_echoed_as_a_key_is_masked() {
    let (url, _) =
        server(
            |seen, _| {
                if seen.is_token() { json("200 OK", "", "{\"access_token_s3cret-value\":1}") } else { fine() }
            },
        );
    let error = get(&client_of(&url, "id", "s3cret-value", TokenAuth::Form)).unwrap_err().to_string();
    assert!(error.contains("found \"access_token_***\""), "{error}");
}

#[test]
fn a_firewall_before_the_token_endpoint_is_not_reported_as_a_wrong_secret() {
    let page = "<html><head><title>Access Denied</title></head></html>";
    let (url, log) =
        server(
            move |seen, _| {
                if seen.is_token() { json("403 Forbidden", "Server: AkamaiGHost\r\n", page) } else { fine() }
            },
        );
    let error = get(&client(&url)).unwrap_err();
    assert!(error.to_string().contains("a firewall or proxy between this host and the appliance"), "{error}");
    assert!(error.to_string().contains("titled \"Access Denied\"; Server: AkamaiGHost"), "{error}");
    assert_eq!(count(&log, true), 1, "no other form is tried");
}
