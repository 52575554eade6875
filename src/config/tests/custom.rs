//! Rules that an organisation makes itself, right and wrong.

use super::*;

const OWN: &str = r#"
[[policy.custom_rules]]
id = "contractor-without-end"
severity = "medium"
title = "Contractors without an end date"
action = "Ask the sponsor until when the account is needed, and set the date."
when = 'enabled && "Contractors" in groups && days_until_expiry == null'
"#;

fn with(from: &str, to: &str) -> String {
    assert!(OWN.contains(from), "{from}");
    format!("{LEAST}{}", OWN.replace(from, to))
}

fn own(from: &str, to: &str, key: &str) -> String {
    problem(&with(from, to), &format!("policy.custom_rules[0].{key}"))
}

#[test]
fn a_custom_rule_is_read_with_all_that_it_says() {
    let config = load(&with("", "")).unwrap();
    let [rule] = config.policy.custom_rules.as_slice() else { panic!("one rule") };
    assert_eq!((rule.rule, rule.severity), (Rule::custom("contractor-without-end"), Severity::Medium));
    assert_eq!(rule.title, "Contractors without an end date");
    assert!(rule.action.starts_with("Ask the sponsor") && rule.when.text().contains("\"Contractors\" in groups"));
    assert_eq!(config.policy.rule("contractor-without-end"), Some(rule.rule));
}

#[test]
fn every_key_of_a_custom_rule_is_needed_and_held_against_what_it_may_be() {
    for key in ["id", "severity", "title", "action", "when"] {
        let lines: Vec<&str> = OWN.lines().filter(|line| !line.starts_with(key)).collect();
        let text = problem(&format!("{LEAST}{}\n", lines.join("\n")), &format!("policy.custom_rules[0].{key}"));
        assert!(text.contains("is missing; write for example"), "{key}: {text}");
    }
    for id in [
        "ab",
        "Contractor",
        "contractor_without",
        "-contractor",
        "contractor-",
        "a-name-of-25-characters-xx",
        "ö-contractor",
    ] {
        let reported = own("contractor-without-end", id, "id");
        assert!(reported.contains("3 to 24 characters of a-z, 0-9 and -"), "{id}: {reported}");
    }
    assert!(own("contractor-without-end", "stale-login", "id").contains("built-in rule"));
    assert!(own("\"medium\"", "\"medum\"", "severity").contains("did you mean medium?"));
    assert!(own("Contractors without an end date", &"x".repeat(121), "title").contains("at most 120 characters"));
    assert!(own("action = \"", "action = \"one\\ntwo", "action").contains("one line"));
    assert!(own("severity", "controls = []\nseverity", "controls").contains("is not a key here"));
    let twice = problem(&format!("{LEAST}{OWN}{OWN}"), "policy.custom_rules[1].id");
    assert!(twice.contains("a custom rule above"), "{twice}");
}

#[test]
fn a_broken_expression_is_shown_with_a_mark_under_its_place() {
    assert_eq!(
        own("enabled &&", "enabeld &&", "when"),
        "line 1, column 1: there is no variable enabeld; did you mean enabled?\n      \
         enabeld && \"Contractors\" in groups && days_until_expiry == null\n      ^"
    );
    let reported = own("days_until_expiry == null", "days_until_expiry > true", "when");
    let lines: Vec<&str> = reported.lines().collect();
    assert_eq!(lines[0], "line 1, column 57: > cannot be applied to a number and true or false");
    assert_eq!(lines[1], "      \"Contractors\" in groups && days_until_expiry > true", "a long line is cut");
    assert_eq!(lines[1].find('>'), lines[2].find('^'));
}

#[test]
fn a_custom_rule_may_be_switched_off_and_excepted_and_its_id_is_suggested() {
    let config = load(&format!("{}[policy.rules]\ncontractor-without-end = \"off\"\n", with("", ""))).unwrap();
    assert_eq!(config.policy.rules[&Rule::custom("contractor-without-end")], Override::Off);
    let text = format!("{}[policy.rules]\ncontractor-without-en = \"low\"\n", with("", ""));
    assert!(problem(&text, "policy.rules.contractor-without-en").contains("did you mean contractor-without-end?"));
    // A rule with another mistake is no second mistake where its id stands.
    let text = format!("{}[policy.rules]\ncontractor-without-end = \"low\"\n", with("enabled &&", "enabeld &&"));
    assert_eq!(load(&text).unwrap_err().problems.len(), 1);
}

#[test]
fn there_is_room_for_32_custom_rules() {
    let many = |count: usize| -> String {
        (0..count).map(|n| OWN.replace("contractor-without-end", &format!("own-{n}"))).collect()
    };
    assert_eq!(load(&format!("{LEAST}{}", many(32))).unwrap().policy.custom_rules.len(), 32);
    let reported = problem(&format!("{LEAST}{}", many(33)), "policy.custom_rules");
    assert!(reported.contains("has 33 rules; there is room for 32"), "{reported}");
}
