//! Publication, recovery after a kill, and verification.

use super::manifest::{Build, Counts, CsvFormat, FORMAT_VERSION, Manifest, StartedBy, Tool};
use super::*;
use crate::model::Completeness;
use crate::table::CsvDialect;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

mod removal;

const FIRST: &str = "20261122T020000Z-0001";
const SECOND: &str = "20261123T020000Z-0002";
const THIRD: &str = "20261124T020000Z-0003";

struct Place {
    folder: TempDir,
    store: LockedStore,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().join("snapshots")).lock(&folder.path().join("state")).unwrap();
    Place { folder, store }
}

fn manifest(run_id: &str, completeness: Completeness) -> Manifest {
    Manifest {
        format_version: FORMAT_VERSION,
        run_id: run_id.to_owned(),
        tool: Tool { name: "t".to_owned(), version: "1".to_owned() },
        build: Build::of_this_program(),
        host: "h".to_owned(),
        operator: "o".to_owned(),
        started_by: StartedBy::default(),
        as_of: "2026-11-23T02:00:00Z".to_owned(),
        started_at: "2026-11-23T02:00:00Z".to_owned(),
        finished_at: "2026-11-23T02:00:01Z".to_owned(),
        completeness,
        sources: Vec::new(),
        policy: BTreeMap::new(),
        config_sha256: String::new(),
        configuration: serde_json::Value::Null,
        patterns: Vec::new(),
        exceptions_sha256: None,
        latest_as_of: None,
        base: None,
        rules: Vec::new(),
        files: Vec::new(),
        counts: Counts::default(),
        csv: CsvFormat::of(CsvDialect::Strict),
        guarded_cells: 0,
        formula_guard: true,
        warnings: Vec::new(),
        notes: Vec::new(),
        confirmed_shrinks: Vec::new(),
        clock_doubt: None,
    }
}

/// Seals a snapshot with the newest one as its baseline, like a run.
fn sealed(store: &LockedStore, run_id: &str, completeness: Completeness) -> Sealed {
    let staging = store.stage(run_id).unwrap();
    staging.add("users.csv", b"id\r\n1\r\n", Some(1)).unwrap();
    let base = store.latest().unwrap();
    let base = base.map(|base| manifest::BaseReference { run_id: base.run_id, manifest_sha256: base.manifest_sha256 });
    let manifest = Manifest { files: staging.files(), base, ..manifest(run_id, completeness) };
    staging.seal(&manifest).unwrap()
}

/// Carries out a plan that removes one snapshot.
fn prune(store: &LockedStore, run_id: &str) -> Result<retention::RetentionPlan, SnapshotError> {
    let why = retention::RemovalReason { days: 500, keep_days: 400, keep_runs: 10 };
    let plan = retention::RetentionPlan {
        keep: Vec::new(),
        remove: vec![(run_id.to_owned(), why)],
        ..retention::RetentionPlan::default()
    };
    store.prune(plan, "root", "2028-01-01T00:00:00Z".parse().unwrap())
}

/// Returns the targets of `latest` and `latest-complete`.
fn links(store: &Store) -> [Option<String>; 2] {
    [LATEST, LATEST_COMPLETE].map(|link| store.linked(link).unwrap())
}

/// Returns what readers see as the newest snapshot and as the newest complete one.
fn newest(store: &Store) -> [Option<String>; 2] {
    [store.latest(), store.latest_complete()].map(|found| found.unwrap().map(|published| published.run_id))
}

fn both(run_id: &str) -> [Option<String>; 2] {
    [run_id; 2].map(|run_id| Some(run_id.to_owned()))
}

/// Points a link to another target, or removes it.
fn relink(store: &Store, link: &str, target: Option<&str>) {
    let path = store.dir().join(link);
    fs::remove_file(&path).unwrap();
    if let Some(target) = target {
        std::os::unix::fs::symlink(target, path).unwrap();
    }
}

fn names(path: &Path) -> Vec<String> {
    names_in(path).unwrap()
}

