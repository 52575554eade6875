//! What cannot be told is undetermined: never fine, and never a finding.

use super::*;

#[test]
fn between_the_two_thresholds_an_account_whose_privilege_cannot_be_reported_is_undetermined() {
    let unknown = |days: i64| {
        with("unknown-groups", |u| {
            u.groups_known = false;
            u.group_memberships = Box::default();
            u.last_login = LastLogin::At(ago(days, 0));
        })
    };
    let tally = |days| outcome(&evaluated(vec![unknown(days)]), Rule::StaleLogin).clone();
    assert_eq!(tally(44), RuleOutcome::Evaluated { subjects: 1, undetermined: 0 });
    assert_eq!(tally(45), RuleOutcome::Evaluated { subjects: 1, undetermined: 1 });
    assert_eq!(tally(89), RuleOutcome::Evaluated { subjects: 1, undetermined: 1 });
    let stale = evaluated(vec![unknown(90)]).findings;
    let evidence: Value = serde_json::from_str(&stale[0].evidence).unwrap();
    assert_eq!((&evidence["privileged"], &evidence["threshold_days"]), (&Value::Null, &serde_json::json!(90)));
}

#[test]
fn an_account_in_a_list_of_groups_that_broke_off_may_be_privileged() {
    let mut reading = reading(vec![with("perhaps-admin", |u| {
        u.group_memberships = Box::new(["1".into(), "99".into()]);
        u.last_login = LastLogin::At(ago(65, 0));
    })]);
    reading.lists[1].coverage = Coverage::Failed { error: "403".to_owned() };
    let inventory = joined(reading.clone());
    let output = evaluate(&inventory, &Policy::default(), as_of());
    assert_eq!(outcome(&output, Rule::StaleLogin), &RuleOutcome::Evaluated { subjects: 1, undetermined: 1 });
    // Nothing is hidden where no group counts as privileged.
    let inventory = Inventory::join(vec![reading], &Classes::default());
    let output = evaluate(&inventory, &Policy::default(), as_of());
    assert_eq!(outcome(&output, Rule::StaleLogin), &RuleOutcome::Evaluated { subjects: 1, undetermined: 0 });
}

#[test]
fn an_account_that_is_not_reported_to_be_enabled_is_undetermined_and_not_fine() {
    let output = evaluated(vec![with("state-not-told", |u| {
        u.enabled = None;
        u.last_login = LastLogin::At(ago(2000, 0));
    })]);
    for rule in [Rule::StaleLogin, Rule::NeverLoggedIn, Rule::NoGroup, Rule::DisabledInGroup] {
        assert_eq!(outcome(&output, rule), &RuleOutcome::Evaluated { subjects: 1, undetermined: 1 }, "{rule:?}");
    }
}

#[test]
fn why_no_last_login_was_evaluated_is_the_true_reason() {
    let why = |reading: SourceReading| match outcome(
        &evaluate(&joined(reading), &Policy::default(), as_of()),
        Rule::StaleLogin,
    ) {
        RuleOutcome::Undetermined { why } => why.clone(),
        other => panic!("{other:?}"),
    };
    let unreported = |u: &mut User| u.last_login = LastLogin::NotReported;
    assert_eq!(why(reading(vec![with("a", unreported)])), "the source does not report last logins");
    let unreadable = with("a", |u| u.last_login = LastLogin::Unreadable("01/02/2020 3pm".into()));
    assert!(why(reading(vec![unreadable])).contains("none of them can be read"));
    let mut refused = reading(vec![with("a", unreported)]);
    refused.lists.push(list(ListKind::UserDetails, Coverage::Failed { error: "forbidden (403)".to_owned() }));
    assert!(why(refused).contains("own records could not be read: forbidden (403)"));
}
