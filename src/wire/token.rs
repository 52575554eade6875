//! The token cache: one token for all, refreshed before it dies, refreshed once when it died early.
//! OAuth 2.0 client credentials, RFC 6749 §4.4. Knows no retry; the client drives it.

use super::{Account, ClientSettings, TokenAuth, WireErrorKind};
use base64::Engine;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A token is used up to this long before its end, or for four fifths of its life if that is less.
const MARGIN: Duration = Duration::from_secs(60);
/// A life that is not told, or absurd, is taken as this (RFC 6749 §5.1 lets a server leave it out).
const USUAL_LIFE: Duration = Duration::from_secs(3600);

/// What the token endpoint gave, or a credential that lasts.
pub(super) struct Granted {
    pub(super) header: HeaderValue,
    /// When it is to be replaced.
    until: Option<Instant>,
}

impl Granted {
    /// A token of so long a life, from now.
    fn token(token: &SecretString, life: Duration) -> Self {
        let usable = (life * 4 / 5).max(Duration::from_secs(1));
        let usable = if life > 5 * MARGIN { life.saturating_sub(MARGIN) } else { usable };
        Self { header: bearer(token), until: Some(Instant::now() + usable) }
    }

    /// A credential without an end.
    pub(super) fn lasting(header: &HeaderValue) -> Self {
        Self { header: header.clone(), until: None }
    }

    fn is_live(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}

/// RFC 6750 §2.1.
pub(super) fn bearer(token: &SecretString) -> HeaderValue {
    secret_header(&format!("Bearer {}", token.expose_secret()))
}

/// Password Safe: `PS-Auth key=…; runas=…; pwd=[…];`.
pub(super) fn key(key: &SecretString, run_as: &str, password: Option<&SecretString>) -> HeaderValue {
    let password = password.map_or_else(String::new, |password| format!(" pwd=[{}];", password.expose_secret()));
    secret_header(&format!("PS-Auth key={}; runas={run_as};{password}", key.expose_secret()))
}

/// A text that no header can hold becomes an empty one, and is refused by the appliance.
fn secret_header(text: &str) -> HeaderValue {
    let mut header = HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    header.set_sensitive(true);
    header
}

struct Held {
    granted: Granted,
    cookie: Option<HeaderValue>,
    generation: u64,
    /// Some request has shown it.
    shown: bool,
    /// It was refused: only the credential may still be good, for a new session.
    refused: bool,
}

/// What lets one request in.
pub(super) struct Pass {
    /// The header `Authorization`.
    pub(super) credential: HeaderValue,
    /// The session.
    pub(super) cookie: Option<HeaderValue>,
    /// Which it is: 1 for the first, then one more each.
    pub(super) generation: u64,
    /// No request has shown it before: refused now, it was never good for anything.
    pub(super) fresh: bool,
}

/// All credentials of one client, one at a time, and its session.
pub(super) struct Tokens {
    held: RefCell<Option<Held>>,
    generation: Cell<u64>,
    way: Cell<TokenAuth>,
    /// The session's cookie, also of one that may have died: shown at the next sign-in, so that none is left open.
    cookies: RefCell<Vec<(String, String)>>,
    /// The account was refused: those who wait behind it need not ask again.
    refusal: RefCell<Option<WireErrorKind>>,
    /// Held by the one who fetches.
    pub(super) gate: Mutex<()>,
}

impl Tokens {
    pub(super) fn new(settings: &ClientSettings) -> Self {
        let way = match settings.account {
            Account::Oauth { token_auth, .. } => token_auth,
            Account::Bearer(_) | Account::Key { .. } => TokenAuth::default(),
        };
        Self {
            held: RefCell::new(None),
            generation: Cell::new(0),
            way: Cell::new(way),
            cookies: RefCell::default(),
            refusal: RefCell::new(None),
            gate: Mutex::new(()),
        }
    }

    /// Whether there is a pass in hand that has time to live.
    pub(super) fn is_live(&self) -> bool {
        self.held.borrow().as_ref().is_some_and(|h| !h.refused && h.granted.is_live())
    }

