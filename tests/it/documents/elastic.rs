//! The index template for Elasticsearch and the sample events agree, so that no event is refused because of its mapping.

use super::markdown::{document, root};
use chrono::DateTime;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;

fn template() -> Value {
    serde_json::from_str(&fs::read_to_string(root("reports/siem/receivers/elastic-template.json")).unwrap()).unwrap()
}

/// Adds each field of a mapping with its type.
fn mapped(properties: &Map<String, Value>, parent: &str, types: &mut BTreeMap<String, String>) {
    for (key, field) in properties {
        let path = format!("{parent}{key}");
        match field["properties"].as_object() {
            Some(below) => mapped(below, &format!("{path}."), types),
            None => assert!(types.insert(path, field["type"].as_str().unwrap().to_owned()).is_none()),
        }
    }
}

/// Returns the fields of the template.
fn types() -> BTreeMap<String, String> {
    let mut types = BTreeMap::new();
    mapped(template()["template"]["mappings"]["properties"].as_object().unwrap(), "", &mut types);
    types
}

/// Adds each value that is neither an object nor null, as Elasticsearch does: a list is its entries, and a dot in a key is
/// a level.
fn walk(value: &Value, path: &str, values: &mut BTreeMap<String, Vec<Value>>) {
    match value {
        Value::Object(fields) => {
            let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            fields.iter().for_each(|(key, value)| walk(value, &below(key), values));
        }
        Value::Array(entries) => entries.iter().for_each(|entry| walk(entry, path, values)),
        Value::Null => {}
        leaf => values.entry(path.to_owned()).or_default().push(leaf.clone()),
    }
}

/// Returns each field of the sample events with its values.
fn samples() -> BTreeMap<String, Vec<Value>> {
    let mut values = BTreeMap::new();
    let blocks = document("docs/events/ecs.md").blocks();
    for block in blocks.iter().filter(|block| block.info == "json") {
        walk(&serde_json::from_str(&block.text).unwrap(), "", &mut values);
    }
    assert!(values.len() > 100, "the samples have {} fields", values.len());
    values
}

/// Checks whether a value is valid for a type of Elasticsearch.
fn is_of_type(value: &Value, of: &str) -> bool {
    match (of, value) {
        ("date", Value::String(text)) => is_instant(text) || chrono::NaiveDate::parse_from_str(text, "%F").is_ok(),
        ("ip", Value::String(text)) => text.parse::<std::net::IpAddr>().is_ok(),
        ("keyword" | "match_only_text", Value::String(_)) => true,
        ("long", Value::Number(number)) => number.is_i64(),
        _ => false,
    }
}

fn is_instant(text: &str) -> bool {
    DateTime::parse_from_rfc3339(text).is_ok()
}

#[test]
fn every_field_of_the_index_template_is_in_a_sample_with_its_type() {
    let samples = samples();
    for (path, of) in types() {
        let values = samples.get(&path).unwrap_or_else(|| panic!("no sample has {path}"));
        for value in values {
            assert!(is_of_type(value, &of), "{path} is a {of}, but a sample has {value}");
        }
    }
}

#[test]
fn every_instant_of_the_samples_is_a_date_of_the_index_template() {
    let types = types();
    let mut count = 0;
    for (path, values) in samples() {
        if values.iter().any(|value| value.as_str().is_some_and(is_instant)) {
            assert_eq!(types.get(&path).map(String::as_str), Some("date"), "{path}");
            count += 1;
        }
    }
    assert!(count > 10, "{count} instants");
}

/// A field is an object in all samples or in none, and a value has one type. The mapping of a field outside of the template
/// is that of its first value.
#[test]
fn no_field_has_values_of_two_types_in_the_samples() {
    let samples = samples();
    for (path, values) in &samples {
        let first = std::mem::discriminant(&values[0]);
        assert!(values.iter().all(|value| std::mem::discriminant(value) == first), "{path}: {values:?}");
        let inside = format!("{path}.");
        assert!(!samples.keys().any(|other| other.starts_with(&inside)), "{path} is an object in another sample");
    }
}

#[test]
fn a_text_that_looks_like_a_date_or_a_number_stays_a_text() {
    let template = template();
    let mappings = &template["template"]["mappings"];
    assert_eq!((&mappings["date_detection"], &mappings["numeric_detection"]), (&false.into(), &false.into()));
    let of_texts = &mappings["dynamic_templates"][0]["texts"];
    assert_eq!((&of_texts["match_mapping_type"], &of_texts["mapping"]["type"]), (&"string".into(), &"keyword".into()));
    // A term has at most 32,766 octets, and a character at most 4.
    assert!(of_texts["mapping"]["ignore_above"].as_u64().unwrap() * 4 <= 32_766);
    // `groups` is a list of ids in the evidence of one rule and an object in that of another.
    assert_eq!(
        mappings.pointer("/properties/btrollcall/properties/finding/properties/evidence/dynamic"),
        Some(&false.into())
    );
    assert!(!types().contains_key("btrollcall.finding.evidence.groups"));
}

#[test]
fn the_index_of_the_document_has_the_index_template() {
    let template = template();
    let text = document("docs/siem/elastic-bulk.md").text;
    let index = text.lines().find_map(|line| line.strip_prefix("index = \"")?.strip_suffix('"')).unwrap();
    let patterns = template["index_patterns"].as_array().unwrap().iter();
    let mut starts = patterns.map(|pattern| pattern.as_str().unwrap().strip_suffix('*').unwrap());
    assert!(starts.any(|start| index.starts_with(start)), "{index}");
    assert!(template["data_stream"].is_object());
}
