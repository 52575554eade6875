//! Tests of `spool`, `emit --test` and `emit --dry-run`, and of the limits of the spool, as an operator meets them.

use super::receiver::{Receiver, body, unused_port};
use super::rig::{Rig, as_of, assert_exit, stderr, stdout};
use bt_rollcall_sandbox::{Faults, World};
use serde_json::Value;
use std::fs;

/// Returns a rig whose receiver is down, after one run.
fn queued(port: u16) -> Rig {
    let rig =
        Rig::with_syslog(World::seeded(4, 60, as_of()), Faults::default(), Some(&format!("tcp://127.0.0.1:{port}")));
    assert_exit(&rig.run_on_day(0, &[]), 5);
    rig
}

/// Renames the queued batches and the snapshot to those of a run long ago.
fn made_old(rig: &Rig) {
    let snapshot = rig.snapshot();
    let run = snapshot.file_name().unwrap().to_str().unwrap().to_owned();
    for entry in fs::read_dir(rig.spool_dir()).unwrap() {
        let path = entry.unwrap().path();
        fs::rename(&path, path.to_str().unwrap().replace(&run, "20200101T000000Z-0001")).unwrap();
    }
}

fn completed(receiver: &Receiver) -> Value {
    body(receiver.messages().last().unwrap())["btrollcall"]["run"].clone()
}

#[test]
fn queued_events_are_listed_and_printed_as_they_arrive_later() {
    let port = unused_port();
    let rig = queued(port);
    let listed = rig.call(&["spool", "list", "--json"]);
    assert_exit(&listed, 0);
    let files: Value = serde_json::from_str(&stdout(&listed)).unwrap();
    let file = &files[0];
    assert_eq!(file["destination"], format!("tcp://127.0.0.1:{port}"));
    assert_eq!((&file["damaged"], &file["error"]), (&false.into(), &Value::Null));
    let printed = rig.call(&["emit", "--dry-run"]);
    assert_exit(&printed, 0);
    let frames: Vec<String> = stdout(&printed).lines().map(str::to_owned).collect();
    assert_eq!(frames.len() as u64, file["events"].as_u64().unwrap());
    let words = stdout(&rig.call(&["spool", "list"]));
    assert!(words.contains(file["run_id"].as_str().unwrap()) && words.contains(" in 1 file"), "{words}");
    let receiver = Receiver::on_port(port);
    assert_exit(&rig.call(&["emit"]), 0);
    assert_eq!(receiver.messages(), frames);
    assert_eq!(stdout(&rig.call(&["spool", "list"])), "no event is queued\n");
    assert_eq!(stdout(&rig.call(&["emit", "--dry-run"])), "");
}

#[test]
fn a_purge_needs_a_date_and_a_yes_and_the_next_run_reports_it_once() {
    let port = unused_port();
    let rig = queued(port);
    let files: Value = serde_json::from_str(&stdout(&rig.call(&["spool", "list", "--json"]))).unwrap();
    made_old(&rig);
    fs::write(rig.spool_dir().join("20200102T000000Z-0001.0000.jsonl.damaged"), "torn").unwrap();
    assert_exit(&rig.call(&["spool", "purge", "--yes"]), 2);
    let shown = rig.call(&["spool", "purge", "--before", "2020-02-01"]);
    assert_exit(&shown, 2);
    assert!(stdout(&shown).contains("and 1 damaged file") && stderr(&shown).contains("--yes"), "{}", stdout(&shown));
    assert_eq!(fs::read_dir(rig.spool_dir()).unwrap().count(), 2, "nothing was removed");
    let young = rig.call(&["spool", "purge", "--before", "2020-01-01", "--yes"]);
    assert_exit(&young, 0);
    assert!(stdout(&young).contains("no event of a run before 2020-01-01T00:00:00Z"), "{}", stdout(&young));
    let purged = rig.call(&["spool", "purge", "--before", "2020-02-01", "--yes"]);
    assert_exit(&purged, 0);
    assert_eq!(fs::read_dir(rig.spool_dir()).unwrap().count(), 0);
    let receiver = Receiver::on_port(port);
    assert_exit(&rig.run_on_day(1, &[]), 0);
    let run = completed(&receiver);
    assert_eq!((&run["purged"], &run["purged_damaged_batches"]), (&files[0]["events"], &1.into()));
    assert_exit(&rig.run_on_day(2, &[]), 0);
    assert_eq!(completed(&receiver)["purged"], 0);
}

