//! Getting in and leaving: a token or another credential, then a session where the product wants one; once for all who wait.
//! A session that was opened is closed, whatever happened in between; only one whose sign-in was answered into a
//! broken connection is left to the appliance, since nobody knows its cookie. Knows no paths but those of the settings.

use super::token::{self, AuthForm, GrantedCredential};
use super::{
    ACCEPT, AUTHORIZATION, Client, Credentials, Disposition, Failure, HeaderMap, HeaderValue, HttpResponse, Method,
    RetryCount, RunEvent, SessionPaths, WireErrorKind, connect, refusal, retry,
};
use crate::tls::Explainer;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, SET_COOKIE};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Signing out may take so long, however slow the appliance is.
const LEAVING: Duration = Duration::from_secs(10);

/// A sign-in on its way: it goes on when nobody waits for it any more, since the appliance may have opened a session.
pub(super) type SignInFuture = JoinHandle<Result<HttpResponse, WireErrorKind>>;

/// Waits for the sign-in that is kept in the client, and leaves it there when this is dropped.
struct PendingSignIn<'a>(&'a Client);

impl Future for PendingSignIn<'_> {
    type Output = Result<HttpResponse, WireErrorKind>;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut opening = self.0.opening.borrow_mut();
        let Some(handle) = opening.as_mut() else {
            return Poll::Ready(Err(WireErrorKind::Broken("the sign-in was lost".to_owned())));
        };
        let Poll::Ready(ended) = Pin::new(handle).poll(cx) else { return Poll::Pending };
        *opening = None;
        Poll::Ready(ended.unwrap_or_else(|_| Err(WireErrorKind::Broken("the sign-in broke off".to_owned()))))
    }
}

