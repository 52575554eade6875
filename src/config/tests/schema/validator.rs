//! Validates JSON against the part of JSON Schema (2020-12) that the schema uses. Panics at a keyword that it does not know.

use regex::Regex;
use serde_json::Value as Json;

/// Keywords without a condition of their own.
const ANNOTATIONS: [&str; 8] = ["$schema", "$defs", "title", "description", "default", "format", "then", "else"];

/// Validates a value. The error names the keyword that refused it.
pub(super) fn validate(root: &Json, schema: &Json, value: &Json) -> Result<(), String> {
    let Some(keywords) = schema.as_object() else {
        return if schema == &Json::Bool(true) { Ok(()) } else { Err("false".to_owned()) };
    };
    for (keyword, wanted) in keywords.iter().filter(|(keyword, _)| !ANNOTATIONS.contains(&keyword.as_str())) {
        if !holds(root, schema, keyword, wanted, value) {
            return Err(format!("{keyword} {wanted}"));
        }
    }
    Ok(())
}

fn holds(root: &Json, schema: &Json, keyword: &str, wanted: &Json, value: &Json) -> bool {
    let fits = |schema: &Json, value: &Json| validate(root, schema, value).is_ok();
    let list = || wanted.as_array().into_iter().flatten();
    let names = |list: &Json| list.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some());
    let limit = || wanted.as_f64().unwrap();
    let (object, text, number) = (value.as_object(), value.as_str(), value.as_f64());
    let count = |n: usize| f64::from(u32::try_from(n).unwrap());
    let length = text.map(|text| count(text.chars().count()));
    let size = object.map(|object| count(object.len()));
    let items = value.as_array().map(|items| count(items.len()));
    match keyword {
        "type" => match wanted.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64(),
            "number" => value.is_number(),
            other => panic!("type {other}"),
        },
        "enum" => wanted.as_array().unwrap().contains(value),
        "minimum" => number.is_none_or(|n| n >= limit()),
        "exclusiveMinimum" => number.is_none_or(|n| n > limit()),
        "maximum" => number.is_none_or(|n| n <= limit()),
        "minLength" => length.is_none_or(|n| n >= limit()),
        "maxLength" => length.is_none_or(|n| n <= limit()),
        "minItems" => items.is_none_or(|n| n >= limit()),
        "maxItems" => items.is_none_or(|n| n <= limit()),
        "minProperties" => size.is_none_or(|n| n >= limit()),
        "maxProperties" => size.is_none_or(|n| n <= limit()),
        "pattern" => text.is_none_or(|text| Regex::new(wanted.as_str().unwrap()).unwrap().is_match(text)),
        "required" => object.is_none() || names(wanted),
        "dependentRequired" => {
            wanted.as_object().unwrap().iter().all(|(key, needs)| value.get(key).is_none() || names(needs))
        }
        "properties" => wanted
            .as_object()
            .unwrap()
            .iter()
            .all(|(key, schema)| value.get(key).is_none_or(|value| fits(schema, value))),
        "additionalProperties" => object
            .into_iter()
            .flatten()
            .all(|(key, value)| schema["properties"].get(key).is_some() || fits(wanted, value)),
        "items" => value.as_array().into_iter().flatten().all(|item| fits(wanted, item)),
        "$ref" => fits(root.pointer(wanted.as_str().unwrap().trim_start_matches('#')).unwrap(), value),
        "anyOf" => list().any(|schema| fits(schema, value)),
        "allOf" => list().all(|schema| fits(schema, value)),
        "if" => {
            let branch = if fits(wanted, value) { "then" } else { "else" };
            schema.get(branch).is_none_or(|schema| fits(schema, value))
        }
        other => panic!("unknown keyword {other}"),
    }
}
