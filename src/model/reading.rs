//! The reading of one source in one run, and the coverage of its lists. Plain data.
//!
//! Connectors fill a [`SourceReading`]; the join, the rules, the manifest and the report read it. A failure to read is
//! never an error here: it is the [`Coverage`] of a list.

use super::{Group, GroupId, SourceName, Text, User, UserId};
use serde::{Deserialize, Serialize};

mod row;

use row::ListReportJson;

/// Kind of list that a source offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListKind {
    /// All accounts of the source.
    Users,
    /// Full records of accounts, for user lists that report only some fields.
    UserDetails,
    /// All groups of the source.
    Groups,
    /// Members of every group.
    Members,
    /// Members of groups that a directory fills, if a separate request reads them.
    DirectoryMembers,
    /// Security providers, which are the places where accounts are kept.
    SecurityProviders,
    /// Vendors, which are groups of third-party accounts.
    Vendors,
    /// Accounts of every vendor.
    VendorUsers,
    /// API accounts, which programs use.
    ApiAccounts,
}

impl ListKind {
    /// Every kind of list.
    pub const ALL: [Self; 9] = [
        Self::Users,
        Self::UserDetails,
        Self::Groups,
        Self::Members,
        Self::DirectoryMembers,
        Self::SecurityProviders,
        Self::Vendors,
        Self::VendorUsers,
        Self::ApiAccounts,
    ];

    /// Parses the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Returns the word for the list in the manifest, the log and the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::UserDetails => "user-details",
            Self::Groups => "groups",
            Self::Members => "members",
            Self::DirectoryMembers => "directory-members",
            Self::SecurityProviders => "security-providers",
            Self::Vendors => "vendors",
            Self::VendorUsers => "vendor-users",
            Self::ApiAccounts => "api-accounts",
        }
    }

    /// Returns the words for the list in a sentence: `api accounts`.
    pub fn in_words(self) -> String {
        self.as_str().replace('-', " ")
    }

    /// Returns the words for several lists, separated by commas.
    pub fn names(kinds: &[Self]) -> String {
        kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// Knowledge about the completeness of a list. It decides over rules, the manifest, the report and the exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// The list is proven complete.
    Complete {
        /// The proof in words, for example "total 2500 on each of 26 pages".
        proof: String,
    },
    /// The list was read to the end, but the proof failed.
    Drifted {
        /// The property that could not be proven, in words.
        why: String,
    },
    /// Reading the list failed. The rows read before the failure are kept.
    Failed {
        /// What went wrong, with a cure if there is one.
        error: String,
    },
    /// The source does not offer the list.
    NotOffered,
}

impl Coverage {
    /// Returns the coverage of a list; `NotOffered` if `lists` does not contain it.
    pub fn of_list(lists: &[ListReport], kind: ListKind) -> &Self {
        const NOT_OFFERED: &Coverage = &Coverage::NotOffered;
        lists.iter().find(|list| list.kind == kind).map_or(NOT_OFFERED, |list| &list.coverage)
    }

    /// Returns whether the list is proven complete.
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::Complete { .. })
    }

    /// Returns `complete`, `drifted`, `failed` or `not-offered`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Complete { .. } => "complete",
            Self::Drifted { .. } => "drifted",
            Self::Failed { .. } => "failed",
            Self::NotOffered => "not-offered",
        }
    }

    /// Returns the proof, the reason or the error in words.
    pub fn words(&self) -> &str {
        match self {
            Self::Complete { proof } => proof,
            Self::Drifted { why } => why,
            Self::Failed { error } => error,
            Self::NotOffered => "the source does not offer this list",
        }
    }
}

/// Returns the lists that contain the account with this id. Only if all of them are proven complete, a missing account
/// was removed.
///
/// `offers` says whether the source offers a list. A source without vendors may use any id, so that the prefix means
/// nothing there.
pub fn lists_of_user(id: &str, offers: impl Fn(ListKind) -> bool) -> &'static [ListKind] {
    if id.starts_with(VENDOR_USER) && offers(ListKind::Vendors) {
        &[ListKind::Vendors, ListKind::VendorUsers]
    } else if id.starts_with(API_ACCOUNT) && offers(ListKind::ApiAccounts) {
        &[ListKind::ApiAccounts]
    } else {
        &[ListKind::Users]
    }
}

