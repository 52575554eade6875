//! The nouns: user, group, membership, harvest, coverage, inventory, finding, change.
//! Plain data and the join. Knows no clock, disk, network, file format or rule.
//!
//! [`Coverage`] is the most important type here: absence of evidence is never evidence of absence.

use chrono::{DateTime, Utc};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

mod finding;
mod join;
mod pattern;

pub use finding::{
    Change, Finding, FindingStatus, Fingerprint, Outcome, Rule, Severity, Subject, SubjectKind, Verdict,
};
pub use join::{Inventory, Member, Membership, Roll};
pub use pattern::{Classes, Pattern};

/// One UTC instant, kept to the microsecond.
pub type Instant = DateTime<Utc>;

/// RFC 3339 in UTC, `2026-11-23T02:00:00Z`, with a fraction only where there is one and only as long as it is: the way in
/// which every file of a snapshot writes an instant.
pub fn instant_text(at: Instant) -> String {
    let text = at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let text = text.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.');
    format!("{text}Z")
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name($inner);
        impl $name {
            /// The id as the source wrote it.
            pub fn as_str(&self) -> &str { &self.0 }
        }
        impl<T: Into<$inner>> From<T> for $name {
            fn from(text: T) -> Self { Self(text.into()) }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Debug::fmt(&*self.0, f) }
        }
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering { compare_ids(&self.0, &other.0) }
        }
        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> { Some(self.cmp(other)) }
        }
    };
}

id_type! {
    /// A user's id within its source, as text. A username is never a key: it changes.
    UserId(Box<str>)
}
id_type! {
    /// A group's id within its source, as text; shared, because every member repeats it.
    GroupId(Arc<str>)
}
id_type! {
    /// The name that the configuration gives to a source.
    SourceName(Arc<str>)
}

/// Numbers by value and before all other text; other text by its bytes.
fn compare_ids(a: &str, b: &str) -> Ordering {
    // The common case, without reading any number: of two without leading zeros, the longer is the greater.
    if is_plain_number(a) && is_plain_number(b) {
        return a.len().cmp(&b.len()).then_with(|| a.cmp(b));
    }
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(x), Ok(y)) => x.cmp(&y).then_with(|| a.cmp(b)),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}

/// Digits that fit into 64 bits, without a leading zero.
fn is_plain_number(text: &str) -> bool {
    matches!(text.as_bytes(), [b'1'..=b'9', rest @ ..] if rest.len() < 19 && rest.iter().all(u8::is_ascii_digit))
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
pub enum Told {
    /// The instant, converted to UTC.
    At(Instant),
    /// Absent or null.
    Not,
    /// A sentinel or something that is not a date; kept as written.
    Unreadable(Box<str>),
}

impl Told {
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
    pub created_at: Told,
    /// Language.
    pub locale: Option<Arc<str>>,
    /// Administrator of the product, where told.
    pub is_admin: Option<bool>,
    /// Second factor present, where told.
    pub mfa: Option<bool>,
    /// End of the account's validity, where told.
    pub expires_at: Told,
    /// Every other field that the source gave, as a JSON object, secrets removed.
    pub extra: Option<Box<str>>,
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
            created_at: Told::Not,
            locale: None,
            is_admin: None,
            mfa: None,
            expires_at: Told::Not,
            extra: None,
        }
    }

    /// The best name for a person to read: username, else display name.
    pub fn name(&self) -> Option<&str> {
        self.username.as_deref().or(self.display_name.as_deref())
    }

    /// Whether the account is told to be of type `local` (in any case of letters).
    pub fn is_local(&self) -> bool {
        self.account_type.as_deref().is_some_and(|t| t.eq_ignore_ascii_case("local"))
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
    /// Members that are users of the snapshot; set by the join.
    pub member_count: u64,
    /// Members that stand for something outside (a directory group); set by the join.
    pub external_member_count: u64,
    /// Every other field that the source gave, as a JSON object.
    pub extra: Option<Box<str>>,
}

impl Group {
    /// A group of which only the id is known.
    pub fn new(id: impl Into<GroupId>) -> Self {
        Self {
            id: id.into(),
            name: None,
            description: None,
            privileged: false,
            member_count: 0,
            external_member_count: 0,
            extra: None,
        }
    }
}

/// Which list of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ListKind {
    /// All users.
    Users,
    /// The full records of users whom the list gave only in part.
    UserDetails,
    /// All groups.
    Groups,
}

