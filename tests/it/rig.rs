//! The test rig: a simulated appliance, a configuration that reads it, and the program as a child process.
//!
//! [`Rig`] is what most tests start from. The functions below it read tables, find rows and check exit codes. Rig and tests see the
//! program from outside: its arguments, files, output and requests.

use bt_rollcall_sandbox::{Faults, Sandbox, SandboxOptions, Surface, World};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// Instant that ages are computed from, unless a test chooses another one.
pub const AS_OF: &str = "2026-11-23T02:00:00Z";

/// Interfaces that one appliance can serve at the same time. Remote Support has the same paths as PRA and is not one of them.
pub const SURFACES: [Surface; 4] = [Surface::Guide, Surface::Pra, Surface::PasswordSafe, Surface::Scim];

/// Returns [`AS_OF`] as a value.
pub fn as_of() -> DateTime<Utc> {
    AS_OF.parse().unwrap()
}

/// Returns the instant of a day's run, as the program reads and writes it. Day 0 is [`AS_OF`].
pub fn day(number: u32) -> String {
    (as_of() + TimeDelta::days(number.into())).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Returns a world with this many users, among them unusual ones.
pub fn people(count: usize) -> World {
    World::seeded(7, count, as_of())
}

/// Sets a field of a user; fails where the user does not exist.
#[track_caller]
pub fn set_field(world: &mut World, id: u64, field: &str, value: Value) {
    assert!(world.edit_user(id, |record| drop(record.insert(field.to_owned(), value))));
}

/// Returns the program as a command, without the environment variables that it reads.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bt-rollcall"));
    command.env_remove("BT_ROLLCALL_CONFIG").stdin(Stdio::null());
    command
}

/// A row of a table: cells by column name.
pub type Row = BTreeMap<String, String>;

/// A simulated appliance and a configuration that reads it.
pub struct Rig {
    /// Folder of the configuration, the state and the snapshots.
    pub folder: TempDir,
    pub sandbox: Sandbox,
    pub config: PathBuf,
}

impl Rig {
    pub fn new(world: World, faults: Faults) -> Self {
        Self::with_syslog(world, faults, None)
    }

    pub fn with_syslog(world: World, faults: Faults, syslog: Option<&str>) -> Self {
        Self::with_surfaces(&[Surface::Guide], world, faults, syslog)
    }

    /// Starts one appliance and configures a source for each of these interfaces.
    pub fn with_surfaces(surfaces: &[Surface], world: World, faults: Faults, syslog: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SandboxOptions { world, faults, tls: false, seed: 1, ..SandboxOptions::default() };
        let sandbox = Sandbox::start(options).unwrap();
        private(&folder.path().join("sandbox-secret"), sandbox.client_secret());
        let config = folder.path().join("bt-rollcall.toml");
        private(&config, &sandbox.ready_configuration_of(surfaces, folder.path(), syslog));
        let rig = Self { folder, sandbox, config };
        // Without the guard against formulas, cells are equal to the values that tests compare. The guard has its own tests.
        rig.edit("[output]\n", "[output]\ncsv = \"raw\"\n");
        rig
    }

    pub fn seeded(users: usize) -> Self {
        Self::new(World::seeded(1, users, as_of()), Faults::default())
    }

