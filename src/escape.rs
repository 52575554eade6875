//! Characters that act on the text around them: controls, invisible characters and marks of direction.
//!
//! Text from outside (names, error texts, file contents) may contain them. Shown as they are, they could move a cursor,
//! forge a line or make a name read as another one. Every output has a border at which they become visible:
//!
//! - [`visible`] writes escapes such as `\u{1b}`. The log, the progress bar and [`Lines`] apply it to every value, and
//!   stdout takes text for people as [`Lines`] only. So no caller has to think of it;
//! - [`printable`] does the same for a part of a longer text, and shortens it;
//! - [`json`] writes the escapes of JSON, [`toml()`] those of TOML;
//! - [`control_picture`] gives the symbol for a control character, for reports and events;
//! - [`shell_word`] quotes a text for a command line that a message prints.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::{self, Display, Write as _};

/// Returns a text in which every character is visible: others become Rust escapes, such as `\n` and `\u{202e}`.
///
/// The result is one line. A backslash stays as it is, so a text that is visible already does not change.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if acts(character) { out.extend(character.escape_default()) } else { out.push(character) }
    }
    Cow::Owned(out)
}

/// Returns at most `max_chars` characters of a text as [`visible`] shows them, with `…` after them if there are more.
pub fn printable(text: &str, max_chars: usize) -> String {
    let end = text.char_indices().nth(max_chars).map(|(at, _)| at);
    let mut out = visible(&text[..end.unwrap_or(text.len())]).into_owned();
    if end.is_some() {
        out.push('…');
    }
    out
}

