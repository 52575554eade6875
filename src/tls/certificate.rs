//! Fields of one certificate (RFC 5280 §4), for decisions and for texts.
//!
//! The texts come from the peer and end in terminals and logs: control characters are replaced, and lengths are
//! limited.

use chrono::{DateTime, Utc};
use std::net::IpAddr;
use x509_parser::der_parser::asn1_rs::Tag;
use x509_parser::extensions::GeneralName;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// Maximum number of characters of a name that are shown.
const MAX_CHARACTERS: usize = 120;

/// Fields of a certificate that decisions and texts need.
#[derive(Clone, Debug)]
pub(super) struct CertificateFacts {
    /// Subject as text, such as `CN=siem, O=Example`.
    pub(super) subject: String,
    /// Issuer as text.
    pub(super) issuer: String,
    /// Subject and issuer in DER. Names are compared byte by byte.
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
    /// Start of validity, in seconds since 1970 (UTC).
    pub(super) not_before: i64,
    /// End of validity, in seconds since 1970 (UTC).
    pub(super) not_after: i64,
    /// DNS names and IP addresses of the subjectAltName extension.
    pub(super) names: Vec<String>,
    /// `cA` of the basicConstraints extension; `None` without the extension.
    pub(super) ca: Option<bool>,
    /// Purposes of the extendedKeyUsage extension; `None` without the extension.
    pub(super) purposes: Option<Vec<String>>,
    /// Whether the certificate may be used by a TLS server: without extendedKeyUsage, or with serverAuth or
    /// anyExtendedKeyUsage (RFC 5280 §4.2.1.12).
    pub(super) may_serve: bool,
    /// Size of an RSA key in bits; `None` for other keys.
    pub(super) rsa_bits: Option<usize>,
    /// Whether the certificate has X.509 version 3.
    pub(super) is_v3: bool,
}

impl CertificateFacts {
    /// Reads a certificate; `None` if it is not valid DER.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let purposes = certificate.extended_key_usage().ok()?.map(|extension| extension.value);
        Some(Self {
            subject: name_text(certificate.subject()),
            issuer: name_text(certificate.issuer()),
            subject_der: certificate.subject().as_raw().to_vec(),
            issuer_der: certificate.issuer().as_raw().to_vec(),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            names: names(&certificate),
            ca: certificate.basic_constraints().ok()?.map(|extension| extension.value.ca),
            may_serve: purposes.is_none_or(|usage| usage.server_auth || usage.any),
            purposes: purposes.map(purpose_names),
            rsa_bits: match certificate.public_key().parsed() {
                Ok(PublicKey::RSA(key)) => Some(key.key_size()),
                _ => None,
            },
            is_v3: certificate.version() == X509Version::V3,
        })
    }

    /// Returns whether the certificate names itself as its issuer.
    pub(super) fn is_self_issued(&self) -> bool {
        self.subject_der == self.issuer_der
    }

    /// Returns whether `other` names this certificate as its issuer.
    pub(super) fn is_named_by(&self, other: &Self) -> bool {
        self.subject_der == other.issuer_der
    }

    /// Returns whether both certificates have the same subject.
    pub(super) fn has_subject_of(&self, other: &Self) -> bool {
        self.subject_der == other.subject_der
    }
}

/// Formats seconds since 1970 as a day in UTC.
pub(super) fn day(seconds: i64) -> String {
    DateTime::<Utc>::from_timestamp(seconds, 0)
        .map_or_else(|| "an unreadable date".to_owned(), |at| at.format("%Y-%m-%d").to_string())
}

/// Makes a text of the peer safe for terminals and logs, and cuts it.
pub(super) fn printable(text: &str) -> String {
    let shown: String = text
        .chars()
        .take(MAX_CHARACTERS)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if shown.len() < text.len() && text.chars().nth(MAX_CHARACTERS).is_some() { format!("{shown}…") } else { shown }
}

/// Returns the names that count for a TLS server: DNS names and IP addresses (RFC 5280 §4.2.1.6).
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    // Two subjectAltName extensions make a certificate invalid: no name is used.
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(printable(name)),
        GeneralName::IPAddress(octets) => address(octets).map(|ip| ip.to_string()),
        _ => None,
    };
    extension.value.general_names.iter().filter_map(text).collect()
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

fn purpose_names(usage: &x509_parser::extensions::ExtendedKeyUsage<'_>) -> Vec<String> {
    let known = [
        (usage.any, "anyExtendedKeyUsage"),
        (usage.server_auth, "serverAuth"),
        (usage.client_auth, "clientAuth"),
        (usage.code_signing, "codeSigning"),
        (usage.email_protection, "emailProtection"),
        (usage.time_stamping, "timeStamping"),
        (usage.ocsp_signing, "OCSPSigning"),
    ];
    let named = known.into_iter().filter(|(is_there, _)| *is_there).map(|(_, name)| name.to_owned());
    named.chain(usage.other.iter().map(x509_parser::der_parser::Oid::to_id_string)).collect()
}

fn name_text(name: &X509Name<'_>) -> String {
    let parts: Vec<String> = name.iter_attributes().map(attribute_text).collect();
    if parts.is_empty() { "an empty name".to_owned() } else { printable(&parts.join(", ")) }
}

fn attribute_text(attribute: &AttributeTypeAndValue<'_>) -> String {
    let kind = attribute.attr_type();
    let key = oid2abbrev(kind, oid_registry()).map_or_else(|_| kind.to_id_string(), str::to_owned);
    let octets = attribute.as_slice();
    let value = match attribute.attr_value().tag() {
        // BMPString is UTF-16 in big-endian order.
        Tag::BmpString => {
            let units: Vec<u16> = octets.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16_lossy(&units)
        }
        // Old authorities write Latin-1 here.
        Tag::TeletexString => octets.iter().copied().map(char::from).collect(),
        _ => String::from_utf8_lossy(octets).into_owned(),
    };
    format!("{key}={value}")
}
