//! Connections over TCP and TLS, and sessions of RFC 6587 and RFC 5425 over them with proof of delivery. Called by
//! `transport`; `relp` has sessions of another kind over the same connections.
//!
//! A successful write proves nothing: the bytes may be in a buffer of a receiver that is already gone. After the last
//! frame we close our side. With [`Proof::Close`] a batch is proven when the receiver then closes its side too, because
//! it has read everything. With [`Proof::CloseNotify`] it must do so with a `close_notify` of TLS, which nobody in the
//! network can forge. With [`Proof::Sent`] we do not wait for that.
//!
//! In all cases the receiver must not close earlier:
//! - at once: with TLS 1.3 that is the only sign of a refused client certificate
//! - between frames: the receiver stopped
//! - after the last frame, before we close: the receiver did not understand the framing

use super::limit::{LimitedSocket, SessionLimits, is_timeout, on_thread};
use super::session::{DeliveryError, Session};
use super::spool::SpoolError;
use super::tls;
use super::{Framing, Proof, SyslogDestination};
use crate::tls::Explainer;
use rustls::{ClientConnection, StreamOwned};
use socket2::SockRef;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Number of frames between two checks whether the receiver has closed.
const CHECK_EVERY: u32 = 200;
/// Number of bytes that are collected before they are written.
const BUFFER: usize = 32 * 1024;

/// Maximum number of addresses of a host that are tried.
const MAX_ADDRESSES: usize = 3;

/// Returns the addresses of a host. Errors: the name cannot be resolved in time or has no address.
pub(super) fn resolve(limits: &SessionLimits<'_>, host: &str, port: u16) -> Result<Vec<SocketAddr>, DeliveryError> {
    let failed = |why: String| DeliveryError::Resolve { host: host.to_owned(), why };
    let name = host.to_owned();
    let lookup = move || (name.as_str(), port).to_socket_addrs().map(Vec::from_iter);
    let found = on_thread(limits, limits.timing.connect, failed, lookup)?.map_err(|error| failed(error.to_string()))?;
    if found.is_empty() { Err(failed("the name has no address".to_owned())) } else { Ok(found) }
}

/// Connects over TCP and runs a session. It gets the connection and how long to wait for a refusal.
pub(super) fn tcp(
    limits: &SessionLimits<'_>,
    (host, port): (&str, u16),
    run: impl FnOnce(&mut dyn ByteStream, Duration) -> Result<(), DeliveryError>,
) -> Result<(), DeliveryError> {
    let sent = connect(limits, host, port)
        .and_then(|(socket, refusal_wait)| run(&mut PlainStream(LimitedSocket::new(socket, limits)), refusal_wait));
    sent.map_err(|error| limits.explain(error))
}

/// Connects over TLS and runs a session, as [`tcp`] does.
pub(super) fn tls(
    limits: &SessionLimits<'_>,
    destination: &SyslogDestination,
    (host, port): (&str, u16),
    run: impl FnOnce(&mut dyn ByteStream, Duration) -> Result<(), DeliveryError>,
) -> Result<(), DeliveryError> {
    let sent = tls::connection(destination, host).and_then(|(connection, explainer)| {
        let (socket, refusal_wait) = connect(limits, host, port)?;
        let plain_scheme = if destination.transport.is_relp() { "relp" } else { "tcp" };
        run(&mut handshake(connection, LimitedSocket::new(socket, limits), explainer, plain_scheme)?, refusal_wait)
    });
    sent.map_err(|error| limits.explain(error))
}

/// Performs the TLS handshake. A receiver that accepts and never answers, or that answers byte by byte, meets its limit.
fn handshake<'a>(
    connection: ClientConnection,
    mut socket: LimitedSocket<'a>,
    explainer: Explainer,
    plain_scheme: &str,
) -> Result<TlsStream<'a>, DeliveryError> {
    socket.read_until(Some(Instant::now() + socket.limit_of_connection()));
    let mut stream = StreamOwned::new(connection, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).map_err(|error| handshake_failed(error, &explainer, plain_scheme))?;
    }
    Ok(TlsStream(stream, explainer))
}

