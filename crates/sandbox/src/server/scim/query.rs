//! Reading by SCIM (RFC 7644 §3.4): one resource, or a page of many, by filter, with the attributes that were asked for.

use super::super::super::tally::lock;
use super::super::churn;
use super::{Call, Problem, ResourceKind, ScimResult, scim, shape};
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

/// RFC 7644 leaves both to the server.
const DEFAULT_COUNT: usize = 100;
pub(super) const MAX_COUNT: usize = 200;

pub(super) fn one(call: &Call, kind: ResourceKind, id: &str) -> ScimResult {
    call.appliance.tally.count(|c| c.details += 1);
    allowed(call, kind)?;
    let world = lock(&call.appliance.world);
    let found = id.parse().ok().and_then(|id| call.resource(&world, kind, id));
    found
        .map(|resource| scim(StatusCode::OK, &projected(call, resource)))
        .ok_or_else(|| Problem::not_found("the resource"))
}

/// A list that is never paged, or what has this id in it: discovery.
pub(super) fn one_or_all(resources: Vec<Value>, id: &[&str]) -> ScimResult {
    match *id {
        [] => {
            let total = resources.len();
            Ok(scim(StatusCode::OK, &page(resources, Some(total), 1)))
        }
        [id] => {
            let found = resources.iter().find(|resource| resource["id"] == id);
            found.map(|resource| scim(StatusCode::OK, resource)).ok_or_else(|| Problem::not_found("the resource"))
        }
        _ => Err(Problem::not_found("the path")),
    }
}

pub(super) fn list(call: &Call, kind: ResourceKind) -> ScimResult {
    allowed(call, kind)?;
    let filter = call.asked("filter").map(Filter::read).transpose()?;
    let (start, count) = window(call)?;
    if kind == ResourceKind::User {
        churn::users(call.appliance, &call.faults);
    }
    let world = lock(&call.appliance.world);
    let rows = |from: usize, most: usize| match kind {
        ResourceKind::User => shape::users(&world, &call.faults, call.base, (from, most)),
        ResourceKind::Group => shape::groups(&world, &call.faults, call.base, (from, most)),
    };
    let (resources, total) = match filter {
        _ if kind == ResourceKind::User && call.faults.empty_users => (Vec::new(), 0),
        Some(filter) => {
            let found: Vec<Value> = rows(0, usize::MAX).into_iter().filter(|r| filter.matches(r)).collect();
            let total = found.len();
            (found.into_iter().skip(start - 1).take(count).collect(), total)
        }
        None if kind == ResourceKind::User => (rows(start - 1, count), world.user_count()),
        None => (rows(start - 1, count), world.group_count()),
    };
    drop(world);
    call.appliance.tally.count(|c| c.scim_pages += 1);
    let resources = resources.into_iter().map(|resource| projected(call, resource)).collect();
    Ok(scim(StatusCode::OK, &page(resources, (!call.faults.no_total).then_some(total), start)))
}

fn allowed(call: &Call, kind: ResourceKind) -> Result<(), Problem> {
    let forbidden = match kind {
        ResourceKind::User => call.faults.forbid_users,
        ResourceKind::Group => call.faults.forbid_groups,
    };
    if forbidden { Err(Problem(StatusCode::FORBIDDEN, None, "not for this account".to_owned())) } else { Ok(()) }
}

/// `startIndex` and `count` in force. RFC 7644 §3.4.2.4: below 1 is 1, below 0 is 0.
fn window(call: &Call) -> Result<(usize, usize), Problem> {
    let number = |name: &str| match call.asked(name).map(str::parse::<i64>) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(usize::try_from(number.max(0)).unwrap_or(usize::MAX))),
        Some(Err(_)) => Err(Problem::bad("invalidValue", format!("{name} is a whole number"))),
    };
    let start = number("startIndex")?.filter(|_| !call.faults.ignore_offset).unwrap_or(1).max(1);
    let count = number("count")?.unwrap_or(DEFAULT_COUNT).min(MAX_COUNT);
    Ok((start, count.min(call.faults.page_clamp.unwrap_or(usize::MAX))))
}

/// RFC 7644 §3.4.2: `Resources` is absent where there is none.
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

