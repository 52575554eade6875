//! Settings of the client of one source: address, credentials, session, pace, limits and retries. Plain data.
//!
//! `config` fills them from a `[[source]]` table and from the defaults of its kind.

use crate::model::SourceName;
use crate::tls::ClientIdentity;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// How client id and secret are sent to the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TokenAuth {
    /// Tries [`TokenAuth::Form`], then [`TokenAuth::Basic`] if the endpoint refuses. The form that works is remembered.
    #[default]
    Auto,
    /// HTTP Basic (RFC 7617) with id and secret as they are, then with both form-encoded (RFC 6749 §2.3.1).
    Basic,
    /// Fields of the form in the body (RFC 6749 §2.3.1).
    Form,
}

/// Credentials of a source.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// OAuth 2.0 client credentials (RFC 6749 §4.4).
    Oauth {
        /// Path of the token endpoint, such as `/oauth2/token`.
        token_path: String,
        /// Id of the API account.
        client_id: String,
        /// Secret of the API account.
        client_secret: SecretString,
        /// How both are sent.
        token_auth: TokenAuth,
    },
    /// Bearer token that was created in advance (RFC 6750 §2.1). It cannot be renewed when it expires.
    Bearer(SecretString),
    /// Older authentication of Password Safe: `Authorization: PS-Auth key=…; runas=…; pwd=[…];`.
    Key {
        /// Key of the API registration.
        key: SecretString,
        /// Name of the user on whose behalf the API is read.
        run_as: String,
        /// Password of that user, if the registration demands it.
        password: Option<SecretString>,
    },
}

impl Credentials {
    /// Returns every secret as it is, and as it is sent in a form.
    pub(super) fn secrets(&self) -> Vec<String> {
        let secrets = match self {
            Self::Oauth { client_secret, .. } => vec![client_secret],
            Self::Bearer(token) => vec![token],
            Self::Key { key, password, .. } => [Some(key), password.as_ref()].into_iter().flatten().collect(),
        };
        let both = |secret: &SecretString| {
            let plain = secret.expose_secret().to_owned();
            [super::token::form_encoded(&plain), plain]
        };
        secrets.into_iter().flat_map(both).collect()
    }
}

/// Paths of a session that is kept in a cookie (Password Safe). It is opened before the first request and closed after
/// the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPaths {
    /// Path whose `POST` opens the session.
    pub sign_in: String,
    /// Path whose `POST` closes the session.
    pub sign_out: String,
}

/// Configuration keys that move the paths of a source. Hints about paths that were not found name them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathKeys {
    /// Value of `base_path`; `None` if the kind has no such key.
    pub base_path: Option<String>,
    /// Whether the kind has the key `token_path`.
    pub token_path: bool,
}

/// Settings of the client of one source.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Name of the source, for events and messages.
    pub source: SourceName,
    /// Scheme, host and port, without a trailing slash.
    pub url: String,
    /// Credentials of the API account.
    pub account: Credentials,
    /// Paths of the session, if the product needs one.
    pub session: Option<SessionPaths>,
    /// Configuration keys that move the paths.
    pub path_keys: PathKeys,
    /// Value of the header `Accept`.
    pub accept: &'static str,
    /// Whether every request uses a connection of its own.
    pub close_connections: bool,
    /// PEM bundle of certificates that are trusted in addition to those of the system.
    pub ca_pem: Option<Vec<u8>>,
    /// Client certificate with its key.
    pub client_identity: Option<ClientIdentity>,
    /// Maximum number of requests in flight; at least 1.
    pub concurrency: usize,
    /// Maximum number of requests per second; more than 0.
    pub requests_per_second: f64,
    /// Maximum number of requests per hour; `None` without a limit.
    pub requests_per_hour: Option<u32>,
    /// Time from the first request until every request fails with [`super::WireErrorKind::Deadline`].
    pub deadline: Duration,
    /// Time limit for opening a connection, TLS included.
    pub connect_timeout: Duration,
    /// Time limit for the first byte of a response and between two reads of its body.
    pub read_timeout: Duration,
    /// Maximum number of attempts of one request; 1 means no retry. Responses 429 and 503 do not count: the client
    /// retries after them until the deadline.
    pub attempts: u32,
    /// Maximum wait before the first retry. It doubles with every retry; the actual wait is random below it (full
    /// jitter).
    pub backoff: Duration,
    /// Maximum of every wait, even if the server asks for more.
    pub max_wait: Duration,
    /// Maximum size of a body; a larger one is an error.
    pub max_body_bytes: usize,
    /// Maximum number of rows of all lists of the source. The memory that its answers may take follows from it.
    pub max_rows: u64,
    /// Time limit for one response from the request to its last byte. A body that trickles never meets `read_timeout`.
    pub response_limit: Duration,
    /// The same for a token and for a sign-in.
    pub sign_in_limit: Duration,
    /// Time limit for the body of a sign-in. What matters is in its headers.
    pub sign_in_body_limit: Duration,
    /// How long closing a session waits for a sign-in that is still in flight.
    pub pending_sign_in_limit: Duration,
    /// Time limit for signing out.
    pub sign_out_limit: Duration,
}

