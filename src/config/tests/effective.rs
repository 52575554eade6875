//! Tests of the configuration in force: values, origins, and what must not appear.

use super::*;
use serde_json::Value as Json;

/// Returns the configuration in force of a text.
fn in_force(text: &str) -> Json {
    effective(&load(text).unwrap())
}

#[test]
fn every_setting_has_its_value_and_its_origin() {
    let data = in_force(&format!("{MINIMAL}page_size = 50\n[output]\nkeep_days = 30\n"));
    assert_eq!(data["output"]["keep_days"], json!({ "value": 30, "from": "configuration", "line": 11 }));
    assert_eq!(data["output"]["keep_runs"], json!({ "value": 10, "from": "default" }));
    assert_eq!(data["output"]["dir"], json!({ "value": "/nowhere/state/snapshots", "from": "default" }));
    assert_eq!(data["output"]["tables"]["value"], json!(["csv", "parquet"]));
    assert_eq!(data["metrics_file"]["value"], Json::Null);
    let source = &data["source"][0];
    assert_eq!(source["page_size"], json!({ "value": 50, "from": "configuration", "line": 9 }));
    assert_eq!(source["url"]["value"], "https://bt.example.com", "without the slash that is written");
    assert_eq!(source["requests_per_second"], json!({ "value": 15.0, "from": "default" }));
    assert!(data["file"].as_str().unwrap().ends_with("/config.toml"));
}

#[test]
fn origin_of_a_threshold_is_the_framework_that_sets_it() {
    let data = in_force(&format!("{MINIMAL}[policy]\nframeworks = [\"pci-dss-4.0.1\"]\nstale_after_days = 3000\n"));
    let stale = &data["policy"]["stale_after_days"];
    assert_eq!((&stale["from"], stale.get("line")), (&json!("pci-dss-4.0.1"), None));
    let shown = in_words(&load(&format!("{MINIMAL}[policy]\nstale_after_days = 60\n")).unwrap()).to_string();
    assert!(shown.contains("stale_after_days = 60  # line 10"), "{shown}");
    assert!(shown.contains("never_logged_in_grace_days = 30  # default"), "{shown}");
}

#[test]
fn profile_and_limit_of_the_vendor_are_origins_too() {
    let pra = MINIMAL.replace("rest-v3", "pra") + "requests_per_second = 20\n";
    let data = in_force(&format!("{pra}[[syslog]]\nurl = \"tls://s\"\nprofile = \"sc4s\"\n"));
    assert_eq!(data["syslog"][0]["framing"], json!({ "value": "newline", "from": "profile" }));
    let rate = &data["source"][0]["requests_per_second"];
    assert_eq!(*rate, json!({ "value": 15.0, "from": "limit of the vendor" }));
}

#[test]
fn secret_appears_as_its_reference_only() {
    let config = load(MINIMAL).unwrap();
    let (data, shown) = (effective(&config), in_words(&config).to_string());
    let reference = data["source"][0]["client_secret"]["value"]["file"].as_str().unwrap();
    assert!(reference.starts_with('/') && reference.ends_with("/secret"), "{reference}");
    assert!(!data.to_string().contains("s3cret") && !shown.contains("s3cret"));
    let debug = format!("{:?}", load(&MINIMAL.replace("{ file = \"secret\" }", "\"hunter2\"")));
    assert!(!debug.contains("hunter2"), "{debug}");
}

#[test]
fn what_is_shown_is_a_configuration_with_the_same_settings() {
    let text = format!(
        "{MINIMAL}[policy]\nprivileged_groups = [\"a\\\"b\"]\n[policy.rules]\nno-group = \"off\"\n\
         [[policy.service_owners]]\naccount = \"svc\"\nowner = \"team\"\nreview_by = 2027-03-31\n"
    );
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "secret", "s3cret", 0o600);
    let path = folder.path().join("config.toml");
    let first = Config::parse(&path, &text, &|_| None).unwrap();
    let again = Config::parse(&path, in_words(&first).as_str(), &|_| None).unwrap();
    let values = |config: &Config| -> Vec<(String, String)> {
        let set = config.settings.iter().filter(|setting| !setting.value.is_null());
        set.map(|setting| (setting.path.key(&setting.key), setting.value.to_string())).collect()
    };
    assert_eq!(values(&first), values(&again));
}

#[test]
fn other_output_replaces_the_folders_and_switches_off_events_and_metrics() {
    let text = format!("metrics_file = \"/m.prom\"\n{MINIMAL}[[syslog]]\nurl = \"tls://s\"\n");
    let mut config = load(&text).unwrap();
    config.redirect(Path::new("/again"));
    let data = effective(&config);
    assert_eq!(data["output"]["dir"], json!({ "value": "/again", "from": "--output" }));
    assert_eq!((&data["state_dir"]["value"], &data["metrics_file"]["value"]), (&json!("/again/.state"), &Json::Null));
    assert!(data.get("syslog").is_none() && config.destinations.is_empty());
}

#[test]
fn configuration_is_shown_although_its_secrets_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    for secret in ["{ file = \"/none\" }", "{ env = \"NONE\" }", "{ credential = \"other_secret\" }"] {
        write(folder.path(), "config.toml", &MINIMAL.replace("{ file = \"secret\" }", secret), 0o600);
        let shown =
            in_words(&Config::load_without_secrets(&folder.path().join("config.toml"), &|_| None).unwrap()).to_string();
        assert!(shown.contains(&format!("client_secret = {secret}")), "{shown}");
    }
}
