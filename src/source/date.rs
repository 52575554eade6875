//! Parser for the dates that servers write. Produces UTC instants without guessing. Pure; never panics on any text.
//!
//! Accepted forms:
//! - ISO 8601 and RFC 3339: with or without a time zone and seconds, with `T` or a blank, fractions cut to the
//!   microsecond, leap seconds;
//! - HTTP dates (RFC 9110 §5.6.7) and `/Date(ms)/` of ASP.NET;
//! - seconds or milliseconds since 1970;
//! - a day without a time, except for a last login.
//!
//! `11/20/2026` is refused, because the order of day and month would be a guess.

use crate::model::{Instant, LastLogin, ReportedDate};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use std::ops::RangeInclusive;

/// Value of a date field in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Raw<'a> {
    /// The key is absent: the source does not report the date.
    Absent,
    /// The value is null: the source reports that there is no date.
    Null,
    /// Text between quotes, without escapes.
    Text(&'a str),
    /// Digits of a JSON number.
    Number(&'a str),
    /// JSON of any other value.
    Other(&'a str),
}

/// Result of parsing a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parsed<T> {
    /// Value of the model.
    pub(super) value: T,
    /// Whether the text had no time zone, so that UTC was assumed.
    pub(super) assumed_utc: bool,
}

/// Days that mean "no date": the zero of .NET, Windows file times, SQL Server, OLE Automation, old ODBC drivers, and
/// Unix.
const SENTINEL_DAYS: [(i32, u32, u32); 6] =
    [(1, 1, 1), (1601, 1, 1), (1753, 1, 1), (1899, 12, 30), (1900, 1, 1), (1970, 1, 1)];
/// Year of the last day among them.
const LAST_SENTINEL_YEAR: i32 = 1970;
/// Maximum distance of a sentinel from its midnight, after a conversion between time zones. UTC+14 is the largest
/// offset.
const ZONE: TimeDelta = TimeDelta::hours(14);
/// Year of the earliest plausible login: no product of the vendor is older. An earlier login is an unknown placeholder.
const FIRST_YEAR: i32 = 2000;

/// Years with four digits: RFC 3339 can write no others, and no reader of a snapshot expects them.
const YEARS: RangeInclusive<i32> = 1..=9999;

/// Instant, or the reason why a text is none.
enum DateForm {
    At(Parsed<Instant>),
    Sentinel,
    Unreadable,
}

/// Reads a last login. A sentinel means never, and is kept as written. An absent key is not reported, which differs
/// from never.
pub(super) fn last_login(raw: Raw<'_>) -> Parsed<LastLogin> {
    let plain = |value| Parsed { value, assumed_utc: false };
    let (text, reading) = match raw {
        Raw::Absent => return plain(LastLogin::NotReported),
        Raw::Null => return plain(LastLogin::Never { sentinel: None }),
        Raw::Other(json) => return plain(LastLogin::Unreadable(json.into())),
        Raw::Text(text) => (text, read(text, false)),
        Raw::Number(digits) => (digits, of_number(digits)),
    };
    match reading {
        DateForm::At(at) if is_too_early(at.value) => plain(LastLogin::Unreadable(text.into())),
        DateForm::At(at) => Parsed { value: LastLogin::At(at.value), assumed_utc: at.assumed_utc },
        DateForm::Sentinel => plain(LastLogin::Never { sentinel: Some(Box::new(text.into())) }),
        DateForm::Unreadable => plain(LastLogin::Unreadable(text.into())),
    }
}

/// Reads any other date. A day without a time means midnight in UTC. A sentinel is unreadable, and is kept as written.
pub(super) fn reported(raw: Raw<'_>) -> Parsed<ReportedDate> {
    let plain = |value| Parsed { value, assumed_utc: false };
    let (text, reading) = match raw {
        Raw::Absent | Raw::Null => return plain(ReportedDate::NotReported),
        Raw::Other(json) => return plain(ReportedDate::Unreadable(json.into())),
        Raw::Text(text) => (text, read(text, true)),
        Raw::Number(digits) => (digits, of_number(digits)),
    };
    match reading {
        DateForm::At(at) => Parsed { value: ReportedDate::At(at.value), assumed_utc: at.assumed_utc },
        DateForm::Sentinel | DateForm::Unreadable => plain(ReportedDate::Unreadable(text.into())),
    }
}

/// Returns the instant that a text means; `None` for a sentinel and for a text that is no date.
pub(super) fn instant(text: &str) -> Option<Parsed<Instant>> {
    match read(text, false) {
        DateForm::At(at) => Some(at),
        _ => None,
    }
}

/// Returns whether a login is too early to be real.
fn is_too_early(at: Instant) -> bool {
    at.year() < FIRST_YEAR
}

/// Parses a text. `is_day`: whether a day without a time is accepted.
fn read(text: &str, is_day: bool) -> DateForm {
    let text = text.trim();
    if text.is_empty() || text.eq_ignore_ascii_case("never") {
        return DateForm::Sentinel;
    }
    if let Some(number) = asp_net(text) {
        return classify(DateTime::from_timestamp_millis(number).map(|at| (at.date_naive(), at, false)));
    }
    // Other lengths are refused: eight digits may be a day, and fourteen a day with a time.
    if matches!(text.len(), 10 | 13) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return of_number(text);
    }
    classify(parse(text).or_else(|| http_date(text)).or_else(|| day(text).filter(|_| is_day)))
}

