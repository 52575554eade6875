//! Every rule over small inventories. Accounts are named after their part in the case.

mod custom;
mod excluded;
mod groups;
mod identity;
mod quality;
mod service;
mod shares;
mod since;
mod undetermined;

use super::policy::Threshold;
use super::*;
use crate::model::{
    Classes, Group, ListReport, Outside, OutsideMember, Pattern, ReportedDate, SourceIdentity, SourceName,
    SourceReading,
};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::Value;

fn at(text: &str) -> Instant {
    DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc)
}

fn as_of() -> Instant {
    at("2026-11-23T02:00:00Z")
}

fn ago(days: i64, seconds: i64) -> Instant {
    as_of() - TimeDelta::days(days) - TimeDelta::seconds(seconds)
}

/// An enabled LDAP account in group 1 that logged in yesterday.
fn user(name: &str) -> User {
    let mut user = User::new(name.len().to_string() + name);
    user.username = Some(name.into());
    user.enabled = Some(true);
    user.account_type = Some("LDAP".into());
    user.groups_known = true;
    user.group_memberships = Box::new(["1".into()]);
    user.last_login = LastLogin::At(ago(1, 0));
    user.created_at = ReportedDate::At(ago(1000, 0));
    user
}

fn with(name: &str, change: impl FnOnce(&mut User)) -> User {
    let mut user = user(name);
    change(&mut user);
    user
}

fn list(kind: ListKind, coverage: Coverage) -> ListReport {
    ListReport::of_rows(kind, 0, coverage)
}

fn complete() -> Coverage {
    Coverage::Complete { proof: "all".to_owned() }
}

/// A source with group 1 `Operators` and group 2 `Administrators` (privileged). Each contains a directory group, so
/// that neither is empty.
fn reading(users: Vec<User>) -> SourceReading {
    let directory =
        |group: &str| Outside { group_id: group.into(), member: OutsideMember::Directory("cn=staff".into()) };
    let mut groups = vec![Group::new("1"), Group::new("2")];
    groups[0].name = Some("Operators".into());
    groups[1].name = Some("Administrators".into());
    SourceReading {
        source: SourceIdentity {
            name: SourceName::from("eu"),
            kind: "rest-v3".to_owned(),
            url: "https://bt".to_owned(),
            client_id: "id".to_owned(),
        },
        users,
        groups,
        outside: vec![directory("1"), directory("2")],
        lists: vec![list(ListKind::Users, complete()), list(ListKind::Groups, complete())],
        clock_skew_seconds: None,
        tls_certificate_sha256: None,
        hides_inactive: false,
        odd_values: Vec::new(),
        warnings: Vec::new(),
        notes: Vec::new(),
    }
}

fn joined(reading: SourceReading) -> Inventory {
    let pattern = |text: &str| vec![Pattern::parse(text).unwrap()];
    let classes = Classes {
        privileged_groups: pattern("Administrators"),
        break_glass: pattern("glob:emergency-*"),
        service_accounts: pattern("glob:svc-*"),
    };
    Inventory::join(vec![reading], &classes)
}

fn evaluated(users: Vec<User>) -> EvaluationOutput {
    evaluate(&joined(reading(users)), &Policy::default(), as_of())
}

/// Returns `rule:severity` of all findings about these users.
fn found(users: Vec<User>) -> Vec<String> {
    let findings = evaluated(users).findings;
    findings.iter().map(|f| format!("{}:{}", f.rule.as_str(), f.severity.as_str())).collect()
}

fn outcome(output: &EvaluationOutput, rule: Rule) -> &RuleOutcome {
    &output.evaluations.iter().find(|v| v.rule == rule).unwrap().outcome
}

#[test]
fn the_limit_of_90_days_is_exact_to_the_second() {
    for (days, seconds, stale) in [
        (89, -1, false),
        (89, 0, false),
        (89, 1, false),
        (90, -1, false),
        (90, 0, true),
        (90, 1, true),
        (91, -1, true),
        (91, 0, true),
        (91, 1, true),
    ] {
        let findings = found(vec![with("somebody", |u| u.last_login = LastLogin::At(ago(days, seconds)))]);
        assert_eq!(!findings.is_empty(), stale, "{days} days and {seconds} s");
    }
}

