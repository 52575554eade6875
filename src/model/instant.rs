//! The text of an instant. By hand, because a format string costs ten times as much, and tables have millions of dates.

use super::Instant;
use chrono::{DateTime, Datelike, Timelike};

/// Formats an instant as RFC 3339 in UTC, for example `2026-11-23T02:00:00Z`. Every file of a snapshot uses this
/// format.
///
/// The fraction has at most six digits and no trailing zeros; it is omitted when it is zero.
pub fn instant_text(at: Instant) -> String {
    let mut text = Vec::with_capacity("2026-11-23T02:00:00.000000Z".len());
    push_instant(&mut text, at);
    // The text is ASCII, so that this never fails.
    String::from_utf8(text).unwrap_or_default()
}

/// Appends an instant as [`instant_text`] formats it.
pub fn push_instant(out: &mut Vec<u8>, at: Instant) {
    // Parquet stores microseconds. A leap second becomes the second after it there, so it does here.
    let is_leap = at.nanosecond() >= 1_000_000_000;
    let at = if is_leap { DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at) } else { at };
    let at = at.naive_utc();
    let Ok(year @ 0..=9999) = u32::try_from(at.year()) else {
        let text = at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string();
        out.extend_from_slice(text.trim_end_matches('0').trim_end_matches('.').as_bytes());
        out.push(b'Z');
        return;
    };
    let mut text = *b"0000-00-00T00:00:00";
    write_digits(&mut text[..4], year);
    for (start, value) in [(5, at.month()), (8, at.day()), (11, at.hour()), (14, at.minute()), (17, at.second())] {
        write_digits(&mut text[start..start + 2], value);
    }
    out.extend_from_slice(&text);
    let micros = at.nanosecond() / 1_000;
    if micros != 0 {
        out.push(b'.');
        let mut digits = [0; 6];
        write_digits(&mut digits, micros);
        out.extend_from_slice(&digits);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
    out.push(b'Z');
}

fn write_digits(to: &mut [u8], value: u32) {
    let mut rest = value;
    for digit in to.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_has_a_fraction_only_if_it_is_not_zero() {
        for (given, written) in [
            ("2026-11-23T02:00:00Z", "2026-11-23T02:00:00Z"),
            ("2026-11-23T02:00:00.5Z", "2026-11-23T02:00:00.5Z"),
            ("2026-11-23T02:00:00.000001Z", "2026-11-23T02:00:00.000001Z"),
            ("2026-11-23T02:00:00.000000999Z", "2026-11-23T02:00:00Z"),
            ("2026-11-23T02:00:00.120Z", "2026-11-23T02:00:00.12Z"),
            ("2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.5Z"),
            ("0033-01-02T03:04:05Z", "0033-01-02T03:04:05Z"),
            ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
            ("+10000-01-01T00:00:00.120Z", "+10000-01-01T00:00:00.12Z"),
            ("-0001-01-01T00:00:00Z", "-0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(instant_text(given.parse().unwrap()), written);
        }
    }
}
