//! The box at the top: scope and instant of the run, and the completeness of each source and list.
//!
//! Rows are compared with the totals that the APIs report.

use super::index::Index;
use super::text::{counted, readable, thousands};
use super::{Bounded, Shown};
use crate::model::{Coverage, ListKind, ListReport, Severity, SourceStatus, SubjectKind};
use crate::snapshot::manifest::SourceEntry;
use std::collections::HashSet;

/// Number of sources that are shown.
const SOURCES: usize = 20;

/// How complete a run, a source or a list is. It is always shown by a word and a symbol, never by colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CompletenessGrade {
    /// The list is proven complete.
    Proven,
    /// The source does not offer the list.
    Absent,
    /// Rows were read, but not proven complete.
    Unproven,
    /// Reading failed before the end.
    Failed,
}

impl CompletenessGrade {
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

    /// Returns the style class of the grade.
    pub fn class(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Absent => "absent",
            Self::Unproven => "unproven",
            Self::Failed => "failed",
        }
    }

    /// Returns the symbol next to the word.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Proven => "✓",
            Self::Absent => "–",
            Self::Unproven => "!",
            Self::Failed => "✕",
        }
    }
}

/// A list of a source, as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListLine {
    /// Grade of the list.
    pub grade: CompletenessGrade,
    /// Number of rows and the result: `2,500 of 2,500 users, proven complete`.
    pub count: String,
    /// The proof, or why there is none.
    pub words: Shown,
}

/// A source with its lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLine {
    /// Name from the configuration.
    pub name: Shown,
    /// Kind of the source, such as `rest-v3`.
    pub kind: Shown,
    /// Base address of the source.
    pub url: Shown,
    /// Grade of the source.
    pub grade: CompletenessGrade,
    /// Status: `complete`, `partial` or `failed`.
    pub word: Shown,
    /// Lists of the source.
    pub lists: Vec<ListLine>,
    /// Sentence about rows that are kept from earlier runs; empty if there are none.
    pub unconfirmed: String,
}

/// The whole box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Worst grade of all sources.
    pub grade: CompletenessGrade,
    /// Word for the grade: `Complete`, `Partial` or `Empty`.
    pub word: &'static str,
    /// What the word means for the reader.
    pub meaning: &'static str,
    /// Names of up to three sources, otherwise their number.
    pub scope: Shown,
    /// Instant of the run, for people.
    pub as_of: String,
    /// Instant of the run, RFC 3339.
    pub as_of_iso: String,
    /// Id of the run.
    pub run_id: Shown,
    /// Result of the run in one or two sentences.
    pub lead: String,
    /// Every source with its lists.
    pub sources: Bounded<SourceLine>,
    /// Ids of the selected frameworks.
    pub frameworks: Vec<Shown>,
}

impl Status {
    pub(super) fn of(index: &Index<'_>) -> Self {
        let manifest = index.input.manifest;
        let grade = overall(manifest.is_complete(), &manifest.sources);
        let is_read = |s: &&SourceEntry| !s.lists.is_empty();
        let only_omitted = grade != CompletenessGrade::Proven
            && index.omitted().next().is_some()
            && manifest.sources.iter().filter(is_read).all(|s| s.status == SourceStatus::Complete);
        let (word, meaning) = if only_omitted {
            (
                "Partial",
                "Every list that was read is proven complete, but this run did not read every configured source.",
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

fn overall(complete: bool, sources: &[SourceEntry]) -> CompletenessGrade {
    let worst =
        sources.iter().map(|s| CompletenessGrade::of_source(s.status)).max().unwrap_or(CompletenessGrade::Unproven);
    if complete { worst } else { worst.max(CompletenessGrade::Unproven) }
}

fn in_words(grade: CompletenessGrade, no_source: bool) -> (&'static str, &'static str) {
    match grade {
        _ if no_source => ("Empty", "No source was read. This report contains no statement about any account."),
        CompletenessGrade::Proven | CompletenessGrade::Absent => {
            ("Complete", "Every list of every source is proven complete.")
        }
        CompletenessGrade::Unproven => (
            "Partial",
            "At least one list could not be proven complete. Accounts or memberships that this report does not show \
             may exist; the lists are marked below.",
        ),
        CompletenessGrade::Failed => (
            "Partial",
            "At least one source could not be read. This report shows its rows from earlier runs, if there are any; \
             they may be outdated.",
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
    let severe = index.open().filter(|f| f.severity >= Severity::High).count() as u64;
    let of_users = index.unresolved().filter(|f| f.subject.kind == SubjectKind::User);
    let concerned: HashSet<_> = of_users.map(|f| (f.source.as_str(), &*f.subject.id)).collect();
    // A partial run may lack accounts, so it does not claim to know all of them.
    let (one, many) =
        if index.input.manifest.is_complete() { ("account", "accounts") } else { ("known account", "known accounts") };
    let population = format!("{}, {} of them enabled.", counted(accounts, one, many), thousands(enabled));
    let all = index.unresolved().count() as u64;
    let severe = counted(severe, "is", "are");
    let severe = match all - index.open().count() as u64 {
        0 => severe,
        accepted => format!("{} accepted by an exception, and of the others {severe}", counted(accepted, "is", "are")),
    };
    match all {
        0 => format!("{population} No findings."),
        all => format!(
            "{population} {} on {}; {severe} high or critical.",
            counted(all, "finding", "findings"),
            counted(concerned.len() as u64, "account", "accounts"),
        ),
    }
}

/// Returns the sources whose list of this kind is not proven complete.
pub(super) fn unproven(index: &Index<'_>, list: ListKind) -> Vec<Shown> {
    let sources = index.input.manifest.sources.iter().map(|source| source.name.as_str());
    sources.filter(|name| !index.is_proven(name, list)).take(SOURCES).map(Shown::name).collect()
}

fn source_line(source: &SourceEntry) -> SourceLine {
    SourceLine {
        name: Shown::name(&source.name),
        kind: Shown::name(&source.kind),
        url: Shown::sentence(&source.url),
        grade: CompletenessGrade::of_source(source.status),
        word: Shown::name(source.status.as_str()),
        // A source has fewer lists than this. The limit protects the page from a manifest that was edited by hand.
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
        rows => format!("{} from earlier runs, not confirmed by this run; {last}", counted(rows, "row", "rows")),
    }
}

fn list_line(list: &ListReport) -> ListLine {
    let grade = CompletenessGrade::of_coverage(&list.coverage);
    ListLine { grade, count: count_of(list, grade), words: Shown::sentence(list.coverage.words()) }
}

fn count_of(list: &ListReport, grade: CompletenessGrade) -> String {
    let what = Shown::name(&list.kind.in_words());
    let have = thousands(list.distinct);
    let rows = match list.expected {
        Some(total) => format!("{have} of {} {what}", thousands(total)),
        None => format!("{have} {what} (the API reports no total)"),
    };
    match grade {
        CompletenessGrade::Proven => format!("{rows}, proven complete"),
        CompletenessGrade::Absent => format!("{what}: not offered"),
        CompletenessGrade::Unproven => format!("{rows}, not proven complete"),
        CompletenessGrade::Failed => format!("{rows}, not fully read"),
    }
}
