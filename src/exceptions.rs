//! Accepted exceptions: which findings somebody answers for, until when and why. Pure: entries and findings in, findings and a
//! list of what each entry did out. Knows no file; reading it is the configuration's.
//!
//! An exception hides nothing: what it covers has the status `excepted`, is counted, and names it. After its last day the
//! finding is back, and `exception-expired` stands beside it.

#[cfg(test)]
mod tests;

use crate::model::{Finding, FindingStatus, Fingerprint, Instant, Pattern, Rule, Severity, SourceName};
use crate::rules;
use crate::rules::policy::{Override, Policy};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;

/// The longest life of an exception: 12 months from the day of the run, however long February is.
pub const LONGEST_DAYS: i64 = 366;
/// So many days before its end an exception is warned of.
pub const WARNING_DAYS: i64 = 14;

/// One entry of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// The line on which it begins.
    pub line: usize,
    /// Whose findings it covers.
    pub rule: Rule,
    /// About which subject, by id or name.
    pub subject: Pattern,
    /// Of which source; of any where it is `None`.
    pub source: Option<String>,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// Where it was decided.
    pub ticket: Option<String>,
    /// The last day (UTC) on which it holds.
    pub until: NaiveDate,
}

impl Exception {
    /// Whether it is about this finding.
    pub fn names(&self, finding: &Finding) -> bool {
        self.rule == finding.rule
            && self.is_of(&finding.source)
            && self.subject.matches(&finding.subject.id, finding.subject.name.as_deref())
    }

    /// Whether it is about this source.
    pub fn is_of(&self, source: &SourceName) -> bool {
        self.source.as_deref().is_none_or(|wanted| wanted == source.as_str())
    }

    /// Whether its last day is not over.
    pub fn is_in_force(&self, as_of: Instant) -> bool {
        as_of.date_naive() <= self.until
    }

    /// Days until its last day; negative after it.
    pub fn days_left(&self, as_of: Instant) -> i64 {
        (self.until - as_of.date_naive()).num_days()
    }

    /// The `exception` column.
    pub fn in_words(&self) -> String {
        let ticket = self.ticket.as_ref().map_or_else(String::new, |ticket| format!(", ticket {ticket}"));
        format!("{} (owner {}, until {}{ticket})", self.reason, self.owner, self.until)
    }

    /// How warnings call it.
    fn name(&self) -> String {
        let source = self.source.as_ref().map_or_else(String::new, |source| format!(" in {source}"));
        format!("the exception in line {} ({} of {}{source})", self.line, self.rule.as_str(), self.subject)
    }
}

/// What one entry did in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExceptionUse {
    /// The entry.
    pub exception: Exception,
    /// Its last day is not over.
    pub in_force: bool,
    /// Every source that it is of was read, so that it could cover something.
    pub was_read: bool,
    /// Findings that it covers; of one that is over, those that it covered and that stand.
    pub covers: Vec<Fingerprint>,
    /// Lines of entries before it that cover findings which it names too.
    pub overlaps: BTreeSet<usize>,
}

/// What exceptions did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// One an entry, in the order of the file.
    pub uses: Vec<ExceptionUse>,
    /// Findings of `exception-expired`, as a rule finds them: `new`, without memory.
    pub expired: Vec<Finding>,
}

/// Marks what is covered. Of several entries in force the first of the file counts.
pub fn apply(findings: &mut [Finding], exceptions: &[Exception], policy: &Policy, as_of: Instant) -> Applied {
    let new = |exception: &Exception| ExceptionUse {
        exception: exception.clone(),
        in_force: exception.is_in_force(as_of),
        was_read: true,
        covers: Vec::new(),
        overlaps: BTreeSet::new(),
    };
    let mut applied = Applied { uses: exceptions.iter().map(new).collect(), expired: Vec::new() };
    for finding in findings.iter_mut().filter(|finding| finding.status.stands()) {
        let naming = applied.uses.iter_mut().filter(|it| it.exception.names(finding));
        let (mut in_force, over): (Vec<&mut ExceptionUse>, Vec<&mut ExceptionUse>) = naming.partition(|it| it.in_force);
        if let Some((first, others)) = in_force.split_first_mut() {
            first.covers.push(finding.fingerprint);
            for other in others {
                other.overlaps.insert(first.exception.line);
            }
            finding.status = FindingStatus::Excepted;
            finding.exception = Some(first.exception.in_words().into());
        } else if let Some(last) = over.into_iter().max_by_key(|it| it.exception.until) {
            last.covers.push(finding.fingerprint);
            applied.expired.extend(expired(finding, &last.exception, policy, as_of));
        }
    }
    applied
}

