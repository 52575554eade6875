//! What becomes of findings over runs: new, open, reopened, resolved. Pure: what this run found, what the snapshots before it
//! say, and what this run knows of each subject, become one list. Knows no disk and no exceptions.
//!
//! `resolved` is said only of a subject that was *seen* to be fine, or that is provably gone. Everything else that stood before
//! stands on, with its old evidence and its old `last_seen`: nothing vanishes silently.

mod sight;
#[cfg(test)]
mod tests;

pub use sight::{Now, Sight};

use crate::model::{Finding, FindingStatus, Fingerprint, Instant, Rule, UserId};
use ahash::AHashMap;
use std::collections::BTreeMap;

/// What the snapshots that are kept say of findings.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Those that stand in the newest snapshot, complete or not: every snapshot holds all that stood when it was made.
    pub standing: AHashMap<Fingerprint, Finding>,
    /// Those that only older rows tell of: they were over.
    pub over: AHashMap<Fingerprint, Over>,
    /// The instant that the newest snapshot judged by.
    pub as_of: Option<Instant>,
}

/// What is kept of a finding that was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// When it was first seen.
    pub first_seen: Instant,
    /// At how many instants it was found.
    pub times_seen: u64,
}

/// What became of all findings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lived {
    /// Sorted as the judgement sorts them; none is excepted yet.
    pub findings: Vec<Finding>,
    /// How many are told no longer because nobody wants to know, by the reason in words.
    pub set_aside: BTreeMap<&'static str, u64>,
}

/// Joins what was found now with what stood before, for the rules that `of` names.
pub fn live(found: Vec<Finding>, past: &Past, of: impl Fn(Rule) -> bool, sight: impl Fn(&Finding) -> Sight) -> Lived {
    let mut lived = Lived::default();
    let mut before: AHashMap<&Fingerprint, &Finding> = past.standing.iter().filter(|(_, f)| of(f.rule)).collect();
    for mut finding in found {
        let stood = before.remove(&finding.fingerprint);
        // A run that judges by the same instant again sees nothing that was not seen.
        let again = |earlier: &Finding| earlier.times_seen() + u64::from(earlier.last_seen < finding.last_seen);
        let stood = stood.map(|earlier| (FindingStatus::Open, earlier.first_seen, again(earlier)));
        let over = || past.over.get(&finding.fingerprint);
        let was = || over().map(|over| (FindingStatus::Reopened, over.first_seen, over.times_seen + 1));
        let earlier = stood.or_else(was);
        if let Some((status, first_seen, _)) = earlier {
            finding.status = status;
            finding.first_seen = first_seen;
        }
        finding.set_times_seen(earlier.map_or(1, |(.., times)| times));
        lived.findings.push(finding);
    }
    for earlier in before.into_values() {
        let status = match sight(earlier) {
            Sight::Fine | Sight::Gone => FindingStatus::Resolved,
            Sight::Unknown => FindingStatus::Open,
            Sight::SetAside(why) => {
                *lived.set_aside.entry(why).or_insert(0) += 1;
                continue;
            }
        };
        lived.findings.push(Finding { status, exception: None, ..earlier.clone() });
    }
    sort(&mut lived.findings);
    lived
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
    /// Its severity is another.
    Changed,
    /// An exception covers it now.
    Excepted,
    /// It is over.
    Resolved,
}

impl Past {
    /// What happened to this finding; `None` where it stands as it stood.
    pub fn transition(&self, finding: &Finding) -> Option<Transition> {
        let before = self.standing.get(&finding.fingerprint);
        let was_excepted = before.is_some_and(|before| before.status == FindingStatus::Excepted);
        match finding.status {
            FindingStatus::New | FindingStatus::Reopened => Some(Transition::Opened),
            FindingStatus::Resolved => Some(Transition::Resolved),
            FindingStatus::Excepted => (!was_excepted).then_some(Transition::Excepted),
            FindingStatus::Open if was_excepted => Some(Transition::Opened),
            FindingStatus::Open => {
                before.is_some_and(|before| before.severity != finding.severity).then_some(Transition::Changed)
            }
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
