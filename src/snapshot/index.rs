//! The order of published snapshots: the newest, the newest complete one, and all of them in the order of publication.
//!
//! Pure: [`Store`](super::Store) reads the manifests and the links. Each manifest names the previous snapshot as its
//! baseline. Run ids come from clocks, which may be wrong, so they decide only where no baseline does.

use super::error::SnapshotError;
use super::manifest::ManifestHeader;
use crate::model::Completeness;
use std::collections::{BTreeMap, BTreeSet};

/// Published snapshots of one folder, with the targets of both links.
#[derive(Debug, Default)]
pub(super) struct SnapshotIndex {
    /// Header and SHA-256 of each manifest by run id, or why it cannot be read.
    pub(super) snapshots: BTreeMap<String, Result<(ManifestHeader, String), SnapshotError>>,
    /// Target of the link `latest`.
    pub(super) latest: Option<String>,
    /// Target of the link `latest-complete`.
    pub(super) latest_complete: Option<String>,
}

impl SnapshotIndex {
    /// Returns the newest readable snapshot.
    ///
    /// The search starts at the target of `latest`, or at the last name without it. It then follows the snapshots that
    /// have it as their baseline: a run may be killed between the publication and the link.
    pub(super) fn newest(&self) -> Option<&str> {
        let linked = self.latest.as_deref().filter(|run_id| self.header(run_id).is_some());
        let mut newest = linked.or_else(|| self.readable().next_back().map(|(run_id, _)| run_id))?;
        let base_of = |(run_id, (header, _)): (_, &'_ (ManifestHeader, String))| {
            header.base.as_ref().map(|base| (base.manifest_sha256.clone(), run_id))
        };
        let mut after: BTreeMap<String, &str> = self.readable().filter_map(base_of).collect();
        // Each entry is removed when it is followed, so a circle of baselines ends.
        while let Some(next) = self.header(newest).and_then(|(_, sha256)| after.remove(sha256)) {
            newest = next;
        }
        Some(newest)
    }

    /// Returns the newest complete snapshot: the first one from the newest back along the baselines.
    ///
    /// If the baselines end before, returns the target of `latest-complete`, otherwise the last complete one by name.
    pub(super) fn newest_complete(&self) -> Option<&str> {
        let is_complete = |run_id: &&str| {
            self.header(run_id).is_some_and(|(header, _)| header.completeness == Completeness::Complete)
        };
        let (line, others) = self.parts();
        line.into_iter().chain(self.latest_complete.as_deref()).chain(others.into_iter().rev()).find(is_complete)
    }

    /// Returns all run ids, the newest last. Snapshots that no baseline leads to are first, by name.
    pub(super) fn in_order(&self) -> Vec<String> {
        let (line, others) = self.parts();
        others.into_iter().chain(line.into_iter().rev()).map(str::to_owned).collect()
    }

    /// Marks a snapshot as unreadable, for this reason.
    pub(super) fn mark_unreadable(&mut self, run_id: &str, error: SnapshotError) {
        self.snapshots.insert(run_id.to_owned(), Err(error));
    }

    /// Drops a snapshot that was removed meanwhile.
    pub(super) fn forget(&mut self, run_id: &str) {
        self.snapshots.remove(run_id);
    }

    /// Checks whether the header of a snapshot can be read.
    pub(super) fn is_readable(&self, run_id: &str) -> bool {
        self.header(run_id).is_some()
    }

    /// Splits the snapshots into those from the newest back along the baselines, and the others by name.
    fn parts(&self) -> (Vec<&str>, BTreeSet<&str>) {
        let mut others: BTreeSet<&str> = self.snapshots.keys().map(String::as_str).collect();
        let mut line = Vec::new();
        let mut next = self.newest();
        while let Some(run_id) = next.and_then(|run_id| others.take(run_id)) {
            line.push(run_id);
            next = self.header(run_id).and_then(|(header, _)| header.base.as_ref()).map(|base| base.run_id.as_str());
        }
        (line, others)
    }

    fn readable(&self) -> impl DoubleEndedIterator<Item = (&str, &(ManifestHeader, String))> {
        self.snapshots.iter().filter_map(|(run_id, header)| Some((run_id.as_str(), header.as_ref().ok()?)))
    }

