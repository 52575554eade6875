//! Reads the configuration file (TOML) and turns it into the settings of a run.
//!
//! [`Config::load`] is the only entry point; `commands` calls it. One submodule reads one table of the file. A problem never stops
//! the reading: all of them are collected and reported at once, each with its key path and what to write instead.
//! Secrets are given by reference (environment, file, systemd credential) and never appear in a message.
//! This module reads local files only and contacts no host.

mod account;
mod address;
mod certificates;
mod characters;
mod collected;
mod conflicts;
mod custom;
mod displayable;
mod effective;
mod elsewhere;
mod exceptions;
mod host;
mod http;
pub mod init;
mod output;
mod owners;
mod paths;
mod policy;
mod problem;
mod proxy;
mod reference;
mod section;
mod similar;
mod single_value;
mod source;
mod spool;
mod syntax;
mod syslog;
#[cfg(test)]
mod tests;
mod trust;
mod wrong_type;

pub use effective::{Setting, effective, in_words};
pub use exceptions::ExceptionsFile;
pub use paths::STATE_DIR;
pub use problem::{ConfigProblem, Place};
pub use reference::{ReferenceContext, with_credential};
pub use similar::{KnownWords, nearest};
pub use syslog::destination_in_words;

use crate::digest::sha256_hex;
use crate::escape::shell_word;
use crate::file_error::unreadable;
use crate::model::{Classes, Instant};
use crate::regular_file::{self, MAX_TEXT};
use crate::rules::policy::Policy;
use crate::source::SourceSettings;
use crate::syslog::Destination;
use crate::wire::is_loopback_url;
use collected::Collected;
use conflicts::{InputFile, WrittenPaths};
use problem::SourceFile;
use section::Section;
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// JSON Schema (2020-12) of the configuration file. Tests compare it with the parser.
pub const SCHEMA: &str = include_str!("config/schema.json");

/// Paths that are tried in this order when neither `--config` nor `$BT_ROLLCALL_CONFIG` names a file.
pub const DEFAULT_PATHS: [&str; 2] = ["./bt-rollcall.toml", "/etc/bt-rollcall/config.toml"];

/// A valid configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file that was read.
    pub path: PathBuf,
    /// SHA-256 of that file, lower-case hex.
    pub sha256: String,
    /// Folder of the lock and the spool; by default `/var/lib/bt-rollcall`.
    pub state_dir: PathBuf,
    /// Hours between two runs of the scheduler. Events name when the next run is expected.
    pub run_every_hours: u32,
    /// Limits of the queue of events.
    pub spool: SpoolSettings,
    /// Where snapshots are written, and in which formats.
    pub output: OutputSettings,
    /// Thresholds, frameworks and rule settings.
    pub policy: Policy,
    /// Patterns of privileged groups, emergency accounts and service accounts.
    pub classes: Classes,
    /// Accepted exceptions; `None` where the configuration names no file.
    pub exceptions: Option<ExceptionsFile>,
    /// Sources to read, in the order of the file.
    pub sources: Vec<SourceSettings>,
    /// Destinations of events: those of `[[syslog]]`, then those of `[[http]]`, each in the order of the file.
    pub destinations: Vec<Destination>,
    /// Path of the Prometheus textfile; `None`: not written.
    pub metrics_file: Option<PathBuf>,
    /// Values that were corrected while reading, each with its key and what to write instead.
    pub notes: Vec<String>,
    /// Every setting with the value in force and its origin.
    pub settings: Vec<Setting>,
}

/// Settings of the table `[spool]`.
#[derive(Clone, Copy, Debug)]
pub struct SpoolSettings {
    /// Size in octets at which a run publishes nothing.
    pub max_octets: u64,
    /// Events that are queued for more than this many days are reported.
    pub max_days: u32,
}

/// Settings of the table `[output]`.
#[derive(Clone, Debug)]
pub struct OutputSettings {
    /// Folder of the snapshots; by default `snapshots` below the state folder.
    pub dir: PathBuf,
    /// Whether CSV tables are written.
    pub csv: bool,
    /// Whether Parquet tables are written.
    pub parquet: bool,
    /// Dialect of the CSV tables.
    pub dialect: crate::table::CsvDialect,
    /// Whether `report.html` is written.
    pub html: bool,
    /// Retention keeps snapshots that are younger than this many days.
    pub keep_days: u32,
    /// Retention keeps at least this many snapshots.
    pub keep_runs: u32,
}

