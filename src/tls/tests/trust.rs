//! Which certificates are trusted, and why others are not.

use super::pki::{Made, ca, expired, for_clients, of_the_future, params};
use super::{said, shake, trusting};
use rcgen::IsCa;

/// An X.509 version 1 certificate of `CN=siem.example.com`, as `openssl x509 -req -signkey` made them for years.
const VERSION_1: &str = include_str!("version-1.pem");

/// A self-signed certificate with an RSA key of 1,024 bits.
const SHORT_KEY: &str = include_str!("rsa-1024.pem");

// E4: `openssl req -x509` sets CA:TRUE.
#[test]
fn a_self_signed_certificate_with_ca_true_in_ca_file_is_trusted_for_its_names_only() {
    let own = Made::self_signed(ca("bt.example.com", &["bt.example.com", "*.sub.example.com", "192.0.2.7", "::1"]));
    for name in ["bt.example.com", "BT.example.com", "a.sub.example.com", "192.0.2.7", "::1"] {
        assert_eq!(said(&[&own.der], &own, name), Ok(()), "{name}");
    }
    for name in ["other.example.com", "sub.example.com", "a.b.sub.example.com", "192.0.2.8"] {
        let text = said(&[&own.der], &own, name).unwrap_err();
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
fn a_self_signed_certificate_that_is_no_authority_is_trusted_by_itself_too() {
    for is_ca in [IsCa::NoCa, IsCa::ExplicitNoCa] {
        let mut params = params("bt", &["localhost"]);
        params.is_ca = is_ca;
        let own = Made::self_signed(params);
        assert_eq!(said(&[&own.der], &own, "localhost"), Ok(()));
    }
}

#[test]
fn a_certificate_of_an_authority_in_ca_file_is_trusted_by_itself_without_its_authority() {
    let leaf = Made::self_signed(ca("Unknown CA", &[])).issues(params("bt", &["localhost"]));
    let other = Made::self_signed(ca("another entry", &[]));
    assert_eq!(said(&[&other.der, &leaf.der], &leaf, "localhost"), Ok(()));
    assert!(said(&[&other.der], &leaf, "localhost").is_err());
}

#[test]
fn a_trusted_certificate_is_no_proof_without_its_key() {
    let own = Made::self_signed(ca("bt", &["localhost"]));
    let thief = Made::self_signed(ca("bt", &["localhost"]));
    let text = shake(&trusting(&[&own.der]), own.stolen_by(&thief), "localhost").unwrap_err();
    assert!(text.contains("does not prove that it has the key of its certificate"), "{text}");
}

#[test]
fn a_short_rsa_key_is_named_as_the_reason_why_it_proves_nothing() {
    let trusted = crate::tls::certificates(SHORT_KEY.as_bytes()).unwrap();
    let text = crate::tls::refusal::unproven_key(crate::tls::Peer::Appliance, &trusted[0]).in_full();
    assert!(
        text.starts_with("the appliance's certificate has an RSA key of 1024 bits, which is not accepted"),
        "{text}"
    );
}

#[test]
fn a_certificate_that_is_no_authority_vouches_for_no_other() {
    let mut params_ = params("bt", &["localhost"]);
    params_.is_ca = IsCa::ExplicitNoCa;
    let own = Made::self_signed(params_);
    let forged = own.issues(params("forged", &["victim.example.com"]));
    let text = said(&[&own.der], &forged, "victim.example.com").unwrap_err();
    assert!(text.contains("not trusted"), "{text}");
}

#[test]
fn an_authority_in_ca_file_vouches_for_its_certificates_as_before() {
    let authority = Made::self_signed(ca("Example CA", &[]));
    let leaf = authority.issues(params("bt", &["bt.example.com"]));
    assert_eq!(said(&[&authority.der], &leaf, "bt.example.com"), Ok(()));
    let text = said(&[&authority.der], &leaf, "evil.example.com").unwrap_err();
    assert!(text.contains("is issued for bt.example.com, not for evil.example.com"), "{text}");
}

// E5, for a certificate in ca_file, one of an authority, and one that nobody trusts.
#[test]
fn an_expired_certificate_names_the_day_whoever_issued_it() {
    let authority = Made::self_signed(ca("Example CA", &[]));
    let own = Made::self_signed(expired(ca("bt", &["localhost"])));
    let issued = authority.issues(expired(params("bt", &["localhost"])));
    for (trusted, server) in [(&own, &own), (&authority, &issued), (&authority, &own)] {
        let text = said(&[&trusted.der], server, "localhost").unwrap_err();
        assert_eq!(
            text,
            "the appliance's certificate expired on 2024-10-01; install a new certificate on the appliance"
        );
    }
}

#[test]
fn a_certificate_of_the_future_names_the_day_and_the_clock() {
    let authority = Made::self_signed(ca("Example CA", &[]));
    let own = Made::self_signed(of_the_future(ca("bt", &["localhost"])));
    let issued = authority.issues(of_the_future(params("bt", &["localhost"])));
    for (trusted, server) in [(&own, &own), (&authority, &issued)] {
        let text = said(&[&trusted.der], server, "localhost").unwrap_err();
        assert!(
            text.contains("is not valid before 2190-01-31") && text.contains("this machine's clock is wrong"),
            "{text}"
        );
    }
}

#[test]
fn an_expired_intermediate_certificate_is_named_as_the_one_at_fault() {
    let root = Made::self_signed(ca("Root", &[]));
    let middle = root.issues(expired(ca("Middle CA", &[])));
    let leaf = middle.issues(params("bt", &["localhost"])).sent_with(&[&middle]);
    let text = said(&[&root.der], &leaf, "localhost").unwrap_err();
    assert!(
        text.starts_with(
            "the intermediate certificate \"CN=Middle CA\", which the appliance sent, expired on 2024-10-01"
        ),
        "{text}"
    );
}

#[test]
fn a_certificate_without_a_name_is_said_to_have_none() {
    let authority = Made::self_signed(ca("Example CA", &[]));
    let own = Made::self_signed(ca("siem.example.com", &[]));
    let issued = authority.issues(params("siem.example.com", &[]));
    for (trusted, server) in [(&own, &own), (&authority, &issued)] {
        let text = said(&[&trusted.der], server, "siem.example.com").unwrap_err();
        assert!(text.contains("carries no name at all") && text.contains("CN=siem.example.com"), "{text}");
        assert!(text.contains("with the subjectAltName siem.example.com"), "{text}");
    }
}

#[test]
fn a_certificate_of_version_1_in_ca_file_has_no_name() {
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::{ServerName, UnixTime};
    let trusted = crate::tls::certificates(VERSION_1.as_bytes()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let verifier = crate::tls::verifier::Verifier::new(crate::tls::Peer::Receiver, trusted.clone(), &provider).unwrap();
    let name = ServerName::try_from("siem.example.com").unwrap();
    let error = verifier.verify_server_cert(&trusted[0], &[], &name, &[], UnixTime::now()).unwrap_err();
    let text = super::words(&trusting(&[]), &error);
    assert!(text.starts_with("the receiver's certificate carries no name at all"), "{text}");
}

#[test]
fn a_certificate_for_another_purpose_is_refused_also_in_ca_file() {
    let authority = Made::self_signed(ca("Example CA", &[]));
    let own = Made::self_signed(for_clients(params("bt", &["localhost"])));
    let issued = authority.issues(for_clients(params("bt", &["localhost"])));
    for (trusted, server) in [(&own, &own), (&authority, &issued)] {
        let text = said(&[&trusted.der], server, "localhost").unwrap_err();
        assert!(text.contains("for the purpose clientAuth, not for a server (serverAuth)"), "{text}");
    }
}

#[test]
fn a_self_signed_certificate_that_is_not_in_ca_file_leads_there() {
    for params in [ca("bt.example.com", &["localhost"]), params("bt.example.com", &["localhost"])] {
        let own = Made::self_signed(params);
        let text = said(&[], &own, "localhost").unwrap_err();
        assert!(text.contains("is self-signed (CN=bt.example.com) and not trusted"), "{text}");
        assert!(text.contains("put this certificate itself into a PEM file and name it in ca_file"), "{text}");
    }
}

#[test]
fn a_self_signed_certificate_that_was_replaced_is_recognised_by_its_name() {
    let (old, new) = (params("bt", &["localhost"]), params("bt", &["localhost"]));
    let text = said(&[&Made::self_signed(old).der], &Made::self_signed(new), "localhost").unwrap_err();
    assert!(text.contains("is not the one in ca_file, though both are of CN=bt: it was replaced"), "{text}");
}

#[test]
fn an_unknown_issuer_is_named_and_a_missing_intermediate_considered() {
    let root = Made::self_signed(ca("Root", &[]));
    let middle = root.issues(ca("Middle CA", &[]));
    let alone = middle.issues(params("bt", &["localhost"]));
    let text = said(&[&root.der], &alone, "localhost").unwrap_err();
    assert!(text.contains("was issued by \"CN=Middle CA\", which is not trusted"), "{text}");
    assert!(text.contains("no intermediate certificate of that name was sent") && text.contains("ca_file"), "{text}");
    let whole = alone.sent_with(&[&middle]);
    assert_eq!(said(&[&root.der], &whole, "localhost"), Ok(()));
}

#[test]
fn the_unknown_issuer_at_the_end_of_a_chain_is_the_one_that_is_named() {
    let root = Made::self_signed(ca("Private Root", &[]));
    let middle = root.issues(ca("Middle CA", &[]));
    let issued = || middle.issues(params("bt", &["localhost"]));
    for server in [issued().sent_with(&[&middle]), issued().sent_with(&[&root, &middle])] {
        let text = said(&[], &server, "localhost").unwrap_err();
        assert!(text.contains("leads to the issuer \"CN=Private Root\", which is not trusted"), "{text}");
        assert!(text.contains("ca_file") && !text.contains("intermediate"), "{text}");
    }
}

#[test]
fn an_authority_with_the_right_name_and_another_key_is_a_wrong_signature() {
    let (old, new) = (Made::self_signed(ca("Example CA", &[])), Made::self_signed(ca("Example CA", &[])));
    let leaf = new.issues(params("bt", &["localhost"]));
    let text = said(&[&old.der], &leaf, "localhost").unwrap_err();
    assert!(text.contains("is not signed by the trusted certificate of its issuer \"CN=Example CA\""), "{text}");
}

#[test]
fn the_certificate_of_an_authority_must_not_serve_unless_it_is_in_ca_file() {
    let authority = Made::self_signed(ca("Example CA", &[]));
    let leaf = authority.issues(ca("bt", &["localhost"]));
    let text = said(&[&authority.der], &leaf, "localhost").unwrap_err();
    assert!(text.contains("is that of an authority (CA:TRUE), issued by \"CN=Example CA\""), "{text}");
    assert_eq!(said(&[&leaf.der], &leaf, "localhost"), Ok(()));
}

#[test]
fn an_issuer_that_may_not_issue_is_no_authority() {
    let root = Made::self_signed(ca("Root", &[]));
    let middle = root.issues(params("no authority", &["middle"]));
    let leaf = middle.issues(params("bt", &["localhost"])).sent_with(&[&middle]);
    let text = said(&[&root.der], &leaf, "localhost").unwrap_err();
    assert!(text.contains("is not allowed by its authorities"), "{text}");
}

#[test]
fn many_names_are_listed_up_to_a_limit_and_counted() {
    let names: Vec<String> = (0..50).map(|n| format!("host{n}.example.com")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let own = Made::self_signed(params("bt", &names));
    let text = said(&[&own.der], &own, "localhost").unwrap_err();
    assert!(text.contains("host7.example.com and 42 more, not for localhost"), "{text}");
    assert!(!text.contains("host8.") && text.len() < 500, "{text}");
}

#[test]
fn a_name_cannot_write_into_a_terminal() {
    let own = Made::self_signed(params("bt\u{1b}[2J\r\nforged", &["localhost"]));
    let text = said(&[], &own, "localhost").unwrap_err();
    assert!(!text.chars().any(char::is_control), "{text:?}");
}
