//! SCIM 2.0 (RFC 7643, RFC 7644) over the same users and groups as the other interfaces.
//!
//! Reading is in `query`, writing in `write` and `patch`, the self-description in `discovery`; `shape::scim` makes the
//! resources. This file takes requests apart and chooses the handler.

mod discovery;
mod patch;
mod query;
mod write;

use super::{Appliance, Shared, World, response, token};
use crate::faults::Faults;
use crate::shape::scim as shape;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use serde_json::{Value, json};

/// Largest request body that is read, in bytes.
const MAX_BODY: usize = 1 << 24;

/// Kinds of resources.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ResourceKind {
    User,
    Group,
}

/// The parts of a request that handlers need.
struct ScimRequest<'a> {
    appliance: &'a Appliance,
    faults: Faults,
    /// `/scim/v2` or `/api/scim/v2`. Locations are below the base path of the request.
    base: &'static str,
    parameters: Vec<(String, String)>,
    body: Bytes,
}

impl ScimRequest<'_> {
    /// Returns a query parameter. Servers ignore the case of its name.
    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn resource(&self, world: &World, kind: ResourceKind, id: u64) -> Option<Value> {
        match kind {
            ResourceKind::User => shape::user(world, &self.faults, self.base, id),
            ResourceKind::Group => shape::group(world, &self.faults, self.base, id),
        }
    }
}

/// An error response (RFC 7644 §3.12): status, `scimType`, `detail`.
#[derive(Debug)]
struct ScimError(StatusCode, Option<&'static str>, String);

impl ScimError {
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

type ScimResult = Result<Response, ScimError>;

/// Answers every request below one of the base paths.
pub(super) async fn serve(State(appliance): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !token::is_authorized(&appliance, &parts.headers) {
        appliance.counters.count(|c| c.unauthorized += 1);
        let mut response =
            ScimError(StatusCode::UNAUTHORIZED, None, "a bearer token is required".to_owned()).response();
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        return response;
    }
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return ScimError(StatusCode::PAYLOAD_TOO_LARGE, None, "the body is larger than 16 MiB".to_owned()).response();
    };
    let (base, path) = below(&parts.uri);
    let parameters = Query::try_from_uri(&parts.uri).map(|Query(pairs)| pairs).unwrap_or_default();
    let request = ScimRequest { appliance: &appliance, faults: appliance.faults(), base, parameters, body };
    let path: Vec<&str> = path.trim_matches('/').split('/').collect();
    route(&request, &parts.method, &path).unwrap_or_else(|error| error.response())
}

fn below(uri: &Uri) -> (&'static str, &str) {
    match uri.path().strip_prefix("/api/scim/v2") {
        Some(path) => ("/api/scim/v2", path),
        None => ("/scim/v2", uri.path().strip_prefix("/scim/v2").unwrap_or_default()),
    }
}

fn route(request: &ScimRequest, method: &Method, path: &[&str]) -> ScimResult {
    let (kind, rest) = match *path {
        ["Users", ref rest @ ..] => (ResourceKind::User, rest),
        ["Groups", ref rest @ ..] => (ResourceKind::Group, rest),
        ["ServiceProviderConfig" | "ResourceTypes" | "Schemas", ..] if *method != Method::GET => return not_allowed(),
        ["ServiceProviderConfig"] => {
            return Ok(scim(StatusCode::OK, &discovery::service_provider_config(request.base)));
        }
        ["ResourceTypes", ref id @ ..] => return query::one_or_all(discovery::resource_types(request.base), id),
        ["Schemas", ref id @ ..] => return query::one_or_all(discovery::schemas(request.base), id),
        // Searches by POST, bulk requests and the alias of the caller are optional in RFC 7644.
        [".search" | "Bulk" | "Me", ..] => return not_implemented(),
        _ => return Err(ScimError::not_found("path")),
    };
    match (method, rest) {
        (&Method::POST, [".search"]) => not_implemented(),
        (&Method::GET, []) => query::list(request, kind),
        (&Method::GET, [id]) => query::one(request, kind, id),
        (&Method::POST, []) => write::create(request, kind),
        (&Method::PUT, [id]) => write::replace(request, kind, id),
        (&Method::PATCH, [id]) => write::modify(request, kind, id),
        (&Method::DELETE, [id]) => write::delete(request, kind, id),
        (_, [] | [_]) => not_allowed(),
        _ => Err(ScimError::not_found("path")),
    }
}

fn not_allowed() -> ScimResult {
    Err(ScimError(StatusCode::METHOD_NOT_ALLOWED, None, "method not allowed".to_owned()))
}

fn not_implemented() -> ScimResult {
    Err(ScimError(StatusCode::NOT_IMPLEMENTED, None, "not supported".to_owned()))
}

/// Returns a response with the media type of SCIM (RFC 7644 §3.1).
fn scim(status: StatusCode, body: &Value) -> Response {
    response(status, "application/scim+json", Body::from(body.to_string()))
}
