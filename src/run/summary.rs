//! The summary of a run: the JSON object of `--json` and the text for people.
//!
//! [`RunSummary::of`] is called at the end of a run, with the results of its stages. Pure but for the clock that it
//! reads once.

use super::context::Run;
use super::exit::Exit;
use super::{RunError, unevaluated};
use crate::escape::Lines;
use crate::guard::Suspect;
use crate::model::{Completeness, Coverage, FindingStatus, ListKind, Severity, instant_text};
use crate::report::thousands;
use crate::run_manifest::RunDescription;
use crate::snapshot::manifest::{Counts, PatternEntry, RuleEntry, SourceEntry};
use crate::state;
use chrono::{SubsecRound, Utc};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The result of one run. Instants are RFC 3339 in UTC.
#[derive(Clone, Debug, Serialize)]
pub struct RunSummary {
    /// Exit code of the process.
    pub exit_code: u8,
    /// Id of the run.
    pub run_id: String,
    /// Instant that every age is computed from.
    pub as_of: String,
    /// Wall clock at the start.
    pub started_at: String,
    /// Wall clock at the end.
    pub finished_at: String,
    /// Whether the run was asked to publish nothing (`--dry-run`).
    pub dry_run: bool,
    /// Whether a snapshot was published.
    pub published: bool,
    /// Whether every list was proven complete; absent if nothing was evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completeness: Option<Completeness>,
    /// Folder of the snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<PathBuf>,
    /// Path of the report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<PathBuf>,
    /// SHA-256 of the manifest, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest_sha256: Option<String>,
    /// Result of each source.
    pub sources: Vec<SourceEntry>,
    /// Result of each rule in each source.
    pub rules: Vec<RuleEntry>,
    /// Totals of the snapshot.
    pub counts: Counts,
    /// Changes since the baseline, in words; empty if nothing was evaluated.
    pub since: String,
    /// Number of new, open and reopened findings by severity. Excepted findings are not counted.
    pub severities: BTreeMap<String, u64>,
    /// Result of the delivery to each destination.
    pub destinations: Vec<DestinationSummary>,
    /// What the spool contains after the run; absent if it was not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spool: Option<SpoolSummary>,
    /// Run ids of the snapshots that retention removed.
    pub pruned: Vec<String>,
    /// Matches of every pattern of the configuration.
    pub patterns: Vec<PatternEntry>,
    /// What the operator has to act on.
    pub warnings: Vec<String>,
    /// Facts that need no action.
    pub notes: Vec<String>,
    /// Why nothing was published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the operator can do about the error, or about a source that a guard set aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The result of the delivery to one destination.
#[derive(Clone, Debug, Serialize)]
pub struct DestinationSummary {
    /// Address of the destination.
    pub destination: String,
    /// Events whose delivery is proven; on UDP and datagram sockets, events that were sent.
    pub delivered: u64,
    /// Events that are queued and not yet delivered.
    pub waiting: u64,
    /// Events that the receiver can never accept. They left the queue and are kept as dead letters.
    pub dead: u64,
    /// Why events remain queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl DestinationSummary {
    /// Adds what was delivered to this destination at the start of the run.
    pub(super) fn add(&mut self, early: &[Self]) {
        for other in early.iter().filter(|other| other.destination == self.destination) {
            self.delivered += other.delivered;
            self.dead += other.dead;
        }
    }
}

/// What the spool contains.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct SpoolSummary {
    /// Size of its files in octets.
    pub octets: u64,
    /// Limit in octets (`spool.max_mb`). A run that reaches it publishes nothing.
    pub limit_octets: u64,
    /// Files that cannot be sent: damaged ones, which were set aside as `*.damaged`, and unreadable ones.
    pub damaged: u64,
    /// Runs whose events have been queued for more than `spool.max_days` days.
    pub overdue_runs: u64,
    /// Days since the oldest run with queued events started; absent if none is queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_days: Option<u64>,
}

/// The results of the stages.
pub(super) struct RunOutcome {
    pub(super) result: Result<Publication, RunError>,
    /// Result of each source that was read, also if the run failed later.
    pub(super) sources: Vec<SourceEntry>,
    pub(super) destinations: Vec<DestinationSummary>,
    pub(super) spool: Option<SpoolSummary>,
    pub(super) pruned: Vec<String>,
}

impl Default for RunOutcome {
    fn default() -> Self {
        // A placeholder for "nothing is published yet". The first stage that ends replaces it.
        let unpublished = RunError::AllFailed(String::new());
        Self {
            result: Err(unpublished),
            sources: Vec::new(),
            destinations: Vec::new(),
            spool: None,
            pruned: Vec::new(),
        }
    }
}

