//! Tests of PEM files: an unreadable certificate is reported with its number.

use super::pki::{TestCertificate, ca, params};
use crate::tls::{ClientIdentity, parse_certificates, read_certificates};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

fn authority(name: &str) -> TestCertificate {
    TestCertificate::self_signed(ca(name, &[]))
}

fn error_of(pem: &str) -> String {
    parse_certificates(pem.as_bytes()).unwrap_err()
}

#[test]
fn every_entry_of_a_bundle_is_read_with_any_text_in_between() {
    let (one, two) = (authority("one"), authority("two"));
    let bundle = format!("\u{feff}# one\n{}\nsubject=two\n{}\n{}", one.pem, two.key_pem(), two.pem);
    assert_eq!(parse_certificates(bundle.as_bytes()).unwrap(), [one.der.clone(), two.der.clone()]);
    let windows = bundle.replace('\n', "\r\n");
    assert_eq!(parse_certificates(windows.as_bytes()).unwrap(), [one.der, two.der]);
}

#[test]
fn an_unreadable_certificate_is_reported_with_its_number() {
    let (one, two, three) = (authority("one").pem, authority("two").pem, authority("three").pem);
    let second = |damaged: &str| error_of(&format!("{one}{damaged}{three}"));
    let text = second(&two.replace("MII", "%%%"));
    assert!(text.contains("certificate 2 of 3 cannot be read: its text is not Base64"), "{text}");
    let text = second(&two.replace("-----END CERTIFICATE-----", ""));
    assert!(text.contains("certificate 2 of 3") && text.contains("END CERTIFICATE"), "{text}");
    let text = second("-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n");
    assert!(text.contains("certificate 2 of 3") && text.contains("not a valid X.509 certificate"), "{text}");
    let text = error_of(&format!("{one}{two}{}", &three[..three.len() / 2]));
    assert!(text.contains("certificate 3 of 3"), "{text}");
}

#[test]
fn a_file_without_a_pem_certificate_is_refused() {
    assert!(error_of("no certificate here").contains("holds no PEM certificate"));
    assert!(error_of("").contains("-----BEGIN CERTIFICATE-----"));
    assert!(error_of(&authority("one").key_pem()).contains("holds no PEM certificate"));
    let text = parse_certificates(&authority("one").der).unwrap_err();
    assert!(text.contains("DER, not PEM") && text.contains("openssl x509 -inform DER"), "{text}");
}

#[test]
fn errors_about_a_file_contain_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    assert!(read_certificates(&path).unwrap_err().contains(" does not exist; create it"));
    fs::write(&path, "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n").unwrap();
    let text = read_certificates(&path).unwrap_err();
    assert!(text.starts_with(&format!("{}: certificate 1 of 1 cannot be read", path.display())), "{text}");
}

/// Writes both files to a temporary folder.
fn files(certificate: &str, key: &str) -> (TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let paths = (folder.path().join("client.pem"), folder.path().join("client.key"));
    fs::write(&paths.0, certificate).unwrap();
    fs::write(&paths.1, key).unwrap();
    (folder, paths.0, paths.1)
}

fn identity(certificate: &str, key: &str) -> Result<(), String> {
    let (_folder, certificate, key) = files(certificate, key);
    ClientIdentity::read(&certificate, &key).map(|_| ())
}

#[test]
fn a_key_that_does_not_belong_to_its_certificate_is_refused() {
    let (one, two) = (authority("one"), authority("two"));
    assert_eq!(identity(&one.pem, &one.key_pem()), Ok(()));
    let text = identity(&one.pem, &two.key_pem()).unwrap_err();
    assert!(
        text.starts_with("client_key: ") && text.contains("client.key does not belong to the certificate in"),
        "{text}"
    );
}

#[test]
fn a_chain_in_the_wrong_order_is_refused_with_the_right_order() {
    let issuer = authority("issuer");
    let client = issuer.issues(params("client", &["client"]));
    assert_eq!(identity(&format!("{}{}", client.pem, issuer.pem), &client.key_pem()), Ok(()));
    let text = identity(&format!("{}{}", issuer.pem, client.pem), &client.key_pem()).unwrap_err();
    assert!(text.contains("is entry 2; put it first"), "{text}");
}

#[test]
fn an_unusable_key_is_reported_without_its_content() {
    let one = authority("one");
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nc2VjcmV0\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let text = identity(&one.pem, encrypted).unwrap_err();
    assert!(text.contains("encrypted with a passphrase") && text.contains("openssl pkey"), "{text}");
    let text = identity(&one.pem, &one.pem).unwrap_err();
    assert!(text.contains("holds no private key in PEM"), "{text}");
    let foreign = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
    let text = identity(&one.pem, foreign).unwrap_err();
    assert!(text.contains("cannot be used") && !text.contains("c2VjcmV0"), "{text}");
}
