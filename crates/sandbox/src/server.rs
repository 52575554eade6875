//! The HTTP side: the state that handlers share, the routes, and common responses.
//!
//! The guide's paths are in `guide`, those of the Configuration API in `config`; `password_safe` and `scim` are named
//! after their interfaces. `token` issues tokens, and `middleware`, `limits` and `churn` inject faults.

mod churn;
mod config;
mod guide;
mod limits;
mod middleware;
mod password_safe;
mod scim;
mod token;

pub(super) use config::members_of;

use crate::SandboxOptions;
use crate::counters::{SharedCounters, lock};
use crate::dialect::Dialect;
use crate::faults::Faults;
use crate::listener::ConnectionCut;
use crate::world::World;
use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{any, get, post};
use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use serde_json::{Value, json};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};

/// The state that the handlers share with the [`Sandbox`](crate::Sandbox).
pub(super) struct Appliance {
    pub(super) world: Mutex<World>,
    pub(super) faults: Mutex<Faults>,
    pub(super) counters: SharedCounters,
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) api_key: String,
    pub(super) run_as: String,
    tokens: token::Tokens,
    sessions: password_safe::Sessions,
    rng: Mutex<Rng>,
    window: Mutex<middleware::RateWindow>,
    history: Mutex<limits::RequestHistory>,
    /// Number of requests that [`Dialect::EightBusy`] refused.
    turned_away: AtomicU32,
}

impl Appliance {
    pub(super) fn new(options: SandboxOptions) -> Self {
        Self {
            world: Mutex::new(options.world),
            faults: Mutex::new(options.faults),
            counters: SharedCounters::default(),
            client_id: options.client_id,
            client_secret: options.client_secret,
            api_key: options.api_key,
            run_as: options.run_as,
            tokens: token::Tokens::default(),
            sessions: password_safe::Sessions::default(),
            rng: Mutex::new(Rng::with_seed(options.seed)),
            window: Mutex::default(),
            history: Mutex::default(),
            turned_away: AtomicU32::new(0),
        }
    }

    /// Returns every token that was issued.
    pub(super) fn issued_tokens(&self) -> Vec<String> {
        self.tokens.issued()
    }

    /// Returns the cookie of every session that was opened.
    pub(super) fn session_cookies(&self) -> Vec<String> {
        self.sessions.cookies()
    }

    fn faults(&self) -> Faults {
        lock(&self.faults).clone()
    }

    /// Returns the time by the server's clock, which a fault may set wrong.
    fn now(&self) -> DateTime<Utc> {
        Utc::now() + TimeDelta::seconds(lock(&self.faults).clock_skew_seconds)
    }
}

type Shared = Arc<Appliance>;

/// Returns the routes of all interfaces.
pub(super) fn service(appliance: Shared) -> IntoMakeServiceWithConnectInfo<Router, ConnectionCut> {
    let api = Router::new()
        .route("/api/public/v3/users", get(guide::users))
        .route("/api/public/v3/users/{id}", get(guide::user))
        .route("/api/public/v3/groups", get(guide::groups))
        .merge(config::routes())
        .route_layer(from_fn_with_state(Arc::clone(&appliance), token::required));
    api.route("/oauth2/token", post(token::grant))
        .route("/scim/v2/{*path}", any(scim::serve))
        .route("/api/scim/v2/{*path}", any(scim::serve))
        .fallback(password_safe::serve)
        .layer(from_fn_with_state(Arc::clone(&appliance), middleware::handle))
        .with_state(appliance)
        .into_make_service_with_connect_info::<ConnectionCut>()
}

fn response(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn json_bytes(status: StatusCode, body: Vec<u8>) -> Response {
    response(status, "application/json", body)
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    json_bytes(status, body.to_string().into_bytes())
}

/// Returns an error as the guide and the token endpoint word it: a code.
fn error(status: StatusCode, code: &str) -> Response {
    json_response(status, &json!({"error": code}))
}

/// Sets a header. A value that is no header text is dropped; all values here are digits, dates and encoded addresses.
fn set_header(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
