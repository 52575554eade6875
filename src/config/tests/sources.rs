//! Tests of `[[source]]` tables of every kind: defaults, limits, credentials, and keys of other kinds.

use super::*;

fn source(kind: &str, keys: &str) -> String {
    format!("[[source]]\nname = \"x\"\nkind = \"{kind}\"\nurl = \"https://bt.example.com\"\n{keys}")
}

fn with_client(kind: &str, keys: &str) -> String {
    source(kind, &format!("client_id = \"abc\"\nclient_secret = {{ file = \"secret\" }}\n{keys}"))
}

#[test]
fn every_kind_has_its_own_paths_and_limits() {
    for (kind, meant, base, token, hour) in [
        ("rest-v3", SourceKind::RestV3, "/api/public/v3", "/oauth2/token", None),
        ("pra", SourceKind::Pra, "/api/config/v1", "/oauth2/token", Some(15_000)),
        ("rs", SourceKind::Rs, "/api/config/v1", "/oauth2/token", Some(15_000)),
        (
            "password-safe",
            SourceKind::PasswordSafe,
            "/BeyondTrust/api/public/v3",
            "/BeyondTrust/api/public/v3/Auth/Connect/Token",
            None,
        ),
        ("scim", SourceKind::Scim, "/scim/v2", "/oauth2/token", None),
    ] {
        let config = load(&with_client(kind, "")).unwrap();
        let source = &config.sources[0];
        assert_eq!((source.kind, source.base_path.as_str(), source.client.requests_per_hour), (meant, base, hour));
        let Credentials::Oauth { token_path, .. } = &source.client.account else { panic!("{kind}: OAuth") };
        assert_eq!(token_path, token);
        assert_eq!(source.identity.kind, kind);
    }
}

#[test]
fn limits_of_the_configuration_api_cannot_be_exceeded() {
    assert!(problem(&with_client("pra", "requests_per_second = 21"), "source[x].requests_per_second").contains("20"));
    assert!(problem(&with_client("rs", "page_size = 101"), "source[x].page_size").contains("100"));
    let at_most = load(&with_client("pra", "requests_per_second = 20")).unwrap();
    let rate = |config: &Config| config.sources[0].client.requests_per_second;
    assert!((rate(&at_most) - 15.0).abs() < 0.01, "four concurrent requests may arrive at once");
    let one_by_one = load(&with_client("pra", "requests_per_second = 20\nconcurrency = 1")).unwrap();
    assert!((rate(&one_by_one) - 18.0).abs() < 0.01);
    let here = with_client("pra", "requests_per_second = 500").replace("https://bt.example.com", "http://127.0.0.1:1");
    assert!(load(&here).is_ok(), "a simulated appliance has no such limit");
}

#[test]
fn password_safe_has_a_client_or_an_api_key_with_a_user_but_not_both() {
    let keyed = source("password-safe", "api_key = { file = \"secret\" }\nrun_as = 'DOMAIN\\audit'\n");
    let config = load(&keyed).unwrap();
    assert_eq!(config.sources[0].identity.client_id, "DOMAIN\\audit");
    assert!(matches!(&config.sources[0].client.account, Credentials::Key { password: None, .. }));
    let with_password = format!("{keyed}run_as_password = {{ file = \"secret\" }}\n");
    let config = load(&with_password).unwrap();
    assert!(matches!(&config.sources[0].client.account, Credentials::Key { password: Some(_), .. }));
    let both = format!("{keyed}client_id = \"abc\"\n");
    assert!(problem(&both, "source[x].client_id").contains("cannot be combined with api_key"));
    assert!(
        problem(&source("password-safe", "api_key = \"k\"\nrun_as = \"a\""), "source[x].api_key")
            .contains("must not be written into the configuration")
    );
    assert!(
        problem(&source("password-safe", "api_key = { file = \"secret\" }"), "source[x].run_as").contains("is missing")
    );
}

#[test]
fn scim_has_a_client_or_a_token_and_an_optional_path_of_the_last_login() {
    let keys =
        "token = { file = \"secret\" }\nbase_path = \"/api/scim/v2/\"\nlast_login_path = \"/urn:x:User/lastLogin\"\n";
    let config = load(&source("scim", keys)).unwrap();
    let source_ = &config.sources[0];
    assert!(matches!(&source_.client.account, Credentials::Bearer(_)));
    assert_eq!(
        (source_.base_path.as_str(), source_.last_login_path.as_deref()),
        ("/api/scim/v2", Some("/urn:x:User/lastLogin"))
    );
    assert!(
        problem(&with_client("scim", "last_login_path = \"lastLogin\""), "source[x].last_login_path")
            .contains("JSON Pointer")
    );
    assert!(problem(&with_client("scim", "base_path = \"scim\""), "source[x].base_path").contains("/scim/v2"));
    assert!(problem(&source("scim", ""), "source[x].client_secret").contains("is missing"));
}

#[test]
fn key_of_another_kind_is_reported_with_that_kind() {
    let why = problem(&with_client("pra", "token = { file = \"secret\" }"), "source[x].token");
    assert_eq!(why, "is a key of kind = scim, not of pra; remove it");
    assert!(
        problem(&with_client("rest-v3", "requests_per_hour = 5"), "source[x].requests_per_hour").contains("pra and rs")
    );
    assert!(
        problem(&with_client("pra", "base_path = \"/x\""), "source[x].base_path").contains("password-safe and scim")
    );
}

#[test]
fn token_path_cannot_be_combined_with_token() {
    let scim = source("scim", "token = { file = \"secret\" }\ntoken_path = \"/t\"");
    assert_eq!(
        problem(&scim, "source[x].token_path"),
        "cannot be combined with token; remove one of the two",
        "and not a key of another kind"
    );
}

#[test]
fn run_as_requires_api_key() {
    let text = problem(&with_client("password-safe", "run_as = \"x\""), "source[x].run_as");
    assert_eq!(text, "requires api_key; add api_key or remove this key", "and not a key of another kind");
}
