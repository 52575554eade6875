//! Tests of addresses as people paste them.

use super::*;

const SAFE: &str = "/BeyondTrust/api/public/v3";

/// Returns the note of an accepted address.
fn note_of(text: &str, kind: SourceKind, base_path: &str) -> Option<String> {
    let (url, note) = without_path(text, kind, base_path).unwrap_or_else(|why| panic!("{text}: {why}"));
    assert!(url == "https://bt.example.com" || url == "https://bt.example.com:8443", "{url}");
    note
}

/// Returns the error of a refused address.
fn refused(text: &str, kind: SourceKind) -> String {
    without_path(text, kind, kind.base_path()).unwrap_err()
}

#[test]
fn address_without_a_path_is_accepted_without_a_note() {
    for text in [
        "https://bt.example.com",
        "https://bt.example.com/",
        "https://bt.example.com//",
        " https://bt.example.com:8443/ ",
    ] {
        assert_eq!(note_of(text, SourceKind::Pra, "/api/config/v1"), None, "{text}");
    }
}

#[test]
fn path_of_the_api_is_removed_with_a_note() {
    for (path, kind) in [
        ("/BeyondTrust/api/public/v3", SourceKind::PasswordSafe),
        ("/beyondtrust/API/Public/V3/", SourceKind::PasswordSafe),
        ("/api/config/v1", SourceKind::Pra),
        ("//api/config/v1//", SourceKind::Rs),
        ("/scim/v2", SourceKind::Scim),
        ("/api/public/v3/", SourceKind::RestV3),
    ] {
        let note = note_of(&format!("https://bt.example.com{path}"), kind, kind.base_path()).unwrap();
        assert!(note.contains("was removed; write url = \"https://bt.example.com\""), "{note}");
    }
    let note = note_of("https://bt.example.com:8443/api/scim/v2", SourceKind::Scim, "/api/scim/v2").unwrap();
    assert!(note.ends_with("write url = \"https://bt.example.com:8443\""), "{note}");
    let note = note_of("https://bt.example.com/api/scim/v2", SourceKind::Pra, "/api/config/v1").unwrap();
    assert!(note.ends_with("kind = \"pra\" reads below /api/config/v1"), "{note}");
}

#[test]
fn path_of_a_console_is_removed_with_query_and_fragment() {
    for path in [
        "/login",
        "/login/",
        "/Login/users?tab=1",
        "/login/login.ns#top",
        "/WebConsole/index.html#!/dashboard",
        "/webconsole",
        "/eEye.RetinaCS.Server/PasswordSafe",
        "/appliance",
        "/console/",
    ] {
        for kind in [SourceKind::Pra, SourceKind::PasswordSafe] {
            assert!(note_of(&format!("https://bt.example.com{path}"), kind, kind.base_path()).is_some(), "{path}");
        }
    }
}

#[test]
fn path_that_differs_from_base_path_is_refused_with_both_keys_to_write() {
    let why = refused("https://bt.example.com/api/scim/v2", SourceKind::Scim);
    assert!(
        why.contains(
            "write url = \"https://bt.example.com\" and, if the API begins there, base_path = \"/api/scim/v2\""
        ),
        "{why}"
    );
    let why = refused("https://bt.example.com/pam/BeyondTrust/api/public/v3", SourceKind::PasswordSafe);
    assert!(why.contains("base_path = \"/pam/BeyondTrust/api/public/v3\""), "{why}");
    let why = without_path("https://bt.example.com/scim/v2", SourceKind::Scim, "/api/scim/v2").unwrap_err();
    assert!(why.contains("base_path (now \"/api/scim/v2\")"), "{why}");
    let why = refused("https://bt.example.com/scim/v2", SourceKind::PasswordSafe);
    assert!(why.contains("belongs to kind = \"scim\", not \"password-safe\""), "{why}");
    assert!(without_path(&format!("https://bt.example.com{SAFE}"), SourceKind::PasswordSafe, "/x").is_err());
}

#[test]
fn any_other_path_is_refused_with_the_address_to_write() {
    for path in ["/pam", "/logins", "/api", "/api/config/v1/user", "/gateway/login"] {
        let why = refused(&format!("https://bt.example.com{path}"), SourceKind::Pra);
        assert!(why.contains("write url = \"https://bt.example.com\"") && why.contains("no base_path"), "{why}");
    }
}

#[test]
fn known_path_does_not_excuse_http_credentials_a_query_or_a_missing_scheme() {
    for text in [
        "http://bt.example.com/login",
        "https://a:b@bt.example.com/login",
        "https://bt.example.com/scim/v2?x=1",
        "bt.example.com/login",
    ] {
        assert!(without_path(text, SourceKind::Scim, "/scim/v2").is_err(), "{text}");
    }
}
