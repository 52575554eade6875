//! Tests of changes: the table of changes, the events and `diff`, compared with what was done to the tenant.

mod replay;

pub use replay::{Replay, State, changes, state};

use super::receiver::{Receiver, body};
use super::rig::{AS_OF, Rig, Row, SURFACES, as_of, assert_exit, read_json, rows_of, set_field, stderr, stdout};
use bt_rollcall_sandbox::{Faults, Surface, World};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

/// Returns kind, subject id, field, before and after of each change of the newest snapshot.
fn newest_changes(rig: &Rig) -> Vec<[String; 5]> {
    let row = |row: &Row| ["kind", "subject_id", "field", "before", "after"].map(|column| row[column].clone());
    changes(&rig.snapshot()).iter().map(row).collect()
}

/// A tenant with five users in one group, and an empty privileged group.
struct FiveUsers {
    rig: Rig,
    group: u64,
    admins: u64,
}

fn record(name: &str, enabled: bool, groups: &[u64]) -> serde_json::Map<String, Value> {
    let record = json!({
        "username": name, "display_name": name, "email_address": format!("{name}@example.com"), "enabled": enabled,
        "account_type": "LDAP", "group_memberships": groups, "last_login": "2026-11-20T00:00:00Z",
        "created_at": "2026-01-01T00:00:00Z",
    });
    record.as_object().unwrap().clone()
}

fn five_users() -> FiveUsers {
    let mut world = World::empty();
    let named = |name: &str| json!({"name": name}).as_object().unwrap().clone();
    let group = world.add_group(named("Operators"));
    let admins = world.add_group(named("Administrators"));
    for (name, enabled) in [("ann", true), ("ben", true), ("cleo", true), ("dora", false), ("eve", true)] {
        world.add_user(record(name, enabled, &[group]));
    }
    FiveUsers { rig: Rig::new(world, Faults::default()), group, admins }
}

#[test]
fn edits_of_one_day_are_reported_exactly_and_nothing_else_is() {
    let FiveUsers { rig, group, admins } = five_users();
    let output = rig.run(&[]);
    assert_exit(&output, 0);
    assert!(stdout(&output).contains("this is the first snapshot, a baseline for the next run"), "{}", stdout(&output));
    assert_eq!(newest_changes(&rig), Vec::<[String; 5]>::new(), "a baseline has no changes");
    let newcomer = rig.sandbox.with_world(|world| {
        set_field(world, 1, "username", json!("ann.smith"));
        set_field(world, 2, "group_memberships", json!([group, admins]));
        set_field(world, 3, "enabled", json!(false));
        set_field(world, 4, "enabled", json!(true));
        world.remove_user(5);
        world.add_user(record("finn", true, &[group]))
    });
    assert_exit(&rig.run(&[]), 0);
    let (newcomer, group, admins) = (newcomer.to_string(), group.to_string(), admins.to_string());
    let expected: Vec<[&str; 4]> = vec![
        ["user.added", &newcomer, "", ""],
        ["membership.added", "2", "group_memberships", ""],
        ["membership.added", &newcomer, "group_memberships", ""],
        ["user.renamed", "1", "username", "ann"],
        ["membership.removed", "5", "group_memberships", &group],
        ["user.disabled", "3", "enabled", "true"],
        ["user.enabled", "4", "enabled", "false"],
        ["user.removed", "5", "", ""],
    ];
    let found = newest_changes(&rig);
    // `before` of a removed account is a JSON object with its fields, which this test does not compare.
    let kinds: Vec<[&str; 4]> = found
        .iter()
        .map(|[kind, id, field, before, _]| {
            let before = if kind == "user.removed" { "" } else { before.as_str() };
            [kind.as_str(), id, field, before]
        })
        .collect();
    assert_eq!(kinds, expected);
    let after = |at: usize| found[at][4].as_str();
    assert_eq!([after(1), after(2), after(3)], [admins.as_str(), &group, "ann.smith"]);
    let manifest = rig.manifest();
    assert_eq!(manifest["counts"]["changes"]["membership.added"], 2);
    let base = manifest["base"]["run_id"].as_str().unwrap().to_owned();
    assert!(changes(&rig.snapshot()).iter().all(|row| row["base_run"] == base));
    let report = rig.report();
    assert!(report.contains(&format!("Changes since <bdi>{base}</bdi>")));
    let place = |text: &str| report.find(text).unwrap();
    assert!(place("added to privileged group &#34;Administrators&#34;") < place("added to group &#34;Operators&#34;"));
}

