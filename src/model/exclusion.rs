//! Reasons why a rule does not apply to a subject. Plain data.
//!
//! `rules` counts them, the manifest keeps the counts, and the report explains with them why a rule has fewer subjects
//! than its source has accounts.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Number of subjects that a rule does not apply to, by reason.
pub type Exclusions = BTreeMap<Exclusion, u64>;

/// Reason why a rule does not apply to an account or group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exclusion {
    /// The account is disabled.
    Disabled,
    /// The account is enabled but cannot sign in: expired, quarantined or not approved.
    Blocked,
    /// The account can sign in, and the rule is about accounts that cannot.
    Active,
    /// A program uses the account.
    ServiceAccount,
    /// The account is no service account.
    NotServiceAccount,
    /// The account is for emergencies.
    BreakGlass,
    /// The account is not for emergencies.
    NotBreakGlass,
    /// The account is an API account, which has no groups.
    ApiAccount,
    /// The account has no e-mail address.
    NoAddress,
    /// The account has no key.
    NoKey,
    /// No account of the source signs in through an identity provider.
    NoSingleSignOn,
    /// The group is not privileged.
    NotPrivileged,
}

impl Exclusion {
    /// Returns the reason in words, for a number of subjects: `12 disabled`.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Blocked => "blocked",
            Self::Active => "enabled and not blocked",
            Self::ServiceAccount => "service accounts",
            Self::NotServiceAccount => "not service accounts",
            Self::BreakGlass => "for emergencies",
            Self::NotBreakGlass => "not for emergencies",
            Self::ApiAccount => "API accounts, which have no groups",
            Self::NoAddress => "without an e-mail address",
            Self::NoKey => "without a key",
            Self::NoSingleSignOn => "in a source without single sign-on",
            Self::NotPrivileged => "not privileged",
        }
    }
}
