//! Loading of a published snapshot: its state for the next run, its [`Inventory`], its findings and its changes.
//!
//! A run loads the newest snapshot as the known state; the offline commands load any snapshot. A snapshot that fails
//! verification is refused. Nothing is changed.
//!
//! Tables are read from Parquet if it exists, otherwise from CSV in any dialect. Facts that no table contains are in
//! `rule-inputs.jsonl`; only [`Archive::readings`] restores them.

use super::error::SnapshotError;
use super::locate::snapshot_folder;
use super::manifest::{Manifest, SourceEntry};
use super::read::read_manifest;
use super::survey::is_absent;
use super::verify::{Verified, VerifyProblem, verify_except, verify_files};
use crate::model::{
    Advice, Change, ChangedGroup, Contact, Finding, FindingStatus, Fingerprint, GroupId, Instant, Interner, Inventory,
    Outside, OutsideMember, Resolved, Rule, SeenInterval, Severity, SourceInventory, SourceName, SourceReading,
    Subject, Text, Wording,
};
use crate::regular_file::{self, MAX_DOCUMENT};
use crate::state::{Advance, PreviousState};
use crate::table::Table;
use ahash::AHashSet;
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod decode;
mod reading;
mod rows;
#[cfg(test)]
mod tests;

pub use reading::{Restored, RestoredReadings};
use rows::{TableRow, each_row, of_a_run};

/// Verified snapshot that can be loaded.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Folder of the snapshot.
    pub path: PathBuf,
    /// Manifest of the snapshot.
    pub manifest: Manifest,
    /// SHA-256 of `manifest.json` in lower-case hexadecimal.
    pub manifest_sha256: String,
}

/// Finding as a snapshot contains it. Rule and status are texts, because another version may know other ones.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownFinding {
    /// Name of the source.
    pub source: SourceName,
    /// Identity of the finding, which is the same in every run.
    pub fingerprint: Fingerprint,
    /// Public id of the rule.
    pub rule: Text,
    /// Severity of the finding.
    pub severity: Severity,
    /// Value of the column `status`.
    pub status: Text,
    /// Account, group or source that the finding is about.
    pub subject: Subject,
    /// Contact of the account, as of the run that found it last.
    pub contact: Contact,
    /// Title and evidence.
    pub wording: Wording,
    /// Action that the rule recommends.
    pub action: Text,
    /// Ids of the controls of the configured frameworks.
    pub controls: Vec<Box<str>>,
    /// Instant of the first run that found it.
    pub first_seen: Instant,
    /// Instant of the last run that found it.
    pub last_seen: Instant,
    /// Accepted exception that covers it.
    pub exception: Option<Text>,
}

impl KnownFinding {
    /// Converts it into a finding of a known rule with its texts; `None` if this version does not know the status.
    pub fn of_rule(self, rule: Rule, advice: Arc<Advice>) -> Option<Finding> {
        Some(Finding {
            source: self.source,
            fingerprint: self.fingerprint,
            rule,
            severity: self.severity,
            status: FindingStatus::parse(&self.status)?,
            subject: self.subject,
            contact: self.contact,
            wording: self.wording,
            advice,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            exception: self.exception,
        })
    }
}

impl Archive {
    /// Opens the snapshot in a folder after verifying every file. Links such as `latest` are followed.
    pub fn open(folder: &Path) -> Result<Self, SnapshotError> {
        Self::open_except(folder, None).map(|(archive, _)| archive)
    }

    /// Opens a snapshot like [`Archive::open`], but returns the problems of one file instead of failing.
    pub fn open_except(folder: &Path, file: Option<&str>) -> Result<(Self, Vec<VerifyProblem>), SnapshotError> {
        snapshot_folder(folder)?;
        let refused = |problems: Vec<VerifyProblem>| SnapshotError::NotIntact {
            path: folder.to_owned(),
            why: summary(&problems),
        };
        let (verified, excused) = verify_except(folder, file).map_err(refused)?;
        // The manifest is read twice. If it was replaced in between, the verification does not apply to this one.
        Ok((Self::of_verified(folder, &verified)?, excused))
    }

    /// Opens a snapshot after verifying the manifest and the needed files only, so that the others need not be hashed.
    /// Names that the manifest does not list are ignored.
    pub(super) fn open_for(folder: &Path, needed: impl Fn(&str) -> bool) -> Result<Self, SnapshotError> {
        let path = fs::canonicalize(folder).map_err(SnapshotError::io("open", folder))?;
        match verify_files(&path, needed) {
            Ok((manifest, manifest_sha256)) => Ok(Self { path, manifest, manifest_sha256 }),
            Err(problems) => Err(SnapshotError::NotIntact { path, why: summary(&problems) }),
        }
    }

