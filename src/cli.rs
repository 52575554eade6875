//! The command line: commands, flags, and the help text that explains them.
//!
//! `main` parses into [`Cli`] and passes it to `commands`, which does the work. This file knows nothing about that work. The help is
//! documentation for operators: each command says what it does, when to use it, and with which exit codes it ends.

pub mod config;
mod help;
pub mod spool;

use crate::build_info::LONG_VERSION;
use crate::model::{Instant, Severity};
#[cfg(feature = "sandbox")]
use bt_rollcall_sandbox::Dialect;
use chrono::{DateTime, SubsecRound, Utc};
#[cfg(feature = "sandbox")]
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Export BeyondTrust accounts for audits and access reviews; every list is proven complete or flagged as incomplete.
#[derive(Debug, Parser)]
#[command(name = "bt-rollcall", version, long_version = LONG_VERSION, after_help = help::after_help(), propagate_version = true, max_term_width = 110)]
pub struct Cli {
    /// Flags that may be written before or after the command.
    #[command(flatten)]
    pub global: Global,
    /// The command to execute.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every command accepts.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Read this configuration file [default: ./bt-rollcall.toml, else /etc/bt-rollcall/config.toml]
    #[arg(long, global = true, value_name = "PATH", env = "BT_ROLLCALL_CONFIG")]
    pub config: Option<PathBuf>,
    /// Set the log format on stderr
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// Show more log lines: -v every request and every note, -vv everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Show fewer log lines: -q only errors and warnings that need an action, -qq only errors
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub quiet: u8,
    /// Use colours in log lines
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: When,
}

/// Format of the log lines on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object per line
    Json,
}

/// When to use a feature that depends on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// If stderr is a terminal
    Auto,
    /// Always, also into a pipe or a file
    Always,
    /// Never, even on a terminal
    Never,
}

/// Commands of the program.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the scheduled job once: collect, evaluate, publish a snapshot, send events, prune
    ///
    /// Reads every source, evaluates the rules, publishes a snapshot in output.dir, sends the events and applies retention. Writes
    /// the result to stdout, and log lines and progress to stderr. Safe to start again at any time: a second run at the same time
    /// ends at once with exit code 6.
    #[command(after_long_help = help::run_help())]
    Run(RunArgs),
    /// Run the whole job against a simulated appliance; needs no configuration, network or account
    ///
    /// Starts the sandbox on a loopback port, runs the job twice with a day of changes between, and prints where the report is.
    #[cfg(feature = "sandbox")]
    #[command(after_long_help = help::DEMO_HELP)]
    Demo(DemoArgs),
    /// Validate the configuration, including custom rules and exceptions, and report every problem
    #[command(after_long_help = help::CHECK_HELP)]
    Check(CheckArgs),
    /// Write a first configuration, print the settings in force, or print the JSON Schema
    #[command(subcommand, after_long_help = config::CONFIG_HELP)]
    Config(config::ConfigCommand),
    /// Verify every file of a snapshot against its manifest, offline
    ///
    /// Needs no configuration and no network. With --chain, verifies every snapshot of a folder and the links between them.
    #[command(after_long_help = help::VERIFY_HELP)]
    Verify(VerifyArgs),
    /// Compare two snapshots and print the changes between them, offline
    ///
    /// Needs no configuration and no network. Both folders must be intact snapshots.
    #[command(after_long_help = help::DIFF_HELP)]
    Diff(DiffArgs),
    /// Render the report of a snapshot again from its other files, offline
    ///
    /// Needs no configuration and no network. Compares the page with the published report.html.
    #[command(after_long_help = help::REPORT_HELP)]
    Report(ReportArgs),
    /// Deliver the events that are queued in the spool
    ///
    /// Reads no source and publishes nothing. A run delivers queued events by itself; use this command to send them earlier.
    #[command(after_long_help = help::EMIT_HELP)]
    Emit(EmitArgs),
    /// Print what is queued in the spool, or throw it away
    #[command(subcommand, after_long_help = spool::SPOOL_HELP)]
    Spool(spool::SpoolCommand),
    /// Remove the snapshots that retention no longer keeps
    ///
    /// Retention keeps snapshots that are younger than `keep_days` or among the newest `keep_runs`. It never removes the
    /// targets of the links latest and latest-complete, a snapshot that contains a file HOLD, or one whose events are still queued.
    #[command(after_long_help = help::PRUNE_HELP)]
    Prune(PruneArgs),
    /// Serve a simulated appliance until stopped
    ///
    /// Prints its address and the path of a configuration that reads it.
    #[cfg(feature = "sandbox")]
    #[command(after_long_help = help::SANDBOX_HELP)]
    Sandbox(SandboxArgs),
    /// Print the completion script of a shell
    #[command(after_long_help = help::COMPLETIONS_HELP)]
    Completions {
        /// Name of the shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write the pages of all commands
    #[command(after_long_help = help::MAN_HELP)]
    Man(ManArgs),
}

