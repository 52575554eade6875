//! One session with a receiver. Without acknowledgements all frames of a batch are delivered, or the batch does not count.
//!
//! Datagrams are sent by the backends of the `syslog` crate and prove nothing. Streams are in `stream` and `relp`. `deliver` calls
//! [`Session::run`]; nothing here reads or changes the spool.

use super::limit::{SLICE, SessionLimits, is_timeout, on_thread};
use super::session::{Acknowledged, DeliveryError, Session};
use super::spool::SpoolError;
use super::{Transport, relp, stream};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use syslog::{LogFormat, Logger, LoggerBackend};

impl<I: Iterator<Item = Result<String, SpoolError>>> Session<'_, I> {
    /// Sends all frames.
    ///
    /// `Ok` means: on a stream, that the delivery is proven as [`Proof`](super::Proof) describes; for datagrams, that
    /// they were sent.
    ///
    /// `acknowledged` is called by transports whose receivers acknowledge single frames, also where the session fails
    /// later. The others never call it.
    pub fn run(self, acknowledged: &mut Acknowledged<'_>) -> Result<(), DeliveryError> {
        // After a signal no session starts.
        if (self.is_stopped)() {
            return Err(DeliveryError::Stopped);
        }
        let limits = SessionLimits::new(self.timing, self.is_stopped);
        match &self.destination.transport {
            Transport::Unix(path) => {
                let unusable = |why| DeliveryError::Socket { path: path.clone(), why };
                let target = path.clone();
                // The connection to a stream socket waits while its queue is full, and has no time limit.
                let connected =
                    on_thread(&limits, self.timing.connect, unusable, move || syslog::unix_custom(Verbatim, target))?;
                self.datagrams(connected.map_err(|error| unusable(socket_fault(&as_io(error))))?, &limits)
            }
            Transport::Udp(host, port) => {
                // `resolve` returns at least one address. Datagrams show no failure, so further addresses cannot be
                // tried.
                let address = *stream::resolve(&limits, host, *port)?.first().ok_or(DeliveryError::Refused)?;
                // The socket must be bound to the address family of the receiver.
                let local: SocketAddr = if address.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
                let logger = syslog::udp(Verbatim, local, address).map_err(|e| DeliveryError::Connect(as_io(e)))?;
                self.datagrams(logger, &limits)
            }
            Transport::Tcp(host, port) => stream::tcp(&limits, (host, *port), |stream, refusal_wait| {
                stream::run_session(self, stream, &limits, refusal_wait)
            }),
            Transport::Tls(host, port) => {
                stream::tls(&limits, self.destination, (host, *port), |stream, refusal_wait| {
                    stream::run_session(self, stream, &limits, refusal_wait)
                })
            }
            Transport::Relp(host, port) => {
                stream::tcp(&limits, (host, *port), |stream, _| relp::exchange(self, stream, &limits, acknowledged))
            }
            Transport::RelpTls(host, port) => stream::tls(&limits, self.destination, (host, *port), |stream, _| {
                relp::exchange(self, stream, &limits, acknowledged)
            }),
        }
    }

    fn datagrams(
        self,
        mut logger: Logger<LoggerBackend, Verbatim>,
        limits: &SessionLimits<'_>,
    ) -> Result<(), DeliveryError> {
        limit_writes(&logger.backend, self.timing.write).map_err(DeliveryError::Send)?;
        let mut pace = DatagramPace::new(self.destination.events_per_second);
        let mut busy = Duration::ZERO;
        for frame in self.frames {
            limits.check_stop()?;
            // Blocking is fine here: delivery is the only work of the process at this time.
            std::thread::sleep(pace.wait(Instant::now()));
            let started = Instant::now();
            send_datagram(&mut logger, &frame?, limits, self.timing.write)?;
            busy += started.elapsed();
            if busy > self.timing.session {
                return Err(DeliveryError::TooSlow(self.timing.session.as_secs()));
            }
        }
        logger.backend.flush().map_err(DeliveryError::Send)
    }
}

