//! Honest snapshots of every kind pass, and `verify` says what it could not perform.

use super::super::rig::{AS_OF, Rig, SURFACES, as_of, assert_exit, day, people, private, set_field, stdout};
use super::verify;
use bt_rollcall_sandbox::{Dialect, Faults, Surface, World};
use serde_json::json;
use std::fs;

/// Verifies the newest snapshot and returns the text.
#[track_caller]
fn passes(rig: &Rig) -> String {
    let output = verify(rig, &rig.snapshot());
    assert_exit(&output, 0);
    stdout(&output)
}

#[test]
fn every_format_and_dialect_passes() {
    for (settings, not_done) in [
        ("", None),
        ("csv = \"excel\"\n", None),
        ("csv = \"excel\"\ncsv_separator = \"semicolon\"\n", None),
        ("csv = \"raw\"\n", None),
        ("tables = [\"csv\"]\n", Some("the tables were written as CSV only")),
        ("tables = [\"csv\"]\ncsv = \"raw\"\n", Some("the tables were written as CSV only")),
        ("tables = [\"parquet\"]\n", Some("the tables were written as Parquet only")),
        ("reports = []\n", Some("report.html: not rendered again: the snapshot has none")),
    ] {
        let rig = Rig::new(people(120), Faults::default());
        rig.edit("csv = \"raw\"\n", settings);
        assert_exit(&rig.run_on_day(0, &[]), 0);
        let first = passes(&rig);
        assert_eq!(first.contains("not done"), not_done.is_some(), "{settings}: {first}");
        assert!(not_done.is_none_or(|words| first.contains(words)), "{settings}: {first}");
        rig.sandbox.with_world(|world| {
            let id = world.user_ids().into_iter().nth(7).unwrap();
            assert!(world.remove_user(id));
        });
        assert_exit(&rig.run_on_day(1, &[]), 0);
        passes(&rig);
    }
}

#[test]
fn every_dialect_of_two_products_passes() {
    dialects_pass(&[Surface::Guide, Surface::Pra]);
}

#[test]
fn every_dialect_of_the_other_products_passes() {
    dialects_pass(&[Surface::PasswordSafe, Surface::Scim]);
}

#[track_caller]
fn dialects_pass(surfaces: &[Surface]) {
    for dialect in Dialect::ALL {
        let faults = Faults { dialects: [dialect].into(), ..Faults::default() };
        let rig = Rig::with_surfaces(surfaces, World::ordinary(3, 40, as_of()), faults, None);
        let output = rig.run(&[]);
        if rig.snapshots().is_empty() {
            assert!([1, 2].contains(&output.status.code().unwrap()), "{dialect:?}");
            continue;
        }
        let output = verify(&rig, &rig.snapshot());
        assert_eq!(output.status.code(), Some(0), "{dialect:?}: {}", super::stderr(&output));
    }
}

#[test]
fn every_product_passes_over_several_days() {
    let rig = Rig::with_surfaces(&SURFACES, World::seeded(3, 180, as_of()), Faults::default(), None);
    for number in 0..3 {
        assert_exit(&rig.run_on_day(number, &[]), 0);
        let printed = passes(&rig);
        assert!(!printed.contains("not done"), "{printed}");
        rig.sandbox.with_world(|world| {
            let ids: Vec<u64> = world.user_ids().into_iter().collect();
            let at = usize::try_from(number).unwrap();
            set_field(world, ids[at], "enabled", json!(false));
            assert!(world.remove_user(ids[20 + at]));
        });
    }
}

#[test]
fn partial_runs_pass_with_the_rows_that_they_keep() {
    let rig = Rig::with_surfaces(&SURFACES, World::seeded(3, 180, as_of()), Faults::default(), None);
    assert_exit(&rig.run_on_day(0, &[]), 0);
    // Only some sources are read; the others keep every row.
    assert_exit(&rig.run_on_day(1, &["--source", "sandbox-scim"]), 3);
    let printed = passes(&rig);
    assert!(!printed.contains("not done"), "{printed}");
    // Lists that fail keep their rows and values.
    for (number, faults) in [
        (2, Faults { forbid_groups: true, ..Faults::default() }),
        (3, Faults { forbid_members: true, forbid_vendor_users: true, ..Faults::default() }),
        (4, Faults { sparse_lists: true, forbid_groups: true, ..Faults::default() }),
    ] {
        rig.sandbox.set_faults(faults);
        assert_exit(&rig.run_on_day(number, &[]), 3);
        let printed = passes(&rig);
        assert!(!printed.contains("not done"), "{printed}");
        // A copy without its baseline: the rows that were kept are known by their confirmed_at.
        let copy = tempfile::tempdir().unwrap();
        super::super::rig::copy_folder(&rig.snapshot(), copy.path());
        let output = verify(&rig, &copy.path().join(rig.snapshot().file_name().unwrap()));
        assert_exit(&output, 0);
        assert!(!stdout(&output).contains("not evaluated again"), "{}", stdout(&output));
    }
    rig.sandbox.set_faults(Faults::default());
    assert_exit(&rig.run_on_day(5, &[]), 0);
    passes(&rig);
}

