//! OAuth 2.0 client credentials (RFC 6749 §4.4): who gets a token, and how long it is good.

use super::super::faults::Faults;
use super::super::tally::lock;
use super::{Appliance, Dialect, Shared, error, json_answer};
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

/// What the guide states.
const STATED_LIFE: Duration = Duration::from_secs(3600);

struct Given {
    at: Instant,
    uses: u64,
}

/// All tokens ever given.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<String, Given>>);

impl Tokens {
    pub(super) fn given(&self) -> Vec<String> {
        lock(&self.0).keys().cloned().collect()
    }

    fn give(&self, token: String) {
        lock(&self.0).insert(token, Given { at: Instant::now(), uses: 0 });
    }

    /// Whether it is good, for this one use.
    pub(super) fn uses(&self, token: &str, faults: &Faults) -> bool {
        let life = faults.token_life.unwrap_or(STATED_LIFE).min(STATED_LIFE);
        let most = faults.token_requests.unwrap_or(u64::MAX);
        lock(&self.0).get_mut(token).is_some_and(|given| {
            given.uses = given.uses.saturating_add(1);
            given.at.elapsed() < life && given.uses <= most
        })
    }
}

/// The request of RFC 6749 §4.4.2; the account may stand in it or in the header (§2.3.1).
#[derive(Deserialize)]
pub(super) struct TokenRequest {
    grant_type: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

pub(super) async fn grant(
    State(appliance): State<Shared>,
    headers: HeaderMap,
    form: Result<Form<TokenRequest>, FormRejection>,
) -> Response {
    let faults = appliance.faults();
    let raw = faults.dialects.contains(&Dialect::RawBasic);
    granted(&appliance, form, |wanted| match (basic(&headers), wanted) {
        // As most clients write it, and, where it is understood, as §2.3.1 has it.
        (Some((id, secret)), _) => {
            is_ours(&appliance, &id, &secret) || !raw && is_ours(&appliance, &form_decoded(&id), &form_decoded(&secret))
        }
        (None, wanted) => !raw && is_in_form(&appliance, &faults, wanted),
    })
}

/// The same where the account is in the form and nowhere else (Password Safe).
pub(super) fn grant_by_form(appliance: &Appliance, form: Result<Form<TokenRequest>, FormRejection>) -> Response {
    let faults = appliance.faults();
    granted(appliance, form, |wanted| is_in_form(appliance, &faults, wanted))
}

fn granted(
    appliance: &Appliance,
    form: Result<Form<TokenRequest>, FormRejection>,
    is_known: impl FnOnce(&TokenRequest) -> bool,
) -> Response {
    let Ok(Form(wanted)) = form else { return error(StatusCode::BAD_REQUEST, "invalid_request") };
    if !is_known(&wanted) {
        appliance.tally.count(|c| c.unauthorized += 1);
        return with(error(StatusCode::UNAUTHORIZED, "invalid_client"), "Basic realm=\"api\"");
    }
    match wanted.grant_type.as_deref() {
        Some("client_credentials") => {}
        Some(_) => return error(StatusCode::BAD_REQUEST, "unsupported_grant_type"),
        None => return error(StatusCode::BAD_REQUEST, "invalid_request"),
    }
    let token: String = "eyJ".chars().chain((0..61).map(|_| fastrand::alphanumeric())).collect();
    appliance.tokens.give(token.clone());
    appliance.tally.count(|c| c.tokens_issued += 1);
    let granted = json!({"access_token": token, "token_type": "Bearer", "expires_in": STATED_LIFE.as_secs()});
    let mut response = json_answer(StatusCode::OK, &granted);
    // RFC 6749 §5.1.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn is_ours(appliance: &Appliance, id: &str, secret: &str) -> bool {
    id == appliance.client_id && secret == appliance.client_secret
}

fn is_in_form(appliance: &Appliance, faults: &Faults, wanted: &TokenRequest) -> bool {
    let account = wanted.client_id.as_deref().zip(wanted.client_secret.as_deref());
    !faults.refuse_form && account.is_some_and(|(id, secret)| is_ours(appliance, id, secret))
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let pair = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

/// RFC 6749 §2.3.1: both parts are `application/x-www-form-urlencoded` before they are joined.
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

/// RFC 6750 §2.1, §3.1: everything below `/api` needs a bearer token that is good.
pub(super) async fn required(State(appliance): State<Shared>, request: Request, next: Next) -> Response {
    let value = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let token = value.and_then(|v| v.strip_prefix("Bearer "));
    if token.is_some_and(|token| appliance.tokens.uses(token, &appliance.faults())) {
        return next.run(request).await;
    }
    appliance.tally.count(|c| c.unauthorized += 1);
    with(error(StatusCode::UNAUTHORIZED, "invalid_token"), "Bearer error=\"invalid_token\"")
}

fn with(mut response: Response, challenge: &'static str) -> Response {
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}
