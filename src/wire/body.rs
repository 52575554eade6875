//! From the bytes of a body to a JSON value: decompression, conversion to UTF-8, repair of broken characters.
//!
//! The client calls this for every response that it decodes. Nothing here knows the fields of any response.
//! A text is repaired only where its meaning stays the same; everything else stays an error.

use super::WireErrorKind;
use crate::escape::printable;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::io::Read;

#[cfg(test)]
mod tests;

/// Value of `Accept-Encoding`. `deflate` is not requested, because servers disagree about its format, but it is read.
pub(super) const ACCEPTED: &str = "gzip";

/// Body as text, with the number of characters that were replaced by U+FFFD.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) replaced: u64,
}

/// Removes the content codings (RFC 9110 §8.4), the last one first. No step may produce more than `limit` bytes.
pub(super) fn decompressed(headers: &HeaderMap, body: Vec<u8>, limit: usize) -> Result<Vec<u8>, WireErrorKind> {
    let codings = headers.get_all(CONTENT_ENCODING).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let codings: Vec<String> = codings
        .flat_map(|list| list.split(',').map(|one| one.trim().to_ascii_lowercase()).collect::<Vec<_>>())
        .collect();
    let mut body = body;
    for coding in codings.iter().rev().filter(|coding| !coding.is_empty()) {
        body = match coding.as_str() {
            _ if body.is_empty() => body,
            "identity" => body,
            // RFC 9110 §8.4.1.3: `x-gzip` means `gzip`. A stream may have several members (RFC 1952 §2.2).
            "gzip" | "x-gzip" => unpacked(MultiGzDecoder::new(body.as_slice()), coding, limit)?,
            "deflate" if is_zlib(&body) => unpacked(ZlibDecoder::new(body.as_slice()), coding, limit)?,
            // RFC 9110 §8.4.1.2: some servers send the raw data of RFC 1951 without the zlib wrapper of RFC 1950.
            "deflate" => unpacked(DeflateDecoder::new(body.as_slice()), coding, limit)?,
            other => {
                return Err(WireErrorKind::Shape(format!(
                    "the body has the Content-Encoding {:?}, which was not requested; gzip and deflate are supported",
                    printable(other, 40)
                )));
            }
        };
    }
    Ok(body)
}

/// Checks for the zlib header (RFC 1950 §2.2): the method is 8, and the first two bytes are a multiple of 31.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [method, flags, ..] if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0)
}

fn unpacked(reader: impl Read, coding: &str, limit: usize) -> Result<Vec<u8>, WireErrorKind> {
    let mut out = Vec::new();
    // One byte more than allowed shows that the limit is exceeded, without unpacking the rest of a compression bomb.
    let one_too_many = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let broken = |why| WireErrorKind::Broken(format!("its {coding} data cannot be unpacked: {why}"));
    reader.take(one_too_many).read_to_end(&mut out).map_err(broken)?;
    if out.len() > limit { Err(WireErrorKind::TooLarge(limit)) } else { Ok(out) }
}

/// Converts a body to UTF-8 and removes a byte order mark (RFC 8259 §8.1 lets a reader ignore it). UTF-16 is recognised
/// by its mark only. Invalid sequences become U+FFFD.
pub(super) fn text(body: &[u8]) -> Text<'_> {
    match body {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest),
        body => utf8(body),
    }
}

fn utf8(body: &[u8]) -> Text<'_> {
    if let Ok(text) = std::str::from_utf8(body) {
        return Text { text: Cow::Borrowed(text), replaced: 0 };
    }
    let replaced = body.utf8_chunks().filter(|chunk| !chunk.invalid().is_empty()).count() as u64;
    Text { text: String::from_utf8_lossy(body), replaced }
}

fn utf16(body: &[u8], unit: fn([u8; 2]) -> u16) -> Text<'static> {
    let pairs = body.chunks(2);
    // A single byte at the end is half a unit; an unpaired surrogate in its place is replaced and counted below.
    let units = pairs.map(|pair| if let [a, b] = pair { unit([*a, *b]) } else { 0xd800 });
    let mut replaced = 0;
    let characters = char::decode_utf16(units).map(|read| {
        read.unwrap_or_else(|_| {
            replaced += 1;
            char::REPLACEMENT_CHARACTER
        })
    });
    let text: String = characters.collect();
    Text { text: Cow::Owned(text), replaced }
}

/// Parses the JSON of a body. Returns the value and the number of characters that were replaced.
pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<(T, u64), serde_json::Error> {
    json_of(text(body))
}

/// Parses JSON. Returns the value and the number of characters that were replaced, those of the text included.
pub(super) fn json_of<T: DeserializeOwned>(text: Text<'_>) -> Result<(T, u64), serde_json::Error> {
    let Text { text, replaced } = text;
    let error = match serde_json::from_str(&text) {
        Ok(value) => return Ok((value, replaced)),
        Err(error) => error,
    };
    // The repair runs only after a failure: unpaired surrogates are rare, and a search would slow down every valid
    // body.
    match without_lone_surrogates(&text) {
        Some((text, more)) => Ok((serde_json::from_str(&text)?, replaced + more)),
        None => Err(error),
    }
}

/// Returns a body as text with the same repairs that [`json`] makes, so that error messages can describe it.
pub(super) fn repaired(body: &[u8]) -> String {
    let text = text(body).text;
    without_lone_surrogates(&text).map_or_else(|| text.clone().into_owned(), |(text, _)| text)
}

/// Replaces escapes of unpaired surrogates (RFC 8259 §8.2) by `\ufffd`. Returns the text and their number; `None` if
/// there are none.
fn without_lone_surrogates(text: &str) -> Option<(String, u64)> {
    let bytes = text.as_bytes();
    let (mut out, mut copied, mut at, mut replaced) = (String::new(), 0, 0, 0);
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == b'\\')) {
        at += found;
        let step = match escape(bytes, at) {
            Some(0xd800..=0xdbff) if matches!(escape(bytes, at + 6), Some(0xdc00..=0xdfff)) => 12,
            Some(0xd800..=0xdfff) => {
                // An escape is ASCII, so both ends are character boundaries.
                out.push_str(text.get(copied..at).unwrap_or_default());
                out.push_str("\\ufffd");
                copied = at + 6;
                replaced += 1;
                6
            }
            // Any other escape has at least two characters. Skipping both keeps `\\u` from being read as an escape.
            _ => 2,
        };
        at += step;
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    (replaced > 0).then_some((out, replaced))
}

/// Returns the code unit of the JSON escape (`\u` and four hexadecimal digits) at position `at`.
fn escape(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at.checked_add(6)?)?.strip_prefix(b"\\u")?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}