/// Arguments of `run`.
#[derive(Clone, Debug, Default, Args)]
pub struct RunArgs {
    /// Read only this source; may be repeated. The snapshot is partial unless every configured source is read
    #[arg(long = "source", value_name = "NAME")]
    pub sources: Vec<String>,
    /// Compute all ages from this instant instead of now
    ///
    /// An RFC 3339 instant, such as 2026-11-23T02:00:00Z. It must not be earlier than that of the newest snapshot; use --output to
    /// evaluate an earlier instant.
    #[arg(long, value_name = "RFC3339", value_parser = parse_instant)]
    pub as_of: Option<Instant>,
    /// Collect and evaluate, but publish and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Exit with 10 if a finding has this severity or a higher one
    #[arg(long, value_name = "SEVERITY", value_parser = parse_severity)]
    pub fail_on: Option<Severity>,
    /// Publish this source although it is empty or much smaller than before; may be repeated
    ///
    /// Use it after you have checked that the accounts were really removed. Without it, the source is set aside and its rows stay as
    /// they were (exit code 4).
    #[arg(long, value_name = "SOURCE")]
    pub allow_shrink: Vec<String>,
    /// Publish into this folder instead of output.dir, and send no events
    ///
    /// The folder has a state of its own. Use it to evaluate an earlier instant again.
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Print the result as one JSON object on stdout
    #[arg(long)]
    pub json: bool,
    /// Show a progress bar on stderr
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub progress: ProgressChoice,
}

/// When to show the progress bar. Unlike [`When`] it has a default, which [`RunArgs`] needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProgressChoice {
    /// If stderr is a terminal and log lines are text
    #[default]
    Auto,
    /// Always, also into a pipe or a file
    Always,
    /// Never, even on a terminal
    Never,
}

/// Arguments of `demo`.
#[cfg(feature = "sandbox")]
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Simulate this many users
    ///
    /// With exactly 100, 200, 250, 500, 1,000, 2,000, 5,000 or 10,000 users, Password Safe can end as partial: its lists have no
    /// total, and a server may have cut a list of such a size.
    #[arg(long, default_value_t = 1203, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub users: u32,
    /// Write snapshots and report into this empty folder [default: a new one in the folder for temporary files]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Arguments of `check`.
#[derive(Clone, Copy, Debug, Args)]
pub struct CheckArgs {
    /// Also contact every source and every destination
    ///
    /// Gets a token and reads the first page of each list. Reads the members of every group and the users of every vendor, at most
    /// 200 of each per source. Shows how many requests a run would make, compares clocks, tests write access and sends a run.test
    /// event to each destination.
    #[arg(long)]
    pub online: bool,
}

/// Arguments of `verify`.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// Folder of the snapshot; with --chain the folder of all snapshots (output.dir), or any snapshot in it
    pub dir: PathBuf,
    /// Compare the files of every snapshot of the folder with its manifest, and verify the chain that they form
    ///
    /// It performs no snapshot again: name a single one for that, without --chain.
    /// Each manifest names the snapshot before it, its baseline. A baseline that retention removed is listed in pruned.jsonl. Any
    /// other baseline that is missing or was changed breaks the chain.
    #[arg(long)]
    pub chain: bool,
}

/// Arguments of `diff`.
#[derive(Clone, Debug, Args)]
pub struct DiffArgs {
    /// Folder of the older snapshot
    pub old: PathBuf,
    /// Folder of the newer snapshot
    ///
    /// In output.dir, the link latest names the newest snapshot and latest-complete the newest complete one.
    pub new: PathBuf,
    /// Print the changes as one JSON array
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// Print the changes as CSV, with the columns of the table of changes
    #[arg(long)]
    pub csv: bool,
}

/// Arguments of `report`.
#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    /// Folder of the snapshot
    ///
    /// In output.dir, the link latest names the newest snapshot and latest-complete the newest complete one. Every file must match
    /// the manifest; only report.html may be missing or changed.
    pub dir: PathBuf,
    /// Write the page to this file, readable by its owner only; `-` is stdout [default: stdout]
    ///
    /// Inside a snapshot, only that snapshot's own report.html can be named: it is restored if the page has the bytes that the
    /// manifest lists.
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
}