    /// The pass in hand: it may be a newer one than the caller saw before. `None` where it was just thrown away.
    pub(super) fn pass(&self) -> Option<Pass> {
        let mut held = self.held.borrow_mut();
        let held = held.as_mut().filter(|held| !held.refused)?;
        let fresh = !std::mem::replace(&mut held.shown, true);
        let (credential, cookie) = (held.granted.header.clone(), held.cookie.clone());
        Some(Pass { credential, cookie, generation: held.generation, fresh })
    }

    /// Throws away what was refused; a newer one stays, so that many refusals of one token cost one refresh.
    pub(super) fn discard(&self, generation: u64) {
        if let Some(held) = self.held.borrow_mut().as_mut().filter(|held| held.generation == generation) {
            held.refused = true;
        }
    }

    /// The credential of a pass that was refused, if it has time to live: the session may have died, not the credential.
    pub(super) fn spare(&self) -> Option<Granted> {
        let held = self.held.borrow_mut().take()?;
        Some(held.granted).filter(Granted::is_live)
    }

    /// The credential in hand, good or not.
    pub(super) fn credential(&self) -> Option<HeaderValue> {
        self.held.borrow().as_ref().map(|held| held.granted.header.clone())
    }

    pub(super) fn keep(&self, granted: &Granted, cookie: Option<HeaderValue>) {
        let generation = self.generation.get() + 1;
        self.generation.set(generation);
        let granted = Granted { header: granted.header.clone(), until: granted.until };
        let held = Held { granted, cookie, generation, shown: false, refused: false };
        *self.held.borrow_mut() = Some(held);
    }

    /// RFC 6265 §5.4: names and values, `; ` between them.
    pub(super) fn cookie(&self) -> Option<HeaderValue> {
        let cookies = self.cookies.borrow();
        let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| secret_header(&pairs.join("; ")))
    }

    /// RFC 6265 §5.3: a cookie takes the place of the one with its name; others stay (a balancer sets its own).
    pub(super) fn note_cookie(&self, set: Vec<(String, String)>) {
        let mut cookies = self.cookies.borrow_mut();
        for (name, value) in set {
            cookies.retain(|(other, _)| *other != name);
            cookies.push((name, value));
        }
    }

    /// It was closed.
    pub(super) fn forget_session(&self) {
        self.cookies.borrow_mut().clear();
        *self.held.borrow_mut() = None;
    }

    /// Ways to show the account, in the order to try; after the first success only that one.
    pub(super) fn ways(&self) -> Vec<TokenAuth> {
        match self.way.get() {
            TokenAuth::Auto => vec![TokenAuth::Form, TokenAuth::Basic],
            known => vec![known],
        }
    }

    pub(super) fn remember_way(&self, way: TokenAuth) {
        self.way.set(way);
    }

    pub(super) fn refusal(&self) -> Option<WireErrorKind> {
        self.refusal.borrow().clone()
    }

    pub(super) fn remember_refusal(&self, kind: &WireErrorKind) {
        if matches!(kind, WireErrorKind::Refused(_) | WireErrorKind::Tls(_)) {
            *self.refusal.borrow_mut() = Some(kind.clone());
        }
    }
}

/// Puts the account into the request: RFC 6749 §2.3.1, by Basic (each part form-encoded first) or in the form.
pub(super) fn authenticate(
    request: RequestBuilder,
    way: TokenAuth,
    client_id: &str,
    secret: &SecretString,
) -> RequestBuilder {
    let (id, secret) = (form_encoded(client_id), form_encoded(secret.expose_secret()));
    if way == TokenAuth::Basic {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
        let mut header = HeaderValue::from_str(&format!("Basic {pair}")).unwrap_or(HeaderValue::from_static("Basic"));
        header.set_sensitive(true);
        request.header(AUTHORIZATION, header).body("grant_type=client_credentials")
    } else {
        request.body(format!("grant_type=client_credentials&client_id={id}&client_secret={secret}"))
    }
}

/// `application/x-www-form-urlencoded` (WHATWG URL §5.2), space as `+`.
fn form_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b' ' => out.push('+'),
            b if b.is_ascii_alphanumeric() || b"-._*".contains(&b) => out.push(char::from(b)),
            b => {
                // Writing into a String cannot fail.
                let _ = write!(out, "%{b:02X}");
            }
        }
        out
    })
}

