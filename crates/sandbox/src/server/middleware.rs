//! The middleware that every request passes: it counts the request, injects faults, rewrites the response by the
//! dialects, and adds what all responses have (`Date`, compression, rate limit headers).
//!
//! The order matters: limits are applied first, as a gateway would, and compression last, because dialects edit the
//! body.

use super::{Appliance, Shared, error, limits, response, set_header};
use crate::counters::lock;
use crate::dialect::{self, Dialect, DialectContext, EditableResponse, ListWindow, RequestTarget};
use crate::faults::{Fault, Faults};
use crate::listener::ConnectionCut;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use futures_util::stream;
use std::io::{self, Write as _};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The preferred format of HTTP dates (RFC 9110 §5.6.7), and the two obsolete ones that a client must accept.
const IMF_FIXDATE: &str = "%a, %d %b %Y %H:%M:%S GMT";
const RFC_850: &str = "%A, %d-%b-%y %H:%M:%S GMT";
const ASCTIME: &str = "%a %b %e %H:%M:%S %Y";

const LOGIN_PAGE: &str = "<!DOCTYPE html><html><head><title>Sign in</title></head>\
    <body><form method=\"post\" action=\"/login\"><input name=\"user\"><input name=\"password\" type=\"password\"></form></body></html>";

/// Number of requests that [`Dialect::EightBusy`] refuses.
const BUSY: u32 = 8;

/// The requests of the current second.
#[derive(Default)]
pub(super) struct RateWindow {
    since: Option<Instant>,
    requests: u32,
}

impl RateWindow {
    /// Counts a request; returns what is left of the limit, or `None` if the request exceeds it.
    fn take(&mut self, limit: u32, now: Instant) -> Option<u32> {
        if self.since.is_none_or(|since| now - since >= Duration::from_secs(1)) {
            *self = Self { since: Some(now), requests: 0 };
        }
        self.requests += 1;
        limit.checked_sub(self.requests)
    }
}

pub(super) async fn handle(
    State(appliance): State<Shared>,
    ConnectInfo(cut): ConnectInfo<ConnectionCut>,
    request: Request,
    next: Next,
) -> Response {
    // Held to the end of the function: the request counts as in flight until the response is complete.
    let _in_flight = appliance.counters.enter();
    let faults = appliance.faults();
    let decision = limits::decide(&appliance, &faults, &request);
    if let Some(latency) = faults.latency {
        tokio::time::sleep(latency).await;
    }
    let request = if faults.dialects.contains(&Dialect::GuidIds) { dialect::with_plain_ids(request) } else { request };
    let coding = Coding::of(&faults, request.headers());
    let left = faults.rate_limit.map(|limit| (limit, lock(&appliance.window).take(limit, Instant::now())));
    let fault = draw_fault(&appliance, &faults, &request);
    let response = match (left, fault) {
        // Without `Retry-After`: the product's documentation names no such header.
        _ if decision.is_some_and(|decision| decision.refused) => too_many(&appliance, None),
        _ if is_busy(&appliance, &faults, &request) => too_many(&appliance, None),
        (Some((_, None)), _) => too_many(&appliance, Some("1")),
        (_, Some(Fault::Reset)) => {
            cut.now();
            Response::default()
        }
        (_, Some(Fault::TooMany)) => too_many(&appliance, Some(&retry_after(&appliance))),
        (_, Some(Fault::ServerError)) => server_error(&appliance),
        (_, Some(Fault::Html)) => response(StatusCode::OK, "text/html; charset=utf-8", LOGIN_PAGE),
        (_, Some(Fault::JsonError)) => {
            response(StatusCode::OK, "application/json", r#"{"error":{"code":500,"message":"busy"}}"#)
        }
        (_, Some(Fault::Empty)) => response(StatusCode::OK, "application/json", Body::empty()),
        (_, Some(Fault::Truncate) | None) => handled(&appliance, &faults, request, next).await,
    };
    let mut response = encoded(response, coding, fault == Some(Fault::Truncate)).await;
    let reported = left.map(|(limit, left)| (limit, left.unwrap_or(0))).or(decision.map(|decision| decision.reported));
    add_common_headers(response.headers_mut(), appliance.now(), reported);
    response
}

/// Runs the handler and rewrites its response by the dialects.
async fn handled(appliance: &Appliance, faults: &Faults, request: Request, next: Next) -> Response {
    let target = RequestTarget::of(request.method(), request.uri().path());
    let window = ListWindow::of(request.uri());
    let response = next.run(request).await;
    // Most tests use no dialect; parsing and writing every body again would only cost time.
    if faults.dialects.is_empty() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let world = lock(&appliance.world);
    let context = DialectContext { dialects: &faults.dialects, world: &world };
    // Refusals and synchronisation concern only requests that would have succeeded.
    let succeeded = target.filter(|_| parts.status == StatusCode::OK);
    if succeeded
        .and_then(RequestTarget::synchronised)
        .is_some_and(|group| dialect::is_directory_group(context.dialects, group))
    {
        appliance.counters.count(|c| c.directory_syncs += 1);
    }
    let refusal = succeeded.and_then(|target| dialect::refusal(&context, target));
    let (target, body) = match refusal {
        Some((status, kind, body)) => {
            parts.status = status;
            parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            (None, body.into_bytes())
        }
        None => (target, body.into()),
    };
    let mut out = EditableResponse { status: &mut parts.status, headers: &mut parts.headers, window };
    let body = out.reworded(&context, target, body);
    Response::from_parts(parts, Body::from(body))
}

/// Returns whether the appliance is busy: this is one of the first requests of the API under [`Dialect::EightBusy`].
fn is_busy(appliance: &Appliance, faults: &Faults, request: &Request) -> bool {
    faults.dialects.contains(&Dialect::EightBusy)
        && RequestTarget::of(request.method(), request.uri().path()).is_some()
        && appliance.turned_away.fetch_add(1, Ordering::Relaxed) < BUSY
}

/// Draws a fault for a request. Only GET requests and, if asked for, token requests can meet one.
fn draw_fault(appliance: &Appliance, faults: &Faults, request: &Request) -> Option<Fault> {
    let path = request.uri().path();
    let token = path == "/oauth2/token" || path.to_ascii_lowercase().ends_with("/auth/connect/token");
    // A lost sign-out of Password Safe would leave a session open, and tests check that none is.
    if request.method() != Method::GET && !(token && faults.token_endpoint_too) {
        return None;
    }
    let fault = faults.draw(&mut lock(&appliance.rng));
    if fault.is_some() {
        appliance.counters.count(|c| c.faults_injected += 1);
    }
    fault
}

fn too_many(appliance: &Appliance, retry_after: Option<&str>) -> Response {
    appliance.counters.count(|c| c.too_many += 1);
    let mut response = error(StatusCode::TOO_MANY_REQUESTS, "too_many_requests");
    if let Some(retry_after) = retry_after {
        set_header(response.headers_mut(), header::RETRY_AFTER, retry_after);
    }
    response
}

/// Returns a `Retry-After` in one of the notations of RFC 9110 §10.2.3: mostly zero seconds, so
/// that tests are quick, and at most one.
fn retry_after(appliance: &Appliance) -> String {
    let now = appliance.now();
    let soon = now + TimeDelta::seconds(1);
    match lock(&appliance.rng).u8(..8) {
        0 => "1".to_owned(),
        1 => soon.format(IMF_FIXDATE).to_string(),
        2 => now.format(RFC_850).to_string(),
        3 => now.format(ASCTIME).to_string(),
        _ => "0".to_owned(),
    }
}

fn server_error(appliance: &Appliance) -> Response {
    match lock(&appliance.rng).u8(..3) {
        0 => error(StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
        1 => response(StatusCode::BAD_GATEWAY, "text/html", "<html><body>502 Bad Gateway</body></html>"),
        _ => error(StatusCode::SERVICE_UNAVAILABLE, "maintenance"),
    }
}

/// The compression of a body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    None,
    Gzip,
    Deflate,
}

impl Coding {
    fn of(faults: &Faults, headers: &HeaderMap) -> Self {
        if faults.dialects.contains(&Dialect::Deflate) {
            Self::Deflate
        } else if !faults.no_gzip && accepts_gzip(headers) {
            Self::Gzip
        } else {
            Self::None
        }
    }
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains("gzip"))
}

