//! A request to stop the run. SIGTERM, SIGINT and SIGHUP set it; every stage checks it where stopping loses no data.
//!
//! A run ends within 28 seconds of the first signal. Stages end much earlier; the limit holds where the operating system
//! keeps one of them, such as a disk that does not answer.

use super::Exit;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Time from the first signal until the process ends, whatever it does.
const LIMIT: Duration = Duration::from_secs(28);
/// Time for the log line about that end. A pipe that nobody reads takes none.
const LIMIT_OF_LOG: Duration = Duration::from_secs(1);

/// Whether a signal asked the run to stop, and which one. Clones share the request.
#[derive(Clone, Debug)]
pub struct Stop {
    signal: watch::Sender<Option<&'static str>>,
    published: Arc<AtomicBool>,
}

impl Stop {
    /// Creates a request that is not set. [`Stop::request`] sets it.
    pub fn new() -> Self {
        Self { signal: watch::Sender::new(None), published: Arc::default() }
    }

    /// Creates a request that SIGTERM, SIGINT and SIGHUP set. Errors: the signal handlers cannot be installed.
    ///
    /// A second signal ends the process at once. That is safe at any moment: the next run cleans up what is left.
    /// SIGHUP stays ignored where the process was started that way (nohup(1)).
    pub fn on_signals() -> io::Result<Self> {
        let stop = Self::new();
        let request = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let context = runtime.enter();
        let mut signals = Signals::listen()?;
        drop(context);
        // A thread of its own: stages that block the main thread (disk, syslog) are interrupted too.
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async move {
                request.request(signals.next().await);
                if late(signals.next()).await {
                    at_most(LIMIT_OF_LOG, log_late);
                }
                std::process::exit(request.exit_of_an_interrupted_run().code().into());
            });
        })?;
        Ok(stop)
    }

    /// Asks the run to stop. `signal` is the name for messages.
    pub fn request(&self, signal: &'static str) {
        self.signal.send_replace(Some(signal));
    }

    /// Returns the signal that asked the run to stop; `None` if there was none.
    pub fn requested_by(&self) -> Option<&'static str> {
        *self.signal.borrow()
    }

    /// Waits until the run is asked to stop and returns the name of the signal.
    pub async fn wait(&self) -> &'static str {
        let mut receiver = self.signal.subscribe();
        // `wait_for` fails only when the sender is dropped, and `self` is the sender.
        let requested = receiver.wait_for(Option::is_some).await;
        requested.ok().and_then(|signal| *signal).unwrap_or("a signal")
    }

    /// Notes that the snapshot is visible. From now on an interrupted run has published.
    pub(super) fn note_publication(&self) {
        self.published.store(true, Ordering::Release);
    }

    fn exit_of_an_interrupted_run(&self) -> Exit {
        if self.published.load(Ordering::Acquire) { Exit::Waiting } else { Exit::NothingPublished }
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

/// Waits for a second signal. Returns whether [`LIMIT`] passed without one.
async fn late(second: impl Future<Output = &'static str>) -> bool {
    tokio::time::timeout(LIMIT, second).await.is_err()
}

fn log_late() {
    tracing::error!(
        "the run did not end within {} s of a signal; the process ends now, and the next run cleans up",
        LIMIT.as_secs()
    );
}

/// Does something that may wait for ever on a thread of its own, and waits for it for at most `limit`.
fn at_most(limit: Duration, work: impl FnOnce() + Send + 'static) {
    let (done, ended) = channel::<()>();
    let run = move || {
        work();
        drop(done);
    };
    if std::thread::Builder::new().name("waiting".to_owned()).spawn(run).is_ok() {
        // Either way, nothing is left to do: the work has ended, or its time is over.
        let _ = ended.recv_timeout(limit);
    }
}

/// The signals that stop a run.
struct Signals {
    term: Signal,
    int: Signal,
    hup: Option<Signal>,
}

impl Signals {
    /// Starts to listen. Needs the context of an event loop.
    fn listen() -> io::Result<Self> {
        let hup = if is_hangup_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())?, hup })
    }

    /// Waits for the next signal and returns its name.
    async fn next(&mut self) -> &'static str {
        let hup = async {
            match &mut self.hup {
                Some(hup) => drop(hup.recv().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.int.recv() => "SIGINT",
            () = hup => "SIGHUP",
        }
    }
}

/// Checks whether the process was started with SIGHUP ignored. Where the system has no `/proc`, it counts as not ignored.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    is_ignored(&status, SignalKind::hangup().as_raw_value())
}

/// Reads the mask `SigIgn` of proc(5): bit 0 is signal 1.
fn is_ignored(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    u32::try_from(signal - 1).is_ok_and(|bit| mask.checked_shr(bit).unwrap_or(0) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_does_not_end_is_ended_before_thirty_seconds_have_passed() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let before = tokio::time::Instant::now();
            assert!(late(std::future::pending()).await);
            assert!(before.elapsed() < Duration::from_secs(30));
            assert!(!late(std::future::ready("SIGTERM")).await, "a second signal ends it at once");
        });
    }

    #[test]
    fn a_log_that_nobody_reads_does_not_hold_the_end_of_the_process() {
        let (release, held) = channel::<()>();
        // Would wait for ever: the sender is dropped only after the time is over.
        at_most(Duration::from_millis(1), move || held.recv().unwrap_or_default());
        drop(release);
        let (done, ended) = channel();
        at_most(Duration::from_secs(3600), move || done.send(7).unwrap());
        assert_eq!(ended.try_recv(), Ok(7), "work that ends is waited for");
    }

    #[test]
    fn an_interrupted_run_has_published_only_once_the_snapshot_is_visible() {
        let stop = Stop::new();
        assert_eq!(stop.clone().exit_of_an_interrupted_run(), Exit::NothingPublished);
        stop.note_publication();
        assert_eq!(stop.exit_of_an_interrupted_run(), Exit::Waiting);
    }

    #[test]
    fn hangup_counts_as_ignored_by_its_bit_in_the_mask() {
        assert!(is_ignored("Name:\tx\nSigIgn:\t0000000000001001\n", 1));
        assert!(!is_ignored("SigIgn:\t0000000000001000\n", 1));
        assert!(is_ignored("SigIgn:\t0000000000001000\n", 13));
        assert!(!is_ignored("", 1));
    }
}