/// What was published, or what a dry run would have published.
#[derive(Clone, Debug, Default)]
pub(super) struct Publication {
    completeness: Option<Completeness>,
    suspects: Vec<Suspect>,
    rules: Vec<RuleEntry>,
    patterns: Vec<PatternEntry>,
    counts: Counts,
    since: String,
    severities: BTreeMap<String, u64>,
    source_warnings: Vec<String>,
    source_notes: Vec<String>,
    pub(super) snapshot: Option<PathBuf>,
    pub(super) report: Option<PathBuf>,
    pub(super) manifest_sha256: Option<String>,
    /// Destinations whose events could not be released; empty if all were.
    pub(super) unreleased: Vec<DestinationSummary>,
}

impl Publication {
    pub(super) fn of(facts: &RunDescription<'_>) -> Self {
        let mut severities = BTreeMap::new();
        // Excepted findings are accepted: they must not trigger --fail-on.
        for finding in facts.findings.iter().filter(|finding| finding.status.is_open()) {
            *severities.entry(finding.severity.as_str().to_owned()).or_insert(0) += 1;
        }
        Self {
            completeness: Some(facts.completeness()),
            suspects: facts.suspects.to_vec(),
            rules: facts.evaluations.iter().map(RuleEntry::of).collect(),
            patterns: facts.patterns.clone(),
            counts: facts.counts(),
            since: changes_in_words(facts),
            severities,
            source_warnings: facts.warnings_of_sources(),
            source_notes: facts.notes_of_sources(),
            ..Self::default()
        }
    }
}

fn changes_in_words(facts: &RunDescription<'_>) -> String {
    let Some(base) = &facts.base else {
        return "none: this is the first snapshot, a baseline for the next run".to_owned();
    };
    let run_id = &base.run_id;
    let kinds = state::counts(facts.changes);
    let all: u64 = kinds.iter().map(|(_, count)| count).sum();
    let kinds: Vec<String> =
        kinds.iter().map(|(kind, count)| format!("{} {}", thousands(*count), kind.as_str())).collect();
    if all == 0 {
        format!("none since {run_id}")
    } else {
        format!("{} since {run_id}: {}", thousands(all), kinds.join(", "))
    }
}

impl RunSummary {
    /// Returns the summary of a run from the results of its stages.
    pub(super) fn of(run: &Run<'_>, outcome: RunOutcome) -> Self {
        let RunOutcome { result, sources, destinations, spool, pruned } = outcome;
        let failure = result.as_ref().err().map(|error| (error.exit(), error.message(), run.hint(error)));
        let Publication {
            completeness,
            suspects,
            rules,
            patterns,
            counts,
            since,
            severities,
            source_warnings,
            source_notes,
            snapshot,
            report,
            manifest_sha256,
            ..
        } = result.unwrap_or_default();
        let warnings = run.warnings.borrow().iter().cloned().chain(source_warnings).collect();
        let notes = run.notes.borrow().iter().cloned().chain(source_notes).collect();
        let summary = Self {
            exit_code: 0,
            run_id: run.run_id.clone(),
            as_of: instant_text(run.as_of),
            started_at: instant_text(run.started_at),
            finished_at: instant_text(Utc::now().trunc_subsecs(6)),
            dry_run: run.request.dry_run,
            published: snapshot.is_some(),
            completeness,
            snapshot,
            report,
            manifest_sha256,
            sources,
            rules,
            patterns,
            counts,
            since,
            severities,
            destinations,
            spool,
            pruned,
            warnings,
            notes,
            error: None,
            hint: None,
        };
        if let Some((exit, error, hint)) = failure {
            return Self { exit_code: exit.code(), error: Some(error), hint, ..summary };
        }
        let exit_code = summary.exit(!suspects.is_empty(), run.request.fail_on).code();
        let hint = (!suspects.is_empty()).then(|| run.answer_to_guard(&suspects));
        Self { exit_code, hint, ..summary }
    }

    /// Returns the exit code of a run without an error.
    fn exit(&self, is_guarded: bool, fail_on: Option<Severity>) -> Exit {
        let reached = |least: Severity| {
            Severity::ALL.iter().any(|s| *s >= least && self.severities.get(s.as_str()).is_some_and(|n| *n > 0))
        };
        let applying = [
            (is_guarded, Exit::Guarded),
            (self.completeness == Some(Completeness::Partial), Exit::Partial),
            (self.destinations.iter().any(DestinationSummary::is_incomplete), Exit::Waiting),
            (self.spool.is_some_and(|spool| spool.damaged > 0), Exit::Waiting),
            (fail_on.is_some_and(reached), Exit::Findings),
        ];
        Exit::winner(applying.into_iter().filter(|(applies, _)| *applies).map(|(_, exit)| exit))
    }