/// Returns JSON in which every character is visible. Line breaks between values stay.
///
/// Only texts can contain such characters, so the escapes are always inside a JSON string (RFC 8259 §7).
pub fn json(text: &str) -> Cow<'_, str> {
    let is_unsafe = |character: char| acts(character) && character != '\n';
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    // A character has at most two UTF-16 units.
    let mut units = [0; 2];
    for character in text.chars() {
        if is_unsafe(character) {
            for unit in character.encode_utf16(&mut units) {
                // Writing into a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// Returns a text as a basic string of TOML on one line, with every character visible.
pub fn toml(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        // Writing into a String cannot fail.
        let _ = match character {
            '"' | '\\' => write!(out, "\\{character}"),
            _ if acts(character) && character <= '\u{ffff}' => write!(out, "\\u{:04x}", u32::from(character)),
            _ if acts(character) => write!(out, "\\U{:08x}", u32::from(character)),
            _ => out.write_char(character),
        };
    }
    out + "\""
}

/// Text for people: lines in which every character is visible. A value cannot end its line or begin another one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines(String);

impl Lines {
    /// Adds a line.
    pub fn line(&mut self, line: impl Display) {
        self.0.push_str(&visible(&line.to_string()));
        self.0.push('\n');
    }

    /// Adds the lines of another text.
    pub fn append(&mut self, other: &Self) {
        self.0.push_str(&other.0);
    }

    /// Returns the whole text. Each line ends with a line break.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns the symbol for a C0 control or DEL (Unicode block "Control Pictures"); `None` for any other character.
pub fn control_picture(character: char) -> Option<char> {
    match character {
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(character)),
        '\u{7f}' => Some('\u{2421}'),
        _ => None,
    }
}

/// Checks whether a character reorders or hides text (Unicode TR 36 §2.5): C1 controls, marks of direction, characters
/// without a width, fillers and tags. Joiners and variation selectors are not included, because whole scripts need them.
pub fn reorders_or_hides(character: char) -> bool {
    matches!(character,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
        | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{e0fff}')
}

/// Checks whether a character acts on the text around it, or is invisible on a terminal.
fn acts(character: char) -> bool {
    character.is_control() || reorders_or_hides(character) || shapes_neighbours(character)
}

/// Checks for joiners and variation selectors, which have no width of their own.
fn shapes_neighbours(character: char) -> bool {
    matches!(character,
        '\u{200c}' | '\u{200d}' | '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Returns a text or a path as one word of a shell command (POSIX.1-2024 XCU §2.2), quoted where it needs quotes.
///
/// Characters that are not visible, and bytes that are not UTF-8, become octal escapes of `$'…'`. The command can then be
/// copied from a terminal and still names the same file.
pub fn shell_word(text: &(impl AsRef<OsStr> + ?Sized)) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@%_+=:,./-".contains(c);
    match text.as_ref().to_str() {
        Some(text) if !text.is_empty() && text.chars().all(is_plain) => text.to_owned(),
        Some(text) if !text.contains(acts) => format!("'{}'", text.replace('\'', "'\\''")),
        _ => escaped_word(text.as_ref().as_encoded_bytes()),
    }
}

/// Returns bytes as a dollar-single-quoted word (POSIX.1-2024 XCU §2.2.4).
fn escaped_word(bytes: &[u8]) -> String {
    let mut out = String::from("$'");
    let octal = |out: &mut String, bytes: &[u8]| {
        for byte in bytes {
            // Three digits, so that a digit that follows is no part of the escape. Writing into a String cannot fail.
            let _ = write!(out, "\\{byte:03o}");
        }
    };
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\'' | '\\' => out.extend(['\\', character]),
                _ if acts(character) => octal(&mut out, character.encode_utf8(&mut [0; 4]).as_bytes()),
                _ => out.push(character),
            }
        }
        octal(&mut out, chunk.invalid());
    }
    out + "'"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;
    use std::process::Command;

    #[test]
    fn controls_and_invisible_characters_become_escapes() {
        assert_eq!(printable("a\0b\r\n\x1b[31mred\u{202e}x", 80), "a\\u{0}b\\r\\n\\u{1b}[31mred\\u{202e}x");
        assert_eq!(printable("\u{200d}\u{ad}\u{feff}\u{85}", 80), "\\u{200d}\\u{ad}\\u{feff}\\u{85}");
        assert_eq!(printable("\u{e0041}\u{2028}\u{fe0f}\u{3164}", 80), "\\u{e0041}\\u{2028}\\u{fe0f}\\u{3164}");
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
    fn a_shell_word_with_invisible_characters_is_visible_and_names_the_same_bytes() {
        for (text, quoted) in [
            ("a\nb", r"$'a\012b'"),
            ("\x1b7", r"$'\0337'"),
            ("it's\t\\", r"$'it\'s\011\\'"),
            ("x\u{202e}", r"$'x\342\200\256'"),
        ] {
            assert_eq!(shell_word(text), quoted);
            let printed = Command::new("bash").args(["-c", &format!("printf %s {quoted}")]).output().unwrap();
            assert_eq!(printed.stdout, text.as_bytes(), "{quoted}");
        }
        assert_eq!(shell_word(OsStr::from_bytes(b"/x\xff")), r"$'/x\377'");
    }

    #[test]
    fn a_value_cannot_end_its_line_or_begin_another_one() {
        let mut lines = Lines::default();
        for end in ["\n", "\r", "\u{85}", "\u{2028}", "\u{2029}", "\x0b", "\x0c"] {
            lines.line(format!("name {end}forged"));
        }
        let text = lines.to_string();
        assert_eq!(text.lines().count(), 7);
        assert!(
            text.lines().all(|line| line.starts_with("name \\")) && !text.chars().any(|c| c != '\n' && acts(c)),
            "{text}"
        );
    }

    #[test]
    fn json_and_toml_keep_the_value_and_hide_nothing() {
        let value = "a\u{9b}b\u{202e}\u{e0041}\n\u{7f}\"\\";
        let raw = serde_json::to_string_pretty(&[value]).unwrap();
        let shown = json(&raw);
        assert!(!shown.chars().any(|c| c != '\n' && acts(c)), "{shown}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&shown).unwrap(), [value]);
        let written = format!("a = {}", toml(value));
        assert!(!written.contains(acts), "{written}");
        assert_eq!(::toml::from_str::<::toml::Table>(&written).unwrap()["a"].as_str(), Some(value));
    }

    #[test]
    fn only_c0_controls_and_del_have_pictures() {
        assert_eq!(control_picture('\n'), Some('\u{240a}'));
        assert_eq!(control_picture('\u{7f}'), Some('\u{2421}'));
        assert_eq!((control_picture(' '), control_picture('\u{80}')), (None, None));
    }
}
