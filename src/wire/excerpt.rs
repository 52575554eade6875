//! Excerpts of server texts for error messages: shortened, with control characters escaped and secrets masked.
//!
//! Everything that looks like a secret is masked. A false match costs a word of a message; a miss would leak a
//! credential. Nothing here knows the structure of a response.

use crate::escape::printable;
use regex::{Captures, Regex};
use std::sync::LazyLock;

/// Maximum length of an excerpt of a body, in characters.
pub(super) const MAX_EXCERPT: usize = 120;
/// Length of the text that is searched for secrets, in bytes. A mask is shorter than the secret, so this is more than
/// [`MAX_EXCERPT`].
const MAX_SEARCHED: usize = 4096;
/// Text in place of a secret.
const MASK: &str = "***";
/// Minimum length of a run of characters that may be a token.
const MIN_RUN: usize = 16;
/// Minimum length of our own secrets that are masked. Masking shorter ones would destroy ordinary words.
const MIN_SECRET: usize = 4;

/// Pattern of a value after a name such as `client_secret`, in JSON, forms, headers, attributes and elements.
static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let name = r"(?:password|passwd|passphrase|pwd|secret|token|key|authorization|cookie|session|credential)[\w.-]*";
    let separator = r#"["']?\s*(?:=|:|>|%3D)\s*(?:(?:bearer|basic|ps-auth)\s+)?"#;
    let value = r#""[^"]*"?|'[^']*'?|[^\s"'<>&;,}]+"#;
    Regex::new(&format!("(?i)({name}{separator})(?:{value})")).ok()
});

/// Pattern of credentials in the form of RFC 9110 §11.4: a scheme and its value.
static SCHEME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?i)\b((?:bearer|basic|ps-auth)\s+)[^\s"'<>,;]+"#).ok());

/// Pattern of a run of the characters of base64 (both alphabets), hexadecimal and JSON Web Tokens.
static RUN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!("[A-Za-z0-9+/_=.~-]{{{MIN_RUN},}}|eyJ[A-Za-z0-9_.-]+")).ok());

/// Returns the first `max_chars` characters of a text for a message. `secrets` are our own, which a server may echo.
pub(crate) fn excerpt(text: &str, max_chars: usize, secrets: &[String]) -> String {
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= MAX_SEARCHED).last().unwrap_or(0);
    let mut head = if text.len() <= MAX_SEARCHED { text } else { text.get(..end).unwrap_or_default() };
    if head.len() < text.len() {
        // The cut may have left only the start of a token, too short to be recognised, so the last run is dropped.
        head = head.trim_end_matches(|c: char| c.is_ascii_graphic());
    }
    printable(&masked(&without_secrets(head.to_owned(), secrets)), max_chars)
}

/// Masks our own secrets in a text, for texts that contain nothing else of a server but names.
pub(super) fn without_secrets(text: String, secrets: &[String]) -> String {
    let long = secrets.iter().filter(|secret| secret.len() >= MIN_SECRET);
    long.fold(text, |text, secret| text.replace(secret.as_str(), MASK))
}

fn masked(text: &str) -> String {
    let (Some(named), Some(scheme), Some(run)) = (&*NAMED, &*SCHEME, &*RUN) else {
        // The patterns are constants that a test compiles. If one fails all the same, nothing may be shown.
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

/// Checks whether a run of characters is likely a token. Long words and media types contain neither digits nor a
/// mixture of cases; tokens do.
fn is_like_a_token(run: &str) -> bool {
    let mut letters = run.chars().filter(char::is_ascii_alphabetic).skip(1);
    run.starts_with("eyJ")
        || run.bytes().all(|b| b.is_ascii_hexdigit())
        || (run.len() >= 2 * MIN_RUN && run.bytes().all(|b| b.is_ascii_alphabetic()))
        || run.contains(|c: char| c.is_ascii_digit())
        || (run.contains(|c: char| c.is_ascii_lowercase()) && letters.any(|c| c.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        excerpt(text, MAX_EXCERPT, &["s3cret".to_owned()])
    }

    #[test]
    fn words_are_kept_and_long_texts_are_shortened() {
        assert_eq!(shown("Service temporarily unavailable"), "Service temporarily unavailable");
        assert!(shown("send application/x-www-form-urlencoded").ends_with("urlencoded"));
        let long = shown(&"word ".repeat(100));
        assert_eq!((long.chars().count(), long.ends_with('…')), (MAX_EXCERPT + 1, true));
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(shown("a\0b\r\n\x1b[31mred\u{202e}x"), "a\\u{0}b\\r\\n\\u{1b}[31mred\\u{202e}x");
    }

    #[test]
    fn everything_that_looks_like_a_token_is_masked() {
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
    fn values_after_names_of_secrets_are_masked() {
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
    fn a_token_that_the_search_limit_cuts_is_dropped_as_a_whole() {
        let text = format!("{} {}", "eyJabcdefgh".repeat(300), "Zz9".repeat(1000));
        assert_eq!(shown(&text), "*** ", "nothing of the second token");
    }
}