fn handshake_failed(error: io::Error, explainer: &Explainer, plain_scheme: &str) -> DeliveryError {
    if let Some(cause) = tls_cause(&error) {
        return tls::explain(explainer, cause);
    }
    if is_end(&error) {
        let unexplained = || {
            format!(
                "the receiver closed during the handshake; check that it speaks TLS on this port, or write \
                 {plain_scheme}:// in url"
            )
        };
        return tls::failed(explainer.missing_certificate().map_or_else(unexplained, |fault| fault.in_full()));
    }
    if is_timeout(&error) {
        return tls::failed(format!(
            "the receiver did not answer the handshake; check that it speaks TLS on this port, or write \
             {plain_scheme}:// in url"
        ));
    }
    DeliveryError::Connect(error)
}

fn tls_cause(error: &io::Error) -> Option<&rustls::Error> {
    let inner: &(dyn Error + 'static) = error.get_ref()?;
    inner.downcast_ref()
}

/// Returns the connection, and how long to wait for a refusal that may be on its way.
///
/// The wait is twice the time that the connection took, because that is one round trip (RFC 9293 §3.5).
fn connect(limits: &SessionLimits<'_>, host: &str, port: u16) -> Result<(TcpStream, Duration), DeliveryError> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in resolve(limits, host, port)?.into_iter().take(MAX_ADDRESSES) {
        limits.check_stop()?;
        let started = Instant::now();
        match TcpStream::connect_timeout(&address, limits.timing.connect) {
            Ok(stream) => {
                let refusal_wait = started.elapsed() * 2;
                prepare(&stream, limits.timing.write).map_err(DeliveryError::Connect)?;
                return Ok((stream, refusal_wait));
            }
            Err(error) => last = error,
        }
    }
    Err(DeliveryError::Connect(last))
}

fn prepare(stream: &TcpStream, write: Duration) -> io::Result<()> {
    // Writes are buffered by us. With Nagle's algorithm the last one could wait for an acknowledgement.
    stream.set_nodelay(true)?;
    // The kernel would report a receiver that vanished only after some 15 minutes (tcp(7), tcp_retries2).
    SockRef::from(stream).set_tcp_user_timeout(Some(write))
}

/// A stream of a session: plain TCP or TLS.
pub(super) trait ByteStream: Read + Write {
    /// Sets until when all following reads together may wait; `None`: they do not wait.
    fn read_until(&mut self, until: Option<Instant>);
    /// Lets a write that the receiver takes nothing of fail after a short time, so that the caller can read.
    fn pause_writes(&mut self);
    /// Closes our side for writing.
    fn end(&mut self) -> io::Result<()>;
    /// Returns the error for a receiver that closed before the first frame.
    fn refused(&self) -> DeliveryError;
    /// Returns the error for a failed read or write: the receiver closed, sent an alert, or the network failed.
    fn broken(&self, error: io::Error) -> DeliveryError;
}

struct PlainStream<'a>(LimitedSocket<'a>);
struct TlsStream<'a>(StreamOwned<ClientConnection, LimitedSocket<'a>>, Explainer);

impl Read for PlainStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for PlainStream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl ByteStream for PlainStream<'_> {
    fn read_until(&mut self, until: Option<Instant>) {
        self.0.read_until(until);
    }

    fn pause_writes(&mut self) {
        self.0.pause_writes();
    }

    fn end(&mut self) -> io::Result<()> {
        self.0.inner().shutdown(Shutdown::Write)
    }

    fn refused(&self) -> DeliveryError {
        DeliveryError::Refused
    }

    fn broken(&self, error: io::Error) -> DeliveryError {
        if is_end(&error) { DeliveryError::ClosedEarly } else { DeliveryError::Send(error) }
    }
}

