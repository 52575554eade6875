//! Whose account it is and how its owner proves it: `shared-email`, `local-outside-sso`, `no-mfa`. What several accounts
//! must be compared for is found out once for the whole source ([`Identities`]).

use super::{RuleContext, RuleRemark, RuleResult, evidence};
use crate::model::{Instant, Rule, Severity, User, UserKind};
use ahash::AHashMap;
use serde_json::json;
use std::borrow::Cow;

/// Other accounts that a finding of `shared-email` names.
const OTHERS: usize = 20;

/// What the users of one source tell taken together.
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub(super) struct Identities<'a> {
    /// Addresses that more than one account has, with the places of these accounts among the users; disabled and blocked ones left out.
    shared: AHashMap<Cow<'a, str>, Vec<u32>>,
    /// Some account signs in by an identity provider. `None`: none that tells its type does, and not every one tells it.
    has_sso: Option<bool>,
    /// Some account's address is told.
    pub(super) reports_addresses: bool,
    /// Some account's type is told.
    pub(super) reports_types: bool,
    /// Some account's key is told.
    pub(super) reports_keys: bool,
    /// Whether some account other than a service has a second factor is told.
    pub(super) reports_mfa: bool,
}

/// The accounts with one address: the first, and the others if there are any.
struct Holders {
    first: u32,
    others: Vec<u32>,
}

impl<'a> Identities<'a> {
    /// Of no users at all everything counts as told: a rule then ran over nobody.
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

/// Enabled, with an address that another enabled account has too.
pub(super) fn shared_email(context: &RuleContext<'_>, user: &User) -> RuleResult {
    if user.enabled == Some(false) || context.blocked(user).is_some() {
        return RuleResult::NotASubject;
    }
    let Some(address) = user.address() else { return RuleResult::NotASubject };
    let Some(holders) = context.identities.shared.get(&address) else { return RuleResult::Fine };
    let users = &context.source_inventory.reading.users;
    let others = || holders.iter().map(|at| &users[*at as usize]).filter(|other| other.id != user.id);
    let enabled = || others().filter(|other| other.enabled == Some(true));
    let count = enabled().count();
    if user.enabled.is_none() || count == 0 {
        return RuleResult::Undetermined;
    }
    let accounts: Vec<&str> = enabled().take(OTHERS).map(|other| other.id.as_str()).collect();
    let who = if count == 1 { "another enabled account".to_owned() } else { format!("{count} other enabled accounts") };
    RuleResult::RuleRemark(RuleRemark {
        rule: Rule::SharedEmail,
        severity: Severity::Medium,
        title: format!("shares its e-mail address with {who}"),
        evidence: evidence([("accounts", json!(accounts)), ("address", json!(address)), ("count", json!(count))]),
    })
}

/// Enabled, local and not for emergencies, where others sign in by an identity provider.
pub(super) fn local_outside_sso(context: &RuleContext<'_>, user: &User) -> RuleResult {
    let has_sso = context.identities.has_sso;
    let closed = user.enabled == Some(false) || context.blocked(user).is_some();
    if closed || user.kind == UserKind::BreakGlass || has_sso == Some(false) {
        return RuleResult::NotASubject;
    }
    if user.local() == Some(false) {
        return RuleResult::Fine;
    }
    if user.local().is_none() || user.enabled.is_none() || has_sso.is_none() {
        return RuleResult::Undetermined;
    }
    let privilege = context.source_inventory.privilege(user);
    RuleResult::RuleRemark(RuleRemark {
        rule: Rule::LocalOutsideSso,
        severity: if privilege == Some(true) { Severity::High } else { Severity::Medium },
        title: "enabled local account, where others sign in by an identity provider".to_owned(),
        evidence: evidence([("account_type", json!(user.account_type.as_deref())), ("privileged", json!(privilege))]),
    })
}

/// Enabled, not a service, and told to have no second factor. That of single sign-on is the identity provider's, and an account of
/// unknown type may be of that sort.
pub(super) fn no_mfa(context: &RuleContext<'_>, user: &User) -> RuleResult {
    if user.enabled == Some(false) || context.blocked(user).is_some() || user.kind == UserKind::Service {
        return RuleResult::NotASubject;
    }
    match user.mfa {
        Some(true) => return RuleResult::Fine,
        Some(false) if user.enabled == Some(true) && user.is_typed() && !user.is_sso() => {}
        Some(false) | None => return RuleResult::Undetermined,
    }
    let privilege = context.source_inventory.privilege(user);
    RuleResult::RuleRemark(RuleRemark {
        rule: Rule::NoMfa,
        severity: if privilege == Some(true) { Severity::High } else { Severity::Medium },
        title: "enabled, and no second factor is set up".to_owned(),
        evidence: evidence([
            ("account_type", json!(user.account_type.as_deref())),
            ("mfa", json!(user.mfa)),
            ("privileged", json!(privilege)),
        ]),
    })
}
