//! The data model: accounts, groups, memberships, source readings, coverage, findings and changes.
//!
//! Every other module uses these types. This module holds plain data and the join of one reading
//! ([`SourceInventory::join`]); it knows no clock, disk, network, file format or rule.
//!
//! [`Coverage`] is the most important type here. It says whether a list is proven complete, and only a complete list
//! proves that a missing row was removed.

use chrono::{DateTime, TimeDelta, Utc};
use std::borrow::Cow;

mod by_hash;
mod change;
mod evidence;
mod exclusion;
mod extra;
mod finding;
mod fingerprint;
mod id;
mod instant;
mod intern;
mod join;
mod known;
mod membership;
mod number;
mod pattern;
mod rare;
mod reading;
mod secret_name;
mod standing;
#[cfg(test)]
mod tests;
mod wording;

pub use by_hash::ByHash;
pub use change::{Change, ChangeKind, ChangedGroup};
pub use evidence::{Absence, Evidence};
pub use exclusion::{Exclusion, Exclusions};
pub use extra::{Extra, is_credential, without_secrets, without_texts};
pub use finding::{
    Advice, Contact, Evaluation, Finding, FindingStatus, Resolved, Rule, RuleOutcome, Severity, Subject, SubjectKind,
};
pub use fingerprint::{Fingerprint, FingerprintParts};
pub use id::{GroupId, SourceName, UserId, compare_ids};
pub use instant::{instant_text, push_instant};
pub use intern::Interner;
pub use join::{Inventory, SourceInventory};
pub use known::{KnownSource, MemberIdentity, Pair, SeenInterval};
pub use membership::{Member, Membership};
pub use number::thousands;
pub use pattern::{Classes, GroupOwner, Pattern};
pub use rare::{Rare, RareValues};
pub use reading::{
    API_ACCOUNT, Completeness, Coverage, ListKind, ListReport, OddValue, Outside, OutsideMember, SET_ASIDE,
    SourceIdentity, SourceReading, SourceStatus, VENDOR_USER, list_of_group, lists_of_user,
};
pub use secret_name::is_secret;
pub use standing::AccountStanding;
pub use wording::{TIMES_SEEN, Wording};

/// An immutable text of the model, such as a name or an id. It takes 16 bytes, `Option<Text>` too. A text of up to 16
/// bytes needs no allocation; clones of a longer one share it.
pub use lean_string::LeanStr as Text;

/// A UTC instant with microsecond precision.
pub type Instant = DateTime<Utc>;

/// Returns whether the instant of the evaluation differs from the start of the run by more than one hour.
///
/// The data is then read at one time and evaluated for another, which readers of a snapshot must know.
pub fn is_evaluated_apart(as_of: Instant, started_at: Instant) -> bool {
    as_of.signed_duration_since(started_at).abs() > TimeDelta::hours(1)
}

/// Last successful login as the source reports it. The four states are never merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastLogin {
    /// Time of the login, converted to UTC.
    At(Instant),
    /// The source reports that the account never signed in, by null or by a sentinel.
    Never {
        /// The sentinel as the source wrote it (`0001-01-01T00:00:00Z`, an empty text, `never`); `None` for null.
        sentinel: Option<Box<Text>>,
    },
    /// The source does not report the field. This differs from "never".
    NotReported,
    /// The value is not a date; kept as written.
    Unreadable(Text),
}

impl LastLogin {
    /// Returns the value of the `last_login_status` column.
    pub fn status(&self) -> &'static str {
        match self {
            Self::At(_) => "at",
            Self::Never { .. } => "never",
            Self::NotReported => "not-reported",
            Self::Unreadable(_) => "unreadable",
        }
    }

    /// Returns the time of the login, if the source reports one.
    pub fn at(&self) -> Option<Instant> {
        match self {
            Self::At(at) => Some(*at),
            _ => None,
        }
    }
}

/// A date that a source may or may not report: creation, expiry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportedDate {
    /// The date, converted to UTC.
    At(Instant),
    /// The field is absent or null.
    NotReported,
    /// The value is a sentinel or not a date; kept as written.
    Unreadable(Text),
}

impl ReportedDate {
    /// Returns the date, if the source reports one.
    pub fn at(&self) -> Option<Instant> {
        match self {
            Self::At(at) => Some(*at),
            _ => None,
        }
    }
}

/// Kind of account; decides which rules apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UserKind {
    /// The account of a person.
    Person,
    /// A service account. Rules about owners apply, rules about inactivity do not.
    Service,
    /// An account of a third party.
    Vendor,
    /// An emergency (break-glass) account.
    BreakGlass,
}

impl UserKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Person, Self::Service, Self::Vendor, Self::BreakGlass];

    /// Parses the value of the `kind` column.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Returns the value of the `kind` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Service => "service",
            Self::Vendor => "vendor",
            Self::BreakGlass => "break-glass",
        }
    }
}

