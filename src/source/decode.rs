//! JSON records, read in the same way by all connectors: lenient with the type of a value, strict with its meaning.
//!
//! A [`JsonRecord`] is a JSON object from which secrets were removed while it was parsed. A connector takes its fields
//! one by one through [`Fields`]. A value of an unexpected type costs that value, not the row and not the list: it is
//! null in the table, stays in `extra` as written, and is counted in [`Decoding`]. Knows no product's fields and no
//! HTTP.
//!
//! - `envelope`: the object around a list    - `id`: ids    - `value`: single values    - `notes`: what is counted

mod envelope;
mod fields;
mod id;
mod notes;
mod value;

pub(super) use envelope::{Envelope, ListShape};
pub(super) use fields::Fields;
pub(super) use id::Id;
pub(super) use notes::Decoding;
pub(super) use value::get;

use crate::model::{is_credential, is_secret, without_secrets, without_texts};
use crate::wire::page::ListRow;
use crate::wire::{Body, WireError, WireErrorKind, shown_keys};
use ahash::AHashMap;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::rc::Rc;

/// JSON object without secrets at any depth. If a name occurs twice, the last value counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct JsonRecord(Vec<(Rc<str>, Value)>);

impl JsonRecord {
    /// Returns the index of a field. With `caseless`, a name in another case matches if no exact name does.
    fn position_of(&self, key: &str, caseless: bool) -> Option<usize> {
        let exact = self.0.iter().rposition(|(name, _)| **name == *key);
        exact
            .or_else(|| caseless.then(|| self.0.iter().rposition(|(name, _)| name.eq_ignore_ascii_case(key))).flatten())
    }

    /// Returns a field by its exact name.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.position_of(key, false).map(|at| &self.0[at].1)
    }

    /// Returns a field by its name, compared without case.
    pub(super) fn get_caseless(&self, key: &str) -> Option<&Value> {
        self.position_of(key, true).map(|at| &self.0[at].1)
    }

    /// Returns the id in a field; `None` if the value is no id.
    pub(super) fn id(&self, key: &str) -> Option<Id> {
        self.get(key).and_then(Id::from_json)
    }

    /// Returns the ids in a field that holds a list of ids. Items that are no ids are left out.
    pub(super) fn ids(&self, key: &str) -> Vec<Id> {
        match self.get(key).map(value::ids) {
            Some(value::Lenient::Read(found)) => found.ids,
            _ => Vec::new(),
        }
    }

    /// Overwrites fields with those of a newer record of the same object. Fields that `newer` lacks stay. Names are
    /// compared without case.
    pub(super) fn take_over(&mut self, newer: Self) {
        for (name, value) in newer.0 {
            match self.position_of(&name, true) {
                Some(at) => self.0[at].1 = value,
                None => self.0.push((name, value)),
            }
        }
    }

    /// Returns the names of the first few fields, for error texts.
    fn names(&self) -> String {
        if self.0.is_empty() { "no key at all".to_owned() } else { shown_keys(self.0.iter().map(|(name, _)| &**name)) }
    }

    /// Returns all fields as text, in the order of their names.
    fn sorted_text(&self) -> String {
        let mut fields: Vec<String> = self.0.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
        fields.sort_unstable();
        fields.join(",")
    }

    /// Returns a hash of all fields. Equal content has an equal hash within one run.
    fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (name, value) in &self.0 {
            (name, value.to_string()).hash(&mut hasher);
        }
        hasher.finish()
    }
}

impl Body for JsonRecord {}

thread_local! {
    /// Field names seen so far. Every row of a list repeats them, and testing a name for a secret is a search for many
    /// words.
    static NAMES: RefCell<AHashMap<Box<str>, Name>> = RefCell::default();
}

/// Shared copy of a field name, and whether the name means a secret.
type Name = (Rc<str>, bool);

/// Maximum number of field names that are cached. Bounds the memory against servers that invent names.
const MAX_CACHED_NAMES: usize = 4096;
/// Maximum length of a cached field name, in bytes.
const MAX_CACHED_NAME: usize = 256;

/// Returns the shared copy of a field name, and whether the name means a secret.
fn intern_name(key: &str) -> Name {
    NAMES.with_borrow_mut(|names| {
        if let Some((name, secret)) = names.get(key) {
            return (Rc::clone(name), *secret);
        }
        let (name, secret): (Rc<str>, bool) = (key.into(), is_secret(key));
        if names.len() < MAX_CACHED_NAMES && key.len() <= MAX_CACHED_NAME {
            names.insert(key.into(), (Rc::clone(&name), secret));
        }
        (name, secret)
    })
}

/// Key that `serde_json` uses for a number with all its digits (feature `arbitrary_precision`). In place of a row, such
/// a number looks like an object with this key.
const NUMBER: &str = "$serde_json::private::Number";

