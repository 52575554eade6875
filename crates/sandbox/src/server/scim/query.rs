//! Reading by SCIM (RFC 7644 §3.4): one resource, or a page of a list, with a filter and a selection of attributes.

use super::super::churn;
use super::{ResourceKind, ScimError, ScimRequest, ScimResult, scim, shape};
use crate::counters::lock;
use crate::dialect::offset_of_users;
use crate::record::Record;
use axum::http::StatusCode;
use serde_json::{Value, json};

/// Default page size. RFC 7644 leaves this and the maximum to the server.
const DEFAULT_COUNT: usize = 100;
/// Maximum page size.
pub(super) const MAX_COUNT: usize = 200;

/// Answers with one resource.
pub(super) fn one(request: &ScimRequest, kind: ResourceKind, id: &str) -> ScimResult {
    request.appliance.counters.count(|c| c.details += 1);
    allowed(request, kind)?;
    let world = lock(&request.appliance.world);
    let found = id.parse().ok().and_then(|id| request.resource(&world, kind, id));
    found
        .map(|resource| scim(StatusCode::OK, &select_attributes(request, resource)))
        .ok_or_else(|| ScimError::not_found("resource"))
}

/// Answers with a discovery list, which is never paged, or with the resource of this id in it.
pub(super) fn one_or_all(resources: Vec<Value>, id: &[&str]) -> ScimResult {
    match *id {
        [] => {
            let total = resources.len();
            Ok(scim(StatusCode::OK, &page(resources, Some(total), 1)))
        }
        [id] => {
            let found = resources.iter().find(|resource| resource["id"] == id);
            found.map(|resource| scim(StatusCode::OK, resource)).ok_or_else(|| ScimError::not_found("resource"))
        }
        _ => Err(ScimError::not_found("path")),
    }
}

/// Answers with a page of users or groups.
pub(super) fn list(request: &ScimRequest, kind: ResourceKind) -> ScimResult {
    allowed(request, kind)?;
    let filter = request.parameter("filter").map(Filter::parse).transpose()?;
    let (start, count) = window(request)?;
    if kind == ResourceKind::User {
        churn::users(request.appliance, &request.faults);
    }
    let world = lock(&request.appliance.world);
    let rows = |from: usize, most: usize| match kind {
        ResourceKind::User => shape::users(&world, &request.faults, request.base, (from, most)),
        ResourceKind::Group => shape::groups(&world, &request.faults, request.base, (from, most)),
    };
    let (resources, total) = match filter {
        _ if kind == ResourceKind::User && request.faults.empty_users => (Vec::new(), 0),
        Some(filter) => {
            let found: Vec<Value> = rows(0, usize::MAX).into_iter().filter(|r| filter.matches(r)).collect();
            let total = found.len();
            (found.into_iter().skip(start - 1).take(count).collect(), total)
        }
        None if kind == ResourceKind::User => {
            (rows(offset_of_users(&request.faults.dialects, start - 1), count), world.user_count())
        }
        None => (rows(start - 1, count), world.group_count()),
    };
    drop(world);
    request.appliance.counters.count(|c| c.scim_pages += 1);
    let resources = resources.into_iter().map(|resource| select_attributes(request, resource)).collect();
    Ok(scim(StatusCode::OK, &page(resources, (!request.faults.no_total).then_some(total), start)))
}

fn allowed(request: &ScimRequest, kind: ResourceKind) -> Result<(), ScimError> {
    let forbidden = match kind {
        ResourceKind::User => request.faults.forbid_users,
        ResourceKind::Group => request.faults.forbid_groups,
    };
    if forbidden {
        Err(ScimError(StatusCode::FORBIDDEN, None, "the account lacks a permission".to_owned()))
    } else {
        Ok(())
    }
}

/// Returns `startIndex` and `count` in force. A start below 1 means 1, a count below 0 means 0 (RFC 7644 §3.4.2.4).
fn window(request: &ScimRequest) -> Result<(usize, usize), ScimError> {
    let number = |name: &str| match request.parameter(name).map(str::parse::<i64>) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(usize::try_from(number.max(0)).unwrap_or(usize::MAX))),
        Some(Err(_)) => Err(ScimError::bad("invalidValue", format!("{name} must be a whole number"))),
    };
    let start = number("startIndex")?.filter(|_| !request.faults.ignore_offset).unwrap_or(1).max(1);
    let count = number("count")?.unwrap_or(DEFAULT_COUNT).min(MAX_COUNT);
    Ok((start, count.min(request.faults.page_clamp.unwrap_or(usize::MAX))))
}

/// Returns a list response. `Resources` is absent if the page is empty (RFC 7644 §3.4.2).
fn page(resources: Vec<Value>, total: Option<usize>, start: usize) -> Value {
    let mut page = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "itemsPerPage": resources.len(), "startIndex": start});
    if let Some(total) = total {
        page["totalResults"] = total.into();
    }
    if !resources.is_empty() {
        page["Resources"] = resources.into();
    }
    page
}

/// Applies `attributes` or `excludedAttributes` (RFC 7644 §3.4.2.5). `schemas` and `id` are always returned.
fn select_attributes(request: &ScimRequest, resource: Value) -> Value {
    let Value::Object(resource) = resource else { return resource };
    let names =
        |name: &str| request.parameter(name).map(|list| list.split(',').map(without_core_schema).collect::<Vec<_>>());
    let kept = match (names("attributes"), names("excludedAttributes")) {
        (Some(wanted), _) => wanted.iter().fold(always(&resource), |kept, name| with_attribute(kept, &resource, name)),
        (None, Some(unwanted)) => unwanted.iter().fold(resource, |kept, name| without_attribute(kept, name)),
        (None, None) => resource,
    };
    Value::Object(kept)
}

