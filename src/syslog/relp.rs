//! Sessions over RELP, plain and in TLS. Called by `transport`.
//!
//! The receiver acknowledges each frame by its number, which means that the frame is in the queue of the receiver. A
//! window limits the frames that wait for that. Acknowledgements are read while frames are written, so neither side waits
//! for the other. Whatever ends the session, the frames acknowledged until then count as delivered.
//!
//! - `answer`: frames as bytes
//! - `window`: numbers and acknowledgements

mod answer;
mod window;

use super::Transport;
use super::limit::{SessionLimits, is_timeout};
use super::session::{Acknowledged, DeliveryError, RelpError, Session};
use super::spool::SpoolError;
use super::stream::{ByteStream, is_end};
use answer::{Answer, CommandResult, Decoder};
use std::io;
use std::time::Instant;
use window::Window;

/// Number of octets that are collected before they are written.
const BUFFER: usize = 32 << 10;
/// Number of the frame `open`.
const OPEN: u32 = 1;

/// Sends all frames and waits for their acknowledgements.
pub(super) fn exchange<I>(
    session: Session<'_, I>,
    stream: &mut dyn ByteStream,
    limits: &SessionLimits<'_>,
    acknowledged: &mut Acknowledged<'_>,
) -> Result<(), DeliveryError>
where
    I: Iterator<Item = Result<String, SpoolError>>,
{
    let is_tls = matches!(session.destination.transport, Transport::RelpTls(..));
    let (window, decoder) = (Window::after(OPEN), Decoder::default());
    let mut client = Client { stream, limits, acknowledged, window, decoder, unsent: Vec::new() };
    client.stream.pause_writes();
    client.open(is_tls)?;
    let stopped = client.send(session.frames)?;
    client.settle()?;
    // Everything is acknowledged, so no failure from here on makes a difference.
    let _ = client.close();
    stopped
}

/// Our side of a session.
struct Client<'a> {
    stream: &'a mut (dyn ByteStream + 'a),
    limits: &'a SessionLimits<'a>,
    acknowledged: &'a mut Acknowledged<'a>,
    window: Window,
    decoder: Decoder,
    /// Octets that are not yet written.
    unsent: Vec<u8>,
}

