//! An interface as the oracle reads it: accounts, groups and memberships. All interfaces use these types; each fills in
//! what it reports, and `rows` and `findings` work on the result.

use super::dates::{Created, Login};
use super::{Expect, matching};
use std::collections::BTreeSet;

/// Everything that an interface reports. `accounts` and `groups` ascend by [`sort_key`](super::cells::sort_key) of
/// their ids.
#[derive(Default)]
pub(super) struct ExpectedInventory {
    pub(super) accounts: Vec<ExpectedAccount>,
    pub(super) groups: Vec<ExpectedGroup>,
    /// In any order, without duplicates.
    pub(super) members: Vec<ExpectedMembership>,
    /// Whether every group lists all its members. A group without members is then empty.
    pub(super) members_complete: bool,
    /// Groups of which not every member could be read. Their counts are unknown, and none of them is reported as empty.
    pub(super) unread: BTreeSet<String>,
    /// Whether the list of users was fully read but is not proven complete. A member without a user record may then be a
    /// user all the same.
    pub(super) doubts_users: bool,
    /// Groups of a directory. Their members become users when they sign in, so none of them is known to be empty.
    pub(super) directory: BTreeSet<String>,
    /// Whether a list or a record that the product has could not be read.
    pub(super) partial: bool,
}

/// A group in the list of groups.
pub(super) struct ExpectedGroup {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) privileged: bool,
    /// Whether a value has an unexpected type.
    pub(super) odd: bool,
    pub(super) extra: String,
}

impl ExpectedGroup {
    pub(super) fn new(expect: &Expect, id: String, name: Option<String>) -> Self {
        let privileged = matching::any(&expect.privileged_groups, &id, name.as_deref());
        Self { id, name, description: None, privileged, odd: false, extra: String::new() }
    }
}

/// A row of `memberships`.
pub(super) struct ExpectedMembership {
    pub(super) group: String,
    pub(super) member: MemberRef,
}

/// The member of a group.
pub(super) enum MemberRef {
    /// A user in the list of users.
    Listed(String),
    /// The same, only by a nested group: (user id, name of that group).
    Nested(String, String),
    /// A user that the list of users does not have.
    Missing(String),
    /// An object of a directory, by its name there.
    Directory(String),
}

impl MemberRef {
    pub(super) fn user(&self) -> Option<&str> {
        match self {
            Self::Listed(id) | Self::Nested(id, _) | Self::Missing(id) => Some(id),
            Self::Directory(_) => None,
        }
    }

    /// Returns the value of `external_name`.
    pub(super) fn through(&self) -> Option<&str> {
        match self {
            Self::Nested(_, name) | Self::Directory(name) => Some(name),
            Self::Listed(_) | Self::Missing(_) => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccountKind {
    Person,
    Service,
    BreakGlass,
    Vendor,
}

impl AccountKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Service => "service",
            Self::BreakGlass => "break-glass",
            Self::Vendor => "vendor",
        }
    }

    /// Returns the kind of an account. `by_interface` is the kind by the interface itself (`Person` if it makes no
    /// difference); the configured patterns refine it.
    pub(super) fn of(expect: &Expect, by_interface: Self, id: &str, username: Option<&str>) -> Self {
        if matching::any(&expect.break_glass, id, username) {
            Self::BreakGlass
        } else if by_interface == Self::Person && matching::any(&expect.service_accounts, id, username) {
            Self::Service
        } else {
            by_interface
        }
    }
}

/// The rights of an API account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ApiAccount {
    /// Whether it has full command access, or rights over the vault, SCIM or backups.
    pub(super) wide: bool,
    /// Whether it is reported to have an empty list of allowed addresses.
    pub(super) from_anywhere: bool,
}

/// A row of `users`, before it is written.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct ExpectedAccount {
    pub(super) id: String,
    pub(super) username: Option<String>,
    pub(super) display_name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) enabled: Option<bool>,
    pub(super) account_type: Option<String>,
    /// The method of the last login.
    pub(super) signs_in_by: Option<String>,
    pub(super) kind: AccountKind,
    /// Ascending, without duplicates.
    pub(super) groups: Vec<String>,
    pub(super) groups_known: bool,
    pub(super) public_key: Option<String>,
    pub(super) login: Login,
    pub(super) created: Created,
    pub(super) locale: Option<String>,
    pub(super) is_admin: Option<bool>,
    pub(super) mfa: Option<bool>,
    pub(super) expires: Created,
    /// Whether the interface reports that the account cannot sign in: expired, quarantined or not approved.
    pub(super) cannot_sign_in: bool,
    pub(super) passkeys: u64,
    /// The rights, if this is an API account.
    pub(super) api: Option<ApiAccount>,
    /// Whether the groups that the user names differ from the groups that name the user.
    pub(super) disagrees: bool,
    /// Whether this is an application user of Password Safe.
    pub(super) application: bool,
    /// Whether it has a `DomainName` or a `DistinguishedName` (Password Safe).
    pub(super) in_domain: bool,
    /// Whether it counts as local because no type and no other origin is reported.
    pub(super) inferred_local: bool,
    /// Whether a value has an unexpected type.
    pub(super) odd: bool,
    /// Whether the field of its groups has an unexpected type.
    pub(super) odd_groups: bool,
    pub(super) extra: String,
}

impl ExpectedAccount {
    /// Returns an account of which only the id is known.
    pub(super) fn new(id: String) -> Self {
        Self {
            id,
            username: None,
            display_name: None,
            email: None,
            enabled: None,
            account_type: None,
            signs_in_by: None,
            kind: AccountKind::Person,
            groups: Vec::new(),
            groups_known: false,
            public_key: None,
            login: Login::NotReported,
            created: Created::NotReported,
            locale: None,
            is_admin: None,
            mfa: None,
            expires: Created::NotReported,
            cannot_sign_in: false,
            passkeys: 0,
            api: None,
            disagrees: false,
            application: false,
            in_domain: false,
            inferred_local: false,
            odd_groups: false,
            odd: false,
            extra: String::new(),
        }
    }

    /// Returns whether the account belongs to a security provider of this type.
    pub(super) fn comes_from(&self, provider: &str) -> bool {
        self.account_type.as_deref() == Some(provider)
    }

    pub(super) fn is_local(&self) -> bool {
        let reported = self.account_type.as_ref().map(|reported| reported.to_lowercase());
        let local = reported.is_some_and(|reported| reported == "local" || reported == "beyondinsight");
        (local || self.inferred_local) && !self.is_sso()
    }

    /// Returns whether the account signs in by an identity provider.
    pub(super) fn is_sso(&self) -> bool {
        const WORDS: [&str; 8] = ["saml", "oidc", "openid", "scim", "sso", "oauth", "entra", "azure"];
        let parts = [self.account_type.as_deref(), self.signs_in_by.as_deref()];
        let reported = parts.map(Option::unwrap_or_default).join(" ").to_lowercase();
        WORDS.iter().any(|word| reported.contains(word))
    }

    /// Returns the account's own memberships.
    pub(super) fn memberships(&self) -> impl Iterator<Item = ExpectedMembership> {
        self.groups
            .iter()
            .map(|group| ExpectedMembership { group: group.clone(), member: MemberRef::Listed(self.id.clone()) })
    }
}
