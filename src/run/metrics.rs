//! The metrics for Prometheus: files for the textfile collector of `node_exporter`, in text format 0.0.4.
//!
//! One file has the metrics of the last run ([`Run::write_metrics`]). A second one next to it has those of the last
//! attempt ([`write_attempt`]), which may have ended before a run could start. Metrics without a sample are left out,
//! because 0 would be a claim.

use super::Exit;
use super::context::Run;
use super::summary::{DestinationSummary, RunSummary, SpoolSummary};
use crate::config;
use crate::event::RunEvent;
use crate::model::{Instant, ListKind, SourceStatus};
use crate::regular_file::{self, MAX_TEXT};
use crate::snapshot::manifest::SourceEntry;
use crate::snapshot::{self, SnapshotError, Store};
use chrono::DateTime;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use toml::Table;

impl Run<'_> {
    /// Writes the configured metrics file, except in a dry run. A failure is added to the summary as a warning.
    pub(super) fn write_metrics(&self, summary: &mut RunSummary) {
        let config = self.request.config;
        let Some(path) = config.metrics_file.as_ref().filter(|_| !self.request.dry_run) else { return };
        let complete = Store::new(&config.output.dir).latest_complete().ok().flatten();
        let last_complete =
            complete.and_then(|published| snapshot::started_at(&published.run_id)).map(|at| at.timestamp());
        let text = render(&metrics(summary, last_complete));
        // Readable for everybody: the collector runs as another user, and the file contains no personal data.
        if let Err(error) = snapshot::replace_file(path, text.as_bytes(), snapshot::Readers::All) {
            let cure = metrics_cure(path, &error).map_or_else(String::new, |cure| format!("; {cure}"));
            let text = format!("failed to {error}{cure}");
            self.observer.notify(&RunEvent::Warning { source: None, text: &text });
            summary.warnings.push(text);
        }
    }
}

/// Returns what to do about a metrics file that cannot be written. Its folder belongs to the collector and stays as it is.
pub fn metrics_cure(path: &Path, error: &SnapshotError) -> Option<String> {
    let SnapshotError::Io { source, .. } = error else { return None };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).display();
    match source.kind() {
        ErrorKind::NotFound => Some(format!("create the folder {folder}, or correct metrics_file")),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Some(format!(
            "metrics_file: let this user write in {folder}, for example through the group of the folder; a unit needs \
             ReadWritePaths={folder}, too"
        )),
        _ => error.hint().map(str::to_owned),
    }
}

/// Writes the metrics of an attempt next to the metrics file: `x.prom` becomes `x-attempt.prom`.
///
/// Called at every end of `run`, also where the configuration is invalid or another run holds the lock.
pub fn write_attempt(metrics_file: &Path, exit: Exit, now: Instant) -> Result<(), SnapshotError> {
    let metric = |name, help, value| Metric { name, help, samples: vec![(String::new(), value)] };
    let text = render(&[
        metric("last_attempt_exit_code", "Exit code of the last attempt to run.", f64::from(exit.code())),
        metric(
            "last_attempt_timestamp_seconds",
            "When the last attempt to run ended.",
            number(now.timestamp().unsigned_abs()),
        ),
    ]);
    snapshot::replace_file(&attempt_file(metrics_file), text.as_bytes(), snapshot::Readers::All)
}

/// Returns the file with the metrics of the last attempt.
pub(super) fn attempt_file(metrics_file: &Path) -> PathBuf {
    let part = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    // The collector reads only files that end with `.prom`.
    let (stem, extension) = (part(metrics_file.file_stem()), part(metrics_file.extension()));
    let dot = if extension.is_empty() { "" } else { "." };
    metrics_file.with_file_name(format!("{stem}-attempt{dot}{extension}"))
}

