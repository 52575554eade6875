//! Which findings become messages, and their delivery: spool, send, prove, acknowledge.

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
    /// PEM bundle that is trusted beside the system roots (tls).
    pub ca_file: Option<PathBuf>,
    /// PEM chain and key for mutual TLS.
    pub client_identity: Option<(PathBuf, PathBuf)>,
    /// Datagrams (udp, unix) a second; streams push back by themselves.
    pub events_per_second: u32,
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
