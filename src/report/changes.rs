//! What changed since the snapshot before: counts by kind, and the changes to look at first, gains of privilege before all. At most 25.

use super::index::Index;
use super::index::is_baseline;
use super::{Bounded, Shown};
use crate::model::{Change, ChangeKind, ListKind, SourceStatus};
use crate::snapshot::manifest::SourceEntry;
use crate::state;
use std::cmp::Reverse;

/// Rows of the table.
const ROWS: usize = 25;
/// Sources that are named where they could not be compared.
const SOURCES: usize = 10;

/// The section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// What is said in the place of a table; empty where there are changes.
    pub empty: Shown,
    /// The snapshot before.
    pub base_run: Option<Shown>,
    /// Kinds that occurred since then, in the order of a run.
    pub counts: Vec<ChangeCount>,
    /// What to look at first.
    pub rows: Bounded<ChangeRow>,
    /// Sources of which less is said, or nothing, each in a sentence.
    pub silent: Bounded<Shown>,
}

/// How often something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeCount {
    /// Public name of the kind.
    pub kind: &'static str,
    /// For people.
    pub label: String,
    /// How often.
    pub count: u64,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRow {
    /// Word of the severity.
    pub severity: &'static str,
    /// Public name of the kind.
    pub kind: &'static str,
    /// The subject's name; its id where it has none.
    pub name: Shown,
    /// The subject's id within its source.
    pub id: Shown,
    /// Source.
    pub source: Shown,
    /// What happened.
    pub fact: Shown,
    /// A gain of privilege.
    pub privileged: bool,
}

impl Changes {
    pub(super) fn of(index: &Index<'_>) -> Self {
        let changes = index.input.changes;
        let Some(base) = &index.input.manifest.base else {
            let first = "There is no snapshot before this one: it is a baseline. What changes is reported from the next run on.";
            return Self::nothing(None, first);
        };
        let counts: Vec<ChangeCount> = state::counts(changes).into_iter().map(count).collect();
        let none = format!("No change since {} in what was read.", base.run_id);
        Self {
            rows: rows(changes),
            silent: silent(index),
            ..Self { counts, ..Self::nothing(Some(&base.run_id), if changes.is_empty() { &none } else { "" }) }
        }
    }

    fn nothing(base_run: Option<&String>, empty: &str) -> Self {
        Self {
            empty: Shown::sentence(empty),
            base_run: base_run.map(|run_id| Shown::name(run_id)),
            counts: Vec::new(),
            rows: Bounded::cut([], ROWS),
            silent: Bounded::cut([], SOURCES),
        }
    }
}

fn count((kind, count): (ChangeKind, u64)) -> ChangeCount {
    ChangeCount { kind: ChangeKind::as_str(kind), label: label(kind, count), count }
}

fn label(kind: ChangeKind, count: u64) -> String {
    let (subject, what) = match kind {
        ChangeKind::UserAdded => ("account", "appeared"),
        ChangeKind::GroupAdded => ("group", "appeared"),
        ChangeKind::MembershipAdded => ("membership", "gained"),
        ChangeKind::UserRenamed => ("account", "renamed"),
        ChangeKind::UserChanged => ("account's field", "changed"),
        ChangeKind::GroupRenamed => ("group", "renamed"),
        ChangeKind::MembershipRemoved => ("membership", "lost"),
        ChangeKind::UserDisabled => ("account", "disabled"),
        ChangeKind::UserEnabled => ("account", "enabled"),
        ChangeKind::GroupRemoved => ("group", "gone"),
        ChangeKind::UserRemoved => ("account", "gone"),
        ChangeKind::UserUnconfirmed => ("account", "not in a list that was not proven complete"),
    };
    format!("{subject}{} {what}", if count == 1 { "" } else { "s" })
}

fn rows(changes: &[Change]) -> Bounded<ChangeRow> {
    // Stable: what weighs the same stays in the order of changes.csv.
    let mut weighed: Vec<&Change> = changes.iter().collect();
    weighed.sort_by_key(|change| Reverse((change.gains_privilege(), change.severity())));
    Bounded::cut(weighed.into_iter().map(row), ROWS)
}

fn row(change: &Change) -> ChangeRow {
    ChangeRow {
        severity: change.severity().as_str(),
        kind: change.kind.as_str(),
        name: Shown::name(change.subject.name.as_deref().unwrap_or(&change.subject.id)),
        id: Shown::name(&change.subject.id),
        source: Shown::name(change.source.as_str()),
        fact: Shown::sentence(&change.in_words()),
        privileged: change.gains_privilege(),
    }
}

fn silent(index: &Index<'_>) -> Bounded<Shown> {
    let said = |source: &SourceEntry| {
        let name = Shown::name(&source.name);
        let said = if source.status == SourceStatus::Failed {
            format!("{name}: not read; its rows stay as they were, and nothing is said of what changed there")
        } else if is_baseline(source) {
            format!("{name}: a baseline; what changes there is reported from the next run on")
        } else if source.status == SourceStatus::Partial {
            let lists = source.lists.iter().filter(|list| index.is_doubtful(&source.name, list.kind));
            let lists = ListKind::names(&lists.map(|list| list.kind).collect::<Vec<_>>());
            format!(
                "{name}: not proven complete: {lists}; what is not in them stays as it was, and is not called removed"
            )
        } else {
            return None;
        };
        Some(Shown::sentence(&said))
    };
    Bounded::cut(index.input.manifest.sources.iter().filter_map(said), SOURCES)
}
