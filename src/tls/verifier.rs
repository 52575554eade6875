//! Decides whether a server's certificate is trusted. The platform's verifier decides (webpki with the system's roots and `ca_file`),
//! except for a certificate that is in `ca_file` itself, octet by octet: it is trusted for the names that it carries, while it is
//! valid. webpki refuses such a certificate with `CA:TRUE`, as `openssl req -x509` makes it.

use super::certificate::CertificateFacts;
use super::{Peer, TlsFault, refusal};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use rustls_platform_verifier::Verifier as Platform;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Verifier {
    peer: Peer,
    /// The certificates of `ca_file`, each trusted by itself.
    trusted: Vec<CertificateDer<'static>>,
    /// `None` where neither the system nor `ca_file` has an authority.
    authorities: Option<Platform>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    /// Errors, in words: nothing at all can be trusted.
    pub(super) fn new(
        peer: Peer,
        trusted: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        // A certificate that is explicitly no authority (RFC 5280 §4.2.1.9) vouches for itself only.
        let may_issue =
            |der: &&CertificateDer<'_>| CertificateFacts::read(der).is_none_or(|facts| facts.ca != Some(false));
        let authorities: Vec<_> = trusted.iter().filter(may_issue).cloned().collect();
        let authorities = Platform::new_with_extra_roots(authorities, Arc::clone(provider)).ok();
        if authorities.is_none() && trusted.is_empty() {
            return Err(
                "the system has no trusted certificate authorities; install them (package ca-certificates), or name one in ca_file"
                    .to_owned(),
            );
        }
        Ok(Self { peer, trusted, authorities, algorithms: provider.signature_verification_algorithms })
    }

    fn by_authorities(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsFault> {
        let verified = match &self.authorities {
            Some(platform) => platform.verify_server_cert(end_entity, intermediates, name, ocsp_response, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        verified.map_err(|error| {
            let sent = refusal::PeerMessages::new(self.peer, end_entity, intermediates, name, seconds(now));
            sent.explain(&error, &self.trusted)
        })
    }

    /// Validity, purpose and name; the signature of the handshake proves that the server has the key.
    fn by_itself(&self, end_entity: &CertificateDer<'_>, name: &ServerName<'_>, now: UnixTime) -> Result<(), TlsFault> {
        let now = seconds(now);
        let sent = refusal::PeerMessages::new(self.peer, end_entity, &[], name, now);
        let Some(facts) = sent.end_entity() else { return Err(sent.malformed()) };
        if now > facts.not_after {
            return Err(sent.expired());
        }
        if now < facts.not_before {
            return Err(sent.not_yet_valid());
        }
        if facts.names.is_empty() {
            return Err(sent.other_names());
        }
        if !facts.may_serve {
            return Err(sent.wrong_purpose(facts));
        }
        let parsed = ParsedCertificate::try_from(end_entity).map_err(|error| sent.explain(&error, &self.trusted))?;
        verify_server_name(&parsed, name).map_err(|_| sent.other_names())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let is_trusted = self.trusted.iter().any(|trusted| trusted == end_entity);
        let verified = if is_trusted {
            self.by_itself(end_entity, name, now).map(|()| ServerCertVerified::assertion())
        } else {
            self.by_authorities(end_entity, intermediates, name, ocsp_response, now)
        };
        verified.map_err(as_error)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
            .map_err(|_| as_error(refusal::unproven_key(self.peer, certificate)))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
            .map_err(|_| as_error(refusal::unproven_key(self.peer, certificate)))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn seconds(now: UnixTime) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

/// rustls answers the server with `certificate_unknown` (RFC 8446 §6.2: some other issue made the certificate unacceptable).
fn as_error(fault: TlsFault) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(fault))))
}