#[test]
fn privileged_accounts_have_their_own_limit() {
    let admin = |days, seconds| {
        with("admin", |u| {
            u.group_memberships = Box::new(["2".into()]);
            u.last_login = LastLogin::At(ago(days, seconds));
        })
    };
    assert_eq!(found(vec![admin(45, -1)]), [""; 0]);
    assert_eq!(found(vec![admin(45, 0)]), ["stale-login:high"]);
    let by_flag = with("flagged", |u| {
        u.is_admin = Some(true);
        u.last_login = LastLogin::At(ago(46, 0));
    });
    assert_eq!(found(vec![by_flag]), ["stale-login:high"]);
}

#[test]
fn a_day_has_86_400_seconds_across_leap_days_and_clock_changes() {
    // 2024 has a February 29: 366 days.
    let leap = (at("2025-02-28T12:00:00Z") - at("2024-02-28T12:00:00Z")).num_days();
    assert_eq!(leap, 366);
    assert_eq!(age::age_days(at("2025-02-28T12:00:00Z"), at("2024-02-28T12:00:00Z")), 366);
    // Clocks in Berlin went back on 2026-10-25: 25 hours lie between these two noons, and 24 are a day.
    assert_eq!(age::age_days(at("2026-10-25T12:00:00+01:00"), at("2026-10-24T12:00:00+02:00")), 1);
    assert_eq!(age::age_days(at("2026-10-25T11:59:59+01:00"), at("2026-10-24T12:00:00+01:00")), 0);
}

#[test]
fn a_date_in_the_future_is_age_0_and_a_quality_finding_beyond_five_minutes() {
    let soon = with("soon", |u| u.last_login = LastLogin::At(ago(0, -300)));
    assert_eq!(found(vec![soon]), [""; 0]);
    let later = with("later", |u| u.last_login = LastLogin::At(ago(0, -301)));
    assert_eq!(found(vec![later]), ["data-quality:info"]);
    let far = with("far", |u| u.created_at = ReportedDate::At(at("9999-12-31T23:59:59Z")));
    assert_eq!(found(vec![far]), ["data-quality:info"]);
}

#[test]
fn a_stale_local_account_is_more_severe() {
    let stale = LastLogin::At(ago(100, 0));
    let ldap = with("ldap", |u| u.last_login = stale.clone());
    assert_eq!(found(vec![ldap]), ["stale-login:medium"]);
    let local = with("local", |u| {
        u.last_login = stale;
        u.account_type = Some("Local".into());
    });
    assert_eq!(found(vec![local]), ["stale-login:high"]);
}

#[test]
fn service_disabled_and_expired_accounts_are_never_stale() {
    let stale = |name: &str, change: fn(&mut User)| {
        with(name, |u| {
            u.last_login = LastLogin::At(ago(500, 0));
            u.group_memberships = Box::default();
            change(u);
        })
    };
    let service = found(vec![stale("svc-backup", |_| {})]);
    assert_eq!(service, ["no-group:medium", "service-without-owner:medium"]);
    assert_eq!(found(vec![stale("disabled", |u| u.enabled = Some(false))]), [""; 0]);
    assert_eq!(found(vec![stale("expired", |u| u.expires_at = ReportedDate::At(as_of()))]), [""; 0]);
    assert_eq!(found(vec![stale("unknown", |u| u.enabled = None)]), [""; 0]);
    let emergency = found(vec![stale("emergency-1", |u| u.group_memberships = Box::new(["1".into()]))]);
    assert_eq!(emergency, ["stale-login:medium"], "people use break-glass accounts");
}

#[test]
fn an_account_that_never_logged_in_has_a_grace_period_and_then_two_severities() {
    let never = |days: i64, seconds: i64| {
        with("never", |u| {
            u.last_login = LastLogin::Never { sentinel: None };
            u.created_at = ReportedDate::At(ago(days, seconds));
        })
    };
    assert_eq!(found(vec![never(30, -1)]), [""; 0]);
    assert_eq!(found(vec![never(30, 0)]), ["never-logged-in:low"]);
    assert_eq!(found(vec![never(90, -1)]), ["never-logged-in:low"]);
    assert_eq!(found(vec![never(90, 0)]), ["never-logged-in:medium"]);
}

