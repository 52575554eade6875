//! Servers whose totals and pages contradict each other, and lists that name one id twice. The list behind the server is
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
    /// One less with each page.
    Shrinking,
    /// Always this number.
    Fixed(u64),
    Real,
    Missing,
}

#[derive(Clone, Copy, Debug)]
struct Hostile {
    rows: u64,
    /// Maximum number of rows of the first page, and of all others.
    clamps: (u64, u64),
    total: Total,
    ignores_offset: bool,
}

impl Hostile {
    fn answer(self, window: Window, request: u64) -> (Vec<u64>, Option<u64>) {
        let offset = if self.ignores_offset { 0 } else { window.offset };
        let clamp = if window.offset == 0 { self.clamps.0 } else { self.clamps.1 };
        let ids: Vec<u64> = (1..=self.rows).skip(place(offset)).take(place(window.limit.min(clamp))).collect();
        let rows = ids.len() as u64;
        let total = match self.total {
            Total::OfPage => Some(rows),
            Total::SoFar => Some(offset + rows),
            Total::Remaining => Some(self.rows.saturating_sub(offset)),
            Total::Shrinking => Some(self.rows.saturating_sub(request)),
            Total::Fixed(total) => Some(total),
            Total::Real => Some(self.rows),
            Total::Missing => None,
        };
        (ids, total)
    }

    /// Walks over the list. A proven list has all rows.
    #[track_caller]
    fn walked(self) -> (WalkResult<Row, String>, u64) {
        let (walked, requests) = scripted(100, |window, request| self.answer(window, request));
        assert!(!proven(&walked) || walked.rows.len() as u64 == self.rows, "{self:?}: {:?}", walked.end);
        (walked, requests)
    }
}

#[test]
fn no_total_hides_rows_whatever_it_counts_and_however_pages_are_cut() {
    let totals = [
        Total::OfPage,
        Total::SoFar,
        Total::Remaining,
        Total::Shrinking,
        Total::Fixed(0),
        Total::Fixed(10),
        Total::Fixed(50),
        Total::Real,
        Total::Missing,
    ];
    for total in totals {
        for clamps in [(50, 50), (100, 50), (50, 100), (100, 7), (1000, 1000), (3, 3), (99, 1000)] {
            for rows in [0, 1, 40, 50, 51, 99, 100, 101, 149, 150, 1000] {
                let (walked, requests) = Hostile { rows, clamps, total, ignores_offset: false }.walked();
                // Other lists contradict themselves in every pass, or have later pages that are shorter than the first.
                let is_promised = matches!(total, Total::Fixed(total) if total > rows);
                let is_sane = total != Total::Shrinking && clamps.1 >= clamps.0 && !is_promised;
                assert!(!is_sane || proven(&walked), "{rows} rows, {clamps:?}, {total:?}: {:?}", walked.end);
                assert!(
                    is_promised || requests <= 20 + rows * 2,
                    "{rows} rows, {clamps:?}, {total:?}: {requests} requests"
                );
            }
        }
    }
}

#[test]
fn a_server_that_cuts_pages_to_50_rows_and_reports_50_as_the_total_is_read_to_the_end() {
    let (walked, requests) =
        Hostile { rows: 1_000, clamps: (50, 50), total: Total::OfPage, ignores_offset: false }.walked();
    assert!(proven(&walked) && walked.rows.len() == 1_000, "{:?}", walked.end);
    assert_eq!(walked.expected, None, "the total counts a page");
    assert!(requests < 30, "{requests} requests");
}

#[test]
fn a_cut_list_whose_server_ignores_the_offset_is_not_proven() {
    for total in [Total::OfPage, Total::Missing, Total::Real, Total::Fixed(50)] {
        let (walked, requests) = Hostile { rows: 1_000, clamps: (50, 50), total, ignores_offset: true }.walked();
        let Ok(End::Unproven(why)) = &walked.end else { panic!("{:?}", walked.end) };
        assert!(why.contains("ignores the offset"), "{why}");
        assert!(requests < 10, "{requests} requests");
    }
}

#[test]
fn a_server_that_restarts_after_the_last_row_is_proven_by_a_window_inside_the_list() {
    for rows in [1, 2, 3, 12, 50, 99, 100, 101, 102, 103, 250] {
        // SCIMMY ignores every offset after the last row; others return each list whole that is not longer than the limit.
        let after_end = |window: Window| window.offset >= rows;
        let short_list = |window: Window| rows <= window.limit;
        for restarts in [&after_end as &dyn Fn(Window) -> bool, &short_list] {
            let list = Hostile { rows, clamps: (1000, 1000), total: Total::Real, ignores_offset: false };
            let (walked, requests) = scripted(100, |window, request| {
                Hostile { ignores_offset: restarts(window), ..list }.answer(window, request)
            });
            assert!(proven(&walked) && walked.rows.len() as u64 == rows, "{rows} rows: {:?}", walked.end);
            assert_eq!(walked.expected, Some(rows));
            assert!(requests <= 5, "{rows} rows: {requests} requests");
        }
    }
}

