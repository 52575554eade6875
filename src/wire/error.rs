//! What can go wrong with a request, what to do about it, and what to tell people. Nothing secret can be in it.

use crate::tls::{Explainer, TlsFault};
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;

/// Why a request, with all its retries, failed.
#[derive(Clone, Debug)]
pub struct WireError {
    /// The request that failed: `GET /api/public/v3/users?offset=0&limit=100`, or `POST /oauth2/token` where it was that one.
    pub context: String,
    /// What went wrong with it.
    pub kind: WireErrorKind,
    /// A cure that names keys of this source; it takes the place of the usual one.
    cure: Option<String>,
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
    /// A failure with the usual cure of its kind.
    pub fn new(context: impl Into<String>, kind: WireErrorKind) -> Self {
        Self { context: context.into(), kind, cure: None }
    }

    /// The same failure with another cure, where there is one.
    #[must_use]
    pub(super) fn with_cure(self, cure: Option<String>) -> Self {
        Self { cure: cure.or(self.cure), ..self }
    }

    /// What to do about it, where there is something that helps.
    pub fn hint(&self) -> Option<Cow<'_, str>> {
        self.cure.as_deref().map(Cow::Borrowed).or_else(|| self.kind.hint())
    }
}

/// What went wrong. Texts are lower-case fragments.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireErrorKind {
    /// The token endpoint does not accept the account, or a fresh token was refused.
    #[error("the appliance refused the credentials ({0})")]
    Refused(String),
    /// The token endpoint answers with an error of OAuth that is not about the account (RFC 6749 §5.2).
    #[error("the appliance refused the token request ({0})")]
    TokenRefused(String),
    /// 401 at a sign-in that asks for a second factor.
    #[error("the appliance demands a second factor (401)")]
    SecondFactor,
    /// 403 of Password Safe to a source address that its API registration does not allow.
    #[error("the API registration does not allow the address of this host (403, 4031)")]
    AddressRefused,
    /// 403 of something between us and the appliance.
    #[error("a firewall or proxy between this host and the appliance refused the request ({0})")]
    Firewall(String),
    /// The token endpoint, or the one that opens a session, answers with another status.
    #[error("answered {0}")]
    Answered(u16),
    /// 429 or 503 until there was no time left for another try.
    #[error("the appliance answered {0} for as long as the deadline of the source allows to wait")]
    Busy(u16),
    /// 401 with a token that was good before.
    #[error("the appliance refused the token (401)")]
    Unauthorized,
    /// 401 with two tokens that were just given.
    #[error("the appliance refuses the request (401) with every credential that it was shown")]
    RequestRefused,
    /// More requests than the limits of an hour allow.
    #[error("{0}")]
    Budget(String),
    /// 403.
    #[error("the appliance forbids it (403)")]
    Forbidden,
    /// 404.
    #[error("not found (404)")]
    NotFound,
    /// The TLS handshake failed, and would fail again.
    #[error("{0}")]
    Tls(TlsFault),
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
    #[error("the deadline of the source passed")]
    Deadline,
    /// The client could not be made.
    #[error("the client could not be set up: {0}")]
    Setup(String),
}

/// What to do with a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Wait and try again, a few times.
    Retry,
    /// Wait, longer each time, and try again until the deadline: the appliance has too much to do.
    Wait,
    /// The answer is of another kind: try again once, or like any passing fault where the appliance has answered well before.
    RetryShape,
    /// Get a new token and try again, as long as tokens work at all.
    Refresh,
    /// Say so.
    GiveUp,
}

impl WireErrorKind {
    /// The one place where this is decided.
    pub fn disposition(&self) -> Disposition {
        match self {
            // RFC 6585 §4, RFC 9110 §15.6.4: both say that it will be otherwise after a while.
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
            | Self::Deadline
            | Self::Setup(_) => Disposition::GiveUp,
        }
    }

