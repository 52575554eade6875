//! Tests with responses as real appliances send them, and further responses of the same kinds.
//!
//! The whole program runs against a server that sends exactly the bytes that a test chooses. Unlike the sandbox, this server knows no
//! product. Each test starts from a small tenant of `world` and changes one response.

mod absence;
mod below;
mod dates;
mod directory;
mod ends;
mod errors;
mod hostile_text;
mod lists;
mod password_safe;
mod pra;
mod rows;
mod scim;
mod server;
mod tls;
mod values;
mod world;

use super::rig::{Row, assert_exit, private, program, published, read_json, rows, stderr, stdout};
use serde_json::Value;
use server::Server;
use std::fs;
use std::path::PathBuf;
use std::process::Output;
use tempfile::TempDir;

/// Instant of the first run.
const FIRST: &str = "2026-11-23T02:00:00Z";
const SECOND: &str = "2026-11-24T02:00:00Z";
const THIRD: &str = "2026-11-25T02:00:00Z";

/// A server and a configuration that reads it as the source `s`.
pub struct Tenant {
    pub folder: TempDir,
    pub server: Server,
}

impl Tenant {
    /// Returns a tenant whose source has this kind and the address of the server.
    pub fn new(kind: &str, server: Server) -> Self {
        let address = format!("http://127.0.0.1:{}", server.port());
        Self::at(kind, server, &address)
    }

    /// Returns a tenant whose source has this address, which must lead to the server.
    pub fn at(kind: &str, server: Server, address: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tenant = Self { folder, server };
        private(&tenant.path("secret"), "s3cret");
        let (state, dir) = (tenant.path("state"), tenant.path("snapshots"));
        let text = format!(
            "state_dir = \"{}\"\n[output]\ndir = \"{}\"\ncsv = \"raw\"\ntables = [\"csv\"]\n\
             [policy]\nprivileged_groups = [\"Administrators\"]\n\
             [[source]]\nname = \"s\"\nkind = \"{kind}\"\nurl = \"{address}\"\nclient_id = \"id\"\n\
             client_secret = {{ file = \"secret\" }}\nrequests_per_second = 1000\n",
            state.display(),
            dir.display(),
        );
        private(&tenant.config(), &text);
        tenant
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("bt-rollcall.toml")
    }

    /// Adds a setting to the source, or replaces an existing one.
    pub fn set(&self, setting: &str) -> &Self {
        let key = setting.split('=').next().unwrap();
        let text = fs::read_to_string(self.config()).unwrap();
        let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with(key)).chain([setting]).collect();
        private(&self.config(), &format!("{}\n", kept.join("\n")));
        self
    }

    pub fn call(&self, args: &[&str]) -> Output {
        let mut command = program();
        command.args(args).arg("--config").arg(self.config()).current_dir(self.folder.path()).output().unwrap()
    }

    /// Executes `run` at an instant and verifies the snapshot that it published.
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

    /// Executes the first run, which must exit with this code.
    #[track_caller]
    pub fn first(&self, code: i32) -> Output {
        exits(self.run_at(FIRST), code)
    }

    /// Executes the second run.
    #[track_caller]
    pub fn second(&self, code: i32) -> Output {
        exits(self.run_at(SECOND), code)
    }

    /// Executes the third run.
    #[track_caller]
    pub fn third(&self, code: i32) -> Output {
        exits(self.run_at(THIRD), code)
    }

    /// Executes `check --online`, which must exit with this code, and returns its stdout.
    #[track_caller]
    pub fn check(&self, code: i32) -> String {
        stdout(&exits(self.call(&["check", "--online"]), code))
    }

    fn snapshots(&self) -> Vec<PathBuf> {
        published(&self.path("snapshots"))
    }

    /// Returns the newest published snapshot.
    pub fn snapshot(&self) -> PathBuf {
        self.snapshots().pop().expect("there is a snapshot")
    }

    pub fn manifest(&self) -> Value {
        read_json(&self.snapshot().join("manifest.json"))
    }

    /// Returns the notes of the manifest.
    pub fn notes(&self) -> String {
        self.manifest()["notes"].to_string()
    }

    /// Returns the entry of a list in the manifest.
    pub fn list(&self, kind: &str) -> Option<Value> {
        let manifest = self.manifest();
        let lists = manifest["sources"][0]["lists"].as_array().unwrap();
        lists.iter().find(|list| list["kind"] == kind).cloned()
    }

    /// Returns the coverage of a list: `complete`, `drifted`, `failed`, `not-offered`; empty where it was not read.
    pub fn coverage(&self, kind: &str) -> String {
        self.list(kind).map_or_else(String::new, |list| list["coverage"].as_str().unwrap().to_owned())
    }

    /// Returns the proof of a list, or why it is not proven complete.
    pub fn proof(&self, kind: &str) -> String {
        self.list(kind).map_or_else(String::new, |list| list["proof"].as_str().unwrap().to_owned())
    }

    pub fn table(&self, name: &str) -> Vec<Row> {
        rows(&self.snapshot().join(format!("{name}.csv")))
    }

    /// Returns the row of a table with this id.
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

    /// Returns one column of a table, in the order of its rows.
    pub fn column(&self, table: &str, column: &str) -> Vec<String> {
        self.table(table).into_iter().map(|mut row| row.remove(column).unwrap()).collect()
    }

    /// Returns the memberships as `group:user`.
    pub fn memberships(&self) -> Vec<String> {
        let pair = |row: Row| format!("{}:{}", row["group_id"], row["user_id"]);
        self.table("memberships").into_iter().map(pair).collect()
    }

    /// Returns the subject ids of the unresolved findings of a rule, sorted as text.
    pub fn found(&self, rule: &str) -> Vec<String> {
        let open = |row: &Row| row["rule"] == rule && row["status"] != "resolved";
        let findings = self.table("findings").into_iter().filter(open);
        let mut ids: Vec<String> = findings.map(|mut row| row.remove("subject_id").unwrap()).collect();
        ids.sort();
        ids
    }

    /// Returns the evidence of the `data-quality` finding of the source itself; null where there is none.
    pub fn quality(&self) -> Value {
        let own = |row: &Row| row["rule"] == "data-quality" && row["subject_kind"] == "source";
        let row = self.table("findings").into_iter().find(own);
        row.map_or(Value::Null, |row| serde_json::from_str(&row["evidence"]).unwrap())
    }

    /// Asserts that no removal is reported, and no finding from the absence of a group or a membership.
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

/// Runs a test for every case at the same time, because retries of failing requests wait.
fn at_once<T: Send>(cases: impl IntoIterator<Item = T>, test: impl Fn(T) + Sync) {
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| test(case));
        }
    });
}

#[track_caller]
fn exits(output: Output, code: i32) -> Output {
    assert_exit(&output, code);
    output
}
