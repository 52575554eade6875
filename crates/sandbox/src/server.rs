//! The HTTP side: what all requests share. The guide's paths are in `read` and `write`, those of the
//! Configuration API in `config`, of the other surfaces in modules of their names; tokens in `token`, misbehaviour in
//! `front`, `limits` and `churn`.

mod churn;
mod config;
mod limits;
mod middleware;
mod password_safe;
mod read;
mod scim;
mod token;
mod write;

pub(super) use config::members_of;

use super::SandboxOptions;
use super::dialect::Dialect;
use super::faults::Faults;
use super::listener::ConnectionCut;
use super::tally::{Tally, lock};
use super::world::World;
use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{any, get, post};
use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use serde_json::{Value, json};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};

/// Everything that the handlers and the handle of the sandbox share.
pub(super) struct Appliance {
    pub(super) world: Mutex<World>,
    pub(super) faults: Mutex<Faults>,
    pub(super) tally: Tally,
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) api_key: String,
    pub(super) run_as: String,
    tokens: token::Tokens,
    sessions: password_safe::Sessions,
    rng: Mutex<Rng>,
    window: Mutex<middleware::RateWindow>,
    ledger: Mutex<limits::RequestLedger>,
    /// Requests that were turned away by [`Dialect::EightBusy`].
    turned_away: AtomicU32,
}

impl Appliance {
    pub(super) fn new(options: SandboxOptions) -> Self {
        Self {
            world: Mutex::new(options.world),
            faults: Mutex::new(options.faults),
            tally: Tally::default(),
            client_id: options.client_id,
            client_secret: options.client_secret,
            api_key: options.api_key,
            run_as: options.run_as,
            tokens: token::Tokens::default(),
            sessions: password_safe::Sessions::default(),
            rng: Mutex::new(Rng::with_seed(options.seed)),
            window: Mutex::default(),
            ledger: Mutex::default(),
            turned_away: AtomicU32::new(0),
        }
    }

    /// Every token ever given.
    pub(super) fn tokens_given(&self) -> Vec<String> {
        self.tokens.given()
    }

    /// Every session's cookie ever given.
    pub(super) fn session_cookies(&self) -> Vec<String> {
        self.sessions.given()
    }

    fn faults(&self) -> Faults {
        lock(&self.faults).clone()
    }

    /// By the server's clock, which may be wrong.
    fn now(&self) -> DateTime<Utc> {
        Utc::now() + TimeDelta::seconds(lock(&self.faults).clock_skew_seconds)
    }
}

type Shared = Arc<Appliance>;

/// All paths of all surfaces.
pub(super) fn service(appliance: Shared) -> IntoMakeServiceWithConnectInfo<Router, ConnectionCut> {
    let api = Router::new()
        .route("/api/public/v3/users", get(read::users).post(write::create))
        .route("/api/public/v3/users/{id}", get(read::user).put(write::replace).delete(write::delete))
        .route("/api/public/v3/groups", get(read::groups))
        .route("/api/public/v3/groups/{id}/members", post(write::add_member))
        .merge(config::routes())
        .route_layer(from_fn_with_state(Arc::clone(&appliance), token::required));
    api.route("/oauth2/token", post(token::grant))
        .route("/scim/v2/{*path}", any(scim::serve))
        .route("/api/scim/v2/{*path}", any(scim::serve))
        .fallback(password_safe::serve)
        .layer(from_fn_with_state(Arc::clone(&appliance), middleware::door))
        .with_state(appliance)
        .into_make_service_with_connect_info::<ConnectionCut>()
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn json_bytes(status: StatusCode, body: Vec<u8>) -> Response {
    answer(status, "application/json", body)
}

fn json_answer(status: StatusCode, body: &Value) -> Response {
    json_bytes(status, body.to_string().into_bytes())
}

fn error(status: StatusCode, code: &str) -> Response {
    json_answer(status, &json!({"error": code}))
}
