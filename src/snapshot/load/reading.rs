//! Restores what a run read: the rows of a snapshot without those that it kept from earlier runs.
//!
//! `reperform` advances and evaluates the result again. The tables hold the settled state; `rule-inputs.jsonl` says
//! which of its values the run did not read, and has the facts that no table contains.

use super::super::error::SnapshotError;
use super::super::inputs::{self, InputRecord};
use super::{Archive, Sources, TableRow, decode};
use crate::model::{
    GroupId, Instant, Interner, Outside, OutsideMember, SeenInterval, SourceReading, User, UserId, UserKind,
};
use crate::state::{KeptRow, KnownMembership};
use crate::table::Table;
use ahash::{AHashMap, AHashSet};

/// What is restored besides the values that the run read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// Nothing: the result is a reading, to be merged with the baseline.
    Reading,
    /// What the merge with the baseline added, as far as rules use it: names, classes, first and last run of each row.
    Merged,
}

impl Archive {
    /// Restores the readings of all sources, without the rows that the run kept: those that were confirmed before its
    /// instant, and those that `rule-inputs.jsonl` names.
    pub fn readings(&self, restored: Restored) -> Result<RestoredReadings, SnapshotError> {
        let sources = Sources::of(&self.manifest);
        let mut texts = Interner::default();
        let mut restoring = Restoring {
            inputs: Inputs::of(self, &sources)?,
            kept_rows: vec![0; sources.readings.len()],
            last_confirmed: vec![None; sources.readings.len()],
            sources,
            restored,
            as_of: self.as_of()?,
        };
        restoring.inputs.of_sources(&mut restoring.sources.readings);
        self.each(Table::Users, &["group_memberships"], |row| restoring.user(row, &mut texts))?;
        self.each(Table::Groups, &[], |row| restoring.group(row, &mut texts))?;
        // Accounts are found by their position, so none may be added from here on.
        let places: Vec<AHashMap<UserId, usize>> = restoring.sources.readings.iter().map(places).collect();
        self.each(Table::Memberships, &["group_name", "username"], |row| {
            restoring.membership(row, &mut texts, &places)
        })?;
        let Restoring { sources, kept_rows, last_confirmed, .. } = restoring;
        Ok(RestoredReadings { readings: sources.readings, kept_rows, last_confirmed })
    }
}

/// What a run read, restored from its snapshot.
pub struct RestoredReadings {
    /// Reading of each source.
    pub readings: Vec<SourceReading>,
    /// Number of rows of each source that the run kept from earlier runs.
    pub kept_rows: Vec<u64>,
    /// Latest `confirmed_at` of the rows of each source.
    pub last_confirmed: Vec<Option<Instant>>,
}

fn places(reading: &SourceReading) -> AHashMap<UserId, usize> {
    reading.users.iter().enumerate().map(|(at, user)| (user.id.clone(), at)).collect()
}

/// Readings that are being filled.
struct Restoring {
    inputs: Inputs,
    sources: Sources,
    kept_rows: Vec<u64>,
    last_confirmed: Vec<Option<Instant>>,
    restored: Restored,
    as_of: Instant,
}

impl Restoring {
    /// Returns whether the run read a row of the source at this position, and counts it if not.
    fn was_read(&mut self, at: usize, seen: Option<SeenInterval>, row: impl FnOnce() -> KeptRow) -> bool {
        // Most snapshots name no kept row, so that the row is not made for each row of the table.
        let is_named = || !self.inputs.kept_rows[at].is_empty() && self.inputs.kept_rows[at].contains(&row());
        let was_read = seen.is_some_and(|seen| seen.confirmed >= self.as_of) && !is_named();
        self.kept_rows[at] += u64::from(!was_read);
        self.last_confirmed[at] = self.last_confirmed[at].max(seen.map(|seen| seen.confirmed));
        was_read
    }

    fn user(&mut self, row: &TableRow<'_>, texts: &mut Interner) -> Result<(), String> {
        let at = self.sources.place(row)?;
        let mut user = decode::user(row, texts)?;
        if !self.was_read(at, user.seen, || KeptRow::User(user.id.clone())) {
            return Ok(());
        }
        // Only the configured patterns make an emergency account, and the join applies them again.
        if user.kind == UserKind::BreakGlass {
            user.kind = UserKind::Person;
        }
        if let Some(record) = self.inputs.users[at].get(user.id.as_str()) {
            record.add_to_user(&mut user);
            record.remove_kept(&mut user);
            if self.restored == Restored::Reading {
                record.remove_kept_classes(&mut user);
            }
        }
        if self.restored == Restored::Reading {
            forget_runs(&mut user);
        }
        self.sources.readings[at].users.push(user);
        Ok(())
    }

