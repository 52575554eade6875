//! When the next request may go: so many at once, so many a second, fewer when the server asks for it.
//! Knows headers of rate limits; nothing of what the requests are.

use reqwest::header::HeaderMap;
use std::cell::Cell;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Below this share of the server's limit the pace is halved.
const LOW_WATER: f64 = 0.1;

/// One client's pace.
pub(super) struct Pace {
    places: Semaphore,
    /// Between two requests at full pace.
    interval: Duration,
    /// How many times slower than that we go now; recovers towards 1.
    slowness: Cell<f64>,
    next: Cell<Instant>,
}

impl Pace {
    pub(super) fn new(per_second: f64, at_once: usize) -> Self {
        Self {
            places: Semaphore::new(at_once.max(1)),
            interval: Duration::from_secs_f64(1.0 / per_second.max(0.001)),
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
                self.next.set(now.max(next) + self.interval.mul_f64(self.slowness.get()));
                self.slowness.set((self.slowness.get() * 0.98).max(1.0));
                return permit;
            }
            // A burst of answers may move `next` again while we sleep: look again after it.
            tokio::time::sleep_until(next).await;
        }
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
            Some(limit) => remaining < limit * LOW_WATER,
            None => remaining < 10.0,
        };
        if low {
            self.slowness.set(self.slowness.get().max(if remaining < 1.0 { 8.0 } else { 2.0 }));
        }
    }
}
