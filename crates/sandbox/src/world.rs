//! The data of the appliance: users and groups as the JSON objects that the guide's API serves, ascending by id.
//!
//! `server` reads it to answer requests, and `oracle` to work out the expected snapshot. It also remembers which
//! users existed all the time since a mark. It knows neither HTTP nor faults nor expectations.

use crate::details::{ProductDetails, UserDetails};
use crate::members::{MemberLists, named_groups};
use crate::record::Record;
use crate::shape::SPARSE_FIELDS;
use serde_json::Value;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

/// Text that every secret in a seeded record contains. It must occur in nothing that the program writes.
pub const CANARY: &str = "canary-must-not-leak";

/// The users, groups and further details of a simulated appliance.
#[derive(Clone, Debug, Default)]
pub struct World {
    users: Vec<StoredRecord>,
    groups: Vec<StoredRecord>,
    last_user_id: u64,
    last_group_id: u64,
    user_details: BTreeMap<u64, UserDetails>,
    product_details: ProductDetails,
    members: MemberLists,
    /// Attributes that SCIM clients wrote and no other interface has (`externalId`, `name`, `emails`), by id.
    scim_users: BTreeMap<u64, Record>,
    scim_groups: BTreeMap<u64, Record>,
    /// Ids of the users who existed at the mark and ever since.
    stayed: BTreeSet<u64>,
}

/// A record with its serialised forms. Each form is made once, because a run over 100,000 users reads them many times.
#[derive(Clone, Debug)]
struct StoredRecord {
    id: u64,
    record: Record,
    full: OnceCell<Box<[u8]>>,
    sparse: OnceCell<Box<[u8]>>,
}

impl StoredRecord {
    fn new(id: u64, mut record: Record) -> Self {
        record.insert("id".to_owned(), id.into());
        Self { id, record, full: OnceCell::new(), sparse: OnceCell::new() }
    }

    fn full(&self) -> &[u8] {
        self.full.get_or_init(|| bytes_of(&self.record))
    }

    fn sparse(&self) -> &[u8] {
        self.sparse.get_or_init(|| {
            let kept = self.record.iter().filter(|(key, _)| SPARSE_FIELDS.contains(&key.as_str()));
            bytes_of(&kept.map(|(key, value)| (key.clone(), value.clone())).collect())
        })
    }
}

/// Serialises a record. A map with text keys always serialises; the fallback would reach the client as broken JSON.
fn bytes_of(record: &Record) -> Box<[u8]> {
    serde_json::to_vec(record).unwrap_or_default().into_boxed_slice()
}

impl World {
    /// Returns a world without users and groups.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Returns the number of users.
    pub fn user_count(&self) -> usize {
        self.users.len()
    }

    /// Returns the number of groups.
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// Returns all users, ascending by id.
    pub fn users(&self) -> impl Iterator<Item = (u64, &Record)> {
        self.users.iter().map(|stored| (stored.id, &stored.record))
    }

    /// Returns all groups, ascending by id.
    pub fn groups(&self) -> impl Iterator<Item = (u64, &Record)> {
        self.groups.iter().map(|stored| (stored.id, &stored.record))
    }

    /// Returns the ids of all users.
    pub fn user_ids(&self) -> BTreeSet<u64> {
        self.users.iter().map(|stored| stored.id).collect()
    }

    /// Returns the record of a user.
    pub fn user(&self, id: u64) -> Option<&Record> {
        index_of(&self.users, id).ok().map(|at| &self.users[at].record)
    }

    /// Returns the record of a group.
    pub fn group(&self, id: u64) -> Option<&Record> {
        index_of(&self.groups, id).ok().map(|at| &self.groups[at].record)
    }

    /// Returns the details of a user that only some interfaces report; the default where none were set.
    pub(crate) fn user_details(&self, id: u64) -> UserDetails {
        self.user_details.get(&id).cloned().unwrap_or_default()
    }

    /// Sets the details of a user that only some interfaces report.
    pub(crate) fn set_user_details(&mut self, id: u64, details: UserDetails) {
        self.user_details.insert(id, details);
    }

    /// Returns the lists of the tenant that exist besides users and groups.
    pub fn product_details(&self) -> &ProductDetails {
        &self.product_details
    }

    /// Returns the same lists for changing them.
    pub fn product_details_mut(&mut self) -> &mut ProductDetails {
        // The members depend on `unlisted_members`, which the caller may change.
        self.members.invalidate();
        &mut self.product_details
    }

    /// Returns the user with this username; ASCII case is ignored.
    pub(crate) fn user_named(&self, username: &str) -> Option<u64> {
        self.users.iter().find(|stored| is_named(stored, username)).map(|stored| stored.id)
    }

    /// Adds a user under the next free id and returns the id. Ids are never used twice.
    pub fn add_user(&mut self, record: Record) -> u64 {
        let id = self.last_user_id + 1;
        self.put_user(id, record);
        id
    }

    /// Stores a user under an id; replaces the user that has this id.
    pub(crate) fn put_user(&mut self, id: u64, record: Record) {
        self.last_user_id = self.last_user_id.max(id);
        self.members.invalidate();
        put(&mut self.users, StoredRecord::new(id, record));
    }

    /// Changes a user; returns false if no user has this id.
    pub fn edit_user(&mut self, id: u64, change: impl FnOnce(&mut Record)) -> bool {
        let Ok(at) = index_of(&self.users, id) else { return false };
        let mut record = std::mem::take(&mut self.users[at].record);
        change(&mut record);
        self.members.invalidate();
        // A new `StoredRecord`: the serialised forms of the old one are stale.
        self.users[at] = StoredRecord::new(id, record);
        true
    }

