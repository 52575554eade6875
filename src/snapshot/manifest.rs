//! What a snapshot says of itself: origin, parameters, completeness, hashes, chain. Plain data.
//!
//! Format versions: 1 = first. Fields that came later and that a reader may pass over (absent where there is nothing to say):
//! `counts.statuses`, `confirmed_shrinks`.

use crate::model::{Harvest, ListReport};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version that this program writes.
pub const FORMAT_VERSION: u32 = 1;

/// `manifest.json`. Instants are RFC 3339 in UTC with `Z`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// See the module doc.
    pub format_version: u32,
    /// Start in UTC plus a few random characters; also the folder's name.
    pub run_id: String,
    /// What wrote it.
    pub tool: Tool,
    /// Host that ran it.
    pub host: String,
    /// Operating-system user that ran it.
    pub operator: String,
    /// The one instant that every age is computed from.
    pub as_of: String,
    /// Wall clock at the start.
    pub started_at: String,
    /// Wall clock when the tables were written.
    pub finished_at: String,
    /// `complete` or `partial`.
    pub completeness: String,
    /// One entry a source.
    pub sources: Vec<SourceEntry>,
    /// Every threshold and list in force, by configuration key.
    pub policy: BTreeMap<String, PolicyEntry>,
    /// SHA-256 of the configuration file as read.
    pub config_sha256: String,
    /// SHA-256 of the exceptions file as read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exceptions_sha256: Option<String>,
    /// The complete snapshot before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// Which rule ran over what, one entry a source and rule.
    pub rules: Vec<RuleEntry>,
    /// Every other file of the snapshot.
    pub files: Vec<FileEntry>,
    /// How much of everything.
    pub counts: Counts,
    /// Cells that the formula guard changed in the CSV files.
    pub guarded_cells: u64,
    /// For people.
    pub warnings: Vec<String>,
    /// What a guard objected to and somebody confirmed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confirmed_shrinks: Vec<ConfirmedShrink>,
}

impl Manifest {
    /// Whether every list of every source was proven complete.
    pub fn is_complete(&self) -> bool {
        self.completeness == "complete"
    }
}

/// A list that looked too small to be true, and that somebody confirmed with `--allow-shrink`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmedShrink {
    /// Source.
    pub source: String,
    /// `users`, `groups`, …
    pub list: String,
    /// Rows in the base, if the list was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Rows now.
    pub now: u64,
    /// Rows of before that are gone; of users also where others took their places.
    #[serde(default)]
    pub gone: u64,
    /// `max_shrink_percent` in force.
    pub limit_percent: u8,
    /// Operating-system user, and who became that user by sudo.
    pub by: String,
    /// Wall clock when it was accepted.
    pub at: String,
}

/// What a link of the chain needs of a manifest: there are thousands of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Header {
    /// Its run.
    pub run_id: String,
    /// `complete` or `partial`.
    pub completeness: String,
    /// The instant of all ages.
    pub as_of: String,
    /// The complete snapshot before it.
    #[serde(default)]
    pub base: Option<Base>,
}

/// Name and version of the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `bt-rollcall`.
    pub name: String,
    /// Semantic version.
    pub version: String,
}

/// One source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceEntry {
    /// Name from the configuration.
    pub name: String,
    /// `rest-v3`, …
    pub kind: String,
    /// Base address.
    pub url: String,
    /// API account.
    pub client_id: String,
    /// `complete`, `partial` or `failed`.
    pub status: String,
    /// Why it is not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How each list was read.
    pub lists: Vec<ListEntry>,
    /// Server's clock minus ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_skew_seconds: Option<i64>,
    /// SHA-256 of the server's certificate, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_certificate_sha256: Option<String>,
    /// The list of users may leave out inactive ones: a user who is not in it need not be gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hides_inactive: bool,
}

impl SourceEntry {
    /// What is said of a source that was read.
    pub fn of(harvest: &Harvest) -> Self {
        Self {
            name: harvest.source.name.to_string(),
            kind: harvest.source.kind.clone(),
            url: harvest.source.url.clone(),
            client_id: harvest.source.client_id.clone(),
            status: harvest.status().as_str().to_owned(),
            reason: harvest.reason(),
            lists: harvest.lists.iter().map(ListEntry::of).collect(),
            clock_skew_seconds: harvest.clock_skew_seconds,
            tls_certificate_sha256: harvest.tls_certificate_sha256.clone(),
            hides_inactive: harvest.hides_inactive,
        }
    }
}

/// One list of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListEntry {
    /// `users`, `groups`, …
    pub kind: String,
    /// Path and query of the first page.
    pub query: String,
    /// `complete`, `drifted`, `failed` or `not-offered`.
    pub coverage: String,
    /// The source's total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<u64>,
    /// Rows that came.
    pub received: u64,
    /// Different ids among them.
    pub distinct: u64,
    /// Pages that came.
    pub pages: u64,
    /// Readings that the proof took.
    pub passes: u64,
    /// HTTP requests, retries included.
    pub requests: u64,
    /// The proof, or what could not be proven.
    pub proof: String,
}

impl ListEntry {
    fn of(list: &ListReport) -> Self {
        Self {
            kind: list.kind.as_str().to_owned(),
            query: list.query.clone(),
            coverage: list.coverage.as_str().to_owned(),
            expected: list.expected,
            received: list.received,
            distinct: list.distinct,
            pages: list.pages,
            passes: list.passes,
            requests: list.requests,
            proof: list.coverage.words().to_owned(),
        }
    }
}

/// One setting of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyEntry {
    /// The value in force.
    pub value: serde_json::Value,
    /// `default`, `configuration` or a framework's name.
    pub from: String,
}

/// How one rule went over one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleEntry {
    /// Source.
    pub source: String,
    /// Rule id.
    pub rule: String,
    /// `judged`, `undetermined` or `off`.
    pub outcome: String,
    /// Subjects that it looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subjects: Option<u64>,
    /// Subjects for which the data did not suffice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undetermined: Option<u64>,
    /// What it lacked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A link of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Its run.
    pub run_id: String,
    /// SHA-256 of its manifest, hex.
    pub manifest_sha256: String,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Relative to the snapshot.
    pub path: String,
    /// Lower-case hex.
    pub sha256: String,
    /// Size.
    pub bytes: u64,
    /// Rows of a table, lines of `pages.jsonl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

/// Totals over all sources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows of `users`.
    pub users: u64,
    /// Rows of `groups`.
    pub groups: u64,
    /// Rows of `memberships`.
    pub memberships: u64,
    /// Findings that stand (new, open, reopened, excepted) by rule id.
    pub findings: BTreeMap<String, u64>,
    /// All rows of `findings` by status, resolved ones too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub statuses: BTreeMap<String, u64>,
    /// Changes by kind.
    pub changes: BTreeMap<String, u64>,
}
