//! `check`: is the configuration right; with `--online`, does everything answer that a run needs.

use super::{configuration, counted, print, wrong_configuration};
use crate::cli::{CheckArgs, Global};
use crate::config::Config;
use crate::event::Observer;
use crate::model::ListKind;
use crate::report::thousands;
use crate::run::observers::Log;
use crate::run::stop::Stop;
use crate::run::{self, Exit, Origin};
use crate::snapshot;
use crate::source::{self, Objects, Probe, ProbedList, SourceSettings};
use crate::syslog::deliver::send_test;
use crate::syslog::transport::Timing;
use crate::syslog::{Destination, Proof, Transport};
use crate::wire::RequestPlan;
use chrono::Utc;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

pub(super) fn check(global: &Global, args: CheckArgs) -> Exit {
    let config = match configuration(global) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    if let Err(error) = config.lives_of_exceptions(Utc::now()) {
        return wrong_configuration(&error);
    }
    let mut checks = Checks::default();
    checks.good(format!(
        "configuration {}: {}, {}",
        config.path.display(),
        counted(config.sources.len(), "source"),
        counted(config.destinations.len(), "syslog destination")
    ));
    for note in &config.notes {
        checks.note(note);
    }
    if !config.policy.custom_rules.is_empty() {
        checks.good(format!("{}, each tried over samples", counted(config.policy.custom_rules.len(), "custom rule")));
    }
    if config.destinations.is_empty() {
        checks.note("no [[syslog]] destination: no SIEM will hear of findings");
    }
    if args.online {
        online(&config, &mut checks);
    }
    let printed = print(&checks.text);
    if checks.bad > 0 { Exit::NothingPublished } else { printed }
}

/// Lines for people, and how many of them are bad.
#[derive(Default)]
struct Checks {
    text: String,
    bad: usize,
}

impl Checks {
    fn good(&mut self, text: impl AsRef<str>) {
        self.line("ok  ", text.as_ref());
    }

    fn note(&mut self, text: impl AsRef<str>) {
        self.line("note", text.as_ref());
    }

    fn bad(&mut self, text: impl AsRef<str>) {
        self.bad += 1;
        self.line("BAD ", text.as_ref());
    }

    fn line(&mut self, mark: &str, text: &str) {
        // Writing into a String cannot fail.
        let _ = writeln!(self.text, "{mark}  {text}");
    }
}

fn online(config: &Config, checks: &mut Checks) {
    for folder in [&config.state_dir, &config.output.dir] {
        writable(folder, checks);
    }
    // It belongs to another program: it is not made here.
    match config.metrics_file.as_deref().and_then(Path::parent) {
        Some(folder) if folder.is_dir() => writable(folder, checks),
        Some(folder) => checks.bad(format!("{}: the folder of metrics_file is not there; make it", folder.display())),
        None => {}
    }
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => match Stop::on_signals() {
            Ok(stop) => {
                for settings in config.sources.iter().take_while(|_| stop.asked().is_none()) {
                    runtime.block_on(appliance(settings, &stop, checks));
                }
            }
            Err(error) => checks.bad(format!("listening for signals: {error}")),
        },
        Err(error) => checks.bad(format!("the event loop: {error}")),
    }
    for destination in &config.destinations {
        receiver(destination, checks);
    }
}

fn writable(folder: &Path, checks: &mut Checks) {
    match snapshot::test_write_access(folder) {
        Ok(()) => checks.good(format!("{} can be written", folder.display())),
        Err(error) => {
            let hint = error.hint().map_or_else(String::new, |hint| format!("; {hint}"));
            checks.bad(format!("failed to {error}{hint}"));
        }
    }
}

async fn appliance(settings: &SourceSettings, stop: &Stop, checks: &mut Checks) {
    let name = &settings.identity.name;
    // A busy appliance is waited for: without the log lines of retries the command would seem to hang.
    let log: Arc<dyn Observer> = Arc::new(Log);
    match source::build(settings, log) {
        Ok(source) => {
            let probe = tokio::select! {
                probe = source.probe() => Some(probe),
                _ = stop.wait() => None,
            };
            // Whatever was opened is closed, also where the looking was broken off.
            source.leave().await;
            match probe {
                Some(probe) => show(name.as_str(), settings, &probe, checks),
                None => checks.bad(format!("source {name}: stopped before it answered")),
            }
        }
        Err(error) => checks.bad(format!("source {name}: {error}")),
    }
}

