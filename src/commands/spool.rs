//! `spool`: shows what is queued, gives it to another destination, and throws it away on request.

use super::stdout::{Printed, print_product, print_summary};
use super::{configuration, counted, log_error, log_run_error};
use crate::cli::Global;
use crate::cli::spool::{ListArgs, MoveArgs, PurgeArgs, SpoolCommand};
use crate::config::Config;
use crate::escape::Lines;
use crate::model::{Instant, instant_text};
use crate::report::thousands;
use crate::run::{self, Exit, RunError};
use crate::snapshot::{self, Store};
use crate::syslog::Destination;
use crate::syslog::spool::{Batch, QueuedFile, Spool, list};
use chrono::Utc;
use serde_json::{Value, json};

/// Executes a command below `spool` and returns its exit code.
pub(super) fn execute(global: &Global, command: &SpoolCommand) -> Exit {
    let config = match configuration(global) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    match command {
        SpoolCommand::List(args) => print_list(&config, *args),
        SpoolCommand::Move(args) => move_events(&config, args),
        SpoolCommand::Purge(args) if args.yes => purge(&config, args),
        SpoolCommand::Purge(args) => show_purge(&config, args),
    }
}

fn print_list(config: &Config, args: ListArgs) -> Exit {
    let files = match list(&config.state_dir) {
        Ok(files) => files,
        Err(error) => return log_run_error(&error.into()),
    };
    let now = Utc::now();
    if args.json {
        let files: Vec<Value> = files.iter().map(|file| as_json(file, now)).collect();
        return print_product(&Printed::Json(&Value::from(files).to_string()));
    }
    print_product(&Printed::Lines(&in_words(&files, now)))
}

/// Returns the days since the run of a file started; `None` if the file is not named after a run.
fn age_days(file: &QueuedFile, now: Instant) -> Option<i64> {
    Some((now - snapshot::started_at(&file.run_id)?).num_days())
}

fn as_json(file: &QueuedFile, now: Instant) -> Value {
    json!({
        "run_id": file.run_id,
        "destination": file.destination,
        "events": file.batch.as_ref().ok().map(Batch::waiting),
        "age_days": age_days(file, now),
        "octets": file.octets,
        "damaged": file.batch.is_err(),
        "error": file.batch.as_ref().err().map(ToString::to_string),
        "file": file.path,
    })
}

fn in_words(files: &[QueuedFile], now: Instant) -> Lines {
    let mut text = Lines::default();
    if files.is_empty() {
        text.line("no event is queued");
        return text;
    }
    text.line(format_args!("{:<22} {:>9} {:>9} {:>11}  destination", "run", "age", "events", "bytes"));
    for file in files {
        let age = age_days(file, now).map_or_else(|| "-".to_owned(), |days| format!("{days} d"));
        let events = file.batch.as_ref().map_or_else(|_| "damaged".to_owned(), |batch| thousands(batch.waiting()));
        let destination = file.destination.as_deref().unwrap_or("unknown");
        let (run_id, octets) = (&file.run_id, thousands(file.octets));
        text.line(format_args!("{run_id:<22} {age:>9} {events:>9} {octets:>11}  {destination}"));
    }
    text.line(total(files));
    text
}

/// Returns the numbers of events and damaged files in words.
fn total(files: &[QueuedFile]) -> String {
    let events: u64 = files.iter().filter_map(|file| file.batch.as_ref().ok()).map(Batch::waiting).sum();
    let damaged = files.iter().filter(|file| file.batch.is_err()).count();
    let noun = if events == 1 { "event" } else { "events" };
    let more = if damaged == 0 { String::new() } else { format!(", and {}", counted(damaged, "damaged file")) };
    format!("{} {noun} in {}{more}", thousands(events), counted(files.len() - damaged, "file"))
}

