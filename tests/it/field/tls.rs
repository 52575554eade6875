//! Certificates as appliances have them, from outside.

use super::server::{Reply, Server};
use super::{Field, world};
use crate::rig::stderr;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use std::sync::Arc;

/// As `openssl req -x509` makes them: self-signed, with CA:TRUE.
fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> (CertificateDer<'static>, String, KeyPair) {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.der().clone(), certificate.pem(), key)
}

fn config(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> ServerConfig {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    builder.with_no_client_auth().with_single_cert(chain, key).unwrap()
}

/// The guide's API behind this certificate, read at this host with this `ca_file`.
fn field(config: ServerConfig, host: &str, ca_file: Option<&str>) -> Field {
    let server = Server::with_tls(config);
    server.on("POST /oauth2/token", Reply::ok(r#"{"access_token":"t","expires_in":3600}"#));
    world::guide_list(&server, "users", &json!([world::guide_user(1, "ann", &[1])]));
    world::guide_list(&server, "groups", &json!([{"id":1,"name":"Administrators"}]));
    let address = format!("https://{host}:{}", server.port());
    let field = Field::at("rest-v3", server, &address);
    if let Some(pem) = ca_file {
        std::fs::write(field.path("ca.pem"), pem).unwrap();
        field.set("ca_file = \"ca.pem\"");
    }
    field
}

/// What run and check say of it; neither may retry, and neither may speak Rust.
#[track_caller]
fn refused(field: &Field) -> String {
    let ran = field.first(1);
    let said = format!("{}{}", stderr(&ran), field.check(1));
    for debug in ["InvalidCertificate", "CertExpired", "UnknownIssuer", "NotValidForName", "{", "Some("] {
        assert!(!said.contains(debug), "{debug}: {said}");
    }
    assert!(!said.contains("will be tried again"), "{said}");
    assert_eq!(field.server.count("POST *") + field.server.count("GET *"), 0);
    said
}

// E4
#[test]
fn a_self_signed_certificate_in_ca_file_is_trusted_for_its_names_only() {
    for is_ca in [true, false] {
        let (der, pem, key) = self_signed(|params| {
            if !is_ca {
                params.is_ca = IsCa::NoCa;
            }
        });
        let trusted = field(config(vec![der.clone()], &key), "127.0.0.1", Some(&pem));
        trusted.check(0);
        trusted.first(0);
        let elsewhere = field(config(vec![der], &key), "localhost", Some(&pem));
        let said = refused(&elsewhere);
        assert!(said.contains("is issued for 127.0.0.1") && said.contains("not for localhost"), "{said}");
    }
}

#[test]
fn another_certificate_of_the_same_name_is_not_trusted() {
    let (der, _, key) = self_signed(|_| {});
    let (_, other, _) = self_signed(|_| {});
    let said = refused(&field(config(vec![der.clone()], &key), "127.0.0.1", Some(&other)));
    assert!(said.contains("not trusted") && said.contains("ca_file"), "{said}");
    let said = refused(&field(config(vec![der], &key), "127.0.0.1", None));
    assert!(said.contains("is self-signed") && said.contains("ca_file"), "{said}");
}

// E5
#[test]
fn an_expired_certificate_names_its_day_whoever_issued_it() {
    let expired = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2024, 10, 1);
    };
    let (der, pem, key) = self_signed(expired);
    let said = refused(&field(config(vec![der], &key), "127.0.0.1", Some(&pem)));
    assert!(said.contains("expired on 2024-10-01"), "{said}");
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    expired(&mut params);
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &authority).unwrap();
    let said = refused(&field(config(vec![leaf.der().clone()], &key), "127.0.0.1", Some(&authority.pem())));
    assert!(said.contains("expired on 2024-10-01") && said.contains("install a new certificate"), "{said}");
}

#[test]
fn a_certificate_that_is_not_valid_yet_or_has_no_name_says_so() {
    let (der, pem, key) = self_signed(|params| params.not_before = date_time_ymd(2190, 1, 31));
    let said = refused(&field(config(vec![der], &key), "127.0.0.1", Some(&pem)));
    assert!(said.contains("not valid before 2190-01-31"), "{said}");
    let (der, pem, key) = self_signed(|params| params.subject_alt_names.clear());
    let said = refused(&field(config(vec![der], &key), "127.0.0.1", Some(&pem)));
    assert!(said.contains("carries no name at all"), "{said}");
}
