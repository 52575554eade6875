//! The section "Most severe findings, by person": at most 20 rows, most severe first, then privileged, local and oldest.
//!
//! Every person has one row with an entry for each rule. Findings of a rule are merged only where everything that the
//! entry says is true for each of them.

use super::due::Due;
use super::facts::Account;
use super::index::Index;
use super::subject::{RowName, SubjectKey, SubjectKeys, grouped, sources_in_words};
use super::{Bounded, Shown, text};
use crate::model::{Finding, FindingStatus, Rule, Severity, SourceInventory, SubjectKind, User, UserKind};
use ahash::AHashMap;
use serde::Deserialize;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Number of rows in the table.
const ROWS: usize = 20;
/// Number of rules in a row.
const RULES: usize = 3;
/// Number of variants of one rule in a row.
const VARIANTS: usize = 3;
/// Number of accounts that one cell names.
const NAMES: usize = 6;

/// A person, or a subject that belongs to no person, with its open findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopRow {
    /// Word for the greatest severity.
    pub severity: &'static str,
    /// First of the last days to act on the findings of this severity; `None` if no action is needed.
    pub due: Option<String>,
    /// Whether that day is over.
    pub is_past_due: bool,
    /// Name of the person or subject.
    pub name: RowName,
    /// Properties of the accounts: `privileged`, `local in pra`, `break-glass`, … Without a source if all have it.
    pub tags: Vec<Shown>,
    /// Usernames of the accounts with findings, each with its sources: `ada in pra, rs`. Empty if there is no person.
    pub accounts: Bounded<Shown>,
    /// Findings by rule, most severe first.
    pub findings: Bounded<RuleFindings>,
    /// Who must act; `None` if no owner is configured.
    pub owner: Option<Shown>,
}

/// The findings of one rule in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFindings {
    /// Public id of the rule.
    pub rule: &'static str,
    /// Title of the rule.
    pub title: Cow<'static, str>,
    /// Findings of the rule, merged where they are equal, most severe first. `more` is the number of further findings.
    pub variants: Bounded<FindingVariant>,
    /// What to do about the findings.
    pub action: Cow<'static, str>,
}

/// Findings of one rule that are equal in severity, history and fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingVariant {
    /// Word for the severity.
    pub severity: &'static str,
    /// History of the findings: `new`, or `open since 2026-11-01, past due`.
    pub history: String,
    /// Fact, basis and threshold in one sentence.
    pub fact: Shown,
    /// Sources of the findings.
    pub sources: Shown,
}

/// The first part of the sort key of the table, which needs no evidence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    severity: Severity,
    privileged: bool,
    local: bool,
}

/// The sort key of the table. Rows with a greater key are listed first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct FindingWeight {
    rank: Rank,
    age_days: Option<u64>,
}

/// A finding with its weight.
type Weighed<'a> = (FindingWeight, &'a Finding);

/// What findings must have in common to be merged: severity, history and fact.
type VariantKey = (Severity, String, String);

/// Returns the rows with the greatest weight.
pub(super) fn rows(index: &Index<'_>) -> Bounded<TopRow> {
    let keys = SubjectKeys::of(index);
    let open = || {
        index.open_with_accounts().map(|(finding, account)| {
            let key = keys.key_of(finding.source.as_str(), &finding.subject, account);
            (key, (Rank::of(finding, account), finding))
        })
    };
    let mut greatest: AHashMap<SubjectKey<'_>, Rank> = AHashMap::new();
    for (key, (rank, _)) in open() {
        let of_row = greatest.entry(key).or_insert(rank);
        *of_row = rank.max(*of_row);
    }
    let least = least_shown(greatest.values().copied().collect());
    // Only rows that may be shown are collected, because a tenant may have millions of findings.
    let candidates = grouped(open().filter(|(key, _)| greatest.get(key).copied() >= least));
    let mut rows: Vec<(SubjectKey<'_>, Vec<Weighed<'_>>)> =
        candidates.into_iter().map(|(key, findings)| (key, weighed(&findings))).collect();
    // A stable sort: rows of equal weight stay in the order of findings.csv.
    rows.sort_by_key(|(_, findings)| Reverse((findings[0].0, findings.len())));
    Bounded {
        more: greatest.len().saturating_sub(ROWS) as u64,
        rows: rows.iter().take(ROWS).map(|(key, findings)| row(index, &keys, *key, findings)).collect(),
    }
}

