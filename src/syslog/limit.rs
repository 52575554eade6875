//! Limits of everything that a session waits for: name resolution, connections, handshakes, reads and writes.
//!
//! The standard library waits in calls that nothing interrupts. [`LimitedSocket`] waits in short slices and checks after
//! each whether a limit has passed or a signal asked the run to stop. [`on_thread`] does the same for calls without a
//! time limit. `stream` and `transport` use them; nothing here knows frames or receivers.

use super::session::{DeliveryError, Timing};
use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Longest wait between two checks.
pub(super) const SLICE: Duration = Duration::from_millis(100);

/// The limit that ended a session.
#[derive(Clone, Copy)]
enum PassedLimit {
    Session,
    Stop,
}

/// Limits of one session.
pub(super) struct SessionLimits<'a> {
    pub(super) timing: Timing,
    is_stopped: &'a dyn Fn() -> bool,
    started: Instant,
    stop_seen: Cell<Option<Instant>>,
    passed: Cell<Option<PassedLimit>>,
}

impl<'a> SessionLimits<'a> {
    /// Starts the clock of a session.
    pub(super) fn new(timing: &Timing, is_stopped: &'a dyn Fn() -> bool) -> Self {
        let (started, stop_seen, passed) = (Instant::now(), Cell::new(None), Cell::new(None));
        Self { timing: *timing, is_stopped, started, stop_seen, passed }
    }

    /// Returns an error if a signal asked the run to stop. Checked where the rest of the session would be in vain.
    pub(super) fn check_stop(&self) -> Result<(), DeliveryError> {
        if (self.is_stopped)() { Err(DeliveryError::Stopped) } else { Ok(()) }
    }

    /// Returns how long to wait now for something that may take until `until`.
    ///
    /// Errors: that time or the session is over, or its last seconds after a signal.
    pub(super) fn slice(&self, until: Instant) -> io::Result<Duration> {
        let now = Instant::now();
        if self.stop_seen.get().is_none() && (self.is_stopped)() {
            self.stop_seen.set(Some(now));
        }
        let session_end = self.started + self.timing.session;
        let stop_end = self.stop_seen.get().map(|seen| seen + self.timing.stopping);
        let passed = match stop_end {
            Some(end) if end <= now => Some(PassedLimit::Stop),
            _ if session_end <= now => Some(PassedLimit::Session),
            _ => None,
        };
        self.passed.set(self.passed.get().or(passed));
        let end = stop_end.map_or(until, |end| until.min(end)).min(session_end);
        let left = end.saturating_duration_since(now);
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left.min(SLICE)) }
    }

    /// Replaces the result of a session that one of its limits has ended.
    pub(super) fn explain(&self, error: DeliveryError) -> DeliveryError {
        match self.passed.get() {
            Some(PassedLimit::Stop) => DeliveryError::Stopped,
            Some(PassedLimit::Session) => DeliveryError::TooSlow(self.timing.session.as_secs()),
            None => error,
        }
    }
}

/// A TCP socket whose reads and writes end in time.
pub(super) struct LimitedSocket<'a> {
    socket: TcpStream,
    limits: &'a SessionLimits<'a>,
    /// Until when a read may wait; `None`: it does not wait.
    read_until: Option<Instant>,
    /// Whether a write that the receiver takes nothing of returns after a slice, so that the caller can read.
    pauses_writes: bool,
}

impl<'a> LimitedSocket<'a> {
    pub(super) fn new(socket: TcpStream, limits: &'a SessionLimits<'a>) -> Self {
        Self { socket, limits, read_until: None, pauses_writes: false }
    }

    /// Sets until when all following reads together may wait; `None`: they do not wait.
    pub(super) fn read_until(&mut self, until: Option<Instant>) {
        self.read_until = until;
    }

    /// Lets a write that the receiver takes nothing of return after a slice. The caller then has to limit the whole wait.
    pub(super) fn pause_writes(&mut self) {
        self.pauses_writes = true;
    }

    /// Returns the time that a handshake may take.
    pub(super) fn limit_of_connection(&self) -> Duration {
        self.limits.timing.connect
    }

    /// Returns the socket itself.
    pub(super) fn inner(&self) -> &TcpStream {
        &self.socket
    }
}

impl Read for LimitedSocket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(until) = self.read_until else {
            self.socket.set_nonblocking(true)?;
            let read = self.socket.read(buffer);
            self.socket.set_nonblocking(false)?;
            return read;
        };
        loop {
            self.socket.set_read_timeout(Some(self.limits.slice(until)?))?;
            match self.socket.read(buffer) {
                Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

impl Write for LimitedSocket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let until = Instant::now() + self.limits.timing.write;
        loop {
            self.socket.set_write_timeout(Some(self.limits.slice(until)?))?;
            match self.socket.write(bytes) {
                Err(error) if self.pauses_writes && is_timeout(&error) => return Err(error),
                Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => {}
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Runs a call that nothing interrupts on a thread of its own, and waits for it until `limit`.
///
/// Errors: `overdue`, or a request to stop. The thread is then left to itself and does not hold the end of the process.
pub(super) fn on_thread<T: Send + 'static>(
    limits: &SessionLimits<'_>,
    limit: Duration,
    overdue: impl Fn(String) -> DeliveryError,
    call: impl FnOnce() -> T + Send + 'static,
) -> Result<T, DeliveryError> {
    let (result, ended) = channel();
    // If nobody waits any more, the result has no use.
    let run = move || drop(result.send(call()));
    let started = std::thread::Builder::new().name("waiting".to_owned()).spawn(run);
    started.map_err(|error| overdue(error.to_string()))?;
    let until = Instant::now() + limit;
    loop {
        limits.check_stop()?;
        let late = |_| overdue(format!("no answer within {} s", limit.as_secs()));
        match ended.recv_timeout(limits.slice(until).map_err(late)?) {
            Ok(value) => return Ok(value),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(overdue("the call ended without a result".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syslog::tests::sessions::timing;
    use std::sync::mpsc::{Receiver, channel};

    fn overdue(why: String) -> DeliveryError {
        DeliveryError::Resolve { host: "h".to_owned(), why }
    }

    /// Returns a call that ends only when the sender is dropped.
    fn endless(held: Receiver<()>) -> impl FnOnce() + Send + 'static {
        move || held.recv().unwrap_or_default()
    }

    #[test]
    fn a_name_resolution_that_never_ends_is_given_up() {
        let (_release, held) = channel();
        let limits = SessionLimits::new(&timing(), &|| false);
        let error = on_thread(&limits, Duration::from_millis(20), overdue, endless(held)).unwrap_err();
        assert!(error.to_string().contains("cannot find h: no answer within"), "{error}");
    }

    #[test]
    fn a_signal_ends_a_name_resolution_at_once() {
        let (_release, held) = channel();
        let limits = SessionLimits::new(&timing(), &|| true);
        let error = on_thread(&limits, Duration::from_secs(3600), overdue, endless(held)).unwrap_err();
        assert!(matches!(error, DeliveryError::Stopped), "{error}");
    }
}
