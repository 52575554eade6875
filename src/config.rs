//! What the configuration file says -> what it means. Reports every problem at once, with key path and cure.
//! Secrets come by reference only. Knows no network.

use crate::model::Classes;
use crate::rules::policy::Policy;
use crate::source::SourceSettings;
use crate::syslog::Destination;
use std::path::PathBuf;

/// A configuration that was understood.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it came from.
    pub path: PathBuf,
    /// SHA-256 of that file, lower-case hex.
    pub sha256: String,
    /// Lock and spool.
    pub state_dir: PathBuf,
    /// Where and what to write.
    pub output: Output,
    /// Thresholds.
    pub policy: Policy,
    /// Special groups and accounts.
    pub classes: Classes,
    /// What to read, in the order of the file.
    pub sources: Vec<SourceSettings>,
    /// Where events go, in the order of the file.
    pub destinations: Vec<Destination>,
    /// Prometheus textfile.
    pub metrics_file: Option<PathBuf>,
}

/// `[output]`.
#[derive(Clone, Debug)]
pub struct Output {
    /// Snapshots live here.
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
