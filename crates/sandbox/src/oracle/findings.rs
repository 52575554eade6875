//! The expected findings: the rules of the catalogue, implemented a second time, one account after the other.
//!
//! The rules about inactivity, data quality and sources are here, those about single accounts in `accounts`, those
//! about groups in `groups`. The wording of findings is not part of the expectation.

mod accounts;
mod groups;

use super::cells::sort_key;
use super::dates::{self, Created, Login};
use super::inventory::{AccountKind, ExpectedAccount, ExpectedInventory};
use super::{Expect, ExpectedFinding};
use crate::dialect::Dialect;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashMap;

/// Beyond this tolerance a date in the future or a clock is wrong, not imprecise.
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// Returns all findings, sorted by rule, kind of subject and subject.
pub(super) fn of(expect: &Expect, inventory: &ExpectedInventory) -> Vec<ExpectedFinding> {
    let context = OracleContext::new(expect, inventory);
    let mut found: Vec<ExpectedFinding> = inventory.accounts.iter().flat_map(|p| context.everything(p)).collect();
    found.extend(context.empty_groups());
    found.extend(context.grown_groups());
    found.extend(context.groups_with_unlisted_members());
    found.extend(context.source());
    found.sort_by_cached_key(|f| (f.rule.clone(), f.subject_kind.clone(), sort_key(&f.subject_id)));
    found
}

/// What is known of the source before the accounts are evaluated.
struct OracleContext<'a> {
    expect: &'a Expect,
    inventory: &'a ExpectedInventory,
    /// Whether a listed group is privileged, by id.
    groups: HashMap<&'a str, bool>,
    /// Whether any last login is reported. Then a user without one is unknown; otherwise logins are out of scope.
    logins_reported: bool,
    /// Whether an account signs in by an identity provider.
    has_sso: bool,
    /// Number of enabled accounts by normalised address.
    addresses: HashMap<String, usize>,
}

impl<'a> OracleContext<'a> {
    fn new(expect: &'a Expect, inventory: &'a ExpectedInventory) -> Self {
        let mut addresses = HashMap::new();
        let open = inventory.accounts.iter().filter(|account| !is_blocked(account, expect.as_of));
        for address in open.filter_map(accounts::address_in_use) {
            *addresses.entry(address).or_default() += 1;
        }
        Self {
            expect,
            inventory,
            groups: inventory.groups.iter().map(|g| (g.id.as_str(), g.privileged)).collect(),
            logins_reported: inventory.accounts.iter().any(|p| matches!(p.login, Login::At(_) | Login::Never(_))),
            has_sso: inventory.accounts.iter().any(ExpectedAccount::is_sso),
            addresses,
        }
    }

