//! The token cache: one token for all, refreshed before it dies, refreshed once when it died early.
//! OAuth 2.0 client credentials, RFC 6749 §4.4. Knows no retry; the client drives it.

use super::excerpt::excerpt;
use super::response::HttpResponse;
use super::{ClientSettings, Credentials, Disposition, Failure, TokenAuth, WireErrorKind, body, refusal, shape};
use base64::Engine;
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A token is used up to this long before its end, or for four fifths of its life if that is less.
const MARGIN: Duration = Duration::from_secs(60);
/// A life that is not told, or absurd, is taken as this (RFC 6749 §5.1 lets a server leave it out).
const USUAL_LIFE: Duration = Duration::from_secs(3600);

/// One form in which the account is shown to the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthForm {
    /// In the body (RFC 6749 §2.3.1).
    Form,
    /// HTTP Basic with the id and the secret as they are (RFC 7617 §2), as curl and the vendor's clients send it.
    BasicRaw,
    /// HTTP Basic with both parts form-encoded first (RFC 6749 §2.3.1).
    BasicEncoded,
}

/// What the token endpoint gave, or a credential that lasts.
pub(super) struct GrantedCredential {
    pub(super) header: HeaderValue,
    /// When it is to be replaced.
    until: Option<Instant>,
}

impl GrantedCredential {
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

struct HeldCredential {
    granted: GrantedCredential,
    cookie: Option<HeaderValue>,
    generation: u64,
    /// Some request has shown it.
    shown: bool,
    /// It was refused: only the credential may still be good, for a new session.
    refused: bool,
}

/// What lets one request in.
pub(super) struct AccessPermit {
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
    held: RefCell<Option<HeldCredential>>,
    generation: Cell<u64>,
    /// Forms that the configuration allows, in the order to try; only the one that worked, once one has.
    ways: RefCell<Vec<AuthForm>>,
    /// The session's cookie, also of one that may have died: shown at the next sign-in, so that none is left open.
    cookies: RefCell<Vec<(String, String)>>,
    /// The account was refused: those who wait behind it need not ask again.
    refusal: RefCell<Option<Failure>>,
    /// Held by the one who fetches.
    pub(super) gate: Mutex<()>,
}

impl Tokens {
    pub(super) fn new(settings: &ClientSettings) -> Self {
        let ways = match &settings.account {
            Credentials::Oauth { token_auth, client_id, client_secret, .. } => {
                ways(*token_auth, client_id, client_secret.expose_secret())
            }
            Credentials::Bearer(_) | Credentials::Key { .. } => Vec::new(),
        };
        Self {
            held: RefCell::new(None),
            generation: Cell::new(0),
            ways: RefCell::new(ways),
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
    pub(super) fn pass(&self) -> Option<AccessPermit> {
        let mut held = self.held.borrow_mut();
        let held = held.as_mut().filter(|held| !held.refused)?;
        let fresh = !std::mem::replace(&mut held.shown, true);
        let (credential, cookie) = (held.granted.header.clone(), held.cookie.clone());
        Some(AccessPermit { credential, cookie, generation: held.generation, fresh })
    }

    /// Throws away what was refused; a newer one stays, so that many refusals of one token cost one refresh.
    pub(super) fn discard(&self, generation: u64) {
        if let Some(held) = self.held.borrow_mut().as_mut().filter(|held| held.generation == generation) {
            held.refused = true;
        }
    }

    /// The credential of a pass that was refused, if it has time to live: the session may have died, not the credential.
    pub(super) fn spare(&self) -> Option<GrantedCredential> {
        let held = self.held.borrow_mut().take()?;
        Some(held.granted).filter(GrantedCredential::is_live)
    }

    /// The credential in hand, good or not.
    pub(super) fn credential(&self) -> Option<HeaderValue> {
        self.held.borrow().as_ref().map(|held| held.granted.header.clone())
    }

    pub(super) fn keep(&self, granted: &GrantedCredential, cookie: Option<HeaderValue>) {
        let generation = self.generation.get() + 1;
        self.generation.set(generation);
        let granted = GrantedCredential { header: granted.header.clone(), until: granted.until };
        let held = HeldCredential { granted, cookie, generation, shown: false, refused: false };
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
    pub(super) fn ways(&self) -> Vec<AuthForm> {
        self.ways.borrow().clone()
    }

    pub(super) fn remember_way(&self, way: AuthForm) {
        *self.ways.borrow_mut() = vec![way];
    }

    pub(super) fn refusal(&self) -> Option<Failure> {
        self.refusal.borrow().clone()
    }

    pub(super) fn remember_refusal(&self, failure: &Failure) {
        let is_lasting = matches!(
            failure.kind,
            WireErrorKind::Refused(_)
                | WireErrorKind::Tls(_)
                | WireErrorKind::TokenRefused(_)
                | WireErrorKind::SecondFactor
                | WireErrorKind::AddressRefused
                | WireErrorKind::Firewall(_)
                | WireErrorKind::Answered(_)
        );
        if is_lasting && failure.kind.disposition() == Disposition::GiveUp {
            *self.refusal.borrow_mut() = Some(failure.clone());
        }
    }

    /// The credential and the cookies in hand, as they are sent.
    pub(super) fn secrets(&self) -> Vec<String> {
        let held = self.credential();
        let shown = held.as_ref().and_then(|header| header.to_str().ok()).unwrap_or_default();
        let credential = shown.split_once(' ').map_or(shown, |(_, credential)| credential).to_owned();
        self.cookies.borrow().iter().map(|(_, value)| value.clone()).chain([credential]).collect()
    }
}

/// The forms of one setting. The encoded pair is worth a request only where it differs.
fn ways(allowed: TokenAuth, client_id: &str, secret: &str) -> Vec<AuthForm> {
    let differs = form_encoded(client_id) != client_id || form_encoded(secret) != secret;
    let ways: &[AuthForm] = match allowed {
        TokenAuth::Auto => &[AuthForm::Form, AuthForm::BasicRaw, AuthForm::BasicEncoded],
        TokenAuth::Basic => &[AuthForm::BasicRaw, AuthForm::BasicEncoded],
        TokenAuth::Form => &[AuthForm::Form],
    };
    ways.iter().copied().filter(|way| differs || *way != AuthForm::BasicEncoded).collect()
}

/// Puts the account into the request.
pub(super) fn authenticate(
    request: RequestBuilder,
    way: AuthForm,
    client_id: &str,
    secret: &SecretString,
) -> RequestBuilder {
    let encoded = || (form_encoded(client_id), form_encoded(secret.expose_secret()));
    let (id, secret) = match way {
        AuthForm::Form => {
            let (id, secret) = encoded();
            return request.body(format!("grant_type=client_credentials&client_id={id}&client_secret={secret}"));
        }
        AuthForm::BasicRaw => (client_id.to_owned(), secret.expose_secret().to_owned()),
        AuthForm::BasicEncoded => encoded(),
    };
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
    request.header(AUTHORIZATION, secret_header(&format!("Basic {pair}"))).body("grant_type=client_credentials")
}

/// `application/x-www-form-urlencoded` (WHATWG URL §5.2), space as `+`.
pub(super) fn form_encoded(text: &str) -> String {
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

/// Reads the token endpoint's answer (RFC 6749 §5.1, §5.2). The body of a good answer is never shown anywhere. `own`: secrets
/// that must not be shown if they are echoed.
pub(super) fn read(answer: &HttpResponse, own: &[String]) -> Result<GrantedCredential, WireErrorKind> {
    match answer.status.as_u16() {
        status @ (200 | 201) => granted(&answer.body, status, own),
        status @ (400 | 401) => {
            let fields = body::json::<Map<String, Value>>(&answer.body).map(|(fields, _)| fields).unwrap_or_default();
            Err(refused(status, fields.get("error").and_then(Value::as_str), own))
        }
        403 => Err(match refusal::forbidden(answer, own) {
            WireErrorKind::Forbidden => WireErrorKind::Refused("403".to_owned()),
            other => other,
        }),
        300..=399 => Err(WireErrorKind::Shape(refusal::redirected(answer, "a token", own))),
        status => Err(WireErrorKind::Answered(status)),
    }
}

/// A token, from a body that may say everything else about it in any form.
fn granted(body: &[u8], status: u16, own: &[String]) -> Result<GrantedCredential, WireErrorKind> {
    let (fields, _) = body::json::<Map<String, Value>>(body).map_err(|_| WireErrorKind::Shape(no_json(body, own)))?;
    let token = fields.get("access_token").and_then(Value::as_str).map(str::trim).filter(|token| !token.is_empty());
    let Some(token) = token else {
        // Some servers answer an error with a good status.
        return Err(match fields.get("error").and_then(Value::as_str).filter(|code| !code.is_empty()) {
            Some(code) => refused(status, Some(code), own),
            None => WireErrorKind::Shape(format!("expected key \"access_token\", found {}", shape::keys(&fields))),
        });
    };
    let token = SecretString::from(token.to_owned());
    if bearer(&token).is_empty() {
        return Err(WireErrorKind::Shape("its access_token holds characters that no request can carry".to_owned()));
    }
    // A number (RFC 6749 §5.1); some servers write it as a text.
    let seconds =
        fields.get("expires_in").and_then(|life| life.as_f64().or_else(|| life.as_str()?.trim().parse().ok()));
    let life = seconds.filter(|s| s.is_finite() && *s > 0.0 && *s < 1e9);
    Ok(GrantedCredential::token(&token, life.map_or(USUAL_LIFE, Duration::from_secs_f64)))
}

/// What came instead of JSON, without its words: they may hold a token.
fn no_json(body: &[u8], own: &[String]) -> String {
    let text = body::repaired(body);
    if body.is_empty() {
        "an empty body instead of a token".to_owned()
    } else if shape::is_html(&text) {
        format!("HTML instead of a token{}", shape::titled(&text, own))
    } else {
        format!("{} bytes that are no JSON object instead of a token", body.len())
    }
}

/// Codes that are shown as they are: those of RFC 6749 §5.2 and §4.1.2.1. The first four are about the account.
const CODES: [&str; 9] = [
    "invalid_client",
    "unauthorized_client",
    "invalid_grant",
    "access_denied",
    "invalid_request",
    "unsupported_grant_type",
    "invalid_scope",
    "server_error",
    "temporarily_unavailable",
];

fn refused(status: u16, code: Option<&str>, own: &[String]) -> WireErrorKind {
    match code.map(|code| (code, CODES.iter().position(|known| *known == code))) {
        None => WireErrorKind::Refused(status.to_string()),
        Some((code, Some(..4))) => WireErrorKind::Refused(format!("{status} {code}")),
        Some((code, Some(_))) => WireErrorKind::TokenRefused(format!("{status} {code}")),
        Some((code, None)) => WireErrorKind::TokenRefused(format!("{status} \"{}\"", excerpt(code, 40, own))),
    }
}

/// Whether a refusal may be one of the form in which the account was shown. With a good status only the code says so.
pub(super) fn may_be_of_the_way(kind: &WireErrorKind) -> bool {
    match kind {
        WireErrorKind::Refused(code) | WireErrorKind::TokenRefused(code) => {
            !code.starts_with('2') || code.ends_with(" invalid_client")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        let secret = SecretString::from("s".to_owned());
        Tokens::new(&ClientSettings::new("eu".into(), "https://localhost", "id", secret))
    }

    fn granted(life: u64) -> GrantedCredential {
        GrantedCredential::token(&SecretString::from("t".to_owned()), Duration::from_secs(life))
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
