//! Our client certificate with its key, and whether the peer has asked for one: a server that refuses a client without a certificate
//! often gives no better reason than `handshake_failure` (RFC 8446 §4.4.2.4, RFC 5246 §7.4.6).

use super::certificate::CertificateFacts;
use super::files;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, SignatureScheme};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A client certificate (its own first, issuers behind it) with its private key.
#[derive(Clone)]
pub struct ClientIdentity(Arc<CertifiedKey>);

impl fmt::Debug for ClientIdentity {
    /// Shows no key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientIdentity")
    }
}

impl ClientIdentity {
    /// Reads both files. Errors name the key of the configuration, the file and the cure.
    pub fn read(client_cert: &Path, client_key: &Path) -> Result<Self, String> {
        let chain = files::read_certificates(client_cert).map_err(|why| format!("client_cert: {why}"))?;
        let key = files::read_key(client_key).map_err(|why| format!("client_key: {why}"))?;
        let provider = rustls::crypto::ring::default_provider();
        let signing = provider.key_provider.load_private_key(key).map_err(|_| {
            format!(
                "client_key: {}: a key of this kind cannot be used; make an ECDSA P-256, P-384 or Ed25519 key, or RSA with 2048 to 8192 bits",
                client_key.display()
            )
        })?;
        let own = CertifiedKey::new(chain, signing);
        match own.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(Self(Arc::new(own))),
            Err(_) => Err(mismatch(&own, client_cert, client_key)),
        }
    }

    fn facts(&self) -> Option<CertificateFacts> {
        CertificateFacts::read(self.0.cert.first()?)
    }
}

/// The key may belong to a later certificate of the file: then only their order is wrong.
fn mismatch(own: &CertifiedKey, client_cert: &Path, client_key: &Path) -> String {
    let key = own.key.public_key();
    let belongs = |certificate: &CertificateDer<'_>| {
        ParsedCertificate::try_from(certificate).is_ok_and(|parsed| Some(parsed.subject_public_key_info()) == key)
    };
    let (certificate, key) = (client_cert.display(), client_key.display());
    match own.cert.iter().position(belongs) {
        Some(at) => format!(
            "client_cert: {certificate}: the certificate of client_key is entry {}; put it first, and its issuers behind it",
            at + 1
        ),
        None => format!(
            "client_key: {key} does not belong to the certificate in {certificate}; name the key that its request was made with"
        ),
    }
}

/// What is shown to the peer, and what the peer asked.
#[derive(Debug)]
pub(super) struct Presented {
    identity: Option<ClientIdentity>,
    asked: AtomicBool,
}

impl Presented {
    pub(super) fn new(identity: Option<&ClientIdentity>) -> Self {
        Self { identity: identity.cloned(), asked: AtomicBool::new(false) }
    }

    /// Whether the peer asked for a client certificate in some handshake.
    pub(super) fn was_asked_for(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether there is a client certificate to show.
    pub(super) fn has_identity(&self) -> bool {
        self.identity.is_some()
    }

    /// What our certificate says.
    pub(super) fn facts(&self) -> Option<CertificateFacts> {
        self.identity.as_ref()?.facts()
    }
}

impl ResolvesClientCert for Presented {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.identity.as_ref().map(|identity| Arc::clone(&identity.0))
    }

    fn has_certs(&self) -> bool {
        self.identity.is_some()
    }
}
