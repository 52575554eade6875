//! The state stage: opens the baseline and advances the known state by what was read.
//!
//! The baseline is the newest snapshot that can be read. A guard may object to a list that is empty or shrank too much;
//! its source is then set aside and counts as not read.

use super::RunError;
use super::context::Run;
use crate::guard::{self, PUBLISHED, Suspect};
use crate::model::{
    Coverage, Instant, Inventory, SET_ASIDE, SourceInventory, SourceReading, SourceStatus, instant_text,
};
use crate::snapshot::load::Archive;
use crate::snapshot::manifest::{self, ConfirmedShrink, SourceEntry};
use crate::snapshot::{SnapshotError, Store};
use crate::state::{self, Advance, DroppedRows, PreviousState};
use chrono::{SubsecRound, Utc};

/// The verified snapshot that the run is compared with, and its state without the rows.
pub(super) struct Baseline {
    pub(super) archive: Archive,
    before: PreviousState,
    latest_as_of: Instant,
}

impl Baseline {
    fn of(archive: Archive) -> Result<Self, SnapshotError> {
        let (before, latest_as_of) = (archive.before()?, archive.latest_as_of()?);
        Ok(Self { archive, before, latest_as_of })
    }

    /// Returns the entry `base` of the manifest, which links the snapshots to a chain.
    pub(super) fn link(&self) -> manifest::BaseReference {
        manifest::BaseReference {
            run_id: self.before.run_id.clone(),
            manifest_sha256: self.archive.manifest_sha256.clone(),
        }
    }

    /// Sets when each source was last proven complete, where a failed run did not get to know it.
    pub(super) fn add_confirmations(&self, sources: &mut [SourceEntry]) {
        for source in sources {
            let is_it = |known: &&SourceEntry| known.identity() == source.identity();
            let known = self.archive.manifest.sources.iter().find(is_it);
            source.known.confirmed_at = source.known.confirmed_at.or(known.and_then(|known| known.known.confirmed_at));
        }
    }

    /// Returns the latest `as_of` of its run and all runs before it.
    pub(super) fn latest_as_of(&self) -> Instant {
        self.latest_as_of
    }

    /// Returns the wall-clock time at the start of its run. Its run id has only the second.
    pub(super) fn started_at(&self) -> Option<Instant> {
        self.archive.manifest.started_at.parse().ok()
    }
}

/// The advanced state, and what the guards did.
pub(super) struct Advanced {
    pub(super) state: state::UnsettledState,
    pub(super) suspects: Vec<Suspect>,
    pub(super) confirmed_shrinks: Vec<ConfirmedShrink>,
}

