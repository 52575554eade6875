//! Pacing: how many requests are in flight, how many responses wait for their decoding, how many requests are sent per
//! second, and when the server wants fewer.
//!
//! The client acquires a slot before every request and passes the headers of every response to
//! [`RequestPace::note_limits`]. Nothing here knows what the requests are for.

use super::ClientSettings;
use super::budget::hourly_above;
use reqwest::header::HeaderMap;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Share of the server's limit below which the pace is halved.
const LOW_WATER: f64 = 0.1;
/// Maximum lateness of a request that later ones make up for. Timers wake up to a millisecond late, and so does a thread
/// that decodes a page.
const CATCH_UP: Duration = Duration::from_millis(20);
/// Number of complete responses that may wait for their decoding while the maximum number of requests is in flight.
/// Bounds the memory of their bodies.
pub(super) const WAITING_RESPONSES: usize = 2;
const SECOND: Duration = Duration::from_secs(1);

/// Place of a request among those in flight, and of its response among those that are not decoded yet. Dropping it frees
/// both.
pub(super) struct RequestSlot<'a> {
    in_flight: Option<SemaphorePermit<'a>>,
    _response: Option<SemaphorePermit<'a>>,
}

impl RequestSlot<'_> {
    /// Lets the next request be sent: the response to this one is complete.
    pub(super) fn end_flight(&mut self) {
        self.in_flight = None;
    }
}

/// Pace of one client.
pub(super) struct RequestPace {
    in_flight: Semaphore,
    /// Requests in flight and responses that are not decoded yet.
    responses: Semaphore,
    /// Interval between two requests at full pace.
    interval: Cell<Duration>,
    /// Factor by which the interval is stretched now. It shrinks towards 1 with every request.
    slowdown: Cell<f64>,
    /// Time at which the next request is due. The request after it is counted from this time, and not from when the
    /// request was sent.
    due: Cell<Instant>,
    /// Maximum number of requests in any second.
    per_second: Cell<usize>,
    /// Times of the newest requests, at most `per_second` of them.
    sent: RefCell<VecDeque<Instant>>,
    /// Reported limits above this number are hourly limits. The module `budget` checks those.
    hourly_above: f64,
}

