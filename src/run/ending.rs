//! How a run ended: the JSON object of `--json` and the short summary for people are two readings of it. Pure.

use super::exit::Exit;
use super::{Run, RunError, unevaluated};
use crate::describe::RunDescription;
use crate::model::{Completeness, Coverage, FindingStatus, ListKind, Severity, instant_text};
use crate::report::thousands;
use crate::snapshot::manifest::{Counts, RuleEntry, SourceEntry};
use crate::state;
use chrono::{SubsecRound, Utc};
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

/// What came of the stages of a run.
pub(super) struct RunOutcome {
    pub(super) result: Result<Accepted, RunError>,
    /// Sources, as far as they were read.
    pub(super) sources: Vec<SourceEntry>,
    pub(super) destinations: Vec<DestinationEnding>,
    pub(super) pruned: Vec<String>,
}

impl Default for RunOutcome {
    fn default() -> Self {
        let nothing = RunError::AllFailed(String::new());
        Self { result: Err(nothing), sources: Vec::new(), destinations: Vec::new(), pruned: Vec::new() }
    }
}

/// What was accepted, and published unless the run was a rehearsal.
#[derive(Clone, Debug, Default)]
pub(super) struct Accepted {
    completeness: Option<Completeness>,
    is_guarded: bool,
    rules: Vec<RuleEntry>,
    counts: Counts,
    since: String,
    severities: BTreeMap<String, u64>,
    of_sources: Vec<String>,
    pub(super) snapshot: Option<PathBuf>,
    pub(super) report: Option<PathBuf>,
    pub(super) manifest_sha256: Option<String>,
    /// Where events went that could not be released.
    pub(super) unreleased: Vec<DestinationEnding>,
}

impl Accepted {
    pub(super) fn of(facts: &RunDescription<'_>) -> Self {
        let mut severities = BTreeMap::new();
        for finding in facts.findings.iter().filter(|finding| finding.status.is_open()) {
            *severities.entry(finding.severity.as_str().to_owned()).or_insert(0) += 1;
        }
        Self {
            completeness: Some(facts.completeness()),
            is_guarded: !facts.suspects.is_empty(),
            rules: facts.evaluations.iter().map(RuleEntry::of).collect(),
            counts: facts.counts(),
            since: changes_in_words(facts),
            severities,
            of_sources: facts.warnings_of_sources(),
            ..Self::default()
        }
    }
}

fn changes_in_words(facts: &RunDescription<'_>) -> String {
    let Some(base) = &facts.base else {
        return "none known: there is no snapshot before this one, a baseline".to_owned();
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

impl Ending {
    /// Puts together how a run ended.
    pub(super) fn of(run: &Run<'_>, outcome: RunOutcome) -> Self {
        let RunOutcome { result, sources, destinations, pruned } = outcome;
        let failure = result.as_ref().err().map(|error| (error.exit(), format!("failed to {error}"), error.hint()));
        let Accepted {
            completeness,
            is_guarded,
            rules,
            counts,
            since,
            severities,
            of_sources,
            snapshot,
            report,
            manifest_sha256,
            ..
        } = result.unwrap_or_default();
        let warnings = run.notes.borrow().iter().cloned().chain(of_sources).collect();
        let ending = Self {
            exit_code: 0,
            run_id: run.run_id.clone(),
            as_of: instant_text(run.as_of),
            started_at: instant_text(run.started_at),
            finished_at: instant_text(Utc::now().trunc_subsecs(6)),
            dry_run: run.order.dry_run,
            published: snapshot.is_some(),
            completeness,
            snapshot,
            report,
            manifest_sha256,
            sources,
            rules,
            counts,
            since,
            severities,
            destinations,
            pruned,
            warnings,
            error: None,
            hint: None,
        };
        match failure {
            Some((exit, error, hint)) => Self { exit_code: exit.code(), error: Some(error), hint, ..ending },
            None => Self { exit_code: ending.exit(is_guarded, run.order.fail_on).code(), ..ending },
        }
    }

    /// The exit code of a run that was published, or rehearsed.
    fn exit(&self, is_guarded: bool, fail_on: Option<Severity>) -> Exit {
        let reached = |least: Severity| {
            Severity::ALL.iter().any(|s| *s >= least && self.severities.get(s.as_str()).is_some_and(|n| *n > 0))
        };
        let holding = [
            (is_guarded, Exit::Guarded),
            (self.completeness == Some(Completeness::Partial), Exit::Partial),
            (self.destinations.iter().any(DestinationEnding::waits), Exit::Waiting),
            (fail_on.is_some_and(reached), Exit::Findings),
        ];
        Exit::winner(holding.into_iter().filter(|(holds, _)| *holds).map(|(_, exit)| exit))
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
    let SourceEntry { name, known, .. } = source;
    let stand = match known.unconfirmed_rows {
        0 => String::new(),
        rows => {
            let last = known
                .confirmed_at
                .map_or_else(|| "never complete".to_owned(), |at| format!("last complete {}", instant_text(at)));
            format!("; {} known rows unconfirmed, {last}", thousands(rows))
        }
    };
    match &source.reason {
        None => format!("{name}: {counts}, proven complete{stand}"),
        Some(reason) if source.lists.is_empty() => format!("{name}: {reason}{stand}"),
        Some(reason) => format!("{name}: {}: {counts}; {reason}{stand}", source.status.as_str().to_uppercase()),
    }
}
