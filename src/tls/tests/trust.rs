//! Tests of trust: which certificates are trusted, and why others are refused.

use super::pki::{TestCertificate, ca, expired, for_clients, of_the_future, params};
use super::{connector_trusting, handshake, outcome};
use rcgen::IsCa;

/// X.509 version 1 certificate of `CN=siem.example.com`, as made by `openssl x509 -req -signkey` for many years.
const VERSION_1: &str = include_str!("version-1.pem");

/// Self-signed certificate with an RSA key of 1,024 bits.
const SHORT_KEY: &str = include_str!("rsa-1024.pem");

// `openssl req -x509` sets CA:TRUE.
#[test]
fn a_self_signed_certificate_with_ca_true_in_ca_file_is_trusted_for_its_names_only() {
    let own = TestCertificate::self_signed(ca(
        "bt.example.com",
        &["bt.example.com", "*.sub.example.com", "192.0.2.7", "::1"],
    ));
    for name in ["bt.example.com", "BT.example.com", "a.sub.example.com", "192.0.2.7", "::1"] {
        assert_eq!(outcome(&[&own.der], &own, name), Ok(()), "{name}");
    }
    for name in ["other.example.com", "sub.example.com", "a.b.sub.example.com", "192.0.2.8"] {
        let text = outcome(&[&own.der], &own, name).unwrap_err();
        assert!(
            text.contains(
                "the appliance's certificate is issued for bt.example.com, *.sub.example.com, 192.0.2.7, ::1"
            ),
            "{text}"
        );
        assert!(text.contains(&format!("not for {name}")), "{text}");
    }
}

#[test]
fn a_self_signed_certificate_without_ca_true_in_ca_file_is_trusted() {
    for is_ca in [IsCa::NoCa, IsCa::ExplicitNoCa] {
        let mut params = params("bt", &["localhost"]);
        params.is_ca = is_ca;
        let own = TestCertificate::self_signed(params);
        assert_eq!(outcome(&[&own.der], &own, "localhost"), Ok(()));
    }
}

#[test]
fn a_server_certificate_in_ca_file_is_trusted_without_its_authority() {
    let leaf = TestCertificate::self_signed(ca("Unknown CA", &[])).issues(params("bt", &["localhost"]));
    let other = TestCertificate::self_signed(ca("another entry", &[]));
    assert_eq!(outcome(&[&other.der, &leaf.der], &leaf, "localhost"), Ok(()));
    assert!(outcome(&[&other.der], &leaf, "localhost").is_err());
}

#[test]
fn a_trusted_certificate_is_refused_if_the_server_lacks_its_key() {
    let own = TestCertificate::self_signed(ca("bt", &["localhost"]));
    let thief = TestCertificate::self_signed(ca("bt", &["localhost"]));
    let text = handshake(&connector_trusting(&[&own.der]), own.stolen_by(&thief), "localhost").unwrap_err();
    assert!(text.contains("does not prove that it has the key of its certificate"), "{text}");
}

#[test]
fn a_short_rsa_key_is_reported_as_the_reason_for_an_unproven_key() {
    let trusted = crate::tls::parse_certificates(SHORT_KEY.as_bytes()).unwrap();
    let text = crate::tls::refusal::unproven_key(crate::tls::Peer::Appliance, &trusted[0]).in_full();
    assert!(
        text.starts_with("the appliance's certificate has an RSA key of 1024 bits, which is not accepted"),
        "{text}"
    );
}

#[test]
fn a_certificate_that_is_no_authority_cannot_make_another_one_trusted() {
    let mut params_ = params("bt", &["localhost"]);
    params_.is_ca = IsCa::ExplicitNoCa;
    let own = TestCertificate::self_signed(params_);
    let forged = own.issues(params("forged", &["victim.example.com"]));
    let text = outcome(&[&own.der], &forged, "victim.example.com").unwrap_err();
    assert!(text.contains("not trusted"), "{text}");
}

#[test]
fn an_authority_in_ca_file_makes_its_certificates_trusted_for_their_names() {
    let authority = TestCertificate::self_signed(ca("Example CA", &[]));
    let leaf = authority.issues(params("bt", &["bt.example.com"]));
    assert_eq!(outcome(&[&authority.der], &leaf, "bt.example.com"), Ok(()));
    let text = outcome(&[&authority.der], &leaf, "evil.example.com").unwrap_err();
    assert!(text.contains("is issued for bt.example.com, not for evil.example.com"), "{text}");
}

