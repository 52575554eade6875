//! Dates of a record, read by the formats of `chrono`. The program has a parser of its own; the two share no code, so
//! an error in one of them shows as a difference.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Timelike, Utc};
use serde_json::Value;

/// The last login, as the record reports it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Login {
    At(DateTime<Utc>),
    /// The account never logged in. `true`: by a sentinel; `false`: by null.
    Never(bool),
    NotReported,
    Unreadable,
}

/// The date of creation or of expiry, as the record reports it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Created {
    At(DateTime<Utc>),
    NotReported,
    Unreadable,
}

/// Days that systems write for "no date": .NET, Windows file times, SQL Server, OLE automation, old ODBC, Unix.
const SENTINELS: [&str; 6] = ["0001-01-01", "1601-01-01", "1753-01-01", "1899-12-30", "1900-01-01", "1970-01-01"];
/// The largest offset of a time zone. A sentinel that was converted once too often is at most this far off.
const WIDEST_OFFSET: TimeDelta = TimeDelta::hours(14);
/// Earliest possible last login, 2000-01-01T00:00:00Z in epoch seconds: none of these products is older.
const FIRST_LOGIN: i64 = 946_684_800;

impl Login {
    pub(super) fn read(value: Option<&Value>) -> Self {
        let Some(value) = value else { return Self::NotReported };
        let text = value.as_str();
        match (value, parse(value)) {
            (Value::Null, _) => Self::Never(false),
            _ if text.is_some_and(|text| text.is_empty() || text.to_lowercase() == "never") => Self::Never(true),
            (_, Some(ParsedDate::Instant(at))) if is_sentinel(text, at) => Self::Never(true),
            (_, Some(ParsedDate::Instant(at))) if at.timestamp() >= FIRST_LOGIN => Self::At(at),
            _ => Self::Unreadable,
        }
    }

    /// Makes a login unreadable if it is more than a day before the creation of its account.
    pub(super) fn of_account(self, created: &Created) -> Self {
        match (&self, created) {
            (Self::At(login), Created::At(created)) if *created - *login > TimeDelta::days(1) => Self::Unreadable,
            _ => self,
        }
    }

    pub(super) fn status(&self) -> &'static str {
        match self {
            Self::At(_) => "at",
            Self::Never(_) => "never",
            Self::NotReported => "not-reported",
            Self::Unreadable => "unreadable",
        }
    }

    pub(super) fn cell(&self) -> String {
        if let Self::At(at) = self { cell(*at) } else { String::new() }
    }
}

impl Created {
    pub(super) fn read(value: Option<&Value>) -> Self {
        let Some(value) = value.filter(|value| !value.is_null()) else { return Self::NotReported };
        match parse(value) {
            Some(ParsedDate::Instant(at) | ParsedDate::Day(at)) if !is_sentinel(value.as_str(), at) => Self::At(at),
            _ => Self::Unreadable,
        }
    }

    pub(super) fn cell(&self) -> String {
        if let Self::At(at) = self { cell(*at) } else { String::new() }
    }
}

/// Returns an instant as the tables write it: `2026-11-23T02:00:00Z`, with a fraction only if there is one.
pub(super) fn cell(at: DateTime<Utc>) -> String {
    let whole = at.format("%Y-%m-%dT%H:%M:%S").to_string();
    match at.timestamp_subsec_micros() {
        0 => format!("{whole}Z"),
        micros => format!("{whole}.{}Z", format!("{micros:06}").trim_end_matches('0')),
    }
}

/// Returns whether a text has the form of a date, sentinels included.
pub(super) fn is_date(text: &str) -> bool {
    parse(&Value::from(text)).is_some()
}

/// Returns whether a value has a type that no date has.
pub(super) fn is_odd(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Array(_) | Value::Object(_))
}

/// A date as it is written.
enum ParsedDate {
    Instant(DateTime<Utc>),
    /// Midnight of a day that is written without a time.
    Day(DateTime<Utc>),
}

fn parse(value: &Value) -> Option<ParsedDate> {
    match value {
        Value::Number(number) => {
            let digits = number.to_string();
            epoch(digits.strip_suffix(".0").unwrap_or(&digits)).map(ParsedDate::Instant)
        }
        Value::String(text) => {
            let day = || text.parse::<NaiveDate>().ok().filter(|_| text.len() == 10);
            let midnight = |day: NaiveDate| ParsedDate::Day(day.and_time(NaiveTime::MIN).and_utc());
            instant(text).or_else(|| of_dot_net(text)).map(ParsedDate::Instant).or_else(|| day().map(midnight))
        }
        _ => None,
    }
}

/// Parses epoch seconds (10 or 11 digits) or milliseconds (12 to 14 digits). No other number is a date.
fn epoch(digits: &str) -> Option<DateTime<Utc>> {
    let number: i64 = digits.parse().ok().filter(|number| *number >= 0)?;
    match digits.len() {
        10 | 11 => DateTime::from_timestamp(number, 0),
        12..=14 => DateTime::from_timestamp_millis(number),
        _ => None,
    }
}

