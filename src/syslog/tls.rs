//! TLS for the stream to a receiver (RFC 5425, RFC 9662): the system roots and `ca_file`, the name always verified, our
//! certificate where one is configured. There is no switch that skips verification.

use super::Destination;
use super::transport::DeliveryError;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection};
use rustls_platform_verifier::Verifier;
use std::path::Path;
use std::sync::Arc;

/// The client's side of a session to this host.
pub(super) fn connection(destination: &Destination, host: &str) -> Result<ClientConnection, DeliveryError> {
    let name =
        ServerName::try_from(host.to_owned()).map_err(|_| failed(format!("{host:?} is no host name for TLS")))?;
    let config = configuration(destination)?;
    ClientConnection::new(Arc::new(config), name).map_err(|e| failed(e.to_string()))
}

fn configuration(destination: &Destination) -> Result<ClientConfig, DeliveryError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let extra = destination.ca_file.as_deref().map(certificates).transpose()?.unwrap_or_default();
    let verifier = Verifier::new_with_extra_roots(extra, Arc::clone(&provider))
        .map_err(|e| failed(format!("no certificate authority can be used: {e}; name one in ca_file")))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| failed(e.to_string()))?
        // Ours is the platform's verifier with further roots: full verification.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    match &destination.client_identity {
        None => Ok(builder.with_no_client_auth()),
        Some((chain, key)) => builder
            .with_client_auth_cert(certificates(chain)?, private_key(key)?)
            .map_err(|e| failed(format!("client_cert and client_key: {e}"))),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, DeliveryError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|e| failed(format!("cannot read {}: {e}", path.display())))?;
    // A file without any certificate is read without an error.
    if found.is_empty() {
        return Err(failed(format!("{} holds no PEM certificate (-----BEGIN CERTIFICATE-----)", path.display())));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, DeliveryError> {
    PrivateKeyDer::from_pem_file(path).map_err(|e| failed(format!("cannot read {}: {e}", path.display())))
}

pub(super) fn failed(text: String) -> DeliveryError {
    DeliveryError::Tls(text)
}

/// What the cryptography said, with the knob to turn.
pub(super) fn explain(error: &rustls::Error) -> DeliveryError {
    failed(match error {
        rustls::Error::InvalidCertificate(why) => {
            format!(
                "the receiver's certificate is not trusted: {why:?}; name its authority in ca_file, and check the host in url"
            )
        }
        rustls::Error::AlertReceived(alert) => {
            format!(
                "the receiver refused the session ({alert:?}); does it want a client certificate (client_cert, client_key)?"
            )
        }
        rustls::Error::InvalidMessage(_) => {
            "the receiver does not speak TLS there; check the port, or write tcp:// in url".to_owned()
        }
        other => format!("TLS failed: {other}"),
    })
}
