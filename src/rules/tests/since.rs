//! What happened since the run before: growth, emergency accounts, and ages that begin anew.

use super::*;
use crate::state::{Advance, memory::SettledRun};
use serde_json::json;

const BASE: &str = "20261122T020000Z-0001";

/// Evaluates `new` as the run after one that read `old`.
fn evaluated_after(old: SourceReading, new: SourceReading) -> EvaluationOutput {
    let before = SettledRun::first(joined(old), BASE, as_of() - TimeDelta::days(1));
    let advanced = before.read(joined(new), "20261123T020000Z-0002", as_of());
    let before = RuleHistory { base_run: Some(BASE), changes: &advanced.changes, since: &advanced.since };
    evaluate_after(before, &advanced.inventory, &Policy::default(), as_of())
}

fn of_rule(output: &EvaluationOutput, rule: Rule) -> Vec<(&str, Value)> {
    let of = output.findings.iter().filter(|finding| finding.rule == rule);
    of.map(|finding| (&*finding.subject.id, serde_json::from_str(&finding.evidence).unwrap())).collect()
}

fn evaluated_subjects(output: &EvaluationOutput, rule: Rule) -> (u64, u64) {
    match outcome(output, rule) {
        RuleOutcome::Evaluated { subjects, undetermined } => (*subjects, *undetermined),
        other => panic!("{other:?}"),
    }
}

fn admin(name: &str) -> User {
    with(name, |user| user.group_memberships = Box::new(["1".into(), "2".into()]))
}

#[test]
fn a_privileged_group_that_could_not_be_read_gained_members_all_the_same() {
    let mut unread = reading(vec![admin("promoted")]);
    unread.lists[1].coverage = Coverage::Failed { error: "forbidden".to_owned() };
    let output = evaluated_after(reading(vec![user("promoted")]), unread);
    let found = of_rule(&output, Rule::PrivilegedGrowth);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].0, &found[0].1["count"], &found[0].1["members_now"]), ("2", &json!(1), &Value::Null));
}

