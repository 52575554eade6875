//! The guide's records in the words of Password Safe: keys in Pascal case, first and last names, .NET dates. Knows no
//! HTTP.

use super::{undocumented, without};
use crate::members::named_groups;
use crate::record::Record;
use crate::world::{CANARY, World};
use chrono::DateTime;
use serde_json::{Value, json};

/// Returns all users, inactive ones included, ascending by id.
pub(crate) fn users(world: &World) -> Vec<Value> {
    world.users().map(|(id, record)| user_object(world, id, record)).collect()
}

/// Returns all user groups, ascending by id.
pub(crate) fn groups(world: &World) -> Vec<Value> {
    world.groups().map(|(id, record)| group_object(id, record)).collect()
}

/// Returns a user.
pub(crate) fn user(world: &World, id: u64) -> Option<Value> {
    world.user(id).map(|record| user_object(world, id, record))
}

/// Returns a user group.
pub(crate) fn group(world: &World, id: u64) -> Option<Value> {
    world.group(id).map(|record| group_object(id, record))
}

/// Returns the users of a group, inactive and unlisted ones included; `None` if there is no such group.
pub(crate) fn users_of_group(world: &mut World, group: u64) -> Option<Vec<Value>> {
    world.group(group)?;
    let mut ids: Vec<u64> = world.members_of(group).iter().map(|(_, user)| *user).collect();
    ids.sort_unstable();
    let unlisted = |id: u64| json!({"UserID": id, "UserName": format!("gone-{id}")});
    Some(ids.into_iter().map(|id| user(world, id).unwrap_or_else(|| unlisted(id))).collect())
}

/// Returns the groups of a user; `None` if there is no such user.
pub(crate) fn groups_of_user(world: &World, user: u64) -> Option<Vec<Value>> {
    let record = world.user(user)?;
    let groups = world.groups().filter(|(id, _)| named_groups(record).any(|named| named == *id));
    Some(groups.map(|(id, group)| group_object(id, group)).collect())
}

fn user_object(world: &World, id: u64, record: &Record) -> Value {
    // Fields that the guide does not document are served as they are, to exercise the reader's `extra` column.
    let details = world.user_details(id);
    let mut object: Record = undocumented(record).collect();
    let mut put = |key: &str, value: Value| drop(object.insert(key.to_owned(), value));
    put("UserID", id.into());
    for (key, field) in [("UserName", "username"), ("EmailAddress", "email_address"), ("IsActive", "enabled")] {
        if let Some(value) = record.get(field) {
            put(key, value.clone());
        }
    }
    if let Some((first, last)) = record.get("display_name").map(names) {
        put("FirstName", first);
        put("LastName", last);
    }
    put("DomainName", Value::Null);
    put("DistinguishedName", Value::Null);
    put("IsQuarantined", details.quarantined.into());
    if details.application {
        put("UserType", "Application".into());
        put("ClientID", format!("client-{id}").into());
        put("AccessPolicyID", 1.into());
        put("ClientSecret", CANARY.into());
        put("LastLoginDate", Value::Null);
    } else {
        if let Some(kind) = record.get("account_type") {
            put("UserType", user_type(kind));
            let (method, address) = last_login_method(kind);
            put("LastLoginAuthenticationType", method);
            put("LastLoginSAMLIDPURL", address);
        }
        if let Some(login) = record.get("last_login") {
            put("LastLoginDate", without_offset(login));
        }
    }
    Value::Object(object)
}

fn group_object(id: u64, record: &Record) -> Value {
    let mut object: Record = without(record, &["id", "name", "description"]).collect();
    for (key, field) in [("Name", "name"), ("Description", "description")] {
        if let Some(value) = record.get(field) {
            object.insert(key.to_owned(), value.clone());
        }
    }
    let fixed = json!({"GroupID": id, "GroupType": "BeyondInsight", "IsActive": true, "DistinguishedName": null});
    object.extend(fixed.as_object().cloned().unwrap_or_default());
    Value::Object(object)
}

/// Splits a display name at the first space. A name without a space is a first name.
fn names(display_name: &Value) -> (Value, Value) {
    match display_name.as_str().and_then(|name| name.split_once(' ')) {
        Some((first, last)) => (first.into(), last.into()),
        None => (display_name.clone(), Value::Null),
    }
}

/// Returns the `UserType` of an account.
fn user_type(account_type: &Value) -> Value {
    match account_type.as_str().map(str::to_lowercase).as_deref() {
        // Password Safe shows SAML only in the fields of the last login, not in the type.
        Some("local" | "saml") => "BeyondInsight".into(),
        Some("ldap") => "ActiveDirectory".into(),
        _ => account_type.clone(),
    }
}

/// Returns the method of the last login, and the address of the identity provider.
fn last_login_method(account_type: &Value) -> (Value, Value) {
    match account_type.as_str().map(str::to_lowercase).as_deref() {
        Some("saml") => ("SAML".into(), "https://idp.example.com/saml2".into()),
        Some("ldap") => ("ActiveDirectory".into(), Value::Null),
        Some("local") => ("BeyondInsight".into(), Value::Null),
        _ => (Value::Null, Value::Null),
    }
}

/// Drops the `Z` of an instant, as .NET writes a `DateTime` whose kind is unspecified: UTC, but not marked as such.
fn without_offset(login: &Value) -> Value {
    let utc = login.as_str().and_then(|text| Some((text, text.strip_suffix('Z')?)));
    match utc {
        Some((text, bare)) if DateTime::parse_from_rfc3339(text).is_ok() => bare.into(),
        _ => login.clone(),
    }
}
