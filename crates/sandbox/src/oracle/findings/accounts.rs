//! The rules about single accounts beside inactivity: shared addresses, accounts outside the identity provider, second
//! factors, keys of the dormant, machines that nobody answers for.

use super::super::matching;
use super::super::people::{ApiAccount, FindingSubjectKind, Person};
use super::{ExpectedFinding, OracleContext, finding};

/// The normalised address of an enabled account.
pub(super) fn address_in_use(person: &Person) -> Option<String> {
    let address = person.email.as_ref().filter(|_| person.enabled == Some(true))?.trim().to_lowercase();
    (!address.is_empty()).then_some(address)
}

impl OracleContext<'_> {
    pub(super) fn shared_email(&self, person: &Person) -> Option<ExpectedFinding> {
        if self.blocked(person) {
            return None;
        }
        let holders = self.addresses.get(&address_in_use(person)?)?;
        (*holders > 1).then(|| finding("shared-email", "medium", person))
    }

    pub(super) fn local_outside_sso(&self, person: &Person) -> Option<ExpectedFinding> {
        let outside =
            self.open(person) && person.kind != FindingSubjectKind::BreakGlass && person.is_local() && self.has_sso;
        outside.then(|| finding("local-outside-sso", self.medium_or_high(person), person))
    }

    /// An identity provider's own second factor is not told here.
    pub(super) fn no_mfa(&self, person: &Person) -> Option<ExpectedFinding> {
        let lacks = self.open(person)
            && person.account_type.is_some()
            && person.kind != FindingSubjectKind::Service
            && person.mfa == Some(false)
            && !person.is_sso();
        lacks.then(|| finding("no-mfa", self.medium_or_high(person), person))
    }

    pub(super) fn dormant_with_key(&self, person: &Person) -> Option<ExpectedFinding> {
        let has_key = person.passkeys > 0 || person.public_key.as_ref().is_some_and(|key| !key.is_empty());
        let dormant = person.enabled == Some(false)
            || self.blocked(person)
            || self.stale(person).is_some()
            || self.never(person).is_some();
        (has_key && dormant).then(|| finding("dormant-with-key", "high", person))
    }

    pub(super) fn service_without_owner(&self, person: &Person) -> Option<ExpectedFinding> {
        if person.kind != FindingSubjectKind::Service || person.enabled != Some(true) {
            return None;
        }
        let today = self.expect.as_of.format("%Y-%m-%d").to_string();
        let answers = |(pattern, review_by): &(String, String)| {
            matching::any(std::slice::from_ref(pattern), &person.id, person.username.as_deref()) && *review_by >= today
        };
        if self.expect.service_owners.iter().any(answers) {
            return None;
        }
        let grave = matches!(person.api, Some(ApiAccount { wide, from_anywhere }) if wide || from_anywhere);
        Some(finding("service-without-owner", if grave { "high" } else { "medium" }, person))
    }

    fn medium_or_high(&self, person: &Person) -> &'static str {
        if self.privileged(person) { "high" } else { "medium" }
    }
}
