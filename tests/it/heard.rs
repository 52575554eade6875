//! What stands told: a run that was not proven tells, and what is not so any more is taken back by the next that can prove it.

use super::changes::{Cast, cast, cast_of, changes, set, told};
use super::rig::{Rig, as_of, assert_exit, stdout};
use bt_rollcall::sandbox::{Faults, Surface, World};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

#[test]
fn what_a_partial_run_told_and_what_was_undone_since_is_taken_back() {
    let Cast { rig, .. } = cast();
    assert_exit(&rig.run(&[]), 0);
    let base = rig.snapshot();
    rig.sandbox.with_world(|world| set(world, 3, "enabled", json!(false)));
    rig.sandbox.set_faults(Faults { forbid_groups: true, ..Faults::default() });
    assert_exit(&rig.run(&[]), 3);
    let partial = rig.snapshot();
    assert_eq!(told(&rig), [["user.disabled", "3", "enabled", "true", "false"].map(str::to_owned)]);
    rig.sandbox.with_world(|world| {
        set(world, 3, "enabled", json!(true));
        set(world, 4, "enabled", json!(true));
    });
    rig.sandbox.set_faults(Faults::default());
    assert_exit(&rig.run(&[]), 0);
    assert_eq!(told(&rig), ["3", "4"].map(|id| ["user.enabled", id, "enabled", "false", "true"].map(str::to_owned)));
    let since: Vec<String> = changes(&rig.snapshot()).iter().map(|row| row["base_run"].clone()).collect();
    assert_eq!(since, [&partial, &base].map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()));
    assert_eq!(rig.manifest()["base"]["run_id"], *since[1], "the base is the newest complete snapshot");
    assert_exit(&rig.run(&[]), 0);
    assert_eq!(told(&rig).len(), 0, "told once");
}

#[test]
fn what_a_partial_run_told_is_taken_back_however_many_others_did_not_look_there() {
    let rig = Rig::of(&[Surface::Guide, Surface::Scim], World::ordinary(3, 60, as_of()), Faults::default(), None);
    assert_exit(&rig.run(&[]), 0);
    let base = rig.snapshot();
    let id = *rig.sandbox.with_world(|world| world.user_ids()).iter().nth(5).unwrap();
    let enable = |enabled: bool| rig.sandbox.with_world(|world| set(world, id, "enabled", json!(enabled)));
    let of_guide = || -> Vec<[String; 3]> {
        let told = changes(&rig.snapshot());
        let told = told.iter().filter(|row| row["source"] == "sandbox-rest-v3");
        told.map(|row| ["kind", "subject_id", "base_run"].map(|column| row[column].clone())).collect()
    };
    let event =
        |kind: &str, run: &Path| [kind, &id.to_string(), run.file_name().unwrap().to_str().unwrap()].map(str::to_owned);
    let was_enabled = rig.table("users").iter().find(|row| row["id"] == id.to_string()).unwrap()["enabled"] == "true";
    let (there, back) = if was_enabled { ("user.disabled", "user.enabled") } else { ("user.enabled", "user.disabled") };

    enable(!was_enabled);
    assert_exit(&rig.run(&["--source", "sandbox-rest-v3"]), 3);
    let partial = rig.snapshot();
    assert_eq!(of_guide(), [event(there, &base)]);
    assert_eq!(fs::read_to_string(partial.join("heard.jsonl")).unwrap().lines().count(), 1);
    enable(was_enabled);
    for _ in 0..2 {
        assert_exit(&rig.run(&["--source", "sandbox-scim"]), 3);
        assert_eq!(of_guide(), [[""; 3]; 0], "it did not look there");
    }
    assert_exit(&rig.run(&[]), 0);
    assert_eq!(of_guide(), [event(back, &partial)]);
    assert!(!rig.snapshot().join("heard.jsonl").exists(), "it is a base itself");
    assert!(was_enabled);
    let clocks = fs::read_to_string(rig.snapshot().join("clocks.jsonl")).unwrap();
    let clock = clocks.lines().find(|line| line.contains("rest-v3") && line.contains(&format!("\"id\":\"{id}\"")));
    assert!(clock.is_some_and(|clock| clock.contains("enabled_again")), "its clock begins anew: {clocks}");
    assert_exit(&rig.run(&[]), 0);
    assert_eq!(of_guide(), [[""; 3]; 0], "told once");
}

#[test]
fn a_group_that_takes_in_whom_a_provider_brings_loses_nobody_because_providers_could_not_be_read() {
    let rig = Rig::of(&[Surface::Pra], World::seeded(1, 43, as_of()), Faults::default(), None);
    assert_exit(&rig.run(&[]), 0);
    rig.sandbox.set_faults(Faults { forbid_providers: true, ..Faults::default() });
    assert_exit(&rig.run(&[]), 3);
    assert_eq!(told(&rig), [[""; 5]; 0], "nothing changed");
    let rules = rig.manifest()["rules"].clone();
    let growth = rules.as_array().unwrap().iter().find(|entry| entry["rule"] == "privileged-growth").unwrap();
    assert!(growth["undetermined"].as_u64() > Some(0), "{growth}");
    rig.sandbox.set_faults(Faults::default());
    assert_exit(&rig.run(&[]), 0);
    assert_eq!(told(&rig), [[""; 5]; 0]);
}

