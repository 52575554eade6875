//! Tests of findings and state over several runs: new, open, reopened and resolved findings, and what snapshots preserve.

use super::changes::{Replay, state};
use super::receiver::{Receiver, body};
use super::rig::{Rig, Row, as_of, assert_exit, day, find_finding, rows, set_field, stderr, stdout};
use bt_rollcall_sandbox::{Earlier, Expect, Faults, Surface, World};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

fn set(rig: &Rig, id: &str, field: &str, value: Value) {
    rig.sandbox.with_world(|world| set_field(world, id.parse().unwrap(), field, value));
}

/// Returns a tenant without unusual users, so that a test changes one thing a day.
fn tenant() -> Rig {
    Rig::new(World::ordinary(3, 300, as_of()), Faults::default())
}

/// Returns the id of a user whose only finding is one of this rule.
fn user_with(rows: &[Row], rule: &str) -> String {
    let mut of_rule = rows.iter().filter(|row| row["rule"] == rule && row["subject_kind"] == "user");
    let alone = |id: &str| rows.iter().filter(|row| row["subject_id"] == id).count() == 1;
    of_rule.find(|row| alone(&row["subject_id"])).expect("a user with this finding only")["subject_id"].clone()
}

/// Runs four days: a stale user signs in, signs in again, and is stale again. Returns the findings of each day.
fn four_days(between: impl Fn(&Rig)) -> Vec<BTreeMap<String, [String; 3]>> {
    let rig = tenant();
    assert_exit(&rig.run_on_day(0, &[]), 0);
    let stale = user_with(&rig.table("findings"), "stale-login");
    let before = rig.sandbox.with_world(|w| w.user(stale.parse().unwrap()).unwrap()["last_login"].clone());
    let mut days = vec![finding_dates(&rig)];
    for (number, login) in [(1, json!(day(1))), (2, json!(day(2))), (3, before)] {
        set(&rig, &stale, "last_login", login);
        between(&rig);
        assert_exit(&rig.run_on_day(number, &[]), 0);
        let now = rig.table("findings");
        let status =
            find_finding(&now, "stale-login", &stale).map(|row| (row["status"].as_str(), row["first_seen"].as_str()));
        let first = day(0);
        let expected = [Some(("resolved", &*first)), None, Some(("reopened", &*first))];
        assert_eq!(status, expected[number as usize - 1], "day {number}");
        let others = now.iter().filter(|row| row["subject_id"] != stale && row["rule"] == "stale-login");
        assert!(others.clone().count() > 0);
        for other in others.filter(|row| row["first_seen"] == first) {
            assert_eq!((&*other["status"], &*other["last_seen"]), ("open", &*day(number)));
        }
        days.push(finding_dates(&rig));
        assert_eq!(rig.warnings(), [""; 0]);
    }
    days
}

/// Returns status, first and last sight of each finding, by fingerprint.
fn finding_dates(rig: &Rig) -> BTreeMap<String, [String; 3]> {
    let of = |row: &Row| [row["status"].clone(), row["first_seen"].clone(), row["last_seen"].clone()];
    rig.table("findings").iter().map(|row| (row["fingerprint"].clone(), of(row))).collect()
}

#[test]
fn finding_stays_open_until_resolved_and_does_not_depend_on_the_state_folder_or_older_snapshots() {
    let kept = four_days(|_| {});
    assert_eq!(kept, four_days(|rig| fs::remove_dir_all(rig.folder.path().join("state")).unwrap()));
    // Losing every snapshot except the newest changes nothing either.
    assert_eq!(kept, four_days(keep_only_the_newest_snapshot));
}

