//! The guarantee of the module, checked against lists that change between any two requests. The simulated list is the
//! oracle.

mod hostile;
mod totals;

use super::*;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeSet;

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

/// Returns pages that a function makes.
fn pages<R, F>(fetch: F) -> PageSource<R, F> {
    PageSource { first: None, fetch, looks_behind: true }
}

/// What the simulated server reports about a list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reported {
    Headers,
    Total,
    Links,
    Nothing,
}

/// Simulated server with one list by page number, whose rows change before any response.
struct Server {
    accounts: Vec<Row>,
    by_name: bool,
    clamp: u64,
    reports: Reported,
    total_error: i64,
    ignores_number: bool,
    /// Chance of a change before a response.
    churn: f64,
    most_changes: u64,
    lasting: BTreeSet<u64>,
    next_id: u64,
    requests: u64,
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
            clamp: 100,
            reports: Reported::Headers,
            total_error: 0,
            ignores_number: false,
            churn: 0.0,
            most_changes: u64::MAX,
            requests: 0,
            random,
        }
    }

    fn change(&mut self) {
        if self.requests == 0 || self.most_changes == 0 || self.random.f64() >= self.churn {
            return;
        }
        self.most_changes -= 1;
        // Often both happen at once, so that the total stays the same.
        if self.random.bool() && !self.accounts.is_empty() {
            let gone = self.accounts.remove(self.random.usize(..self.accounts.len()));
            self.lasting.remove(&gone.id);
        }
        if self.random.bool() {
            let added = Row { id: self.next_id, name: self.random.u64(..) };
            self.next_id += 1;
            self.accounts.push(added);
        }
    }

    fn answer(&mut self, at: PageRequest) -> NumberedPage<Row> {
        self.change();
        self.requests += 1;
        let mut everybody = self.accounts.clone();
        if self.by_name {
            everybody.sort_by_key(|account| account.name);
        }
        let size = at.size.min(self.clamp);
        let number = if self.ignores_number { 1 } else { at.number };
        let skipped = usize::try_from((number - 1) * size).unwrap();
        let rows: Vec<Row> = everybody.iter().skip(skipped).take(usize::try_from(size).unwrap()).cloned().collect();
        let total = u64::try_from(i64::try_from(everybody.len()).unwrap() + self.total_error).unwrap();
        let last = total.div_ceil(size).max(1);
        let metadata = match self.reports {
            Reported::Headers => PageMetadata {
                total: Some(total),
                last: Some(last),
                current: Some(at.number),
                size: Some(size),
                next: Some(at.number < last),
            },
            Reported::Total => PageMetadata { total: Some(total), ..PageMetadata::default() },
            Reported::Links => PageMetadata { next: Some(at.number < last), ..PageMetadata::default() },
            Reported::Nothing => PageMetadata::default(),
        };
        NumberedPage { rows, metadata }
    }
}

