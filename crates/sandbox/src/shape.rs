//! The words of each interface: pure functions that turn a record of the world into a record of an interface. `server`
//! uses them, and `oracle` for the `extra` column. They know no HTTP.

pub(super) mod password_safe;
pub(super) mod scim;
pub(super) mod sra;

use crate::record::Record;
use serde_json::Value;

/// The fields of a user that the guide documents. The other interfaces rename these and keep all other fields as they
/// are.
pub(super) const GUIDE_FIELDS: [&str; 11] = [
    "id",
    "username",
    "display_name",
    "email_address",
    "enabled",
    "account_type",
    "group_memberships",
    "public_key",
    "last_login",
    "created_at",
    "locale",
];

/// The fields of a row of the guide's list of users if lists are sparse: those in the example of the guide.
pub(super) const SPARSE_FIELDS: [&str; 4] = ["id", "username", "display_name", "enabled"];

/// Returns a record with its id.
pub(super) fn with_id(id: u64, record: &Record) -> Record {
    let mut row = record.clone();
    row.insert("id".to_owned(), id.into());
    row
}

/// Copies a field under another name if it exists.
fn copy_field(from: &Record, key: &str, to: &mut Record, name: &str) {
    if let Some(value) = from.get(key) {
        to.insert(name.to_owned(), value.clone());
    }
}

/// Returns the fields of a user that the guide does not document.
fn undocumented(record: &Record) -> impl Iterator<Item = (String, Value)> {
    without(record, &GUIDE_FIELDS)
}

/// Returns the fields of a record other than these.
fn without(record: &Record, fields: &[&str]) -> impl Iterator<Item = (String, Value)> {
    let others = record.iter().filter(|(key, _)| !fields.contains(&key.as_str()));
    others.map(|(key, value)| (key.clone(), value.clone()))
}
