//! kill -9 at the moments when something could be lost, and asked to stop.

use super::changes::{changes, state};
use super::memory::{day, run_on};
use super::receiver::Receiver;
use super::rig::{Rig, as_of, assert_exit, rows};
use bt_rollcall_sandbox::{Faults, World};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// How things stood before a run.
struct Marks {
    requests: u64,
    snapshots: usize,
    latest: Option<PathBuf>,
}

impl Marks {
    fn of(rig: &Rig) -> Self {
        Self { requests: rig.sandbox.counters().requests, snapshots: rig.snapshots().len(), latest: rig.latest() }
    }
}

/// Whether some file of the staging folder is there.
fn is_staged(rig: &Rig, file: &str) -> bool {
    let entries = fs::read_dir(rig.snapshots_dir()).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.to_string_lossy().contains(".staging-")).any(|path| path.join(file).exists())
}

fn is_spooled(rig: &Rig, prefix: &str) -> bool {
    let entries = fs::read_dir(rig.spool_dir()).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().into_string().unwrap()).any(|name| name.starts_with(prefix))
}

/// The moments at which a run has something to lose, in their order.
const MOMENTS: [fn(&Rig, &Marks) -> bool; 7] = [
    |rig, before| rig.sandbox.counters().requests > before.requests + 3,
    |rig, _| is_staged(rig, "users.csv"),
    |rig, _| is_staged(rig, "findings.parquet"),
    |rig, _| is_staged(rig, "manifest.json"),
    |rig, _| is_spooled(rig, ".staged-"),
    |rig, before| rig.snapshots().len() > before.snapshots,
    |rig, before| rig.latest() != before.latest || is_spooled(rig, "2"),
];

#[test]
fn a_run_that_is_killed_at_any_moment_leaves_nothing_that_does_not_verify() {
    let receiver = Receiver::start();
    let rig = Rig::with_syslog(World::seeded(2, 400, as_of()), Faults::default(), Some(&receiver.url()));
    assert_exit(&rig.run(&[]), 0);
    let mut random = fastrand::Rng::with_seed(99);
    for round in 0..28 {
        let before = Marks::of(&rig);
        // And a little after it, never the same.
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
    // Every published snapshot's heartbeat arrived at least once.
    let messages = receiver.messages();
    for snapshot in rig.snapshots() {
        let run_id = snapshot.file_name().unwrap().to_string_lossy().into_owned();
        assert!(messages.iter().any(|m| m.contains("run.completed") && m.contains(&run_id)), "{run_id} was not told");
    }
}

/// Kills a run when this holds, or so many turns later.
fn kill_when(rig: &Rig, mut child: Child, before: &Marks, moment: fn(&Rig, &Marks) -> bool, spins: u32) {
    while !moment(rig, before) && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    for _ in 0..spins {
        std::hint::spin_loop();
    }
    let _ = child.kill();
    child.wait().unwrap();
}

/// Accounts, groups and memberships, and the findings that stand.
fn known(snapshot: &Path) -> Vec<String> {
    let table = |table: &str| fs::read_to_string(snapshot.join(format!("{table}.csv"))).unwrap();
    let findings = rows(&snapshot.join("findings.csv")).into_iter().filter(|row| row["status"] != "resolved");
    let findings = findings.map(|row| {
        ["fingerprint", "severity", "evidence", "first_seen", "last_seen"].map(|column| row[column].clone()).join(" ")
    });
    ["users", "groups", "memberships"].into_iter().map(table).chain(findings).collect()
}

#[test]
fn killed_between_any_two_stages_the_state_after_the_next_run_is_the_same_and_every_change_is_emitted_once() {
    let receiver = Receiver::start();
    let rig = Rig::with_syslog(World::seeded(2, 400, as_of()), Faults::default(), Some(&receiver.url()));
    assert_exit(&run_on(&rig, 0, &[]), 0);
    let base = rig.snapshot();
    let kept = tempfile::tempdir().unwrap();
    let folders = ["snapshots", "state"];
    let copy = |from: &Path, to: &Path| {
        for folder in folders {
            let _ = fs::remove_dir_all(to.join(folder));
            let copied = Command::new("cp").arg("-a").arg(from.join(folder)).arg(to.join(folder)).status();
            assert!(copied.unwrap().success());
        }
    };
    copy(rig.folder.path(), kept.path());
    rig.sandbox.with_world(|world| world.live_a_day(1, as_of() + chrono::TimeDelta::days(1)));
    assert_exit(&run_on(&rig, 1, &[]), 0);
    let (undisturbed, emitted) = (known(&rig.snapshot()), changes(&rig.snapshot()).len());
    assert!(emitted > 5);
    for moment in MOMENTS {
        copy(kept.path(), rig.folder.path());
        let mut command = rig.command(&["run", "--as-of", &day(1)]);
        let before = Marks::of(&rig);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        kill_when(&rig, child, &before, moment, 0);
        let received = receiver.messages().len();
        assert_exit(&run_on(&rig, 1, &[]), 0);
        let after: Vec<PathBuf> = rig.snapshots().into_iter().filter(|snapshot| *snapshot != base).collect();
        assert!(known(after.last().unwrap()) == undisturbed);
        let mut replayed = state(&base);
        let reported: Vec<_> = after.iter().flat_map(|snapshot| changes(snapshot)).collect();
        replayed.apply_all(&reported);
        assert_eq!((replayed, reported.len()), (state(after.last().unwrap()), emitted));
        let messages = receiver.messages();
        assert!(messages.len() > received);
        assert!(reported.iter().all(|row| messages.iter().any(|message| message.contains(&row["event_id"]))));
    }
}

#[test]
fn sigterm_ends_a_run_cleanly_with_nothing_published() {
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
    assert!(super::rig::stderr(&output).contains("stopped by SIGTERM"));
    assert!(rig.snapshots().is_empty());
    rig.sandbox.set_faults(Faults::default());
    assert_exit(&rig.run(&[]), 0);
}
