//! The chain of snapshots: every manifest names its baseline and the SHA-256 of the manifest of the baseline.
//!
//! [`chain()`] takes the headers of the existing snapshots and the ledger entries of those that retention removed. It
//! returns the links from the newest to the oldest, and the broken ones. Pure; `walk` reads the files.
//!
//! The chain has no branches: every snapshot except the first has the one before it as its baseline, complete or not.
//!
//! The chain proves that nobody removed or changed a snapshot that a later one names. No snapshot names the newest one.
//! It is protected by the SHA-256 that `run.completed` sends to the SIEM, and by `latest`, which retention never
//! removes.

use super::ledger::PrunedEntry;
use super::manifest::BaseReference;
use crate::model::Completeness;
use ahash::{AHashMap, AHashSet};

/// One snapshot as a link of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Run id of the snapshot.
    pub run_id: String,
    /// SHA-256 of its manifest in lower-case hexadecimal; empty if its bytes cannot be read.
    pub manifest_sha256: String,
    /// Whether every source was proven complete; `None` if the manifest cannot be parsed.
    pub completeness: Option<Completeness>,
    /// Instant from which the run computed ages.
    pub as_of: String,
    /// Baseline of the snapshot; `None` for the first one.
    pub base: Option<BaseReference>,
    /// Where this information comes from.
    pub known: LinkState,
}

/// Origin of what is known about a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Manifest of the existing snapshot.
    Manifest,
    /// A manifest that cannot be parsed; only its hash is known.
    Unreadable,
    /// A manifest that the user of this process may not read; nothing is known.
    Denied,
    /// The ledger: retention removed the snapshot.
    Ledger,
}

impl Link {
    fn removed(entry: PrunedEntry) -> Self {
        Self {
            run_id: entry.run_id,
            manifest_sha256: entry.manifest_sha256,
            completeness: Some(entry.completeness),
            as_of: entry.as_of,
            base: entry.base,
            known: LinkState::Ledger,
        }
    }

    fn knows_base(&self) -> bool {
        matches!(self.known, LinkState::Manifest | LinkState::Ledger)
    }

    /// Checks whether the snapshot exists and is complete.
    fn is_complete(&self) -> bool {
        self.known == LinkState::Manifest && self.completeness == Some(Completeness::Complete)
    }
}

/// Broken link of the chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BrokenLink {
    /// The baseline is missing, and retention did not remove it.
    #[error("{run_id}: the baseline {base} is missing, and retention did not remove it")]
    Absent {
        /// Run id of the snapshot.
        run_id: String,
        /// Run id of its baseline.
        base: String,
    },
    /// The baseline exists with another manifest.
    #[error("{run_id}: the baseline {base} has changed: its manifest is not the one that this snapshot names")]
    Changed {
        /// Run id of the snapshot.
        run_id: String,
        /// Run id of its baseline.
        base: String,
    },
    /// Retention removed the baseline with another manifest.
    #[error(
        "{run_id}: retention removed the baseline {base}, but its manifest was not the one that this snapshot names"
    )]
    RemovedAsAnother {
        /// Run id of the snapshot.
        run_id: String,
        /// Run id of its baseline.
        base: String,
    },
    /// Two snapshots have the same baseline.
    #[error("{run_id}: its baseline {base} is also the baseline of {other}; only one snapshot may follow another")]
    Fork {
        /// Run id of the later snapshot.
        run_id: String,
        /// Run id of the earlier snapshot.
        other: String,
        /// Run id of the baseline of both.
        base: String,
    },
    /// A snapshot that is not the first one names no baseline.
    #[error("{run_id}: it names no baseline, although {before} existed before it")]
    NoBase {
        /// Run id of the snapshot.
        run_id: String,
        /// Run id of the last snapshot, by name, that existed before.
        before: String,
    },
    /// The baselines form a circle.
    #[error("{run_id}: its baselines lead back to itself")]
    Circle {
        /// Run id of a snapshot in the circle.
        run_id: String,
    },
}

/// Chain of all known snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Links from the newest to the oldest.
    pub links: Vec<Link>,
    /// Run id and manifest SHA-256 of the snapshot that is no other snapshot's baseline.
    pub head: Option<(String, String)>,
    /// Run id of the newest existing complete snapshot.
    pub complete: Option<String>,
    /// Broken links from the newest to the oldest.
    pub broken: Vec<BrokenLink>,
}

