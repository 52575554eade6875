//! Pacing: how many requests are in flight, how many are sent per second, and when the server wants fewer.
//!
//! The client acquires a slot before every request and passes the headers of every response to
//! [`RequestPace::note_limits`]. Nothing here knows what the requests are for.

use super::ClientSettings;
use super::budget::hourly_above;
use reqwest::header::HeaderMap;
use std::cell::Cell;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Share of the server's limit below which the pace is halved.
const LOW_WATER: f64 = 0.1;

/// Pace of one client.
pub(super) struct RequestPace {
    slots: Semaphore,
    /// Interval between two requests at full pace.
    interval: Cell<Duration>,
    /// Factor by which the interval is stretched now. It shrinks towards 1 with every request.
    slowdown: Cell<f64>,
    /// Earliest time of the next request.
    next: Cell<Instant>,
    /// Reported limits above this number are hourly limits. The module `budget` checks those.
    hourly_above: f64,
}

impl RequestPace {
    pub(super) fn new(settings: &ClientSettings) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "tens or hundreds")]
        let hourly_above = hourly_above(settings) as f64;
        Self::of(settings.requests_per_second, settings.concurrency, hourly_above)
    }

    fn of(per_second: f64, at_once: usize, hourly_above: f64) -> Self {
        Self {
            hourly_above,
            slots: Semaphore::new(at_once.max(1)),
            interval: Cell::new(Duration::from_secs_f64(1.0 / per_second.max(0.001))),
            slowdown: Cell::new(1.0),
            next: Cell::new(Instant::now()),
        }
    }

    /// Waits for a free slot and for the time of the next request. Dropping the result frees the slot.
    pub(super) async fn acquire(&self) -> Option<SemaphorePermit<'_>> {
        // `acquire` fails only on a closed semaphore, and this one is never closed.
        let permit = self.slots.acquire().await.ok();
        loop {
            let (now, next) = (Instant::now(), self.next.get());
            if next <= now {
                self.next.set(now.max(next) + self.interval.get().mul_f64(self.slowdown.get()));
                // 2 % per request: after a 429 the pace needs about 35 requests to recover.
                self.slowdown.set((self.slowdown.get() * 0.98).max(1.0));
                return permit;
            }
            // Other requests or a 429 may move `next` during the sleep, so the loop checks it again.
            tokio::time::sleep_until(next).await;
        }
    }

    /// Sets a lower limit for the interval at full pace.
    pub(super) fn no_faster_than(&self, interval: Duration) {
        self.interval.set(self.interval.get().max(interval));
    }

    /// Reacts to a 429: no request is sent for `wait`, then the pace is half as fast. Several of them add up to a
    /// sixteenth.
    pub(super) fn slow_down(&self, wait: Duration) {
        self.slowdown.set((self.slowdown.get() * 2.0).min(16.0));
        self.next.set(self.next.get().max(Instant::now() + wait));
    }

    /// Reads `X-RateLimit-Remaining` and `X-RateLimit-Limit`, and slows down before the limit is reached.
    pub(super) fn note_limits(&self, headers: &HeaderMap) {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
        let Some(remaining) = number("x-ratelimit-remaining") else { return };
        let low = match number("x-ratelimit-limit") {
            // Slowing down early would not save requests of an hourly limit.
            Some(limit) if limit > self.hourly_above => remaining < 1.0,
            Some(limit) => remaining < limit * LOW_WATER,
            None => remaining < 10.0,
        };
        if low {
            self.slowdown.set(self.slowdown.get().max(if remaining < 1.0 { 8.0 } else { 2.0 }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;
    use std::future::Future;

    /// Runs a future in virtual time, in which sleeping takes no time.
    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(future)
    }

    async fn seconds_for(pace: &RequestPace, turns: usize) -> f64 {
        let started = Instant::now();
        for _ in 0..turns {
            drop(pace.acquire().await);
        }
        started.elapsed().as_secs_f64()
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    fn is_about(seconds: f64, expected: f64) -> bool {
        (seconds - expected).abs() < 0.05 * expected + 0.1
    }

    #[test]
    fn requests_keep_the_configured_pace() {
        run(async {
            let pace = RequestPace::of(10.0, 4, 999.0);
            let seconds = seconds_for(&pace, 101).await;
            assert!(is_about(seconds, 10.0), "100 intervals at 10 a second took {seconds} s");
        });
    }

    #[test]
    fn no_more_requests_are_in_flight_than_allowed() {
        run(async {
            let pace = RequestPace::of(1e6, 2, 999.0);
            let (first, _second) = (pace.acquire().await, pace.acquire().await);
            let third = tokio::time::timeout(Duration::from_secs(3600), pace.acquire()).await;
            assert!(third.is_err(), "two are in flight");
            drop(first);
            assert!(tokio::time::timeout(Duration::from_secs(1), pace.acquire()).await.is_ok());
        });
    }

    #[test]
    fn after_a_429_requests_wait_then_are_slower_and_recover() {
        run(async {
            let pace = RequestPace::of(10.0, 4, 999.0);
            drop(pace.acquire().await);
            pace.slow_down(Duration::from_secs(30));
            assert!(is_about(seconds_for(&pace, 1).await, 30.0));
            let slow = seconds_for(&pace, 10).await;
            assert!(slow > 1.5, "10 intervals took {slow} s, at full pace they take 1");
            seconds_for(&pace, 200).await;
            assert!(is_about(seconds_for(&pace, 100).await, 10.0), "the pace recovers");
        });
    }

    #[test]
    fn pace_slows_down_before_the_limit_of_the_server_is_reached() {
        run(async {
            for (reported, slower) in [
                (headers(&[("x-ratelimit-remaining", "90"), ("x-ratelimit-limit", "100")]), 1.0),
                (headers(&[("x-ratelimit-remaining", "9"), ("x-ratelimit-limit", "100")]), 1.5),
                (headers(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-limit", "100")]), 6.0),
                (headers(&[("x-ratelimit-remaining", "9")]), 1.5),
                (headers(&[("x-ratelimit-remaining", "900"), ("x-ratelimit-limit", "15000")]), 1.0),
                (headers(&[("x-ratelimit-remaining", "many")]), 1.0),
                (headers(&[]), 1.0),
            ] {
                let pace = RequestPace::of(10.0, 4, 999.0);
                drop(pace.acquire().await);
                pace.note_limits(&reported);
                // The first interval was set before the headers were read.
                let seconds = seconds_for(&pace, 11).await;
                assert!(seconds >= slower - 0.05, "{reported:?}: {seconds} s");
                assert!(slower > 1.0 || is_about(seconds, 1.1), "{reported:?}: {seconds} s");
            }
        });
    }
}