/// Returns the rank of the last row that is shown; `None` if all rows are shown.
fn least_shown(mut ranks: Vec<Rank>) -> Option<Rank> {
    ranks.sort_unstable_by_key(|rank| Reverse(*rank));
    ranks.get(ROWS - 1).copied()
}

/// Returns the findings of a row with their weights, the greatest first.
fn weighed<'a>(findings: &[(Rank, &'a Finding)]) -> Vec<Weighed<'a>> {
    let weighed = findings.iter().map(|(rank, finding)| {
        let weight = FindingWeight { rank: *rank, age_days: age_days(finding) };
        (weight, *finding)
    });
    let mut weighed: Vec<Weighed<'a>> = weighed.collect();
    weighed.sort_by_key(|(weight, _)| Reverse(*weight));
    weighed
}

impl Rank {
    fn of(finding: &Finding, account: Option<Account<'_>>) -> Self {
        Self {
            severity: finding.severity,
            privileged: account.is_some_and(|account| account.facts.is_privileged()),
            local: account.is_some_and(|account| account.user.is_local()),
        }
    }
}

/// Returns the age that the evidence names; `None` if there is none, or if the evidence is not JSON.
fn age_days(finding: &Finding) -> Option<u64> {
    #[derive(Deserialize)]
    struct Age {
        age_days: Option<u64>,
    }
    serde_json::from_str::<Age>(&finding.evidence()).ok()?.age_days
}

fn row(index: &Index<'_>, keys: &SubjectKeys<'_>, key: SubjectKey<'_>, findings: &[Weighed<'_>]) -> TopRow {
    let (weight, first) = findings[0];
    let most_severe = findings.iter().filter(|(of, _)| of.rank.severity == weight.rank.severity);
    let due = most_severe.filter_map(|(_, finding)| Due::of(finding, index.input.as_of)).min();
    TopRow {
        severity: weight.rank.severity.as_str(),
        due: due.map(|due| due.day.to_string()),
        is_past_due: due.is_some_and(|due| due.is_past),
        name: RowName::of(keys, key, first.source.as_str(), &first.subject),
        tags: tags(index, findings),
        accounts: match key {
            SubjectKey::Person(_) => accounts(index, findings),
            SubjectKey::Single(..) => Bounded::cut([], NAMES),
        },
        findings: by_rule(index, findings),
        owner: findings.iter().find_map(|(_, finding)| index.owner(finding)).map(|owner| Shown::name(&owner.owner)),
    }
}

fn by_rule(index: &Index<'_>, findings: &[Weighed<'_>]) -> Bounded<RuleFindings> {
    let mut rules: Vec<(Rule, Vec<&Finding>)> = Vec::new();
    for (_, finding) in findings {
        match rules.iter_mut().find(|(rule, _)| *rule == finding.rule) {
            Some((_, of_rule)) => of_rule.push(finding),
            None => rules.push((finding.rule, vec![finding])),
        }
    }
    Bounded::cut(rules.iter().map(|(rule, findings)| of_rule(index, *rule, findings)), RULES)
}

fn of_rule(index: &Index<'_>, rule: Rule, findings: &[&Finding]) -> RuleFindings {
    let mut variants: Vec<(VariantKey, Vec<&Finding>)> = Vec::new();
    for finding in findings {
        let key = (finding.severity, history(index, finding), finding.title());
        match variants.iter_mut().find(|(known, _)| *known == key) {
            Some((_, equal)) => equal.push(finding),
            None => variants.push((key, vec![finding])),
        }
    }
    RuleFindings {
        rule: rule.as_str(),
        title: index.title(rule),
        action: findings[0].advice.action.clone(),
        variants: Bounded {
            more: variants.iter().skip(VARIANTS).map(|(_, equal)| equal.len() as u64).sum(),
            rows: variants.into_iter().take(VARIANTS).map(|(key, equal)| variant(key, &equal)).collect(),
        },
    }
}

