//! Answers with another status than the honest one: redirects, refusals, limits, errors of servers and of gateways.

use super::{Answer, Applies, Misbehaviour, Turn};
use crate::hold::hostile::answer::lines;

const fn at(name: &'static str, make: fn(Turn<'_>) -> Answer) -> Misbehaviour {
    Misbehaviour::new(name, Applies::Always, make)
}

fn redirect(status: &str, location: &str) -> Answer {
    Answer::of(status, "text/html", "moved").with("Location", location)
}

fn busy(retry_after: &str) -> Answer {
    Answer::json("429 Too Many Requests", "{}").with("Retry-After", retry_after)
}

const LOGIN: &str =
    "<!DOCTYPE html><html><head><title>Sign in</title></head><body><form method=post></form></body></html>";

pub(super) const ALL: [Misbehaviour; 33] = [
    at("empty-200", |_| Answer::json("200 OK", "")),
    at("login-page-200", |_| Answer::of("200 OK", "text/html; charset=utf-8", LOGIN)),
    at("login-page-called-json", |_| Answer::json("200 OK", LOGIN)),
    // Two such answers are an empty list (docs/products.md), and nothing contradicts them without a total.
    Misbehaviour::new("no-content-204", Applies::Others, |_| Answer::json("204 No Content", "")),
    at("not-modified-304", |_| Answer::json("304 Not Modified", "")),
    at("redirect-to-itself", |turn| redirect("301 Moved Permanently", &turn.request.target)),
    at("redirect-elsewhere", |_| redirect("302 Found", "https://login.example.invalid/?next=/")),
    at("redirect-to-plain-http", |turn| {
        redirect("307 Temporary Redirect", &format!("http://localhost:1{}", turn.request.target))
    }),
    at("redirect-without-location", |_| Answer::json("308 Permanent Redirect", "")),
    at("bad-request-400", |_| Answer::json("400 Bad Request", r#"{"error":"bad_request"}"#)),
    at("unauthorized-401", |_| Answer::json("401 Unauthorized", "").with("WWW-Authenticate", "Bearer")),
    at("forbidden-403", |_| Answer::json("403 Forbidden", r#"{"error":"forbidden"}"#)),
    at("not-found-404", |_| Answer::json("404 Not Found", r#"{"message":"Not Found"}"#)),
    at("method-not-allowed-405", |_| Answer::json("405 Method Not Allowed", "")),
    at("timeout-408", |_| Answer::json("408 Request Timeout", "")),
    at("conflict-409", |_| Answer::json("409 Conflict", "{}")),
    at("gone-410", |_| Answer::json("410 Gone", "")),
    at("busy-429", |_| Answer::json("429 Too Many Requests", "")),
    at("busy-429-zero", |_| busy("0")),
    at("busy-429-negative", |_| busy("-1")),
    at("busy-429-past-date", |_| busy("Sun, 06 Nov 1994 08:49:37 GMT")),
    at("busy-429-garbage", |_| busy("soon; or later")),
    at("busy-429-huge", |_| busy("1000000000000")).slow(),
    at("busy-429-far-date", |_| busy("Fri, 31 Dec 9999 23:59:59 GMT")).slow(),
    at("error-500", |_| Answer::of("500 Internal Server Error", "text/html", "<h1>oops</h1>")),
    at("error-500-empty", |_| Answer::json("500 Internal Server Error", "")),
    at("bad-gateway-502", |_| Answer::of("502 Bad Gateway", "text/html", "<html><body>502</body></html>")),
    at("unavailable-503", |_| Answer::json("503 Service Unavailable", "").with("Retry-After", "1")),
    at("gateway-timeout-504", |_| Answer::of("504 Gateway Timeout", "text/plain", "timeout")),
    at("status-999", |_| Answer::json("999 Request Denied", "")),
    at("status-is-text", |_| Answer::json("OK", "{}")),
    at("error-in-a-200", |_| Answer::json("200 OK", r#"{"error":{"code":500,"message":"busy"}}"#)),
    at("secrets-echoed", |turn| {
        let sent = lines(turn.request.headers.iter());
        let sent = format!("cannot handle {sent}{}", String::from_utf8_lossy(&turn.request.body));
        let body = serde_json::json!({"error": "invalid_request", "error_description": sent, "message": sent});
        Answer::json("400 Bad Request", body.to_string()).with("X-Echo", sent.replace(['\r', '\n'], " "))
    }),
];
