//! The findings to look at first: gravest, then privileged, local and oldest. At most 25.

use super::index::Index;
use super::text::{counted, date_and_time};
use super::{Bounded, Shown};
use crate::model::{Finding, FindingStatus, Severity, SourceInventory, SubjectKind, User, UserKind};
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Reverse;

/// Rows of the table.
const ROWS: usize = 25;
/// Groups that a row names.
const GROUPS: usize = 3;

/// Where an age is counted from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgeStart {
    /// The day, or the text as written.
    pub date: Shown,
    /// The time of day with `UTC`.
    pub time: String,
    /// `last login`, `created`.
    pub kind: Shown,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopRow {
    /// Word of the severity.
    pub severity: &'static str,
    /// Where it stands: `new`, `open`, `reopened`.
    pub status: &'static str,
    /// Since when, where that is not this run, and the last run that found it, where that is not this run: a line each,
    /// `since 2026-11-01`, `22 days, seen 20 times`, `last seen 2026-11-20`.
    pub dates: Vec<String>,
    /// The account's name; its id where it has none.
    pub name: Shown,
    /// The account's id within its source.
    pub id: Shown,
    /// `privileged`, `local`, `break-glass`, …
    pub tags: Vec<&'static str>,
    /// Source.
    pub source: Shown,
    /// Public id of the rule.
    pub rule: &'static str,
    /// Fact, basis and threshold in one sentence.
    pub fact: Shown,
    /// Where the age is counted from.
    pub basis: Option<AgeStart>,
    /// Whole days.
    pub age_days: Option<u64>,
    /// Days from which it is a finding.
    pub threshold_days: Option<u64>,
    /// Who set the threshold.
    pub threshold_from: Option<Shown>,
    /// What to do.
    pub action: Cow<'static, str>,
    /// Its groups, the first of them.
    pub groups: Bounded<Shown>,
}

/// What decides the order. Greater comes first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct FindingWeight {
    severity: Severity,
    privileged: bool,
    local: bool,
    age_days: Option<u64>,
}

pub(super) fn rows(index: &Index<'_>) -> Bounded<TopRow> {
    let mut weighed: Vec<(FindingWeight, &Finding)> =
        index.open().map(|finding| (weight(index, finding), finding)).collect();
    // Stable: what weighs the same stays in the order of findings.csv.
    weighed.sort_by(|a, b| Reverse(&a.0).cmp(&Reverse(&b.0)));
    Bounded {
        more: weighed.len().saturating_sub(ROWS) as u64,
        rows: weighed.iter().take(ROWS).map(|(_, finding)| row(index, finding)).collect(),
    }
}

fn weight(index: &Index<'_>, finding: &Finding) -> FindingWeight {
    let subject = index.subject(finding);
    FindingWeight {
        severity: finding.severity,
        privileged: subject.is_some_and(|(source_inventory, user)| source_inventory.is_privileged(user)),
        local: subject.is_some_and(|(_, user)| user.is_local()),
        age_days: evidence(finding).get("age_days").and_then(Value::as_u64),
    }
}

/// An object, whatever stands there.
fn evidence(finding: &Finding) -> Value {
    serde_json::from_str(&finding.evidence).unwrap_or(Value::Null)
}

fn row(index: &Index<'_>, finding: &Finding) -> TopRow {
    let subject = index.subject(finding);
    let evidence = evidence(finding);
    let text = |key: &str| evidence.get(key).and_then(Value::as_str);
    let number = |key: &str| evidence.get(key).and_then(Value::as_u64);
    TopRow {
        severity: finding.severity.as_str(),
        status: finding.status.as_str(),
        dates: dates(index, finding),
        name: Shown::name(finding.subject.name.as_deref().unwrap_or(&finding.subject.id)),
        id: Shown::name(&finding.subject.id),
        tags: tags(finding, subject),
        source: Shown::name(finding.source.as_str()),
        rule: finding.rule.as_str(),
        fact: Shown::sentence(&finding.title),
        basis: text("basis").map(|at| basis(at, text("basis_kind").unwrap_or_default())),
        age_days: number("age_days"),
        threshold_days: number("threshold_days"),
        threshold_from: text("threshold_from").map(Shown::name),
        action: finding.action.clone(),
        groups: subject
            .map_or(Bounded { rows: Vec::new(), more: 0 }, |(source_inventory, user)| groups(source_inventory, user)),
    }
}

fn dates(index: &Index<'_>, finding: &Finding) -> Vec<String> {
    if finding.status == FindingStatus::New {
        return Vec::new();
    }
    // What stands on without having been found again says so.
    let unseen = finding.last_seen < index.input.as_of;
    let days = (index.input.as_of - finding.first_seen).num_days();
    let since = format!("since {}", finding.first_seen.date_naive());
    let age = counted(days.unsigned_abs(), "day", "days");
    let age = format!("{age}, seen {}", counted(finding.times_seen(), "time", "times"));
    let seen = unseen.then(|| format!("last seen {}", finding.last_seen.date_naive()));
    [Some(since), Some(age), seen].into_iter().flatten().collect()
}

fn basis(at: &str, kind: &str) -> AgeStart {
    let (date, time) = date_and_time(at);
    let kind = match kind {
        "last_login" => "last login",
        "created_at" => "created",
        "first_seen" => "first seen",
        "enabled_again" => "enabled again",
        other => other,
    };
    AgeStart { date, time, kind: Shown::name(kind) }
}

fn tags(finding: &Finding, subject: Option<(&SourceInventory, &User)>) -> Vec<&'static str> {
    let Some((source_inventory, user)) = subject else {
        return if finding.subject.kind == SubjectKind::User {
            Vec::new()
        } else {
            vec![finding.subject.kind.as_str()]
        };
    };
    let mut tags = Vec::new();
    for (holds, tag) in [
        (source_inventory.is_privileged(user), "privileged"),
        (user.is_local(), "local"),
        (user.kind != UserKind::Person, user.kind.as_str()),
        (user.enabled == Some(false), "disabled"),
    ] {
        if holds {
            tags.push(tag);
        }
    }
    tags
}

/// Privileged groups first: they are why a reader looks here.
fn groups(source_inventory: &SourceInventory, user: &User) -> Bounded<Shown> {
    let mut named: Vec<(bool, &str)> = user
        .group_memberships
        .iter()
        .map(|id| {
            source_inventory
                .group(id)
                .map_or((false, id.as_str()), |g| (g.privileged, g.name.as_deref().unwrap_or(id.as_str())))
        })
        .collect();
    named.sort_by_key(|(privileged, _)| !privileged);
    Bounded::cut(named.into_iter().map(|(_, name)| Shown::name(name)), GROUPS)
}
