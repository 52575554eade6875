//! The wait before a retry: number of attempts, exponential backoff with full jitter, and `Retry-After`.
//!
//! Random numbers and the settings are arguments. Only the century of a two-digit year depends on the clock.

use super::ClientSettings;
use chrono::{DateTime, Datelike, NaiveDateTime, Utc};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use std::time::Duration;

/// Maximum wait for an overloaded server that sends no `Retry-After`.
const MAX_BUSY_WAIT: Duration = Duration::from_secs(60);

/// Number of failures of one request.
#[derive(Default)]
pub(super) struct RetryCount {
    failures: u32,
    /// Number of responses 429 and 503. They have no limit of their own: the deadline and the budget end the retries.
    busy: u32,
}

impl RetryCount {
    /// Counts a failure and returns the time to wait after it; `None` after the last attempt.
    ///
    /// `asked` is the `Retry-After` of the server. `random` is between 0 and 1.
    pub(super) fn next(
        &mut self,
        settings: &ClientSettings,
        is_busy: bool,
        asked: Option<Duration>,
        random: f64,
    ) -> Option<Duration> {
        let count = if is_busy { &mut self.busy } else { &mut self.failures };
        *count = count.saturating_add(1);
        let count = *count;
        if !is_busy && count >= settings.attempts {
            return None;
        }
        let wait = match asked.filter(|asked| !asked.is_zero()) {
            // Jitter is added, so that all waiting requests are not sent at the same moment.
            Some(asked) => asked + backoff(settings.backoff, 1, random, settings.max_wait),
            None if is_busy => backoff(settings.backoff, count, random, MAX_BUSY_WAIT),
            None => backoff(settings.backoff, count, random, settings.max_wait),
        };
        Some(wait.min(settings.max_wait))
    }
}

/// Returns a backoff with full jitter: between 0 and `base * 2^(attempt-1)`, at most `cap`. `random` is between 0 and
/// 1.
pub(super) fn backoff(base: Duration, attempt: u32, random: f64, cap: Duration) -> Duration {
    // The exponent is limited, because a shift by 32 or more bits would overflow; the cap applies long before.
    let most = base.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(cap);
    most.mul_f64(random.clamp(0.0, 1.0))
}

/// Parses `Retry-After`, which holds seconds or a date (RFC 9110 §10.2.3). The result is at most `cap`.
///
/// A date is compared with the server's clock if the response has a `Date` header, otherwise with `now`.
pub(super) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>, cap: Duration) -> Option<Duration> {
    let header = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let text = header(RETRY_AFTER)?;
    let wait = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let now = header(DATE).and_then(http_date).unwrap_or(now);
        (http_date(text)? - now).to_std().unwrap_or(Duration::ZERO)
    };
    Some(wait.min(cap))
}

/// Parses an HTTP date in one of the three forms of RFC 9110 §5.6.7: IMF-fixdate, RFC 850, asctime. All are in UTC.
pub(super) fn http_date(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(date) = NaiveDateTime::parse_from_str(text, "%a, %d %b %Y %H:%M:%S GMT") {
        return Some(date.and_utc());
    }
    if let Ok(date) = NaiveDateTime::parse_from_str(text, "%a %b %e %H:%M:%S %Y") {
        return Some(date.and_utc());
    }
    // RFC 9110 §5.6.7: a two-digit year that would be more than 50 years ahead belongs to the past century.
    let (_, rest) = text.split_once(", ")?;
    let date = NaiveDateTime::parse_from_str(rest, "%d-%b-%y %H:%M:%S GMT").ok()?;
    let ahead = date.year() - Utc::now().year();
    let date = if ahead > 50 { date.with_year(date.year() - 100)? } else { date };
    Some(date.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    #[test]
    fn retry_after_is_read_in_seconds_and_in_all_three_date_forms() {
        let now = Utc.with_ymd_and_hms(1994, 11, 6, 8, 49, 30).unwrap();
        for text in ["7", "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            assert_eq!(retry_after(&headers, now, Duration::from_secs(60)), Some(Duration::from_secs(7)), "{text}");
            assert_eq!(retry_after(&headers, now, Duration::from_secs(5)), Some(Duration::from_secs(5)), "{text}");
        }
    }

    #[test]
    fn a_date_is_compared_with_the_clock_of_the_server() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap());
        headers.insert(DATE, "Sun, 06 Nov 1994 08:49:30 GMT".parse().unwrap());
        let wait = retry_after(&headers, Utc::now(), Duration::from_secs(60));
        assert_eq!(wait, Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_date_in_the_past_means_no_wait_and_nonsense_is_ignored() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap());
        assert_eq!(retry_after(&headers, Utc::now(), Duration::from_secs(60)), Some(Duration::ZERO));
        headers.insert(RETRY_AFTER, "soon".parse().unwrap());
        assert_eq!(retry_after(&headers, Utc::now(), Duration::from_secs(60)), None);
    }

    #[test]
    fn backoff_has_full_jitter_and_doubles_up_to_a_cap() {
        let (base, cap) = (Duration::from_millis(100), Duration::from_secs(60));
        assert_eq!(backoff(base, 1, 0.0, cap), Duration::ZERO);
        assert_eq!(backoff(base, 1, 1.0, cap), base);
        assert_eq!(backoff(base, 4, 1.0, cap), base * 8);
        assert_eq!(backoff(base, 200, 0.5, cap), cap / 2, "jitter applies to the cap, too");
    }

    fn settings() -> ClientSettings {
        ClientSettings::for_tests("https://localhost", "s3cret")
    }

    #[test]
    fn waits_for_a_busy_server_grow_up_to_a_minute_and_never_end() {
        let (settings, mut retries) = (settings(), RetryCount::default());
        let waits: Vec<u128> =
            (0..200).map(|_| retries.next(&settings, true, None, 1.0).unwrap().as_millis()).collect();
        assert_eq!(waits[..8], [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000]);
        assert!(waits[8..].iter().all(|wait| *wait == 60_000));
        assert_eq!(retries.next(&settings, true, Some(Duration::from_secs(90)), 0.0), Some(Duration::from_secs(90)));
    }

    #[test]
    fn busy_responses_do_not_count_against_the_attempts_for_other_failures() {
        let (settings, mut retries) = (settings(), RetryCount::default());
        for _ in 0..50 {
            assert!(retries.next(&settings, true, None, 0.0).is_some());
        }
        let tried = (0..50).take_while(|_| retries.next(&settings, false, None, 1.0).is_some()).count();
        assert_eq!(tried + 1, settings.attempts as usize);
    }
}
