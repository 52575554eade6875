//! The section "Most severe findings, by person": at most 20 rows, most severe first, then privileged, local and oldest.
//!
//! Every person has one row, with one entry for each rule and the sources that it concerns.

use super::index::Index;
use super::subject::{RowName, SubjectKey, SubjectKeys, grouped};
use super::{Bounded, Shown, text};
use crate::model::{Finding, FindingStatus, Rule, Severity, SourceInventory, SubjectKind, User, UserKind};
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Number of rows in the table.
const ROWS: usize = 20;
/// Number of rules in a row.
const RULES: usize = 3;
/// Number of accounts or sources that one cell names.
const NAMES: usize = 6;

/// A person, or a subject that belongs to no person, with its open findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopRow {
    /// Word for the greatest severity.
    pub severity: &'static str,
    /// Last day to act on a new finding of this severity; `None` if no action is needed.
    pub due: Option<String>,
    /// Name of the person or subject.
    pub name: RowName,
    /// Properties of the accounts: `privileged`, `local`, `break-glass`, …
    pub tags: Vec<&'static str>,
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
    /// Word for the greatest severity.
    pub severity: &'static str,
    /// Public id of the rule.
    pub rule: &'static str,
    /// Title of the rule.
    pub title: Cow<'static, str>,
    /// Fact, basis and threshold of the most severe finding, in one sentence.
    pub fact: Shown,
    /// Sources in which the rule has a finding.
    pub sources: Bounded<Shown>,
    /// Whether these are all sources of the row, and more than one.
    pub is_everywhere: bool,
    /// History of the finding: `new`, or `open since 2026-11-01`.
    pub history: String,
    /// What to do about the finding.
    pub action: Cow<'static, str>,
}

/// The sort key of the table. Rows with a greater key are listed first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct FindingWeight {
    severity: Severity,
    privileged: bool,
    local: bool,
    age_days: Option<u64>,
}

/// A finding with its weight.
type Weighed<'a> = (FindingWeight, &'a Finding);

/// Returns the rows with the greatest weight.
pub(super) fn rows(index: &Index<'_>) -> Bounded<TopRow> {
    let keys = SubjectKeys::of(index);
    let open = index
        .open()
        .map(|finding| (keys.key(finding.source.as_str(), &finding.subject), (weight(index, finding), finding)));
    let mut rows: Vec<(SubjectKey<'_>, Vec<Weighed<'_>>)> = grouped(open);
    for (_, findings) in &mut rows {
        findings.sort_by_key(|(weight, _)| Reverse(*weight));
    }
    // A stable sort: rows of equal weight stay in the order of findings.csv.
    rows.sort_by_key(|(_, findings)| Reverse((findings[0].0, findings.len())));
    Bounded {
        more: rows.len().saturating_sub(ROWS) as u64,
        rows: rows.iter().take(ROWS).map(|(key, findings)| row(index, key, findings)).collect(),
    }
}

fn weight(index: &Index<'_>, finding: &Finding) -> FindingWeight {
    let subject = index.subject(finding);
    FindingWeight {
        severity: finding.severity,
        privileged: subject.is_some_and(|(source_inventory, user)| source_inventory.is_privileged(user)),
        local: subject.is_some_and(|(_, user)| user.is_local()),
        age_days: age_days(finding),
    }
}

/// Returns the age that the evidence names; `None` if there is none, or if the evidence is not JSON.
fn age_days(finding: &Finding) -> Option<u64> {
    let evidence: Value = serde_json::from_str(&finding.evidence).unwrap_or(Value::Null);
    evidence.get("age_days").and_then(Value::as_u64)
}

fn row(index: &Index<'_>, key: &SubjectKey<'_>, findings: &[Weighed<'_>]) -> TopRow {
    let (weight, first) = findings[0];
    TopRow {
        severity: weight.severity.as_str(),
        due: index.due(weight.severity).map(|day| day.to_string()),
        name: RowName::of(index, key, first.source.as_str(), &first.subject),
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
    let sources = sources(findings.iter().map(|(_, finding)| *finding)).len();
    Bounded::cut(rules.iter().map(|(rule, findings)| of_rule(index, *rule, findings, sources)), RULES)
}

fn sources<'a>(findings: impl Iterator<Item = &'a Finding>) -> BTreeSet<&'a str> {
    findings.map(|finding| finding.source.as_str()).collect()
}

/// `all` is the number of sources of the row.
fn of_rule(index: &Index<'_>, rule: Rule, findings: &[&Finding], all: usize) -> RuleFindings {
    let first = findings[0];
    let sources = sources(findings.iter().copied());
    RuleFindings {
        severity: first.severity.as_str(),
        rule: rule.as_str(),
        title: index.title(rule),
        fact: Shown::sentence(&first.title),
        is_everywhere: all > 1 && sources.len() == all,
        sources: Bounded::cut(sources.into_iter().map(Shown::name), NAMES),
        history: history(index, first),
        action: first.action.clone(),
    }
}

fn history(index: &Index<'_>, finding: &Finding) -> String {
    if finding.status == FindingStatus::New {
        return "new".to_owned();
    }
    let since = finding.first_seen.date_naive();
    let history = format!("{} since {since}", finding.status.as_str());
    // An open finding that this run could not evaluate shows when it was last found.
    if finding.last_seen < index.input.as_of {
        return format!("{history}, last seen {}", finding.last_seen.date_naive());
    }
    history
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

fn tags(index: &Index<'_>, findings: &[Weighed<'_>]) -> Vec<&'static str> {
    let mut tags = Vec::new();
    for (_, finding) in findings {
        match index.subject(finding) {
            Some(subject) => tags.extend(tags_of_account(subject)),
            None if finding.subject.kind != SubjectKind::User => tags.push(finding.subject.kind.as_str()),
            None => {}
        }
    }
    let mut distinct: Vec<&'static str> = Vec::new();
    for tag in tags {
        if !distinct.contains(&tag) {
            distinct.push(tag);
        }
    }
    distinct
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
