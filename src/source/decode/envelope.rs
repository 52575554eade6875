//! Envelope of a list: the object around its rows, such as `{"users":[…],"total":n}`.
//!
//! An envelope without rows is an empty page only if it reports a total of 0, or if SCIM omits the rows. Anything else is an error that names the keys
//! found.

use super::{Item, JsonRecord, value};
use crate::wire::{Body, missing_key, shown_keys};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// Names of the keys in an envelope.
pub(in crate::source) trait ListShape: 'static {
    /// Key of the rows.
    const ROWS: &'static str;
    /// Key of the total.
    const TOTAL: &'static str;
    /// Whether SCIM rules apply: names are compared without case, and an empty page may lack the rows (RFC 7643 §2.1,
    /// RFC 7644 §3.4.2).
    const SCIM: bool;
}

/// One page of a list.
pub(in crate::source) struct Envelope<S> {
    pub(in crate::source) rows: Vec<JsonRecord>,
    /// Total that the source reports; `None` if it is absent or unreadable.
    pub(in crate::source) total: Option<u64>,
    shape: PhantomData<S>,
}

impl<S> Envelope<S> {
    fn of(rows: Vec<JsonRecord>, total: Option<u64>) -> Self {
        Self { rows, total, shape: PhantomData }
    }
}

impl<S: ListShape> Body for Envelope<S> {
    fn rows(&self) -> Option<u64> {
        Some(self.rows.len() as u64)
    }

    fn empty() -> Option<Self> {
        Some(Self::of(Vec::new(), None))
    }
}

/// Value under the key of the rows.
enum EnvelopeRows {
    List(Vec<JsonRecord>),
    Null,
    Other(&'static str),
}

impl<'de> Deserialize<'de> for EnvelopeRows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RowsVisitor;
        impl<'de> Visitor<'de> for RowsVisitor {
            type Value = EnvelopeRows;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of objects")
            }
            fn visit_unit<E: Error>(self) -> Result<EnvelopeRows, E> {
                Ok(EnvelopeRows::Null)
            }
            fn visit_bool<E: Error>(self, _: bool) -> Result<EnvelopeRows, E> {
                Ok(EnvelopeRows::Other("a boolean"))
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<EnvelopeRows, E> {
                Ok(EnvelopeRows::Other("a text"))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<EnvelopeRows, A::Error> {
                let row = JsonRecord::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(EnvelopeRows::List(vec![row]))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<EnvelopeRows, A::Error> {
                let mut rows = Vec::new();
                while let Some(Item(row)) = seq.next_element()? {
                    rows.push(row);
                }
                Ok(EnvelopeRows::List(rows))
            }
        }
        deserializer.deserialize_any(RowsVisitor)
    }
}

/// Other keys of an envelope, which decide whether missing rows mean an empty page.
#[derive(Default)]
struct OtherKeys {
    keys: Vec<String>,
    is_list_response: bool,
    items_per_page: Option<u64>,
    /// Another key holds a non-empty list: these may be the rows, under a name that is not expected.
    has_other_rows: bool,
    /// Key that reports an error and is not empty.
    error: Option<String>,
}

impl OtherKeys {
    fn note(&mut self, key: &str, value: &Value) {
        self.keys.push(key.to_owned());
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        // Every SCIM answer has the list `schemas`.
        let is_schemas = key.eq_ignore_ascii_case("schemas");
        self.has_other_rows |= !items.is_empty() && !is_schemas;
        // Keys under which web frameworks report errors.
        let is_error = ["error", "errors", "fault", "exception"].iter().any(|word| key.eq_ignore_ascii_case(word));
        let is_empty = matches!(value, Value::Null | Value::Bool(false)) || value.as_str() == Some("");
        if is_error && !is_empty && !value.as_array().is_some_and(Vec::is_empty) {
            self.error = Some(key.to_owned());
        }
        if key.eq_ignore_ascii_case("schemas") {
            let is_list = |schema: &Value| schema.as_str().is_some_and(|text| text.ends_with(":ListResponse"));
            self.is_list_response |= is_list(value) || items.iter().any(is_list);
        }
        if key.eq_ignore_ascii_case("itemsPerPage")
            && let value::Lenient::Read(count) = value::count(value)
        {
            self.items_per_page = Some(count);
        }
    }

    /// Returns whether missing rows mean an empty page: RFC 7644 §3.4.2 omits `Resources` where there are none. An
    /// envelope that holds another list is no empty page.
    fn is_empty_page(&self, total: Option<u64>) -> bool {
        let reports_none =
            total == Some(0) || (self.is_list_response && (total.is_some() || self.items_per_page == Some(0)));
        reports_none && !self.has_other_rows
    }
}

impl<'de, S: ListShape> Deserialize<'de> for Envelope<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EnvelopeVisitor<S>(PhantomData<S>);
        impl<'de, S: ListShape> Visitor<'de> for EnvelopeVisitor<S> {
            type Value = Envelope<S>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an object with the key {:?}", S::ROWS)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<S>, A::Error> {
                let is = |key: &str, name: &str| key == name || (S::SCIM && key.eq_ignore_ascii_case(name));
                let (mut rows, mut total, mut others) = (None, None, OtherKeys::default());
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    if is(&key, S::ROWS) {
                        rows = Some(map.next_value::<EnvelopeRows>()?);
                    } else {
                        let value: Value = map.next_value()?;
                        if is(&key, S::TOTAL)
                            && let value::Lenient::Read(count) = value::count(&value)
                        {
                            total = Some(count);
                        }
                        others.note(&key, &value);
                    }
                }
                page(rows, total, &others)
            }
        }
        deserializer.deserialize_any(EnvelopeVisitor(PhantomData::<S>))
    }
}

