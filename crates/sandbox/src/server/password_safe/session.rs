//! Sessions of Password Safe. `Auth/SignAppIn` opens one and sets its cookie, each request sends the cookie and the
//! account, and `Auth/Signout` closes it. A fault can end a session in between.

use super::super::{Appliance, json_response};
use super::error_text;
use crate::counters::lock;
use crate::faults::Faults;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Mutex;

const COOKIE: &str = "ASP.NET_SessionId";

/// All sessions ever opened, by cookie.
#[derive(Default)]
pub(in crate::server) struct Sessions(Mutex<HashMap<String, SandboxSession>>);

struct SandboxSession {
    open: bool,
    requests: u64,
}

/// The result of using the cookie of a session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SessionUse {
    Valid,
    /// The session ends with this request, by a fault.
    Ends,
    Unknown,
}

impl Sessions {
    pub(in crate::server) fn cookies(&self) -> Vec<String> {
        lock(&self.0).keys().cloned().collect()
    }

    fn open(&self, cookie: String) {
        lock(&self.0).insert(cookie, SandboxSession { open: true, requests: 0 });
    }

    fn is_open(&self, cookie: &str) -> bool {
        lock(&self.0).get(cookie).is_some_and(|session| session.open)
    }

    /// Closes a session; returns false if it was not open.
    fn close(&self, cookie: &str) -> bool {
        lock(&self.0).get_mut(cookie).is_some_and(|session| std::mem::replace(&mut session.open, false))
    }

    /// Counts a request of a session.
    fn take(&self, cookie: &str, faults: &Faults) -> SessionUse {
        let mut sessions = lock(&self.0);
        let Some(session) = sessions.get_mut(cookie).filter(|session| session.open) else { return SessionUse::Unknown };
        session.requests += 1;
        session.open = session.requests <= faults.session_requests.unwrap_or(u64::MAX);
        if session.open { SessionUse::Valid } else { SessionUse::Ends }
    }
}

pub(super) fn sign_in(appliance: &Appliance, headers: &HeaderMap) -> Response {
    let Some(user) = account(appliance, headers) else { return refused(appliance) };
    // A client that still sends the cookie of an open session keeps this session.
    let kept = cookie(headers).filter(|cookie| appliance.sessions.is_open(cookie));
    let cookie = kept.map_or_else(|| opened(appliance), str::to_owned);
    let mut response = json_response(StatusCode::OK, &json!({"UserId": 1, "UserName": user}));
    if let Ok(value) = HeaderValue::from_str(&format!("{COOKIE}={cookie}; path=/; HttpOnly")) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

/// Opens a session and returns its cookie.
fn opened(appliance: &Appliance) -> String {
    let cookie: String = (0..24).map(|_| fastrand::alphanumeric()).collect();
    appliance.sessions.open(cookie.clone());
    appliance.counters.count(|c| {
        c.sessions_opened += 1;
        c.sessions_open += 1;
    });
    cookie
}

/// Answers a sign-out. The cookie suffices: clients in the field send nothing else here.
pub(super) fn sign_out(appliance: &Appliance, headers: &HeaderMap) -> Response {
    if !cookie(headers).is_some_and(|cookie| appliance.sessions.close(cookie)) {
        return refused(appliance);
    }
    appliance.counters.count(|c| c.sessions_open -= 1);
    Response::default()
}

/// Returns whether a request has the cookie of an open session and a valid account. Counts the request of the session.
pub(super) fn is_valid(appliance: &Appliance, headers: &HeaderMap) -> bool {
    if account(appliance, headers).is_none() {
        return false;
    }
    let result =
        cookie(headers).map_or(SessionUse::Unknown, |cookie| appliance.sessions.take(cookie, &appliance.faults()));
    if result == SessionUse::Ends {
        appliance.counters.count(|c| c.sessions_open -= 1);
    }
    result == SessionUse::Valid
}

/// Answers a request without a session or a valid account.
pub(super) fn refused(appliance: &Appliance) -> Response {
    appliance.counters.count(|c| c.unauthorized += 1);
    error_text(StatusCode::UNAUTHORIZED, "User not authorized")
}

/// Returns the account of a request: the API account for a valid token, or the run-as user for the key.
fn account<'a>(appliance: &'a Appliance, headers: &HeaderMap) -> Option<&'a str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    if let Some(token) = value.strip_prefix("Bearer ") {
        return appliance.tokens.count_use(token, &appliance.faults()).then_some(&*appliance.client_id);
    }
    let fields: Vec<(&str, &str)> = value
        .strip_prefix("PS-Auth ")?
        .split(';')
        .filter_map(|field| field.split_once('='))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect();
    let field = |name: &str| fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| *value);
    let known = field("key") == Some(&*appliance.api_key) && field("runas") == Some(&*appliance.run_as);
    known.then_some(&*appliance.run_as)
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}