#[test]
fn never_differs_from_not_reported() {
    let unreported = |name: &str| with(name, |u| u.last_login = LastLogin::NotReported);
    let output = evaluated(vec![unreported("a"), unreported("bb")]);
    assert_eq!(output.findings, []);
    assert!(
        matches!(outcome(&output, Rule::StaleLogin), RuleOutcome::Undetermined { why } if why.contains("last logins"))
    );
    assert!(matches!(outcome(&output, Rule::NeverLoggedIn), RuleOutcome::Undetermined { .. }));
    // If the login of another account is reported, a missing one is a gap in the data of that account.
    let output = evaluated(vec![unreported("a"), user("reported")]);
    assert_eq!(outcome(&output, Rule::StaleLogin), &RuleOutcome::Evaluated { subjects: 2, undetermined: 1 });
    assert_eq!(output.findings.len(), 1);
    assert_eq!(output.findings[0].rule, Rule::DataQuality);
}

#[test]
fn an_account_without_a_date_to_count_from_is_neither_recent_nor_old() {
    let no_creation = with("no-creation", |u| {
        u.last_login = LastLogin::Never { sentinel: None };
        u.created_at = ReportedDate::NotReported;
    });
    assert_eq!(found(vec![no_creation]), ["data-quality:info"]);
    let unreadable = with("unreadable", |u| u.last_login = LastLogin::Unreadable("soon".into()));
    assert_eq!(found(vec![unreadable]), ["data-quality:info"]);
    let sentinel =
        with("sentinel", |u| u.last_login = LastLogin::Never { sentinel: Some(Box::new("0001-01-01".into())) });
    assert_eq!(found(vec![sentinel]), ["data-quality:info", "never-logged-in:medium"]);
}

#[test]
fn an_enabled_account_needs_a_group_that_exists() {
    let groups =
        |name: &str, ids: &[&str]| with(name, |u| u.group_memberships = ids.iter().map(|id| (*id).into()).collect());
    assert_eq!(found(vec![groups("none", &[])]), ["no-group:medium"]);
    assert_eq!(found(vec![groups("gone", &["77"])]), ["dangling-group:low", "no-group:medium"]);
    assert_eq!(found(vec![groups("both", &["1", "77"])]), ["dangling-group:low"]);
    let unknown = with("unknown", |u| {
        u.groups_known = false;
        u.group_memberships = Box::default();
    });
    let output = evaluated(vec![unknown]);
    assert_eq!(output.findings, []);
    assert_eq!(outcome(&output, Rule::NoGroup), &RuleOutcome::Evaluated { subjects: 1, undetermined: 1 });
}

#[test]
fn an_incomplete_group_list_proves_for_nobody_that_it_has_no_group() {
    let mut reading = reading(vec![with("nobody", |u| u.group_memberships = Box::new(["77".into()]))]);
    reading.lists[1].coverage = Coverage::Drifted { why: "it moved".to_owned() };
    let output = evaluate(&joined(reading), &Policy::default(), as_of());
    let rules: Vec<&str> = output.findings.iter().map(|f| f.rule.as_str()).collect();
    assert_eq!(rules, ["collection-incomplete"]);
    for rule in [Rule::NoGroup, Rule::DanglingGroup] {
        assert!(matches!(outcome(&output, rule), RuleOutcome::Undetermined { why } if why.contains("it moved")));
    }
}

