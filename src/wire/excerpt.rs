//! The little of a foreign text that may be shown in an error: cut, control characters visible, and nothing that could be a
//! secret. Knows no answer's shape. What looks like a secret is masked, also where it is none: a message loses little by it.

use regex::{Captures, Regex};
use std::sync::LazyLock;

/// Characters of a body that are shown.
pub(super) const SHOWN: usize = 120;
/// Bytes of a text that are looked at: more than can be shown, since masks are shorter than what they hide.
const LOOKED_AT: usize = 4096;
/// What takes the place of a secret.
const MASK: &str = "***";
/// Runs of this length with digits or capitals in them may be tokens; so may be longer ones of letters alone.
const SHORTEST_RUN: usize = 16;
/// Shorter texts are no secrets of ours: hiding them would tear words apart.
const SHORTEST_SECRET: usize = 4;

/// A value after a name such as `client_secret`, in JSON, forms, headers, attributes and elements.
static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let name = r"(?:password|passwd|passphrase|pwd|secret|token|key|authorization|cookie|session|credential)[\w.-]*";
    let separator = r#"["']?\s*(?:=|:|>|%3D)\s*(?:(?:bearer|basic|ps-auth)\s+)?"#;
    let value = r#""[^"]*"?|'[^']*'?|[^\s"'<>&;,}]+"#;
    Regex::new(&format!("(?i)({name}{separator})(?:{value})")).ok()
});

/// Credentials as RFC 9110 §11.4 writes them: a scheme and what follows it.
static SCHEME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?i)\b((?:bearer|basic|ps-auth)\s+)[^\s"'<>,;]+"#).ok());

/// Characters of base64 (both alphabets), hex and JSON Web Tokens.
static RUN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!("[A-Za-z0-9+/_=.~-]{{{SHORTEST_RUN},}}|eyJ[A-Za-z0-9_.-]+")).ok());

/// The first characters of a text. `own`: secrets that this client knows, hidden wherever they are echoed.
pub(super) fn excerpt(text: &str, most: usize, own: &[String]) -> String {
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= LOOKED_AT).last().unwrap_or(0);
    let mut head = if text.len() <= LOOKED_AT { text } else { text.get(..end).unwrap_or_default() };
    if head.len() < text.len() {
        // The last run may have been cut to something too short to be recognized.
        head = head.trim_end_matches(|c: char| c.is_ascii_graphic());
    }
    let mut shown = head.to_owned();
    for secret in own.iter().filter(|secret| secret.len() >= SHORTEST_SECRET) {
        shown = shown.replace(secret.as_str(), MASK);
    }
    escaped(&masked(&shown), most)
}

/// The first characters, those that are invisible or move the cursor as escapes, and an ellipsis where there are more.
pub(super) fn escaped(text: &str, most: usize) -> String {
    let mut out = String::new();
    for character in text.chars().take(most) {
        if is_invisible(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    if text.chars().nth(most).is_some() {
        out.push('…');
    }
    out
}

/// Control characters, and those that have no width or change the direction: a message with them would be read otherwise.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn masked(text: &str) -> String {
    let (Some(named), Some(scheme), Some(run)) = (&*NAMED, &*SCHEME, &*RUN) else {
        // The patterns are constants, and a test compiles them; without them nothing may be shown.
        return MASK.to_owned();
    };
    let text = named.replace_all(text, "${1}***");
    let text = scheme.replace_all(&text, "${1}***");
    let hidden = |found: &Captures<'_>| {
        let run = found.get(0).map_or("", |run| run.as_str());
        if is_like_a_token(run) { MASK.to_owned() } else { run.to_owned() }
    };
    run.replace_all(&text, hidden).into_owned()
}

/// Long words and media types have neither digits nor capitals in them; tokens have.
fn is_like_a_token(run: &str) -> bool {
    let mut letters = run.chars().filter(char::is_ascii_alphabetic).skip(1);
    run.starts_with("eyJ")
        || run.bytes().all(|b| b.is_ascii_hexdigit())
        || (run.len() >= 2 * SHORTEST_RUN && run.bytes().all(|b| b.is_ascii_alphabetic()))
        || run.contains(|c: char| c.is_ascii_digit())
        || (run.contains(|c: char| c.is_ascii_lowercase()) && letters.any(|c| c.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        excerpt(text, SHOWN, &["s3cret".to_owned()])
    }

    #[test]
    fn words_are_shown_as_they_are_and_cut() {
        assert_eq!(shown("Service temporarily unavailable"), "Service temporarily unavailable");
        assert!(shown("send application/x-www-form-urlencoded").ends_with("urlencoded"));
        let long = shown(&"word ".repeat(100));
        assert_eq!((long.chars().count(), long.ends_with('…')), (SHOWN + 1, true));
    }

    #[test]
    fn control_characters_are_visible() {
        assert_eq!(shown("a\0b\r\n\x1b[31mred\u{202e}x"), "a\\u{0}b\\r\\n\\u{1b}[31mred\\u{202e}x");
    }

    #[test]
    fn whatever_looks_like_a_token_is_hidden() {
        for secret in [
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
            "deadbeefdeadbeef0",
            "q83vEjRWeJCrze8SNFZ4kA==",
            "YWJjZGVmZ2hpamtsbW5vcA",
            "eyJ0",
            "s3cret",
        ] {
            let text = shown(&format!("denied for {secret} today"));
            assert_eq!(text, "denied for *** today", "{secret}");
        }
    }

    #[test]
    fn values_after_names_of_secrets_are_hidden() {
        for (text, expected) in [
            ("password=hunter2&x=1", "password=***&x=1"),
            ("client_secret: 'hun ter2' x", "client_secret: *** x"),
            ("{\"access_token\":\"abc\",\"x\":1", "{\"access_token\":***,\"x\":1"),
            ("<password>hunter2</password>", "<password>***</password>"),
            ("Authorization: Bearer abc", "Authorization: Bearer ***"),
            ("sent Basic aWQ6cw and", "sent Basic *** and"),
            ("ApiKey = k", "ApiKey = ***"),
            ("Set-Cookie: sid=abc; path=/", "Set-Cookie: ***; path=/"),
            ("the token is invalid", "the token is invalid"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn a_token_at_the_end_of_what_is_looked_at_is_not_cut_to_a_harmless_length() {
        let text = format!("{} {}", "eyJabcdefgh".repeat(300), "Zz9".repeat(1000));
        assert_eq!(shown(&text), "*** ", "nothing of the second token");
    }
}
