//! Waiting before a retry: full jitter, and what the server asks for. Pure.

use chrono::{DateTime, Datelike, NaiveDateTime, Utc};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use std::time::Duration;

/// Full jitter: anything between nothing and `base * 2^(attempt-1)`; `random` is in 0..1.
pub(super) fn backoff(base: Duration, attempt: u32, random: f64) -> Duration {
    let most = base.saturating_mul(1 << attempt.saturating_sub(1).min(16));
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
    fn jitter_is_full_and_doubles() {
        let base = Duration::from_millis(100);
        assert_eq!(backoff(base, 1, 0.0), Duration::ZERO);
        assert_eq!(backoff(base, 1, 1.0), base);
        assert_eq!(backoff(base, 4, 1.0), base * 8);
        assert!(backoff(base, 200, 1.0) < Duration::from_secs(10_000));
    }
}
