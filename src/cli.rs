//! The command line: commands, flags, and the help text that explains them.
//!
//! `main` parses into [`Cli`] and passes it to `commands`, which does the work. This file knows nothing about that work; it imports
//! the exit codes only to list them in the help. The help is documentation for operators: each command says what it does, when to
//! use it, and with which exit codes it ends.

pub mod config;

use crate::build_info::LONG_VERSION;
use crate::model::{Instant, Severity};
use crate::run::Exit;
#[cfg(feature = "sandbox")]
use bt_rollcall_sandbox::Dialect;
use chrono::{DateTime, SubsecRound, Utc};
#[cfg(feature = "sandbox")]
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// The step that only a program with the sandbox can take.
const DEMO_STEP: &str = if cfg!(feature = "sandbox") {
    "  bt-rollcall demo              Run the job against a simulated appliance; needs no configuration\n"
} else {
    ""
};

const FIRST_STEPS: &str = "  bt-rollcall config init       Write a first configuration; asks for what it needs
  bt-rollcall check --online    Check the configuration, contact every source, show what a run costs
  bt-rollcall run --dry-run     Read and evaluate everything, but publish and send nothing";

const RUN_EXAMPLES: &str = "\
Examples:
  bt-rollcall run                               Run the job once, as a scheduler does
  bt-rollcall run --dry-run                     Read and evaluate, but publish and send nothing
  bt-rollcall run --fail-on high                Exit with 10 if a finding is high or critical
  bt-rollcall run --allow-shrink appliance-eu   Publish a source that a guard set aside, once
  bt-rollcall run --as-of 2026-11-23T02:00:00Z --output november
                                                Evaluate an earlier instant in another folder";

#[cfg(feature = "sandbox")]
const DEMO_HELP: &str = "\
Example:
  bt-rollcall demo --users 300 --dir demo

Exit codes: those of `run`; 0 means that both runs were published and all events were delivered.";

const CHECK_HELP: &str = "\
Examples:
  bt-rollcall check             Validate the configuration only; contacts nothing
  bt-rollcall check --online    Also contact every source and every syslog destination

Exit codes:
   0  every check passed
   1  a check failed: see the lines that begin with BAD
   2  usage or configuration error; nothing was contacted";

const VERIFY_HELP: &str = "\
Examples:
  bt-rollcall verify /var/lib/bt-rollcall/snapshots/latest
  bt-rollcall verify --chain /var/lib/bt-rollcall/snapshots

The hashes in a manifest find every changed file, but not a forger who corrects the hashes, too. So verify also performs the snapshot
again: counts, CSV against Parquet, findings against the rules, changes against the baseline, the review, the report and README.txt.
It names what it could not perform, for example because retention removed the baseline. The last word has the SIEM: it has the SHA-256
of each manifest. 100,000 accounts take a few seconds.

Exit codes:
   0  the files match the manifest, and nothing contradicts them
   1  a file is missing, extra, changed or forged, the chain is broken, or the folder cannot be read or is no snapshot
   2  usage error";

const DIFF_HELP: &str = "\
Examples:
  bt-rollcall diff snapshots/20261122T020000Z-1c9e snapshots/latest
  bt-rollcall diff --csv snapshots/20261122T020000Z-1c9e snapshots/latest > changes.csv

Exit codes:
   0  compared, whether or not there are changes
   1  a folder is not an intact snapshot
   2  usage error";

const REPORT_HELP: &str = "\
Examples:
  bt-rollcall report snapshots/latest --output report.html
  bt-rollcall report snapshots/latest > report.html

Exit codes:
   0  rendered
   1  the snapshot is not intact, or the page differs from the one that the same version published
   2  usage error, or --output names a place that must not be written";

const EMIT_HELP: &str = "\
Example:
  bt-rollcall emit              Deliver queued events after the receiver was repaired

Exit codes:
   0  no event is queued any more
   1  the spool cannot be read or written
   2  usage or configuration error; nothing was contacted
   5  events are still queued
   6  another run holds the lock";

const PRUNE_HELP: &str = "\
Examples:
  bt-rollcall prune --dry-run   Show which snapshots would be removed, and why
  bt-rollcall prune             Remove them

