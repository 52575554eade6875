//! Tests of `ca_file`, `client_cert` and `client_key`: unusable files are reported when the configuration is read.

use super::{MINIMAL, over_syslog, write};
use crate::config::{Config, ConfigError};
use crate::syslog::Proof;
use crate::tls::tests::pki::{TestCertificate, ca, params};
use std::path::Path;
use tempfile::TempDir;

/// Returns a folder with an authority, a client certificate and its key, and files that do not belong to them.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let authority = TestCertificate::self_signed(ca("CA", &[]));
    let client = authority.issues(params("client", &["client"]));
    let damaged = authority.pem.replace("MII", "...");
    for (name, text, mode) in [
        ("secret", "s3cret", 0o600),
        ("ca.pem", authority.pem.as_str(), 0o644),
        ("bundle.pem", &format!("{}{damaged}{}", authority.pem, authority.pem), 0o644),
        ("client.pem", &client.pem, 0o644),
        ("client.key", &client.key_pem(), 0o600),
        ("open.key", &client.key_pem(), 0o644),
        ("other.key", &authority.key_pem(), 0o600),
    ] {
        write(folder.path(), name, text, mode);
    }
    folder
}

fn load(folder: &Path, keys: &str) -> Result<Config, ConfigError> {
    write(folder, "config.toml", &format!("{MINIMAL}{keys}"), 0o600);
    Config::load(&folder.join("config.toml"), &|_| None)
}

/// Returns the problems of a configuration with these keys, at the first source or at a destination.
fn problems(keys: &str) -> String {
    load(folder().path(), keys).unwrap_err().to_string()
}

const CLIENT: &str = "client_cert = \"client.pem\"\nclient_key = { file = \"client.key\" }\n";

#[test]
fn sources_and_destinations_can_have_a_client_certificate() {
    let folder = folder();
    let config = load(
        folder.path(),
        &format!("{CLIENT}ca_file = \"ca.pem\"\n[[syslog]]\nurl = \"tls://siem\"\n{CLIENT}ca_file = \"ca.pem\"\n"),
    )
    .unwrap();
    assert!(config.sources[0].client.client_identity.is_some() && config.sources[0].client.ca_pem.is_some());
    let files = over_syslog(&config)[0].client_identity.clone().unwrap();
    assert!(files.0.ends_with("client.pem") && files.1.ends_with("client.key"));
    assert!(load(folder.path(), "").unwrap().sources[0].client.client_identity.is_none());
}

#[test]
fn client_cert_and_client_key_require_each_other() {
    for table in ["", "[[syslog]]\nurl = \"tls://siem\"\n"] {
        let text = problems(&format!("{table}client_cert = \"client.pem\"\n"));
        assert!(text.contains("client_key: is missing") && text.contains("client_key = { file ="), "{text}");
        let text = problems(&format!("{table}client_key = {{ file = \"client.key\" }}\n"));
        assert!(text.contains("client_cert: is missing") && text.contains("client_cert = \"/path\""), "{text}");
    }
}

#[test]
fn key_that_is_readable_by_others_of_another_certificate_or_a_literal_is_refused() {
    let with = |key: &str| problems(&format!("client_cert = \"client.pem\"\nclient_key = {key}\n"));
    let text = with("{ file = \"open.key\" }");
    assert!(text.contains("[[source]] \"appliance\" client_key: ") && text.contains("chmod 600"), "{text}");
    let text = with("{ file = \"other.key\" }");
    assert!(
        text.contains("[[source]] \"appliance\" client_key: ") && text.contains("does not belong to the certificate"),
        "{text}"
    );
    let text = with("{ file = \"ca.pem\" }");
    assert!(text.contains("client_key: "), "{text}");
    let text = with("{ env = \"KEY\" }");
    assert!(text.contains("client_key: must have one of file, credential, not \"env\""), "{text}");
    let text = with("\"client.key\"");
    assert!(text.ends_with("write { file = \"/path\" } or { credential = \"name\" }"), "{text}");
    assert!(text.contains("[[source]] \"appliance\" client_key: "), "{text}");
}

#[test]
fn unreadable_certificate_is_reported_with_its_file_and_position() {
    for table in ["", "[[syslog]]\nurl = \"tls://siem\"\n"] {
        let text = problems(&format!("{table}ca_file = \"bundle.pem\"\n"));
        assert!(
            text.contains("ca_file: /") && text.contains("bundle.pem: certificate 2 of 3 cannot be read"),
            "{text}"
        );
    }
}

#[test]
fn udp_max_is_a_key_of_udp_only() {
    for url in ["tls://siem", "tcp://siem", "relp://siem", "unix:///dev/log"] {
        let text = problems(&format!("[[syslog]]\nurl = \"{url}\"\nudp_max = 8000\n"));
        assert!(text.contains("udp_max: is a key of udp:// destinations; write udp:// in url, or remove it"), "{text}");
    }
    let text = problems("[[syslog]]\nurl = \"udp://siem\"\nudp_max = 480\n");
    assert!(text.contains("udp_max: must be from 1180 to 65507, not 480"), "{text}");
}

#[test]
fn enterprise_number_is_somebodys_and_only_in_rfc_5424() {
    let text = problems("[[syslog]]\nurl = \"tls://siem\"\nenterprise_number = 32473\n");
    assert!(text.contains("enterprise_number: is the number for documentation (RFC 5612)"), "{text}");
    for keys in ["url = \"tls://siem\"\nprofile = \"wazuh4\"", "url = \"unix:///dev/log\""] {
        let text = problems(&format!("[[syslog]]\n{keys}\nenterprise_number = 99999\n"));
        assert!(text.contains("is a key of protocol = \"rfc5424\"; write that, or remove the key"), "{text}");
    }
}

#[test]
fn delivery_proof_is_one_of_three_words_and_only_for_streams() {
    let folder = folder();
    let proof = |keys: &str| over_syslog(&load(folder.path(), &format!("[[syslog]]\n{keys}")).unwrap())[0].proof;
    assert_eq!(proof("url = \"tcp://siem\""), Proof::Close);
    assert_eq!(proof("url = \"tls://siem\"\ndelivery_proof = \"close\""), Proof::Close);
    assert_eq!(proof("url = \"tls://siem\"\ndelivery_proof = \"close-notify\""), Proof::CloseNotify);
    assert_eq!(proof("url = \"tcp://siem\"\ndelivery_proof = \"sent\""), Proof::Sent);
    let text = problems("[[syslog]]\nurl = \"tcp://siem\"\ndelivery_proof = \"close-notify\"\n");
    assert!(text.contains("must be close or sent for tcp://") && text.contains("write tls:// in url"), "{text}");
    let text = problems("[[syslog]]\nurl = \"tcp://siem\"\ndelivery_proof = \"ack\"\n");
    assert!(text.contains("delivery_proof") && text.contains("close, close-notify, sent"), "{text}");
    for url in ["udp://siem", "unix:///dev/log"] {
        let text = problems(&format!("[[syslog]]\nurl = \"{url}\"\ndelivery_proof = \"sent\"\n"));
        assert!(text.contains("is a key of tls:// and tcp:// destinations"), "{text}");
    }
}