/// The finding that says that nobody answers for another one any more.
fn expired(covered: &Finding, exception: &Exception, policy: &Policy, as_of: Instant) -> Option<Finding> {
    let rule = Rule::ExceptionExpired;
    let severity = match policy.rules.get(&rule) {
        Some(Override::Off) => return None,
        Some(Override::Severity(wanted)) => *wanted,
        None => covered.severity.max(Severity::Medium),
    };
    let evidence = json!({
        "covered_rule": covered.rule.as_str(),
        "finding": covered.fingerprint.to_string(),
        "owner": exception.owner,
        "reason": exception.reason,
        "ticket": exception.ticket,
        "until": exception.until.to_string(),
    });
    let title = format!(
        "the exception for {} ended with {} and the finding stands: {} (owner {})",
        covered.rule.as_str(),
        exception.until,
        exception.reason,
        exception.owner
    );
    Some(Finding {
        source: covered.source.clone(),
        // Of the finding, and not of its subject: two exceptions for one account are two findings.
        fingerprint: Fingerprint::of(&["f1", rule.as_str(), &covered.fingerprint.to_string()]),
        rule,
        severity,
        status: FindingStatus::New,
        subject: covered.subject.clone(),
        title: title.into(),
        evidence: evidence.to_string().into(),
        action: rules::action_of(rule, policy),
        controls: rules::controls_of(rule, &policy.frameworks),
        first_seen: as_of,
        last_seen: as_of,
        exception: None,
    })
}

impl ExceptionUse {
    /// What somebody should know of the entry, for people.
    pub fn warnings(&self, as_of: Instant) -> Vec<String> {
        let (name, until) = (self.exception.name(), self.exception.until);
        let mut warnings = Vec::new();
        let left = self.exception.days_left(as_of);
        if self.in_force && left <= WARNING_DAYS {
            warnings.push(match left {
                0 => format!("{name} ends today"),
                1 => format!("{name} ends tomorrow, with {until}"),
                days => format!("{name} ends in {days} days, with {until}"),
            });
        }
        if !self.overlaps.is_empty() {
            let lines: Vec<String> = self.overlaps.iter().map(ToString::to_string).collect();
            warnings.push(format!("{name} overlaps with the one in line {}, which counts", lines.join(", ")));
        } else if self.covers.is_empty() {
            let over = if self.in_force { "" } else { ", and is over" };
            // What happens at a time is no finding on a quiet day.
            let is_quiet =
                matches!(self.exception.rule, Rule::PrivilegedGrowth | Rule::BreakGlassUsed) && self.in_force;
            if self.was_read && !is_quiet {
                warnings.push(format!("{name} covers no finding{over}; remove it, or correct it"));
            }
        }
        warnings
    }

    /// What it came to, in one or two words.
    pub fn state(&self) -> &'static str {
        match (self.in_force, self.covers.is_empty(), self.overlaps.is_empty()) {
            (false, true, _) => "over, unused",
            (false, false, _) => "expired",
            (true, true, false) => "overlapped",
            (true, true, true) if !self.was_read => "source not read",
            (true, true, true) => "unused",
            (true, false, _) => "in force",
        }
    }

    /// Its entry in the snapshot's `exceptions.json`.
    pub fn entry(&self) -> ExceptionRecord {
        let it = self.exception.clone();
        ExceptionRecord {
            line: it.line,
            rule: it.rule.as_str().to_owned(),
            subject: it.subject.to_string(),
            source: it.source,
            source_read: self.was_read,
            reason: it.reason,
            owner: it.owner,
            ticket: it.ticket,
            until: it.until,
            state: self.state().to_owned(),
            findings: self.covers.iter().map(ToString::to_string).collect(),
            overlaps: self.overlaps.clone(),
        }
    }

    /// The other way round. `rule` knows the rules of that run; the error says what is not understood.
    pub fn of_entry(
        entry: ExceptionRecord,
        rule: impl Fn(&str) -> Option<Rule>,
        as_of: Instant,
    ) -> Result<Self, String> {
        let unknown =
            |what: &str| format!("the entry of line {}: {what:?} is nothing that this version knows", entry.line);
        let covers = entry.findings.iter().map(|text| Fingerprint::parse(text).ok_or_else(|| unknown(text)));
        let covers = covers.collect::<Result<_, _>>()?;
        let rule = rule(&entry.rule).ok_or_else(|| unknown(&entry.rule))?;
        let subject = Pattern::parse(&entry.subject).map_err(|_| unknown(&entry.subject))?;
        let ExceptionRecord { line, source, source_read: was_read, reason, owner, ticket, until, overlaps, .. } = entry;
        let exception = Exception { line, rule, subject, source, reason, owner, ticket, until };
        Ok(Self { in_force: exception.is_in_force(as_of), exception, was_read, covers, overlaps })
    }
}

/// An entry of the snapshot's `exceptions.json`: an exception, and what it did in that run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionRecord {
    /// The line of the register on which it begins.
    line: usize,
    rule: String,
    subject: String,
    source: Option<String>,
    /// Every source that it is of was read.
    source_read: bool,
    reason: String,
    owner: String,
    ticket: Option<String>,
    /// The last day (UTC) on which it holds.
    until: NaiveDate,
    /// In one or two words.
    state: String,
    /// Fingerprints of what it covers.
    findings: Vec<String>,
    /// Lines of the entries that cover what it names too, and count.
    overlaps: BTreeSet<usize>,
}
