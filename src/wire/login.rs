//! Authentication: fetches a token or builds another credential, then opens a session where the product needs one.
//!
//! Requests that need a credential at the same time share one sign-in. Every opened session is closed, whatever
//! happened in between. The one exception is a session whose cookie never arrived because the connection broke: the
//! appliance ends it. The paths come from the settings; nothing here knows a product.

use super::settings::ResponseLimits;
use super::token::{self, AuthForm, GrantedCredential};
use super::{
    ACCEPT, AUTHORIZATION, Client, Credentials, Disposition, Failure, HeaderMap, HeaderValue, HttpResponse, Method,
    RetryCount, RunEvent, SessionPaths, WireErrorKind, connect, flood, refusal, retry,
};
use crate::tls::Explainer;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, SET_COOKIE};
use secrecy::zeroize::Zeroize;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Sign-in request in flight. It is a task of its own: when its caller is cancelled, it must still receive the cookie
/// of a session that the appliance has opened.
pub(super) type SignInFuture = JoinHandle<Result<HttpResponse, WireErrorKind>>;

/// Waits for the client's sign-in request. Dropping it leaves the request in the client.
struct PendingSignIn<'a>(&'a Client);

impl Future for PendingSignIn<'_> {
    type Output = Result<HttpResponse, WireErrorKind>;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut pending = self.0.pending_sign_in.borrow_mut();
        // `close_session` may have taken the request while this future was waiting.
        let Some(handle) = pending.as_mut() else {
            return Poll::Ready(Err(WireErrorKind::Broken("the sign-in was cancelled".to_owned())));
        };
        let Poll::Ready(ended) = Pin::new(handle).poll(cx) else { return Poll::Pending };
        *pending = None;
        Poll::Ready(ended.unwrap_or_else(|_| Err(WireErrorKind::Broken("the sign-in was cancelled".to_owned()))))
    }
}

impl Client {
    /// Makes sure that a valid credential is held. Concurrent callers share one sign-in.
    ///
    /// The error is the failed token or sign-in request, not the request that needs the credential.
    pub(super) async fn ensure_authenticated(&self) -> Result<(), Failure> {
        if self.tokens.is_valid() {
            return Ok(());
        }
        let _single_flight = self.tokens.fetch_lock.lock().await;
        // Another caller may have signed in while this one waited for the lock.
        if self.tokens.is_valid() {
            return Ok(());
        }
        if let Some(refusal) = self.tokens.refusal() {
            return Err(refusal);
        }
        let (mut retries, mut attempt) = (RetryCount::default(), 0);
        loop {
            attempt += 1;
            let failure = match self.authenticate(attempt).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            match failure.kind.disposition() {
                Disposition::Retry | Disposition::RetryShape | Disposition::Wait => {}
                Disposition::Refresh | Disposition::GiveUp => {
                    self.tokens.remember_refusal(&failure);
                    return Err(failure);
                }
            }
            self.wait_before_retry(&mut retries, failure).await?;
        }
    }

    /// Fetches a credential and opens a session where the product needs one.
    async fn authenticate(&self, attempt: u32) -> Result<(), Failure> {
        let Some(session) = &self.settings.session else {
            let granted = self.credential(attempt).await?;
            self.tokens.store(&granted, None);
            return Ok(());
        };
        // A session expires more often than its credential, so the old credential is tried first.
        if let Some(reusable) = self.tokens.take_valid() {
            match self.sign_in(session, reusable, attempt).await {
                Err(Failure { kind: WireErrorKind::Refused(_), .. }) => {}
                ended => return ended,
            }
        }
        let granted = self.credential(attempt).await?;
        self.sign_in(session, granted, attempt).await
    }

    async fn credential(&self, attempt: u32) -> Result<GrantedCredential, Failure> {
        let header = match &self.settings.account {
            Credentials::Oauth { .. } => return self.fetch_token(attempt).await,
            Credentials::Bearer(bearer) => token::bearer(bearer),
            Credentials::Key { key, run_as, password } => token::key(key, run_as, password.as_ref()),
        };
        // An empty header would be refused with a misleading 401, so the request is not sent.
        if header.is_empty() {
            let text = "the credential contains characters that an HTTP header cannot hold".to_owned();
            return Err(Failure::new("connection", "settings", WireErrorKind::Setup(text)));
        }
        Ok(GrantedCredential::lasting(&header))
    }

