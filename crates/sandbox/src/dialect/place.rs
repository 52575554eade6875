//! What a request asks for, by its path: which interface, which list or record.

use axum::http::Method;

/// Interfaces that share their paths and words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InterfaceFamily {
    Guide,
    /// PRA and RS.
    Sra,
    Safe,
    Scim,
}

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordKind {
    User,
    Group,
    /// A row of a list of members that is no user record.
    Member,
    VendorUser,
    /// Vendors, security providers, API accounts.
    Other,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
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
    /// SCIM: what the server says of itself.
    Discovery,
    /// Tokens, sessions, nothing.
    Nothing,
}

/// A place of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ApiPlace {
    pub(super) family: InterfaceFamily,
    pub(super) what: What,
}

impl ApiPlace {
    /// Returns what a reading request asks for; `None` for a write, and for what belongs to no interface.
    pub(crate) fn of(method: &Method, path: &str) -> Option<Self> {
        if method != Method::GET {
            return None;
        }
        // Password Safe compares paths without case, and none of the others has capitals that matter here.
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
        Some(Self { family, what: what(&parts) })
    }

    /// Password Safe: returns the group whose members are asked for.
    pub(crate) fn synchronised(self) -> Option<u64> {
        match (self.family, self.what) {
            (InterfaceFamily::Safe, What::Members(group)) => Some(group),
            _ => None,
        }
    }

    /// Returns what the records of the answer are.
    pub(super) fn kind(self) -> RecordKind {
        match self.what {
            What::Users | What::User(_) => RecordKind::User,
            What::Members(_) if self.family == InterfaceFamily::Safe => RecordKind::User,
            What::Groups | What::Group(_) | What::GroupsOf(_) => RecordKind::Group,
            What::Members(_) => RecordKind::Member,
            What::VendorUsers => RecordKind::VendorUser,
            What::OtherList | What::OtherRecord | What::Discovery | What::Nothing => RecordKind::Other,
        }
    }

    /// Returns whether the answer is a list.
    pub(super) fn is_list(self) -> bool {
        use What::{Groups, GroupsOf, Members, OtherList, Users, VendorUsers};
        matches!(self.what, Users | Groups | Members(_) | GroupsOf(_) | VendorUsers | OtherList)
    }
}

fn what(parts: &[&str]) -> What {
    let id = |text: &str| text.parse().ok();
    let of = |text: &str, make: fn(u64) -> What| id(text).map_or(What::Nothing, make);
    match *parts {
        ["users" | "user"] => What::Users,
        ["groups" | "group-policy" | "usergroups"] => What::Groups,
        ["users" | "user", one] => of(one, What::User),
        ["groups" | "group-policy" | "usergroups", one] => of(one, What::Group),
        ["group-policy", one, "member"] | ["usergroups", one, "users"] => of(one, What::Members),
        ["users", one, "usergroups"] => of(one, What::GroupsOf),
        ["vendor", _, "user"] => What::VendorUsers,
        ["vendor" | "security-provider" | "api-account"] => What::OtherList,
        ["vendor" | "security-provider" | "api-account", _] => What::OtherRecord,
        ["serviceproviderconfig" | "resourcetypes" | "schemas", ..] => What::Discovery,
        _ => What::Nothing,
    }
}
