//! The app for Splunk reads only fields that events have, and maps each change to the Common Information Model.

use super::markdown::{document, root};
use bt_rollcall::syslog::codes::CHANGES;
use regex::Regex;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

type Stanzas = BTreeMap<String, BTreeMap<String, String>>;

/// Reads a configuration of Splunk. A backslash at the end of a line continues the value.
fn stanzas(name: &str) -> Stanzas {
    let text = fs::read_to_string(root(&format!("reports/siem/splunk/default/{name}.conf"))).unwrap();
    let (mut stanzas, mut current) = (Stanzas::new(), String::new());
    for line in text.replace("\\\n", "\n\0").replace("\n\0", " ").lines().filter(|line| !line.starts_with('#')) {
        if let Some(head) = line.strip_prefix('[') {
            let head = head.strip_suffix(']').unwrap_or_else(|| panic!("{name}: {line}"));
            assert!(stanzas.insert(head.to_owned(), BTreeMap::new()).is_none(), "{name}: two stanzas {head}");
            current = String::from(head);
        } else if let Some((key, value)) = line.split_once('=') {
            let keys = stanzas.get_mut(&current).unwrap_or_else(|| panic!("{name}: {line}"));
            let words = value.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(keys.insert(key.trim().to_owned(), words).is_none(), "{name}: two keys {key}");
        } else {
            assert!(line.is_empty(), "{name}: {line}");
        }
    }
    stanzas
}

/// Returns the fields of all sample events, and the values of each, with the names that Splunk gives them.
fn samples() -> BTreeMap<String, BTreeSet<String>> {
    let mut fields = BTreeMap::new();
    for block in document("docs/events/ecs.md").blocks().iter().filter(|block| block.info == "json") {
        collect(&serde_json::from_str(&block.text).unwrap(), "", &mut fields);
    }
    fields
}

fn collect(value: &Value, path: &str, fields: &mut BTreeMap<String, BTreeSet<String>>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| collect(value, &below(key), fields)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, &format!("{path}{{}}"), fields)),
        Value::String(text) => _ = fields.entry(path.to_owned()).or_default().insert(text.clone()),
        other => _ = fields.entry(path.to_owned()).or_default().insert(other.to_string()),
    }
}

fn props() -> BTreeMap<String, String> {
    stanzas("props").remove("bt-rollcall:json").unwrap()
}

fn found(pattern: &str, text: &str) -> BTreeSet<String> {
    Regex::new(pattern).unwrap().captures_iter(text).map(|found| found[1].to_owned()).collect()
}

/// A host is an address or a name: no sample has both.
const ELSEWHERE: &str = "observer.ip";

#[test]
fn fields_that_the_app_for_splunk_reads_occur_in_events() {
    let known = samples();
    let mut read = BTreeSet::new();
    for (key, value) in props() {
        if key.starts_with("FIELDALIAS-") {
            read.extend(found(r"^(\S+) AS \w+$", &value));
        } else if key.starts_with("EVAL-") {
            read.extend(found(r"'([^']+)'", &value));
        }
    }
    let of_search = stanzas("savedsearches").into_iter().chain(stanzas("eventtypes"));
    let searches: Vec<String> = of_search.map(|(_, mut keys)| keys.remove("search").unwrap()).collect();
    // Fields have a dot in their names, which no word of the language has.
    let value = Regex::new(r#"="[^"]*""#).unwrap();
    for search in searches {
        read.extend(found(r"([a-z_]+(?:\.[a-z_]+)+)", &value.replace_all(&search, "")));
    }
    let is_unknown = |field: &&String| !known.contains_key(*field) && *field != ELSEWHERE;
    assert_eq!(read.iter().filter(is_unknown).collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(read.len() > 15, "{read:?}");
}

#[test]
fn values_that_the_app_for_splunk_compares_with_occur_in_events() {
    let known = samples();
    let searches = ["savedsearches", "eventtypes"].map(stanzas).into_iter().flatten();
    let texts = searches.map(|(_, mut keys)| keys.remove("search").unwrap()).chain(props().into_values());
    let compared = Regex::new(r#"['"]?([a-z_]+(?:\.[a-z_]+)+)['"]?[=!]?="([^"]+)""#).unwrap();
    let mut count = 0;
    for text in texts {
        for found in compared.captures_iter(&text) {
            count += 1;
            assert!(known[&found[1]].contains(&found[2]), "no event has {}", &found[0]);
        }
    }
    assert!(count > 10);
}

#[test]
fn each_change_has_an_action_of_the_common_information_model() {
    let case = Regex::new(r#"in\('event\.code', ([^)]+)\), "([a-z]+)""#).unwrap();
    let mut mapped: BTreeMap<String, String> = BTreeMap::new();
    for found in case.captures_iter(&props()["EVAL-action"]) {
        for code in found[1].split(", ").map(|code| code.trim_matches('"').to_owned()) {
            assert!(mapped.insert(code.clone(), found[2].to_owned()).is_none(), "{code} has two actions");
        }
    }
    let action = |of: &str| match of {
        "creation" => Some("created"),
        "deletion" => Some("deleted"),
        "change" => Some("modified"),
        _ => None,
    };
    let expected = CHANGES.iter().filter_map(|row| Some((row.code.to_owned(), action(row.ecs_types[0])?.to_owned())));
    assert_eq!(mapped, expected.collect());
    // What has no action must not be tagged as a change.
    let tagged = &stanzas("eventtypes")["bt_rollcall_change"]["search"];
    for row in CHANGES.iter().filter(|row| !mapped.contains_key(row.code)) {
        assert!(tagged.contains(&format!("NOT event.code=\"{}\"", row.code)), "{}", row.code);
    }
}

#[test]
fn each_tag_of_the_app_for_splunk_belongs_to_an_event_type() {
    let tags = stanzas("tags");
    let tagged: BTreeSet<&str> = tags.keys().map(|name| name.strip_prefix("eventtype=").unwrap()).collect();
    let types = stanzas("eventtypes");
    assert_eq!(tagged, types.keys().map(String::as_str).collect());
}

#[test]
fn alerts_of_the_app_for_splunk_contain_the_queries_for_a_heartbeat() {
    let searches: Vec<String> =
        stanzas("savedsearches").into_values().map(|mut keys| keys.remove("search").unwrap()).collect();
    for name in ["splunk", "splunk-late"] {
        let query = fs::read_to_string(root(&format!("reports/siem/heartbeat/{name}.spl"))).unwrap();
        let (_, without_comment) = query.split_once("```\n").unwrap();
        let words = without_comment.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(searches.contains(&words), "no saved search is {name}.spl");
    }
}
