//! Whether the list of groups gives all members: some servers leave members out of lists that `GET /Groups/{id}` has. The records of
//! a few groups are compared with the list, and where one differs, the records of all are read.

use super::super::client::{in_one, is_absence};
use super::super::decode::{Id, JsonRecord, Listed, One};
use super::super::per_group::{Nouns, PerGroup};
use super::{Scim, ScimId, shapes};
use crate::model::{ListKind, ListReport, Pattern};
use crate::wire::{WireError, WireErrorKind};
use futures_util::stream::{self, StreamExt};
use std::collections::BTreeSet;

const GROUPS: Nouns = Nouns { rows: "members", one: "group", many: "groups" };

/// What the records of groups showed.
#[derive(Default)]
pub(super) struct GroupMembers {
    /// Groups whose members are not known.
    pub(super) unread: BTreeSet<Id>,
    /// `None`: no group reports members, in the list or in its record.
    pub(super) report: Option<ListReport>,
}

/// Returns the places of the groups whose records are compared: the first, the last, the privileged ones, and those without
/// members in the list.
fn sample(groups: &[Listed], privileged: &[Pattern]) -> BTreeSet<usize> {
    let named = |group: &Listed| {
        let name = group.record.get_caseless("displayName").and_then(|name| name.as_str());
        privileged.iter().any(|pattern| pattern.matches(&group.id.to_text(), name))
    };
    let is_empty = |group: &Listed| shapes::members_of(group).is_none_or(|members| members.is_empty());
    let chosen = groups.iter().enumerate().filter(|(_, group)| named(group) || is_empty(group)).map(|(at, _)| at);
    chosen.chain([0, groups.len().saturating_sub(1)]).filter(|at| *at < groups.len()).collect()
}

impl Scim {
    /// Compares groups with their own records, and takes from the records what the list leaves out. Groups that the list does not
    /// name any more are removed.
    pub(super) async fn confirm_members(&self, groups: &mut Vec<Listed>, page_size: u64) -> GroupMembers {
        let before = self.source_client.client.requests();
        let Some((tally, _)) = self.compared(groups, page_size).await else { return GroupMembers::default() };
        let query = format!("{}/Groups/{{id}}", self.base);
        let report = tally.report(query, self.source_client.client.requests() - before);
        GroupMembers { unread: tally.unknown(), report: Some(report) }
    }

    /// Compares groups with their own records, and reads the records of all where one differs. Returns how it went, and whether one
    /// differs. `None`: no group reports members, in the list or in its record.
    pub(super) async fn compared(&self, groups: &mut Vec<Listed>, page_size: u64) -> Option<(PerGroup, bool)> {
        let mut tally =
            PerGroup::of(ListKind::Members, GROUPS, groups.iter().map(|group| group.id.clone())).without_total();
        let chosen = sample(groups, &self.privileged_groups);
        let differs = self.compare(groups, chosen.clone(), &mut tally).await;
        // A record that only answers when it is asked for again counts as much as one that answered at once.
        let differs = self.settle(groups, page_size, &mut tally).await || differs;
        if differs {
            let others = (0..groups.len()).filter(|at| !chosen.contains(at)).collect();
            self.compare(groups, others, &mut tally).await;
            self.settle(groups, page_size, &mut tally).await;
        }
        let compared = tally.read_count();
        if !differs && compared > 0 {
            let rest: Vec<Id> = tally.untried().into_iter().collect();
            for group in groups.iter().filter(|group| rest.contains(&group.id)) {
                take_members(&mut tally, group);
            }
            tally.note(format!("the records of {compared} groups were compared with the list and agree"));
        }
        groups.retain(|group| !tally.removed().contains(&group.id));
        let reports = groups.iter().any(|group| shapes::members_of(group).is_some());
        (reports || tally.has_failed()).then_some((tally, differs))
    }

    /// Reads the records of these groups. Returns whether one has other members than the list shows.
    async fn compare(&self, groups: &mut [Listed], places: BTreeSet<usize>, tally: &mut PerGroup) -> bool {
        let wanted: Vec<(usize, Id)> = places.into_iter().map(|at| (at, groups[at].id.clone())).collect();
        let mut answers = stream::iter(wanted)
            .map(|(at, id)| async move {
                let path = format!("{}/Groups/{}", self.base, id.in_path());
                let answer = self.source_client.client.get::<One<ScimId>>(&path).await;
                (at, id, answer.map(|record| record.row))
            })
            .buffer_unordered(self.source_client.walk.concurrency);
        let mut differs = false;
        while let Some((at, id, answer)) = answers.next().await {
            match answer {
                Ok(record) => {
                    let own = shapes::members_of(&record);
                    let shown = shapes::members_of(&groups[at]).unwrap_or_default();
                    differs |= own.as_ref().is_some_and(|own| *own != shown) || (own.is_none() && !shown.is_empty());
                    if own.is_some() {
                        groups[at].record.take_over(record.record);
                    }
                    take_members(tally, &groups[at]);
                }
                Err(error) => {
                    if tally.failed(&id, error) {
                        break;
                    }
                }
            }
            self.source_client.progress(ListKind::Members, tally.distinct(), None);
        }
        differs
    }

    /// Holds groups whose records could not be read against the list, read again; asks once more for those that it still names.
    /// Returns whether one of these has other members than the list shows.
    async fn settle(&self, groups: &mut [Listed], page_size: u64, tally: &mut PerGroup) -> bool {
        if !tally.needs_list() {
            return false;
        }
        let (rows, report) = self.list(ListKind::Groups, "Groups", page_size).await;
        let named = report.coverage.is_complete().then(|| rows.into_iter().map(|row| row.id).collect());
        tally.settle(named.as_ref());
        let absent = tally.absent();
        let places = (0..groups.len()).filter(|at| absent.contains(&groups[*at].id)).collect();
        self.compare(groups, places, tally).await
    }
}

/// Takes the members of a group whose record and list are known. One that cannot be understood leaves them unproven.
fn take_members(tally: &mut PerGroup, group: &Listed) {
    let members = shapes::members_of(group).unwrap_or_default();
    let rows: Vec<Listed> = members.into_iter().map(|id| Listed { id, record: JsonRecord::default() }).collect();
    tally.take(&group.id, in_one(rows, None));
    if shapes::has_odd_member(group) {
        tally.doubt(&group.id, "a member cannot be understood".to_owned());
    }
}

/// Returns whether a provider says by this error that it does not have a list at all.
pub(super) fn is_not_offered(error: &WireError) -> bool {
    is_absence(error) || matches!(error.kind, WireErrorKind::Status(501))
}
