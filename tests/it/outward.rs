//! Tests of what schedulers and operators see: exit codes, messages, files and modes.

use super::rig::{AS_OF, Rig, as_of, assert_exit, private, program, stderr, stdout};
use bt_rollcall_sandbox::{Faults, Sandbox, SandboxOptions, World};
use chrono::DateTime;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

#[test]
fn successful_run_publishes_a_verifiable_snapshot_with_private_modes() {
    let rig = Rig::seeded(300);
    let output = rig.run(&[]);
    assert_exit(&output, 0);
    assert!(stdout(&output).contains("published, complete"));
    let snapshot = rig.snapshot();
    assert_eq!(rig.latest(), Some(snapshot.clone()));
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&snapshot), 0o700);
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(&snapshot).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(mode(&entry.path()), 0o600);
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    let tables = ["changes", "findings", "groups", "memberships", "users"];
    let mut expected: Vec<String> = tables.iter().flat_map(|t| [format!("{t}.csv"), format!("{t}.parquet")]).collect();
    let others = ["manifest.json", "pages.jsonl", "report.html", "resolved.parquet", "rule-inputs.jsonl"];
    expected.extend(others.into_iter().chain(["README.txt", "review.csv"]).map(str::to_owned));
    expected.sort();
    assert_eq!(names, expected);
    assert_exit(&rig.call(&["verify", snapshot.to_str().unwrap()]), 0);
    fs::write(snapshot.join("users.csv"), "tampered").unwrap();
    let output = rig.call(&["verify", snapshot.to_str().unwrap()]);
    assert_exit(&output, 1);
    assert!(stderr(&output).contains("users.csv"));
}

#[test]
fn wrong_secret_is_named_and_not_retried() {
    let rig = Rig::seeded(50);
    private(&rig.folder.path().join("sandbox-secret"), "wrong");
    let output = rig.run(&[]);
    assert_exit(&output, 1);
    let log = stderr(&output);
    assert!(log.contains("the appliance refused the credentials (401 invalid_client)"), "{log}");
    assert!(rig.snapshots().is_empty());
    assert!(rig.sandbox.counters().requests <= 2, "a wrong secret is not retried");
}

#[test]
fn missing_right_is_reported_with_the_list_and_the_right() {
    let rig = Rig::new(World::seeded(1, 50, as_of()), Faults { forbid_users: true, ..Faults::default() });
    let output = rig.run(&[]);
    assert_exit(&output, 1);
    let log = stderr(&output);
    assert!(log.contains("list of users is forbidden (403)") && log.contains("right to view users"), "{log}");
}

#[test]
fn untrusted_certificate_is_reported_with_the_key_ca_file() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::seeded(1, 50, as_of());
    let sandbox = Sandbox::start(SandboxOptions { world, tls: true, ..SandboxOptions::default() }).unwrap();
    private(&folder.path().join("sandbox-secret"), sandbox.client_secret());
    private(&folder.path().join("sandbox-ca.pem"), sandbox.ca_pem().unwrap());
    let with_ca = sandbox.ready_configuration(folder.path(), None);
    let without: Vec<&str> = with_ca.lines().filter(|line| !line.starts_with("ca_file")).collect();
    let config = folder.path().join("c.toml");
    let run = |text: &str| {
        private(&config, text);
        program().args(["run", "--config"]).arg(&config).output().unwrap()
    };
    let output = run(&without.join("\n"));
    assert_exit(&output, 1);
    assert!(stderr(&output).contains("ca_file"), "{}", stderr(&output));
    assert_exit(&run(&with_ca), 0);
}

#[test]
fn secret_file_that_others_can_read_is_a_configuration_error() {
    let rig = Rig::seeded(50);
    let secret = rig.folder.path().join("sandbox-secret");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    let output = rig.run(&[]);
    assert_exit(&output, 2);
    assert!(stderr(&output).contains("chmod 600"));
    assert_eq!(rig.sandbox.counters().requests, 0, "nothing was contacted");
}

#[test]
fn every_configuration_error_is_reported_at_once_and_nothing_is_contacted() {
    let rig = Rig::seeded(50);
    rig.set("page_sice = 100");
    rig.append("[policy.rules]\n\"stale-logon\" = \"high\"");
    for command in ["check", "run"] {
        let output = rig.call(&[command]);
        assert_exit(&output, 2);
        let log = stderr(&output);
        assert!(log.contains("did you mean \"page_size\"?") && log.contains("did you mean \"stale-login\"?"), "{log}");
    }
    assert_eq!(rig.sandbox.counters().requests, 0);
    assert_exit(&rig.call(&["run", "--as-of", "yesterday"]), 2);
    assert_exit(&rig.call(&["rum"]), 2);
}