/// Builds the chain from the existing snapshots and the entries of the ledger.
///
/// An existing snapshot takes precedence over an entry for the same run, and a later entry over an earlier one.
pub fn chain(existing: Vec<Link>, removed: Vec<PrunedEntry>) -> Chain {
    // Collecting into a map keeps the last link of each run id.
    let all = removed.into_iter().map(Link::removed).chain(existing).map(|link| (link.run_id.clone(), link));
    let mut links: Vec<Link> = all.collect::<AHashMap<String, Link>>().into_values().collect();
    links.sort_by(|a, b| b.run_id.cmp(&a.run_id));
    let index: AHashMap<&str, usize> = links.iter().enumerate().map(|(at, link)| (link.run_id.as_str(), at)).collect();
    let found: Vec<Result<Option<usize>, BrokenLink>> =
        links.iter().map(|link| base_of(link, &links, &index)).collect();
    let bases: Vec<Option<usize>> = found.iter().map(|base| base.as_ref().ok().copied().flatten()).collect();
    let (firsts, circles) = firsts(&bases);
    let mut broken: Vec<BrokenLink> = found.into_iter().filter_map(Result::err).collect();
    broken.extend(circles.into_iter().map(|at| BrokenLink::Circle { run_id: links[at].run_id.clone() }));
    broken.extend(forks(&links));
    broken.extend((0..links.len()).filter_map(|at| without_base(at, &links, &firsts)));
    let head = head(&links);
    let complete = head.and_then(|head| newest_complete(head, &links, &bases)).map(|at| links[at].run_id.clone());
    let head = head.map(|at| (links[at].run_id.clone(), links[at].manifest_sha256.clone()));
    Chain { links, head, complete, broken }
}

/// Returns the index of the baseline of a link; `None` if it names none.
fn base_of(link: &Link, links: &[Link], index: &AHashMap<&str, usize>) -> Result<Option<usize>, BrokenLink> {
    let Some(named) = &link.base else { return Ok(None) };
    let (run_id, base) = (link.run_id.clone(), named.run_id.clone());
    let Some(at) = index.get(named.run_id.as_str()) else { return Err(BrokenLink::Absent { run_id, base }) };
    let found = &links[*at];
    // Nothing proves that a manifest without readable bytes was changed. It is a problem of its own snapshot.
    let is_unknown = !found.knows_base() && found.manifest_sha256.is_empty();
    if !is_unknown && found.manifest_sha256 != named.manifest_sha256 {
        return Err(match found.known {
            LinkState::Ledger => BrokenLink::RemovedAsAnother { run_id, base },
            LinkState::Denied | LinkState::Manifest | LinkState::Unreadable => BrokenLink::Changed { run_id, base },
        });
    }
    Ok(Some(*at))
}

/// Returns for each link the first link of its line of baselines, which is itself if it has none. Also returns one link
/// of each circle.
fn firsts(bases: &[Option<usize>]) -> (Vec<Option<usize>>, Vec<usize>) {
    let (mut firsts, mut circles) = (vec![None; bases.len()], Vec::new());
    let mut seen = vec![false; bases.len()];
    for start in 0..bases.len() {
        let (mut path, mut at) = (Vec::new(), start);
        while !seen[at] {
            seen[at] = true;
            path.push(at);
            match bases[at] {
                Some(base) => at = base,
                None => firsts[at] = Some(at),
            }
        }
        if firsts[at].is_none() && path.contains(&at) {
            circles.push(at);
        }
        for step in path {
            firsts[step] = firsts[at];
        }
    }
    (firsts, circles)
}

/// Returns the snapshots that share their baseline with an earlier one.
fn forks(links: &[Link]) -> Vec<BrokenLink> {
    let mut after: AHashMap<&str, &str> = AHashMap::new();
    let mut forks = Vec::new();
    for link in links.iter().rev() {
        let Some(base) = &link.base else { continue };
        if let Some(other) = after.insert(&base.run_id, &link.run_id) {
            let (run_id, other, base) = (link.run_id.clone(), other.to_owned(), base.run_id.clone());
            forks.push(BrokenLink::Fork { run_id, other, base });
        }
    }
    forks.reverse();
    forks
}

/// Returns the problem of a snapshot that names no baseline although it is not the first.
///
/// Run ids come from clocks, which may have been wrong. So a snapshot with an earlier name is not an earlier one if its
/// baselines lead to this one. The baseline of an unreadable snapshot is unknown.
fn without_base(at: usize, links: &[Link], firsts: &[Option<usize>]) -> Option<BrokenLink> {
    let link = &links[at];
    if link.base.is_some() || !link.knows_base() {
        return None;
    }
    let is_earlier = |first: usize| first != at && links[first].knows_base();
    let before = (at + 1..links.len()).find(|other| firsts[*other].is_some_and(is_earlier))?;
    Some(BrokenLink::NoBase { run_id: link.run_id.clone(), before: links[before].run_id.clone() })
}

