//! The Configuration API, `/api/config/v1`, of Privileged Remote Access and, with [`Faults::rs`], of Remote Support.
//!
//! These are the lists from which the program learns who may do what. Paging and filters are in `page`. Each handler
//! checks first whether a fault takes away the permission of the API account.

mod page;

use super::{Appliance, Shared, churn, json_response};
use crate::counters::lock;
use crate::faults::Faults;
use crate::members::named_groups;
use crate::record::Record;
use crate::shape::{self, sra};
use crate::world::World;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;
use page::ConfigPageQuery;
use serde_json::{Value, json};

/// Base path of all resources.
pub(super) const BASE: &str = "/api/config/v1";

pub(super) fn routes() -> Router<Shared> {
    let at = |path: &str| format!("{BASE}{path}");
    Router::new()
        .route(&at("/user"), get(users))
        .route(&at("/user/{id}"), get(user))
        .route(&at("/user/{id}/group-policies"), get(policies_of_user))
        .route(&at("/group-policy"), get(policies))
        .route(&at("/group-policy/{id}"), get(policy))
        .route(&at("/group-policy/{id}/member"), get(members))
        .route(&at("/security-provider"), get(providers))
        .route(&at("/security-provider/{id}"), get(provider))
        .route(&at("/vendor"), get(vendors))
        .route(&at("/vendor/{id}/user"), get(vendor_users))
        .route(&at("/api-account"), get(api_accounts))
}

async fn users(State(appliance): State<Shared>, uri: Uri) -> Response {
    let faults = appliance.faults();
    if faults.forbid_users {
        return refused();
    }
    churn::users(&appliance, &faults);
    let documented = ["username", "email_address", "security_provider_id"];
    let mut world = lock(&appliance.world);
    let response = list_response(&appliance, &uri, &documented, &faults, &mut world, |world, wanted| {
        if faults.empty_users {
            return page::response(Vec::<u64>::new(), |_| Record::new(), wanted);
        }
        let row = |id: u64, record: &Record| {
            sra::user(id, record, &world.user_details(id), &world.product_details().providers, faults.rs)
        };
        // Filters look at the served rows, so only a filtered list has to build every row.
        let chosen = world.users().filter(|(id, record)| !wanted.is_filtered() || wanted.matches(&row(*id, record)));
        page::response(chosen.collect(), |(id, record)| row(id, record), wanted)
    });
    if response.status() == StatusCode::OK {
        appliance.counters.count(|c| c.users_pages += 1);
    }
    response
}

async fn user(State(appliance): State<Shared>, Path(id): Path<String>) -> Response {
    appliance.counters.count(|c| c.details += 1);
    let faults = appliance.faults();
    if faults.forbid_users {
        return refused();
    }
    let world = lock(&appliance.world);
    let found = id.parse().ok().and_then(|id| Some((id, world.user(id)?)));
    found.map_or_else(not_found, |(id, record)| {
        let row = sra::user(id, record, &world.user_details(id), &world.product_details().providers, faults.rs);
        json_response(StatusCode::OK, &Value::Object(row))
    })
}

/// Answers with the policies of one user, ascending by id.
async fn policies_of_user(State(appliance): State<Shared>, Path(id): Path<String>, uri: Uri) -> Response {
    appliance.counters.count(|c| c.details += 1);
    let faults = appliance.faults();
    if faults.forbid_users {
        return refused();
    }
    let mut world = lock(&appliance.world);
    list_response(&appliance, &uri, &[], &faults, &mut world, |world, wanted| {
        let Some(record) = id.parse().ok().and_then(|id| world.user(id)) else { return not_found() };
        let named: Vec<u64> = named_groups(record).collect();
        let rows = world.groups().filter(|(id, _)| named.contains(id)).map(|(id, record)| sra::policy(id, record));
        page::response(rows.collect(), |row| row, wanted)
    })
}

async fn policies(State(appliance): State<Shared>, uri: Uri) -> Response {
    let faults = appliance.faults();
    if faults.forbid_groups {
        return refused();
    }
    let mut world = lock(&appliance.world);
    let response = list_response(&appliance, &uri, &["name"], &faults, &mut world, |world, wanted| {
        let rows = world.groups().map(|(id, record)| sra::policy(id, record));
        page::response(rows.filter(|row| wanted.matches(row)).collect(), |row| row, wanted)
    });
    if response.status() == StatusCode::OK {
        appliance.counters.count(|c| c.groups_pages += 1);
    }
    response
}

/// Answers with one policy. Remote Support has no such path.
async fn policy(State(appliance): State<Shared>, Path(id): Path<String>) -> Response {
    let faults = appliance.faults();
    if faults.forbid_groups {
        return refused();
    }
    let world = lock(&appliance.world);
    let found = id.parse().ok().filter(|_| !faults.rs).and_then(|id| Some((id, world.group(id)?)));
    found.map_or_else(not_found, |(id, record)| json_response(StatusCode::OK, &Value::Object(sra::policy(id, record))))
}

