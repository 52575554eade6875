//! Problems and notes of the configuration: where they are, what they concern, and how they read.
//!
//! A problem reads like an error of a compiler: `config.toml:12:1: [[source]] "safe": unknown key "knd"; did you mean "kind"?`.
//! No problem quotes a line of the file, because the line may contain a secret.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Path of the file, as it was named.
    pub file: PathBuf,
    /// Line and column, both counted from 1 and in characters; `None` for the whole file.
    pub position: Option<(usize, usize)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        self.position.map_or(Ok(()), |(line, column)| write!(f, ":{line}:{column}"))
    }
}

/// A TOML file: its path and its text.
pub(super) struct SourceFile<'a> {
    pub(super) path: &'a Path,
    text: &'a str,
    /// Offsets at which the lines begin.
    lines: Vec<usize>,
    /// Stands for tables that the file does not have.
    pub(super) empty: DeTable<'static>,
}

impl<'a> SourceFile<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(end, _)| end + 1)).collect();
        Self { path, text, lines, empty: DeTable::new() }
    }

    /// Returns where a text begins within a part of the file; `None` where it is written in another way, such as with escapes.
    pub(super) fn find(&self, part: Range<usize>, text: &str) -> Option<usize> {
        self.text.get(part)?.find(text)
    }

    /// Returns the place of a byte offset.
    pub(super) fn place(&self, offset: usize) -> Place {
        let line = self.line(offset);
        let start = self.lines[line - 1];
        let before = self.text.get(start..offset).or_else(|| self.text.get(start..)).unwrap_or_default();
        Place { file: self.path.to_owned(), position: Some((line, before.chars().count() + 1)) }
    }

    /// Returns the line of a byte offset, counted from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        // The first line begins at 0, so that at least one begins at the offset or before it.
        self.lines.partition_point(|start| *start <= offset).max(1)
    }
}

/// Path of a table: `[policy.rules]`, or an item of a list of tables such as `[[source]] "safe"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct TablePath(pub(super) Vec<PathSegment>);

/// One part of a [`TablePath`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PathSegment {
    pub(super) key: String,
    /// Of an item of a list: its position, counted from 1, and its name if it has one.
    pub(super) item: Option<(usize, Option<String>)>,
}

impl TablePath {
    /// Returns the path of a table below this one.
    pub(super) fn below(&self, key: &str, item: Option<(usize, Option<String>)>) -> Self {
        let mut path = self.clone();
        path.0.push(PathSegment { key: key.to_owned(), item });
        path
    }

    /// Returns the keys alone: `policy.service_owners`.
    pub(super) fn keys(&self) -> String {
        self.0.iter().map(|segment| segment.key.as_str()).collect::<Vec<_>>().join(".")
    }

    /// Returns the words for people: `[output]`, `[[source]] "safe"`, `[[exception]] 2`. Empty for the whole file.
    pub(super) fn heading(&self) -> String {
        let keys = self.keys();
        match self.0.last() {
            None => String::new(),
            Some(PathSegment { item: None, .. }) => format!("[{keys}]"),
            Some(PathSegment { item: Some((_, Some(name))), .. }) => format!("[[{keys}]] {name:?}"),
            Some(PathSegment { item: Some((number, None)), .. }) => format!("[[{keys}]] {number}"),
        }
    }

    /// Returns the heading without a name or a number: `[output]`, `[[source]]`. Empty for the whole file.
    pub(super) fn pattern(&self) -> String {
        let keys = self.keys();
        match self.0.last() {
            None => String::new(),
            Some(PathSegment { item: None, .. }) => format!("[{keys}]"),
            Some(_) => format!("[[{keys}]]"),
        }
    }

    /// Returns the path of a key for machines: `source[safe].client_id`.
    pub(super) fn key(&self, key: &str) -> String {
        let segment = |segment: &PathSegment| match &segment.item {
            None => segment.key.clone(),
            Some((_, Some(name))) => format!("{}[{name}]", segment.key),
            Some((number, None)) => format!("{}[{number}]", segment.key),
        };
        let keys = self.0.iter().map(segment).chain((!key.is_empty()).then(|| quoted(key)));
        keys.collect::<Vec<_>>().join(".")
    }
}

/// Returns a key as TOML writes it. The quotes also keep control characters out of the log.
pub(super) fn quoted(key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if plain { key.to_owned() } else { format!("{key:?}") }
}

