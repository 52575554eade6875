//! The promise, held against lists that change between any two requests. The oracle is the list itself.

mod hostile;

use super::*;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
struct Credentials {
    id: u64,
    name: u64,
}

impl ListRow for Credentials {
    type Key = u64;
    fn key(&self) -> u64 {
        self.id
    }
}

/// What an appliance tells beside the rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tells {
    Headers,
    Total,
    Links,
    Nothing,
}

/// A server with one list by page numbers, where people come and go before any answer.
struct Server {
    people: Vec<Credentials>,
    by_name: bool,
    clamp: u64,
    reports: Tells,
    lie: i64,
    ignores_number: bool,
    /// Chance that somebody comes or goes before an answer.
    churn: f64,
    most_changes: u64,
    lasting: BTreeSet<u64>,
    next_id: u64,
    requests: u64,
    random: fastrand::Rng,
}

impl Server {
    fn with(people: u64, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let people: Vec<Credentials> = (1..=people).map(|n| Credentials { id: n * 3, name: random.u64(..) }).collect();
        Self {
            lasting: people.iter().map(|p| p.id).collect(),
            next_id: people.len() as u64 * 3 + 3,
            people,
            by_name: false,
            clamp: 100,
            reports: Tells::Headers,
            lie: 0,
            ignores_number: false,
            churn: 0.0,
            most_changes: u64::MAX,
            requests: 0,
            random,
        }
    }

    fn move_about(&mut self) {
        if self.requests == 0 || self.most_changes == 0 || self.random.f64() >= self.churn {
            return;
        }
        self.most_changes -= 1;
        // Often both at once: then the total stays the same.
        if self.random.bool() && !self.people.is_empty() {
            let gone = self.people.remove(self.random.usize(..self.people.len()));
            self.lasting.remove(&gone.id);
        }
        if self.random.bool() {
            let newcomer = Credentials { id: self.next_id, name: self.random.u64(..) };
            self.next_id += 1;
            self.people.push(newcomer);
        }
    }

    fn answer(&mut self, at: PageAt) -> Numbered<Credentials> {
        self.move_about();
        self.requests += 1;
        let mut everybody = self.people.clone();
        if self.by_name {
            everybody.sort_by_key(|account| account.name);
        }
        let size = at.size.min(self.clamp);
        let number = if self.ignores_number { 1 } else { at.number };
        let skipped = usize::try_from((number - 1) * size).unwrap();
        let rows: Vec<Credentials> =
            everybody.iter().skip(skipped).take(usize::try_from(size).unwrap()).cloned().collect();
        let total = u64::try_from(i64::try_from(everybody.len()).unwrap() + self.lie).unwrap();
        let last = total.div_ceil(size).max(1);
        let reported = match self.reports {
            Tells::Headers => PageMetadata {
                total: Some(total),
                last: Some(last),
                current: Some(at.number),
                size: Some(size),
                next: Some(at.number < last),
            },
            Tells::Total => PageMetadata { total: Some(total), ..PageMetadata::default() },
            Tells::Links => PageMetadata { next: Some(at.number < last), ..PageMetadata::default() },
            Tells::Nothing => PageMetadata::default(),
        };
        Numbered { rows, reported }
    }
}

