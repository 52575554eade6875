//! Credentials: the cache of the current one, the token request (OAuth 2.0 client credentials, RFC 6749 §4.4), and the
//! response of the token endpoint.
//!
//! All requests of a client share one token. It is replaced shortly before it expires, and once if the appliance
//! rejects it earlier. `login` drives this module; nothing here sends a request or retries.

use super::excerpt::{excerpt, without_secrets};
use super::response::HttpResponse;
use super::{ClientSettings, Credentials, Disposition, Failure, TokenAuth, WireErrorKind, body, refusal, shape};
use base64::Engine;
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use secrecy::zeroize::{Zeroize, Zeroizing};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Time before the expiry at which a token is replaced. A token with a lifetime of five minutes or less is replaced
/// after four fifths of it.
const MARGIN: Duration = Duration::from_secs(60);
/// Lifetime of a token whose response states none, or an absurd one. RFC 6749 §5.1 lets a server omit it.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(3600);

/// Form of client authentication at the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthForm {
    /// Fields in the body (RFC 6749 §2.3.1).
    Form,
    /// HTTP Basic with id and secret as they are (RFC 7617 §2), as curl and the vendor's clients send it.
    BasicRaw,
    /// HTTP Basic with id and secret form-encoded first (RFC 6749 §2.3.1).
    BasicEncoded,
}

/// Token of the token endpoint, or a credential that does not expire.
pub(super) struct GrantedCredential {
    pub(super) header: HeaderValue,
    /// Time at which it must be replaced; `None` if it does not expire.
    until: Option<Instant>,
}

impl GrantedCredential {
    /// Creates a token credential whose lifetime starts now.
    fn token(token: &SecretString, lifetime: Duration) -> Self {
        let usable = (lifetime * 4 / 5).max(Duration::from_secs(1));
        let usable = if lifetime > 5 * MARGIN { lifetime.saturating_sub(MARGIN) } else { usable };
        Self { header: bearer(token), until: Some(Instant::now() + usable) }
    }

    /// Creates a credential that does not expire.
    pub(super) fn lasting(header: &HeaderValue) -> Self {
        Self { header: header.clone(), until: None }
    }

    fn is_valid(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}

/// Returns the header value for a bearer token (RFC 6750 §2.1).
pub(super) fn bearer(token: &SecretString) -> HeaderValue {
    secret_header(&Zeroizing::new(format!("Bearer {}", token.expose_secret())))
}

/// Returns the header value for an API key of Password Safe: `PS-Auth key=…; runas=…; pwd=[…];`.
pub(super) fn key(key: &SecretString, run_as: &str, password: Option<&SecretString>) -> HeaderValue {
    let password = password.map_or_else(String::new, |password| format!(" pwd=[{}];", password.expose_secret()));
    let password = Zeroizing::new(password);
    secret_header(&Zeroizing::new(format!("PS-Auth key={}; runas={run_as};{}", key.expose_secret(), *password)))
}

/// Returns a header value that is hidden in debug output. It is empty for a text that a header cannot hold; callers
/// check.
fn secret_header(text: &str) -> HeaderValue {
    let mut header = HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    header.set_sensitive(true);
    header
}

struct HeldCredential {
    granted: GrantedCredential,
    cookie: Option<HeaderValue>,
    generation: u64,
    /// Whether a request has used it.
    used: bool,
    /// Whether the appliance rejected it. The session may have expired, so the credential may still open a new one.
    rejected: bool,
}

/// Credential and session cookie for one request.
pub(super) struct AccessPermit {
    /// Value of the header `Authorization`.
    pub(super) credential: HeaderValue,
    /// Cookie of the session.
    pub(super) cookie: Option<HeaderValue>,
    /// Number of the credential: 1 for the first one of the client.
    pub(super) generation: u64,
    /// Whether this is its first use. A credential that is rejected at its first use was never valid.
    pub(super) fresh: bool,
}

/// Current credential and session of one client.
pub(super) struct Tokens {
    held: RefCell<Option<HeldCredential>>,
    generation: Cell<u64>,
    /// Allowed forms of client authentication in their order; after the first success only the form that worked.
    auth_forms: RefCell<Vec<AuthForm>>,
    /// Cookies of the session. They are kept after a rejection and sent with the next sign-in: the server then renews
    /// the session, and none is left open.
    cookies: RefCell<Vec<(String, String)>>,
    /// Lasting refusal of the account. Requests that wait for a token get it without another attempt.
    refusal: RefCell<Option<Failure>>,
    /// Lock of the task that fetches a credential.
    pub(super) fetch_lock: Mutex<()>,
}

impl Tokens {
    pub(super) fn new(settings: &ClientSettings) -> Self {
        let auth_forms = match &settings.account {
            Credentials::Oauth { token_auth, client_id, client_secret, .. } => {
                auth_forms(*token_auth, client_id, client_secret.expose_secret())
            }
            Credentials::Bearer(_) | Credentials::Key { .. } => Vec::new(),
        };
        Self {
            held: RefCell::new(None),
            generation: Cell::new(0),
            auth_forms: RefCell::new(auth_forms),
            cookies: RefCell::default(),
            refusal: RefCell::new(None),
            fetch_lock: Mutex::new(()),
        }
    }