#[test]
fn published_snapshot_is_private_and_both_links_point_to_it() {
    let Place { store, folder } = place();
    let path = sealed(&store, FIRST, Completeness::Complete).publish().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&path.join("users.csv")), mode(&path.join(MANIFEST))), (0o700, 0o600, 0o600));
    assert_eq!((links(&store), newest(&store)), (both(FIRST), both(FIRST)));
    assert_eq!(verify(&path).unwrap().files, 1);
    drop(folder);
}

#[test]
fn partial_snapshot_becomes_latest_but_not_latest_complete() {
    let Place { store, folder } = place();
    sealed(&store, FIRST, Completeness::Partial).publish().unwrap();
    assert_eq!(links(&store), [Some(FIRST.to_owned()), None]);
    assert_eq!(newest(&store), [Some(FIRST.to_owned()), None]);
    sealed(&store, SECOND, Completeness::Complete).publish().unwrap();
    assert_eq!(links(&store), both(SECOND));
    sealed(&store, THIRD, Completeness::Partial).publish().unwrap();
    let expected = [Some(THIRD.to_owned()), Some(SECOND.to_owned())];
    assert_eq!((links(&store), newest(&store)), (expected.clone(), expected));
    assert_eq!(store.open(THIRD).unwrap().manifest.base.unwrap().run_id, SECOND);
    assert_eq!(store.in_order().unwrap(), [FIRST, SECOND, THIRD]);
    drop(folder);
}

#[test]
fn a_file_in_the_place_of_either_link_is_refused_before_publication() {
    for link in [LATEST, LATEST_COMPLETE] {
        for completeness in [Completeness::Complete, Completeness::Partial] {
            let Place { store, folder } = place();
            fs::write(store.dir().join(link), "").unwrap();
            let refused = sealed(&store, FIRST, completeness).publish().unwrap_err();
            let path = store.dir().join(link);
            assert!(matches!(&refused, SnapshotError::LinkInTheWay { path: found } if *found == path));
            assert_eq!(names(store.dir()), [LOCK, link]);
            drop(folder);
        }
    }
}

#[test]
fn a_snapshot_that_is_dropped_before_publication_leaves_no_file() {
    let Place { store, folder } = place();
    drop(store.stage(FIRST).unwrap());
    drop(sealed(&store, FIRST, Completeness::Complete));
    assert_eq!(names(store.dir()), [LOCK]);
    drop(folder);
}

#[test]
fn the_folder_of_a_killed_run_is_invisible_and_removed_by_the_next_run() {
    let Place { store, folder } = place();
    std::mem::forget(sealed(&store, FIRST, Completeness::Complete));
    assert_eq!(store.snapshots().unwrap(), [""; 0]);
    assert!(store.latest().unwrap().is_none());
    assert_eq!(store.clean_leftovers().unwrap().len(), 1);
    assert_eq!(names(store.dir()), [LOCK]);
    drop(folder);
}

#[test]
fn links_are_repaired_after_a_kill_at_any_moment_of_a_publication() {
    for completeness in [Completeness::Complete, Completeness::Partial] {
        for placed in [&[][..], &[LATEST], &[LATEST, LATEST_COMPLETE]] {
            let Place { store, folder } = place();
            sealed(&store, FIRST, Completeness::Complete).publish().unwrap();
            sealed(&store, SECOND, completeness).publish().unwrap();
            let expected = links(&store);
            for link in [LATEST, LATEST_COMPLETE].into_iter().filter(|link| !placed.contains(link)) {
                relink(&store, link, Some(FIRST));
                std::os::unix::fs::symlink(SECOND, store.dir().join(format!(".{link}-{SECOND}"))).unwrap();
            }
            assert_eq!(newest(&store), expected, "readers do not need the links");
            assert!(walk(store.dir()).unwrap().problems.is_empty());
            assert_eq!(store.clean_leftovers().unwrap().len(), 2 - placed.len());
            assert_eq!((links(&store), newest(&store)), (expected.clone(), expected));
            assert!(names(store.dir()).iter().all(|name| name == LOCK || !name.starts_with('.')));
            drop(folder);
        }
    }
}

