//! The run: the stages in order. The only module that knows the order, and the only one that turns results into exit codes.
//!
//! ```text
//! lock -> clean up after killed runs
//!      -> collected: every configured source, read or not
//!      -> advanced: the known state taken on, suspicious sources set aside
//!      -> evaluated: rules, findings over time, exceptions
//!      -> accepted: the facts of the manifest
//!      -> published: tables and report, manifest last, spool, one rename
//!      -> deliver -> prune -> metrics
//! ```
//!
//! Each stage takes the value of the one before and gives its own; how the run ended is put together at the end.
//!
//! Outside effects come last, and events are on the disk before the snapshot is visible: a kill at any moment leaves either
//! no snapshot and no event, or a whole snapshot whose events the next run delivers.

mod advanced;
mod collected;
mod ending;
mod evaluated;
mod exit;
mod metrics;
mod notify;
pub mod observers;
mod published;
pub mod stop;
mod unevaluated;

pub use crate::describe::Origin;
pub use ending::{DestinationEnding, Ending};
pub use exit::Exit;
pub use notify::{drain, sender};

use crate::config::{Config, ConfigError, ConfigProblem};
use crate::describe::RunDescription;
use crate::event::{Observer, RunEvent};
use crate::guard::Suspect;
use crate::model::{Instant, Inventory, Severity, SourceName};
use crate::snapshot::retention::{self, RetentionPlan, Terms};
use crate::snapshot::{self, LockedStore, SnapshotError, Store};
use crate::source::SourceSettings;
use crate::syslog::spool::{self, Spool, SpoolError};
use advanced::{Advanced, Baseline};
use chrono::{SubsecRound, Utc};
use collected::CollectError;
use ending::{Accepted, RunOutcome};
use std::cell::RefCell;
use std::path::PathBuf;
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
    /// Sources that are published although a guard objects.
    pub allow_shrink: Vec<SourceName>,
}

impl<'a> Order<'a> {
    /// Everything that the configuration names, by its defaults.
    pub fn of(config: &'a Config) -> Self {
        let sources = config.sources.iter().collect();
        Self { config, sources, as_of: None, dry_run: false, fail_on: None, allow_shrink: Vec::new() }
    }

    /// Only these sources. Errors: a name that the configuration does not know.
    pub fn only(mut self, names: &[String]) -> Result<Self, ConfigError> {
        if !names.is_empty() {
            let names = self.known("--source", names)?;
            self.sources.retain(|source| names.contains(&source.identity.name));
        }
        Ok(self)
    }

    /// Publishes these sources although a guard objects. Errors: a name that the configuration does not know.
    pub fn allowing(mut self, names: &[String]) -> Result<Self, ConfigError> {
        self.allow_shrink = self.known("--allow-shrink", names)?;
        Ok(self)
    }

