//! An appliance, a configuration that reads it, and the program.

use bt_rollcall_sandbox::{Faults, Sandbox, SandboxOptions, Surface, World};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// The instant that every test judges by.
pub const AS_OF: &str = "2026-11-23T02:00:00Z";

pub fn as_of() -> DateTime<Utc> {
    AS_OF.parse().unwrap()
}

/// A row by column name.
pub type Row = BTreeMap<String, String>;

pub struct Rig {
    pub folder: TempDir,
    pub sandbox: Sandbox,
    pub config: PathBuf,
}

impl Rig {
    pub fn new(world: World, faults: Faults) -> Self {
        Self::with_syslog(world, faults, None)
    }

    pub fn with_syslog(world: World, faults: Faults, syslog: Option<&str>) -> Self {
        Self::of(&[Surface::Guide], world, faults, syslog)
    }

    /// One appliance that is read by each of these surfaces.
    pub fn of(surfaces: &[Surface], world: World, faults: Faults, syslog: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SandboxOptions { world, faults, tls: false, seed: 1, ..SandboxOptions::default() };
        let sandbox = Sandbox::start(options).unwrap();
        private(&folder.path().join("sandbox-secret"), sandbox.client_secret());
        let config = folder.path().join("bt-rollcall.toml");
        private(&config, &sandbox.ready_configuration_of(surfaces, folder.path(), syslog));
        let rig = Self { folder, sandbox, config };
        // No apostrophes in the cells that tests compare; the guard has tests of its own.
        rig.edit("[output]\n", "[output]\ncsv = \"raw\"\n");
        rig
    }

    pub fn seeded(users: usize) -> Self {
        Self::new(World::seeded(1, users, as_of()), Faults::default())
    }

    /// Replaces a piece of the configuration; fails where it is not there.
    pub fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(&self.config).unwrap();
        assert!(text.contains(from), "{from:?} is not in the configuration:\n{text}");
        private(&self.config, &text.replacen(from, to, 1));
    }

    /// Adds a setting to the source.
    pub fn set(&self, setting: &str) {
        self.edit("requests_per_second = 1000\n", &format!("requests_per_second = 1000\n{setting}\n"));
    }

    /// Adds to the end of the configuration.
    pub fn append(&self, more: &str) {
        let text = fs::read_to_string(&self.config).unwrap();
        private(&self.config, &format!("{text}\n{more}\n"));
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bt-rollcall"));
        command.args(args).arg("--config").arg(&self.config).current_dir(self.folder.path());
        command.env_remove("BT_ROLLCALL_CONFIG").stdin(Stdio::null());
        command
    }

    pub fn call(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// `run` at the instant of the tests.
    pub fn run(&self, more: &[&str]) -> Output {
        self.call(&[&["run", "--as-of", AS_OF], more].concat())
    }

    /// The same in the background.
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

    /// Published snapshots, oldest first.
    pub fn snapshots(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.snapshots_dir()) else { return Vec::new() };
        let mut folders: Vec<PathBuf> = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| !path.is_symlink() && path.join("manifest.json").is_file())
            .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'))
            .collect();
        folders.sort();
        folders
    }

    /// The newest published snapshot.
    pub fn snapshot(&self) -> PathBuf {
        self.snapshots().pop().expect("there is a snapshot")
    }

    pub fn manifest(&self) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.snapshot().join("manifest.json")).unwrap()).unwrap()
    }

    /// What `latest` names.
    pub fn latest(&self) -> Option<PathBuf> {
        self.linked("latest")
    }

    /// What `latest-complete` names.
    pub fn latest_complete(&self) -> Option<PathBuf> {
        self.linked("latest-complete")
    }

    fn linked(&self, link: &str) -> Option<PathBuf> {
        let target = fs::read_link(self.snapshots_dir().join(link)).ok()?;
        assert!(target.is_relative());
        Some(self.snapshots_dir().join(target))
    }

    pub fn table(&self, name: &str) -> Vec<Row> {
        rows(&self.snapshot().join(format!("{name}.csv")))
    }
}

/// The rows of a CSV file.
pub fn rows(path: &Path) -> Vec<Row> {
    rows_of(fs::File::open(path).unwrap())
}

/// The same of what was written elsewhere.
pub fn rows_of(csv: impl std::io::Read) -> Vec<Row> {
    let mut reader = csv::Reader::from_reader(csv);
    let header = reader.headers().unwrap().clone();
    let row = |record: csv::StringRecord| {
        header.iter().map(str::to_owned).zip(record.iter().map(str::to_owned)).collect::<Row>()
    };
    reader.records().map(|record| row(record.unwrap())).collect()
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
