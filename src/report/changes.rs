//! The changes since the baseline: counts by kind, and at most 15 people with their changes, gains of privilege first.
//!
//! A change that a person has in several sources is one line with its sources.

use super::index::Index;
use super::index::{is_baseline, set_aside};
use super::subject::{RowName, SubjectKey, SubjectKeys, grouped, sources_in_words};
use super::{Bounded, Shown};
use crate::model::{Change, ChangeKind, ChangedGroup, ListKind, Severity, SourceStatus, SubjectKind};
use crate::snapshot::manifest::SourceEntry;
use crate::state;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Number of rows in the table.
const ROWS: usize = 15;
/// Number of changes in a row.
const FACTS: usize = 4;
/// Number of sources that are named because they could not be fully compared.
const SOURCES: usize = 10;

/// The section "Changes".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Sentence instead of a table; empty if there are changes.
    pub empty: Shown,
    /// Run id of the baseline; `None` for the first snapshot.
    pub base_run: Option<Shown>,
    /// Kinds of change that occurred, in the order of the changes table.
    pub counts: Vec<ChangeCount>,
    /// The most important changes.
    pub rows: Bounded<ChangeRow>,
    /// A sentence for each source that could not be fully compared.
    pub limits: Bounded<Shown>,
}

/// The number of changes of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeCount {
    /// Public name of the kind.
    pub kind: &'static str,
    /// Description of the kind for people.
    pub label: String,
    /// Number of changes.
    pub count: u64,
}

/// A person, or a subject that belongs to no person, with its changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRow {
    /// Word for the greatest severity.
    pub severity: &'static str,
    /// Name of the person or subject.
    pub name: RowName,
    /// What happened, most important first.
    pub facts: Bounded<ChangeFact>,
    /// Whether one of the changes is a gain of privilege.
    pub privileged: bool,
}

/// A change that occurred in one or more sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeFact {
    /// What happened, in words.
    pub fact: Shown,
    /// Sources in which it happened.
    pub sources: Shown,
}

impl Changes {
    pub(super) fn of(index: &Index<'_>) -> Self {
        let changes = index.input.changes;
        let Some(base) = &index.input.manifest.base else {
            let first = "This is the first snapshot, so there is nothing to compare it with. It is the baseline of \
                the next run, which reports changes.";
            return Self::nothing(None, first);
        };
        let counts: Vec<ChangeCount> = state::counts(changes).into_iter().map(count).collect();
        let none = format!("No change since {} in the lists that were read.", base.run_id);
        Self {
            rows: rows(index),
            limits: limits(index),
            ..Self { counts, ..Self::nothing(Some(&base.run_id), if changes.is_empty() { &none } else { "" }) }
        }
    }

    fn nothing(base_run: Option<&String>, empty: &str) -> Self {
        Self {
            empty: Shown::sentence(empty),
            base_run: base_run.map(|run_id| Shown::name(run_id)),
            counts: Vec::new(),
            rows: Bounded::cut([], ROWS),
            limits: Bounded::cut([], SOURCES),
        }
    }
}

fn count((kind, count): (ChangeKind, u64)) -> ChangeCount {
    ChangeCount { kind: ChangeKind::as_str(kind), label: label(kind, count), count }
}

fn label(kind: ChangeKind, count: u64) -> String {
    let (subject, what) = match kind {
        ChangeKind::UserAdded => ("account", "added"),
        ChangeKind::GroupAdded => ("group", "added"),
        ChangeKind::MembershipAdded => ("membership", "added"),
        ChangeKind::UserRenamed => ("account", "renamed"),
        ChangeKind::UserChanged => ("field of an account", "changed"),
        ChangeKind::GroupRenamed => ("group", "renamed"),
        ChangeKind::MembershipRemoved => ("membership", "removed"),
        ChangeKind::UserDisabled => ("account", "disabled"),
        ChangeKind::UserEnabled => ("account", "enabled"),
        ChangeKind::GroupRemoved => ("group", "removed"),
        ChangeKind::UserRemoved => ("account", "removed"),
        ChangeKind::UserUnconfirmed => ("account", "missing from a list that is not proven complete"),
    };
    format!("{subject}{} {what}", if count == 1 { "" } else { "s" })
}

