//! The guarantee of the module, checked against lists that change between any two requests. The simulated list is the
//! oracle.

use super::*;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeSet;

mod hostile;

#[derive(Clone, Debug, PartialEq)]
struct Row {
    id: u64,
    name: u64,
}

impl ListRow for Row {
    type Key = u64;
    fn key(&self) -> &u64 {
        &self.id
    }
    fn id_text(key: &u64) -> String {
        key.to_string()
    }
    fn content(&self) -> String {
        self.name.to_string()
    }
}

impl PageError for String {
    fn is_no_page(&self) -> bool {
        self == "no page"
    }
}

impl PageError for &str {
    fn is_no_page(&self) -> bool {
        false
    }
}

/// Simulated server with one list, a maximum page size, and a chance that rows change before any response.
#[expect(clippy::struct_excessive_bools, reason = "each is one fault of a server")]
struct Server {
    accounts: Vec<Row>,
    by_name: bool,
    clamp: u64,
    reports_total: bool,
    ignores_offset: bool,
    ignores_limit: bool,
    churn: f64,
    short_pages: f64,
    total_error: i64,
    repeats_a_row: f64,
    /// Ids of the accounts that have existed since the first request.
    lasting: BTreeSet<u64>,
    next_id: u64,
    requests: u64,
    most_left: u64,
    random: fastrand::Rng,
}

impl Server {
    fn with(accounts: u64, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let accounts: Vec<Row> = (1..=accounts).map(|n| Row { id: n * 3, name: random.u64(..) }).collect();
        Self {
            lasting: accounts.iter().map(|p| p.id).collect(),
            next_id: accounts.len() as u64 * 3 + 3,
            accounts,
            by_name: false,
            clamp: 1000,
            reports_total: true,
            ignores_offset: false,
            ignores_limit: false,
            churn: 0.0,
            short_pages: 0.0,
            total_error: 0,
            repeats_a_row: 0.0,
            requests: 0,
            most_left: 200,
            random,
        }
    }

    fn change(&mut self) {
        if self.most_left == 0 || self.random.f64() >= self.churn {
            return;
        }
        self.most_left -= 1;
        for _ in 0..self.random.usize(0..3) {
            if !self.accounts.is_empty() {
                let gone = self.accounts.swap_remove(self.random.usize(..self.accounts.len()));
                self.lasting.remove(&gone.id);
            }
        }
        for _ in 0..self.random.usize(0..3) {
            self.accounts.push(Row { id: self.next_id, name: self.random.u64(..) });
            self.next_id += 3;
        }
    }

    fn answer(&mut self, window: Window) -> Page<Row> {
        self.change();
        self.requests += 1;
        if self.by_name {
            self.accounts.sort_by_key(|p| p.name);
        } else {
            self.accounts.sort_by_key(|p| p.id);
        }
        let offset = if self.ignores_offset { 0 } else { window.offset };
        let mut limit = if self.ignores_limit { u64::MAX } else { window.limit.min(self.clamp) };
        if limit > 1 && self.random.f64() < self.short_pages {
            limit = self.random.u64(1..limit);
        }
        let mut rows: Vec<Row> = self.accounts.iter().skip(place(offset)).take(place(limit)).cloned().collect();
        if rows.len() > 1 && self.random.f64() < self.repeats_a_row {
            rows[1] = rows[0].clone();
        }
        let total = self.reports_total.then_some((self.accounts.len() as u64).saturating_add_signed(self.total_error));
        Page { rows, total }
    }
}

