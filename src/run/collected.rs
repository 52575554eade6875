//! Reads every source side by side. A source that cannot even be set up has failed; it fails alone. One that is left out is there,
//! with nothing that was read.

use super::stop::Stop;
use super::{Run, RunError};
use crate::event::{Observer, RunEvent};
use crate::model::{Coverage, Inventory, ListKind, ListReport, SourceReading, SourceStatus};
use crate::source::{self, Source, SourceSettings};
use crate::wire::WireError;
use futures_util::future::join_all;
use std::io;
use std::sync::Arc;

/// Why there are no harvests.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The run was asked to stop.
    #[error("finish collecting: stopped by {0}")]
    Stopped(&'static str),
    /// No event loop.
    #[error("start the event loop: {0}")]
    Runtime(#[from] io::Error),
}

impl Run<'_> {
    /// Every configured source, sorted by name. Errors: none of those that were asked for could be read.
    pub(super) fn collect(&self, observer: &Arc<dyn Observer>) -> Result<Inventory, RunError> {
        let config = self.order.config;
        let mut readings = collect(&self.order.sources, observer, self.stop)?;
        if readings.iter().all(|reading| reading.status() == SourceStatus::Failed) {
            let reason =
                |reading: &SourceReading| format!("{}: {}", reading.source.name, reading.reason().unwrap_or_default());
            return Err(RunError::AllFailed(readings.iter().map(reason).collect::<Vec<_>>().join("; ")));
        }
        for source in &config.sources {
            if readings.iter().all(|reading| reading.source.name != source.identity.name) {
                readings.push(SourceReading::of(source.identity.clone()));
            }
        }
        Ok(Inventory::join(readings, &config.classes))
    }
}

/// Reads these sources on one thread.
fn collect(
    sources: &[&SourceSettings],
    observer: &Arc<dyn Observer>,
    stop: &Stop,
) -> Result<Vec<SourceReading>, CollectError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let built: Vec<Built> = sources.iter().map(|settings| Built::new(settings, observer)).collect();
        let readings = join_all(built.iter().map(|source| source.reading(observer)));
        let collected = tokio::select! {
            readings = readings => Ok(readings),
            by = stop.wait() => Err(CollectError::Stopped(by)),
        };
        // Whatever was opened is closed, also where the reading was broken off.
        join_all(built.iter().map(Built::leave)).await;
        collected
    })
}

/// A source that is ready to be read, or why it is not.
struct Built<'a> {
    settings: &'a SourceSettings,
    source: Result<Box<dyn Source>, WireError>,
}

impl<'a> Built<'a> {
    fn new(settings: &'a SourceSettings, observer: &Arc<dyn Observer>) -> Self {
        Self { settings, source: source::build(settings, Arc::clone(observer)) }
    }

    async fn reading(&self, observer: &Arc<dyn Observer>) -> SourceReading {
        let identity = &self.settings.identity;
        observer.notify(&RunEvent::SourceStarted { source: &identity.name, kind: &identity.kind, url: &identity.url });
        let reading = match &self.source {
            Ok(source) => {
                let reading = source.read_all().await;
                source.leave().await;
                reading
            }
            Err(error) => never_began(self.settings, error.to_string()),
        };
        report_end(&reading, observer.as_ref());
        reading
    }

    async fn leave(&self) {
        if let Ok(source) = &self.source {
            source.leave().await;
        }
    }
}

fn report_end(reading: &SourceReading, observer: &dyn Observer) {
    let source = &reading.source.name;
    for text in &reading.warnings {
        observer.notify(&RunEvent::Warning { source: Some(source), text });
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

fn never_began(settings: &SourceSettings, error: String) -> SourceReading {
    let list = ListReport::unasked(ListKind::Users, Coverage::Failed { error });
    SourceReading { lists: vec![list], ..SourceReading::of(settings.identity.clone()) }
}
