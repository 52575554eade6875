//! Tests with two appliances: each source has its own state, and every change is emitted once.

use super::changes::{changes, state};
use super::receiver::{Receiver, body};
use super::rig::{
    Rig, Row, as_of, assert_exit, copy_folder, day, private, program, read_json, rows, rows_of, set_field, stderr,
};
use bt_rollcall_sandbox::{Faults, Sandbox, SandboxOptions, World};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// Two appliances. The configuration of the first, whose source is `sandbox`, reads the second as the source `us`.
struct Fleet {
    rig: Rig,
    us: Sandbox,
    receiver: Receiver,
    received: usize,
}

impl Fleet {
    fn start() -> Self {
        let receiver = Receiver::start();
        let rig = Rig::with_syslog(World::ordinary(3, 300, as_of()), Faults::default(), Some(&receiver.url()));
        let options = SandboxOptions {
            world: World::ordinary(4, 200, as_of()),
            tls: false,
            seed: 2,
            ..SandboxOptions::default()
        };
        let us = Sandbox::start(options).unwrap();
        private(&rig.folder.path().join("us-secret"), us.client_secret());
        let fleet = Self { rig, us, receiver, received: 0 };
        fleet.rig.append(&fleet.source());
        fleet
    }

    fn source(&self) -> String {
        let ready = self.us.ready_configuration(self.rig.folder.path(), None);
        let source = &ready[ready.find("[[source]]").unwrap()..];
        source.replace("\"sandbox\"", "\"us\"").replace("sandbox-secret", "us-secret")
    }

    /// Lets the second appliance refuse all lists, or answer again.
    fn set_down(&self, is_down: bool) {
        self.us.set_faults(Faults { forbid_users: is_down, forbid_groups: is_down, ..Faults::default() });
    }

