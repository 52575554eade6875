//! The events of a run: queues them in the spool and delivers what is queued.
//!
//! Chooses which events each destination gets and collects their facts. The wire format is in `syslog`.

use super::context::Run;
use super::overdue::Overdue;
use super::purge;
use super::{DestinationSummary, RunError, SpoolSummary};
use crate::config::Config;
use crate::event::Observer;
use crate::guard::Suspect;
use crate::lifecycle::Occasion;
use crate::model::{
    AccountStanding, Change, ChangeKind, Finding, Inventory, SourceInventory, SourceStatus, SubjectKind, instant_text,
};
use crate::rules;
use crate::run_manifest::{Origin, RunDescription};
use crate::snapshot::manifest::{Manifest, SourceEntry};
use crate::syslog::Destination;
use crate::syslog::deliver::{Delivered, Delivery, deliver};
use crate::syslog::facts::{Completed, FindingFacts, Purged, RunFacts, SourceFacts, SourceRows, SuspectFacts};
use crate::syslog::format::Sender;
use crate::syslog::groups::GroupNames;
use crate::syslog::message::{Message, of_failed, of_published, of_suspect};
use crate::syslog::session::Timing;
use crate::syslog::spool::{Batch, Spool, SpoolError, SpoolSize, Staged, waiting_runs};
use ahash::AHashMap;
use chrono::{SubsecRound, TimeDelta, Utc};

/// Part of the spool's limit from which on every run warns. Half of it leaves weeks to repair a receiver.
const WARN_PERCENT: u64 = 50;
/// Largest number of files of the spool that warnings name.
const MAX_DAMAGED: usize = 10;

/// Returns the sender for the header of syslog messages: the host and this process.
pub fn sender(origin: &Origin) -> Sender {
    Sender { host: origin.host.clone(), pid: std::process::id() }
}

/// Stages the events of a run that is about to be published. [`Staged::commit`] releases them after the publication.
pub(super) fn stage_completed(
    run: &Run<'_>,
    facts: &RunDescription<'_>,
    manifest: &Manifest,
    manifest_sha256: &str,
    spool: &Spool,
) -> Result<Staged, RunError> {
    let mut of_run = run_facts(run, &manifest.sources);
    of_run.previous = manifest.base.as_ref().map(|base| base.run_id.clone());
    of_run.previous_started_at = facts.base_started_at;
    count_rows(&mut of_run.sources, facts.inventory);
    let removed = removed_accounts(facts.changes);
    let suspects: Vec<SuspectFacts> = facts.suspects.iter().map(suspect_facts).collect();
    // Without a destination nothing is queued, so a full spool of earlier destinations must not fail the run.
    if !run.request.config.destinations.is_empty() {
        spool.check_room()?;
    }
    let pending = spool.pending()?;
    let mut completed = Completed {
        completeness: manifest.completeness,
        manifest_sha256: manifest_sha256.to_owned(),
        accounts: manifest.counts.users,
        groups: manifest.counts.groups,
        changes: manifest.counts.changes.clone(),
        findings: manifest.counts.findings.clone(),
        redelivered: 0,
        spool_percent: spool.size()?.percent(),
        damaged_batches: pending.damaged.len() as u64,
        dead_letters: run.dead_letters(spool),
        purged: run.purged(spool)?,
    };
    let mut staged = spool.stage(&run.run_id);
    let sender = sender(&run.origin);
    for destination in &run.request.config.destinations {
        let waiting = pending.batches.iter().filter(|batch| batch.destination == destination.url());
        completed.redelivered = waiting.map(Batch::waiting).sum();
        let sent = |finding| {
            let occasion = destination.send().occasion(finding, facts.past, facts.as_of)?;
            Some(finding_facts(facts, &removed, finding, occasion))
        };
        let mut findings: Vec<FindingFacts<'_>> = facts.findings.iter().filter_map(sent).collect();
        findings.sort_by_key(|finding| place_of(finding.occasion));
        let messages = of_published(&of_run, facts.changes, &findings, &suspects, &completed).zip(1..);
        let frames = messages.map(|(message, sequence)| destination.render(&sender, &message, sequence));
        staged.write(destination.url(), frames)?;
    }
    Ok(staged)
}

/// Returns the place of findings among those of a run: first what is over, then what is new, and what is known last.
fn place_of(occasion: Occasion) -> u8 {
    match occasion {
        Occasion::Resolved => 0,
        Occasion::Opened => 1,
        Occasion::Reopened => 2,
        Occasion::Changed => 3,
        Occasion::Excepted => 4,
        Occasion::Reminder => 5,
    }
}

