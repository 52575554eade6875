//! Files of certificates and keys: what cannot be read is named by its entry.

use super::pki::{Made, ca, params};
use crate::tls::{ClientIdentity, certificates, read_certificates};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

fn authority(name: &str) -> Made {
    Made::self_signed(ca(name, &[]))
}

fn said(pem: &str) -> String {
    certificates(pem.as_bytes()).unwrap_err()
}

#[test]
fn every_entry_of_a_bundle_is_read_whatever_is_between() {
    let (one, two) = (authority("one"), authority("two"));
    let bundle = format!("\u{feff}# one\n{}\nsubject=two\n{}\n{}", one.pem, two.key_pem(), two.pem);
    assert_eq!(certificates(bundle.as_bytes()).unwrap(), [one.der.clone(), two.der.clone()]);
    let windows = bundle.replace('\n', "\r\n");
    assert_eq!(certificates(windows.as_bytes()).unwrap(), [one.der, two.der]);
}

#[test]
fn a_certificate_that_cannot_be_read_is_named_by_its_place() {
    let (one, two, three) = (authority("one").pem, authority("two").pem, authority("three").pem);
    let second = |damaged: &str| said(&format!("{one}{damaged}{three}"));
    let text = second(&two.replace("MII", "%%%"));
    assert!(text.contains("certificate 2 of 3 cannot be read: its text is not Base64"), "{text}");
    let text = second(&two.replace("-----END CERTIFICATE-----", ""));
    assert!(text.contains("certificate 2 of 3") && text.contains("END CERTIFICATE"), "{text}");
    let text = second("-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n");
    assert!(text.contains("certificate 2 of 3") && text.contains("not a valid X.509 certificate"), "{text}");
    let text = said(&format!("{one}{two}{}", &three[..three.len() / 2]));
    assert!(text.contains("certificate 3 of 3"), "{text}");
}

#[test]
fn a_file_of_another_kind_is_said_to_be_none() {
    assert!(said("no certificate here").contains("holds no PEM certificate"));
    assert!(said("").contains("-----BEGIN CERTIFICATE-----"));
    assert!(said(&authority("one").key_pem()).contains("holds no PEM certificate"));
    let text = certificates(&authority("one").der).unwrap_err();
    assert!(text.contains("DER, not PEM") && text.contains("openssl x509 -inform DER"), "{text}");
}

#[test]
fn a_file_is_named_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    assert!(read_certificates(&path).unwrap_err().starts_with("cannot read /"));
    fs::write(&path, "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n").unwrap();
    let text = read_certificates(&path).unwrap_err();
    assert!(text.starts_with(&format!("{}: certificate 1 of 1 cannot be read", path.display())), "{text}");
}

/// A folder with both files.
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
fn a_key_that_does_not_belong_to_its_certificate_is_said() {
    let (one, two) = (authority("one"), authority("two"));
    assert_eq!(identity(&one.pem, &one.key_pem()), Ok(()));
    let text = identity(&one.pem, &two.key_pem()).unwrap_err();
    assert!(
        text.starts_with("client_key: ") && text.contains("client.key does not belong to the certificate in"),
        "{text}"
    );
}

#[test]
fn a_chain_in_the_wrong_order_is_said_to_be_so() {
    let issuer = authority("issuer");
    let client = issuer.issues(params("client", &["client"]));
    assert_eq!(identity(&format!("{}{}", client.pem, issuer.pem), &client.key_pem()), Ok(()));
    let text = identity(&format!("{}{}", issuer.pem, client.pem), &client.key_pem()).unwrap_err();
    assert!(text.contains("is entry 2; put it first"), "{text}");
}

#[test]
fn a_key_that_cannot_be_used_says_why_and_shows_nothing_of_itself() {
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
