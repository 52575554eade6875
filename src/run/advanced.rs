//! The known state, taken on by what was read. A source that a guard objects to is set aside: it counts as not read.

use super::{Run, RunError};
use crate::guard::{self, Suspect};
use crate::model::{Coverage, Inventory, SourceInventory, SourceReading, SourceStatus, instant_text};
use crate::snapshot::load::Archive;
use crate::snapshot::manifest::{self, ConfirmedShrink};
use crate::snapshot::{SnapshotError, Store};
use crate::state::{self, Advance, DroppedRows, PreviousState};
use chrono::{SubsecRound, Utc};

/// The snapshot before, verified, and its state without the rows.
pub(super) struct Baseline {
    pub(super) archive: Archive,
    before: PreviousState,
}

impl Baseline {
    pub(super) fn run_id(&self) -> &str {
        &self.before.run_id
    }

    /// The link of the chain.
    pub(super) fn link(&self) -> manifest::BaseReference {
        manifest::BaseReference {
            run_id: self.before.run_id.clone(),
            manifest_sha256: self.archive.manifest_sha256.clone(),
        }
    }
}

/// What became of the state.
pub(super) struct Advanced {
    pub(super) state: state::UnsettledState,
    pub(super) suspects: Vec<Suspect>,
    pub(super) confirmed_shrinks: Vec<ConfirmedShrink>,
}

impl Run<'_> {
    /// The newest snapshot that can be read. Errors: there are snapshots, and none can be; or the run goes back in time.
    pub(super) fn base(&self, store: &Store) -> Result<Option<Baseline>, RunError> {
        let mut unreadable = None;
        for run_id in store.in_order()?.iter().rev() {
            let opened = Archive::open_tables(&store.dir().join(run_id))
                .and_then(|archive| archive.before().map(|before| Baseline { archive, before }));
            match opened {
                Ok(base) => return self.goes_forward(base).map(Some),
                Err(error) => {
                    let cure = error.hint().map_or_else(String::new, |hint| format!(" ({hint})"));
                    self.note(format!("failed to {error}{cure}; what is known is taken from an older snapshot"));
                    unreadable = unreadable.or(Some(error));
                }
            }
        }
        match unreadable {
            None => Ok(None),
            Some(error) => Err(RunError::NoBase { dir: store.dir().to_owned(), error }),
        }
    }

    /// Time goes forward only. A clock that was ahead once stops no run.
    fn goes_forward(&self, base: Baseline) -> Result<Baseline, RunError> {
        let newest = base.before.as_of;
        if self.as_of >= newest {
            return Ok(base);
        }
        let (as_of, newest_as_of, newest) =
            (instant_text(self.as_of), instant_text(newest), base.before.run_id.clone());
        if self.order.as_of.is_some() {
            return Err(RunError::Backwards { as_of, newest, newest_as_of });
        }
        self.note(format!(
            "the clock says {as_of}, and the newest snapshot {newest} is as of {newest_as_of}: some clock is or was wrong. Ages are \
             computed from {as_of}"
        ));
        Ok(base)
    }

    /// Takes the state on. An error comes with what was read.
    pub(super) fn take_on(
        &self,
        inventory: Inventory,
        base: Option<&Baseline>,
    ) -> Result<Advanced, (RunError, Inventory)> {
        let state = self.advanced(inventory, base)?;
        let suspects = guard::suspects(&state, self.order.config.policy.max_shrink_percent);
        if suspects.is_empty() {
            return Ok(self.noted(state, Vec::new(), Vec::new()));
        }
        let is_allowed = |suspect: &Suspect| self.order.allow_shrink.contains(&suspect.source);
        let (allowed, refused): (Vec<Suspect>, Vec<Suspect>) = suspects.into_iter().partition(is_allowed);
        let mut inventory = state.inventory;
        // A list that is not offered any more removes nothing, and needs no guard: its rows stay as they were.
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
        let state = self.advanced(inventory, base)?;
        if !is_any_read {
            return Err((RunError::Suspect(refused), state.inventory));
        }
        let confirmed = self.confirmed(&allowed);
        Ok(self.noted(state, refused, confirmed))
    }

    fn advanced(
        &self,
        inventory: Inventory,
        base: Option<&Baseline>,
    ) -> Result<state::UnsettledState, (RunError, Inventory)> {
        let before = base.map(|base| &base.before);
        let keeps = before.is_some_and(|before| may_keep(&inventory, before));
        let mut advance = Advance::by_reading(inventory, &self.run_id, self.as_of, before);
        let fed: Result<(), SnapshotError> = base.map_or(Ok(()), |base| base.archive.feed(&mut advance, keeps));
        let state = advance.finish();
        match fed {
            Ok(()) => Ok(state),
            Err(error) => Err((error.into(), state.inventory)),
        }
    }

    /// A source that is refused counts as not read; what is confirmed to be gone counts as read.
    fn settle_suspects(&self, source_inventory: &mut SourceInventory, allowed: &[Suspect], refused: &[Suspect]) {
        let classes = &self.order.config.classes;
        let mut reading = source_inventory.reading.without_rows();
        if let Some(suspect) = refused.first() {
            let why = refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            let error = format!("set aside: {why}");
            self.note(format!(
                "source {0} is set aside: {why}. Its rows stay as they were; confirm with --allow-shrink {0} if it is true",
                suspect.source
            ));
            // What the source does not offer stays so: it is no list that failed.
            for list in reading.lists.iter_mut().filter(|list| list.coverage != Coverage::NotOffered) {
                list.coverage = Coverage::Failed { error: error.clone() };
            }
            *source_inventory = SourceInventory::join(reading, classes);
        }
        for suspect in allowed.iter().filter(|_| refused.is_empty()) {
            let what = if self.order.dry_run { "it would be published" } else { "published" };
            self.note(format!("{suspect}; {what} because --allow-shrink confirmed it"));
            let proof = format!(
                "not offered; that its rows are gone was confirmed with --allow-shrink by {}",
                self.origin.person
            );
            guard::confirm_gone(&mut source_inventory.reading, suspect.list, proof);
        }
    }

    fn confirmed(&self, allowed: &[Suspect]) -> Vec<ConfirmedShrink> {
        let now = Utc::now().trunc_subsecs(6);
        allowed.iter().map(|suspect| suspect.confirmed(&self.origin.person, now)).collect()
    }

    /// Says which sources left the state or began anew.
    fn noted(
        &self,
        state: state::UnsettledState,
        suspects: Vec<Suspect>,
        confirmed_shrinks: Vec<ConfirmedShrink>,
    ) -> Advanced {
        for (name, DroppedRows { is_another, rows }) in &state.left {
            self.note(if *is_another {
                format!("source {name} is another product or host now: it begins anew, and its {rows} known rows are left out")
            } else {
                format!("source {name} is not in the configuration any more: its {rows} known rows are left out, and nothing is called removed")
            });
        }
        Advanced { state, suspects, confirmed_shrinks }
    }
}

/// Whether rows may be kept that this run does not read.
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
