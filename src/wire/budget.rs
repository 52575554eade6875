//! The requests of an hour: what the configuration allows, what the server says is left, and whether a plan fits. A run that
//! cannot end is refused at its start, with the arithmetic. Pure but for what it has heard.

use super::ClientSettings;
use reqwest::header::HeaderMap;
use std::cell::Cell;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// What is still to be asked, in the order of asking: (what, requests).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestPlan {
    parts: Vec<(String, u64)>,
    /// More will follow that cannot be counted yet.
    open: bool,
}

impl RequestPlan {
    /// Adds a part; one without requests is left out.
    pub fn add(&mut self, what: impl Into<String>, requests: u64) {
        if requests > 0 {
            self.parts.push((what.into(), requests));
        }
    }

    /// What was added is only the least.
    pub fn leave_open(&mut self) {
        self.open = true;
    }

    /// This plan, then that one.
    #[must_use]
    pub fn and(mut self, then: Self) -> Self {
        self.parts.extend(then.parts);
        self.open |= then.open;
        self
    }

    /// All requests, at least.
    pub fn requests(&self) -> u64 {
        self.parts.iter().fold(0, |sum, (_, requests)| sum.saturating_add(*requests))
    }

    /// Whether it may be more.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// `199 for users + 120 for members = 319`, with `at least` where it may be more.
    pub fn arithmetic(&self) -> String {
        let parts: Vec<String> = self.parts.iter().map(|(what, requests)| format!("{requests} for {what}")).collect();
        let sum =
            if parts.len() == 1 { parts[0].clone() } else { format!("{} = {}", parts.join(" + "), self.requests()) };
        if self.open { format!("at least {sum}") } else { sum }
    }
}

/// What is known of the limits.
pub(super) struct Budget {
    per_hour: Option<u64>,
    /// Whole hours of the whole deadline; at least one.
    hours: u64,
    /// Told limits above this are those of an hour.
    hourly_above: u64,
    /// Of the last answer: (limit, left).
    reported: Cell<Option<(u64, u64)>>,
}

/// Whole hours of a time; at least one.
fn hours(time: Duration) -> u64 {
    (time.as_secs() / HOUR.as_secs()).max(1)
}

