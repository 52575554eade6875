//! Tests of retention and of the chain of snapshots: what `prune` removes, and how `verify --chain` describes it afterwards.

use super::receiver::{Receiver, unused_port};
use super::rig::{Rig, as_of, assert_exit, day, private, published, set_field, sha256, stderr, stdout};
use bt_rollcall_sandbox::{Faults, World};
use chrono::{NaiveDateTime, TimeDelta};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

const STAMP: &str = "%Y%m%dT%H%M%SZ";

fn name(snapshot: &Path) -> String {
    snapshot.file_name().unwrap().to_str().unwrap().to_owned()
}

fn hash(path: &Path) -> String {
    sha256(&fs::read(path).unwrap())
}

fn earlier(run_id: &str, days: i64) -> String {
    let (stamp, random) = run_id.split_once('-').unwrap();
    let at = NaiveDateTime::parse_from_str(stamp, STAMP).unwrap() - TimeDelta::days(days);
    format!("{}-{random}", at.format(STAMP))
}

/// Moves everything that was written so far into the past: names of snapshots, links between them, and the spool.
///
/// Retention reads ages from run ids, so no test has to wait.
fn age(rig: &Rig, days: i64) {
    let mut renamed: Vec<(String, String)> = Vec::new();
    let put = |path: &Path, renamed: &[(String, String)]| {
        let text = fs::read_to_string(path).unwrap();
        private(path, &renamed.iter().fold(text, |text, (from, to)| text.replace(from, to)));
    };
    for snapshot in rig.snapshots() {
        let (from, manifest) = (name(&snapshot), snapshot.join("manifest.json"));
        let before = hash(&manifest);
        renamed.push((from.clone(), earlier(&from, days)));
        put(&manifest, &renamed);
        renamed.push((before, hash(&manifest)));
        fs::rename(&snapshot, snapshot.with_file_name(earlier(&from, days))).unwrap();
    }
    for link in ["latest", "latest-complete"].map(|link| rig.snapshots_dir().join(link)) {
        let target = fs::read_link(&link).unwrap().into_os_string().into_string().unwrap();
        fs::remove_file(&link).unwrap();
        symlink(earlier(&target, days), &link).unwrap();
    }
    for entry in fs::read_dir(rig.spool_dir()).unwrap() {
        let path = entry.unwrap().path();
        let (run_id, rest) = path.file_name().unwrap().to_str().unwrap().split_once('.').unwrap();
        let aged = path.with_file_name(format!("{}.{rest}", earlier(run_id, days)));
        put(&path, &renamed);
        reseal(&path);
        fs::rename(path, aged).unwrap();
    }
}

/// Writes the SHA-256 of a changed file of the spool into its last line.
fn reseal(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    let at = text.trim_end().rfind('\n').unwrap() + 1;
    let mut foot: Value = serde_json::from_str(&text[at..]).unwrap();
    foot["sha256"] = sha256(&text.as_bytes()[..at]).into();
    private(path, &format!("{}{foot}\n", &text[..at]));
}

pub fn keeps_little(rig: &Rig) {
    rig.edit("[output]\n", "[output]\nkeep_days = 30\nkeep_runs = 1\n");
}

/// Returns a rig with this many snapshots, each 500 days old.
pub fn old_runs(count: usize) -> (Rig, Vec<PathBuf>) {
    let rig = Rig::seeded(60);
    keeps_little(&rig);
    for _ in 0..count {
        assert_exit(&rig.run(&[]), 0);
    }
    age(&rig, 500);
    let snapshots = rig.snapshots();
    (rig, snapshots)
}

/// Returns the line about this snapshot in a plan of retention or in a chain.
fn line(printed: &str, snapshot: &Path) -> String {
    let found =
        printed.lines().find(|line| line.trim_start_matches(char::is_alphabetic).trim().starts_with(&name(snapshot)));
    found.unwrap_or_else(|| panic!("{} is not listed in:\n{printed}", snapshot.display())).to_owned()
}

fn chain(rig: &Rig, code: i32) -> (String, String) {
    let output = rig.call(&["verify", "--chain", rig.snapshots_dir().to_str().unwrap()]);
    assert_exit(&output, code);
    (stdout(&output), stderr(&output))
}