impl RequestPace {
    pub(super) fn new(settings: &ClientSettings) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "tens or hundreds")]
        let hourly_above = hourly_above(settings) as f64;
        Self::of(settings.requests_per_second, settings.concurrency, hourly_above)
    }

    /// Returns the pace of a client that waits for each response before it sends the next request.
    pub(super) fn one_at_a_time(per_second: f64) -> Self {
        Self::of(per_second, 1, f64::INFINITY)
    }

    fn of(per_second: f64, at_once: usize, hourly_above: f64) -> Self {
        let interval = Duration::from_secs_f64(1.0 / per_second.max(0.001));
        Self {
            hourly_above,
            in_flight: Semaphore::new(at_once.max(1)),
            responses: Semaphore::new(at_once.max(1).saturating_add(WAITING_RESPONSES)),
            interval: Cell::new(interval),
            slowdown: Cell::new(1.0),
            due: Cell::new(Instant::now()),
            per_second: Cell::new(per_second_of(interval)),
            sent: RefCell::default(),
        }
    }

    /// Waits for a free slot and for the time of the next request. Dropping the result frees the slot.
    pub(super) async fn acquire(&self) -> RequestSlot<'_> {
        // `acquire` fails only on a closed semaphore, and these are never closed.
        let response = self.responses.acquire().await.ok();
        let in_flight = self.in_flight.acquire().await.ok();
        loop {
            let (now, earliest) = (Instant::now(), self.earliest());
            if earliest <= now {
                self.note_sent(now);
                return RequestSlot { in_flight, _response: response };
            }
            // Other requests or a 429 may move it during the sleep, so the loop checks it again.
            tokio::time::sleep_until(earliest).await;
        }
    }

    /// Returns when the next request may be sent: when it is due, and a second after the one that fills this second.
    fn earliest(&self) -> Instant {
        let sent = self.sent.borrow();
        let filling = sent.len().checked_sub(self.per_second.get()).and_then(|at| sent.get(at));
        filling.map_or(self.due.get(), |sent| self.due.get().max(*sent + SECOND))
    }

    fn note_sent(&self, now: Instant) {
        let due = self.due.get().max(now.checked_sub(CATCH_UP).unwrap_or(now));
        self.due.set(due + self.interval.get().mul_f64(self.slowdown.get()));
        // 2 % per request: after a 429 the pace needs about 35 requests to recover.
        self.slowdown.set((self.slowdown.get() * 0.98).max(1.0));
        let mut sent = self.sent.borrow_mut();
        sent.push_back(now);
        while sent.len() > self.per_second.get() {
            sent.pop_front();
        }
    }

    /// Sets a lower limit for the interval at full pace.
    pub(super) fn no_faster_than(&self, interval: Duration) {
        self.interval.set(self.interval.get().max(interval));
        self.per_second.set(per_second_of(self.interval.get()));
    }

    /// Reacts to a 429: no request is sent for `wait`, then the pace is half as fast. Several of them add up to a
    /// sixteenth.
    pub(super) fn slow_down(&self, wait: Duration) {
        self.slowdown.set((self.slowdown.get() * 2.0).min(16.0));
        self.due.set(self.due.get().max(Instant::now() + wait));
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

/// Returns how many requests a second may contain, at least 1.
fn per_second_of(interval: Duration) -> usize {
    // At 2.5 a second some seconds contain 3. An interval is rounded to nanoseconds: 15 a second must not become 16.
    let whole = (1.0 / interval.as_secs_f64() - 1e-3).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
    let whole = whole as usize;
    whole.max(1)
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

    /// Sends 3,000 requests of this pace, of which each waits up to `delay` milliseconds. Returns their times.
    fn times(per_second: f64, delay: u64) -> Vec<Instant> {
        run(async {
            let pace = RequestPace::of(per_second, 8, 999.0);
            let mut random = 1_u64;
            let mut times = Vec::new();
            for _ in 0..3_000 {
                drop(pace.acquire().await);
                times.push(Instant::now());
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let busy = (random >> 33) % (delay + 1);
                tokio::time::sleep(Duration::from_millis(busy)).await;
            }
            times
        })
    }

    #[test]
    fn lateness_is_made_up_for_and_no_second_has_too_many_requests() {
        let paces = [(1000, 1000.0, 0), (1000, 1000.0, 1), (700, 700.0, 2), (300, 300.0, 5), (15, 15.0, 60)];
        let slow = [(3, 3.0, 0), (3, 2.5, 0), (2, 1.5, 200), (1, 1.0, 400), (1, 0.4, 0)];
        for (most, per_second, delay) in paces.into_iter().chain(slow) {
            let times = times(per_second, delay);
            let took = (*times.last().unwrap() - times[0]).as_secs_f64();
            let due = 2_999.0 / per_second;
            assert!(took < due * 1.01 + 0.02, "{per_second} a second with delays of {delay} ms: {took} s, not {due} s");
            for second in times.windows(most + 1) {
                assert!(*second.last().unwrap() - second[0] >= SECOND, "{per_second} a second, {delay} ms");
            }
        }
    }

    #[test]
    fn pauses_are_not_made_up_for() {
        run(async {
            let pace = RequestPace::of(10.0, 4, 999.0);
            drop(pace.acquire().await);
            tokio::time::sleep(Duration::from_secs(60)).await;
            assert!(is_about(seconds_for(&pace, 101).await, 10.0));
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
    fn complete_responses_let_requests_be_sent_and_few_of_them_wait_for_their_decoding() {
        run(async {
            let pace = RequestPace::of(1e6, 2, 999.0);
            let next = || tokio::time::timeout(Duration::from_secs(3600), pace.acquire());
            let mut slots = Vec::new();
            for _ in 0..2 + WAITING_RESPONSES {
                let mut slot = next().await.unwrap();
                slot.end_flight();
                slots.push(slot);
            }
            assert!(next().await.is_err(), "the bodies of four responses are in memory");
            slots.pop();
            assert!(next().await.is_ok());
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
