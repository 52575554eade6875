//! The rule `dormant-with-key`: an unused or closed account with a key that still works.
//!
//! Uses the inactivity rules even if the configuration switches them off.

use super::staleness::{self, Idle, OverdueAge};
use super::{RuleContext, RuleEvidence, RuleRemark, RuleResult, instant};
use crate::model::{Blocked, Exclusion, Rule, Severity, User};

/// Finds an account with a key that is disabled, blocked, stale or was never used.
pub(super) fn dormant(context: &RuleContext<'_>, user: &User) -> RuleResult {
    let keys = keys(user);
    if keys.is_empty() {
        return RuleResult::NotASubject(Exclusion::NoKey);
    }
    let blocked = context.blocked(user).map(Blocked::as_str);
    let closed = if user.enabled == Some(false) { Some("disabled") } else { blocked };
    if let Some(state) = closed {
        let end = user.expires_at.at().filter(|end| *end <= context.as_of);
        let found = RuleEvidence::default();
        let found = if let Some(end) = end { found.with("expires_at", instant(end)) } else { found };
        return remark(state, state, &keys, found);
    }
    match (staleness::idle_since_login(context, user), staleness::idle_since_creation(context, user)) {
        (Idle::OverdueAge(overdue), _) => remark("stale", &overdue.in_words(), &keys, age_evidence(&overdue)),
        (_, Idle::OverdueAge(overdue)) => remark("never", &overdue.in_words(), &keys, age_evidence(&overdue)),
        (Idle::Undetermined, _) | (_, Idle::Undetermined) => RuleResult::Undetermined,
        _ => RuleResult::Passed,
    }
}

fn keys(user: &User) -> Vec<&'static str> {
    let ssh = user.public_key.as_deref().is_some_and(|key| !key.is_empty());
    let found = [(ssh, "ssh-key"), (user.rare.passkeys.is_some_and(|count| count > 0), "passkey")];
    found.into_iter().filter(|(there, _)| *there).map(|(_, word)| word).collect()
}

fn age_evidence(age: &OverdueAge<'_>) -> RuleEvidence {
    RuleEvidence::default()
        .with("age_days", age.days)
        .with("basis", instant(age.basis))
        .with("basis_kind", age.kind.as_str())
        .with("threshold_days", age.limit.days)
        .with("threshold_from", &age.limit.from)
}

fn remark(state: &str, words: &str, keys: &[&str], found: RuleEvidence) -> RuleResult {
    let open = match keys {
        ["ssh-key"] => "it still has an SSH key",
        ["passkey"] => "it still has a passkey",
        _ => "it still has an SSH key and a passkey",
    };
    RuleResult::Found(RuleRemark {
        rule: Rule::DormantWithKey,
        severity: Severity::High,
        title: format!("{words}, and {open}"),
        evidence: found.with("keys", keys).with("state", state),
    })
}
