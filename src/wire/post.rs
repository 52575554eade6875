//! POST requests to a receiver of events: one attempt each, within the pace and the limits, with texts for its errors.
//!
//! `syslog::http` uses it. Credentials, receipts and retries are those of the caller. Nothing here contacts an appliance.

use super::connect::{self, Connection};
use super::excerpt::{MAX_EXCERPT, excerpt};
use super::pace::RequestPace;
use super::response::HttpResponse;
use super::{Disposition, WireErrorKind, body, flood, refusal, retry, shape};
use crate::tls::{ClientIdentity, Explainer, Peer};
use chrono::Utc;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue};
use rustls::pki_types::CertificateDer;
use std::time::Duration;

/// Maximum size of a response in bytes. A receipt for each of some hundred events takes less than 1 MiB.
const MAX_RESPONSE: usize = 8 << 20;

/// Settings of the client of one receiver.
pub struct PostSettings<'a> {
    /// Address of the receiver.
    pub url: &'a str,
    /// Certificates that are trusted in addition to those of the system.
    pub trusted: Vec<CertificateDer<'static>>,
    /// Client certificate with its key.
    pub identity: Option<&'a ClientIdentity>,
    /// Maximum number of requests per second; more than 0.
    pub requests_per_second: f64,
    /// Time limit for opening a connection, TLS included.
    pub connect_timeout: Duration,
    /// Time limit for one response from the request to its last byte.
    pub response_limit: Duration,
    /// Our own secrets, which a server may echo. They are masked in every text.
    pub secrets: Vec<String>,
}

/// HTTP client for one receiver.
pub struct PostClient {
    http: reqwest::Client,
    explainer: Explainer,
    pace: RequestPace,
    response_limit: Duration,
    secrets: Vec<String>,
}

/// Why a request has no response. The text contains the cure where one is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostError {
    /// What happened, as a fragment in lower case.
    pub text: String,
    /// Whether another attempt may succeed without a change of the configuration.
    pub is_temporary: bool,
}

impl PostError {
    fn of(kind: &WireErrorKind) -> Self {
        let is_temporary = matches!(kind.disposition(), Disposition::Retry | Disposition::RetryShape);
        let hint = match kind {
            WireErrorKind::Connect(_) | WireErrorKind::Tls(_) => kind.hint(),
            // The other hints are about appliances.
            _ => None,
        };
        Self { text: hint.map_or_else(|| kind.to_string(), |hint| format!("{kind}; {hint}")), is_temporary }
    }
}

impl PostClient {
    /// Creates the client. The error is a message about the address, or about a system without trusted certificates.
    pub fn new(settings: PostSettings<'_>) -> Result<Self, String> {
        let (http, explainer) = connect::client(Connection {
            url: settings.url,
            peer: Peer::HttpReceiver,
            trusted: settings.trusted,
            identity: settings.identity,
            connect_timeout: settings.connect_timeout,
            read_timeout: settings.response_limit,
            idle: 1,
        })?;
        Ok(Self {
            http,
            explainer,
            pace: RequestPace::one_at_a_time(settings.requests_per_second),
            response_limit: settings.response_limit,
            secrets: settings.secrets,
        })
    }

    /// Sends one request at the time that the pace allows, and collects its response.
    pub async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: String,
    ) -> Result<PostResponse<'_>, PostError> {
        let _slot = self.pace.acquire().await;
        let mut request = self.http.post(url).header(ACCEPT_ENCODING, body::ACCEPTED).body(body);
        for (name, value) in headers {
            request = request.header(HeaderName::from_static(name), sensitive(value)?);
        }
        let received = async {
            let response = flood::head(request, &self.explainer).await?;
            self.pace.note_limits(response.headers());
            HttpResponse::receive(response, MAX_RESPONSE, &self.explainer).await
        };
        let overdue = || WireErrorKind::Broken(format!("it took longer than {} s", self.response_limit.as_secs()));
        let received = tokio::time::timeout(self.response_limit, received).await.unwrap_or_else(|_| Err(overdue()));
        let response = received.map_err(|kind| PostError::of(&kind))?;
        let demand = connect::demand_of_certificate(&self.explainer, response.status.as_u16(), &response.body);
        let demand = demand.map(|fault| PostError::of(&WireErrorKind::Tls(fault)).text);
        Ok(PostResponse { response, demand, secrets: &self.secrets })
    }
}

/// Returns a header value that no log of the HTTP library shows.
fn sensitive(value: &str) -> Result<HeaderValue, PostError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| PostError {
        text: "a secret contains characters that are not allowed in an HTTP header".to_owned(),
        is_temporary: false,
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Response of a receiver.
pub struct PostResponse<'a> {
    response: HttpResponse,
    /// Demand of a client certificate, if that may be the cause. It is no error, because the text may quote an event.
    demand: Option<String>,
    secrets: &'a [String],
}

impl PostResponse<'_> {
    /// Returns the status code.
    pub fn status(&self) -> u16 {
        self.response.status.as_u16()
    }

    /// Returns the body after decompression.
    pub fn body(&self) -> &[u8] {
        &self.response.body
    }

    /// Returns how long the receiver asks to wait (`Retry-After`), at most `cap`.
    pub fn retry_after(&self, cap: Duration) -> Option<Duration> {
        let headers: &HeaderMap = &self.response.headers;
        retry::retry_after(headers, Utc::now(), cap)
    }

    /// Describes the response for a message: its status and a cleaned excerpt of its body.
    pub fn in_words(&self) -> String {
        let demand = self.demand.as_ref().map(|demand| format!("; {demand}"));
        self.status_and_text() + &demand.unwrap_or_default()
    }

    fn status_and_text(&self) -> String {
        let status = self.status();
        if self.response.status.is_redirection() {
            return refusal::redirected(&self.response, "a receipt", self.secrets);
        }
        let text = body::repaired(&self.response.body);
        if shape::is_html(&text) {
            return format!("{status} with an HTML page{}", shape::titled(&text, self.secrets));
        }
        match excerpt(text.trim(), MAX_EXCERPT, self.secrets) {
            empty if empty.is_empty() => format!("{status} without a text"),
            text => format!("{status}: {text}"),
        }
    }
}
