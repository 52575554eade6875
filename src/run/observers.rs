//! What is told about a run while it goes: log lines and a progress bar, two readings of the same events.
//! Both write to stderr; a log line first clears the bar.

use crate::event::{Observer, RunEvent};
use crate::model::{ListKind, SourceStatus};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How to log.
#[derive(Clone, Copy, Debug)]
pub struct LogSettings {
    /// The least important level that is shown.
    pub level: Level,
    /// JSON objects instead of text.
    pub json: bool,
    /// Colours.
    pub color: bool,
}

/// Starts logging for the whole process; later calls change nothing. Only lines of this program are shown: libraries could
/// print addresses with queries.
pub fn start_logging(settings: LogSettings, bar: &ProgressDisplay) {
    let ours = Targets::new().with_target("bt_rollcall", settings.level);
    let writer = BarAwareStderr(bar.clone());
    let registry = tracing_subscriber::registry().with(ours);
    // A second subscriber in one process (tests) is no mistake of the user.
    let _ = if settings.json {
        let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).with_target(false).with_writer(writer);
        registry.with(layer).try_init()
    } else {
        let layer = tracing_subscriber::fmt::layer().with_ansi(settings.color).with_target(false).with_writer(writer);
        registry.with(layer).try_init()
    };
}

/// Writes to stderr with the bar out of the way.
#[derive(Clone)]
struct BarAwareStderr(ProgressDisplay);

impl<'a> MakeWriter<'a> for BarAwareStderr {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}

impl Write for BarAwareStderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.bar.suspend(|| io::stderr().write_all(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Everybody who wants to be told.
pub struct Observers(pub Vec<Arc<dyn Observer>>);

impl Observer for Observers {
    fn notify(&self, event: &RunEvent<'_>) {
        for observer in &self.0 {
            observer.notify(event);
        }
    }
}

/// Log lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct Log;

impl Observer for Log {
    fn notify(&self, event: &RunEvent<'_>) {
        match event {
            RunEvent::RunStarted { run_id } => tracing::info!(run_id, "run started"),
            RunEvent::SourceStarted { source, kind, url } => tracing::info!(%source, kind, url, "source started"),
            RunEvent::Request(record) => tracing::debug!(
                source = record.source,
                method = record.method,
                path = record.path,
                status = record.status,
                rows = record.rows,
                bytes = record.bytes,
                attempt = record.attempt,
                milliseconds = record.milliseconds,
                error = record.error,
                "request"
            ),
            RunEvent::Retry { source, path, why, wait } => {
                tracing::info!(%source, path, why, wait_seconds = wait.as_secs_f64(), "request will be tried again");
            }
            RunEvent::Progress { source, list, received, expected } => {
                tracing::trace!(%source, list = list.as_str(), received, expected, "progress");
            }
            RunEvent::Drift { source, list, why } => {
                tracing::info!(%source, list = list.as_str(), why, "list moved while it was read; reading again");
            }
            RunEvent::SourceEnded { source, status, users, groups, reason } => match status {
                SourceStatus::Complete => tracing::info!(%source, users, groups, "source complete"),
                SourceStatus::Partial => tracing::warn!(%source, users, groups, reason, "source partial"),
                SourceStatus::Failed => tracing::error!(%source, reason, "source failed"),
            },
            RunEvent::Published { path, completeness } => {
                tracing::info!(path = %path.display(), completeness = completeness.as_str(), "snapshot published");
            }
            RunEvent::Delivery { destination, delivered, waiting, error: None } => {
                tracing::info!(destination, delivered, waiting, "events delivered");
            }
            RunEvent::Delivery { destination, delivered, waiting, error } => {
                tracing::error!(destination, delivered, waiting, error, "events wait in the spool");
            }
            RunEvent::Warning { source: Some(source), text } => tracing::warn!(%source, "{text}"),
            RunEvent::Warning { source: None, text } => tracing::warn!("{text}"),
        }
    }
}

/// (received, expected) of each list of each source.
type ListCounts = BTreeMap<(String, ListKind), (u64, Option<u64>)>;

/// The progress bar: rows of all lists together.
#[derive(Clone)]
pub struct ProgressDisplay {
    bar: ProgressBar,
    lists: Arc<Mutex<ListCounts>>,
}

impl ProgressDisplay {
    /// A bar on stderr, or one that is never drawn.
    pub fn new(shown: bool) -> Self {
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{spinner} {msg}  {wide_bar:.cyan/dim}  {elapsed_precise}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, lists: Arc::default() }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn progress(&self, source: &str, list: ListKind, received: u64, expected: Option<u64>) {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.insert((source.to_owned(), list), (received, expected));
        let rows: u64 = lists.values().map(|(received, _)| received).sum();
        let total: Option<u64> = lists.values().map(|(received, expected)| expected.or(Some(*received))).sum();
        self.bar.set_length(total.unwrap_or(rows).max(rows));
        self.bar.set_position(rows);
        let what = list.as_str();
        let of = expected.map_or_else(String::new, |total| format!(" of {total}"));
        self.bar.set_message(format!("{source}: {received}{of} {what}"));
    }
}

impl Observer for ProgressDisplay {
    fn notify(&self, event: &RunEvent<'_>) {
        if let RunEvent::Progress { source, list, received, expected } = event {
            self.progress(source.as_str(), *list, *received, *expected);
        }
    }
}
