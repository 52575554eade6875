//! What becomes of findings over runs: new, open, reopened, resolved. Pure: what this run found, what the snapshots before it
//! say, and what this run knows of each subject, become one list. Knows no disk and no exceptions.
//!
//! `resolved` is said only of a subject that was *seen* to be fine, or that is provably gone. Everything else that stood before
//! stands on, with its old evidence and its old `last_seen`: nothing vanishes silently.

#[cfg(test)]
mod tests;
mod visibility;

pub use visibility::{CurrentRun, Visibility};

use crate::model::{Finding, FindingStatus, Fingerprint, Instant, Resolved, Rule, SourceName, SubjectKind, UserId};
use ahash::{AHashMap, AHashSet};
use serde_json::Value;
use std::collections::BTreeMap;

/// What the snapshot before says of findings.
#[derive(Clone, Debug, Default)]
pub struct KnownFindings {
    /// Those that stand in it.
    pub standing: AHashMap<Fingerprint, Finding>,
    /// What is kept of those that are over.
    pub over: AHashMap<Fingerprint, Resolved>,
    /// Its instant.
    pub as_of: Option<Instant>,
}

/// What became of all findings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LifecycleUpdate {
    /// Sorted as the judgement sorts them; none is excepted yet.
    pub findings: Vec<Finding>,
    /// How many are told no longer because nobody wants to know, by the reason in words.
    pub set_aside: BTreeMap<&'static str, u64>,
}

/// Joins what was found now with what stood before, for the rules that `of` names.
pub fn live(
    found: Vec<Finding>,
    past: &KnownFindings,
    of: impl Fn(Rule) -> bool,
    sight: impl Fn(&Finding) -> Visibility,
) -> LifecycleUpdate {
    let mut update = LifecycleUpdate::default();
    let mut before: AHashMap<&Fingerprint, &Finding> = past.standing.iter().filter(|(_, f)| of(f.rule)).collect();
    for mut finding in found {
        let stood = before.remove(&finding.fingerprint);
        let was = past.over.get(&finding.fingerprint);
        carry_on(&mut finding, stood, was);
        update.findings.push(finding);
    }
    for earlier in before.into_values() {
        let status = match sight(earlier) {
            Visibility::Fine | Visibility::Gone => FindingStatus::Resolved,
            Visibility::Unknown => FindingStatus::Open,
            Visibility::SetAside(why) => {
                *update.set_aside.entry(why).or_insert(0) += 1;
                continue;
            }
        };
        update.findings.push(Finding { status, exception: None, ..earlier.clone() });
    }
    sort(&mut update.findings);
    update
}

/// Keeps severities that stood, where a source was not read completely: severity depends on privilege and on the kind of account,
/// which lists of their own show. A finding is no less grave because one of them failed.
pub fn keep_severities(found: &mut [Finding], past: &KnownFindings, is_complete: impl Fn(&SourceName) -> bool) {
    for finding in found.iter_mut().filter(|finding| finding.subject.kind != SubjectKind::Source) {
        let stood = past.standing.get(&finding.fingerprint).map(|earlier| earlier.severity);
        if let Some(stood) = stood.filter(|stood| *stood > finding.severity && !is_complete(&finding.source)) {
            finding.keep_severity(stood);
        }
    }
}

/// What is kept of earlier sights of a finding that is found.
fn carry_on(finding: &mut Finding, stood: Option<&Finding>, was: Option<&Resolved>) {
    let as_of = finding.last_seen;
    let times_seen = match (stood, was) {
        (Some(earlier), _) => {
            finding.status = FindingStatus::Open;
            // An instant may lie before that of an earlier run: what was seen later is not forgotten, nor seen first now.
            finding.last_seen = earlier.last_seen.max(as_of);
            finding.first_seen = earlier.first_seen.min(finding.last_seen);
            // A run that judges by the same instant again sees nothing that was not seen.
            earlier.times_seen() + u64::from(earlier.last_seen < as_of)
        }
        (None, Some(over)) => {
            finding.status = FindingStatus::Reopened;
            finding.first_seen = over.first_seen.min(as_of);
            over.times_seen + 1
        }
        (None, None) => 1,
    };
    finding.set_times_seen(times_seen);
}

