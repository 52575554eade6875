//! The run: the stages in order. The only module that knows the order, and the only one that turns results into exit codes.
//!
//! ```text
//! lock -> clean up after killed runs -> collect -> join, compare with the base, judge, remember -> guards
//!      -> stage tables and report -> seal (manifest last) -> spool the events
//!      -> publish (one rename) -> release the spool -> deliver -> prune -> metrics
//! ```
//!
//! Outside effects come last, and events are on the disk before the snapshot is visible: a kill at any moment leaves either
//! no snapshot and no event, or a whole snapshot whose events the next run delivers.

mod collect;
mod compare;
mod describe;
mod ending;
mod exit;
mod guard;
mod lived;
mod memory;
mod metrics;
pub mod page;
mod parameters;
mod publish;
pub mod stop;
mod tell;
mod unevaluated;
pub mod watch;

pub use describe::Origin;
pub use ending::{DestinationEnding, Ending, thousands};
pub use exit::Exit;
pub use guard::Suspect;
pub use tell::{drain, sender};

use crate::clocks::Clocks;
use crate::config::{Config, ConfigError, Problem};
use crate::diff::{Heard, Side, Since};
use crate::event::{Event, Observer};
use crate::exceptions::Use;
use crate::lifecycle::Past;
use crate::model::{
    Completeness, Finding, Instant, Inventory, Roll, Severity, SourceName, SourceStatus, Verdict, instant_text,
};
use crate::rules::{self, Before};
use crate::snapshot::retention::{self, Plan, Terms};
use crate::snapshot::{self, LockedStore, Published, SnapshotError, Store};
use crate::source::SourceSettings;
use crate::syslog::spool::{self, Spool, SpoolError};
use chrono::{SubsecRound, Utc};
use collect::CollectError;
use compare::Opened;
use describe::Facts;
use memory::Memory;
use std::collections::BTreeMap;
use std::sync::Arc;
use stop::Stop;

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Which of its sources.
    pub sources: Vec<&'a SourceSettings>,
    /// The instant of all ages; the start where there is none.
    pub as_of: Option<Instant>,
    /// Publish and send nothing.
    pub dry_run: bool,
    /// Findings of this severity or above end the run with [`Exit::Findings`].
    pub fail_on: Option<Severity>,
    /// Publish although a guard objects.
    pub allow_shrink: bool,
}

impl<'a> Order<'a> {
    /// Everything that the configuration names, by its defaults.
    pub fn of(config: &'a Config) -> Self {
        let sources = config.sources.iter().collect();
        Self { config, sources, as_of: None, dry_run: false, fail_on: None, allow_shrink: false }
    }

    /// Only these sources. Errors: a name that the configuration does not know.
    pub fn only(mut self, names: &[String]) -> Result<Self, ConfigError> {
        if names.is_empty() {
            return Ok(self);
        }
        let known: Vec<&str> = self.config.sources.iter().map(|s| s.identity.name.as_str()).collect();
        if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
            let text = format!("there is no source {unknown:?}; the configuration has {}", known.join(", "));
            let problem = Problem { key: "--source".to_owned(), text };
            return Err(ConfigError { path: Some(self.config.path.clone()), problems: vec![problem] });
        }
        self.sources.retain(|source| names.iter().any(|name| name == source.identity.name.as_str()));
        Ok(self)
    }

    /// Names of the configured sources that it leaves out.
    fn omitted(&self) -> Vec<String> {
        let read = |name: &SourceName| self.sources.iter().any(|source| source.identity.name == *name);
        let configured = self.config.sources.iter().map(|source| &source.identity.name);
        configured.filter(|name| !read(name)).map(ToString::to_string).collect()
    }
}

/// Why nothing was published. Texts fit after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The disk, or another run.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// No harvests.
    #[error(transparent)]
    Collect(#[from] CollectError),
    /// Every source failed.
    #[error("read any source: {0}")]
    AllFailed(String),
    /// A guard.
    #[error("trust the sources: {}", list(.0))]
    Suspect(Vec<Suspect>),
    /// The report.
    #[error("render the report: {0}")]
    Report(String),
}

