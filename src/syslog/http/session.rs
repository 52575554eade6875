//! A session with a receiver over HTTP: requests, retries and receipts, within the limits of every session.
//!
//! `deliver` calls [`HttpSession::run`]. The ledger learns what became of the events in their order, so an event that must
//! be sent again holds back only those behind it in its request.

use super::acceptance::Acceptance;
use super::group::{Group, Undecided};
use super::reading::{Fate, Reading, Refusal, Reply};
use super::{HttpDestination, HttpRequest, HttpTarget, RequestContext, hec};
use crate::syslog::limit::SessionLimits;
use crate::syslog::session::{DeliveryError, Timing};
use crate::syslog::spool::SpoolError;
use crate::syslog::tls;
use crate::wire::{PostClient, PostError, PostResponse, PostSettings};
use chrono::Utc;
use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::time::{Duration, Instant};

/// Largest number of failures in a row before the rest stays queued.
const ATTEMPTS: u32 = 5;
/// Largest number of groups whose events are not decided. Each has at most 512 KiB.
const MAX_UNDECIDED: usize = 16;
/// Longest pause between two questions for an acknowledgement.
const MAX_ACK_PAUSE: Duration = Duration::from_secs(5);

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
    /// [`DeliveryError::RefusesAll`] means that the receiver has accepted no event after it refused the rest. The ledger
    /// does not know that rest.
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
        let mut exchange = Exchange {
            destination: self.destination,
            client,
            limits: &limits,
            channel: channel(),
            acceptance,
            unconfirmed: BTreeSet::new(),
        };
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
    /// Numbers under which the receiver has yet to confirm requests (Splunk).
    unconfirmed: BTreeSet<u64>,
}

