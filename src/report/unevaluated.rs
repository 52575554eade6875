//! What could not be evaluated, by source: each reason once, with the rules that it concerns.

use super::index::Index;
use super::text::{counted, thousands};
use super::{Bounded, Shown};
use crate::model::{Rule, RuleOutcome};
use crate::snapshot::manifest::SourceEntry;
use std::borrow::Cow;

/// Number of sources that are shown.
const SOURCES: usize = 12;
/// Number of rules that one reason names.
const RULES: usize = 4;
/// Number of rules whose accounts without data are counted.
const PARTLY: usize = 4;

/// A source with the reasons why rules were not evaluated there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceGaps {
    /// Name of the source.
    pub source: Shown,
    /// Reasons, each with the rules that it concerns.
    pub reasons: Vec<RuleGap>,
    /// Rules that lack the data of some accounts: `Inactive accounts (126 of 1,103 accounts)`; empty if there are none.
    pub partly: String,
}

/// A reason why rules were not evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleGap {
    /// The reason, in words.
    pub why: Shown,
    /// Titles of the rules.
    pub rules: String,
}

/// Returns the sources with rules that were not evaluated for every account.
pub(super) fn by_source(index: &Index<'_>) -> Bounded<SourceGaps> {
    let sources = index.input.manifest.sources.iter().map(|source| of_source(index, source));
    Bounded::cut(sources.filter(|gaps| !gaps.reasons.is_empty() || !gaps.partly.is_empty()), SOURCES)
}

/// Returns a sentence for each source in which inactivity was not evaluated, for tables that count inactive accounts.
pub(super) fn of_inactivity(index: &Index<'_>) -> Bounded<Shown> {
    let sentence = |source: &SourceEntry| {
        let of = |rule| index.why_unevaluated(rule, &source.name);
        let why = of(Rule::StaleLogin).or_else(|| of(Rule::NeverLoggedIn))?;
        let text = format!("{}: not evaluated, because {why}", Shown::name(&source.name));
        Some(Shown::sentence(&text))
    };
    Bounded::cut(index.input.manifest.sources.iter().filter_map(sentence), SOURCES)
}

fn of_source(index: &Index<'_>, source: &SourceEntry) -> SourceGaps {
    let mut reasons: Vec<(Cow<'_, str>, Vec<Cow<'static, str>>)> = Vec::new();
    let mut partly = Vec::new();
    for info in index.input.catalogue {
        if let Some(why) = index.why_unevaluated(info.rule, &source.name) {
            match reasons.iter_mut().find(|(known, _)| *known == why) {
                Some((_, rules)) => rules.push(info.title.clone()),
                None => reasons.push((why, vec![info.title.clone()])),
            }
        } else if let Some((count, all)) = lacking(index, info.rule, &source.name) {
            partly.push((count, format!("{} ({} of {})", info.title, thousands(count), thousands(all))));
        }
    }
    partly.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let partly: Vec<Cow<'static, str>> = partly.into_iter().map(|(_, words)| words.into()).collect();
    SourceGaps {
        source: Shown::name(&source.name),
        reasons: reasons
            .iter()
            .map(|(why, rules)| RuleGap { why: Shown::sentence(why), rules: some(rules, RULES) })
            .collect(),
        partly: if partly.is_empty() { String::new() } else { some(&partly, PARTLY) },
    }
}

/// Returns how many subjects lack the data for a rule, and the number of subjects; `None` if none lacks it.
fn lacking(index: &Index<'_>, rule: Rule, source: &str) -> Option<(u64, u64)> {
    match index.evaluation(rule, source)?.outcome {
        RuleOutcome::Evaluated { subjects, undetermined } if undetermined > 0 => Some((undetermined, subjects)),
        _ => None,
    }
}

fn some(words: &[Cow<'static, str>], limit: usize) -> String {
    let first = words[..words.len().min(limit)].join("; ");
    match words.len().saturating_sub(limit) {
        0 => first,
        more => format!("{first}; {}", counted(more as u64, "more rule", "more rules")),
    }
}
