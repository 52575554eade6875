//! Ids as servers write them: whole numbers of any size, texts, and objects that hold one of the two.

use super::value;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// An id as the server writes it. Numbers come before texts and compare by value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::source) enum Id {
    /// A whole number of 64 bits.
    Number(u64),
    /// Anything else, larger numbers among it, as written.
    Text(Box<str>),
    /// A row whose id cannot be used, by a hash of its content: the row keeps its place in a page walk, and the list is then
    /// not complete.
    Unusable(u64),
}

impl Id {
    /// Returns the id that a text means. `3.0` is the number 3, as some servers write it; `007` is not 7.
    pub(in crate::source) fn of(text: &str) -> Self {
        let digits = if text.contains('.') { value::integer(text) } else { None };
        let text = digits.as_deref().unwrap_or(text);
        match text.parse::<u64>() {
            Ok(number) if number.to_string() == text => Self::Number(number),
            _ => Self::Text(text.into()),
        }
    }

    /// Reads a number, a text, or an object with `id` or `value`.
    pub(in crate::source) fn from_json(json: &Value) -> Option<Self> {
        match json {
            Value::Number(number) => value::integer(&number.to_string()).map(|text| Self::of(&text)),
            Value::String(text) if !text.trim().is_empty() => Some(Self::of(text)),
            Value::Object(_) => {
                let inner = value::get(json, "id").or_else(|| value::get(json, "value"))?;
                if inner.is_object() { None } else { Self::from_json(inner) }
            }
            _ => None,
        }
    }

    /// Returns the form in which two ids are compared: GUIDs without case, everything else as it is.
    pub(in crate::source) fn comparable(&self) -> Self {
        match self {
            Self::Text(text) if is_guid(text) => Self::of(&text.to_ascii_lowercase()),
            other => other.clone(),
        }
    }

    /// Returns the id as text.
    pub(in crate::source) fn to_text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.to_string(),
            Self::Unusable(_) => "unknown".to_owned(),
        }
    }

    /// Returns the id as a path segment (RFC 3986 §3.3), everything but unreserved characters escaped.
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

/// Makes the ids of one answer differ: rows without a usable id may have the same content, and are several rows all the same.
pub(in crate::source) fn report_apart<'a>(ids: impl Iterator<Item = &'a mut Id>) {
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

/// 32 hexadecimal digits, with dashes (RFC 9562 §4) and braces or without.
fn is_guid(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
    digits == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || b"-{}".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(json: &str) -> Option<String> {
        Id::from_json(&serde_json::from_str(json).unwrap()).map(|id| id.to_text())
    }

    #[test]
    fn an_id_is_read_exactly_however_it_is_written() {
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
    fn what_is_no_id_is_not_guessed() {
        for json in
            ["null", "true", "7.5", "1e400", r#""""#, r#"" ""#, "[1]", "{}", r#"{"name":"x"}"#, r#"{"id":{"id":1}}"#]
        {
            assert_eq!(id(json), None, "{json}");
        }
    }

    #[test]
    fn numbers_come_before_texts_and_by_value() {
        let mut ids = [Id::of("b"), Id::of("10"), Id::of("9"), Id::of("007")];
        ids.sort();
        assert_eq!(ids.map(|id| id.to_text()), ["9", "10", "007", "b"]);
    }

    #[test]
    fn an_id_in_a_path_cannot_leave_its_segment() {
        assert_eq!(Id::of("../x y?z").in_path(), "..%2Fx%20y%3Fz");
    }

    #[test]
    fn guids_are_compared_without_case_and_other_ids_with() {
        let id = |text: &str| Id::of(text).comparable().to_text();
        assert_eq!(id("2819C223-7F76-453A-919D-413861904646"), "2819c223-7f76-453a-919d-413861904646");
        assert_eq!(id("2819C2237F76453A919D413861904646"), "2819c2237f76453a919d413861904646");
        assert_eq!(id("Admin"), "Admin");
        assert_eq!(id("ABCDEF"), "ABCDEF");
    }
}
