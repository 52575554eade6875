//! Which control of which framework was looked at by which rule, with what threshold and result. A control that could not be
//! judged is counted apart from one whose rules passed.

use super::Shown;
use super::index::Index;
use super::rule_results::{RuleStanding, RuleSummary};
use super::text::counted;
use crate::model::Rule;
use crate::rules;
use crate::rules::frameworks;
use crate::rules::policy::{Policy, Threshold};
use std::borrow::Cow;

/// The controls of one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameworkControls {
    /// The names of the presets that stand on it.
    pub name: String,
    /// `Of 12 controls: 5 with findings, 4 passed, 3 could not be judged.`
    pub summary: String,
    /// How often access is to be reviewed; empty where the text has no number.
    pub cadence: String,
    /// One a control and rule, in the order of the text.
    pub rows: Vec<ControlRow>,
}

/// One control and one rule that is relevant to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlRow {
    /// The control's id.
    pub control: &'static str,
    /// Over how many rows the control's name stands; 0 where it stands above already.
    pub span: usize,
    /// The rule's id.
    pub rule: &'static str,
    /// Its name for people.
    pub title: Cow<'static, str>,
    /// `90 days (pci-dss-4.0.1)`; nothing where the rule has none.
    pub thresholds: Vec<Shown>,
    /// In words.
    pub result: String,
    /// The name of the result's style.
    pub class: &'static str,
    /// What stands beside the result.
    pub symbol: &'static str,
    /// Findings that stand; `None` where the rule judged nobody.
    pub findings: Option<u64>,
    /// Those among them that somebody accepts.
    pub excepted: u64,
}

pub(super) fn matrix(index: &Index<'_>, results: &[RuleSummary]) -> Vec<FrameworkControls> {
    let policy = index.input.policy;
    rules::coverage(&policy.frameworks).iter().map(|coverage| framework(coverage, policy, results)).collect()
}

fn framework(coverage: &rules::ControlCoverage, policy: &Policy, results: &[RuleSummary]) -> FrameworkControls {
    let names = coverage.frameworks.iter().map(|id| frameworks::find(id).map_or(*id, |framework| framework.name));
    let of = |rule: &Rule| results.iter().find(|result| result.id == rule.as_str());
    let mut rows = Vec::new();
    let mut standings = Vec::new();
    for (control, rules) in &coverage.controls {
        let evaluated: Vec<(Rule, &RuleSummary)> = rules.iter().filter_map(|rule| Some((*rule, of(rule)?))).collect();
        standings.push(together(evaluated.iter().map(|(_, result)| result.standing)));
        let spans = std::iter::once(evaluated.len()).chain(std::iter::repeat(0));
        rows.extend(spans.zip(evaluated).map(|(span, (rule, result))| row((control, span), rule, policy, result)));
    }
    let cadence: Vec<String> = coverage.frameworks.iter().filter_map(|id| cadence(frameworks::find(id)?)).collect();
    let (name, cadence) = (names.collect::<Vec<_>>().join(", "), cadence.join(" "));
    FrameworkControls { name, summary: summary(&standings), cadence, rows }
}

/// `PCI DSS 4.0.1: access is to be reviewed every 6 months, privileged access every 6 months.`
fn cadence(framework: &frameworks::Framework) -> Option<String> {
    let every = |months: u32| format!("every {}", counted(months.into(), "month", "months"));
    let all = framework.review_months.map(|months| format!("access is to be reviewed {}", every(months)));
    let privileged = framework.privileged_review_months.map(|months| match all {
        Some(_) => format!("privileged access {}", every(months)),
        None => format!("privileged access is to be reviewed {}", every(months)),
    });
    let parts: Vec<String> = all.clone().into_iter().chain(privileged).collect();
    (!parts.is_empty()).then(|| format!("{}: {}.", framework.name, parts.join(", ")))
}

fn row((control, span): (&'static str, usize), rule: Rule, policy: &Policy, result: &RuleSummary) -> ControlRow {
    let evaluated = matches!(result.standing, RuleStanding::Passed | RuleStanding::PassedInPart);
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
    let reported = |who: &str, limit: &Threshold| {
        let days = counted(limit.days.into(), "day", "days");
        Shown::sentence(&format!("{who}{days} ({})", limit.from))
    };
    let Policy { stale_after, privileged_stale_after, never_grace, .. } = policy;
    match rule {
        Rule::StaleLogin if stale_after == privileged_stale_after => vec![reported("", stale_after)],
        Rule::StaleLogin => vec![reported("", stale_after), reported("privileged: ", privileged_stale_after)],
        Rule::NeverLoggedIn => vec![reported("", never_grace)],
        Rule::DormantWithKey => vec![Shown::sentence("as inactive or never used")],
        _ => Vec::new(),
    }
}

/// What a control comes to: a finding of any of its rules is one, and it passed only where all of them passed everywhere.
fn together(standings: impl Iterator<Item = RuleStanding>) -> RuleStanding {
    let all: Vec<RuleStanding> = standings.collect();
    let any = |standing: RuleStanding| all.contains(&standing);
    if any(RuleStanding::Findings) {
        RuleStanding::Findings
    } else if any(RuleStanding::Unjudged) || all.is_empty() {
        RuleStanding::Unjudged
    } else if any(RuleStanding::PassedInPart) || (any(RuleStanding::Passed) && any(RuleStanding::Off)) {
        RuleStanding::PassedInPart
    } else if any(RuleStanding::Passed) {
        RuleStanding::Passed
    } else if any(RuleStanding::NoSubject) {
        RuleStanding::NoSubject
    } else {
        RuleStanding::Off
    }
}

fn summary(standings: &[RuleStanding]) -> String {
    const WORDS: [(RuleStanding, &str); 6] = [
        (RuleStanding::Findings, "with findings"),
        (RuleStanding::Passed, "passed"),
        (RuleStanding::PassedInPart, "passed in part"),
        (RuleStanding::NoSubject, "with nothing to judge"),
        (RuleStanding::Unjudged, "could not be judged"),
        (RuleStanding::Off, "switched off"),
    ];
    if standings.is_empty() {
        return "No rule names a control of this text.".to_owned();
    }
    let count = |wanted: RuleStanding| standings.iter().filter(|standing| **standing == wanted).count();
    let parts = WORDS.iter().map(|(standing, words)| (count(*standing), words)).filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, words)| format!("{count} {words}")).collect();
    format!("Of {}: {}.", counted(standings.len() as u64, "control", "controls"), parts.join(", "))
}