impl Read for TlsStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for TlsStream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl ByteStream for TlsStream<'_> {
    fn read_until(&mut self, until: Option<Instant>) {
        self.0.sock.read_until(until);
    }

    fn pause_writes(&mut self) {
        self.0.sock.pause_writes();
    }

    /// Sends `close_notify`, then closes our half of the connection (RFC 5425 §4.4).
    fn end(&mut self) -> io::Result<()> {
        self.0.conn.send_close_notify();
        while self.0.conn.wants_write() {
            self.0.conn.write_tls(&mut self.0.sock)?;
        }
        self.0.sock.inner().shutdown(Shutdown::Write)
    }

    /// Names a client certificate as the likely cause.
    ///
    /// With TLS 1.3 a receiver refuses a certificate, or a missing one, after our handshake has ended (RFC 8446
    /// §4.4.2.4). Some receivers then close without an alert.
    fn refused(&self) -> DeliveryError {
        let fault = self.1.missing_certificate().or_else(|| self.1.silent_refusal());
        fault.map_or(DeliveryError::Refused, |fault| tls::failed(fault.in_full()))
    }

    fn broken(&self, error: io::Error) -> DeliveryError {
        match tls_cause(&error) {
            Some(cause) => tls::explain(&self.1, cause),
            None if is_end(&error) => DeliveryError::ClosedEarly,
            None => DeliveryError::Send(error),
        }
    }
}

/// Sends all frames and proves them, as the module documentation describes.
pub(super) fn run_session<I>(
    session: Session<'_, I>,
    stream: &mut dyn ByteStream,
    limits: &SessionLimits<'_>,
    refusal_wait: Duration,
) -> Result<(), DeliveryError>
where
    I: Iterator<Item = Result<String, SpoolError>>,
{
    let (timing, proof) = (*session.timing, session.destination.proof);
    // At least one round trip: on a slow link a refusal arrives later than the fixed wait.
    if closes_within(stream, timing.grace.max(refusal_wait))? {
        return Err(stream.refused());
    }
    send(session, stream, limits)?;
    if closes_within(stream, timing.early_end.max(refusal_wait))? {
        return Err(DeliveryError::ClosedEarly);
    }
    stream.end().map_err(|error| stream.broken(error))?;
    match proof {
        Proof::Close => confirmed(stream, timing.end, false),
        Proof::CloseNotify => confirmed(stream, timing.end, true),
        Proof::Sent => ended_in_order(stream, timing.early_end.max(refusal_wait)),
    }
}

fn send<I>(
    session: Session<'_, I>,
    stream: &mut dyn ByteStream,
    limits: &SessionLimits<'_>,
) -> Result<(), DeliveryError>
where
    I: Iterator<Item = Result<String, SpoolError>>,
{
    let Session { destination, frames, .. } = session;
    let mut buffer = Vec::with_capacity(BUFFER + 8 * 1024);
    let mut until_check = CHECK_EVERY;
    for frame in frames {
        // Checked for every frame: a slow receiver must not delay the reaction to a signal.
        limits.check_stop()?;
        // An unreadable frame ends the session before our close, so nothing of the batch counts as delivered.
        append(&mut buffer, &frame?, destination.framing);
        if buffer.len() >= BUFFER {
            stream.write_all(&buffer).map_err(|error| stream.broken(error))?;
            buffer.clear();
        }
        until_check -= 1;
        if until_check == 0 {
            until_check = CHECK_EVERY;
            if has_closed(stream)? {
                return Err(DeliveryError::ClosedEarly);
            }
        }
    }
    stream.write_all(&buffer).and_then(|()| stream.flush()).map_err(|error| stream.broken(error))
}

