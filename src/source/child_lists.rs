//! Lists that exist once for each object of another list: the members of every group, the users of every vendor.
//!
//! [`ChildLists`] records for which objects the list was read, failed or was not tried, and derives the coverage of all
//! lists together. A failed child list never means that its object was removed: only the list that names the objects
//! can show that. Pure: connectors make the requests.

use super::ProbedList;
use super::client::{error_text, identified, is_absence, is_source_wide, total_of, without_id};
use super::decode::Id;
use super::object_sample::ObjectSample;
use crate::model::{Coverage, ListKind, ListReport};
use crate::wire::page::{End, ListRow, WalkResult};
use crate::wire::{WireError, WireErrorKind};
use std::collections::{BTreeMap, BTreeSet};

/// Failures without any success after which the remaining objects are not tried.
const MAX_FAILURES: usize = 20;

/// Words for error texts: the `rows` (`members`) of `one` (`policy`) or `many` (`policies`) objects.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nouns {
    pub(super) rows: &'static str,
    pub(super) one: &'static str,
    pub(super) many: &'static str,
}

/// Words for the members of groups.
pub(super) const GROUP_MEMBERS: Nouns = Nouns { rows: "members", one: "group", many: "groups" };

/// Outcome of reading one list per object, over all objects.
pub(super) struct ChildLists {
    kind: ListKind,
    nouns: Nouns,
    wanted: BTreeSet<Id>,
    read: BTreeSet<Id>,
    /// Objects that the list of objects no longer names.
    removed: BTreeSet<Id>,
    failures: BTreeMap<Id, WireError>,
    /// Objects whose lists were read but may lack rows, with the reason.
    unproven: BTreeMap<Id, String>,
    /// Why no list was read at all.
    refused: Option<String>,
    /// Remarks that are appended to the proof.
    notes: Vec<String>,
    /// Sum of the reported totals; `None` as soon as one list has no usable total.
    expected: Option<u64>,
    received: u64,
    /// Rows per object. A list that is read again replaces its number.
    rows: BTreeMap<Id, u64>,
    pages: u64,
    passes: u64,
}

impl ChildLists {
    /// Starts with the objects whose lists will be read.
    pub(super) fn of(kind: ListKind, nouns: Nouns, wanted: impl IntoIterator<Item = Id>) -> Self {
        Self {
            kind,
            nouns,
            wanted: wanted.into_iter().collect(),
            read: BTreeSet::new(),
            removed: BTreeSet::new(),
            failures: BTreeMap::new(),
            unproven: BTreeMap::new(),
            refused: None,
            notes: Vec::new(),
            // Without objects the total is 0.
            expected: Some(0),
            received: 0,
            rows: BTreeMap::new(),
            pages: 0,
            passes: 1,
        }
    }

    /// Records the list of one object; returns its rows.
    pub(super) fn add<R: ListRow>(&mut self, id: &Id, walked: WalkResult<R, WireError>) -> Vec<R> {
        let (rows, others) = identified(walked.rows);
        let expected = total_of(walked.expected, rows.len() as u64 + others);
        self.expected = self.expected.zip(expected).map(|(sum, more)| sum.saturating_add(more));
        self.received += walked.received;
        self.rows.insert(id.clone(), rows.len() as u64);
        self.pages += walked.pages;
        self.passes = self.passes.max(walked.passes);
        match walked.end {
            Ok(_) if others > 0 => self.mark_unproven(id, without_id(others)),
            Ok(End::Proven(_)) => {
                self.failures.remove(id);
                self.read.insert(id.clone());
            }
            Ok(End::Unproven(why)) => self.mark_unproven(id, why),
            Err(error) => self.set_failure(id, error),
        }
        rows
    }

    /// Records that the list of an object could not be read. Returns whether the remaining objects should not be tried.
    pub(super) fn add_failure(&mut self, id: &Id, error: WireError) -> bool {
        let ends = is_source_wide(&error);
        self.set_failure(id, error);
        // After one success, failures concern single objects, and the remaining objects are worth their requests.
        ends || (self.read.is_empty() && self.failures.len() >= MAX_FAILURES)
    }

    /// Records a failure and withdraws an earlier success.
    fn set_failure(&mut self, id: &Id, error: WireError) {
        self.read.remove(id);
        self.failures.insert(id.clone(), error);
    }

