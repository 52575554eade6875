//! Events for a SIEM, over syslog and over HTTP: rendering, queueing, sending and proof of delivery. Called by
//! `run::notify` and `commands`.
//!
//! A run emits its changes, then findings as chosen by [`Send`], then `run.suspect` for each list that a guard objects
//! to. `run.completed` is the last event and contains the counts and the SHA-256 of the manifest. A run that publishes
//! nothing emits `run.failed` instead, or only `run.suspect` if guards set every source aside. A redelivered event has
//! the same bytes and the same `event.id`, so a receiver can remove duplicates.
//!
//! The `syslog` crate provides the severities, the trait `LogFormat`, the `Logger` and the backends for UDP and local
//! sockets. Formatters and streams are our own:
//! - The formatters of the crate accept only a number as MSGID, always set the current time and do not escape control
//!   characters.
//! - The TCP backend of the crate has no framing and no TLS. It neither reconnects nor notices that the receiver
//!   closed.
//!
//! Modules, from facts to bytes:
//! - [`codes`]: what all events of a code have in common
//! - [`message`]: which facts become events
//! - `summary`: what every payload says in the same words
//! - [`ecs`], `ocsf`: event to JSON body; `json`: JSON that becomes shorter
//! - `cef`, `leef`: event to flat fields; `flat`: their values and keys
//! - `body`: the body in the payload of a destination
//! - [`mod@format`]: header and body to a frame within its size limit
//! - [`spool`]: the at-least-once queue on disk
//! - [`deliver`]: the spool to every destination
//! - [`transport`]: datagrams, stream sessions with proof, and `relp`: sessions with acknowledgements
//! - [`http`]: requests whose response is a receipt

mod body;
mod cef;
pub mod codes;
pub mod deliver;
pub mod ecs;
pub mod facts;
mod flat;
pub mod format;
pub mod groups;
pub mod http;
mod json;
mod leef;
mod limit;
pub mod message;
mod ocsf;
mod relp;
pub mod session;
pub mod spool;
mod stream;
mod summary;
#[cfg(test)]
mod tests;
mod tls;
pub mod transport;

use crate::lifecycle::{KnownFindings, Occasion};
use crate::model::{Finding, Instant};
use format::Sender;
use http::{HttpDestination, UnreadableEvent};
use message::Message;
use std::path::PathBuf;

/// A configured receiver of events.
#[derive(Clone, Debug)]
pub enum Destination {
    /// A receiver of syslog messages (`[[syslog]]`).
    Syslog(SyslogDestination),
    /// A receiver over HTTP (`[[http]]`).
    Http(HttpDestination),
}

impl Destination {
    /// Returns the address as configured; it identifies the destination in log and spool.
    pub fn url(&self) -> &str {
        match self {
            Self::Syslog(destination) => &destination.url,
            Self::Http(destination) => &destination.url,
        }
    }

    /// Returns which findings are sent.
    pub fn send(&self) -> Send {
        match self {
            Self::Syslog(destination) => destination.send,
            Self::Http(destination) => destination.send,
        }
    }

    /// Checks whether an event that is queued for another address can be sent here. The error says why not.
    pub fn can_take(&self, address: &str, queued: &str) -> Result<(), String> {
        let is_http = |address: &str| address.starts_with("http");
        let is_local = |address: &str| address.starts_with("unix:");
        match self {
            _ if is_local(address) != is_local(self.url()) => {
                Err("events for a local socket and for the network have different headers".to_owned())
            }
            _ if is_http(address) != is_http(self.url()) => {
                Err("events for syslog and for HTTP have different forms".to_owned())
            }
            Self::Syslog(syslog) if queued.len() > syslog.max_frame_octets() => Err(format!(
                "one of them has {} octets, and this destination sends at most {}",
                queued.len(),
                syslog.max_frame_octets()
            )),
            _ => Ok(()),
        }
    }

