//! Ends a request whose server keeps the connection busy and never responds.
//!
//! HTTP lets a server send any number of informational answers (1xx) before a response (RFC 9110 §15.2). The HTTP
//! library skips them and has no limit for their number, so an endless row of them would occupy a processor until the
//! read timeout, once for every attempt. What shows such a server is this thread: it computes, and no data arrives.
//!
//! One thread serves all sources, so nothing shows which of the waiting requests has such a server. Of several, the
//! oldest is given up alone, and the others get their time again. The client retries a request that was given up: the
//! server of a source that answers is not to blame.
//!
//! The client calls [`head`] for every request, and [`note_progress`] when data of a response arrived.

use super::WireErrorKind;
use crate::tls::Explainer;
use reqwest::{RequestBuilder, Response};
use rustix::time::{ClockId, clock_gettime};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Duration;

/// Interval of the checks.
const INTERVAL: Duration = Duration::from_millis(200);
/// Processor time without any progress of any response on this thread that shows a flood. Waiting costs some microseconds a second.
const MAX_BUSY: Duration = Duration::from_millis(750);
/// Most processor time that one interval counts.
///
/// Decoding a large page, or joining what a source read, also occupies the thread, but in one piece.
const MAX_COUNTED: Duration = Duration::from_millis(250);

thread_local! {
    /// Number of steps that responses on this thread made.
    static PROGRESS: Cell<u64> = const { Cell::new(0) };
    /// Requests of this thread that wait for the head of a response, numbered in the order of their start.
    static WAITING: RefCell<BTreeSet<u64>> = const { RefCell::new(BTreeSet::new()) };
}

/// Place of a request among those that wait.
struct Waiting(u64);

impl Waiting {
    fn enter() -> Self {
        WAITING.with_borrow_mut(|waiting| {
            let number = waiting.last().map_or(0, |last| last + 1);
            waiting.insert(number);
            Self(number)
        })
    }

    fn is_oldest(&self) -> bool {
        WAITING.with_borrow(|waiting| waiting.first() == Some(&self.0))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITING.with_borrow_mut(|waiting| waiting.remove(&self.0));
    }
}

/// Counts a step of a response: its head, a part of its body, or its end.
pub(super) fn note_progress() {
    PROGRESS.set(PROGRESS.get().wrapping_add(1));
}

/// Sends a request and waits for the head of its response.
pub(super) async fn head(request: RequestBuilder, explainer: &Explainer) -> Result<Response, WireErrorKind> {
    let waiting = Waiting::enter();
    let response = tokio::select! {
        biased;
        response = request.send() => response,
        () = busy_without_progress(&waiting) => {
            // The other requests get their time again.
            note_progress();
            let why = "the server kept sending data and no response, such as informational answers (1xx) without end";
            return Err(WireErrorKind::Shape(why.to_owned()));
        }
    };
    note_progress();
    response.map_err(|error| WireErrorKind::of_transport(&error, explainer))
}

/// Returns once this thread has computed for [`MAX_BUSY`] while no response made a step, if no older request waits.
async fn busy_without_progress(waiting: &Waiting) {
    let mut busy = Busy::starting(PROGRESS.get(), processor_time());
    loop {
        tokio::time::sleep(INTERVAL).await;
        if busy.end_interval(PROGRESS.get(), processor_time()) >= MAX_BUSY && waiting.is_oldest() {
            return;
        }
    }
}

/// Processor time without progress.
struct Busy {
    progress: u64,
    processor_time: Duration,
    counted: Duration,
}

impl Busy {
    fn starting(progress: u64, processor_time: Duration) -> Self {
        Self { progress, processor_time, counted: Duration::ZERO }
    }

    /// Ends an interval. Returns the processor time that counts since the last progress.
    fn end_interval(&mut self, progress: u64, processor_time: Duration) -> Duration {
        if progress == self.progress {
            self.counted += processor_time.saturating_sub(self.processor_time).min(MAX_COUNTED);
        } else {
            self.counted = Duration::ZERO;
        }
        (self.progress, self.processor_time) = (progress, processor_time);
        self.counted
    }
}

/// Returns the processor time of this thread. One thread reads all sources.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether a flood is seen after each interval. Each interval: steps of responses, milliseconds of processor time.
    fn seen(intervals: &[(u64, u64)]) -> Vec<bool> {
        let mut busy = Busy::starting(0, Duration::ZERO);
        let (mut progress, mut time) = (0, Duration::ZERO);
        let end = |(steps, milliseconds): &(u64, u64)| {
            progress += steps;
            time += Duration::from_millis(*milliseconds);
            busy.end_interval(progress, time) >= MAX_BUSY
        };
        intervals.iter().map(end).collect()
    }

    #[test]
    fn a_thread_that_computes_without_any_progress_is_flooded() {
        assert_eq!(seen(&[(0, 200); 4]), [false, false, false, true]);
        // Where other processes take most of the processor, it only takes longer.
        assert_eq!(seen(&[(0, 20); 38])[36..], [false, true]);
    }

    #[test]
    fn one_long_computation_progress_or_waiting_is_no_flood() {
        assert_eq!(seen(&[(0, 9_000), (0, 1), (0, 200)]), [false; 3]);
        assert_eq!(seen(&[(0, 700), (0, 200), (1, 200), (0, 200), (0, 200)]), [false; 5]);
    }
}