/// One problem of the configuration, with its cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Where it is; `None` for a flag of the command line.
    pub place: Option<Place>,
    /// Path of the key for machines, such as `source[safe].url`; empty where it concerns the whole file.
    pub key: String,
    /// What it concerns, for people: `[[source]] "safe" url`.
    subject: String,
    /// The unknown key, where that is the problem.
    unknown: Option<String>,
    /// Description of the problem and what to write instead. Does not repeat the key.
    pub text: String,
    /// Lines below the text, such as a piece of the value with a mark under the error. They are no part of the display.
    pub below: Vec<String>,
}

impl ConfigProblem {
    /// Adds lines below the text. Each is shown on a line of its own.
    pub(super) fn with_lines<const N: usize>(self, below: [String; N]) -> Self {
        Self { below: below.into(), ..self }
    }

    /// Returns the text and the lines below it.
    pub fn lines(&self) -> Vec<&str> {
        std::iter::once(&self.text).chain(&self.below).map(String::as_str).collect()
    }

    /// Returns a problem of a whole file.
    pub fn of_file(file: &Path, text: impl Into<String>) -> Self {
        let place = Some(Place { file: file.to_owned(), position: None });
        Self { place, key: String::new(), subject: String::new(), unknown: None, text: text.into(), below: Vec::new() }
    }

    /// Returns a problem that is at no place of a file, for example of a flag.
    pub fn of(subject: impl Into<String>, text: impl Into<String>) -> Self {
        let subject = subject.into();
        Self { place: None, key: subject.clone(), subject, unknown: None, text: text.into(), below: Vec::new() }
    }

    /// Returns a problem at a place that has no key, such as an error of the syntax.
    pub(super) fn at(place: Place, text: impl Into<String>) -> Self {
        Self { place: Some(place), ..Self::of("", text) }
    }

    /// Returns a problem of a key of a table; an empty key stands for the table itself.
    pub(super) fn of_key(place: Place, table: &TablePath, key: &str, text: impl Into<String>) -> Self {
        let heading = table.heading();
        let words = [heading.as_str(), &quoted(key)];
        let words = words.into_iter().filter(|word| !word.is_empty() && *word != "\"\"");
        let subject = words.collect::<Vec<_>>().join(" ");
        Self { place: Some(place), key: table.key(key), subject, unknown: None, text: text.into(), below: Vec::new() }
    }

    /// Returns the problem that a key, or something else of this sort, does not exist. `hint` follows the text.
    pub(super) fn unknown(place: Place, table: &TablePath, sort: &str, key: &str, hint: &str) -> Self {
        let problem = Self::of_key(place, table, "", format!("unknown {sort}{hint}"));
        Self { key: table.key(key), unknown: Some(format!("unknown {sort} {key:?}{hint}")), ..problem }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if !self.subject.is_empty() {
            write!(f, "{}: ", self.subject)?;
        }
        f.write_str(self.unknown.as_ref().unwrap_or(&self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_in_characters_from_one() {
        let file = SourceFile::new(Path::new("c.toml"), "a = \"é\"\nb = 1\n");
        assert_eq!(file.place(0).to_string(), "c.toml:1:1");
        assert_eq!(file.place("a = \"é\"".len()).to_string(), "c.toml:1:8");
        assert_eq!(file.place("a = \"é\"\nb = ".len()).to_string(), "c.toml:2:5");
    }

    #[test]
    fn a_problem_names_place_table_and_key_and_its_text_does_not_repeat_the_key() {
        let place = SourceFile::new(Path::new("c.toml"), "").place(0);
        let table = TablePath::default().below("source", Some((1, Some("safe".to_owned()))));
        let unknown = ConfigProblem::unknown(place.clone(), &table, "key", "knd", "; did you mean \"kind\"?");
        assert_eq!(unknown.to_string(), "c.toml:1:1: [[source]] \"safe\": unknown key \"knd\"; did you mean \"kind\"?");
        assert_eq!(
            (unknown.key.as_str(), unknown.text.as_str()),
            ("source[safe].knd", "unknown key; did you mean \"kind\"?")
        );
        let url = ConfigProblem::of_key(place.clone(), &table, "url", "is missing");
        assert_eq!(url.to_string(), "c.toml:1:1: [[source]] \"safe\" url: is missing");
        let root = ConfigProblem::of_key(place, &TablePath::default(), "state_dir", "is wrong");
        assert_eq!((root.to_string().as_str(), root.key.as_str()), ("c.toml:1:1: state_dir: is wrong", "state_dir"));
    }
}