    /// Returns a queued event as the receiver gets it, without framing.
    pub fn as_sent(&self, queued: &str) -> Result<String, UnreadableEvent> {
        match self {
            Self::Syslog(_) => Ok(queued.to_owned()),
            Self::Http(destination) => destination.as_sent(queued),
        }
    }

    /// Renders an event as the spool holds it: a frame, or a `CloudEvent` for receivers over HTTP.
    pub fn render(&self, sender: &Sender, message: &Message<'_>, sequence: u64) -> String {
        match self {
            Self::Syslog(destination) => format::render(destination, sender, message, sequence),
            Self::Http(_) => http::render(sender, message),
        }
    }
}

/// A configured receiver of syslog messages.
#[derive(Clone, Debug)]
pub struct SyslogDestination {
    /// Address as configured; identifies the destination in log and spool.
    pub url: String,
    /// Transport and host, or path of a socket.
    pub transport: Transport,
    /// Form of the message header.
    pub protocol: Protocol,
    /// Form of the body.
    pub payload: Payload,
    /// How messages are separated on a stream; not used by datagrams and RELP.
    pub framing: Framing,
    /// RFC 5424 facility code, 0 to 23.
    pub facility: u8,
    /// Private enterprise number of the organization; with it, RFC 5424 headers have an element of our own.
    pub enterprise_number: Option<u32>,
    /// PEM file of certificates that are trusted in addition to the system's roots (transports in TLS only).
    pub ca_file: Option<PathBuf>,
    /// PEM files of the certificate chain and the key for mutual TLS.
    pub client_identity: Option<(PathBuf, PathBuf)>,
    /// What proves a delivery on a stream; not used by datagrams and RELP.
    pub proof: Proof,
    /// Limit of datagrams a second (`udp`, `unix`). Streams need none, because TCP slows the sender down.
    pub events_per_second: u32,
    /// Octets of the longest datagram over `udp`; `None` for the default of the protocol.
    pub udp_max: Option<u32>,
    /// Which findings are sent.
    pub send: Send,
}

/// Which findings a destination receives (`syslog.send`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Send {
    /// Findings that changed since the newest snapshot, and reminders of open ones.
    Transitions {
        /// Each open finding is sent once in so many days, on a day that its fingerprint chooses; 0 sends none.
        remind_days: u32,
    },
    /// Every finding, and those that were resolved since the newest snapshot.
    All,
}

impl Send {
    /// Returns the settings in force in words.
    pub fn in_words(self) -> String {
        match self {
            Self::All => "send \"all\"".to_owned(),
            Self::Transitions { remind_days } => format!("send \"transitions\", remind_days {remind_days}"),
        }
    }

    /// Returns why a finding of a run at this instant is sent; `None` if it is not sent.
    pub fn occasion(self, finding: &Finding, past: &KnownFindings, as_of: Instant) -> Option<Occasion> {
        let happened = past.transition(finding);
        let is_reminded_of = || match self {
            Self::All => true,
            Self::Transitions { remind_days } => past.is_due(finding, remind_days, as_of),
        };
        happened.or_else(|| is_reminded_of().then_some(Occasion::Reminder))
    }
}

/// How a receiver is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Local datagram socket, such as `/dev/log`.
    Unix(PathBuf),
    /// UDP (RFC 5426): host and port.
    Udp(String, u16),
    /// TCP (RFC 6587): host and port.
    Tcp(String, u16),
    /// TLS over TCP (RFC 5425): host and port.
    Tls(String, u16),
    /// RELP over TCP: host and port.
    Relp(String, u16),
    /// RELP in TLS, from the first octet on: host and port.
    RelpTls(String, u16),
}

/// Form of the message header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Header of RFC 5424.
    Rfc5424,
    /// Header of RFC 3164; without the host on a local socket.
    Rfc3164,
}

