//! How each rule went: findings by severity, passed, could not be judged, off. A rule that could not run
//! is never among those that passed.

use super::index::Index;
use super::text::{counted, thousands};
use super::{Bounded, Shown};
use crate::model::{Evaluation, FindingStatus, ListKind, Rule, RuleOutcome, Severity};
use std::borrow::Cow;

/// Lists, beside the users, that hold accounts.
const LISTS_OF_ACCOUNTS: [ListKind; 3] = [ListKind::Vendors, ListKind::VendorUsers, ListKind::ApiAccounts];
/// Gaps that are named for one rule.
const GAPS: usize = 10;
/// Width of the longest bar.
const BAR: f64 = 100.0;

/// What came of a rule over all sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleStanding {
    /// It found something.
    Findings,
    /// It ran over all of its subjects and found nothing.
    Passed,
    /// It found nothing where it ran, but did not run everywhere, or not over a list that is proven complete.
    PassedInPart,
    /// It ran, and there was no such subject anywhere: neither passed nor found.
    NoSubject,
    /// It could not run anywhere.
    Unjudged,
    /// Switched off.
    Off,
}

/// Where a rule could not be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Source.
    pub source: Shown,
    /// What was lacking.
    pub why: Shown,
    /// It follows from a list that is not proven complete; the list is named on its own among what was not checked.
    pub of_list: bool,
}

/// A piece of a bar.
#[derive(Clone, Debug, PartialEq)]
pub struct BarSegment {
    /// Word of the severity.
    pub severity: &'static str,
    /// Findings.
    pub count: u64,
    /// Left edge, of 100.
    pub x: f64,
    /// Width, of 100.
    pub width: f64,
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSummary {
    /// Public id.
    pub id: &'static str,
    /// Name for people.
    pub title: Cow<'static, str>,
    /// Why it matters.
    pub why: Cow<'static, str>,
    /// What to do.
    pub action: Cow<'static, str>,
    /// Its severities in words.
    pub severity: &'static str,
    /// Control ids that it is relevant to.
    pub controls: Vec<&'static str>,
    /// The expression of a rule that the configuration makes.
    pub expression: Option<Shown>,
    /// What came of it.
    pub standing: RuleStanding,
    /// Findings.
    pub total: u64,
    /// Findings by severity, gravest first: critical, high, medium, low, info.
    pub by_severity: [u64; 5],
    /// Findings among them that somebody accepts.
    pub excepted: u64,
    /// Where its findings stand: `3 new, 9 open, 1 excepted, 2 resolved`; empty where it has none.
    pub lives: String,
    /// The bar, gravest first, without empty pieces.
    pub bar: Vec<BarSegment>,
    /// Over what it ran: `the rule ran over 412 of 412 accounts`.
    pub ran: String,
    /// Where it did not.
    pub gaps: Bounded<Gap>,
}

impl RuleSummary {
    /// The result for the controls table.
    pub fn result(&self) -> String {
        let somewhere = if self.gaps.is_empty() { "" } else { ", not judged in full" };
        match self.standing {
            RuleStanding::Findings => format!("{}{somewhere}", counted(self.total, "finding", "findings")),
            RuleStanding::Passed => "passed".to_owned(),
            RuleStanding::PassedInPart => "passed in part".to_owned(),
            RuleStanding::NoSubject => "nothing to judge".to_owned(),
            RuleStanding::Unjudged => "could not be judged".to_owned(),
            RuleStanding::Off => "off".to_owned(),
        }
    }

    /// The name of the result's style.
    pub fn class(&self) -> &'static str {
        match self.standing {
            RuleStanding::Findings => "found",
            RuleStanding::Passed => "proven",
            RuleStanding::PassedInPart | RuleStanding::Unjudged => "unproven",
            RuleStanding::Off | RuleStanding::NoSubject => "absent",
        }
    }

    /// What stands beside the result.
    pub fn symbol(&self) -> &'static str {
        match self.standing {
            RuleStanding::Findings => "●",
            RuleStanding::Passed => "✓",
            RuleStanding::PassedInPart | RuleStanding::Unjudged => "!",
            RuleStanding::Off | RuleStanding::NoSubject => "–",
        }
    }
}

