//! Whether a receiver accepts events after it refused some. Pure.
//!
//! A receiver that accepts nothing does not refuse the data: its address, its settings or a key may be wrong. So a
//! refusal is final only after the receiver has accepted another event. Until then the refused event stays queued.

use super::reading::{Fate, Refusal};
use crate::syslog::session::DeliveryError;

/// Number of requests in a row whose events a receiver may refuse while it accepts none. Beyond it, a setting is wrong.
const MAX_REFUSED: u32 = 20;

/// What the sessions of one delivery have learned about whether the receiver accepts events.
#[derive(Debug, Default)]
pub(in crate::syslog) struct Acceptance {
    /// Whether the receiver has accepted an event in this session.
    has_accepted: bool,
    /// Whether the receiver has refused the events of this session before, and has accepted others since.
    is_asked_again: bool,
    /// Whether the receiver has accepted the last event of this session, after it refused many before it.
    accepts_the_last: bool,
    /// Number of requests whose events were refused since the last acceptance.
    requests: u32,
    /// Number of events that were refused since the last acceptance.
    events: usize,
    /// Answer to the last of them.
    reason: String,
}

impl Acceptance {
    /// Starts a session. The refusals of events that are asked again are final.
    pub(in crate::syslog) fn start_session(&mut self, is_asked_again: bool) {
        (self.has_accepted, self.accepts_the_last, self.is_asked_again) = (false, false, is_asked_again);
    }

    /// Checks whether the receiver has accepted an event in this session.
    pub(in crate::syslog) fn has_accepted(&self) -> bool {
        self.has_accepted
    }

    /// Notes that the receiver accepts the last event of this session, so that it refuses the others for what they are.
    pub(super) fn note_the_last(&mut self) {
        (self.has_accepted, self.accepts_the_last, self.requests, self.events) = (true, true, 0, 0);
    }

    /// Checks whether the events of this session may be asked again, and a second refusal is final.
    pub(in crate::syslog) fn accepts_the_last(&self) -> bool {
        self.accepts_the_last
    }

    /// Checks whether further refusals would say nothing new.
    pub(in crate::syslog) fn is_hopeless(&self) -> bool {
        self.requests >= MAX_REFUSED
    }

    pub(super) fn is_asked_again(&self) -> bool {
        self.is_asked_again
    }

    /// Notes the response to a request. `is_final` says that its refusals need no acceptance any more.
    ///
    /// Errors: the receiver has refused enough and accepted nothing since.
    pub(super) fn note(&mut self, fates: &[Fate], is_final: bool) -> Result<(), DeliveryError> {
        if fates.contains(&Fate::Delivered) {
            (self.has_accepted, self.requests, self.events) = (true, 0, 0);
            return Ok(());
        }
        let refusals: Vec<&Refusal> =
            fates.iter().filter_map(|fate| if let Fate::Dead(refusal) = fate { Some(refusal) } else { None }).collect();
        let Some(last) = refusals.last().filter(|_| !is_final) else { return Ok(()) };
        self.requests += 1;
        self.events += refusals.len();
        self.reason.clone_from(&last.reason);
        if self.is_hopeless() { Err(self.error()) } else { Ok(()) }
    }

    pub(super) fn error(&self) -> DeliveryError {
        DeliveryError::RefusesAll { events: self.events, reason: self.reason.clone() }
    }
}
