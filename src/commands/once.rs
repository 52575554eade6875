//! `run`: executes the scheduled job once.
//!
//! This file turns configuration and arguments into an order for `run::run`, and prints how it ended. The job itself is in `run`.

use super::{configuration, log_config_error, log_error, print};
use crate::cli::{Global, RunArgs};
use crate::config::Config;
use crate::event::Observer;
use crate::run::observers::{Log, Observers, ProgressDisplay};
use crate::run::stop::Stop;
use crate::run::{self, Exit, RunRequest, RunSummary};
use chrono::Utc;
use std::sync::Arc;

/// Executes `run` and returns its exit code.
pub(super) fn run(global: &Global, args: &RunArgs, bar: &ProgressDisplay) -> Exit {
    let config = match configuration(global) {
        Ok(config) => with_output(config, args),
        Err(exit) => return exit,
    };
    for note in &config.notes {
        tracing::info!("{note}");
    }
    let request = match request(&config, args) {
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

/// Applies `--output`: another folder with a state of its own, no events and no metrics.
///
/// Such a run evaluates an instant again. Its results were sent when that instant was the present.
fn with_output(mut config: Config, args: &RunArgs) -> Config {
    if let Some(dir) = &args.output {
        config.state_dir = dir.join(".state");
        config.output.dir.clone_from(dir);
        config.destinations.clear();
        config.metrics_file = None;
    }
    config
}

fn request<'a>(config: &'a Config, args: &RunArgs) -> Result<RunRequest<'a>, Exit> {
    let request = RunRequest::of(config).only(&args.sources).and_then(|request| request.allowing(&args.allow_shrink));
    let request = request.map_err(|error| log_config_error(&error))?;
    // An earlier instant is evaluated with the exceptions of today, so they are limited from today on.
    let now = Utc::now();
    config
        .check_exception_lifetimes(args.as_of.map_or(now, |as_of| as_of.max(now)))
        .map_err(|error| log_config_error(&error))?;
    Ok(RunRequest { as_of: args.as_of, dry_run: args.dry_run, fail_on: args.fail_on, ..request })
}

/// Returns the observers of a run: the log and the progress bar.
pub(super) fn observers(bar: &ProgressDisplay) -> Arc<dyn Observer> {
    Arc::new(Observers(vec![Arc::new(Log), Arc::new(bar.clone())]))
}

/// Prints the result of a run and returns its exit code.
fn print_outcome(ending: &RunSummary, json: bool) -> Exit {
    if let Some(error) = &ending.error {
        log_error(error, ending.hint.as_deref(), Exit::NothingPublished);
    }
    let text = if json {
        // Cannot fail: it is plain data whose keys are texts.
        serde_json::to_string(ending).unwrap_or_default() + "\n"
    } else {
        ending.in_words()
    };
    let printed = print(&text);
    let exit = Exit::of_code(ending.exit_code);
    if exit == Exit::Complete { printed } else { exit }
}