/// Compresses a body, and cuts it in half if asked to.
async fn encoded(response: Response, coding: Coding, truncate: bool) -> Response {
    let (mut parts, body) = response.into_parts();
    // The handlers make their bodies in memory, so reading one cannot fail.
    let mut body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    // As servers do: a short body would grow.
    if coding == Coding::Gzip && body.len() > 512 {
        body = compressed(&body);
        set_header(&mut parts.headers, header::CONTENT_ENCODING, "gzip");
    }
    if coding == Coding::Deflate && !body.is_empty() {
        body = deflated(&body);
        set_header(&mut parts.headers, header::CONTENT_ENCODING, "deflate");
    }
    if !truncate || body.len() < 2 {
        return Response::from_parts(parts, Body::from(body));
    }
    // The stated length is that of the whole body, so the client can notice the cut.
    set_header(&mut parts.headers, header::CONTENT_LENGTH, &body.len().to_string());
    let half = body.slice(..body.len() / 2);
    Response::from_parts(parts, interrupted(half))
}

fn compressed(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    // Writing into a Vec cannot fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default().into()
}

/// Compresses in the zlib format, which HTTP calls `deflate` (RFC 9110 §8.4.1.2).
fn deflated(body: &[u8]) -> Bytes {
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    // Writing into a Vec cannot fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default().into()
}

/// Returns a body that sends its bytes and then fails.
fn interrupted(half: Bytes) -> Body {
    Body::from_stream(stream::unfold(Some(half), |half| async move {
        if let Some(half) = half {
            return Some((Ok(half), None));
        }
        // One turn for the connection, so that the first half reaches the client before the failure.
        tokio::task::yield_now().await;
        Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), None))
    }))
}

/// Adds the headers of every response. An origin server with a clock must send `Date` (RFC 9110 §6.6.1).
fn add_common_headers(headers: &mut HeaderMap, now: DateTime<Utc>, reported: Option<(u32, u32)>) {
    set_header(headers, header::DATE, &now.format(IMF_FIXDATE).to_string());
    if let Some((limit, left)) = reported {
        set_header(headers, HeaderName::from_static("x-ratelimit-limit"), &limit.to_string());
        set_header(headers, HeaderName::from_static("x-ratelimit-remaining"), &left.to_string());
    }
}