#[test]
fn snapshot_from_a_clock_that_was_a_year_ahead_does_not_stay_the_newest() {
    let Place { store, folder } = place();
    sealed(&store, "20271123T020000Z-0001", Completeness::Complete).publish().unwrap();
    sealed(&store, SECOND, Completeness::Complete).publish().unwrap();
    store.clean_leftovers().unwrap();
    assert_eq!((links(&store), newest(&store)), (both(SECOND), both(SECOND)));
    relink(&store, LATEST, None);
    assert_eq!(newest(&store), both(SECOND), "the baselines lead there from the last name");
    drop(folder);
}

#[test]
fn missing_links_are_created_again_and_dead_ones_are_reported_and_stay() {
    for target in [None, Some("gone"), Some("../elsewhere")] {
        let Place { store, folder } = place();
        sealed(&store, FIRST, Completeness::Complete).publish().unwrap();
        sealed(&store, SECOND, Completeness::Complete).publish().unwrap();
        relink(&store, LATEST, target);
        relink(&store, LATEST_COMPLETE, target);
        assert_eq!(newest(&store), both(SECOND));
        store.clean_leftovers().unwrap();
        assert_eq!(links(&store), target.map_or_else(|| both(SECOND), both));
        let warnings = store.survey().unwrap().warnings();
        assert_eq!(warnings.len(), if target.is_some() { 2 } else { 0 }, "{warnings:?}");
        for (link, warning) in [LATEST, LATEST_COMPLETE].iter().zip(&warnings) {
            let path = store.dir().join(link).display().to_string();
            assert!(warning.starts_with(&format!("{path} points to {}, which", target.unwrap())), "{warning}");
        }
        drop(folder);
    }
}

#[test]
fn snapshot_whose_manifest_cannot_be_read_is_not_the_newest() {
    let Place { store, folder } = place();
    sealed(&store, FIRST, Completeness::Complete).publish().unwrap();
    let path = sealed(&store, SECOND, Completeness::Complete).publish().unwrap();
    let manifest = fs::read_to_string(path.join(MANIFEST)).unwrap();
    // The second one has a header that can be read.
    for damaged in ["{".to_owned(), manifest.replace("\"files\"", "\"folders\"")] {
        fs::write(path.join(MANIFEST), damaged).unwrap();
        assert_eq!(newest(&store), both(FIRST));
        assert_eq!(store.in_order().unwrap().len(), 2);
    }
    drop(folder);
}

#[test]
fn a_manifest_that_does_not_match_the_folder_is_not_sealed() {
    let Place { store, folder } = place();
    let staging = store.stage(FIRST).unwrap();
    staging.add("users.csv", b"id\r\n", Some(0)).unwrap();
    assert!(matches!(staging.seal(&manifest(FIRST, Completeness::Complete)), Err(SnapshotError::Unsealable { .. })));
    let staging = store.stage(SECOND).unwrap();
    let unfinished = staging.writer("users.csv").unwrap();
    let listed = Manifest { files: staging.files(), ..manifest(SECOND, Completeness::Complete) };
    assert!(staging.seal(&listed).unwrap_err().to_string().contains("not finished"));
    drop((unfinished, folder));
}

#[test]
fn two_runs_never_hold_the_same_lock() {
    let Place { store, folder } = place();
    let again = || Store::new(store.dir()).lock(&folder.path().join("state"));
    let own = std::process::id();
    assert!(matches!(again(), Err(SnapshotError::Busy { pid: Some(pid), .. }) if pid == own));
    let dir = store.dir().to_owned();
    drop(store);
    assert!(Store::new(dir).lock(&folder.path().join("state")).is_ok());
}

