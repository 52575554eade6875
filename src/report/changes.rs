//! The changes since the baseline: counts by kind, and at most 25 changes with gains of privilege first.

use super::index::Index;
use super::index::is_baseline;
use super::{Bounded, Shown};
use crate::model::{Change, ChangeKind, ListKind, SourceStatus};
use crate::snapshot::manifest::SourceEntry;
use crate::state;
use std::cmp::Reverse;

/// Number of rows in the table.
const ROWS: usize = 25;
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

/// A row of the table of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRow {
    /// Word for the severity.
    pub severity: &'static str,
    /// Public name of the kind.
    pub kind: &'static str,
    /// Name of the subject; its id if it has no name.
    pub name: Shown,
    /// Id of the subject in its source.
    pub id: Shown,
    /// Name of the source.
    pub source: Shown,
    /// What happened, in words.
    pub fact: Shown,
    /// Whether the change is a gain of privilege.
    pub privileged: bool,
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
            rows: rows(changes),
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

fn rows(changes: &[Change]) -> Bounded<ChangeRow> {
    // A stable sort: changes of equal weight stay in the order of changes.csv.
    let mut sorted: Vec<&Change> = changes.iter().collect();
    sorted.sort_by_key(|change| Reverse((change.gains_privilege(), change.severity())));
    Bounded::cut(sorted.into_iter().map(row), ROWS)
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

fn limits(index: &Index<'_>) -> Bounded<Shown> {
    let limit = |source: &SourceEntry| {
        let name = Shown::name(&source.name);
        let text = if source.status == SourceStatus::Failed {
            format!("{name}: not read. Its rows are those of an earlier run, and its changes are unknown.")
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
