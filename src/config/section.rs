//! Reads one TOML table key by key and collects its problems, each with its key path.
//!
//! Every other file of `config` reads its table through a [`Section`]. This file knows no key by name. The one idea: each getter
//! records the key that it was called with, so [`Section::reject_unknown_keys`] can report all other keys as unknown.

use chrono::NaiveDate;
use std::cell::RefCell;
use std::fmt;
use std::ops::RangeInclusive;
use toml::{Table, Value};

/// One problem of the configuration, with its cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Key path such as `source[0].url`; empty where the problem concerns the whole file.
    pub key: String,
    /// Description of the problem and what to write instead.
    pub text: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() { f.write_str(&self.text) } else { write!(f, "{}: {}", self.key, self.text) }
    }
}

/// Problems found so far, and notes about values that were corrected.
///
/// The cells let all sections share one collector while each section reads its own table.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: RefCell<Vec<ConfigProblem>>,
    notes: RefCell<Vec<ConfigProblem>>,
    /// Path of each table that was read, and a key that it may have. A test compares them with the documentation.
    #[cfg(test)]
    pub(super) keys: RefCell<std::collections::BTreeSet<(String, &'static str)>>,
}

impl Problems {
    pub(super) fn add(&self, key: impl Into<String>, text: impl Into<String>) {
        self.found.borrow_mut().push(ConfigProblem { key: key.into(), text: text.into() });
    }

    pub(super) fn notes(&self) -> Vec<String> {
        self.notes.borrow().iter().map(ToString::to_string).collect()
    }

    pub(super) fn into_vec(self) -> Vec<ConfigProblem> {
        self.found.into_inner()
    }
}

