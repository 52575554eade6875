//! OAuth 2.0 client credentials (RFC 6749 §4.4): issues tokens and checks them. Used by all interfaces.

use super::{Appliance, Dialect, Shared, error, json_response};
use crate::counters::lock;
use crate::faults::Faults;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Lifetime of a token that the guide states.
const STATED_LIFE: Duration = Duration::from_secs(3600);

/// The use of one token.
struct TokenUse {
    at: Instant,
    uses: u64,
}

/// All tokens ever issued.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<String, TokenUse>>);

impl Tokens {
    pub(super) fn issued(&self) -> Vec<String> {
        lock(&self.0).keys().cloned().collect()
    }

    fn issue(&self, token: String) {
        lock(&self.0).insert(token, TokenUse { at: Instant::now(), uses: 0 });
    }

    /// Counts a use of a token; returns whether the token is valid for it.
    pub(super) fn count_use(&self, token: &str, faults: &Faults) -> bool {
        let life = faults.token_life.unwrap_or(STATED_LIFE).min(STATED_LIFE);
        let most = faults.token_requests.unwrap_or(u64::MAX);
        lock(&self.0).get_mut(token).is_some_and(|token_use| {
            token_use.uses = token_use.uses.saturating_add(1);
            token_use.at.elapsed() < life && token_use.uses <= most
        })
    }
}

/// The form of a token request (RFC 6749 §4.4.2). The account may be in it or in the header (§2.3.1).
#[derive(Deserialize)]
pub(super) struct TokenRequest {
    grant_type: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// Answers a token request: the account is in an HTTP Basic header or in the form.
pub(super) async fn grant(
    State(appliance): State<Shared>,
    headers: HeaderMap,
    form: Result<Form<TokenRequest>, FormRejection>,
) -> Response {
    let faults = appliance.faults();
    let raw = faults.dialects.contains(&Dialect::RawBasic);
    granted(&appliance, form, |wanted| match (basic(&headers), wanted) {
        // Most clients send the raw id and secret. RFC 6749 §2.3.1 wants both form-encoded; a raw server does not
        // decode them.
        (Some((id, secret)), _) => {
            is_account(&appliance, &id, &secret)
                || !raw && is_account(&appliance, &form_decoded(&id), &form_decoded(&secret))
        }
        (None, wanted) => !raw && is_in_form(&appliance, &faults, wanted),
    })
}

/// Answers a token request of Password Safe: the account is in the form only.
pub(super) fn grant_by_form(appliance: &Appliance, form: Result<Form<TokenRequest>, FormRejection>) -> Response {
    let faults = appliance.faults();
    granted(appliance, form, |wanted| is_in_form(appliance, &faults, wanted))
}

/// Issues a token if the account is known and the grant type is `client_credentials`.
fn granted(
    appliance: &Appliance,
    form: Result<Form<TokenRequest>, FormRejection>,
    is_known: impl FnOnce(&TokenRequest) -> bool,
) -> Response {
    let Ok(Form(wanted)) = form else { return error(StatusCode::BAD_REQUEST, "invalid_request") };
    if !is_known(&wanted) {
        appliance.counters.count(|c| c.unauthorized += 1);
        return with_challenge(error(StatusCode::UNAUTHORIZED, "invalid_client"), "Basic realm=\"api\"");
    }
    match wanted.grant_type.as_deref() {
        Some("client_credentials") => {}
        Some(_) => return error(StatusCode::BAD_REQUEST, "unsupported_grant_type"),
        None => return error(StatusCode::BAD_REQUEST, "invalid_request"),
    }
    let token: String = "eyJ".chars().chain((0..61).map(|_| fastrand::alphanumeric())).collect();
    appliance.tokens.issue(token.clone());
    appliance.counters.count(|c| c.tokens_issued += 1);
    let granted = json!({"access_token": token, "token_type": "Bearer", "expires_in": STATED_LIFE.as_secs()});
    let mut response = json_response(StatusCode::OK, &granted);
    // RFC 6749 §5.1 requires it.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn is_account(appliance: &Appliance, id: &str, secret: &str) -> bool {
    id == appliance.client_id && secret == appliance.client_secret
}

/// Returns whether the account is in the form, and the form is accepted.
fn is_in_form(appliance: &Appliance, faults: &Faults, wanted: &TokenRequest) -> bool {
    let account = wanted.client_id.as_deref().zip(wanted.client_secret.as_deref());
    !faults.refuse_form && account.is_some_and(|(id, secret)| is_account(appliance, id, secret))
}

/// Reads id and secret from an HTTP Basic header.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let pair = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

/// Decodes `application/x-www-form-urlencoded` text, as RFC 6749 §2.3.1 encodes both parts of HTTP Basic.
fn form_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let escaped = escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let (decoded, next) = match (byte, escaped) {
            (b'%', Some(value)) => (value, &tail[2..]),
            (b'+', _) => (b' ', tail),
            _ => (byte, tail),
        };
        out.push(decoded);
        rest = next;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Lets a request pass only with a valid bearer token (RFC 6750 §2.1, §3.1). Guards everything below `/api`.
pub(super) async fn required(State(appliance): State<Shared>, request: Request, next: Next) -> Response {
    if is_authorized(&appliance, request.headers()) {
        return next.run(request).await;
    }
    appliance.counters.count(|c| c.unauthorized += 1);
    with_challenge(error(StatusCode::UNAUTHORIZED, "invalid_token"), "Bearer error=\"invalid_token\"")
}

fn with_challenge(mut response: Response, challenge: &'static str) -> Response {
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

/// Returns whether a request has a valid bearer token (RFC 6750 §2.1). Counts the use of the token.
pub(super) fn is_authorized(appliance: &Appliance, headers: &HeaderMap) -> bool {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = value.and_then(|value| value.strip_prefix("Bearer "));
    token.is_some_and(|token| appliance.tokens.count_use(token, &appliance.faults()))
}