pub(super) fn results(index: &Index<'_>) -> Vec<RuleSummary> {
    let mut results: Vec<RuleSummary> = order(index).into_iter().map(|rule| result(index, rule)).collect();
    let longest = results.iter().map(|r| r.total).max().unwrap_or(0);
    for result in &mut results {
        result.bar = bar(&result.by_severity, longest);
    }
    results
}

/// The catalogue's order; rules that it does not hold come after.
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
        standing: standing(index, rule, total, gaps.is_empty()),
        total,
        by_severity,
        excepted: index.standing().filter(|f| f.rule == rule && f.status == FindingStatus::Excepted).count() as u64,
        lives: lives(index, rule),
        bar: Vec::new(),
        ran: ran(index, rule),
        gaps: Bounded::cut(gaps, GAPS),
    }
}

fn by_severity(index: &Index<'_>, rule: Rule) -> [u64; 5] {
    let mut counts = [0; 5];
    for finding in index.standing().filter(|f| f.rule == rule) {
        counts[place(finding.severity)] += 1;
    }
    counts
}

fn lives(index: &Index<'_>, rule: Rule) -> String {
    let of_rule = |status| index.input.findings.iter().filter(move |f| f.rule == rule && f.status == status).count();
    let counts = FindingStatus::ALL.into_iter().map(|status| (of_rule(status) as u64, status.as_str()));
    let words: Vec<String> =
        counts.filter(|(count, _)| *count > 0).map(|(count, word)| format!("{} {word}", thousands(count))).collect();
    words.join(", ")
}

fn place(severity: Severity) -> usize {
    match severity {
        Severity::Critical => 0,
        Severity::High => 1,
        Severity::Medium => 2,
        Severity::Low => 3,
        Severity::Info => 4,
    }
}

fn standing(index: &Index<'_>, rule: Rule, total: u64, without_gaps: bool) -> RuleStanding {
    let mut evaluations = index.evaluations(rule).peekable();
    if total > 0 {
        RuleStanding::Findings
    } else if evaluations.peek().is_some() && evaluations.all(|v| v.outcome == RuleOutcome::Off) {
        RuleStanding::Off
    } else if !index.is_evaluated(rule) {
        RuleStanding::Unjudged
    } else if without_gaps && index.subjects(rule) == 0 {
        RuleStanding::NoSubject
    } else if without_gaps {
        RuleStanding::Passed
    } else {
        RuleStanding::PassedInPart
    }
}

fn ran(index: &Index<'_>, rule: Rule) -> String {
    let (mut over, mut of) = (0, 0);
    for evaluation in index.evaluations(rule) {
        if let RuleOutcome::Evaluated { subjects, undetermined } = evaluation.outcome {
            over = u64::saturating_add(over, subjects.saturating_sub(undetermined));
            of = u64::saturating_add(of, subjects);
        }
    }
    let (one, many) = noun(index, rule);
    if of == 0 && !index.is_evaluated(rule) {
        return "the rule did not run".to_owned();
    }
    format!("the rule ran over {} of {}", thousands(over), counted(of, one, many))
}

/// What a rule runs over. Groups are looked at for dangling members only where they list their members themselves.
fn noun(index: &Index<'_>, rule: Rule) -> (&'static str, &'static str) {
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
        let (source, why) = (Shown::name("every source"), Shown::name("there was nothing to judge"));
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
                gaps.push(gap(&format!("the data did not suffice for {}", counted(*undetermined, one, many))));
            }
            let of_accounts =
                !matches!(evaluation.rule, Rule::CollectionIncomplete | Rule::EmptyGroup | Rule::PrivilegedGrowth);
            if of_accounts && !index.is_proven(source, ListKind::Users) {
                let why = "the list of users is not proven complete: only the accounts that came were judged";
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

fn bar(by_severity: &[u64; 5], longest: u64) -> Vec<BarSegment> {
    let mut x = 0.0;
    let mut segments = Vec::new();
    for (severity, count) in Severity::ALL.iter().rev().zip(by_severity).filter(|(_, count)| **count > 0) {
        #[expect(clippy::cast_precision_loss, reason = "the width of a bar on a page")]
        let width = (BAR * *count as f64 / longest.max(1) as f64).max(0.6);
        segments.push(BarSegment { severity: severity.as_str(), count: *count, x, width });
        x += width;
    }
    segments
}