/// Limits the writes to a socket: the queue of a local socket fills where its reader does not read.
fn limit_writes(backend: &LoggerBackend, write: Duration) -> io::Result<()> {
    match backend {
        LoggerBackend::Unix(socket) => socket.set_write_timeout(Some(SLICE)),
        LoggerBackend::Udp(socket, _) => socket.set_write_timeout(Some(SLICE)),
        // A part of the frame may be written, so this write cannot be repeated.
        LoggerBackend::UnixStream(socket) => socket.get_ref().set_write_timeout(Some(write.min(MAX_STREAM_WRITE))),
        LoggerBackend::Tcp(_) => Ok(()),
    }
}

/// Longest write to a local stream socket. Nothing interrupts it, and a signal ends a run within 30 seconds.
const MAX_STREAM_WRITE: Duration = Duration::from_secs(10);

/// Sends a datagram. It is taken as a whole or not at all, so a write that met its time limit is repeated.
fn send_datagram(
    logger: &mut Logger<LoggerBackend, Verbatim>,
    frame: &str,
    limits: &SessionLimits<'_>,
    write: Duration,
) -> Result<(), DeliveryError> {
    let is_datagram = !matches!(logger.backend, LoggerBackend::UnixStream(_));
    let until = Instant::now() + write;
    loop {
        match logger.info(frame.as_bytes()).map_err(as_io) {
            Ok(()) => return Ok(()),
            Err(error) if is_datagram && is_timeout(&error) && Instant::now() < until => limits.check_stop()?,
            Err(error) => return Err(DeliveryError::Send(error)),
        }
    }
}

/// A formatter that writes the rendered frame unchanged. One write is one datagram.
struct Verbatim;

impl LogFormat<&[u8]> for Verbatim {
    fn format<W: Write>(&self, out: &mut W, _: syslog::Severity, frame: &[u8]) -> syslog::Result<()> {
        out.write_all(frame)?;
        Ok(())
    }
}

/// Continues the words "the socket PATH".
fn socket_fault(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "does not exist".to_owned(),
        io::ErrorKind::ConnectionRefused => "has no reader".to_owned(),
        io::ErrorKind::PermissionDenied => "may not be written by this user".to_owned(),
        _ => format!("cannot be used: {error}"),
    }
}

fn as_io(error: syslog::Error) -> io::Error {
    match error {
        syslog::Error::Io(error) | syslog::Error::Write(error) => error,
        // The crate wraps its own error once more.
        syslog::Error::Initialization(inner) => match inner.downcast::<syslog::Error>() {
            Ok(inner) => as_io(*inner),
            Err(other) => io::Error::other(other),
        },
    }
}

/// Number of datagrams that may be sent at once before the rate limit applies.
const BURST: u32 = 50;

/// A rate limit for datagrams (token bucket). Nothing slows a sender of datagrams down, and a full receive buffer drops
/// them.
struct DatagramPace {
    interval: Duration,
    next: Option<Instant>,
}

impl DatagramPace {
    fn new(per_second: u32) -> Self {
        Self { interval: Duration::from_secs(1) / per_second.max(1), next: None }
    }

    /// Returns how long to wait before the next datagram, and reserves its place.
    fn wait(&mut self, now: Instant) -> Duration {
        // Time that passed without a datagram counts as credit, up to the size of a burst.
        let earliest = now.checked_sub(self.interval * BURST).unwrap_or(now);
        let next = self.next.map_or(earliest, |next| next.max(earliest));
        self.next = Some(next + self.interval);
        next.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_sent_at_once_and_the_rest_at_the_configured_rate() {
        let mut pace = DatagramPace::new(500);
        let start = Instant::now() + Duration::from_secs(60);
        let waits: Vec<Duration> = (0..=BURST + 1).map(|_| pace.wait(start)).collect();
        assert!(waits[..=BURST as usize].iter().all(Duration::is_zero));
        assert_eq!(waits[BURST as usize + 1], Duration::from_millis(2));
    }
}
