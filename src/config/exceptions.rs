//! Reads the file of accepted exceptions that `policy.exceptions` names.
//!
//! `policy` calls [`ExceptionsFile::read`]. Another person than the administrator often maintains this file. Its problems therefore
//! name the file and the line instead of a key path. All of them are reported at once.

use super::custom;
use super::section::{ConfigProblem, did_you_mean};
use crate::digest::sha256_hex;
use crate::exceptions::{Exception, LONGEST_DAYS};
use crate::model::{Instant, Pattern, Rule};
use chrono::{NaiveDate, TimeDelta};

use std::fs;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

const KEYS: [&str; 7] = ["rule", "subject", "source", "reason", "owner", "ticket", "until"];

/// The accepted exceptions of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExceptionsFile {
    /// Path of the file.
    pub path: PathBuf,
    /// SHA-256 of its bytes, lower-case hex.
    pub sha256: String,
    /// Exceptions in the order of the file.
    pub entries: Vec<Exception>,
}

impl ExceptionsFile {
    /// Reads the file. `sources` are the names of the `[[source]]` tables, `rules` the custom rules.
    pub(super) fn read(
        path: PathBuf,
        sources: &[&str],
        rules: &custom::ParsedRules,
    ) -> Result<Self, Vec<ConfigProblem>> {
        let at = |line: usize, text: String| problem_at(&path, line, text);
        let text = fs::read_to_string(&path).map_err(|error| vec![at(0, format!("cannot read the file: {error}"))])?;
        let file = ExceptionsParser { text: &text, sources, rules, problems: Vec::new() };
        let (entries, problems) = file.entries();
        if !problems.is_empty() {
            return Err(problems.into_iter().map(|(line, text)| at(line, text)).collect());
        }
        let sha256 = sha256_hex(text.as_bytes());
        Ok(Self { path, sha256, entries })
    }

    /// Returns a problem for each exception that lasts longer than 12 months from `as_of`.
    pub fn too_long(&self, as_of: Instant) -> Vec<ConfigProblem> {
        let last = as_of.date_naive() + TimeDelta::days(LONGEST_DAYS);
        let long = self.entries.iter().filter(|entry| entry.until > last);
        let text = |until| {
            format!(
                "until = {until} is more than 12 months after the run; write {last} or an earlier day, and renew it then"
            )
        };
        long.map(|entry| problem_at(&self.path, entry.line, text(entry.until))).collect()
    }
}

/// Returns a problem at a line, counted from 1. Line 0 stands for the whole file.
fn problem_at(path: &Path, line: usize, text: String) -> ConfigProblem {
    let path = path.display();
    if line == 0 {
        return ConfigProblem { key: "policy.exceptions".to_owned(), text: format!("{path}: {text}") };
    }
    ConfigProblem { key: format!("{path}, line {line}"), text }
}

/// Line, counted from 1, and text of a problem.
type LineProblem = (usize, String);

struct ExceptionsParser<'a> {
    text: &'a str,
    sources: &'a [&'a str],
    rules: &'a custom::ParsedRules,
    problems: Vec<LineProblem>,
}

impl<'a> ExceptionsParser<'a> {
    fn entries(mut self) -> (Vec<Exception>, Vec<LineProblem>) {
        let table = match DeTable::parse(self.text) {
            Ok(table) => table,
            Err(error) => {
                let line = error.span().map_or(0, |span| self.line(span.start));
                return (Vec::new(), vec![(line, error.message().trim().replace('\n', "; "))]);
            }
        };
        let mut entries = Vec::new();
        for (key, value) in table.get_ref() {
            let tables = value.get_ref().as_array().filter(|_| key.get_ref() == "exception");
            let Some(tables) = tables else {
                let line = self.line(key.span().start);
                self.problems.push((line, format!("unknown key {:?}; write [[exception]] tables", key.get_ref())));
                continue;
            };
            for item in tables {
                let line = self.line(item.span().start);
                match item.get_ref().as_table() {
                    Some(table) => entries.extend(self.entry(line, table)),
                    None => self.problems.push((line, "must be a table, [[exception]]".to_owned())),
                }
            }
        }
        // A TOML table is sorted by key; people read the file and its problems from top to bottom.
        entries.sort_by_key(|entry| entry.line);
        self.problems.sort();
        (entries, self.problems)
    }

