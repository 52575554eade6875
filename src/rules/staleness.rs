//! Rules about inactivity: `stale-login` and `never-logged-in`.
//!
//! `age_days = floor((as_of − basis) / 86,400 s)`, and an age at or above the threshold is a finding. The basis is the
//! last login. Without a login it is the creation, and if that is not reported, the first earlier run that read the
//! account. If an account was enabled again, its age restarts at that run.
//!
//! Service accounts are exempt, since programs that use keys do not log in. [`idle_since_login`] and
//! [`idle_since_creation`] compute the ages; other rules use them too.

use super::age::age_days;
use super::policy::Threshold;
use super::{RuleContext, RuleEvidence, RuleRemark, RuleResult, instant};
use crate::model::{Exclusion, Instant, LastLogin, Rule, Severity, User, UserKind};

/// Result of comparing an account's inactivity with its limit.
pub(super) enum Idle<'a> {
    /// Inactivity does not matter for the account, for this reason.
    NotASubject(Exclusion),
    /// The age is below the limit.
    Recent,
    /// The data is insufficient.
    Undetermined,
    /// The age is at or above the limit.
    OverdueAge(OverdueAge<'a>),
}

/// An age at or above its limit.
pub(super) struct OverdueAge<'a> {
    /// Start of the age.
    pub(super) basis: Instant,
    /// Event at the start.
    pub(super) kind: AgeBasis,
    /// Whole days since the start.
    pub(super) days: u32,
    /// Whether the account is privileged; `None` if unknown.
    pub(super) privilege: Option<bool>,
    /// The limit.
    pub(super) limit: &'a Threshold,
}

/// Event that an age is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AgeBasis {
    /// The last login.
    LastLogin,
    /// The creation of the account.
    CreatedAt,
    /// The first earlier run that read the account, if its creation is not reported.
    FirstSeen,
    /// The run that found a disabled account enabled.
    EnabledAgain,
}

impl AgeBasis {
    /// Returns the value of `basis_kind` in evidence.
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
    /// Returns the age in words: `no login for 91 days`, `no login since it was created 91 days ago`.
    pub(super) fn in_words(&self) -> String {
        let days = if self.days == 1 { "1 day".to_owned() } else { format!("{} days", self.days) };
        match self.kind {
            AgeBasis::LastLogin => format!("no login for {days}"),
            kind => format!("no login since it was {} {days} ago", kind.in_words()),
        }
    }
}

/// Returns why inactivity does not matter: the account is disabled, blocked or a service account.
fn exclusion(context: &RuleContext<'_>, user: &User) -> Option<Exclusion> {
    let service = || (user.kind == UserKind::Service).then_some(Exclusion::ServiceAccount);
    context.closed(user).or_else(service)
}

/// Returns whether inactivity matters: the account is enabled, not blocked and no service account. `None` if that is
/// unknown.
pub(super) fn is_subject(context: &RuleContext<'_>, user: &User) -> Option<bool> {
    if exclusion(context, user).is_some() { Some(false) } else { user.enabled }
}

/// Returns the threshold of an account. If it is unknown whether the account is privileged, that is the larger one: an
/// age above it exceeds both.
fn stale_threshold<'a>(context: &RuleContext<'a>, privilege: Option<bool>) -> &'a Threshold {
    let (all, privileged) = (&context.policy.stale_after, &context.policy.privileged_stale_after);
    match privilege {
        Some(true) => privileged,
        None if privileged.days > all.days => privileged,
        _ => all,
    }
}

/// Compares the time since the last login with the threshold.
pub(super) fn idle_since_login<'a>(context: &RuleContext<'a>, user: &User) -> Idle<'a> {
    if let Some(why) = exclusion(context, user) {
        return Idle::NotASubject(why);
    }
    let last_login = match (user.enabled, &user.last_login) {
        (Some(_), LastLogin::At(at)) => *at,
        (Some(_), LastLogin::Never { .. }) => return Idle::Recent,
        (None, _) | (_, LastLogin::NotReported | LastLogin::Unreadable(_)) => return Idle::Undetermined,
    };
    let (basis, kind) = or_enabled_again(user, (last_login, AgeBasis::LastLogin));
    let days = age_days(context.as_of, basis);
    // Whether an account is privileged is costly to find out, and irrelevant below both thresholds.
    let (least, most) = (&context.policy.stale_after.days, &context.policy.privileged_stale_after.days);
    if days < *least.min(most) {
        return Idle::Recent;
    }
    let privilege = context.source_inventory.privilege(user);
    let limit = stale_threshold(context, privilege);
    if days < limit.days {
        return if privilege.is_none() { Idle::Undetermined } else { Idle::Recent };
    }
    Idle::OverdueAge(OverdueAge { basis, kind, days, privilege, limit })
}

