//! How each surface words a record of the world: pure functions from records to records, for the server and for the
//! oracle's `extra` column. Knows nothing of HTTP.

pub(super) mod password_safe;
pub(super) mod scim;
pub(super) mod sra;

use super::world::Record;
use serde_json::Value;

/// The fields of a user that the guide announces; other surfaces say these in words of their own, the rest as it is.
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

/// A record with its id.
pub(super) fn with_id(id: u64, record: &Record) -> Record {
    let mut row = record.clone();
    row.insert("id".to_owned(), id.into());
    row
}

/// Copies a field under another name; nothing where it is absent.
fn carry(from: &Record, key: &str, to: &mut Record, name: &str) {
    if let Some(value) = from.get(key) {
        to.insert(name.to_owned(), value.clone());
    }
}

/// The fields that the guide does not announce.
fn unannounced(record: &Record) -> impl Iterator<Item = (String, Value)> {
    record
        .iter()
        .filter(|(key, _)| !GUIDE_FIELDS.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
}
