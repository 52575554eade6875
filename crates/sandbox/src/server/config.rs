//! The Configuration API, `/api/config/v1`, of Privileged Remote Access and (with [`Faults::rs`]) of Remote Support: the
//! lists that tell who may do what. Paging is in `page`.

mod page;

use super::super::faults::Faults;
use super::super::members::named_groups;
use super::super::shape::{self, sra};
use super::super::tally::lock;
use super::super::world::{Record, World};
use super::{Appliance, Shared, churn, json_answer};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;
use page::ConfigPageQuery;
use serde_json::{Value, json};

/// Where it all is.
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
    let reported = ["username", "email_address", "security_provider_id"];
    let mut world = lock(&appliance.world);
    let response = with(&appliance, &uri, &reported, &faults, &mut world, |world, wanted| {
        if faults.empty_users {
            return page::of(Vec::<u64>::new(), |_| Record::new(), wanted);
        }
        let row =
            |id: u64, record: &Record| sra::user(id, record, &world.facts(id), &world.facets().providers, faults.rs);
        // Filters look at what is told, so that only they need every row.
        let chosen = world.users().filter(|(id, record)| !wanted.is_filtered() || wanted.lets(&row(*id, record)));
        page::of(chosen.collect(), |(id, record)| row(id, record), wanted)
    });
    if response.status() == StatusCode::OK {
        appliance.tally.count(|c| c.users_pages += 1);
    }
    response
}

async fn user(State(appliance): State<Shared>, Path(id): Path<String>) -> Response {
    appliance.tally.count(|c| c.details += 1);
    let faults = appliance.faults();
    if faults.forbid_users {
        return refused();
    }
    let world = lock(&appliance.world);
    let found = id.parse().ok().and_then(|id| Some((id, world.user(id)?)));
    found.map_or_else(not_found, |(id, record)| {
        let row = sra::user(id, record, &world.facts(id), &world.facets().providers, faults.rs);
        json_answer(StatusCode::OK, &Value::Object(row))
    })
}

/// The policies of one user, ascending.
async fn policies_of_user(State(appliance): State<Shared>, Path(id): Path<String>, uri: Uri) -> Response {
    appliance.tally.count(|c| c.details += 1);
    let faults = appliance.faults();
    if faults.forbid_users {
        return refused();
    }
    let mut world = lock(&appliance.world);
    with(&appliance, &uri, &[], &faults, &mut world, |world, wanted| {
        let Some(record) = id.parse().ok().and_then(|id| world.user(id)) else { return not_found() };
        let named: Vec<u64> = named_groups(record).collect();
        let rows = world.groups().filter(|(id, _)| named.contains(id)).map(|(id, record)| sra::policy(id, record));
        page::of(rows.collect(), |row| row, wanted)
    })
}

async fn policies(State(appliance): State<Shared>, uri: Uri) -> Response {
    let faults = appliance.faults();
    if faults.forbid_groups {
        return refused();
    }
    let mut world = lock(&appliance.world);
    let response = with(&appliance, &uri, &["name"], &faults, &mut world, |world, wanted| {
        let rows = world.groups().map(|(id, record)| sra::policy(id, record));
        page::of(rows.filter(|row| wanted.lets(row)).collect(), |row| row, wanted)
    });
    if response.status() == StatusCode::OK {
        appliance.tally.count(|c| c.groups_pages += 1);
    }
    response
}

/// Remote Support has no such path.
async fn policy(State(appliance): State<Shared>, Path(id): Path<String>) -> Response {
    let faults = appliance.faults();
    if faults.forbid_groups {
        return refused();
    }
    let world = lock(&appliance.world);
    let found = id.parse().ok().filter(|_| !faults.rs).and_then(|id| Some((id, world.group(id)?)));
    found.map_or_else(not_found, |(id, record)| json_answer(StatusCode::OK, &Value::Object(sra::policy(id, record))))
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
    churn::members(&appliance, &faults, id);
    let mut world = lock(&appliance.world);
    with(&appliance, &uri, &[], &faults, &mut world, |world, wanted| page::of(members_of(world, id), |row| row, wanted))
}

