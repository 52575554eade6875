//! A session with a receiver over HTTP: requests, retries and receipts, within the limits of every session.
//!
//! `deliver` calls [`HttpSession::run`]. The ledger learns what became of the events in their order, so an event that must
//! be sent again holds back only those behind it in its request.

use super::group::{Group, Settled, Undecided};
use super::reading::{Fate, Reading, Refusal, Reply};
use super::{HttpDestination, HttpRequest, HttpTarget, RequestContext, hec};
use crate::syslog::limit::SessionLimits;
use crate::syslog::session::{DeliveryError, Timing};
use crate::syslog::spool::SpoolError;
use crate::syslog::tls;
use crate::wire::{PostClient, PostError, PostResponse, PostSettings};
use chrono::Utc;
use std::collections::VecDeque;
use std::future::Future;
use std::time::{Duration, Instant};

/// Largest number of failures in a row before the rest stays queued.
const ATTEMPTS: u32 = 5;
/// Number of requests whose events a receiver may refuse while it accepts none. Beyond it, a setting is wrong.
const MAX_REFUSED: u32 = 20;
/// Longest pause between two questions for an acknowledgement.
const MAX_ACK_PAUSE: Duration = Duration::from_secs(5);

/// What the sessions of one delivery have learned about whether the receiver accepts events.
///
/// A receiver that accepts none does not refuse the data, so no event is dead before it has accepted another one.
#[derive(Debug, Default)]
pub(in crate::syslog) struct Acceptance {
    /// Whether the receiver accepted any event.
    pub(in crate::syslog) has_accepted: bool,
    /// Number of requests whose events were all refused, while none was accepted.
    requests: u32,
    /// Number of events that were refused, while none was accepted.
    events: usize,
    /// Answer to the last of them.
    reason: String,
}

impl Acceptance {
    /// Checks whether further refusals would say nothing new.
    pub(in crate::syslog) fn is_hopeless(&self) -> bool {
        !self.has_accepted && self.requests >= MAX_REFUSED
    }

    fn note(&mut self, events: usize, refusal: &Refusal) -> Result<(), DeliveryError> {
        self.requests += 1;
        self.events += events;
        self.reason.clone_from(&refusal.reason);
        if self.is_hopeless() { Err(self.error()) } else { Ok(()) }
    }

    fn error(&self) -> DeliveryError {
        DeliveryError::RefusesAll { events: self.events, reason: self.reason.clone() }
    }
}

/// A session that is about to start.
pub(in crate::syslog) struct HttpSession<'a, I> {
    /// Receiver of the events.
    pub(in crate::syslog) destination: &'a HttpDestination,
    /// Queued events.
    pub(in crate::syslog) events: I,
    /// Time limits of the session.
    pub(in crate::syslog) timing: &'a Timing,
    /// Whether to stop.
    pub(in crate::syslog) is_stopped: &'a dyn Fn() -> bool,
}

/// Notes what became of the next events: each with the refusal of a dead one. An error ends the session.
pub(in crate::syslog) type Ledger<'l> = dyn FnMut(&[(&str, Option<&Refusal>)]) -> Result<(), SpoolError> + 'l;

impl<I: Iterator<Item = Result<String, SpoolError>>> HttpSession<'_, I> {
    /// Sends all events. `Ok` means that the receiver decided about every one of them.
    ///
    /// [`DeliveryError::RefusesAll`] means that the receiver has accepted no event so far. The ledger knows nothing of
    /// this session then.
    pub(in crate::syslog) fn run(
        self,
        acceptance: &mut Acceptance,
        ledger: &mut Ledger<'_>,
    ) -> Result<(), DeliveryError> {
        // After a signal no session starts.
        if (self.is_stopped)() {
            return Err(DeliveryError::Stopped);
        }
        let limits = SessionLimits::new(self.timing, self.is_stopped);
        let client = client(self.destination, self.timing)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(DeliveryError::Send)?;
        let mut exchange =
            Exchange { destination: self.destination, client, limits: &limits, channel: channel(), acceptance };
        let sent = runtime.block_on(exchange.send_all(self.events, ledger));
        // A name resolution blocks a thread that nothing interrupts.
        runtime.shutdown_background();
        sent.map_err(|error| limits.explain(error))
    }
}

/// Creates the client. The certificate files are read for every session, because they may have been renewed.
fn client(destination: &HttpDestination, timing: &Timing) -> Result<PostClient, DeliveryError> {
    let files = tls::files(destination.ca_file.as_deref(), destination.client_identity.as_ref());
    let (trusted, identity) = files.map_err(DeliveryError::Tls)?;
    let client = PostClient::new(PostSettings {
        url: &destination.url,
        trusted,
        identity: identity.as_ref(),
        requests_per_second: destination.requests_per_second,
        connect_timeout: timing.connect,
        response_limit: timing.answer,
        secrets: destination.secrets(),
    });
    client.map_err(DeliveryError::Http)
}

