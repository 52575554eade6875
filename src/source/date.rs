//! Dates as vendors write them -> UTC instants, without lies. Pure; never panics on any text.
//! ISO 8601 / RFC 3339 with or without offset, `T` or a space, fractions cut to the microsecond, leap seconds.

use crate::model::{Instant, LastLogin, Told};
use chrono::{NaiveDate, TimeDelta};

/// A date field as the JSON had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raw<'a> {
    /// The key is not there: not told.
    Absent,
    /// The key is there and null: told that there is none.
    Null,
    /// A text that [`instant`] has read.
    At(Parsed<Instant>),
    /// A text.
    Text(&'a str),
    /// Anything else, as JSON.
    Other(&'a str),
}

/// What was made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed<T> {
    /// The value.
    pub value: T,
    /// The text had no offset; it was taken as UTC.
    pub assumed_utc: bool,
}

/// Days that systems write for "no date": the zeros of .NET, Windows file times, SQL Server, old ODBC, and Unix.
const SENTINEL_DAYS: [(i32, u32, u32); 5] = [(1, 1, 1), (1601, 1, 1), (1753, 1, 1), (1900, 1, 1), (1970, 1, 1)];

enum Reading {
    At(Parsed<Instant>),
    Sentinel,
    Unreadable,
}

/// Reads a last login. A sentinel is `Never` and is kept as written; absent is not never.
pub fn last_login(raw: Raw<'_>) -> Parsed<LastLogin> {
    let plain = |value| Parsed { value, assumed_utc: false };
    match raw {
        Raw::Absent => plain(LastLogin::NotReported),
        Raw::Null => plain(LastLogin::Never { sentinel: None }),
        Raw::Other(json) => plain(LastLogin::Unreadable(json.into())),
        Raw::At(at) => Parsed { value: LastLogin::At(at.value), assumed_utc: at.assumed_utc },
        Raw::Text(text) => match read(text) {
            Reading::At(at) => last_login(Raw::At(at)),
            Reading::Sentinel => plain(LastLogin::Never { sentinel: Some(text.into()) }),
            Reading::Unreadable => plain(LastLogin::Unreadable(text.into())),
        },
    }
}

/// Reads any other date. A sentinel is unreadable and is kept as written.
pub fn told(raw: Raw<'_>) -> Parsed<Told> {
    let plain = |value| Parsed { value, assumed_utc: false };
    match raw {
        Raw::Absent | Raw::Null => plain(Told::Not),
        Raw::Other(json) => plain(Told::Unreadable(json.into())),
        Raw::At(at) => Parsed { value: Told::At(at.value), assumed_utc: at.assumed_utc },
        Raw::Text(text) => match read(text) {
            Reading::At(at) => told(Raw::At(at)),
            Reading::Sentinel | Reading::Unreadable => plain(Told::Unreadable(text.into())),
        },
    }
}

/// The instant that a text says; `None` where it says none (a sentinel, or not a date).
pub fn instant(text: &str) -> Option<Parsed<Instant>> {
    match read(text) {
        Reading::At(at) => Some(at),
        _ => None,
    }
}

fn read(text: &str) -> Reading {
    let text = text.trim();
    if text.is_empty() || text.eq_ignore_ascii_case("never") {
        return Reading::Sentinel;
    }
    let Some((local_day, at, assumed_utc)) = parse(text) else { return Reading::Unreadable };
    let sentinel =
        |day: NaiveDate| SENTINEL_DAYS.iter().any(|&(y, m, d)| NaiveDate::from_ymd_opt(y, m, d) == Some(day));
    if sentinel(local_day) || sentinel(at.date_naive()) {
        return Reading::Sentinel;
    }
    Reading::At(Parsed { value: at, assumed_utc })
}

/// The day as written, the instant, and whether the offset was assumed.
fn parse(text: &str) -> Option<(NaiveDate, Instant, bool)> {
    let bytes = text.as_bytes();
    // 2026-11-23T02:00:00 is the least.
    if bytes.len() < 19 || !text.is_ascii() {
        return None;
    }
    let separated = bytes[4] == b'-' && bytes[7] == b'-' && bytes[13] == b':' && bytes[16] == b':';
    if !separated || !matches!(bytes[10], b'T' | b't' | b' ') {
        return None;
    }
    let day = NaiveDate::from_ymd_opt(
        i32::try_from(number(&bytes[..4])?).ok()?,
        number(&bytes[5..7])?,
        number(&bytes[8..10])?,
    )?;
    let (hour, minute, second) = (number(&bytes[11..13])?, number(&bytes[14..16])?, number(&bytes[17..19])?);
    // RFC 3339 §5.6 allows second 60; it is the start of the next minute.
    if second > 60 {
        return None;
    }
    let (micros, rest) = fraction(&bytes[19..])?;
    let (offset, assumed_utc) = offset_seconds(rest)?;
    let time =
        day.and_hms_opt(hour, minute, 0)? + TimeDelta::seconds(i64::from(second)) + TimeDelta::microseconds(micros);
    let at = time.and_utc().checked_sub_signed(TimeDelta::seconds(offset))?;
    Some((day, at, assumed_utc))
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |sum: u32, b| b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0')))
}

