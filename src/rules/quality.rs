//! Rules about the quality of the data of a source: `data-quality` and `collection-incomplete`.

use super::age::age_days;
use super::catalogue::{INCOMPLETE_CRITICAL_DAYS, INCOMPLETE_HIGH_DAYS};
use super::staleness::{idle_basis, is_subject};
use super::{RuleContext, RuleCounts, RuleEvidence, RuleRemark, RuleResult, instant};
use crate::model::{
    Coverage, Evidence, GroupId, Instant, LastLogin, ListKind, ListReport, OddValue, ReportedDate, Rule, Severity,
    Subject, SubjectKind, User,
};
use chrono::TimeDelta;
use serde_json::{Value, json};

/// Maximum difference between clocks, in seconds, that is not reported.
const TOLERANCE_SECONDS: i64 = 300;

/// Finds unreliable dates and memberships of a user.
pub(super) fn of_user(context: &RuleContext<'_>, user: &User) -> RuleResult {
    let mut issues = RuleEvidence::default();
    match &user.last_login {
        LastLogin::At(at) => future(context, "last_login", *at, &mut issues),
        LastLogin::Never { sentinel: Some(written) } => {
            issues.insert("last_login_sentinel", written);
        }
        LastLogin::Unreadable(written) => {
            issues.insert("last_login_unreadable", written);
        }
        LastLogin::Never { sentinel: None } | LastLogin::NotReported => {}
    }
    match &user.created_at {
        ReportedDate::At(at) => future(context, "created_at", *at, &mut issues),
        ReportedDate::Unreadable(written) => {
            issues.insert("created_at_unreadable", written);
        }
        ReportedDate::NotReported => {}
    }
    if has_no_basis(context, user) {
        issues.insert("no_basis_for_age", user.last_login.status());
    }
    if let Some(conflict) = &user.rare.conflict {
        contradiction("memberships_only_by_user", &conflict.only_by_user, &mut issues);
        contradiction("memberships_only_by_group", &conflict.only_by_group, &mut issues);
    }
    if issues.is_empty() {
        return RuleResult::Passed;
    }
    RuleResult::Found(RuleRemark {
        rule: Rule::DataQuality,
        severity: Severity::Info,
        title: in_words(issues.keys()),
        evidence: issues,
    })
}

fn future(context: &RuleContext<'_>, field: &str, at: Instant, issues: &mut RuleEvidence) {
    if at > context.as_of + TimeDelta::seconds(TOLERANCE_SECONDS) {
        issues.insert(format!("{field}_in_the_future"), instant(at));
    }
}

fn contradiction(key: &'static str, groups: &[GroupId], issues: &mut RuleEvidence) {
    if !groups.is_empty() {
        let ids: Vec<&str> = groups.iter().map(GroupId::as_str).collect();
        issues.insert(key, ids);
    }
}

/// Returns whether inactivity matters for the account and no date says when it began.
///
/// If no account of a source has a last login, the outcome of the rule says so; the accounts are not reported one by
/// one.
fn has_no_basis(context: &RuleContext<'_>, user: &User) -> bool {
    is_subject(context, user) == Some(true)
        && match &user.last_login {
            LastLogin::At(_) => false,
            LastLogin::Never { .. } => idle_basis(context, user).is_none(),
            LastLogin::Unreadable(_) => true,
            // An incomplete list of details may hold the login, so the login is unknown rather than not reported.
            LastLogin::NotReported => {
                context.reports_logins && Evidence::of(context.source_inventory).reads_every_field()
            }
        }
}

fn in_words<'a>(issues: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = issues
        .map(|issue| match issue {
            "last_login_in_the_future" => "last login is in the future",
            "last_login_sentinel" => "last login is a placeholder, which means never",
            "last_login_unreadable" => "last login is unreadable",
            "created_at_in_the_future" => "creation date is in the future",
            "created_at_unreadable" => "creation date is a placeholder or unreadable",
            "memberships_only_by_user" => "its record names groups whose member lists lack it",
            "memberships_only_by_group" => "groups list it as a member, but its record does not name them",
            "no_basis_for_age" => "inactivity is unknown: no date to count from",
            other => other,
        })
        .collect();
    words.join("; ")
}

/// Evaluates the clock, the counts and the coverage of the source.
pub(super) fn evaluate_source(context: &mut RuleContext<'_>) {
    let name = context.source_inventory.reading.source.name.to_string();
    let subject = Subject { kind: SubjectKind::Source, id: name.as_str().into(), name: Some(name.as_str().into()) };
    if let Some(remark) = clock_and_counts(context) {
        context.add_finding(remark, subject.clone());
    }
    if let Some(remark) = incomplete(context) {
        context.add_finding(remark, subject);
    }
    context.count(Rule::CollectionIncomplete, RuleCounts { subjects: 1, undetermined: 0 });
}

