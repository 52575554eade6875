//! Tests of the whole program with a RELP receiver that is killed: what it acknowledged is never sent again.

use super::receiver::{body, unused_port};
use super::rig::{Rig, as_of, assert_exit, stderr, stdout};
use bt_rollcall_sandbox::{Faults, World};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

/// A frame of RELP: number, command and data.
type Frame = (String, String, String);

fn frame(session: &mut impl BufRead) -> Option<Frame> {
    let mut word = |end| {
        let mut word = Vec::new();
        session.read_until(end, &mut word).ok()?;
        (word.pop()? == end).then(|| String::from_utf8(word).unwrap())
    };
    let (number, command) = (word(b' ')?, word(b' ')?);
    if command == "close" {
        return word(b'\n').map(|_| (number, command, String::new()));
    }
    let mut data = vec![0; word(b' ')?.parse::<usize>().unwrap() + 1];
    session.read_exact(&mut data).ok()?;
    assert_eq!(data.pop(), Some(b'\n'));
    Some((number, command, String::from_utf8(data).unwrap()))
}

/// Starts a receiver of one session that is gone after so many events. The thread returns the acknowledged events.
fn receiver(port: u16, events: usize) -> JoinHandle<Vec<String>> {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    thread::spawn(move || {
        let mut session = BufReader::new(listener.accept().unwrap().0);
        let mut acknowledged = Vec::new();
        while acknowledged.len() < events {
            let Some((number, command, data)) = frame(&mut session) else { break };
            let answer = if command == "open" { "200 OK\nrelp_version=0\ncommands=syslog" } else { "200 OK" };
            session.get_mut().write_all(format!("{number} rsp {} {answer}\n", answer.len()).as_bytes()).unwrap();
            match command.as_str() {
                "syslog" => acknowledged.push(data),
                "close" => break,
                _ => {}
            }
        }
        // A receiver that is killed: it reads the rest of what was sent, and neither stores nor acknowledges it.
        session.get_mut().shutdown(std::net::Shutdown::Write).unwrap();
        let _ = session.read_to_end(&mut Vec::new());
        acknowledged
    })
}

/// Returns the frames of the only batch in the spool.
fn queued(rig: &Rig) -> Vec<String> {
    let files = fs::read_dir(rig.spool_dir()).unwrap().map(|entry| entry.unwrap().path());
    let batches: Vec<_> = files.filter(|path| path.extension().is_some_and(|ending| ending == "jsonl")).collect();
    let [batch] = batches.as_slice() else { panic!("one batch: {batches:?}") };
    let text = fs::read_to_string(batch).unwrap();
    let frames = text.lines().skip(1).map_while(|line| serde_json::from_str::<String>(line).ok());
    frames.collect()
}

#[test]
fn after_a_receiver_is_killed_emit_sends_only_the_events_that_it_did_not_acknowledge() {
    let port = unused_port();
    let url = format!("relp://127.0.0.1:{port}");
    let rig = Rig::with_syslog(World::seeded(4, 800, as_of()), Faults::default(), Some(&url));
    assert_exit(&rig.run(&[]), 5);
    let all = queued(&rig);
    assert!(all.len() > 310, "{} events", all.len());

    let first = receiver(port, 300);
    let killed = rig.call(&["emit"]);
    assert_exit(&killed, 5);
    let (first, log) = (first.join().unwrap(), stdout(&killed) + &stderr(&killed));
    assert!(log.contains("closed the connection before it acknowledged every event"), "{log}");
    assert_eq!(first, all[..300]);
    assert_eq!(queued(&rig), all, "the file of the batch is unchanged");

    let second = receiver(port, usize::MAX);
    let emitted = rig.call(&["emit"]);
    assert_exit(&emitted, 0);
    let second = second.join().unwrap();
    assert_eq!(second, all[300..], "byte for byte");
    let rest = all.len() - 300;
    assert!(stdout(&emitted).contains(&rest.to_string()), "{}", stdout(&emitted));
    assert_eq!(body(second.last().unwrap())["event"]["code"], "run.completed");
    assert_eq!(fs::read_dir(rig.spool_dir()).unwrap().count(), 0, "batch and cursor are removed");
}

#[test]
fn the_online_check_sends_its_test_event_over_relp() {
    let port = unused_port();
    let url = format!("relp://127.0.0.1:{port}");
    let rig = Rig::with_syslog(World::seeded(4, 10, as_of()), Faults::default(), Some(&url));
    let served = receiver(port, usize::MAX);
    let checked = rig.call(&["check", "--online"]);
    assert_exit(&checked, 0);
    let events = served.join().unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(body(&events[0])["event"]["code"], "run.test");
}