#[test]
fn list_of_groups_that_is_read_for_the_first_time_is_a_baseline_on_every_surface() {
    for surface in Surface::ALL {
        let faults = Faults { forbid_groups: true, rs: surface == Surface::Rs, ..Faults::default() };
        let rig = Rig::with_surfaces(&[surface], World::seeded(1, 103, as_of()), faults.clone(), None);
        assert_exit(&rig.run(&[]), 3);
        rig.sandbox.set_faults(Faults { forbid_groups: false, ..faults });
        assert_exit(&rig.run(&[]), 0);
        assert_eq!(newest_changes(&rig), Vec::<[String; 5]>::new(), "{surface:?}");
    }
}

#[test]
fn changes_of_several_days_applied_in_order_give_the_last_inventory() {
    let rig = Rig::with_surfaces(&SURFACES, World::seeded(1, 403, as_of()), Faults::default(), None);
    assert_exit(&rig.run(&[]), 0);
    let mut rebuilt = state(&rig.snapshot());
    for day in 0..5 {
        rig.sandbox.with_world(|world| world.simulate_day(day, as_of()));
        if day == 2 {
            // `simulate_day` adds and removes no groups.
            let group = rig.sandbox.with_world(|world| world.groups().last().map(|(id, _)| id).unwrap());
            rig.sandbox.with_world(|world| world.remove_group(group));
            let named = json!({"name": "New group"}).as_object().unwrap().clone();
            rig.sandbox.with_world(|world| world.add_group(named));
        }
        assert_exit(&rig.run(&[]), 0);
        let changes = changes(&rig.snapshot());
        assert!(!changes.is_empty());
        rebuilt.apply_all(&changes);
        let now = state(&rig.snapshot());
        assert!(rebuilt.users == now.users, "day {day}: users");
        assert!(rebuilt.groups == now.groups, "day {day}: groups");
        assert!(rebuilt.pairs == now.pairs, "day {day}: memberships");
    }
    let (first, last) = (rig.snapshots().remove(0), rig.snapshot());
    let output = rig.call(&["diff", "--csv", first.to_str().unwrap(), last.to_str().unwrap()]);
    assert_exit(&output, 0);
    let mut rebuilt = state(&first);
    // `diff` guards cells against formulas. No name in these changes looks like a formula, so all cells are exact.
    rebuilt.apply_all(&rows_of(&output.stdout[..]));
    assert!(rebuilt == state(&last), "the difference of any two snapshots rebuilds the newer one");
}

#[test]
fn forbidden_list_reports_no_removal_and_the_next_complete_run_reports_all_changes() {
    let rig =
        Rig::with_surfaces(&[Surface::Guide, Surface::Pra], World::seeded(2, 203, as_of()), Faults::default(), None);
    assert_exit(&rig.run(&[]), 0);
    let good = rig.snapshot();
    rig.sandbox.with_world(|world| world.simulate_day(1, as_of()));
    let leaver = rig.sandbox.with_world(|world| {
        let id = *world.user_ids().iter().nth(50).unwrap();
        assert!(world.remove_user(id));
        id.to_string()
    });
    rig.sandbox.set_faults(Faults { forbid_users: true, ..Faults::default() });
    let output = rig.run(&[]);
    assert!([1, 3].contains(&output.status.code().unwrap()), "{}", stderr(&output));
    if output.status.code() == Some(3) {
        let kinds: BTreeSet<String> = newest_changes(&rig).into_iter().map(|[kind, ..]| kind).collect();
        let verb = |kind: &String| kind.split('.').nth(1).unwrap().to_owned();
        assert!(kinds.iter().all(|kind| !["added", "removed"].contains(&verb(kind).as_str())), "{kinds:?}");
    }
    rig.sandbox.set_faults(Faults::default());
    assert_exit(&rig.run(&[]), 0);
    assert_eq!(rig.manifest()["base"]["run_id"], good.file_name().unwrap().to_str().unwrap());
    assert!(newest_changes(&rig).iter().any(|[kind, id, ..]| kind == "user.removed" && *id == leaver));
    let mut rebuilt = state(&good);
    rebuilt.apply_all(&changes(&rig.snapshot()));
    assert!(rebuilt == state(&rig.snapshot()));
}

