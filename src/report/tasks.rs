//! The section "What to do, by when": open findings by severity with the last day to act, the rules and who must act.

use super::due::Due;
use super::index::Index;
use super::text::day;
use super::{Bounded, Shown};
use crate::model::{Finding, FindingStatus, Severity};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Number of rules that one row names.
const RULES: usize = 2;
/// Number of owners that one row names.
const OWNERS: usize = 3;

/// The open findings of one severity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Word for the severity.
    pub severity: &'static str,
    /// Next day to act that is not over; `None` if there is none.
    pub next: Option<String>,
    /// Number of days within which the owner should act; 0 if no action is needed.
    pub days: u16,
    /// Number of open findings.
    pub findings: u64,
    /// Number of findings that this run found for the first time or again.
    pub new: u64,
    /// Number of findings whose last day to act is over.
    pub overdue: u64,
    /// Rules with the most findings.
    pub rules: Bounded<TaskRule>,
    /// Who must act.
    pub owners: Bounded<TaskOwner>,
    /// Number of findings without a configured owner.
    pub unowned: u64,
}

/// A rule with its number of findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRule {
    /// Title of the rule.
    pub title: Cow<'static, str>,
    /// What to do about a finding.
    pub action: Cow<'static, str>,
    /// Number of open findings of the severity.
    pub findings: u64,
}

/// An owner with the number of findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskOwner {
    /// Name from `policy.group_owners`.
    pub name: Shown,
    /// E-mail address, if the configuration has one.
    pub email: Option<Shown>,
    /// Number of open findings of the severity.
    pub findings: u64,
}

/// Returns a row for each severity with open findings, most severe first.
pub(super) fn list(index: &Index<'_>) -> Vec<Task> {
    let of = |severity| {
        let findings: Vec<&Finding> = index.open().filter(|finding| finding.severity == severity).collect();
        (!findings.is_empty()).then(|| task(index, severity, &findings))
    };
    Severity::ALL.into_iter().rev().filter_map(of).collect()
}

fn task(index: &Index<'_>, severity: Severity, findings: &[&Finding]) -> Task {
    let due: Vec<Due> = findings.iter().filter_map(|finding| Due::of(finding, index.input.as_of)).collect();
    let is_new = |finding: &&&Finding| matches!(finding.status, FindingStatus::New | FindingStatus::Reopened);
    let (owners, unowned) = owners(index, findings);
    Task {
        severity: severity.as_str(),
        next: due.iter().filter(|due| !due.is_past).map(|due| due.day).min().map(day),
        days: severity.days_to_act().unwrap_or(0),
        findings: findings.len() as u64,
        new: findings.iter().filter(is_new).count() as u64,
        overdue: due.iter().filter(|due| due.is_past).count() as u64,
        rules: rules(index, findings),
        owners,
        unowned,
    }
}

fn rules(index: &Index<'_>, findings: &[&Finding]) -> Bounded<TaskRule> {
    let mut counts = BTreeMap::new();
    for finding in findings {
        *counts.entry(finding.rule).or_insert(0u64) += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    let rule = |(rule, findings)| TaskRule {
        title: index.title(rule),
        action: index.info(rule).map(|info| info.action.clone()).unwrap_or_default(),
        findings,
    };
    Bounded::cut(counts.into_iter().map(rule), RULES)
}

/// Returns the owners with the most findings, and the number of findings without an owner.
fn owners(index: &Index<'_>, findings: &[&Finding]) -> (Bounded<TaskOwner>, u64) {
    let (mut counts, mut unowned) = (BTreeMap::new(), 0);
    for finding in findings {
        match index.owner(finding) {
            Some(owner) => *counts.entry((&owner.owner, &owner.email)).or_insert(0u64) += 1,
            None => unowned += 1,
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    let owner = |((name, email), findings): ((&String, &Option<String>), u64)| TaskOwner {
        name: Shown::name(name),
        email: email.as_deref().map(Shown::name),
        findings,
    };
    (Bounded::cut(counts.into_iter().map(owner), OWNERS), unowned)
}
