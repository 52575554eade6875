//! The target of a request, by its path: which interface, which list or record. The dialects rewrite responses by it.

use axum::http::Method;

/// A family of interfaces that share paths and words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InterfaceFamily {
    Guide,
    /// PRA and Remote Support.
    Sra,
    Safe,
    Scim,
}

/// The subject of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordKind {
    User,
    Group,
    /// A row of a member list that is no user record.
    Member,
    VendorUser,
    /// A vendor, a security provider or an API account.
    Other,
}

/// The list or record that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Users,
    User(u64),
    Groups,
    Group(u64),
    /// The members of a group.
    Members(u64),
    /// The groups of a user.
    GroupsOf(u64),
    VendorUsers,
    /// A list of vendors, security providers or API accounts.
    OtherList,
    OtherRecord,
    /// SCIM: what the server reports about itself.
    Discovery,
    /// A token, a session, or an unknown path.
    Nothing,
}

/// What a request asks for: a list or record of a family of interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestTarget {
    pub(super) family: InterfaceFamily,
    pub(super) resource: Resource,
}

impl RequestTarget {
    /// Returns the target of a GET request; `None` for a write and for paths that belong to no interface.
    pub(crate) fn of(method: &Method, path: &str) -> Option<Self> {
        if method != Method::GET {
            return None;
        }
        // Password Safe compares paths without case. The other interfaces have no paths that differ only in case.
        let path = path.to_ascii_lowercase();
        let (family, path) = [
            ("/api/public/v3/", InterfaceFamily::Guide),
            ("/api/config/v1/", InterfaceFamily::Sra),
            ("/beyondtrust/api/public/v3/", InterfaceFamily::Safe),
            ("/scim/v2/", InterfaceFamily::Scim),
            ("/api/scim/v2/", InterfaceFamily::Scim),
        ]
        .into_iter()
        .find_map(|(base, family)| Some((family, path.strip_prefix(base)?)))?;
        let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        Some(Self { family, resource: resource(&parts) })
    }

    /// Returns the group whose members a request to Password Safe asks for. The appliance synchronises it if it is a
    /// directory group.
    pub(crate) fn synchronised(self) -> Option<u64> {
        match (self.family, self.resource) {
            (InterfaceFamily::Safe, Resource::Members(group)) => Some(group),
            _ => None,
        }
    }

    /// Returns the subject of the records in the response.
    pub(super) fn kind(self) -> RecordKind {
        match self.resource {
            Resource::Users | Resource::User(_) => RecordKind::User,
            Resource::Members(_) if self.family == InterfaceFamily::Safe => RecordKind::User,
            Resource::Groups | Resource::Group(_) | Resource::GroupsOf(_) => RecordKind::Group,
            Resource::Members(_) => RecordKind::Member,
            Resource::VendorUsers => RecordKind::VendorUser,
            Resource::OtherList | Resource::OtherRecord | Resource::Discovery | Resource::Nothing => RecordKind::Other,
        }
    }

    /// Returns whether the response is a list.
    pub(super) fn is_list(self) -> bool {
        use Resource::{Groups, GroupsOf, Members, OtherList, Users, VendorUsers};
        matches!(self.resource, Users | Groups | Members(_) | GroupsOf(_) | VendorUsers | OtherList)
    }
}

/// Returns the list or record at a path below the base path of an interface.
fn resource(parts: &[&str]) -> Resource {
    let id = |text: &str| text.parse().ok();
    let of = |text: &str, make: fn(u64) -> Resource| id(text).map_or(Resource::Nothing, make);
    match *parts {
        ["users" | "user"] => Resource::Users,
        ["groups" | "group-policy" | "usergroups"] => Resource::Groups,
        ["users" | "user", one] => of(one, Resource::User),
        ["groups" | "group-policy" | "usergroups", one] => of(one, Resource::Group),
        ["group-policy", one, "member"] | ["usergroups", one, "users"] => of(one, Resource::Members),
        ["users", one, "usergroups"] => of(one, Resource::GroupsOf),
        ["vendor", _, "user"] => Resource::VendorUsers,
        ["vendor" | "security-provider" | "api-account"] => Resource::OtherList,
        ["vendor" | "security-provider" | "api-account", _] => Resource::OtherRecord,
        ["serviceproviderconfig" | "resourcetypes" | "schemas", ..] => Resource::Discovery,
        _ => Resource::Nothing,
    }
}
