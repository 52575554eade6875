//! Dates in the notations of real appliances other than RFC 3339.

use super::target::InterfaceFamily;
use crate::record::Record;
use crate::shape::scim::{LAST_LOGIN, MORE_USER};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use serde_json::Value;

/// Instants whose epoch seconds have ten digits. Readers distinguish seconds and milliseconds by the number of digits.
const EPOCH_SECONDS: std::ops::Range<i64> = 1_000_000_000..10_000_000_000;

/// Rewrites the dates of a record. The id of the record decides the notation.
pub(super) fn rewrite(family: InterfaceFamily, id: u64, record: &mut Record) {
    let fields: &[&str] = match family {
        InterfaceFamily::Guide => &["last_login", "created_at"],
        InterfaceFamily::Sra => &["last_authentication", "created_at", "last_authenticated_date", "account_expiration"],
        InterfaceFamily::Safe => &["LastLoginDate"],
        InterfaceFamily::Scim => &[],
    };
    for field in fields {
        rewrite_field(Some(&mut *record), field, id);
    }
    if family == InterfaceFamily::Scim {
        rewrite_field(record.get_mut("meta").and_then(Value::as_object_mut), "created", id);
        rewrite_field(record.get_mut(MORE_USER).and_then(Value::as_object_mut), LAST_LOGIN, id);
    }
}

fn rewrite_field(record: Option<&mut Record>, field: &str, id: u64) {
    let Some(value) = record.and_then(|record| record.get_mut(field)) else { return };
    if let Some(foreign) = value.as_str().and_then(|text| foreign(text, id)) {
        *value = foreign;
    }
}

/// Returns the same instant in another notation; `None` for a text that is no plain instant and must stay unchanged.
fn foreign(text: &str, notation: u64) -> Option<Value> {
    let at = instant(text)?;
    let whole = at.timestamp_subsec_nanos() == 0;
    let written = match notation % 6 {
        // The JSON of older .NET (`JavaScriptSerializer` and WCF).
        0 if whole => format!("/Date({})/", at.timestamp_millis()),
        1 if whole => return Some(at.timestamp().into()),
        2 if whole => return Some(at.timestamp_millis().into()),
        4 => at.format("%Y-%m-%dT%H:%M:%S%.f+0000").to_string(),
        5 if whole => at.format("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        // A `DateTime` of .NET has ticks of 100 ns, and no offset if its kind is unspecified.
        _ => format!("{}.{:07}", at.format("%Y-%m-%dT%H:%M:%S"), at.timestamp_subsec_nanos() / 100),
    };
    Some(written.into())
}

fn instant(text: &str) -> Option<DateTime<Utc>> {
    let exact = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc());
    let at =
        exact.or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(|at| at.and_utc())).ok()?;
    // chrono represents second 60 as second 59 with more than a second of nanoseconds.
    let leaps = TimeDelta::nanoseconds(at.timestamp_subsec_nanos().into()) >= TimeDelta::seconds(1);
    (EPOCH_SECONDS.contains(&at.timestamp()) && !leaps).then_some(at)
}
