//! Characters that act on the text around them: controls, invisible characters and marks of direction.
//!
//! Text from outside (names, error texts, file contents) may contain them. Shown as they are, they could move a cursor,
//! break a log line or make a name read as another one. There are two ways to show them:
//!
//! - [`printable`] writes escapes such as `\u{1b}`, for terminals, logs and error messages;
//! - [`control_picture`] gives the symbol for a control character, for reports and events.
//!
//! [`shell_word`] quotes a text for a command line that a message prints.

use std::borrow::Cow;

/// Returns at most `max_chars` characters of a text, with `…` after them if there are more. Control characters and
/// invisible characters become Rust escapes: `\n`, `\u{202e}`.
pub fn printable(text: &str, max_chars: usize) -> String {
    let mut out = String::new();
    for character in text.chars().take(max_chars) {
        if character.is_control() || is_joiner(character) || reorders_or_hides(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    if text.chars().nth(max_chars).is_some() {
        out.push('…');
    }
    out
}

/// Returns the symbol for a C0 control or DEL (Unicode block "Control Pictures"); `None` for any other character.
pub fn control_picture(character: char) -> Option<char> {
    match character {
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(character)),
        '\u{7f}' => Some('\u{2421}'),
        _ => None,
    }
}

/// Checks whether a character reorders or hides text (Unicode TR 36 §2.5): C1 controls, marks of direction, zero-width
/// characters and tags. The joiners U+200C and U+200D are not included, because whole scripts need them.
pub fn reorders_or_hides(character: char) -> bool {
    matches!(character,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Returns a text as one word of a shell command (POSIX.1 XCU §2.2), quoted where it needs quotes.
pub fn shell_word(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@%_+=:,./-".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', "'\\''")))
}

fn is_joiner(character: char) -> bool {
    matches!(character, '\u{200c}' | '\u{200d}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_and_invisible_characters_become_escapes() {
        assert_eq!(printable("a\0b\r\n\x1b[31mred\u{202e}x", 80), "a\\u{0}b\\r\\n\\u{1b}[31mred\\u{202e}x");
        assert_eq!(printable("\u{200d}\u{ad}\u{feff}\u{85}", 80), "\\u{200d}\\u{ad}\\u{feff}\\u{85}");
        assert_eq!(printable("Zoë \"x\" \\ Zoe\u{308}", 80), "Zoë \"x\" \\ Zoe\u{308}", "letters of any script stay");
    }

    #[test]
    fn a_text_is_cut_only_where_it_is_longer_than_the_limit() {
        assert_eq!(printable("üüü", 3), "üüü");
        assert_eq!(printable("üüüü", 3), "üüü…");
    }

    #[test]
    fn a_shell_word_is_quoted_only_where_it_must_be() {
        assert_eq!(shell_word("/etc/bt-rollcall/config.toml"), "/etc/bt-rollcall/config.toml");
        for (text, quoted) in [("", "''"), ("a b", "'a b'"), ("$(x)", "'$(x)'"), ("it's", "'it'\\''s'")] {
            assert_eq!(shell_word(text), quoted);
        }
    }

    #[test]
    fn only_c0_controls_and_del_have_pictures() {
        assert_eq!(control_picture('\n'), Some('\u{240a}'));
        assert_eq!(control_picture('\u{7f}'), Some('\u{2421}'));
        assert_eq!((control_picture(' '), control_picture('\u{80}')), (None, None));
    }
}
