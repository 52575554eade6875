//! Tests of custom rules: their findings, lifecycle, events and report, and the problems that `check` reports.

use super::receiver::Receiver;
use super::rig::{Rig, Row, as_of, assert_exit, day, private, set_field, stderr};
use bt_rollcall_sandbox::{Faults, World};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const WHEN: &str = "enabled && kind == \"person\" && days_since_login >= 200";

fn rule(when: &str) -> String {
    format!(
        "[[policy.custom_rules]]\nid = \"long-gone\"\nseverity = \"high\"\ntitle = \"Gone for long\"\naction = \"Ask <the owner> of the account.\"\nwhen = '{when}'\n"
    )
}

fn rig(syslog: Option<&str>, more: &str) -> Rig {
    rig_of(World::ordinary(3, 200, as_of()), syslog, more)
}

fn rig_of(world: World, syslog: Option<&str>, more: &str) -> Rig {
    let rig = Rig::with_syslog(world, Faults::default(), syslog);
    rig.append(more);
    rig
}

fn of_rule<'a>(rows: &'a [Row], status: &str) -> BTreeSet<&'a str> {
    let wanted = rows.iter().filter(|row| row["rule"] == "long-gone" && row["status"] == status);
    wanted.map(|row| &*row["subject_id"]).collect()
}

/// Returns the ids of the users that match the rule, computed from the table of users.
fn by_hand(users: &[Row]) -> BTreeSet<&str> {
    let matches = |row: &&Row| {
        let login = row["last_login"].parse::<DateTime<Utc>>();
        let days = login.map(|at| (as_of() - at).num_seconds().max(0) / 86_400);
        row["enabled"] == "true" && row["kind"] == "person" && days.is_ok_and(|days| days >= 200)
    };
    users.iter().filter(matches).map(|row| &*row["id"]).collect()
}

/// Counts the accounts for which the rule is undetermined: the last login is empty and nothing else makes the rule false.
fn undetermined(users: &[Row]) -> usize {
    let open = |row: &&Row| row["enabled"] != "false" && row["kind"] == "person" && row["last_login"].is_empty();
    users.iter().filter(open).count()
}

fn evaluation(manifest: &Value) -> Value {
    manifest["rules"].as_array().unwrap().iter().find(|rule| rule["rule"] == "long-gone").cloned().unwrap_or_default()
}

#[test]
fn custom_rule_finds_exactly_the_accounts_that_match_in_the_table_of_users() {
    let receiver = Receiver::start();
    let rig = rig_of(World::seeded(1, 300, as_of()), Some(&receiver.url()), &rule(WHEN));
    assert_exit(&rig.run_on_day(0, &[]), 0);
    let (users, findings) = (rig.table("users"), rig.table("findings"));
    let found = of_rule(&findings, "new");
    assert!(found.len() > 3 && found.len() < 100, "{}", found.len());
    assert_eq!(found, by_hand(&users));
    let row = findings.iter().find(|row| row["rule"] == "long-gone").unwrap();
    assert_eq!((&*row["severity"], &*row["title"], &*row["controls"]), ("high", "Gone for long", "[]"));
    assert_eq!(row["action"], "Ask <the owner> of the account.");
    let evidence: Value = serde_json::from_str(&row["evidence"]).unwrap();
    assert_eq!(evidence["expression"], WHEN);
    assert!(evidence["values"]["days_since_login"].as_u64().unwrap() >= 200);
    assert_eq!(evidence["values"].as_object().unwrap().len(), 3, "only the variables of the expression: {evidence}");

    let manifest = rig.manifest();
    let evaluation = evaluation(&manifest);
    assert_eq!((&evaluation["outcome"], &evaluation["subjects"]), (&json!("evaluated"), &json!(users.len())));
    assert!(undetermined(&users) > 3);
    assert_eq!(evaluation["undetermined"], undetermined(&users), "never logged in, or not reported");
    assert_eq!(manifest["counts"]["findings"]["long-gone"], found.len());
    let kept = &manifest["policy"]["custom_rules"];
    assert_eq!((&kept["from"], &kept["value"][0]["id"]), (&json!("configuration"), &json!("long-gone")));
    assert_eq!((&kept["value"][0]["when"], &kept["value"][0]["severity"]), (&json!(WHEN), &json!("high")));

    let report = rig.report();
    assert!(report.contains("Gone for long") && report.contains("Ask &#60;the owner&#62; of the account."), "escaped");
    assert!(report.contains("your own rule: <code>enabled &#38;&#38; kind == "), "the expression is shown");
    let lacking = format!("Gone for long ({} of ", undetermined(&users));
    assert!(report.contains(&lacking), "the report lists what is undetermined: {lacking}");
    let sent = receiver.messages().iter().filter(|message| message.contains(" finding.long-gone ")).count();
    assert_eq!(sent, found.len());
    let snapshot = rig.snapshot();
    assert_exit(&rig.call(&["verify", snapshot.to_str().unwrap()]), 0);
}

