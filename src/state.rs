//! The known state: `state(N), changes(N) = advance(state(N-1), reading(N))`. Pure.
//!
//! A state holds of every source the newest rows that were ever confirmed, each with the runs that saw it first and read it last. A
//! reading takes it on, row by row ([`Evidence`](crate::model::Evidence) is the one judge of absence):
//!
//! | the lists that bring a row | a row that was read | a row that was not |
//! |---|---|---|
//! | proven complete | added or updated, confirmed | removed |
//! | drifted | added or updated, confirmed | kept as it was; an account is reported as unconfirmed, once until it is read again |
//! | failed, not read, not offered this time | not taken | kept as it was |
//!
//! - A change is the difference between two consecutive states, so that it is emitted exactly once, and a way back is a change like any
//!   other.
//! - A list's first complete reading is its baseline: nothing is emitted of its rows before. So it is with a source that is new, and
//!   with one that has come to be of another kind or host: it begins anew.
//! - What was not known and becomes known is no change: the fields and groups of an account whose record was not read until now.
//! - A field that was not read (its list failed, its value is odd, a state is not reported) keeps its last known value.
//! - A source that is not configured any more leaves the state without a removal.
//! - No instant moves backwards, whatever the clock says.
//!
//! Both sides are sorted in one way. The state is fed row by row ([`Advance::user`], [`Advance::group`], [`Advance::membership`]),
//! so that only what is kept of it is ever in memory. Rules look at
//! what was read, and class accounts and groups by what is known of them; [`UnsettledState::settle`] then adds what is kept.

mod event;
mod fields;
#[cfg(test)]
pub(crate) mod memory;
mod settle;
mod source;
#[cfg(test)]
mod tests;

pub use settle::UnsettledState;
pub use source::{EarlierLogin, KnownRows, Since};

use crate::model::{
    Change, ChangeKind, Group, GroupId, Instant, Inventory, KnownSource, MemberIdentity, OutsideMember, Pair,
    SeenInterval, SourceIdentity, SourceInventory, SourceName, User,
};
use source::SourceState;
use std::collections::BTreeMap;

/// The state that a run starts from, without its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviousState {
    /// The run that left it.
    pub run_id: String,
    /// The instant of that run.
    pub as_of: Instant,
    /// Its sources.
    pub sources: Vec<(SourceIdentity, KnownSource)>,
}

/// A known membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownMembership {
    /// The group.
    pub group: GroupId,
    /// Who: [`OutsideMember::Missing`] stands for any user who is directly in it, listed or not.
    pub member: OutsideMember,
    /// Its marks.
    pub seen: SeenInterval,
}

impl KnownMembership {
    /// Its identity.
    pub fn pair(&self) -> Pair<'_> {
        let member = match &self.member {
            OutsideMember::Missing(id) | OutsideMember::Nested { user: id, .. } => MemberIdentity::User(id),
            OutsideMember::Directory(name) => MemberIdentity::Directory(name),
        };
        Pair { group: &self.group, member }
    }
}

/// What a state is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Against {
    /// A reading: what is not in it may be there all the same.
    Reading,
    /// A later state: what is not in it is gone.
    State,
}

/// The run that takes the state on.
#[derive(Clone, Copy)]
struct RunInstant<'a> {
    run_id: &'a str,
    at: Instant,
    /// The run before, and its instant.
    before: Option<(&'a str, Instant)>,
    against: Against,
}

/// A state on its way to the next one. Rows of users come first, then groups, then memberships, each in the order of its table.
pub struct Advance<'a> {
    now: RunInstant<'a>,
    sources: Vec<SourceState>,
    changes: Vec<Change>,
    left: BTreeMap<SourceName, DroppedRows>,
}

/// Why rows of a source are in the state no longer, and how many they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedRows {
    /// The source is configured as another kind, or at another host.
    pub is_another: bool,
    /// Users, groups and memberships.
    pub rows: u64,
}

impl<'a> Advance<'a> {
    /// Begins with what a run has read: one roll for every configured source, an empty one where nothing was read.
    pub fn by_reading(inventory: Inventory, run_id: &'a str, at: Instant, before: Option<&'a PreviousState>) -> Self {
        Self::new(inventory, Against::Reading, run_id, at, before)
    }

