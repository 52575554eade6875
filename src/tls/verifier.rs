//! Decides whether the certificate of a server is trusted.
//!
//! The verifier of the platform decides: webpki, with the roots of the system and `ca_file`. The exception is a
//! certificate that is itself in `ca_file`, byte for byte: it is trusted for its own names while it is valid. webpki
//! refuses such a certificate if it has `CA:TRUE`, as those made by `openssl req -x509` do.

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

/// Verifier of server certificates for one peer.
#[derive(Debug)]
pub(super) struct Verifier {
    peer: Peer,
    /// Certificates of `ca_file`, each trusted itself.
    trusted: Vec<CertificateDer<'static>>,
    /// Verifier of the platform; `None` if neither the system nor `ca_file` has an authority.
    authorities: Option<Platform>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    /// Builds the verifier. Errors are texts: no certificate at all could be trusted.
    pub(super) fn new(
        peer: Peer,
        trusted: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        // A certificate that is explicitly no authority (RFC 5280 §4.2.1.9) must not issue others: it is trusted only
        // itself.
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

    /// Verifies a certificate by the authorities of the system and `ca_file`.
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
            let sent = refusal::ServerChain::new(self.peer, end_entity, intermediates, name, seconds(now));
            sent.explain(&error, &self.trusted)
        })
    }

    /// Verifies a certificate of `ca_file` itself: validity, purpose and name. The signature of the handshake proves
    /// the key.
    fn by_itself(&self, end_entity: &CertificateDer<'_>, name: &ServerName<'_>, now: UnixTime) -> Result<(), TlsFault> {
        let now = seconds(now);
        let sent = refusal::ServerChain::new(self.peer, end_entity, &[], name, now);
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

/// Wraps a fault for rustls, which returns it to the explainer.
///
/// rustls answers the server with the alert `certificate_unknown` (RFC 8446 §6.2: some other issue made the certificate
/// unacceptable).
fn as_error(fault: TlsFault) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(fault))))
}