fn list(suspects: &[Suspect]) -> String {
    suspects.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl RunError {
    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Snapshot(SnapshotError::Busy { .. }) => Exit::Locked,
            Self::Suspect(_) => Exit::Guarded,
            _ => Exit::NothingPublished,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Snapshot(error) => error.hint().map(str::to_owned),
            Self::Suspect(_) => Some(
                "if it is true, confirm it once with --allow-shrink; if not, check the rights of the API account. \
                 The last good snapshot stands"
                    .to_owned(),
            ),
            Self::Collect(CollectError::Stopped(_)) => Some("nothing was lost; run it again".to_owned()),
            _ => None,
        }
    }
}

/// One run on its way.
#[expect(clippy::struct_field_names, reason = "run_id is the word for it everywhere")]
struct Run<'a> {
    order: &'a Order<'a>,
    observer: &'a Arc<dyn Observer>,
    stop: &'a Stop,
    origin: Origin,
    run_id: String,
    started_at: Instant,
    as_of: Instant,
}

/// What was read and what it means.
struct Judged {
    inventory: Inventory,
    findings: Vec<Finding>,
    past: Past,
    clocks: Clocks,
    heard: Heard,
    uses: Vec<Use>,
    verdicts: Vec<Verdict>,
    since: Since,
}

/// Runs once. Never fails: how it ended says it all.
pub fn run(order: &Order<'_>, observer: &Arc<dyn Observer>, stop: &Stop) -> Ending {
    let started_at = Utc::now().trunc_subsecs(6);
    let as_of = order.as_of.unwrap_or(started_at.trunc_subsecs(0));
    let run_id = snapshot::run_id(started_at, fastrand::u16(..0xf000));
    let mut run = Run { order, observer, stop, origin: Origin::of_this_process(), run_id, started_at, as_of };
    let mut ending = run.begun();
    let result = if order.dry_run { run.rehearse(&mut ending) } else { run.perform(&mut ending) };
    ending.finished_at = instant_text(Utc::now().trunc_subsecs(6));
    match &result {
        Ok(()) => ending.settle(order.fail_on),
        Err(error) => {
            ending.exit_code = error.exit().code();
            ending.error = Some(format!("failed to {error}"));
            ending.hint = error.hint();
        }
    }
    if !matches!(result, Err(RunError::Snapshot(SnapshotError::Busy { .. }))) {
        run.write_metrics(&mut ending);
    }
    ending
}

