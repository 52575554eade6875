//! One whole answer: its records by [`Scene`], then the list around them, then its bytes.

use super::Dialect::{
    BrokenText, ByteOrderMark, EmptyWithTotal, NoContent, NoGroups, NullLists, PageTotals, RecordsNotFound, ShortLists,
    WrongKeys,
};
use super::place::{ApiPlace, InterfaceFamily, RecordKind, What};
use super::scene::Scene;
use super::{odd, safe, scim};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

/// What is left of the guide's records where lists are sparse.
const SPARSE: [&str; 4] = ["id", "username", "display_name", "enabled"];
const TOTAL_HEADER: HeaderName = HeaderName::from_static("x-bt-pagination-total");

/// An answer on its way out.
pub(crate) struct EditableResponse<'a> {
    pub(crate) status: &'a mut StatusCode,
    pub(crate) headers: &'a mut HeaderMap,
}

/// The rows of a list, and the object around them where there is one.
struct List {
    rows: Vec<Value>,
    envelope: Option<ListEnvelope>,
}

struct ListEnvelope {
    fields: Map<String, Value>,
    key: &'static str,
    total: &'static str,
}

impl EditableResponse<'_> {
    /// Returns the body as the dialects write it. `place`: what was read; `None` for a write or a token.
    pub(crate) fn reworded(&mut self, scene: &Scene<'_>, place: Option<ApiPlace>, body: Vec<u8>) -> Vec<u8> {
        let is_json = self.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().ends_with(b"json"));
        let mut body = match place {
            Some(place) if is_json && *self.status == StatusCode::OK => self.read(scene, place, body),
            _ => body,
        };
        if is_json && !body.is_empty() && scene.has(ByteOrderMark) {
            body.splice(..0, *b"\xef\xbb\xbf");
        }
        body
    }

    fn read(&mut self, scene: &Scene<'_>, place: ApiPlace, body: Vec<u8>) -> Vec<u8> {
        let Ok(json) = serde_json::from_slice::<Value>(&body) else { return body };
        let json = match place.what {
            What::Nothing => return body,
            What::Discovery => scene.renamed(described(scene, json)),
            _ if place.is_list() => match self.list(scene, place, json) {
                Some(json) => json,
                None => return Vec::new(),
            },
            _ => record(scene, place, json),
        };
        let text = json.to_string();
        if scene.has(BrokenText) { odd::as_bytes(&text) } else { text.into_bytes() }
    }

    /// `None`: there is no body any more.
    fn list(&mut self, scene: &Scene<'_>, place: ApiPlace, json: Value) -> Option<Value> {
        let mut list = List::taken_apart(place, json);
        if place.family == InterfaceFamily::Safe {
            safe::thin(scene, place.what, &mut list.rows);
        }
        list.rows = list.rows.into_iter().map(|row| self::row(scene, place, row)).collect();
        if scene.has(EmptyWithTotal) {
            self.emptied(scene, place, &mut list);
        }
        if scene.has(PageTotals) {
            self.page_total(&mut list);
        }
        if list.rows.is_empty() && scene.has(NoContent) && !scene.has(EmptyWithTotal) {
            *self.status = StatusCode::NO_CONTENT;
            self.headers.remove(header::CONTENT_TYPE);
            return None;
        }
        Some(list.put_together(scene, place))
    }

    fn emptied(&mut self, scene: &Scene<'_>, place: ApiPlace, list: &mut List) {
        let rows = list.rows.len();
        match &mut list.envelope {
            Some(envelope) if rows > 0 => {
                let all =
                    if place.kind() == RecordKind::User { scene.world.user_count() } else { scene.world.group_count() };
                envelope.fields.entry(envelope.total).or_insert_with(|| all.into());
                list.rows.clear();
            }
            None if rows > 0 && place.family == InterfaceFamily::Sra => {
                self.headers.entry(TOTAL_HEADER).or_insert_with(|| rows.into());
                list.rows.clear();
            }
            _ => {}
        }
    }

    fn page_total(&mut self, list: &mut List) {
        let rows = list.rows.len();
        match &mut list.envelope {
            Some(envelope) => {
                if let Some(total) = envelope.fields.get_mut(envelope.total) {
                    *total = rows.into();
                }
            }
            None => {
                if let Some(total) = self.headers.get_mut(TOTAL_HEADER) {
                    *total = HeaderValue::from(rows);
                }
            }
        }
    }
}