/// Returns the `metrics_file` of a configuration that may be invalid; `None` where the key cannot be read.
///
/// Where the file is no TOML at all, only the lines before its first table are read, each on its own.
pub fn metrics_file_in(configuration: &Path) -> Option<PathBuf> {
    // Whoever can change the configuration could let root overwrite any file.
    config::check_trust(configuration).ok()?;
    let text = regular_file::read_text(configuration, MAX_TEXT).ok()?;
    let value = |table: &Table| Some(table.get("metrics_file")?.as_str()?.to_owned());
    let found = if let Ok(table) = toml::from_str::<Table>(&text) {
        value(&table)
    } else {
        let lines = text.lines().take_while(|line| !line.trim_start().starts_with('['));
        lines.filter_map(|line| toml::from_str::<Table>(line).ok()).find_map(|table| value(&table))
    };
    // As in a valid configuration, relative paths are relative to its folder.
    Some(configuration.parent().unwrap_or(Path::new("")).join(found?))
}

/// A metric with its samples: labels in braces, and the value.
struct Metric {
    name: &'static str,
    help: &'static str,
    samples: Vec<(String, f64)>,
}

/// Renders a file.
fn render(metrics: &[Metric]) -> String {
    let mut text = String::new();
    for metric in metrics {
        // A HELP line without a sample would announce a metric that does not exist.
        if metric.samples.is_empty() {
            continue;
        }
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "# HELP bt_rollcall_{} {}\n# TYPE bt_rollcall_{} gauge",
            metric.name, metric.help, metric.name
        );
        for (labels, value) in &metric.samples {
            let _ = writeln!(text, "bt_rollcall_{}{labels} {value}", metric.name);
        }
    }
    text
}

/// Returns the metrics of a run. `last_complete` is the start of the newest complete run, in seconds since 1970-01-01 UTC.
fn metrics(summary: &RunSummary, last_complete: Option<i64>) -> Vec<Metric> {
    let alone = |value: f64| vec![(String::new(), value)];
    let metric = |name, help, samples| Metric { name, help, samples };
    let finished = seconds(&summary.finished_at);
    let duration = finished.zip(seconds(&summary.started_at)).map(|(end, start)| end - start);
    let mut metrics = vec![
        metric("last_run_exit_code", "Exit code of the last run.", alone(f64::from(summary.exit_code))),
        metric("last_run_timestamp_seconds", "When the last run ended.", finished.map(alone).unwrap_or_default()),
        metric("last_run_duration_seconds", "How long the last run took.", duration.map(alone).unwrap_or_default()),
        metric("last_run_published", "1 if the last run published a snapshot.", alone(flag(summary.published))),
        metric(
            "last_complete_timestamp_seconds",
            "When the newest complete run started.",
            last_complete.map(|at| alone(number(at.unsigned_abs()))).unwrap_or_default(),
        ),
    ];
    metrics.extend(source_metrics(&summary.sources));
    metrics.extend([
        metric(
            "findings",
            "Findings by rule.",
            summary.counts.findings.iter().map(|(rule, n)| (labels(&[("rule", rule)]), number(*n))).collect(),
        ),
        metric(
            "findings_by_severity",
            "Findings by severity.",
            summary.severities.iter().map(|(s, n)| (labels(&[("severity", s)]), number(*n))).collect(),
        ),
        metric(
            "events_delivered",
            "Events that were delivered to the destination.",
            destinations(summary, |d| d.delivered),
        ),
        metric("events_waiting", "Events that are queued and not yet delivered.", destinations(summary, |d| d.waiting)),
        metric(
            "events_dead",
            "Events that the destination refused for ever in the last run.",
            destinations(summary, |d| d.dead),
        ),
    ]);
    metrics.extend(spool_metrics(summary.spool));
    metrics
}

fn spool_metrics(spool: Option<SpoolSummary>) -> Vec<Metric> {
    let metric = |name, help, pick: fn(SpoolSummary) -> u64| Metric {
        name,
        help,
        samples: spool.map(|spool| (String::new(), number(pick(spool)))).into_iter().collect(),
    };
    vec![
        metric("spool_bytes", "Size of the spool.", |spool| spool.octets),
        metric("spool_limit_bytes", "Size of the spool at which runs publish nothing.", |spool| spool.limit_octets),
        metric("spool_overdue_runs", "Runs whose events have been queued for longer than spool.max_days.", |spool| {
            spool.overdue_runs
        }),
        metric("spool_damaged_files", "Files of the spool that cannot be sent.", |spool| spool.damaged),
    ]
}

