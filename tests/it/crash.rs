//! kill -9 at random moments, and asked to stop.

use super::receiver::Receiver;
use super::rig::{Rig, as_of, assert_exit};
use bt_rollcall::sandbox::{Faults, World};
use rustix::process::{Pid, Signal, kill_process};
use std::process::Child;
use std::time::{Duration, Instant};

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn a_run_that_is_killed_at_any_moment_leaves_nothing_that_does_not_verify() {
    let receiver = Receiver::start();
    let rig = Rig::with_syslog(World::seeded(2, 400, as_of()), Faults::default(), Some(&receiver.url()));
    let whole = Instant::now();
    assert_exit(&rig.run(&[]), 0);
    let whole = whole.elapsed();
    let mut random = fastrand::Rng::with_seed(99);
    for _ in 0..25 {
        let mut child = rig.start();
        // The moment is what is random here; nothing is waited for.
        std::thread::sleep(whole.mul_f64(random.f64() * 1.1));
        let _ = child.kill();
        child.wait().unwrap();
        for snapshot in rig.snapshots() {
            assert_exit(&rig.call(&["verify", snapshot.to_str().unwrap()]), 0);
        }
    }
    assert_exit(&rig.run(&[]), 0);
    let left_over = std::fs::read_dir(rig.snapshots_dir()).unwrap();
    let hidden = left_over.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let hidden: Vec<String> = hidden.filter(|name| name.starts_with('.')).collect();
    assert_eq!(hidden, [".lock"], "the next run cleans up");
    assert_eq!(rig.latest(), Some(rig.snapshot()));
    // Every published snapshot's heartbeat arrived at least once.
    let messages = receiver.messages();
    for snapshot in rig.snapshots() {
        let run_id = snapshot.file_name().unwrap().to_string_lossy().into_owned();
        assert!(messages.iter().any(|m| m.contains("run.completed") && m.contains(&run_id)), "{run_id} was not told");
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