    /// Fetches a token (RFC 6749 §4.4). Tries each allowed form of client authentication (RFC 6749 §2.3.1) at most
    /// once.
    async fn fetch_token(&self, attempt: u32) -> Result<GrantedCredential, Failure> {
        let mut refusal: Option<Failure> = None;
        for form in self.tokens.auth_forms() {
            match self.fetch_token_by(form, attempt).await {
                Ok(granted) => return Ok(granted),
                // The next form is tried only if the refusal may concern the form. The first refusal is reported,
                // unless a later one states that the account itself is wrong.
                Err(failure) if token::may_concern_form(&failure.kind) => {
                    let is_about_account =
                        matches!(&failure.kind, WireErrorKind::Refused(code) if code.contains("invalid_client"));
                    if refusal.is_none() || is_about_account {
                        refusal = Some(failure);
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(refusal.unwrap_or_else(not_oauth))
    }

    async fn fetch_token_by(&self, form: AuthForm, attempt: u32) -> Result<GrantedCredential, Failure> {
        let Credentials::Oauth { token_path, client_id, client_secret, .. } = &self.settings.account else {
            return Err(not_oauth());
        };
        let request = self
            .request(Method::POST, token_path)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = token::with_client_authentication(request, form, client_id, client_secret);
        let _slot = self.pace.acquire().await;
        let mut pending = self.begin_request("POST", token_path, attempt);
        let failed = |kind| Failure::new("POST", token_path, kind);
        let result = match self.exchange(request, &mut pending, self.settings.of_sign_in()).await {
            Ok(mut response) => {
                let read = token::read(&response, &self.secrets())
                    .map_err(|kind| failed(kind).with_retry_after(&response.headers, self.settings.max_wait));
                // The body contains the token.
                response.body.zeroize();
                read
            }
            Err(kind) => Err(failed(kind)),
        };
        pending.finish(result.as_ref().err().map(|f| &f.kind));
        if result.is_ok() {
            self.tokens.remember_form(form);
        }
        result
    }

    /// Opens a session, or renews the one whose cookie is sent.
    async fn sign_in(&self, session: &SessionPaths, granted: GrantedCredential, attempt: u32) -> Result<(), Failure> {
        let request = self.post(&session.sign_in, &granted.header, self.tokens.cookie());
        let _slot = self.pace.acquire().await;
        let mut pending = self.begin_request("POST", &session.sign_in, attempt);
        // A sign-in whose caller was cancelled is still in flight. A second one would open a second session.
        if self.pending_sign_in.borrow().is_none() {
            self.requests.set(self.requests.get() + 1);
            let (limits, body_time) = (self.settings.of_sign_in(), self.settings.sign_in_body_limit);
            *self.pending_sign_in.borrow_mut() =
                Some(tokio::spawn(send(request, limits, body_time, self.explainer.clone())));
        }
        let failed = |kind| Failure::new("POST", &session.sign_in, kind);
        let result = match PendingSignIn(self).await {
            Ok(response) => {
                pending.record.status = Some(response.status.as_u16());
                pending.record.bytes = response.body.len() as u64;
                self.pace.note_limits(&response.headers);
                self.tokens.store_cookies(cookies_of(&response.headers));
                signed_in(&response, self.tokens.cookie().is_some(), &self.secrets())
                    .map_err(|kind| failed(kind).with_retry_after(&response.headers, self.settings.max_wait))
            }
            Err(kind) => Err(failed(kind)),
        };
        pending.finish(result.as_ref().err().map(|f| &f.kind));
        result.map(|()| self.tokens.store(&granted, self.tokens.cookie()))
    }

    fn post(&self, path: &str, credential: &HeaderValue, cookie: Option<HeaderValue>) -> reqwest::RequestBuilder {
        let request = self
            .request(Method::POST, path)
            .header(ACCEPT, self.settings.accept)
            .header(AUTHORIZATION, credential.clone())
            .header(CONTENT_LENGTH, 0);
        match cookie {
            Some(cookie) => request.header(COOKIE, cookie),
            None => request,
        }
    }

    /// Closes the session, if one was opened. Call it after success, failure, a deadline and a signal alike.
    ///
    /// It has its own time limits. A failure is only a note, because the appliance ends idle sessions by itself.
    pub async fn close_session(&self) {
        let Some(session) = self.settings.session.clone() else { return };
        self.settle_sign_in().await;
        if self.tokens.cookie().is_none() {
            return;
        }
        let signed_out = tokio::time::timeout(self.settings.sign_out_limit, self.sign_out(&session)).await;
        if signed_out != Ok(true) {
            self.note_open_session("the session could not be closed; the appliance ends it after its idle timeout");
        }
    }

    /// Waits for a sign-in whose caller was cancelled, because it may have opened a session.
    ///
    /// The sign-in stays in the client during the wait: if this future is dropped, the next call waits for it again.
    async fn settle_sign_in(&self) {
        if self.pending_sign_in.borrow().is_none() {
            return;
        }
        match tokio::time::timeout(self.settings.pending_sign_in_limit, PendingSignIn(self)).await {
            Ok(Ok(response)) => self.tokens.store_cookies(cookies_of(&response.headers)),
            Ok(Err(_)) => {}
            Err(_) => {
                if let Some(pending) = self.pending_sign_in.borrow_mut().take() {
                    pending.abort();
                }
                self.note_open_session(
                    "the sign-in was given up without an answer; if it opened a session, the appliance ends it after \
                     its idle timeout",
                );
            }
        }
    }

    fn note_open_session(&self, text: &str) {
        self.observer.notify(&RunEvent::Note { source: Some(&self.settings.source), text });
    }

    /// Signs out with up to three attempts; a rejected credential is replaced. Returns whether one attempt succeeded.
    async fn sign_out(&self, session: &SessionPaths) -> bool {
        let mut credential = self.tokens.credential();
        for attempt in 1..=3 {
            let header = match credential.take() {
                Some(credential) => credential,
                None => match self.credential(attempt).await {
                    Ok(granted) => granted.header,
                    Err(_) => continue,
                },
            };
            let request = self.post(&session.sign_out, &header, self.tokens.cookie());
            let mut pending = self.begin_request("POST", &session.sign_out, attempt);
            let result = self.exchange(request, &mut pending, self.settings.of_sign_in()).await;
            pending.finish(result.as_ref().err());
            match result.map(|response| response.status.as_u16()) {
                // The credential has expired meanwhile; the next attempt fetches another one.
                Ok(401 | 403) => {}
                Ok(500..) | Err(_) => {
                    credential = Some(header);
                    tokio::time::sleep(self.sign_out_pause(attempt)).await;
                }
                Ok(_) => {
                    self.tokens.forget_session();
                    return true;
                }
            }
        }
        false
    }

    fn sign_out_pause(&self, attempt: u32) -> Duration {
        retry::backoff(self.settings.backoff, attempt, fastrand::f64(), self.settings.max_wait)
    }
}

/// Returns the failure of a token request for an account that has no OAuth credentials. No caller makes such a request.
fn not_oauth() -> Failure {
    Failure::new("POST", "token", WireErrorKind::Unauthorized)
}

/// Sends a sign-in. `body_time` limits the wait for its body.
async fn send(
    request: reqwest::RequestBuilder,
    limits: ResponseLimits,
    body_time: Duration,
    explainer: Explainer,
) -> Result<HttpResponse, WireErrorKind> {
    let head = tokio::time::timeout(limits.time, flood::head(request, &explainer)).await;
    let late = || WireErrorKind::Broken(format!("it took longer than {} s", limits.time.as_secs()));
    let response = head.map_err(|_| late())??;
    let (status, headers) = (response.status(), response.headers().clone());
    // The cookie is in the headers, so a truncated body does not matter, nor one that takes too long.
    let body = tokio::time::timeout(body_time, HttpResponse::receive(response, limits.bytes, &explainer)).await;
    let response = body.ok().and_then(Result::ok).unwrap_or(HttpResponse { status, headers, body: Vec::new() });
    match connect::demand_of_certificate(&explainer, status.as_u16(), &response.body) {
        Some(fault) => Err(WireErrorKind::Tls(fault)),
        None => Ok(response),
    }
}

fn signed_in(response: &HttpResponse, has_cookie: bool, secrets: &[String]) -> Result<(), WireErrorKind> {
    let refused = |status| WireErrorKind::Refused(format!("{status} at sign-in"));
    match response.status.as_u16() {
        200..=299 if has_cookie => Ok(()),
        200..=299 => Err(WireErrorKind::Shape("the sign-in returned no session cookie".to_owned())),
        400 => Err(refused(400)),
        401 => Err(match refusal::unauthorized(&response.headers) {
            WireErrorKind::Unauthorized => refused(401),
            other => other,
        }),
        403 => Err(match refusal::forbidden(response, secrets) {
            WireErrorKind::Forbidden => refused(403),
            other => other,
        }),
        300..=399 => Err(WireErrorKind::Shape(refusal::redirected(response, "a sign-in", secrets))),
        status => Err(WireErrorKind::Answered(status)),
    }
}

/// Returns name and value of the cookies that a response sets. A client of a single host can ignore their attributes.
fn cookies_of(headers: &HeaderMap) -> Vec<(String, String)> {
    let pair = |value: &HeaderValue| {
        let (name, value) = value.to_str().ok()?.split(';').next()?.split_once('=')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    headers.get_all(SET_COOKIE).iter().filter_map(pair).collect()
}
