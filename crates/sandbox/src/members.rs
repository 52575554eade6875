//! Who is in which group, the other way round than the records of users say it, with an id for every pair that stays the
//! same while the pair lasts. Made anew after a change, when somebody asks.

use super::world::Record;
use serde_json::Value;
use std::collections::HashMap;

/// The member lists of all groups.
#[derive(Clone, Debug, Default)]
pub(super) struct MemberLists {
    ids: HashMap<(u64, u64), u64>,
    last: u64,
    lists: Option<HashMap<u64, Vec<(u64, u64)>>>,
}

impl MemberLists {
    /// Something changed.
    pub(super) fn forget(&mut self) {
        self.lists = None;
    }

    /// (member id, user id), ascending by member id; `pairs` are all (group, user), asked for only after a change.
    pub(super) fn of(&mut self, group: u64, pairs: impl FnOnce() -> Vec<(u64, u64)>) -> &[(u64, u64)] {
        if self.lists.is_none() {
            self.lists = Some(self.arranged(pairs()));
        }
        self.lists.as_ref().and_then(|lists| lists.get(&group)).map_or(&[], Vec::as_slice)
    }

    fn arranged(&mut self, mut pairs: Vec<(u64, u64)>) -> HashMap<u64, Vec<(u64, u64)>> {
        let mut lists: HashMap<u64, Vec<(u64, u64)>> = HashMap::new();
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

/// The groups that a user's own record names, by number or by a number as text.
pub(super) fn named_groups(record: &Record) -> impl Iterator<Item = u64> {
    let ids = record.get("group_memberships").and_then(Value::as_array);
    let id = |id: &Value| id.as_u64().or_else(|| id.as_str().and_then(|text| text.parse().ok()));
    ids.into_iter().flatten().filter_map(id)
}
