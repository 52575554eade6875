//! Reads a published snapshot back: accounts, groups and memberships as an [`Inventory`], findings as [`PastFinding`]s, changes.
//! A snapshot that does not verify is refused. Changes nothing.
//!
//! From Parquet where it is there, else from CSV of any dialect. Not everything comes back: the tables hold neither
//! `extra` as fields, nor passkeys, blocks, rights of API accounts, conflicts, nor texts that stand for no date.

use super::error::SnapshotError;
use super::manifest::{Manifest, SourceEntry};
use super::read::read_manifest;
use super::verify::{Problem, verify_but_for};
use crate::model::{
    Change, ChangeKind, ChangedGroup, Finding, FindingStatus, Fingerprint, Group, GroupId, Harvest, Instant, Inventory,
    LastLogin, Outside, OutsideMember, Roll, Rule, Severity, SourceIdentity, SourceName, Subject, SubjectKind, Told,
    User, UserId, UserKind,
};
use crate::table::Table;
use ahash::{AHashMap, AHashSet};
use std::borrow::Cow;
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod rows;
#[cfg(test)]
mod tests;

use rows::{Row, each_row};

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
pub struct PastFinding {
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

impl PastFinding {
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
    pub fn open_but_for(folder: &Path, file: Option<&str>) -> Result<(Self, Vec<Problem>), SnapshotError> {
        let refused =
            |problems: Vec<Problem>| SnapshotError::NotIntact { path: folder.to_owned(), why: told(&problems) };
        let (verified, excused) = verify_but_for(folder, file).map_err(refused)?;
        let path = fs::canonicalize(folder).map_err(SnapshotError::io("open", folder))?;
        let (manifest, manifest_sha256) = read_manifest(&path)?;
        if manifest_sha256 != verified.manifest_sha256 {
            let why = "it changed while it was read".to_owned();
            return Err(SnapshotError::NotIntact { path, why });
        }
        Ok((Self { path, manifest, manifest_sha256 }, excused))
    }

    /// Accounts, groups, memberships, and how far each source's lists can be trusted.
    pub fn inventory(&self) -> Result<Inventory, SnapshotError> {
        let mut sources = Sources::of(&self.manifest);
        let mut words = Words::default();
        self.each(Table::Users, USERS, |row| {
            let user = user(row, &mut words)?;
            sources.harvest(row)?.users.push(user);
            Ok(())
        })?;
        self.each(Table::Groups, GROUPS, |row| {
            let group = group(row, &mut words)?;
            sources.harvest(row)?.groups.push(group);
            Ok(())
        })?;
        let outside = self.outside(&sources, &mut words)?;
        for (at, outside) in outside {
            sources.harvests[at].outside.push(outside);
        }
        let patterns = self.manifest.policy.get("privileged_groups").and_then(|entry| entry.value.as_array());
        let by_group = patterns.is_some_and(|patterns| !patterns.is_empty());
        Ok(Inventory::of(sources.harvests.into_iter().map(|harvest| Roll::restore(harvest, by_group)).collect()))
    }

    /// What memberships tell beyond the listed users' own records, each with the place of its source.
    fn outside(&self, sources: &Sources, words: &mut Words) -> Result<Vec<(usize, Outside)>, SnapshotError> {
        let known: Vec<AHashSet<&str>> = sources.harvests.iter().map(ids).collect();
        let mut outside = Vec::new();
        self.each(Table::Memberships, MEMBERSHIPS, |row| {
            let at = sources.place(row)?;
            if let Some(member) = outside_member(row, &known[at])? {
                let group_id = words.group(&row.needed("group_id")?);
                outside.push((at, Outside { group_id, member }));
            }
            Ok(())
        })?;
        Ok(outside)
    }

    /// The findings, in the order of the table.
    pub fn findings(&self) -> Result<Vec<PastFinding>, SnapshotError> {
        self.findings_as(Ok)
    }

    /// The same, as something else; what cannot be that is told with its row.
    pub fn findings_as<T>(&self, made: impl Fn(PastFinding) -> Result<T, String>) -> Result<Vec<T>, SnapshotError> {
        let mut words = Words::default();
        let mut findings = Vec::new();
        self.each(Table::Findings, FINDINGS, |row| {
            findings.push(made(finding(row, &mut words)?)?);
            Ok(())
        })?;
        Ok(findings)
    }

