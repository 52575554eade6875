//! Check of the list of groups against the records of groups.
//!
//! Some servers omit members from the list that `GET /Groups/{id}` returns. Records of a few groups are compared with
//! the list. If one record differs, the records of all groups are read.

use super::super::child_lists::{ChildLists, GROUP_MEMBERS};
use super::super::client::{is_absence, single_answer};
use super::super::decode::{Id, JsonRecord, Listed, RecordById};
use super::{Scim, ScimId, shapes};
use crate::model::{ListKind, ListReport, Pattern};
use crate::wire::{WireError, WireErrorKind};
use futures_util::stream::{self, StreamExt};
use std::collections::BTreeSet;

/// Members of groups, after the comparison with records.
#[derive(Default)]
pub(super) struct GroupMembers {
    /// Groups whose members are not all known.
    pub(super) unread: BTreeSet<Id>,
    /// Report of the members; `None` if no group reports members, neither in the list nor in its record.
    pub(super) report: Option<ListReport>,
}

/// Returns the positions of the groups whose records are compared: the first, the last, privileged ones, and those
/// without members in the list.
fn sample(groups: &[Listed], privileged: &[Pattern]) -> BTreeSet<usize> {
    let named = |group: &Listed| {
        let name = group.record.get_caseless("displayName").and_then(|name| name.as_str());
        privileged.iter().any(|pattern| pattern.matches(&group.id.to_text(), name))
    };
    // Without members in the list, the list may have omitted them. In a privileged group, a missing member would hide a
    // risk.
    let is_empty = |group: &Listed| shapes::members_of(group).is_none_or(|members| members.is_empty());
    let chosen = groups.iter().enumerate().filter(|(_, group)| named(group) || is_empty(group)).map(|(at, _)| at);
    chosen.chain([0, groups.len().saturating_sub(1)]).filter(|at| *at < groups.len()).collect()
}

impl Scim {
    /// Compares groups with their records and adds the members that the list omits. Removes groups that are no longer
    /// listed.
    pub(super) async fn confirm_members(&self, groups: &mut Vec<Listed>, page_size: u64) -> GroupMembers {
        let before = self.source_client.client.requests();
        let Some((tally, _)) = self.compared(groups, page_size).await else { return GroupMembers::default() };
        let query = format!("{}/Groups/{{id}}", self.base);
        let report = tally.report(query, self.source_client.client.requests() - before);
        GroupMembers { unread: tally.unknown(), report: Some(report) }
    }

    /// Compares groups with their records, and reads all records if one differs. Returns the outcome, and whether any
    /// record differs. `None` if no group reports members, neither in the list nor in its record.
    pub(super) async fn compared(&self, groups: &mut Vec<Listed>, page_size: u64) -> Option<(ChildLists, bool)> {
        let mut tally = ChildLists::of(ListKind::Members, GROUP_MEMBERS, groups.iter().map(|group| group.id.clone()))
            .without_total();
        let chosen = sample(groups, &self.privileged_groups);
        let differs = self.compare(groups, chosen.clone(), &mut tally).await;
        // A record that answers only on the second request counts like any other.
        let differs = self.retry_unread(groups, page_size, &mut tally).await || differs;
        if differs {
            let others = (0..groups.len()).filter(|at| !chosen.contains(at)).collect();
            self.compare(groups, others, &mut tally).await;
            self.retry_unread(groups, page_size, &mut tally).await;
        }
        let compared = tally.read_count();
        if !differs && compared > 0 {
            let rest: Vec<Id> = tally.untried().into_iter().collect();
            for group in groups.iter().filter(|group| rest.contains(&group.id)) {
                add_members(&mut tally, group);
            }
            tally.note(format!("the records of {compared} groups were compared with the list and agree"));
        }
        groups.retain(|group| !tally.removed().contains(&group.id));
        let reports = groups.iter().any(|group| shapes::members_of(group).is_some());
        (reports || tally.has_failed()).then_some((tally, differs))
    }

    /// Reads the records of the groups at these positions. Returns whether any record has other members than the list.
    async fn compare(&self, groups: &mut [Listed], places: BTreeSet<usize>, tally: &mut ChildLists) -> bool {
        let wanted: Vec<(usize, Id)> = places.into_iter().map(|at| (at, groups[at].id.clone())).collect();
        let mut answers = stream::iter(wanted)
            .map(|(at, id)| async move {
                let path = format!("{}/Groups/{}", self.base, id.in_path());
                let answer = self.source_client.client.get::<RecordById<ScimId>>(&path).await;
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
                    // A record without `members` does not mean an empty group: the members in the list are kept.
                    if own.is_some() {
                        groups[at].record.take_over(record.record);
                    }
                    add_members(tally, &groups[at]);
                }
                Err(error) => {
                    if tally.add_failure(&id, error) {
                        break;
                    }
                }
            }
            self.source_client.progress(ListKind::Members, tally.distinct(), None);
        }
        differs
    }

    /// Reads the list of groups again if records could not be read, and requests once more the records of groups still
    /// listed. Returns whether any of these has other members than the list.
    async fn retry_unread(&self, groups: &mut [Listed], page_size: u64, tally: &mut ChildLists) -> bool {
        if !tally.needs_list() {
            return false;
        }
        let (rows, report) = self.list(ListKind::Groups, "Groups", page_size).await;
        let named = report.coverage.is_complete().then(|| rows.into_iter().map(|row| row.id).collect());
        tally.remove_unlisted(named.as_ref());
        let absent = tally.absent();
        let places = (0..groups.len()).filter(|at| absent.contains(&groups[*at].id)).collect();
        self.compare(groups, places, tally).await
    }
}

/// Records the members of a group whose record and list are known. An unreadable member makes them unproven. The members
/// of a record are a set: one that is named twice counts once.
fn add_members(tally: &mut ChildLists, group: &Listed) {
    let members = shapes::members_of(group).unwrap_or_default();
    let rows: Vec<Listed> = members.into_iter().map(|id| Listed { id, record: JsonRecord::default() }).collect();
    tally.add(&group.id, single_answer(rows, None));
    if shapes::has_odd_member(group) {
        tally.mark_unproven(&group.id, "a member cannot be read".to_owned());
    }
}

/// Returns whether the error means that the provider does not offer a list at all (404, 410, 501).
pub(super) fn is_not_offered(error: &WireError) -> bool {
    is_absence(error) || matches!(error.kind, WireErrorKind::Status(501))
}
