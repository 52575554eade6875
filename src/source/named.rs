//! The objects whose own lists a check reads: those that the first pages of a list name, up to a bound. Connectors bring the pages,
//! and read with what comes out of here as a run does. Knows no product, and nothing of HTTP.

use super::Objects;
use super::client::{identified, in_words, repeats, without_id};
use super::decode::{Id, Listed};
use crate::model::ListKind;
use crate::wire::WireError;
use crate::wire::page::ListRow;
use std::collections::BTreeSet;

/// The most objects of one list whose own lists a check reads. A run reads those of all.
pub(super) const MOST_OBJECTS: usize = 200;

/// What follows a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextPage {
    /// No page: this one was the last.
    Nothing,
    /// The answer does not say.
    Perhaps,
    /// More rows, as the answer says.
    More,
}

/// The place of a page: what was read before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct PagePosition {
    pub(super) pages: u64,
    pub(super) rows: u64,
}

/// Objects that a list names, each once, at most [`MOST_OBJECTS`].
pub(super) struct Named {
    pub(super) rows: Vec<Listed>,
    /// Why the list cannot be read to its end.
    pub(super) trouble: Option<String>,
    /// The list names no others.
    is_whole: bool,
}

impl Named {
    /// Reads on behind a first page until enough objects are known or the list ends. `kind` is the list's, for messages.
    pub(super) async fn read<F, A>(kind: ListKind, first: (Vec<Listed>, NextPage), page: F) -> Self
    where
        F: Fn(PagePosition) -> A,
        A: Future<Output = Result<(Vec<Listed>, NextPage), WireError>>,
    {
        let (mut rows, mut behind) = first;
        let (mut pages, head) = (1, rows.len());
        let mut trouble = None;
        while behind != NextPage::Nothing && rows.len() < MOST_OBJECTS {
            match page(PagePosition { pages, rows: rows.len() as u64 }).await {
                Ok((more, next)) => {
                    if let Some(why) = repeats(&rows[..head], &more) {
                        // Without a total, one page that comes again and again is a list that is not paged.
                        trouble = (behind == NextPage::More).then_some(why);
                        behind = NextPage::Nothing;
                    } else {
                        behind = if more.is_empty() { NextPage::Nothing } else { next };
                        pages += 1;
                        rows.extend(more);
                    }
                }
                Err(error) => {
                    trouble = Some(in_words(kind, &error));
                    break;
                }
            }
        }
        Self::of(rows, behind == NextPage::Nothing, trouble)
    }

    fn of(rows: Vec<Listed>, ended: bool, trouble: Option<String>) -> Self {
        let (mut rows, others) = identified(rows);
        let mut seen = BTreeSet::new();
        rows.retain(|row| seen.insert(row.key()));
        let is_whole = ended && rows.len() <= MOST_OBJECTS;
        rows.truncate(MOST_OBJECTS);
        let trouble = trouble.or_else(|| (others > 0).then(|| without_id(others)));
        Self { rows, trouble, is_whole }
    }

    /// Returns a list that was read in one answer.
    pub(super) fn in_one(rows: Vec<Listed>) -> Self {
        Self::of(rows, true, None)
    }

    /// Returns the ids of the objects.
    pub(super) fn ids(&self) -> impl Iterator<Item = Id> + '_ {
        self.rows.iter().map(|row| row.id.clone())
    }

    /// Returns whether the list names no others.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Returns of how many objects the lists were tried. `total`: what the source reports of the list that names them.
    pub(super) fn objects(&self, tried: usize, total: Option<u64>) -> Objects {
        let known = self.rows.len() as u64;
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

    type SingleRecord = Result<(Vec<Listed>, NextPage), WireError>;

    fn read(first: (Vec<Listed>, NextPage), page: impl Fn(PagePosition) -> SingleRecord) -> Named {
        block_on(Named::read(ListKind::Groups, first, |place| ready(page(place))))
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
            assert!(named.rows.len() as u64 == objects && named.trouble.is_none() && named.is_whole());
            let all = named.objects(named.rows.len(), Some(objects));
            assert!(all == Objects { tried: objects, of: Some(objects) } && all.are_all(), "{all:?}");
        }
        for objects in [201, 1340] {
            let named = named(objects);
            assert!(named.rows.len() == MOST_OBJECTS && !named.is_whole());
            assert_eq!(named.objects(200, Some(objects)), Objects { tried: 200, of: Some(objects) });
            assert!(!named.objects(200, None).are_all(), "the source reports no total");
        }
    }

    #[test]
    fn a_page_that_comes_again_is_a_trouble_only_where_more_was_reported() {
        let again = |behind| read((rows(0..9), behind), |_| Ok((rows(0..9), behind)));
        assert!(again(NextPage::More).trouble.unwrap().contains("its second page is the first one again"));
        let unpaged = again(NextPage::Perhaps);
        assert!(unpaged.trouble.is_none() && unpaged.is_whole() && unpaged.rows.len() == 9);
    }

    #[test]
    fn what_cannot_be_read_is_a_trouble_and_the_rest_is_kept() {
        let failed = || WireError::new("GET /group-policy".to_owned(), WireErrorKind::Status(500));
        let named = read((rows(0..9), NextPage::More), |_| Err(failed()));
        assert!(named.trouble.unwrap().contains("GET /group-policy") && named.rows.len() == 9);
        let odd = Listed { id: Id::Unusable(1), record: JsonRecord::default() };
        let named = read((rows(0..9), NextPage::More), |_| Ok((vec![odd.clone()], NextPage::Nothing)));
        assert!(named.trouble.unwrap().contains("no usable id") && named.rows.len() == 9);
    }

    #[test]
    fn an_object_that_moved_to_the_next_page_is_tried_once() {
        let named = read((rows(0..9), NextPage::More), |_| Ok((rows(8..12), NextPage::Nothing)));
        assert_eq!(named.ids().collect::<Vec<_>>(), (0..12).map(Id::Number).collect::<Vec<_>>());
    }

    #[test]
    fn an_empty_page_ends_a_list_that_reports_more_for_ever() {
        let named = read((rows(0..9), NextPage::More), |_| Ok((Vec::new(), NextPage::More)));
        assert!(named.rows.len() == 9 && !named.objects(9, Some(12)).are_all());
    }
}
