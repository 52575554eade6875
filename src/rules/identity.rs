//! Rules about the owner of an account and how the owner signs in: `shared-email`, `local-outside-sso`, `no-mfa`.
//!
//! Comparisons between accounts are made once for the whole source; see [`Identities`].

use super::{RuleContext, RuleRemark, RuleResult, evidence};
use crate::model::{Exclusion, Instant, Rule, Severity, User, UserKind};
use ahash::AHashMap;
use serde_json::json;
use std::borrow::Cow;

/// Maximum number of other accounts in a finding of `shared-email`.
const OTHERS: usize = 20;

/// Facts that need a comparison of all users of a source.
#[expect(clippy::struct_excessive_bools, reason = "each flag answers a separate question")]
pub(super) struct Identities<'a> {
    /// Addresses of more than one account, with the positions of these accounts. Disabled and blocked accounts are left
    /// out.
    shared: AHashMap<Cow<'a, str>, Vec<u32>>,
    /// Whether an account signs in through an identity provider. `None` if no known one does, but some types are
    /// unknown.
    has_sso: Option<bool>,
    /// Whether the address of some account is reported.
    pub(super) reports_addresses: bool,
    /// Whether the type of some account is reported.
    pub(super) reports_types: bool,
    /// Whether the key of some account is reported.
    pub(super) reports_keys: bool,
    /// Whether the second factor of some account other than a service account is reported.
    pub(super) reports_mfa: bool,
}

/// The accounts with one address: the first, and the others if there are any. Most addresses have one account, which
/// needs no list.
struct Holders {
    first: u32,
    others: Vec<u32>,
}

impl<'a> Identities<'a> {
    /// Compares the users of a source. Without any users everything counts as reported, since a rule then has no
    /// subjects.
    pub(super) fn of(users: &'a [User], as_of: Instant) -> Self {
        let closed = |user: &User| user.enabled == Some(false) || user.blocked_at(as_of).is_some();
        let mut holders: AHashMap<Cow<'a, str>, Holders> = AHashMap::with_capacity(users.len());
        for (user, at) in users.iter().zip(0u32..).filter(|(user, _)| !closed(user)) {
            let Some(address) = user.address() else { continue };
            holders
                .entry(address)
                .and_modify(|holders| holders.others.push(at))
                .or_insert(Holders { first: at, others: Vec::new() });
        }
        let nobody = holders.is_empty() && users.iter().all(|user| user.address().is_none());
        let shared = holders.into_iter().filter(|(_, holders)| !holders.others.is_empty());
        let typed = |user: &User| user.is_typed();
        let any_sso = users.iter().any(User::is_sso);
        let mut people = users.iter().filter(|user| user.kind != UserKind::Service).peekable();
        Self {
            shared: shared
                .map(|(address, Holders { first, mut others })| {
                    others.insert(0, first);
                    (address, others)
                })
                .collect(),
            has_sso: if any_sso || users.iter().all(typed) { Some(any_sso) } else { None },
            reports_addresses: users.is_empty() || !nobody,
            reports_types: users.is_empty() || users.iter().any(typed),
            reports_keys: users.is_empty()
                || users.iter().any(|user| user.public_key.is_some() || user.passkeys.is_some()),
            reports_mfa: people.peek().is_none() || people.any(|user| user.mfa.is_some()),
        }
    }
}

/// Finds an enabled account whose address another enabled account has too.
pub(super) fn shared_email(context: &RuleContext<'_>, user: &User) -> RuleResult {
    if let Some(why) = context.closed(user) {
        return RuleResult::NotASubject(why);
    }
    let Some(address) = user.address() else { return RuleResult::NotASubject(Exclusion::NoAddress) };
    let Some(holders) = context.identities.shared.get(&address) else { return RuleResult::Passed };
    let users = &context.source_inventory.reading.users;
    let others = || holders.iter().map(|at| &users[*at as usize]).filter(|other| other.id != user.id);
    let enabled = || others().filter(|other| other.enabled == Some(true));
    let count = enabled().count();
    // Every other holder of the address has an unknown state.
    if user.enabled.is_none() || count == 0 {
        return RuleResult::Undetermined;
    }
    let accounts: Vec<&str> = enabled().take(OTHERS).map(|other| other.id.as_str()).collect();
    let who = if count == 1 { "another enabled account".to_owned() } else { format!("{count} other enabled accounts") };
    RuleResult::Found(RuleRemark {
        rule: Rule::SharedEmail,
        severity: Severity::Medium,
        title: format!("shares its e-mail address with {who}"),
        evidence: evidence([("accounts", json!(accounts)), ("address", json!(address)), ("count", json!(count))]),
    })
}

/// Finds an enabled local account that is not an emergency account, if other accounts use an identity provider.
pub(super) fn local_outside_sso(context: &RuleContext<'_>, user: &User) -> RuleResult {
    let has_sso = context.identities.has_sso;
    // Emergency accounts must work when the identity provider does not.
    let others = [
        (user.kind == UserKind::BreakGlass, Exclusion::BreakGlass),
        (has_sso == Some(false), Exclusion::NoSingleSignOn),
    ];
    let other = || others.into_iter().find(|(holds, _)| *holds).map(|(_, why)| why);
    if let Some(why) = context.closed(user).or_else(other) {
        return RuleResult::NotASubject(why);
    }
    if user.local() == Some(false) {
        return RuleResult::Passed;
    }
    if user.local().is_none() || user.enabled.is_none() || has_sso.is_none() {
        return RuleResult::Undetermined;
    }
    let privilege = context.source_inventory.privilege(user);
    RuleResult::Found(RuleRemark {
        rule: Rule::LocalOutsideSso,
        severity: if privilege == Some(true) { Severity::High } else { Severity::Medium },
        title: "enabled local account, while other accounts sign in through an identity provider".to_owned(),
        evidence: evidence([("account_type", json!(user.account_type.as_deref())), ("privileged", json!(privilege))]),
    })
}

/// Finds an enabled account, other than a service account, without a second factor.
///
/// The identity provider is responsible for the second factor of single sign-on, and an account of unknown type may use
/// it.
pub(super) fn no_mfa(context: &RuleContext<'_>, user: &User) -> RuleResult {
    // Programs cannot present a second factor.
    let service = || (user.kind == UserKind::Service).then_some(Exclusion::ServiceAccount);
    if let Some(why) = context.closed(user).or_else(service) {
        return RuleResult::NotASubject(why);
    }
    match user.mfa {
        Some(true) => return RuleResult::Passed,
        Some(false) if user.enabled == Some(true) && user.is_typed() && !user.is_sso() => {}
        Some(false) | None => return RuleResult::Undetermined,
    }
    let privilege = context.source_inventory.privilege(user);
    RuleResult::Found(RuleRemark {
        rule: Rule::NoMfa,
        severity: if privilege == Some(true) { Severity::High } else { Severity::Medium },
        title: "enabled, and no second factor is registered".to_owned(),
        evidence: evidence([
            ("account_type", json!(user.account_type.as_deref())),
            ("mfa", json!(user.mfa)),
            ("privileged", json!(privilege)),
        ]),
    })
}