/// The rule is about privileged groups alone.
#[test]
fn a_privileged_group_that_gained_members_is_found_and_names_them() {
    let output = evaluated_after(
        reading(vec![user("promoted"), admin("old-admin"), user("unrelated")]),
        reading(vec![admin("promoted"), admin("old-admin"), admin("newcomer"), user("unrelated"), user("joiner")]),
    );
    let found = of_rule(&output, Rule::PrivilegedGrowth);
    let [(group, evidence)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(*group, "2");
    let names: Vec<&str> =
        evidence["new_members"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["newcomer", "promoted"]);
    assert_eq!((&evidence["count"], &evidence["members_now"]), (&json!(2), &json!(4)), "three people and a directory");
    assert_eq!(evidence["base_run"], BASE);
    assert_eq!(evaluated_subjects(&output, Rule::PrivilegedGrowth), (1, 0));
    let finding = output.findings.iter().find(|f| f.rule == Rule::PrivilegedGrowth).unwrap();
    assert_eq!(finding.severity, Severity::Medium);
    assert_eq!(&*finding.title, format!("privileged, and gained 2 members since {BASE}"));
}

#[test]
fn a_directory_group_that_came_into_a_privileged_group_is_growth_too() {
    let mut new = reading(vec![user("u")]);
    new.outside.push(Outside { group_id: "2".into(), member: OutsideMember::Directory("cn=everybody".into()) });
    let output = evaluated_after(reading(vec![user("u")]), new);
    assert_eq!(of_rule(&output, Rule::PrivilegedGrowth)[0].1["new_members"], json!([{"directory": "cn=everybody"}]));
}

#[test]
fn who_leaves_and_who_joins_another_group_is_no_growth() {
    let output = evaluated_after(reading(vec![admin("leaver")]), reading(vec![user("leaver"), user("joiner")]));
    assert_eq!(of_rule(&output, Rule::PrivilegedGrowth), []);
    assert_eq!(evaluated_subjects(&output, Rule::PrivilegedGrowth), (1, 0));
}

#[test]
fn without_a_base_neither_growth_nor_the_use_of_emergency_accounts_is_evaluated() {
    let output = evaluated(vec![admin("a"), user("emergency-1")]);
    for rule in [Rule::PrivilegedGrowth, Rule::BreakGlassUsed] {
        let RuleOutcome::Undetermined { why } = outcome(&output, rule) else { panic!("{rule:?}") };
        assert!(why.contains("no snapshot before this run"), "{why}");
    }
}

#[test]
fn a_source_that_the_base_does_not_have_is_a_baseline_of_its_own() {
    let mut other = reading(vec![user("u")]);
    other.source.name = "us".into();
    let output = evaluated_after(other, reading(vec![user("emergency-1")]));
    let RuleOutcome::Undetermined { why } = outcome(&output, Rule::PrivilegedGrowth) else { panic!() };
    assert!(why.contains("nothing to compare with"), "{why}");
}

#[test]
fn where_memberships_are_not_all_proven_a_group_without_news_is_undetermined_and_news_are_news() {
    let drifted = |mut source_reading: SourceReading| {
        source_reading.lists[1].coverage = Coverage::Drifted { why: "it moved".to_owned() };
        source_reading
    };
    let output = evaluated_after(reading(vec![user("u")]), drifted(reading(vec![user("u")])));
    assert_eq!(evaluated_subjects(&output, Rule::PrivilegedGrowth), (1, 1));
    assert!(!output.gaps[0].group_was_evaluated(1, Rule::PrivilegedGrowth));
    let hidden = |source_reading: SourceReading| SourceReading {
        users: source_reading.users.into_iter().map(|user| User { groups_known: false, ..user }).collect(),
        ..source_reading
    };
    let output = evaluated_after(reading(vec![user("u")]), hidden(reading(vec![user("u")])));
    assert_eq!(evaluated_subjects(&output, Rule::PrivilegedGrowth), (1, 1), "somebody's memberships are not known");
    let output = evaluated_after(reading(vec![user("promoted"), user("hidden")]), {
        let mut new = reading(vec![admin("promoted"), user("hidden")]);
        new.users[1].groups_known = false;
        new
    });
    assert_eq!(of_rule(&output, Rule::PrivilegedGrowth).len(), 1);
}

fn emergency(last_login: LastLogin) -> User {
    with("emergency-1", |user| user.last_login = last_login)
}

fn never() -> LastLogin {
    LastLogin::Never { sentinel: None }
}

/// How an emergency account that looked like this before is judged now: found, or (subjects, undetermined).
fn used(before: Option<LastLogin>, now: LastLogin) -> Result<Value, (u64, u64)> {
    let before = before.map(emergency).into_iter().chain([user("unrelated")]).collect();
    let output = evaluated_after(reading(before), reading(vec![emergency(now), user("unrelated")]));
    let found = of_rule(&output, Rule::BreakGlassUsed).pop();
    found.map(|(_, evidence)| evidence).ok_or_else(|| evaluated_subjects(&output, Rule::BreakGlassUsed))
}

#[test]
fn an_emergency_account_with_a_later_login_than_in_the_base_was_used() {
    let at = |days| LastLogin::At(ago(days, 0));
    let evidence = used(Some(at(300)), at(0)).unwrap();
    assert_eq!(evidence["last_login"], instant(ago(0, 0)));
    assert_eq!(evidence["last_login_before"], instant(ago(300, 0)));
    assert_eq!(used(Some(never()), at(0)).unwrap()["last_login_before"], Value::Null);
    assert!(used(None, at(0)).is_ok(), "it came since the base, and with a login");
    assert_eq!(used(Some(at(300)), at(301)).unwrap_err(), (1, 1), "one of the two dates is wrong");
    for unused in [(Some(at(300)), at(300)), (Some(never()), never()), (None, never())] {
        assert_eq!(used(unused.0, unused.1).unwrap_err(), (1, 0));
    }
}

#[test]
fn what_the_base_or_the_source_does_not_report_of_an_emergency_account_is_undetermined() {
    let at = |days| LastLogin::At(ago(days, 0));
    for unreported in [LastLogin::NotReported, LastLogin::Unreadable("?".into())] {
        assert_eq!(used(Some(unreported.clone()), at(0)).unwrap_err(), (1, 1));
        assert_eq!(used(Some(at(9)), unreported).unwrap_err(), (1, 1));
    }
    let drifted = |mut source_reading: SourceReading| {
        source_reading.lists[0].coverage = Coverage::Drifted { why: "it moved".to_owned() };
        source_reading
    };
    let output = evaluated_after(drifted(reading(vec![])), reading(vec![emergency(at(0)), user("unrelated")]));
    let RuleOutcome::Undetermined { why } = outcome(&output, Rule::BreakGlassUsed) else { panic!() };
    assert!(why.contains("nothing to compare with"), "it may have been there before: {why}");
}

/// The findings of inactivity of the run on the day `number`, of users that look the same every day but for a change on
/// day 1; each run knows what the one before left.
fn update(days: &[(i64, User)]) -> Vec<Option<(String, Value)>> {
    let mut kept: Option<SettledRun> = None;
    let mut found = Vec::new();
    for (number, person) in days {
        let reading = joined(reading(vec![person.clone(), user("unrelated")]));
        let as_of = as_of() + TimeDelta::days(*number);
        let first = || Advance::by_reading(reading.clone(), "first", as_of, None).finish();
        let mut advanced = kept.as_ref().map_or_else(first, |kept| kept.read(reading.clone(), "next", as_of));
        let output = evaluate_after(RuleHistory::default(), &advanced.inventory, &Policy::default(), as_of);
        let of_person = output.findings.into_iter().find(|f| {
            f.subject.id.as_ref() == person.id.as_str()
                && matches!(f.rule, Rule::StaleLogin | Rule::NeverLoggedIn | Rule::DataQuality)
        });
        found.push(of_person.map(|f| {
            let evidence: Value = serde_json::from_str(&f.evidence).unwrap();
            (format!("{}: {}", f.rule.as_str(), f.title), evidence)
        }));
        advanced.settle();
        kept = Some(SettledRun::of(advanced.inventory, "before", as_of));
    }
    found
}

#[test]
fn an_account_that_is_enabled_again_starts_its_clock_anew() {
    let old = || with("back", |user| user.last_login = LastLogin::At(ago(400, 0)));
    let off = User { enabled: Some(false), ..old() };
    let reported = update(&[(0, off), (1, old()), (90, old()), (91, old())]);
    assert_eq!(reported[..3], [None, None, None], "89 days after it was seen enabled, it is not stale");
    let (title, evidence) = reported[3].as_ref().unwrap();
    assert_eq!((&evidence["basis_kind"], &evidence["age_days"]), (&json!("enabled_again"), &json!(90)));
    let (again, login) = (instant(as_of() + TimeDelta::days(1)), instant(ago(400, 0)));
    assert_eq!(
        *title,
        format!(
            "stale-login: no login since it was enabled again 90 days ago: enabled again {again}, last login {login}, \
             threshold 90 days"
        )
    );
    // Without having been away, the same account is stale at once.
    assert!(update(&[(0, old())])[0].as_ref().unwrap().0.starts_with("stale-login: no login for 400 days"));
}

#[test]
fn an_account_that_was_never_used_and_is_enabled_again_has_its_grace_again() {
    let old = || with("back", |user| user.last_login = never());
    let off = User { enabled: Some(false), ..old() };
    let reported = update(&[(0, off), (1, old()), (30, old()), (31, old())]);
    assert_eq!(reported[..3], [None, None, None]);
    assert_eq!(reported[3].as_ref().unwrap().1["basis_kind"], "enabled_again");
}

#[test]
fn where_no_creation_is_reported_the_first_run_that_saw_the_account_is_what_its_age_counts_from() {
    let unreported = || {
        with("untold", |user| {
            user.last_login = never();
            user.created_at = ReportedDate::Not;
        })
    };
    let reported =
        update(&[(0, unreported()), (1, unreported()), (29, unreported()), (30, unreported()), (90, unreported())]);
    assert!(reported[0].as_ref().unwrap().0.starts_with("data-quality:"), "nothing is known of a time before");
    assert_eq!(reported[1..3], [None, None], "neither a gap nor a finding within the grace");
    let (title, evidence) = reported[3].as_ref().unwrap();
    let seen = instant(as_of());
    assert_eq!(
        *title,
        format!("never-logged-in: no login since it was first seen 30 days ago: first seen {seen}, grace 30 days")
    );
    assert_eq!((&evidence["basis"], &evidence["basis_kind"]), (&json!(seen), &json!("first_seen")));
}
