//! The objects whose own lists `check --online` reads: the first ones that a list names, up to [`MAX_OBJECTS`].
//!
//! Connectors pass in the pages of the list and read the lists below the sampled objects in the same way as a run.
//! Knows no product and no HTTP.

use super::Objects;
use super::client::{error_text, identified, repeats, without_id};
use super::decode::{Id, Listed};
use crate::model::ListKind;
use crate::wire::WireError;
use crate::wire::page::ListRow;
use std::collections::BTreeSet;

/// Maximum number of objects whose own lists a check reads. A run reads the lists of all objects.
pub(super) const MAX_OBJECTS: usize = 200;

/// What follows a page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextPage {
    /// Nothing: this page was the last one.
    Nothing,
    /// Unknown: the answer does not say whether more rows follow.
    Perhaps,
    /// More rows, according to the answer.
    More,
}

/// Position of a page: the pages and rows before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct PagePosition {
    pub(super) pages: u64,
    pub(super) rows: u64,
}

/// Objects that a list names, each once, at most [`MAX_OBJECTS`].
pub(super) struct ObjectSample {
    pub(super) rows: Vec<Listed>,
    /// Why the list of objects was not fully read.
    pub(super) error: Option<String>,
    /// Whether the list names no further objects.
    is_whole: bool,
}

impl ObjectSample {
    /// Reads pages after the first one until enough objects are known or the list ends. `kind` names the list in error
    /// texts.
    pub(super) async fn read<F, A>(kind: ListKind, first: (Vec<Listed>, NextPage), page: F) -> Self
    where
        F: Fn(PagePosition) -> A,
        A: Future<Output = Result<(Vec<Listed>, NextPage), WireError>>,
    {
        let (mut rows, mut behind) = first;
        let (mut pages, head) = (1, rows.len());
        let mut failure = None;
        while behind != NextPage::Nothing && rows.len() < MAX_OBJECTS {
            match page(PagePosition { pages, rows: rows.len() as u64 }).await {
                Ok((more, next)) => {
                    if let Some(why) = repeats(&rows[..head], &more) {
                        // Without a total, a page that repeats means a list without paging, which is already complete.
                        failure = (behind == NextPage::More).then_some(why);
                        behind = NextPage::Nothing;
                    } else {
                        behind = if more.is_empty() { NextPage::Nothing } else { next };
                        pages += 1;
                        rows.extend(more);
                    }
                }
                Err(error) => {
                    failure = Some(error_text(kind, &error));
                    break;
                }
            }
        }
        Self::of(rows, behind == NextPage::Nothing, failure)
    }

    /// Removes rows without a usable id and duplicates, then cuts the sample to the maximum.
    fn of(rows: Vec<Listed>, ended: bool, error: Option<String>) -> Self {
        let (mut rows, others) = identified(rows);
        let mut seen = BTreeSet::new();
        rows.retain(|row| seen.insert(row.key().clone()));
        let is_whole = ended && rows.len() <= MAX_OBJECTS;
        rows.truncate(MAX_OBJECTS);
        let error = error.or_else(|| (others > 0).then(|| without_id(others)));
        Self { rows, error, is_whole }
    }

    /// Returns the sample of a list that was read in a single answer.
    pub(super) fn single_answer(rows: Vec<Listed>) -> Self {
        Self::of(rows, true, None)
    }

    /// Returns the ids of the objects.
    pub(super) fn ids(&self) -> impl Iterator<Item = Id> + '_ {
        self.rows.iter().map(|row| row.id.clone())
    }

    /// Returns whether the list names no further objects.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Returns how many objects were tried, and out of how many. `total` is the number of objects that the source
    /// reports.
    pub(super) fn objects(&self, tried: usize, total: Option<u64>) -> Objects {
        let known = self.rows.len() as u64;
        // A total smaller than the number of objects read counts something else.
        let of = total.filter(|total| *total > known).or(self.is_whole.then_some(known));
        Objects { tried: tried as u64, of }
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode::JsonRecord;
    use super::*;
    use crate::wire::WireErrorKind;
    use std::future::ready;
    use std::ops::Range;

    fn rows(ids: Range<u64>) -> Vec<Listed> {
        ids.map(|id| Listed { id: Id::Number(id), record: JsonRecord::default() }).collect()
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    type PageResult = Result<(Vec<Listed>, NextPage), WireError>;

    fn read(first: (Vec<Listed>, NextPage), page: impl Fn(PagePosition) -> PageResult) -> ObjectSample {
        block_on(ObjectSample::read(ListKind::Groups, first, |place| ready(page(place))))
    }

    #[test]
    fn objects_are_read_up_to_the_bound() {
        let named = |objects: u64| {
            let page = |from: u64| {
                let to = (from + 60).min(objects);
                (rows(from..to), if to < objects { NextPage::More } else { NextPage::Nothing })
            };
            read(page(0), |place| Ok(page(place.rows)))
        };
        for objects in [0, 60, 61, 200] {
            let named = named(objects);
            assert!(named.rows.len() as u64 == objects && named.error.is_none() && named.is_whole());
            let all = named.objects(named.rows.len(), Some(objects));
            assert!(all == Objects { tried: objects, of: Some(objects) } && all.are_all(), "{all:?}");
        }
        for objects in [201, 1340] {
            let named = named(objects);
            assert!(named.rows.len() == MAX_OBJECTS && !named.is_whole());
            assert_eq!(named.objects(200, Some(objects)), Objects { tried: 200, of: Some(objects) });
            assert!(!named.objects(200, None).are_all(), "the source reports no total");
        }
    }

    #[test]
    fn a_repeated_page_is_an_error_only_where_more_rows_were_reported() {
        let again = |behind| read((rows(0..9), behind), |_| Ok((rows(0..9), behind)));
        assert!(again(NextPage::More).error.unwrap().contains("its second page is the first one again"));
        let unpaged = again(NextPage::Perhaps);
        assert!(unpaged.error.is_none() && unpaged.is_whole() && unpaged.rows.len() == 9);
    }

    #[test]
    fn an_unreadable_page_is_reported_and_the_objects_read_before_are_kept() {
        let failed = || WireError::new("GET /group-policy".to_owned(), WireErrorKind::Status(500));
        let named = read((rows(0..9), NextPage::More), |_| Err(failed()));
        assert!(named.error.unwrap().contains("GET /group-policy") && named.rows.len() == 9);
        let odd = Listed { id: Id::Unusable(1), record: JsonRecord::default() };
        let named = read((rows(0..9), NextPage::More), |_| Ok((vec![odd.clone()], NextPage::Nothing)));
        assert!(named.error.unwrap().contains("its id is missing or unreadable") && named.rows.len() == 9);
    }

    #[test]
    fn an_object_that_moved_to_the_next_page_is_sampled_once() {
        let named = read((rows(0..9), NextPage::More), |_| Ok((rows(8..12), NextPage::Nothing)));
        assert_eq!(named.ids().collect::<Vec<_>>(), (0..12).map(Id::Number).collect::<Vec<_>>());
    }

    #[test]
    fn an_empty_page_ends_a_list_that_always_reports_more() {
        let named = read((rows(0..9), NextPage::More), |_| Ok((Vec::new(), NextPage::More)));
        assert!(named.rows.len() == 9 && !named.objects(9, Some(12)).are_all());
    }
}