/// Form of the body of a message (`syslog.payload`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// JSON with the field names of the Elastic Common Schema.
    Ecs,
    /// JSON of the Open Cybersecurity Schema Framework.
    Ocsf(Ocsf),
    /// Common Event Format of ArcSight, version 0.
    Cef,
    /// Log Event Extended Format of QRadar, version 2.0.
    Leef,
}

/// Settings of the payload `ocsf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ocsf {
    /// Class of findings.
    pub finding: OcsfFinding,
    /// Version of the schema.
    pub version: OcsfVersion,
}

impl Ocsf {
    /// The defaults: those of the newest version.
    pub const DEFAULT: Self = Self { finding: OcsfFinding::IamAnalysis, version: OcsfVersion::V1_8 };
}

/// Version of the schema of OCSF (`syslog.ocsf_version`). Older ones lack fields that the events need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OcsfVersion {
    /// 1.4.0: the first one in which a group can be added or removed without a user.
    V1_4,
    /// 1.5.0.
    V1_5,
    /// 1.6.0: adds the IAM Analysis Finding, the type of service accounts and `metadata.is_truncated`.
    V1_6,
    /// 1.7.0.
    V1_7,
    /// 1.8.0.
    V1_8,
}

/// Class of findings in OCSF (`syslog.ocsf_finding`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OcsfFinding {
    /// IAM Analysis Finding (2008), since OCSF 1.6.
    IamAnalysis,
    /// Detection Finding (2004), which older consumers know.
    Detection,
}

/// How messages are separated on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// `MSG-LEN SP MSG` (RFC 6587 §3.4.1).
    OctetCounting,
    /// A line feed after each message (RFC 6587 §3.4.2).
    Newline,
}

/// What proves that a batch on a stream was delivered (`syslog.delivery_proof`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The receiver closed its side of the connection after we closed ours, so it read everything.
    Close,
    /// As `Close`, and the receiver sent a `close_notify` of TLS before (RFC 5425 §4.4).
    ///
    /// Without it, whoever controls the network can close the connection in the name of the receiver.
    CloseNotify,
    /// The kernel of this host took every frame, and the session ended in order.
    ///
    /// This proves nothing about the receiver. It is for receivers that never close their side, such as load balancers.
    Sent,
}

impl Transport {
    /// Checks whether each message is a datagram: without framing and proof, and with a smaller size limit.
    pub fn is_datagram(&self) -> bool {
        matches!(self, Self::Unix(_) | Self::Udp(..))
    }

    /// Checks whether the receiver acknowledges each message.
    pub fn is_relp(&self) -> bool {
        matches!(self, Self::Relp(..) | Self::RelpTls(..))
    }

    /// Checks whether the transport is in TLS.
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(..) | Self::RelpTls(..))
    }
}

impl SyslogDestination {
    /// Returns the size in octets of the longest frame that every receiver accepts in full.
    ///
    /// - Streams: 8,000, because rsyslog cuts at 8,096 octets by default.
    /// - LEEF on TCP and TLS: 4,000, because QRadar splits at 4,096 octets by default.
    /// - Datagrams: 1,180 (RFC 5426 §3.2, over IPv6).
    /// - RFC 3164 over UDP: 1,024 (RFC 3164 §4.1).
    /// - UDP with `udp_max`: as configured.
    pub fn max_frame_octets(&self) -> usize {
        match (&self.transport, self.protocol) {
            (Transport::Udp(..), _) if self.udp_max.is_some() => self.udp_max.unwrap_or_default() as usize,
            (Transport::Udp(..), Protocol::Rfc3164) => 1_024,
            (Transport::Udp(..), Protocol::Rfc5424) | (Transport::Unix(_), _) => 1_180,
            (Transport::Tcp(..) | Transport::Tls(..), _) if self.payload == Payload::Leef => 4_000,
            (Transport::Tcp(..) | Transport::Tls(..) | Transport::Relp(..) | Transport::RelpTls(..), _) => 8_000,
        }
    }
}