    /// Executes a run on a day, asserts that its changes were published and sent exactly once, and returns them.
    fn run(&mut self, number: u32, code: i32) -> Vec<Row> {
        assert_exit(&self.rig.run_on_day(number, &[]), code);
        let snapshot = self.rig.snapshot();
        assert_eq!(self.rig.latest(), Some(snapshot.clone()), "day {number}");
        let emitted = changes(&snapshot);
        let ids: BTreeSet<String> = emitted.iter().map(|row| row["event_id"].clone()).collect();
        let received: Vec<String> = self.receiver.messages().split_off(self.received);
        self.received += received.len();
        let of_changes =
            received.iter().map(|message| body(message)).filter(|body| body["btrollcall"].get("change").is_some());
        let received: Vec<String> = of_changes.map(|body| body["event"]["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(
            (received.len(), received.into_iter().collect::<BTreeSet<_>>()),
            (emitted.len(), ids),
            "day {number}"
        );
        emitted
    }

    fn of_us(&self, table: &str) -> Vec<Row> {
        self.rig.table(table).into_iter().filter(|row| row["source"] == "us").collect()
    }
}

fn set(sandbox: &Sandbox, id: u64, field: &str, value: Value) {
    sandbox.with_world(|world| set_field(world, id, field, value));
}

/// Changes the display name of the first account and returns its id.
fn set_first(sandbox: &Sandbox, name: &str) -> String {
    let first = sandbox.with_world(|world| *world.user_ids().first().unwrap());
    set(sandbox, first, "display_name", json!(name));
    first.to_string()
}

/// Returns kind and subject id of changes.
fn kinds(changes: &[Row]) -> Vec<(&str, &str)> {
    changes.iter().map(|row| (row["kind"].as_str(), row["subject_id"].as_str())).collect()
}

fn entry(manifest: &Value, source: &str) -> Value {
    let sources = manifest["sources"].as_array().unwrap();
    sources.iter().find(|entry| entry["name"] == source).unwrap().clone()
}

#[test]
fn rows_of_a_failed_source_are_kept_for_days_and_changes_of_the_other_source_are_emitted_once() {
    let mut fleet = Fleet::start();
    assert!(fleet.run(0, 0).is_empty());
    let (complete, findings) = (fleet.rig.snapshot(), fleet.of_us("findings"));
    let rows = ["users", "groups", "memberships"].map(|table| fleet.of_us(table));
    assert!(rows.iter().all(|rows| !rows.is_empty()) && findings.len() > 10);
    let people: Vec<u64> = fleet.rig.sandbox.with_world(|world| world.user_ids().into_iter().take(63).collect());
    for id in people {
        set(&fleet.rig.sandbox, id, "display_name", json!(format!("Renamed {id}")));
    }
    fleet.set_down(true);
    for number in 1..=4 {
        let emitted = fleet.run(number, 3);
        assert_eq!(emitted.len(), if number == 1 { 63 } else { 0 }, "day {number}");
        assert!(emitted.iter().all(|row| row["source"] == "sandbox"));
        assert_eq!(fleet.rig.latest_complete(), Some(complete.clone()));
        for (table, rows) in ["users", "groups", "memberships"].into_iter().zip(&rows) {
            assert!(fleet.of_us(table) == *rows, "day {number}: {table} stay, with {}", day(0));
            assert!(fleet.of_us(table).iter().all(|row| row["confirmed_at"] == day(0)));
            let others = fleet.rig.table(table).into_iter().filter(|row| row["source"] == "sandbox");
            assert!(others.into_iter().all(|row| row["confirmed_at"] == day(number)));
        }
        let now = fleet.of_us("findings");
        for before in &findings {
            let now = now.iter().find(|row| row["fingerprint"] == before["fingerprint"]).expect("it stays");
            let as_it_was = |column: &str| now[column] == before[column];
            assert_eq!(now["status"], "open", "day {number}");
            assert!(["last_seen", "first_seen", "evidence", "title", "severity"].into_iter().all(as_it_was));
        }
        let of_list = now.iter().find(|row| row["rule"] == "collection-incomplete").unwrap();
        assert_eq!(of_list["severity"], if number < 2 { "medium" } else { "high" }, "day {number}");
        let known = rows.iter().map(Vec::len).sum::<usize>();
        let evidence: Value = serde_json::from_str(&of_list["evidence"]).unwrap();
        assert!(of_list["title"].contains(&day(0)[..10]), "{}", of_list["title"]);
        assert_eq!(evidence["unconfirmed_rows"], known, "{evidence}");
        let manifest = entry(&fleet.rig.manifest(), "us");
        assert_eq!(
            (&manifest["status"], &manifest["confirmed_at"], &manifest["unconfirmed_rows"]),
            (&json!("failed"), &json!(day(0)), &json!(known))
        );
        assert_exit(&fleet.rig.call(&["verify", fleet.rig.snapshot().to_str().unwrap()]), 0);
    }
    fleet.set_down(false);
    let [one, two] = fleet.us.with_world(|world| {
        let ids: Vec<u64> = world.user_ids().into_iter().take(2).collect();
        assert!(world.remove_user(ids[0]));
        [ids[0], ids[1]]
    });
    set(&fleet.us, two, "email_address", json!("new@example.com"));
    let emitted = fleet.run(5, 0);
    let (removed, changed) = (one.to_string(), two.to_string());
    let emitted: Vec<_> = kinds(&emitted).into_iter().filter(|(kind, _)| *kind != "membership.removed").collect();
    assert_eq!(emitted, [("user.changed", &*changed), ("user.removed", &*removed)]);
    assert!(fleet.of_us("users").iter().all(|row| (&row["first_seen"], &row["confirmed_at"]) == (&day(0), &day(5))));
    assert_eq!(fleet.rig.latest_complete(), Some(fleet.rig.snapshot()));
    let over = fleet.of_us("findings");
    assert!(over.iter().any(|row| row["rule"] == "collection-incomplete" && row["status"] == "resolved"));
    assert_exit(&fleet.rig.call(&["verify", "--chain", fleet.rig.snapshots_dir().to_str().unwrap()]), 0);
}

#[test]
fn guard_sets_one_source_aside_and_the_other_is_published() {
    let mut fleet = Fleet::start();
    fleet.run(0, 0);
    let (complete, users) = (fleet.rig.snapshot(), fleet.of_us("users"));
    fleet.us.with_world(|world| {
        for id in world.user_ids().into_iter().take(100) {
            assert!(world.remove_user(id));
        }
    });
    let renamed = set_first(&fleet.rig.sandbox, "Renamed");
    let received = fleet.receiver.messages().len();
    assert_eq!(kinds(&fleet.run(1, 4)), [("user.changed", &*renamed)]);
    assert!(fleet.of_us("users") == users);
    assert_eq!(fleet.rig.latest_complete(), Some(complete));
    let messages = fleet.receiver.messages();
    let suspects: Vec<Value> = messages[received..]
        .iter()
        .map(|message| body(message))
        .filter(|body| body["event"]["code"] == "run.suspect")
        .collect();
    let [suspect] = &suspects[..] else { panic!("{suspects:?}") };
    let fields = &suspect["btrollcall"]["run"]["suspect"];
    let numbers = ["before", "after", "gone", "limit_percent"].map(|field| fields[field].as_u64().unwrap());
    assert_eq!((&fields["source"], numbers), (&json!("us"), [200, 100, 100, 20]));
    let text = suspect.to_string();
    assert!(text.contains("\"us\"") && text.contains("100") && text.contains("200") && text.contains("20 %"), "{text}");
    // Confirming another source does not confirm this one.
    assert_exit(&fleet.rig.run_on_day(2, &["--allow-shrink", "sandbox"]), 4);
    let unknown = fleet.rig.run_on_day(2, &["--allow-shrink", "eu"]);
    assert_exit(&unknown, 2);
    assert!(stderr(&unknown).contains("eu"), "{}", stderr(&unknown));
    fleet.received = fleet.receiver.messages().len();
    assert_exit(&fleet.rig.run_on_day(3, &["--allow-shrink", "us"]), 0);
    let emitted = changes(&fleet.rig.snapshot());
    assert_eq!(emitted.iter().filter(|row| row["kind"] == "user.removed").count(), 100);
    assert_eq!(fleet.of_us("users").len(), users.len() - 100);
    // Nothing is left of the days on which it was set aside.
    let us = entry(&fleet.rig.manifest(), "us");
    assert_eq!((&us["status"], &us["unconfirmed_rows"]), (&json!("complete"), &json!(0)));
    assert!(us["lists_confirmed_at"].as_object().unwrap().values().all(|at| *at == day(3)), "{us}");
    assert!(fleet.of_us("memberships").iter().all(|row| row["confirmed_at"] == day(3)));
}

#[test]
fn source_removed_from_the_configuration_reports_no_removals_and_is_a_baseline_when_added_again() {
    let mut fleet = Fleet::start();
    fleet.run(0, 0);
    let known: usize = ["users", "groups", "memberships"].map(|table| fleet.of_us(table).len()).iter().sum();
    let source = fleet.source();
    fleet.rig.edit(&source, "");
    assert!(fleet.run(1, 0).is_empty());
    assert!(["users", "groups", "memberships", "findings"].iter().all(|table| fleet.of_us(table).is_empty()));
    let manifest = fleet.rig.manifest();
    let warnings = manifest["warnings"].to_string();
    assert!(warnings.contains("us") && warnings.contains(&known.to_string()), "{warnings}");
    assert_eq!(fleet.rig.latest_complete(), Some(fleet.rig.snapshot()));
    fleet.rig.append(&source);
    assert!(fleet.run(2, 0).is_empty(), "a new baseline");
    assert!(fleet.of_us("users").iter().all(|row| row["first_seen"] == day(2)));
    let renamed = set_first(&fleet.us, "Renamed");
    assert_eq!(kinds(&fleet.run(3, 0)), [("user.changed", &*renamed)]);
    // The same name at another host is another source.
    fleet.rig.edit(fleet.us.url(), &fleet.us.url().replace("127.0.0.1", "localhost"));
    set_first(&fleet.us, "Renamed again");
    assert!(fleet.run(4, 0).is_empty());
    assert!(fleet.of_us("users").iter().all(|row| row["first_seen"] == day(4)));
}

/// Returns a fleet with four snapshots. On the third day one list failed and one appliance was down.
fn with_history() -> (Fleet, Vec<PathBuf>) {
    let mut fleet = Fleet::start();
    for number in 0..4 {
        let at = as_of() + chrono::TimeDelta::days(number.into());
        for sandbox in [&fleet.rig.sandbox, &fleet.us] {
            sandbox.with_world(|world| world.simulate_day(number.into(), at));
        }
        let is_odd = number == 2;
        fleet.set_down(is_odd);
        fleet.rig.sandbox.set_faults(Faults { forbid_groups: is_odd, ..Faults::default() });
        fleet.run(number, if is_odd { 3 } else { 0 });
    }
    let snapshots = fleet.rig.snapshots();
    (fleet, snapshots)
}

#[test]
fn run_needs_only_the_newest_snapshot() {
    let (fleet, snapshots) = with_history();
    // The snapshot of the day on which a source was down, and the newest one.
    for (kept, number) in [(2, 3), (3, 4)] {
        let mut runs = Vec::new();
        for alone in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let all = dir.path().join("snapshots");
            fs::create_dir(&all).unwrap();
            let from = if alone { kept } else { 0 };
            snapshots[from..=kept]
                .iter()
                .for_each(|snapshot| copy_folder(snapshot, &all.join(snapshot.file_name().unwrap())));
            runs.push(run_in(&fleet, dir.path(), number));
        }
        for (all, alone) in runs[0].iter().zip(&runs[1]) {
            let lines = all.1.lines().zip(alone.1.lines());
            let other: Vec<_> = lines.filter(|(a, b)| a != b).take(3).collect();
            assert!(other.is_empty() && all == alone, "day {number}: {}: {other:#?}", all.0);
        }
        assert!(runs[0].iter().any(|(_, text)| text.contains("\"kind\":\"event\"") || text.contains("resolved")));
    }
}

