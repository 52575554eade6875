//! The status strip: which systems, as of when, proven complete or not, counted against the source's own totals.

use super::index::Index;
use super::text::{counted, readable, thousands};
use super::{Bounded, Shown};
use crate::model::{Coverage, ListKind, ListReport, Severity, SourceStatus, SubjectKind};
use crate::snapshot::manifest::SourceEntry;
use std::collections::HashSet;

/// Sources that the strip names.
const SOURCES: usize = 20;

/// How far a run, a source or a list can be relied on; always shown with a word and a symbol, never by colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Proven complete.
    Proven,
    /// The source has no such list.
    Absent,
    /// Rows came, not proven complete.
    Unproven,
    /// It broke off.
    Failed,
}

impl Grade {
    pub(super) fn of_coverage(coverage: &Coverage) -> Self {
        match coverage {
            Coverage::Complete { .. } => Self::Proven,
            Coverage::NotOffered => Self::Absent,
            Coverage::Drifted { .. } => Self::Unproven,
            Coverage::Failed { .. } => Self::Failed,
        }
    }

    fn of_source(status: SourceStatus) -> Self {
        match status {
            SourceStatus::Complete => Self::Proven,
            SourceStatus::Partial => Self::Unproven,
            SourceStatus::Failed => Self::Failed,
        }
    }

    /// The name of its style.
    pub fn class(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Absent => "absent",
            Self::Unproven => "unproven",
            Self::Failed => "failed",
        }
    }

    /// What stands beside the word.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Proven => "✓",
            Self::Absent => "–",
            Self::Unproven => "!",
            Self::Failed => "✕",
        }
    }
}

/// One list in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListLine {
    /// How far it can be relied on.
    pub grade: Grade,
    /// `2,500 of 2,500 users, proven`.
    pub count: String,
    /// The proof, or what could not be proven.
    pub words: Shown,
}

/// One source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLine {
    /// Name from the configuration.
    pub name: Shown,
    /// `rest-v3`, …
    pub kind: Shown,
    /// Base address.
    pub url: Shown,
    /// How far it can be relied on.
    pub grade: Grade,
    /// `complete`, `partial` or `failed`.
    pub word: Shown,
    /// Its lists.
    pub lists: Vec<ListLine>,
    /// Rows that stand as an earlier run read them; empty where there are none.
    pub unconfirmed: String,
}

/// The strip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The worst of all sources.
    pub grade: Grade,
    /// `Complete`, `Partial`.
    pub word: &'static str,
    /// What that means for the reader.
    pub meaning: &'static str,
    /// `appliance-eu`, or `3 sources`.
    pub scope: Shown,
    /// Readable instant.
    pub as_of: String,
    /// The same for machines.
    pub as_of_iso: String,
    /// The run.
    pub run_id: Shown,
    /// The answer in one sentence.
    pub lead: String,
    /// Every source, counted.
    pub sources: Bounded<SourceLine>,
    /// Selected frameworks.
    pub frameworks: Vec<Shown>,
}

impl Status {
    pub(super) fn of(index: &Index<'_>) -> Self {
        let manifest = index.input.manifest;
        let grade = overall(manifest.is_complete(), &manifest.sources);
        let is_read = |s: &&SourceEntry| !s.lists.is_empty();
        let only_omitted = grade != Grade::Proven
            && index.omitted().next().is_some()
            && manifest.sources.iter().filter(is_read).all(|s| s.status == SourceStatus::Complete);
        let (word, meaning) = if only_omitted {
            (
                "Partial",
                "Every list that was read was proven complete, but configured sources were left out of this run.",
            )
        } else {
            in_words(grade, manifest.sources.is_empty())
        };
        Self {
            grade,
            word,
            meaning,
            scope: scope(&manifest.sources),
            as_of: readable(index.input.as_of),
            as_of_iso: index.input.as_of.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
            run_id: Shown::name(&manifest.run_id),
            lead: lead(index),
            sources: Bounded::cut(manifest.sources.iter().map(source_line), SOURCES),
            frameworks: index.input.policy.frameworks.iter().map(|id| Shown::name(id)).collect(),
        }
    }
}

fn overall(complete: bool, sources: &[SourceEntry]) -> Grade {
    let worst = sources.iter().map(|s| Grade::of_source(s.status)).max().unwrap_or(Grade::Unproven);
    if complete { worst } else { worst.max(Grade::Unproven) }
}