impl Client<'_> {
    /// Opens the session: offers our version and commands, and checks those of the receiver.
    fn open(&mut self, is_tls: bool) -> Result<(), DeliveryError> {
        let software = concat!("relp_software=bt-rollcall,", env!("CARGO_PKG_VERSION"));
        let offers = format!("relp_version=0\n{software}\ncommands=syslog\n");
        answer::append(&mut self.unsent, OPEN, "open", &offers);
        let wait = self.limits.timing.connect;
        let until = Instant::now() + wait;
        let answer = self.write().and_then(|()| self.answer_until(until));
        let answer = answer.map_err(|error| match error {
            DeliveryError::Relp(RelpError::Closed) if is_tls => self.stream.refused(),
            DeliveryError::Relp(RelpError::Closed) => RelpError::ClosedAtOnce.into(),
            DeliveryError::Relp(RelpError::NotAcknowledged(_)) => RelpError::NoAnswer(wait.as_secs()).into(),
            other => other,
        })?;
        let result = answer.result().filter(|_| answer.number == OPEN && answer.command == "rsp");
        match result.ok_or(RelpError::NoRelp)? {
            result if result.code == 200 && result.offers_syslog() => Ok(()),
            CommandResult { code: 200, .. } => Err(RelpError::NoSyslog.into()),
            CommandResult { code, words, .. } => Err(RelpError::Refused { code, words }.into()),
        }
    }

    /// Sends the frames. The inner result is an error if a signal asked the run to stop; then the rest was not sent.
    fn send(
        &mut self,
        frames: impl Iterator<Item = Result<String, SpoolError>>,
    ) -> Result<Result<(), DeliveryError>, DeliveryError> {
        for frame in frames {
            if let Err(stopped) = self.limits.check_stop() {
                return Ok(Err(stopped));
            }
            if self.window.is_full() {
                self.write()?;
                // Until there is room for one frame, no longer: a receiver with Nagle's algorithm sends its next answer
                // when our next frame confirms the last one.
                self.wait_for(Window::is_full)?;
            }
            let number = self.window.add();
            answer::append(&mut self.unsent, number, "syslog", &frame?);
            if self.unsent.len() >= BUFFER {
                self.write()?;
            }
        }
        Ok(Ok(()))
    }

    /// Waits until every frame that was sent is acknowledged.
    fn settle(&mut self) -> Result<(), DeliveryError> {
        self.write()?;
        self.wait_for(|window| !window.is_empty())
    }

    /// Ends the session: sends `close` and waits for its answer.
    fn close(&mut self) -> Result<(), DeliveryError> {
        let number = self.window.next_number();
        answer::append(&mut self.unsent, number, "close", "");
        let until = Instant::now() + self.limits.timing.early_end;
        self.write()?;
        while self.answer_until(until)?.number != number {}
        self.stream.end().map_err(|error| self.broken(error))
    }

    /// Reads acknowledgements while the window has this property. Each of them starts the time limit again.
    fn wait_for(&mut self, is_waiting: impl Fn(&Window) -> bool) -> Result<(), DeliveryError> {
        while is_waiting(&self.window) {
            let answer = self.answer_until(Instant::now() + self.limits.timing.end)?;
            self.take(&answer)?;
            self.take_decoded()?;
        }
        Ok(())
    }

    /// Writes what is collected. While the receiver takes nothing, its acknowledgements are read: it may wait for that.
    fn write(&mut self) -> Result<(), DeliveryError> {
        let (mut written, limit) = (0, self.limits.timing.write);
        let mut until = Instant::now() + limit;
        while written < self.unsent.len() {
            match self.stream.write(&self.unsent[written..]) {
                Ok(octets) if octets > 0 => {
                    written += octets;
                    until = Instant::now() + limit;
                }
                Ok(_) => return Err(RelpError::Closed.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => self.pause(until)?,
                Err(error) => return Err(self.broken_write(error)),
            }
        }
        self.unsent.clear();
        loop {
            match self.stream.flush() {
                Ok(()) => return Ok(()),
                Err(error) if is_timeout(&error) => self.pause(until)?,
                Err(error) => return Err(self.broken_write(error)),
            }
        }
    }

    /// Uses a pause of the receiver to read. Errors: the pause lasts too long.
    fn pause(&mut self, until: Instant) -> Result<(), DeliveryError> {
        self.limits.slice(until).map_err(DeliveryError::Send)?;
        self.read_available()
    }

    /// Returns the error of a failed write. Its cause may be in what the receiver sent before it closed.
    fn broken_write(&mut self, error: io::Error) -> DeliveryError {
        self.read_available().map_or_else(|cause| cause, |()| self.broken(error))
    }

    fn broken(&self, error: io::Error) -> DeliveryError {
        match self.stream.broken(error) {
            DeliveryError::ClosedEarly => RelpError::Closed.into(),
            other => other,
        }
    }

    /// Returns the next frame of the receiver, also one that arrived before.
    fn answer_until(&mut self, until: Instant) -> Result<Answer, DeliveryError> {
        loop {
            if let Some(answer) = self.decoder.next()? {
                return Ok(answer);
            }
            if !self.read(Some(until))? {
                return Err(RelpError::NotAcknowledged(self.limits.timing.end.as_secs()).into());
            }
        }
    }

    /// Takes all acknowledgements that have arrived. Before the answer to `open`, nothing is expected.
    fn read_available(&mut self) -> Result<(), DeliveryError> {
        if self.window.is_empty() {
            return Ok(());
        }
        while self.read(None)? {
            self.take_decoded()?;
        }
        Ok(())
    }

    /// Reads once. `false`: nothing arrived in time.
    fn read(&mut self, until: Option<Instant>) -> Result<bool, DeliveryError> {
        self.stream.read_until(until);
        let mut octets = [0; 4096];
        loop {
            match self.stream.read(&mut octets) {
                Ok(0) => return Err(RelpError::Closed.into()),
                Ok(read) => {
                    self.decoder.push(&octets[..read]);
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Ok(false),
                Err(error) if is_end(&error) => return Err(RelpError::Closed.into()),
                Err(error) => return Err(self.broken(error)),
            }
        }
    }

    /// Takes all frames that are decoded, and records the acknowledgements among them at once, also before an error.
    fn take_decoded(&mut self) -> Result<(), DeliveryError> {
        let taken = self.take_each();
        (self.acknowledged)(self.window.acknowledged()).map_err(DeliveryError::Cursor)?;
        taken
    }

    fn take_each(&mut self) -> Result<(), DeliveryError> {
        while let Some(answer) = self.decoder.next()? {
            self.take(&answer)?;
        }
        Ok(())
    }

    /// Takes one frame of the receiver after `open`.
    fn take(&mut self, answer: &Answer) -> Result<(), DeliveryError> {
        if answer.number == 0 && answer.command == "serverclose" {
            return Err(RelpError::ServerClose.into());
        }
        let result = answer.result().filter(|_| answer.command == "rsp").ok_or(RelpError::NoRelp)?;
        let position = self.window.position(answer.number)?;
        if result.code != 200 {
            return Err(RelpError::RefusedEvent { position, code: result.code, words: result.words }.into());
        }
        Ok(self.window.acknowledge(answer.number)?)
    }
}
