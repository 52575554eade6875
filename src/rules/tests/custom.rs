//! Custom rules: the result of expressions for accounts about which everything, little or nothing is reported.
//!
//! The submodule checks which expressions the configuration refuses.

mod refused;

use super::*;
use crate::model::{Blocked, UserKind};
use crate::rules::custom::{CustomRule, Expression, ExpressionError};
use serde_json::json;

const RULE: &str = "own-rule";

fn policy(when: &str) -> Policy {
    let when = Expression::read(when).unwrap_or_else(|flaw| panic!("{when}: {flaw:?}"));
    let custom = CustomRule {
        rule: Rule::custom(RULE),
        severity: Severity::High,
        title: "Own rule".to_owned(),
        action: "Look.".to_owned(),
        when,
    };
    Policy { custom_rules: vec![custom], ..Policy::default() }
}

fn own<'j>(output: &'j EvaluationOutput, id: &str) -> Option<&'j Finding> {
    output.findings.iter().find(|f| f.rule == Rule::custom(RULE) && &*f.subject.id == id)
}

fn evaluated_by(when: &str, reading: SourceReading) -> EvaluationOutput {
    evaluate(&joined(reading), &policy(when), as_of())
}

/// Returns the result for this account; `None` if it is undetermined.
fn result(when: &str, user: User) -> Option<bool> {
    result_in(when, reading(vec![user]))
}

/// Returns the result for the first account of a reading.
fn result_in(when: &str, reading: SourceReading) -> Option<bool> {
    let output = evaluated_by(when, reading);
    let found = output.findings.iter().any(|f| f.rule == Rule::custom(RULE));
    let was_evaluated = output.gaps[0].user_was_evaluated(0, Rule::custom(RULE));
    assert!(was_evaluated || !found, "{when}: found and undetermined");
    was_evaluated.then_some(found)
}

fn nothing_reported() -> User {
    User::new("1")
}

fn error(when: &str) -> ExpressionError {
    Expression::read(when).err().unwrap_or_else(|| panic!("{when} was accepted"))
}

#[test]
fn a_true_expression_is_a_finding_that_can_be_recomputed() {
    let contractor = with("contractor", |user| user.group_memberships = Box::new(["1".into(), "2".into()]));
    let when = "enabled && \"Administrators\" in groups && days_until_expiry == null";
    let output = evaluated_by(when, reading(vec![contractor.clone(), user("member-of-one")]));
    let found = own(&output, contractor.id.as_str()).unwrap();
    assert_eq!((&*found.title(), &*found.advice.action, found.severity), ("Own rule", "Look.", Severity::High));
    assert!(found.advice.controls.is_empty());
    let evidence: Value = serde_json::from_str(&found.evidence()).unwrap();
    let values = json!({"enabled": true, "groups": ["Operators", "Administrators"], "days_until_expiry": null});
    assert_eq!(evidence, json!({"expression": when, "times_seen": 1, "values": values}));
    assert_eq!(
        *outcome(&output, Rule::custom(RULE)),
        RuleOutcome::Evaluated { subjects: 2, undetermined: 0 },
        "the other account passed"
    );
}

