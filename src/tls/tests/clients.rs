//! Tests of client certificates: presented on request, and reported if one is missing or refused.

use super::handshake;
use super::pki::{TestCertificate, ca, expired, for_clients, params};
use crate::tls::{ClientIdentity, Connector, Peer};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use std::fs;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

fn server() -> TestCertificate {
    TestCertificate::self_signed(ca("bt", &["localhost"]))
}

fn identity(made: &TestCertificate) -> ClientIdentity {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("client.pem"), folder.path().join("client.key"));
    fs::write(&certificate, &made.pem).unwrap();
    fs::write(&key, made.key_pem()).unwrap();
    ClientIdentity::read(&certificate, &key).unwrap()
}

fn presenting(server: &TestCertificate, identity: Option<&ClientIdentity>) -> Connector {
    Connector::new(Peer::Receiver, vec![server.der.clone()], identity).unwrap()
}

#[test]
fn a_client_certificate_is_presented_to_a_server_that_demands_one() {
    let (server, clients) = (server(), TestCertificate::self_signed(ca("Clients", &[])));
    let identity = identity(&clients.issues(for_clients(params("rollcall", &["rollcall"]))));
    for version in VERSIONS {
        let connector = presenting(&server, Some(&identity));
        assert_eq!(handshake(&connector, server.demanding(&clients, &[version]), "localhost"), Ok(()));
    }
}

// TLS 1.2 sends handshake_failure. TLS 1.3 sends certificate_required after the client has finished.
#[test]
fn a_missing_client_certificate_is_reported_with_the_keys_to_set() {
    let (server, clients) = (server(), TestCertificate::self_signed(ca("Clients", &[])));
    for version in VERSIONS {
        let text =
            handshake(&presenting(&server, None), server.demanding(&clients, &[version]), "localhost").unwrap_err();
        assert_eq!(
            text,
            "the receiver demands a client certificate, and none is configured; name one in client_cert, with its key in client_key"
        );
    }
}

#[test]
fn a_refused_client_certificate_is_reported_with_its_issuer_and_the_reason() {
    let (server, clients) = (server(), TestCertificate::self_signed(ca("Clients", &[])));
    let stranger = TestCertificate::self_signed(ca("Other CA", &[])).issues(params("rollcall", &["rollcall"]));
    let identity = identity(&stranger);
    for version in VERSIONS {
        let connector = presenting(&server, Some(&identity));
        let text = handshake(&connector, server.demanding(&clients, &[version]), "localhost").unwrap_err();
        assert!(text.contains("refused the client certificate (CN=rollcall, issued by CN=Other CA)"), "{text}");
        assert!(text.contains("unknown_ca"), "{text}");
    }
}

#[test]
fn an_expired_client_certificate_is_reported_with_its_last_day() {
    let (server, clients) = (server(), TestCertificate::self_signed(ca("Clients", &[])));
    let identity = identity(&clients.issues(expired(for_clients(params("rollcall", &["rollcall"])))));
    let connector = presenting(&server, Some(&identity));
    let text = handshake(&connector, server.demanding(&clients, &VERSIONS), "localhost").unwrap_err();
    assert!(text.contains("refused the client certificate") && text.contains("it expired on 2024-10-01"), "{text}");
}

#[test]
fn a_client_certificate_does_not_disturb_a_server_that_asks_for_none() {
    let server = server();
    let identity = identity(&TestCertificate::self_signed(params("rollcall", &["rollcall"])));
    assert_eq!(handshake(&presenting(&server, Some(&identity)), server.config(), "localhost"), Ok(()));
}

#[test]
fn the_debug_text_of_an_identity_contains_no_key() {
    let made = TestCertificate::self_signed(params("rollcall", &["rollcall"]));
    assert_eq!(format!("{:?}", identity(&made)), "ClientIdentity");
}
