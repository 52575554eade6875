//! Tests of accepted exceptions: their effect on findings, counts and events, and the problems of their file.

use super::receiver::Receiver;
use super::rig::{Rig, as_of, assert_exit, day, find_finding, private, stderr};
use bt_rollcall_sandbox::{Faults, World};
use serde_json::Value;
use std::fs;

pub fn rig(register: &str) -> Rig {
    with(Rig::new(World::ordinary(3, 200, as_of()), Faults::default()), register)
}

fn with(rig: Rig, register: &str) -> Rig {
    rig.edit("[policy]\n", "[policy]\nexceptions = \"exceptions.toml\"\n");
    write(&rig, register);
    rig
}

pub fn write(rig: &Rig, register: &str) {
    private(&rig.folder.path().join("exceptions.toml"), register);
}

pub fn entry(rule: &str, subject: &str, until: &str) -> String {
    format!(
        "[[exception]]\nrule = \"{rule}\"\nsubject = \"{subject}\"\nreason = \"robot\"\nowner = \"platform team\"\nticket = \"CHG-1\"\nuntil = {until}\n"
    )
}

/// Returns the id of a user with a finding of this rule with severity medium.
pub fn user_with(rig: &Rig, rule: &str) -> String {
    let rows = rig.table("findings");
    rows.iter().find(|row| row["rule"] == rule && row["severity"] == "medium").unwrap()["subject_id"].clone()
}

#[test]
fn excepted_finding_is_counted_and_sent_and_is_open_again_when_the_exception_expires() {
    let receiver = Receiver::start();
    let rig = Rig::with_syslog(World::ordinary(3, 200, as_of()), Faults::default(), Some(&receiver.url()));
    let rig = with(rig, "");
    assert_exit(&rig.run_on_day(0, &[]), 0);
    let open = rig.manifest()["counts"]["findings"]["stale-login"].clone();
    let id = user_with(&rig, "stale-login");
    let seen_before = receiver.messages().len();

    write(&rig, &entry("stale-login", &format!("id:{id}"), &day(2)[..10]));
    assert_exit(&rig.run_on_day(1, &[]), 0);
    let rows = rig.table("findings");
    let covered = find_finding(&rows, "stale-login", &id).unwrap();
    assert_eq!(covered["status"], "excepted");
    assert!(covered["exception"].contains("robot (owner platform team, until 2026-11-25, ticket CHG-1)"));
    let manifest = rig.manifest();
    assert_eq!(manifest["counts"]["findings"]["stale-login"], open, "counted");
    assert_eq!(manifest["counts"]["statuses"]["excepted"], 1);
    assert_eq!(manifest["exceptions_sha256"].as_str().unwrap().len(), 64);
    assert!(manifest["files"].as_array().unwrap().iter().any(|file| file["path"] == "exceptions.json"));
    assert!(manifest["warnings"].to_string().contains("ends tomorrow"), "{}", manifest["warnings"]);
    let register: Value = serde_json::from_slice(&fs::read(rig.snapshot().join("exceptions.json")).unwrap()).unwrap();
    assert_eq!(
        (&register[0]["state"], &register[0]["findings"][0]),
        (&"in force".into(), &covered["fingerprint"].clone().into())
    );
    let report = rig.report();
    assert!(
        report.contains("Accepted exceptions") && report.contains("platform team") && report.contains("1 excepted")
    );
    let sent = receiver.messages()[seen_before..].join("\n");
    assert_eq!(sent.matches("finding-excepted").count(), 1);
    let snapshot = rig.snapshot();
    assert_exit(&rig.call(&["verify", snapshot.to_str().unwrap()]), 0);

    assert_exit(&rig.run_on_day(3, &[]), 0);
    let rows = rig.table("findings");
    let back = find_finding(&rows, "stale-login", &id).unwrap();
    assert_eq!((&*back["status"], &*back["first_seen"], &*back["exception"]), ("open", &*day(0), ""));
    let expired = find_finding(&rows, "exception-expired", &id).unwrap();
    assert_eq!((&*expired["status"], &*expired["severity"]), ("new", "medium"));
    assert!(receiver.messages().last().unwrap().contains("run.completed"));
    assert!(receiver.messages().iter().any(|message| message.contains(" finding.exception-expired ")));

    write(&rig, &entry("stale-login", &format!("id:{id}"), "2027-06-30"));
    assert_exit(&rig.run_on_day(4, &[]), 0);
    let rows = rig.table("findings");
    assert_eq!(find_finding(&rows, "stale-login", &id).unwrap()["status"], "excepted");
    assert_eq!(find_finding(&rows, "exception-expired", &id).unwrap()["status"], "resolved", "it was renewed");
    assert_exit(&rig.run_on_day(5, &[]), 0);
    assert!(find_finding(&rig.table("findings"), "exception-expired", &id).is_none());
}