#[test]
fn unreported_data_is_undetermined_and_never_a_pass() {
    for when in [
        "enabled",
        "!enabled",
        "mfa == false",
        "mfa != true",
        "!(account_type == \"local\")",
        "account_type != \"local\"",
        "account_type in [\"local\", \"LDAP\"]",
        "!(account_type in [\"local\"])",
        "days_since_login >= 90",
        "days_since_login < 90",
        "days_since_login + 1 > 3",
        "-days_since_login < 0",
        "\"x\" in groups",
        "!(\"x\" in groups)",
        "groups == [\"x\"]",
        "groups != [\"x\"]",
        "size(groups) == 0",
        "groups.size() > 2",
        "groups.exists(g, g == \"x\")",
        "groups.all(g, g == \"x\")",
        "groups.filter(g, g == \"x\").size() == 0",
        "groups.exists_one(g, g == \"x\")",
        "username.startsWith(\"svc-\")",
        "!username.endsWith(\"x\")",
        "username.contains(\"x\")",
        "username.matches(\"^svc\")",
        "matches(username, \"x\")",
        "is_local",
        "is_sso",
        "mfa ? enabled : true",
        "username == display_name",
        "username in [display_name]",
        "\"x\" in [username]",
        "[mfa] == [true]",
        "int(username) > 3",
        "string(passkeys) == \"1\"",
        "passkeys > 0",
        "days_until_expiry < 30",
        "days_since_created > 3",
        "locale == \"de\"",
        "email_address == \"\"",
        "is_admin",
        "[mfa].exists(m, m == false)",
        "[mfa].all(m, m != false)",
        "groups[0] == \"x\"",
        "has_public_key",
        "enabled && mfa",
        "enabled || mfa",
        "enabled == mfa",
        "true == mfa",
        "mfa in [true, null]",
    ] {
        assert_eq!(result(when, nothing_reported()), None, "{when}");
    }
}

#[test]
fn an_undetermined_side_is_ignored_only_if_the_other_side_decides_alone() {
    let known = |enabled: bool| with("somebody", |user| user.enabled = Some(enabled));
    for (when, enabled, wanted) in [
        ("enabled && mfa", false, Some(false)),
        ("mfa && enabled", false, Some(false)),
        ("enabled && mfa", true, None),
        ("mfa && enabled", true, None),
        ("enabled || mfa", true, Some(true)),
        ("mfa || enabled", true, Some(true)),
        ("enabled || mfa", false, None),
        ("mfa || enabled", false, None),
        ("!(mfa && enabled)", true, None),
        ("mfa == null || enabled", false, Some(true)),
        ("enabled ? mfa == null : mfa", true, Some(true)),
        ("enabled ? mfa == null : mfa", false, None),
        ("[enabled, false].exists(e, e && mfa)", false, Some(false)),
        ("[enabled, mfa].exists(e, e)", true, Some(true)),
        ("[mfa, enabled].exists(e, e)", true, Some(true)),
        ("[mfa, enabled].exists(e, e)", false, None),
        ("[mfa, enabled].all(e, e)", false, Some(false)),
        ("[mfa, enabled].all(e, e)", true, None),
    ] {
        assert_eq!(result(when, known(enabled)), wanted, "{when} where enabled is {enabled}");
    }
}

#[test]
fn an_expression_can_test_whether_a_value_is_reported() {
    for name in [
        "username",
        "display_name",
        "email_address",
        "enabled",
        "account_type",
        "is_local",
        "is_sso",
        "is_admin",
        "mfa",
        "groups",
        "group_ids",
        "days_since_login",
        "days_since_created",
        "days_until_expiry",
        "has_public_key",
        "passkeys",
        "locale",
        "is_privileged",
        "expired",
        "blocked",
    ] {
        assert_eq!(result(&format!("{name} == null"), nothing_reported()), Some(true), "{name}");
        assert_eq!(result(&format!("null != {name}"), nothing_reported()), Some(false), "{name}");
    }
    for name in ["source", "source_kind", "id", "kind", "groups_known", "last_login_status"] {
        assert_eq!(result(&format!("{name} == null"), nothing_reported()), Some(false), "{name}");
    }
}

/// Expressions that are true for an account about which everything is reported.
const TRUE_IF_REPORTED: [&str; 26] = [
    "source == \"eu\"",
    "source_kind == \"rest-v3\"",
    "id == \"8reported\"",
    "username == \"reported\"",
    "display_name == \"Re Ported\"",
    "email_address.endsWith(\"@example.com\")",
    "enabled",
    "account_type == \"LDAP\"",
    "kind == \"person\"",
    "!is_local",
    "!is_sso",
    "!is_admin",
    "!is_privileged",
    "mfa",
    "groups == [\"Operators\"]",
    "group_ids == [\"1\"]",
    "groups_known",
    "days_since_login == 3",
    "last_login_status == \"at\"",
    "days_since_created == 10",
    "days_until_expiry == 4",
    "!expired",
    "!blocked",
    "has_public_key",
    "passkeys == 2",
    "locale == \"de\"",
];