/// Says what `purge` would remove.
fn show_purge(config: &Config, args: &PurgeArgs) -> Exit {
    match run::purgeable(&config.state_dir, args.before) {
        Ok(files) if files.is_empty() => nothing_to_purge(args),
        Ok(files) => {
            print_summary(&Printed::Lines(&in_words(&files, Utc::now())));
            log_error(
                "nothing was removed: these events have not been delivered, and a purge cannot be undone",
                Some("repeat the command with --yes"),
                Exit::Usage,
            )
        }
        Err(error) => log_run_error(&error),
    }
}

/// Does something with the spool while no run can change it.
fn with_locked_spool<T>(config: &Config, work: impl FnOnce(&Spool) -> Result<T, RunError>) -> Result<T, RunError> {
    let store = Store::new(&config.output.dir).lock(&config.state_dir)?;
    let spool = Spool::open(&config.state_dir, &config.output.dir)?;
    // What a killed run left counts, too.
    spool.recover(|run_id| store.is_published(run_id))?;
    work(&spool)
}

/// Gives the queued events of an address that is no longer configured to a configured destination.
fn move_events(config: &Config, MoveArgs { from, to }: &MoveArgs) -> Exit {
    let usage = |message: String, hint: &str| log_error(&message, Some(hint), Exit::Usage);
    let Some(destination) = config.destinations.iter().find(|destination| destination.url() == to) else {
        let known: Vec<&str> = config.destinations.iter().map(Destination::url).collect();
        return usage(format!("{to} is not configured; the destinations are: {}", known.join(", ")), "correct NEW");
    };
    if config.destinations.iter().any(|destination| destination.url() == from) {
        return usage(format!("{from} is still configured"), "run `bt-rollcall emit`, or remove it first");
    }
    let moved = with_locked_spool(config, |spool| {
        let files = list(&config.state_dir)?.into_iter().filter(|file| file.destination.as_ref() == Some(from));
        let (batches, damaged): (Vec<_>, Vec<_>) = files.map(|file| file.batch).partition(Result::is_ok);
        let batches: Vec<Batch> = batches.into_iter().flatten().collect();
        if !damaged.is_empty() {
            let why = format!(
                "{} of {from} cannot be read; restore or purge it first",
                counted(damaged.len(), "damaged file")
            );
            return Ok(Err(why));
        }
        // Checked before the first one moves.
        for batch in &batches {
            for frame in batch.each()? {
                if let Err(why) = destination.can_take(from, &frame?) {
                    return Ok(Err(why));
                }
            }
        }
        batches.iter().try_for_each(|batch| spool.move_to(batch, to))?;
        Ok(Ok(batches.iter().map(Batch::waiting).sum::<u64>()))
    });
    match moved {
        Err(error) => log_run_error(&error),
        Ok(Err(why)) => {
            usage(format!("{to} cannot take the events of {from}: {why}"), "see docs/spool.md; nothing was moved")
        }
        Ok(Ok(0)) => usage(format!("no event is queued for {from}"), "see `bt-rollcall spool list`, and correct OLD"),
        Ok(Ok(events)) => {
            let (noun, mut text) = (if events == 1 { "event" } else { "events" }, Lines::default());
            text.line(format_args!(
                "moved {} {noun}; the next run or `bt-rollcall emit` sends them",
                thousands(events)
            ));
            print_summary(&Printed::Lines(&text));
            Exit::Complete
        }
    }
}

fn purge(config: &Config, args: &PurgeArgs) -> Exit {
    let removed = with_locked_spool(config, |spool| run::purge(spool, config, args.before));
    match removed {
        Ok(files) if files.is_empty() => nothing_to_purge(args),
        Ok(files) => {
            let mut text = Lines::default();
            text.line(format_args!("removed {}; the next run.completed reports it", total(&files)));
            print_summary(&Printed::Lines(&text));
            Exit::Complete
        }
        Err(error) => log_run_error(&error),
    }
}

fn nothing_to_purge(args: &PurgeArgs) -> Exit {
    let mut text = Lines::default();
    text.line(format_args!("no event of a run before {} is queued", instant_text(args.before)));
    print_summary(&Printed::Lines(&text));
    Exit::Complete
}
