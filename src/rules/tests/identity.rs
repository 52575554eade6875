//! Addresses, single sign-on, second factors and keys.

use super::*;

fn mail(name: &str, address: &str) -> User {
    with(name, |u| u.email_address = Some(address.into()))
}

fn rules_of(users: Vec<User>, rule: Rule) -> Vec<Finding> {
    evaluated(users).findings.into_iter().filter(|finding| finding.rule == rule).collect()
}

fn evidence_of(finding: &Finding) -> Value {
    serde_json::from_str(&finding.evidence()).unwrap()
}

#[test]
fn two_enabled_accounts_with_the_same_address_are_found_and_name_each_other() {
    let users = vec![mail("ada", "Ada@Example.com "), mail("admin-ada", "ada@example.com"), mail("b", "b@example.com")];
    let found = rules_of(users, Rule::SharedEmail);
    let subjects: Vec<&str> = found.iter().map(|f| &*f.subject.id).collect();
    assert_eq!(subjects, ["3ada", "9admin-ada"]);
    let expected =
        serde_json::json!({"accounts": ["9admin-ada"], "address": "ada@example.com", "count": 1, "times_seen": 1});
    assert_eq!(evidence_of(&found[0]), expected);
    assert_eq!(
        (found[0].severity, &*found[0].title()),
        (Severity::Medium, "shares its e-mail address with another enabled account")
    );
}

#[test]
fn disabled_accounts_and_empty_addresses_are_not_shared() {
    let gone = with("gone", |u| {
        u.email_address = Some("a@example.com".into());
        u.enabled = Some(false);
    });
    assert_eq!(rules_of(vec![mail("a", "a@example.com"), gone], Rule::SharedEmail), []);
    assert_eq!(rules_of(vec![mail("a", " "), mail("bb", ""), user("ccc")], Rule::SharedEmail), []);
}

#[test]
fn an_address_shared_with_an_account_whose_state_is_not_reported_is_undetermined() {
    let unreported = with("unreported", |u| {
        u.email_address = Some("a@example.com".into());
        u.enabled = None;
    });
    let output = evaluated(vec![mail("a", "A@example.com"), unreported, mail("c", "c@example.com")]);
    assert_eq!(outcome(&output, Rule::SharedEmail), &RuleOutcome::Evaluated { subjects: 3, undetermined: 2 });
    assert_eq!(output.findings, []);
}

#[test]
fn a_finding_names_at_most_20_accounts_with_the_same_address_and_counts_all_of_them() {
    let users: Vec<User> = (0..30).map(|n| mail(&"x".repeat(n + 1), "all@example.com")).collect();
    let found = rules_of(users, Rule::SharedEmail);
    let first = evidence_of(&found[0]);
    assert_eq!((first["count"].as_u64(), first["accounts"].as_array().unwrap().len(), found.len()), (Some(29), 20, 30));
}

#[test]
fn a_local_account_is_found_only_if_others_sign_in_through_an_identity_provider() {
    let typed = |name: &str, kind: &str| with(name, |u| u.account_type = Some(kind.into()));
    let local = || typed("local", "Local");
    assert_eq!(found(vec![local(), typed("a", "LDAP")]), [""; 0]);
    assert_eq!(
        outcome(&evaluated(vec![local(), typed("a", "LDAP")]), Rule::LocalOutsideSso),
        &RuleOutcome::Evaluated { subjects: 0, undetermined: 0 }
    );
    assert_eq!(found(vec![local(), typed("a", "SAML2")]), ["local-outside-sso:medium"]);
    assert_eq!(found(vec![typed("pws", "BeyondInsight"), typed("a", "AzureAD")]), ["local-outside-sso:medium"]);
    assert_eq!(
        found(vec![typed("emergency-1", "local"), typed("a", "saml")]),
        [""; 0],
        "break-glass is meant to be local"
    );
    let admin = with("admin", |u| {
        u.account_type = Some("local".into());
        u.is_admin = Some(true);
    });
    assert_eq!(found(vec![admin, typed("a", "saml")]), ["local-outside-sso:high"]);
    let disabled = with("disabled", |u| {
        u.account_type = Some("local".into());
        u.enabled = Some(false);
        u.group_memberships = Box::default();
    });
    assert_eq!(found(vec![disabled, typed("a", "saml")]), [""; 0]);
}

