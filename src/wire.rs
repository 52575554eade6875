//! One HTTP request to an appliance, with authentication, retry, pacing and redaction.
//! Knows nothing of users, groups or any product's fields. Changes no account: it can only GET, and POST to the token endpoint
//! and to those that open and close a session. A GET that makes the appliance act is sent by [`Client::get_once_only`].

mod body;
mod budget;
mod connect;
mod cure;
mod error;
mod excerpt;
mod login;
mod pace;
pub mod page;
mod refusal;
mod response;
mod retry;
mod settings;
mod shape;
mod token;

pub use budget::RequestPlan;
pub use connect::{base_url, is_loopback_url};
pub use error::{Disposition, WireError, WireErrorKind};
pub use settings::{ClientSettings, Credentials, PathKeys, SessionPaths, TokenAuth};
pub(crate) use shape::shown_keys;

use crate::event::{Observer, RequestRecord, RunEvent};
use crate::tls::Explainer;
use budget::Budget;
use chrono::{DateTime, Utc};
use login::SignInFuture;
use pace::RequestPace;
pub use reqwest::header::HeaderMap;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, COOKIE, DATE, HeaderValue};
use reqwest::{Method, Response};
use response::{HttpResponse, ResponseContent};
use retry::RetryCount;
use serde::de::DeserializeOwned;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;
use token::{AccessPermit, Tokens};
use tokio::time::Instant;

/// A decoded answer that knows how many rows it holds.
pub trait Body: DeserializeOwned {
    /// Rows, where it is a list.
    fn rows(&self) -> Option<u64> {
        None
    }

    /// Returns what two answers without content (204) in a row mean: an empty list, where it is a list.
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
    opening: RefCell<Option<SignInFuture>>,
    pace: RequestPace,
    budget: Budget,
    deadline: Cell<Option<Instant>>,
    requests: Cell<u64>,
    /// (time that the exchange took, server's clock minus ours): the fastest exchange tells most exactly.
    skew: Cell<Option<(Duration, i64)>>,
    certificate: RefCell<Option<String>>,
    /// Some answer had the right shape: the address is an appliance's.
    understood: Cell<bool>,
    replaced: Cell<u64>,
}

/// One attempt that failed, and which request it was: of a token that could not be had, not the one that wanted it.
#[derive(Clone)]
struct Failure {
    method: &'static str,
    path: String,
    kind: WireErrorKind,
    retry_after: Option<Duration>,
}

impl Failure {
    fn new(method: &'static str, path: &str, kind: WireErrorKind) -> Self {
        Self { method, path: path.to_owned(), kind, retry_after: None }
    }

    /// With what the answer says about trying again, at most `cap`.
    fn answered(self, headers: &HeaderMap, cap: Duration) -> Self {
        Self { retry_after: retry::retry_after(headers, Utc::now(), cap), ..self }
    }
}

/// One request on its way. It is told also when nobody waits for its answer any more: every request is a line in
/// `pages.jsonl`.
struct PendingRequest<'a> {
    client: &'a Client,
    reported: RequestRecord,
    started: Instant,
    ended: bool,
}

impl PendingRequest<'_> {
    fn end(mut self, error: Option<&WireErrorKind>) {
        self.reported.error = error.map(ToString::to_string);
        self.ended = true;
    }
}

impl Drop for PendingRequest<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.reported.error = Some("given up before it was answered in full".to_owned());
        }
        self.reported.milliseconds = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.client.observer.notify(&RunEvent::Request(&self.reported));
    }
}

impl Client {
    /// Sets the client up; nothing is contacted. Errors: [`WireErrorKind::Setup`].
    pub fn new(settings: &ClientSettings, observer: Arc<dyn Observer>) -> Result<Self, WireError> {
        let (http, explainer) = connect::build(settings)
            .map_err(|text| WireError::new(format!("source {}", settings.source), WireErrorKind::Setup(text)))?;
        Ok(Self {
            http,
            explainer,
            tokens: Tokens::new(settings),
            opening: RefCell::new(None),
            budget: Budget::new(settings),
            pace: RequestPace::new(settings),
            settings: settings.clone(),
            observer,
            deadline: Cell::new(None),
            requests: Cell::new(0),
            skew: Cell::new(None),
            certificate: RefCell::new(None),
            understood: Cell::new(false),
            replaced: Cell::new(0),
        })
    }

    /// HTTP requests made so far, tokens and retries included.
    pub fn requests(&self) -> u64 {
        self.requests.get()
    }

