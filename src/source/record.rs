//! A JSON object of a source, taken apart field by field. What is named like a secret is gone before anybody can ask for it, and
//! what nobody asked for is what is left: `extra`. Knows no product's fields.

use super::date::{self, Parsed, Raw};
use crate::model::{Extra, LastLogin, Told, drop_secrets};
use crate::wire::page::Row;
use crate::wire::{Body, WireError, WireErrorKind};
use ahash::AHashSet;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::{Map, Value};
use std::cell::{Cell, RefCell};
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// An id as the server writes it. Numbers come before texts and compare by value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Id {
    Number(u64),
    Text(Box<str>),
}

impl Id {
    /// As it stands in a text.
    pub(super) fn of(text: &str) -> Self {
        match text.parse::<u64>() {
            // `007` is not 7.
            Ok(number) if number.to_string() == text => Self::Number(number),
            _ => Self::Text(text.into()),
        }
    }

    fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => Some(Self::of(&number.to_string())),
            Value::String(text) if !text.is_empty() => Some(Self::of(text)),
            _ => None,
        }
    }

    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.to_string(),
        }
    }

    /// As a path segment (RFC 3986 §3.3), everything but unreserved characters escaped.
    pub(super) fn in_path(&self) -> String {
        self.to_text().bytes().fold(String::new(), |mut out, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                // Writing into a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
            out
        })
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor;
        impl Visitor<'_> for IdVisitor {
            type Value = Id;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id: a whole number or a text")
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Id, E> {
                Ok(Id::Number(number))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Id, E> {
                Ok(Id::of(&number.to_string()))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Id, E> {
                if text.is_empty() { Err(E::custom("an empty id")) } else { Ok(Id::of(text)) }
            }
        }
        deserializer.deserialize_any(IdVisitor)
    }
}

/// A JSON object without secrets, at any depth.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Record(Map<String, Value>);

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(|fields| Self(drop_secrets(fields)))
    }
}

impl Body for Record {}

/// A bare array of objects.
#[derive(serde::Deserialize)]
#[serde(transparent)]
pub(super) struct Records(pub(super) Vec<Record>);

impl Body for Records {
    fn rows(&self) -> Option<u64> {
        Some(self.0.len() as u64)
    }
}

impl Record {
    /// A field as it stands, which stays.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// What a JSON Pointer (RFC 6901) leads to.
    pub(super) fn at(&self, pointer: &str) -> Option<&Value> {
        let mut path = pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
        let mut value = self.0.get(&path.next()?)?;
        for step in path {
            value = match value {
                Value::Object(fields) => fields.get(&step)?,
                Value::Array(items) => items.get(step.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(value)
    }

    /// A field, whatever it is, which is then gone.
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.0.remove(key)
    }

    /// A text as it is, anything else as its JSON; absent and null are none.
    pub(super) fn take_text(&mut self, key: &str) -> Option<Box<str>> {
        match self.0.remove(key)? {
            Value::Null => None,
            Value::String(text) => Some(text.into_boxed_str()),
            other => Some(other.to_string().into_boxed_str()),
        }
    }

    /// True or false; null is none. Anything else stays where it is.
    pub(super) fn take_flag(&mut self, key: &str) -> Option<bool> {
        match self.0.get(key)? {
            Value::Bool(flag) => {
                let flag = *flag;
                self.0.remove(key);
                Some(flag)
            }
            Value::Null => {
                self.0.remove(key);
                None
            }
            _ => None,
        }
    }

    /// True or false, which stays.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.0.get(key).and_then(Value::as_bool)
    }

    /// A whole number, which stays.
    pub(super) fn count(&self, key: &str) -> Option<u64> {
        self.0.get(key).and_then(Value::as_u64)
    }

    /// An id, which stays.
    pub(super) fn id(&self, key: &str) -> Option<Id> {
        self.0.get(key).and_then(Id::from_json)
    }

    /// A list of ids, which stays.
    pub(super) fn ids(&self, key: &str) -> Vec<Id> {
        let items = self.0.get(key).and_then(Value::as_array);
        items.into_iter().flatten().filter_map(Id::from_json).collect()
    }

    /// A last login.
    pub(super) fn take_last_login(&mut self, key: &str, decoding: &Decoding) -> LastLogin {
        decoding.last_login(self.0.remove(key).as_ref())
    }

    /// Any other date.
    pub(super) fn take_date(&mut self, key: &str, decoding: &Decoding) -> Told {
        decoding.date(self.0.remove(key).as_ref())
    }

    /// All that nobody took.
    pub(super) fn into_extra(self) -> Option<Extra> {
        Extra::of(self.0)
    }
}

/// A row of a list: its id and its record.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Listed {
    pub(super) id: Id,
    pub(super) record: Record,
}