#[test]
fn every_variable_has_the_documented_value() {
    let reported = with("reported", |user| {
        user.display_name = Some("Re Ported".into());
        user.email_address = Some("reported@example.com".into());
        user.is_admin = Some(false);
        user.mfa = Some(true);
        user.rare.set(|rare| &mut rare.passkeys, Some(2));
        user.public_key = Some("ssh-ed25519 AAAA".into());
        user.locale = Some("de".into());
        user.last_login = LastLogin::At(ago(3, 86_399));
        user.created_at = ReportedDate::At(ago(10, 0));
        user.expires_at = ReportedDate::At(ago(-5, 1));
    });
    for when in TRUE_IF_REPORTED {
        assert_eq!(result(when, reported.clone()), Some(true), "{when}");
    }
    let ended = |seconds| with("ended", move |user| user.expires_at = ReportedDate::At(ago(0, seconds)));
    assert_eq!(result("expired && blocked && days_until_expiry == 0", ended(0)), Some(true));
    assert_eq!(result("expired && days_until_expiry == -1", ended(1)), Some(true), "the first day after expiry");
    let quarantined = with("quarantined", |user| user.blocked = Some(Blocked::Quarantined));
    assert_eq!(result("blocked && !expired", quarantined), Some(true));
    let both = with("both", |user| {
        (user.blocked, user.expires_at) = (Some(Blocked::NotApproved), ReportedDate::At(ago(5, 0)));
    });
    assert_eq!(result("blocked && expired", both), Some(true), "another reason does not hide expiry");
    assert_eq!(
        result(
            "last_login_status == \"never\" || days_since_login >= 90",
            with("never", |user| {
                user.last_login = LastLogin::Never { sentinel: None };
            })
        ),
        Some(true)
    );
    assert_eq!(result("kind == \"service\"", user("svc-backup")), Some(true));
    assert_eq!(UserKind::BreakGlass.as_str(), "break-glass");
}

#[test]
fn an_unreadable_date_is_neither_null_nor_a_number() {
    let odd = |name: &str| with(name, |user| user.expires_at = ReportedDate::Unreadable("soon".into()));
    for when in
        ["days_until_expiry == null", "days_until_expiry != null", "days_until_expiry < 30", "expired", "!blocked"]
    {
        assert_eq!(result(when, odd("odd")), None, "{when}");
    }
    let output = evaluated_by("enabled || expired", reading(vec![odd("odd")]));
    let evidence: Value = serde_json::from_str(&own(&output, "3odd").unwrap().evidence()).unwrap();
    assert_eq!(evidence["values"], json!({"enabled": true, "expired": {"unreadable": "soon"}}));
}

#[test]
fn groups_are_unknown_if_the_group_list_is_incomplete() {
    let mut drifted = reading(vec![user("somebody")]);
    drifted.lists[1].coverage = Coverage::Drifted { why: "rows moved".to_owned() };
    assert_eq!(result_in("\"Contractors\" in groups", drifted.clone()), None, "the list may lack the group");
    assert_eq!(result_in("size(group_ids) > 5", drifted), None);
    let unknown = with("behind-a-directory", |user| user.groups_known = false);
    assert_eq!(result("\"Contractors\" in groups", unknown), None);
}

#[test]
fn an_account_is_known_to_have_no_key_only_if_another_account_has_one() {
    let with_key = with("with-key", |user| user.public_key = Some("ssh-ed25519 AAAA".into()));
    assert_eq!(result("has_public_key", user("without")), None);
    assert_eq!(result_in("!has_public_key", reading(vec![user("a"), with_key])), Some(true));
}

#[test]
fn a_custom_rule_is_undetermined_if_the_user_list_failed() {
    let mut failed = reading(Vec::new());
    failed.lists[0].coverage = Coverage::Failed { error: "refused".to_owned() };
    let output = evaluated_by("enabled", failed);
    assert!(
        matches!(outcome(&output, Rule::custom(RULE)), RuleOutcome::Undetermined { why } if why.contains("refused"))
    );
}

