//! SCIM ids as GUIDs: lower case in resources, upper case in references to them. Ids are case-sensitive (RFC 7643
//! §3.1); real servers mix the cases of GUIDs nevertheless.

use super::target::RecordKind;
use crate::record::Record;
use axum::extract::Request;
use axum::http::Uri;
use serde_json::Value;

const OF_USERS: &str = "a5c0ffee-0dad-4bad-8ace-";
const OF_GROUPS: &str = "b6c0ffee-0dad-4bad-8ace-";

/// Returns the GUID of a user or group.
fn of(kind: RecordKind, id: u64) -> String {
    format!("{}{id:012x}", if kind == RecordKind::Group { OF_GROUPS } else { OF_USERS })
}

/// Returns the number behind one of these GUIDs.
pub(super) fn plain(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let digits = text.strip_prefix(OF_USERS).or_else(|| text.strip_prefix(OF_GROUPS))?;
    u64::from_str_radix(digits, 16).ok()
}

/// Gives GUIDs to a resource and to its references.
pub(super) fn rewrite(kind: RecordKind, resource: &mut Record) {
    let own = resource.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
    if let Some(own) = own {
        resource.insert("id".to_owned(), of(kind, own).into());
        if let Some(location) = resource.get_mut("meta").and_then(|meta| meta.get_mut("location")) {
            relocate(location, &of(kind, own));
        }
    }
    for (list, default) in [("groups", RecordKind::Group), ("members", RecordKind::User)] {
        let rows = resource.get_mut(list).and_then(Value::as_array_mut);
        rows.into_iter().flatten().filter_map(Value::as_object_mut).for_each(|row| refer(row, default));
    }
}

/// Gives a GUID to a reference. `default` is the kind of a row that names none.
fn refer(row: &mut Record, default: RecordKind) {
    let kind = if row.get("type").is_some_and(|kind| kind == "Group") { RecordKind::Group } else { default };
    let Some(id) = row.get("value").and_then(Value::as_str).and_then(|id| id.parse().ok()) else { return };
    let id = of(kind, id).to_ascii_uppercase();
    if let Some(reference) = row.get_mut("$ref") {
        relocate(reference, &id);
    }
    row.insert("value".to_owned(), id.into());
}

/// Replaces the id at the end of an address.
fn relocate(address: &mut Value, id: &str) {
    let moved = address.as_str().and_then(|text| text.rsplit_once('/')).map(|(path, _)| format!("{path}/{id}"));
    if let Some(moved) = moved {
        *address = moved.into();
    }
}

/// Turns a request for a GUID into a request for the number behind it, so that the handlers know only numbers.
pub(crate) fn with_plain_ids(mut request: Request) -> Request {
    let uri = request.uri();
    let segment = |segment: &str| plain(segment).map_or_else(|| segment.to_owned(), |id| id.to_string());
    let path: Vec<String> = uri.path().split('/').map(segment).collect();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    if let Ok(uri) = format!("{}{query}", path.join("/")).parse::<Uri>() {
        *request.uri_mut() = uri;
    }
    request
}

/// Returns an id as readers compare it: a GUID in lower case, everything else unchanged.
pub(crate) fn folded(id: &str) -> String {
    let is_guid = id.len() == 36
        && id.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    if is_guid { id.to_ascii_lowercase() } else { id.to_owned() }
}
