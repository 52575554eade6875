//! Servers whose headers and pages contradict each other, and lists that name one id twice. The list behind the server is
//! the oracle: a walk that is proven has read all of it.

use super::*;

/// What a server reports as the total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Total {
    /// Number of rows of the page.
    OfPage,
    /// Number of rows up to the end of the page.
    SoFar,
    /// Number of rows from the start of the page.
    Remaining,
    /// Always this number.
    Fixed(u64),
    Real,
    Missing,
}

/// What a server reports beside the total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Headers {
    Nothing,
    /// Everything, and the number of the last page follows from the total.
    OfTotal,
    /// Everything, and the number of the last page follows from the list and the requested size.
    OfList,
    /// Everything, and each page is the last one.
    OfPage,
}

#[derive(Clone, Copy, Debug)]
struct Hostile {
    rows: u64,
    /// Maximum number of rows of the first page, and of all others.
    clamps: (u64, u64),
    total: Total,
    /// Whether the server counts pages by the size that it gives, not by the requested one.
    counts_real_pages: bool,
    /// What is reported beside the total.
    headers: Headers,
    ignores_number: bool,
}

impl Hostile {
    fn answer(self, at: PageRequest) -> NumberedPage<Row> {
        let clamp = if at.number == 1 { self.clamps.0 } else { self.clamps.1 };
        let given = at.size.min(clamp);
        let number = if self.ignores_number { 1 } else { at.number };
        let before = (number - 1) * if self.counts_real_pages { given } else { at.size };
        let rows: Vec<Row> =
            (1..=self.rows).filter(|id| *id > before).take(usize::try_from(given).unwrap()).map(row).collect();
        let total = match self.total {
            Total::OfPage => Some(rows.len() as u64),
            Total::SoFar => Some(before + rows.len() as u64),
            Total::Remaining => Some(self.rows.saturating_sub(before)),
            Total::Fixed(total) => Some(total),
            Total::Real => Some(self.rows),
            Total::Missing => None,
        };
        let pages_of = |rows: u64| rows.div_ceil(at.size).max(1);
        let last = match self.headers {
            Headers::Nothing => None,
            Headers::OfTotal => total.map(pages_of),
            Headers::OfList => Some(pages_of(self.rows)),
            Headers::OfPage => Some(at.number),
        };
        let has_headers = self.headers != Headers::Nothing;
        let metadata = PageMetadata {
            total,
            last,
            current: has_headers.then_some(at.number),
            size: has_headers.then_some(at.size),
            next: last.map(|last| at.number < last),
        };
        NumberedPage { rows, metadata }
    }

