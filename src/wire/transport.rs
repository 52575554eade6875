//! Failures below HTTP: a name that cannot be resolved, a refused connection, a failed handshake, a broken response.
//!
//! [`WireErrorKind::of_transport`] classifies the errors of the HTTP library. Each text names the address. The text of
//! the error itself may contain the URL with its query, so only the innermost cause is kept.

use super::WireErrorKind;
use crate::tls::Explainer;
use std::error::Error;
use std::fmt;
use std::io;

/// No connection could be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectFault {
    address: String,
    why: String,
    cure: &'static str,
}

impl fmt::Display for ConnectFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection to {}: {}", self.address, self.why)
    }
}

impl ConnectFault {
    /// Returns what to check.
    pub(super) fn cure(&self) -> &'static str {
        self.cure
    }

    /// Describes an error of a connection. `cause` is the innermost error.
    fn of(address: String, error: &reqwest::Error, cause: &(dyn Error + 'static)) -> Self {
        let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let (why, cure) = if is_lookup(error) {
            let why = format!("the name cannot be resolved ({})", without_number(&cause.to_string()));
            (why, "check the host in url and the name servers of this host; behind a proxy, set HTTPS_PROXY")
        } else if kind == Some(io::ErrorKind::ConnectionRefused) {
            let cure = "nothing listens on this port, or a firewall refuses it; check host and port in url, HTTPS_PROXY \
                        and NO_PROXY";
            ("connection refused".to_owned(), cure)
        } else if is_end(cause) {
            let why = "the server closed the connection during the TLS handshake".to_owned();
            (why, "check that the port in url is one of TLS; the usual one is 443")
        } else if error.is_timeout() {
            let cure = "check host and port in url, and the firewalls between this host and the address";
            ("no answer in time".to_owned(), cure)
        } else {
            (without_number(&cause.to_string()), "check url, HTTPS_PROXY and NO_PROXY, and the network")
        };
        Self { address, why, cure }
    }
}

impl WireErrorKind {
    /// Classifies an error of the HTTP library.
    pub(super) fn of_transport(error: &reqwest::Error, explainer: &Explainer) -> Self {
        let mut cause: &(dyn Error + 'static) = error;
        while let Some(source) = cause.source() {
            if let Some(tls) = find_tls(source) {
                return Self::of_tls(tls, error, explainer);
            }
            cause = source;
        }
        if error.is_connect() {
            return Self::Connect(ConnectFault::of(address(error), error, cause));
        }
        let why = if error.is_timeout() {
            "timed out".to_owned()
        } else if is_end(cause) {
            "the server closed the connection too early".to_owned()
        } else {
            without_number(&cause.to_string())
        };
        // A server of TLS answers plain HTTP with an alert, or closes the connection.
        let is_plain = error.is_request() && error.url().is_some_and(|url| url.scheme() == "http");
        let scheme = if is_plain && !error.is_timeout() {
            format!("; url starts with http: if {} is a port of TLS, write https://", address(error))
        } else {
            String::new()
        };
        Self::Broken(why + &scheme)
    }

    /// Classifies a TLS error.
    ///
    /// A TLS 1.3 server refuses a client certificate after the client's part of the handshake (RFC 8446 §4.4.2.4), so
    /// its alert arrives in place of the response. Damaged data in an established session is not a fault of the
    /// configuration.
    fn of_tls(tls: &rustls::Error, error: &reqwest::Error, explainer: &Explainer) -> Self {
        let is_alert = matches!(tls, rustls::Error::AlertReceived(_));
        match explainer.fault(tls).filter(|_| error.is_connect() || is_alert) {
            Some(fault) => Self::Tls(fault.at(&address(error))),
            None if error.is_connect() => Self::Connect(ConnectFault {
                address: address(error),
                why: explainer.describe_transient(tls),
                cure: "check url, HTTPS_PROXY and NO_PROXY, and the network",
            }),
            None => Self::Broken(explainer.describe_transient(tls)),
        }
    }
}

/// Returns host and port of the request, without anything else of its URL.
fn address(error: &reqwest::Error) -> String {
    let parts = error.url().and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)));
    parts.map_or_else(|| "the server".to_owned(), |(host, port)| format!("{host}:{port}"))
}

/// Returns whether the lookup of a name failed. The connector of the HTTP library has no public type for it.
fn is_lookup(error: &reqwest::Error) -> bool {
    let mut cause: Option<&dyn Error> = error.source();
    while let Some(current) = cause {
        if current.to_string() == "dns error" {
            return true;
        }
        cause = current.source();
    }
    false
}

/// Removes the number that the standard library adds to texts of the operating system: ` (os error 111)`.
fn without_number(text: &str) -> String {
    text.split(" (os error ").next().unwrap_or(text).to_owned()
}

/// Checks whether the peer closed the connection. An `io::Error` may wrap another one, which `source` does not return.
fn is_end(error: &(dyn Error + 'static)) -> bool {
    let Some(io) = error.downcast_ref::<io::Error>() else { return false };
    io.kind() == io::ErrorKind::UnexpectedEof || io.get_ref().is_some_and(|inner| is_end(inner))
}

/// Returns the rustls error inside an error. It is wrapped in an `io::Error`, whose `source` does not return it.
fn find_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(tls);
    }
    let io = error.downcast_ref::<io::Error>()?;
    find_tls(io.get_ref()?)
}
