//! What is typed: commands and flags, with the help that teaches them. Knows nothing of what they do.

use crate::model::{Instant, Severity};
use crate::run::Exit;
#[cfg(feature = "sandbox")]
use bt_rollcall_sandbox::Dialect;
use chrono::{DateTime, SubsecRound, Utc};
#[cfg(feature = "sandbox")]
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const FIRST_STEPS: &str = "\
First steps:
  bt-rollcall demo                       the whole job against a simulated appliance; needs nothing
  bt-rollcall check --online             is the configuration right, does the appliance answer, what would a run cost
  bt-rollcall run --dry-run              everything but publishing and sending";

fn after_help() -> String {
    let codes = Exit::ALL.map(|exit| format!("  {:>2}  {}\n", exit.code(), exit.meaning()));
    format!("Exit codes:\n{}\n{FIRST_STEPS}", codes.concat())
}

/// Audit and access-review batch exporter for BeyondTrust: every list proven complete or said not to be.
#[derive(Debug, Parser)]
#[command(name = "bt-rollcall", version, after_help = after_help(), propagate_version = true, max_term_width = 110)]
pub struct Cli {
    /// Flags before or after the command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every command understands.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Configuration file; else ./bt-rollcall.toml, else /etc/bt-rollcall/config.toml
    #[arg(long, global = true, value_name = "PATH", env = "BT_ROLLCALL_CONFIG")]
    pub config: Option<PathBuf>,
    /// Form of the log lines on stderr
    #[arg(long, global = true, value_name = "FORM", default_value = "text")]
    pub log_format: LogFormat,
    /// More log lines: -v every request, -vv everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Fewer log lines: -q warnings, -qq errors
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub quiet: u8,
    /// Colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: When,
}

/// Form of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// For what depends on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal.
    Auto,
    /// In any case.
    Always,
    /// Not at all.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The scheduled job, once: collect every source, judge, snapshot, report, emit, prune
    Run(RunArgs),
    /// The whole job against the embedded sandbox: no configuration, no network, no account
    #[cfg(feature = "sandbox")]
    Demo(DemoArgs),
    /// Validate the configuration, your own rules too, and name every problem
    Check(CheckArgs),
    /// Check every file of a snapshot against its manifest, or the chain of all, offline; exit 0 intact, 1 not
    Verify(VerifyArgs),
    /// What changed between any two snapshots, offline
    Diff(DiffArgs),
    /// Render the report of a snapshot again, offline, from its other files alone
    Report(ReportArgs),
    /// Deliver what still waits in the spool; exit 0 when nothing waits any more, 5 otherwise
    Emit,
    /// Remove snapshots that retention no longer keeps; never the targets of latest and latest-complete, one with a file HOLD in
    /// it, or one whose events wait in the spool
    Prune(PruneArgs),
    /// Serve the simulated appliance until stopped; prints its addresses and a ready configuration
    #[cfg(feature = "sandbox")]
    Sandbox(SandboxArgs),
    /// Print the completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

/// `run`.
#[derive(Clone, Debug, Default, Args)]
pub struct RunArgs {
    /// Read only this source; may be repeated. A snapshot without some configured source is partial
    #[arg(long = "source", value_name = "NAME")]
    pub sources: Vec<String>,
    /// The one instant that every age is computed from, such as 2026-11-23T02:00:00Z; default now. Never before that of the newest
    /// snapshot: use --output for an earlier one
    #[arg(long, value_name = "RFC3339", value_parser = parse_instant)]
    pub as_of: Option<Instant>,
    /// Collect and judge, but publish and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Exit 10 when there is a finding of this severity or above
    #[arg(long, value_name = "SEVERITY", value_parser = parse_severity)]
    pub fail_on: Option<Severity>,
    /// Publish this source although it came back empty or much smaller: you have checked that it is true. May be repeated; without it
    /// such a source is set aside, and its rows stay as they were
    #[arg(long, value_name = "SOURCE")]
    pub allow_shrink: Vec<String>,
    /// Publish into this folder instead of output.dir, and send nothing: to evaluate an earlier instant again
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// One JSON object on stdout that sums up the run
    #[arg(long)]
    pub json: bool,
    /// Progress bar on stderr
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub progress: ProgressChoice,
}

/// `--progress`, with a default that `RunArgs` can have too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProgressChoice {
    /// On a terminal.
    #[default]
    Auto,
    /// In any case.
    Always,
    /// Not at all.
    Never,
}

/// `demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// How many users the simulated appliance has. Exactly 100, 200, 250, 500, 1,000, 2,000, 5,000 or 10,000 can leave Password
    /// Safe partial: its lists have no total, and a list of such a size may have been cut there
    #[arg(long, default_value_t = 1203, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub users: u32,
    /// Where snapshots and report go: an empty folder [default: a new one in the folder for temporary files]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `check`.
