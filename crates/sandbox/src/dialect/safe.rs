//! Password Safe as other versions and tenants show it: fields that are missing, groups that belong to a directory.

use super::super::world::{Record, World};
use super::Dialect::{self, DirectoryGroups, IgnoresInactive, NoIsActive, NoUserType};
use super::place::What;
use super::scene::Scene;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Returns whether a group belongs to a directory: reading its members makes the appliance synchronise it.
pub(crate) fn is_directory_group(dialects: &BTreeSet<Dialect>, group: u64) -> bool {
    dialects.contains(&DirectoryGroups) && group.is_multiple_of(3)
}

/// Returns whether an account comes from a directory, so that it has a `DomainName` and can be in such a group.
fn comes_from_directory(world: &World, user: u64) -> bool {
    let kind = world.user(user).and_then(|record| record.get("account_type")).and_then(Value::as_str);
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("ldap")) && !world.facts(user).application
}

/// Rewrites a user.
pub(super) fn user(scene: &Scene<'_>, id: u64, record: &mut Record) {
    if scene.has(NoIsActive) || scene.has(IgnoresInactive) {
        record.remove("IsActive");
    }
    let directory = comes_from_directory(scene.world, id);
    if directory && (scene.has(DirectoryGroups) || scene.has(NoUserType)) {
        let name = format!("CN=account-{id},OU=People,DC=example,DC=com");
        record.extend([("DomainName".to_owned(), "EXAMPLE".into()), ("DistinguishedName".to_owned(), name.into())]);
    }
    if scene.has(NoUserType) && !record.contains_key("ClientID") {
        let kind = record.remove("UserType");
        let way = record.get("LastLoginAuthenticationType").and_then(Value::as_str);
        let way = match way {
            _ if directory => "Active Directory",
            Some("BeyondInsight") => "Local",
            Some(other) => other,
            None => return,
        };
        let way = way.to_owned();
        // A stranger in a list of members has neither field.
        if kind.is_some() {
            record.insert("LastLoginAuthenticationType".to_owned(), way.into());
        }
    }
}

/// Rewrites a group.
pub(super) fn group(scene: &Scene<'_>, id: u64, record: &mut Record) {
    if is_directory_group(scene.dialects, id) {
        let kind = ["ActiveDirectory", "EntraID", "LdapDirectory"][usize::try_from(id / 3 % 3).unwrap_or_default()];
        let name = format!("CN=group-{id},OU=Groups,DC=example,DC=com");
        let fields = json!({"GroupType": kind, "DistinguishedName": name});
        record.extend(fields.as_object().cloned().unwrap_or_default());
    }
}

/// Leaves out the rows that a list does not have here.
pub(super) fn thin(scene: &Scene<'_>, what: What, rows: &mut Vec<Value>) {
    let number = |row: &Value, key: &str| row.get(key).and_then(Value::as_u64).unwrap_or_default();
    match what {
        What::Users if scene.has(IgnoresInactive) => {
            rows.retain(|row| row.get("IsActive") != Some(&Value::Bool(false)));
        }
        What::Members(group) => rows.retain(|row| may_hold(scene, group, number(row, "UserID"))),
        What::GroupsOf(user) => rows.retain(|row| may_hold(scene, number(row, "GroupID"), user)),
        _ => {}
    }
}

/// Only accounts of the directory are members of its groups.
fn may_hold(scene: &Scene<'_>, group: u64, user: u64) -> bool {
    !is_directory_group(scene.dialects, group) || comes_from_directory(scene.world, user)
}