impl<'de> Deserialize<'de> for JsonRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RecordVisitor;
        impl<'de> Visitor<'de> for RecordVisitor {
            type Value = JsonRecord;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonRecord, A::Error> {
                let mut fields = Vec::with_capacity(map.size_hint().unwrap_or(16));
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    // A bare number in place of a row: keep its digits under an empty name, so that the row has no id.
                    if key == NUMBER {
                        let digits: String = map.next_value()?;
                        fields.push((intern_name("").0, digits.into()));
                        continue;
                    }
                    let (name, secret) = intern_name(&key);
                    let value: Value = map.next_value()?;
                    // Under a secret name, numbers, booleans and dates stay: `password_expiration` is no secret.
                    // Elsewhere, texts that look like a credential are dropped (docs/products.md, "Secrets").
                    let kept = match value {
                        value if secret => without_texts(value),
                        value if is_credential(&value) => None,
                        value => Some(without_secrets(value)),
                    };
                    fields.extend(kept.map(|value| (name, value)));
                }
                // A list of millions of short rows would otherwise take many times its memory.
                if fields.len() < fields.capacity() / 2 {
                    fields.shrink_to_fit();
                }
                Ok(JsonRecord(fields))
            }
        }
        deserializer.deserialize_map(RecordVisitor)
    }
}

/// Item of a list: an object, or any other value in its place.
struct Item(JsonRecord);

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemVisitor;
        impl<'de> Visitor<'de> for ItemVisitor {
            type Value = Item;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Item, A::Error> {
                JsonRecord::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Item)
            }
            fn visit_unit<E: Error>(self) -> Result<Item, E> {
                Ok(Item::foreign("null"))
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<Item, E> {
                Ok(Item::foreign(value))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Item, E> {
                Ok(Item::foreign(text))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Item, E> {
                Ok(Item::foreign(number))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Item, E> {
                Ok(Item::foreign(number))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Item, E> {
                Ok(Item::foreign(number))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Item, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element::<Value>()? {
                    items.push(item);
                }
                Ok(Item::foreign(Value::Array(items)))
            }
        }
        deserializer.deserialize_any(ItemVisitor)
    }
}

impl Item {
    /// Makes a row without an id from a value that is no object, so that the list is not proven complete.
    fn foreign(value: impl Into<Value>) -> Self {
        Self(JsonRecord(vec![(intern_name("").0, value.into())]))
    }
}

/// List as a bare array of objects, or one object with an id in place of the array.
pub(super) struct Records<K> {
    rows: Vec<JsonRecord>,
    /// Whether the answer was null: an empty list only if the total of the same answer is 0.
    is_null: bool,
    key: PhantomData<K>,
}

impl<K> Records<K> {
    fn of(rows: Vec<JsonRecord>) -> Self {
        Self { rows, is_null: false, key: PhantomData }
    }
}

impl<'de, K: IdKey> Deserialize<'de> for Records<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RecordsVisitor<K>(PhantomData<K>);
        impl<'de, K: IdKey> Visitor<'de> for RecordsVisitor<K> {
            type Value = Records<K>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of objects")
            }
            fn visit_unit<E: Error>(self) -> Result<Records<K>, E> {
                // Whether null means an empty list depends on the total, which only the caller knows.
                Ok(Records { is_null: true, ..Records::of(Vec::new()) })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Records<K>, A::Error> {
                let record = JsonRecord::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                // An object without an id in place of a list is usually an error with status 200.
                if record.position_of(K::KEY, K::CASELESS).is_some_and(|at| Id::from_json(&record.0[at].1).is_some()) {
                    return Ok(Records::of(vec![record]));
                }
                Err(A::Error::custom(format!("expected a list, found an object with {}", record.names())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Records<K>, A::Error> {
                let mut rows = Vec::new();
                while let Some(Item(row)) = seq.next_element()? {
                    rows.push(row);
                }
                Ok(Records::of(rows))
            }
        }
        deserializer.deserialize_any(RecordsVisitor(PhantomData))
    }
}

impl<K: IdKey> Body for Records<K> {
    fn rows(&self) -> Option<u64> {
        Some(self.rows.len() as u64)
    }

    fn empty() -> Option<Self> {
        // Status 204 without a body means an empty list.
        Some(Self::of(Vec::new()))
    }
}

impl<K: IdKey> Records<K> {
    /// Returns the rows with their ids. `total` is the total of the same answer. Errors: null where the total is not 0.
    pub(super) fn listed(self, path: &str, total: Option<u64>) -> Result<Vec<Listed>, WireError> {
        if self.is_null && total != Some(0) {
            let kind = WireErrorKind::Shape("expected a list, found null".to_owned());
            return Err(WireError::new(format!("GET {path}"), kind));
        }
        Ok(Listed::all(self.rows, K::KEY, K::CASELESS))
    }
}

/// Row of a list: its id, and the record without the id.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Listed {
    pub(super) id: Id,
    pub(super) record: JsonRecord,
}

impl Listed {
    /// Makes the rows of one answer, in their order. Rows without a usable id keep distinct keys.
    pub(super) fn all(records: Vec<JsonRecord>, key: &str, caseless: bool) -> Vec<Self> {
        let mut rows: Vec<Self> = records.into_iter().map(|record| Self::of(record, key, caseless)).collect();
        id::make_distinct(rows.iter_mut().map(|row| &mut row.id));
        rows
    }

    /// Splits a record into its id and the rest. A row without a usable id is identified by a hash of its content.
    pub(super) fn of(mut record: JsonRecord, key: &str, caseless: bool) -> Self {
        let place = record.position_of(key, caseless);
        let id = place.and_then(|at| Id::from_json(&record.0[at].1));
        match (id, place) {
            (Some(id), Some(at)) => {
                record.0.swap_remove(at);
                Self { id, record }
            }
            _ => Self { id: Id::Unusable(record.hash()), record },
        }
    }
}

/// Name of the field that holds the id of a row.
pub(super) trait IdKey: 'static {
    /// Name of the field.
    const KEY: &'static str;
    /// Whether the name is compared without case.
    const CASELESS: bool = false;
}

/// Id in the field `id`.
pub(super) struct PlainId;

impl IdKey for PlainId {
    const KEY: &'static str = "id";
}

/// Record that was requested by its id. An object without an id is refused: it may be an error with status 200.
pub(super) struct RecordById<K> {
    pub(super) row: Listed,
    key: PhantomData<K>,
}

impl<'de, K: IdKey> Deserialize<'de> for RecordById<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let row = Listed::of(JsonRecord::deserialize(deserializer)?, K::KEY, K::CASELESS);
        if row.is_identified() {
            return Ok(Self { row, key: PhantomData });
        }
        Err(D::Error::custom(format!("expected key {:?} with an id, found {}", K::KEY, row.record.names())))
    }
}

