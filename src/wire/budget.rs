//! The requests of an hour: what the configuration allows, what the server says is left, and whether a plan fits. A run that
//! cannot end is refused at its start, with the arithmetic. Pure but for what it has heard.

use super::ClientSettings;
use super::pace::HOURLY;
use reqwest::header::HeaderMap;
use std::cell::Cell;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// What is still to be asked, in the order of asking: (what, requests).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    parts: Vec<(String, u64)>,
    /// More will follow that cannot be counted yet.
    open: bool,
}

impl Plan {
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
        self.parts.iter().map(|(_, requests)| requests).sum()
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
    /// Whole hours until the deadline; at least one.
    hours: u64,
    /// Of the last answer: (limit, left).
    told: Cell<Option<(u64, u64)>>,
}

impl Budget {
    pub(super) fn new(settings: &ClientSettings) -> Self {
        Self {
            per_hour: settings.requests_per_hour.map(u64::from),
            hours: (settings.deadline.as_secs() / HOUR.as_secs()).max(1),
            told: Cell::new(None),
        }
    }

    /// `X-RateLimit-Limit` and `X-RateLimit-Remaining`, where they are those of an hour.
    pub(super) fn heed(&self, headers: &HeaderMap) {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
        #[expect(clippy::cast_precision_loss, reason = "compared with a thousand")]
        let hourly = |limit: &u64| *limit as f64 >= HOURLY;
        if let (Some(limit), Some(left)) = (number("x-ratelimit-limit").filter(hourly), number("x-ratelimit-remaining"))
        {
            self.told.set(Some((limit, left)));
        }
    }

    /// Whether the plan fits after so many requests; if only over several hours, the interval to keep. An error is the arithmetic.
    pub(super) fn afford(&self, plan: &Plan, made: u64) -> Result<Option<Duration>, String> {
        let needed = plan.requests();
        if let Some((limit, left)) = self.told.get() {
            let within = left + limit * (self.hours - 1);
            if needed > within {
                return Err(format!(
                    "the run needs {needed} more requests ({}), but the appliance says that {left} of {limit} are left in this \
                     hour{}",
                    plan.arithmetic(),
                    self.and_later(limit)
                ));
            }
        }
        let Some(per_hour) = self.per_hour else { return Ok(None) };
        let (all, allowed) = (made + needed, per_hour * self.hours);
        if all > allowed {
            return Err(format!(
                "the run needs {all} requests ({made} made, {}), but requests_per_hour allows {per_hour}{}",
                plan.arithmetic(),
                self.and_later(per_hour)
            ));
        }
        let paced = HOUR.div_f64(f64::from(u32::try_from(per_hour).unwrap_or(u32::MAX)));
        Ok((all > per_hour).then_some(paced))
    }

    fn and_later(&self, limit: u64) -> String {
        match self.hours {
            1 => String::new(),
            hours => format!(", {} in the {hours} hours of deadline_minutes", limit * hours),
        }
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

    fn plan(users: u64, members: u64) -> Plan {
        let mut plan = Plan::default();
        plan.add("users", users);
        plan.add("vendors", 0);
        plan.add("members", members);
        plan
    }

    #[test]
    fn a_plan_beyond_the_limit_is_refused_with_the_arithmetic() {
        let budget = budget(100, 60);
        assert_eq!(budget.afford(&plan(60, 34), 6), Ok(None), "exactly the limit");
        let mut plan = plan(199, 120);
        plan.leave_open();
        assert_eq!(
            budget.afford(&plan, 6).unwrap_err(),
            "the run needs 325 requests (6 made, at least 199 for users + 120 for members = 319), but requests_per_hour allows 100"
        );
    }

    #[test]
    fn a_deadline_of_several_hours_allows_so_many_and_paces_them() {
        let budget = budget(100, 150);
        assert_eq!(budget.afford(&plan(190, 0), 6), Ok(Some(Duration::from_secs(36))));
        assert!(
            budget
                .afford(&plan(199, 0), 6)
                .unwrap_err()
                .ends_with("allows 100, 200 in the 2 hours of deadline_minutes")
        );
    }

    #[test]
    fn what_the_appliance_says_is_left_decides_too() {
        let budget = budget(15_000, 60);
        let told = |limit: &'static str, left: &'static str| {
            let pairs = [("x-ratelimit-limit", limit), ("x-ratelimit-remaining", left)];
            pairs.into_iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
        };
        budget.heed(&told("20", "3"));
        assert_eq!(budget.afford(&plan(100, 0), 0), Ok(None), "the limit of a second");
        budget.heed(&told("15000", "100"));
        assert_eq!(budget.afford(&plan(100, 0), 0), Ok(None));
        let why = budget.afford(&plan(101, 0), 0).unwrap_err();
        assert!(why.contains("needs 101 more requests") && why.contains("100 of 15000 are left"), "{why}");
    }
}
