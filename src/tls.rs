//! TLS to appliances and syslog receivers: one client configuration for both, and texts for failed handshakes.
//!
//! Roots are those of the system plus `ca_file`. Verification is never reduced: chain, validity, name, purpose and the
//! signature of the handshake. One rule is added to webpki: a certificate in `ca_file` is trusted itself, byte for byte
//! (`verifier`). Only TLS 1.2 and 1.3.
//!
//! Called by `wire::connect`, `syslog::tls` and `config`. Knows nothing of HTTP, syslog or the configuration file.
//!
//! - `files`: reads certificates and keys from PEM files
//! - `certificate`: reads the fields of one certificate
//! - `identity`: presents the client certificate, and records whether the peer asked for one
//! - `verifier`: decides whether a server certificate is trusted
//! - `refusal`: describes a refused certificate
//! - `session`: describes any other failure of a handshake

mod certificate;
mod files;
mod identity;
mod refusal;
mod session;
#[cfg(test)]
pub(crate) mod tests;
mod verifier;

pub use files::{parse_certificates, read_certificates};
pub use identity::ClientIdentity;
pub use session::Explainer;

use identity::ClientAuth;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use std::fmt;
use std::sync::Arc;

/// Kind of server at the other end, named in every text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Appliance whose API is read.
    Appliance,
    /// Receiver of syslog events.
    Receiver,
    /// Receiver of events over HTTP.
    HttpReceiver,
    /// Receiver of syslog events over RELP.
    RelpReceiver,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Appliance => "the appliance",
            Self::Receiver | Self::RelpReceiver | Self::HttpReceiver => "the receiver",
        })
    }
}

/// TLS failure that another attempt would not change: what happened, and the cure. Both are fragments in lower case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct TlsFault {
    what: String,
    cure: String,
}

impl TlsFault {
    fn new(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { what: what.into(), cure: cure.into() }
    }

    /// Adds the address to the text: `address: what`.
    #[must_use]
    pub fn at(self, address: &str) -> Self {
        Self { what: format!("{address}: {}", self.what), ..self }
    }

    /// Returns the cure, with a key of the configuration or a place.
    pub fn cure(&self) -> &str {
        &self.cure
    }

    /// Returns both parts in one line: `what; cure`.
    pub fn in_full(&self) -> String {
        format!("{}; {}", self.what, self.cure)
    }
}

/// TLS client configuration, with the texts for its failures.
pub struct Connector {
    /// Configuration for rustls.
    pub config: ClientConfig,
    /// Describes the failures of handshakes with this configuration.
    pub explainer: Explainer,
}

impl Connector {
    /// Builds the configuration for one peer. `trusted` are the certificates of `ca_file`. Errors are texts: there is
    /// no usable root.
    pub fn new(
        peer: Peer,
        trusted: Vec<CertificateDer<'static>>,
        identity: Option<&ClientIdentity>,
    ) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = verifier::Verifier::new(peer, trusted, &provider)?;
        let client_auth = Arc::new(ClientAuth::new(identity));
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| "TLS 1.2 and 1.3 are not available in this build".to_owned())?
            // rustls calls every custom verifier dangerous. This one only adds a rule to the verifier of the platform.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::clone(&client_auth) as _);
        Ok(Self { config, explainer: Explainer::new(peer, client_auth) })
    }
}
