//! Answers of a token endpoint that are no token, or a token that cannot be used.

use super::{Answer, Applies, Misbehaviour, Turn};
use serde_json::{Value, json};

const fn at(name: &'static str, make: fn(Turn<'_>) -> Answer) -> Misbehaviour {
    Misbehaviour::new(name, Applies::Tokens, make)
}

/// Sets a field of the token answer.
fn with(mut turn: Turn<'_>, key: &str, value: Value) -> Answer {
    let mut token = turn.honest.value().unwrap_or_else(|| json!({}));
    token[key] = value;
    turn.honest.body = token.to_string().into_bytes();
    turn.honest
}

pub(super) const ALL: [Misbehaviour; 11] = [
    at("token-expired-at-once", |turn| with(turn, "expires_in", json!(0))),
    at("token-expired-before", |turn| with(turn, "expires_in", json!(-3600))),
    at("token-expiry-huge", |turn| with(turn, "expires_in", json!(u64::MAX))),
    at("token-expiry-is-text", |turn| with(turn, "expires_in", json!("soon"))),
    at("token-of-another-type", |turn| with(turn, "token_type", json!("mac"))),
    at("token-is-null", |turn| with(turn, "access_token", Value::Null)),
    at("token-is-a-number", |turn| with(turn, "access_token", json!(7))),
    at("token-is-empty", |turn| with(turn, "access_token", json!(""))),
    at("token-of-500-kilobytes", |turn| with(turn, "access_token", json!("t".repeat(500_000)))),
    at("token-with-line-breaks", |turn| with(turn, "access_token", json!("a\r\nX-Injected: b"))),
    at("token-missing", |_| Answer::json("200 OK", r#"{"expires_in":3600,"token_type":"Bearer"}"#)),
];
