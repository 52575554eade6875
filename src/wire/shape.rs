//! Words for an answer with status 200 that is not what was asked for: what came, where in it, and what was expected there.
//! Of JSON no values are shown, only keys and ids; of anything else the first characters, masked. Pure.

use super::body;
use super::excerpt::{SHOWN, escaped, excerpt};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment};
use std::fmt::Write as _;

#[cfg(test)]
mod tests;

/// Keys of an object that are named.
const MOST_KEYS: usize = 8;
/// Characters of a key, an id or a title that are shown.
const WORD: usize = 60;

/// What came instead of a `T`. `own`: secrets that must not be shown if they are echoed.
pub(super) fn in_words<T: DeserializeOwned>(body: &[u8], error: &serde_json::Error, own: &[String]) -> String {
    if body.is_empty() {
        return "an empty body with status 200".to_owned();
    }
    let text = body::repaired(body);
    if is_html(&text) {
        return format!("HTML with status 200{}", titled(&text, own));
    }
    if error.classify() != Category::Data {
        let begins = excerpt(text.trim_start(), SHOWN, own);
        return format!("{} bytes that are no JSON ({error}); they begin: {begins}", body.len());
    }
    let whole: Value = serde_json::from_str(&text).unwrap_or_default();
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) => {
            let (place, at) = place(error.path(), &whole);
            let text = format!("{place}: {}", expected(&error.inner().to_string(), at));
            // A server may echo what it was sent, even as a key.
            own.iter()
                .filter(|secret| secret.len() >= 4)
                .fold(text, |text, secret| text.replace(secret.as_str(), "***"))
        }
        Ok(_) => format!("{} bytes of JSON of another form", body.len()),
    }
}

/// Whether a text is a web page.
pub(super) fn is_html(text: &str) -> bool {
    let start: String = text.trim_start().chars().take(512).collect::<String>().to_ascii_lowercase();
    start.starts_with("<!doctype html")
        || (start.starts_with('<') && start.contains("<html"))
        || start.starts_with("<head")
}

/// `, titled "…"`, where a page has a title.
pub(super) fn titled(html: &str, own: &[String]) -> String {
    let lower = html.to_ascii_lowercase();
    let title = lower.find("<title").and_then(|tag| {
        let start = tag + lower.get(tag..)?.find('>')? + 1;
        let end = start + lower.get(start..)?.find("</title")?;
        html.get(start..end)
    });
    let words: Vec<&str> = title.unwrap_or_default().split_whitespace().collect();
    if words.is_empty() { String::new() } else { format!(", titled \"{}\"", excerpt(&words.join(" "), WORD, own)) }
}

/// The path in the notation of RFC 9535, with the id of the innermost row that it leads through; and the value there,
/// where there is one.
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
    let plain = !key.is_empty() && key.len() <= WORD && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain { format!(".{key}") } else { format!("['{}']", escaped(key, WORD)) }
}

/// The id of a row: a field `id` in any case, else the first whose name ends so (`UserID`).
fn id_of(row: &Value) -> Option<String> {
    let row = row.as_object()?;
    let exact = row.iter().find(|(key, _)| key.eq_ignore_ascii_case("id"));
    let (_, id) = exact.or_else(|| row.iter().find(|(key, _)| key.ends_with("ID") || key.ends_with("Id")))?;
    match id {
        Value::Number(number) => Some(escaped(&number.to_string(), WORD)),
        Value::String(text) if !text.is_empty() => Some(escaped(text, WORD)),
        _ => None,
    }
}

/// What a decoder says of a value, without the value. The forms are those of serde's `Error`, whose texts echo it.
fn expected(error: &str, at: Option<&Value>) -> String {
    let error = without_position(error);
    if error.starts_with("invalid type: ")
        || error.starts_with("invalid value: ")
        || error.starts_with("unknown variant ")
    {
        // A text of the answer may hold the same words: only what follows the last of them is the decoder's.
        let wanted = error.rsplit_once(", expected ").map_or("something else", |(_, wanted)| wanted);
        return format!("expected {}, found {}", in_our_words(wanted), at.map_or("something else", kind));
    }
    if let Some(key) = error.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        let found = match at {
            Some(Value::Object(fields)) => keys(fields),
            other => other.map_or("none", kind).to_owned(),
        };
        return format!("expected key \"{key}\", found {found}");
    }
    escaped(error, 4 * SHOWN)
}

/// The JSON reader adds where the text was read: ` at line 1 column 5`.
fn without_position(error: &str) -> &str {
    error.rfind(" at line ").and_then(|end| error.get(..end)).unwrap_or(error)
}

/// serde's names of Rust's types, as users of JSON know them.
fn in_our_words(wanted: &str) -> &str {
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

/// Returns a key as it is shown: what does not look like a name may be an echoed secret.
fn shown_key(key: &str) -> String {
    let is_name = key.len() <= 40 && key.chars().all(|c| c.is_alphanumeric() || "_-.:$@".contains(c));
    let digits = key.chars().filter(char::is_ascii_digit).count();
    if is_name && digits < 6 {
        format!("\"{}\"", escaped(key, WORD))
    } else {
        format!("a key of {} characters", key.chars().count())
    }
}

/// The first keys of an object.
pub(super) fn keys(fields: &Map<String, Value>) -> String {
    if fields.is_empty() {
        return "an object without keys".to_owned();
    }
    shown_keys(fields.keys().map(String::as_str))
}

/// Returns the first keys of an object, in quotes, and how many more there are.
pub(crate) fn shown_keys<'a>(keys: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = keys.len().saturating_sub(MOST_KEYS);
    let shown: Vec<String> = keys.take(MOST_KEYS).map(shown_key).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