    /// Records that the list of an object was read but may lack rows.
    pub(super) fn mark_unproven(&mut self, id: &Id, why: String) {
        self.read.remove(id);
        self.failures.remove(id);
        self.unproven.insert(id.clone(), why);
    }

    /// Records why no list is read. The first reason is kept.
    pub(super) fn refuse(&mut self, why: String) {
        self.refused.get_or_insert(why);
    }

    /// Appends a remark to the proof.
    pub(super) fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// Declares that these lists report no totals, as bare arrays do.
    pub(super) fn without_total(mut self) -> Self {
        self.expected = None;
        self
    }

    /// Returns whether the list of an object is proven complete.
    pub(super) fn has_read(&self, id: &Id) -> bool {
        self.read.contains(id)
    }

    /// Returns the number of objects whose lists were requested.
    pub(super) fn tried(&self) -> usize {
        self.wanted.len() - self.untried().len()
    }

    /// Returns the number of objects whose lists are proven complete.
    pub(super) fn read_count(&self) -> usize {
        self.read.len()
    }

    /// Returns the objects whose lists were not requested.
    pub(super) fn untried(&self) -> BTreeSet<Id> {
        let tried = |id: &Id| self.failures.contains_key(id) || self.unproven.contains_key(id);
        self.unknown().into_iter().filter(|id| !tried(id)).collect()
    }

    /// Returns whether reading again would fail in the same way.
    pub(super) fn has_source_wide_failure(&self) -> bool {
        self.refused.is_some() || self.failures.values().any(is_source_wide)
    }

    /// Returns whether the list of any object could not be read.
    pub(super) fn has_failed(&self) -> bool {
        !self.failures.is_empty() || self.refused.is_some()
    }

    /// Returns whether the list of objects must be read again, to find out which objects were removed meanwhile.
    pub(super) fn needs_list(&self) -> bool {
        !self.failures.is_empty() && self.refused.is_none()
    }

    /// Removes failures of objects that are no longer listed. `named` are the ids listed now; `None` if that list is
    /// not proven complete.
    pub(super) fn remove_unlisted(&mut self, named: Option<&BTreeSet<Id>>) {
        // Without a proven list nothing can be removed, and every failure stays.
        let Some(named) = named else { return };
        let removed: Vec<Id> = self.failures.keys().filter(|id| !named.contains(id)).cloned().collect();
        for id in removed {
            self.failures.remove(&id);
            self.removed.insert(id);
        }
    }

    /// Returns the objects that are still listed although their own lists answer "not found". They are worth a second
    /// request.
    pub(super) fn absent(&self) -> Vec<Id> {
        self.failures.iter().filter(|(_, error)| is_absence(error)).map(|(id, _)| id.clone()).collect()
    }

    /// Returns the objects that were removed while the run read.
    pub(super) fn removed(&self) -> &BTreeSet<Id> {
        &self.removed
    }

    /// Returns the objects whose rows are not all known.
    pub(super) fn unknown(&self) -> BTreeSet<Id> {
        self.wanted.iter().filter(|id| !self.read.contains(id) && !self.removed.contains(id)).cloned().collect()
    }

    /// Returns the number of rows of all objects that still exist.
    pub(super) fn distinct(&self) -> u64 {
        self.rows.iter().filter(|(id, _)| !self.removed.contains(id)).map(|(_, rows)| rows).sum()
    }

    /// Returns one list report for all objects.
    pub(super) fn report(&self, query: String, requests: u64) -> ListReport {
        let coverage = self.coverage();
        // The sum is a total only if the lists of all objects were read.
        let expected = self.expected.filter(|_| self.unknown().is_empty());
        ListReport {
            kind: self.kind,
            query,
            expected: total_of(expected, self.distinct()),
            received: self.received,
            distinct: self.distinct(),
            pages: self.pages,
            passes: self.passes,
            requests,
            coverage,
        }
    }

    /// Returns the probe result of these lists. `total` is the number of objects that the source reports.
    pub(super) fn probed(&self, named: &ObjectSample, total: Option<u64>) -> ProbedList {
        let report = self.report(String::new(), 0);
        let page = match &report.coverage {
            Coverage::Complete { .. } => Ok((report.distinct, report.expected)),
            other => Err(other.words().to_owned()),
        };
        ProbedList { kind: self.kind, page, objects: Some(named.objects(self.tried(), total)), names: Vec::new() }
    }

