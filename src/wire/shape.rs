//! Descriptions of responses with status 200 that do not have the expected content.
//!
//! A description names the place in the response, what was expected there and what was found. For JSON it shows keys
//! and ids but no values, because a value may be a secret. For anything else it shows a masked excerpt. Pure.

use super::body;
use super::excerpt::{MAX_EXCERPT, excerpt, without_secrets};
use crate::escape::printable;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment};
use std::fmt::Write as _;

#[cfg(test)]
mod tests;

/// Maximum number of keys of an object that are shown.
const MAX_KEYS: usize = 8;
/// Maximum length of a key, an id or a title, in characters.
const MAX_WORD: usize = 60;

/// Describes a body that is not a `T`. `secrets` are our own, which a server may echo.
pub(super) fn describe<T: DeserializeOwned>(body: &[u8], error: &serde_json::Error, secrets: &[String]) -> String {
    if body.is_empty() {
        return "an empty body with status 200".to_owned();
    }
    // No copy of the body: it may be as large as the limit allows.
    let body::Text { text, .. } = body::text(body);
    // A login page or proxy page is the most frequent case, and its title says more than a parse error.
    if is_html(&text) {
        return format!("HTML with status 200{}", titled(&text, secrets));
    }
    if error.classify() != Category::Data {
        let start = excerpt(text.trim_start(), MAX_EXCERPT, secrets);
        return format!("{} bytes that are not JSON ({error}); they start with: {start}", body.len());
    }
    let text = body::repaired(body);
    // Decoding is repeated here, because tracking the path would slow down every valid response.
    let whole: Value = serde_json::from_str(&text).unwrap_or_default();
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) => {
            let (place, at) = place(error.path(), &whole);
            let what = expected(&error.inner().to_string(), at);
            // At the top of the response, a path says nothing.
            let text = if place == "$" { what } else { format!("{place}: {what}") };
            // A server may echo our request, even as a key.
            without_secrets(text, secrets)
        }
        Ok(_) => format!("{} bytes of JSON in another form", body.len()),
    }
}

/// Checks whether a text is an HTML page.
pub(super) fn is_html(text: &str) -> bool {
    let start: String = text.trim_start().chars().take(512).collect::<String>().to_ascii_lowercase();
    start.starts_with("<!doctype html")
        || (start.starts_with('<') && start.contains("<html"))
        || start.starts_with("<head")
}

/// Returns `, titled "…"` for a page with a title, otherwise an empty text.
pub(super) fn titled(html: &str, secrets: &[String]) -> String {
    let lower = html.to_ascii_lowercase();
    let title = lower.find("<title").and_then(|tag| {
        let start = tag + lower.get(tag..)?.find('>')? + 1;
        let end = start + lower.get(start..)?.find("</title")?;
        html.get(start..end)
    });
    let words: Vec<&str> = title.unwrap_or_default().split_whitespace().collect();
    if words.is_empty() {
        String::new()
    } else {
        format!(", titled \"{}\"", excerpt(&words.join(" "), MAX_WORD, secrets))
    }
}

/// Returns the path in the notation of RFC 9535 with the id of the innermost row on it, and the value at the path.
fn place<'a>(path: &Path, whole: &'a Value) -> (String, Option<&'a Value>) {
    let (mut text, mut value, mut id) = ("$".to_owned(), Some(whole), None);
    for segment in path {
        // Writing into a String cannot fail.
        let _ = match segment {
            Segment::Seq { index } => write!(text, "[{index}]"),
            Segment::Map { key } | Segment::Enum { variant: key } => write!(text, "{}", step(key)),
            Segment::Unknown => write!(text, ".?"),
        };
        value = value.and_then(|value| match segment {
            Segment::Seq { index } => value.get(index),
            Segment::Map { key } => value.get(key),
            Segment::Enum { .. } | Segment::Unknown => None,
        });
        id = value.filter(|_| matches!(segment, Segment::Seq { .. })).map_or(id, id_of);
    }
    if let Some(id) = id {
        let _ = write!(text, " (id {id})");
    }
    (text, value)
}

fn step(key: &str) -> String {
    let plain = !key.is_empty() && key.len() <= MAX_WORD && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain { format!(".{key}") } else { format!("['{}']", printable(key, MAX_WORD)) }
}

/// Returns the id of a row: the field `id` in any case, otherwise the first field whose name ends in `ID` or `Id`.
fn id_of(row: &Value) -> Option<String> {
    let row = row.as_object()?;
    let exact = row.iter().find(|(key, _)| key.eq_ignore_ascii_case("id"));
    let (_, id) = exact.or_else(|| row.iter().find(|(key, _)| key.ends_with("ID") || key.ends_with("Id")))?;
    match id {
        Value::Number(number) => Some(printable(&number.to_string(), MAX_WORD)),
        Value::String(text) if !text.is_empty() => Some(printable(text, MAX_WORD)),
        _ => None,
    }
}

/// Rewrites a message of serde without the value that it quotes. `at` is the value at the failing path.
fn expected(error: &str, at: Option<&Value>) -> String {
    let error = without_position(error);
    if error.starts_with("invalid type: ")
        || error.starts_with("invalid value: ")
        || error.starts_with("unknown variant ")
    {
        // The quoted value may itself contain ", expected ". Only the text after the last one comes from the decoder.
        let wanted = error.rsplit_once(", expected ").map_or("something else", |(_, wanted)| wanted);
        return format!("expected {}, found {}", json_type(wanted), at.map_or("something else", kind));
    }
    if let Some(key) = error.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        let found = match at {
            Some(Value::Object(fields)) => keys(fields),
            other => other.map_or("none", kind).to_owned(),
        };
        return missing_key(key, &found);
    }
    printable(error, 4 * MAX_EXCERPT)
}

/// Describes a missing key. `found` are the keys in its place, or another value.
pub(crate) fn missing_key(key: &str, found: &str) -> String {
    format!("the key \"{key}\" is missing; found {found}")
}

/// Removes the position that the JSON parser appends: ` at line 1 column 5`. The path says more.
fn without_position(error: &str) -> &str {
    error.rfind(" at line ").and_then(|end| error.get(..end)).unwrap_or(error)
}

/// Translates the name of a Rust type in a message of serde into words for JSON.
fn json_type(wanted: &str) -> &str {
    match wanted {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "string" | "str" | "borrowed str" => "a text",
        "a sequence" | "sequence" => "a list",
        "a map" | "map" => "an object",
        wanted if wanted.starts_with("struct ") => "an object",
        wanted => wanted,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Returns a key for a message. A key that does not look like a name may be an echoed secret, so only its length is
/// shown.
fn shown_key(key: &str) -> String {
    let is_name = key.len() <= 40 && key.chars().all(|c| c.is_alphanumeric() || "_-.:$@".contains(c));
    // Names of fields have few digits; tokens and ids that serve as keys have many.
    let digits = key.chars().filter(char::is_ascii_digit).count();
    if is_name && digits < 6 {
        format!("\"{}\"", printable(key, MAX_WORD))
    } else {
        format!("a key of {} characters", key.chars().count())
    }
}

/// Returns the first keys of an object for a message.
pub(super) fn keys(fields: &Map<String, Value>) -> String {
    if fields.is_empty() {
        return "an object without keys".to_owned();
    }
    shown_keys(fields.keys().map(String::as_str))
}

/// Returns the first of some keys in quotes, and the number of the others: `"a", "b" and 3 more`.
pub(crate) fn shown_keys<'a>(keys: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = keys.len().saturating_sub(MAX_KEYS);
    let shown: Vec<String> = keys.take(MAX_KEYS).map(shown_key).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
