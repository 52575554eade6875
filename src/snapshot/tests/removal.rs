//! Holds, removal by retention, and the chain afterwards.

use super::*;

/// Publishes three complete snapshots on three days.
fn three() -> Place {
    let place = place();
    for run_id in [FIRST, SECOND, THIRD] {
        sealed(&place.store, run_id, Completeness::Complete).publish().unwrap();
    }
    place
}

fn hold(store: &Store, folder: &str, note: &str) {
    fs::write(store.dir().join(folder).join("HOLD"), note).unwrap();
}

fn ledger(store: &Store) -> Vec<ledger::PrunedEntry> {
    ledger::Ledger::read(store.dir()).unwrap().entries
}

fn problems(store: &Store) -> Vec<String> {
    walk(store.dir()).unwrap().problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_removed_snapshot_is_listed_in_the_ledger_with_everything_the_chain_needs() {
    let Place { store, folder } = three();
    let gone = store.open(SECOND).unwrap();
    prune(&store, SECOND).unwrap();
    assert_eq!(store.snapshots().unwrap(), [FIRST, THIRD]);
    let entry = ledger::PrunedEntry {
        run_id: SECOND.to_owned(),
        manifest_sha256: gone.manifest_sha256,
        base: gone.manifest.base,
        completeness: Completeness::Complete,
        as_of: "2026-11-23T02:00:00Z".to_owned(),
        removed_at: "2028-01-01T00:00:00Z".to_owned(),
        reason: "500 days old (keep_days 400), and not among the newest 10 (keep_runs)".to_owned(),
        by: "root".to_owned(),
    };
    assert_eq!(ledger(&store), [entry]);
    let pruned = BaseLink::Pruned { run_id: SECOND.to_owned(), removed_at: "2028-01-01T00:00:00Z".to_owned() };
    assert_eq!(verify(&store.dir().join(THIRD)).unwrap().base, pruned);
    drop(folder);
}

#[test]
fn a_hold_is_neither_an_extra_file_nor_an_obstacle_for_readers() {
    let Place { store, folder } = three();
    hold(&store, FIRST, "case 12\nmore");
    let verified = verify(&store.dir().join(FIRST)).unwrap();
    assert_eq!(verified.hold.unwrap().to_string(), "held: case 12");
    assert!(load::Archive::open(&store.dir().join(FIRST)).is_ok());
    fs::remove_file(store.dir().join(FIRST).join("HOLD")).unwrap();
    fs::create_dir(store.dir().join(FIRST).join("HOLD")).unwrap();
    let held = verify(&store.dir().join(FIRST)).unwrap().hold.unwrap();
    assert_eq!(held.to_string(), "held: not a regular file", "a folder of this name is a hold, too");
    drop(folder);
}

#[test]
fn a_hold_added_between_plan_and_removal_keeps_the_snapshot() {
    let Place { store, folder } = three();
    hold(&store, FIRST, "case 12");
    let done = prune(&store, FIRST).unwrap();
    assert!(done.remove.is_empty());
    assert_eq!(done.keep[0].1.to_string(), "held: case 12");
    assert_eq!((store.snapshots().unwrap().len(), ledger(&store)), (3, vec![]));
    drop(folder);
}

#[test]
fn a_hidden_snapshot_with_a_hold_is_restored_after_a_kill() {
    let Place { store, folder } = three();
    let hidden = format!("{REMOVING}{FIRST}");
    fs::rename(store.dir().join(FIRST), store.dir().join(&hidden)).unwrap();
    hold(&store, &hidden, "case 12");
    assert_eq!(store.clean_leftovers().unwrap(), [""; 0]);
    assert_eq!(store.snapshots().unwrap(), [FIRST, SECOND, THIRD]);
    fs::rename(store.dir().join(SECOND), store.dir().join(format!("{REMOVING}{SECOND}"))).unwrap();
    assert_eq!(store.clean_leftovers().unwrap(), [format!("{REMOVING}{SECOND}")]);
    assert_eq!(store.snapshots().unwrap(), [FIRST, THIRD]);
    drop(folder);
}

#[test]
fn a_snapshot_without_a_ledger_entry_is_not_removed() {
    let Place { store, folder } = three();
    fs::create_dir(store.dir().join(ledger::LEDGER)).unwrap();
    assert!(prune(&store, FIRST).unwrap_err().to_string().contains("pruned.jsonl"));
    fs::remove_dir(store.dir().join(ledger::LEDGER)).unwrap();
    fs::write(store.dir().join(FIRST).join(MANIFEST), "{").unwrap();
    assert!(matches!(prune(&store, FIRST), Err(SnapshotError::Manifest { .. })), "the entry would be incomplete");
    assert_eq!(store.snapshots().unwrap().len(), 3);
    drop(folder);
}

#[test]
fn a_chain_continues_across_removed_snapshots() {
    let Place { store, folder } = three();
    hold(&store, FIRST, "case 12");
    prune(&store, SECOND).unwrap();
    for dir in [store.dir().to_owned(), store.dir().join(THIRD), store.dir().join(LATEST)] {
        let walk = walk(&dir).unwrap();
        assert_eq!(walk.problems, []);
        let reported: Vec<_> = walk.steps.iter().map(|s| (s.link.run_id.as_str(), s.state, s.hold.is_some())).collect();
        let expected = [
            (THIRD, SnapshotState::Intact, false),
            (SECOND, SnapshotState::Pruned, false),
            (FIRST, SnapshotState::Intact, true),
        ];
        assert_eq!(reported, expected);
        assert_eq!(walk.head, store.latest().unwrap().map(|latest| (latest.run_id, latest.manifest_sha256)));
    }
    drop(folder);
}

#[test]
fn an_entry_for_an_existing_snapshot_is_ignored() {
    let Place { store, folder } = three();
    let aside = folder.path().join("aside");
    fs::create_dir(&aside).unwrap();
    fs::copy(store.dir().join(SECOND).join(MANIFEST), aside.join(MANIFEST)).unwrap();
    fs::copy(store.dir().join(SECOND).join("users.csv"), aside.join("users.csv")).unwrap();
    prune(&store, SECOND).unwrap();
    fs::rename(aside, store.dir().join(SECOND)).unwrap();
    assert_eq!(problems(&store), [""; 0]);
    assert_eq!(walk(store.dir()).unwrap().steps[1].state, SnapshotState::Intact);
    prune(&store, SECOND).unwrap();
    assert_eq!((problems(&store).len(), ledger(&store).len()), (0, 2));
    drop(folder);
}

#[test]
fn every_other_change_of_the_folder_breaks_the_chain_and_is_reported() {
    let tampered = |what: fn(&Path)| {
        let Place { store, folder } = three();
        prune(&store, FIRST).unwrap();
        what(store.dir());
        let reported = problems(&store).join("\n");
        drop(folder);
        reported
    };
    let edit = |path: PathBuf, from: &str, to: &str| {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        fs::write(path, text.replace(from, to)).unwrap();
    };
    let no_removal = tampered(|dir| fs::remove_dir_all(dir.join(SECOND)).unwrap());
    assert_eq!(no_removal, format!("{THIRD}: the baseline {SECOND} is missing, and retention did not remove it"));
    let no_ledger = tampered(|dir| fs::remove_file(dir.join(ledger::LEDGER)).unwrap());
    assert_eq!(no_ledger, format!("{SECOND}: the baseline {FIRST} is missing, and retention did not remove it"));
    let no_manifest = tampered(|dir| fs::remove_file(dir.join(SECOND).join(MANIFEST)).unwrap());
    assert!(no_manifest.starts_with(&format!("{SECOND}: read ")) && no_manifest.ends_with("it does not exist"));
    let no_newest = tampered(|dir| fs::remove_dir_all(dir.join(THIRD)).unwrap());
    let dead = ["latest", "latest-complete"].map(|link| {
        format!("{link} points to {THIRD}, which does not exist; retention never removes the target of this link")
    });
    assert_eq!(no_newest, dead.join("\n"));
    let file = tampered(|dir| fs::write(dir.join(SECOND).join("users.csv"), "x").unwrap());
    assert!(file.starts_with(&format!("{SECOND}: users.csv: changed")), "{file}");
    let line = tampered(|dir| fs::write(dir.join(ledger::LEDGER), "{}\n").unwrap());
    assert!(line.contains("pruned.jsonl, line 1: "), "{line}");
    let garbled = tampered(|dir| fs::write(dir.join(SECOND).join(MANIFEST), "{").unwrap());
    assert!(garbled.contains(&format!("the baseline {SECOND} has changed")), "{garbled}");
    let Place { store, folder } = three();
    edit(store.dir().join(SECOND).join(MANIFEST), "\"host\": \"h\"", "\"host\": \"x\"");
    assert_eq!(problems(&store).len(), 1);
    assert!(problems(&store)[0].contains(&format!("the baseline {SECOND} has changed")));
    prune(&store, SECOND).unwrap();
    let removed = format!("{THIRD}: retention removed the baseline {SECOND}, but its manifest was not the one");
    assert!(problems(&store)[0].starts_with(&removed), "{:?}", problems(&store));
    assert!(matches!(verify(&store.dir().join(THIRD)).unwrap_err()[0], VerifyProblem::BaseReference { .. }));
    drop(folder);
}

#[test]
fn a_folder_without_snapshots_is_refused_with_the_cure() {
    let Place { store, folder } = place();
    let refused = |dir: &std::path::Path| walk(dir).unwrap_err().to_string();
    assert!(refused(store.dir()).contains("it holds no snapshot; name output.dir, such as /var/lib"));
    assert!(refused(&folder.path().join("nowhere")).contains("it does not exist; name output.dir"));
}

#[test]
fn links_to_older_snapshots_are_noted_with_what_the_next_run_does() {
    let Place { store, folder } = three();
    sealed(&store, "20261125T020000Z-0004", Completeness::Partial).publish().unwrap();
    let notes = || walk(store.dir()).unwrap().notes;
    assert_eq!(notes(), [""; 0]);
    relink(&store, LATEST, Some(THIRD));
    let latest = format!("latest points to {THIRD}, but the newest snapshot is 20261125T020000Z-0004");
    assert_eq!(notes(), [format!("{latest}; the next run corrects it")]);
    relink(&store, LATEST_COMPLETE, Some(FIRST));
    let complete = format!("latest-complete points to {FIRST}, but the newest complete snapshot is {THIRD}");
    assert_eq!(notes()[1], format!("{complete}; the next run corrects it"));
    store.clean_leftovers().unwrap();
    assert_eq!(notes(), [""; 0]);
    relink(&store, LATEST_COMPLETE, None);
    let missing = format!("the link latest-complete is missing, but the newest complete snapshot is {THIRD}");
    assert_eq!(notes(), [format!("{missing}; the next run corrects it")]);
    fs::create_dir(store.dir().join(LATEST_COMPLETE)).unwrap();
    assert_eq!(notes(), ["latest-complete is not a link; move it away, or no run can publish"]);
    drop(folder);
    let Place { store, folder } = place();
    sealed(&store, FIRST, Completeness::Partial).publish().unwrap();
    std::os::unix::fs::symlink(FIRST, store.dir().join(LATEST_COMPLETE)).unwrap();
    let notes = walk(store.dir()).unwrap().notes;
    assert_eq!(notes, [format!("latest-complete points to {FIRST}, but no complete snapshot can be read")]);
    drop(folder);
}

#[test]
fn partial_snapshots_are_links_of_the_chain_like_complete_ones() {
    let Place { store, folder } = place();
    for (run_id, completeness) in
        [(FIRST, Completeness::Partial), (SECOND, Completeness::Complete), (THIRD, Completeness::Partial)]
    {
        sealed(&store, run_id, completeness).publish().unwrap();
    }
    let chain = walk(store.dir()).unwrap();
    assert_eq!((chain.problems, chain.head.unwrap().0), (vec![], THIRD.to_owned()));
    prune(&store, FIRST).unwrap();
    assert_eq!(problems(&store), [""; 0]);
    fs::remove_file(store.dir().join(ledger::LEDGER)).unwrap();
    let missing = format!("{SECOND}: the baseline {FIRST} is missing, and retention did not remove it");
    assert_eq!(problems(&store), [missing]);
    drop(folder);
}

#[test]
fn snapshot_that_retention_removes_between_two_steps_of_a_reader_is_called_removed_and_not_damaged() {
    let Place { store, folder } = three();
    let path = fs::canonicalize(store.dir().join(SECOND)).unwrap();
    let archive = load::Archive::open(&path).unwrap();
    let missing = |what: &str| SnapshotError::io("read", path.join(what))(std::io::ErrorKind::NotFound.into());
    assert_eq!(missing("users.csv").or_removed(&path).to_string(), missing("users.csv").to_string(), "it exists");
    prune(&store, SECOND).unwrap();
    let error = archive.each_finding(|_| Ok(())).unwrap_err().or_removed(&archive.path);
    let words = format!("read {}: retention removed this snapshot at 2028-01-01T00:00:00Z", path.display());
    assert_eq!(error.to_string(), words);
    assert!(error.hint().unwrap().starts_with("nothing is damaged: name a snapshot that still exists"));
    assert!(verify(&path).is_err(), "what `verify` finds is no damage:");
    assert_eq!(removed(&path).unwrap().to_string(), words);
    assert_eq!(load::Archive::open(&path).unwrap_err().to_string(), words, "before the first step as well");
    drop(folder);
}

#[test]
fn snapshot_that_somebody_moves_between_two_steps_of_a_reader_is_called_moved() {
    let Place { store, folder } = three();
    let path = fs::canonicalize(store.dir().join(SECOND)).unwrap();
    let archive = load::Archive::open(&path).unwrap();
    fs::rename(&path, folder.path().join("elsewhere")).unwrap();
    let error = archive.each_finding(|_| Ok(())).unwrap_err().or_removed(&path);
    assert!(error.to_string().ends_with("this snapshot was moved or removed while it was read"), "{error}");
    assert!(snapshot_folder(&path).unwrap_err().to_string().contains("it does not exist; name a folder such as"));
}

/// Damages the folder of a snapshot.
type Damage = fn(&Path);

#[test]
fn snapshot_that_cannot_be_read_is_named_with_its_cure_kept_by_retention_and_never_healed() {
    let damages: [(&str, Damage); 5] = [
        ("it is a folder", |path| {
            fs::remove_file(path.join(MANIFEST)).unwrap();
            fs::create_dir(path.join(MANIFEST)).unwrap();
        }),
        ("it does not exist", |path| fs::remove_file(path.join(MANIFEST)).unwrap()),
        ("it is not valid JSON", |path| fs::write(path.join(MANIFEST), "{").unwrap()),
        ("it is not a valid manifest", |path| {
            let text = fs::read_to_string(path.join(MANIFEST)).unwrap();
            fs::write(path.join(MANIFEST), text.replace("\"files\"", "\"folders\"")).unwrap();
        }),
        ("it does not exist", |path| {
            fs::remove_dir_all(path).unwrap();
            std::os::unix::fs::symlink("/nowhere/at-all", path).unwrap();
        }),
    ];
    for (reason, damage) in damages {
        let Place { store, folder } = three();
        damage(&store.dir().join(THIRD));
        let survey = store.survey().unwrap();
        assert_eq!((survey.count(), &survey.readable[..]), (3, &[FIRST.to_owned(), SECOND.to_owned()][..]), "{reason}");
        let warnings = survey.warnings();
        let start = format!("the snapshot {THIRD} is not used: failed to read ");
        assert!(warnings[0].starts_with(&start) && warnings[0].contains(reason), "{warnings:?}");
        assert!(store.kept().unwrap().iter().any(|kept| kept.run_id == THIRD && !kept.is_readable));
        assert!(problems(&store)[0].starts_with(&format!("{THIRD}: ")), "{:?}", problems(&store));
        assert!(store.is_published(THIRD), "its events are not thrown away");
        drop(folder);
    }
}

#[test]
fn links_to_a_snapshot_that_cannot_be_read_stay() {
    let Place { store, folder } = three();
    fs::write(store.dir().join(THIRD).join(MANIFEST), "{").unwrap();
    store.clean_leftovers().unwrap();
    assert_eq!(links(&store), both(THIRD));
    assert_eq!(newest(&store), both(SECOND));
    drop(folder);
}

#[test]
fn folder_of_snapshots_on_a_disk_that_is_not_mounted_is_not_empty() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("snapshots");
    std::os::unix::fs::symlink("/nowhere/at-all", &dir).unwrap();
    assert!(Store::new(&dir).snapshots().unwrap_err().to_string().ends_with("snapshots: it does not exist"));
    fs::remove_file(&dir).unwrap();
    assert_eq!(Store::new(&dir).snapshots().unwrap(), [""; 0]);
    fs::create_dir_all(dir.join(FIRST)).unwrap();
    assert_eq!(Store::new(&dir).snapshots().unwrap(), [""; 0], "nothing was lost in an empty folder");
}
