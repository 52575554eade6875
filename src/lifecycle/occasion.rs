//! Why an event about a finding is sent in this run: what happened to it, or that it is still open.
//!
//! This is the one place that decides it. `syslog` chooses the events of a destination by it and names it in
//! `event.action`. The result depends only on snapshots, so that a repeated run sends the same events.

#[cfg(test)]
mod tests;

use super::KnownFindings;
use crate::model::{Finding, FindingStatus, Instant, Rule, Severity};
use serde_json::Value;

/// Why an event about a finding is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// It was found for the first time.
    Opened,
    /// It was found again after it had been resolved, or the exception that accepted it no longer applies.
    Reopened,
    /// Its severity changed, or an occurrence that the rule reports happened again.
    Changed,
    /// Nothing happened to it since the baseline.
    Reminder,
    /// It was resolved.
    Resolved,
    /// An exception accepts it from this run on.
    Excepted,
}

impl Occasion {
    /// Every occasion.
    pub const ALL: [Self; 6] =
        [Self::Opened, Self::Reopened, Self::Changed, Self::Reminder, Self::Resolved, Self::Excepted];

    /// Returns the word for the occasion, as in `event.action`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Reopened => "reopened",
            Self::Changed => "changed",
            Self::Reminder => "reminder",
            Self::Resolved => "resolved",
            Self::Excepted => "excepted",
        }
    }
}

impl KnownFindings {
    /// Returns what happened to a finding since the baseline; `None` if nothing did.
    pub fn transition(&self, finding: &Finding) -> Option<Occasion> {
        let before = self.unresolved.get(&finding.fingerprint);
        let was_excepted = before.is_some_and(|before| before.status == FindingStatus::Excepted);
        match finding.status {
            FindingStatus::New => Some(Occasion::Opened),
            FindingStatus::Reopened => Some(Occasion::Reopened),
            FindingStatus::Resolved => Some(Occasion::Resolved),
            FindingStatus::Excepted if !was_excepted => Some(Occasion::Excepted),
            // An exception accepts a finding as it was; somebody may have to decide again about a more severe one.
            FindingStatus::Excepted => self.previous_severity(finding).map(|_| Occasion::Changed),
            FindingStatus::Open if was_excepted => Some(Occasion::Reopened),
            FindingStatus::Open => before.is_some_and(|before| has_news(before, finding)).then_some(Occasion::Changed),
        }
    }

    /// Returns the severity in the baseline, if the finding has another one now.
    pub fn previous_severity(&self, finding: &Finding) -> Option<Severity> {
        let before = self.unresolved.get(&finding.fingerprint)?.severity;
        (before != finding.severity).then_some(before)
    }

    /// Returns whether a reminder of an open finding is due, once in every period of `days` days; 0 days means never.
    ///
    /// The fingerprint chooses the day of the period (UTC), so that reminders are spread evenly over all days. A
    /// reminder whose day had no run is due in the next run.
    pub fn is_due(&self, finding: &Finding, days: u32, as_of: Instant) -> bool {
        let Some(before) = self.as_of.filter(|_| days > 0 && finding.status == FindingStatus::Open) else {
            return false;
        };
        let chosen_day = i64::from(finding.fingerprint.slot(days));
        // Counts the chosen days up to an instant, from a fixed day on.
        let chosen_days =
            |at: Instant| (at.timestamp().div_euclid(SECONDS_OF_A_DAY) - chosen_day).div_euclid(i64::from(days));
        chosen_days(as_of) > chosen_days(before)
    }
}

const SECONDS_OF_A_DAY: i64 = 86_400;

/// Returns whether an open finding changed in a way that a reader should know.
fn has_news(before: &Finding, now: &Finding) -> bool {
    // Evidence that distinguishes one occurrence from the next. All other evidence, such as an age, changes every day.
    let occurrence: &[&str] = match now.rule {
        Rule::PrivilegedGrowth => &["base_run", "new_members"],
        Rule::BreakGlassUsed => &["last_login"],
        _ => &[],
    };
    let read = |finding: &Finding| -> Value { serde_json::from_str(&finding.evidence()).unwrap_or_default() };
    let differs = |(before, now): (Value, Value)| occurrence.iter().any(|key| before[*key] != now[*key]);
    before.severity != now.severity || (!occurrence.is_empty() && differs((read(before), read(now))))
}