    /// Returns the summary for people, one fact a line.
    pub fn in_words(&self) -> Lines {
        let mut text = Lines::default();
        text.line(self.headline());
        for source in &self.sources {
            text.line(format_args!("  {:<10} {}", "source", source_line(source)));
        }
        if self.completeness.is_some() {
            text.line(format_args!("  {:<10} {}", "findings", self.findings_line()));
            text.line(format_args!("  {:<10} {}", "changes", self.since));
            for line in unevaluated::lines(&self.sources, &self.rules) {
                text.line(format_args!("  {:<10} {line}", "unknown"));
            }
        }
        for (name, path) in [("snapshot", &self.snapshot), ("report", &self.report)] {
            if let Some(path) = path {
                text.line(format_args!("  {name:<10} {}", path.display()));
            }
        }
        for destination in &self.destinations {
            text.line(format_args!("  {:<10} {}", "events", destination.in_words()));
        }
        if let Some(line) = self.spool.and_then(SpoolSummary::in_words) {
            text.line(format_args!("  {:<10} {line}", "spool"));
        }
        if !self.pruned.is_empty() {
            text.line(format_args!("  {:<10} {} removed by retention", "pruned", self.pruned.len()));
        }
        for warning in &self.warnings {
            text.line(format_args!("  {:<10} {warning}", "warning"));
        }
        if let Some(hint) = &self.hint {
            text.line(format_args!("  {:<10} {hint}", "next"));
        }
        text
    }

    /// Returns the summary without warnings and hint, for readers who have the log in front of them.
    pub fn in_words_next_to_log(&self) -> Lines {
        Self { warnings: Vec::new(), hint: None, ..self.clone() }.in_words()
    }

    fn headline(&self) -> String {
        let result = match (self.completeness.map(Completeness::as_str), self.published, self.dry_run) {
            (Some(completeness), true, _) => format!("published, {completeness}"),
            (Some(completeness), false, true) => {
                format!("dry run, {completeness}; nothing published or sent")
            }
            _ => "nothing published".to_owned(),
        };
        format!("run {}: {result}", self.run_id)
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
            line = format!("{line} ({})", counts.join(", "));
        }
        line
    }
}

impl SpoolSummary {
    /// Returns one line for people; `None` if every file can be sent.
    pub fn in_words(self) -> Option<String> {
        let noun = if self.damaged == 1 { "file" } else { "files" };
        (self.damaged > 0)
            .then(|| format!("{} {noun} in the spool cannot be sent; see the warnings", thousands(self.damaged)))
    }
}

impl DestinationSummary {
    /// Checks whether events are queued or dead, or their number is unknown because of an error.
    pub fn is_incomplete(&self) -> bool {
        self.waiting > 0 || self.dead > 0 || self.error.is_some()
    }

    /// Returns one line for people.
    pub fn in_words(&self) -> String {
        let dead = match self.dead {
            0 => String::new(),
            dead => format!(", {} refused for ever and kept as dead letters", thousands(dead)),
        };
        let delivered = format!("{} delivered to {}{dead}", thousands(self.delivered), self.destination);
        match &self.error {
            Some(error) => format!("{delivered}, {} queued and not yet delivered: {error}", thousands(self.waiting)),
            None if self.waiting > 0 => {
                format!("{delivered}, {} queued and not yet delivered", thousands(self.waiting))
            }
            None => delivered,
        }
    }
}

fn source_line(source: &SourceEntry) -> String {
    let mut parts = Vec::new();
    // User details are read for users that are counted already.
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
    let SourceEntry { name, known, .. } = source;
    let unconfirmed = match known.unconfirmed_rows {
        0 => String::new(),
        rows => {
            let last = known
                .confirmed_at
                .map_or_else(|| "never proven complete".to_owned(), |at| format!("last complete {}", instant_text(at)));
            let noun = if rows == 1 { "row" } else { "rows" };
            format!("; {} {noun} kept from earlier runs, {last}", thousands(rows))
        }
    };
    match &source.reason {
        None => format!("{name}: {counts}, proven complete{unconfirmed}"),
        Some(reason) if source.lists.is_empty() => format!("{name}: {reason}{unconfirmed}"),
        Some(reason) => format!("{name}: {}: {counts}; {reason}{unconfirmed}", source.status.as_str().to_uppercase()),
    }
}