/// Returns the list that contains the group with this id; see [`lists_of_user`].
pub fn list_of_group(id: &str, offers: impl Fn(ListKind) -> bool) -> ListKind {
    if id.starts_with(super::VENDOR) && offers(ListKind::Vendors) { ListKind::Vendors } else { ListKind::Groups }
}

/// Prefix of the ids of accounts in [`ListKind::VendorUsers`], which the product numbers separately.
pub const VENDOR_USER: &str = "vendor-user:";
/// Prefix of the ids of accounts in [`ListKind::ApiAccounts`], which the product numbers separately.
pub const API_ACCOUNT: &str = "api-account:";

/// Beginning of the error of every list of a source that a guard set aside.
pub const SET_ASIDE: &str = "set aside by a guard";

/// How one list of one source was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ListReportJson", into = "ListReportJson")]
pub struct ListReport {
    /// Kind of list.
    pub kind: ListKind,
    /// Path and query of the first page, without secrets.
    pub query: String,
    /// Total that the source reports; `None` if it reports none.
    pub expected: Option<u64>,
    /// Number of received rows, including overlaps and repeated reads.
    pub received: u64,
    /// Number of distinct ids among them, which is the number of rows in the snapshot.
    pub distinct: u64,
    /// Number of received pages.
    pub pages: u64,
    /// Number of times the list was read until the proof succeeded; 1 on a quiet source.
    pub passes: u64,
    /// Number of HTTP requests, retries included.
    pub requests: u64,
    /// Completeness of the list.
    pub coverage: Coverage,
}

/// Identity of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceIdentity {
    /// Name from the configuration.
    pub name: SourceName,
    /// Kind from the configuration: `rest-v3`, …
    pub kind: String,
    /// Base URL of its API.
    pub url: String,
    /// Client id of the API account that read the source.
    pub client_id: String,
}

impl SourceIdentity {
    /// Returns the host of the address, without its port.
    pub fn host(&self) -> &str {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        match host.rfind(']') {
            // RFC 3986 §3.2.2: an IPv6 address is enclosed in brackets.
            Some(end) => &host[..=end],
            None => host.split(':').next().unwrap_or_default(),
        }
    }
}

/// Status of a source after it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceStatus {
    /// Every list that the source offers is proven complete.
    Complete,
    /// The users were read, but at least one list is not proven complete.
    Partial,
    /// Reading the user list failed.
    Failed,
}

impl SourceStatus {
    /// Returns the word for the status in the manifest, the log and the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Failed => "failed",
        }
    }
}

/// Completeness of a whole snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Completeness {
    /// Every list of every configured source is proven complete.
    Complete,
    /// At least one list is not proven complete.
    Partial,
}

impl Completeness {
    /// Returns `Complete` if everything is proven complete, otherwise `Partial`.
    pub fn of(is_complete: bool) -> Self {
        if is_complete { Self::Complete } else { Self::Partial }
    }

    /// Returns the word for it in the manifest, the log and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
        }
    }
}

/// A membership that the records of the listed users do not contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    /// Id of the group that reportedly has the member.
    pub group_id: GroupId,
    /// Member that the records lack.
    pub member: OutsideMember,
}

/// A member of a group, other than a listed user who is directly in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutsideMember {
    /// A user who is not in the user list.
    Missing(UserId),
    /// A directory member that is not expanded to users, by its name in the directory.
    Directory(Text),
    /// A listed user who is in the group through a nested group. The user's `group_memberships` contain the group too.
    Nested {
        /// Id of the user.
        user: UserId,
        /// Name of the nested group.
        through: Text,
    },
}

/// Unreadable values of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OddValue {
    /// List and field, for example `users.locale`.
    pub field: String,
    /// Number of rows with such a value.
    pub count: u64,
    /// Id of one of these rows.
    pub example: Text,
}

