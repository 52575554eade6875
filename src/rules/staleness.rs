//! Inactivity: `stale-login` and `never-logged-in`. `age_days = floor((as_of − basis) / 86,400 s)`; a finding when the age is
//! at least the threshold. Service accounts are never stale: machines that use keys do not log in.

use super::policy::Threshold;
use super::{Bench, Look, Remark, evidence, instant};
use crate::model::{Instant, LastLogin, Rule, Severity, User, UserKind};
use serde_json::json;

/// Whole days of 86,400 s from the basis to the instant of judging; a basis in the future is age 0.
pub(super) fn age_days(as_of: Instant, basis: Instant) -> u32 {
    let seconds = (as_of - basis).num_seconds().max(0);
    u32::try_from(seconds / 86_400).unwrap_or(u32::MAX)
}

/// Accounts whose inactivity matters: enabled, in force, and somebody's. `None`: it is not told whether it is enabled.
pub(super) fn is_subject(bench: &Bench<'_>, user: &User) -> Option<bool> {
    if user.kind == UserKind::Service || bench.is_expired(user) { Some(false) } else { user.enabled }
}

/// Where it cannot be told whether an account is privileged, the threshold is the looser one: past it, the account is
/// stale either way.
fn stale_threshold<'a>(bench: &'a Bench<'_>, privilege: Option<bool>) -> &'a Threshold {
    let (all, privileged) = (&bench.policy.stale_after, &bench.policy.privileged_stale_after);
    match privilege {
        Some(true) => privileged,
        None if privileged.days > all.days => privileged,
        _ => all,
    }
}

/// Enabled, and the last login is at least the threshold ago.
pub(super) fn stale(bench: &Bench<'_>, user: &User) -> Look {
    match is_subject(bench, user) {
        Some(true) => {}
        Some(false) => return Look::NotASubject,
        None => return Look::Undetermined,
    }
    match &user.last_login {
        LastLogin::At(basis) => since_login(bench, user, *basis),
        LastLogin::Never { .. } => Look::Fine,
        LastLogin::NotReported | LastLogin::Unreadable(_) => Look::Undetermined,
    }
}

fn since_login(bench: &Bench<'_>, user: &User, basis: Instant) -> Look {
    let days = age_days(bench.as_of, basis);
    let (least, most) = (&bench.policy.stale_after.days, &bench.policy.privileged_stale_after.days);
    if days < *least.min(most) {
        return Look::Fine;
    }
    let (privilege, local) = (bench.roll.privilege(user), user.is_local());
    let threshold = stale_threshold(bench, privilege);
    if days < threshold.days {
        return if privilege.is_none() { Look::Undetermined } else { Look::Fine };
    }
    let sort = if privilege == Some(true) { "privileged threshold" } else { "threshold" };
    Look::Remark(Remark {
        rule: Rule::StaleLogin,
        severity: if privilege == Some(true) || local { Severity::High } else { Severity::Medium },
        title: format!("no login for {}: last login {}, {sort} {} days", counted(days), instant(basis), threshold.days),
        evidence: evidence([
            ("age_days", json!(days)),
            ("basis", json!(instant(basis))),
            ("basis_kind", json!("last_login")),
            ("local", json!(local)),
            ("privileged", json!(privilege)),
            ("threshold_days", json!(threshold.days)),
            ("threshold_from", json!(threshold.from)),
        ]),
    })
}

/// Enabled, no login ever, and created at least the grace ago.
pub(super) fn never(bench: &Bench<'_>, user: &User) -> Look {
    match is_subject(bench, user) {
        Some(true) => {}
        Some(false) => return Look::NotASubject,
        None => return Look::Undetermined,
    }
    match (&user.last_login, user.created_at.at()) {
        (LastLogin::Never { .. }, Some(created)) => since_creation(bench, user, created),
        (LastLogin::At(_), _) => Look::Fine,
        _ => Look::Undetermined,
    }
}

fn since_creation(bench: &Bench<'_>, user: &User, created: Instant) -> Look {
    let (days, grace) = (age_days(bench.as_of, created), &bench.policy.never_grace);
    if days < grace.days {
        return Look::Fine;
    }
    let (privilege, local) = (bench.roll.privilege(user), user.is_local());
    let stale = stale_threshold(bench, privilege);
    Look::Remark(Remark {
        rule: Rule::NeverLoggedIn,
        severity: if days >= stale.days { Severity::Medium } else { Severity::Low },
        title: format!(
            "no login since it was created {} ago: created {}, grace {} days",
            counted(days),
            instant(created),
            grace.days
        ),
        evidence: evidence([
            ("age_days", json!(days)),
            ("basis", json!(instant(created))),
            ("basis_kind", json!("created_at")),
            ("local", json!(local)),
            ("privileged", json!(privilege)),
            ("stale_after_days", json!(stale.days)),
            ("stale_after_from", json!(stale.from)),
            ("threshold_days", json!(grace.days)),
            ("threshold_from", json!(grace.from)),
        ]),
    })
}

fn counted(days: u32) -> String {
    if days == 1 { "1 day".to_owned() } else { format!("{days} days") }
}
