//! TLS for the stream to a receiver (RFC 5425, RFC 9662). Trust, identity and words are those of `crate::tls`.

use super::Destination;
use super::transport::DeliveryError;
use crate::tls::{self, ClientIdentity, Connector, Explainer, Peer};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use std::sync::Arc;

/// Returns our side of a session with this host, and what explains its failures. The files are read for every session: they may
/// have been renewed.
pub(super) fn connection(
    destination: &Destination,
    host: &str,
) -> Result<(ClientConnection, Explainer), DeliveryError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| {
        failed(format!("{host} is not a host name that a certificate can carry; correct the host in url"))
    })?;
    let Connector { config, explainer } = connector(destination).map_err(failed)?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(|e| explain(&explainer, &e))?;
    Ok((connection, explainer))
}

fn connector(destination: &Destination) -> Result<Connector, String> {
    let trusted = destination.ca_file.as_deref().map(tls::read_certificates).transpose();
    let trusted = trusted.map_err(|why| format!("ca_file: {why}"))?.unwrap_or_default();
    let files = destination.client_identity.as_ref();
    let identity = files.map(|(certificate, key)| ClientIdentity::read(certificate, key)).transpose()?;
    Connector::new(Peer::Receiver, trusted, identity.as_ref())
}

pub(super) fn failed(text: String) -> DeliveryError {
    DeliveryError::Tls(text)
}

/// Puts an error of TLS into words, with its cure.
pub(super) fn explain(explainer: &Explainer, error: &rustls::Error) -> DeliveryError {
    failed(explainer.fault(error).map_or_else(|| explainer.passing(error), |fault| fault.in_full()))
}
