//! Servers and receivers that never finish: a signal ends every command in time, and the lock is free afterwards.

use super::server::{Server, json, token, trickle};
use crate::rig::{Rig, as_of, assert_exit, program, stderr};
use bt_rollcall_sandbox::{Faults, World};
use rustix::process::{Pid, Signal, kill_process};
use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A run ends within 30 seconds of a signal; none of these needs nearly as long.
const SOON: Duration = Duration::from_secs(20);

/// Sends a signal and returns the output of the process, which ends soon.
#[track_caller]
fn stopped(child: Child, signal: Signal) -> Output {
    let sent = Instant::now();
    kill_process(Pid::from_child(&child), signal).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(sent.elapsed() < SOON, "{signal:?}: {:?}\n{}", sent.elapsed(), stderr(&output));
    output
}

fn started(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn each_signal_ends_a_run_whose_sign_in_trickles_and_closes_its_session() {
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT"), (Signal::HUP, "SIGHUP")] {
        let rig = Rig::seeded(5);
        let server = Server::start(|path, stream| {
            if path.contains("signappin") {
                let head = "HTTP/1.1 200 OK\r\nSet-Cookie: session=1\r\nContent-Length: 1000000\r\n\r\n";
                let _ = stream.write_all(head.as_bytes());
                return trickle(stream);
            }
            json(stream, "[]");
        });
        server.configure(&rig, "password-safe", "");
        // The process may inherit an ignored SIGHUP from the one that runs the tests.
        let mut command = Command::new("env");
        command.arg("--default-signal=HUP").arg(program().get_program()).args(["run", "--config"]).arg(&rig.config);
        let child = started(command);
        assert!(server.requests.wait_for("signappin"));
        let output = stopped(child, signal);
        assert_exit(&output, 1);
        assert!(stderr(&output).contains(&format!("stopped by {name}")), "{}", stderr(&output));
        assert!(server.requests.has("signout"), "{name}: the session is closed");
        assert_exit(&rig.call(&["emit"]), 0);
    }
}

#[test]
fn a_signal_ends_a_run_and_a_check_while_a_list_trickles() {
    for command in ["run", "check --online"] {
        let rig = Rig::seeded(5);
        let server = Server::start(|path, stream| {
            if !token(path, stream) {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
                trickle(stream);
            }
        });
        server.configure(&rig, "rest-v3", "");
        let child = started(rig.command(&command.split(' ').collect::<Vec<_>>()));
        assert!(server.requests.wait_for("/users"));
        assert_exit(&stopped(child, Signal::TERM), 1);
    }
}

#[test]
fn hangup_does_not_end_a_run_under_nohup() {
    let rig = Rig::new(
        World::seeded(1, 50, as_of()),
        Faults { latency: Some(Duration::from_millis(200)), ..Faults::default() },
    );
    let mut command = Command::new("nohup");
    command.arg(program().get_program()).args(["run", "--config"]).arg(&rig.config);
    let child = started(command);
    assert!(rig.sandbox.wait_for(Duration::from_secs(60), |counters| counters.requests >= 1));
    assert_exit(&stopped(child, Signal::HUP), 0);
}

/// Starts a receiver of events that accepts every connection and reads nothing. The channel receives a value for each connection.
fn silent_receiver() -> (String, Receiver<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let (accepted, connections) = channel();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming().flatten() {
            open.push(stream);
            let _ = accepted.send(());
        }
    });
    (url, connections)
}

#[test]
fn a_signal_ends_every_delivery_to_a_receiver_that_accepts_and_never_reads() {
    let (url, connections) = silent_receiver();
    let rig = Rig::with_syslog(World::seeded(1, 50, as_of()), Faults::default(), Some(&url));
    for (command, code) in [("run", 5), ("emit", 5), ("check --online", 1)] {
        let child = started(rig.command(&command.split(' ').collect::<Vec<_>>()));
        connections.recv_timeout(Duration::from_secs(60)).unwrap();
        let output = stopped(child, Signal::TERM);
        assert_exit(&output, code);
        let shown = format!("{}{}", stderr(&output), String::from_utf8_lossy(&output.stdout));
        assert!(shown.contains("stopped by a signal"), "{command}: {shown}");
    }
    assert_eq!(rig.snapshots().len(), 1, "the run had published");
}
