//! The known state of all sources: `state(N), changes(N) = advance(state(N-1), reading(N))`. Pure.
//!
//! `run` calls it with the rows of the newest snapshot and a new reading; the command `diff` calls it with two
//! snapshots. It knows no rule, and [`Evidence`](crate::model::Evidence) alone decides whether absence proves removal.
//!
//! For every source, the state holds the newest confirmed rows, each with the first and last run that read it. A
//! reading updates the state row by row:
//!
//! | lists that contain the row | the reading has the row | the reading lacks the row |
//! |---|---|---|
//! | proven complete | added or updated, confirmed | removed |
//! | drifted | added or updated, confirmed | kept; an account is reported as unconfirmed |
//! | failed, not read, not offered | not used | kept |
//!
//! An account is reported as unconfirmed once, until it is read again.
//!
//! - A change is the difference between two consecutive states. Each change is therefore emitted exactly once. A change
//!   that reverts an earlier one is a change like any other.
//! - The first complete reading of a list is its baseline: the rows in it are not emitted as added. The same holds for
//!   a new source, and for a source whose kind or host changed, since its state starts from nothing.
//! - A value that becomes known for the first time is no change, for example when an account's record was never read
//!   before.
//! - A field that was not read (its list failed, its value is unreadable or not reported) keeps its last known value.
//! - The rows of a source that is no longer configured leave the state without being emitted as removed.
//! - Times never move backwards, even if the clock does.
//!
//! Rules evaluate the reading, with accounts and groups classified by their last known values. Afterwards
//! [`UnsettledState::settle`] adds the kept rows.
//!
//! Both sides have the same sort order. The caller passes the old state row by row ([`Advance::user`],
//! [`Advance::group`], [`Advance::membership`]), so that memory never holds two whole states.

mod event;
mod fields;
mod settle;
mod source;
#[cfg(test)]
pub(crate) mod test_support;
#[cfg(test)]
mod tests;

pub use settle::{KeptRow, KeptUser, KeptValues, UnsettledState};
pub use source::{EarlierLogin, KnownRows, SourceHistory};

use crate::model::{
    Change, ChangeKind, Group, GroupId, Instant, Inventory, KnownSource, MemberIdentity, OutsideMember, Pair,
    SeenInterval, SourceIdentity, SourceInventory, SourceName, User,
};
use source::SourceState;
use std::collections::BTreeMap;

/// Previous state without its rows; the caller passes those one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviousState {
    /// Id of the run that produced the state.
    pub run_id: String,
    /// Time of that run (`as_of`).
    pub as_of: Instant,
    /// Sources of the state.
    pub sources: Vec<(SourceIdentity, KnownSource)>,
}

/// A membership of the previous state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownMembership {
    /// Id of the group.
    pub group: GroupId,
    /// Member; here [`OutsideMember::Missing`] means any direct member who is a user, listed or not.
    pub member: OutsideMember,
    /// First and last run that read it.
    pub seen: SeenInterval,
}

impl KnownMembership {
    /// Returns the identity of the membership.
    pub fn pair(&self) -> Pair<'_> {
        let member = match &self.member {
            OutsideMember::Missing(id) | OutsideMember::Nested { user: id, .. } => MemberIdentity::User(id),
            OutsideMember::Directory(name) => MemberIdentity::Directory(name),
        };
        Pair { group: &self.group, member }
    }
}

/// What the previous state is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ComparedWith {
    /// A reading. A row that it lacks may still exist.
    Reading,
    /// A later state. A row that it lacks was removed.
    State,
}

/// The run that advances the state.
#[derive(Clone, Copy)]
struct RunInstant<'a> {
    run_id: &'a str,
    at: Instant,
    /// Id and time of the previous run.
    before: Option<(&'a str, Instant)>,
    compared_with: ComparedWith,
}

/// Merges the previous state into a reading. Callers pass all users, then all groups, then all memberships, each in
/// table order.
pub struct Advance<'a> {
    now: RunInstant<'a>,
    sources: Vec<SourceState>,
    changes: Vec<Change>,
    dropped: BTreeMap<SourceName, DroppedRows>,
}

/// Rows of a source that left the state without being emitted as removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedRows {
    /// Whether the source is still configured, with another kind or host. If false, it is no longer configured.
    pub is_another: bool,
    /// Number of users, groups and memberships.
    pub rows: u64,
}