    /// Walks over the list. A proven list has all rows.
    #[track_caller]
    fn walked(self) -> (WalkResult<Row, String>, u64) {
        let requests = std::cell::Cell::new(0);
        let settings = WalkSettings { page_size: 100, concurrency: 4, max_passes: 3 };
        let fetch = |at| {
            requests.set(requests.get() + 1);
            std::future::ready(Ok::<_, String>(self.answer(at)))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let walked = runtime.block_on(walk_numbered(settings, pages(fetch), |_| {}));
        assert!(!is_proven(&walked) || walked.rows.len() as u64 == self.rows, "{self:?}: {:?}", walked.end);
        (walked, requests.get())
    }
}

fn row(id: u64) -> Row {
    Row { id, name: 7 }
}

fn hostile(rows: u64, clamps: (u64, u64), total: Total) -> Hostile {
    Hostile { rows, clamps, total, counts_real_pages: true, headers: Headers::OfTotal, ignores_number: false }
}

#[test]
fn no_header_hides_rows_whatever_it_counts_and_however_pages_are_cut() {
    let totals = [
        Total::OfPage,
        Total::SoFar,
        Total::Remaining,
        Total::Fixed(0),
        Total::Fixed(10),
        Total::Fixed(50),
        Total::Real,
        Total::Missing,
    ];
    for total in totals {
        for clamps in [(50, 50), (100, 50), (50, 100), (100, 100), (30, 30), (99, 100)] {
            for rows in [0, 1, 4, 5, 6, 40, 50, 51, 99, 100, 101, 149, 150, 1000] {
                for headers in [Headers::Nothing, Headers::OfTotal, Headers::OfList, Headers::OfPage] {
                    for counts_real_pages in [true, false] {
                        let list = Hostile { counts_real_pages, headers, ..hostile(rows, clamps, total) };
                        let (walked, requests) = list.walked();
                        let is_promised = matches!(total, Total::Fixed(total) if total > rows);
                        let is_sane = clamps.0 == clamps.1 && !is_promised;
                        assert!(!is_sane || is_proven(&walked), "{list:?}: {:?}", walked.end);
                        assert!(requests < 30 + rows / 2, "{list:?}: {requests} requests");
                    }
                }
            }
        }
    }
}

#[test]
fn a_server_that_cuts_pages_to_50_rows_and_reports_50_as_the_total_is_read_to_the_end() {
    for counts_real_pages in [true, false] {
        let list = Hostile { counts_real_pages, ..hostile(1_000, (50, 50), Total::OfPage) };
        let (walked, _) = list.walked();
        assert!(is_proven(&walked) && walked.rows.len() == 1_000, "{:?}", walked.end);
        assert_eq!(walked.expected, None, "the total counts a page");
    }
}

#[test]
fn a_cut_list_whose_server_ignores_the_page_number_is_not_proven() {
    for (total, headers) in
        [(Total::OfPage, Headers::OfTotal), (Total::OfPage, Headers::Nothing), (Total::Missing, Headers::Nothing)]
    {
        let list = Hostile { ignores_number: true, headers, ..hostile(1_000, (50, 50), total) };
        let (walked, requests) = list.walked();
        let Ok(End::Unproven(why)) = &walked.end else { panic!("{:?}", walked.end) };
        assert!(why.contains("ignores the page number"), "{why}");
        assert!(requests < 10, "{requests} requests");
    }
}

#[test]
fn a_list_of_one_page_costs_one_more_request() {
    for rows in [1, 4, 5, 6, 50, 99, 100] {
        let (walked, requests) = hostile(rows, (100, 100), Total::Real).walked();
        assert!(is_proven(&walked), "{rows}: {:?}", walked.end);
        assert_eq!((requests, walked.expected), (2, Some(rows)), "{rows}");
    }
    assert_eq!(hostile(0, (100, 100), Total::Real).walked().1, 1);
    assert_eq!(hostile(150, (100, 100), Total::Real).walked().1, 2, "the total promises the second page");
}

#[test]
fn a_total_below_the_rows_is_called_a_contradiction() {
    for total in [0, 10] {
        for headers in [Headers::OfList, Headers::Nothing] {
            let list = Hostile { headers, ..hostile(150, (100, 100), Total::Fixed(total)) };
            let Ok(End::Proven(proof)) = list.walked().0.end else { panic!("{list:?}") };
            assert!(proof.contains("the total contradicts the rows") && !proof.contains("meanwhile"), "{proof}");
        }
    }
}

/// Walks over rows (id, content) in this order, in pages of ten.
fn walked_over(list: &[(u64, u64)], total: u64) -> WalkResult<Row, String> {
    let settings = WalkSettings { page_size: 10, concurrency: 4, max_passes: 3 };
    let fetch = |at: PageRequest| {
        let skipped = usize::try_from((at.number - 1) * at.size).unwrap();
        let rows = list.iter().skip(skipped).take(usize::try_from(at.size).unwrap());
        let rows = rows.map(|(id, name)| Row { id: *id, name: *name }).collect();
        let pages = (list.len() as u64).div_ceil(at.size);
        let metadata =
            PageMetadata { total: Some(total), last: Some(pages), current: Some(at.number), ..PageMetadata::default() };
        std::future::ready(Ok::<_, String>(NumberedPage { rows, metadata }))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(walk_numbered(settings, pages(fetch), |_| {}))
}

#[test]
fn a_list_with_one_id_twice_keeps_every_distinct_row_and_names_the_id() {
    for (first, second) in [(0, 1), (0, 9), (3, 4), (9, 10), (2, 35), (0, 40), (39, 40), (5, 14)] {
        for (content, total) in [(7, 41), (5, 41), (7, 40)] {
            let mut list: Vec<(u64, u64)> = (1..=40).map(|id| (id, 7)).collect();
            list.insert(second, (list[first].0, content));
            let walked = walked_over(&list, total);
            let Ok(End::Unproven(why)) = &walked.end else { panic!("{first} and {second}: {:?}", walked.end) };
            assert!(why.contains(&format!("id {} is listed more than once", first + 1)), "{first}, {second}: {why}");
            assert_eq!(walked.rows.len(), 40, "{first} and {second}");
        }
    }
}

#[test]
fn a_list_of_one_page_with_one_id_twice_keeps_every_distinct_row() {
    let walked = walked_over(&[(1, 7), (2, 7), (2, 7), (3, 7)], 4);
    assert_eq!(walked.end, Ok(End::Unproven("id 2 is listed more than once".to_owned())));
    assert_eq!(walked.rows.len(), 3);
}

#[test]
fn the_kept_row_of_a_repeated_id_does_not_depend_on_the_order_of_the_list() {
    for (first, second) in [(3, 4), (3, 30), (0, 40)] {
        for contents in [[1, 2], [2, 1]] {
            let mut list: Vec<(u64, u64)> = (1..=40).filter(|id| *id != 4).map(|id| (id, 7)).collect();
            list.insert(first, (4, contents[0]));
            list.insert(second, (4, contents[1]));
            let kept = walked_over(&list, 41).rows.into_iter().find(|row| row.id == 4).unwrap().name;
            assert_eq!(kept, 1, "{contents:?} at {first} and {second}");
        }
    }
}