/// Everything that one source returned in one run. Failures are part of it, as the coverage of lists.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceReading {
    /// Identity of the source.
    pub source: SourceIdentity,
    /// Accounts with distinct ids, in any order.
    pub users: Vec<User>,
    /// Groups with distinct ids, in any order.
    pub groups: Vec<Group>,
    /// Distinct memberships that the users' records do not contain, in any order.
    pub outside: Vec<Outside>,
    /// How each list was read.
    pub lists: Vec<ListReport>,
    /// Server time minus local time in seconds; `None` without a `Date` header.
    pub clock_skew_seconds: Option<i64>,
    /// SHA-256 of the server's certificate in hex; `None` without TLS.
    pub tls_certificate_sha256: Option<String>,
    /// Whether the user list may omit inactive accounts (older versions of Password Safe). A missing user may then
    /// still exist.
    pub hides_inactive: bool,
    /// Unreadable values by field.
    pub odd_values: Vec<OddValue>,
    /// What somebody has to act on, for people.
    pub warnings: Vec<String>,
    /// Facts that need no action: constant facts of the product, and what the run did about a configured setting.
    pub notes: Vec<String>,
}

impl SourceReading {
    /// Returns the coverage of a list; `NotOffered` if it was never read.
    pub fn coverage(&self, kind: ListKind) -> &Coverage {
        Coverage::of_list(&self.lists, kind)
    }

    /// Returns whether every membership of every group is known.
    ///
    /// The group list must be proven complete, and so must the member lists if the source offers them.
    pub fn memberships_complete(&self) -> bool {
        let members = self.coverage(ListKind::Members);
        self.coverage(ListKind::Groups).is_complete() && (members.is_complete() || *members == Coverage::NotOffered)
    }

    /// Creates an empty reading of this source, which a connector fills.
    pub fn of(source: SourceIdentity) -> Self {
        Self {
            source,
            users: Vec::new(),
            groups: Vec::new(),
            outside: Vec::new(),
            lists: Vec::new(),
            clock_skew_seconds: None,
            tls_certificate_sha256: None,
            hides_inactive: false,
            odd_values: Vec::new(),
            warnings: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Copies how the source was read, without its rows.
    #[must_use]
    pub fn without_rows(&self) -> Self {
        let Self { lists, warnings, notes, clock_skew_seconds, tls_certificate_sha256, hides_inactive, .. } = self;
        Self {
            lists: lists.clone(),
            warnings: warnings.clone(),
            notes: notes.clone(),
            clock_skew_seconds: *clock_skew_seconds,
            tls_certificate_sha256: tls_certificate_sha256.clone(),
            hides_inactive: *hides_inactive,
            ..Self::of(self.source.clone())
        }
    }

    /// Returns the status of the source: failed if the user list failed, partial if another list is not proven
    /// complete.
    pub fn status(&self) -> SourceStatus {
        match self.coverage(ListKind::Users) {
            Coverage::Failed { .. } | Coverage::NotOffered => SourceStatus::Failed,
            // A list that the source does not offer is no gap.
            _ if self.lists.iter().all(|l| matches!(l.coverage, Coverage::Complete { .. } | Coverage::NotOffered)) => {
                SourceStatus::Complete
            }
            _ => SourceStatus::Partial,
        }
    }

    /// Returns why the source is not complete, in words; `None` if it is. Lists with the same reason are named
    /// together.
    pub fn reason(&self) -> Option<String> {
        // A source that the run skips has an empty reading.
        if self.lists.is_empty() {
            return Some("not read in this run".to_owned());
        }
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        for list in &self.lists {
            if matches!(list.coverage, Coverage::Complete { .. } | Coverage::NotOffered) {
                continue;
            }
            let why = list.coverage.words();
            match reasons.iter_mut().find(|(known, _)| *known == why) {
                Some((_, kinds)) => kinds.push(list.kind.as_str()),
                None => reasons.push((why, vec![list.kind.as_str()])),
            }
        }
        let parts: Vec<String> = reasons.iter().map(|(why, kinds)| format!("{}: {why}", kinds.join(", "))).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

impl ListReport {
    /// Creates the report of a list that was not requested.
    pub fn unasked(kind: ListKind, coverage: Coverage) -> Self {
        let (query, expected) = (String::new(), None);
        Self { kind, query, expected, received: 0, distinct: 0, pages: 0, passes: 0, requests: 0, coverage }
    }
}

#[cfg(test)]
impl ListReport {
    /// Creates the report of a list that was read once, on one page with this many rows.
    pub(crate) fn of_rows(kind: ListKind, rows: u64, coverage: Coverage) -> Self {
        let (query, expected) = (String::new(), None);
        Self { kind, query, expected, received: rows, distinct: rows, pages: 1, passes: 1, requests: 1, coverage }
    }
}
