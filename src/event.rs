//! Everything that can be told about a run while it goes. Logs, progress bar, metrics and `pages.jsonl`
//! are readings of these events. Knows nobody who listens. Nothing secret may be put into an event.

use crate::model::{Completeness, ListKind, SourceName, SourceStatus};
use serde::Serialize;
use std::time::Duration;

/// One HTTP request that was made: a line of `pages.jsonl`.
#[derive(Clone, Debug, Serialize)]
pub struct RequestRecord {
    /// Which source.
    pub source: String,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Path and query, secrets removed.
    pub path: String,
    /// HTTP status; absent where no answer came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Rows in the answer, where it is a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Bytes of the body, decompressed.
    pub bytes: u64,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// Milliseconds from sending to the last byte.
    pub milliseconds: u64,
    /// What went wrong, if something did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Something that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RunEvent<'a> {
    /// The run took its lock and starts.
    RunStarted {
        /// The run.
        run_id: &'a str,
    },
    /// A source begins.
    SourceStarted {
        /// Which.
        source: &'a SourceName,
        /// Its kind.
        kind: &'a str,
        /// Its base address.
        url: &'a str,
    },
    /// One HTTP request ended, well or not.
    Request(&'a RequestRecord),
    /// A request will be made again.
    Retry {
        /// Which source.
        source: &'a SourceName,
        /// Path and query.
        path: &'a str,
        /// Why.
        why: &'a str,
        /// After how long.
        wait: Duration,
    },
    /// A list has more rows now.
    Progress {
        /// Which source.
        source: &'a SourceName,
        /// Which list.
        list: ListKind,
        /// Rows so far.
        received: u64,
        /// The source's total, where told.
        expected: Option<u64>,
    },
    /// A list is being read again because it moved.
    Drift {
        /// Which source.
        source: &'a SourceName,
        /// Which list.
        list: ListKind,
        /// What was seen.
        why: &'a str,
    },
    /// A source ended.
    SourceEnded {
        /// Which.
        source: &'a SourceName,
        /// How.
        status: SourceStatus,
        /// Users and groups that came.
        users: u64,
        /// Groups that came.
        groups: u64,
        /// Why it is not complete.
        reason: Option<&'a str>,
    },
    /// A snapshot is published.
    Published {
        /// Its folder.
        path: &'a std::path::Path,
        /// Whether everything was proven complete.
        completeness: Completeness,
    },
    /// A destination took events, or did not.
    Delivery {
        /// Address of the destination.
        destination: &'a str,
        /// Events that it took and whose taking is proven (on UDP and datagram sockets: sent).
        delivered: u64,
        /// Events that wait in the spool.
        waiting: u64,
        /// Why they wait.
        error: Option<&'a str>,
    },
    /// Something that a person should know.
    Warning {
        /// Which source, if one.
        source: Option<&'a SourceName>,
        /// In words.
        text: &'a str,
    },
}

/// Somebody who is told. Called from the run's one thread; must return at once.
pub trait Observer: Send + Sync {
    /// Takes one event.
    fn notify(&self, event: &RunEvent<'_>);
}

/// Tells nobody; for tests and offline commands.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn notify(&self, _: &RunEvent<'_>) {}
}
