//! Tests of interrupted runs: `kill -9` at each moment at which something could be lost, and SIGTERM.

use super::changes::{changes, state};
use super::receiver::Receiver;
use super::rig::{Rig, as_of, assert_exit, copy_folder, day, rows, stderr};
use bt_rollcall_sandbox::{Faults, World};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// State before a run, by which the progress of the run is recognised.
struct Before {
    requests: u64,
    snapshots: usize,
    latest: Option<PathBuf>,
}

impl Before {
    fn of(rig: &Rig) -> Self {
        Self { requests: rig.sandbox.counters().requests, snapshots: rig.snapshots().len(), latest: rig.latest() }
    }
}

/// Checks whether the run has written this file into its staging folder.
fn is_staged(rig: &Rig, file: &str) -> bool {
    let entries = fs::read_dir(rig.snapshots_dir()).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.to_string_lossy().contains(".staging-")).any(|path| path.join(file).exists())
}

fn is_spooled(rig: &Rig, prefix: &str) -> bool {
    let entries = fs::read_dir(rig.spool_dir()).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().into_string().unwrap()).any(|name| name.starts_with(prefix))
}

/// Moments at which a run could lose something, in their order.
///
/// Requests were sent; tables and findings are written; the manifest is staged; events are staged; the snapshot is published; the
/// link is changed or the events are queued.
const MOMENTS: [fn(&Rig, &Before) -> bool; 7] = [
    |rig, before| rig.sandbox.counters().requests > before.requests + 3,
    |rig, _| is_staged(rig, "users.csv"),
    |rig, _| is_staged(rig, "findings.parquet"),
    |rig, _| is_staged(rig, "manifest.json"),
    |rig, _| is_spooled(rig, ".staged-"),
    |rig, before| rig.snapshots().len() > before.snapshots,
    |rig, before| rig.latest() != before.latest || is_spooled(rig, "2"),
];

#[test]
fn every_published_snapshot_verifies_after_a_run_was_killed_at_any_moment() {
    let receiver = Receiver::start();
    let rig = Rig::with_syslog(World::seeded(2, 400, as_of()), Faults::default(), Some(&receiver.url()));
    assert_exit(&rig.run(&[]), 0);
    let mut random = fastrand::Rng::with_seed(99);
    for round in 0..28 {
        let before = Before::of(&rig);
        // A random delay after the moment makes the rounds differ.
        kill_when(&rig, rig.start(), &before, MOMENTS[round % MOMENTS.len()], random.u32(..2_000));
        for snapshot in rig.snapshots() {
            assert_exit(&rig.call(&["verify", snapshot.to_str().unwrap()]), 0);
        }
    }
    assert_exit(&rig.run(&[]), 0);
    let left_over = std::fs::read_dir(rig.snapshots_dir()).unwrap();
    let hidden = left_over.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let hidden: Vec<String> = hidden.filter(|name| name.starts_with('.')).collect();
    assert_eq!(hidden, [".lock"], "the next run cleans up");
    assert_eq!((rig.latest(), rig.latest_complete()), (Some(rig.snapshot()), Some(rig.snapshot())));
    // run.completed of every published snapshot arrived at least once.
    let messages = receiver.messages();
    for snapshot in rig.snapshots() {
        let run_id = snapshot.file_name().unwrap().to_string_lossy().into_owned();
        assert!(
            messages.iter().any(|m| m.contains("run.completed") && m.contains(&run_id)),
            "no run.completed of {run_id}"
        );
    }
}

/// Kills a run when the moment is reached, or this many turns of a spin loop later.
fn kill_when(rig: &Rig, mut child: Child, before: &Before, moment: fn(&Rig, &Before) -> bool, spins: u32) {
    while !moment(rig, before) && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    for _ in 0..spins {
        std::hint::spin_loop();
    }
    let _ = child.kill();
    child.wait().unwrap();
}

/// Returns accounts, groups, memberships and unresolved findings of a snapshot, for comparison.
fn known(snapshot: &Path) -> Vec<String> {
    let table = |table: &str| fs::read_to_string(snapshot.join(format!("{table}.csv"))).unwrap();
    let findings = rows(&snapshot.join("findings.csv")).into_iter().filter(|row| row["status"] != "resolved");
    let findings = findings.map(|row| {
        ["fingerprint", "severity", "evidence", "first_seen", "last_seen"].map(|column| row[column].clone()).join(" ")
    });
    ["users", "groups", "memberships"].into_iter().map(table).chain(findings).collect()
}

#[test]
fn after_a_kill_between_any_two_stages_the_next_run_gives_the_same_state_and_emits_every_change_once() {
    let receiver = Receiver::start();
    let rig = Rig::with_syslog(World::seeded(2, 400, as_of()), Faults::default(), Some(&receiver.url()));
    assert_exit(&rig.run_on_day(0, &[]), 0);
    let base = rig.snapshot();
    let kept = tempfile::tempdir().unwrap();
    let folders = ["snapshots", "state"];
    let copy = |from: &Path, to: &Path| {
        for folder in folders {
            let _ = fs::remove_dir_all(to.join(folder));
            copy_folder(&from.join(folder), &to.join(folder));
        }
    };
    copy(rig.folder.path(), kept.path());
    rig.sandbox.with_world(|world| world.simulate_day(1, as_of() + chrono::TimeDelta::days(1)));
    assert_exit(&rig.run_on_day(1, &[]), 0);
    let (undisturbed, emitted) = (known(&rig.snapshot()), changes(&rig.snapshot()).len());
    assert!(emitted > 5);
    for moment in MOMENTS {
        copy(kept.path(), rig.folder.path());
        let mut command = rig.command(&["run", "--as-of", &day(1)]);
        let before = Before::of(&rig);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        kill_when(&rig, child, &before, moment, 0);
        let seen_before = receiver.messages().len();
        assert_exit(&rig.run_on_day(1, &[]), 0);
        let after: Vec<PathBuf> = rig.snapshots().into_iter().filter(|snapshot| *snapshot != base).collect();
        assert!(known(after.last().unwrap()) == undisturbed);
        let mut replayed = state(&base);
        let published: Vec<_> = after.iter().flat_map(|snapshot| changes(snapshot)).collect();
        replayed.apply_all(&published);
        assert_eq!((replayed, published.len()), (state(after.last().unwrap()), emitted));
        let messages = receiver.messages();
        assert!(messages.len() > seen_before);
        assert!(published.iter().all(|row| messages.iter().any(|message| message.contains(&row["event_id"]))));
    }
}

#[test]
fn sigterm_during_collection_ends_the_run_and_publishes_nothing() {
    let slow = Faults { latency: Some(Duration::from_secs(30)), ..Faults::default() };
    let rig = Rig::new(World::seeded(2, 400, as_of()), slow);
    let child = rig.start();
    while rig.sandbox.counters().requests == 0 {
        std::thread::yield_now();
    }
    let asked = Instant::now();
    signal(&child, Signal::TERM);
    let output = child.wait_with_output().unwrap();
    assert_exit(&output, 1);
    assert!(asked.elapsed() < Duration::from_secs(10));
    assert!(stderr(&output).contains("stopped by SIGTERM"));
    assert!(rig.snapshots().is_empty());
    rig.sandbox.set_faults(Faults::default());
    assert_exit(&rig.run(&[]), 0);
}
