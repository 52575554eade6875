//! TLS to appliances and to syslog receivers: one client configuration for both, and one place that puts a failed handshake into words.
//!
//! Trust is the system's roots plus `ca_file`. Verification is always complete: chain, validity, name, purpose, and the signature of
//! the handshake. The one addition to webpki: a certificate that is in `ca_file` byte for byte is trusted by itself (`verifier`).
//! TLS 1.2 and 1.3 only. Knows nothing of HTTP, syslog or the configuration's tables; called by `wire::connect`, `syslog::tls` and `config`.
//!
//! - `files` PEM files -> certificates and keys      - `identity` our client certificate, and whether the peer asked for it
//! - `certificate` what a certificate says           - `verifier` trust
//! - `refusal` a refused certificate in words        - `session` any other failure of a handshake in words

mod certificate;
mod files;
mod identity;
mod refusal;
mod session;
#[cfg(test)]
pub(crate) mod tests;
mod verifier;

pub use files::{certificates, read_certificates};
pub use identity::ClientIdentity;
pub use session::Explainer;

use identity::Presented;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use std::fmt;
use std::sync::Arc;

/// The kind of server at the other end; the subject of every text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// An appliance whose API is read.
    Appliance,
    /// A syslog receiver.
    Receiver,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Appliance => "the appliance",
            Self::Receiver => "the receiver",
        })
    }
}

/// A failure that the same handshake will meet again: what happened, and the cure. Both are lower-case fragments.
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

    /// Returns what to do, with a key or a place.
    pub fn cure(&self) -> &str {
        &self.cure
    }

    /// Returns both in one line: `what; cure`.
    pub fn in_full(&self) -> String {
        format!("{}; {}", self.what, self.cure)
    }
}

/// A client configuration, and what explains the failures of its handshakes.
pub struct Connector {
    /// For rustls.
    pub config: ClientConfig,
    /// For its errors.
    pub explainer: Explainer,
}

impl Connector {
    /// Builds the configuration for one peer. `trusted` are the certificates of `ca_file`.
    /// Errors, in words: no root can be used at all.
    pub fn new(
        peer: Peer,
        trusted: Vec<CertificateDer<'static>>,
        identity: Option<&ClientIdentity>,
    ) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = verifier::Verifier::new(peer, trusted, &provider)?;
        let presented = Arc::new(Presented::new(identity));
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| "TLS 1.2 and 1.3 are not available in this build".to_owned())?
            // The verifier adds to the platform's; it leaves nothing out.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::clone(&presented) as _);
        Ok(Self { config, explainer: Explainer::new(peer, presented) })
    }
}