    /// Compares with a later state instead.
    pub fn to_state(inventory: Inventory, run_id: &'a str, at: Instant, before: &'a PreviousState) -> Self {
        Self::new(inventory, Against::State, run_id, at, Some(before))
    }

    fn new(
        inventory: Inventory,
        against: Against,
        run_id: &'a str,
        at: Instant,
        before: Option<&'a PreviousState>,
    ) -> Self {
        let now =
            RunInstant { run_id, at, before: before.map(|before| (before.run_id.as_str(), before.as_of)), against };
        let mut left = BTreeMap::new();
        let remembered = before.map_or(&[][..], |before| &before.sources);
        for (identity, known) in remembered {
            let source_inventory =
                inventory.sources.iter().find(|source_inventory| source_inventory.reading.source.name == identity.name);
            // Between two states a source may have left, and begun anew.
            let goes_on = |source_inventory: &SourceInventory| {
                against == Against::Reading || source_inventory.known.first_seen == known.first_seen
            };
            if !source_inventory.is_some_and(|source_inventory| {
                is_same(&source_inventory.reading.source, identity) && goes_on(source_inventory)
            }) {
                left.insert(identity.name.clone(), DroppedRows { is_another: source_inventory.is_some(), rows: 0 });
            }
        }
        let known = |name: &SourceName| {
            let found = remembered.iter().find(|(identity, _)| identity.name == *name && !left.contains_key(name));
            found.map(|(_, known)| known.clone())
        };
        let sources = inventory.sources.into_iter().map(|source_inventory| {
            let known = known(&source_inventory.reading.source.name);
            SourceState::new(source_inventory, known, now)
        });
        Self { now, sources: sources.collect(), changes: Vec::new(), left }
    }

    /// Takes a known user.
    pub fn user(&mut self, source: &SourceName, known: User) {
        if let Some((source, changes)) = self.source(source) {
            source.user(known, changes);
        }
    }

    /// Takes a known group.
    pub fn group(&mut self, source: &SourceName, known: Group) {
        if let Some((source, changes)) = self.source(source) {
            source.group(known, changes);
        }
    }

    /// Takes a known membership.
    pub fn membership(&mut self, source: &SourceName, known: KnownMembership) {
        if let Some((source, changes)) = self.source(source) {
            source.membership(known, changes);
        }
    }

    fn source(&mut self, name: &SourceName) -> Option<(SourceUpdate<'_, 'a>, &mut Vec<Change>)> {
        if let Some(left) = self.left.get_mut(name) {
            left.rows += 1;
            return None;
        }
        let source = self.sources.iter_mut().find(|source| source.source_inventory.reading.source.name == *name)?;
        Some((SourceUpdate { source, now: self.now }, &mut self.changes))
    }

    /// Ends: what is left of the reading is new.
    pub fn finish(mut self) -> UnsettledState {
        for source in &mut self.sources {
            SourceUpdate { source, now: self.now }.finish(&mut self.changes);
        }
        self.changes.sort_by(event::order);
        UnsettledState::of(self.sources, self.changes, self.now.before.map(|(run_id, _)| run_id.to_owned()), self.left)
    }
}

/// One source, and the run that takes it on.
struct SourceUpdate<'s, 'a> {
    source: &'s mut SourceState,
    now: RunInstant<'a>,
}

/// A source is the same while its kind and its host are.
fn is_same(a: &SourceIdentity, b: &SourceIdentity) -> bool {
    a.kind == b.kind && host(&a.url).eq_ignore_ascii_case(host(&b.url))
}

/// The host of an address, without its port.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.rfind(']') {
        // RFC 3986 §3.2.2: an IPv6 address stands in brackets.
        Some(end) => &host[..=end],
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// Changes by kind, in the order of a run.
pub fn counts<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Vec<(ChangeKind, u64)> {
    let mut counts: BTreeMap<ChangeKind, u64> = BTreeMap::new();
    for change in changes {
        *counts.entry(change.kind).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}