/// Returns the index of the snapshot that is no other snapshot's baseline.
fn head(links: &[Link]) -> Option<usize> {
    let bases: AHashSet<&str> =
        links.iter().filter_map(|link| link.base.as_ref()).map(|base| base.run_id.as_str()).collect();
    links.iter().position(|link| link.known == LinkState::Manifest && !bases.contains(link.run_id.as_str()))
}

/// Returns the index of the newest existing complete snapshot, starting from the head. If the baselines lead to none,
/// returns the last one by name.
fn newest_complete(head: usize, links: &[Link], bases: &[Option<usize>]) -> Option<usize> {
    // The head is in no circle, but its baselines may lead into one, so the number of steps is limited.
    let line = std::iter::successors(Some(head), |at| bases[*at]).take(links.len());
    line.chain(0..links.len()).find(|at| links[*at].is_complete())
}

#[cfg(test)]
mod tests {
    use super::super::run_id::run_id;
    use super::*;
    use crate::model::Instant;
    use chrono::TimeDelta;
    use proptest::prelude::*;

    fn name(day: usize) -> String {
        let first: Instant = "2026-11-23T02:00:00Z".parse().unwrap();
        run_id(first + TimeDelta::days(i64::try_from(day).unwrap()), 0)
    }

    fn link(day: usize, complete: bool, base: Option<usize>) -> Link {
        let hash = |day| format!("hash of {}", name(day));
        Link {
            run_id: name(day),
            manifest_sha256: hash(day),
            completeness: Some(Completeness::of(complete)),
            as_of: String::new(),
            base: base.map(|day| BaseReference { run_id: name(day), manifest_sha256: hash(day) }),
            known: LinkState::Manifest,
        }
    }

    /// Builds one snapshot per day, each with the previous one as its baseline.
    fn folder(completeness: &[bool]) -> Vec<Link> {
        completeness.iter().enumerate().map(|(day, complete)| link(day, *complete, day.checked_sub(1))).collect()
    }

    fn entry(link: &Link) -> PrunedEntry {
        PrunedEntry {
            run_id: link.run_id.clone(),
            manifest_sha256: link.manifest_sha256.clone(),
            base: link.base.clone(),
            completeness: link.completeness.unwrap(),
            as_of: link.as_of.clone(),
            removed_at: String::new(),
            reason: String::new(),
            by: String::new(),
        }
    }

