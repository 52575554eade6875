//! `docs/configuration.md` and the example in `cron/` name exactly the keys that the configuration knows.

use super::*;
use std::collections::BTreeSet;

/// Every table, and every kind of source with every way to sign in. The values do not matter: keys are recorded before
/// their values are read.
pub(super) const TABLES: &str = r#"
[output]
[spool]
[policy.rules]
[[policy.service_owners]]
[[policy.group_owners]]
[[policy.custom_rules]]
[[syslog]]
[[http]]
target = "splunk-hec"
[[http]]
target = "elastic-bulk"
[[http]]
target = "webhook"
[[source]]
kind = "rest-v3"
[[source]]
kind = "pra"
[[source]]
kind = "rs"
[[source]]
kind = "password-safe"
[[source]]
kind = "password-safe"
api_key = 1
run_as_password = 1
[[source]]
kind = "scim"
[[source]]
kind = "scim"
token = 1
"#;

type Keys = BTreeSet<(String, String)>;

/// Returns table and key of everything that the configuration can contain. The names of tables are left out.
fn known() -> Keys {
    let facts = facts(TABLES);
    let tables = [
        "output",
        "spool",
        "policy",
        "source",
        "syslog",
        "http",
        "rules",
        "service_owners",
        "group_owners",
        "custom_rules",
    ];
    let all = facts.into_iter().map(|(table, key, _)| (table, key));
    all.filter(|(table, key)| !tables.contains(&key.as_str()) || !matches!(table.as_str(), "" | "policy")).collect()
}

/// Returns the keys of the document's tables. The nearest heading of level two or three names the table.
fn documented() -> Keys {
    let mut keys = Keys::new();
    let (mut table, mut is_key_table) = (String::new(), false);
    for line in include_str!("../../../docs/configuration.md").lines() {
        if let Some(heading) = line.strip_prefix("## ").or_else(|| line.strip_prefix("### ")) {
            let named = heading.trim_matches('`').trim_matches(['[', ']']);
            // The headings of one kind belong to the table of the sources.
            let is_kind = heading.starts_with("`kind") || heading == "Every kind";
            table = match named {
                "Top level" => String::new(),
                _ if is_kind => "source".to_owned(),
                other => other.to_owned(),
            };
        }
        is_key_table = line.starts_with("| key | type | default |") || (is_key_table && line.starts_with('|'));
        if let Some(key) = line.strip_prefix("| `").filter(|_| is_key_table) {
            keys.insert((table.clone(), key.split('`').next().unwrap_or_default().to_owned()));
        }
    }
    keys
}

#[test]
fn every_key_is_documented_and_every_documented_key_exists() {
    let (known, documented) = (known(), documented());
    assert!(known.len() > 50, "{known:?}");
    let missing: Vec<_> = known.difference(&documented).collect();
    let unknown: Vec<_> = documented.difference(&known).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "not documented: {missing:?}; do not exist: {unknown:?}");
}

#[test]
fn the_example_shows_every_key() {
    let example = include_str!("../../../cron/config.example.toml");
    let shown =
        |key: &str| example.lines().any(|line| line.trim_start_matches(['#', ' ']).starts_with(&format!("{key} = ")));
    let missing: Vec<_> = known().into_iter().filter(|(_, key)| !shown(key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
