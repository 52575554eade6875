//! HTTP client for one appliance: authentication, retry, pacing, request budget, TLS and redaction.
//!
//! The connectors in `source` call [`Client::get`] with a path and receive a decoded [`Body`]. [`page`] walks paged
//! lists and proves that they are complete.
//!
//! [`Client`] knows no users, groups or fields of any product. It cannot change an account: it sends GET requests, and
//! POST requests only to the token endpoint and to the paths that open and close a session.
//! A GET that makes the appliance do work is sent by [`Client::get_without_retry`].
//!
//! [`PostClient`] is for receivers of events, and for nothing else. It shares TLS, pace, limits and redaction.

mod body;
mod budget;
mod connect;
mod error;
mod excerpt;
mod exchange;
mod flood;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod login;
mod measure;
mod pace;
pub mod page;
mod path_hint;
mod post;
mod refusal;
mod response;
mod retry;
mod settings;
mod shape;
mod token;
mod transport;
mod volume;

pub use budget::RequestPlan;
pub use connect::{base_url, is_loopback_url};
pub use error::{Disposition, WireError, WireErrorKind};
pub(crate) use excerpt::excerpt;
pub use post::{PostClient, PostError, PostResponse, PostSettings};
pub use settings::{ClientSettings, Credentials, PathKeys, SessionPaths, TokenAuth};
pub(crate) use shape::{missing_key, shown_keys};

use crate::digest::sha256_hex;
use crate::event::{Observer, RequestRecord, RunEvent};
use crate::tls::Explainer;
use budget::Budget;
use chrono::{SecondsFormat, Utc};
use login::SignInFuture;
use pace::{RequestPace, RequestSlot};
pub use reqwest::header::HeaderMap;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, COOKIE, HeaderValue};
use reqwest::{Method, StatusCode};
use response::{HttpResponse, ResponseContent};
use retry::RetryCount;
use serde::de::DeserializeOwned;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;
use token::{AccessPermit, Tokens};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;
use volume::Volume;

/// A decoded response body.
pub trait Body: DeserializeOwned {
    /// Returns the number of rows; `None` if the body is not a list.
    fn rows(&self) -> Option<u64> {
        None
    }

    /// Returns the value that two consecutive responses with status 204 stand for: an empty list. `None` if the body is
    /// not a list.
    fn empty() -> Option<Self> {
        None
    }
}

/// HTTP client for one appliance. The futures of one thread share it by reference.
pub struct Client {
    http: reqwest::Client,
    /// Translates TLS failures into messages.
    explainer: Explainer,
    settings: ClientSettings,
    observer: Arc<dyn Observer>,
    tokens: Tokens,
    /// Sign-in request in flight. It survives the future that started it, because the appliance may have opened a
    /// session.
    pending_sign_in: RefCell<Option<SignInFuture>>,
    pace: RequestPace,
    /// Held by the request whose response is decoded.
    decoding: Mutex<()>,
    budget: Budget,
    volume: Volume,
    deadline: Cell<Option<Instant>>,
    requests: Cell<u64>,
    /// Duration of an exchange, and the clock of the server minus the clock of this host in seconds. The fastest exchange is kept: it has the
    /// smallest error.
    skew: Cell<Option<(Duration, i64)>>,
    certificate: RefCell<Option<String>>,
    /// Whether any response was decoded, which shows that `url` is the address of an appliance.
    has_decoded: Cell<bool>,
    replaced: Cell<u64>,
}

/// Failed attempt of one request. Where the token could not be fetched, this is the token request, not the request that
/// needed the token.
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

    /// Adds the `Retry-After` of the response, limited to `cap`.
    fn with_retry_after(self, headers: &HeaderMap, cap: Duration) -> Self {
        Self { retry_after: retry::retry_after(headers, Utc::now(), cap), ..self }
    }
}

/// Request in flight. Dropping it reports the request, so `pages.jsonl` has a line for cancelled requests too.
struct PendingRequest<'a> {
    client: &'a Client,
    record: RequestRecord,
    started: Instant,
    /// Time from sending the request to the last byte of the response.
    took: Option<Duration>,
    finished: bool,
}

impl PendingRequest<'_> {
    /// Ends the measured time: the response is complete.
    fn note_received(&mut self) {
        self.took = Some(self.started.elapsed());
    }

    fn finish(mut self, error: Option<&WireErrorKind>) {
        self.record.error = error.map(ToString::to_string);
        self.finished = true;
    }
}

impl Drop for PendingRequest<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.record.error = Some("cancelled before the response was complete".to_owned());
        }
        let took = self.took.unwrap_or_else(|| self.started.elapsed());
        self.record.milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.client.observer.notify(&RunEvent::Request(&self.record));
    }
}

