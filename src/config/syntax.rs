//! Parses TOML and describes errors of its syntax in words, each with its place and the cure.
//!
//! No description quotes the text of a line, because it may contain a secret. Only the name of a key is quoted.

use super::characters;
use super::problem::{ConfigProblem, SourceFile};
use toml::Spanned;
use toml::de::{DeTable, Error};

/// Words of the TOML parser at the start of its messages, and what to write instead.
const CURES: [(&[&str], &str); 10] = [
    (&["key with no value"], "a key needs a value; write key = value"),
    (&["string values must be quoted"], "the value is missing, or is a text without quotes; write key = \"text\""),
    (
        &["invalid basic string", "invalid literal string"],
        "the text has no closing quote on its line; write key = \"text\"",
    ),
    (&["unclosed table", "unclosed array table"], "the heading is not closed; write [table] or [[table]]"),
    (&["unclosed inline table"], "the brace is not closed; write key = { file = \"/path\" } on one line"),
    (
        &["unclosed array", "missing comma between array elements", "unexpected `=` in array", "extra comma in array"],
        "the list is not closed or lacks a comma; write key = [\"a\", \"b\"]",
    ),
    (
        &["invalid unquoted key", "unquoted keys cannot be empty"],
        "not a key; write letters, digits, - and _, or put the key in quotes",
    ),
    (&["unexpected key or value"], "something follows the value; write one key = value on each line"),
    (
        &["missing escaped value", "too few unicode value digits", "invalid escape"],
        "\\ has a meaning of its own in a text with \"; write such a text with ' instead: 'DOMAIN\\user'",
    ),
    (&["invalid boolean"], "must be true or false, in lower case"),
];

/// Tables of which a file may have several.
const LISTS: [&str; 7] = ["source", "syslog", "http", "exception", "custom_rules", "service_owners", "group_owners"];

/// Parses a file. Returns one problem for each line with an error.
pub(super) fn parse<'a>(file: &SourceFile<'_>, text: &'a str) -> Result<Spanned<DeTable<'a>>, Vec<ConfigProblem>> {
    let (table, mut errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(table);
    }
    errors.sort_by_key(start);
    let mut problems: Vec<ConfigProblem> = errors.iter().map(|error| problem(file, text, error)).collect();
    // Errors that follow the first one of a line are mostly its consequences.
    problems.dedup_by_key(|problem| problem.place.as_ref().and_then(|place| place.position).map(|(line, _)| line));
    Err(problems)
}

/// Describes an error. A character that looks like another one is its most probable cause.
fn problem(file: &SourceFile<'_>, text: &str, error: &Error) -> ConfigProblem {
    let start = start(error);
    let begin = text.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
    let line = text.get(begin..).unwrap_or_default().split('\n').next().unwrap_or_default();
    match characters::in_line(line) {
        Some(found) => ConfigProblem::at(file.place(begin + found.offset), format!("invalid TOML: {}", found.text)),
        None => ConfigProblem::at(file.place(start), in_words(text, error)),
    }
}

fn start(error: &Error) -> usize {
    error.span().map_or(0, |span| span.start)
}

fn in_words(text: &str, error: &Error) -> String {
    let message = error.message();
    if message.starts_with("duplicate key") {
        let key = error.span().and_then(|span| text.get(span)).unwrap_or_default();
        let is_list = LISTS.iter().any(|list| key.trim_matches(['[', ']', ' ']).rsplit('.').next() == Some(*list));
        let cure =
            if is_list { format!("write [[{key}]] for each of them") } else { "remove one of the two".to_owned() };
        return format!("invalid TOML: {key} is written twice; {cure}");
    }
    if let Some(cure) = unquoted(text, start(error)) {
        return format!("invalid TOML: {cure}");
    }
    let cure = CURES.iter().find(|(starts, _)| starts.iter().any(|start| message.starts_with(start)));
    format!(
        "invalid TOML: {}",
        cure.map_or("this place cannot be read; https://toml.io describes the notation", |(_, cure)| cure)
    )
}

/// Returns the cure of a value without quotes that is no value of TOML: a day in another notation, a number with a unit, a word.
fn unquoted(text: &str, start: usize) -> Option<String> {
    let begin = text.get(..start)?.rfind('\n').map_or(0, |end| end + 1);
    let line = text.get(begin..)?.lines().next()?;
    let (key, value) = line.split_once('=')?;
    let value = value.split('#').next()?.trim();
    let first = value.chars().next()?;
    let number = value.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%' || c == ' ');
    let is_number = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '_');
    if first.is_ascii_digit() && value.contains(['-', '/', '.']) && !is_number {
        let key = key.trim();
        return Some(format!(
            "not a day of the calendar; write year, month and day without quotes, with two digits for month and day, such as {key} = 2027-03-31"
        ));
    }
    if is_number && number != value {
        return Some(format!("a number has no unit; write {number} in the unit that the key names"));
    }
    let is_boolean = ["true", "false"].iter().any(|word| value.eq_ignore_ascii_case(word));
    let is_word = first.is_ascii_alphabetic() && !value.contains(['"', '\'']);
    (is_word && !is_boolean).then(|| "the value is a text without quotes; write key = \"text\"".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn problems(text: &str) -> String {
        let found = parse(&SourceFile::new(Path::new("c.toml"), text), text).unwrap_err();
        found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_error_of_the_syntax_has_its_place_and_a_cure() {
        for (text, place, cure) in [
            ("kind = pra\n", ":1:8: ", "key = \"text\""),
            ("a = 1\nb = \"x\nc = 2\n", ":2:7: ", "closing quote"),
            ("[source\nname = 1\n", ":1:8: ", "[table] or [[table]]"),
            ("a = { file = \"x\"\n", ":1:17: ", "the brace is not closed"),
            ("a = [\"x\" \"y\"]\n", ":1:10: ", "lacks a comma"),
            ("a: 3\n", ":1:2: ", "not a key"),
            ("a = 10,\n", ":1:7: ", "one key = value on each line"),
            ("a = \"DOMAIN\\user\"\n", ":1:", "'DOMAIN\\user'"),
            ("a = True\n", ":1:5: ", "in lower case"),
            ("a = tomorrow\n", ":1:5: ", "a text without quotes"),
            ("until = 2027-02-30\n", ":1:9: ", "such as until = 2027-03-31"),
            ("until = 31.12.2027\n", ":1:", "not a day of the calendar"),
            ("until = 2027/3/1\n", ":1:9: ", "two digits for month and day"),
            ("days = 90d\n", ":1:8: ", "a number has no unit; write 90"),
            ("days = 90 days\n", ":1:", "write 90 in the unit"),
            ("a = 20%\n", ":1:", "write 20 in the unit"),
            ("a = \u{201c}x\u{201d}\n", ":1:5: ", "(U+201C) is a typographic quote"),
            ("a = 01\n", ":1:5: ", "https://toml.io"),
            ("kind = 1\nkind = 2\n", ":2:1: ", "kind is written twice; remove one of the two"),
            ("[output]\n[output]\n", ":2:2: ", "output is written twice; remove one of the two"),
            ("[source]\n[source]\n", ":2:2: ", "source is written twice; write [[source]] for each"),
        ] {
            let shown = problems(text);
            assert!(shown.starts_with(&format!("c.toml{place}")) && shown.contains(cure), "{text}: {shown}");
        }
    }

    #[test]
    fn all_lines_with_an_error_are_reported_each_once() {
        let shown = problems("a = x\nb = 1\nc = y z\n\u{201c}d\u{201d} = 1\n");
        assert_eq!(shown.lines().count(), 3, "{shown}");
    }
}
