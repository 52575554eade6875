//! The limits of the Configuration API: a number of requests in any second, and a number in an hour. Requests are
//! counted even without limits, so that tests can check the client's own pace.

use super::Appliance;
use crate::counters::lock;
use crate::faults::Faults;
use axum::extract::Request;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// The requests so far.
#[derive(Default)]
pub(super) struct RequestHistory {
    /// Arrivals of the last second, refused ones included.
    recent: VecDeque<Instant>,
    hour_began: Option<Instant>,
    granted: u32,
}

/// The decision about one request.
#[derive(Clone, Copy)]
pub(super) struct LimitDecision {
    /// The hourly limit, and what is left of it.
    pub(super) reported: (u32, u32),
    pub(super) refused: bool,
}

impl RequestHistory {
    /// Records an arrival; returns the number of arrivals within the second that ends now.
    fn arrive(&mut self, now: Instant) -> usize {
        self.recent.push_back(now);
        while self.recent.front().is_some_and(|first| now - *first >= SECOND) {
            self.recent.pop_front();
        }
        self.recent.len()
    }

    fn decide(&mut self, limits: (u32, u32), used: u32, within_a_second: usize, now: Instant) -> LimitDecision {
        let (per_second, per_hour) = limits;
        if self.hour_began.is_none_or(|began| now - began >= HOUR) {
            (self.hour_began, self.granted) = (Some(now), 0);
        }
        let refused = within_a_second > per_second as usize || self.granted.saturating_add(used) >= per_hour;
        // Refused requests count towards the second, but not towards the hour.
        self.granted += u32::from(!refused);
        LimitDecision { reported: (per_hour, per_hour.saturating_sub(self.granted.saturating_add(used))), refused }
    }
}

/// Decides about a request; `None` if it is not one of the Configuration API, or if there is no limit.
pub(super) fn decide(appliance: &Appliance, faults: &Faults, request: &Request) -> Option<LimitDecision> {
    if !request.uri().path().starts_with(super::config::BASE) {
        return None;
    }
    let now = Instant::now();
    let mut history = lock(&appliance.history);
    let within_a_second = history.arrive(now);
    let decision = faults.hard_limits.map(|limits| history.decide(limits, faults.hourly_used, within_a_second, now));
    appliance.counters.count(|c| {
        c.max_per_second = c.max_per_second.max(within_a_second as u64);
        c.over_limit += u64::from(decision.is_some_and(|decision| decision.refused));
    });
    decision
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_second_is_limited_and_an_hour_starts_with_its_first_request() {
        let (start, mut history) = (Instant::now(), RequestHistory::default());
        let mut ask = |millis: u64| {
            let now = start + Duration::from_millis(millis);
            let within_a_second = history.arrive(now);
            history.decide((2, 5), 1, within_a_second, now)
        };
        let refused = [0, 900, 950, 1899, 1950, 3_700_000].map(|millis| ask(millis).refused);
        assert_eq!(refused, [false, false, true, true, false, false]);
        assert_eq!(ask(3_701_000).reported, (5, 2));
        assert!(!ask(3_702_000).refused);
        assert!(!ask(3_703_000).refused);
        assert!(ask(3_704_000).refused, "four requests, and one of another client");
    }
}