/// All problems of a configuration that cannot be used.
#[derive(Clone, Debug)]
pub struct ConfigError {
    /// The configuration file; `None` where none was found.
    pub path: Option<PathBuf>,
    /// The problems, at least one.
    pub problems: Vec<ConfigProblem>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.path.as_ref().map_or_else(String::new, |path| format!(" {}", path.display()));
        let (count, noun) = (self.problems.len(), if self.problems.len() == 1 { "error" } else { "errors" });
        write!(f, "invalid configuration{place}: {count} {noun}")?;
        self.problems.iter().try_for_each(|problem| {
            write!(f, "\n  {problem}")?;
            problem.below.iter().try_for_each(|line| write!(f, "\n{line}"))
        })
    }
}

/// Returns the configuration file to read: `named`, or the first of [`DEFAULT_PATHS`] that exists. A file that cannot be
/// looked at exists: reading it names the reason.
pub fn locate(named: Option<PathBuf>) -> Result<PathBuf, ConfigError> {
    let found =
        named.or_else(|| DEFAULT_PATHS.iter().map(PathBuf::from).find(|path| path.try_exists().unwrap_or(true)));
    found.ok_or_else(|| {
        let text = format!(
            "configuration file not found: looked for {}; write one with `bt-rollcall config init`, or name it with \
             --config PATH or BT_ROLLCALL_CONFIG; `bt-rollcall demo` runs without one",
            DEFAULT_PATHS.join(" and ")
        );
        ConfigError { path: None, problems: vec![ConfigProblem::of("", text)] }
    })
}

impl Config {
    /// Reads the configuration from a file. Relative paths of files that are read are relative to its folder.
    ///
    /// `environment` returns the value of an environment variable. The error lists every problem of the file.
    pub fn load(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Self::parse(path, &read_file(path)?, environment)
    }

    /// Reads the configuration from a file, but no secret. The result is for display only.
    pub fn load_without_secrets(
        path: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        Self::parse_with(path, &read_file(path)?, environment, false)
    }

    /// Reads the configuration from the text of a file. See [`Config::load`].
    pub fn parse(path: &Path, text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Self::parse_with(path, text, environment, true)
    }

    fn parse_with(
        path: &Path,
        text: &str,
        environment: &dyn Fn(&str) -> Option<String>,
        reads_secrets: bool,
    ) -> Result<Self, ConfigError> {
        let fail = |problems| ConfigError { path: Some(path.to_owned()), problems };
        let file = SourceFile::new(path, text);
        let table = syntax::parse(&file, text).map_err(fail)?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let collected = Collected::default();
        let root = Section::root(table.get_ref(), &file, &collected);
        let config = read(&root, table.get_ref(), &ReferenceContext { environment, folder, reads_secrets });
        let (notes, settings) = collected.finish().map_err(fail)?;
        let (path, sha256) = (path.to_owned(), sha256_hex(text.as_bytes()));
        Ok(Self { path, sha256, notes, settings, ..config })
    }

    /// Applies `--output`: another folder with a state of its own, no events and no metrics.
    ///
    /// Such a run evaluates an instant again. Its results were sent when that instant was the present.
    pub fn redirect(&mut self, dir: &Path) {
        self.state_dir = dir.join(".state");
        dir.clone_into(&mut self.output.dir);
        self.destinations.clear();
        self.metrics_file = None;
        effective::redirect(self);
    }

    /// Returns where a key of `state_dir`, `metrics_file` or `output.dir` is set, for messages.
    pub fn place_of(&self, table: &str, key: &str) -> String {
        let found = self.settings.iter().find(|setting| setting.path.keys() == table && setting.key == key);
        let line = found.and_then(|setting| setting.line).map_or_else(String::new, |line| format!(":{line}"));
        let table = if table.is_empty() { String::new() } else { format!("[{table}] ") };
        format!("{}{line}: {table}{key}", self.path.display())
    }

    /// Returns the environment variables that secrets are read from.
    pub fn secret_variables(&self) -> Vec<String> {
        let names = self.settings.iter().filter_map(|setting| setting.value.as_object()?.get("env")?.as_str());
        let names: BTreeSet<&str> = names.collect();
        names.into_iter().map(str::to_owned).collect()
    }

