//! Inactivity: `stale-login` and `never-logged-in`. `age_days = floor((as_of − basis) / 86,400 s)`; a finding when the age is
//! at least the threshold. Service accounts are never stale: machines that use keys do not log in. What an age comes to is
//! decided here once ([`since_login`], [`since_creation`]); other rules ask the same.

use super::policy::Threshold;
use super::{Bench, Look, Remark, evidence, instant};
use crate::model::{Instant, LastLogin, Rule, Severity, User, UserKind};
use serde_json::json;

/// What the age of an account's last sign of life comes to.
pub(super) enum Idle<'a> {
    /// Inactivity does not matter for such accounts.
    NotASubject,
    /// Not so long that it would be a finding.
    Fresh,
    /// The data does not suffice.
    Undetermined,
    /// For the limit or longer.
    Long(Long<'a>),
}

/// An age at or beyond its limit.
pub(super) struct Long<'a> {
    /// Counted from here.
    pub(super) basis: Instant,
    /// The field that the basis stands in.
    pub(super) basis_kind: &'static str,
    /// Whole days since then.
    pub(super) days: u32,
    /// `None`: it cannot be told.
    pub(super) privilege: Option<bool>,
    /// What it is at or beyond.
    pub(super) limit: &'a Threshold,
}

/// Whole days of 86,400 s from the basis to the instant of judging; a basis in the future is age 0.
pub(super) fn age_days(as_of: Instant, basis: Instant) -> u32 {
    let seconds = (as_of - basis).num_seconds().max(0);
    u32::try_from(seconds / 86_400).unwrap_or(u32::MAX)
}

/// Accounts whose inactivity matters: enabled, in force, and somebody's. `None`: it is not told whether it is enabled.
pub(super) fn is_subject(bench: &Bench<'_>, user: &User) -> Option<bool> {
    if user.kind == UserKind::Service || bench.blocked(user).is_some() { Some(false) } else { user.enabled }
}

/// Where it cannot be told whether an account is privileged, the threshold is the looser one: past it, the account is
/// stale either way.
fn stale_threshold<'a>(bench: &Bench<'a>, privilege: Option<bool>) -> &'a Threshold {
    let (all, privileged) = (&bench.policy.stale_after, &bench.policy.privileged_stale_after);
    match privilege {
        Some(true) => privileged,
        None if privileged.days > all.days => privileged,
        _ => all,
    }
}

/// Since the last login.
pub(super) fn since_login<'a>(bench: &Bench<'a>, user: &User) -> Idle<'a> {
    let basis = match (is_subject(bench, user), &user.last_login) {
        (Some(false), _) => return Idle::NotASubject,
        (Some(true), LastLogin::At(basis)) => *basis,
        (Some(true), LastLogin::Never { .. }) => return Idle::Fresh,
        (None, _) | (_, LastLogin::NotReported | LastLogin::Unreadable(_)) => return Idle::Undetermined,
    };
    let days = age_days(bench.as_of, basis);
    let (least, most) = (&bench.policy.stale_after.days, &bench.policy.privileged_stale_after.days);
    if days < *least.min(most) {
        return Idle::Fresh;
    }
    let privilege = bench.roll.privilege(user);
    let limit = stale_threshold(bench, privilege);
    if days < limit.days {
        return if privilege.is_none() { Idle::Undetermined } else { Idle::Fresh };
    }
    Idle::Long(Long { basis, basis_kind: "last_login", days, privilege, limit })
}

/// Since the account was made, where it was never used.
pub(super) fn since_creation<'a>(bench: &Bench<'a>, user: &User) -> Idle<'a> {
    let basis = match (is_subject(bench, user), &user.last_login, user.created_at.at()) {
        (Some(false), ..) => return Idle::NotASubject,
        (Some(true), LastLogin::Never { .. }, Some(created)) => created,
        (Some(true), LastLogin::At(_), _) => return Idle::Fresh,
        _ => return Idle::Undetermined,
    };
    let (days, limit) = (age_days(bench.as_of, basis), &bench.policy.never_grace);
    if days < limit.days {
        return Idle::Fresh;
    }
    let privilege = bench.roll.privilege(user);
    Idle::Long(Long { basis, basis_kind: "created_at", days, privilege, limit })
}

/// Enabled, and the last login is at least the threshold ago.
pub(super) fn stale(bench: &Bench<'_>, user: &User) -> Look {
    look(since_login(bench, user), |long| {
        let Long { basis, days, privilege, limit, .. } = long;
        let local = user.local();
        let sort = if privilege == Some(true) { "privileged threshold" } else { "threshold" };
        Remark {
            rule: Rule::StaleLogin,
            severity: if privilege == Some(true) || local == Some(true) { Severity::High } else { Severity::Medium },
            title: format!("no login for {}: last login {}, {sort} {} days", counted(days), instant(basis), limit.days),
            evidence: evidence([
                ("age_days", json!(days)),
                ("basis", json!(instant(basis))),
                ("basis_kind", json!(long.basis_kind)),
                ("local", json!(local)),
                ("privileged", json!(privilege)),
                ("threshold_days", json!(limit.days)),
                ("threshold_from", json!(limit.from)),
            ]),
        }
    })
}

/// Enabled, no login ever, and created at least the grace ago.
pub(super) fn never(bench: &Bench<'_>, user: &User) -> Look {
    look(since_creation(bench, user), |long| {
        let Long { basis, days, privilege, limit: grace, .. } = long;
        let stale = stale_threshold(bench, privilege);
        Remark {
            rule: Rule::NeverLoggedIn,
            severity: if days >= stale.days { Severity::Medium } else { Severity::Low },
            title: format!(
                "no login since it was created {} ago: created {}, grace {} days",
                counted(days),
                instant(basis),
                grace.days
            ),
            evidence: evidence([
                ("age_days", json!(days)),
                ("basis", json!(instant(basis))),
                ("basis_kind", json!(long.basis_kind)),
                ("local", json!(user.local())),
                ("privileged", json!(privilege)),
                ("stale_after_days", json!(stale.days)),
                ("stale_after_from", json!(stale.from)),
                ("threshold_days", json!(grace.days)),
                ("threshold_from", json!(grace.from)),
            ]),
        }
    })
}

fn look(idle: Idle<'_>, remark: impl FnOnce(Long<'_>) -> Remark) -> Look {
    match idle {
        Idle::NotASubject => Look::NotASubject,
        Idle::Fresh => Look::Fine,
        Idle::Undetermined => Look::Undetermined,
        Idle::Long(long) => Look::Remark(remark(long)),
    }
}

pub(super) fn counted(days: u32) -> String {
    if days == 1 { "1 day".to_owned() } else { format!("{days} days") }
}