/// Walks over the list with pages of ten rows.
fn walked(server: Server) -> (Server, WalkResult<Row, String>) {
    let server = RefCell::new(server);
    let settings = WalkSettings { page_size: 10, concurrency: 4, max_passes: 3 };
    let fetch = |at| std::future::ready(Ok::<_, String>(server.borrow_mut().answer(at)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let walked = runtime.block_on(walk_numbered(settings, pages(fetch), |_| {}));
    (server.into_inner(), walked)
}

fn is_proven(walked: &WalkResult<Row, String>) -> bool {
    matches!(walked.end, Ok(End::Proven(_)))
}

/// Walks over an unchanging list. Returns the number of requests and whether the list is proven.
fn quiet(accounts: u64, reports: Reported) -> (u64, bool) {
    let mut server = Server::with(accounts, 1);
    server.reports = reports;
    let (server, walked) = walked(server);
    assert!(walked.rows.len() as u64 == accounts || !is_proven(&walked), "{accounts} accounts");
    (server.requests, is_proven(&walked))
}

#[test]
fn a_quiet_list_costs_at_most_one_request_more_than_its_pages() {
    for accounts in 0..=260 {
        let (requests, proven) = quiet(accounts, Reported::Headers);
        assert!(proven, "{accounts} accounts");
        let least = accounts.div_ceil(10).max(1);
        assert!(requests <= least + 1, "{accounts} accounts: {requests} requests, {least} pages");
        // If smaller pages need no additional page, the proof costs no request.
        if accounts == 0 || (accounts > 10 && accounts.div_ceil(9) <= least) {
            assert_eq!(requests, least, "{accounts} accounts");
        }
    }
}

#[test]
fn an_unchanging_list_is_proven_whatever_the_server_reports_about_its_end() {
    for reports in [Reported::Total, Reported::Links, Reported::Nothing] {
        for accounts in [0, 1, 9, 10, 11, 19, 20, 21, 100, 101] {
            assert!(quiet(accounts, reports).1, "{accounts} accounts");
        }
    }
}

#[test]
fn a_clamp_is_detected_and_used_as_the_page_size() {
    for clamp in [1, 2, 7, 9] {
        for reports in [Reported::Headers, Reported::Total, Reported::Nothing] {
            let mut server = Server::with(40, 1);
            (server.clamp, server.reports) = (clamp, reports);
            let (_, walked) = walked(server);
            assert!(is_proven(&walked) && walked.rows.len() == 40, "clamp {clamp}: {:?}", walked.end);
        }
    }
}

#[test]
fn a_list_of_a_server_that_ignores_the_page_number_is_not_proven() {
    for reports in [Reported::Headers, Reported::Total, Reported::Links, Reported::Nothing] {
        let mut server = Server::with(40, 1);
        (server.ignores_number, server.reports) = (true, reports);
        let (server, walked) = walked(server);
        assert!(!is_proven(&walked) && server.requests < 30, "{:?}", walked.end);
    }
}

#[test]
fn a_total_above_the_number_of_rows_is_reported() {
    let mut server = Server::with(40, 1);
    server.total_error = 3;
    let (_, walked) = walked(server);
    let Ok(End::Unproven(why)) = walked.end else { panic!("{:?}", walked.end) };
    assert!(why.contains("is not full") || why.contains("total of 43") && why.contains("40 distinct rows"), "{why}");
}

#[test]
fn a_list_in_another_order_is_read_twice() {
    let mut server = Server::with(95, 1);
    server.by_name = true;
    let (server, walked) = walked(server);
    assert!(is_proven(&walked), "{:?}", walked.end);
    assert!(server.requests >= 20, "{} requests for ten pages", server.requests);
}

#[test]
fn an_error_ends_the_walk_and_keeps_the_rows() {
    let server = RefCell::new(Server::with(40, 1));
    let settings = WalkSettings { page_size: 10, concurrency: 1, max_passes: 3 };
    let fetch = |at: PageRequest| {
        let page = server.borrow_mut().answer(at);
        std::future::ready(if at.number == 3 { Err("broken") } else { Ok(page) })
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let walked = runtime.block_on(walk_numbered(settings, pages(fetch), |_| {}));
    assert_eq!(walked.end, Err("broken"));
    assert!(walked.rows.len() >= 20);
}

/// Returns the share of changing lists that are proven, and asserts the guarantee for each.
fn share_proven(change: impl Fn(&mut Server)) -> f64 {
    let mut proven = 0;
    for seed in 0..300 {
        let mut server = Server::with(35 + seed % 90, seed);
        change(&mut server);
        let (server, walked) = walked(server);
        let seen: BTreeSet<u64> = walked.rows.iter().map(|row| row.id).collect();
        let lost = server.lasting.difference(&seen).count();
        assert!(!is_proven(&walked) || lost == 0, "seed {seed}: {lost} lasting rows lost, {:?}", walked.end);
        assert_eq!(seen.len(), walked.rows.len(), "no row twice");
        proven += u32::from(is_proven(&walked));
    }
    f64::from(proven) / 300.0
}

#[test]
fn a_list_that_changes_all_the_time_loses_no_row_and_is_mostly_proven() {
    assert!(share_proven(|server| server.churn = 0.5) > 0.9);
    assert!(share_proven(|server| (server.churn, server.most_changes) = (1.0, 4)) > 0.9);
}

#[test]
fn a_changing_list_with_little_metadata_loses_no_row() {
    for reports in [Reported::Total, Reported::Links, Reported::Nothing] {
        share_proven(|server| (server.churn, server.reports, server.clamp) = (0.4, reports, 7));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_lasting_row_is_missing_from_a_list_that_is_proven_complete(
        accounts in 0_u64..70, seed: u64, churn in 0.0..1.0_f64, clamp in 1_u64..12, reports in 0_usize..4,
    ) {
        let mut server = Server::with(accounts, seed);
        let reports = [Reported::Headers, Reported::Total, Reported::Links, Reported::Nothing][reports];
        (server.churn, server.clamp, server.reports, server.most_changes) = (churn, clamp, reports, 60);
        let (server, walked) = walked(server);
        let seen: BTreeSet<u64> = walked.rows.iter().map(|row| row.id).collect();
        prop_assert!(!is_proven(&walked) || server.lasting.is_subset(&seen), "{:?}", walked.end);
    }
}
