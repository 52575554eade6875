//! Sessions over TCP (RFC 6587) and TLS (RFC 5425), with proof. A successful write proves nothing: the bytes may lie in a
//! buffer of a receiver that is already gone. What proves a batch is that the receiver, after our half-close, has read to
//! the end and closes too. Before that: it did not close at once (a refused certificate shows in no other way with TLS 1.3),
//! not in the middle, and not before our own end (it did not understand the framing).

use super::Framing;
use super::spool::SpoolError;
use super::tls;
use super::transport::{DeliveryError, Session, Timing};
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
    hold(session, Plain(stream), patience)
}

/// A session over TLS.
pub(super) fn tls<I>(session: Session<'_, I>, host: &str, port: u16) -> Result<(), DeliveryError>
where
    I: Iterator<Item = Result<String, SpoolError>>,
{
    let connection = tls::connection(session.destination, host)?;
    let (socket, patience) = connect(host, port, session.timing)?;
    socket.set_read_timeout(Some(session.timing.connect)).map_err(DeliveryError::Send)?;
    let mut stream = StreamOwned::new(connection, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).map_err(handshake_failed)?;
    }
    hold(session, Encrypted(stream), patience)
}

fn handshake_failed(error: io::Error) -> DeliveryError {
    match tls_cause(&error) {
        Some(cause) => tls::explain(cause),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            tls::failed("the receiver closed during the handshake; does it speak TLS there?".to_owned())
        }
        None if is_timeout(&error) => {
            tls::failed("the receiver did not answer the handshake; does it speak TLS there?".to_owned())
        }
        None => DeliveryError::Connect(error),
    }
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
trait Line: Read + Write {
    fn socket(&self) -> &TcpStream;
    /// Says that nothing more comes.
    fn end(&mut self) -> io::Result<()>;
}

struct Plain(TcpStream);
struct Encrypted(StreamOwned<ClientConnection, TcpStream>);

impl Read for Plain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Plain {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Line for Plain {
    fn socket(&self) -> &TcpStream {
        &self.0
    }

    fn end(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }
}

impl Read for Encrypted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Encrypted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Line for Encrypted {
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
}

fn hold<I, L>(session: Session<'_, I>, mut line: L, patience: Duration) -> Result<(), DeliveryError>
where
    I: Iterator<Item = Result<String, SpoolError>>,
    L: Line,
{
    let timing = *session.timing;
    let begun = Instant::now();
    if closes_within(&mut line, timing.grace.max(patience))? {
        return Err(DeliveryError::Refused);
    }
    send(session, &mut line, begun)?;
    if closes_within(&mut line, timing.early_end.max(patience))? {
        return Err(DeliveryError::ClosedEarly);
    }
    line.end().map_err(broken)?;
    confirmed(&mut line, timing.end)
}

fn send<I, L>(session: Session<'_, I>, line: &mut L, begun: Instant) -> Result<(), DeliveryError>
where
    I: Iterator<Item = Result<String, SpoolError>>,
    L: Line,
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
            line.write_all(&buffer).map_err(broken)?;
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
    line.write_all(&buffer).and_then(|()| line.flush()).map_err(broken)
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
fn closes_within(line: &mut impl Line, wait: Duration) -> Result<bool, DeliveryError> {
    let end = Instant::now() + wait;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        line.socket().set_read_timeout(Some(left)).map_err(DeliveryError::Send)?;
        match seen(line)? {
            Seen::Closed => return Ok(true),
            Seen::Nothing => return Ok(false),
            Seen::Data => {}
        }
    }
}

/// Looks without waiting.
fn has_closed(line: &mut impl Line) -> Result<bool, DeliveryError> {
    line.socket().set_nonblocking(true).map_err(DeliveryError::Send)?;
    let seen = seen(line);
    line.socket().set_nonblocking(false).map_err(DeliveryError::Send)?;
    Ok(matches!(seen?, Seen::Closed))
}

enum Seen {
    Closed,
    Nothing,
    Data,
}

fn seen(line: &mut impl Line) -> Result<Seen, DeliveryError> {
    match line.read(&mut [0; 256]) {
        Ok(0) => Ok(Seen::Closed),
        Ok(_) => Ok(Seen::Data),
        Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => Ok(Seen::Nothing),
        Err(error) if is_end(&error) => Ok(Seen::Closed),
        Err(error) => Err(broken(error)),
    }
}

/// Waits for the receiver's end. A receiver that closes without `close_notify` after ours is accepted: some do.
fn confirmed(line: &mut impl Line, wait: Duration) -> Result<(), DeliveryError> {
    let end = Instant::now() + wait;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(DeliveryError::NotConfirmed(format!("waited {} s", wait.as_secs())));
        }
        line.socket().set_read_timeout(Some(left)).map_err(DeliveryError::Send)?;
        match line.read(&mut [0; 256]) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => {}
            // RST: it threw away what it had not read.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                return Err(DeliveryError::NotConfirmed("it reset the connection".to_owned()));
            }
            Err(error) => return Err(broken(error)),
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

/// A write or read that failed: by the receiver's end, by an alert, or by something else.
fn broken(error: io::Error) -> DeliveryError {
    if let Some(cause) = tls_cause(&error) {
        return tls::explain(cause);
    }
    if is_end(&error) { DeliveryError::ClosedEarly } else { DeliveryError::Send(error) }
}
