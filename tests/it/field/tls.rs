//! Tests of certificates as appliances have them: self-signed, expired, for another name, and not trusted.

use super::server::{Reply, Server};
use super::{Tenant, world};
use crate::rig::{private, stderr};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use std::sync::Arc;

/// Returns a self-signed certificate with CA:TRUE, as `openssl req -x509` creates it, with its PEM and key.
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

/// Returns a `rest-v3` tenant behind this certificate, read at this host with this `ca_file`.
fn tenant(config: ServerConfig, host: &str, ca_file: Option<&str>) -> Tenant {
    let server = Server::with_tls(config);
    server.on("POST /oauth2/token", Reply::ok(r#"{"access_token":"t","expires_in":3600}"#));
    world::guide_list(&server, "users", &json!([world::guide_user(1, "ann", &[1])]));
    world::guide_list(&server, "groups", &json!([{"id":1,"name":"Administrators"}]));
    let address = format!("https://{host}:{}", server.port());
    let tenant = Tenant::at("rest-v3", server, &address);
    if let Some(pem) = ca_file {
        private(&tenant.path("ca.pem"), pem);
        tenant.set("ca_file = \"ca.pem\"");
    }
    tenant
}

/// Asserts that run and check refuse the server without a retry and without Rust debug output, and returns their messages.
#[track_caller]
fn refused(tenant: &Tenant) -> String {
    let run = tenant.first(1);
    let output = format!("{}{}", stderr(&run), tenant.check(1));
    for debug in ["InvalidCertificate", "CertExpired", "UnknownIssuer", "NotValidForName", "{", "Some("] {
        assert!(!output.contains(debug), "{debug}: {output}");
    }
    assert!(!output.contains("retrying request"), "{output}");
    assert_eq!(tenant.server.count("POST *") + tenant.server.count("GET *"), 0);
    output
}

#[test]
fn self_signed_certificate_in_ca_file_is_trusted_for_its_names_only() {
    for is_ca in [true, false] {
        let (der, pem, key) = self_signed(|params| {
            if !is_ca {
                params.is_ca = IsCa::NoCa;
            }
        });
        let trusted = tenant(config(vec![der.clone()], &key), "127.0.0.1", Some(&pem));
        trusted.check(0);
        trusted.first(0);
        let elsewhere = tenant(config(vec![der], &key), "localhost", Some(&pem));
        let output = refused(&elsewhere);
        assert!(output.contains("is issued for 127.0.0.1") && output.contains("not for localhost"), "{output}");
    }
}

#[test]
fn different_certificate_with_the_same_name_is_not_trusted() {
    let (der, _, key) = self_signed(|_| {});
    let (_, other, _) = self_signed(|_| {});
    let output = refused(&tenant(config(vec![der.clone()], &key), "127.0.0.1", Some(&other)));
    assert!(output.contains("not trusted") && output.contains("ca_file"), "{output}");
    let output = refused(&tenant(config(vec![der], &key), "127.0.0.1", None));
    assert!(output.contains("is self-signed") && output.contains("ca_file"), "{output}");
}

#[test]
fn expired_certificate_is_reported_with_its_day() {
    let expired = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2024, 10, 1);
    };
    let (der, pem, key) = self_signed(expired);
    let output = refused(&tenant(config(vec![der], &key), "127.0.0.1", Some(&pem)));
    assert!(output.contains("expired on 2024-10-01"), "{output}");
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    expired(&mut params);
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &authority).unwrap();
    let output = refused(&tenant(config(vec![leaf.der().clone()], &key), "127.0.0.1", Some(&authority.pem())));
    assert!(output.contains("expired on 2024-10-01") && output.contains("install a new certificate"), "{output}");
}

#[test]
fn certificate_that_is_not_yet_valid_or_has_no_name_is_reported() {
    let (der, pem, key) = self_signed(|params| params.not_before = date_time_ymd(2190, 1, 31));
    let output = refused(&tenant(config(vec![der], &key), "127.0.0.1", Some(&pem)));
    assert!(output.contains("not valid before 2190-01-31"), "{output}");
    let (der, pem, key) = self_signed(|params| params.subject_alt_names.clear());
    let output = refused(&tenant(config(vec![der], &key), "127.0.0.1", Some(&pem)));
    assert!(output.contains("has no name"), "{output}");
}