impl Client {
    /// Creates a client without contacting the appliance. Errors: [`WireErrorKind::Setup`].
    pub fn new(settings: &ClientSettings, observer: Arc<dyn Observer>) -> Result<Self, WireError> {
        let (http, explainer) = connect::build(settings)
            .map_err(|text| WireError::new("connection settings", WireErrorKind::Setup(text)))?;
        Ok(Self {
            http,
            explainer,
            tokens: Tokens::new(settings),
            pending_sign_in: RefCell::new(None),
            budget: Budget::new(settings),
            volume: Volume::new(settings),
            pace: RequestPace::new(settings),
            decoding: Mutex::new(()),
            settings: settings.clone(),
            observer,
            deadline: Cell::new(None),
            requests: Cell::new(0),
            skew: Cell::new(None),
            certificate: RefCell::new(None),
            has_decoded: Cell::new(false),
            replaced: Cell::new(0),
        })
    }

    /// Returns the number of HTTP requests sent so far, including token requests and retries.
    pub fn requests(&self) -> u64 {
        self.requests.get()
    }

    /// Returns the number of characters that were replaced by U+FFFD because they were not valid text: invalid UTF-8
    /// and unpaired surrogates. Only decoded responses count. A row that was read twice counts twice.
    pub fn replaced_characters(&self) -> u64 {
        self.replaced.get()
    }

    /// Returns the clock of the server minus the clock of this host, in seconds; `None` if no response had a `Date` header.
    ///
    /// `Date` has a resolution of one second, so a difference of one second is reported as 0.
    pub fn clock_skew_seconds(&self) -> Option<i64> {
        self.skew.get().map(|(_, skew)| if skew.abs() <= 1 { 0 } else { skew })
    }

    /// Returns the SHA-256 of the server's certificate in lower-case hexadecimal; `None` for plain http.
    pub fn tls_certificate_sha256(&self) -> Option<String> {
        self.certificate.borrow().clone()
    }

    /// Reads one JSON response from a path below the source's `url`: a record, or a list without pages.
    pub async fn get<T: Body>(&self, path: &str) -> Result<T, WireError> {
        self.get_within(path, None).await.map(|(body, _)| body)
    }

    /// Reads one page of a list. `asked` is the number of rows that the path asks for; far more rows are refused.
    pub async fn get_page<T: Body>(&self, path: &str, asked: u64) -> Result<T, WireError> {
        self.get_within(path, Some(asked)).await.map(|(body, _)| body)
    }

    /// Reads one page of a list and its headers. Some products put the totals of a list into headers.
    pub async fn get_page_with_headers<T: Body>(&self, path: &str, asked: u64) -> Result<(T, HeaderMap), WireError> {
        self.get_within(path, Some(asked)).await
    }

    async fn get_within<T: Body>(&self, path: &str, asked: Option<u64>) -> Result<(T, HeaderMap), WireError> {
        let deadline = self.deadline();
        let passed = || Err(self.error(&Failure::new("GET", path, WireErrorKind::Deadline)));
        // `timeout_at` polls the future once even when the deadline has passed; that poll could already send a request.
        if Instant::now() >= deadline {
            return passed();
        }
        match tokio::time::timeout_at(deadline, self.get_with_retries(path, asked)).await {
            Ok(ended) => ended.map_err(|failure| self.error(&failure)),
            Err(_) => passed(),
        }
    }

    /// Converts a failure into the public error, with the hint that fits the keys of this source.
    fn error(&self, failure: &Failure) -> WireError {
        let Failure { method, path, kind, .. } = failure;
        let hint = path_hint::hint(kind, path, &self.settings.path_keys, *method == "POST");
        WireError::new(format!("{method} {path}"), kind.clone()).with_hint(hint)
    }

    /// Reads one JSON response with a single request that is never repeated, within `limit`.
    ///
    /// This is for requests that make the appliance do work, such as a synchronisation with a directory.
    pub async fn get_without_retry<T: Body>(&self, path: &str, limit: Duration) -> Result<T, WireError> {
        let failed = |kind| Failure::new("GET", path, kind);
        let once = async {
            self.ensure_authenticated().await?;
            let slot = self.pace.acquire().await;
            let permit = self.tokens.permit().ok_or_else(|| failed(WireErrorKind::Unauthorized))?;
            let found = self.get_once(path, None, 1, permit, slot, false).await?;
            let empty =
                || WireErrorKind::Shape("a response without content (204); this request is not repeated".to_owned());
            found.map(|(value, _)| value).ok_or_else(|| failed(empty()))
        };
        let until = self.deadline().min(Instant::now() + limit);
        let result = tokio::time::timeout_at(until, once).await.unwrap_or_else(|_| {
            let is_past_deadline = Instant::now() >= self.deadline();
            let text = format!("no response within {} s", limit.as_secs());
            Err(failed(if is_past_deadline { WireErrorKind::Deadline } else { WireErrorKind::Broken(text) }))
        });
        result.map_err(|failure| self.error(&failure))
    }