#[test]
fn a_full_spool_publishes_nothing_ends_with_5_and_loses_no_change() {
    let port = unused_port();
    let rig = queued(port);
    rig.edit("[output]\n", "[spool]\nmax_mb = 1\n[output]\n");
    let large = rig.spool_dir().join("20200101T000000Z-0001.0000.jsonl.damaged");
    fs::File::create(&large).unwrap().set_len(1 << 20).unwrap();
    let before = rig.snapshots();
    let full = rig.run_on_day(1, &[]);
    assert_exit(&full, 5);
    assert!(
        stderr(&full).contains("the limit is 1048576") && stderr(&full).contains("spool.max_mb"),
        "{}",
        stderr(&full)
    );
    assert_eq!(rig.snapshots(), before);
    fs::remove_file(large).unwrap();
    let _receiver = Receiver::on_port(port);
    assert_exit(&rig.run_on_day(1, &[]), 0);
}

#[test]
fn a_full_spool_whose_receiver_is_back_is_drained_first_and_the_run_publishes() {
    let port = unused_port();
    let url = format!("tcp://127.0.0.1:{port}");
    let rig = Rig::with_syslog(World::seeded(4, 2_000, as_of()), Faults::default(), Some(&url));
    assert_exit(&rig.run_on_day(0, &[]), 5);
    rig.edit("[output]\n", "[spool]\nmax_mb = 1\n[output]\n");
    let queued = stdout(&rig.call(&["emit", "--dry-run"])).lines().count();
    let full = rig.run_on_day(1, &[]);
    assert_exit(&full, 5);
    assert_eq!(rig.snapshots().len(), 1, "{}", stderr(&full));
    let receiver = Receiver::on_port(port);
    let ran = rig.run_on_day(1, &["--json"]);
    assert_exit(&ran, 0);
    assert_eq!(rig.snapshots().len(), 2);
    let summary: Value = serde_json::from_str(&stdout(&ran)).unwrap();
    let arrived = receiver.messages().len();
    assert!(arrived > queued, "those of the full spool and of this run");
    assert_eq!(summary["destinations"][0]["delivered"], arrived);
}

#[test]
fn events_that_are_queued_for_too_long_are_a_warning_and_stay_queued() {
    let rig = queued(unused_port());
    made_old(&rig);
    rig.edit("[output]\n", "[spool]\nmax_days = 7\n[output]\n");
    let ran = rig.run_on_day(1, &["--json"]);
    assert_exit(&ran, 5);
    let summary: Value = serde_json::from_str(&stdout(&ran)).unwrap();
    assert_eq!(summary["spool"]["overdue_runs"], 1);
    assert!(summary["spool"]["oldest_days"].as_u64().unwrap() > 2_000);
    let expected = "events of 1 run have been queued for more than 7 days (spool.max_days)";
    assert_eq!(summary["warnings"].to_string().matches(expected).count(), 1, "{}", summary["warnings"]);
    assert_eq!(fs::read_dir(rig.spool_dir()).unwrap().count(), 2);
}

#[test]
fn a_test_of_every_destination_says_what_to_look_for_and_fails_where_nobody_listens() {
    let port = unused_port();
    let rig = queued(port);
    let refused = rig.call(&["emit", "--test"]);
    assert_exit(&refused, 1);
    assert!(stdout(&refused).contains("failed to send a run.test event"), "{}", stdout(&refused));
    let receiver = Receiver::on_port(port);
    let tested = rig.call(&["emit", "--test"]);
    assert_exit(&tested, 0);
    let messages = receiver.messages();
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    let event = body(message);
    assert_eq!(event["event"]["code"], "run.test");
    let shown = stdout(&tested);
    assert!(shown.contains(event["event"]["id"].as_str().unwrap()), "{shown}");
    assert!(shown.contains(event["message"].as_str().unwrap()), "{shown}");
}

#[test]
fn events_of_a_corrected_address_are_moved_and_arrive_as_they_were_queued() {
    let wrong = unused_port();
    let rig = queued(wrong);
    let frames = stdout(&rig.call(&["emit", "--dry-run"]));
    let receiver = Receiver::start();
    let (old, new) = (format!("tcp://127.0.0.1:{wrong}"), receiver.url());
    rig.edit(&old, &new);
    let abandoned = rig.call(&["emit"]);
    assert_exit(&abandoned, 5);
    assert!(stdout(&abandoned).contains(&format!("bt-rollcall spool move {old} NEW_URL")), "{}", stdout(&abandoned));
    for (from, to, why) in [
        (old.as_str(), "tcp://127.0.0.1:1", "is not configured; the destinations are: tcp://127.0.0.1:"),
        (&new, &new, "is still configured"),
        ("tcp://typo:1", &new, "no event is queued for tcp://typo:1"),
        ("https://a.example.com", &new, "no event is queued"),
    ] {
        let refused = rig.call(&["spool", "move", from, to]);
        assert_exit(&refused, 2);
        assert!(stderr(&refused).contains(why), "{}", stderr(&refused));
    }
    let moved = rig.call(&["spool", "move", &old, &new]);
    assert_exit(&moved, 0);
    assert!(stdout(&moved).contains(&format!("moved {} events", frames.lines().count())), "{}", stdout(&moved));
    assert_exit(&rig.call(&["emit"]), 0);
    assert_eq!(receiver.messages(), frames.lines().collect::<Vec<_>>());
}

