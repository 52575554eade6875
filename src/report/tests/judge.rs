//! Findings of the made-up tenant, by the plain definition, apart from the rules of the program.

use super::catalogue::info;
use super::sample::as_of;
use crate::model::{
    Finding, FindingStatus, Fingerprint, Group, GroupId, Instant, LastLogin, ListKind, Outcome, Roll, Rule, Severity,
    Subject, SubjectKind, User, UserKind, Verdict,
};
use crate::rules::policy::{Policy, Threshold};
use serde_json::{Value, json};
use std::collections::HashMap;

pub(super) fn judge(roll: &Roll, policy: &Policy) -> Vec<Finding> {
    let together = Together::of(&roll.harvest.users);
    let mut findings: Vec<Finding> =
        roll.harvest.users.iter().flat_map(|user| judge_user(roll, &together, user, policy)).flatten().collect();
    findings.extend(empty_groups(roll));
    findings.extend(incomplete(roll));
    findings
}

/// What is asked of all users at once.
struct Together<'a> {
    enabled_by_address: HashMap<&'a str, u64>,
    any_sso: bool,
}

impl<'a> Together<'a> {
    fn of(users: &'a [User]) -> Self {
        let mut enabled_by_address = HashMap::new();
        for address in users.iter().filter(|u| u.enabled == Some(true)).filter_map(|u| u.email_address.as_deref()) {
            *enabled_by_address.entry(address).or_insert(0) += 1;
        }
        Self { enabled_by_address, any_sso: users.iter().any(User::is_sso) }
    }
}

fn judge_user(roll: &Roll, together: &Together<'_>, user: &User, policy: &Policy) -> [Option<Finding>; 8] {
    [
        stale(roll, user, policy),
        never(roll, user, policy),
        groups(roll, user),
        shared_email(roll, together, user),
        outside_sso(roll, together, user),
        no_mfa(roll, user),
        without_owner(roll, user),
        quality(roll, user),
    ]
}

fn stale(roll: &Roll, user: &User, policy: &Policy) -> Option<Finding> {
    let (privileged, local) = (roll.is_privileged(user), user.is_local());
    let threshold = if privileged { &policy.privileged_stale_after } else { &policy.stale_after };
    let basis = user.last_login.at()?;
    let age = age(basis);
    let applies = user.enabled == Some(true) && user.kind != UserKind::Service && age >= i64::from(threshold.days);
    let severity = if privileged || local { Severity::High } else { Severity::Medium };
    let title = format!("Enabled account without a login for {age} days; the threshold is {} days.", threshold.days);
    applies.then(|| finding(roll, user, Rule::StaleLogin, severity, title, &aged("last_login", basis, threshold)))
}

fn never(roll: &Roll, user: &User, policy: &Policy) -> Option<Finding> {
    let created = user.created_at.at().filter(|_| matches!(user.last_login, LastLogin::Never { .. }))?;
    let age = age(created);
    let grace = &policy.never_grace;
    let applies = user.enabled == Some(true) && user.kind != UserKind::Service && age >= i64::from(grace.days);
    let severity = if age >= i64::from(policy.stale_after.days) { Severity::Medium } else { Severity::Low };
    let title = format!("Enabled account created {age} days ago and never used; the grace is {} days.", grace.days);
    applies.then(|| finding(roll, user, Rule::NeverLoggedIn, severity, title, &aged("created_at", created, grace)))
}

fn groups(roll: &Roll, user: &User) -> Option<Finding> {
    let known = roll.harvest.coverage(ListKind::Groups).is_complete();
    let ids: Vec<&str> = user.group_memberships.iter().map(GroupId::as_str).collect();
    match user.enabled {
        Some(true) if ids.is_empty() && known => {
            let title = "Enabled account that is in no group.".to_owned();
            Some(finding(roll, user, Rule::NoGroup, Severity::Medium, title, &json!({"groups": []})))
        }
        Some(false) if !ids.is_empty() => {
            let severity = if roll.is_privileged(user) { Severity::Medium } else { Severity::Low };
            let title = format!("Disabled account that is still in {} group(s).", ids.len());
            Some(finding(roll, user, Rule::DisabledInGroup, severity, title, &json!({"groups": ids})))
        }
        _ => None,
    }
}

fn shared_email(roll: &Roll, together: &Together<'_>, user: &User) -> Option<Finding> {
    let address = user.email_address.as_deref().filter(|_| user.enabled == Some(true))?;
    let others = together.enabled_by_address.get(address)? - 1;
    let title = format!("Enabled account whose address {others} other enabled account(s) have.");
    let found = others > 0;
    found.then(|| finding(roll, user, Rule::SharedEmail, Severity::Medium, title, &json!({"count": others})))
}

fn outside_sso(roll: &Roll, together: &Together<'_>, user: &User) -> Option<Finding> {
    let applies = user.enabled == Some(true) && user.is_local() && user.kind != UserKind::BreakGlass;
    let title = "Enabled local account where others sign in by an identity provider.".to_owned();
    let severity = if roll.is_privileged(user) { Severity::High } else { Severity::Medium };
    let found = applies && together.any_sso;
    found.then(|| finding(roll, user, Rule::LocalOutsideSso, severity, title, &json!({})))
}

