//! The result of each rule over all sources: findings by severity, passed, not evaluated or off.
//!
//! A rule that could not run is never counted as passed.

use super::index::Index;
use super::text::{counted, names, thousands};
use super::{Bounded, Shown};
use crate::model::{Evaluation, FindingStatus, ListKind, Rule, RuleOutcome, Severity};
use std::borrow::Cow;

/// Lists of accounts other than the list of users.
const LISTS_OF_ACCOUNTS: [ListKind; 3] = [ListKind::Vendors, ListKind::VendorUsers, ListKind::ApiAccounts];
/// Number of gaps that are named for one rule.
const GAPS: usize = 10;
/// Number of reasons that are named for one rule.
const REASONS: usize = 4;
/// Width of the longest bar.
const BAR: f64 = 100.0;
/// Width of the narrowest segment, so that a single finding stays visible.
const MIN_SEGMENT: f64 = 0.6;

/// The result of a rule over all sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleStatus {
    /// There are findings.
    Findings,
    /// The rule evaluated all of its subjects and found nothing.
    Passed,
    /// The rule found nothing, but it did not evaluate every subject, or a list is not proven complete.
    PartlyPassed,
    /// No source has a subject for the rule, so it neither passed nor found anything.
    NoSubject,
    /// The rule could not be evaluated in any source.
    NotEvaluated,
    /// The configuration switches the rule off.
    Off,
}

/// A source in which a rule was not fully evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Name of the source.
    pub source: Shown,
    /// What is missing.
    pub why: Shown,
    /// Whether the reason is a list that is not proven complete. "Not checked" names such a list once, not for each
    /// rule.
    pub of_list: bool,
}

/// The part of a bar for one severity.
#[derive(Clone, Debug, PartialEq)]
pub struct BarSegment {
    /// Word for the severity.
    pub severity: &'static str,
    /// Number of findings.
    pub count: u64,
    /// Left edge, from 0 to 100.
    pub x: f64,
    /// Width, from 0 to 100.
    pub width: f64,
}

/// A rule with its result.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSummary {
    /// Public id of the rule.
    pub id: &'static str,
    /// Title for people.
    pub title: Cow<'static, str>,
    /// Why the rule matters.
    pub why: Cow<'static, str>,
    /// What to do about a finding.
    pub action: Cow<'static, str>,
    /// Severities of its findings, in words.
    pub severity: &'static str,
    /// Control ids that the rule is relevant to.
    pub controls: Vec<&'static str>,
    /// Expression of a rule from the configuration; `None` for a built-in rule.
    pub expression: Option<Shown>,
    /// Result over all sources.
    pub status: RuleStatus,
    /// Number of unresolved findings, with excepted ones.
    pub total: u64,
    /// Number of unresolved findings by severity: critical, high, medium, low, info.
    pub by_severity: [u64; 5],
    /// Number of findings that an exception covers.
    pub excepted: u64,
    /// Number of findings by status: new or reopened, open, excepted, resolved.
    pub by_status: [u64; 4],
    /// Reasons why sources were not evaluated, each with its sources.
    pub reasons: Bounded<Shown>,
    /// Number of findings by status: `3 new, 9 open, 1 excepted, 2 resolved`; empty if there are none.
    pub statuses: String,
    /// Bar of the findings, most severe first, without empty segments.
    pub bar: Vec<BarSegment>,
    /// What was evaluated: `412 of 412 accounts were evaluated`.
    pub evaluated: String,
    /// Sources in which the rule was not fully evaluated.
    pub gaps: Bounded<Gap>,
}

impl RuleSummary {
    /// Returns the result in words, for the tables of rules and controls.
    pub fn result(&self) -> String {
        let partly = if self.gaps.is_empty() { "" } else { ", partly evaluated" };
        match self.status {
            RuleStatus::Findings => format!("{}{partly}", counted(self.total, "finding", "findings")),
            RuleStatus::Passed => "passed".to_owned(),
            RuleStatus::PartlyPassed => "passed where evaluated".to_owned(),
            RuleStatus::NoSubject => "nothing to evaluate".to_owned(),
            RuleStatus::NotEvaluated => "could not be evaluated".to_owned(),
            RuleStatus::Off => "off".to_owned(),
        }
    }

    /// Returns the style class of the result.
    pub fn class(&self) -> &'static str {
        match self.status {
            RuleStatus::Findings => "found",
            RuleStatus::Passed => "proven",
            RuleStatus::PartlyPassed | RuleStatus::NotEvaluated => "unproven",
            RuleStatus::Off | RuleStatus::NoSubject => "absent",
        }
    }

    /// Returns the symbol next to the result.
    pub fn symbol(&self) -> &'static str {
        match self.status {
            RuleStatus::Findings => "●",
            RuleStatus::Passed => "✓",
            RuleStatus::PartlyPassed | RuleStatus::NotEvaluated => "!",
            RuleStatus::Off | RuleStatus::NoSubject => "–",
        }
    }
}