#[derive(Clone, Copy, Debug, Args)]
pub struct CheckArgs {
    /// Also get a token, read the first page of each list, of the members of every group and of the users of every vendor (at
    /// most 200 of each in a source), print the requests of a run, compare clocks, test write access and the syslog endpoint
    #[arg(long)]
    pub online: bool,
}

/// `verify`.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// Folder of the snapshot; with --chain the folder of all snapshots (output.dir), or any snapshot in it
    pub dir: PathBuf,
    /// Check every snapshot of the folder, and the chain: each snapshot names the one before it as its base. A base that
    /// retention removed is listed in pruned.jsonl; any other that is missing or has changed breaks the chain
    #[arg(long)]
    pub chain: bool,
}

/// `diff`.
#[derive(Clone, Debug, Args)]
pub struct DiffArgs {
    /// Folder of the older snapshot
    pub old: PathBuf,
    /// Folder of the newer snapshot; in output.dir, `latest` is the newest one and `latest-complete` the newest complete one
    pub new: PathBuf,
    /// One JSON array on stdout
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// CSV on stdout, with the columns of the table of changes
    #[arg(long)]
    pub csv: bool,
}

/// `report`.
#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    /// Folder of the snapshot; in output.dir, `latest` is the newest one and `latest-complete` the newest complete one. One that
    /// is not what its manifest says is refused; only its report.html may be missing or changed
    pub dir: PathBuf,
    /// Where the page goes, readable by its owner only [default: stdout, like -]. In a snapshot only as that snapshot's own
    /// report.html, to put back the bytes that the manifest lists
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
}

/// `prune`.
#[derive(Clone, Copy, Debug, Args)]
pub struct PruneArgs {
    /// Only print the plan, with reasons
    #[arg(long)]
    pub dry_run: bool,
}

/// The kinds of source that the sandbox can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SurfaceArg {
    /// The user management guide's API.
    RestV3,
    /// Configuration API of Privileged Remote Access.
    Pra,
    /// Configuration API of Remote Support, in the place of the former.
    Rs,
    /// Password Safe.
    PasswordSafe,
    /// SCIM 2.0.
    Scim,
    /// Every one but rs.
    All,
}

/// `sandbox`.
#[derive(Clone, Debug, Args)]
pub struct SandboxArgs {
    /// How many users. Exactly 100, 200, 250, 500, 1,000, 2,000, 5,000 or 10,000 can leave Password Safe partial: its lists have
    /// no total, and a list of such a size may have been cut there
    #[arg(long, default_value_t = 2503, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub users: u32,
    /// The same seed makes the same people
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Plain http instead of https
    #[arg(long)]
    pub http: bool,
    /// Interface for the ready configuration; may be repeated. Without it, or with `all`: every one but rs
    #[arg(long = "surface", value_name = "KIND")]
    pub surfaces: Vec<SurfaceArg>,
    /// Answer as real appliances do; may be repeated, and several hold at once
    #[cfg(feature = "sandbox")]
    #[arg(long = "dialect", value_name = "NAME", value_parser = dialects())]
    pub dialects: Vec<Dialect>,
    /// Lists carry only four fields a user; the rest must be read by id
    #[arg(long)]
    pub sparse: bool,
    /// Give at most this many rows a page, whatever is asked for
    #[arg(long, value_name = "ROWS")]
    pub page_clamp: Option<usize>,
    /// Share of requests that fail in each way (429, 5xx, reset, truncated, HTML, empty), from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub faults: f64,
    /// Folder for the secret, the certificate and the ready configuration
    #[arg(long, value_name = "DIR", default_value = "bt-rollcall-sandbox")]
    pub dir: PathBuf,
    /// Also writes everything that these interfaces serve to a file: what a client must end up with
    #[arg(long, value_name = "FILE", hide = true)]
    pub world: Option<PathBuf>,
}

fn parse_instant(text: &str) -> Result<Instant, String> {
    let read = DateTime::parse_from_rfc3339(text);
    // Instants are kept to the microsecond; an age by a finer one could not be told from what is written.
    read.map(|at| at.with_timezone(&Utc).trunc_subsecs(6))
        .map_err(|e| format!("{e}; write for example 2026-11-23T02:00:00Z"))
}

/// Returns a parser of the names of dialects, which knows what each means.
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
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_instant_needs_its_offset() {
        assert!(parse_instant("2026-11-23T02:00:00").is_err());
        assert_eq!(parse_instant("2026-11-23T04:00:00+02:00").unwrap().to_rfc3339(), "2026-11-23T02:00:00+00:00");
        let finer = parse_instant("2026-11-23T02:00:00.123456789Z").unwrap();
        assert_eq!(finer, parse_instant("2026-11-23T02:00:00.123456Z").unwrap());
    }
}
