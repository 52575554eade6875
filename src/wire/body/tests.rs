//! Bodies as servers send them, intact and damaged.

use super::*;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::{Value, json};
use std::io::Write as _;

const ROWS: &[u8] = b"{\"users\":[{\"id\":1},{\"id\":2}]}";

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn raw_deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn unpack(coding: &str, body: Vec<u8>, limit: usize) -> Result<Vec<u8>, WireErrorKind> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_ENCODING, coding.parse().unwrap());
    decompressed(&headers, body, limit)
}

fn read(body: &[u8]) -> (Value, u64) {
    json(body).unwrap()
}

#[test]
fn gzip_and_both_forms_of_deflate_are_decompressed() {
    for (coding, body) in [
        ("gzip", gzip(ROWS)),
        ("X-GZIP", gzip(ROWS)),
        ("deflate", zlib(ROWS)),
        ("Deflate", raw_deflate(ROWS)),
        ("identity", ROWS.to_vec()),
        ("deflate, gzip", gzip(&raw_deflate(ROWS))),
        ("gzip", [gzip(&ROWS[..9]), gzip(&ROWS[9..])].concat()),
        ("", ROWS.to_vec()),
    ] {
        assert_eq!(unpack(coding, body, 1000).unwrap(), ROWS, "{coding}");
    }
    assert_eq!(unpack("gzip", Vec::new(), 1000), Ok(Vec::new()), "an empty body is an empty body");
}

#[test]
fn size_limit_applies_to_the_decompressed_body() {
    let zeros = vec![b' '; 100_000];
    for (coding, body) in [("gzip", gzip(&zeros)), ("deflate", zlib(&zeros)), ("deflate", raw_deflate(&zeros))] {
        assert!(body.len() < 1000, "{coding}");
        assert_eq!(unpack(coding, body.clone(), 99_999), Err(WireErrorKind::TooLarge(99_999)), "{coding}");
        assert_eq!(unpack(coding, body, 100_000).map(|body| body.len()), Ok(100_000), "{coding}");
    }
}

#[test]
fn unsupported_content_coding_is_named_in_the_error() {
    for coding in ["br", "zstd", "gzip, br"] {
        let Err(WireErrorKind::Shape(why)) = unpack(coding, vec![1, 2, 3], 1000) else { panic!("{coding}") };
        assert!(why.contains(coding.rsplit(' ').next().unwrap()) && why.contains("gzip and deflate"), "{why}");
    }
}

#[test]
fn truncated_or_invalid_compressed_data_is_a_broken_response() {
    let half = gzip(ROWS)[..20].to_vec();
    for (coding, body) in [("gzip", half), ("gzip", ROWS.to_vec()), ("deflate", zlib(ROWS)[..8].to_vec())] {
        assert!(matches!(unpack(coding, body, 1000), Err(WireErrorKind::Broken(_))), "{coding}");
    }
}

#[test]
fn byte_order_mark_before_json_is_removed() {
    let expected: Value = serde_json::from_slice(ROWS).unwrap();
    assert_eq!(read(&[b"\xef\xbb\xbf", ROWS].concat()), (expected.clone(), 0));
    let text = std::str::from_utf8(ROWS).unwrap();
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(read(&[b"\xff\xfe".as_slice(), &little].concat()), (expected.clone(), 0));
    assert_eq!(read(&[b"\xfe\xff".as_slice(), &big].concat()), (expected, 0));
    assert!(json::<Value>(&little).is_err(), "UTF-16 is not guessed without a mark");
    assert!(json::<Value>(b"\xef\xbb\xbf\xef\xbb\xbf{}").is_err(), "one mark, not two");
}

#[test]
fn invalid_utf_8_is_replaced_and_counted() {
    let (value, replaced) = read(b"{\"name\":\"M\xfcller\",\"other\":\"\xe2\x82\"}");
    assert_eq!((value, replaced), (json!({"name": "M\u{fffd}ller", "other": "\u{fffd}"}), 2));
    let utf16 = [b"\xff\xfe\"\0\x3d\xd8\"\0".as_slice(), b"7"].concat();
    assert!(json::<Value>(&utf16).is_err(), "half a character after the end is not JSON");
}

#[test]
fn unpaired_surrogates_are_replaced_and_counted_and_pairs_are_kept() {
    for (body, expected, count) in [
        (r#""User \ud83d""#, "User \u{fffd}", 1),
        (r#""\udc00 x""#, "\u{fffd} x", 1),
        (r#""\uD83D\uDE00 \uD83D""#, "\u{1f600} \u{fffd}", 1),
        (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}", 1),
        (r#""\ud83d\u0041\udc00""#, "\u{fffd}A\u{fffd}", 2),
        (r#""\\ud83d \ud83d""#, "\\ud83d \u{fffd}", 1),
        (r#""\ud83d\ude00""#, "\u{1f600}", 0),
        ("\"\u{e4} \\udfff \u{e4}\"", "\u{e4} \u{fffd} \u{e4}", 1),
    ] {
        assert_eq!(read(body.as_bytes()), (json!(expected), count), "{body}");
    }
}

#[test]
fn other_invalid_json_is_not_repaired() {
    for body in ["{\"a\":\"x\0y\"}", "{\"a\":1,}", "{'a':1}", "NaN", "\"\\ud8\"", "\"\\ud83d", "{\"a\":\"\\x\"}", ""] {
        assert!(json::<Value>(body.as_bytes()).is_err(), "{body:?}");
    }
}

#[test]
fn whole_numbers_of_any_size_stay_exact() {
    let (value, _) = read(b"[18446744073709551616, 9007199254740993, 3.0, 0.10]");
    assert_eq!(value.to_string(), "[18446744073709551616,9007199254740993,3.0,0.10]");
}
