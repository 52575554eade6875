//! Reads a published snapshot back: its rows as the known state, or as an [`Inventory`]; findings as [`KnownFinding`]s; changes.
//! A snapshot that does not verify is refused. Changes nothing.
//!
//! From Parquet where it is there, else from CSV of any dialect. Not everything comes back: the tables do not hold passkeys, rights of
//! API accounts, conflicts, nor texts that stand for no date.

use super::error::SnapshotError;
use super::manifest::{Manifest, SourceEntry};
use super::read::read_manifest;
use super::verify::{VerifyProblem, verify_but_for, verify_files};
use crate::model::{
    Change, ChangedGroup, Finding, FindingStatus, Fingerprint, GroupId, Instant, Inventory, Outside, OutsideMember,
    Resolved, Rule, SeenInterval, Severity, SourceInventory, SourceName, SourceReading, Subject,
};
use crate::state::{Advance, PreviousState};
use crate::table::Table;
use ahash::AHashSet;
use decode::Words;
use std::borrow::Cow;
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod decode;
mod rows;
#[cfg(test)]
mod tests;

use rows::{TableRow, each_row};

/// An intact snapshot that can be read.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Its folder.
    pub path: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
    /// SHA-256 of `manifest.json`, lower-case hex.
    pub manifest_sha256: String,
}

/// A finding as a snapshot tells it. Rules and statuses are words: an older or newer version may have others.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownFinding {
    /// Where.
    pub source: SourceName,
    /// Identity over runs.
    pub fingerprint: Fingerprint,
    /// Public id of the rule.
    pub rule: Arc<str>,
    /// How grave.
    pub severity: Severity,
    /// The `status` column.
    pub status: Arc<str>,
    /// About whom.
    pub subject: Subject,
    /// Fact, basis, threshold.
    pub title: Box<str>,
    /// A JSON object.
    pub evidence: Box<str>,
    /// What to do.
    pub action: Arc<str>,
    /// Control ids.
    pub controls: Vec<Box<str>>,
    /// When it was first seen.
    pub first_seen: Instant,
    /// When it was last seen.
    pub last_seen: Instant,
    /// The accepted exception that covered it.
    pub exception: Option<Box<str>>,
}

impl KnownFinding {
    /// As a finding of this rule, with these words; `None` where this version does not know its status.
    pub fn of_rule(self, rule: Rule, action: Cow<'static, str>, controls: Arc<[&'static str]>) -> Option<Finding> {
        Some(Finding {
            source: self.source,
            fingerprint: self.fingerprint,
            rule,
            severity: self.severity,
            status: FindingStatus::parse(&self.status)?,
            subject: self.subject,
            title: self.title,
            evidence: self.evidence,
            action,
            controls,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            exception: self.exception,
        })
    }
}

impl Archive {
    /// Verifies the snapshot in this folder (`latest` and other links are followed).
    pub fn open(folder: &Path) -> Result<Self, SnapshotError> {
        Self::open_but_for(folder, None).map(|(archive, _)| archive)
    }

    /// The same; what is wrong with this one file is given instead of being a reason to refuse.
    pub fn open_but_for(folder: &Path, file: Option<&str>) -> Result<(Self, Vec<VerifyProblem>), SnapshotError> {
        let refused = |problems: Vec<VerifyProblem>| SnapshotError::NotIntact {
            path: folder.to_owned(),
            why: reported(&problems),
        };
        let (verified, excused) = verify_but_for(folder, file).map_err(refused)?;
        let path = fs::canonicalize(folder).map_err(SnapshotError::io("open", folder))?;
        let (manifest, manifest_sha256) = read_manifest(&path)?;
        if manifest_sha256 != verified.manifest_sha256 {
            let why = "it changed while it was read".to_owned();
            return Err(SnapshotError::NotIntact { path, why });
        }
        Ok((Self { path, manifest, manifest_sha256 }, excused))
    }

    /// Verifies the manifest and only these files: a reader of some tables need not hash the others. A name that the manifest
    /// does not list is passed over.
    pub(super) fn open_for(folder: &Path, needed: impl Fn(&str) -> bool) -> Result<Self, SnapshotError> {
        let path = fs::canonicalize(folder).map_err(SnapshotError::io("open", folder))?;
        match verify_files(&path, needed) {
            Ok((manifest, manifest_sha256)) => Ok(Self { path, manifest, manifest_sha256 }),
            Err(problems) => Err(SnapshotError::NotIntact { path, why: reported(&problems) }),
        }
    }

