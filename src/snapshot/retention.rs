//! Retention: the plan of which snapshots are kept and which are removed, each with its reason.
//!
//! Pure: the caller passes the time, and [`LockedStore::prune`](super::LockedStore::prune) carries the plan out. These
//! snapshots are never removed, however old they are:
//!
//! - the targets of `latest` and `latest-complete`, and the newest snapshot that can be read;
//! - a snapshot with a hold;
//! - a snapshot with queued events, and its baseline, because an auditor must be able to compute the events again;
//! - a snapshot whose manifest cannot be read, because the ledger could not say what was removed.

use super::hold::Hold;
use super::run_id::started_at;
use crate::model::Instant;
use chrono::TimeDelta;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Existing snapshot as input of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSnapshot {
    /// Run id of the snapshot.
    pub run_id: String,
    /// Start of the run.
    pub started_at: Instant,
    /// Hold on the snapshot.
    pub hold: Option<Hold>,
    /// Run id of its baseline, as the manifest names it.
    pub base: Option<String>,
    /// Whether its manifest can be read.
    pub is_readable: bool,
    /// Whether the clock of its run was in doubt, so that the name may be wrong.
    pub is_clock_in_doubt: bool,
}

impl ListedSnapshot {
    /// Creates a readable snapshot without hold and baseline from the name of its folder; `None` if it is not a run id.
    pub fn named(run_id: &str) -> Option<Self> {
        let started_at = started_at(run_id)?;
        Some(Self {
            run_id: run_id.to_owned(),
            started_at,
            hold: None,
            base: None,
            is_readable: true,
            is_clock_in_doubt: false,
        })
    }
}

/// Settings and facts for a plan.
#[derive(Clone, Copy, Debug)]
pub struct RetentionSettings<'a> {
    /// Instant from which ages are computed.
    pub now: Instant,
    /// Age in days below which a snapshot is kept.
    pub keep_days: u32,
    /// Number of newest snapshots that are kept.
    pub keep_runs: u32,
    /// Run id of the newest snapshot.
    pub latest: Option<&'a str>,
    /// Run id of the newest complete snapshot.
    pub latest_complete: Option<&'a str>,
    /// Ids of runs with events in the spool.
    pub waiting: &'a BTreeSet<String>,
}

/// Reason why a snapshot is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeepReason {
    /// It has a hold.
    Held(Hold),
    /// It is the newest one and the baseline of the next run.
    Latest,
    /// It is the newest complete one.
    LatestComplete,
    /// Some of its events are queued.
    Waiting,
    /// It is the baseline of the named run, whose events are queued.
    BaseOfWaiting(String),
    /// It is the last readable one by name.
    Newest,
    /// It is among this number of newest snapshots.
    Recent(u32),
    /// It is younger than the limit.
    Young {
        /// Age in days.
        days: i64,
        /// Limit in days.
        keep_days: u32,
    },
    /// Its manifest cannot be read.
    Unreadable,
}

impl fmt::Display for KeepReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(hold) => hold.fmt(f),
            Self::Latest => f.write_str("latest points to it"),
            Self::LatestComplete => f.write_str("latest-complete points to it"),
            Self::Waiting => f.write_str("its events are queued and not yet delivered"),
            Self::BaseOfWaiting(run_id) => {
                write!(f, "baseline of {run_id}, whose events are queued and not yet delivered")
            }
            Self::Newest => f.write_str("the newest by name"),
            Self::Recent(keep_runs) => write!(f, "among the newest {keep_runs} (keep_runs)"),
            Self::Young { days, keep_days } => write!(f, "{} old (keep_days {keep_days})", in_days(*days)),
            Self::Unreadable => f.write_str("its manifest cannot be read; check it with `bt-rollcall verify`"),
        }
    }
}

/// Reason why a snapshot is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovalReason {
    /// Age in days.
    pub days: i64,
    /// Limit of the age in days.
    pub keep_days: u32,
    /// Number of newest snapshots that are kept; at least as many are newer.
    pub keep_runs: u32,
}

impl fmt::Display for RemovalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { days, keep_days, keep_runs } = self;
        write!(f, "{} old (keep_days {keep_days}), and not among the newest {keep_runs} (keep_runs)", in_days(*days))
    }
}

fn in_days(days: i64) -> String {
    if days == 1 { "1 day".to_owned() } else { format!("{days} days") }
}

/// Plan of retention, each list from the newest to the oldest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionPlan {
    /// Run ids of kept snapshots with the reason.
    pub keep: Vec<(String, KeepReason)>,
    /// Run ids of snapshots to remove with the reason.
    pub remove: Vec<(String, RemovalReason)>,
    /// Number of kept snapshots that would be removed if no events were queued.
    pub kept_for_events: usize,
}

