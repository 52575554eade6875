//! Tests of the counts: what each key is matched against, and when no match is evidence.

use super::*;
use std::path::Path;

const SOURCES: &str = r#"
[[source]]
name = "eu"
kind = "rest-v3"
url = "https://eu.example.com"
client_id = "a"
client_secret = { env = "S" }
[[source]]
name = "us"
kind = "rest-v3"
url = "https://us.example.com"
client_id = "a"
client_secret = { env = "S" }
"#;

fn config(policy: &str) -> Config {
    let text = format!("[policy]\n{policy}\n{SOURCES}");
    Config::parse(Path::new("/c.toml"), &text, &|_| Some("s3cret".to_owned())).unwrap()
}

fn names(names: &[&str], complete: bool) -> Names {
    let rows = (1..).zip(names).map(|(id, name)| (id.to_string(), Some((*name).to_owned()))).collect();
    Names { rows, complete }
}

fn populations(complete: bool) -> Vec<Population> {
    vec![
        Population {
            source: "eu".to_owned(),
            groups: names(&["Administrators", "Operators"], true),
            users: names(&["ada", "svc-backup"], true),
        },
        Population {
            source: "us".to_owned(),
            groups: names(&["administrators"], complete),
            users: names(&["svc-backup"], complete),
        },
    ]
}

/// Returns the entry of the only pattern.
fn entry(policy: &str, complete: bool) -> PatternEntry {
    let entries = count(&config(policy), &populations(complete));
    assert_eq!(entries.len(), 1);
    entries[0].clone()
}

#[test]
fn pattern_counts_the_rows_of_every_source() {
    let found = entry("privileged_groups = [\"Administrators\"]", true);
    assert_eq!((found.key.as_str(), found.matches, found.nearest), ("policy.privileged_groups", 2, None));
    assert_eq!(entry("service_accounts = [\"glob:svc-*\"]", true).matches, 2);
    assert_eq!(entry("break_glass = [\"id:2\"]", true).matches, 1);
}

#[test]
fn misspelt_pattern_matches_nothing_and_its_warning_has_the_real_name() {
    let found = entry("privileged_groups = [\"Admnistrators\"]", true);
    assert_eq!((found.matches, found.nearest.as_deref()), (0, Some("Administrators")));
    assert_eq!(
        found.warning().unwrap(),
        "policy.privileged_groups: \"admnistrators\" matches nothing; write \"Administrators\" if that is meant, else remove it"
    );
    let found = entry("break_glass = [\"id:99\"]", true);
    assert!(found.warning().unwrap().ends_with("correct or remove it"));
}

#[test]
fn list_that_was_not_read_completely_is_no_evidence() {
    let found = entry("privileged_groups = [\"Admnistrators\"]", false);
    assert_eq!((found.matches, found.complete, found.warning()), (0, false, None));
}

#[test]
fn entry_of_one_source_is_matched_against_that_source_only() {
    let owner = |source: &str| {
        let entry = format!("[[policy.service_owners]]\naccount = \"ada\"\nsource = \"{source}\"\n");
        format!("{entry}owner = \"x\"\nreview_by = 2027-03-31\n")
    };
    assert_eq!(entry(&owner("eu"), false).matches, 1);
    let other = entry(&owner("us"), true);
    assert_eq!((other.key.as_str(), other.matches, other.complete), ("policy.service_owners", 0, true));
    assert_eq!(entry("[[policy.group_owners]]\ngroup = \"operators\"\nowner = \"x\"", true).matches, 1);
}
