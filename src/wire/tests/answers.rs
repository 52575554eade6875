//! Responses as they occur in practice: damaged characters, no content, any compression, or an unexpected format.

use super::*;
use serde_json::Value;

/// List that may be empty.
#[derive(Debug, Deserialize, PartialEq)]
struct Rows(Vec<Value>);

impl Body for Rows {
    fn rows(&self) -> Option<u64> {
        Some(self.0.len() as u64)
    }
    fn empty() -> Option<Self> {
        Some(Self(Vec::new()))
    }
}

/// Starts a server that answers every GET with these bytes.
fn answering(answer: impl Fn(usize) -> Vec<u8> + Send + 'static) -> (String, Log) {
    server(move |seen, before| if seen.is_token() { token(3600) } else { answer(before) })
}

fn bytes(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.into_bytes(), body.to_vec()].concat()
}

fn list(client: &Client) -> Result<Rows, WireError> {
    run(client.get("/list"))
}

#[test]
fn damaged_characters_are_replaced_and_counted() {
    let bodies: [&[u8]; 3] = [b"\xef\xbb\xbf[\"whole\"]", b"[\"User \\ud83d\"]", b"[\"M\xfcller\",\"\\udc00\"]"];
    let (url, _) = answering(move |before| bytes("", bodies[before]));
    let client = client(&url);
    for (expected, count) in [(vec!["whole"], 0), (vec!["User \u{fffd}"], 1), (vec!["M\u{fffd}ller", "\u{fffd}"], 3)] {
        assert_eq!(list(&client).unwrap(), Rows(expected.into_iter().map(Value::from).collect()));
        assert_eq!(client.replaced_characters(), count);
    }
}

#[test]
fn two_consecutive_responses_without_content_are_an_empty_list_and_one_is_not() {
    let (url, log) = answering(|_| json("204 No Content", "X-Page: 1\r\n", ""));
    let client_ = client(&url);
    let (rows, headers) = run(client_.get_page_with_headers::<Rows>("/list", 100)).unwrap();
    assert_eq!((rows, headers["x-page"].to_str().unwrap()), (Rows(Vec::new()), "1"));
    assert_eq!(count(&log, false), 2);
    let (url, log) = answering(|before| if before == 0 { json("204 No Content", "", "") } else { bytes("", b"[7]") });
    assert_eq!(list(&client(&url)).unwrap(), Rows(vec![Value::from(7)]));
    assert_eq!(count(&log, false), 2);
    let (url, _) = answering(|before| match before {
        1 => json("500 x", "", ""),
        before if before < 4 => json("204 No Content", "", ""),
        _ => bytes("", b"[7]"),
    });
    assert_eq!(list(&client(&url)).unwrap(), Rows(Vec::new()), "two in a row after a failure");
}

#[test]
fn a_204_is_not_a_record_and_an_empty_body_is_not_a_list() {
    let (url, log) = answering(|_| json("204 No Content", "", ""));
    let error = get(&client(&url)).unwrap_err();
    assert!(error.to_string().contains("empty response (204)"), "{error}");
    assert!(count(&log, false) <= 4);
    let (url, _) = answering(|_| bytes("", b""));
    let error = list(&client(&url)).unwrap_err();
    assert_eq!(error.kind, WireErrorKind::Shape("an empty body with status 200".to_owned()));
}

#[test]
fn a_content_coding_that_was_not_requested_is_read_or_named_in_the_error() {
    use flate2::{Compression, write};
    use std::io::Write as _;
    let mut zlib = write::ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(b"{\"ok\":5}").unwrap();
    let mut raw = write::DeflateEncoder::new(Vec::new(), Compression::fast());
    raw.write_all(b"{\"ok\":5}").unwrap();
    for body in [zlib.finish().unwrap(), raw.finish().unwrap()] {
        let (url, _) = answering(move |_| bytes("Content-Encoding: deflate\r\n", &body));
        assert_eq!(get(&client(&url)).unwrap(), Answered { ok: 5 });
    }
    let (url, _) = answering(|_| bytes("Content-Encoding: br\r\n", b"\x0b\x02\x80"));
    let error = get(&client(&url)).unwrap_err();
    assert!(error.to_string().contains("Content-Encoding \"br\""), "{error}");
    let (url, _) = answering(|_| json("404 Not Found", "Content-Encoding: br\r\n", "xxx"));
    assert_eq!(get(&client(&url)).unwrap_err().kind, WireErrorKind::NotFound, "the status is more useful");
}