    fn group(&mut self, row: &TableRow<'_>, texts: &mut Interner) -> Result<(), String> {
        let at = self.sources.place(row)?;
        let mut group = decode::group(row, texts)?;
        if !self.was_read(at, group.seen, || KeptRow::Group(group.id.clone())) {
            return Ok(());
        }
        // An unknown account may make the count of users unknown, but never the count of other members.
        group.members_known = Some(group.external_member_count.is_some());
        if let Some(record) = self.inputs.groups[at].get(group.id.as_str()) {
            group.directory = record.directory;
            if self.restored == Restored::Reading {
                record.remove_kept_name(&mut group);
            }
        }
        if self.restored == Restored::Reading {
            (group.seen, group.members_confirmed) = (None, None);
        }
        self.sources.readings[at].groups.push(group);
        Ok(())
    }

    fn membership(
        &mut self,
        row: &TableRow<'_>,
        texts: &mut Interner,
        places: &[AHashMap<UserId, usize>],
    ) -> Result<(), String> {
        let at = self.sources.place(row)?;
        let known = decode::membership(row, texts)?;
        if !self.was_read(at, Some(known.seen), || KeptRow::of_membership(&known.pair())) {
            return Ok(());
        }
        let KnownMembership { group, member, .. } = known;
        let reading = &mut self.sources.readings[at];
        let user = match &member {
            OutsideMember::Missing(id) | OutsideMember::Nested { user: id, .. } => places[at].get(id).copied(),
            OutsideMember::Directory(_) => None,
        };
        let is_direct = matches!(member, OutsideMember::Missing(_));
        if let Some(user) = user {
            add_group(&mut reading.users[user], group.clone());
        }
        // The record of a listed user contains a direct membership.
        if user.is_none() || !is_direct {
            reading.outside.push(Outside { group_id: group, member });
        }
        Ok(())
    }
}

/// Clears what only the merge with the baseline sets.
fn forget_runs(user: &mut User) {
    (user.seen, user.groups_confirmed) = (None, None);
    user.rare.set(|rare| &mut rare.enabled_since, None);
    user.rare.set(|rare| &mut rare.unconfirmed_since, None);
}

fn add_group(user: &mut User, group: GroupId) {
    let mut groups = std::mem::take(&mut user.group_memberships).into_vec();
    // Rows are sorted by group, so that a group belongs at the end unless somebody changed the table.
    if let Err(place) = groups.binary_search(&group) {
        groups.insert(place, group);
    }
    user.group_memberships = groups.into();
}

/// Content of `rule-inputs.jsonl`, by the position of the source and the id.
struct Inputs {
    sources: Vec<(usize, InputRecord)>,
    users: Vec<AHashMap<String, InputRecord>>,
    groups: Vec<AHashMap<String, InputRecord>>,
    kept_rows: Vec<AHashSet<KeptRow>>,
}

impl Inputs {
    fn of(archive: &Archive, sources: &Sources) -> Result<Self, SnapshotError> {
        let missing = || archive.unsupported(inputs::FILE)("the manifest does not list it".to_owned());
        let text = archive.text(inputs::FILE)?.ok_or_else(missing)?;
        let records = inputs::read(&text).map_err(archive.unsupported(inputs::FILE))?;
        let empty = || vec![AHashMap::new(); sources.readings.len()];
        let kept_rows = vec![AHashSet::new(); sources.readings.len()];
        let mut found = Self { sources: Vec::new(), users: empty(), groups: empty(), kept_rows };
        for record in records {
            let at = sources.readings.iter().position(|reading| reading.source.name.as_str() == record.source);
            let unknown =
                || archive.unsupported(inputs::FILE)(format!("source {:?} is not in the manifest", record.source));
            let at = at.ok_or_else(unknown)?;
            if let Some(row) = record.kept_row() {
                found.kept_rows[at].insert(row);
                continue;
            }
            match (record.user.clone(), record.group.clone()) {
                (Some(id), _) => drop(found.users[at].insert(id, record)),
                (None, Some(id)) => drop(found.groups[at].insert(id, record)),
                (None, None) => found.sources.push((at, record)),
            }
        }
        Ok(found)
    }

    /// Fills in the facts about the sources themselves.
    fn of_sources(&self, readings: &mut [SourceReading]) {
        for reading in readings.iter_mut() {
            reading.hides_inactive = false;
        }
        for (at, record) in &self.sources {
            readings[*at].hides_inactive = record.hides_inactive;
            readings[*at].odd_values = record.odd();
        }
    }
}