    /// Derives the coverage: refused, then failed, then unproven, then complete.
    fn coverage(&self) -> Coverage {
        if let Some(error) = &self.refused {
            return Coverage::Failed { error: error.clone() };
        }
        let unknown = self.unknown().len();
        // More unknown objects than unproven ones: some were not tried at all.
        if !self.failures.is_empty() || unknown > self.unproven.len() {
            return Coverage::Failed { error: self.why_failed(unknown) };
        }
        if let Some((id, why)) = self.unproven.first_key_value() {
            let Nouns { one, .. } = self.nouns;
            let count = self.count(self.unproven.len());
            let why = format!("{count} not proven complete; the first: {one} {}: {why}", id.to_text());
            // A total above 0 without any row is a failed list, as for a list of the whole source (`client::report`).
            let has_rows = |id: &Id| self.rows.get(id).is_none_or(|rows| *rows > 0);
            return if self.unproven.keys().all(has_rows) {
                Coverage::Drifted { why }
            } else {
                Coverage::Failed { error: why }
            };
        }
        Coverage::Complete { proof: self.proof() }
    }

    fn proof(&self) -> String {
        let Nouns { many, .. } = self.nouns;
        let mut proof =
            format!("{} of {} {many} fully read in {} responses", self.read.len(), self.wanted.len(), self.pages);
        if !self.removed.is_empty() {
            proof = format!("{proof}, {} removed meanwhile (the list no longer names them)", self.removed.len());
        }
        self.notes.iter().fold(proof, |proof, note| format!("{proof}; {note}"))
    }

    fn count(&self, count: usize) -> String {
        let Nouns { rows, one, many } = self.nouns;
        if count == 1 { format!("the {rows} of 1 {one}") } else { format!("the {rows} of {count} {many}") }
    }

    /// Returns the name of an object, introduced as the first of `count` objects.
    fn first(&self, count: usize, id: &Id) -> String {
        let name = format!("{} {}", self.nouns.one, id.to_text());
        if count == 1 { name } else { format!("the first: {name}") }
    }

