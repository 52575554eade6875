//! What a surface tells, read: people, groups and who is in them. One shape for all surfaces; each fills in what it tells.

use super::dates::{Created, Login};
use super::{Expect, matching};
use std::collections::BTreeSet;

/// All that one surface tells. `people` and `groups` ascend by [`sort_key`](super::cells::sort_key) of their ids.
#[derive(Default)]
pub(super) struct Roster {
    pub(super) people: Vec<Person>,
    pub(super) groups: Vec<Known>,
    /// In any order, each once.
    pub(super) members: Vec<Member>,
    /// The members of every group are told by the group, all of them: a group without any is empty.
    pub(super) members_whole: bool,
    /// Groups of which not every member could be read: their counts are unknown, and none of them is empty.
    pub(super) unread: BTreeSet<String>,
    /// Groups of a directory, whose members become users as they sign in: none of them is known to be empty.
    pub(super) directory: BTreeSet<String>,
    /// A list or a record could not be read, though the product has it.
    pub(super) partial: bool,
}

/// A group that the list names.
pub(super) struct Known {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) privileged: bool,
    /// A value has a type that nobody expects.
    pub(super) odd: bool,
    pub(super) extra: String,
}

impl Known {
    pub(super) fn new(expect: &Expect, id: String, name: Option<String>) -> Self {
        let privileged = matching::any(&expect.privileged_groups, &id, name.as_deref());
        Self { id, name, description: None, privileged, odd: false, extra: String::new() }
    }
}

/// One row of `memberships`.
pub(super) struct Member {
    pub(super) group: String,
    pub(super) who: Who,
}

/// Who or what it is of.
pub(super) enum Who {
    /// Somebody of the list of users.
    Listed(String),
    /// The same, only by way of a group inside, by its name there.
    Nested(String, String),
    /// A user whom the list of users does not hold.
    Missing(String),
    /// Something in a directory, by its name there.
    Directory(String),
}

impl Who {
    pub(super) fn user(&self) -> Option<&str> {
        match self {
            Self::Listed(id) | Self::Nested(id, _) | Self::Missing(id) => Some(id),
            Self::Directory(_) => None,
        }
    }

    /// The name in `external_name`.
    pub(super) fn through(&self) -> Option<&str> {
        match self {
            Self::Nested(_, name) | Self::Directory(name) => Some(name),
            Self::Listed(_) | Self::Missing(_) => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FindingSubjectKind {
    Person,
    Service,
    BreakGlass,
    Vendor,
}

impl FindingSubjectKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Service => "service",
            Self::BreakGlass => "break-glass",
            Self::Vendor => "vendor",
        }
    }

    /// By the patterns, and by what the surface says itself (`Person` where it says nothing).
    pub(super) fn of(expect: &Expect, said: Self, id: &str, username: Option<&str>) -> Self {
        if matching::any(&expect.break_glass, id, username) {
            Self::BreakGlass
        } else if said == Self::Person && matching::any(&expect.service_accounts, id, username) {
            Self::Service
        } else {
            said
        }
    }
}

/// An API account: what it may do and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ApiAccount {
    /// Full command access, or rights over the vault, SCIM or backups.
    pub(super) wide: bool,
    /// Told to have no address allow list.
    pub(super) from_anywhere: bool,
}

/// A row of `users`, read.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Person {
    pub(super) id: String,
    pub(super) username: Option<String>,
    pub(super) display_name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) enabled: Option<bool>,
    pub(super) account_type: Option<String>,
    /// What the last login was made by.
    pub(super) signs_in_by: Option<String>,
    pub(super) kind: FindingSubjectKind,
    /// Ascending, each once.
    pub(super) groups: Vec<String>,
    pub(super) groups_known: bool,
    pub(super) public_key: Option<String>,
    pub(super) login: Login,
    pub(super) created: Created,
    pub(super) locale: Option<String>,
    pub(super) is_admin: Option<bool>,
    pub(super) mfa: Option<bool>,
    pub(super) expires: Created,
    /// Cannot sign in though enabled, as the surface says: expired, quarantined, not approved.
    pub(super) barred: bool,
    pub(super) passkeys: u64,
    /// Only where it is one of the lists of API accounts.
    pub(super) api: Option<ApiAccount>,
    /// What it says of its groups is not what its groups say.
    pub(super) at_odds: bool,
    /// An application user of Password Safe.
    pub(super) application: bool,
    /// It has a `DomainName` or a `DistinguishedName` (Password Safe).
    pub(super) in_domain: bool,
    /// No type is reported, and nothing says that it comes from elsewhere.
    pub(super) inferred_local: bool,
    /// A value has a type that nobody expects.
    pub(super) odd: bool,
    /// The field of its groups has such a type.
    pub(super) odd_groups: bool,
    pub(super) extra: String,
}

impl Person {
    /// Nothing is told but the id.
    pub(super) fn new(id: String) -> Self {
        Self {
            id,
            username: None,
            display_name: None,
            email: None,
            enabled: None,
            account_type: None,
            signs_in_by: None,
            kind: FindingSubjectKind::Person,
            groups: Vec::new(),
            groups_known: false,
            public_key: None,
            login: Login::NotReported,
            created: Created::Not,
            locale: None,
            is_admin: None,
            mfa: None,
            expires: Created::Not,
            barred: false,
            passkeys: 0,
            api: None,
            at_odds: false,
            application: false,
            in_domain: false,
            inferred_local: false,
            odd_groups: false,
            odd: false,
            extra: String::new(),
        }
    }

    /// Whether the account is of a security provider of this type.
    pub(super) fn comes_from(&self, provider: &str) -> bool {
        self.account_type.as_deref() == Some(provider)
    }

    pub(super) fn is_local(&self) -> bool {
        let reported = self.account_type.as_ref().map(|reported| reported.to_lowercase());
        let local = reported.is_some_and(|reported| reported == "local" || reported == "beyondinsight");
        (local || self.inferred_local) && !self.is_sso()
    }

    /// Signs in by way of an identity provider.
    pub(super) fn is_sso(&self) -> bool {
        const WORDS: [&str; 8] = ["saml", "oidc", "openid", "scim", "sso", "oauth", "entra", "azure"];
        let parts = [self.account_type.as_deref(), self.signs_in_by.as_deref()];
        let reported = parts.map(Option::unwrap_or_default).join(" ").to_lowercase();
        WORDS.iter().any(|word| reported.contains(word))
    }

    /// Its own memberships, as rows.
    pub(super) fn memberships(&self) -> impl Iterator<Item = Member> {
        self.groups.iter().map(|group| Member { group: group.clone(), who: Who::Listed(self.id.clone()) })
    }
}
