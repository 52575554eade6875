//! Unknown data makes a rule undetermined for a subject. It is neither a pass nor a finding.

use super::*;

#[test]
fn between_the_two_thresholds_an_account_with_unknown_privilege_is_undetermined() {
    let unknown = |days: i64| {
        with("unknown-groups", |u| {
            u.groups_known = false;
            u.group_memberships = Box::default();
            u.last_login = LastLogin::At(ago(days, 0));
        })
    };
    let result = |days| outcome(&evaluated(vec![unknown(days)]), Rule::StaleLogin).clone();
    assert_eq!(result(44), RuleOutcome::Evaluated { subjects: 1, undetermined: 0 });
    assert_eq!(result(45), RuleOutcome::Evaluated { subjects: 1, undetermined: 1 });
    assert_eq!(result(89), RuleOutcome::Evaluated { subjects: 1, undetermined: 1 });
    let stale = evaluated(vec![unknown(90)]).findings;
    let evidence: Value = serde_json::from_str(&stale[0].evidence()).unwrap();
    assert_eq!((&evidence["privileged"], &evidence["threshold_days"]), (&Value::Null, &serde_json::json!(90)));
}

#[test]
fn an_account_with_a_group_missing_from_a_failed_list_may_be_privileged() {
    let mut reading = reading(vec![with("perhaps-admin", |u| {
        u.group_memberships = Box::new(["1".into(), "99".into()]);
        u.last_login = LastLogin::At(ago(65, 0));
    })]);
    reading.lists[1].coverage = Coverage::Failed { error: "403".to_owned() };
    let inventory = joined(reading.clone());
    let output = evaluate(&inventory, &Policy::default(), as_of());
    assert_eq!(outcome(&output, Rule::StaleLogin), &RuleOutcome::Evaluated { subjects: 1, undetermined: 1 });
    // Without privileged groups in the configuration, an unknown group cannot grant privilege.
    let inventory = Inventory::join(vec![reading], &Classes::default());
    let output = evaluate(&inventory, &Policy::default(), as_of());
    assert_eq!(outcome(&output, Rule::StaleLogin), &RuleOutcome::Evaluated { subjects: 1, undetermined: 0 });
}

#[test]
fn an_account_with_an_unreported_state_is_undetermined_and_does_not_pass() {
    let output = evaluated(vec![with("state-unreported", |u| {
        u.enabled = None;
        u.last_login = LastLogin::At(ago(2000, 0));
    })]);
    for rule in [Rule::StaleLogin, Rule::NeverLoggedIn, Rule::NoGroup, Rule::DisabledInGroup] {
        assert_eq!(outcome(&output, rule), &RuleOutcome::Evaluated { subjects: 1, undetermined: 1 }, "{rule:?}");
    }
}

#[test]
fn the_reason_for_unknown_logins_is_accurate() {
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
    assert!(why(reading(vec![unreadable])).contains("all of them are unreadable"));
    let mut refused = reading(vec![with("a", unreported)]);
    refused.lists.push(list(ListKind::UserDetails, Coverage::Failed { error: "forbidden (403)".to_owned() }));
    assert!(why(refused).contains("reading the users' own records failed: forbidden (403)"));
}
