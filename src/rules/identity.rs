//! Rules about the owner of an account and how the owner signs in: `shared-email`, `local-outside-sso`, `no-mfa`.
//!
//! Comparisons between accounts are made once for the whole source; see [`Identities`].

use super::{RuleContext, RuleEvidence, RuleRemark, RuleResult};
use crate::model::{ByHash, Exclusion, Instant, Rule, Severity, User, UserKind};
use ahash::AHashMap;
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

impl<'a> Identities<'a> {
    /// Compares the users of a source. Without any users everything counts as reported, since a rule then has no
    /// subjects.
    pub(super) fn of(users: &'a [User], as_of: Instant) -> Self {
        let typed = |user: &User| user.is_typed();
        let any_sso = users.iter().any(User::is_sso);
        let mut people = users.iter().filter(|user| user.kind != UserKind::Service).peekable();
        Self {
            shared: shared(users, as_of),
            has_sso: if any_sso || users.iter().all(typed) { Some(any_sso) } else { None },
            reports_addresses: users.is_empty() || users.iter().any(|user| user.address().is_some()),
            reports_types: users.is_empty() || users.iter().any(typed),
            reports_keys: users.is_empty()
                || users.iter().any(|user| user.public_key.is_some() || user.rare.passkeys.is_some()),
            reports_mfa: people.peek().is_none() || people.any(|user| user.mfa.is_some()),
        }
    }
}

/// Returns the addresses of more than one account that is neither disabled nor blocked, with the positions of these
/// accounts.
fn shared(users: &[User], as_of: Instant) -> AHashMap<Cow<'_, str>, Vec<u32>> {
    let mut shared: AHashMap<Cow<'_, str>, Vec<u32>> = AHashMap::new();
    let closed = |user: &User| user.enabled == Some(false) || user.blocked_at(as_of).is_some();
    let open = (0u32..).zip(users).filter(|(_, user)| !closed(user));
    let by_hash = ByHash::of(open.filter_map(|(at, user)| Some((at, user.address()?))));
    // Nearly all addresses have one account.
    for at in by_hash.lists().filter(|list| list.len() > 1).flatten() {
        if let Some(address) = users[at as usize].address() {
            shared.entry(address).or_default().push(at);
        }
    }
    // Different addresses may have the same hash.
    shared.retain(|_, accounts| accounts.len() > 1);
    shared
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
        evidence: RuleEvidence::default().with("accounts", accounts).with("address", address).with("count", count),
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
        evidence: RuleEvidence::default()
            .with("account_type", user.account_type.as_deref())
            .with("privileged", privilege),
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
        evidence: RuleEvidence::default()
            .with("account_type", user.account_type.as_deref())
            .with("mfa", user.mfa)
            .with("privileged", privilege),
    })
}
