//! Failures of a request: their messages, their hints, and whether a retry can help.
//!
//! [`WireErrorKind::disposition`] is the only place that decides about retries; [`WireErrorKind::hint`] is the text
//! that names a key or a step. No message contains a secret: texts of a server pass through `excerpt` first.

use super::transport::ConnectFault;
use crate::tls::TlsFault;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// Failure of a request after all its retries.
#[derive(Clone, Debug)]
pub struct WireError {
    /// Method and path of the request that failed: `GET /api/public/v3/users?offset=0&limit=100`. Where no token could
    /// be fetched, this is the token request: `POST /oauth2/token`.
    pub context: String,
    /// Kind of the failure.
    pub kind: WireErrorKind,
    /// Hint that names keys of this source. It takes the place of the general hint of the kind.
    hint: Option<String>,
}

impl Error for WireError {}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            kind @ WireErrorKind::Answered(_) => write!(f, "{} {kind}", self.context),
            kind => write!(f, "{}: {kind}", self.context),
        }
    }
}

impl WireError {
    /// Creates a failure with the general hint of its kind.
    pub fn new(context: impl Into<String>, kind: WireErrorKind) -> Self {
        Self { context: context.into(), kind, hint: None }
    }

    /// Replaces the hint, if there is a new one.
    #[must_use]
    pub(super) fn with_hint(self, hint: Option<String>) -> Self {
        Self { hint: hint.or(self.hint), ..self }
    }

    /// Returns the step that may solve the problem; `None` where none is known.
    pub fn hint(&self) -> Option<Cow<'_, str>> {
        self.hint.as_deref().map(Cow::Borrowed).or_else(|| self.kind.hint())
    }
}

/// Kind of a failure. The texts are lower-case fragments that follow a colon.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireErrorKind {
    /// The token endpoint or the sign-in does not accept the account.
    #[error("the appliance refused the credentials ({0})")]
    Refused(String),
    /// The token endpoint returned an OAuth error that is not about the account (RFC 6749 §5.2).
    #[error("the appliance refused the token request ({0})")]
    TokenRefused(String),
    /// Status 401 of a sign-in that asks for a second factor.
    #[error("the appliance demands a second factor (401)")]
    SecondFactor,
    /// Status 403 of Password Safe: its API registration does not allow our source address.
    #[error("the API registration does not allow the address of this host (403, 4031)")]
    AddressRefused,
    /// Status 403 of a firewall or proxy between this host and the appliance.
    #[error("a firewall or proxy between this host and the appliance refused the request ({0})")]
    Firewall(String),
    /// Any other status of the token endpoint or of the sign-in.
    #[error("answered {0}")]
    Answered(u16),
    /// Status 429 or 503 until no time was left for another attempt.
    #[error("the appliance answered {0} until the deadline of the source")]
    Busy(u16),
    /// Status 401 for a token that was accepted before.
    #[error("the appliance refused the token (401)")]
    Unauthorized,
    /// Status 401 for two tokens at their first use.
    #[error("the appliance refused the request (401), even with a new credential")]
    RequestRefused,
    /// The hourly limits do not allow the requests.
    #[error("{0}")]
    Budget(String),
    /// Status 403 of the appliance: the API account lacks a right.
    #[error("the appliance denied access (403)")]
    Forbidden,
    /// Status 404 for a list or a record.
    #[error("not found (404)")]
    NotFound,
    /// The TLS handshake failed and would fail again.
    #[error("{0}")]
    Tls(TlsFault),
    /// No connection could be opened.
    #[error("{0}")]
    Connect(ConnectFault),
    /// The response was reset, truncated or too slow.
    #[error("the response was not complete: {0}")]
    Broken(String),
    /// Any other status.
    #[error("status {0}")]
    Status(u16),
    /// The response has a good status but not the expected content.
    #[error("unexpected response: {0}")]
    Shape(String),
    /// The body is larger than allowed.
    #[error("the response is larger than {0} bytes")]
    TooLarge(usize),
    /// The response holds more rows, deeper or longer values than this program reads.
    #[error("unexpected response: {0}")]
    Excess(String),
    /// The lists of the source have more rows than `max_rows` allows, or would take too much memory.
    #[error("{0}")]
    Volume(String),
    /// The deadline of the source passed.
    #[error("the deadline of the source passed")]
    Deadline,
    /// The HTTP client could not be created.
    #[error("the HTTP client could not be set up: {0}")]
    Setup(String),
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Wait and retry, up to the configured number of attempts.
    Retry,
    /// Wait longer each time and retry until the deadline: the appliance is overloaded.
    Wait,
    /// Retry once, because the content is wrong. If the appliance has sent valid responses before, retry like
    /// [`Self::Retry`].
    RetryShape,
    /// Fetch a new token and retry.
    Refresh,
    /// Report the failure.
    GiveUp,
}

