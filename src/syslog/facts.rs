//! The facts of a run that events contain. Plain data.
//!
//! `run::notify` collects them; `message` chooses those of an event, and `ecs` renders them.

use super::groups::GroupNames;
use crate::lifecycle::Occasion;
use crate::model::{AccountStanding, Completeness, Finding, Instant, Severity, SourceStatus};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The facts of a source for events.
#[derive(Clone, Debug)]
pub struct SourceFacts {
    /// Name of the source.
    pub name: String,
    /// Kind of the source, such as `rest-v3`.
    pub kind: String,
    /// Host of the address of the source, without its port.
    pub host: String,
    /// Result of reading the source.
    pub status: SourceStatus,
    /// Why the source is not complete; `None` if it is.
    pub reason: Option<String>,
    /// Number of rows in the snapshot; `None` if nothing was published.
    pub rows: Option<SourceRows>,
    /// Instant at which the source was last proven complete, RFC 3339.
    pub confirmed_at: Option<String>,
    /// Since when no run proved the source complete: `confirmed_at` of a source that is not complete. `None` if it is
    /// complete, and if it never was.
    pub unconfirmed_since: Option<String>,
    /// Number of rows that are kept from earlier runs and that this run did not confirm.
    pub unconfirmed_rows: u64,
}

/// Number of rows of a source in the snapshot.
#[derive(Clone, Copy, Debug)]
pub struct SourceRows {
    /// Number of accounts.
    pub accounts: u64,
    /// Number of groups.
    pub groups: u64,
    /// Number of memberships.
    pub memberships: u64,
}

/// A finding that is sent, and what its event says besides.
#[derive(Clone, Debug)]
pub struct FindingFacts<'a> {
    /// The finding.
    pub finding: &'a Finding,
    /// Why it is sent in this run.
    pub occasion: Occasion,
    /// Severity in the baseline, if the finding has another one now.
    pub previous_severity: Option<Severity>,
    /// Title of the rule for people.
    pub rule_title: Cow<'a, str>,
    /// Standing of the account; `None` if the subject is no account or no record of it is known.
    pub account: Option<AccountStanding>,
    /// Groups that a finding about an account is about.
    pub groups: GroupNames,
}

/// A list that a guard objects to.
#[derive(Clone, Debug)]
pub struct SuspectFacts {
    /// Name of the source.
    pub source: String,
    /// Kind of the list.
    pub list: &'static str,
    /// Number of known rows; `None` if the list was never proven complete.
    pub before: Option<u64>,
    /// Number of rows in this run.
    pub now: u64,
    /// Number of known rows that are missing now.
    pub gone: u64,
    /// Limit that the list exceeds, in percent of the known rows.
    pub limit_percent: u8,
    /// The objection in words.
    pub reason: String,
}

impl SuspectFacts {
    /// Returns the missing rows in percent of the known ones, rounded down; `None` if their number is unknown or 0.
    pub fn gone_percent(&self) -> Option<u64> {
        self.gone.saturating_mul(100).checked_div(self.before?)
    }
}

/// Facts of a run that every event can contain.
#[derive(Clone, Debug)]
pub struct RunFacts {
    /// Id of the run.
    pub run_id: String,
    /// Instant that every age is computed from.
    pub as_of: Instant,
    /// Wall clock at the start of the run.
    pub started_at: Instant,
    /// Wall clock when the events are created: their time.
    pub now: Instant,
    /// Name of the host that runs the program.
    pub host: String,
    /// Facts of every configured source.
    pub sources: Vec<SourceFacts>,
    /// SHA-256 of the configuration file, hexadecimal.
    pub config_sha256: String,
    /// Id of the baseline's run; `None` for a first snapshot and for a run that published nothing.
    pub previous: Option<String>,
    /// Start of the baseline's run.
    pub previous_started_at: Option<Instant>,
    /// When the scheduler is expected to start the next run; `None` for a test.
    pub next_run_expected: Option<Instant>,
}

impl RunFacts {
    /// Returns the facts of a test, which belongs to no run.
    pub fn of_test(host: &str, now: Instant) -> Self {
        Self {
            run_id: "test".to_owned(),
            as_of: now,
            started_at: now,
            now,
            host: host.to_owned(),
            sources: Vec::new(),
            config_sha256: String::new(),
            previous: None,
            previous_started_at: None,
            next_run_expected: None,
        }
    }
}

/// The result of a run that published a snapshot.
#[derive(Clone, Debug)]
pub struct Completed {
    /// Whether every list was proven complete.
    pub completeness: Completeness,
    /// SHA-256 of the manifest, hexadecimal. In the SIEM it proves later that the snapshot is unchanged.
    pub manifest_sha256: String,
    /// Number of users in the snapshot.
    pub accounts: u64,
    /// Number of groups in the snapshot.
    pub groups: u64,
    /// Number of changes by kind.
    pub changes: BTreeMap<String, u64>,
    /// Number of findings by rule.
    pub findings: BTreeMap<String, u64>,
    /// Number of events of earlier runs that are queued and sent before this one.
    pub redelivered: u64,
    /// How full the spool was before this run, in percent of its limit.
    pub spool_percent: u64,
    /// Number of files in the spool that cannot be sent.
    pub damaged_batches: u64,
    /// Number of dead letters in the state folder; `None` if they cannot be read.
    pub dead_letters: Option<u64>,
    /// Events that an operator threw away since the last `run.completed`.
    pub purged: Purged,
}

/// Undelivered events that an operator threw away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Number of events of whole batches.
    pub events: u64,
    /// Number of damaged batches, whose number of events is unknown.
    pub damaged_batches: u64,
}