    /// Characters that were no valid text (invalid UTF-8, halves of surrogate pairs) and were replaced by U+FFFD, in all answers
    /// that were used. A row that was read twice counts twice.
    pub fn replaced_characters(&self) -> u64 {
        self.replaced.get()
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
        let passed = || Err(self.error(&Failure::new("GET", path, WireErrorKind::Deadline)));
        // Past it nothing more is asked, not even what would be polled once.
        if Instant::now() >= deadline {
            return passed();
        }
        match tokio::time::timeout_at(deadline, self.get_with_retries(path)).await {
            Ok(ended) => ended.map_err(|failure| self.error(&failure)),
            Err(_) => passed(),
        }
    }

    /// A failure as it is reported, with its cure.
    fn error(&self, failure: &Failure) -> WireError {
        let Failure { method, path, kind, .. } = failure;
        let cure = cure::of(kind, path, &self.settings.path_keys, *method == "POST");
        WireError::new(format!("{method} {path}"), kind.clone()).with_cure(cure)
    }

    /// Gets one JSON answer by a request that is sent once and never again, within `limit`: for what makes the appliance act.
    pub async fn get_once_only<T: Body>(&self, path: &str, limit: Duration) -> Result<T, WireError> {
        let failed = |kind| Failure::new("GET", path, kind);
        let once = async {
            self.admission().await?;
            let _turn = self.pace.turn().await;
            let pass = self.tokens.pass().ok_or_else(|| failed(WireErrorKind::Unauthorized))?;
            let found = self.get_once(path, 1, pass, false).await?;
            let nothing =
                || WireErrorKind::Shape("an answer without content (204), which is not asked for again".to_owned());
            found.map(|(value, _)| value).ok_or_else(|| failed(nothing()))
        };
        let until = self.deadline().min(Instant::now() + limit);
        let result = tokio::time::timeout_at(until, once).await.unwrap_or_else(|_| {
            let whole = Instant::now() >= self.deadline();
            let text = format!("no answer within {} s", limit.as_secs());
            Err(failed(if whole { WireErrorKind::Deadline } else { WireErrorKind::Broken(text) }))
        });
        result.map_err(|failure| self.error(&failure))
    }

    /// Returns the time until the deadline of this source.
    pub fn time_left(&self) -> Duration {
        self.deadline().saturating_duration_since(Instant::now())
    }

