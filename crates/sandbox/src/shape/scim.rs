//! The guide's records as SCIM resources (RFC 7643). Memberships appear on both sides, and an extension holds the
//! fields that the core schemas lack. Knows no HTTP.

use super::{undocumented, without};
use crate::faults::Faults;
use crate::members::named_groups;
use crate::record::Record;
use crate::world::World;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};

pub(crate) const CORE_USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(crate) const CORE_GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub(crate) const MORE_USER: &str = "urn:bt-rollcall:sandbox:2.0:User";
pub(crate) const MORE_GROUP: &str = "urn:bt-rollcall:sandbox:2.0:Group";
/// The attribute of [`MORE_USER`] with the last login, which the core schema lacks.
pub(crate) const LAST_LOGIN: &str = "lastLogin";
/// The fields of a group that have attributes of their own.
pub(crate) const GROUP_FIELDS: [&str; 3] = ["id", "name", "description"];

/// The window of [`users`] and [`groups`] that holds everything.
pub(crate) const ALL: (usize, usize) = (0, usize::MAX);

/// Returns the users of a window (offset, limit), ascending by id. Locations are below `base`.
pub(crate) fn users(world: &World, faults: &Faults, base: &str, window: (usize, usize)) -> Vec<Value> {
    world
        .users()
        .skip(window.0)
        .take(window.1)
        .map(|(id, record)| user_resource(world, faults, base, id, record))
        .collect()
}

/// Returns the groups of a window (offset, limit), ascending by id. Locations are below `base`.
pub(crate) fn groups(world: &World, faults: &Faults, base: &str, window: (usize, usize)) -> Vec<Value> {
    let builder = GroupBuilder { world, faults, base, members: members(world, None) };
    world.groups().skip(window.0).take(window.1).map(|(id, record)| builder.resource(id, record)).collect()
}

/// Returns the resource of a user.
pub(crate) fn user(world: &World, faults: &Faults, base: &str, id: u64) -> Option<Value> {
    world.user(id).map(|record| user_resource(world, faults, base, id, record))
}

/// Returns the resource of a group.
pub(crate) fn group(world: &World, faults: &Faults, base: &str, id: u64) -> Option<Value> {
    let record = world.group(id)?;
    Some(GroupBuilder { world, faults, base, members: members(world, Some(id)) }.resource(id, record))
}

/// Returns the groups that a record names, existing or not, without duplicates; `None` if it reports no memberships.
fn memberships(record: &Record) -> Option<Vec<u64>> {
    record.get("group_memberships")?.as_array()?;
    let mut ids: Vec<u64> = Vec::new();
    for id in named_groups(record) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Some(ids)
}

/// Returns user ids by group, unlisted members included, ascending. `only` selects one group.
fn members(world: &World, only: Option<u64>) -> HashMap<u64, BTreeSet<u64>> {
    let mut found: HashMap<u64, BTreeSet<u64>> = HashMap::new();
    let named = world.users().flat_map(|(user, record)| named_groups(record).map(move |group| (group, user)));
    for (group, user) in named.chain(world.product_details().unlisted_members.iter().copied()) {
        if only.is_none_or(|only| only == group) {
            found.entry(group).or_default().insert(user);
        }
    }
    found
}

fn user_resource(world: &World, faults: &Faults, base: &str, id: u64, record: &Record) -> Value {
    let mut resource = world.scim_user(id);
    let mut put = |key: &str, value: Value| drop(resource.insert(key.to_owned(), value));
    put("id", id.to_string().into());
    let renamed =
        [("userName", "username"), ("displayName", "display_name"), ("active", "enabled"), ("locale", "locale")];
    for (attribute, field) in renamed {
        if let Some(value) = record.get(field) {
            put(attribute, value.clone());
        }
    }
    let mut meta = meta("User", &format!("{base}/Users/{id}"));
    if let Some(created) = record.get("created_at") {
        meta.insert("created".to_owned(), created.clone());
    }
    put("meta", Value::Object(meta));
    if !faults.scim_members_only
        && let Some(groups) = memberships(record)
    {
        put("groups", groups.into_iter().filter_map(|group| group_reference(world, group)).collect());
    }
    if let Some(name) = record.get("display_name").filter(|name| name.is_string()) {
        resource.entry("name").or_insert_with(|| json!({"formatted": name}));
    }
    put_emails(&mut resource, record.get("email_address").and_then(Value::as_str));
    let mut more: Record = undocumented(record).collect();
    more.extend(record.get("last_login").map(|login| (LAST_LOGIN.to_owned(), login.clone())));
    with_extension(resource, CORE_USER, MORE_USER, more)
}

