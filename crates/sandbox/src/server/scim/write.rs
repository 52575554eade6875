//! Writing by SCIM (RFC 7644 §3.3, §3.5, §3.6): create, replace, change and delete users and groups.
//!
//! The program never writes. This part exists for scim2-tester, which checks the interface against the RFCs and has to
//! create what it reads (`.ci/peer_scim.py`). Changes end up in the guide's records, so every interface reports them.

use super::{ResourceKind, ScimError, ScimRequest, ScimResult, patch, scim, shape};
use crate::counters::lock;
use crate::faults::Faults;
use crate::members;
use crate::record::Record;
use crate::shape::GUIDE_FIELDS;
use crate::world::World;
use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode, header};
use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Creates a user or a group.
pub(super) fn create(request: &ScimRequest, kind: ResourceKind) -> ScimResult {
    let wanted = sent_resource(request, kind)?;
    let mut world = lock(&request.appliance.world);
    let id = match kind {
        ResourceKind::User => {
            let plan = UserPlan::make(&world, None, &Record::new(), &wanted)?;
            let id = world.add_user(new_user());
            plan.carry_out(&mut world, id);
            id
        }
        ResourceKind::Group => {
            let plan = GroupPlan::make(&world, &Record::new(), &wanted)?;
            let id = world.add_group(Record::new());
            plan.carry_out(&mut world, id);
            id
        }
    };
    written(request, &world, StatusCode::CREATED, kind, id)
}

/// Replaces a resource: attributes that the request omits are removed or take their default (RFC 7644 §3.5.1).
pub(super) fn replace(request: &ScimRequest, kind: ResourceKind, id: &str) -> ScimResult {
    let wanted = sent_resource(request, kind)?;
    change(request, kind, id, |_| Ok(wanted))
}

/// Changes attributes of a resource.
pub(super) fn modify(request: &ScimRequest, kind: ResourceKind, id: &str) -> ScimResult {
    let operations = sent(request)?;
    change(request, kind, id, |mut object| patch::apply(&mut object, kind, &operations).map(|()| object))
}