/// Users first, then what is not expanded to users.
pub(in super::super) fn members_of(world: &mut World, group: u64) -> Vec<Record> {
    let users: Vec<(u64, u64)> = world.members_of(group).to_vec();
    let users = users.into_iter().map(|(id, user)| sra::member(id, user, world.facts(user).provider));
    let externals = world.facets().externals.iter().filter(|external| external.group == group);
    users.chain(externals.map(sra::external)).collect()
}

async fn providers(State(appliance): State<Shared>, uri: Uri) -> Response {
    let faults = appliance.faults();
    if faults.forbid_providers {
        return refused();
    }
    let mut world = lock(&appliance.world);
    with(&appliance, &uri, &[], &faults, &mut world, |world, wanted| {
        page::of(world.facets().providers.iter().collect(), sra::provider, wanted)
    })
}

/// The provider's own record tells more than the list.
async fn provider(State(appliance): State<Shared>, Path(id): Path<String>) -> Response {
    if appliance.faults().forbid_providers {
        return refused();
    }
    let world = lock(&appliance.world);
    let found = world.facets().providers.iter().find(|provider| id.parse() == Ok(provider.id));
    found.map_or_else(not_found, |provider| json_answer(StatusCode::OK, &Value::Object(sra::whole_provider(provider))))
}

async fn vendors(State(appliance): State<Shared>, uri: Uri) -> Response {
    let faults = appliance.faults();
    if let Some(refusal) = no_vendors(&faults) {
        return refusal;
    }
    let mut world = lock(&appliance.world);
    with(&appliance, &uri, &["name"], &faults, &mut world, |world, wanted| {
        let rows = world.facets().vendors.iter().map(|vendor| shape::with_id(vendor.id, &vendor.record));
        page::of(rows.filter(|row| wanted.lets(row)).collect(), |row| row, wanted)
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
    with(&appliance, &uri, &[], &faults, &mut world, |world, wanted| {
        let Some(vendor) = world.facets().vendors.iter().find(|vendor| id.parse() == Ok(vendor.id)) else {
            return not_found();
        };
        page::of(vendor.users.iter().collect(), |(id, record)| shape::with_id(*id, record), wanted)
    })
}

async fn api_accounts(State(appliance): State<Shared>, uri: Uri) -> Response {
    let faults = appliance.faults();
    if faults.forbid_api_accounts {
        return refused();
    }
    let mut world = lock(&appliance.world);
    with(&appliance, &uri, &["name"], &faults, &mut world, |world, wanted| {
        let rows = world.facets().api_accounts.iter().map(|(id, record)| shape::with_id(*id, record));
        page::of(rows.filter(|row| wanted.lets(row)).collect(), |row| row, wanted)
    })
}

/// Reads what is wanted, answers it, counts it. `reported`: the filters that are documented.
fn with(
    appliance: &Appliance,
    uri: &Uri,
    reported: &[&str],
    faults: &Faults,
    world: &mut World,
    list: impl FnOnce(&mut World, &ConfigPageQuery) -> Response,
) -> Response {
    let response =
        ConfigPageQuery::read(uri, reported, faults).map_or_else(|refusal| refusal, |wanted| list(world, &wanted));
    appliance.tally.count(|c| match response.status() {
        StatusCode::OK => c.config_pages += 1,
        StatusCode::UNAUTHORIZED => c.unauthorized += 1,
        _ => {}
    });
    response
}

fn no_vendors(faults: &Faults) -> Option<Response> {
    if faults.rs { Some(not_found()) } else { faults.forbid_vendors.then(refused) }
}

fn refused() -> Response {
    message(StatusCode::FORBIDDEN, "the API account lacks a permission")
}

fn not_found() -> Response {
    message(StatusCode::NOT_FOUND, "there is no such resource")
}

/// Errors are worded, not coded.
fn message(status: StatusCode, text: &str) -> Response {
    json_answer(status, &json!({"message": text}))
}