    /// What to do about it.
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
                "give the API account the right to read this, or make a new one if it is a token that was made beforehand; an appliance that does not know a parameter of the query answers 401, too"
            }
            Self::Budget(_) => {
                "raise requests_per_hour if the API account may make more, or deadline_minutes to spread the run over several hours, or run it later"
            }
            Self::TokenRefused(_) => {
                "make sure that the API account of the appliance is one for client credentials (RFC 6749 §4.4) and is enabled; token_auth sets how it is shown"
            }
            Self::SecondFactor => {
                "use an API registration and a user that need no second factor: nobody can enter one in a scheduled run"
            }
            Self::AddressRefused => {
                "add the address of this host to the authentication rules of the API registration (Configuration > General > API Registrations)"
            }
            Self::Firewall(_) => {
                "ask those who run the firewall or proxy to let this host reach this path; check HTTPS_PROXY and NO_PROXY"
            }
            Self::Busy(429) => {
                "lower requests_per_second, raise deadline_minutes, or run it when the appliance has less to do"
            }
            Self::Busy(_) => {
                "find out why the appliance is busy or in maintenance, raise deadline_minutes, or run it later"
            }
            Self::NotFound | Self::Answered(404) => "check url and kind: nothing answers at this path on the appliance",
            Self::Answered(500..) => "find out in the logs of the appliance why it cannot answer this request",
            Self::Shape(_) => {
                "check url, kind and, where the kind has it, base_path; the appliance itself must answer there, not a login page or a proxy"
            }
            Self::Forbidden => "give the API account the right to read this; read only is enough",
            Self::Connect(_) => "check url, the proxy environment and the network",
            Self::Deadline => "raise deadline_minutes or requests_per_second, or ask why the appliance is slow",
            Self::Status(429) => "lower requests_per_second",
            Self::TooLarge(_) => "lower page_size, or ask why one answer is so large",
            Self::Broken(_) | Self::Status(_) | Self::Answered(_) | Self::Setup(_) | Self::Tls(_) => return None,
        })
    }

    /// A status that means "later", once there is no later.
    pub(super) fn busy(&self) -> Option<Self> {
        match self {
            Self::Status(status) | Self::Answered(status) if self.disposition() == Disposition::Wait => {
                Some(Self::Busy(*status))
            }
            _ => None,
        }
    }

    /// Sorts an error of the HTTP library. Its own text may hold the address with its query; only causes are kept.
    pub(super) fn of_transport(error: &reqwest::Error, explainer: &Explainer) -> Self {
        let mut cause: &dyn Error = error;
        while let Some(source) = cause.source() {
            if let Some(tls) = find_tls(source) {
                return Self::of_tls(tls, error.is_connect(), explainer);
            }
            cause = source;
        }
        let text = cause.to_string();
        if error.is_connect() {
            if is_end(cause) {
                return Self::Connect("the server closed the connection during the TLS handshake".to_owned());
            }
            Self::Connect(text)
        } else if error.is_timeout() {
            Self::Broken("no answer in time".to_owned())
        } else if is_end(cause) {
            Self::Broken("the server closed the connection before the end of the answer".to_owned())
        } else {
            Self::Broken(text)
        }
    }

    /// With TLS 1.3, a server refuses a client certificate after the client's handshake has ended (RFC 8446 §4.4.2.4): its alert
    /// arrives instead of the answer. Damaged data in a session that worked is no fault of the configuration.
    fn of_tls(error: &rustls::Error, handshaking: bool, explainer: &Explainer) -> Self {
        let is_alert = matches!(error, rustls::Error::AlertReceived(_));
        match explainer.fault(error).filter(|_| handshaking || is_alert) {
            Some(fault) => Self::Tls(fault),
            None if handshaking => Self::Connect(explainer.passing(error)),
            None => Self::Broken(explainer.passing(error)),
        }
    }
}

/// Whether the peer closed. An `io::Error` may hide another one, which `source` skips.
fn is_end(error: &(dyn Error + 'static)) -> bool {
    let Some(io) = error.downcast_ref::<io::Error>() else { return false };
    io.kind() == io::ErrorKind::UnexpectedEof || io.get_ref().is_some_and(|inner| is_end(inner))
}

/// rustls hides behind `io::Error`, which hides its own source.
fn find_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(tls);
    }
    let io = error.downcast_ref::<std::io::Error>()?;
    find_tls(io.get_ref()?)
}
