//! The head of the first page: scope and instant of the run, who was looked at, and one line for each source.
//!
//! A source that is proven complete has a short line. Otherwise the line names each list that is not, with the reason.

use super::facts::Account;
use super::index::{Index, set_aside};
use super::text::{counted, readable, thousands};
use super::{Bounded, Shown};
use crate::model::{Coverage, ListKind, ListReport, Severity, SourceStatus, SubjectKind, UserKind, is_evaluated_apart};
use crate::snapshot::manifest::SourceEntry;
use ahash::AHashSet;
use chrono::DateTime;
use std::collections::BTreeMap;

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
    /// Numbers of known accounts, groups and memberships.
    pub rows: String,
    /// Lists that are offered and not proven complete.
    pub problems: Vec<ListLine>,
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
    /// Instant at which the data was read, for people; `None` if it is that of the run.
    pub read_at: Option<String>,
    /// Day of the baseline in words; `None` for the first snapshot.
    pub baseline: Option<Shown>,
    /// Who was looked at: numbers of persons, accounts and sources.
    pub population: Population,
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
        let is_set_aside = |source: &SourceEntry| set_aside(source).is_some();
        let failed = || manifest.sources.iter().filter(|s| s.status == SourceStatus::Failed);
        let (word, meaning) = if grade == CompletenessGrade::Failed && failed().any(is_set_aside) {
            ("Partial", set_aside_meaning(failed().all(is_set_aside)))
        } else if only_omitted {
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
            read_at: read_at(index),
            baseline: manifest.base.as_ref().map(|base| Shown::name(&base.run_id)),
            population: Population::of(index),
            run_id: Shown::name(&manifest.run_id),
            lead: lead(index),
            sources: Bounded {
                rows: manifest.sources.iter().take(SOURCES).map(|source| source_line(index, source)).collect(),
                more: manifest.sources.len().saturating_sub(SOURCES) as u64,
            },
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
             may exist; the lists are named below.",
        ),
        CompletenessGrade::Failed => (
            "Partial",
            "At least one source could not be read. This report shows its rows from earlier runs, if there are any; \
             they may be outdated.",
        ),
    }
}

/// Describes a run in which a guard set a source aside. `all` says that no source failed for another reason.
fn set_aside_meaning(all: bool) -> &'static str {
    if all {
        "At least one source was set aside, because its lists are not plausible. This report shows its rows from earlier \
         runs, if there are any; they may be outdated."
    } else {
        "At least one source was set aside, because its lists are not plausible, and at least one could not be read. This \
         report shows their rows from earlier runs, if there are any; they may be outdated."
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
    let severe = index.open().filter(|f| f.severity >= Severity::High).count() as u64;
    let all = index.unresolved().count() as u64;
    let severe = counted(severe, "is", "are");
    let severe = match all - index.open().count() as u64 {
        0 => severe,
        accepted => format!("{} accepted by an exception, and of the others {severe}", counted(accepted, "is", "are")),
    };
    match all {
        0 => "No findings.".to_owned(),
        all => format!("{}{}; {severe} high or critical.", counted(all, "finding", "findings"), subjects(index)),
    }
}

/// Describes what the unresolved findings are about: ` on 3 accounts`, or `: 5 on 3 accounts, 2 on groups and sources`.
fn subjects(index: &Index<'_>) -> String {
    let mut accounts: AHashSet<(&str, &str)> = AHashSet::new();
    let mut counts: BTreeMap<SubjectKind, u64> = BTreeMap::new();
    for finding in index.unresolved() {
        *counts.entry(finding.subject.kind).or_insert(0) += 1;
        if finding.subject.kind == SubjectKind::User {
            accounts.insert((finding.source.as_str(), &*finding.subject.id));
        }
    }
    let of = |kind| counts.get(&kind).copied().unwrap_or(0);
    let (of_users, of_groups, of_sources) = (of(SubjectKind::User), of(SubjectKind::Group), of(SubjectKind::Source));
    let accounts = counted(accounts.len() as u64, "account", "accounts");
    let others = match (of_groups, of_sources) {
        (0, 0) => return format!(" on {accounts}"),
        (_, 0) => "groups",
        (0, _) => "sources",
        _ => "groups and sources",
    };
    match of_users {
        0 => format!(" on {others}"),
        _ => format!(": {} on {accounts}, {} on {others}", thousands(of_users), thousands(of_groups + of_sources)),
    }
}

