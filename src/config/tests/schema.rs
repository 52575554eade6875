//! `config schema` describes what the parser accepts: the same keys, types, limits, words, defaults and documents.

use super::*;
use crate::config::section::as_json;
use crate::rules::frameworks;
use serde_json::Value as Json;
use std::collections::BTreeMap;

mod validator;

fn schema() -> Json {
    serde_json::from_str(SCHEMA).unwrap()
}

/// Follows references, and takes the single table of what may be one table or several.
fn resolved<'s>(root: &'s Json, mut part: &'s Json) -> &'s Json {
    loop {
        let reference = part.get("$ref").or_else(|| part["anyOf"][0].get("$ref")).and_then(Json::as_str);
        let Some(reference) =
            reference.filter(|reference| !reference.ends_with("secret") && !reference.ends_with("file"))
        else {
            return part;
        };
        part = root.pointer(reference.trim_start_matches('#')).unwrap();
    }
}

/// Returns what a property of the schema accepts, in the words of the parser's facts.
fn accepts(part: &Json) -> String {
    let words = |part: &Json| {
        let words = part["enum"].as_array()?;
        Some(format!("one of {}", words.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(", ")))
    };
    if let Some(reference) = part["$ref"].as_str() {
        return match reference.trim_start_matches("#/$defs/") {
            "secret" => "secret",
            "file" => "file reference",
            _ => "text or secret",
        }
        .to_owned();
    }
    if let Some(words) = words(part) {
        return words;
    }
    match part["type"].as_str().unwrap_or_default() {
        "string" if part["format"] == "date" => "date".to_owned(),
        "string" => "text".to_owned(),
        "integer" => format!("integer {}..{}", part["minimum"], part["maximum"]),
        "number" => format!("number {}..{}", part["minimum"], part["maximum"]),
        "array" => words(&part["items"]).map_or_else(|| "texts".to_owned(), |words| format!("texts {words}")),
        other => other.to_owned(),
    }
}

/// Returns the most specific fact of a key.
fn fact(facts: &[String]) -> String {
    let facts: Vec<&str> =
        facts.iter().map(|fact| fact.trim_start_matches("required").trim()).filter(|fact| !fact.is_empty()).collect();
    let words = facts.iter().find(|fact| fact.starts_with("one of"));
    match (facts.contains(&"texts"), words) {
        (true, Some(words)) => format!("texts {words}"),
        (true, None) => "texts".to_owned(),
        (false, Some(words)) => (*words).to_owned(),
        (false, None) => {
            facts.iter().max_by_key(|fact| (**fact != "text", fact.len())).copied().unwrap_or_default().to_owned()
        }
    }
}

type Facts = BTreeMap<String, Vec<String>>;

fn facts_of(table: &str, text: &str) -> Facts {
    let mut all = Facts::new();
    for (_, key, fact) in facts(text).into_iter().filter(|(path, ..)| path == table) {
        all.entry(key).or_default().push(fact);
    }
    all
}

/// Compares the keys of a table with the properties of its schema. Tables below it are compared on their own.
fn compare(table: &str, facts: &Facts, properties: &BTreeMap<String, Json>) {
    let keys: Vec<&String> = facts.keys().collect();
    assert_eq!(keys, properties.keys().collect::<Vec<_>>(), "keys of [{table}]");
    for (key, facts) in facts.iter().filter(|(key, _)| *key != "frameworks") {
        let part = &properties[key];
        let is_table = facts.iter().all(String::is_empty);
        assert!(is_table || fact(facts) == accepts(part), "[{table}] {key}: {facts:?}, {}", accepts(part));
    }
}

fn properties(part: &Json) -> BTreeMap<String, Json> {
    part["properties"].as_object().unwrap().iter().map(|(key, part)| (key.clone(), part.clone())).collect()
}

