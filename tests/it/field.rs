//! Answers as the field gives them, and what the program makes of them: every case of the census of real appliances, and others of the
//! same kinds. The whole program runs against a server that was written for the test and knows no product.

mod absence;
mod below;
mod dates;
mod directory;
mod errors;
mod lists;
mod password_safe;
mod pra;
mod rows;
mod scim;
mod server;
mod tls;
mod values;
mod world;

use super::rig::{Row, private, rows, stderr, stdout};
use serde_json::Value;
use server::Server;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// The instants of the runs.
const FIRST: &str = "2026-11-23T02:00:00Z";
const SECOND: &str = "2026-11-24T02:00:00Z";
const THIRD: &str = "2026-11-25T02:00:00Z";

/// A server, a configuration that reads it, and the program.
pub struct Field {
    pub folder: TempDir,
    pub server: Server,
}

impl Field {
    /// One source `s` of this kind.
    pub fn new(kind: &str, server: Server) -> Self {
        let address = format!("http://127.0.0.1:{}", server.port());
        Self::at(kind, server, &address)
    }

    /// The same with another address.
    pub fn at(kind: &str, server: Server, address: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let field = Self { folder, server };
        private(&field.path("secret"), "s3cret");
        let (state, dir) = (field.path("state"), field.path("snapshots"));
        let text = format!(
            "state_dir = \"{}\"\n[output]\ndir = \"{}\"\ncsv = \"raw\"\ntables = [\"csv\"]\n\
             [policy]\nprivileged_groups = [\"Administrators\"]\n\
             [[source]]\nname = \"s\"\nkind = \"{kind}\"\nurl = \"{address}\"\nclient_id = \"id\"\n\
             client_secret = {{ file = \"secret\" }}\nrequests_per_second = 1000\n",
            state.display(),
            dir.display(),
        );
        private(&field.config(), &text);
        field
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("bt-rollcall.toml")
    }

