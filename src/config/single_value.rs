//! Extracts one value, such as a secret, from the bytes of a file or an environment variable.
//!
//! `reference` calls [`read`]. Byte order marks and blanks that editors and shells add are removed. Anything else besides the value,
//! such as its name or quotes, is an error with the cure. No error contains any part of the value. Pure: no disk, no environment.

use regex::Regex;
use std::sync::LazyLock;

#[cfg(test)]
mod tests;

/// Returns the value in these bytes, without a byte order mark and surrounding blanks.
///
/// The text of an error continues a sentence that begins with the name of the file or variable.
pub(super) fn read(bytes: &[u8]) -> Result<String, String> {
    let text = text(bytes)?;
    let value = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
    if value.is_empty() {
        return Err("is empty; write the value into it".to_owned());
    }
    let lines = value.lines().count().max(value.split('\r').count());
    if lines > 1 {
        return Err(format!("has {lines} lines; write only the value, on one line"));
    }
    match not_only_the_value(value) {
        Some(why) => Err(why),
        None => Ok(value.to_owned()),
    }
}

/// Decodes UTF-8.
///
/// Editors and shells of Windows may write UTF-16, with or without a byte order mark. Half of the bytes of a plain text are then zero.
fn text(bytes: &[u8]) -> Result<&str, String> {
    match utf16(bytes) {
        Some(why) => Err(why),
        None => std::str::from_utf8(bytes).map_err(|_| format!("is not UTF-8 text; {AS_UTF8}")),
    }
}

const AS_UTF8: &str = "save it as UTF-8 (in PowerShell: Set-Content -Encoding utf8)";

/// Returns that a file is UTF-16, with the cure.
pub(super) fn utf16(bytes: &[u8]) -> Option<String> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Some(format!("is UTF-16; {AS_UTF8}"));
    }
    bytes.contains(&0).then(|| format!("contains zero bytes, like UTF-16; {AS_UTF8}"))
}

/// Names of secrets. Matched as parts of longer names, such as `BT_CLIENT_SECRET` and `pra.clientSecret`.
const NAMES: &str = "secret|password|passwd|passphrase|pwd|token|api[_.-]?key|key|bearer|client[_.-]?id|credential";

/// Matches `client_secret=abc` and `api-key: abc`.
///
/// Something other than `=` must follow the `=`: a secret in base64 may end with padding.
static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(&format!(r"(?i)^(?:[a-z_][a-z0-9_.-]*[_.-])?(?:[a-z]*(?:{NAMES}))\s*(?:=\s*[^\s=]|:\s+\S)")).ok()
});

/// Matches a line of a shell: `export X=abc`, `$env:X = abc`, `MY_VALUE=abc`, `MYVALUE=abc`.
///
/// A name without a keyword must be in capitals, because a secret may contain `=` as well.
static SHELL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(?:(?:export|set|declare|local)\s+|\$(?:env:)?)[A-Za-z_][A-Za-z0-9_]*\s*=|^[A-Z][A-Z0-9]*_[A-Z0-9_]*=[^=]|^[A-Z]{4,}=[^=]")
        .ok()
});

/// Returns why a text is not the value alone, with the cure.
fn not_only_the_value(value: &str) -> Option<String> {
    let is = |pattern: &LazyLock<Option<Regex>>| pattern.as_ref().is_some_and(|pattern| pattern.is_match(value));
    let quotes = [('"', '"'), ('\'', '\''), ('`', '`'), ('\u{201c}', '\u{201d}'), ('\u{2018}', '\u{2019}')];
    let mut inner = value.chars();
    let ends = (inner.next(), inner.next_back());
    if quotes.iter().any(|(open, close)| ends == (Some(*open), Some(*close))) {
        return Some("has quotes around the value; remove them".to_owned());
    }
    if serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(value).is_ok() {
        return Some("contains a JSON object; write only the value".to_owned());
    }
    if is(&NAMED) || is(&SHELL) {
        return Some("contains a name and a value; write only the value, without the name".to_owned());
    }
    let scheme = value.split_once(' ').map(|(scheme, _)| scheme.to_ascii_lowercase());
    if scheme.is_some_and(|scheme| scheme == "bearer" || scheme == "authorization:") {
        return Some("contains an HTTP header; write only the value, without the word Bearer".to_owned());
    }
    None
}
