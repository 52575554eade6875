//! Evidence that a bare array is complete. Pure.
//!
//! Two readings must have the same ids. Some sizes are suspicious, because servers usually cut lists there. Such a list
//! needs further evidence, for example a longer list of the same server (trap F22 in docs/products.md#traps).

use super::{Id, Listed, MembersReading, RereadLists, ids};
use crate::model::Coverage;
use crate::wire::page::is_round_size;
use std::collections::{BTreeMap, BTreeSet};

/// Returns the coverage of users and of groups.
///
/// `doubts` are reasons why each is not proven already. `gone` is the number of members who do not exist as users.
pub(super) fn coverage(
    lists: &RereadLists,
    found: &MembersReading,
    doubts: (Option<String>, Option<String>),
    gone: usize,
) -> (Coverage, Coverage) {
    let users = doubts
        .0
        .or_else(|| lists.doubts.0.clone())
        .or_else(|| is_round(lists.users.len()).filter(|_| !members_support(&lists.users, &found.members, gone)));
    // A longer list from the same server shows that the server does not cut at this size.
    let groups = doubts
        .1
        .or_else(|| lists.doubts.1.clone())
        .or_else(|| is_round(lists.groups.len()).filter(|_| lists.users.len() <= lists.groups.len()));
    let others = match (found.members.is_empty(), gone) {
        (true, _) => String::new(),
        (_, 0) => "; memberships name no other".to_owned(),
        (_, 1) => "; 1 member id has no user record".to_owned(),
        (_, gone) => format!("; {gone} member ids have no user record"),
    };
    let proven = |rows: usize, doubt: Option<String>, more: &str| match doubt {
        Some(why) => Coverage::Drifted { why },
        None => Coverage::Complete {
            proof: format!("{rows} rows; a second reading at the end returned the same ids{more}"),
        },
    };
    (proven(lists.users.len(), users, &others), proven(lists.groups.len(), groups, ""))
}

/// Returns the group whose list of members may be cut, and why: the longest one, if its size is suspicious and the list
/// of users is not longer.
pub(super) fn cut_short(members: &BTreeMap<Id, Vec<Listed>>, users: usize) -> Option<(Id, String)> {
    let (group, rows) = members.iter().max_by_key(|(_, rows)| rows.len())?;
    let why = is_round(rows.len()).filter(|_| users <= rows.len())?;
    Some((group.clone(), why))
}

/// Returns whether the members of groups support the list of users: all of them are listed, and no group has the
/// suspicious size.
///
/// A few members without a user record are deleted users and do not weaken this. Many would be users who are missing
/// from the list.
fn members_support(users: &[Listed], members: &BTreeMap<Id, Vec<Listed>>, gone: usize) -> bool {
    let known = ids(users);
    let named: BTreeSet<&Id> = members.values().flatten().map(|row| &row.id).collect();
    let (inside, outside) = (named.intersection(&known).count(), named.difference(&known).count());
    // 20 to 1: at most one in twenty members may be a deleted user.
    inside > 0 && outside <= gone && outside * 20 <= inside && members.values().all(|rows| rows.len() != users.len())
}

/// Returns why a list of this size may be cut; `None` for any other size.
pub(super) fn is_round(rows: usize) -> Option<String> {
    is_round_size(rows as u64)
        .then(|| format!("exactly {rows} rows, no total and no other evidence: the list may have been cut there"))
}

#[cfg(test)]
mod tests {
    use super::super::super::decode::JsonRecord;
    use super::*;

    fn rows(ids: impl IntoIterator<Item = u64>) -> Vec<Listed> {
        ids.into_iter().map(|id| Listed { id: Id::Number(id), record: JsonRecord::default() }).collect()
    }

    fn members(sizes: &[u64]) -> BTreeMap<Id, Vec<Listed>> {
        sizes.iter().zip(1..).map(|(size, id)| (Id::Number(id), rows(1..=*size))).collect()
    }

    #[test]
    fn a_list_of_users_with_a_round_size_is_complete_if_members_support_it() {
        let support = |sizes: &[u64], gone| members_support(&rows(1..=200), &members(sizes), gone);
        assert!(support(&[3, 150], 0));
        assert!(!support(&[], 0), "nothing supports it");
        assert!(!support(&[3, 201], 0), "somebody is not in it");
        assert!(support(&[3, 201], 1), "somebody who was deleted");
        assert!(!support(&[3, 240], 40), "too many to have been deleted");
        assert!(!support(&[3, 200], 0), "a list that is cut at the same size");
    }

    #[test]
    fn only_sizes_at_which_servers_cut_are_suspicious() {
        assert!([100, 200, 250, 500, 1_000, 2_000, 5_000, 10_000].into_iter().all(|size| is_round(size).is_some()));
        assert!([0, 10, 99, 101, 150, 300, 400, 1_500].into_iter().all(|size| is_round(size).is_none()));
    }

    #[test]
    fn a_round_number_of_members_is_not_suspicious_if_another_list_is_longer() {
        assert_eq!(cut_short(&members(&[3, 100, 101]), 0), None);
        assert_eq!(cut_short(&members(&[3, 100]), 140), None);
        let (group, why) = cut_short(&members(&[3, 100, 50]), 100).unwrap();
        assert!(group == Id::Number(2) && why.contains("exactly 100 rows"), "{why}");
    }
}