/// Returns the facts of a run without a baseline.
fn run_facts(run: &Run<'_>, sources: &[SourceEntry]) -> RunFacts {
    let sources = sources.iter().map(|source| SourceFacts {
        name: source.name.clone(),
        kind: source.kind.clone(),
        host: source.identity().host().to_owned(),
        status: source.status,
        reason: source.reason.clone(),
        rows: None,
        confirmed_at: source.known.confirmed_at.map(instant_text),
        unconfirmed_since: source
            .known
            .confirmed_at
            .filter(|_| source.status != SourceStatus::Complete)
            .map(instant_text),
        unconfirmed_rows: source.known.unconfirmed_rows,
    });
    RunFacts {
        run_id: run.run_id.clone(),
        as_of: run.as_of,
        started_at: run.started_at,
        now: Utc::now().trunc_subsecs(3),
        host: run.origin.host.clone(),
        sources: sources.collect(),
        config_sha256: run.request.config.sha256.clone(),
        previous: None,
        previous_started_at: None,
        next_run_expected: Some(run.started_at + TimeDelta::hours(i64::from(run.request.config.run_every_hours))),
    }
}

/// Sets the number of rows of each source in the snapshot.
fn count_rows(sources: &mut [SourceFacts], inventory: &Inventory) {
    for source in sources {
        let is_it = |source_inventory: &&SourceInventory| source_inventory.reading.source.name.as_str() == source.name;
        source.rows = inventory.sources.iter().find(is_it).map(|source_inventory| SourceRows {
            accounts: source_inventory.reading.users.len() as u64,
            groups: source_inventory.reading.groups.len() as u64,
            memberships: source_inventory.memberships.len() as u64,
        });
    }
}

/// Removed accounts by source and id, with their last known standing.
type RemovedAccounts<'a> = AHashMap<(&'a str, &'a str), &'a AccountStanding>;

fn removed_accounts(changes: &[Change]) -> RemovedAccounts<'_> {
    let removed = changes.iter().filter(|change| change.kind == ChangeKind::UserRemoved);
    removed
        .filter_map(|change| Some(((change.source.as_str(), &*change.subject.id), change.account.as_deref()?)))
        .collect()
}

fn finding_facts<'a>(
    facts: &'a RunDescription<'_>,
    removed: &RemovedAccounts<'_>,
    finding: &'a Finding,
    occasion: Occasion,
) -> FindingFacts<'a> {
    let is_of_account = finding.subject.kind == SubjectKind::User;
    let key = (finding.source.as_str(), &*finding.subject.id);
    let last_known = || removed.get(&key).filter(|_| is_of_account).map(|account| (*account).clone());
    FindingFacts {
        finding,
        occasion,
        previous_severity: facts.past.previous_severity(finding),
        rule_title: rules::title_of(finding.rule, &facts.config.policy),
        account: facts.inventory.standing_of(&finding.source, &finding.subject).or_else(last_known),
        groups: GroupNames::of(finding, |id| facts.inventory.group_name(&finding.source, id)),
    }
}

fn suspect_facts(suspect: &Suspect) -> SuspectFacts {
    SuspectFacts {
        source: suspect.source.to_string(),
        list: suspect.list.as_str(),
        before: suspect.before,
        now: suspect.now,
        gone: suspect.gone,
        limit_percent: suspect.max_shrink_percent,
        reason: suspect.to_string(),
    }
}

/// Returns a summary for every configured destination in which this error kept events queued. Their number is unknown:
/// 0.
pub(super) fn all_waiting(run: &Run<'_>, error: &str) -> Vec<DestinationSummary> {
    let waiting = |destination: &Destination| DestinationSummary {
        destination: destination.url().to_owned(),
        delivered: 0,
        waiting: 0,
        dead: 0,
        error: Some(error.to_owned()),
    };
    run.request.config.destinations.iter().map(waiting).collect()
}

impl Run<'_> {
    /// Returns how many events an operator threw away since the last `run.completed`, and notes that this run reports it.
    fn purged(&self, spool: &Spool) -> Result<Purged, RunError> {
        let config = self.request.config;
        let purged = match purge::settled(spool, config) {
            Ok(purged) => purged,
            Err(error) => {
                self.warn(error.message());
                return Ok(Purged::default());
            }
        };
        let total = purged.total();
        if !config.destinations.is_empty() {
            purged.report(&config.state_dir, &self.run_id)?;
        }
        Ok(total)
    }

    /// Returns the number of dead letters; `None` if they cannot be read.
    fn dead_letters(&self, spool: &Spool) -> Option<u64> {
        let counted = spool.count_dead_letters();
        counted.map_err(|error| self.warn(format!("failed to {error}; run.completed does not count dead letters"))).ok()
    }

    /// Queues `run.failed`, or a `run.suspect` for each suspicious list. If the spool fails too, that is only a note:
    /// the run has its exit code already.
    pub(super) fn report_failure(&self, error: &RunError, sources: &[SourceEntry], spool: &Spool) {
        let facts = run_facts(self, sources);
        let suspects: Vec<SuspectFacts> = match error {
            RunError::Suspect(suspects) => suspects.iter().map(suspect_facts).collect(),
            _ => Vec::new(),
        };
        let reason = error.message();
        // A guard has an event of its own for each list, with the numbers that an operator needs.
        let messages = match error {
            RunError::Suspect(_) => suspects.iter().map(|suspect| of_suspect(&facts, suspect)).collect(),
            _ => vec![of_failed(&facts, &reason)],
        };
        if let Err(error) = self.queue(&messages, spool) {
            self.warn(format!("failed to {error}; no event of this run will be sent to a SIEM"));
        }
    }

    fn queue(&self, messages: &[Message<'_>], spool: &Spool) -> Result<(), SpoolError> {
        let mut staged = spool.stage(&self.run_id);
        let sender = sender(&self.origin);
        for destination in &self.request.config.destinations {
            let frames = messages.iter().zip(1..).map(|(message, number)| destination.render(&sender, message, number));
            staged.write(destination.url(), frames)?;
        }
        staged.commit()
    }

    /// Delivers what is queued before anything is read if the spool is full, because the run could publish nothing then.
    pub(super) fn make_room(&self, spool: &Spool) -> Vec<DestinationSummary> {
        if self.request.config.destinations.is_empty() || spool.check_room().is_ok() {
            return Vec::new();
        }
        self.deliver(spool).destinations
    }

    /// Delivers what is queued. After a request to stop no session starts; the events stay queued for the next run.
    pub(super) fn deliver(&self, spool: &Spool) -> Drained {
        let is_stopped = || self.stop.requested_by().is_some();
        match drain(self.request.config, spool, self.observer.as_ref(), &is_stopped) {
            Ok(drained) => {
                // A run whose spool is full delivers twice, and each warning is said once.
                let is_new = |warning: &&String| !self.warnings.borrow().contains(warning);
                drained.warnings.iter().filter(is_new).for_each(|warning| self.warn(warning.clone()));
                drained
            }
            Err(error) => {
                self.warn(format!("failed to {error}"));
                Drained::failed(self, &error.to_string())
            }
        }
    }
}

