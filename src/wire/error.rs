//! What can go wrong with a request, what to do about it, and what to tell people. Nothing secret can be in it.

use crate::tls::{Explainer, TlsFault};
use std::borrow::Cow;
use std::error::Error;
use std::io;

/// Why a request, with all its retries, came to nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{context}: {kind}")]
pub struct WireError {
    /// `GET /api/public/v3/users?offset=0&limit=100`.
    pub context: String,
    /// What.
    pub kind: WireErrorKind,
}

impl WireError {
    /// What to do about it, where there is something that helps.
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        self.kind.hint()
    }
}

/// What went wrong. Texts are lower-case fragments.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireErrorKind {
    /// The token endpoint does not accept the account, or a fresh token was refused.
    #[error("the appliance refused the credentials ({0})")]
    Refused(String),
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
    #[error("not there (404)")]
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
    /// Wait and try again.
    Retry,
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
            Self::Connect(_) | Self::Broken(_) | Self::Status(408 | 429 | 500 | 502 | 503 | 504) => Disposition::Retry,
            Self::Shape(_) => Disposition::RetryShape,
            Self::Unauthorized => Disposition::Refresh,
            Self::Refused(_)
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
            Self::Forbidden => "give the API account the right to read this; read only is enough",
            Self::Connect(_) => "check url, the proxy environment and the network",
            Self::Deadline => "raise deadline_minutes or requests_per_second, or ask why the appliance is slow",
            Self::Status(429) => "lower requests_per_second",
            Self::TooLarge(_) => "lower page_size, or ask why one answer is so large",
            Self::Broken(_) | Self::NotFound | Self::Status(_) | Self::Shape(_) | Self::Setup(_) | Self::Tls(_) => {
                return None;
            }
        })
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
