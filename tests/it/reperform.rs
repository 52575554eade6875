//! Tests of `verify` after the file check: honest snapshots of every kind pass, and a forged one is found although every
//! hash in its manifest is right.

mod declared;
mod forger;
mod honest;

use super::rig::{Rig, assert_exit, people, set_field, stderr, stdout};
use bt_rollcall_sandbox::Faults;
use forger::{drop_row, edit_csv, edit_json, rehash, set_cell};
use serde_json::json;
use std::fs;
use std::path::Path;

/// Runs on two days, so that the newest snapshot has a baseline and changes.
fn two_days() -> Rig {
    let rig = Rig::new(people(150), Faults::default());
    rig.edit("csv = \"raw\"\n", "");
    assert_exit(&rig.run_on_day(0, &[]), 0);
    rig.sandbox.with_world(|world| {
        let ids: Vec<u64> = world.user_ids().into_iter().collect();
        set_field(world, ids[3], "enabled", json!(false));
        assert!(world.remove_user(ids[5]));
    });
    assert_exit(&rig.run_on_day(1, &[]), 0);
    rig
}

fn verify(rig: &Rig, snapshot: &Path) -> std::process::Output {
    rig.call(&["verify", snapshot.to_str().unwrap()])
}

/// Verifies the forged snapshot after making its manifest right again, and returns what `verify` found.
#[track_caller]
fn found(rig: &Rig, snapshot: &Path) -> String {
    rehash(snapshot);
    let output = verify(rig, snapshot);
    assert_exit(&output, 1);
    let log = stderr(&output);
    assert!(!log.contains("does not match its manifest"), "the hashes are right again: {log}");
    assert!(log.contains("matches its manifest, but its files contradict each other (re-performed "), "{log}");
    assert!(log.contains("run.completed"), "the cure names the anchor: {log}");
    log
}

/// Forges the newest snapshot in turn, each time from the same honest one.
struct Forgery {
    rig: Rig,
    honest: tempfile::TempDir,
}

impl Forgery {
    fn new() -> Self {
        let rig = two_days();
        let honest = tempfile::tempdir().unwrap();
        super::rig::copy_folder(&rig.snapshot(), honest.path());
        Self { rig, honest }
    }

    fn found(&self, forge: impl Fn(&Path)) -> String {
        let snapshot = self.rig.snapshot();
        forge(&snapshot);
        let log = found(&self.rig, &snapshot);
        fs::remove_dir_all(&snapshot).unwrap();
        super::rig::copy_folder(&self.honest.path().join(snapshot.file_name().unwrap()), snapshot.parent().unwrap());
        assert_exit(&verify(&self.rig, &snapshot), 0);
        log
    }
}

#[test]
fn forged_tables_are_found_and_named_by_file_row_and_column() {
    let forgery = Forgery::new();
    let findings = forgery.rig.table("findings");
    let stale = findings.iter().find(|row| row["rule"] == "stale-login" && row["status"] == "open").unwrap().clone();
    let (id, fingerprint) = (stale["subject_id"].clone(), stale["fingerprint"].clone());

    // A finding that is removed from both formats: the rules find it again.
    let log = forgery.found(|snapshot| {
        drop_row(snapshot, "findings", "fingerprint", &fingerprint);
    });
    assert!(log.contains("findings.parquet: missing row (source sandbox, rule stale-login"), "{log}");
    assert!(log.contains(&format!("subject_id {id}")) && log.contains("the new evaluation has it"), "{log}");
    assert!(log.contains("counts.findings.stale-login"), "{log}");

    // The same with the counts made right.
    let log = forgery.found(|snapshot| {
        drop_row(snapshot, "findings", "fingerprint", &fingerprint);
        edit_json(snapshot, |manifest| {
            for (table, key) in [("findings", "stale-login"), ("statuses", "open")] {
                let count = &mut manifest["counts"][table][key];
                *count = json!(count.as_u64().unwrap() - 1);
            }
        });
    });
    assert!(log.contains("missing row") && !log.contains("counts."), "{log}");

    // A severity in both formats.
    let log = forgery.found(|snapshot| {
        set_cell(snapshot, "findings", "fingerprint", &fingerprint, "severity", "info");
    });
    assert!(log.contains("findings.parquet: severity is \"info\" (source sandbox, rule stale-login"), "{log}");
    assert!(log.contains(&format!("but the new evaluation has {:?}", stale["severity"])), "{log}");
}