    fn header(&self, run_id: &str) -> Option<&(ManifestHeader, String)> {
        self.snapshots.get(run_id)?.as_ref().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::BaseReference;
    use super::*;
    use proptest::prelude::*;

    fn sha256(run_id: &str) -> String {
        format!("hash of {run_id}")
    }

    /// Builds an index from run ids, completeness and baselines, and from the targets of both links.
    fn index(snapshots: &[(&str, bool, Option<&str>)], links: [Option<&str>; 2]) -> SnapshotIndex {
        let header = |(run_id, is_complete, base): &(&str, bool, Option<&str>)| {
            let base = base.map(|base| BaseReference { run_id: base.to_owned(), manifest_sha256: sha256(base) });
            let completeness = Completeness::of(*is_complete);
            let header = ManifestHeader { run_id: (*run_id).to_owned(), completeness, as_of: String::new(), base };
            ((*run_id).to_owned(), Ok((header, sha256(run_id))))
        };
        let [latest, latest_complete] = links.map(|link| link.map(str::to_owned));
        SnapshotIndex { snapshots: snapshots.iter().map(header).collect(), latest, latest_complete }
    }

    #[test]
    fn order_follows_the_baselines_and_not_the_names() {
        let index = index(
            &[("a", true, Some("z")), ("b", false, Some("a")), ("m", true, None), ("z", true, None)],
            [Some("b"), Some("a")],
        );
        assert_eq!((index.newest(), index.newest_complete()), (Some("b"), Some("a")));
        assert_eq!(index.in_order(), ["m", "z", "a", "b"]);
    }

    #[test]
    fn complete_snapshot_that_no_baseline_leads_to_is_found_by_its_link() {
        let pruned = [("b", true, None), ("c", true, None), ("e", false, Some("d"))];
        assert_eq!(index(&pruned, [Some("e"), Some("b")]).newest_complete(), Some("b"));
        for astray in [None, Some("gone"), Some("e")] {
            assert_eq!(index(&pruned, [Some("e"), astray]).newest_complete(), Some("c"), "{astray:?}");
        }
    }

    #[test]
    fn unreadable_snapshot_is_neither_the_newest_nor_the_newest_complete() {
        let mut index = index(&[("a", true, None), ("b", true, Some("a"))], [Some("b"), Some("b")]);
        index.mark_unreadable("b", SnapshotError::NotARunId { name: "b".to_owned() });
        assert_eq!((index.newest(), index.newest_complete()), (Some("a"), Some("a")));
        assert_eq!(index.in_order(), ["b", "a"]);
        assert_eq!(SnapshotIndex::default().newest(), None);
    }

    #[test]
    fn a_circle_of_baselines_ends_the_search() {
        let index = index(&[("a", false, Some("b")), ("b", false, Some("a"))], [Some("a"), None]);
        assert_eq!(index.in_order().len(), 2);
        assert_eq!(index.newest_complete(), None);
    }

    proptest! {
        /// The names are in any order, as with clocks that jump.
        #[test]
        fn links_missing_after_a_kill_do_not_change_the_newest_snapshots_or_their_order(
            drawn in proptest::collection::btree_map("[a-z]{3}", any::<(u16, bool)>(), 1..20),
            killed in any::<[bool; 2]>(),
        ) {
            let mut runs: Vec<(&str, u16, bool)> = drawn.iter().map(|(name, (at, is))| (name.as_str(), *at, *is)).collect();
            runs.sort_by_key(|(_, at, _)| *at);
            let bases = std::iter::once(None).chain(runs.iter().map(|(name, ..)| Some(*name)));
            let snapshots: Vec<_> = runs.iter().zip(bases).map(|((name, _, is), base)| (*name, *is, base)).collect();
            let newest = |count: usize| snapshots[..count].last().map(|(name, ..)| *name);
            let complete = |count: usize| snapshots[..count].iter().rfind(|(_, is, _)| *is).map(|(name, ..)| *name);
            let linked = killed.map(|killed| snapshots.len() - usize::from(killed));
            let index = index(&snapshots, [newest(linked[0]), complete(linked[1])]);
            prop_assert_eq!(index.newest(), newest(snapshots.len()));
            prop_assert_eq!(index.newest_complete(), complete(snapshots.len()));
            let order: Vec<&str> = snapshots.iter().map(|(name, ..)| *name).collect();
            prop_assert_eq!(index.in_order(), order);
        }
    }
}
