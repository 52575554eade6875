//! `run`: the scheduled job, once.

use super::{configuration, failed, print, wrong_configuration};
use crate::cli::{Global, RunArgs};
use crate::config::Config;
use crate::event::Observer;
use crate::run::observers::{Log, Observers, ProgressDisplay};
use crate::run::stop::Stop;
use crate::run::{self, Ending, Exit, Order};
use chrono::Utc;
use std::sync::Arc;

pub(super) fn run(global: &Global, args: &RunArgs, bar: &ProgressDisplay) -> Exit {
    let config = match configuration(global) {
        Ok(config) => elsewhere(config, args),
        Err(exit) => return exit,
    };
    for note in &config.notes {
        tracing::info!("{note}");
    }
    let order = match order(&config, args) {
        Ok(order) => order,
        Err(exit) => return exit,
    };
    let stop = match Stop::on_signals() {
        Ok(stop) => stop,
        Err(error) => return failed(&format!("failed to listen for signals: {error}"), None, Exit::NothingPublished),
    };
    let ending = run::run(&order, &audience(bar), &stop);
    bar.clear();
    print_outcome(&ending, args.json)
}

/// What is evaluated again for another folder is nobody's news: it has a state of its own there, and nothing is sent.
fn elsewhere(mut config: Config, args: &RunArgs) -> Config {
    if let Some(dir) = &args.output {
        config.state_dir = dir.join(".state");
        config.output.dir.clone_from(dir);
        config.destinations.clear();
        config.metrics_file = None;
    }
    config
}

fn order<'a>(config: &'a Config, args: &RunArgs) -> Result<Order<'a>, Exit> {
    let order = Order::of(config).only(&args.sources).and_then(|order| order.allowing(&args.allow_shrink));
    let order = order.map_err(|error| wrong_configuration(&error))?;
    // Who judges by an instant that is past does so with the register of today.
    let now = Utc::now();
    config
        .lives_of_exceptions(args.as_of.map_or(now, |as_of| as_of.max(now)))
        .map_err(|error| wrong_configuration(&error))?;
    Ok(Order { as_of: args.as_of, dry_run: args.dry_run, fail_on: args.fail_on, ..order })
}

/// Log lines and the bar.
pub(super) fn audience(bar: &ProgressDisplay) -> Arc<dyn Observer> {
    Arc::new(Observers(vec![Arc::new(Log), Arc::new(bar.clone())]))
}

/// Prints how it ended; gives the exit code.
fn print_outcome(ending: &Ending, json: bool) -> Exit {
    if let Some(error) = &ending.error {
        failed(error, ending.hint.as_deref(), Exit::NothingPublished);
    }
    let text = if json {
        // Plain data with text keys always serialises.
        serde_json::to_string(ending).unwrap_or_default() + "\n"
    } else {
        ending.in_words()
    };
    let printed = print(&text);
    let exit = Exit::of_code(ending.exit_code);
    if exit == Exit::Complete { printed } else { exit }
}
