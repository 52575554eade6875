//! Status of findings over runs: new, open, reopened, resolved. Pure.
//!
//! `run` passes the findings of this run, those of the baseline, and what this run knows about each subject. The result
//! is one list. Exceptions are applied afterwards.
//!
//! A finding is resolved only if its subject passed the rule or was provably removed. Every other finding of the
//! baseline stays open, with its old evidence and its old `last_seen`. No finding disappears silently.

mod occasion;
#[cfg(test)]
mod tests;
mod visibility;

pub use occasion::Occasion;
pub use visibility::{CurrentRun, Visibility};

use crate::model::{Finding, FindingStatus, Fingerprint, Instant, Resolved, Rule, SourceName, SubjectKind};
use ahash::{AHashMap, AHashSet};
use std::collections::BTreeMap;

/// Findings of the baseline.
#[derive(Clone, Debug, Default)]
pub struct KnownFindings {
    /// Unresolved findings.
    pub unresolved: AHashMap<Fingerprint, Finding>,
    /// Records of resolved findings.
    pub resolved: AHashMap<Fingerprint, Resolved>,
    /// Time of the baseline's run; `None` without a baseline.
    pub as_of: Option<Instant>,
}

/// Findings after the update.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LifecycleUpdate {
    /// Findings in the sort order of the table; none is excepted yet.
    pub findings: Vec<Finding>,
    /// Number of findings that are no longer evaluated, by the reason in words.
    pub dropped: BTreeMap<&'static str, u64>,
}

/// Merges the findings of this run with those of the baseline, for rules that satisfy `is_updated`.
pub fn advance(
    mut found: Vec<Finding>,
    past: &KnownFindings,
    is_updated: impl Fn(Rule) -> bool,
    visibility: impl Fn(&Finding) -> Visibility,
) -> LifecycleUpdate {
    let mut dropped = BTreeMap::new();
    let mut before: AHashMap<&Fingerprint, &Finding> =
        past.unresolved.iter().filter(|(_, finding)| is_updated(finding.rule)).collect();
    for finding in &mut found {
        let unresolved = before.remove(&finding.fingerprint);
        let resolved = past.resolved.get(&finding.fingerprint);
        continue_history(finding, unresolved, resolved);
    }
    for earlier in before.into_values() {
        let status = match visibility(earlier) {
            Visibility::Passed | Visibility::Removed => FindingStatus::Resolved,
            Visibility::Unknown => FindingStatus::Open,
            Visibility::Dropped(why) => {
                *dropped.entry(why).or_insert(0) += 1;
                continue;
            }
        };
        // Exceptions are applied anew in every run, since they expire and change.
        found.push(Finding { status, exception: None, ..earlier.clone() });
    }
    sort(&mut found);
    LifecycleUpdate { findings: found, dropped }
}

/// Keeps earlier, higher severities for sources that were not read completely.
///
/// Severity depends on privilege and on the kind of account, which separate lists report. If one of them fails, the
/// finding must not become less severe.
pub fn keep_severities(found: &mut [Finding], past: &KnownFindings, is_complete: impl Fn(&SourceName) -> bool) {
    for finding in found.iter_mut().filter(|finding| finding.subject.kind != SubjectKind::Source) {
        let earlier = past.unresolved.get(&finding.fingerprint).map(|earlier| earlier.severity);
        if let Some(earlier) = earlier.filter(|earlier| *earlier > finding.severity && !is_complete(&finding.source)) {
            finding.keep_severity(earlier);
        }
    }
}

/// Sets the status, the dates and the count of a finding from its history.
fn continue_history(finding: &mut Finding, unresolved: Option<&Finding>, resolved: Option<&Resolved>) {
    let as_of = finding.last_seen;
    let times_seen = match (unresolved, resolved) {
        (Some(earlier), _) => {
            finding.status = FindingStatus::Open;
            // The clock of an earlier run may have been ahead, so dates never move backwards.
            finding.last_seen = earlier.last_seen.max(as_of);
            finding.first_seen = earlier.first_seen.min(finding.last_seen);
            // A repeated run for the same instant is not a new observation.
            earlier.wording.times_seen() + u64::from(earlier.last_seen < as_of)
        }
        (None, Some(resolved)) => {
            finding.status = FindingStatus::Reopened;
            finding.first_seen = resolved.first_seen.min(as_of);
            resolved.times_seen + 1
        }
        (None, None) => 1,
    };
    finding.wording.set_times_seen(times_seen);
}

/// Sorts findings in table order: source, rule, kind of subject, subject (numbers by value), identity.
pub fn sort(findings: &mut [Finding]) {
    findings.sort_by(Finding::in_table_order);
}

impl KnownFindings {
    /// Removes all findings of a source, and returns the number of unresolved ones.
    pub fn forget(&mut self, source: &SourceName) -> usize {
        let before = self.unresolved.len();
        self.unresolved.retain(|_, finding| finding.source != *source);
        self.resolved.retain(|_, resolved| resolved.source != *source);
        before - self.unresolved.len()
    }

    /// Returns the records of resolved findings after a run with these findings.
    ///
    /// Records are kept for configured sources, if the finding has not reopened and was resolved after `since`.
    pub fn resolved_after(
        &self,
        findings: &[Finding],
        as_of: Instant,
        since: Instant,
        is_configured: impl Fn(&SourceName) -> bool,
    ) -> Vec<Resolved> {
        let is_listed: AHashSet<Fingerprint> = findings.iter().map(|finding| finding.fingerprint).collect();
        // A finding of a rule that was switched off is recorded too, so that it reopens when the rule is switched on.
        let dropped = self.unresolved.values().filter(|finding| !is_listed.contains(&finding.fingerprint));
        let dropped = dropped.filter(|finding| is_configured(&finding.source));
        let is_kept = |record: &&Resolved| !is_listed.contains(&record.fingerprint) && is_configured(&record.source);
        let earlier = self.resolved.values().filter(is_kept).cloned();
        let now = findings
            .iter()
            .filter(|finding| !finding.status.is_unresolved())
            .chain(dropped)
            .map(|finding| Resolved::of(finding, as_of));
        let mut all: Vec<Resolved> = earlier.chain(now).filter(|record| record.resolved_at > since).collect();
        all.sort_by(|a, b| (a.source.as_str(), a.fingerprint).cmp(&(b.source.as_str(), b.fingerprint)));
        all
    }
}
