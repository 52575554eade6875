//! Tests of snapshots that exist and cannot be read: they are never taken for absent, and nothing is healed silently.
//!
//! Root may read everything, so tests of root execute the program as another user.

use super::chain::old_runs;
use super::rig::{Rig, assert_exit, private, read_json, stderr, stdout};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// User and group ids of `nobody`.
const NOBODY: u32 = 65_534;

fn is_root() -> bool {
    stdout(&Command::new("id").arg("-u").output().unwrap()).trim() == "0"
}

/// Executes the program as the owner of the rig's files, who is not root.
fn call(rig: &Rig, args: &[&str]) -> Output {
    let mut command = rig.command(args);
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.output().unwrap()
}

/// Gives every file of the rig to a user that is not root, except this folder, which that user cannot open.
fn deny(rig: &Rig, folder: &Path) {
    if is_root() {
        let owner = format!("{NOBODY}:{NOBODY}");
        assert!(Command::new("chown").args(["-Rh", &owner]).arg(rig.folder.path()).status().unwrap().success());
        assert!(Command::new("chown").arg("root:root").arg(folder).status().unwrap().success());
    }
    fs::set_permissions(folder, Permissions::from_mode(if is_root() { 0o700 } else { 0o000 })).unwrap();
}

fn name(snapshot: &Path) -> &str {
    snapshot.file_name().unwrap().to_str().unwrap()
}

/// Returns a rig with two snapshots, the older one first.
fn two_runs() -> (Rig, PathBuf, PathBuf) {
    let rig = Rig::seeded(60);
    for _ in 0..2 {
        assert_exit(&rig.run(&[]), 0);
    }
    let [old, new] = rig.snapshots().try_into().unwrap();
    (rig, old, new)
}

#[test]
fn newest_snapshot_of_another_user_is_a_warning_with_its_cure_and_no_baseline_is_lost() {
    let (rig, old, new) = two_runs();
    deny(&rig, &new);
    let warning = format!("the snapshot {} is not used: failed to read ", name(&new));
    let cure = "permission denied (make the user that runs bt-rollcall the owner of that folder";
    for args in [&["check"][..], &["prune", "--dry-run"], &["run", "--dry-run"], &["prune"], &["run"]] {
        let output = call(&rig, args);
        assert_exit(&output, 0);
        let text = stdout(&output) + &stderr(&output);
        assert!(text.contains(&warning) && text.contains(cure), "{args:?}: {text}");
        assert!(!text.contains("first snapshot"), "{args:?}: {text}");
    }
    let planned = stdout(&call(&rig, &["prune", "--dry-run"]));
    assert!(planned.contains(&format!("keep    {}  its manifest cannot be read", name(&new))), "{planned}");
    let chain = call(&rig, &["verify", "--chain", rig.snapshots_dir().to_str().unwrap()]);
    assert_exit(&chain, 1);
    let (log, listed) = (stderr(&chain), stdout(&chain));
    assert!(log.contains("permission denied") && !log.contains("is missing"), "{log}");
    assert!(listed.contains(&format!("{}  unreadable ", name(&new))), "{listed}");
    for args in [&["verify", new.to_str().unwrap()][..], &["report", new.to_str().unwrap(), "--output", "-"]] {
        let refused = call(&rig, args);
        assert_exit(&refused, 1);
        assert!(stderr(&refused).contains("permission denied; run the command as the user"), "{}", stderr(&refused));
    }
    fs::set_permissions(&new, Permissions::from_mode(0o700)).unwrap();
    assert_eq!(rig.snapshots().len(), 3);
    assert_eq!(rig.manifest()["base"]["run_id"], name(&old));
    assert!(rig.warnings().iter().any(|text| text.starts_with(&warning)), "{:?}", rig.warnings());
}

