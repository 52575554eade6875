//! Entry points of `fuzz/` into the parser of dates.

use super::date::{self, Raw};
use crate::model::{Instant, LastLogin, ReportedDate};

/// Reads a text, or the digits of a number, as a last login and as any other date.
pub fn date(text: &str, is_number: bool) -> (LastLogin, ReportedDate) {
    let raw = if is_number { Raw::Number(text) } else { Raw::Text(text) };
    (date::last_login(raw).value, date::reported(raw).value)
}

/// Reads a text as an instant.
pub fn instant(text: &str) -> Option<Instant> {
    date::instant(text).map(|parsed| parsed.value)
}