#[test]
fn a_table_that_was_forged_in_one_format_is_found() {
    let forgery = Forgery::new();
    let id = forgery.rig.table("users")[7]["id"].clone();

    // A user that is removed from the CSV file only.
    let log = forgery.found(|snapshot| {
        edit_csv(snapshot, "users", |row| row[1] != id);
    });
    assert!(log.contains(&format!("users.csv: missing row (source sandbox, id {id}): users.parquet has it")), "{log}");

    // A cell of the CSV file only.
    let log = forgery.found(|snapshot| {
        let path = snapshot.join("users.csv");
        let text = fs::read_to_string(&path).unwrap();
        let line = text.lines().find(|line| line.starts_with(&format!("sandbox,{id},"))).unwrap();
        fs::write(&path, text.replacen(line, &line.replacen(",true,", ",false,", 1), 1)).unwrap();
    });
    assert!(log.contains("users.csv: enabled is \"false\" (source sandbox, id "), "{log}");
    assert!(log.contains("but users.parquet has \"true\""), "{log}");
}

#[test]
fn forged_accounts_and_changes_are_found_in_both_formats() {
    let forgery = Forgery::new();
    let findings = forgery.rig.table("findings");
    let id = findings.iter().find(|row| row["rule"] == "stale-login").unwrap()["subject_id"].clone();

    // An account that looks younger in both formats: its finding then disappears from the new evaluation.
    let log = forgery.found(|snapshot| {
        set_cell(snapshot, "users", "id", &id, "username", "somebody.else");
    });
    assert!(log.contains("somebody.else"), "{log}");

    // A change.
    let changes = forgery.rig.table("changes");
    let removed = changes.iter().find(|row| row["kind"] == "user.removed").unwrap();
    let log = forgery.found(|snapshot| {
        drop_row(snapshot, "changes", "event_id", &removed["event_id"]);
    });
    assert!(log.contains("changes.parquet: missing row (source sandbox, kind user.removed"), "{log}");
}

#[test]
fn a_forged_manifest_is_found() {
    let forgery = Forgery::new();
    let edited = |edit: fn(&mut serde_json::Value)| forgery.found(|snapshot| edit_json(snapshot, edit));
    let log = edited(|manifest| manifest["policy"]["stale_after_days"]["value"] = json!(400));
    assert!(log.contains("findings.parquet: status is \"open\" (source sandbox, rule stale-login"), "{log}");
    assert!(log.contains("but the new evaluation has \"resolved\""), "{log}");
    assert!(log.contains("more differences"), "the number of lines is bounded: {log}");
    let log = edited(|manifest| manifest["operator"] = json!("nobody"));
    assert!(log.contains("operator is \"nobody\", but started_by gives"), "{log}");
    let log = edited(|manifest| {
        manifest["operator"] = json!("nobody");
        manifest["started_by"] = json!({ "user": "nobody" });
    });
    assert!(log.contains("report.html: differs from the page that the other files give"), "{log}");
    let log = edited(|manifest| manifest["counts"]["users"] = json!(1));
    assert!(log.contains("counts.users is 1, but the other files give"), "{log}");
    let log = edited(|manifest| manifest["guarded_cells"] = json!(1_000));
    assert!(log.contains("guarded_cells is 1000"), "{log}");
    let log = edited(|manifest| manifest["policy"]["privileged_groups"]["value"] = json!(["Nobody"]));
    assert!(log.contains("groups.parquet: privileged is \"true\""), "{log}");
    let log = edited(|manifest| {
        let rules = manifest["rules"].as_array_mut().unwrap();
        let rule = rules.iter_mut().find(|rule| rule["rule"] == "stale-login").unwrap();
        rule["subjects"] = json!(7);
    });
    assert!(log.contains("rule stale-login of source sandbox has the result"), "{log}");
}

#[test]
fn other_forged_files_are_found() {
    let forgery = Forgery::new();
    let edited = |file: &'static str, from: &'static str, to: &'static str| {
        forgery.found(|snapshot| {
            let path = snapshot.join(file);
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(from), "{file}");
            fs::write(&path, text.replacen(from, to, 1)).unwrap();
        })
    };
    let log = edited("report.html", "Findings", "No findings");
    assert!(log.contains("report.html: differs from the page"), "{log}");
    let log = edited("README.txt", "Host ", "Home ");
    assert!(
        log.contains("README.txt: line ") && log.contains("differs from the text that the manifest gives"),
        "{log}"
    );
    let key = forgery.rig.table("review")[3]["row_key"].clone();
    let log = forgery.found(|snapshot| edit_csv(snapshot, "review", |row| row[0] != key));
    assert!(log.contains("review.csv: missing row (source sandbox, group_id"), "{log}");
    let log = forgery.found(|snapshot| fs::write(snapshot.join("pages.jsonl"), "").unwrap());
    assert!(log.contains("pages.jsonl: 0 requests of source sandbox, but its lists needed"), "{log}");
    let log = edited("pages.jsonl", "\"source\":\"sandbox\"", "\"source\":\"other\"");
    assert!(log.contains("pages.jsonl: source \"other\" is not in the manifest"), "{log}");
    let log = forgery.found(|snapshot| fs::write(snapshot.join("rule-inputs.jsonl"), "").unwrap());
    assert!(log.contains("rule-inputs.jsonl") || log.contains("data-quality"), "{log}");
}

