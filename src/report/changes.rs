//! What changed since the base: counts by kind, and the changes to look at first, gains of privilege before all. At most 25.

use super::index::Index;
use super::text::counted;
use super::{Bounded, Shown};
use crate::diff::{self, Compared, Since, Standing};
use crate::model::{Change, ChangeKind, ListKind};
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
    /// Nothing could be compared although there is a base.
    pub unknown: bool,
    /// The base.
    pub base_run: Option<Shown>,
    /// Kinds that occurred since the base, in the order of a run.
    pub counts: Vec<ChangeCount>,
    /// How much partial runs had told and is not so any more; it comes last among the rows.
    pub taken_back: Option<String>,
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
        match index.input.since {
            Since::Baseline => Self::nothing(
                None,
                "There is no complete snapshot before this one: it is a baseline. What changes is told from the next complete run on.",
            ),
            Since::Unknown { run_id, why } => {
                let told =
                    format!("What changed since {run_id} is not known, which is not the same as no change: {why}");
                Self { unknown: true, ..Self::nothing(Some(run_id), &told) }
            }
            Since::Base { run_id, comparison } => {
                let since = index.input.since;
                let counts: Vec<ChangeCount> = diff::counts(since.since_base()).into_iter().map(count).collect();
                let none = format!("No change since {run_id} in what could be compared.");
                let empty = if counts.is_empty() { &*none } else { "" };
                Self {
                    counts,
                    rows: rows(since),
                    silent: silent(&comparison.sources),
                    taken_back: taken_back(since),
                    ..Self::nothing(Some(run_id), empty)
                }
            }
        }
    }

    fn nothing(base_run: Option<&String>, empty: &str) -> Self {
        Self {
            empty: Shown::sentence(empty),
            unknown: false,
            base_run: base_run.map(|run_id| Shown::name(run_id)),
            counts: Vec::new(),
            taken_back: None,
            rows: Bounded::cut([], ROWS),
            silent: Bounded::cut([], SOURCES),
        }
    }
}

fn count((kind, count): (ChangeKind, u64)) -> ChangeCount {
    ChangeCount { kind: ChangeKind::as_str(kind), label: label(kind, count), count }
}

/// How much is told only because runs that were not proven had told otherwise.
fn taken_back(since: &Since) -> Option<String> {
    let back = since.changes().iter().filter(|change| since.is_taken_back(change)).count() as u64;
    let (changes, are) = (counted(back, "change", "changes"), if back == 1 { "is" } else { "are" });
    (back > 0)
        .then(|| format!("{changes} that partial runs had told since then {are} taken back: all of that is as it was."))
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

fn rows(since: &Since) -> Bounded<ChangeRow> {
    let back = |change: &Change| since.is_taken_back(change);
    // Stable: what weighs the same stays in the order of changes.csv.
    let mut weighed: Vec<&Change> = since.changes().iter().collect();
    weighed.sort_by_key(|change| (back(change), Reverse((change.gains_privilege(), change.severity()))));
    let more = weighed.len().saturating_sub(ROWS) as u64;
    Bounded { more, rows: weighed.into_iter().take(ROWS).map(|change| row(change, back(change))).collect() }
}

fn row(change: &Change, is_taken_back: bool) -> ChangeRow {
    let fact = change.in_words();
    let back =
        if is_taken_back { format!(" (taken back: {} had told otherwise)", change.base_run) } else { String::new() };
    let fact = fact + &back;
    ChangeRow {
        severity: change.severity().as_str(),
        kind: change.kind.as_str(),
        name: Shown::name(change.subject.name.as_deref().unwrap_or(&change.subject.id)),
        id: Shown::name(&change.subject.id),
        source: Shown::name(change.source.as_str()),
        fact: Shown::sentence(&fact),
        privileged: change.gains_privilege() && !is_taken_back,
    }
}

fn silent(sources: &[Compared]) -> Bounded<Shown> {
    let said = |compared: &Compared| {
        let name = Shown::name(compared.source.as_str());
        let said = match &compared.standing {
            Standing::Whole => return None,
            Standing::InPart(lists) => {
                format!(
                    "{name}: not proven complete on both sides: {}; what is absent there is not told as gone",
                    ListKind::names(lists)
                )
            }
            Standing::Baseline => {
                format!("{name}: not in the base, or of another kind there; what changes is told from the next run on")
            }
            Standing::Gone => format!("{name}: in the base, not read now; nothing is said of its accounts"),
            Standing::Failed => {
                format!("{name}: its list of users failed on one side; nothing is said of its accounts")
            }
        };
        Some(Shown::sentence(&said))
    };
    Bounded::cut(sources.iter().filter_map(said), SOURCES)
}