#[test]
fn prune_removes_exactly_the_snapshots_that_its_dry_run_listed_with_reasons() {
    let (rig, snapshots) = old_runs(4);
    fs::write(snapshots[1].join("HOLD"), "case 12\x1b[2J\nsecond line").unwrap();
    let printed = stdout(&rig.call(&["prune", "--dry-run"]));
    assert!(!rig.snapshots_dir().join("pruned.jsonl").exists(), "a plan writes nothing");
    for removed in [&snapshots[0], &snapshots[2]] {
        let reason = "  500 days old (keep_days 30), and not among the newest 1 (keep_runs)";
        assert_eq!(line(&printed, removed), format!("remove  {}{reason}", name(removed)));
    }
    assert_eq!(line(&printed, &snapshots[1]), format!("keep    {}  held: case 12\\u{{1b}}[2J", name(&snapshots[1])));
    assert!(line(&printed, &snapshots[3]).starts_with("keep    ") && line(&printed, &snapshots[3]).contains("latest"));
    let output = rig.call(&["prune"]);
    assert_exit(&output, 0);
    assert_eq!(stdout(&output).replace("removed  ", "remove  "), printed);
    assert_eq!(rig.snapshots(), [snapshots[1].clone(), snapshots[3].clone()]);
}

#[test]
fn chain_distinguishes_snapshots_removed_by_retention_from_missing_ones() {
    let (rig, snapshots) = old_runs(3);
    assert_exit(&rig.run(&[]), 0);
    let newest = rig.snapshot();
    assert_eq!(rig.snapshots(), std::slice::from_ref(&newest), "the run pruned");
    let ledger = rig.snapshots_dir().join("pruned.jsonl");
    assert_eq!(fs::metadata(&ledger).unwrap().permissions().mode() & 0o777, 0o600);
    let entries: Vec<Value> =
        fs::read_to_string(&ledger).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // Newest first, in the order of the plan. Each entry names the snapshot before it.
    let (runs, bases): (Vec<_>, Vec<_>) = entries.iter().map(|e| (&e["run_id"], &e["base"]["run_id"])).unzip();
    assert_eq!(runs, [&name(&snapshots[2])[..], &name(&snapshots[1])[..], &name(&snapshots[0])[..]]);
    assert_eq!(bases[..2], runs[1..]);
    assert_eq!(
        (&entries[0]["completeness"], &entries[0]["by"]),
        (&Value::from("complete"), &rig.manifest()["operator"])
    );
    let (printed, _) = chain(&rig, 0);
    assert!(line(&printed, &newest).contains("  intact   baseline "), "{printed}");
    assert!(snapshots.iter().all(|snapshot| line(&printed, snapshot).contains("  pruned ")), "{printed}");
    let anchor = format!("head       {}\n  manifest   sha256 {}\n", name(&newest), hash(&newest.join("manifest.json")));
    assert!(printed.contains(&anchor) && printed.contains("btrollcall.run.manifest_sha256"), "{printed}");
    fs::write(newest.join("HOLD"), "case 12\x1b[2J\nsecond line").unwrap();
    let verified = stdout(&rig.call(&["verify", newest.to_str().unwrap()]));
    assert!(verified.contains("held: case 12\\u{1b}[2J\n") && verified.contains("was removed by retention at"));
    assert!(verified.contains("not done   not compared with the baseline: "), "{verified}");
    fs::remove_file(newest.join("HOLD")).unwrap();
    // The result is the same from a snapshot and from a link.
    for place in [newest.clone(), rig.snapshots_dir().join("latest"), rig.snapshots_dir().join("latest-complete")] {
        assert_eq!(stdout(&rig.call(&["verify", "--chain", place.to_str().unwrap()])), printed);
    }
    // A line that a crash cut off is ignored. A missing line breaks the chain.
    let lines = fs::read_to_string(&ledger).unwrap();
    private(&ledger, &format!("{lines}{{\"run_id\":\"2026"));
    chain(&rig, 0);
    private(&ledger, lines.lines().next().unwrap());
    let (printed, wrong) = chain(&rig, 1);
    assert!(
        wrong.contains(&format!("the baseline {} is missing, and retention did not remove it", name(&snapshots[1])))
    );
    assert!(line(&printed, &newest).contains("  intact ") && !printed.contains("anchor"), "{printed}");
    fs::remove_file(&ledger).unwrap();
    let single = rig.call(&["verify", newest.to_str().unwrap()]);
    assert_exit(&single, 0);
    assert!(stdout(&single).contains(&format!("not checked: its baseline {} is absent", name(&snapshots[2]))));
    fs::write(newest.join("users.csv"), "tampered").unwrap();
    let (printed, wrong) = chain(&rig, 1);
    assert!(line(&printed, &newest).contains("  damaged ") && wrong.contains(&format!("{}: users.csv", name(&newest))));
    assert!(wrong.contains("is not an intact chain: 2 errors"), "{wrong}");
}

