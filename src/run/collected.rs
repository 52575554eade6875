//! The collect stage: reads all sources concurrently and joins them into one inventory.
//!
//! A source that cannot be set up counts as failed and does not stop the others, and so does one that panics: this module is
//! the border of a source. A configured source that `--source` leaves out is part of the inventory without any row.

use super::context::Run;
use super::error::{CollectError, RunError};
use super::event_loop::block_on;
use super::stop::Stop;
use crate::event::{Observer, RunEvent};
use crate::internal_error::{catch, catch_future};
use crate::model::{
    Coverage, Inventory, ListKind, ListReport, SourceIdentity, SourceInventory, SourceReading, SourceStatus,
};
use crate::snapshot::manifest::SourceEntry;
use crate::source::{self, Source, SourceSettings};
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
        let readings = collect(&self.request.sources, observer, self.stop)?;
        let join =
            |reading| joined(reading, observer.as_ref(), |reading| SourceInventory::join(reading, &config.classes));
        let mut inventories: Vec<SourceInventory> = readings.into_iter().map(join).collect();
        let unreadable = unreadable(&inventories);
        // The state of a source that this run does not read must survive, so it takes part without rows.
        for source in &config.sources {
            if inventories.iter().all(|inventory| inventory.reading.source.name != source.identity.name) {
                inventories.push(SourceInventory::join(SourceReading::of(source.identity.clone()), &config.classes));
            }
        }
        let inventory = Inventory::of(inventories);
        *sources = inventory.sources.iter().map(SourceEntry::of).collect();
        unreadable.map_or(Ok(inventory), |reasons| Err(RunError::AllFailed(reasons)))
    }
}

/// Joins one reading. If that panics, the source has failed.
fn joined(
    reading: SourceReading,
    observer: &dyn Observer,
    join: impl Fn(SourceReading) -> SourceInventory,
) -> SourceInventory {
    let identity = reading.source.clone();
    catch(|| join(reading)).unwrap_or_else(|error| {
        let failed = failed_reading(&identity, error.to_string());
        notify_end(&failed, observer);
        join(failed)
    })
}

/// Returns the reasons of all sources if every source failed; `None` if one was read.
fn unreadable(inventories: &[SourceInventory]) -> Option<String> {
    let readings = || inventories.iter().map(|inventory| &inventory.reading);
    let reason = |reading: &SourceReading| format!("{}: {}", reading.source.name, reading.reason().unwrap_or_default());
    let is_failed = |reading: &SourceReading| reading.status() == SourceStatus::Failed;
    readings().all(is_failed).then(|| readings().map(reason).collect::<Vec<_>>().join("; "))
}

/// Reads these sources concurrently on one thread.
fn collect(
    sources: &[&SourceSettings],
    observer: &Arc<dyn Observer>,
    stop: &Stop,
) -> Result<Vec<SourceReading>, CollectError> {
    let connections = sources.iter().map(|settings| SourceConnection::new(settings, observer)).collect::<Vec<_>>();
    block_on(read_all(&connections, observer.as_ref(), stop))?
}

/// Reads all sources, or until a signal stops the run.
async fn read_all(
    connections: &[SourceConnection<'_>],
    observer: &dyn Observer,
    stop: &Stop,
) -> Result<Vec<SourceReading>, CollectError> {
    let readings = join_all(connections.iter().map(|connection| connection.read(observer)));
    let collected = tokio::select! {
        readings = readings => Ok(readings),
        signal = stop.wait() => Err(CollectError::Stopped(signal)),
    };
    // Sessions that the sources opened are closed even if reading was interrupted.
    join_all(connections.iter().map(SourceConnection::leave)).await;
    collected
}

/// A source that is ready to be read, or the reason why it is not.
struct SourceConnection<'a> {
    settings: &'a SourceSettings,
    source: Result<Box<dyn Source>, String>,
}

impl<'a> SourceConnection<'a> {
    fn new(settings: &'a SourceSettings, observer: &Arc<dyn Observer>) -> Self {
        let source = catch(|| source::build(settings, Arc::clone(observer)).map_err(|error| error.to_string()));
        Self { settings, source: source.unwrap_or_else(|error| Err(error.to_string())) }
    }

    /// Reads the source. If that panics, the source has failed.
    async fn read(&self, observer: &dyn Observer) -> SourceReading {
        match catch_future(self.read_and_leave(observer)).await {
            Ok(reading) => reading,
            Err(error) => {
                self.leave().await;
                let failed = failed_reading(&self.settings.identity, error.to_string());
                // The panic may have been one of this observer. It has been reported, so a second one adds nothing.
                let _ = catch(|| notify_end(&failed, observer));
                failed
            }
        }
    }

    async fn read_and_leave(&self, observer: &dyn Observer) -> SourceReading {
        let identity = &self.settings.identity;
        observer.notify(&RunEvent::SourceStarted { source: &identity.name, kind: &identity.kind, url: &identity.url });
        let reading = match &self.source {
            Ok(source) => {
                let reading = source.read_all().await;
                // A session is closed as soon as its source is read, not when the slowest source ends.
                source.sign_out().await;
                limited(reading, self.settings.client.max_rows)
            }
            Err(error) => failed_reading(identity, error.clone()),
        };
        notify_end(&reading, observer);
        reading
    }

    async fn leave(&self) {
        if let Ok(source) = &self.source {
            // A panic was logged. The appliance ends the session after its idle timeout.
            let _ = catch_future(source.sign_out()).await;
        }
    }
}

/// Returns the reading, or a failed one if its rows and memberships exceed `max_rows`. Some lists contain memberships in their rows,
/// so the number of rows alone does not limit them.
fn limited(reading: SourceReading, max_rows: u64) -> SourceReading {
    let memberships = reading.users.iter().map(|user| user.group_memberships.len()).sum::<usize>();
    let rows = (reading.users.len() + reading.groups.len() + memberships + reading.outside.len()) as u64;
    if rows <= max_rows {
        return reading;
    }
    let error = format!(
        "it has {rows} users, groups and memberships, more than {max_rows}, the value of max_rows; raise max_rows if the source \
         really has so many"
    );
    let SourceReading { clock_skew_seconds, tls_certificate_sha256, .. } = reading;
    SourceReading { clock_skew_seconds, tls_certificate_sha256, ..failed_reading(&reading.source, error) }
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
fn failed_reading(source: &SourceIdentity, error: String) -> SourceReading {
    let list = ListReport::unasked(ListKind::Users, Coverage::Failed { error });
    SourceReading { lists: vec![list], ..SourceReading::of(source.clone()) }
}

#[cfg(test)]
mod tests;
