//! Tests of `[[http]]`: keys of each target, addresses, and secrets by reference.

use super::elsewhere::shown;
use super::*;
use crate::syslog::http::{HttpDestination, HttpTarget};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Returns a configuration with one destination. The secrets are in the environment.
fn with(keys: &str) -> String {
    format!("{MINIMAL}[[http]]\n{keys}\n")
}

fn read(keys: &str) -> Result<Config, ConfigError> {
    let environment = [("TOKEN", "0f1c5a2e-token"), ("PAIR", "id:key"), ("WORDS", "Splunk 0f1c5a2e"), ("KEY", KEY)];
    load_with(&with(keys), &environment)
}

fn destination(keys: &str) -> HttpDestination {
    match read(keys).unwrap().destinations.into_iter().next() {
        Some(Destination::Http(destination)) => destination,
        other => panic!("{other:?}"),
    }
}

fn problem(keys: &str) -> String {
    read(keys).unwrap_err().to_string()
}

const HEC: &str = "target = \"splunk-hec\"\ntoken = { env = \"TOKEN\" }\n";
const BULK: &str = "target = \"elastic-bulk\"\ntoken = { env = \"TOKEN\" }\nindex = \"btrollcall\"\n";
const WEBHOOK: &str = "target = \"webhook\"\nsigning_key = { env = \"KEY\" }\n";

#[test]
fn each_target_is_read_with_its_keys_and_defaults() {
    let hec = destination(&format!("{HEC}url = \"https://splunk:8088\"\nindex = \"audit\""));
    assert!(matches!(&hec.target, HttpTarget::SplunkHec { index: Some(index), .. } if index == "audit"));
    assert_eq!(hec.url, "https://splunk:8088");
    assert!((hec.requests_per_second - 15.0).abs() < f64::EPSILON);
    let bulk = destination(&format!("{BULK}url = \"https://es:9200/\"\nsend = \"all\""));
    assert!(matches!(&bulk.target, HttpTarget::ElasticBulk { index, .. } if index == "btrollcall"));
    assert_eq!(bulk.url, "https://es:9200");
    let webhook = destination(&format!("{WEBHOOK}url = \"http://127.0.0.1:9/hooks/\""));
    assert!(matches!(webhook.target, HttpTarget::Webhook { .. }));
    assert_eq!(webhook.url, "http://127.0.0.1:9/hooks/", "used as it is");
}

#[test]
fn path_that_is_appended_anyway_is_removed_with_a_note() {
    for (keys, url, expected) in [
        (HEC, "https://s:8088/services/collector", "https://s:8088"),
        (HEC, "https://s/splunk/services/collector/event/1.0/", "https://s/splunk"),
        (BULK, "https://e:9200/_bulk", "https://e:9200"),
    ] {
        let config = read(&format!("{keys}url = \"{url}\"")).unwrap();
        assert_eq!(config.destinations[0].url(), expected);
        assert!(config.notes[0].contains(&format!("write url = \"{expected}\"")), "{:?}", config.notes);
    }
}

#[test]
fn address_that_would_leak_or_mislead_is_refused() {
    for (url, why) in [
        ("http://siem.example.com", "http:// is accepted for loopback addresses only"),
        ("https://user:pw@siem", "without user name, query or fragment"),
        ("https://siem/hook?sig=abc", "without user name, query or fragment"),
        ("https://siem:0/", "has no valid port"),
        ("tcp://siem", "must begin with https://"),
    ] {
        let text = problem(&format!("{WEBHOOK}url = \"{url}\""));
        assert!(text.contains(why) && !text.contains("pw@") && !text.contains("abc"), "{text}");
    }
    let twice = format!("{HEC}url = \"https://s\"\n[[http]]\n{HEC}url = \"https://S/services/collector\"");
    assert!(problem(&twice).contains("two [[http]] tables have this url"));
}