#[test]
fn partial_run_reports_the_changes_that_are_proven() {
    let FiveUsers { rig, admins, .. } = five_users();
    assert_exit(&rig.run(&[]), 0);
    rig.sandbox.with_world(|world| {
        set_field(world, 1, "username", json!("ann.smith"));
        set_field(world, 2, "group_memberships", json!([admins]));
        world.remove_group(admins);
    });
    rig.sandbox.set_faults(Faults { forbid_groups: true, ..Faults::default() });
    assert_exit(&rig.run(&[]), 3);
    let kinds: Vec<String> = newest_changes(&rig).into_iter().map(|[kind, ..]| kind).collect();
    let by_records = ["membership.added", "user.renamed", "membership.removed"];
    assert_eq!(
        kinds, by_records,
        "no group is removed, because the list was forbidden; memberships come from the records of the accounts"
    );
    let report = rig.report();
    assert!(report.contains("not proven complete: groups. Rows that are missing from these lists are kept"));
}

#[test]
fn changes_are_sent_in_order_before_findings_and_run_completed() {
    let receiver = Receiver::start();
    let rig = Rig::with_syslog(World::seeded(4, 403, as_of()), Faults::default(), Some(&receiver.url()));
    assert_exit(&rig.run(&[]), 0);
    let first = receiver.messages().len();
    rig.sandbox.with_world(|world| world.simulate_day(1, as_of()));
    assert_exit(&rig.run(&[]), 0);
    let messages: Vec<Value> = receiver.messages()[first..].iter().map(|message| body(message)).collect();
    let rows = changes(&rig.snapshot());
    let [baseline, newest] = &rig.snapshots()[..] else { panic!("two snapshots") };
    for (field, snapshot) in [("start", baseline), ("end", newest)] {
        let started_at = read_json(&snapshot.join("manifest.json"))["started_at"].as_str().unwrap().parse();
        let started_at: DateTime<Utc> = started_at.unwrap();
        let expected = started_at.to_rfc3339_opts(SecondsFormat::Millis, true);
        assert_eq!(messages[0]["event"][field], expected, "event.{field}");
    }
    let ids: Vec<&str> = messages.iter().take(rows.len()).map(|body| body["event"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids, rows.iter().map(|row| row["event_id"].as_str()).collect::<Vec<_>>(), "first, and in order");
    let rest = &messages[rows.len()..];
    assert!(rest[..rest.len() - 1].iter().all(|body| body["event"]["dataset"] == "btrollcall.finding"));
    let last = &rest[rest.len() - 1];
    assert_eq!(
        (&last["event"]["code"], &last["btrollcall"]["run"]["emitted"]),
        (&json!("run.completed"), &json!(messages.len()))
    );
    assert_eq!(last["btrollcall"]["run"]["changes"], rig.manifest()["counts"]["changes"]);
    let promoted: Vec<&Value> =
        messages.iter().filter(|body| body["btrollcall"]["group"]["sensitivity"] == "privileged").collect();
    assert!(promoted.iter().any(|body| body["event"]["code"] == "membership.added" && body["event"]["severity"] == 8));
    let sequences: Vec<u64> = messages.iter().filter_map(|body| body["event"]["sequence"].as_u64()).collect();
    assert_eq!(sequences, (1..messages.len() as u64).collect::<Vec<_>>(), "numbered through");
    assert!(messages.iter().all(|body| body["event"]["kind"] != "event" || body["event"]["start"].is_string()));
}

#[test]
fn events_about_an_account_have_its_standing_even_if_the_account_or_its_list_of_groups_is_missing() {
    let receiver = Receiver::start();
    let mut world = World::empty();
    let named = |name: &str| json!({"name": name}).as_object().unwrap().clone();
    let admins = world.add_group(named("Administrators"));
    for name in ["ann", "ben", "cleo"] {
        world.add_user(record(name, false, &[admins]));
    }
    let rig = Rig::with_syslog(world, Faults::default(), Some(&receiver.url()));
    let sent = || -> Vec<Value> {
        let before = receiver.messages().len();
        rig.run(&[]);
        receiver.messages()[before..].iter().map(|message| body(message)).collect()
    };
    let of = |events: &[Value], code: &str| {
        let event = events.iter().find(|event| event["event"]["code"] == code).unwrap_or_else(|| panic!("no {code}"));
        let full_name = event["user"]["full_name"].as_str().unwrap().to_owned();
        assert_eq!(event["user"]["email"], format!("{full_name}@example.com"));
        (full_name, event["btrollcall"]["account"].clone(), event["event"]["severity"].clone())
    };
    let standing = |enabled: bool| {
        json!({
            "sensitivity": "privileged", "privileged": true, "kind": "person", "enabled": enabled, "source": "sandbox",
        })
    };
    let opened = sent();
    assert_eq!(of(&opened, "finding.disabled-in-group").1, standing(false));
    rig.sandbox.with_world(|world| {
        set_field(world, 1, "enabled", json!(true));
        world.remove_user(2);
    });
    let edited = sent();
    assert_eq!(of(&edited, "user.enabled"), ("ann".to_owned(), standing(true), json!(8)));
    assert_eq!(of(&edited, "user.removed"), ("ben".to_owned(), standing(false), json!(3)));
    let resolved: Vec<&Value> = edited.iter().filter(|event| event["event"]["action"] == "finding-resolved").collect();
    let of_ben = resolved.iter().find(|event| event["user"]["name"] == "ben").unwrap();
    assert_eq!(of_ben["btrollcall"]["account"], standing(false), "of an account that is gone");
    assert!(of_ben["message"].as_str().unwrap().contains("resolved: ben in sandbox: "));
    rig.sandbox.with_world(|world| set_field(world, 3, "enabled", json!(true)));
    rig.sandbox.set_faults(Faults { forbid_groups: true, ..Faults::default() });
    let partial = sent();
    assert_eq!(of(&partial, "user.enabled"), ("cleo".to_owned(), standing(true), json!(8)), "its group is kept");
    let last = partial.last().unwrap();
    assert_eq!(last["event"]["outcome"], "unknown");
    let source = &last["btrollcall"]["run"]["sources"][0];
    assert_eq!((&source["status"], &source["accounts"]), (&json!("partial"), &json!(2)));
    assert!(source["reason"].as_str().unwrap().contains("groups"), "{source}");
    assert!(last["event"]["reason"].as_str().unwrap().contains("sandbox: "), "{last}");
}

#[test]
fn diff_prints_text_json_and_csv_and_refuses_folders_that_are_not_snapshots() {
    let FiveUsers { rig, admins, .. } = five_users();
    assert_exit(&rig.run(&[]), 0);
    let name = "x\u{1b}[2J\u{202e}\n=1";
    rig.sandbox.with_world(|world| {
        set_field(world, 1, "username", json!(name));
        set_field(world, 2, "group_memberships", json!([admins]));
    });
    assert_exit(&rig.run(&[]), 0);
    let folders = rig.snapshots();
    let [old, new] = [&folders[0], &folders[1]].map(|folder| folder.to_str().unwrap());
    let output = rig.call(&["diff", old, new]);
    assert_exit(&output, 0);
    let text = stdout(&output);
    assert!(text.contains("sandbox\n") && text.contains("user.renamed (1)") && text.contains("PRIVILEGED"), "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text:?}");
    let json_output = rig.call(&["diff", "--json", old, new]);
    let events: Vec<Value> = serde_json::from_slice(&json_output.stdout).unwrap();
    let table = changes(&rig.snapshot());
    let ids: Vec<&str> = events.iter().map(|event| event["event_id"].as_str().unwrap()).collect();
    assert_eq!(
        ids,
        table.iter().map(|row| row["event_id"].as_str()).collect::<Vec<_>>(),
        "the same events as those of the run"
    );
    assert!(events.iter().any(|event| event["after"] == name), "{events:?}");
    let csv = rig.call(&["diff", "--csv", old, new]);
    assert_eq!(rows_of(&csv.stdout[..]).len(), table.len());
    let nothing = rig.call(&["diff", new, new]);
    assert_exit(&nothing, 0);
    assert!(stdout(&nothing).contains("no change"));
    for wrong in ["/nowhere", rig.folder.path().to_str().unwrap()] {
        let refused = rig.call(&["diff", old, wrong]);
        assert_exit(&refused, 1);
        assert!(
            stderr(&refused).contains(wrong) && stderr(&refused).contains("name a folder such as"),
            "{}",
            stderr(&refused)
        );
        assert!(stdout(&refused).is_empty());
    }
    fs::write(folders[0].join("users.csv"), "id\r\n").unwrap();
    let refused = rig.call(&["diff", old, new]);
    assert_exit(&refused, 1);
    assert!(stderr(&refused).contains("users.csv"));
    let run = rig.call(&["run", "--as-of", AS_OF]);
    assert_exit(&run, 0);
}

#[test]
fn newest_intact_snapshot_is_the_baseline_and_a_run_fails_when_none_is_intact() {
    let FiveUsers { rig, .. } = five_users();
    assert_exit(&rig.run(&[]), 0);
    let first = rig.snapshot();
    rig.sandbox.with_world(|world| set_field(world, 1, "username", json!("ann.smith")));
    assert_exit(&rig.run(&[]), 0);
    let second = rig.snapshot();
    fs::write(second.join("users.parquet"), "x").unwrap();
    rig.sandbox.with_world(|world| set_field(world, 2, "username", json!("ben.smith")));
    let output = rig.run(&[]);
    assert_exit(&output, 0);
    assert!(stderr(&output).contains("users.parquet: changed"), "{}", stderr(&output));
    assert!(stderr(&output).contains("the known state is read from an older snapshot"), "{}", stderr(&output));
    assert_eq!(rig.manifest()["base"]["run_id"], first.file_name().unwrap().to_str().unwrap());
    assert_eq!(newest_changes(&rig).len(), 2, "both days");
    for snapshot in rig.snapshots() {
        fs::write(snapshot.join("users.parquet"), "x").unwrap();
    }
    let output = rig.run(&[]);
    assert_exit(&output, 1);
    assert!(
        stderr(&output).contains("3 snapshots and none can be read") && stderr(&output).contains("hint"),
        "{}",
        stderr(&output)
    );
}

/// Returns the CPU time of all child processes that have ended, in seconds.
///
/// `cutime` and `cstime` of `proc_pid_stat(5)` are in hundredths of a second.
fn children_cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap()..].split_whitespace().collect();
    fields[14..16].iter().map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}

