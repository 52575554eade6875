//! `run`: executes the scheduled job once.
//!
//! This file turns configuration and arguments into an order for `run::run`, and prints how it ended. The job itself is in `run`.

use super::stdout::{Printed, print_summary};
use super::{configuration, log_config_error, log_error};
use crate::cli::{Global, RunArgs};
use crate::config::{self, Config};
use crate::event::Observer;
use crate::internal_error::catch;
use crate::run::observers::{self, Log, Observers, ProgressDisplay};
use crate::run::stop::Stop;
use crate::run::{self, Exit, RunRequest, RunSummary};
use chrono::Utc;
use std::sync::Arc;

/// Executes `run` and returns its exit code.
pub(super) fn run(global: &Global, args: &RunArgs, bar: &ProgressDisplay) -> Exit {
    let exit = match configuration(global) {
        // After a panic there is still an attempt to record.
        Ok(config) => {
            catch(|| run_configured(global, &with_output(config, args), args, bar)).unwrap_or(Exit::NothingPublished)
        }
        Err(exit) => exit,
    };
    record_attempt(global, args, exit);
    exit
}

/// Writes the metrics of an attempt, whatever its end. A run that writes no metrics has no attempt either.
///
/// The key is read from the file again, because the configuration may be invalid.
pub(super) fn record_attempt(global: &Global, args: &RunArgs, exit: Exit) {
    let configuration = config::locate(global.config.clone()).ok().filter(|_| !args.dry_run && args.output.is_none());
    let Some(path) = configuration.and_then(|path| run::metrics_file_in(&path)) else { return };
    // A run that published has warned about the same folder already. The exit code is that of the run.
    let has_warned = !matches!(exit, Exit::Usage | Exit::Locked | Exit::NothingPublished);
    if let Err(error) = run::write_attempt(&path, exit, Utc::now())
        && !has_warned
    {
        log_error(&format!("failed to {error}"), run::metrics_cure(&path, &error).as_deref(), exit);
    }
}

fn run_configured(global: &Global, config: &Config, args: &RunArgs, bar: &ProgressDisplay) -> Exit {
    for note in &config.notes {
        tracing::info!("{note}");
    }
    let request = match request(global, config, args) {
        Ok(request) => request,
        Err(exit) => return exit,
    };
    let stop = match Stop::on_signals() {
        Ok(stop) => stop,
        Err(error) => {
            return log_error(&format!("failed to listen for signals: {error}"), None, Exit::NothingPublished);
        }
    };
    let ending = run::run(&request, &observers(bar), &stop);
    bar.clear();
    print_outcome(&ending, args.json)
}

fn with_output(mut config: Config, args: &RunArgs) -> Config {
    if let Some(dir) = &args.output {
        config.redirect(dir);
    }
    config
}

fn request<'a>(global: &Global, config: &'a Config, args: &RunArgs) -> Result<RunRequest<'a>, Exit> {
    let request = RunRequest::of(config).only(&args.sources).and_then(|request| request.allowing(&args.allow_shrink));
    let request = request.map_err(|error| log_config_error(global, &error))?;
    // An earlier instant is evaluated with the exceptions of today, so they are limited from today on.
    let now = Utc::now();
    config
        .check_exception_lifetimes(args.as_of.map_or(now, |as_of| as_of.max(now)))
        .map_err(|error| log_config_error(global, &error))?;
    let has_own_output = args.output.is_some();
    Ok(RunRequest { as_of: args.as_of, dry_run: args.dry_run, fail_on: args.fail_on, has_own_output, ..request })
}

/// Returns the observers of a run: the log and the progress bar.
pub(super) fn observers(bar: &ProgressDisplay) -> Arc<dyn Observer> {
    Arc::new(Observers(vec![Arc::new(Log), Arc::new(bar.clone())]))
}

/// Prints the result of a run and returns its exit code.
fn print_outcome(ending: &RunSummary, json: bool) -> Exit {
    if let Some(error) = &ending.error {
        log_error(error, ending.hint.as_deref(), Exit::NothingPublished);
    } else if let Some(hint) = &ending.hint {
        tracing::warn!("{hint}");
    }
    if json {
        // Cannot fail: it is plain data whose keys are texts.
        print_summary(&Printed::Json(&serde_json::to_string(ending).unwrap_or_default()));
    } else if observers::stdout_is_journal()
        && observers::stderr_is_journal()
        && tracing::enabled!(tracing::Level::WARN)
    {
        // Both streams are one: what was logged would stand there twice.
        print_summary(&Printed::Lines(&ending.in_words_next_to_log()));
    } else {
        print_summary(&Printed::Lines(&ending.in_words()));
    }
    Exit::of_code(ending.exit_code)
}