/// Parses `/Date(1763625600000)/`. An offset may follow the milliseconds; it does not change the instant.
fn of_dot_net(text: &str) -> Option<DateTime<Utc>> {
    let inner = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    let end = inner.char_indices().skip(1).find(|(_, c)| matches!(c, '+' | '-')).map_or(inner.len(), |(at, _)| at);
    DateTime::from_timestamp_millis(inner[..end].parse().ok()?)
}

/// Parses ISO 8601 with a date and a time, to the microsecond. UTC is assumed for a time without an offset.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    let shape: String =
        text.chars().take(16).map(|c| if c.is_ascii_digit() { '9' } else { c.to_ascii_uppercase() }).collect();
    if shape != "9999-99-99T99:99" && shape != "9999-99-99 99:99" {
        return None;
    }
    let (day, minute, rest) = (&text[..10], &text[11..16], &text[16..]);
    // A time of hours and minutes means the start of the minute.
    let rest = if rest.starts_with(':') { rest.to_owned() } else { format!(":00{rest}") };
    let has_offset = rest.contains(['+', '-', 'Z', 'z']);
    let rest = rest.replace(['Z', 'z'], "+00:00");
    let whole = format!("{day} {minute}{rest}{}", if has_offset { "" } else { "+00:00" });
    let at = DateTime::parse_from_str(&whole, "%Y-%m-%d %H:%M:%S%.f%#z").ok()?.to_utc();
    // chrono represents second 60 as second 59 with more than a second of nanoseconds.
    let leap = i64::from(at.nanosecond() / 1_000_000_000);
    let nanos = i64::from(at.nanosecond() % 1_000_000_000);
    DateTime::from_timestamp(at.timestamp() + leap, 0).map(|at| at + TimeDelta::microseconds(nanos / 1000))
}

/// Returns whether a date is a sentinel: by its day as written, by its day in UTC, or within an offset of its midnight.
fn is_sentinel(text: Option<&str>, at: DateTime<Utc>) -> bool {
    SENTINELS.iter().any(|day| {
        let Ok(sentinel) = day.parse::<NaiveDate>() else { return false };
        let midnight = sentinel.and_time(NaiveTime::MIN).and_utc();
        text.is_some_and(|text| text.starts_with(day))
            || at.date_naive() == sentinel
            || (at - midnight).abs() <= WIDEST_OFFSET
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn login(value: &Value) -> String {
        let login = Login::read(Some(value));
        format!("{} {}", login.status(), login.cell()).trim_end().to_owned()
    }

    #[test]
    fn every_documented_notation_of_an_instant_is_read() {
        for value in [
            json!("/Date(1763625600000)/"),
            json!("/Date(1763625600000+0100)/"),
            json!(1_763_625_600),
            json!(1_763_625_600.0),
            json!(1_763_625_600_000_u64),
            json!("2025-11-20T08:00:00.0000000"),
            json!("2025-11-20T08:00:00+0000"),
            json!("2025-11-20 08:00:00.000"),
            json!("2025-11-20T08:00"),
            json!("2025-11-20 09:00+01:00"),
        ] {
            assert_eq!(login(&value), "at 2025-11-20T08:00:00Z", "{value}");
        }
    }

    #[test]
    fn sentinels_mean_never_and_other_dates_before_2000_are_unreadable() {
        for text in [
            "1969-12-31T19:00:00",
            "1969-12-31T10:00:00Z",
            "1970-01-01T14:00:00Z",
            "1899-12-30T00:00:00",
            "1899-12-31T10:00:00",
            "/Date(-62135596800000)/",
            "/Date(0)/",
        ] {
            assert_eq!(login(&json!(text)), "never", "{text}");
        }
        for value in [
            json!("1969-12-31T09:59:59Z"),
            json!("1980-01-01T00:00:00"),
            json!("1999-12-31T23:59:59Z"),
            json!("2025-11-20"),
            json!("11/20/2026 8:00:00 AM"),
            json!("1763625600"),
            json!(5),
            json!(946_684_799),
            json!(-1_763_625_600),
            json!(1_763_625_600_000_000_u64),
        ] {
            assert_eq!(login(&value), "unreadable", "{value}");
        }
        assert_eq!(login(&json!("2000-01-01T00:00:00Z")), "at 2000-01-01T00:00:00Z");
    }

    #[test]
    fn a_creation_may_be_a_day_or_old_and_limits_the_last_login() {
        let created = |text: &str| Created::read(Some(&json!(text))).cell();
        assert_eq!(created("2025-11-20"), "2025-11-20T00:00:00Z");
        assert_eq!(created("1999-05-05T00:00:00Z"), "1999-05-05T00:00:00Z");
        assert_eq!([created("1970-01-01"), created("1969-12-31T19:00:00"), created("2025-11-31")], ["", "", ""]);
        let made = Created::read(Some(&json!("2025-11-20T08:00:00Z")));
        let of_account = |text: &str| Login::read(Some(&json!(text))).of_account(&made).status();
        assert_eq!(of_account("2025-11-19T08:00:00Z"), "at");
        assert_eq!(of_account("2025-11-19T07:59:59Z"), "unreadable");
        assert_eq!(Login::Never(false).of_account(&made), Login::Never(false));
    }
}
