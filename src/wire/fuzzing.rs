//! Entry points of `fuzz/` into private parsers of this module.

use super::HeaderMap;
use chrono::{DateTime, Utc};
use reqwest::header::{DATE, RETRY_AFTER};
use std::time::Duration;

/// Parses an HTTP date.
pub fn http_date(text: &str) -> Option<DateTime<Utc>> {
    super::retry::http_date(text)
}

/// Parses `Retry-After` next to a `Date`, with a maximum of one minute. Texts that no header can hold are left out.
pub fn retry_after(text: &str, date: &str, now: DateTime<Utc>) -> Option<Duration> {
    let values = [(RETRY_AFTER, text), (DATE, date)];
    let headers: HeaderMap = values.into_iter().filter_map(|(name, value)| Some((name, value.parse().ok()?))).collect();
    super::retry::retry_after(&headers, now, Duration::from_secs(60))
}

/// Removes the content codings that `codings` lists from a body. Returns the size of the result.
pub fn decompressed(codings: &str, body: &[u8], limit: usize) -> Result<usize, super::WireErrorKind> {
    let value = codings.parse().map(|value| (reqwest::header::CONTENT_ENCODING, value));
    let headers: HeaderMap = value.into_iter().collect();
    super::body::decompressed(&headers, body.to_vec(), limit).map(|body| body.len())
}
