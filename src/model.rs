//! The nouns: user, group, membership, harvest, coverage, inventory, finding, change.
//! Plain data and the join. Knows no clock, disk, network, file format or rule.
//!
//! [`Coverage`] is the most important type here: absence of evidence is never evidence of absence.

use chrono::{DateTime, Utc};
use std::borrow::Cow;
use std::sync::Arc;

mod change;
mod evidence;
mod extra;
mod finding;
mod id;
mod join;
mod known;
mod pattern;
mod reading;

pub use change::{Change, ChangeKind, ChangedGroup};
pub use evidence::{Absence, Evidence};
pub use extra::{Extra, hides_secret, is_credential, is_secret, without_secrets, without_texts};
pub use finding::{
    Evaluation, Finding, FindingStatus, Fingerprint, Resolved, Rule, RuleOutcome, Severity, Subject, SubjectKind,
};
pub use id::{GroupId, SourceName, UserId, compare_ids};
pub use join::{Inventory, Member, Membership, SourceInventory};
pub use known::{KnownSource, MemberIdentity, Pair, SeenInterval};
pub use pattern::{Classes, Pattern};
pub use reading::{
    API_ACCOUNT, Completeness, Coverage, ListKind, ListReport, OddValue, Outside, OutsideMember, SourceIdentity,
    SourceReading, SourceStatus, VENDOR_USER, list_of_group, lists_of_user,
};

/// One UTC instant, kept to the microsecond.
pub type Instant = DateTime<Utc>;

/// RFC 3339 in UTC, `2026-11-23T02:00:00Z`, with a fraction only where there is one and only as long as it is: the way in
/// which every file of a snapshot writes an instant.
pub fn instant_text(at: Instant) -> String {
    let text = at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let text = text.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.');
    format!("{text}Z")
}

/// What a source told about the last successful login. Four states that are never merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastLogin {
    /// The instant, converted to UTC.
    At(Instant),
    /// The source says that there was none, by null or by a sentinel (kept as written, and counted).
    Never {
        /// The sentinel as the source wrote it (`0001-01-01T00:00:00Z`, an empty text, `never`), if it used one.
        sentinel: Option<Box<str>>,
    },
    /// The source does not tell: the key is absent. Not the same as never.
    NotReported,
    /// Something was told that is not a date; kept as written.
    Unreadable(Box<str>),
}

impl LastLogin {
    /// The `last_login_status` column.
    pub fn status(&self) -> &'static str {
        match self {
            Self::At(_) => "at",
            Self::Never { .. } => "never",
            Self::NotReported => "not-reported",
            Self::Unreadable(_) => "unreadable",
        }
    }

    /// The instant, where there is one.
    pub fn at(&self) -> Option<Instant> {
        match self {
            Self::At(at) => Some(*at),
            _ => None,
        }
    }
}

/// Any other date that a source may or may not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportedDate {
    /// The instant, converted to UTC.
    At(Instant),
    /// Absent or null.
    Not,
    /// A sentinel or something that is not a date; kept as written.
    Unreadable(Box<str>),
}

impl ReportedDate {
    /// The instant, where there is one.
    pub fn at(&self) -> Option<Instant> {
        match self {
            Self::At(at) => Some(*at),
            _ => None,
        }
    }
}

/// What sort of account a user is; decides which rules apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UserKind {
    /// Somebody's account.
    Person,
    /// A machine's account: owner rules, never staleness.
    Service,
    /// A third party's account.
    Vendor,
    /// Kept for emergencies.
    BreakGlass,
}

impl UserKind {
    /// All.
    pub const ALL: [Self; 4] = [Self::Person, Self::Service, Self::Vendor, Self::BreakGlass];

    /// Reads the `kind` column.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The `kind` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Service => "service",
            Self::Vendor => "vendor",
            Self::BreakGlass => "break-glass",
        }
    }
}

