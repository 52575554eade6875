//! Cells of the tables: texts, flags, ids in order, lists, and the `extra` column.

use super::Row;
use super::dates::is_date;
use crate::record::Record;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn row<const N: usize>(cells: [(&str, String); N]) -> Row {
    cells.into_iter().map(|(name, cell)| (name.to_owned(), cell)).collect()
}

/// Returns the text of a cell. Null is the empty text.
pub(super) fn text_or_empty(cell: Option<&String>) -> String {
    cell.cloned().unwrap_or_default()
}

pub(super) fn flag(cell: Option<bool>) -> String {
    cell.map(|flag| flag.to_string()).unwrap_or_default()
}

pub(super) fn text(record: &Record, key: &str) -> Option<String> {
    record.get(key).and_then(Value::as_str).map(str::to_owned)
}

/// Returns the sort key of an id: numbers come before other texts and compare by value.
pub(super) fn sort_key(id: &str) -> (u64, String) {
    (id.parse().unwrap_or(u64::MAX), id.to_owned())
}

/// Returns ids, written as numbers or texts, as texts: ascending, without duplicates.
pub(super) fn ids_of(ids: &[Value]) -> Vec<String> {
    let as_text = |id: &Value| id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    let each_once: BTreeSet<(u64, String)> = ids.iter().map(|id| sort_key(&as_text(id))).collect();
    each_once.into_iter().map(|(_, id)| id).collect()
}

pub(super) fn json_list(ids: &[String]) -> String {
    Value::from(ids.to_vec()).to_string()
}

/// Returns the undocumented fields without possible secrets: compact JSON with sorted keys, or the empty text.
pub(super) fn extra(record: &Record, known: &[&str]) -> String {
    let kept: Record =
        record.iter().filter(|(key, _)| !known.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect();
    let kept = clean(Value::Object(kept));
    if kept.as_object().is_some_and(Map::is_empty) { String::new() } else { kept.to_string() }
}

fn clean(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let secret = |key: &str| {
                let key = key.to_lowercase().replace(['_', '-', ' '], "");
                key.contains("password")
                    || key.contains("secret")
                    || key.contains("token")
                    || key.contains("privatekey")
                    || key.contains("apikey")
                    || key.contains("passphrase")
            };
            // A sorted map, because the JSON library may keep another order.
            let kept = fields.into_iter().filter(|(key, value)| !(secret(key) && may_be_secret(value)));
            let sorted: BTreeMap<String, Value> = kept.map(|(key, value)| (key, clean(value))).collect();
            Value::Object(sorted.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(clean).collect()),
        plain => plain,
    }
}

/// Returns whether a value can be a secret. Flags, numbers, dates and empty values are rights and rules, whatever their
/// name.
fn may_be_secret(value: &Value) -> bool {
    match value {
        Value::String(text) => {
            !(text.is_empty() || is_date(text) || ["true", "false"].contains(&&*text.to_lowercase()))
        }
        Value::Array(_) | Value::Object(_) => true,
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