#[test]
fn finding_of_a_custom_rule_has_the_same_lifecycle_as_any_other() {
    let register = "[[exception]]\nrule = \"long-gone\"\nsubject = \"glob:*\"\nreason = \"known\"\nowner = \"me\"\nuntil = 2026-12-31\n";
    let rig = rig(None, &rule(WHEN));
    assert_exit(&rig.run_on_day(0, &[]), 0);
    let first = rig.table("findings");
    let found = of_rule(&first, "new");

    let (back_id, login) = (*found.iter().next().unwrap(), json!("2026-11-22T08:00:00Z"));
    let id = back_id.parse().unwrap();
    rig.sandbox.with_world(|world| set_field(world, id, "last_login", login));
    assert_exit(&rig.run_on_day(0, &[]), 0);
    let rows = rig.table("findings");
    assert_eq!(of_rule(&rows, "resolved"), BTreeSet::from([back_id]));
    assert_eq!(of_rule(&rows, "open").len(), found.len() - 1);

    rig.edit("[policy]\n", "[policy]\nexceptions = \"exceptions.toml\"\n");
    private(&rig.folder.path().join("exceptions.toml"), register);
    assert_exit(&rig.run_on_day(0, &[]), 0);
    assert_eq!(of_rule(&rig.table("findings"), "excepted").len(), found.len() - 1);
    private(&rig.folder.path().join("exceptions.toml"), "");

    rig.append("[policy.rules]\nlong-gone = \"off\"\n");
    assert_exit(&rig.run_on_day(0, &[]), 0);
    assert!(!rig.table("findings").iter().any(|row| row["rule"] == "long-gone"), "dropped, not resolved");
    assert_eq!(evaluation(&rig.manifest())["outcome"], "off");
    assert!(rig.manifest()["warnings"].to_string().contains("findings were dropped: their rule is switched off"));

    rig.edit("long-gone = \"off\"", "long-gone = \"low\"");
    assert_exit(&rig.run_on_day(0, &[]), 0);
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
fn findings_of_a_removed_custom_rule_are_dropped_with_a_warning() {
    let rig = rig(None, &rule(WHEN));
    assert_exit(&rig.run_on_day(0, &[]), 0);
    let count = of_rule(&rig.table("findings"), "new").len();
    rig.edit(&rule(WHEN), "");
    assert_exit(&rig.run_on_day(0, &[]), 0);
    assert!(!rig.table("findings").iter().any(|row| row["rule"] == "long-gone"));
    let words = format!(
        "{count} findings were dropped: their rule long-gone is neither configured nor built into this version"
    );
    assert!(rig.manifest()["warnings"].to_string().contains(&words), "{}", rig.manifest()["warnings"]);
    assert_eq!(evaluation(&rig.manifest()), Value::Null);
}

#[test]
fn check_reports_every_problem_of_custom_rules_and_contacts_nothing() {
    let rig = rig(
        None,
        &format!(
            "{}{}",
            rule("enabeld && days_since_login > \"90\""),
            rule("enabled + 1 > 2").replace("long-gone", "so-so")
        ),
    );
    for command in [&["check"][..], &["run"]] {
        let output = rig.call(command);
        assert_exit(&output, 2);
        let log = stderr(&output);
        assert!(log.contains("invalid configuration: 2 errors; nothing was contacted"), "{log}");
        for (key, words) in [
            ("\"long-gone\" when: ", "unknown variable enabeld; did you mean \"enabled\"?"),
            ("\"so-so\" when: ", "+ cannot be applied to true or false and a number"),
        ] {
            assert!(log.contains(key) && log.contains(words), "{key}: {log}");
        }
        assert!(log.lines().any(|line| line.trim().starts_with('^')), "{log}");
    }
    assert_eq!(rig.sandbox.counters().requests, 0);
}