/// Microseconds of a fraction (cut, not rounded), and what follows it. A comma counts as a point (ISO 8601).
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    if !matches!(rest.first(), Some(b'.' | b',')) {
        return Some((0, rest));
    }
    let digits = rest[1..].iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let micros = (0..6).fold(0, |sum, place| {
        let digit = if place < digits { rest[1 + place] - b'0' } else { 0 };
        sum * 10 + i64::from(digit)
    });
    Some((micros, &rest[1 + digits..]))
}

/// Seconds east of UTC, and whether they had to be assumed: `Z`, `+hh`, `+hhmm`, `+hh:mm`, or nothing.
fn offset_seconds(rest: &[u8]) -> Option<(i64, bool)> {
    let (sign, digits) = match rest {
        [] => return Some((0, true)),
        [b'Z' | b'z'] => return Some((0, false)),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits {
        [h1, h2] => (number(&[*h1, *h2])?, 0),
        [h1, h2, m1, m2] | [h1, h2, b':', m1, m2] => (number(&[*h1, *h2])?, number(&[*m1, *m2])?),
        _ => return None,
    };
    (hours <= 23 && minutes <= 59).then(|| (sign * i64::from(hours * 3600 + minutes * 60), false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Option<String> {
        match last_login(Raw::Text(text)).value {
            LastLogin::At(at) => Some(at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
            _ => None,
        }
    }

    #[test]
    fn every_way_to_write_an_instant_gives_the_same_instant() {
        for text in [
            "2026-11-23T02:00:00Z",
            "2026-11-23t02:00:00z",
            "2026-11-23 02:00:00Z",
            "2026-11-23T02:00:00+00:00",
            "2026-11-23T03:30:00+01:30",
            "2026-11-22T21:00:00-0500",
            "2026-11-23T04:00:00+02",
            "2026-11-23T02:00:00",
            "2026-11-23T01:59:60Z",
            "2026-11-23T02:00:00.0000001Z",
            " 2026-11-23T02:00:00,000Z ",
        ] {
            assert_eq!(at(text).as_deref(), Some("2026-11-23T02:00:00Z"), "{text}");
        }
        assert_eq!(at("2026-11-23T02:00:00.1239999Z").as_deref(), Some("2026-11-23T02:00:00.123999Z"));
        assert!(last_login(Raw::Text("2026-11-23T02:00:00")).assumed_utc);
        assert!(!last_login(Raw::Text("2026-11-23T02:00:00Z")).assumed_utc);
    }

    #[test]
    fn a_sentinel_is_never_and_is_kept_as_written() {
        for text in [
            "0001-01-01T00:00:00",
            "1601-01-01T00:00:00Z",
            "1753-01-01T00:00:00",
            "1900-01-01T00:00:00Z",
            "1970-01-01T00:00:00Z",
            "1969-12-31T19:00:00-05:00",
            "",
            "Never",
        ] {
            assert_eq!(last_login(Raw::Text(text)).value, LastLogin::Never { sentinel: Some(text.into()) }, "{text}");
            assert_eq!(told(Raw::Text(text)).value, Told::Unreadable(text.into()), "{text}");
        }
    }

    #[test]
    fn absent_is_not_never_and_nonsense_is_neither() {
        assert_eq!(last_login(Raw::Absent).value, LastLogin::NotReported);
        assert_eq!(last_login(Raw::Null).value, LastLogin::Never { sentinel: None });
        for text in [
            "yesterday",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T02:00:61Z",
            "2026-11-23",
            "11/23/2026 02:00",
            "2026-11-23T02:00:00+99:00",
            "2026-11-23T02:00:00.Z",
        ] {
            assert_eq!(last_login(Raw::Text(text)).value, LastLogin::Unreadable(text.into()), "{text}");
        }
        assert_eq!(last_login(Raw::Other("1700000000")).value, LastLogin::Unreadable("1700000000".into()));
        assert_eq!(told(Raw::Null).value, Told::Not);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = last_login(Raw::Text(&text));
        }

        #[test]
        fn what_chrono_writes_is_read_back_to_the_microsecond(micros in -60_000_000_000_000_000_i64..250_000_000_000_000_000, offset in -14_i32..=14) {
            let at = chrono::DateTime::from_timestamp_micros(micros).unwrap();
            let zone = chrono::FixedOffset::east_opt(offset * 3600).unwrap();
            let text = at.with_timezone(&zone).to_rfc3339();
            match last_login(Raw::Text(&text)).value {
                LastLogin::At(read) => prop_assert_eq!(read, at),
                LastLogin::Never { .. } => {}
                other => prop_assert!(false, "{} -> {:?}", text, other),
            }
        }
    }
}