#[test]
fn the_size_limit_applies_to_the_decompressed_body() {
    use flate2::{Compression, write};
    use std::io::Write as _;
    let mut gzip = write::GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&vec![b' '; 1 << 20]).unwrap();
    let body = gzip.finish().unwrap();
    let (url, log) = answering(move |_| bytes("Content-Encoding: gzip\r\n", &body));
    let mut small = client(&url);
    small.settings.max_body_bytes = 100_000;
    assert_eq!(get(&small).unwrap_err().kind, WireErrorKind::TooLarge(100_000));
    assert_eq!(count(&log, false), 1);
}

#[test]
fn a_body_never_has_more_room_than_the_memory_of_its_source() {
    let mut settings = ClientSettings::for_tests("http://127.0.0.1", "s3cret");
    (settings.max_body_bytes, settings.max_rows) = (512 << 20, 20_000);
    assert_eq!(settings.of_data().bytes, 256 << 20);
    settings.max_rows = 2_000_000;
    assert_eq!(settings.of_data().bytes, 512 << 20);
}

#[test]
fn an_unexpected_response_is_described_without_its_values() {
    for (body, expected) in [
        (
            &b"{\"Data\":[\"hunter2\"],\"TotalCount\":5}"[..],
            "the key \"ok\" is missing; found \"Data\", \"TotalCount\"",
        ),
        (b"{\"ok\":\"hunter2\"}", "$.ok: expected a whole number from 0, found a text"),
        (b"<!DOCTYPE html><title>BeyondTrust Login</title>", "HTML with status 200, titled \"BeyondTrust Login\""),
        (b"Maintenance\r\ntoken: hunter2 t0ken", "they start with: Maintenance\\r\\ntoken: *** ***"),
        (b"{\"ok\":1\0}", "not JSON"),
    ] {
        let (url, _) = answering(move |_| bytes("", body));
        let error = get(&client(&url)).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("GET /x: unexpected response: ") && text.contains(expected), "{text}");
        assert!(!text.contains("hunter2") && !text.contains('\0'), "{text}");
        assert!(error.hint().unwrap().contains("url"), "{:?}", error.hint());
    }
}

#[test]
fn a_403_names_the_appliance_the_registration_or_the_firewall() {
    for (headers, body, expected) in [
        ("", "{}", WireErrorKind::Forbidden),
        ("", "4031 - not a valid source address", WireErrorKind::AddressRefused),
        (
            "Via: 1.1 proxy\r\n",
            "<html></html>",
            WireErrorKind::Firewall("403 with an HTML page; Via: 1.1 proxy".to_owned()),
        ),
    ] {
        let (url, log) = answering(move |_| json("403 Forbidden", headers, body));
        let error = get(&client(&url)).unwrap_err();
        assert_eq!(error.kind, expected);
        assert!(error.hint().is_some());
        assert_eq!(count(&log, false), 1, "not retried");
    }
}

#[test]
fn a_404_names_base_path_if_the_kind_has_the_key() {
    let (url, _) = answering(|_| json("404 x", "", ""));
    let mut scim = client(&url);
    scim.settings.path_keys.base_path = Some("/scim/v2".to_owned());
    let error = run(scim.get::<Answered>("/scim/v2/Users")).unwrap_err();
    assert_eq!(error.to_string(), "GET /scim/v2/Users: not found (404)");
    assert!(
        error.hint().unwrap().contains("base_path (now \"/scim/v2\") is the part of the path"),
        "{:?}",
        error.hint()
    );
    let pra = run(client(&url).get::<Answered>("/api/config/v1/user")).unwrap_err();
    assert!(!pra.hint().unwrap().contains("base_path"), "this kind has no such key");
}
