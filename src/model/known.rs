//! What is known of rows and sources from earlier runs. Plain data.
//!
//! `state` computes these values, the manifest and the tables of a snapshot store them. All instants are the `as_of` of
//! a run.

use super::{GroupId, Instant, ListKind, UserId};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// First and last run that read a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeenInterval {
    /// Value of the `first_seen` column.
    pub first: Instant,
    /// Value of the `confirmed_at` column.
    pub confirmed: Instant,
}

impl SeenInterval {
    /// Returns the interval of a row that only this run has read.
    pub fn at(instant: Instant) -> Self {
        Self { first: instant, confirmed: instant }
    }
}

/// Knowledge about one source besides its rows. It is stored in the manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSource {
    /// First run whose configuration contained the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<Instant>,
    /// First run in which every list was proven complete. Later runs emit changes relative to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_at: Option<Instant>,
    /// First run in which the user list was proven complete, inactive accounts included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared_since: Option<Instant>,
    /// Whether the newest run could compare users: an earlier run had proven the user list complete.
    #[serde(default, rename = "compared")]
    pub is_compared: bool,
    /// Newest run in which every list was proven complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<Instant>,
    /// Every list that the source ever offered, with the newest run in which it was proven complete.
    #[serde(default, rename = "lists_confirmed_at", skip_serializing_if = "BTreeMap::is_empty")]
    pub lists: BTreeMap<ListKind, Option<Instant>>,
    /// Number of users, groups and memberships that the newest run did not confirm.
    pub unconfirmed_rows: u64,
    /// Whether the user list may omit inactive accounts. A user who is missing from such a list may still exist.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hides_inactive: bool,
}

impl KnownSource {
    /// Returns the newest run in which a list was proven complete; `None` if there was none.
    pub fn proven_at(&self, list: ListKind) -> Option<Instant> {
        self.lists.get(&list).copied().flatten()
    }
}

/// Identity of a membership: the group and the member, whether or not they are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// Id of the group.
    pub group: &'a GroupId,
    /// Identity of the member.
    pub member: MemberIdentity<'a>,
}

/// Identity of a member of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemberIdentity<'a> {
    /// An account, by its id.
    User(&'a UserId),
    /// A member that exists only in a directory, by its name there.
    Directory(&'a str),
}

impl Pair<'_> {
    /// Compares two memberships in the sort order of the table of memberships.
    pub fn compare(&self, other: &Self) -> Ordering {
        self.group.cmp(other.group).then_with(|| self.member.cmp(&other.member))
    }
}