    fn known(&self, key: &str, names: &[String]) -> Result<Vec<SourceName>, ConfigError> {
        let configured: Vec<&str> = self.config.sources.iter().map(|source| source.identity.name.as_str()).collect();
        if let Some(unknown) = names.iter().find(|name| !configured.contains(&name.as_str())) {
            let text = format!("there is no source {unknown:?}; the configuration has {}", configured.join(", "));
            let problem = ConfigProblem { key: key.to_owned(), text };
            return Err(ConfigError { path: Some(self.config.path.clone()), problems: vec![problem] });
        }
        Ok(names.iter().map(|name| SourceName::from(name.as_str())).collect())
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
    /// The instant lies before that of the newest snapshot.
    #[error("evaluate as of {as_of}: the newest snapshot {newest} is as of {newest_as_of}, and time goes forward only")]
    Backwards {
        /// The instant that was asked for.
        as_of: String,
        /// The newest snapshot.
        newest: String,
        /// Its instant.
        newest_as_of: String,
    },
    /// There are snapshots, and none of them can be read.
    #[error("read what is known: {error}; no snapshot in {} can be read", dir.display())]
    NoBase {
        /// Their folder.
        dir: PathBuf,
        /// What is wrong with the newest.
        error: SnapshotError,
    },
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

/// The sources of suspects, each once.
fn sources(suspects: &[Suspect]) -> Vec<&str> {
    let mut sources: Vec<&str> = suspects.iter().map(|suspect| suspect.source.as_str()).collect();
    sources.dedup();
    sources
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
            Self::Backwards { .. } => Exit::Usage,
            _ => Exit::NothingPublished,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Snapshot(error) => error.hint().map(str::to_owned),
            Self::Suspect(suspects) => Some(format!(
                "if it is true, confirm it once with --allow-shrink {}; if not, check the rights of the API account. \
                 The last snapshot stands",
                sources(suspects).join(" ")
            )),
            Self::Backwards { .. } => {
                Some("name another folder with --output DIR to evaluate an earlier instant again".to_owned())
            }
            Self::NoBase { .. } => Some(
                "restore the newest snapshot from a copy; or move the snapshots away, and the next run begins a new baseline"
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
    /// What a person should know.
    notes: RefCell<Vec<String>>,
}

/// Runs once. Never fails: how it ended says it all.
pub fn run(order: &Order<'_>, observer: &Arc<dyn Observer>, stop: &Stop) -> Ending {
    let started_at = Utc::now().trunc_subsecs(6);
    let as_of = order.as_of.unwrap_or(started_at.trunc_subsecs(0));
    let run_id = snapshot::run_id(started_at, fastrand::u16(..0xf000));
    let (origin, notes) = (Origin::of_this_process(), RefCell::default());
    let mut run = Run { order, observer, stop, origin, run_id, started_at, as_of, notes };
    let outcome = if order.dry_run { run.rehearse() } else { run.perform() };
    let is_busy = matches!(outcome.result, Err(RunError::Snapshot(SnapshotError::Busy { .. })));
    let mut ending = Ending::of(&run, outcome);
    if !is_busy {
        run.write_metrics(&mut ending);
    }
    ending
}

impl Run<'_> {
    /// Everything but publishing and sending; takes no lock and writes nothing.
    fn rehearse(&self) -> RunOutcome {
        let store = Store::new(&self.order.config.output.dir);
        let mut outcome = RunOutcome::default();
        outcome.result = self.base(&store).and_then(|base| {
            let advanced = self.advance(self.observer, base.as_ref(), &mut outcome.sources)?;
            Ok(Accepted::of(&self.accept(&advanced.evaluate(self, base.as_ref())?, base.as_ref())))
        });
        outcome
    }

    fn perform(&mut self) -> RunOutcome {
        let mut outcome = RunOutcome::default();
        match self.begin() {
            Ok((store, spool)) => self.publish_and_send(&store, &spool, &mut outcome),
            Err(error) => outcome.result = Err(error),
        }
        outcome
    }

    /// Takes the lock, and cleans up after runs that were killed.
    fn begin(&mut self) -> Result<(LockedStore, Spool), RunError> {
        let config = self.order.config;
        let store = Store::new(&config.output.dir).lock(&config.state_dir)?;
        self.run_id = store.settle_run_id(std::mem::take(&mut self.run_id))?;
        self.observer.notify(&RunEvent::RunStarted { run_id: &self.run_id });
        for left_over in store.clean_leftovers()? {
            self.note(format!("{left_over}: left behind by a run that was killed; removed"));
        }
        let spool = Spool::open(&config.state_dir, &config.output.dir)?;
        spool.recover(|run_id| store.is_published(run_id))?;
        Ok((store, spool))
    }

    fn publish_and_send(&self, store: &LockedStore, spool: &Spool, outcome: &mut RunOutcome) {
        outcome.result =
            self.base(store).and_then(|base| self.publish(store, spool, base.as_ref(), &mut outcome.sources));
        match &mut outcome.result {
            Ok(accepted) => outcome.destinations.append(&mut accepted.unreleased),
            // What was asked for in a wrong way is no event of the appliances.
            Err(RunError::Backwards { .. }) => {}
            Err(error) => self.report_failure(error, &outcome.sources, spool),
        }
        outcome.destinations.extend(self.deliver(spool));
        if outcome.result.is_ok() {
            outcome.pruned = self.prune(store);
        }
    }

    fn publish(
        &self,
        store: &LockedStore,
        spool: &Spool,
        base: Option<&Baseline>,
        sources: &mut Vec<snapshot::manifest::SourceEntry>,
    ) -> Result<Accepted, RunError> {
        let staging = store.stage(&self.run_id)?;
        let pages = Arc::new(staging.pages_log()?);
        let audience: Arc<dyn Observer> =
            Arc::new(observers::Observers(vec![Arc::clone(self.observer), Arc::clone(&pages) as Arc<dyn Observer>]));
        let advanced = self.advance(&audience, base, sources)?;
        let evaluated = advanced.evaluate(self, base)?;
        let facts = self.accept(&evaluated, base);
        self.go_on()?;
        published::publish(self, staging, &pages, &facts, spool)
    }

    /// Reads every source and takes the known state on.
    fn advance(
        &self,
        observer: &Arc<dyn Observer>,
        base: Option<&Baseline>,
        sources: &mut Vec<snapshot::manifest::SourceEntry>,
    ) -> Result<Advanced, RunError> {
        let inventory = self.collect(observer)?;
        let advanced = self.take_on(inventory, base);
        *sources = match &advanced {
            Ok(advanced) => entries(&advanced.state.inventory),
            Err((_, inventory)) => entries(inventory),
        };
        advanced.map_err(|(error, _)| error)
    }

    /// Puts the facts together.
    fn accept<'f>(&'f self, evaluated: &'f evaluated::Evaluated, base: Option<&'f Baseline>) -> RunDescription<'f> {
        for text in skews(&evaluated.inventory) {
            self.note(text);
        }
        let omitted = self.order.omitted();
        if !omitted.is_empty() {
            let names = omitted.join(", ");
            self.note(format!("only some of the configured sources were read (--source); left out: {names}"));
        }
        RunDescription {
            run_id: &self.run_id,
            config: self.order.config,
            origin: &self.origin,
            as_of: self.as_of,
            started_at: self.started_at,
            inventory: &evaluated.inventory,
            findings: &evaluated.findings,
            past: &evaluated.past,
            resolved: &evaluated.resolved,
            uses: &evaluated.uses,
            evaluations: &evaluated.evaluations,
            changes: &evaluated.changes,
            base: base.map(Baseline::link),
            base_started_at: base.and_then(|base| snapshot::started_at(base.run_id())),
            warnings: self.notes.borrow().clone(),
            suspects: &evaluated.suspects,
            confirmed_shrinks: evaluated.confirmed_shrinks.clone(),
        }
    }