    /// Removes a user for good; returns false if no user has this id.
    pub fn remove_user(&mut self, id: u64) -> bool {
        self.stayed.remove(&id);
        self.user_details.remove(&id);
        self.members.invalidate();
        index_of(&self.users, id).is_ok_and(|at| {
            self.users.remove(at);
            true
        })
    }

    /// Adds a group under the next free id and returns the id. Ids are never used twice.
    pub fn add_group(&mut self, record: Record) -> u64 {
        let id = self.last_group_id + 1;
        self.put_group(id, record);
        id
    }

    /// Returns the attributes of a user that SCIM clients wrote and no other interface has.
    pub(super) fn scim_user(&self, id: u64) -> Record {
        self.scim_users.get(&id).cloned().unwrap_or_default()
    }

    /// Replaces these attributes of a user.
    pub(super) fn set_scim_user(&mut self, id: u64, attributes: Record) {
        self.scim_users.insert(id, attributes);
    }

    /// Returns the attributes of a group that SCIM clients wrote and no other interface has.
    pub(super) fn scim_group(&self, id: u64) -> Record {
        self.scim_groups.get(&id).cloned().unwrap_or_default()
    }

    /// Replaces these attributes of a group.
    pub(super) fn set_scim_group(&mut self, id: u64, attributes: Record) {
        self.scim_groups.insert(id, attributes);
    }

    /// Stores a group under an id; replaces the group that has this id.
    pub(crate) fn put_group(&mut self, id: u64, record: Record) {
        self.last_group_id = self.last_group_id.max(id);
        put(&mut self.groups, StoredRecord::new(id, record));
    }

    /// Removes a group; returns false if no group has this id. Users keep the id, so their memberships dangle.
    pub fn remove_group(&mut self, id: u64) -> bool {
        index_of(&self.groups, id).is_ok_and(|at| {
            self.groups.remove(at);
            true
        })
    }

    /// Remembers the users who exist now, for [`World::stayed`].
    pub(crate) fn mark(&mut self) {
        self.stayed = self.user_ids();
    }

    /// Returns the ids of the users who existed at the last [`World::mark`] and were never deleted since; none without
    /// a mark.
    pub(crate) fn stayed(&self) -> BTreeSet<u64> {
        self.stayed.clone()
    }

    /// Returns the members of a group that are users, unlisted ones included: (member id, user id), ascending by member
    /// id.
    pub(super) fn members_of(&mut self, group: u64) -> &[(u64, u64)] {
        let (users, unlisted_members) = (&self.users, &self.product_details.unlisted_members);
        self.members.of(group, || {
            let named = users.iter().flat_map(|user| named_groups(&user.record).map(|group| (group, user.id)));
            named.chain(unlisted_members.iter().copied()).collect()
        })
    }

    /// Returns the id of the user at an index of the list.
    pub(super) fn id_at(&self, at: usize) -> Option<u64> {
        self.users.get(at).map(|stored| stored.id)
    }

    /// Returns a user as the guide's API serves it.
    pub(super) fn user_json(&self, id: u64) -> Option<&[u8]> {
        index_of(&self.users, id).ok().map(|at| self.users[at].full())
    }

    /// Appends `[row,row]` with the users of a window (offset, limit). Returns the number of users in the whole list.
    pub(super) fn write_users(&self, out: &mut Vec<u8>, window: (usize, usize), sparse: bool) -> usize {
        let row = if sparse { StoredRecord::sparse } else { StoredRecord::full };
        write_rows(out, self.users.iter().skip(window.0).take(window.1).map(row));
        self.users.len()
    }

    /// Appends the same for the users with one username. Returns their number.
    pub(super) fn write_users_named(
        &self,
        out: &mut Vec<u8>,
        window: (usize, usize),
        sparse: bool,
        username: &str,
    ) -> usize {
        let row = if sparse { StoredRecord::sparse } else { StoredRecord::full };
        let named: Vec<&StoredRecord> = self.users.iter().filter(|stored| is_named(stored, username)).collect();
        write_rows(out, named.iter().skip(window.0).take(window.1).map(|stored| row(stored)));
        named.len()
    }

    /// Appends the same for the groups. Returns the number of groups.
    pub(super) fn write_groups(&self, out: &mut Vec<u8>, window: (usize, usize)) -> usize {
        write_rows(out, self.groups.iter().skip(window.0).take(window.1).map(StoredRecord::full));
        self.groups.len()
    }
}

fn is_named(entry: &StoredRecord, username: &str) -> bool {
    entry.record.get("username").and_then(Value::as_str).is_some_and(|name| name.eq_ignore_ascii_case(username))
}

fn index_of(entries: &[StoredRecord], id: u64) -> Result<usize, usize> {
    entries.binary_search_by_key(&id, |stored| stored.id)
}

fn put(entries: &mut Vec<StoredRecord>, entry: StoredRecord) {
    match index_of(entries, entry.id) {
        Ok(at) => entries[at] = entry,
        Err(at) => entries.insert(at, entry),
    }
}

fn write_rows<'a>(out: &mut Vec<u8>, rows: impl Iterator<Item = &'a [u8]>) {
    out.push(b'[');
    for (count, row) in rows.enumerate() {
        if count > 0 {
            out.push(b',');
        }
        out.extend_from_slice(row);
    }
    out.push(b']');
}
