//! Tests of the section about controls: every control is counted once, and never as passed without evaluation.

use super::behaviour::{set_outcome, world_with};
use super::sample::World;
use crate::model::{Rule, RuleOutcome};

/// Returns each framework with its summary.
fn controls(world: &World) -> Vec<(String, String)> {
    world.view().controls.into_iter().map(|framework| (framework.name, framework.summary)).collect()
}

#[test]
fn every_control_of_the_selected_frameworks_is_listed_and_counted_once() {
    let world = World::complete();
    let view = world.view();
    let frameworks: Vec<&str> = view.controls.iter().map(|framework| framework.name.as_str()).collect();
    assert_eq!(frameworks, ["PCI DSS 4.0.1", "CIS Controls 8.1"]);
    for framework in &view.controls {
        let named: Vec<&str> = framework.rows.iter().filter(|row| row.span > 0).map(|row| row.control).collect();
        assert!(framework.summary.starts_with(&format!("{} controls: ", named.len())), "{}", framework.summary);
        let numbers = framework.summary.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse::<usize>().ok());
        assert_eq!(numbers.skip(1).sum::<usize>(), named.len(), "{}", framework.summary);
        assert_eq!(framework.rows.iter().map(|row| row.span).sum::<usize>(), framework.rows.len());
        for row in &framework.rows {
            let result = view.rules.iter().find(|result| result.id == row.rule).unwrap();
            assert!(result.controls.contains(&row.control) && result.total == row.findings.unwrap_or(0));
        }
    }
    let pci: Vec<&str> = view.controls[0].rows.iter().filter(|row| row.span > 0).map(|row| row.control).collect();
    assert!(pci.is_sorted_by_key(|id| {
        id.rsplit(' ').next().unwrap().split('.').map(|n| n.parse::<u32>().ok()).collect::<Vec<_>>()
    }));
    let stale = view.controls[0].rows.iter().find(|row| row.rule == "stale-login").unwrap();
    let thresholds: Vec<String> = stale.thresholds.iter().map(ToString::to_string).collect();
    assert_eq!(
        thresholds,
        ["45 days (cis-8.1)", "privileged: 30 days (configuration)"],
        "the origin of the threshold is shown"
    );
}

#[test]
fn a_control_whose_rule_could_not_be_evaluated_is_not_counted_as_passed() {
    // CIS 6.5 has one rule, no-mfa.
    let result = |outcome: RuleOutcome| {
        let world = world_with(|world| {
            world.findings.retain(|finding| finding.rule != Rule::NoMfa);
            set_outcome(world, Rule::NoMfa, &outcome);
        });
        let (row, summary) = (
            world.view().controls[1].rows.iter().find(|row| row.control == "CIS 6.5").unwrap().result.clone(),
            controls(&world)[1].1.clone(),
        );
        (row, summary)
    };
    let evaluated = |subjects, undetermined| RuleOutcome::Evaluated { subjects, undetermined };
    let (unevaluated, summary) = result(RuleOutcome::Undetermined { why: "not reported".to_owned() });
    assert_eq!(unevaluated, "could not be evaluated");
    assert!(summary.contains("1 could not be evaluated"), "{summary}");
    assert_eq!(result(evaluated(9, 0)).0, "passed");
    assert_eq!(result(evaluated(9, 3)).0, "passed where evaluated");
    assert_eq!(result(RuleOutcome::Off).0, "off");
}

#[test]
fn a_control_has_not_fully_passed_when_one_of_its_rules_is_off() {
    // PCI DSS 8.2.6 has two rules.
    let world = world_with(|world| {
        world.findings.retain(|f| !matches!(f.rule, Rule::StaleLogin | Rule::NeverLoggedIn));
        set_outcome(world, Rule::StaleLogin, &RuleOutcome::Off);
        set_outcome(world, Rule::NeverLoggedIn, &RuleOutcome::Evaluated { subjects: 9, undetermined: 0 });
    });
    let before = controls(&world)[0].1.clone();
    assert!(before.contains("1 passed where evaluated"), "{before}");
}

#[test]
fn a_framework_without_controls_has_a_sentence_instead_of_a_table() {
    let world = world_with(|world| world.policy.frameworks = vec!["sox".to_owned()]);
    assert_eq!(controls(&world), [("SOX".to_owned(), "No rule is relevant to a control of this standard.".to_owned())]);
    let all = world_with(|world| world.policy.frameworks.clear());
    assert_eq!(controls(&all).len(), 7, "without a selection, every standard that a rule is relevant to");
}
