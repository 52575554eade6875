//! Reads the file of accepted exceptions that `policy.exceptions` names.
//!
//! `policy` calls [`ExceptionsFile::parse`]. Another person than the administrator often maintains this file. Its problems therefore
//! have their place in this file. All of them are reported at once.

use super::collected::Collected;
use super::problem::{ConfigProblem, Place, SourceFile, TablePath};
use super::section::Section;
use super::similar::did_you_mean;
use super::{custom, owners, syntax};
use crate::digest::sha256_hex;
use crate::exceptions::{Exception, LONGEST_DAYS};
use crate::model::{Instant, Rule};
use chrono::{NaiveDate, TimeDelta};
use std::path::PathBuf;

/// The accepted exceptions of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExceptionsFile {
    /// Path of the file.
    pub path: PathBuf,
    /// SHA-256 of its bytes, lower-case hex.
    pub sha256: String,
    /// Exceptions in the order of the file.
    pub entries: Vec<Exception>,
    /// Places of the last day of each exception.
    until: Vec<Place>,
}

impl ExceptionsFile {
    /// Parses the text of the file. `sources` are the names of the `[[source]]` tables, `rules` the custom rules.
    pub(super) fn parse(
        path: PathBuf,
        text: &str,
        sources: &[&str],
        rules: &custom::ParsedRules,
    ) -> Result<Self, Vec<ConfigProblem>> {
        let file = SourceFile::new(&path, text);
        let table = syntax::parse(&file, text)?;
        let collected = Collected::without_settings();
        let root = Section::root(table.get_ref(), &file, &collected);
        let sections = root.sections("exception", "");
        let entries: Vec<Option<Exception>> = sections.iter().map(|section| entry(section, sources, rules)).collect();
        let until = sections.iter().map(|section| section.place_of("until")).collect();
        root.reject_unknown_keys();
        collected.finish()?;
        let sha256 = sha256_hex(text.as_bytes());
        // Without a problem, every entry was read.
        Ok(Self { path, sha256, entries: entries.into_iter().flatten().collect(), until })
    }

    /// Returns a problem for each exception that lasts longer than 12 months from `as_of`.
    pub fn too_long(&self, as_of: Instant) -> Vec<ConfigProblem> {
        let today = as_of.date_naive();
        let last = today + TimeDelta::days(LONGEST_DAYS);
        self.of_days(
            |until| until > last,
            |until| {
                format!(
                    "{until} is more than 12 months after the run of {today}; write {last} or an earlier day, and renew it then"
                )
            },
        )
    }

    /// Returns a text for each exception whose last day is over at `as_of`.
    pub fn expired(&self, as_of: Instant) -> Vec<ConfigProblem> {
        let today = as_of.date_naive();
        self.of_days(|until| until < today, |until| {
            format!("{until} is in the past, so the exception accepts nothing; write a later day, or remove the exception")
        })
    }

    /// Returns a text for each exception that is selected by its last day, at the place of that day.
    fn of_days(&self, selects: impl Fn(NaiveDate) -> bool, text: impl Fn(NaiveDate) -> String) -> Vec<ConfigProblem> {
        let table = |number| TablePath::default().below("exception", Some((number, None)));
        let selected = (1..).zip(self.entries.iter().zip(&self.until)).filter(|(_, (entry, _))| selects(entry.until));
        let problem = |(number, (entry, place)): (usize, (&Exception, &Place))| {
            ConfigProblem::of_key(place.clone(), &table(number), "until", text(entry.until))
        };
        selected.map(problem).collect()
    }
}

/// Reads one entry. It reads all keys before it returns, so that every problem is reported.
fn entry(section: &Section<'_>, sources: &[&str], rules: &custom::ParsedRules) -> Option<Exception> {
    let rule = section.required("rule", "\"stale-login\"").and_then(|id| rule(section, id, rules));
    let subject = owners::pattern(section, "subject", "\"svc-backup\"");
    let source = owners::source(section, sources);
    let reason = section.required("reason", "\"vendor signs in once a year\"");
    let owner = section.required("owner", "\"platform team\"");
    let ticket = section.text("ticket");
    let until = section.required_date("until");
    section.reject_unknown_keys();
    Some(Exception {
        line: section.line(),
        rule: rule?,
        subject: subject?,
        source,
        reason: reason?.to_owned(),
        owner: owner?.to_owned(),
        ticket: ticket.map(str::to_owned),
        until: until?,
    })
}

fn rule(section: &Section<'_>, id: &str, rules: &custom::ParsedRules) -> Option<Rule> {
    let rule = rules.find(id);
    if rule.is_none() {
        section.problem("rule", format!("unknown rule {id:?}{}", did_you_mean(id, &rules.known())));
    }
    // Its findings are about exceptions: an exception for them would hide an expired one for good.
    if rule == Some(Rule::ExceptionExpired) {
        section.problem("rule", format!("{id} cannot be excepted; renew the expired exception, or remove it"));
        return None;
    }
    rule
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;
    use std::path::Path;
    use std::time::{Duration, Instant};

    /// The time was quadratic: minutes for this file.
    #[test]
    fn thousands_of_exceptions_are_read_in_seconds_and_keep_their_lines() {
        let mut text = String::new();
        for number in 0..10_000 {
            let _ = write!(
                text,
                "[[exception]]\nrule = \"no-mfa\"\nsubject = \"user-{number}\"\nreason = \"r\"\nowner = \"o\"\n\
                 until = 2027-03-31\n\n"
            );
        }
        let begun = Instant::now();
        let read = ExceptionsFile::parse("/e.toml".into(), &text, &[], &custom::ParsedRules::default()).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        assert_eq!(read.entries.last().map(|entry| entry.line), Some(9_999 * 7 + 1));
    }

    #[test]
    fn exceptions_are_no_settings() {
        let file = SourceFile::new(Path::new("/e.toml"), "subject = \"x\"\n");
        let table = syntax::parse(&file, "subject = \"x\"\n").unwrap();
        let collected = Collected::without_settings();
        assert_eq!(Section::root(table.get_ref(), &file, &collected).text("subject"), Some("x"));
        assert_eq!(collected.finish().unwrap().1, []);
    }
}
