//! Tests of `[[policy.custom_rules]]`: valid rules, and the problems of invalid ones.

use super::*;

const RULE: &str = r#"
[[policy.custom_rules]]
id = "contractor-without-end"
severity = "medium"
title = "Contractors without an end date"
action = "Ask the sponsor until when the account is needed, and set the date."
when = 'enabled && "Contractors" in groups && days_until_expiry == null'
"#;

/// Returns a configuration with the rule after one replacement in its text.
fn with(from: &str, to: &str) -> String {
    assert!(RULE.contains(from), "{from}");
    format!("{MINIMAL}{}", RULE.replace(from, to))
}

/// Returns the problem of a key of the rule after one replacement in its text.
fn problem_after(from: &str, to: &str, key: &str) -> String {
    problem(&with(from, to), &format!("policy.custom_rules[contractor-without-end].{key}"))
}

#[test]
fn every_key_of_a_custom_rule_is_read() {
    let config = load(&with("", "")).unwrap();
    let [rule] = config.policy.custom_rules.as_slice() else { panic!("one rule") };
    assert_eq!((rule.rule, rule.severity), (Rule::custom("contractor-without-end"), Severity::Medium));
    assert_eq!(rule.title, "Contractors without an end date");
    assert!(rule.action.starts_with("Ask the sponsor") && rule.when.text().contains("\"Contractors\" in groups"));
    assert_eq!(config.policy.rule("contractor-without-end"), Some(rule.rule));
}

#[test]
fn every_key_of_a_custom_rule_is_required_and_checked() {
    for key in ["id", "severity", "title", "action", "when"] {
        let lines: Vec<&str> = RULE.lines().filter(|line| !line.starts_with(key)).collect();
        let text = problem(
            &format!("{MINIMAL}{}\n", lines.join("\n")),
            &format!("policy.custom_rules[contractor-without-end].{key}"),
        );
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
        let text = problem_after("contractor-without-end", id, "id");
        assert!(text.contains("3 to 24 characters of a-z, 0-9 and -"), "{id}: {text}");
    }
    assert!(problem_after("contractor-without-end", "stale-login", "id").contains("built-in rule"));
    assert!(problem_after("\"medium\"", "\"medum\"", "severity").contains("did you mean \"medium\"?"));
    assert!(
        problem_after("Contractors without an end date", &"x".repeat(121), "title").contains("at most 120 characters")
    );
    assert!(problem_after("action = \"", "action = \"one\\ntwo", "action").contains("one line"));
    assert_eq!(problem_after("severity", "controls = []\nseverity", "controls"), "unknown key");
    let twice = problem(&format!("{MINIMAL}{RULE}{RULE}"), "policy.custom_rules[contractor-without-end].id");
    assert!(twice.contains("a custom rule above"), "{twice}");
}

#[test]
fn invalid_expression_is_shown_with_a_mark_under_the_error() {
    assert_eq!(
        problem_after("enabled &&", "enabeld &&", "when"),
        "unknown variable enabeld; did you mean \"enabled\"?\n  \
         when | enabeld && \"Contractors\" in groups && days_until_expiry == null\n         ^"
    );
    let text = problem_after("days_until_expiry == null", "days_until_expiry > true", "when");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "> cannot be applied to a number and true or false");
    assert_eq!(lines[1], "  when | \"Contractors\" in groups && days_until_expiry > true", "a long line is cut");
    assert_eq!(lines[1].find('>'), lines[2].find('^'));
}

#[test]
fn custom_rule_can_be_switched_off_and_its_id_is_suggested() {
    let config = load(&format!("{}[policy.rules]\ncontractor-without-end = \"off\"\n", with("", ""))).unwrap();
    assert_eq!(config.policy.rules[&Rule::custom("contractor-without-end")], Override::Off);
    let text = format!("{}[policy.rules]\ncontractor-without-en = \"low\"\n", with("", ""));
    assert!(problem(&text, "policy.rules.contractor-without-en").contains("did you mean \"contractor-without-end\"?"));
    // A reference to a rule that has another problem is not a second problem.
    let text = format!("{}[policy.rules]\ncontractor-without-end = \"low\"\n", with("enabled &&", "enabeld &&"));
    assert_eq!(load(&text).unwrap_err().problems.len(), 1);
}

#[test]
fn at_most_32_custom_rules_are_allowed() {
    let many = |count: usize| -> String {
        (0..count).map(|n| RULE.replace("contractor-without-end", &format!("own-{n}"))).collect()
    };
    assert_eq!(load(&format!("{MINIMAL}{}", many(32))).unwrap().policy.custom_rules.len(), 32);
    let text = problem(&format!("{MINIMAL}{}", many(33)), "policy.custom_rules");
    assert!(text.contains("has 33 rules, at most 32 are allowed"), "{text}");
}
