//! One whole response: first its records by [`DialectContext`], then the list around them, then its bytes.
//!
//! Each step may hide what the next one needs, so the order is fixed: rows are dropped before they are counted, and
//! broken text is made last, because JSON values cannot hold it.

use super::Dialect::{
    BrokenText, ByteOrderMark, CappedPages, DoubleUser, EmptyWithTotal, NoContent, NoGroups, NullLists, PageTotals,
    RecordsNotFound, ShortLists, ShortPages, WrongKeys, ZeroTotals,
};
use super::context::DialectContext;
use super::pages::{ListWindow, MAX_ROWS, double_first};
use super::target::{InterfaceFamily, RecordKind, RequestTarget, Resource};
use super::{safe, scim, unexpected};
use crate::record::Record;
use crate::shape::SPARSE_FIELDS;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;

const TOTAL_HEADER: HeaderName = HeaderName::from_static("x-bt-pagination-total");
const LAST_HEADER: HeaderName = HeaderName::from_static("x-bt-pagination-last-page");
const SIZE_HEADER: HeaderName = HeaderName::from_static("x-bt-pagination-per-page");
const CURRENT_HEADER: HeaderName = HeaderName::from_static("x-bt-pagination-current-page");

/// A response that the dialects edit: its status and headers; the body is passed along.
pub(crate) struct EditableResponse<'a> {
    pub(crate) status: &'a mut StatusCode,
    pub(crate) headers: &'a mut HeaderMap,
    /// The part of a list that was asked for.
    pub(crate) window: ListWindow,
}

/// The rows of a list, and the object around them if there is one.
struct ListBody {
    rows: Vec<Value>,
    envelope: Option<ListEnvelope>,
}

/// The object around the rows: its other fields, and the keys of the rows and of the total.
struct ListEnvelope {
    fields: Record,
    key: &'static str,
    total: &'static str,
}

impl EditableResponse<'_> {
    /// Returns the body as the dialects write it. `target` is what was read; `None` for a write or a token.
    pub(crate) fn reworded(
        &mut self,
        context: &DialectContext<'_>,
        target: Option<RequestTarget>,
        body: Vec<u8>,
    ) -> Vec<u8> {
        let is_json = self.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().ends_with(b"json"));
        let mut body = match target {
            Some(target) if is_json && *self.status == StatusCode::OK => self.read(context, target, body),
            _ => body,
        };
        if is_json && !body.is_empty() && context.has(ByteOrderMark) {
            body.splice(..0, *b"\xef\xbb\xbf");
        }
        body
    }

    fn read(&mut self, context: &DialectContext<'_>, target: RequestTarget, body: Vec<u8>) -> Vec<u8> {
        let Ok(json) = serde_json::from_slice::<Value>(&body) else { return body };
        let json = match target.resource {
            Resource::Nothing => return body,
            Resource::Discovery => context.renamed(without_groups(context, json)),
            _ if target.is_list() => match self.list(context, target, json) {
                Some(json) => json,
                None => return Vec::new(),
            },
            _ => record(context, target, json),
        };
        let text = json.to_string();
        if context.has(BrokenText) { unexpected::as_bytes(&text) } else { text.into_bytes() }
    }

    /// Edits a list. Returns `None` if the response has no body any more.
    fn list(&mut self, context: &DialectContext<'_>, target: RequestTarget, json: Value) -> Option<Value> {
        let mut list = ListBody::parse(target, json);
        if target.family == InterfaceFamily::Safe {
            safe::remove_rows(context, target.resource, &mut list.rows);
        }
        if context.has(DoubleUser) && target.resource == Resource::Users {
            self.double_user(target, &mut list);
        }
        if target.family != InterfaceFamily::Safe {
            self.cut(context, &mut list);
        }
        list.rows = list.rows.into_iter().map(|row| self::row(context, target, row)).collect();
        if context.has(EmptyWithTotal) {
            self.clear(context, target, &mut list);
        }
        if context.has(PageTotals) {
            self.page_total(&mut list);
        }
        if context.has(ZeroTotals) && !list.rows.is_empty() {
            self.set_total(&mut list, 0);
        }
        if list.rows.is_empty() && context.has(NoContent) && !context.has(EmptyWithTotal) {
            *self.status = StatusCode::NO_CONTENT;
            self.headers.remove(header::CONTENT_TYPE);
            return None;
        }
        Some(list.build(context, target))
    }

    /// Removes all rows of a list and keeps, or adds, a total above 0.
    fn clear(&mut self, context: &DialectContext<'_>, target: RequestTarget, list: &mut ListBody) {
        let rows = list.rows.len();
        match &mut list.envelope {
            Some(envelope) if rows > 0 => {
                let all = if target.kind() == RecordKind::User {
                    context.world.user_count()
                } else {
                    context.world.group_count()
                };
                envelope.fields.entry(envelope.total).or_insert_with(|| all.into());
                list.rows.clear();
            }
            None if rows > 0 && target.family == InterfaceFamily::Sra => {
                self.headers.entry(TOTAL_HEADER).or_insert_with(|| rows.into());
                list.rows.clear();
            }
            _ => {}
        }
    }

    /// Lists the first user twice, and counts it twice.
    fn double_user(&mut self, target: RequestTarget, list: &mut ListBody) {
        double_first(target.family, self.window, &mut list.rows);
        if let Some(total) = self.total(list).filter(|total| *total > 0) {
            self.set_total(list, total + 1);
            if let Some(size) = self.number(&SIZE_HEADER) {
                self.headers.insert(LAST_HEADER, HeaderValue::from((total + 1).div_ceil(size.max(1))));
            }
        }
    }

    /// Cuts a page, and says or does not say that its rows are all there are.
    fn cut(&mut self, context: &DialectContext<'_>, list: &mut ListBody) {
        if !context.has(ShortPages) && !context.has(CappedPages) {
            return;
        }
        list.rows.truncate(MAX_ROWS);
        if !context.has(CappedPages) {
            return;
        }
        if let Some(ListEnvelope { fields, total, .. }) = &mut list.envelope {
            fields.insert((*total).to_owned(), list.rows.len().into());
        } else if let Some(current) = self.headers.get(CURRENT_HEADER).cloned() {
            self.headers.insert(TOTAL_HEADER, HeaderValue::from(list.rows.len()));
            self.headers.insert(LAST_HEADER, current);
            self.headers.remove(header::LINK);
        }
    }

    /// Makes the total the number of rows of this page.
    fn page_total(&mut self, list: &mut ListBody) {
        let rows = list.rows.len();
        self.set_total(list, rows);
    }

    fn number(&self, name: &HeaderName) -> Option<usize> {
        self.headers.get(name)?.to_str().ok()?.parse().ok()
    }

    /// Returns the total, if one is reported.
    fn total(&self, list: &ListBody) -> Option<usize> {
        match &list.envelope {
            Some(envelope) => usize::try_from(envelope.fields.get(envelope.total)?.as_u64()?).ok(),
            None => self.number(&TOTAL_HEADER),
        }
    }

    /// Changes the total, if one is reported.
    fn set_total(&mut self, list: &mut ListBody, to: usize) {
        match &mut list.envelope {
            Some(envelope) => {
                if let Some(total) = envelope.fields.get_mut(envelope.total) {
                    *total = to.into();
                }
            }
            None => {
                if let Some(total) = self.headers.get_mut(TOTAL_HEADER) {
                    *total = HeaderValue::from(to);
                }
            }
        }
    }
}