#[test]
fn snapshots_with_queued_events_are_kept_until_the_events_are_delivered() {
    let port = unused_port();
    let url = format!("tcp://127.0.0.1:{port}");
    let rig = Rig::with_syslog(World::seeded(4, 60, as_of()), Faults::default(), Some(&url));
    keeps_little(&rig);
    for _ in 0..3 {
        assert_exit(&rig.run(&[]), 5);
    }
    age(&rig, 500);
    let snapshots = rig.snapshots();
    // As if the events of the first snapshot had been delivered.
    for entry in fs::read_dir(rig.spool_dir()).unwrap().map(|entry| entry.unwrap().path()) {
        if name(&entry).starts_with(&name(&snapshots[0])) {
            fs::remove_file(entry).unwrap();
        }
    }
    assert_exit(&rig.run(&[]), 5);
    assert_eq!(rig.snapshots().len(), 4, "nothing was removed");
    let printed = stdout(&rig.call(&["prune", "--dry-run"]));
    assert!(line(&printed, &snapshots[1]).ends_with("  its events are queued and not yet delivered"), "{printed}");
    let base = format!("baseline of {}, whose events are queued and not yet delivered", name(&snapshots[1]));
    assert!(line(&printed, &snapshots[0]).ends_with(&base), "{printed}");
    let receiver = Receiver::on_port(port);
    assert_exit(&rig.call(&["emit"]), 0);
    assert!(receiver.messages().iter().any(|message| message.contains(&name(&snapshots[1]))));
    assert_exit(&rig.call(&["prune"]), 0);
    assert_eq!(rig.snapshots().len(), 1);
    chain(&rig, 0);
}

/// Runs a history over removed snapshots: a stale user signs in, retention removes the snapshots that show it except a held one,
/// and the user is stale again.
///
/// Returns the findings of the last run and its warnings.
fn history_with_a_hold(between: impl Fn(&Rig)) -> (Vec<[String; 2]>, Vec<String>) {
    let rig = Rig::new(World::ordinary(3, 300, as_of()), Faults::default());
    keeps_little(&rig);
    let set = |id: &str, login: &Value| {
        rig.sandbox.with_world(|world| set_field(world, id.parse().unwrap(), "last_login", login.clone()));
    };
    assert_exit(&rig.run_on_day(0, &[]), 0);
    let found = rig.table("findings");
    let stale = found.iter().find(|row| row["rule"] == "stale-login").expect("a stale user")["subject_id"].clone();
    let before = rig.sandbox.with_world(|world| world.user(stale.parse().unwrap()).unwrap()["last_login"].clone());
    set(&stale, &Value::from(day(1)));
    for number in [1, 2] {
        assert_exit(&rig.run_on_day(number, &[]), 0);
    }
    age(&rig, 500);
    fs::write(rig.snapshots()[0].join("HOLD"), "").unwrap();
    assert_exit(&rig.run_on_day(3, &[]), 0);
    assert_eq!(rig.snapshots().len(), 2, "the held one and the new one");
    between(&rig);
    set(&stale, &before);
    assert_exit(&rig.run_on_day(4, &[]), 0);
    let rows = rig.table("findings");
    let row = rows.iter().find(|row| row["rule"] == "stale-login" && row["subject_id"] == stale).unwrap();
    assert_eq!((&*row["status"], &row["first_seen"]), ("reopened", &day(0)));
    let statuses =
        rows.iter().map(|row| [row["fingerprint"].clone(), format!("{} {}", row["status"], row["first_seen"])]);
    (statuses.collect(), rig.warnings())
}

#[test]
fn history_of_findings_comes_from_the_newest_snapshot_whatever_retention_removed() {
    let (kept, quiet) = history_with_a_hold(|_| {});
    let (lost, _) = history_with_a_hold(|rig| fs::remove_dir_all(rig.folder.path().join("state")).unwrap());
    assert_eq!(kept, lost);
    assert_eq!(quiet, [""; 0], "removal by retention causes no warning");
}