impl<K: IdKey> Body for RecordById<K> {}

impl ListRow for Listed {
    type Key = Id;
    fn key(&self) -> &Id {
        &self.id
    }

    fn is_identified(&self) -> bool {
        self.id.is_usable()
    }

    fn id_text(key: &Id) -> String {
        key.to_text().to_string()
    }

    fn content(&self) -> String {
        self.record.sorted_text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(json: &str) -> JsonRecord {
        serde_json::from_str(json).unwrap()
    }

    fn records(json: &str, total: Option<u64>) -> Result<Vec<String>, String> {
        let records: Records<PlainId> = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let rows = records.listed("/x", total).map_err(|error| error.to_string())?;
        Ok(rows.iter().map(|row| row.id.to_text().to_string()).collect())
    }

    #[test]
    fn a_secret_is_removed_while_the_record_is_parsed() {
        let record = record(r#"{"ClientSecret":"canary","ClientID":"c","deep":[{"api_key":"canary","x":1}]}"#);
        assert_eq!(record.get("ClientSecret"), None);
        assert_eq!(record.get("deep").unwrap().to_string(), r#"[{"x":1}]"#);
        assert_eq!(record.get("ClientID").unwrap(), "c");
    }

    #[test]
    fn rights_and_dates_with_a_secret_like_name_stay() {
        let record = record(
            r#"{"perm_set_passwords":true,"password_expiration":"2027-01-01T00:00:00Z","password_age":7,"token":null}"#,
        );
        for key in ["perm_set_passwords", "password_expiration", "password_age", "token"] {
            assert!(record.get(key).is_some(), "{key}");
        }
    }

    #[test]
    fn a_row_without_an_id_keeps_its_place_and_is_not_identified() {
        let rows = records(r#"[{"id":7},{"x":1},{"id":null},{"id":""},null,"a text",5,[1],true]"#, None).unwrap();
        assert_eq!(rows.len(), 9);
        assert!(rows[0] == "7" && rows[1..].iter().all(|id| id == "unknown"), "{rows:?}");
    }

    #[test]
    fn null_is_an_empty_list_only_where_the_total_is_0() {
        assert_eq!(records("null", Some(0)).unwrap(), [""; 0]);
        assert!(records("null", None).unwrap_err().contains("expected a list, found null"));
        assert!(records("null", Some(3)).is_err());
    }

    #[test]
    fn one_object_is_a_list_of_one_only_where_it_has_an_id() {
        assert_eq!(records(r#"{"id":7,"name":"x"}"#, None).unwrap(), ["7"]);
        let error = records(r#"{"error":{"code":500}}"#, None).unwrap_err();
        assert!(error.contains(r#"found an object with "error""#), "{error}");
    }

    #[test]
    fn the_last_of_two_values_of_one_name_counts() {
        assert_eq!(record(r#"{"a":1,"a":2}"#).get("a").unwrap(), 2);
    }

    #[test]
    fn numbers_keep_all_their_digits() {
        let record = record(r#"{"id":36893488147419103232,"deep":{"n":1.10}}"#);
        assert_eq!(record.id("id").unwrap().to_text(), "36893488147419103232");
        assert_eq!(record.get("deep").unwrap().to_string(), r#"{"n":1.10}"#);
    }
}