impl Run<'_> {
    fn begun(&self) -> Ending {
        Ending {
            exit_code: 0,
            run_id: self.run_id.clone(),
            as_of: instant_text(self.as_of),
            started_at: instant_text(self.started_at),
            finished_at: instant_text(self.started_at),
            dry_run: self.order.dry_run,
            published: false,
            completeness: None,
            snapshot: None,
            report: None,
            manifest_sha256: None,
            sources: Vec::new(),
            rules: Vec::new(),
            counts: snapshot::manifest::Counts::default(),
            since: String::new(),
            severities: BTreeMap::new(),
            destinations: Vec::new(),
            pruned: Vec::new(),
            warnings: Vec::new(),
            error: None,
            hint: None,
        }
    }

    /// Everything but publishing and sending; takes no lock and writes nothing.
    fn rehearse(&self, ending: &mut Ending) -> Result<(), RunError> {
        let store = Store::new(&self.order.config.output.dir);
        let base = store.latest().ok().flatten();
        let judged = self.judge(self.observer, base.as_ref(), &store, ending)?;
        self.accept(&judged, base.as_ref(), ending)?;
        Ok(())
    }

    fn perform(&mut self, ending: &mut Ending) -> Result<(), RunError> {
        let config = self.order.config;
        let store = Store::new(&config.output.dir).lock(&config.state_dir)?;
        self.run_id = store.settle_run_id(std::mem::take(&mut self.run_id))?;
        ending.run_id.clone_from(&self.run_id);
        self.observer.tell(&Event::RunStarted { run_id: &self.run_id });
        for left_over in store.clean_leftovers()? {
            self.note(ending, format!("{left_over}: left behind by a run that was killed; removed"));
        }
        let spool = Spool::open(&config.state_dir, &config.output.dir)?;
        spool.recover(|run_id| store.is_published(run_id))?;
        let result = self.publish(&store, &spool, ending);
        if let Err(error) = &result {
            self.tell_failure(error, &spool, ending);
        }
        self.deliver(&spool, ending);
        if result.is_ok() {
            self.prune(&store, ending);
        }
        result
    }

    fn publish(&self, store: &LockedStore, spool: &Spool, ending: &mut Ending) -> Result<(), RunError> {
        let base = store.latest()?;
        let staging = store.stage(&self.run_id)?;
        let pages = Arc::new(staging.pages_log()?);
        let audience: Arc<dyn Observer> =
            Arc::new(watch::Audience(vec![Arc::clone(self.observer), Arc::clone(&pages) as Arc<dyn Observer>]));
        let judged = self.judge(&audience, base.as_ref(), store, ending)?;
        let facts = self.accept(&judged, base.as_ref(), ending)?;
        self.go_on()?;
        publish::publish(self, staging, &pages, &facts, spool, ending)
    }

    /// What the snapshots remember. A rehearsal writes nothing.
    fn recall(&self, store: &Store, opened: &Opened, ending: &mut Ending) -> Memory {
        let config = self.order.config;
        let memory = memory::recall(store, opened, config);
        if let Some(Err(error)) = (!self.order.dry_run).then(|| memory.keep(&config.state_dir)) {
            self.note(ending, format!("failed to {error}; the next run reads all snapshots again"));
        }
        memory
    }

    /// Collects, joins, compares, judges, and holds what was found against what stood before. The base has left memory before
    /// what is remembered comes into it.
    fn judge(
        &self,
        observer: &Arc<dyn Observer>,
        base: Option<&Published>,
        store: &Store,
        ending: &mut Ending,
    ) -> Result<Judged, RunError> {
        let config = self.order.config;
        let harvests = collect::collect(&self.order.sources, observer, self.stop)?;
        let inventory = Inventory::join(harvests, &config.classes);
        ending.sources =
            inventory.rolls.iter().map(|roll| snapshot::manifest::SourceEntry::of(&roll.harvest)).collect();
        if inventory.rolls.iter().all(|roll| roll.harvest.status() == SourceStatus::Failed) {
            let reasons = inventory
                .rolls
                .iter()
                .map(|roll| format!("{}: {}", roll.harvest.source.name, roll.harvest.reason().unwrap_or_default()));
            return Err(RunError::AllFailed(reasons.collect::<Vec<_>>().join("; ")));
        }
        let opened = Opened::of(base, store);
        let side = Side { run_id: &self.run_id, inventory: &inventory };
        let sought = compare::since(&opened, side, self.is_complete(&inventory));
        let mut memory = self.recall(store, &opened, ending);
        let is_configured = |name: &SourceName| config.sources.iter().any(|source| source.identity.name == *name);
        // Clocks are set to when something was seen: a run that judges by an earlier instant does not see it earlier.
        let seen_at = memory.past.as_of.map_or(self.as_of, |newest| newest.max(self.as_of));
        memory.clocks = memory.clocks.after(&inventory, sought.since.changes(), seen_at, is_configured);
        let before = Before { since: &sought.since, clocks: &memory.clocks };
        let judgement = rules::judge_after(before, &inventory, &config.policy, self.as_of);
        Ok(self.live(inventory, judgement, sought, base, memory, ending))
    }

    /// Every list of every configured source was proven complete.
    fn is_complete(&self, inventory: &Inventory) -> bool {
        let is_whole = |roll: &Roll| roll.harvest.status() == SourceStatus::Complete;
        inventory.rolls.iter().all(is_whole) && self.order.omitted().is_empty()
    }

    /// Looks whether it may be published, and puts the facts together.
    fn accept<'j>(
        &'j self,
        judged: &'j Judged,
        base: Option<&'j Published>,
        ending: &mut Ending,
    ) -> Result<Facts<'j>, RunError> {
        let before = base.map_or(&[][..], |base| &base.manifest.sources);
        let percent = self.order.config.policy.max_shrink_percent;
        let suspects = guard::suspects(&judged.inventory, &judged.since, before, percent);
        if !suspects.is_empty() && !self.order.allow_shrink {
            return Err(RunError::Suspect(suspects));
        }
        for suspect in &suspects {
            let what = if self.order.dry_run { "it would be published" } else { "published" };
            self.note(ending, format!("{suspect}; {what} because --allow-shrink confirmed it"));
        }
        let now = Utc::now().trunc_subsecs(6);
        let confirmed = suspects.iter().map(|suspect| suspect.confirmed(&self.origin.person, now)).collect();
        for text in skews(&judged.inventory) {
            self.note(ending, text);
        }
        let omitted = self.order.omitted();
        if !omitted.is_empty() {
            let names = omitted.join(", ");
            self.note(ending, format!("only some of the configured sources were read (--source); left out: {names}"));
        }
        for text in compare::notes(&judged.since, &self.order.omitted()) {
            self.note(ending, text);
        }
        ending.since = compare::in_words(&judged.since);
        let warnings = ending.warnings.clone();
        let facts = Facts { warnings, confirmed_shrinks: confirmed, ..self.facts(judged, base) };
        let manifest = facts.manifest();
        ending.completeness = Some(manifest.completeness);
        ending.rules = manifest.rules;
        ending.counts = manifest.counts;
        ending.warnings = manifest.warnings;
        for finding in judged.findings.iter().filter(|finding| finding.status.is_open()) {
            *ending.severities.entry(finding.severity.as_str().to_owned()).or_insert(0) += 1;
        }
        Ok(facts)
    }

    fn facts<'j>(&'j self, judged: &'j Judged, base: Option<&'j Published>) -> Facts<'j> {
        Facts {
            run_id: &self.run_id,
            config: self.order.config,
            origin: &self.origin,
            as_of: self.as_of,
            started_at: self.started_at,
            inventory: &judged.inventory,
            findings: &judged.findings,
            past: &judged.past,
            clocks: &judged.clocks,
            heard: &judged.heard,
            uses: &judged.uses,
            verdicts: &judged.verdicts,
            since: &judged.since,
            base,
            completeness: Completeness::of(self.is_complete(&judged.inventory)),
            omitted: self.order.omitted(),
            warnings: Vec::new(),
            confirmed_shrinks: Vec::new(),
        }
    }

    /// Between stages: an asked stop ends the run here, with nothing published.
    fn go_on(&self) -> Result<(), RunError> {
        self.stop.asked().map_or(Ok(()), |by| Err(CollectError::Stopped(by).into()))
    }

    fn note(&self, ending: &mut Ending, text: String) {
        self.observer.tell(&Event::Warning { source: None, text: &text });
        ending.warnings.push(text);
    }

    /// What cannot be removed is no reason to call the run a failure; it is said.
    fn prune(&self, store: &LockedStore, ending: &mut Ending) {
        match prune(store, self.order.config, &self.origin, Utc::now()) {
            Ok(plan) => ending.pruned = plan.remove.into_iter().map(|(run_id, _)| run_id).collect(),
            Err(error) => self.note(ending, format!("failed to prune old snapshots: {error}")),
        }
    }

    fn write_metrics(&self, ending: &mut Ending) {
        let config = self.order.config;
        let Some(path) = config.metrics_file.as_ref().filter(|_| !self.order.dry_run) else { return };
        let latest = Store::new(&config.output.dir).latest().ok().flatten();
        let last_complete =
            latest.and_then(|published| snapshot::started_at(&published.run_id)).map(|at| at.timestamp());
        let text = metrics::render(ending, last_complete);
        if let Err(error) = snapshot::replace_file(path, text.as_bytes(), snapshot::Readers::All) {
            self.note(ending, format!("failed to {error}"));
        }
    }
}

