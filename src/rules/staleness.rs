//! Inactivity: `stale-login` and `never-logged-in`. `age_days = floor((as_of − basis) / 86,400 s)`; a finding when the age is
//! at least the threshold. The basis is the last login; without one the creation; where that is not told, the first earlier
//! run that saw the account. An account that was seen to be enabled again starts anew there. Service accounts are never
//! stale: machines that use keys do not log in. What an age comes to is decided here once ([`since_login`],
//! [`since_creation`]); other rules ask the same.

use super::policy::Threshold;
use super::{RuleContext, RuleRemark, RuleResult, evidence, instant};
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
    OverdueAge(OverdueAge<'a>),
}

/// An age at or beyond its limit.
pub(super) struct OverdueAge<'a> {
    /// Counted from here.
    pub(super) basis: Instant,
    /// What happened then.
    pub(super) kind: AgeBasis,
    /// Whole days since then.
    pub(super) days: u32,
    /// `None`: it cannot be told.
    pub(super) privilege: Option<bool>,
    /// What it is at or beyond.
    pub(super) limit: &'a Threshold,
}

/// What an age is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AgeBasis {
    /// The account signed in.
    LastLogin,
    /// It was made.
    CreatedAt,
    /// An earlier run saw it first, and nothing tells when it was made.
    FirstSeen,
    /// A run saw it enabled that was disabled before.
    EnabledAgain,
}

impl AgeBasis {
    /// The `basis_kind` of evidence.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::LastLogin => "last_login",
            Self::CreatedAt => "created_at",
            Self::FirstSeen => "first_seen",
            Self::EnabledAgain => "enabled_again",
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Self::LastLogin => "last login",
            Self::CreatedAt => "created",
            Self::FirstSeen => "first seen",
            Self::EnabledAgain => "enabled again",
        }
    }
}

impl OverdueAge<'_> {
    /// `no login for 91 days`, `no login since it was created 91 days ago`.
    pub(super) fn in_words(&self) -> String {
        let days = if self.days == 1 { "1 day".to_owned() } else { format!("{} days", self.days) };
        match self.kind {
            AgeBasis::LastLogin => format!("no login for {days}"),
            kind => format!("no login since it was {} {days} ago", kind.in_words()),
        }
    }
}

/// Whole days of 86,400 s from the basis to the instant of judging; a basis in the future is age 0.
pub(super) fn age_days(as_of: Instant, basis: Instant) -> u32 {
    let seconds = (as_of - basis).num_seconds().max(0);
    u32::try_from(seconds / 86_400).unwrap_or(u32::MAX)
}

/// Accounts whose inactivity matters: enabled, in force, and somebody's. `None`: it is not told whether it is enabled.
pub(super) fn is_subject(context: &RuleContext<'_>, user: &User) -> Option<bool> {
    if user.kind == UserKind::Service || context.blocked(user).is_some() { Some(false) } else { user.enabled }
}

/// Where it cannot be told whether an account is privileged, the threshold is the looser one: past it, the account is
/// stale either way.
fn stale_threshold<'a>(context: &RuleContext<'a>, privilege: Option<bool>) -> &'a Threshold {
    let (all, privileged) = (&context.policy.stale_after, &context.policy.privileged_stale_after);
    match privilege {
        Some(true) => privileged,
        None if privileged.days > all.days => privileged,
        _ => all,
    }
}

/// Since the last login.
pub(super) fn since_login<'a>(context: &RuleContext<'a>, user: &User) -> Idle<'a> {
    let last_login = match (is_subject(context, user), &user.last_login) {
        (Some(false), _) => return Idle::NotASubject,
        (Some(true), LastLogin::At(at)) => *at,
        (Some(true), LastLogin::Never { .. }) => return Idle::Fresh,
        (None, _) | (_, LastLogin::NotReported | LastLogin::Unreadable(_)) => return Idle::Undetermined,
    };
    let (basis, kind) = or_enabled_again(user, (last_login, AgeBasis::LastLogin));
    let days = age_days(context.as_of, basis);
    let (least, most) = (&context.policy.stale_after.days, &context.policy.privileged_stale_after.days);
    if days < *least.min(most) {
        return Idle::Fresh;
    }
    let privilege = context.source_inventory.privilege(user);
    let limit = stale_threshold(context, privilege);
    if days < limit.days {
        return if privilege.is_none() { Idle::Undetermined } else { Idle::Fresh };
    }
    Idle::OverdueAge(OverdueAge { basis, kind, days, privilege, limit })
}