/// Returns the id of a new channel: a UUID of version 4 (RFC 9562 §5.4).
fn channel() -> String {
    let random = fastrand::u128(..);
    let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| hex.get(range).unwrap_or_default());
    parts.join("-")
}

/// The requests of one session.
struct Exchange<'a> {
    destination: &'a HttpDestination,
    client: PostClient,
    limits: &'a SessionLimits<'a>,
    channel: String,
    acceptance: &'a mut Acceptance,
}

impl Exchange<'_> {
    async fn send_all(
        &mut self,
        mut events: impl Iterator<Item = Result<String, SpoolError>>,
        ledger: &mut Ledger<'_>,
    ) -> Result<(), DeliveryError> {
        let max_events = self.destination.max_events();
        let mut left_over = None;
        // Groups of refused events, until the receiver accepts one.
        let mut held_back = Vec::new();
        loop {
            let mut group = Group::default();
            while let Some(event) = left_over.take().map(Ok).or_else(|| events.next()) {
                left_over = group.add(event?, max_events);
                if left_over.is_some() {
                    break;
                }
            }
            if group.is_empty() {
                return if held_back.is_empty() { Ok(()) } else { Err(self.acceptance.error()) };
            }
            let sent = self.send(&mut group).await;
            held_back.push(group);
            if self.acceptance.has_accepted {
                for group in held_back.drain(..) {
                    ledger(&settled(&group)).map_err(DeliveryError::Cursor)?;
                }
            }
            sent?;
        }
    }

    /// Sends the events of a group until the receiver has decided about each.
    async fn send(&mut self, group: &mut Group) -> Result<(), DeliveryError> {
        let mut requests = VecDeque::from([group.positions()]);
        let mut failures = 0;
        while let Some(positions) = requests.pop_front() {
            self.limits.check_stop()?;
            let reading = self.exchange(&group.events_at(&positions)).await?;
            match (reading, positions.as_slice()) {
                (Reading::Each(fates), _) => {
                    self.note_acceptance(&fates)?;
                    let Undecided { again, reason, stop } = group.note(&positions, fates);
                    if let Some(why) = stop {
                        return Err(DeliveryError::Http(why));
                    }
                    if again.len() < positions.len() {
                        failures = 0;
                    }
                    if let Some(reason) = reason {
                        self.back_off(&mut failures, reason, None).await?;
                        requests.push_front(again);
                    }
                }
                (Reading::TooLarge(refusal) | Reading::BadData(refusal), [alone]) => {
                    self.note_acceptance(&[Fate::Dead(refusal.clone())])?;
                    group.settle(*alone, Settled::Dead(refusal));
                }
                (Reading::TooLarge(_) | Reading::BadData(_), several) => {
                    let (first, second) = several.split_at(several.len() / 2);
                    requests.push_front(second.to_vec());
                    requests.push_front(first.to_vec());
                }
                (Reading::Later(why, asked), _) => {
                    self.back_off(&mut failures, why, asked).await?;
                    requests.push_front(positions);
                }
                (Reading::Pending(_), _) => {
                    self.back_off(&mut failures, "the receiver confirmed nothing".to_owned(), None).await?;
                    requests.push_front(positions);
                }
                (Reading::Stop(why), _) => return Err(DeliveryError::Http(why)),
            }
        }
        Ok(())
    }

    /// Notes whether the receiver accepts events. Errors: it has refused enough of them and accepted none.
    fn note_acceptance(&mut self, fates: &[Fate]) -> Result<(), DeliveryError> {
        self.acceptance.has_accepted |= fates.contains(&Fate::Delivered);
        let refusals: Vec<&Refusal> =
            fates.iter().filter_map(|fate| if let Fate::Dead(refusal) = fate { Some(refusal) } else { None }).collect();
        match refusals.last() {
            Some(last) if !self.acceptance.has_accepted => self.acceptance.note(refusals.len(), last),
            _ => Ok(()),
        }
    }

    /// Sends one request, and waits for the acknowledgement where the receiver promises one.
    async fn exchange(&self, queued: &[&str]) -> Result<Reading, DeliveryError> {
        let context = RequestContext { channel: &self.channel, now: Utc::now().timestamp() };
        let request = self.destination.request(queued, context);
        let request = request.map_err(|unreadable| DeliveryError::Http(unreadable.to_string()))?;
        let reading = match self.post(request).await? {
            Ok(response) => self.destination.read(&reply(&response, self.limits.timing), queued),
            Err(error) => of_error(error),
        };
        match reading {
            Reading::Pending(ack_id) => self.confirmed(ack_id, queued.len()).await,
            decided => Ok(decided),
        }
    }

    /// Asks until the indexers have acknowledged a request (Splunk).
    async fn confirmed(&self, ack_id: u64, count: usize) -> Result<Reading, DeliveryError> {
        let HttpTarget::SplunkHec { token, .. } = &self.destination.target else {
            return Ok(Reading::Pending(ack_id));
        };
        let (limit, mut pause, mut failures) = (self.limits.timing.receipt, self.limits.timing.backoff, 0);
        let until = Instant::now() + limit;
        while Instant::now() < until {
            self.pause(pause).await?;
            pause = (pause * 2).min(MAX_ACK_PAUSE);
            let request = hec::ack_request(&self.destination.url, token, &self.channel, ack_id);
            let answer = match self.post(request).await? {
                Ok(response) => hec::read_ack(&reply(&response, self.limits.timing), ack_id),
                Err(error) => Err(of_error(error)),
            };
            match answer {
                Ok(true) => return Ok(Reading::all_delivered(count)),
                Ok(false) => failures = 0,
                Err(Reading::Later(why, asked)) => self.back_off(&mut failures, why, asked).await?,
                Err(Reading::Stop(why)) => return Ok(Reading::Stop(why)),
                // The answer is about the question, and not about the events.
                Err(Reading::TooLarge(refusal) | Reading::BadData(refusal)) => {
                    let cure = "look into the log of Splunk for the cause";
                    return Ok(Reading::Stop(format!("the receiver answered {}; {cure}", refusal.reason)));
                }
                Err(other) => return Ok(other),
            }
        }
        Err(DeliveryError::NotAcknowledged(limit.as_secs()))
    }

    /// Sends a request. The outer error is the end of the session.
    async fn post(&self, request: HttpRequest) -> Result<Result<PostResponse<'_>, PostError>, DeliveryError> {
        let HttpRequest { url, headers, body } = request;
        self.within_limits(self.client.post(&url, &headers, body), || Ok(())).await
    }

    /// Counts a failure and waits before the next attempt. The error is that of the last attempt.
    async fn back_off(&self, failures: &mut u32, why: String, asked: Option<Duration>) -> Result<(), DeliveryError> {
        *failures += 1;
        if *failures >= ATTEMPTS {
            return Err(DeliveryError::Http(why));
        }
        let Timing { backoff, longest_wait, .. } = self.limits.timing;
        // Half of the wait is random, so that hosts with the same schedule do not return at the same moment.
        let own = (backoff * 2_u32.pow(*failures - 1)).mul_f64(0.5 + fastrand::f64() / 2.0);
        self.pause(own.max(asked.unwrap_or_default()).min(longest_wait)).await
    }

    /// Waits, unless a signal asks to stop.
    async fn pause(&self, wait: Duration) -> Result<(), DeliveryError> {
        self.within_limits(tokio::time::sleep(wait), || self.limits.check_stop()).await
    }

    /// Waits for a future within the limits of the session. `may_go_on` is called again and again meanwhile.
    async fn within_limits<T>(
        &self,
        future: impl Future<Output = T>,
        may_go_on: impl Fn() -> Result<(), DeliveryError>,
    ) -> Result<T, DeliveryError> {
        let mut future = std::pin::pin!(future);
        let until = Instant::now() + self.limits.timing.session;
        loop {
            may_go_on()?;
            // `explain` replaces this error, since it is one of the limits of the session.
            let slice = self.limits.slice(until).map_err(DeliveryError::Send)?;
            tokio::select! {
                biased;
                result = &mut future => return Ok(result),
                () = tokio::time::sleep(slice) => {}
            }
        }
    }
}

fn reply<'r>(response: &'r PostResponse<'_>, timing: Timing) -> Reply<'r> {
    Reply {
        status: response.status(),
        body: response.body(),
        words: response.in_words(),
        retry_after: response.retry_after(timing.longest_wait),
    }
}

fn of_error(error: PostError) -> Reading {
    if error.is_temporary { Reading::Later(error.text, None) } else { Reading::Stop(error.text) }
}

/// Returns the decided events of a group, up to the first one that is not decided.
fn settled(group: &Group) -> Vec<(&str, Option<&Refusal>)> {
    let decided = group.settled_prefix().map(|(event, settled)| match settled {
        Settled::Delivered => (event, None),
        Settled::Dead(refusal) => (event, Some(refusal)),
    });
    decided.collect()
}
