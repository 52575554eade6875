//! What a world really contains, and whether a reported change really happened. Tests of incomplete readings share it.

use super::rig::{Row, as_of};
use bt_rollcall_sandbox::{Expect, Surface, World};
use std::collections::BTreeSet;

/// Ids of users and groups, and pairs of a group and a member.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    pub users: BTreeSet<String>,
    pub groups: BTreeSet<String>,
    pub pairs: BTreeSet<(String, String)>,
}

impl Truth {
    /// Returns what a world really contains, as an interface shows it.
    pub fn of(world: &World, surface: Surface) -> Self {
        let expected = world.expected(&Expect { surface, ..Expect::usual("sandbox", as_of()) });
        Self::of_tables(&expected.users, &expected.groups, &expected.memberships)
    }

    /// Reads ids and pairs from rows of the tables.
    pub fn of_tables(users: &[Row], groups: &[Row], memberships: &[Row]) -> Self {
        let ids = |rows: &[Row]| rows.iter().map(|row| row["id"].clone()).collect();
        let pairs = memberships.iter().filter(|row| !row["user_id"].is_empty());
        Self {
            users: ids(users),
            groups: ids(groups),
            pairs: pairs.map(|row| (row["group_id"].clone(), row["user_id"].clone())).collect(),
        }
    }
}

/// A reported change in words: the public name of its kind, and its cells.
#[derive(Clone, Copy, Debug)]
pub struct ReportedChange<'a> {
    pub kind: &'a str,
    pub subject: &'a str,
    pub field: &'a str,
    pub before: &'a str,
    pub after: &'a str,
}

/// Returns why a change did not happen between two states; `None` if it did.
pub fn untrue(change: ReportedChange<'_>, before: &Truth, after: &Truth) -> Option<String> {
    let ReportedChange { kind, subject, field, .. } = change;
    let pair = |group: &str| (group.to_owned(), subject.to_owned());
    let is_pair = field == "group_memberships";
    let holds = match kind {
        "user.removed" => before.users.contains(subject) && !after.users.contains(subject),
        "user.added" => !before.users.contains(subject) && after.users.contains(subject),
        "group.removed" => before.groups.contains(subject) && !after.groups.contains(subject),
        "group.added" => !before.groups.contains(subject) && after.groups.contains(subject),
        "membership.removed" if is_pair => {
            before.pairs.contains(&pair(change.before)) && !after.pairs.contains(&pair(change.before))
        }
        "membership.added" if is_pair => {
            !before.pairs.contains(&pair(change.after)) && after.pairs.contains(&pair(change.after))
        }
        _ => true,
    };
    (!holds).then(|| format!("{change:?}"))
}
