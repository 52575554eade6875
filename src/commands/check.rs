//! `check`: validates the configuration and, with `--online`, everything that a run needs.
//!
//! An online check tests folders for write access, probes each source, and sends a test event to each destination. It evaluates
//! nothing and writes no snapshot. Each result is one line: `ok`, `note`, `warn` or `BAD`.

mod paths;

use super::stdout::{Printed, print_summary};
use super::{configuration, counted, log_config_error};
use crate::cli::{CheckArgs, Global};
use crate::config::{Config, destination_in_words};
use crate::escape::Lines;
use crate::event::Observer;
use crate::model::ListKind;
use crate::report::thousands;
use crate::run::observers::Log;
use crate::run::stop::Stop;
use crate::run::{self, Exit, Origin, RunError};
use crate::run_manifest::patterns::{self, Population};
use crate::snapshot::manifest::PatternEntry;
use crate::snapshot::{self, SnapshotError, Store};
use crate::source::{self, Objects, Probe, ProbedList, SourceSettings};
use crate::syslog::deliver::send_test;
use crate::syslog::session::Timing;
use crate::syslog::{Destination, Proof, SyslogDestination};
use crate::wire::RequestPlan;
use chrono::Utc;
use std::path::Path;
use std::sync::Arc;

/// A larger difference of clocks makes ages wrong; a run reports it as a finding.
const MAX_SKEW_SECONDS: u64 = 300;

/// Executes `check` and returns its exit code.
pub(super) fn check(global: &Global, args: CheckArgs) -> Exit {
    let config = match configuration(global) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    if let Err(error) = config.check_exception_lifetimes(Utc::now()) {
        return log_config_error(global, &error);
    }
    let mut checks = Checks::default();
    checks.good(format!(
        "configuration {}: valid, {}, {}",
        config.path.display(),
        counted(config.sources.len(), "source"),
        counted(config.destinations.len(), "destination")
    ));
    for note in &config.notes {
        checks.note(note);
    }
    if !config.policy.custom_rules.is_empty() {
        let rules = counted(config.policy.custom_rules.len(), "custom rule");
        checks.good(format!("{rules}: valid, each tested with sample accounts"));
    }
    for expired in config.expired_exceptions(Utc::now()) {
        checks.warn(expired.to_string());
    }
    if config.destinations.is_empty() {
        checks.note("no [[syslog]] or [[http]] destination: findings will not be sent to a SIEM");
    }
    for destination in &config.destinations {
        checks.good(format!("{}: {}", destination.url(), destination_in_words(destination)));
    }
    check_snapshots(&config.output.dir, &mut checks);
    let impossible = paths::impossible(&config);
    let can_write = impossible.is_empty();
    for why in impossible {
        checks.bad(why);
    }
    if args.online {
        online(&config, can_write, &mut checks);
    }
    print_summary(&Printed::Lines(&checks.text));
    if checks.bad > 0 { Exit::NothingPublished } else { Exit::Complete }
}

/// Result lines for people, and how many of them are failures.
#[derive(Default)]
struct Checks {
    text: Lines,
    bad: usize,
}

impl Checks {
    fn good(&mut self, text: impl AsRef<str>) {
        self.line("ok  ", text.as_ref());
    }

    fn note(&mut self, text: impl AsRef<str>) {
        self.line("note", text.as_ref());
    }

    fn warn(&mut self, text: impl AsRef<str>) {
        self.line("warn", text.as_ref());
    }

    fn bad(&mut self, text: impl AsRef<str>) {
        self.bad += 1;
        self.line("BAD ", text.as_ref());
    }

    fn line(&mut self, mark: &str, text: &str) {
        self.text.line(format_args!("{mark}  {text}"));
    }
}

fn online(config: &Config, can_write: bool, checks: &mut Checks) {
    for folder in [&config.state_dir, &config.output.dir].into_iter().filter(|_| can_write) {
        check_writable(folder, |error| RunError::from(error).hint(), checks);
    }
    // The folder of the metrics file belongs to the Prometheus exporter, so it is not created here.
    if let Some(file) = config.metrics_file.as_deref().filter(|_| can_write) {
        let folder = file.parent().unwrap_or(file);
        check_writable(folder, |error| run::metrics_cure(file, &error), checks);
    }
    match Stop::on_signals() {
        Ok(stop) => {
            check_sources(config, &stop, checks);
            for destination in config.destinations.iter().take_while(|_| stop.requested_by().is_none()) {
                check_destination(destination, &stop, checks);
            }
        }
        Err(error) => checks.bad(format!("failed to listen for signals: {error}")),
    }
}

