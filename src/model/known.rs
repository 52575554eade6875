//! What is remembered of rows and of sources from one run to the next. Plain data.

use super::{GroupId, Instant, ListKind, UserId};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The instants (`as_of`) of the runs that saw a row first and read it last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenInterval {
    /// The `first_seen` column.
    pub first: Instant,
    /// The `confirmed_at` column.
    pub confirmed: Instant,
}

impl SeenInterval {
    /// Seen first and last in this run.
    pub fn at(instant: Instant) -> Self {
        Self { first: instant, confirmed: instant }
    }
}

/// What is known of one source beside its rows. Instants are those of runs (`as_of`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSource {
    /// The first run that was to read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<Instant>,
    /// The first run in which every list was proven complete. Changes are told from the next one on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_at: Option<Instant>,
    /// The first run in which the users were proven complete, inactive ones among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared_since: Option<Instant>,
    /// Whether the newest run could say what changed: the users were proven complete before it.
    #[serde(default, rename = "compared")]
    pub is_compared: bool,
    /// The newest run in which every list was proven complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<Instant>,
    /// Every list that it ever had, and the newest run in which it was proven complete.
    #[serde(default, rename = "lists_confirmed_at", skip_serializing_if = "BTreeMap::is_empty")]
    pub lists: BTreeMap<ListKind, Option<Instant>>,
    /// Users, groups and memberships that the newest run did not confirm.
    pub unconfirmed_rows: u64,
    /// The list of users may leave out inactive ones: a user who was not in it need not have been missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hides_inactive: bool,
}

impl KnownSource {
    /// The newest run in which a list was proven complete; `None` where it never was.
    pub fn proven_at(&self, list: ListKind) -> Option<Instant> {
        self.lists.get(&list).copied().flatten()
    }
}

/// A group and who is in it, listed or not: the identity of a membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// The group.
    pub group: &'a GroupId,
    /// Who.
    pub member: MemberIdentity<'a>,
}

/// Who is in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemberIdentity<'a> {
    /// A user.
    User(&'a UserId),
    /// Something in a directory, by its name there.
    Directory(&'a str),
}

impl Pair<'_> {
    /// The order of the table of memberships.
    pub fn compare(&self, other: &Self) -> Ordering {
        self.group.cmp(other.group).then_with(|| self.member.cmp(&other.member))
    }
}
