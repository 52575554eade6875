//! Requests of `check --online`: the lists, and the members of groups that the product fills, up to a bound. If a run
//! reads the groups of directory users, the check reads those of one user.

use super::super::child_lists::{ChildLists, GROUP_MEMBERS};
use super::super::client::probed;
use super::super::decode::{Id, Listed};
use super::super::object_sample::ObjectSample;
use super::super::{Probe, ProbedList};
use super::classify::{GroupOrigin, origin_of};
use super::{BareArray, GroupId, PasswordSafe, ReadingCost, UserId, evidence};
use crate::model::ListKind;
use crate::wire::page::ListRow;
use crate::wire::{RequestPlan, WireError};
use std::collections::{BTreeMap, BTreeSet};

impl PasswordSafe {
    /// Reads the lists and the lists below them, and estimates the requests of a run.
    pub(super) async fn probe_lists(&self) -> Probe {
        let mut cost = ReadingCost::default();
        let (mut plan, mut notes) = (RequestPlan::default(), Vec::new());
        plan.add("a token, signing in and signing out", 3);
        let users = self.array::<UserId>(&self.users_path(), &mut cost).await;
        let rows = users.as_ref().map_or(&[][..], |array| &array.rows[..]);
        let mut lists = vec![probed_array(ListKind::Users, users.as_ref()).named(rows, "UserName")];
        if let Ok(BareArray { rows: users, .. }) = &users {
            let suspicion = evidence::is_round(users.len());
            notes.extend(
                suspicion.map(|why| format!("users: {why}; a run can still prove the list by the members of groups")),
            );
            let states = self.active(users, &mut cost).await;
            plan.add("users", if states == (None, None) { 2 } else { 3 });
            if let (_, Some(why)) = states {
                lists[0].page = Err(why);
            }
            let groups = self.array::<GroupId>(&self.groups_path(), &mut cost).await;
            let rows = groups.as_ref().map_or(&[][..], |array| &array.rows[..]);
            lists.push(probed_array(ListKind::Groups, groups.as_ref()).named(rows, "Name"));
            plan.add("groups", 2);
            if let Ok(BareArray { rows: groups, .. }) = &groups {
                lists.extend(self.probe_members(users, groups, &mut plan).await);
                let (more, remarks) = self.probe_directory(users, groups, &mut plan).await;
                lists.extend(more);
                notes.extend(remarks);
            }
        }
        let whole = lists.iter().all(|list| list.page.is_ok());
        let skew = self.source_client.client.clock_skew_seconds();
        Probe { clock_skew_seconds: skew, plan: whole.then_some(plan), notes, ..Probe::of(lists) }
    }

    /// Reads the members of groups that the product itself fills; `None` if there is no such group.
    async fn probe_members(&self, users: &[Listed], groups: &[Listed], plan: &mut RequestPlan) -> Option<ProbedList> {
        let own = groups.iter().filter(|group| group.is_identified() && origin_of(group) == GroupOrigin::Local);
        let own: Vec<Listed> = own.cloned().collect();
        let total = own.len() as u64;
        plan.add("members", total);
        let named = ObjectSample::single_answer(own);
        let mut tally = ChildLists::of(ListKind::Members, GROUP_MEMBERS, named.ids()).without_total();
        let mut members = BTreeMap::new();
        self.members_of(named.ids().collect(), &mut members, &mut tally).await;
        // Only with all groups: one that was not read may be longer, and show that the server does not cut at this
        // size.
        if let Some((group, why)) = evidence::cut_short(&members, users.len()).filter(|_| named.is_whole()) {
            tally.mark_unproven(&group, why);
        }
        if tally.needs_list() {
            let listed = self.array::<GroupId>(&self.groups_path(), &mut ReadingCost::default()).await.ok();
            let listed = listed.map(|array| array.rows.into_iter().map(|row| row.id).collect::<BTreeSet<Id>>());
            self.retry_absent(listed.as_ref(), &mut members, &mut tally).await;
        }
        (total > 0).then(|| tally.probed(&named, Some(total)))
    }
}

/// Returns the probe result of a bare array.
pub(super) fn probed_array(kind: ListKind, array: Result<&BareArray, &WireError>) -> ProbedList {
    let probed = probed(kind, array.map(|array| (array.rows.len() as u64, None)));
    match array.ok().and_then(|array| array.doubt.clone()) {
        Some(why) => ProbedList { page: Err(why), ..probed },
        None => probed,
    }
}
