//! The tables of seeded worlds keep their bytes, so that a change of speed or memory is seen not to change a result.
//!
//! `UPDATE_DIGESTS=1` writes the digests again after a change of the tables.

use super::rig::{Rig, assert_exit, people, set_field, sha256};
use bt_rollcall_sandbox::{Faults, Surface};
use serde_json::json;
use std::fmt::Write as _;
use std::fs;

const DIGESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/bytes.txt");

/// Files of a snapshot whose bytes follow from the rows. Changes contain ids of events, which differ from run to run.
const FILES: [&str; 10] = [
    "users.csv",
    "groups.csv",
    "memberships.csv",
    "findings.csv",
    "review.csv",
    "users.parquet",
    "groups.parquet",
    "memberships.parquet",
    "findings.parquet",
    "resolved.parquet",
];

/// Returns a line for each table of the newest snapshot: its digest, with the id of the run replaced by text of the same
/// length.
fn digests(rig: &Rig, of: &str) -> String {
    let snapshot = rig.snapshot();
    let id = snapshot.file_name().unwrap().as_encoded_bytes();
    FILES.iter().fold(String::new(), |mut lines, file| {
        let mut bytes = fs::read(snapshot.join(file)).unwrap();
        while let Some(at) = bytes.windows(id.len()).position(|window| window == id) {
            bytes[at..at + id.len()].fill(b'#');
        }
        writeln!(lines, "{}  {of}/{file}", sha256(&bytes)).unwrap();
        lines
    })
}

#[test]
fn tables_of_a_seeded_world_keep_their_bytes() {
    let mut all = String::new();
    for surface in [Surface::Guide, Surface::Pra, Surface::PasswordSafe, Surface::Scim] {
        let rig = Rig::with_surfaces(&[surface], people(1_201), Faults::default(), None);
        rig.edit("csv = \"raw\"\n", "");
        assert_exit(&rig.run(&[]), 0);
        all += &digests(&rig, &format!("{surface:?}/1"));
        rig.sandbox.with_world(|world| {
            let ids: Vec<u64> = world.users().map(|(id, _)| id).collect();
            for id in ids.iter().step_by(31) {
                set_field(world, *id, "enabled", json!(id % 2 == 0));
            }
            assert!(ids.iter().skip(5).step_by(60).all(|id| world.remove_user(*id)));
        });
        assert_exit(&rig.run_on_day(1, &[]), 0);
        all += &digests(&rig, &format!("{surface:?}/2"));
    }
    if std::env::var_os("UPDATE_DIGESTS").is_some() {
        fs::write(DIGESTS, &all).unwrap();
    }
    for (line, known) in all.lines().zip(fs::read_to_string(DIGESTS).unwrap().lines()) {
        assert_eq!(line, known);
    }
}