#[test]
fn every_kind_of_tampering_is_reported() {
    let Place { store, folder } = place();
    let path = sealed(&store, FIRST, Completeness::Complete).publish().unwrap();
    let users = path.join("users.csv");
    let problem = || verify(&path).unwrap_err().remove(0);
    fs::write(&users, b"id\r\n2\r\n").unwrap();
    assert!(matches!(problem(), VerifyProblem::Hash(_)));
    fs::write(&users, b"id\r\n1\r\n2\r\n").unwrap();
    assert!(matches!(problem(), VerifyProblem::Size { .. }));
    fs::remove_file(&users).unwrap();
    assert!(matches!(problem(), VerifyProblem::Missing(_)));
    fs::write(&users, b"id\r\n1\r\n").unwrap();
    fs::write(path.join("more.csv"), b"").unwrap();
    assert!(matches!(problem(), VerifyProblem::Extra(_)));
    fs::write(path.join(MANIFEST), b"{").unwrap();
    assert!(matches!(problem(), VerifyProblem::Manifest(_)));
    drop(folder);
}

#[test]
fn a_copy_under_any_name_but_another_runs_can_be_verified() {
    let Place { store, folder } = place();
    let path = sealed(&store, FIRST, Completeness::Complete).publish().unwrap();
    let copy = folder.path().join("copy-for-the-auditor");
    fs::rename(&path, &copy).unwrap();
    assert!(verify(&copy).is_ok());
    let other = folder.path().join(SECOND);
    fs::rename(&copy, &other).unwrap();
    assert!(matches!(verify(&other).unwrap_err().remove(0), VerifyProblem::Renamed { .. }));
}

#[test]
fn targets_of_both_links_are_never_removed() {
    let Place { store, folder } = place();
    sealed(&store, FIRST, Completeness::Complete).publish().unwrap();
    sealed(&store, SECOND, Completeness::Partial).publish().unwrap();
    for (run_id, name) in [(FIRST, LATEST_COMPLETE), (SECOND, LATEST)] {
        assert!(matches!(prune(&store, run_id), Err(SnapshotError::IsLinked { link, .. }) if link == name));
    }
    assert_eq!(store.snapshots().unwrap(), [FIRST, SECOND]);
    drop(folder);
}

#[test]
fn retention_after_a_kill_protects_the_snapshots_that_the_links_should_point_to() {
    let Place { store, folder } = place();
    for run_id in [FIRST, SECOND, THIRD] {
        sealed(&store, run_id, Completeness::Complete).publish().unwrap();
    }
    relink(&store, LATEST, Some(SECOND));
    relink(&store, LATEST_COMPLETE, Some(SECOND));
    assert!(matches!(prune(&store, THIRD), Err(SnapshotError::IsLinked { .. })));
    assert_eq!(prune(&store, SECOND).unwrap().remove.len(), 1);
    drop(folder);
}

#[test]
fn only_wanted_files_are_compared_with_the_manifest() {
    let Place { store, folder } = place();
    let staging = store.stage(FIRST).unwrap();
    staging.add("users.csv", b"id\r\n1\r\n", Some(1)).unwrap();
    staging.add("groups.csv", b"id\r\n2\r\n", Some(1)).unwrap();
    let manifest = Manifest { files: staging.files(), ..manifest(FIRST, Completeness::Complete) };
    let sealed = staging.seal(&manifest).unwrap();
    let sha256 = sealed.manifest_sha256().to_owned();
    let path = sealed.publish().unwrap();
    let compared = |wanted: &[&str]| verify::verify_files(&path, |name| wanted.contains(&name));
    let problem = |wanted: &[&str]| compared(wanted).unwrap_err().remove(0);
    assert_eq!(compared(&["users.csv", "groups.csv", "resolved.csv"]), Ok((manifest.clone(), sha256.clone())));
    fs::write(path.join("groups.csv"), b"id\r\n3\r\n").unwrap();
    assert_eq!(compared(&["users.csv"]), Ok((manifest, sha256.clone())));
    assert_eq!(problem(&["users.csv", "groups.csv"]), VerifyProblem::Hash("groups.csv".to_owned()));
    let archive = load::Archive::open_for(&store.dir().join(LATEST), |name| name == "users.csv").unwrap();
    assert_eq!((archive.path, archive.manifest_sha256), (fs::canonicalize(&path).unwrap(), sha256));
    let refused = load::Archive::open_for(&path, |name| name == "groups.csv").unwrap_err();
    assert!(refused.to_string().contains("groups.csv: changed"), "{refused}");
    fs::remove_file(path.join("groups.csv")).unwrap();
    assert!(compared(&["users.csv"]).is_ok());
    assert_eq!(problem(&["groups.csv"]), VerifyProblem::Missing("groups.csv".to_owned()));
    fs::write(path.join("more.csv"), b"").unwrap();
    assert_eq!(problem(&["users.csv"]), VerifyProblem::Extra("more.csv".to_owned()));
    let renamed = store.dir().join(SECOND);
    fs::rename(&path, &renamed).unwrap();
    assert!(matches!(verify::verify_files(&renamed, |_| false).unwrap_err()[0], VerifyProblem::Renamed { .. }));
    fs::write(renamed.join(MANIFEST), b"{").unwrap();
    assert!(matches!(verify::verify_files(&renamed, |_| false).unwrap_err()[0], VerifyProblem::Manifest(_)));
    drop(folder);
}