/// So many in an hour, evenly.
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

    /// `X-RateLimit-Limit` and `X-RateLimit-Remaining`, where they are those of an hour.
    pub(super) fn heed(&self, headers: &HeaderMap) {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
        let limit = number("x-ratelimit-limit").filter(|limit| *limit > self.hourly_above);
        if let (Some(limit), Some(left)) = (limit, number("x-ratelimit-remaining")) {
            self.reported.set(Some((limit, left)));
        }
    }

    /// Why no more requests will be answered in this hour, where the server says so.
    pub(super) fn used_up(&self) -> Option<String> {
        let (limit, _) = self.reported.get().filter(|(_, left)| *left == 0)?;
        Some(format!("all {limit} requests that the appliance allows in this hour are used up"))
    }

    /// Why no more requests may be made, where the configuration says so.
    pub(super) fn overdrawn(&self, made: u64) -> Option<String> {
        let per_hour = self.per_hour?;
        let allowed = per_hour.saturating_mul(self.hours);
        let later = and_later(per_hour, self.hours);
        (made >= allowed)
            .then(|| format!("the run has made {made} requests, and requests_per_hour allows {per_hour}{later}"))
    }

    /// Whether the plan fits after so many requests into the time that is left; if only over several hours, the interval to keep.
    /// An error is the arithmetic.
    pub(super) fn afford(&self, plan: &RequestPlan, made: u64, time: Duration) -> Result<Option<Duration>, String> {
        let (needed, hours) = (plan.requests(), hours(time));
        let mut paced = None;
        if let Some((limit, left)) = self.reported.get() {
            // Nobody knows when the hour of the server ends: what is left of it has to do for each hour.
            if needed > left.saturating_mul(hours) {
                return Err(format!(
                    "the run needs {needed} more requests ({}), but the appliance says that {left} of {limit} are left in this \
                     hour{}",
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
        // What was made already counts for the first hour.
        let own = (all > per_hour).then(|| evenly(per_hour.saturating_sub(made)));
        Ok(paced.max(own))
    }
}

/// What the server's headers mean: an API account of a limited product has a limit of an hour, however small.
pub(super) fn hourly_above(settings: &ClientSettings) -> u64 {
    if settings.requests_per_hour.is_some() { PER_SECOND } else { SURELY_HOURLY }
}

/// The vendor's limit of a second.
const PER_SECOND: u64 = 20;
/// No appliance allows more in a moment.
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
    use secrecy::SecretString;

    fn budget(per_hour: u32, minutes: u64) -> Budget {
        let mut settings =
            ClientSettings::new("eu".into(), "https://localhost", "id", SecretString::from("s".to_owned()));
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
    fn a_plan_beyond_the_limit_is_refused_with_the_arithmetic() {
        let budget = budget(100, 60);
        assert_eq!(budget.afford(&plan(60, 34), 6, HOUR), Ok(None), "exactly the limit");
        let mut plan = plan(199, 120);
        plan.leave_open();
        assert_eq!(
            budget.afford(&plan, 6, HOUR).unwrap_err(),
            "the run needs 325 requests (6 made, at least 199 for users + 120 for members = 319), but requests_per_hour allows 100"
        );
    }

    #[test]
    fn a_deadline_of_several_hours_allows_so_many_and_paces_them() {
        let budget = budget(100, 150);
        assert_eq!(budget.afford(&plan(190, 0), 6, 2 * HOUR), Ok(Some(evenly(94))));
        assert!(
            budget
                .afford(&plan(199, 0), 6, 2 * HOUR)
                .unwrap_err()
                .ends_with("allows 100, 200 in the 2 hours of deadline_minutes")
        );
    }

    #[test]
    fn what_the_appliance_says_is_left_decides_too() {
        let budget = budget(15_000, 60);
        let reported = |limit: &'static str, left: &'static str| {
            let pairs = [("x-ratelimit-limit", limit), ("x-ratelimit-remaining", left)];
            pairs.into_iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
        };
        budget.heed(&reported("20", "3"));
        assert_eq!(budget.afford(&plan(100, 0), 0, HOUR), Ok(None), "the limit of a second");
        budget.heed(&reported("15000", "100"));
        assert_eq!(budget.afford(&plan(100, 0), 0, HOUR), Ok(None));
        let why = budget.afford(&plan(101, 0), 0, HOUR).unwrap_err();
        assert!(why.contains("needs 101 more requests") && why.contains("100 of 15000 are left"), "{why}");
    }

    #[test]
    fn what_is_left_of_this_hour_is_spread_over_the_hours_that_the_deadline_allows() {
        let budget = budget(15_000, 180);
        let pairs = [("x-ratelimit-limit", "15000"), ("x-ratelimit-remaining", "1000")];
        budget.heed(&pairs.into_iter().map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v))).collect());
        assert_eq!(budget.afford(&plan(2500, 0), 0, 3 * HOUR), Ok(Some(evenly(1000))));
        assert!(budget.afford(&plan(2500, 0), 0, HOUR).is_err(), "the deadline is nearer than it was");
        assert!(budget.afford(&plan(3001, 0), 0, 3 * HOUR).is_err());
    }

    #[test]
    fn an_hour_that_is_used_up_is_reported_and_a_run_never_makes_more_than_it_may() {
        let budget = budget(100, 60);
        assert_eq!((budget.used_up(), budget.overdrawn(99)), (None, None));
        let pairs = [("x-ratelimit-limit", "100"), ("x-ratelimit-remaining", "0")];
        budget.heed(&pairs.into_iter().map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v))).collect());
        assert!(budget.used_up().unwrap().contains("all 100 requests"), "also a small limit is one of an hour");
        assert!(budget.overdrawn(100).unwrap().contains("requests_per_hour allows 100"));
    }

    #[test]
    fn absurd_figures_do_not_overflow() {
        let budget = budget(u32::MAX, 600);
        let most: &'static str = "18446744073709551615";
        let pairs = [("x-ratelimit-limit", most), ("x-ratelimit-remaining", most)];
        budget.heed(&pairs.into_iter().map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v))).collect());
        assert!(budget.afford(&plan(u64::MAX, 5), 6, 10 * HOUR).is_err());
    }
}
