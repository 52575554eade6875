//! Where absence proves something: which lists were proven complete on both sides. An account or a group belongs to the list
//! that brings it, so that a list of third parties that failed silences nothing else.

use super::find;
use crate::model::{Coverage, Group, GroupId, Harvest, ListKind, Roll, UserId, list_of_group, lists_of_user};

/// What two tellings of one source prove together.
#[derive(Clone, Copy)]
pub(super) struct Proof<'a> {
    before: &'a Roll,
    after: &'a Roll,
}

impl<'a> Proof<'a> {
    pub(super) fn of(before: &'a Roll, after: &'a Roll) -> Self {
        Self { before, after }
    }

    /// Whether an account that one side lacks was not there.
    pub(super) fn of_user(self, id: &UserId) -> bool {
        let lists = lists_of_user(id.as_str(), |list| self.offered(list));
        let hidden = lists.contains(&ListKind::Users) && self.sides().any(|side| side.hides_inactive);
        !hidden && lists.iter().all(|list| self.proven(*list))
    }

    /// Whether a group that one side lacks was not there.
    pub(super) fn of_group(self, id: &GroupId) -> bool {
        self.proven(list_of_group(id.as_str(), |list| self.offered(list)))
    }

    /// Whether a membership that one side lacks was not there.
    pub(super) fn of_membership(self, group: &GroupId, user: &UserId) -> bool {
        if self.is_vendor(group) {
            return self.of_vendor_users();
        }
        // Somebody whom a list may lack: what brings them into the group is not known either.
        let own_list = lists_of_user(user.as_str(), |list| self.offered(list));
        let may_lack =
            *own_list != [ListKind::Users] || [self.before, self.after].iter().any(|roll| find(roll, user).is_none());
        if may_lack && !self.of_user(user) {
            return false;
        }
        // Some groups take in whomever a provider brings.
        if self.offered(ListKind::SecurityProviders) && !self.proven(ListKind::SecurityProviders) {
            return false;
        }
        if self.offered(ListKind::Members) {
            return self.proven(ListKind::Groups) && self.proven(ListKind::Members) && self.knows_members(group);
        }
        // The accounts' own records tell; a member that no list has is told by groups alone.
        if find(self.before, user).is_none() && find(self.after, user).is_none() {
            return self.proven(ListKind::Groups);
        }
        let told = |roll| find(roll, user).map_or(self.of_user(user), |user| user.groups_known);
        // Some products tell by their groups as well; those that have none to tell are no hindrance.
        let by_groups = self.proven(ListKind::Groups) || !self.offered(ListKind::Groups);
        by_groups && told(self.before) && told(self.after)
    }

    /// The same of a member that is in a directory only: groups alone tell it.
    pub(super) fn of_directory_member(self, group: &GroupId) -> bool {
        if self.is_vendor(group) {
            return self.of_vendor_users();
        }
        self.proven(ListKind::Groups)
            && (self.proven(ListKind::Members) || !self.offered(ListKind::Members))
            && self.knows_members(group)
    }

    /// Returns whether both sides know all members of the group; a side without the group has none to know.
    fn knows_members(self, group: &GroupId) -> bool {
        [self.before, self.after].iter().all(|roll| roll.group(group).is_none_or(Group::knows_members))
    }

    fn of_vendor_users(self) -> bool {
        self.proven(ListKind::Vendors) && self.proven(ListKind::VendorUsers)
    }

    /// Whether a field that this side does not tell had no value there: details and kinds of account come from lists of their
    /// own, where a source has them.
    pub(super) fn tells_every_field(self, side: &Harvest) -> bool {
        let details = side.coverage(ListKind::UserDetails);
        let kinds = side.coverage(ListKind::SecurityProviders);
        // Lists that tell everything by themselves need no details.
        (details.is_complete() || *details == Coverage::NotOffered)
            && (kinds.is_complete() || !self.offered(ListKind::SecurityProviders))
    }

    /// Lists that either side has and that are not proven complete on both.
    pub(super) fn unproven(self) -> Vec<ListKind> {
        let lacking = |kind: &ListKind| match kind {
            // Asked for only where the list of users leaves something out.
            ListKind::UserDetails => self
                .sides()
                .any(|side| !matches!(side.coverage(*kind), Coverage::Complete { .. } | Coverage::NotOffered)),
            _ => self.offered(*kind) && !self.proven(*kind),
        };
        ListKind::ALL.into_iter().filter(lacking).collect()
    }

    fn sides(self) -> impl Iterator<Item = &'a Harvest> {
        [&self.before.harvest, &self.after.harvest].into_iter()
    }

    fn proven(self, kind: ListKind) -> bool {
        self.sides().all(|side| side.coverage(kind).is_complete())
    }

    fn offered(self, kind: ListKind) -> bool {
        self.sides().any(|side| *side.coverage(kind) != Coverage::NotOffered)
    }

    fn is_vendor(self, id: &GroupId) -> bool {
        list_of_group(id.as_str(), |list| self.offered(list)) == ListKind::Vendors
    }
}
