//! The appliance's data: users and groups as the JSON objects that the server gives, ascending by id.
//! Remembers who existed all the time since a mark. Knows nothing of HTTP, of faults or of what is expected.

use super::facets::{ProductDetails, UserDetails};
use super::members::{MemberLists, named_groups};
use serde_json::{Map, Value};
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

/// A JSON object: one user or one group.
pub type Record = Map<String, Value>;

/// What every secret in every seeded record contains: it must occur in nothing that the program writes.
pub const CANARY: &str = "canary-must-not-leak";

/// The fields of a list row where lists are sparse: the guide's own example.
const SPARSE_FIELDS: [&str; 4] = ["id", "username", "display_name", "enabled"];

/// All users and groups of a simulated appliance.
#[derive(Clone, Debug, Default)]
pub struct World {
    users: Vec<StoredRecord>,
    groups: Vec<StoredRecord>,
    last_user_id: u64,
    last_group_id: u64,
    facts: BTreeMap<u64, UserDetails>,
    facets: ProductDetails,
    members: MemberLists,
    /// What SCIM clients said and no other surface tells (`externalId`, `name`, `emails`), by id of user and of group.
    scim_users: BTreeMap<u64, Record>,
    scim_groups: BTreeMap<u64, Record>,
    /// Ids that existed at the mark and ever since.
    stayed: BTreeSet<u64>,
}

/// A record and what the server says of it, made once.
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
            let reported = |(key, value): (&String, &Value)| {
                SPARSE_FIELDS.contains(&key.as_str()).then(|| (key.clone(), value.clone()))
            };
            bytes_of(&self.record.iter().filter_map(reported).collect())
        })
    }
}

/// A map with text keys always serialises; were it not so, the client would see broken JSON.
fn bytes_of(record: &Record) -> Box<[u8]> {
    serde_json::to_vec(record).unwrap_or_default().into_boxed_slice()
}

impl World {
    /// Nobody and nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Number of users.
    pub fn user_count(&self) -> usize {
        self.users.len()
    }

    /// Number of groups.
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// All users, ascending by id.
    pub fn users(&self) -> impl Iterator<Item = (u64, &Record)> {
        self.users.iter().map(|e| (e.id, &e.record))
    }

    /// All groups, ascending by id.
    pub fn groups(&self) -> impl Iterator<Item = (u64, &Record)> {
        self.groups.iter().map(|e| (e.id, &e.record))
    }

    /// The ids of all users.
    pub fn user_ids(&self) -> BTreeSet<u64> {
        self.users.iter().map(|e| e.id).collect()
    }

    /// One user.
    pub fn user(&self, id: u64) -> Option<&Record> {
        place(&self.users, id).ok().map(|at| &self.users[at].record)
    }

    /// One group.
    pub fn group(&self, id: u64) -> Option<&Record> {
        place(&self.groups, id).ok().map(|at| &self.groups[at].record)
    }

    /// What only some surfaces tell of a user.
    pub fn facts(&self, id: u64) -> UserDetails {
        self.facts.get(&id).cloned().unwrap_or_default()
    }

    /// Sets what only some surfaces tell of a user.
    pub fn set_facts(&mut self, id: u64, facts: UserDetails) {
        self.facts.insert(id, facts);
    }

    /// What the tenant holds beside users and groups.
    pub fn facets(&self) -> &ProductDetails {
        &self.facets
    }

    /// The same, to change it.
    pub fn facets_mut(&mut self) -> &mut ProductDetails {
        self.members.forget();
        &mut self.facets
    }

    /// The user with this username, letters' case apart.
    pub fn user_named(&self, username: &str) -> Option<u64> {
        self.users.iter().find(|e| is_named(e, username)).map(|e| e.id)
    }

    /// Adds a user under the next free id and returns it. Ids are never used twice.
    pub fn add_user(&mut self, record: Record) -> u64 {
        let id = self.last_user_id + 1;
        self.put_user(id, record);
        id
    }

    /// Puts a user there, in the place of an old one with that id.
    pub fn put_user(&mut self, id: u64, record: Record) {
        self.last_user_id = self.last_user_id.max(id);
        self.members.forget();
        put(&mut self.users, StoredRecord::new(id, record));
    }

    /// Changes a user; false if there is none with this id.
    pub fn edit_user(&mut self, id: u64, change: impl FnOnce(&mut Record)) -> bool {
        let Ok(at) = place(&self.users, id) else { return false };
        let mut record = std::mem::take(&mut self.users[at].record);
        change(&mut record);
        self.members.forget();
        self.users[at] = StoredRecord::new(id, record);
        true
    }

