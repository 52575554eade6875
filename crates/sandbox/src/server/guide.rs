//! The guide's API, `/api/public/v3`: list users, get a user, list groups. It is read only: the program never writes.

use super::{Shared, churn, error, json_bytes};
use crate::counters::lock;
use crate::dialect::offset_of_users;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use std::io::Write as _;

/// Default page size; the guide states it.
const DEFAULT_LIMIT: usize = 100;
/// Maximum page size. The guide documents none, but a real server has one.
const MAX_LIMIT: usize = 1000;

/// The query of a list.
#[derive(Deserialize)]
pub(super) struct GuideListQuery {
    offset: Option<usize>,
    limit: Option<usize>,
    username: Option<String>,
}

impl GuideListQuery {
    /// Returns offset and limit after defaults and faults.
    fn window(&self, clamp: Option<usize>, ignore_offset: bool) -> (usize, usize) {
        let offset = if ignore_offset { 0 } else { self.offset.unwrap_or(0) };
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
        (offset, limit.min(clamp.unwrap_or(usize::MAX)))
    }
}

type GuideQueryResult = Result<Query<GuideListQuery>, axum::extract::rejection::QueryRejection>;

pub(super) async fn users(State(appliance): State<Shared>, wanted: GuideQueryResult) -> Response {
    let Ok(Query(wanted)) = wanted else { return error(StatusCode::BAD_REQUEST, "bad_request") };
    let faults = appliance.faults();
    if faults.forbid_users {
        return error(StatusCode::FORBIDDEN, "forbidden");
    }
    churn::users(&appliance, &faults);
    let (offset, limit) = wanted.window(faults.page_clamp, faults.ignore_offset);
    let window = (offset_of_users(&faults.dialects, offset), limit);
    let mut body = b"{\"users\":".to_vec();
    let total = if faults.empty_users {
        body.extend_from_slice(b"[]");
        0
    } else {
        let world = lock(&appliance.world);
        match &wanted.username {
            None => world.write_users(&mut body, window, faults.sparse_lists),
            Some(name) => world.write_users_named(&mut body, window, faults.sparse_lists, name),
        }
    };
    appliance.counters.count(|c| c.users_pages += 1);
    list(body, (!faults.no_total).then_some(total))
}

pub(super) async fn groups(State(appliance): State<Shared>, wanted: GuideQueryResult) -> Response {
    let Ok(Query(wanted)) = wanted else { return error(StatusCode::BAD_REQUEST, "bad_request") };
    let faults = appliance.faults();
    if faults.forbid_groups {
        return error(StatusCode::FORBIDDEN, "forbidden");
    }
    let window =
        if faults.unpaged_groups { (0, usize::MAX) } else { wanted.window(faults.page_clamp, faults.ignore_offset) };
    let mut body = b"{\"groups\":".to_vec();
    let total = lock(&appliance.world).write_groups(&mut body, window);
    appliance.counters.count(|c| c.groups_pages += 1);
    list(body, faults.groups_total.then_some(total))
}

pub(super) async fn user(State(appliance): State<Shared>, Path(id): Path<String>) -> Response {
    appliance.counters.count(|c| c.details += 1);
    if appliance.faults().forbid_users {
        return error(StatusCode::FORBIDDEN, "forbidden");
    }
    let world = lock(&appliance.world);
    match id.parse().ok().and_then(|id| world.user_json(id)) {
        Some(user) => json_bytes(StatusCode::OK, user.to_vec()),
        None => error(StatusCode::NOT_FOUND, "user_not_found"),
    }
}

fn list(mut body: Vec<u8>, total: Option<usize>) -> Response {
    if let Some(total) = total {
        // Writing into a Vec cannot fail.
        let _ = write!(body, ",\"total\":{total}");
    }
    body.push(b'}');
    json_bytes(StatusCode::OK, body)
}
