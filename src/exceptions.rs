//! Accepted exceptions: findings that somebody has accepted, with an owner, a reason and a last day. Pure.
//!
//! `config` reads the file of exceptions, `run` applies them to the findings. This module knows no files.
//!
//! An exception hides nothing: an accepted finding has the status `excepted`, is counted, and names the exception.
//! After the last day the finding is open again, and a finding of the rule `exception-expired` says so.

#[cfg(test)]
mod tests;

use crate::model::{Advice, Finding, FindingStatus, Fingerprint, Instant, Pattern, Rule, Severity, SourceName};
use crate::rules;
use crate::rules::policy::{Override, Policy};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Longest duration of an exception in days: 12 months from the day of the run, leap years included.
pub const LONGEST_DAYS: i64 = 366;
/// Number of days before its end at which a run warns about an exception.
pub const WARNING_DAYS: i64 = 14;

/// An entry of the exceptions file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Line of the file on which it begins, from 1.
    pub line: usize,
    /// Rule whose findings it accepts.
    pub rule: Rule,
    /// Pattern for the id or name of the subject.
    pub subject: Pattern,
    /// Name of the source; `None` for every source.
    pub source: Option<String>,
    /// Why the finding is accepted.
    pub reason: String,
    /// Person or team that is responsible.
    pub owner: String,
    /// Ticket of the decision.
    pub ticket: Option<String>,
    /// Last day (UTC) on which it applies.
    pub until: NaiveDate,
}

impl Exception {
    /// Returns whether the exception is about this finding.
    pub fn names(&self, finding: &Finding) -> bool {
        self.rule == finding.rule
            && self.is_of(&finding.source)
            && self.subject.matches(&finding.subject.id, finding.subject.name.as_deref())
    }

    /// Returns whether the exception is about this source.
    pub fn is_of(&self, source: &SourceName) -> bool {
        self.source.as_deref().is_none_or(|wanted| wanted == source.as_str())
    }

    /// Returns whether the exception still applies at this time.
    pub fn is_in_force(&self, as_of: Instant) -> bool {
        as_of.date_naive() <= self.until
    }

    /// Returns the number of days until the last day; negative after it.
    pub fn days_left(&self, as_of: Instant) -> i64 {
        (self.until - as_of.date_naive()).num_days()
    }

    /// Returns the value of the `exception` column.
    pub fn in_words(&self) -> String {
        let ticket = self.ticket.as_ref().map_or_else(String::new, |ticket| format!(", ticket {ticket}"));
        format!("{} (owner {}, until {}{ticket})", self.reason, self.owner, self.until)
    }

    /// Returns the name of the exception in warnings.
    fn name(&self) -> String {
        let source = self.source.as_ref().map_or_else(String::new, |source| format!(" in {source}"));
        format!("the exception in line {} ({} of {}{source})", self.line, self.rule.as_str(), self.subject)
    }
}

/// Instants of a run that decide over exceptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Instant that every age is computed from.
    pub as_of: Instant,
    /// Instant by which exceptions end. It is earlier than `as_of` if the clock may be wrong.
    pub ends_by: Instant,
}

impl From<Instant> for Expiry {
    fn from(as_of: Instant) -> Self {
        Self { as_of, ends_by: as_of }
    }
}

/// Effect of an exception in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExceptionUse {
    /// The entry of the file.
    pub exception: Exception,
    /// Whether its last day has not passed.
    pub in_force: bool,
    /// Whether every source that it is about was read. If not, it may accept findings that this run could not see.
    pub was_read: bool,
    /// Findings that it accepts. For an expired exception: unresolved findings that it accepted.
    pub covers: Vec<Fingerprint>,
    /// Lines of earlier entries that accept findings which match this entry too.
    pub overlaps: BTreeSet<usize>,
}

/// Effect of all exceptions in a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExceptionEffects {
    /// One for each entry, in the order of the file.
    pub uses: Vec<ExceptionUse>,
    /// Findings of the rule `exception-expired`, all with the status `new`. `lifecycle` sets their status.
    pub expired: Vec<Finding>,
}

/// Marks accepted findings. If several entries apply to a finding, the first of the file counts.
pub fn apply(
    findings: &mut [Finding],
    exceptions: &[Exception],
    policy: &Policy,
    expiry: impl Into<Expiry>,
) -> ExceptionEffects {
    let Expiry { as_of, ends_by } = expiry.into();
    let new = |exception: &Exception| ExceptionUse {
        exception: exception.clone(),
        in_force: exception.is_in_force(ends_by),
        was_read: true,
        covers: Vec::new(),
        overlaps: BTreeSet::new(),
    };
    let advice = Arc::new(rules::advice_of(Rule::ExceptionExpired, policy));
    let mut applied = ExceptionEffects { uses: exceptions.iter().map(new).collect(), expired: Vec::new() };
    for finding in findings.iter_mut().filter(|finding| finding.status.is_unresolved()) {
        let matching = applied.uses.iter_mut().filter(|it| it.exception.names(finding));
        let (mut in_force, expired_uses): (Vec<&mut ExceptionUse>, Vec<&mut ExceptionUse>) =
            matching.partition(|it| it.in_force);
        if let Some((first, others)) = in_force.split_first_mut() {
            first.covers.push(finding.fingerprint);
            for other in others {
                other.overlaps.insert(first.exception.line);
            }
            finding.status = FindingStatus::Excepted;
            finding.exception = Some(first.exception.in_words().into());
        } else if let Some(last) = expired_uses.into_iter().max_by_key(|it| it.exception.until) {
            last.covers.push(finding.fingerprint);
            applied.expired.extend(expired(finding, &last.exception, &advice, policy, as_of));
        }
    }
    applied
}

