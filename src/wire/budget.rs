//! Hourly request limits: what the configuration allows, what the server reports as left, and whether a plan fits.
//!
//! Connectors call [`Client::check_budget`](super::Client::check_budget) before they read lists below every object. A
//! run that cannot finish within its limits is refused before it starts, with the calculation in the message. Apart
//! from the limits that the last response reported, nothing here has state; the caller passes the time.

use super::ClientSettings;
use reqwest::header::HeaderMap;
use std::cell::Cell;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// Requests that a connector still has to send, by purpose and in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestPlan {
    parts: Vec<(String, u64)>,
    /// Whether more requests will follow that cannot be counted yet.
    is_minimum: bool,
}

impl RequestPlan {
    /// Adds a number of requests for one purpose; 0 adds nothing.
    pub fn add(&mut self, what: impl Into<String>, requests: u64) {
        if requests > 0 {
            self.parts.push((what.into(), requests));
        }
    }

    /// Marks the number of requests as a minimum.
    pub fn mark_as_minimum(&mut self) {
        self.is_minimum = true;
    }

    /// Appends another plan.
    #[must_use]
    pub fn and(mut self, then: Self) -> Self {
        self.parts.extend(then.parts);
        self.is_minimum |= then.is_minimum;
        self
    }

    /// Returns the number of all requests, or their minimum.
    pub fn requests(&self) -> u64 {
        self.parts.iter().fold(0, |sum, (_, requests)| sum.saturating_add(*requests))
    }

    /// Checks whether [`RequestPlan::requests`] is only a minimum.
    pub fn is_minimum(&self) -> bool {
        self.is_minimum
    }

    /// Renders the sum: `199 for users + 120 for members = 319`, with `at least` before a minimum.
    pub fn arithmetic(&self) -> String {
        let parts: Vec<String> = self.parts.iter().map(|(what, requests)| format!("{requests} for {what}")).collect();
        let sum =
            if parts.len() == 1 { parts[0].clone() } else { format!("{} = {}", parts.join(" + "), self.requests()) };
        if self.is_minimum { format!("at least {sum}") } else { sum }
    }
}

/// Hourly limits of one client.
pub(super) struct Budget {
    per_hour: Option<u64>,
    /// Whole hours within the deadline; at least 1.
    hours: u64,
    /// Reported limits above this number count as hourly limits.
    hourly_above: u64,
    /// Hourly limit and remaining requests, as the last response reported them.
    reported: Cell<Option<(u64, u64)>>,
}

/// Returns the whole hours of a duration; at least 1.
fn hours(time: Duration) -> u64 {
    (time.as_secs() / HOUR.as_secs()).max(1)
}

/// Returns the interval that spreads a number of requests evenly over one hour.
fn evenly(requests: u64) -> Duration {
    HOUR.div_f64(f64::from(u32::try_from(requests.max(1)).unwrap_or(u32::MAX)))
}

impl Budget {
    pub(super) fn new(settings: &ClientSettings) -> Self {
        Self {
            per_hour: settings.requests_per_hour.map(u64::from),
            hours: hours(settings.deadline),
            hourly_above: hourly_above(settings),
            reported: Cell::new(None),
        }
    }

    /// Stores `X-RateLimit-Limit` and `X-RateLimit-Remaining` if they are limits of an hour.
    pub(super) fn note_limits(&self, headers: &HeaderMap) {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
        let limit = number("x-ratelimit-limit").filter(|limit| *limit > self.hourly_above);
        if let (Some(limit), Some(left)) = (limit, number("x-ratelimit-remaining")) {
            self.reported.set(Some((limit, left)));
        }
    }

    /// Returns why the server will answer no more requests in this hour; `None` if it will, or does not report a limit.
    pub(super) fn used_up(&self) -> Option<String> {
        let (limit, _) = self.reported.get().filter(|(_, left)| *left == 0)?;
        Some(format!("all {limit} requests that the appliance allows in this hour are used up"))
    }

    /// Returns why the configuration allows no more requests; `None` if it does.
    pub(super) fn over_limit(&self, made: u64) -> Option<String> {
        let per_hour = self.per_hour?;
        let allowed = per_hour.saturating_mul(self.hours);
        let later = and_later(per_hour, self.hours);
        (made >= allowed)
            .then(|| format!("the run has made {made} requests, and requests_per_hour allows {per_hour}{later}"))
    }

    /// Checks that a plan fits into the remaining `time`, after `made` requests.
    ///
    /// Returns the interval to keep between two requests if the plan fits only when it is spread over several hours.
    /// The error is the calculation as a message.
    pub(super) fn check(&self, plan: &RequestPlan, made: u64, time: Duration) -> Result<Option<Duration>, String> {
        let (needed, hours) = (plan.requests(), hours(time));
        let mut paced = None;
        if let Some((limit, left)) = self.reported.get() {
            // The server does not report when its hour ends. So the requests left now must suffice for each hour.
            if needed > left.saturating_mul(hours) {
                return Err(format!(
                    "the run needs {needed} more requests ({}), but the appliance reports that {left} of {limit} are left in \
                     this hour{}",
                    plan.arithmetic(),
                    and_later(left, hours)
                ));
            }
            paced = (needed > left).then(|| evenly(left));
        }
        let Some(per_hour) = self.per_hour else { return Ok(paced) };
        let (all, allowed) = (made.saturating_add(needed), per_hour.saturating_mul(hours));
        if all > allowed {
            return Err(format!(
                "the run needs {all} requests ({made} made, {}), but requests_per_hour allows {per_hour}{}",
                plan.arithmetic(),
                and_later(per_hour, hours)
            ));
        }
        // The requests made so far count for the first hour, so fewer are left to spread over it.
        let own = (all > per_hour).then(|| evenly(per_hour.saturating_sub(made)));
        Ok(paced.max(own))
    }
}