/// Executes a run with another folder for snapshots and state.
///
/// Returns tables and events. Run ids, and event ids that depend on them, are replaced, so that two runs can be compared.
fn run_in(fleet: &Fleet, dir: &std::path::Path, number: u32) -> Vec<(String, String)> {
    let receiver = Receiver::start();
    let text = fs::read_to_string(&fleet.rig.config).unwrap();
    let there = text.replace("sandbox-secret", "SECRET").replace("us-secret", "SECOND");
    let home = fleet.rig.folder.path().to_str().unwrap();
    let moved = there
        .replace(&format!("{home}/state"), &format!("{}/state", dir.display()))
        .replace(&format!("{home}/snapshots"), &format!("{}/snapshots", dir.display()))
        .replace("SECRET", "sandbox-secret")
        .replace("SECOND", "us-secret")
        .replace(&fleet.receiver.url(), &receiver.url());
    let config = dir.join("bt-rollcall.toml");
    private(&config, &moved);
    let mut command = program();
    command.args(["run", "--as-of", &day(number), "--config"]).arg(&config).current_dir(dir);
    assert_exit(&command.output().unwrap(), 0);
    let snapshot = fs::canonicalize(dir.join("snapshots/latest")).unwrap();
    let manifest = read_json(&snapshot.join("manifest.json"));
    let own = manifest["run_id"].as_str().unwrap();
    let mut outcome = Vec::new();
    for table in ["users", "groups", "memberships", "findings", "changes"] {
        let ids = changes(&snapshot);
        let text = fs::read_to_string(snapshot.join(format!("{table}.csv"))).unwrap();
        let text = ids.iter().fold(text, |text, row| text.replace(&row["event_id"], "EVENT"));
        outcome.push((table.to_owned(), text.replace(own, "RUN")));
    }
    let mut events: Vec<Value> = receiver.messages().iter().map(|message| body(message)).collect();
    events.retain(|body| body["event"]["code"] != "run.completed");
    for body in &mut events {
        // These fields depend on the wall clock or on the run id.
        body.as_object_mut().unwrap().remove("@timestamp");
        body["event"].as_object_mut().unwrap().retain(|key, _| key != "id" && key != "end");
    }
    let events: Vec<String> = events.iter().map(|body| body.to_string().replace(own, "RUN")).collect();
    assert!(!events.is_empty());
    outcome.push(("events".to_owned(), events.join("\n")));
    outcome
}

#[test]
fn diff_of_any_two_snapshots_gives_the_changes_between_them() {
    let (fleet, snapshots) = with_history();
    for old in 0..snapshots.len() {
        let mut replayed = state(&snapshots[old]);
        for new in old + 1..snapshots.len() {
            let emitted: Vec<Row> = changes(&snapshots[new]);
            replayed.apply_all(&emitted);
            let output =
                fleet.rig.call(&["diff", "--csv", snapshots[old].to_str().unwrap(), snapshots[new].to_str().unwrap()]);
            assert_exit(&output, 0);
            let compared = rows_of(&output.stdout[..]);
            let mut by_one_step = state(&snapshots[old]);
            by_one_step.apply_all(&compared);
            assert_eq!(by_one_step, replayed, "{old} to {new}");
            assert_eq!(replayed, state(&snapshots[new]), "{old} to {new}");
            if new == old + 1 {
                assert_eq!(compared, emitted, "{old} to {new}");
            }
        }
    }
    assert!(rows(&snapshots[1].join("changes.csv")).len() > 5);
}