impl Client {
    /// Makes sure that there is a pass; got once for all who wait.
    /// Errors: the request that failed, which is never the one that waits for the pass.
    pub(super) async fn admission(&self) -> Result<(), Failure> {
        if self.tokens.is_live() {
            return Ok(());
        }
        let _single_flight = self.tokens.gate.lock().await;
        if self.tokens.is_live() {
            return Ok(());
        }
        if let Some(refusal) = self.tokens.refusal() {
            return Err(refusal);
        }
        let (mut patience, mut attempt) = (RetryCount::default(), 0);
        loop {
            attempt += 1;
            let failure = match self.get_in(attempt).await {
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
            self.wait_before_retry(&mut patience, failure).await?;
        }
    }

    /// A credential, and a session where one is wanted. The credential in hand is tried first: a session dies more often.
    async fn get_in(&self, attempt: u32) -> Result<(), Failure> {
        let Some(session) = &self.settings.session else {
            let granted = self.credential(attempt).await?;
            self.tokens.keep(&granted, None);
            return Ok(());
        };
        if let Some(spare) = self.tokens.spare() {
            match self.sign_in(session, spare, attempt).await {
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
        if header.is_empty() {
            let text = "the credential holds characters that no request can carry".to_owned();
            return Err(Failure::new("source", self.settings.source.as_str(), WireErrorKind::Setup(text)));
        }
        Ok(GrantedCredential::lasting(&header))
    }

    /// One token, by the form or by Basic, whichever is known or allowed (RFC 6749 §4.4, §2.3.1), each at most once.
    async fn fetch_token(&self, attempt: u32) -> Result<GrantedCredential, Failure> {
        let mut refusal: Option<Failure> = None;
        for way in self.tokens.ways() {
            match self.fetch_token_by(way, attempt).await {
                Ok(granted) => return Ok(granted),
                // Only a refusal of the way leads to the other way. The first one is reported, unless a later one says that
                // the account itself is wrong.
                Err(failure) if token::may_be_of_the_way(&failure.kind) => {
                    let says_so =
                        matches!(&failure.kind, WireErrorKind::Refused(code) if code.contains("invalid_client"));
                    if refusal.is_none() || says_so {
                        refusal = Some(failure);
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(refusal.unwrap_or_else(no_way))
    }

    async fn fetch_token_by(&self, way: AuthForm, attempt: u32) -> Result<GrantedCredential, Failure> {
        let Credentials::Oauth { token_path, client_id, client_secret, .. } = &self.settings.account else {
            return Err(no_way());
        };
        let request = self
            .request(Method::POST, token_path)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = token::authenticate(request, way, client_id, client_secret);
        let _turn = self.pace.turn().await;
        let mut record = self.record("POST", token_path, attempt);
        let failed = |kind| Failure::new("POST", token_path, kind);
        let result = match self.exchange(request, &mut record).await {
            Ok(answer) => token::read(&answer, &self.secrets())
                .map_err(|kind| failed(kind).answered(&answer.headers, self.settings.max_wait)),
            Err(kind) => Err(failed(kind)),
        };
        record.end(result.as_ref().err().map(|f| &f.kind));
        if result.is_ok() {
            self.tokens.remember_way(way);
        }
        result
    }

    /// Opens a session, or goes on with the one whose cookie is shown.
    async fn sign_in(&self, session: &SessionPaths, granted: GrantedCredential, attempt: u32) -> Result<(), Failure> {
        let request = self.posted(&session.sign_in, &granted.header, self.tokens.cookie());
        let _turn = self.pace.turn().await;
        let mut record = self.record("POST", &session.sign_in, attempt);
        // One that was given up by whoever waited for it is still under way: its answer is as good.
        if self.opening.borrow().is_none() {
            self.requests.set(self.requests.get() + 1);
            *self.opening.borrow_mut() =
                Some(tokio::spawn(send(request, self.settings.max_body_bytes, self.explainer.clone())));
        }
        let failed = |kind| Failure::new("POST", &session.sign_in, kind);
        let result = match PendingSignIn(self).await {
            Ok(answer) => {
                record.reported.status = Some(answer.status.as_u16());
                record.reported.bytes = answer.body.len() as u64;
                self.pace.heed(&answer.headers);
                self.tokens.note_cookie(cookie_of(&answer.headers));
                signed_in(&answer, self.tokens.cookie().is_some(), &self.secrets())
                    .map_err(|kind| failed(kind).answered(&answer.headers, self.settings.max_wait))
            }
            Err(kind) => Err(failed(kind)),
        };
        record.end(result.as_ref().err().map(|f| &f.kind));
        result.map(|()| self.tokens.keep(&granted, self.tokens.cookie()))
    }

    fn posted(&self, path: &str, credential: &HeaderValue, cookie: Option<HeaderValue>) -> reqwest::RequestBuilder {
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

    /// Closes the session, if one was opened: after success, failure, a deadline and a signal alike. It has its own time, and
    /// its failure is no failure of the reading: the appliance ends forgotten sessions by itself.
    pub async fn leave(&self) {
        let Some(session) = self.settings.session.clone() else { return };
        // A sign-in that nobody waited for may have opened one; it ends by its own time.
        let opening = self.opening.borrow_mut().take();
        if let Some(Ok(Ok(answer))) = futures_util::future::OptionFuture::from(opening).await {
            self.tokens.note_cookie(cookie_of(&answer.headers));
        }
        if self.tokens.cookie().is_none() {
            return;
        }
        let signed_out = tokio::time::timeout(LEAVING, self.sign_out(&session)).await;
        if signed_out != Ok(true) {
            let text = "the session could not be closed; the appliance ends it by itself after a while";
            self.observer.notify(&RunEvent::Warning { source: Some(&self.settings.source), text });
        }
    }

    /// Three attempts; a credential that has died meanwhile is replaced. False where none succeeded.
    async fn sign_out(&self, session: &SessionPaths) -> bool {
        let mut credential = self.tokens.credential();
        for attempt in 1..=3 {
            let shown = match credential.take() {
                Some(credential) => credential,
                None => match self.credential(attempt).await {
                    Ok(granted) => granted.header,
                    Err(_) => continue,
                },
            };
            let request = self.posted(&session.sign_out, &shown, self.tokens.cookie());
            let mut record = self.record("POST", &session.sign_out, attempt);
            let result = self.exchange(request, &mut record).await;
            record.end(result.as_ref().err());
            match result.map(|answer| answer.status.as_u16()) {
                Ok(401 | 403) => {}
                Ok(500..) | Err(_) => {
                    credential = Some(shown);
                    tokio::time::sleep(self.leaving_pause(attempt)).await;
                }
                Ok(_) => {
                    self.tokens.forget_session();
                    return true;
                }
            }
        }
        false
    }

    fn leaving_pause(&self, attempt: u32) -> Duration {
        retry::backoff(self.settings.backoff, attempt, fastrand::f64(), self.settings.max_wait)
    }
}

/// Accounts that are no OAuth accounts ask for no token.
fn no_way() -> Failure {
    Failure::new("POST", "token", WireErrorKind::Unauthorized)
}

async fn send(
    request: reqwest::RequestBuilder,
    limit: usize,
    explainer: Explainer,
) -> Result<HttpResponse, WireErrorKind> {
    let response = request.send().await.map_err(|e| WireErrorKind::of_transport(&e, &explainer))?;
    let (status, headers) = (response.status(), response.headers().clone());
    // The cookie is in the headers: a body that breaks off does not matter.
    let answer = HttpResponse::receive(response, limit, &explainer).await;
    let answer = answer.unwrap_or(HttpResponse { status, headers, body: Vec::new() });
    match connect::demand_of_certificate(&explainer, status.as_u16(), &answer.body) {
        Some(fault) => Err(WireErrorKind::Tls(fault)),
        None => Ok(answer),
    }
}

fn signed_in(answer: &HttpResponse, has_cookie: bool, own: &[String]) -> Result<(), WireErrorKind> {
    let refused = |status| WireErrorKind::Refused(format!("{status} at sign-in"));
    match answer.status.as_u16() {
        200..=299 if has_cookie => Ok(()),
        200..=299 => Err(WireErrorKind::Shape("the sign-in gave no session cookie".to_owned())),
        400 => Err(refused(400)),
        401 => Err(match refusal::unauthorized(&answer.headers) {
            WireErrorKind::Unauthorized => refused(401),
            other => other,
        }),
        403 => Err(match refusal::forbidden(answer, own) {
            WireErrorKind::Forbidden => refused(403),
            other => other,
        }),
        300..=399 => Err(WireErrorKind::Shape(refusal::redirected(answer, "a sign-in", own))),
        status => Err(WireErrorKind::Answered(status)),
    }
}

/// The cookies that an answer sets, name and value; attributes do not matter to a client that talks to one host.
fn cookie_of(headers: &HeaderMap) -> Vec<(String, String)> {
    let pair = |value: &HeaderValue| {
        let (name, value) = value.to_str().ok()?.split(';').next()?.split_once('=')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    headers.get_all(SET_COOKIE).iter().filter_map(pair).collect()
}
