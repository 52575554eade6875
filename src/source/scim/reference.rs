//! References from groups to members and from users to groups (RFC 7643 §4.1.2, §4.2), however a server writes them: objects with
//! `value`, `$ref` or both, texts, numbers. Pure.

use crate::source::decode::{Id, Listed, get};
use ahash::AHashMap;
use serde_json::Value;

/// What a reference leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReferenceKind {
    User,
    Group,
}

/// A reference as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MemberReference {
    /// As it was written.
    pub(super) id: Id,
    /// By `$ref`, else by `type`; `None`: neither says.
    pub(super) kind: Option<ReferenceKind>,
    /// RFC 7643 §4.1.2: a membership by way of a group within the group.
    pub(super) is_indirect: bool,
}

impl MemberReference {
    /// Reads one reference; `None` where it cannot be understood.
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
                // A link to another resource, without a type that says otherwise, names no user and no group.
                let is_other = link.is_none() && by_type.is_none() && written.is_some_and(|link| link.contains('/'));
                let kind = link.map(|(kind, _)| kind).or(by_type);
                (!is_other).then_some(Self { id, kind, is_indirect: word.eq_ignore_ascii_case("indirect") })
            }
            _ => None,
        }
    }
}

/// Returns what a `$ref` leads to, absolute or relative: `https://host/scim/v2/Users/1`, `../Groups/g%3A5`.
fn target(link: &str) -> Option<(ReferenceKind, Id)> {
    let path = link.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let (head, id) = path.rsplit_once('/')?;
    let kind = match head.rsplit('/').next().unwrap_or_default() {
        word if word.eq_ignore_ascii_case("users") => ReferenceKind::User,
        word if word.eq_ignore_ascii_case("groups") => ReferenceKind::Group,
        _ => return None,
    };
    let id = unescaped(id)?;
    (!id.is_empty()).then(|| (kind, Id::of(&id)))
}

/// RFC 3986 §2.1.
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

/// The listed objects by their ids in comparable form: references lead to the ids as the list has them.
pub(super) struct Names(AHashMap<Id, Id>);

impl Names {
    pub(super) fn of(rows: &[Listed]) -> Self {
        Self(rows.iter().map(|row| (row.id.comparable(), row.id.clone())).collect())
    }

    /// Returns the listed id that a reference means.
    pub(super) fn get(&self, id: &Id) -> Option<&Id> {
        self.0.get(&id.comparable())
    }

    pub(super) fn has(&self, id: &Id) -> bool {
        self.0.contains_key(&id.comparable())
    }
}

/// The items of a field that holds references: a list, one alone, or none at all.
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
        MemberReference::read(value).map(|reference| (reference.id.to_text(), reference.kind))
    }

    #[test]
    fn members_are_read_however_they_are_written() {
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
    fn what_names_nobody_is_not_understood() {
        for value in [
            json!(null),
            json!(true),
            json!({}),
            json!({"display": "x"}),
            json!({"$ref": "Devices/7"}),
            json!({"value": "7", "$ref": "https://h/Devices/7", "type": "Device"}),
            json!([1]),
            json!(""),
        ] {
            assert_eq!(read(&value), None, "{value}");
        }
    }
}
