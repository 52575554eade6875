//! How to reach one source: address, account, session, pace, patience. Plain data.

use crate::model::SourceName;
use crate::tls::ClientIdentity;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// How the client id and secret are shown to the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TokenAuth {
    /// Form first, then Basic as `basic` does it, each if the one before is refused; what worked is remembered.
    #[default]
    Auto,
    /// HTTP Basic (RFC 7617) with the id and the secret as they are, then with both form-encoded (RFC 6749 §2.3.1).
    Basic,
    /// In the form body (RFC 6749 §2.3.1).
    Form,
}

/// What shows that we may read.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// OAuth 2.0 client credentials (RFC 6749 §4.4).
    Oauth {
        /// Path of the token endpoint, such as `/oauth2/token`.
        token_path: String,
        /// API account.
        client_id: String,
        /// Its secret.
        client_secret: SecretString,
        /// How they are shown.
        token_auth: TokenAuth,
    },
    /// A bearer token that somebody made beforehand (RFC 6750 §2.1). Nothing can be done when it dies.
    Bearer(SecretString),
    /// Password Safe's older way: `Authorization: PS-Auth key=…; runas=…; pwd=[…];`.
    Key {
        /// The key of the API registration.
        key: SecretString,
        /// The user in whose name it reads.
        run_as: String,
        /// That user's password, where the registration demands it.
        password: Option<SecretString>,
    },
}

impl Credentials {
    /// What of it nobody may see, also in the form in which it is sent.
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

/// A session that lives in a cookie (Password Safe): opened before the first request, closed after the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPaths {
    /// `POST` opens it.
    pub sign_in: String,
    /// `POST` closes it.
    pub sign_out: String,
}

/// The keys by which the configuration can move the paths of this source: for messages about paths that are not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathKeys {
    /// `base_path`, where the kind has the key.
    pub base_path: Option<String>,
    /// The kind has the key `token_path`.
    pub token_path: bool,
}

/// How to reach one source.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// The source, for events.
    pub source: SourceName,
    /// Scheme, host and port, without a trailing slash.
    pub url: String,
    /// What shows that we may read.
    pub account: Credentials,
    /// The session, where the product wants one.
    pub session: Option<SessionPaths>,
    /// What the configuration can change of the paths.
    pub path_keys: PathKeys,
    /// Media type that is asked for.
    pub accept: &'static str,
    /// Every request has a connection of its own.
    pub close_connections: bool,
    /// PEM bundle that is trusted in addition to the system's roots.
    pub ca_pem: Option<Vec<u8>>,
    /// Client certificate for the connection, with its key.
    pub client_identity: Option<ClientIdentity>,
    /// Requests under way at once; at least 1.
    pub concurrency: usize,
    /// Pace; more than 0.
    pub requests_per_second: f64,
    /// Requests that may be made in an hour, where that is limited.
    pub requests_per_hour: Option<u32>,
    /// From the first request of this client; then everything fails with [`super::WireErrorKind::Deadline`].
    pub deadline: Duration,
    /// TCP and TLS set-up.
    pub connect_timeout: Duration,
    /// Between two reads of a body, and to the first byte of an answer.
    pub read_timeout: Duration,
    /// Attempts of one request in all; 1 = no retry. Answers 429 and 503 do not count: they are waited for until the deadline.
    pub attempts: u32,
    /// The first retry waits up to this, the next up to twice that, …, full jitter.
    pub backoff: Duration,
    /// No wait is longer than this, whatever the server asks; a minute where it does not ask.
    pub max_wait: Duration,
    /// A larger body is a failure.
    pub max_body_bytes: usize,
}

impl ClientSettings {
    /// The defaults for everything but the address and the account: OAuth at `/oauth2/token`, no session.
    pub fn new(source: SourceName, url: impl Into<String>, client_id: impl Into<String>, secret: SecretString) -> Self {
        let account = Credentials::Oauth {
            token_path: "/oauth2/token".to_owned(),
            client_id: client_id.into(),
            client_secret: secret,
            token_auth: TokenAuth::Auto,
        };
        Self::with(source, url, account)
    }

    /// The defaults for everything but the address and the account.
    pub fn with(source: SourceName, url: impl Into<String>, account: Credentials) -> Self {
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
        }
    }
}