    fn everything(&self, account: &ExpectedAccount) -> Vec<ExpectedFinding> {
        [
            self.stale(account),
            self.never(account),
            self.no_group(account),
            self.disabled_in_group(account),
            self.dangling(account),
            self.data_quality(account),
            self.shared_email(account),
            self.local_outside_sso(account),
            self.no_mfa(account),
            self.dormant_with_key(account),
            self.service_without_owner(account),
            self.break_glass_used(account),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn stale(&self, account: &ExpectedAccount) -> Option<ExpectedFinding> {
        let Login::At(login) = account.login else { return None };
        let basis = self.or_enabled_again(account, login);
        let (age, threshold) = (self.age(basis), self.stale_threshold(account));
        if !self.in_use(account) || age < threshold {
            return None;
        }
        let severity = if self.privileged(account) || account.is_local() { "high" } else { "medium" };
        Some(aged(finding("stale-login", severity, account), age, threshold, basis))
    }

    fn never(&self, account: &ExpectedAccount) -> Option<ExpectedFinding> {
        let Login::Never(_) = account.login else { return None };
        let basis = self.or_enabled_again(account, self.beginning(account)?);
        let (age, grace) = (self.age(basis), self.expect.never_grace_days);
        if !self.in_use(account) || age < grace {
            return None;
        }
        let severity = if age >= self.stale_threshold(account) { "medium" } else { "low" };
        Some(aged(finding("never-logged-in", severity, account), age, grace, basis))
    }

    /// Returns when an account began to exist: its date of creation, or when an earlier run first saw it.
    fn beginning(&self, account: &ExpectedAccount) -> Option<DateTime<Utc>> {
        match account.created {
            Created::At(created) => Some(created),
            _ => self.expect.earlier.first_seen(&account.id).filter(|seen| *seen < self.expect.as_of),
        }
    }

    fn or_enabled_again(&self, account: &ExpectedAccount, basis: DateTime<Utc>) -> DateTime<Utc> {
        self.expect.earlier.enabled_again(&account.id).map_or(basis, |again| again.max(basis))
    }

    /// Finds an emergency account with a login that the baseline does not have.
    fn break_glass_used(&self, account: &ExpectedAccount) -> Option<ExpectedFinding> {
        let Login::At(login) = account.login else { return None };
        let used = account.kind == AccountKind::BreakGlass && self.expect.earlier.is_new_login(&account.id, login);
        used.then(|| finding("break-glass-used", "high", account))
    }

    fn data_quality(&self, account: &ExpectedAccount) -> Option<ExpectedFinding> {
        let future = |at: DateTime<Utc>| at - self.expect.as_of > TOLERANCE;
        let login_wrong = match account.login {
            Login::At(at) => future(at),
            Login::Never(sentinel) => sentinel,
            Login::NotReported => false,
            Login::Unreadable => true,
        };
        let created_wrong = match account.created {
            Created::At(at) => future(at),
            Created::NotReported => false,
            Created::Unreadable => true,
        };
        let no_basis = match account.login {
            Login::At(_) => false,
            Login::Never(_) => self.beginning(account).is_none(),
            // A record that could not be read may have the last login.
            Login::NotReported => self.logins_reported && !self.lacks_records(),
            Login::Unreadable => true,
        };
        let wrong = login_wrong || created_wrong || account.disagrees || (self.in_use(account) && no_basis);
        wrong.then(|| finding("data-quality", "info", account))
    }

    fn lacks_records(&self) -> bool {
        self.inventory.partial && self.expect.dialects.contains(&Dialect::RecordsNotFound)
    }

    fn source(&self) -> Vec<ExpectedFinding> {
        let mut found = Vec::new();
        let broken = self.expect.dialects.contains(&Dialect::BrokenText) && self.shows_replaced_text();
        let odd =
            broken || self.inventory.accounts.iter().any(|p| p.odd) || self.inventory.groups.iter().any(|g| g.odd);
        if self.expect.clock_skew_seconds.abs() > 300 || odd {
            found.push(about("data-quality", "info", "source", &self.expect.source));
        }
        if !self.expect.groups_listed || self.inventory.partial {
            found.push(about("collection-incomplete", "medium", "source", &self.expect.source));
        }
        found
    }

    fn shows_replaced_text(&self) -> bool {
        let names = self.inventory.accounts.iter().flat_map(|p| [&p.display_name, &p.username]).flatten();
        names.chain(self.inventory.groups.iter().filter_map(|g| g.name.as_ref())).any(|name| name.contains('\u{fffd}'))
    }

    /// Returns the age in whole days. A basis in the future has age 0.
    fn age(&self, basis: DateTime<Utc>) -> i64 {
        (self.expect.as_of - basis).num_days().max(0)
    }

    /// Returns the threshold of a stale login. If it is unknown whether the account is privileged, the larger one
    /// applies.
    fn stale_threshold(&self, account: &ExpectedAccount) -> i64 {
        let (all, privileged) = (self.expect.stale_after_days, self.expect.privileged_stale_after_days);
        if self.privileged(account) {
            privileged
        } else if self.perhaps_privileged(account) {
            all.max(privileged)
        } else {
            all
        }
    }

    fn perhaps_privileged(&self, account: &ExpectedAccount) -> bool {
        let hidden = !account.groups_known || (!self.expect.groups_listed && !account.groups.is_empty());
        hidden && !self.expect.privileged_groups.is_empty()
    }

    fn exists(&self, id: &str) -> bool {
        self.groups.contains_key(id)
    }

    /// Returns whether an account is privileged: an administrator by its own record, or a member of a privileged group.
    fn privileged(&self, account: &ExpectedAccount) -> bool {
        account.is_admin == Some(true) || self.in_a_privileged_group(account)
    }

    fn in_a_privileged_group(&self, account: &ExpectedAccount) -> bool {
        account.groups.iter().any(|id| self.groups.get(id.as_str()) == Some(&true))
    }

    /// Returns whether an account cannot sign in although it is enabled: blocked by the product, or expired.
    fn blocked(&self, account: &ExpectedAccount) -> bool {
        is_blocked(account, self.expect.as_of)
    }

    /// Returns whether an account is enabled and can sign in.
    fn can_sign_in(&self, account: &ExpectedAccount) -> bool {
        account.enabled == Some(true) && !self.blocked(account)
    }

    /// Returns whether rules about inactivity apply: the account is enabled, can sign in, and is no service account.
    fn in_use(&self, account: &ExpectedAccount) -> bool {
        account.enabled == Some(true) && account.kind != AccountKind::Service && !self.blocked(account)
    }
}

fn is_blocked(account: &ExpectedAccount, as_of: DateTime<Utc>) -> bool {
    account.cannot_sign_in || matches!(account.expires, Created::At(end) if end <= as_of)
}

fn finding(rule: &str, severity: &str, account: &ExpectedAccount) -> ExpectedFinding {
    about(rule, severity, "user", &account.id)
}

fn about(rule: &str, severity: &str, kind: &str, id: &str) -> ExpectedFinding {
    ExpectedFinding {
        rule: rule.to_owned(),
        severity: severity.to_owned(),
        subject_kind: kind.to_owned(),
        subject_id: id.to_owned(),
        status: "new".to_owned(),
        age_days: None,
        threshold_days: None,
        basis: None,
        group_ids: Vec::new(),
        user_ids: Vec::new(),
    }
}

fn aged(finding: ExpectedFinding, age: i64, threshold: i64, basis: DateTime<Utc>) -> ExpectedFinding {
    let basis = Some(dates::cell(basis));
    ExpectedFinding { age_days: Some(age), threshold_days: Some(threshold), basis, ..finding }
}