#[test]
fn events_that_are_too_long_for_the_new_address_or_of_another_form_stay_where_they_are() {
    let wrong = unused_port();
    let rig = queued(wrong);
    let old = format!("tcp://127.0.0.1:{wrong}");
    rig.edit(&old, "udp://127.0.0.1:9");
    rig.append("[[http]]\ntarget = \"splunk-hec\"\nurl = \"http://127.0.0.1:9\"\ntoken = { env = \"HOME\" }\n");
    for (new, why) in [
        ("udp://127.0.0.1:9", "and this destination sends at most 1180"),
        ("http://127.0.0.1:9", "events for syslog and for HTTP have different forms"),
    ] {
        let refused = rig.call(&["spool", "move", &old, new]);
        assert_exit(&refused, 2);
        assert!(stderr(&refused).contains(why), "{}", stderr(&refused));
    }
    let files: Value = serde_json::from_str(&stdout(&rig.call(&["spool", "list", "--json"]))).unwrap();
    assert_eq!(files[0]["destination"], old);
}

#[test]
fn batch_that_a_killed_purge_left_is_delivered_and_not_reported_as_thrown_away() {
    let port = unused_port();
    let rig = queued(port);
    let files: Value = serde_json::from_str(&stdout(&rig.call(&["spool", "list", "--json"]))).unwrap();
    let left = files[0]["file"].as_str().unwrap().rsplit('/').next().unwrap();
    let memory = serde_json::json!({"batches": {left: files[0]["events"], "20200101T000000Z-0001.0000.jsonl": 3}});
    fs::write(rig.spool_dir().with_file_name("purged.json"), memory.to_string()).unwrap();
    let receiver = Receiver::on_port(port);
    assert_exit(&rig.call(&["emit"]), 0);
    assert_exit(&rig.run_on_day(1, &[]), 0);
    assert_eq!(completed(&receiver)["purged"], 3);
}

#[test]
fn purged_events_that_a_published_run_has_reported_are_not_reported_again_after_a_kill() {
    let port = unused_port();
    let rig = queued(port);
    let reporting = rig.snapshot().file_name().unwrap().to_str().unwrap().to_owned();
    let receiver = Receiver::on_port(port);
    // Killed between the publication and the end of a run, or before the publication.
    for (day, run, purged) in [(1, reporting.as_str(), 0), (2, "20200103T000000Z-0001", 3)] {
        let memory = serde_json::json!({"batches": {"20200101T000000Z-0001.0000.jsonl": 3}, "reported_by": run});
        fs::write(rig.spool_dir().with_file_name("purged.json"), memory.to_string()).unwrap();
        assert_exit(&rig.run_on_day(day, &[]), 0);
        assert_eq!(completed(&receiver)["purged"], purged, "{run}");
        assert!(!rig.spool_dir().with_file_name("purged.json").exists());
    }
}

#[test]
fn damaged_events_and_events_for_a_local_socket_are_not_moved() {
    let wrong = unused_port();
    let rig = queued(wrong);
    let old = format!("tcp://127.0.0.1:{wrong}");
    rig.edit(&old, "unix:///dev/log");
    let refused = rig.call(&["spool", "move", &old, "unix:///dev/log"]);
    assert_exit(&refused, 2);
    assert!(
        stderr(&refused).contains("a local socket and for the network have different headers"),
        "{}",
        stderr(&refused)
    );
    let files: Value = serde_json::from_str(&stdout(&rig.call(&["spool", "list", "--json"]))).unwrap();
    let path = files[0]["file"].as_str().unwrap();
    let text = fs::read_to_string(path).unwrap();
    fs::write(path, text.replacen("stale", "STALE", 1)).unwrap();
    let refused = rig.call(&["spool", "move", &old, "unix:///dev/log"]);
    assert_exit(&refused, 2);
    assert!(stderr(&refused).contains("1 damaged file of tcp:"), "{}", stderr(&refused));
}