Exit codes:
   0  done
   1  a snapshot cannot be read or removed
   2  usage or configuration error
   6  another run holds the lock";

#[cfg(feature = "sandbox")]
const SANDBOX_HELP: &str = "\
Example:
  bt-rollcall sandbox --users 500 --surface pra
  bt-rollcall run --config bt-rollcall-sandbox/bt-rollcall.toml      (in another terminal)

Exit codes: 0 stopped by a signal, 1 the sandbox could not start, 2 usage error.";

const COMPLETIONS_HELP: &str = "\
Example:
  bt-rollcall completions bash > /etc/bash_completion.d/bt-rollcall";

const MAN_HELP: &str = "\
Examples:
  bt-rollcall man | man -l -                           Read the main page
  bt-rollcall man --dir /usr/local/share/man/man1      Install a page for each command, such as bt-rollcall-run(1)";

fn exit_codes() -> String {
    let codes = Exit::ALL.map(|exit| format!("  {:>2}  {}\n", exit.code(), exit.meaning()));
    format!("Exit codes:\n{}", codes.concat())
}

fn after_help() -> String {
    format!("{}\nFirst steps:\n{DEMO_STEP}{FIRST_STEPS}", exit_codes())
}

fn run_help() -> String {
    format!("{RUN_EXAMPLES}\n\n{}", exit_codes())
}

/// Export BeyondTrust accounts for audits and access reviews; every list is proven complete or flagged as incomplete.
#[derive(Debug, Parser)]
#[command(name = "bt-rollcall", version, long_version = LONG_VERSION, after_help = after_help(), propagate_version = true, max_term_width = 110)]
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
    #[command(after_long_help = run_help())]
    Run(RunArgs),
    /// Run the whole job against a simulated appliance; needs no configuration, network or account
    ///
    /// Starts the sandbox on a loopback port, runs the job twice with a day of changes between, and prints where the report is.
    #[cfg(feature = "sandbox")]
    #[command(after_long_help = DEMO_HELP)]
    Demo(DemoArgs),
    /// Validate the configuration, including custom rules and exceptions, and report every problem
    #[command(after_long_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Write a first configuration, print the settings in force, or print the JSON Schema
    #[command(subcommand, after_long_help = config::CONFIG_HELP)]
    Config(config::ConfigCommand),
    /// Verify every file of a snapshot against its manifest, offline
    ///
    /// Needs no configuration and no network. With --chain, verifies every snapshot of a folder and the links between them.
    #[command(after_long_help = VERIFY_HELP)]
    Verify(VerifyArgs),
    /// Compare two snapshots and print the changes between them, offline
    ///
    /// Needs no configuration and no network. Both folders must be intact snapshots.
    #[command(after_long_help = DIFF_HELP)]
    Diff(DiffArgs),
    /// Render the report of a snapshot again from its other files, offline
    ///
    /// Needs no configuration and no network. Compares the page with the published report.html.
    #[command(after_long_help = REPORT_HELP)]
    Report(ReportArgs),
    /// Deliver the events that are queued in the spool
    ///
    /// Reads no source and publishes nothing. A run delivers queued events by itself; use this command to send them earlier.
    #[command(after_long_help = EMIT_HELP)]
    Emit,
    /// Remove the snapshots that retention no longer keeps
    ///
    /// Retention keeps snapshots that are younger than `keep_days` or among the newest `keep_runs`. It never removes the
    /// targets of the links latest and latest-complete, a snapshot that contains a file HOLD, or one whose events are still queued.
    #[command(after_long_help = PRUNE_HELP)]
    Prune(PruneArgs),
    /// Serve a simulated appliance until stopped
    ///
    /// Prints its address and the path of a configuration that reads it.
    #[cfg(feature = "sandbox")]
    #[command(after_long_help = SANDBOX_HELP)]
    Sandbox(SandboxArgs),
    /// Print the completion script of a shell
    #[command(after_long_help = COMPLETIONS_HELP)]
    Completions {
        /// Name of the shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write the pages of all commands
    #[command(after_long_help = MAN_HELP)]
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
    /// Also contact every source and every syslog destination
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
