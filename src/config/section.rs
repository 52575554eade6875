//! Reads one TOML table key by key. Collects its problems with their places, and its settings with their origin.
//!
//! Every other file of `config` reads its table through a [`Section`]. This file knows no key by name. The one idea: each getter
//! records the key that it was called with. [`Section::reject_unknown_keys`] reports all other keys, and `effective` shows the recorded
//! ones.

use super::collected::Collected;
use super::effective::{CONFIGURATION, DEFAULT, Setting};
use super::elsewhere::{self, Found};
use super::problem::{ConfigProblem, Place, SourceFile, TablePath};
use super::similar::{did_you_mean, not_one_of};
use super::wrong_type;
use chrono::NaiveDate;
use serde_json::{Value as Json, json};
use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Lowest pace in requests a second. At a lower one a session would end before it has sent anything useful.
const LOWEST_RATE: f64 = 0.1;

/// A value with its place.
pub(super) type SpannedValue<'a> = Spanned<DeValue<'a>>;

/// A text and the offset at which it begins.
pub(super) type PlacedText<'a> = (&'a str, usize);

/// One table of a file with its path.
///
/// Read all keys first, then call [`Section::reject_unknown_keys`].
pub(super) struct Section<'a> {
    path: TablePath,
    table: &'a DeTable<'a>,
    /// Offset at which the table begins.
    start: usize,
    file: &'a SourceFile<'a>,
    collected: &'a Collected,
    known_keys: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    /// Returns the table that is the whole file.
    pub(super) fn root(table: &'a DeTable<'a>, file: &'a SourceFile<'a>, collected: &'a Collected) -> Self {
        Self { path: TablePath::default(), table, start: 0, file, collected, known_keys: RefCell::default() }
    }

    fn below(&self, path: TablePath, table: &'a DeTable<'a>, start: usize) -> Self {
        Self { path, table, start, file: self.file, collected: self.collected, known_keys: RefCell::default() }
    }

    pub(super) fn collected(&self) -> &'a Collected {
        self.collected
    }

    /// Returns the path of the file.
    pub(super) fn path_of_file(&self) -> &'a Path {
        self.file.path
    }

    /// Returns the line on which the table begins, counted from 1.
    pub(super) fn line(&self) -> usize {
        self.file.line(self.start)
    }

    /// Returns the place of the value of a key, or of the table where the key is absent.
    pub(super) fn place_of(&self, key: &str) -> Place {
        self.file.place(self.table.get(key).map_or(self.start, |value| value.span().start))
    }

    /// Adds a problem of one key.
    pub(super) fn problem(&self, key: &str, text: impl Into<String>) {
        self.collected.problem(ConfigProblem::of_key(self.place_of(key), &self.path, key, text));
    }

    /// Adds a problem of a part of the value of one key. The part begins at an offset of the file.
    pub(super) fn problem_at(&self, offset: usize, key: &str, text: impl Into<String>) {
        self.collected.problem(ConfigProblem::of_key(self.file.place(offset), &self.path, key, text));
    }

    /// Adds a problem of one key with a piece of its value and a mark below it. Without an offset it is at the whole value.
    pub(super) fn marked(&self, offset: Option<usize>, key: &str, text: impl Into<String>, marked: [String; 2]) {
        let place = offset.map_or_else(|| self.place_of(key), |offset| self.file.place(offset));
        self.collected.problem(ConfigProblem::of_key(place, &self.path, key, text).with_lines(marked));
    }

    /// Adds the problem that a key of the table is unknown. `sort` says what the key names: `key` or `rule`.
    pub(super) fn unknown(&self, sort: &str, key: &str, known: &[&str]) {
        let offset = self.table.get_key_value(key).map_or(self.start, |(key, _)| key.span().start);
        let place = self.file.place(offset);
        let hint = self.hint(key, known);
        self.collected.problem(ConfigProblem::unknown(place, &self.path, sort, key, &hint));
    }

    /// Returns what an unknown key of this table is meant to be: a key of another table, or a similar one of this or another table.
    fn hint(&self, key: &str, known: &[&str]) -> String {
        let is_table = self.table.get(key).is_some_and(|value| is_table(value.get_ref()));
        let found = Found { table: &self.path.pattern(), in_exceptions: !self.collected.keeps_settings(), is_table };
        if let Some(hint) = elsewhere::of_other_programs(key, found).or_else(|| elsewhere::exact(key, found)) {
            return hint;
        }
        let own = did_you_mean(key, known);
        if own.is_empty() { elsewhere::probable(key, found).unwrap_or_default() } else { own }
    }

    /// Adds a note about a value that was corrected.
    pub(super) fn note(&self, key: &str, text: impl Into<String>) {
        self.collected.note(&ConfigProblem::of_key(self.place_of(key), &self.path, key, text));
    }

    /// Records a fact about a key for the tests of the schema.
    #[cfg(test)]
    pub(super) fn fact(&self, key: &str, fact: impl Into<String>) {
        self.collected.fact(&self.path, key, fact.into());
    }

    /// Records the value in force of a key and its origin, instead of the value as it is written.
    pub(super) fn in_force(&self, key: &str, value: Json, from: &str) {
        if !self.collected.keeps_settings() {
            return;
        }
        let line = (from == CONFIGURATION).then(|| self.table.get(key)).flatten();
        let line = line.map(|value| self.file.line(value.span().start));
        let (path, key, from) = (self.path.clone(), key.to_owned(), from.to_owned());
        self.collected.setting(Setting { path, key, value, from, line });
    }

    /// Records the value in force of a key that keeps its origin: the file, or the default where the key is absent.
    pub(super) fn resolved(&self, key: &str, value: Json) {
        self.in_force(key, value, if self.has(key) { CONFIGURATION } else { DEFAULT });
    }

    fn default(&self, key: &str, value: Json) {
        if !self.has(key) {
            self.in_force(key, value, DEFAULT);
        }
    }

    /// Returns the raw value of a key, which counts as known from now on.
    fn known(&self, key: &'static str) -> Option<&'a SpannedValue<'a>> {
        self.known_keys.borrow_mut().push(key);
        #[cfg(test)]
        self.fact(key, "");
        self.table.get(key)
    }

    /// Returns the raw value of a setting. The value itself is not recorded: it may be a secret.
    pub(super) fn value(&self, key: &'static str) -> Option<&'a SpannedValue<'a>> {
        self.resolved(key, Json::Null);
        self.known(key)
    }

    /// Reads a setting of one type.
    fn typed<T>(&self, key: &'static str, wanted: &str, read: impl Fn(&'a DeValue<'a>) -> Option<T>) -> Option<T> {
        let value = self.value(key)?.get_ref();
        let read = read(value);
        if read.is_some() {
            self.resolved(key, as_json(value));
        } else {
            let cure = wrong_type::cure(key, wanted, value).map_or_else(String::new, |cure| format!("; {cure}"));
            self.problem(key, format!("must be {wanted}, not {}{cure}", kind_of(value)));
        }
        read
    }

    /// Reads a text that is not empty.
    pub(super) fn text(&self, key: &'static str) -> Option<&'a str> {
        self.filled(key, "write a text, or remove the key")
    }

    /// Reads a text that is not empty. `cure` follows the message about one that is.
    fn filled(&self, key: &'static str, cure: &str) -> Option<&'a str> {
        #[cfg(test)]
        self.fact(key, "text");
        let text = self.typed(key, "a text", DeValue::as_str)?;
        if text.trim().is_empty() {
            self.problem(key, format!("must not be empty; {cure}"));
            return None;
        }
        Some(text)
    }

    /// Reads a text that is not empty; its absence is a problem. `example` is a TOML value for the message.
    pub(super) fn required(&self, key: &'static str, example: &str) -> Option<&'a str> {
        #[cfg(test)]
        self.fact(key, "required");
        let text = self.filled(key, &format!("write for example {key} = {example}"));
        if !self.has(key) {
            self.problem(key, format!("is missing; write for example {key} = {example}"));
        }
        text
    }

    /// Reads a day (TOML local date); its absence is a problem.
    pub(super) fn required_date(&self, key: &'static str) -> Option<NaiveDate> {
        #[cfg(test)]
        self.fact(key, "required date");
        let cure = format!("write a day without quotes and without a time, for example {key} = 2027-03-31");
        let Some(value) = self.value(key) else {
            self.problem(key, format!("is missing; {cure}"));
            return None;
        };
        let date = value.get_ref().as_datetime().filter(|written| written.time.is_none() && written.offset.is_none());
        let date = date
            .and_then(|written| written.date)
            .and_then(|day| NaiveDate::from_ymd_opt(i32::from(day.year), u32::from(day.month), u32::from(day.day)));
        match date {
            Some(date) => self.resolved(key, json!(date.to_string())),
            None => self.problem(key, format!("must be a day; {cure}")),
        }
        date
    }

    /// Reads a whole number within limits. Returns the default where it is absent or invalid.
    pub(super) fn number(&self, key: &'static str, allowed: RangeInclusive<u32>, default: u32) -> u32 {
        let number = self.optional_number(key, allowed).unwrap_or(default);
        self.default(key, json!(default));
        number
    }

    /// Reads a whole number within limits.
    pub(super) fn optional_number(&self, key: &'static str, allowed: RangeInclusive<u32>) -> Option<u32> {
        let (low, high) = (*allowed.start(), *allowed.end());
        #[cfg(test)]
        self.fact(key, format!("integer {low}..{high}"));
        let number = self.typed(key, &format!("a whole number from {low} to {high}"), |value| value.as_integer())?;
        let fits = u32::from_str_radix(number.as_str(), number.radix()).ok().filter(|n| allowed.contains(n));
        if fits.is_none() {
            self.problem(key, format!("must be from {low} to {high}, not {number}"));
        }
        fits
    }

    /// Checks whether the key is present. Does not make it a known key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Returns what a value is, if it is a table or a list of tables; the key then counts as known.
    pub(super) fn kind_of_table(&self, key: &'static str) -> Option<&'static str> {
        let value = self.table.get(key)?.get_ref();
        is_table(value).then(|| self.known(key)).map(|_| kind_of(value))
    }

    /// Checks whether the value of a key is a list without items.
    pub(super) fn is_empty_list(&self, key: &str) -> bool {
        self.table.get(key).and_then(|value| value.get_ref().as_array()).is_some_and(|items| items.is_empty())
    }

    /// Reads the path of a URL, or returns the default. The result has a slash at its beginning and none at its end.
    pub(super) fn path_of_url(&self, key: &'static str, default: &str) -> String {
        let text = self.text(key).unwrap_or(default);
        self.default(key, json!(default));
        if !text.starts_with('/') || text.contains(['?', '#', ' ']) {
            self.problem(key, format!("must be a path that begins with /, such as {default:?}"));
        }
        text.trim_end_matches('/').to_owned()
    }

    /// Reports a key that only other kinds of source have. Does nothing where the key was read already.
    pub(super) fn only_for(&self, key: &'static str, kinds: &str, kind: &str) {
        if self.has(key) && !self.known_keys.borrow().contains(&key) {
            self.known_keys.borrow_mut().push(key);
            self.problem(key, format!("is a key of kind = {kinds}, not of {kind}; remove it"));
        }
    }

    /// Reads a number from [`LOWEST_RATE`], with or without a fraction. Returns the default where it is absent or invalid.
    pub(super) fn rate(&self, key: &'static str, most: f64, default: f64) -> f64 {
        #[cfg(test)]
        self.fact(key, format!("number {LOWEST_RATE}..{most}"));
        let number = |value: &DeValue<'_>| match value {
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            // Through i32: every value of it is exact as f64.
            DeValue::Integer(number) => i32::from_str_radix(number.as_str(), number.radix()).ok().map(f64::from),
            _ => None,
        };
        let rate = self.typed(key, "a number", number);
        self.default(key, json!(default));
        let Some(rate) = rate else { return default };
        if (LOWEST_RATE..=most).contains(&rate) {
            rate
        } else {
            self.problem(key, format!("must be from {LOWEST_RATE} to {most}, not {rate}"));
            default
        }
    }

    /// Reads a boolean. Returns the default where it is absent or invalid.
    pub(super) fn flag(&self, key: &'static str, default: bool) -> bool {
        #[cfg(test)]
        self.fact(key, "boolean");
        let flag = self.typed(key, "true or false", DeValue::as_bool).unwrap_or(default);
        self.default(key, json!(default));
        flag
    }

    /// Reads a list of texts with their places, or returns the default.
    pub(super) fn texts(&self, key: &'static str, default: &[&'static str]) -> Vec<PlacedText<'a>> {
        #[cfg(test)]
        self.fact(key, "texts");
        let items = self.typed(key, "a list of texts, such as [\"a\", \"b\"]", DeValue::as_array);
        self.default(key, json!(default));
        let Some(items) = items else { return default.iter().map(|text| (*text, self.start)).collect() };
        let texts = items.iter().filter_map(|item| {
            let (text, start) = (item.get_ref().as_str(), item.span().start);
            if text.is_none() {
                self.problem_at(start, key, format!("each item must be a text, not {}", kind_of(item.get_ref())));
            }
            Some((text?, start))
        });
        texts.collect()
    }

    /// Reads a list of words. Each must be one of `words`, which maps it to its meaning.
    pub(super) fn words<T: Copy>(&self, key: &'static str, words: &[(&str, T)], default: &[&'static str]) -> Vec<T> {
        #[cfg(test)]
        self.fact(key, one_of_fact(words));
        let texts = self.texts(key, default);
        texts.into_iter().filter_map(|(text, offset)| self.word(offset, key, text, words)).collect()
    }

    /// Reads one of a few words. `words` maps each word to its meaning. `default` is the word where it is absent; without one it is
    /// recorded by the caller.
    pub(super) fn one_of<T: Copy>(&self, key: &'static str, words: &[(&str, T)], default: Option<&str>) -> Option<T> {
        #[cfg(test)]
        self.fact(key, one_of_fact(words));
        let text = self.text(key);
        if let Some(default) = default {
            self.default(key, json!(default));
        }
        let offset = self.table.get(key).map_or(self.start, |value| value.span().start);
        self.word(offset, key, text.or(default)?, words)
    }

    /// Reads one of a few words that must be present.
    pub(super) fn required_word<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        #[cfg(test)]
        self.fact(key, "required");
        if !self.has(key) {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let example = names.first().copied().unwrap_or_default();
            self.problem(
                key,
                format!("is missing; write for example {key} = {example:?} (one of {})", names.join(", ")),
            );
        }
        self.one_of(key, words, None)
    }

    /// Returns the meaning of `text`, which was read from `key`; a word that is not in `words` is a problem.
    fn word<T: Copy>(&self, offset: usize, key: &str, text: &str, words: &[(&str, T)]) -> Option<T> {
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.problem_at(offset, key, not_one_of(text, &names));
        }
        found
    }

    /// Reads a table below this one. An absent one has no keys.
    pub(super) fn section(&self, key: &'static str) -> Self {
        let path = self.path.below(key, None);
        let Some(value) = self.known(key) else { return self.below(path, &self.file.empty, self.start) };
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.problem(key, format!("must be a table, {}, not {}", path.heading(), kind_of(value.get_ref())));
        }
        self.below(path, table.unwrap_or(&self.file.empty), value.span().start)
    }

    /// Reads `[key]` or `[[key]]`: one table or several. Messages name each by the text of `name_key`, or by its number.
    pub(super) fn sections(&self, key: &'static str, name_key: &str) -> Vec<Self> {
        let Some(value) = self.known(key) else { return Vec::new() };
        let items: Vec<&'a SpannedValue<'a>> = match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => vec![value],
        };
        let read = |(number, item): (usize, &'a SpannedValue<'a>)| {
            let Some(table) = item.get_ref().as_table() else {
                let heading = format!("[[{}]]", self.path.below(key, None).keys());
                self.problem_at(
                    item.span().start,
                    key,
                    format!("must be a table, {heading}, not {}", kind_of(item.get_ref())),
                );
                return None;
            };
            let name = table.get(name_key).and_then(|name| name.get_ref().as_str()).filter(|name| is_name(name));
            let path = self.path.below(key, Some((number, name.map(str::to_owned))));
            Some(self.below(path, table, item.span().start))
        };
        (1..).zip(items).filter_map(read).collect()
    }

    /// Returns every key with its value, for tables whose keys are data.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, &'a DeValue<'a>)> + use<'a> {
        self.table.iter().map(|(key, value)| (key.get_ref().as_ref(), value.get_ref()))
    }

    /// Returns the offset in the file of an offset in the text of a key; `None` where the text is written with escapes.
    pub(super) fn offset_in(&self, key: &str, text: &str, offset: usize) -> Option<usize> {
        let span = self.table.get(key)?.span();
        let begin = self.file.find(span.clone(), text)?;
        Some(span.start + begin + offset)
    }

    /// Reports every key that no getter was called with, and suggests the most similar known key.
    pub(super) fn reject_unknown_keys(&self) {
        let known = self.known_keys.borrow();
        for key in self.table.keys().map(toml::Spanned::get_ref).filter(|key| !known.contains(&key.as_ref())) {
            self.unknown("key", key, &known);
        }
    }
}

