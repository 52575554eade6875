//! Whether absence may be concluded: the one place that decides what a reading proves of what is not in it.
//!
//! A row belongs to the list that brings it: a vendor's user to the lists of vendors and of their users, a membership to the members
//! of its group or to the user's own record. It is gone only where these lists were proven complete. A list that failed, that
//! drifted, that was not read or that is not offered any more proves nothing: what is known of it stays as it was.

use super::{
    Coverage, Group, GroupId, ListKind, SourceInventory, SourceReading, SourceStatus, UserId, list_of_group,
    lists_of_user,
};

/// What one reading of a source proves.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    source_inventory: &'a SourceInventory,
}

/// What may be concluded from a row that was known and is not in a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// Its lists are proven complete: it is gone.
    Gone,
    /// Its lists were read and may lack rows.
    Unconfirmed,
    /// Some list that brings it was not read.
    NotRead,
}

impl<'a> Evidence<'a> {
    /// Of this reading.
    pub fn of(source_inventory: &'a SourceInventory) -> Self {
        Self { source_inventory }
    }

    /// What the absence of a user says.
    pub fn user(self, id: &UserId) -> Absence {
        let lists = self.lists_of(id);
        if !lists.iter().all(|list| self.came(*list)) {
            Absence::NotRead
        } else if lists.iter().all(|list| self.is_proven(*list)) && !self.hides(lists) {
            Absence::Gone
        } else {
            Absence::Unconfirmed
        }
    }

    /// Whether a group that is not in the reading is gone.
    pub fn group_is_gone(self, id: &GroupId) -> bool {
        self.is_proven(list_of_group(id.as_str(), |list| self.is_known(list)))
    }

    /// Whether a membership that is not in the reading is gone. `is_indirect`: it came by way of a group inside the group, which the
    /// group's own list of members does not show.
    pub fn membership_is_gone(self, group: &GroupId, user: &UserId, is_indirect: bool) -> bool {
        if self.is_vendor(group) {
            return self.knows_vendor_users();
        }
        let read = self.source_inventory.user(user);
        // An account that a list may lack: what brings it into the group is not known either.
        if (read.is_none() || *self.lists_of(user) != [ListKind::Users]) && self.user(user) != Absence::Gone {
            return false;
        }
        if is_indirect && read.is_some_and(|user| !user.groups_known) {
            return false;
        }
        // Some groups take in whomever a provider brings.
        if self.is_known(ListKind::SecurityProviders) && !self.is_proven(ListKind::SecurityProviders) {
            return false;
        }
        if self.is_known(ListKind::Members) {
            return self.knows_members(group);
        }
        // The accounts' own records name the groups; whoever has no record is named by groups alone.
        read.map_or_else(|| self.is_proven(ListKind::Groups), |user| user.groups_known)
    }

    /// The same of a member that is in a directory only: groups alone name it.
    pub fn directory_member_is_gone(self, group: &GroupId) -> bool {
        if self.is_vendor(group) { self.knows_vendor_users() } else { self.knows_members(group) }
    }

    /// Whether a field without a value has none: details and types of accounts come from lists of their own, where a source has them.
    pub fn reads_every_field(self) -> bool {
        [ListKind::UserDetails, ListKind::SecurityProviders].into_iter().all(|list| match self.coverage(list) {
            Coverage::Complete { .. } => true,
            // Lists that hold every field need no details.
            Coverage::NotOffered => list == ListKind::UserDetails || !self.is_known(list),
            Coverage::Drifted { .. } | Coverage::Failed { .. } => false,
        })
    }

    /// Whether every membership that the source has is in the reading.
    pub fn reads_every_membership(self) -> bool {
        let is_apart = |list: ListKind| matches!(list, ListKind::ApiAccounts | ListKind::UserDetails);
        ListKind::ALL
            .into_iter()
            .filter(|list| !is_apart(*list))
            .all(|list| self.is_proven(list) || !self.is_known(list))
            && self.came(ListKind::Users)
    }

    /// Whether everything that the source has is in the reading.
    pub fn reads_everything(self) -> bool {
        self.source_inventory.reading.status() == SourceStatus::Complete
            && !self.source_inventory.reading.hides_inactive
    }

    /// Whether a list is proven complete.
    pub fn is_proven(self, list: ListKind) -> bool {
        self.coverage(list).is_complete()
    }

    fn coverage(self, list: ListKind) -> &'a Coverage {
        self.source_inventory.reading.coverage(list)
    }

    /// Whether the source has the list, now or in an earlier reading.
    fn is_known(self, list: ListKind) -> bool {
        *self.coverage(list) != Coverage::NotOffered || self.source_inventory.known.lists.contains_key(&list)
    }

    /// Whether a list was read to its end.
    fn came(self, list: ListKind) -> bool {
        matches!(self.coverage(list), Coverage::Complete { .. } | Coverage::Drifted { .. })
    }

    fn lists_of(self, id: &UserId) -> &'static [ListKind] {
        lists_of_user(id.as_str(), |list| self.is_known(list))
    }

    /// Older versions of a product leave inactive users out of the list.
    fn hides(self, lists: &[ListKind]) -> bool {
        self.source_inventory.reading.hides_inactive && lists.contains(&ListKind::Users)
    }

    /// A group that is gone has no members.
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
    /// Takes out the rows of lists that broke off: a part of such a list is no list, and what is known of it stays as it was. The
    /// lists of single objects (the members of one group, the users of one vendor) stand on their own.
    pub fn leave_out_failed(&mut self) {
        let has_failed = |list: ListKind| matches!(self.coverage(list), Coverage::Failed { .. });
        let failed: Vec<ListKind> = ListKind::ALL.into_iter().filter(|list| has_failed(*list)).collect();
        let offered: Vec<ListKind> =
            ListKind::ALL.into_iter().filter(|list| *self.coverage(*list) != Coverage::NotOffered).collect();
        let offers = |list: ListKind| offered.contains(&list);
        self.users.retain(|user| !failed.contains(&lists_of_user(user.id.as_str(), offers)[0]));
        self.groups.retain(|group| !failed.contains(&list_of_group(group.id.as_str(), offers)));
    }
}