/// Plans retention and carries it out; gives what became of the plan.
pub fn prune(store: &LockedStore, config: &Config, origin: &Origin, now: Instant) -> Result<Plan, RunError> {
    let plan = plan_retention(store, config, now)?;
    Ok(store.prune(plan, &origin.operator, now)?)
}

/// Plans retention. Changes nothing.
pub fn plan_retention(store: &Store, config: &Config, now: Instant) -> Result<Plan, RunError> {
    let latest = store.latest()?.map(|published| published.run_id);
    let terms = Terms {
        now,
        keep_days: config.output.keep_days,
        keep_runs: config.output.keep_runs,
        latest: latest.as_deref(),
        waiting: &spool::waiting_runs(&config.state_dir)?,
    };
    Ok(retention::plan(&store.kept()?, &terms))
}

/// Clocks that differ by more than five minutes make ages wrong.
fn skews(inventory: &Inventory) -> Vec<String> {
    let sources = inventory.rolls.iter().map(|roll| &roll.harvest);
    sources
        .filter_map(|harvest| {
            let skew = harvest.clock_skew_seconds.filter(|skew| skew.unsigned_abs() > 300)?;
            let way = if skew > 0 { "ahead of" } else { "behind" };
            let (name, seconds) = (&harvest.source.name, skew.unsigned_abs());
            Some(format!("the clock of source {name} is {seconds} s {way} ours; ages may be wrong by as much"))
        })
        .collect()
}