impl List {
    fn taken_apart(place: ApiPlace, json: Value) -> Self {
        let (key, total) = match (place.family, place.what) {
            (InterfaceFamily::Guide, What::Users) => ("users", "total"),
            (InterfaceFamily::Guide, _) => ("groups", "total"),
            _ => ("Resources", "totalResults"),
        };
        match json {
            Value::Array(rows) => Self { rows, envelope: None },
            Value::Object(mut fields) => {
                let rows = fields.remove(key).and_then(|rows| rows.as_array().cloned()).unwrap_or_default();
                Self { rows, envelope: Some(ListEnvelope { fields, key, total }) }
            }
            _ => Self { rows: Vec::new(), envelope: None },
        }
    }

    fn put_together(self, scene: &Scene<'_>, place: ApiPlace) -> Value {
        let Some(ListEnvelope { mut fields, key, total }) = self.envelope else { return Value::Array(self.rows) };
        let is_scim = place.family == InterfaceFamily::Scim;
        let rows = if self.rows.is_empty() && scene.has(NullLists) && says_none(scene, place, &mut fields, total) {
            Some(Value::Null)
        } else {
            // RFC 7644 §3.4.2: there are no `Resources` where there is none.
            (!self.rows.is_empty() || !is_scim).then_some(Value::Array(self.rows))
        };
        let mut key = key;
        if scene.has(WrongKeys) {
            key = if is_scim { "Items" } else { "Data" };
            if let Some(count) = fields.remove("total") {
                fields.insert("TotalCount".to_owned(), count);
            }
        }
        scene.numbers(&mut fields);
        fields.extend(rows.map(|rows| (key.to_owned(), rows)));
        // The rows are renamed already, which changes nothing the second time.
        if is_scim { scene.renamed(Value::Object(fields)) } else { Value::Object(fields) }
    }
}

/// Returns whether the list says that it is empty; the guide's groups say it here, where there is none at all.
fn says_none(scene: &Scene<'_>, place: ApiPlace, fields: &mut Map<String, Value>, total: &str) -> bool {
    if place.family == InterfaceFamily::Guide && place.what == What::Groups && scene.world.group_count() == 0 {
        fields.entry(total).or_insert_with(|| 0.into());
    }
    fields.get(total).and_then(Value::as_u64) == Some(0)
}

fn row(scene: &Scene<'_>, place: ApiPlace, row: Value) -> Value {
    let Value::Object(mut fields) = row else { return row };
    match (place.family, place.kind()) {
        (InterfaceFamily::Guide, RecordKind::User) if scene.has(RecordsNotFound) => {
            fields.retain(|key, _| SPARSE.contains(&key.as_str()));
        }
        (InterfaceFamily::Scim, RecordKind::Group) if scene.has(ShortLists) => {
            let id = scim::number(&fields).unwrap_or_default();
            scim::short_list(scene.world, id, &mut fields);
        }
        _ => {}
    }
    record(scene, place, Value::Object(fields))
}

fn record(scene: &Scene<'_>, place: ApiPlace, json: Value) -> Value {
    let Value::Object(mut fields) = json else { return json };
    scene.content(place.family, place.kind(), &mut fields);
    scene.wording(place.family, place.kind(), &mut fields);
    Value::Object(fields)
}

/// RFC 7644 §4: a server without groups describes none.
fn described(scene: &Scene<'_>, mut json: Value) -> Value {
    if scene.has(NoGroups)
        && let Some(types) = json.get_mut("Resources").and_then(Value::as_array_mut)
    {
        types.retain(|kind| kind["id"] != "Group");
        json["totalResults"] = json["Resources"].as_array().map_or(0, Vec::len).into();
    }
    json
}