fn in_words(grade: Grade, no_source: bool) -> (&'static str, &'static str) {
    match grade {
        _ if no_source => ("Empty", "No source was read. This report says nothing about any account."),
        Grade::Proven | Grade::Absent => ("Complete", "Every list of every source was proven complete."),
        Grade::Unproven => (
            "Partial",
            "Not everything could be proven complete. Something that this report does not show may still exist; the lists in question are marked.",
        ),
        Grade::Failed => (
            "Partial",
            "At least one source failed. This report shows it as earlier runs read it, if any did; nothing can be concluded about it from this run.",
        ),
    }
}

fn scope(sources: &[SourceEntry]) -> Shown {
    match sources {
        [] => Shown::name("no source"),
        [only] => Shown::name(&only.name),
        [first, second] => Shown::sentence(&format!("{} and {}", Shown::name(&first.name), Shown::name(&second.name))),
        [a, b, c] => {
            let [a, b, c] = [a, b, c].map(|source| Shown::name(&source.name));
            Shown::sentence(&format!("{a}, {b} and {c}"))
        }
        many => Shown::name(&format!("{} sources", many.len())),
    }
}

fn lead(index: &Index<'_>) -> String {
    let (mut accounts, mut enabled) = (0, 0);
    for (_, user) in index.users() {
        accounts += 1;
        enabled += u64::from(user.enabled == Some(true));
    }
    let grave = index.open().filter(|f| f.severity >= Severity::High).count() as u64;
    let of_users = index.standing().filter(|f| f.subject.kind == SubjectKind::User);
    let concerned: HashSet<_> = of_users.map(|f| (f.source.as_str(), &*f.subject.id)).collect();
    let known = if index.input.manifest.is_complete() { "" } else { " known" };
    let accounts = counted(accounts, "account", "accounts");
    let population = format!("{accounts}{known}, {} of them enabled.", thousands(enabled));
    let all = index.standing().count() as u64;
    let grave = counted(grave, "is", "are");
    let grave = match all - index.open().count() as u64 {
        0 => grave,
        accepted => format!("{} accepted, and of the others {grave}", counted(accepted, "is", "are")),
    };
    match all {
        0 => format!("{population} No findings."),
        all => format!(
            "{population} {} on {}; {grave} high or critical.",
            counted(all, "finding", "findings"),
            counted(concerned.len() as u64, "account", "accounts"),
        ),
    }
}

/// Sources of which this list is not proven complete.
pub(super) fn unproven(index: &Index<'_>, list: ListKind) -> Vec<Shown> {
    let sources = index.input.manifest.sources.iter().map(|source| source.name.as_str());
    sources.filter(|name| !index.is_proven(name, list)).take(SOURCES).map(Shown::name).collect()
}

fn source_line(source: &SourceEntry) -> SourceLine {
    SourceLine {
        name: Shown::name(&source.name),
        kind: Shown::name(&source.kind),
        url: Shown::sentence(&source.url),
        grade: Grade::of_source(source.status),
        word: Shown::name(source.status.as_str()),
        // A source has a handful of lists; the cut only guards against a manifest made by hand.
        lists: source.lists.iter().take(12).map(list_line).collect(),
        unconfirmed: unconfirmed(source),
    }
}

fn unconfirmed(source: &SourceEntry) -> String {
    let last = source.known.confirmed_at.map_or_else(
        || "the source was never proven complete".to_owned(),
        |at| format!("the source was last proven complete as of {}", readable(at)),
    );
    match source.known.unconfirmed_rows {
        0 => String::new(),
        rows => format!("{} not confirmed by this run; {last}", counted(rows, "known row", "known rows")),
    }
}

fn list_line(list: &ListReport) -> ListLine {
    let grade = Grade::of_coverage(&list.coverage);
    ListLine { grade, count: count_of(list, grade), words: Shown::sentence(list.coverage.words()) }
}

fn count_of(list: &ListReport, grade: Grade) -> String {
    let what = Shown::name(&list.kind.in_words());
    let have = thousands(list.distinct);
    let rows = match list.expected {
        Some(total) => format!("{have} of {} {what}", thousands(total)),
        None => format!("{have} {what} (the source tells no total)"),
    };
    match grade {
        Grade::Proven => format!("{rows}, proven"),
        Grade::Absent => format!("{what}: not offered"),
        Grade::Unproven => format!("{rows}, not proven complete"),
        Grade::Failed => format!("{rows}, broke off"),
    }
}
