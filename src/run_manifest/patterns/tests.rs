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

const IDS: [&str; 2] = ["1", "2"];

fn names(names: &[&'static str], complete: bool) -> Names<'static> {
    Names::new(IDS.into_iter().zip(names.iter().map(|name| Some(*name))), complete)
}

fn populations(complete: bool) -> Vec<Population<'static>> {
    vec![
        Population {
            source: "eu",
            groups: names(&["Administrators", "Operators"], true),
            users: names(&["ada", "svc-backup"], true),
            subjects: names(&["ada", "Backup Job"], true),
        },
        Population {
            source: "us",
            groups: names(&["administrators"], complete),
            users: names(&["svc-backup"], complete),
            subjects: names(&["svc-backup"], complete),
        },
    ]
}

/// Returns the entry of the only pattern.
fn entry(policy: &str, complete: bool) -> PatternEntry {
    let entries = count(&config(policy), &populations(complete), |entry| entry.complete);
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
        "policy.privileged_groups: \"Admnistrators\" matches nothing; write \"Administrators\" if that is meant, else remove it"
    );
    let found = entry("break_glass = [\"id:99\"]", true);
    assert!(found.warning().unwrap().ends_with("correct or remove it"));
}

#[test]
fn list_that_was_not_read_completely_is_no_evidence() {
    let found = entry("privileged_groups = [\"Admnistrators\"]", false);
    assert_eq!((found.matches, found.complete, found.warning()), (0, false, None));
    assert_eq!(found.nearest, None, "a name that is not wanted is not sought");
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

#[test]
fn glob_without_its_prefix_is_proposed_with_it() {
    let found = entry("privileged_groups = [\"*Admin*\"]", true);
    assert!(found.warning().unwrap().contains("write \"glob:*Admin*\" if that is meant"), "{found:?}");
}

#[test]
fn glob_that_matches_nothing_has_the_name_that_it_almost_matches() {
    let found = entry("privileged_groups = [\"glob:*amdinis*\"]", true);
    assert!(found.warning().unwrap().contains("the most similar name is \"Administrators\""), "{found:?}");
}

#[test]
fn similar_names_are_sought_for_a_bounded_number_of_patterns() {
    let patterns = vec!["\"Operator\""; MOST_SOUGHT + 5].join(", ");
    let config = config(&format!("privileged_groups = [{patterns}]"));
    let found = count(&config, &populations(true), |_| true);
    assert_eq!(found.iter().filter(|entry| entry.nearest.as_deref() == Some("Operators")).count(), MOST_SOUGHT);
    assert_eq!(found.len(), MOST_SOUGHT + 5);
}

/// Returns a policy with one accepted exception.
fn with_exception(folder: &Path, subject: &str) -> String {
    let path = folder.join("exceptions.toml");
    let rest = "reason = \"r\"\nowner = \"o\"\nuntil = 2027-01-01";
    std::fs::write(&path, format!("[[exception]]\nrule = \"no-mfa\"\nsubject = {subject:?}\n{rest}\n")).unwrap();
    format!("exceptions = {:?}", path.display().to_string())
}

#[test]
fn exception_is_matched_against_the_names_that_findings_have() {
    let folder = tempfile::tempdir().unwrap();
    let found = entry(&with_exception(folder.path(), "backup job"), true);
    assert_eq!((found.key.as_str(), found.matches), ("policy.exceptions, line 1", 1));
}

#[test]
fn exception_that_accepts_nothing_has_one_warning() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&with_exception(folder.path(), "nobody"));
    let entries = count(&config, &populations(true), |_| true);
    let exceptions = &config.exceptions.as_ref().unwrap().entries;
    let as_of: crate::model::Instant = "2026-11-23T02:00:00Z".parse().unwrap();
    let uses = crate::exceptions::apply(&mut [], exceptions, &config.policy, as_of).uses;
    assert!(uses[0].warnings(as_of)[0].contains("covers no finding"));
    assert_eq!(warnings(&entries, &uses), Vec::<String>::new());
    assert_eq!(warnings(&entries, &[]).len(), 1, "without that warning, the pattern has its own");
}

#[test]
fn nothing_is_proven_where_no_list_was_read() {
    let found = count(&config("break_glass = [\"ada\"]"), &[], |_| true);
    assert_eq!((found[0].complete, found[0].warning()), (false, None));
}

#[test]
fn source_without_groups_is_neither_evidence_nor_a_gap_in_it() {
    let config = config("privileged_groups = [\"Admnistrators\"]");
    let mut populations = populations(true);
    populations[1].groups = Names::not_offered();
    assert!(count(&config, &populations, |_| true)[0].warning().is_some(), "the other source has all its groups");
    populations[0].groups = Names::not_offered();
    assert_eq!(count(&config, &populations, |_| true)[0].warning(), None, "no source has a list of groups");
}

#[test]
fn name_is_not_proposed_in_place_of_a_glob() {
    let warning = entry("break_glass = [\"glob:svc-backups*\"]", true).warning().unwrap();
    assert!(warning.ends_with("the most similar name is \"svc-backup\"; correct or remove the pattern"), "{warning}");
}