#[test]
fn run_refuses_to_publish_where_no_snapshot_can_be_read() {
    let damages: [fn(&Path); 4] = [
        |manifest| fs::remove_file(manifest).unwrap(),
        |manifest| private(manifest, &fs::read_to_string(manifest).unwrap()[..500]),
        |manifest| private(manifest, ""),
        |manifest| {
            fs::remove_file(manifest).unwrap();
            fs::create_dir(manifest).unwrap();
        },
    ];
    for damage in damages {
        let (rig, old, new) = two_runs();
        // A run that took this for its first one would publish half of the users.
        rig.sandbox.with_world(|world| {
            for id in world.user_ids().into_iter().step_by(2) {
                world.remove_user(id);
            }
        });
        for snapshot in [&old, &new] {
            damage(&snapshot.join("manifest.json"));
        }
        for args in [&["run"][..], &["run", "--dry-run"], &["prune"], &["prune", "--dry-run"], &["check"]] {
            let output = rig.call(args);
            assert_exit(&output, 1);
            let text = stdout(&output) + &stderr(&output);
            let words = "holds 2 snapshots and none can be read; move them away or restore them";
            assert!(text.contains(words), "{args:?}: {text}");
        }
        let folders =
            fs::read_dir(rig.snapshots_dir()).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir());
        // Both links count where their target exists.
        assert_eq!(folders.count(), 4, "nothing was published or removed");
    }
}

#[test]
fn link_to_a_missing_snapshot_is_a_warning_and_no_baseline_is_lost() {
    let (rig, old, new) = two_runs();
    fs::remove_dir_all(&new).unwrap();
    let output = rig.run(&[]);
    assert_exit(&output, 0);
    assert_eq!(rig.manifest()["base"]["run_id"], name(&old));
    for link in ["latest", "latest-complete"] {
        let words = format!("{link} points to {}, which does not exist", name(&new));
        assert!(rig.warnings().iter().any(|text| text.contains(&words)), "{:?}", rig.warnings());
    }
    assert!(stderr(&output).contains("restore that snapshot from a copy, or remove the link"));
}

#[test]
fn damaged_newest_snapshot_is_a_warning_of_the_run_that_continues_from_an_older_one() {
    let (rig, old, new) = two_runs();
    private(&new.join("manifest.json"), "{");
    assert_exit(&rig.run(&[]), 0);
    assert_eq!(rig.manifest()["base"]["run_id"], name(&old));
    let words = format!("the snapshot {} is not used: failed to read ", name(&new));
    assert!(rig.warnings().iter().any(|text| text.starts_with(&words)), "{:?}", rig.warnings());
}

#[test]
fn folder_of_snapshots_of_another_user_stops_the_run_with_a_cure() {
    let (rig, ..) = two_runs();
    deny(&rig, &rig.snapshots_dir());
    for args in [&["run"][..], &["run", "--dry-run"], &["check"], &["prune"]] {
        let output = call(&rig, args);
        assert_exit(&output, 1);
        let text = stdout(&output) + &stderr(&output);
        assert!(text.contains("permission denied") || text.contains("cannot be written"), "{args:?}: {text}");
        assert!(text.contains(" needs the folder ") || text.contains("chmod u+rwx"), "{args:?}: {text}");
    }
    fs::set_permissions(rig.snapshots_dir(), Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn readers_say_that_retention_removed_a_snapshot() {
    let (rig, snapshots) = old_runs(2);
    assert_exit(&rig.run(&[]), 0);
    let gone = snapshots[1].to_str().unwrap();
    let at = fs::read_to_string(rig.snapshots_dir().join("pruned.jsonl")).unwrap();
    let entry: serde_json::Value = serde_json::from_str(at.lines().next().unwrap()).unwrap();
    let words = format!("retention removed this snapshot at {}", entry["removed_at"].as_str().unwrap());
    let newest = rig.snapshot();
    for args in [
        &["verify", gone][..],
        &["report", gone, "--output", "-"],
        &["diff", gone, newest.to_str().unwrap()],
        &["diff", newest.to_str().unwrap(), gone],
    ] {
        let output = rig.call(args);
        assert_exit(&output, 1);
        let log = stderr(&output);
        assert!(log.contains(&words) && log.contains("nothing is damaged") && !log.contains("restore"), "{log}");
    }
    assert!(read_json(&newest.join("manifest.json"))["base"]["run_id"] == name(&snapshots[1]));
}
