//! TLS of the stream to a receiver (RFC 5425, RFC 9662). Trust, client identity and error texts come from `crate::tls`.

use super::Destination;
use super::session::DeliveryError;
use crate::tls::{self, ClientIdentity, Connector, Explainer, Peer};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use std::sync::Arc;

/// Returns our side of a TLS session with this host, and an explainer for its errors.
///
/// The certificate files are read for every session, because they may have been renewed.
pub(super) fn connection(
    destination: &Destination,
    host: &str,
) -> Result<(ClientConnection, Explainer), DeliveryError> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| failed(format!("{host} cannot be the name in a certificate; correct the host in url")))?;
    let Connector { config, explainer } = connector(destination).map_err(failed)?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(|e| explain(&explainer, &e))?;
    Ok((connection, explainer))
}

fn connector(destination: &Destination) -> Result<Connector, String> {
    let trusted = destination.ca_file.as_deref().map(tls::read_certificates).transpose();
    let trusted = trusted.map_err(|why| format!("ca_file: {why}"))?.unwrap_or_default();
    let files = destination.client_identity.as_ref();
    let identity = files.map(|(certificate, key)| ClientIdentity::read(certificate, key)).transpose()?;
    let peer = if destination.transport.is_relp() { Peer::RelpReceiver } else { Peer::Receiver };
    Connector::new(peer, trusted, identity.as_ref())
}

/// Wraps the text of a TLS failure.
pub(super) fn failed(text: String) -> DeliveryError {
    DeliveryError::Tls(text)
}

/// Returns the text and the cure of a TLS error.
pub(super) fn explain(explainer: &Explainer, error: &rustls::Error) -> DeliveryError {
    failed(explainer.fault(error).map_or_else(|| explainer.describe_transient(error), |fault| fault.in_full()))
}