impl Row for Listed {
    type Key = Id;
    fn key(&self) -> Id {
        self.id.clone()
    }
}

/// The rows of an answer, by the field that holds the id, which is taken. Errors: a row without one.
pub(super) fn listed(records: Vec<Record>, key: &str, path: &str) -> Result<Vec<Listed>, WireError> {
    let row = |mut record: Record| {
        let id = record.take(key).as_ref().and_then(Id::from_json)?;
        Some(Listed { id, record })
    };
    records
        .into_iter()
        .map(row)
        .collect::<Option<_>>()
        .ok_or_else(|| WireError::new(format!("GET {path}"), WireErrorKind::Shape(format!("a row without {key}"))))
}

/// What decoding notes while it goes: words that repeat are kept once, dates without an offset are counted.
#[derive(Default)]
pub(super) struct Decoding {
    words: RefCell<AHashSet<Arc<str>>>,
    without_offset: Cell<u64>,
}

impl Decoding {
    /// The one copy of a word that many records repeat.
    pub(super) fn word(&self, text: &str) -> Arc<str> {
        if let Some(word) = self.words.borrow().get(text) {
            return Arc::clone(word);
        }
        let word: Arc<str> = text.into();
        self.words.borrow_mut().insert(Arc::clone(&word));
        word
    }

    /// A last login as JSON has it; `None` where the key is not there.
    pub(super) fn last_login(&self, value: Option<&Value>) -> LastLogin {
        with_raw(value, |raw| self.counted(date::last_login(raw)))
    }

    /// Any other date as JSON has it.
    pub(super) fn date(&self, value: Option<&Value>) -> Told {
        with_raw(value, |raw| self.counted(date::told(raw)))
    }

    fn counted<T>(&self, parsed: Parsed<T>) -> T {
        if parsed.assumed_utc {
            self.count_without_offset();
        }
        parsed.value
    }

    /// One more record whose date has no offset.
    pub(super) fn count_without_offset(&self) {
        self.without_offset.set(self.without_offset.get() + 1);
    }

    /// For the manifest: what had to be assumed.
    pub(super) fn warnings(&self) -> Vec<String> {
        match self.without_offset.get() {
            0 => Vec::new(),
            1 => vec!["1 record carries a date without an offset; it was taken as UTC".to_owned()],
            n => vec![format!("{n} records carry dates without an offset; they were taken as UTC")],
        }
    }
}

fn with_raw<T>(value: Option<&Value>, read: impl FnOnce(Raw<'_>) -> T) -> T {
    match value {
        None => read(Raw::Absent),
        Some(Value::Null) => read(Raw::Null),
        Some(Value::String(text)) => read(Raw::Text(text)),
        Some(other) => read(Raw::Other(&other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(json: &str) -> Record {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_secret_is_gone_before_anybody_can_ask_for_it() {
        let mut record = record(r#"{"ClientSecret":"canary","ClientID":"c","deep":[{"api_key":"canary","x":1}]}"#);
        assert_eq!(record.take_text("ClientSecret"), None);
        assert_eq!(record.get("deep").unwrap().to_string(), r#"[{"x":1}]"#);
        assert_eq!(record.into_extra().as_deref(), Some(r#"{"ClientID":"c","deep":[{"x":1}]}"#));
    }

    #[test]
    fn a_field_of_another_type_than_expected_is_not_lost() {
        let mut record = record(r#"{"enabled":"yes","name":7,"gone":null}"#);
        assert_eq!((record.take_flag("enabled"), record.take_flag("gone")), (None, None));
        assert_eq!(record.take_text("name").as_deref(), Some("7"));
        assert_eq!(record.into_extra().as_deref(), Some(r#"{"enabled":"yes"}"#));
    }

    #[test]
    fn a_pointer_leads_through_names_with_slashes_and_colons() {
        let record = record(r#"{"urn:x:2.0:User":{"a/b":{"last~Login":"now"}},"list":[1,2]}"#);
        assert_eq!(record.at("/urn:x:2.0:User/a~1b/last~0Login"), Some(&Value::from("now")));
        assert_eq!(record.at("/list/1"), Some(&Value::from(2)));
        assert_eq!((record.at("/list/x"), record.at("/nowhere"), record.at("")), (None, None, None));
    }

    #[test]
    fn a_row_without_an_id_is_not_a_row() {
        let records = vec![record(r#"{"id":7}"#), record(r#"{"id":null}"#)];
        assert!(listed(records[..1].to_vec(), "id", "/x").is_ok());
        let error = listed(records, "id", "/x").unwrap_err();
        assert_eq!(error.to_string(), "GET /x: the answer has the wrong shape: a row without id");
    }
}