    /// Checks whether a credential is held that was not rejected and has not expired.
    pub(super) fn is_valid(&self) -> bool {
        self.held.borrow().as_ref().is_some_and(|h| !h.rejected && h.granted.is_valid())
    }

    /// Returns the current credential for one request; `None` if it was rejected meanwhile.
    pub(super) fn permit(&self) -> Option<AccessPermit> {
        let mut held = self.held.borrow_mut();
        let held = held.as_mut().filter(|held| !held.rejected)?;
        let fresh = !std::mem::replace(&mut held.used, true);
        let (credential, cookie) = (held.granted.header.clone(), held.cookie.clone());
        Some(AccessPermit { credential, cookie, generation: held.generation, fresh })
    }

    /// Marks a credential as rejected. A newer one is not affected, so many rejections of one token cost one refresh.
    pub(super) fn discard(&self, generation: u64) {
        if let Some(held) = self.held.borrow_mut().as_mut().filter(|held| held.generation == generation) {
            held.rejected = true;
        }
    }

    /// Takes the credential if it has not expired, even if it was rejected: perhaps only its session has ended.
    pub(super) fn take_valid(&self) -> Option<GrantedCredential> {
        let held = self.held.borrow_mut().take()?;
        Some(held.granted).filter(GrantedCredential::is_valid)
    }

    /// Returns the current credential, valid or not.
    pub(super) fn credential(&self) -> Option<HeaderValue> {
        self.held.borrow().as_ref().map(|held| held.granted.header.clone())
    }

    pub(super) fn store(&self, granted: &GrantedCredential, cookie: Option<HeaderValue>) {
        let generation = self.generation.get() + 1;
        self.generation.set(generation);
        let granted = GrantedCredential { header: granted.header.clone(), until: granted.until };
        let held = HeldCredential { granted, cookie, generation, used: false, rejected: false };
        *self.held.borrow_mut() = Some(held);
    }

    /// Returns the header `Cookie`: pairs of name and value, separated by `; ` (RFC 6265 §5.4).
    pub(super) fn cookie(&self) -> Option<HeaderValue> {
        let cookies = self.cookies.borrow();
        let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| secret_header(&pairs.join("; ")))
    }

    /// Stores cookies. Each replaces the one with its name (RFC 6265 §5.3); others stay, because a load balancer sets
    /// its own.
    pub(super) fn store_cookies(&self, set: Vec<(String, String)>) {
        let mut cookies = self.cookies.borrow_mut();
        for (name, value) in set {
            cookies.retain(|(other, _)| *other != name);
            cookies.push((name, value));
        }
    }

    /// Removes the cookies and the credential of a session that was closed.
    pub(super) fn forget_session(&self) {
        self.cookies.borrow_mut().clear();
        *self.held.borrow_mut() = None;
    }

    /// Returns the forms of client authentication to try, in their order; after the first success only that one.
    pub(super) fn auth_forms(&self) -> Vec<AuthForm> {
        self.auth_forms.borrow().clone()
    }

    pub(super) fn remember_form(&self, form: AuthForm) {
        *self.auth_forms.borrow_mut() = vec![form];
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
        // `Answered` contains statuses such as 503 that a later attempt may not meet, so the disposition decides.
        if is_lasting && failure.kind.disposition() == Disposition::GiveUp {
            *self.refusal.borrow_mut() = Some(failure.clone());
        }
    }

