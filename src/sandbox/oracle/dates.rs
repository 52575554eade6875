//! Dates, once more and differently from the program's reader: by the formats of `chrono`.

use chrono::{DateTime, NaiveDate, TimeDelta, Timelike, Utc};
use serde_json::Value;

/// What the record says of the last login.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Login {
    At(DateTime<Utc>),
    /// Null, or (true) a sentinel.
    Never(bool),
    NotReported,
    Unreadable,
}

/// What the record says of the creation.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Created {
    At(DateTime<Utc>),
    Not,
    Unreadable,
}

impl Login {
    pub(super) fn read(value: Option<&Value>) -> Self {
        match value {
            None => Self::NotReported,
            Some(Value::Null) => Self::Never(false),
            Some(Value::String(text)) if text.is_empty() || text.to_lowercase() == "never" => Self::Never(true),
            Some(Value::String(text)) => match instant(text) {
                Some(_) if is_sentinel(text) => Self::Never(true),
                Some(at) => Self::At(at),
                None => Self::Unreadable,
            },
            Some(_) => Self::Unreadable,
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
        match (value, Login::read(value)) {
            (None | Some(Value::Null), _) => Self::Not,
            (_, Login::At(at)) => Self::At(at),
            _ => Self::Unreadable,
        }
    }

    pub(super) fn cell(&self) -> String {
        if let Self::At(at) = self { cell(*at) } else { String::new() }
    }
}

/// `2026-11-23T02:00:00Z`, with a fraction only where there is one.
pub(super) fn cell(at: DateTime<Utc>) -> String {
    let whole = at.format("%Y-%m-%dT%H:%M:%S").to_string();
    match at.timestamp_subsec_micros() {
        0 => format!("{whole}Z"),
        micros => format!("{whole}.{}Z", format!("{micros:06}").trim_end_matches('0')),
    }
}

/// To the microsecond. `None`: not ISO 8601 with a date and a time.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    let shape: String =
        text.chars().take(19).map(|c| if c.is_ascii_digit() { '9' } else { c.to_ascii_uppercase() }).collect();
    if shape != "9999-99-99T99:99:99" && shape != "9999-99-99 99:99:99" {
        return None;
    }
    let (day, rest) = (&text[..10], &text[11..]);
    let zone_told = rest.contains(['+', '-', 'Z', 'z']);
    let rest = rest.replace(['Z', 'z'], "+00:00");
    let whole = format!("{day} {rest}{}", if zone_told { "" } else { "+00:00" });
    let at = DateTime::parse_from_str(&whole, "%Y-%m-%d %H:%M:%S%.f%#z").ok()?.to_utc();
    // chrono keeps second 60 as second 59 with more than a second of nanoseconds.
    let leap = i64::from(at.nanosecond() / 1_000_000_000);
    let nanos = i64::from(at.nanosecond() % 1_000_000_000);
    DateTime::from_timestamp(at.timestamp() + leap, 0).map(|at| at + TimeDelta::microseconds(nanos / 1000))
}

/// As written or after conversion to UTC.
fn is_sentinel(text: &str) -> bool {
    let days = ["0001-01-01", "1601-01-01", "1753-01-01", "1900-01-01", "1970-01-01"];
    let converted = instant(text).map(|at| at.date_naive());
    days.iter().any(|day| text.starts_with(day) || converted == day.parse::<NaiveDate>().ok())
}
