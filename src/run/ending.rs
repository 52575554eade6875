//! How a run ended: the JSON object of `--json` and the short summary for people are two readings of it. Pure.

use super::exit::Exit;
use super::unevaluated;
use crate::model::{Completeness, Coverage, FindingStatus, ListKind, Severity};
use crate::snapshot::manifest::{Counts, RuleEntry, SourceEntry};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// All that is known at the end. Instants are RFC 3339 in UTC.
#[derive(Clone, Debug, Serialize)]
pub struct Ending {
    /// The process returns this.
    pub exit_code: u8,
    /// The run.
    pub run_id: String,
    /// The instant of all ages.
    pub as_of: String,
    /// Wall clock at the start.
    pub started_at: String,
    /// Wall clock at the end.
    pub finished_at: String,
    /// Nothing was to be published.
    pub dry_run: bool,
    /// A snapshot is there.
    pub published: bool,
    /// Whether everything was proven complete; absent where nothing was judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completeness: Option<Completeness>,
    /// Its folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<PathBuf>,
    /// Its report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<PathBuf>,
    /// SHA-256 of its manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest_sha256: Option<String>,
    /// How each source went.
    pub sources: Vec<SourceEntry>,
    /// How each rule went.
    pub rules: Vec<RuleEntry>,
    /// Totals.
    pub counts: Counts,
    /// What changed since the base, in words; empty where nothing was judged.
    pub since: String,
    /// Findings by severity that nobody has accepted: new, open, reopened.
    pub severities: BTreeMap<String, u64>,
    /// Where events went.
    pub destinations: Vec<DestinationEnding>,
    /// Snapshots that retention removed.
    pub pruned: Vec<String>,
    /// For people.
    pub warnings: Vec<String>,
    /// Why nothing was published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How delivery to one destination went.
#[derive(Clone, Debug, Serialize)]
pub struct DestinationEnding {
    /// Its address.
    pub destination: String,
    /// Events that it took.
    pub delivered: u64,
    /// Events that wait in the spool.
    pub waiting: u64,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Ending {
    /// Decides the exit code of a run that was published (or rehearsed).
    pub fn settle(&mut self, fail_on: Option<Severity>) {
        let mut holding = Vec::new();
        if self.completeness == Some(Completeness::Partial) {
            holding.push(Exit::Partial);
        }
        if self.destinations.iter().any(DestinationEnding::waits) {
            holding.push(Exit::Waiting);
        }
        let reached = |least: Severity| {
            Severity::ALL.iter().any(|s| *s >= least && self.severities.get(s.as_str()).is_some_and(|n| *n > 0))
        };
        if fail_on.is_some_and(reached) {
            holding.push(Exit::Findings);
        }
        self.exit_code = Exit::winner(holding).code();
    }

    /// The summary for people.
    pub fn in_words(&self) -> String {
        let mut text = format!("{}\n", self.headline());
        for source in &self.sources {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "  {:<10} {}", "source", source_line(source));
        }
        if self.completeness.is_some() {
            let _ = writeln!(text, "  {:<10} {}", "findings", self.findings_line());
            let _ = writeln!(text, "  {:<10} {}", "changes", self.since);
            for line in unevaluated::lines(&self.sources, &self.rules) {
                let _ = writeln!(text, "  {:<10} {line}", "unknown");
            }
        }
        for (name, path) in [("snapshot", &self.snapshot), ("report", &self.report)] {
            if let Some(path) = path {
                let _ = writeln!(text, "  {name:<10} {}", path.display());
            }
        }
        for destination in &self.destinations {
            let _ = writeln!(text, "  {:<10} {}", "events", destination.in_words());
        }
        if !self.pruned.is_empty() {
            let _ = writeln!(text, "  {:<10} {} removed by retention", "pruned", self.pruned.len());
        }
        for warning in &self.warnings {
            let _ = writeln!(text, "  {:<10} {warning}", "note");
        }
        text
    }

    fn headline(&self) -> String {
        let what = match (self.completeness.map(Completeness::as_str), self.published, self.dry_run) {
            (Some(completeness), true, _) => format!("published, {completeness}"),
            (Some(completeness), false, true) => {
                format!("rehearsed (--dry-run), {completeness}; nothing published or sent")
            }
            _ => "nothing published".to_owned(),
        };
        format!("roll call {}: {what}", self.run_id)
    }

    fn findings_line(&self) -> String {
        let by_severity: Vec<String> = Severity::ALL
            .iter()
            .rev()
            .filter_map(|severity| {
                let count = self.severities.get(severity.as_str()).filter(|count| **count > 0)?;
                Some(format!("{} {}", thousands(*count), severity.as_str()))
            })
            .collect();
        let total = thousands(self.severities.values().sum());
        let statuses = [FindingStatus::New, FindingStatus::Reopened, FindingStatus::Excepted, FindingStatus::Resolved];
        let counts = statuses.into_iter().filter_map(|status| {
            let count = self.counts.statuses.get(status.as_str())?;
            Some(format!("{} {}", thousands(*count), status.as_str()))
        });
        let counts: Vec<String> = counts.collect();
        let mut line = if by_severity.is_empty() { total } else { format!("{total}: {}", by_severity.join(", ")) };
        if !counts.is_empty() {
            let _ = write!(line, " ({})", counts.join(", "));
        }
        line
    }
}

impl DestinationEnding {
    /// Whether something waits, or could not be read.
    pub fn waits(&self) -> bool {
        self.waiting > 0 || self.error.is_some()
    }

    /// One line for people.
    pub fn in_words(&self) -> String {
        let delivered = format!("{} delivered to {}", thousands(self.delivered), self.destination);
        match &self.error {
            Some(error) => format!("{delivered}, {} wait in the spool: {error}", thousands(self.waiting)),
            None if self.waiting > 0 => format!("{delivered}, {} wait in the spool", thousands(self.waiting)),
            None => delivered,
        }
    }
}

fn source_line(source: &SourceEntry) -> String {
    let mut parts = Vec::new();
    for list in source.lists.iter().filter(|list| list.kind != ListKind::UserDetails) {
        let of = list.expected.map_or_else(String::new, |expected| format!(" of {}", thousands(expected)));
        let kind = list.kind.as_str();
        parts.push(match (&list.coverage, list.distinct) {
            (Coverage::NotOffered, _) => format!("{kind} not offered"),
            (Coverage::Failed { .. }, 0) => format!("{kind} unknown"),
            (_, distinct) => format!("{}{of} {kind}", thousands(distinct)),
        });
    }
    let counts = parts.join(", ");
    match &source.reason {
        None => format!("{}: {counts}, proven complete", source.name),
        Some(reason) => format!("{}: {}: {counts}; {reason}", source.name, source.status.as_str().to_uppercase()),
    }
}

/// `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
