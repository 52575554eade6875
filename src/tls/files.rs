//! PEM files (RFC 7468) with certificates and private keys.
//!
//! Errors name the file, the entry and the cure. They never contain key material.

use super::certificate::CertificateFacts;
use crate::file_error::unreadable;
use crate::regular_file::{self, MAX_PEM};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject};
use std::path::Path;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// Reads a file that contains at least one certificate.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    parse_certificates(&read(path)?).map_err(|why| format!("{}: {why}", path.display()))
}

/// Parses PEM text that contains at least one certificate. Errors do not name the file.
pub fn parse_certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    // The byte 0x30 starts the outer SEQUENCE of a certificate in DER.
    if pem.first() == Some(&0x30) && CertificateFacts::read(pem).is_some() {
        return Err(
            "is a certificate in DER, not PEM; convert it: openssl x509 -inform DER -in FILE -out FILE.pem".to_owned()
        );
    }
    let text = text(pem);
    let blocks: Vec<&str> = text.match_indices(BEGIN).map(|(at, _)| block(&text[at..])).collect();
    if blocks.is_empty() {
        return Err(format!("holds no PEM certificate; it must contain {BEGIN}"));
    }
    let count = blocks.len();
    blocks.iter().zip(1..).map(|(block, number)| one(block).map_err(|why| entry(number, count, why))).collect()
}

fn entry(number: usize, count: usize, why: &str) -> String {
    format!("certificate {number} of {count} cannot be read: {why}; export it again")
}

/// Returns the text from one BEGIN line to the next, or to the end.
fn block(text: &str) -> &str {
    let behind = BEGIN.len();
    let end = text[behind..].find("-----BEGIN ").map_or(text.len(), |at| at + behind);
    &text[..end]
}

fn one(block: &str) -> Result<CertificateDer<'static>, &'static str> {
    let certificate = CertificateDer::from_pem_slice(block.as_bytes()).map_err(|error| match error {
        pem::Error::MissingSectionEnd { .. } => "its line -----END CERTIFICATE----- is missing",
        pem::Error::Base64Decode(_) => "its text is not Base64",
        _ => "it is not valid PEM",
    })?;
    // rustls would refuse such a certificate later, without the number of the entry.
    if RootCertStore::empty().add(certificate.clone()).is_err() {
        return Err("its content is not a valid X.509 certificate");
    }
    Ok(certificate)
}

/// Reads a file that contains one private key without a passphrase.
pub(super) fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let shown = path.display();
    let pem = read(path)?;
    PrivateKeyDer::from_pem_slice(text(&pem).as_bytes()).map_err(|error| match error {
        // First, because the parser has no error of its own for an encrypted key.
        _ if contains(&pem, "ENCRYPTED") => format!(
            "{shown}: the key is encrypted with a passphrase; write it without one: openssl pkey -in {shown} -out NEW.key"
        ),
        pem::Error::NoItemsFound => {
            format!("{shown}: holds no private key in PEM; it must contain -----BEGIN PRIVATE KEY-----")
        }
        _ => format!("{shown}: the private key cannot be read: it is not valid PEM; export it again"),
    })
}

fn contains(pem: &[u8], word: &str) -> bool {
    pem.windows(word.len()).any(|window| window == word.as_bytes())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    regular_file::read(path, MAX_PEM).map_err(|error| unreadable(path, &error))
}

/// Decodes a PEM file. Windows editors write a byte order mark at the start, which would hide the first BEGIN line.
fn text(pem: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(pem.strip_prefix(b"\xef\xbb\xbf").unwrap_or(pem))
}
