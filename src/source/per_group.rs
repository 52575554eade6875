//! Lists that exist once for each object of another list: the members of every group, the users of every vendor. Pure: what was
//! read, what was not, and what may be concluded from it.
//!
//! An object whose own list cannot be read is not gone. Only the list that names it says whether it was removed.

use super::ProbedList;
use super::client::{identified, in_words, is_absence, is_hopeless, total_of, without_id};
use super::decode::Id;
use super::named::Named;
use crate::model::{Coverage, ListKind, ListReport};
use crate::wire::page::{End, ListRow, WalkResult};
use crate::wire::{WireError, WireErrorKind};
use std::collections::{BTreeMap, BTreeSet};

/// Failures in a row, without anything that could be read, after which the rest is left alone.
const MOST_FAILURES: usize = 20;

/// Words for what is read: `members` of `policies`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nouns {
    pub(super) rows: &'static str,
    pub(super) one: &'static str,
    pub(super) many: &'static str,
}

/// How reading one list an object went, over all objects.
pub(super) struct PerGroup {
    kind: ListKind,
    nouns: Nouns,
    wanted: BTreeSet<Id>,
    read: BTreeSet<Id>,
    /// Objects that the list does not name any more.
    removed: BTreeSet<Id>,
    failures: BTreeMap<Id, WireError>,
    unproven: BTreeMap<Id, String>,
    /// Why nothing more was read.
    refused: Option<String>,
    /// What the proof says besides.
    notes: Vec<String>,
    expected: Option<u64>,
    received: u64,
    /// Rows by object; a list that is read again replaces its rows.
    rows: BTreeMap<Id, u64>,
    pages: u64,
    passes: u64,
}

