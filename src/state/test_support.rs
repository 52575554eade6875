//! States in memory, for tests. The rows of a settled state are passed to [`Advance`] as those of a snapshot are.

use super::{Advance, KnownMembership, PreviousState, UnsettledState};
use crate::model::{Inventory, Membership, OutsideMember, SourceInventory, User};

/// A settled state and the run that produced it.
#[derive(Clone, Debug)]
pub(crate) struct SettledRun {
    pub(crate) before: PreviousState,
    pub(crate) state: Inventory,
}

impl SettledRun {
    /// Creates the state as this run left it.
    pub(crate) fn of(state: Inventory, run_id: &str, as_of: crate::model::Instant) -> Self {
        let sources = state
            .sources
            .iter()
            .map(|source_inventory| (source_inventory.reading.source.clone(), source_inventory.known.clone()))
            .collect();
        Self { before: PreviousState { run_id: run_id.to_owned(), as_of, sources }, state }
    }

    /// Creates the state after a first reading.
    pub(crate) fn first(reading: Inventory, run_id: &str, as_of: crate::model::Instant) -> Self {
        let mut advanced = Advance::by_reading(reading, run_id, as_of, None).finish();
        advanced.settle();
        Self::of(advanced.inventory, run_id, as_of)
    }

    /// Advances the state with a reading; the result is not settled yet.
    pub(crate) fn read(&self, reading: Inventory, run_id: &str, at: crate::model::Instant) -> UnsettledState {
        let mut advance = Advance::by_reading(reading, run_id, at, Some(&self.before));
        self.feed(&mut advance);
        advance.finish()
    }

    /// Compares the state with a later one.
    pub(crate) fn compare(&self, later: &Self) -> UnsettledState {
        let PreviousState { run_id, as_of, .. } = &later.before;
        let mut advance = Advance::to_state(later.state.clone(), run_id, *as_of, &self.before);
        self.feed(&mut advance);
        advance.finish()
    }

    fn feed(&self, advance: &mut Advance<'_>) {
        let sources = || {
            self.state.sources.iter().map(|source_inventory| (source_inventory, &source_inventory.reading.source.name))
        };
        for (source_inventory, name) in sources() {
            for user in &source_inventory.reading.users {
                advance.user(name, User { group_memberships: Box::default(), ..user.clone() });
            }
        }
        for (source_inventory, name) in sources() {
            source_inventory.reading.groups.iter().for_each(|group| advance.group(name, group.clone()));
        }
        for (source_inventory, name) in sources() {
            source_inventory
                .memberships
                .iter()
                .for_each(|membership| advance.membership(name, known(source_inventory, membership)));
        }
    }
}

fn known(source_inventory: &SourceInventory, membership: &Membership) -> KnownMembership {
    let member = match (source_inventory.outside_member(membership), source_inventory.member(membership)) {
        (Some(beyond), _) => beyond.clone(),
        (None, Some(user)) => OutsideMember::Missing(user.id.clone()),
        (None, None) => panic!("a membership of nobody"),
    };
    KnownMembership {
        group: source_inventory.group_id(membership).clone(),
        member,
        seen: source_inventory.seen(membership).expect("known rows have been seen"),
    }
}