/// Makes a plan.
///
/// A snapshot is removed if it started at least `keep_days` × 86,400 s before `now` and is not among the newest
/// `keep_runs` that can be read. The module documentation lists the exceptions.
pub fn plan(snapshots: &[ListedSnapshot], terms: &RetentionSettings<'_>) -> RetentionPlan {
    let snapshots = dated(snapshots);
    let mut newest_first: Vec<&ListedSnapshot> = snapshots.iter().collect();
    newest_first.sort_by(|a, b| (b.started_at, &b.run_id).cmp(&(a.started_at, &a.run_id)));
    let bases = bases_of_waiting(&newest_first, terms);
    let newest = newest_first.iter().find(|snapshot| snapshot.is_readable).map(|snapshot| snapshot.run_id.as_str());
    let mut plan = RetentionPlan::default();
    // Only snapshots that can be read count for `keep_runs`: otherwise damaged ones would displace the last good ones.
    let mut place = 0;
    for snapshot in newest_first {
        let run_id = snapshot.run_id.clone();
        let needed = bases.get(snapshot.run_id.as_str()).cloned();
        let is_newest = newest == Some(snapshot.run_id.as_str());
        let reason = protection(snapshot, terms).or(needed).or_else(|| is_newest.then_some(KeepReason::Newest));
        let of_age = check_age(snapshot, place, terms);
        let is_of_events = matches!(reason, Some(KeepReason::Waiting | KeepReason::BaseOfWaiting(_)));
        plan.kept_for_events += usize::from(is_of_events && !is_newest && snapshot.is_readable && of_age.is_err());
        match reason.map_or(of_age, Ok) {
            Ok(reason) => plan.keep.push((run_id, reason)),
            Err(reason) => plan.remove.push((run_id, reason)),
        }
        place += u32::from(snapshot.is_readable);
    }
    plan
}

/// Returns the snapshots with dates that can be trusted: a run whose clock was in doubt may have been as late as the next
/// run without a doubt.
fn dated(snapshots: &[ListedSnapshot]) -> Vec<ListedSnapshot> {
    let followers = snapshots.iter().filter_map(|snapshot| Some((snapshot.base.as_deref()?, snapshot)));
    let followers: BTreeMap<&str, &ListedSnapshot> = followers.collect();
    let date = |snapshot: &ListedSnapshot| {
        let mut latest = snapshot.started_at;
        let mut next = snapshot;
        // The number of steps is limited, because damaged baselines may form a circle.
        for _ in 0..snapshots.len() {
            let follower = if next.is_clock_in_doubt { followers.get(next.run_id.as_str()) } else { None };
            let Some(follower) = follower else { break };
            latest = latest.max(follower.started_at);
            next = follower;
        }
        ListedSnapshot { started_at: latest, ..snapshot.clone() }
    };
    snapshots.iter().map(date).collect()
}

/// Returns the reason that protects a snapshot whatever its age; `None` if there is none.
fn protection(snapshot: &ListedSnapshot, terms: &RetentionSettings<'_>) -> Option<KeepReason> {
    if let Some(hold) = &snapshot.hold {
        Some(KeepReason::Held(hold.clone()))
    } else if terms.latest == Some(snapshot.run_id.as_str()) {
        Some(KeepReason::Latest)
    } else if terms.latest_complete == Some(snapshot.run_id.as_str()) {
        Some(KeepReason::LatestComplete)
    } else if terms.waiting.contains(&snapshot.run_id) {
        Some(KeepReason::Waiting)
    } else if snapshot.is_readable {
        None
    } else {
        Some(KeepReason::Unreadable)
    }
}

/// Returns the baselines of snapshots with queued events.
fn bases_of_waiting<'a>(
    newest_first: &[&'a ListedSnapshot],
    terms: &RetentionSettings<'_>,
) -> BTreeMap<&'a str, KeepReason> {
    let waiting = newest_first.iter().filter(|snapshot| terms.waiting.contains(&snapshot.run_id));
    let of = |snapshot: &&'a ListedSnapshot| {
        Some((snapshot.base.as_deref()?, KeepReason::BaseOfWaiting(snapshot.run_id.clone())))
    };
    waiting.filter_map(of).collect()
}

