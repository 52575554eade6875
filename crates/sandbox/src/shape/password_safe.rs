//! The guide's records as Password Safe says them: names in capitals, first and last names, .NET dates. Knows no HTTP.

use super::super::members::named_groups;
use super::super::world::{CANARY, Record, World};
use super::unannounced;
use chrono::DateTime;
use serde_json::{Map, Value, json};

/// All users, the inactive ones too, ascending.
pub(in super::super) fn users(world: &World) -> Vec<Value> {
    world.users().map(|(id, record)| user_object(world, id, record)).collect()
}

/// All user groups, ascending.
pub(in super::super) fn groups(world: &World) -> Vec<Value> {
    world.groups().map(|(id, record)| group_object(id, record)).collect()
}

/// One user.
pub(in super::super) fn user(world: &World, id: u64) -> Option<Value> {
    world.user(id).map(|record| user_object(world, id, record))
}

/// One user group.
pub(in super::super) fn group(world: &World, id: u64) -> Option<Value> {
    world.group(id).map(|record| group_object(id, record))
}

/// The users of a group, the inactive ones too, and whom nobody knows; `None`: no such group.
pub(in super::super) fn users_of_group(world: &mut World, group: u64) -> Option<Vec<Value>> {
    world.group(group)?;
    let mut ids: Vec<u64> = world.members_of(group).iter().map(|(_, user)| *user).collect();
    ids.sort_unstable();
    let stranger = |id: u64| json!({"UserID": id, "UserName": format!("gone-{id}")});
    Some(ids.into_iter().map(|id| user(world, id).unwrap_or_else(|| stranger(id))).collect())
}

/// The groups of a user; `None`: no such user.
pub(in super::super) fn groups_of_user(world: &World, user: u64) -> Option<Vec<Value>> {
    let record = world.user(user)?;
    let groups = world.groups().filter(|(id, _)| named_groups(record).any(|named| named == *id));
    Some(groups.map(|(id, group)| group_object(id, group)).collect())
}

fn user_object(world: &World, id: u64, record: &Record) -> Value {
    let facts = world.facts(id);
    let mut object: Map<String, Value> = unannounced(record).collect();
    let mut put = |key: &str, value: Value| drop(object.insert(key.to_owned(), value));
    put("UserID", id.into());
    for (theirs, guides) in [("UserName", "username"), ("EmailAddress", "email_address"), ("IsActive", "enabled")] {
        if let Some(value) = record.get(guides) {
            put(theirs, value.clone());
        }
    }
    if let Some((first, last)) = record.get("display_name").map(names) {
        put("FirstName", first);
        put("LastName", last);
    }
    put("DomainName", Value::Null);
    put("DistinguishedName", Value::Null);
    put("IsQuarantined", facts.quarantined.into());
    if facts.application {
        put("UserType", "Application".into());
        put("ClientID", format!("client-{id}").into());
        put("AccessPolicyID", 1.into());
        put("ClientSecret", CANARY.into());
        put("LastLoginDate", Value::Null);
    } else {
        if let Some(kind) = record.get("account_type") {
            put("UserType", user_type(kind));
            let (way, address) = last_way(kind);
            put("LastLoginAuthenticationType", way);
            put("LastLoginSAMLIDPURL", address);
        }
        if let Some(login) = record.get("last_login") {
            put("LastLoginDate", without_offset(login));
        }
    }
    Value::Object(object)
}

fn group_object(id: u64, record: &Record) -> Value {
    let announced = ["id", "name", "description"];
    let mut object: Map<String, Value> =
        record.iter().filter(|(key, _)| !announced.contains(&key.as_str())).map(owned).collect();
    for (theirs, guides) in [("Name", "name"), ("Description", "description")] {
        if let Some(value) = record.get(guides) {
            object.insert(theirs.to_owned(), value.clone());
        }
    }
    let fixed = json!({"GroupID": id, "GroupType": "BeyondInsight", "IsActive": true, "DistinguishedName": null});
    object.extend(fixed.as_object().cloned().unwrap_or_default());
    Value::Object(object)
}

fn owned((key, value): (&String, &Value)) -> (String, Value) {
    (key.clone(), value.clone())
}

/// Split at the first space; a name without one is a first name.
fn names(display_name: &Value) -> (Value, Value) {
    match display_name.as_str().and_then(|name| name.split_once(' ')) {
        Some((first, last)) => (first.into(), last.into()),
        None => (display_name.clone(), Value::Null),
    }
}

fn user_type(account_type: &Value) -> Value {
    match account_type.as_str().map(str::to_lowercase).as_deref() {
        // Who signs in by SAML is told by the last login only.
        Some("local" | "saml") => "BeyondInsight".into(),
        Some("ldap") => "ActiveDirectory".into(),
        _ => account_type.clone(),
    }
}

/// How the last login was made, and where.
fn last_way(account_type: &Value) -> (Value, Value) {
    match account_type.as_str().map(str::to_lowercase).as_deref() {
        Some("saml") => ("SAML".into(), "https://idp.example.com/saml2".into()),
        Some("ldap") => ("ActiveDirectory".into(), Value::Null),
        Some("local") => ("BeyondInsight".into(), Value::Null),
        _ => (Value::Null, Value::Null),
    }
}

/// As .NET writes a `DateTime` whose kind is unspecified: an instant in UTC without saying so.
fn without_offset(login: &Value) -> Value {
    let utc = login.as_str().and_then(|text| Some((text, text.strip_suffix('Z')?)));
    match utc {
        Some((text, bare)) if DateTime::parse_from_rfc3339(text).is_ok() => bare.into(),
        _ => login.clone(),
    }
}
