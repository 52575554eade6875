//! The chain: every manifest names its base and the SHA-256 of that one's manifest. Pure: headers of the snapshots that are
//! there and entries of those that retention removed -> links from the newest to the oldest, and what is broken.
//!
//! The chain is a line: every snapshot but the first has the one before it as its base, whether that one is complete or not.
//!
//! What a chain can prove: nobody removed or changed a snapshot that a later one names. No snapshot names the last one; for
//! that one there are the SHA-256 that `run.completed` sent to the SIEM, and `latest`, which retention never removes.

use super::ledger::PrunedEntry;
use super::manifest::BaseReference;
use crate::model::Completeness;
use ahash::{AHashMap, AHashSet};

/// What is known of one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its run.
    pub run_id: String,
    /// SHA-256 of its manifest, lower-case hex.
    pub manifest_sha256: String,
    /// Whether everything was proven complete; `None` where the manifest cannot be understood.
    pub completeness: Option<Completeness>,
    /// The instant of its ages.
    pub as_of: String,
    /// Its base.
    pub base: Option<BaseReference>,
    /// How it is known.
    pub known: LinkState,
}

/// How a snapshot is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// It is there.
    Manifest,
    /// It is there, but its manifest cannot be understood: only its hash counts.
    Unreadable,
    /// Retention removed it.
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

    /// Whether it is there and complete.
    fn is_complete(&self) -> bool {
        self.known == LinkState::Manifest && self.completeness == Some(Completeness::Complete)
    }
}

/// A link that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BrokenLink {
    /// Somebody else than retention removed the base.
    #[error("{run_id}: its base {base} is not here, and no retention removed it")]
    Absent {
        /// Whose base.
        run_id: String,
        /// The base.
        base: String,
    },
    /// The base is there and is another one.
    #[error("{run_id}: its base {base} has changed: it has not the manifest that this snapshot was compared with")]
    Changed {
        /// Whose base.
        run_id: String,
        /// The base.
        base: String,
    },
    /// What retention removed was another one.
    #[error(
        "{run_id}: its base {base} was removed by retention, but with another manifest than this snapshot was compared with"
    )]
    RemovedAsAnother {
        /// Whose base.
        run_id: String,
        /// The base.
        base: String,
    },
    /// Two snapshots have the same base.
    #[error("{run_id}: its base {base} is also the base of {other}: of two snapshots one must be the other's base")]
    Fork {
        /// Run id of the later one.
        run_id: String,
        /// Run id of the earlier one.
        other: String,
        /// Base of both.
        base: String,
    },
    /// A snapshot that is not the first one names no base.
    #[error("{run_id}: it names no base, although {before} was there before it")]
    NoBase {
        /// Run id of the snapshot.
        run_id: String,
        /// The newest by name of those that were there before.
        before: String,
    },
    /// Bases that lead back to where they began.
    #[error("{run_id}: its bases lead back to itself")]
    Circle {
        /// Which.
        run_id: String,
    },
}

/// The chain as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// From the newest to the oldest.
    pub links: Vec<Link>,
    /// Run id and SHA-256 of the manifest of the snapshot that no other one has as its base.
    pub head: Option<(String, String)>,
    /// Run id of the newest complete snapshot that is there.
    pub complete: Option<String>,
    /// From the newest to the oldest.
    pub broken: Vec<BrokenLink>,
}

