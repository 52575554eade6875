//! `README.txt` and `review.csv` of published snapshots: the commands of the text work, and nothing is left undescribed.

use super::rig::{Rig, Row, as_of, assert_exit, people, rows_of};
use bt_rollcall::digest::sha256_hex;
use bt_rollcall::snapshot::manifest::Manifest;
use bt_rollcall::snapshot::readme::{self, README};
use bt_rollcall_sandbox::{Faults, Surface, World};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Publishes a snapshot and returns its folder.
fn snapshot(rig: &Rig) -> PathBuf {
    assert_exit(&rig.run(&[]), 0);
    fs::canonicalize(rig.folder.path().join("snapshots/latest")).unwrap()
}

fn manifest(snapshot: &Path) -> Manifest {
    serde_json::from_slice(&fs::read(snapshot.join("manifest.json")).unwrap()).unwrap()
}

/// Returns the commands of the text that contain this word, without their indentation.
fn commands(snapshot: &Path, word: &str) -> Vec<String> {
    let text = fs::read_to_string(snapshot.join(README)).unwrap();
    let indented = text.lines().filter_map(|line| line.strip_prefix("    "));
    indented.filter(|line| line.contains(word) && !line.starts_with(' ')).map(str::to_owned).collect()
}

/// Runs a command of the text in the folder of the snapshot. Returns whether it succeeded, and its output.
fn shell(snapshot: &Path, command: &str) -> (bool, String) {
    let output = Command::new("sh").args(["-c", command]).current_dir(snapshot).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn the_commands_of_a_readme_accept_the_snapshot_and_find_a_changed_file() {
    let rig = Rig::new(people(40), Faults::default());
    let snapshot = snapshot(&rig);
    let [check, anchor] = <[String; 2]>::try_from(commands(&snapshot, "sha256sum")).unwrap();
    assert_eq!(shell(&snapshot, &check), (true, String::new()));
    let sha256 = sha256_hex(&fs::read(snapshot.join("manifest.json")).unwrap());
    assert_eq!(shell(&snapshot, &anchor), (true, format!("{sha256}  manifest.json\n")));

    let users = snapshot.join("users.csv");
    let changed = fs::read_to_string(&users).unwrap().replacen("true", "false", 1);
    fs::write(&users, changed).unwrap();
    let (accepted, output) = shell(&snapshot, &check);
    assert!(!accepted && output.contains("users.csv: FAILED") && !output.contains("groups.csv"), "{output}");
    fs::remove_file(snapshot.join("groups.csv")).unwrap();
    let (accepted, output) = shell(&snapshot, &check);
    assert!(!accepted && output.contains("groups.csv: FAILED"), "{output}");
}

#[test]
fn a_readme_describes_exactly_the_files_of_its_snapshot_and_follows_from_the_manifest() {
    for (tables, reports, csv) in [
        ("[\"csv\", \"parquet\"]", "[\"html\"]", "strict"),
        ("[\"parquet\"]", "[]", "strict"),
        ("[\"csv\"]", "[\"html\"]", "excel\"\ncsv_separator = \"semicolon"),
    ] {
        let rig = Rig::new(people(12), Faults::default());
        rig.edit("csv = \"raw\"\n", &format!("csv = \"{csv}\"\ntables = {tables}\nreports = {reports}\n"));
        let snapshot = snapshot(&rig);
        let manifest = manifest(&snapshot);
        let text = fs::read_to_string(snapshot.join(README)).unwrap();
        assert_eq!(readme::text(&manifest), text);
        let listed: Vec<&str> = manifest.files.iter().map(|file| file.path.as_str()).collect();
        assert!(listed.contains(&README) && listed.contains(&"review.csv"), "{listed:?}");
        let section = text.split("\nFiles\n").nth(1).unwrap().split("\nCheck the files").next().unwrap();
        let heads = section.lines().filter(|line| line.contains('.') && !line.starts_with([' ', '-']));
        let heads = heads.take_while(|line| !line.starts_with("CSV files"));
        let mut described: Vec<&str> = heads.flat_map(|line| line.split(", ")).collect();
        described.sort_unstable();
        let mut expected = [listed, vec!["manifest.json"]].concat();
        expected.sort_unstable();
        assert_eq!(described, expected, "{text}");
        let unlisted = "Accounts without any known membership have no row: review the enabled ones by";
        let instant = "as of 2026-11-23T02:00:00Z";
        for fact in [manifest.run_id.as_str(), instant, "btrollcall.run.manifest_sha256", unlisted] {
            assert!(text.contains(fact), "{fact} is not in {text}");
        }
        assert_eq!(text.contains("'users.parquet'"), tables.contains("parquet"), "{text}");
        assert_eq!(text.contains("delim = ';'"), csv.starts_with("excel"), "{text}");
        assert_exit(&rig.call(&["verify", snapshot.to_str().unwrap()]), 0);
    }
}

#[test]
fn every_line_of_a_readme_has_at_most_120_characters_except_the_command_that_hashes() {
    let rig = Rig::new(people(12), Faults::default());
    let text = fs::read_to_string(snapshot(&rig).join(README)).unwrap();
    for line in text.lines().filter(|line| !line.contains("sha256sum --check")) {
        assert!(line.chars().count() <= 120, "{line}");
    }
}

fn review(snapshot: &Path) -> Vec<Row> {
    rows_of(fs::File::open(snapshot.join("review.csv")).unwrap())
}

#[test]
fn every_snapshot_has_the_population_of_a_review_even_without_csv_tables() {
    let rig = Rig::with_surfaces(&[Surface::Pra], World::seeded(7, 60, as_of()), Faults::default(), None);
    rig.append("[[policy.group_owners]]\ngroup = \"glob:*admin*\"\nowner = \"Head of IT\"\nemail = \"it@example.com\"");
    let first = snapshot(&rig);
    let (rows, memberships) = (review(&first), rig.table("memberships"));
    assert_eq!(rows.len(), memberships.len());
    let users: BTreeMap<String, Row> = rig.table("users").into_iter().map(|row| (row["id"].clone(), row)).collect();
    let findings = rig.table("findings");
    for (row, membership) in rows.iter().zip(&memberships) {
        for column in
            ["source", "group_id", "group_name", "user_id", "username", "enabled", "last_login", "confirmed_at"]
        {
            assert_eq!(row[column], membership[column], "{column}");
        }
        let is_admin = row["group_name"].to_lowercase().contains("admin");
        assert_eq!(row["group_owner"], if is_admin { "Head of IT" } else { "" });
        assert_eq!(row["person"], users.get(&row["user_id"]).map(|user| user["person"].clone()).unwrap_or_default());
        let mut rules: Vec<&str> = findings
            .iter()
            .filter(|f| f["subject_kind"] == "user" && f["subject_id"] == row["user_id"] && f["status"] != "resolved")
            .map(|f| f["rule"].as_str())
            .collect();
        rules.sort_unstable();
        rules.dedup();
        assert_eq!(row["findings"], serde_json::to_string(&rules).unwrap());
        assert!(["decision", "decided_by", "decided_on", "comment"].iter().all(|column| row[*column].is_empty()));
    }
    assert!(rows.iter().any(|row| !row["group_owner"].is_empty()) && rows.iter().any(|row| row["findings"] != "[]"));
    assert!(rows.iter().any(|row| row["user_id"].is_empty() && !row["display_name"].is_empty()), "a directory member");

    rig.edit("csv = \"raw\"\n", "csv = \"raw\"\ntables = [\"parquet\"]\n");
    assert_exit(&rig.run_on_day(1, &[]), 0);
    let second = fs::canonicalize(rig.folder.path().join("snapshots/latest")).unwrap();
    assert!(second != first && !second.join("users.csv").exists());
    let keys = |rows: Vec<Row>| rows.into_iter().map(|row| row["row_key"].clone()).collect::<Vec<_>>();
    assert_eq!(keys(review(&second)), keys(rows));
}