pub(super) fn results(index: &Index<'_>) -> Vec<RuleSummary> {
    let mut results: Vec<RuleSummary> = order(index).into_iter().map(|rule| result(index, rule)).collect();
    let longest = results.iter().map(|r| r.total).max().unwrap_or(0);
    for result in &mut results {
        // In a second pass, because the longest bar is known only now.
        result.bar = bar(&result.by_severity, longest);
    }
    results
}

/// Returns the rules in the order of the catalogue, then rules that it does not contain.
fn order(index: &Index<'_>) -> Vec<Rule> {
    let mut rules: Vec<Rule> = index.input.catalogue.iter().map(|info| info.rule).collect();
    let missing: Vec<Rule> = Rule::ALL.into_iter().filter(|rule| !rules.contains(rule)).collect();
    rules.extend(missing);
    rules
}

fn result(index: &Index<'_>, rule: Rule) -> RuleSummary {
    let by_severity = by_severity(index, rule);
    let total = by_severity.iter().sum();
    let gaps = gaps(index, rule);
    let info = index.info(rule);
    RuleSummary {
        id: rule.as_str(),
        title: index.title(rule),
        why: info.map(|i| i.why.clone()).unwrap_or_default(),
        action: info.map(|i| i.action.clone()).unwrap_or_default(),
        severity: info.map_or("", |i| i.severity),
        controls: info.map(|i| i.controls.clone()).unwrap_or_default(),
        expression: info.and_then(|i| i.expression.as_deref()).map(Shown::sentence),
        status: status(index, rule, total, gaps.is_empty()),
        total,
        by_severity,
        excepted: index.unresolved().filter(|f| f.rule == rule && f.status == FindingStatus::Excepted).count() as u64,
        by_status: by_status(index, rule),
        reasons: reasons(index, rule),
        statuses: statuses(index, rule),
        bar: Vec::new(),
        evaluated: evaluated(index, rule),
        gaps: Bounded::cut(gaps, GAPS),
    }
}

fn by_severity(index: &Index<'_>, rule: Rule) -> [u64; 5] {
    let mut counts = [0; 5];
    for finding in index.unresolved().filter(|f| f.rule == rule) {
        counts[place(finding.severity)] += 1;
    }
    counts
}

fn by_status(index: &Index<'_>, rule: Rule) -> [u64; 4] {
    let mut counts = [0; 4];
    for finding in index.input.findings.iter().filter(|finding| finding.rule == rule) {
        counts[match finding.status {
            FindingStatus::New | FindingStatus::Reopened => 0,
            FindingStatus::Open => 1,
            FindingStatus::Excepted => 2,
            FindingStatus::Resolved => 3,
        }] += 1;
    }
    counts
}

