//! What is held, and what retention removes.

use super::*;

const THIRD: &str = "20261124T020000Z-0003";

/// Three complete ones, a day each.
fn three() -> Place {
    let place = place();
    for run_id in [FIRST, SECOND, THIRD] {
        sealed(&place.store, run_id, "complete").publish().unwrap();
    }
    place
}

fn hold(store: &Store, folder: &str, note: &str) {
    fs::write(store.dir().join(folder).join("HOLD"), note).unwrap();
}

fn ledger(store: &Store) -> Vec<ledger::Entry> {
    ledger::Ledger::read(store.dir()).unwrap().entries
}

#[test]
fn a_removed_snapshot_stands_in_the_ledger_with_all_that_its_manifest_said_of_the_chain() {
    let Place { store, folder } = three();
    let gone = store.open(SECOND).unwrap();
    prune(&store, SECOND).unwrap();
    assert_eq!(store.snapshots().unwrap(), [FIRST, THIRD]);
    let entry = ledger::Entry {
        run_id: SECOND.to_owned(),
        manifest_sha256: gone.manifest_sha256,
        base: gone.manifest.base,
        completeness: "complete".to_owned(),
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
fn a_hold_is_neither_an_extra_file_nor_in_the_way_of_a_reader() {
    let Place { store, folder } = three();
    hold(&store, FIRST, "case 12\nmore");
    let verified = verify(&store.dir().join(FIRST)).unwrap();
    assert_eq!(verified.hold.unwrap().to_string(), "held: case 12");
    assert!(load::Archive::open(&store.dir().join(FIRST)).is_ok());
    fs::remove_file(store.dir().join(FIRST).join("HOLD")).unwrap();
    fs::create_dir(store.dir().join(FIRST).join("HOLD")).unwrap();
    assert!(matches!(verify(&store.dir().join(FIRST)).unwrap_err()[0], Problem::Extra(_)), "only a file is a note");
    drop(folder);
}

#[test]
fn a_hold_that_comes_between_plan_and_removal_is_seen() {
    let Place { store, folder } = three();
    hold(&store, FIRST, "case 12");
    let done = prune(&store, FIRST).unwrap();
    assert!(done.remove.is_empty());
    assert_eq!(done.keep[0].1.to_string(), "held: case 12");
    assert_eq!((store.snapshots().unwrap().len(), ledger(&store)), (3, vec![]));
    drop(folder);
}

#[test]
fn a_hold_in_what_a_kill_left_half_removed_brings_it_back() {
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
fn what_cannot_be_written_into_the_ledger_is_not_removed() {
    let Place { store, folder } = three();
    fs::create_dir(store.dir().join(ledger::LEDGER)).unwrap();
    assert!(prune(&store, FIRST).unwrap_err().to_string().contains("pruned.jsonl"));
    fs::remove_dir(store.dir().join(ledger::LEDGER)).unwrap();
    fs::write(store.dir().join(FIRST).join(MANIFEST), "{").unwrap();
    assert!(matches!(prune(&store, FIRST), Err(SnapshotError::Manifest { .. })), "nobody could say what went");
    assert_eq!(store.snapshots().unwrap().len(), 3);
    drop(folder);
}