#[test]
fn an_unreported_type_leaves_the_account_and_the_use_of_single_sign_on_undetermined() {
    let typed = |name: &str, kind: Option<&str>| with(name, |u| u.account_type = kind.map(Into::into));
    let tally = |users| outcome(&evaluated(users), Rule::LocalOutsideSso).clone();
    let unreported = |n| RuleOutcome::Evaluated { subjects: n, undetermined: 1 };
    assert_eq!(tally(vec![typed("a", None), typed("sso", Some("SAML"))]), unreported(2));
    assert_eq!(
        tally(vec![typed("ldap", Some("LDAP")), typed("a", None)]),
        unreported(2),
        "the account without a type may use single sign-on"
    );
    let nobody = tally(vec![typed("a", None), typed("bb", None)]);
    assert_eq!(nobody, RuleOutcome::Undetermined { why: "the source does not report account types".to_owned() });
}

#[test]
fn only_a_second_factor_that_is_reportedly_missing_is_a_finding() {
    let factor = |name: &str, mfa: Option<bool>| with(name, |u| u.mfa = mfa);
    assert_eq!(found(vec![factor("without", Some(false))]), ["no-mfa:medium"]);
    assert_eq!(found(vec![factor("with", Some(true))]), [""; 0]);
    let output = evaluated(vec![factor("with", Some(true)), factor("unreported", None)]);
    assert_eq!(outcome(&output, Rule::NoMfa), &RuleOutcome::Evaluated { subjects: 2, undetermined: 1 });
    let output = evaluated(vec![factor("unreported", None), factor("svc-reported", Some(false))]);
    let expected = RuleOutcome::Undetermined { why: "the source does not report second factors".to_owned() };
    assert_eq!(outcome(&output, Rule::NoMfa), &expected, "a service account proves nothing about people");
    let admin = with("admin", |u| {
        u.mfa = Some(false);
        u.group_memberships = Box::new(["2".into()]);
    });
    assert_eq!(found(vec![admin]), ["no-mfa:high"]);
}

#[test]
fn the_identity_provider_is_responsible_for_the_second_factor_of_single_sign_on() {
    let output = evaluated(vec![with("sso", |u| {
        u.mfa = Some(false);
        u.account_type = Some("saml".into());
    })]);
    assert_eq!(outcome(&output, Rule::NoMfa), &RuleOutcome::Evaluated { subjects: 1, undetermined: 1 });
    assert_eq!(output.findings, []);
}

/// An account with an SSH key that has no findings except those about the key and its state.
fn keyed(change: impl FnOnce(&mut User)) -> User {
    with("keyed", |u| {
        u.public_key = Some("ssh-ed25519 AAAA".into());
        change(u);
    })
}

fn dormant(change: impl FnOnce(&mut User)) -> Option<(String, Value)> {
    let found = rules_of(vec![keyed(change)], Rule::DormantWithKey);
    found.first().map(|f| (f.title(), evidence_of(f)))
}

