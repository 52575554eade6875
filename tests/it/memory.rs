//! Findings over runs: what is new, open, back or over, told by the snapshots themselves.

use super::changes::{Union, state};
use super::receiver::Receiver;
use super::rig::{Rig, Row, as_of, assert_exit, rows, stderr, stdout};
use bt_rollcall_sandbox::{Earlier, Expect, Faults, World};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Output;

/// The instant of a day's run, as the program takes and writes it.
pub fn day(number: u32) -> String {
    (as_of() + chrono::TimeDelta::days(number.into())).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

pub fn run_on(rig: &Rig, number: u32, more: &[&str]) -> Output {
    rig.call(&[&["run", "--as-of", &day(number)], more].concat())
}

fn row<'a>(rows: &'a [Row], rule: &str, id: &str) -> Option<&'a Row> {
    rows.iter().find(|row| row["rule"] == rule && row["subject_id"] == id)
}

fn set(rig: &Rig, id: &str, field: &str, value: Value) {
    let id = id.parse().unwrap();
    assert!(rig.sandbox.with_world(|world| world.edit_user(id, |record| drop(record.insert(field.to_owned(), value)))));
}

/// An ordinary tenant: a day changes one thing.
fn tenant() -> Rig {
    Rig::new(World::ordinary(3, 300, as_of()), Faults::default())
}

/// Somebody whose finding of this rule is the only one.
fn somebody_with(rows: &[Row], rule: &str) -> String {
    let mut of_rule = rows.iter().filter(|row| row["rule"] == rule && row["subject_kind"] == "user");
    let alone = |id: &str| rows.iter().filter(|row| row["subject_id"] == id).count() == 1;
    of_rule.find(|row| alone(&row["subject_id"])).expect("somebody")["subject_id"].clone()
}

/// Four days: somebody stale signs in, stays so, and goes stale again. What each day's table says, and the warnings.
fn four_days(between: impl Fn(&Rig)) -> Vec<BTreeMap<String, [String; 3]>> {
    let rig = tenant();
    assert_exit(&run_on(&rig, 0, &[]), 0);
    let stale = somebody_with(&rig.table("findings"), "stale-login");
    let before = rig.sandbox.with_world(|w| w.user(stale.parse().unwrap()).unwrap()["last_login"].clone());
    let mut days = vec![reported(&rig)];
    for (number, login) in [(1, json!(day(1))), (2, json!(day(2))), (3, before)] {
        set(&rig, &stale, "last_login", login);
        between(&rig);
        assert_exit(&run_on(&rig, number, &[]), 0);
        let now = rig.table("findings");
        let status = row(&now, "stale-login", &stale).map(|row| (row["status"].as_str(), row["first_seen"].as_str()));
        let first = day(0);
        let expected = [Some(("resolved", &*first)), None, Some(("reopened", &*first))];
        assert_eq!(status, expected[number as usize - 1], "day {number}");
        let others = now.iter().filter(|row| row["subject_id"] != stale && row["rule"] == "stale-login");
        assert!(others.clone().count() > 0);
        for other in others.filter(|row| row["first_seen"] == first) {
            assert_eq!((&*other["status"], &*other["last_seen"]), ("open", &*day(number)));
        }
        days.push(reported(&rig));
        assert_eq!(rig.manifest()["warnings"], json!([]));
    }
    days
}

fn reported(rig: &Rig) -> BTreeMap<String, [String; 3]> {
    let of = |row: &Row| [row["status"].clone(), row["first_seen"].clone(), row["last_seen"].clone()];
    rig.table("findings").iter().map(|row| (row["fingerprint"].clone(), of(row))).collect()
}

#[test]
fn a_finding_is_open_until_its_account_is_seen_to_be_fine_and_losing_the_state_folder_changes_nothing() {
    let kept = four_days(|_| {});
    assert_eq!(kept, four_days(|rig| fs::remove_dir_all(rig.folder.path().join("state")).unwrap()));
    // Nor does losing every snapshot but the newest.
    assert_eq!(kept, four_days(forget_all_but_the_newest));
}