    /// Reads one `[[exception]]` table; `line` is where it begins.
    fn entry(&mut self, line: usize, table: &DeTable<'a>) -> Option<Exception> {
        // No key returns early with `?`: every problem of the table is to be reported.
        for (key, _) in table.iter().filter(|(key, _)| !KEYS.contains(&&**key.get_ref())) {
            let at = self.line(key.span().start);
            let hint = did_you_mean(key.get_ref(), &KEYS);
            self.problems.push((at, format!("unknown key {}{hint}", key.get_ref())));
        }
        let rule = self.required(line, table, "rule", "\"stale-login\"").and_then(|(at, text)| self.rule(at, text));
        let subject = self.required(line, table, "subject", "\"svc-backup\"");
        let subject = subject.and_then(|(at, text)| {
            Pattern::parse(text).map_err(|why| self.problems.push((at, format!("subject: {why}")))).ok()
        });
        let source = self.optional(table, "source");
        if let Some((at, name)) = source.filter(|(_, name)| !self.sources.contains(name)) {
            let hint = did_you_mean(name, self.sources);
            self.problems.push((at, format!("source: no [[source]] is named {name:?}{hint}")));
        }
        let reason = self.required(line, table, "reason", "\"vendor signs in once a year\"");
        let owner = self.required(line, table, "owner", "\"platform team\"");
        let ticket = self.optional(table, "ticket");
        let until = self.day(line, table);
        let text = |found: (usize, &str)| found.1.to_owned();
        Some(Exception {
            line,
            rule: rule?,
            subject: subject?,
            source: source.map(text),
            reason: reason.map(text)?,
            owner: owner.map(text)?,
            ticket: ticket.map(text),
            until: until?,
        })
    }

    fn rule(&mut self, at: usize, text: &str) -> Option<Rule> {
        let rule = self.rules.find(text);
        // Its findings are about exceptions: an exception for them would hide an expired one for good.
        if rule == Some(Rule::ExceptionExpired) {
            let cure = "renew the expired exception, or remove it";
            self.problems.push((at, format!("rule: {text} cannot be excepted; {cure}")));
            return None;
        }
        if rule.is_none() {
            let hint = did_you_mean(text, &self.rules.known());
            self.problems.push((at, format!("rule: unknown rule {text:?}{hint}")));
        }
        rule
    }

    /// Reads a text that must be present. Returns it with its line.
    fn required<'t>(
        &mut self,
        line: usize,
        table: &'t DeTable<'a>,
        key: &str,
        example: &str,
    ) -> Option<(usize, &'t str)> {
        if table.get(key).is_none() {
            self.problems.push((line, format!("{key} is missing; write for example {key} = {example}")));
            return None;
        }
        self.optional(table, key)
    }

    /// Reads a text that is not blank. Returns it with its line.
    fn optional<'t>(&mut self, table: &'t DeTable<'a>, key: &str) -> Option<(usize, &'t str)> {
        let value: &'t Spanned<DeValue<'a>> = table.get(key)?;
        let line = self.line(value.span().start);
        let text = value.get_ref().as_str().filter(|text| !text.trim().is_empty());
        if text.is_none() {
            self.problems.push((line, format!("{key} must be a non-empty text")));
        }
        text.map(|text| (line, text))
    }

    fn day(&mut self, line: usize, table: &DeTable<'a>) -> Option<NaiveDate> {
        let cure = "write a day without quotes and without a time, for example until = 2027-03-31";
        let Some(value) = table.get("until") else {
            self.problems.push((line, format!("until is missing; {cure}")));
            return None;
        };
        let written =
            value.get_ref().as_datetime().filter(|written| written.time.is_none() && written.offset.is_none());
        let day = written.and_then(|written| written.date);
        let day = day.and_then(|day| NaiveDate::from_ymd_opt(i32::from(day.year), day.month.into(), day.day.into()));
        if day.is_none() {
            let at = self.line(value.span().start);
            self.problems.push((at, format!("until must be a day; {cure}")));
        }
        day
    }

    /// Returns the line, counted from 1, of a byte offset.
    fn line(&self, at: usize) -> usize {
        self.text.get(..at).unwrap_or_default().matches('\n').count() + 1
    }
}
