//! Executes commands: one submodule per command, on top of `run` and of the parts that work offline.
//!
//! `main` calls [`execute`]. Data and summaries go to stdout; logs and progress go to stderr. Every function of a command returns its
//! [`Exit`] code. Text for people is built by functions without side effects and printed in one place, `stdout`.

mod check;
mod config_command;
#[cfg(feature = "sandbox")]
mod demo;
mod diff;
mod emit;
mod man;
mod offline;
mod once;
mod report;
#[cfg(feature = "sandbox")]
mod serve;
mod spool;
mod stdout;

use crate::cli::{Cli, Command, Global, LogFormat, ProgressChoice, When};
use crate::config::{self, Config, ConfigError, ConfigProblem};
use crate::core_dump;
use crate::escape::visible;
use crate::run::observers::{self, LogSettings, ProgressDisplay};
use crate::run::{Exit, RunError};
use clap::{CommandFactory, FromArgMatches, Parser};
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use stdout::{Printed, print_product};
use tracing::Level;

/// Executes the command of a parsed command line and returns the exit code of the process.
pub fn execute(cli: Cli) -> Exit {
    let bar = ProgressDisplay::new(shows_progress(&cli));
    observers::start_logging(log_settings(&cli.global), &bar);
    // Before the first secret is read.
    if let Err(error) = core_dump::forbid() {
        tracing::warn!("core dumps could not be switched off, so one may contain secrets: {error}");
    }
    match cli.command {
        Command::Run(args) => once::run(&cli.global, &args, &bar),
        #[cfg(feature = "sandbox")]
        Command::Demo(args) => demo::demo(&cli.global, &args, &bar),
        Command::Check(args) => check::check(&cli.global, args),
        Command::Config(command) => config_command::execute(&cli.global, &command),
        Command::Verify(args) => offline::verify(&args),
        Command::Diff(args) => diff::diff(&args),
        Command::Report(args) => report::report(&args),
        Command::Emit(args) => emit::emit(&cli.global, args),
        Command::Spool(command) => spool::execute(&cli.global, &command),
        Command::Prune(args) => offline::prune(&cli.global, args),
        #[cfg(feature = "sandbox")]
        Command::Sandbox(args) => serve::sandbox(&args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "bt-rollcall", &mut script);
            print_product(&Printed::Format(&String::from_utf8_lossy(&script)))
        }
        Command::Man(args) => man::man(&args),
    }
}

/// Prints what is wrong with a command line, or the help that it asked for, and returns the exit code.
///
/// A wrong command line of `run` is an attempt that failed: a typing error in a unit or a crontab must raise an alert.
pub fn refuse(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        return print_help(error);
    }
    let matches = Cli::command().ignore_errors(true).try_get_matches().ok();
    let readable = matches.and_then(|matches| Cli::from_arg_matches(&matches).ok());
    report_usage(&with_visible_arguments(error), wants_json(std::env::args_os()));
    if let Some(Cli { global, command: Command::Run(args) }) = readable {
        once::record_attempt(&global, &args, Exit::Usage);
    }
    Exit::Usage
}

/// Prints the help or the version that a command line asked for.
fn print_help(help: &clap::Error) -> Exit {
    match help.print() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            observers::write_stderr(&format!("error: stdout: failed to write: {error}\n"));
            Exit::NothingPublished
        }
        _ => Exit::Complete,
    }
}

/// Returns the error of a command line as it reads for arguments in which every character is visible.
///
/// The words of clap contain styles and line breaks of their own, so escaping them afterwards is too late.
fn with_visible_arguments(error: &clap::Error) -> clap::Error {
    let arguments = std::env::args_os().map(|argument| visible(&argument.to_string_lossy()).into_owned());
    match Cli::try_parse_from(arguments) {
        Err(shown) if shown.kind() == error.kind() => shown,
        // The escapes made another argument wrong, or none. Then only the kind of the error is known to be safe.
        _ => Cli::command().error(error.kind(), "an argument contains characters that cannot be shown"),
    }
}

/// Returns whether a command line asks for JSON, also where something else in it is wrong.
fn wants_json(arguments: impl Iterator<Item = OsString>) -> bool {
    let arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
    let mut arguments = arguments.take_while(|argument| argument != "--");
    let mut is_json = false;
    while let Some(argument) = arguments.next() {
        let Some(value) = argument.strip_prefix("--log-format") else { continue };
        let value = value.strip_prefix('=').map(str::to_owned).or_else(|| arguments.next());
        is_json = value.as_deref() == Some("json");
    }
    is_json
}

