//! Lists of the members of groups, derived from the records of users. Each (group, user) pair gets an id that stays the
//! same while the pair exists, as the Configuration API reports it. The lists are rebuilt on the first use after a
//! change.

use crate::record::Record;
use serde_json::{Value, json};
use std::collections::HashMap;

/// The member lists of all groups, and the ids of their rows.
#[derive(Clone, Debug, Default)]
pub(super) struct MemberLists {
    ids: HashMap<(u64, u64), u64>,
    last: u64,
    lists: Option<HashMap<u64, Vec<(u64, u64)>>>,
}

impl MemberLists {
    /// Drops the lists, because a user or a group changed. Ids of rows are kept.
    pub(super) fn invalidate(&mut self) {
        self.lists = None;
    }

    /// Returns (member id, user id) of a group, ascending by member id. `pairs` gives all (group, user); it is called
    /// only after a change.
    pub(super) fn of(&mut self, group: u64, pairs: impl FnOnce() -> Vec<(u64, u64)>) -> &[(u64, u64)] {
        if self.lists.is_none() {
            self.lists = Some(self.arranged(pairs()));
        }
        self.lists.as_ref().and_then(|lists| lists.get(&group)).map_or(&[], Vec::as_slice)
    }

    fn arranged(&mut self, mut pairs: Vec<(u64, u64)>) -> HashMap<u64, Vec<(u64, u64)>> {
        let mut lists: HashMap<u64, Vec<(u64, u64)>> = HashMap::new();
        // Sorted, so that the same world gives the same ids whatever the order of the records.
        pairs.sort_unstable();
        pairs.dedup();
        for (group, user) in pairs {
            let id = *self.ids.entry((group, user)).or_insert_with(|| {
                self.last += 1;
                self.last
            });
            lists.entry(group).or_default().push((id, user));
        }
        for list in lists.values_mut() {
            list.sort_unstable();
        }
        lists
    }
}

/// Returns the groups that the record of a user names, by number or by a number as text.
pub(super) fn named_groups(record: &Record) -> impl Iterator<Item = u64> {
    let ids = record.get("group_memberships").and_then(Value::as_array);
    let id = |id: &Value| id.as_u64().or_else(|| id.as_str().and_then(|text| text.parse().ok()));
    ids.into_iter().flatten().filter_map(id)
}

/// Adds a group to the groups that the record of a user names, unless it is there already.
pub(super) fn add_group(record: &mut Record, group: u64) {
    if named_groups(record).any(|named| named == group) {
        return;
    }
    match record.entry("group_memberships").or_insert(Value::Null) {
        Value::Array(ids) => ids.push(group.into()),
        other => *other = json!([group]),
    }
}

/// Removes a group, written as a number or as a text, from the groups that the record of a user names.
pub(super) fn remove_group(record: &mut Record, group: u64) {
    if let Some(Value::Array(ids)) = record.get_mut("group_memberships") {
        let text = group.to_string();
        ids.retain(|id| *id != group && *id != *text);
    }
}
