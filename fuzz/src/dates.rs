//! Dates of products, HTTP dates and `Retry-After`.

use bt_rollcall::model::{LastLogin, ReportedDate};
use bt_rollcall::{source, wire};
use std::time::Duration;

/// Reads each line as a date in every notation. Two lines are a `Retry-After` and a `Date`.
pub(crate) fn dates(data: &[u8]) -> String {
    let text = String::from_utf8_lossy(data);
    let (first, second) = text.split_once('\n').unwrap_or((&text, ""));
    let mut outcome = String::new();
    for is_number in [false, true] {
        let (login, other) = source::fuzzing::date(first, is_number);
        let other = match other {
            ReportedDate::At(at) => format!("at {}", at.to_rfc3339().len()),
            ReportedDate::NotReported => "absent".to_owned(),
            ReportedDate::Unreadable(_) => "unreadable".to_owned(),
        };
        let login = match login {
            LastLogin::At(_) => "at",
            LastLogin::Never { .. } => "never",
            LastLogin::NotReported => "absent",
            LastLogin::Unreadable(_) => "unreadable",
        };
        outcome.push_str(&format!("{login} {other} "));
    }
    let instant = source::fuzzing::instant(first);
    let http = wire::fuzzing::http_date(first);
    let wait = wire::fuzzing::retry_after(first, second, chrono_now());
    assert!(wait.is_none_or(|wait| wait <= Duration::from_secs(60)), "the maximum of a wait holds: {wait:?}");
    format!("{outcome}{} {} {:?}", instant.is_some(), http.is_some(), wait.map(|wait| wait.as_secs().min(2)))
}

/// Returns a fixed instant: what a target does must depend on its input alone.
fn chrono_now() -> bt_rollcall::model::Instant {
    crate::rules::as_of()
}
