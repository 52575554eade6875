//! The writing half of the guide's API: create, replace and delete a user, add a member to a group.
//! The exporter never uses it; people who try the sandbox, and tests, do.

use super::super::tally::lock;
use super::super::world::{Record, World};
use super::{Appliance, Shared, error, json_answer};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Json, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};

type RequestBody<T> = Result<Json<T>, JsonRejection>;

/// Set by the appliance; what a request says of them is ignored.
const READ_ONLY: [&str; 3] = ["id", "last_login", "created_at"];

/// What an omitted field becomes, on creation and on replacement alike.
pub(super) fn defaults() -> Record {
    let fields = json!({
        "display_name": null, "email_address": null, "enabled": true, "group_memberships": [],
        "public_key": null, "locale": null,
    });
    fields.as_object().cloned().unwrap_or_default()
}

pub(super) async fn create(State(appliance): State<Shared>, sent: RequestBody<Record>) -> Response {
    let sent = match writable(&appliance, sent) {
        Ok(sent) => sent,
        Err(refusal) => return refusal,
    };
    let mut world = lock(&appliance.world);
    if let Some(missing) = missing(&sent) {
        return json_answer(StatusCode::BAD_REQUEST, &json!({"error": "missing_field", "field": missing}));
    }
    if is_taken(&world, &sent, None) {
        return error(StatusCode::CONFLICT, "username_exists");
    }
    let mut record = defaults();
    record.extend(storable(sent));
    record.insert("last_login".to_owned(), Value::Null);
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    record.insert("created_at".to_owned(), now.into());
    let id = world.add_user(record);
    written(&appliance, StatusCode::CREATED, &world, id)
}

pub(super) async fn replace(
    State(appliance): State<Shared>,
    Path(id): Path<String>,
    sent: RequestBody<Record>,
) -> Response {
    let sent = match writable(&appliance, sent) {
        Ok(sent) => sent,
        Err(refusal) => return refusal,
    };
    let mut world = lock(&appliance.world);
    let Some((id, old)) = id.parse().ok().and_then(|id| Some((id, world.user(id)?.clone()))) else {
        return error(StatusCode::NOT_FOUND, "user_not_found");
    };
    if is_taken(&world, &sent, Some(id)) {
        return error(StatusCode::CONFLICT, "username_exists");
    }
    // "Some products use PUT (full replace); omitting fields may reset them to defaults" (guide, Update User).
    // The example keeps the username that it omits; the account type is read-only on update.
    let mut record = defaults();
    let kept = old
        .into_iter()
        .filter(|(key, _)| READ_ONLY.contains(&key.as_str()) || key == "username" || key == "account_type");
    record.extend(kept);
    record.extend(storable(sent).into_iter().filter(|(key, _)| key != "account_type"));
    world.put_user(id, record);
    written(&appliance, StatusCode::OK, &world, id)
}

pub(super) async fn delete(State(appliance): State<Shared>, Path(id): Path<String>) -> Response {
    if appliance.faults().read_only {
        return error(StatusCode::FORBIDDEN, "insufficient_scope");
    }
    if !id.parse().is_ok_and(|id| lock(&appliance.world).remove_user(id)) {
        return error(StatusCode::NOT_FOUND, "user_not_found");
    }
    appliance.tally.count(|c| c.writes += 1);
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

pub(super) async fn add_member(
    State(appliance): State<Shared>,
    Path(group): Path<String>,
    sent: RequestBody<Record>,
) -> Response {
    let sent = match writable(&appliance, sent) {
        Ok(sent) => sent,
        Err(refusal) => return refusal,
    };
    let Some(user) = sent.get("user_id").and_then(Value::as_u64) else {
        return json_answer(StatusCode::BAD_REQUEST, &json!({"error": "missing_field", "field": "user_id"}));
    };
    let mut world = lock(&appliance.world);
    let Some(group) = group.parse().ok().filter(|id| world.group(*id).is_some()) else {
        return error(StatusCode::NOT_FOUND, "group_not_found");
    };
    if !world.edit_user(user, |record| join(record, group)) {
        return error(StatusCode::NOT_FOUND, "user_not_found");
    }
    appliance.tally.count(|c| c.writes += 1);
    json_answer(StatusCode::OK, &json!({"group_id": group, "user_id": user}))
}

/// Adds the group to the user's own list, once.
pub(super) fn join(record: &mut Record, group: u64) {
    let memberships = record.entry("group_memberships").or_insert(Value::Null);
    match memberships {
        Value::Array(ids) if ids.contains(&group.into()) => {}
        Value::Array(ids) => ids.push(group.into()),
        other => *other = json!([group]),
    }
}

/// Takes the group from the user's own list, as number and as text.
pub(super) fn leave(record: &mut Record, group: u64) {
    if let Some(Value::Array(ids)) = record.get_mut("group_memberships") {
        let text = group.to_string();
        ids.retain(|id| *id != group && *id != *text);
    }
}

#[expect(clippy::result_large_err, reason = "the refusal is the answer; made once a request")]
fn writable(appliance: &Appliance, sent: RequestBody<Record>) -> Result<Record, Response> {
    if appliance.faults().read_only {
        return Err(error(StatusCode::FORBIDDEN, "insufficient_scope"));
    }
    sent.map(|Json(record)| record).map_err(|_| error(StatusCode::BAD_REQUEST, "bad_request"))
}

/// The first required field that is not there: the guide's column "On create".
fn missing(sent: &Record) -> Option<&'static str> {
    let reported = |key: &str| sent.get(key).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    let local = sent.get("account_type").and_then(Value::as_str).is_some_and(|t| t.eq_ignore_ascii_case("local"));
    let required = ["username", "display_name", "account_type"];
    required.into_iter().find(|key| !reported(key)).or_else(|| (local && !reported("password")).then_some("password"))
}

fn is_taken(world: &World, sent: &Record, but_for: Option<u64>) -> bool {
    let owner = sent.get("username").and_then(Value::as_str).and_then(|name| world.user_named(name));
    owner.is_some() && owner != but_for
}

/// Without what the appliance sets itself, and without the password: it is never given back.
fn storable(sent: Record) -> Record {
    sent.into_iter().filter(|(key, _)| key != "password" && !READ_ONLY.contains(&key.as_str())).collect()
}

fn written(appliance: &Appliance, status: StatusCode, world: &World, id: u64) -> Response {
    appliance.tally.count(|c| c.writes += 1);
    super::json_bytes(status, world.user_json(id).unwrap_or_default().to_vec())
}
