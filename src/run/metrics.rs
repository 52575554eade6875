//! The Prometheus textfile (for `node_exporter`'s textfile collector; text format 0.0.4). Pure.

use super::ending::Ending;
use crate::model::{ListKind, SourceStatus};
use crate::snapshot::manifest::SourceEntry;
use chrono::DateTime;
use std::fmt::Write as _;

/// One metric with its samples.
struct Metric {
    name: &'static str,
    help: &'static str,
    samples: Vec<(String, f64)>,
}

/// Renders the file. `last_complete` is when the newest complete snapshot was made, in seconds since 1970.
pub(super) fn render(ending: &Ending, last_complete: Option<i64>) -> String {
    let mut text = String::new();
    for metric in metrics(ending, last_complete) {
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

fn metrics(ending: &Ending, last_complete: Option<i64>) -> Vec<Metric> {
    let alone = |value: f64| vec![(String::new(), value)];
    let metric = |name, help, samples| Metric { name, help, samples };
    let by_source = |pick: &dyn Fn(&SourceEntry) -> Option<f64>| {
        let sample = |s: &SourceEntry| Some((labels(&[("source", &s.name)]), pick(s)?));
        ending.sources.iter().filter_map(sample).collect()
    };
    let finished = seconds(&ending.finished_at);
    let duration = finished.zip(seconds(&ending.started_at)).map(|(end, start)| end - start);
    vec![
        metric("last_run_exit_code", "Exit code of the last run.", alone(f64::from(ending.exit_code))),
        metric("last_run_timestamp_seconds", "When the last run ended.", finished.map(alone).unwrap_or_default()),
        metric("last_run_duration_seconds", "How long the last run took.", duration.map(alone).unwrap_or_default()),
        metric("last_run_published", "1 if the last run published a snapshot.", alone(flag(ending.published))),
        metric(
            "last_complete_timestamp_seconds",
            "When the newest complete snapshot was made.",
            last_complete.map(|at| alone(number(at.unsigned_abs()))).unwrap_or_default(),
        ),
        metric(
            "source_complete",
            "1 if every list of the source was proven complete.",
            by_source(&|s| Some(flag(s.status == SourceStatus::Complete))),
        ),
        metric(
            "source_users",
            "Users that the source gave.",
            by_source(&|s| s.list(ListKind::Users).map(|l| number(l.distinct))),
        ),
        metric(
            "source_groups",
            "Groups that the source gave.",
            by_source(&|s| s.list(ListKind::Groups).map(|l| number(l.distinct))),
        ),
        metric(
            "source_requests",
            "HTTP requests for the lists of the source.",
            by_source(&|s| Some(number(s.lists.iter().map(|l| l.requests).sum()))),
        ),
        metric(
            "source_clock_skew_seconds",
            "The server's clock minus ours.",
            by_source(&|s| {
                s.clock_skew_seconds.map(|skew| number(skew.unsigned_abs()) * if skew < 0 { -1.0 } else { 1.0 })
            }),
        ),
        metric(
            "findings",
            "Findings by rule.",
            ending.counts.findings.iter().map(|(rule, n)| (labels(&[("rule", rule)]), number(*n))).collect(),
        ),
        metric(
            "findings_by_severity",
            "Findings by severity.",
            ending.severities.iter().map(|(s, n)| (labels(&[("severity", s)]), number(*n))).collect(),
        ),
        metric("events_delivered", "Events that the destination took.", destinations(ending, |d| d.delivered)),
        metric("events_waiting", "Events that wait in the spool.", destinations(ending, |d| d.waiting)),
    ]
}

fn destinations(ending: &Ending, pick: impl Fn(&super::ending::DestinationEnding) -> u64) -> Vec<(String, f64)> {
    ending.destinations.iter().map(|d| (labels(&[("destination", &d.destination)]), number(pick(d)))).collect()
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

/// `{name="value"}` with the escapes of the text format.
fn labels(pairs: &[(&str, &str)]) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", pairs.join(","))
}