#[test]
fn finding_keeps_the_contact_of_its_account_while_its_source_is_not_read_and_after_the_account_is_removed() {
    let world = World::ordinary(3, 300, as_of());
    let rig = Rig::with_surfaces(&[Surface::Guide, Surface::Pra], world, Faults::default(), None);
    assert_exit(&rig.run_on_day(0, &[]), 0);
    let of_guide = |table: &str| -> Vec<Row> {
        rig.table(table).into_iter().filter(|row| row["source"] == "sandbox-rest-v3").collect()
    };
    let (users, findings) = (of_guide("users"), of_guide("findings"));
    for finding in &findings {
        let user = users.iter().find(|user| finding["subject_kind"] == "user" && user["id"] == finding["subject_id"]);
        let [name, address] = ["display_name", "email_address"].map(|c| user.map(|u| u[c].clone()).unwrap_or_default());
        assert_eq!((&finding["subject_display_name"], &finding["subject_email"]), (&name, &address));
    }
    let id = user_with(&findings, "stale-login");
    let contact = || {
        let findings = of_guide("findings");
        let row = find_finding(&findings, "stale-login", &id).unwrap();
        ["status", "subject_display_name", "subject_email"].map(|column| row[column].clone())
    };
    let [_, name, address] = contact();
    assert!(!name.is_empty() && !address.is_empty());

    assert_exit(&rig.run_on_day(1, &["--source", "sandbox-pra"]), 3);
    assert_eq!(contact(), ["open", &name, &address]);
    assert!(rig.sandbox.with_world(|world| world.remove_user(id.parse().unwrap())));
    assert_exit(&rig.run_on_day(2, &[]), 0);
    assert_eq!(contact(), ["resolved", &name, &address]);
}

#[test]
fn every_use_of_an_emergency_account_is_sent() {
    let receiver = Receiver::start();
    let mut world = World::ordinary(3, 60, as_of());
    let record = json!({"username": "emergency-1", "enabled": true, "account_type": "local", "last_login": null,
        "created_at": "2020-01-01T00:00:00Z", "group_memberships": []});
    let id = world.add_user(record.as_object().unwrap().clone()).to_string();
    let rig = Rig::with_syslog(world, Faults::default(), Some(&receiver.url()));
    let mut seen_before = 0;
    let mut run_and_receive = |number: u32| -> Vec<String> {
        assert_exit(&rig.run_on_day(number, &[]), 0);
        let messages = receiver.messages();
        let new = messages[seen_before..].iter().filter(|message| message.contains("finding.break-glass-used"));
        let new = new.map(|message| body(message));
        let new = new.map(|body| body["btrollcall"]["finding"]["status"].as_str().unwrap().to_owned()).collect();
        seen_before = messages.len();
        new
    };
    assert_eq!(run_and_receive(0), [""; 0]);
    let mut statuses = Vec::new();
    for number in 1..5 {
        if number < 4 {
            set(&rig, &id, "last_login", json!(day(number)));
        }
        statuses.push(run_and_receive(number));
    }
    assert_eq!(statuses, [["new"], ["open"], ["open"], ["resolved"]]);
}

#[test]
fn source_of_another_kind_with_the_same_name_starts_without_history() {
    let rig = tenant();
    assert_exit(&rig.run_on_day(0, &[]), 0);
    let before = rig.table("findings");
    // The sandbox gives the same people the same ids in PRA. They must not be taken for the same accounts.
    rig.edit("kind = \"rest-v3\"", "kind = \"pra\"");
    let output = rig.run_on_day(1, &[]);
    assert_exit(&output, 0);
    let now = rig.table("findings");
    assert!(now.iter().all(|row| row["status"] == "new" && row["first_seen"] == day(1)), "{now:?}");
    let stale = |rows: &[Row]| rows.iter().filter(|row| row["rule"] == "stale-login").count();
    assert!(stale(&now) > 0 && stale(&before) > 0);
    assert!(now.iter().all(|row| before.iter().all(|earlier| earlier["fingerprint"] != row["fingerprint"])));
    let warnings = rig.manifest()["warnings"].to_string();
    let expected =
        format!("{} findings of source sandbox were dropped: it is a different product or host now", before.len());
    assert!(warnings.contains(&expected), "{warnings}");
    assert!(warnings.contains("it starts with a new baseline, and its "), "{warnings}");
    assert!(rig.table("users").iter().all(|row| row["first_seen"] == day(1)));
    assert_exit(&rig.run_on_day(2, &[]), 0);
    assert!(rig.table("findings").iter().all(|row| row["status"] == "open"));
}