impl<'a> Advance<'a> {
    /// Starts with a reading: one inventory for every configured source, empty for sources that were not read.
    pub fn by_reading(inventory: Inventory, run_id: &'a str, at: Instant, before: Option<&'a PreviousState>) -> Self {
        Self::new(inventory, ComparedWith::Reading, run_id, at, before)
    }

    /// Starts with a later state, which is compared instead of a reading.
    pub fn to_state(inventory: Inventory, run_id: &'a str, at: Instant, before: &'a PreviousState) -> Self {
        Self::new(inventory, ComparedWith::State, run_id, at, Some(before))
    }

    fn new(
        inventory: Inventory,
        compared_with: ComparedWith,
        run_id: &'a str,
        at: Instant,
        before: Option<&'a PreviousState>,
    ) -> Self {
        let before_run = before.map(|before| (before.run_id.as_str(), before.as_of));
        let now = RunInstant { run_id, at, before: before_run, compared_with };
        let mut dropped = BTreeMap::new();
        let known_sources = before.map_or(&[][..], |before| &before.sources);
        for (identity, known) in known_sources {
            let source_inventory =
                inventory.sources.iter().find(|source_inventory| source_inventory.reading.source.name == identity.name);
            // Between two snapshots, a source may have been removed from the configuration and added again.
            let is_continued = |source_inventory: &SourceInventory| {
                compared_with == ComparedWith::Reading || source_inventory.known.first_seen == known.first_seen
            };
            if !source_inventory.is_some_and(|source_inventory| {
                is_same(&source_inventory.reading.source, identity) && is_continued(source_inventory)
            }) {
                dropped.insert(identity.name.clone(), DroppedRows { is_another: source_inventory.is_some(), rows: 0 });
            }
        }
        let known = |name: &SourceName| {
            let found =
                known_sources.iter().find(|(identity, _)| identity.name == *name && !dropped.contains_key(name));
            found.map(|(_, known)| known.clone())
        };
        let sources = inventory.sources.into_iter().map(|source_inventory| {
            let known = known(&source_inventory.reading.source.name);
            SourceState::new(source_inventory, known, now)
        });
        Self { now, sources: sources.collect(), changes: Vec::new(), dropped }
    }

    /// Merges an account of the previous state.
    pub fn user(&mut self, source: &SourceName, known: User) {
        if let Some((source, changes)) = self.source(source) {
            source.user(known, changes);
        }
    }

    /// Merges a group of the previous state.
    pub fn group(&mut self, source: &SourceName, known: Group) {
        if let Some((source, changes)) = self.source(source) {
            source.group(known, changes);
        }
    }

    /// Merges a membership of the previous state.
    pub fn membership(&mut self, source: &SourceName, known: KnownMembership) {
        if let Some((source, changes)) = self.source(source) {
            source.membership(known, changes);
        }
    }

    fn source(&mut self, name: &SourceName) -> Option<(SourceUpdate<'_, 'a>, &mut Vec<Change>)> {
        if let Some(dropped) = self.dropped.get_mut(name) {
            dropped.rows += 1;
            return None;
        }
        let source = self.sources.iter_mut().find(|source| source.source_inventory.reading.source.name == *name)?;
        Some((SourceUpdate { source, now: self.now }, &mut self.changes))
    }

    /// Finishes the merge. The remaining rows of the reading are new.
    pub fn finish(mut self) -> UnsettledState {
        for source in &mut self.sources {
            SourceUpdate { source, now: self.now }.finish(&mut self.changes);
        }
        // Changes were collected source by source; a run emits them by kind.
        self.changes.sort_by(event::order);
        UnsettledState::of(self.sources, self.changes, self.now, self.dropped)
    }
}

/// One source during the merge, with the run that advances it.
struct SourceUpdate<'s, 'a> {
    source: &'s mut SourceState,
    now: RunInstant<'a>,
}

/// Returns whether a source is the same as before: same kind and same host.
// Ids of another product or appliance mean other accounts. A new port or path is still the same appliance.
fn is_same(a: &SourceIdentity, b: &SourceIdentity) -> bool {
    a.kind == b.kind && a.host().eq_ignore_ascii_case(b.host())
}

/// Counts changes by kind, in the order in which a run lists them.
pub fn counts<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Vec<(ChangeKind, u64)> {
    let mut counts: BTreeMap<ChangeKind, u64> = BTreeMap::new();
    for change in changes {
        *counts.entry(change.kind).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}
