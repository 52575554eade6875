//! Service accounts and their register, and accounts that cannot sign in.

use super::*;
use crate::model::{ApiAccess, MembershipConflict};
use crate::rules::policy::ServiceOwner;
use chrono::NaiveDate;

fn entry(account: &str, source: Option<&str>, review_by: &str) -> ServiceOwner {
    ServiceOwner {
        account: Pattern::parse(account).unwrap(),
        source: source.map(str::to_owned),
        owner: "backup team".to_owned(),
        review_by: review_by.parse::<NaiveDate>().unwrap(),
    }
}

fn with_register(users: Vec<User>, service_owners: Vec<ServiceOwner>) -> Vec<Finding> {
    let policy = Policy { service_owners, ..Policy::default() };
    evaluate(&joined(reading(users)), &policy, as_of()).findings
}

fn api(wide_rights: Vec<&'static str>, restricted: bool) -> User {
    let mut user = User::new("api-account:7");
    user.username = Some("backup".into());
    user.enabled = Some(true);
    user.kind = crate::model::UserKind::Service;
    user.groups_known = true;
    let wide_rights = wide_rights.into_iter().map(Into::into).collect();
    user.rare.set(|rare| &mut rare.api, Some(Box::new(ApiAccess { wide_rights, restricted: Some(restricted) })));
    user
}

#[test]
fn a_service_account_needs_an_entry_whose_review_date_has_not_passed() {
    let found = |entries: Vec<ServiceOwner>| {
        let findings = with_register(vec![user("svc-backup")], entries);
        findings
            .iter()
            .map(|f| serde_json::from_str::<Value>(&f.evidence()).unwrap()["reason"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(found(vec![]), ["no entry"]);
    assert_eq!(found(vec![entry("svc-backup", None, "2026-11-23")]), [Value::Null; 0], "today is the last day");
    assert_eq!(found(vec![entry("svc-backup", None, "2026-11-22")]), ["review date passed"]);
    assert_eq!(found(vec![entry("glob:svc-*", Some("eu"), "2027-01-01")]), [Value::Null; 0]);
    assert_eq!(found(vec![entry("glob:svc-*", Some("us"), "2027-01-01")]), ["no entry"], "an entry of another source");
    let both = vec![entry("svc-backup", None, "2026-01-01"), entry("glob:svc-*", None, "2027-01-01")];
    assert_eq!(found(both), [Value::Null; 0], "the entry with the latest review date counts");
}

#[test]
fn an_overdue_review_names_the_owner_and_the_day() {
    let findings = with_register(vec![user("svc-backup")], vec![entry("svc-backup", None, "2026-01-31")]);
    let expected = r#"{"account":"svc-backup","owner":"backup team","reason":"review date passed","review_by":"2026-01-31","times_seen":1}"#;
    assert_eq!(findings[0].evidence(), expected);
    assert_eq!(
        findings[0].title(),
        "service account with an overdue review (due 2026-01-31); registered owner: backup team"
    );
}

#[test]
fn an_api_account_is_more_severe_with_wide_rights_or_from_any_address_and_needs_no_group() {
    assert_eq!(found(vec![api(vec![], true)]), ["service-without-owner:medium"]);
    assert_eq!(found(vec![api(vec!["perm_backup"], true)]), ["service-without-owner:high"]);
    let output = evaluated(vec![api(vec![], false)]);
    assert_eq!(output.findings[0].title(), "service account without an owner in the register; usable from any address");
    assert_eq!(output.findings[0].severity, Severity::High);
    assert_eq!(outcome(&output, Rule::NoGroup), &RuleOutcome::Evaluated { subjects: 0, undetermined: 0 });
    let mut disabled = api(vec!["perm_backup"], false);
    disabled.enabled = Some(false);
    assert_eq!(found(vec![disabled]), [""; 0]);
}

#[test]
fn an_entry_in_the_register_covers_wide_rights_too() {
    let found =
        with_register(vec![api(vec!["perm_backup"], false)], vec![entry("id:api-account:7", None, "2027-01-01")]);
    assert_eq!(found, []);
}

#[test]
fn a_blocked_account_is_never_stale_and_must_not_be_in_a_group() {
    for (blocked, word) in
        [(Blocked::Expired, "expired"), (Blocked::Quarantined, "quarantined"), (Blocked::NotApproved, "not approved")]
    {
        let output = evaluated(vec![with("blocked", |u| {
            u.blocked = Some(blocked);
            u.last_login = LastLogin::Unreadable("soon".into());
        })]);
        let titles: Vec<String> = output.findings.iter().map(Finding::title).collect();
        let group = format!("{word}, and still a member of 1 group");
        assert_eq!(
            titles,
            ["last login is unreadable", group.as_str()],
            "a missing basis for an age does not matter here"
        );
        assert_eq!(
            output.findings[1].evidence(),
            format!(
                r#"{{"blocked":"{word}","count":1,"enabled":true,"groups":["1"],"privileged_groups":[],"times_seen":1}}"#
            )
        );
    }
}

#[test]
fn a_contradiction_between_an_account_and_its_groups_is_a_quality_finding() {
    let odd = with("odd", |u| {
        let only_by_user = vec!["1".into()];
        u.rare.set(
            |rare| &mut rare.conflict,
            Some(Box::new(MembershipConflict { only_by_user, only_by_group: Vec::new() })),
        );
    });
    let findings = evaluated(vec![odd]).findings;
    assert_eq!(findings[0].evidence(), r#"{"memberships_only_by_user":["1"],"times_seen":1}"#);
    assert_eq!(findings[0].title(), "its record names groups whose member lists lack it");
}