#[test]
fn each_use_of_an_emergency_account_is_reported() {
    let receiver = Receiver::start();
    let mut world = World::ordinary(3, 60, as_of());
    let record = json!({"username": "emergency-1", "enabled": true, "account_type": "local", "last_login": null,
        "created_at": "2020-01-01T00:00:00Z", "group_memberships": []});
    let id = world.add_user(record.as_object().unwrap().clone()).to_string();
    let rig = Rig::with_syslog(world, Faults::default(), Some(&receiver.url()));
    let mut received = 0;
    let mut hear = |number: u32| -> Vec<String> {
        assert_exit(&run_on(&rig, number, &[]), 0);
        let messages = receiver.messages();
        let new = messages[received..].iter().filter(|message| message.contains("finding.break-glass-used"));
        let new = new.map(|message| -> Value { serde_json::from_str(&message[message.find('{').unwrap()..]).unwrap() });
        let new = new.map(|body| body["btrollcall"]["finding"]["status"].as_str().unwrap().to_owned()).collect();
        received = messages.len();
        new
    };
    assert_eq!(hear(0), [""; 0]);
    let mut reported = Vec::new();
    for number in 1..5 {
        if number < 4 {
            set(&rig, &id, "last_login", json!(day(number)));
        }
        reported.push(hear(number));
    }
    assert_eq!(reported, [["new"], ["open"], ["open"], ["resolved"]]);
}

#[test]
fn another_product_under_the_same_name_inherits_no_history() {
    let rig = tenant();
    assert_exit(&run_on(&rig, 0, &[]), 0);
    let before = rig.table("findings");
    // PRA numbers the same people alike: that is what must not be taken for the same accounts.
    rig.edit("kind = \"rest-v3\"", "kind = \"pra\"");
    let output = run_on(&rig, 1, &[]);
    assert_exit(&output, 0);
    let now = rig.table("findings");
    assert!(now.iter().all(|row| row["status"] == "new" && row["first_seen"] == day(1)), "{now:?}");
    let stale = |rows: &[Row]| rows.iter().filter(|row| row["rule"] == "stale-login").count();
    assert!(stale(&now) > 0 && stale(&before) > 0);
    assert!(now.iter().all(|row| before.iter().all(|earlier| earlier["fingerprint"] != row["fingerprint"])));
    let warnings = rig.manifest()["warnings"].to_string();
    let reported =
        format!("{} findings of source sandbox are not carried on: it is another product or host now", before.len());
    assert!(warnings.contains(&reported), "{warnings}");
    assert!(warnings.contains("it begins anew, and its "), "{warnings}");
    assert!(rig.table("users").iter().all(|row| row["first_seen"] == day(1)));
    assert_exit(&run_on(&rig, 2, &[]), 0);
    assert!(rig.table("findings").iter().all(|row| row["status"] == "open"));
}

#[test]
fn time_goes_forward_only_and_an_earlier_instant_is_evaluated_again_in_another_folder() {
    let receiver = Receiver::start();
    let rig = Rig::with_syslog(World::ordinary(3, 60, as_of()), Faults::default(), Some(&receiver.url()));
    assert_exit(&run_on(&rig, 1, &[]), 0);
    let (snapshot, received) = (rig.snapshot(), receiver.messages().len());
    let requests = rig.sandbox.counters().requests;
    let refused = run_on(&rig, 0, &[]);
    assert_exit(&refused, 2);
    assert!(stderr(&refused).contains("time goes forward only") && stderr(&refused).contains("--output DIR"));
    assert_eq!((rig.snapshot(), rig.sandbox.counters().requests), (snapshot, requests), "nothing was contacted");
    let elsewhere = rig.folder.path().join("again");
    assert_exit(&run_on(&rig, 0, &["--output", elsewhere.to_str().unwrap()]), 0);
    let again = elsewhere.join("latest");
    assert!(rows(&again.join("users.csv")).iter().all(|row| row["confirmed_at"] == day(0)));
    assert_exit(&rig.call(&["verify", again.to_str().unwrap()]), 0);
    assert_eq!(receiver.messages().len(), received, "that is nobody's news");
    assert_exit(&run_on(&rig, 1, &[]), 0);
}