impl PerGroup {
    /// Begins with the objects whose lists are to be read.
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
            expected: Some(0),
            received: 0,
            rows: BTreeMap::new(),
            pages: 0,
            passes: 1,
        }
    }

    /// Takes one object's list; returns its rows.
    pub(super) fn take<R: ListRow>(&mut self, id: &Id, walked: WalkResult<R, WireError>) -> Vec<R> {
        let (rows, others) = identified(walked.rows);
        let expected = total_of(walked.expected, rows.len() as u64 + others);
        self.expected = self.expected.zip(expected).map(|(sum, more)| sum.saturating_add(more));
        self.received += walked.received;
        self.rows.insert(id.clone(), rows.len() as u64);
        self.pages += walked.pages;
        self.passes = self.passes.max(walked.passes);
        match walked.end {
            Ok(_) if others > 0 => self.doubt(id, without_id(others)),
            Ok(End::Proven(_)) => {
                self.failures.remove(id);
                self.read.insert(id.clone());
            }
            Ok(End::Unproven(why)) => self.doubt(id, why),
            Err(error) => self.fail(id, error),
        }
        rows
    }

    /// Notes that an object's list could not be read. Returns whether there is no sense in reading the others.
    pub(super) fn failed(&mut self, id: &Id, error: WireError) -> bool {
        let hopeless = is_hopeless(&error);
        self.fail(id, error);
        hopeless || (self.read.is_empty() && self.failures.len() >= MOST_FAILURES)
    }

    fn fail(&mut self, id: &Id, error: WireError) {
        self.read.remove(id);
        self.failures.insert(id.clone(), error);
    }

    /// Notes that an object's list was read and may lack rows.
    pub(super) fn doubt(&mut self, id: &Id, why: String) {
        self.read.remove(id);
        self.failures.remove(id);
        self.unproven.insert(id.clone(), why);
    }

    /// Notes why nothing more is read.
    pub(super) fn refuse(&mut self, why: String) {
        self.refused.get_or_insert(why);
    }

    /// Adds to the proof what it does not cover.
    pub(super) fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// Bare arrays report no totals.
    pub(super) fn without_total(mut self) -> Self {
        self.expected = None;
        self
    }

    /// Returns whether an object's list was read to its proof.
    pub(super) fn has_read(&self, id: &Id) -> bool {
        self.read.contains(id)
    }

    /// Returns the number of objects whose lists were asked for.
    pub(super) fn tried(&self) -> usize {
        self.wanted.len() - self.untried().len()
    }

    /// Returns the number of objects whose lists were read to their proof.
    pub(super) fn read_count(&self) -> usize {
        self.read.len()
    }

    /// Returns the objects whose lists nobody asked for.
    pub(super) fn untried(&self) -> BTreeSet<Id> {
        let tried = |id: &Id| self.failures.contains_key(id) || self.unproven.contains_key(id);
        self.unknown().into_iter().filter(|id| !tried(id)).collect()
    }

    /// Returns whether reading the lists again would meet the same error.
    pub(super) fn is_hopeless(&self) -> bool {
        self.refused.is_some() || self.failures.values().any(is_hopeless)
    }

    /// Returns whether some object's list could not be read.
    pub(super) fn has_failed(&self) -> bool {
        !self.failures.is_empty() || self.refused.is_some()
    }

    /// Returns whether the list of objects must be read again to know which of them were removed.
    pub(super) fn needs_list(&self) -> bool {
        !self.failures.is_empty() && self.refused.is_none()
    }

    /// Takes what the list of objects names now; `None`: it could not be read to its proof, and nothing was removed.
    pub(super) fn settle(&mut self, named: Option<&BTreeSet<Id>>) {
        let Some(named) = named else { return };
        let removed: Vec<Id> = self.failures.keys().filter(|id| !named.contains(id)).cloned().collect();
        for id in removed {
            self.failures.remove(&id);
            self.removed.insert(id);
        }
    }

    /// Returns the objects that are still listed though their own lists were said not to exist: worth another question.
    pub(super) fn absent(&self) -> Vec<Id> {
        self.failures.iter().filter(|(_, error)| is_absence(error)).map(|(id, _)| id.clone()).collect()
    }

    /// Returns the objects that were removed while they were read.
    pub(super) fn removed(&self) -> &BTreeSet<Id> {
        &self.removed
    }

    /// Returns the objects whose rows are not all known.
    pub(super) fn unknown(&self) -> BTreeSet<Id> {
        self.wanted.iter().filter(|id| !self.read.contains(id) && !self.removed.contains(id)).cloned().collect()
    }

    /// Returns the number of rows of all lists.
    pub(super) fn distinct(&self) -> u64 {
        self.rows.iter().filter(|(id, _)| !self.removed.contains(id)).map(|(_, rows)| rows).sum()
    }

    /// Returns the report of all these lists as one.
    pub(super) fn report(&self, query: String, requests: u64) -> ListReport {
        let coverage = self.coverage();
        // The sum of some lists' totals is no total of all.
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

    /// Returns what a check shows of the lists that were read. `total`: what the source reports of the list that names the objects.
    pub(super) fn probed(&self, named: &Named, total: Option<u64>) -> ProbedList {
        let report = self.report(String::new(), 0);
        let page = match &report.coverage {
            Coverage::Complete { .. } => Ok((report.distinct, report.expected)),
            other => Err(other.words().to_owned()),
        };
        ProbedList { kind: self.kind, page, objects: Some(named.objects(self.tried(), total)) }
    }

    fn coverage(&self) -> Coverage {
        if let Some(error) = &self.refused {
            return Coverage::Failed { error: error.clone() };
        }
        let unknown = self.unknown().len();
        if !self.failures.is_empty() || unknown > self.unproven.len() {
            return Coverage::Failed { error: self.why_failed(unknown) };
        }
        if let Some((id, why)) = self.unproven.first_key_value() {
            let Nouns { one, .. } = self.nouns;
            let count = self.count(self.unproven.len());
            let why = format!("{count} not proven complete; the first: {one} {}: {why}", id.to_text());
            // A list that reports rows and gives none has not come, as that of a whole source has not.
            let has_come = |id: &Id| self.rows.get(id).is_none_or(|rows| *rows > 0);
            return if self.unproven.keys().all(has_come) {
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

    /// Names the first of so many objects.
    fn first(&self, count: usize, id: &Id) -> String {
        let name = format!("{} {}", self.nouns.one, id.to_text());
        if count == 1 { name } else { format!("the first: {name}") }
    }

    /// Words the failures by their kind: those that deny what the list names, those that lack a right, and the first other one.
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
                format!("{count} answered {status} though the list of {list} names them ({first})")
            })
            .collect();
        if let Some((id, error)) = forbidden.first() {
            let (count, first) = (self.count(forbidden.len()), self.first(forbidden.len(), id));
            parts.push(format!("{count} ({first}): {}", in_words(self.kind, error)));
        }
        if let Some((id, error)) = other {
            let first = format!("{} {}: {}", self.nouns.one, id.to_text(), in_words(self.kind, error));
            let failed = self.failures.len() - forbidden.len();
            parts.push(if failed == 1 { first } else { format!("the first failure: {first}") });
        }
        let untried = unknown.saturating_sub(self.failures.len() + self.unproven.len());
        if untried > 0 {
            parts.push(format!("{} not asked for after these failures", self.count(untried)));
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

    fn tally(wanted: u64, failures: &[(u64, WireErrorKind)]) -> PerGroup {
        let mut tally = PerGroup::of(ListKind::Members, POLICIES, ids(1..=wanted));
        tally.read = ids((1..=wanted).filter(|id| failures.iter().all(|(failed, _)| failed != id)));
        for (id, kind) in failures {
            let kind = kind.clone();
            tally.failed(&Id::Number(*id), WireError::new(format!("GET /x/{id}"), kind));
        }
        tally
    }

    fn why(tally: &PerGroup) -> String {
        let coverage = tally.coverage();
        assert!(!coverage.is_complete());
        coverage.words().to_owned()
    }

    #[test]
    fn members_that_are_not_found_of_listed_policies_are_unknown_and_not_removed() {
        let mut tally = tally(3, &[1, 2, 3].map(|id| (id, WireErrorKind::NotFound)));
        assert!(tally.needs_list());
        tally.settle(Some(&ids(1..=3)));
        let why = why(&tally);
        assert!(why.contains("the members of 3 policies answered 404 though the list of policies names them"), "{why}");
        assert!(why.ends_with("(the first: policy 1)"), "{why}");
        assert_eq!(tally.unknown(), ids(1..=3));
        assert!(tally.removed().is_empty());
    }

    #[test]
    fn only_what_the_list_no_longer_names_was_removed() {
        for kind in [WireErrorKind::NotFound, WireErrorKind::Status(410), WireErrorKind::Status(500)] {
            let mut tally = tally(3, &[(2, kind)]);
            tally.settle(Some(&ids([1, 3])));
            assert!(
                tally.coverage().words().contains("2 of 3 policies fully read in 0 responses, 1 removed meanwhile")
            );
            assert_eq!((tally.removed().clone(), tally.unknown()), (ids([2]), ids([])));
        }
    }

    #[test]
    fn nothing_was_removed_where_the_list_cannot_be_read_again() {
        let mut tally = tally(3, &[(2, WireErrorKind::NotFound)]);
        tally.settle(None);
        assert!(tally.removed().is_empty() && !tally.coverage().is_complete());
    }

    #[test]
    fn one_policy_that_failed_leaves_the_others_known() {
        let tally = tally(3, &[(2, WireErrorKind::Status(500))]);
        assert_eq!(tally.unknown(), ids([2]));
        assert!(why(&tally).contains("1 of 3 policies not read: policy 2: GET /x/2"), "{}", why(&tally));
    }

    #[test]
    fn a_right_that_is_missing_for_some_is_named_with_its_cure() {
        let tally = tally(4, &[(2, WireErrorKind::Forbidden), (3, WireErrorKind::Forbidden)]);
        let why = why(&tally);
        assert!(why.contains("the members of 2 policies (the first: policy 2): "), "{why}");
        assert!(why.contains("forbidden (403)"), "{why}");
        assert!(why.contains("right to view members"), "{why}");
    }

    #[test]
    fn after_many_failures_and_no_success_the_rest_is_left_alone_and_unknown() {
        let mut tally = PerGroup::of(ListKind::Members, POLICIES, ids(1..=100));
        let error = || WireError::new("GET /x".to_owned(), WireErrorKind::NotFound);
        let tried = (1..=100).take_while(|id| !tally.failed(&Id::Number(*id), error())).count();
        assert_eq!(tried, 19);
        tally.settle(Some(&ids(1..=100)));
        assert_eq!(tally.unknown().len(), 100);
        assert!(
            why(&tally).contains("100 of 100 policies not read") && why(&tally).contains("80 policies not asked for")
        );
    }

    #[test]
    fn one_list_that_may_lack_rows_leaves_all_of_them_unproven() {
        let mut tally = tally(10, &[]);
        tally.doubt(&Id::Number(4), "it moved".to_owned());
        let Coverage::Drifted { why } = tally.coverage() else { panic!("drifted") };
        assert_eq!(why, "the members of 1 policy not proven complete; the first: policy 4: it moved");
        assert_eq!(tally.unknown(), ids([4]));
    }
}