#[test]
fn run_before_the_newest_snapshot_is_refused_unless_it_has_another_output_folder() {
    let receiver = Receiver::start();
    let rig = Rig::with_syslog(World::ordinary(3, 60, as_of()), Faults::default(), Some(&receiver.url()));
    assert_exit(&rig.run_on_day(1, &[]), 0);
    let (snapshot, seen_before) = (rig.snapshot(), receiver.messages().len());
    let requests = rig.sandbox.counters().requests;
    let refused = rig.run_on_day(0, &[]);
    assert_exit(&refused, 2);
    let log = stderr(&refused);
    assert!(log.contains("--as-of cannot be earlier") && log.contains("--output DIR"), "{log}");
    assert_eq!((rig.snapshot(), rig.sandbox.counters().requests), (snapshot, requests), "nothing was contacted");
    let elsewhere = rig.folder.path().join("again");
    assert_exit(&rig.run_on_day(0, &["--output", elsewhere.to_str().unwrap()]), 0);
    let again = elsewhere.join("latest");
    assert!(rows(&again.join("users.csv")).iter().all(|row| row["confirmed_at"] == day(0)));
    assert_exit(&rig.call(&["verify", again.to_str().unwrap()]), 0);
    assert_eq!(receiver.messages().len(), seen_before, "no event is sent");
    assert_exit(&rig.run_on_day(1, &[]), 0);
}

#[test]
fn second_run_over_the_same_data_writes_the_same_rows_and_no_changes() {
    let rig = tenant();
    assert_exit(&rig.run_on_day(0, &[]), 0);
    let table = |name: &str| fs::read(rig.snapshot().join(format!("{name}.csv"))).unwrap();
    let first = ["users", "groups", "memberships"].map(table);
    assert_exit(&rig.run_on_day(0, &[]), 0);
    assert!(first == ["users", "groups", "memberships"].map(table));
    assert!(rows(&rig.snapshot().join("changes.csv")).is_empty());
}

#[test]
fn run_with_a_clock_far_ahead_does_not_block_later_runs_or_distort_ages() {
    let rig = tenant();
    // Only --as-of or a wrong clock gives a run such a late instant.
    let ahead = "2999-01-01T00:00:00Z";
    assert_exit(&rig.call(&["run", "--as-of", ahead]), 0);
    let mut counts = Vec::new();
    for number in 0..3 {
        let output = rig.call(&["run"]);
        assert_exit(&output, 0);
        assert_eq!(stderr(&output).contains("one of the clocks is or was wrong"), number == 0, "{}", stderr(&output));
        let now = rig.table("findings");
        let with = |status: &str| now.iter().filter(|row| row["status"] == status).count();
        counts.push((with("new"), with("reopened"), with("resolved")));
        assert!(rig.table("users").iter().all(|row| row["first_seen"] == ahead && row["confirmed_at"] == ahead));
        let unresolved = now.iter().filter(|row| row["status"] != "resolved");
        let ages =
            unresolved.filter_map(|row| serde_json::from_str::<Value>(&row["evidence"]).unwrap()["age_days"].as_u64());
        assert!(ages.into_iter().all(|age| age < 30_000), "run {number}");
    }
    assert_eq!(counts[1..], [(0, 0, 0), (0, 0, 0)]);
    assert!(counts[0].1 == 0 && counts[0].2 > 0, "findings that only the wrong clock caused are resolved: {counts:?}");
    assert_exit(&rig.call(&["verify", "--chain", rig.snapshots_dir().to_str().unwrap()]), 0);
}

fn enabled_since(rig: &Rig, id: &str) -> String {
    rig.table("users").iter().find(|row| row["id"] == id).expect("the user")["enabled_since"].clone()
}

/// Removes the state folder and all snapshots except the newest.
fn keep_only_the_newest_snapshot(rig: &Rig) {
    let newest = rig.snapshot();
    for snapshot in rig.snapshots() {
        if snapshot != newest {
            fs::remove_dir_all(snapshot).unwrap();
        }
    }
    fs::remove_dir_all(rig.folder.path().join("state")).unwrap();
}