/// Walks all links. Of a run that the ledger names and that is there, what is there counts; of several entries the last.
pub fn chain(here: Vec<Link>, removed: Vec<PrunedEntry>) -> Chain {
    // Of one name the later one is kept.
    let all = removed.into_iter().map(Link::removed).chain(here).map(|link| (link.run_id.clone(), link));
    let mut links: Vec<Link> = all.collect::<AHashMap<String, Link>>().into_values().collect();
    links.sort_by(|a, b| b.run_id.cmp(&a.run_id));
    let places: AHashMap<&str, usize> = links.iter().enumerate().map(|(at, link)| (link.run_id.as_str(), at)).collect();
    let looked: Vec<Result<Option<usize>, BrokenLink>> =
        links.iter().map(|link| base_of(link, &links, &places)).collect();
    let bases: Vec<Option<usize>> = looked.iter().map(|base| base.as_ref().ok().copied().flatten()).collect();
    let (firsts, circles) = firsts(&bases);
    let mut broken: Vec<BrokenLink> = looked.into_iter().filter_map(Result::err).collect();
    broken.extend(circles.into_iter().map(|at| BrokenLink::Circle { run_id: links[at].run_id.clone() }));
    broken.extend(forks(&links));
    broken.extend((0..links.len()).filter_map(|at| without_base(at, &links, &firsts)));
    let head = head(&links);
    let complete = head.and_then(|head| newest_complete(head, &links, &bases)).map(|at| links[at].run_id.clone());
    let head = head.map(|at| (links[at].run_id.clone(), links[at].manifest_sha256.clone()));
    Chain { links, head, complete, broken }
}

/// The place of a link's base; `None` where it has none.
fn base_of(link: &Link, links: &[Link], places: &AHashMap<&str, usize>) -> Result<Option<usize>, BrokenLink> {
    let Some(named) = &link.base else { return Ok(None) };
    let (run_id, base) = (link.run_id.clone(), named.run_id.clone());
    let Some(place) = places.get(named.run_id.as_str()) else { return Err(BrokenLink::Absent { run_id, base }) };
    let found = &links[*place];
    if found.manifest_sha256 != named.manifest_sha256 {
        return Err(match found.known {
            LinkState::Ledger => BrokenLink::RemovedAsAnother { run_id, base },
            LinkState::Manifest | LinkState::Unreadable => BrokenLink::Changed { run_id, base },
        });
    }
    Ok(Some(*place))
}

/// For each link the one that its bases lead to, itself where it has none; and one link of each circle.
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

/// Later snapshots that share their base with an earlier one.
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

/// Reports a snapshot that names no base although it is not the first. Run ids come from clocks, which may have been wrong: a
/// snapshot with an earlier name whose bases lead to this one came after it. Of an unreadable one the base is not known.
fn without_base(at: usize, links: &[Link], firsts: &[Option<usize>]) -> Option<BrokenLink> {
    let link = &links[at];
    if link.base.is_some() || link.known == LinkState::Unreadable {
        return None;
    }
    let came_before = |first: usize| first != at && links[first].known != LinkState::Unreadable;
    let before = (at + 1..links.len()).find(|other| firsts[*other].is_some_and(came_before))?;
    Some(BrokenLink::NoBase { run_id: link.run_id.clone(), before: links[before].run_id.clone() })
}

/// The place of the snapshot that no other one has as its base.
fn head(links: &[Link]) -> Option<usize> {
    let bases: AHashSet<&str> =
        links.iter().filter_map(|link| link.base.as_ref()).map(|base| base.run_id.as_str()).collect();
    links.iter().position(|link| link.known == LinkState::Manifest && !bases.contains(link.run_id.as_str()))
}

