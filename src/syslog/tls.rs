//! TLS of the stream to a receiver (RFC 5425, RFC 9662), and the certificate files of every destination. Trust, client identity and error texts come from `crate::tls`.

use super::SyslogDestination;
use super::session::DeliveryError;
use crate::tls::{self, ClientIdentity, Connector, Explainer, Peer};
use rustls::ClientConnection;
use rustls::pki_types::{CertificateDer, ServerName};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Returns our side of a TLS session with this host, and an explainer for its errors.
///
/// The certificate files are read for every session, because they may have been renewed.
pub(super) fn connection(
    destination: &SyslogDestination,
    host: &str,
) -> Result<(ClientConnection, Explainer), DeliveryError> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| failed(format!("{host} cannot be the name in a certificate; correct the host in url")))?;
    let Connector { config, explainer } = connector(destination).map_err(failed)?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(|e| explain(&explainer, &e))?;
    Ok((connection, explainer))
}

fn connector(destination: &SyslogDestination) -> Result<Connector, String> {
    let (trusted, identity) = files(destination.ca_file.as_deref(), destination.client_identity.as_ref())?;
    let peer = if destination.transport.is_relp() { Peer::RelpReceiver } else { Peer::Receiver };
    Connector::new(peer, trusted, identity.as_ref())
}

/// Reads `ca_file`, and `client_cert` with its `client_key`. The error names the key.
pub(super) fn files(
    ca_file: Option<&Path>,
    client_identity: Option<&(PathBuf, PathBuf)>,
) -> Result<(Vec<CertificateDer<'static>>, Option<ClientIdentity>), String> {
    let trusted = ca_file.map(tls::read_certificates).transpose().map_err(|why| format!("ca_file: {why}"))?;
    let identity = client_identity.map(|(certificate, key)| ClientIdentity::read(certificate, key)).transpose()?;
    Ok((trusted.unwrap_or_default(), identity))
}

/// Wraps the text of a TLS failure.
pub(super) fn failed(text: String) -> DeliveryError {
    DeliveryError::Tls(text)
}

/// Returns the text and the cure of a TLS error.
pub(super) fn explain(explainer: &Explainer, error: &rustls::Error) -> DeliveryError {
    failed(explainer.fault(error).map_or_else(|| explainer.describe_transient(error), |fault| fault.in_full()))
}