#[cfg(test)]
fn one_of_fact<T>(words: &[(&str, T)]) -> String {
    format!("one of {}", words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", "))
}

/// Checks whether a text can name an item in messages. An address with a user name or a query may contain a secret.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= 64 && !text.contains(['@', '?']) && !text.contains(char::is_control)
}

/// Returns a value as JSON. Dates are texts, and numbers that do not fit are, too.
pub(super) fn as_json(value: &DeValue<'_>) -> Json {
    match value {
        DeValue::String(text) => json!(text),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or_else(|_| json!(number.as_str()), |n| json!(n))
        }
        DeValue::Float(number) => number.as_str().parse::<f64>().map_or_else(|_| json!(number.as_str()), |n| json!(n)),
        DeValue::Boolean(flag) => json!(flag),
        DeValue::Datetime(date) => json!(date.to_string()),
        DeValue::Array(items) => items.iter().map(|item| as_json(item.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(key, value)| (key.get_ref().to_string(), as_json(value.get_ref()))).collect()
        }
    }
}

/// Keys of a reference to a secret. A table of one of them is a value.
const REFERENCE_KEYS: [&str; 3] = ["file", "env", "credential"];

/// Checks whether a value is a table or a list of tables.
fn is_table(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Table(table) => !table.keys().any(|key| REFERENCE_KEYS.contains(&key.get_ref().as_ref())),
        DeValue::Array(items) => !items.is_empty() && items.iter().all(|item| item.get_ref().is_table()),
        _ => false,
    }
}

pub(super) fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
