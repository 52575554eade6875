//! The section "Look at these first": at most 25 open findings, most severe first, then privileged, local and oldest.

use super::index::Index;
use super::text::{counted, date_and_time};
use super::{Bounded, Shown};
use crate::model::{Finding, FindingStatus, Severity, SourceInventory, SubjectKind, User, UserKind};
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Reverse;

/// Number of rows in the table.
const ROWS: usize = 25;
/// Number of groups in a row.
const GROUPS: usize = 3;

/// The date from which an age is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgeStart {
    /// Day in UTC, or the text of the evidence if it is not an instant.
    pub date: Shown,
    /// Time of day with `UTC`.
    pub time: String,
    /// Kind of the date: `last login`, `created`, …
    pub kind: Shown,
}

/// A finding in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopRow {
    /// Word for the severity.
    pub severity: &'static str,
    /// Status: `new`, `open` or `reopened`.
    pub status: &'static str,
    /// Lines about the history: `since 2026-11-01`, `22 days, seen 20 times`, `last seen 2026-11-20`. Empty for a new
    /// finding.
    pub dates: Vec<String>,
    /// Name of the subject; its id if it has no name.
    pub name: Shown,
    /// Id of the subject in its source.
    pub id: Shown,
    /// Properties of the account: `privileged`, `local`, `break-glass`, …
    pub tags: Vec<&'static str>,
    /// Name of the source.
    pub source: Shown,
    /// Public id of the rule.
    pub rule: &'static str,
    /// Fact, basis and threshold in one sentence.
    pub fact: Shown,
    /// Date from which the age is computed.
    pub basis: Option<AgeStart>,
    /// Age in whole days.
    pub age_days: Option<u64>,
    /// Number of days from which it is a finding.
    pub threshold_days: Option<u64>,
    /// Where the threshold came from.
    pub threshold_from: Option<Shown>,
    /// What to do about the finding.
    pub action: Cow<'static, str>,
    /// Groups of the account, privileged ones first.
    pub groups: Bounded<Shown>,
}

/// The sort key of the table. Findings with a greater key are listed first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct FindingWeight {
    severity: Severity,
    privileged: bool,
    local: bool,
    age_days: Option<u64>,
}

/// Returns the open findings with the greatest weight.
pub(super) fn rows(index: &Index<'_>) -> Bounded<TopRow> {
    let mut weighed: Vec<(FindingWeight, &Finding)> =
        index.open().map(|finding| (weight(index, finding), finding)).collect();
    // A stable sort: findings of equal weight stay in the order of findings.csv.
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

/// Returns the evidence as JSON; null if it is not JSON, so that its cells stay empty.
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
    // An open finding that this run could not evaluate shows when it was last found.
    let unseen = finding.last_seen < index.input.as_of;
    let days = (index.input.as_of - finding.first_seen).num_days();
    let since = format!("since {}", finding.first_seen.date_naive());
    // A run with an earlier clock gives a negative number of days.
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

/// Returns the groups of an account, privileged ones first, because they decide the severity.
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
