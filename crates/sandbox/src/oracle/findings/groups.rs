//! The rules about groups: who is in none, in one that is gone, in one although disabled; which group is empty, which names
//! people whom nobody knows.

use super::super::super::surface::Surface;
use super::super::cells::sort_key;
use super::super::people::{Person, Who};
use super::{ExpectedFinding, OracleContext, about, finding};
use std::collections::{BTreeMap, BTreeSet, HashSet};

impl OracleContext<'_> {
    pub(super) fn no_group(&self, person: &Person) -> Option<ExpectedFinding> {
        // Permissions come only from groups in Password Safe: nobody gets in without.
        let severity = if self.expect.surface == Surface::PasswordSafe { "low" } else { "medium" };
        let lost = self.open(person)
            && person.groups_known
            && person.api.is_none()
            && self.expect.groups_listed
            && person.groups.iter().all(|g| !self.exists(g));
        lost.then(|| finding("no-group", severity, person))
    }

    pub(super) fn disabled_in_group(&self, person: &Person) -> Option<ExpectedFinding> {
        if person.enabled != Some(false) && !self.blocked(person) {
            return None;
        }
        // Without the list of groups, no membership is known to lead nowhere.
        let left = |id: &&String| self.exists(id) || !self.expect.groups_listed;
        let group_ids: Vec<String> = person.groups.iter().filter(left).cloned().collect();
        let severity = if self.in_a_privileged_group(person) { "medium" } else { "low" };
        (!group_ids.is_empty()).then(|| ExpectedFinding { group_ids, ..finding("disabled-in-group", severity, person) })
    }

    pub(super) fn dangling(&self, person: &Person) -> Option<ExpectedFinding> {
        if !self.expect.groups_listed || !person.groups_known {
            return None;
        }
        let group_ids: Vec<String> = person.groups.iter().filter(|id| !self.exists(id)).cloned().collect();
        (!group_ids.is_empty()).then(|| ExpectedFinding { group_ids, ..finding("dangling-group", "low", person) })
    }

    /// Only where every membership is known.
    pub(super) fn empty_groups(&self) -> Vec<ExpectedFinding> {
        let whole = self.roster.members_whole || self.roster.people.iter().all(|p| p.groups_known);
        if !self.expect.groups_listed || !whole {
            return Vec::new();
        }
        let inhabited: HashSet<&str> = self.roster.members.iter().map(|m| m.group.as_str()).collect();
        let hides = |id: &String| self.roster.unread.contains(id) || self.roster.directory.contains(id);
        let read = self.roster.groups.iter().filter(|g| !hides(&g.id));
        let empty = read.filter(|g| !inhabited.contains(g.id.as_str()));
        empty.map(|g| about("empty-group", "info", "group", &g.id)).collect()
    }

    /// Privileged groups with a listed member whom the base did not have there.
    pub(super) fn grown_groups(&self) -> Vec<ExpectedFinding> {
        let mut grown = BTreeSet::new();
        for person in self.roster.people.iter().filter(|person| person.groups_known) {
            let privileged = person.groups.iter().filter(|id| self.groups.get(id.as_str()) == Some(&true));
            grown.extend(privileged.filter(|id| self.expect.earlier.came(id, &person.id) == Some(true)));
        }
        grown.into_iter().map(|group| about("privileged-growth", "medium", "group", group)).collect()
    }

    /// Groups whose member list names users who are not in the list of users.
    pub(super) fn groups_with_strangers(&self) -> Vec<ExpectedFinding> {
        let mut missing: BTreeMap<&str, BTreeSet<(u64, String)>> = BTreeMap::new();
        for member in self.roster.members.iter().filter(|m| self.exists(&m.group)) {
            if let Who::Missing(id) = &member.who {
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
