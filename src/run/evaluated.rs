//! The evaluation stage: calls [`evaluation`] with the state of this run, and passes its notes on.

use super::RunError;
use super::advanced::{Advanced, Baseline};
use super::context::Run;
use crate::evaluation::{self, EvaluationSettings};
use crate::guard::Suspect;
use crate::lifecycle::KnownFindings;
use crate::run_manifest::clock;
use crate::snapshot::manifest::{ClockDoubt, ConfirmedShrink};

/// The evaluation of a run, with what the guards did.
pub(super) struct Evaluated {
    pub(super) results: evaluation::Evaluated,
    pub(super) suspects: Vec<Suspect>,
    pub(super) confirmed_shrinks: Vec<ConfirmedShrink>,
    pub(super) clock_doubt: Option<ClockDoubt>,
}

impl Advanced {
    /// Evaluates the state, then settles it. Errors: the findings of the baseline cannot be read.
    pub(super) fn evaluate(self, run: &Run<'_>, baseline: Option<&Baseline>) -> Result<Evaluated, RunError> {
        let Self { state, suspects, confirmed_shrinks } = self;
        let config = run.request.config;
        let (past, dropped) = match baseline {
            Some(baseline) => evaluation::past_findings(&baseline.archive, &config.policy)?,
            None => (KnownFindings::default(), Vec::new()),
        };
        let before = baseline.map(|baseline| (&baseline.archive.manifest).into());
        let clock_doubt = clock::doubt(run.started_at, run.as_of, &state.inventory, before);
        if let Some(doubt) = &clock_doubt {
            run.warn(doubt.warning());
        }
        let settings = EvaluationSettings {
            policy: &config.policy,
            exceptions: config.exceptions.as_ref().map_or(&[][..], |file| &file.entries),
            as_of: run.as_of,
            exceptions_as_of: clock::ends_by(run.as_of, clock_doubt.as_ref()),
            records_since: clock::records_since(
                run.as_of,
                run.started_at,
                clock_doubt.as_ref(),
                config.output.keep_days,
            ),
        };
        let mut results = evaluation::evaluate(state, past, settings);
        for note in dropped.into_iter().chain(std::mem::take(&mut results.notes)) {
            run.warn(note);
        }
        Ok(Evaluated { results, suspects, confirmed_shrinks, clock_doubt })
    }
}
