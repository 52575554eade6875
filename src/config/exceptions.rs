//! The file of accepted exceptions, read with the lines on which things stand: whoever keeps it is often not who keeps the
//! configuration. Every problem at once.

use super::custom;
use super::section::{ConfigProblem, did_you_mean};
use crate::exceptions::{Exception, LONGEST_DAYS};
use crate::model::{Instant, Pattern, Rule};
use chrono::{NaiveDate, TimeDelta};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

const KEYS: [&str; 7] = ["rule", "subject", "source", "reason", "owner", "ticket", "until"];

/// The file as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExceptionsFile {
    /// Where it is.
    pub path: PathBuf,
    /// SHA-256 of its bytes, lower-case hex.
    pub sha256: String,
    /// In the order of the file.
    pub entries: Vec<Exception>,
}

impl ExceptionsFile {
    /// Reads it; `sources` are the names that `[[source]]` tables have, `rules` those of the configuration.
    pub(super) fn read(
        path: PathBuf,
        sources: &[&str],
        rules: &custom::ParsedRules,
    ) -> Result<Self, Vec<ConfigProblem>> {
        let at = |line: usize, text: String| place(&path, line, text);
        let text = fs::read_to_string(&path).map_err(|error| vec![at(0, format!("cannot read it: {error}"))])?;
        let file = RegisterReading { text: &text, sources, rules, problems: Vec::new() };
        let (entries, problems) = file.entries();
        if !problems.is_empty() {
            return Err(problems.into_iter().map(|(line, text)| at(line, text)).collect());
        }
        let sha256 = super::hex(&Sha256::digest(text.as_bytes()));
        Ok(Self { path, sha256, entries })
    }

    /// Entries that would hold longer than 12 months from this instant.
    pub fn too_long(&self, as_of: Instant) -> Vec<ConfigProblem> {
        let last = as_of.date_naive() + TimeDelta::days(LONGEST_DAYS);
        let long = self.entries.iter().filter(|entry| entry.until > last);
        let text = |until| {
            format!(
                "until = {until} is more than 12 months after the run; write {last} or a day before it, and renew it then"
            )
        };
        long.map(|entry| place(&self.path, entry.line, text(entry.until))).collect()
    }
}

/// Line 0: the file as a whole.
fn place(path: &Path, line: usize, text: String) -> ConfigProblem {
    let path = path.display();
    if line == 0 {
        return ConfigProblem { key: "policy.exceptions".to_owned(), text: format!("{path}: {text}") };
    }
    ConfigProblem { key: format!("{path}, line {line}"), text }
}

type FoundRegister = (usize, String);

struct RegisterReading<'a> {
    text: &'a str,
    sources: &'a [&'a str],
    rules: &'a custom::ParsedRules,
    problems: Vec<FoundRegister>,
}

impl<'a> RegisterReading<'a> {
    fn entries(mut self) -> (Vec<Exception>, Vec<FoundRegister>) {
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
                self.problems
                    .push((line, format!("{:?} has no place here; write [[exception]] tables", key.get_ref())));
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
        entries.sort_by_key(|entry| entry.line);
        self.problems.sort();
        (entries, self.problems)
    }

    /// Everything is looked at before anything is given up, so that every problem is told.
    fn entry(&mut self, line: usize, table: &DeTable<'a>) -> Option<Exception> {
        for (key, _) in table.iter().filter(|(key, _)| !KEYS.contains(&&**key.get_ref())) {
            let at = self.line(key.span().start);
            let hint = did_you_mean(key.get_ref(), &KEYS);
            self.problems.push((at, format!("{} is not a key here{hint}", key.get_ref())));
        }
        let rule = self.needed(line, table, "rule", "\"stale-login\"").and_then(|(at, text)| self.rule(at, text));
        let subject = self.needed(line, table, "subject", "\"svc-backup\"");
        let subject = subject.and_then(|(at, text)| {
            Pattern::parse(text).map_err(|why| self.problems.push((at, format!("subject: {why}")))).ok()
        });
        let source = self.optional(table, "source");
        if let Some((at, name)) = source.filter(|(_, name)| !self.sources.contains(name)) {
            let hint = did_you_mean(name, self.sources);
            self.problems.push((at, format!("source: {name:?} is the name of no [[source]]{hint}")));
        }
        let reason = self.needed(line, table, "reason", "\"vendor signs in once a year\"");
        let owner = self.needed(line, table, "owner", "\"platform team\"");
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
        if rule == Some(Rule::ExceptionExpired) {
            let cure = "renew the exception that is over, or remove it";
            self.problems.push((at, format!("rule: {text} cannot be accepted itself; {cure}")));
            return None;
        }
        if rule.is_none() {
            let hint = did_you_mean(text, &self.rules.known());
            self.problems.push((at, format!("rule: {text:?} is not a rule{hint}")));
        }
        rule
    }

    fn needed<'t>(
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

    /// A text that says something, and its line.
    fn optional<'t>(&mut self, table: &'t DeTable<'a>, key: &str) -> Option<(usize, &'t str)> {
        let value: &'t Spanned<DeValue<'a>> = table.get(key)?;
        let line = self.line(value.span().start);
        let text = value.get_ref().as_str().filter(|text| !text.trim().is_empty());
        if text.is_none() {
            self.problems.push((line, format!("{key} must be a text that is not empty")));
        }
        text.map(|text| (line, text))
    }

    fn day(&mut self, line: usize, table: &DeTable<'a>) -> Option<NaiveDate> {
        let cure = "write a day without quotes and without a time, for example until = 2027-03-31";
        let Some(value) = table.get("until") else {
            self.problems.push((line, format!("until is missing; {cure}")));
            return None;
        };
        let reported =
            value.get_ref().as_datetime().filter(|reported| reported.time.is_none() && reported.offset.is_none());
        let day = reported.and_then(|reported| reported.date);
        let day = day.and_then(|day| NaiveDate::from_ymd_opt(i32::from(day.year), day.month.into(), day.day.into()));
        if day.is_none() {
            let at = self.line(value.span().start);
            self.problems.push((at, format!("until must be a day; {cure}")));
        }
        day
    }

    fn line(&self, at: usize) -> usize {
        self.text.get(..at).unwrap_or_default().matches('\n').count() + 1
    }
}
