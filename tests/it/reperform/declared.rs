//! What a manifest declares about itself switches no check off, unless another version really wrote the snapshot.

use super::super::rig::{Rig, assert_exit, copy_folder, people, read_json, stderr, stdout};
use super::forger::{drop_row, edit_json, rehash, set_cell, set_instant};
use super::{Forgery, found, verify};
use bt_rollcall_sandbox::Faults;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn of_version(snapshot: &Path, version: &str) {
    edit_json(snapshot, |manifest| {
        manifest["tool"]["version"] = json!(version);
        manifest["build"]["version"] = json!(version);
    });
}

#[test]
fn a_snapshot_of_another_version_passes_and_names_what_was_not_compared() {
    let rig = super::two_days();
    let snapshot = rig.snapshot();
    of_version(&snapshot, "9.8.7\u{1b}[2J");
    fs::write(snapshot.join("README.txt"), "Words of another version.\n").unwrap();
    rehash(&snapshot);
    let output = verify(&rig, &snapshot);
    assert_exit(&output, 0);
    let printed = stdout(&output);
    let first = printed.lines().next().unwrap();
    let not_done = printed.lines().filter(|line| line.starts_with("  not done   ")).count();
    assert!(first.contains(&format!(" checks, {not_done} checks not done; compare this SHA-256")), "{printed}");
    for file in ["README.txt", "report.html", "rule-inputs.jsonl", "review.csv"] {
        let line = format!("  not done   {file}: not compared: written by version 9.8.7\\u{{1b}}[2J, and this is ");
        assert!(printed.contains(&line), "{printed}");
    }
    // Which findings there are does not depend on the version. The cure does not call it forged.
    let stale = rig.table("findings").into_iter().find(|row| row["rule"] == "stale-login").unwrap();
    drop_row(&snapshot, "findings", "fingerprint", &stale["fingerprint"]);
    let log = found(&rig, &snapshot);
    assert!(log.contains("missing row (source sandbox, rule stale-login"), "{log}");
    assert!(log.contains(" wrote the snapshot, and this is ") && !log.contains("somebody changed files"), "{log}");
}

#[test]
fn an_edited_report_is_found_whatever_the_manifest_says_about_the_commit() {
    let log = Forgery::new().found(|snapshot| {
        let path = snapshot.join("report.html");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen("Findings", "No findings", 1)).unwrap();
        edit_json(snapshot, |manifest| manifest["build"]["commit"] = json!("0123abc"));
    });
    assert!(log.contains("report.html: differs from the page that the other files give"), "{log}");
    assert!(log.contains("Commit 0123abc of this version wrote the snapshot"), "{log}");
}

#[test]
fn unconfirmed_rows_that_no_row_supports_are_a_problem_and_the_findings_are_compared() {
    let rig = super::two_days();
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&rig.snapshot(), copy.path());
    let snapshot = copy.path().join(rig.snapshot().file_name().unwrap());
    let stale = rig.table("findings").into_iter().find(|row| row["rule"] == "stale-login").unwrap();
    drop_row(&snapshot, "findings", "fingerprint", &stale["fingerprint"]);
    edit_json(&snapshot, |manifest| manifest["sources"][0]["unconfirmed_rows"] = json!(1));
    let log = found(&rig, &snapshot);
    assert!(log.contains("source sandbox: unconfirmed_rows is 1, but 0 rows were confirmed before this run"), "{log}");
    assert!(log.contains("missing row (source sandbox, rule stale-login"), "{log}");
}

#[test]
fn impossible_instants_and_numbers_are_problems_and_never_a_panic() {
    let forgery = Forgery::new();
    for as_of in ["-262143-01-01T00:00:00Z", "+262142-12-31T23:59:59Z"] {
        let log = forgery.found(|snapshot| edit_json(snapshot, |manifest| manifest["as_of"] = json!(as_of)));
        assert!(log.contains("is not a possible instant of a run") && !log.contains("panic"), "{log}");
    }
    let rig = &forgery.rig;
    edit_json(&rig.snapshot(), |manifest| {
        manifest["configuration"]["output"]["keep_days"]["value"] = json!(4_000_000_000_u64);
    });
    let printed = stdout(&verify(rig, &rig.snapshot()));
    assert!(printed.contains("not done   resolved.parquet: not compared: the manifest does not name"), "{printed}");
}

#[test]
fn a_listed_file_cannot_disappear_and_none_can_be_added() {
    let forgery = Forgery::new();
    for file in
        ["users.csv", "changes.csv", "review.csv", "README.txt", "report.html", "rule-inputs.jsonl", "resolved.parquet"]
    {
        let log = forgery.found(|snapshot| {
            fs::remove_file(snapshot.join(file)).unwrap();
            edit_json(snapshot, |manifest| {
                manifest["files"].as_array_mut().unwrap().retain(|entry| entry["path"] != file);
            });
        });
        assert!(log.contains(&format!("{file}: missing: the configuration asks for it")), "{file}: {log}");
    }
    let log = forgery.found(|snapshot| {
        fs::write(snapshot.join("approval.pdf"), "approved").unwrap();
        edit_json(snapshot, |manifest| {
            let entry = json!({"path": "approval.pdf", "sha256": "", "bytes": 0});
            manifest["files"].as_array_mut().unwrap().push(entry);
        });
    });
    assert!(log.contains("approval.pdf: additional: no run with this configuration writes it"), "{log}");
}

