//! How text, numbers and instants are shown to people. Escaping for HTML is not done here: the template engine does it.
//!
//! [`Shown`] is the only way for text from outside (names, errors, queries) into a view: short, and without a
//! character that would act on the text around it.

use crate::model::Instant;
use chrono::DateTime;
use std::fmt;

/// Characters of a name that are shown.
const NAME: usize = 80;
/// Characters of a sentence that are shown.
const SENTENCE: usize = 400;

/// Text from outside, made safe to read: shortened, control characters as pictures, direction marks spelled out.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shown(String);

impl Shown {
    /// A name: at most 80 characters.
    pub fn name(raw: &str) -> Self {
        Self::shortened(raw, NAME)
    }

    /// A sentence: at most 400 characters.
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

    /// The text, not yet escaped for any format.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Control characters become their pictures (Unicode block "Control Pictures", U+2400 + n). Characters that
/// reorder or hide text (Unicode TR 36 §2.5, bidirectional overrides and zero-width) are spelled out as `[U+202E]`;
/// the joiners U+200C and U+200D stay, for whole scripts need them.
fn push_visible(text: &mut String, c: char) {
    match u32::from(c) {
        n @ 0..=0x1f => text.push(char::from_u32(0x2400 + n).unwrap_or('\u{fffd}')),
        0x7f => text.push('\u{2421}'),
        n if reorders_or_hides(n) => text.extend(format!("[U+{n:04X}]").chars()),
        _ => text.push(c),
    }
}

fn reorders_or_hides(code: u32) -> bool {
    matches!(code,
        0x80..=0x9f | 0xad | 0x61c | 0x200b | 0x200e | 0x200f | 0x2028..=0x202e | 0x2060..=0x206f
        | 0xfeff | 0xfff9..=0xfffb | 0xe0000..=0xe007f)
}

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 finding`, `1,200 findings`.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number), if number == 1 { one } else { many })
}

/// `23 November 2026, 02:00:00 UTC`.
pub(super) fn readable(at: Instant) -> String {
    at.format("%-d %B %Y, %H:%M:%S UTC").to_string()
}

/// An RFC 3339 text as a readable instant; anything else as it stands.
pub(super) fn readable_text(raw: &str) -> Shown {
    match DateTime::parse_from_rfc3339(raw) {
        Ok(at) => Shown(readable(at.to_utc())),
        Err(_) => Shown::name(raw),
    }
}

/// Date and time of an RFC 3339 text apart; anything else as it stands, without a time.
pub(super) fn date_and_time(raw: &str) -> (Shown, String) {
    match DateTime::parse_from_rfc3339(raw) {
        Ok(at) => {
            let utc = at.to_utc();
            (Shown(utc.format("%Y-%m-%d").to_string()), utc.format("%H:%M:%S%.f UTC").to_string())
        }
        Err(_) => (Shown::name(raw), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_pictures_and_direction_overrides_are_spelled_out() {
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
        let shown: Vec<String> = [0, 999, 1000, 12_345, 1_234_567].into_iter().map(thousands).collect();
        assert_eq!(shown, ["0", "999", "1,000", "12,345", "1,234,567"]);
        assert_eq!(counted(1, "account", "accounts"), "1 account");
    }

    #[test]
    fn instants_are_readable_and_what_is_none_stays_as_written() {
        assert_eq!(readable_text("2026-11-23T02:00:00Z").as_str(), "23 November 2026, 02:00:00 UTC");
        assert_eq!(readable_text("yesterday").as_str(), "yesterday");
        let (date, time) = date_and_time("2026-03-01T01:30:00.25+02:00");
        assert_eq!((date.as_str(), time.as_str()), ("2026-02-28", "23:30:00.250 UTC"));
    }
}