    /// Returns what to know about the exceptions whose last day is before `as_of`, each with its place in their file.
    pub fn expired_exceptions(&self, as_of: Instant) -> Vec<ConfigProblem> {
        self.exceptions.as_ref().map(|file| file.expired(as_of)).unwrap_or_default()
    }

    /// Checks that no accepted exception lasts longer than 12 months from `as_of`.
    ///
    /// This is not part of [`Config::load`] because `as_of` is known only once the command line has been read.
    pub fn check_exception_lifetimes(&self, as_of: Instant) -> Result<(), ConfigError> {
        let problems = self.exceptions.as_ref().map(|file| file.too_long(as_of)).unwrap_or_default();
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { path: Some(self.path.clone()), problems }) }
    }
}

/// Checks that nobody but root and this user can change a configuration file. The error says who can, with the cure.
pub fn check_trust(path: &Path) -> Result<(), String> {
    trust::check(path)
}

fn read_file(path: &Path) -> Result<String, ConfigError> {
    let fail = |problems| ConfigError { path: Some(path.to_owned()), problems };
    let bytes = regular_file::read(path, MAX_TEXT).map_err(|error| {
        let mut text = format!("cannot read the configuration file: {}", unreadable(path, &error));
        if error.kind() == ErrorKind::NotFound {
            text = format!("{text}; `bt-rollcall config init --output {}` writes one", shell_word(path));
        }
        fail(vec![ConfigProblem::of("", text)])
    })?;
    let refused = |why| fail(vec![ConfigProblem::of("", format!("the configuration is not used: {why}"))]);
    check_trust(path).map_err(refused)?;
    characters::decoded(path, bytes).map_err(fail)
}

/// Reads the tables in an order in which each knows the names that it may contain.
fn read(root: &Section<'_>, table: &DeTable<'_>, context: &ReferenceContext<'_>) -> Config {
    let state_dir = paths::written(root, "state_dir").unwrap_or_else(|| PathBuf::from(paths::STATE_DIR));
    root.resolved("state_dir", json!(state_dir));
    let metrics_file = paths::written(root, "metrics_file");
    let run_every_hours = root.number("run_every_hours", 1..=8_760, 24);
    let spool = spool::read(&root.section("spool"));
    let output_table = root.section("output");
    let output = output::read(&output_table, &state_dir);
    // Policy and exceptions may name sources, so the names are read before the sources themselves.
    let (policy, classes, exceptions) = policy::read(&root.section("policy"), &source_names(table), context);
    let sources = source::read(root.sections("source", "name"), root, &classes.privileged_groups, context);
    let over_syslog = syslog::read(root.sections("syslog", "url"), context).into_iter().map(Destination::Syslog);
    let over_http = http::read(root.sections("http", "url"), context).into_iter().map(Destination::Http);
    let destinations: Vec<Destination> = over_syslog.chain(over_http).collect();
    let mut urls =
        sources.iter().map(|source| source.client.url.as_str()).chain(destinations.iter().map(Destination::url));
    if context.reads_secrets
        && urls.any(|url| url.starts_with("https:") && !is_loopback_url(url))
        && let Some(text) = proxy::problem(context)
    {
        root.collected().problem(ConfigProblem::of("", text));
    }
    root.reject_unknown_keys();
    let written =
        WrittenPaths { state_dir: &state_dir, output_dir: &output.dir, metrics_file: metrics_file.as_deref() };
    let mut inputs = root.collected().input_files();
    inputs.push(InputFile::configuration(root.path_of_file()));
    conflicts::check(root, &output_table, &written, &inputs);
    Config {
        path: PathBuf::new(),
        sha256: String::new(),
        state_dir,
        run_every_hours,
        spool,
        output,
        policy,
        classes,
        exceptions,
        sources,
        destinations,
        metrics_file,
        notes: Vec::new(),
        settings: Vec::new(),
    }
}

/// Returns the names of all sources as written, including those whose tables have other problems.
///
/// A source with another problem is still known by name, so a reference to it adds no second problem.
fn source_names<'t>(table: &'t DeTable<'_>) -> Vec<&'t str> {
    let name = |source: &'t DeValue<'_>| source.as_table()?.get("name")?.get_ref().as_str();
    match table.get("source").map(toml::Spanned::get_ref) {
        Some(DeValue::Array(sources)) => sources.iter().filter_map(|source| name(source.get_ref())).collect(),
        Some(source) => name(source).into_iter().collect(),
        None => Vec::new(),
    }
}