    /// Opens a snapshot that was just verified. Errors: its manifest was replaced since then.
    pub fn of_verified(folder: &Path, verified: &Verified) -> Result<Self, SnapshotError> {
        let path = fs::canonicalize(folder).map_err(SnapshotError::io("open", folder))?;
        let (manifest, manifest_sha256) = read_manifest(&path)?;
        if manifest_sha256 != verified.manifest_sha256 {
            let why = "it changed while it was read".to_owned();
            return Err(SnapshotError::NotIntact { path, why });
        }
        Ok(Self { path, manifest, manifest_sha256 })
    }

    /// Opens a snapshot after verifying only its tables. A run needs nothing else of its baseline.
    pub fn open_tables(folder: &Path) -> Result<Self, SnapshotError> {
        Self::open_for(folder, |name| {
            let is = |table: &Table, format: &str| name == format!("{}.{format}", table.as_str());
            let is_read = |table: &Table| is(table, "parquet") || (is(table, "csv") && !has_parquet(folder, *table));
            Table::ALL.iter().any(is_read)
        })
    }

    /// Returns the instant that ages are computed from. Errors: it is no instant, or not of a possible run.
    pub fn as_of(&self) -> Result<Instant, SnapshotError> {
        self.instant("as_of", &self.manifest.as_of)
    }

    /// Returns the latest instant that its run or an earlier one had, which no date of a row exceeds.
    pub fn latest_as_of(&self) -> Result<Instant, SnapshotError> {
        let (as_of, latest) = (self.as_of()?, &self.manifest.latest_as_of);
        latest.as_ref().map_or(Ok(as_of), |text| Ok(self.instant("latest_as_of", text)?.max(as_of)))
    }

    fn instant(&self, key: &str, text: &str) -> Result<Instant, SnapshotError> {
        let parsed = text.parse().map_err(|error| format!("{key}: {error}"));
        let checked = parsed
            .and_then(|at| of_a_run(at).ok_or_else(|| format!("{key}: {text:?} is not a possible instant of a run")));
        checked.map_err(self.unsupported(super::MANIFEST))
    }

    /// Returns the state of the snapshot without its rows.
    pub fn before(&self) -> Result<PreviousState, SnapshotError> {
        let sources = self.manifest.sources.iter().map(|entry| (entry.identity(), entry.known.clone())).collect();
        Ok(PreviousState { run_id: self.manifest.run_id.clone(), as_of: self.as_of()?, sources })
    }

    /// Passes the rows of the known state to the next state. `keeps` means that rows of some source may be kept
    /// unchanged, so that all of their columns are needed.
    pub fn feed(&self, advance: &mut Advance<'_>, keeps: bool) -> Result<(), SnapshotError> {
        let mut texts = Interner::default();
        let unneeded: &[&str] = if keeps { &["group_memberships"] } else { &["group_memberships", "extra"] };
        self.each(Table::Users, unneeded, |row| {
            advance.user(&texts.source_name(&row.needed("source")?), decode::user(row, &mut texts)?);
            Ok(())
        })?;
        self.each(Table::Groups, &unneeded[1..], |row| {
            advance.group(&texts.source_name(&row.needed("source")?), decode::group(row, &mut texts)?);
            Ok(())
        })?;
        self.each(Table::Memberships, &[], |row| {
            advance.membership(&texts.source_name(&row.needed("source")?), decode::membership(row, &mut texts)?);
            Ok(())
        })
    }

    /// Loads accounts, groups and memberships, with the coverage of each source's lists.
    pub fn inventory(&self) -> Result<Inventory, SnapshotError> {
        let mut sources = Sources::of(&self.manifest);
        let mut texts = Interner::default();
        self.each(Table::Users, &[], |row| {
            let user = decode::user(row, &mut texts)?;
            sources.reading(row)?.users.push(user);
            Ok(())
        })?;
        self.each(Table::Groups, &[], |row| {
            let group = decode::group(row, &mut texts)?;
            sources.reading(row)?.groups.push(group);
            Ok(())
        })?;
        let mut seen: Vec<Vec<SeenInterval>> = vec![Vec::new(); sources.readings.len()];
        let outside = self.outside(&sources, &mut texts, |at, mark| seen[at].push(mark))?;
        for (at, outside) in outside {
            sources.readings[at].outside.push(outside);
        }
        let patterns = self.manifest.policy.get("privileged_groups").and_then(|entry| entry.value.as_array());
        let by_group = patterns.is_some_and(|patterns| !patterns.is_empty());
        let entries = self.manifest.sources.iter().zip(seen);
        let restored = sources.readings.into_iter().zip(entries).map(|(reading, (entry, seen))| {
            let mut source_inventory = SourceInventory::restore(reading, by_group);
            source_inventory.known.clone_from(&entry.known);
            // The join sorts memberships in the order of the table, so the n-th row belongs to the n-th membership.
            let rows = source_inventory.memberships.len();
            (0..rows).zip(seen).for_each(|(at, seen)| source_inventory.set_seen(at..at + 1, Some(seen)));
            source_inventory
        });
        Ok(Inventory::of(restored.collect()))
    }

