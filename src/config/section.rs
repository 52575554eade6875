//! Reads one TOML table key by key and collects what is wrong with it: every problem at once, each with its key path.
//! Knows no key of ours.

use chrono::NaiveDate;
use std::cell::RefCell;
use std::fmt;
use std::ops::RangeInclusive;
use toml::{Table, Value};

/// One mistake in the configuration, with its cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// `source[0].url`; empty where it is the file as a whole.
    pub key: String,
    /// What is wrong and what to write instead.
    pub text: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() { f.write_str(&self.text) } else { write!(f, "{}: {}", self.key, self.text) }
    }
}

/// All problems found so far, and what was understood in another way than it is written.
#[derive(Debug, Default)]
pub(super) struct Problems {
    problems: RefCell<Vec<ConfigProblem>>,
    notes: RefCell<Vec<ConfigProblem>>,
}

impl Problems {
    pub(super) fn add(&self, key: impl Into<String>, text: impl Into<String>) {
        self.problems.borrow_mut().push(ConfigProblem { key: key.into(), text: text.into() });
    }

    pub(super) fn notes(&self) -> Vec<String> {
        self.notes.borrow().iter().map(ToString::to_string).collect()
    }

    pub(super) fn into_vec(self) -> Vec<ConfigProblem> {
        self.problems.into_inner()
    }
}

/// One table on its way to being understood. [`Section::end`] complains about the keys that nobody asked for.
pub(super) struct Section<'a> {
    path: String,
    table: &'a Table,
    problems: &'a Problems,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    pub(super) fn new(path: impl Into<String>, table: &'a Table, problems: &'a Problems) -> Self {
        Self { path: path.into(), table, problems, asked: RefCell::default() }
    }

    pub(super) fn problems(&self) -> &'a Problems {
        self.problems
    }

    /// The full path of a key.
    pub(super) fn path_of(&self, key: &str) -> String {
        let key = if key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
            key.to_owned()
        } else {
            format!("{key:?}")
        };
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    /// Notes a problem of one key.
    pub(super) fn problem(&self, key: &str, text: impl Into<String>) {
        self.problems.add(self.path_of(key), text);
    }

    /// Notes what was understood in another way than it is written.
    pub(super) fn note(&self, key: &str, text: impl Into<String>) {
        self.problems.notes.borrow_mut().push(ConfigProblem { key: self.path_of(key), text: text.into() });
    }

    /// The raw value. Every getter goes through here, so that the known keys are those that were asked for.
    pub(super) fn value(&self, key: &'static str) -> Option<&'a Value> {
        self.asked.borrow_mut().push(key);
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

    /// A text that is not empty.
    pub(super) fn text(&self, key: &'static str) -> Option<&'a str> {
        let text = self.typed(key, "a text", Value::as_str)?;
        if text.is_empty() {
            self.problem(key, "must not be empty");
            return None;
        }
        Some(text)
    }

    /// The same; its absence is a problem.
    pub(super) fn required(&self, key: &'static str, example: &str) -> Option<&'a str> {
        if !self.table.contains_key(key) {
            self.asked.borrow_mut().push(key);
            self.problem(key, format!("is missing; write for example {key} = {example}"));
            return None;
        }
        self.text(key)
    }

    /// A day, as TOML's local date; its absence is a problem.
    pub(super) fn required_date(&self, key: &'static str) -> Option<NaiveDate> {
        let cure = format!("write a day without quotes and without a time, for example {key} = 2027-03-31");
        let Some(value) = self.value(key) else {
            self.problem(key, format!("is missing; {cure}"));
            return None;
        };
        let date = value.as_datetime().filter(|reported| reported.time.is_none() && reported.offset.is_none());
        let date = date
            .and_then(|reported| reported.date)
            .and_then(|day| NaiveDate::from_ymd_opt(i32::from(day.year), u32::from(day.month), u32::from(day.day)));
        if date.is_none() {
            self.problem(key, format!("must be a day; {cure}"));
        }
        date
    }

    /// A whole number within limits, or the default.
    pub(super) fn number(&self, key: &'static str, allowed: RangeInclusive<u32>, default: u32) -> u32 {
        self.optional_number(key, allowed).unwrap_or(default)
    }

    /// A whole number within limits.
    pub(super) fn optional_number(&self, key: &'static str, allowed: RangeInclusive<u32>) -> Option<u32> {
        let (low, high) = (*allowed.start(), *allowed.end());
        let number = self.typed(key, &format!("a whole number from {low} to {high}"), Value::as_integer)?;
        let fits = u32::try_from(number).ok().filter(|n| allowed.contains(n));
        if fits.is_none() {
            self.problem(key, format!("must be from {low} to {high}, not {number}"));
        }
        fits
    }

    /// Whether the key is there. Does not count as asking for it.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A path below an address: begins with a slash and does not end with one.
    pub(super) fn path_of_url(&self, key: &'static str) -> Option<String> {
        let text = self.text(key)?;
        let plain = text.starts_with('/') && !text.contains(['?', '#', ' ']);
        if !plain {
            self.problem(key, "must be a path such as \"/scim/v2\"");
            return None;
        }
        Some(text.trim_end_matches('/').to_owned())
    }

    /// Complains about a key that is one of other kinds.
    pub(super) fn only_for(&self, key: &'static str, kinds: &str, kind: &str) {
        if self.has(key) && !self.asked.borrow().contains(&key) {
            self.asked.borrow_mut().push(key);
            self.problem(key, format!("is a key of kind = {kinds}, not of {kind}"));
        }
    }

    /// A number above 0, with or without a fraction.
    pub(super) fn rate(&self, key: &'static str, most: f64, default: f64) -> f64 {
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

    /// True or false.
    pub(super) fn flag(&self, key: &'static str, default: bool) -> bool {
        self.typed(key, "true or false", Value::as_bool).unwrap_or(default)
    }

    /// A list of texts.
    pub(super) fn texts(&self, key: &'static str) -> Option<Vec<&'a str>> {
        self.typed(key, "a list of texts", |value| value.as_array()?.iter().map(Value::as_str).collect())
    }

    /// One of a few words, by a table of what each means.
    pub(super) fn one_of<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        self.word(key, text, words)
    }

    /// Reads a word that was found at `key`.
    pub(super) fn word<T: Copy>(&self, key: &str, text: &str, words: &[(&str, T)]) -> Option<T> {
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.problem(key, format!("{text:?} is none of {}{}", names.join(", "), did_you_mean(text, &names)));
        }
        found
    }

    /// A table below this one.
    pub(super) fn section(&self, key: &'static str) -> Option<Self> {
        let table = self.typed(key, &format!("a table, [{}]", self.path_of(key)), Value::as_table)?;
        Some(Self::new(self.path_of(key), table, self.problems))
    }

    /// One table or several.
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

    /// Every key with its value, for tables whose keys are data.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
        self.table.iter()
    }

    /// Complains about keys that nobody asked for, with the nearest right one.
    pub(super) fn end(self) {
        let asked = self.asked.borrow();
        for key in self.table.keys().filter(|key| !asked.contains(&key.as_str())) {
            self.problem(key, format!("is not a key here{}", did_you_mean(key, &asked)));
        }
    }
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

/// `; did you mean x?`, where something is near enough.
pub(super) fn did_you_mean(word: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|name| (strsim::jaro_winkler(word, name), *name))
        .filter(|(nearness, _)| *nearness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    near.map_or_else(String::new, |(_, name)| format!("; did you mean {name}?"))
}