impl WireErrorKind {
    /// Returns what to do after this failure.
    pub fn disposition(&self) -> Disposition {
        match self {
            // RFC 6585 §4 and RFC 9110 §15.6.4: both statuses announce that the condition is temporary.
            Self::Status(429 | 503) | Self::Answered(429 | 503) => Disposition::Wait,
            Self::Connect(_)
            | Self::Broken(_)
            | Self::Status(408 | 500 | 502 | 504)
            | Self::Answered(408 | 500 | 502 | 504) => Disposition::Retry,
            Self::Shape(_) => Disposition::RetryShape,
            Self::Unauthorized => Disposition::Refresh,
            Self::Refused(_)
            | Self::TokenRefused(_)
            | Self::SecondFactor
            | Self::AddressRefused
            | Self::Firewall(_)
            | Self::Answered(_)
            | Self::Busy(_)
            | Self::RequestRefused
            | Self::Budget(_)
            | Self::Forbidden
            | Self::NotFound
            | Self::Tls(_)
            | Self::Status(_)
            | Self::TooLarge(_)
            | Self::Excess(_)
            | Self::Volume(_)
            | Self::Deadline
            | Self::Setup(_) => Disposition::GiveUp,
        }
    }

    /// Returns the step that may solve the problem; `None` where none is known.
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Tls(fault) => Some(fault.cure().to_owned().into()),
            other => other.fixed_hint().map(Cow::from),
        }
    }

    fn fixed_hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Refused(_) | Self::Unauthorized => {
                "check the credentials in the configuration (client_id and client_secret, api_key and run_as, or token) against the API account of the appliance, and that the account is enabled"
            }
            Self::RequestRefused => {
                "give the API account the right to read this, or replace a token that was created in advance; some appliances also answer 401 to an unknown query parameter"
            }
            Self::Budget(_) => {
                "raise requests_per_hour if the API account may send more, raise deadline_minutes to spread the run over several hours, or run it later"
            }
            Self::TokenRefused(_) => {
                "make sure that the API account of the appliance uses client credentials (RFC 6749 §4.4) and is enabled; token_auth sets how the secret is sent"
            }
            Self::SecondFactor => {
                "use an API registration and a user without a second factor; a scheduled run cannot enter one"
            }
            Self::AddressRefused => {
                "add the address of this host to the authentication rules of the API registration (Configuration > General > API Registrations)"
            }
            Self::Firewall(_) => {
                "let this host reach this path through the firewall or proxy; check HTTPS_PROXY and NO_PROXY"
            }
            Self::Busy(429) => {
                "lower requests_per_second, raise deadline_minutes, or run it when the appliance is less busy"
            }
            Self::Busy(_) => {
                "find out why the appliance is busy or in maintenance, raise deadline_minutes, or run it later"
            }
            Self::NotFound | Self::Answered(404) => "check url and kind: the appliance serves nothing at this path",
            Self::Answered(500..) => "look into the logs of the appliance for the cause",
            Self::Shape(_) => {
                "check url, kind and, if the kind has it, base_path; the API of the appliance must answer there, not a login page or a proxy"
            }
            Self::Forbidden => "give the API account the right to read this; read-only is enough",
            Self::Connect(fault) => fault.cure(),
            Self::Deadline => "raise deadline_minutes or requests_per_second, or find out why the appliance is slow",
            Self::Status(429) => "lower requests_per_second",
            Self::Excess(_) => "find out why the appliance sends such a response; check url and kind",
            Self::Volume(_) => {
                "raise max_rows if the source really has so many users, groups and memberships; otherwise find out why the appliance sends them"
            }
            Self::TooLarge(_) => "lower page_size, or find out why one response is so large",
            Self::Broken(_) | Self::Status(_) | Self::Answered(_) | Self::Setup(_) | Self::Tls(_) => return None,
        })
    }

    /// Returns the final failure for a status that asked to wait; `None` for any other failure.
    pub(super) fn busy(&self) -> Option<Self> {
        match self {
            Self::Status(status) | Self::Answered(status) if self.disposition() == Disposition::Wait => {
                Some(Self::Busy(*status))
            }
            _ => None,
        }
    }
}
