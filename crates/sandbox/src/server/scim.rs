//! SCIM 2.0 (RFC 7643, RFC 7644) over the same people as the other surfaces: reading in `query`, writing in `write` and
//! `patch`, what it says of itself in `discovery`, the resources in `shape`.

mod discovery;
mod patch;
mod query;
mod write;

use super::super::faults::Faults;
use super::super::shape::scim as shape;
use super::{Appliance, Shared, World, answer};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use serde_json::{Value, json};

const MAX_BODY: usize = 1 << 24;

/// The two kinds of resources.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ResourceKind {
    User,
    Group,
}

/// One request, taken apart.
struct Call<'a> {
    appliance: &'a Appliance,
    faults: Faults,
    /// `/scim/v2` or `/api/scim/v2`: locations are told below the one that was asked.
    base: &'static str,
    asked: Vec<(String, String)>,
    body: Bytes,
}

impl Call<'_> {
    fn asked(&self, name: &str) -> Option<&str> {
        self.asked.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn resource(&self, world: &World, kind: ResourceKind, id: u64) -> Option<Value> {
        match kind {
            ResourceKind::User => shape::user(world, &self.faults, self.base, id),
            ResourceKind::Group => shape::group(world, &self.faults, self.base, id),
        }
    }
}

/// RFC 7644 §3.12: status, `scimType`, `detail`.
#[derive(Debug)]
struct Problem(StatusCode, Option<&'static str>, String);

impl Problem {
    fn bad(kind: &'static str, detail: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, Some(kind), detail.into())
    }

    fn not_found(what: &str) -> Self {
        Self(StatusCode::NOT_FOUND, None, format!("{what} not found"))
    }

    fn response(&self) -> Response {
        let Self(status, kind, detail) = self;
        let mut body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": status.as_u16().to_string(), "detail": detail});
        if let Some(kind) = kind {
            body["scimType"] = (*kind).into();
        }
        scim(*status, &body)
    }
}

type ScimResult = Result<Response, Problem>;

/// Whatever is below one of the base paths.
pub(super) async fn serve(State(appliance): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !is_authorized(&appliance, &parts.headers) {
        appliance.tally.count(|c| c.unauthorized += 1);
        let mut response = Problem(StatusCode::UNAUTHORIZED, None, "a bearer token is needed".to_owned()).response();
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        return response;
    }
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return Problem(StatusCode::PAYLOAD_TOO_LARGE, None, "more than 16 MiB".to_owned()).response();
    };
    let (base, path) = below(&parts.uri);
    let asked = Query::try_from_uri(&parts.uri).map(|Query(pairs)| pairs).unwrap_or_default();
    let call = Call { appliance: &appliance, faults: appliance.faults(), base, asked, body };
    let path: Vec<&str> = path.trim_matches('/').split('/').collect();
    answered(&call, &parts.method, &path).unwrap_or_else(|problem| problem.response())
}

fn below(uri: &Uri) -> (&'static str, &str) {
    match uri.path().strip_prefix("/api/scim/v2") {
        Some(path) => ("/api/scim/v2", path),
        None => ("/scim/v2", uri.path().strip_prefix("/scim/v2").unwrap_or_default()),
    }
}

fn is_authorized(appliance: &Appliance, headers: &HeaderMap) -> bool {
    let value = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let token = value.and_then(|value| value.strip_prefix("Bearer "));
    token.is_some_and(|token| appliance.tokens.uses(token, &appliance.faults()))
}

fn answered(call: &Call, method: &Method, path: &[&str]) -> ScimResult {
    let (kind, rest) = match *path {
        ["Users", ref rest @ ..] => (ResourceKind::User, rest),
        ["Groups", ref rest @ ..] => (ResourceKind::Group, rest),
        ["ServiceProviderConfig" | "ResourceTypes" | "Schemas", ..] if *method != Method::GET => return not_allowed(),
        ["ServiceProviderConfig"] => return Ok(scim(StatusCode::OK, &discovery::service_provider_config(call.base))),
        ["ResourceTypes", ref id @ ..] => return query::one_or_all(discovery::resource_types(call.base), id),
        ["Schemas", ref id @ ..] => return query::one_or_all(discovery::schemas(call.base), id),
        // Searches by POST, bulk requests and the alias of the caller are not offered.
        [".search" | "Bulk" | "Me", ..] => return not_implemented(),
        _ => return Err(Problem::not_found("the path")),
    };
    match (method, rest) {
        (&Method::POST, [".search"]) => not_implemented(),
        (&Method::GET, []) => query::list(call, kind),
        (&Method::GET, [id]) => query::one(call, kind, id),
        (&Method::POST, []) => write::create(call, kind),
        (&Method::PUT, [id]) => write::replace(call, kind, id),
        (&Method::PATCH, [id]) => write::modify(call, kind, id),
        (&Method::DELETE, [id]) => write::delete(call, kind, id),
        (_, [] | [_]) => not_allowed(),
        _ => Err(Problem::not_found("the path")),
    }
}

fn not_allowed() -> ScimResult {
    Err(Problem(StatusCode::METHOD_NOT_ALLOWED, None, "not with this method".to_owned()))
}

fn not_implemented() -> ScimResult {
    Err(Problem(StatusCode::NOT_IMPLEMENTED, None, "not offered".to_owned()))
}

/// RFC 7644 §3.1.
fn scim(status: StatusCode, body: &Value) -> Response {
    answer(status, "application/scim+json", Body::from(body.to_string()))
}