    /// Returns the current credential and cookies as they are sent, so that messages can mask them.
    pub(super) fn secrets(&self) -> Vec<String> {
        let held = self.credential();
        // A server may echo the token without its scheme, so the scheme is removed.
        let shown = held.as_ref().and_then(|header| header.to_str().ok()).unwrap_or_default();
        let credential = shown.split_once(' ').map_or(shown, |(_, credential)| credential).to_owned();
        self.cookies.borrow().iter().map(|(_, value)| value.clone()).chain([credential]).collect()
    }
}

/// Returns the forms that a setting allows. The encoded form is tried only if it differs from the raw one.
fn auth_forms(allowed: TokenAuth, client_id: &str, secret: &str) -> Vec<AuthForm> {
    let differs = form_encoded(client_id) != client_id || form_encoded(secret) != secret;
    let forms: &[AuthForm] = match allowed {
        TokenAuth::Auto => &[AuthForm::Form, AuthForm::BasicRaw, AuthForm::BasicEncoded],
        TokenAuth::Basic => &[AuthForm::BasicRaw, AuthForm::BasicEncoded],
        TokenAuth::Form => &[AuthForm::Form],
    };
    forms.iter().copied().filter(|form| differs || *form != AuthForm::BasicEncoded).collect()
}

/// Adds the client id and the secret to a token request.
pub(super) fn with_client_authentication(
    request: RequestBuilder,
    form: AuthForm,
    client_id: &str,
    secret: &SecretString,
) -> RequestBuilder {
    // Every copy of the secret but that of the HTTP client is overwritten after its use.
    let encoded = || (form_encoded(client_id), Zeroizing::new(form_encoded(secret.expose_secret())));
    let (id, secret) = match form {
        AuthForm::Form => {
            let (id, secret) = encoded();
            let secret = secret.as_str();
            return request.body(format!("grant_type=client_credentials&client_id={id}&client_secret={secret}"));
        }
        AuthForm::BasicRaw => (client_id.to_owned(), Zeroizing::new(secret.expose_secret().to_owned())),
        AuthForm::BasicEncoded => encoded(),
    };
    let pair = Zeroizing::new(format!("{id}:{}", *secret));
    let pair = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(pair.as_bytes()));
    let header = secret_header(&Zeroizing::new(format!("Basic {}", *pair)));
    request.header(AUTHORIZATION, header).body("grant_type=client_credentials")
}

/// Encodes a text as `application/x-www-form-urlencoded` (WHATWG URL §5.2), with `+` for a space.
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

/// Reads the response of the token endpoint (RFC 6749 §5.1, §5.2).
///
/// No message shows the body of a good response. `secrets` are our own, which a server may echo.
pub(super) fn read(response: &HttpResponse, secrets: &[String]) -> Result<GrantedCredential, WireErrorKind> {
    match response.status.as_u16() {
        status @ (200 | 201) => granted(&response.body, status, secrets),
        status @ (400 | 401) => {
            let fields = body::json::<Map<String, Value>>(&response.body).map(|(fields, _)| fields).unwrap_or_default();
            Err(refused(status, fields.get("error").and_then(Value::as_str), secrets))
        }
        403 => Err(match refusal::forbidden(response, secrets) {
            WireErrorKind::Forbidden => WireErrorKind::Refused("403".to_owned()),
            other => other,
        }),
        300..=399 => Err(WireErrorKind::Shape(refusal::redirected(response, "a token", secrets))),
        status => Err(WireErrorKind::Answered(status)),
    }
}

/// Reads a token. Only `access_token` must be valid; all other fields may have any form.
fn granted(body: &[u8], status: u16, secrets: &[String]) -> Result<GrantedCredential, WireErrorKind> {
    let (fields, _) =
        body::json::<Map<String, Value>>(body).map_err(|_| WireErrorKind::Shape(not_json(body, secrets)))?;
    let token = fields.get("access_token").and_then(Value::as_str).map(str::trim).filter(|token| !token.is_empty());
    let Some(token) = token else {
        // Some servers report an error with a good status.
        let code = fields.get("error").and_then(Value::as_str).filter(|code| !code.is_empty());
        // A server may echo our request, even as a key.
        let missing = || without_secrets(shape::missing_key("access_token", &shape::keys(&fields)), secrets);
        return Err(code.map_or_else(|| WireErrorKind::Shape(missing()), |code| refused(status, Some(code), secrets)));
    };
    let token = SecretString::from(token.to_owned());
    if bearer(&token).is_empty() {
        let why = "access_token contains characters that an HTTP header cannot hold".to_owned();
        return Err(WireErrorKind::Shape(why));
    }
    // RFC 6749 §5.1 defines a number; some servers send a text.
    let seconds =
        fields.get("expires_in").and_then(|value| value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()));
    let lifetime = seconds.filter(|s| s.is_finite() && *s > 0.0 && *s < 1e9);
    erase(fields);
    Ok(GrantedCredential::token(&token, lifetime.map_or(DEFAULT_LIFETIME, Duration::from_secs_f64)))
}