fn clock_and_counts(context: &RuleContext<'_>) -> Option<RuleRemark> {
    let reading = &context.source_inventory.reading;
    let mut words = Vec::new();
    let mut found = RuleEvidence::default();
    if let Some(skew) = reading.clock_skew_seconds.filter(|skew| skew.abs() > TOLERANCE_SECONDS) {
        found.insert("clock_skew_seconds", skew);
        words.push(format!("its clock differs from the clock of this host by {skew} s"));
    }
    for list in reading.lists.iter().filter(|list| list.coverage.is_complete()) {
        let Some(expected) = list.expected.filter(|expected| *expected != list.distinct) else { continue };
        let (kind, distinct) = (list.kind.as_str(), list.distinct);
        let key = if list.kind == ListKind::Users { "users" } else { kind };
        found.insert(key, json!({ "distinct": distinct, "expected": expected }));
        words.push(format!("row count of {kind} is {distinct}, but the source reports a total of {expected}"));
    }
    if !reading.odd_values.is_empty() {
        let count: u64 = reading.odd_values.iter().map(|odd| odd.count).sum();
        let values = if count == 1 { "1 value".to_owned() } else { format!("{count} values") };
        words.push(format!("{values} unreadable: {}", odd_fields(&reading.odd_values)));
        found.insert("unreadable_values", unreadable(&reading.odd_values));
    }
    (!words.is_empty()).then(|| RuleRemark {
        rule: Rule::DataQuality,
        severity: Severity::Info,
        title: words.join("; "),
        evidence: found,
    })
}

/// Returns the names of the fields with the most unreadable values.
fn odd_fields(odd: &[OddValue]) -> String {
    const NAMED: usize = 3;
    let mut fields: Vec<&OddValue> = odd.iter().collect();
    fields.sort_by_key(|odd| (std::cmp::Reverse(odd.count), odd.field.as_str()));
    let named: Vec<&str> = fields.iter().take(NAMED).map(|odd| odd.field.as_str()).collect();
    let more = fields.len().saturating_sub(NAMED);
    if more == 0 { named.join(", ") } else { format!("{} and {more} more fields", named.join(", ")) }
}

/// Returns the number of unreadable values by field, with the id of one row that has such a value.
fn unreadable(odd: &[OddValue]) -> Value {
    let entry = |odd: &OddValue| (odd.field.clone(), json!({ "count": odd.count, "example": odd.example }));
    Value::Object(odd.iter().map(entry).collect())
}

/// Finds a source that was not read, or a list that is not proven complete. Severity increases with the time since the
/// last proof.
fn incomplete(context: &RuleContext<'_>) -> Option<RuleRemark> {
    let (reading, known) = (&context.source_inventory.reading, &context.source_inventory.known);
    let unproven = |coverage: &Coverage| matches!(coverage, Coverage::Drifted { .. } | Coverage::Failed { .. });
    let lists: Vec<_> = reading.lists.iter().filter(|list| unproven(&list.coverage)).collect();
    let of_list = |list: &&ListReport| known.proven_at(list.kind);
    let (what, proven_at) = if reading.lists.is_empty() {
        ("not read in this run".to_owned(), known.confirmed_at)
    } else {
        let names: Vec<&str> = lists.iter().map(|list| list.kind.as_str()).collect();
        let oldest = lists.iter().map(of_list).min().flatten();
        (format!("not proven complete: {}", names.join(", ")), oldest)
    };
    // A list that is offered for the first time was not incomplete before.
    let of_source = known.confirmed_at.or(known.first_seen);
    let since =
        lists.iter().filter_map(|list| of_list(list).or(of_source)).min().or(of_source).unwrap_or(context.as_of);
    let days = age_days(context.as_of, since);
    // Some operators read their sources at different times, so a source may be missing from single runs.
    if lists.is_empty() && (!reading.lists.is_empty() || days < INCOMPLETE_HIGH_DAYS) {
        return None;
    }
    let entries: Vec<Value> = lists
        .iter()
        .map(|list| {
            json!({
                "coverage": list.coverage.as_str(),
                "list": list.kind.as_str(),
                "proven_at": of_list(list).map(instant),
                "received": list.distinct,
                "why": list.coverage.words(),
            })
        })
        .collect();
    let rows = known.unconfirmed_rows;
    let last = proven_at.map_or_else(|| "never".to_owned(), instant);
    let unconfirmed =
        if rows == 1 { "1 known row is unconfirmed".to_owned() } else { format!("{rows} known rows are unconfirmed") };
    Some(RuleRemark {
        rule: Rule::CollectionIncomplete,
        severity: match days {
            INCOMPLETE_CRITICAL_DAYS.. => Severity::Critical,
            INCOMPLETE_HIGH_DAYS.. => Severity::High,
            _ => Severity::Medium,
        },
        title: format!("{what}; last complete: {last}; {unconfirmed}"),
        evidence: RuleEvidence::default()
            .with("age_days", days)
            .with("critical_after_days", INCOMPLETE_CRITICAL_DAYS)
            .with("high_after_days", INCOMPLETE_HIGH_DAYS)
            .with("lists", entries)
            .with("proven_at", proven_at.map(instant))
            .with("since", instant(since))
            .with("unconfirmed_rows", rows),
    })
}
