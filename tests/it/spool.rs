//! Tests of a spool that is damaged, fills up, or keeps snapshots, as an operator sees it.

use super::receiver::{Receiver, body, unused_port};
use super::rig::{Rig, as_of, assert_exit, private, stderr, stdout};
use bt_rollcall_sandbox::{Faults, World};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// Returns a rig with metrics whose receiver is down, after this many runs.
fn queued(port: u16, runs: u32) -> Rig {
    let rig =
        Rig::with_syslog(World::seeded(4, 60, as_of()), Faults::default(), Some(&format!("tcp://127.0.0.1:{port}")));
    let file = rig.folder.path().join("bt.prom");
    rig.edit("state_dir", &format!("metrics_file = \"{}\"\nstate_dir", file.display()));
    for number in 0..runs {
        assert_exit(&rig.run_on_day(number, &[]), 5);
    }
    rig
}

fn metric(rig: &Rig, name: &str) -> f64 {
    let text = fs::read_to_string(rig.folder.path().join("bt.prom")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("bt_rollcall_{name} ")));
    line.unwrap_or_else(|| panic!("{name}:\n{text}")).parse().unwrap()
}

fn batches(rig: &Rig) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(rig.spool_dir()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn completed_runs(receiver: &Receiver) -> Vec<String> {
    let messages = receiver.messages();
    let completed = messages.iter().filter(|message| message.contains(" run.completed "));
    completed.map(|message| body(message)["btrollcall"]["run"]["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_damaged_batch_is_set_aside_counted_everywhere_and_the_next_ones_arrive() {
    let port = unused_port();
    let rig = queued(port, 2);
    let [first, second] = batches(&rig).try_into().unwrap();
    let run_of = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().split('.').next().unwrap().to_owned();
    // A single changed bit, inside an event.
    let mut content = fs::read(&first).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(&first, content).unwrap();
    let receiver = Receiver::on_port(port);
    let emitted = rig.call(&["emit"]);
    assert_exit(&emitted, 5);
    let damaged = first.with_extension("jsonl.damaged");
    assert_eq!(batches(&rig), std::slice::from_ref(&damaged));
    assert_eq!(completed_runs(&receiver), [run_of(&second)]);
    let (out, log) = (stdout(&emitted), stderr(&emitted));
    assert!(out.contains("1 file in the spool cannot be sent; see the warnings"), "{out}");
    assert!(log.contains(damaged.to_str().unwrap()) && log.contains(&run_of(&first)), "{log}");
    assert!(log.contains("Restore the file from a copy"), "{log}");

    let ran = rig.run_on_day(2, &["--json"]);
    assert_exit(&ran, 5);
    let summary: Value = serde_json::from_str(&stdout(&ran)).unwrap();
    assert_eq!((&summary["spool"]["damaged"], &summary["published"]), (&1.into(), &true.into()));
    let warnings = summary["warnings"].to_string();
    assert_eq!(warnings.matches(".jsonl.damaged: ").count(), 1, "{warnings}");
    assert!((metric(&rig, "spool_damaged_files") - 1.0).abs() < f64::EPSILON);
    assert_eq!(body(receiver.messages().last().unwrap())["btrollcall"]["run"]["damaged_batches"], 1);

    fs::remove_file(damaged).unwrap();
    assert_exit(&rig.call(&["emit"]), 0);
    assert_exit(&rig.run_on_day(3, &[]), 0);
}

#[test]
fn runs_that_fail_in_the_same_second_keep_the_events_of_each_other() {
    // After a publication, ids of the same second follow its id, so that two of them could be equal.
    let rig = queued(unused_port(), 1);
    private(&rig.folder.path().join("sandbox-secret"), "wrong");
    for number in 1..9 {
        assert_exit(&rig.run_on_day(number, &[]), 1);
    }
    assert_eq!(batches(&rig).len(), 9);
}

#[test]
fn a_half_full_spool_is_a_warning_once_a_run_and_the_run_publishes() {
    let port = unused_port();
    let rig = queued(port, 1);
    let receiver = Receiver::on_port(port);
    // A sparse file takes no space, and counts as what it would take.
    let large = fs::File::create(rig.spool_dir().join("20200101T000000Z-0001.0000.jsonl.damaged")).unwrap();
    large.set_len(600 << 20).unwrap();
    let ran = rig.run_on_day(1, &["--json"]);
    assert_exit(&ran, 5);
    let summary: Value = serde_json::from_str(&stdout(&ran)).unwrap();
    let warnings = summary["warnings"].to_string();
    assert_eq!(warnings.matches("the spool is 58 % full (600 of 1024 MiB)").count(), 1, "{warnings}");
    assert_eq!(stderr(&ran).matches("the spool is 58 % full").count(), 1);
    assert_eq!(summary["spool"]["limit_octets"], 1 << 30);
    assert!(metric(&rig, "spool_bytes") * 2.0 > metric(&rig, "spool_limit_bytes"));
    assert_eq!(body(receiver.messages().last().unwrap())["btrollcall"]["run"]["spool_percent"], 58);
    large.set_len(2 << 30).unwrap();
    let full = rig.run_on_day(2, &[]);
    assert_exit(&full, 5);
    assert!(stderr(&full).contains("the limit is 1073741824"), "{}", stderr(&full));
}

#[test]
fn snapshots_that_only_queued_events_keep_are_a_warning_with_number_reason_and_cure() {
    let rig = queued(unused_port(), 3);
    // Retention knows the age of a snapshot from its name.
    let newest = rig.snapshot();
    for (old, number) in rig.snapshots().into_iter().filter(|path| *path != newest).zip(1..) {
        let (before, after) = (old.file_name().unwrap().to_str().unwrap(), format!("20200101T000000Z-000{number}"));
        for batch in batches(&rig) {
            let text = batch.to_str().unwrap();
            if text.contains(before) {
                fs::rename(&batch, text.replace(before, &after)).unwrap();
            }
        }
        fs::rename(&old, rig.snapshots_dir().join(after)).unwrap();
    }
    rig.edit("[output]\n", "[output]\nkeep_days = 1\nkeep_runs = 1\n");
    let expected =
        "2 snapshots beyond keep_days and keep_runs cannot be pruned, because events of their runs are queued in ";
    let pruned = rig.call(&["prune"]);
    assert_exit(&pruned, 0);
    assert!(stderr(&pruned).contains(expected) && stderr(&pruned).contains("bt-rollcall emit"), "{}", stderr(&pruned));
    let ran = rig.run_on_day(3, &["--json"]);
    assert_exit(&ran, 5);
    let summary: Value = serde_json::from_str(&stdout(&ran)).unwrap();
    assert!(summary["warnings"].to_string().contains(expected), "{summary}");
    assert_eq!(rig.snapshots().len(), 4);
}

#[test]
fn temporary_files_of_killed_processes_are_gone_after_the_next_run() {
    let rig = queued(unused_port(), 0);
    assert_exit(&rig.run(&["--json"]), 5);
    let folder = rig.folder.path();
    let left = [
        folder.join(".bt.prom.0123456789abcdef"),
        folder.join(".bt-attempt.prom.0123456789abcdef"),
        folder.join("state/.write-test-4711"),
        rig.snapshots_dir().join(".write-test-4711"),
        rig.snapshots_dir().join(".latest-20261123T020000Z-0001"),
        rig.spool_dir().join(".staged-20261123T020000Z-0001.0000.jsonl"),
    ];
    for path in &left {
        fs::write(path, "").unwrap();
    }
    let foreign = folder.join(".bt.prom.swp");
    fs::write(&foreign, "").unwrap();
    assert_exit(&rig.run_on_day(1, &[]), 5);
    for path in &left {
        assert!(!path.exists(), "{}", path.display());
    }
    assert!(foreign.exists());
}
