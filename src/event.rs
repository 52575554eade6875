//! Progress events of a run.
//!
//! `wire`, `source`, `syslog` and `run` emit [`RunEvent`]s while a run is in progress. Each consumer implements
//! [`Observer`]: the log, the progress bar (both in `run::observers`) and `pages.jsonl` (`snapshot::pages`). This
//! module imports only `model` and does not know its consumers. No event contains a secret: the emitting code removes
//! secrets from paths and texts first.

use crate::model::{Completeness, ListKind, SourceName, SourceStatus};
use serde::Serialize;
use std::time::Duration;

/// One HTTP request that was sent: a line of `pages.jsonl`.
#[derive(Clone, Debug, Serialize)]
pub struct RequestRecord {
    /// Wall-clock time at which the request was sent: RFC 3339 in UTC with microseconds.
    pub start: String,
    /// Name of the source that was asked.
    pub source: String,
    /// HTTP method: `GET` or `POST`.
    pub method: &'static str,
    /// Path and query without secrets.
    pub path: String,
    /// HTTP status; absent if no response arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Number of rows in the response; absent if the response is not a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Size of the decompressed body in bytes.
    pub bytes: u64,
    /// SHA-256 of the decompressed body in lower-case hexadecimal.
    ///
    /// Absent without a body, and for every request that may return a token or a session: the hash of a short secret
    /// can be guessed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Number of the attempt; the first attempt is 1.
    pub attempt: u32,
    /// Milliseconds from sending the request to the last byte of the response.
    pub milliseconds: u64,
    /// Description of the failure; absent if the request succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Something that happened during a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RunEvent<'a> {
    /// The run has taken its lock and starts.
    RunStarted {
        /// Id of the run.
        run_id: &'a str,
    },
    /// Reading of a source starts.
    SourceStarted {
        /// Name of the source.
        source: &'a SourceName,
        /// Kind of the source, such as `rest-v3`.
        kind: &'a str,
        /// Base address of the source.
        url: &'a str,
    },
    /// One HTTP request ended, successfully or not.
    Request(&'a RequestRecord),
    /// A request is about to be sent again.
    Retry {
        /// Name of the source.
        source: &'a SourceName,
        /// Path and query without secrets.
        path: &'a str,
        /// Reason for the retry.
        why: &'a str,
        /// Wait before the next attempt.
        wait: Duration,
    },
    /// More rows of a list were received.
    Progress {
        /// Name of the source.
        source: &'a SourceName,
        /// Kind of the list.
        list: ListKind,
        /// Rows received so far.
        received: u64,
        /// Total that the source reports; `None` if it reports none.
        expected: Option<u64>,
    },
    /// A list changed while it was read, so it is read again.
    Drift {
        /// Name of the source.
        source: &'a SourceName,
        /// Kind of the list.
        list: ListKind,
        /// What was observed.
        why: &'a str,
    },
    /// Reading of a source ended.
    SourceEnded {
        /// Name of the source.
        source: &'a SourceName,
        /// Result for the source.
        status: SourceStatus,
        /// Number of users read.
        users: u64,
        /// Number of groups read.
        groups: u64,
        /// Why the source is not complete; `None` if it is complete.
        reason: Option<&'a str>,
    },
    /// A snapshot was published.
    Published {
        /// Folder of the snapshot.
        path: &'a std::path::Path,
        /// Whether every list was proven complete.
        completeness: Completeness,
    },
    /// Delivery to one destination ended.
    Delivery {
        /// Address of the destination.
        destination: &'a str,
        /// Events whose delivery is proven; on UDP and datagram sockets, events that were sent.
        delivered: u64,
        /// Events that are queued and not yet delivered.
        waiting: u64,
        /// Events that the receiver can never accept, which are kept as dead letters.
        dead: u64,
        /// Why events remain queued; `None` if all were delivered.
        error: Option<&'a str>,
    },
    /// A fact that needs no action, such as dates without a time zone.
    Note {
        /// Source that the fact concerns; `None` if it concerns the whole run.
        source: Option<&'a SourceName>,
        /// Text of the note.
        text: &'a str,
    },
    /// A warning that somebody has to act on.
    Warning {
        /// Source that the warning concerns; `None` if it concerns the whole run.
        source: Option<&'a SourceName>,
        /// Text of the warning.
        text: &'a str,
    },
}

/// A consumer of [`RunEvent`]s.
///
/// The run calls it from its one thread. An implementation must return without waiting, because every request waits for
/// it.
pub trait Observer: Send + Sync {
    /// Handles one event.
    fn notify(&self, event: &RunEvent<'_>);
}

/// An [`Observer`] that ignores every event, for tests and offline commands.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn notify(&self, _: &RunEvent<'_>) {}
}
