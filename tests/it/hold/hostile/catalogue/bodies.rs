//! Bodies that are no JSON, other JSON, far too much JSON, or honest JSON under wrong headers.

use super::{Answer, Applies, Misbehaviour, Turn};
use std::fmt::Write as _;
use std::sync::LazyLock;

const fn at(name: &'static str, make: fn(Turn<'_>) -> Answer) -> Misbehaviour {
    Misbehaviour::new(name, Applies::Always, make)
}

fn body(mut turn: Turn<'_>, change: impl Fn(Vec<u8>) -> Vec<u8>) -> Answer {
    turn.honest.body = change(turn.honest.body);
    turn.honest
}

pub(super) const ALL: [Misbehaviour; 23] = [
    at("invalid-utf-8", |turn| body(turn, |body| inserted(&body, b"\xff\xc0"))),
    at("byte-order-mark", |turn| body(turn, |body| [b"\xef\xbb\xbf", &body[..]].concat())),
    at("nul-bytes", |turn| body(turn, |body| inserted(&body, b"\0\0\0"))),
    at("utf-16", |turn| {
        body(turn, |body| String::from_utf8_lossy(&body).encode_utf16().flat_map(u16::to_le_bytes).collect())
    }),
    at("text-after-the-json", |turn| body(turn, |body| [&body[..], b" done"].concat())),
    at("two-documents", |turn| body(turn, |body| [&body[..], &body[..]].concat())),
    at("json-null", |_| Answer::json("200 OK", "null")),
    at("json-array", |_| Answer::json("200 OK", "[1]")),
    at("json-text", |_| Answer::json("200 OK", "\"busy\"")),
    at("json-number", |_| Answer::json("200 OK", "7")),
    at("json-true", |_| Answer::json("200 OK", "true")),
    at("json-empty-object", |_| Answer::json("200 OK", "{}")),
    at("deep-nesting", |_| Answer::json("200 OK", format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000)))),
    at("deep-nesting-in-a-row", |_| {
        Answer::json("200 OK", format!("{{\"users\":[{{\"id\":{}1", "{\"a\":".repeat(200_000)))
    }),
    at("million-rows", |_| Answer::json("200 OK", MILLION_OBJECTS.clone())),
    at("million-bare-rows", |_| Answer::json("200 OK", MILLION_ROWS.clone())),
    at("huge-text", |_| Answer::json("200 OK", format!("{{\"users\":[{{\"id\":\"{}\"}}]}}", "x".repeat(20_000_000)))),
    at("huge-number", |_| Answer::json("200 OK", format!("[{{\"id\":{}}}]", "7".repeat(5_000_000)))),
    at("wrong-content-type", |turn| turn.honest.replacing("Content-Type", "image/png")),
    at("content-type-of-controls", |turn| turn.honest.replacing("Content-Type", "text/\u{9b}31m; charset=\u{202e}")),
    at("date-years-ahead", |turn| turn.honest.replacing("Date", "Thu, 01 Jan 2099 00:00:00 GMT")),
    at("date-years-behind", |turn| turn.honest.replacing("Date", "Thu, 01 Jan 1970 00:00:00 GMT")),
    at("date-is-text", |turn| turn.honest.replacing("Date", "yesterday")),
];

/// Inserts bytes in the middle.
fn inserted(body: &[u8], bytes: &[u8]) -> Vec<u8> {
    let (start, end) = body.split_at(body.len() / 2);
    [start, bytes, end].concat()
}

/// A million rows whose ids no world contains.
static MILLION_ROWS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut text = String::from("[{\"id\":5000000000}");
    for id in 5_000_000_001_u64..5_001_000_000 {
        // Writing into a String cannot fail.
        let _ = write!(text, ",{{\"id\":{id}}}");
    }
    text.push(']');
    text.into_bytes()
});

static MILLION_OBJECTS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let rows = String::from_utf8_lossy(&MILLION_ROWS);
    format!("{{\"total\":1000000,\"totalResults\":1000000,\"users\":{rows}}}").into_bytes()
});