/// Arguments of `emit`.
#[derive(Clone, Copy, Debug, Args)]
pub struct EmitArgs {
    /// Send one run.test event to each destination, and print what to look for at the receiver
    ///
    /// Its text contains the characters that careless receivers break. Queued events stay queued.
    #[arg(long, conflicts_with = "dry_run")]
    pub test: bool,
    /// Print the queued events, one a line and as they will be sent, but send nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `prune`.
#[derive(Clone, Copy, Debug, Args)]
pub struct PruneArgs {
    /// Print which snapshots would be removed and why, but remove nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `man`.
#[derive(Clone, Debug, Args)]
pub struct ManArgs {
    /// Write a page for each command into this folder, instead of printing the main page
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Interfaces that the sandbox can serve.
#[cfg(feature = "sandbox")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SurfaceArg {
    /// API of the user management guide
    RestV3,
    /// Configuration API of Privileged Remote Access
    Pra,
    /// Configuration API of Remote Support; cannot be combined with pra
    Rs,
    /// API of Password Safe
    PasswordSafe,
    /// SCIM 2.0 (RFC 7644)
    Scim,
    /// All of them except rs
    All,
}

/// Arguments of `sandbox`.
#[cfg(feature = "sandbox")]
#[derive(Clone, Debug, Args)]
pub struct SandboxArgs {
    /// Simulate this many users
    ///
    /// With exactly 100, 200, 250, 500, 1,000, 2,000, 5,000 or 10,000 users, Password Safe can end as partial: its lists have no
    /// total, and a server may have cut a list of such a size.
    #[arg(long, default_value_t = 2503, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub users: u32,
    /// Generate the users from this seed; the same seed gives the same users
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Listen on this port of 127.0.0.1; 0 chooses a free port
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Serve plain http instead of https
    #[arg(long)]
    pub http: bool,
    /// Add this interface to the generated configuration; may be repeated [default: all]
    #[arg(long = "surface", value_name = "KIND")]
    pub surfaces: Vec<SurfaceArg>,
    /// Imitate a deviation that real appliances have; may be repeated and combined
    #[arg(long = "dialect", value_name = "NAME", value_parser = dialects())]
    pub dialects: Vec<Dialect>,
    /// Serve only four fields per user in lists; a client must read the others by id
    #[arg(long)]
    pub sparse: bool,
    /// Serve at most this many rows per page, whatever the client asks for
    #[arg(long, value_name = "ROWS")]
    pub page_clamp: Option<usize>,
    /// Wait this many milliseconds before each response
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub latency: u64,
    /// Fail this share of requests, from 0 to 1, in each way: 429, 5xx, reset, truncated, HTML, empty
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub faults: f64,
    /// Write the secret, the certificate and the configuration into this folder
    #[arg(long, value_name = "DIR", default_value = "bt-rollcall-sandbox")]
    pub dir: PathBuf,
    /// Write everything that the interfaces serve to a file, for tests of other clients
    #[arg(long, value_name = "FILE", hide = true)]
    pub world: Option<PathBuf>,
}

fn parse_instant(text: &str) -> Result<Instant, String> {
    let parsed = DateTime::parse_from_rfc3339(text);
    // Snapshots store microseconds; a run must be able to compute the same ages again from what is stored.
    parsed
        .map(|at| at.with_timezone(&Utc).trunc_subsecs(6))
        .map_err(|e| format!("{e}; write for example 2026-11-23T02:00:00Z"))
}

/// Returns a parser of the names of dialects, with a description of each for the help.
#[cfg(feature = "sandbox")]
fn dialects() -> impl TypedValueParser<Value = Dialect> {
    let names = Dialect::ALL.map(|dialect| PossibleValue::new(dialect.as_str()).help(dialect.description()));
    PossibleValuesParser::new(names).try_map(|name| Dialect::parse(&name).ok_or("unknown dialect"))
}

fn parse_severity(text: &str) -> Result<Severity, String> {
    Severity::parse(text).ok_or_else(|| "must be info, low, medium, high or critical".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn command_line_definition_is_valid() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_of_every_command_begins_with_a_verb_and_ends_with_an_example() {
        const VERBS: [&str; 11] = [
            "Write", "Run", "Validate", "Verify", "Compare", "Render", "Deliver", "Remove", "Serve", "Print", "Export",
        ];
        let cli = Cli::command();
        for command in cli.get_subcommands() {
            let about = command.get_about().unwrap().to_string();
            assert!(VERBS.contains(&about.split(' ').next().unwrap()), "{about}");
            let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("  bt-rollcall {}", command.get_name())), "{}: {help}", command.get_name());
        }
    }

    #[test]
    fn instant_requires_an_offset_and_is_truncated_to_microseconds() {
        assert!(parse_instant("2026-11-23T02:00:00").is_err());
        assert_eq!(parse_instant("2026-11-23T04:00:00+02:00").unwrap().to_rfc3339(), "2026-11-23T02:00:00+00:00");
        let with_nanoseconds = parse_instant("2026-11-23T02:00:00.123456789Z").unwrap();
        assert_eq!(with_nanoseconds, parse_instant("2026-11-23T02:00:00.123456Z").unwrap());
    }
}