/// Sets the address that the other interfaces report. The addresses that a SCIM client wrote stay while they agree with
/// it.
fn put_emails(resource: &mut Record, address: Option<&str>) {
    let agrees = resource.get("emails").and_then(Value::as_array).is_some_and(|rows| chosen_email(rows) == address);
    match address {
        _ if agrees => {}
        Some(address) => {
            let emails = json!([{"value": address, "type": "work", "primary": true}]);
            resource.insert("emails".to_owned(), emails);
        }
        None => drop(resource.remove("emails")),
    }
}

/// Returns the primary address, or the first one.
pub(crate) fn chosen_email(emails: &[Value]) -> Option<&str> {
    let primary = emails.iter().find(|email| email.get("primary") == Some(&Value::Bool(true)));
    primary.or(emails.first())?.get("value")?.as_str()
}

/// Returns a row of `groups`; `None` if the group does not exist.
fn group_reference(world: &World, group: u64) -> Option<Value> {
    let name = world.group(group)?.get("name").filter(|name| name.is_string());
    let mut row = json!({"value": group.to_string()});
    if let Some(name) = name {
        row["display"] = name.clone();
    }
    Some(row)
}

/// Builds group resources. The members of all groups are looked up once, because a lookup passes over all users.
struct GroupBuilder<'a> {
    world: &'a World,
    faults: &'a Faults,
    base: &'a str,
    members: HashMap<u64, BTreeSet<u64>>,
}

impl GroupBuilder<'_> {
    fn resource(&self, id: u64, record: &Record) -> Value {
        let mut resource = self.world.scim_group(id);
        let mut put = |key: &str, value: Value| drop(resource.insert(key.to_owned(), value));
        put("id", id.to_string().into());
        if let Some(name) = record.get("name") {
            put("displayName", name.clone());
        }
        put("meta", Value::Object(meta("Group", &format!("{}/Groups/{id}", self.base))));
        if !self.faults.scim_groups_only {
            put("members", self.rows(id));
        }
        let mut more: Record = without(record, &GROUP_FIELDS).collect();
        let description = record.get("description").filter(|text| text.is_string());
        more.extend(description.map(|text| ("description".to_owned(), text.clone())));
        with_extension(resource, CORE_GROUP, MORE_GROUP, more)
    }

    fn rows(&self, group: u64) -> Value {
        let left_out = |user: u64| self.faults.scim_disagree == Some((user, group));
        let users = self.members.get(&group).into_iter().flatten().filter(|user| !left_out(**user));
        let users = users.map(|user| {
            let shown = self.world.user(*user).and_then(|record| record.get("display_name"));
            self.row("User", *user, shown)
        });
        let nested = self.world.product_details().nested.iter().filter(|(parent, _)| *parent == group);
        let nested = nested.map(|(_, child)| {
            let shown = self.world.group(*child).and_then(|record| record.get("name"));
            self.row("Group", *child, shown)
        });
        users.chain(nested).collect()
    }

    fn row(&self, kind: &str, id: u64, shown: Option<&Value>) -> Value {
        let mut row = json!({"value": id.to_string(), "type": kind, "$ref": format!("{}/{kind}s/{id}", self.base)});
        if let Some(shown) = shown.filter(|shown| shown.is_string()) {
            row["display"] = shown.clone();
        }
        row
    }
}

fn meta(kind: &str, location: &str) -> Record {
    [("resourceType", kind), ("location", location)]
        .map(|(key, text)| (key.to_owned(), text.into()))
        .into_iter()
        .collect()
}

/// Adds `schemas` and the extension. The attributes of an extension are in an object of its name, which `schemas` lists
/// as well (RFC 7643 §3.3).
fn with_extension(mut resource: Record, core: &str, extension: &str, more: Record) -> Value {
    let schemas = if more.is_empty() { json!([core]) } else { json!([core, extension]) };
    resource.insert("schemas".to_owned(), schemas);
    if !more.is_empty() {
        resource.insert(extension.to_owned(), Value::Object(more));
    }
    Value::Object(resource)
}