    /// Adds a setting to the source; one that is there already is replaced.
    pub fn set(&self, setting: &str) -> &Self {
        let key = setting.split('=').next().unwrap();
        let text = fs::read_to_string(self.config()).unwrap();
        let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with(key)).chain([setting]).collect();
        private(&self.config(), &format!("{}\n", kept.join("\n")));
        self
    }

    pub fn call(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bt-rollcall"));
        command.args(args).arg("--config").arg(self.config()).current_dir(self.folder.path());
        command.env_remove("BT_ROLLCALL_CONFIG").stdin(Stdio::null()).output().unwrap()
    }

    /// Runs, and verifies what was published.
    #[track_caller]
    pub fn run_at(&self, as_of: &str) -> Output {
        let before = self.snapshots().len();
        let output = self.call(&["run", "--as-of", as_of]);
        if self.snapshots().len() > before {
            let verified = self.call(&["verify", self.snapshot().to_str().unwrap()]);
            assert_eq!(verified.status.code(), Some(0), "{}\n{}", stdout(&verified), stderr(&verified));
        }
        output
    }

    /// The first run, which must end with this code.
    #[track_caller]
    pub fn first(&self, code: i32) -> Output {
        exits(self.run_at(FIRST), code)
    }

    /// The second one.
    #[track_caller]
    pub fn second(&self, code: i32) -> Output {
        exits(self.run_at(SECOND), code)
    }

    /// The third one.
    #[track_caller]
    pub fn third(&self, code: i32) -> Output {
        exits(self.run_at(THIRD), code)
    }

    /// `check --online`, which must end with this code; returns what it prints.
    #[track_caller]
    pub fn check(&self, code: i32) -> String {
        stdout(&exits(self.call(&["check", "--online"]), code))
    }

    fn snapshots(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.path("snapshots")) else { return Vec::new() };
        let paths = entries.map(|entry| entry.unwrap().path());
        let mut paths: Vec<_> = paths.filter(|path| !path.is_symlink() && is_published(path)).collect();
        paths.sort();
        paths
    }

    /// The newest published snapshot.
    pub fn snapshot(&self) -> PathBuf {
        self.snapshots().pop().expect("there is a snapshot")
    }

    pub fn manifest(&self) -> Value {
        serde_json::from_slice(&fs::read(self.snapshot().join("manifest.json")).unwrap()).unwrap()
    }

    /// The entry of a list in the manifest.
    pub fn list(&self, kind: &str) -> Option<Value> {
        let manifest = self.manifest();
        let lists = manifest["sources"][0]["lists"].as_array().unwrap();
        lists.iter().find(|list| list["kind"] == kind).cloned()
    }

    /// How a list was read: `complete`, `drifted`, `failed`, `not-offered`; empty where it was not read at all.
    pub fn coverage(&self, kind: &str) -> String {
        self.list(kind).map_or_else(String::new, |list| list["coverage"].as_str().unwrap().to_owned())
    }

    /// Proof of a list, or why there is none.
    pub fn proof(&self, kind: &str) -> String {
        self.list(kind).map_or_else(String::new, |list| list["proof"].as_str().unwrap().to_owned())
    }

    pub fn table(&self, name: &str) -> Vec<Row> {
        rows(&self.snapshot().join(format!("{name}.csv")))
    }

    /// The row of a table with this id.
    #[track_caller]
    pub fn row(&self, table: &str, id: &str) -> Row {
        let found = self.table(table).into_iter().find(|row| row["id"] == id);
        found.unwrap_or_else(|| panic!("no {id} in {table}: {:?}", self.table(table)))
    }

    pub fn user(&self, id: &str) -> Row {
        self.row("users", id)
    }

    pub fn group(&self, id: &str) -> Row {
        self.row("groups", id)
    }

    /// One column of a table, in the order of its rows.
    pub fn column(&self, table: &str, column: &str) -> Vec<String> {
        self.table(table).into_iter().map(|mut row| row.remove(column).unwrap()).collect()
    }

    /// Memberships as `group:user`.
    pub fn memberships(&self) -> Vec<String> {
        let pair = |row: Row| format!("{}:{}", row["group_id"], row["user_id"]);
        self.table("memberships").into_iter().map(pair).collect()
    }

    /// Open findings of a rule, by their subjects' ids in the order of text.
    pub fn found(&self, rule: &str) -> Vec<String> {
        let open = |row: &Row| row["rule"] == rule && row["status"] != "resolved";
        let findings = self.table("findings").into_iter().filter(open);
        let mut ids: Vec<String> = findings.map(|mut row| row.remove("subject_id").unwrap()).collect();
        ids.sort();
        ids
    }

    /// The evidence of the source's own finding of `data-quality`; null where there is none.
    pub fn quality(&self) -> Value {
        let own = |row: &Row| row["rule"] == "data-quality" && row["subject_kind"] == "source";
        let row = self.table("findings").into_iter().find(own);
        row.map_or(Value::Null, |row| serde_json::from_str(&row["evidence"]).unwrap())
    }

    /// Nothing is said to be removed, and no group or membership to be absent.
    #[track_caller]
    pub fn concludes_nothing_from_absence(&self) {
        let kinds = self.column("changes", "kind");
        let removed: Vec<_> = kinds.iter().filter(|kind| kind.ends_with(".removed")).collect();
        assert!(removed.is_empty(), "{removed:?}");
        for rule in ["no-group", "empty-group", "dangling-group"] {
            assert_eq!(self.found(rule), [""; 0], "{rule}");
        }
    }
}

/// Tests every case at the same time: what fails is asked for again after pauses.
fn at_once<T: Send>(cases: impl IntoIterator<Item = T>, test: impl Fn(T) + Sync) {
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| test(case));
        }
    });
}

fn is_published(path: &Path) -> bool {
    path.join("manifest.json").is_file() && !path.file_name().unwrap().to_string_lossy().starts_with('.')
}

#[track_caller]
fn exits(output: Output, code: i32) -> Output {
    super::rig::assert_exit(&output, code);
    output
}
