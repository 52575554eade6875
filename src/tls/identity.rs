//! Client certificate with its key, and whether the peer asked for one.
//!
//! A server that refuses a client without a certificate often gives no better reason than `handshake_failure` (RFC 8446
//! §4.4.2.4, RFC 5246 §7.4.6). Therefore the request of the server is recorded.

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

/// Client certificate with its private key: the certificate itself first, then its issuers.
#[derive(Clone)]
pub struct ClientIdentity(Arc<CertifiedKey>);

impl fmt::Debug for ClientIdentity {
    /// Writes the name of the type only: a key must not appear in logs.
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
            // `Unknown`: this kind of key cannot be compared. The handshake will show whether it matches.
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(Self(Arc::new(own))),
            Err(_) => Err(mismatch(&own, client_cert, client_key)),
        }
    }

    fn facts(&self) -> Option<CertificateFacts> {
        CertificateFacts::read(self.0.cert.first()?)
    }
}

/// Returns the error for a key that does not match. If it matches a later certificate of the file, only the order is
/// wrong.
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

/// Client authentication of one connector: the certificate to present, and whether the peer asked for one.
#[derive(Debug)]
pub(super) struct ClientAuth {
    identity: Option<ClientIdentity>,
    asked: AtomicBool,
}

impl ClientAuth {
    pub(super) fn new(identity: Option<&ClientIdentity>) -> Self {
        Self { identity: identity.cloned(), asked: AtomicBool::new(false) }
    }

    /// Returns whether the peer asked for a client certificate in any handshake.
    pub(super) fn was_asked_for(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Returns whether a client certificate is configured.
    pub(super) fn has_identity(&self) -> bool {
        self.identity.is_some()
    }

    /// Returns the fields of the client certificate.
    pub(super) fn facts(&self) -> Option<CertificateFacts> {
        self.identity.as_ref()?.facts()
    }
}

impl ResolvesClientCert for ClientAuth {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        // A flag only, which is read after the handshake: no other memory access depends on it.
        self.asked.store(true, Ordering::Relaxed);
        self.identity.as_ref().map(|identity| Arc::clone(&identity.0))
    }

    fn has_certs(&self) -> bool {
        self.identity.is_some()
    }
}
