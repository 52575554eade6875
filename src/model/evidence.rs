//! Decides whether absence proves removal. This is the one place that makes that decision.
//!
//! Every row belongs to one or more lists. A vendor's account belongs to the lists of vendors and of vendor users; a
//! membership belongs to the members of its group or to the account's own record. A missing row was removed only if its
//! lists are proven complete. A list that failed, drifted, was not read or is no longer offered proves nothing, so the
//! known rows of that list are kept.
//!
//! `state` asks these questions when it merges a reading into the known state. Pure.

use super::{
    Coverage, Group, GroupId, ListKind, SourceInventory, SourceReading, SourceStatus, UserId, list_of_group,
    lists_of_user,
};

/// Evidence that the reading of one source gives about rows that it lacks.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    source_inventory: &'a SourceInventory,
}

/// Conclusion about a known row that is missing from a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// All lists of the row are proven complete: it was removed.
    Gone,
    /// The lists of the row were read to the end, but may lack rows.
    Unconfirmed,
    /// At least one list of the row was not read to the end.
    NotRead,
}

impl<'a> Evidence<'a> {
    /// Returns the evidence of this reading.
    pub fn of(source_inventory: &'a SourceInventory) -> Self {
        Self { source_inventory }
    }

    /// Concludes what the absence of an account proves.
    pub fn user(self, id: &UserId) -> Absence {
        let lists = self.lists_of(id);
        if !lists.iter().all(|list| self.was_read(*list)) {
            Absence::NotRead
        } else if lists.iter().all(|list| self.is_proven(*list)) && !self.hides(lists) {
            Absence::Gone
        } else {
            Absence::Unconfirmed
        }
    }

    /// Returns whether a group that the reading lacks was removed.
    pub fn group_is_gone(self, id: &GroupId) -> bool {
        self.is_proven(list_of_group(id.as_str(), |list| self.is_known(list)))
    }

    /// Returns whether a membership that the reading lacks was removed.
    ///
    /// `is_indirect`: the user was a member through a nested group, which the group's own member list does not show.
    pub fn membership_is_gone(self, group: &GroupId, user: &UserId, is_indirect: bool) -> bool {
        if self.is_vendor(group) {
            return self.knows_vendor_users();
        }
        let read = self.source_inventory.user(user);
        // The account itself may still exist unseen, so its membership may exist too.
        if (read.is_none() || *self.lists_of(user) != [ListKind::Users]) && self.user(user) != Absence::Gone {
            return false;
        }
        // Only a user's own record names indirect memberships.
        if is_indirect && read.is_some_and(|user| !user.groups_known) {
            return false;
        }
        // A provider may add every account it provides to a group without listing the membership.
        if self.is_known(ListKind::SecurityProviders) && !self.is_proven(ListKind::SecurityProviders) {
            return false;
        }
        if self.is_known(ListKind::Members) {
            return self.knows_members(group);
        }
        // Without member lists, the accounts' own records name their groups. A user without a record appears in groups
        // only.
        read.map_or_else(|| self.is_proven(ListKind::Groups), |user| user.groups_known)
    }

    /// Returns whether a member that exists only in a directory was removed. Only groups list such members.
    pub fn directory_member_is_gone(self, group: &GroupId) -> bool {
        if self.is_vendor(group) { self.knows_vendor_users() } else { self.knows_members(group) }
    }

    /// Returns whether a missing field value proves that there is none. Some sources report details and account types
    /// in separate lists.
    pub fn reads_every_field(self) -> bool {
        [ListKind::UserDetails, ListKind::SecurityProviders].into_iter().all(|list| match self.coverage(list) {
            Coverage::Complete { .. } => true,
            // A user list with full records needs no details.
            Coverage::NotOffered => list == ListKind::UserDetails || !self.is_known(list),
            Coverage::Drifted { .. } | Coverage::Failed { .. } => false,
        })
    }

    /// Returns whether the reading contains every membership of the source.
    pub fn reads_every_membership(self) -> bool {
        // API accounts have no groups, and details repeat the memberships of the user list.
        let holds_no_membership = |list: ListKind| matches!(list, ListKind::ApiAccounts | ListKind::UserDetails);
        ListKind::ALL
            .into_iter()
            .filter(|list| !holds_no_membership(*list))
            .all(|list| self.is_proven(list) || !self.is_known(list))
            && self.was_read(ListKind::Users)
    }

    /// Returns whether the reading contains every row of the source.
    pub fn reads_everything(self) -> bool {
        self.source_inventory.reading.status() == SourceStatus::Complete
            && !self.source_inventory.reading.hides_inactive
    }

    /// Returns whether a list is proven complete.
    pub fn is_proven(self, list: ListKind) -> bool {
        self.coverage(list).is_complete()
    }

    fn coverage(self, list: ListKind) -> &'a Coverage {
        self.source_inventory.reading.coverage(list)
    }

    /// Returns whether the source offers the list, now or in an earlier run.
    fn is_known(self, list: ListKind) -> bool {
        *self.coverage(list) != Coverage::NotOffered || self.source_inventory.known.lists.contains_key(&list)
    }

    /// Returns whether a list was read to the end, proven complete or not.
    fn was_read(self, list: ListKind) -> bool {
        matches!(self.coverage(list), Coverage::Complete { .. } | Coverage::Drifted { .. })
    }

    fn lists_of(self, id: &UserId) -> &'static [ListKind] {
        lists_of_user(id.as_str(), |list| self.is_known(list))
    }

    /// Returns whether the source may omit inactive accounts, as older versions of Password Safe do.
    fn hides(self, lists: &[ListKind]) -> bool {
        self.source_inventory.reading.hides_inactive && lists.contains(&ListKind::Users)
    }

    /// Returns whether all members of a group are known. A group that was removed has none.
    fn knows_members(self, group: &GroupId) -> bool {
        self.is_proven(ListKind::Groups) && self.source_inventory.group(group).is_none_or(Group::knows_members)
    }

    fn is_vendor(self, group: &GroupId) -> bool {
        list_of_group(group.as_str(), |list| self.is_known(list)) == ListKind::Vendors
    }

    fn knows_vendor_users(self) -> bool {
        self.is_proven(ListKind::Vendors) && self.is_proven(ListKind::VendorUsers)
    }
}

impl SourceReading {
    /// Drops the rows of lists that failed. Part of a list proves nothing, and the known rows of that list are kept
    /// instead.
    ///
    /// Lists that are read per object (members of one group, users of one vendor) do not fail as a whole and are kept.
    pub fn leave_out_failed(&mut self) {
        let has_failed = |list: ListKind| matches!(self.coverage(list), Coverage::Failed { .. });
        let failed: Vec<ListKind> = ListKind::ALL.into_iter().filter(|list| has_failed(*list)).collect();
        let offered: Vec<ListKind> =
            ListKind::ALL.into_iter().filter(|list| *self.coverage(*list) != Coverage::NotOffered).collect();
        let offers = |list: ListKind| offered.contains(&list);
        // Vendor users are read below their vendors, so that the list of vendors decides about them.
        self.users.retain(|user| !failed.contains(&lists_of_user(user.id.as_str(), offers)[0]));
        self.groups.retain(|group| !failed.contains(&list_of_group(group.id.as_str(), offers)));
    }
}
