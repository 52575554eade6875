//! The collect stage: reads all sources concurrently and joins them into one inventory.
//!
//! A source that cannot be set up counts as failed and does not stop the others. A configured source that `--source`
//! leaves out is part of the inventory without any row.

use super::context::Run;
use super::error::{CollectError, RunError};
use super::stop::Stop;
use crate::event::{Observer, RunEvent};
use crate::model::{Coverage, Inventory, ListKind, ListReport, SourceReading, SourceStatus};
use crate::snapshot::manifest::SourceEntry;
use crate::source::{self, Source, SourceSettings};
use crate::wire::WireError;
use futures_util::future::join_all;
use std::sync::Arc;

impl Run<'_> {
    /// Returns the inventory of every configured source, sorted by name. `sources` receives the result of each source,
    /// also on errors. Errors: no requested source could be read.
    pub(super) fn collect(
        &self,
        observer: &Arc<dyn Observer>,
        sources: &mut Vec<SourceEntry>,
    ) -> Result<Inventory, RunError> {
        let config = self.request.config;
        let mut readings = collect(&self.request.sources, observer, self.stop)?;
        let unreadable = unreadable(&readings);
        // The state of a source that this run does not read must survive, so it takes part without rows.
        for source in &config.sources {
            if readings.iter().all(|reading| reading.source.name != source.identity.name) {
                readings.push(SourceReading::of(source.identity.clone()));
            }
        }
        let inventory = Inventory::join(readings, &config.classes);
        *sources = inventory.sources.iter().map(SourceEntry::of).collect();
        unreadable.map_or(Ok(inventory), |reasons| Err(RunError::AllFailed(reasons)))
    }
}

/// Returns the reasons of all sources if every source failed; `None` if one was read.
fn unreadable(readings: &[SourceReading]) -> Option<String> {
    let reason = |reading: &SourceReading| format!("{}: {}", reading.source.name, reading.reason().unwrap_or_default());
    let is_failed = |reading: &SourceReading| reading.status() == SourceStatus::Failed;
    readings.iter().all(is_failed).then(|| readings.iter().map(reason).collect::<Vec<_>>().join("; "))
}

/// Reads these sources concurrently on one thread.
fn collect(
    sources: &[&SourceSettings],
    observer: &Arc<dyn Observer>,
    stop: &Stop,
) -> Result<Vec<SourceReading>, CollectError> {
    // One thread is enough, because the time is spent waiting for the network.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let connections: Vec<SourceConnection> =
            sources.iter().map(|settings| SourceConnection::new(settings, observer)).collect();
        let readings = join_all(connections.iter().map(|connection| connection.read(observer)));
        let collected = tokio::select! {
            readings = readings => Ok(readings),
            signal = stop.wait() => Err(CollectError::Stopped(signal)),
        };
        // Sessions that the sources opened are closed even if reading was interrupted.
        join_all(connections.iter().map(SourceConnection::leave)).await;
        collected
    })
}

/// A source that is ready to be read, or the reason why it is not.
struct SourceConnection<'a> {
    settings: &'a SourceSettings,
    source: Result<Box<dyn Source>, WireError>,
}

impl<'a> SourceConnection<'a> {
    fn new(settings: &'a SourceSettings, observer: &Arc<dyn Observer>) -> Self {
        Self { settings, source: source::build(settings, Arc::clone(observer)) }
    }

    async fn read(&self, observer: &Arc<dyn Observer>) -> SourceReading {
        let identity = &self.settings.identity;
        observer.notify(&RunEvent::SourceStarted { source: &identity.name, kind: &identity.kind, url: &identity.url });
        let reading = match &self.source {
            Ok(source) => {
                let reading = source.read_all().await;
                // A session is closed as soon as its source is read, not when the slowest source ends.
                source.sign_out().await;
                reading
            }
            Err(error) => failed_reading(self.settings, error.to_string()),
        };
        notify_end(&reading, observer.as_ref());
        reading
    }

    async fn leave(&self) {
        if let Ok(source) = &self.source {
            source.sign_out().await;
        }
    }
}

fn notify_end(reading: &SourceReading, observer: &dyn Observer) {
    let source = &reading.source.name;
    for text in &reading.warnings {
        observer.notify(&RunEvent::Warning { source: Some(source), text });
    }
    for text in &reading.notes {
        observer.notify(&RunEvent::Note { source: Some(source), text });
    }
    let reason = reading.reason();
    observer.notify(&RunEvent::SourceEnded {
        source,
        status: reading.status(),
        users: reading.users.len() as u64,
        groups: reading.groups.len() as u64,
        reason: reason.as_deref(),
    });
}

/// Returns the reading of a source that could not be set up: its list of users failed.
fn failed_reading(settings: &SourceSettings, error: String) -> SourceReading {
    let list = ListReport::unasked(ListKind::Users, Coverage::Failed { error });
    SourceReading { lists: vec![list], ..SourceReading::of(settings.identity.clone()) }
}
