//! The metrics of a run for Prometheus: a file for the textfile collector of `node_exporter`, in text format 0.0.4.
//!
//! Only [`Run::write_metrics`] touches the disk. Metrics without a sample are left out, because 0 would be a claim.

use super::context::Run;
use super::summary::{DestinationSummary, RunSummary};
use crate::event::RunEvent;
use crate::model::{ListKind, SourceStatus};
use crate::snapshot::manifest::SourceEntry;
use crate::snapshot::{self, Store};
use chrono::DateTime;
use std::fmt::Write as _;

impl Run<'_> {
    /// Writes the configured metrics file, except in a dry run. A failure is added to the summary as a warning.
    pub(super) fn write_metrics(&self, summary: &mut RunSummary) {
        let config = self.request.config;
        let Some(path) = config.metrics_file.as_ref().filter(|_| !self.request.dry_run) else { return };
        let complete = Store::new(&config.output.dir).latest_complete().ok().flatten();
        let last_complete =
            complete.and_then(|published| snapshot::started_at(&published.run_id)).map(|at| at.timestamp());
        let text = render(summary, last_complete);
        // Readable for everybody: the collector runs as another user, and the file contains no personal data.
        if let Err(error) = snapshot::replace_file(path, text.as_bytes(), snapshot::Readers::All) {
            let text = format!("failed to {error}");
            self.observer.notify(&RunEvent::Warning { source: None, text: &text });
            summary.warnings.push(text);
        }
    }
}

/// A metric with its samples: labels in braces, and the value.
struct Metric {
    name: &'static str,
    help: &'static str,
    samples: Vec<(String, f64)>,
}

/// Renders the file. `last_complete` is the start of the newest complete run, in seconds since 1970-01-01 UTC.
fn render(summary: &RunSummary, last_complete: Option<i64>) -> String {
    let mut text = String::new();
    for metric in metrics(summary, last_complete) {
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
        for (labels, value) in metric.samples {
            let _ = writeln!(text, "bt_rollcall_{}{labels} {value}", metric.name);
        }
    }
    text
}

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
    ]);
    metrics
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
