//! One HTTP request to an appliance, with authentication, retry, pacing and redaction.
//! Knows nothing of users, groups or any product's fields. Never writes to an appliance: it can only GET,
//! and POST to the token endpoint and to those that open and close a session.

mod budget;
mod connect;
mod error;
mod login;
mod pace;
pub mod page;
mod retry;
mod settings;
mod token;

pub use budget::Plan;
pub use connect::{base_url, is_loopback_url};
pub use error::{Disposition, WireError, WireErrorKind};
pub use settings::{Account, ClientSettings, SessionPaths, TokenAuth};

use crate::event::{Event, Observer, RequestRecord};
use crate::tls::Explainer;
use budget::Budget;
use chrono::{DateTime, Utc};
use login::Opening;
use pace::Pace;
pub use reqwest::header::HeaderMap;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONNECTION, COOKIE, DATE, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;
use token::{Pass, Tokens};
use tokio::time::Instant;

/// A decoded answer that knows how many rows it holds.
pub trait Body: DeserializeOwned {
    /// Rows, where it is a list.
    fn rows(&self) -> Option<u64> {
        None
    }

    /// Returns what an answer without content (204) means: an empty list, or nothing that can be used.
    fn none() -> Option<Self> {
        None
    }
}

/// Reads one appliance. Shared by reference among the futures of one thread.
pub struct Client {
    http: reqwest::Client,
    /// Puts TLS failures into words.
    explainer: Explainer,
    settings: ClientSettings,
    observer: Arc<dyn Observer>,
    tokens: Tokens,
    /// A sign-in that is under way, also when nobody waits for it any more.
    opening: RefCell<Option<Opening>>,
    pace: Pace,
    budget: Budget,
    deadline: Cell<Option<Instant>>,
    requests: Cell<u64>,
    /// (time that the exchange took, server's clock minus ours): the fastest exchange tells most exactly.
    skew: Cell<Option<(Duration, i64)>>,
    certificate: RefCell<Option<String>>,
    /// Some answer had the right shape: the address is an appliance's.
    understood: Cell<bool>,
}

/// One attempt's answer, before it is decoded.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// One attempt that came to nothing.
struct Failure {
    kind: WireErrorKind,
    retry_after: Option<Duration>,
}

impl From<WireErrorKind> for Failure {
    fn from(kind: WireErrorKind) -> Self {
        Self { kind, retry_after: None }
    }
}

/// One request on its way. It is told also when nobody waits for its answer any more: every request is a line in
/// `pages.jsonl`.
struct Record<'a> {
    client: &'a Client,
    told: RequestRecord,
    started: Instant,
    ended: bool,
}

impl Record<'_> {
    fn end(mut self, error: Option<&WireErrorKind>) {
        self.told.error = error.map(ToString::to_string);
        self.ended = true;
    }
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.told.error = Some("given up before it was answered in full".to_owned());
        }
        self.told.milliseconds = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.client.observer.tell(&Event::Request(&self.told));
    }
}

impl Client {
    /// Sets the client up; nothing is contacted. Errors: [`WireErrorKind::Setup`].
    pub fn new(settings: &ClientSettings, observer: Arc<dyn Observer>) -> Result<Self, WireError> {
        let (http, explainer) = connect::build(settings).map_err(|text| WireError {
            context: format!("source {}", settings.source),
            kind: WireErrorKind::Setup(text),
        })?;
        Ok(Self {
            http,
            explainer,
            tokens: Tokens::new(settings),
            opening: RefCell::new(None),
            budget: Budget::new(settings),
            pace: Pace::new(settings),
            settings: settings.clone(),
            observer,
            deadline: Cell::new(None),
            requests: Cell::new(0),
            skew: Cell::new(None),
            certificate: RefCell::new(None),
            understood: Cell::new(false),
        })
    }

    /// HTTP requests made so far, tokens and retries included.
    pub fn requests(&self) -> u64 {
        self.requests.get()
    }

    /// Server's clock minus ours, in seconds; 0 within the second that the `Date` header cannot tell.
    pub fn clock_skew_seconds(&self) -> Option<i64> {
        self.skew.get().map(|(_, skew)| if skew.abs() <= 1 { 0 } else { skew })
    }

    /// SHA-256 of the server's certificate, hex, on https.
    pub fn tls_certificate_sha256(&self) -> Option<String> {
        self.certificate.borrow().clone()
    }

    /// Gets one JSON answer from a path below the source's url.
    pub async fn get<T: Body>(&self, path: &str) -> Result<T, WireError> {
        self.get_with_headers(path).await.map(|(body, _)| body)
    }

    /// The same with the answer's headers: some products page by them.
    pub async fn get_with_headers<T: Body>(&self, path: &str) -> Result<(T, HeaderMap), WireError> {
        let deadline = self.deadline();
        // Past it nothing more is asked, not even what would be polled once.
        let result = if Instant::now() >= deadline {
            Err(WireErrorKind::Deadline)
        } else {
            let in_time = tokio::time::timeout_at(deadline, self.get_with_retries(path)).await;
            in_time.unwrap_or(Err(WireErrorKind::Deadline))
        };
        result.map_err(|kind| WireError { context: format!("GET {path}"), kind })
    }

