//! Values that no reader expects: fields of another type, and names that are not Unicode. The id of a record decides
//! which field is affected.

use super::target::{InterfaceFamily, RecordKind};
use crate::record::Record;
use serde_json::{Value, json};

/// Marks, in a name, the place of an escaped lone surrogate until the response is bytes. It is a private use character,
/// as is [`STRAY_BYTE`].
const SURROGATE: char = '\u{e0f1}';
/// Marks the place of a byte that is not UTF-8.
const STRAY_BYTE: char = '\u{e0f2}';

/// Returns the field of a record that gets an unexpected type, if any.
pub(super) fn field(family: InterfaceFamily, kind: RecordKind, id: u64, record: &Record) -> Option<&'static str> {
    let by_row = |fields: [&'static str; 6]| usize::try_from(id % 7).ok().and_then(|at| fields.get(at).copied());
    let fifth = |field: &'static str| id.is_multiple_of(5).then_some(field);
    let field = match (family, kind) {
        (InterfaceFamily::Guide, RecordKind::User) => {
            by_row(["locale", "display_name", "email_address", "enabled", "created_at", "group_memberships"])
        }
        (InterfaceFamily::Sra, RecordKind::User) => by_row([
            "preferred_email_language",
            "public_display_name",
            "email_address",
            "enabled",
            "created_at",
            "two_factor_enabled",
        ]),
        (InterfaceFamily::Safe, RecordKind::User) => {
            by_row(["EmailAddress", "FirstName", "IsActive", "UserType", "LastName", "IsQuarantined"])
        }
        (InterfaceFamily::Scim, RecordKind::User) => {
            by_row(["locale", "displayName", "emails", "active", "userName", "groups"])
        }
        (InterfaceFamily::Guide, RecordKind::Group) => fifth("description"),
        (InterfaceFamily::Safe, RecordKind::Group) => fifth("Description"),
        _ => None,
    };
    // A null is a value that readers expect; only a present value can be spoiled.
    field.filter(|field| record.get(*field).is_some_and(|value| !value.is_null()))
}

/// Gives this field a value of an unexpected type.
pub(super) fn spoil(field: &str, record: &mut Record) {
    let Some(value) = record.get_mut(field) else { return };
    let was = value.take();
    *value = match field {
        "enabled" | "IsActive" | "active" | "two_factor_enabled" | "IsQuarantined" => "maybe".into(),
        "group_memberships" => "by agreement".into(),
        "groups" => json!({"note": "by agreement"}),
        "emails" => 42.into(),
        "display_name"
        | "public_display_name"
        | "FirstName"
        | "LastName"
        | "displayName"
        | "userName"
        | "created_at" => json!([was]),
        _ => json!({"code": was}),
    };
}

/// Returns the name of a record that is made invalid, if any.
pub(super) fn broken_name(family: InterfaceFamily, kind: RecordKind, id: u64, record: &Record) -> Option<&'static str> {
    let names: &[&'static str] = match (family, kind) {
        (InterfaceFamily::Guide, RecordKind::User) => &["display_name"],
        (InterfaceFamily::Sra, RecordKind::User) => &["public_display_name"],
        (InterfaceFamily::Safe, RecordKind::User) => &["LastName", "FirstName"],
        (InterfaceFamily::Scim, RecordKind::User) => &["displayName"],
        (InterfaceFamily::Guide | InterfaceFamily::Sra, RecordKind::Group) if id.is_multiple_of(4) => &["name"],
        (InterfaceFamily::Safe, RecordKind::Group) if id.is_multiple_of(4) => &["Name"],
        (InterfaceFamily::Scim, RecordKind::Group) if id.is_multiple_of(4) => &["displayName"],
        _ => &[],
    };
    // A third of the records keeps valid names.
    names.iter().copied().filter(|_| id % 3 != 2).find(|name| record.get(*name).is_some_and(Value::is_string))
}

/// Appends a mark to this name, which [`as_bytes`] turns into invalid text.
pub(super) fn mark(name: &str, id: u64, record: &mut Record) {
    if let Some(Value::String(text)) = record.get_mut(name) {
        text.push(if id.is_multiple_of(3) { SURROGATE } else { STRAY_BYTE });
    }
}

/// Replaces the marks: by half of a surrogate pair as an escape (RFC 8259 §8.2), or by a byte of Latin-1.
pub(super) fn as_bytes(json: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find([SURROGATE, STRAY_BYTE]) {
        let (before, tail) = rest.split_at(at);
        out.extend_from_slice(before.as_bytes());
        out.extend_from_slice(if tail.starts_with(SURROGATE) { b"\\ud83d" } else { b"\xfc" });
        // Both marks have three bytes in UTF-8.
        rest = &tail[SURROGATE.len_utf8()..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}
