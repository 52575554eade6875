//! What a check reads: the lists, the members of every group that no directory fills, up to a bound, and the groups of one directory
//! user where a run reads those.

use super::super::client::probed_rows;
use super::super::decode::{Id, Listed};
use super::super::named::Named;
use super::super::per_group::PerGroup;
use super::super::{Probe, ProbedList};
use super::directory::{GroupOrigin, kind_of};
use super::{GROUPS, GroupId, PasswordSafe, ReadingCost, UserId, evidence};
use crate::model::ListKind;
use crate::wire::RequestPlan;
use crate::wire::page::ListRow;
use std::collections::{BTreeMap, BTreeSet};

impl PasswordSafe {
    /// Reads the lists and what is below them, and computes what a run would cost.
    pub(super) async fn look(&self) -> Probe {
        let mut effort = ReadingCost::default();
        let (mut plan, mut notes) = (RequestPlan::default(), Vec::new());
        plan.add("a token, signing in and signing out", 3);
        let users = self.array::<UserId>(&self.users_path(), &mut effort).await;
        let mut lists = vec![probed_rows(ListKind::Users, users.as_ref().map(|rows| (&rows[..], None)))];
        if let Ok(users) = &users {
            let suspicion = evidence::is_round(users.len());
            notes.extend(suspicion.map(|why| format!("users: {why}, unless the members of groups support it")));
            let states = self.active(users, &mut effort).await;
            plan.add("users", if states == (None, None) { 2 } else { 3 });
            if let (_, Some(why)) = states {
                lists[0].page = Err(why);
            }
            let groups = self.array::<GroupId>(&self.groups_path(), &mut effort).await;
            lists.push(probed_rows(ListKind::Groups, groups.as_ref().map(|rows| (&rows[..], None))));
            plan.add("groups", 2);
            if let Ok(groups) = &groups {
                lists.extend(self.look_at_members(users, groups, &mut plan).await);
                let (more, said) = self.look_at_directory(users, groups, &mut plan).await;
                lists.extend(more);
                notes.extend(said);
            }
        }
        let whole = lists.iter().all(|list| list.page.is_ok());
        let skew = self.source_client.client.clock_skew_seconds();
        Probe { clock_skew_seconds: skew, plan: whole.then_some(plan), notes, ..Probe::of(lists) }
    }

    /// Reads the members of the groups that no directory fills. `None`: there is no such group.
    async fn look_at_members(&self, users: &[Listed], groups: &[Listed], plan: &mut RequestPlan) -> Option<ProbedList> {
        let own = groups.iter().filter(|group| group.is_identified() && kind_of(group) == GroupOrigin::LocalGroups);
        let own: Vec<Listed> = own.cloned().collect();
        let total = own.len() as u64;
        plan.add("members", total);
        let named = Named::in_one(own);
        let mut tally = PerGroup::of(ListKind::Members, GROUPS, named.ids()).without_total();
        let mut members = BTreeMap::new();
        self.members_of(named.ids().collect(), &mut members, &mut tally).await;
        // Among groups that were not read, a longer list may show that the server does not cut there.
        if let Some((group, why)) = evidence::cut_short(&members, users.len()).filter(|_| named.is_whole()) {
            tally.doubt(&group, why);
        }
        if tally.needs_list() {
            let listed = self.array::<GroupId>(&self.groups_path(), &mut ReadingCost::default()).await.ok();
            let listed = listed.map(|rows| rows.into_iter().map(|row| row.id).collect::<BTreeSet<Id>>());
            self.settle_members(listed.as_ref(), &mut members, &mut tally).await;
        }
        (total > 0).then(|| tally.probed(&named, Some(total)))
    }
}
