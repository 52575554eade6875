//! Rules that an organisation makes itself, as it sees them.

use super::memory::{day, run_on};
use super::receiver::Receiver;
use super::rig::{Rig, Row, as_of, assert_exit, stderr};
use bt_rollcall_sandbox::{Faults, World};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

const WHEN: &str = "enabled && kind == \"person\" && days_since_login >= 200";

fn own(when: &str) -> String {
    format!(
        "[[policy.custom_rules]]\nid = \"long-gone\"\nseverity = \"high\"\ntitle = \"Gone for long\"\naction = \"Ask <whom> it may concern.\"\nwhen = '{when}'\n"
    )
}

fn rig(syslog: Option<&str>, more: &str) -> Rig {
    of(World::ordinary(3, 200, as_of()), syslog, more)
}

fn of(world: World, syslog: Option<&str>, more: &str) -> Rig {
    let rig = Rig::with_syslog(world, Faults::default(), syslog);
    rig.append(more);
    rig
}

fn of_rule<'a>(rows: &'a [Row], status: &str) -> BTreeSet<&'a str> {
    let wanted = rows.iter().filter(|row| row["rule"] == "long-gone" && row["status"] == status);
    wanted.map(|row| &*row["subject_id"]).collect()
}

/// What the table of users itself says of that rule.
fn by_hand(users: &[Row]) -> BTreeSet<&str> {
    let gone = |row: &&Row| {
        let login = row["last_login"].parse::<DateTime<Utc>>();
        let days = login.map(|at| (as_of() - at).num_seconds().max(0) / 86_400);
        row["enabled"] == "true" && row["kind"] == "person" && days.is_ok_and(|days| days >= 200)
    };
    users.iter().filter(gone).map(|row| &*row["id"]).collect()
}

/// So many accounts cannot be judged: neither side of the rule decides alone.
fn unreported(users: &[Row]) -> usize {
    let open = |row: &&Row| row["enabled"] != "false" && row["kind"] == "person" && row["last_login"].is_empty();
    users.iter().filter(open).count()
}

fn evaluation(manifest: &Value) -> Value {
    manifest["rules"].as_array().unwrap().iter().find(|rule| rule["rule"] == "long-gone").cloned().unwrap_or_default()
}

#[test]
fn a_custom_rule_finds_exactly_the_accounts_that_the_table_of_users_says() {
    let receiver = Receiver::start();
    let rig = of(World::seeded(1, 300, as_of()), Some(&receiver.url()), &own(WHEN));
    assert_exit(&run_on(&rig, 0, &[]), 0);
    let (users, findings) = (rig.table("users"), rig.table("findings"));
    let found = of_rule(&findings, "new");
    assert!(found.len() > 3 && found.len() < 100, "{}", found.len());
    assert_eq!(found, by_hand(&users));
    let row = findings.iter().find(|row| row["rule"] == "long-gone").unwrap();
    assert_eq!((&*row["severity"], &*row["title"], &*row["controls"]), ("high", "Gone for long", "[]"));
    assert_eq!(row["action"], "Ask <whom> it may concern.");
    let evidence: Value = serde_json::from_str(&row["evidence"]).unwrap();
    assert_eq!(evidence["expression"], WHEN);
    assert!(evidence["values"]["days_since_login"].as_u64().unwrap() >= 200);
    assert_eq!(evidence["values"].as_object().unwrap().len(), 3, "nothing but what it names: {evidence}");

    let manifest = rig.manifest();
    let evaluation = evaluation(&manifest);
    assert_eq!((&evaluation["outcome"], &evaluation["subjects"]), (&json!("evaluated"), &json!(users.len())));
    assert!(unreported(&users) > 3);
    assert_eq!(evaluation["undetermined"], unreported(&users), "never logged in, or not told");
    assert_eq!(manifest["counts"]["findings"]["long-gone"], found.len());
    let kept = &manifest["policy"]["custom_rules"];
    assert_eq!((&kept["from"], &kept["value"][0]["id"]), (&json!("configuration"), &json!("long-gone")));
    assert_eq!((&kept["value"][0]["when"], &kept["value"][0]["severity"]), (&json!(WHEN), &json!("high")));

    let report = fs::read_to_string(rig.snapshot().join("report.html")).unwrap();
    assert!(report.contains("Gone for long") && report.contains("Ask &#60;whom&#62; it may concern."), "escaped");
    assert!(report.contains("your own rule: <code>enabled &#38;&#38; kind == "), "the expression is shown");
    assert!(report.contains("Gone for long (long-gone) in sandbox"), "what could not be judged is said");
    let reported = receiver.messages().iter().filter(|message| message.contains(" finding.long-gone ")).count();
    assert_eq!(reported, found.len());
    let snapshot = rig.snapshot();
    assert_exit(&rig.call(&["verify", snapshot.to_str().unwrap()]), 0);
}