/// An account of one source. Texts are kept exactly as the source wrote them.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// Id that the source gave to the account.
    pub id: UserId,
    /// Login name; it may change and is never used as a key.
    pub username: Option<Text>,
    /// Display name.
    pub display_name: Option<Text>,
    /// E-mail address as the source wrote it; see [`User::address`] for comparisons.
    pub email_address: Option<Text>,
    /// Whether the account is enabled; `None` if the source does not report it.
    pub enabled: Option<bool>,
    /// Account type in the source's words: `local`, `LDAP`, `SAML`, …
    pub account_type: Option<Text>,
    /// Kind of account. Decoders set `Person`; the join applies the configured patterns.
    pub kind: UserKind,
    /// Group ids in the account's own record, ascending and without duplicates.
    pub group_memberships: Box<[GroupId]>,
    /// Whether all groups of the account are known. False if the source does not report them, or if an unexpanded
    /// directory group may contain the account.
    pub groups_known: bool,
    /// SSH public key in OpenSSH or PEM text, as the source wrote it.
    pub public_key: Option<Text>,
    /// Time of the last successful login.
    pub last_login: LastLogin,
    /// Time at which the account was created.
    pub created_at: ReportedDate,
    /// Language setting.
    pub locale: Option<Text>,
    /// Whether the account administers the product; `None` if not reported.
    pub is_admin: Option<bool>,
    /// Whether a second factor is registered; `None` if not reported.
    pub mfa: Option<bool>,
    /// Time at which the account expires.
    pub expires_at: ReportedDate,
    /// Inferred place of the password check. Set only when the product reports no `account_type`.
    pub inferred: Option<Inferred>,
    /// Reason why an enabled account cannot sign in, as the source reports it.
    pub blocked: Option<Blocked>,
    /// Whether some field of the record was unreadable. A missing value of such a record is unknown.
    pub has_odd_values: bool,
    /// Newest run in which all groups of the account were known; `None` if there was none, or before the merge with the
    /// known state.
    pub groups_confirmed: Option<Instant>,
    /// First and last run that read the account; `None` before the merge with the known state.
    pub seen: Option<SeenInterval>,
    /// All other reported fields, without secrets.
    pub extra: Option<Extra>,
    /// Values that nearly all accounts lack.
    pub rare: Rare,
}

/// Inferred place of the password check, for products that report no account type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Inferred {
    /// The product checks the password.
    Local,
    /// A directory checks it (Active Directory, Entra ID, LDAP).
    Directory,
    /// An identity provider checks it.
    Sso,
}

impl Inferred {
    /// Every value.
    pub const ALL: [Self; 3] = [Self::Local, Self::Directory, Self::Sso];

    /// Parses the value of the `inferred_type` column.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|inferred| inferred.as_str() == text)
    }

    /// Returns the value of the `inferred_type` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Directory => "directory",
            Self::Sso => "sso",
        }
    }
}

/// Reason why an enabled account cannot sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blocked {
    /// The account has expired.
    Expired,
    /// The product locked the account because of suspicious behaviour.
    Quarantined,
    /// The account awaits approval.
    NotApproved,
}

impl Blocked {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Expired, Self::Quarantined, Self::NotApproved];

    /// Parses the value of the `blocked` column.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|blocked| blocked.as_str() == text)
    }

    /// Returns the value of the `blocked` column, which evidence and reports use too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Quarantined => "quarantined",
            Self::NotApproved => "not approved",
        }
    }
}

/// Rights of an API account, as far as rules need them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiAccess {
    /// Far-reaching rights in the source's words: `perm_command: full_access`, `perm_backup`, …
    pub wide_rights: Vec<Cow<'static, str>>,
    /// Whether use is restricted to certain network addresses; `None` if not reported.
    pub restricted: Option<bool>,
}

/// Group ids in which an account's record and the groups' member lists contradict each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MembershipConflict {
    /// Groups in the account's record whose member list lacks the account.
    pub only_by_user: Vec<GroupId>,
    /// Groups whose member list contains the account while its record does not name them.
    pub only_by_group: Vec<GroupId>,
}

impl User {
    /// Creates an account of which only the id is known. Decoders and tests fill in the rest.
    pub fn new(id: impl Into<UserId>) -> Self {
        Self {
            id: id.into(),
            username: None,
            display_name: None,
            email_address: None,
            enabled: None,
            account_type: None,
            kind: UserKind::Person,
            group_memberships: Box::default(),
            groups_known: false,
            public_key: None,
            last_login: LastLogin::NotReported,
            created_at: ReportedDate::NotReported,
            locale: None,
            is_admin: None,
            mfa: None,
            expires_at: ReportedDate::NotReported,
            inferred: None,
            blocked: None,
            has_odd_values: false,
            groups_confirmed: None,
            seen: None,
            extra: None,
            rare: Rare::default(),
        }
    }

    /// Returns the name to show: the username, or else the display name.
    pub fn name(&self) -> Option<&str> {
        self.username.as_deref().or(self.display_name.as_deref())
    }