/// A forgery of the manifest, and the words that name it.
type Case = (fn(&mut Value), &'static str);

fn shrink(manifest: &Value) -> Value {
    let (by, at) = (&manifest["operator"], &manifest["started_at"]);
    json!([{"source": "sandbox", "list": "users", "before": 10, "now": 1, "gone": 9, "limit_percent": 20, "by": by, "at": at}])
}

#[test]
fn a_removed_confirmation_of_a_shrink_is_found() {
    let rig = Rig::new(people(150), Faults::default());
    assert_exit(&rig.run_on_day(0, &[]), 0);
    rig.sandbox.with_world(|world| {
        let ids: Vec<u64> = world.user_ids().into_iter().take(60).collect();
        for id in ids {
            assert!(world.remove_user(id));
        }
    });
    assert_exit(&rig.run_on_day(1, &["--allow-shrink", "sandbox"]), 0);
    edit_json(&rig.snapshot(), |manifest| {
        manifest["confirmed_shrinks"] = json!([]);
        manifest["notes"].as_array_mut().unwrap().retain(|note| !note.as_str().unwrap().contains("--allow-shrink"));
    });
    let log = found(&rig, &rig.snapshot());
    assert!(log.contains("manifest.json: missing confirmed shrink: source sandbox: 60 of 150 known users"), "{log}");
}

#[test]
fn each_complete_list_needs_its_responses_in_the_request_log() {
    let forgery = Forgery::new();
    let without = |keep: fn(&Value) -> bool, pad: bool| {
        forgery.found(|snapshot| {
            let path = snapshot.join("pages.jsonl");
            let text = fs::read_to_string(&path).unwrap();
            let lines = || text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let mut kept: Vec<Value> = lines().filter(keep).collect();
            // As many lines as before, so that the number of requests is right.
            let other = kept[0].clone();
            kept.resize(if pad { lines().count() } else { kept.len() }, other);
            fs::write(&path, kept.iter().map(|line| line.to_string() + "\n").collect::<String>()).unwrap();
        })
    };
    let log = without(|line| !line["path"].as_str().unwrap().contains("/groups"), true);
    assert!(log.contains("pages.jsonl: source sandbox: 0 successful requests for the list groups ("), "{log}");
    let log = without(|line| !line["path"].as_str().unwrap().contains("/users?offset=0"), true);
    assert!(log.contains("successful requests for the list users ("), "{log}");
    let log = without(|line| !line["path"].as_str().unwrap().contains("/groups"), false);
    assert!(log.contains("but its lists needed"), "{log}");
}

#[test]
fn a_line_of_the_request_log_has_the_fields_of_a_request_only() {
    let forgery = Forgery::new();
    for (what, field, value) in [("unknown field `comment`", "comment", "x"), ("not a SHA-256", "sha256", "abc")] {
        let log = forgery.found(|snapshot| {
            let path = snapshot.join("pages.jsonl");
            let text = fs::read_to_string(&path).unwrap();
            let (first, rest) = text.split_once('\n').unwrap();
            let mut line: Value = serde_json::from_str(first).unwrap();
            line[field] = json!(value);
            fs::write(&path, format!("{line}\n{rest}")).unwrap();
        });
        assert!(log.contains("pages.jsonl: line 1: ") && log.contains(what), "{log}");
    }
}

#[test]
fn a_row_that_was_confirmed_later_than_any_run_is_found_without_the_baseline() {
    let rig = super::two_days();
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&rig.snapshot(), copy.path());
    let snapshot = copy.path().join(rig.snapshot().file_name().unwrap());
    set_instant(&snapshot, "groups", "confirmed_at", |at| at + 86_400_000_000);
    edit_json(&snapshot, |manifest| {
        manifest["sources"][0]["lists_confirmed_at"]["users"] = json!("2020-01-01T00:00:00Z");
        manifest["sources"][0]["confirmed_at"] = json!("2030-01-01T00:00:00Z");
    });
    let log = found(&rig, &snapshot);
    assert!(log.contains("source sandbox: confirmed_at of a row is 2026-11-25T"), "{log}");
    assert!(log.contains("source sandbox: lists_confirmed_at.users is not the as_of of the run"), "{log}");
    assert!(log.contains("source sandbox: confirmed_at is not the as_of of the run"), "{log}");
}

