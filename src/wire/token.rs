//! The token cache: one token for all, refreshed before it dies, refreshed once when it died early.
//! OAuth 2.0 client credentials, RFC 6749 §4.4. Knows no retry; the client drives it.

use super::{TokenAuth, WireErrorKind};
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

/// What the token endpoint gave.
pub(super) struct Granted {
    token: SecretString,
    life: Duration,
}

struct Held {
    bearer: HeaderValue,
    generation: u64,
    until: Instant,
    /// Some request has shown it.
    shown: bool,
}

/// A token on its way into one request.
pub(super) struct Bearer {
    /// The header.
    pub(super) header: HeaderValue,
    /// Which token it is: 1 for the first, then one more each.
    pub(super) generation: u64,
    /// No request has shown it before: refused now, it was never good for anything.
    pub(super) fresh: bool,
}

/// All tokens of one client, one at a time.
pub(super) struct Tokens {
    held: RefCell<Option<Held>>,
    generation: Cell<u64>,
    way: Cell<TokenAuth>,
    /// The account was refused: those who wait behind it need not ask again.
    refusal: RefCell<Option<WireErrorKind>>,
    /// Held by the one who fetches.
    pub(super) gate: Mutex<()>,
}

impl Tokens {
    pub(super) fn new(way: TokenAuth) -> Self {
        Self {
            held: RefCell::new(None),
            generation: Cell::new(0),
            way: Cell::new(way),
            refusal: RefCell::new(None),
            gate: Mutex::new(()),
        }
    }

    /// The generation of the token in hand, if it still has time to live.
    pub(super) fn live(&self) -> Option<u64> {
        self.held.borrow().as_ref().filter(|h| Instant::now() < h.until).map(|h| h.generation)
    }

    /// The token in hand: it may be a newer one than the caller saw before. `None` where it was just thrown away.
    pub(super) fn bearer(&self) -> Option<Bearer> {
        let mut held = self.held.borrow_mut();
        let held = held.as_mut()?;
        let fresh = !std::mem::replace(&mut held.shown, true);
        Some(Bearer { header: held.bearer.clone(), generation: held.generation, fresh })
    }

    /// Throws the token away that was refused; a newer one stays, so that many refusals of one token cost one refresh.
    pub(super) fn discard(&self, generation: u64) {
        self.held.borrow_mut().take_if(|held| held.generation == generation);
    }

    pub(super) fn keep(&self, granted: &Granted, way: TokenAuth) -> u64 {
        let generation = self.generation.get() + 1;
        self.generation.set(generation);
        self.way.set(way);
        let usable = (granted.life * 4 / 5).max(Duration::from_secs(1));
        let usable = if granted.life > 5 * MARGIN { granted.life.saturating_sub(MARGIN) } else { usable };
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", granted.token.expose_secret()))
            .unwrap_or(HeaderValue::from_static("Bearer"));
        bearer.set_sensitive(true);
        *self.held.borrow_mut() = Some(Held { bearer, generation, until: Instant::now() + usable, shown: false });
        generation
    }

    /// Ways to show the account, in the order to try; after the first success only that one.
    pub(super) fn ways(&self) -> Vec<TokenAuth> {
        match self.way.get() {
            TokenAuth::Auto => vec![TokenAuth::Form, TokenAuth::Basic],
            known => vec![known],
        }
    }

    pub(super) fn refusal(&self) -> Option<WireErrorKind> {
        self.refusal.borrow().clone()
    }

    pub(super) fn remember_refusal(&self, kind: &WireErrorKind) {
        if matches!(kind, WireErrorKind::Refused(_)) {
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
        expires_in: Option<f64>,
    }
    #[derive(Deserialize)]
    struct Bad {
        error: String,
    }
    match status.as_u16() {
        200 => {
            let shape = |_| WireErrorKind::Shape("the token endpoint's answer carries no access_token".to_owned());
            let good: Good = serde_json::from_slice(body).map_err(shape)?;
            let life = good.expires_in.filter(|s| s.is_finite() && *s > 0.0 && *s < 1e9);
            Ok(Granted {
                token: SecretString::from(good.access_token),
                life: life.map_or(USUAL_LIFE, Duration::from_secs_f64),
            })
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

    #[test]
    fn a_token_is_replaced_before_its_end() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            for (life, usable) in [(3600, 3540), (301, 241), (300, 240), (10, 8)] {
                let tokens = Tokens::new(TokenAuth::Form);
                let granted = Granted { token: SecretString::from("t".to_owned()), life: Duration::from_secs(life) };
                let generation = tokens.keep(&granted, TokenAuth::Form);
                tokio::time::advance(Duration::from_secs(usable - 1)).await;
                assert_eq!(tokens.live(), Some(generation), "a life of {life} s");
                tokio::time::advance(Duration::from_secs(2)).await;
                assert_eq!(tokens.live(), None, "a life of {life} s");
            }
        });
    }

    #[test]
    fn only_the_first_to_show_a_token_shows_a_fresh_one() {
        let tokens = Tokens::new(TokenAuth::Form);
        assert!(tokens.bearer().is_none());
        let granted = Granted { token: SecretString::from("t".to_owned()), life: Duration::from_secs(60) };
        let generation = tokens.keep(&granted, TokenAuth::Form);
        assert!(tokens.bearer().unwrap().fresh);
        assert!(!tokens.bearer().unwrap().fresh);
        tokens.discard(generation + 1);
        assert!(tokens.bearer().is_some(), "a newer one stays");
        tokens.discard(generation);
        assert!(tokens.bearer().is_none());
    }
}