#[test]
fn two_runs_at_one_instant_over_the_same_data_give_the_same_rows() {
    let rig = tenant();
    assert_exit(&run_on(&rig, 0, &[]), 0);
    let table = |name: &str| fs::read(rig.snapshot().join(format!("{name}.csv"))).unwrap();
    let first = ["users", "groups", "memberships"].map(table);
    assert_exit(&run_on(&rig, 0, &[]), 0);
    assert!(first == ["users", "groups", "memberships"].map(table));
    assert!(rows(&rig.snapshot().join("changes.csv")).is_empty());
}

#[test]
fn a_clock_that_was_ahead_once_stops_no_run_and_ages_are_computed_from_the_true_one() {
    let rig = tenant();
    // No run sees so late an instant but by --as-of, or by a clock that is wrong.
    let ahead = "2999-01-01T00:00:00Z";
    assert_exit(&rig.call(&["run", "--as-of", ahead]), 0);
    let mut reported = Vec::new();
    for number in 0..3 {
        let output = rig.call(&["run"]);
        assert_exit(&output, 0);
        assert_eq!(stderr(&output).contains("some clock is or was wrong"), number == 0, "{}", stderr(&output));
        let now = rig.table("findings");
        let with = |status: &str| now.iter().filter(|row| row["status"] == status).count();
        reported.push((with("new"), with("reopened"), with("resolved")));
        assert!(rig.table("users").iter().all(|row| row["first_seen"] == ahead && row["confirmed_at"] == ahead));
        let standing = now.iter().filter(|row| row["status"] != "resolved");
        let ages =
            standing.filter_map(|row| serde_json::from_str::<Value>(&row["evidence"]).unwrap()["age_days"].as_u64());
        assert!(ages.into_iter().all(|age| age < 30_000), "run {number}");
    }
    assert_eq!(reported[1..], [(0, 0, 0), (0, 0, 0)]);
    assert!(reported[0].1 == 0 && reported[0].2 > 0, "who was stale by the wrong clock only is not: {reported:?}");
    assert_exit(&rig.call(&["verify", "--chain", rig.snapshots_dir().to_str().unwrap()]), 0);
}

fn enabled_since(rig: &Rig, id: &str) -> String {
    rig.table("users").iter().find(|row| row["id"] == id).expect("somebody")["enabled_since"].clone()
}

/// Retention could have done so, and somebody deleted the state folder.
fn forget_all_but_the_newest(rig: &Rig) {
    let newest = rig.snapshot();
    for snapshot in rig.snapshots() {
        if snapshot != newest {
            fs::remove_dir_all(snapshot).unwrap();
        }
    }
    fs::remove_dir_all(rig.folder.path().join("state")).unwrap();
}

#[test]
fn an_account_that_is_enabled_again_is_not_stale_for_the_threshold_whatever_becomes_of_the_state_folder() {
    let rig = tenant();
    assert_exit(&run_on(&rig, 0, &[]), 0);
    let back = somebody_with(&rig.table("findings"), "stale-login");
    let status = |rig: &Rig| row(&rig.table("findings"), "stale-login", &back).map(|row| row["status"].clone());
    set(&rig, &back, "enabled", json!(false));
    assert_exit(&run_on(&rig, 1, &[]), 0);
    assert_eq!(status(&rig).as_deref(), Some("resolved"));
    set(&rig, &back, "enabled", json!(true));
    assert_exit(&run_on(&rig, 2, &[]), 0);
    assert_eq!((status(&rig), enabled_since(&rig, &back)), (None, day(2)));
    fs::remove_dir_all(rig.folder.path().join("state")).unwrap();
    assert_exit(&run_on(&rig, 91, &[]), 0);
    assert_eq!((status(&rig), enabled_since(&rig, &back)), (None, day(2)));
    assert_exit(&run_on(&rig, 92, &[]), 0);
    let rows = rig.table("findings");
    let again = row(&rows, "stale-login", &back).unwrap();
    let evidence: Value = serde_json::from_str(&again["evidence"]).unwrap();
    assert_eq!((&evidence["basis"], &evidence["age_days"]), (&json!(day(2)), &json!(90)));
    assert_eq!((&*again["status"], &*again["first_seen"]), ("reopened", &*day(0)));
    assert_exit(&rig.call(&["verify", rig.snapshot().to_str().unwrap()]), 0);
}