impl ListKind {
    /// The word for it in the manifest, the log and the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::UserDetails => "user-details",
            Self::Groups => "groups",
        }
    }
}

/// Whether a list is all there is. Travels to rules, manifest, report and exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Proven complete; the proof in words.
    Complete {
        /// For example "total 2500 on each of 26 pages, every page met its neighbour".
        proof: String,
    },
    /// Rows came, but the proof failed.
    Drifted {
        /// What could not be proven.
        why: String,
    },
    /// The list broke off; rows so far are kept.
    Failed {
        /// What went wrong, with its cure where there is one.
        error: String,
    },
    /// The source has no such list.
    NotOffered,
}

impl Coverage {
    /// Proven complete.
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::Complete { .. })
    }

    /// `complete`, `drifted`, `failed` or `not-offered`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Complete { .. } => "complete",
            Self::Drifted { .. } => "drifted",
            Self::Failed { .. } => "failed",
            Self::NotOffered => "not-offered",
        }
    }

    /// The proof, the reason or the error, in words.
    pub fn words(&self) -> &str {
        match self {
            Self::Complete { proof } => proof,
            Self::Drifted { why } => why,
            Self::Failed { error } => error,
            Self::NotOffered => "the source does not offer this list",
        }
    }
}

/// How one list of one source was read.
#[derive(Clone, Debug, PartialEq)]
pub struct ListReport {
    /// Which list.
    pub kind: ListKind,
    /// Path and query of the first page, without secrets.
    pub query: String,
    /// The source's own total, where it told one.
    pub expected: Option<u64>,
    /// Rows that came, overlaps and re-reads included.
    pub received: u64,
    /// Different ids among them: the rows of the snapshot.
    pub distinct: u64,
    /// Pages that came.
    pub pages: u64,
    /// Readings that the proof took; 1 on a quiet source.
    pub passes: u64,
    /// HTTP requests, retries included.
    pub requests: u64,
    /// Whether it is all there is.
    pub coverage: Coverage,
}

/// Who a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceIdentity {
    /// Name from the configuration.
    pub name: SourceName,
    /// `rest-v3`, …
    pub kind: String,
    /// Base address.
    pub url: String,
    /// The API account that read it.
    pub client_id: String,
}

/// What a source came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceStatus {
    /// Every list that it offers is proven complete.
    Complete,
    /// The users came, but some list is not proven complete.
    Partial,
    /// The list of users failed.
    Failed,
}

impl SourceStatus {
    /// The word for it in manifest, log and report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Failed => "failed",
        }
    }
}

/// All that one source gave in one run. Never an error: a failure is coverage.
#[derive(Clone, Debug, PartialEq)]
pub struct Harvest {
    /// Who.
    pub source: SourceIdentity,
    /// Users, in any order, each id once.
    pub users: Vec<User>,
    /// Groups, in any order, each id once.
    pub groups: Vec<Group>,
    /// How each list was read.
    pub lists: Vec<ListReport>,
    /// Server's clock minus ours, where its `Date` header told.
    pub clock_skew_seconds: Option<i64>,
    /// SHA-256 of the server's certificate, hex, on https.
    pub tls_certificate_sha256: Option<String>,
    /// For people: what was odd.
    pub warnings: Vec<String>,
}

impl Harvest {
    /// The coverage of a list; `NotOffered` if it was never read.
    pub fn coverage(&self, kind: ListKind) -> &Coverage {
        const NOT_OFFERED: &Coverage = &Coverage::NotOffered;
        self.lists.iter().find(|l| l.kind == kind).map_or(NOT_OFFERED, |l| &l.coverage)
    }

    /// A source whose list of users failed has failed; one whose users came but another list did not is partial.
    pub fn status(&self) -> SourceStatus {
        match self.coverage(ListKind::Users) {
            Coverage::Failed { .. } | Coverage::NotOffered => SourceStatus::Failed,
            _ if self.lists.iter().all(|l| matches!(l.coverage, Coverage::Complete { .. } | Coverage::NotOffered)) => {
                SourceStatus::Complete
            }
            _ => SourceStatus::Partial,
        }
    }

    /// Why the source is not complete, in words; `None` when it is.
    pub fn reason(&self) -> Option<String> {
        let parts: Vec<String> = self
            .lists
            .iter()
            .filter(|l| !matches!(l.coverage, Coverage::Complete { .. } | Coverage::NotOffered))
            .map(|l| format!("{}: {}", l.kind.as_str(), l.coverage.words()))
            .collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}
