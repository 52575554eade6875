//! Writing by SCIM (RFC 7644 §3.3, §3.5, §3.6): create, replace, change, delete. Everything ends up in the guide's records,
//! so that what an identity provider takes away is gone on every surface.

use super::super::super::members::named_groups;
use super::super::super::shape::GUIDE_FIELDS;
use super::super::super::tally::lock;
use super::super::super::world::{Record, World};
use super::super::write::{defaults, join, leave};
use super::{Call, Problem, ResourceKind, ScimResult, patch, scim, shape};
use axum::http::{HeaderValue, StatusCode, header};
use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

type Object = Map<String, Value>;

pub(super) fn create(call: &Call, kind: ResourceKind) -> ScimResult {
    let mut wanted = patch::normalised(kind, &sent(call)?)?;
    let mut world = lock(&call.appliance.world);
    let id = match kind {
        ResourceKind::User => {
            wanted.entry("active").or_insert(Value::Bool(true));
            name_by_parts(&mut wanted);
            let plan = UserPlan::make(&world, None, &Object::new(), &wanted)?;
            let mut record = defaults();
            record.insert("last_login".to_owned(), Value::Null);
            record.insert("created_at".to_owned(), Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true).into());
            let id = world.add_user(record);
            plan.carry_out(&mut world, id);
            id
        }
        ResourceKind::Group => {
            let plan = GroupPlan::make(&world, &Object::new(), &wanted)?;
            let id = world.add_group(Record::new());
            plan.carry_out(&mut world, id);
            id
        }
    };
    written(call, &world, StatusCode::CREATED, kind, id)
}

pub(super) fn replace(call: &Call, kind: ResourceKind, id: &str) -> ScimResult {
    let mut wanted = patch::normalised(kind, &sent(call)?)?;
    if kind == ResourceKind::User {
        // RFC 7644 §3.5.1: what is left out may take its default.
        wanted.entry("active").or_insert(Value::Bool(true));
    }
    settle(call, kind, id, |_| Ok(wanted))
}

pub(super) fn modify(call: &Call, kind: ResourceKind, id: &str) -> ScimResult {
    let request = sent(call)?;
    settle(call, kind, id, |mut object| patch::apply(&mut object, kind, &request).map(|()| object))
}

