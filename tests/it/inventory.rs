//! Tests of the tables of a tenant, compared cell by cell with what the oracle of the sandbox expects.

use super::rig::{AS_OF, Rig, Row, as_of, assert_exit, people};
use bt_rollcall_sandbox::{Expect, Expected, ExpectedFinding, Faults, World};
use serde_json::Value;
use std::fs;

const SOURCE: &str = "sandbox";

/// Executes one run and compares its tables with the oracle.
#[track_caller]
fn agrees(world: World, faults: Faults) {
    let rig = Rig::new(world, faults);
    assert_exit(&rig.run(&[]), 0);
    compare(&rig);
}

/// Compares all tables of the newest snapshot with the oracle.
#[track_caller]
pub fn compare(rig: &Rig) {
    let expected: Expected = rig.sandbox.with_world(|world| world.expected(&Expect::usual(SOURCE, as_of())));
    same_rows("users", &rig.table("users"), &expected.users);
    same_rows("groups", &rig.table("groups"), &expected.groups);
    same_rows("memberships", &rig.table("memberships"), &expected.memberships);
    same_findings(&rig.table("findings"), &expected.findings);
}

/// Columns that the oracle does not know, because a run or its policy adds them.
const COLUMNS_OF_A_RUN: [&str; 10] = [
    "owner",
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

/// Compares the rows of a table with the expected ones.
#[track_caller]
pub fn same_rows(table: &str, found: &[Row], expected: &[Row]) {
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        for (column, cell) in expected {
            assert_eq!(found.get(column), Some(cell), "{table}, row {place}, column {column}");
        }
        let more = found
            .keys()
            .filter(|column| !expected.contains_key(*column) && !COLUMNS_OF_A_RUN.contains(&column.as_str()));
        assert_eq!(more.collect::<Vec<_>>(), Vec::<&String>::new(), "{table}, row {place}");
    }
    assert_eq!(found.len(), expected.len(), "{table}");
}

/// Compares findings with those that the oracle expects.
#[track_caller]
pub fn same_findings(found: &[Row], expected: &[ExpectedFinding]) {
    for (found, expected) in found.iter().map(finding).zip(expected) {
        assert_eq!(&found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

/// Returns what the oracle knows about a finding.
fn finding(row: &Row) -> ExpectedFinding {
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

#[test]
fn thousand_unusual_users_are_read_as_the_oracle_expects() {
    agrees(people(1000), Faults::default());
}

#[test]
fn sparse_lists_are_completed_by_id() {
    agrees(people(1000), Faults { sparse_lists: true, ..Faults::default() });
}

#[test]
fn no_user_is_lost_when_the_server_limits_the_page_size() {
    agrees(people(1000), Faults { page_clamp: Some(37), ..Faults::default() });
}

#[test]
fn lists_without_totals_are_complete() {
    agrees(people(1000), Faults { no_total: true, ..Faults::default() });
    agrees(people(1000), Faults { no_total: true, page_clamp: Some(10), sparse_lists: true, ..Faults::default() });
}

#[test]
fn list_whose_last_page_is_full_is_complete() {
    agrees(people(400), Faults { no_total: true, ..Faults::default() });
    agrees(people(99), Faults { unpaged_groups: true, ..Faults::default() });
}

#[test]
fn tenant_with_one_user_is_read_exactly() {
    agrees(people(1), Faults::default());
}

#[test]
fn two_runs_at_the_same_instant_write_the_same_bytes() {
    let rig = Rig::seeded(500);
    // The first run has no baseline, so its findings are new. The second and the third can be compared.
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

/// Replaces some bytes by as many others. The run id is part of the metadata of Parquet files.
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
fn unchanging_tenant_costs_at_most_four_percent_more_requests_than_necessary() {
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
fn ages_are_computed_from_as_of() {
    let rig = Rig::seeded(300);
    assert_exit(&rig.run(&[]), 0);
    assert_eq!(rig.manifest()["as_of"], AS_OF);
    assert!(rig.table("findings").iter().all(|row| row["first_seen"] == AS_OF && row["last_seen"] == AS_OF));
}
