//! Accepted exceptions, as who keeps the register sees them.

use super::memory::{day, run_on};
use super::receiver::Receiver;
use super::rig::{Rig, Row, as_of, assert_exit, stderr};
use bt_rollcall_sandbox::{Faults, World};
use serde_json::Value;
use std::fs;

fn rig(register: &str) -> Rig {
    with(Rig::new(World::ordinary(3, 200, as_of()), Faults::default()), register)
}

fn with(rig: Rig, register: &str) -> Rig {
    rig.edit("[policy]\n", "[policy]\nexceptions = \"exceptions.toml\"\n");
    write(&rig, register);
    rig
}

fn write(rig: &Rig, register: &str) {
    fs::write(rig.folder.path().join("exceptions.toml"), register).unwrap();
}

fn entry(rule: &str, subject: &str, until: &str) -> String {
    format!(
        "[[exception]]\nrule = \"{rule}\"\nsubject = \"{subject}\"\nreason = \"robot\"\nowner = \"platform team\"\nticket = \"CHG-1\"\nuntil = {until}\n"
    )
}

fn of<'a>(rows: &'a [Row], rule: &str, id: &str) -> Option<&'a Row> {
    rows.iter().find(|row| row["rule"] == rule && row["subject_id"] == id)
}

/// Somebody of whom there is a finding of this rule.
fn somebody(rig: &Rig, rule: &str) -> String {
    let rows = rig.table("findings");
    rows.iter().find(|row| row["rule"] == rule && row["severity"] == "medium").unwrap()["subject_id"].clone()
}

#[test]
fn what_an_exception_covers_is_excepted_counted_and_reported_and_back_when_it_is_over() {
    let receiver = Receiver::start();
    let rig = Rig::with_syslog(World::ordinary(3, 200, as_of()), Faults::default(), Some(&receiver.url()));
    let rig = with(rig, "");
    assert_exit(&run_on(&rig, 0, &[]), 0);
    let open = rig.manifest()["counts"]["findings"]["stale-login"].clone();
    let id = somebody(&rig, "stale-login");
    let received = receiver.messages().len();

    write(&rig, &entry("stale-login", &format!("id:{id}"), &day(2)[..10]));
    assert_exit(&run_on(&rig, 1, &[]), 0);
    let rows = rig.table("findings");
    let covered = of(&rows, "stale-login", &id).unwrap();
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
    let report = fs::read_to_string(rig.snapshot().join("report.html")).unwrap();
    assert!(
        report.contains("Accepted exceptions") && report.contains("platform team") && report.contains("1 excepted")
    );
    let reported = receiver.messages()[received..].join("\n");
    assert_eq!(reported.matches("finding-excepted").count(), 1);
    let snapshot = rig.snapshot();
    assert_exit(&rig.call(&["verify", snapshot.to_str().unwrap()]), 0);

    assert_exit(&run_on(&rig, 3, &[]), 0);
    let rows = rig.table("findings");
    let back = of(&rows, "stale-login", &id).unwrap();
    assert_eq!((&*back["status"], &*back["first_seen"], &*back["exception"]), ("open", &*day(0), ""));
    let expired = of(&rows, "exception-expired", &id).unwrap();
    assert_eq!((&*expired["status"], &*expired["severity"]), ("new", "medium"));
    assert!(receiver.messages().last().unwrap().contains("run.completed"));
    assert!(receiver.messages().iter().any(|message| message.contains(" finding.exception-expired ")));

    write(&rig, &entry("stale-login", &format!("id:{id}"), "2027-06-30"));
    assert_exit(&run_on(&rig, 4, &[]), 0);
    let rows = rig.table("findings");
    assert_eq!(of(&rows, "stale-login", &id).unwrap()["status"], "excepted");
    assert_eq!(of(&rows, "exception-expired", &id).unwrap()["status"], "resolved", "it was renewed");
    assert_exit(&run_on(&rig, 5, &[]), 0);
    assert!(of(&rig.table("findings"), "exception-expired", &id).is_none());
}

#[test]
fn what_is_accepted_does_not_fail_the_run() {
    let rig = rig(&entry("stale-login", "glob:*", "2027-06-30"));
    rig.append("[policy.rules]\n");
    let output = run_on(&rig, 0, &["--fail-on", "medium"]);
    assert_exit(&output, 10);
    let rules: Vec<String> = rig.table("findings").iter().map(|row| row["rule"].clone()).collect();
    let mut all = String::new();
    for rule in rules {
        if !all.contains(&format!("\"{rule}\"")) {
            all.push_str(&entry(&rule, "glob:*", "2027-06-30"));
        }
    }
    write(&rig, &all);
    assert_exit(&run_on(&rig, 0, &["--fail-on", "info"]), 0);
}

#[test]
fn a_register_with_mistakes_is_refused_with_the_line_of_every_one() {
    let rig = rig(
        "[[exception]]\nrule = \"stale-logn\"\nsubject = \"x\"\nreason = \"\"\nownr = \"me\"\nuntil = \"2027-01-01\"\n\n\
         [[exception]]\nrule = \"no-mfa\"\nsubject = \"glob:\"\nreason = \"r\"\nowner = \"o\"\nsource = \"sandbx\"\nuntil = 2027-01-01\n\n\
         [[exceptions]]\n",
    );
    let output = run_on(&rig, 0, &[]);
    assert_exit(&output, 2);
    let reported = stderr(&output);
    for (line, words) in [
        (1, "owner is missing"),
        (2, "did you mean stale-login?"),
        (4, "reason must be a text that is not empty"),
        (5, "ownr is not a key here; did you mean owner?"),
        (6, "until must be a day"),
        (10, "empty pattern"),
        (13, "did you mean sandbox?"),
        (16, "write [[exception]] tables"),
    ] {
        let found = reported.lines().any(|text| text.contains(&format!("line {line}")) && text.contains(words));
        assert!(found, "line {line}: {words}: {reported}");
    }
    // From today on, or from the instant of the run where that is later: the day of the run is `as_of() + 400 days`.
    let last = as_of().date_naive() + chrono::TimeDelta::days(400 + 366);
    write(&rig, &entry("no-mfa", "x", &(last + chrono::TimeDelta::days(1)).to_string()));
    let output = run_on(&rig, 400, &[]);
    assert_exit(&output, 2);
    assert!(stderr(&output).contains("line 1") && stderr(&output).contains(&last.to_string()), "{}", stderr(&output));
    assert_eq!(rig.sandbox.counters().requests, 0, "nothing was contacted");
    fs::remove_file(rig.folder.path().join("exceptions.toml")).unwrap();
    assert_exit(&rig.call(&["check"]), 2);
}

#[test]
fn exceptions_that_do_nothing_or_overlap_are_listed() {
    let rig = rig(&[
        entry("no-mfa", "nobody", "2027-06-30"),
        entry("stale-login", "glob:*", "2027-06-30"),
        entry("stale-login", "glob:*.*", "2027-06-30"),
    ]
    .concat());
    assert_exit(&run_on(&rig, 0, &[]), 0);
    let warnings = rig.manifest()["warnings"].to_string();
    assert!(warnings.contains("line 1 (no-mfa of nobody) covers no finding"), "{warnings}");
    assert!(warnings.contains("overlaps with the one in line 8"), "{warnings}");
    let report = fs::read_to_string(rig.snapshot().join("report.html")).unwrap();
    assert!(report.contains("covers no finding") && report.contains("overlaps with the one in line 8"));
}