async fn members(State(appliance): State<Shared>, Path(id): Path<String>, uri: Uri) -> Response {
    let faults = appliance.faults();
    if faults.forbid_members {
        return refused();
    }
    let Some(id) = id.parse().ok().filter(|id| lock(&appliance.world).group(*id).is_some()) else {
        return not_found();
    };
    if faults.fail_member_list == Some(id) {
        return message(StatusCode::INTERNAL_SERVER_ERROR, "internal error");
    }
    // Before the lock: churn locks the world itself.
    churn::members(&appliance, &faults, id);
    let mut world = lock(&appliance.world);
    list_response(&appliance, &uri, &[], &faults, &mut world, |world, wanted| {
        page::response(members_of(world, id), |row| row, wanted)
    })
}

/// Returns the member rows of a group policy: users first, then the members that are not expanded to users.
pub(crate) fn members_of(world: &mut World, group: u64) -> Vec<Record> {
    let users: Vec<(u64, u64)> = world.members_of(group).to_vec();
    let users = users.into_iter().map(|(id, user)| sra::member(id, user, world.user_details(user).provider));
    let externals = world.product_details().externals.iter().filter(|external| external.group == group);
    users.chain(externals.map(sra::external)).collect()
}

async fn providers(State(appliance): State<Shared>, uri: Uri) -> Response {
    let faults = appliance.faults();
    if faults.forbid_providers {
        return refused();
    }
    let mut world = lock(&appliance.world);
    list_response(&appliance, &uri, &[], &faults, &mut world, |world, wanted| {
        page::response(world.product_details().providers.iter().collect(), sra::provider, wanted)
    })
}

/// Answers with one security provider. This record has fields that the list lacks, such as `default_policy`.
async fn provider(State(appliance): State<Shared>, Path(id): Path<String>) -> Response {
    if appliance.faults().forbid_providers {
        return refused();
    }
    let world = lock(&appliance.world);
    let found = world.product_details().providers.iter().find(|provider| id.parse() == Ok(provider.id));
    found.map_or_else(not_found, |provider| {
        json_response(StatusCode::OK, &Value::Object(sra::single_provider(provider)))
    })
}

async fn vendors(State(appliance): State<Shared>, uri: Uri) -> Response {
    let faults = appliance.faults();
    if let Some(refusal) = no_vendors(&faults) {
        return refusal;
    }
    let mut world = lock(&appliance.world);
    list_response(&appliance, &uri, &["name"], &faults, &mut world, |world, wanted| {
        let rows = world.product_details().vendors.iter().map(|vendor| shape::with_id(vendor.id, &vendor.record));
        page::response(rows.filter(|row| wanted.matches(row)).collect(), |row| row, wanted)
    })
}

async fn vendor_users(State(appliance): State<Shared>, Path(id): Path<String>, uri: Uri) -> Response {
    let faults = appliance.faults();
    if faults.forbid_vendor_users {
        return refused();
    }
    if let Some(refusal) = no_vendors(&faults) {
        return refusal;
    }
    let mut world = lock(&appliance.world);
    list_response(&appliance, &uri, &[], &faults, &mut world, |world, wanted| {
        let Some(vendor) = world.product_details().vendors.iter().find(|vendor| id.parse() == Ok(vendor.id)) else {
            return not_found();
        };
        page::response(vendor.users.iter().collect(), |(id, record)| shape::with_id(*id, record), wanted)
    })
}

async fn api_accounts(State(appliance): State<Shared>, uri: Uri) -> Response {
    let faults = appliance.faults();
    if faults.forbid_api_accounts {
        return refused();
    }
    let mut world = lock(&appliance.world);
    list_response(&appliance, &uri, &["name"], &faults, &mut world, |world, wanted| {
        let rows = world.product_details().api_accounts.iter().map(|(id, record)| shape::with_id(*id, record));
        page::response(rows.filter(|row| wanted.matches(row)).collect(), |row| row, wanted)
    })
}

/// Reads the query, answers it and counts the response. `documented` names the filters of the product.
fn list_response(
    appliance: &Appliance,
    uri: &Uri,
    documented: &[&str],
    faults: &Faults,
    world: &mut World,
    list: impl FnOnce(&mut World, &ConfigPageQuery) -> Response,
) -> Response {
    let response =
        ConfigPageQuery::read(uri, documented, faults).map_or_else(|refusal| refusal, |wanted| list(world, &wanted));
    appliance.counters.count(|c| match response.status() {
        StatusCode::OK => c.config_pages += 1,
        StatusCode::UNAUTHORIZED => c.unauthorized += 1,
        _ => {}
    });
    response
}

/// Returns the response for an interface without vendors, or without the right to read them.
fn no_vendors(faults: &Faults) -> Option<Response> {
    if faults.rs { Some(not_found()) } else { faults.forbid_vendors.then(refused) }
}

fn refused() -> Response {
    message(StatusCode::FORBIDDEN, "the API account lacks a permission")
}

fn not_found() -> Response {
    message(StatusCode::NOT_FOUND, "there is no such resource")
}

/// Returns an error as this API words it: a message, and no code.
fn message(status: StatusCode, text: &str) -> Response {
    json_response(status, &json!({"message": text}))
}