pub(super) fn delete(call: &Call, kind: ResourceKind, id: &str) -> ScimResult {
    writable(call)?;
    let mut world = lock(&call.appliance.world);
    let id = id.parse().map_err(|_| Problem::not_found("the resource"))?;
    let was_there = match kind {
        ResourceKind::User => world.remove_user(id),
        ResourceKind::Group => {
            for user in world.user_ids() {
                if world.user(user).is_some_and(|record| names(record, id)) {
                    world.edit_user(user, |record| leave(record, id));
                }
            }
            world.facets_mut().nested.retain(|(parent, child)| *parent != id && *child != id);
            world.remove_group(id)
        }
    };
    if !was_there {
        return Err(Problem::not_found("the resource"));
    }
    call.appliance.tally.count(|c| c.writes += 1);
    let mut response = axum::response::Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// Brings a resource from what it is to what it is to be; all or nothing.
fn settle(
    call: &Call,
    kind: ResourceKind,
    id: &str,
    change: impl FnOnce(Object) -> Result<Object, Problem>,
) -> ScimResult {
    let mut world = lock(&call.appliance.world);
    let id = id.parse().map_err(|_| Problem::not_found("the resource"))?;
    // Every attribute, whatever a fault hides from readers.
    let whole = Call { faults: super::Faults::default(), asked: Vec::new(), body: axum::body::Bytes::new(), ..*call };
    let Some(Value::Object(mut old)) = whole.resource(&world, kind, id) else {
        return Err(Problem::not_found("the resource"));
    };
    for read_only in ["id", "meta", "schemas", "groups"] {
        old.remove(read_only);
    }
    let new = change(old.clone())?;
    match kind {
        ResourceKind::User => UserPlan::make(&world, Some(id), &old, &new)?.carry_out(&mut world, id),
        ResourceKind::Group => GroupPlan::make(&world, &old, &new)?.carry_out(&mut world, id),
    }
    written(call, &world, StatusCode::OK, kind, id)
}

fn writable(call: &Call) -> Result<(), Problem> {
    if call.faults.read_only {
        return Err(Problem(StatusCode::FORBIDDEN, None, "this account may only read".to_owned()));
    }
    Ok(())
}

fn sent(call: &Call) -> Result<Object, Problem> {
    writable(call)?;
    serde_json::from_slice(&call.body).map_err(|_| Problem::bad("invalidSyntax", "the body is no JSON object"))
}

fn written(call: &Call, world: &World, status: StatusCode, kind: ResourceKind, id: u64) -> ScimResult {
    call.appliance.tally.count(|c| c.writes += 1);
    let resource = call.resource(world, kind, id).ok_or_else(|| Problem::not_found("the resource"))?;
    let mut response = scim(status, &resource);
    if let Some(Ok(location)) = resource["meta"]["location"].as_str().map(HeaderValue::from_str) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Whoever is created without a display name gets one from the parts of the name.
fn name_by_parts(wanted: &mut Object) {
    let name = wanted.get("name").cloned().unwrap_or_default();
    let both = ["givenName", "familyName"].map(|part| name[part].as_str());
    let joined = both.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let shown = name["formatted"].as_str().map(str::to_owned).or((!joined.is_empty()).then_some(joined));
    if let Some(shown) = shown {
        wanted.entry("displayName").or_insert(shown.into());
    }
}

/// What is to be done to a user, once nothing can go wrong any more.
struct UserPlan {
    /// Fields of the guide's record, and others; null as far as the guide has it, else gone.
    fields: Vec<(String, Option<Value>)>,
    /// What only SCIM tells.
    said: Vec<(&'static str, Option<Value>)>,
}

impl UserPlan {
    fn make(world: &World, id: Option<u64>, old: &Object, new: &Object) -> Result<Self, Problem> {
        let changed = |key: &str| old.get(key) != new.get(key);
        let mut plan = Self { fields: Vec::new(), said: Vec::new() };
        let mut set = |field: &str, value: Value| plan.fields.push((field.to_owned(), Some(value)));
        // A name that was there before may be anything: only what a client says is looked at.
        if id.is_none() || changed("userName") {
            let name = required(new, "userName")?;
            if world.user_named(name).is_some_and(|owner| Some(owner) != id) {
                return Err(Problem(StatusCode::CONFLICT, Some("uniqueness"), "userName is taken".to_owned()));
            }
            set("username", name.into());
        }
        for (theirs, guides) in [("displayName", "display_name"), ("locale", "locale")] {
            if changed(theirs) {
                set(guides, optional_text(new, theirs)?);
            }
        }
        if changed("active") {
            set("enabled", truth(new.get("active"))?);
        }
        if changed("emails") {
            let emails = addresses(new.get("emails"))?;
            set("email_address", shape::chosen_email(&emails).into());
            plan.said.push(("emails", (!emails.is_empty()).then_some(emails.into())));
        }
        for key in ["name", "externalId"] {
            if changed(key) {
                plan.said.push((key, new.get(key).cloned()));
            }
        }
        let announced = |key: &str| GUIDE_FIELDS.contains(&key) || key == shape::LAST_LOGIN;
        plan.fields.extend(other_fields(old, new, shape::MORE_USER).filter(|(key, _)| !announced(key)));
        Ok(plan)
    }

    fn carry_out(self, world: &mut World, id: u64) {
        let mut said = world.scim_user(id);
        self.said.into_iter().for_each(|(key, value)| put(&mut said, key, value));
        world.set_scim_user(id, said);
        world.edit_user(id, |record| self.fields.into_iter().for_each(|(key, value)| put(record, &key, value)));
    }
}

/// The same for a group.
struct GroupPlan {
    fields: Vec<(String, Option<Value>)>,
    external_id: Option<Value>,
    joining: BTreeSet<u64>,
    leaving: BTreeSet<u64>,
    /// All groups inside; `None`: as before.
    nested: Option<BTreeSet<u64>>,
}

impl GroupPlan {
    fn make(world: &World, old: &Object, new: &Object) -> Result<Self, Problem> {
        let mut fields = Vec::new();
        if old.is_empty() || old.get("displayName") != new.get("displayName") {
            fields.push(("name".to_owned(), Some(required(new, "displayName")?.into())));
        }
        fields.extend(other_fields(old, new, shape::MORE_GROUP).filter(|(key, _)| key != "id" && key != "name"));
        let before = Members::of(old);
        let after = Members::of(new);
        let added: Vec<&(bool, Value)> = after.0.iter().filter(|member| !before.0.contains(member)).collect();
        for (is_group, id) in added {
            let there = number(id).is_some_and(|id| match is_group {
                true => world.group(id).is_some(),
                false => world.user(id).is_some(),
            });
            if !there {
                return Err(Problem::bad("invalidValue", format!("there is no member {id}")));
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
        let mut said = world.scim_group(id);
        put(&mut said, "externalId", self.external_id);
        world.set_scim_group(id, said);
        for user in self.joining {
            world.edit_user(user, |record| join(record, id));
        }
        for user in self.leaving {
            world.edit_user(user, |record| leave(record, id));
        }
        if let Some(nested) = self.nested {
            let pairs = &mut world.facets_mut().nested;
            pairs.retain(|(parent, _)| *parent != id);
            pairs.extend(nested.into_iter().map(|child| (id, child)));
        }
    }
}

/// Who is named as a member: (is a group, value).
struct Members(Vec<(bool, Value)>);

impl Members {
    fn of(group: &Object) -> Self {
        let rows = group.get("members").and_then(Value::as_array).into_iter().flatten();
        let is_group = |row: &Value| match (row["type"].as_str(), row["$ref"].as_str()) {
            (Some(kind), _) => kind.eq_ignore_ascii_case("Group"),
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

/// SCIM's ids are texts; those of this appliance are numbers.
fn number(id: &Value) -> Option<u64> {
    id.as_str()?.parse().ok()
}

fn names(record: &Record, group: u64) -> bool {
    named_groups(record).any(|named| named == group)
}

fn put(object: &mut Object, key: &str, value: Option<Value>) {
    match value {
        Some(value) => drop(object.insert(key.to_owned(), value)),
        None => drop(object.remove(key)),
    }
}

/// What the extension says now, and what it said and no longer does.
fn other_fields<'a>(
    old: &'a Object,
    new: &'a Object,
    extension: &'a str,
) -> impl Iterator<Item = (String, Option<Value>)> + 'a {
    let of = |object: &'a Object| object.get(extension).and_then(Value::as_object).into_iter().flatten();
    let gone = of(old).map(|(key, _)| (key.clone(), None));
    gone.chain(of(new).map(|(key, value)| (key.clone(), Some(value.clone()))))
}

fn required<'a>(object: &'a Object, key: &str) -> Result<&'a str, Problem> {
    let text = object.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    text.ok_or_else(|| Problem::bad("invalidValue", format!("{key} is required")))
}

fn optional_text(object: &Object, key: &str) -> Result<Value, Problem> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(Value::Null),
        Some(text @ Value::String(_)) => Ok(text.clone()),
        Some(_) => Err(Problem::bad("invalidValue", format!("{key} is a text"))),
    }
}

/// Entra ID sends truth values as texts: `"False"`.
fn truth(value: Option<&Value>) -> Result<Value, Problem> {
    match value {
        None | Some(Value::Null) => Ok(Value::Null),
        Some(truth @ Value::Bool(_)) => Ok(truth.clone()),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
        Some(_) => Err(Problem::bad("invalidValue", "active is true or false")),
    }
}

fn addresses(value: Option<&Value>) -> Result<Vec<Value>, Problem> {
    let emails = match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(emails)) => emails.clone(),
        Some(one) => vec![one.clone()],
    };
    if emails.iter().any(|email| !email["value"].is_string()) {
        return Err(Problem::bad("invalidValue", "an address has a value"));
    }
    Ok(emails)
}
