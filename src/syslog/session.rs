//! What a session with a receiver needs and how it can fail. Plain data; `transport` runs it.

use super::SyslogDestination;
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
    /// Wait before the first frame of the first session. A receiver that refuses us closes within it; TLS 1.3 gives no
    /// other sign.
    pub grace: Duration,
    /// Wait after the last frame, before we close. A receiver that did not understand the framing closes within it.
    pub early_end: Duration,
    /// Wait from our close to the receiver's close.
    pub end: Duration,
    /// From a request over HTTP to the last octet of its response.
    pub answer: Duration,
    /// From a response over HTTP to the acknowledgement that it promises.
    pub receipt: Duration,
    /// Wait before the second attempt of a request over HTTP. It doubles with each further one.
    pub backoff: Duration,
    /// Longest wait between two requests over HTTP, even if the receiver asks for more.
    pub longest_wait: Duration,
    /// For the whole session. Datagrams: without the pauses of their own pace.
    pub session: Duration,
    /// For the whole delivery of a run, shared by its destinations. Each has at least one session.
    pub delivery: Duration,
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
            answer: Duration::from_secs(60),
            receipt: Duration::from_secs(300),
            backoff: Duration::from_millis(500),
            longest_wait: Duration::from_secs(60),
            session: Duration::from_secs(600),
            delivery: Duration::from_secs(1_800),
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
    /// The receiver closed without the `close_notify` that the destination requires.
    #[error(
        "the receiver closed the connection without a close_notify, which delivery_proof = \"close-notify\" requires: the \
         delivery is not proven, and the events are sent again; rsyslog does not send it: use relp+tls:// or \
         delivery_proof = \"close\" for such a receiver"
    )]
    NoCloseNotify,
    /// The receiver reset the connection after we closed our side.
    #[error(
        "the receiver reset the connection after the last event: it discarded events that it had not read, and this \
         batch counts as not delivered; look for the cause in the log of the receiver"
    )]
    Reset,
    /// A receiver over HTTP did not take the events.
    #[error("{0}")]
    Http(String),
    /// A receiver over HTTP refused events and accepted none after them, so a setting may be wrong and no event is.
    #[error(
        "the receiver accepted no event after it refused {events} ({reason}); check url, and what the receiver expects; \
         none of them was given up: they stay queued until the receiver accepts another one"
    )]
    RefusesAll {
        /// Number of events that were refused since the last acceptance.
        events: usize,
        /// Answer to the last of them.
        reason: String,
    },
    /// A receiver over HTTP can never accept the test event.
    #[error("the receiver refused the event ({0}); check url, and what the receiver expects")]
    Refuses(String),
    /// The indexers of Splunk did not acknowledge the events in time (seconds).
    #[error(
        "the indexers did not acknowledge the events within {0} s: the delivery is not proven, and the events are sent \
         again; check the indexers, or switch off indexer acknowledgement for this token"
    )]
    NotAcknowledged(u64),
    /// A write or read failed.
    #[error("sending failed: {0}; check the network and the receiver")]
    Send(io::Error),
    /// The session exceeded its time limit (seconds).
    #[error(
        "the session took longer than {0} s; check how fast the receiver reads, and the pace of this destination (requests_per_second or events_per_second)"
    )]
    TooSlow(u64),
    /// The time of all destinations is over.
    #[error(
        "the time of this delivery is over; the next run or `bt-rollcall emit` goes on. If this happens again, check how fast the \
         receivers of all destinations read, and requests_per_second and events_per_second"
    )]
    OutOfTime,
    /// A signal asked the run to stop.
    #[error("stopped by a signal before the delivery was proven")]
    Stopped,
    /// A RELP session failed.
    #[error(transparent)]
    Relp(#[from] RelpError),
    /// The receiver acknowledged frames, and their number cannot be recorded.
    #[error("the receiver acknowledged events, but bt-rollcall failed to {0}; they are sent again")]
    Cursor(SpoolError),
    /// The frames cannot be read from the spool.
    #[error("failed to {0}")]
    Spool(#[from] SpoolError),
}

/// What a receiver did that RELP does not allow or that ends the session. The texts start in lower case.
#[derive(Debug, thiserror::Error)]
pub enum RelpError {
    /// The receiver sent something else than RELP.
    #[error(
        "the answer is not RELP; check that the port in url is that of a RELP receiver (imrelp of rsyslog, usually \
         2514)"
    )]
    NoRelp,
    /// The receiver expects TLS.
    #[error("the receiver speaks TLS on this port; write relp+tls:// in url")]
    AnswersWithTls,
    /// The receiver closed before it answered `open`.
    #[error(
        "the receiver closed the connection at once; write relp+tls:// in url if it requires TLS, and check that it \
         speaks RELP on this port and does not refuse this host"
    )]
    ClosedAtOnce,
    /// The receiver did not answer `open` in time (seconds).
    #[error(
        "the receiver did not answer within {0} s; check that it speaks RELP on this port, and write relp+tls:// in url \
         if it requires TLS"
    )]
    NoAnswer(u64),
    /// The receiver refused `open`.
    #[error("the receiver refused the session: {code} {words}; look for the cause in the log of the receiver")]
    Refused {
        /// Code of the receiver.
        code: u16,
        /// Its text.
        words: String,
    },
    /// The receiver does not offer the command `syslog`.
    #[error("the RELP receiver does not accept syslog messages; check the port in url")]
    NoSyslog,
    /// The receiver refused a frame.
    #[error(
        "the receiver refused event {position} of the session: {code} {words}; it and the later events stay queued; \
         look for the cause in the log of the receiver"
    )]
    RefusedEvent {
        /// Position of the frame in the session, from 1.
        position: u64,
        /// Code of the receiver.
        code: u16,
        /// Its text.
        words: String,
    },
    /// The receiver acknowledged a frame that does not wait for it.
    #[error(
        "the receiver acknowledged the transaction {0}, which it did not receive or had acknowledged before; update the \
         receiver"
    )]
    UnknownNumber(u32),
    /// The receiver ended the session.
    #[error(
        "the receiver ended the session, as it does before it stops; the events that it did not acknowledge stay queued; \
         check that the receiver runs"
    )]
    ServerClose,
    /// The receiver closed the connection.
    #[error(
        "the receiver closed the connection before it acknowledged every event; the others stay queued; check that the \
         receiver runs and accepts messages of 8,000 octets"
    )]
    Closed,
    /// No acknowledgement arrived in time (seconds).
    #[error(
        "the receiver acknowledged nothing within {0} s; its queue may be full: check what it writes to, and its log"
    )]
    NotAcknowledged(u64),
}

/// Records how many frames of the session, from the first one, the receiver has acknowledged so far.
pub type Acknowledged<'a> = dyn FnMut(u64) -> Result<(), SpoolError> + 'a;

/// A session that is about to start.
pub struct Session<'a, I> {
    /// Receiver of the frames.
    pub destination: &'a SyslogDestination,
    /// Rendered frames, without the framing of streams.
    pub frames: I,
    /// Time limits of the session.
    pub timing: &'a Timing,
    /// Checked between two frames: whether to stop.
    pub is_stopped: &'a dyn Fn() -> bool,
}