impl Run<'_> {
    /// Returns the newest snapshot that can be read; `None` if there is no snapshot. Warns about each one that cannot be
    /// read.
    ///
    /// Errors: there are snapshots, but none can be read; or `--as-of` is earlier than the newest one.
    pub(super) fn baseline(&self, store: &Store) -> Result<Option<Baseline>, RunError> {
        let survey = store.survey()?;
        for text in survey.warnings() {
            self.warn(text);
        }
        let (count, mut unreadable) =
            (survey.count(), survey.unreadable.into_iter().next_back().map(|(_, error)| error));
        // From the newest to the oldest: one damaged snapshot must not stop every following run.
        for run_id in survey.readable.iter().rev() {
            match Archive::open_tables(&store.dir().join(run_id)).and_then(Baseline::of) {
                Ok(baseline) => return self.check_as_of(baseline).map(Some),
                Err(error) => {
                    let cure = error.hint().map_or_else(String::new, |hint| format!(" ({hint})"));
                    self.warn(format!("failed to {error}{cure}; the known state is read from an older snapshot"));
                    unreadable = Some(error);
                }
            }
        }
        match unreadable {
            None => Ok(None),
            Some(error) => Err(RunError::NoBaseline { dir: store.dir().to_owned(), count, error }),
        }
    }

    /// Refuses a requested instant that is earlier than the baseline's.
    fn check_as_of(&self, baseline: Baseline) -> Result<Baseline, RunError> {
        let newest = baseline.before.as_of;
        if self.as_of >= newest {
            return Ok(baseline);
        }
        let (as_of, newest_as_of, newest) =
            (instant_text(self.as_of), instant_text(newest), baseline.before.run_id.clone());
        if self.request.as_of.is_some() {
            return Err(RunError::Backwards { as_of, newest, newest_as_of });
        }
        // A clock that was ahead once must not stop every run until that time has passed.
        self.warn(format!(
            "the clock shows {as_of}, but the newest snapshot {newest} is as of {newest_as_of}: one of the clocks is \
             or was wrong. Ages are computed from {as_of}"
        ));
        Ok(baseline)
    }

    /// Advances the known state by what was read. `sources` receives the result of each source, also on errors.
    pub(super) fn advance(
        &self,
        inventory: Inventory,
        baseline: Option<&Baseline>,
        sources: &mut Vec<SourceEntry>,
    ) -> Result<Advanced, RunError> {
        let advanced = self.advance_guarded(inventory, baseline);
        let inventory = match &advanced {
            Ok(advanced) => &advanced.state.inventory,
            Err((_, inventory)) => inventory,
        };
        *sources = inventory.sources.iter().map(SourceEntry::of).collect();
        advanced.map_err(|(error, _)| error)
    }

    /// Advances the state and sets suspicious sources aside. An error contains the inventory, so that its sources can
    /// be reported.
    fn advance_guarded(
        &self,
        inventory: Inventory,
        baseline: Option<&Baseline>,
    ) -> Result<Advanced, (RunError, Inventory)> {
        let state = self.advance_once(inventory, baseline)?;
        let suspects = guard::suspects(&state, self.request.config.policy.max_shrink_percent);
        if suspects.is_empty() {
            return Ok(self.note_dropped(state, Vec::new(), Vec::new()));
        }
        let is_allowed = |suspect: &Suspect| self.request.allow_shrink.contains(&suspect.source);
        let (allowed, refused): (Vec<Suspect>, Vec<Suspect>) = suspects.into_iter().partition(is_allowed);
        let mut inventory = state.inventory;
        // A list that is no longer offered removes nothing: its rows stay, and the source need not be set aside.
        let (withdrawn, refused): (Vec<Suspect>, Vec<Suspect>) =
            refused.into_iter().partition(|suspect| guard::is_withdrawn(&inventory, suspect));
        for source_inventory in &mut inventory.sources {
            let name = source_inventory.reading.source.name.clone();
            let of_source = |suspects: &[Suspect]| -> Vec<Suspect> {
                suspects.iter().filter(|suspect| suspect.source == name).cloned().collect()
            };
            for suspect in of_source(&withdrawn) {
                guard::withdraw(&mut source_inventory.reading, &suspect);
            }
            self.settle_suspects(source_inventory, &of_source(&allowed), &of_source(&refused));
        }
        let is_read = |source_inventory: &SourceInventory| source_inventory.reading.status() != SourceStatus::Failed;
        let is_any_read = inventory.sources.iter().any(is_read);
        // The first pass compared rows that now count as not read, so the state is advanced again from the baseline.
        let state = self.advance_once(inventory, baseline)?;
        if !is_any_read {
            return Err((RunError::Suspect(refused), state.inventory));
        }
        let confirmed = self.confirmed(&allowed);
        Ok(self.note_dropped(state, refused, confirmed))
    }

    fn advance_once(
        &self,
        inventory: Inventory,
        baseline: Option<&Baseline>,
    ) -> Result<state::UnsettledState, (RunError, Inventory)> {
        let before = baseline.map(|baseline| &baseline.before);
        let keeps = before.is_some_and(|before| may_keep(&inventory, before));
        let mut advance = Advance::by_reading(inventory, &self.run_id, self.as_of, before);
        let fed: Result<(), SnapshotError> =
            baseline.map_or(Ok(()), |baseline| baseline.archive.feed(&mut advance, keeps));
        let state = advance.finish();
        match fed {
            Ok(()) => Ok(state),
            Err(error) => Err((error.into(), state.inventory)),
        }
    }

    /// Marks a refused source as not read, and a confirmed shrink as read and complete.
    fn settle_suspects(&self, source_inventory: &mut SourceInventory, allowed: &[Suspect], refused: &[Suspect]) {
        let classes = &self.request.config.classes;
        let mut reading = source_inventory.reading.without_rows();
        if let Some(suspect) = refused.first() {
            let why = refused.iter().map(Suspect::objection).collect::<Vec<_>>().join("; ");
            let error = format!("{SET_ASIDE}: {why}");
            // Without known rows, nothing stays.
            let known = refused.iter().any(|suspect| suspect.before.is_some());
            let effect = if known { "its known rows stay as they were" } else { "no row of it is published" };
            self.warn(format!("source {} is set aside: {why}; {effect}", suspect.source));
            // A list that the source does not offer did not fail.
            for list in reading.lists.iter_mut().filter(|list| list.coverage != Coverage::NotOffered) {
                list.coverage = Coverage::Failed { error: error.clone() };
            }
            *source_inventory = SourceInventory::join(reading, classes);
        }
        // A source with another refused list is not published, so nothing of it is confirmed.
        for suspect in allowed.iter().filter(|_| refused.is_empty()) {
            let effect = if self.request.dry_run { "it would be published" } else { PUBLISHED };
            self.add_note(suspect.confirmed_note(effect));
            let proof =
                format!("not offered; {} confirmed with --allow-shrink that its rows are gone", self.origin.operator);
            guard::confirm_gone(&mut source_inventory.reading, suspect.list, proof);
        }
    }

    fn confirmed(&self, allowed: &[Suspect]) -> Vec<ConfirmedShrink> {
        let now = Utc::now().trunc_subsecs(6);
        allowed.iter().map(|suspect| suspect.confirmed(&self.origin.operator, now)).collect()
    }

    /// Adds a note for each source whose known rows were dropped, and returns the result of this stage.
    fn note_dropped(
        &self,
        state: state::UnsettledState,
        suspects: Vec<Suspect>,
        confirmed_shrinks: Vec<ConfirmedShrink>,
    ) -> Advanced {
        for (name, DroppedRows { is_another, rows }) in &state.dropped {
            self.warn(if *is_another {
                format!(
                    "source {name} is a different product or host now: it starts with a new baseline, and its {rows} \
                     known rows were dropped"
                )
            } else {
                format!(
                    "source {name} is no longer configured: its {rows} known rows were dropped, and none is reported \
                     as removed"
                )
            });
        }
        Advanced { state, suspects, confirmed_shrinks }
    }
}

/// Checks whether the new state may contain rows that this run does not read. Otherwise those rows need not be loaded.
fn may_keep(inventory: &Inventory, before: &PreviousState) -> bool {
    let is_offered = |reading: &SourceReading| {
        let known = before.sources.iter().filter(|(identity, _)| identity.name == reading.source.name);
        known.flat_map(|(_, known)| known.lists.keys()).all(|list| *reading.coverage(*list) != Coverage::NotOffered)
    };
    let reads_all = |reading: &SourceReading| reading.status() == SourceStatus::Complete && !reading.hides_inactive;
    inventory
        .sources
        .iter()
        .any(|source_inventory| !reads_all(&source_inventory.reading) || !is_offered(&source_inventory.reading))
}
