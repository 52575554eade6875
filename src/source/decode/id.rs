//! Ids in the forms that servers use: whole numbers of any size, texts, and objects that contain one of the two.

use super::value;
use crate::model::Text;
use lean_string::ToLeanStr;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Id of a user, group or other object. Numbers sort before texts and by value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::source) enum Id {
    /// Whole number of up to 64 bits.
    Number(u64),
    /// Any other id as written, including larger numbers.
    Text(Text),
    /// Placeholder for a row without a usable id: a hash of its content. The row keeps its position in a page walk, and
    /// its list is not complete.
    Unusable(u64),
}

impl Id {
    /// Returns the id that a text means. `3.0` is the number 3, as some servers write it. `007` stays a text and
    /// differs from 7.
    fn of(text: &str) -> Self {
        let digits = if text.contains('.') { value::integer(text) } else { None };
        let text = digits.as_deref().unwrap_or(text);
        match text.parse::<u64>() {
            // The comparison keeps texts apart that differ from the number, such as `007` or `+7`.
            Ok(number) if number.to_string() == text => Self::Number(number),
            _ => Self::Text(text.into()),
        }
    }

    /// Reads an id from a text. A blank text is no id; nor is one with U+FFFD, which replaces what was unreadable in the
    /// answer.
    pub(in crate::source) fn from_text(text: &str) -> Option<Self> {
        (!text.trim().is_empty() && !text.contains('\u{fffd}')).then(|| Self::of(text))
    }

    /// Reads an id from a number, a text, or an object with `id` or `value`. Anything else is no id.
    pub(in crate::source) fn from_json(json: &Value) -> Option<Self> {
        match json {
            Value::Number(number) => {
                let written = || value::integer(&number.to_string()).map(|text| Self::of(&text));
                number.as_u64().map(Self::Number).or_else(written)
            }
            Value::String(text) => Self::from_text(text),
            Value::Object(_) => {
                // One level only: an id in a deeper object would be a guess.
                let inner = value::get(json, "id").or_else(|| value::get(json, "value"))?;
                if inner.is_object() { None } else { Self::from_json(inner) }
            }
            _ => None,
        }
    }

    /// Returns the form in which two ids are compared: GUIDs in lower case, any other id unchanged.
    pub(in crate::source) fn comparable(&self) -> Self {
        match self {
            Self::Text(text) if is_guid(text) => Self::of(&text.to_ascii_lowercase()),
            other => other.clone(),
        }
    }

    /// Returns whether the row has an id of its own.
    pub(in crate::source) fn is_usable(&self) -> bool {
        !matches!(self, Self::Unusable(_))
    }
    /// Returns the id as text.
    pub(in crate::source) fn to_text(&self) -> Text {
        match self {
            Self::Number(number) => number.to_lean_str(),
            Self::Text(text) => text.clone(),
            Self::Unusable(_) => "unknown".into(),
        }
    }

    /// Returns the id as one path segment (RFC 3986 §3.3). Everything but unreserved characters is percent-encoded.
    pub(in crate::source) fn in_path(&self) -> String {
        self.to_text().bytes().fold(String::new(), |mut out, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                // Writing into a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
            out
        })
    }
}

/// Makes the placeholder ids of one answer distinct: rows without a usable id are several rows even if their content is
/// the same.
pub(super) fn make_distinct<'a>(ids: impl Iterator<Item = &'a mut Id>) {
    let mut seen = BTreeSet::new();
    for id in ids {
        while let Id::Unusable(hash) = id {
            if seen.insert(*hash) {
                break;
            }
            *id = Id::Unusable(hash.wrapping_add(1));
        }
    }
}

/// Returns whether a text is a GUID: 32 hexadecimal digits, with or without dashes (RFC 9562 §4) and braces.
fn is_guid(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
    digits == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || b"-{}".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(json: &str) -> Option<String> {
        Id::from_json(&serde_json::from_str(json).unwrap()).map(|id| id.to_text().to_string())
    }

    #[test]
    fn an_id_is_read_exactly_in_every_form() {
        for (json, text) in [
            ("7", "7"),
            ("7.0", "7"),
            ("7.000", "7"),
            ("-7", "-7"),
            ("18446744073709551615", "18446744073709551615"),
            ("36893488147419103232", "36893488147419103232"),
            ("9007199254740993.0", "9007199254740993"),
            (r#""7""#, "7"),
            (r#""007""#, "007"),
            (r#""g:5""#, "g:5"),
            (r#"{"id":1}"#, "1"),
            (r#"{"value":"1","display":"x"}"#, "1"),
            (r#"{"Value":3.0}"#, "3"),
        ] {
            assert_eq!(id(json).as_deref(), Some(text), "{json}");
        }
    }

    #[test]
    fn a_value_of_another_form_is_no_id() {
        for json in [
            "null",
            "true",
            "7.5",
            "1e400",
            r#""""#,
            r#"" ""#,
            r#""18\ufffd""#,
            "[1]",
            "{}",
            r#"{"name":"x"}"#,
            r#"{"id":{"id":1}}"#,
        ] {
            assert_eq!(id(json), None, "{json}");
        }
    }

    #[test]
    fn numbers_sort_before_texts_and_by_value() {
        let mut ids = [Id::of("b"), Id::of("10"), Id::of("9"), Id::of("007")];
        ids.sort();
        assert_eq!(ids.map(|id| id.to_text()), ["9", "10", "007", "b"]);
    }

    #[test]
    fn an_id_in_a_path_cannot_leave_its_segment() {
        assert_eq!(Id::of("../x y?z").in_path(), "..%2Fx%20y%3Fz");
    }

    #[test]
    fn guids_are_compared_without_case_and_other_ids_exactly() {
        let id = |text: &str| Id::of(text).comparable().to_text();
        assert_eq!(id("2819C223-7F76-453A-919D-413861904646"), "2819c223-7f76-453a-919d-413861904646");
        assert_eq!(id("2819C2237F76453A919D413861904646"), "2819c2237f76453a919d413861904646");
        assert_eq!(id("Admin"), "Admin");
        assert_eq!(id("ABCDEF"), "ABCDEF");
    }
}