/// Limits of one response.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResponseLimits {
    /// From the request to the last byte of the response.
    pub(super) time: Duration,
    /// Size of the body, compressed and decompressed.
    pub(super) bytes: usize,
}

/// Maximum size of the body of a token, a sign-in or a sign-out.
const SIGN_IN_BYTES: usize = 1 << 20;
/// Memory that one row may take on average, in bytes.
const BYTES_A_ROW: u64 = 1024;
/// Memory that every source may take, in bytes.
const LEAST_MEMORY: u64 = 256 << 20;
/// Memory of a decoded answer as a multiple of its largest body.
const MEMORY_A_BODY: u64 = 8;

impl ClientSettings {
    /// Creates settings with the defaults for everything but address and credentials.
    pub fn new(source: SourceName, url: impl Into<String>, account: Credentials) -> Self {
        Self {
            source,
            url: url.into(),
            account,
            session: None,
            path_keys: PathKeys::default(),
            accept: "application/json",
            close_connections: false,
            ca_pem: None,
            client_identity: None,
            concurrency: 4,
            requests_per_second: 15.0,
            requests_per_hour: None,
            deadline: Duration::from_secs(3600),
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
            attempts: 6,
            backoff: Duration::from_millis(500),
            max_wait: Duration::from_secs(120),
            max_body_bytes: 64 << 20,
            max_rows: 2_000_000,
            response_limit: Duration::from_secs(300),
            sign_in_limit: Duration::from_secs(60),
            sign_in_body_limit: Duration::from_secs(5),
            // Both follow a signal, which ends a run within 30 seconds.
            pending_sign_in_limit: Duration::from_secs(15),
            sign_out_limit: Duration::from_secs(10),
        }
    }

    /// Returns the limits of a response with a list or a record.
    pub(super) fn of_data(&self) -> ResponseLimits {
        // A body must leave room for what is decoded from it.
        let bytes = usize::try_from(self.max_memory()).unwrap_or(usize::MAX).min(self.max_body_bytes);
        ResponseLimits { time: self.response_limit.max(self.read_timeout), bytes }
    }

    /// Returns the limits of the response to a token request, a sign-in or a sign-out.
    pub(super) fn of_sign_in(&self) -> ResponseLimits {
        ResponseLimits { time: self.sign_in_limit, bytes: SIGN_IN_BYTES.min(self.max_body_bytes) }
    }

    /// Returns the memory that all answers of the source may take, in bytes.
    pub(super) fn max_memory(&self) -> u64 {
        self.max_rows.saturating_mul(BYTES_A_ROW).max(LEAST_MEMORY)
    }

    /// Returns the memory that one answer may take, in bytes.
    pub(super) fn max_body_memory(&self) -> u64 {
        (self.max_body_bytes as u64).saturating_mul(MEMORY_A_BODY).min(self.max_memory())
    }

    /// Creates settings for OAuth at `/oauth2/token` with the client id `id`.
    #[cfg(test)]
    pub(super) fn for_tests(url: &str, secret: &str) -> Self {
        let account = Credentials::Oauth {
            token_path: "/oauth2/token".to_owned(),
            client_id: "id".to_owned(),
            client_secret: SecretString::from(secret.to_owned()),
            token_auth: TokenAuth::Auto,
        };
        Self::new("test".into(), url, account)
    }
}