/// The order of the table: source, rule, kind of subject, subject (numbers as numbers), identity.
pub(crate) fn sort(findings: &mut [Finding]) {
    findings.sort_by_cached_key(|finding| {
        (
            finding.source.to_string(),
            finding.rule.as_str(),
            finding.subject.kind.as_str(),
            UserId::from(finding.subject.id.clone()),
            finding.fingerprint,
        )
    });
}

/// What happened to a finding between the newest snapshot and this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// It is new, or back; or an exception that covered it covers it no longer.
    Opened,
    /// Its severity is another; or, of what happens at a time, it happened again.
    Changed,
    /// An exception covers it now.
    Excepted,
    /// It is over.
    Resolved,
}

impl KnownFindings {
    /// Forgets what is said of a source.
    pub fn forget(&mut self, source: &SourceName) -> usize {
        let before = self.standing.len();
        self.standing.retain(|_, finding| finding.source != *source);
        self.over.retain(|_, over| over.source != *source);
        before - self.standing.len()
    }

    /// What is kept of findings that are over, after a run that has these: those of configured sources that are not back, since this
    /// instant.
    pub fn resolved(
        &self,
        findings: &[Finding],
        as_of: Instant,
        since: Instant,
        is_configured: impl Fn(&SourceName) -> bool,
    ) -> Vec<Resolved> {
        let is_here: AHashSet<Fingerprint> = findings.iter().map(|finding| finding.fingerprint).collect();
        let set_aside = self.standing.values().filter(|finding| !is_here.contains(&finding.fingerprint));
        let set_aside = set_aside.filter(|finding| is_configured(&finding.source));
        let stays = |over: &&Resolved| !is_here.contains(&over.fingerprint) && is_configured(&over.source);
        let earlier = self.over.values().filter(stays).cloned();
        let now = findings
            .iter()
            .filter(|finding| !finding.status.stands())
            .chain(set_aside)
            .map(|finding| Resolved::of(finding, as_of));
        let mut all: Vec<Resolved> = earlier.chain(now).filter(|over| over.resolved_at > since).collect();
        all.sort_by(|a, b| (a.source.as_str(), a.fingerprint).cmp(&(b.source.as_str(), b.fingerprint)));
        all
    }

    /// What happened to this finding; `None` where it stands as it stood.
    pub fn transition(&self, finding: &Finding) -> Option<Transition> {
        let before = self.standing.get(&finding.fingerprint);
        let was_excepted = before.is_some_and(|before| before.status == FindingStatus::Excepted);
        match finding.status {
            FindingStatus::New | FindingStatus::Reopened => Some(Transition::Opened),
            FindingStatus::Resolved => Some(Transition::Resolved),
            FindingStatus::Excepted => (!was_excepted).then_some(Transition::Excepted),
            FindingStatus::Open if was_excepted => Some(Transition::Opened),
            FindingStatus::Open => before.is_some_and(|before| is_news(before, finding)).then_some(Transition::Changed),
        }
    }

    /// Whether an open finding is due to be told again: a whole multiple of `days` since it was first seen lies between the
    /// newest snapshot's instant and this one. 0 days: never. Depends on nothing but the snapshots.
    pub fn is_due(&self, finding: &Finding, days: u32, as_of: Instant) -> bool {
        let Some(before) = self.as_of.filter(|_| days > 0 && finding.status == FindingStatus::Open) else {
            return false;
        };
        let times = |at: Instant| (at - finding.first_seen).num_seconds().div_euclid(i64::from(days) * 86_400);
        times(as_of) > times(before).max(0)
    }
}

/// What stands on and is news all the same.
fn is_news(before: &Finding, now: &Finding) -> bool {
    // What tells one time from another; a run with the same base, or one that could not look, tells the same again.
    let of_a_time: &[&str] = match now.rule {
        Rule::PrivilegedGrowth => &["base_run", "new_members"],
        Rule::BreakGlassUsed => &["last_login"],
        _ => &[],
    };
    let read = |finding: &Finding| -> Value { serde_json::from_str(&finding.evidence).unwrap_or_default() };
    let differs = |(before, now): (Value, Value)| of_a_time.iter().any(|key| before[*key] != now[*key]);
    before.severity != now.severity || (!of_a_time.is_empty() && differs((read(before), read(now))))
}