/// Executes one run and returns its CPU time in seconds and its peak memory in MiB.
fn measured(rig: &Rig) -> (f64, f64) {
    let before = children_cpu();
    let mut child = rig.start();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0_f64;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap_or(0.0);
        peak = peak.max(kib / 1024.0);
        std::thread::yield_now();
    }
    assert_exit(&child.wait_with_output().unwrap(), 0);
    (children_cpu() - before, peak)
}

/// Run it with `cargo test --release --test it -- --ignored --nocapture two_thousand_changes`.
#[test]
#[ignore = "a measurement: for a release build and a quiet machine"]
fn two_thousand_changes_of_a_hundred_thousand_users_cost_little_more_than_a_first_run() {
    const USERS: usize = 100_000;
    let rig = Rig::new(World::ordinary(1, USERS, as_of()), Faults::default());
    let first = measured(&rig);
    rig.sandbox.with_world(|world| {
        let ids: Vec<u64> = world.user_ids().into_iter().step_by(USERS / 2000).collect();
        for (at, id) in ids.into_iter().enumerate() {
            match at % 4 {
                0 => set_field(world, id, "username", json!(format!("renamed-{id}"))),
                1 => set_field(world, id, "enabled", json!(at % 8 == 1)),
                2 => assert!(world.remove_user(id)),
                _ => set_field(world, id, "group_memberships", json!([1])),
            }
        }
    });
    let second = measured(&rig);
    let (cpu, memory) = (second.0 - first.0, second.1 - first.1);
    let changes = changes(&rig.snapshot()).len();
    println!("first run {first:?} (s, MiB), second run {second:?}; {changes} changes cost {cpu:.2} s, {memory:.0} MiB");
    assert!(cpu < 2.0 && memory < 60.0);
}