// For a certificate in ca_file, one of an authority, and one that is not trusted.
#[test]
fn an_expired_certificate_is_reported_with_its_last_day_for_every_issuer() {
    let authority = TestCertificate::self_signed(ca("Example CA", &[]));
    let own = TestCertificate::self_signed(expired(ca("bt", &["localhost"])));
    let issued = authority.issues(expired(params("bt", &["localhost"])));
    for (trusted, server) in [(&own, &own), (&authority, &issued), (&authority, &own)] {
        let text = outcome(&[&trusted.der], server, "localhost").unwrap_err();
        assert_eq!(
            text,
            "the appliance's certificate expired on 2024-10-01; install a new certificate on the appliance"
        );
    }
}

#[test]
fn a_certificate_of_the_future_is_reported_with_its_first_day_and_the_clock() {
    let authority = TestCertificate::self_signed(ca("Example CA", &[]));
    let own = TestCertificate::self_signed(of_the_future(ca("bt", &["localhost"])));
    let issued = authority.issues(of_the_future(params("bt", &["localhost"])));
    for (trusted, server) in [(&own, &own), (&authority, &issued)] {
        let text = outcome(&[&trusted.der], server, "localhost").unwrap_err();
        assert!(
            text.contains("is not valid before 2190-01-31") && text.contains("this machine's clock is wrong"),
            "{text}"
        );
    }
}

#[test]
fn an_expired_intermediate_certificate_is_reported_and_not_the_server_certificate() {
    let root = TestCertificate::self_signed(ca("Root", &[]));
    let middle = root.issues(expired(ca("Middle CA", &[])));
    let leaf = middle.issues(params("bt", &["localhost"])).sent_with(&[&middle]);
    let text = outcome(&[&root.der], &leaf, "localhost").unwrap_err();
    assert!(
        text.starts_with(
            "the intermediate certificate \"CN=Middle CA\", which the appliance sent, expired on 2024-10-01"
        ),
        "{text}"
    );
}

#[test]
fn a_certificate_without_a_subject_alternative_name_is_refused() {
    let authority = TestCertificate::self_signed(ca("Example CA", &[]));
    let own = TestCertificate::self_signed(ca("siem.example.com", &[]));
    let issued = authority.issues(params("siem.example.com", &[]));
    for (trusted, server) in [(&own, &own), (&authority, &issued)] {
        let text = outcome(&[&trusted.der], server, "siem.example.com").unwrap_err();
        assert!(text.contains("has no name") && text.contains("CN=siem.example.com"), "{text}");
        assert!(text.contains("with the subjectAltName siem.example.com"), "{text}");
    }
}

