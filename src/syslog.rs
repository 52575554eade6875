//! Events for a SIEM, and their delivery: render, spool, send, prove, acknowledge.
//!
//! Which messages: what happened to findings (opened, reopened, another severity, accepted, resolved; open ones again every so
//! many days), or every finding that stands ([`Send`]), and, last, `run.completed` with counts and the SHA-256 of the manifest;
//! `run.failed` where nothing was published; `run.suspect` for each list of a source that a guard set aside. Redelivery is byte-identical and `event.id` is deterministic, so a receiver can always remove duplicates.
//!
//! What is the `syslog` crate's and what is ours. The crate gives the severities, the seam `LogFormat` (a formatter
//! writes into any writer), the `Logger`, and its backends for local sockets and UDP, which send what one `write` gives as
//! one datagram. Ours are the formatters, because the crate's take only a number for MSGID, always stamp "now", and pass
//! control characters and bad tokens through; and the streams, because its TCP backend frames nothing, so that receivers
//! store nothing or one record for all, and it neither connects again nor sees that a peer went away. It has no TLS.
//!
//! - [`message`] which findings and facts become messages    - [`ecs`] message -> JSON body (ECS)
//! - [`mod@format`] header + body -> frame, within its size      - [`spool`] the at-least-once queue on disk
//! - [`transport`] datagrams and proven stream sessions      - [`deliver`] drains the spool into every destination

pub mod deliver;
pub mod ecs;
pub mod format;
pub mod message;
pub mod spool;
mod stream;
#[cfg(test)]
mod tests;
mod tls;
pub mod transport;

use crate::lifecycle::KnownFindings;
use crate::model::{Finding, Instant};
use std::path::PathBuf;

/// Where events go.
#[derive(Clone, Debug)]
pub struct Destination {
    /// As configured; also its name in log and spool.
    pub url: String,
    /// How to reach it.
    pub transport: Transport,
    /// Header.
    pub protocol: Protocol,
    /// On streams.
    pub framing: Framing,
    /// RFC 5424 facility code, 0 to 23.
    pub facility: u8,
    /// PEM bundle that is trusted in addition to the system's roots (tls).
    pub ca_file: Option<PathBuf>,
    /// PEM chain and key for mutual TLS.
    pub client_identity: Option<(PathBuf, PathBuf)>,
    /// On streams.
    pub proof: Proof,
    /// Datagrams (udp, unix) a second; streams push back by themselves.
    pub events_per_second: u32,
    /// Which findings it is told.
    pub send: Send,
}

/// Which findings a destination is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Send {
    /// Those to which something happened since the newest snapshot, and open ones again.
    Transitions {
        /// Every so many days since they were first seen; 0: never.
        remind_days: u32,
    },
    /// Every finding that stands, and those that are over since.
    All,
}

impl Send {
    /// Whether this finding of a run at this instant is told.
    pub fn reports(self, finding: &Finding, past: &KnownFindings, as_of: Instant) -> bool {
        match self {
            Self::All => true,
            Self::Transitions { remind_days } => {
                past.transition(finding).is_some() || past.is_due(finding, remind_days, as_of)
            }
        }
    }
}

/// The way to a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A local datagram socket, `/dev/log`.
    Unix(PathBuf),
    /// RFC 5426.
    Udp(String, u16),
    /// RFC 6587.
    Tcp(String, u16),
    /// RFC 5425.
    Tls(String, u16),
}

/// Header form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 5424.
    Rfc5424,
    /// RFC 3164; for `/dev/log`, without host.
    Rfc3164,
}

/// How messages are told apart on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// `MSG-LEN SP MSG` (RFC 6587 §3.4.1).
    OctetCounting,
    /// LF at the end (RFC 6587 §3.4.2).
    Newline,
}

/// What proves that a batch on a stream is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The receiver answered our end of the session with its own: it has read everything.
    Close,
    /// This machine's kernel took every frame, and the session was ended in order. Proves nothing about the receiver: for those that
    /// never end their side, as load balancers.
    Sent,
}

impl Transport {
    /// Whether every message is a datagram of its own: no framing, no proof, a smaller limit.
    pub fn is_datagram(&self) -> bool {
        matches!(self, Self::Unix(_) | Self::Udp(..))
    }
}

impl Destination {
    /// Returns the longest frame that any receiver takes whole: rsyslog's default limit is 8,096 octets on streams; RFC 5426 §3.2
    /// promises 1,180 for datagrams over IPv6; RFC 3164 §4.1 allows 1,024 for its packets over UDP.
    pub fn most_octets(&self) -> usize {
        match (&self.transport, self.protocol) {
            (Transport::Udp(..), Protocol::Rfc3164) => 1_024,
            (Transport::Udp(..), Protocol::Rfc5424) | (Transport::Unix(_), _) => 1_180,
            (Transport::Tcp(..) | Transport::Tls(..), _) => 8_000,
        }
    }
}