/// Removes the name of a core schema, which may precede an attribute (RFC 7644 §3.10).
fn without_core_schema(name: &str) -> &str {
    let name = name.trim();
    [shape::CORE_USER, shape::CORE_GROUP]
        .iter()
        .find_map(|core| name.strip_prefix(core)?.strip_prefix(':'))
        .unwrap_or(name)
}

/// Returns the attributes that are always returned.
fn always(resource: &Record) -> Record {
    let always = |key: &&String| matches!(key.as_str(), "schemas" | "id");
    resource.iter().filter(|(key, _)| always(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Returns the key that a name refers to and, if named, a part of it: `name.formatted`, `urn:…:User:lastLogin`.
fn split<'a>(resource: &'a Record, name: &'a str) -> Option<(&'a String, Option<&'a str>)> {
    resource.keys().find_map(|key| {
        let head = name.get(..key.len()).filter(|head| head.eq_ignore_ascii_case(key))?;
        match name[head.len()..].chars().next() {
            None => Some((key, None)),
            Some('.' | ':') => Some((key, Some(&name[head.len() + 1..]))),
            Some(_) => None,
        }
    })
}

/// Adds an attribute, or a part of it, to a selection.
fn with_attribute(mut kept: Record, resource: &Record, name: &str) -> Record {
    let Some((key, part)) = split(resource, name) else { return kept };
    let value = match part {
        None => resource[key].clone(),
        Some(part) => each(resource[key].clone(), |object| object.retain(|key, _| key.eq_ignore_ascii_case(part))),
    };
    match (kept.get_mut(key), value) {
        (Some(Value::Object(there)), Value::Object(more)) => there.extend(more),
        (_, value) => drop(kept.insert(key.clone(), value)),
    }
    kept
}

/// Removes an attribute, or a part of it.
fn without_attribute(mut kept: Record, name: &str) -> Record {
    let Some((key, part)) = split(&kept, name) else { return kept };
    let (key, part) = (key.clone(), part.map(str::to_owned));
    match (key.as_str(), part) {
        ("schemas" | "id", _) => {}
        (_, None) => drop(kept.remove(&key)),
        (_, Some(part)) => {
            let value = kept.remove(&key).unwrap_or_default();
            kept.insert(key, each(value, |object| object.retain(|key, _| !key.eq_ignore_ascii_case(&part))));
        }
    }
    kept
}

/// Changes a complex value, or each element of a list of them.
fn each(mut value: Value, change: impl Fn(&mut Record)) -> Value {
    match &mut value {
        Value::Object(object) => change(object),
        Value::Array(items) => items.iter_mut().filter_map(Value::as_object_mut).for_each(change),
        _ => {}
    }
    value
}

/// The part of RFC 7644 §3.4.2.2 that is supported: `attribute eq value`, joined by `and`.
#[derive(Debug)]
struct Filter(Vec<(String, Value)>);

impl Filter {
    fn parse(text: &str) -> Result<Self, ScimError> {
        let bad = || ScimError::bad("invalidFilter", "only `attribute eq value`, joined by `and`, is supported");
        let mut terms = Vec::new();
        let mut rest = text.trim();
        loop {
            let (attribute, tail) = rest.split_once(' ').ok_or_else(bad)?;
            let (operator, tail) = tail.trim_start().split_once(' ').ok_or_else(bad)?;
            let mut values = serde_json::Deserializer::from_str(tail).into_iter::<Value>();
            let value = values.next().and_then(Result::ok).filter(|_| operator.eq_ignore_ascii_case("eq"));
            terms.push((without_core_schema(attribute).to_owned(), value.ok_or_else(bad)?));
            rest = tail[values.byte_offset()..].trim_start();
            if rest.is_empty() {
                return Ok(Self(terms));
            }
            let (and, tail) = rest.split_once(' ').ok_or_else(bad)?;
            rest = if and.eq_ignore_ascii_case("and") { tail.trim_start() } else { return Err(bad()) };
        }
    }

    /// Returns whether a resource passes the filter.
    fn matches(&self, resource: &Value) -> bool {
        let holds = |(attribute, wanted): &(String, Value)| {
            let Some((key, part)) = resource.as_object().and_then(|resource| split(resource, attribute)) else {
                return false;
            };
            let exact = matches!(key.as_str(), "id" | "externalId");
            let part = part.unwrap_or("value");
            match &resource[key] {
                Value::Array(items) => items.iter().any(|item| same(&item[part], wanted, exact)),
                Value::Object(object) => object.get(part).is_some_and(|value| same(value, wanted, exact)),
                value => same(value, wanted, exact),
            }
        };
        self.0.iter().all(holds)
    }
}

/// Compares two values. Text is compared without case unless its attribute is `caseExact` (RFC 7643 §2.2).
fn same(found: &Value, wanted: &Value, exact: bool) -> bool {
    match (found.as_str(), wanted.as_str()) {
        (Some(found), Some(wanted)) if !exact => found.to_lowercase() == wanted.to_lowercase(),
        _ => found == wanted,
    }
}