/// Separates instants from sentinels. `found` holds the day as written, the instant, and whether UTC was assumed.
fn classify(found: Option<(NaiveDate, Instant, bool)>) -> DateForm {
    let Some((local_day, at, assumed_utc)) = found else { return DateForm::Unreadable };
    // The day counts as written and in UTC: a conversion to local time moves a sentinel to a neighbouring day.
    let is_sentinel = |(year, month, day): (i32, u32, u32)| {
        let day = NaiveDate::from_ymd_opt(year, month, day);
        let midnight = day.map(|day| day.and_time(NaiveTime::MIN).and_utc());
        day == Some(local_day)
            || day == Some(at.date_naive())
            || midnight.is_some_and(|midnight| (at - midnight).abs() <= ZONE)
    };
    // All sentinels are earlier than almost every date that servers write.
    let may_be_sentinel = local_day.year().min(at.year()) <= LAST_SENTINEL_YEAR;
    if may_be_sentinel && SENTINEL_DAYS.into_iter().any(is_sentinel) {
        return DateForm::Sentinel;
    }
    if !YEARS.contains(&at.year()) {
        return DateForm::Unreadable;
    }
    DateForm::At(Parsed { value: at, assumed_utc })
}

/// Parses `/Date(1763625600000)/` of ASP.NET: milliseconds since 1970 in UTC. An offset after the number is for display
/// only.
fn asp_net(text: &str) -> Option<i64> {
    let inner = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    let digits = inner.strip_prefix('-').unwrap_or(inner);
    let end = digits.find(['+', '-']).unwrap_or(digits.len());
    let number = &inner[..inner.len() - (digits.len() - end)];
    number.parse().ok()
}

/// Reads a number as seconds (10 or 11 digits) or milliseconds (12 or 13 digits) since 1970, up to the year 2286.
///
/// 0 is the sentinel of Unix. Other lengths are refused, because they may mean anything, such as a day without
/// separators.
fn of_number(digits: &str) -> DateForm {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let Ok(number) = whole.parse::<i64>() else { return DateForm::Unreadable };
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return DateForm::Unreadable;
    }
    let at = match number.unsigned_abs() {
        0 | 1_000_000_000..100_000_000_000 => DateTime::from_timestamp(number, 0),
        100_000_000_000..10_000_000_000_000 => DateTime::from_timestamp_millis(number),
        _ => None,
    };
    classify(at.map(|at| (at.date_naive(), at, false)))
}

