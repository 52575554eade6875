//! The guide's records as SCIM resources (RFC 7643): attributes, memberships from both sides, an extension for the rest.
//! Knows no HTTP.

use super::super::faults::Faults;
use super::super::members::named_groups;
use super::super::world::{Record, World};
use super::unannounced;
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap};

pub(in super::super) const CORE_USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(in super::super) const CORE_GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub(in super::super) const MORE_USER: &str = "urn:bt-rollcall:sandbox:2.0:User";
pub(in super::super) const MORE_GROUP: &str = "urn:bt-rollcall:sandbox:2.0:Group";
/// The attribute of [`MORE_USER`] that the core schema lacks.
pub(in super::super) const LAST_LOGIN: &str = "lastLogin";
/// The fields of a group that have attributes of their own.
pub(in super::super) const GROUP_FIELDS: [&str; 3] = ["id", "name", "description"];

/// Everything: what [`users`] and [`groups`] may be asked for.
pub(in super::super) const ALL: (usize, usize) = (0, usize::MAX);

/// Users below a base path, ascending: from which place on, and how many at most.
pub(in super::super) fn users(world: &World, faults: &Faults, base: &str, window: (usize, usize)) -> Vec<Value> {
    world
        .users()
        .skip(window.0)
        .take(window.1)
        .map(|(id, record)| user_resource(world, faults, base, id, record))
        .collect()
}

/// The same of groups.
pub(in super::super) fn groups(world: &World, faults: &Faults, base: &str, window: (usize, usize)) -> Vec<Value> {
    let maker = Groups { world, faults, base, members: members(world, None) };
    world.groups().skip(window.0).take(window.1).map(|(id, record)| maker.resource(id, record)).collect()
}

/// One user.
pub(in super::super) fn user(world: &World, faults: &Faults, base: &str, id: u64) -> Option<Value> {
    world.user(id).map(|record| user_resource(world, faults, base, id, record))
}

/// One group.
pub(in super::super) fn group(world: &World, faults: &Faults, base: &str, id: u64) -> Option<Value> {
    let record = world.group(id)?;
    Some(Groups { world, faults, base, members: members(world, Some(id)) }.resource(id, record))
}

/// The groups that a record names, each once, whether they exist or not; `None`: it does not tell.
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

/// User ids by group, ascending, strangers among them: of all groups or of one.
fn members(world: &World, only: Option<u64>) -> HashMap<u64, BTreeSet<u64>> {
    let mut found: HashMap<u64, BTreeSet<u64>> = HashMap::new();
    let reported = world.users().flat_map(|(user, record)| named_groups(record).map(move |group| (group, user)));
    for (group, user) in reported.chain(world.facets().strangers.iter().copied()) {
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
    let same = [("userName", "username"), ("displayName", "display_name"), ("active", "enabled"), ("locale", "locale")];
    for (theirs, guides) in same {
        if let Some(value) = record.get(guides) {
            put(theirs, value.clone());
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
        put("groups", groups.into_iter().filter_map(|group| named(world, group)).collect());
    }
    if let Some(name) = record.get("display_name").filter(|name| name.is_string()) {
        resource.entry("name").or_insert_with(|| json!({"formatted": name}));
    }
    put_emails(&mut resource, record.get("email_address").and_then(Value::as_str));
    let mut more: Map<String, Value> = unannounced(record).collect();
    more.extend(record.get("last_login").map(|login| (LAST_LOGIN.to_owned(), login.clone())));
    finished(resource, CORE_USER, MORE_USER, more)
}

/// The address that the other surfaces tell is the one that counts; what a client said beside it stays while it agrees.
fn put_emails(resource: &mut Record, address: Option<&str>) {
    let agreed = resource.get("emails").and_then(Value::as_array).is_some_and(|said| chosen_email(said) == address);
    match address {
        _ if agreed => {}
        Some(address) => {
            let emails = json!([{"value": address, "type": "work", "primary": true}]);
            resource.insert("emails".to_owned(), emails);
        }
        None => drop(resource.remove("emails")),
    }
}

/// The primary address, else the first.
pub(in super::super) fn chosen_email(emails: &[Value]) -> Option<&str> {
    let primary = emails.iter().find(|email| email.get("primary") == Some(&Value::Bool(true)));
    primary.or(emails.first())?.get("value")?.as_str()
}

fn named(world: &World, group: u64) -> Option<Value> {
    let name = world.group(group)?.get("name").filter(|name| name.is_string());
    let mut row = json!({"value": group.to_string()});
    if let Some(name) = name {
        row["display"] = name.clone();
    }
    Some(row)
}

/// Makes group resources; the members of all are looked up once.
struct Groups<'a> {
    world: &'a World,
    faults: &'a Faults,
    base: &'a str,
    members: HashMap<u64, BTreeSet<u64>>,
}

impl Groups<'_> {
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
        let mut more: Map<String, Value> =
            record.iter().filter(|(key, _)| !GROUP_FIELDS.contains(&key.as_str())).map(owned).collect();
        let description = record.get("description").filter(|text| text.is_string());
        more.extend(description.map(|text| ("description".to_owned(), text.clone())));
        finished(resource, CORE_GROUP, MORE_GROUP, more)
    }

    fn rows(&self, group: u64) -> Value {
        let left_out = |user: u64| self.faults.scim_disagree == Some((user, group));
        let users = self.members.get(&group).into_iter().flatten().filter(|user| !left_out(**user));
        let users = users.map(|user| {
            let shown = self.world.user(*user).and_then(|record| record.get("display_name"));
            self.row("User", *user, shown)
        });
        let nested = self.world.facets().nested.iter().filter(|(parent, _)| *parent == group);
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

fn meta(kind: &str, location: &str) -> Map<String, Value> {
    [("resourceType", kind), ("location", location)]
        .map(|(key, text)| (key.to_owned(), text.into()))
        .into_iter()
        .collect()
}

fn owned((key, value): (&String, &Value)) -> (String, Value) {
    (key.clone(), value.clone())
}

/// RFC 7643 §3.3: an extension's attributes stand in an object of its name, which `schemas` names too.
fn finished(mut resource: Record, core: &str, extension: &str, more: Map<String, Value>) -> Value {
    let schemas = if more.is_empty() { json!([core]) } else { json!([core, extension]) };
    resource.insert("schemas".to_owned(), schemas);
    if !more.is_empty() {
        resource.insert(extension.to_owned(), Value::Object(more));
    }
    Value::Object(resource)
}
