//! Waiting before a retry: how often, full jitter, and what the server asks for. Pure.

use super::ClientSettings;
use chrono::{DateTime, Datelike, NaiveDateTime, Utc};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use std::time::Duration;

/// The longest pause before a server that is busy and does not say for how long.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How often one request has failed so far.
#[derive(Default)]
pub(super) struct RetryCount {
    failures: u32,
    /// Answers 429 and 503. They have no limit of their own: the deadline and the budget end them.
    busy: u32,
}

impl RetryCount {
    /// Counts one more failure and gives the time to wait after it; `None` where it was the last attempt. `random` is in 0..1.
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
            // A little jitter here too: those who wait must not come back all at once.
            Some(asked) => asked + backoff(settings.backoff, 1, random, settings.max_wait),
            None if is_busy => backoff(settings.backoff, count, random, LONGEST_PAUSE),
            None => backoff(settings.backoff, count, random, settings.max_wait),
        };
        Some(wait.min(settings.max_wait))
    }
}

/// Full jitter: anything between nothing and `base * 2^(attempt-1)`, at most `cap`; `random` is in 0..1.
pub(super) fn backoff(base: Duration, attempt: u32, random: f64, cap: Duration) -> Duration {
    let most = base.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(cap);
    most.mul_f64(random.clamp(0.0, 1.0))
}

/// `Retry-After` in seconds or as a date (RFC 9110 §10.2.3), never more than `cap`. A date is the server's, and so is read
/// by the server's clock where the answer tells it, else by ours.
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

/// The three forms of RFC 9110 §5.6.7: IMF-fixdate, RFC 850, asctime. All are in UTC.
pub(super) fn http_date(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(date) = NaiveDateTime::parse_from_str(text, "%a, %d %b %Y %H:%M:%S GMT") {
        return Some(date.and_utc());
    }
    if let Ok(date) = NaiveDateTime::parse_from_str(text, "%a %b %e %H:%M:%S %Y") {
        return Some(date.and_utc());
    }
    // Two digits of year: a date that would be more than 50 years ahead is in the past (same section).
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
    fn retry_after_is_understood_in_seconds_and_in_all_three_date_forms() {
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
    fn a_date_is_read_by_the_clock_that_wrote_it() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap());
        headers.insert(DATE, "Sun, 06 Nov 1994 08:49:30 GMT".parse().unwrap());
        let wait = retry_after(&headers, Utc::now(), Duration::from_secs(60));
        assert_eq!(wait, Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_date_in_the_past_or_nonsense_means_no_wait() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap());
        assert_eq!(retry_after(&headers, Utc::now(), Duration::from_secs(60)), Some(Duration::ZERO));
        headers.insert(RETRY_AFTER, "soon".parse().unwrap());
        assert_eq!(retry_after(&headers, Utc::now(), Duration::from_secs(60)), None);
    }

    #[test]
    fn jitter_is_full_and_doubles_up_to_a_cap() {
        let (base, cap) = (Duration::from_millis(100), Duration::from_secs(60));
        assert_eq!(backoff(base, 1, 0.0, cap), Duration::ZERO);
        assert_eq!(backoff(base, 1, 1.0, cap), base);
        assert_eq!(backoff(base, 4, 1.0, cap), base * 8);
        assert_eq!(backoff(base, 200, 0.5, cap), cap / 2, "jitter also where it grows no more");
    }

    fn settings() -> ClientSettings {
        ClientSettings::new("eu".into(), "https://localhost", "id", "s3cret".to_owned().into())
    }

    #[test]
    fn a_busy_server_is_waited_for_in_growing_pauses_up_to_a_minute_and_without_end() {
        let (settings, mut patience) = (settings(), RetryCount::default());
        let waits: Vec<u128> =
            (0..200).map(|_| patience.next(&settings, true, None, 1.0).unwrap().as_millis()).collect();
        assert_eq!(waits[..8], [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000]);
        assert!(waits[8..].iter().all(|wait| *wait == 60_000));
        assert_eq!(patience.next(&settings, true, Some(Duration::from_secs(90)), 0.0), Some(Duration::from_secs(90)));
    }

    #[test]
    fn busy_answers_take_no_attempt_from_other_failures() {
        let (settings, mut patience) = (settings(), RetryCount::default());
        for _ in 0..50 {
            assert!(patience.next(&settings, true, None, 0.0).is_some());
        }
        let tried = (0..50).take_while(|_| patience.next(&settings, false, None, 1.0).is_some()).count();
        assert_eq!(tried + 1, settings.attempts as usize);
    }
}
