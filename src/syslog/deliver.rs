//! Delivers the spool to the destinations: each destination on its own, oldest batch first, until a batch fails.
//!
//! A batch counts as delivered when its session is proven ([`Proof`](super::Proof)). Only then it is removed from the
//! spool. Where a receiver acknowledges single frames, the cursor of the batch moves, and a later session sends the rest.

use super::Destination;
use super::facts::RunFacts;
use super::format::Sender;
use super::http::{Acceptance, HttpSession};
use super::message::of_test;
use super::session::{DeliveryError, Session, Timing};
use super::spool::{Batch, Spool, SpoolError};
use crate::escape::shell_word;
use crate::event::{Observer, RunEvent};
use crate::model;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::{Duration, Instant};

/// The result of the delivery to one destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Address of the destination.
    pub destination: String,
    /// Events whose delivery is proven; for datagrams, events that were sent.
    pub delivered: u64,
    /// Events that are queued and not yet delivered.
    pub waiting: u64,
    /// Events that the receiver can never accept. They are kept as dead letters.
    pub dead: u64,
    /// Why events remain queued.
    pub error: Option<String>,
}

/// The result of the delivery of the whole spool.
#[derive(Debug, Default)]
pub struct Delivery {
    /// Destinations in the order of the configuration, then addresses that are no longer configured.
    pub destinations: Vec<Delivered>,
    /// The error of each file that cannot be sent.
    pub damaged: Vec<SpoolError>,
}

/// Delivers the queued events. Errors: the spool cannot be read.
pub fn deliver(
    spool: &Spool,
    destinations: &[Destination],
    timing: &Timing,
    observer: &dyn Observer,
    is_stopped: &dyn Fn() -> bool,
) -> Result<Delivery, SpoolError> {
    let pending = spool.pending()?;
    // A batch keeps the address of its run. If the configuration changed, no destination matches it any more.
    let mut by_address: BTreeMap<String, Vec<Batch>> = BTreeMap::new();
    for batch in pending.batches {
        by_address.entry(batch.destination.clone()).or_default().push(batch);
    }
    let mut delivery = Delivery { destinations: Vec::new(), damaged: pending.damaged };
    let until = Instant::now() + timing.delivery;
    for (at, destination) in destinations.iter().enumerate() {
        let batches = by_address.remove(destination.url()).unwrap_or_default();
        // Shared, so that a slow destination does not keep the events of the next one every night.
        let share =
            until.saturating_duration_since(Instant::now()) / u32::try_from(destinations.len() - at).unwrap_or(1);
        let timing = Timing { delivery: share, ..*timing };
        let delivered = drain_to(spool, destination, &batches, &timing, is_stopped, &mut delivery.damaged);
        delivery.destinations.push(delivered);
    }
    let gone = by_address.into_iter().map(|(destination, batches)| abandoned(spool, destination, &batches));
    delivery.destinations.extend(gone);
    for result in &delivery.destinations {
        observer.notify(&RunEvent::Delivery {
            destination: &result.destination,
            delivered: result.delivered,
            waiting: result.waiting,
            dead: result.dead,
            error: result.error.as_deref(),
        });
    }
    Ok(delivery)
}

/// Delivers the batches of one destination until one fails. The order of events is kept, so the rest stays queued.
///
/// A batch whose last events the receiver refuses waits until the receiver has accepted an event of a later batch. Then
/// it is asked again, and a second refusal is final.
/// A batch that turns out to be damaged is set aside, and the next ones are sent: it will not be better later.
fn drain_to(
    spool: &Spool,
    destination: &Destination,
    batches: &[Batch],
    timing: &Timing,
    is_stopped: &dyn Fn() -> bool,
    damaged: &mut Vec<SpoolError>,
) -> Delivered {
    let mut entry = Delivered { destination: destination.url().to_owned(), ..Delivered::default() };
    let until = Instant::now() + timing.delivery;
    let (mut timing, mut acceptance) = (*timing, Acceptance::default());
    let (mut queue, mut has_sent) = (Queue::of(batches), false);
    while let Some((mut batch, is_asked_again)) = queue.next.pop_front() {
        if has_sent && entry.error.is_none() && Instant::now() >= until {
            entry.error = Some(DeliveryError::OutOfTime.to_string());
        }
        if entry.error.is_some() {
            entry.waiting += batch.waiting();
            continue;
        }
        has_sent = true;
        acceptance.start_session(is_asked_again);
        let Sent { acknowledged, dead, result } =
            send(spool, destination, &batch, &timing, &mut acceptance, is_stopped);
        entry.dead += dead;
        if let Err(error @ DeliveryError::RefusesAll { .. }) = &result {
            entry.delivered += acknowledged.saturating_sub(dead);
            batch.delivered += acknowledged;
            entry.error = queue.put_back(batch, error.to_string(), &acceptance);
            continue;
        }
        if acceptance.has_accepted() {
            queue.ask_again();
        }
        let result = match result {
            Err(DeliveryError::Spool(error)) => {
                entry.delivered += acknowledged.saturating_sub(dead);
                damaged.push(spool.set_aside(error));
                continue;
            }
            // Acknowledged batch by batch: after a failure only the remaining batches are sent again.
            sent => sent.and_then(|()| Ok(spool.acknowledge(&batch)?)),
        };
        let done = if result.is_ok() { batch.waiting() } else { acknowledged };
        entry.delivered += done.saturating_sub(dead);
        entry.waiting += batch.waiting() - done;
        entry.error = result.err().map(|error| error.to_string());
        // The receiver has just accepted us. If it refuses us now, the wait before our close notices it.
        timing.grace = Duration::ZERO;
    }
    entry.waiting += queue.refused.iter().map(Batch::waiting).sum::<u64>();
    entry.error = entry.error.or(queue.refusal.filter(|_| !queue.refused.is_empty()));
    entry
}