/// Verifies the newest snapshot, and a copy of it without its baseline.
#[track_caller]
fn passes_alone_too(rig: &Rig) {
    let printed = passes(rig);
    assert!(!printed.contains("not done"), "{printed}");
    let copy = tempfile::tempdir().unwrap();
    super::super::rig::copy_folder(&rig.snapshot(), copy.path());
    let output = verify(rig, &copy.path().join(rig.snapshot().file_name().unwrap()));
    assert_exit(&output, 0);
    let printed = stdout(&output);
    assert_eq!(printed.matches("not done   ").count(), 1, "{printed}");
    assert!(printed.contains("not done   not compared with the baseline: changes, kept rows"), "{printed}");
}

#[test]
fn kept_rows_of_a_baseline_with_the_same_instant_are_evaluated_again() {
    let rig = Rig::with_surfaces(&SURFACES, World::seeded(3, 60, as_of()), Faults::default(), None);
    assert_exit(&rig.run(&[]), 0);
    assert_exit(&rig.run(&["--source", "sandbox-scim"]), 3);
    passes_alone_too(&rig);
    rig.sandbox.set_faults(Faults { forbid_members: true, forbid_vendor_users: true, ..Faults::default() });
    assert_exit(&rig.run(&[]), 3);
    passes_alone_too(&rig);
}

#[test]
fn a_complete_source_that_keeps_rows_passes_at_the_instant_of_its_baseline() {
    let dialects = [Dialect::IgnoresInactive, Dialect::NoIsActive].into();
    let faults = Faults { dialects, ..Faults::default() };
    let rig = Rig::with_surfaces(&[Surface::PasswordSafe], World::seeded(3, 60, as_of()), faults, None);
    assert_exit(&rig.run(&[]), 0);
    rig.sandbox.with_world(|world| {
        let ids: Vec<u64> = world.user_ids().into_iter().collect();
        ids[5..15].iter().for_each(|id| assert!(world.remove_user(*id)));
    });
    assert_exit(&rig.run(&[]), 0);
    let source = rig.manifest()["sources"][0].clone();
    assert_eq!(source["status"], "complete");
    assert!(source["unconfirmed_rows"].as_u64().unwrap() > 0, "{source}");
    passes_alone_too(&rig);
}

#[test]
fn confirmed_shrinks_pass() {
    let rig = Rig::with_surfaces(&SURFACES, World::seeded(3, 300, as_of()), Faults::default(), None);
    assert_exit(&rig.run(&[]), 0);
    rig.sandbox.with_world(|world| {
        let ids: Vec<u64> = world.user_ids().into_iter().collect();
        ids[5..115].iter().for_each(|id| assert!(world.remove_user(*id)));
    });
    // Groups are no longer offered.
    let dialects = [Dialect::VendorUsersNotFound, Dialect::NoGroups].into();
    rig.sandbox.set_faults(Faults { dialects, ..Faults::default() });
    let names = ["sandbox-rest-v3", "sandbox-pra", "sandbox-password-safe", "sandbox-scim"];
    let allowed: Vec<&str> = names.iter().flat_map(|name| ["--allow-shrink", name]).collect();
    let output = rig.run(&allowed);
    assert!([0, 3].contains(&output.status.code().unwrap()), "{}", super::stderr(&output));
    let confirmed = rig.manifest()["confirmed_shrinks"].clone();
    let is_listed = |source: &str, list: &str| {
        confirmed.as_array().unwrap().iter().any(|entry| entry["source"] == source && entry["list"] == list)
    };
    assert!(is_listed("sandbox-pra", "users") && is_listed("sandbox-scim", "groups"), "{confirmed}");
    passes_alone_too(&rig);
}

