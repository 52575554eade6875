//! What the program says of a tenant, held against what the world itself expects, cell by cell.

use super::rig::{AS_OF, Rig, Row, as_of, assert_exit};
use bt_rollcall_sandbox::{Expect, Expected, ExpectedFinding, Faults, World};
use serde_json::Value;
use std::fs;

const SOURCE: &str = "sandbox";

/// Runs once and holds everything against the oracle.
#[track_caller]
fn agrees(world: World, faults: Faults) {
    let rig = Rig::new(world, faults);
    assert_exit(&rig.run(&[]), 0);
    compare(&rig);
}

#[track_caller]
pub fn compare(rig: &Rig) {
    let expected: Expected = rig.sandbox.with_world(|world| world.expected(&Expect::usual(SOURCE, as_of())));
    same_rows("users", &rig.table("users"), &expected.users);
    same_rows("groups", &rig.table("groups"), &expected.groups);
    same_rows("memberships", &rig.table("memberships"), &expected.memberships);
    let found: Vec<ExpectedFinding> = rig.table("findings").iter().map(finding).collect();
    for (found, expected) in found.iter().zip(&expected.findings) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.findings.len());
}

/// Columns that the oracle does not know: what a run adds.
const MARKS: [&str; 9] = [
    "blocked",
    "signs_in_by",
    "inferred_type",
    "groups_confirmed_at",
    "members_confirmed_at",
    "enabled_since",
    "first_seen",
    "confirmed_at",
    "unconfirmed_since",
];

#[track_caller]
pub fn same_rows(table: &str, found: &[Row], expected: &[Row]) {
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        for (column, cell) in expected {
            assert_eq!(found.get(column), Some(cell), "{table}, row {place}, column {column}");
        }
        let more = found.keys().filter(|column| !expected.contains_key(*column) && !MARKS.contains(&column.as_str()));
        assert_eq!(more.collect::<Vec<_>>(), Vec::<&String>::new(), "{table}, row {place}");
    }
    assert_eq!(found.len(), expected.len(), "{table}");
}

pub fn finding(row: &Row) -> ExpectedFinding {
    let evidence: Value = serde_json::from_str(&row["evidence"]).unwrap();
    let aged = matches!(row["rule"].as_str(), "stale-login" | "never-logged-in");
    let number = |key: &str| evidence[key].as_i64().filter(|_| aged);
    let ids = |key: &str| -> Vec<String> {
        let list = evidence[key].as_array().cloned().unwrap_or_default();
        list.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    };
    let group_ids = match row["rule"].as_str() {
        "disabled-in-group" => ids("groups"),
        "dangling-group" => ids("missing_groups"),
        _ => Vec::new(),
    };
    ExpectedFinding {
        rule: row["rule"].clone(),
        severity: row["severity"].clone(),
        subject_kind: row["subject_kind"].clone(),
        subject_id: row["subject_id"].clone(),
        status: row["status"].clone(),
        age_days: number("age_days"),
        threshold_days: number("threshold_days"),
        basis: evidence["basis"].as_str().filter(|_| aged).map(str::to_owned),
        group_ids,
        user_ids: ids("missing_users"),
    }
}

fn people(count: usize) -> World {
    World::seeded(7, count, as_of())
}

#[test]
fn a_thousand_awkward_users_are_as_the_world_expects_them() {
    agrees(people(1000), Faults::default());
}

#[test]
fn sparse_lists_are_completed_by_id() {
    agrees(people(1000), Faults { sparse_lists: true, ..Faults::default() });
}

#[test]
fn clamped_pages_lose_nobody() {
    agrees(people(1000), Faults { page_clamp: Some(37), ..Faults::default() });
}

#[test]
fn lists_without_totals_are_read_to_their_end() {
    agrees(people(1000), Faults { no_total: true, ..Faults::default() });
    agrees(people(1000), Faults { no_total: true, page_clamp: Some(10), sparse_lists: true, ..Faults::default() });
}

#[test]
fn a_list_that_ends_with_a_full_page_is_read_to_its_end() {
    agrees(people(400), Faults { no_total: true, ..Faults::default() });
    agrees(people(99), Faults { unpaged_groups: true, ..Faults::default() });
}

#[test]
fn a_tenant_of_one_user_is_a_tenant() {
    agrees(people(1), Faults::default());
}

#[test]
fn two_runs_at_one_instant_give_the_same_bytes() {
    let rig = Rig::seeded(500);
    // The first has no memory: its findings are new.
    for _ in 0..3 {
        assert_exit(&rig.run(&[]), 0);
    }
    let [_, first, second] = rig.snapshots().try_into().unwrap();
    let run_ids = [&first, &second].map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    for table in ["users", "groups", "memberships", "findings", "changes"] {
        let csv = [&first, &second].map(|path| fs::read(path.join(format!("{table}.csv"))).unwrap());
        assert_eq!(csv[0], csv[1], "{table}.csv");
        let [a, b] = [&first, &second].map(|path| fs::read(path.join(format!("{table}.parquet"))).unwrap());
        assert_eq!(a, replaced(&b, run_ids[1].as_bytes(), run_ids[0].as_bytes()), "{table}.parquet but for its run id");
    }
}

/// The run id stands in the Parquet metadata: a declared run field.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len().saturating_sub(from.len()) {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
    bytes
}

#[test]
fn a_quiet_tenant_costs_at_most_four_percent_more_requests_than_it_must() {
    for (users, clamp) in [(2500, None), (6000, None), (6000, Some(100))] {
        let faults = Faults { page_clamp: clamp, ..Faults::default() };
        let rig = Rig::new(World::ordinary(3, users, as_of()), faults);
        assert_exit(&rig.run(&[]), 0);
        let counters = rig.sandbox.counters();
        let groups = rig.sandbox.with_world(|world| world.group_count()) as u64;
        let least = counters.tokens_issued + (users as u64).div_ceil(100) + groups.div_ceil(100);
        assert!(counters.requests * 100 <= least * 104, "{} requests, {least} at least", counters.requests);
    }
}

#[test]
fn ages_are_those_of_the_instant_that_was_given() {
    let rig = Rig::seeded(300);
    assert_exit(&rig.run(&[]), 0);
    assert_eq!(rig.manifest()["as_of"], AS_OF);
    assert!(rig.table("findings").iter().all(|row| row["first_seen"] == AS_OF && row["last_seen"] == AS_OF));
}