    fn reported(here: Vec<Link>, removed: Vec<PrunedEntry>) -> Vec<String> {
        chain(here, removed).broken.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn head_is_the_snapshot_that_is_no_baseline_of_another() {
        let chain = chain(folder(&[true, true, false, true, false]), Vec::new());
        assert_eq!(chain.broken, []);
        assert_eq!(chain.head, Some((name(4), format!("hash of {}", name(4)))));
        assert_eq!(chain.complete, Some(name(3)));
        assert_eq!(chain.links[0].run_id, name(4), "newest first");
    }

    #[test]
    fn every_kind_of_broken_link_is_reported() {
        let absent = reported(vec![link(1, true, Some(0))], Vec::new());
        let expected = format!("{}: the baseline {} is missing, and retention did not remove it", name(1), name(0));
        assert_eq!(absent, [expected]);
        let other = |day| Link { manifest_sha256: "another".to_owned(), ..link(day, true, None) };
        assert!(reported(vec![other(0), link(1, true, Some(0))], Vec::new())[0].contains("has changed"));
        let removed = reported(vec![link(1, true, Some(0))], vec![entry(&other(0))]);
        assert!(removed.len() == 1 && removed[0].contains("but its manifest was not the one"), "{removed:?}");
        for (one, other) in [(true, true), (true, false), (false, true), (false, false)] {
            let fork = reported(vec![link(0, true, None), link(1, one, Some(0)), link(2, other, Some(0))], Vec::new());
            assert!(fork.len() == 1 && fork[0].starts_with(&name(2)) && fork[0].contains(&name(1)), "{fork:?}");
            let two = reported(vec![link(0, one, None), link(1, other, None)], Vec::new());
            assert!(two.len() == 1 && two[0].starts_with(&name(1)) && two[0].contains("names no baseline"), "{two:?}");
        }
        let circle = reported(Vec::new(), vec![entry(&link(0, true, Some(1))), entry(&link(1, true, Some(0)))]);
        assert!(circle.len() == 1 && circle[0].contains("lead back"), "{circle:?}");
    }

    #[test]
    fn order_after_a_clock_that_was_ahead_follows_the_baselines_and_not_the_names() {
        let ahead = vec![link(365, true, None), link(1, true, Some(365)), link(2, true, Some(1))];
        let chain = chain(ahead, Vec::new());
        assert_eq!(chain.broken, []);
        assert_eq!(chain.head.unwrap().0, name(2));
        assert_eq!(chain.complete, Some(name(2)));
    }

    #[test]
    fn newest_complete_snapshot_is_found_across_pruned_and_missing_snapshots() {
        let links = folder(&[true, true, false, false]);
        let complete = |here: &[usize], removed: &[usize]| {
            let here = here.iter().map(|at| links[*at].clone()).collect();
            chain(here, removed.iter().map(|at| entry(&links[*at])).collect()).complete
        };
        assert_eq!(complete(&[0, 1, 3], &[2]), Some(name(1)));
        assert_eq!(complete(&[0, 1, 3], &[]), Some(name(1)));
        assert_eq!(complete(&[0, 3], &[1, 2]), Some(name(0)), "a removed snapshot is not the newest");
        assert_eq!(complete(&[3], &[0, 1, 2]), None);
    }

    #[test]
    fn an_existing_snapshot_precedes_its_ledger_entry_and_the_last_entry_precedes_earlier_ones() {
        let here = folder(&[true, true]);
        let stale = PrunedEntry { manifest_sha256: "another".to_owned(), ..entry(&here[0]) };
        assert!(reported(here.clone(), vec![stale.clone()]).is_empty());
        assert!(reported(vec![here[1].clone()], vec![stale.clone(), entry(&here[0])]).is_empty());
        assert_eq!(reported(vec![here[1].clone()], vec![entry(&here[0]), stale]).len(), 1);
    }

    #[test]
    fn a_manifest_that_cannot_be_parsed_still_counts_by_its_hash() {
        let unreadable = |sha256: &str| Link {
            completeness: None,
            manifest_sha256: sha256.to_owned(),
            known: LinkState::Unreadable,
            ..link(1, true, None)
        };
        let others = [link(0, true, None), link(2, true, Some(1))];
        let ahead = [link(365, true, None), link(2, true, Some(1))];
        let same = unreadable(&link(1, true, None).manifest_sha256);
        assert!(reported([&others[..], std::slice::from_ref(&same)].concat(), Vec::new()).is_empty());
        assert!(reported([&ahead[..], &[same]].concat(), Vec::new()).is_empty(), "its place in the order is unknown");
        assert_eq!(reported([&others[..], &[unreadable("another")]].concat(), Vec::new()).len(), 1);
    }

    /// Draws a folder of snapshots, and which of them retention removed.
    fn pruned_folders() -> impl Strategy<Value = (Vec<Link>, Vec<bool>)> {
        proptest::collection::vec((any::<bool>(), any::<bool>()), 1..30).prop_map(|drawn| {
            let (completeness, removed): (Vec<bool>, Vec<bool>) = drawn.into_iter().unzip();
            (folder(&completeness), removed)
        })
    }

    fn parted(links: &[Link], removed: &[bool]) -> (Vec<Link>, Vec<PrunedEntry>) {
        let of = |wanted: bool| links.iter().zip(removed).filter(move |(_, is)| **is == wanted).map(|(link, _)| link);
        (of(false).cloned().collect(), of(true).map(entry).collect())
    }

    proptest! {
        #[test]
        fn removals_by_retention_never_break_the_chain((links, removed) in pruned_folders()) {
            let (here, entries) = parted(&links, &removed);
            let chain = chain(here, entries);
            prop_assert_eq!(chain.broken, vec![]);
            prop_assert_eq!(chain.links.len(), links.len());
        }

        #[test]
        fn any_other_removal_or_change_of_a_baseline_breaks_the_chain(
            (links, removed) in pruned_folders(),
            pick in any::<prop::sample::Index>(),
            changes in any::<bool>(),
        ) {
            let named: Vec<&str> = links.iter().filter_map(|link| link.base.as_ref()).map(|b| b.run_id.as_str()).collect();
            prop_assume!(!named.is_empty());
            let victim = pick.get(&named).to_string();
            let (mut here, mut entries) = parted(&links, &removed);
            if changes {
                let spoil = |sha256: &mut String| sha256.push('x');
                here.iter_mut().filter(|l| l.run_id == victim).for_each(|l| spoil(&mut l.manifest_sha256));
                entries.iter_mut().filter(|e| e.run_id == victim).for_each(|e| spoil(&mut e.manifest_sha256));
            } else {
                here.retain(|link| link.run_id != victim);
                entries.retain(|entry| entry.run_id != victim);
            }
            let broken = chain(here, entries).broken;
            prop_assert!(!broken.is_empty());
            let all_name_it = broken.iter().all(|broken| broken.to_string().contains(&victim));
            prop_assert!(all_name_it, "{:?}", broken);
        }
    }
}
