//! Drains the spool into the destinations: each by itself, oldest batch first, until one fails. A batch counts as delivered
//! when its session is proven, and only then leaves the spool.

use super::Destination;
use super::format::{Sender, render};
use super::message::of_test;
use super::spool::{Batch, Spool, SpoolError};
use super::transport::{DeliveryError, Session, Timing};
use crate::event::{Observer, RunEvent};
use crate::model::Instant;
use std::collections::BTreeMap;

/// How delivery to one destination went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Its address.
    pub destination: String,
    /// Events whose delivery is proven (datagrams: sent).
    pub delivered: u64,
    /// Events that wait.
    pub waiting: u64,
    /// Why.
    pub error: Option<String>,
}

/// Delivers what waits. Gives one entry a destination, in the order of the configuration, then one for each address that is
/// configured no more and for each damaged file.
pub fn deliver(
    spool: &Spool,
    destinations: &[Destination],
    timing: &Timing,
    observer: &dyn Observer,
    stopped: &dyn Fn() -> bool,
) -> Result<Vec<Delivered>, SpoolError> {
    let pending = spool.pending()?;
    let mut by_address: BTreeMap<String, Vec<Batch>> = BTreeMap::new();
    for batch in pending.batches {
        by_address.entry(batch.destination.clone()).or_default().push(batch);
    }
    let mut report = Vec::new();
    for destination in destinations {
        let batches = by_address.remove(&destination.url).unwrap_or_default();
        report.push(drain(spool, destination, &batches, timing, stopped));
    }
    report.extend(by_address.into_iter().map(|(destination, batches)| abandoned(destination, &batches)));
    report.extend(pending.damaged.iter().map(damaged));
    for entry in &report {
        observer.notify(&RunEvent::Delivery {
            destination: &entry.destination,
            delivered: entry.delivered,
            waiting: entry.waiting,
            error: entry.error.as_deref(),
        });
    }
    Ok(report)
}

fn drain(
    spool: &Spool,
    destination: &Destination,
    batches: &[Batch],
    timing: &Timing,
    stopped: &dyn Fn() -> bool,
) -> Delivered {
    let mut entry = Delivered { destination: destination.url.clone(), delivered: 0, waiting: 0, error: None };
    for batch in batches {
        if entry.error.is_none() {
            match send(destination, batch, timing, stopped).and_then(|()| Ok(spool.acknowledge(batch)?)) {
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
    stopped: &dyn Fn() -> bool,
) -> Result<(), DeliveryError> {
    Session { destination, frames: batch.each()?, timing, stopped }.run()
}

fn abandoned(destination: String, batches: &[Batch]) -> Delivered {
    let error =
        "it is not configured any more; configure it again, or remove its files from the spool folder".to_owned();
    Delivered { destination, delivered: 0, waiting: batches.iter().map(|b| b.frames).sum(), error: Some(error) }
}

fn damaged(error: &SpoolError) -> Delivered {
    let error = format!("failed to {error}");
    Delivered { destination: "spool".to_owned(), delivered: 0, waiting: 0, error: Some(error) }
}

/// Sends one `run.test` event with hard characters, past the spool.
pub fn send_test(
    destination: &Destination,
    sender: &Sender,
    now: Instant,
    timing: &Timing,
) -> Result<(), DeliveryError> {
    let frame = render(destination, sender, &of_test(&sender.host, now), 1);
    Session { destination, frames: std::iter::once(Ok(frame)), timing, stopped: &|| false }.run()
}
