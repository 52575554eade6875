//! Requests that a dialect answers with an error: the members, records and lists below an object that stays listed.

use super::Dialect::{
    self, FirstMembersNotFound, MembersFailing, MembersForbidden, MembersGone, MembersNotFound, NoGroups,
    RecordsNotFound, VendorUsersNotFound,
};
use super::context::DialectContext;
use super::target::{InterfaceFamily, RequestTarget, Resource};
use crate::world::World;
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PAGE: &str = "<!DOCTYPE html><html><head><title>404 Not Found</title></head>\
    <body><h1>Not Found</h1><p>The requested URL was not found on this server.</p></body></html>";

/// An error response: status, content type, body.
pub(crate) type Refusal = (StatusCode, &'static str, String);

/// Returns the error with which the dialects answer a request, if any.
pub(crate) fn refusal(context: &DialectContext<'_>, target: RequestTarget) -> Option<Refusal> {
    let DialectContext { dialects, world } = context;
    let answer = |status, text| Some((status, "application/json", words(target.family, status, text).to_string()));
    match (target.family, target.resource) {
        (InterfaceFamily::Sra | InterfaceFamily::Safe, Resource::Members(group)) => {
            match of_members(dialects, world, group)? {
                FirstMembersNotFound => Some((StatusCode::NOT_FOUND, "text/html", PAGE.to_owned())),
                MembersGone => answer(StatusCode::GONE, "Gone"),
                MembersForbidden => answer(StatusCode::FORBIDDEN, "Forbidden"),
                MembersFailing => answer(StatusCode::INTERNAL_SERVER_ERROR, "An error has occurred."),
                _ => answer(StatusCode::NOT_FOUND, "Not Found"),
            }
        }
        (InterfaceFamily::Sra, Resource::VendorUsers) if dialects.contains(&VendorUsersNotFound) => {
            answer(StatusCode::NOT_FOUND, "Not Found")
        }
        (InterfaceFamily::Guide | InterfaceFamily::Safe, Resource::User(id))
        | (InterfaceFamily::Safe, Resource::GroupsOf(id))
            if has_no_record(dialects, id) =>
        {
            answer(StatusCode::NOT_FOUND, "User not found")
        }
        (InterfaceFamily::Scim, Resource::Groups | Resource::Group(_)) if dialects.contains(&NoGroups) => {
            answer(StatusCode::NOT_IMPLEMENTED, "not offered")
        }
        _ => None,
    }
}

/// Returns whether the member list of a group is answered with an error.
pub(crate) fn is_unread(context: &DialectContext<'_>, group: u64) -> bool {
    of_members(context.dialects, context.world, group).is_some()
}

/// Returns whether the own record of a user is answered with 404.
pub(crate) fn has_no_record(dialects: &BTreeSet<Dialect>, user: u64) -> bool {
    dialects.contains(&RecordsNotFound) && user.is_multiple_of(3)
}

/// Returns the dialect that answers the member list of a group with an error, if any.
fn of_members(dialects: &BTreeSet<Dialect>, world: &World, group: u64) -> Option<Dialect> {
    let is = |edge: Option<u64>| edge == Some(group);
    let hit = |dialect: &Dialect| match dialect {
        MembersNotFound | MembersGone => true,
        FirstMembersNotFound => is(world.groups().next().map(|(id, _)| id)),
        MembersForbidden => group.is_multiple_of(2),
        MembersFailing => is(world.groups().last().map(|(id, _)| id)),
        _ => false,
    };
    dialects.iter().copied().find(hit)
}

/// Returns an error body in the words of an interface.
fn words(family: InterfaceFamily, status: StatusCode, text: &str) -> Value {
    match family {
        InterfaceFamily::Guide => json!({"error": text}),
        InterfaceFamily::Sra => json!({"message": text}),
        InterfaceFamily::Safe => json!(text),
        InterfaceFamily::Scim => json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": status.as_u16().to_string(), "detail": text}),
    }
}
