//! Client certificates: shown where they are asked for, and explained where one is missing or refused.

use super::pki::{Made, ca, expired, for_clients, params};
use super::shake;
use crate::tls::{ClientIdentity, Connector, Peer};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use std::fs;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

fn server() -> Made {
    Made::self_signed(ca("bt", &["localhost"]))
}

fn identity(made: &Made) -> ClientIdentity {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("client.pem"), folder.path().join("client.key"));
    fs::write(&certificate, &made.pem).unwrap();
    fs::write(&key, made.key_pem()).unwrap();
    ClientIdentity::read(&certificate, &key).unwrap()
}

fn showing(server: &Made, identity: Option<&ClientIdentity>) -> Connector {
    Connector::new(Peer::Receiver, vec![server.der.clone()], identity).unwrap()
}

#[test]
fn a_client_certificate_is_shown_where_it_is_demanded() {
    let (server, clients) = (server(), Made::self_signed(ca("Clients", &[])));
    let identity = identity(&clients.issues(for_clients(params("rollcall", &["rollcall"]))));
    for version in VERSIONS {
        let connector = showing(&server, Some(&identity));
        assert_eq!(shake(&connector, server.demanding(&clients, &[version]), "localhost"), Ok(()));
    }
}

// TLS 1.2 says handshake_failure, TLS 1.3 certificate_required after our own end.
#[test]
fn a_demanded_client_certificate_that_is_not_configured_names_the_keys() {
    let (server, clients) = (server(), Made::self_signed(ca("Clients", &[])));
    for version in VERSIONS {
        let text = shake(&showing(&server, None), server.demanding(&clients, &[version]), "localhost").unwrap_err();
        assert_eq!(
            text,
            "the receiver demands a client certificate, and none is configured; name one in client_cert, with its key in client_key"
        );
    }
}

#[test]
fn a_refused_client_certificate_is_named_with_its_issuer_and_the_reason() {
    let (server, clients) = (server(), Made::self_signed(ca("Clients", &[])));
    let stranger = Made::self_signed(ca("Other CA", &[])).issues(params("rollcall", &["rollcall"]));
    let identity = identity(&stranger);
    for version in VERSIONS {
        let connector = showing(&server, Some(&identity));
        let text = shake(&connector, server.demanding(&clients, &[version]), "localhost").unwrap_err();
        assert!(text.contains("refused the client certificate (CN=rollcall, issued by CN=Other CA)"), "{text}");
        assert!(text.contains("unknown_ca"), "{text}");
    }
}

#[test]
fn an_expired_client_certificate_is_said_to_be_expired() {
    let (server, clients) = (server(), Made::self_signed(ca("Clients", &[])));
    let identity = identity(&clients.issues(expired(for_clients(params("rollcall", &["rollcall"])))));
    let connector = showing(&server, Some(&identity));
    let text = shake(&connector, server.demanding(&clients, &VERSIONS), "localhost").unwrap_err();
    assert!(text.contains("refused the client certificate") && text.contains("it expired on 2024-10-01"), "{text}");
}

#[test]
fn a_client_certificate_is_no_business_of_a_server_that_asks_for_none() {
    let server = server();
    let identity = identity(&Made::self_signed(params("rollcall", &["rollcall"])));
    assert_eq!(shake(&showing(&server, Some(&identity)), server.config(), "localhost"), Ok(()));
}

#[test]
fn what_is_shown_of_an_identity_holds_no_key() {
    let made = Made::self_signed(params("rollcall", &["rollcall"]));
    assert_eq!(format!("{:?}", identity(&made)), "ClientIdentity");
}