    /// Between stages: an asked stop ends the run here, with nothing published.
    fn go_on(&self) -> Result<(), RunError> {
        self.stop.asked().map_or(Ok(()), |by| Err(CollectError::Stopped(by).into()))
    }

    fn note(&self, text: String) {
        self.observer.notify(&RunEvent::Warning { source: None, text: &text });
        self.notes.borrow_mut().push(text);
    }

    /// What cannot be removed is no reason to call the run a failure; it is said.
    fn prune(&self, store: &LockedStore) -> Vec<String> {
        match prune(store, self.order.config, &self.origin, Utc::now()) {
            Ok(plan) => plan.remove.into_iter().map(|(run_id, _)| run_id).collect(),
            Err(error) => {
                self.note(format!("failed to prune old snapshots: {error}"));
                Vec::new()
            }
        }
    }

    fn write_metrics(&self, ending: &mut Ending) {
        let config = self.order.config;
        let Some(path) = config.metrics_file.as_ref().filter(|_| !self.order.dry_run) else { return };
        let complete = Store::new(&config.output.dir).latest_complete().ok().flatten();
        let last_complete =
            complete.and_then(|published| snapshot::started_at(&published.run_id)).map(|at| at.timestamp());
        let text = metrics::render(ending, last_complete);
        if let Err(error) = snapshot::replace_file(path, text.as_bytes(), snapshot::Readers::All) {
            let text = format!("failed to {error}");
            self.observer.notify(&RunEvent::Warning { source: None, text: &text });
            ending.warnings.push(text);
        }
    }
}

fn entries(inventory: &Inventory) -> Vec<snapshot::manifest::SourceEntry> {
    inventory.sources.iter().map(snapshot::manifest::SourceEntry::of).collect()
}

/// Plans retention and carries it out; gives what became of the plan.
pub fn prune(store: &LockedStore, config: &Config, origin: &Origin, now: Instant) -> Result<RetentionPlan, RunError> {
    let plan = plan_retention(store, config, now)?;
    Ok(store.prune(plan, &origin.operator, now)?)
}

/// Plans retention. Changes nothing.
pub fn plan_retention(store: &Store, config: &Config, now: Instant) -> Result<RetentionPlan, RunError> {
    let (latest, latest_complete) = store.newest()?;
    let terms = Terms {
        now,
        keep_days: config.output.keep_days,
        keep_runs: config.output.keep_runs,
        latest: latest.as_ref().map(|published| published.run_id.as_str()),
        latest_complete: latest_complete.as_ref().map(|published| published.run_id.as_str()),
        waiting: &spool::waiting_runs(&config.state_dir)?,
    };
    Ok(retention::plan(&store.kept()?, &terms))
}

/// Clocks that differ by more than five minutes make ages wrong.
fn skews(inventory: &Inventory) -> Vec<String> {
    let sources = inventory.sources.iter().map(|source_inventory| &source_inventory.reading);
    sources
        .filter_map(|reading| {
            let skew = reading.clock_skew_seconds.filter(|skew| skew.unsigned_abs() > 300)?;
            let way = if skew > 0 { "ahead of" } else { "behind" };
            let (name, seconds) = (&reading.source.name, skew.unsigned_abs());
            Some(format!("the clock of source {name} is {seconds} s {way} ours; ages may be wrong by as much"))
        })
        .collect()
}