#[test]
fn keys_of_another_target_and_missing_keys_name_the_cure() {
    let url = "url = \"https://s\"\n";
    let token = "token = { env = \"TOKEN\" }\n";
    for (keys, why) in [
        (format!("{url}{token}"), "target: is missing; write for example target = \"splunk-hec\""),
        (format!("{url}target = \"splunk\"\n{token}"), "must be one of splunk-hec, elastic-bulk, webhook"),
        (format!("{url}target = \"splunk-hec\""), "token: is missing; write { file ="),
        (
            format!("{url}target = \"elastic-bulk\"\n{token}"),
            "index: is missing; write for example index = \"btrollcall\"",
        ),
        (format!("{url}target = \"webhook\""), "signing_key: is missing; write { file ="),
        (
            format!("{url}{WEBHOOK}{token}"),
            "token: is a key of target = \"splunk-hec\" and \"elastic-bulk\"; a webhook",
        ),
        (format!("{url}{WEBHOOK}index = \"a\""), "index: is a key of target"),
        (
            format!("{url}{HEC}signing_key = {{ env = \"KEY\" }}"),
            "signing_key: is a key of target = \"webhook\"; remove it",
        ),
        (format!("{url}{HEC}index = \"Main\""), "index: must be at most 80 lower-case letters"),
        (format!("{url}{HEC}index = \"_internal\""), "begin with a letter or digit"),
        (format!("{url}{HEC}requests_per_second = 0.09"), "must be from 0.1 to 10000, not 0.09"),
        (format!("{url}{HEC}payload = \"ecs\""), "unknown key \"payload\"; it belongs to [[syslog]]"),
        (format!("{url}{HEC}verify = false"), "certificates are always verified"),
        (
            format!("{HEC}url = \"http://127.0.0.1\"\nca_file = \"ca.pem\""),
            "ca_file: is a key of https:// destinations",
        ),
    ] {
        assert!(problem(&keys).contains(why), "{why}: {}", problem(&keys));
    }
}

#[test]
fn secrets_are_references_of_the_right_form_and_are_shown_nowhere() {
    for (keys, why) in [
        ("target = \"splunk-hec\"\ntoken = \"0f1c5a2e\"", "must not be written into the configuration"),
        ("target = \"splunk-hec\"\ntoken = { env = \"WORDS\" }", "store the token alone, without Splunk or ApiKey"),
        ("target = \"elastic-bulk\"\nindex = \"a\"\ntoken = { env = \"PAIR\" }", "the value of \"encoded\""),
        ("target = \"webhook\"\nsigning_key = { env = \"TOKEN\" }", "must be whsec_ followed by base64"),
    ] {
        let text = problem(&format!("url = \"https://s\"\n{keys}"));
        assert!(text.contains(why) && !text.contains("0f1c5a2e") && !text.contains("id:key"), "{text}");
    }
    let config = read(&format!("{WEBHOOK}url = \"https://s\"\n[[http]]\n{HEC}url = \"https://t\"")).unwrap();
    let printed = format!("{config:?}\n{}\n{}", in_words(&config), effective(&config));
    assert!(!printed.contains("MfKQ") && !printed.contains("0f1c5a2e"), "{printed}");
    assert!(in_words(&config).to_string().contains("signing_key = { env = \"KEY\" }"));
}

#[test]
fn configuration_is_shown_without_its_secrets() {
    let text = with(&format!("{WEBHOOK}url = \"https://s\"\n[[http]]\n{BULK}url = \"https://t\""));
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "c.toml", &text, 0o600);
    let path = folder.path().join("c.toml");
    assert!(Config::load_without_secrets(&path, &|_| None).is_ok(), "no variable is set");
    assert!(shown(&with(&format!("{WEBHOOK}url = \"https://s\""))).contains("environment variable KEY is not set"));
}

#[test]
fn profile_repeats_the_name_of_the_target_and_no_other() {
    assert!(read(&format!("{HEC}url = \"https://s:8088\"\nprofile = \"splunk-hec\"")).is_ok());
    let why = problem(&format!("{HEC}url = \"https://s:8088\"\nprofile = \"webhook\""));
    assert!(why.contains("profile: names another target; write the name of the target"), "{why}");
}