    /// Returns the memberships that the users' own records do not contain, each with the index of its source. `mark`
    /// receives the interval of every membership.
    fn outside(
        &self,
        sources: &Sources,
        texts: &mut Interner,
        mut mark: impl FnMut(usize, SeenInterval),
    ) -> Result<Vec<(usize, Outside)>, SnapshotError> {
        let listed: Vec<AHashSet<&str>> = sources.readings.iter().map(ids).collect();
        let mut outside = Vec::new();
        self.each(Table::Memberships, &[], |row| {
            let at = sources.place(row)?;
            let known = decode::membership(row, texts)?;
            mark(at, known.seen);
            // The records of listed users contain their memberships already. That is the case for nearly all rows.
            let is_listed = matches!(&known.member, OutsideMember::Missing(id) if listed[at].contains(id.as_str()));
            if !is_listed {
                outside.push((at, Outside { group_id: known.group, member: known.member }));
            }
            Ok(())
        })?;
        Ok(outside)
    }

    /// Loads the findings in the order of the table. An error of `take` is reported with the number of the row.
    pub fn each_finding(&self, mut take: impl FnMut(KnownFinding) -> Result<(), String>) -> Result<(), SnapshotError> {
        let mut texts = Interner::default();
        self.each(Table::Findings, &[], |row| take(decode::finding(row, &mut texts)?))
    }

    /// Loads the history of resolved findings.
    pub fn resolved(&self) -> Result<Vec<Resolved>, SnapshotError> {
        let mut texts = Interner::default();
        let mut resolved = Vec::new();
        self.each(Table::Resolved, &[], |row| {
            resolved.push(decode::resolved(row, &mut texts)?);
            Ok(())
        })?;
        Ok(resolved)
    }

    /// Loads the changes since the baseline in the order of the table.
    ///
    /// The table contains only the id of the group of a membership. `group` returns the group itself; groups that were
    /// removed in the same run are found in the changes.
    pub fn changes(
        &self,
        group: impl Fn(&SourceName, &GroupId) -> Option<ChangedGroup>,
    ) -> Result<Vec<Change>, SnapshotError> {
        let mut texts = Interner::default();
        let mut changes = Vec::new();
        self.each(Table::Changes, &[], |row| {
            changes.push(decode::change(row, &mut texts)?);
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

    /// Reads a text file of the snapshot; `None` if the manifest does not list it.
    pub fn text(&self, name: &str) -> Result<Option<String>, SnapshotError> {
        if self.manifest.files.iter().all(|entry| entry.path != name) {
            return Ok(None);
        }
        let path = self.path.join(name);
        regular_file::read_text(&path, MAX_DOCUMENT).map(Some).map_err(SnapshotError::io("read", &path))
    }

    /// Returns a function that creates the error for content of a file that this version does not support.
    pub fn unsupported(&self, file: &str) -> impl FnOnce(String) -> SnapshotError + use<> {
        let path = self.path.join(file);
        |reason| SnapshotError::Unsupported { path, reason }
    }

    /// Passes every row of a table to `take`, without the `unneeded` columns.
    fn each(
        &self,
        table: Table,
        unneeded: &[&str],
        take: impl FnMut(&TableRow<'_>) -> Result<(), String>,
    ) -> Result<(), SnapshotError> {
        let mut columns = table.columns();
        columns.retain(|name| !unneeded.contains(name) && !is_derived(table, name));
        each_row(&self.path, table, &columns, self.manifest.guarded_cells > 0, take)
    }
}

/// Returns whether the column repeats facts of other columns, so that nothing is loaded from it.
fn is_derived(table: Table, column: &str) -> bool {
    match table {
        Table::Users => ["is_privileged", "group_names", "person"].contains(&column),
        Table::Groups => column == "owner",
        Table::Memberships => ["group_name", "username", "email_address", "enabled", "last_login"].contains(&column),
        Table::Findings | Table::Changes | Table::Resolved => false,
    }
}

fn has_parquet(folder: &Path, table: Table) -> bool {
    !is_absent(&folder.join(format!("{}.parquet", table.as_str())))
}

/// Returns the first problem and the number of the others.
fn summary(problems: &[VerifyProblem]) -> String {
    let first = problems.first().map_or_else(String::new, ToString::to_string);
    match problems.len().saturating_sub(1) {
        0 => first,
        more => format!("{first}; and {more} more"),
    }
}

/// Sources of the manifest, to be filled with rows.
struct Sources {
    readings: Vec<SourceReading>,
    /// Index of the source of the last row. Tables are sorted by source, so the next row most likely has the same one.
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