/// One account of one source. Text is kept exactly as the source gave it.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// The source's own id.
    pub id: UserId,
    /// Login name.
    pub username: Option<Box<str>>,
    /// Name for people.
    pub display_name: Option<Box<str>>,
    /// E-mail address as told, not normalised.
    pub email_address: Option<Box<str>>,
    /// `None`: the source did not tell.
    pub enabled: Option<bool>,
    /// As the source words it: `local`, `LDAP`, `SAML`, …
    pub account_type: Option<Arc<str>>,
    /// Person until the join classifies it.
    pub kind: UserKind,
    /// Ids of groups as the user's own record names them, ascending, without repeats.
    pub group_memberships: Box<[GroupId]>,
    /// False where the source did not tell the memberships, or an unexpanded directory group may hold the user.
    pub groups_known: bool,
    /// SSH public key.
    pub public_key: Option<Box<str>>,
    /// Last successful login.
    pub last_login: LastLogin,
    /// Creation.
    pub created_at: ReportedDate,
    /// Language.
    pub locale: Option<Arc<str>>,
    /// Administrator of the product, where told.
    pub is_admin: Option<bool>,
    /// Second factor present, where told.
    pub mfa: Option<bool>,
    /// End of the account's validity, where told.
    pub expires_at: ReportedDate,
    /// What the last login was made by, where it is told beside the account's type: `SAML`, …
    pub signs_in_by: Option<Arc<str>>,
    /// Where the account's password is checked, inferred from other fields; only where the product reports no `account_type`.
    pub inferred: Option<Inferred>,
    /// Registered passkeys, where they are told.
    pub passkeys: Option<u64>,
    /// What keeps the account from signing in beside `enabled`, where it is told.
    pub blocked: Option<Blocked>,
    /// The account is an API account, which no group can hold.
    pub api: Option<Box<ApiAccess>>,
    /// Some field of its record could not be read: what is missing of it is unknown.
    pub has_odd_values: bool,
    /// The user's record and the groups' own lists of members contradict each other.
    pub conflict: Option<Box<MembershipConflict>>,
    /// The run since which the list of users was read and need not have been whole, without this account; until it is read again.
    pub unconfirmed_since: Option<Instant>,
    /// The newest run that knew every group of it; `None`: none did, or it was not held against what is known.
    pub groups_confirmed: Option<Instant>,
    /// The run that saw it enabled where it was disabled before; until it signs in or is disabled again.
    pub enabled_since: Option<Instant>,
    /// The runs that saw it first and read it last; `None` before it was held against what is known.
    pub seen: Option<SeenInterval>,
    /// Every other field that the source gave.
    pub extra: Option<Extra>,
}

/// Where an account's password is checked, inferred: the product reports no account type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Inferred {
    /// By the product itself.
    Local,
    /// By a directory (Active Directory, Entra ID, LDAP).
    Directory,
    /// By an identity provider.
    Sso,
}

impl Inferred {
    /// All.
    pub const ALL: [Self; 3] = [Self::Local, Self::Directory, Self::Sso];

    /// Reads the `inferred_type` column.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|inferred| inferred.as_str() == text)
    }

    /// The `inferred_type` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Directory => "directory",
            Self::Sso => "sso",
        }
    }
}

/// A reason why an account that is enabled cannot sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blocked {
    /// Past its end, as the source itself says.
    Expired,
    /// Locked out for odd behaviour.
    Quarantined,
    /// Nobody has approved it yet.
    NotApproved,
}

impl Blocked {
    /// All.
    pub const ALL: [Self; 3] = [Self::Expired, Self::Quarantined, Self::NotApproved];

    /// Reads the `blocked` column.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|blocked| blocked.as_str() == text)
    }

    /// The word for people, for evidence and for the `blocked` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Quarantined => "quarantined",
            Self::NotApproved => "not approved",
        }
    }
}

/// What an API account may do, as far as rules look at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiAccess {
    /// Rights that reach far, as the source words them: `perm_command: full_access`, `perm_backup`, …
    pub wide_rights: Vec<&'static str>,
    /// May be used from some addresses only, where it is told.
    pub restricted: Option<bool>,
}

/// Group ids in which two tellings of one user's memberships differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MembershipConflict {
    /// Told by the user's record, not by the group.
    pub only_by_user: Vec<GroupId>,
    /// Told by the group, not by the user's record.
    pub only_by_group: Vec<GroupId>,
}