/// Whoever is enabled again has not been able to sign in before.
fn or_enabled_again(user: &User, basis: (Instant, AgeBasis)) -> (Instant, AgeBasis) {
    let again = user.enabled_since.filter(|again| *again > basis.0);
    again.map_or(basis, |again| (again, AgeBasis::EnabledAgain))
}

/// When an account that was never used began to be there, as far as anything tells. The run that saw it first knows of no
/// time before.
pub(super) fn beginning(context: &RuleContext<'_>, user: &User) -> Option<(Instant, AgeBasis)> {
    let created = user.created_at.at().map(|created| (created, AgeBasis::CreatedAt));
    let first_seen = || user.seen.map(|seen| seen.first).filter(|first| *first < context.as_of);
    let basis = created.or_else(|| first_seen().map(|seen| (seen, AgeBasis::FirstSeen)))?;
    Some(or_enabled_again(user, basis))
}

/// Since the account was made, where it was never used.
pub(super) fn since_creation<'a>(context: &RuleContext<'a>, user: &User) -> Idle<'a> {
    match (is_subject(context, user), &user.last_login) {
        (Some(false), _) => return Idle::NotASubject,
        (Some(true), LastLogin::Never { .. }) => {}
        (Some(true), LastLogin::At(_)) => return Idle::Fresh,
        _ => return Idle::Undetermined,
    }
    let Some((basis, kind)) = beginning(context, user) else { return Idle::Undetermined };
    let (days, limit) = (age_days(context.as_of, basis), &context.policy.never_grace);
    if days < limit.days {
        return Idle::Fresh;
    }
    let privilege = context.source_inventory.privilege(user);
    Idle::OverdueAge(OverdueAge { basis, kind, days, privilege, limit })
}

/// Enabled, and the last login is at least the threshold ago.
pub(super) fn stale(context: &RuleContext<'_>, user: &User) -> RuleResult {
    look(since_login(context, user), |long| {
        let OverdueAge { basis, kind, days, privilege, limit } = long;
        let local = user.local();
        let sort = if privilege == Some(true) { "privileged threshold" } else { "threshold" };
        let mut found = evidence([
            ("age_days", json!(days)),
            ("basis", json!(instant(basis))),
            ("basis_kind", json!(kind.as_str())),
            ("local", json!(local)),
            ("privileged", json!(privilege)),
            ("threshold_days", json!(limit.days)),
            ("threshold_from", json!(limit.from)),
        ]);
        let mut from = format!("{} {}", kind.in_words(), instant(basis));
        if let Some(login) = user.last_login.at().filter(|_| kind != AgeBasis::LastLogin).map(instant) {
            from = format!("{from}, last login {login}");
            found.insert("last_login".to_owned(), json!(login));
        }
        RuleRemark {
            rule: Rule::StaleLogin,
            severity: if privilege == Some(true) || local == Some(true) { Severity::High } else { Severity::Medium },
            title: format!("{}: {from}, {sort} {} days", long.in_words(), limit.days),
            evidence: found,
        }
    })
}

/// Enabled, no login ever, and created at least the grace ago.
pub(super) fn never(context: &RuleContext<'_>, user: &User) -> RuleResult {
    look(since_creation(context, user), |long| {
        let OverdueAge { basis, kind, days, privilege, limit: grace } = long;
        let stale = stale_threshold(context, privilege);
        RuleRemark {
            rule: Rule::NeverLoggedIn,
            severity: if days >= stale.days { Severity::Medium } else { Severity::Low },
            title: format!("{}: {} {}, grace {} days", long.in_words(), kind.in_words(), instant(basis), grace.days),
            evidence: evidence([
                ("age_days", json!(days)),
                ("basis", json!(instant(basis))),
                ("basis_kind", json!(kind.as_str())),
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

fn look(idle: Idle<'_>, remark: impl FnOnce(OverdueAge<'_>) -> RuleRemark) -> RuleResult {
    match idle {
        Idle::NotASubject => RuleResult::NotASubject,
        Idle::Fresh => RuleResult::Fine,
        Idle::Undetermined => RuleResult::Undetermined,
        Idle::OverdueAge(long) => RuleResult::RuleRemark(remark(long)),
    }
}
