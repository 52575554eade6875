//! Harvests every source side by side. A source that cannot even be set up has failed; it fails alone.

use super::stop::Stop;
use crate::event::{Event, Observer};
use crate::model::{Coverage, Harvest, ListKind, ListReport};
use crate::source::{self, SourceSettings};
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

/// Reads all sources on one thread.
pub(super) fn collect(
    sources: &[&SourceSettings],
    observer: &Arc<dyn Observer>,
    stop: &Stop,
) -> Result<Vec<Harvest>, CollectError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let harvests = join_all(sources.iter().map(|settings| one(settings, observer)));
        tokio::select! {
            harvests = harvests => Ok(harvests),
            by = stop.wait() => Err(CollectError::Stopped(by)),
        }
    })
}

async fn one(settings: &SourceSettings, observer: &Arc<dyn Observer>) -> Harvest {
    let identity = &settings.identity;
    observer.tell(&Event::SourceStarted { source: &identity.name, kind: &identity.kind, url: &identity.url });
    let harvest = match source::build(settings, Arc::clone(observer)) {
        Ok(source) => source.harvest().await,
        Err(error) => never_began(settings, error.to_string()),
    };
    tell_end(&harvest, observer.as_ref());
    harvest
}

fn tell_end(harvest: &Harvest, observer: &dyn Observer) {
    let source = &harvest.source.name;
    for text in &harvest.warnings {
        observer.tell(&Event::Warning { source: Some(source), text });
    }
    let reason = harvest.reason();
    observer.tell(&Event::SourceEnded {
        source,
        status: harvest.status(),
        users: harvest.users.len() as u64,
        groups: harvest.groups.len() as u64,
        reason: reason.as_deref(),
    });
}

fn never_began(settings: &SourceSettings, error: String) -> Harvest {
    let list = ListReport {
        kind: ListKind::Users,
        query: String::new(),
        expected: None,
        received: 0,
        distinct: 0,
        pages: 0,
        passes: 0,
        requests: 0,
        coverage: Coverage::Failed { error },
    };
    Harvest {
        source: settings.identity.clone(),
        users: Vec::new(),
        groups: Vec::new(),
        outside: Vec::new(),
        lists: vec![list],
        clock_skew_seconds: None,
        tls_certificate_sha256: None,
        warnings: Vec::new(),
    }
}