/// Parses an HTTP date (RFC 9110 §5.6.7) such as `Thu, 20 Nov 2025 08:00:00 GMT`, which is always in UTC.
fn http_date(text: &str) -> Option<(NaiveDate, Instant, bool)> {
    let at = NaiveDateTime::parse_from_str(text, "%a, %d %b %Y %H:%M:%S GMT").ok()?.and_utc();
    Some((at.date_naive(), at, false))
}

/// Parses a day without a time such as `2027-01-31`: midnight in UTC.
fn day(text: &str) -> Option<(NaiveDate, Instant, bool)> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10)?;
    Some((day, day.and_time(NaiveTime::MIN).and_utc(), true))
}

/// Parses ISO 8601 and RFC 3339. Returns the day as written, the instant, and whether UTC was assumed.
fn parse(text: &str) -> Option<(NaiveDate, Instant, bool)> {
    let bytes = text.as_bytes();
    // The shortest accepted form is 2026-11-23T02:00.
    if bytes.len() < 16 || !text.is_ascii() {
        return None;
    }
    let separated = bytes[4] == b'-' && bytes[7] == b'-' && bytes[13] == b':';
    if !separated || !matches!(bytes[10], b'T' | b't' | b' ') {
        return None;
    }
    let day = NaiveDate::from_ymd_opt(
        i32::try_from(number(&bytes[..4])?).ok()?,
        number(&bytes[5..7])?,
        number(&bytes[8..10])?,
    )?;
    let (hour, minute) = (number(&bytes[11..13])?, number(&bytes[14..16])?);
    let (second, rest) = match bytes.get(16) {
        Some(b':') => (number(bytes.get(17..19)?)?, &bytes[19..]),
        _ => (0, &bytes[16..]),
    };
    // RFC 3339 §5.6 allows second 60, a leap second: the first second of the next minute.
    if second > 60 {
        return None;
    }
    let (micros, rest) = fraction(rest)?;
    let (offset, assumed_utc) = offset_seconds(rest.trim_ascii_start())?;
    let time =
        day.and_hms_opt(hour, minute, 0)? + TimeDelta::seconds(i64::from(second)) + TimeDelta::microseconds(micros);
    let at = time.and_utc().checked_sub_signed(TimeDelta::seconds(offset))?;
    Some((day, at, assumed_utc))
}

/// Returns the number that these ASCII digits form; `None` if another byte is among them.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |sum: u32, b| b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0')))
}

/// Splits off a fraction. Returns its microseconds (cut, not rounded) and the rest. A comma counts as a point (ISO
/// 8601).
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

