//! `dormant-with-key`: an account that nobody uses, or that is closed, with a key that still opens. Whether an account is
//! stale or was never used is decided as the rules of inactivity decide it, whatever the configuration says of those rules.

use super::staleness::{self, Idle, OverdueAge};
use super::{RuleContext, RuleRemark, RuleResult, evidence, instant};
use crate::model::{Blocked, Rule, Severity, User};
use serde_json::{Map, Value, json};

/// Has a key, and is disabled, blocked, stale, or was never used.
pub(super) fn dormant(context: &RuleContext<'_>, user: &User) -> RuleResult {
    let keys = keys(user);
    if keys.is_empty() {
        return RuleResult::NotASubject;
    }
    let blocked = context.blocked(user).map(Blocked::as_str);
    let closed = if user.enabled == Some(false) { Some("disabled") } else { blocked };
    if let Some(state) = closed {
        let end = user.expires_at.at().filter(|end| *end <= context.as_of);
        let found = end.map_or_else(Map::new, |end| evidence([("expires_at", json!(instant(end)))]));
        return remark(state, state, &keys, found);
    }
    match (staleness::since_login(context, user), staleness::since_creation(context, user)) {
        (Idle::OverdueAge(long), _) => remark("stale", &long.in_words(), &keys, age(&long)),
        (_, Idle::OverdueAge(long)) => remark("never", &long.in_words(), &keys, age(&long)),
        (Idle::Undetermined, _) | (_, Idle::Undetermined) => RuleResult::Undetermined,
        _ => RuleResult::Fine,
    }
}

fn keys(user: &User) -> Vec<&'static str> {
    let ssh = user.public_key.as_deref().is_some_and(|key| !key.is_empty());
    let found = [(ssh, "ssh-key"), (user.passkeys.is_some_and(|count| count > 0), "passkey")];
    found.into_iter().filter(|(there, _)| *there).map(|(_, word)| word).collect()
}

fn age(long: &OverdueAge<'_>) -> Map<String, Value> {
    evidence([
        ("age_days", json!(long.days)),
        ("basis", json!(instant(long.basis))),
        ("basis_kind", json!(long.kind.as_str())),
        ("threshold_days", json!(long.limit.days)),
        ("threshold_from", json!(long.limit.from)),
    ])
}

fn remark(state: &str, words: &str, keys: &[&str], mut found: Map<String, Value>) -> RuleResult {
    let open = match keys {
        ["ssh-key"] => "it still carries an SSH key",
        ["passkey"] => "it still carries a passkey",
        _ => "it still carries an SSH key and a passkey",
    };
    found.extend(evidence([("keys", json!(keys)), ("state", json!(state))]));
    RuleResult::RuleRemark(RuleRemark {
        rule: Rule::DormantWithKey,
        severity: Severity::High,
        title: format!("{words}, and {open}"),
        evidence: found,
    })
}