#[test]
fn a_version_1_certificate_in_ca_file_is_refused_because_it_has_no_name() {
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::{ServerName, UnixTime};
    let trusted = crate::tls::parse_certificates(VERSION_1.as_bytes()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let verifier = crate::tls::verifier::Verifier::new(crate::tls::Peer::Receiver, trusted.clone(), &provider).unwrap();
    let name = ServerName::try_from("siem.example.com").unwrap();
    let error = verifier.verify_server_cert(&trusted[0], &[], &name, &[], UnixTime::now()).unwrap_err();
    let text = super::fault_text(&connector_trusting(&[]), &error);
    assert!(text.starts_with("the receiver's certificate has no name"), "{text}");
}

#[test]
fn a_certificate_for_another_purpose_is_refused_even_in_ca_file() {
    let authority = TestCertificate::self_signed(ca("Example CA", &[]));
    let own = TestCertificate::self_signed(for_clients(params("bt", &["localhost"])));
    let issued = authority.issues(for_clients(params("bt", &["localhost"])));
    for (trusted, server) in [(&own, &own), (&authority, &issued)] {
        let text = outcome(&[&trusted.der], server, "localhost").unwrap_err();
        assert!(text.contains("for the purpose clientAuth, not for a server (serverAuth)"), "{text}");
    }
}

#[test]
fn a_self_signed_certificate_outside_ca_file_is_refused_with_ca_file_as_the_cure() {
    for params in [ca("bt.example.com", &["localhost"]), params("bt.example.com", &["localhost"])] {
        let own = TestCertificate::self_signed(params);
        let text = outcome(&[], &own, "localhost").unwrap_err();
        assert!(text.contains("is self-signed (CN=bt.example.com) and not trusted"), "{text}");
        assert!(text.contains("put this certificate itself into a PEM file and name it in ca_file"), "{text}");
    }
}

#[test]
fn a_replaced_self_signed_certificate_is_recognised_by_its_name() {
    let (old, new) = (params("bt", &["localhost"]), params("bt", &["localhost"]));
    let text = outcome(&[&TestCertificate::self_signed(old).der], &TestCertificate::self_signed(new), "localhost")
        .unwrap_err();
    assert!(
        text.contains("differs from the one in ca_file, although both have the subject CN=bt: it was replaced"),
        "{text}"
    );
}

#[test]
fn an_unknown_issuer_is_named_and_a_missing_intermediate_is_mentioned() {
    let root = TestCertificate::self_signed(ca("Root", &[]));
    let middle = root.issues(ca("Middle CA", &[]));
    let alone = middle.issues(params("bt", &["localhost"]));
    let text = outcome(&[&root.der], &alone, "localhost").unwrap_err();
    assert!(text.contains("was issued by \"CN=Middle CA\", which is not trusted"), "{text}");
    assert!(text.contains("no intermediate certificate of that name was sent") && text.contains("ca_file"), "{text}");
    let whole = alone.sent_with(&[&middle]);
    assert_eq!(outcome(&[&root.der], &whole, "localhost"), Ok(()));
}

#[test]
fn the_issuer_at_the_end_of_the_chain_is_named_if_it_is_unknown() {
    let root = TestCertificate::self_signed(ca("Private Root", &[]));
    let middle = root.issues(ca("Middle CA", &[]));
    let issued = || middle.issues(params("bt", &["localhost"]));
    for server in [issued().sent_with(&[&middle]), issued().sent_with(&[&root, &middle])] {
        let text = outcome(&[], &server, "localhost").unwrap_err();
        assert!(
            text.contains("was issued by a chain that ends at \"CN=Private Root\", which is not trusted"),
            "{text}"
        );
        assert!(text.contains("ca_file") && !text.contains("intermediate"), "{text}");
    }
}

#[test]
fn an_authority_with_the_right_name_and_another_key_is_reported_as_a_wrong_signature() {
    let (old, new) =
        (TestCertificate::self_signed(ca("Example CA", &[])), TestCertificate::self_signed(ca("Example CA", &[])));
    let leaf = new.issues(params("bt", &["localhost"]));
    let text = outcome(&[&old.der], &leaf, "localhost").unwrap_err();
    assert!(text.contains("is not signed by the trusted certificate of its issuer \"CN=Example CA\""), "{text}");
}

#[test]
fn the_certificate_of_an_authority_is_refused_for_a_server_unless_it_is_in_ca_file() {
    let authority = TestCertificate::self_signed(ca("Example CA", &[]));
    let leaf = authority.issues(ca("bt", &["localhost"]));
    let text = outcome(&[&authority.der], &leaf, "localhost").unwrap_err();
    assert!(text.contains("is that of an authority (CA:TRUE), issued by \"CN=Example CA\""), "{text}");
    assert_eq!(outcome(&[&leaf.der], &leaf, "localhost"), Ok(()));
}

#[test]
fn an_issuer_that_must_not_issue_is_refused() {
    let root = TestCertificate::self_signed(ca("Root", &[]));
    let middle = root.issues(params("no authority", &["middle"]));
    let leaf = middle.issues(params("bt", &["localhost"])).sent_with(&[&middle]);
    let text = outcome(&[&root.der], &leaf, "localhost").unwrap_err();
    assert!(text.contains("is not allowed by its authorities"), "{text}");
}

#[test]
fn only_the_first_names_of_a_certificate_are_listed_and_the_others_counted() {
    let names: Vec<String> = (0..50).map(|n| format!("host{n}.example.com")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let own = TestCertificate::self_signed(params("bt", &names));
    let text = outcome(&[&own.der], &own, "localhost").unwrap_err();
    assert!(text.contains("host7.example.com and 42 more, not for localhost"), "{text}");
    assert!(!text.contains("host8.") && text.len() < 500, "{text}");
}

#[test]
fn control_characters_in_a_name_are_replaced() {
    let own = TestCertificate::self_signed(params("bt\u{1b}[2J\r\nforged", &["localhost"]));
    let text = outcome(&[], &own, "localhost").unwrap_err();
    assert!(!text.chars().any(char::is_control), "{text:?}");
}