#[test]
fn each_entry_of_the_manifest_that_follows_from_others_is_compared() {
    let forgery = Forgery::new();
    assert!(!read_json(&forgery.rig.snapshot().join("manifest.json"))["patterns"].as_array().unwrap().is_empty());
    let cases: [Case; 21] = [
        (|manifest| manifest["approved_by"] = json!("nobody"), "manifest.json: unknown key approved_by"),
        (|manifest| manifest["counts"]["admins"] = json!(0), "manifest.json: unknown key counts.admins"),
        (
            |manifest| manifest["sources"][0]["baseline_at"] = json!("2020-01-01T00:00:00Z"),
            "source sandbox.baseline_at is \"2020-01-01T00:00:00Z\"",
        ),
        (|manifest| manifest["started_at"] = json!("2020-01-01T00:00:00Z"), ", but started_at is 2020-01-01T00:00:00Z"),
        (|manifest| manifest["finished_at"] = json!("2020-01-01T00:00:00Z"), "requests started outside of the run"),
        (|manifest| manifest["patterns"] = json!([]), "manifest.json: patterns is []"),
        (|manifest| manifest["warnings"] = json!([]), "manifest.json: missing warning: evaluated as of "),
        (
            |manifest| {
                let rules = manifest["rules"].as_array_mut().unwrap();
                rules.push(rules[0].clone());
            },
            "of source sandbox has more than one result",
        ),
        (
            |manifest| {
                let rules = manifest["rules"].as_array_mut().unwrap();
                let mut rule = rules[0].clone();
                rule["rule"] = json!("of-tomorrow");
                rules.push(rule);
            },
            "additional result of rule of-tomorrow for source sandbox",
        ),
        (
            |manifest| manifest["configuration"]["policy"]["stale_after_days"]["value"] = json!(7),
            "configuration.policy.stale_after_days is 7, but policy.stale_after_days is ",
        ),
        (
            |manifest| manifest["policy"]["max_shrink_percent"]["value"] = json!(99),
            "but policy.max_shrink_percent is 99",
        ),
        (|manifest| manifest["configuration"] = json!(null), "configuration.output.tables or .reports is missing"),
        (
            |manifest| manifest["sources"][0]["status"] = json!("partial"),
            "source sandbox: status and reason are [\"partial\",null], but its lists give [\"complete\",null]",
        ),
        (
            |manifest| manifest["completeness"] = json!("partial"),
            "completeness is partial, but the sources give complete",
        ),
        (
            |manifest| manifest["configuration"]["source"][0]["url"]["value"] = json!("https://other"),
            "configuration.source.url of sandbox is \"https://other\"",
        ),
        (
            |manifest| manifest["latest_as_of"] = json!("2030-01-01T00:00:00Z"),
            "latest_as_of is 2030-01-01T00:00:00Z, but",
        ),
        (|manifest| manifest["formula_guard"] = json!(false), "formula_guard is false, but csv is \"strict\""),
        (
            |manifest| manifest["configuration"]["output"]["csv"]["value"] = json!("raw"),
            "configuration.output.csv is \"raw \", but csv is \"strict comma\"",
        ),
        (
            |manifest| manifest["confirmed_shrinks"] = shrink(manifest),
            "confirmed shrink without reason: source sandbox: 9 of 10",
        ),
        (
            |manifest| manifest["confirmed_shrinks"] = shrink(manifest),
            "confirmed_shrinks give the notes [\"source sandbox",
        ),
        (
            |manifest| {
                manifest["confirmed_shrinks"] = shrink(manifest);
                manifest["confirmed_shrinks"][0]["by"] = json!("nobody");
            },
            "confirmed_shrinks.by is \"nobody\", but operator is ",
        ),
    ];
    for (edit, words) in cases {
        let log = forgery.found(|snapshot| edit_json(snapshot, edit));
        assert!(log.contains(words), "{words}: {log}");
    }
}

#[test]
fn a_manifest_of_another_shape_names_the_version_as_the_reason() {
    let rig = super::two_days();
    edit_json(&rig.snapshot(), |manifest| drop(manifest.as_object_mut().unwrap().remove("guarded_cells")));
    let output = verify(&rig, &rig.snapshot());
    assert_exit(&output, 1);
    let log = stderr(&output);
    assert!(log.contains("another version of bt-rollcall may have written it"), "{log}");
    assert!(!log.contains("restore the named files"), "{log}");
}

#[test]
fn without_the_baseline_the_history_and_the_metadata_of_the_tables_are_compared() {
    let rig = super::two_days();
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&rig.snapshot(), copy.path());
    let snapshot = copy.path().join(rig.snapshot().file_name().unwrap());
    let event = rig.table("changes")[0]["event_id"].clone();
    set_cell(&snapshot, "changes", "event_id", &event, "base_run", "20200101T000000Z-0000");
    let log = found(&rig, &snapshot);
    assert!(
        log.contains("changes: base_run is \"20200101T000000Z-0000\", but the baseline of manifest.json is"),
        "{log}"
    );
    // The forger wrote the file without its metadata.
    assert!(log.contains("changes.parquet: its metadata has run_id \"nothing\", but manifest.json has"), "{log}");
}
