//! PATCH (RFC 7644 §3.5.2): operations on a resource as a JSON object. Knows nothing of people: what the object's
//! attributes mean, `write` says.

use super::query::Filter;
use super::{Problem, ResourceKind, shape};
use serde_json::{Map, Value};

type Object = Map<String, Value>;

/// Attributes by the names that they are stored under, since a client may write them in any case (RFC 7643 §2.1).
const NAMES: [&str; 8] = ["userName", "displayName", "externalId", "name", "emails", "active", "locale", "members"];
const MULTI_VALUED: [&str; 2] = ["emails", "members"];
/// RFC 7643 §3.1, §4.1.2: the server's own.
const READ_ONLY: [&str; 4] = ["id", "meta", "groups", "schemas"];

/// Applies a whole request; on an error the object is half changed and must be thrown away.
pub(super) fn apply(object: &mut Object, kind: ResourceKind, request: &Object) -> Result<(), Problem> {
    let operations = request.get("Operations").or_else(|| request.get("operations")).and_then(Value::as_array);
    let operations = operations.ok_or_else(|| Problem::bad("invalidSyntax", "Operations is missing"))?;
    operations.iter().try_for_each(|operation| one(object, kind, operation))
}

/// A resource as a client sent it, under the names that are stored, without what is the server's own.
pub(super) fn normalised(kind: ResourceKind, sent: &Object) -> Result<Object, Problem> {
    let mut object = Object::new();
    many(&mut object, kind, Op::Replace, sent)?;
    Ok(object)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Op {
    Add,
    Replace,
    Remove,
}

fn one(object: &mut Object, kind: ResourceKind, operation: &Value) -> Result<(), Problem> {
    let op = match operation["op"].as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("add") => Op::Add,
        Some("replace") => Op::Replace,
        Some("remove") => Op::Remove,
        _ => return Err(Problem::bad("invalidSyntax", "op is add, replace or remove")),
    };
    let value = operation.get("value").cloned();
    match (operation.get("path").and_then(Value::as_str), value) {
        (None, _) if op == Op::Remove => Err(Problem::bad("noTarget", "remove needs a path")),
        (None, Some(Value::Object(values))) => many(object, kind, op, &values),
        (None, _) => Err(Problem::bad("invalidValue", "without a path the value is an object")),
        (Some(path), value) => {
            let path = Path::read(path, kind)?;
            if READ_ONLY.contains(&path.attribute.as_str()) {
                return Err(Problem::bad("mutability", format!("{} is read-only", path.attribute)));
            }
            change(object, &path, op, value)
        }
    }
}

/// Keys are attributes or, as Entra ID sends them, paths (`name.givenName`). The server's own are passed over.
fn many(object: &mut Object, kind: ResourceKind, op: Op, values: &Object) -> Result<(), Problem> {
    for (key, value) in values {
        let path = Path::read(key, kind)?;
        match value {
            _ if READ_ONLY.contains(&path.attribute.as_str()) => {}
            Value::Object(parts) if path.is_extension() => {
                for (part, value) in parts {
                    let path = Path { within: Some(path.attribute.clone()), ..Path::plain(part) };
                    change(object, &path, op, Some(value.clone()))?;
                }
            }
            _ => change(object, &path, op, Some(value.clone()))?,
        }
    }
    Ok(())
}

/// RFC 7644 §3.5.2, figure 1: `attribute`, `attribute.part`, `attribute[filter]`, `attribute[filter].part`, perhaps with a
/// schema's name before it.
struct Path {
    /// The extension that the attribute is in.
    within: Option<String>,
    attribute: String,
    filter: Option<Filter>,
    part: Option<String>,
}

impl Path {
    fn plain(attribute: &str) -> Self {
        let known = NAMES.iter().chain(&READ_ONLY).find(|name| name.eq_ignore_ascii_case(attribute));
        let attribute = known.map_or(attribute, |name| *name).to_owned();
        Self { within: None, attribute, filter: None, part: None }
    }

    fn read(text: &str, kind: ResourceKind) -> Result<Self, Problem> {
        let (core, extension) = match kind {
            ResourceKind::User => (shape::CORE_USER, shape::MORE_USER),
            ResourceKind::Group => (shape::CORE_GROUP, shape::MORE_GROUP),
        };
        if let Some(attribute) = after(text, extension) {
            let within = (!attribute.is_empty()).then(|| extension.to_owned());
            let attribute = if attribute.is_empty() { extension } else { attribute };
            return Ok(Self { within, ..Self::plain(attribute) });
        }
        let text = after(text, core).unwrap_or(text);
        // An extension that nobody here knows.
        if text.get(..4).is_some_and(|urn| urn.eq_ignore_ascii_case("urn:")) {
            return Ok(Self::plain(text));
        }
        let Some((attribute, rest)) = text.split_once('[') else {
            let (attribute, part) = text.split_once('.').map_or((text, None), |(head, part)| (head, Some(part)));
            return Ok(Self { part: part.map(str::to_owned), ..Self::plain(attribute) });
        };
        let (filter, rest) = rest.rsplit_once(']').ok_or_else(|| Problem::bad("invalidPath", "a ] is missing"))?;
        let filter = Some(Filter::read(filter).map_err(|_| Problem::bad("invalidPath", "a filter that is not known"))?);
        Ok(Self { filter, part: rest.strip_prefix('.').map(str::to_owned), ..Self::plain(attribute) })
    }

    fn is_extension(&self) -> bool {
        self.within.is_none() && self.attribute.starts_with("urn:")
    }
}