#[test]
fn account_that_is_enabled_again_is_not_stale_before_the_threshold() {
    let rig = tenant();
    assert_exit(&rig.run_on_day(0, &[]), 0);
    let back = user_with(&rig.table("findings"), "stale-login");
    let status =
        |rig: &Rig| find_finding(&rig.table("findings"), "stale-login", &back).map(|row| row["status"].clone());
    set(&rig, &back, "enabled", json!(false));
    assert_exit(&rig.run_on_day(1, &[]), 0);
    assert_eq!(status(&rig).as_deref(), Some("resolved"));
    set(&rig, &back, "enabled", json!(true));
    assert_exit(&rig.run_on_day(2, &[]), 0);
    assert_eq!((status(&rig), enabled_since(&rig, &back)), (None, day(2)));
    fs::remove_dir_all(rig.folder.path().join("state")).unwrap();
    assert_exit(&rig.run_on_day(91, &[]), 0);
    assert_eq!((status(&rig), enabled_since(&rig, &back)), (None, day(2)));
    assert_exit(&rig.run_on_day(92, &[]), 0);
    let rows = rig.table("findings");
    let again = find_finding(&rows, "stale-login", &back).unwrap();
    let evidence: Value = serde_json::from_str(&again["evidence"]).unwrap();
    assert_eq!((&evidence["basis"], &evidence["age_days"]), (&json!(day(2)), &json!(90)));
    assert_eq!((&*again["status"], &*again["first_seen"]), ("reopened", &*day(0)));
    assert_exit(&rig.call(&["verify", rig.snapshot().to_str().unwrap()]), 0);
}

