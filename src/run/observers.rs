//! The log and the progress bar: two consumers of the events of a run.
//!
//! Both write to stderr, and every value passes [`visible`] on its way. The log hides the bar while it writes a line, so that
//! the two never mix.

use crate::escape::{self, visible};
use crate::event::{Observer, RunEvent};
use crate::model::{ListKind, SourceStatus};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::field::Field;
use tracing::{Level, Metadata};
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{self, Writer};
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
    let layer = tracing_subscriber::fmt::layer().with_target(false);
    let text = format::debug_fn(write_field).delimited(" ");
    // The result is ignored: tests start the log several times in one process.
    let _ = if settings.json {
        registry.with(layer.json().flatten_event(true).with_writer(JsonStderr(writer))).try_init()
    } else if settings.journal {
        let layer = layer.with_ansi(false).with_level(false).without_time().fmt_fields(text);
        registry.with(layer.with_writer(JournalStderr(writer))).try_init()
    } else {
        registry.with(layer.with_ansi(settings.color).fmt_fields(text).with_writer(writer)).try_init()
    };
}

/// Writes one field of a text line, with every character visible. Only then a name of a field is styled.
fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    let value = format!("{value:?}");
    let value = visible(&value);
    match (field.name(), writer.has_ansi_escapes()) {
        ("message", _) => write!(writer, "{value}"),
        // Lines of our own below the message, such as a mark under a piece of the configuration.
        (name, _) if name.starts_with("below_") => write!(writer, "\n{value}"),
        (name, true) => write!(writer, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m{value}"),
        (name, false) => write!(writer, "{name}={value}"),
    }
}

/// Writes lines for people to stderr where no log line is meant, such as the words of clap.
///
/// A closed or full stderr is no reason to fail: there is nowhere to report it.
pub fn write_stderr(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// A writer to stderr that hides the progress bar while it writes. It never fails, as [`write_stderr`] explains.
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
        // A full or closed stderr must not end the run. There is nowhere to report it either.
        self.0.bar.suspend(|| drop(io::stderr().write_all(line)));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A writer of JSON lines, in which every character is visible.
#[derive(Clone)]
struct JsonStderr(BarAwareStderr);

impl<'a> MakeWriter<'a> for JsonStderr {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}

impl Write for JsonStderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(escape::json(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Checks whether stderr is connected to the journal of systemd (systemd.exec(5), `$JOURNAL_STREAM`).
pub fn stderr_is_journal() -> bool {
    is_journal(io::stderr())
}

/// Checks whether stdout is connected to the journal, so that its lines stand next to those of the log.
pub fn stdout_is_journal() -> bool {
    is_journal(io::stdout())
}

/// The variable alone proves nothing, because a child process with another stream inherits it.
fn is_journal(stream: impl AsFd) -> bool {
    let journal = std::env::var("JOURNAL_STREAM").ok();
    let stat = rustix::fs::fstat(stream).ok();
    journal.zip(stat).is_some_and(|(journal, stat)| journal == format!("{}:{}", stat.st_dev, stat.st_ino))
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
            RunEvent::Delivery { destination, delivered, waiting, dead: 0, error: None } => {
                tracing::info!(destination, delivered, waiting, "events delivered");
            }
            RunEvent::Delivery { destination, delivered, waiting, dead, error: None } => {
                tracing::error!(destination, delivered, waiting, dead, "events refused; they are kept as dead letters");
            }
            RunEvent::Delivery { destination, delivered, waiting, dead, error } => {
                tracing::error!(
                    destination,
                    delivered,
                    waiting,
                    dead,
                    error,
                    "events are queued and not yet delivered"
                );
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
        // A list without a total counts with what it has: the bar is then full rather than empty. A server may report any total.
        let total =
            lists.values().map(|(received, expected)| expected.unwrap_or(*received)).fold(0, u64::saturating_add);
        self.bar.set_length(total.max(rows));
        self.bar.set_position(rows);
        let what = list.as_str();
        let of = expected.map_or_else(String::new, |total| format!(" of {total}"));
        self.bar.set_message(visible(&format!("{source}: {received}{of} {what}")).into_owned());
    }
}

impl Observer for ProgressDisplay {
    fn notify(&self, event: &RunEvent<'_>) {
        if let RunEvent::Progress { source, list, received, expected } = event {
            self.progress(source.as_str(), *list, *received, *expected);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_near_the_largest_number_are_shown_without_an_overflow() {
        let bar = ProgressDisplay::new(false);
        for list in [ListKind::Users, ListKind::Groups] {
            bar.progress("eu", list, 7, Some(u64::MAX));
        }
        assert_eq!((bar.bar.length(), bar.bar.position()), (Some(u64::MAX), 14));
    }
}