/// The newest complete one that is there, from the head back; where the bases do not lead to one, the last by name.
fn newest_complete(head: usize, links: &[Link], bases: &[Option<usize>]) -> Option<usize> {
    // The head is in no circle, but its bases may lead into one.
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

    /// As runs make them, one a day: each has the one before as its base.
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
    fn head_is_the_snapshot_that_no_other_one_has_as_its_base() {
        let chain = chain(folder(&[true, true, false, true, false]), Vec::new());
        assert_eq!(chain.broken, []);
        assert_eq!(chain.head, Some((name(4), format!("hash of {}", name(4)))));
        assert_eq!(chain.complete, Some(name(3)));
        assert_eq!(chain.links[0].run_id, name(4), "newest first");
    }

    #[test]
    fn each_way_to_break_a_chain_is_named() {
        let absent = reported(vec![link(1, true, Some(0))], Vec::new());
        assert_eq!(absent, [format!("{}: its base {} is not here, and no retention removed it", name(1), name(0))]);
        let other = |day| Link { manifest_sha256: "another".to_owned(), ..link(day, true, None) };
        assert!(reported(vec![other(0), link(1, true, Some(0))], Vec::new())[0].contains("has changed"));
        let removed = reported(vec![link(1, true, Some(0))], vec![entry(&other(0))]);
        assert!(removed.len() == 1 && removed[0].contains("removed by retention, but with another manifest"));
        for (one, other) in [(true, true), (true, false), (false, true), (false, false)] {
            let fork = reported(vec![link(0, true, None), link(1, one, Some(0)), link(2, other, Some(0))], Vec::new());
            assert!(fork.len() == 1 && fork[0].starts_with(&name(2)) && fork[0].contains(&name(1)), "{fork:?}");
            let two = reported(vec![link(0, one, None), link(1, other, None)], Vec::new());
            assert!(two.len() == 1 && two[0].starts_with(&name(1)) && two[0].contains("names no base"), "{two:?}");
        }
        let circle = reported(Vec::new(), vec![entry(&link(0, true, Some(1))), entry(&link(1, true, Some(0)))]);
        assert!(circle.len() == 1 && circle[0].contains("lead back"), "{circle:?}");
    }

    #[test]
    fn a_run_whose_clock_was_ahead_is_followed_by_its_links_and_not_by_its_name() {
        let ahead = vec![link(365, true, None), link(1, true, Some(365)), link(2, true, Some(1))];
        let chain = chain(ahead, Vec::new());
        assert_eq!(chain.broken, []);
        assert_eq!(chain.head.unwrap().0, name(2));
        assert_eq!(chain.complete, Some(name(2)));
    }

    #[test]
    fn newest_complete_snapshot_is_known_over_what_retention_removed_and_where_a_link_is_missing() {
        let links = folder(&[true, true, false, false]);
        let complete = |here: &[usize], removed: &[usize]| {
            let here = here.iter().map(|at| links[*at].clone()).collect();
            chain(here, removed.iter().map(|at| entry(&links[*at])).collect()).complete
        };
        assert_eq!(complete(&[0, 1, 3], &[2]), Some(name(1)));
        assert_eq!(complete(&[0, 1, 3], &[]), Some(name(1)));
        assert_eq!(complete(&[0, 3], &[1, 2]), Some(name(0)), "what is gone is not the newest");
        assert_eq!(complete(&[3], &[0, 1, 2]), None);
    }

    #[test]
    fn of_a_run_that_the_ledger_names_too_early_what_is_there_counts_and_of_two_entries_the_last() {
        let here = folder(&[true, true]);
        let stale = PrunedEntry { manifest_sha256: "another".to_owned(), ..entry(&here[0]) };
        assert!(reported(here.clone(), vec![stale.clone()]).is_empty());
        assert!(reported(vec![here[1].clone()], vec![stale.clone(), entry(&here[0])]).is_empty());
        assert_eq!(reported(vec![here[1].clone()], vec![entry(&here[0]), stale]).len(), 1);
    }

    #[test]
    fn a_manifest_that_cannot_be_understood_still_counts_by_its_hash() {
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
        assert!(reported([&ahead[..], &[same]].concat(), Vec::new()).is_empty(), "nobody knows whether it came before");
        assert_eq!(reported([&others[..], &[unreadable("another")]].concat(), Vec::new()).len(), 1);
    }

    /// A folder, and which of its snapshots retention removed.
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
        fn what_retention_removes_through_the_ledger_never_breaks_a_chain((links, removed) in pruned_folders()) {
            let (here, entries) = parted(&links, &removed);
            let chain = chain(here, entries);
            prop_assert_eq!(chain.broken, vec![]);
            prop_assert_eq!(chain.links.len(), links.len());
        }

        #[test]
        fn to_take_one_away_or_to_change_one_that_another_names_always_breaks_it(
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
