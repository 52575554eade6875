//! What one source gave in one run, and how far it can be trusted. Plain data.

use super::{Group, GroupId, SourceName, User, UserId};
use serde::{Deserialize, Serialize};

mod row;

use row::ListReportJson;

/// Which list of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListKind {
    /// All users.
    Users,
    /// The full records of users whom the list gave only in part.
    UserDetails,
    /// All groups.
    Groups,
    /// The members of every group.
    Members,
    /// The members of groups that a directory fills, where they are read in another way.
    DirectoryMembers,
    /// Where accounts come from.
    SecurityProviders,
    /// Groups of third parties.
    Vendors,
    /// The people of every such group.
    VendorUsers,
    /// Accounts that programs use.
    ApiAccounts,
}

impl ListKind {
    /// All.
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

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The word for it in the manifest, the log and the report.
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

    /// The words for people: `api accounts`.
    pub fn in_words(self) -> String {
        self.as_str().replace('-', " ")
    }

    /// The words of several, with commas.
    pub fn names(kinds: &[Self]) -> String {
        kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
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
    /// The coverage of this list; `NotOffered` if it is not among them.
    pub fn of_list(lists: &[ListReport], kind: ListKind) -> &Self {
        const NOT_OFFERED: &Coverage = &Coverage::NotOffered;
        lists.iter().find(|list| list.kind == kind).map_or(NOT_OFFERED, |list| &list.coverage)
    }

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

/// The lists that bring an account of this id: it is gone only where all of them are proven complete. `offers`: which lists
/// the source has at all; without third parties, ids are what they look like.
pub fn lists_of_user(id: &str, offers: impl Fn(ListKind) -> bool) -> &'static [ListKind] {
    if id.starts_with(VENDOR_USER) && offers(ListKind::Vendors) {
        &[ListKind::Vendors, ListKind::VendorUsers]
    } else if id.starts_with(API_ACCOUNT) && offers(ListKind::ApiAccounts) {
        &[ListKind::ApiAccounts]
    } else {
        &[ListKind::Users]
    }
}

/// The same of a group.
pub fn list_of_group(id: &str, offers: impl Fn(ListKind) -> bool) -> ListKind {
    if id.starts_with(super::VENDOR) && offers(ListKind::Vendors) { ListKind::Vendors } else { ListKind::Groups }
}

/// What the ids of the accounts of [`ListKind::VendorUsers`] begin with: they have a numbering of their own.
pub const VENDOR_USER: &str = "vendor-user:";
/// The same of [`ListKind::ApiAccounts`].
pub const API_ACCOUNT: &str = "api-account:";

/// How one list of one source was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ListReportJson", into = "ListReportJson")]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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

/// Whether a snapshot is all there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Completeness {
    /// Every list of every configured source was proven complete.
    Complete,
    /// Some list was not.
    Partial,
}

impl Completeness {
    /// `Complete` where everything was proven complete.
    pub fn of(is_complete: bool) -> Self {
        if is_complete { Self::Complete } else { Self::Partial }
    }

    /// The word for it in manifest, log and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
        }
    }
}

/// A membership that goes beyond what the records of the listed users tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    /// The group that is said to have the member.
    pub group_id: GroupId,
    /// Who or what it is.
    pub member: OutsideMember,
}

/// Who is in a group, beside the listed users who are directly in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutsideMember {
    /// A user whom the list of users does not hold.
    Missing(UserId),
    /// Something in a directory that is not expanded to users, by its name there.
    Directory(Box<str>),
    /// A listed user (whose `group_memberships` name the group too) who is in it by way of a group inside it.
    Nested {
        /// The user.
        user: UserId,
        /// Name of the group inside.
        through: Box<str>,
    },
}

/// Values of one field that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OddValue {
    /// List and field: `users.locale`.
    pub field: String,
    /// Rows that have such a value.
    pub count: u64,
    /// Id of one of them.
    pub example: Box<str>,
}

/// All that one source gave in one run. Never an error: a failure is coverage.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceReading {
    /// Who.
    pub source: SourceIdentity,
    /// Users, in any order, each id once.
    pub users: Vec<User>,
    /// Groups, in any order, each id once.
    pub groups: Vec<Group>,
    /// Memberships beyond those of the users' records, in any order, each once.
    pub outside: Vec<Outside>,
    /// How each list was read.
    pub lists: Vec<ListReport>,
    /// Server's clock minus ours, where its `Date` header told.
    pub clock_skew_seconds: Option<i64>,
    /// SHA-256 of the server's certificate, hex, on https.
    pub tls_certificate_sha256: Option<String>,
    /// The list of users may leave out inactive ones (Password Safe, older versions): a user who is not in it need not be gone.
    pub hides_inactive: bool,
    /// Values that could not be read, by field.
    pub odd_values: Vec<OddValue>,
    /// For people: what was odd.
    pub warnings: Vec<String>,
}

impl SourceReading {
    /// The coverage of a list; `NotOffered` if it was never read.
    pub fn coverage(&self, kind: ListKind) -> &Coverage {
        Coverage::of_list(&self.lists, kind)
    }

    /// Whether every membership of every group is known: the groups are proven complete, and so are their members where the
    /// source lists them by group.
    pub fn memberships_whole(&self) -> bool {
        let members = self.coverage(ListKind::Members);
        self.coverage(ListKind::Groups).is_complete() && (members.is_complete() || *members == Coverage::NotOffered)
    }

    /// Nothing but who the source is: what connectors fill.
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
        }
    }

    /// How the source was read, without what came.
    #[must_use]
    pub fn without_rows(&self) -> Self {
        let Self { lists, warnings, clock_skew_seconds, tls_certificate_sha256, hides_inactive, .. } = self;
        Self {
            lists: lists.clone(),
            warnings: warnings.clone(),
            clock_skew_seconds: *clock_skew_seconds,
            tls_certificate_sha256: tls_certificate_sha256.clone(),
            hides_inactive: *hides_inactive,
            ..Self::of(self.source.clone())
        }
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

    /// Why the source is not complete, in words; `None` when it is. Lists with one reason are named together.
    pub fn reason(&self) -> Option<String> {
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
    /// Creates the report of a list that was not asked for.
    pub fn unasked(kind: ListKind, coverage: Coverage) -> Self {
        let (query, expected) = (String::new(), None);
        Self { kind, query, expected, received: 0, distinct: 0, pages: 0, passes: 0, requests: 0, coverage }
    }
}

#[cfg(test)]
impl ListReport {
    /// One page of so many rows, read once: what tests begin with.
    pub(crate) fn of_rows(kind: ListKind, rows: u64, coverage: Coverage) -> Self {
        let (query, expected) = (String::new(), None);
        Self { kind, query, expected, received: rows, distinct: rows, pages: 1, passes: 1, requests: 1, coverage }
    }
}
