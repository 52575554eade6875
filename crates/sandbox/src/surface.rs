//! The interfaces by which one simulated appliance shows one world.

/// One of the interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Surface {
    /// The user management guide: `/api/public/v3`.
    Guide,
    /// Configuration API of Privileged Remote Access: `/api/config/v1`.
    Pra,
    /// Configuration API of Remote Support: the same paths, without vendors.
    Rs,
    /// `BeyondInsight` and Password Safe: `/BeyondTrust/api/public/v3`.
    PasswordSafe,
    /// SCIM 2.0: `/scim/v2`.
    Scim,
}

impl Surface {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Guide, Self::Pra, Self::Rs, Self::PasswordSafe, Self::Scim];

    /// The word of the configuration's `kind`.
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