#[test]
fn a_key_of_a_closed_stale_or_unused_account_is_found_with_the_reason() {
    assert_eq!(dormant(|_| {}), None, "in use");
    let state = |found: Option<(String, Value)>| found.unwrap().1["state"].as_str().unwrap().to_owned();
    assert_eq!(state(dormant(|u| u.enabled = Some(false))), "disabled");
    assert_eq!(state(dormant(|u| u.expires_at = ReportedDate::At(as_of()))), "expired");
    assert_eq!(state(dormant(|u| u.blocked = Some(Blocked::Quarantined))), "quarantined");
    let (title, evidence) = dormant(|u| u.last_login = LastLogin::At(ago(90, 0))).unwrap();
    assert_eq!(title, "no login for 90 days, and it still has an SSH key");
    assert_eq!((&evidence["state"], &evidence["age_days"]), (&serde_json::json!("stale"), &serde_json::json!(90)));
    assert_eq!(dormant(|u| u.last_login = LastLogin::At(ago(90, -1))), None);
    let (_, evidence) = dormant(|u| {
        u.last_login = LastLogin::Never { sentinel: None };
        u.rare.set(|rare| &mut rare.passkeys, Some(2));
    })
    .unwrap();
    assert_eq!(
        (&evidence["state"], &evidence["keys"]),
        (&serde_json::json!("never"), &serde_json::json!(["ssh-key", "passkey"]))
    );
}

#[test]
fn accounts_without_a_key_are_no_subjects_and_an_unreported_login_is_undetermined() {
    let output = evaluated(vec![
        with("no-key", |u| u.public_key = Some("".into())),
        keyed(|u| u.last_login = LastLogin::NotReported),
    ]);
    assert_eq!(outcome(&output, Rule::DormantWithKey), &RuleOutcome::Evaluated { subjects: 1, undetermined: 1 });
}

#[test]
fn a_dormant_key_is_found_even_if_stale_login_is_switched_off() {
    let mut policy = Policy::default();
    policy.rules.insert(Rule::StaleLogin, Override::Off);
    let stale = keyed(|u| u.last_login = LastLogin::At(ago(400, 0)));
    let output = evaluate(&joined(reading(vec![stale])), &policy, as_of());
    let rules: Vec<Rule> = output.findings.iter().map(|f| f.rule).collect();
    assert_eq!(rules, [Rule::DormantWithKey]);
}

proptest! {
    #[test]
    fn a_shared_address_is_found_at_all_its_accounts_with_the_number_of_enabled_others(
        people in proptest::collection::vec((0u8..4, any::<bool>(), any::<bool>()), 0..30)
    ) {
        let users: Vec<User> = people.iter().enumerate().map(|(n, (address, upper, enabled))| {
            let mut user = user("somebody");
            user.id = n.to_string().into();
            user.enabled = Some(*enabled);
            let text = format!(" p{address}@example.com");
            user.email_address = Some(if *upper { text.to_uppercase() } else { text }.into());
            user
        }).collect();
        let found = rules_of(users, Rule::SharedEmail);
        let count_of = |address: u8| people.iter().filter(|(a, _, enabled)| *a == address && *enabled).count();
        let expected: Vec<(String, u64)> = people.iter().enumerate()
            .filter(|(_, (address, _, enabled))| *enabled && count_of(*address) > 1)
            .map(|(n, (address, ..))| (n.to_string(), count_of(*address) as u64 - 1))
            .collect();
        let got: Vec<(String, u64)> = found.iter()
            .map(|f| (f.subject.id.to_string(), evidence_of(f)["count"].as_u64().unwrap()))
            .collect();
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn a_dormant_key_is_found_exactly_if_the_account_is_closed_or_inactive(
        days in 0i64..200, never in any::<bool>(), state in 0u8..4, admin in any::<bool>(),
    ) {
        let keyed = keyed(|u| {
            u.enabled = Some(state != 1);
            u.blocked = (state == 2).then_some(Blocked::NotApproved);
            u.is_admin = Some(admin);
            u.last_login = if never { LastLogin::Never { sentinel: None } } else { LastLogin::At(ago(days, 0)) };
            u.created_at = ReportedDate::At(ago(days, 0));
        });
        let findings = evaluated(vec![keyed]).findings;
        let has = |rule| findings.iter().any(|f| f.rule == rule);
        let closed = state == 1 || state == 2;
        prop_assert_eq!(has(Rule::DormantWithKey), closed || has(Rule::StaleLogin) || has(Rule::NeverLoggedIn));
    }
}
