//! Decides whether the text of a reference may be shown. Somebody may have pasted the secret itself in place of its name.
//!
//! A text that names something that exists may be shown; `reference` checks that. Any other text must have the form of a name here.
//! A false alarm costs a word of a message, which has the line of the file; a miss would write the secret into a log. Pure.

/// Stands for a text that is not shown.
pub(super) const HIDDEN: &str = "(not shown)";

/// Words that names of credentials and of files with secrets contain.
const TYPICAL: [&str; 12] =
    ["auth", "bearer", "cert", "client", "cred", "id", "key", "pass", "pem", "pwd", "secret", "token"];

/// Returns whether a text has the form of an environment variable (POSIX XBD §8.1): words in capitals, such as `BT_SECRET_2`.
pub(super) fn is_variable(text: &str) -> bool {
    let is_word = |word: &str| {
        let letters = word.trim_end_matches(|c: char| c.is_ascii_digit());
        let is_number = letters.is_empty() && !word.is_empty();
        word.len() - letters.len() <= 2
            && (is_number || letters.chars().all(|c| c.is_ascii_uppercase()))
            && word.len() <= 16
    };
    text.len() <= 64 && text.starts_with(|c: char| c.is_ascii_uppercase()) && text.split('_').all(is_word)
}

/// Returns whether a text has the form of the name of a credential: words without digits, one of them typical.
pub(super) fn is_credential(text: &str) -> bool {
    let mut words = text.split(['-', '_', '.', '@']);
    let is_typical = |word: &str| TYPICAL.iter().any(|typical| word.to_ascii_lowercase().contains(typical));
    text.len() <= 64 && words.clone().all(|word| is_word(word) || is_number(word)) && words.any(is_typical)
}

/// Returns whether a text has the form of a path: folders and names of plain words, such as `/etc/bt-rollcall/pra2.key`.
pub(super) fn is_path(text: &str) -> bool {
    let is_plain = |name: &str| {
        let words = name.trim_start_matches(['.', '~', '$']).split(['-', '_', '.', ' ', '@']);
        name.is_empty() || words.into_iter().all(|word| is_word(word.trim_end_matches(|c: char| c.is_ascii_digit())))
    };
    let is_short = text.chars().count() <= 200 && text.split('/').all(|name| name.chars().count() <= 40);
    is_short && if text.contains('/') { text.split('/').all(is_plain) } else { is_credential(text) }
}

/// Returns whether a text has the form of a key: letters in lower case.
pub(super) fn is_key(text: &str) -> bool {
    text.len() <= 16 && text.chars().all(|c| c.is_ascii_lowercase())
}

/// Returns whether a text is letters of one case, perhaps with a capital in front, or empty.
fn is_word(text: &str) -> bool {
    let rest = || text.chars().skip(1);
    text.chars().all(char::is_alphabetic)
        && (rest().all(|c| !c.is_uppercase()) || text.chars().all(|c| !c.is_lowercase()))
}

fn is_number(text: &str) -> bool {
    (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASTED: [&str; 9] = [
        "hunter2",
        "s3cr3t",
        "JBSWY3DPEHPK3PXP",
        "q83vEjRWeJCrze8SNFZ4kA==",
        "/aB3+xYz/9Kq==",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
        "8f14e45f-ceea-467f-a0e6-1d4c7f2b9a33",
        "correct horse",
        "Tr0ub4dor&3",
    ];

    #[test]
    fn pasted_secrets_have_the_form_of_no_name() {
        for secret in PASTED {
            assert!(!is_variable(secret) && !is_credential(secret) && !is_path(secret), "{secret}");
        }
    }

    #[test]
    fn usual_names_may_be_shown() {
        for name in ["BT_ROLLCALL_SECRET", "PRA2_TOKEN", "SECRET", "TOKEN_2"] {
            assert!(is_variable(name), "{name}");
        }
        for name in ["client_secret", "bt-rollcall.pra.key", "Token"] {
            assert!(is_credential(name), "{name}");
        }
        for name in [
            "/etc/bt-rollcall/secret",
            "/run/secrets/pra2_token",
            "secrets/eu",
            "~/.bt/key.pem",
            "/no where/s",
            "secret",
        ] {
            assert!(is_path(name), "{name}");
        }
    }
}