    /// Gets one JSON answer by a request that is sent once and never again, within `limit`: for what makes the appliance act.
    pub async fn get_once_only<T: Body>(&self, path: &str, limit: Duration) -> Result<T, WireError> {
        let once = async {
            self.admission(path).await?;
            let _turn = self.pace.turn().await;
            let pass = self.tokens.pass().ok_or(WireErrorKind::Unauthorized)?;
            self.get_once(path, 1, pass).await.map(|(value, _)| value).map_err(|failure| failure.kind)
        };
        let until = self.deadline().min(Instant::now() + limit);
        let result = tokio::time::timeout_at(until, once).await.unwrap_or_else(|_| {
            let whole = Instant::now() >= self.deadline();
            let text = format!("no answer within {} s", limit.as_secs());
            Err(if whole { WireErrorKind::Deadline } else { WireErrorKind::Broken(text) })
        });
        result.map_err(|kind| WireError { context: format!("GET {path}"), kind })
    }

    /// Returns the time until the deadline of this source.
    pub fn time_left(&self) -> Duration {
        self.deadline().saturating_duration_since(Instant::now())
    }

    /// Whether the requests that are still to come can be made within the limits of an hour, as the configuration and the
    /// server's last answer tell them. Where they take more than one hour, and the deadline allows that, they are paced so.
    pub fn afford(&self, plan: &Plan) -> Result<(), WireError> {
        let left = self.deadline().saturating_duration_since(Instant::now());
        let paced = self.budget.afford(plan, self.requests.get(), left).map_err(|text| WireError {
            context: format!("source {}", self.settings.source),
            kind: WireErrorKind::Budget(text),
        })?;
        if let Some(interval) = paced {
            self.pace.no_faster_than(interval);
        }
        Ok(())
    }

    /// The clock of the deadline starts with the first request.
    fn deadline(&self) -> Instant {
        let deadline = self.deadline.get().unwrap_or_else(|| Instant::now() + self.settings.deadline);
        self.deadline.set(Some(deadline));
        deadline
    }

    async fn get_with_retries<T: Body>(&self, path: &str) -> Result<(T, HeaderMap), WireErrorKind> {
        let (mut attempt, mut fresh_refusals, mut shapes) = (1, 0, 0);
        loop {
            if let Some(why) = self.budget.overdrawn(self.requests.get()) {
                return Err(WireErrorKind::Budget(why));
            }
            self.admission(path).await?;
            let turn = self.pace.turn().await;
            // Only now: while this request waited for its turn, the token may have been replaced, or refused.
            let Some(pass) = self.tokens.pass() else { continue };
            let (generation, fresh) = (pass.generation, pass.fresh);
            let failure = match self.get_once(path, attempt, pass).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            drop(turn);
            match failure.kind.disposition() {
                // Tokens may die at any time, and as often as they like: others may have used up the new one before this
                // request had its turn. Two that were refused when they were first shown will not be followed by a better one:
                // the refusal is of this request.
                Disposition::Refresh => {
                    fresh_refusals += u32::from(fresh);
                    if fresh_refusals > 1 {
                        return Err(WireErrorKind::RequestRefused);
                    }
                    self.tokens.discard(generation);
                    continue;
                }
                // F16: a login page instead of an answer is worth one more try, whatever else went wrong before it; an appliance that has answered well
                // before has a passing fault, like any other.
                Disposition::RetryShape if shapes == 0 || self.understood.get() => shapes += 1,
                Disposition::Retry => {}
                _ => return Err(failure.kind),
            }
            if failure.kind == WireErrorKind::Status(429)
                && let Some(why) = self.budget.used_up()
            {
                return Err(WireErrorKind::Budget(why));
            }
            if attempt >= self.settings.attempts {
                return Err(failure.kind);
            }
            self.wait_before_retry(path, attempt, &failure).await;
            attempt += 1;
        }
    }

    async fn wait_before_retry(&self, path: &str, attempt: u32, failure: &Failure) {
        let jitter = |attempt| retry::backoff(self.settings.backoff, attempt, fastrand::f64());
        let wait = match failure.retry_after.filter(|asked| !asked.is_zero()) {
            // A little jitter here too: those who wait must not come back all at once.
            Some(asked) => asked + jitter(1),
            None => jitter(attempt),
        };
        let wait = wait.min(self.settings.max_wait);
        let why = failure.kind.to_string();
        self.observer.tell(&Event::Retry { source: &self.settings.source, path, why: &why, wait });
        if failure.kind == WireErrorKind::Status(429) {
            self.pace.slow_down(wait);
        }
        tokio::time::sleep(wait).await;
    }

