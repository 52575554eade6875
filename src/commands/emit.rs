//! `emit`: delivers what is queued, tests every destination, or prints what would be sent.

use super::stdout::{Printed, print_product, print_summary};
use super::{configuration, log_error, log_run_error};
use crate::cli::{EmitArgs, Global};
use crate::config::Config;
use crate::escape::Lines;
use crate::run::observers::Log;
use crate::run::stop::Stop;
use crate::run::{self, DestinationSummary, Drained, Exit, Origin, SpoolSummary};
use crate::snapshot::{LockedStore, Store};
use crate::syslog::deliver::send_test;
use crate::syslog::facts::RunFacts;
use crate::syslog::message::{of_test, shown_test_text};
use crate::syslog::session::Timing;
use crate::syslog::spool::{QueuedFile, Spool, SpoolError, list};
use chrono::{SubsecRound, Utc};

/// Executes `emit` and returns its exit code.
pub(super) fn emit(global: &Global, args: EmitArgs) -> Exit {
    let config = match configuration(global) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    if args.dry_run {
        return print_frames(&config);
    }
    if args.test {
        return with_signals(|stop| test(&config, stop));
    }
    match Store::new(&config.output.dir).lock(&config.state_dir) {
        // After the lock: a signal before it ends the process, which has done nothing yet.
        Ok(store) => with_signals(|stop| drain(&config, &store, stop)),
        Err(error) => log_run_error(&error.into()),
    }
}

fn with_signals(work: impl FnOnce(&Stop) -> Exit) -> Exit {
    match Stop::on_signals() {
        Ok(stop) => work(&stop),
        Err(error) => log_error(&format!("failed to listen for signals: {error}"), None, Exit::NothingPublished),
    }
}

fn drain(config: &Config, store: &LockedStore, stop: &Stop) -> Exit {
    let spool = Spool::open(&config.state_dir, &config.output.dir);
    let drained = spool.and_then(|spool| {
        let spool = spool.with_limit(config.spool.max_octets);
        spool.recover(|run_id| store.is_published(run_id))?;
        run::drain(config, &spool, &Log, &|| stop.requested_by().is_some())
    });
    let Drained { destinations, spool, warnings } = match drained {
        Ok(drained) => drained,
        Err(error) => return log_run_error(&error.into()),
    };
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let mut text = Lines::default();
    for destination in &destinations {
        text.line(destination.in_words());
    }
    if let Some(line) = spool.and_then(SpoolSummary::in_words) {
        text.line(line);
    }
    print_summary(&Printed::Lines(&text));
    let has_waiting =
        spool.is_some_and(|spool| spool.damaged > 0) || destinations.iter().any(DestinationSummary::is_incomplete);
    if has_waiting { Exit::Waiting } else { Exit::Complete }
}

/// Sends one `run.test` event to each destination, and prints what to look for at the receiver.
fn test(config: &Config, stop: &Stop) -> Exit {
    if config.destinations.is_empty() {
        let hint = "add a [[syslog]] or [[http]] table to the configuration";
        return log_error("no destination of events is configured", Some(hint), Exit::Usage);
    }
    let sender = run::sender(&Origin::of_this_process());
    let now = Utc::now().trunc_subsecs(3);
    let is_stopped = || stop.requested_by().is_some();
    let (mut text, mut exit) = (Lines::default(), Exit::Complete);
    for destination in &config.destinations {
        match send_test(destination, &sender, now, &Timing::default(), &is_stopped) {
            Ok(()) => text.line(format_args!("{}: a run.test event was sent", destination.url())),
            Err(error) => {
                exit = Exit::NothingPublished;
                text.line(format_args!("{}: failed to send a run.test event: {error}", destination.url()));
            }
        }
    }
    let facts = RunFacts::of_test(&sender.host, now);
    text.line("look for it at each receiver:");
    text.line(format_args!("  code       run.test, with the id {}", of_test(&facts).id));
    text.line(format_args!("  text       {}", shown_test_text()));
    text.line("             in LEEF ^ is \u{ff3e}, because the format has no escapes");
    text.line(
        "  records    exactly one; a second one that begins with \"<110>1 newline\" shows wrong framing or parsing",
    );
    text.line("  end        the text ends with \"end\"; a receiver that stops before it cuts events");
    print_summary(&Printed::Lines(&text));
    exit
}

/// Prints the queued frames, one a line, as they will be sent. Changes nothing and takes no lock.
fn print_frames(config: &Config) -> Exit {
    let files = match list(&config.state_dir) {
        Ok(files) => files,
        Err(error) => return log_run_error(&error.into()),
    };
    for file in &files {
        match frames(config, file) {
            Ok(text) => {
                tracing::info!("{} of {}:", file.destination.as_deref().unwrap_or_default(), file.run_id);
                let exit = print_product(&Printed::Format(&text));
                if exit != Exit::Complete {
                    return exit;
                }
            }
            Err(error) => tracing::warn!("failed to {error}"),
        }
    }
    Exit::Complete
}

/// Returns the frames of a file, one a line. Those of a bulk API have two lines.
fn frames(config: &Config, file: &QueuedFile) -> Result<String, String> {
    let batch = file.batch.as_ref().map_err(ToString::to_string)?;
    let destination = config.destinations.iter().find(|destination| destination.url() == batch.destination);
    let frames = batch.each().map_err(|error| error.to_string())?;
    let line = |frame: Result<String, SpoolError>| {
        let frame = frame.map_err(|error| error.to_string())?;
        let sent = destination.map_or(Ok(frame.clone()), |destination| destination.as_sent(&frame));
        Ok(sent.map_err(|error| error.to_string())? + "\n")
    };
    frames.map(line).collect()
}