impl User {
    /// A user of whom only the id is known; the starting point of decoders and tests.
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
            created_at: ReportedDate::Not,
            locale: None,
            is_admin: None,
            mfa: None,
            expires_at: ReportedDate::Not,
            signs_in_by: None,
            inferred: None,
            passkeys: None,
            blocked: None,
            api: None,
            has_odd_values: false,
            conflict: None,
            unconfirmed_since: None,
            groups_confirmed: None,
            enabled_since: None,
            seen: None,
            extra: None,
        }
    }

    /// The best name for a person to read: username, else display name.
    pub fn name(&self) -> Option<&str> {
        self.username.as_deref().or(self.display_name.as_deref())
    }

    /// The e-mail address as two accounts' addresses are compared: without space around it, in lower case. `None` where there
    /// is none.
    pub fn address(&self) -> Option<Cow<'_, str>> {
        let reported = self.email_address.as_deref().map(str::trim).filter(|reported| !reported.is_empty())?;
        let as_it_is = reported.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
        Some(if as_it_is { Cow::Borrowed(reported) } else { Cow::Owned(reported.to_lowercase()) })
    }

    /// What keeps the account from signing in at this instant, beside `enabled`: what the source says, or the end of its
    /// validity.
    pub fn blocked_at(&self, as_of: Instant) -> Option<Blocked> {
        self.blocked.or_else(|| self.expires_at.at().filter(|end| *end <= as_of).map(|_| Blocked::Expired))
    }

    /// Returns whether the product itself knows the account's password: by the account's type in any case of letters (`local`,
    /// and `BeyondInsight`, as Password Safe calls it), or inferred where no type is reported.
    pub fn is_local(&self) -> bool {
        self.local() == Some(true)
    }

    /// Returns the same; `None` where neither the type nor anything to infer it from is reported.
    pub fn local(&self) -> Option<bool> {
        let word = |kind: &str| ["local", "beyondinsight"].iter().any(|word| kind.eq_ignore_ascii_case(word));
        let local = match (self.account_type.as_deref(), self.inferred) {
            (Some(kind), _) => word(kind),
            (None, Some(inferred)) => inferred == Inferred::Local,
            (None, None) => return None,
        };
        Some(local && !self.is_sso())
    }

    /// Whether the account signs in by an identity provider, by the account's type and by its last login: SAML, OIDC, SCIM,
    /// Entra ID, …
    pub fn is_sso(&self) -> bool {
        const WORDS: [&str; 8] = ["saml", "oidc", "openid", "scim", "sso", "oauth", "entra", "azure"];
        let reported =
            [&self.account_type, &self.signs_in_by].into_iter().flatten().map(|reported| reported.to_ascii_lowercase());
        self.inferred == Some(Inferred::Sso)
            || reported.into_iter().any(|reported| WORDS.iter().any(|word| reported.contains(word)))
    }

    /// Returns whether it is known by what the account signs in.
    pub fn is_typed(&self) -> bool {
        self.account_type.is_some() || self.inferred.is_some()
    }
}

/// One group of one source.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The source's own id.
    pub id: GroupId,
    /// Name.
    pub name: Option<Box<str>>,
    /// Description.
    pub description: Option<Box<str>>,
    /// Matches the configuration's `privileged_groups`; set by the join.
    pub privileged: bool,
    /// Every member is known. `None`: the connector leaves it to the join, which decides by the source's lists.
    pub members_known: Option<bool>,
    /// Members that are users of the snapshot; set by the join. `None`: unknown.
    pub member_count: Option<u64>,
    /// Members that stand for something outside (a directory group); set by the join. `None`: unknown.
    pub external_member_count: Option<u64>,
    /// Its members come from a directory, and need not all be known to the product.
    pub directory: bool,
    /// The newest run that knew every member; `None`: none did, or it was not held against what is known.
    pub members_confirmed: Option<Instant>,
    /// The runs that saw it first and read it last; `None` before it was held against what is known.
    pub seen: Option<SeenInterval>,
    /// Every other field that the source gave.
    pub extra: Option<Extra>,
}

/// What the ids of vendors begin with: they are groups with a numbering of their own, and their members are the list
/// [`ListKind::VendorUsers`].
pub const VENDOR: &str = "vendor:";

impl Group {
    /// Returns whether every member is known. Without it the counts are unknown, never 0.
    pub fn knows_members(&self) -> bool {
        self.members_known == Some(true)
    }

    /// A group of which only the id is known.
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