#[test]
fn what_a_damaged_run_told_is_lost_in_words_and_what_stood_before_it_is_taken_back() {
    let Cast { rig, .. } = cast();
    assert_exit(&rig.run(&[]), 0);
    let forbidden = Faults { forbid_groups: true, ..Faults::default() };
    rig.sandbox.set_faults(forbidden.clone());
    rig.sandbox.with_world(|world| set(world, 3, "enabled", json!(false)));
    assert_exit(&rig.run(&[]), 3);
    let first = rig.snapshot();
    assert_exit(&rig.run(&[]), 3);
    let damaged = rig.snapshot();
    fs::write(damaged.join("users.csv"), "").unwrap();
    rig.sandbox.with_world(|world| set(world, 3, "enabled", json!(true)));
    rig.sandbox.set_faults(Faults::default());
    assert_exit(&rig.run(&[]), 0);
    assert_eq!(told(&rig), [["user.enabled", "3", "enabled", "false", "true"].map(str::to_owned)]);
    let base_run = changes(&rig.snapshot())[0]["base_run"].clone();
    assert_eq!(base_run, first.file_name().unwrap().to_str().unwrap());
    let warnings = rig.manifest()["warnings"].to_string();
    let lost = "what that run told and is not so any more is not taken back";
    assert!(warnings.contains("bt-rollcall verify"), "with its cure: {warnings}");
    assert!(warnings.contains(damaged.file_name().unwrap().to_str().unwrap()) && warnings.contains(lost), "{warnings}");
}

const GUIDE: [&str; 2] = ["--source", "sandbox-rest-v3"];

#[test]
fn what_a_complete_run_is_not_told_is_neither_confirmed_nor_taken_back_and_it_says_so() {
    let Cast { rig, group, admins } = cast_of(&[Surface::Guide, Surface::Scim]);
    assert_exit(&rig.run(&[]), 0);
    let groups = |of: Value| rig.sandbox.with_world(|world| set(world, 1, "group_memberships", of));
    groups(json!([group, admins]));
    assert_exit(&rig.run(&GUIDE), 3);
    assert_eq!(changes(&rig.snapshot())[0]["kind"], "membership.added");
    groups(Value::Null);
    assert_exit(&rig.run(&[]), 0);
    let warnings = rig.manifest()["warnings"].to_string();
    let said = "can neither be confirmed nor taken back, because this run is not told what they are about";
    assert!(
        warnings.contains(said) && warnings.contains("membership.added of 1 in source sandbox-rest-v3"),
        "{warnings}"
    );
    assert_exit(&rig.run(&[]), 0);
    assert!(!rig.manifest()["warnings"].to_string().contains(said), "once");
}

#[test]
fn what_is_taken_back_is_told_apart_from_what_changed_since_the_base() {
    let Cast { rig, group, admins } = cast_of(&[Surface::Guide, Surface::Scim]);
    let groups = |of: Value| rig.sandbox.with_world(|world| set(world, 2, "group_memberships", of));
    groups(json!([group, admins]));
    assert_exit(&rig.run(&[]), 0);
    groups(json!([group]));
    assert_exit(&rig.run(&GUIDE), 3);
    let partial = rig.snapshot().file_name().unwrap().to_str().unwrap().to_owned();
    groups(json!([group, admins]));
    rig.sandbox.with_world(|world| {
        let mut renamed = world.group(admins).unwrap().clone();
        renamed.insert("name".to_owned(), json!("Administrators of all"));
        world.put_group(admins, renamed);
        set(world, 2, "username", json!("ben.smith"));
    });
    let output = rig.run(&[]);
    assert_exit(&output, 0);
    let told = stdout(&output);
    assert!(told.contains(": 2 user.renamed, 2 group.renamed; 1 of partial runs taken back"), "{told}");
    let back = changes(&rig.snapshot()).into_iter().find(|row| row["base_run"] == partial).unwrap();
    assert_eq!((&*back["kind"], &*back["subject_name"]), ("membership.added", "ben.smith"), "as it is called now");
    let page = fs::read_to_string(rig.snapshot().join("report.html")).unwrap();
    for words in [
        "1 change that partial runs had told since then is taken back",
        &format!(
            "joined the group &#34;Administrators of all&#34; (id {admins}) (taken back: {partial} had told otherwise)"
        ),
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("membership gained") && !page.contains("memberships gained"));
    assert!(!rig.snapshot().join("heard.jsonl").exists(), "a complete one is a base itself");
    let again = rig.call(&["report", rig.snapshot().to_str().unwrap()]);
    assert_exit(&again, 0);
    assert!(stdout(&again) == page);
}
