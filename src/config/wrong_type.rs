//! Says how a value of the wrong type is written: a number in quotes, a word for true, a text that must be a list.
//!
//! `section` calls [`cure`]. A text is never repeated, because it may be a secret. Pure.

use toml::de::DeValue;

/// Returns the cure of a value of the wrong type. `wanted` is the type in the words of the message.
pub(super) fn cure(key: &str, wanted: &str, value: &DeValue<'_>) -> Option<String> {
    let written = |value: &str| Some(format!("write {key} = {value}"));
    match (wanted, value) {
        ("true or false", DeValue::String(text)) => written(boolean(text)?),
        ("true or false", DeValue::Integer(number)) => written(boolean(number.as_str())?),
        ("a text", DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_)) => {
            Some("put it in quotes".to_owned())
        }
        ("a text", DeValue::Array(_)) => Some("write one text without brackets".to_owned()),
        (_, DeValue::String(_)) if wanted.starts_with("a list") => Some("put it in brackets".to_owned()),
        (_, DeValue::String(text)) if wanted.contains("number") => {
            let digits: String = text.trim().chars().take_while(char::is_ascii_digit).collect();
            if digits.is_empty() { None } else { Some(format!("write {key} = {digits}, without quotes and unit")) }
        }
        _ => None,
    }
}

fn boolean(text: &str) -> Option<&'static str> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some("true"),
        "false" | "no" | "off" | "0" => Some("false"),
        _ => None,
    }
}
