//! Blocks of configuration and of events.

use super::codes::compare_or_write;
use super::markdown::{Block, documents, root};
use crate::receiver::Receiver;
use crate::rig::{Rig, as_of, assert_exit, private};
use bt_rollcall::config::{Config, ConfigError};
use bt_rollcall_sandbox::{Faults, Surface, World};
use regex::Regex;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What a part of a configuration lacks.
const SOURCE: &str = r#"
[[source]]
name = "appliance-eu"
kind = "pra"
url = "https://bt.example.com"
client_id = "abc"
client_secret = { file = "/etc/bt-rollcall/secret" }
"#;
const REGISTER: &str = r#"
[[exception]]
rule = "stale-login"
subject = "svc-archive"
reason = "signs in once a year"
owner = "finance systems"
until = 2027-03-31
"#;

/// Info strings of blocks that are run, here or by `.ci/documents`, and of those that are only shown.
const KNOWN: [&str; 21] = [
    "toml",
    "toml,error",
    "toml,exceptions",
    "json",
    "sh",
    "sh,serve",
    "sh,install",
    "sh,package",
    "sh,rust",
    "sh,tls",
    "sql",
    "conf,rsyslog",
    "conf,rsyslog-local",
    "conf,rsyslog-sentinel",
    "conf,rsyslog-relp",
    "conf,rsyslog-relp-tls",
    "conf,syslog-ng",
    "text",
    "rust",
    "rust,ignore",
    "mermaid",
];

#[test]
fn every_block_of_the_documents_says_how_it_is_run() {
    for document in documents() {
        for Block { place, info, .. } in document.blocks() {
            assert!(KNOWN.contains(&info.as_str()), "{place}: ```{info} is not one of {KNOWN:?}");
        }
    }
}

/// `.ci/documents` runs these blocks. As files they can be copied to a receiver.
#[test]
fn configurations_of_receivers_are_files_too() {
    let mut count = 0;
    for document in documents() {
        for Block { info, text, .. } in document.blocks() {
            let Some(name) = info.strip_prefix("conf,") else { continue };
            let path = format!("reports/siem/receivers/{name}.conf");
            compare_or_write(&path, &fs::read_to_string(root(&path)).unwrap_or_default(), &text);
            count += 1;
        }
    }
    let files = fs::read_dir(root("reports/siem/receivers")).unwrap().map(|file| file.unwrap().path());
    assert_eq!(count, files.filter(|path| path.extension().is_some_and(|extension| extension == "conf")).count());
}

/// Loads a text as the configuration of a host. Files, variables and credentials that it names exist.
pub fn load(text: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let named = Regex::new(r"/etc/bt-rollcall/([A-Za-z0-9._-]+)").unwrap();
    let credential = Regex::new(r#"credential = "([a-z_-]+)""#).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(["bt.example.com".to_owned()]).unwrap().self_signed(&key).unwrap();
    let files = named.captures_iter(text).chain(credential.captures_iter(text));
    for name in files.map(|found| found[1].to_owned()).collect::<BTreeSet<_>>() {
        let extension = Path::new(&name).extension().and_then(|extension| extension.to_str());
        let content = match extension {
            Some("pem") => certificate.pem(),
            Some("key") => key.serialize_pem(),
            Some("toml") => REGISTER.to_owned(),
            _ if name == "webhook-key" => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(),
            _ => "s3cret".to_owned(),
        };
        private(&folder.path().join(name), &content);
    }
    let home = folder.path().to_str().unwrap();
    let config = folder.path().join("config.toml");
    private(&config, &text.replace("/etc/bt-rollcall", home));
    Config::load(&config, &|name| Some(if name == "CREDENTIALS_DIRECTORY" { home } else { "s3cret" }.to_owned()))
}

/// Returns the block as a whole configuration.
pub fn completed(text: &str) -> String {
    if text.contains("[[source]]") { text.to_owned() } else { format!("{text}{SOURCE}") }
}

#[test]
fn every_toml_block_is_a_configuration_or_fails_as_the_document_says() {
    let mut tried = 0;
    for document in documents() {
        let blocks = document.blocks();
        for (at, Block { place, info, text }) in
            blocks.iter().enumerate().filter(|(_, block)| block.info.starts_with("toml"))
        {
            tried += 1;
            match info.as_str() {
                "toml" => {
                    let loaded = load(&completed(text));
                    assert!(loaded.is_ok(), "{place}: {}", loaded.unwrap_err());
                }
                "toml,error" => {
                    let error = load(&completed(text)).map(|_| ()).expect_err(place).to_string();
                    let expected = blocks.get(at + 1).filter(|next| next.info == "text").expect(place);
                    for line in expected.text.lines() {
                        assert!(error.contains(line), "{place}: {line:?} is not in {error}");
                    }
                }
                _ => register(place, text),
            }
        }
    }
    assert!(tried > 10);
}

fn register(place: &str, text: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("register.toml");
    private(&path, text);
    let config = load(&completed(&format!("[policy]\nexceptions = {:?}\n", path.to_str().unwrap())));
    let config = config.unwrap_or_else(|error| panic!("{place}: {error}"));
    let lives = config.check_exception_lifetimes(as_of());
    assert!(lives.is_ok(), "{place}: {lives:?}");
}

#[test]
fn every_event_of_a_document_has_only_fields_of_real_events() {
    let real = real_events();
    let mut shown = 0;
    // The samples below docs/events/ are rendered by the program itself.
    for document in documents().into_iter().filter(|document| !document.path.starts_with("docs/events/")) {
        for block in document.blocks().into_iter().filter(|block| block.info == "json") {
            let value: Value = serde_json::from_str(&block.text).unwrap_or_else(|e| panic!("{}: {e}", block.place));
            let Some(code) = value["event"]["code"].as_str() else { continue };
            shown += 1;
            let known = real.get(code).unwrap_or_else(|| panic!("{}: no run sent {code}", block.place));
            let mut fields = BTreeSet::new();
            collect(&value, "", &mut fields);
            let unknown: Vec<&String> = fields.difference(known).collect();
            assert!(unknown.is_empty(), "{}: {unknown:?}", block.place);
        }
    }
    assert!(shown >= 1);
}

/// Returns the fields of the events of two runs, by event code. The source has a host name, as a real one does.
fn real_events() -> BTreeMap<String, BTreeSet<String>> {
    let receiver = Receiver::start();
    let world = World::seeded(1, 153, as_of());
    let rig = Rig::with_surfaces(&[Surface::Pra], world, Faults::default(), Some(&receiver.url()));
    let configuration = fs::read_to_string(&rig.config).unwrap();
    private(&rig.config, &configuration.replace("http://127.0.0.1", "http://localhost"));
    assert_exit(&rig.call(&["run", "--as-of", "2026-11-22T02:00:00Z"]), 0);
    rig.sandbox.with_world(|world| world.simulate_day(1, as_of()));
    assert_exit(&rig.run(&[]), 0);
    let mut events: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for message in receiver.messages() {
        let body: Value = serde_json::from_str(&message[message.find(" {").unwrap()..]).unwrap();
        let fields = events.entry(body["event"]["code"].as_str().unwrap().to_owned()).or_default();
        collect(&body, "", fields);
    }
    events
}

/// Adds the path of each field. The elements of a list share one path.
fn collect(value: &Value, path: &str, fields: &mut BTreeSet<String>) {
    fields.insert(path.to_owned());
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| collect(value, &format!("{path}.{key}"), fields)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, path, fields)),
        _ => {}
    }
}