#[test]
fn missing_link_is_restored_by_the_next_run_and_a_file_in_its_place_stops_the_run() {
    for link in ["latest", "latest-complete"] {
        let rig = Rig::seeded(60);
        assert_exit(&rig.run(&[]), 0);
        let path = rig.snapshots_dir().join(link);
        fs::remove_file(&path).unwrap();
        let (printed, _) = chain(&rig, 0);
        assert!(printed.contains(&format!("note: the link {link} is missing, but the newest ")), "{printed}");
        assert!(printed.contains("; the next run corrects it"), "{printed}");
        assert_exit(&rig.run(&[]), 0);
        assert_eq!((rig.latest(), rig.latest_complete()), (Some(rig.snapshot()), Some(rig.snapshot())));
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        let cure = format!("note: {link} is not a link; move it away, or no run can publish");
        assert!(chain(&rig, 0).0.contains(&cure));
        assert_exit(&rig.run(&[]), 1);
        assert_eq!(rig.snapshots().len(), 2);
    }
}

#[test]
fn retention_keeps_the_newest_complete_snapshot_when_newer_ones_are_partial() {
    let (rig, snapshots) = old_runs(2);
    rig.sandbox.set_faults(Faults { forbid_groups: true, ..Faults::default() });
    assert_exit(&rig.run(&[]), 3);
    let kept = [snapshots[1].clone(), rig.snapshot()];
    assert_eq!(rig.snapshots(), kept);
    assert_eq!((rig.latest(), rig.latest_complete()), (Some(kept[1].clone()), Some(kept[0].clone())));
    let printed = stdout(&rig.call(&["prune", "--dry-run"]));
    assert!(line(&printed, &kept[0]).ends_with("  latest-complete points to it"), "{printed}");
    assert!(line(&printed, &kept[1]).ends_with("  latest points to it"), "{printed}");
    chain(&rig, 0);
}

/// Calls `verify` as a user who does not own the snapshots.
///
/// The root user may read every file, so that another user has to call it. Any other user withdraws its own permissions.
fn verify_as_another_user(folder: &Path, args: &[&str]) -> std::process::Output {
    let program = folder.join("bt-rollcall");
    fs::copy(env!("CARGO_BIN_EXE_bt-rollcall"), &program).unwrap();
    let mut command = std::process::Command::new(&program);
    command.arg("verify").args(args).current_dir("/");
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(65_534).gid(65_534);
    }
    command.output().unwrap()
}

#[test]
fn another_user_reads_what_permissions_deny_and_never_that_somebody_changed_it() {
    let rig = Rig::seeded(40);
    for _ in 0..3 {
        assert_exit(&rig.run(&[]), 0);
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let store = folder.path().join("snapshots");
    super::rig::copy_folder(&rig.snapshots_dir(), folder.path());
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&store, 0o755);
    let snapshots = published(&store);
    for snapshot in &snapshots {
        mode(snapshot, 0o755);
        for entry in fs::read_dir(snapshot).unwrap() {
            mode(&entry.unwrap().path(), 0o644);
        }
    }
    let chain = || verify_as_another_user(folder.path(), &["--chain", store.to_str().unwrap()]);
    assert_exit(&chain(), 0);
    // The mode without permissions, and the readable one.
    for (path, none, all) in [
        (snapshots[1].clone(), 0o000, 0o755),
        (snapshots[2].clone(), 0o000, 0o755),
        (snapshots[0].join("manifest.json"), 0o000, 0o644),
        (snapshots[1].join("users.csv"), 0o000, 0o644),
        (snapshots[1].clone(), 0o444, 0o755),
        (snapshots[1].clone(), 0o111, 0o755),
        (store.clone(), 0o000, 0o755),
        (store.clone(), 0o444, 0o755),
    ] {
        mode(&path, none);
        let output = chain();
        mode(&path, all);
        assert_exit(&output, 1);
        let log = stderr(&output);
        let run = if path.starts_with(&snapshots[1]) { name(&snapshots[1]) } else { String::new() };
        assert!(log.contains("permission denied") && log.contains(&run), "{}: {log}", path.display());
        assert!(log.contains("run the command as the user that owns the folder, or as root"), "{log}");
        let words = ["missing", "changed", "intact chain", "restore", "make the user", "points to"];
        assert!(words.iter().all(|word| !log.contains(word) && !stdout(&output).contains(word)), "{log}");
    }
    // One snapshot, whose baseline cannot be read.
    mode(&snapshots[1], 0o000);
    let output = verify_as_another_user(folder.path(), &[snapshots[2].to_str().unwrap()]);
    let denied = verify_as_another_user(folder.path(), &[snapshots[1].to_str().unwrap()]);
    mode(&snapshots[1], 0o755);
    assert_exit(&output, 0);
    assert!(stdout(&output).contains("not checked: permission to read its baseline"), "{}", stdout(&output));
    assert_exit(&denied, 1);
    assert!(stderr(&denied).contains("permission denied; run the command as the user"), "{}", stderr(&denied));
}
