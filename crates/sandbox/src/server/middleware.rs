//! The front door: every request passes here, is counted, perhaps mishandled, and its answer dressed
//! (`Date`, compression, rate limit headers).

use super::super::dialect::{self, ApiPlace, Dialect, EditableResponse, Scene};
use super::super::faults::{Fault, Faults};
use super::super::listener::ConnectionCut;
use super::super::tally::lock;
use super::{Appliance, Shared, answer, error, limits};
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

/// RFC 9110 §5.6.7.
const IMF_FIXDATE: &str = "%a, %d %b %Y %H:%M:%S GMT";
const RFC_850: &str = "%A, %d-%b-%y %H:%M:%S GMT";
const ASCTIME: &str = "%a %b %e %H:%M:%S %Y";

const LOGIN_PAGE: &str = "<!DOCTYPE html><html><head><title>Sign in</title></head>\
    <body><form method=\"post\" action=\"/login\"><input name=\"user\"><input name=\"password\" type=\"password\"></form></body></html>";

/// Requests that [`Dialect::EightBusy`] turns away.
const BUSY: u32 = 8;

/// Requests of the running second.
#[derive(Default)]
pub(super) struct RateWindow {
    since: Option<Instant>,
    requests: u32,
}

impl RateWindow {
    /// What is left of the limit after this request; `None`: it was one too many.
    fn take(&mut self, limit: u32, now: Instant) -> Option<u32> {
        if self.since.is_none_or(|since| now - since >= Duration::from_secs(1)) {
            *self = Self { since: Some(now), requests: 0 };
        }
        self.requests += 1;
        limit.checked_sub(self.requests)
    }
}

pub(super) async fn door(
    State(appliance): State<Shared>,
    ConnectInfo(cut): ConnectInfo<ConnectionCut>,
    request: Request,
    next: Next,
) -> Response {
    let _in_flight = appliance.tally.enter();
    let faults = appliance.faults();
    let ruling = limits::rule(&appliance, &faults, &request);
    if let Some(latency) = faults.latency {
        tokio::time::sleep(latency).await;
    }
    let request = if faults.dialects.contains(&Dialect::GuidIds) { dialect::with_plain_ids(request) } else { request };
    let coding = Coding::of(&faults, request.headers());
    let left = faults.rate_limit.map(|limit| (limit, lock(&appliance.window).take(limit, Instant::now())));
    let mishap = mishap(&appliance, &faults, &request);
    let response = match (left, mishap) {
        // How long to wait is not told: the product's documentation names no such header.
        _ if ruling.is_some_and(|ruling| ruling.refused) => too_many(&appliance, None),
        _ if is_busy(&appliance, &faults, &request) => too_many(&appliance, None),
        (Some((_, None)), _) => too_many(&appliance, Some("1")),
        (_, Some(Fault::Reset)) => {
            cut.now();
            Response::default()
        }
        (_, Some(Fault::TooMany)) => too_many(&appliance, Some(&retry_after(&appliance))),
        (_, Some(Fault::ServerError)) => server_error(&appliance),
        (_, Some(Fault::Html)) => answer(StatusCode::OK, "text/html; charset=utf-8", LOGIN_PAGE),
        (_, Some(Fault::JsonError)) => {
            answer(StatusCode::OK, "application/json", r#"{"error":{"code":500,"message":"busy"}}"#)
        }
        (_, Some(Fault::Empty)) => answer(StatusCode::OK, "application/json", Body::empty()),
        (_, Some(Fault::Truncate) | None) => answered(&appliance, &faults, request, next).await,
    };
    let mut response = packed(response, coding, mishap == Some(Fault::Truncate)).await;
    let reported = left.map(|(limit, left)| (limit, left.unwrap_or(0))).or(ruling.map(|ruling| ruling.reported));
    dress(response.headers_mut(), appliance.now(), reported);
    response
}

/// The handler's answer, as the dialects word it.
async fn answered(appliance: &Appliance, faults: &Faults, request: Request, next: Next) -> Response {
    let place = ApiPlace::of(request.method(), request.uri().path());
    let response = next.run(request).await;
    if faults.dialects.is_empty() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let world = lock(&appliance.world);
    let scene = Scene { dialects: &faults.dialects, world: &world };
    let asked = place.filter(|_| parts.status == StatusCode::OK);
    if asked.and_then(ApiPlace::synchronised).is_some_and(|group| dialect::is_directory_group(scene.dialects, group)) {
        appliance.tally.count(|c| c.directory_syncs += 1);
    }
    let refusal = asked.and_then(|place| dialect::refusal(&scene, place));
    let (place, body) = match refusal {
        Some((status, kind, body)) => {
            parts.status = status;
            parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            (None, body.into_bytes())
        }
        None => (place, body.into()),
    };
    let mut out = EditableResponse { status: &mut parts.status, headers: &mut parts.headers };
    let body = out.reworded(&scene, place, body);
    Response::from_parts(parts, Body::from(body))
}

/// Whether it is one of the first requests of the API, which find the appliance busy.
fn is_busy(appliance: &Appliance, faults: &Faults, request: &Request) -> bool {
    faults.dialects.contains(&Dialect::EightBusy)
        && ApiPlace::of(request.method(), request.uri().path()).is_some()
        && appliance.turned_away.fetch_add(1, Ordering::Relaxed) < BUSY
}

/// Writes are spared: the sandbox's own users want them to work.
fn mishap(appliance: &Appliance, faults: &Faults, request: &Request) -> Option<Fault> {
    let path = request.uri().path();
    let token = path == "/oauth2/token" || path.to_ascii_lowercase().ends_with("/auth/connect/token");
    if request.method() != Method::GET && !(token && faults.token_endpoint_too) {
        return None;
    }
    let mishap = faults.draw(&mut lock(&appliance.rng));
    if mishap.is_some() {
        appliance.tally.count(|c| c.faults_injected += 1);
    }
    mishap
}

fn too_many(appliance: &Appliance, retry_after: Option<&str>) -> Response {
    appliance.tally.count(|c| c.too_many += 1);
    let mut response = error(StatusCode::TOO_MANY_REQUESTS, "too_many_requests");
    if let Some(retry_after) = retry_after {
        put(response.headers_mut(), header::RETRY_AFTER, retry_after);
    }
    response
}

/// Mostly at once, so that tests are quick; sometimes in a second; in every notation of RFC 9110 §10.2.3.
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
        1 => answer(StatusCode::BAD_GATEWAY, "text/html", "<html><body>502 Bad Gateway</body></html>"),
        _ => error(StatusCode::SERVICE_UNAVAILABLE, "maintenance"),
    }
}

