//! One session with a receiver: all frames of a batch, or none that count. Datagrams go through the `syslog` crate's
//! backends and prove nothing; streams are in `stream`. Knows no spool.

use super::spool::SpoolError;
use super::{Destination, Transport, stream};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use syslog::{LogFormat, Logger, LoggerBackend};

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// To connect and shake hands.
    pub connect: Duration,
    /// For one write.
    pub write: Duration,
    /// Reading before the first frame: a receiver that refuses us closes within it (TLS 1.3 tells no other way).
    pub grace: Duration,
    /// Reading before our own end: a receiver that did not understand us has closed by now.
    pub early_end: Duration,
    /// From our end to the receiver's.
    pub end: Duration,
    /// For a whole session.
    pub session: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            write: Duration::from_secs(30),
            grace: Duration::from_millis(300),
            early_end: Duration::from_millis(200),
            end: Duration::from_secs(30),
            session: Duration::from_secs(600),
        }
    }
}

/// Why a batch is not delivered. Texts are lower-case fragments with what to do.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The name means nothing.
    #[error("cannot find {host}: {why}; check the host in url")]
    Resolve {
        /// The host.
        host: String,
        /// What was said.
        why: String,
    },
    /// Nobody takes the connection.
    #[error("no connection: {0}; check that the receiver listens there, and the port in url")]
    Connect(io::Error),
    /// The handshake or the session's cryptography.
    #[error("{0}")]
    Tls(String),
    /// The receiver closed before the first frame.
    #[error(
        "the receiver closed the connection at once; does it want a client certificate (client_cert, client_key), or refuse this host?"
    )]
    Refused,
    /// The receiver closed while frames were sent.
    #[error(
        "the receiver closed the connection before the end: nothing of this batch counts as delivered; check framing (octet-counting or newline) against its settings"
    )]
    ClosedEarly,
    /// The receiver did not end its side in time (seconds).
    #[error(
        "the receiver did not close its side within {0} s, as load balancers do not: nothing proves that it read the events, and they are \
         sent again; if it never closes, set delivery_proof = \"sent\" for this destination"
    )]
    NotConfirmed(u64),
    /// The receiver reset the connection after our end.
    #[error(
        "the receiver reset the connection after the last event: it threw away what it had not read, and nothing of this batch counts as \
         delivered; look for the cause in its log"
    )]
    Reset,
    /// Sending failed.
    #[error("sending broke off: {0}")]
    Send(io::Error),
    /// Too slow.
    #[error("the session took longer than {0} s")]
    TooSlow(u64),
    /// Asked to stop.
    #[error("stopped before the end")]
    Stopped,
    /// The frames could not be read.
    #[error("failed to {0}")]
    Spool(#[from] SpoolError),
}

/// What a session is given: frames one by one, and when to give up.
pub struct Session<'a, I> {
    /// Where to.
    pub destination: &'a Destination,
    /// The frames.
    pub frames: I,
    /// Limits.
    pub timing: &'a Timing,
    /// Whether to stop between two frames.
    pub stopped: &'a dyn Fn() -> bool,
}

impl<I: Iterator<Item = Result<String, SpoolError>>> Session<'_, I> {
    /// Sends all frames. On a stream, `Ok` means what the destination's `Proof` means; for datagrams, that they were sent.
    pub fn run(self) -> Result<(), DeliveryError> {
        match &self.destination.transport {
            Transport::Unix(path) => {
                let logger = syslog::unix_custom(Verbatim, path).map_err(|e| DeliveryError::Connect(as_io(e)))?;
                self.datagrams(logger)
            }
            Transport::Udp(host, port) => {
                let address = *stream::resolve(host, *port)?.first().ok_or(DeliveryError::Refused)?;
                // The local address must be of the same family.
                let local: SocketAddr = if address.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
                let logger = syslog::udp(Verbatim, local, address).map_err(|e| DeliveryError::Connect(as_io(e)))?;
                self.datagrams(logger)
            }
            Transport::Tcp(host, port) => stream::tcp(self, &host.clone(), *port),
            Transport::Tls(host, port) => stream::tls(self, &host.clone(), *port),
        }
    }

    fn datagrams(self, mut logger: Logger<LoggerBackend, Verbatim>) -> Result<(), DeliveryError> {
        let mut pace = DatagramPace::new(self.destination.events_per_second);
        for frame in self.frames {
            if (self.stopped)() {
                return Err(DeliveryError::Stopped);
            }
            std::thread::sleep(pace.wait(Instant::now()));
            let sent = logger.info(frame?.as_bytes());
            sent.map_err(|e| DeliveryError::Send(as_io(e)))?;
        }
        logger.backend.flush().map_err(DeliveryError::Send)
    }
}

/// The frame is rendered already: it goes out as it is, in one write.
struct Verbatim;

impl LogFormat<&[u8]> for Verbatim {
    fn format<W: Write>(&self, out: &mut W, _: syslog::Severity, frame: &[u8]) -> syslog::Result<()> {
        out.write_all(frame)?;
        Ok(())
    }
}

fn as_io(error: syslog::Error) -> io::Error {
    match error {
        syslog::Error::Io(error) => error,
        other => io::Error::other(other.to_string()),
    }
}

/// Events that may go out at once before the pace holds.
const BURST: u32 = 50;

/// A token bucket: datagrams push nobody back, and unpaced floods are lost in the receiver's buffers.
struct DatagramPace {
    apart: Duration,
    next: Option<Instant>,
}

impl DatagramPace {
    fn new(per_second: u32) -> Self {
        Self { apart: Duration::from_secs(1) / per_second.max(1), next: None }
    }

    /// How long to wait before the next one.
    fn wait(&mut self, now: Instant) -> Duration {
        let earliest = now.checked_sub(self.apart * BURST).unwrap_or(now);
        let next = self.next.map_or(earliest, |next| next.max(earliest));
        self.next = Some(next + self.apart);
        next.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_out_at_once_and_the_rest_at_the_pace() {
        let mut pace = DatagramPace::new(500);
        let start = Instant::now() + Duration::from_secs(60);
        let waits: Vec<Duration> = (0..=BURST + 1).map(|_| pace.wait(start)).collect();
        assert!(waits[..=BURST as usize].iter().all(Duration::is_zero));
        assert_eq!(waits[BURST as usize + 1], Duration::from_millis(2));
    }
}