/// One table of the configuration with its key path.
///
/// Read all keys first, then call [`Section::reject_unknown_keys`].
pub(super) struct Section<'a> {
    path: String,
    table: &'a Table,
    problems: &'a Problems,
    known_keys: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    pub(super) fn new(path: impl Into<String>, table: &'a Table, problems: &'a Problems) -> Self {
        Self { path: path.into(), table, problems, known_keys: RefCell::default() }
    }

    pub(super) fn problems(&self) -> &'a Problems {
        self.problems
    }

    /// Returns the full path of a key, for example `policy.rules.no-mfa`.
    pub(super) fn path_of(&self, key: &str) -> String {
        let key = if key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
            key.to_owned()
        } else {
            // TOML quotes such keys as well; the quotes also keep control characters out of the log.
            format!("{key:?}")
        };
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    /// Adds a problem of one key.
    pub(super) fn problem(&self, key: &str, text: impl Into<String>) {
        self.problems.add(self.path_of(key), text);
    }

    /// Adds a note about a value that was corrected.
    pub(super) fn note(&self, key: &str, text: impl Into<String>) {
        self.problems.notes.borrow_mut().push(ConfigProblem { key: self.path_of(key), text: text.into() });
    }

    /// Returns the raw value. Every getter calls this, so that the key counts as known.
    pub(super) fn value(&self, key: &'static str) -> Option<&'a Value> {
        self.known_keys.borrow_mut().push(key);
        self.table.get(key)
    }

    fn typed<T>(&self, key: &'static str, wanted: &str, read: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.value(key)?;
        let read = read(value);
        if read.is_none() {
            self.problem(key, format!("must be {wanted}, not {}", kind_of(value)));
        }
        read
    }

    /// Reads a text that is not empty.
    pub(super) fn text(&self, key: &'static str) -> Option<&'a str> {
        let text = self.typed(key, "a text", Value::as_str)?;
        if text.is_empty() {
            self.problem(key, "must not be empty");
            return None;
        }
        Some(text)
    }

    /// Reads a text that is not empty; its absence is a problem. `example` is a TOML value for the message.
    pub(super) fn required(&self, key: &'static str, example: &str) -> Option<&'a str> {
        if !self.table.contains_key(key) {
            self.known_keys.borrow_mut().push(key);
            self.problem(key, format!("is missing; write for example {key} = {example}"));
            return None;
        }
        self.text(key)
    }

    /// Reads a day (TOML local date); its absence is a problem.
    pub(super) fn required_date(&self, key: &'static str) -> Option<NaiveDate> {
        let cure = format!("write a day without quotes and without a time, for example {key} = 2027-03-31");
        let Some(value) = self.value(key) else {
            self.problem(key, format!("is missing; {cure}"));
            return None;
        };
        let date = value.as_datetime().filter(|written| written.time.is_none() && written.offset.is_none());
        let date = date
            .and_then(|written| written.date)
            .and_then(|day| NaiveDate::from_ymd_opt(i32::from(day.year), u32::from(day.month), u32::from(day.day)));
        if date.is_none() {
            self.problem(key, format!("must be a day; {cure}"));
        }
        date
    }

    /// Reads a whole number within limits. Returns the default where it is absent or invalid.
    pub(super) fn number(&self, key: &'static str, allowed: RangeInclusive<u32>, default: u32) -> u32 {
        self.optional_number(key, allowed).unwrap_or(default)
    }

    /// Reads a whole number within limits.
    pub(super) fn optional_number(&self, key: &'static str, allowed: RangeInclusive<u32>) -> Option<u32> {
        let (low, high) = (*allowed.start(), *allowed.end());
        let number = self.typed(key, &format!("a whole number from {low} to {high}"), Value::as_integer)?;
        let fits = u32::try_from(number).ok().filter(|n| allowed.contains(n));
        if fits.is_none() {
            self.problem(key, format!("must be from {low} to {high}, not {number}"));
        }
        fits
    }

    /// Checks whether the key is present. Does not make it a known key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Reads the path of a URL. Returns it with a slash at its beginning and none at its end.
    pub(super) fn path_of_url(&self, key: &'static str) -> Option<String> {
        let text = self.text(key)?;
        let plain = text.starts_with('/') && !text.contains(['?', '#', ' ']);
        if !plain {
            self.problem(key, "must be a path such as \"/scim/v2\"");
            return None;
        }
        Some(text.trim_end_matches('/').to_owned())
    }

    /// Reports a key that only other kinds of source have. Does nothing where the key was read already.
    pub(super) fn only_for(&self, key: &'static str, kinds: &str, kind: &str) {
        if self.has(key) && !self.known_keys.borrow().contains(&key) {
            self.known_keys.borrow_mut().push(key);
            self.problem(key, format!("is a key of kind = {kinds}, not of {kind}; remove it"));
        }
    }

    /// Reads a number above 0, with or without a fraction. Returns the default where it is absent or invalid.
    pub(super) fn rate(&self, key: &'static str, most: f64, default: f64) -> f64 {
        // Through i32: every value of it is exact as f64.
        let number = |value: &Value| {
            value.as_float().or_else(|| value.as_integer().and_then(|n| i32::try_from(n).ok()).map(f64::from))
        };
        let Some(rate) = self.typed(key, "a number", number) else { return default };
        if rate.is_finite() && rate > 0.0 && rate <= most {
            rate
        } else {
            self.problem(key, format!("must be above 0 and at most {most}, not {rate}"));
            default
        }
    }

    /// Reads a boolean. Returns the default where it is absent or invalid.
    pub(super) fn flag(&self, key: &'static str, default: bool) -> bool {
        self.typed(key, "true or false", Value::as_bool).unwrap_or(default)
    }

    /// Reads a list of texts.
    pub(super) fn texts(&self, key: &'static str) -> Option<Vec<&'a str>> {
        self.typed(key, "a list of texts", |value| value.as_array()?.iter().map(Value::as_str).collect())
    }

    /// Reads one of a few words. `words` maps each word to its meaning.
    pub(super) fn one_of<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        self.word(key, text, words)
    }

    /// Returns the meaning of `text`, which was read from `key`; a word that is not in `words` is a problem.
    pub(super) fn word<T: Copy>(&self, key: &str, text: &str, words: &[(&str, T)]) -> Option<T> {
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.problem(key, not_one_of(text, &names));
        }
        found
    }

    /// Reads a table below this one.
    pub(super) fn section(&self, key: &'static str) -> Option<Self> {
        let table = self.typed(key, &format!("a table, [{}]", self.path_of(key)), Value::as_table)?;
        Some(Self::new(self.path_of(key), table, self.problems))
    }

    /// Reads `[key]` or `[[key]]`: one table or several.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Self> {
        let path = self.path_of(key);
        match self.value(key) {
            None => Vec::new(),
            Some(Value::Table(table)) => vec![Self::new(path, table, self.problems)],
            Some(Value::Array(items)) if items.iter().all(Value::is_table) => items
                .iter()
                .filter_map(Value::as_table)
                .enumerate()
                .map(|(n, table)| Self::new(format!("{path}[{n}]"), table, self.problems))
                .collect(),
            Some(other) => {
                self.problem(key, format!("must be a table, [[{path}]], not {}", kind_of(other)));
                Vec::new()
            }
        }
    }

    /// Returns every key with its value, for tables whose keys are data.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
        self.table.iter()
    }

    /// Reports every key that no getter was called with, and suggests the most similar known key.
    pub(super) fn reject_unknown_keys(self) {
        let known = self.known_keys.borrow();
        #[cfg(test)]
        self.problems.keys.borrow_mut().extend(known.iter().map(|key| (self.path.clone(), *key)));
        for key in self.table.keys().filter(|key| !known.contains(&key.as_str())) {
            self.problem(key, format!("unknown key{}", did_you_mean(key, &known)));
        }
    }
}

/// Returns the text of a problem: a word that is not one of those that are allowed.
pub(super) fn not_one_of(word: &str, allowed: &[&str]) -> String {
    format!("must be one of {}, not {word:?}{}", allowed.join(", "), did_you_mean(word, allowed))
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number with a fraction",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

/// Returns `; did you mean x?` with the most similar known word, or nothing where none is similar.
pub(super) fn did_you_mean(word: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|name| (strsim::jaro_winkler(word, name), *name))
        // The similarity runs from 0 (nothing in common) to 1 (equal); a suggestion far from the word would mislead.
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    near.map_or_else(String::new, |(_, name)| format!("; did you mean {name}?"))
}
