//! Which snapshots may go: a plan, made without touching anything. Knows no disk and no clock; the store carries it out.
//!
//! A plan never removes, however old it is: the targets of `latest` and `latest-complete`; the newest that can be read; a
//! snapshot that is held; one whose events wait for a destination, and its base, because events must be re-performable; one
//! whose manifest cannot be read, because nobody could say afterwards what was removed.

use super::hold::Hold;
use super::run_id::started_at;
use crate::model::Instant;
use chrono::TimeDelta;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A snapshot that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSnapshot {
    /// Its run.
    pub run_id: String,
    /// When that run began.
    pub started_at: Instant,
    /// What somebody wrote who wants it to stay.
    pub hold: Option<Hold>,
    /// The run that its manifest names as its base.
    pub base: Option<String>,
    /// Whether its manifest can be read.
    pub is_readable: bool,
}

impl ListedSnapshot {
    /// From a folder's name, which tells the start; `None` where it is no run id. Held by nobody, and without a base.
    pub fn named(run_id: &str) -> Option<Self> {
        let started_at = started_at(run_id)?;
        Some(Self { run_id: run_id.to_owned(), started_at, hold: None, base: None, is_readable: true })
    }
}

/// What a plan is made by.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Ages are counted to here.
    pub now: Instant,
    /// Younger ones stay.
    pub keep_days: u32,
    /// So many of the newest stay.
    pub keep_runs: u32,
    /// Run id of the newest snapshot.
    pub latest: Option<&'a str>,
    /// Run id of the newest complete snapshot.
    pub latest_complete: Option<&'a str>,
    /// Runs whose events wait in the spool.
    pub waiting: &'a BTreeSet<String>,
}

/// Why a snapshot stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeepReason {
    /// Somebody put a hold on it.
    Held(Hold),
    /// It is the newest one: the base of the next run.
    Latest,
    /// It is the newest complete one.
    LatestComplete,
    /// Its events have not reached every destination.
    Waiting,
    /// It is what the waiting events of this run were compared with.
    BaseOfWaiting(String),
    /// It is the last one by name that can be read.
    Newest,
    /// It is among the newest so many.
    Recent(u32),
    /// It is so many days old, which is less than the limit.
    Young {
        /// Its age.
        days: i64,
        /// The limit.
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
            Self::Waiting => f.write_str("its events still wait in the spool"),
            Self::BaseOfWaiting(run_id) => write!(f, "the base of {run_id}, whose events still wait in the spool"),
            Self::Newest => f.write_str("the newest by its name"),
            Self::Recent(keep_runs) => write!(f, "among the newest {keep_runs} (keep_runs)"),
            Self::Young { days, keep_days } => write!(f, "{} old (keep_days {keep_days})", in_days(*days)),
            Self::Unreadable => f.write_str("its manifest cannot be read: look at it with `bt-rollcall verify`"),
        }
    }
}

/// Why a snapshot goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovalReason {
    /// Its age.
    pub days: i64,
    /// The limit of age.
    pub keep_days: u32,
    /// So many newer ones are there, or more.
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

/// What stays and what goes, each from the newest to the oldest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionPlan {
    /// Run ids that stay, and why.
    pub keep: Vec<(String, KeepReason)>,
    /// Run ids that go, and why.
    pub remove: Vec<(String, RemovalReason)>,
}

/// Plans. A snapshot goes when it is neither among the newest `keep_runs` nor began less than `keep_days` × 86,400 s before
/// `now`, and nothing that the module doc names keeps it.
pub fn plan(snapshots: &[ListedSnapshot], terms: &Terms<'_>) -> RetentionPlan {
    let mut newest_first: Vec<&ListedSnapshot> = snapshots.iter().collect();
    newest_first.sort_by(|a, b| (b.started_at, &b.run_id).cmp(&(a.started_at, &a.run_id)));
    let bases = bases_of_waiting(&newest_first, terms);
    let newest = newest_first.iter().find(|snapshot| snapshot.is_readable).map(|snapshot| snapshot.run_id.as_str());
    let mut plan = RetentionPlan::default();
    for (snapshot, place) in newest_first.into_iter().zip(0u32..) {
        let run_id = snapshot.run_id.clone();
        let needed = bases.get(snapshot.run_id.as_str()).cloned();
        let is_newest = newest == Some(snapshot.run_id.as_str());
        let stays = bound(snapshot, terms).or(needed).or_else(|| is_newest.then_some(KeepReason::Newest));
        match stays.map_or_else(|| aged(snapshot, place, terms), Ok) {
            Ok(reason) => plan.keep.push((run_id, reason)),
            Err(overdue) => plan.remove.push((run_id, overdue)),
        }
    }
    plan
}