/// Checks the sources one after the other, and the patterns on the pages that were read.
fn check_sources(config: &Config, stop: &Stop, checks: &mut Checks) {
    let mut probes = Vec::new();
    for settings in config.sources.iter().take_while(|_| stop.requested_by().is_none()) {
        match run::block_on(check_source(settings, stop, checks)) {
            Ok(probe) => probes.push((settings.identity.name.as_str(), probe)),
            Err(error) => checks.bad(format!("failed to start the event loop: {error}")),
        }
    }
    // Where nothing was read, nothing is known about a pattern.
    let is_read = |probe: &Probe| probe.lists.iter().any(|list| list.page.is_ok());
    if probes.iter().any(|(_, probe)| probe.as_ref().is_some_and(is_read)) {
        let populations = probes.iter().map(|(name, probe)| patterns::of_probe(name, probe.as_ref()));
        report_patterns(config, &populations.collect::<Vec<_>>(), checks);
    }
}

/// Checks that the snapshots can be read, because a run continues from the newest one.
fn check_snapshots(dir: &Path, checks: &mut Checks) {
    match run::unreadable(&Store::new(dir)) {
        Ok(warnings) => warnings.iter().for_each(|warning| checks.warn(warning)),
        Err(error) => {
            let hint = error.hint().map_or_else(String::new, |hint| format!("; {hint}"));
            checks.bad(error.message() + &hint);
        }
    }
}

/// Checks a folder, and removes the folders that the check made: those of a check by root would keep the job out. `hint` returns the
/// cure of an error.
fn check_writable(folder: &Path, hint: impl FnOnce(SnapshotError) -> Option<String>, checks: &mut Checks) {
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    let tested = snapshot::test_write_access(folder);
    for made in missing {
        // Fails where something else uses the folder by now. Then it is to stay.
        let _ = std::fs::remove_dir(made);
    }
    match tested {
        Ok(()) => checks.good(format!("{}: writable", folder.display())),
        Err(error) => {
            let text = format!("failed to {error}");
            checks.bad(text + &hint(error).map_or_else(String::new, |hint| format!("; {hint}")));
        }
    }
}

/// Checks a source. Returns its first pages, if it could be read.
async fn check_source(settings: &SourceSettings, stop: &Stop, checks: &mut Checks) -> Option<Probe> {
    let name = &settings.identity.name;
    // The probe waits for a busy appliance. Without the log lines of retries the command would seem to hang.
    let log: Arc<dyn Observer> = Arc::new(Log);
    match source::build(settings, log) {
        Ok(source) => {
            let probe = tokio::select! {
                probe = source.probe() => Some(probe),
                _ = stop.wait() => None,
            };
            // Also after a signal: the source may have opened a session on the appliance.
            source.sign_out().await;
            match &probe {
                Some(probe) => report_probe(name.as_str(), settings, probe, checks),
                None => checks.bad(format!("source {name}: the check was stopped before the source answered")),
            }
            probe
        }
        Err(error) => {
            checks.bad(format!("source {name}: {error}"));
            None
        }
    }
}