#[test]
fn counts_exclude_resolved_findings_and_the_report_lists_them() {
    let rig = tenant();
    assert_exit(&rig.run_on_day(0, &[]), 0);
    let rows = rig.table("findings");
    let stale = user_with(&rows, "stale-login");
    let before = rig.manifest()["counts"].clone();
    assert_eq!(before["statuses"], json!({ "new": rows.len() }));
    rig.sandbox.with_world(|world| assert!(world.remove_user(stale.parse().unwrap())));
    let output = rig.run_on_day(1, &["--json"]);
    assert_exit(&output, 0);
    let counts = rig.manifest()["counts"].clone();
    let number = |counts: &Value| counts["findings"]["stale-login"].as_u64().unwrap();
    assert_eq!(number(&counts), number(&before) - 1);
    assert_eq!(counts["statuses"]["resolved"], 1, "a user removed from a complete list has no open finding");
    let summary: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let severities = summary["severities"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum::<u64>();
    assert_eq!(severities, rows.len() as u64 - 1, "--fail-on ignores resolved findings");
    let report = rig.report();
    let of_rule = report.split("<code>stale-login</code>").nth(1).unwrap().split("</tr>").next().unwrap();
    assert!(of_rule.trim_end().ends_with("<td class=\"num\">1</td>"), "the resolved finding: {of_rule}");
    assert!(report.contains(&format!("open since {}", &day(0)[..10])));
}

/// Checks whether a finding is about a date of an account.
///
/// It can be resolved a day later: a date in the future may have passed, and an account without a date has one to count from.
fn is_of_a_date(finding: &Row) -> bool {
    finding["rule"] == "data-quality" && finding["subject_kind"] == "user"
}

#[test]
fn list_that_is_not_proven_complete_resolves_no_finding() {
    let rig = Rig::new(World::seeded(1, 300, as_of()), Faults::default());
    assert_exit(&rig.run_on_day(0, &[]), 0);
    let before = rig.table("findings");
    rig.sandbox.set_faults(Faults { forbid_groups: true, ..Faults::default() });
    assert_exit(&rig.run_on_day(1, &[]), 3);
    let partial = rig.table("findings");
    for earlier in &before {
        let now = partial.iter().find(|row| row["fingerprint"] == earlier["fingerprint"]).expect("nothing vanishes");
        if is_of_a_date(earlier) {
            continue;
        }
        assert_eq!((&now["status"], &now["first_seen"]), (&"open".to_owned(), &earlier["first_seen"]), "{now:?}");
        if earlier["rule"] == "no-group" {
            assert_eq!((&now["last_seen"], &now["evidence"]), (&earlier["last_seen"], &earlier["evidence"]));
        }
    }
    assert!(before.iter().any(|row| row["rule"] == "no-group"));
    let incomplete =
        |rows: &[Row]| rows.iter().find(|r| r["rule"] == "collection-incomplete").map(|r| r["status"].clone());
    assert_eq!(incomplete(&partial).as_deref(), Some("new"));
    rig.sandbox.set_faults(Faults::default());
    assert_exit(&rig.run_on_day(2, &[]), 0);
    assert_eq!(incomplete(&rig.table("findings")).as_deref(), Some("resolved"));
    let after = finding_dates(&rig);
    let is_open_or_resolved = |status: &str| ["open", "resolved"].contains(&status);
    assert!(
        before.iter().filter(|row| !is_of_a_date(row)).all(|row| is_open_or_resolved(&after[&row["fingerprint"]][0])),
        "opened once"
    );
}

/// Returns the fingerprints of the findings in events, by action. Other events have the fingerprint `""`.
fn actions(messages: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut actions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in messages.iter().map(|message| body(message)) {
        let fingerprint = event["btrollcall"]["finding"]["fingerprint"].as_str().unwrap_or_default();
        actions.entry(event["event"]["action"].as_str().unwrap().to_owned()).or_default().push(fingerprint.to_owned());
    }
    actions
}

#[test]
fn transitions_are_sent_once_and_each_open_finding_again_once_in_seven_days() {
    let receiver = Receiver::start();
    let rig = Rig::with_syslog(World::ordinary(3, 100, as_of()), Faults::default(), Some(&receiver.url()));
    let mut seen_before = 0;
    let mut run_and_receive = |number: u32| {
        assert_exit(&rig.run_on_day(number, &[]), 0);
        let messages = receiver.messages();
        let new = actions(&messages[seen_before..]);
        seen_before = messages.len();
        new
    };
    let opened = run_and_receive(0).remove("finding-opened").unwrap();
    let rows = rig.table("findings");
    assert_eq!(opened.len(), rows.len());
    let repeated = run_and_receive(0);
    assert_eq!(repeated.keys().collect::<Vec<_>>(), ["run-completed"], "nothing happened, and no day has passed");
    let stale = user_with(&rows, "stale-login");
    set(&rig, &stale, "last_login", json!(day(1)));
    let transitions = run_and_receive(1);
    let resolved = transitions["finding-resolved"].clone();
    assert_eq!(resolved.len(), 1, "{transitions:?}");
    let mut reminders: Vec<Vec<String>> = vec![transitions.get("finding-reminder").cloned().unwrap_or_default()];
    reminders.extend((2..=7).map(|number| run_and_receive(number).remove("finding-reminder").unwrap_or_default()));
    let busiest = reminders.iter().map(Vec::len).max().unwrap();
    let mut reminded = reminders.concat();
    reminded.sort();
    // Findings of later days may be among the reminders; a finding that was resolved on the first day is not.
    let mut open: Vec<String> = opened.iter().filter(|one| !resolved.contains(one)).cloned().collect();
    open.sort();
    let of_first_day: Vec<&String> = reminded.iter().filter(|one| open.contains(one)).collect();
    assert_eq!(of_first_day, open.iter().collect::<Vec<_>>(), "each once in seven days");
    assert!(busiest < open.len() / 2, "{busiest} of {} on one day", open.len());
    let after_an_outage = run_and_receive(20).remove("finding-reminder").unwrap();
    assert!(open.iter().all(|one| after_an_outage.contains(one)), "a missed day is caught up");
    assert!(!run_and_receive(20).contains_key("finding-reminder"));
    rig.append("send = \"all\"");
    assert!(run_and_receive(20)["finding-reminder"].len() >= after_an_outage.len());
}

/// Returns rule and subject id of the findings that the oracle expects on a day, given what earlier days showed.
fn expected(rig: &Rig, number: u32, earlier: &mut Earlier, is_complete: bool) -> BTreeSet<(String, String)> {
    let at = as_of() + chrono::TimeDelta::days(number.into());
    let expect = Expect::usual("sandbox", at);
    earlier.observe(&rig.sandbox.with_world(|world| world.expected(&expect)), at);
    let expect = Expect { earlier: earlier.clone(), ..expect };
    let mut now = rig.sandbox.with_world(|world| world.expected(&expect));
    let found = std::mem::take(&mut now.findings);
    if is_complete {
        earlier.set_baseline(now);
    }
    found.into_iter().map(|f| (f.rule, f.subject_id)).collect()
}

#[test]
fn over_thirty_days_findings_open_and_resolve_once_and_changes_rebuild_the_inventory() {
    let rig = Rig::new(World::seeded(6, 300, as_of()), Faults::default());
    let mut open: BTreeMap<String, String> = BTreeMap::new();
    let (mut resolved, mut first_seen) = (0, BTreeMap::new());
    let (mut earlier, mut rules) = (Earlier::default(), BTreeSet::new());
    let mut replay: Option<Replay> = None;
    for number in 0..30 {
        let at = as_of() + chrono::TimeDelta::days(number.into());
        rig.sandbox.with_world(|world| world.simulate_day(number.into(), at));
        let is_forbidden = number == 10;
        rig.sandbox.set_faults(Faults { forbid_groups: is_forbidden, ..Faults::default() });
        if number == 20 {
            // This run is killed at its beginning. The run below replaces it.
            let before = rig.sandbox.counters().requests;
            let mut killed =
                rig.command(&["run", "--as-of", &day(number)]).stderr(std::process::Stdio::null()).spawn().unwrap();
            assert!(rig.sandbox.wait_for(std::time::Duration::from_secs(20), |c| c.requests > before));
            killed.kill().unwrap();
            killed.wait().unwrap();
            assert_eq!(rig.snapshots().len(), 20, "it was killed in time");
        }
        assert_exit(&rig.run_on_day(number, &[]), if is_forbidden { 3 } else { 0 });
        let snapshot = rig.snapshots().pop().unwrap();
        replay.get_or_insert_with(|| Replay::starting_at(&snapshot)).apply(&snapshot);
        let rows = rig.table("findings");
        for row in &rows {
            let key = row["fingerprint"].clone();
            let before = match &*row["status"] {
                "new" | "reopened" => open.insert(key.clone(), row["status"].clone()).is_none(),
                "resolved" => {
                    resolved += 1;
                    let by_groups = ["no-group", "dangling-group", "empty-group", "privileged-growth"];
                    assert!(!is_forbidden || !by_groups.contains(&&*row["rule"]), "the groups were not read: {row:?}");
                    open.remove(&key).is_some()
                }
                _ => open.contains_key(&key),
            };
            assert!(before, "day {number}: {row:?}");
            let first = first_seen.entry(key).or_insert_with(|| row["first_seen"].clone());
            assert_eq!(first, &row["first_seen"]);
        }
        let unresolved: Vec<&Row> = rows.iter().filter(|row| row["status"] != "resolved").collect();
        assert_eq!(unresolved.len(), open.len(), "day {number}: nothing vanishes");
        let expected = expected(&rig, number, &mut earlier, !is_forbidden);
        if !is_forbidden {
            let now = unresolved.iter().filter(|row| row["last_seen"] == day(number));
            let now: BTreeSet<_> = now.map(|row| (row["rule"].clone(), row["subject_id"].clone())).collect();
            assert_eq!(now, expected, "day {number}");
            rules.extend(now.into_iter().map(|(rule, _)| rule));
        }
    }
    let replay = replay.unwrap();
    assert!(replay.state == state(&rig.snapshot()), "the changes of all runs rebuild the last inventory");
    let expected_kinds = ["added", "disabled", "enabled", "removed", "renamed"].map(|what| format!("user.{what}"));
    let kinds = replay.kinds();
    assert!(expected_kinds.iter().all(|kind| kinds.contains(kind.as_str())), "{kinds:?}");
    assert!(kinds.contains("membership.added") && kinds.contains("membership.removed"), "{kinds:?}");
    assert!(resolved > 10, "{resolved}");
    assert!(rules.contains("privileged-growth") && rules.contains("break-glass-used"), "{rules:?}");
}