/// Reads the token endpoint's answer (RFC 6749 §5.1, §5.2). The body of a good answer is never shown anywhere.
pub(super) fn read(status: StatusCode, body: &[u8]) -> Result<Granted, WireErrorKind> {
    #[derive(Deserialize)]
    struct Good {
        access_token: String,
        #[serde(default)]
        expires_in: serde_json::Value,
    }
    #[derive(Deserialize)]
    struct Bad {
        error: String,
    }
    match status.as_u16() {
        200 => {
            let shape = |_| WireErrorKind::Shape("the token endpoint's answer carries no access_token".to_owned());
            let good: Good = serde_json::from_slice(body).map_err(shape)?;
            // A number (RFC 6749 §5.1); some servers write it as a text.
            let told = good.expires_in.as_f64().or_else(|| good.expires_in.as_str()?.trim().parse().ok());
            let life = told.filter(|s| s.is_finite() && *s > 0.0 && *s < 1e9);
            let life = life.map_or(USUAL_LIFE, Duration::from_secs_f64);
            Ok(Granted::token(&SecretString::from(good.access_token), life))
        }
        400 | 401 => {
            let code = serde_json::from_slice::<Bad>(body).map(|b| b.error).unwrap_or_default();
            // Only the codes of RFC 6749 §5.2 are echoed.
            let known = [
                "invalid_client",
                "unauthorized_client",
                "invalid_request",
                "unsupported_grant_type",
                "invalid_scope",
                "invalid_grant",
            ];
            let code = if known.contains(&code.as_str()) {
                format!("{} {code}", status.as_u16())
            } else {
                status.as_u16().to_string()
            };
            Err(WireErrorKind::Refused(code))
        }
        403 => Err(WireErrorKind::Refused("403".to_owned())),
        404 => Err(WireErrorKind::NotFound),
        300..=399 => {
            Err(WireErrorKind::Shape("a redirect instead of a token; is url the appliance itself?".to_owned()))
        }
        status => Err(WireErrorKind::Status(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        let secret = SecretString::from("s".to_owned());
        Tokens::new(&ClientSettings::new("eu".into(), "https://localhost", "id", secret))
    }

    fn granted(life: u64) -> Granted {
        Granted::token(&SecretString::from("t".to_owned()), Duration::from_secs(life))
    }

    #[test]
    fn a_token_is_replaced_before_its_end() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            for (life, usable) in [(3600, 3540), (301, 241), (300, 240), (10, 8)] {
                let tokens = tokens();
                tokens.keep(&granted(life), None);
                tokio::time::advance(Duration::from_secs(usable - 1)).await;
                assert!(tokens.is_live(), "a life of {life} s");
                tokio::time::advance(Duration::from_secs(2)).await;
                assert!(!tokens.is_live(), "a life of {life} s");
            }
        });
    }

    #[test]
    fn only_the_first_to_show_a_token_shows_a_fresh_one() {
        let tokens = tokens();
        assert!(tokens.pass().is_none());
        tokens.keep(&granted(60), None);
        let first = tokens.pass().unwrap();
        assert!(first.fresh);
        assert!(!tokens.pass().unwrap().fresh);
        tokens.discard(first.generation + 1);
        assert!(tokens.pass().is_some(), "a newer one stays");
        tokens.discard(first.generation);
        assert!(tokens.pass().is_none());
    }

    #[test]
    fn the_older_way_of_password_safe_is_one_header() {
        let secret = |text: &str| SecretString::from(text.to_owned());
        let plain = key(&secret("k"), "DOMAIN\\audit", None);
        assert_eq!(plain.to_str().unwrap(), "PS-Auth key=k; runas=DOMAIN\\audit;");
        let with = key(&secret("k"), "audit", Some(&secret("p")));
        assert_eq!(with.to_str().unwrap(), "PS-Auth key=k; runas=audit; pwd=[p];");
        assert!(with.is_sensitive() && !format!("{with:?}").contains("pwd"));
    }
}
