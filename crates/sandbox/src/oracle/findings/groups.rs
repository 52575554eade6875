//! The rules about groups: users without a group, memberships of missing groups or of disabled users, empty groups, and
//! groups with unlisted members.

use super::super::cells::sort_key;
use super::super::inventory::{ExpectedAccount, MemberRef};
use super::{ExpectedFinding, OracleContext, about, finding};
use crate::surface::Surface;
use std::collections::{BTreeMap, BTreeSet, HashSet};

impl OracleContext<'_> {
    pub(super) fn no_group(&self, account: &ExpectedAccount) -> Option<ExpectedFinding> {
        // In Password Safe all permissions come from groups, so an account without one can do nothing.
        let severity = if self.expect.surface == Surface::PasswordSafe { "low" } else { "medium" };
        let lost = self.can_sign_in(account)
            && account.groups_known
            && account.api.is_none()
            && self.expect.groups_listed
            && account.groups.iter().all(|g| !self.exists(g));
        lost.then(|| finding("no-group", severity, account))
    }

    pub(super) fn disabled_in_group(&self, account: &ExpectedAccount) -> Option<ExpectedFinding> {
        if account.enabled != Some(false) && !self.blocked(account) {
            return None;
        }
        // Without the list of groups, no membership is known to dangle.
        let left = |id: &&String| self.exists(id) || !self.expect.groups_listed;
        let group_ids: Vec<String> = account.groups.iter().filter(left).cloned().collect();
        let severity = if self.in_a_privileged_group(account) { "medium" } else { "low" };
        (!group_ids.is_empty())
            .then(|| ExpectedFinding { group_ids, ..finding("disabled-in-group", severity, account) })
    }

    pub(super) fn dangling(&self, account: &ExpectedAccount) -> Option<ExpectedFinding> {
        if !self.expect.groups_listed || !account.groups_known {
            return None;
        }
        let group_ids: Vec<String> = account.groups.iter().filter(|id| !self.exists(id)).cloned().collect();
        (!group_ids.is_empty()).then(|| ExpectedFinding { group_ids, ..finding("dangling-group", "low", account) })
    }

    /// Finds empty groups, if every membership is known.
    pub(super) fn empty_groups(&self) -> Vec<ExpectedFinding> {
        let complete = self.inventory.members_complete || self.inventory.accounts.iter().all(|p| p.groups_known);
        if !self.expect.groups_listed || !complete {
            return Vec::new();
        }
        let with_members: HashSet<&str> = self.inventory.members.iter().map(|m| m.group.as_str()).collect();
        let hides = |id: &String| self.inventory.unread.contains(id) || self.inventory.directory.contains(id);
        let read = self.inventory.groups.iter().filter(|g| !hides(&g.id));
        let empty = read.filter(|g| !with_members.contains(g.id.as_str()));
        empty.map(|g| about("empty-group", "info", "group", &g.id)).collect()
    }

    /// Finds privileged groups with a listed member that was not in them in the baseline.
    pub(super) fn grown_groups(&self) -> Vec<ExpectedFinding> {
        let mut grown = BTreeSet::new();
        for account in self.inventory.accounts.iter().filter(|account| account.groups_known) {
            let privileged = account.groups.iter().filter(|id| self.groups.get(id.as_str()) == Some(&true));
            grown.extend(privileged.filter(|id| self.expect.earlier.is_new_member(id, &account.id) == Some(true)));
        }
        grown.into_iter().map(|group| about("privileged-growth", "medium", "group", group)).collect()
    }

    /// Finds groups whose member list names users who are not in the list of users.
    pub(super) fn groups_with_unlisted_members(&self) -> Vec<ExpectedFinding> {
        // A list of users that is not proven complete may lack them.
        if self.inventory.doubts_users {
            return Vec::new();
        }
        let mut missing: BTreeMap<&str, BTreeSet<(u64, String)>> = BTreeMap::new();
        for member in self.inventory.members.iter().filter(|m| self.exists(&m.group)) {
            if let MemberRef::Missing(id) = &member.member {
                missing.entry(&member.group).or_default().insert(sort_key(id));
            }
        }
        let found = |(group, ids): (&str, BTreeSet<(u64, String)>)| ExpectedFinding {
            user_ids: ids.into_iter().map(|(_, id)| id).collect(),
            ..about("dangling-group", "low", "group", group)
        };
        missing.into_iter().map(found).collect()
    }
}