#[test]
fn excepted_findings_do_not_count_for_fail_on() {
    let rig = rig(&entry("stale-login", "glob:*", "2027-06-30"));
    rig.append("[policy.rules]\n");
    let output = rig.run_on_day(0, &["--fail-on", "medium"]);
    assert_exit(&output, 10);
    let rules: Vec<String> = rig.table("findings").iter().map(|row| row["rule"].clone()).collect();
    let mut all = String::new();
    for rule in rules {
        if !all.contains(&format!("\"{rule}\"")) {
            all.push_str(&entry(&rule, "glob:*", "2027-06-30"));
        }
    }
    write(&rig, &all);
    assert_exit(&rig.run_on_day(0, &["--fail-on", "info"]), 0);
}

#[test]
fn invalid_exceptions_file_is_refused_with_the_line_of_every_problem() {
    let rig = rig(
        "[[exception]]\nrule = \"stale-logn\"\nsubject = \"x\"\nreason = \"\"\nownr = \"me\"\nuntil = \"2027-01-01\"\n\n\
         [[exception]]\nrule = \"no-mfa\"\nsubject = \"glob:\"\nreason = \"r\"\nowner = \"o\"\nsource = \"sandbx\"\nuntil = 2027-01-01\n\n\
         [[exceptions]]\n",
    );
    let output = rig.run_on_day(0, &[]);
    assert_exit(&output, 2);
    let log = stderr(&output);
    for (line, words) in [
        (1, "owner: is missing"),
        (2, "[[exception]] 1 rule: unknown rule \"stale-logn\"; did you mean \"stale-login\"?"),
        (4, "reason: must not be empty"),
        (5, "unknown key \"ownr\"; did you mean \"owner\"?"),
        (6, "until: must be a day"),
        (10, "subject: pattern is empty; write a name"),
        (13, "did you mean \"sandbox\"?"),
        (16, "unknown key \"exceptions\"; did you mean \"exception\"?"),
    ] {
        let found = log.lines().any(|text| text.contains(&format!("exceptions.toml:{line}:")) && text.contains(words));
        assert!(found, "line {line}: {words}: {log}");
    }
    // 12 months count from today, or from the instant of the run if that is later. This run is on `as_of() + 400 days`.
    let last = as_of().date_naive() + chrono::TimeDelta::days(400 + 366);
    write(&rig, &entry("no-mfa", "x", &(last + chrono::TimeDelta::days(1)).to_string()));
    let output = rig.run_on_day(400, &[]);
    assert_exit(&output, 2);
    assert!(
        stderr(&output).contains("exceptions.toml:7:9: [[exception]] 1 until: ")
            && stderr(&output).contains(&last.to_string()),
        "{}",
        stderr(&output)
    );
    assert_eq!(rig.sandbox.counters().requests, 0, "nothing was contacted");
    fs::remove_file(rig.folder.path().join("exceptions.toml")).unwrap();
    assert_exit(&rig.call(&["check"]), 2);
}

#[test]
fn unused_and_overlapping_exceptions_are_listed() {
    let rig = rig(&[
        entry("no-mfa", "nobody", "2027-06-30"),
        entry("stale-login", "glob:*", "2027-06-30"),
        entry("stale-login", "glob:*.*", "2027-06-30"),
    ]
    .concat());
    assert_exit(&rig.run_on_day(0, &[]), 0);
    let warnings = rig.manifest()["warnings"].to_string();
    assert!(warnings.contains("line 1 (no-mfa of nobody) covers no finding"), "{warnings}");
    assert!(warnings.contains("overlaps with the one in line 8"), "{warnings}");
    let report = rig.report();
    assert!(report.contains("covers no finding") && report.contains("overlaps with the one in line 8"));
}