/// Overwrites the texts of a token response, which may contain further tokens.
fn erase(fields: Map<String, Value>) {
    for value in fields.into_values() {
        if let Value::String(mut text) = value {
            text.zeroize();
        }
    }
}

/// Describes a body that is not JSON without quoting it, because it may contain a token.
fn not_json(body: &[u8], secrets: &[String]) -> String {
    let text = body::repaired(body);
    if body.is_empty() {
        "an empty body instead of a token".to_owned()
    } else if shape::is_html(&text) {
        format!("HTML instead of a token{}", shape::titled(&text, secrets))
    } else {
        format!("{} bytes that are not a JSON object instead of a token", body.len())
    }
}

/// Error codes of RFC 6749 §5.2 and §4.1.2.1, which messages show without masking. The first four are about the
/// account.
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

fn refused(status: u16, code: Option<&str>, secrets: &[String]) -> WireErrorKind {
    match code.map(|code| (code, CODES.iter().position(|known| *known == code))) {
        None => WireErrorKind::Refused(status.to_string()),
        Some((code, Some(..4))) => WireErrorKind::Refused(format!("{status} {code}")),
        Some((code, Some(_))) => WireErrorKind::TokenRefused(format!("{status} {code}")),
        Some((code, None)) => WireErrorKind::TokenRefused(format!("{status} \"{}\"", excerpt(code, 40, secrets))),
    }
}

/// Checks whether another form of client authentication may succeed after this refusal.
pub(super) fn may_concern_form(kind: &WireErrorKind) -> bool {
    match kind {
        WireErrorKind::Refused(code) | WireErrorKind::TokenRefused(code) => {
            // With a good status the endpoint has understood the form, unless it reports an invalid client.
            !code.starts_with('2') || code.ends_with(" invalid_client")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens::new(&ClientSettings::for_tests("https://localhost", "s"))
    }

    fn granted(lifetime: u64) -> GrantedCredential {
        GrantedCredential::token(&SecretString::from("t".to_owned()), Duration::from_secs(lifetime))
    }

    #[test]
    fn a_token_is_replaced_before_it_expires() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            for (lifetime, usable) in [(3600, 3540), (301, 241), (300, 240), (10, 8)] {
                let tokens = tokens();
                tokens.store(&granted(lifetime), None);
                tokio::time::advance(Duration::from_secs(usable - 1)).await;
                assert!(tokens.is_valid(), "a lifetime of {lifetime} s");
                tokio::time::advance(Duration::from_secs(2)).await;
                assert!(!tokens.is_valid(), "a lifetime of {lifetime} s");
            }
        });
    }

    #[test]
    fn a_token_is_fresh_only_for_its_first_request() {
        let tokens = tokens();
        assert!(tokens.permit().is_none());
        tokens.store(&granted(60), None);
        let first = tokens.permit().unwrap();
        assert!(first.fresh);
        assert!(!tokens.permit().unwrap().fresh);
        tokens.discard(first.generation + 1);
        assert!(tokens.permit().is_some(), "rejecting another token does not affect this one");
        tokens.discard(first.generation);
        assert!(tokens.permit().is_none());
    }

    #[test]
    fn api_key_of_password_safe_is_sent_in_one_header() {
        let secret = |text: &str| SecretString::from(text.to_owned());
        let plain = key(&secret("k"), "DOMAIN\\audit", None);
        assert_eq!(plain.to_str().unwrap(), "PS-Auth key=k; runas=DOMAIN\\audit;");
        let with = key(&secret("k"), "audit", Some(&secret("p")));
        assert_eq!(with.to_str().unwrap(), "PS-Auth key=k; runas=audit; pwd=[p];");
        assert!(with.is_sensitive() && !format!("{with:?}").contains("pwd"));
    }
}
