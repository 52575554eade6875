//! Tests of clocks that contradict each other: nothing that cannot be undone happens by them, and every output says so.

use super::chain::{keeps_little, old_runs};
use super::exceptions;
use super::rig::{Rig, assert_exit, day, find_finding, private, read_json, stderr, stdout};
use bt_rollcall_sandbox::Faults;
use chrono::{SecondsFormat, TimeDelta, Utc};
use serde_json::Value;
use std::fs;

const THOUSAND_DAYS: i64 = 1_000 * 86_400;

fn skew(rig: &Rig, seconds: i64) {
    rig.sandbox.set_faults(Faults { clock_skew_seconds: seconds, ..Faults::default() });
}

#[track_caller]
fn assert_verifies(rig: &Rig) {
    let snapshot = rig.snapshot();
    assert_exit(&rig.call(&["verify", snapshot.to_str().unwrap()]), 0);
    let page = rig.folder.path().join("again.html");
    assert_exit(&rig.call(&["report", snapshot.to_str().unwrap(), "--output", page.to_str().unwrap()]), 0);
    assert_eq!(fs::read_to_string(page).unwrap(), rig.report());
}

#[test]
fn clock_that_differs_by_1000_days_from_a_source_prunes_nothing_until_all_clocks_agree() {
    for (seconds, words) in [(THOUSAND_DAYS, "ahead of"), (-THOUSAND_DAYS, "behind")] {
        let (rig, _) = old_runs(3);
        skew(&rig, seconds);
        let output = rig.run(&[]);
        assert_exit(&output, 0);
        assert_eq!(rig.snapshots().len(), 4, "the run removed nothing");
        let warning = format!(
            "no snapshot is pruned, no exception expires and no record of a resolved finding is dropped: the clock of \
             source sandbox was 1,000 days {words} the clock of this host"
        );
        for place in [stdout(&output), stderr(&output), rig.manifest()["warnings"].to_string(), rig.report()] {
            assert!(place.contains(&warning) && place.contains("correct the wrong clock (NTP)"), "{place}");
        }
        assert_verifies(&rig);
        for args in [&["prune"][..], &["prune", "--dry-run"]] {
            let refused = rig.call(args);
            assert_exit(&refused, 1);
            let log = stderr(&refused);
            assert!(
                log.contains("failed to prune: in the run of the newest snapshot ") && log.contains(words),
                "{log}"
            );
            assert!(log.contains("no snapshot was removed") && log.contains("bt-rollcall run"), "{log}");
        }
        assert!(!rig.snapshots_dir().join("pruned.jsonl").exists());
        skew(&rig, 86_000);
        assert_exit(&rig.run(&[]), 0);
        assert_eq!(rig.snapshots().len(), 2, "less than a day is no contradiction");
        assert_verifies(&rig);
    }
}

#[test]
fn newest_snapshot_in_the_future_prunes_nothing_until_a_run_replaces_it() {
    let (rig, snapshots) = old_runs(3);
    let manifest = snapshots[2].join("manifest.json");
    let mut edited = read_json(&manifest);
    let future = (Utc::now() + TimeDelta::days(1_000)).to_rfc3339_opts(SecondsFormat::Secs, true);
    edited["started_at"] = Value::from(future.as_str());
    private(&manifest, &edited.to_string());
    let refused = rig.call(&["prune"]);
    assert_exit(&refused, 1);
    assert!(
        stderr(&refused).contains(&format!("is of {future}, after the clock of this host (")),
        "{}",
        stderr(&refused)
    );
    assert_exit(&rig.run(&[]), 0);
    assert_eq!(rig.snapshots().len(), 4);
    assert!(rig.warnings().iter().any(|warning| warning.contains(&format!("is of {future}, after the clock"))));
    assert_verifies(&rig);
    assert_exit(&rig.run(&[]), 0);
    assert_eq!(rig.snapshots().len(), 2);
}

#[test]
fn exception_that_ends_by_a_clock_in_doubt_stays_in_force_with_a_warning() {
    let rig = exceptions::rig("");
    keeps_little(&rig);
    assert_exit(&rig.run_on_day(0, &[]), 0);
    let id = exceptions::user_with(&rig, "stale-login");
    exceptions::write(&rig, &exceptions::entry("stale-login", &format!("id:{id}"), &day(2)[..10]));
    assert_exit(&rig.run_on_day(1, &[]), 0);
    skew(&rig, -THOUSAND_DAYS);
    // The second run continues from a snapshot that is after the last day. Both days are years away: a day that is within
    // an hour of the clock of this host is compared with it.
    for number in [3003, 3004] {
        assert_exit(&rig.run_on_day(number, &[]), 0);
        let rows = rig.table("findings");
        assert_eq!(find_finding(&rows, "stale-login", &id).unwrap()["status"], "excepted");
        assert!(find_finding(&rows, "exception-expired", &id).is_none());
        let words = format!("stays in force after its last day {}, because the clock may be wrong", &day(2)[..10]);
        assert!(rig.warnings().iter().any(|warning| warning.contains(&words)), "{:?}", rig.warnings());
        assert_eq!(read_json(&rig.snapshot().join("exceptions.json"))[0]["state"], "in force");
        assert_eq!(rig.manifest()["clock_doubt"]["exceptions_as_of"], Value::from(day(1)));
        assert_verifies(&rig);
    }
    skew(&rig, 0);
    assert_exit(&rig.run_on_day(3004, &[]), 0);
    let rows = rig.table("findings");
    assert_eq!(find_finding(&rows, "stale-login", &id).unwrap()["status"], "open");
    assert!(find_finding(&rows, "exception-expired", &id).is_some());
}

#[test]
fn forged_doubt_about_the_clock_is_found() {
    let rig = Rig::seeded(50);
    assert_exit(&rig.run(&[]), 0);
    let manifest = rig.snapshot().join("manifest.json");
    let mut edited = read_json(&manifest);
    edited["clock_doubt"] = serde_json::json!({ "reasons": ["x"], "exceptions_as_of": day(0) });
    private(&manifest, &edited.to_string());
    let output = rig.call(&["verify", rig.snapshot().to_str().unwrap()]);
    assert_exit(&output, 1);
    assert!(stderr(&output).contains("clock_doubt contradicts the clocks of the sources"), "{}", stderr(&output));
}