impl ListBody {
    /// Separates the rows from the object around them.
    fn parse(target: RequestTarget, json: Value) -> Self {
        let (key, total) = match (target.family, target.resource) {
            (InterfaceFamily::Guide, Resource::Users) => ("users", "total"),
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

    /// Builds the list again, under the keys of the dialects.
    fn build(self, context: &DialectContext<'_>, target: RequestTarget) -> Value {
        let Some(ListEnvelope { mut fields, key, total }) = self.envelope else { return Value::Array(self.rows) };
        let is_scim = target.family == InterfaceFamily::Scim;
        let rows =
            if self.rows.is_empty() && context.has(NullLists) && reports_none(context, target, &mut fields, total) {
                Some(Value::Null)
            } else {
                // `Resources` is absent if the list has no rows (RFC 7644 §3.4.2).
                (!self.rows.is_empty() || !is_scim).then_some(Value::Array(self.rows))
            };
        let mut key = key;
        if context.has(WrongKeys) {
            key = if is_scim { "Items" } else { "Data" };
            if let Some(count) = fields.remove("total") {
                fields.insert("TotalCount".to_owned(), count);
            }
        }
        context.numbers(&mut fields);
        fields.extend(rows.map(|rows| (key.to_owned(), rows)));
        // The rows have been renamed already; renaming them again changes nothing.
        if is_scim { context.renamed(Value::Object(fields)) } else { Value::Object(fields) }
    }
}

/// Returns whether the total of a list is 0. The guide's list of groups reports no total, so one of 0 is added if there
/// is no group.
fn reports_none(context: &DialectContext<'_>, target: RequestTarget, fields: &mut Record, total: &str) -> bool {
    if target.family == InterfaceFamily::Guide
        && target.resource == Resource::Groups
        && context.world.group_count() == 0
    {
        fields.entry(total).or_insert_with(|| 0.into());
    }
    fields.get(total).and_then(Value::as_u64) == Some(0)
}

/// Edits a row of a list: first what only lists lack, then what all records have.
fn row(context: &DialectContext<'_>, target: RequestTarget, row: Value) -> Value {
    let Value::Object(mut fields) = row else { return row };
    match (target.family, target.kind()) {
        (InterfaceFamily::Guide, RecordKind::User) if context.has(RecordsNotFound) => {
            fields.retain(|key, _| SPARSE_FIELDS.contains(&key.as_str()));
        }
        (InterfaceFamily::Scim, RecordKind::Group) if context.has(ShortLists) => {
            let id = scim::number(&fields).unwrap_or_default();
            scim::short_list(context.world, id, &mut fields);
        }
        _ => {}
    }
    record(context, target, Value::Object(fields))
}

fn record(context: &DialectContext<'_>, target: RequestTarget, json: Value) -> Value {
    let Value::Object(mut fields) = json else { return json };
    context.content(target.family, target.kind(), &mut fields);
    context.wording(target.family, target.kind(), &mut fields);
    Value::Object(fields)
}

/// Removes groups from discovery if the server has none (RFC 7644 §4).
fn without_groups(context: &DialectContext<'_>, mut json: Value) -> Value {
    if context.has(NoGroups)
        && let Some(types) = json.get_mut("Resources").and_then(Value::as_array_mut)
    {
        types.retain(|kind| kind["id"] != "Group");
        json["totalResults"] = json["Resources"].as_array().map_or(0, Vec::len).into();
    }
    json
}