#[test]
fn a_disabled_account_must_not_be_in_a_group() {
    let disabled = |ids: &[&str]| {
        with("disabled", |u| {
            u.enabled = Some(false);
            u.group_memberships = ids.iter().map(|id| (*id).into()).collect();
        })
    };
    assert_eq!(found(vec![disabled(&[])]), [""; 0]);
    assert_eq!(found(vec![disabled(&["1"])]), ["disabled-in-group:low"]);
    assert_eq!(found(vec![disabled(&["1", "2"])]), ["disabled-in-group:medium"]);
    assert_eq!(found(vec![disabled(&["77"])]), ["dangling-group:low"], "a removed group gives no access");
    let expired = with("expired", |u| u.expires_at = ReportedDate::At(ago(1, 0)));
    assert_eq!(found(vec![expired]), ["disabled-in-group:low"]);
}

#[test]
fn a_failed_source_has_no_findings_except_its_failure() {
    let mut reading = reading(Vec::new());
    reading.lists = vec![list(ListKind::Users, Coverage::Failed { error: "no connection".to_owned() })];
    let output = evaluate(&joined(reading), &Policy::default(), as_of());
    let [finding] = output.findings.as_slice() else { panic!("one finding") };
    assert_eq!((finding.rule, finding.severity), (Rule::CollectionIncomplete, Severity::Medium));
    assert!(matches!(outcome(&output, Rule::StaleLogin), RuleOutcome::Undetermined { .. }));
}

#[test]
fn a_rule_can_be_switched_off_or_get_another_severity() {
    let mut policy = Policy::default();
    policy.rules.insert(Rule::NoGroup, Override::Off);
    policy.rules.insert(Rule::StaleLogin, Override::Severity(Severity::Critical));
    let stale = with("stale", |u| {
        u.last_login = LastLogin::At(ago(100, 0));
        u.group_memberships = Box::default();
    });
    let output = evaluate(&joined(reading(vec![stale])), &policy, as_of());
    let [finding] = output.findings.as_slice() else { panic!("one finding") };
    assert_eq!(finding.severity, Severity::Critical);
    assert_eq!(outcome(&output, Rule::NoGroup), &RuleOutcome::Off);
}

#[test]
fn evidence_lets_a_reviewer_recompute_the_finding() {
    let findings =
        evaluated(vec![with("stale", |u| u.last_login = LastLogin::At(at("2026-07-14T08:00:00.5Z")))]).findings;
    assert_eq!(
        findings[0].evidence(),
        r#"{"age_days":131,"basis":"2026-07-14T08:00:00.5Z","basis_kind":"last_login","local":false,"privileged":false,"threshold_days":90,"threshold_from":"default","times_seen":1}"#
    );
    assert_eq!(findings[0].title(), "no login for 131 days: last login 2026-07-14T08:00:00.5Z, threshold 90 days");
}

#[test]
fn a_fingerprint_depends_only_on_rule_source_and_subject() {
    let stale = |name: &str, days| {
        with("same-id", |u| {
            u.username = Some(name.into());
            u.last_login = LastLogin::At(ago(days, 0));
        })
    };
    let (one, other) = (evaluated(vec![stale("before", 100)]), evaluated(vec![stale("after", 200)]));
    assert_eq!(one.findings[0].fingerprint, other.findings[0].fingerprint);
    assert_ne!(one.findings[0].title(), other.findings[0].title());
}

#[test]
fn findings_are_sorted_by_rule_and_then_by_id_with_numbers_by_value() {
    let nobody = |id: &str| {
        let mut user = with("nobody", |u| u.group_memberships = Box::default());
        user.id = id.into();
        user.last_login = LastLogin::At(ago(100, 0));
        user
    };
    let findings = evaluated(vec![nobody("10"), nobody("9"), nobody("100")]).findings;
    let order: Vec<String> = findings.iter().map(|f| format!("{} {}", f.rule.as_str(), f.subject.id)).collect();
    let expected = ["no-group 9", "no-group 10", "no-group 100", "stale-login 9", "stale-login 10", "stale-login 100"];
    assert_eq!(order, expected);
}

#[test]
fn the_catalogue_contains_every_rule_in_order() {
    let rules: Vec<Rule> = catalogue().iter().map(|entry| entry.rule).collect();
    assert_eq!(rules, Rule::ALL);
}

