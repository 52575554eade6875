//! One value out of a file or a variable, such as a secret: what editors and shells add is removed, and what is more than the value
//! is refused with the cure. Never shows any of it. Pure.

use regex::Regex;
use std::sync::LazyLock;

#[cfg(test)]
mod tests;

/// The value in these bytes, without a byte order mark and surrounding blanks. Errors continue a sentence that begins with the
/// name of the file or variable.
pub(super) fn read(bytes: &[u8]) -> Result<String, String> {
    let text = text(bytes)?;
    let value = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
    if value.is_empty() {
        return Err("is empty".to_owned());
    }
    let lines = value.lines().count().max(value.split('\r').count());
    if lines > 1 {
        return Err(format!("has {lines} lines; it must hold the value alone, on one line"));
    }
    match more_than_a_value(value) {
        Some(what) => Err(what),
        None => Ok(value.to_owned()),
    }
}

/// Windows' editors and shells may write UTF-16, with or without a mark: half of its bytes are zero in any plain text.
fn text(bytes: &[u8]) -> Result<&str, String> {
    let cure = "save it as UTF-8 (in PowerShell: Set-Content -Encoding utf8)";
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(format!("is UTF-16; {cure}"));
    }
    if bytes.contains(&0) {
        return Err(format!("holds zero bytes, as UTF-16 does; {cure}"));
    }
    std::str::from_utf8(bytes).map_err(|_| format!("is not UTF-8 text; {cure}"))
}

/// A name that nobody would begin a secret with: as a part of a name, since names are `BT_CLIENT_SECRET` and `pra.clientSecret`, too.
const NAMES: &str = "secret|password|passwd|passphrase|pwd|token|api[_.-]?key|key|bearer|client[_.-]?id|credential";

/// `client_secret=abc`, `api-key: abc`. The value of `=` is more than padding: a secret in base64 may end in `=`.
static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(&format!(r"(?i)^(?:[a-z_][a-z0-9_.-]*[_.-])?(?:[a-z]*(?:{NAMES}))\s*(?:=\s*[^\s=]|:\s+\S)")).ok()
});

/// A line of a shell: `export X=abc`, `$env:X = abc`, `MY_VALUE=abc`, `MYVALUE=abc`. In all capitals, since secrets hold `=` as well.
static SHELL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(?:(?:export|set|declare|local)\s+|\$(?:env:)?)[A-Za-z_][A-Za-z0-9_]*\s*=|^[A-Z][A-Z0-9]*_[A-Z0-9_]*=[^=]|^[A-Z]{4,}=[^=]")
        .ok()
});

fn more_than_a_value(value: &str) -> Option<String> {
    let is = |pattern: &LazyLock<Option<Regex>>| pattern.as_ref().is_some_and(|pattern| pattern.is_match(value));
    let quotes = [('"', '"'), ('\'', '\''), ('`', '`'), ('\u{201c}', '\u{201d}'), ('\u{2018}', '\u{2019}')];
    let mut inner = value.chars();
    let ends = (inner.next(), inner.next_back());
    if quotes.iter().any(|(open, close)| ends == (Some(*open), Some(*close))) {
        return Some("has quotes around the value; remove them".to_owned());
    }
    if serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(value).is_ok() {
        return Some("holds a JSON object; write its value alone".to_owned());
    }
    if is(&NAMED) || is(&SHELL) {
        return Some("holds a name and a value; write the value alone, without the name".to_owned());
    }
    let scheme = value.split_once(' ').map(|(scheme, _)| scheme.to_ascii_lowercase());
    if scheme.is_some_and(|scheme| scheme == "bearer" || scheme == "authorization:") {
        return Some("holds a header; write the value alone, without the word Bearer".to_owned());
    }
    None
}
