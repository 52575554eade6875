//! Where absence proves something: which lists were proven complete on both sides. An account or a group belongs to the list
//! that brings it, so that a list of third parties that failed silences nothing else.

use super::find;
use crate::model::{Coverage, GroupId, Harvest, ListKind, Roll, UserId};

/// The lists that bring accounts and groups beside `users` and `groups`, and the prefix of the ids that they bring.
const VENDOR_USER: &str = "vendor-user:";
const API_ACCOUNT: &str = "api-account:";
const VENDOR: &str = "vendor:";

/// What two tellings of one source prove together.
pub(super) struct Proof<'a> {
    before: &'a Roll,
    after: &'a Roll,
    users: bool,
    groups: bool,
    members: bool,
    vendors: bool,
    vendor_users: bool,
    api_accounts: bool,
    fields: [bool; 2],
}

impl<'a> Proof<'a> {
    pub(super) fn of(before: &'a Roll, after: &'a Roll) -> Self {
        let complete = |kind| [before, after].iter().all(|roll| roll.harvest.coverage(kind).is_complete());
        let offered = |kind| [before, after].iter().any(|roll| *roll.harvest.coverage(kind) != Coverage::NotOffered);
        let vendors = complete(ListKind::Vendors);
        // Details and kinds of account come from lists of their own, where a source has them.
        let telling = [ListKind::UserDetails, ListKind::SecurityProviders];
        let whole = |harvest: &Harvest| {
            telling.iter().all(|kind| match harvest.coverage(*kind) {
                // Yesterday the lists themselves told everything; today one by one: both do.
                Coverage::NotOffered => *kind == ListKind::UserDetails || !offered(*kind),
                coverage => coverage.is_complete(),
            })
        };
        Self {
            users: complete(ListKind::Users),
            groups: complete(ListKind::Groups),
            members: complete(ListKind::Members),
            vendors,
            vendor_users: vendors && complete(ListKind::VendorUsers),
            api_accounts: complete(ListKind::ApiAccounts),
            fields: [whole(&before.harvest), whole(&after.harvest)],
            before,
            after,
        }
    }

    /// Whether an account that one side lacks was not there.
    pub(super) fn of_user(&self, id: &UserId) -> bool {
        if id.as_str().starts_with(VENDOR_USER) && self.offered(ListKind::Vendors) {
            self.vendor_users
        } else if id.as_str().starts_with(API_ACCOUNT) && self.offered(ListKind::ApiAccounts) {
            self.api_accounts
        } else {
            self.users
        }
    }

    /// Whether a group that one side lacks was not there.
    pub(super) fn of_group(&self, id: &GroupId) -> bool {
        if self.is_vendor(id) { self.vendors } else { self.groups }
    }

    /// Whether a membership that one side lacks was not there.
    pub(super) fn of_membership(&self, group: &GroupId, user: &UserId) -> bool {
        if self.is_vendor(group) {
            return self.vendor_users;
        }
        if self.offered(ListKind::Members) {
            return self.groups && self.members;
        }
        // The accounts' own records tell.
        let told = |roll| find(roll, user).map_or(self.of_user(user), |user| user.groups_known);
        // Some products tell by their groups as well; those that have none to tell are no hindrance.
        let by_groups = self.groups || !self.offered(ListKind::Groups);
        by_groups && told(self.before) && told(self.after)
    }

    /// The same of a member that is in a directory only: groups alone tell it.
    pub(super) fn of_directory_member(&self, group: &GroupId) -> bool {
        if self.is_vendor(group) {
            return self.vendor_users;
        }
        self.groups && (self.members || !self.offered(ListKind::Members))
    }

    /// Whether a field that the old side does not tell had no value there.
    pub(super) fn old_fields_whole(&self) -> bool {
        self.fields[0]
    }

    /// The same of the new side.
    pub(super) fn new_fields_whole(&self) -> bool {
        self.fields[1]
    }

    /// Lists that either side has and that are not proven complete on both.
    pub(super) fn unproven(&self) -> Vec<&'static str> {
        let complete = |roll: &Roll, kind| roll.harvest.coverage(kind).is_complete();
        let lacking = |kind: &ListKind| {
            // Details are asked for only where the list leaves them out: on one side or the other, or on both.
            let broken =
                |roll: &Roll| !matches!(roll.harvest.coverage(*kind), Coverage::Complete { .. } | Coverage::NotOffered);
            if *kind == ListKind::UserDetails {
                return broken(self.before) || broken(self.after);
            }
            self.offered(*kind) && !(complete(self.before, *kind) && complete(self.after, *kind))
        };
        ListKind::ALL.into_iter().filter(lacking).map(ListKind::as_str).collect()
    }

    fn offered(&self, kind: ListKind) -> bool {
        [self.before, self.after].iter().any(|roll| *roll.harvest.coverage(kind) != Coverage::NotOffered)
    }

    fn is_vendor(&self, id: &GroupId) -> bool {
        id.as_str().starts_with(VENDOR) && self.offered(ListKind::Vendors)
    }
}
