//! What a tenant holds beside the guide's users and groups: what only some surfaces tell of a user, security providers,
//! members of groups that stand for a directory, nested groups, vendors and their people, API accounts. Plain data.

use super::world::Record;

/// What only some surfaces tell of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserDetails {
    /// Security provider (PRA, RS); `None`: the record names none.
    pub provider: Option<u64>,
    /// Administrator flag (PRA, RS: `perm_admin`).
    pub admin: Option<bool>,
    /// Second factor set up (PRA, RS: `two_factor_enabled`).
    pub two_factor: Option<bool>,
    /// Registered passkeys (PRA, RS: `fido2_credential_count`).
    pub passkeys: Option<u64>,
    /// Locked out for odd behaviour (Password Safe: `IsQuarantined`).
    pub quarantined: bool,
    /// An application user of Password Safe: it has a `ClientID` and a `ClientSecret`, and no last login.
    pub application: bool,
}

/// A security provider (PRA, RS).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Its id.
    pub id: u64,
    /// `local`, `ldap`, `radius`, `kerberos`, `saml`, `scim`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Group policy of everybody who signs in by it; only the provider's own record tells it.
    pub default_policy: Option<u64>,
}

/// A member of a group policy that stands for something in a directory and is not expanded (PRA, RS).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalMember {
    /// The member's own id; never that of a user.
    pub id: u64,
    /// The group that it is in.
    pub group: u64,
    /// The security provider that it belongs to.
    pub provider: Option<u64>,
    /// An LDAP user, organizational unit or container.
    pub distinguished_name: Option<String>,
    /// A SAML or SCIM group.
    pub group_name: Option<String>,
}

/// A vendor group (PRA).
#[derive(Clone, Debug, PartialEq)]
pub struct Vendor {
    /// Its id: another numbering than that of group policies.
    pub id: u64,
    /// As `/vendor` says it; `default_policy` is the group policy of all its people.
    pub record: Record,
    /// Its people as `/vendor/{id}/user` says them, ascending by id: another numbering than that of users. One person
    /// (one id) can be of several vendors.
    pub users: Vec<(u64, Record)>,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProductDetails {
    /// Ascending by id.
    pub providers: Vec<Provider>,
    /// In any order.
    pub externals: Vec<ExternalMember>,
    /// Ascending by id.
    pub vendors: Vec<Vendor>,
    /// As `/api-account` says them, ascending by id: another numbering than that of users.
    pub api_accounts: Vec<(u64, Record)>,
    /// (group, user): the group's member list names a user whom no list of users holds (all surfaces but the guide's).
    pub strangers: Vec<(u64, u64)>,
    /// (parent, child): the child group is a member of the parent (SCIM). No cycle.
    pub nested: Vec<(u64, u64)>,
}