    /// Returns the time until the deadline of this source.
    pub fn time_left(&self) -> Duration {
        self.deadline().saturating_duration_since(Instant::now())
    }

    /// Checks that the planned requests fit the hourly limits, as the configuration and the last response state them.
    ///
    /// If the plan needs several hours and the deadline allows them, the requests are spread evenly from now on.
    /// Errors: [`WireErrorKind::Budget`].
    pub fn check_budget(&self, plan: &RequestPlan) -> Result<(), WireError> {
        let left = self.deadline().saturating_duration_since(Instant::now());
        let paced = self
            .budget
            .check(plan, self.requests.get(), left)
            .map_err(|text| WireError::new(format!("source {}", self.settings.source), WireErrorKind::Budget(text)))?;
        if let Some(interval) = paced {
            self.pace.no_faster_than(interval);
        }
        Ok(())
    }

    /// Returns the deadline. It is fixed by the first request, so time spent on other sources does not count.
    fn deadline(&self) -> Instant {
        let deadline = self.deadline.get().unwrap_or_else(|| Instant::now() + self.settings.deadline);
        self.deadline.set(Some(deadline));
        deadline
    }

    async fn get_with_retries<T: Body>(&self, path: &str, asked: Option<u64>) -> Result<(T, HeaderMap), Failure> {
        let (mut retries, mut attempt, mut fresh_refusals, mut shapes, mut was_empty) =
            (RetryCount::default(), 0, 0, 0, false);
        loop {
            if let Some(why) = self.budget.over_limit(self.requests.get()) {
                return Err(Failure::new("GET", path, WireErrorKind::Budget(why)));
            }
            if let Some(exceeded) = self.volume.exceeded() {
                return Err(Failure::new("GET", path, exceeded));
            }
            self.ensure_authenticated().await?;
            let slot = self.pace.acquire().await;
            // The token is taken after the wait: meanwhile another request may have replaced or rejected it.
            let Some(permit) = self.tokens.permit() else { continue };
            let (generation, fresh) = (permit.generation, permit.fresh);
            attempt += 1;
            let failure = match self.get_once(path, asked, attempt, permit, slot, was_empty).await {
                Ok(Some(value)) => return Ok(value),
                // A single 204 may be a passing fault. A second one in a row counts as an empty list, or as an error.
                Ok(None) => {
                    was_empty = true;
                    continue;
                }
                Err(failure) => failure,
            };
            was_empty = false;
            match failure.kind.disposition() {
                // A used token may expire at any time, so refreshing has no limit. If two fresh tokens are refused at
                // their first use, the appliance refuses this request rather than the token.
                Disposition::Refresh => {
                    fresh_refusals += u32::from(fresh);
                    if fresh_refusals > 1 {
                        return Err(Failure { kind: WireErrorKind::RequestRefused, ..failure });
                    }
                    self.tokens.discard(generation);
                    continue;
                }
                // A login page with status 200 gets one retry, whatever failed before it (docs/products.md#traps). If
                // the appliance has sent valid responses before, the page is a passing fault and gets all retries.
                Disposition::RetryShape if shapes == 0 || self.has_decoded.get() => shapes += 1,
                Disposition::Retry | Disposition::Wait => {}
                _ => return Err(failure),
            }
            self.wait_before_retry(&mut retries, failure).await?;
        }
    }