#[test]
fn controls_are_those_of_the_selected_frameworks() {
    let of = |frameworks: &[&str]| {
        let frameworks: Vec<String> = frameworks.iter().map(|f| (*f).to_owned()).collect();
        controls_of(Rule::StaleLogin, &frameworks).to_vec()
    };
    assert_eq!(of(&["pci-dss-4.0.1"]), ["PCI DSS 8.2.6"]);
    assert_eq!(of(&["cis-8.1", "fedramp-high"]), ["NIST 800-53 AC-2(3)(d)", "CIS 5.3"]);
    assert_eq!(of(&["nis2"]), [""; 0]);
    assert_eq!(of(&[]).len(), 9);
}

/// Days for all and for privileged accounts; months between reviews of all and of privileged access.
type Numbers = (Option<(u32, u32)>, Option<u32>, Option<u32>);

#[test]
fn every_preset_has_the_numbers_of_its_text() {
    let expected: [(&str, Numbers); 12] = [
        ("pci-dss-4.0.1", (Some((90, 90)), Some(6), Some(6))),
        ("fedramp-moderate", (Some((90, 90)), Some(12), Some(3))),
        ("fedramp-high", (Some((35, 35)), Some(6), Some(1))),
        ("disa-stig", (Some((35, 35)), None, None)),
        ("cis-8.1", (Some((45, 45)), Some(3), Some(3))),
        ("essential-eight", (Some((45, 45)), None, Some(12))),
        ("nist-800-171r3", (Some((90, 90)), None, None)),
        ("iso-27001", (None, None, None)),
        ("soc-2", (None, None, None)),
        ("sox", (None, None, None)),
        ("hipaa", (None, None, None)),
        ("nis2", (None, None, None)),
    ];
    let numbers = |f: &frameworks::Framework| {
        (f.stale_days.zip(f.privileged_stale_days), f.review_months, f.privileged_review_months)
    };
    let found: Vec<(&str, Numbers)> = frameworks::all().iter().map(|f| (f.id, numbers(f))).collect();
    assert_eq!(found, expected);
}

