//! Servers that contradict themselves, and lists that change in the worst place.

use super::super::*;
use std::cell::RefCell;

/// A row that is its key.
#[derive(Clone, Debug)]
struct R(u64);
impl ListRow for R {
    type Key = u64;
    fn key(&self) -> u64 {
        self.0
    }
}

fn go(answer: impl FnMut(PageAt) -> Numbered<R>) -> WalkResult<R, String> {
    let answer = RefCell::new(answer);
    let settings = WalkSettings { page_size: 10, concurrency: 1, max_passes: 3 };
    let fetch = |at: PageAt| std::future::ready(Ok::<_, String>((answer.borrow_mut())(at)));
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(walk_numbered(
        settings,
        None,
        fetch,
        |_| {},
    ))
}
fn proven(w: &WalkResult<R, String>) -> bool {
    matches!(w.end, Ok(End::Proven(_)))
}
fn slice(list: &[u64], at: PageAt) -> Vec<R> {
    list.iter()
        .skip(usize::try_from((at.number - 1) * at.size).unwrap())
        .take(usize::try_from(at.size).unwrap())
        .map(|n| R(*n))
        .collect()
}

// last-page header only; the server cuts each page to 7 of the 10 asked for, and counts pages by what was asked for
#[test]
fn pages_that_come_short_before_the_last_prove_nothing() {
    let list: Vec<u64> = (1..=40).collect();
    let w = go(|at| {
        let mut rows = slice(&list, at);
        rows.truncate(7);
        Numbered {
            rows,
            reported: PageMetadata {
                last: Some(4),
                current: Some(at.number),
                size: Some(10),
                ..PageMetadata::default()
            },
        }
    });
    assert!(!proven(&w) || w.rows.len() == 40, "{} of 40, {:?}", w.rows.len(), w.end);
}

// the last page / a middle page is empty though the answer says there are more
#[test]
fn an_empty_page_before_the_last_proves_nothing() {
    for hole in [3, 5] {
        let list: Vec<u64> = (1..=50).collect();
        let w = go(|at| {
            let rows = if at.number == hole { Vec::new() } else { slice(&list, at) };
            Numbered {
                rows,
                reported: PageMetadata {
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

// ascending list, a row comes into the middle while it is read; last page header or links, no total
#[test]
fn a_row_that_comes_into_the_middle_of_a_list_without_a_total_hides_nobody() {
    let mut list: Vec<u64> = (1..=50).map(|n| n * 10).collect();
    let mut n = 0;
    let w = go(|at| {
        n += 1;
        if n == 4 {
            list.insert(25, 255);
        } // after pages 1, 5, 4: into page 3, not yet read
        let pages = list.len().div_ceil(10) as u64;
        Numbered {
            rows: slice(&list, at),
            reported: PageMetadata {
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

// same, newcomer has the greatest key but lands at the end of an unread page (list not ordered by key, only looks so)
#[test]
fn a_list_that_only_looks_ordered_by_key_hides_nobody() {
    let mut list: Vec<u64> = (1..=50).map(|n| n * 10).collect();
    let mut n = 0;
    let w = go(|at| {
        n += 1;
        if n == 4 {
            list.retain(|k| *k != 450);
            list.insert(29, 9999);
        }
        let pages = (list.len() as u64).div_ceil(at.size);
        Numbered {
            rows: slice(&list, at),
            reported: PageMetadata {
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

// the list shrinks to fewer pages while page 5 is asked for, and the server answers with its last page
#[test]
fn a_list_that_becomes_shorter_meanwhile_is_read_again() {
    let mut list: Vec<u64> = (1..=50).collect();
    let mut n = 0;
    let w = go(|at| {
        n += 1;
        if n == 2 {
            list.truncate(31);
        }
        let pages = (list.len() as u64).div_ceil(at.size);
        let at = PageAt { number: at.number.min(pages), ..at };
        Numbered {
            rows: slice(&list, at),
            reported: PageMetadata {
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

// one user is created while a long list is read: how many requests?
#[test]
fn a_newcomer_costs_no_second_reading() {
    let mut list: Vec<u64> = (1..=1000).collect();
    let mut n = 0u32;
    let w = go(|at| {
        n += 1;
        if n == 50 {
            list.push(2000);
        }
        let pages = (list.len() as u64).div_ceil(at.size);
        Numbered {
            rows: slice(&list, at),
            reported: PageMetadata {
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
