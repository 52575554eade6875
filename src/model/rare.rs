//! Values of an account that nearly all accounts lack. They are allocated together, only if there is one.

use super::{ApiAccess, Instant, MembershipConflict, Text};
use std::ops::Deref;

/// Values that nearly all accounts lack.
#[derive(Clone, Debug, PartialEq)]
pub struct RareValues {
    /// Sign-in method of the last login (`SAML`, …), if the source reports it separately from the account type.
    pub signs_in_by: Option<Text>,
    /// Number of registered passkeys; `None` if not reported.
    pub passkeys: Option<u64>,
    /// Rights of an API account. API accounts are never members of groups.
    pub api: Option<Box<ApiAccess>>,
    /// Differences between the account's own record and the member lists of groups.
    pub conflict: Option<Box<MembershipConflict>>,
    /// First run in which the account was missing from a user list that may be incomplete. `None` once it is read
    /// again.
    pub unconfirmed_since: Option<Instant>,
    /// Run that found the account enabled after it had been disabled. Cleared when it signs in or is disabled again.
    pub enabled_since: Option<Instant>,
}

/// [`RareValues`] of one account, in eight bytes. They are read like a reference.
#[derive(Clone, Debug, Default)]
pub struct Rare(Option<Box<RareValues>>);

impl Rare {
    /// Sets a value: `user.rare.set(|rare| &mut rare.passkeys, Some(1))`. Setting `None` never allocates.
    pub fn set<T>(&mut self, field: impl FnOnce(&mut RareValues) -> &mut Option<T>, value: Option<T>) {
        if self.0.is_some() || value.is_some() {
            *field(self.0.get_or_insert_with(|| Box::new(NONE.clone()))) = value;
        }
    }
}

/// The values of an account that has none of them.
static NONE: RareValues = RareValues {
    signs_in_by: None,
    passkeys: None,
    api: None,
    conflict: None,
    unconfirmed_since: None,
    enabled_since: None,
};

impl Deref for Rare {
    type Target = RareValues;
    fn deref(&self) -> &RareValues {
        self.0.as_deref().unwrap_or(&NONE)
    }
}

impl PartialEq for Rare {
    /// Compares the values, whether or not they are allocated.
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_without_rare_values_allocates_nothing_and_equals_one_whose_values_were_cleared() {
        let (mut rare, mut cleared) = (Rare::default(), Rare::default());
        rare.set(|rare| &mut rare.passkeys, None);
        assert!(rare.0.is_none() && rare.passkeys.is_none());
        cleared.set(|rare| &mut rare.passkeys, Some(2));
        assert!(cleared.passkeys == Some(2) && cleared != rare);
        cleared.set(|rare| &mut rare.passkeys, None);
        assert_eq!(cleared, rare);
    }
}
