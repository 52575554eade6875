//! Findings of the made-up tenant, by the plain definition, apart from the rules of the program.

use super::sample::as_of;
use crate::model::{
    Finding, FindingStatus, Fingerprint, GroupId, Instant, LastLogin, ListKind, Outcome, Roll, Rule, Severity, Subject,
    SubjectKind, User, UserKind, Verdict,
};
use crate::report::RuleInfo;
use crate::rules::policy::{Policy, Threshold};
use serde_json::{Value, json};

pub(super) fn judge(roll: &Roll, policy: &Policy) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        roll.harvest.users.iter().flat_map(|user| judge_user(roll, user, policy)).flatten().collect();
    findings.extend(incomplete(roll));
    findings
}

fn judge_user(roll: &Roll, user: &User, policy: &Policy) -> [Option<Finding>; 4] {
    [stale(roll, user, policy), never(roll, user, policy), groups(roll, user), quality(roll, user)]
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
        Rule::CollectionIncomplete => Outcome::Judged { subjects: 1, undetermined: 0 },
        _ => Outcome::Judged { subjects, undetermined: 0 },
    };
    let verdict = |rule| Verdict { source: roll.harvest.source.name.clone(), rule, outcome: outcome(rule) };
    Rule::ALL.into_iter().map(verdict).collect()
}

pub(super) fn catalogue() -> Vec<RuleInfo> {
    Rule::ALL.into_iter().map(info).collect()
}

fn info(rule: Rule) -> RuleInfo {
    let (title, why, action, severity, controls): (_, _, _, _, &[&'static str]) = match rule {
        Rule::StaleLogin => (
            "Stale account",
            "An enabled account that nobody uses is access that nobody watches.",
            "Confirm with the owner that the account is needed; otherwise disable it.",
            "medium; high if privileged or local",
            &["PCI DSS 8.2.6", "CIS 5.3"],
        ),
        Rule::NeverLoggedIn => (
            "Never logged in",
            "An account that was never used may never have been needed.",
            "Ask the requester whether the account is needed; otherwise remove it.",
            "low; medium from the stale threshold on",
            &["PCI DSS 8.2.6", "CIS 5.1", "CIS 5.3"],
        ),
        Rule::NoGroup => (
            "In no group",
            "Access that no group grants is reviewed by nobody.",
            "Assign the account to the group of its role, or disable it.",
            "medium",
            &["CIS 6.8"],
        ),
        Rule::DisabledInGroup => (
            "Disabled, still in a group",
            "When the account is enabled again, it has its old access at once.",
            "Remove the account from its groups.",
            "low; medium if a group is privileged",
            &["PCI DSS 7.2.4", "PCI DSS 8.2.5", "CIS 6.2"],
        ),
        Rule::DanglingGroup => (
            "Membership of a missing group",
            "A membership that names nothing cannot be reviewed.",
            "Remove the membership, or find out what became of the group.",
            "low",
            &["CIS 5.1"],
        ),
        Rule::DataQuality => (
            "Data quality",
            "What the source tells cannot be relied on here.",
            "Compare the account's record with the product's own console.",
            "info",
            &[],
        ),
        Rule::CollectionIncomplete => (
            "Collection incomplete",
            "Nothing can be concluded about what is missing from the list.",
            "Remove the cause and run again.",
            "high",
            &[],
        ),
    };
    RuleInfo { rule, title, why, action, severity, controls: controls.to_vec() }
}
