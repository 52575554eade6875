//! Tests with a server that misbehaves: the result is exact, or the run reports that it is incomplete.

use super::inventory::compare;
use super::rig::{Rig, as_of, assert_exit, stderr};
use bt_rollcall_sandbox::{Faults, World};

#[test]
fn result_is_exact_with_three_percent_of_every_fault() {
    let rig = Rig::new(World::seeded(11, 2500, as_of()), Faults::each(0.03));
    assert_exit(&rig.run(&[]), 0);
    assert!(rig.sandbox.counters().faults_injected > 0);
    compare(&rig);
}

#[test]
fn result_of_sparse_lists_is_exact_with_three_percent_of_every_fault() {
    let rig = Rig::new(World::seeded(12, 1000, as_of()), Faults { sparse_lists: true, ..Faults::each(0.03) });
    rig.set("concurrency = 32");
    assert_exit(&rig.run(&[]), 0);
    compare(&rig);
}

#[test]
fn forbidden_list_of_groups_makes_the_run_partial_and_names_list_and_right() {
    let rig = Rig::new(World::seeded(1, 300, as_of()), Faults { forbid_groups: true, ..Faults::default() });
    let output = rig.run(&[]);
    assert_exit(&output, 3);
    let log = stderr(&output);
    assert!(log.contains("list of groups is forbidden") && log.contains("right to view groups"), "{log}");
    assert_eq!((rig.latest(), rig.latest_complete()), (Some(rig.snapshot()), None));
    let manifest = rig.manifest();
    assert_eq!(manifest["completeness"], "partial");
    assert_eq!(manifest["sources"][0]["status"], "partial");
    let findings = rig.table("findings");
    assert!(findings.iter().all(|f| f["rule"] != "no-group" && f["rule"] != "dangling-group"));
    assert!(findings.iter().any(|f| f["rule"] == "collection-incomplete" && f["severity"] == "medium"));
    let undetermined = |rule: &str| {
        manifest["rules"].as_array().unwrap().iter().any(|r| r["rule"] == rule && r["outcome"] == "undetermined")
    };
    assert!(undetermined("no-group") && undetermined("dangling-group"));
}

#[test]
fn list_is_not_complete_when_the_server_ignores_the_offset() {
    let rig = Rig::new(World::seeded(1, 300, as_of()), Faults { ignore_offset: true, ..Faults::default() });
    assert_exit(&rig.run(&[]), 3);
    assert_eq!(rig.manifest()["sources"][0]["lists"][0]["coverage"], "drifted");
}

#[test]
fn clock_difference_of_more_than_five_minutes_is_a_warning_and_a_finding() {
    let rig = Rig::new(World::seeded(1, 50, as_of()), Faults { clock_skew_seconds: 400, ..Faults::default() });
    let output = rig.run(&[]);
    assert_exit(&output, 0);
    let skew = rig.manifest()["sources"][0]["clock_skew_seconds"].as_i64().unwrap();
    assert!((398..=402).contains(&skew), "{skew}");
    assert!(stderr(&output).contains("ahead of the clock of this host"));
    assert!(rig.table("findings").iter().any(|f| f["rule"] == "data-quality" && f["subject_kind"] == "source"));
}
