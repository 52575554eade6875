//! The rules about single accounts, other than inactivity: shared addresses, accounts outside the identity provider,
//! second factors, keys of dormant accounts, service accounts without an owner.

use super::super::inventory::{AccountKind, ApiAccount, ExpectedAccount};
use super::super::matching;
use super::{ExpectedFinding, OracleContext, finding};

/// Returns the normalised address of an enabled account.
pub(super) fn address_in_use(account: &ExpectedAccount) -> Option<String> {
    let address = account.email.as_ref().filter(|_| account.enabled == Some(true))?.trim().to_lowercase();
    (!address.is_empty()).then_some(address)
}

impl OracleContext<'_> {
    pub(super) fn shared_email(&self, account: &ExpectedAccount) -> Option<ExpectedFinding> {
        if self.blocked(account) {
            return None;
        }
        let holders = self.addresses.get(&address_in_use(account)?)?;
        (*holders > 1).then(|| finding("shared-email", "medium", account))
    }

    pub(super) fn local_outside_sso(&self, account: &ExpectedAccount) -> Option<ExpectedFinding> {
        let outside =
            self.can_sign_in(account) && account.kind != AccountKind::BreakGlass && account.is_local() && self.has_sso;
        outside.then(|| finding("local-outside-sso", self.medium_or_high(account), account))
    }

    /// Finds accounts without a second factor. Accounts of an identity provider are skipped: its second factor is not
    /// reported.
    pub(super) fn no_mfa(&self, account: &ExpectedAccount) -> Option<ExpectedFinding> {
        let lacks = self.can_sign_in(account)
            && account.account_type.is_some()
            && account.kind != AccountKind::Service
            && account.mfa == Some(false)
            && !account.is_sso();
        lacks.then(|| finding("no-mfa", self.medium_or_high(account), account))
    }

    pub(super) fn dormant_with_key(&self, account: &ExpectedAccount) -> Option<ExpectedFinding> {
        let has_key = account.passkeys > 0 || account.public_key.as_ref().is_some_and(|key| !key.is_empty());
        let dormant = account.enabled == Some(false)
            || self.blocked(account)
            || self.stale(account).is_some()
            || self.never(account).is_some();
        (has_key && dormant).then(|| finding("dormant-with-key", "high", account))
    }

    pub(super) fn service_without_owner(&self, account: &ExpectedAccount) -> Option<ExpectedFinding> {
        if account.kind != AccountKind::Service || account.enabled != Some(true) {
            return None;
        }
        let today = self.expect.as_of.format("%Y-%m-%d").to_string();
        let answers = |(pattern, review_by): &(String, String)| {
            matching::any(std::slice::from_ref(pattern), &account.id, account.username.as_deref())
                && *review_by >= today
        };
        if self.expect.service_owners.iter().any(answers) {
            return None;
        }
        let severe = matches!(account.api, Some(ApiAccount { wide, from_anywhere }) if wide || from_anywhere);
        Some(finding("service-without-owner", if severe { "high" } else { "medium" }, account))
    }

    fn medium_or_high(&self, account: &ExpectedAccount) -> &'static str {
        if self.privileged(account) { "high" } else { "medium" }
    }
}
