//! The facts of a run, put together for the manifest, the tables and the report. Adds notes about clocks, the instant of
//! the evaluation and omitted sources.

use super::advanced::Baseline;
use super::context::Run;
use super::evaluated::Evaluated;
use crate::run_manifest::{RunDescription, patterns, warnings};

impl Run<'_> {
    /// Returns the facts of this run. Borrowed from the results of the stages before.
    pub(super) fn describe<'f>(
        &'f self,
        evaluated: &'f Evaluated,
        baseline: Option<&'f Baseline>,
    ) -> RunDescription<'f> {
        for text in warnings::of_clocks(&evaluated.results.inventory) {
            self.warn(text);
        }
        if let Some(text) = warnings::of_instants(self.as_of, self.started_at) {
            self.warn_quietly(text);
        }
        let omitted = self.request.omitted();
        if !omitted.is_empty() {
            let names = omitted.join(", ");
            self.add_note(format!("only some of the configured sources were read (--source); not read: {names}"));
        }
        let patterns = patterns::of_run(self.request.config, &evaluated.results.inventory);
        for text in patterns::warnings(&patterns, &evaluated.results.uses) {
            self.warn(text);
        }
        RunDescription {
            patterns,
            run_id: &self.run_id,
            config: self.request.config,
            origin: &self.origin,
            as_of: self.as_of,
            started_at: self.started_at,
            inventory: &evaluated.results.inventory,
            findings: &evaluated.results.findings,
            past: &evaluated.results.past,
            resolved: &evaluated.results.resolved,
            uses: &evaluated.results.uses,
            evaluations: &evaluated.results.evaluations,
            changes: &evaluated.results.changes,
            base: baseline.map(Baseline::link),
            latest_as_of: baseline.map(Baseline::latest_as_of),
            base_started_at: baseline.and_then(Baseline::started_at),
            warnings: self.warnings.borrow().clone(),
            notes: self.notes.borrow().clone(),
            inputs: &evaluated.results.inputs,
            suspects: &evaluated.suspects,
            confirmed_shrinks: evaluated.confirmed_shrinks.clone(),
            clock_doubt: evaluated.clock_doubt.clone(),
        }
    }
}