/// Deletes a user or a group. A deleted group leaves no memberships behind.
pub(super) fn delete(request: &ScimRequest, kind: ResourceKind, id: &str) -> ScimResult {
    let mut world = lock(&request.appliance.world);
    let id = id.parse().map_err(|_| ScimError::not_found("resource"))?;
    let existed = match kind {
        ResourceKind::User => world.remove_user(id),
        ResourceKind::Group => {
            for user in world.user_ids() {
                world.edit_user(user, |record| members::remove_group(record, id));
            }
            world.product_details_mut().nested.retain(|(parent, child)| *parent != id && *child != id);
            world.remove_group(id)
        }
    };
    if !existed {
        return Err(ScimError::not_found("resource"));
    }
    let mut response = axum::response::Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// Changes a resource from its current attributes to others; on an error nothing is changed.
fn change(
    request: &ScimRequest,
    kind: ResourceKind,
    id: &str,
    new_attributes: impl FnOnce(Record) -> Result<Record, ScimError>,
) -> ScimResult {
    let mut world = lock(&request.appliance.world);
    let id = id.parse().map_err(|_| ScimError::not_found("resource"))?;
    // Without faults: an attribute that a fault hides from readers must not be removed.
    let whole = ScimRequest { faults: Faults::default(), parameters: Vec::new(), body: Bytes::new(), ..*request };
    let Some(Value::Object(old)) = whole.resource(&world, kind, id) else {
        return Err(ScimError::not_found("resource"));
    };
    let old = patch::writable(old);
    let new = new_attributes(old.clone())?;
    match kind {
        ResourceKind::User => UserPlan::make(&world, Some(id), &old, &new)?.carry_out(&mut world, id),
        ResourceKind::Group => GroupPlan::make(&world, &old, &new)?.carry_out(&mut world, id),
    }
    written(request, &world, StatusCode::OK, kind, id)
}

fn sent(request: &ScimRequest) -> Result<Record, ScimError> {
    serde_json::from_slice(&request.body).map_err(|_| ScimError::bad("invalidSyntax", "the body must be a JSON object"))
}

/// Returns the attributes in the body of a request that clients may write, with defaults.
fn sent_resource(request: &ScimRequest, kind: ResourceKind) -> Result<Record, ScimError> {
    let mut wanted = patch::writable(sent(request)?);
    if kind == ResourceKind::User {
        wanted.entry("active").or_insert(Value::Bool(true));
    }
    Ok(wanted)
}

fn written(request: &ScimRequest, world: &World, status: StatusCode, kind: ResourceKind, id: u64) -> ScimResult {
    let resource = request.resource(world, kind, id).ok_or_else(|| ScimError::not_found("resource"))?;
    let mut response = scim(status, &resource);
    if let Some(Ok(location)) = resource["meta"]["location"].as_str().map(HeaderValue::from_str) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Returns the record of a new user, with the fields that a SCIM client cannot set.
fn new_user() -> Record {
    let created = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    let fields = json!({"display_name": null, "email_address": null, "group_memberships": [], "public_key": null,
        "last_login": null, "created_at": created, "locale": null});
    fields.as_object().cloned().unwrap_or_default()
}

/// The changes of a user, checked before any of them is made.
struct UserPlan {
    /// Fields of the guide's record, and undocumented ones. `None` removes a field.
    fields: Vec<(String, Option<Value>)>,
    /// Attributes that only SCIM has. `None` removes an attribute.
    scim_only: Vec<(&'static str, Option<Value>)>,
}

impl UserPlan {
    fn make(world: &World, id: Option<u64>, old: &Record, new: &Record) -> Result<Self, ScimError> {
        let changed = |key: &str| old.get(key) != new.get(key);
        let mut plan = Self { fields: Vec::new(), scim_only: Vec::new() };
        let mut set = |field: &str, value: Value| plan.fields.push((field.to_owned(), Some(value)));
        // Records of a seeded world may have unusual values. Only what the client changes is checked.
        if id.is_none() || changed("userName") {
            let name = required(new, "userName")?;
            if world.user_named(name).is_some_and(|owner| Some(owner) != id) {
                return Err(ScimError(StatusCode::CONFLICT, Some("uniqueness"), "userName is taken".to_owned()));
            }
            set("username", name.into());
        }
        for (attribute, field) in [("displayName", "display_name"), ("locale", "locale")] {
            if changed(attribute) {
                set(field, optional(new, attribute, Value::is_string, "a text")?);
            }
        }
        if changed("active") {
            set("enabled", optional(new, "active", Value::is_boolean, "true or false")?);
        }
        if changed("emails") {
            let emails = optional(new, "emails", Value::is_array, "a list")?;
            let rows = emails.as_array().map(Vec::as_slice).unwrap_or_default();
            if rows.iter().any(|email| !email["value"].is_string()) {
                return Err(ScimError::bad("invalidValue", "an address must have a value"));
            }
            set("email_address", shape::chosen_email(rows).into());
            plan.scim_only.push(("emails", (!rows.is_empty()).then(|| emails.clone())));
        }
        for key in ["name", "externalId"] {
            if changed(key) {
                plan.scim_only.push((key, new.get(key).cloned()));
            }
        }
        let documented = |key: &str| GUIDE_FIELDS.contains(&key) || key == shape::LAST_LOGIN;
        plan.fields.extend(other_fields(old, new, shape::MORE_USER).filter(|(key, _)| !documented(key)));
        Ok(plan)
    }

    fn carry_out(self, world: &mut World, id: u64) {
        let mut scim_only = world.scim_user(id);
        self.scim_only.into_iter().for_each(|(key, value)| put(&mut scim_only, key, value));
        world.set_scim_user(id, scim_only);
        world.edit_user(id, |record| self.fields.into_iter().for_each(|(key, value)| put(record, &key, value)));
    }
}

/// The changes of a group, checked before any of them is made.
struct GroupPlan {
    /// Fields of the guide's record, and undocumented ones. `None` removes a field.
    fields: Vec<(String, Option<Value>)>,
    external_id: Option<Value>,
    joining: BTreeSet<u64>,
    leaving: BTreeSet<u64>,
    /// Groups that are members; `None` leaves them unchanged.
    nested: Option<BTreeSet<u64>>,
}

impl GroupPlan {
    fn make(world: &World, old: &Record, new: &Record) -> Result<Self, ScimError> {
        let mut fields = Vec::new();
        if old.is_empty() || old.get("displayName") != new.get("displayName") {
            fields.push(("name".to_owned(), Some(required(new, "displayName")?.into())));
        }
        fields.extend(other_fields(old, new, shape::MORE_GROUP).filter(|(key, _)| key != "id" && key != "name"));
        let before = SentMembers::of(old);
        let after = SentMembers::of(new);
        let added: Vec<&(bool, Value)> = after.0.iter().filter(|member| !before.0.contains(member)).collect();
        for (is_group, id) in added {
            let exists = number(id).is_some_and(|id| match is_group {
                true => world.group(id).is_some(),
                false => world.user(id).is_some(),
            });
            if !exists {
                return Err(ScimError::bad("invalidValue", format!("member {id} does not exist")));
            }
        }
        Ok(Self {
            fields,
            external_id: new.get("externalId").cloned(),
            joining: &after.users() - &before.users(),
            leaving: &before.users() - &after.users(),
            nested: (before.groups() != after.groups()).then(|| after.groups()),
        })
    }

    fn carry_out(self, world: &mut World, id: u64) {
        let mut record = world.group(id).cloned().unwrap_or_default();
        self.fields.into_iter().for_each(|(key, value)| put(&mut record, &key, value));
        world.put_group(id, record);
        let mut scim_only = world.scim_group(id);
        put(&mut scim_only, "externalId", self.external_id);
        world.set_scim_group(id, scim_only);
        for user in self.joining {
            world.edit_user(user, |record| members::add_group(record, id));
        }
        for user in self.leaving {
            world.edit_user(user, |record| members::remove_group(record, id));
        }
        if let Some(nested) = self.nested {
            let pairs = &mut world.product_details_mut().nested;
            pairs.retain(|(parent, _)| *parent != id);
            pairs.extend(nested.into_iter().map(|child| (id, child)));
        }
    }
}

/// The members of a group as a client sent them: (whether it is a group, value).
struct SentMembers(Vec<(bool, Value)>);

impl SentMembers {
    fn of(group: &Record) -> Self {
        let rows = group.get("members").and_then(Value::as_array).into_iter().flatten();
        // The type may be absent (RFC 7643 §4.2); the address then shows a group.
        let is_group = |row: &Value| match (row["type"].as_str(), row["$ref"].as_str()) {
            (Some(kind), _) => kind == "Group",
            (None, Some(reference)) => reference.contains("/Groups/"),
            (None, None) => false,
        };
        Self(rows.map(|row| (is_group(row), row["value"].clone())).collect())
    }

    fn users(&self) -> BTreeSet<u64> {
        self.0.iter().filter(|(is_group, _)| !is_group).filter_map(|(_, id)| number(id)).collect()
    }

    fn groups(&self) -> BTreeSet<u64> {
        self.0.iter().filter(|(is_group, _)| *is_group).filter_map(|(_, id)| number(id)).collect()
    }
}

/// Returns the number of an id. SCIM's ids are texts; those of the world are numbers.
fn number(id: &Value) -> Option<u64> {
    id.as_str()?.parse().ok()
}

fn put(object: &mut Record, key: &str, value: Option<Value>) {
    match value {
        Some(value) => drop(object.insert(key.to_owned(), value)),
        None => drop(object.remove(key)),
    }
}

/// Returns the fields of an extension: first the removal of all old ones, then the new ones.
fn other_fields<'a>(
    old: &'a Record,
    new: &'a Record,
    extension: &'a str,
) -> impl Iterator<Item = (String, Option<Value>)> + 'a {
    let of = |object: &'a Record| object.get(extension).and_then(Value::as_object).into_iter().flatten();
    let removed = of(old).map(|(key, _)| (key.clone(), None));
    removed.chain(of(new).map(|(key, value)| (key.clone(), Some(value.clone()))))
}

fn required<'a>(object: &'a Record, key: &str) -> Result<&'a str, ScimError> {
    let text = object.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    text.ok_or_else(|| ScimError::bad("invalidValue", format!("{key} is required")))
}

/// Returns the value of an attribute; null if it is absent.
fn optional(object: &Record, key: &str, is_valid: fn(&Value) -> bool, expected: &str) -> Result<Value, ScimError> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(Value::Null),
        Some(value) if is_valid(value) => Ok(value.clone()),
        Some(_) => Err(ScimError::bad("invalidValue", format!("{key} must be {expected}"))),
    }
}
