//! What a session with a receiver needs and how it can fail. Plain data; `transport` runs it.

use super::Destination;
use super::spool::SpoolError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Time limits of a session.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// For each of these: the name resolution, a connection to one address, and the TLS handshake.
    pub connect: Duration,
    /// For a write that the receiver takes nothing of.
    pub write: Duration,
    /// Wait before the first frame. A receiver that refuses us closes within it; TLS 1.3 gives no other sign.
    pub grace: Duration,
    /// Wait after the last frame, before we close. A receiver that did not understand the framing closes within it.
    pub early_end: Duration,
    /// Wait from our close to the receiver's close.
    pub end: Duration,
    /// For the whole session. Datagrams: without the pauses of their own pace.
    pub session: Duration,
    /// From a request to stop until the session ends, whatever it does.
    pub stopping: Duration,
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
            stopping: Duration::from_secs(5),
        }
    }
}

/// Why a batch is not delivered. The texts start in lower case and contain the cure.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The host name cannot be resolved.
    #[error("cannot find {host}: {why}; check the host in url")]
    Resolve {
        /// Host name from the configuration.
        host: String,
        /// Reason that the resolver gave.
        why: String,
    },
    /// The connection cannot be opened.
    #[error("no connection: {0}; check that the receiver listens on the host and port in url")]
    Connect(io::Error),
    /// The local socket cannot be used.
    #[error("the socket {} {why}; check the path in url, and that the syslog daemon of this host runs", path.display())]
    Socket {
        /// Path of the socket.
        path: PathBuf,
        /// What is wrong with it, as the rest of a sentence.
        why: String,
    },
    /// TLS failed: trust, client certificate or protocol.
    #[error("{0}")]
    Tls(String),
    /// The receiver closed before the first frame.
    #[error(
        "the receiver closed the connection at once; check whether it requires a client certificate (client_cert, \
         client_key) or refuses this host"
    )]
    Refused,
    /// The receiver closed while frames were sent.
    #[error(
        "the receiver closed the connection before the end: this batch counts as not delivered; compare framing \
         (octet-counting or newline) with the settings of the receiver"
    )]
    ClosedEarly,
    /// The receiver did not close its side in time (seconds).
    #[error(
        "the receiver did not close its side within {0} s: the delivery is not proven, and the events are sent again; \
         if the receiver never closes, as some load balancers, set delivery_proof = \"sent\" for this destination"
    )]
    NotConfirmed(u64),
    /// The receiver reset the connection after we closed our side.
    #[error(
        "the receiver reset the connection after the last event: it discarded events that it had not read, and this \
         batch counts as not delivered; look for the cause in the log of the receiver"
    )]
    Reset,
    /// A write or read failed.
    #[error("sending failed: {0}; check the network and the receiver")]
    Send(io::Error),
    /// The session exceeded its time limit (seconds).
    #[error("the session took longer than {0} s; check how fast the receiver reads")]
    TooSlow(u64),
    /// A signal asked the run to stop.
    #[error("stopped by a signal before the delivery was proven")]
    Stopped,
    /// The frames cannot be read from the spool.
    #[error("failed to {0}")]
    Spool(#[from] SpoolError),
}

/// A session that is about to start.
pub struct Session<'a, I> {
    /// Receiver of the frames.
    pub destination: &'a Destination,
    /// Rendered frames, without the framing of streams.
    pub frames: I,
    /// Time limits of the session.
    pub timing: &'a Timing,
    /// Checked between two frames: whether to stop.
    pub is_stopped: &'a dyn Fn() -> bool,
}
