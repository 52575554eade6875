//! Single JSON values, read as leniently as possible without guessing. Pure.

use super::id::Id;
use crate::model::Text;
use serde_json::Value;

/// Result of reading a value of an expected type.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Lenient<T> {
    /// The value could be read.
    Read(T),
    /// The value is JSON null.
    Null,
    /// The value has another type, or another form.
    Odd,
}

impl<T> Lenient<T> {
    fn of(value: Option<T>) -> Self {
        value.map_or(Self::Odd, Self::Read)
    }
}

/// Reads a text. A number becomes its digits as written.
pub(super) fn text(value: &Value) -> Lenient<Text> {
    match value {
        Value::Null => Lenient::Null,
        Value::String(text) => Lenient::Read(text.as_str().into()),
        Value::Number(number) => Lenient::Read(number.to_string().into()),
        _ => Lenient::Odd,
    }
}

/// Reads a boolean: `true`, `"true"` in any case, `1` or `"1"`, and their opposites.
pub(super) fn flag(value: &Value) -> Lenient<bool> {
    let word = |text: &str| match text.trim() {
        "1" => Some(true),
        "0" => Some(false),
        text if text.eq_ignore_ascii_case("true") => Some(true),
        text if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    };
    match value {
        Value::Null => Lenient::Null,
        Value::Bool(flag) => Lenient::Read(*flag),
        Value::String(text) => Lenient::of(word(text)),
        Value::Number(number) => Lenient::of(integer(&number.to_string()).and_then(|text| word(&text))),
        _ => Lenient::Odd,
    }
}

/// Reads a whole number that is not negative: `5`, `5.0` or `"5"`.
pub(super) fn count(value: &Value) -> Lenient<u64> {
    let read = |text: &str| integer(text.trim())?.parse().ok();
    match value {
        Value::Null => Lenient::Null,
        Value::Number(number) => Lenient::of(read(&number.to_string())),
        Value::String(text) => Lenient::of(read(text)),
        _ => Lenient::Odd,
    }
}

/// Ids of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::source) struct Ids {
    pub(in crate::source) ids: Vec<Id>,
    /// Number of items that are no ids.
    pub(in crate::source) odd: u64,
}

/// Reads a list of ids. A single id, or a single object with an id, is a list of one.
pub(super) fn ids(value: &Value) -> Lenient<Ids> {
    let mut found = Ids::default();
    match value {
        Value::Null => return Lenient::Null,
        Value::Array(items) => {
            for item in items {
                match Id::from_json(item) {
                    Some(id) => found.ids.push(id),
                    None => found.odd += 1,
                }
            }
        }
        // A text with separators may contain several ids: splitting it would be a guess.
        Value::String(text) if text.contains([',', ';', ' ', '\t', '\n']) => return Lenient::Odd,
        other => match Id::from_json(other) {
            Some(id) => found.ids.push(id),
            None => return Lenient::Odd,
        },
    }
    Lenient::Read(found)
}

/// Returns the digits of a whole number, written with or without a fraction of zeros. Exact for any size.
pub(super) fn integer(text: &str) -> Option<String> {
    // On the digits, because a conversion to `f64` would change ids above 2^53.
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let is_whole = !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte == b'0');
    is_whole.then(|| whole.to_owned())
}

/// Returns a member of an object by its exact name, or else by its name without case (RFC 7643 §2.1).
pub(in crate::source) fn get<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let object = object.as_object()?;
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn booleans_are_read_from_words_and_numbers_and_nothing_else() {
        for (value, flag) in [
            (json!(true), Lenient::Read(true)),
            (json!("True"), Lenient::Read(true)),
            (json!("FALSE"), Lenient::Read(false)),
            (json!(1), Lenient::Read(true)),
            (json!(0.0), Lenient::Read(false)),
            (json!("0"), Lenient::Read(false)),
            (json!(null), Lenient::Null),
            (json!("yes"), Lenient::Odd),
            (json!(2), Lenient::Odd),
            (json!([true]), Lenient::Odd),
        ] {
            assert_eq!(super::flag(&value), flag, "{value}");
        }
    }

    #[test]
    fn counts_are_whole_numbers_that_are_not_negative() {
        for (value, count) in [
            (json!(5), Lenient::Read(5)),
            (json!(5.0), Lenient::Read(5)),
            (json!("5"), Lenient::Read(5)),
            (json!(" 5.0 "), Lenient::Read(5)),
            (json!(null), Lenient::Null),
            (json!(5.5), Lenient::Odd),
            (json!(-1), Lenient::Odd),
            (json!("five"), Lenient::Odd),
            (json!({}), Lenient::Odd),
        ] {
            assert_eq!(super::count(&value), count, "{value}");
        }
    }

    #[test]
    fn ids_are_read_from_numbers_texts_objects_and_a_single_id() {
        let read = |value| match ids(&value) {
            Lenient::Read(Ids { ids, odd }) => Some((ids.iter().map(Id::to_text).collect::<Vec<_>>().join(" "), odd)),
            _ => None,
        };
        let some = |text: &str, odd| Some((text.to_owned(), odd));
        assert_eq!(read(json!([1, "2", {"id": 3}, {"value": "4"}, 5.0, {"id": "6.0"}])), some("1 2 3 4 5 6", 0));
        assert_eq!(read(json!([1, true, null])), some("1", 2));
        assert_eq!(read(json!({"id": 3})), some("3", 0));
        assert_eq!(read(json!("3")), some("3", 0));
        assert_eq!(read(json!([])), some("", 0));
        assert_eq!(read(json!("1, 2")), None);
        assert_eq!(read(json!(true)), None);
        assert_eq!(ids(&json!(null)), Lenient::Null);
    }
}