#[test]
fn unusable_output_folder_publishes_nothing() {
    let rig = Rig::seeded(50);
    fs::write(rig.folder.path().join("snapshots"), "a file is in the way").unwrap();
    let output = rig.run(&[]);
    assert_exit(&output, 1);
    assert!(stderr(&output).contains("snapshots"), "{}", stderr(&output));
}

#[test]
fn full_disk_publishes_nothing_and_keeps_the_last_snapshot() {
    let rig = Rig::seeded(600);
    assert_exit(&rig.run(&[]), 0);
    let good = rig.snapshot();
    // No file may grow beyond 64 KiB, so that writing fails midway as on a full disk (with EFBIG instead of ENOSPC).
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"";
    let binary = env!("CARGO_BIN_EXE_bt-rollcall");
    let output = Command::new("bash")
        .args(["-c", script, binary, "run", "--as-of", AS_OF, "--config"])
        .arg(&rig.config)
        .output()
        .unwrap();
    assert_exit(&output, 1);
    // Files are written side by side, so that any of the tables may be the first to fail.
    assert!(stderr(&output).contains(".csv"), "{}", stderr(&output));
    assert_eq!(rig.snapshots(), std::slice::from_ref(&good));
    assert_eq!((rig.latest(), rig.latest_complete()), (Some(good.clone()), Some(good.clone())));
    assert_exit(&rig.call(&["verify", good.to_str().unwrap()]), 0);
    assert_exit(&rig.run(&[]), 0);
}

#[test]
fn second_of_two_simultaneous_runs_exits_with_6() {
    let rig = Rig::seeded(50);
    fs::create_dir_all(rig.folder.path().join("state")).unwrap();
    let lock = fs::File::create(rig.folder.path().join("state/lock")).unwrap();
    lock.lock().unwrap();
    let output = rig.run(&[]);
    assert_exit(&output, 6);
    assert_eq!(rig.sandbox.counters().requests, 0);
    drop(lock);
    assert_exit(&rig.run(&[]), 0);
}

#[test]
fn empty_or_shrunken_source_is_not_published_until_it_is_confirmed() {
    let rig = Rig::seeded(300);
    rig.sandbox.set_faults(Faults { empty_users: true, ..Faults::default() });
    assert_exit(&rig.run(&[]), 4);
    rig.sandbox.set_faults(Faults::default());
    assert_exit(&rig.run(&[]), 0);
    let good = rig.snapshot();
    rig.sandbox.with_world(|world| {
        let leave: Vec<u64> = world.user_ids().into_iter().take(100).collect();
        for id in leave {
            assert!(world.remove_user(id));
        }
    });
    let output = rig.run(&[]);
    assert_exit(&output, 4);
    assert!(
        stderr(&output).contains("--allow-shrink")
            && stderr(&output).contains("100 of 300 known users are missing (33 %")
    );
    assert_eq!(rig.snapshots(), [good]);
    assert_exit(&rig.run(&["--allow-shrink", "sandbox"]), 0);
    assert!(rig.manifest()["notes"][0].as_str().unwrap().contains("--allow-shrink"));
    assert_exit(&rig.run(&[]), 0);
}

#[test]
fn source_with_the_same_number_of_other_users_is_not_published_until_it_is_confirmed() {
    let rig = Rig::seeded(300);
    assert_exit(&rig.run(&[]), 0);
    // As if another appliance answered at the same address.
    rig.sandbox.with_world(|world| {
        for id in world.user_ids() {
            let record = world.user(id).unwrap().clone();
            assert!(world.remove_user(id));
            world.add_user(record);
        }
    });
    let output = rig.run(&[]);
    assert_exit(&output, 4);
    assert!(stderr(&output).contains("300 of 300 known users are missing (100 %, limit 20 %); 300 read"));
    assert_eq!(rig.snapshots().len(), 1);
    assert_exit(&rig.run(&["--allow-shrink", "sandbox"]), 0);
    let confirmed = rig.manifest()["confirmed_shrinks"].clone();
    assert_eq!((confirmed.as_array().unwrap().len(), &confirmed[0]["gone"]), (1, &serde_json::json!(300)));
}