/// Reports a wrong command line: to people as clap words it, to the journal and to readers of JSON as log lines.
fn report_usage(error: &clap::Error, json: bool) {
    let journal = observers::stderr_is_journal();
    if !json && !journal {
        // If this fails, there is nowhere to report it.
        let _ = error.print();
        return;
    }
    observers::start_logging(
        LogSettings { level: Level::ERROR, json, color: false, journal },
        &ProgressDisplay::new(false),
    );
    let text = error.render().to_string();
    let text = text.trim().trim_start_matches("error: ");
    // A line of the journal has its own priority.
    let lines = if json { vec![text] } else { text.lines().filter(|line| !line.trim().is_empty()).collect() };
    for line in lines {
        tracing::error!("{line}");
    }
}

fn shows_progress(cli: &Cli) -> bool {
    let terminal = io::stderr().is_terminal() && cli.global.log_format == LogFormat::Text && cli.global.quiet == 0;
    match &cli.command {
        Command::Run(args) => match args.progress {
            ProgressChoice::Auto => terminal,
            ProgressChoice::Always => true,
            ProgressChoice::Never => false,
        },
        #[cfg(feature = "sandbox")]
        Command::Demo(_) => terminal,
        _ => false,
    }
}

fn log_settings(global: &Global) -> LogSettings {
    let level = match (global.quiet, global.verbose) {
        (0, 0) => Level::INFO,
        (0, 1) => Level::DEBUG,
        (0, _) => Level::TRACE,
        (1, _) => Level::WARN,
        _ => Level::ERROR,
    };
    let color = match global.color {
        When::Auto => io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        When::Always => true,
        When::Never => false,
    };
    LogSettings { level, json: global.log_format == LogFormat::Json, color, journal: observers::stderr_is_journal() }
}

/// Loads the configuration. Where that fails, logs the problems and returns the exit code.
fn configuration(global: &Global) -> Result<Config, Exit> {
    load(global).map_err(|error| log_config_error(global, &error))
}

fn load(global: &Global) -> Result<Config, ConfigError> {
    let path = config::locate(global.config.clone())?;
    Config::load(&path, &|name| std::env::var(name).ok())
}

/// Logs the problems of a configuration, one a line, and returns the exit code.
fn log_config_error(global: &Global, error: &ConfigError) -> Exit {
    for problem in &error.problems {
        match global.log_format {
            LogFormat::Text => {
                let mut below = problem.below.iter().map(tracing::field::display);
                tracing::error!(below_1 = below.next(), below_2 = below.next(), "{problem}");
            }
            LogFormat::Json => log_problem(error, problem),
        }
    }
    tracing::error!("invalid configuration: {}; nothing was contacted", counted(error.problems.len(), "error"));
    Exit::Usage
}

/// Logs a problem for machines: place and key are fields, and the message repeats neither.
fn log_problem(error: &ConfigError, problem: &ConfigProblem) {
    let place = problem.place.as_ref();
    let file = place.map(|place| &place.file).or(error.path.as_ref()).map(|file| file.display().to_string());
    let (line, column) = place.and_then(|place| place.position).unzip();
    let key = Some(problem.key.as_str()).filter(|key| !key.is_empty());
    tracing::error!(file, line, column, key, "{}", problem.lines().join("\n"));
}

/// Returns a count with its noun, in the plural unless the count is 1.
fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Logs an error with an optional hint about its cure, and returns `exit`.
fn log_error(error: &str, hint: Option<&str>, exit: Exit) -> Exit {
    if let Some(hint) = hint {
        // As it is, without quotes and escapes: the hint may end with a command that is copied.
        tracing::error!(%hint, "{error}");
    } else {
        tracing::error!("{error}");
    }
    exit
}

/// Logs an error of a command that needs the folders of a run, and returns its exit code.
fn log_run_error(error: &RunError) -> Exit {
    log_error(&error.message(), error.hint().as_deref(), error.exit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wish_for_json_is_read_wherever_the_command_line_is_wrong() {
        let wants = |line: &str| wants_json(line.split(' ').map(OsString::from));
        for line in
            ["x --log-format json nosuch", "x run --as-of y --log-format=json", "x --log-format text --log-format json"]
        {
            assert!(wants(line), "{line}");
        }
        for line in ["x run", "x --log-format jsn", "x --log-format", "x run -- --log-format json"] {
            assert!(!wants(line), "{line}");
        }
    }
}