/// Returns the number above which a reported limit counts as an hourly one. The headers do not state their period.
///
/// Where the product has an hourly limit (`requests_per_hour` is set), every limit above the vendor's limit per second
/// is hourly, however small.
pub(super) fn hourly_above(settings: &ClientSettings) -> u64 {
    if settings.requests_per_hour.is_some() { PER_SECOND } else { SURELY_HOURLY }
}

/// The vendor's limit of requests per second.
const PER_SECOND: u64 = 20;
/// No appliance allows more requests than this within seconds, so a larger limit is hourly.
const SURELY_HOURLY: u64 = 999;

fn and_later(limit: u64, hours: u64) -> String {
    match hours {
        1 => String::new(),
        hours => format!(", {} in the {hours} hours of deadline_minutes", limit.saturating_mul(hours)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn budget(per_hour: u32, minutes: u64) -> Budget {
        let mut settings = ClientSettings::for_tests("https://localhost", "s");
        settings.requests_per_hour = Some(per_hour);
        settings.deadline = Duration::from_secs(60 * minutes);
        Budget::new(&settings)
    }

    fn plan(users: u64, members: u64) -> RequestPlan {
        let mut plan = RequestPlan::default();
        plan.add("users", users);
        plan.add("vendors", 0);
        plan.add("members", members);
        plan
    }

    #[test]
    fn a_plan_above_the_limit_is_refused_with_the_calculation() {
        let budget = budget(100, 60);
        assert_eq!(budget.check(&plan(60, 34), 6, HOUR), Ok(None), "exactly the limit");
        let mut plan = plan(199, 120);
        plan.mark_as_minimum();
        assert_eq!(
            budget.check(&plan, 6, HOUR).unwrap_err(),
            "the run needs 325 requests (6 made, at least 199 for users + 120 for members = 319), but requests_per_hour allows 100"
        );
    }

    #[test]
    fn a_deadline_of_several_hours_multiplies_the_limit_and_spreads_the_requests() {
        let budget = budget(100, 150);
        assert_eq!(budget.check(&plan(190, 0), 6, 2 * HOUR), Ok(Some(evenly(94))));
        assert!(
            budget
                .check(&plan(199, 0), 6, 2 * HOUR)
                .unwrap_err()
                .ends_with("allows 100, 200 in the 2 hours of deadline_minutes")
        );
    }

    #[test]
    fn a_plan_above_the_remaining_requests_of_the_appliance_is_refused() {
        let budget = budget(15_000, 60);
        let reported = |limit: &'static str, left: &'static str| {
            let pairs = [("x-ratelimit-limit", limit), ("x-ratelimit-remaining", left)];
            pairs.into_iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
        };
        budget.note_limits(&reported("20", "3"));
        assert_eq!(budget.check(&plan(100, 0), 0, HOUR), Ok(None), "the limit of a second");
        budget.note_limits(&reported("15000", "100"));
        assert_eq!(budget.check(&plan(100, 0), 0, HOUR), Ok(None));
        let why = budget.check(&plan(101, 0), 0, HOUR).unwrap_err();
        assert!(why.contains("needs 101 more requests") && why.contains("100 of 15000 are left"), "{why}");
    }

    #[test]
    fn remaining_requests_are_spread_over_the_hours_that_the_deadline_allows() {
        let budget = budget(15_000, 180);
        let pairs = [("x-ratelimit-limit", "15000"), ("x-ratelimit-remaining", "1000")];
        budget
            .note_limits(&pairs.into_iter().map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v))).collect());
        assert_eq!(budget.check(&plan(2500, 0), 0, 3 * HOUR), Ok(Some(evenly(1000))));
        assert!(budget.check(&plan(2500, 0), 0, HOUR).is_err(), "only one hour is left");
        assert!(budget.check(&plan(3001, 0), 0, 3 * HOUR).is_err());
    }

    #[test]
    fn exhausted_hour_is_reported_and_the_configured_limit_is_never_exceeded() {
        let budget = budget(100, 60);
        assert_eq!((budget.used_up(), budget.over_limit(99)), (None, None));
        let pairs = [("x-ratelimit-limit", "100"), ("x-ratelimit-remaining", "0")];
        budget
            .note_limits(&pairs.into_iter().map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v))).collect());
        assert!(budget.used_up().unwrap().contains("all 100 requests"), "a small limit is hourly, too");
        assert!(budget.over_limit(100).unwrap().contains("requests_per_hour allows 100"));
    }

    #[test]
    fn huge_numbers_do_not_overflow() {
        let budget = budget(u32::MAX, 600);
        let most: &'static str = "18446744073709551615";
        let pairs = [("x-ratelimit-limit", most), ("x-ratelimit-remaining", most)];
        budget
            .note_limits(&pairs.into_iter().map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v))).collect());
        assert!(budget.check(&plan(u64::MAX, 5), 6, 10 * HOUR).is_err());
    }
}
