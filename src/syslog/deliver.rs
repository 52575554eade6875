//! Delivers the spool to the destinations: each destination on its own, oldest batch first, until a batch fails.
//!
//! A batch counts as delivered when its session is proven ([`Proof`](super::Proof)). Only then it is removed from the
//! spool.

use super::Destination;
use super::format::{Sender, render};
use super::message::of_test;
use super::session::{DeliveryError, Session, Timing};
use super::spool::{Batch, Spool, SpoolError};
use crate::event::{Observer, RunEvent};
use crate::model::Instant;
use std::collections::BTreeMap;

/// The result of the delivery to one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Address of the destination.
    pub destination: String,
    /// Events whose delivery is proven; for datagrams, events that were sent.
    pub delivered: u64,
    /// Events that are queued and not yet delivered.
    pub waiting: u64,
    /// Why events remain queued.
    pub error: Option<String>,
}

/// Delivers the queued events.
///
/// Returns the destinations in the order of the configuration, then addresses that are no longer configured, then
/// damaged files. Errors: the spool cannot be read.
pub fn deliver(
    spool: &Spool,
    destinations: &[Destination],
    timing: &Timing,
    observer: &dyn Observer,
    is_stopped: &dyn Fn() -> bool,
) -> Result<Vec<Delivered>, SpoolError> {
    let pending = spool.pending()?;
    // A batch keeps the address of its run. If the configuration changed, no destination matches it any more.
    let mut by_address: BTreeMap<String, Vec<Batch>> = BTreeMap::new();
    for batch in pending.batches {
        by_address.entry(batch.destination.clone()).or_default().push(batch);
    }
    let mut results = Vec::new();
    for destination in destinations {
        let batches = by_address.remove(&destination.url).unwrap_or_default();
        results.push(drain_to(spool, destination, &batches, timing, is_stopped));
    }
    results.extend(by_address.into_iter().map(|(destination, batches)| abandoned(destination, &batches)));
    results.extend(pending.damaged.iter().map(damaged));
    for result in &results {
        observer.notify(&RunEvent::Delivery {
            destination: &result.destination,
            delivered: result.delivered,
            waiting: result.waiting,
            error: result.error.as_deref(),
        });
    }
    Ok(results)
}

/// Delivers the batches of one destination until one fails. The order of events is kept, so the rest stays queued.
fn drain_to(
    spool: &Spool,
    destination: &Destination,
    batches: &[Batch],
    timing: &Timing,
    is_stopped: &dyn Fn() -> bool,
) -> Delivered {
    let mut entry = Delivered { destination: destination.url.clone(), delivered: 0, waiting: 0, error: None };
    for batch in batches {
        if entry.error.is_none() {
            // Acknowledged batch by batch: after a failure only the remaining batches are sent again.
            match send(destination, batch, timing, is_stopped).and_then(|()| Ok(spool.acknowledge(batch)?)) {
                Ok(()) => {
                    entry.delivered += batch.frames;
                    continue;
                }
                Err(error) => entry.error = Some(error.to_string()),
            }
        }
        entry.waiting += batch.frames;
    }
    entry
}

fn send(
    destination: &Destination,
    batch: &Batch,
    timing: &Timing,
    is_stopped: &dyn Fn() -> bool,
) -> Result<(), DeliveryError> {
    Session { destination, frames: batch.each()?, timing, is_stopped }.run()
}

/// Returns the result for an address that is no longer configured. Its events are kept, because they may be needed.
fn abandoned(destination: String, batches: &[Batch]) -> Delivered {
    let error =
        "the destination is no longer configured; configure it again, or remove its files from the spool folder"
            .to_owned();
    Delivered { destination, delivered: 0, waiting: batches.iter().map(|b| b.frames).sum(), error: Some(error) }
}

fn damaged(error: &SpoolError) -> Delivered {
    let error = format!("failed to {error}");
    Delivered { destination: "spool".to_owned(), delivered: 0, waiting: 0, error: Some(error) }
}

/// Sends one `run.test` event directly, without the spool. It contains characters that careless receivers break.
pub fn send_test(
    destination: &Destination,
    sender: &Sender,
    now: Instant,
    timing: &Timing,
) -> Result<(), DeliveryError> {
    let frame = render(destination, sender, &of_test(&sender.host, now), 1);
    Session { destination, frames: std::iter::once(Ok(frame)), timing, is_stopped: &|| false }.run()
}
