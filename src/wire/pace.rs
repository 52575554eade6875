//! When the next request may go: so many at once, so many a second, fewer when the server asks for it.
//! Knows headers of rate limits; nothing of what the requests are.

use super::ClientSettings;
use super::budget::hourly_above;
use reqwest::header::HeaderMap;
use std::cell::Cell;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Below this share of the server's limit the pace is halved.
const LOW_WATER: f64 = 0.1;

/// One client's pace.
pub(super) struct RequestPace {
    places: Semaphore,
    /// Between two requests at full pace.
    interval: Cell<Duration>,
    /// How many times slower than that we go now; recovers towards 1.
    slowness: Cell<f64>,
    next: Cell<Instant>,
    /// Limits above this are those of an hour, not of a moment: whether they suffice is asked by `budget`.
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
            places: Semaphore::new(at_once.max(1)),
            interval: Cell::new(Duration::from_secs_f64(1.0 / per_second.max(0.001))),
            slowness: Cell::new(1.0),
            next: Cell::new(Instant::now()),
        }
    }

    /// Waits for a place and for the time. The request is over when the answer is dropped.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        let permit = self.places.acquire().await.ok();
        loop {
            let (now, next) = (Instant::now(), self.next.get());
            if next <= now {
                self.next.set(now.max(next) + self.interval.get().mul_f64(self.slowness.get()));
                self.slowness.set((self.slowness.get() * 0.98).max(1.0));
                return permit;
            }
            // A burst of answers may move `next` again while we sleep: look again after it.
            tokio::time::sleep_until(next).await;
        }
    }

    /// The full pace from now on, where it was faster before.
    pub(super) fn no_faster_than(&self, interval: Duration) {
        self.interval.set(self.interval.get().max(interval));
    }

    /// 429: nobody goes before `wait` is over, and then at half the pace.
    pub(super) fn slow_down(&self, wait: Duration) {
        self.slowness.set((self.slowness.get() * 2.0).min(16.0));
        self.next.set(self.next.get().max(Instant::now() + wait));
    }

    /// `X-RateLimit-Remaining` and `X-RateLimit-Limit`: goes slower before the limit is hit.
    pub(super) fn heed(&self, headers: &HeaderMap) {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
        let Some(remaining) = number("x-ratelimit-remaining") else { return };
        let low = match number("x-ratelimit-limit") {
            Some(limit) if limit > self.hourly_above => remaining < 1.0,
            Some(limit) => remaining < limit * LOW_WATER,
            None => remaining < 10.0,
        };
        if low {
            self.slowness.set(self.slowness.get().max(if remaining < 1.0 { 8.0 } else { 2.0 }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;
    use std::future::Future;

    /// In virtual time: sleeping takes none.
    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(future)
    }

    async fn seconds_for(pace: &RequestPace, turns: usize) -> f64 {
        let started = Instant::now();
        for _ in 0..turns {
            drop(pace.turn().await);
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
    fn requests_go_at_the_pace() {
        run(async {
            let pace = RequestPace::of(10.0, 4, 999.0);
            let seconds = seconds_for(&pace, 101).await;
            assert!(is_about(seconds, 10.0), "100 intervals at 10 a second took {seconds} s");
        });
    }

    #[test]
    fn no_more_requests_are_under_way_than_allowed() {
        run(async {
            let pace = RequestPace::of(1e6, 2, 999.0);
            let (first, _second) = (pace.turn().await, pace.turn().await);
            let third = tokio::time::timeout(Duration::from_secs(3600), pace.turn()).await;
            assert!(third.is_err(), "two are under way");
            drop(first);
            assert!(tokio::time::timeout(Duration::from_secs(1), pace.turn()).await.is_ok());
        });
    }

    #[test]
    fn after_a_429_nobody_goes_before_its_time_and_then_slower_until_it_goes_well_again() {
        run(async {
            let pace = RequestPace::of(10.0, 4, 999.0);
            drop(pace.turn().await);
            pace.slow_down(Duration::from_secs(30));
            assert!(is_about(seconds_for(&pace, 1).await, 30.0));
            let slow = seconds_for(&pace, 10).await;
            assert!(slow > 1.5, "10 intervals took {slow} s, at full pace they take 1");
            seconds_for(&pace, 200).await;
            assert!(is_about(seconds_for(&pace, 100).await, 10.0), "it recovers");
        });
    }

    #[test]
    fn it_slows_down_before_the_server_s_limit_is_hit() {
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
                drop(pace.turn().await);
                pace.heed(&reported);
                // The first interval was set before the server spoke.
                let seconds = seconds_for(&pace, 11).await;
                assert!(seconds >= slower - 0.05, "{reported:?}: {seconds} s");
                assert!(slower > 1.0 || is_about(seconds, 1.1), "{reported:?}: {seconds} s");
            }
        });
    }
}
