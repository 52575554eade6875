//! The population of each rule: how many accounts a source has, which of them the rule is about, and what became of them.
//!
//! It explains why the number of findings differs from a number that a reader counts in the product.

use super::facts::Account;
use super::index::Index;
use super::rule_results::noun;
use super::text::{counted, thousands};
use super::{Bounded, RuleInfo, Shown};
use crate::model::{Evaluation, Rule, RuleOutcome, SubjectKind, UserKind};
use std::borrow::Cow;

/// Number of rows of one rule.
const ROWS: usize = 8;
/// Number of sources whose numbers are compared, so that the page stays quick for a very large number of sources.
const EVALUATED: usize = 60;
/// Number of sources that one row names.
const NAMES: usize = 6;

/// A rule with its population in each source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulePopulation {
    /// Public id of the rule.
    pub id: &'static str,
    /// Title of the rule.
    pub title: Cow<'static, str>,
    /// Severities of its findings, in words.
    pub severity: &'static str,
    /// Data that the rule needs.
    pub needs: &'static str,
    /// Expression of a rule from the configuration; `None` for a built-in rule.
    pub expression: Option<Shown>,
    /// What the rule evaluates: `accounts`, `groups`, …
    pub noun: &'static str,
    /// Rows of the sources.
    pub sources: Bounded<SourcePopulation>,
}

/// The population of one rule in one source, or in several that have the same numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePopulation {
    /// Names of the sources that have these numbers.
    pub sources: Bounded<Shown>,
    /// The numbers; `None` if the rule was not evaluated.
    pub counts: Option<PopulationCounts>,
    /// Why the rule was not evaluated, or a sentence that explains the numbers; may be empty.
    pub note: Shown,
}

/// How a population is divided. `all` is the sum of `excluded`, `undetermined`, `passed` and those with findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PopulationCounts {
    /// Number of accounts, groups or others of the source.
    pub all: u64,
    /// Those that the rule is not about, by reason: `80 disabled, 38 used by programs (service accounts)`.
    pub excluded: String,
    /// Number of subjects: those that the rule is about.
    pub subjects: u64,
    /// Number of subjects that lack the data for the rule.
    pub undetermined: u64,
    /// Number of unresolved findings.
    pub found: u64,
}

/// Numbers of a rule in one source, and a note.
type Numbers = (Option<PopulationCounts>, Shown);

pub(super) fn list(index: &Index<'_>) -> Vec<RulePopulation> {
    index.input.catalogue.iter().map(|info| of_rule(index, info)).collect()
}

fn of_rule(index: &Index<'_>, info: &RuleInfo) -> RulePopulation {
    RulePopulation {
        id: info.rule.as_str(),
        title: info.title.clone(),
        severity: info.severity,
        needs: info.needs,
        expression: info.expression.as_deref().map(Shown::sentence),
        noun: match info.rule {
            Rule::PrivilegedGrowth => "groups",
            Rule::BreakGlassUsed => "accounts",
            rule => noun(index, rule).1,
        },
        sources: sources(index, info.rule),
    }
}

/// Returns a row for each source. Sources that were not evaluated for one reason, or have equal numbers, share a row.
fn sources(index: &Index<'_>, rule: Rule) -> Bounded<SourcePopulation> {
    let mut rows: Vec<(Numbers, Vec<&str>)> = Vec::new();
    for evaluation in index.evaluations(rule).take(EVALUATED) {
        let row = of_source(index, evaluation);
        match rows.iter_mut().find(|(known, _)| *known == row) {
            Some((_, sources)) => sources.push(evaluation.source.as_str()),
            None => rows.push((row, vec![evaluation.source.as_str()])),
        }
    }
    let shown: usize = rows.iter().take(ROWS).map(|(_, sources)| sources.len()).sum();
    let row = |((counts, note), sources): (Numbers, Vec<&str>)| SourcePopulation {
        sources: Bounded::cut(sources.into_iter().map(Shown::name), NAMES),
        counts,
        note,
    };
    Bounded {
        rows: rows.into_iter().take(ROWS).map(row).collect(),
        more: index.evaluations(rule).skip(shown).count() as u64,
    }
}