/// The batches of one destination, and those whose last events the receiver has refused.
struct Queue {
    /// Batches in the order in which they are sent. The second value says that a batch is asked again.
    next: VecDeque<(Batch, bool)>,
    /// Batches that wait for an acceptance, oldest first.
    refused: Vec<Batch>,
    /// Answer to the last of them.
    refusal: Option<String>,
}

impl Queue {
    fn of(batches: &[Batch]) -> Self {
        let next = batches.iter().map(|batch| (batch.clone(), false)).collect();
        Self { next, refused: Vec::new(), refusal: None }
    }

    /// Asks the refused batches next, because the receiver has accepted an event after them.
    fn ask_again(&mut self) {
        self.refused.drain(..).rev().for_each(|batch| self.next.push_front((batch, true)));
    }

    /// Puts back a batch whose last events are refused. Returns the error if the delivery ends here.
    fn put_back(&mut self, batch: Batch, error: String, acceptance: &Acceptance) -> Option<String> {
        if acceptance.accepts_the_last() {
            self.next.push_front((batch, true));
            self.ask_again();
            return None;
        }
        if acceptance.has_accepted() {
            self.ask_again();
        }
        // The next batch shows whether the receiver refuses these events or everything.
        self.refused.push(batch);
        self.refusal = Some(error.clone());
        acceptance.is_hopeless().then_some(error)
    }
}

/// The result of one session.
struct Sent {
    /// Frames that the receiver acknowledged one by one, and that the cursor has recorded. Dead ones are among them.
    acknowledged: u64,
    /// Events that the receiver can never accept.
    dead: u64,
    result: Result<(), DeliveryError>,
}

/// Sends the frames of a batch that are not yet delivered.
fn send(
    spool: &Spool,
    destination: &Destination,
    batch: &Batch,
    timing: &Timing,
    acceptance: &mut Acceptance,
    is_stopped: &dyn Fn() -> bool,
) -> Sent {
    let (mut cursor, mut acknowledged, mut dead) = (batch.cursor(), 0, 0);
    let mut record = |number: u64| {
        // A receiver that acknowledges more than it got must not hide a frame of ours.
        let number = number.min(batch.waiting());
        if number > acknowledged {
            cursor.advance(batch.delivered + number)?;
            acknowledged = number;
        }
        Ok(())
    };
    let sent = batch.each().map_err(DeliveryError::Spool);
    let result = sent.and_then(|frames| match destination {
        Destination::Syslog(destination) => Session { destination, frames, timing, is_stopped }.run(&mut record),
        Destination::Http(destination) => {
            let mut decided = 0;
            HttpSession { destination, events: frames, timing, is_stopped }.run(acceptance, &mut |events| {
                let refused = events.iter().filter_map(|(event, refusal)| Some((*event, (*refusal)?)));
                dead += spool.bury(batch, refused)?;
                decided += events.len() as u64;
                record(decided)
            })
        }
    });
    Sent { acknowledged, dead, result }
}

/// Returns the result for an address that is no longer configured. Its events are kept, because they may be needed.
fn abandoned(spool: &Spool, destination: String, batches: &[Batch]) -> Delivered {
    let table = if destination.starts_with("http") { "[[http]]" } else { "[[syslog]]" };
    let error = format!(
        "the destination is no longer configured; if its url has changed, run: bt-rollcall spool move {} NEW_URL; or add a \
         {table} table with this url; or, if its events are not needed, move its files away from {} (`bt-rollcall spool \
         list --json` names them)",
        shell_word(Path::new(&destination)),
        spool.dir().display(),
    );
    let waiting = batches.iter().map(Batch::waiting).sum();
    Delivered { destination, waiting, error: Some(error), ..Delivered::default() }
}

/// Sends one `run.test` event directly, without the spool. It contains characters that careless receivers break.
pub fn send_test(
    destination: &Destination,
    sender: &Sender,
    now: model::Instant,
    timing: &Timing,
    is_stopped: &dyn Fn() -> bool,
) -> Result<(), DeliveryError> {
    let facts = RunFacts::of_test(&sender.host, now);
    let rendered = std::iter::once(Ok(destination.render(sender, &of_test(&facts), 1)));
    // Nothing is queued, so no cursor moves.
    match destination {
        Destination::Syslog(destination) => {
            Session { destination, frames: rendered, timing, is_stopped }.run(&mut |_| Ok(()))
        }
        Destination::Http(destination) => {
            let session = HttpSession { destination, events: rendered, timing, is_stopped };
            session.run(&mut Acceptance::default(), &mut |_| Ok(())).map_err(|error| match error {
                DeliveryError::RefusesAll { reason, .. } => DeliveryError::Refuses(reason),
                other => other,
            })
        }
    }
}