#[test]
fn manifest_and_report_name_who_confirmed_a_shrink_and_when() {
    let rig = Rig::seeded(300);
    assert_exit(&rig.run(&[]), 0);
    assert!(rig.manifest().get("confirmed_shrinks").is_none());
    rig.sandbox.with_world(|world| {
        let leave: Vec<u64> = world.user_ids().into_iter().take(100).collect();
        for id in leave {
            assert!(world.remove_user(id));
        }
    });
    let output =
        rig.command(&["run", "--as-of", AS_OF, "--allow-shrink", "sandbox"]).env("SUDO_USER", "alice").output();
    assert_exit(&output.unwrap(), 0);
    let manifest = rig.manifest();
    let [confirmed] = manifest["confirmed_shrinks"].as_array().unwrap().as_slice() else { panic!("{manifest}") };
    let by = manifest["operator"].as_str().unwrap();
    assert!(by.contains("sudo: alice"), "{by}");
    assert_eq!(manifest["started_by"]["sudo_user"], "alice");
    let numbers = ["before", "now", "limit_percent"].map(|key| confirmed[key].as_u64().unwrap());
    assert_eq!(numbers, [300, 200, 20]);
    assert_eq!([&confirmed["source"], &confirmed["list"], &confirmed["by"]], ["sandbox", "users", by]);
    let instant = |text: &Value| DateTime::parse_from_rfc3339(text.as_str().unwrap()).unwrap();
    let at = instant(&confirmed["at"]);
    assert!(instant(&manifest["started_at"]) <= at && at <= instant(&manifest["finished_at"]));
    let report = rig.report();
    let (_, section) = report.split_once("Confirmed by a person").expect("a section of its own");
    assert!(section.contains(by) && section.contains(&at.format("%-d %B %Y, %H:%M:%S UTC").to_string()));
    assert_exit(&rig.run(&[]), 0);
    assert!(rig.manifest().get("confirmed_shrinks").is_none(), "only the run that confirmed it");
}

#[test]
fn run_is_partial_when_one_of_two_sources_fails() {
    let rig = Rig::seeded(100);
    let text = fs::read_to_string(&rig.config).unwrap();
    let source = &text[text.find("[[source]]").unwrap()..];
    let source = source.split("\n[").next().unwrap();
    let faults = Faults { forbid_users: true, ..Faults::default() };
    let world = World::seeded(1, 5, as_of());
    let broken = Sandbox::start(SandboxOptions { world, faults, tls: false, ..SandboxOptions::default() }).unwrap();
    let second = source.replace("\"sandbox\"", "\"broken\"").replace(rig.sandbox.url(), broken.url());
    assert_exit(&rig.run(&[]), 0);
    let complete = rig.snapshot();
    rig.append(&second);
    let output = rig.run(&["--json"]);
    assert_exit(&output, 3);
    let summary: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(summary["completeness"], "partial");
    assert_eq!(summary["sources"][0]["status"], "failed", "{summary}");
    assert_eq!(summary["sources"][1]["status"], "complete");
    assert_eq!((rig.latest(), rig.latest_complete()), (Some(rig.snapshot()), Some(complete)));
    assert_eq!(rig.table("users").len(), 100);
    assert_exit(&rig.run(&["--source", "broken"]), 1);
    assert_exit(&rig.run(&["--source", "nobody"]), 2);
}

#[test]
fn dry_run_writes_and_sends_nothing() {
    let rig = Rig::seeded(100);
    let output = rig.run(&["--dry-run"]);
    assert_exit(&output, 0);
    assert!(stdout(&output).contains(": dry run, "));
    assert!(!rig.snapshots_dir().exists() && !rig.folder.path().join("state").exists());
}

#[test]
fn findings_at_or_above_fail_on_exit_with_10() {
    let rig = Rig::seeded(400);
    assert_exit(&rig.run(&["--fail-on", "medium"]), 10);
    assert_exit(&rig.run(&["--fail-on", "critical"]), 0);
    assert_exit(&rig.run(&["--fail-on", "urgent"]), 2);
}

#[test]
fn json_summary_is_one_object_and_json_logs_are_one_object_per_line() {
    let rig = Rig::seeded(100);
    let output = rig.run(&["--json", "--log-format", "json"]);
    assert_exit(&output, 0);
    let summary: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(summary["published"], true);
    assert_eq!(summary["counts"]["users"], 100);
    assert_eq!(stdout(&output).lines().count(), 1);
    for line in stderr(&output).lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["timestamp"].is_string() && line["level"].is_string() && line["message"].is_string(), "{line}");
    }
}