/// RFC 7644 §3.4.2.5: `attributes` or `excludedAttributes`; `schemas` and `id` are always returned.
fn projected(call: &Call, resource: Value) -> Value {
    let Value::Object(resource) = resource else { return resource };
    let names = |name: &str| call.asked(name).map(|list| list.split(',').map(bare).collect::<Vec<_>>());
    let kept = match (names("attributes"), names("excludedAttributes")) {
        (Some(wanted), _) => wanted.iter().fold(always(&resource), |kept, name| with(kept, &resource, name)),
        (None, Some(unwanted)) => unwanted.iter().fold(resource, |kept, name| without(kept, name)),
        (None, None) => resource,
    };
    Value::Object(kept)
}

/// Without the name of a core schema, which may stand before an attribute (RFC 7644 §3.10).
fn bare(name: &str) -> &str {
    let name = name.trim();
    [shape::CORE_USER, shape::CORE_GROUP]
        .iter()
        .find_map(|core| name.strip_prefix(core)?.strip_prefix(':'))
        .unwrap_or(name)
}

fn always(resource: &Map<String, Value>) -> Map<String, Value> {
    let always = |key: &&String| matches!(key.as_str(), "schemas" | "id");
    resource.iter().filter(|(key, _)| always(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The key that a name means and, perhaps, a part of it: `name.formatted`, `urn:…:User:lastLogin`.
fn split<'a>(resource: &'a Map<String, Value>, name: &'a str) -> Option<(&'a String, Option<&'a str>)> {
    resource.keys().find_map(|key| {
        let head = name.get(..key.len()).filter(|head| head.eq_ignore_ascii_case(key))?;
        match name[head.len()..].chars().next() {
            None => Some((key, None)),
            Some('.' | ':') => Some((key, Some(&name[head.len() + 1..]))),
            Some(_) => None,
        }
    })
}

fn with(mut kept: Map<String, Value>, resource: &Map<String, Value>, name: &str) -> Map<String, Value> {
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

fn without(mut kept: Map<String, Value>, name: &str) -> Map<String, Value> {
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

fn each(mut value: Value, change: impl Fn(&mut Map<String, Value>)) -> Value {
    match &mut value {
        Value::Object(object) => change(object),
        Value::Array(items) => items.iter_mut().filter_map(Value::as_object_mut).for_each(change),
        _ => {}
    }
    value
}

/// RFC 7644 §3.4.2.2, of which: `attribute eq value`, joined by `and`.
#[derive(Debug)]
pub(super) struct Filter(Vec<(String, Value)>);

impl Filter {
    pub(super) fn read(text: &str) -> Result<Self, Problem> {
        let bad = || Problem::bad("invalidFilter", "only `attribute eq value`, joined by `and`");
        let mut terms = Vec::new();
        let mut rest = text.trim();
        loop {
            let (attribute, tail) = rest.split_once(' ').ok_or_else(bad)?;
            let (operator, tail) = tail.trim_start().split_once(' ').ok_or_else(bad)?;
            let mut values = serde_json::Deserializer::from_str(tail).into_iter::<Value>();
            let value = values.next().and_then(Result::ok).filter(|_| operator.eq_ignore_ascii_case("eq"));
            terms.push((bare(attribute).to_owned(), value.ok_or_else(bad)?));
            rest = tail[values.byte_offset()..].trim_start();
            if rest.is_empty() {
                return Ok(Self(terms));
            }
            let (and, tail) = rest.split_once(' ').ok_or_else(bad)?;
            rest = if and.eq_ignore_ascii_case("and") { tail.trim_start() } else { return Err(bad()) };
        }
    }

    pub(super) fn matches(&self, resource: &Value) -> bool {
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

    /// What an element must hold so that the filter matches it.
    pub(super) fn element(&self) -> Map<String, Value> {
        self.0.iter().cloned().collect()
    }
}

/// RFC 7643 §2.2: a text is compared without case unless its attribute says otherwise.
fn same(found: &Value, wanted: &Value, exact: bool) -> bool {
    match (found.as_str(), wanted.as_str()) {
        (Some(found), Some(wanted)) if !exact => found.to_lowercase() == wanted.to_lowercase(),
        _ => found == wanted,
    }
}