/// Checks whether the settings keep a readable snapshot; `place` is 0 for the newest one.
fn check_age(
    snapshot: &ListedSnapshot,
    place: u32,
    terms: &RetentionSettings<'_>,
) -> Result<KeepReason, RemovalReason> {
    let RetentionSettings { keep_days, keep_runs, .. } = *terms;
    let age = terms.now - snapshot.started_at;
    let days = age.num_days();
    if place < keep_runs {
        Ok(KeepReason::Recent(keep_runs))
    } else if age < TimeDelta::days(keep_days.into()) {
        Ok(KeepReason::Young { days, keep_days })
    } else {
        Err(RemovalReason { days, keep_days, keep_runs })
    }
}

#[cfg(test)]
mod tests {
    use super::super::run_id::run_id;
    use super::*;
    use proptest::prelude::*;

    fn now() -> Instant {
        "2026-11-23T02:00:00Z".parse().unwrap()
    }

    fn days_old(days: i64) -> ListedSnapshot {
        ListedSnapshot::named(&run_id(now() - TimeDelta::days(days), 0)).unwrap()
    }

    fn terms<'a>(
        keep_days: u32,
        keep_runs: u32,
        latest: Option<&'a str>,
        waiting: &'a BTreeSet<String>,
    ) -> RetentionSettings<'a> {
        RetentionSettings { now: now(), keep_days, keep_runs, latest, latest_complete: None, waiting }
    }

    fn reasons(plan: &RetentionPlan) -> Vec<&KeepReason> {
        plan.keep.iter().map(|(_, reason)| reason).collect()
    }

    fn removed(plan: &RetentionPlan) -> Vec<&str> {
        plan.remove.iter().map(|(run_id, _)| run_id.as_str()).collect()
    }

    #[test]
    fn each_snapshot_is_kept_for_the_first_reason_that_applies() {
        let snapshots = [0, 1, 2, 5, 30, 31].map(days_old);
        let latest = snapshots[5].run_id.as_str();
        let plan = plan(&snapshots, &terms(30, 2, Some(latest), &BTreeSet::new()));
        let young = |days| KeepReason::Young { days, keep_days: 30 };
        assert_eq!(
            reasons(&plan),
            [&KeepReason::Newest, &KeepReason::Recent(2), &young(2), &young(5), &KeepReason::Latest]
        );
        assert_eq!(removed(&plan), [&snapshots[4].run_id], "exactly 30 days old is not younger than 30 days");
        let why = plan.remove[0].1.to_string();
        assert_eq!(why, "30 days old (keep_days 30), and not among the newest 2 (keep_runs)");
    }

    #[test]
    fn a_snapshot_with_a_hold_is_kept_at_any_age_and_its_note_is_reported() {
        let mut snapshots = [0, 1, 4_000].map(days_old);
        snapshots[2].hold = Some(Hold::of(b"case 12"));
        let plan = plan(&snapshots, &terms(1, 1, None, &BTreeSet::new()));
        assert_eq!(removed(&plan), [&snapshots[1].run_id]);
        assert_eq!(plan.keep[1].1.to_string(), "held: case 12");
    }

    #[test]
    fn a_snapshot_with_queued_events_is_kept_with_its_baseline() {
        let mut snapshots = [0, 50, 60, 70].map(days_old);
        snapshots[1].base = Some(snapshots[3].run_id.clone());
        let waiting = BTreeSet::from([snapshots[1].run_id.clone(), "20200101T000000Z-0000".to_owned()]);
        let plan = plan(&snapshots, &terms(1, 1, Some(&snapshots[0].run_id), &waiting));
        let base = KeepReason::BaseOfWaiting(snapshots[1].run_id.clone());
        assert_eq!(reasons(&plan), [&KeepReason::Latest, &KeepReason::Waiting, &base]);
        assert_eq!(plan.kept_for_events, 2);
        assert_eq!(removed(&plan), [&snapshots[2].run_id]);
    }

    #[test]
    fn newest_complete_snapshot_is_kept_however_many_partial_ones_follow() {
        let snapshots = [10, 20, 30, 40].map(days_old);
        let waiting = BTreeSet::new();
        let latest_complete = Some(snapshots[2].run_id.as_str());
        let terms = RetentionSettings { latest_complete, ..terms(1, 0, Some(&snapshots[0].run_id), &waiting) };
        let plan = plan(&snapshots, &terms);
        assert_eq!(reasons(&plan), [&KeepReason::Latest, &KeepReason::LatestComplete]);
        assert_eq!(plan.keep[1].1.to_string(), "latest-complete points to it");
        assert_eq!(removed(&plan), [&snapshots[1].run_id, &snapshots[3].run_id]);
    }

    #[test]
    fn snapshot_of_a_clock_that_was_behind_is_as_young_as_the_next_one() {
        // The two runs before the newest one took place yesterday, by a clock that was 1,000 days behind.
        let mut snapshots = [0, 1_001, 1_002, 2].map(days_old);
        for place in 0..3 {
            snapshots[place].base = Some(snapshots[place + 1].run_id.clone());
        }
        let remove = |snapshots: &[ListedSnapshot]| plan(snapshots, &terms(30, 1, None, &BTreeSet::new())).remove.len();
        assert_eq!(remove(&snapshots), 2);
        for in_doubt in &mut snapshots[1..3] {
            in_doubt.is_clock_in_doubt = true;
        }
        assert_eq!(remove(&snapshots), 0);
        snapshots[3].base = Some(snapshots[1].run_id.clone());
        assert_eq!(remove(&snapshots), 0, "a circle of baselines ends");
    }

    #[test]
    fn unreadable_snapshots_do_not_displace_readable_ones_from_the_newest_runs() {
        let mut snapshots = [100, 200, 300, 400, 500].map(days_old);
        for damaged in &mut snapshots[..2] {
            damaged.is_readable = false;
        }
        let plan = plan(&snapshots, &terms(0, 2, None, &BTreeSet::new()));
        assert_eq!(plan.keep.len(), 4);
        assert_eq!(removed(&plan), [&snapshots[4].run_id]);
    }

    #[test]
    fn newest_readable_and_every_unreadable_snapshot_is_kept_even_with_keep_runs_0() {
        let mut snapshots = [100, 200, 300].map(days_old);
        snapshots[0].is_readable = false;
        let plan = plan(&snapshots, &terms(0, 0, None, &BTreeSet::new()));
        assert_eq!(reasons(&plan), [&KeepReason::Unreadable, &KeepReason::Newest]);
        assert_eq!(removed(&plan), [&snapshots[2].run_id]);
    }

    proptest! {
        #[test]
        fn a_plan_lists_every_snapshot_once_and_never_removes_a_protected_one(
            // Age, held, readable, events wait, which one is its base.
            drawn in proptest::collection::btree_map(
                -2_i64..900,
                (prop::bool::weighted(0.1), prop::bool::weighted(0.9), prop::bool::weighted(0.1), any::<prop::sample::Index>()),
                0..40,
            ),
            keep_days in 0_u32..600,
            keep_runs in 0_u32..20,
            picks in any::<[prop::sample::Index; 2]>(),
        ) {
            let runs: Vec<String> = drawn.keys().map(|days| days_old(*days).run_id).collect();
            let snapshots: Vec<ListedSnapshot> = drawn.iter().map(|(days, (held, is_readable, _, base))| ListedSnapshot {
                hold: held.then(|| Hold::of(b"why")),
                base: is_readable.then(|| base.get(&runs).clone()),
                is_readable: *is_readable,
                ..days_old(*days)
            }).collect();
            let waits = drawn.values().zip(&runs).filter(|((_, _, waits, _), _)| *waits);
            let waiting: BTreeSet<String> = waits.map(|(_, run_id)| run_id.clone()).collect();
            let [latest, latest_complete] =
                picks.map(|pick| (!runs.is_empty()).then(|| pick.get(&runs).as_str()));
            let terms = RetentionSettings { latest_complete, ..terms(keep_days, keep_runs, latest, &waiting) };
            let plan = plan(&snapshots, &terms);
            let reported: BTreeSet<&str> =
                plan.keep.iter().map(|(run_id, _)| run_id.as_str()).chain(removed(&plan)).collect();
            prop_assert_eq!((reported.len(), plan.keep.len() + plan.remove.len()), (runs.len(), runs.len()));
            // Ages ascend: the first ones are the newest.
            let newest = snapshots.iter().position(|snapshot| snapshot.is_readable);
            let readable_before = |place: usize| snapshots[..place].iter().filter(|it| it.is_readable).count();
            for (place, (days, snapshot)) in drawn.keys().zip(&snapshots).enumerate() {
                let needs_it = |other: &ListedSnapshot| {
                    other.base.as_ref() == Some(&snapshot.run_id) && waiting.contains(&other.run_id)
                };
                let must_stay = [latest, latest_complete].contains(&Some(snapshot.run_id.as_str()))
                    || snapshot.hold.is_some()
                    || !snapshot.is_readable
                    || newest == Some(place)
                    || waiting.contains(&snapshot.run_id)
                    || snapshots.iter().any(needs_it)
                    || readable_before(place) < keep_runs as usize
                    || *days < i64::from(keep_days);
                prop_assert_eq!(removed(&plan).contains(&snapshot.run_id.as_str()), !must_stay);
            }
        }
    }
}