#[test]
fn a_wrong_row_count_is_reported_even_if_the_hash_is_right() {
    let Place { store, folder } = place();
    let staging = store.stage(FIRST).unwrap();
    staging.add("users.csv", b"id\r\n1\r\n\"2\r\n3\"\r\n", Some(3)).unwrap();
    let manifest = Manifest { files: staging.files(), ..manifest(FIRST, Completeness::Complete) };
    let path = staging.seal(&manifest).unwrap().publish().unwrap();
    let problem = verify(&path).unwrap_err().remove(0);
    assert_eq!(problem, VerifyProblem::Rows { path: "users.csv".to_owned(), expected: 3, found: 2 });
    drop(folder);
}

#[test]
fn first_intact_changed_and_absent_baselines_are_reported_differently() {
    let Place { store, folder } = place();
    let base = sealed(&store, FIRST, Completeness::Complete);
    let manifest_sha256 = base.manifest_sha256().to_owned();
    let base_path = base.publish().unwrap();
    assert_eq!(verify(&base_path).unwrap().base, BaseLink::First);
    let staging = store.stage(SECOND).unwrap();
    let base = Some(manifest::BaseReference { run_id: FIRST.to_owned(), manifest_sha256 });
    let manifest = Manifest { base, ..manifest(SECOND, Completeness::Complete) };
    let path = staging.seal(&manifest).unwrap().publish().unwrap();
    assert_eq!(verify(&path).unwrap().base, BaseLink::Intact(FIRST.to_owned()));
    let text = fs::read_to_string(base_path.join(MANIFEST)).unwrap();
    fs::write(base_path.join(MANIFEST), text.replace("\"host\": \"h\"", "\"host\": \"x\"")).unwrap();
    assert!(matches!(verify(&path).unwrap_err().remove(0), VerifyProblem::BaseReference { .. }));
    fs::remove_dir_all(&base_path).unwrap();
    assert_eq!(verify(&path).unwrap().base, BaseLink::Absent(FIRST.to_owned()));
    drop(folder);
}

#[test]
fn two_configurations_with_the_same_folder_of_snapshots_never_run_at_once() {
    let Place { store, folder } = place();
    let other = || Store::new(store.dir()).lock(&folder.path().join("another-state"));
    assert!(matches!(other(), Err(SnapshotError::Busy { .. })));
    let dir = store.dir().to_owned();
    drop(store);
    assert!(Store::new(dir).lock(&folder.path().join("another-state")).is_ok());
}

#[test]
fn the_lock_is_taken_although_a_check_removes_the_empty_folder_meanwhile() {
    let root = tempfile::tempdir().unwrap();
    let is_done = std::sync::atomic::AtomicBool::new(false);
    let done = std::sync::atomic::Ordering::Relaxed;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(done) {
                for n in 0..500 {
                    // Only an empty folder can be removed.
                    let _ = std::fs::remove_dir(root.path().join(format!("snapshots-{n}")));
                }
            }
        });
        let locked = (0..500).map(|n| {
            let store = Store::new(root.path().join(format!("snapshots-{n}")));
            store.lock(&root.path().join("state")).map(drop)
        });
        let locked: Result<Vec<()>, _> = locked.collect();
        is_done.store(true, done);
        locked.unwrap();
    });
}
