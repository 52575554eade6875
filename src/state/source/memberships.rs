//! The merge of a source's memberships.
//!
//! The difficult question is whether an unknown membership is new: it is emitted only if it provably did not exist
//! before.

use super::super::event::{ChangeDraft, of_user};
use super::super::{ComparedWith, KnownMembership, SourceUpdate};
use crate::model::{Change, ChangeKind, Evidence, ListKind, Member, MemberIdentity, OutsideMember, Pair};
use std::cmp::Ordering;

impl SourceUpdate<'_, '_> {
    pub(in crate::state) fn membership(mut self, known: KnownMembership, changes: &mut Vec<Change>) {
        self.memberships_before(Some(&known), changes);
        self.add_privilege_of_removed(&known);
        self.source.rows(ListKind::Members).known += 1;
        // Several directory members of a group may have the same name; such a membership is emitted once.
        let is_repeated = self.source.last.as_ref().is_some_and(|last| last.pair() == known.pair());
        let (at, count) = self.find_again(&known);
        if count > 0 && self.now.compared_with == ComparedWith::Reading {
            let seen = Some(self.seen_again(Some(known.seen)));
            self.source.source_inventory.set_seen(at..at + count, seen);
        }
        self.source.walked.memberships += count;
        let was_read = count > 0 || (at > 0 && is_repeated && self.is_at(at - 1, &known));
        if !was_read {
            self.absent_membership(&known, is_repeated, changes);
        }
        self.source.last = Some(known);
    }

    /// Marks a removed account as privileged if this was its membership of a privileged group.
    fn add_privilege_of_removed(&mut self, known: &KnownMembership) {
        let MemberIdentity::User(id) = known.pair().member else { return };
        let was_privileged =
            self.source.unread.removed.contains_key(id) && self.source.changed_group(&known.group).privileged;
        if let Some(account) = self.source.unread.removed.get_mut(id).filter(|_| was_privileged) {
            account.privileged = Some(true);
        }
    }

    /// Returns the position of a known membership in the reading, and how often it occurs in a row.
    fn find_again(&self, known: &KnownMembership) -> (usize, usize) {
        let at = self.source.walked.memberships;
        let rest = at..self.source.source_inventory.memberships.len();
        (at, rest.take_while(|at| self.is_at(*at, known)).count())
    }

    fn is_at(&self, at: usize, known: &KnownMembership) -> bool {
        let source_inventory = &self.source.source_inventory;
        source_inventory.memberships.get(at).is_some_and(|membership| source_inventory.pair(membership) == known.pair())
    }

    pub(super) fn memberships_before(&mut self, known: Option<&KnownMembership>, changes: &mut Vec<Change>) {
        loop {
            let at = self.source.walked.memberships;
            let source_inventory = &self.source.source_inventory;
            let Some(membership) = source_inventory.memberships.get(at) else { return };
            let pair = source_inventory.pair(membership);
            if known.is_some_and(|known| pair.compare(&known.pair()) != Ordering::Less) {
                return;
            }
            let is_emitted_already = at > 0 && source_inventory.pair(&source_inventory.memberships[at - 1]) == pair;
            if !is_emitted_already && self.was_absent(source_inventory.place_of_member(membership), pair) {
                self.emit(self.membership_event(ChangeKind::MembershipAdded, pair), changes);
            }
            self.source.walked.memberships += 1;
        }
    }

    /// Returns whether an unknown membership provably did not exist before.
    ///
    /// That holds if all groups of the user, or all members of the group, were known at least once.
    fn was_absent(&self, member: Member, pair: Pair<'_>) -> bool {
        let source = &*self.source;
        let of_vendors: &[ListKind] = match source.list_of(pair.group) {
            ListKind::Vendors => &[ListKind::Vendors, ListKind::VendorUsers],
            _ => &[],
        };
        let of_user = match pair.member {
            MemberIdentity::User(id) => source.lists_of(id),
            MemberIdentity::Directory(_) => &[],
        };
        if !source.emits(of_vendors) || !source.emits(of_user) {
            return false;
        }
        let never_known = |at: u32| source.groups_never_known.contains(&at);
        let is_new = source.new_groups.contains(pair.group);
        let knew_members = is_new || source.counted_groups.contains(pair.group);
        match member {
            Member::User(at) | Member::Nested(at, _) if source.hidden.contains(&at) => false,
            Member::User(at) => knew_members || !(source.records_read_first || never_known(at)),
            // The member list of a group omits users of nested groups, so that knowing all its members proves nothing
            // here.
            Member::Nested(at, _) => is_new || !(source.members_read_first || never_known(at)),
            Member::Outside(_) => knew_members || source.unread.since.has_baseline,
        }
    }

    fn absent_membership(&mut self, known: &KnownMembership, is_repeated: bool, changes: &mut Vec<Change>) {
        let evidence = Evidence::of(&self.source.source_inventory);
        let is_gone = self.now.compared_with == ComparedWith::State
            || match &known.member {
                OutsideMember::Missing(user) => evidence.membership_is_gone(&known.group, user, false),
                OutsideMember::Nested { user, .. } => evidence.membership_is_gone(&known.group, user, true),
                OutsideMember::Directory(_) => evidence.directory_member_is_gone(&known.group),
            };
        if !is_gone {
            self.source.unread.memberships.push(known.clone());
            return;
        }
        self.source.rows(ListKind::Members).gone += 1;
        // Without member lists of their own, memberships need only a complete user list.
        if self.source.emits(&[]) && !is_repeated {
            self.emit(self.membership_event(ChangeKind::MembershipRemoved, known.pair()), changes);
        }
    }

    fn membership_event(&self, kind: ChangeKind, pair: Pair<'_>) -> ChangeDraft {
        let group = self.source.changed_group(pair.group);
        match pair.member {
            MemberIdentity::User(id) => ChangeDraft::membership(kind, of_user(id, self.source.name_of(id)), group),
            MemberIdentity::Directory(name) => ChangeDraft::directory_member(kind, name, group),
        }
    }
}