    /// Replaces the first occurrence of a text in the configuration; fails where there is none.
    pub fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(&self.config).unwrap();
        assert!(text.contains(from), "{from:?} is not in the configuration:\n{text}");
        private(&self.config, &text.replacen(from, to, 1));
    }

    /// Adds a line to the table of the first source.
    pub fn set(&self, setting: &str) {
        self.edit("requests_per_second = 1000\n", &format!("requests_per_second = 1000\n{setting}\n"));
    }

    /// Adds text to the end of the configuration.
    pub fn append(&self, more: &str) {
        let text = fs::read_to_string(&self.config).unwrap();
        private(&self.config, &format!("{text}\n{more}\n"));
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = program();
        command.args(args).arg("--config").arg(&self.config).current_dir(self.folder.path());
        command
    }

    pub fn call(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Executes `run` at [`AS_OF`].
    pub fn run(&self, more: &[&str]) -> Output {
        self.run_on_day(0, more)
    }

    /// Executes `run` at the instant of this day.
    pub fn run_on_day(&self, number: u32, more: &[&str]) -> Output {
        self.call(&[&["run", "--as-of", &day(number)], more].concat())
    }

    /// Starts `run` at [`AS_OF`] without waiting for its end.
    pub fn start(&self) -> Child {
        let mut command = self.command(&["run", "--as-of", AS_OF]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub fn snapshots_dir(&self) -> PathBuf {
        self.folder.path().join("snapshots")
    }

    pub fn spool_dir(&self) -> PathBuf {
        self.folder.path().join("state/spool")
    }

    /// Returns the published snapshots, oldest first.
    pub fn snapshots(&self) -> Vec<PathBuf> {
        published(&self.snapshots_dir())
    }

    /// Returns the newest published snapshot.
    pub fn snapshot(&self) -> PathBuf {
        self.snapshots().pop().expect("there is a snapshot")
    }

    /// Returns the manifest of the newest published snapshot.
    pub fn manifest(&self) -> Value {
        read_json(&self.snapshot().join("manifest.json"))
    }

    /// Returns the warnings in the manifest of the newest published snapshot, except the one that every run of a test has: its
    /// instant is not the time of its start.
    pub fn warnings(&self) -> Vec<String> {
        let manifest = self.manifest();
        let warnings = manifest["warnings"].as_array().unwrap().iter().map(|warning| warning.as_str().unwrap());
        warnings.filter(|warning| !warning.starts_with("evaluated as of ")).map(str::to_owned).collect()
    }

    /// Returns the report of the newest published snapshot.
    pub fn report(&self) -> String {
        fs::read_to_string(self.snapshot().join("report.html")).unwrap()
    }

    /// Returns the target of the link `latest`.
    pub fn latest(&self) -> Option<PathBuf> {
        self.linked("latest")
    }

    /// Returns the target of the link `latest-complete`.
    pub fn latest_complete(&self) -> Option<PathBuf> {
        self.linked("latest-complete")
    }

    fn linked(&self, link: &str) -> Option<PathBuf> {
        let target = fs::read_link(self.snapshots_dir().join(link)).ok()?;
        assert!(target.is_relative());
        Some(self.snapshots_dir().join(target))
    }

    /// Returns the rows of a table of the newest published snapshot.
    pub fn table(&self, name: &str) -> Vec<Row> {
        rows(&self.snapshot().join(format!("{name}.csv")))
    }
}

/// Returns the published snapshots of a folder, oldest first.
pub fn published(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.is_symlink() && path.join("manifest.json").is_file())
        // A hidden folder with a manifest is a snapshot that is about to be published.
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'))
        .collect();
    folders.sort();
    folders
}

/// Reads a JSON file.
pub fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Reads the rows of a CSV file.
pub fn rows(path: &Path) -> Vec<Row> {
    rows_of(fs::File::open(path).unwrap())
}

/// Reads rows from CSV.
pub fn rows_of(csv: impl std::io::Read) -> Vec<Row> {
    let mut reader = csv::Reader::from_reader(csv);
    let header = reader.headers().unwrap().clone();
    let row = |record: csv::StringRecord| {
        header.iter().map(str::to_owned).zip(record.iter().map(str::to_owned)).collect::<Row>()
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

/// Returns the finding of a rule about a subject.
pub fn find_finding<'a>(findings: &'a [Row], rule: &str, subject_id: &str) -> Option<&'a Row> {
    findings.iter().find(|row| row["rule"] == rule && row["subject_id"] == subject_id)
}

/// Returns the SHA-256 of some bytes, lower-case hex.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = <sha2::Sha256 as sha2::Digest>::digest(bytes);
    digest.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// Copies a folder with its links and modes.
pub fn copy_folder(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// Writes a file that only its owner can read.
pub fn private(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[track_caller]
pub fn assert_exit(output: &Output, code: i32) {
    let shown = || format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{}", shown());
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