    /// One attempt.
    async fn get_once<T: Body>(&self, path: &str, attempt: u32, pass: Pass) -> Result<(T, HeaderMap), Failure> {
        let request =
            self.request(Method::GET, path).header(ACCEPT, self.settings.accept).header(AUTHORIZATION, pass.credential);
        let request = match pass.cookie {
            Some(cookie) => request.header(COOKIE, cookie),
            None => request,
        };
        let mut record = self.record("GET", path, attempt);
        let result = match self.exchange(request, &mut record).await {
            Ok(answer) => match decode::<T>(&answer) {
                Ok(value) => Ok((value, answer.headers)),
                Err(kind) => Err(self.failure(kind, &answer.headers)),
            },
            Err(kind) => Err(kind.into()),
        };
        record.told.rows = result.as_ref().ok().and_then(|(value, _)| value.rows());
        record.end(result.as_ref().err().map(|f| &f.kind));
        if result.is_ok() {
            self.understood.set(true);
        }
        result
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.settings.url));
        if self.settings.close_connections { request.header(CONNECTION, "close") } else { request }
    }

    fn record(&self, method: &'static str, path: &str, attempt: u32) -> Record<'_> {
        let told = RequestRecord {
            source: self.settings.source.to_string(),
            method,
            path: path.to_owned(),
            status: None,
            rows: None,
            bytes: 0,
            attempt,
            milliseconds: 0,
            error: None,
        };
        Record { client: self, told, started: Instant::now(), ended: false }
    }

    /// Sends one request and collects the answer.
    async fn exchange(
        &self,
        request: reqwest::RequestBuilder,
        record: &mut Record<'_>,
    ) -> Result<Answer, WireErrorKind> {
        self.requests.set(self.requests.get() + 1);
        let (sent, sent_at) = (Instant::now(), Utc::now());
        let response = request.send().await.map_err(|e| WireErrorKind::of_transport(&e, &self.explainer))?;
        record.told.status = Some(response.status().as_u16());
        self.compare_clocks(&response, sent, sent_at);
        self.note_certificate(&response);
        self.pace.heed(response.headers());
        self.budget.heed(response.headers());
        let (status, headers) = (response.status(), response.headers().clone());
        let body = collect(response, self.settings.max_body_bytes, &self.explainer).await?;
        record.told.bytes = body.len() as u64;
        if let Some(fault) = connect::demand_of_certificate(&self.explainer, status.as_u16(), &body) {
            return Err(WireErrorKind::Tls(fault));
        }
        Ok(Answer { status, headers, body })
    }

    /// RFC 9110 §6.6.1: `Date` is when the answer was made; the best guess of ours for it is the middle of the exchange.
    fn compare_clocks(&self, response: &Response, sent: Instant, sent_at: DateTime<Utc>) {
        let took = sent.elapsed();
        let Some(theirs) = response.headers().get(DATE).and_then(|d| retry::http_date(d.to_str().ok()?)) else {
            return;
        };
        if self.skew.get().is_none_or(|(best, _)| took < best) {
            let ours = sent_at + took / 2;
            self.skew.set(Some((took, (theirs - ours).num_seconds())));
        }
    }

    fn note_certificate(&self, response: &Response) {
        if self.certificate.borrow().is_some() {
            return;
        }
        let info = response.extensions().get::<reqwest::tls::TlsInfo>();
        if let Some(der) = info.and_then(|info| info.peer_certificate()) {
            use sha2::Digest;
            let hash = sha2::Sha256::digest(der);
            let hex = hash.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
            *self.certificate.borrow_mut() = Some(hex);
        }
    }
}

/// Collects a body up to the limit.
async fn collect(mut response: Response, limit: usize, explainer: &Explainer) -> Result<Vec<u8>, WireErrorKind> {
    let told = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
    let mut body = Vec::with_capacity(told.min(1 << 20));
    while let Some(chunk) = response.chunk().await.map_err(|e| WireErrorKind::of_transport(&e, explainer))? {
        if body.len() + chunk.len() > limit {
            return Err(WireErrorKind::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn decode<T: Body>(answer: &Answer) -> Result<T, WireErrorKind> {
    match answer.status.as_u16() {
        200 => serde_json::from_slice(&answer.body).map_err(|e| WireErrorKind::Shape(shape(answer, &e))),
        401 => Err(WireErrorKind::Unauthorized),
        403 => Err(WireErrorKind::Forbidden),
        404 => Err(WireErrorKind::NotFound),
        300..=399 => Err(WireErrorKind::Shape(format!(
            "a redirect ({}) instead of an answer; is url the appliance itself, not a login page or a proxy?",
            answer.status.as_u16()
        ))),
        status => Err(WireErrorKind::Status(status)),
    }
}

/// What came instead, without echoing it: a body may hold anything.
fn shape(answer: &Answer, error: &serde_json::Error) -> String {
    if answer.body.is_empty() {
        return "an empty body with status 200".to_owned();
    }
    let first = answer.body.iter().find(|b| !b.is_ascii_whitespace());
    if first == Some(&b'<') {
        return "HTML with status 200; is url the appliance itself, not a login page or a proxy?".to_owned();
    }
    format!(
        "{} bytes that are not the expected JSON (line {}, column {})",
        answer.body.len(),
        error.line(),
        error.column()
    )
}

#[cfg(test)]
mod tests;
