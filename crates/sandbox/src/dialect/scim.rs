//! SCIM in the way of other servers: members in other forms, lists that leave some out, attribute names in another
//! case.

use super::guid;
use crate::members::named_groups;
use crate::record::Record;
use crate::world::World;
use serde_json::{Value, json};

/// Leaves out members in the list of groups; the groups' own records have them.
///
/// A reader must be able to notice it. So the first group has no members in the list, and neither have groups whose id
/// is a multiple of three. Other groups are shortened only if the first group has members that the list hides.
pub(super) fn short_list(world: &World, id: u64, group: &mut Record) {
    let Some(Value::Array(members)) = group.get_mut("members") else { return };
    let first = world.groups().next().map(|(id, _)| id);
    let kept = match id % 3 {
        0 => 0,
        _ if first == Some(id) => 0,
        1 if first.is_some_and(|first| has_members(world, first)) => members.len().div_ceil(2),
        _ => members.len(),
    };
    members.truncate(kept);
}

/// Returns whether a group has members of any kind.
fn has_members(world: &World, group: u64) -> bool {
    let product = world.product_details();
    world.users().any(|(_, record)| named_groups(record).any(|named| named == group))
        || product.nested.iter().chain(&product.unlisted_members).any(|(parent, _)| *parent == group)
}

/// Writes members as texts, or as numbers. A nested group stays an object if its id is also that of a user.
pub(super) fn bare_members(world: &World, id: u64, group: &mut Record) {
    for_each_member(group, |member| {
        let Some(value) = member.get("value").and_then(Value::as_str) else { return };
        let number = value.parse::<u64>().ok();
        let is_users_too = number.is_some_and(|id| world.user(id).is_some());
        if member["type"] == "Group" && is_users_too {
            return;
        }
        let bare = match number {
            Some(number) if !id.is_multiple_of(2) => number.into(),
            _ => value.into(),
        };
        *member = bare;
    });
}

/// Removes the type of members, or replaces it by a word of another server. Some users lose their `$ref` as well;
/// groups keep it, because nothing else would identify them.
pub(super) fn foreign_types(group: &mut Record) {
    for_each_member(group, |member| {
        let Some(row) = member.as_object_mut() else { return };
        let is_user = row.get("type").is_some_and(|kind| kind == "User");
        // The characters of the id decide, so that the same member is the same in every group.
        let sum: u32 = row.get("value").and_then(Value::as_str).unwrap_or_default().bytes().map(u32::from).sum();
        match sum % 4 {
            0 => drop(row.remove("type")),
            1 => drop(row.insert("type".to_owned(), "Member".into())),
            2 => drop(row.insert("type".to_owned(), if is_user { "user" } else { "group" }.into())),
            _ => return,
        }
        if is_user && sum % 8 < 4 {
            row.remove("$ref");
        }
    });
}

/// Leaves only the `$ref` of members: absolute, as a path, or relative to the group (RFC 3986 §4.2).
pub(super) fn references(id: u64, group: &mut Record) {
    for_each_member(group, |member| {
        let Some(path) = member.get("$ref").and_then(Value::as_str) else { return };
        let below = |resource: &str| path.rfind(resource).map(|at| format!("..{}", &path[at..]));
        let address = match id % 3 {
            0 => Some(format!("https://appliance.example.com{path}")),
            1 => Some(path.to_owned()),
            _ => below("/Users/").or_else(|| below("/Groups/")),
        };
        *member = json!({"$ref": address});
    });
}

fn for_each_member(group: &mut Record, change: impl FnMut(&mut Value)) {
    let members = group.get_mut("members").and_then(Value::as_array_mut);
    members.into_iter().flatten().filter(|member| member.is_object()).for_each(change);
}

/// Writes a list of one object as that object.
pub(super) fn single_values(resource: &mut Record) {
    for list in ["members", "emails", "groups"] {
        let only = match resource.get_mut(list) {
            Some(Value::Array(rows)) if rows.len() == 1 && rows[0].is_object() => rows[0].take(),
            _ => continue,
        };
        resource.insert(list.to_owned(), only);
    }
}

/// Renames every attribute at any depth. The URN of an extension stays.
pub(super) fn rename(value: Value, name: fn(&str) -> String) -> Value {
    match value {
        Value::Object(fields) => {
            let renamed = |(key, value): (String, Value)| {
                let key = if is_urn(&key) { key } else { name(&key) };
                (key, rename(value, name))
            };
            Value::Object(fields.into_iter().map(renamed).collect::<Record>())
        }
        Value::Array(items) => items.into_iter().map(|item| rename(item, name)).collect(),
        plain => plain,
    }
}

fn is_urn(key: &str) -> bool {
    key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"))
}

/// Returns `userName` as `UserName`.
pub(super) fn pascal(key: &str) -> String {
    let mut letters = key.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Returns the number of a resource, also behind a GUID.
pub(super) fn number(resource: &Record) -> Option<u64> {
    let id = resource.get("id")?.as_str()?;
    id.parse().ok().or_else(|| guid::plain(id))
}
