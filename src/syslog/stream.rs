//! Sessions over TCP (RFC 6587) and TLS (RFC 5425), with proof. A successful write proves nothing: the bytes may lie in a
//! buffer of a receiver that is already gone. A batch is proven when the receiver, after our half-close, has read to the end and
//! closes too ([`Proof::Close`]). Before that it must not have closed: not at once (TLS 1.3 shows a refused certificate in no other
//! way), not in the middle, and not before our own end (it did not understand the framing). With [`Proof::Sent`] all of that holds
//! but the wait for the receiver's close.

use super::spool::SpoolError;
use super::tls;
use super::transport::{DeliveryError, Session, Timing};
use super::{Framing, Proof};
use crate::tls::Explainer;
use rustls::{ClientConnection, StreamOwned};
use socket2::SockRef;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Frames between two looks at what the receiver does.
const LOOK_EVERY: u32 = 200;
/// Bytes that are collected before they are written.
const BUFFER: usize = 32 * 1024;

/// The addresses of a host.
pub(super) fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, DeliveryError> {
    let failed = |why: String| DeliveryError::Resolve { host: host.to_owned(), why };
    let found: Vec<SocketAddr> = (host, port).to_socket_addrs().map_err(|e| failed(e.to_string()))?.collect();
    if found.is_empty() { Err(failed("it has no address".to_owned())) } else { Ok(found) }
}

/// A session over TCP.
pub(super) fn tcp<I>(session: Session<'_, I>, host: &str, port: u16) -> Result<(), DeliveryError>
where
    I: Iterator<Item = Result<String, SpoolError>>,
{
    let (stream, patience) = connect(host, port, session.timing)?;
    hold(session, PlainStream(stream), patience)
}

/// A session over TLS.
pub(super) fn tls<I>(session: Session<'_, I>, host: &str, port: u16) -> Result<(), DeliveryError>
where
    I: Iterator<Item = Result<String, SpoolError>>,
{
    let (connection, explainer) = tls::connection(session.destination, host)?;
    let (socket, patience) = connect(host, port, session.timing)?;
    socket.set_read_timeout(Some(session.timing.connect)).map_err(DeliveryError::Send)?;
    let mut stream = StreamOwned::new(connection, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).map_err(|error| handshake_failed(error, &explainer))?;
    }
    hold(session, TlsStream(stream, explainer), patience)
}

fn handshake_failed(error: io::Error, explainer: &Explainer) -> DeliveryError {
    if let Some(cause) = tls_cause(&error) {
        return tls::explain(explainer, cause);
    }
    if is_end(&error) {
        let silent = || "the receiver closed during the handshake; check that it speaks TLS on this port".to_owned();
        return tls::failed(explainer.demand().map_or_else(silent, |fault| fault.in_full()));
    }
    if is_timeout(&error) {
        return tls::failed(
            "the receiver did not answer the handshake; check that it speaks TLS on this port, or write tcp:// in url"
                .to_owned(),
        );
    }
    DeliveryError::Connect(error)
}

fn tls_cause(error: &io::Error) -> Option<&rustls::Error> {
    let inner: &(dyn Error + 'static) = error.get_ref()?;
    inner.downcast_ref()
}

/// The connection, and how long a refusal may be on its way: twice the time that the connection took, which is one round
/// trip (RFC 9293 §3.5).
fn connect(host: &str, port: u16, timing: &Timing) -> Result<(TcpStream, Duration), DeliveryError> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in resolve(host, port)? {
        let begun = Instant::now();
        match TcpStream::connect_timeout(&address, timing.connect) {
            Ok(stream) => {
                let patience = begun.elapsed() * 2;
                return prepared(stream, timing).map(|s| (s, patience)).map_err(DeliveryError::Connect);
            }
            Err(error) => last = error,
        }
    }
    Err(DeliveryError::Connect(last))
}

fn prepared(stream: TcpStream, timing: &Timing) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(timing.write))?;
    // A peer that vanished is noticed after this, not after the kernel's quarter of an hour.
    SockRef::from(&stream).set_tcp_user_timeout(Some(timing.write))?;
    Ok(stream)
}

/// What a session needs of its stream.
trait ByteStream: Read + Write {
    fn socket(&self) -> &TcpStream;
    /// Ends our side.
    fn end(&mut self) -> io::Result<()>;
    /// Explains a receiver that closed before the first frame.
    fn refused(&self) -> DeliveryError;
    /// Explains a write or read that failed: by the receiver's end, by an alert, or by something else.
    fn broken(&self, error: io::Error) -> DeliveryError;
}

struct PlainStream(TcpStream);
struct TlsStream(StreamOwned<ClientConnection, TcpStream>, Explainer);

impl Read for PlainStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for PlainStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl ByteStream for PlainStream {
    fn socket(&self) -> &TcpStream {
        &self.0
    }

    fn end(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }

    fn refused(&self) -> DeliveryError {
        DeliveryError::Refused
    }

    fn broken(&self, error: io::Error) -> DeliveryError {
        if is_end(&error) { DeliveryError::ClosedEarly } else { DeliveryError::Send(error) }
    }
}

impl Read for TlsStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl ByteStream for TlsStream {
    fn socket(&self) -> &TcpStream {
        &self.0.sock
    }

