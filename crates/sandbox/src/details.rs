//! What a tenant has besides the users and groups of the guide. It holds details of users that only some interfaces
//! report, security providers, external members, nested groups, vendors with their users, and API accounts. Plain data.

use crate::record::Record;

/// Details of a user that only some interfaces report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UserDetails {
    /// Id of the security provider (PRA, RS); `None` if the record names none.
    pub(crate) provider: Option<u64>,
    /// Administrator flag (PRA, RS: `perm_admin`).
    pub(crate) admin: Option<bool>,
    /// Whether a second factor is set up (PRA, RS: `two_factor_enabled`).
    pub(crate) two_factor: Option<bool>,
    /// Number of registered passkeys (PRA, RS: `fido2_credential_count`).
    pub(crate) passkeys: Option<u64>,
    /// Locked for unusual behaviour (Password Safe: `IsQuarantined`).
    pub(crate) quarantined: bool,
    /// An application user of Password Safe: it has a `ClientID` and a `ClientSecret`, and no last login.
    pub(crate) application: bool,
}

/// A security provider (PRA, RS).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Id of the provider.
    pub id: u64,
    /// Type of the provider: `local`, `ldap`, `radius`, `kerberos`, `saml` or `scim`.
    pub kind: String,
    /// Name of the provider.
    pub name: String,
    /// Group policy of all users of the provider. Only the provider's own record reports it.
    pub default_policy: Option<u64>,
}

/// A member of a group policy that represents an object of a directory and is not expanded to users (PRA, RS).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalMember {
    /// Id of the member; never that of a user.
    pub id: u64,
    /// Id of the group.
    pub group: u64,
    /// Id of the security provider that the member belongs to.
    pub provider: Option<u64>,
    /// Name of an LDAP user, organizational unit or container.
    pub distinguished_name: Option<String>,
    /// Name of a SAML or SCIM group.
    pub group_name: Option<String>,
}

/// A vendor group (PRA).
#[derive(Clone, Debug, PartialEq)]
pub struct Vendor {
    /// Id of the vendor group. Vendors and group policies are numbered separately.
    pub id: u64,
    /// The record in `/vendor`; its `default_policy` is the group policy of all users of the vendor.
    pub record: Record,
    /// The rows of `/vendor/{id}/user`, ascending by id. Vendor users are numbered separately from users. A person with
    /// one id can work for several vendors.
    pub users: Vec<(u64, Record)>,
}

/// The lists and details of a tenant besides users and groups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProductDetails {
    /// Security providers, ascending by id.
    pub providers: Vec<Provider>,
    /// External members of group policies, in any order.
    pub externals: Vec<ExternalMember>,
    /// Vendors, ascending by id.
    pub vendors: Vec<Vendor>,
    /// Rows of `/api-account`, ascending by id. API accounts are numbered separately from users.
    pub api_accounts: Vec<(u64, Record)>,
    /// Pairs (group, user): the member list of the group names a user that no list of users has. All interfaces but the
    /// guide's serve them.
    pub unlisted_members: Vec<(u64, u64)>,
    /// Pairs (parent, child): the child group is a member of the parent (SCIM). There is no cycle.
    pub nested: Vec<(u64, u64)>,
}
