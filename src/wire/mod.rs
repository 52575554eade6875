//! One HTTP request to an appliance, with authentication, retry, pacing and redaction.
//! Knows nothing of users, groups or any product's fields. Never writes to an appliance: it can only GET,
//! and POST to the token endpoint.

pub mod page;

use crate::event::Observer;
use crate::model::SourceName;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

/// How the client id and secret are shown to the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TokenAuth {
    /// Form first, then Basic if the form is refused; what worked is remembered.
    #[default]
    Auto,
    /// HTTP Basic (RFC 6749 §2.3.1).
    Basic,
    /// In the form body (RFC 6749 §2.3.1).
    Form,
}

/// How to reach one source.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// The source, for events.
    pub source: SourceName,
    /// Scheme, host and port, without a trailing slash.
    pub url: String,
    /// Path of the token endpoint, `/oauth2/token`.
    pub token_path: String,
    /// API account.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// How they are shown.
    pub token_auth: TokenAuth,
    /// PEM bundle that is trusted beside the system roots.
    pub ca_pem: Option<Vec<u8>>,
    /// Requests under way at once; at least 1.
    pub concurrency: usize,
    /// Pace; more than 0.
    pub requests_per_second: f64,
    /// From the first request of this client; then everything fails with [`WireErrorKind::Deadline`].
    pub deadline: Duration,
    /// TCP and TLS set-up.
    pub connect_timeout: Duration,
    /// Between two reads of a body, and to the first byte of an answer.
    pub read_timeout: Duration,
    /// Attempts of one GET in all; 1 = no retry.
    pub attempts: u32,
    /// The first retry waits up to this, the next up to twice that, …, full jitter.
    pub backoff: Duration,
    /// No wait is longer than this, whatever the server asks.
    pub max_wait: Duration,
    /// A larger body is a failure.
    pub max_body_bytes: usize,
}

/// A decoded answer that knows how many rows it holds.
pub trait Body: DeserializeOwned {
    /// Rows, where it is a list.
    fn rows(&self) -> Option<u64> {
        None
    }
}

/// Why a request, with all its retries, came to nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{context}: {kind}")]
pub struct WireError {
    /// `GET /api/public/v3/users?offset=0&limit=100`.
    pub context: String,
    /// What.
    pub kind: WireErrorKind,
}

/// What went wrong. Texts are lower-case fragments.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireErrorKind {
    /// 401 from the token endpoint, or 401 again after a fresh token.
    #[error("the appliance refused the client id or secret ({0})")]
    Refused(String),
    /// 403.
    #[error("the appliance forbids it (403): the API account lacks a right")]
    Forbidden,
    /// 404.
    #[error("not there (404)")]
    NotFound,
    /// The certificate is not trusted.
    #[error("the appliance's certificate is not trusted: {0}")]
    Certificate(String),
    /// No connection.
    #[error("no connection: {0}")]
    Connect(String),
    /// The answer broke off: reset, truncated, timed out.
    #[error("the answer broke off: {0}")]
    Broken(String),
    /// Another status.
    #[error("status {0}")]
    Status(u16),
    /// 200 with the wrong shape.
    #[error("the answer has the wrong shape: {0}")]
    Shape(String),
    /// The body is larger than allowed.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The source's deadline passed.
    #[error("the deadline passed")]
    Deadline,
    /// The client could not be made.
    #[error("the client could not be set up: {0}")]
    Setup(String),
}