/// Returns the offset in seconds east of UTC, and whether UTC was assumed. Forms: `Z`, `+hh`, `+hhmm`, `+hh:mm`, or
/// nothing.
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
    fn every_form_of_an_instant_gives_the_same_instant() {
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
            "2026-11-23T02:00Z",
            "2026-11-23 02:00:00 +0000",
            "Mon, 23 Nov 2026 02:00:00 GMT",
            "/Date(1795399200000)/",
            "/Date(1795399200000-0500)/",
            "1795399200",
            "1795399200000",
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
    fn a_sentinel_means_never_and_is_kept_as_written() {
        for text in [
            "0001-01-01T00:00:00",
            "1601-01-01T00:00:00Z",
            "1753-01-01T00:00:00",
            "1900-01-01T00:00:00Z",
            "1970-01-01T00:00:00Z",
            "1969-12-31T19:00:00-05:00",
            "1969-12-31T19:00:00",
            "1970-01-01T13:00:00",
            "1899-12-30T00:00:00",
            "1899-12-31T12:00:00Z",
            "0001-01-01T05:00:00",
            "/Date(-62135596800000)/",
            "/Date(0)/",
            "",
            "Never",
        ] {
            assert_eq!(
                last_login(Raw::Text(text)).value,
                LastLogin::Never { sentinel: Some(Box::new(text.into())) },
                "{text}"
            );
            assert_eq!(reported(Raw::Text(text)).value, ReportedDate::Unreadable(text.into()), "{text}");
        }
    }

    #[test]
    fn an_absent_login_is_not_reported_and_nonsense_is_unreadable() {
        assert_eq!(last_login(Raw::Absent).value, LastLogin::NotReported);
        assert_eq!(last_login(Raw::Null).value, LastLogin::Never { sentinel: None });
        for text in [
            "yesterday",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T02:00:61Z",
            "2026-11-23",
            "20261123",
            "20261123020000",
            "11/20/2026 8:00:00 AM",
            "20/11/2026 08:00",
            "1980-01-01T00:00:00",
            "1999-12-31T23:59:59Z",
            "1970-01-03T00:00:00Z",
            "/Date(soon)/",
            "134081892000000000",
            "11/23/2026 02:00",
            "2026-11-23T02:00:00+99:00",
            "2026-11-23T02:00:00.Z",
        ] {
            assert_eq!(last_login(Raw::Text(text)).value, LastLogin::Unreadable(text.into()), "{text}");
        }
        assert_eq!(last_login(Raw::Other("true")).value, LastLogin::Unreadable("true".into()));
        assert_eq!(reported(Raw::Null).value, ReportedDate::NotReported);
    }

    #[test]
    fn numbers_are_seconds_or_milliseconds_since_1970() {
        let expected = LastLogin::At("2025-11-20T08:00:00Z".parse().unwrap());
        for digits in ["1763625600", "1763625600000", "1763625600.0"] {
            assert_eq!(last_login(Raw::Number(digits)).value, expected, "{digits}");
        }
        assert_eq!(last_login(Raw::Number("0")).value, LastLogin::Never { sentinel: Some(Box::new("0".into())) });
        assert_eq!(
            last_login(Raw::Number("-62135596800")).value,
            LastLogin::Never { sentinel: Some(Box::new("-62135596800".into())) }
        );
        for digits in ["20261123", "946684799", "134081892000000000", "1e9", "-5000000"] {
            assert_eq!(last_login(Raw::Number(digits)).value, LastLogin::Unreadable(digits.into()), "{digits}");
        }
    }

    #[test]
    fn a_day_without_a_time_is_read_except_for_a_last_login() {
        assert_eq!(reported(Raw::Text("2025-11-20")).value, ReportedDate::At("2025-11-20T00:00:00Z".parse().unwrap()));
        assert_eq!(last_login(Raw::Text("2025-11-20")).value, LastLogin::Unreadable("2025-11-20".into()));
        assert_eq!(reported(Raw::Text("2025-1-2")).value, ReportedDate::Unreadable("2025-1-2".into()));
    }

    #[test]
    fn a_year_without_four_digits_is_unreadable() {
        for (text, is_readable) in [
            ("/Date(253402300799999)/", true),
            ("/Date(253402300800000)/", false),
            ("/Date(8210266876799999)/", false),
            ("/Date(-8334601228800000)/", false),
        ] {
            let login = last_login(Raw::Text(text)).value;
            assert_eq!(matches!(login, LastLogin::At(_) | LastLogin::Never { .. }), is_readable, "{text}: {login:?}");
            assert_eq!(matches!(reported(Raw::Text(text)).value, ReportedDate::At(_)), is_readable, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_causes_a_panic(text: String) {
            let _ = last_login(Raw::Text(&text));
        }

        #[test]
        fn dates_written_by_chrono_are_read_back_to_the_microsecond(micros in -60_000_000_000_000_000_i64..250_000_000_000_000_000, offset in -14_i32..=14) {
            let at = chrono::DateTime::from_timestamp_micros(micros).unwrap();
            let zone = chrono::FixedOffset::east_opt(offset * 3600).unwrap();
            let text = at.with_timezone(&zone).to_rfc3339();
            match last_login(Raw::Text(&text)).value {
                LastLogin::At(read) => prop_assert_eq!(read, at),
                LastLogin::Never { .. } => {}
                LastLogin::Unreadable(_) if at < "2000-01-01T00:00:00Z".parse::<crate::model::Instant>().unwrap() => {}
                other => prop_assert!(false, "{} -> {:?}", text, other),
            }
        }
    }
}
