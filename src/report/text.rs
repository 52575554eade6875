//! Text, numbers and instants as the report shows them. The template engine escapes for HTML, not this module.
//!
//! Text from outside (names, errors, queries) enters a view only as [`Shown`]: short, and without characters that act
//! on the text around them.

use crate::escape;
use crate::model::Instant;
pub use crate::model::thousands;
use chrono::{DateTime, NaiveDate};
use std::fmt;

/// Length limit of a name, in characters.
const NAME: usize = 80;
/// Number of names in a list.
const NAMES: usize = 5;
/// Length limit of a sentence, in characters.
const SENTENCE: usize = 400;

/// Text from outside that is safe to show: shortened, with control characters and direction marks made visible.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shown(String);

impl Shown {
    /// Returns a name of at most 80 characters.
    pub fn name(raw: &str) -> Self {
        Self::shortened(raw, NAME)
    }

    /// Returns a sentence of at most 400 characters.
    pub fn sentence(raw: &str) -> Self {
        Self::shortened(raw, SENTENCE)
    }

    fn shortened(raw: &str, limit: usize) -> Self {
        let mut text = String::with_capacity(raw.len().min(limit));
        for (at, c) in raw.chars().enumerate() {
            if at == limit {
                text.push('…');
                break;
            }
            push_visible(&mut text, c);
        }
        Self(text)
    }

    /// Returns the text, which is not escaped for any format.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Appends a character. A control character becomes its symbol; one that reorders or hides text becomes `[U+202E]`.
fn push_visible(text: &mut String, c: char) {
    match escape::control_picture(c) {
        Some(picture) => text.push(picture),
        None if escape::reorders_or_hides(c) => text.extend(format!("[U+{:04X}]", u32::from(c)).chars()),
        None => text.push(c),
    }
}

/// Returns a number with its noun: `1 finding`, `1,200 findings`.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number), if number == 1 { one } else { many })
}

/// Returns the first names of a list, and the number of the others.
pub(super) fn names(sources: &[&str]) -> String {
    let first = sources[..sources.len().min(NAMES)].join(", ");
    match sources.len().saturating_sub(NAMES) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// Returns an instant for people: `23 November 2026, 02:00:00 UTC`.
pub(super) fn readable(at: Instant) -> String {
    at.format("%-d %B %Y, %H:%M:%S UTC").to_string()
}

/// Returns a day for people: `23 November 2026`.
pub(super) fn day(day: NaiveDate) -> String {
    day.format("%-d %B %Y").to_string()
}

/// Returns an RFC 3339 text as an instant for people. Any other text is returned unchanged.
pub(super) fn readable_text(raw: &str) -> Shown {
    match DateTime::parse_from_rfc3339(raw) {
        Ok(at) => Shown(readable(at.to_utc())),
        Err(_) => Shown::name(raw),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_symbols_and_direction_overrides_become_code_points() {
        assert_eq!(Shown::name("a\nb\0c\x7f").as_str(), "a\u{240a}b\u{2400}c\u{2421}");
        assert_eq!(Shown::name("ad\u{202e}nim").as_str(), "ad[U+202E]nim");
        assert_eq!(Shown::name("שלום").as_str(), "שלום");
    }

    #[test]
    fn a_long_name_ends_with_an_ellipsis_and_a_short_one_does_not() {
        assert_eq!(Shown::name(&"ä".repeat(4000)).as_str().chars().count(), 81);
        assert!(Shown::name(&"ä".repeat(4000)).as_str().ends_with('…'));
        assert_eq!(Shown::name(&"x".repeat(80)).as_str(), "x".repeat(80));
    }

    #[test]
    fn numbers_have_thousands_separators() {
        assert_eq!(counted(1, "account", "accounts"), "1 account");
        assert_eq!(counted(1_200, "account", "accounts"), "1,200 accounts");
    }

    #[test]
    fn instants_are_readable_and_other_texts_are_unchanged() {
        assert_eq!(readable_text("2026-11-23T02:00:00Z").as_str(), "23 November 2026, 02:00:00 UTC");
        assert_eq!(readable_text("yesterday").as_str(), "yesterday");
    }
}
