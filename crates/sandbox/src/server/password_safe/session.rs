//! Sessions of Password Safe: `Auth/SignAppIn` opens one and gives its cookie, every call shows cookie and account,
//! `Auth/Signout` closes it. An appliance with a fault lets one die in between.

use super::super::super::faults::Faults;
use super::super::super::tally::lock;
use super::super::{Appliance, json_answer};
use super::said;
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

/// What a cookie turns out to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Good,
    /// It dies of this very request.
    Dies,
    Unknown,
}

impl Sessions {
    pub(in crate::server) fn given(&self) -> Vec<String> {
        lock(&self.0).keys().cloned().collect()
    }

    fn open(&self, cookie: String) {
        lock(&self.0).insert(cookie, SandboxSession { open: true, requests: 0 });
    }

    fn is_open(&self, cookie: &str) -> bool {
        lock(&self.0).get(cookie).is_some_and(|session| session.open)
    }

    /// False where it was not open.
    fn close(&self, cookie: &str) -> bool {
        lock(&self.0).get_mut(cookie).is_some_and(|session| std::mem::replace(&mut session.open, false))
    }

    fn take(&self, cookie: &str, faults: &Faults) -> Use {
        let mut sessions = lock(&self.0);
        let Some(session) = sessions.get_mut(cookie).filter(|session| session.open) else { return Use::Unknown };
        session.requests += 1;
        session.open = session.requests <= faults.session_requests.unwrap_or(u64::MAX);
        if session.open { Use::Good } else { Use::Dies }
    }
}

pub(super) fn sign_in(appliance: &Appliance, headers: &HeaderMap) -> Response {
    let Some(user) = account(appliance, headers) else { return refused(appliance) };
    let kept = cookie(headers).filter(|cookie| appliance.sessions.is_open(cookie));
    let cookie = kept.map_or_else(|| opened(appliance), str::to_owned);
    let mut response = json_answer(StatusCode::OK, &json!({"UserId": 1, "UserName": user}));
    if let Ok(value) = HeaderValue::from_str(&format!("{COOKIE}={cookie}; path=/; HttpOnly")) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

/// The cookie of a new session.
fn opened(appliance: &Appliance) -> String {
    let cookie: String = (0..24).map(|_| fastrand::alphanumeric()).collect();
    appliance.sessions.open(cookie.clone());
    appliance.tally.count(|c| {
        c.sessions_opened += 1;
        c.sessions_open += 1;
    });
    cookie
}

/// The cookie suffices: clients in the field send nothing else here.
pub(super) fn sign_out(appliance: &Appliance, headers: &HeaderMap) -> Response {
    if !cookie(headers).is_some_and(|cookie| appliance.sessions.close(cookie)) {
        return refused(appliance);
    }
    appliance.tally.count(|c| c.sessions_open -= 1);
    Response::default()
}

/// Whether a call shows the cookie of an open session, and the account.
pub(super) fn is_good(appliance: &Appliance, headers: &HeaderMap) -> bool {
    if account(appliance, headers).is_none() {
        return false;
    }
    let found = cookie(headers).map_or(Use::Unknown, |cookie| appliance.sessions.take(cookie, &appliance.faults()));
    if found == Use::Dies {
        appliance.tally.count(|c| c.sessions_open -= 1);
    }
    found == Use::Good
}

pub(super) fn refused(appliance: &Appliance) -> Response {
    appliance.tally.count(|c| c.unauthorized += 1);
    said(StatusCode::UNAUTHORIZED, "User not authorized")
}

/// Who calls, by a token that is good or by the key and the user that it runs as.
fn account<'a>(appliance: &'a Appliance, headers: &HeaderMap) -> Option<&'a str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    if let Some(token) = value.strip_prefix("Bearer ") {
        return appliance.tokens.uses(token, &appliance.faults()).then_some(&*appliance.client_id);
    }
    let fields: Vec<(&str, &str)> = value
        .strip_prefix("PS-Auth ")?
        .split(';')
        .filter_map(|field| field.split_once('='))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect();
    let reported = |name: &str| fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| *value);
    let known = reported("key") == Some(&*appliance.api_key) && reported("runas") == Some(&*appliance.run_as);
    known.then_some(&*appliance.run_as)
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}