/// Appends a frame, with its octet count before it or a line feed after it (RFC 6587 §3.4).
pub(super) fn append(buffer: &mut Vec<u8>, frame: &str, framing: Framing) {
    match framing {
        Framing::OctetCounting => {
            buffer.extend_from_slice(frame.len().to_string().as_bytes());
            buffer.push(b' ');
            buffer.extend_from_slice(frame.as_bytes());
        }
        Framing::Newline => {
            buffer.extend_from_slice(frame.as_bytes());
            buffer.push(b'\n');
        }
    }
}

/// Reads for at most `wait` and checks whether the receiver has closed. Received bytes are discarded: syslog is
/// one-way.
fn closes_within(stream: &mut dyn ByteStream, wait: Duration) -> Result<bool, DeliveryError> {
    let end = Instant::now() + wait;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        stream.read_until(Some(end));
        match peer_event(stream)? {
            PeerEvent::Closed => return Ok(true),
            PeerEvent::Nothing => return Ok(false),
            PeerEvent::Data => {}
        }
    }
}

/// Checks without waiting whether the receiver has closed.
fn has_closed(stream: &mut dyn ByteStream) -> Result<bool, DeliveryError> {
    stream.read_until(None);
    Ok(matches!(peer_event(stream)?, PeerEvent::Closed))
}

/// What one read of the receiver's side showed.
enum PeerEvent {
    Closed,
    Nothing,
    Data,
}

fn peer_event(stream: &mut dyn ByteStream) -> Result<PeerEvent, DeliveryError> {
    match stream.read(&mut [0; 256]) {
        Ok(0) => Ok(PeerEvent::Closed),
        Ok(_) => Ok(PeerEvent::Data),
        Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => Ok(PeerEvent::Nothing),
        Err(error) if is_end(&error) => Ok(PeerEvent::Closed),
        Err(error) => Err(stream.broken(error)),
    }
}

/// How the receiver's side stands after we closed ours.
enum PeerEnd {
    /// Closed in order; with TLS: after a `close_notify`.
    Clean,
    /// The connection ended without the `close_notify` of TLS.
    WithoutNotify,
    /// Still open.
    Open,
}

/// Waits until the receiver closes. Some receivers do so without `close_notify`; `needs_notify` refuses that.
fn confirmed(stream: &mut dyn ByteStream, wait: Duration, needs_notify: bool) -> Result<(), DeliveryError> {
    match end_of_peer(stream, wait)? {
        PeerEnd::Open => Err(DeliveryError::NotConfirmed(wait.as_secs())),
        PeerEnd::WithoutNotify if needs_notify => Err(DeliveryError::NoCloseNotify),
        PeerEnd::Clean | PeerEnd::WithoutNotify => Ok(()),
    }
}

/// Checks that the receiver does not reset the connection after our end.
///
/// Also reads what the receiver sends in the meantime. A socket that is closed with unread octets sends a reset itself
/// (RFC 2525 §2.17), and the receiver could lose the last frames.
fn ended_in_order(stream: &mut dyn ByteStream, wait: Duration) -> Result<(), DeliveryError> {
    end_of_peer(stream, wait).map(|_| ())
}

/// Reads for at most `wait` after we closed our side, and returns how the receiver has closed its side.
fn end_of_peer(stream: &mut dyn ByteStream, wait: Duration) -> Result<PeerEnd, DeliveryError> {
    let end = Instant::now() + wait;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(PeerEnd::Open);
        }
        stream.read_until(Some(end));
        match stream.read(&mut [0; 256]) {
            Ok(0) => return Ok(PeerEnd::Clean),
            Ok(_) => {}
            // rustls returns this for an end of the connection before a `close_notify`.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(PeerEnd::WithoutNotify),
            Err(error) if is_timeout(&error) => return Ok(PeerEnd::Open),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A reset means that the receiver discarded what it had not read.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(DeliveryError::Reset),
            Err(error) => return Err(stream.broken(error)),
        }
    }
}

pub(super) fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}