#[test]
fn a_run_whose_clock_is_behind_its_baseline_passes() {
    let rig = Rig::with_surfaces(&SURFACES, World::seeded(3, 60, as_of()), Faults::default(), None);
    let ahead = (chrono::Utc::now() + chrono::TimeDelta::days(400)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    assert_exit(&rig.call(&["run", "--as-of", &ahead]), 0);
    for faults in [Faults::default(), Faults { forbid_groups: true, ..Faults::default() }, Faults::default()] {
        let exit = if faults.forbid_groups { 3 } else { 0 };
        rig.sandbox.set_faults(faults);
        assert_exit(&rig.call(&["run"]), exit);
        passes_alone_too(&rig);
    }
}

#[test]
fn exceptions_and_custom_rules_pass() {
    let rig = Rig::new(World::ordinary(3, 200, as_of()), Faults::default());
    rig.append(
        "[[policy.custom_rules]]\nid = \"long-gone\"\nseverity = \"high\"\ntitle = \"Gone\"\naction = \"Ask.\"\nwhen = 'enabled && days_since_login >= 200'\n",
    );
    rig.append(concat!(
        "[[policy.service_owners]]\naccount = \"GLOB:Svc-*\"\nowner = \" backup team \"\nreview_by = 2027-03-31\n",
        "[[policy.group_owners]]\ngroup = \"Administrators\"\nowner = \"Head of IT\"\n",
        "[policy.rules]\nno-mfa = \"off\"\nlong-gone = \"low\"\n"
    ));
    let settings = "exceptions = \"exceptions.toml\"\nframeworks = [\"sox\", \"sox\"]\n";
    rig.edit("[policy]\n", &format!("[policy]\n{settings}"));
    let entry = |rule: &str, until: &str| {
        format!(
            "[[exception]]\nrule = \"{rule}\"\nsubject = \"glob:*\"\nreason = \"r\"\nowner = \"o\"\nuntil = {until}\n"
        )
    };
    let text = entry("stale-login", &day(1)[..10]) + &entry("long-gone", "2026-12-31");
    private(&rig.folder.path().join("exceptions.toml"), text.as_ref());
    for number in 0..4 {
        assert_exit(&rig.run_on_day(number, &[]), 0);
        let printed = passes(&rig);
        assert!(!printed.contains("not done"), "{printed}");
    }
    // A copy without its baseline: the rules are evaluated alone.
    let copy = tempfile::tempdir().unwrap();
    super::super::rig::copy_folder(&rig.snapshot(), copy.path());
    let output = verify(&rig, &copy.path().join(rig.snapshot().file_name().unwrap()));
    assert_exit(&output, 0);
    let printed = stdout(&output);
    assert!(printed.contains("not done   not compared with the baseline: changes, kept rows"), "{printed}");
    assert!(printed.contains("is absent"), "{printed}");
}

#[test]
fn a_copy_without_its_baseline_passes_and_its_forged_finding_is_found() {
    let rig = super::two_days();
    let copy = tempfile::tempdir().unwrap();
    super::super::rig::copy_folder(&rig.snapshot(), copy.path());
    let snapshot = copy.path().join(rig.snapshot().file_name().unwrap());
    assert_exit(&verify(&rig, &snapshot), 0);
    let stale = rig.table("findings").into_iter().find(|row| row["rule"] == "stale-login").unwrap();
    super::drop_row(&snapshot, "findings", "fingerprint", &stale["fingerprint"]);
    let log = super::found(&rig, &snapshot);
    assert!(log.contains("missing row (source sandbox, rule stale-login"), "{log}");
}

#[test]
fn an_instant_far_from_the_start_is_a_warning_in_summary_and_manifest() {
    let rig = Rig::seeded(20);
    let words = format!("evaluated as of {AS_OF}, data read at ");
    let output = rig.run(&[]);
    assert!(stdout(&output).contains(&words), "{}", stdout(&output));
    assert!(rig.manifest()["warnings"].to_string().contains(&words));
    let json = rig.run(&["--json"]);
    let summary: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(summary["warnings"].to_string().contains(&words), "{summary}");
    let now = rig.call(&["run", "--json"]);
    assert!(!stdout(&now).contains("evaluated as of"), "{}", stdout(&now));
}

#[test]
fn the_manifest_says_who_started_which_build_and_the_log_has_the_start_and_hash_of_each_response() {
    let rig = Rig::seeded(20);
    assert_exit(&rig.run(&[]), 0);
    let manifest = rig.manifest();
    for key in ["version", "commit", "compiler"] {
        assert!(!manifest["build"][key].as_str().unwrap().is_empty(), "{manifest}");
    }
    assert!(manifest["build"]["compiler"].as_str().unwrap().starts_with("rustc "));
    assert!(manifest["operator"].as_str().unwrap().starts_with(manifest["started_by"]["user"].as_str().unwrap()));
    let version = stdout(&rig.call(&["--version"]));
    assert!(version.contains("compiler rustc ") && version.contains("commit   "), "{version}");
    let log = fs::read_to_string(rig.snapshot().join("pages.jsonl")).unwrap();
    let is_hash = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    for line in log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()) {
        let start = line["start"].as_str().unwrap();
        assert!(start.len() == "2026-11-23T02:00:00.000000Z".len() && start.ends_with('Z'), "{start}");
        match line["method"].as_str().unwrap() {
            "GET" => assert!(is_hash(line["sha256"].as_str().unwrap()), "{line}"),
            _ => assert!(line.get("sha256").is_none(), "the response of a token request is a secret: {line}"),
        }
    }
}