    /// The same of its tables alone, which is all that a run needs of the snapshot before.
    pub fn open_tables(folder: &Path) -> Result<Self, SnapshotError> {
        Self::open_for(folder, |name| {
            let is = |table: &Table, format: &str| name == format!("{}.{format}", table.as_str());
            let is_read = |table: &Table| is(table, "parquet") || (is(table, "csv") && !has_parquet(folder, *table));
            Table::ALL.iter().any(is_read)
        })
    }

    /// The instant that its ages are counted to.
    pub fn as_of(&self) -> Result<Instant, SnapshotError> {
        self.manifest.as_of.parse().map_err(|error| self.strange(super::MANIFEST)(format!("as_of: {error}")))
    }

    /// Its state without the rows.
    pub fn before(&self) -> Result<PreviousState, SnapshotError> {
        let sources = self.manifest.sources.iter().map(|entry| (entry.identity(), entry.known.clone())).collect();
        Ok(PreviousState { run_id: self.manifest.run_id.clone(), as_of: self.as_of()?, sources })
    }

    /// Feeds the rows of its state. `keeps`: rows of some source may be kept, so that they are needed as a whole.
    pub fn feed(&self, advance: &mut Advance<'_>, keeps: bool) -> Result<(), SnapshotError> {
        let mut words = Words::default();
        let unneeded: &[&str] = if keeps { &["group_memberships"] } else { &["group_memberships", "extra"] };
        self.each(Table::Users, unneeded, |row| {
            advance.user(&words.source(&row.needed("source")?), decode::user(row, &mut words)?);
            Ok(())
        })?;
        self.each(Table::Groups, &unneeded[1..], |row| {
            advance.group(&words.source(&row.needed("source")?), decode::group(row, &mut words)?);
            Ok(())
        })?;
        self.each(Table::Memberships, &["group_name", "username"], |row| {
            advance.membership(&words.source(&row.needed("source")?), decode::membership(row, &mut words)?);
            Ok(())
        })
    }

    /// Accounts, groups, memberships, and how far each source's lists can be trusted.
    pub fn inventory(&self) -> Result<Inventory, SnapshotError> {
        let mut sources = Sources::of(&self.manifest);
        let mut words = Words::default();
        self.each(Table::Users, &[], |row| {
            let user = decode::user(row, &mut words)?;
            sources.reading(row)?.users.push(user);
            Ok(())
        })?;
        self.each(Table::Groups, &[], |row| {
            let group = decode::group(row, &mut words)?;
            sources.reading(row)?.groups.push(group);
            Ok(())
        })?;
        let mut seen: Vec<Vec<SeenInterval>> = vec![Vec::new(); sources.readings.len()];
        let outside = self.outside(&sources, &mut words, |at, mark| seen[at].push(mark))?;
        for (at, outside) in outside {
            sources.readings[at].outside.push(outside);
        }
        let patterns = self.manifest.policy.get("privileged_groups").and_then(|entry| entry.value.as_array());
        let by_group = patterns.is_some_and(|patterns| !patterns.is_empty());
        let entries = self.manifest.sources.iter().zip(seen);
        let restored = sources.readings.into_iter().zip(entries).map(|(reading, (entry, seen))| {
            let mut source_inventory = SourceInventory::restore(reading, by_group);
            source_inventory.known.clone_from(&entry.known);
            // Memberships have one order, in the table as here.
            source_inventory
                .memberships
                .iter_mut()
                .zip(seen)
                .for_each(|(membership, seen)| membership.seen = Some(seen));
            source_inventory
        });
        Ok(Inventory::of(restored.collect()))
    }

    /// What memberships tell beyond the listed users' own records, each with the place of its source.
    fn outside(
        &self,
        sources: &Sources,
        words: &mut Words,
        mut mark: impl FnMut(usize, SeenInterval),
    ) -> Result<Vec<(usize, Outside)>, SnapshotError> {
        let listed: Vec<AHashSet<&str>> = sources.readings.iter().map(ids).collect();
        let mut outside = Vec::new();
        self.each(Table::Memberships, &["group_name", "username"], |row| {
            let at = sources.place(row)?;
            let known = decode::membership(row, words)?;
            mark(at, known.seen);
            // Nearly all: the listed users' own records say the same.
            let is_listed = matches!(&known.member, OutsideMember::Missing(id) if listed[at].contains(id.as_str()));
            if !is_listed {
                outside.push((at, Outside { group_id: known.group, member: known.member }));
            }
            Ok(())
        })?;
        Ok(outside)
    }

    /// The findings, in the order of the table.
    pub fn findings(&self) -> Result<Vec<KnownFinding>, SnapshotError> {
        self.findings_as(Ok)
    }