fn place(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn walk_over(server: Server, page_size: u64, concurrency: usize) -> (WalkResult<Row, String>, Server) {
    let server = RefCell::new(server);
    let settings = WalkSettings { page_size, concurrency, max_passes: 12 };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let walked = runtime.block_on(walk(
        settings,
        |window| {
            let page = server.borrow_mut().answer(window);
            async move { Ok::<_, String>(page) }
        },
        |_| (),
    ));
    (walked, server.into_inner())
}

fn ids(walked: &WalkResult<Row, String>) -> BTreeSet<u64> {
    walked.rows.iter().map(|r| r.id).collect()
}

fn proven(walked: &WalkResult<Row, String>) -> bool {
    matches!(walked.end, Ok(End::Proven(_)))
}

#[test]
fn a_quiet_list_is_proven_with_at_most_one_more_request() {
    for accounts in [1, 2, 99, 101, 199, 250, 2_500, 10_000] {
        let (walked, server) = walk_over(Server::with(accounts, 1), 100, 4);
        assert!(proven(&walked), "{accounts}: {:?}", walked.end);
        assert_eq!(ids(&walked), server.lasting);
        assert_eq!(walked.rows.len() as u64, accounts);
        assert_eq!(walked.passes, 1);
        // A single page needs a look behind it: its total may count only its own rows. At 199 the second page has 100
        // rows, and nothing yet shows that the server would give more.
        let look_behind = u64::from(accounts < 100 || accounts == 199);
        assert_eq!(
            server.requests,
            accounts.div_ceil(100) + look_behind,
            "{accounts}: the proof costs at most one request"
        );
    }
}

#[test]
fn a_server_that_returns_no_extra_rows_costs_one_row_of_overlap_a_page() {
    let mut server = Server::with(10_000, 1);
    server.clamp = 100;
    let (walked, server) = walk_over(server, 100, 4);
    assert!(proven(&walked), "{:?}", walked.end);
    assert_eq!(ids(&walked), server.lasting);
    // The last page is full, so one more request must show that nothing follows.
    assert_eq!(server.requests, 1 + 9_900_u64.div_ceil(99) + 1);
}

#[test]
fn a_total_that_stops_at_a_round_number_hides_no_row() {
    // Search engines behave like this: the total is never above 2,500.
    let (walked, _) = scripted(100, |window, _| {
        let end = (window.offset + window.limit).min(5_000);
        ((window.offset + 1..=end).collect(), Some(2_500))
    });
    assert!(!proven(&walked) || walked.rows.len() == 5_000, "{} rows and {:?}", walked.rows.len(), walked.end);
}

#[test]
fn a_full_last_page_costs_one_more_request() {
    let (walked, server) = walk_over(Server::with(100, 1), 100, 4);
    assert!(proven(&walked));
    assert_eq!(server.requests, 2);
}

#[test]
fn a_total_that_is_only_the_page_size_hides_no_row() {
    let mut server = Server::with(250, 1);
    server.total_error = -150;
    let (walked, server) = walk_over(server, 100, 4);
    assert_eq!(ids(&walked), server.lasting);
    assert!(proven(&walked), "{:?}", walked.end);
}

#[test]
fn a_list_with_an_unreached_total_is_not_proven_complete() {
    let mut server = Server::with(250, 1);
    server.total_error = 7;
    let (walked, server) = walk_over(server, 100, 4);
    assert_eq!(ids(&walked), server.lasting);
    assert!(matches!(&walked.end, Ok(End::Unproven(why)) if why.contains("257")), "{:?}", walked.end);
}

#[test]
fn a_walk_over_clamped_pages_advances_by_the_received_rows() {
    for (clamp, reports_total) in [(25, true), (25, false), (2, true), (7, false), (100, false), (1000, false)] {
        let mut server = Server::with(251, 1);
        server.clamp = clamp;
        server.reports_total = reports_total;
        let (walked, server) = walk_over(server, 100, 4);
        assert_eq!(ids(&walked), server.lasting, "clamp {clamp}");
        assert!(proven(&walked), "clamp {clamp}, total {reports_total}: {:?}", walked.end);
    }
}

#[test]
fn a_list_without_total_ends_with_an_empty_page() {
    for accounts in [0, 1, 40, 100, 199, 200, 2_500] {
        let mut server = Server::with(accounts, 3);
        server.reports_total = false;
        let (walked, server) = walk_over(server, 100, 4);
        assert!(proven(&walked), "{accounts}: {:?}", walked.end);
        assert_eq!(ids(&walked), server.lasting);
        assert!(server.requests <= accounts.div_ceil(100) + accounts / 5000 + 6, "{accounts}: {}", server.requests);
    }
}

#[test]
fn a_short_list_without_total_costs_one_more_request() {
    let mut server = Server::with(40, 3);
    server.reports_total = false;
    assert_eq!(walk_over(server, 100, 4).1.requests, 2);
}

#[test]
fn a_server_that_ignores_the_offset_ends_the_walk_unproven() {
    for reports_total in [true, false] {
        let mut server = Server::with(250, 1);
        server.ignores_offset = true;
        server.reports_total = reports_total;
        let (walked, server) = walk_over(server, 100, 4);
        assert!(!proven(&walked));
        assert!(server.requests < 10);
    }
}

#[test]
fn an_unpaged_list_is_proven_by_a_second_reading_unless_its_size_is_round() {
    for (accounts, expected) in [(2, true), (20, true), (251, true), (300, true), (250, false), (500, false)] {
        let mut server = Server::with(accounts, 1);
        server.ignores_offset = true;
        server.ignores_limit = true;
        server.reports_total = false;
        let (walked, server) = walk_over(server, 100, 4);
        assert_eq!(proven(&walked), expected, "{accounts}: {:?}", walked.end);
        assert_eq!(ids(&walked), server.lasting);
        // The second answer shows that more rows than requested are returned. A shorter list needs a third one.
        assert_eq!(server.requests, if accounts < 100 { 3 } else { 2 });
    }
}

/// Walks over scripted responses: window and number of the request -> ids and total. Returns the number of requests,
/// too.
fn scripted(page_size: u64, answer: impl Fn(Window, u64) -> (Vec<u64>, Option<u64>)) -> (WalkResult<Row, String>, u64) {
    let requests = std::cell::Cell::new(0);
    let settings = WalkSettings { page_size, concurrency: 4, max_passes: 12 };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let walked = runtime.block_on(walk(
        settings,
        |window| {
            let (ids, total) = answer(window, requests.replace(requests.get() + 1));
            let rows = ids.into_iter().map(|id| Row { id, name: id }).collect();
            async move { Ok::<_, String>(Page { rows, total }) }
        },
        |_| (),
    ));
    (walked, requests.get())
}

#[test]
fn an_unpaged_list_of_one_row_needs_a_third_reading() {
    let (walked, requests) = scripted(100, |_, _| (vec![7], None));
    assert!(proven(&walked), "{:?}", walked.end);
    assert_eq!(walked.rows.len(), 1);
    assert!((3..=6).contains(&requests), "{requests} requests, some in parallel");
}

#[test]
fn an_unpaged_list_that_grows_is_read_until_two_readings_agree() {
    for total in [None, Some(4)] {
        let answer = |_: Window, request| {
            if request == 0 { (vec![1, 2, 3], total.map(|_| 3)) } else { (vec![1, 2, 3, 4], total) }
        };
        let (walked, requests) = scripted(100, answer);
        assert!(proven(&walked), "{:?}", walked.end);
        assert_eq!(walked.rows.len(), 4);
        assert!(requests <= 8, "{requests} requests, some in parallel");
    }
    let (walked, requests) = scripted(100, |_, request| ((1..=request + 2).collect(), None));
    assert!(!proven(&walked), "it changes with every request: {:?}", walked.end);
    assert!(requests < 300, "{requests} requests");
}

#[test]
fn an_absurd_total_is_not_trusted_and_costs_few_requests() {
    for total in [1 << 34, i64::MAX as u64, u64::MAX] {
        let (walked, requests) =
            scripted(100, |window, _| (if window.offset == 0 { (1..=100).collect() } else { Vec::new() }, Some(total)));
        assert!(!proven(&walked), "{:?}", walked.end);
        assert!(requests < 300, "{requests} requests for a total of {total}");
    }
}

#[test]
fn rows_near_the_largest_position_end_the_walk() {
    for total in [u64::MAX, u64::MAX - 1] {
        let (walked, requests) = scripted(3, |window, _| match window.offset {
            0 => (vec![1, 2, 3], Some(total)),
            near if near > total / 2 => (vec![9, 2, 7, 4], Some(total)),
            _ => (Vec::new(), Some(total)),
        });
        assert!(!proven(&walked), "{:?}", walked.end);
        assert!(requests < 1000, "{requests} requests for a total of {total}");
    }
}

#[test]
fn a_page_that_is_returned_for_every_offset_with_its_own_size_as_total_proves_nothing() {
    let (walked, _) = scripted(100, |_, _| ((1..=100).collect(), Some(100)));
    assert!(!proven(&walked), "{:?}", walked.end);
}

#[test]
fn an_order_that_only_looks_like_the_order_of_keys_does_not_prove_by_key() {
    // The list is sorted by another field, with three rows a page. Rows 1 and 3 are deleted after the first page was
    // read.
    let before = [1, 3, 5, 7, 2, 4, 6];
    let after = [5, 7, 2, 4, 6];
    let (walked, _) = scripted(3, |window, request| {
        let list: &[u64] = if request == 0 { &before } else { &after };
        let rows = list.iter().skip(place(window.offset)).take(3).copied().collect();
        (rows, Some(list.len() as u64))
    });
    assert!(!proven(&walked) || ids(&walked).contains(&7), "row 7 existed all the time: {:?}", walked.end);
}

#[test]
fn nine_of_ten_walks_over_changing_lists_are_proven_and_no_proof_is_wrong() {
    let mut complete = 0;
    for seed in 0..1_000 {
        let mut server = Server::with(2_500, seed);
        server.churn = 0.1;
        server.reports_total = seed % 4 != 0;
        let (walked, server) = walk_over(server, 100, 4);
        if proven(&walked) {
            complete += 1;
            let missing: Vec<_> = server.lasting.difference(&ids(&walked)).copied().collect();
            assert!(missing.is_empty(), "seed {seed} lost {missing:?}: {:?}", walked.end);
        }
    }
    assert!(complete >= 900, "{complete} of 1000 proven");
}

#[test]
fn an_error_ends_the_walk_and_keeps_the_received_rows() {
    let settings = WalkSettings { page_size: 10, concurrency: 2, max_passes: 3 };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let walked: WalkResult<Row, &str> = runtime.block_on(walk(
        settings,
        |window| async move {
            if window.offset > 20 {
                return Err("broken");
            }
            let rows = (window.offset..window.offset + 10).map(|id| Row { id, name: id }).collect();
            Ok(Page { rows, total: Some(100) })
        },
        |_| (),
    ));
    assert_eq!(walked.end.unwrap_err(), "broken");
    assert!(walked.rows.len() >= 10);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// The guarantee, for every mixture of faults that the module documentation lists as detected.
    #[test]
    fn every_lasting_row_is_in_the_result_or_the_list_is_not_proven_complete(
        accounts in 0_u64..700, seed: u64, page_size in 2_u64..120, clamp in 2_u64..150,
        concurrency in 1_usize..6, reports_total: bool, by_name: bool, churn in 0.0..0.6_f64,
        short in prop_oneof![Just(0.0), Just(0.1)], repeats in prop_oneof![Just(0.0), Just(0.1)],
    ) {
        let mut server = Server::with(accounts, seed);
        server.clamp = clamp;
        // Mixtures that the module documentation lists as not detected are left out.
        server.reports_total = reports_total || by_name || short > 0.0 || clamp < page_size;
        server.by_name = by_name;
        server.churn = churn;
        server.short_pages = short;
        server.repeats_a_row = repeats;
        let (walked, server) = walk_over(server, page_size, concurrency);
        let found = ids(&walked);
        prop_assert_eq!(found.len(), walked.rows.len(), "no row twice");
        if proven(&walked) {
            let missing: Vec<_> = server.lasting.difference(&found).collect();
            prop_assert!(missing.is_empty(), "lost {:?}: {:?}", missing, walked.end);
        }
    }

    #[test]
    fn an_unchanging_list_is_always_proven(
        accounts in 0_u64..700, page_size in 2_u64..120, clamp in 2_u64..150, reports_total: bool, by_name: bool,
    ) {
        let mut server = Server::with(accounts, 5);
        server.clamp = clamp;
        server.reports_total = reports_total;
        server.by_name = by_name;
        let (walked, server) = walk_over(server, page_size, 4);
        prop_assert!(proven(&walked), "{:?}", walked.end);
        prop_assert_eq!(ids(&walked), server.lasting);
    }
}