/// The sort key of the table. Changes with a greater key are listed first.
fn weight(change: &Change) -> (bool, Severity) {
    (change.gains_privilege(), change.severity())
}

fn rows(index: &Index<'_>) -> Bounded<ChangeRow> {
    let keys = SubjectKeys::of(index);
    let keyed = index.input.changes.iter().map(|change| (keys.key(change.source.as_str(), &change.subject), change));
    let mut rows: Vec<(SubjectKey<'_>, Vec<&Change>)> = grouped(keyed);
    for (_, changes) in &mut rows {
        changes.sort_by_key(|change| Reverse(weight(change)));
    }
    // A stable sort: rows of equal weight stay in the order of changes.csv.
    rows.sort_by_key(|(_, changes)| Reverse(weight(changes[0])));
    Bounded {
        more: rows.len().saturating_sub(ROWS) as u64,
        rows: rows.iter().take(ROWS).map(|(key, changes)| row(index, &keys, *key, changes)).collect(),
    }
}

fn row(index: &Index<'_>, keys: &SubjectKeys<'_>, key: SubjectKey<'_>, changes: &[&Change]) -> ChangeRow {
    let first = changes[0];
    let mut facts: Vec<(String, BTreeSet<&str>)> = Vec::new();
    for change in changes {
        let fact = in_words(index, change);
        match facts.iter_mut().find(|(known, _)| *known == fact) {
            Some((_, sources)) => drop(sources.insert(change.source.as_str())),
            None => facts.push((fact, BTreeSet::from([change.source.as_str()]))),
        }
    }
    let fact = |(fact, sources): (String, BTreeSet<&str>)| ChangeFact {
        fact: Shown::sentence(&fact),
        sources: sources_in_words(&sources),
    };
    ChangeRow {
        severity: changes.iter().map(|change| change.severity()).max().map_or("", Severity::as_str),
        name: RowName::of(keys, key, first.source.as_str(), &first.subject),
        facts: Bounded::cut(facts.into_iter().map(fact), FACTS),
        privileged: first.gains_privilege(),
    }
}

/// Describes a change without the id of a group, so that equal changes in several sources have equal words.
fn in_words(index: &Index<'_>, change: &Change) -> String {
    let group = change.group.as_ref().filter(|_| change.subject.kind == SubjectKind::User);
    let Some(ChangedGroup { name: Some(name), .. }) = group else { return change.in_words() };
    let group = if index.is_of_privileged_group(change) == Some(true) { "privileged group" } else { "group" };
    match change.kind {
        ChangeKind::MembershipAdded => format!("added to {group} {name:?}"),
        ChangeKind::MembershipRemoved => format!("removed from {group} {name:?}"),
        _ => change.in_words(),
    }
}

fn limits(index: &Index<'_>) -> Bounded<Shown> {
    let limit = |source: &SourceEntry| {
        let name = Shown::name(&source.name);
        let text = if source.status == SourceStatus::Failed {
            let what = if set_aside(source).is_some() { "set aside by a guard" } else { "not read" };
            format!("{name}: {what}. Its rows are those of an earlier run, and its changes are unknown.")
        } else if is_baseline(source) {
            format!(
                "{name}: compared for the first time. This run is its baseline; changes are reported from the next \
                 run on."
            )
        } else if source.status == SourceStatus::Partial {
            let lists = source.lists.iter().filter(|list| index.is_doubtful(&source.name, list.kind));
            let lists = ListKind::names(&lists.map(|list| list.kind).collect::<Vec<_>>());
            format!(
                "{name}: not proven complete: {lists}. Rows that are missing from these lists are kept and not \
                 reported as removed."
            )
        } else {
            return None;
        };
        Some(Shown::sentence(&text))
    };
    Bounded::cut(index.input.manifest.sources.iter().filter_map(limit), SOURCES)
}