    /// Returns the text for all failures, grouped: not found although listed, forbidden, and the first of any other
    /// kind.
    fn why_failed(&self, unknown: usize) -> String {
        let mut denied: BTreeMap<u16, Vec<&Id>> = BTreeMap::new();
        let mut forbidden = Vec::new();
        let mut other = None;
        for (id, error) in &self.failures {
            match error.kind {
                WireErrorKind::NotFound => denied.entry(404).or_default().push(id),
                WireErrorKind::Status(410) => denied.entry(410).or_default().push(id),
                WireErrorKind::Forbidden => forbidden.push((id, error)),
                _ => other = other.or(Some((id, error))),
            }
        }
        let list = self.nouns.many;
        let mut parts: Vec<String> = denied
            .into_iter()
            .map(|(status, ids)| {
                let (count, first) = (self.count(ids.len()), self.first(ids.len(), ids[0]));
                format!("{count} answered {status}, but the list of {list} contains them ({first})")
            })
            .collect();
        if let Some((id, error)) = forbidden.first() {
            let (count, first) = (self.count(forbidden.len()), self.first(forbidden.len(), id));
            parts.push(format!("{count} ({first}): {}", error_text(self.kind, error)));
        }
        if let Some((id, error)) = other {
            let first = format!("{} {}: {}", self.nouns.one, id.to_text(), error_text(self.kind, error));
            let failed = self.failures.len() - forbidden.len();
            parts.push(if failed == 1 { first } else { format!("the first failure: {first}") });
        }
        let untried = unknown.saturating_sub(self.failures.len() + self.unproven.len());
        if untried > 0 {
            parts.push(format!("{} not requested after these failures", self.count(untried)));
        }
        format!("{} of {} {list} not read: {}", unknown, self.wanted.len(), parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICIES: Nouns = Nouns { rows: "members", one: "policy", many: "policies" };

    fn ids(ids: impl IntoIterator<Item = u64>) -> BTreeSet<Id> {
        ids.into_iter().map(Id::Number).collect()
    }

    fn tally(wanted: u64, failures: &[(u64, WireErrorKind)]) -> ChildLists {
        let mut tally = ChildLists::of(ListKind::Members, POLICIES, ids(1..=wanted));
        tally.read = ids((1..=wanted).filter(|id| failures.iter().all(|(failed, _)| failed != id)));
        for (id, kind) in failures {
            let kind = kind.clone();
            tally.add_failure(&Id::Number(*id), WireError::new(format!("GET /x/{id}"), kind));
        }
        tally
    }

    fn why(tally: &ChildLists) -> String {
        let coverage = tally.coverage();
        assert!(!coverage.is_complete());
        coverage.words().to_owned()
    }

    #[test]
    fn a_policy_whose_members_answer_404_is_unknown_and_not_removed_while_it_is_listed() {
        let mut tally = tally(3, &[1, 2, 3].map(|id| (id, WireErrorKind::NotFound)));
        assert!(tally.needs_list());
        tally.remove_unlisted(Some(&ids(1..=3)));
        let why = why(&tally);
        assert!(
            why.contains("the members of 3 policies answered 404, but the list of policies contains them"),
            "{why}"
        );
        assert!(why.ends_with("(the first: policy 1)"), "{why}");
        assert_eq!(tally.unknown(), ids(1..=3));
        assert!(tally.removed().is_empty());
    }

    #[test]
    fn only_objects_that_are_no_longer_listed_count_as_removed() {
        for kind in [WireErrorKind::NotFound, WireErrorKind::Status(410), WireErrorKind::Status(500)] {
            let mut tally = tally(3, &[(2, kind)]);
            tally.remove_unlisted(Some(&ids([1, 3])));
            assert!(
                tally.coverage().words().contains("2 of 3 policies fully read in 0 responses, 1 removed meanwhile")
            );
            assert_eq!((tally.removed().clone(), tally.unknown()), (ids([2]), ids([])));
        }
    }

    #[test]
    fn nothing_counts_as_removed_if_the_list_cannot_be_read_again() {
        let mut tally = tally(3, &[(2, WireErrorKind::NotFound)]);
        tally.remove_unlisted(None);
        assert!(tally.removed().is_empty() && !tally.coverage().is_complete());
    }

    #[test]
    fn one_failed_policy_leaves_the_others_known() {
        let tally = tally(3, &[(2, WireErrorKind::Status(500))]);
        assert_eq!(tally.unknown(), ids([2]));
        assert!(why(&tally).contains("1 of 3 policies not read: policy 2: GET /x/2"), "{}", why(&tally));
    }

    #[test]
    fn a_missing_right_is_named_with_its_cure() {
        let tally = tally(4, &[(2, WireErrorKind::Forbidden), (3, WireErrorKind::Forbidden)]);
        let why = why(&tally);
        assert!(why.contains("the members of 2 policies (the first: policy 2): "), "{why}");
        assert!(why.contains("forbidden (403)"), "{why}");
        assert!(why.contains("right to view members"), "{why}");
    }

    #[test]
    fn after_20_failures_without_success_the_remaining_objects_are_unknown_and_not_tried() {
        let mut tally = ChildLists::of(ListKind::Members, POLICIES, ids(1..=100));
        let error = || WireError::new("GET /x".to_owned(), WireErrorKind::NotFound);
        let tried = (1..=100).take_while(|id| !tally.add_failure(&Id::Number(*id), error())).count();
        assert_eq!(tried, 19);
        tally.remove_unlisted(Some(&ids(1..=100)));
        assert_eq!(tally.unknown().len(), 100);
        assert!(
            why(&tally).contains("100 of 100 policies not read") && why(&tally).contains("80 policies not requested")
        );
    }

    #[test]
    fn one_unproven_list_makes_the_whole_list_drifted() {
        let mut tally = tally(10, &[]);
        tally.mark_unproven(&Id::Number(4), "it moved".to_owned());
        let Coverage::Drifted { why } = tally.coverage() else { panic!("drifted") };
        assert_eq!(why, "the members of 1 policy not proven complete; the first: policy 4: it moved");
        assert_eq!(tally.unknown(), ids([4]));
    }
}
