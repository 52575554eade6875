//! Cells of the tables: texts, ids in their order, lists, and what is left of a record when all that is known is taken out.

use super::super::world::Record;
use super::Row;
use super::dates::is_date;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn row<const N: usize>(cells: [(&str, String); N]) -> Row {
    cells.into_iter().map(|(name, cell)| (name.to_owned(), cell)).collect()
}

/// Null is the empty text.
pub(super) fn reported(cell: Option<&String>) -> String {
    cell.cloned().unwrap_or_default()
}

pub(super) fn flag(cell: Option<bool>) -> String {
    cell.map(|flag| flag.to_string()).unwrap_or_default()
}

pub(super) fn text(record: &Record, key: &str) -> Option<String> {
    record.get(key).and_then(Value::as_str).map(str::to_owned)
}

/// Numbers by value, before all other text.
pub(super) fn sort_key(id: &str) -> (u64, String) {
    (id.parse().unwrap_or(u64::MAX), id.to_owned())
}

/// Numbers and texts as text: ascending, each once.
pub(super) fn ids_of(ids: &[Value]) -> Vec<String> {
    let as_text = |id: &Value| id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    let each_once: BTreeSet<(u64, String)> = ids.iter().map(|id| sort_key(&as_text(id))).collect();
    each_once.into_iter().map(|(_, id)| id).collect()
}

pub(super) fn json_list(ids: &[String]) -> String {
    Value::from(ids.to_vec()).to_string()
}

/// Fields that nobody announced, without what may be a secret, as compact JSON with sorted keys; empty where there is none.
pub(super) fn extra(record: &Record, known: &[&str]) -> String {
    let kept: Map<String, Value> =
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
            // By way of a sorted map, whatever order the JSON library keeps.
            let kept = fields.into_iter().filter(|(key, value)| !(secret(key) && may_be_secret(value)));
            let sorted: BTreeMap<String, Value> = kept.map(|(key, value)| (key, clean(value))).collect();
            Value::Object(sorted.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(clean).collect()),
        plain => plain,
    }
}

/// Flags, numbers and dates are rights and rules, whatever their names; so is nothing at all.
fn may_be_secret(value: &Value) -> bool {
    match value {
        Value::String(text) => {
            !(text.is_empty() || is_date(text) || ["true", "false"].contains(&&*text.to_lowercase()))
        }
        Value::Array(_) | Value::Object(_) => true,
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