/// What follows the name of a schema and a colon; nothing where the schema alone is meant.
fn after<'a>(text: &'a str, schema: &str) -> Option<&'a str> {
    let head = text.get(..schema.len()).filter(|head| head.eq_ignore_ascii_case(schema))?;
    let rest = &text[head.len()..];
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(':') }
}

fn change(object: &mut Object, path: &Path, op: Op, value: Option<Value>) -> Result<(), Problem> {
    match &path.within {
        None => change_there(object, path, op, value),
        Some(extension) => within(object, extension, |object| change_there(object, path, op, value)),
    }
}

fn change_there(object: &mut Object, path: &Path, op: Op, value: Option<Value>) -> Result<(), Problem> {
    // RFC 7643 §2.5: null is no value.
    let value = value.filter(|value| !value.is_null());
    match (op, value) {
        (Op::Remove, value) => remove(object, path, value.as_ref()),
        (_, None) => remove(object, path, None),
        (_, Some(value)) => match (&path.filter, &path.part) {
            (Some(filter), part) => return put_selected(object, path, filter, part.as_deref(), (op, value)),
            (None, Some(part)) => put_part(object, &path.attribute, part, value),
            (None, None) => put(object, &path.attribute, op, value),
        },
    }
    Ok(())
}

fn put(object: &mut Object, attribute: &str, op: Op, value: Value) {
    let there = object.get_mut(attribute);
    if MULTI_VALUED.contains(&attribute) {
        let values = if let Value::Array(values) = value { values } else { vec![value] };
        match there {
            Some(Value::Array(there)) if op == Op::Add => values.into_iter().for_each(|value| append(there, value)),
            _ => drop(object.insert(attribute.to_owned(), values.into())),
        }
        return;
    }
    match (there, value) {
        // RFC 7644 §3.5.2.3: of a complex attribute only the parts that are named are replaced.
        (Some(Value::Object(there)), Value::Object(parts)) => there.extend(parts),
        (_, value) => drop(object.insert(attribute.to_owned(), value)),
    }
}

/// RFC 7644 §3.5.2.1: a value that is there already is not added again; one that is primary makes the others secondary.
fn append(there: &mut Vec<Value>, value: Value) {
    // Two members are the same by their value, whatever is said beside it.
    let same = |old: &Value| *old == value || (value.get("primary").is_none() && is_same_member(old, &value));
    if there.iter().any(same) {
        return;
    }
    if value["primary"] == true {
        there.iter_mut().filter(|old| old["primary"] == true).for_each(|old| old["primary"] = false.into());
    }
    there.push(value);
}

fn is_same_member(old: &Value, value: &Value) -> bool {
    let kind = |member: &Value| member["type"].as_str().unwrap_or("User").to_owned();
    old["value"] == value["value"] && kind(old) == kind(value)
}

fn put_part(object: &mut Object, attribute: &str, part: &str, value: Value) {
    match object.get_mut(attribute) {
        Some(Value::Array(items)) => {
            items
                .iter_mut()
                .filter_map(Value::as_object_mut)
                .for_each(|item| drop(item.insert(part.to_owned(), value.clone())));
        }
        _ => within(object, attribute, |parts| drop(parts.insert(part.to_owned(), value))),
    }
}

fn put_selected(
    object: &mut Object,
    path: &Path,
    filter: &Filter,
    part: Option<&str>,
    (op, value): (Op, Value),
) -> Result<(), Problem> {
    let there = object.entry(path.attribute.clone()).or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(items) = there else {
        return Err(Problem::bad("invalidPath", format!("{} has one value", path.attribute)));
    };
    if !items.iter().any(|item| filter.matches(item)) {
        if op == Op::Replace {
            return Err(Problem::bad("noTarget", "nothing matches the path's filter"));
        }
        items.push(Value::Object(filter.element()));
    }
    for item in items.iter_mut().filter(|item| filter.matches(item)).filter_map(Value::as_object_mut) {
        match (part, &value) {
            (Some(part), value) => drop(item.insert(part.to_owned(), value.clone())),
            (None, Value::Object(parts)) => item.extend(parts.clone()),
            (None, _) => return Err(Problem::bad("invalidValue", "the value is an object")),
        }
    }
    Ok(())
}

fn remove(object: &mut Object, path: &Path, value: Option<&Value>) {
    match (&path.filter, &path.part, object.get_mut(&path.attribute)) {
        (_, _, None) => {}
        (Some(filter), None, Some(Value::Array(items))) => items.retain(|item| !filter.matches(item)),
        (Some(filter), Some(part), Some(Value::Array(items))) => {
            let chosen = items.iter_mut().filter(|item| filter.matches(item)).filter_map(Value::as_object_mut);
            chosen.for_each(|item| drop(item.remove(part)));
        }
        (None, Some(part), Some(Value::Object(parts))) => drop(parts.remove(part)),
        // Not in the RFC, but what Entra ID sends: only the members that stand in the value.
        (None, None, Some(Value::Array(items))) if value.is_some_and(Value::is_array) => {
            let unwanted = value.and_then(Value::as_array).cloned().unwrap_or_default();
            items.retain(|item| !unwanted.iter().any(|other| item["value"] == other["value"]));
        }
        (_, _, Some(_)) => drop(object.remove(&path.attribute)),
    }
}

/// Changes the object of that name; it is made where there is none.
fn within<T>(object: &mut Object, name: &str, work: impl FnOnce(&mut Object) -> T) -> T {
    let mut inner = match object.remove(name) {
        Some(Value::Object(inner)) => inner,
        _ => Object::new(),
    };
    let done = work(&mut inner);
    object.insert(name.to_owned(), Value::Object(inner));
    done
}
