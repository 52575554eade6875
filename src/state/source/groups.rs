//! The merge of a source's groups.

use super::super::event::ChangeDraft;
use super::super::{ComparedWith, SourceUpdate, fields};
use crate::model::{Change, ChangedGroup, Evidence, Group, GroupId, ListKind};

impl SourceUpdate<'_, '_> {
    pub(in crate::state) fn group(mut self, known: Group, changes: &mut Vec<Change>) {
        self.groups_before(Some(&known.id), changes);
        let list = self.source.list_of(&known.id);
        self.source.rows(list).known += 1;
        if known.members_confirmed.is_some() {
            self.source.counted_groups.insert(known.id.clone());
        }
        let at = self.source.walked.groups;
        if self.source.source_inventory.reading.groups.get(at).is_some_and(|group| group.id == known.id) {
            self.source.walked.groups += 1;
            self.known_group(at, list, known, changes);
        } else {
            self.absent_group(list, known, changes);
        }
    }

    pub(super) fn groups_before(&mut self, known: Option<&GroupId>, changes: &mut Vec<Change>) {
        while let Some(group) = self.source.source_inventory.reading.groups.get(self.source.walked.groups)
            && known.is_none_or(|known| group.id < *known)
        {
            if self.source.emits(&[self.source.list_of(&group.id)]) {
                self.emit(ChangeDraft::group_added(group), changes);
                let id = group.id.clone();
                self.source.new_groups.insert(id);
            }
            self.source.walked.groups += 1;
        }
    }

    fn known_group(&mut self, at: usize, list: ListKind, known: Group, changes: &mut Vec<Change>) {
        let group = &self.source.source_inventory.reading.groups[at];
        // A name that was not read is unknown, so the group was not renamed.
        if fields::is_renamed(&known, group) && self.source.emits(&[list]) {
            self.emit(ChangeDraft::group_renamed(&known, group), changes);
        }
        if self.now.compared_with == ComparedWith::State {
            return;
        }
        let seen = self.seen_again(known.seen);
        let group = &mut self.source.source_inventory.reading.groups[at];
        group.seen = Some(seen);
        group.members_confirmed = group.members_confirmed.max(known.members_confirmed);
        if let (None, Some(name)) = (&group.name, known.name) {
            self.source.unread.names.insert(known.id, (name, known.privileged));
        }
    }

    fn absent_group(&mut self, list: ListKind, known: Group, changes: &mut Vec<Change>) {
        let Group { id, name, privileged, .. } = &known;
        let last_known = ChangedGroup { id: id.clone(), name: name.clone(), privileged: *privileged };
        self.source.absent_groups.insert(id.clone(), last_known);
        if self.now.compared_with == ComparedWith::Reading
            && !Evidence::of(&self.source.source_inventory).group_is_gone(&known.id)
        {
            self.source.unread.groups.push(known);
            return;
        }
        self.source.rows(list).gone += 1;
        if self.source.emits(&[list]) {
            self.emit(ChangeDraft::group_removed(&known), changes);
        }
    }
}