/// What keeps a snapshot for its own sake.
fn bound(snapshot: &ListedSnapshot, terms: &Terms<'_>) -> Option<KeepReason> {
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

/// The bases of snapshots whose events wait.
fn bases_of_waiting<'a>(newest_first: &[&'a ListedSnapshot], terms: &Terms<'_>) -> BTreeMap<&'a str, KeepReason> {
    let waiting = newest_first.iter().filter(|snapshot| terms.waiting.contains(&snapshot.run_id));
    let of = |snapshot: &&'a ListedSnapshot| {
        Some((snapshot.base.as_deref()?, KeepReason::BaseOfWaiting(snapshot.run_id.clone())))
    };
    waiting.filter_map(of).collect()
}

/// Whether the settings let it stay.
fn aged(snapshot: &ListedSnapshot, place: u32, terms: &Terms<'_>) -> Result<KeepReason, RemovalReason> {
    let Terms { keep_days, keep_runs, .. } = *terms;
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

    fn terms<'a>(keep_days: u32, keep_runs: u32, latest: Option<&'a str>, waiting: &'a BTreeSet<String>) -> Terms<'a> {
        Terms { now: now(), keep_days, keep_runs, latest, latest_complete: None, waiting }
    }

    fn reasons(plan: &RetentionPlan) -> Vec<&KeepReason> {
        plan.keep.iter().map(|(_, reason)| reason).collect()
    }

    fn removed(plan: &RetentionPlan) -> Vec<&str> {
        plan.remove.iter().map(|(run_id, _)| run_id.as_str()).collect()
    }

    #[test]
    fn each_snapshot_stays_for_the_first_reason_that_holds() {
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
    fn a_held_snapshot_stays_however_old_and_its_note_is_reported() {
        let mut snapshots = [0, 1, 4_000].map(days_old);
        snapshots[2].hold = Some(Hold::of(b"case 12"));
        let plan = plan(&snapshots, &terms(1, 1, None, &BTreeSet::new()));
        assert_eq!(removed(&plan), [&snapshots[1].run_id]);
        assert_eq!(plan.keep[1].1.to_string(), "held: case 12");
    }

    #[test]
    fn what_waiting_events_are_about_stays_with_its_base() {
        let mut snapshots = [0, 50, 60, 70].map(days_old);
        snapshots[1].base = Some(snapshots[3].run_id.clone());
        let waiting = BTreeSet::from([snapshots[1].run_id.clone(), "20200101T000000Z-0000".to_owned()]);
        let plan = plan(&snapshots, &terms(1, 1, Some(&snapshots[0].run_id), &waiting));
        let base = KeepReason::BaseOfWaiting(snapshots[1].run_id.clone());
        assert_eq!(reasons(&plan), [&KeepReason::Latest, &KeepReason::Waiting, &base]);
        assert_eq!(removed(&plan), [&snapshots[2].run_id]);
    }

    #[test]
    fn newest_complete_snapshot_stays_however_many_partial_ones_follow() {
        let snapshots = [10, 20, 30, 40].map(days_old);
        let waiting = BTreeSet::new();
        let latest_complete = Some(snapshots[2].run_id.as_str());
        let terms = Terms { latest_complete, ..terms(1, 0, Some(&snapshots[0].run_id), &waiting) };
        let plan = plan(&snapshots, &terms);
        assert_eq!(reasons(&plan), [&KeepReason::Latest, &KeepReason::LatestComplete]);
        assert_eq!(plan.keep[1].1.to_string(), "latest-complete points to it");
        assert_eq!(removed(&plan), [&snapshots[1].run_id, &snapshots[3].run_id]);
    }

    #[test]
    fn the_newest_that_can_be_read_stays_even_where_no_run_is_to_be_kept_and_so_does_what_cannot_be_read() {
        let mut snapshots = [100, 200, 300].map(days_old);
        snapshots[0].is_readable = false;
        let plan = plan(&snapshots, &terms(0, 0, None, &BTreeSet::new()));
        assert_eq!(reasons(&plan), [&KeepReason::Unreadable, &KeepReason::Newest]);
        assert_eq!(removed(&plan), [&snapshots[2].run_id]);
    }

    proptest! {
        #[test]
        fn a_plan_never_removes_what_it_must_keep_and_forgets_nobody(
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
            let terms = Terms { latest_complete, ..terms(keep_days, keep_runs, latest, &waiting) };
            let plan = plan(&snapshots, &terms);
            let reported: BTreeSet<&str> =
                plan.keep.iter().map(|(run_id, _)| run_id.as_str()).chain(removed(&plan)).collect();
            prop_assert_eq!((reported.len(), plan.keep.len() + plan.remove.len()), (runs.len(), runs.len()));
            // Ages ascend: the first ones are the newest.
            let newest = snapshots.iter().position(|snapshot| snapshot.is_readable);
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
                    || place < keep_runs as usize
                    || *days < i64::from(keep_days);
                prop_assert_eq!(removed(&plan).contains(&snapshot.run_id.as_str()), !must_stay);
            }
        }
    }
}
