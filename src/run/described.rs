//! The facts of a run, put together for the manifest, the tables and the report. Adds notes about clocks, the instant of
//! the evaluation and omitted sources.

use super::advanced::Baseline;
use super::context::Run;
use super::evaluated::Evaluated;
use crate::model::{Inventory, instant_text, is_evaluated_apart};
use crate::run_manifest::{RunDescription, patterns};
use crate::snapshot::manifest::PatternEntry;

/// Clock difference in seconds above which a note is added. Ages are in whole days, and a synchronised clock is far
/// below it.
const MAX_SKEW_SECONDS: u64 = 300;

impl Run<'_> {
    /// Returns the facts of this run. Borrowed from the results of the stages before.
    pub(super) fn describe<'f>(
        &'f self,
        evaluated: &'f Evaluated,
        baseline: Option<&'f Baseline>,
    ) -> RunDescription<'f> {
        for text in skews(&evaluated.results.inventory) {
            self.warn(text);
        }
        if is_evaluated_apart(self.as_of, self.started_at) {
            let (as_of, started_at) = (instant_text(self.as_of), instant_text(self.started_at));
            self.warn_quietly(format!(
                "evaluated as of {as_of}, data read at {started_at}; ages are computed from the first"
            ));
        }
        let omitted = self.request.omitted();
        if !omitted.is_empty() {
            let names = omitted.join(", ");
            self.add_note(format!("only some of the configured sources were read (--source); not read: {names}"));
        }
        let patterns = patterns::of_run(self.request.config, &evaluated.results.inventory);
        for text in patterns.iter().filter_map(PatternEntry::warning) {
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
            base_started_at: baseline.and_then(Baseline::started_at),
            warnings: self.warnings.borrow().clone(),
            notes: self.notes.borrow().clone(),
            inputs: &evaluated.results.inputs,
            suspects: &evaluated.suspects,
            confirmed_shrinks: evaluated.confirmed_shrinks.clone(),
        }
    }
}

/// Returns a note for each source whose clock differs by more than [`MAX_SKEW_SECONDS`], because ages are then wrong.
fn skews(inventory: &Inventory) -> Vec<String> {
    let sources = inventory.sources.iter().map(|source_inventory| &source_inventory.reading);
    sources
        .filter_map(|reading| {
            let skew = reading.clock_skew_seconds.filter(|skew| skew.unsigned_abs() > MAX_SKEW_SECONDS)?;
            let direction = if skew > 0 { "ahead of" } else { "behind" };
            let (name, seconds) = (&reading.source.name, skew.unsigned_abs());
            Some(format!(
                "the clock of source {name} is {seconds} s {direction} the clock of this host; ages may be wrong by the same amount"
            ))
        })
        .collect()
}
