//! Password Safe in other versions and tenants: fields that are missing, and groups that belong to a directory.

use super::Dialect::{self, DirectoryGroups, IgnoresInactive, NoIsActive, NoUserType};
use super::context::DialectContext;
use super::target::Resource;
use crate::record::Record;
use crate::world::World;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Returns whether a group belongs to a directory. A request for its members makes the appliance synchronise it.
pub(crate) fn is_directory_group(dialects: &BTreeSet<Dialect>, group: u64) -> bool {
    dialects.contains(&DirectoryGroups) && group.is_multiple_of(3)
}

/// Returns whether an account comes from a directory. It then has a `DomainName` and can be a member of directory
/// groups.
fn comes_from_directory(world: &World, user: u64) -> bool {
    let kind = world.user(user).and_then(|record| record.get("account_type")).and_then(Value::as_str);
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("ldap")) && !world.user_details(user).application
}

/// Rewrites a user.
pub(super) fn user(context: &DialectContext<'_>, id: u64, record: &mut Record) {
    if context.has(NoIsActive) || context.has(IgnoresInactive) {
        record.remove("IsActive");
    }
    let directory = comes_from_directory(context.world, id);
    if directory && (context.has(DirectoryGroups) || context.has(NoUserType)) {
        let name = format!("CN=account-{id},OU=People,DC=example,DC=com");
        record.extend([("DomainName".to_owned(), "EXAMPLE".into()), ("DistinguishedName".to_owned(), name.into())]);
    }
    if context.has(NoUserType) && !record.contains_key("ClientID") {
        let kind = record.remove("UserType");
        let method = record.get("LastLoginAuthenticationType").and_then(Value::as_str);
        let method = match method {
            _ if directory => "Active Directory",
            Some("BeyondInsight") => "Local",
            Some(other) => other,
            None => return,
        };
        let method = method.to_owned();
        // An unlisted user in a member list has neither field.
        if kind.is_some() {
            record.insert("LastLoginAuthenticationType".to_owned(), method.into());
        }
    }
}

/// Rewrites a group.
pub(super) fn group(context: &DialectContext<'_>, id: u64, record: &mut Record) {
    if is_directory_group(context.dialects, id) {
        let kind = ["ActiveDirectory", "EntraID", "LdapDirectory"][usize::try_from(id / 3 % 3).unwrap_or_default()];
        let name = format!("CN=group-{id},OU=Groups,DC=example,DC=com");
        let fields = json!({"GroupType": kind, "DistinguishedName": name});
        record.extend(fields.as_object().cloned().unwrap_or_default());
    }
}

/// Removes the rows that a list does not have in these dialects.
pub(super) fn remove_rows(context: &DialectContext<'_>, resource: Resource, rows: &mut Vec<Value>) {
    let number = |row: &Value, key: &str| row.get(key).and_then(Value::as_u64).unwrap_or_default();
    match resource {
        Resource::Users if context.has(IgnoresInactive) => {
            rows.retain(|row| row.get("IsActive") != Some(&Value::Bool(false)));
        }
        Resource::Members(group) => rows.retain(|row| may_contain(context, group, number(row, "UserID"))),
        Resource::GroupsOf(user) => rows.retain(|row| may_contain(context, number(row, "GroupID"), user)),
        _ => {}
    }
}

/// Returns whether a user can be in a group: only accounts of the directory are members of its groups.
fn may_contain(context: &DialectContext<'_>, group: u64, user: u64) -> bool {
    !is_directory_group(context.dialects, group) || comes_from_directory(context.world, user)
}