/// Returns the numbers of a rule in a source, and a note. Without numbers, the note is the reason.
fn of_source(index: &Index<'_>, evaluation: &Evaluation) -> Numbers {
    match &evaluation.outcome {
        RuleOutcome::Off => (None, Shown::sentence("switched off in the configuration")),
        RuleOutcome::Undetermined { why } => (None, Shown::sentence(&format!("not evaluated: {why}"))),
        RuleOutcome::Evaluated { subjects, undetermined } => {
            let found = index.unresolved().filter(|f| f.rule == evaluation.rule && f.source == evaluation.source);
            let counts = PopulationCounts {
                all: evaluation.excluded.values().fold(*subjects, |all, count| all.saturating_add(*count)),
                excluded: excluded(evaluation),
                subjects: *subjects,
                undetermined: *undetermined,
                found: found.count() as u64,
            };
            (Some(counts), note(index, evaluation))
        }
    }
}

fn excluded(evaluation: &Evaluation) -> String {
    let words = evaluation.excluded.iter().map(|(why, count)| format!("{} {}", thousands(*count), why.in_words()));
    words.collect::<Vec<_>>().join(", ")
}

fn note(index: &Index<'_>, evaluation: &Evaluation) -> Shown {
    match evaluation.rule {
        Rule::NoMfa => Shown::sentence(&second_factors(index, evaluation)),
        Rule::PrivilegedGrowth | Rule::EmptyGroup | Rule::CollectionIncomplete | Rule::ExceptionExpired => {
            Shown::default()
        }
        _ => Shown::sentence(&unconfirmed(index, evaluation)),
    }
}

/// Returns a sentence about accounts of earlier runs, which no rule evaluated; empty if there are none.
fn unconfirmed(index: &Index<'_>, evaluation: &Evaluation) -> String {
    let rows = index.source(evaluation.source.as_str()).map_or(0, |source| source.known.unconfirmed_rows);
    match rows {
        0 => String::new(),
        rows => format!("{} from earlier runs were not evaluated", counted(rows, "row", "rows")),
    }
}

/// Explains why a source has more accounts without a second factor than findings; empty if it has not.
fn second_factors(index: &Index<'_>, evaluation: &Evaluation) -> String {
    let of_source = index.accounts().filter(|Account { source_inventory, user, .. }| {
        source_inventory.reading.source.name == evaluation.source && user.mfa == Some(false) && index.is_confirmed(user)
    });
    let (mut all, mut closed, mut services) = (0u64, 0u64, 0u64);
    for Account { user, .. } in of_source {
        let is_closed = user.enabled == Some(false) || index.blocked(user).is_some();
        all += 1;
        closed += u64::from(is_closed);
        services += u64::from(!is_closed && user.kind == UserKind::Service);
    }
    let is_of_rule = |f: &&crate::model::Finding| {
        f.rule == Rule::NoMfa && f.source == evaluation.source && f.subject.kind == SubjectKind::User
    };
    let found = index.unresolved().filter(is_of_rule).count() as u64;
    if all <= found {
        return unconfirmed(index, evaluation);
    }
    let others = all - found.min(all);
    let rest = others.saturating_sub(closed + services);
    let parts = [
        (closed, "disabled or blocked"),
        (services, "service accounts"),
        (rest, "undetermined: an identity provider is responsible for the second factor, or the type is unknown"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, why)| format!("{} {why}", thousands(*count))).collect();
    format!(
        "The source reports no second factor for {}; {} of them {}. The others: {}",
        counted(all, "account", "accounts"),
        thousands(found),
        if found == 1 { "is a finding" } else { "are findings" },
        parts.join(", "),
    )
}