    /// The changes since the base, in the order of the table. `group` knows the group with this id of a membership that came or
    /// went: the table has only the id.
    pub fn changes(&self, group: impl Fn(&Change, &str) -> Option<ChangedGroup>) -> Result<Vec<Change>, SnapshotError> {
        let mut words = Words::default();
        let mut changes = Vec::new();
        self.each(Table::Changes, CHANGES, |row| {
            let mut change = change(row, &mut words)?;
            if let Some(id) = change.group_id() {
                let known =
                    group(&change, id).ok_or_else(|| format!("nothing tells of group {id:?} as it was then"))?;
                change.group = Some(known);
            }
            changes.push(change);
            Ok(())
        })?;
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

    fn each(
        &self,
        table: Table,
        columns: &'static [&'static str],
        take: impl FnMut(&Row<'_>) -> Result<(), String>,
    ) -> Result<(), SnapshotError> {
        each_row(&self.path, table, columns, self.manifest.guarded_cells > 0, take)
    }
}

const USERS: &[&str] = &[
    "source",
    "id",
    "username",
    "display_name",
    "email_address",
    "enabled",
    "account_type",
    "kind",
    "group_memberships",
    "groups_known",
    "public_key",
    "last_login",
    "last_login_status",
    "created_at",
    "locale",
    "is_admin",
    "mfa",
    "expires_at",
];
const GROUPS: &[&str] = &["source", "id", "name", "description", "privileged", "member_count"];
const MEMBERSHIPS: &[&str] = &["source", "group_id", "user_id", "via", "external_name"];
const FINDINGS: &[&str] = &[
    "source",
    "fingerprint",
    "rule",
    "severity",
    "status",
    "subject_kind",
    "subject_id",
    "subject_name",
    "title",
    "evidence",
    "action",
    "controls",
    "first_seen",
    "last_seen",
    "exception",
];

const CHANGES: &[&str] = &[
    "source",
    "event_id",
    "kind",
    "subject_kind",
    "subject_id",
    "subject_name",
    "field",
    "before",
    "after",
    "base_run",
];

/// What stood first, and how much more there is.
fn told(problems: &[Problem]) -> String {
    let first = problems.first().map_or_else(String::new, ToString::to_string);
    match problems.len().saturating_sub(1) {
        0 => first,
        more => format!("{first}; and {more} more"),
    }
}

/// Texts that many rows share, kept once.
#[derive(Default)]
struct Words {
    texts: AHashMap<Box<str>, Arc<str>>,
    groups: AHashMap<Box<str>, GroupId>,
}

impl Words {
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = text.into();
        self.texts.insert(text.into(), Arc::clone(&shared));
        shared
    }

    fn group(&mut self, id: &str) -> GroupId {
        if let Some(known) = self.groups.get(id) {
            return known.clone();
        }
        let shared = GroupId::from(id);
        self.groups.insert(id.into(), shared.clone());
        shared
    }
}

/// The manifest's sources, to be filled.
struct Sources {
    harvests: Vec<Harvest>,
    /// The tables are sorted by source: the next row is most likely of the last one's.
    last: Cell<usize>,
}

impl Sources {
    fn of(manifest: &Manifest) -> Self {
        Self { harvests: manifest.sources.iter().map(harvest).collect(), last: Cell::new(0) }
    }

    fn harvest(&mut self, row: &Row<'_>) -> Result<&mut Harvest, String> {
        let at = self.place(row)?;
        Ok(&mut self.harvests[at])
    }

