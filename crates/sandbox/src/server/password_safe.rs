//! The public API of Password Safe, read only: sign-in, users, user groups, and the users of a group.
//!
//! Lists are bare arrays of everything, without pages. Paths and parameter names ignore case, as in ASP.NET. The
//! objects are made in `shape::password_safe`.

mod session;

use super::{Appliance, Shared, World, churn, error, json_response, token};
use crate::counters::lock;
use crate::shape::password_safe as shape;
use axum::extract::{Form, FromRequest as _, Query, Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use serde_json::{Value, json};
pub(super) use session::Sessions;

const BASE: &str = "/beyondtrust/api/public/v3/";

/// Answers every request that no other interface has a route for. Axum's router compares paths with case, so the paths
/// of this API are compared here.
pub(super) async fn serve(State(appliance): State<Shared>, request: Request) -> Response {
    let path = request.uri().path().to_ascii_lowercase();
    let Some(path) = path.strip_prefix(BASE) else { return error(StatusCode::NOT_FOUND, "not_found") };
    let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    match (request.method(), parts.as_slice()) {
        (&Method::POST, ["auth", "connect", "token"]) => {
            let form = Form::from_request(request, &()).await;
            token::grant_by_form(&appliance, form)
        }
        (&Method::POST, ["auth", "signappin"]) => session::sign_in(&appliance, request.headers()),
        (&Method::POST, ["auth", "signout"]) => session::sign_out(&appliance, request.headers()),
        (&Method::GET, parts) if session::is_valid(&appliance, request.headers()) => {
            get(&appliance, parts, &SafeListQuery::of(request.uri()))
        }
        (&Method::GET, _) => session::refused(&appliance),
        _ => error_text(StatusCode::NOT_FOUND, "No such resource"),
    }
}

/// The query of a list. Unknown parameters are ignored, as the product does.
struct SafeListQuery(Vec<(String, String)>);

impl SafeListQuery {
    fn of(uri: &Uri) -> Self {
        Self(Query::try_from_uri(uri).map(|Query(pairs)| pairs).unwrap_or_default())
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

fn get(appliance: &Appliance, parts: &[&str], query: &SafeListQuery) -> Response {
    let faults = appliance.faults();
    let forbidden = || error_text(StatusCode::FORBIDDEN, "The user does not have the required permission");
    match *parts {
        ["users", ..] if faults.forbid_users => forbidden(),
        ["usergroups", ..] if faults.forbid_user_groups => forbidden(),
        ["usergroups"] if faults.forbid_groups => forbidden(),
        ["users"] => users(appliance, query),
        ["users", id] => one(appliance, id, shape::user, "User not found"),
        ["users", id, "usergroups"] => {
            many(appliance, id, |world, id| shape::groups_of_user(world, id), "User not found")
        }
        ["usergroups"] => groups(appliance, query),
        ["usergroups", id] => one(appliance, id, shape::group, "User group not found"),
        ["usergroups", id, "users"] if faults.fail_group_users.is_some_and(|bad| id.parse() == Ok(bad)) => {
            error_text(StatusCode::INTERNAL_SERVER_ERROR, "An error has occurred.")
        }
        ["usergroups", id, "users"] => many(appliance, id, shape::users_of_group, "User group not found"),
        _ => error_text(StatusCode::NOT_FOUND, "No such resource"),
    }
}

fn users(appliance: &Appliance, query: &SafeListQuery) -> Response {
    let faults = appliance.faults();
    churn::users(appliance, &faults);
    if faults.empty_users {
        return list(appliance, Vec::new());
    }
    // The product lists inactive users only on request; missing `IsActive` counts as active.
    let inactive_too = query.get("includeInactive").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let mut users = shape::users(&lock(&appliance.world));
    users.retain(|user| inactive_too || user.get("IsActive") != Some(&Value::Bool(false)));
    if let Some(name) = query.get("username") {
        users.retain(|user| is_called(user, "UserName", name));
    }
    users.truncate(faults.cap_users.unwrap_or(usize::MAX));
    list(appliance, users)
}

fn groups(appliance: &Appliance, query: &SafeListQuery) -> Response {
    let mut groups = shape::groups(&lock(&appliance.world));
    if let Some(name) = query.get("name") {
        groups.retain(|group| is_called(group, "Name", name));
    }
    list(appliance, groups)
}

fn is_called(object: &Value, key: &str, name: &str) -> bool {
    object.get(key).and_then(Value::as_str).is_some_and(|found| found.eq_ignore_ascii_case(name))
}

fn one(appliance: &Appliance, id: &str, of: fn(&World, u64) -> Option<Value>, missing: &str) -> Response {
    appliance.counters.count(|c| c.details += 1);
    match id.parse().ok().and_then(|id| of(&lock(&appliance.world), id)) {
        Some(object) => json_response(StatusCode::OK, &object),
        None => error_text(StatusCode::NOT_FOUND, missing),
    }
}

/// A function that lists what belongs to a record; `None` if there is no such record.
type Many = fn(&mut World, u64) -> Option<Vec<Value>>;

fn many(appliance: &Appliance, id: &str, of: Many, missing: &str) -> Response {
    match id.parse().ok().and_then(|id| of(&mut lock(&appliance.world), id)) {
        Some(objects) => list(appliance, objects),
        None => error_text(StatusCode::NOT_FOUND, missing),
    }
}

fn list(appliance: &Appliance, rows: Vec<Value>) -> Response {
    appliance.counters.count(|c| c.safe_lists += 1);
    json_response(StatusCode::OK, &Value::Array(rows))
}

/// Returns an error as this API words it: a text in JSON.
fn error_text(status: StatusCode, text: &str) -> Response {
    json_response(status, &json!(text))
}
