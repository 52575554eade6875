//! The log and the progress bar: two consumers of the events of a run.
//!
//! Both write to stderr. The log hides the bar while it writes a line, so that the two never mix.

use crate::event::{Observer, RunEvent};
use crate::model::{ListKind, SourceStatus};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Settings of the log.
#[derive(Clone, Copy, Debug)]
pub struct LogSettings {
    /// Least important level that is written.
    pub level: Level,
    /// Whether a line is a JSON object instead of text.
    pub json: bool,
    /// Whether text lines are coloured.
    pub color: bool,
    /// Whether stderr is the journal of systemd: text lines then carry a priority, and no time and no colour.
    pub journal: bool,
}

/// Starts the log for the whole process. Later calls change nothing.
///
/// Only lines of this program are written, because libraries could log addresses with their queries.
pub fn start_logging(settings: LogSettings, bar: &ProgressDisplay) {
    let ours = Targets::new().with_target("bt_rollcall", settings.level);
    let writer = BarAwareStderr(bar.clone());
    let registry = tracing_subscriber::registry().with(ours);
    // The result is ignored: tests start the log several times in one process.
    let _ = if settings.json {
        let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).with_target(false).with_writer(writer);
        registry.with(layer).try_init()
    } else if settings.journal {
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_target(false).with_level(false);
        registry.with(layer.without_time().with_writer(JournalStderr(writer))).try_init()
    } else {
        let layer = tracing_subscriber::fmt::layer().with_ansi(settings.color).with_target(false).with_writer(writer);
        registry.with(layer).try_init()
    };
}

/// A writer to stderr that hides the progress bar while it writes.
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

/// Checks whether stderr is connected to the journal of systemd (systemd.exec(5), `$JOURNAL_STREAM`).
///
/// The variable alone proves nothing, because a child process with another stderr inherits it.
pub fn stderr_is_journal() -> bool {
    let stream = std::env::var("JOURNAL_STREAM").ok();
    let stderr = rustix::fs::fstat(io::stderr()).ok();
    stream.zip(stderr).is_some_and(|(stream, stat)| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// A writer to the journal: each line begins with the priority of its level (sd-daemon(3)).
#[derive(Clone)]
struct JournalStderr(BarAwareStderr);

/// A [`JournalStderr`] for one event.
struct JournalLine {
    stderr: BarAwareStderr,
    priority: u8,
}

impl<'a> MakeWriter<'a> for JournalStderr {
    type Writer = JournalLine;

    fn make_writer(&'a self) -> Self::Writer {
        JournalLine { stderr: self.0.clone(), priority: priority(Level::INFO) }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Self::Writer {
        JournalLine { priority: priority(*event.level()), ..self.make_writer() }
    }
}

impl Write for JournalLine {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let prefix = format!("<{}>", self.priority);
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let lines: Vec<u8> = lines.flat_map(|line| prefix.bytes().chain(line.iter().copied())).collect();
        self.stderr.write_all(&lines)?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stderr.flush()
    }
}

/// Returns the priority of syslog(3) for a level.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

/// Several observers, notified in this order.
pub struct Observers(pub Vec<Arc<dyn Observer>>);

impl Observer for Observers {
    fn notify(&self, event: &RunEvent<'_>) {
        for observer in &self.0 {
            observer.notify(event);
        }
    }
}

/// The observer that writes log lines.
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
                tracing::info!(%source, path, why, wait_seconds = wait.as_secs_f64(), "retrying request");
            }
            RunEvent::Progress { source, list, received, expected } => {
                tracing::trace!(%source, list = list.as_str(), received, expected, "progress");
            }
            RunEvent::Drift { source, list, why } => {
                tracing::info!(%source, list = list.as_str(), why, "list changed while it was read; reading it again");
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
                tracing::error!(destination, delivered, waiting, error, "events are queued and not yet delivered");
            }
            RunEvent::Note { source: Some(source), text } => tracing::debug!(%source, "note: {text}"),
            RunEvent::Note { source: None, text } => tracing::debug!("note: {text}"),
            RunEvent::Warning { source: Some(source), text } => tracing::warn!(%source, "{text}"),
            RunEvent::Warning { source: None, text } => tracing::warn!("{text}"),
        }
    }
}

/// Rows received and expected, by source and list.
type ListCounts = BTreeMap<(String, ListKind), (u64, Option<u64>)>;

/// The progress bar. It counts the rows of all lists of all sources.
#[derive(Clone)]
pub struct ProgressDisplay {
    bar: ProgressBar,
    lists: Arc<Mutex<ListCounts>>,
}

impl ProgressDisplay {
    /// Creates a bar on stderr, or one that is never drawn.
    pub fn new(is_shown: bool) -> Self {
        // The hidden bar still counts, so the callers need not know whether it is shown.
        let target = if is_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{spinner} {msg}  {wide_bar:.cyan/dim}  {elapsed_precise}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, lists: Arc::default() }
    }

    /// Removes the bar from the terminal.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn progress(&self, source: &str, list: ListKind, received: u64, expected: Option<u64>) {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.insert((source.to_owned(), list), (received, expected));
        let rows: u64 = lists.values().map(|(received, _)| received).sum();
        // A list without a total counts with what it has: the bar is then full rather than empty.
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
