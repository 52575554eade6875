//! The Configuration API's limits: so many requests in any second, so many in an hour. Counts the requests in any case.

use super::super::faults::Faults;
use super::super::tally::lock;
use super::Appliance;
use axum::extract::Request;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// What was asked for so far.
#[derive(Default)]
pub(super) struct RequestLedger {
    /// Arrivals of the last second, refused ones too.
    recent: VecDeque<Instant>,
    hour_began: Option<Instant>,
    granted: u32,
}

/// What became of one request.
#[derive(Clone, Copy)]
pub(super) struct LimitDecision {
    /// The hourly limit, and what is left of it.
    pub(super) reported: (u32, u32),
    pub(super) refused: bool,
}

impl RequestLedger {
    /// Enters one arrival; how many there were within the second that ends now.
    fn arrive(&mut self, now: Instant) -> usize {
        self.recent.push_back(now);
        while self.recent.front().is_some_and(|first| now - *first >= SECOND) {
            self.recent.pop_front();
        }
        self.recent.len()
    }

    fn rule(&mut self, limits: (u32, u32), used: u32, within_a_second: usize, now: Instant) -> LimitDecision {
        let (per_second, per_hour) = limits;
        if self.hour_began.is_none_or(|began| now - began >= HOUR) {
            (self.hour_began, self.granted) = (Some(now), 0);
        }
        let refused = within_a_second > per_second as usize || self.granted.saturating_add(used) >= per_hour;
        self.granted += u32::from(!refused);
        LimitDecision { reported: (per_hour, per_hour.saturating_sub(self.granted.saturating_add(used))), refused }
    }
}

/// `None`: it is not a request of the Configuration API, or there is no limit.
pub(super) fn rule(appliance: &Appliance, faults: &Faults, request: &Request) -> Option<LimitDecision> {
    if !request.uri().path().starts_with(super::config::BASE) {
        return None;
    }
    let now = Instant::now();
    let mut ledger = lock(&appliance.ledger);
    let within_a_second = ledger.arrive(now);
    let ruling = faults.hard_limits.map(|limits| ledger.rule(limits, faults.hourly_used, within_a_second, now));
    appliance.tally.count(|c| {
        c.max_per_second = c.max_per_second.max(within_a_second as u64);
        c.over_limit += u64::from(ruling.is_some_and(|ruling| ruling.refused));
    });
    ruling
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_any_second_and_an_hour_begins_with_its_first_request() {
        let (start, mut ledger) = (Instant::now(), RequestLedger::default());
        let mut ask = |millis: u64| {
            let now = start + Duration::from_millis(millis);
            let within_a_second = ledger.arrive(now);
            ledger.rule((2, 5), 1, within_a_second, now)
        };
        let refused = [0, 900, 950, 1899, 1950, 3_700_000].map(|millis| ask(millis).refused);
        assert_eq!(refused, [false, false, true, true, false, false]);
        assert_eq!(ask(3_701_000).reported, (5, 2));
        assert!(!ask(3_702_000).refused);
        assert!(!ask(3_703_000).refused);
        assert!(ask(3_704_000).refused, "four and the one of others");
    }
}