fn show(name: &str, settings: &SourceSettings, probe: &Probe, checks: &mut Checks) {
    for list in &probe.lists {
        match &list.page {
            Ok((rows, total)) => checks.good(format!("source {name}: {}", shown(list, *rows, *total))),
            Err(why) => checks.bad(format!("source {name}: {}: {why}{}", list.kind.as_str(), untried(list))),
        }
    }
    match probe.clock_skew_seconds {
        Some(skew) if skew.unsigned_abs() > 300 => {
            checks.bad(format!("source {name}: its clock differs from ours by {skew} s; correct one of them (NTP)"));
        }
        Some(skew) => checks.good(format!("source {name}: its clock differs from ours by {skew} s")),
        None => {}
    }
    for note in &probe.notes {
        checks.note(format!("source {name}: {note}"));
    }
    if let Some(plan) = &probe.plan {
        cost(name, settings, plan, checks);
    }
    if let Some(why) = &probe.beyond_limits {
        checks.bad(format!("source {name}: {why}"));
    }
}

/// Words for a list that could be read.
fn shown(list: &ProbedList, rows: u64, total: Option<u64>) -> String {
    let kind = list.kind.as_str();
    let Some(objects) = list.objects else {
        return match total {
            Some(total) => format!("{rows} of {} {kind} in one page", thousands(total)),
            None => format!("{rows} {kind} in one page; the API reports no total"),
        };
    };
    let tried = tried(list.kind, objects);
    match total.filter(|total| *total > rows) {
        _ if !objects.are_all() => format!("{rows} {kind} of {tried}; a run reads those of all"),
        Some(total) => format!("{rows} of {} {kind} in the first page of each of {tried}", thousands(total)),
        None => format!("{rows} {kind} of {tried}"),
    }
}

/// Returns what a line about a failure adds where the lists of some objects were not tried.
fn untried(list: &ProbedList) -> String {
    let part = list.objects.filter(|objects| objects.of.is_some_and(|of| of > objects.tried));
    part.map_or_else(String::new, |objects| format!("; {} were tried", tried(list.kind, objects)))
}

/// Words for the objects whose lists were tried: `61 groups`, or `200 of 1,340 groups`.
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

fn cost(name: &str, settings: &SourceSettings, plan: &RequestPlan, checks: &mut Checks) {
    let requests = plan.requests();
    let seconds = f64::from(u32::try_from(requests).unwrap_or(u32::MAX)) / settings.client.requests_per_second;
    let about = if plan.is_open() { "at least" } else { "about" };
    let limit = settings
        .client
        .requests_per_hour
        .map_or_else(String::new, |limit| format!("; {} an hour are allowed", thousands(u64::from(limit))));
    checks.good(format!(
        "source {name}: a run takes {about} {} requests ({}), {seconds:.0} s or more at {} a second{limit}",
        thousands(requests),
        plan.arithmetic(),
        settings.client.requests_per_second
    ));
}

fn receiver(destination: &Destination, checks: &mut Checks) {
    let sender = run::sender(&Origin::of_this_process());
    match send_test(destination, &sender, Utc::now(), &Timing::default()) {
        Ok(()) => {
            checks.good(format!("{}: a run.test event was sent; look for it there", destination.url));
            if matches!(destination.transport, Transport::Udp(..) | Transport::Unix(_)) {
                checks.note(format!(
                    "{}: nothing proves that datagrams arrive; prefer tls:// or tcp:// where the receiver has it",
                    destination.url
                ));
            } else if destination.proof == Proof::Sent {
                checks.note(format!(
                    "{}: delivery_proof = \"sent\" does not prove that the receiver read the event",
                    destination.url
                ));
            }
        }
        Err(error) => checks.bad(format!("{}: {error}", destination.url)),
    }
}
