//! Requests below a listed object that a dialect answers with an error, and which objects that concerns.

use super::super::world::World;
use super::Dialect::{
    self, FirstMembersNotFound, MembersFailing, MembersForbidden, MembersGone, MembersNotFound, NoGroups,
    RecordsNotFound, VendorUsersNotFound,
};
use super::place::{ApiPlace, InterfaceFamily, What};
use super::scene::Scene;
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PAGE: &str = "<!DOCTYPE html><html><head><title>404 Not Found</title></head>\
    <body><h1>Not Found</h1><p>The requested URL was not found on this server.</p></body></html>";

/// An answer: status, content type, body.
pub(crate) type Refusal = (StatusCode, &'static str, String);

/// Returns the error that the dialects give in the place of an answer.
pub(crate) fn refusal(scene: &Scene<'_>, place: ApiPlace) -> Option<Refusal> {
    let Scene { dialects, world } = scene;
    let answer = |status, text| Some((status, "application/json", words(place.family, status, text).to_string()));
    match (place.family, place.what) {
        (InterfaceFamily::Sra | InterfaceFamily::Safe, What::Members(group)) => {
            match of_members(dialects, world, group)? {
                FirstMembersNotFound => Some((StatusCode::NOT_FOUND, "text/html", PAGE.to_owned())),
                MembersGone => answer(StatusCode::GONE, "Gone"),
                MembersForbidden => answer(StatusCode::FORBIDDEN, "Forbidden"),
                MembersFailing => answer(StatusCode::INTERNAL_SERVER_ERROR, "An error has occurred."),
                _ => answer(StatusCode::NOT_FOUND, "Not Found"),
            }
        }
        (InterfaceFamily::Sra, What::VendorUsers) if dialects.contains(&VendorUsersNotFound) => {
            answer(StatusCode::NOT_FOUND, "Not Found")
        }
        (InterfaceFamily::Guide | InterfaceFamily::Safe, What::User(id))
        | (InterfaceFamily::Safe, What::GroupsOf(id))
            if has_no_record(dialects, id) =>
        {
            answer(StatusCode::NOT_FOUND, "User not found")
        }
        (InterfaceFamily::Scim, What::Groups | What::Group(_)) if dialects.contains(&NoGroups) => {
            answer(StatusCode::NOT_IMPLEMENTED, "not offered")
        }
        _ => None,
    }
}

/// Returns whether the list of a group's members is answered with an error.
pub(crate) fn is_unread(scene: &Scene<'_>, group: u64) -> bool {
    of_members(scene.dialects, scene.world, group).is_some()
}

/// Returns whether a user's own record is answered with 404.
pub(crate) fn has_no_record(dialects: &BTreeSet<Dialect>, user: u64) -> bool {
    dialects.contains(&RecordsNotFound) && user.is_multiple_of(3)
}

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

/// Each interface words its errors in a way of its own.
fn words(family: InterfaceFamily, status: StatusCode, text: &str) -> Value {
    match family {
        InterfaceFamily::Guide => json!({"error": text}),
        InterfaceFamily::Sra => json!({"message": text}),
        InterfaceFamily::Safe => json!(text),
        InterfaceFamily::Scim => json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": status.as_u16().to_string(), "detail": text}),
    }
}