fn required(part: &Json) -> Vec<&str> {
    part["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect()
}

#[test]
fn schema_has_the_keys_types_limits_and_words_of_every_table() {
    let root = schema();
    let policy = &root["properties"]["policy"];
    let of_policy = |key: &str| resolved(&root, &policy["properties"][key]);
    for (table, part) in [
        ("", &root),
        ("output", &root["properties"]["output"]),
        ("spool", &root["properties"]["spool"]),
        ("policy", policy),
        ("policy.service_owners", of_policy("service_owners")),
        ("policy.group_owners", of_policy("group_owners")),
        ("policy.custom_rules", of_policy("custom_rules")),
        ("syslog", resolved(&root, &root["properties"]["syslog"])),
    ] {
        let facts = facts_of(table, super::documented::TABLES);
        compare(table, &facts, &properties(part));
        let is_required = |facts: &&Vec<String>| facts.iter().any(|fact| fact.starts_with("required"));
        let count = facts.values().filter(is_required).count();
        // `source` is the one key of the whole file that must be there.
        assert_eq!(count + usize::from(table.is_empty()), required(part).len(), "required keys of [{table}]");
        assert!(required(part).iter().all(|key| table.is_empty() || is_required(&&facts[*key])), "[{table}]");
    }
    let ids: Vec<&str> = frameworks::all().iter().map(|framework| framework.id).collect();
    assert_eq!(policy["properties"]["frameworks"]["items"]["enum"], json!(ids));
}

#[test]
fn schema_has_the_keys_and_limits_of_every_kind_of_source() {
    let root = schema();
    let part = resolved(&root, &root["properties"]["source"]);
    for kind in part["properties"]["kind"]["enum"].as_array().unwrap() {
        let mut facts = Facts::new();
        for account in ["", "api_key = 1\nrun_as_password = 1\n", "token = 1\n"] {
            let text = format!("[[source]]\nkind = {kind}\nurl = \"http://127.0.0.1\"\n{account}");
            for (key, found) in facts_of("source", &text) {
                facts.entry(key).or_default().extend(found);
            }
        }
        // Keys of other kinds are read in order to say so.
        facts.retain(|_, facts| facts.iter().any(|fact| !fact.is_empty()));
        let mut properties = properties(part);
        for rule in part["allOf"].as_array().unwrap() {
            let kinds = rule["if"]["properties"]["kind"]["enum"].as_array();
            if kinds.is_some_and(|kinds| kinds.contains(kind)) {
                for (key, then) in rule["then"]["properties"].as_object().unwrap() {
                    if *then == json!(false) {
                        properties.remove(key);
                    } else if let Some(Json::Object(known)) = properties.get_mut(key) {
                        known.extend(then.as_object().unwrap().clone());
                    }
                }
            }
        }
        compare("source", &facts, &properties);
    }
    assert_eq!(required(part), ["name", "kind", "url"]);
}

#[test]
fn schema_has_the_keys_of_every_target_over_http() {
    let root = schema();
    let part = resolved(&root, &root["properties"]["http"]);
    for target in part["properties"]["target"]["enum"].as_array().unwrap() {
        let text = format!("[[http]]\ntarget = {target}\nurl = \"https://siem\"\n");
        let mut facts = facts_of("http", &text);
        // Keys of other targets are read in order to say so.
        facts.retain(|_, facts| facts.iter().any(|fact| !fact.is_empty()));
        let mut properties = properties(part);
        let rules = part["allOf"].as_array().unwrap();
        let rule = rules.iter().find(|rule| rule["if"]["properties"]["target"]["enum"] == json!([target])).unwrap();
        let refused = rule["then"]["properties"].as_object().unwrap();
        properties.retain(|key, _| !refused.contains_key(key));
        compare("http", &facts, &properties);
        for key in required(&rule["then"]) {
            let problem = load(&format!("{MINIMAL}{text}")).unwrap_err().to_string();
            assert!(problem.contains(&format!("{key}: is missing")), "{problem}");
        }
    }
    assert_eq!(required(part), ["target", "url"]);
}

#[test]
fn every_default_of_the_schema_is_the_default_of_the_parser() {
    let root = schema();
    let excel = "[output]\ncsv = \"excel\"\n[[syslog]]\nurl = \"tls://s\"\n[[http]]\ntarget = \"splunk-hec\"\n\
                 url = \"https://s\"\ntoken = { file = \"secret\" }\n";
    let mut compared = 0;
    for kind in ["rest-v3", "pra", "password-safe", "scim"] {
        for setting in load(&format!("{}{excel}", MINIMAL.replace("rest-v3", kind))).unwrap().settings {
            let table = setting.path.keys();
            let above = table.split('.').filter(|key| !key.is_empty());
            let part = above.fold(&root, |part, key| resolved(&root, &part["properties"][key]));
            let default = &part["properties"][&setting.key]["default"];
            if setting.from == "default" && !default.is_null() {
                let same =
                    *default == setting.value || default.as_f64().is_some_and(|n| Some(n) == setting.value.as_f64());
                assert!(same, "[{table}] {}: {default}, {}", setting.key, setting.value);
                compared += 1;
            }
        }
    }
    assert!(compared > 80, "{compared}");
}

/// Returns a destination over HTTP without the keys of its target.
fn http(target: &str) -> String {
    format!("[[http]]\ntarget = \"{target}\"\nurl = \"https://siem.example.com\"\n")
}

/// Returns whether the schema accepts a text of TOML.
fn is_accepted(root: &Json, text: &str) -> Result<(), String> {
    let table = DeTable::parse(text).unwrap();
    validator::validate(root, root, &as_json(&DeValue::Table(table.into_inner())))
}

#[test]
fn schema_accepts_what_the_parser_accepts() {
    let root = schema();
    let example = include_str!("../../../cron/config.example.toml");
    assert_eq!(is_accepted(&root, example), Ok(()));
    for text in [
        MINIMAL.to_owned(),
        MINIMAL.replace("[[source]]", "[source]"),
        MINIMAL.replace("{ file = \"secret\" }", "{ env = \"S\" }"),
        format!("{MINIMAL}[policy.rules]\nno-group = \"off\"\n[syslog]\nurl = \"unix:///dev/log\"\n"),
        format!("{MINIMAL}{}token = {{ file = \"secret\" }}\n", http("splunk-hec")),
        format!("{MINIMAL}{}token = {{ file = \"secret\" }}\nindex = \"a\"\n", http("elastic-bulk")),
        init::text(&init::Answers::default()),
    ] {
        assert_eq!(is_accepted(&root, &text), Ok(()), "{text}");
    }
}

#[test]
fn schema_refuses_what_the_parser_refuses() {
    let root = schema();
    let client = "client_id = \"abc\"\nclient_secret = { file = \"secret\" }\n";
    let source = |kind: &str, keys: &str| {
        format!("[[source]]\nname = \"x\"\nkind = \"{kind}\"\nurl = \"https://bt.example.com\"\n{keys}")
    };
    for text in [
        "state_dir = \"/x\"\n".to_owned(),
        MINIMAL.replace("rest-v3", "PRA"),
        MINIMAL.replace("kind", "knd"),
        MINIMAL.replace("/nowhere/state", "state"),
        MINIMAL.replace("{ file = \"secret\" }", "\"hunter2\""),
        MINIMAL.replace("{ file = \"secret\" }", "{ file = \"a\", env = \"B\" }"),
        MINIMAL.replace("appliance", "a b"),
        MINIMAL.replace("https://", "ftp://"),
        format!("{MINIMAL}page_size = 1\n"),
        format!("{MINIMAL}deadline_minutes = \"60\"\n"),
        format!("{MINIMAL}requests_per_second = 0\n"),
        format!("{MINIMAL}client_cert = \"c.pem\"\n"),
        format!("{MINIMAL}token = {{ file = \"secret\" }}\n"),
        format!("{MINIMAL}[output]\ntables = []\n"),
        format!("{MINIMAL}[output]\ncsv_separator = \"comma\"\n"),
        format!("{MINIMAL}[output]\ncsv = \"raw\"\ncsv_separator = \"semicolon\"\n"),
        format!("{MINIMAL}[policy]\nframeworks = [\"pci\"]\n"),
        format!("{MINIMAL}[policy.rules]\nno-group = \"no\"\n"),
        format!("{MINIMAL}[[policy.service_owners]]\naccount = \"a\"\nowner = \"o\"\n"),
        format!("{MINIMAL}[syslog]\nurl = \"http://siem\"\n"),
        format!("{MINIMAL}[syslog]\nurl = \"tls://siem\"\nfacility = \"local8\"\n"),
        format!("{MINIMAL}[syslog]\nurl = \"udp://siem\"\ndelivery_proof = \"sent\"\n"),
        format!("{MINIMAL}[syslog]\nurl = \"tcp://siem\"\ndelivery_proof = \"close-notify\"\n"),
        format!("{MINIMAL}[syslog]\nurl = \"unix:///dev/log\"\ndelivery_proof = \"close\"\n"),
        format!("{MINIMAL}[syslog]\nurl = \"tls://siem\"\nenterprise_number = 0\n"),
        format!("{MINIMAL}[syslog]\nurl = \"tls://siem\"\nprotocol = \"rfc3164\"\nenterprise_number = 9\n"),
        format!("{MINIMAL}[syslog]\nurl = \"udp://siem\"\nudp_max = 1179\n"),
        format!("{MINIMAL}[syslog]\nurl = \"relp+tls://siem\"\nudp_max = 8000\n"),
        format!("{MINIMAL}[syslog]\nurl = \"udp://siem\"\nframing = \"newline\"\n"),
        format!("{MINIMAL}[syslog]\nurl = \"tcp://siem\"\nca_file = \"ca.pem\"\n"),
        MINIMAL.replace("https://", "http://"),
        source("pra", &format!("{client}page_size = 4\n")),
        source("pra", &format!("{client}base_path = \"/x\"\n")),
        source("password-safe", "api_key = { file = \"secret\" }\n"),
        source("password-safe", &format!("api_key = {{ file = \"secret\" }}\nrun_as = \"a\"\n{client}")),
        source("scim", "token = { file = \"secret\" }\ntoken_path = \"/t\"\n"),
        source("scim", ""),
        format!("{MINIMAL}{}", http("splunk-hec")),
        format!("{MINIMAL}{}token = {{ file = \"secret\" }}\n", http("elastic-bulk")),
        format!("{MINIMAL}{}token = {{ file = \"secret\" }}\n", http("webhook")),
        format!(
            "{MINIMAL}{}token = {{ file = \"secret\" }}\nsigning_key = {{ file = \"secret\" }}\n",
            http("splunk-hec")
        ),
        format!("{MINIMAL}{}token = {{ file = \"secret\" }}\nindex = \"_A\"\n", http("splunk-hec")),
        format!("{MINIMAL}{}token = {{ file = \"secret\" }}\n", http("splunk")),
        format!("{MINIMAL}{}token = {{ file = \"secret\" }}\n", http("splunk-hec").replace("https", "http")),
    ] {
        assert!(load(&text).is_err(), "the parser accepts {text}");
        assert!(is_accepted(&root, &text).is_err(), "the schema accepts {text}");
    }
}
