//! One run: the stages in their order.
//!
//! ```text
//! started    lock, cleanup after killed runs        started
//!  -> baseline, collected, advanced                 advanced, collected
//!  -> evaluated   rules, findings over time         evaluated
//!  -> described   the facts for the manifest        described
//!  -> published   files, manifest, events, rename   published
//!  -> events delivered, old snapshots removed       notify, prune
//!  -> summary, metrics, exit code                   summary, metrics, exit
//! ```
//!
//! The right column names the module of each stage. `commands` calls [`run()`]. No other module knows the order of the
//! stages.
//!
//! Effects outside this process come last. Events are on the disk before the snapshot becomes visible, so a killed run
//! leaves one of two states. Either there is no snapshot and no event, or there is a whole snapshot whose events the
//! next run sends.

mod advanced;
mod answer;
mod collected;
mod context;
mod described;
mod error;
mod evaluated;
mod event_loop;
mod exit;
mod metrics;
mod notify;
pub mod observers;
mod origin;
mod overdue;
mod prune;
mod published;
mod purge;
mod request;
mod started;
pub mod stop;
mod summary;
mod unevaluated;

pub use crate::run_manifest::Origin;
pub use answer::answer_to_denial;
pub use error::RunError;
pub use event_loop::block_on;
pub use exit::Exit;
pub use metrics::{metrics_cure, metrics_file_in, write_attempt};
pub use notify::{Drained, drain, sender};
pub use prune::{plan_retention, prune, retention_warning, unreadable};
pub use purge::{older as purgeable, purge};
pub use request::RunRequest;
pub use summary::{DestinationSummary, RunSummary, SpoolSummary};

use crate::event::Observer;
use crate::internal_error::catch;
use crate::snapshot::manifest::SourceEntry;
use crate::snapshot::{LockedStore, Store};
use crate::syslog::spool::Spool;
use advanced::Baseline;
use context::Run;
use evaluated::Evaluated;
use std::sync::Arc;
use stop::Stop;
use summary::{Publication, RunOutcome};

/// Runs once and returns how the run ended. Errors are part of the summary.
pub fn run(request: &RunRequest<'_>, observer: &Arc<dyn Observer>, stop: &Stop) -> RunSummary {
    let mut run = Run::new(request, observer, stop);
    let outcome = if request.dry_run { run.evaluate_only() } else { run.perform() };
    let exit = outcome.result.as_ref().err().map(RunError::exit);
    let mut summary = RunSummary::of(&run, outcome);
    // An attempt that could not start a run must not overwrite the metrics of the last run, or of the one that holds the
    // lock. It has a file of its own: `write_attempt`.
    if !matches!(exit, Some(Exit::Locked | Exit::Usage)) {
        run.write_metrics(&mut summary);
    }
    summary
}

impl Run<'_> {
    /// Performs a dry run: no lock, no file, no event.
    fn evaluate_only(&self) -> RunOutcome {
        let store = Store::new(&self.request.config.output.dir);
        let mut outcome = RunOutcome::default();
        let sources = &mut outcome.sources;
        outcome.result = within_a_run(|| {
            let baseline = self.baseline(&store)?;
            let evaluated = self.read_and_evaluate(self.observer, baseline.as_ref(), sources)?;
            Ok(Publication::of(&self.describe(&evaluated, baseline.as_ref())))
        });
        outcome
    }

    /// Performs a run that publishes and sends.
    fn perform(&mut self) -> RunOutcome {
        let mut outcome = RunOutcome::default();
        match within_a_run(|| self.start()) {
            Ok((store, spool)) => self.publish_and_send(&store, &spool, &mut outcome),
            Err(error) => outcome.result = Err(error),
        }
        outcome
    }

    fn publish_and_send(&self, store: &LockedStore, spool: &Spool, outcome: &mut RunOutcome) {
        let sources = &mut outcome.sources;
        let mut early = Vec::new();
        outcome.result = within_a_run(|| {
            let baseline = self.baseline(store)?;
            early = self.make_room(spool);
            self.publish(store, spool, baseline.as_ref(), sources)
        });
        match &mut outcome.result {
            Ok(publication) => outcome.destinations.append(&mut publication.unreleased),
            // A wrong --as-of is a mistake on the command line: nothing is contacted, the receivers of events included.
            Err(RunError::Backwards { .. }) => return,
            Err(error) => self.report_failure(error, &outcome.sources, spool),
        }
        // The snapshot is visible by now: a bug behind it must not end the run as one that published nothing.
        let mut drained =
            catch(|| self.deliver(spool)).unwrap_or_else(|error| Drained::failed(self, &error.to_string()));
        drained.destinations.iter_mut().for_each(|destination| destination.add(&early));
        outcome.destinations.extend(drained.destinations);
        outcome.spool = drained.spool;
        // Old snapshots stay until a newer one replaces them.
        if outcome.result.is_ok() {
            outcome.pruned = catch(|| self.prune(store)).unwrap_or_else(|error| {
                self.warn(format!("old snapshots were not removed: {error}"));
                Vec::new()
            });
        }
    }

    fn publish(
        &self,
        store: &LockedStore,
        spool: &Spool,
        baseline: Option<&Baseline>,
        sources: &mut Vec<SourceEntry>,
    ) -> Result<Publication, RunError> {
        let staging = store.stage(&self.run_id)?;
        let pages = Arc::new(staging.pages_log()?);
        let evaluated = self.read_and_evaluate(&self.observer_with(&pages), baseline, sources)?;
        let facts = self.describe(&evaluated, baseline);
        self.check_stop()?;
        published::publish(self, staging, &pages, &facts, spool)
    }

    /// Reads the sources, advances the known state and evaluates it. `sources` receives the result of each source, also
    /// on errors.
    fn read_and_evaluate(
        &self,
        observer: &Arc<dyn Observer>,
        baseline: Option<&Baseline>,
        sources: &mut Vec<SourceEntry>,
    ) -> Result<Evaluated, RunError> {
        let collected = self.collect(observer, sources);
        if let (Err(_), Some(baseline)) = (&collected, baseline) {
            baseline.add_confirmations(sources);
        }
        let inventory = collected?;
        self.check_stop()?;
        let advanced = self.advance(inventory, baseline, sources)?;
        self.check_stop()?;
        advanced.evaluate(self, baseline)
    }
}

/// Performs a part of a run whose end decides about the publication. A panic is an error of the run.
fn within_a_run<T>(part: impl FnOnce() -> Result<T, RunError>) -> Result<T, RunError> {
    catch(part).unwrap_or_else(|error| Err(error.into()))
}