#[test]
fn metrics_file_is_written_after_successful_and_failed_runs() {
    let rig = Rig::seeded(100);
    let file = rig.folder.path().join("metrics.prom");
    rig.edit("state_dir", &format!("metrics_file = \"{}\"\nstate_dir", file.display()));
    let metrics = || fs::read_to_string(rig.folder.path().join("metrics.prom")).unwrap();
    assert_exit(&rig.run(&[]), 0);
    assert!(metrics().contains("bt_rollcall_last_run_exit_code 0\n"), "{}", metrics());
    assert!(metrics().contains("bt_rollcall_source_users{source=\"sandbox\"} 100\n"));
    rig.sandbox.set_faults(Faults { forbid_users: true, ..Faults::default() });
    assert_exit(&rig.run(&[]), 1);
    assert!(metrics().contains("bt_rollcall_last_run_exit_code 1\n"));
    assert!(metrics().contains("bt_rollcall_last_complete_timestamp_seconds "));
}

#[test]
fn check_online_shows_each_list_and_the_cost_of_a_run() {
    let rig = Rig::seeded(2500);
    assert_exit(&rig.call(&["check"]), 0);
    assert_eq!(rig.sandbox.counters().requests, 0);
    let output = rig.call(&["check", "--online"]);
    assert_exit(&output, 0);
    let printed = stdout(&output);
    assert!(printed.contains("100 of 2,500 users in one page") && printed.contains("a run takes about"), "{printed}");
    rig.sandbox.set_faults(Faults { forbid_groups: true, ..Faults::default() });
    let output = rig.call(&["check", "--online"]);
    assert_exit(&output, 1);
    assert!(stdout(&output).contains("groups is forbidden"));
}

#[test]
fn prune_removes_only_snapshots_that_retention_does_not_keep() {
    let rig = Rig::seeded(50);
    rig.edit("[output]\n", "[output]\nkeep_days = 1\nkeep_runs = 2\n");
    for _ in 0..3 {
        assert_exit(&rig.run(&[]), 0);
    }
    assert_eq!(rig.snapshots().len(), 3, "all are young");
    // Its name makes it a run of long ago.
    let old = rig.snapshots_dir().join("20200101T000000Z-0000");
    fs::rename(&rig.snapshots()[0], &old).unwrap();
    let output = rig.call(&["prune", "--dry-run"]);
    assert_exit(&output, 0);
    assert!(stdout(&output).contains("remove  20200101T000000Z-0000") && old.exists(), "{}", stdout(&output));
    assert_exit(&rig.call(&["prune"]), 0);
    assert!(!old.exists());
    assert_eq!(rig.snapshots().len(), 2);
}

#[test]
fn completions_and_the_manual_page_are_printed() {
    let call = |args: &[&str]| program().args(args).output().unwrap();
    let output = call(&["completions", "bash"]);
    assert_exit(&output, 0);
    assert!(stdout(&output).contains("bt-rollcall"));
    let output = call(&["man"]);
    assert_exit(&output, 0);
    assert!(stdout(&output).contains(".TH"));
    let output = call(&["--help"]);
    assert!(stdout(&output).contains("Exit codes:"));
}

#[test]
fn a_manual_page_is_written_for_each_command_and_names_only_pages_that_exist() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("man1");
    assert_exit(&program().args(["man", "--dir"]).arg(&dir).output().unwrap(), 0);
    let main = fs::read_to_string(dir.join("bt-rollcall.1")).unwrap();
    assert_eq!(stdout(&program().arg("man").output().unwrap()), main);
    for command in ["run", "check", "verify", "diff", "report", "emit", "prune", "completions", "man"] {
        assert!(main.contains(&format!("\nbt\\-rollcall\\-{command}(1)\n")), "{command}: {main}");
    }
    for file in fs::read_dir(&dir).unwrap() {
        let page = fs::read_to_string(file.unwrap().path()).unwrap();
        for reference in page.lines().filter_map(|line| line.strip_suffix("(1)")) {
            let name = reference.rsplit(' ').next().unwrap().replace('\\', "");
            assert!(dir.join(format!("{name}.1")).exists(), "{reference}");
        }
    }
    let run = fs::read_to_string(dir.join("bt-rollcall-run.1")).unwrap();
    assert!(run.contains(".TH bt-rollcall-run 1") && run.contains("\\-\\-allow\\-shrink"), "{run}");
}
