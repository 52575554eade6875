//! The interfaces by which a simulated appliance serves the same users and groups.

/// An interface of the simulated appliance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Surface {
    /// The user management guide's API: `/api/public/v3`.
    Guide,
    /// The Configuration API of Privileged Remote Access: `/api/config/v1`.
    Pra,
    /// The Configuration API of Remote Support: the same paths, without vendors.
    Rs,
    /// The API of `BeyondInsight` and Password Safe: `/BeyondTrust/api/public/v3`.
    PasswordSafe,
    /// SCIM 2.0 (RFC 7643, RFC 7644): `/scim/v2`.
    Scim,
}

impl Surface {
    /// Every interface, in the order of the options.
    pub const ALL: [Self; 5] = [Self::Guide, Self::Pra, Self::Rs, Self::PasswordSafe, Self::Scim];

    /// Returns the value of `kind` in the configuration of a source.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guide => "rest-v3",
            Self::Pra => "pra",
            Self::Rs => "rs",
            Self::PasswordSafe => "password-safe",
            Self::Scim => "scim",
        }
    }
}