impl Exchange<'_> {
    async fn send_all(
        &mut self,
        mut events: impl Iterator<Item = Result<String, SpoolError>>,
        ledger: &mut Ledger<'_>,
    ) -> Result<(), DeliveryError> {
        let max_events = self.destination.max_events();
        let mut left_over = None;
        // Groups that wait for an acknowledgement, or whose refusals are not final.
        let mut held_back = VecDeque::new();
        loop {
            let mut group = Group::new(self.acceptance.is_asked_again());
            while let Some(event) = left_over.take().map(Ok).or_else(|| events.next()) {
                left_over = group.add(event?, max_events);
                if left_over.is_some() {
                    break;
                }
            }
            if group.is_empty() {
                self.confirm(&mut held_back, ledger).await?;
                return if held_back.is_empty() { Ok(()) } else { Err(self.acceptance.error()) };
            }
            let sent = self.send(&mut group).await;
            if group.is_final() {
                held_back.iter_mut().for_each(Group::make_final);
            }
            held_back.push_back(group);
            record(&mut held_back, ledger)?;
            // One wait is for many requests, because an acknowledgement can take as long as an indexer takes to write.
            let confirmed = if sent.is_err() || held_back.len() >= MAX_UNDECIDED {
                self.confirm(&mut held_back, ledger).await
            } else {
                Ok(())
            };
            if self.acceptance.is_hopeless() && matches!(sent, Err(DeliveryError::RefusesAll { .. })) {
                let last = events.by_ref().last().transpose()?.or_else(|| left_over.take());
                let last = last.or_else(|| held_back.pop_back()?.last_undecided());
                self.try_the_last(last).await?;
            }
            sent.and(confirmed)?;
        }
    }

    /// Sends the last event of the batch, mostly that of the run itself, after the receiver has refused many before it. If
    /// it is accepted, the receiver refuses the others for what they are. It is sent again in its turn.
    async fn try_the_last(&mut self, event: Option<String>) -> Result<(), DeliveryError> {
        let Some(event) = event else { return Ok(()) };
        let accepts = match self.exchange(&[&event]).await? {
            Reading::Each(fates) => fates == [Fate::Delivered],
            Reading::Pending(_) => true,
            _ => false,
        };
        if accepts {
            self.acceptance.note_the_last();
        }
        Ok(())
    }

    /// Sends the events of a group until the receiver has decided about each.
    async fn send(&mut self, group: &mut Group) -> Result<(), DeliveryError> {
        let mut requests = VecDeque::from([group.positions()]);
        let mut failures = 0;
        while let Some(positions) = requests.pop_front() {
            self.limits.check_stop()?;
            let reading = self.exchange(&group.events_at(&positions)).await?;
            // A refused signature can begin in the middle of a group, so only an acceptance after it counts.
            let is_final = match reading {
                Reading::BadDataOrSignature(_) => self.acceptance.is_asked_again(),
                _ => group.is_final(),
            };
            match (reading, positions.as_slice()) {
                (Reading::Each(fates), _) => {
                    self.acceptance.note(&fates, is_final)?;
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
                (
                    Reading::TooLarge(refusal) | Reading::BadData(refusal) | Reading::BadDataOrSignature(refusal),
                    [alone],
                ) => {
                    self.acceptance.note(&[Fate::Dead(refusal.clone())], is_final)?;
                    group.refuse(*alone, refusal, is_final);
                }
                (Reading::TooLarge(_) | Reading::BadData(_) | Reading::BadDataOrSignature(_), several) => {
                    let (first, second) = several.split_at(several.len() / 2);
                    requests.push_front(second.to_vec());
                    requests.push_front(first.to_vec());
                }
                (Reading::Later(why, asked), _) => {
                    self.back_off(&mut failures, why, asked).await?;
                    requests.push_front(positions);
                }
                (Reading::Pending(ack_id), _) => {
                    failures = 0;
                    self.expect(ack_id)?;
                    self.acceptance.note(&[Fate::Delivered], is_final)?;
                    group.note_pending(&positions, ack_id);
                }
                (Reading::Stop(why), _) => return Err(DeliveryError::Http(why)),
            }
        }
        Ok(())
    }

    /// Sends one request.
    async fn exchange(&self, queued: &[&str]) -> Result<Reading, DeliveryError> {
        let context = RequestContext { channel: &self.channel, now: Utc::now().timestamp() };
        let request = self.destination.request(queued, context);
        let request = request.map_err(|unreadable| DeliveryError::Http(unreadable.to_string()))?;
        Ok(match self.post(request).await? {
            Ok(response) => self.destination.read(&reply(&response, self.limits.timing), queued),
            Err(error) => of_error(error),
        })
    }

    /// Notes that an acknowledgement will arrive. Errors: it could be that of another request.
    fn expect(&mut self, ack_id: u64) -> Result<(), DeliveryError> {
        if self.unconfirmed.insert(ack_id) {
            return Ok(());
        }
        // Neither of the two requests is proven.
        self.unconfirmed.remove(&ack_id);
        Err(DeliveryError::Http(format!(
            "the receiver gave two requests the acknowledgement number {ack_id}; switch on sticky sessions in the load \
             balancer in front of Splunk"
        )))
    }

    /// Asks until the indexers have acknowledged every request (Splunk).
    async fn confirm(&mut self, groups: &mut VecDeque<Group>, ledger: &mut Ledger<'_>) -> Result<(), DeliveryError> {
        let (limit, mut pause, mut failures) = (self.limits.timing.receipt, self.limits.timing.backoff, 0);
        let until = Instant::now() + limit;
        while !self.unconfirmed.is_empty() {
            if Instant::now() >= until {
                return Err(DeliveryError::NotAcknowledged(limit.as_secs()));
            }
            self.pause(pause).await?;
            pause = (pause * 2).min(MAX_ACK_PAUSE);
            match self.acknowledged().await? {
                Ok(acknowledged) => {
                    failures = 0;
                    self.unconfirmed.retain(|id| !acknowledged.contains(id));
                    for group in groups.iter_mut() {
                        group.confirm(&acknowledged);
                    }
                    record(groups, ledger)?;
                }
                Err(Reading::Later(why, asked)) => self.back_off(&mut failures, why, asked).await?,
                Err(Reading::Stop(why)) => return Err(DeliveryError::Http(why)),
                // The answer is about the question, and not about the events.
                Err(Reading::TooLarge(refusal) | Reading::BadData(refusal) | Reading::BadDataOrSignature(refusal)) => {
                    let cure = "look into the log of Splunk for the cause";
                    return Err(DeliveryError::Http(format!("the receiver answered {}; {cure}", refusal.reason)));
                }
                // These are answers to events.
                Err(Reading::Each(_) | Reading::Pending(_)) => {}
            }
        }
        Ok(())
    }

    /// Asks once which requests the indexers have acknowledged.
    async fn acknowledged(&self) -> Result<Result<BTreeSet<u64>, Reading>, DeliveryError> {
        let HttpTarget::SplunkHec { token, .. } = &self.destination.target else {
            return Ok(Ok(self.unconfirmed.clone()));
        };
        let request = hec::ack_request(&self.destination.url, token, &self.channel, &self.unconfirmed);
        Ok(match self.post(request).await? {
            Ok(response) => hec::read_ack(&reply(&response, self.limits.timing), &self.unconfirmed),
            Err(error) => Err(of_error(error)),
        })
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

/// Notes in the ledger what is decided, up to the first event that is not.
fn record(groups: &mut VecDeque<Group>, ledger: &mut Ledger<'_>) -> Result<(), DeliveryError> {
    while let Some(group) = groups.front_mut() {
        let decided = group.take_decided();
        let decided: Vec<_> = decided.iter().map(|(event, refusal)| (event.as_str(), refusal.as_ref())).collect();
        ledger(&decided).map_err(DeliveryError::Cursor)?;
        if !group.is_empty() {
            break;
        }
        groups.pop_front();
    }
    Ok(())
}
