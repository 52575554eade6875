//! Tests of delivery: every event is delivered or stays queued.

use super::receiver::{Receiver, body, unused_port};
use super::rig::{Rig, as_of, assert_exit, sha256, stderr, stdout};
use bt_rollcall_sandbox::{Faults, Surface, World};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

fn rig(syslog: &str) -> Rig {
    Rig::with_syslog(World::seeded(4, 400, as_of()), Faults::default(), Some(syslog))
}

#[test]
fn every_finding_is_sent_and_run_completed_is_last_with_the_manifest_hash() {
    let receiver = Receiver::start();
    let rig = rig(&receiver.url());
    assert_exit(&rig.run(&[]), 0);
    let messages = receiver.messages();
    let findings = rig.table("findings");
    assert_eq!(messages.len(), findings.len() + 1);
    let sent: BTreeSet<String> = messages
        .iter()
        .filter_map(|m| body(m)["btrollcall"]["finding"]["fingerprint"].as_str().map(str::to_owned))
        .collect();
    let found: BTreeSet<String> = findings.iter().map(|f| f["fingerprint"].clone()).collect();
    assert_eq!(sent, found);
    let last = messages.last().unwrap();
    assert!(last.contains(" run.completed "), "{last}");
    let manifest = fs::read(rig.snapshot().join("manifest.json")).unwrap();
    assert!(last.contains(&sha256(&manifest)), "run.completed contains the hash of the manifest");
}

#[test]
fn events_are_queued_while_the_receiver_is_down_and_emit_delivers_the_same_bytes() {
    let port = unused_port();
    let rig = rig(&format!("tcp://127.0.0.1:{port}"));
    let output = rig.run(&[]);
    assert_exit(&output, 5);
    assert!(stderr(&output).contains("events are queued and not yet delivered"));
    assert_eq!(rig.latest(), Some(rig.snapshot()), "the snapshot is published nevertheless");
    assert_exit(&rig.call(&["emit"]), 5);
    let spooled: Vec<u8> = spool_bytes(&rig);
    let receiver = Receiver::on_port(port);
    assert_exit(&rig.call(&["emit"]), 0);
    let messages = receiver.messages();
    assert_eq!(messages.len(), rig.table("findings").len() + 1);
    // The spool contains the frames as JSON strings. Each one must arrive as it was rendered for the first attempt.
    let spooled = String::from_utf8(spooled).unwrap();
    for message in &messages {
        let quoted = serde_json::to_string(message).unwrap();
        assert!(spooled.contains(&quoted[1..quoted.len() - 1]), "{message} is not byte-identical");
    }
    assert!(spool_bytes(&rig).is_empty(), "nothing is queued any more");
    assert_exit(&rig.call(&["emit"]), 0);
    assert_eq!(receiver.messages().len(), messages.len());
}

fn spool_bytes(rig: &Rig) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(rig.spool_dir()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            bytes.extend(fs::read(path).unwrap());
        }
    }
    bytes
}

#[test]
fn next_run_delivers_queued_events_before_its_own() {
    let port = unused_port();
    let rig = rig(&format!("tcp://127.0.0.1:{port}"));
    assert_exit(&rig.run(&[]), 5);
    let receiver = Receiver::on_port(port);
    let output = rig.run(&["--json"]);
    assert_exit(&output, 0);
    let summary: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(summary["exit_code"], 0);
    let runs: Vec<String> = receiver
        .messages()
        .iter()
        .filter(|m| m.contains(" run.completed "))
        .map(|m| body(m)["btrollcall"]["run"]["id"].as_str().unwrap().to_owned())
        .collect();
    let published: Vec<String> =
        rig.snapshots().iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(runs, published, "older run first, each with its run.completed");
}

#[test]
fn failed_run_sends_an_event() {
    let receiver = Receiver::start();
    let rig = rig(&receiver.url());
    rig.sandbox.set_faults(Faults { forbid_users: true, ..Faults::default() });
    assert_exit(&rig.run(&[]), 1);
    let messages = receiver.messages();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].contains(" run.failed ") && messages[0].contains("forbidden"), "{}", messages[0]);
    rig.sandbox.set_faults(Faults { empty_users: true, ..Faults::default() });
    assert_exit(&rig.run(&[]), 4);
    assert!(receiver.messages()[1].contains(" run.suspect "));
}

#[test]
fn failed_run_names_each_source_with_its_status_and_reason() {
    let receiver = Receiver::start();
    let broken = Faults { server_error: 1.0, ..Faults::default() };
    let surfaces = [Surface::Guide, Surface::Pra];
    let rig = Rig::with_surfaces(&surfaces, World::seeded(4, 40, as_of()), broken, Some(&receiver.url()));
    assert_exit(&rig.run(&[]), 1);
    let event = body(&receiver.messages()[0]);
    assert_eq!(event["event"]["code"], "run.failed");
    let sources = event["btrollcall"]["run"]["sources"].as_array().unwrap();
    assert_eq!(sources.len(), surfaces.len());
    for source in sources {
        let name = source["name"].as_str().unwrap();
        assert_eq!(source["status"], "failed", "{source}");
        let reason = format!("{name}: {}", source["reason"].as_str().unwrap());
        assert!(event["event"]["reason"].as_str().unwrap().contains(&reason), "{event}");
    }
}