    /// Returns the e-mail address in the form used for comparisons: trimmed and in lower case. `None` if it is empty.
    pub fn address(&self) -> Option<Cow<'_, str>> {
        let reported = self.email_address.as_deref().filter(|reported| !reported.is_empty())?;
        // Millions of addresses are written in this form already; these need no allocation.
        let is_kept =
            |c: char| if c.is_ascii() { c.is_ascii_graphic() && !c.is_ascii_uppercase() } else { c.is_lowercase() };
        if reported.chars().all(is_kept) {
            return Some(Cow::Borrowed(reported));
        }
        let trimmed = reported.trim();
        (!trimmed.is_empty()).then(|| Cow::Owned(trimmed.to_lowercase()))
    }

    /// Returns the key of the person across products: the e-mail address in the form used for comparisons.
    ///
    /// `None` for accounts that are not of one person (service and break-glass accounts), and without an address.
    pub fn person(&self) -> Option<Cow<'_, str>> {
        matches!(self.kind, UserKind::Person | UserKind::Vendor).then(|| self.address()).flatten()
    }

    /// Returns why an enabled account cannot sign in at `as_of`: the reported reason, or expiry.
    pub fn blocked_at(&self, as_of: Instant) -> Option<Blocked> {
        self.blocked.or_else(|| self.expires_at.at().filter(|end| *end <= as_of).map(|_| Blocked::Expired))
    }

    /// Returns whether the product itself checks the account's password. False if that is unknown; see [`User::local`].
    pub fn is_local(&self) -> bool {
        self.local() == Some(true)
    }

    /// Returns whether the product itself checks the password; `None` if neither a type nor anything to infer it from
    /// is reported.
    pub fn local(&self) -> Option<bool> {
        // Password Safe calls its local accounts "BeyondInsight". Products differ in the case of the letters.
        let word = |kind: &str| ["local", "beyondinsight"].iter().any(|word| kind.eq_ignore_ascii_case(word));
        let local = match (self.account_type.as_deref(), self.inferred) {
            (Some(kind), _) => word(kind),
            (None, Some(inferred)) => inferred == Inferred::Local,
            (None, None) => return None,
        };
        // A local account of some products can be linked to an identity provider, which then checks the password.
        Some(local && !self.is_sso())
    }

    /// Returns whether the account signs in through an identity provider (SAML, OIDC, SCIM, Entra ID, …), judging by
    /// its type and by its last sign-in method.
    pub fn is_sso(&self) -> bool {
        const WORDS: [&str; 8] = ["saml", "oidc", "openid", "scim", "sso", "oauth", "entra", "azure"];
        let reported = [&self.account_type, &self.rare.signs_in_by].into_iter().flatten().map(Text::to_ascii_lowercase);
        self.inferred == Some(Inferred::Sso)
            || reported.into_iter().any(|reported| WORDS.iter().any(|word| reported.contains(word)))
    }

    /// Returns whether the account's type is reported or can be inferred.
    pub fn is_typed(&self) -> bool {
        self.account_type.is_some() || self.inferred.is_some()
    }
}

/// A group of one source.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Id that the source gave to the group.
    pub id: GroupId,
    /// Name of the group; it may change and is never used as a key.
    pub name: Option<Text>,
    /// Description of the group.
    pub description: Option<Text>,
    /// Whether the group matches `privileged_groups` of the configuration; set by the join.
    pub privileged: bool,
    /// Whether all members are known. `None` if the connector leaves the decision to the join, which uses the coverage
    /// of lists.
    pub members_known: Option<bool>,
    /// Number of members with an account record; set by the join. `None` if unknown.
    pub member_count: Option<u64>,
    /// Number of members that exist only in a directory, such as a directory group; set by the join. `None` if unknown.
    pub external_member_count: Option<u64>,
    /// Whether a directory fills the group. The product need not know all members of such a group.
    pub directory: bool,
    /// Newest run in which all members were known; `None` if there was none, or before the merge with the known state.
    pub members_confirmed: Option<Instant>,
    /// First and last run that read the group; `None` before the merge with the known state.
    pub seen: Option<SeenInterval>,
    /// All other reported fields, without secrets.
    pub extra: Option<Extra>,
}

/// Prefix of the ids of vendors. Vendors are groups that the product numbers separately; [`ListKind::VendorUsers`]
/// lists their members.
pub const VENDOR: &str = "vendor:";

impl Group {
    /// Returns whether all members are known. If not, the member counts are unknown rather than 0.
    pub fn knows_members(&self) -> bool {
        self.members_known == Some(true)
    }

    /// Creates a group of which only the id is known. Decoders and tests fill in the rest.
    pub fn new(id: impl Into<GroupId>) -> Self {
        Self {
            id: id.into(),
            name: None,
            description: None,
            privileged: false,
            members_known: None,
            member_count: None,
            external_member_count: None,
            directory: false,
            members_confirmed: None,
            seen: None,
            extra: None,
        }
    }
}