#[test]
fn a_custom_rule_can_be_switched_off_or_get_another_severity() {
    let rule = Rule::custom(RULE);
    let mut policy = policy("enabled");
    policy.rules.insert(rule, Override::Severity(Severity::Info));
    let output = evaluate(&joined(reading(vec![user("somebody")])), &policy, as_of());
    assert_eq!(own(&output, "8somebody").unwrap().severity, Severity::Info);
    policy.rules.insert(rule, Override::Off);
    let output = evaluate(&joined(reading(vec![user("somebody")])), &policy, as_of());
    assert_eq!((own(&output, "8somebody"), outcome(&output, rule)), (None, &RuleOutcome::Off));
}

#[test]
fn long_lists_of_groups_are_cut_in_evidence_but_evaluated_in_full() {
    let ids: Vec<crate::model::GroupId> = (1000..1257).map(|id| crate::model::GroupId::from(id.to_string())).collect();
    let many = with("many", |user| user.group_memberships = ids.into());
    let output = evaluated_by("\"1256\" in groups", reading(vec![many]));
    let evidence: Value = serde_json::from_str(&own(&output, "4many").unwrap().evidence()).unwrap();
    assert_eq!(evidence["values"]["groups"].as_array().unwrap().len(), 100);
    assert_eq!(evidence["lengths"], json!({"groups": 257}));
}

#[test]
fn an_error_that_depends_on_values_is_undetermined_and_no_mistake_in_the_expression() {
    assert_eq!(result("int(id) > 100", user("somebody")), None, "8somebody is no number");
    assert_eq!(result("int(id) >= 1", nothing_reported()), Some(true));
    assert_eq!(
        result("100 / passkeys > 3", with("none", |user| user.rare.set(|rare| &mut rare.passkeys, Some(0)))),
        None
    );
    assert_eq!(result("groups[7] == \"x\"", user("somebody")), None);
    assert_eq!(
        result(
            "days_since_login * 9223372036854775807 > 0",
            with("old", |user| {
                user.last_login = LastLogin::At(ago(9, 0));
            })
        ),
        None
    );
}

#[test]
fn an_id_of_a_custom_rule_is_stored_once() {
    let (one, other) = (Rule::custom("kept-once"), Rule::custom(&["kept", "once"].join("-")));
    assert_eq!(one, other);
    assert!(std::ptr::eq(one.as_str(), other.as_str()));
}

proptest! {
    #[test]
    fn days_since_login_finds_exactly_the_accounts_that_plain_arithmetic_finds(
        ages in proptest::collection::vec((0i64..400, 0i64..86_400, 0u8..4), 1..40),
        limit in 0i64..400,
    ) {
        let users: Vec<User> = ages.iter().enumerate().map(|(at, (days, seconds, sort))| {
            let mut user = user("x");
            user.id = at.to_string().into();
            user.last_login = match sort {
                0 => LastLogin::NotReported,
                1 => LastLogin::Never { sentinel: None },
                _ => LastLogin::At(ago(*days, *seconds)),
            };
            user
        }).collect();
        let output = evaluated_by(&format!("days_since_login >= {limit}"), reading(users));
        let found: Vec<usize> = output.findings.iter().filter(|f| f.rule == Rule::custom(RULE))
            .map(|f| f.subject.id.parse().unwrap()).collect();
        let wanted: Vec<usize> = (0..ages.len()).filter(|at| ages[*at].2 > 1 && ages[*at].0 >= limit).collect();
        let unreported = ages.iter().filter(|(_, _, sort)| *sort < 2).count() as u64;
        prop_assert_eq!(found, wanted);
        let expected = RuleOutcome::Evaluated { subjects: ages.len() as u64, undetermined: unreported };
        prop_assert_eq!(outcome(&output, Rule::custom(RULE)), &expected);
    }
}