/// Walks with pages of ten; gives the server and what came.
fn walked(server: Server) -> (Server, WalkResult<Credentials, String>) {
    let server = RefCell::new(server);
    let settings = WalkSettings { page_size: 10, concurrency: 4, max_passes: 3 };
    let fetch = |at| std::future::ready(Ok::<_, String>(server.borrow_mut().answer(at)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let walked = runtime.block_on(walk_numbered(settings, None, fetch, |_| {}));
    (server.into_inner(), walked)
}

fn is_proven(walked: &WalkResult<Credentials, String>) -> bool {
    matches!(walked.end, Ok(End::Proven(_)))
}

/// (requests, proven) for a quiet list of so many rows.
fn quiet(people: u64, reports: Tells) -> (u64, bool) {
    let mut server = Server::with(people, 1);
    server.reports = reports;
    let (server, walked) = walked(server);
    assert!(walked.rows.len() as u64 == people || !is_proven(&walked), "{people} people");
    (server.requests, is_proven(&walked))
}

#[test]
fn a_quiet_list_costs_at_most_one_request_more_than_its_pages() {
    for people in 0..=260 {
        let (requests, proven) = quiet(people, Tells::Headers);
        assert!(proven, "{people} people");
        let least = people.div_ceil(10).max(1);
        assert!(requests <= least + 1, "{people} people: {requests} requests, {least} pages");
        // As long as pages of one row less are no more pages, the proof is free.
        if people.div_ceil(9) <= least || people <= 10 {
            assert_eq!(requests, least, "{people} people");
        }
    }
}

#[test]
fn whatever_a_server_reports_of_the_end_a_quiet_list_is_proven() {
    for reports in [Tells::Total, Tells::Links, Tells::Nothing] {
        for people in [0, 1, 9, 10, 11, 19, 20, 21, 100, 101] {
            assert!(quiet(people, reports).1, "{people} people");
        }
    }
}

#[test]
fn a_clamp_is_seen_and_pages_are_counted_by_it() {
    for clamp in [1, 2, 7, 9] {
        for reports in [Tells::Headers, Tells::Total, Tells::Nothing] {
            let mut server = Server::with(40, 1);
            (server.clamp, server.reports) = (clamp, reports);
            let (_, walked) = walked(server);
            assert!(is_proven(&walked) && walked.rows.len() == 40, "clamp {clamp}: {:?}", walked.end);
        }
    }
}

#[test]
fn a_server_that_ignores_the_number_of_the_page_is_not_called_complete() {
    for reports in [Tells::Headers, Tells::Total, Tells::Links, Tells::Nothing] {
        let mut server = Server::with(40, 1);
        (server.ignores_number, server.reports) = (true, reports);
        let (server, walked) = walked(server);
        assert!(!is_proven(&walked) && server.requests < 30, "{:?}", walked.end);
    }
}

#[test]
fn a_total_that_promises_more_than_there_is_is_reported() {
    let mut server = Server::with(40, 1);
    server.lie = 3;
    let (_, walked) = walked(server);
    let Ok(End::Unproven(why)) = walked.end else { panic!("{:?}", walked.end) };
    assert!(why.contains("came short") || why.contains("total of 43") && why.contains("40 different rows"), "{why}");
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
    let fetch = |at: PageAt| {
        let page = server.borrow_mut().answer(at);
        std::future::ready(if at.number == 3 { Err("broken") } else { Ok(page) })
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let walked = runtime.block_on(walk_numbered(settings, None, fetch, |_| {}));
    assert_eq!(walked.end, Err("broken"));
    assert!(walked.rows.len() >= 20);
}

/// How often lists that move are proven; the promise is asserted on the way.
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
fn a_list_that_moves_all_the_time_loses_nobody_and_is_mostly_proven() {
    assert!(share_proven(|server| server.churn = 0.5) > 0.9);
    assert!(share_proven(|server| (server.churn, server.most_changes) = (1.0, 4)) > 0.9);
}

#[test]
fn a_list_that_moves_and_reports_little_loses_nobody_either() {
    for reports in [Tells::Total, Tells::Links, Tells::Nothing] {
        share_proven(|server| (server.churn, server.reports, server.clamp) = (0.4, reports, 7));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_lasting_row_is_missing_from_a_list_that_is_called_complete(
        people in 0_u64..70, seed: u64, churn in 0.0..1.0_f64, clamp in 1_u64..12, reports in 0_usize..4,
    ) {
        let mut server = Server::with(people, seed);
        let reports = [Tells::Headers, Tells::Total, Tells::Links, Tells::Nothing][reports];
        (server.churn, server.clamp, server.reports, server.most_changes) = (churn, clamp, reports, 60);
        let (server, walked) = walked(server);
        let seen: BTreeSet<u64> = walked.rows.iter().map(|row| row.id).collect();
        prop_assert!(!is_proven(&walked) || server.lasting.is_subset(&seen), "{:?}", walked.end);
    }
}
