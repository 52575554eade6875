//! Which snapshots may go: a plan, made without touching anything. Knows no disk and no clock; the store carries it out.

use super::run_id::started_at;
use crate::model::Instant;
use chrono::TimeDelta;

/// A snapshot that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its run.
    pub run_id: String,
    /// When that run began.
    pub started_at: Instant,
}

impl Kept {
    /// From a folder's name, which tells the start; `None` where it is no run id.
    pub fn named(run_id: &str) -> Option<Self> {
        started_at(run_id).map(|started_at| Self { run_id: run_id.to_owned(), started_at })
    }
}

/// Why a snapshot stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is the newest complete one: the base of the next comparison.
    Latest,
    /// It is among the newest `keep_runs`.
    Newest,
    /// It is younger than `keep_days`.
    Young,
}

impl Reason {
    /// In words, for `prune --dry-run`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Latest => "latest points to it",
            Self::Newest => "among the newest (keep_runs)",
            Self::Young => "younger than keep_days",
        }
    }
}

/// What stays and what goes, each from the newest to the oldest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Run ids that stay, and why.
    pub keep: Vec<(String, Reason)>,
    /// Run ids that go.
    pub remove: Vec<String>,
}

/// Plans. Never removes `latest`, nor one of the newest `keep_runs`, nor one that began less than `keep_days` × 86,400 s
/// before `now`.
pub fn plan(snapshots: &[Kept], now: Instant, keep_days: u32, keep_runs: u32, latest: Option<&str>) -> Plan {
    let mut newest_first: Vec<&Kept> = snapshots.iter().collect();
    newest_first.sort_by(|a, b| (b.started_at, &b.run_id).cmp(&(a.started_at, &a.run_id)));
    let mut plan = Plan::default();
    for (snapshot, place) in newest_first.into_iter().zip(0u32..) {
        let age = now - snapshot.started_at;
        let reason = if latest == Some(snapshot.run_id.as_str()) {
            Some(Reason::Latest)
        } else if place < keep_runs {
            Some(Reason::Newest)
        } else if age < TimeDelta::days(keep_days.into()) {
            Some(Reason::Young)
        } else {
            None
        };
        match reason {
            Some(reason) => plan.keep.push((snapshot.run_id.clone(), reason)),
            None => plan.remove.push(snapshot.run_id.clone()),
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::super::run_id::run_id;
    use super::*;
    use proptest::prelude::*;

    fn now() -> Instant {
        "2026-11-23T02:00:00Z".parse().unwrap()
    }

    fn days_old(days: i64) -> Kept {
        Kept::named(&run_id(now() - TimeDelta::days(days), 0)).unwrap()
    }

    #[test]
    fn each_snapshot_stays_for_the_first_reason_that_holds() {
        let snapshots = [0, 1, 5, 30, 31].map(days_old);
        let latest = snapshots[4].run_id.as_str();
        let plan = plan(&snapshots, now(), 30, 1, Some(latest));
        let reasons: Vec<Reason> = plan.keep.iter().map(|(_, reason)| *reason).collect();
        assert_eq!(reasons, [Reason::Newest, Reason::Young, Reason::Young, Reason::Latest]);
        assert_eq!(plan.remove, [snapshots[3].run_id.as_str()], "exactly 30 days old is not younger than 30 days");
    }

    proptest! {
        #[test]
        fn a_plan_never_removes_what_it_must_keep_and_forgets_nobody(
            ages in proptest::collection::btree_set(-2_i64..900, 0..40),
            keep_days in 0_u32..600,
            keep_runs in 0_u32..20,
            pick in any::<prop::sample::Index>(),
        ) {
            let snapshots: Vec<Kept> = ages.iter().map(|days| days_old(*days)).collect();
            let latest = (!snapshots.is_empty()).then(|| snapshots[pick.index(snapshots.len())].run_id.as_str());
            let plan = plan(&snapshots, now(), keep_days, keep_runs, latest);
            prop_assert_eq!(plan.keep.len() + plan.remove.len(), snapshots.len());
            // Ages ascend: the first ones are the newest.
            for (place, (days, snapshot)) in ages.iter().zip(&snapshots).enumerate() {
                let must_stay = Some(snapshot.run_id.as_str()) == latest
                    || place < keep_runs as usize
                    || *days < i64::from(keep_days);
                prop_assert_eq!(plan.remove.contains(&snapshot.run_id), !must_stay);
            }
        }
    }
}
