//! Events since the baseline: growth of privileged groups, use of emergency accounts, and ages that restart.

use super::*;
use crate::state::{Advance, test_support::SettledRun};
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
    of.map(|finding| (&*finding.subject.id, serde_json::from_str(&finding.evidence()).unwrap())).collect()
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
fn an_unread_privileged_group_is_known_to_grow_if_users_own_records_show_it() {
    let mut unread = reading(vec![admin("promoted")]);
    unread.lists[1].coverage = Coverage::Failed { error: "forbidden".to_owned() };
    let output = evaluated_after(reading(vec![user("promoted")]), unread);
    let found = of_rule(&output, Rule::PrivilegedGrowth);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].0, &found[0].1["count"], &found[0].1["members_now"]), ("2", &json!(1), &Value::Null));
}

/// The rule is about privileged groups only.
#[test]
fn a_privileged_group_with_new_members_is_found_and_names_them() {
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
    assert_eq!(
        (&evidence["count"], &evidence["members_now"]),
        (&json!(2), &json!(4)),
        "three users and a directory group"
    );
    assert_eq!(evidence["base_run"], BASE);
    assert_eq!(evaluated_subjects(&output, Rule::PrivilegedGrowth), (1, 0));
    let finding = output.findings.iter().find(|f| f.rule == Rule::PrivilegedGrowth).unwrap();
    assert_eq!(finding.severity, Severity::Medium);
    assert_eq!(finding.title(), format!("privileged group gained 2 members since {BASE}"));
}

#[test]
fn a_directory_group_added_to_a_privileged_group_is_growth_too() {
    let mut new = reading(vec![user("u")]);
    new.outside.push(Outside { group_id: "2".into(), member: OutsideMember::Directory("cn=everybody".into()) });
    let output = evaluated_after(reading(vec![user("u")]), new);
    assert_eq!(of_rule(&output, Rule::PrivilegedGrowth)[0].1["new_members"], json!([{"directory": "cn=everybody"}]));
}

#[test]
fn removed_members_and_new_members_of_other_groups_are_no_growth() {
    let output = evaluated_after(reading(vec![admin("leaver")]), reading(vec![user("leaver"), user("joiner")]));
    assert_eq!(of_rule(&output, Rule::PrivilegedGrowth), []);
    assert_eq!(evaluated_subjects(&output, Rule::PrivilegedGrowth), (1, 0));
}

#[test]
fn without_a_baseline_growth_and_use_of_emergency_accounts_are_undetermined() {
    let output = evaluated(vec![admin("a"), user("emergency-1")]);
    for rule in [Rule::PrivilegedGrowth, Rule::BreakGlassUsed] {
        let RuleOutcome::Undetermined { why } = outcome(&output, rule) else { panic!("{rule:?}") };
        assert!(why.contains("no earlier snapshot to compare with"), "{why}");
    }
}

#[test]
fn a_source_missing_from_the_baseline_snapshot_has_nothing_to_compare_with() {
    let mut other = reading(vec![user("u")]);
    other.source.name = "us".into();
    let output = evaluated_after(other, reading(vec![user("emergency-1")]));
    let RuleOutcome::Undetermined { why } = outcome(&output, Rule::PrivilegedGrowth) else { panic!() };
    assert!(why.contains("nothing to compare with"), "{why}");
}

#[test]
fn with_unknown_memberships_a_group_without_changes_is_undetermined_and_a_change_is_found() {
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
    assert_eq!(
        evaluated_subjects(&output, Rule::PrivilegedGrowth),
        (1, 1),
        "the memberships of an account are unknown"
    );
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

/// Returns the evidence for the use of an emergency account, or (subjects, undetermined) if nothing is found.
fn used(before: Option<LastLogin>, now: LastLogin) -> Result<Value, (u64, u64)> {
    let before = before.map(emergency).into_iter().chain([user("unrelated")]).collect();
    let output = evaluated_after(reading(before), reading(vec![emergency(now), user("unrelated")]));
    let found = of_rule(&output, Rule::BreakGlassUsed).pop();
    found.map(|(_, evidence)| evidence).ok_or_else(|| evaluated_subjects(&output, Rule::BreakGlassUsed))
}

#[test]
fn an_emergency_account_with_a_later_login_than_in_the_baseline_was_used() {
    let at = |days| LastLogin::At(ago(days, 0));
    let evidence = used(Some(at(300)), at(0)).unwrap();
    assert_eq!(evidence["last_login"], instant(ago(0, 0)));
    assert_eq!(evidence["last_login_before"], instant(ago(300, 0)));
    assert_eq!(used(Some(never()), at(0)).unwrap()["last_login_before"], Value::Null);
    assert!(used(None, at(0)).is_ok(), "added since the baseline, with a login");
    assert_eq!(used(Some(at(300)), at(301)).unwrap_err(), (1, 1), "one of the two dates is wrong");
    for unused in [(Some(at(300)), at(300)), (Some(never()), never()), (None, never())] {
        assert_eq!(used(unused.0, unused.1).unwrap_err(), (1, 0));
    }
}

#[test]
fn an_emergency_account_with_an_unreported_login_now_or_in_the_baseline_is_undetermined() {
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
    assert!(why.contains("nothing to compare with"), "the account may have existed before: {why}");
}

/// Runs on several days and returns the finding about inactivity of one account on each of them. Each run starts from
/// the state of the one before.
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
            f.subject.id == person.id.as_str()
                && matches!(f.rule, Rule::StaleLogin | Rule::NeverLoggedIn | Rule::DataQuality)
        });
        found.push(of_person.map(|f| {
            let evidence: Value = serde_json::from_str(&f.evidence()).unwrap();
            (format!("{}: {}", f.rule.as_str(), f.title()), evidence)
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
    // Without the interruption, the same account is stale at once.
    assert!(update(&[(0, old())])[0].as_ref().unwrap().0.starts_with("stale-login: no login for 400 days"));
}

#[test]
fn a_never_used_account_that_is_enabled_again_gets_a_new_grace_period() {
    let old = || with("back", |user| user.last_login = never());
    let off = User { enabled: Some(false), ..old() };
    let reported = update(&[(0, off), (1, old()), (30, old()), (31, old())]);
    assert_eq!(reported[..3], [None, None, None]);
    assert_eq!(reported[3].as_ref().unwrap().1["basis_kind"], "enabled_again");
}

#[test]
fn without_a_reported_creation_the_age_counts_from_the_first_run_that_read_the_account() {
    let unreported = || {
        with("unreported", |user| {
            user.last_login = never();
            user.created_at = ReportedDate::NotReported;
        })
    };
    let reported =
        update(&[(0, unreported()), (1, unreported()), (29, unreported()), (30, unreported()), (90, unreported())]);
    assert!(reported[0].as_ref().unwrap().0.starts_with("data-quality:"), "nothing is known about the time before");
    assert_eq!(reported[1..3], [None, None], "neither a gap nor a finding within the grace period");
    let (title, evidence) = reported[3].as_ref().unwrap();
    let seen = instant(as_of());
    assert_eq!(
        *title,
        format!("never-logged-in: no login since it was first seen 30 days ago: first seen {seen}, grace 30 days")
    );
    assert_eq!((&evidence["basis"], &evidence["basis_kind"]), (&json!(seen), &json!("first_seen")));
}