#[test]
fn every_rule_names_its_relevant_controls() {
    let expected = [
        "stale-login: PCI DSS 8.2.6; NIST 800-53 AC-2(3)(d); NIST 800-171 03.01.01.f; CIS 5.3; ISM-1404; ISM-1648; \
         ISO 27001 A.5.18; SOC 2 CC6.2; SOC 2 CC6.3",
        "never-logged-in: PCI DSS 8.2.6; NIST 800-53 AC-2(3)(d); CIS 5.1; CIS 5.3; ISO 27001 A.5.16; SOC 2 CC6.2",
        "no-group: NIST 800-53 AC-2(c); NIST 800-53 AC-2(d); CIS 6.8; ISO 27001 A.5.15; ISO 27001 A.5.18; SOC 2 CC6.3",
        "disabled-in-group: PCI DSS 7.2.4; PCI DSS 8.2.5; NIST 800-53 AC-2(3)(a); NIST 800-53 AC-6(7); CIS 6.2; SOC 2 CC6.2",
        "dangling-group: NIST 800-53 AC-2(d); CIS 5.1; ISO 27001 A.5.18",
        "shared-email: PCI DSS 8.2.1; PCI DSS 8.2.2; NIST 800-53 AC-2(9); NIST 800-53 IA-4; ISO 27001 A.5.16",
        "local-outside-sso: CIS 5.6; CIS 6.7; ISO 27001 A.5.16; SOC 2 CC6.1",
        "no-mfa: NIST 800-53 IA-2(1); CIS 6.5",
        "dormant-with-key: PCI DSS 7.2.5.1; PCI DSS 8.6; NIST 800-53 AC-2(3); NIST 800-53 IA-5; CIS 5.3; CIS 5.5",
        "service-without-owner: PCI DSS 7.2.5.1; PCI DSS 8.6.1; NIST 800-53 AC-2(a); CIS 5.5",
        "privileged-growth: NIST 800-53 AC-2(4); NIST 800-53 AC-2(7); NIST 800-53 AC-6(7); CIS 5.4; ISO 27001 A.8.2; \
         SOC 2 CC6.3",
        "break-glass-used: PCI DSS 8.6.1; NIST 800-53 AC-2(2); NIST 800-53 AC-2(12); NIST 800-53 AU-6",
        "empty-group: NIST 800-53 AC-2(c)",
        "exception-expired: NIST 800-53 AC-2(3)(c); ISO 27001 A.5.18",
        "data-quality: ",
        "collection-incomplete: ",
    ];
    let found: Vec<String> =
        Rule::ALL.iter().map(|rule| format!("{}: {}", rule.as_str(), controls_of(*rule, &[]).join("; "))).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_limit_for_privileged_accounts_is_at_least_as_strict_as_the_one_for_all() {
    let pci = frameworks::find("pci-dss-4.0.1").unwrap();
    let (all, privileged) = frameworks::thresholds(&[pci], Some(30), None).unwrap();
    assert_eq!((all.days, privileged.days, privileged.from.as_str()), (30, 30, "configuration"));
    let (all, privileged) = frameworks::thresholds(&[], Some(30), None).unwrap();
    assert_eq!((all.days, privileged.days), (30, 30));
    let (_, explicit) = frameworks::thresholds(&[], Some(30), Some(60)).unwrap();
    assert_eq!(explicit.days, 60, "the configuration sets it explicitly");
}

#[test]
fn the_strictest_threshold_wins_and_is_named() {
    let pick = |ids: &[&str], stale, privileged| {
        let selected: Vec<_> = ids.iter().map(|id| frameworks::find(id).unwrap()).collect();
        let words = |t: Threshold| format!("{} {}", t.days, t.from);
        frameworks::thresholds(&selected, stale, privileged).map(|(all, privileged)| (words(all), words(privileged)))
    };
    let both = |all: &str, privileged: &str| Ok((all.to_owned(), privileged.to_owned()));
    assert_eq!(pick(&[], None, None), both("90 default", "45 default"));
    assert_eq!(pick(&["pci-dss-4.0.1"], None, None), both("90 pci-dss-4.0.1", "90 pci-dss-4.0.1"));
    assert_eq!(pick(&["pci-dss-4.0.1", "cis-8.1"], Some(60), None), both("45 cis-8.1", "45 cis-8.1"));
    assert_eq!(pick(&["pci-dss-4.0.1"], Some(60), Some(90)), both("60 configuration", "90 configuration"));
    assert_eq!(pick(&[], Some(30), None), both("30 configuration", "30 configuration"));
    assert_eq!(pick(&["iso-27001"], Some(60), None), both("60 configuration", "45 default"));
    assert!(pick(&["soc-2", "pci-dss-4.0.1"], None, None).unwrap_err().contains("stale_after_days"));
}

proptest! {
    #[test]
    fn ages_agree_with_plain_arithmetic(as_of in -62_000_000_000i64..250_000_000_000, basis in -62_000_000_000i64..250_000_000_000) {
        let instant = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let expected = (i128::from(as_of) - i128::from(basis)).max(0) / 86_400;
        prop_assert_eq!(i128::from(age::age_days(instant(as_of), instant(basis))), expected);
    }

    #[test]
    fn findings_name_existing_users_only(logins in proptest::collection::vec((0u8..5, -400i64..4000, 0u8..4), 0..40)) {
        let users: Vec<User> = logins.iter().enumerate().map(|(n, (login, days, groups))| {
            let mut user = user("somebody");
            user.id = n.to_string().into();
            user.enabled = [Some(true), Some(false), None][n % 3];
            user.last_login = match login {
                0 => LastLogin::Never { sentinel: None },
                1 => LastLogin::NotReported,
                2 => LastLogin::Unreadable("x".into()),
                _ => LastLogin::At(ago(*days, 0)),
            };
            user.group_memberships = (0..*groups).map(|g| g.to_string().into()).collect();
            user
        }).collect();
        let count = users.len();
        let output = evaluated(users);
        for finding in &output.findings {
            prop_assert!(finding.subject.id.parse::<usize>().unwrap() < count);
        }
        prop_assert_eq!(output.evaluations.len(), Rule::ALL.len());
    }
}