fn variant((severity, history, fact): VariantKey, equal: &[&Finding]) -> FindingVariant {
    let sources = equal.iter().map(|finding| finding.source.as_str()).collect();
    FindingVariant {
        severity: severity.as_str(),
        history,
        fact: Shown::sentence(&fact),
        sources: sources_in_words(&sources),
    }
}

/// Describes since when a finding is known, and whether the last day to act on it is over.
fn history(index: &Index<'_>, finding: &Finding) -> String {
    let status = finding.status.as_str();
    let mut history = match finding.status {
        FindingStatus::New => vec![status.to_owned()],
        _ => vec![format!("{status} since {}", finding.first_seen.date_naive())],
    };
    // An open finding that this run could not evaluate shows when it was last found.
    if finding.status != FindingStatus::New && finding.last_seen < index.input.as_of {
        history.push(format!("last seen {}", finding.last_seen.date_naive()));
    }
    if Due::of(finding, index.input.as_of).is_some_and(|due| due.is_past) {
        history.push("past due".to_owned());
    }
    history.join(", ")
}

fn accounts(index: &Index<'_>, findings: &[Weighed<'_>]) -> Bounded<Shown> {
    let mut names: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (_, finding) in findings {
        let name = finding.subject.name.as_deref().unwrap_or(&finding.subject.id);
        let known = index.subject(finding).and_then(|(_, user)| user.name()).unwrap_or(name);
        names.entry(known).or_default().insert(finding.source.as_str());
    }
    let shown = |(name, sources): (&str, BTreeSet<&str>)| {
        let sources: Vec<&str> = sources.into_iter().collect();
        Shown::sentence(&format!("{} in {}", Shown::name(name), text::names(&sources)))
    };
    Bounded::cut(names.into_iter().map(shown), NAMES)
}

fn tags(index: &Index<'_>, findings: &[Weighed<'_>]) -> Vec<Shown> {
    let subjects: BTreeMap<(&str, &str), &Finding> =
        findings.iter().map(|(_, finding)| ((finding.source.as_str(), &*finding.subject.id), *finding)).collect();
    let mut tags: Vec<(&'static str, Vec<&str>)> = Vec::new();
    for ((source, _), finding) in &subjects {
        for tag in tags_of(index, finding) {
            match tags.iter_mut().find(|(known, _)| *known == tag) {
                Some((_, sources)) => sources.push(source),
                None => tags.push((tag, vec![source])),
            }
        }
    }
    let words = |(tag, sources): (&'static str, Vec<&str>)| {
        if sources.len() == subjects.len() {
            return Shown::name(tag);
        }
        Shown::sentence(&format!("{tag} in {}", sources_in_words(&sources.into_iter().collect())))
    };
    tags.into_iter().map(words).collect()
}

fn tags_of(index: &Index<'_>, finding: &Finding) -> Vec<&'static str> {
    match index.subject(finding) {
        Some(subject) => tags_of_account(subject).collect(),
        None if finding.subject.kind != SubjectKind::User => vec![finding.subject.kind.as_str()],
        None => Vec::new(),
    }
}

fn tags_of_account((source_inventory, user): (&SourceInventory, &User)) -> impl Iterator<Item = &'static str> {
    let tags = [
        (source_inventory.is_privileged(user), "privileged"),
        (user.is_local(), "local"),
        (user.kind != UserKind::Person, user.kind.as_str()),
        (user.enabled == Some(false), "disabled"),
    ];
    tags.into_iter().filter(|(holds, _)| *holds).map(|(_, tag)| tag)
}
