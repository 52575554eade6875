//! The controls of the selected frameworks, with the rules that are relevant to each, their thresholds and results.
//!
//! A control that could not be evaluated is counted separately from one whose rules passed.

use super::Shown;
use super::index::Index;
use super::rule_results::{RuleStatus, RuleSummary};
use super::text::counted;
use crate::model::Rule;
use crate::rules;
use crate::rules::frameworks;
use crate::rules::policy::{Policy, Threshold};
use std::borrow::Cow;

/// The controls of one standard. Presets that share the text of a standard share this section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameworkControls {
    /// Names of the presets that refer to the standard.
    pub name: String,
    /// Number of controls by result: `12 controls: 5 with findings, 4 passed, 3 could not be evaluated.`
    pub summary: String,
    /// How often access must be reviewed; empty if the standard has no number.
    pub cadence: String,
    /// A row for each control and rule, in the order of the standard.
    pub rows: Vec<ControlRow>,
}

/// A control and one rule that is relevant to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlRow {
    /// Id of the control.
    pub control: &'static str,
    /// Number of rows that the cell of the control spans; 0 if a row above has the cell.
    pub span: usize,
    /// Id of the rule.
    pub rule: &'static str,
    /// Title of the rule.
    pub title: Cow<'static, str>,
    /// Thresholds and where they came from: `90 days (pci-dss-4.0.1)`. Empty if the rule has none.
    pub thresholds: Vec<Shown>,
    /// Result in words.
    pub result: String,
    /// Style class of the result.
    pub class: &'static str,
    /// Symbol next to the result.
    pub symbol: &'static str,
    /// Number of unresolved findings; `None` if the rule evaluated no subject.
    pub findings: Option<u64>,
    /// Number of findings that an exception covers.
    pub excepted: u64,
}

/// Returns the controls of every selected framework; of all frameworks if none is selected.
pub(super) fn matrix(index: &Index<'_>, results: &[RuleSummary]) -> Vec<FrameworkControls> {
    let policy = index.input.policy;
    rules::coverage(&policy.frameworks).iter().map(|coverage| framework(coverage, policy, results)).collect()
}

fn framework(coverage: &rules::ControlCoverage, policy: &Policy, results: &[RuleSummary]) -> FrameworkControls {
    let names = coverage.frameworks.iter().map(|id| frameworks::find(id).map_or(*id, |framework| framework.name));
    let of = |rule: &Rule| results.iter().find(|result| result.id == rule.as_str());
    let mut rows = Vec::new();
    let mut statuses = Vec::new();
    for (control, rules) in &coverage.controls {
        let evaluated: Vec<(Rule, &RuleSummary)> = rules.iter().filter_map(|rule| Some((*rule, of(rule)?))).collect();
        statuses.push(combined(evaluated.iter().map(|(_, result)| result.status)));
        // The first row of a control has its cell, and the others are covered by it.
        let spans = std::iter::once(evaluated.len()).chain(std::iter::repeat(0));
        rows.extend(spans.zip(evaluated).map(|(span, (rule, result))| row((control, span), rule, policy, result)));
    }
    let cadence: Vec<String> = coverage.frameworks.iter().filter_map(|id| cadence(frameworks::find(id)?)).collect();
    let (name, cadence) = (names.collect::<Vec<_>>().join(", "), cadence.join(" "));
    FrameworkControls { name, summary: summary(&statuses), cadence, rows }
}

/// Returns a sentence such as `PCI DSS 4.0.1: review access every 6 months, privileged access every 6 months.`
fn cadence(framework: &frameworks::Framework) -> Option<String> {
    let every = |months: u32| format!("every {}", counted(months.into(), "month", "months"));
    let all = framework.review_months.map(|months| format!("review access {}", every(months)));
    let privileged = framework.privileged_review_months.map(|months| match all {
        Some(_) => format!("privileged access {}", every(months)),
        None => format!("review privileged access {}", every(months)),
    });
    let parts: Vec<String> = all.clone().into_iter().chain(privileged).collect();
    (!parts.is_empty()).then(|| format!("{}: {}.", framework.name, parts.join(", ")))
}

fn row((control, span): (&'static str, usize), rule: Rule, policy: &Policy, result: &RuleSummary) -> ControlRow {
    let evaluated = matches!(result.status, RuleStatus::Passed | RuleStatus::PartlyPassed);
    ControlRow {
        control,
        span,
        rule: result.id,
        title: result.title.clone(),
        thresholds: thresholds(rule, policy),
        result: result.result(),
        class: result.class(),
        symbol: result.symbol(),
        findings: (result.total > 0 || evaluated).then_some(result.total),
        excepted: result.excepted,
    }
}

fn thresholds(rule: Rule, policy: &Policy) -> Vec<Shown> {
    let threshold = |who: &str, limit: &Threshold| {
        let days = counted(limit.days.into(), "day", "days");
        Shown::sentence(&format!("{who}{days} ({})", limit.from))
    };
    let Policy { stale_after, privileged_stale_after, never_grace, .. } = policy;
    match rule {
        Rule::StaleLogin if stale_after == privileged_stale_after => vec![threshold("", stale_after)],
        Rule::StaleLogin => vec![threshold("", stale_after), threshold("privileged: ", privileged_stale_after)],
        Rule::NeverLoggedIn => vec![threshold("", never_grace)],
        Rule::DormantWithKey => vec![Shown::sentence("as for inactive and never used accounts")],
        _ => Vec::new(),
    }
}

/// Returns the result of a control from those of its rules.
///
/// One rule with findings is enough for findings. A control passed only if all of its rules passed in every source.
fn combined(statuses: impl Iterator<Item = RuleStatus>) -> RuleStatus {
    let all: Vec<RuleStatus> = statuses.collect();
    let any = |status: RuleStatus| all.contains(&status);
    if any(RuleStatus::Findings) {
        RuleStatus::Findings
    } else if any(RuleStatus::NotEvaluated) || all.is_empty() {
        RuleStatus::NotEvaluated
    } else if any(RuleStatus::PartlyPassed) || (any(RuleStatus::Passed) && any(RuleStatus::Off)) {
        RuleStatus::PartlyPassed
    } else if any(RuleStatus::Passed) {
        RuleStatus::Passed
    } else if any(RuleStatus::NoSubject) {
        RuleStatus::NoSubject
    } else {
        RuleStatus::Off
    }
}

fn summary(statuses: &[RuleStatus]) -> String {
    const WORDS: [(RuleStatus, &str); 6] = [
        (RuleStatus::Findings, "with findings"),
        (RuleStatus::Passed, "passed"),
        (RuleStatus::PartlyPassed, "passed where evaluated"),
        (RuleStatus::NoSubject, "with nothing to evaluate"),
        (RuleStatus::NotEvaluated, "could not be evaluated"),
        (RuleStatus::Off, "switched off"),
    ];
    if statuses.is_empty() {
        return "No rule is relevant to a control of this standard.".to_owned();
    }
    let count = |wanted: RuleStatus| statuses.iter().filter(|status| **status == wanted).count();
    let parts = WORDS.iter().map(|(status, words)| (count(*status), words)).filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, words)| format!("{count} {words}")).collect();
    format!("{}: {}.", counted(statuses.len() as u64, "control", "controls"), parts.join(", "))
}