#[test]
fn counts_are_of_findings_that_stand_and_the_report_reports_what_is_over() {
    let rig = tenant();
    assert_exit(&run_on(&rig, 0, &[]), 0);
    let rows = rig.table("findings");
    let stale = somebody_with(&rows, "stale-login");
    let before = rig.manifest()["counts"].clone();
    assert_eq!(before["statuses"], json!({ "new": rows.len() }));
    rig.sandbox.with_world(|world| assert!(world.remove_user(stale.parse().unwrap())));
    let output = run_on(&rig, 1, &["--json"]);
    assert_exit(&output, 0);
    let counts = rig.manifest()["counts"].clone();
    let number = |counts: &Value| counts["findings"]["stale-login"].as_u64().unwrap();
    assert_eq!(number(&counts), number(&before) - 1);
    assert_eq!(counts["statuses"]["resolved"], 1, "who is gone from a complete list is no finding any more");
    let summary: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let severities = summary["severities"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum::<u64>();
    assert_eq!(severities, rows.len() as u64 - 1, "what is over is not among the severities that --fail-on looks at");
    let report = fs::read_to_string(rig.snapshot().join("report.html")).unwrap();
    assert!(report.contains(" open, 1 resolved"), "beside the rule's total");
    assert!(report.contains(&format!("open<br>since {}", &day(0)[..10])));
}

/// A day later an account has a day to count from, and what lay in the future does not: such a finding may be over by then.
fn is_of_a_date(finding: &Row) -> bool {
    finding["rule"] == "data-quality" && finding["subject_kind"] == "user"
}

#[test]
fn a_list_that_was_not_proven_resolves_nothing_and_keeps_what_could_not_be_seen() {
    let rig = Rig::new(World::seeded(1, 300, as_of()), Faults::default());
    assert_exit(&run_on(&rig, 0, &[]), 0);
    let before = rig.table("findings");
    rig.sandbox.set_faults(Faults { forbid_groups: true, ..Faults::default() });
    assert_exit(&run_on(&rig, 1, &[]), 3);
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
    assert_exit(&run_on(&rig, 2, &[]), 0);
    assert_eq!(incomplete(&rig.table("findings")).as_deref(), Some("resolved"));
    let after = reported(&rig);
    let stands = |status: &str| ["open", "resolved"].contains(&status);
    assert!(
        before.iter().filter(|row| !is_of_a_date(row)).all(|row| stands(&after[&row["fingerprint"]][0])),
        "opened once"
    );
}

fn codes(messages: &[String]) -> BTreeMap<String, u64> {
    let mut codes = BTreeMap::new();
    for message in messages {
        let body: Value = serde_json::from_str(&message[message.find('{').unwrap()..]).unwrap();
        let status = body["btrollcall"]["finding"]["status"].as_str().unwrap_or("run.completed").to_owned();
        *codes.entry(status).or_insert(0) += 1;
    }
    codes
}

#[test]
fn the_siem_hears_what_happened_once_and_open_findings_again_every_seven_days() {
    let receiver = Receiver::start();
    let rig = Rig::with_syslog(World::ordinary(3, 100, as_of()), Faults::default(), Some(&receiver.url()));
    let mut received = 0;
    let mut hear = |number: u32| {
        assert_exit(&run_on(&rig, number, &[]), 0);
        let messages = receiver.messages();
        let new = codes(&messages[received..]);
        received = messages.len();
        new
    };
    let all = hear(0)["new"];
    let rows = rig.table("findings");
    assert_eq!(all, rows.len() as u64);
    assert_eq!(hear(0), BTreeMap::from([("run.completed".to_owned(), 1)]), "nothing happened");
    let stale = somebody_with(&rows, "stale-login");
    set(&rig, &stale, "last_login", json!(day(1)));
    let over = hear(1);
    assert_eq!(over.get("resolved"), Some(&1), "{over:?}");
    assert_eq!(over.get("open"), None);
    let later = hear(8);
    assert!(later["open"] >= all - 1 - over.values().sum::<u64>(), "{later:?}");
    assert_eq!(hear(9).get("open"), None, "once in seven days");
    rig.append("send = \"all\"");
    assert!(hear(9)["open"] >= later["open"]);
}

/// What the world expects to be found on a day, by rule and subject, by what earlier days saw.
fn expected(rig: &Rig, number: u32, earlier: &mut Earlier, is_complete: bool) -> BTreeSet<(String, String)> {
    let at = as_of() + chrono::TimeDelta::days(number.into());
    let expect = Expect::usual("sandbox", at);
    earlier.notice(&rig.sandbox.with_world(|world| world.expected(&expect)), at);
    let expect = Expect { earlier: earlier.clone(), ..expect };
    let mut now = rig.sandbox.with_world(|world| world.expected(&expect));
    let found = std::mem::take(&mut now.findings);
    if is_complete {
        earlier.settle(now);
    }
    found.into_iter().map(|f| (f.rule, f.subject_id)).collect()
}

#[test]
fn through_thirty_days_every_finding_opens_once_and_resolves_once_and_the_changes_rebuild_the_inventory() {
    let rig = Rig::new(World::seeded(6, 300, as_of()), Faults::default());
    let mut open: BTreeMap<String, String> = BTreeMap::new();
    let (mut resolved, mut first_seen) = (0, BTreeMap::new());
    let (mut earlier, mut rules) = (Earlier::default(), BTreeSet::new());
    let mut union: Option<Union> = None;
    for number in 0..30 {
        let at = as_of() + chrono::TimeDelta::days(number.into());
        rig.sandbox.with_world(|world| world.live_a_day(number.into(), at));
        let lies = number == 10;
        rig.sandbox.set_faults(Faults { forbid_groups: lies, ..Faults::default() });
        if number == 20 {
            // Killed at its beginning; its place is taken by the run below.
            let before = rig.sandbox.counters().requests;
            let mut killed =
                rig.command(&["run", "--as-of", &day(number)]).stderr(std::process::Stdio::null()).spawn().unwrap();
            assert!(rig.sandbox.wait_for(std::time::Duration::from_secs(20), |c| c.requests > before));
            killed.kill().unwrap();
            killed.wait().unwrap();
            assert_eq!(rig.snapshots().len(), 20, "it was killed in time");
        }
        assert_exit(&run_on(&rig, number, &[]), if lies { 3 } else { 0 });
        let snapshot = rig.snapshots().pop().unwrap();
        union.get_or_insert_with(|| Union::beginning_with(&snapshot)).hear(&snapshot);
        let rows = rig.table("findings");
        for row in &rows {
            let key = row["fingerprint"].clone();
            let before = match &*row["status"] {
                "new" | "reopened" => open.insert(key.clone(), row["status"].clone()).is_none(),
                "resolved" => {
                    resolved += 1;
                    let by_groups = ["no-group", "dangling-group", "empty-group", "privileged-growth"];
                    assert!(!lies || !by_groups.contains(&&*row["rule"]), "the groups were not read: {row:?}");
                    open.remove(&key).is_some()
                }
                _ => open.contains_key(&key),
            };
            assert!(before, "day {number}: {row:?}");
            let first = first_seen.entry(key).or_insert_with(|| row["first_seen"].clone());
            assert_eq!(first, &row["first_seen"]);
        }
        let standing: Vec<&Row> = rows.iter().filter(|row| row["status"] != "resolved").collect();
        assert_eq!(standing.len(), open.len(), "day {number}: nothing vanishes");
        let expected = expected(&rig, number, &mut earlier, !lies);
        if !lies {
            let now = standing.iter().filter(|row| row["last_seen"] == day(number));
            let now: BTreeSet<_> = now.map(|row| (row["rule"].clone(), row["subject_id"].clone())).collect();
            assert_eq!(now, expected, "day {number}");
            rules.extend(now.into_iter().map(|(rule, _)| rule));
        }
    }
    let union = union.unwrap();
    assert!(union.state == state(&rig.snapshot()), "the union of all changes rebuilds the last inventory");
    let update = ["added", "disabled", "enabled", "removed", "renamed"].map(|what| format!("user.{what}"));
    let kinds = union.kinds();
    assert!(update.iter().all(|kind| kinds.contains(kind.as_str())), "{kinds:?}");
    assert!(kinds.contains("membership.added") && kinds.contains("membership.removed"), "{kinds:?}");
    assert!(resolved > 10, "{resolved}");
    assert!(rules.contains("privileged-growth") && rules.contains("break-glass-used"), "{rules:?}");
}
