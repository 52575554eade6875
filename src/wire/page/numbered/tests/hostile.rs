//! Servers that contradict themselves, and lists that change at the worst moment.

use super::super::*;
use std::cell::RefCell;

/// Row that consists of its key.
#[derive(Clone, Debug, PartialEq)]
struct R(u64);
impl ListRow for R {
    type Key = u64;
    fn key(&self) -> &u64 {
        &self.0
    }
    fn id_text(key: &u64) -> String {
        key.to_string()
    }
    fn content(&self) -> String {
        String::new()
    }
}

fn go(answer: impl FnMut(PageRequest) -> NumberedPage<R>) -> WalkResult<R, String> {
    let answer = RefCell::new(answer);
    let settings = WalkSettings { page_size: 10, concurrency: 1, max_passes: 3 };
    let fetch = |at: PageRequest| std::future::ready(Ok::<_, String>((answer.borrow_mut())(at)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(walk_numbered(settings, super::pages(fetch), |_| {}))
}
fn proven(w: &WalkResult<R, String>) -> bool {
    matches!(w.end, Ok(End::Proven(_)))
}
fn slice(list: &[u64], at: PageRequest) -> Vec<R> {
    list.iter()
        .skip(usize::try_from((at.number - 1) * at.size).unwrap())
        .take(usize::try_from(at.size).unwrap())
        .map(|n| R(*n))
        .collect()
}

// The server reports only the number of the last page. It cuts each page to 7 of the 10 requested rows, but counts
// pages of 10.
#[test]
fn short_pages_before_the_last_prove_nothing() {
    let list: Vec<u64> = (1..=40).collect();
    let w = go(|at| {
        let mut rows = slice(&list, at);
        rows.truncate(7);
        NumberedPage {
            rows,
            metadata: PageMetadata {
                last: Some(4),
                current: Some(at.number),
                size: Some(10),
                ..PageMetadata::default()
            },
        }
    });
    assert!(!proven(&w) || w.rows.len() == 40, "{} of 40, {:?}", w.rows.len(), w.end);
}

// A middle page or the last page is empty, although the response reports that rows exist there.
#[test]
fn an_empty_page_before_the_last_proves_nothing() {
    for hole in [3, 5] {
        let list: Vec<u64> = (1..=50).collect();
        let w = go(|at| {
            let rows = if at.number == hole { Vec::new() } else { slice(&list, at) };
            NumberedPage {
                rows,
                metadata: PageMetadata {
                    last: Some(5),
                    current: Some(at.number),
                    size: Some(10),
                    ..PageMetadata::default()
                },
            }
        });
        assert!(!proven(&w) || w.rows.len() == 50, "hole {hole}: {} of 50, {:?}", w.rows.len(), w.end);
    }
}

// The list is ascending and reports the last page but no total. A row is inserted in the middle while it is read.
#[test]
fn a_row_inserted_into_a_list_without_a_total_hides_no_row() {
    let mut list: Vec<u64> = (1..=50).map(|n| n * 10).collect();
    let mut n = 0;
    let w = go(|at| {
        n += 1;
        if n == 4 {
            list.insert(25, 255);
        } // After pages 1, 5 and 4: the row is inserted into page 3, which was not read yet.
        let pages = list.len().div_ceil(10) as u64;
        NumberedPage {
            rows: slice(&list, at),
            metadata: PageMetadata {
                last: Some(pages),
                current: Some(at.number),
                size: Some(10),
                ..PageMetadata::default()
            },
        }
    });
    let missing: Vec<u64> = (1..=50).map(|n| n * 10).filter(|k| !w.rows.iter().any(|r| r.0 == *k)).collect();
    assert!(!proven(&w) || missing.is_empty(), "lost {missing:?}: {:?}", w.end);
}

// The new row has the greatest key but appears at the end of an unread page: the list only looks ordered by key.
#[test]
fn a_list_that_only_looks_ordered_by_key_hides_no_row() {
    let mut list: Vec<u64> = (1..=50).map(|n| n * 10).collect();
    let mut n = 0;
    let w = go(|at| {
        n += 1;
        if n == 4 {
            list.retain(|k| *k != 450);
            list.insert(29, 9999);
        }
        let pages = (list.len() as u64).div_ceil(at.size);
        NumberedPage {
            rows: slice(&list, at),
            metadata: PageMetadata {
                total: Some(list.len() as u64),
                last: Some(pages),
                current: Some(at.number),
                size: Some(at.size),
                next: Some(at.number < pages),
            },
        }
    });
    let missing: Vec<u64> =
        (1..=50).map(|n| n * 10).filter(|k| *k != 450 && !w.rows.iter().any(|r| r.0 == *k)).collect();
    assert!(!proven(&w) || missing.is_empty(), "lost {missing:?}: {:?}", w.end);
}

// The list shrinks before page 5 is requested, and the server returns its last page instead.
#[test]
fn a_list_that_shrinks_while_it_is_read_is_read_again() {
    let mut list: Vec<u64> = (1..=50).collect();
    let mut n = 0;
    let w = go(|at| {
        n += 1;
        if n == 2 {
            list.truncate(31);
        }
        let pages = (list.len() as u64).div_ceil(at.size);
        let at = PageRequest { number: at.number.min(pages), ..at };
        NumberedPage {
            rows: slice(&list, at),
            metadata: PageMetadata {
                total: Some(list.len() as u64),
                last: Some(pages),
                current: Some(at.number),
                size: Some(at.size),
                next: Some(at.number < pages),
            },
        }
    });
    assert!(proven(&w), "{:?}", w.end);
}

#[test]
fn a_row_added_to_a_long_list_costs_no_second_reading() {
    let mut list: Vec<u64> = (1..=1000).collect();
    let mut n = 0u32;
    let w = go(|at| {
        n += 1;
        if n == 50 {
            list.push(2000);
        }
        let pages = (list.len() as u64).div_ceil(at.size);
        NumberedPage {
            rows: slice(&list, at),
            metadata: PageMetadata {
                total: Some(list.len() as u64),
                last: Some(pages),
                current: Some(at.number),
                size: Some(at.size),
                next: Some(at.number < pages),
            },
        }
    });
    assert!(n <= 110, "{n} requests for 100 pages, {:?}", w.end);
}