/// Returns the reasons why the rule was not evaluated in sources, each once: `appliance-eu, appliance-us: reason`.
fn reasons(index: &Index<'_>, rule: Rule) -> Bounded<Shown> {
    let mut reasons: Vec<(Cow<'_, str>, Vec<&str>)> = Vec::new();
    for source in &index.input.manifest.sources {
        let Some(why) = index.why_unevaluated(rule, &source.name) else { continue };
        match reasons.iter_mut().find(|(known, _)| *known == why) {
            Some((_, sources)) => sources.push(&source.name),
            None => reasons.push((why, vec![&source.name])),
        }
    }
    let in_words = |(why, sources): (Cow<'_, str>, Vec<&str>)| {
        Shown::sentence(&format!("{}: not evaluated, because {why}", names(&sources)))
    };
    Bounded::cut(reasons.into_iter().map(in_words), REASONS)
}

fn statuses(index: &Index<'_>, rule: Rule) -> String {
    let of_rule = |status| index.input.findings.iter().filter(move |f| f.rule == rule && f.status == status).count();
    let counts = FindingStatus::ALL.into_iter().map(|status| (of_rule(status) as u64, status.as_str()));
    let words: Vec<String> =
        counts.filter(|(count, _)| *count > 0).map(|(count, word)| format!("{} {word}", thousands(count))).collect();
    words.join(", ")
}

/// Returns the place of a severity in [`RuleSummary::by_severity`].
fn place(severity: Severity) -> usize {
    match severity {
        Severity::Critical => 0,
        Severity::High => 1,
        Severity::Medium => 2,
        Severity::Low => 3,
        Severity::Info => 4,
    }
}

fn status(index: &Index<'_>, rule: Rule, total: u64, without_gaps: bool) -> RuleStatus {
    let mut evaluations = index.evaluations(rule).peekable();
    if total > 0 {
        RuleStatus::Findings
    } else if evaluations.peek().is_some() && evaluations.all(|v| v.outcome == RuleOutcome::Off) {
        RuleStatus::Off
    } else if !index.is_evaluated(rule) {
        RuleStatus::NotEvaluated
    } else if without_gaps && index.subjects(rule) == 0 {
        RuleStatus::NoSubject
    } else if without_gaps {
        RuleStatus::Passed
    } else {
        RuleStatus::PartlyPassed
    }
}

fn evaluated(index: &Index<'_>, rule: Rule) -> String {
    let (mut done, mut all) = (0, 0);
    for evaluation in index.evaluations(rule) {
        if let RuleOutcome::Evaluated { subjects, undetermined } = evaluation.outcome {
            done = u64::saturating_add(done, subjects.saturating_sub(undetermined));
            all = u64::saturating_add(all, subjects);
        }
    }
    let (one, many) = noun(index, rule);
    if all == 0 && !index.is_evaluated(rule) {
        return "the rule was not evaluated".to_owned();
    }
    let were = if all == 1 { "was" } else { "were" };
    format!("{} of {} {were} evaluated", thousands(done), counted(all, one, many))
}

/// Returns what a rule evaluates, as singular and plural. It checks groups for missing members only if groups list
/// their members.
pub(super) fn noun(index: &Index<'_>, rule: Rule) -> (&'static str, &'static str) {
    match rule {
        Rule::CollectionIncomplete => ("source", "sources"),
        Rule::EmptyGroup => ("group", "groups"),
        Rule::PrivilegedGrowth => ("privileged group", "privileged groups"),
        Rule::BreakGlassUsed => ("emergency account", "emergency accounts"),
        Rule::ExceptionExpired => ("exception", "exceptions"),
        Rule::DanglingGroup if index.groups_list_members() => ("account or group", "accounts and groups"),
        _ => ("account", "accounts"),
    }
}

fn gaps(index: &Index<'_>, rule: Rule) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = index.evaluations(rule).flat_map(|evaluation| gaps_of(index, evaluation)).collect();
    if gaps.is_empty() && index.evaluations(rule).next().is_none() {
        let (source, why) = (Shown::name("every source"), Shown::name("there was nothing to evaluate"));
        gaps.push(Gap { source, why, of_list: false });
    }
    gaps
}

fn gaps_of(index: &Index<'_>, evaluation: &Evaluation) -> Vec<Gap> {
    let source = evaluation.source.as_str();
    let gap = |why: &str| Gap { source: Shown::name(source), why: Shown::sentence(why), of_list: false };
    let (one, many) = noun(index, evaluation.rule);
    match &evaluation.outcome {
        RuleOutcome::Off => Vec::new(),
        RuleOutcome::Undetermined { why } => vec![gap(why)],
        RuleOutcome::Evaluated { undetermined, .. } => {
            let mut gaps = Vec::new();
            if *undetermined > 0 {
                gaps.push(gap(&lacking(*undetermined, one, many)));
            }
            let of_accounts =
                !matches!(evaluation.rule, Rule::CollectionIncomplete | Rule::EmptyGroup | Rule::PrivilegedGrowth);
            if of_accounts && !index.is_proven(source, ListKind::Users) {
                let why = "the list of users is not proven complete: only the accounts that were read were evaluated";
                gaps.push(Gap { of_list: true, ..gap(why) });
            }
            for list in LISTS_OF_ACCOUNTS.into_iter().filter(|list| of_accounts && index.is_doubtful(source, *list)) {
                let why = format!("the list of {} is not proven complete", list.in_words());
                gaps.push(Gap { of_list: true, ..gap(&why) });
            }
            gaps
        }
    }
}

/// `3 accounts lack the data for this rule`.
fn lacking(count: u64, one: &str, many: &str) -> String {
    format!("{} {} the data for this rule", counted(count, one, many), if count == 1 { "lacks" } else { "lack" })
}

fn bar(by_severity: &[u64; 5], longest: u64) -> Vec<BarSegment> {
    let mut x = 0.0;
    let mut segments = Vec::new();
    for (severity, count) in Severity::ALL.iter().rev().zip(by_severity).filter(|(_, count)| **count > 0) {
        #[expect(clippy::cast_precision_loss, reason = "the width of a bar on a page")]
        let width = (BAR * *count as f64 / longest.max(1) as f64).max(MIN_SEGMENT);
        segments.push(BarSegment { severity: severity.as_str(), count: *count, x, width });
        x += width;
    }
    segments
}
