//! The dictionary of fields in docs/events.md and the samples have the same fields.

use super::*;
use std::collections::BTreeSet;

const EVENTS: &str = include_str!("../../../../docs/events.md");

/// Fields that no sample has. The document says so.
const OPTIONAL: [&str; 2] = ["btrollcall.truncated", "metadata.is_truncated"];

/// Returns the texts between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Returns the fields that the tables of a part of the document name, with the rows that name them.
fn documented(part: &str) -> BTreeMap<String, String> {
    let (mut fields, mut prefix) = (BTreeMap::new(), None);
    for line in part.lines().filter(|line| !line.starts_with("|---")) {
        let Some(row) = line.strip_prefix("| ") else {
            prefix = None;
            continue;
        };
        let first = row.split(" | ").next().unwrap();
        match &prefix {
            None if first.starts_with("field") => {
                prefix = Some(code(first).next().map_or_else(String::new, |object| format!("{object}.")));
            }
            // A table about something else.
            None => {}
            Some(prefix) => {
                fields.extend(code(first).map(|field| (format!("{prefix}{field}"), line.to_owned())));
            }
        }
    }
    fields
}

/// Adds the path of each field. Entries of a list have the path of the list.
fn collect(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    let is_of_words = ["evidence", ".changes", ".findings_open"].iter().any(|end| path.ends_with(end));
    match value {
        // Words from outside are keys here: columns of evidence, codes of changes and rules.
        Value::Object(map) if !is_of_words => {
            for (key, value) in map {
                collect(value, &format!("{path}.{key}"), found);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for item in items {
                collect(item, path, found);
            }
        }
        _ => drop(found.insert(path.trim_start_matches('.').to_owned())),
    }
}

fn shown(payload: Payload) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    every_sample(|message, number| {
        let frame = render(&SyslogDestination { payload, ..stream() }, &sender(), message, number);
        collect(&body(&frame), "", &mut found);
    });
    found
}

fn assert_same(documented: &BTreeMap<String, String>, shown: &BTreeSet<String>) {
    let missing: Vec<&String> = shown.iter().filter(|field| !documented.contains_key(*field)).collect();
    assert!(missing.is_empty(), "not in docs/events.md: {missing:#?}");
    for (field, row) in documented.iter().filter(|(field, _)| !shown.contains(*field)) {
        assert!(OPTIONAL.contains(&&**field) && row.contains("only"), "no sample has {field}: {row}");
    }
}

#[test]
fn the_dictionary_has_the_fields_of_the_samples_in_ecs() {
    let part = EVENTS.split("\n## CEF and LEEF").next().unwrap();
    assert_same(&documented(part), &shown(Payload::Ecs));
}

#[test]
fn the_dictionary_has_the_fields_of_the_samples_in_ocsf() {
    let part = EVENTS.split("\n## OCSF").nth(1).unwrap().split("\n## ").next().unwrap();
    let ours = "unmapped.btrollcall";
    let shown: BTreeSet<String> = shown(Payload::Ocsf(Ocsf::DEFAULT))
        .into_iter()
        .map(|field| if field.starts_with(ours) { ours.to_owned() } else { field })
        .collect();
    assert_same(&documented(part), &shown);
}

#[test]
fn every_key_of_cef_and_leef_in_the_dictionary_is_in_a_sample() {
    let part = EVENTS.split("\n## CEF and LEEF").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<Vec<&str>> = part.lines().map(|line| line.split(" | ").collect()).collect();
    // Only an event that lost something has this key, which is `cfp1` in CEF.
    let rows = rows.iter().filter(|row| row.len() == 3 && !row[2].contains("`truncated`"));
    let columns: Vec<(&str, &str)> = rows.map(|row| (row[1], row[2])).collect();
    let [mut cef, mut leef] = [String::new(), String::new()];
    every_sample(|message, number| {
        for (payload, text) in [(Payload::Cef, &mut cef), (Payload::Leef, &mut leef)] {
            text.push_str(&render(&SyslogDestination { payload, ..stream() }, &sender(), message, number));
        }
    });
    for key in columns.iter().flat_map(|(column, _)| code(column)) {
        assert!(cef.contains(&format!("{key}=")) || cef.contains(&format!("Label={key} ")), "{key}");
    }
    for key in columns.iter().flat_map(|(_, column)| code(column)) {
        assert!(leef.contains(&format!("{key}=")), "{key}");
    }
    assert!(columns.len() > 25);
}