    fn place(&self, row: &Row<'_>) -> Result<usize, String> {
        let name = row.needed("source")?;
        let is_it = |harvest: &Harvest| harvest.source.name.as_str() == &*name;
        if !self.harvests.get(self.last.get()).is_some_and(is_it) {
            let found = self.harvests.iter().position(is_it);
            self.last.set(found.ok_or_else(|| format!("source {name:?} is not in the manifest"))?);
        }
        Ok(self.last.get())
    }
}

fn harvest(entry: &SourceEntry) -> Harvest {
    let identity = SourceIdentity {
        name: SourceName::from(entry.name.as_str()),
        kind: entry.kind.clone(),
        url: entry.url.clone(),
        client_id: entry.client_id.clone(),
    };
    Harvest {
        lists: entry.lists.clone(),
        clock_skew_seconds: entry.clock_skew_seconds,
        tls_certificate_sha256: entry.tls_certificate_sha256.clone(),
        hides_inactive: entry.hides_inactive,
        ..Harvest::of(identity)
    }
}

fn user(row: &Row<'_>, words: &mut Words) -> Result<User, String> {
    let mut user = User::new(row.needed("id")?);
    user.username = row.boxed("username")?;
    user.display_name = row.boxed("display_name")?;
    user.email_address = row.boxed("email_address")?;
    user.enabled = row.flag("enabled")?;
    user.account_type = row.text("account_type")?.map(|text| words.text(&text));
    let kind = row.needed("kind")?;
    user.kind = UserKind::parse(&kind).ok_or_else(|| format!("kind {kind:?} is none that this program knows"))?;
    let mut groups = Vec::new();
    row.each_item("group_memberships", |id| groups.push(words.group(id)))?;
    user.group_memberships = groups.into();
    user.groups_known = row.flag("groups_known")?.unwrap_or(false);
    user.public_key = row.boxed("public_key")?;
    user.last_login = last_login(row)?;
    user.created_at = row.instant("created_at")?.map_or(Told::Not, Told::At);
    user.locale = row.text("locale")?.map(|text| words.text(&text));
    user.is_admin = row.flag("is_admin")?;
    user.mfa = row.flag("mfa")?;
    user.expires_at = row.instant("expires_at")?.map_or(Told::Not, Told::At);
    Ok(user)
}

fn last_login(row: &Row<'_>) -> Result<LastLogin, String> {
    let status = row.needed("last_login_status")?;
    Ok(match (&*status, row.instant("last_login")?) {
        ("at", Some(at)) => LastLogin::At(at),
        ("never", _) => LastLogin::Never { sentinel: None },
        ("not-reported", _) => LastLogin::NotReported,
        ("unreadable", _) => LastLogin::Unreadable(Box::default()),
        _ => return Err(format!("last_login_status {status:?} does not fit its row")),
    })
}

fn group(row: &Row<'_>, words: &mut Words) -> Result<Group, String> {
    let mut group = Group::new(words.group(&row.needed("id")?));
    group.name = row.boxed("name")?;
    group.description = row.boxed("description")?;
    group.privileged = row.flag("privileged")?.unwrap_or(false);
    group.members_known = Some(row.count("member_count")?.is_some());
    Ok(group)
}

fn ids(harvest: &Harvest) -> AHashSet<&str> {
    harvest.users.iter().map(|user| user.id.as_str()).collect()
}

/// What a membership tells beyond the listed users' own records; `None` where that is nothing.
fn outside_member(row: &Row<'_>, users: &AHashSet<&str>) -> Result<Option<OutsideMember>, String> {
    let user = row.text("user_id")?;
    let name = || row.needed("external_name").map(|name| Box::from(&*name));
    Ok(match (&*row.needed("via")?, user) {
        // Nearly all: the listed users' own records tell the same.
        ("direct", Some(id)) if users.contains(&*id) => None,
        ("direct", Some(id)) => Some(OutsideMember::Missing(UserId::from(&*id))),
        ("directory-group", Some(id)) => Some(OutsideMember::Nested { user: UserId::from(&*id), through: name()? }),
        ("directory-group", None) => Some(OutsideMember::Directory(name()?)),
        (via, _) => return Err(format!("via {via:?} does not fit its row")),
    })
}

fn finding(row: &Row<'_>, words: &mut Words) -> Result<PastFinding, String> {
    let severity = row.needed("severity")?;
    let instant = |column| row.instant(column)?.ok_or_else(|| format!("{column} is empty"));
    let mut controls = Vec::new();
    row.each_item("controls", |control| controls.push(Box::from(control)))?;
    Ok(PastFinding {
        source: SourceName::from(words.text(&row.needed("source")?)),
        fingerprint: fingerprint(row, "fingerprint")?,
        rule: words.text(&row.needed("rule")?),
        severity: Severity::parse(&severity).ok_or_else(|| format!("{severity:?} is no severity"))?,
        status: words.text(&row.needed("status")?),
        subject: subject(row)?,
        title: Box::from(&*row.needed("title")?),
        evidence: Box::from(&*row.needed("evidence")?),
        action: words.text(&row.needed("action")?),
        controls,
        first_seen: instant("first_seen")?,
        last_seen: instant("last_seen")?,
        exception: row.boxed("exception")?,
    })
}

/// Without the group of a membership.
fn change(row: &Row<'_>, words: &mut Words) -> Result<Change, String> {
    let kind = row.needed("kind")?;
    Ok(Change {
        source: SourceName::from(words.text(&row.needed("source")?)),
        event_id: fingerprint(row, "event_id")?,
        kind: ChangeKind::parse(&kind).ok_or_else(|| format!("{kind:?} is no kind of change"))?,
        subject: subject(row)?,
        field: row.boxed("field")?,
        before: row.boxed("before")?,
        after: row.boxed("after")?,
        base_run: Box::from(&*row.needed("base_run")?),
        group: None,
    })
}

fn fingerprint(row: &Row<'_>, column: &str) -> Result<Fingerprint, String> {
    let text = row.needed(column)?;
    Fingerprint::parse(&text).ok_or_else(|| format!("{column} {text:?} is no fingerprint"))
}

fn subject(row: &Row<'_>) -> Result<Subject, String> {
    let kind = row.needed("subject_kind")?;
    Ok(Subject {
        kind: SubjectKind::parse(&kind).ok_or_else(|| format!("{kind:?} is no kind of subject"))?,
        id: Box::from(&*row.needed("subject_id")?),
        name: row.boxed("subject_name")?,
    })
}
