//! PATCH (RFC 7644 §3.5.2): operations on a resource as a JSON object. What its attributes mean for the world is in
//! `write`.
//!
//! Each operation names one attribute in `path`. Filters and sub-attributes in paths, and operations without a path,
//! are refused: scim2-tester (`.ci/peer_scim.py`), the only client that writes, sends none.

use super::{ResourceKind, ScimError, shape};
use crate::record::Record;
use serde_json::Value;

/// The multi-valued attributes: `add` appends to them instead of replacing them.
const MULTI_VALUED: [&str; 2] = ["emails", "members"];
/// The attributes that only the server sets (RFC 7643 §3.1, §4.1.2).
const READ_ONLY: [&str; 4] = ["id", "meta", "groups", "schemas"];

/// Returns the attributes of a resource that clients may write.
pub(super) fn writable(mut resource: Record) -> Record {
    resource.retain(|key, _| !READ_ONLY.contains(&key.as_str()));
    resource
}

/// Applies all operations of a request. After an error the object is partly changed; the caller must discard it.
pub(super) fn apply(object: &mut Record, kind: ResourceKind, request: &Record) -> Result<(), ScimError> {
    let operations = request.get("Operations").and_then(Value::as_array);
    let operations = operations.ok_or_else(|| ScimError::bad("invalidSyntax", "Operations is missing"))?;
    operations.iter().try_for_each(|operation| apply_one(object, kind, operation))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PatchOp {
    Add,
    Replace,
    Remove,
}

fn apply_one(object: &mut Record, kind: ResourceKind, operation: &Value) -> Result<(), ScimError> {
    let op = match operation["op"].as_str() {
        Some("add") => PatchOp::Add,
        Some("replace") => PatchOp::Replace,
        Some("remove") => PatchOp::Remove,
        _ => return Err(ScimError::bad("invalidSyntax", "op must be add, replace or remove")),
    };
    let path = operation["path"].as_str().ok_or_else(|| ScimError::bad("noTarget", "path is required"))?;
    let path = AttributePath::parse(path, kind)?;
    if READ_ONLY.contains(&path.attribute) {
        return Err(ScimError::bad("mutability", format!("{} is read-only", path.attribute)));
    }
    let object = match path.extension {
        None => object,
        Some(extension) => match object.entry(extension).or_insert_with(|| Record::new().into()) {
            Value::Object(inner) => inner,
            _ => return Err(ScimError::bad("invalidValue", format!("{extension} must be an object"))),
        },
    };
    // A null is no value (RFC 7643 §2.5), so setting an attribute to null removes it.
    match operation.get("value").filter(|value| op != PatchOp::Remove && !value.is_null()) {
        None => drop(object.remove(path.attribute)),
        Some(value) => put(object, path.attribute, op, value.clone()),
    }
    Ok(())
}

/// An attribute, perhaps of an extension (RFC 7644 §3.5.2, figure 1, without filters and sub-attributes).
struct AttributePath<'a> {
    extension: Option<&'a str>,
    attribute: &'a str,
}

impl<'a> AttributePath<'a> {
    fn parse(text: &'a str, kind: ResourceKind) -> Result<Self, ScimError> {
        let (core, extension) = match kind {
            ResourceKind::User => (shape::CORE_USER, shape::MORE_USER),
            ResourceKind::Group => (shape::CORE_GROUP, shape::MORE_GROUP),
        };
        // The name of the extension alone stands for its whole object.
        if text == extension {
            return Ok(Self { extension: None, attribute: text });
        }
        let after = |schema: &str| text.strip_prefix(schema)?.strip_prefix(':');
        let path = match after(extension) {
            Some(attribute) => Self { extension: Some(extension), attribute },
            None => Self { extension: None, attribute: after(core).unwrap_or(text) },
        };
        if path.attribute.contains(['[', '.', ':']) {
            return Err(ScimError::bad("invalidPath", "only whole attributes can be changed"));
        }
        Ok(path)
    }
}

/// Sets an attribute, or adds to it.
fn put(object: &mut Record, attribute: &str, op: PatchOp, value: Value) {
    let current = object.get_mut(attribute);
    if MULTI_VALUED.contains(&attribute) {
        let values = if let Value::Array(values) = value { values } else { vec![value] };
        match current {
            Some(Value::Array(current)) if op == PatchOp::Add => {
                for value in values {
                    append(current, value);
                }
            }
            _ => drop(object.insert(attribute.to_owned(), values.into())),
        }
        return;
    }
    match (current, value) {
        // Of a complex attribute, only the named sub-attributes are replaced (RFC 7644 §3.5.2.3).
        (Some(Value::Object(current)), Value::Object(parts)) => current.extend(parts),
        (_, value) => drop(object.insert(attribute.to_owned(), value)),
    }
}

/// Appends a value unless it is there already (RFC 7644 §3.5.2.1). Members are equal by id and type.
fn append(current: &mut Vec<Value>, value: Value) {
    let kind = |member: &Value| member["type"].as_str().unwrap_or("User").to_owned();
    let is_same = |old: &Value| old["value"] == value["value"] && kind(old) == kind(&value);
    if !current.iter().any(is_same) {
        current.push(value);
    }
}