    /// Takes a user away for good; false if there is none with this id.
    pub fn remove_user(&mut self, id: u64) -> bool {
        self.stayed.remove(&id);
        self.facts.remove(&id);
        self.members.forget();
        place(&self.users, id).is_ok_and(|at| {
            self.users.remove(at);
            true
        })
    }

    /// Adds a group under the next free id and returns it. Ids are never used twice.
    pub fn add_group(&mut self, record: Record) -> u64 {
        let id = self.last_group_id + 1;
        self.put_group(id, record);
        id
    }

    /// What SCIM clients said of a user and no other surface tells.
    pub(super) fn scim_user(&self, id: u64) -> Record {
        self.scim_users.get(&id).cloned().unwrap_or_default()
    }

    /// Sets it.
    pub(super) fn set_scim_user(&mut self, id: u64, said: Record) {
        self.scim_users.insert(id, said);
    }

    /// What SCIM clients said of a group and no other surface tells.
    pub(super) fn scim_group(&self, id: u64) -> Record {
        self.scim_groups.get(&id).cloned().unwrap_or_default()
    }

    /// Sets it.
    pub(super) fn set_scim_group(&mut self, id: u64, said: Record) {
        self.scim_groups.insert(id, said);
    }

    /// Puts a group there, in the place of an old one with that id.
    pub fn put_group(&mut self, id: u64, record: Record) {
        self.last_group_id = self.last_group_id.max(id);
        put(&mut self.groups, StoredRecord::new(id, record));
    }

    /// Takes a group away; its members keep its id, and it dangles. False if there is none with this id.
    pub fn remove_group(&mut self, id: u64) -> bool {
        place(&self.groups, id).is_ok_and(|at| {
            self.groups.remove(at);
            true
        })
    }

    /// Starts to watch who stays.
    pub fn mark(&mut self) {
        self.stayed = self.user_ids();
    }

    /// Ids of the users who existed at the last [`World::mark`] and were never deleted since; none without a mark.
    pub fn stayed(&self) -> BTreeSet<u64> {
        self.stayed.clone()
    }

    /// The members of a group that are users, strangers among them: (member id, user id), ascending by member id.
    pub(super) fn members_of(&mut self, group: u64) -> &[(u64, u64)] {
        let (users, strangers) = (&self.users, &self.facets.strangers);
        self.members.of(group, || {
            let reported = users.iter().flat_map(|user| named_groups(&user.record).map(|group| (group, user.id)));
            reported.chain(strangers.iter().copied()).collect()
        })
    }

    /// The id of the user at a place of the list.
    pub(super) fn id_at(&self, at: usize) -> Option<u64> {
        self.users.get(at).map(|e| e.id)
    }

    /// One user as the server says it.
    pub(super) fn user_json(&self, id: u64) -> Option<&[u8]> {
        place(&self.users, id).ok().map(|at| self.users[at].full())
    }

    /// Appends `[row,row]`: at most `limit` users from `offset` on. Returns how many users the list has in all.
    pub(super) fn write_users(&self, out: &mut Vec<u8>, window: (usize, usize), sparse: bool) -> usize {
        let row = if sparse { StoredRecord::sparse } else { StoredRecord::full };
        write_rows(out, self.users.iter().skip(window.0).take(window.1).map(row));
        self.users.len()
    }

    /// The same for the users with one name.
    pub(super) fn write_users_named(
        &self,
        out: &mut Vec<u8>,
        window: (usize, usize),
        sparse: bool,
        username: &str,
    ) -> usize {
        let row = if sparse { StoredRecord::sparse } else { StoredRecord::full };
        let named: Vec<&StoredRecord> = self.users.iter().filter(|e| is_named(e, username)).collect();
        write_rows(out, named.iter().skip(window.0).take(window.1).map(|e| row(e)));
        named.len()
    }

    /// The same for the groups.
    pub(super) fn write_groups(&self, out: &mut Vec<u8>, window: (usize, usize)) -> usize {
        write_rows(out, self.groups.iter().skip(window.0).take(window.1).map(StoredRecord::full));
        self.groups.len()
    }
}

fn is_named(entry: &StoredRecord, username: &str) -> bool {
    entry.record.get("username").and_then(Value::as_str).is_some_and(|name| name.eq_ignore_ascii_case(username))
}

fn place(entries: &[StoredRecord], id: u64) -> Result<usize, usize> {
    entries.binary_search_by_key(&id, |e| e.id)
}

fn put(entries: &mut Vec<StoredRecord>, entry: StoredRecord) {
    match place(entries, entry.id) {
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
