//! References between users and groups (RFC 7643 §4.1.2, §4.2), in all forms that servers use: objects with `value`,
//! `$ref` or both, texts, numbers. Pure.

use crate::source::decode::{Id, Listed, get};
use ahash::AHashMap;
use serde_json::Value;

/// Type of the referenced resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReferenceKind {
    User,
    Group,
}

/// Reference to a user or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MemberReference {
    /// Id as the server wrote it.
    pub(super) id: Id,
    /// Type by `$ref`, otherwise by `type`; `None` if neither shows it.
    pub(super) kind: Option<ReferenceKind>,
    /// Whether the user is a member only through a group within the group (RFC 7643 §4.1.2).
    pub(super) is_indirect: bool,
}

impl MemberReference {
    /// Reads one reference; `None` if it names no user and no group.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let plain = |id: Id| Self { id, kind: None, is_indirect: false };
        match value {
            Value::String(_) | Value::Number(_) => Id::from_json(value).map(plain),
            Value::Object(_) => {
                let written = get(value, "$ref").and_then(Value::as_str);
                let link = written.and_then(target);
                let id = get(value, "value").and_then(Id::from_json);
                let id = id.or_else(|| link.as_ref().map(|(_, id)| id.clone()))?;
                let word = get(value, "type").and_then(Value::as_str).unwrap_or_default();
                let by_type = match word {
                    word if word.eq_ignore_ascii_case("user") => Some(ReferenceKind::User),
                    word if word.eq_ignore_ascii_case("group") => Some(ReferenceKind::Group),
                    _ => None,
                };
                // A link to another kind of resource, such as a device, without a type that contradicts it.
                let is_other = link.is_none() && by_type.is_none() && written.is_some_and(|link| link.contains('/'));
                let kind = link.map(|(kind, _)| kind).or(by_type);
                (!is_other).then_some(Self { id, kind, is_indirect: word.eq_ignore_ascii_case("indirect") })
            }
            _ => None,
        }
    }
}

/// Returns the target of a `$ref`, absolute or relative, such as `https://host/scim/v2/Users/1` or `../Groups/g%3A5`.
fn target(link: &str) -> Option<(ReferenceKind, Id)> {
    let path = link.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let (head, id) = path.rsplit_once('/')?;
    let kind = match head.rsplit('/').next().unwrap_or_default() {
        word if word.eq_ignore_ascii_case("users") => ReferenceKind::User,
        word if word.eq_ignore_ascii_case("groups") => ReferenceKind::Group,
        _ => return None,
    };
    Some((kind, Id::from_text(&unescaped(id)?)?))
}

/// Decodes percent-encoding (RFC 3986 §2.1); `None` if it is invalid.
fn unescaped(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        if *byte == b'%' {
            let hex = std::str::from_utf8(tail.get(..2)?).ok()?;
            out.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &tail[2..];
        } else {
            out.push(*byte);
            rest = tail;
        }
    }
    String::from_utf8(out).ok()
}

/// Listed ids by their comparable form. Resolves references whose GUID is written in another case.
pub(super) struct ListedIds(AHashMap<Id, Id>);

impl ListedIds {
    /// Indexes the ids of these rows.
    pub(super) fn of(rows: &[Listed]) -> Self {
        Self(rows.iter().map(|row| (row.id.comparable(), row.id.clone())).collect())
    }

    /// Returns the listed id that a reference means.
    pub(super) fn get(&self, id: &Id) -> Option<&Id> {
        self.0.get(&id.comparable())
    }

    /// Returns whether the list has the id that a reference means.
    pub(super) fn has(&self, id: &Id) -> bool {
        self.0.contains_key(&id.comparable())
    }
}

/// Returns the items of a field with references: a list, a single item, or none.
pub(super) fn items(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        Value::Array(items) => items,
        one => std::slice::from_ref(one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: &Value) -> Option<(String, Option<ReferenceKind>)> {
        MemberReference::read(value).map(|reference| (reference.id.to_text().to_string(), reference.kind))
    }

    #[test]
    fn members_are_read_in_every_form() {
        let some = |id: &str, kind| Some((id.to_owned(), kind));
        for (value, expected) in [
            (json!("1"), some("1", None)),
            (json!(1), some("1", None)),
            (json!({"value": "1"}), some("1", None)),
            (json!({"Value": 1, "TYPE": "user"}), some("1", Some(ReferenceKind::User))),
            (json!({"value": "1", "type": "Robot"}), some("1", None)),
            (json!({"$ref": "https://h/scim/v2/Users/1"}), some("1", Some(ReferenceKind::User))),
            (json!({"$ref": "../Groups/g%3A5"}), some("g:5", Some(ReferenceKind::Group))),
            (json!({"$REF": "/scim/v2/groups/7/"}), some("7", Some(ReferenceKind::Group))),
            (json!({"value": "7", "$ref": "Groups/7", "type": "User"}), some("7", Some(ReferenceKind::Group))),
            (
                json!({"value": "7", "$ref": "https://h/Devices/7", "type": "Group"}),
                some("7", Some(ReferenceKind::Group)),
            ),
        ] {
            assert_eq!(read(&value), expected, "{value}");
        }
    }

    #[test]
    fn a_value_that_names_no_user_and_no_group_is_no_reference() {
        for value in [
            json!(null),
            json!(true),
            json!({}),
            json!({"display": "x"}),
            json!({"$ref": "Devices/7"}),
            json!({"$ref": "Users/18\u{fffd}"}),
            json!({"value": "18\u{fffd}", "$ref": "Users/18\u{fffd}", "type": "User"}),
            json!({"value": "7", "$ref": "https://h/Devices/7", "type": "Device"}),
            json!([1]),
            json!(""),
        ] {
            assert_eq!(read(&value), None, "{value}");
        }
    }
}