fn no_mfa(roll: &Roll, user: &User) -> Option<Finding> {
    let applies = user.enabled == Some(true) && user.kind != UserKind::Service && user.mfa == Some(false);
    let title = "Enabled account without a second factor.".to_owned();
    (applies && !user.is_sso()).then(|| finding(roll, user, Rule::NoMfa, Severity::Medium, title, &json!({})))
}

/// The made-up configuration has no register.
fn without_owner(roll: &Roll, user: &User) -> Option<Finding> {
    let applies = user.kind == UserKind::Service && user.enabled != Some(false);
    let title = "Service account without an owner in the register.".to_owned();
    applies.then(|| finding(roll, user, Rule::ServiceWithoutOwner, Severity::Medium, title, &json!({})))
}

fn empty_groups(roll: &Roll) -> Vec<Finding> {
    let proven = roll.harvest.lists.iter().all(|list| list.coverage.is_complete());
    let known = proven && roll.harvest.users.iter().all(|user| user.groups_known);
    let empty =
        roll.harvest.groups.iter().filter(|group| known && group.member_count + group.external_member_count == 0);
    let subject =
        |group: &Group| Subject { kind: SubjectKind::Group, id: group.id.as_str().into(), name: group.name.clone() };
    let title = || "Group without a member.".to_owned();
    empty.map(|group| of(roll, subject(group), Rule::EmptyGroup, Severity::Info, title(), &json!({}))).collect()
}

fn quality(roll: &Roll, user: &User) -> Option<Finding> {
    let what = match &user.last_login {
        LastLogin::Unreadable(text) => format!("The last login \"{text}\" is not a date."),
        LastLogin::Never { sentinel: Some(text) } => format!("The last login {text} stands for never."),
        _ => return None,
    };
    Some(finding(roll, user, Rule::DataQuality, Severity::Info, what, &json!({})))
}

fn incomplete(roll: &Roll) -> Option<Finding> {
    let why = roll.harvest.reason()?;
    let name = &roll.harvest.source.name;
    let subject = Subject { kind: SubjectKind::Source, id: name.as_str().into(), name: None };
    let title = format!("A list of this source was not proven complete: {why}.");
    Some(of(roll, subject, Rule::CollectionIncomplete, Severity::High, title, &json!({})))
}

fn age(basis: Instant) -> i64 {
    (as_of() - basis).num_seconds() / 86_400
}

fn aged(kind: &str, basis: Instant, threshold: &Threshold) -> Value {
    json!({
        "basis": basis.to_rfc3339_opts(chrono::SecondsFormat::Secs, true), "basis_kind": kind,
        "age_days": age(basis), "threshold_days": threshold.days, "threshold_from": threshold.from,
    })
}

fn finding(roll: &Roll, user: &User, rule: Rule, severity: Severity, title: String, evidence: &Value) -> Finding {
    let subject = Subject { kind: SubjectKind::User, id: user.id.as_str().into(), name: user.name().map(Into::into) };
    of(roll, subject, rule, severity, title, evidence)
}

fn of(roll: &Roll, subject: Subject, rule: Rule, severity: Severity, title: String, evidence: &Value) -> Finding {
    let source = roll.harvest.source.name.clone();
    Finding {
        fingerprint: Fingerprint::of_finding(&source, rule, subject.kind, &subject.id),
        source,
        rule,
        severity,
        status: FindingStatus::New,
        subject,
        title: title.into(),
        evidence: evidence.to_string().into(),
        action: info(rule).action,
        controls: info(rule).controls.into(),
        first_seen: as_of(),
        last_seen: as_of(),
        exception: None,
    }
}

pub(super) fn verdicts(roll: &Roll) -> Vec<Verdict> {
    let groups_proven = roll.harvest.coverage(ListKind::Groups).is_complete();
    let subjects = roll.harvest.users.len() as u64;
    let outcome = |rule| match rule {
        Rule::NoGroup | Rule::DanglingGroup if !groups_proven => {
            Outcome::Undetermined { why: "the list of groups is not proven complete".to_owned() }
        }
        Rule::EmptyGroup if !groups_proven || !roll.harvest.coverage(ListKind::Users).is_complete() => {
            Outcome::Undetermined { why: "the members of every group are not known".to_owned() }
        }
        Rule::EmptyGroup => Outcome::Judged { subjects: roll.harvest.groups.len() as u64, undetermined: 0 },
        Rule::NoMfa if subjects > 0 && roll.harvest.users.iter().all(|user| user.mfa.is_none()) => {
            Outcome::Undetermined { why: "the source does not tell second factors".to_owned() }
        }
        Rule::StaleLogin | Rule::NeverLoggedIn
            if subjects > 0 && roll.harvest.users.iter().all(|user| user.last_login == LastLogin::NotReported) =>
        {
            Outcome::Undetermined { why: "the source does not tell last logins".to_owned() }
        }
        Rule::ExceptionExpired => Outcome::Judged { subjects: 0, undetermined: 0 },
        Rule::CollectionIncomplete => Outcome::Judged { subjects: 1, undetermined: 0 },
        _ => Outcome::Judged { subjects, undetermined: 0 },
    };
    let verdict = |rule| Verdict { source: roll.harvest.source.name.clone(), rule, outcome: outcome(rule) };
    Rule::ALL.into_iter().map(verdict).collect()
}