#[test]
fn a_damaged_table_is_a_problem_and_never_a_panic() {
    let forgery = Forgery::new();
    for (file, damage) in [
        ("users.parquet", (|bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2)) as fn(&mut Vec<u8>)),
        ("findings.parquet", |bytes| bytes.clear()),
        ("users.parquet", |bytes| bytes.iter_mut().skip(40).take(400).for_each(|byte| *byte ^= 0x5a)),
        ("changes.parquet", |bytes| *bytes = b"PAR1PAR1".to_vec()),
        ("users.csv", |bytes| bytes.extend(b"sandbox,\xff\xfe,\xc3\x28\r\n")),
        ("rule-inputs.jsonl", |bytes| bytes.extend(b"{\"source\":1}\n")),
        ("pages.jsonl", |bytes| bytes.extend(b"not json\n")),
    ] {
        let snapshot = forgery.rig.snapshot();
        let honest = forgery.honest.path().join(snapshot.file_name().unwrap());
        let path = snapshot.join(file);
        let mut bytes = fs::read(&path).unwrap();
        damage(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        rehash(&snapshot);
        let output = verify(&forgery.rig, &snapshot);
        assert_exit(&output, 1);
        let log = stderr(&output);
        assert!(log.contains(file) && !log.contains("panic"), "{file}: {log}");
        for name in [file, "manifest.json"] {
            fs::copy(honest.join(name), snapshot.join(name)).unwrap();
        }
    }
}

#[test]
fn a_wrong_folder_is_named_with_what_it_is_and_with_the_cure() {
    let rig = Rig::seeded(20);
    assert_exit(&rig.run(&[]), 0);
    let failure = |path: &Path| {
        let output = verify(&rig, path);
        assert_exit(&output, 1);
        let log = stderr(&output);
        assert!(!log.contains("does not match its manifest"), "{log}");
        log
    };
    let store = rig.snapshots_dir();
    let log = failure(&store);
    let (place, cure) = (store.display(), "or use `bt-rollcall verify --chain");
    assert!(log.contains(&format!("it holds 1 snapshot; name one, such as {place}/latest, {cure} {place}`")), "{log}");
    let log = failure(&rig.folder.path().join("nowhere"));
    assert!(log.contains("nowhere: it does not exist; name a folder such as /var/lib/"), "{log}");
    assert!(failure(rig.folder.path()).contains("it is not a snapshot: it has no manifest.json"));
    assert!(failure(&rig.config).contains("it is a file; name a folder"));

    let snapshot = rig.snapshot();
    edit_json(&snapshot, |manifest| manifest["format_version"] = json!(9));
    let log = failure(&snapshot);
    assert!(log.contains("it has format version 9, but this version of bt-rollcall reads format version 1"), "{log}");
    assert!(log.contains("cannot be verified"), "{log}");
    fs::write(snapshot.join("manifest.json"), "{\"format_version\":1}").unwrap();
    assert!(failure(&snapshot).contains("it is not a valid manifest of format version 1"));
}

#[test]
fn verify_says_what_it_did_and_where_the_anchor_is() {
    let rig = two_days();
    let snapshot = rig.snapshot();
    let printed = stdout(&verify(&rig, &snapshot));
    let first = printed.lines().next().unwrap();
    let words = "; compare this SHA-256 with run.completed in your SIEM";
    let checks = first.strip_prefix(&format!("{}: matches its manifest; re-performed ", snapshot.display()));
    let checks = checks.and_then(|rest| rest.strip_suffix(words)).unwrap_or_else(|| panic!("{printed}"));
    assert!(checks.strip_suffix(" checks").unwrap().parse::<u32>().unwrap() >= 15, "{printed}");
    assert!(!printed.contains("not done"), "{printed}");
}