/// How a body is compressed.
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

/// Compresses what is worth it, and breaks off half of it where asked for.
async fn packed(response: Response, coding: Coding, truncate: bool) -> Response {
    let (mut parts, body) = response.into_parts();
    // Bodies are made in memory by the handlers: there is nothing that could fail.
    let mut body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    if coding == Coding::Gzip && body.len() > 512 {
        body = compressed(&body);
        put(&mut parts.headers, header::CONTENT_ENCODING, "gzip");
    }
    if coding == Coding::Deflate && !body.is_empty() {
        body = deflated(&body);
        put(&mut parts.headers, header::CONTENT_ENCODING, "deflate");
    }
    if !truncate || body.len() < 2 {
        return Response::from_parts(parts, Body::from(body));
    }
    put(&mut parts.headers, header::CONTENT_LENGTH, &body.len().to_string());
    let half = body.slice(..body.len() / 2);
    Response::from_parts(parts, broken_off(half))
}

fn compressed(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    // A Vec takes everything.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default().into()
}

/// RFC 9110 §8.4.1.2: `deflate` is the zlib format.
fn deflated(body: &[u8]) -> Bytes {
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    // A Vec takes everything.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default().into()
}

/// Gives what there is, lets it reach the client, and then breaks.
fn broken_off(half: Bytes) -> Body {
    Body::from_stream(stream::unfold(Some(half), |half| async move {
        if let Some(half) = half {
            return Some((Ok(half), None));
        }
        tokio::task::yield_now().await;
        Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), None))
    }))
}

/// RFC 9110 §6.6.1: an origin server with a clock sends `Date`.
fn dress(headers: &mut HeaderMap, now: DateTime<Utc>, reported: Option<(u32, u32)>) {
    put(headers, header::DATE, &now.format(IMF_FIXDATE).to_string());
    if let Some((limit, left)) = reported {
        put(headers, HeaderName::from_static("x-ratelimit-limit"), &limit.to_string());
        put(headers, HeaderName::from_static("x-ratelimit-remaining"), &left.to_string());
    }
}

/// All values are digits, dates and words: never refused.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
