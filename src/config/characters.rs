//! Finds characters that TOML does not read but that look as if it did: curly quotes, special dashes, blanks without a break.
//!
//! Word processors, chats and web pages put them into text that is copied into a configuration. `syntax` and `similar` call this file.
//! It also decodes the bytes of a file, because an editor may save them in another encoding than UTF-8. Pure.

use super::problem::{ConfigProblem, SourceFile};
use super::single_value;
use std::path::Path;

/// A character that is not what it looks like.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lookalike {
    /// Offset in the text.
    pub(super) offset: usize,
    /// Name of the character and the cure.
    pub(super) text: String,
}

/// Returns what a character is called and what to write instead; `None` for one that is what it looks like.
fn lookalike(c: char) -> Option<(&'static str, &'static str)> {
    Some(match c {
        '\u{201c}'..='\u{201f}' | '\u{ab}' | '\u{bb}' | '\u{2033}' | '\u{ff02}' => {
            ("a typographic quote", "write \" instead")
        }
        '\u{2018}'..='\u{201b}' | '\u{2032}' | '\u{b4}' | '`' => ("a typographic quote", "write \" or ' instead"),
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{ff0d}' => ("a typographic dash", "write - instead"),
        '\u{ff1d}' => ("a wide equals sign", "write = instead"),
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => ("an invisible character", "remove it"),
        '\r' => ("a carriage return without a line feed", "save the file with line ends of Unix or Windows"),
        '\0' => ("a zero byte", "save the file as UTF-8"),
        c if c.is_control() && c != '\t' && c != '\n' => ("a control character", "remove it"),
        c if !c.is_ascii() && c.is_whitespace() => {
            ("a blank of a web page or a word processor", "write a plain blank instead")
        }
        _ => return None,
    })
}

fn described(offset: usize, c: char) -> Option<Lookalike> {
    let (name, cure) = lookalike(c)?;
    let shown =
        if c.is_control() || c.is_whitespace() || cure == "remove it" { String::new() } else { format!("{c} ") };
    Some(Lookalike { offset, text: format!("{shown}(U+{:04X}) is {name}; {cure}", u32::from(c)) })
}

/// Returns the first character of a text that is not what it looks like, such as in a word that must be one of a few.
pub(super) fn in_word(text: &str) -> Option<String> {
    text.char_indices().find_map(|(offset, c)| described(offset, c)).map(|found| found.text)
}

/// Returns the first character of a line of TOML that its notation does not allow. The line has no line end.
///
/// Texts in quotes may contain any character except control characters. A typographic quote does not end them.
pub(super) fn in_line(line: &str) -> Option<Lookalike> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    let mut open: Option<char> = None;
    let (mut is_escaped, mut quote_within) = (false, None);
    for (offset, c) in line.char_indices() {
        if c.is_control() && c != '\t' {
            return described(offset, c);
        }
        match open {
            Some('"') if is_escaped => is_escaped = false,
            Some('"') if c == '\\' => is_escaped = true,
            Some(quote) if c == quote => open = None,
            Some(_) => {
                quote_within = described(offset, c).filter(|found| found.text.contains("quote")).or(quote_within);
            }
            None if c == '#' => return None,
            None if c == '"' || c == '\'' => open = Some(c),
            None => {
                if let Some(found) = described(offset, c) {
                    return Some(found);
                }
            }
        }
    }
    open.and(quote_within)
}

/// Decodes the bytes of a TOML file, or returns the one problem.
pub(super) fn decoded(path: &Path, bytes: Vec<u8>) -> Result<String, Vec<ConfigProblem>> {
    if let Some(why) = single_value::utf16(&bytes) {
        return Err(vec![ConfigProblem::of_file(path, why)]);
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let bytes = error.into_bytes();
        let before = String::from_utf8_lossy(&bytes[..valid]).into_owned();
        let byte = bytes.get(valid).copied().unwrap_or_default();
        let why = format!(
            "the byte {byte:02X} is not UTF-8; save the file in the encoding UTF-8, not in one of Windows or ISO 8859"
        );
        vec![ConfigProblem::at(SourceFile::new(path, &before).place(valid), why)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn character_that_toml_does_not_read_is_named_with_the_cure() {
        for (line, offset, text) in [
            ("kind = \u{201c}pra\u{201d}", 7, "\u{201c} (U+201C) is a typographic quote; write \" instead"),
            (
                "kind\u{a0}= \"pra\"",
                4,
                "(U+00A0) is a blank of a web page or a word processor; write a plain blank instead",
            ),
            ("page\u{2011}size = 1", 4, "(U+2011) is a typographic dash; write - instead"),
            ("\u{feff}a = 1", 0, "(U+FEFF) is an invisible character; remove it"),
            ("a = 1\rb = 2", 5, "(U+000D) is a carriage return without a line feed"),
            ("a = \"x\u{201d}", 6, "\u{201d} (U+201D) is a typographic quote; write \" instead"),
            ("a = `x`", 4, "` (U+0060) is a typographic quote"),
        ] {
            let found = in_line(line).unwrap();
            assert!(found.offset == offset && found.text.contains(text), "{line}: {found:?}");
        }
    }

    #[test]
    fn texts_and_comments_may_contain_these_characters() {
        for line in [
            "a = \"\u{201c}x\u{201d} \u{2013}\"",
            "a = 1 # \u{201c}x\u{a0}",
            "a = 'it\u{2019}s'",
            "a\t= \"b\\\" \u{2019}\"\r",
        ] {
            assert_eq!(in_line(line), None, "{line}");
        }
    }

    #[test]
    fn file_in_another_encoding_is_reported_with_its_place_or_the_encoding() {
        let shown = |bytes: &[u8]| decoded(Path::new("c.toml"), bytes.to_vec()).unwrap_err()[0].to_string();
        assert!(shown(b"a = 1\nb = \"a\xe9\"\n").starts_with("c.toml:2:7: the byte E9 is not UTF-8; save"));
        assert!(shown(b"\xff\xfea\0").starts_with("c.toml: is UTF-16; save it as UTF-8"), "{}", shown(b"\xff\xfea\0"));
        assert!(shown(b"a\0=\0").contains("contains zero bytes, like UTF-16"));
        assert_eq!(decoded(Path::new("c.toml"), "é".into()).unwrap(), "é");
    }
}