    /// Whether the requests that are still to come can be made within the limits of an hour, as the configuration and the
    /// server's last answer tell them. Where they take more than one hour, and the deadline allows that, they are paced so.
    pub fn afford(&self, plan: &RequestPlan) -> Result<(), WireError> {
        let left = self.deadline().saturating_duration_since(Instant::now());
        let paced = self
            .budget
            .afford(plan, self.requests.get(), left)
            .map_err(|text| WireError::new(format!("source {}", self.settings.source), WireErrorKind::Budget(text)))?;
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

    async fn get_with_retries<T: Body>(&self, path: &str) -> Result<(T, HeaderMap), Failure> {
        let (mut patience, mut attempt, mut fresh_refusals, mut shapes, mut nothing) =
            (RetryCount::default(), 0, 0, 0, false);
        loop {
            if let Some(why) = self.budget.overdrawn(self.requests.get()) {
                return Err(Failure::new("GET", path, WireErrorKind::Budget(why)));
            }
            self.admission().await?;
            let turn = self.pace.turn().await;
            // Only now: while this request waited for its turn, the token may have been replaced, or refused.
            let Some(pass) = self.tokens.pass() else { continue };
            let (generation, fresh) = (pass.generation, pass.fresh);
            attempt += 1;
            let failure = match self.get_once(path, attempt, pass, nothing).await {
                Ok(Some(value)) => return Ok(value),
                // One answer without content may be a fault of the moment; the second one is believed, or refused.
                Ok(None) => {
                    nothing = true;
                    continue;
                }
                Err(failure) => failure,
            };
            drop(turn);
            nothing = false;
            match failure.kind.disposition() {
                // Tokens may die at any time, and as often as they like: others may have used up the new one before this
                // request had its turn. Two that were refused when they were first shown will not be followed by a better one:
                // the refusal is of this request.
                Disposition::Refresh => {
                    fresh_refusals += u32::from(fresh);
                    if fresh_refusals > 1 {
                        return Err(Failure { kind: WireErrorKind::RequestRefused, ..failure });
                    }
                    self.tokens.discard(generation);
                    continue;
                }
                // F16: a login page instead of an answer is worth one more try, whatever else went wrong before it; an appliance that has answered well
                // before has a passing fault, like any other.
                Disposition::RetryShape if shapes == 0 || self.understood.get() => shapes += 1,
                Disposition::Retry | Disposition::Wait => {}
                _ => return Err(failure),
            }
            self.wait_before_retry(&mut patience, failure).await?;
        }
    }

    /// Waits until a request that failed may be tried again. Errors: it may not, since it was tried often enough, or since the
    /// time or the requests of the source are used up.
    async fn wait_before_retry(&self, patience: &mut RetryCount, failure: Failure) -> Result<(), Failure> {
        let is_busy = failure.kind.disposition() == Disposition::Wait;
        let too_many = matches!(failure.kind, WireErrorKind::Status(429) | WireErrorKind::Answered(429));
        if too_many && let Some(why) = self.budget.used_up() {
            return Err(Failure { kind: WireErrorKind::Budget(why), ..failure });
        }
        let Some(wait) = patience.next(&self.settings, is_busy, failure.retry_after, fastrand::f64()) else {
            return Err(failure);
        };
        // Nothing could be asked after it.
        if Instant::now() + wait >= self.deadline() {
            let kind = failure.kind.busy().unwrap_or(failure.kind);
            return Err(Failure { kind, ..failure });
        }
        let (source, path, why) = (&self.settings.source, failure.path.as_str(), failure.kind.to_string());
        self.observer.notify(&RunEvent::Retry { source, path, why: &why, wait });
        if too_many {
            self.pace.slow_down(wait);
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// One attempt. `None`: it was answered without content for the first time. `nothing`: so was the attempt before.
    async fn get_once<T: Body>(
        &self,
        path: &str,
        attempt: u32,
        pass: AccessPermit,
        nothing: bool,
    ) -> Result<Option<(T, HeaderMap)>, Failure> {
        let request =
            self.request(Method::GET, path).header(ACCEPT, self.settings.accept).header(AUTHORIZATION, pass.credential);
        let request = match pass.cookie {
            Some(cookie) => request.header(COOKIE, cookie),
            None => request,
        };
        let mut record = self.record("GET", path, attempt);
        let failed = |kind| Failure::new("GET", path, kind);
        let result = match self.exchange(request, &mut record).await {
            Ok(answer) => match self.content::<T>(&answer, nothing) {
                Ok(value) => Ok(value.map(|value| (value, answer.headers))),
                Err(kind) => Err(failed(kind).answered(&answer.headers, self.settings.max_wait)),
            },
            Err(kind) => Err(failed(kind)),
        };
        record.reported.rows =
            result.as_ref().ok().and_then(|found| found.as_ref()).and_then(|(value, _)| value.rows());
        record.end(result.as_ref().err().map(|f| &f.kind));
        if matches!(result, Ok(Some(_))) {
            self.understood.set(true);
        }
        result
    }

    /// What an answer holds; `None` where it is the first of two without content.
    fn content<T: Body>(&self, answer: &HttpResponse, nothing: bool) -> Result<Option<T>, WireErrorKind> {
        match answer.decode::<T>(&|| self.secrets())? {
            ResponseContent::Read(value, replaced) => {
                self.replaced.set(self.replaced.get() + replaced);
                Ok(Some(value))
            }
            ResponseContent::Nothing if !nothing => Ok(None),
            ResponseContent::Nothing => {
                let shape = || WireErrorKind::Shape("an answer without content (204) where one is needed".to_owned());
                T::none().ok_or_else(shape).map(Some)
            }
        }
    }

    /// Whatever of ours a server could echo and nobody may see.
    fn secrets(&self) -> Vec<String> {
        let account = self.settings.account.secrets();
        account.into_iter().chain(self.tokens.secrets()).collect()
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.settings.url));
        let request = request.header(ACCEPT_ENCODING, body::ACCEPTED);
        if self.settings.close_connections { request.header(CONNECTION, "close") } else { request }
    }

    fn record(&self, method: &'static str, path: &str, attempt: u32) -> PendingRequest<'_> {
        let reported = RequestRecord {
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
        PendingRequest { client: self, reported, started: Instant::now(), ended: false }
    }

    /// Sends one request and collects the answer.
    async fn exchange(
        &self,
        request: reqwest::RequestBuilder,
        record: &mut PendingRequest<'_>,
    ) -> Result<HttpResponse, WireErrorKind> {
        self.requests.set(self.requests.get() + 1);
        let (sent, sent_at) = (Instant::now(), Utc::now());
        let response = request.send().await.map_err(|e| WireErrorKind::of_transport(&e, &self.explainer))?;
        record.reported.status = Some(response.status().as_u16());
        self.compare_clocks(&response, sent, sent_at);
        self.note_certificate(&response);
        self.pace.heed(response.headers());
        self.budget.heed(response.headers());
        let answer = HttpResponse::receive(response, self.settings.max_body_bytes, &self.explainer).await?;
        record.reported.bytes = answer.body.len() as u64;
        match connect::demand_of_certificate(&self.explainer, answer.status.as_u16(), &answer.body) {
            Some(fault) => Err(WireErrorKind::Tls(fault)),
            None => Ok(answer),
        }
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

#[cfg(test)]
mod tests;