/// Reports the matches of each pattern over the pages that were read.
fn report_patterns(config: &Config, populations: &[Population<'_>], checks: &mut Checks) {
    for entry in patterns::count(config, populations, |_| true) {
        let PatternEntry { key, pattern, matches, complete, nearest } = &entry;
        let read = if *complete { "" } else { " on the pages that were read" };
        match entry.warning() {
            Some(warning) => checks.warn(warning),
            None if *matches == 0 => {
                let hint =
                    nearest.as_ref().map_or_else(String::new, |name| format!("; the most similar name is {name:?}"));
                checks.note(format!("{key}: {pattern:?} matches nothing{read}{hint}; a run reads the rest"));
            }
            None => checks.good(format!("{key}: {pattern:?} matches {}{read}", thousands(*matches))),
        }
    }
}

fn report_probe(name: &str, settings: &SourceSettings, probe: &Probe, checks: &mut Checks) {
    for list in &probe.lists {
        match &list.page {
            Ok((rows, total)) => checks.good(format!("source {name}: {}", list_in_words(list, *rows, *total))),
            Err(why) => checks.bad(format!("source {name}: {}: {why}{}", list.kind.as_str(), partly_tried(list))),
        }
    }
    match probe.clock_skew_seconds {
        Some(skew) if skew.unsigned_abs() > MAX_SKEW_SECONDS => checks.bad(format!(
            "source {name}: its clock differs from the clock of this host by {skew} s; synchronise both (NTP)"
        )),
        Some(skew) => {
            checks.good(format!("source {name}: its clock differs from the clock of this host by {skew} s"));
        }
        None => {}
    }
    for note in &probe.notes {
        checks.note(format!("source {name}: {note}"));
    }
    if let Some(plan) = &probe.plan {
        report_cost(name, settings, plan, checks);
    }
    if let Some(why) = &probe.beyond_limits {
        checks.bad(format!("source {name}: {why}"));
    }
}

/// Describes a list that could be read: rows, total, and the objects that it was read from.
fn list_in_words(list: &ProbedList, rows: u64, total: Option<u64>) -> String {
    let kind = list.kind.as_str();
    let Some(objects) = list.objects else {
        return match total {
            Some(total) if total < rows => {
                format!("{rows} {kind} in one page; the API reports no total of the list: {total} contradicts the rows")
            }
            Some(total) => format!("{rows} of {} {kind} in one page", thousands(total)),
            None => format!("{rows} {kind} in one page; the API reports no total"),
        };
    };
    let tried = tried(list.kind, objects);
    match total.filter(|total| *total > rows) {
        _ if !objects.are_all() => format!("{rows} {kind} of {tried}; a run reads all of them"),
        Some(total) => format!("{rows} of {} {kind} in the first page of each of {tried}", thousands(total)),
        None => format!("{rows} {kind} of {tried}"),
    }
}

/// Returns the end of a failure line where only some objects were tried, such as `; 200 of 1,340 groups were tried`.
fn partly_tried(list: &ProbedList) -> String {
    let part = list.objects.filter(|objects| objects.of.is_some_and(|of| of > objects.tried));
    part.map_or_else(String::new, |objects| format!("; {} were tried", tried(list.kind, objects)))
}

/// Describes the objects whose lists were tried: `61 groups`, or `200 of 1,340 groups`.
fn tried(kind: ListKind, objects: Objects) -> String {
    let object = match kind {
        ListKind::Members => "group",
        ListKind::VendorUsers => "vendor",
        _ => "user",
    };
    match objects.of {
        Some(of) if of > objects.tried => format!("{} of {} {object}s", objects.tried, thousands(of)),
        _ if objects.tried == 1 => format!("1 {object}"),
        _ => format!("{} {object}s", objects.tried),
    }
}

fn report_cost(name: &str, settings: &SourceSettings, plan: &RequestPlan, checks: &mut Checks) {
    let requests = plan.requests();
    let seconds = f64::from(u32::try_from(requests).unwrap_or(u32::MAX)) / settings.client.requests_per_second;
    let about = if plan.is_minimum() { "at least" } else { "about" };
    let limit = settings
        .client
        .requests_per_hour
        .map_or_else(String::new, |limit| format!("; requests_per_hour allows {}", thousands(u64::from(limit))));
    checks.good(format!(
        "source {name}: a run takes {about} {} requests ({}), at least {seconds:.0} s at {} per second{limit}",
        thousands(requests),
        plan.arithmetic(),
        settings.client.requests_per_second
    ));
}

fn check_destination(destination: &Destination, stop: &Stop, checks: &mut Checks) {
    let sender = run::sender(&Origin::of_this_process());
    let is_stopped = || stop.requested_by().is_some();
    match send_test(destination, &sender, Utc::now(), &Timing::default(), &is_stopped) {
        Ok(()) => {
            checks.good(format!("{}: a run.test event was sent; check that the receiver shows it", destination.url()));
            if let Destination::Syslog(destination) = destination {
                note_proof(destination, checks);
            }
        }
        Err(error) => checks.bad(format!("{}: {error}", destination.url())),
    }
}

/// Notes what the success of a test does not prove.
fn note_proof(destination: &SyslogDestination, checks: &mut Checks) {
    let url = &destination.url;
    if destination.transport.is_datagram() {
        checks.note(format!(
            "{url}: the delivery of datagrams cannot be proven; use relp+tls://, tls:// or tcp:// if the receiver supports it"
        ));
    } else if destination.proof == Proof::Sent {
        checks.note(format!("{url}: delivery_proof = \"sent\" does not prove that the receiver read the event"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_the_check_made_are_removed_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let mut checks = Checks::default();
        check_writable(&folder.path().join("state/snapshots"), |_| None, &mut checks);
        assert_eq!((checks.bad, std::fs::read_dir(folder.path()).unwrap().count()), (0, 0), "{}", checks.text);
        check_writable(folder.path(), |_| None, &mut checks);
        assert!(folder.path().exists());
    }
}