    /// RFC 5425 §4.4: `close_notify` first, then our half of the connection.
    fn end(&mut self) -> io::Result<()> {
        self.0.conn.send_close_notify();
        while self.0.conn.wants_write() {
            self.0.conn.write_tls(&mut self.0.sock)?;
        }
        self.0.sock.shutdown(Shutdown::Write)
    }

    /// With TLS 1.3 a receiver refuses a client certificate, or a client without one, after our handshake has ended (RFC 8446
    /// §4.4.2.4); some close without an alert.
    fn refused(&self) -> DeliveryError {
        let fault = self.1.demand().or_else(|| self.1.silent_refusal());
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

fn hold<I, L>(session: Session<'_, I>, mut line: L, patience: Duration) -> Result<(), DeliveryError>
where
    I: Iterator<Item = Result<String, SpoolError>>,
    L: ByteStream,
{
    let (timing, proof) = (*session.timing, session.destination.proof);
    let begun = Instant::now();
    if closes_within(&mut line, timing.grace.max(patience))? {
        return Err(line.refused());
    }
    send(session, &mut line, begun)?;
    if closes_within(&mut line, timing.early_end.max(patience))? {
        return Err(DeliveryError::ClosedEarly);
    }
    line.end().map_err(|error| line.broken(error))?;
    match proof {
        Proof::Close => confirmed(&mut line, timing.end),
        Proof::Sent => ended_in_order(&mut line, timing.early_end.max(patience)),
    }
}

fn send<I, L>(session: Session<'_, I>, line: &mut L, begun: Instant) -> Result<(), DeliveryError>
where
    I: Iterator<Item = Result<String, SpoolError>>,
    L: ByteStream,
{
    let Session { destination, frames, timing, stopped } = session;
    let mut buffer = Vec::with_capacity(BUFFER + 8 * 1024);
    let mut until_look = LOOK_EVERY;
    for frame in frames {
        if stopped() {
            return Err(DeliveryError::Stopped);
        }
        append(&mut buffer, &frame?, destination.framing);
        if buffer.len() >= BUFFER {
            line.write_all(&buffer).map_err(|error| line.broken(error))?;
            buffer.clear();
        }
        until_look -= 1;
        if until_look == 0 {
            until_look = LOOK_EVERY;
            if has_closed(line)? {
                return Err(DeliveryError::ClosedEarly);
            }
            if begun.elapsed() > timing.session {
                return Err(DeliveryError::TooSlow(timing.session.as_secs()));
            }
        }
    }
    line.write_all(&buffer).and_then(|()| line.flush()).map_err(|error| line.broken(error))
}

/// RFC 6587 §3.4: the count of octets before the message, or LF behind it. Frames hold no LF themselves.
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

/// Reads for a while; true where the receiver has closed. What it says (it should say nothing) is thrown away.
fn closes_within(line: &mut impl ByteStream, wait: Duration) -> Result<bool, DeliveryError> {
    let end = Instant::now() + wait;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        line.socket().set_read_timeout(Some(left)).map_err(DeliveryError::Send)?;
        match seen(line)? {
            PeerEvent::Closed => return Ok(true),
            PeerEvent::Nothing => return Ok(false),
            PeerEvent::Data => {}
        }
    }
}

/// Looks without waiting.
fn has_closed(line: &mut impl ByteStream) -> Result<bool, DeliveryError> {
    line.socket().set_nonblocking(true).map_err(DeliveryError::Send)?;
    let seen = seen(line);
    line.socket().set_nonblocking(false).map_err(DeliveryError::Send)?;
    Ok(matches!(seen?, PeerEvent::Closed))
}

enum PeerEvent {
    Closed,
    Nothing,
    Data,
}

fn seen(line: &mut impl ByteStream) -> Result<PeerEvent, DeliveryError> {
    match line.read(&mut [0; 256]) {
        Ok(0) => Ok(PeerEvent::Closed),
        Ok(_) => Ok(PeerEvent::Data),
        Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => Ok(PeerEvent::Nothing),
        Err(error) if is_end(&error) => Ok(PeerEvent::Closed),
        Err(error) => Err(line.broken(error)),
    }
}

/// Waits for the receiver's end. A receiver that closes without `close_notify` after ours is accepted: some do.
fn confirmed(line: &mut impl ByteStream, wait: Duration) -> Result<(), DeliveryError> {
    if comes_to_end(line, wait)? { Ok(()) } else { Err(DeliveryError::NotConfirmed(wait.as_secs())) }
}

/// Looks for a reset after our end, and reads what the receiver says meanwhile: a socket that is closed with unread octets sends a
/// reset itself (RFC 2525 §2.17), which could cost the receiver the last frames.
fn ended_in_order(line: &mut impl ByteStream, wait: Duration) -> Result<(), DeliveryError> {
    comes_to_end(line, wait).map(|_| ())
}

/// Reads for at most this long, after our own end; whether the receiver has ended its side.
fn comes_to_end(line: &mut impl ByteStream, wait: Duration) -> Result<bool, DeliveryError> {
    let end = Instant::now() + wait;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        line.socket().set_read_timeout(Some(left)).map_err(DeliveryError::Send)?;
        match line.read(&mut [0; 256]) {
            Ok(0) => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(true),
            Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => {}
            // RST: it threw away what it had not read.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(DeliveryError::Reset),
            Err(error) => return Err(line.broken(error)),
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}
