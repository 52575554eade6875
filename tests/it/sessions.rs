//! Tests that no session of Password Safe stays open, however a run or a check ends.

use super::rig::{Rig, as_of, assert_exit, stderr};
use bt_rollcall_sandbox::{Faults, Surface, World};
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;

fn rig(faults: Faults) -> Rig {
    Rig::with_surfaces(&[Surface::PasswordSafe], World::seeded(2, 403, as_of()), faults, None)
}

fn first_group() -> u64 {
    World::seeded(2, 403, as_of()).groups().next().unwrap().0
}

/// Asserts that a session was opened and that none is open any more.
#[track_caller]
fn all_sessions_are_closed(rig: &Rig) {
    let counters = rig.sandbox.counters();
    assert!(counters.sessions_opened > 0, "a session was opened");
    assert_eq!(counters.sessions_open, 0, "and closed");
}

#[test]
fn successful_run_and_check_sign_out() {
    let rig = rig(Faults::default());
    assert_exit(&rig.run(&[]), 0);
    all_sessions_are_closed(&rig);
    assert_eq!(rig.sandbox.counters().sessions_opened, 1);
    assert_exit(&rig.call(&["check", "--online"]), 0);
    all_sessions_are_closed(&rig);
    let pages = std::fs::read_to_string(rig.snapshot().join("pages.jsonl")).unwrap();
    assert!(pages.lines().last().unwrap().contains("/Auth/Signout"), "{pages}");
}

#[test]
fn run_with_failed_lists_signs_out() {
    for (faults, code) in [
        (Faults { forbid_users: true, ..Faults::default() }, 1),
        (Faults { forbid_groups: true, ..Faults::default() }, 3),
        (Faults { fail_group_users: Some(first_group()), ..Faults::default() }, 3),
        (Faults { html_200: 1.0, ..Faults::default() }, 1),
        (Faults { empty_users: true, ..Faults::default() }, 4),
    ] {
        let rig = rig(faults);
        assert_exit(&rig.run(&[]), code);
        all_sessions_are_closed(&rig);
    }
}

#[test]
fn expired_session_is_replaced_and_the_last_one_is_closed() {
    let rig = rig(Faults { session_requests: Some(4), token_requests: Some(7), ..Faults::default() });
    assert_exit(&rig.run(&[]), 0);
    all_sessions_are_closed(&rig);
    assert!(rig.sandbox.counters().sessions_opened > 1);
}

#[test]
fn run_that_reaches_its_deadline_signs_out() {
    // At this rate, one minute is enough for a token, a session and two lists only.
    let rig = rig(Faults::default());
    rig.edit("requests_per_second = 1000", "requests_per_second = 0.1\ndeadline_minutes = 1");
    let output = rig.run(&[]);
    assert_exit(&output, 3);
    assert!(stderr(&output).contains("the deadline of the source passed"), "{}", stderr(&output));
    all_sessions_are_closed(&rig);
}

#[test]
fn run_that_is_stopped_while_reading_signs_out() {
    // Stopped at each of the first requests: the token, the sign-in (the third), a list, the members of a group.
    for requests in 1..8 {
        let rig = rig(Faults { latency: Some(Duration::from_millis(150)), ..Faults::default() });
        let child = rig.start();
        assert!(rig.sandbox.wait_for(Duration::from_secs(60), |counters| counters.requests >= requests));
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_exit(&output, 1);
        assert!(stderr(&output).contains("stopped by SIGTERM"), "{}", stderr(&output));
        let counters = rig.sandbox.counters();
        assert_eq!(
            counters.sessions_open, 0,
            "stopped at request {requests}, {} were opened",
            counters.sessions_opened
        );
    }
}

#[test]
fn check_that_is_stopped_signs_out() {
    let rig = rig(Faults { latency: Some(Duration::from_millis(400)), ..Faults::default() });
    let mut command = rig.command(&["check", "--online"]);
    let mut child = command.spawn().unwrap();
    assert!(rig.sandbox.wait_for(Duration::from_secs(60), |counters| counters.sessions_opened > 0));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let _ = child.wait();
    assert!(rig.sandbox.wait_for(Duration::from_secs(10), |counters| counters.sessions_open == 0));
}