/// Builds the page. Errors name the expected key and the keys found.
fn page<S: ListShape, E: Error>(
    rows: Option<EnvelopeRows>,
    total: Option<u64>,
    others: &OtherKeys,
) -> Result<Envelope<S>, E> {
    let wanted = format_args!("expected key {:?}", S::ROWS);
    match rows {
        // Some servers report a failed query as an empty list next to an error, with status 200.
        Some(EnvelopeRows::List(rows)) if rows.is_empty() && others.error.is_some() => {
            let key = others.error.as_deref().unwrap_or_default();
            Err(E::custom(format!("{wanted} with rows, found none, and the key {key:?} reports an error")))
        }
        Some(EnvelopeRows::List(rows)) => Ok(Envelope::of(rows, total)),
        Some(EnvelopeRows::Null) if total == Some(0) => Ok(Envelope::of(Vec::new(), total)),
        Some(EnvelopeRows::Null) => Err(E::custom(format!("{wanted} with a list, found null, and the total is not 0"))),
        Some(EnvelopeRows::Other(what)) => Err(E::custom(format!("{wanted} with a list, found {what}"))),
        None if S::SCIM && others.is_empty_page(total) => Ok(Envelope::of(Vec::new(), total)),
        None if others.keys.is_empty() => Err(E::custom(missing_key(S::ROWS, "an empty object"))),
        None => Err(E::custom(missing_key(S::ROWS, &shown_keys(others.keys.iter().map(String::as_str))))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct GuideShape;
    impl ListShape for GuideShape {
        const ROWS: &'static str = "users";
        const TOTAL: &'static str = "total";
        const SCIM: bool = false;
    }
    struct ScimShape;
    impl ListShape for ScimShape {
        const ROWS: &'static str = "Resources";
        const TOTAL: &'static str = "totalResults";
        const SCIM: bool = true;
    }

    fn read<S: ListShape>(json: &str) -> Result<(usize, Option<u64>), String> {
        serde_json::from_str::<Envelope<S>>(json).map(|page| (page.rows.len(), page.total)).map_err(|e| e.to_string())
    }

    #[test]
    fn totals_are_read_as_numbers_texts_and_with_a_fraction_of_zeros() {
        for total in ["5", "5.0", "\"5\"", "\"5.0\""] {
            assert_eq!(
                read::<GuideShape>(&format!(r#"{{"users":[{{"id":1}}],"total":{total}}}"#)).unwrap(),
                (1, Some(5))
            );
        }
        for total in ["null", "-1", "\"many\"", "[5]"] {
            assert_eq!(
                read::<GuideShape>(&format!(r#"{{"users":[],"total":{total}}}"#)).unwrap(),
                (0, None),
                "{total}"
            );
        }
    }

    #[test]
    fn an_answer_without_the_expected_key_is_an_error_that_names_the_keys_found() {
        let error = read::<GuideShape>(r#"{"Data":[{"id":1}],"TotalCount":5}"#).unwrap_err();
        assert!(error.starts_with(r#"the key "users" is missing; found "Data", "TotalCount""#), "{error}");
        assert!(read::<GuideShape>(r#"{"Users":[]}"#).is_err(), "only SCIM names are compared without case");
        assert!(read::<GuideShape>("{}").unwrap_err().contains("an empty object"));
        assert!(read::<GuideShape>("[]").unwrap_err().contains(r#"key "users""#));
    }

    #[test]
    fn null_instead_of_a_list_is_empty_only_where_the_total_is_0() {
        assert_eq!(read::<GuideShape>(r#"{"users":null,"total":0}"#).unwrap(), (0, Some(0)));
        assert!(read::<GuideShape>(r#"{"users":null}"#).is_err());
        assert!(read::<GuideShape>(r#"{"users":null,"total":3}"#).is_err());
        assert!(read::<GuideShape>(r#"{"users":"none","total":0}"#).unwrap_err().contains("found a text"));
    }

    #[test]
    fn an_empty_list_next_to_an_error_is_an_error() {
        assert!(
            read::<GuideShape>(r#"{"users":[],"error":"database timeout"}"#)
                .unwrap_err()
                .contains("\"error\" reports an error")
        );
        assert_eq!(read::<GuideShape>(r#"{"users":[],"error":null,"errors":[]}"#).unwrap(), (0, None));
    }

    #[test]
    fn one_object_is_a_list_of_one() {
        assert_eq!(read::<GuideShape>(r#"{"users":{"id":1},"total":1}"#).unwrap(), (1, Some(1)));
    }

    #[test]
    fn scim_names_are_compared_without_case_and_missing_resources_are_an_empty_page() {
        assert_eq!(read::<ScimShape>(r#"{"totalresults":"2","RESOURCES":[{"id":1},{"id":2}]}"#).unwrap(), (2, Some(2)));
        let list = r#""schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"]"#;
        for empty in [
            r#"{"totalResults":0}"#.to_owned(),
            format!(r#"{{{list},"totalResults":5,"startIndex":6}}"#),
            format!(r#"{{{list},"itemsPerPage":0}}"#),
        ] {
            assert!(read::<ScimShape>(&empty).is_ok_and(|(rows, _)| rows == 0), "{empty}");
        }
    }

    #[test]
    fn an_envelope_with_an_error_or_with_rows_under_another_name_is_not_an_empty_page() {
        for body in [
            r#"{"totalResults":3,"Items":[{"id":1}]}"#,
            r#"{"totalResults":3}"#,
            r#"{"error":"x"}"#,
            "{}",
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"403"}"#,
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"Items":[{"id":1}]}"#,
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"Groups":["g1"]}"#,
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"]}"#,
        ] {
            assert!(read::<ScimShape>(body).is_err(), "{body}");
        }
    }
}
