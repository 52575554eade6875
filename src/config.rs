//! Reads the configuration file (TOML) and turns it into the settings of a run.
//!
//! [`Config::load`] is the only entry point; `commands` calls it. One submodule reads one table of the file. A problem never stops
//! the reading: all of them are collected and reported at once, each with its key path and what to write instead.
//! Secrets are given by reference (environment, file, systemd credential) and never appear in a message.
//! This module reads local files only and contacts no host.

mod account;
mod address;
mod certificates;
mod custom;
mod exceptions;
mod output;
mod owners;
mod policy;
mod reference;
mod section;
mod single_value;
mod source;
mod syslog;
#[cfg(test)]
mod tests;

pub use exceptions::ExceptionsFile;
pub use reference::ReferenceContext;
pub use section::ConfigProblem;

use crate::digest::sha256_hex;
use crate::model::{Classes, Instant};
use crate::rules::policy::Policy;
use crate::source::SourceSettings;
use crate::syslog::Destination;
use section::{Problems, Section};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

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
    /// Syslog destinations, in the order of the file.
    pub destinations: Vec<Destination>,
    /// Path of the Prometheus textfile; `None`: not written.
    pub metrics_file: Option<PathBuf>,
    /// Values that were corrected while reading, each with its key and what to write instead.
    pub notes: Vec<String>,
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
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// Returns the configuration file to read: `named`, or the first of [`DEFAULT_PATHS`] that exists.
pub fn locate(named: Option<PathBuf>) -> Result<PathBuf, ConfigError> {
    let found = named.or_else(|| DEFAULT_PATHS.iter().map(PathBuf::from).find(|path| path.exists()));
    found.ok_or_else(|| {
        let text = format!(
            "configuration file not found: looked for {}; write one, or name it with --config PATH or \
             BT_ROLLCALL_CONFIG; `bt-rollcall demo` runs without one",
            DEFAULT_PATHS.join(" and ")
        );
        ConfigError { path: None, problems: vec![ConfigProblem { key: String::new(), text }] }
    })
}

impl Config {
    /// Reads the configuration from a file. Relative paths in the file are relative to its folder.
    ///
    /// `environment` returns the value of an environment variable. The error lists every problem of the file.
    pub fn load(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let fail = |text: String| ConfigError {
            path: Some(path.to_owned()),
            problems: vec![ConfigProblem { key: String::new(), text }],
        };
        let text = fs::read_to_string(path).map_err(|e| fail(format!("cannot read the configuration file: {e}")))?;
        let table: Table = toml::from_str(&text).map_err(|e| fail(not_toml(&text, &e)))?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let problems = Problems::default();
        let config = parse(&table, &problems, &ReferenceContext { environment, folder }, path, &text);
        let problems = problems.into_vec();
        if problems.is_empty() { Ok(config) } else { Err(ConfigError { path: Some(path.to_owned()), problems }) }
    }

    /// Checks that no accepted exception lasts longer than 12 months from `as_of`.
    ///
    /// This is not part of [`Config::load`] because `as_of` is known only once the command line has been read.
    pub fn check_exception_lifetimes(&self, as_of: Instant) -> Result<(), ConfigError> {
        let problems = self.exceptions.as_ref().map(|file| file.too_long(as_of)).unwrap_or_default();
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { path: Some(self.path.clone()), problems }) }
    }
}

fn parse(table: &Table, problems: &Problems, context: &ReferenceContext<'_>, path: &Path, text: &str) -> Config {
    let root = Section::new("", table, problems);
    let state_dir = context.path(root.text("state_dir").unwrap_or("/var/lib/bt-rollcall"));
    let output = output::read(root.section("output"), &state_dir, context);
    // Policy and exceptions may name sources, so the names are read before the sources themselves.
    let (policy, classes, exceptions) = policy::read(root.section("policy"), &source_names(table), context);
    let sources = source::read(root.sections("source"), &root, &classes.privileged_groups, context);
    let destinations = syslog::read(root.sections("syslog"), context);
    let metrics_file = root.text("metrics_file").map(|text| context.path(text));
    root.reject_unknown_keys();
    let (path, sha256) = (path.to_owned(), sha256_hex(text.as_bytes()));
    let notes = problems.notes();
    Config { path, sha256, state_dir, output, policy, classes, exceptions, sources, destinations, metrics_file, notes }
}

/// Returns the names of all sources as written, including those whose tables have other problems.
///
/// A source with another problem is still known by name, so a reference to it adds no second problem.
fn source_names(table: &Table) -> Vec<&str> {
    let sections = match table.get("source") {
        Some(Value::Array(sections)) => sections.as_slice(),
        Some(section) => std::slice::from_ref(section),
        None => &[],
    };
    sections.iter().filter_map(|section| section.get("name").and_then(Value::as_str)).collect()
}

/// Describes a syntax error with its line number but without the text of the line, which may contain a secret.
fn not_toml(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
    format!("line {line}: invalid TOML: {}", error.message().trim().replace('\n', "; "))
}