/// Returns the later of the basis and the time at which the account was enabled again. Before that, it could not sign
/// in.
fn or_enabled_again(user: &User, basis: (Instant, AgeBasis)) -> (Instant, AgeBasis) {
    let again = user.rare.enabled_since.filter(|again| *again > basis.0);
    again.map_or(basis, |again| (again, AgeBasis::EnabledAgain))
}

/// Returns the start of the age of an account that was never used; `None` if it is unknown.
///
/// The first run that read the account is a basis only for later runs, since that run knows nothing about the time
/// before.
pub(super) fn idle_basis(context: &RuleContext<'_>, user: &User) -> Option<(Instant, AgeBasis)> {
    let created = user.created_at.at().map(|created| (created, AgeBasis::CreatedAt));
    let first_seen = || user.seen.map(|seen| seen.first).filter(|first| *first < context.as_of);
    let basis = created.or_else(|| first_seen().map(|seen| (seen, AgeBasis::FirstSeen)))?;
    Some(or_enabled_again(user, basis))
}

/// Compares the time since the creation of a never used account with the grace period.
pub(super) fn idle_since_creation<'a>(context: &RuleContext<'a>, user: &User) -> Idle<'a> {
    if let Some(why) = exclusion(context, user) {
        return Idle::NotASubject(why);
    }
    match (user.enabled, &user.last_login) {
        (Some(_), LastLogin::Never { .. }) => {}
        (Some(_), LastLogin::At(_)) => return Idle::Recent,
        _ => return Idle::Undetermined,
    }
    let Some((basis, kind)) = idle_basis(context, user) else { return Idle::Undetermined };
    let (days, limit) = (age_days(context.as_of, basis), &context.policy.never_grace);
    if days < limit.days {
        return Idle::Recent;
    }
    let privilege = context.source_inventory.privilege(user);
    Idle::OverdueAge(OverdueAge { basis, kind, days, privilege, limit })
}

/// Finds an enabled account whose last login is at least the threshold ago.
pub(super) fn stale(context: &RuleContext<'_>, user: &User) -> RuleResult {
    result_of(idle_since_login(context, user), |age| {
        let OverdueAge { basis, kind, days, privilege, limit } = age;
        let local = user.local();
        let threshold = if privilege == Some(true) { "privileged threshold" } else { "threshold" };
        let mut found = RuleEvidence::default()
            .with("age_days", days)
            .with("basis", instant(basis))
            .with("basis_kind", kind.as_str())
            .with("local", local)
            .with("privileged", privilege)
            .with("threshold_days", limit.days)
            .with("threshold_from", &limit.from);
        let mut from = format!("{} {}", kind.in_words(), instant(basis));
        if let Some(login) = user.last_login.at().filter(|_| kind != AgeBasis::LastLogin).map(instant) {
            from = format!("{from}, last login {login}");
            found.insert("last_login", login);
        }
        RuleRemark {
            rule: Rule::StaleLogin,
            severity: if privilege == Some(true) || local == Some(true) { Severity::High } else { Severity::Medium },
            title: format!("{}: {from}, {threshold} {} days", age.in_words(), limit.days),
            evidence: found,
        }
    })
}

/// Finds an enabled account without any login that was created at least the grace period ago.
pub(super) fn never(context: &RuleContext<'_>, user: &User) -> RuleResult {
    result_of(idle_since_creation(context, user), |age| {
        let OverdueAge { basis, kind, days, privilege, limit: grace } = age;
        let stale = stale_threshold(context, privilege);
        RuleRemark {
            rule: Rule::NeverLoggedIn,
            severity: if days >= stale.days { Severity::Medium } else { Severity::Low },
            title: format!("{}: {} {}, grace {} days", age.in_words(), kind.in_words(), instant(basis), grace.days),
            evidence: RuleEvidence::default()
                .with("age_days", days)
                .with("basis", instant(basis))
                .with("basis_kind", kind.as_str())
                .with("local", user.local())
                .with("privileged", privilege)
                .with("stale_after_days", stale.days)
                .with("stale_after_from", &stale.from)
                .with("threshold_days", grace.days)
                .with("threshold_from", &grace.from),
        }
    })
}

fn result_of(idle: Idle<'_>, remark: impl FnOnce(OverdueAge<'_>) -> RuleRemark) -> RuleResult {
    match idle {
        Idle::NotASubject(why) => RuleResult::NotASubject(why),
        Idle::Recent => RuleResult::Passed,
        Idle::Undetermined => RuleResult::Undetermined,
        Idle::OverdueAge(age) => RuleResult::Found(remark(age)),
    }
}