fn source_metrics(sources: &[SourceEntry]) -> Vec<Metric> {
    let metric = |name, help, samples| Metric { name, help, samples };
    let by_source = |pick: &dyn Fn(&SourceEntry) -> Option<f64>| {
        let sample = |s: &SourceEntry| Some((labels(&[("source", &s.name)]), pick(s)?));
        sources.iter().filter_map(sample).collect()
    };
    vec![
        metric(
            "source_complete",
            "1 if every list of the source was proven complete.",
            by_source(&|s| Some(flag(s.status == SourceStatus::Complete))),
        ),
        metric(
            "source_users",
            "Users read from the source.",
            by_source(&|s| s.list(ListKind::Users).map(|l| number(l.distinct))),
        ),
        metric(
            "source_groups",
            "Groups read from the source.",
            by_source(&|s| s.list(ListKind::Groups).map(|l| number(l.distinct))),
        ),
        metric(
            "source_requests",
            "HTTP requests for the lists of the source.",
            by_source(&|s| Some(number(s.lists.iter().map(|l| l.requests).sum()))),
        ),
        metric(
            "source_clock_skew_seconds",
            "Clock of the server minus the clock of this host.",
            by_source(&|s| {
                s.clock_skew_seconds.map(|skew| number(skew.unsigned_abs()) * if skew < 0 { -1.0 } else { 1.0 })
            }),
        ),
    ]
}

fn destinations(summary: &RunSummary, pick: impl Fn(&DestinationSummary) -> u64) -> Vec<(String, f64)> {
    summary.destinations.iter().map(|d| (labels(&[("destination", &d.destination)]), number(pick(d)))).collect()
}

fn seconds(instant: &str) -> Option<f64> {
    let at = DateTime::parse_from_rfc3339(instant).ok()?;
    Some(number(at.timestamp_millis().unsigned_abs()) / 1000.0)
}

#[expect(clippy::cast_precision_loss, reason = "the format knows only floating point; counts are far below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

fn flag(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

/// Returns labels as `{name="value"}`, escaped as the text format requires.
fn labels(pairs: &[(&str, &str)]) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", pairs.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn folder_of_the_metrics_file_is_not_taken_from_its_collector() {
        let of = |kind: ErrorKind| {
            let error = SnapshotError::io("write in", "/var/lib/node_exporter")(kind.into());
            metrics_cure(Path::new("/var/lib/node_exporter/bt.prom"), &error).unwrap()
        };
        assert_eq!(of(ErrorKind::NotFound), "create the folder /var/lib/node_exporter, or correct metrics_file");
        let denied = of(ErrorKind::PermissionDenied);
        assert!(denied.contains("metrics_file: let this user write in /var/lib/node_exporter"), "{denied}");
        assert!(denied.contains("ReadWritePaths=/var/lib/node_exporter") && !denied.contains("owner"), "{denied}");
    }

    #[test]
    fn a_label_cannot_end_its_line_or_its_quotes() {
        let labels = labels(&[("destination", "a\"} 1\nforged 2\\")]);
        assert_eq!(labels, r#"{destination="a\"} 1\nforged 2\\"}"#);
    }

    #[test]
    fn the_file_of_attempts_is_next_to_the_metrics_file_and_read_by_the_same_collector() {
        assert_eq!(attempt_file(Path::new("/m/bt.prom")), Path::new("/m/bt-attempt.prom"));
        assert_eq!(attempt_file(Path::new("/m/bt")), Path::new("/m/bt-attempt"));
    }

    #[test]
    fn the_key_is_found_in_a_configuration_that_is_invalid_or_no_toml() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        for text in ["metrics_file = 'm.prom'\npage_sice = 1", "metrics_file = \"m.prom\" # x\nurl = https://x\n[a]"] {
            fs::write(&path, text).unwrap();
            assert_eq!(metrics_file_in(&path), Some(folder.path().join("m.prom")));
        }
        for text in ["", "[output]\nmetrics_file = 'm.prom'\nbroken", "metrics_file = 1"] {
            fs::write(&path, text).unwrap();
            assert_eq!(metrics_file_in(&path), None);
        }
        assert_eq!(metrics_file_in(&folder.path().join("missing")), None);
    }
}