/// The result of the delivery, and what it left in the spool.
#[derive(Debug, Default)]
pub struct Drained {
    /// Result for each destination.
    pub destinations: Vec<DestinationSummary>,
    /// What the spool contains now; `None` if it could not be looked at.
    pub spool: Option<SpoolSummary>,
    /// What the operator has to act on.
    pub warnings: Vec<String>,
}

impl Drained {
    /// Returns the result where this error kept all events queued.
    pub(super) fn failed(run: &Run<'_>, error: &str) -> Self {
        Self { destinations: all_waiting(run, error), ..Self::default() }
    }
}

/// Delivers the queued events to the configured destinations. Returns a summary of each, and the state of the spool.
pub fn drain(
    config: &Config,
    spool: &Spool,
    observer: &dyn Observer,
    is_stopped: &dyn Fn() -> bool,
) -> Result<Drained, SpoolError> {
    let settled = purge::settled(spool, config);
    let delivery = deliver(spool, &config.destinations, &Timing::default(), observer, is_stopped)?;
    let size = spool.size()?;
    let overdue = Overdue::of(&waiting_runs(&config.state_dir)?, config.spool.max_days, Utc::now());
    let summary = |Delivered { destination, delivered, waiting, dead, error }| DestinationSummary {
        destination,
        delivered,
        waiting,
        dead,
        error,
    };
    Ok(Drained {
        warnings: spool_warnings(spool, &delivery, size)
            .into_iter()
            .chain(overdue.warning())
            .chain(settled.err().map(|error| error.message()))
            .collect(),
        spool: Some(SpoolSummary {
            octets: size.octets,
            limit_octets: size.limit,
            damaged: delivery.damaged.len() as u64,
            overdue_runs: overdue.runs,
            oldest_days: overdue.oldest_days,
        }),
        destinations: delivery.destinations.into_iter().map(summary).collect(),
    })
}

/// Returns the warnings about damaged files and dead letters, and about a spool that fills up long before it is full.
fn spool_warnings(spool: &Spool, delivery: &Delivery, size: SpoolSize) -> Vec<String> {
    let shown = delivery.damaged.iter().take(MAX_DAMAGED).map(|error| format!("failed to {error}"));
    let mut warnings: Vec<String> = shown.collect();
    if let Some(more @ 1..) = delivery.damaged.len().checked_sub(MAX_DAMAGED) {
        warnings.push(format!("{more} more files in the spool cannot be sent"));
    }
    for Delivered { destination, dead, .. } in delivery.destinations.iter().filter(|result| result.dead > 0) {
        let (noun, folder) = (if *dead == 1 { "event" } else { "events" }, spool.dead_letters());
        warnings.push(format!(
            "{destination} refused {dead} {noun} for ever; each is kept with the reason in {}. Repair the receiver or its \
             mapping, then send them by hand if they are needed",
            folder.display()
        ));
    }
    if size.percent() >= WARN_PERCENT {
        let waiting = delivery.destinations.iter().filter(|destination| destination.error.is_some());
        let waiting: Vec<&str> = waiting.map(|destination| destination.destination.as_str()).collect();
        let of = if waiting.is_empty() { String::new() } else { format!(", with events for {}", waiting.join(", ")) };
        warnings.push(format!(
            "the spool is {} % full ({} of {} MiB){of}; repair the receiver and run `bt-rollcall emit`, or throw \
             away events that are not needed with `bt-rollcall spool purge`. When it is full, runs publish nothing (exit 5)",
            size.percent(),
            size.octets >> 20,
            size.limit >> 20
        ));
    }
    warnings
}