/// Returns the sources whose list of this kind is not proven complete.
pub(super) fn unproven(index: &Index<'_>, list: ListKind) -> Vec<Shown> {
    let sources = index.input.manifest.sources.iter().map(|source| source.name.as_str());
    sources.filter(|name| !index.is_proven(name, list)).take(SOURCES).map(Shown::name).collect()
}

/// Returns when the data was read, if that is not the instant that it is evaluated for.
fn read_at(index: &Index<'_>) -> Option<String> {
    let started_at = DateTime::parse_from_rfc3339(&index.input.manifest.started_at).ok()?.to_utc();
    is_evaluated_apart(index.input.as_of, started_at).then(|| readable(started_at))
}

/// Numbers of those that a run looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Population {
    /// Number of different persons, by e-mail address.
    pub persons: u64,
    /// Number of accounts of people without an e-mail address. They cannot be matched to a person.
    pub unmatched: u64,
    /// Number of accounts of programs and for emergencies. They belong to no single person.
    pub impersonal: u64,
    /// Number of accounts.
    pub accounts: u64,
    /// Number of enabled accounts.
    pub enabled: u64,
    /// Number of sources.
    pub sources: u64,
}

impl Population {
    fn of(index: &Index<'_>) -> Self {
        let mut population = Self { sources: index.input.manifest.sources.len() as u64, ..Self::default() };
        for Account { user, facts, .. } in index.accounts() {
            let is_of_person = matches!(user.kind, UserKind::Person | UserKind::Vendor);
            population.accounts += 1;
            population.enabled += u64::from(user.enabled == Some(true));
            population.impersonal += u64::from(!is_of_person);
            population.unmatched += u64::from(is_of_person && facts.person.is_none());
        }
        Self { persons: index.facts().persons, ..population }
    }
}

fn source_line(index: &Index<'_>, source: &SourceEntry) -> SourceLine {
    SourceLine {
        name: Shown::name(&source.name),
        kind: Shown::name(&source.kind),
        url: Shown::sentence(&source.url),
        grade: CompletenessGrade::of_source(source.status),
        word: Shown::name(source.status.as_str()),
        rows: rows_of(index, source),
        problems: problems(source),
        unconfirmed: unconfirmed(source),
    }
}

fn problems(source: &SourceEntry) -> Vec<ListLine> {
    // The lists of such a source were read, and all have the same reason. The numbers of rows are no longer known.
    if let Some(why) = set_aside(source) {
        let (grade, count) = (CompletenessGrade::Failed, "set aside by a guard".to_owned());
        return vec![ListLine { grade, count, words: Shown::sentence(why) }];
    }
    // A source has fewer lists than this. The limit protects the page from a manifest that was edited by hand.
    source.lists.iter().map(list_line).filter(is_problem).take(12).collect()
}

fn is_problem(list: &ListLine) -> bool {
    matches!(list.grade, CompletenessGrade::Unproven | CompletenessGrade::Failed)
}

fn rows_of(index: &Index<'_>, source: &SourceEntry) -> String {
    let inventory = &index.input.inventory.sources;
    let Some(source_inventory) = inventory.iter().find(|it| it.reading.source.name.as_str() == source.name) else {
        return String::new();
    };
    let accounts = counted(source_inventory.reading.users.len() as u64, "account", "accounts");
    // Without a proven list of groups, their number would be a claim.
    if index.is_doubtful(&source.name, ListKind::Groups) {
        return accounts;
    }
    format!(
        "{accounts}, {}, {}",
        counted(source_inventory.reading.groups.len() as u64, "group", "groups"),
        counted(source_inventory.memberships.len() as u64, "membership", "memberships"),
    )
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