    /// The same, as something else; what cannot be that is refused with its row.
    pub fn findings_as<T>(&self, made: impl Fn(KnownFinding) -> Result<T, String>) -> Result<Vec<T>, SnapshotError> {
        let mut words = Words::default();
        let mut findings = Vec::new();
        self.each(Table::Findings, &[], |row| {
            findings.push(made(decode::finding(row, &mut words)?)?);
            Ok(())
        })?;
        Ok(findings)
    }

    /// What is kept of findings that are over.
    pub fn resolved(&self) -> Result<Vec<Resolved>, SnapshotError> {
        let mut words = Words::default();
        let mut resolved = Vec::new();
        self.each(Table::Resolved, &[], |row| {
            resolved.push(decode::resolved(row, &mut words)?);
            Ok(())
        })?;
        Ok(resolved)
    }

    /// The changes since the snapshot before, in the order of the table. `group` knows the group with this id of a membership that
    /// came or went: the table has only the id.
    pub fn changes(
        &self,
        group: impl Fn(&SourceName, &GroupId) -> Option<ChangedGroup>,
    ) -> Result<Vec<Change>, SnapshotError> {
        let mut words = Words::default();
        let mut changes = Vec::new();
        self.each(Table::Changes, &[], |row| {
            changes.push(decode::change(row, &mut words)?);
            Ok(())
        })?;
        let removed = decode::removed_groups(&changes);
        for change in &mut changes {
            let Some(id) = change.group_id().map(GroupId::from) else { continue };
            let found =
                group(&change.source, &id).or_else(|| removed.get(&(change.source.clone(), id.clone())).cloned());
            change.group = Some(found.unwrap_or(ChangedGroup { id, name: None, privileged: false }));
        }
        Ok(changes)
    }

    /// A file of text that the manifest lists; `None` where it lists none of that name.
    pub fn text(&self, name: &str) -> Result<Option<String>, SnapshotError> {
        if self.manifest.files.iter().all(|entry| entry.path != name) {
            return Ok(None);
        }
        let path = self.path.join(name);
        fs::read_to_string(&path).map(Some).map_err(SnapshotError::io("read", &path))
    }

    /// What this version does not understand, in a file of the snapshot.
    pub fn strange(&self, file: &str) -> impl FnOnce(String) -> SnapshotError + use<> {
        let path = self.path.join(file);
        |reason| SnapshotError::Strange { path, reason }
    }

    /// Every row of a table, with all of its columns but these.
    fn each(
        &self,
        table: Table,
        unneeded: &[&str],
        take: impl FnMut(&TableRow<'_>) -> Result<(), String>,
    ) -> Result<(), SnapshotError> {
        let mut columns = table.columns();
        columns.retain(|name| !unneeded.contains(name));
        each_row(&self.path, table, &columns, self.manifest.guarded_cells > 0, take)
    }
}

fn has_parquet(folder: &Path, table: Table) -> bool {
    folder.join(format!("{}.parquet", table.as_str())).exists()
}

/// What stood first, and how much more there is.
fn reported(problems: &[VerifyProblem]) -> String {
    let first = problems.first().map_or_else(String::new, ToString::to_string);
    match problems.len().saturating_sub(1) {
        0 => first,
        more => format!("{first}; and {more} more"),
    }
}

/// The manifest's sources, to be filled.
struct Sources {
    readings: Vec<SourceReading>,
    /// The tables are sorted by source: the next row is most likely of the last one's.
    last: Cell<usize>,
}

impl Sources {
    fn of(manifest: &Manifest) -> Self {
        Self { readings: manifest.sources.iter().map(reading).collect(), last: Cell::new(0) }
    }

    fn reading(&mut self, row: &TableRow<'_>) -> Result<&mut SourceReading, String> {
        let at = self.place(row)?;
        Ok(&mut self.readings[at])
    }

    fn place(&self, row: &TableRow<'_>) -> Result<usize, String> {
        let name = row.needed("source")?;
        let is_it = |reading: &SourceReading| reading.source.name.as_str() == &*name;
        if !self.readings.get(self.last.get()).is_some_and(is_it) {
            let found = self.readings.iter().position(is_it);
            self.last.set(found.ok_or_else(|| format!("source {name:?} is not in the manifest"))?);
        }
        Ok(self.last.get())
    }
}

fn reading(entry: &SourceEntry) -> SourceReading {
    SourceReading {
        lists: entry.lists.clone(),
        clock_skew_seconds: entry.clock_skew_seconds,
        tls_certificate_sha256: entry.tls_certificate_sha256.clone(),
        hides_inactive: entry.known.hides_inactive,
        ..SourceReading::of(entry.identity())
    }
}

fn ids(reading: &SourceReading) -> AHashSet<&str> {
    reading.users.iter().map(|user| user.id.as_str()).collect()
}