    /// Waits until the failed request may be sent again.
    ///
    /// Returns the failure if no attempt is left, or if the deadline or the request budget would be exceeded.
    async fn wait_before_retry(&self, retries: &mut RetryCount, failure: Failure) -> Result<(), Failure> {
        let is_busy = failure.kind.disposition() == Disposition::Wait;
        let too_many = matches!(failure.kind, WireErrorKind::Status(429) | WireErrorKind::Answered(429));
        // With an exhausted hourly limit, every retry within the deadline would be refused as well.
        if too_many && let Some(why) = self.budget.used_up() {
            return Err(Failure { kind: WireErrorKind::Budget(why), ..failure });
        }
        let Some(wait) = retries.next(&self.settings, is_busy, failure.retry_after, fastrand::f64()) else {
            return Err(failure);
        };
        // No request could follow the wait, so waiting would only delay the error.
        if Instant::now() + wait >= self.deadline() {
            let kind = failure.kind.busy().unwrap_or(failure.kind);
            return Err(Failure { kind, ..failure });
        }
        let (source, path, why) = (&self.settings.source, failure.path.as_str(), failure.kind.to_string());
        self.observer.notify(&RunEvent::Retry { source, path, why: &why, wait });
        // A 429 concerns the whole client, so all requests slow down. Other failures may concern only this path.
        if too_many {
            self.pace.slow_down(wait);
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Sends one attempt. Returns `None` for a first response without content; `was_empty`: the previous attempt had
    /// none.
    async fn get_once<T: Body>(
        &self,
        path: &str,
        asked: Option<u64>,
        attempt: u32,
        permit: AccessPermit,
        mut slot: RequestSlot<'_>,
        was_empty: bool,
    ) -> Result<Option<(T, HeaderMap)>, Failure> {
        let request = self.request(Method::GET, path).header(ACCEPT, self.settings.accept);
        let request = request.header(AUTHORIZATION, permit.credential);
        let request = match permit.cookie {
            Some(cookie) => request.header(COOKIE, cookie),
            None => request,
        };
        let mut pending = self.begin_request("GET", path, attempt);
        let failed = |kind| Failure::new("GET", path, kind);
        let result = match self.exchange(request, &mut pending, self.settings.of_data()).await {
            Ok(response) => {
                let _turn = self.decoding_turn(response.status, &mut slot).await;
                pending.record.sha256 = (!response.body.is_empty()).then(|| sha256_hex(&response.body));
                match self.content::<T>(path, &response, asked, was_empty) {
                    Ok(value) => Ok(value.map(|value| (value, response.headers))),
                    Err(kind) => Err(failed(kind).with_retry_after(&response.headers, self.settings.max_wait)),
                }
            }
            Err(kind) => Err(failed(kind)),
        };
        pending.record.rows = result.as_ref().ok().and_then(|found| found.as_ref()).and_then(|(value, _)| value.rows());
        pending.finish(result.as_ref().err().map(|f| &f.kind));
        if matches!(result, Ok(Some(_))) {
            self.has_decoded.set(true);
        }
        result
    }

    /// Lets the next request be sent, and waits until this response may be decoded.
    ///
    /// Decoding takes longer than sending a request. So one response is decoded after the other, and requests that wait
    /// for a slot are sent before each. A failure is handled at once, because it may slow down or stop further requests.
    async fn decoding_turn(&self, status: StatusCode, slot: &mut RequestSlot<'_>) -> Option<MutexGuard<'_, ()>> {
        if status != StatusCode::OK {
            return None;
        }
        slot.end_flight();
        let turn = self.decoding.lock().await;
        tokio::task::yield_now().await;
        Some(turn)
    }

    /// Decodes a response. Returns `None` for the first of two consecutive responses without content.
    fn content<T: Body>(
        &self,
        path: &str,
        response: &HttpResponse,
        asked: Option<u64>,
        was_empty: bool,
    ) -> Result<Option<T>, WireErrorKind> {
        match response.decode::<T>(&self.volume, asked, &|| self.secrets())? {
            ResponseContent::Decoded(value, replaced, size) => {
                self.volume.add(path, size)?;
                self.replaced.set(self.replaced.get() + replaced);
                Ok(Some(value))
            }
            ResponseContent::Empty if !was_empty => Ok(None),
            ResponseContent::Empty => {
                let shape =
                    || WireErrorKind::Shape("an empty response (204) to a request that needs content".to_owned());
                T::empty().ok_or_else(shape).map(Some)
            }
        }
    }

    /// Returns our secrets in every form in which a server could echo them.
    fn secrets(&self) -> Vec<String> {
        let account = self.settings.account.secrets();
        account.into_iter().chain(self.tokens.secrets()).collect()
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.settings.url));
        let request = request.header(ACCEPT_ENCODING, body::ACCEPTED);
        if self.settings.close_connections { request.header(CONNECTION, "close") } else { request }
    }

    fn begin_request(&self, method: &'static str, path: &str, attempt: u32) -> PendingRequest<'_> {
        let record = RequestRecord {
            start: Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true),
            source: self.settings.source.to_string(),
            method,
            path: path.to_owned(),
            status: None,
            rows: None,
            bytes: 0,
            sha256: None,
            attempt,
            milliseconds: 0,
            error: None,
        };
        PendingRequest { client: self, record, started: Instant::now(), took: None, finished: false }
    }
}

#[cfg(test)]
mod tests;
