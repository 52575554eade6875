//! What the configuration file says -> what it means. Reports every problem at once, with key path and cure.
//! Secrets come by reference only. Knows no network.

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

use crate::model::{Classes, Instant};
use crate::rules::policy::Policy;
use crate::source::SourceSettings;
use crate::syslog::Destination;
use section::{Problems, Section};
use sha2::{Digest, Sha256};
use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Where the file is looked for when nothing names it, in this order.
pub const USUAL_PLACES: [&str; 2] = ["./bt-rollcall.toml", "/etc/bt-rollcall/config.toml"];

/// A configuration that was understood.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it came from.
    pub path: PathBuf,
    /// SHA-256 of that file, lower-case hex.
    pub sha256: String,
    /// Lock and spool; by default `/var/lib/bt-rollcall`.
    pub state_dir: PathBuf,
    /// Where and what to write.
    pub output: OutputSettings,
    /// Thresholds.
    pub policy: Policy,
    /// Special groups and accounts.
    pub classes: Classes,
    /// Accepted exceptions, where a file of them is named.
    pub exceptions: Option<ExceptionsFile>,
    /// What to read, in the order of the file.
    pub sources: Vec<SourceSettings>,
    /// Where events go, in the order of the file.
    pub destinations: Vec<Destination>,
    /// Prometheus textfile.
    pub metrics_file: Option<PathBuf>,
    /// What was understood in another way than it is written, each with its key and what to write.
    pub notes: Vec<String>,
}

/// `[output]`.
#[derive(Clone, Debug)]
pub struct OutputSettings {
    /// Snapshots live here; by default `snapshots` below the state folder.
    pub dir: PathBuf,
    /// Write CSV tables.
    pub csv: bool,
    /// Write Parquet tables.
    pub parquet: bool,
    /// Dialect of the CSV tables.
    pub dialect: crate::table::CsvDialect,
    /// Write `report.html`.
    pub html: bool,
    /// Snapshots younger than this are kept; days.
    pub keep_days: u32,
    /// At least this many snapshots are kept.
    pub keep_runs: u32,
}

/// Why a configuration cannot be used: all its problems.
#[derive(Clone, Debug)]
pub struct ConfigError {
    /// The file, where there is one.
    pub path: Option<PathBuf>,
    /// At least one.
    pub problems: Vec<ConfigProblem>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.path.as_ref().map_or_else(String::new, |path| format!(" in {}", path.display()));
        match self.problems.as_slice() {
            [one] => write!(f, "the configuration cannot be used: one problem{place}\n  {one}"),
            several => {
                write!(f, "the configuration cannot be used: {} problems{place}", several.len())?;
                several.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

/// The file to read: the one that was named, else the first that is there.
pub fn locate(named: Option<PathBuf>) -> Result<PathBuf, ConfigError> {
    let found = named.or_else(|| USUAL_PLACES.iter().map(PathBuf::from).find(|path| path.exists()));
    found.ok_or_else(|| {
        let text = format!(
            "there is no configuration: name it with --config or $BT_ROLLCALL_CONFIG, or put it at {}; \
             `bt-rollcall demo` needs none",
            USUAL_PLACES.join(" or ")
        );
        ConfigError { path: None, problems: vec![ConfigProblem { key: String::new(), text }] }
    })
}

impl Config {
    /// Reads and understands a file. Relative paths in it start at its folder.
    pub fn load(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let fail = |text: String| ConfigError {
            path: Some(path.to_owned()),
            problems: vec![ConfigProblem { key: String::new(), text }],
        };
        let text = fs::read_to_string(path).map_err(|e| fail(format!("cannot read it: {e}")))?;
        let table: Table = toml::from_str(&text).map_err(|e| fail(not_toml(&text, &e)))?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let problems = Problems::default();
        let config = understand(&table, &problems, &ReferenceContext { environment, folder }, path, &text);
        let problems = problems.into_vec();
        if problems.is_empty() { Ok(config) } else { Err(ConfigError { path: Some(path.to_owned()), problems }) }
    }

    /// Errors: exceptions that would hold longer than 12 months from the instant of the run.
    pub fn lives_of_exceptions(&self, as_of: Instant) -> Result<(), ConfigError> {
        let problems = self.exceptions.as_ref().map(|file| file.too_long(as_of)).unwrap_or_default();
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { path: Some(self.path.clone()), problems }) }
    }
}

fn understand(table: &Table, problems: &Problems, around: &ReferenceContext<'_>, path: &Path, text: &str) -> Config {
    let root = Section::new("", table, problems);
    let state_dir = around.path(root.text("state_dir").unwrap_or("/var/lib/bt-rollcall"));
    let output = output::read(root.section("output"), &state_dir, around);
    let (policy, classes, exceptions) = policy::read(root.section("policy"), &source_names(table), around);
    let sources = source::read(root.sections("source"), &root, &classes.privileged_groups, around);
    let destinations = syslog::read(root.sections("syslog"), around);
    let metrics_file = root.text("metrics_file").map(|text| around.path(text));
    root.end();
    let (path, sha256) = (path.to_owned(), hex(&Sha256::digest(text.as_bytes())));
    let notes = problems.notes();
    Config { path, sha256, state_dir, output, policy, classes, exceptions, sources, destinations, metrics_file, notes }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing into a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The names of sources as they are written, those too whose tables have other mistakes.
fn source_names(table: &Table) -> Vec<&str> {
    let sections = match table.get("source") {
        Some(Value::Array(sections)) => sections.as_slice(),
        Some(section) => std::slice::from_ref(section),
        None => &[],
    };
    sections.iter().filter_map(|section| section.get("name").and_then(Value::as_str)).collect()
}

/// The parser's own words without the line that it would show: a secret may stand in it.
fn not_toml(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
    format!("line {line} is not TOML: {}", error.message().trim().replace('\n', "; "))
}