/// Creates the finding that an exception for another finding has expired; `None` if the rule is switched off.
fn expired(
    covered: &Finding,
    exception: &Exception,
    advice: &Arc<Advice>,
    policy: &Policy,
    as_of: Instant,
) -> Option<Finding> {
    let rule = Rule::ExceptionExpired;
    let severity = match policy.rules.get(&rule) {
        Some(Override::Off) => return None,
        Some(Override::Severity(wanted)) => *wanted,
        // An expired exception needs a decision, even if the finding itself is minor.
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
        "the exception for {} expired after {} and the finding is still open: {} (owner {})",
        covered.rule.as_str(),
        exception.until,
        exception.reason,
        exception.owner
    );
    Some(Finding {
        source: covered.source.clone(),
        // The identity derives from the finding, not its subject: two exceptions for one account are two findings.
        fingerprint: Fingerprint::of(&["f1", rule.as_str(), &covered.fingerprint.to_string()]),
        rule,
        severity,
        status: FindingStatus::New,
        subject: covered.subject.clone(),
        contact: covered.contact.clone(),
        wording: (title.as_str(), evidence.to_string().as_str()).into(),
        advice: Arc::clone(advice),
        first_seen: as_of,
        last_seen: as_of,
        exception: None,
    })
}

impl ExceptionUse {
    /// Returns the warnings about the entry, for people.
    pub fn warnings(&self, expiry: impl Into<Expiry>) -> Vec<String> {
        let (name, until) = (self.exception.name(), self.exception.until);
        let mut warnings = Vec::new();
        let left = self.exception.days_left(expiry.into().as_of);
        if self.in_force && left <= WARNING_DAYS {
            warnings.push(match left {
                ..0 => format!("{name} stays in force after its last day {until}, because the clock may be wrong"),
                0 => format!("{name} ends today"),
                1 => format!("{name} ends tomorrow, on {until}"),
                days => format!("{name} ends in {days} days, on {until}"),
            });
        }
        if !self.overlaps.is_empty() {
            let lines: Vec<String> = self.overlaps.iter().map(ToString::to_string).collect();
            warnings.push(format!("{name} overlaps with the one in line {}, which applies", lines.join(", ")));
        } else if self.is_useless() {
            let expired = if self.in_force { "" } else { " and has expired" };
            warnings.push(format!("{name} covers no finding{expired}; remove it or correct it"));
        }
        warnings
    }

    /// Returns whether it is proven that the entry accepts nothing. One of its warnings says so.
    pub fn is_useless(&self) -> bool {
        // These rules report occurrences, so that most runs find nothing to accept.
        let is_quiet = matches!(self.exception.rule, Rule::PrivilegedGrowth | Rule::BreakGlassUsed) && self.in_force;
        self.overlaps.is_empty() && self.covers.is_empty() && self.was_read && !is_quiet
    }

    /// Returns the state of the entry in one or two words, as in `exceptions.json` and the report.
    pub fn state(&self) -> &'static str {
        match (self.in_force, self.covers.is_empty(), self.overlaps.is_empty()) {
            (false, true, _) => "expired, unused",
            (false, false, _) => "expired",
            (true, true, false) => "overlapped",
            (true, true, true) if !self.was_read => "source not read",
            (true, true, true) => "unused",
            (true, false, _) => "in force",
        }
    }

    /// Returns the entry of `exceptions.json` in the snapshot.
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

    /// Reads an entry of `exceptions.json`. `rule` returns the rules of that run. The error names the unknown value.
    pub fn of_entry(
        entry: ExceptionRecord,
        rule: impl Fn(&str) -> Option<Rule>,
        expiry: impl Into<Expiry>,
    ) -> Result<Self, String> {
        let unknown = |what: &str| format!("entry of line {}: unknown value {what:?}", entry.line);
        let covers = entry.findings.iter().map(|text| Fingerprint::parse(text).ok_or_else(|| unknown(text)));
        let covers = covers.collect::<Result<_, _>>()?;
        let rule = rule(&entry.rule).ok_or_else(|| unknown(&entry.rule))?;
        let subject = Pattern::parse(&entry.subject).map_err(|_| unknown(&entry.subject))?;
        let ExceptionRecord { line, source, source_read: was_read, reason, owner, ticket, until, overlaps, .. } = entry;
        let exception = Exception { line, rule, subject, source, reason, owner, ticket, until };
        let in_force = exception.is_in_force(expiry.into().ends_by);
        Ok(Self { exception, in_force, was_read, covers, overlaps })
    }
}

/// An entry of `exceptions.json` in the snapshot: an exception and its effect in that run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionRecord {
    /// Line of the exceptions file on which it begins, from 1.
    line: usize,
    rule: String,
    subject: String,
    source: Option<String>,
    /// Whether every source that it is about was read.
    source_read: bool,
    reason: String,
    owner: String,
    ticket: Option<String>,
    /// Last day (UTC) on which it applies.
    until: NaiveDate,
    /// State in one or two words; see [`ExceptionUse::state`].
    state: String,
    /// Fingerprints of the findings that it accepts.
    findings: Vec<String>,
    /// Lines of earlier entries that accept findings which match this entry too.
    overlaps: BTreeSet<usize>,
}