#[test]
fn a_finding_of_a_custom_rule_lives_as_every_other_does() {
    let register = "[[exception]]\nrule = \"long-gone\"\nsubject = \"glob:*\"\nreason = \"known\"\nowner = \"me\"\nuntil = 2026-12-31\n";
    let rig = rig(None, &own(WHEN));
    assert_exit(&run_on(&rig, 0, &[]), 0);
    let first = rig.table("findings");
    let found = of_rule(&first, "new");

    let (gone, back) = (*found.iter().next().unwrap(), json!("2026-11-22T08:00:00Z"));
    let id = gone.parse().unwrap();
    assert!(
        rig.sandbox.with_world(|world| world.edit_user(id, |record| drop(record.insert("last_login".into(), back))))
    );
    assert_exit(&run_on(&rig, 0, &[]), 0);
    let rows = rig.table("findings");
    assert_eq!(of_rule(&rows, "resolved"), BTreeSet::from([gone]));
    assert_eq!(of_rule(&rows, "open").len(), found.len() - 1);

    rig.edit("[policy]\n", "[policy]\nexceptions = \"exceptions.toml\"\n");
    fs::write(rig.folder.path().join("exceptions.toml"), register).unwrap();
    assert_exit(&run_on(&rig, 0, &[]), 0);
    assert_eq!(of_rule(&rig.table("findings"), "excepted").len(), found.len() - 1);
    fs::write(rig.folder.path().join("exceptions.toml"), "").unwrap();

    rig.append("[policy.rules]\nlong-gone = \"off\"\n");
    assert_exit(&run_on(&rig, 0, &[]), 0);
    assert!(!rig.table("findings").iter().any(|row| row["rule"] == "long-gone"), "set aside, not resolved");
    assert_eq!(evaluation(&rig.manifest())["outcome"], "off");
    assert!(rig.manifest()["warnings"].to_string().contains("not carried on: their rule is switched off"));

    rig.edit("long-gone = \"off\"", "long-gone = \"low\"");
    assert_exit(&run_on(&rig, 0, &[]), 0);
    let rows = rig.table("findings");
    let reopened = of_rule(&rows, "reopened");
    assert_eq!(reopened.len(), found.len() - 1);
    assert!(
        rows.iter()
            .filter(|row| row["rule"] == "long-gone")
            .all(|row| row["severity"] == "low" && row["first_seen"] == day(0))
    );
}

#[test]
fn findings_of_a_custom_rule_that_was_taken_out_are_set_aside_in_words() {
    let rig = rig(None, &own(WHEN));
    assert_exit(&run_on(&rig, 0, &[]), 0);
    let count = of_rule(&rig.table("findings"), "new").len();
    rig.edit(&own(WHEN), "");
    assert_exit(&run_on(&rig, 0, &[]), 0);
    assert!(!rig.table("findings").iter().any(|row| row["rule"] == "long-gone"));
    let words =
        format!("{count} findings are not carried on: their rule long-gone is not in the configuration any more");
    assert!(rig.manifest()["warnings"].to_string().contains(&words), "{}", rig.manifest()["warnings"]);
    assert_eq!(evaluation(&rig.manifest()), Value::Null);
}

#[test]
fn check_names_every_problem_of_custom_rules_and_nothing_is_contacted() {
    let rig = rig(
        None,
        &format!(
            "{}{}",
            own("enabeld && days_since_login > \"90\""),
            own("enabled + 1 > 2").replace("long-gone", "so-so")
        ),
    );
    for command in [&["check"][..], &["run"]] {
        let output = rig.call(command);
        assert_exit(&output, 2);
        let reported = stderr(&output);
        assert!(reported.contains("2 problems"), "{reported}");
        for (key, words) in [
            ("policy.custom_rules[0].when", "line 1, column 1: there is no variable enabeld; did you mean enabled?"),
            ("policy.custom_rules[1].when", "line 1, column 9: + cannot be applied to true or false and a number"),
        ] {
            assert!(reported.contains(key) && reported.contains(words), "{key}: {reported}");
        }
        assert!(reported.lines().any(|line| line.trim().starts_with('^')), "{reported}");
    }
    assert_eq!(rig.sandbox.counters().requests, 0);
}