/// Walks over these responses, which may be errors.
fn walked_over_results(answer: impl Fn(Window) -> Result<(Vec<u64>, Option<u64>), String>) -> WalkResult<Row, String> {
    let settings = WalkSettings { page_size: 100, concurrency: 4, max_passes: 12 };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let fetch = |window: Window| {
        let page = answer(window).map(|(ids, total)| {
            let rows = ids.into_iter().map(|id| Row { id, name: id }).collect();
            Page { rows, total }
        });
        std::future::ready(page)
    };
    runtime.block_on(walk(settings, fetch, |_| ()))
}

#[test]
fn a_source_that_refuses_the_position_after_the_total_is_proven() {
    for rows in [40, 100] {
        let list = Hostile { rows, clamps: (100, 100), total: Total::Real, ignores_offset: false };
        let walked = walked_over_results(|window| {
            if window.offset < rows { Ok(list.answer(window, 0)) } else { Err("no page".to_owned()) }
        });
        assert!(proven(&walked), "{rows}: {:?}", walked.end);
        assert_eq!(walked.expected, Some(rows));
    }
}

#[test]
fn a_position_that_is_refused_before_the_end_fails_the_list() {
    for total in [None, Some(250)] {
        let walked = walked_over_results(|window| {
            if window.offset == 0 { Ok(((1..=100).collect(), total)) } else { Err("no page".to_owned()) }
        });
        assert_eq!(walked.end.unwrap_err(), "no page", "{total:?}");
    }
}

#[test]
fn a_total_below_the_rows_is_called_a_contradiction() {
    for total in [0, 10] {
        let (walked, _) =
            Hostile { rows: 150, clamps: (100, 100), total: Total::Fixed(total), ignores_offset: false }.walked();
        let Ok(End::Proven(proof)) = &walked.end else { panic!("{:?}", walked.end) };
        assert!(proof.contains("the total contradicts the rows") && !proof.contains("meanwhile"), "{proof}");
    }
}

/// Walks over rows (id, content) in this order, in pages of ten.
fn walked_over(list: &[(u64, u64)]) -> WalkResult<Row, String> {
    let settings = WalkSettings { page_size: 10, concurrency: 4, max_passes: 12 };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let rows: Vec<Row> = list.iter().map(|(id, name)| Row { id: *id, name: *name }).collect();
    runtime.block_on(walk(
        settings,
        |window| {
            let page = rows.iter().skip(place(window.offset)).take(place(window.limit)).cloned().collect();
            let total = Some(rows.len() as u64);
            async move { Ok::<_, String>(Page { rows: page, total }) }
        },
        |_| (),
    ))
}

#[test]
fn a_list_with_one_id_twice_keeps_every_distinct_row_and_names_the_id() {
    for (first, second) in [(0, 1), (0, 9), (3, 4), (9, 10), (2, 35), (0, 40), (39, 40), (5, 14)] {
        for content in [7, 5] {
            let mut list: Vec<(u64, u64)> = (1..=40).map(|id| (id, 7)).collect();
            list.insert(second, (list[first].0, content));
            let walked = walked_over(&list);
            let Ok(End::Unproven(why)) = &walked.end else { panic!("{first} and {second}: {:?}", walked.end) };
            assert!(why.contains(&format!("id {} is listed more than once", first + 1)), "{first}, {second}: {why}");
            assert_eq!(ids(&walked), (1..=40).collect(), "{first} and {second}");
            assert!(walked.passes <= 3, "{first} and {second}: {} passes", walked.passes);
        }
    }
}

#[test]
fn the_kept_row_of_a_repeated_id_does_not_depend_on_the_order_of_the_list() {
    let kept = |list: &[(u64, u64)]| walked_over(list).rows.iter().find(|row| row.id == 4).unwrap().name;
    for (first, second) in [(3, 4), (3, 30), (0, 40)] {
        for contents in [[1, 2], [2, 1]] {
            let mut list: Vec<(u64, u64)> = (1..=40).filter(|id| *id != 4).map(|id| (id, 7)).collect();
            list.insert(first, (4, contents[0]));
            list.insert(second, (4, contents[1]));
            assert_eq!(kept(&list), 1, "{contents:?} at {first} and {second}");
        }
    }
}
